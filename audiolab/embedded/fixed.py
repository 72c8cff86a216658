"""A `DSCNN` in whole numbers: the arithmetic of a processor that adds and multiplies integers, bit for bit.

A number r is kept as a code q of 8 bits, ``r = step (q - zero)``. Weights are signed, with a step for each output
channel and zero at 0. What flows between layers is unsigned, with one step for each layer: it is rectified, so that
zero is at 0 again; of the picture that comes first, it lies elsewhere. Sums have 32 bits (Jacob et al., "Quantization
and training of neural networks for efficient integer-arithmetic-only inference", 2018).
"""

import copy
from dataclasses import dataclass

import numpy as np
import torch

from .. import compress, models, recipes

CODES = 255                     # steps from the lowest to the highest code of 8 bits
SCORE = 2.0**-8                 # step of the scores, in logits
FLAT = 1e-6                     # least step of weights: where all of a channel are 0, it has to have one too


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution, or the last layer: ``y[o] = round((bias[o] + Σ w[o] (x - zero)) · multiplier[o] / 2^shift[o])``.

    Attributes
    ----------
    weights : np.ndarray of int8, shape [out, in, height, width], or [out, in]
        ``in`` is 1 where each filter sees one channel only.
    bias, multiplier : np.ndarray of int32, shape [out]
    shift : np.ndarray of uint8, shape [out]

    Taught in: notebooks/10_edge_profiling.ipynb, "Can it run without Python?"
    """

    weights: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray

    @property
    def nbytes(self):
        """Bytes of all its numbers."""
        return self.weights.nbytes + self.bias.nbytes + self.multiplier.nbytes + self.shift.nbytes


@dataclass(frozen=True, eq=False)
class Spotter:
    """A keyword spotter in whole numbers.

    Attributes
    ----------
    name : str
        Of the checkpoint that it was made of.
    labels : list of str
    frames : int
        Length of a picture.
    gain, offset : np.ndarray of float32, shape [n_mels]
        A log-mel value v of channel m has the code ``round(gain[m] v + offset[m])``, at most 255 and at least 0:
        `BandNorm` and the step of the picture in one.
    zero : int
        The code of a value that is the mean of its channel; with it the first convolution pads.
    layers : tuple of Layer
        The first convolution, depthwise and pointwise ones in turn, the last layer.

    Taught in: notebooks/10_edge_profiling.ipynb, "Can it run without Python?"
    """

    name: str
    labels: list
    frames: int
    gain: np.ndarray
    offset: np.ndarray
    zero: int
    layers: tuple

    @property
    def nbytes(self):
        """Bytes of all layers: what the network takes of the flash memory."""
        return sum(layer.nbytes for layer in self.layers)

    def features(self, pictures):
        """The codes of log-mel spectrograms: what the network is given.

        Parameters
        ----------
        pictures : np.ndarray, shape [..., n_mels, frames], float
            As ``recipes.tensors`` gives them.

        Returns
        -------
        np.ndarray of uint8, of the same shape
        """
        value = np.asarray(pictures, np.float32) * self.gain[:, None] + self.offset[:, None]
        return np.floor(np.clip(value, 0, CODES) + np.float32(0.5)).astype(np.uint8)

    def scores(self, features):
        """What the network says of codes, computed in whole numbers alone.

        Parameters
        ----------
        features : np.ndarray of uint8, shape [clips, n_mels, frames]

        Returns
        -------
        np.ndarray of int32, shape [clips, classes]
            In 256ths of a logit. The largest is the answer.

        Raises
        ------
        ValueError
            If the codes have another type or shape.
        """
        wanted = (len(self.gain), self.frames)
        features = np.asarray(features)
        if features.dtype != np.uint8 or features.ndim != 3 or features.shape[1:] != wanted:
            raise ValueError(f"The network takes uint8 of shape [clips, {wanted[0]}, {wanted[1]}], as Spotter.features "
                             f"gives it, not {features.dtype} of {list(features.shape)}.")
        first, *middle, last = self.layers
        x = _rectified(first, _convolved(first, features[:, None].astype(np.int32) - self.zero, stride=4))
        for depthwise, pointwise in zip(middle[::2], middle[1::2], strict=True):
            x = _rectified(depthwise, _convolved(depthwise, x, stride=1))
            x = _rectified(pointwise, np.einsum("oi,nihw->nohw", pointwise.weights[:, :, 0, 0].astype(np.int32), x))
        total = x.sum(axis=(2, 3), dtype=np.int32) @ last.weights.T.astype(np.int32)
        return requantise(total + last.bias, last.multiplier, last.shift)


def _convolved(layer, x, stride):
    """Each channel with a filter of its own, or the only one with all of them; int32 [clips, channels, height, width].

    The sum over the taps (u, v) of the filter, each times the picture moved by (u, v).
    """
    weights = layer.weights[:, 0].astype(np.int32)                              # [out, size, size]
    size = weights.shape[-1]
    height, width = (-(-n // stride) for n in x.shape[2:])
    x = np.pad(x, [(0, 0), (0, 0), (size // 2, size // 2), (size // 2, size // 2)])
    total = np.zeros((len(x), len(weights), height, width), np.int32)
    for u in range(size):
        for v in range(size):
            moved = x[:, :, u : u + stride * (height - 1) + 1 : stride, v : v + stride * (width - 1) + 1 : stride]
            total += weights[:, u, v, None, None] * moved
    return total


def _rectified(layer, total):
    """Sums [clips, out, height, width] as codes of the next layer: below 0 is 0, above 255 is 255."""
    bias, multiplier, shift = (one[:, None, None] for one in (layer.bias, layer.multiplier, layer.shift))
    return np.clip(requantise(total + bias, multiplier, shift), 0, CODES)


def fixed_point(ratio):
    """A positive factor as a whole number and a shift: ``ratio ≈ multiplier / 2^shift``, to 31 bits.

    Parameters
    ----------
    ratio : np.ndarray, float

    Returns
    -------
    multiplier : np.ndarray of int32
        From 2^30 to 2^31 - 1.
    shift : np.ndarray of uint8
        1 to 62, so that a sum of 32 bits times the multiplier, and half of 2^shift more, fit into 64 bits.

    Raises
    ------
    ValueError
        If a factor is not between 2^-32 and 2^29.

    References
    ----------
    Jacob et al., 2018, section 2.2.

    Taught in: notebooks/10_edge_profiling.ipynb, "Can it run without Python?"
    """
    ratio = np.asarray(ratio, np.float64)
    if not ((ratio > 2.0**-32) & (ratio < 2.0**29)).all():
        raise ValueError(f"A step becomes {ratio.min():.3g} to {ratio.max():.3g} times as large from one layer to the "
                         "next: with such steps no network was trained.")
    mantissa, exponent = np.frexp(ratio)                                        # ratio = mantissa · 2^exponent
    multiplier = np.minimum(np.round(mantissa * 2.0**31), 2**31 - 1)
    return multiplier.astype(np.int32), (31 - exponent).astype(np.uint8)


def requantise(total, multiplier, shift):
    """Sums of one step as whole numbers of another: ``total · multiplier / 2^shift``, rounded, halves away from zero.

    Parameters
    ----------
    total : np.ndarray of int32
    multiplier, shift : np.ndarray
        As `fixed_point` gives them; broadcast with `total`.

    Returns
    -------
    np.ndarray of int32

    Notes
    -----
    gemmlowp and TensorFlow Lite's reference kernels round twice, first to 32 bits; this rounds once.

    Taught in: notebooks/10_edge_profiling.ipynb, "Can it run without Python?"
    """
    total, multiplier, shift = (np.asarray(one, np.int64) for one in (total, multiplier, shift))
    size = (np.abs(total) * multiplier + (np.int64(1) << shift - 1)) >> shift
    return np.where(total < 0, -size, size).astype(np.int32)


def quantise(model, labels, pictures, name=""):
    """A trained `DSCNN` in whole numbers.

    Parameters
    ----------
    model : audiolab.models.DSCNN
    labels : list of str
    pictures : torch.Tensor, shape [clips, 1, n_mels, frames]
        Of training clips. The largest number that a layer gives to any of them has the code 255: larger ones of other
        clips are cut off there.
    name : str

    Returns
    -------
    Spotter

    Raises
    ------
    ValueError
        If the model is no DSCNN, a layer says nothing of any clip, or the picture is so long that sums could overflow.

    Taught in: notebooks/10_edge_profiling.ipynb, "Can it run without Python?"
    """
    if type(model) is not models.DSCNN:                         # what derives from it computes something else
        raise ValueError(f"What can be had in whole numbers is a DSCNN, not a {type(model).__name__}: choose a keyword "
                         "spotter, such as keywords-dscnn-digits.")
    low, peaks, points = _met(model.eval(), pictures)
    steps = [*np.array([peaks[0] - low, *peaks[1:]]) / CODES]
    zero = round(-low / steps[0])
    exact = compress.fold_batchnorm(copy.deepcopy(model).cpu().double())        # multipliers have 31 bits
    layers = [_layer(convolution, step, after, CODES)
              for (convolution, *_), step, after in zip(_stages(exact), steps[:-1], steps[1:], strict=True)]
    layers.append(_layer(exact.head[-1], steps[-1] / points, SCORE, CODES * points))    # sums, in place of means
    mean, variance = exact.norm.norm.running_mean.numpy(), exact.norm.norm.running_var.numpy()
    gain = 1 / (np.sqrt(variance + exact.norm.norm.eps) * steps[0])
    return Spotter(name, list(labels), pictures.shape[3], gain.astype(np.float32),
                   (zero - gain * mean).astype(np.float32), zero, tuple(layers))


def _stages(model):
    """The first convolution, depthwise and pointwise ones in turn, each with what comes before the next."""
    return [model.first, *(stage for block in model.blocks for stage in block)]


def _met(model, pictures):
    """The smallest number in normalised pictures, the largest there and behind each stage, and the points of a map."""
    with torch.inference_mode():
        x = model.norm(pictures)
        low, peaks = min(x.min().item(), 0.0), [max(x.max().item(), 0.0)]       # 0 must have a code: it pads
        for stage in _stages(model):
            x = stage(x)
            peaks.append(x.max().item())
    if not (np.isfinite([low, *peaks]).all() and low < 0 < min(peaks)):
        raise ValueError("A layer gives nothing, or no number, for every clip: train the model first, and pass it "
                         "log-mel pictures of clips that it was trained on.")
    return low, peaks, x[0, 0].numel()


def _layer(layer, step, after, largest):
    """A convolution or `Linear` layer: its input has a step and codes up to `largest`, its output has the step `after`.

    A channel's own step is such that its largest weight has the code 127, and that its bias fits into 25 bits.
    """
    weights, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    across = tuple(range(1, weights.ndim))
    own = np.maximum.reduce([np.abs(weights).max(axis=across) / 127, np.abs(bias) / (2**24 * step),
                             np.full(len(bias), FLAT)])
    codes = np.round(weights / np.expand_dims(own, across))
    offset = np.round(bias / (own * step))
    if (np.abs(codes).sum(axis=across) * largest + np.abs(offset)).max() >= 2**31:
        raise ValueError("A sum of this network could pass 32 bits: take shorter pictures.")
    return Layer(codes.astype(np.int8), offset.astype(np.int32), *fixed_point(own * step / after))


def spotter(name="keywords-dscnn-digits", n_jobs=1, corpus=None):
    """A keyword spotter of the course in whole numbers, its steps chosen on training clips.

    Parameters
    ----------
    name : str
        Of a checkpoint.
    n_jobs : int
        Processes that make the corpus.
    corpus : callable, optional
        ``corpus(n_jobs=...)`` with training clips, in place of that of the recipe, which may take a minute to make.

    Returns
    -------
    Spotter

    Raises
    ------
    ValueError
        If there is no such checkpoint, or it is no keyword spotter.
    CorpusError
        If its corpus cannot be had.

    Taught in: notebooks/10_edge_profiling.ipynb, "Can it run without Python?"
    """
    model, card = models.load(name)
    recipe = recipes.find(name)
    if not (isinstance(model, models.DSCNN) and card["feature"] == recipes.word_picture.__name__):
        spotters = [one for one, recipe in recipes.RECIPES.items()
                    if getattr(recipe, "feature", None) is recipes.word_picture]
        raise ValueError(f"{name} is no keyword spotter. There are: {', '.join(spotters)}.")
    pictures, _ = recipes.tensors(recipe, recipes.data(recipe, n_jobs, corpus), "train")
    return quantise(model, card["labels"], pictures, name)
