"""Strings of words out of recordings of single ones: "four zero seven" by a person who said each alone."""

import functools

import numpy as np
import pandas as pd

from .. import audio, corpus, paths
from . import remote

HELD_BACK = range(5, 10)        # takes of FSDD that are for validation; 0 to 4 are its test


def fsdd(n=3000, length=(1, 7), seed=0, n_jobs=1):
    """Corpus of digit strings from the recordings of FSDD: test strings from test recordings, and so on.

    A string is of one speaker, with pauses of 0 to 0.2 s. The official test recordings (takes 0 to 4) make the test
    strings, takes 5 to 9 the validation strings, the others those for training. All six speakers are in all splits.

    Parameters
    ----------
    n : int
        Clips; a tenth of them validation, a tenth test.
    length : tuple of int
        Fewest and most digits.
    seed, n_jobs : int
        As `audiolab.corpora.speech.digits`.

    Returns
    -------
    audiolab.corpus.Corpus
        Columns `text`, `speaker`, `split`; a table ``words`` with times.

    Raises
    ------
    CorpusError
        If FSDD cannot be had.

    Taught in: notebooks/04_speech_recognition.ipynb, "Does it understand real people?"
    """
    single = remote.load("fsdd")
    table, rng = single.table, np.random.default_rng([seed, 4])
    take = table["take"].to_numpy()          # DataFrame.take is a method
    of_split = {"train": ~(take < 10), "validation": np.isin(take, HELD_BACK), "test": table.split == "test"}
    rows = []
    for split, size in {"train": n - 2 * (n // 10), "validation": n // 10, "test": n // 10}.items():
        for speaker in corpus.deal(rng, sorted(set(table.speaker)), size):
            choice = table[of_split[split] & (table.speaker == speaker)]
            chosen = choice.iloc[rng.integers(len(choice), size=rng.integers(length[0], length[1] + 1))]
            rows.append({"path": f"{split}/{len(rows):05d}-{speaker}.flac", "text": " ".join(chosen.text),
                         "speaker": speaker, "split": split, "_parts": list(chosen.path),
                         "_pauses": rng.uniform(0, 0.2, len(chosen)).round(3).tolist(), "_words": list(chosen.text)})
    name = f"fsdd-strings-{length[0]}to{length[1]}-n{n}-s{seed}"
    return corpus.make(paths.data("raw", name), pd.DataFrame(rows), functools.partial(_joined, single.root),
                       n_jobs=n_jobs, desc=name, licence=remote.DATASETS["fsdd"].licence)


def _joined(root, row):
    """The recordings of a row one after the other, a pause before each."""
    pieces, words, at = [], [], 0
    for part, pause, word in zip(row["_parts"], row["_pauses"], row["_words"], strict=True):
        y, sr = audio.load(root / part)
        gap = np.zeros(round(pause * sr), np.float32)
        pieces += [gap, y]
        words.append({"onset": (at + len(gap)) / sr, "offset": (at + len(gap) + len(y)) / sr, "word": word})
        at += len(gap) + len(y)
    return corpus.Clip(np.concatenate(pieces), sr, {"words": words})
