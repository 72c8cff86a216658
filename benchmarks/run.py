"""Measure this machine in one run and write benchmarks/RESULTS.md: `make bench`."""

import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import jupytext
import nbclient
import numpy as np
import psutil
from tqdm import tqdm

import audiolab as al
from audiolab.corpora import music, scenes, speech
from audiolab.paths import replacing

ROOT = Path(__file__).absolute().parents[1]


def seconds(call, repeats=5):
    """Median time of a call, after one that warms up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def import_times():
    """Seconds that a fresh process needs for nothing, for the package, and for its first sound and picture."""
    uses = {"nothing": "pass", "`import audiolab`": "import audiolab",
            "… and the first tone": "import audiolab as al; al.synth.tone(440, 1, 16000)",
            "… and a file read": f"import audiolab as al; al.load({str(al.sample('spoken'))!r})"}
    return {name: seconds(lambda code=code: subprocess.run([sys.executable, "-c", code], check=True))
            for name, code in uses.items()}


def speeds():
    """Seconds of sound made or read per second of work, one thread."""
    rng = np.random.default_rng(0)
    y, sr = speech.say("Every sound you hear is a list of numbers.")
    score = music.chorale("bwv269", measures=(0, 8))
    rendered, music_sr = music.render(score)
    pink = al.synth.noise("pink", 10, 48000, rng)
    return {
        "`speech.say`": len(y) / sr / seconds(lambda: speech.say("Every sound you hear is a list of numbers.")),
        "`music.render`, four voices": rendered.shape[1] / music_sr / seconds(lambda: music.render(score)),
        "`synth.pluck`": 1 / seconds(lambda: al.synth.pluck(220, 1.0, 22050, rng)),
        "`measure.lufs`, 48 kHz": 10 / seconds(lambda: al.measure.lufs(pink, 48000)),
        "`audio.load`, FLAC": al.info(al.sample("spoken")).duration / seconds(lambda: al.load(al.sample("spoken"))),
    }


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
    peak, start = 0, time.perf_counter()
    with client.setup_kernel():
        kernel = psutil.Process(client.km.provisioner.pid)
        for index, cell in enumerate(nb.cells):
            client.execute_cell(cell, index)
            family = [kernel, *kernel.children(recursive=True)]
            peak = max(peak, sum(p.memory_info().rss for p in family if p.is_running()))
    return time.perf_counter() - start, peak / 1e6


def table(titles, rows):
    """A Markdown table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def main():
    """Measure all and write the table."""
    os.environ["AUDIOLAB_WORK"] = str(ROOT / "data" / "runs" / "bench-work")
    imports = import_times()
    made, rendered = speeds(), corpora()
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
        "## Notebooks",
        table(["", "seconds", "peak memory, MB"], [(f"`{name}`", f"{t:.0f}", f"{m:.0f}") for name, t, m in runs]),
    ]
    with replacing(ROOT / "benchmarks" / "RESULTS.md") as tmp:
        tmp.write_text("\n\n".join(sections) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
