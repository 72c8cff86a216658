"""What a learner moves: explorers of chapter 01 and the way in for one's own recording."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["explorer", "fundamentals", "upload"],
    submod_attrs={
        "explorer": ["explore"],
        "fundamentals": ["additive", "aliasing", "bit_depth"],
        "upload": ["Upload"],
    },
)
