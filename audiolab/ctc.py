"""Connectionist temporal classification: a text from frames, when nobody has said which frame is which letter.

A network gives each frame a probability for every unit and for *blank*, number 0. A path names one of them per frame;
`collapse` makes it a text. The probability of a text is the sum over all paths that collapse to it. There are too many
to list, but they all walk through the same few states, from left to right: blank, first unit, blank, second unit, …,
blank. So a sum over states, frame by frame, is enough, and everything here is that walk in another guise: with sums
(`forward`, `loss`, `gradient`) or with the best predecessor (`align`). All in logarithms, for a product of some
hundred probabilities is no number that a computer can hold.
"""

import numpy as np

BLANK = 0


def collapse(path):
    """The text of a path: what repeats is one, then blanks go.

    Parameters
    ----------
    path : sequence of int, length time

    Returns
    -------
    list of int

    Examples
    --------
    >>> collapse([0, 3, 3, 0, 3, 5, 5, 0])
    [3, 3, 5]

    Taught in: notebooks/04_speech_recognition.ipynb, "How can a network write, frame by frame?"
    """
    path = np.asarray(path, dtype=int)
    starts = np.append(True, path[1:] != path[:-1])[: len(path)]
    return path[starts & (path != BLANK)].tolist()


def states(text):
    """What a path walks through: a blank before, between and after the units. Length ``2 * len(text) + 1``."""
    walk = np.full(2 * len(text) + 1, BLANK)
    walk[1::2] = text
    return walk


def fewest_frames(text):
    """Frames that a path for a text needs at least: one for each unit, and a blank between two that are alike.

    Taught in: notebooks/04_speech_recognition.ipynb, "What breaks"
    """
    text = np.asarray(text, dtype=int)
    return len(text) + int(np.sum(text[1:] == text[:-1]))


def forward(log_probs, text):
    """``alpha[t, s]``: log-probability of all walks through the first t + 1 frames that end in state s.

    A walk stays in its state, goes to the next one, or skips a blank, unless the units on both sides are alike:

    ``alpha[t, s] = log(exp(alpha[t-1, s]) + exp(alpha[t-1, s-1]) + exp(alpha[t-1, s-2])) + log_probs[t, states[s]]``.

    Parameters
    ----------
    log_probs : np.ndarray, shape [time, units]
        Natural logarithms; blank is unit 0.
    text : sequence of int
        Units 1 and up.

    Returns
    -------
    np.ndarray, shape [time, 2 * len(text) + 1], float64

    Raises
    ------
    ValueError
        If `log_probs` is no matrix with a frame at least, holds NaN, or `text` names a unit that it has not.

    References
    ----------
    Graves, Fernández, Gomez and Schmidhuber, "Connectionist temporal classification", 2006, section 4.1.

    Taught in: notebooks/04_speech_recognition.ipynb, "How probable is a text?"
    """
    log_probs, text = _require(log_probs, text)
    walk = states(text)
    skips = _skips(walk)
    alpha = np.full((len(log_probs), len(walk)), -np.inf)
    alpha[0, :2] = log_probs[0, walk[:2]]
    for t in range(1, len(log_probs)):
        alpha[t] = np.logaddexp.reduce(predecessors(alpha[t - 1], skips)) + log_probs[t, walk]
    return alpha


def predecessors(before, skips):
    """What the walks into each state had before, for those that stay, step and skip: [3, states]."""
    step, skip = np.append(-np.inf, before[:-1]), np.append([-np.inf, -np.inf], before)[: len(before)]
    return np.stack([before, step, np.where(skips, skip, -np.inf)])


def loss(log_probs, text):
    """``-log p(text)``: minus the log-probability of all paths that collapse to a text; infinite when there is none.

    ``torch.nn.functional.ctc_loss`` agrees, and does it for a batch.

    Parameters and errors as `forward`.

    Taught in: notebooks/04_speech_recognition.ipynb, "How probable is a text?"
    """
    return float(-np.logaddexp.reduce(forward(log_probs, text)[-1, -2:]))


def gradient(log_probs, text):
    """Derivative of `loss` with respect to the scores that a softmax made `log_probs` of.

    ``p[t, k] - gamma[t, k]``: what the network said less what the text asks for, gamma being the share of the paths of
    the text that have unit k in frame t. It is the gradient of cross entropy with soft targets.

    Parameters
    ----------
    log_probs, text
        As `forward`.

    Returns
    -------
    np.ndarray, shape [time, units]
        Each row sums to 0.

    Raises
    ------
    ValueError
        As `forward`, and if the text needs more frames than there are.

    References
    ----------
    Graves and others, 2006, equation 16.

    Taught in: notebooks/04_speech_recognition.ipynb, "How probable is a text?"
    """
    log_probs, text = _require(log_probs, text)
    walk = states(text)
    alpha = forward(log_probs, text)
    # beta counts its frame too, so that it is the forward sum of the reversed text on reversed frames
    beta = forward(log_probs[::-1], text[::-1])[::-1, ::-1]
    total = np.logaddexp.reduce(alpha[-1, -2:])
    if not np.isfinite(total):
        raise _impossible(log_probs, text)
    here = log_probs[:, walk]                                   # which both sums have counted
    never = np.isneginf(here)
    through = np.where(never, -np.inf, alpha + beta - np.where(never, 0, here))                 # [time, states]
    share = np.exp(through - total)
    gamma = np.zeros_like(log_probs)
    np.add.at(gamma.T, walk, share.T)
    return np.exp(log_probs) - gamma


def align(log_probs, text):
    """The most probable walk for a text that is known: forced alignment, by Viterbi's algorithm.

    The recursion of `forward`, with the best predecessor in place of the sum. ``torchaudio.functional.forced_align``
    finds a path of the same probability.

    Parameters
    ----------
    log_probs, text
        As `forward`.

    Returns
    -------
    np.ndarray of int, shape [time]
        State of each frame: 2 i + 1 for unit i of the text, even numbers for blanks.

    Raises
    ------
    ValueError
        As `forward`, and if the text needs more frames than there are.

    Taught in: notebooks/04_speech_recognition.ipynb, "When was it said?"
    """
    log_probs, text = _require(log_probs, text)
    walk = states(text)
    skips = _skips(walk)
    score = np.full(len(walk), -np.inf)
    score[:2] = log_probs[0, walk[:2]]
    came = np.zeros((len(log_probs), len(walk)), int)           # by how many states the walk moved to get here
    for t in range(1, len(log_probs)):
        ways = predecessors(score, skips)
        came[t] = ways.argmax(axis=0)
        score = ways.max(axis=0) + log_probs[t, walk]
    if np.isneginf(score[-2:]).all():
        raise _impossible(log_probs, text)
    s = len(walk) - 1 - int(len(walk) > 1 and score[-2] > score[-1])
    path = np.empty(len(log_probs), int)
    for t in range(len(log_probs) - 1, -1, -1):
        path[t] = s
        s -= came[t, s]
    return path


def _impossible(log_probs, text):
    if len(log_probs) < fewest_frames(text):
        return ValueError(f"{len(log_probs)} frames are too few for this text, which needs {fewest_frames(text)}.")
    return ValueError("This text has probability 0: somewhere on every walk a unit is impossible.")


def _skips(walk):
    """Which states may be reached from the last but one: units that differ from the unit before."""
    return np.append([False, False], (walk[2:] != BLANK) & (walk[2:] != walk[:-2]))[: len(walk)]


def _require(log_probs, text):
    log_probs, text = np.asarray(log_probs, dtype=np.float64), np.asarray(text, dtype=int)
    if log_probs.ndim != 2 or not len(log_probs) or np.isnan(log_probs).any():
        raise ValueError(f"Log-probabilities are a matrix [time, units] without NaN, not {list(log_probs.shape)}.")
    if text.ndim != 1 or ((text < 1) | (text >= log_probs.shape[1])).any():
        raise ValueError(f"A text is a list of units 1 to {log_probs.shape[1] - 1}: 0 is the blank.")
    return log_probs, text
