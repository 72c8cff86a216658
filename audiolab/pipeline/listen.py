"""The detector on sound that never ends: blocks come in, and every half second a probability of each class goes out."""

import numpy as np
import pandas as pd
import torch

from .. import compress, features, metrics
from ..enhance import wiener
from ..preprocess import butterworth
from ..stream import Filter, LogMel, RingBuffer
from .config import PlanError

HOP = 0.5                                   # seconds from one decision to the next
LOWEST = 20                                 # Hz: what is below, a constant above all, is taken away first


def rumble_filter(sr):
    """Takes away, block by block, what is below 20 Hz: a microphone's constant, which a stream has no mean to tell by.

    Taught in: notebooks/15_capstone.ipynb, "Does it keep up with the world?"
    """
    return Filter(butterworth(2, LOWEST, sr, "highpass"), settled=True)


def highpassed(y, sr):
    """Step: a clip as `rumble_filter` lets it through."""
    return rumble_filter(sr)(y), sr


def cleaned(y, sr):
    """The Wiener filter of chapter 08; a clip that is silent, or too short for it, stays as it is.

    Taught in: notebooks/15_capstone.ipynb, "Does cleaning help?"
    """
    try:
        return wiener(y, sr)
    except ValueError:
        return y


class Listener:
    """A window that slides over a stream: each block is taken in once, and what is needed again is kept.

    The log-mel is computed as its samples come (`stream.LogMel`), and its last columns stay in a ring buffer.
    Where clips were cleaned before training, the samples stay there instead, and each window is cleaned by itself.

    Parameters
    ----------
    file : str or os.PathLike
        An ONNX file that takes log-mel spectrograms.
    sr : int
        Samples per second.
    seconds : float
        Of a window.
    clean : bool
    highpass : bool
        Take away what is below 20 Hz, as of clips that were preprocessed.

    Attributes
    ----------
    clock : float
        Seconds of sound so far, those that were missed included.
    missed : float
        Seconds that `follow` did not get.

    Notes
    -----
    Training clips and windows of a stream differ at their edges: beyond those of a clip there is silence, beyond those
    of a window there is sound. That concerns two columns of the log-mel at each end.

    Taught in: notebooks/15_capstone.ipynb, "Does it keep up with the world?"
    """

    def __init__(self, file, sr, seconds, clean=False, highpass=True):
        self.file, self.sr, self.seconds, self.clean, self.highpass = str(file), sr, seconds, clean, highpass
        self._mel, self._samples, self._missed = LogMel(sr), 0, 0
        if clean:
            self._n, self._hop = round(seconds * sr), round(HOP * sr)           # in samples
        else:
            hop = self._mel.hop
            self._n, self._hop = 1 + round(seconds * sr) // hop, round(HOP * sr / hop)      # in columns
        self._empty()
        self._open()

    def _empty(self):
        """Begin as if nothing had been heard."""
        self._filter = rumble_filter(self.sr) if self.highpass else None
        self._mel.reset()
        self._ring = RingBuffer(self._n, channels=None if self.clean else len(self._mel.bank))

    def _open(self):
        """Open the network, and ask it once: the first call of a session is slow, and must not be one that is timed."""
        self._run = compress.Runner(self.file)
        probabilities(self._run, np.zeros((1, len(self._mel.bank), 1 + round(100 * self.seconds)), np.float32))

    @property
    def clock(self):
        return self._samples / self.sr

    @property
    def missed(self):
        return self._missed / self.sr

    def follow(self, microphone):
        """Take in what a microphone has written into a `RingBuffer` since; decisions as of a call.

        Where it had to overwrite what was not read yet, the window begins anew, or it would hold two sounds that never
        met; `clock` and `missed` count what is lost.
        """
        block = microphone.read(microphone.capacity)
        if lost := microphone.dropped - self._missed:           # before what was read, never after it
            self._empty()
            self._missed += lost
            self._samples += lost
        return self(block)

    def __call__(self, block):
        """Take in the next samples, shape [n]; give the probabilities that are due, shape [decisions, classes]."""
        self._samples += len(block)
        block = self._filter(block) if self.highpass else block
        new = block if self.clean else self._mel(block)
        found = []
        while new.shape[-1]:
            written = self._ring.written
            due = max(self._n, self._n + -(-(written + 1 - self._n) // self._hop) * self._hop)
            self._ring.write(new[..., : due - written])
            new = new[..., due - written :]
            if self._ring.written == due:
                found.append(self._decided(self._ring.latest(self._n)))
        return np.array(found)

    def _decided(self, window):
        picture = features.log_mel(cleaned(window, self.sr), self.sr) if self.clean else window
        return probabilities(self._run, picture[None])[0]

    def __getstate__(self):
        return {**self.__dict__, "_run": None}                  # another process opens the file itself

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._open()


def probabilities(run, pictures):
    """What a network says of log-mel spectrograms, shape [clips, mel, time]: probabilities, [clips, classes]."""
    x = torch.from_numpy(np.ascontiguousarray(pictures, dtype=np.float32))[:, None]
    return run(x).softmax(dim=1).numpy()


def offline(file, y, sr, seconds, clean=False, highpass=True):
    """The same decisions from the whole sound at once: what a `Listener` is held against.

    Parameters
    ----------
    file, sr, seconds, clean, highpass
        As for `Listener`.
    y : np.ndarray, shape [n]

    Returns
    -------
    np.ndarray, shape [decisions, classes]

    Taught in: notebooks/15_capstone.ipynb, "Does it keep up with the world?"
    """
    run, y = compress.Runner(file), highpassed(y, sr)[0] if highpass else y
    if clean:
        n, hop = round(seconds * sr), round(HOP * sr)
        pictures = [features.log_mel(cleaned(y[at : at + n], sr), sr) for at in range(0, len(y) - n + 1, hop)]
    else:
        step = features.log_mel_sizes(sr)["hop_length"]
        n, hop, whole = 1 + round(seconds * sr) // step, round(HOP * sr / step), features.log_mel(y, sr)
        complete = 1 + (len(y) - features.log_mel_sizes(sr)["n_fft"] // 2) // step          # columns without padding
        pictures = [whole[:, at : at + n] for at in range(0, complete - n + 1, hop)]
    return np.concatenate([probabilities(run, picture[None]) for picture in pictures])


def alerts(p, threshold, seconds, merge=1.0):
    """When a detector cries: rows of decisions at or above a threshold, those that are close taken together.

    Parameters
    ----------
    p : np.ndarray, shape [decisions]
        Probability of the class that is watched for, as `offline` or a `Listener` gives it.
    threshold : float
    seconds : float
        Of a window: the first decision comes when so many have been heard.
    merge : float
        Seconds; where the probability dips for no longer, it is still the same alert.

    Returns
    -------
    np.ndarray, shape [alerts, 2]
        Seconds: of each its first and its last decision. What it heard lies up to a window before.

    Raises
    ------
    ValueError
        If the threshold is not between 0 and 1.

    Taught in: notebooks/15_capstone.ipynb, "Does it keep up with the world?"
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"A threshold of {threshold} makes no sense: a probability is above 0, and at most 1.")
    t = seconds + HOP * np.flatnonzero(np.asarray(p) >= threshold)
    new = np.flatnonzero(np.diff(t) > merge + HOP)              # more decisions are below than may be
    first, last = np.concatenate([[0], new + 1]), np.concatenate([new, [len(t) - 1]])
    return np.stack([t[first], t[last]], axis=1) if len(t) else np.zeros((0, 2))


def counted(found, alarms, seconds, tail=1.0, least=0.1):
    """What alerts are worth, against what really sounded.

    Parameters
    ----------
    found : np.ndarray, shape [alerts, 2]
        From `alerts`.
    alarms : sequence of (onset, offset)
        Seconds.
    seconds : float
        Of a window.
    tail : float
        Seconds after its end in which an alarm may still echo: an alert on the echo is not false.
    least : float
        Seconds of an alarm that must have been in a window, or its alert is not counted as having found it.

    Returns
    -------
    hits : np.ndarray of bool, shape [alarms]
        Which were found.
    false : np.ndarray of bool, shape [alerts]
        Which had no alarm in any of their windows. One that begins on an alarm and outlasts it is not false; how long
        it does is for `false_seconds`.
    delay : np.ndarray, shape [alarms]
        Seconds from an alarm's onset to the first decision of an alert on it; NaN where it was not found.

    Taught in: notebooks/15_capstone.ipynb, "Does it keep up with the world?"
    """
    found, alarms = np.reshape(found, (-1, 2)), np.reshape(alarms, (-1, 2))
    first, last = found[:, :1], found[:, 1:]                    # [alert, 1], against [alarm]
    onset, offset = alarms.T
    heard = (last >= onset + least) & (first <= offset + seconds - least)
    near = (last > onset) & (first < offset + seconds + tail)
    since = np.where(heard, np.maximum(first - onset, least), np.inf).min(axis=0, initial=np.inf)
    return heard.any(axis=0), ~near.any(axis=1), np.where(np.isfinite(since), since, np.nan)


def false_seconds(found, alarms, seconds, tail=1.0):
    """How long alerts last while nothing that is watched for was heard: what a count of false alerts does not see.

    A detector that never stops has one alert, finds everything, and is never false. Here each of its decisions counts
    for itself, as the half second until the next.

    Parameters
    ----------
    found, alarms, seconds, tail
        As for `counted`.

    Returns
    -------
    float
        Seconds.

    Taught in: notebooks/15_capstone.ipynb, "Does it keep up with the world?"
    """
    t = np.concatenate([[], *(np.arange(first, last + HOP / 2, HOP) for first, last in found)])[:, None]
    onset, offset = np.reshape(alarms, (-1, 2)).T
    return HOP * int((~((t > onset) & (t < offset + seconds + tail)).any(axis=1)).sum())


def hourly(n, seconds, level=0.95):
    """How many an hour may bring when so many came in some seconds, if they come independently (after Poisson).

    Parameters
    ----------
    n : int
    seconds : float
    level : float
        How often such an interval holds the true rate.

    Returns
    -------
    low, high : float

    References
    ----------
    Garwood, "Fiducial limits for the Poisson distribution", 1936.

    Taught in: notebooks/15_capstone.ipynb, "Does it keep up with the world?"
    """
    from scipy.stats import chi2

    ends = chi2.ppf([(1 - level) / 2, (1 + level) / 2], [max(2 * n, 1e-9), 2 * n + 2]) / 2
    return tuple(float(end) for end in ends * 3600 / seconds)


def account(found, sounded, seconds, lasts):
    """What alerts in a recording are worth, in words, each share and rate with its interval.

    Parameters
    ----------
    found : array_like, shape [alerts, 2]
        From `alerts`.
    sounded : np.ndarray, shape [events, 2]
        From `events`.
    seconds, lasts : float
        Of a window, and of the recording.

    Returns
    -------
    str

    Taught in: notebooks/15_capstone.ipynb, "Your turn"
    """
    hits, false, _ = counted(found, sounded, seconds)
    low, high = hourly(int(false.sum()), lasts)
    told = [f"{hits.sum()} of {len(hits)} events found",
            f"{false.sum()} false alerts in {lasts / 60:.1f} minutes, in an hour {low:.0f} to {high:.0f}",
            f"{false_seconds(found, sounded, seconds):g} s cried for nothing"]
    if len(hits):
        told[0] += ", a share of {:.2f} to {:.2f}".format(*metrics.wilson(int(hits.sum()), len(hits)))
    return "; ".join(told) + "."


def events(file):
    """When it really sounded, as somebody has noted it.

    Parameters
    ----------
    file : str or os.PathLike
        A table in CSV with columns ``onset`` and ``offset``, in seconds.

    Returns
    -------
    np.ndarray, shape [events, 2]

    Raises
    ------
    PlanError
        If it is not there, or no such table.

    Taught in: notebooks/15_capstone.ipynb, "Your turn"
    """
    try:
        table = pd.read_csv(file)[["onset", "offset"]].astype(float).to_numpy()
    except OSError as error:
        raise PlanError(f"{str(file)!r} cannot be read: {error.strerror}.") from None
    except (KeyError, ValueError):                              # of pandas: no table, no such columns, no numbers
        table = np.array([[np.nan, np.nan]])
    if not (table[:, 0] < table[:, 1]).all():
        raise PlanError(f"{str(file)!r} is no table of events: its first line is onset,offset, and each line below it "
                        "the seconds of one, such as 12.5,14.")
    return table


class Second:
    """One second of sound through a listener, block by block, again and again: what `edge.simulate` measures.

    Parameters
    ----------
    listener : Listener
    y : np.ndarray, shape [sr]
    block : int
        Samples.

    Taught in: notebooks/15_capstone.ipynb, "Will it fit elsewhere?"
    """

    def __init__(self, listener, y, block):
        self.listener, self.blocks = listener, np.split(y, range(block, len(y), block))
        for _ in range(int(np.ceil(listener.seconds)) + 1):     # until its window is full
            self()

    def __call__(self):
        for block in self.blocks:
            self.listener(block)
