"""The outline of a spectrum in a few numbers, and how they move."""

import numpy as np

from .frames import frame
from .mel import log_mel


def mfcc(y, sr, n_mfcc=13, **sizes):
    """Mel-frequency cepstral coefficients: the first cosines of which the columns of `log_mel` are made.

    ``c[k] = a_k sqrt(2 / M) sum_m L[m] cos(π k (m + 1/2) / M)`` with ``a_0 = sqrt(1/2)`` and else 1: an orthonormal
    DCT-II of M channels.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
    sr : int
        Samples per second.
    n_mfcc : int
        Number of coefficients; the first is the level.
    **sizes
        Parameters of `log_mel`.

    Returns
    -------
    np.ndarray, shape [..., n_mfcc, frames], dtype of `y`

    Raises
    ------
    ValueError
        If there are fewer mel channels than coefficients; and as `log_mel`.

    Notes
    -----
    ``librosa.feature.mfcc(S=log_mel(y, sr), n_mfcc=13)`` is the same. From the signal librosa starts at decibels,
    ``10 log10``, where this starts at ``ln``: its numbers are 4.343 times as large where its floors (1e-10, and 80 dB
    below the maximum) do not bite. ``torchaudio.transforms.MFCC(log_mels=True)`` takes ``ln(mel + 1e-6)``, on
    O'Shaughnessy's scale unless ``melkwargs`` says otherwise; its cosine transform is the same.

    References
    ----------
    Davis and Mermelstein, "Comparison of parametric representations for monosyllabic word recognition", 1980.

    Taught in: notebooks/03_features.ipynb, "What is left of a voice in thirteen numbers?"
    """
    L = log_mel(y, sr, **sizes)
    M = L.shape[-2]
    if not 1 <= n_mfcc <= M:
        raise ValueError(f"{n_mfcc} coefficients of {M} mel channels: take 1 to {M}, or more channels (n_mels).")
    k, m = np.arange(n_mfcc)[:, None], np.arange(M)
    cosines = np.sqrt(2 / M) * np.cos(np.pi * k * (m + 0.5) / M)                # [n_mfcc, M]
    cosines[0] *= np.sqrt(0.5)
    return cosines.astype(L.dtype) @ L


def delta(x, width=9):
    """Slope of the straight line through each `width` neighbouring frames: how a feature moves.

    ``d[t] = sum_{n=1}^{N} n (x[t+n] - x[t-n]) / (2 sum n²)`` with ``N = width // 2``. The first N frames have the
    slope of the first `width`, the last N that of the last.

    Parameters
    ----------
    x : np.ndarray, shape [..., rows, frames]
    width : int
        Frames, odd, 3 or more.

    Returns
    -------
    np.ndarray, shape of `x`
        Per frame. For the second derivative take it twice.

    Raises
    ------
    ValueError
        If there are fewer frames than `width`, or it is even or under 3.

    Notes
    -----
    The same as ``librosa.feature.delta``. ``torchaudio.functional.compute_deltas`` repeats the first and the last
    frame outward instead, so N frames at each end differ, and is 5 wide unless told. librosa's ``order=2`` is not the
    delta of the delta: it fits a parabola.

    Taught in: notebooks/03_features.ipynb, "What is left of a voice in thirteen numbers?"
    """
    x = np.asarray(x)
    if width < 3 or width % 2 == 0:
        raise ValueError(f"width={width}: an odd number of frames, 3 or more.")
    if x.shape[-1] < width:
        raise ValueError(f"{x.shape[-1]} frames are fewer than width={width}: take a smaller width or a longer signal.")
    N = width // 2
    n = np.arange(-N, N + 1)
    slope = frame(x, width, 1) @ (n / np.sum(n**2)).astype(x.dtype)
    return np.pad(slope, [(0, 0)] * (x.ndim - 1) + [(N, N)], mode="edge")
