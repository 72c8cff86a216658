"""Which clips to learn from and which to be judged on, and whether the one side knows the other.

A clip in the test set that is also in the training set, in another file format, a little louder, or said by
the same voice, makes a model look better than it is. Groups keep what belongs together on one side;
`leaks` looks for what they missed.
"""

import functools

import numpy as np
import pandas as pd

from .. import audio, paths
from ..corpus import SPLITS, Corpus, CorpusError, group_problems, read_table, write_table

# ---------------------------------------------------------------------------------------- dealing


def assign(corpus, fractions=(0.8, 0.1, 0.1), seed=0):
    """Split a corpus into train, validation and test: labels in proportion, groups undivided.

    The clips of a group (column `group`; where it is empty, each clip is its own) stay together. Groups are
    dealt out one by one, large ones first, each to the part that lacks its labels most. While a part still
    lacks a label altogether, the last groups that have it are kept for that part.

    Parameters
    ----------
    corpus : Corpus
    fractions : sequence of 3 floats
        Of train, validation and test, 0 or more, with sum 1.
    seed : int
        Other seeds give other splits. The order of the table does not matter.

    Returns
    -------
    Corpus
        The same clips with a new column `split`; nothing is written (see `save`).

    Raises
    ------
    CorpusError
        If there are fewer groups than parts, or the fractions are none.

    Taught in: notebooks/02_preprocessing.ipynb, "Who may be in the test set?"
    """
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise CorpusError(f"Fractions are three numbers with sum 1, not {fractions!r}.")
    part = _deal(corpus, fractions, seed)
    return _with(corpus, split=np.array(SPLITS, dtype=object)[part])


def kfold(corpus, k=5, seed=0):
    """Deal a corpus out into `k` equal folds, as `assign` does, for cross-validation.

    Parameters
    ----------
    corpus : Corpus
    k : int
        At least 2.
    seed : int

    Returns
    -------
    np.ndarray of int, shape [len(corpus)]
        Number of each clip's fold, 0 to `k` - 1.

    Raises
    ------
    CorpusError
        If `k` is below 2 or there are fewer groups than folds.

    Examples
    --------
    >>> fold = kfold(corpus, k=5)                                        # doctest: +SKIP
    >>> train, test = corpus.select(fold != 0), corpus.select(fold == 0)     # doctest: +SKIP
    """
    if k < 2:
        raise CorpusError(f"Cross-validation takes 2 folds or more, not {k}.")
    return _deal(corpus, [1 / k] * k, seed)


def _deal(corpus, fractions, seed):
    """Number of the part that each clip goes to, shape [len(corpus)]."""
    table = corpus.table
    label = pd.factorize(table["label"] if "label" in table else np.zeros(len(table)), sort=True)[0]
    group, names = pd.factorize(_groups(table), sort=True)
    counts = np.zeros((len(names), label.max(initial=-1) + 2))                # [group, label]; last: of any label
    np.add.at(counts, (group, label), 1)
    counts[:, -1] = counts.sum(axis=1)
    fractions = np.asarray(fractions, dtype=float)
    used = np.flatnonzero(fractions)
    if len(names) < len(used):
        raise CorpusError(f"{corpus.root.name!r} has {len(names)} groups, too few for {len(used)} parts: a group "
                          "cannot be divided.")

    total = counts.sum(axis=0)
    target = np.outer(fractions, total)                                         # [part, label]
    have = np.zeros_like(target)
    waiting = np.count_nonzero(counts, axis=0)                                  # groups with this label, still to deal
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-counts[order, -1], kind="stable")]                # large first, else by chance
    part = np.empty(len(names), dtype=int)
    for g in order:
        mine = np.flatnonzero(counts[g])
        n = counts[g, mine]
        # Increase of the squared distance from the target, weighted so that rare labels count as much.
        cost = (n * (2 * (have[:, mine] - target[:, mine]) + n) / total[mine]).sum(axis=1)
        lacks = have[np.ix_(used, mine)] == 0                                   # [used part, label]
        urgent = lacks & (waiting[mine] <= lacks.sum(axis=0))
        empty = urgent[:, -1]                                                   # parts without any clip go first
        choice = used[empty] if empty.any() else used[urgent.any(axis=1)] if urgent.any() else used
        part[g] = choice[np.argmin(cost[choice])]
        have[part[g], mine] += n
        waiting[mine] -= 1
    return part[group]


def _groups(table):
    """The group of each clip; a clip without one is its own, by its path."""
    alone = "\0" + table.path                                                   # no group is called so
    return table.group.where(table.group != "", alone) if "group" in table else alone


def _with(corpus, **columns):
    return Corpus(corpus.root, corpus.table.assign(**columns), corpus.labels, corpus.aside)


# ---------------------------------------------------------------------------------------- keeping


def save(corpus):
    """Keep a corpus's split in ``data/splits/<corpus>.csv``.

    Parameters
    ----------
    corpus : Corpus
        With a column `split`.

    Returns
    -------
    pathlib.Path
    """
    file = paths.data("splits", f"{corpus.root.name}.csv")
    write_table(file, corpus.table[["path", "split"]])
    return file


def load(corpus):
    """Give a corpus the split that `save` kept.

    Parameters
    ----------
    corpus : Corpus

    Returns
    -------
    Corpus
        The same clips with the column `split` from the file.

    Raises
    ------
    CorpusError
        If there is no such file, or it is not about exactly these clips: all that differ are named.
    """
    kept = read_table(paths.data("splits", f"{corpus.root.name}.csv"))
    if missing := {"path", "split"} - set(kept):
        raise CorpusError(f"The split of {corpus.root.name!r} has no column {sorted(missing)[0]!r}.")
    have, want = set(kept.path), set(corpus.table.path)
    bad = [f"{path!r} is not in the split" for path in sorted(want - have)]
    bad += [f"{path!r} is not in the corpus" for path in sorted(have - want)]
    if bad:
        raise CorpusError(f"The split of {corpus.root.name!r} is about other clips:", bad)
    return _with(corpus, split=corpus.table.path.map(dict(zip(kept.path, kept.split, strict=True))))


# ---------------------------------------------------------------------------------------- leaking


def leaks(corpus, n_jobs=1):
    """What stands on two sides of a split: groups, and the same sound in two files.

    Parameters
    ----------
    corpus : Corpus
        With a column `split`.
    n_jobs : int
        Processes to work in.

    Returns
    -------
    list of str
        A line for each; empty when nothing leaks.

    Raises
    ------
    CorpusError
        If the corpus is not split.
    """
    if "split" not in corpus.table:
        raise CorpusError(f"{corpus.root.name!r} is not split yet: see splits.assign.")
    side = dict(zip(corpus.table.path, corpus.table.split, strict=True))
    pairs = near_duplicates(corpus, n_jobs=n_jobs)
    return group_problems(corpus.table) + [
        f"{a!r} in {side[a]} sounds like {b!r} in {side[b]} (correlation {r:.2f})"
        for a, b, r in pairs.itertuples(index=False) if side[a] and side[b] and side[a] != side[b]
    ]


SR, N_FFT, HOP = 8000, 1024, 64             # 128 ms windows every 8 ms: a start cut off anywhere changes little
BITS, BACK = 24, 8                          # bands between 200 and 3400 Hz; frames over which a band rises or falls
ALIKE = 0.93                                # correlation of two waveforms from which they count as one sound
VOTES = 2                                   # words that two clips share at one shift before they are compared
NEIGHBOURS = 64                             # clips that share a word and are paired with each other


def near_duplicates(corpus, n_jobs=1):
    """Pairs of clips that are the same sound: copied, coded as MP3, louder or quieter, cut at the ends.

    Two steps. Each clip is written as words of 24 bits, one in 8 ms: a bit says whether a band of the spectrum
    rises or falls against its neighbour (Haitsma and Kalker, "A highly robust audio fingerprinting system",
    2002), which neither gain nor coding changes often. Clips that share two words at the same shift
    in time are then compared as waveforms, at the shift where they fit best. One take coded as MP3 correlates
    with itself by 0.95 or more, while the most alike takes of one word among the 3000 of FSDD reach 0.915.

    Parameters
    ----------
    corpus : Corpus
    n_jobs : int
        Processes to work in.

    Returns
    -------
    pandas.DataFrame
        Columns `path`, `twin` and `correlation`, the most alike first. Not found are sounds played faster,
        transposed or under others, and one in nine of those that last half a second and were coded hard.
    """
    import joblib
    from tqdm.auto import tqdm

    files = [corpus.root / path for path in corpus.table.path]
    jobs = (joblib.delayed(_words)(file) for file in files)
    found = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(jobs)
    found = list(tqdm(found, "Fingerprints", total=len(files), unit="clip", delay=2))
    pairs = _candidates(found)
    listen = functools.lru_cache(maxsize=64)(_listen)
    alike = [(a, b, r) for a, b in tqdm(pairs, "Comparing", unit="pair", delay=2)
             if (r := correlation(listen(files[a]), listen(files[b]))) >= ALIKE]
    path = corpus.table.path.to_numpy()
    table = pd.DataFrame([(path[a], path[b], r) for a, b, r in alike], columns=["path", "twin", "correlation"])
    return table.sort_values(["correlation", "path"], ascending=[False, True], ignore_index=True)


def _listen(file):
    """A clip at 8 kHz in one channel, without the hum and rumble that unrelated clips may share."""
    from scipy.signal import butter, sosfilt

    y, _ = audio.load(file, sr=SR, mono=True)
    return sosfilt(butter(2, 100, "highpass", fs=SR, output="sos"), y).astype(np.float32)


def _words(file):
    """The fingerprint of a clip: its words and the frames at which they begin, two arrays of one length."""
    y = np.pad(_listen(file), N_FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(y, N_FFT)[::HOP]                          # [time, N_FFT]
    power = np.abs(np.fft.rfft(frames * np.hanning(N_FFT).astype(np.float32), axis=1)) ** 2 @ _bands()
    tilt = np.diff(power, axis=1)                                               # [time, BITS]: against the next band
    rises = tilt[BACK:] > tilt[:-BACK]
    words = rises @ (1 << np.arange(BITS))
    level = power.sum(axis=1)[BACK:]
    keep = level > 1e-4 * level.max(initial=0)                                  # what is 40 dB below is background
    keep[1:] &= words[1:] != words[:-1]                                         # a steady sound says a word once
    return words[keep], np.flatnonzero(keep)


@functools.cache
def _bands():
    """Matrix [N_FFT // 2 + 1, BITS + 1] that sums a power spectrum in bands of equal width in octaves."""
    edges = np.geomspace(200, 3400, BITS + 2)
    band = np.digitize(np.fft.rfftfreq(N_FFT, 1 / SR), edges) - 1
    return (band[:, None] == np.arange(BITS + 1)).astype(np.float32)


def _candidates(fingerprints):
    """Pairs of clips, by number, that share `VOTES` words at one shift in time."""
    word = np.concatenate([words for words, _ in fingerprints])
    frame = np.concatenate([frames for _, frames in fingerprints])
    clip = np.repeat(np.arange(len(fingerprints)), [len(words) for words, _ in fingerprints])
    order = np.argsort(word, kind="stable")
    word, frame, clip = word[order], frame[order], clip[order]
    votes = [np.empty((0, 3), dtype=np.int64)]
    for step in range(1, NEIGHBOURS):                                           # equal words are neighbours now
        k = np.flatnonzero((word[step:] == word[:-step]) & (clip[step:] != clip[:-step]))
        votes.append(np.stack([clip[k], clip[k + step], frame[k] - frame[k + step]], axis=1))
    pairs, count = np.unique(np.concatenate(votes), axis=0, return_counts=True)
    return [tuple(pair) for pair in np.unique(pairs[count >= VOTES, :2], axis=0)]


def correlation(a, b):
    """Largest correlation of two signals over all shifts between them, in steps of a quarter of a sample.

    At each shift the signals are compared where they overlap: ``|sum(a b)| / sqrt(sum(a²) sum(b²))``. Only
    overlaps count that hold at least half the energy of one of the two. (The same sound cut elsewhere and
    resampled lies between the samples: half a sample off, what is at 2 kHz would correlate by 0.7 only.)

    Parameters
    ----------
    a, b : np.ndarray, shape [n] and [m]

    Returns
    -------
    float
        0 to 1; 1 for signals that differ in gain, sign and what was cut off.
    """
    from scipy.fft import next_fast_len

    size = next_fast_len(len(a) + len(b) - 1, real=True)
    cross = np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size))                # in double precision
    product = np.abs(4 * np.fft.irfft(cross, 4 * size)).reshape(size, 4).max(axis=1)
    shift = np.arange(1 - len(b), len(a))                                       # a[n + shift] stands beside b[n]
    first, last = np.maximum(shift, 0), np.minimum(len(a), len(b) + shift)
    sum_a, sum_b = (np.concatenate([[0], np.cumsum(np.square(x, dtype=np.float64))]) for x in (a, b))
    energy_a, energy_b = sum_a[last] - sum_a[first], sum_b[last - shift] - sum_b[first - shift]
    enough = (energy_a >= 0.5 * sum_a[-1]) | (energy_b >= 0.5 * sum_b[-1])
    enough &= (energy_a > 1e-6 * sum_a[-1]) & (energy_b > 1e-6 * sum_b[-1])     # not a rounding error of the sums
    scale = np.sqrt(energy_a * energy_b)
    return float(min(1, np.max(product[shift[enough]] / scale[enough], initial=0)))
