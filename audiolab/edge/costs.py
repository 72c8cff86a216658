"""What a network costs before it has run anywhere: parameters, multiplications and memory, layer by layer.

A multiply-accumulate (MAC) is one multiplication whose product is added to a sum: ``y += w x``. Counted are those of
layers with weights (`RULES`) and of products of matrices between them, which attention is made of. Not counted is what
grows with the number of values alone: biases, activations, normalisations, the gates' products in a recurrent cell,
lookups, Fourier transforms. A BatchNorm counts as nothing for another reason: once trained it is a factor and an
offset for each channel, and both can be multiplied into the convolution before it.
"""

import functools
import inspect
import math
import weakref
from dataclasses import dataclass

import pandas as pd
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

OF_THE_MODEL = "(model)"            # the name of what stands in no layer


# ---------------------------------------------------------------------------------------- multiplications


def _linear(layer, y, x):
    """Each number of the output is a sum over all features: ``y.numel() · in``."""
    return y.numel() * layer.in_features


def _convolution(layer, y, x):
    """… is a sum over a kernel, in as many channels as a group has: ``y.numel() · in / groups · kernel``."""
    return y.numel() * layer.in_channels // layer.groups * math.prod(layer.kernel_size)


def _transposed(layer, y, x):
    """Each number of the input is spread over a kernel: ``x.numel() · out / groups · kernel``."""
    return x.numel() * layer.out_channels // layer.groups * math.prod(layer.kernel_size)


def _recurrent(layer, y, x, *_):
    """At each step each matrix is used once, in all layers and directions: ``batch · time · Σ weights``."""
    steps = x.data.numel() // x.data.shape[-1]                  # a packed sequence has its values in `data`, too
    return steps * sum(w.numel() for name, w in layer.named_parameters() if name.startswith("weight"))


def _attention(layer, y, query, key, value, *_):
    """Four projections, and ``Q Kᵀ`` and ``A V``, of m × n · dim each for m questions and n answers."""
    dim, batch = layer.embed_dim, query.shape[0 if layer.batch_first else 1] if query.ndim == 3 else 1
    m, n = query.numel() // dim, key.numel() // key.shape[-1]   # of all the batch
    return 2 * m * dim**2 + n * dim * (key.shape[-1] + value.shape[-1]) + 2 * m * n // batch * dim


RULES = {
    nn.Linear: _linear, nn.Conv1d: _convolution, nn.Conv2d: _convolution,
    nn.ConvTranspose1d: _transposed, nn.ConvTranspose2d: _transposed, nn.RNN: _recurrent, nn.GRU: _recurrent,
    nn.LSTM: _recurrent, nn.RNNCell: _recurrent, nn.GRUCell: _recurrent, nn.LSTMCell: _recurrent,
    nn.MultiheadAttention: _attention}


def macs(layer, *inputs, output):
    """Multiply-accumulates of one call of a layer, by its shapes.

    Parameters
    ----------
    layer : torch.nn.Module
    *inputs : torch.Tensor
        What it was called with.
    output : torch.Tensor or tuple
        What it gave; of a tuple the first counts, as the outputs of a recurrent layer.

    Returns
    -------
    int
        0 if its class has none of the `RULES`.

    Taught in: notebooks/10_edge_profiling.ipynb, "What does a network cost?"
    """
    rule = _rule(layer)
    return rule(layer, output[0] if isinstance(output, tuple) else output, *inputs) if rule else 0


def _rule(layer):
    return next((RULES[kind] for kind in type(layer).__mro__ if kind in RULES), None)


def _product(name, args, y):
    """Multiply-accumulates of an operation that stands in no layer: ``[n, k] @ [k, m]`` has n k m."""
    if name in ("mm", "bmm"):
        return y.numel() * args[0].shape[-1]
    if name in ("addmm", "baddbmm"):
        return y.numel() * args[1].shape[-1]
    if name.startswith("_scaled_dot_product"):                  # [..., m, d], [..., n, d], [..., n, e]
        q, k, v = args[:3]
        return q.numel() // q.shape[-1] * k.shape[-2] * (k.shape[-1] + v.shape[-1])
    if name == "convolution":                                   # a weight holds one output's, or one input's, share
        x, w, transposed = args[0], args[1], args[6]
        return (x if transposed else y).numel() * w[0].numel()
    return 0


# ---------------------------------------------------------------------------------------- counting


@dataclass(frozen=True)
class Costs:
    """What a network costs for one input.

    Attributes
    ----------
    layers : pandas.DataFrame
        A row for each layer that was called, in that order: `layer`, `kind`, `calls`, `parameters` of its own, `macs`
        of all calls, `bytes` of what goes in and comes out of one call, `alive`: bytes of all tensors that existed at
        the worst moment while it ran, those that wait for later layers with them.
    parameters : int
        Of the whole network, shared ones once.
    weight_bytes : int
        What they and the buffers take, as they are stored now.
    macs : int
    peak : int
        Bytes of tensors, the input with them, at the worst moment. What an operation needs inside itself is the
        library's choice, and not among them.
    """

    layers: pd.DataFrame
    parameters: int
    weight_bytes: int
    macs: int
    peak: int


def count(model, *inputs, call=None):
    """Count what a network costs, by running it once and looking on.

    Hooks tell when a layer begins and ends, and what goes in and comes out: that gives its multiply-accumulates by
    `RULES`. A dispatch mode sees every operation of PyTorch: that gives the products of matrices that stand in no
    layer, and what is alive.

    Parameters
    ----------
    model : torch.nn.Module
        It is run in evaluation mode, without gradients, and left as it was.
    *inputs
        As the model takes them.
    call : callable, optional
        ``call(*inputs)`` instead of ``model(*inputs)``, as for `RecurrentMask.step`.

    Returns
    -------
    Costs

    Raises
    ------
    TypeError
        If the model is no ``torch.nn.Module``.

    Notes
    -----
    `fvcore` and ``torch.utils.flop_counter`` count the same products (2 FLOPs each); `torchinfo` also counts biases
    and BatchNorm, takes one step of a Linear layer on a sequence for all, and counts no attention between layers.

    Examples
    --------
    >>> count(torch.nn.Linear(8, 4), torch.zeros(1, 8)).macs
    32

    Taught in: notebooks/10_edge_profiling.ipynb, "What does a network cost?"
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"What costs are counted of is a torch.nn.Module, not a {type(model).__name__}.")
    watch, modes = _Watch(), {layer: layer.training for layer in model.modules()}
    hooks = [hook for name, layer in model.named_modules() for hook in watch.hooks(name or OF_THE_MODEL, layer)]
    try:
        model.eval()
        with torch.no_grad(), watch:
            watch.alive_now(tree_leaves(inputs))
            (call or model)(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
        for layer, mode in modes.items():
            layer.training = mode
    layers = pd.DataFrame(watch.rows.values())
    everything = (*model.parameters(), *model.buffers())
    layers = layers[(layers.parameters + layers.macs > 0) | layers.leaf].drop(columns="leaf").reset_index(drop=True)
    return Costs(layers, sum(p.numel() for p in model.parameters()),
                 sum(t.numel() * t.element_size() for t in everything), int(layers.macs.sum()), watch.peak)


class _Watch(TorchDispatchMode):
    """Sees layers begin and end, and operations between: rows of a table, and bytes alive.

    A tensor lives until its storage is freed, which a finalizer of the storage tells. Weights do not count.
    """

    _should_skip_dynamo = classmethod(lambda cls: False)        # its import takes seconds, and nothing is compiled here

    def __init__(self):
        super().__init__()
        self.rows, self.running = {}, []                        # rows by name; names of the layers that are at work
        self.sizes, self.now, self.peak = {}, 0, 0              # bytes of each storage that is alive, and of all
        self.counted = set()                                    # parameters that have a row

    def hooks(self, name, layer):
        """Hooks of a layer, to be removed after use."""
        for weight in (*layer.parameters(), *layer.buffers()):
            self.sizes[weight.untyped_storage()._cdata] = 0
        return (layer.register_forward_pre_hook(lambda layer, x: self._begin(name, layer)),
                layer.register_forward_hook(functools.partial(self._end, name), with_kwargs=True))

    def _begin(self, name, layer):
        self.running.append((name, _rule(layer) is not None))
        row = self._row(name, layer)
        row["alive"] = max(row["alive"], self.now)              # also where it does nothing, as a dropout

    def _end(self, name, layer, x, named, y):
        self.running.pop()
        row, x = self.rows[name], inspect.signature(layer.forward).bind(*x, **named).args
        row["calls"] += 1
        row["macs"] += macs(layer, *x, output=y)
        row["bytes"] = max(row["bytes"], sum(t.numel() * t.element_size() for t in _tensors((x, y))))

    def _row(self, name, layer=None):
        if name not in self.rows:
            own = [] if layer is None else list(layer.parameters(recurse=_rule(layer) is not None))
            new = [p for p in own if p not in self.counted]
            self.counted.update(new)
            self.rows[name] = {"layer": name, "kind": "" if layer is None else type(layer).__name__, "calls": 0,
                               "parameters": sum(p.numel() for p in new), "macs": 0, "bytes": 0, "alive": 0,
                               "leaf": layer is not None and not any(layer.children())}
        return self.rows[name]

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        y = operation(*args, **(kwargs or {}))
        self.alive_now(tree_leaves(y))
        name, ruled = self.running[-1] if self.running else (OF_THE_MODEL, False)
        row = self._row(name)
        if not ruled:                                           # a layer with a rule counts its own
            row["macs"] += _product(operation.overloadpacket.__name__, args, y)
        for name, _ in self.running:
            self.rows[name]["alive"] = max(self.rows[name]["alive"], self.now)
        return y

    def alive_now(self, values):
        """Take in tensors that have come to life."""
        for tensor in _tensors(values):
            storage = tensor.untyped_storage()
            key = storage._cdata
            if key not in self.sizes:
                self.sizes[key] = storage.nbytes()
                self.now += storage.nbytes()
                weakref.finalize(storage, self._freed, key)
        self.peak = max(self.peak, self.now)

    def _freed(self, key):
        self.now -= self.sizes.pop(key)


def _tensors(values):
    return [value for value in tree_leaves(values) if isinstance(value, torch.Tensor)]
