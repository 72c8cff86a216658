"""Wrong answers, which the checks must reject: by hand in ``NN.py``, and automatic ones made from the solution."""

import importlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ANY = ("output", "edges", "properties", "reference")


@dataclass
class Mutant:
    """A wrong answer, the stages at which it may be rejected, a part of the message."""

    name: str
    answer: object
    stages: tuple
    says: str = ""
    seconds: float = None


_declared = []


def mutant(exercise, *, stage, says):
    """Declare a wrong answer to an exercise, the stage that must reject it, and a part of the message.

    The function takes the answer's place; for an exercise that asks for a value it takes no arguments
    and returns the wrong value.
    """

    def add(function):
        _declared.append((exercise, Mutant(function.__name__, function, (stage,), says)))
        return function

    return add


def by_hand(chapter):
    """Mutants of ``NN.py`` by exercise."""
    if not Path(__file__).with_name(f"{chapter}.py").exists():
        return {}
    importlib.import_module(f"mutants.{chapter}")
    found = {}
    for exercise, one in _declared:
        if exercise.startswith(f"{chapter}."):
            found.setdefault(exercise, []).append(one)
    return found


def automatic(exercise, solution):
    """Mutants that every exercise gets, as far as they make sense for what its solution takes and returns."""
    if exercise.is_value:
        wrong = {"None": None, "NaN": np.nan, "zero": np.zeros_like(solution)[()]}
        return [Mutant(name, value, ANY) for name, value in wrong.items()]
    args = exercise.example()
    right = solution(*args)
    found = [
        Mutant("one parameter more", lambda *a, extra, **k: solution(*a, **k), ("signature",), "extra"),
        Mutant("endless loop", _endless(solution), ("runs",), "had not finished after", seconds=1.0),
        Mutant("None", lambda *a, **k: None, ("output",), "None"),
        Mutant("the example hard-coded", lambda *a, **k: right, ANY),
    ]
    if any(isinstance(arg, np.ndarray) and arg.flags.writeable for arg in args):
        found.append(Mutant("changes its input", _in_place(solution), ("runs",), "changes its argument"))
    if isinstance(args[0], np.ndarray):
        found.append(Mutant("identity", lambda y, *a, **k: y, ANY))
    if isinstance(right, np.ndarray | np.number | float | int):
        found += [
            Mutant("zeros", lambda *a, **k: 0 * np.nan_to_num(solution(*a, **k)), ANY),
            Mutant("NaN", lambda *a, **k: np.nan * np.asarray(solution(*a, **k)), ("output",)),
        ]
    if isinstance(right, np.ndarray) and right.ndim:
        found += [
            Mutant("one too many", lambda *a, **k: _longer(solution(*a, **k)), ("output",), "shape"),
            Mutant("one too few", lambda *a, **k: solution(*a, **k)[..., :-1], ("output",), "shape"),
            Mutant("a shape that broadcasts", lambda *a, **k: solution(*a, **k)[..., None], ("output",), "shape"),
        ]
    return found


def _endless(solution):
    def answer(*args, **kwargs):
        while True:
            solution(*args, **kwargs)

    return answer


def _in_place(solution):
    def answer(*args, **kwargs):
        result = solution(*args, **kwargs)
        for arg in args:
            if isinstance(arg, np.ndarray):
                arg += np.ones((), arg.dtype)
        return result

    return answer


def _longer(y):
    return np.concatenate([y, y[..., -1:]], axis=-1)
