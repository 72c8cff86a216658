"""The same work over a corpus of files: in parallel, resumable, only for what changed; what fails is set aside."""

import functools
import hashlib
import inspect
import json
import os
import shutil
from pathlib import Path

from .corpus import CorpusError, each, only_one, writing

JOURNAL = "journal.jsonl"       # the folder's own record: first what belongs to it, then a line for each file


def update(root, jobs, work, finish, *, recipe="", n_jobs=None, desc="", unit="clip"):
    """Bring a folder of results up to date: work what is new or changed, keep the rest.

    Everything gathers in a hidden folder beside `root`, which takes its place when all is there: the folder is
    as it was, or as it should be. When the work is cut off, the next call goes on with what is missing. While
    one process works, others that want the same folder wait. A file whose work raises a ``ValueError`` (as
    `AudioError` is one) is set aside with the reason, and the others go on; where the machine was to blame (no
    connection, too many open files), the next call tries it again. A `CorpusError` (a full disk) and any other
    exception, which is a fault of the code, are raised. Who works, and how many, does not show in the bytes that are
    written.

    Parameters
    ----------
    root : str or os.PathLike
        The folder of the results.
    jobs : dict of str to tuple
        Name of each file to ``(key, argument)``. The key stands for all that the result depends on: see
        `content`, `describe` and ``corpus.digest``.
    work : callable
        ``work(folder, name, argument) -> dict``, run in a worker: it writes its files under `folder` and tells
        them under ``"files"``, relative to it, with whatever else is to be known, as JSON can hold it.
    finish : callable
        ``finish(folder, records, kept) -> list of str``, run here when anything has changed: it writes the
        tables, or puts the workers' files together, and returns the paths that it wrote. `kept` are the names that
        needed no work: their results lie in `root`, which stands until `finish` is through (see `carry`).
    recipe : str
        What the output of `finish` depends on besides. Another recipe, and it runs again.
    n_jobs : int, optional
        Workers; -1 for one per core. None: one, or what ``joblib.parallel_config`` says, which is the way to a
        Dask cluster.
    desc, unit : str
        For the progress bar.

    Returns
    -------
    dict of str to dict
        A record for each job, in their order: what `work` returned, or ``"problem"`` and the reason.

    Raises
    ------
    CorpusError
        If every file is set aside, `root` holds something else, its journal is damaged, or the disk cannot be written.
    """
    root = Path(root).expanduser().absolute()
    staging, aside = root.with_name(f".{root.name}.making"), root.with_name(f".{root.name}.old")
    with only_one(root):
        with writing(root):
            if aside.exists() and not root.exists():                            # cut off between two renames
                aside.rename(root)
            head, known = _opened(root)
            keep = {name: known[name] for name in _true(root, head, known) if name in jobs
                    and known[name]["key"] == jobs[name][0]}
            if head["recipe"] == recipe and list(keep) == list(jobs) == list(known):
                return keep
            staging.mkdir(exist_ok=True)
        fresh = {name: job for name, job in jobs.items() if name not in keep}
        done = each(staging, fresh, functools.partial(_or_problem, work), n_jobs=n_jobs, desc=desc, unit=unit)
        records = {name: keep.get(name) or done[name] for name in jobs}
        problems = [f"{name!r}: {record['problem']}" for name, record in records.items() if "problem" in record]
        if len(problems) == len(records):
            raise CorpusError(f"There is nothing for {root.name!r}, all {len(records)} files failed:", problems)
        with writing(root):
            ours = list(finish(staging, records, set(keep)))
            records = {name: _left(staging, record) if name in fresh else record for name, record in records.items()}
            sizes = {file: (staging / file).stat().st_size for file in ours if not file.endswith((".csv", ".json"))}
            lines = [{"recipe": recipe, "files": ours, "bytes": sizes}, *records.values()]
            (staging / JOURNAL).write_text("\n".join(map(json.dumps, lines)) + "\n", "utf-8")
            results = {JOURNAL, *ours, *_results(records)}
            foreign = _files(root) - {JOURNAL, *head["files"], *_results(known)}
            for file in foreign - results:                                      # somebody's own notes
                carry(root, staging, file)
            yours = {file: f"{file}.yours" for file in foreign & results}       # of a name that a result has now
            for file, other in yours.items():
                shutil.copy2(root / file, staging / other)
            journals = {file.name for file in staging.glob(".*.jsonl")}         # needed if the renaming is refused
            for file in _files(staging) - results - foreign - journals - {*yours.values()}:
                (staging / file).unlink()                                       # what a kill left
            _take_place(staging, root, aside)
            for journal in journals:
                (root / journal).unlink()
    return records


def _or_problem(work, folder, name, argument):
    """The record of one job, also of one that failed on its file."""
    try:
        return work(folder, name, argument)
    except CorpusError:                                                         # of the folder, not of this file
        raise
    except ValueError as error:
        record = {"files": [], "problem": " ".join(str(error).split())}
        if of_the_machine(error):
            record["key"] = ""                                                  # try it next time
        return record


def of_the_machine(error):
    """Whether an error on reading a file tells of the machine (no connection, too many open files), not of the file."""
    cause = error.__context__
    return isinstance(cause, OSError) and not isinstance(cause, (FileNotFoundError, PermissionError))


def _opened(root):
    """What the journal of a folder says: of the folder, and of each file by its name."""
    journal = root / JOURNAL
    if journal.exists():
        try:
            head, *records = map(json.loads, journal.read_text("utf-8").splitlines())
        except ValueError:                                                      # nothing in it, or no JSON
            raise CorpusError(f"{str(journal)!r} is empty or damaged, so the results cannot be trusted: take out "
                              "what is yours, delete the folder and call again.") from None
        return head, {record["name"]: record for record in records}
    if root.exists() and any(root.iterdir()):
        raise CorpusError(f"{str(root)!r} holds something that was not made here (there is no {JOURNAL}): move it "
                          "away or choose another name.")
    return {"recipe": None, "files": [], "bytes": {}}, {}


def _true(root, head, known):
    """Names whose results still lie in the folder as they were written."""
    if not (_there(root, head["bytes"].items()) and all((root / file).exists() for file in head["files"])):
        return []
    return [name for name, record in known.items()
            if _there(root, zip(record["files"], record["bytes"], strict=True))]


def _there(root, sizes):
    return all((root / file).exists() and (root / file).stat().st_size == size for file, size in sizes)


def _left(folder, record):
    """A record without the files that `finish` has put together and taken away."""
    pairs = [(file, size) for file, size in zip(record["files"], record["bytes"], strict=True)
             if (folder / file).exists()]
    return {**record, "files": [file for file, _ in pairs], "bytes": [size for _, size in pairs]}


def _results(records):
    return [file for record in records.values() for file in record["files"]]


def _files(folder):
    """Every file under a folder, relative to it, with forward slashes."""
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def _take_place(staging, root, aside):
    """Let a folder take the place of another, which is not lost before the new one stands."""
    for folder in sorted((f for f in staging.rglob("*") if f.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    shutil.rmtree(aside, ignore_errors=True)
    if root.exists():
        root.rename(aside)
    staging.rename(root)
    shutil.rmtree(aside, ignore_errors=True)


def carry(source, target, file):
    """Have a file of one folder in another too: a second name for it where the disk can, else a copy.

    Parameters
    ----------
    source, target : pathlib.Path
        Folders.
    file : str
        Path within both.
    """
    new = target / file
    new.parent.mkdir(parents=True, exist_ok=True)
    new.unlink(missing_ok=True)
    try:
        os.link(source / file, new)
    except OSError:                                                             # another disk, or one without links
        shutil.copy2(source / file, new)


def content(path):
    """What stands for the content of a file: another byte, another text.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    str
        Sixteen hexadecimal digits of its SHA-256; empty for a file that cannot be opened, so that its
        work runs and says why.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError:
        return ""


def describe(step):
    """A function in words, and what stands for it in a key: another function or parameter, another text.

    Parameters
    ----------
    step : callable
        A function, or a ``functools.partial`` of one with its parameters bound by name.

    Returns
    -------
    words : str
        Its name and parameters.
    described : list
        As JSON can hold it. A function from outside the course is known by its source or compiled code, its
        defaults and the plain global values that it reads, too.

    Raises
    ------
    ValueError
        If it is no such function, a method, a closure, or a parameter is no plain value.
    """
    function, arguments, keywords = step, (), {}
    while isinstance(function, functools.partial):
        arguments, keywords = (*function.args, *arguments), {**function.keywords, **keywords}
        function = function.func
    if not callable(function) or not hasattr(function, "__qualname__"):
        raise ValueError(f"A step is a function of (y, sr), not {step!r}; bind its parameters with functools.partial.")
    name = function.__name__
    if inspect.ismethod(function):
        raise ValueError(f"{name} is a method, and its object may change unseen: write a function whose parameters are "
                         "bound with functools.partial.")
    if arguments:
        raise ValueError(f"Bind the parameters of {name} by name: partial({name}, parameter=value).")
    if getattr(function, "__closure__", None):
        free = ", ".join(function.__code__.co_freevars)
        raise ValueError(f"{name} uses values from the function around it ({free}), which may change unseen: make them "
                         "parameters, bound with functools.partial.")
    ours = (function.__module__ or "").startswith("audiolab.")
    defaults = [] if ours else [getattr(function, "__defaults__", None), getattr(function, "__kwdefaults__", None)]
    values, unset = _as_text(keywords), _as_text(defaults)
    if values is None or unset is None:
        raise ValueError(f"The parameters of {name} are numbers, texts or lists of them, not "
                         f"{keywords if values is None else defaults}.")
    says = ", ".join(f"{key}={value}" for key, value in sorted(keywords.items()))
    says = f"{name}({says})" if says else name
    known_by = [] if ours else [unset, *_known_by(function)]
    return says, [f"{function.__module__}.{function.__qualname__}", values, known_by]


def _as_text(value):
    """A plain value (numbers, texts, lists and dicts of them) as JSON; None for any other."""
    try:
        return json.dumps(value, sort_keys=True, default=lambda number: number.item())
    except (TypeError, ValueError, AttributeError):
        return None


def _known_by(function):
    """What tells a function from another of its name: source or compiled code, and the plain globals it reads."""
    if not inspect.isfunction(function):                                        # not written in Python
        return []
    values = {key: _as_text(value) for key, value in sorted(inspect.getclosurevars(function).globals.items())}
    plain = {key: text for key, text in values.items() if text is not None}
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):                                                # typed at a prompt
        source = ""
    alone = source and function.__name__ != "<lambda>"                          # several may share one line
    return [source, [] if alone else _compiled(function.__code__), plain]


def _compiled(code):
    """What a piece of compiled code does, with the functions in it; file and line do not count."""
    def text(constant):
        if inspect.iscode(constant):
            return _compiled(constant)
        return sorted(map(repr, constant)) if isinstance(constant, frozenset) else repr(constant)

    return [code.co_code.hex(), list(code.co_names), [text(constant) for constant in code.co_consts]]
