"""What a network listened to: which cells of a log-mel spectrogram spoke for a class, and whether to believe it.

What is explained is a logit, the score before the softmax: that also rises when another class falls, and hardly moves
where the network is sure. A map has the shape of its clip and values in logits: above 0 for the class, below against.

Every map compares with a clip that says nothing. That is silence, ``ln 1e-5`` in each cell, the floor of the log-mel,
unless another is given: the mean of the training clips. Zero would be loud. Each clip is explained by itself: memory
is that of its steps, and no map depends on the clips beside it.
"""

import contextlib
import copy
import math
import re

import numpy as np
import pandas as pd
import torch
from captum.attr import IntegratedGradients, Occlusion, Saliency
from scipy.stats import rankdata

from .features import istft, log_mel_sizes, mel_filterbank, stft
from .features.frames import one_channel
from .features.mel import FLOOR, SILENCE
from .models.classify import AttentionPooling
from .training import predict

AT_ONCE = 32                    # covered copies of a clip in a batch
LOUD = 0.9                      # quantile of what speaks for a class from which on it is heard in full


def score(model, x, target):
    """The logit of one class for each clip: f(x), what the maps explain.

    Parameters
    ----------
    model : torch.nn.Module
        [batch, 1, mel, time] to [batch, n_classes]. It is asked in evaluation mode and left as it was.
    x : torch.Tensor, shape [batch, 1, mel, time]
        Log-mel spectrograms.
    target : array_like of int, shape [batch]
        Number of a class for each clip.

    Returns
    -------
    np.ndarray, shape [batch], float32

    Raises
    ------
    ValueError
        If `x` or `target` has a wrong shape, holds NaN or infinity, or names a class that the model does not have.
        So do all functions here that take them.

    Taught in: notebooks/06_classification.ipynb, "What did it listen to?"
    """
    with _asked(model, x, target) as (x, target):
        return predict(model, x).gather(1, target[:, None].cpu())[:, 0].numpy()


def integrated_gradients(model, x, target, baseline=None, steps=32):
    """The way from a clip b that says nothing to the clip, times the mean gradient on that way.

    ``(x - b) ∫ ∂f/∂x (b + α (x - b)) dα``, α from 0 to 1. The map is complete: its sum is ``f(x) - f(b)``, and how
    nearly so tells whether the steps were enough (Sundararajan, Taly and Yan, "Axiomatic attribution for deep
    networks", 2017).

    Parameters
    ----------
    model, x, target
        As in `score`.
    baseline : torch.Tensor or float, optional
        b, broadcast to `x`.
    steps : int
        Points of the integral (Gauss-Legendre).

    Returns
    -------
    np.ndarray, shape [batch, 1, mel, time], float32

    Taught in: notebooks/06_classification.ipynb, "What did it listen to?"
    """
    with _asked(model, x, target) as (x, target):
        attribute = IntegratedGradients(model).attribute
        return _clip_by_clip(lambda one, t, b: attribute(one, b, t, n_steps=steps), x, target, _like(x, baseline))


def gradient_shap(model, x, target, background, draws=32, seed=0):
    """Integrated gradients from many clips in place of one: the mean over draws of a training clip b and of α.

    ``E[(x - b) ∂f/∂x (b + α (x - b))]``. Its sum is about ``f(x)`` minus the mean of f over the background: the more
    draws, the nearer (Lundberg and Lee, "A unified approach to interpreting model predictions", 2017). As
    ``captum.attr.GradientShap``, which draws from NumPy's global generator.

    Parameters
    ----------
    model, x, target
        As in `score`.
    background : torch.Tensor, shape [clips, 1, mel, time]
        Training clips, as long as `x`.
    draws, seed : int
        The same draws for each clip.

    Returns
    -------
    np.ndarray, shape [batch, 1, mel, time], float32

    Taught in: notebooks/06_classification.ipynb, "What did it listen to?"
    """
    with _asked(model, x, target) as (x, target):
        background, rng = torch.as_tensor(background), np.random.default_rng(seed)
        if not len(background) or background.shape[1:] != x.shape[1:] or not torch.isfinite(background).all():
            raise ValueError(f"The background has shape {list(background.shape)}: it must hold clips of shape "
                             f"{list(x.shape[1:])}, without NaN or infinity.")
        b = background[rng.choice(len(background), draws)].to(x)                # [draws, 1, mel, time]
        alpha = torch.from_numpy(rng.uniform(0, 1, draws)).to(x)[:, None, None, None]

        def attribute(one, t):
            point = (b + alpha * (one - b)).requires_grad_()
            gradient = Saliency(model).attribute(point, t.expand(draws), abs=False)
            return ((one - b) * gradient).mean(dim=0, keepdim=True)

        return _clip_by_clip(attribute, x, target)


def occlusion(model, x, target, size=(8, 8), stride=(4, 4), fill=None):
    """Cover a piece of the picture and see by how much the logit falls; for each cell the mean over the pieces on it.

    It needs no gradient, but a pass for each piece (Zeiler and Fergus, "Visualizing and understanding convolutional
    networks", 2014).

    Parameters
    ----------
    model, x, target
        As in `score`.
    size, stride : tuple of int
        Mel channels and frames: of a piece, and from one to the next.
    fill : torch.Tensor or float, optional
        What covers it, broadcast to `x`.

    Returns
    -------
    np.ndarray, shape [batch, 1, mel, time], float32

    Raises
    ------
    ValueError
        As `score`, and if a stride is not 1 to the size.

    Taught in: notebooks/06_classification.ipynb, "What did it listen to?"
    """
    if not all(1 <= step <= length for step, length in zip(stride, size, strict=True)):
        raise ValueError(f"Pieces of {size} every {stride}: with a stride below 1 or above the size, cells stay bare.")
    with _asked(model, x, target) as (x, target):
        size = tuple(np.minimum(size, x.shape[2:]))             # a clip can be shorter than a piece
        attribute = Occlusion(model).attribute
        return _clip_by_clip(lambda one, t, cover: attribute(
            one, (1, *size), (1, *np.minimum(stride, size)), cover, t, perturbations_per_eval=AT_ONCE),
            x, target, _like(x, fill))


def attention(model, x):
    """How much each frame counts in the mean over time of a model with `AttentionPooling`: CRNN or RNN.

    It tells where the network looked, not what for; and a layer before it may have carried a sound to other frames.

    Parameters
    ----------
    model, x
        As in `score`.

    Returns
    -------
    np.ndarray, shape [batch, time], float32
        Each row with sum 1. Frames that have one weight together share it.

    Raises
    ------
    ValueError
        As `score`, and if the model has no such layer.

    Taught in: notebooks/06_classification.ipynb, "What did it listen to?"
    """
    pool = next((layer for layer in model.modules() if isinstance(layer, AttentionPooling)), None)
    if pool is None:
        raise ValueError(f"{type(model).__name__} has no AttentionPooling: ask a CRNN or an RNN.")
    with _asked(model, x, np.zeros(len(x), int)) as (x, _), torch.no_grad():
        model(x)
    weights, frames = pool.weights.cpu().numpy(), x.shape[-1]                   # [batch, steps]
    weights = weights.repeat(math.ceil(frames / weights.shape[1]), axis=1)[:, :frames]
    return weights / weights.sum(axis=1, keepdims=True)


def listen(y, sr, attribution):
    """An explanation to hear: what in a sound spoke for the class, and the rest of it.

    The positive part of the map, its largest tenth as 1, is a mask for mel channels. Straight lines between their
    centres make it one for the bins of the STFT, and what passes is transformed back. What spoke against the class
    passes with ``-attribution``.

    Parameters
    ----------
    y : np.ndarray, shape [n]
    sr : int
        Samples per second.
    attribution : np.ndarray, shape [mel, time]
        Of ``features.log_mel(y, sr)``.

    Returns
    -------
    kept, rest : np.ndarray, shape [n], float32
        Their sum is `y`; `kept` has no higher peak than `y`.

    Raises
    ------
    ValueError
        If the map does not have the frames of this sound, or holds NaN or infinity; and as `stft`.

    Taught in: notebooks/06_classification.ipynb, "What did it listen to?"
    """
    y, a, sizes = one_channel(y).astype(np.float32), np.asarray(attribution, np.float32), log_mel_sizes(sr)
    n_fft, hop_length, win_length = (sizes[name] for name in ("n_fft", "hop_length", "win_length"))
    X = stft(y, n_fft, hop_length, win_length)                  # [bins, time]
    if a.ndim != 2 or a.shape[1] != X.shape[1] or not np.isfinite(a).all():
        raise ValueError(f"A map of this sound has finite values, shape [mel, {X.shape[1]}]; yours is {list(a.shape)}.")
    a = np.maximum(a, 0)
    mask = np.minimum(a / np.quantile(a[a > 0], LOUD), 1) if a.any() else a     # [mel, time]
    weight = mel_filterbank(sr, n_fft, len(a), norm=None).T     # [bins, mel]: triangles, 1 high
    weight[0, 0] = weight[-1, -1] = 1                           # 0 Hz and sr / 2, which no triangle reaches
    kept = istft(X * (weight @ mask / weight.sum(axis=1, keepdims=True)), hop_length, win_length, length=len(y))
    kept *= min(1, np.abs(y).max() / max(np.abs(kept).max(), FLOOR))            # a part can peak above the whole
    return kept, y - kept


def faithfulness(model, x, target, maps, fill=None, steps=16, seed=0):
    """Hide the cells of each clip, the most important first, and see how quickly the logit falls.

    Hiding hurts in any order, so a random one stands beside it. The area between the two curves, in logits, compares
    methods under the same `fill`, which favours those that had it as their baseline (Samek et al., "Evaluating the
    visualization of what a deep neural network has learned", 2017).

    Parameters
    ----------
    model, x, target
        As in `score`.
    maps : np.ndarray, shape [batch, 1, mel, time]
    fill : torch.Tensor or float, optional
        What hides a cell, broadcast to `x`.
    steps : int
        Shares are ``(k / steps)²``, k from 0: close together where the curve is steep.
    seed : int
        Of the random order.

    Returns
    -------
    dict
        `share` of the cells hidden, [steps + 1]; `map` and `random`, the logits, [batch, steps + 1]; and `area`,
        [batch], above 0 when the map is better than chance.

    Raises
    ------
    ValueError
        As `score`, and if `maps` has another shape than `x`.

    Taught in: notebooks/06_classification.ipynb, "What did it listen to?"
    """
    x, maps = torch.as_tensor(x), torch.as_tensor(maps)
    if maps.shape != x.shape or not torch.isfinite(maps).all():
        raise ValueError(f"Maps of shape {list(maps.shape)} for clips of shape {list(x.shape)}: they must be the same, "
                         "and without NaN or infinity.")
    found, fill = {"share": np.linspace(0, 1, steps + 1) ** 2}, _like(x, fill)
    chance = torch.rand(x.shape, generator=torch.Generator().manual_seed(seed))
    for name, order in (("map", maps), ("random", chance)):
        rank = order.flatten(1).argsort(descending=True, stable=True).argsort().view(x.shape).to(x.device)
        found[name] = np.stack([score(model, torch.where(rank < share * math.prod(x.shape[1:]), fill, x), target)
                                for share in found["share"]], axis=1)
    return found | {"area": np.trapezoid(found["random"] - found["map"], found["share"], axis=1)}


def randomised(model, x, target, explain, seed=0):
    """Shuffle the weights layer by layer, from the last on, and compare the maps with those of the trained model.

    A map that stays as it was while the network forgets shows the clip, not what the network made of it (Adebayo et
    al., "Sanity checks for saliency maps", 2018; they draw new weights, here those of each parameter change places,
    so that nothing fades or explodes).

    Parameters
    ----------
    model, x, target
        As in `score`. It is a copy that forgets.
    explain : callable
        ``explain(model, x, target)`` gives maps, shape of `x`.
    seed : int

    Returns
    -------
    pandas.DataFrame
        A row for each `layer`, shuffled as are those above it, the first with none. `signed` is Spearman's rank
        correlation with the first maps, mean over the clips, and `size` that of the absolute values.

    Taught in: notebooks/06_classification.ipynb, "What did it listen to?"
    """
    score(model, x, target)                                     # refuses what is wrong, before the work
    model, generator, layers = copy.deepcopy(model), torch.Generator().manual_seed(seed), {"none": []}
    for name, parameter in reversed(list(model.named_parameters())):            # a layer: a name up to its first number
        layers.setdefault(re.match(r"\D*\d*", name.rpartition(".")[0] or name)[0], []).append(parameter)
    rows, first = [], None
    for layer, parameters in layers.items():
        with torch.no_grad():
            for p in parameters:
                p.copy_(p.flatten()[torch.randperm(p.numel(), generator=generator)].view_as(p))
        now = np.asarray(explain(model, x, target))
        first = now if first is None else first
        rows.append({"layer": layer, "signed": _rank_correlation(first, now),
                     "size": _rank_correlation(np.abs(first), np.abs(now))})
    return pd.DataFrame(rows)


def _rank_correlation(a, b):
    """Spearman's, mean over the clips; 0 where a map is the same everywhere."""
    a, b = (rankdata(m.reshape(len(m), -1), axis=1) for m in (a, b))
    a, b = (m - m.mean(axis=1, keepdims=True) for m in (a, b))
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(np.mean(np.sum(a * b, axis=1) / np.where(size > 0, size, 1)))


@contextlib.contextmanager
def _asked(model, x, target):
    """Clips and class numbers, checked and on the model's device, while the model is in evaluation mode.

    Without cuDNN, which goes backward through a recurrent layer in training mode only.
    """
    x, target = torch.as_tensor(x), torch.as_tensor(target)
    if not (x.ndim == 4 and x.shape[1] == 1 and x.numel() and torch.isfinite(x).all()):
        raise ValueError(f"Clips are log-mel spectrograms of shape [batch, 1, mel, time] without NaN or infinity. Here "
                         f"the shape is {list(x.shape)}, and {(~torch.isfinite(x)).sum()} values are no number.")
    if target.shape != x.shape[:1] or target.is_floating_point():
        raise ValueError(f"One class number for each of {len(x)} clips, not {target.dtype} of {list(target.shape)}.")
    device = next(model.parameters()).device
    modes = {layer: layer.training for layer in model.modules()}
    try:
        with torch.backends.cudnn.flags(enabled=False):
            x, target = x.detach().float().to(device), target.long().to(device)
            n_classes = _n_classes(model.eval(), x[:1])
            if target.min() < 0 or target.max() >= n_classes:
                raise ValueError(f"The model has classes 0 to {n_classes - 1}, not {target.tolist()}.")
            yield x, target
    finally:
        for layer, mode in modes.items():
            layer.training = mode


def _n_classes(model, x):
    try:
        with torch.no_grad():
            return model(x).shape[1]
    except RuntimeError as error:
        raise ValueError(f"{type(model).__name__} does not take clips of {x.shape[2]} mel channels and {x.shape[3]} "
                         f"frames: {error}") from error


def _like(x, clip):
    """A clip that says nothing for each clip: silence when it is None, in the shape of `x`."""
    clip = torch.as_tensor(SILENCE if clip is None else clip).to(x)
    if not torch.isfinite(clip).all():
        raise ValueError("What stands for nothing, the baseline or fill, holds NaN or infinity.")
    try:
        return clip.expand_as(x)
    except RuntimeError as error:
        raise ValueError(f"A baseline or fill of shape {list(clip.shape)} does not fit to {list(x.shape)}.") from error


def _clip_by_clip(attribute, *tensors):
    maps = [attribute(*one) for one in zip(*(tensor.split(1) for tensor in tensors), strict=True)]
    return torch.cat(maps).detach().cpu().numpy()
