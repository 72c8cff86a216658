"""What an exercise is: its task's signature, its hints, and the stages that judge an answer."""

import importlib
import inspect
import pkgutil

import numpy as np

#: In this order; an answer stops at the first that it does not pass.
STAGES = ("attempted", "signature", "runs", "output", "edges", "properties", "reference")


class ExerciseError(LookupError):
    """No such exercise, chapter or notebook: one line that says what there is instead."""


class Exercise:
    """One exercise, declared at module level in ``cNN_topic.py``.

    Parameters
    ----------
    id : str
        ``"01.3"``: chapter, point, number.
    signature : str
        What the answer must accept, as in ``"quantize(y, bits, dither=None)"``. A name without
        parentheses asks for a value instead of a function.
    example : callable
        Returns the arguments of the example that the notebook shows, as a tuple. New ones at each
        call, and such that the known mistakes differ there from the right answer.
    hints : list of str
        From a nudge to nearly there.
    learned : str
        One sentence shown when the answer is right.
    seconds : float
        Limit for one call of the answer.

    The stages ``output``, ``edges``, ``properties`` and ``reference`` are functions of the trial
    (`stages.Trial`), given by the decorators of these names.
    """

    def __init__(self, id, signature, *, example, hints, learned="", seconds=5.0):
        self.id = id
        self.signature = signature
        self.name, _, parameters = signature.partition("(")
        self.is_value = not parameters
        self.parameters = inspect.signature(eval(f"lambda {parameters.removesuffix(')')}: None"))
        self.example = example
        self.hints = hints
        self.learned = learned
        self.seconds = seconds
        self.stages = {"output": [], "edges": [], "properties": [], "reference": []}
        self.mistakes = []

    def output(self, function):
        """Decorate the contract ``(t, got, *arguments)``, held to the result of every call."""
        self.stages["output"].append(function)
        return function

    def edges(self, function):
        """Decorate a function of the trial that tries the signals at the edge (`edge_signals`)."""
        self.stages["edges"].append(function)
        return function

    def properties(self, function):
        """Decorate a function of the trial that tests a law: linearity, a round trip, Parseval."""
        self.stages["properties"].append(function)
        return function

    def reference(self, function):
        """Decorate a function of the trial that compares with a library on seeded random signals."""
        self.stages["reference"].append(function)
        return function

    def mistake(self, words, ask=None):
        """Decorate a wrong answer that people really give, with the words that name it."""

        def add(function):
            self.mistakes.append((words, ask, function))
            return function

        return add

    def __repr__(self):
        return f"Exercise({self.id!r}, {self.signature!r})"


def edge_signals(*names, n=64):
    """Signals at which code goes wrong first.

    Parameters
    ----------
    *names : {"silence", "impulse", "DC", "odd length", "one sample", "stereo"}
    n : int
        Samples of each, where the name does not settle it.

    Returns
    -------
    list of (str, np.ndarray)
        Words for the message and the signal: float32, shape [n], stereo [2, n].
    """
    ramp = np.linspace(-0.5, 0.5, n, dtype=np.float32)
    signals = {
        "silence": ("silence", np.zeros(n, np.float32)),
        "impulse": ("an impulse", np.eye(1, n, dtype=np.float32)[0]),
        "DC": ("a constant (DC) of 0.5", np.full(n, 0.5, np.float32)),
        "odd length": (f"an odd length of {n | 1} samples", np.resize(ramp, n | 1)),
        "one sample": ("a single sample", np.full(1, 0.25, np.float32)),
        "stereo": ("a stereo signal", np.stack([ramp, -0.5 * ramp])),
    }
    return [signals[name] for name in names]


def briefly(got):
    """What came back, in a few characters: up to four numbers, the shape of an array, the beginning of all else."""
    if _is_row(got) and len(got) <= 4:
        return f"({', '.join(str(float(f'{x:.6g}')) if isinstance(x, float) else str(x) for x in got)})"
    is_array = isinstance(got, np.ndarray) or hasattr(got, "detach")
    return f"an array of shape {list(got.shape)}" if is_array else repr(got)[:60]


def two_numbers(t, got, expected):
    """Hold a result to being two numbers: `expected` says which, as in "two whole numbers, `(start, stop)`"."""
    t.holds(_is_row(got) and len(got) == 2, f"You return **{briefly(got)}**, expected {expected}.",
            ask="What does its last line hand back?", values=False)


def two_things(t, got, names):
    """Hold a result to being two things: `names` says which, as in "frames, mask"."""
    found = f"{len(got)} thing{'s' * (len(got) != 1)}" if isinstance(got, tuple | list) else briefly(got)
    t.holds(isinstance(got, tuple | list) and len(got) == 2, f"You return **{found}**, expected two: `{names}`.",
            ask="What does its last line hand back?", values=False)


def _is_row(got):
    """Whether it holds single things: of another list among them NumPy would not know the shape."""
    if isinstance(got, np.ndarray):
        return got.ndim == 1
    return isinstance(got, tuple | list) and not any(isinstance(x, tuple | list) or np.ndim(x) for x in got)


def chapters():
    """Modules that declare exercises, by chapter: ``{"01": "c01_fundamentals", …}``. Imports none."""
    package = importlib.import_module(__package__)
    names = (found.name for found in pkgutil.iter_modules(package.__path__))
    return {name[1:3]: name for name in sorted(names) if name[0] == "c" and name[1:3].isdigit()}


def exercises(chapter):
    """Exercises of a chapter by id, in order.

    Raises
    ------
    ExerciseError
        If the chapter has none.
    """
    known = chapters()
    if chapter not in known:
        raise ExerciseError(f"Chapter {chapter!r} has no exercises; {min(known)} to {max(known)} have some.")
    module = importlib.import_module(f"{__package__}.{known[chapter]}")
    found = [item for item in vars(module).values() if isinstance(item, Exercise)]
    return {exercise.id: exercise for exercise in sorted(found, key=lambda one: one.id)}


def find(id):
    """The exercise of this id, as in ``find("01.3")``.

    Raises
    ------
    ExerciseError
        If there is none, naming those that there are.
    """
    here = exercises(str(id).partition(".")[0])
    if id not in here:
        raise ExerciseError(f"There is no exercise {id!r}; this chapter has {', '.join(here)}.")
    return here[id]
