"""Streams: a voice that goes on, digits among other words, and noise. What a spotter of words learns from.

A clip has two channels, as in `mixtures`: the voice, and the noise, both equally strong. Whoever listens mixes them at
the SNR that is asked about.
"""

import functools
import re

import numpy as np
import pandas as pd

from .. import augment, paths, preprocess
from ..corpus import Clip, deal, make
from . import events, mixtures, physics, speech

SECONDS = 20.0
RMS = -26.0                     # dBFS: of the voice while it speaks, and of the noise
PAUSE = (0.25, 1.2)             # s, between two utterances
EVERY = 4.0                     # s, from one event of the noise to the next, on average
SHARES = {"train": 0.55, "validation": 0.15, "test": 0.3}                       # of the clips
ALIKE = ("to", "too", "for", "ate", "won")                                      # nobody can tell these from digits


def spoken(n=600, seed=0, n_jobs=1):
    """Corpus of voices that say digits and other words, and of noise: clips of 20 s at 16 kHz, of two channels.

    Of the training clips two of three hold digits, among other words and sentences; of the others one of three: false
    alarms are counted where nobody says a digit. Digits and other words are said one at a time, with pauses, as one
    speaks to a machine. Half of the voices stand in a room. The
    noise is a background and events of `audiolab.corpora.scenes`. Voices, rooms and all parameters of the noises are
    others in each split, and of the test clips every second has kinds of noise that no other split has
    (`mixtures.NEW`).

    Parameters
    ----------
    n : int
        Clips.
    seed : int
    n_jobs : int
        Processes that render; -1 for one per core. The result is the same.

    Returns
    -------
    audiolab.corpus.Corpus
        Columns `group` (the voice), `split`, `digits` (whether it holds any), `background`, `new`, `room` (-1 for
        none), …; a table ``words`` with the times of all words.

    Taught in: notebooks/13_real_time.ipynb, "Which word was that?"
    """
    name = f"streams-spoken-n{n}-s{seed}"
    return make(paths.data("raw", name), plan_spoken(n, seed), render_spoken, n_jobs=n_jobs, desc=name,
                licence=mixtures.LICENCE)


def plan_spoken(n=600, seed=0):
    """Plan of `spoken`, a row for each clip; see `audiolab.corpus.make`."""
    rng, plans = np.random.default_rng([seed, 131]), []
    voices = speech.voices()
    known = [kind for kind in events.BACKGROUNDS if kind not in mixtures.NEW]
    for split, share in SHARES.items():
        m = round(share * n)
        new = np.arange(m) % 2 * (split == "test")
        plans.append(pd.DataFrame({
            "group": deal(rng, list(voices.voice[voices.split == split]), m), "split": split,
            "digits": np.arange(m) // 2 % 3 < (2 if split == "train" else 1), "new": new,
            "background": np.where(new, mixtures.NEW[0], deal(rng, known, m)),
            "rate": rng.integers(130, 221, m), "pitch": rng.integers(25, 76, m),
            "throat": rng.uniform(*mixtures.THROAT, m),
            "room": np.where(rng.uniform(size=m) < 0.5, rng.integers(mixtures.ROOMS, size=m), -1),
            "seed": rng.integers(2**53, size=m)}))
    plan = pd.concat(plans, ignore_index=True).astype({"digits": int})
    return plan.assign(path=[f"{i:05d}.flac" for i in range(len(plan))])


def render_spoken(row):
    """One clip of `spoken` from its row, with its table ``words``."""
    rng, sr = np.random.default_rng(row["seed"]), physics.SR
    voice, words = _speech(row, rng)
    level = np.sqrt(np.mean(np.concatenate(
        [voice[round(word["onset"] * sr) : round(word["offset"] * sr)] for word in words]) ** 2))
    if row["room"] >= 0:
        rooms = augment.rooms(mixtures.ROOMS, sr, list(SHARES).index(row["split"]))
        voice = augment.reverberate(voice, rooms[row["room"]].numpy())
    parts = 10 ** (RMS / 20) * np.stack([voice / level, _noise(row, len(voice), rng)])
    return Clip(parts.clip(-0.99, 0.99).astype(np.float32), sr, {"words": words})


def _speech(row, rng):
    """What a row's voice says in `SECONDS`, pauses between; and its words."""
    sr, n = physics.SR, round(SECONDS * physics.SR)
    y, words, at = np.zeros(n, np.float32), [], round(rng.uniform(*PAUSE) * sr)
    while True:
        said, rate, found, _ = speech.say_with_times(_text(row, rng), row["group"], round(row["rate"] / row["throat"]),
                                                     row["pitch"])
        said = preprocess.resample(said, round(rate * row["throat"]), sr)       # another throat at the same pace
        said = said[: round(found[-1]["offset"] / row["throat"] * sr) + sr // 50]
        if at + len(said) > n:                                  # what does not fit whole is left out
            return y, words
        y[at : at + len(said)] += said
        words += [{"word": word["word"], **{side: round(at / sr + word[side] / row["throat"], 6)
                                            for side in ("onset", "offset")}} for word in found]
        at += len(said) + round(rng.uniform(*PAUSE) * sr)


def _text(row, rng):
    """The next utterance: a digit, a word, or a sentence."""
    sentences, words = _texts(row["split"])
    kind = rng.choice(3, p=(0.7, 0.2, 0.1) if row["digits"] else (0.0, 0.5, 0.5))
    return str(rng.choice((speech.DIGITS, words, sentences)[kind]))


@functools.cache
def _texts(split):
    """Sentences of a split without digits, and words to be said singly; for training more of both."""
    more = speech.texts_to_read() if split == "train" else ()
    sentences = [text for text in (*speech.shared_prompts()[split], *more) if not {*speech.DIGITS} & {*_words(text)}]
    words = {word for text in (*speech.prompts(), *more) for word in _words(text)}
    return sentences, sorted({*words, *speech.COMMANDS} - {*speech.DIGITS, *ALIKE})


def _words(text):
    return re.findall(r"[a-z]{2,}", text.lower().replace("'s", ""))


def _noise(row, n, rng):
    """A row's background and, now and then, an event: RMS 1."""
    def drawn(kind):
        return physics.draw(kind.ranges, row["split"], rng)

    y = events.background(row["background"], drawn(events.BACKGROUNDS[row["background"]]), n, rng)
    kinds = mixtures.NEW[1:] if row["new"] else [kind for kind in events.SOURCES if kind not in mixtures.NEW]
    for start in np.flatnonzero(rng.uniform(size=round(SECONDS)) < 1 / EVERY) * physics.SR:
        kind = str(rng.choice(kinds))
        sound = events.event(kind, drawn(events.SOURCES[kind]), rng, longest=(n - start) / physics.SR)
        y[start : start + len(sound)] += 10 ** (rng.uniform(*mixtures.EVENT) / 20) * sound
    return y / np.sqrt(np.mean(y**2))
