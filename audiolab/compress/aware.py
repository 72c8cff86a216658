"""A network that computes as with whole numbers, and can be trained to live with that."""

import copy
import itertools

import torch
from torch import nn
from torch.func import functional_call

from ..training import predict
from .grids import grid, weight_grid, weights
from .ranges import NO_CLIPS, RANGES, Observer

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)
LAYERS = (*CONVOLUTIONS, nn.Linear, nn.GRU, nn.LSTM)            # that `quantised` knows

class StraightThrough(torch.autograd.Function):
    """Rounding that can be learnt through: onto the grid on the way there, on the way back as if nothing had been.

    A staircase has slope 0 nearly everywhere, so nothing could be learnt. In its place stands the slope of the line
    that it follows: 1 within the grid, 0 where it clips (Bengio, Léonard and Courville, "Estimating or propagating
    gradients through stochastic neurons", 2013).

    Taught in: notebooks/09_quantization.ipynb, "Can it learn to live with eight bits?"
    """

    @staticmethod
    def forward(ctx, x, scale, zero_point, lowest, highest):
        q = (x / scale).round() + zero_point
        ctx.save_for_backward((q >= lowest) & (q <= highest))
        return scale * (q.clamp(lowest, highest) - zero_point)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.saved_tensors[0], None, None, None, None


def fake_quantise(x, grid):
    """x at the nearest levels of a grid, still float, with the gradient of `StraightThrough`.

    Taught in: notebooks/09_quantization.ipynb, "Can it learn to live with eight bits?"
    """
    return StraightThrough.apply(x, *grid)


def fold_batchnorm(model):
    """A copy of a model, in evaluation mode, whose convolutions do the batch normalisation after them as well.

    ``γ (w * x + b - μ) / √(σ² + ε) + β`` is one convolution, with the weights ``g w`` and the bias ``g (b - μ) + β``,
    ``g = γ / √(σ² + ε)``. So it is computed on a device, and so it must be quantised: g may stretch the channels of w
    very differently.

    Parameters
    ----------
    model : torch.nn.Module
        Where a convolution and a batch normalisation follow each other in an `nn.Sequential`, they are folded.

    Returns
    -------
    torch.nn.Module
        In place of a normalisation that was folded stands `nn.Identity`.

    Raises
    ------
    ValueError
        If a normalisation keeps no running statistics: it could not be one convolution for every batch.

    References
    ----------
    Jacob et al., 2018, section 3.2, as in `grid`.

    Taught in: notebooks/09_quantization.ipynb, "Can it learn to live with eight bits?"
    """
    model = copy.deepcopy(model).eval()
    for chain in model.modules():
        if not isinstance(chain, nn.Sequential):
            continue
        for (_, conv), (name, norm) in itertools.pairwise(chain.named_children()):
            if isinstance(conv, CONVOLUTIONS) and isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
                if norm.running_var is None:
                    raise ValueError(f"The normalisation {name!r} keeps no running statistics, so it cannot be folded: "
                                     "train the network with track_running_stats=True.")
                gamma, beta = (norm.weight.data, norm.bias.data) if norm.affine else (1, 0)
                g = gamma / (norm.running_var + norm.eps).sqrt()
                bias = -norm.running_mean if conv.bias is None else conv.bias.data - norm.running_mean
                conv.bias = nn.Parameter(g * bias + beta)
                conv.weight.data = conv.weight.data * g.view(-1, *[1] * (conv.weight.ndim - 1))
                setattr(chain, name, nn.Identity())
    return model


class Quantised(nn.Module):
    """A layer whose input and weights go through grids, as `quantised` puts it in place of the layer.

    While it has an `observer` it only lets that look at the input. Afterwards it computes what a device would that has
    whole numbers; sums, and what happens between the steps of a recurrent layer, stay float.

    Parameters
    ----------
    layer : torch.nn.Module
        Of `LAYERS`.
    bits, input_bits : int
    axis : int or None
        As in `weight_grid`.

    Attributes
    ----------
    low, high : torch.Tensor
        Range of the input.

    Taught in: notebooks/09_quantization.ipynb, "Can it learn to live with eight bits?"
    """

    def __init__(self, layer, bits, input_bits, axis):
        super().__init__()
        self.layer, self.bits, self.input_bits, self.axis, self.observer = layer, bits, input_bits, axis, Observer()
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))

    def settle(self, method):
        """Take the range of the input from what was seen, by one of `RANGES`; from then on it is kept."""
        low, high = RANGES[method](self.observer, self.input_bits)
        self.low.fill_(low)
        self.high.fill_(high)
        self.observer = None

    def input_grid(self):
        """Where the steps of the input lie."""
        return grid(self.low, self.high, self.input_bits)

    def rounded(self):
        """The layer's weights on their grids, by name."""
        return {name: fake_quantise(w, weight_grid(w, self.bits, self.axis)) for name, w in weights(self.layer).items()}

    def forward(self, x, *state):
        if self.observer:
            self.observer.see(x)
            return self.layer(x, *state)
        return functional_call(self.layer, self.rounded(), (fake_quantise(x, self.input_grid()), *state))

    def __getattr__(self, name):                                # `hidden_size` and the like, as of the layer itself
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("layer"), name)


def quantised(model, clips, bits=8, input_bits=8, axis=0, method="min-max", batch_size=64):
    """A copy of a model that computes as with whole numbers, calibrated, and ready to be trained on.

    Batch normalisation is folded, every layer of `LAYERS` becomes a `Quantised`, and the clips go through once for the
    ranges of their inputs. `audiolab.training.fit` trains it further, rounding included: quantisation-aware training.

    Parameters
    ----------
    model : torch.nn.Module
    clips : torch.Tensor, or a data set of pairs
        What the network takes, as in `audiolab.training.predict`. From the training part: a range that was read off
        test clips knows what it must not.
    bits, input_bits : int
        Of weights, and of what goes into a layer.
    axis : int or None
        As in `weight_grid`.
    method : {"min-max", "percentile", "entropy"}
    batch_size : int

    Returns
    -------
    torch.nn.Module
        In evaluation mode.

    Raises
    ------
    ValueError
        If `method`, `bits` or `axis` is none of the above, a weight or a clip holds NaN, there are no clips or none of
        them reaches some layer, or there is no layer that could be quantised: `nn.MultiheadAttention` computes with its
        weights by itself.

    Taught in: notebooks/09_quantization.ipynb, "Can it learn to live with eight bits?"
    """
    grid(0, 1, input_bits)                                      # to be told before the clips go through
    if method not in RANGES:
        raise ValueError(f"There is no method {method!r}; there are {', '.join(RANGES)}.")
    if not len(clips):
        raise ValueError(NO_CLIPS)
    if any(isinstance(layer, nn.MultiheadAttention) for layer in model.modules()):
        raise ValueError("nn.MultiheadAttention computes with its weights by itself, so its inputs cannot be watched; "
                         "its weights alone can be rounded, by round_weights.")
    model, layers = fold_batchnorm(model), []
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, LAYERS):
                layers.append(Quantised(child, bits, input_bits, axis))
                setattr(parent, name, layers[-1])
    if not layers:
        raise ValueError(f"In this {type(model).__name__} is no layer that could be quantised: a convolution, "
                         "nn.Linear, nn.GRU or nn.LSTM.")
    for layer in layers:
        layer.rounded()                                         # to be told of bits, axis and NaN at once
    predict(model, clips, batch_size)
    unseen = [name for name, layer in model.named_modules() if layer in layers and not layer.observer.seen]
    if unseen:
        raise ValueError(f"None of the clips reached {', '.join(unseen)}, so there is no range for its input: give "
                         "clips that do, or leave the layer out of the network.")
    for layer in layers:
        layer.settle(method)
    return model


def plain(model):
    """A copy of a `quantised` model with ordinary layers, whose weights are the rounded ones: what `export` takes.

    Taught in: notebooks/09_quantization.ipynb, "How does it leave PyTorch?"
    """
    model = copy.deepcopy(model)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Quantised):
                child.layer.load_state_dict(child.rounded(), strict=False)
                setattr(parent, name, child.layer)
    return model
