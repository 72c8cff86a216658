"""How often the drift detector cries wolf, and how late it comes: `python -m benchmarks.drift` writes DRIFT.md.

Ten minutes of work, for thirty hours of sound. What is not found within two minutes counts as never found.
"""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from audiolab.corpora.events import BACKGROUNDS
from audiolab.edge.drift import STATISTICS, Detector
from audiolab.edge.places import Place
from audiolab.paths import replacing
from benchmarks.timing import table

LEARN, UNCHANGED, CHANGED = 1200, 7200, 120                     # seconds
SEEDS = 3
CHANGES = (10.0, -10.0)                                         # dB


def one(place):
    """Of each statistic the false alarms in two hours, NaN if refused, and the seconds until each change is found."""
    usual, unchanged = place.features(LEARN), place.features(UNCHANGED, start=LEARN)
    changed = [place.features(CHANGED, start=LEARN + UNCHANGED, louder=by) for by in CHANGES]
    found = {}
    for statistic in STATISTICS:
        detector = Detector(statistic)
        try:
            detector.calibrate(usual)
        except ValueError:                                      # its threshold would be more than the statistic can be
            found[statistic] = np.nan, *[np.inf] * len(CHANGES)
            continue
        false = sum(detector.update(x) for x in unchanged)
        late = []
        for features in changed:
            detector.forget()                                   # the change before
            for x in unchanged[-detector.window :]:
                detector.update(x)
            late.append(next((i + 1 for i, x in enumerate(features) if detector.update(x)), np.inf))
        found[statistic] = false, *late
    return found


def report(results):
    """Tables of all places, and of each."""
    hours = len(results) * UNCHANGED / 3600
    lines = ["# Drift", "", f"{hours:.0f} hours of unchanged sound, two of each place, with an event every ten "
             f"seconds; {LEARN // 60} minutes to learn from, windows of {Detector().window} s, one false alarm an hour "
             "allowed. Then the background becomes 10 dB louder, or softer. Made by `python -m benchmarks.drift`.", ""]
    rows = []
    for statistic in STATISTICS:
        false, louder, softer = np.transpose([found[statistic] for _, found in results])
        watched = np.isfinite(false).sum() * UNCHANGED / 3600
        rows.append([statistic, f"{np.nansum(false) / watched:.2f}", f"{int(np.nanmax(false))}",
                     *(f"{np.median(late):.0f} s, {share(late)}" for late in (louder, softer))])
    titles = ["statistic", "false alarms an hour", "most in a place", "10 dB louder: median, within 30 s",
              "10 dB softer: median, within 30 s"]
    lines += [table(titles, rows), "", "By place: false alarms in two hours, and seconds until the louder and the "
              "softer background was found; a statistic that cannot reach its threshold is refused.", ""]
    each = [[name, *("refused" if np.isnan(found[statistic][0]) else ", ".join(
        "never" if np.isinf(v) else f"{v:.0f}" for v in found[statistic]) for statistic in STATISTICS)]
        for name, found in results]
    lines.append(table(["place", *STATISTICS], each))
    return "\n".join(lines) + "\n"


def share(late):
    """How many were in time."""
    return f"{int((late <= 30).sum())} of {len(late)}"


def main():
    """Measure and write."""
    places = [(kind, seed) for kind in BACKGROUNDS for seed in range(SEEDS)]
    results = [(f"{kind} {seed}", one(Place(kind, seed))) for kind, seed in tqdm(places)]
    with replacing(Path(__file__).parent / "DRIFT.md") as file:
        file.write_text(report(results), "utf-8")


if __name__ == "__main__":
    main()
