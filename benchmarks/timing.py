"""How times and memory are taken, and how they are written down."""

import threading
import time
from contextlib import suppress

import psutil

EVERY = 0.02                                                    # seconds between two looks at the memory


def seconds(call):
    """Time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def best(calls, rounds=7):
    """The shortest time of each call, taken in turns, so that a busy moment of the machine meets all alike.

    Parameters
    ----------
    calls : dict of str to callable
    rounds : int

    Returns
    -------
    dict of str to float
        Seconds.
    """
    for call in calls.values():
        call()                                                  # compiles, fills caches
    times = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(seconds(call))
    return {name: min(taken) for name, taken in times.items()}


class PeakMemory:
    """The most memory that a process and its children hold, while the block runs.

    A thread looks at it all the time: what a notebook's cell takes and gives back before it ends counts too.

    Parameters
    ----------
    pid : int

    Attributes
    ----------
    peak : int
        Bytes resident, all processes together.
    """

    def __init__(self, pid):
        self.process, self.peak = psutil.Process(pid), 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _watch(self):
        while True:
            self.peak = max(self.peak, self.now())
            if self._over.wait(EVERY):
                return

    def now(self):
        """Bytes at this moment."""
        family, total = [self.process], 0
        with suppress(psutil.NoSuchProcess):
            family += self.process.children(recursive=True)
        for process in family:
            with suppress(psutil.NoSuchProcess):                # it has ended since it was listed
                total += process.memory_info().rss
        return total


def table(titles, rows):
    """A Markdown table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
