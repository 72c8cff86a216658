"""From probabilities to decisions: where to draw the line, and how to keep it from trembling."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .labels import from_frames, in_clips, segments
from .scores import event_f1, segment_f1

HIGHS = np.linspace(0.1, 0.9, 17)


@dataclass(frozen=True)
class Rule:
    """How decisions are made of the probabilities of frames.

    Attributes
    ----------
    high : tuple of float
        For each class, what an event must reach at least once.
    low : float
        0 to 1: how far it may fall from there while it goes on, as a share of `high`; 1 for no hysteresis.
    smooth : int
        Frames of the median filter that goes over the probabilities first; 1 for none.

    Taught in: notebooks/11_event_detection.ipynb, "Where does one draw the line?"
    """

    high: tuple
    low: float = 1.0
    smooth: int = 1


def median_filter(p, frames):
    """The median of each frame and its neighbours: what lasts less than half the filter vanishes, edges stay sharp.

    Parameters
    ----------
    p : np.ndarray, shape [n, classes]
    frames : int
        Odd. Before the first frame and after the last one stand zeros: beyond the clip nothing is known to sound.

    Returns
    -------
    np.ndarray, shape of `p`

    Raises
    ------
    ValueError
        If `frames` is not odd and positive.

    Taught in: notebooks/11_event_detection.ipynb, "Where does one draw the line?"
    """
    if frames < 1 or frames % 2 == 0:
        raise ValueError(f"A median filter has a middle: an odd number of frames, not {frames}.")
    return ndimage.median_filter(p, size=(frames, 1), mode="constant", cval=0.0)


def hysteresis(p, high, low):
    """What reaches `high`, and as much around it as stays at `low` or above.

    Parameters
    ----------
    p : np.ndarray, shape [n, classes]
    high, low : float or np.ndarray, shape [classes]
        0 to 1, the one not below the other.

    Returns
    -------
    np.ndarray of bool, shape of `p`

    Raises
    ------
    ValueError
        If `low` is above `high`.

    References
    ----------
    Canny, "A computational approach to edge detection", 1986, for edges in pictures.

    Taught in: notebooks/11_event_detection.ipynb, "Where does one draw the line?"
    """
    if np.any(np.asarray(low) > np.asarray(high)):
        raise ValueError("The lower threshold lies above the higher one.")
    along_time = np.array([[0, 1, 0], [0, 1, 0], [0, 1, 0]])          # neighbours: the frames before and after
    regions, n = ndimage.label(p >= low, structure=along_time)              # runs of one class, numbered
    reached = np.zeros(n + 1, bool)
    reached[regions[p >= high]] = True
    reached[0] = False
    return reached[regions]


def decide(p, labels, hop, rule):
    """Events from the probabilities of a clip.

    Parameters
    ----------
    p : np.ndarray, shape [n, classes]
    labels : sequence of str
    hop : float
        Seconds from frame to frame.
    rule : Rule

    Returns
    -------
    pandas.DataFrame
        `onset`, `offset` in seconds, `label`.

    Taught in: notebooks/11_event_detection.ipynb, "Where does one draw the line?"
    """
    return from_frames(active(p, rule), labels, hop)


def active(p, rule):
    """Which class is on in which frame: bool, shape of `p`, [n, classes]."""
    high = np.asarray(rule.high)
    return hysteresis(median_filter(p, rule.smooth), high, rule.low * high)


def tuned(p, truth, hop, *, lows=(1.0, 0.6, 0.3), smooths=(1, 5, 9, 15), highs=HIGHS):
    """The rule that is best on clips that are not for the test.

    For each way to smooth, each class gets the threshold with the best segment F1, whatever its events say. Of all
    ways stays the one with the best sum of segment F1 and event F1: only events suffer from trembling.

    Parameters
    ----------
    p : np.ndarray, shape [clips, n, classes]
        Probabilities of validation clips.
    truth : np.ndarray of bool, shape [clips, n, classes]
    hop : float
        Seconds.
    lows, smooths, highs : sequence
        What is tried of each part of a `Rule`.

    Returns
    -------
    Rule

    Taught in: notebooks/11_event_detection.ipynb, "Where does one draw the line?"
    """
    highs, best = np.asarray(highs), (-1.0, None)
    numbers = range(truth.shape[-1]), hop, range(len(truth))    # stand for the classes and the clips
    wanted, events = segments(truth, hop), in_clips(truth, *numbers)
    for smooth in smooths:
        smoothed = np.stack([median_filter(clip, smooth) for clip in p])
        for low in lows:
            found = [np.stack([hysteresis(clip, h, low * h) for clip in smoothed]) for h in highs]
            f1 = np.array([segment_f1(wanted, segments(one, hop))["per_class"] for one in found])
            at = (f1 - 1e-6 * np.abs(highs - 0.5)[:, None]).argmax(axis=0)          # of equals, the one nearest 1/2
            chosen = np.stack([found[h][..., k] for k, h in enumerate(at)], axis=-1)
            score = segment_f1(wanted, segments(chosen, hop))["f1"] + event_f1(events, in_clips(chosen, *numbers))["f1"]
            if score > best[0]:
                best = score, Rule(tuple(float(round(highs[h], 3)) for h in at), low, smooth)
    return best[1]

