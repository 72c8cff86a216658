"""Mixtures whose parts are known: a voice in noise, two voices at once. What separation learns from and is judged by.

A clip has a channel for each part, at its level; the mixture is the sum of the channels, as in `music.stems`. So
training can mix the parts anew at every step, and a test can mix them at whatever level it asks about.
"""

import functools

import numpy as np
import pandas as pd

from .. import audio, augment, paths, preprocess
from ..corpus import Clip, deal, make
from . import events, physics, remote, speech, strings

SECONDS = 3.0
SNR = (-5.0, 15.0)              # dB, a voice against what disturbs it
RATIO = (0.0, 5.0)              # dB, the louder of two voices against the other
EVENT = (-5.0, 10.0)            # dB, an event against its background while it sounds
LEVEL = (-35.0, -20.0)          # dBFS, RMS of the mixture
ROOMS = 100                     # of each split
THROAT = (0.87, 1.15)           # a voice played so much faster has a shorter throat: all its resonances are higher
#: Kinds of noise that only half of the test clips have. Those that are trained on come in the other half.
NEW = ("stream", "bell", "engine", "typing")
PAIR_SR = 8000                  # Hz: two voices are told apart at the rate of WSJ0-2mix, a voice and noise at 16 kHz
LICENCE = "CC-BY-4.0"


# ---------------------------------------------------------------------------------------- corpora


def noisy_voices(n=2000, seed=0, n_jobs=1):
    """Corpus of a voice, half of them in a room, and of noise: clips of 3 s at 16 kHz, of two channels.

    The noise is a background and one event of `audiolab.corpora.scenes`. Voices, sentences, rooms, and all parameters
    of the noises are others in each split, and of the test clips every second has kinds of noise, those in `NEW`, that
    no other split has. The room belongs to the voice: what is to be found is the voice as it sounds there.

    Parameters
    ----------
    n : int
        Clips; a tenth of them validation, a tenth test.
    seed : int
    n_jobs : int
        Processes that render; -1 for one per core. The result is the same.

    Returns
    -------
    audiolab.corpus.Corpus
        Columns `text`, `group` (the voice), `split`, `snr` (dB), `background`, `event`, `new` (whether the kinds of
        noise are new), `room` (-1 for none), …

    Taught in: notebooks/08_separation.ipynb, "Can a network clean a voice?"
    """
    name = f"mixtures-noisy-voices-n{n}-s{seed}"
    return make(paths.data("raw", name), plan_noisy_voices(n, seed), render_noisy_voice, n_jobs=n_jobs, desc=name,
                licence=LICENCE)


def two_voices(n=2000, seed=0, n_jobs=1):
    """Corpus of two voices that speak at once, without a room: clips of 3 s at 8 kHz, of two channels.

    Voices and sentences are others in each split; the two of a clip never share a variant.

    Parameters
    ----------
    n : int
        Clips, some less where two voices of one variant had met; about a tenth validation, a tenth test.
    seed, n_jobs : int
        As `noisy_voices`.

    Returns
    -------
    audiolab.corpus.Corpus
        Columns `text`, `group` (the first voice), `other_group`, `split`, `ratio` (dB, first over second), …

    Taught in: notebooks/08_separation.ipynb, "Who is who?"
    """
    name = f"mixtures-two-voices-n{n}-s{seed}"
    return make(paths.data("raw", name), plan_two_voices(n, seed), render_two_voices, n_jobs=n_jobs, desc=name,
                licence=LICENCE)


def real_voices(n=60, seed=0, n_jobs=1):
    """Corpus of pairs of real voices saying digits at once: test recordings of FSDD, 8 kHz, two channels.

    Both speak as long as the clip lasts, 1.5 to 3 s. All clips are for the test.

    Parameters
    ----------
    n, seed, n_jobs : int

    Returns
    -------
    audiolab.corpus.Corpus

    Raises
    ------
    CorpusError
        If FSDD cannot be had.

    Taught in: notebooks/08_separation.ipynb, "Who is who?"
    """
    digits, long = _real_strings(n_jobs)
    rng, rows = np.random.default_rng([seed, 82]), []
    while len(rows) < n:
        one, other = long.iloc[rng.integers(len(long), size=2)].to_dict("records")
        if one["speaker"] != other["speaker"]:
            rows.append({"path": f"{len(rows):05d}.flac", "split": "test", "speaker": one["speaker"],
                         "other_speaker": other["speaker"], "ratio": rng.uniform(*RATIO), "level": rng.uniform(*LEVEL),
                         "_paths": [one["path"], other["path"]]})
    name = f"mixtures-real-voices-n{n}-s{seed}"
    return make(paths.data("raw", name), pd.DataFrame(rows), functools.partial(_render_real, digits.root),
                n_jobs=n_jobs, desc=name, licence=remote.DATASETS["fsdd"].licence)


def real_noisy_voices(n=60, seed=0, n_jobs=1):
    """Corpus of real voices saying digits in noise: as `noisy_voices`, with test strings of FSDD for the voices.

    FSDD ends at 4 kHz. So does the noise here: a network must not find the voice by where the noise alone is.

    Taught in: notebooks/08_separation.ipynb, "Can a network clean a voice?"
    """
    digits, long = _real_strings(n_jobs)
    noises = plan_noisy_voices(10 * n, seed)
    noises = noises[noises.split == "test"].drop(columns=["text", "group", "accent", "rate", "pitch", "throat", "room"])
    rng = np.random.default_rng([seed, 83])
    chosen = long.iloc[rng.integers(len(long), size=n)]
    plan = noises.assign(path=[f"{i:05d}.flac" for i in range(n)], speaker=chosen.speaker.to_numpy(),
                         _path=chosen.path.to_numpy())
    name = f"mixtures-real-noisy-voices-n{n}-s{seed}"
    return make(paths.data("raw", name), plan, functools.partial(_render_real_noisy, digits.root), n_jobs=n_jobs,
                desc=name, licence=remote.DATASETS["fsdd"].licence)


# ---------------------------------------------------------------------------------------- plans


def plan_noisy_voices(n=2000, seed=0):
    """Plan of `noisy_voices`, a row for each clip; see `audiolab.corpus.make`."""
    plan, rng = _speakers(n, seed, 80)
    new = np.arange(n) % 2 * (plan.split == "test").to_numpy()
    known = {kind: [one for one in kinds if one not in NEW]
             for kind, kinds in (("background", events.BACKGROUNDS), ("event", events.SOURCES))}
    return plan.assign(
        new=new, snr=rng.uniform(*SNR, n), level=rng.uniform(*LEVEL, n), event_snr=rng.uniform(*EVENT, n),
        background=np.where(new, NEW[0], deal(rng, known["background"], n)),
        event=np.where(new, deal(rng, NEW[1:], n), deal(rng, known["event"], n)),
        room=np.where(rng.uniform(size=n) < 0.5, rng.integers(ROOMS, size=n), -1), seed=rng.integers(2**53, size=n))


def plan_two_voices(n=2000, seed=0):
    """Plan of `two_voices`, a row for each clip; see `audiolab.corpus.make`."""
    (one, rng), (other, _) = _speakers(n, seed, 81), _speakers(n, seed, 82)
    other = other[["group", "text", "rate", "pitch", "throat"]].add_prefix("other_")
    plan = pd.concat([one, other], axis=1).assign(
        ratio=rng.uniform(*RATIO, n) * rng.choice([-1, 1], n), level=rng.uniform(*LEVEL, n))
    variant, other_variant = (plan[column].str.partition("+")[2] for column in ("group", "other_group"))
    return plan[variant != other_variant].reset_index(drop=True)


def _speakers(n, seed, task):
    """Who speaks, what, and how: two sentences each, so that 3 s are full; and the generator for what comes else."""
    rng = np.random.default_rng([seed, task])
    plan = speech.plan_sentences(n, int(rng.integers(2**31)))
    texts = speech.shared_prompts() | {"train": [*speech.texts_to_read(), *speech.shared_prompts()["train"]]}
    said = [f"{one} {other}" for split, part in plan.groupby("split", sort=False)
            for one, other in zip(*(deal(rng, texts[split], len(part)) for _ in range(2)), strict=True)]
    return plan.assign(path=[f"{i:05d}.flac" for i in range(n)], text=said, rate=rng.integers(120, 231, n),
                       pitch=rng.integers(20, 86, n), throat=rng.uniform(*THROAT, n)), rng


# ---------------------------------------------------------------------------------------- rendering


def render_noisy_voice(row):
    """One clip of `noisy_voices` from its row: a voice in its room, and noise at the row's SNR."""
    voice = _voice(row, physics.SR)
    if row["room"] >= 0:
        rooms = augment.rooms(ROOMS, physics.SR, ("train", "validation", "test").index(row["split"]))
        voice = augment.reverberate(voice, rooms[row["room"]].numpy())
    return Clip(_levelled(voice, _noise(row, len(voice)), row["snr"], row["level"]), physics.SR)


def render_two_voices(row):
    """One clip of `two_voices` from its row."""
    other = {key: row[f"other_{key}"] for key in ("group", "text", "rate", "pitch", "throat")}
    return Clip(_levelled(_voice(row, PAIR_SR), _voice(other, PAIR_SR), row["ratio"], row["level"]), PAIR_SR)


def _real_strings(n_jobs):
    """Strings of FSDD, and the rows of those for the test that last 1.5 s at least."""
    digits = strings.fsdd(3000, n_jobs=n_jobs)
    return digits, digits.table[(digits.table.split == "test") & (digits.table.duration >= 1.5)]


def _voice(row, sr):
    """A row's words in its voice, cut to `SECONDS`. Another throat is another rate of playing, at the same pace."""
    y, rate = speech.say(row["text"], row["group"], round(row["rate"] / row["throat"]), row["pitch"])
    y = preprocess.resample(y, round(rate * row["throat"]), sr)[: round(SECONDS * sr)]
    return np.pad(y, (0, round(SECONDS * sr) - len(y)))


def _noise(row, n):
    """`n` samples of a row's background, and somewhere in it its event."""
    rng = np.random.default_rng(row["seed"])
    kinds = (events.BACKGROUNDS[row["background"]], events.SOURCES[row["event"]])
    behind, what = (physics.draw(kind.ranges, row["split"], rng) for kind in kinds)
    y = events.background(row["background"], behind, n, rng)
    sound = events.event(row["event"], what, rng, longest=n / physics.SR)
    start = rng.integers(n - len(sound) + 1)
    y[start : start + len(sound)] += 10 ** (row["event_snr"] / 20) * sound      # both have power 1
    return y


def _levelled(first, second, ratio, level):
    """Two parts as two channels: one over the other by a ratio, their sum at a level, both in decibels."""
    second = augment.mix_at_snr(first, second, ratio) - first
    parts = np.stack([first, second])
    mix = parts.sum(axis=0)
    gain = 10 ** (level / 20) / np.sqrt(np.mean(mix**2))
    return (parts * min(gain, 0.99 / np.abs([mix, *parts]).max())).astype(np.float32)


def _render_real(root, row):
    parts = [audio.load(root / path)[0][: round(SECONDS * PAIR_SR)] for path in row["_paths"]]
    n = min(map(len, parts))
    return Clip(_levelled(*(part[:n] for part in parts), row["ratio"], row["level"]), PAIR_SR)


def _render_real_noisy(root, row):
    voice, sr = audio.load(root / row["_path"], sr=physics.SR)
    voice = voice[: round(SECONDS * sr)]
    noise = preprocess.filter_signal(_noise(row, len(voice)), preprocess.butterworth(8, 3800, sr))
    return Clip(_levelled(voice, noise, row["snr"], row["level"]), sr)
