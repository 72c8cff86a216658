"""How loud, how many channels, and where zero is."""

import numpy as np

from .. import measure
from ..audio import floats


def to_mono(y):
    """Mean of the channels.

    What is in opposite phase in two of them cancels, what arrives later in one makes a comb: see `mono_loss`.
    ``librosa.to_mono`` does the same; a torch tensor takes ``y.mean(dim=-2)``.

    Parameters
    ----------
    y : np.ndarray, shape [n] or [channels, n]

    Returns
    -------
    np.ndarray, shape [n], float32
        A copy.

    Raises
    ------
    ValueError
        If the samples are integers, or the channels stand last.

    Taught in: notebooks/02_preprocessing.ipynb, "What does mono throw away?"
    """
    return np.atleast_2d(floats(y)).mean(axis=0, dtype=np.float64).astype(np.float32)


def mono_loss(y):
    """What mixing down to mono takes away: power of a channel, on average, over that of the mono mix.

    Parameters
    ----------
    y : np.ndarray, shape [channels, n]

    Returns
    -------
    float
        Decibels: 0 for channels that are equal, 3 for two that have nothing in common, ``inf`` where one is the
        other turned over. NaN for silence.

    Taught in: notebooks/02_preprocessing.ipynb, "What does mono throw away?"
    """
    y = np.atleast_2d(floats(y))
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(10 * np.log10(np.mean(measure.rms(y) ** 2) / measure.rms(to_mono(y)) ** 2))


def remove_dc(y):
    """Subtract from each channel its mean.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]

    Returns
    -------
    np.ndarray, shape [..., n], float32

    Raises
    ------
    ValueError
        If the samples are integers.

    Taught in: notebooks/02_preprocessing.ipynb, "What does mono throw away?"
    """
    y = floats(y)
    return (y - y.mean(axis=-1, keepdims=True, dtype=np.float64)).astype(np.float32)


def normalize(y, sr, to="rms", level=-23.0, ceiling=-1.0):
    """Bring a signal to a level by one gain, which stops where the largest sample would pass the ceiling.

    There is no limiter and no clipping: dynamics and the balance of the channels stay as they are, and a signal of
    few high peaks stays below the level asked for.

    Parameters
    ----------
    y : np.ndarray, shape [n] or [channels, n]
    sr : int
        Samples per second; used for loudness.
    to : {"peak", "rms", "lufs"}
        Largest sample; root mean square of all channels together; integrated loudness (0.4 s at least, one channel or
        two).
    level : float
        dBFS, or LUFS.
    ceiling : float
        dBFS that no sample may pass, 0 or less. For ``to="peak"`` a higher `level` counts as the ceiling.

    Returns
    -------
    np.ndarray, shape of `y`, float32
        Silence stays as it is, and so does for ``"lufs"`` what is too quiet to have a loudness.

    Raises
    ------
    ValueError
        If `to` is none of these, the ceiling lies above full scale, the samples are integers, NaN or infinite, or
        (for loudness) as :func:`audiolab.measure.lufs`.

    Notes
    -----
    ``librosa.util.normalize`` scales to a peak of 1 by default and takes the other norms of a vector: its ``norm=2``
    is the root of the *sum* of squares, which depends on the length.

    Taught in: notebooks/02_preprocessing.ipynb, "How loud should it be?"
    """
    y = floats(y)
    if ceiling > 0:
        raise ValueError(f"The ceiling is {ceiling} dBFS, above full scale: choose 0 or less.")
    peak = float(np.max(np.abs(y)))
    if not np.isfinite(peak):
        raise ValueError("The signal holds NaN or infinity: look at what made it.")
    if to == "peak":
        now, ceiling = measure.dbfs(peak), min(max(ceiling, level), 0)
    elif to == "rms":
        now = measure.dbfs(measure.rms(y.ravel()))
    elif to == "lufs":
        now = measure.lufs(y, sr)
    else:
        raise ValueError(f'to={to!r} is none of "peak", "rms", "lufs".')
    if now == -np.inf:
        return y.astype(np.float32)
    gain_db = min(level - now, ceiling - measure.dbfs(peak))
    return (y * 10 ** (gain_db / 20)).astype(np.float32)
