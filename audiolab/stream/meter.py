"""What happened to each block of a stream: when it was complete, when it was taken, when it was done."""

import numpy as np

KEPT = 2**17                    # blocks that a meter remembers: eleven minutes of 5 ms


class Meter:
    """Telemetry of a stream, in arrays that are taken once; the oldest blocks make room, the counts go on.

    Parameters
    ----------
    sr : int
    block : int
        Samples.
    latency : int
        Of the processor, in samples.
    kept : int
        How many blocks are remembered.

    Attributes
    ----------
    blocks, shed, missed : int
        Blocks so far; those of them that went past the processor; those that missed their deadline: that were done
        only when the next one was already complete.
    dropped : int
        Samples that were overwritten before anybody took them.
    deepest : int
        Most blocks that waited.
    xruns : int
        How often the sound card lost sound, or had none to play.
    skipped : int
        Samples that the sink left out, because it would have been late with all that follows.
    worst : np.ndarray, shape [3]
        Seconds: the longest compute, wait and total so far. It forgets none.

    Taught in: notebooks/13_real_time.ipynb, "What if nobody takes the sound?"
    """

    def __init__(self, sr, block, latency=0, kept=KEPT):
        self.sr, self.block, self.latency = sr, block, latency
        self.blocks = self.shed = self.missed = self.dropped = self.deepest = self.xruns = self.skipped = 0
        self.worst = np.full(3, -np.inf)
        self._first, self._waiting = np.zeros(kept, np.int64), np.zeros(kept, np.int32)
        self._complete, self._taken, self._done = np.zeros((3, kept))
        self._shed = np.zeros(kept, bool)

    def record(self, first, complete, taken, done, waiting, shed, dropped):
        """Write down one block.

        Parameters
        ----------
        first : int
            Number of its first sample.
        complete, taken, done : float
            Seconds: when its last sample had come, when it was taken, when its answer was passed on.
        waiting : int
            Blocks that waited when it was taken, itself among them.
        shed : bool
            Whether it went past the processor.
        dropped : int
            Samples lost so far.
        """
        slot = self.blocks % len(self._first)
        self._first[slot], self._waiting[slot], self._shed[slot] = first, waiting, shed
        self._complete[slot], self._taken[slot], self._done[slot] = complete, taken, done
        self.missed += done > complete + self.block / self.sr + 1e-9         # floats: just in time is in time
        self.shed += shed
        self.dropped = dropped
        self.deepest = max(self.deepest, waiting)
        for i, seconds in enumerate((done - taken, taken - complete, done - complete)):
            self.worst[i] = max(self.worst[i], seconds)
        self.blocks += 1                                            # last: who reads meanwhile sees whole rows

    def table(self):
        """One row for each block that is remembered.

        Returns
        -------
        pd.DataFrame
            `first`, number of its first sample; `complete`, `taken`, `done`, in seconds; `waiting`, blocks; `shed`.

        Taught in: notebooks/13_real_time.ipynb, "What if nobody takes the sound?"
        """
        import pandas as pd

        blocks, kept = self.blocks, len(self._first)
        rows = np.arange(max(0, blocks - kept), blocks) % kept
        columns = {"first": self._first, "complete": self._complete, "taken": self._taken, "done": self._done,
                   "waiting": self._waiting, "shed": self._shed}
        return pd.DataFrame({name: column[rows] for name, column in columns.items()})

    def summary(self):
        """The figures of the run.

        Returns
        -------
        dict
            `block_ms` and `algorithmic_ms`: until a block is full, and what the processor waits for beyond it; no
            computer shortens them. Of `compute`, `wait` (complete until taken) and `total` (complete until done)
            ``_p50_ms``, ``_p95_ms`` and ``_p99_ms``: the shortest time in which so many of the blocks that are
            remembered were through; and ``_worst_ms`` of all blocks; NaN before the first. `real_time_factor`, seconds
            of work for a second of sound. The counts `blocks`, `missed`, `shed`, `deepest`, `dropped`, `skipped`,
            `xruns`.

        Taught in: notebooks/13_real_time.ipynb, "What if nobody takes the sound?"
        """
        rows = self.table()
        times = {"compute": rows.done - rows.taken, "wait": rows.taken - rows.complete,
                 "total": rows.done - rows.complete}
        out = {"block_ms": 1e3 * self.block / self.sr, "algorithmic_ms": 1e3 * self.latency / self.sr}
        for worst, (name, seconds) in zip(self.worst, times.items(), strict=True):
            for q in (50, 95, 99):
                out[f"{name}_p{q}_ms"] = 1e3 * _percentile(seconds.to_numpy(), q)
            out[f"{name}_worst_ms"] = 1e3 * float(worst) if self.blocks else np.nan
        work = times["compute"][~rows.shed].mean() if (~rows.shed).any() else np.nan
        return out | {"real_time_factor": float(work * self.sr / self.block), "blocks": self.blocks,
                      "missed": int(self.missed), "shed": int(self.shed), "deepest": self.deepest,
                      "dropped": self.dropped, "skipped": self.skipped, "xruns": self.xruns}

    def recovery(self, at):
        """How long after a moment the queue was empty again.

        Parameters
        ----------
        at : float
            Seconds: when a stall was over, say.

        Returns
        -------
        float
            Seconds until a block was taken behind which no other waited; infinite if none was.

        Taught in: notebooks/13_real_time.ipynb, "What if nobody takes the sound?"
        """
        rows = self.table()
        again = rows.taken[(rows.taken >= at) & (rows.waiting <= 1)]
        return float(again.iloc[0] - at) if len(again) else np.inf

    def _lines(self):
        s = self.summary()
        rows = [[name, *(f"{s[f'{name}_{q}_ms']:.2f}" for q in ("p50", "p95", "p99", "worst"))]
                for name in ("compute", "wait", "total")]
        says = (f"{s['blocks']} blocks of {s['block_ms']:g} ms, algorithmic latency {s['algorithmic_ms']:g} ms, "
                f"real-time factor {s['real_time_factor']:.3f}; {s['missed']} deadlines missed, {s['shed']} blocks "
                f"shed, {s['dropped']} samples dropped, {s['skipped']} left out by the sink, {s['xruns']} xruns, at "
                f"most {s['deepest']} blocks waiting")
        return ["ms", "p50", "p95", "p99", "worst"], rows, says

    def __repr__(self):
        titles, rows, says = self._lines()
        return "\n".join(["".join(f"{cell:>9}" for cell in row) for row in [titles, *rows]] + [says])

    def _repr_html_(self):
        titles, rows, says = self._lines()
        head = "".join(f"<th scope='col'>{title}</th>" for title in titles)
        body = "".join(f"<tr><th scope='row'>{name}</th>" + "".join(f"<td>{v}</td>" for v in values) + "</tr>"
                       for name, *values in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{says}.</p>"


def _percentile(seconds, q):
    """The shortest of the times in which q % of the blocks were through (nearest rank)."""
    return float(np.percentile(seconds, q, method="inverted_cdf")) if len(seconds) else np.nan
