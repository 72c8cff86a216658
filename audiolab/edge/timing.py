"""Times that can be trusted: the first call apart, many others, percentiles instead of a mean, threads stated."""

import time
from dataclasses import dataclass

import numpy as np

from .. import models


@dataclass(frozen=True)
class Timing:
    """How long a call took, again and again.

    Attributes
    ----------
    first : float
        Seconds of the very first call, by the clock on the wall: it loads libraries, chooses algorithms and fills
        caches.
    seconds : np.ndarray, shape [repeats]
        Of each call after the warm-up, by the clock on the wall.
    cpu : np.ndarray, shape [repeats]
        … that a processor worked for it, all threads together. Where it is shorter, the call waited, for a disk or for
        other processes; where it is longer, several threads worked.
    threads : int
        That PyTorch was allowed.
    first_cpu : float
        Seconds that a processor worked for the first call. NaN where that was not measured.

    Taught in: notebooks/10_edge_profiling.ipynb, "How long does it take?"
    """

    first: float
    seconds: np.ndarray
    cpu: np.ndarray
    threads: int
    first_cpu: float = np.nan

    def percentile(self, q):
        """The time in which q % of the calls were done: the shortest of those measured (nearest rank).

        Parameters
        ----------
        q : float
            0 to 100.

        Returns
        -------
        float
            Seconds.

        Raises
        ------
        ValueError
            If `q` is none, or there were too few calls for one to be slower: a 99th percentile takes at least 100.

        Taught in: notebooks/10_edge_profiling.ipynb, "How long does it take?"
        """
        if not 0 <= q <= 100:
            raise ValueError(f"Percentiles are 0 to 100, as 99 for what 99 % of the calls took at most, not {q:g}.")
        if q < 100 and len(self.seconds) * (100 - q) < 100 - 1e-9:
            raise ValueError(f"{len(self.seconds)} calls have no percentile {q:g}: it would be their slowest, whatever "
                             f"comes. Measure at least {np.ceil(100 / (100 - q)):.0f}.")
        rank = np.ceil(len(self.seconds) * q / 100 - 1e-9)      # in floats 250 · 64.4 / 100 is a little above 161
        return float(np.sort(self.seconds)[max(int(rank), 1) - 1])

    @property
    def p50(self):
        """Half of the calls took no longer: seconds."""
        return self.percentile(50)

    @property
    def p90(self):
        """Nine of ten took no longer: seconds."""
        return self.percentile(90)

    @property
    def p99(self):
        """99 of 100 took no longer: seconds."""
        return self.percentile(99)

    def real_time_factor(self, duration, q=99):
        """Seconds of work for each second of sound: below 1 it keeps up.

        Parameters
        ----------
        duration : float
            Seconds of sound that one call takes in.
        q : float
            Percentile of the time. The mean is what others quote; a live sound waits for the slowest.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If there is no sound, or as `percentile`.

        Taught in: notebooks/10_edge_profiling.ipynb, "How long does it take?"
        """
        if not duration > 0:
            raise ValueError(f"The time of a call is divided by the seconds of sound that it takes in: more than 0, "
                             f"not {duration:g}.")
        return self.percentile(q) / duration


def timed(call, repeats=200, warm_up=10, threads=1):
    """Measure how long a call takes.

    Parameters
    ----------
    call : callable
        Without arguments.
    repeats : int
        Calls that count. The 99th percentile needs 100.
    warm_up : int
        Calls before them that do not, the first among them.
    threads : int
        That PyTorch may use. NumPy's libraries read ``OMP_NUM_THREADS`` when they are loaded; `simulate` sets both.

    Returns
    -------
    Timing

    Raises
    ------
    ValueError
        If `repeats`, `warm_up` or `threads` is below 1.

    Notes
    -----
    The first call is cold only where nothing like it ran in this process before. `simulate` starts a new one.

    Examples
    --------
    >>> timed(lambda: sum(range(1000))).p99 < 1
    True

    Taught in: notebooks/10_edge_profiling.ipynb, "How long does it take?"
    """
    if min(repeats, warm_up, threads) < 1:
        raise ValueError(f"repeats, warm_up and threads are at least 1, not {repeats}, {warm_up} and {threads}.")
    with models.threads(threads):
        first, first_cpu = _once(call)
        for _ in range(warm_up - 1):
            call()
        seconds, cpu = np.transpose([_once(call) for _ in range(repeats)])
    return Timing(first, seconds, cpu, threads, first_cpu)


def _once(call):
    """Seconds on the wall and of processor time, whose clock takes longer to read and is read first and last."""
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    wall = time.perf_counter() - wall
    return wall, time.process_time() - cpu
