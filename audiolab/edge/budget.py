"""Several networks side by side, and the best of those that a device has room, time and energy for."""

import functools
from pathlib import Path

import numpy as np
import pandas as pd

from .. import compress
from .timing import timed


def compared(files, clip, score, repeats=200):
    """What each of several networks takes, how long it needs, and what it is worth.

    Parameters
    ----------
    files : dict of str to str or os.PathLike
        ONNX files by name, as `compress.export` and `compress.int8` write them.
    clip : torch.Tensor, shape [1, …]
        What each is timed with.
    score : callable
        ``score(run) -> float`` of a `compress.Runner`: ``lambda run: recipes.score(run(x), y)``.
    repeats : int
        Calls that count; the 99th percentile needs 100.

    Returns
    -------
    pandas.DataFrame
        A row for each: `bytes` of the file, `p50` and `p99` in seconds on one thread, `score`.

    Raises
    ------
    ValueError
        If one of them is no ONNX file, or `repeats` is below 100.

    Taught in: notebooks/09_quantization.ipynb, "Which one would you ship?"
    """
    rows = {}
    for name, file in files.items():
        run = compress.Runner(file)
        timing = timed(functools.partial(run, clip), repeats)
        rows[name] = {"bytes": Path(file).stat().st_size, "p50": timing.p50, "p99": timing.p99, "score": score(run)}
    return pd.DataFrame.from_dict(rows, orient="index")


def front(candidates, best, *costs):
    """The candidates that no other beats: Pareto's front.

    One beats another that costs as much or more in everything, and scores as high or lower, and is not its equal.

    Parameters
    ----------
    candidates : pandas.DataFrame
        As `choose` takes it.
    best : str
        Column of the score, of which more is better.
    *costs : str
        Columns of which less is better.

    Returns
    -------
    pandas.DataFrame
        Their rows, in the same order.

    Raises
    ------
    ValueError
        If a column is missing.

    Examples
    --------
    >>> table = pd.DataFrame({"accuracy": [0.9, 0.95, 0.9], "ram": [20e3, 90e3, 30e3]}, index=["small", "large", "odd"])
    >>> list(front(table, "accuracy", "ram").index)
    ['small', 'large']

    Taught in: notebooks/09_quantization.ipynb, "Which one would you ship?"
    """
    _require_columns(candidates, best, *costs)
    less = candidates[[best, *costs]].to_numpy(float) * [-1, *np.ones(len(costs))]     # … is better, in each column
    beaten = [((less <= one).all(axis=1) & (less < one).any(axis=1)).any() for one in less]
    return candidates[np.logical_not(beaten)]


def choose(candidates, best, **at_most):
    """The candidate with the highest score among those that stay within all limits.

    Parameters
    ----------
    candidates : pandas.DataFrame
        A row for each, with a column for the score and one for each limit.
    best : str
        Column of the score.
    **at_most : float
        A column and the most that it may be: ``ram=640e3, p99=0.05, joules=0.01``.

    Returns
    -------
    pandas.Series
        Its row; of two equal ones the first.

    Raises
    ------
    ValueError
        If a column is missing, or none stays within all limits: the message says what each limit leaves, and by how
        much the nearest is beyond.

    Examples
    --------
    >>> table = pd.DataFrame({"accuracy": [0.9, 0.95], "ram": [20e3, 90e3]}, index=["small", "large"])
    >>> choose(table, "accuracy", ram=64e3).name
    'small'

    Taught in: notebooks/10_edge_profiling.ipynb, "Which one fits?"
    """
    _require_columns(candidates, best, *at_most)
    limits = list(at_most)
    within = candidates[limits] <= list(at_most.values())
    fitting = candidates[within.all(axis=1)]
    if fitting.empty:
        each = ", ".join(f"{name} at most {limit:g} leaves {within[name].sum()}" for name, limit in at_most.items())
        excess = (candidates[limits] / list(at_most.values())).max(axis=1)
        raise ValueError(f"None of the {len(candidates)} fits: {each}. Nearest is {excess.idxmin()}, at "
                         f"{excess.min():.2g} times a limit.")
    return fitting.loc[fitting[best].idxmax()]


def _require_columns(candidates, *columns):
    missing = set(columns) - set(candidates.columns)
    if missing:
        raise ValueError(f"The candidates have no column {', '.join(sorted(missing))}. They have "
                         f"{', '.join(map(str, candidates.columns))}.")
