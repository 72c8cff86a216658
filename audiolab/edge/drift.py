"""Drift: the sound that a model meets is no longer that which it was trained and tested with.

Two samples of features, one from when all was well and one from just now, are compared by a statistic that is small
while they come from one distribution. How small it stays by chance, in a sound that comes and goes and whose seconds
resemble their neighbours, no table tells: the `Detector` finds out by listening.
"""

from collections import deque

import numpy as np

# ---------------------------------------------------------------------------------------- statistics


def ks(x, y):
    """Kolmogorov-Smirnov statistic: the largest distance between two cumulative distributions, 0 to 1.

    ``D = max over v of |F(v) - G(v)|``, where F(v) and G(v) are the shares of the samples that are at most v.

    Parameters
    ----------
    x, y : np.ndarray, shape [n] and [m], or [n, d] and [m, d]
        Of several features the mean of their statistics.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a sample is empty, holds NaN, or the two have different features.

    References
    ----------
    Massey, "The Kolmogorov-Smirnov test for goodness of fit", 1951.

    Taught in: notebooks/10_edge_profiling.ipynb, "Does it still work out there?"
    """
    x, y = _samples(x, y)
    return _ks_from(x)(y)


def psi(x, y, bins=10):
    """Population stability index: how differently two samples spread over the bins of the first.

    ``PSI = Σ (q - p) ln(q / p)`` over bins that hold 1 / `bins` of `x` each, with the shares p of `x` and q of `y`. It
    is the sum of both Kullback-Leibler divergences. Half a count is added to each bin, since a share of 0 would make it
    infinite.

    Parameters
    ----------
    x, y : np.ndarray, shape [n] and [m], or [n, d] and [m, d]
        Of several features the mean of their indices.
    bins : int

    Returns
    -------
    float
        Not negative. The rule "above 0.25 something has changed" is for samples of thousands: of twenty values it is
        above that by chance.

    Raises
    ------
    ValueError
        As `ks`.

    References
    ----------
    Lewis, "An introduction to credit scoring", 1994.

    Taught in: notebooks/10_edge_profiling.ipynb, "Does it still work out there?"
    """
    x, y = _samples(x, y)
    return _psi_from(x, bins)(y)


def mmd(x, y, width=None):
    """Maximum mean discrepancy, squared: how far apart the means of two samples are once a kernel has spread them out.

    ``MMD² = mean k(x, x') + mean k(y, y') - 2 mean k(x, y)`` with ``k(a, b) = exp(-|a - b|² / 2 w²)``, over pairs of
    different members (unbiased: it may fall a little below 0). Unlike the others it looks at all features at once.

    Parameters
    ----------
    x, y : np.ndarray, shape [n] and [m], or [n, d] and [m, d]
        At least two of each.
    width : float, optional
        w; the median distance between members of `x`.

    Returns
    -------
    float
        At most 2.

    Raises
    ------
    ValueError
        As `ks`.

    References
    ----------
    Gretton et al., "A kernel two-sample test", 2012.

    Taught in: notebooks/10_edge_profiling.ipynb, "Does it still work out there?"
    """
    x, y = _samples(x, y)
    return _mmd_from(x, width)(y)


def _ks_from(x):
    """The statistic against `x`, which is sorted once."""
    x = np.sort(x, axis=0)

    def distance(column, y):                # the largest is at one of the y, or just before it
        y = np.sort(y)
        return max(np.max(np.abs(np.searchsorted(column, y, side) / len(column) - np.searchsorted(y, y, side) / len(y)))
                   for side in ("right", "left"))

    return lambda y: float(np.mean([distance(*columns) for columns in zip(x.T, y.T, strict=True)]))


def _psi_from(x, bins=10):
    edges = np.quantile(x, np.arange(1, bins) / bins, axis=0)                   # [bins - 1, d]

    def shares(values):                                                         # [n, d] to [bins, d]
        which = (values[:, None] > edges).sum(axis=1)
        counts = (which[:, None] == np.arange(bins)[:, None]).sum(axis=0)
        return (counts + 0.5) / (len(values) + 0.5 * bins)

    p = shares(x)
    return lambda y: float(np.mean(np.sum((shares(y) - p) * np.log(shares(y) / p), axis=0)))


def _mmd_from(x, width=None):
    apart = _squared(x, x)
    n = len(x)
    width = width or np.sqrt(np.median(apart[~np.eye(n, dtype=bool)])) or 1.0
    among = (np.exp(-apart / (2 * width**2)).sum() - n) / (n * (n - 1))

    def discrepancy(y):
        m = len(y)
        of_y = (np.exp(-_squared(y, y) / (2 * width**2)).sum() - m) / (m * (m - 1))
        return float(among + of_y - 2 * np.exp(-_squared(x, y) / (2 * width**2)).mean())

    return discrepancy


def _squared(x, y):
    """Squared distances: [n, d], [m, d] to [n, m]."""
    return np.maximum((x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * x @ y.T, 0)


def _samples(x, y):
    x, y = (np.asarray(s, dtype=np.float64) for s in (x, y))
    x, y = (s[:, None] if s.ndim == 1 else s for s in (x, y))
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or not (len(x) and len(y)):
        raise ValueError(f"Two samples of the same features are compared, [n, d] and [m, d], not {list(x.shape)} and "
                         f"{list(y.shape)}.")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("A sample holds NaN or infinity.")
    return x, y


REFERENCE = 1200        # usual seconds that a detector's MMD keeps: n² numbers, for it compares each of n with each


def _mmd_of_some(x):
    """Against at most `REFERENCE` rows of `x`, evenly spread."""
    return _mmd_from(x[np.linspace(0, len(x) - 1, min(len(x), REFERENCE)).astype(int)])


STATISTICS = {"ks": _ks_from, "psi": _psi_from, "mmd": _mmd_of_some}
LARGEST = {"ks": 1, "psi": np.inf, "mmd": 2}    # a PSI's end depends on the samples, and is far away


# ---------------------------------------------------------------------------------------- alarms

BLOCK = 60              # seconds of whose largest values the threshold is made
LEAST = 20              # minutes to learn from
WINDOWS = 6             # … and windows: of longer ones each half has too few minutes for a threshold
MARGIN = 100            # a threshold is extrapolated from these minutes: it aims at a hundredth of what is promised
SAME = 1e-12            # spread of the minutes' values that is rounding alone
RELEASE = 0.7           # share of the threshold below which an alarm may end: near it the value goes to and fro


class Detector:
    """Compares the last seconds of a stream with those when all was well, and raises an alarm.

    Parameters
    ----------
    statistic : {"mmd", "ks", "psi"}
        `ks` ends at 1, below the threshold of many a sound that comes and goes: `calibrate` refuses it there.
    window : int
        Seconds that are compared. The longer, the surer and the later.
    per_hour : float
        False alarms that are put up with.

    Attributes
    ----------
    least : int
        Seconds from which it learns what is usual: 1200, or six windows where that is more.
    value : float
        The statistic now; NaN until a window has come.
    threshold : float
        NaN before `calibrate`.
    minutes : np.ndarray or None
        Of each minute of the calibration the largest value, from which the threshold comes; None before it.
    alarm : bool
        True from when the value passes the threshold until it has been below 0.7 of it for a whole window.

    Raises
    ------
    ValueError
        If there is no such statistic, the window is below 2 s, or no false alarm is allowed, or too many.

    Taught in: notebooks/10_edge_profiling.ipynb, "Does it still work out there?"
    """

    def __init__(self, statistic="mmd", window=20, per_hour=1.0):
        if statistic not in STATISTICS:
            raise ValueError(f"No statistic is called {statistic!r}. There are: {', '.join(STATISTICS)}.")
        most = MARGIN * 3600 / BLOCK                            # one in every minute, with the margin
        if not (window >= 2 and 0 < per_hour < most):
            raise ValueError(f"A window has at least 2 s, and whoever wants alarms puts up with some false ones, but "
                             f"fewer than {most:g} an hour, not {window} s and {per_hour} an hour.")
        self.statistic, self.window, self.per_hour = statistic, window, per_hour
        self.least = max(LEAST * BLOCK, WINDOWS * window)
        self.threshold, self.minutes = float("nan"), None
        self.forget()

    def calibrate(self, features):
        """Learn what is usual, and how far from it the usual wanders.

        Each half is compared, window by window, with the other, and of every minute the largest value is kept. Largest
        values of many follow Gumbel's distribution, ``P(max ≤ v) = exp(-exp(-(v - μ) / β))``, with mean ``μ + 0.577 β``
        and standard deviation ``π β / √6``: from it comes the value that is exceeded in so few minutes as is asked for.

        Parameters
        ----------
        features : np.ndarray, shape [seconds, d]
            Of a sound that is as it should be, in order: twenty minutes or more, and six windows or more.

        Returns
        -------
        Detector
            This one.

        Raises
        ------
        ValueError
            If there are fewer, one is NaN or infinite, the sound never changes, or the threshold would be more than the
            statistic can become. Nothing is changed then.

        References
        ----------
        Gumbel, "Statistics of extremes", 1958.

        Taught in: notebooks/10_edge_profiling.ipynb, "Does it still work out there?"
        """
        features = np.asarray(features, dtype=np.float64)
        if features.ndim != 2 or len(features) < self.least:
            raise ValueError(f"To learn what is usual takes {self.least} seconds of features or more for windows of "
                             f"{self.window} s, [seconds, d], not {list(features.shape)}.")
        _samples(features, features)
        half = len(features) // 2
        one, other = features[:half], features[half:]
        minutes = np.concatenate([self._largest(one, other), self._largest(other, one)])
        beta = np.sqrt(6) / np.pi * np.std(minutes, ddof=1)
        mu = np.mean(minutes) - np.euler_gamma * beta
        rare = self.per_hour / MARGIN * BLOCK / 3600            # share of the minutes that may exceed it
        threshold = float(mu - beta * np.log(-np.log1p(-rare)))
        if threshold >= LARGEST[self.statistic]:
            others = " or ".join(name for name, largest in LARGEST.items() if largest > LARGEST[self.statistic])
            raise ValueError(f"This sound comes and goes so much that the threshold would be {threshold:.2f}, and "
                             f"{self.statistic} ends at {LARGEST[self.statistic]}: take {others}, or a longer window.")
        if beta < SAME or (features == features[0]).all():
            raise ValueError("The sound does not change at all: is the microphone connected?")
        self.threshold, self.minutes, self._compare = threshold, minutes, STATISTICS[self.statistic](features)
        self._d = features.shape[1]
        self.forget()
        return self

    def update(self, x):
        """Take in another second.

        Parameters
        ----------
        x : np.ndarray, shape [d]

        Returns
        -------
        bool
            True when an alarm begins: it lasts as long as `alarm` is True.

        Raises
        ------
        ValueError
            If it was not calibrated, or x has other features, NaN or infinity. Nothing is changed then.

        Taught in: notebooks/10_edge_profiling.ipynb, "Does it still work out there?"
        """
        self._recent.append(self._second(x))
        if len(self._recent) < self.window:
            return False
        self.value = self._compare(np.stack(self._recent))
        self._calm = self._calm + 1 if self.value < RELEASE * self.threshold else 0
        before = self.alarm
        self.alarm = self.value > self.threshold or (before and self._calm < self.window)
        return self.alarm and not before

    def forget(self):
        """Forget the last seconds, and an alarm with them; what is usual it still knows.

        Taught in: notebooks/10_edge_profiling.ipynb, "Does it still work out there?"
        """
        self._recent, self._calm = deque(maxlen=self.window), 0
        self.alarm, self.value = False, float("nan")

    def _second(self, x):
        """A second's features, which are as many as in the calibration, and numbers."""
        if np.isnan(self.threshold):
            raise ValueError("A detector that has not heard what is usual cannot tell what is not: calibrate it first.")
        x = np.asarray(x, dtype=np.float64)
        if x.shape != (self._d,):
            raise ValueError(f"A second has {self._d} features, as those that were usual, [{self._d}], not "
                             f"{list(x.shape)}.")
        if not np.isfinite(x).all():
            raise ValueError("A second holds NaN or infinity: is the microphone connected?")
        return x

    def _largest(self, usual, features):
        """The largest value in each minute of features compared with what is usual."""
        compare = STATISTICS[self.statistic](usual)
        values = np.array([compare(features[i : i + self.window]) for i in range(len(features) - self.window + 1)])
        return values[: len(values) // BLOCK * BLOCK].reshape(-1, BLOCK).max(axis=1)


def watch(stream, detector, relearn, collect=1200):
    """Follow a stream for ever: after an alarm gather the new sound, have the model trained with it, and watch on.

    Parameters
    ----------
    stream : iterable of np.ndarray, shape [d]
        A second each.
    detector : Detector
        Calibrated.
    relearn : callable
        ``relearn(second, features)`` when enough has been gathered, features of shape [collect, d]: where the model is
        trained anew, or somebody is told.
    collect : int
        Seconds to gather, by which the detector then calibrates itself: at least its `least`, which is mostly 1200.

    Returns
    -------
    iterator
        Of ``(second, value, state)``: an int; the detector's statistic, NaN while it cannot say; and "watching",
        "alarm", "gathering" or "relearnt".

    Raises
    ------
    ValueError
        If `collect` is too small, before anything of the stream is taken; of a second, as `Detector.update`; of
        what was gathered, after `relearn`, as `Detector.calibrate`.

    Taught in: notebooks/10_edge_profiling.ipynb, "Does it still work out there?"
    """
    if collect < detector.least:
        raise ValueError(f"After an alarm the detector learns anew from {detector.least} seconds or more: collect so "
                         f"many, not {collect}.")
    return _watched(stream, detector, relearn, collect)


def _watched(stream, detector, relearn, collect):
    detector.forget()
    gathered = None
    for second, x in enumerate(stream):
        if gathered is None:
            begins = detector.update(x)
            gathered = [] if begins else None
            yield second, detector.value, "alarm" if begins else "watching"
        elif len(gathered) + 1 < collect:
            gathered.append(detector._second(x))
            yield second, float("nan"), "gathering"
        else:
            features = np.stack([*gathered, detector._second(x)])
            relearn(second, features)
            detector.calibrate(features)
            gathered = None
            yield second, float("nan"), "relearnt"
