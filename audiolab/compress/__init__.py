"""Smaller networks: fewer bits for each number, fewer numbers, a student for its teacher; and the way out of PyTorch.

Every function that changes a network gives a changed copy, but for `held`, which is for the time of a training.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "aware": ["Quantised", "StraightThrough", "fake_quantise", "fold_batchnorm", "plain", "quantised"],
        "distil": ["distillation_loss", "taught_by"],
        "grids": ["Grid", "dequantise", "grid", "quantise", "round_weights", "weight_grid", "weights"],
        "portable": ["Runner", "export", "int8", "parity"],
        "prune": ["held", "magnitude_masks", "slim", "sparsity"],
        "ranges": ["RANGES", "Observer", "entropy", "min_max", "percentile"],
        "store": ["pack", "unpack"],
    },
)
