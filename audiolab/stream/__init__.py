"""Sound that never ends: what stands between a microphone that delivers and a program that takes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "networks": ["Denoiser", "Spotter", "Word"],
        "ring": ["RingBuffer"],
    },
)
