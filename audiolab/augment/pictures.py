"""Changes to the spectrogram that a model sees. Arrays and tensors go the same way: through torch."""

import numpy as np

from .signals import is_tensor


def spec_augment(x, n_freq_masks=2, freq_width=10, n_time_masks=2, time_width=20, warp=5, generator=None):
    """Bend a spectrogram's time axis and hide bands of channels and stretches of frames.

    For each mask a width from 0 to the largest is drawn, then a place where it fits; masks may overlap. What is
    hidden becomes the mean of the example: in a log-mel, zero is loud. Each example of a batch has masks of its own;
    its channels share them. ``torchaudio.transforms.SpecAugment`` needs its numbers of masks (`n_time_masks`,
    `n_freq_masks`), hides with zero unless told ``zero_masking=False``, and gives the whole batch the same masks
    unless told ``iid_masks=True``.

    Parameters
    ----------
    x : np.ndarray or torch.Tensor, shape [mel, time], [batch, mel, time] or [batch, channel, mel, time]
    n_freq_masks, n_time_masks : int
        How many masks.
    freq_width, time_width : int
        Largest width of a mask, in channels and in frames; a wider one than there is room counts as all of it.
    warp : int
        Frames by which `time_warp` moves the middle at most; 0 leaves the time axis alone.
    generator : np.random.Generator or torch.Generator
        The former for arrays, the latter for tensors.

    Returns
    -------
    np.ndarray or torch.Tensor, shape and dtype of `x`

    Raises
    ------
    ValueError
        If there is no generator of the right kind, the shape is none of these, or a number is negative.

    References
    ----------
    Park et al., "SpecAugment: a simple data augmentation method for automatic speech recognition", 2019.

    Taught in: notebooks/02_preprocessing.ipynb, "How does one recording become many?"
    """
    import torch

    if min(n_freq_masks, freq_width, n_time_masks, time_width) < 0:
        raise ValueError("Numbers and widths of masks are 0 or more.")
    pictures, draw, back = _pictures(x, generator)                              # [batch, channel, mel, time]
    if warp:
        pictures = _warped(pictures, warp, draw)
    batch, _, mels, frames = pictures.shape
    fill = pictures.mean(dim=(1, 2, 3), keepdim=True)
    hidden = _bars(batch, n_freq_masks, freq_width, mels, draw).to(pictures.device)[:, None, :, None]
    hidden = hidden | _bars(batch, n_time_masks, time_width, frames, draw).to(pictures.device)[:, None, None, :]
    return back(torch.where(hidden, fill, pictures))


def _bars(batch, masks, widest, size, draw):
    """Which of `size` places are hidden in each example: [batch, size]."""
    import torch

    width = (draw(batch, masks, 1) * (min(widest, size) + 1)).floor()
    start = (draw(batch, masks, 1) * (size - width + 1)).floor()
    place = torch.arange(size)
    return ((place >= start) & (place < start + width)).any(dim=1)


def time_warp(x, warp=5, generator=None):
    """Bend the time axis of a spectrogram: a moment in the middle moves, the ends stay.

    The moment is drawn from ``warp … time - warp``, its move from ``-warp … warp`` frames; between, time runs evenly
    and frames are interpolated.

    Parameters
    ----------
    x, generator
        As in `spec_augment`.
    warp : int
        Frames; at most a third of what there is.

    Returns
    -------
    np.ndarray or torch.Tensor, shape and dtype of `x`

    Raises
    ------
    ValueError
        As `spec_augment`.

    Taught in: notebooks/02_preprocessing.ipynb, "How does one recording become many?"
    """
    pictures, draw, back = _pictures(x, generator)
    return back(_warped(pictures, warp, draw))


def _warped(pictures, warp, draw):
    import torch

    batch, _, _, frames = pictures.shape
    warp = min(warp, frames // 3)
    if not warp:
        return pictures
    source = warp + draw(batch, 1) * (frames - 1 - 2 * warp)
    target = source + (2 * draw(batch, 1) - 1) * warp * 0.999                   # never quite to the end
    t, last = torch.arange(frames, dtype=torch.float32), frames - 1
    before = t * source / target
    after = last - (last - t) * (last - source) / (last - target)
    at = torch.where(t <= target, before, after).clamp(0, last)                 # [batch, time]
    at = at.to(pictures.device)[:, None, None]
    low = at.floor().clamp(max=last - 1).long()
    part = (at - low).to(pictures.dtype)
    low = low.expand(pictures.shape)
    return torch.lerp(pictures.gather(-1, low), pictures.gather(-1, low + 1), part.expand(pictures.shape))


def bend(x, tract=0.1, speed=1.0, generator=None):
    """Another throat and another pace: stretch each spectrogram of a batch along frequency, and all along time.

    A shorter vocal tract moves all formants up by one factor (vocal tract length perturbation). The pace is one factor
    for the whole batch, so that lengths scale alike.

    Parameters
    ----------
    x : torch.Tensor, shape [batch, channel, mel, time]
    tract : float
        Largest change of the frequency of a channel: 0.1 for factors of 0.9 to 1.1, drawn for each picture.
    speed : float
        Above 0; 2 is twice as fast, in half as many frames.
    generator : torch.Generator

    Returns
    -------
    torch.Tensor, shape [batch, channel, mel, round(time / speed)]
        The topmost channel is repeated where the factor leads beyond it.

    Raises
    ------
    ValueError
        As `spec_augment`.

    References
    ----------
    Jaitly and Hinton, "Vocal tract length perturbation (VTLP) improves speech recognition", 2013; here the factor acts
    on mel channels.

    Taught in: notebooks/04_speech_recognition.ipynb, "Does it understand real people?"
    """
    import torch

    pictures, draw, _ = _pictures(x, generator)
    mel, time = pictures.shape[2], max(1, round(pictures.shape[3] / speed))
    factor = 1 + tract * (2 * draw(len(pictures)) - 1)
    rows = (torch.arange(mel) + 0.5) / mel * factor[:, None] * 2 - 1            # of the picture, from -1 to 1
    columns = (torch.arange(time) + 0.5) / time * 2 - 1
    grid = torch.stack([columns.expand(len(pictures), mel, time), rows[:, :, None].expand(-1, -1, time)], dim=-1)
    return torch.nn.functional.grid_sample(pictures, grid.to(pictures), padding_mode="border", align_corners=False)


def time_shift(x, most=10, generator=None):
    """Move each spectrogram of a batch in time, by -most … most frames; its first or last frame fills the gap.

    Parameters
    ----------
    x, generator
        As in `spec_augment`.
    most : int
        Frames.

    Returns
    -------
    np.ndarray or torch.Tensor, shape and dtype of `x`

    Raises
    ------
    ValueError
        As `spec_augment`.

    Taught in: notebooks/06_classification.ipynb, "How small can it be?"
    """
    import torch

    pictures, draw, back = _pictures(x, generator)
    n = (draw(len(pictures), 1) * (2 * most + 1)).floor().long() - most
    at = (torch.arange(pictures.shape[-1]) - n).clamp(0, pictures.shape[-1] - 1)                # [batch, time]
    return back(pictures.gather(-1, at.to(pictures.device)[:, None, None].expand(pictures.shape)))


def mixup(x, alpha=0.2, generator=None):
    """Mix each example of a batch with another: ``weight * x + (1 - weight) * x[partner]``.

    The loss is mixed likewise: ``weight * loss(model(mixed), target) + (1 - weight) * loss(model(mixed),
    target[partner])``.

    Parameters
    ----------
    x : np.ndarray or torch.Tensor, shape [batch, …]
        Spectrograms or signals.
    alpha : float
        Weights are drawn from a Beta distribution with both parameters `alpha`: near 0 or 1 for small values, anywhere
        for 1.
    generator : np.random.Generator or torch.Generator
        The former for arrays, the latter for tensors.

    Returns
    -------
    mixed : np.ndarray or torch.Tensor, shape and dtype of `x`
    partner : np.ndarray or torch.Tensor of int, shape [batch]
        A permutation; an example may be its own partner.
    weight : np.ndarray or torch.Tensor, shape [batch], float32
        Of each example itself, 0 to 1.

    Raises
    ------
    ValueError
        If `alpha` is not positive, or there is no generator of the right kind.

    References
    ----------
    Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: beyond empirical risk minimization", 2018.

    Taught in: notebooks/02_preprocessing.ipynb, "How does one recording become many?"
    """
    import torch
    from scipy.special import betaincinv

    if not alpha > 0:
        raise ValueError(f"alpha is positive, not {alpha}.")
    draw = _drawing(x, generator)
    examples = x if is_tensor(x) else torch.from_numpy(np.asarray(x))
    partner = draw(len(x)).argsort().to(examples.device)
    quantile = draw(len(x)).double().numpy()
    weight = torch.from_numpy(betaincinv(alpha, alpha, quantile)).float().to(examples.device)
    w = weight.to(examples.dtype).reshape(-1, *[1] * (examples.ndim - 1))
    mixed = torch.lerp(examples[partner], examples, w.expand_as(examples))
    return (mixed, partner, weight) if is_tensor(x) else (mixed.numpy(), partner.numpy(), weight.numpy())


def _pictures(x, generator):
    """`x` as a tensor [batch, channel, mel, time], a function that draws, and the way back."""
    import torch

    draw = _drawing(x, generator)
    tensor = x if is_tensor(x) else torch.from_numpy(np.ascontiguousarray(x))
    if tensor.ndim not in (2, 3, 4) or not tensor.is_floating_point() or not tensor.numel():
        raise ValueError("A spectrogram is of floats, shape [mel, time], [batch, mel, time] or [batch, channel, mel, "
                         f"time], not {tensor.dtype}, {list(tensor.shape)}.")
    pictures = {2: lambda: tensor[None, None], 3: lambda: tensor[:, None], 4: lambda: tensor}[tensor.ndim]()
    return pictures, draw, lambda out: out.reshape(tensor.shape) if is_tensor(x) else out.reshape(tensor.shape).numpy()


def _drawing(x, generator):
    """A function that draws uniform numbers in [0, 1) of a shape, as a tensor on the CPU."""
    import torch

    if is_tensor(x):
        if not isinstance(generator, torch.Generator):
            raise ValueError("For tensors pass generator=torch.Generator().manual_seed(seed).")
        return lambda *shape: torch.rand(shape, generator=generator, device=generator.device).cpu()
    if not isinstance(generator, np.random.Generator):
        raise ValueError("For arrays pass generator=np.random.default_rng(seed).")
    return lambda *shape: torch.from_numpy(generator.random(shape, dtype=np.float32))
