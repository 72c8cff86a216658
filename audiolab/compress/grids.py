"""Numbers on a grid: fewer bits for each of them.

A number x is kept as a whole number q, ``x ≈ scale (q - zero_point)``. Where the steps lie is a `Grid`.
"""

import copy
from typing import NamedTuple

import torch

TINY = 1e-12                    # the step for nothing but zeros

class Grid(NamedTuple):
    """Numbers that can be told apart: ``scale (q - zero_point)`` for whole q from `lowest` to `highest`.

    Attributes
    ----------
    scale : torch.Tensor
        The step: one for all, or in a shape that is broadcast, such as [channels, 1, 1, 1] for one of each channel.
    zero_point : torch.Tensor
        The q that stands for 0, of the same shape.
    lowest, highest : int

    Taught in: notebooks/09_quantization.ipynb, "Where do the steps lie?"
    """

    scale: torch.Tensor
    zero_point: torch.Tensor
    lowest: int
    highest: int


def grid(low, high, bits=8, symmetric=False):
    """The grid of 2**bits levels from `low` to `high`, one of them at 0.

    ``scale = (high - low) / (2^bits - 1)``, ``zero_point = lowest - low / scale``, rounded, for q from -2^(bits-1) to
    2^(bits-1) - 1. A symmetric grid has its zero at q = 0 and leaves the lowest q out, so that x and -x fare alike:
    ``scale = max(-low, high) / (2^(bits-1) - 1)``.

    Parameters
    ----------
    low, high : float or torch.Tensor
        Range of the values, of any shape; it is widened to hold 0, which fills up sequences and is what a ReLU leaves:
        an error there would be everywhere.
    bits : int
        2 to 16.
    symmetric : bool

    Returns
    -------
    Grid

    Raises
    ------
    ValueError
        If `bits` is outside 2 to 16, or the range is not two finite numbers, the lower one first.

    References
    ----------
    Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference", 2018.

    Taught in: notebooks/09_quantization.ipynb, "Where do the steps lie?"
    """
    if bits not in range(2, 17):
        raise ValueError(f"bits={bits!r}: a whole number from 2 to 16.")
    bits = int(bits)
    low, high = (torch.as_tensor(end, dtype=torch.float32) for end in (low, high))
    if not (torch.isfinite(low) & torch.isfinite(high) & (low <= high)).all():
        raise ValueError("A range is two finite numbers, the lower one first. Is there NaN among the values?")
    low, high, highest = low.clamp(max=0), high.clamp(min=0), 2 ** (bits - 1) - 1
    if symmetric:
        scale = (torch.maximum(-low, high) / highest).clamp(min=TINY)
        return Grid(scale, torch.zeros_like(scale), -highest, highest)
    scale = ((high - low) / (2**bits - 1)).clamp(min=TINY)
    return Grid(scale, (-highest - 1 - low / scale).round(), -highest - 1, highest)


def weight_grid(w, bits=8, axis=0):
    """The symmetric grid for a layer's weights, from their largest magnitude.

    Parameters
    ----------
    w : torch.Tensor
    bits : int
    axis : int or None
        A step for each place along this axis: 0 is the output channels of `Linear`, `Conv2d`, and the gates of `GRU`,
        whose weights differ in size. None: one step for all.

    Returns
    -------
    Grid

    Raises
    ------
    ValueError
        If `bits` is outside 2 to 16, `w` has no such axis, or holds NaN or infinity.

    Taught in: notebooks/09_quantization.ipynb, "Where do the steps lie?"
    """
    if axis is not None and axis not in range(-w.ndim, w.ndim):
        raise ValueError(f"axis={axis!r}: weights of shape {list(w.shape)} have no such axis.")
    dims = [dim for dim in range(w.ndim) if axis is None or dim != axis % w.ndim]
    most = w.detach().abs().amax(dim=dims, keepdim=axis is not None)
    return grid(-most, most, bits, symmetric=True)


def quantise(x, grid):
    """The whole numbers that stand for x: ``q = round(x / scale) + zero_point``.

    Halves go to the even neighbour, as in ONNX. What lies beyond the ends of the grid is clipped.

    Parameters
    ----------
    x : torch.Tensor, float
    grid : Grid

    Returns
    -------
    torch.Tensor, int8 for up to 8 bits, otherwise int16

    Raises
    ------
    ValueError
        If `x` holds NaN.

    Taught in: notebooks/09_quantization.ipynb, "Where do the steps lie?"
    """
    if torch.isnan(x).any():
        raise ValueError("No whole number stands for NaN: look for it with torch.isnan.")
    q = ((x / grid.scale).round() + grid.zero_point).clamp(grid.lowest, grid.highest)
    return q.to(torch.int8 if grid.highest < 128 else torch.int16)


def dequantise(q, grid):
    """The numbers that whole numbers stand for: ``scale (q - zero_point)``, float32.

    Within the range of the grid they are half a step at most from those that went in; their error is spread evenly
    over a step, so its root mean square is ``scale / √12``.

    Taught in: notebooks/09_quantization.ipynb, "Where do the steps lie?"
    """
    return grid.scale * (q - grid.zero_point)


def weights(model):
    """What takes the room in a model: its parameters of two axes or more, by name.

    The others, biases and the scales of normalisations, are few, and stay as they are.

    Taught in: notebooks/09_quantization.ipynb, "How many bits does a weight need?"
    """
    return {name: parameter for name, parameter in model.named_parameters() if parameter.ndim > 1}


def round_weights(model, bits=8, axis=0):
    """A copy of a model with every weight at the nearest level of its grid; it computes in float as before.

    Parameters
    ----------
    model : torch.nn.Module
        Any.
    bits : int
    axis : int or None
        As in `weight_grid`.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    ValueError
        As from `weight_grid`: if a weight is NaN, for example.

    Taught in: notebooks/09_quantization.ipynb, "How many bits does a weight need?"
    """
    model = copy.deepcopy(model)
    for w in weights(model).values():
        where = weight_grid(w, bits, axis)
        w.data = dequantise(quantise(w.data, where), where)
    return model
