"""From what a network says of each frame to a text: letters and their numbers, greedy and beam search, times.

The units of the course's recognisers are letters. Number 0 is CTC's blank, and for a decoder that writes letter after
letter it is the end.
"""

from collections import Counter

import numpy as np

from . import ctc

LETTERS = " 'abcdefghijklmnopqrstuvwxyz"                        # units 1 to 28


def to_units(text):
    """The numbers of a text's letters.

    Parameters
    ----------
    text : str
        Letters, spaces, apostrophes; capitals count as small.

    Returns
    -------
    list of int

    Raises
    ------
    ValueError
        If it holds anything else, numerals for example.

    Taught in: notebooks/04_speech_recognition.ipynb, "How can a network write, frame by frame?"
    """
    text = text.lower()
    if strange := sorted(set(text) - set(LETTERS)):
        raise ValueError(f"{''.join(strange)!r} in {text!r} cannot be written here: letters, spaces and apostrophes "
                         "can. Spell numbers out.")
    return [LETTERS.index(letter) + 1 for letter in text]


def to_text(units):
    """The text that numbers stand for; words one space apart, none at the ends.

    Raises
    ------
    ValueError
        If a number is none of 1 to 28: blanks are to be taken out before.

    Taught in: notebooks/04_speech_recognition.ipynb, "How can a network write, frame by frame?"
    """
    units = [int(unit) for unit in units]
    if strange := {unit for unit in units if not 1 <= unit <= len(LETTERS)}:
        raise ValueError(f"Units are 1 to {len(LETTERS)}, and {min(strange)} is none: collapse a path first.")
    return " ".join("".join(LETTERS[unit - 1] for unit in units).split())


def greedy(log_probs, lengths):
    """The text of the most probable unit of every frame.

    Parameters
    ----------
    log_probs : np.ndarray or torch.Tensor, shape [batch, time, units]
    lengths : sequence of int
        Frames of each clip; what comes after is filling.

    Returns
    -------
    list of str

    Taught in: notebooks/04_speech_recognition.ipynb, "Which text is the most probable?"
    """
    best = _clips(log_probs, lengths).argmax(axis=2)
    return [to_text(ctc.collapse(path[:n])) for path, n in zip(best, lengths, strict=True)]


def _clips(log_probs, lengths):
    """Log-probabilities of a batch as an array, with as many frames as the lengths say."""
    log_probs = _array(log_probs)
    if log_probs.ndim != 3:
        raise ValueError(f"A batch has shape [batch, time, units], not {list(log_probs.shape)}: one clip needs an "
                         "axis more.")
    if len(lengths) and max(lengths) > log_probs.shape[1]:
        raise ValueError(f"A clip of {int(max(lengths))} frames is not among {log_probs.shape[1]}: were lengths taken "
                         "from before the network's steps? It returns its own.")
    return log_probs


def _array(log_probs):
    """Log-probabilities as an array, wherever a tensor of them lies; refused when there is NaN among them."""
    log_probs = log_probs.detach().cpu().numpy() if hasattr(log_probs, "detach") else np.asarray(log_probs)
    if np.isnan(log_probs).any():
        raise ValueError("There is NaN among the log-probabilities.")
    return log_probs


class NGram:
    """A language model of letters: how probable is each next one, after the few before it?

    Counts are mixed with those of shorter memories, the more so the fewer different letters followed (Witten and Bell,
    1991): ``p(u | c) = (count(c u) + kinds(c) p(u | shorter c)) / (count(c) + kinds(c))``.

    Parameters
    ----------
    texts : iterable of str
        To learn from.
    order : int
        Letters that a count spans, the next one included.

    Raises
    ------
    ValueError
        If there is no text, or `order` is not 1 or more.

    References
    ----------
    Chen and Goodman, "An empirical study of smoothing techniques for language modeling", 1999.

    Taught in: notebooks/04_speech_recognition.ipynb, "Which text is the most probable?"
    """

    size, doubt = len(LETTERS) + 1, 1                           # of Witten and Bell; more trusts long memories less

    def __init__(self, texts, order=6):
        if order < 1:
            raise ValueError(f"order={order}: at least 1.")
        self.order, self.counts = order, {}
        for text in texts:
            units = self.units(text)
            for i, unit in enumerate(units):
                for n in range(min(i, order - 1) + 1):
                    self.count(units[i - n : i], unit)
        if not self.counts:
            raise ValueError("There is no text to learn from.")
        self.known = {}                                         # what `next` has answered

    @staticmethod
    def units(text):
        """The units of a text, a tuple, and what ends it."""
        return (*to_units(text), ctc.BLANK)

    def count(self, before, unit):
        """Note that a unit followed."""
        self.counts.setdefault(before, Counter())[unit] += 1

    def followed(self, before):
        """How often each unit followed: a dict, empty where nothing is known."""
        return self.counts.get(before, {})

    def next(self, before):
        """Log-probabilities of the unit after `before`, a tuple of units; index 0 is the end. [1 + letters]."""
        if isinstance(before, str):
            raise TypeError("What came before is a tuple of units: tuple(to_units(text)).")
        before = before[max(0, len(before) - self.order + 1):]
        if before not in self.known:
            self.known[before] = self._next(before)
        return self.known[before]

    def _next(self, before):
        p = np.full(self.size, 1 / self.size)
        for n in range(len(before) + 1):
            found = self.followed(before[len(before) - n:])
            if found:
                p *= self.doubt * len(found)
                for unit, count in found.items():
                    p[unit] += count
                p /= p.sum()
        return np.log(p)

    def score(self, text):
        """Log-probability of a text and its end.

        Taught in: notebooks/04_speech_recognition.ipynb, "Which text is the most probable?"
        """
        units = self.units(text)
        return float(sum(self.next(units[:i])[unit] for i, unit in enumerate(units)))


def beam_search(log_probs, lengths, lm=None, width=16, weight=0.5):
    """The most probable texts, all paths to a text counted together: prefix beam search.

    Of the prefixes that are alive after each frame the `width` best are kept. Each has two probabilities: of the paths
    that end in a blank, and of those that end in its last letter. Only from the first does the same letter again make
    a new letter. With a language model a prefix is worth ``log p(paths) + weight * log p(letters)``.

    Parameters
    ----------
    log_probs, lengths
        As `greedy`.
    lm : NGram, optional
    width : int
    weight : float
        Of the language model.

    Returns
    -------
    list of str

    References
    ----------
    Hannun, Maas, Jurafsky and Ng, "First-pass large vocabulary continuous speech recognition using bi-directional
    recurrent DNNs", 2014.

    Taught in: notebooks/04_speech_recognition.ipynb, "Which text is the most probable?"
    """
    if width < 1:
        raise ValueError(f"width={width}: at least one prefix is kept.")
    log_probs = _clips(log_probs, lengths).astype(np.float64)
    return [to_text(_beam(frames[:n], lm, width, weight)) for frames, n in zip(log_probs, lengths, strict=True)]


def _beam(log_probs, lm, width, weight):
    prefixes = [()]                                             # the beams, best first
    blank, letter = np.zeros(1), np.full(1, -np.inf)            # log-probability of paths to each, by how they end
    spoken = np.zeros(1)                                        # of its letters, by the language model
    for frame in log_probs:
        last = np.array([prefix[-1] if prefix else ctc.BLANK for prefix in prefixes])
        total = np.logaddexp(blank, letter)
        stays_blank = total + frame[ctc.BLANK]
        stays_letter = np.where(last > 0, letter + frame[last], -np.inf)
        grows = total[:, None] + frame[None, 1:]                # [beams, letters]: the prefix and one more letter
        again = np.flatnonzero(last > 0)
        grows[again, last[again] - 1] = blank[again] + frame[last[again]]       # only after a blank
        place = {prefix: i for i, prefix in enumerate(prefixes)}
        for i, prefix in enumerate(prefixes):                   # a beam that another grows into: its paths join
            parent = place.get(prefix[:-1]) if prefix else None
            if parent is not None:
                stays_letter[i] = np.logaddexp(stays_letter[i], grows[parent, last[i] - 1])
                grows[parent, last[i] - 1] = -np.inf
        says = np.stack([lm.next(prefix)[1:] for prefix in prefixes]) if lm else np.zeros_like(grows)
        grown_spoken = spoken[:, None] + says
        worth = np.concatenate([np.logaddexp(stays_blank, stays_letter) + weight * spoken,
                                (grows + weight * grown_spoken).ravel()])
        n = len(prefixes)
        kept = np.argsort(-worth, kind="stable")[: min(width, np.isfinite(worth).sum())]
        old, (i, unit) = kept < n, np.divmod(kept - n, grows.shape[1])
        i = np.where(old, kept, i)
        prefixes = [prefixes[j] if same else (*prefixes[j], int(u) + 1)
                    for j, same, u in zip(i, old, unit, strict=True)]
        blank = np.where(old, stays_blank[i], -np.inf)
        letter = np.where(old, stays_letter[i], grows[i, unit % grows.shape[1]])
        spoken = np.where(old, spoken[i], grown_spoken[i, unit % grows.shape[1]])
    worth = np.logaddexp(blank, letter)
    if lm:
        worth = worth + weight * (spoken + [lm.next(prefix)[0] for prefix in prefixes])
    return prefixes[int(worth.argmax())]


def words(log_probs, text, frame, late=0.0):
    """When each word of a text was said, and how sure the network is of it.

    Parameters
    ----------
    log_probs : np.ndarray or torch.Tensor, shape [time, units]
        Of one clip, without filling.
    text : str
        What was said, or what was recognised.
    frame : float
        Seconds from one frame to the next.
    late : float
        Seconds by which this network's first letter follows the onset of a word, to be taken off.

    Returns
    -------
    list of dict
        ``{"word", "onset", "offset", "confidence"}``: seconds from the first letter's first frame, less `late`, to the
        last letter's last one, and the geometric mean of the probabilities of its letters where each is largest, 0 to
        1. Words do not overlap.

    Raises
    ------
    ValueError
        As `audiolab.ctc.align`.

    Taught in: notebooks/04_speech_recognition.ipynb, "When was it said?"
    """
    log_probs, text = _array(log_probs), " ".join(text.lower().split())
    units = to_units(text)
    state, found, at, before = ctc.align(log_probs, units), [], 0, 0.0
    for word in text.split():
        places = range(at, at + len(word))
        frames = [np.flatnonzero(state == 2 * i + 1) for i in places]
        best = [log_probs[f, units[i]].max() for i, f in zip(places, frames, strict=True)]
        onset, offset = float(max(before, frames[0][0] * frame - late)), float((frames[-1][-1] + 1) * frame)
        found.append({"word": word, "onset": onset, "offset": offset, "confidence": float(np.exp(np.mean(best)))})
        before = offset
        at += len(word) + 1
    return found
