"""Sounds that need no network: a voice that speaks any text, instruments that play any score."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=["music", "speech"], submod_attrs={"samples": ["sample"]}
)
