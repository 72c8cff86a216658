"""Who does what when: the order of the stages, what is done already, and what an error leaves behind."""

import contextlib
import errno
import shutil
import time

import numpy as np

from .. import metrics, paths
from ..corpus import read_table
from . import report, stages
from .config import PlanError, load
from .results import Result, opened
from .stages import STAGES, keys
from .team import Team, device

_KEPT = "What was finished is kept."
_WRITING = {getattr(errno, name, None) for name in (            # Windows has no quota
    "ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS", "EFBIG", "EIO")} - {None}


class Report(dict):
    """The results of a run, by stage; printed, it is the report card.

    Attributes
    ----------
    plan : Plan
    missing : tuple of str
        Stages that are not done.

    Taught in: notebooks/15_capstone.ipynb, "What is the plan?"
    """

    def __init__(self, plan, results):
        super().__init__(results)
        self.plan, self.missing = plan, tuple(name for name in STAGES if name not in results)

    @property
    def ok(self):
        """Whether all grades of all stages hold, times left aside."""
        return all(result.ok for result in self.values())

    def __str__(self):
        return report.card(self)

    __repr__ = __str__


def folder(plan):
    """Where a run keeps everything: ``data/runs/pipeline/<name>``."""
    return paths.data("runs", "pipeline", plan.name)


def run(source=None, until=None, say=None):
    """Go through the stages of a plan; what is done already is taken as it is.

    Cut off at any moment, the next call goes on: with the stages that are not finished, within training with the
    folds, and within a fold with the epoch after the last. Other settings make other folders beside those that are
    there, and a stage is done anew only if a setting that it reads, or a stage that it needs, has changed.

    Parameters
    ----------
    source : str, os.PathLike, dict or Plan, optional
        As `load` takes it.
    until : str, optional
        The last stage to do: ``"split"``. All when not given.
    say : callable, optional
        ``say(line)`` is told of each stage as it is done.

    Returns
    -------
    Report
        By stage a `Result`. Beside them lies ``report.html``.

    Raises
    ------
    PlanError
        If the plan cannot be followed: what is wrong, in a line. What was finished before stays.
    CorpusError, AudioError, TrainingError
        As the stages raise them.

    Examples
    --------
    >>> done = run("plan.yaml", until="split")                          # doctest: +SKIP
    >>> done["split"].verify()                                          # doctest: +SKIP

    Taught in: notebooks/15_capstone.ipynb, "What is the plan?"
    """
    plan = load(source)
    if until is not None and until not in STAGES:
        raise PlanError(f"There is no stage {until!r}. There are {', '.join(STAGES)}.")
    names = list(STAGES)[: 1 + list(STAGES).index(until)] if until else list(STAGES)
    done = {}
    team = Team()
    with device(plan.device), _alone(plan, team), _in_words(plan):
        known = team.once(lambda: keys(plan))
        for name in names:
            done[name] = _stage(STAGES[name], plan, done, known[name], team)
            if say and team.lead:
                say(report.line(done[name]))
        everything = Report(plan, _found(plan, known) | done)
        team.once(lambda: report.write(everything, folder(plan) / "report.html"))
    return Report(plan, done)


def shown(source=None):
    """What is done of a plan, without doing anything.

    Parameters
    ----------
    source : str, os.PathLike, dict or Plan, optional
        As `load` takes it.

    Returns
    -------
    Report

    Raises
    ------
    PlanError
        As `load`.

    Taught in: notebooks/15_capstone.ipynb, "What if it is cut off?"
    """
    plan = load(source)
    return Report(plan, _found(plan, keys(plan)))


def compared(one, other):
    """What a change has brought: two finished runs about the same clips, with interval and test.

    Parameters
    ----------
    one, other : str, os.PathLike, dict or Plan
        As `load` takes it: before and after the change.

    Returns
    -------
    gain : float
        Macro-F1 of the other, less that of the one.
    low, high : float
        Its interval, by drawing groups.
    p : float
        Of McNemar's test, which knows no groups.

    Raises
    ------
    PlanError
        If one is not done as far as `evaluate`, or their clips differ.

    Taught in: notebooks/15_capstone.ipynb, "Your turn"
    """
    done = shown(one), shown(other)
    for found in done:
        if {"split", "evaluate"} & set(found.missing):
            raise PlanError(f"The run {found.plan.name!r} is not done: audiolab pipeline run comes first.")
    tables = [read_table(found["split"].folder / "folds.csv") for found in done]
    clips = [(stages.clips_content(found["collect"]), table[["path", "label"]].to_numpy().tolist())
             for found, table in zip(done, tables, strict=True)]
    if clips[0] != clips[1]:
        raise PlanError("The two runs are about other clips, which makes no pairs: compare their two intervals.")
    said = [np.array(found["denoise"]["labels"])[np.argmax(found["train"]["said"], axis=1)] for found in done]
    truth = tables[0].label.to_numpy(str)
    low, high = metrics.bootstrap(stages.gained, truth, *said, groups=tables[0].group.to_numpy(str))
    return stages.gained(truth, *said), low, high, metrics.mcnemar(truth, *said)


def clear(source=None):
    """Remove what runs of this name have kept, ``limits.txt`` with it, and nothing else.

    Returns
    -------
    pathlib.Path
        The folder that is gone.

    Raises
    ------
    PlanError
        As `load`, or if there is no such folder, it cannot be removed, or a run is at work in it.

    Taught in: notebooks/15_capstone.ipynb, "What if it is cut off?"
    """
    plan = load(source)
    gone = folder(plan)
    if not gone.is_dir():
        raise PlanError(f"There is nothing to remove: no run is called {plan.name!r} here.")
    with _alone(plan, Team()), _in_words(plan):
        shutil.rmtree(gone)
    return gone


def _found(plan, known):
    """The results that are there, by stage, in their order."""
    found = {}
    for name, key in known.items():
        if set(STAGES[name].needs) <= set(found):
            result = opened(_home(plan, name, key), key, _took(STAGES[name], found))
            found |= {name: result} if result else {}
    return found


def _took(stage, done):
    """What stands for all that a stage reads: where that was measured anew and came out otherwise, so is the stage."""
    return {name: done[name].known_by for name in stage.needs}


def _home(plan, name, key):
    return folder(plan) / f"{1 + list(STAGES).index(name):02}-{name}-{key[:8]}"


def _stage(stage, plan, done, key, team):
    """The result of a stage: as it was kept, or done now."""
    home, took = _home(plan, stage.name, key), _took(stage, done)

    def alone():
        if found := opened(home, key, took):
            return found
        home.mkdir(parents=True, exist_ok=True)
        return None if stage.together else _done(stage, plan, done, Result(stage.name, key, home, took=took),
                                                 Team.alone())

    if found := team.once(alone):
        return found
    out = _done(stage, plan, done, Result(stage.name, key, home, took=took), team)
    return team.once(lambda: out)


def _done(stage, plan, done, out, team):
    begin = time.perf_counter()
    stage.work(plan, done, out, team)
    out.seconds = round(time.perf_counter() - begin, 2)
    if team.lead:
        out.save()
    return out


@contextlib.contextmanager
def _alone(plan, team):
    """One run of a name at a time; the right to it falls to the next also when this one is killed."""
    import filelock

    def take():
        with _in_words(plan):
            folder(plan).parent.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(folder(plan).parent / f".{plan.name}.lock")
            try:
                lock.acquire(timeout=0)
            except filelock.Timeout:
                raise PlanError(f"Another run called {plan.name!r} is at work: wait for it, or give this one another "
                                "name.") from None
        held.append(lock)

    held = []
    team.once(take)
    try:
        yield
    finally:
        for lock in held:
            lock.release()


@contextlib.contextmanager
def _in_words(plan):
    """Say in a line what the disk refused, which file is gone, or that nobody answers any more."""
    try:
        yield
    except FileNotFoundError as error:
        raise PlanError(f"{str(error.filename or error)!r} is not there any more: put it back, and call again. {_KEPT}"
                        ) from error
    except OSError as error:
        if error.errno in _WRITING:
            file = str(error.filename or folder(plan))
            raise PlanError(f"{file!r} cannot be written ({error.strerror}): make room, or check its permissions, and "
                            f"call again. {_KEPT}") from error
        if isinstance(error, ConnectionError) or type(error).__module__.startswith("distributed"):
            raise PlanError(f"The connection to other processes is lost ({error}): see whether they run, and call "
                            f"again. {_KEPT}") from error
        raise
    except RuntimeError as error:                               # what torch.save makes of a full disk
        if "PytorchStreamWriter" not in str(error) and "inline_container" not in str(error):
            raise
        raise PlanError(f"{str(folder(plan))!r} cannot be written (is the disk full?): make room, and call again. "
                        f"{_KEPT}") from error
