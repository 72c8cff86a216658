"""How high a voice is."""

import numpy as np

from .frames import frame, one_channel

AT_ONCE = 2**22                 # numbers in the largest array: long recordings go in pieces


def yin(y, sr, fmin=60.0, fmax=500.0, frame_length=None, hop_length=None, trough_threshold=0.1, voicing=0.2):
    """Pitch by YIN: the smallest shift at which a frame nearly equals itself.

    ``d(τ) = sum_{n<W} (x[n] - x[n + τ])²``, divided by its mean over all lags up to τ. The first dip of that below
    `trough_threshold` is the period, or where there is none the deepest; a parabola through it and its neighbours
    finds the place between the samples.

    Parameters
    ----------
    y : np.ndarray, shape [n]
    sr : int
        Samples per second.
    fmin, fmax : float
        Hertz: where to look.
    frame_length : int, optional
        Samples, more than two periods of `fmin`; when not given, the power of two that holds three. W is what the
        longest lag leaves of it.
    hop_length : int, optional
        Samples; 10 ms when not given. Frames are centred.
    trough_threshold : float
        Part of the power that may differ.
    voicing : float
        Up to which part a frame counts as voiced.

    Returns
    -------
    f0 : np.ndarray, shape [1 + n // hop_length], float64
        Hertz, also where nothing is voiced: then it means little.
    voiced : np.ndarray of bool, same shape

    Raises
    ------
    ValueError
        If `fmin` and `fmax` are no range below half the rate, or two periods do not fit into a frame; and as `stft`.

    Notes
    -----
    ``librosa.yin`` lets W shrink as the lag grows; where the voice is steady both agree to less than 0.5 %. It knows
    no voicing; ``librosa.pyin`` does, by a hidden Markov model over many thresholds, and is far slower.

    References
    ----------
    de Cheveigné and Kawahara, "YIN, a fundamental frequency estimator for speech and music", 2002.

    Taught in: notebooks/03_features.ipynb, "How high is the voice?"
    """
    y = one_channel(y).astype(np.float64)
    if not 0 < fmin < fmax < sr / 2:
        raise ValueError(f"A pitch from {fmin} to {fmax} Hz: the first must be above 0 and below the second, and that "
                         f"below sr / 2 = {sr / 2} Hz.")
    shortest, longest = int(sr / fmax), int(np.ceil(sr / fmin)) + 1
    frame_length = frame_length or 2 ** int(np.ceil(np.log2(3 * sr / fmin)))
    hop_length = hop_length or round(0.01 * sr)
    if frame_length < 2 * longest:
        raise ValueError(f"Frames of {frame_length} samples do not hold two periods of {fmin} Hz: take "
                         f"{2 * longest} or more, or a higher fmin.")
    frames = frame(np.pad(y, frame_length // 2), frame_length, hop_length)
    rows = max(1, AT_ONCE // frame_length)
    pieces = [_dip(_normalised_difference(frames[i : i + rows], longest), shortest, trough_threshold)
              for i in range(0, len(frames), rows)]
    period, depth = np.concatenate(pieces, axis=1)
    return sr / period, depth < voicing


def _dip(d, shortest, trough_threshold):
    """The chosen lag of each frame, in parts of a sample, and how deep the difference is there: shape [2, frames]."""
    tau = np.arange(max(shortest, 1), d.shape[1] - 1)
    middle, before, after = d[:, tau], d[:, tau - 1], d[:, tau + 1]
    dip = (middle <= before) & (middle < after) & (middle < trough_threshold)
    choice = np.where(dip.any(axis=1), dip.argmax(axis=1), middle.argmin(axis=1))[:, None]
    a, b, c = (np.take_along_axis(values, choice, axis=1)[:, 0] for values in (before, middle, after))
    bend = a - 2 * b + c
    shift = np.divide(a - c, 2 * bend, out=np.zeros_like(b), where=(b <= a) & (b <= c) & (bend > 0))
    return np.stack([tau[choice[:, 0]] + shift, b])


def _normalised_difference(frames, longest):
    """``d(τ) τ / sum_{j<=τ} d(j)`` for τ = 0 to `longest`, shape [frames, longest + 1]; 1 at lag 0 and in silence."""
    n = frames.shape[1]
    W = n - longest
    size = 2 ** int(np.ceil(np.log2(n + W)))
    product = np.conj(np.fft.rfft(frames[:, :W], size)) * np.fft.rfft(frames, size)
    r = np.fft.irfft(product, size)[:, : longest + 1]                           # sum_{n<W} x[n] x[n + τ]
    power = np.cumsum(np.pad(frames**2, ((0, 0), (1, 0))), axis=1)
    e = power[:, W : W + longest + 1] - power[:, : longest + 1]                 # sum_{n<W} x[n + τ]²
    d = np.maximum(e[:, :1] + e - 2 * r, 0)
    d[:, 0] = 0
    total = np.cumsum(d, axis=1)
    known = total > 1e-12 * (1e-12 + e[:, :1])                                  # not silence, not a constant
    return np.divide(d * np.arange(longest + 1), total, out=np.ones_like(d), where=known)
