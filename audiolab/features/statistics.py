"""A number or two per frame: where a spectrum lies, how wide it is, how tonal, how it changes.

All take a signal of shape [..., n] and give [..., frames], as the functions of the same name in librosa do (those
keep an axis of length 1 for the row). Frames are centred; defaults are librosa's. In silence all are 0, the flatness
is 1. A signal that `stft` refuses (empty, of integers, with NaN, channels last) is a ValueError here, too.
"""

import numpy as np

from .frames import frame, signal, stft


def _spectrum(y, sr, n_fft, hop_length):
    """Magnitudes, shape [..., bins, frames], and the frequencies of the bins, shape [bins, 1]."""
    return np.abs(stft(y, n_fft, hop_length)), np.arange(n_fft // 2 + 1)[:, None] * sr / n_fft


def _share(S):
    """Each column divided by its sum; zeros where that is nothing."""
    total = S.sum(axis=-2, keepdims=True)
    return np.divide(S, total, out=np.zeros_like(S), where=total > np.finfo(S.dtype).tiny)


def spectral_centroid(y, sr, n_fft=2048, hop_length=512):
    """Mean frequency, weighted by magnitude: ``sum f |X| / sum |X|``. Bright sounds have a high one.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
    sr : int
        Samples per second.
    n_fft, hop_length : int

    Returns
    -------
    np.ndarray, shape [..., frames]
        Hertz.

    Taught in: notebooks/03_features.ipynb, "What does a spectrum look like from afar?"
    """
    S, f = _spectrum(y, sr, n_fft, hop_length)
    return np.sum(f * _share(S), axis=-2)


def spectral_bandwidth(y, sr, n_fft=2048, hop_length=512):
    """Spread about the centroid c: ``sqrt(sum (f - c)² |X| / sum |X|)``.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
    sr : int
        Samples per second.
    n_fft, hop_length : int

    Returns
    -------
    np.ndarray, shape [..., frames]
        Hertz.

    Taught in: notebooks/03_features.ipynb, "What does a spectrum look like from afar?"
    """
    S, f = _spectrum(y, sr, n_fft, hop_length)
    share = _share(S)
    centroid = np.sum(f * share, axis=-2, keepdims=True)
    return np.sqrt(np.sum((f - centroid) ** 2 * share, axis=-2))


def spectral_rolloff(y, sr, n_fft=2048, hop_length=512, roll_percent=0.85):
    """The lowest frequency below which a part of the magnitude lies.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
    sr : int
        Samples per second.
    n_fft, hop_length : int
    roll_percent : float
        The part, 0 to 1.

    Returns
    -------
    np.ndarray, shape [..., frames]
        Hertz, of a bin.

    Raises
    ------
    ValueError
        If `roll_percent` is not between 0 and 1.

    Taught in: notebooks/03_features.ipynb, "What does a spectrum look like from afar?"
    """
    if not 0 < roll_percent < 1:
        raise ValueError(f"roll_percent={roll_percent}: a part, between 0 and 1.")
    S, f = _spectrum(y, sr, n_fft, hop_length)
    total = np.cumsum(S, axis=-2)
    return f[np.argmax(total >= roll_percent * total[..., -1:, :], axis=-2), 0]


def spectral_flatness(y, n_fft=2048, hop_length=512):
    """Geometric over arithmetic mean of the power: near 0 for a tone, 0.56 for white noise, 1 for a click.

    (White noise would have 1 if its spectrum were what is expected of it; that of one frame scatters, by an
    exponential distribution, whose geometric mean is ``exp(-0.577)`` of its mean.)

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
    n_fft, hop_length : int

    Returns
    -------
    np.ndarray, shape [..., frames]
        0 to 1. Power below 1e-10 counts as that.

    Taught in: notebooks/03_features.ipynb, "What does a spectrum look like from afar?"
    """
    power = np.maximum(np.abs(stft(y, n_fft, hop_length)) ** 2, 1e-10)
    return np.exp(np.mean(np.log(power), axis=-2)) / np.mean(power, axis=-2)


def spectral_flux(y, n_fft=2048, hop_length=512):
    """What the spectrum has gained since the frame before: ``sqrt(sum_k max(0, |X[k, t]| - |X[k, t-1]|)²)``.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
    n_fft, hop_length : int

    Returns
    -------
    np.ndarray, shape [..., frames]
        0 in the first frame, which has none before it.

    Taught in: notebooks/03_features.ipynb, "What does a spectrum look like from afar?"
    """
    S = np.abs(stft(y, n_fft, hop_length))
    return np.linalg.norm(np.maximum(0, np.diff(S, axis=-1, prepend=S[..., :1])), axis=-2)


def zero_crossing_rate(y, frame_length=2048, hop_length=512):
    """Changes of sign per sample: twice the frequency of a tone over `sr`, 0.5 for white noise.

    Zero counts as positive, and so does what lies within 1e-10 of it.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
    frame_length, hop_length : int
        The ends of the signal are repeated outward by half a frame.

    Returns
    -------
    np.ndarray, shape [..., frames]
        0 to 1.

    Taught in: notebooks/03_features.ipynb, "What does a spectrum look like from afar?"
    """
    y = signal(y)
    half = [(0, 0)] * (y.ndim - 1) + [(frame_length // 2, frame_length // 2)]
    negative = frame(np.pad(y, half, mode="edge") < -1e-10, frame_length, hop_length)
    return np.sum(negative[..., 1:] != negative[..., :-1], axis=-1) / frame_length


def rms(y, frame_length=2048, hop_length=512):
    """Root mean square of each frame, zeros around the signal; `audiolab.measure.rms` is that of the whole.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
    frame_length, hop_length : int

    Returns
    -------
    np.ndarray, shape [..., frames]

    Taught in: notebooks/03_features.ipynb, "What does a spectrum look like from afar?"
    """
    y = signal(y)
    half = [(0, 0)] * (y.ndim - 1) + [(frame_length // 2, frame_length // 2)]
    return np.sqrt(np.mean(frame(np.pad(y, half), frame_length, hop_length) ** 2, axis=-1))
