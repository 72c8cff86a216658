"""Measure this machine in one run and write benchmarks/RESULTS.md: `make bench`."""

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import jupytext
import nbclient
import numpy as np
from tqdm import tqdm

import audiolab as al
from audiolab.corpora import music, scenes, speech
from audiolab.paths import replacing
from benchmarks import features, pipelines
from benchmarks.timing import PeakMemory, best, table

ROOT = Path(__file__).absolute().parents[1]


def import_times():
    """Seconds that a fresh process needs for nothing, for the package, and for its first sound and picture."""
    spoken = str(al.sample("spoken"))
    uses = {"nothing": "pass", "`import audiolab`": "import audiolab",
            "… and the first tone": "import audiolab as al; al.synth.tone(440, 1, 16000)",
            "… and a file read": f"import audiolab as al; al.load({spoken!r})",
            "… and its log-mel": f"import audiolab as al; al.features.log_mel(*al.load({spoken!r}))",
            "… and that of a batch, with torch": "import audiolab as al; al.features.LogMel(16000)"}
    return best({name: lambda code=code: subprocess.run([sys.executable, "-c", code], check=True)
                 for name, code in uses.items()})


def speeds():
    """Seconds of sound made or read per second of work, one thread."""
    rng = np.random.default_rng(0)
    y, sr = speech.say("Every sound you hear is a list of numbers.")
    score = music.chorale("bwv269", measures=(0, 8))
    rendered, music_sr = music.render(score)
    pink = al.synth.noise("pink", 10, 48000, rng)
    spoken = al.sample("spoken")
    work = {
        "`speech.say`": (len(y) / sr, lambda: speech.say("Every sound you hear is a list of numbers.")),
        "`music.render`, four voices": (rendered.shape[1] / music_sr, lambda: music.render(score)),
        "`synth.pluck`": (1.0, lambda: al.synth.pluck(220, 1.0, 22050, rng)),
        "`measure.lufs`, 48 kHz": (10.0, lambda: al.measure.lufs(pink, 48000)),
        "`audio.load`, FLAC": (al.info(spoken).duration, lambda: al.load(spoken)),
    }
    times = best({name: call for name, (_, call) in work.items()})
    return {name: duration / times[name] for name, (duration, _) in work.items()}


def corpora(clips=60):
    """Seconds of sound per second of work for the first clips of each corpus, one thread, rendering alone."""
    plans = {"speech-digits": (speech.plan_digits, speech.render), "speech-words": (speech.plan_words, speech.render),
             "speech-sentences": (speech.plan_sentences, speech.render),
             "scenes-events": (scenes.plan_events, scenes.render_event),
             "scenes-soundscapes": (scenes.plan_soundscapes, scenes.render_soundscape),
             "music-chorales": (music.plan_chorales, music.render_row)}
    speed = {}
    for name, (plan, render) in plans.items():
        rows = plan(clips).to_dict("records")
        render(rows[0])
        start = time.perf_counter()
        sound = sum(clip.y.shape[-1] / clip.sr for clip in map(render, rows))
        speed[name] = sound / (time.perf_counter() - start)
    return speed


def notebook(path):
    """Run time in seconds and peak memory in MB of one notebook's kernel."""
    nb = jupytext.read(path)
    client = nbclient.NotebookClient(nb, timeout=300, kernel_name="audiolab",
                                     resources={"metadata": {"path": str(path.parent)}})
    start = time.perf_counter()
    with client.setup_kernel(), PeakMemory(client.km.provisioner.pid) as memory:
        for index, cell in enumerate(nb.cells):
            client.execute_cell(cell, index)
    return time.perf_counter() - start, memory.peak / 1e6


def main():
    """Measure all and write the table."""
    os.environ["AUDIOLAB_WORK"] = str(ROOT / "data" / "runs" / "bench-work")
    imports = import_times()
    made, rendered = speeds(), corpora()
    pipelines.one_thread()
    beside, rates = features.tables(), pipelines.resamplers()
    trained, passed = pipelines.augmentations(), pipelines.throughput()
    paths = [*sorted((ROOT / "notebooks").glob("*.ipynb")), *sorted((ROOT / "solutions").glob("*.ipynb"))]
    runs = [(p.relative_to(ROOT), *notebook(p)) for p in tqdm(paths, desc="notebooks")]
    empty = imports["nothing"]
    sections = [
        "# Results",
        f"Measured by `make bench` on {os.cpu_count()} cores of {platform.machine()}, {platform.system()}, "
        f"Python {platform.python_version()}, one thread per process. Times vary between machines, "
        "and by a factor of two between runs on a busy one; ratios are what to look at.",
        "## Import time",
        table(["a fresh process that does", "seconds", "over an empty one"],
              [(name, f"{t:.2f}", f"{t - empty:.2f}") for name, t in imports.items()]),
        "## Speed of the generators",
        table(["", "times real time"], [(name, f"{x:,.0f}") for name, x in made.items()]),
        "## Corpora",
        table(["rendered, not yet written", "times real time"], [(name, f"{x:,.0f}") for name, x in rendered.items()]),
        "## Features beside their peers",
        "Equal parameters and threads, in processes of their own; agreement is checked before anything is timed, and "
        "the shortest of seven rounds counts, in which all take turns.",
        *beside,
        "## Resamplers",
        "Rejection is that of the loudest of 40 tones which the lower rate cannot hold, from 1.1 times its half on.",
        rates,
        "## Batches for training",
        "64 clips of a second at 16 kHz, on one thread.",
        trained,
        "## Whole corpora",
        "Files read from and written to the disk.",
        passed,
        "## Notebooks",
        table(["", "seconds", "peak memory, MB"], [(f"`{name}`", f"{t:.0f}", f"{m:.0f}") for name, t, m in runs]),
    ]
    with replacing(ROOT / "benchmarks" / "RESULTS.md") as tmp:
        tmp.write_text("\n\n".join(sections) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
