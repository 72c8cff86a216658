"""A first denoiser. Better ones come with chapter 08."""

import numpy as np

from ..audio import floats
from .speech import HOP, voice_activity


def spectral_subtraction(y, sr, noise=None, over=2.0, floor=0.01):
    """Take the average spectrum of the noise away from every moment.

    Of the power in each bin of a short-time spectrum X, with N the noise's, is left ``max(|X|² - over |N|², floor
    |N|²)``; the phase stays. Windows of 32 ms, three quarters overlapping. The spectra of the whole lie in memory at
    once, about 1.1 GB for ten minutes: cut what is longer into pieces, with the same `noise` for each.

    Parameters
    ----------
    y : np.ndarray, shape [n]
    sr : int
        Samples per second.
    noise : np.ndarray, shape [k], optional
        A recording of the noise alone. Without it, the moments of `y` where nobody speaks are taken, or
        the quietest tenth where there are hardly any.
    over : float
        How often the noise is subtracted. With 1 its peaks stand out and ring ("musical noise"); 2 to 4 takes them too.
    floor : float
        What is left of the noise's power everywhere, to cover what still rings.

    Returns
    -------
    np.ndarray, shape [n], float32

    Raises
    ------
    ValueError
        If a signal is shorter than 64 ms, has several channels, or is of integers; if `over` or `floor` is negative.

    References
    ----------
    Boll, "Suppression of acoustic noise in speech using spectral subtraction", 1979; over-subtraction and floor:
    Berouti, Schwartz and Makhoul, "Enhancement of speech corrupted by acoustic noise", 1979.

    Taught in: notebooks/02_preprocessing.ipynb, "Can the hiss be taken away?"
    """
    from scipy.signal import istft, stft

    y = floats(y)
    if over < 0 or floor < 0:
        raise ValueError(f"over and floor are not negative; got {over} and {floor}.")
    size = 4 * round(0.008 * sr)
    for x in (y, *([] if noise is None else [np.asarray(noise)])):
        if x.ndim != 1 or len(x) < 2 * size:
            raise ValueError(f"One channel of 64 ms or more is needed, not shape {list(x.shape)}: take y[0] or "
                             "to_mono(y).")
    options = {"fs": sr, "nperseg": size, "noverlap": size - size // 4}
    X = stft(y, **options)[2]                                                   # [bins, frames]
    power = np.abs(X) ** 2
    if noise is None:
        N = np.mean(power[:, pauses(y, sr, power, size // 4)], axis=1, keepdims=True)
    else:
        N = np.mean(np.abs(stft(floats(noise), **options)[2]) ** 2, axis=1, keepdims=True)
    left = np.minimum(np.maximum(power - over * N, floor * N), power)           # never more than there was
    gain = np.sqrt(left / np.maximum(power, 1e-20))
    return istft(gain * X, **options)[1][: len(y)].astype(np.float32)


def pauses(y, sr, power, hop):
    """Columns of the spectrogram in which nobody speaks, or the quietest tenth."""
    active, _ = voice_activity(y, sr)
    at = np.minimum((np.arange(power.shape[1]) * hop / sr / HOP).astype(int), len(active) - 1)
    spoken = np.convolve(active, np.ones(5), "same")[at] > 0                    # windows reach beyond their middle
    spoken[[0, 1, -2, -1]] = True                                               # half of them is the padding
    total = power.sum(axis=0)
    return ~spoken if (~spoken).sum() >= 10 else total <= np.quantile(total[2:-2], 0.1)
