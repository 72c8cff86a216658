"""Weights that are left out: the smallest one by one, or whole channels."""

import contextlib
import copy

import torch
from torch import nn

from .grids import weights


def magnitude_masks(model, share, relative=False):
    """Which weights stay when a share of them is left out, the smallest of the whole model first.

    Layers differ in the size of their weights, and one of small weights may lose nearly all, so that nothing comes
    through. So a magnitude can be measured by its own layer, ``w[i]² / Σ w[j]²`` over the j with ``|w[j]| ≥ |w[i]|``:
    what it is of that which would be left with it. Then the largest of each layer always stays. Of weights that are
    equal in size the first in order go first.

    Parameters
    ----------
    model : torch.nn.Module
    share : float
        0 to less than 1. Of n weights just ``round(share n)`` go.
    relative : bool
        Measure each by its layer. Fewer go where else the largest of a layer would.

    Returns
    -------
    dict of str to torch.Tensor of bool
        For each of `weights` what stays.

    Raises
    ------
    ValueError
        If the share is not from 0 to less than 1, or the model has no weights.

    References
    ----------
    Han et al., "Learning both weights and connections for efficient neural networks", 2015; relative: Lee et al.,
    "Layer-adaptive sparsity for the magnitude-based pruning", 2021.

    Taught in: notebooks/09_quantization.ipynb, "What can be left out?"
    """
    if not 0 <= share < 1:
        raise ValueError(f"share={share}: from 0 to less than 1 of the weights can be left out.")
    found = _weights(model)
    sizes = torch.cat([(_of_what_is_left(w) if relative else w).detach().abs().flatten() for w in found.values()])
    left_out = min(round(share * len(sizes)), len(sizes) - relative * len(found))
    kept = torch.ones_like(sizes, dtype=torch.bool)
    kept[sizes.argsort(stable=True)[:left_out]] = False
    parts = kept.split([w.numel() for w in found.values()])
    return {name: part.view(w.shape) for (name, w), part in zip(found.items(), parts, strict=True)}


def _of_what_is_left(w):
    """The square of each number, as a share of the sum of those that are not smaller; of equals the first is least."""
    smallest_first, order = w.detach().flatten().double().square().sort(stable=True)
    shares = smallest_first / smallest_first.flip(0).cumsum(dim=0).flip(0).clamp(min=1e-300)
    shares[-1] = 1                                              # the largest, even of a layer of zeros
    return torch.empty_like(shares).scatter(0, order, shares)


def _weights(model):
    found = weights(model)
    if not found:
        raise ValueError(f"This {type(model).__name__} has no weights that could be left out.")
    return found


@contextlib.contextmanager
def held(model, masks):
    """Set the weights that masks leave out to 0, and hold them there as long as this context lasts.

    Their gradients are 0 in it, so no optimiser moves them: ``with held(model, masks): training.fit(model, …)`` lets
    the others make up for them.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place.
    masks : dict of str to torch.Tensor of bool
        As from `magnitude_masks`.

    Raises
    ------
    ValueError
        If a mask fits no parameter of the model.

    Taught in: notebooks/09_quantization.ipynb, "What can be left out?"
    """
    known = dict(model.named_parameters())
    for name, kept in masks.items():
        if name not in known or known[name].shape != kept.shape:
            raise ValueError(f"A mask of {name!r}, {list(kept.shape)}, fits no parameter of this model: make the masks "
                             "of the model that is trained.")
    with contextlib.ExitStack() as hooks:
        for name, kept in masks.items():
            known[name].data *= kept
            hook = known[name].register_hook(lambda gradient, kept=kept: gradient * kept.to(gradient.device))
            hooks.callback(hook.remove)
        yield


def sparsity(model):
    """Share of a model's `weights` that are 0. Raises ValueError if it has none.

    Taught in: notebooks/09_quantization.ipynb, "What can be left out?"
    """
    found = [w.detach() == 0 for w in _weights(model).values()]
    return sum(zero.sum().item() for zero in found) / sum(zero.numel() for zero in found)


def slim(model, smaller):
    """Give a network with fewer channels the strongest channels of a larger one: structured pruning.

    Of each convolution those filters stay whose weights have the largest sum of magnitudes, and with them their
    normalisation, and what the next layer makes of them. What is left is an ordinary network, small for any machine.

    Parameters
    ----------
    model : CNN, CRNN or DSCNN
    smaller : the same class, with fewer channels
        ``models.CRNN(n_mels, n_classes, channels=(12, 24, 32))``: whatever its weights.

    Returns
    -------
    torch.nn.Module
        As `smaller`, in evaluation mode.

    Raises
    ------
    ValueError
        If they are of two kinds, or of a kind whose layers do not simply follow each other, or the smaller one differs
        otherwise.

    References
    ----------
    Li et al., "Pruning filters for efficient ConvNets", 2017.

    Taught in: notebooks/09_quantization.ipynb, "What can be left out?"
    """
    if type(model) is not type(smaller) or type(model).__name__ not in ("CNN", "CRNN", "DSCNN"):
        raise ValueError(f"Channels can be left out of a CNN, CRNN or DSCNN for one of the same kind, not of a "
                         f"{type(model).__name__} for a {type(smaller).__name__}.")
    smaller, kept, channels = copy.deepcopy(smaller).eval(), torch.arange(1), 1         # one comes in: the picture
    try:
        for large, small in zip(model.modules(), smaller.modules(), strict=True):       # in the order of computing
            if next(large.children(), None):
                continue
            own = large.state_dict()
            if isinstance(large, nn.Conv2d):
                before, channels = kept, large.out_channels
                if large.groups == 1:
                    strength = own["weight"].abs().sum(dim=(1, 2, 3))
                    kept = strength.topk(small.out_channels).indices.sort().values
                    own["weight"] = own["weight"][kept][:, before]
                else:                                           # depthwise: a filter for each channel by itself
                    own["weight"] = own["weight"][kept]
            elif isinstance(large, nn.BatchNorm2d):
                own = {name: t[kept] if t.ndim else t for name, t in own.items()}
            elif isinstance(large, nn.GRU | nn.Linear) and kept is not None:            # the first that reads them
                own = {name: t.unflatten(1, (channels, -1))[:, kept].flatten(1) if t.ndim == 2 and "_hh" not in name
                       else t for name, t in own.items()}
                kept = None
            small.load_state_dict(own)
    except (RuntimeError, ValueError):
        raise ValueError("The smaller network differs in more than its channels, or has more of them somewhere: make "
                         "it with the same arguments but for `channels`.") from None
    return smaller
