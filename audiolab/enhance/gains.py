"""The Wiener filter: the gain that brings a noisy spectrum nearest to the clean one, from a guess of their ratio."""

import numpy as np

from ..features import istft, stft
from ..features.frames import one_channel
from ..preprocess.denoise import pauses


def wiener(y, sr, noise=None, smoothing=0.98, floor=-10.0):
    """Turn each bin down by how much of it is noise.

    The gain ``G = ξ / (1 + ξ)`` has the smallest mean squared error if ξ is the ratio of the powers of voice and noise.
    It has to be guessed from a single look, ``γ = |X|² / N``: ``max(γ - 1, 0)`` on average, but as unsteady as noise
    is, so that lone bins open and ring. The decision-directed guess leans on what was let through a frame before,
    ``ξ[t] = α G[t-1]² γ[t-1] + (1 - α) max(γ[t] - 1, 0)``: where only noise is, it stays low and smooth; where a voice
    begins, it rises within a frame or two. Windows of 32 ms, three quarters overlapping; the phase stays.

    Parameters
    ----------
    y : np.ndarray, shape [n]
    sr : int
        Samples per second.
    noise : np.ndarray, shape [k], optional
        A recording of the noise alone. Without it, the moments of `y` where nobody speaks are taken, or the quietest
        tenth where there are hardly any.
    smoothing : float
        α, 0 to less than 1. With 0 each frame is guessed alone.
    floor : float
        Least ξ in decibels. What noise is left then sounds alike; at -10 it is 21 dB softer.

    Returns
    -------
    np.ndarray, shape [n], float32

    Raises
    ------
    ValueError
        If a signal is shorter than 64 ms, has several channels, or holds NaN; if the noise is silent; if `smoothing` is
        not from 0 to below 1.

    References
    ----------
    Ephraim and Malah, "Speech enhancement using a minimum mean-square error short-time spectral amplitude estimator",
    1984; with this gain: Scalart and Vieira Filho, "Speech enhancement based on a priori signal to noise estimation",
    1996; why it does not ring: Cappé, "Elimination of the musical noise phenomenon", 1994.

    Taught in: notebooks/08_separation.ipynb, "What is left when noise is subtracted?"
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing is from 0 to below 1, got {smoothing}: with 1 nothing new would be heard.")
    n_fft = 4 * round(0.008 * sr)
    y, alone = one_channel(y), None if noise is None else one_channel(noise)
    for x in (y, alone):
        if x is not None and len(x) < 2 * n_fft:
            raise ValueError(f"{len(x)} samples are too few: 64 ms are needed, of the sound and of the noise.")
    X = stft(y, n_fft=n_fft)
    power = np.abs(X) ** 2
    heard = power[:, pauses(y, sr, power, n_fft // 4)] if alone is None else np.abs(stft(alone, n_fft=n_fft)) ** 2
    N = np.mean(heard, axis=1)
    if not N.any():
        raise ValueError("The noise is silent: there is nothing to take away.")
    gamma = power / np.maximum(N, 1e-10 * N.max())[:, None]
    return istft(_gains(gamma, smoothing, 10 ** (floor / 10)) * X, length=len(y)).astype(np.float32)


def _gains(gamma, smoothing, least):
    """Gain of each bin and frame, from what it holds in units of the noise."""
    G, before = np.empty_like(gamma), np.maximum(gamma[:, 0] - 1, 0)
    for t, now in enumerate(gamma.T):
        xi = np.maximum(smoothing * before + (1 - smoothing) * np.maximum(now - 1, 0), least)
        G[:, t] = xi / (1 + xi)
        before = G[:, t] ** 2 * now
    return G
