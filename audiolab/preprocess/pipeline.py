"""From raw to processed: a list of steps over a whole corpus."""

import functools
import json
from pathlib import Path

import numpy as np
import pandas as pd

from .. import audio, batch, paths
from ..corpus import Corpus, CorpusError, as_flac, digest, ordered, write_table, writing
from .filters import butterworth, filter_signal
from .level import normalize, remove_dc, to_mono
from .rate import resample
from .report import PROBLEMS, examine, expected
from .speech import trim_silence

VERSION = 1     # of the steps below and what they call: raise it when one gives other samples, so that all is done anew
NOT_READ = {"missing", "empty", "NaN", "unreadable"}            # faults of a file that gives no signal

# ---------------------------------------------------------------------------------------- steps


def resampled(y, sr, target):
    """Step: `resample` to `target` Hz."""
    return resample(y, sr, target), target


def mono(y, sr):
    """Step: `to_mono`."""
    return to_mono(y), sr


def centred(y, sr):
    """Step: `remove_dc`."""
    return remove_dc(y), sr


def filtered(y, sr, cutoff, kind="highpass", order=4):
    """Step: `filter_signal` with a `butterworth`, causal."""
    return filter_signal(y, butterworth(order, cutoff, sr, kind)), sr


def trimmed(y, sr, top_db=40.0, margin=0.05):
    """Step: `trim_silence`; tells how much went from the beginning, so that times in tables follow."""
    piece, (start, _) = trim_silence(y, sr, top_db, margin)
    return piece, sr, start / sr


def normalized(y, sr, to="rms", level=-23.0, ceiling=-1.0):
    """Step: `normalize`."""
    return normalize(y, sr, to, level, ceiling), sr


# ---------------------------------------------------------------------------------------- the pipeline


def run(source, steps, root=None, *, n_jobs=None, accept=()):
    """Send every clip of a corpus through a list of steps, into a corpus of processed clips.

    Each clip is read, looked at as by `inspect`, sent through the steps, and written as 16-bit FLAC. A clip that is
    broken, or on which a step raises a ``ValueError``, is set aside and named in ``report.csv``; the rest goes on. So
    is one named there that came out beyond full scale, and was turned down as a whole until it fits.

    A result is kept as long as neither the content of its file nor what the table says of it nor the steps change;
    the next call does only what is missing, also after a kill. One process, several, or a Dask cluster write the same
    bytes.

    Parameters
    ----------
    source : Corpus, str or os.PathLike
        A corpus, its folder, or a plain folder of recordings.
    steps : list of callable
        Functions ``f(y, sr, **parameters) -> (y, sr)`` or ``(y, sr, start)``, where `start` are seconds cut off at
        the beginning, by which the tables in time (events, words, …) are moved. Parameters are bound by
        ``functools.partial``. Here are: `resampled`, `mono`, `centred`, `filtered`, `trimmed`, `normalized`; your own
        stand beside them.
    root : str or os.PathLike, optional
        The new folder; ``data/processed/<name of the corpus>`` when not given.
    n_jobs : int, optional
        Processes; -1 for one per core. None: one, or what ``joblib.parallel_config`` says: ``with
        joblib.parallel_config("dask"): run(...)`` hands the clips to the Dask client of this session, whose workers
        must see the same folders.
    accept : sequence of str
        Faults, keys of `PROBLEMS`, with which a clip may pass: ``["clipped", "wrong rate"]``. Not those of a file that
        cannot be read at all.

    Returns
    -------
    Corpus
        With the columns of the old one, new `duration` and `sr`, and `done`. `aside` holds the clips set aside and why.

    Raises
    ------
    CorpusError
        If there is nothing to process, every clip is set aside, two clips would get one name, `root` holds something
        else, was made from another folder or lies within the source, or the disk cannot be written.
    ValueError
        If the steps are no list of functions, a parameter is no plain value, or a fault is unknown or cannot pass.
    TypeError
        If a step does not return what a step returns.

    Examples
    --------
    >>> steps = [partial(resampled, target=16000), mono, centred, partial(trimmed, top_db=50)]
    >>> corpus = run("data/raw/voices", steps, n_jobs=-1)                # doctest: +SKIP

    Notes
    -----
    A step of your own is known by its name, its parameters with their defaults, its source text (a lambda, or what has
    no source, by its compiled code), and by the numbers, texts and lists of them among the global names that it reads.
    What it calls is not looked into: when that changes, delete the folder. A step must not draw random numbers: that
    is for `augment`, at training.

    Taught in: notebooks/02_preprocessing.ipynb, "From raw to processed: who does the work?"
    """
    if unknown := set(accept) - set(PROBLEMS):
        raise ValueError(f"accept: {', '.join(sorted(unknown))} is none of {', '.join(PROBLEMS)}.")
    if never := NOT_READ & set(accept):
        raise ValueError(f"accept: {', '.join(sorted(never))} cannot pass, there is no signal to go on with: mend such "
                         "files, or let them be set aside.")
    described = [batch.describe(step) for step in steps] if isinstance(steps, (list, tuple)) else []
    if not described:
        raise ValueError("steps is a list of functions, at least one: run(corpus, [mono, centred]).")
    words = "; ".join(says for says, _ in described)
    recipe = json.dumps([VERSION, described, sorted(accept)])

    folder, rows = expected(source)
    table = source.table if isinstance(source, Corpus) else pd.DataFrame(rows)
    target = as_flac(table.path)
    if twice := sorted(target[target.str.casefold().duplicated()]):
        raise CorpusError(f"Two clips would become {twice[0]!r}: rename one.")
    jobs = {}
    for row, out in zip(rows, target, strict=True):
        known = {key: row[key] for key in ("duration", "sr") if key in row}
        key = digest(json.dumps([recipe, batch.content(folder / row["path"]), known, out], default=str))
        jobs[row["path"]] = key, (out, known)
    root = Path(root).expanduser().absolute() if root else paths.data("processed", folder.name)
    if folder.resolve() in (root.resolve(), *root.resolve().parents):
        raise CorpusError(f"{str(root)!r} is the raw corpus or lies within it: choose another folder for the result.")
    _same_source(root, folder)

    tables = _tables(source, folder)
    work = functools.partial(_process, folder, tuple(steps), tuple(accept))
    finish = functools.partial(_finish, root, folder, table, tables, words, recipe)
    about = digest(recipe + table.to_csv() + "".join(one.to_csv() for one in tables.values()))
    records = batch.update(root, jobs, work, finish, recipe=about, n_jobs=n_jobs, desc=f"Processing {folder.name}")
    aside = {path: record["problem"] for path, record in records.items() if "problem" in record}
    labels = source.labels if isinstance(source, Corpus) else None
    return Corpus(root, labels=labels, aside=aside)


def _same_source(root, folder):
    """Refuse a result that was made from another folder: it is not to be replaced unseen."""
    try:
        before = json.loads((root / "corpus.json").read_text("utf-8")).get("made_from")
    except (OSError, ValueError):                                               # nothing there, or damaged
        return
    if before not in (None, str(folder.resolve())):
        raise CorpusError(f"{str(root)!r} was made from {before!r}, not from {str(folder)!r}: choose another root, or "
                          "delete that folder.")


def _tables(source, folder):
    """The tables in time of a corpus, by name."""
    if not (folder / "metadata.csv").exists():
        return {}
    corpus = source if isinstance(source, Corpus) else Corpus(folder)
    return {name: corpus.sidecar(name) for name in corpus.sidecars()}


def _process(folder, steps, accept, staging, name, job):
    """Read, look at, process and save one clip. Runs in a worker."""
    out, known = job
    y, sr, _, faults = examine(folder / name, known)
    faults = {kind: says for kind, says in faults.items() if y is None or kind not in accept}
    if faults:
        raise ValueError("; ".join(f"{kind}: {says}" for kind, says in faults.items()))
    begin = 0.0
    for step in steps:
        result = step(y, sr)
        if not isinstance(result, tuple) or len(result) not in (2, 3) or not isinstance(result[0], np.ndarray):
            raise TypeError(f"The step {batch.describe(step)[0]} returned {type(result).__name__}; a step returns y, "
                            "sr (or y, sr and the seconds that it cut off at the beginning).")
        y, sr = result[:2]
        begin += result[2] if len(result) == 3 else 0.0
        if not y.size:
            raise ValueError(f"the step {batch.describe(step)[0]} left nothing of it")
        if bad := np.count_nonzero(~np.isfinite(y)):
            raise ValueError(f"the step {batch.describe(step)[0]} gave NaN or infinity in {bad} of {y.size} samples")
    peak = float(np.abs(y).max())
    turned = 20 * np.log10(peak) if peak > 1 else 0.0
    with writing(staging):
        try:
            audio.save(staging / out, y / max(peak, 1.0), sr)
        except audio.AudioError as error:
            if isinstance(error.__context__, OSError):                          # the disk's fault, not the clip's
                raise error.__context__ from None
            raise
    return {"files": [out], "sr": int(sr), "duration": round(y.shape[-1] / sr, 6), "begin": round(float(begin), 6),
            "turned_down": round(float(turned), 2)}


def _finish(root, source, table, tables, words, recipe, folder, records, kept):
    """Link what is kept, write the tables."""
    _same_source(root, source)                          # again: another process may have made it while this one waited
    for name in kept:
        for file in records[name]["files"]:
            batch.carry(root, folder, file)
    good = [path in records and "problem" not in records[path] for path in table.path]
    passed = table[good]
    results = [records[path] for path in passed.path]
    before = passed.done + "; " if "done" in passed else ""
    new = passed.assign(path=[record["files"][0] for record in results], done=before + words,
                        duration=[record["duration"] for record in results], sr=[record["sr"] for record in results])
    written = {"metadata.csv": ordered(new)}
    by_path = dict(zip(passed.path, results, strict=True))
    for name, rows in tables.items():
        written[f"{name}.csv"] = _moved(rows, by_path)
    written["report.csv"] = pd.DataFrame(
        [(path, "set aside", record["problem"]) if "problem" in record else
         (path, "turned down", f"by {record['turned_down']} dB, to fit into full scale")
         for path, record in records.items() if "problem" in record or record["turned_down"]],
        columns=["path", "what", "why"])
    for name, rows in written.items():
        write_table(folder / name, rows)
    about = {"desc": words, "recipe": digest(recipe), "made_from": str(source.resolve())}
    (folder / "corpus.json").write_text(json.dumps(about) + "\n", "utf-8")
    return [*written, "corpus.json"]


def _moved(rows, records):
    """A table in time after the clips' beginnings were cut: what lies outside is dropped, what sticks out is cut."""
    rows = rows[rows.path.isin(records)]
    begin = rows.path.map(lambda path: records[path]["begin"])
    end = rows.path.map(lambda path: records[path]["duration"])
    onset, offset = rows.onset - begin, rows.offset - begin
    inside = (offset >= 0) & (onset <= end) & ((offset > 0) | (onset == offset)) & ((onset < end) | (onset == offset))
    moved = rows.assign(path=rows.path.map(lambda path: records[path]["files"][0]), onset=onset.clip(lower=0).round(6),
                        offset=offset.clip(upper=end).round(6))
    return moved[inside]
