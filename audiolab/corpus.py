"""A corpus is a folder: sound files and a table ``metadata.csv`` that says what each one is.

Generated, downloaded and one's own corpora are the same thing from here on. Columns of the table, in this
order, those that apply:

    path        relative to the folder, with forward slashes, each once
    label       class of the clip
    text        what is said
    group       speaker, voice, piece or source: clips of one group never stand on two sides of a split
    split       train, validation, test or nothing
    duration    seconds
    sr          samples per second
    licence     of this clip
    …           whatever else is known

What happens when within the clips stands in tables beside it, each with a column ``path``: ``events.csv``,
``phonemes.csv``, ``words.csv`` and ``notes.csv``, times in seconds.
"""

import dataclasses
import functools
import hashlib
import json
import os
import platform
import re
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from . import audio, paths

COLUMNS = ["path", "label", "text", "group", "split", "duration", "sr", "licence"]
REQUIRED = ["path", "duration", "sr"]
SPLITS = ["train", "validation", "test"]
TEXT = [*COLUMNS[:5], "licence", "done", "word", "phoneme", "part", "file", "filename"]      # never read as numbers
SIDECARS = {                                # columns of the tables in time, after `path`
    "events": ["onset", "offset", "label"],
    "phonemes": ["onset", "offset", "phoneme"],
    "words": ["onset", "offset", "word"],
    "notes": ["onset", "offset", "pitch", "part"],
}
#: Suffixes that a recording may have. Some cannot be read here: those files are named, not passed over.
RECORDINGS = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64",
              ".m4a", ".aac", ".mp4", ".webm", ".wma", ".amr", ".3gp"}
TOLERANCE = 0.01                            # seconds by which a table's times may miss the sound's


class CorpusError(ValueError):
    """What is wrong with a corpus, and what to do.

    Attributes
    ----------
    problems : list of str
        Every bad row and file, a line each.
    """

    def __init__(self, message, problems=()):
        self.problems = list(problems)
        shown = [f"\n  {line}" for line in self.problems[:20]]
        if len(self.problems) > 20:
            shown.append(f"\n  … and {len(self.problems) - 20} more")
        super().__init__(message + "".join(shown))


@dataclasses.dataclass
class Clip:
    """A sound and what happens when in it.

    Attributes
    ----------
    y : np.ndarray, shape [n] or [channels, n]
    sr : int
        Samples per second.
    sidecars : dict of str to list of dict
        Rows for the tables in time, without `path`:
        ``{"events": [{"onset": 0.5, "offset": 0.9, "label": "dog"}]}``.
    """

    y: np.ndarray
    sr: int
    sidecars: dict = dataclasses.field(default_factory=dict)


# ---------------------------------------------------------------------------------------- making


def make(root, plan, render, *, n_jobs=1, desc="", licence=""):
    """Make a corpus from a plan, or open it where it has been made.

    The clips gather in a hidden folder beside `root`, which takes that name when all is there: a corpus
    exists whole or not at all. When the making is cut off, the next call goes on with the clips that are
    missing. While one process makes a corpus, others that want it wait.

    Parameters
    ----------
    root : str or os.PathLike
        The corpus's folder, for example ``paths.data("raw", "tones")``.
    plan : pandas.DataFrame
        A row for each clip: its `path` (ending in .flac), and every value that rendering it needs. Columns
        that begin with ``_`` are for rendering alone and stay out of the corpus's table.
    render : callable
        ``render(row: dict) -> Clip``. The same row gives the same clip in any process and any order,
        so randomness comes from a seed in the row.
    n_jobs : int
        Processes to work in; -1 for one per core.
    desc : str
        What the corpus is, in a few words: shown beside the progress bar and kept in ``corpus.json``.
    licence : str
        Of all clips, where `plan` has no such column.

    Returns
    -------
    Corpus

    Raises
    ------
    CorpusError
        If rows of the plan are unfit, `root` holds something else, or its disk cannot be written.
    AudioError
        If a clip cannot be saved.

    Examples
    --------
    >>> plan = pd.DataFrame({"path": ["low.flac", "high.flac"], "hz": [220, 880]})
    >>> make("tones", plan, lambda row: Clip(synth.tone(row["hz"], 1, 8000), 8000))    # doctest: +SKIP
    """
    root = Path(root).expanduser().absolute()
    bad = table_problems(plan, required=["path"])
    if not bad:                                         # "A.flac" and "a.flac" are one file on macOS and Windows
        bad = [f"{path!r} differs from another path in upper and lower case only"
               for path in plan.path[plan.path.str.casefold().duplicated()]]
    if bad:
        raise CorpusError(f"The plan of {root.name!r} has {len(bad)} faults:", bad)
    rows = plan.to_dict("records")
    keys = [digest(json.dumps(row, default=str)) for row in rows]
    recipe = digest("".join(keys))
    if not (root / "metadata.csv").exists():
        _make(root, plan, rows, keys, recipe, render, n_jobs, desc, licence)
    corpus = Corpus(root)
    if corpus.about.get("recipe") != recipe:
        raise CorpusError(f"{str(root)!r} was made by another recipe (other arguments, or another version of the "
                          "course): delete that folder and call again, or choose another name.")
    return corpus


def _make(root, plan, rows, keys, recipe, render, n_jobs, desc, licence):
    """Render what is missing, write the tables, let the folder appear; one process at a time."""
    staging = root.with_name(f".{root.name}.making")
    with only_one(root):
        if (root / "metadata.csv").exists():                                    # another process was quicker
            return
        with writing(root):
            if root.exists() and any(root.iterdir()):
                raise CorpusError(f"{str(root)!r} holds something that is no corpus (there is no metadata.csv): "
                                  "move it away or choose another name.")
            staging.mkdir(exist_ok=True)
        jobs = {row["path"]: (key, row) for row, key in zip(rows, keys, strict=True)}
        work = functools.partial(_rendered, render)
        done = each(staging, jobs, work, n_jobs=n_jobs, desc=desc or root.name)

        with writing(root):
            _write_tables(staging, plan, [done[row["path"]] for row in rows], licence)
            (staging / "corpus.json").write_text(json.dumps({"desc": desc, "recipe": recipe}) + "\n", "utf-8")
            keep = {*plan.path, "corpus.json", *(file.name for file in staging.glob("*.csv"))}
            for file in staging.rglob("*"):                                     # journals, and what a kill left
                if file.is_file() and file.relative_to(staging).as_posix() not in keep:
                    file.unlink()
            if root.exists():
                root.rmdir()                                                    # empty; Windows renames onto nothing
            staging.rename(root)


def _rendered(render, folder, path, row):
    """Render one clip and save it."""
    clip = render(row)
    audio.save(folder / path, clip.y, clip.sr)
    return {"files": [path], "sr": int(clip.sr), "duration": round(np.shape(clip.y)[-1] / clip.sr, 6),
            "sidecars": clip.sidecars}


def each(folder, jobs, work, *, n_jobs=None, desc="", unit="clip"):
    """Do a job for each of many files, in parallel; what an earlier call finished in the same folder stands.

    Parameters
    ----------
    folder : pathlib.Path
        Where the results gather, and a journal of them for each worker.
    jobs : dict of str to tuple
        Name of the file to ``(key, argument)``. Another key is another job.
    work : callable
        ``work(folder, name, argument) -> dict``, run in a worker: it writes its files under `folder` and tells
        them under ``"files"``, relative to it, with whatever else is to be known, as JSON can hold it.
    n_jobs : int, optional
        Workers; -1 for one per core. None: one, or what ``joblib.parallel_config`` says.
    desc, unit : str
        For the progress bar.

    Returns
    -------
    dict of str to dict
        What `work` returned, and its `name`, `key` and `bytes`, in the order of the jobs.
    """
    # Imported here because they take time, and a corpus that exists does without them.
    import joblib
    from tqdm.auto import tqdm

    done = _done(folder, jobs)
    missing = [(name, *job) for name, job in jobs.items() if name not in done]
    tasks = (joblib.delayed(_noted)(folder, work, *job) for job in missing)
    finished = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")(tasks)
    for record in tqdm(finished, desc, total=len(jobs), initial=len(jobs) - len(missing), unit=unit):
        done[record["name"]] = record
    return {name: done[name] for name in jobs}


def _noted(folder, work, name, key, argument):
    """Do one job and note it in this thread's journal. Runs in a worker."""
    try:
        record = work(folder, name, argument)
    except Exception as error:
        error.add_note(f"This happened while making {name!r}.")
        raise
    record = {"name": name, "key": key, "bytes": [(folder / file).stat().st_size for file in record["files"]], **record}
    line = json.dumps(record, default=lambda number: number.item())             # NumPy's numbers as Python's
    journal = folder / f".{platform.node()}-{threading.get_native_id()}.jsonl"
    with writing(folder), journal.open("a", encoding="utf-8") as file:
        file.write("\n" + line)                        # begins a line, so that one cut off by a kill spoils no other
    return json.loads(line)


def _done(folder, jobs):
    """Records of the jobs that were finished before, by name; all others are struck from the journals."""
    done = {}
    journals = list(folder.glob(".*.jsonl"))             # not journal.jsonl, of a folder that was about to be renamed
    for journal in journals:
        for line in journal.read_text("utf-8", errors="replace").split("\n"):
            try:
                record = json.loads(line)
                key, _ = jobs[record["name"]]
                sizes = [(folder / file).stat().st_size for file in record["files"]]
                if (key, sizes) == (record["key"], record["bytes"]):
                    done[record["name"]] = record
            except (ValueError, OSError, KeyError, TypeError):      # empty, cut off, no such job, no such file
                continue
    with writing(folder), paths.replacing(folder / ".0.jsonl") as tmp:
        tmp.write_text("\n".join(map(json.dumps, done.values())), "utf-8")
    for journal in journals:
        if journal.name != ".0.jsonl":
            journal.unlink()
    return done


def _write_tables(folder, plan, records, licence):
    """``metadata.csv`` and the tables in time, rows in the order of the plan."""
    table = plan.loc[:, [not column.startswith("_") for column in plan]]
    table = table.assign(duration=[record["duration"] for record in records], sr=[record["sr"] for record in records])
    if licence and "licence" not in table:
        table["licence"] = licence
    for name in dict.fromkeys(name for record in records for name in record["sidecars"]):
        rows = [{"path": record["name"], **row} for record in records for row in record["sidecars"].get(name, [])]
        columns = ["path", *SIDECARS.get(name, [])]
        write_table(folder / f"{name}.csv", ordered(pd.DataFrame(rows, columns=None if rows else columns), columns))
    write_table(folder / "metadata.csv", ordered(table))


def digest(text):
    """Sixteen hexadecimal digits that stand for a text: another text, other digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def deal(rng, items, n):
    """Some of the items for a plan, as from a deck that is shuffled anew when it is used up: all alike often.

    Parameters
    ----------
    rng : np.random.Generator
    items : sequence
    n : int
        How many.

    Returns
    -------
    np.ndarray, shape [n]
        Empty when there are no items.
    """
    decks = [rng.permutation(items) for _ in range(-(-n // len(items)))] if len(items) else []
    return np.concatenate(decks)[:n] if decks else np.array([], str)


@contextmanager
def only_one(root):
    """Hold the right to make a corpus; it falls to the next process also when this one is killed."""
    import filelock
    from tqdm.auto import tqdm

    with writing(root):
        root.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(root.with_name(f".{root.name}.lock"))
        try:
            lock.acquire(timeout=1)
        except filelock.Timeout:
            tqdm.write(f"Another process is making {root.name!r}: waiting for it.")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def writing(root):
    """Say in a line what the disk refused."""
    try:
        yield
    except OSError as error:
        raise CorpusError(f"{str(root)!r} cannot be written ({error.strerror or error}): check the folder, its "
                          "permissions and the space on the disk, then call again. Finished clips are kept.") from None


# ---------------------------------------------------------------------------------------- tables


def ordered(table, first=tuple(COLUMNS)):
    """The table with the columns `first` in front, those that it has; the others follow as they stood."""
    first = [column for column in first if column in table]
    return table[first + [column for column in table if column not in first]]


def recordings(root):
    """Paths of the recordings within a folder and its sub-folders, hidden ones left out.

    Parameters
    ----------
    root : pathlib.Path

    Returns
    -------
    list of str
        Relative to it, with forward slashes, sorted.
    """
    found = []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        found += [(Path(folder) / name).relative_to(root).as_posix() for name in names
                  if Path(name).suffix.lower() in RECORDINGS and not name.startswith(".")]      # "._a.wav" is macOS's
    return sorted(found)


def as_flac(path):
    """Names for the clips of the next stage: ``a.wav`` becomes ``a.flac``, unless there is ``a.mp3``, too.

    Parameters
    ----------
    path : pandas.Series of str

    Returns
    -------
    pandas.Series of str
    """
    flac = path.map(lambda one: Path(one).with_suffix(".flac").as_posix())
    return flac.where(~flac.str.casefold().duplicated(keep=False), path + ".flac")


def write_table(path, table):
    """Write a table as CSV, whole or not at all; the same bytes on every system."""
    with paths.replacing(path) as tmp:
        table.to_csv(tmp, index=False, encoding="utf-8", lineterminator="\n")


def read_table(path):
    """Read a table of a corpus: texts as they stand (labels ``007`` and ``NA`` stay texts).

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    pandas.DataFrame
        Texts that are missing are ``""``, numbers NaN.

    Raises
    ------
    CorpusError
        If there is no such file or it is no table.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)             # fields beyond the header's would go
            table = pd.read_csv(path, dtype=dict.fromkeys(TEXT, str), keep_default_na=False, na_values=[""],
                                encoding="utf-8-sig", index_col=False)
    except FileNotFoundError:
        raise CorpusError(f"There is no file {str(path)!r}: check the folder.") from None
    except (ValueError, OSError, pd.errors.ParserWarning) as error:     # a ValueError is pandas' or the decoder's
        reason = " ".join(str(error).split())
        raise CorpusError(f"{str(path)!r} is no CSV table in UTF-8 ({reason}): save it again.") from None
    texts = table.columns.intersection(TEXT)
    return table.astype(dict.fromkeys(texts, object)).fillna(dict.fromkeys(texts, ""))


def table_problems(table, required=tuple(REQUIRED)):
    """What is wrong with a corpus's table, a line each; lines are counted as in the file, the header being 1.

    Parameters
    ----------
    table : pandas.DataFrame
    required : sequence of str
        Columns that it must have.

    Returns
    -------
    list of str
        Missing columns; paths that are missing, leave the folder or stand twice; durations and rates that
        are no positive numbers; unknown splits.
    """
    bad = [f"column {column!r} is missing" for column in required if column not in table]
    if "path" in table:
        for line, (path, again) in enumerate(zip(table.path, table.path.duplicated(), strict=True), start=2):
            if not isinstance(path, str) or not path:
                bad.append(f"line {line}: there is no path")
            elif "\\" in path or re.match("[A-Za-z]:", path) or not {"", ".", ".."}.isdisjoint(path.split("/")):
                bad.append(f"line {line}: {path!r} is no path inside the folder, written with /")
            elif again:
                bad.append(f"line {line}: {path!r} stands there twice")
    for column in table.columns.intersection(["duration", "sr"]).intersection(required):
        wrong = ~(pd.to_numeric(table[column], errors="coerce") > 0)            # NaN compares as false
        bad += [f"line {line}: {column} {table[column].iloc[line - 2]!r} is no positive number"
                for line in np.flatnonzero(wrong) + 2]
    if "split" in table:
        wrong = ~table.split.isin([*SPLITS, ""])
        bad += [f"line {line}: split {table.split.iloc[line - 2]!r} is none of {', '.join(SPLITS)}"
                for line in np.flatnonzero(wrong) + 2]
    return bad


def group_problems(table):
    """Groups that stand on two sides of a split, a line each."""
    if not {"group", "split"} <= set(table):
        return []
    sides = table[(table.group != "") & (table.split != "")].groupby("group").split.unique()
    return [f"group {group!r} is in {' and '.join(sorted(found, key=SPLITS.index))}"
            for group, found in sides.items() if len(found) > 1]


# ---------------------------------------------------------------------------------------- reading


class Corpus:
    """A folder of sounds and its table.

    ``len(corpus)`` is the number of clips and ``corpus[i]`` one of them, so PyTorch takes a corpus for a
    map-style data set as it is; `torch` gives tensors.

    Parameters
    ----------
    root : str or os.PathLike
        The folder.
    table : pandas.DataFrame, optional
        A row for each clip; by default what ``metadata.csv`` holds.
    labels : list of str, optional
        All labels, in the order in which they are numbered; by default those in the table, sorted.
    aside : dict of str to str, optional
        Files of the folder that are not used, and why.

    Raises
    ------
    CorpusError
        If there is no table or it has faults: all are named. `check` looks at the sounds, too.

    Examples
    --------
    >>> corpus = Corpus("data/raw/speech-digits").split("train")        # doctest: +SKIP
    >>> y, sr, row = corpus[0]                                           # doctest: +SKIP
    """

    def __init__(self, root, table=None, labels=None, aside=None):
        self.root = Path(root).expanduser().absolute()
        self.table = read_table(self.root / "metadata.csv") if table is None else table.reset_index(drop=True)
        if bad := table_problems(self.table):
            raise CorpusError(f"The table of {self.root.name!r} has {len(bad)} faults:", bad)
        self.labels = labels or sorted(set(self.table.get("label", [])) - {""})
        self.aside = aside or {}

    def __len__(self):
        return len(self.table)

    def __getitem__(self, i):
        """``y, sr, row`` of clip `i`: its signal, its rate in Hz, its row of the table as a dict."""
        row = self.table.iloc[int(i)].to_dict()
        y, sr = audio.load(self.root / row["path"])
        return y, sr, row

    def __repr__(self):
        hours = self.table.duration.sum() / 3600
        length = f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"
        parts = [f"{self.root.name}: {len(self)} clips, {length}"]
        if self.labels:
            parts.append(f"{len(self.labels)} labels")
        if "split" in self.table:
            parts += [f"{count} {name}" for name in SPLITS if (count := int((self.table.split == name).sum()))]
        if self.aside:
            parts.append(f"{len(self.aside)} files set aside")
        return f"<Corpus {', '.join(parts)}>"

    @property
    def about(self):
        """What ``corpus.json`` says of how the corpus was made; empty where there is none."""
        file = self.root / "corpus.json"
        return json.loads(file.read_text("utf-8")) if file.exists() else {}

    def select(self, rows):
        """Some of the clips, as a corpus whose labels keep their numbers.

        Parameters
        ----------
        rows : array of bool or int
            A mask as long as the table, or positions in it: ``corpus.select(corpus.table.label == "dog")``.
        """
        return type(self)(self.root, self.table.iloc[np.asarray(rows)], self.labels, self.aside)

    def split(self, name):
        """The clips of one split: ``"train"``, ``"validation"`` or ``"test"``.

        Raises
        ------
        CorpusError
            If there are none.
        """
        part = self.select(self.table.split == name) if "split" in self.table else ()
        if not len(part):
            raise CorpusError(f"{self.root.name!r} has no clips in split {name!r}: see corpora.splits.")
        return part

    def sidecar(self, name):
        """A table in time of these clips: ``"events"``, ``"phonemes"``, ``"words"``, ``"notes"``.

        Returns
        -------
        pandas.DataFrame
            Column `path`, then times in seconds and what happens; sorted as the clips are.

        Raises
        ------
        CorpusError
            If the corpus has no such table.
        """
        file = self.root / f"{name}.csv"
        if name == "metadata" or not file.exists():
            names = ", ".join(self.sidecars()) or "none"
            raise CorpusError(f"{self.root.name!r} has no table {name!r} (it has: {names}).")
        table = read_table(file)
        return table[table.path.isin(self.table.path)].reset_index(drop=True)

    def sidecars(self):
        """Names of the tables in time that the corpus has."""
        return [name for name in SIDECARS if (self.root / f"{name}.csv").exists()]

    def map(self, root, function, done, *, n_jobs=1):
        """Make the next stage of the corpus: every clip sent through a function, kept under `root`.

        Parameters
        ----------
        root : str or os.PathLike
            The new corpus's folder, for example ``paths.data("processed", "speech-digits")``.
        function : callable
            ``function(clip, row) -> Clip``. `clip` carries the rows of the tables in time, too: a function
            that moves things in time moves those; ``dataclasses.replace(clip, y=...)`` leaves them.
        done : str
            What it does, in a few words, for the column `done`. Other words are another recipe.
        n_jobs : int
            Processes to work in; -1 for one per core.

        Returns
        -------
        Corpus

        Raises
        ------
        CorpusError, AudioError
            As `make`.
        """
        path = as_flac(self.table.path)
        sidecars = {one: {} for one in self.table.path}
        for name in self.sidecars():
            for one in sidecars.values():
                one[name] = []
            for row in self.sidecar(name).to_dict("records"):
                sidecars[row.pop("path")][name].append(row)
        before = self.table.done + "; " if "done" in self.table else ""
        plan = self.table.assign(path=path, done=before + done, _source=self.table.path,
                                 _sidecars=list(sidecars.values()))
        return make(root, plan, functools.partial(_through, self.root, function), n_jobs=n_jobs, desc=done)

    def torch(self, transform=None):
        """A PyTorch data set of ``(tensor, number of the label)``.

        Parameters
        ----------
        transform : callable, optional
            ``transform(y, sr, row)`` gives the array or tensor; by default `y` itself.

        Returns
        -------
        TorchView
        """
        return TorchView(self, transform)

    def check(self):
        """Read every clip and hold it against the tables.

        Returns
        -------
        Corpus
            This one, when all is well.

        Raises
        ------
        CorpusError
            Naming every group in two splits, every file that is absent, cannot be read, or has another
            duration or rate than the table says, and every time that lies outside its clip.
        """
        bad = group_problems(self.table)
        for path, duration, sr in zip(self.table.path, self.table.duration, self.table.sr, strict=True):
            try:
                y, rate = audio.load(self.root / path)
            except audio.AudioError as error:
                bad.append(str(error).replace(f"{self.root}{os.sep}", ""))
                continue
            if rate != sr:
                bad.append(f"{path!r} has {rate} Hz, the table says {sr}")
            if abs(y.shape[-1] / rate - duration) > TOLERANCE:
                bad.append(f"{path!r} lasts {y.shape[-1] / rate:.3f} s, the table says {duration:.3f}")
        for name in self.sidecars():
            bad += self._time_problems(name)
        if bad:
            raise CorpusError(f"{self.root.name!r} has {len(bad)} faults:", bad)
        return self

    def _time_problems(self, name):
        """Rows of a table in time that belong to no clip or lie outside theirs, a line each."""
        rows = read_table(self.root / f"{name}.csv")
        if missing := {"path", *SIDECARS[name][:2]} - set(rows):
            return [f"{name}.csv: column {column!r} is missing" for column in sorted(missing)]
        lasts = dict(zip(self.table.path, self.table.duration, strict=True))
        bad = []
        for line, (path, onset, offset) in enumerate(zip(rows.path, rows.onset, rows.offset, strict=True), start=2):
            if path not in lasts:
                if not (self.root / path).exists():                             # else it is of another split
                    bad.append(f"{name}.csv line {line}: there is no clip {path!r}")
                continue
            try:
                inside = 0 <= float(onset) <= float(offset) <= lasts[path] + TOLERANCE
            except ValueError:
                inside = False
            if not inside:
                bad.append(f"{name}.csv line {line}: {onset} to {offset} s is no time within {path!r}, "
                           f"which lasts {lasts[path]:.3f} s")
        return bad


def _through(root, function, row):
    """One clip of a stage through `function`: what `Corpus.map` has `make` render."""
    row = dict(row)
    source, sidecars = row.pop("_source"), row.pop("_sidecars")
    return function(Clip(*audio.load(root / source), sidecars), row)


@dataclasses.dataclass
class TorchView:
    """What ``torch.utils.data.DataLoader`` asks of a data set: a length, and tensors by number.

    Attributes
    ----------
    corpus : Corpus
    transform : callable or None
    """

    corpus: Corpus
    transform: object = None

    def __len__(self):
        return len(self.corpus)

    def __getitem__(self, i):
        import torch

        y, sr, row = self.corpus[i]
        x = y if self.transform is None else self.transform(y, sr, row)
        return torch.as_tensor(x), self.corpus.labels.index(row["label"])
