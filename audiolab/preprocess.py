"""From a recording as it came to a signal as a model wants it."""

import numpy as np
import soxr


def resample(y, sr, target):
    """Change the sample rate, and nothing else below half the lower of the two rates.

    What the new rate cannot hold is filtered out first; sampled without that filter, it would fold
    down to a wrong frequency.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
        Signal, full scale ±1.
    sr, target : int
        Present and wanted rate in Hz.

    Returns
    -------
    np.ndarray, shape [..., round(n * target / sr)], float32
        A copy also when the two rates are equal.

    Raises
    ------
    ValueError
        If a rate is not positive, or the signal is too short to leave one sample.

    References
    ----------
    The SoX resampler at its "high quality" setting: a windowed-sinc filter in stages, linear in phase.
    """
    y = np.asarray(y)
    if sr <= 0 or target <= 0:
        raise ValueError(f"Rates must be positive, got {sr} and {target} Hz.")
    if sr == target:
        return y.astype(np.float32)
    channels = y.astype(np.float32).reshape(-1, y.shape[-1])
    out = np.stack([soxr.resample(channel, sr, target) for channel in channels])
    if not out.shape[-1]:
        raise ValueError(f"{y.shape[-1]} samples are too few to resample from {sr} to {target} Hz.")
    return out.reshape(*y.shape[:-1], -1)
