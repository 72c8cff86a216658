"""Ten minutes of a live denoiser at real speed, and one stall: `python -m benchmarks.soak` writes REALTIME.md.

Nothing else should run beside it. A voice in noise comes as from a microphone, in blocks of 5 ms, and goes through
`stream.Denoiser` into a file. In the middle the consumer stands still for longer than the ring buffer holds.
"""

import os
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from audiolab import audio, models, stream
from audiolab.corpora import sample
from audiolab.paths import replacing
from audiolab.stream.ends import KEPT
from benchmarks.timing import table

SR, BLOCK = 16000, 80
SECONDS, STALL = 600.0, 12.0


class Stalled(stream.Chain):
    """A processor whose consumer stands still at one sample."""

    def __init__(self, processor, at, seconds):
        super().__init__(processor)
        self.at, self.seconds = at, seconds

    def reset(self):
        super().reset()
        self.left = self.at

    def process(self, x):
        if 0 < self.left <= len(x):
            time.sleep(self.seconds)
        self.left -= len(x)
        return super().process(x)


def sound(seconds):
    """A voice that says the same again and again, in noise: shape [n], float32."""
    voice, _ = audio.load(sample("spoken"), sr=SR, mono=True)
    y = np.resize(voice, round(seconds * SR))
    return (y + 0.03 * np.random.default_rng(0).standard_normal(len(y))).astype(np.float32)


def soak(processor, seconds=SECONDS, stall=STALL):
    """Run it.

    Parameters
    ----------
    processor : stream.Processor
    seconds : float
        Of sound, and of time.
    stall : float
        Seconds that the consumer stands still, half way.

    Returns
    -------
    dict
        `figures`: of `stream.Meter.summary`, without the stall and what waited behind it. `late_ms`: how long after it
        was due the source wrote each block, worst and 99th percentile. `written`, `dropped` and `kept`: samples, of the
        source, lost, and in the file. `recovery`: seconds after the stall until nothing waited.
    """
    y, meter = sound(seconds), stream.Meter(SR, BLOCK, processor.latency)
    with tempfile.TemporaryDirectory() as folder:
        path, source = Path(folder) / "soak.wav", stream.File(y, SR, BLOCK)
        with stream.Recording(path, SR) as sink, stream.Engine(
                source, Stalled(processor, len(y) // 2, stall), sink) as engine:
            engine.wait()
        kept = stream.File(path).y
    rows = engine.meter.table()
    stalled = rows.index[rows.done - rows.taken >= stall][0]
    over = rows.done[stalled]
    recovery = engine.meter.recovery(over)
    for row in rows[(rows.index < stalled) | (rows.taken > over + recovery)].itertuples():
        meter.record(row.first, row.complete, row.taken, row.done, row.waiting, row.shed, 0)
    late = 1e3 * (rows.complete - (rows["first"] + BLOCK) / SR)
    return {"figures": meter.summary(), "late_ms": (np.percentile(late, 99), late.max()), "written": len(y),
            "dropped": engine.meter.dropped, "kept": len(kept) - processor.delay, "recovery": recovery}


def report(result, seconds=SECONDS, stall=STALL):
    """The page."""
    s = result["figures"]
    rows = [[name, *(f"{s[f'{key}_{q}_ms']:.2f}" for q in ("p50", "p95", "p99", "worst"))] for name, key in (
        ("compute", "compute"), ("wait until it is taken", "wait"), ("complete until done", "total"))]
    lines = [
        "# Real time",
        f"Measured by `python -m benchmarks.soak` on {os.cpu_count()} cores of {platform.machine()}, "
        f"{platform.system()}, Python {platform.python_version()}, PyTorch on one thread: {seconds / 60:g} minutes of "
        f"a voice in noise at real speed, in blocks of {s['block_ms']:g} ms, through `stream.Denoiser` into a file. "
        f"Algorithmic latency {s['algorithmic_ms']:g} ms.",
        f"## {s['blocks']:,} blocks without a stall",
        table(["ms", "p50", "p95", "p99", "worst"], rows),
        f"Real-time factor {s['real_time_factor']:.3f}; {s['missed']} deadlines missed, {s['deepest']} blocks waiting "
        "at most.",
        f"## A stall of {stall:g} s",
        f"Half way the consumer stands still for {stall:g} s, and the ring buffer holds {KEPT:g} s. "
        f"{result['dropped']:,} of {result['written']:,} samples were dropped ({result['dropped'] / SR:.2f} s), and "
        f"{result['kept']:,} are in the file, each that was not. {result['recovery']:.2f} s after the stall nothing "
        "waited any more.",
        f"The source did not wait: the blocks that were kept, those of the stall among them, it wrote at most "
        f"{result['late_ms'][1]:.2f} ms after they were due (p99 {result['late_ms'][0]:.2f} ms).",
    ]
    return "\n\n".join(lines) + "\n"


def main():
    """Measure and write."""
    torch.set_num_threads(1)
    model, _ = models.load("voice-gru-scenes")
    result = soak(stream.Denoiser(model))
    with replacing(Path(__file__).parent / "REALTIME.md") as file:
        file.write_text(report(result), "utf-8")


if __name__ == "__main__":
    main()
