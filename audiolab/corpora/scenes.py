"""Sound events and soundscapes, made from the sources of `events`: as many as wanted, no two alike, all labelled.

Each event stands in a room at a distance, before a background, and is recorded by a microphone with a
colour of its own. None of these says anything about the class. How hard that makes a corpus is stated
by the constants below. Training, validation and test draw sources, rooms, places and backgrounds from
parts of the ranges that have no value in common (`physics.BANDS`); the signal-to-noise ratio has one
range for all.
"""

import numpy as np
import pandas as pd

from .. import augment, paths
from ..corpus import Clip, make
from .events import BACKGROUNDS, SOURCES, background, event
from .physics import SR, Range, draw, log, white

CLASSES = tuple(SOURCES)
LONGEST = max(source.ranges["duration"].high for source in SOURCES.values())
SHARES = [{"v": "validation", "e": "test"}.get(c, "train") for c in "ttettvttet"]       # of every ten clips of a class
LICENCE = "CC0-1.0"

# What makes the corpora as hard as they are.
EVENT_SECONDS = 2.0
EVENT_SNR = (2.0, 20.0)        # dB, an event against the background while it sounds
SCENE_SECONDS = 10.0
SCENE_SNR = (0.0, 18.0)
PAUSE = 1.5                     # s, mean time between two events of one lane
COLOUR = 4.0                    # dB, standard deviation of a microphone's response from octave to octave
HISS = (-45.0, -20.0)           # dB, the microphone's own noise against the background
LEVEL = (-40.0, -20.0)          # dBFS, RMS of a clip
ROOM = {"length": log(3, 16), "width": Range(0.5, 0.95), "height": log(2.3, 5), "rt60": log(0.2, 0.9)}
PLACE = {"distance": log(0.12, 0.75)}                           # m per metre of the room's length


# ---------------------------------------------------------------------------------------- corpora


def events(n=1200, seed=0, snr=EVENT_SNR, n_jobs=1):
    """A corpus of single sound events: 2 s each, one event in a room and in noise.

    Parameters
    ----------
    n : int
        Clips. The classes take turns, and of ten clips of a class seven are for training, one for validation
        and two for the test. A longer corpus of the same seed begins with the shorter one.
    seed : int
    snr : tuple of two floats
        Least and largest signal-to-noise ratio in decibels, over the time in which the event sounds.
    n_jobs : int
        Processes to work in; -1 for one per core.

    Returns
    -------
    Corpus
        Columns of its table: path, label, group, split, duration, sr, licence, background, snr, rt60,
        distance (metres) and what else the clip was made from. ``sidecar("events")`` has onset and offset.
    """
    return make(paths.data("raw", f"scenes-events-{_name(n, seed, snr, EVENT_SNR)}"), plan_events(n, seed, snr),
                render_event, n_jobs=n_jobs, desc="Sound events", licence=LICENCE)


def soundscapes(n=120, seed=0, polyphony=2, snr=SCENE_SNR, n_jobs=1):
    """A corpus of soundscapes: 10 s each, events that come and go and overlap, with strong labels.

    Parameters
    ----------
    n : int
        Clips, seven of ten for training, one for validation and two for the test.
    seed : int
    polyphony : int
        How many events sound at once, at most, 1 to 6. Two of the same class never do.
    snr : tuple of two floats
        Least and largest signal-to-noise ratio of each event in decibels, over the time in which it sounds.
    n_jobs : int
        Processes to work in; -1 for one per core.

    Returns
    -------
    Corpus
        ``sidecar("events")`` has onset, offset, label, snr and distance of each event. The column `label` of the
        table holds the classes without times, in order and joined by semicolons: the weak label.
    """
    name = f"scenes-soundscapes-p{polyphony}-{_name(n, seed, snr, SCENE_SNR)}"
    return make(paths.data("raw", name), plan_soundscapes(n, seed, polyphony, snr),
                render_soundscape, n_jobs=n_jobs, desc="Soundscapes", licence=LICENCE)


def _name(n, seed, snr, usual):
    return f"n{n}-s{seed}" + ("" if tuple(snr) == usual else f"-snr{snr[0]:g}to{snr[1]:g}")


# ---------------------------------------------------------------------------------------- plans


def plan_events(n, seed=0, snr=EVENT_SNR):
    """The table of a corpus of single events, from which each clip can be rendered by itself.

    Parameters
    ----------
    n, seed, snr
        As for `events`.

    Returns
    -------
    pandas.DataFrame
        A row per clip.

    Raises
    ------
    ValueError
        If `n` is not positive or the range of `snr` is empty.
    """
    _check(n, snr)
    rows = []
    for i in range(n):
        label, split = CLASSES[i % len(CLASSES)], SHARES[i // len(CLASSES) % len(SHARES)]
        clip, rng = _clip_seed(seed, 0, i)
        name = f"{label}-{i:06d}"
        rows.append({"path": f"{label}/{name}.flac", "label": label, "group": name, "split": split,
                     "background": str(rng.choice(list(BACKGROUNDS))), "snr": rng.uniform(*snr),
                     **draw(ROOM, split, rng), **draw(PLACE, split, rng), "level": rng.uniform(*LEVEL), "seed": clip})
    table = pd.DataFrame(rows)
    return table.assign(distance=table.distance * table.length)


def plan_soundscapes(n, seed=0, polyphony=2, snr=SCENE_SNR):
    """The table of a corpus of soundscapes, from which each clip can be rendered by itself.

    Parameters
    ----------
    n, seed, polyphony, snr
        As for `soundscapes`.

    Returns
    -------
    pandas.DataFrame
        A row per clip.

    Raises
    ------
    ValueError
        If `n` is not positive, `polyphony` is not 1 to 6 or the range of `snr` is empty.
    """
    _check(n, snr)
    if polyphony not in range(1, 7):
        raise ValueError(f"polyphony must be 1 to 6, got {polyphony}.")
    rows = []
    for i in range(n):
        split = SHARES[i % len(SHARES)]
        clip, rng = _clip_seed(seed, 1, i)
        name = f"scene-{i:06d}"
        row = {"path": f"{name}.flac", "group": name, "split": split, "background": str(rng.choice(list(BACKGROUNDS))),
               "polyphony": polyphony, "snr_low": float(snr[0]), "snr_high": float(snr[1]), **draw(ROOM, split, rng),
               "level": rng.uniform(*LEVEL), "seed": clip}
        rows.append(row | {"label": ";".join(sorted({e["label"] for e in _programme(row)}))})
    return pd.DataFrame(rows)


def _check(n, snr):
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}.")
    if not snr[0] <= snr[1]:
        raise ValueError(f"snr must be a least and a largest value, got {snr}.")


def _clip_seed(seed, corpus, i):
    """A seed of 53 bits for a clip, which survives every table, and a generator for its plan."""
    planning, rendering = np.random.SeedSequence([seed, corpus, i]).spawn(2)
    return int(rendering.generate_state(1, np.uint64)[0] >> np.uint64(11)), np.random.default_rng(planning)


def _programme(row):
    """What sounds when in a soundscape, in order of onset.

    As many lanes as the polyphony; in each, pauses and events take turns, so that no more can sound at once.
    """
    rng = np.random.default_rng([row["seed"], 0])
    programme = []
    for _ in range(row["polyphony"]):
        onset = rng.exponential(PAUSE)
        while onset < SCENE_SECONDS - 0.5:
            sounding = {e["label"] for e in programme if e["onset"] < onset + LONGEST and onset < e["end"]}
            label = str(rng.choice([c for c in CLASSES if c not in sounding]))
            parameters = draw(SOURCES[label].ranges, row["split"], rng)
            end = onset + parameters["duration"]
            programme.append({"label": label, "onset": onset, "end": end, "parameters": parameters,
                              "distance": draw(PLACE, row["split"], rng)["distance"] * row["length"],
                              "snr": rng.uniform(row["snr_low"], row["snr_high"])})
            onset = end + rng.exponential(PAUSE)
    return sorted(programme, key=lambda e: e["onset"])


# ---------------------------------------------------------------------------------------- rendering


def render_event(row):
    """One clip of `events` from its row: the same row, the same samples.

    Parameters
    ----------
    row : dict
        As `plan_events` made it.

    Returns
    -------
    Clip
    """
    sound, world = np.random.default_rng([row["seed"], 0]), np.random.default_rng([row["seed"], 1])
    parameters = draw(SOURCES[row["label"]].ranges, row["split"], sound)
    y = event(row["label"], parameters, sound, longest=EVENT_SECONDS)
    n = round(EVENT_SECONDS * SR)
    start = int(world.integers(n - y.size + 1))
    return _record(row, [(start, y, row["label"], row["snr"], row["distance"])], n, world)


def render_soundscape(row):
    """One clip of `soundscapes` from its row: the same row, the same samples.

    Parameters
    ----------
    row : dict
        As `plan_soundscapes` made it.

    Returns
    -------
    Clip
    """
    sound, world = np.random.default_rng([row["seed"], 1]), np.random.default_rng([row["seed"], 2])
    n = round(SCENE_SECONDS * SR)
    placed = []
    for e in _programme(row):
        start = round(e["onset"] * SR)
        y = event(e["label"], e["parameters"], sound)[: n - start]
        placed.append((start, y, e["label"], e["snr"], e["distance"]))
    return _record(row, placed, n, world)


def _record(row, placed, n, rng):
    """Dry events into a room, a background around them, all through one microphone."""
    behind = background(row["background"], draw(BACKGROUNDS[row["background"]].ranges, row["split"], rng), n, rng)
    behind += 10 ** (rng.uniform(*HISS) / 20) * white(n, rng)
    mix, labels = behind.copy(), []
    for start, y, label, snr, distance in placed:
        wet = augment.reverberate(np.pad(y, (0, round(row["rt60"] * SR))), _response(row, distance, rng))
        here = slice(start, start + y.size)
        gain = np.sqrt(10 ** (snr / 10) * np.mean(behind[here] ** 2) / np.mean(wet[: y.size] ** 2))
        mix[start : start + wet.size] += gain * wet[: n - start]
        labels.append({"onset": start / SR, "offset": (start + y.size) / SR, "label": label,
                       "snr": snr, "distance": distance})
    mix = _microphone(mix, rng)
    gain = 10 ** (row["level"] / 20) / np.sqrt(np.mean(mix**2))
    return Clip((mix * min(gain, 0.99 / np.max(np.abs(mix)))).astype(np.float32), SR, {"events": labels})


def _response(row, distance, rng):
    """The impulse response of the row's room for a source at a distance along its length."""
    size = np.array([row["length"], row["length"] * row["width"], row["height"]])
    microphone = size * rng.uniform(0.3, 0.7, 3)
    microphone[0] = rng.uniform(0.1 * size[0], 0.9 * size[0] - distance)
    source = microphone + np.array([distance, 0, 0])
    return augment.shoebox(size, source, microphone, row["rt60"], SR, rng)


def _microphone(y, rng):
    """A response that wanders by `COLOUR` decibels from octave to octave."""
    from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

    octaves = np.log2(np.maximum(rfftfreq(next_fast_len(y.size, real=True), 1 / SR), 30) / 62.5)
    gain_db = np.interp(octaves, np.arange(8), COLOUR * rng.standard_normal(8))
    return irfft(rfft(y, 2 * (octaves.size - 1)) * (10 ** (gain_db / 20)).astype(np.float32))[: y.size]
