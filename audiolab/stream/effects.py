"""Effects on a sound that goes on: tone, echo and pitch."""

import numpy as np

from .blocks import Filter, Processor

WINDOW = 0.05                   # seconds of the delay line in which the heads of a pitch shifter run
FADED = 1e-3                    # an echo 60 dB down is gone


def equaliser(gains_db, sr, q=1.4):
    """Bells that make some frequencies louder or softer and leave the rest: a `Filter`.

    At w0 = 2π f / sr, with A = 10^(dB / 40) and α = sin(w0) / 2q, a section is ``b = (1 + αA, -2 cos w0, 1 - αA)`` over
    ``a = (1 + α/A, -2 cos w0, 1 - α/A)``, both divided by ``1 + α/A``.

    Parameters
    ----------
    gains_db : dict of float to float
        Of each centre frequency, in Hz, its gain in dB, within ±40.
    sr : int
    q : float
        Centre frequency by bandwidth, which is measured where half of the decibels are left: 1.4 is an octave, less
        near ``sr / 2``.

    Returns
    -------
    Filter

    Raises
    ------
    ValueError
        If there is no bell, a frequency is not between 0 and ``sr / 2``, a gain beyond ±40 dB, or `q` not positive.

    References
    ----------
    Bristow-Johnson, "Cookbook formulae for audio equalizer biquad filter coefficients", 1998.

    Taught in: notebooks/13_real_time.ipynb, "Does it matter where a block ends?"
    """
    f, db = np.array(list(gains_db), np.float64), np.array(list(gains_db.values()), np.float64)
    if not len(f) or not ((f > 0) & (f < sr / 2)).all() or not (np.abs(db) <= 40).all() or not q > 0:
        raise ValueError(f"An equaliser has gains within ±40 dB at frequencies between 0 and {sr / 2:g} Hz, and a "
                         f"positive q, as in equaliser({{200: -6, 3000: 6}}, {sr}); not {gains_db} and q={q}.")
    w, a = 2 * np.pi * f / sr, 10 ** (db / 40)
    alpha, middle = np.sin(w) / (2 * q), -2 * np.cos(w)
    sos = np.stack([1 + alpha * a, middle, 1 - alpha * a, 1 + alpha / a, middle, 1 - alpha / a], axis=1)
    return Filter(sos / sos[:, 3:4])


class Delay(Processor):
    """An echo: what was heard D samples ago comes again, and again as much softer as `feedback` says.

    The line holds ``w[n] = x[n] + feedback · w[n - D]``, and out comes ``y[n] = (1 - mix) x[n] + mix · w[n - D]``.
    Within D samples no echo returns, so that so many are computed at once.

    Parameters
    ----------
    seconds : float
        D / sr.
    sr : int
    feedback : float
        Within ±0.95.
    mix : float
        0, the sound alone, to 1, the echoes alone.

    Attributes
    ----------
    line : np.ndarray, shape [D]
        The last values of w, the oldest first.

    Raises
    ------
    ValueError
        If a number is out of range.

    Notes
    -----
    `delay` is 0: the sound itself is not late. `flush` gives the echoes until they are 60 dB down.

    Taught in: notebooks/13_real_time.ipynb, "Does it matter where a block ends?"
    """

    def __init__(self, seconds, sr, feedback=0.4, mix=0.4):
        if not 1 <= round(seconds * sr) <= 60 * sr or not abs(feedback) <= 0.95 or not 0 <= mix <= 1:
            raise ValueError("An echo comes after one sample to 60 s, with a feedback within ±0.95 and a mix of 0 to "
                             f"1, not {seconds} s at {sr} Hz, {feedback} and {mix}.")
        self.n, self.feedback, self.mix = round(seconds * sr), feedback, mix
        again = np.log(FADED) / np.log(abs(feedback)) if feedback else 0
        self.tail = self.n * (1 + int(np.ceil(again)))
        self.reset()

    def reset(self):
        self.line = np.zeros(self.n, np.float32)

    def process(self, x):
        out = [x[:0]]
        for at in range(0, len(x), self.n):
            piece = x[at : at + self.n]
            echo, rest = self.line[: len(piece)], self.line[len(piece) :]
            out.append((1 - self.mix) * piece + self.mix * echo)
            self.line = np.concatenate([rest, piece + self.feedback * echo])
        return np.concatenate(out)


class PitchShift(Processor):
    """Higher or lower, not faster: two heads read a short delay line faster or slower than it is written.

    A head is ``W · p`` samples late, where p runs from 1 to 0 (up) or from 0 to 1 (down), by ``(1 - r) / W`` a sample
    for a ratio ``r = 2^(semitones / 12)``. At the end of its run it must jump back, which clicks; so two run half
    a run apart, each as loud as ``sin²(πp)``, silent when it jumps. The two gains always add up to 1.

    Parameters
    ----------
    semitones : float
        -24 to 24.
    sr : int

    Attributes
    ----------
    line : np.ndarray, shape [W + 1]
        The last samples.
    heard : int
        Samples so far, from which p follows: not from where blocks ended.

    Raises
    ------
    ValueError
        If `semitones` is out of range.

    Notes
    -----
    A run is W = 50 ms. `delay` is that of a head when it is loudest, W / 2; the last of a sample is heard W after it.
    Where both heads are heard they do not agree on the phase, and a tone warbles. Between two samples a straight line
    is drawn, which dulls the highest frequencies. A phase vocoder does neither, and takes longer.

    Taught in: notebooks/13_real_time.ipynb, "Does it matter where a block ends?"
    """

    def __init__(self, semitones, sr):
        if not abs(semitones) <= 24:
            raise ValueError(f"The pitch moves by -24 to 24 semitones, not {semitones}.")
        self.window = self.tail = 2 * round(WINDOW * sr / 2)
        self.delay = self.latency = self.window // 2
        self.speed = (1 - 2 ** (semitones / 12)) / self.window
        self.reset()

    def reset(self):
        self.line, self.heard = np.zeros(self.window + 1, np.float32), 0

    def process(self, x):
        line = np.concatenate([self.line, x])
        here = len(self.line) + np.arange(len(x))               # where each sample of the block lies in the line
        y = np.zeros(len(x))
        for start in (0.0, 0.5):
            p = (start + self.speed * (self.heard + np.arange(len(x)))) % 1.0
            whole = (self.window * p).astype(int)
            part = self.window * p - whole
            y += np.sin(np.pi * p) ** 2 * ((1 - part) * line[here - whole] + part * line[here - whole - 1])
        self.line, self.heard = line[len(x) :], self.heard + len(x)
        return y.astype(np.float32)
