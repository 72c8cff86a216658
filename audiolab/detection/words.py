"""From the posteriors of a window that slides over a stream to words: smooth, compare, report once."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Word:
    """A word that was spotted.

    Attributes
    ----------
    word : str
    at : float
        Seconds of the stream that had been heard when it was reported. The word itself ended before.
    p : float
        The smoothed posterior by which it was reported.

    Taught in: notebooks/13_real_time.ipynb, "Which word was that?"
    """

    word: str
    at: float
    p: float


class Vote:
    """Words, by the posteriors of one decision after the other: the mean of the last few, a threshold, and a rest.

    A window that slides by 40 ms meets every word many times over, and once in a while it errs. So the last `smooth`
    posteriors are averaged. The most likely word is reported when its mean reaches the threshold; then nothing more is
    reported for a while (the refractory time), or the same word would be reported with every step of the window.

    State: `recent`, the last ``smooth - 1`` posteriors, at first all zeros; `decisions`, how many there were; `last`,
    which of them reported a word.

    Parameters
    ----------
    labels : sequence of str
        Of the classes. The last one stands for everything that is no word, and is never reported.
    hop : float
        Seconds from one decision to the next.
    lead : float
        Seconds of sound that the first decision has heard.
    threshold : float
        Above 0, at most 1.
    smooth : int
        Decisions whose mean is taken: 1 for none but the newest.
    refractory : float
        Seconds.

    Raises
    ------
    ValueError
        If the threshold is none, or fewer than one decision is to be averaged.

    References
    ----------
    Chen, Parada and Heigold, "Small-footprint keyword spotting using deep neural networks", 2014.

    Examples
    --------
    >>> vote = Vote(("one", "two", "other"), hop=0.1, lead=0.1, threshold=0.6, smooth=2, refractory=0.3)
    >>> vote([[0, 0, 1], [1, 0, 0], [0.8, 0.1, 0.1], [0.9, 0, 0.1]])
    [Word(word='one', at=0.3, p=0.9)]

    Taught in: notebooks/13_real_time.ipynb, "Which word was that?"
    """

    def __init__(self, labels, hop, lead, threshold, smooth, refractory):
        if not 0 < threshold <= 1:
            raise ValueError(f"A threshold of {threshold} makes no sense: a posterior is above 0, and at most 1.")
        if smooth < 1:
            raise ValueError(f"A mean is of 1 decision or more, not of {smooth}.")
        self.labels, self.hop, self.lead = tuple(labels), hop, lead
        self.threshold, self.smooth, self.rest = threshold, smooth, max(1, round(refractory / hop))
        self.reset()

    def reset(self):
        """As if nothing had been heard."""
        self.recent = np.zeros((self.smooth - 1, len(self.labels)))
        self.decisions, self.last = 0, -self.rest

    def __call__(self, p):
        """Take in the next posteriors, shape [decisions >= 0, classes]; give the words that they report, a list."""
        p = np.reshape(p, (-1, len(self.labels)))
        known, found = np.concatenate([self.recent, p]), []
        self.recent = known[len(p) :]
        mean = sum(known[i : i + len(p)] for i in range(self.smooth)) / self.smooth     # of the last few, at each
        for i in np.flatnonzero(mean[:, :-1].max(axis=1, initial=0) >= self.threshold):
            if self.decisions + i - self.last >= self.rest:
                best, self.last = mean[i, :-1].argmax(), self.decisions + i
                found.append(Word(self.labels[best], round(float(self.lead + self.last * self.hop), 6),
                                  round(float(mean[i, best]), 4)))
        self.decisions += len(p)
        return found
