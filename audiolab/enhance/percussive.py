"""What stands and what strikes: lines along time and lines along frequency, told apart by medians."""

import numpy as np

from ..features import stft
from ..features.frames import one_channel
from .masks import apply_masks


def median_filter(S, length, axis):
    """The median of each value and its neighbours along one axis; at the ends the picture is mirrored.

    Parameters
    ----------
    S : np.ndarray, shape [rows, columns]
    length : int
        How many values, an odd number.
    axis : int
        0 along the rows' numbers, 1 along the columns'.

    Returns
    -------
    np.ndarray, shape [rows, columns], dtype of `S`

    Raises
    ------
    ValueError
        If `length` is not odd.

    Notes
    -----
    As ``scipy.ndimage.median_filter`` with the mode ``"reflect"``.

    Taught in: notebooks/08_separation.ipynb, "What stands, and what strikes?"
    """
    if length < 1 or length % 2 == 0:
        raise ValueError(f"A median has as many neighbours before as after: length is odd, not {length}.")
    S = np.moveaxis(np.asarray(S), axis, -1)
    padded = np.pad(S, [(0, 0), (length // 2, length // 2)], mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, length, axis=-1)           # [lines, n, length], a view
    return np.moveaxis(np.stack([np.median(line, axis=-1) for line in windows]), -1, axis).astype(S.dtype)


def harmonic_percussive(S, length=31, power=2.0, margin=1.0):
    """Masks for what stands and for what strikes.

    A tone is a line along time: a median over frames, H, keeps it and forgets a click. A click is a line along
    frequency: a median over bins, P, keeps that. ``M_h = H^p / (H^p + (m P)^p)``, and M_p the other way round.

    Parameters
    ----------
    S : np.ndarray, shape [bins, frames]
        Magnitudes.
    length : int
        Values in a median, odd.
    power : float
        p.
    margin : float
        m, 1 or more: by how much one must be larger for more than half. Above 1 something is left that is neither.

    Returns
    -------
    harmonic, percussive : np.ndarray, shape [bins, frames], float, 0 to 1
        They add up to 1 if `margin` is 1, else to less. In silence half each, or none.

    Raises
    ------
    ValueError
        If `length` is not odd, `margin` is below 1, or `power` is not positive.

    Notes
    -----
    As ``librosa.decompose.hpss(S, mask=True)``.

    References
    ----------
    Fitzgerald, "Harmonic/percussive separation using median filtering", 2010; margins: Driedger, Müller and Disch,
    "Extending harmonic-percussive separation of audio signals", 2014.

    Taught in: notebooks/08_separation.ipynb, "What stands, and what strikes?"
    """
    if margin < 1 or power <= 0:
        raise ValueError(f"margin is 1 or more and power positive; got {margin} and {power}.")
    H, P = median_filter(S, length, axis=1), median_filter(S, length, axis=0)
    return _share(H, margin * P, power, margin == 1), _share(P, margin * H, power, margin == 1)


def _share(one, other, power, halve):
    """``one^p / (one^p + other^p)``; where both are silent a half or nothing."""
    larger = np.maximum(one, other)
    silent = larger < np.finfo(larger.dtype).tiny
    scale = np.where(silent, 1, larger)                                                     # so that no power overflows
    one, other = (one / scale) ** power, (other / scale) ** power
    return np.where(silent, 0.5 * halve, one / np.where(silent, 1, one + other)).astype(larger.dtype)


def hpss(y, n_fft=2048, length=31, power=2.0, margin=1.0):
    """Take a recording apart into what stands, such as strings, and what strikes, such as drums.

    Parameters
    ----------
    y : np.ndarray, shape [n]
    n_fft : int
        Samples in a window. A longer one sees tones better, a shorter one strokes.
    length, power, margin
        As of `harmonic_percussive`.

    Returns
    -------
    harmonic, percussive : np.ndarray, shape [n], float32

    Raises
    ------
    ValueError
        As `harmonic_percussive`; also if there are several channels or a sample is NaN.

    Taught in: notebooks/08_separation.ipynb, "What stands, and what strikes?"
    """
    y = one_channel(y)
    masks = harmonic_percussive(np.abs(stft(y, n_fft=n_fft)), length, power, margin)
    return tuple(apply_masks(y, np.stack(masks)))
