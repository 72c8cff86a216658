"""When something begins, how often, and on which beat."""

import numpy as np

from .frames import frame, one_channel
from .levels import power_to_db
from .mel import mel_spectrogram

FASTEST = 320.0                 # beats per minute
MEMORY = 8.0                    # seconds over which a tempo is looked for
TIGHTNESS = 100.0               # how much an uneven step costs against a weak onset


def onset_strength(y, sr, n_fft=2048, hop_length=512, n_mels=128):
    """How much begins in each frame: what the mel spectrogram in decibels has gained since the frame before.

    ``o[t] = mean_m max(0, L[m, t] - L[m, t-1])``, moved later by half a window, because a centred frame hears a
    beginning that early.

    Parameters
    ----------
    y : np.ndarray, shape [n]
    sr : int
        Samples per second.
    n_fft, hop_length, n_mels : int

    Returns
    -------
    np.ndarray, shape [1 + n // hop_length]
        Decibels per channel.

    Raises
    ------
    ValueError
        As `mel_spectrogram`.

    Notes
    -----
    The same as ``librosa.onset.onset_strength``.

    Taught in: notebooks/03_features.ipynb, "When does something begin?"
    """
    S = mel_spectrogram(one_channel(y), sr, n_fft, hop_length, n_fft, n_mels)
    gained = np.maximum(0, np.diff(power_to_db(S, top_db=80), axis=-1)).mean(axis=0)
    return np.pad(gained, (1 + n_fft // (2 * hop_length), 0))[: S.shape[-1]]


def onset_times(y, sr, hop_length=512, delta=0.07):
    """Seconds at which something begins: peaks of `onset_strength`.

    A frame is a peak when it is the largest of the 30 ms up to it, lies `delta` of the curve's range above the mean
    of the 100 ms on either side, and 30 ms have passed since the last.

    Parameters
    ----------
    y : np.ndarray, shape [n]
    sr : int
        Samples per second.
    hop_length : int
        Samples: how finely to look.
    delta : float
        0 to 1: larger finds fewer.

    Returns
    -------
    np.ndarray, shape [onsets]
        Seconds, rising. Empty in silence.

    Raises
    ------
    ValueError
        As `onset_strength`.

    Notes
    -----
    The same as ``librosa.onset.onset_detect(units="time")``, which found its numbers by a search over annotated music
    (Böck and others, 2012).

    Taught in: notebooks/03_features.ipynb, "When does something begin?"
    """
    o = onset_strength(y, sr, hop_length=hop_length)
    o = o - o.min()
    if not o.max() > 0:
        return np.zeros(0)
    o /= o.max()
    short, long = int(0.03 * sr // hop_length), int(0.10 * sr // hop_length)
    peaks, t = [], 0
    while t < len(o):
        near, around = o[max(0, t - short) : t + 1], o[max(0, t - long) : t + long + 1]
        is_peak = o[t] == near.max() and o[t] >= around.mean() + delta
        if is_peak:
            peaks.append(t)
        t += short + 1 if is_peak else 1
    return np.array(peaks) * hop_length / sr


def tempogram(strength, sr, hop_length=512):
    """How well the onset strength resembles itself at each shift, over time.

    The curve is cut into pieces of 8 s, one around each frame, under a Hann window; each piece is correlated with
    itself.

    Parameters
    ----------
    strength : np.ndarray, shape [frames]
        From `onset_strength`.
    sr, hop_length : int
        Of that.

    Returns
    -------
    np.ndarray, shape [lags, frames]
        The largest value of each column is 1. Lag l stands for ``60 sr / (hop_length l)`` beats per minute.

    Notes
    -----
    As ``librosa.feature.tempogram``, whose pieces are of 384 frames unless told otherwise; ``librosa.feature.tempo``
    takes 8 s, as here.

    Taught in: notebooks/03_features.ipynb, "When does something begin?"
    """
    lags = int(MEMORY * sr // hop_length)
    padded = np.pad(np.asarray(strength, np.float64), lags // 2, mode="linear_ramp")
    pieces = frame(padded, lags, 1)[: len(strength)] * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(lags) / lags))
    size = 2 ** int(np.ceil(np.log2(2 * lags)))
    r = np.fft.irfft(np.abs(np.fft.rfft(pieces, size)) ** 2, size)[:, :lags].T  # [lags, frames]
    largest = np.abs(r).max(axis=0)
    return np.divide(r, largest, out=np.zeros_like(r), where=largest > np.finfo(np.float32).tiny)


def tempo(y, sr, hop_length=512, start_bpm=120.0):
    """Beats per minute: the shift at which the onsets best repeat themselves.

    The mean over time of `tempogram`, on a logarithmic scale, plus ``-log2(bpm / start_bpm)² / 2``: everything
    repeats at half its tempo, too, and something has to decide.

    Parameters
    ----------
    y : np.ndarray, shape [n]
    sr : int
        Samples per second.
    hop_length : int
        Samples: how finely to look. Only whole shifts count.
    start_bpm : float
        What is likely; an octave away counts as one standard deviation.

    Returns
    -------
    float
        At most 320; 0.0 where nothing begins.

    Raises
    ------
    ValueError
        If `start_bpm` is not positive; and as `onset_strength`.

    Notes
    -----
    The same as ``librosa.feature.tempo``.

    References
    ----------
    Ellis, "Beat tracking by dynamic programming", 2007.

    Taught in: notebooks/03_features.ipynb, "When does something begin?"
    """
    return _tempo(onset_strength(y, sr, hop_length=hop_length), sr, hop_length, start_bpm)


def _tempo(strength, sr, hop_length, start_bpm):
    if not start_bpm > 0:
        raise ValueError(f"start_bpm={start_bpm}: beats per minute, above 0.")
    if not strength.any():
        return 0.0
    repeats = tempogram(strength, sr, hop_length).mean(axis=-1)[1:]             # lag 0 repeats nothing
    bpm = 60 * sr / (hop_length * np.arange(1, len(repeats) + 1))
    score = np.log1p(1e6 * repeats) - np.log2(bpm / start_bpm) ** 2 / 2
    return float(bpm[np.argmax(np.where(bpm < FASTEST, score, -np.inf))])


def beat_track(y, sr, hop_length=512, start_bpm=120.0):
    """Tempo, and the chain of beats that sits on strong onsets and keeps its steps even.

    Of all chains of frames ``t_1 < t_2 < …`` the one with the largest ``sum_i o[t_i] - 100 sum_i ln((t_i - t_{i-1}) /
    period)²``. The best chain that ends at t is the best that ends half to two periods earlier, and t: so each frame
    needs to look back only that far (dynamic programming).

    Parameters
    ----------
    y : np.ndarray, shape [n]
    sr : int
        Samples per second.
    hop_length : int
    start_bpm : float
        As in `tempo`.

    Returns
    -------
    bpm : float
    beats : np.ndarray, shape [beats]
        Seconds, rising. Weak ones before the first and after the last strong beat are dropped.

    Raises
    ------
    ValueError
        As `tempo`.

    Notes
    -----
    The same as ``librosa.beat.beat_track(onset_envelope=onset_strength(y, sr), sr=sr, units="time")``. Given the
    signal, librosa takes the median over the channels here, where everywhere else it takes the mean.

    References
    ----------
    Ellis, "Beat tracking by dynamic programming", 2007.

    Taught in: notebooks/03_features.ipynb, "When does something begin?"
    """
    o = onset_strength(y, sr, hop_length=hop_length)
    bpm = _tempo(o, sr, hop_length, start_bpm)
    if not bpm:
        return 0.0, np.zeros(0)
    period = int(np.round(60 * sr / (hop_length * bpm)))                        # frames
    spread = np.exp(-0.5 * (32 * np.arange(-period, period + 1) / period) ** 2)
    local = np.convolve(o / o.std(ddof=1), spread)[period : period + len(o)]    # a beat may sit beside its onset

    steps = np.arange(int(np.round(period / 2)), 2 * period + 1)
    cost = TIGHTNESS * np.log(steps / period) ** 2
    score, back, begun = local.copy(), np.full(len(local), -1), False
    for t in range(len(local)):
        reach = steps[steps <= t]
        begun = begun or local[t] >= 0.01 * local.max()
        if len(reach):
            chain = score[t - reach] - cost[: len(reach)]
            best = int(np.argmax(chain))
            score[t] += chain[best]
            back[t] = t - reach[best] if begun else -1

    t, beats = _last(score), []
    while t >= 0:
        beats.append(t)
        t = back[t]
    return bpm, _strong(np.array(beats[::-1]), local) * hop_length / sr


def _last(score):
    """The last place where a chain may end: a local maximum of at least half the median of all."""
    inner = np.concatenate([[False], (score[1:-1] > score[:-2]) & (score[1:-1] >= score[2:]), [score[-1] > score[-2]]])
    tops = np.flatnonzero(inner)
    if not len(tops):
        return int(np.argmax(score))
    return int(tops[score[tops] >= 0.5 * np.median(score[tops])][-1])


def _strong(beats, local):
    """Beats without the weak ones at both ends: weak is half of what is usual."""
    usual = np.sqrt(np.mean(np.convolve(local[beats], np.hanning(5))[2 : 2 + len(beats)] ** 2))
    strong = np.flatnonzero(local > 0.5 * usual)
    return beats[(beats >= strong[0]) & (beats <= strong[-1])] if len(strong) else beats[:0]
