"""What a learner calls: `check`, `hint`, `solution`, `reset`, `progress`, and `start`."""

import re
import sys
import textwrap
import time
from pathlib import Path

from . import learner, spec, store
from .report import CheckFailed, Note, Outcome, Source

SEED = 7


def check(exercise, answer, *, strict=False, record=True, seed=SEED):
    """Judge an answer, and say in plain words what is right, what is not, and why.

    The answer runs in a process of its own, which is ended when a call takes too long.

    Parameters
    ----------
    exercise : str
        ``"01.3"``.
    answer : object
        The function itself, without parentheses, or the value asked for.
    strict : bool
        Raise instead of returning when the answer does not pass (for nbgrader and pytest).
    record : bool
        Count it as an attempt, which opens the solution.
    seed : int
        Of the random signals; a message names the one that it came from.

    Returns
    -------
    Outcome
        Shows itself as the last line of a cell; true when the answer passed.

    Raises
    ------
    CheckFailed
        If `strict` and the answer did not pass.
    ExerciseError
        If `strict` and there is no such exercise.

    Taught in: notebooks/00_start_here.ipynb, "How does an exercise work?"
    """
    from . import stages

    try:
        one = spec.find(exercise)
    except spec.ExerciseError as error:
        if strict:
            raise
        return Note(str(error), refused=True)
    outcome = judge(one, stages.judge, answer, seed=seed)
    if record:
        _recorded(outcome)
    if strict and not outcome:
        raise CheckFailed(outcome.text)
    return outcome


def check_notebook(which, notebook=None, *, seed=SEED):
    """Judge the answers in a notebook on disk, as ``audiolab check 01`` does.

    Parameters
    ----------
    which : str
        A chapter, ``"01"``, or an exercise, ``"01.3"``.
    notebook : path, optional
        Instead of the learner's copy in ``work/``, and without counting as progress: a class's work, say.

    Yields
    ------
    Outcome
        One per exercise, as it is done.

    Raises
    ------
    ExerciseError
        If there is no such chapter, exercise or notebook.
    """
    chapter = which.partition(".")[0]
    chosen = [spec.find(which)] if "." in which else list(spec.exercises(chapter).values())
    cells = learner.cells(Path(notebook) if notebook else learner.copy_of(chapter))
    for exercise in chosen:
        try:
            needed = learner.needed(cells, exercise.id)
        except spec.ExerciseError as error:
            yield Outcome(exercise.id, exercise.name, "failed", "attempted", str(error), seed=seed)
            continue
        outcome = judge(exercise, learner.judge_cells, *needed, seed=seed)
        yield outcome if notebook else _recorded(outcome)


def _recorded(outcome):
    """Remember an outcome; a full disk or a read-only folder costs the tick, not the answer."""
    _remembering(store.record, outcome.id, outcome.state)
    outcome.counted = True
    return outcome


def judge(exercise, job, *answer, seed, seconds=None):
    """Run a judgement in the worker, and put into words what can go wrong on the way.

    Parameters
    ----------
    exercise : Exercise
    job : callable
        `stages.judge` or `learner.judge_cells`.
    *answer : object
        What the job is to judge: an answer, or the cells that make one.
    seed : int
    seconds : float, optional
        Instead of the exercise's own limit for one call.

    Returns
    -------
    Outcome
    """
    from . import worker

    def stopped_at(stage, says, ask="", place=None):
        passed = ("output",) if stage not in ("attempted", "runs") else ()
        return Outcome(
            exercise.id, exercise.name, "failed", stage, says, ask=ask, seed=seed, place=place, passed=passed
        )

    def broken(what):
        return Outcome(exercise.id, exercise.name, "error", "worker", what, seed=seed)

    seconds = seconds or exercise.seconds
    try:
        return worker.run(job, exercise, *answer, seed, seconds=seconds)
    except worker.Unsendable as error:
        what = f"It uses something that cannot be copied into the process where answers run{_culprit(answer[0])}"
        says = f"{what} ({error})."
        return stopped_at("runs", says, "Could it come in as an argument, or be made inside the function?")
    except worker.Stopped as stopped:
        if not stopped.stage:
            return broken(f"the process in which answers run {WHY[stopped.why]}")
        who = f"For {stopped.case}, it" if stopped.case else "It"
        if stopped.why == "time":
            ask = "Is there a loop whose end is never reached, or work that could be done for all samples at once?"
            says = f"{who} had not finished after {seconds:g} s, and was stopped."
            return stopped_at(stopped.stage, says, ask, stopped.place)
        return stopped_at(
            stopped.stage,
            f"{who} ended the Python process that it ran in: by `os._exit`, by a crash inside a library, "
            "or by asking for more memory than there is.",
        )
    except Exception as error:
        return broken(f"{type(error).__name__}: {error}")


WHY = {"time": "did not get ready in time", "died": "ended by itself"}


def _culprit(answer):
    """Names the global of a function that cannot be sent, if one can be found."""
    from . import worker

    for name in getattr(getattr(answer, "__code__", None), "co_names", ()):
        if name in answer.__globals__:
            try:
                worker.pack((answer.__globals__[name],))
            except Exception:
                return f": `{name}`"
    return ""


def hint(exercise):
    """The next hint of an exercise; when all were shown, all of them.

    Taught in: notebooks/00_start_here.ipynb, "How does an exercise work?"
    """
    try:
        one = spec.find(exercise)
    except spec.ExerciseError as error:
        return Note(str(error), refused=True)
    total = len(one.hints)
    number = _remembering(store.next_hint, one.id, total, otherwise=1)
    if number > total:
        after = f'All {total} were shown. `al.solution("{one.id}")` shows ours, once you have tried.'
        return Note(f"{one.id} {one.name} — all hints", [f"{i}. {text}" for i, text in enumerate(one.hints, 1)], after)
    more = f'`al.hint("{one.id}")` again for the next.' if number < total else "That was the last."
    return Note(f"{one.id} {one.name} — hint {number} of {total}", [one.hints[number - 1]], more)


def _remembering(function, *args, otherwise=None):
    """Call a function of the store; what cannot be written is not remembered."""
    try:
        return function(*args)
    except OSError:
        return otherwise


def solution(exercise):
    """Our solution of an exercise, once it was attempted.

    Taught in: notebooks/00_start_here.ipynb, "How does an exercise work?"
    """
    try:
        one = spec.find(exercise)
        if not store.entry(one.id).get("attempts"):
            return Note(
                f"{one.id} {one.name} — not yet.",
                ["It opens once an answer of yours was checked, right or wrong: read first, it teaches little."],
                f'`al.hint("{one.id}")`',
                refused=True,
            )
        chapter = one.id.partition(".")[0]
        _, answers = learner.needed(learner.cells(learner.solutions(chapter)), one.id)
    except (spec.ExerciseError, OSError) as error:
        return Note(str(error), refused=True)
    code = "\n\n".join(between_marks(cell.source) for cell in answers if learner.tag(one.id) in cell.tags)
    after = "Yours may differ and be as right: the check is the judge."
    return Source(f"{one.id} {one.name} — one way to do it", [code, after])


def between_marks(source):
    """A solution cell as it is read: the marks are gone, the lines between them and around them stay."""
    lines = [line for line in source.split("\n") if not re.match(r"\s*# (BEGIN|END) SOLUTION\s*$", line)]
    return textwrap.dedent("\n".join(lines)).strip("\n")


def reset(which):
    """Put an exercise's cell (``"01.3"``) or a whole notebook (``"01"``) back as it was, keeping a backup.

    In a notebook it asks to be saved first, since what is only on the screen is in no backup.

    Taught in: notebooks/00_start_here.ipynb, "How does an exercise work?"
    """
    chapter = str(which).partition(".")[0]
    if _only_on_screen(chapter):
        return Note("First save the notebook (Ctrl+S or Cmd+S), then run this again within a minute.", [
            "Resetting changes the file; what is only on the screen would be lost."], refused=True)
    try:
        ids = [spec.find(which).id] if "." in which else list(spec.exercises(chapter))
        kept = learner.restore(chapter, which if "." in which else None)
    except (spec.ExerciseError, OSError) as error:
        return Note(str(error), refused=True)
    _remembering(store.forget_hints, ids)
    name = learner.copy_of(chapter).name
    what = f"the cell of {which} in {name} is" if "." in which else f"{name} is"
    return Note(
        f"Reset: {what} as it was.",
        [f"What you had is in work/backups/{kept.name}." if kept else "",
         "If the notebook is open, choose File → Reload Notebook from Disk before going on, and do not save it first."],
    )


def _only_on_screen(chapter, seconds=60):
    """Whether this is a notebook, and the copy on disk was not saved just now."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    try:
        saved = learner.copy_of(chapter).stat().st_mtime
    except (spec.ExerciseError, OSError):       # nothing to lose, or no such chapter: said further on
        return False
    return hasattr(shell, "kernel") and time.time() - saved > seconds


def start():
    """Put the chapters and exercises into ``work/``: new ones, and newer ones in place of copies never edited.

    Returns
    -------
    Note
        What was done. An edited copy is never touched.
    """
    try:
        done = learner.place()
    except (spec.ExerciseError, OSError) as error:
        return Note(f"The notebooks could not be put into work/: {error}", refused=True)
    words = {
        "new": "new", "newer": "newer than your untouched copy, replaced",
        "kept": "yours is edited and stays; the course has a newer one, which comes when you move yours away",
    }
    lines = [f"{name}: {words[kind]}" for kind, names in done.items() for name in names]
    return Note("Your chapters and exercises are in work/.", lines or ["Nothing new."])
