"""The stages that an answer goes through, and the trial object that the checks are written with.

Runs in the worker process, beside the answer. An `Outcome` is all that comes back.
"""

import copy
import inspect
import linecache
import os
import random
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .report import Outcome
from .spec import STAGES

LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
PACKAGE = str(Path(__file__).parents[1]) + os.sep

#: What an error most often means, said beside Python's own words.
MEANING = {
    NameError: "A name is used there that means nothing yet: is it spelled so, and was the cell that makes it run?",
    IndexError: "It reaches past the end of something.",
    ZeroDivisionError: "Something is divided by zero there.",
    RecursionError: "It calls itself and never stops.",
    MemoryError: "It asked for more memory than an answer may have.",
    EOFError: "It waits for someone to type; an answer gets all that it needs as arguments.",
    SystemExit: "It ends the whole program, where a `return` would end only the function.",
    NotImplementedError: "This part is still to be written.",
}
UNDEFINED = "Where could there be a division by zero, a logarithm of zero, or 0 times infinity?"


class Wrong(Exception):
    """An answer is wrong: the words, a question, two arrays to draw, the error behind it.

    `values` tells whether the values are what is wrong, so that a known mistake may explain them.
    """

    def __init__(self, says, ask=None, show=None, error=None, values=True):
        super().__init__(says)
        self.says, self.ask, self.show, self.error = says, ask, show, error
        self.values = values and error is None


class Idle(Exception):
    """A stage function compared nothing: a fault of the check, not of the answer."""


@dataclass
class Call:
    """What was called last, and with what."""

    name: str
    args: tuple
    kwargs: dict


class Trial:
    """What a check function sees: calls the answer on copies, compares, counts the comparisons.

    Attributes
    ----------
    rng : np.random.Generator
        Seeded anew for every check function, so that they do not depend on one another's order.
    seed : int
    """

    def __init__(self, exercise, answer, seed, note):
        self.exercise, self.answer, self.seed, self._note = exercise, answer, seed, note
        self.first = self.last = self.failure = None      # what the example gave; the last call; why it failed
        self.begin("attempted", _attempted)

    def begin(self, stage, function):
        """Enter a stage function: new random numbers, no case named, nothing called or compared yet."""
        self.stage, self.function, self.case, self._named = stage, function, "", False
        self.results, self.comparisons = [], 0
        self.rng = np.random.default_rng(self.seed)

    def on(self, case):
        """Name the case of the next call for the message, as in ``t.on("silence")(y)``. Returns the trial."""
        self.case, self._named = case, True
        return self

    # -- calling ---------------------------------------------------------------------------------

    def __call__(self, *args, **kwargs):
        """Call the answer, and hold what it gives to the exercise's contract."""
        if self.exercise.is_value:
            got = self.answer
        else:
            got = self.call(self.answer, *args, **kwargs)
        counted = self.comparisons
        self.contract(got, *args, **kwargs)
        if self.stage != "edges":          # there the contract is the point; elsewhere it comes on top
            self.comparisons = counted
        return got

    def contract(self, got, *args, **kwargs):
        """Hold a result to the functions of the output stage."""
        for function in self.exercise.stages["output"]:
            function(self, got, *args, **kwargs)

    def call(self, function, *args, **kwargs):
        """Call anything of the learner's: on copies, timed, its errors turned into words."""
        name = self.exercise.name if function is self.answer else getattr(function, "__name__", "its result")
        self.last = Call(name, args, kwargs)
        if not self._named:
            self.case = ""
        self._named = False
        given, named = copy.deepcopy((args, kwargs))
        self._note(self.stage, self.case)
        try:
            got = function(*given, **named)
        except BaseException as error:     # SystemExit too: it must not end the worker
            raise Wrong(self._say(f"it stopped with {describe(error)}"), error=error) from None
        finally:
            self._note(None, None)
        changed = [name for name, was, now in self._arguments(args, kwargs, given, named) if not same(was, now)]
        if changed:
            raise Wrong(
                self._say(f"it changes its argument `{changed[0]}`: whoever called it finds their signal altered."),
                ask="Which line writes into what was handed in, and what would work on a copy?",
                values=False,
            )
        self.results.append(got)
        return got

    def _arguments(self, args, kwargs, given, named):
        """Triples of name, value handed in, value afterwards."""
        names = [*self.exercise.parameters.parameters, *(f"argument {i + 1}" for i in range(len(args)))]
        yield from zip(names, args, given, strict=False)
        yield from ((name, kwargs[name], named[name]) for name in kwargs)

    def _say(self, words, says=""):
        """A sentence about the case at hand, or after what the check says about it."""
        sentence = words[0].upper() + words[1:]
        if says:
            return f"{says} {sentence}"
        return f"For {self.case}, {words}" if self.case else sentence

    # -- comparing -------------------------------------------------------------------------------

    def holds(self, condition, says, ask=None, show=None, values=True):
        """Fail with `says` unless `condition`; `show` is (yours, expected) for the picture.

        With ``values=False`` the condition is about something else than what the answer gave: a warning, a name used.
        """
        self.comparisons += 1
        if not condition:
            raise Wrong(says, ask, show, values=values)

    def close(self, got, want, atol=0.0, rtol=0.0, says="", ask=None, show=None):
        """Fail unless `got` is within ``atol + rtol * abs(want)`` of `want` everywhere, shapes equal."""
        self.comparisons += 1
        a, b = as_array(got), as_array(want)
        if a.shape != b.shape:
            raise Wrong(self._say(f"the shape is **{shape(a)}**, expected **{shape(b)}**.", says), ask, show)
        error, allowed = difference(a, b), tolerance(b, atol, rtol)
        if not np.any(error > allowed):
            return
        worst = np.unravel_index(np.argmax(np.where(error > allowed, error, -1)), a.shape)
        numbers = f"you have **{value(a[worst])}**, expected **{value(b[worst])}**"
        if a.ndim:
            size = f"the largest error is **{value(error[worst])}**" if np.isfinite(error[worst]) else "it differs most"
            place = ", ".join(str(i) for i in worst)
            numbers = f"{size}, at index {place if a.ndim == 1 else f'[{place}]'}: {numbers}"
        limit = f" (up to {value(allowed[worst])} apart is allowed)" if allowed[worst] else ""
        raise Wrong(self._say(f"{numbers}{limit}.", says), ask, show or (a, b))

    def array(self, got, shape=None, dtype=None, finite=True):
        """Fail unless `got` is an array (or a tensor) of this shape and type, without NaN or infinity."""
        self.comparisons += 1
        if not isinstance(got, np.ndarray) and not hasattr(got, "detach"):
            self._wrong_kind(got, "an array")
        got = as_array(got)
        if shape is not None and got.shape != tuple(shape):
            words = f"the shape of your output is **{_shape(got.shape)}**, expected **{_shape(shape)}**."
            raise Wrong(self._say(words))
        if dtype is not None and not np.issubdtype(got.dtype, dtype):
            wanted = "a float type" if dtype is np.floating else np.dtype(dtype).name
            raise Wrong(
                self._say(f"the type of your output is **{got.dtype}**, expected **{wanted}**."),
                ask="Which operation made it so: what type do its operands have?",
                values=False,
            )
        if finite and got.dtype.kind in "fc":
            for word, bad in (("NaN", np.isnan(got)), ("infinite values", np.isinf(got))):
                if bad.any():
                    first = ", ".join(str(i) for i in np.argwhere(bad)[0])
                    words = f"{bad.size} values of your output hold **{bad.sum()}** {word}, the first at index {first}."
                    raise Wrong(self._say(f"the {words}"), ask=UNDEFINED)

    def number(self, got, finite=True):
        """Fail unless `got` is one real number; NaN never passes, infinity with ``finite=False``."""
        self.comparisons += 1
        if np.ndim(as_array(got)) or as_array(got).dtype.kind not in "iuf":
            self._wrong_kind(got, "one number")
        if np.isnan(got) or (finite and np.isinf(got)):
            raise Wrong(self._say(f"you return **{value(got)}**, expected a number."), ask=UNDEFINED)

    def _wrong_kind(self, got, wanted):
        if got is None:
            words, ask = f"it returns **None**, expected {wanted}.", "What does its last line hand back?"
        else:
            what = f"an array of shape {shape(got)}" if isinstance(got, np.ndarray) else f"of type {type(got).__name__}"
            words, ask = f"you return **{what}**, expected **{wanted}**.", None
        raise Wrong(self._say(words), ask, values=False)


# -- values ---------------------------------------------------------------------------------------


def as_array(thing):
    """A NumPy array of a number, list, array or tensor; of anything else, a single object."""
    try:
        return np.asarray(thing.detach().cpu() if hasattr(thing, "detach") else thing)
    except Exception:           # a ragged list, or an object that has its own idea of an array
        alone = np.empty((), object)
        alone[()] = thing
        return alone


def difference(a, b):
    """Absolute difference of two arrays of one shape: 0 where equal (infinity, NaN too), inf where not comparable."""
    if a.dtype.kind not in "biufc" or b.dtype.kind not in "biufc":
        return np.where(a == b, 0.0, np.inf)
    wide = complex if "c" in (a.dtype.kind, b.dtype.kind) else float      # unsigned integers would wrap
    a, b = a.astype(wide), b.astype(wide)
    with np.errstate(invalid="ignore"):
        error = np.abs(a - b)
    equal = (a == b) | (np.isnan(a) & np.isnan(b))
    return np.where(equal, 0.0, np.where(np.isnan(error), np.inf, error))


def tolerance(want, atol, rtol):
    """What may lie between an array and `want`, value by value: nothing where `want` is infinite or NaN."""
    if want.dtype.kind not in "biufc":
        return np.zeros(want.shape)
    return np.where(np.isfinite(want), atol + rtol * np.abs(np.where(np.isfinite(want), want, 0.0)), 0.0)


def same(a, b):
    """Whether two arguments are equal all through, as far as can be told: a generator changes by being used."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(*pair) for pair in zip(a, b, strict=True))
    a, b = as_array(a), as_array(b)
    if a.dtype.kind == "O":
        return True
    return a.shape == b.shape and a.dtype == b.dtype and not np.any(difference(a, b))


def value(x):
    """A number as a message shows it: six figures at most; anything else by its repr, cut short."""
    if isinstance(x, int | float | complex | np.number):
        return f"{x:.6g}"
    return repr(x.item() if isinstance(x, np.generic) else x)[:60]


def shape(array):
    """Shape of an array as the course writes it: ``[2, 100]``; a number's is ``[] (one number)``."""
    return _shape(np.shape(array))


def _shape(sizes):
    return f"[{', '.join(str(n) for n in sizes)}]" if len(sizes) else "[] (one number)"


def outline(args, kwargs):
    """Arguments in words: ``float32 [1000], 3``."""

    def one(x):
        if isinstance(x, np.ndarray) or hasattr(x, "detach"):
            return f"{as_array(x).dtype} {shape(as_array(x))}"
        return type(x).__name__ if isinstance(x, np.random.Generator) or "\n" in repr(x) else value(x)

    return ", ".join([*map(one, args), *(f"{name}={one(x)}" for name, x in kwargs.items())])


# -- errors ---------------------------------------------------------------------------------------


def is_theirs(filename):
    """Whether code of this file was written by the learner: not a library's and not the course's."""
    return not filename.startswith((*LIBRARIES, PACKAGE, "<frozen", "<__array"))


def place(error):
    """Where an error arose in the learner's code, innermost: file, line, its text if known here; None if nowhere."""
    if isinstance(error, SyntaxError) and error.filename and is_theirs(error.filename):
        return error.filename, error.lineno, (error.text or "").strip()
    found, frame = None, error.__traceback__
    while frame:
        if is_theirs(frame.tb_frame.f_code.co_filename):
            found = frame.tb_frame.f_code.co_filename, frame.tb_lineno
        frame = frame.tb_next
    return found and (*found, linecache.getline(*found).strip())


def describe(error):
    """An error in words: its type, what it says, what that often means."""
    says = str(error.msg if isinstance(error, SyntaxError) else error).strip()
    says = f"{says[:200]}…" if len(says) > 200 else says.rstrip(".")
    meaning = next((words for kind, words in MEANING.items() if isinstance(error, kind)), "")
    return f"**{type(error).__name__}**{': ' + says if says else ''}. {meaning}".strip()


# -- the judgement --------------------------------------------------------------------------------


def judge(exercise, answer, seed, note):
    """Take an answer through the stages, and stop at the first that it does not pass.

    Parameters
    ----------
    exercise : Exercise
    answer : object
    seed : int
    note : callable
        ``note(stage, case)`` before each call of the answer and ``note(None, None)`` after it: what
        the process that holds the clock needs to know.

    Returns
    -------
    Outcome
    """
    t = Trial(exercise, answer, seed, note)
    random.seed(seed)
    np.random.seed(seed)        # for answers that draw from the global generators
    total, passed = 0, []
    try:
        for stage in STAGES:
            functions = FIRST.get(stage) or exercise.stages[stage]
            for function in functions:
                t.begin(stage, function)
                function(t)
                if not t.comparisons:
                    raise Idle(f"{function.__name__} ({stage}) compared nothing")
                total += t.comparisons
            if functions:
                passed.append(stage)
    except Wrong as wrong:
        return _failed(t, wrong, passed)
    except Exception as error:             # raised by the check's own lines
        return Outcome(exercise.id, exercise.name, "error", t.stage, f"{type(error).__name__}: {error}", seed=seed)
    return Outcome(
        exercise.id, exercise.name, "passed", says=exercise.learned, seed=seed,
        comparisons=total, passed=tuple(passed),
    )


def _attempted(t):
    """An answer that is still the stub is not wrong. The call is kept: a loop without end is met once."""
    t.comparisons += 1
    if t.exercise.is_value or not callable(t.answer):
        t.first = t.answer
        if t.answer is Ellipsis:
            raise Wrong("", error=NotImplementedError())
        return
    t.stage = "runs"
    try:
        t.first = t.call(t.answer, *t.exercise.example())
    except Wrong as wrong:
        t.failure = wrong
        if isinstance(wrong.error, NotImplementedError):
            raise


def _signature(t):
    """The answer is the kind of thing asked for, and can be called in the ways that the task says."""
    exercise = t.exercise
    t.holds(
        callable(t.answer) != exercise.is_value,
        f"`{exercise.name}` should be a {'value' if exercise.is_value else 'function'}; "
        f"you handed over {'a function' if exercise.is_value else f'something of type {type(t.answer).__name__}'}.",
        ask="Is the function meant to be called here?" if exercise.is_value
        else "Do the parentheses after the name belong there? `check` takes the function itself.",
    )
    if exercise.is_value:
        return
    try:
        theirs = inspect.signature(t.answer)
    except ValueError:          # some compiled functions do not tell; the calls will show
        return
    every = exercise.parameters.parameters.values()
    required = [one.name for one in every if one.default is one.empty]
    optional = {one.name: one.default for one in every if one.default is not one.empty}
    for named in ({}, optional):
        try:
            theirs.bind(*required, **named)
        except TypeError as error:
            raise Wrong(
                f"It will be called as `{exercise.signature}`, yours is `{exercise.name}{theirs}`: {error}.",
                ask="Which parameters does the task name, and in which order?",
            ) from None


def _runs(t):
    """The example was run to its end, in time, and its arguments are as they were."""
    t.comparisons += 1
    if t.failure:
        raise t.failure


def _output(t):
    """The contract, held to what the example gave."""
    t.contract(t.first, *t.exercise.example())


#: The stages that are the same for every exercise; the contract is run by `_output`.
FIRST = {"attempted": [_attempted], "signature": [_signature], "runs": [_runs], "output": [_output]}


def _failed(t, wrong, passed):
    """The outcome for a wrong answer: named, when it does what a known mistake does."""
    if isinstance(wrong.error, NotImplementedError) and t.stage in ("attempted", "runs", "output"):
        return Outcome(t.exercise.id, t.exercise.name, "unattempted", seed=t.seed)
    named, ask = "", wrong.ask
    if t.stage in ("output", "edges", "properties", "reference") and wrong.values:
        named, ask = _known_mistake(t) or ("", wrong.ask)
    return Outcome(
        t.exercise.id, t.exercise.name, "failed", t.stage, wrong.says,
        named=named, ask=ask or wrong.ask, seed=t.seed, passed=tuple(passed),
        asked=f"{t.last.name}({outline(t.last.args, t.last.kwargs)})" if t.last else "",
        returned=_kind(t.first),
        place=place(wrong.error) if wrong.error else None,
        picture=excerpt(*wrong.show) if wrong.show else None,
    )


def _known_mistake(t):
    """Words and question of the mistake that gives what the answer gave, and is rejected by the same comparison.

    What it gave is not enough: where a mistake does no harm, the right answer gives the same.
    """
    for words, ask, function in t.exercise.mistakes:
        twin = Trial(t.exercise, function() if t.exercise.is_value else function, t.seed, lambda *_: None)
        try:
            with np.errstate(all="ignore"):
                _attempted(twin)
                if _agree(twin.first, t.first):
                    twin.begin(t.stage, t.function)
                    t.function(twin)
        except Wrong:
            pairs = zip(twin.results, t.results, strict=False)
            if twin.comparisons == t.comparisons and all(_agree(*pair) for pair in pairs):
                return words, ask
        except Exception:       # a mistake need not run on every input
            continue
    return None


def _agree(a, b):
    """Whether two results are the same up to rounding; of several results, each."""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_agree, a, b))
    a, b = as_array(a), as_array(b)
    return a.shape == b.shape and not np.any(difference(a, b) > tolerance(b, 1e-8, 1e-5))


def _kind(result):
    return "array" if np.ndim(as_array(result)) else "number"


def excerpt(got, want, width=240):
    """The part of two arrays that shows how they differ, small enough to draw.

    Returns
    -------
    tuple of (np.ndarray, np.ndarray, int)
        Yours, expected, index of the first value; None for what has no picture.
    """
    got, want = as_array(got), as_array(want)
    if got.ndim != want.ndim or got.ndim not in (1, 2) or min(got.size, want.size) < 2:
        return None
    if any(x.dtype.kind not in "biufc" for x in (got, want)):
        return None
    if got.ndim == 2:
        return got[:400, :400], want[:400, :400], 0
    n = min(len(got), len(want))
    start = max(0, int(np.argmax(difference(got[:n], want[:n]))) - width // 2) if n > width else 0
    return got[start : start + width], want[start : start + width], start
