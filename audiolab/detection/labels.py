"""Labels with times, as a table and as a grid of frames, and out to Audacity and back."""

import math

import numpy as np
import pandas as pd

from .. import paths

COLUMNS = ["onset", "offset", "label"]


def to_frames(events, labels, n, hop):
    """A grid of frames from a table of events: what a network is told.

    Frame i lies from ``i hop`` to ``(i + 1) hop`` seconds, and an event is there when it covers the frame's middle. So
    each end moves by at most half a hop. An event that covers no middle gets the frame that holds its own.

    Parameters
    ----------
    events : pandas.DataFrame
        Of one clip: `onset` and `offset` in seconds, `label`. What lies beyond the grid is cut off.
    labels : sequence of str
        All classes, in the order of the columns.
    n : int
        Frames.
    hop : float
        Seconds.

    Returns
    -------
    np.ndarray of bool, shape [n, classes]

    Raises
    ------
    ValueError
        If an event has a label that is not among `labels`, or its times are no numbers or in the wrong order.

    Taught in: notebooks/11_event_detection.ipynb, "What sounds when?"
    """
    _check(events)
    labels = list(labels)
    if unknown := set(events.label) - set(labels):
        raise ValueError(f"Not among the classes: {', '.join(sorted(unknown))}. There are {', '.join(labels)}.")
    grid = np.zeros((n, len(labels)), bool)
    for onset, offset, label in events[COLUMNS].itertuples(index=False):
        first, end = math.ceil(onset / hop - 0.5), math.ceil(offset / hop - 0.5)        # middles at (i + 0.5) hop
        if first == end:
            first = math.floor((onset + offset) / 2 / hop)
            end = first + 1
        grid[max(first, 0) : max(end, 0), labels.index(label)] = True
    return grid


def from_frames(active, labels, hop):
    """A table of events from a grid of frames: each run of active frames is one.

    Parameters
    ----------
    active : np.ndarray of bool, shape [n, classes]
    labels : sequence of str
    hop : float
        Seconds.

    Returns
    -------
    pandas.DataFrame
        `onset`, `offset` in seconds, `label`; sorted by onset. Two events of one class that touch have become one.

    Taught in: notebooks/11_event_detection.ipynb, "What sounds when?"
    """
    return in_clips(active[None], labels, hop, [""])[COLUMNS]


def in_clips(active, labels, hop, paths):
    """Events in many clips at once: as `from_frames`, with a column `path`.

    Parameters
    ----------
    active : np.ndarray of bool, shape [clips, n, classes]
    labels : sequence, length classes
    hop : float
        Seconds.
    paths : sequence, length clips
        The name of each clip.

    Returns
    -------
    pandas.DataFrame
        `onset`, `offset` in seconds, `label`, `path`; clip by clip, sorted by onset.

    Taught in: notebooks/11_event_detection.ipynb, "Where does one draw the line?"
    """
    labels, paths = np.array(labels), np.array(paths)
    edges = np.diff(np.pad(active, ((0, 0), (1, 1), (0, 0))).astype(int), axis=1).transpose(0, 2, 1)
    (clip, k, first), end = np.nonzero(edges == 1), np.nonzero(edges == -1)[2]          # runs, in one order
    order = np.lexsort((labels[k], end, first, clip))
    return pd.DataFrame({"onset": first * hop, "offset": end * hop, "label": labels[k],
                         "path": paths[clip]}).iloc[order].reset_index(drop=True)


def segments(active, hop, length=1.0):
    """From frames to segments: a class is active in one when it is in any of its frames.

    Parameters
    ----------
    active : np.ndarray, shape [..., n, classes]
        Bool, or probabilities, of which the largest counts.
    hop, length : float
        Seconds from frame to frame, and of a segment; the last one may be shorter.

    Returns
    -------
    np.ndarray, shape [..., segments, classes]

    Raises
    ------
    ValueError
        If a segment is not a whole number of frames.

    Taught in: notebooks/11_event_detection.ipynb, "How is a detection scored?"
    """
    per = round(length / hop)
    if per < 1 or abs(per * hop - length) > 1e-6:
        raise ValueError(f"A segment of {length} s is no whole number of frames of {hop} s.")
    return np.maximum.reduceat(active, np.arange(0, active.shape[-2], per), axis=-2)


def write_labels(file, events):
    """Write a label track, as Audacity reads it by File, Import, Labels.

    A line for each event: onset, offset in seconds, label, with tabs between.

    Parameters
    ----------
    file : str or os.PathLike
    events : pandas.DataFrame
        `onset`, `offset`, `label`.

    Raises
    ------
    ValueError
        As `to_frames`, or if a label holds a tab or a line's end.

    Taught in: notebooks/11_event_detection.ipynb, "What sounds when?"
    """
    _check(events)
    if bad := [label for label in events.label if "\t" in label or "\n" in label or "\r" in label]:
        raise ValueError(f"A label track parts its columns by tabs and its rows by lines: {bad[0]!r} holds one.")
    rows = events[COLUMNS].itertuples(index=False)
    with paths.replacing(file) as whole:
        whole.write_text("".join(f"{onset:.6f}\t{offset:.6f}\t{label}\n" for onset, offset, label in rows), "utf-8")


def read_labels(file):
    """Read a label track that Audacity wrote by File, Export, Export Labels.

    Lines that begin with a backslash hold the frequencies of the event above, and are passed over.

    Parameters
    ----------
    file : str or os.PathLike

    Returns
    -------
    pandas.DataFrame
        `onset`, `offset` in seconds, `label`; sorted by onset.

    Raises
    ------
    ValueError
        If the file is absent or a line is none of these, with its number.

    Taught in: notebooks/11_event_detection.ipynb, "What sounds when?"
    """
    from pathlib import Path

    try:
        lines = Path(file).read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{str(file)!r} cannot be read as a label track: {getattr(error, 'strerror', 'no text')}. "
                         "In Audacity: File, Export, Export Labels.") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("\\"):
            continue
        try:
            onset, offset, label = line.split("\t")
            rows.append((float(onset), float(offset), label.strip()))
        except ValueError:
            raise ValueError(f"{str(file)!r}, line {number}: a line holds onset, offset in seconds and a label with "
                             f"tabs between, such as 1.5, 2.25, dog; not {line!r}.") from None
        try:
            _check(pd.DataFrame(rows[-1:], columns=COLUMNS))
        except ValueError as error:
            raise ValueError(f"{str(file)!r}, line {number}: {error} A label at a point has no length: drag it to a "
                             "region.") from None
    return pd.DataFrame(sorted(rows), columns=COLUMNS)


def _check(events):
    times = events[["onset", "offset"]].to_numpy(float)
    if not (np.isfinite(times).all() and (times[:, 0] < times[:, 1]).all() and (times[:, 1] > 0).all()):
        bad = events[~((times[:, 0] < times[:, 1]) & (times[:, 1] > 0) & np.isfinite(times).all(axis=1))].iloc[0]
        raise ValueError(f"An event ends after it begins, and within the clip: not {bad.onset} to {bad.offset} s "
                         f"({bad.label}).")
