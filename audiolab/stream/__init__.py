"""Sound that never ends: what stands between a microphone that delivers and a program that takes.

`ring` keeps the last samples. `blocks`, `effects` and `networks` change what comes, block by block. `ends` are where
sound comes from and goes to. `engine` lets one run into the other, on the clock of the wall or on a simulated one, and
`meter` says how it went.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "blocks": ["Chain", "Filter", "LogMel", "Processor", "Spectral", "offline"],
        "effects": ["Delay", "PitchShift", "equaliser"],
        "ends": ["File", "Microphone", "Recording", "Speakers"],
        "engine": ["Engine", "simulate"],
        "meter": ["Meter"],
        "networks": ["Denoiser", "Spotter"],
        "ring": ["RingBuffer", "Stamps"],
    },
)
