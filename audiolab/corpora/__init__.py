"""Corpora: generated without a network, downloaded, or one's own; each is a folder (`audiolab.corpus`)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["catalogue", "download", "events", "folder", "music", "physics",
                "remote", "scenes", "speech", "splits", "streams", "strings"],
    submod_attrs={"folder": ["from_folder"], "samples": ["sample"]},
)
