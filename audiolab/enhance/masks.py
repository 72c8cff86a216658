"""Masks: what share of each bin of a mixture's spectrogram belongs to each source, and how good a mask can be."""

import numpy as np

from ..features import istft, stft
from ..features.frames import one_channel, signal


def binary_mask(S):
    """IBM, the ideal binary mask: each bin goes whole to the source that is loudest in it.

    ``M_i = 1 where |S_i| > |S_j| for all other j, else 0``. Where several are equally loud, as in silence, the first
    has it, so that the masks always add up to 1.

    Parameters
    ----------
    S : np.ndarray, shape [sources, bins, frames], complex
        Spectra of the sources alone, as from `audiolab.features.stft`.

    Returns
    -------
    np.ndarray, shape [sources, bins, frames], float32

    References
    ----------
    Wang, "On ideal binary mask as the computational goal of auditory scene analysis", 2005.

    Taught in: notebooks/08_separation.ipynb, "What can a mask do at best?"
    """
    return (np.argmax(np.abs(S), axis=0) == np.arange(len(S))[:, None, None]).astype(np.float32)


def ratio_mask(S, power=1.0):
    """IRM, the ideal ratio mask: each source has the share of a bin that its size has in the sum of all.

    ``M_i = |S_i|^p / sum_j |S_j|^p``; where all are silent each has an equal share.

    Parameters
    ----------
    S : np.ndarray, shape [sources, bins, frames], complex
    power : float
        p: 1 shares amplitudes, 2 powers, as a Wiener filter does; the higher, the nearer to `binary_mask`.

    Returns
    -------
    np.ndarray, shape [sources, bins, frames], float32
        0 to 1, adding up to 1.

    References
    ----------
    Narayanan and Wang, "Ideal ratio mask estimation using deep neural networks for robust speech recognition", 2013;
    with p = 1: Huang et al., "Deep learning for monaural speech separation", 2014.

    Taught in: notebooks/08_separation.ipynb, "What can a mask do at best?"
    """
    sizes = np.abs(S).astype(np.float64)
    loudest = sizes.max(axis=0)
    sizes = np.where(loudest > 0, sizes / np.where(loudest > 0, loudest, 1), 1) ** power    # no power overflows
    return (sizes / sizes.sum(axis=0)).astype(np.float32)


def phase_sensitive_mask(S):
    """PSM: the real gain that brings the mixture nearest to the source, as far as a gain of 0 to 1 can.

    ``M_i = Re(S_i / X) = |S_i| / |X| cos(∠S_i - ∠X)`` with the mixture ``X = sum_j S_j``. Where source and mixture
    point in different directions less is taken, for what the gain lets through has the mixture's phase.

    Parameters
    ----------
    S : np.ndarray, shape [sources, bins, frames], complex

    Returns
    -------
    np.ndarray, shape [sources, bins, frames], float32
        Cut to 0 to 1. They add up to 1 where none was cut.

    References
    ----------
    Erdogan et al., "Phase-sensitive and recognition-boosted speech separation using deep recurrent neural networks",
    2015.

    Taught in: notebooks/08_separation.ipynb, "What can a mask do at best?"
    """
    X = np.sum(S, axis=0)
    gain = np.real(S * np.conj(X)) / np.maximum(np.abs(X) ** 2, np.finfo(np.float32).tiny)
    return np.clip(gain, 0, 1).astype(np.float32)


def apply_masks(y, masks):
    """Take out of a mixture what each mask lets through; the phase is the mixture's.

    Parameters
    ----------
    y : np.ndarray, shape [n]
    masks : np.ndarray, shape [..., bins, frames]
        For the spectrum ``stft(y, n_fft=2 * (bins - 1))``, hop a quarter of it: ``1 + n // hop`` frames.

    Returns
    -------
    np.ndarray, shape [..., n], float32
        Masks that add up to 1 give signals that add up to `y`.

    Raises
    ------
    ValueError
        If there are several channels, a sample is NaN, or the masks have other frames than the spectrum of `y`.

    Taught in: notebooks/08_separation.ipynb, "What can a mask do at best?"
    """
    y, masks = one_channel(y), np.asarray(masks)
    X = stft(y, n_fft=2 * (masks.shape[-2] - 1))
    if X.shape != masks.shape[-2:]:
        raise ValueError(f"The spectrum of this sound has {X.shape[1]} frames of {X.shape[0]} bins, the masks have "
                         f"{masks.shape[-1]} of {masks.shape[-2]}: make them of a sound as long.")
    return istft(masks * X, length=len(y)).astype(np.float32)


def oracle(sources, mask=ratio_mask, n_fft=512):
    """Separate a mixture with masks that know the answer: the best that any estimate of such masks can reach.

    Parameters
    ----------
    sources : np.ndarray, shape [sources, n]
        Two or more, equally long; their sum is the mixture.
    mask : callable
        `binary_mask`, `ratio_mask` or `phase_sensitive_mask`, or another from spectra to masks.
    n_fft : int
        Samples in a window: 32 ms at 16 kHz.

    Returns
    -------
    np.ndarray, shape [sources, n], float32

    Raises
    ------
    ValueError
        If there is only one source, one is silent, two are the same sound, they are shorter than a window, or a sample
        is NaN.

    Taught in: notebooks/08_separation.ipynb, "What can a mask do at best?"
    """
    sources = several(sources, n_fft)
    return apply_masks(sources.sum(axis=0), mask(stft(sources, n_fft=n_fft)))


def several(sources, least):
    """Sources that can be told apart, as floats of shape [sources, n]; refused otherwise."""
    sources = [np.asarray(s) for s in sources]
    if len(sources) < 2 or any(s.ndim != 1 for s in sources):
        raise ValueError("Two sources or more are needed, each of one channel: shape [sources, n].")
    if len(lengths := {len(s) for s in sources}) > 1:
        raise ValueError(f"The sources are {' and '.join(map(str, sorted(lengths)))} samples long: cut them to one "
                         "length.")
    sources = signal(np.stack(sources))
    if sources.shape[1] < least:
        raise ValueError(f"{sources.shape[1]} samples are shorter than one window of {least}: take longer sounds.")
    for i, source in enumerate(sources):
        if not source.any():
            raise ValueError(f"Source {i} is silent: there is nothing to take out. Leave it away.")
        if (sources[:i] == source).all(axis=1).any():
            raise ValueError(f"Source {i} is the same sound as one before it: nothing tells them apart.")
    return sources
