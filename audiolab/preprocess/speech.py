"""Where a recording says something."""

import numpy as np

from ..audio import floats
from .filters import butterworth, filter_signal
from .level import to_mono

HOP = 0.01                  # seconds between decisions


def trim_silence(y, sr, top_db=40.0, margin=0.05, frame=0.02):
    """Cut off beginning and end as long as they lie far below the loudest frame.

    Frames of `frame` seconds follow each other; one is loud when its RMS, of the loudest channel, is no more than
    `top_db` below that of the loudest. What lies between the first loud and the last stays, pauses too, and `margin`
    on each side. ``librosa.effects.trim`` compares likewise, with frames of 2048 samples that overlap and a `top_db`
    of 60.

    Parameters
    ----------
    y : np.ndarray, shape [n] or [channels, n]
    sr : int
        Samples per second.
    top_db : float
        Decibels below the loudest frame from which on it is silence. In a hiss less far below nothing is cut: see
        `voice_activity`.
    margin : float
        Seconds kept before and after: consonants begin and end quietly.
    frame : float
        Seconds.

    Returns
    -------
    piece : np.ndarray, shape [stop - start] or [channels, stop - start]
        A view of `y`.
    bounds : tuple of (int, int)
        ``start, stop`` in samples.

    Raises
    ------
    ValueError
        If all is digital silence, or the samples are integers.

    Taught in: notebooks/02_preprocessing.ipynb, "Where does the speech begin?"
    """
    y = floats(y)
    size = max(1, round(frame * sr))
    starts = np.arange(0, y.shape[-1], size)
    power = np.add.reduceat(np.square(np.atleast_2d(y), dtype=np.float64), starts, axis=1).max(axis=0)
    power /= np.diff([*starts, y.shape[-1]])                                    # the last frame may be shorter
    if not power.max() > 0:
        raise ValueError("There is nothing but silence: no part of it is left.")
    loud = np.flatnonzero(power >= power.max() * 10 ** (-top_db / 10))
    start = max(0, starts[loud[0]] - round(margin * sr))
    stop = min(y.shape[-1], starts[loud[-1]] + size + round(margin * sr))
    return y[..., start:stop], (int(start), int(stop))


def voice_activity(y, sr, begin_db=5.0, go_on_db=2.5, hangover=0.06, shortest=0.08):
    """Find speech by its level above the noise, which is tracked.

    The level of each 10 ms, between 100 and 4000 Hz and smoothed over 50 ms, is held against a floor: the quietest
    tenth of the three seconds around. Speech begins where the level passes ``floor + begin_db`` and reaches as far as
    it stays above ``floor + go_on_db`` (hysteresis), and `hangover` more. The floor counts as 50 dB below the loudest
    frame at least, so that in digital silence not every breath is speech.

    Parameters
    ----------
    y : np.ndarray, shape [n] or [channels, n]
        Channels are averaged.
    sr : int
        Samples per second, 8000 or more.
    begin_db, go_on_db : float
        Decibels above the floor.
    hangover : float
        Seconds that speech is held after it fell below.
    shortest : float
        Seconds; what is shorter was a click.

    Returns
    -------
    active : np.ndarray of bool, shape [frames]
        For each whole 10 ms whether somebody speaks.
    segments : np.ndarray, shape [k, 2]
        Onset and offset of each stretch of speech in seconds.

    Raises
    ------
    ValueError
        If the signal is shorter than 50 ms, the rate under 8000 Hz, or the samples integers.

    References
    ----------
    Hysteresis and hangover as in Rabiner and Sambur, "An algorithm for determining the endpoints of isolated
    utterances", 1975; a floor from the minimum as in Martin, "Noise power spectral density estimation based on optimal
    smoothing and minimum statistics", 2001.

    Taught in: notebooks/02_preprocessing.ipynb, "Where does the speech begin?"
    """
    from scipy.ndimage import label, percentile_filter, uniform_filter1d

    y, hop = to_mono(y), round(HOP * sr)
    if sr < 8000 or len(y) < 5 * hop:
        raise ValueError(f"Speech is looked for in 50 ms or more, at 8000 Hz or more; this is {len(y)} samples at "
                         f"{sr} Hz.")
    voice = filter_signal(y, butterworth(2, (100, min(4000, 0.45 * sr)), sr, "bandpass"), zero_phase=True)
    power = np.mean(voice[: len(y) // hop * hop].reshape(-1, hop).astype(np.float64) ** 2, axis=1)
    level = 10 * np.log10(uniform_filter1d(power, 5, mode="nearest") + 1e-12)
    floor = percentile_filter(level, 10, size=min(301, 2 * len(level) - 1), mode="nearest")
    floor = np.maximum(floor, level.max() - 50)
    parts, n = label(level > floor + go_on_db)
    strong = np.bincount(parts, level > floor + begin_db, n + 1) > 0
    strong[0] = False                                                           # the pauses
    active = strong[parts]
    hold = round(hangover / HOP)
    if hold:
        active |= np.convolve(active, np.ones(hold + 1), "full")[: len(active)] > 0
    parts, n = label(active)
    long = np.bincount(parts) >= max(1, round(shortest / HOP))
    long[0] = False
    active = long[parts]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(int), [0]])))
    return active, edges.reshape(-1, 2) * hop / sr
