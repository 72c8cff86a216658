"""Files no larger than the numbers in them need."""

import copy
from pathlib import Path

import numpy as np
import torch

from .. import paths
from .grids import quantise, weight_grid, weights


def pack(model, file, bits=8):
    """Write a model's numbers into a file no larger than they need; `unpack` reads it.

    Weights stand as whole numbers of so many bits on a grid for each output channel, one after the other without a gap.
    Of a tensor with many zeros, one bit for each number says where they are, and only the others follow. All else is
    float32.

    Parameters
    ----------
    model : torch.nn.Module
    file : str or os.PathLike
        In the safetensors format.
    bits : int
        2 to 8; or 16 or 32 for floats of half and single precision.

    Returns
    -------
    int
        Bytes of the file.

    Raises
    ------
    ValueError
        If `bits` is none of the above, or a weight is NaN or too large for it.

    References
    ----------
    Han, Mao and Dally, "Deep compression", 2016, who go on with a code for how often each number occurs.

    Taught in: notebooks/09_quantization.ipynb, "What can be left out?"
    """
    from safetensors.torch import save_file

    if bits not in (*range(2, 9), 16, 32):
        raise ValueError(f"bits={bits!r}: a weight is stored in 2 to 8 bits, or as a float of 16 or 32.")
    bits, big, tensors = int(bits), weights(model), {}
    for name, t in _numbers(model).items():
        t = t.cpu().clone(memory_format=torch.contiguous_format)
        if name in big:
            if bits <= 8:
                where = weight_grid(t, bits)
                tensors[f"{name}.scale"], t = where.scale, quantise(t, where)
            elif bits == 16:
                t = t.half()
                if not torch.isfinite(t).all():
                    raise ValueError(f"In {name} is NaN, or a weight that is too large: float16 holds up to 65,504. "
                                     "Store such weights in 32 bits.")
            kept = t != 0
            if kept.float().mean() < 1 - 1 / bits:
                tensors[f"{name}.kept"], t = torch.from_numpy(np.packbits(kept.numpy())), t[kept]
            if bits < 8:                                        # the lowest bits of each byte, side by side
                t = np.unpackbits(t.numpy().view(np.uint8).reshape(-1, 1), axis=1)[:, -bits:]
                t = torch.from_numpy(np.packbits(t))
        tensors[name] = t
    with paths.replacing(file) as new:
        save_file(tensors, new, {"bits": str(bits)})
    return Path(file).stat().st_size


def _numbers(model):
    """Parameters and buffers by name; what several layers share, by the first name alone."""
    first = {}
    for name, t in model.state_dict(keep_vars=True).items():
        first.setdefault(id(t), (name, t.detach()))
    return dict(first.values())


def unpack(model, file):
    """A copy of a model with the numbers that `pack` wrote.

    Parameters
    ----------
    model : torch.nn.Module
        Of the same kind, whatever its weights.
    file : str or os.PathLike

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    ValueError
        If the file is damaged, or belongs to another kind of model.

    Taught in: notebooks/09_quantization.ipynb, "What can be left out?"
    """
    from safetensors import SafetensorError, safe_open

    model = copy.deepcopy(model)
    state, big = _numbers(model), weights(model)
    try:
        with safe_open(file, "pt") as stored:
            bits = int(stored.metadata()["bits"])
            found = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        for name, own in state.items():
            t = found.pop(name)
            if name in big:
                kept = found.pop(f"{name}.kept", None)
                kept = torch.ones(own.numel(), dtype=torch.bool) if kept is None else torch.from_numpy(
                    np.unpackbits(kept.numpy(), count=own.numel()).astype(bool))
                if bits < 8:
                    n = int(kept.sum())
                    fields = np.unpackbits(t.numpy(), count=n * bits).reshape(n, bits)
                    sign = np.repeat(fields[:, :1], 8 - bits, axis=1)           # again of eight bits
                    t = torch.from_numpy(np.packbits(np.hstack([sign, fields]), axis=1)[:, 0].view(np.int8))
                t = torch.zeros(own.numel()).masked_scatter(kept, t.float()).view(own.shape)
                t = t * found.pop(f"{name}.scale", 1)
            state[name] = t
        model.load_state_dict(state, strict=False)               # of the shared ones, one name
        if found:
            raise KeyError(next(iter(found)))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{str(file)!r} is damaged, or holds another model than this {type(model).__name__} "
                         f"({reason}): write it anew with pack.") from None
    return model
