"""A keyword spotter without Python: its network in whole numbers, and the C program that computes the same."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["fixed", "program"],
    submod_attrs={
        "fixed": ["Layer", "Spotter", "fixed_point", "quantise", "requantise", "spotter"],
        "program": ["CompilerError", "as_wav", "build", "compiler", "export", "run", "sizes", "write"],
    },
)
