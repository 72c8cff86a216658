"""Filters as second-order sections, whole or block by block."""

import numpy as np

from ..audio import floats

KINDS = ("lowpass", "highpass", "bandpass", "bandstop")


def butterworth(order, cutoff, sr, kind="lowpass"):
    """Butterworth filter: as flat as can be where it passes, half of the power at the cutoff.

    The analogue prototype has its poles on the left half of the unit circle, at ``exp(j pi (2k + N + 1) / 2N)``. They
    are moved to the cutoff (for a band each becomes two), brought to the digital circle by the bilinear transform ``z
    = (1 + s) / (1 - s)``, and paired with their conjugates: a section each. Frequencies are warped beforehand, to ``w
    = tan(pi f / sr)``, so that they come out where they were asked for.

    Parameters
    ----------
    order : int
        1 to 30; a band of order N has 2N poles, as in SciPy.
    cutoff : float or pair of float
        Hz, between 0 and ``sr / 2``; two edges for a band.
    sr : int
        Samples per second.
    kind : {"lowpass", "highpass", "bandpass", "bandstop"}

    Returns
    -------
    np.ndarray, shape [sections, 6]
        ``b0 b1 b2 1 a1 a2`` of each. The response is that of ``scipy.signal.butter(..., output="sos")``; sections
        are in another order and each has a gain of 1 where the filter passes.

    Raises
    ------
    ValueError
        If the order, the cutoff or the kind is none of these.

    References
    ----------
    Butterworth, "On the theory of filter amplifiers", 1930.

    Taught in: notebooks/02_preprocessing.ipynb, "Which frequencies may pass?"
    """
    edges = _edges(cutoff, sr, kind)
    if order not in range(1, 31):
        raise ValueError(f"The order is a whole number from 1 to 30, not {order!r}.")
    w = np.tan(np.pi * edges / sr)
    prototype = np.exp(1j * np.pi * (2 * np.arange(order) + order + 1) / (2 * order))
    if len(w) == 1:
        poles = w[0] * prototype if kind == "lowpass" else w[0] / prototype
    else:
        middle = (w[1] - w[0]) / 2 * (prototype if kind == "bandpass" else 1 / prototype)
        root = np.sqrt(middle**2 - w[0] * w[1])                     # s² - 2 middle s + w0² = 0
        poles = np.concatenate([middle + root, middle - root])
    poles = (1 + poles) / (1 - poles)
    centre = 2 * np.arctan(np.sqrt(w.prod()))                       # of a band, in radians per sample
    zeros = {"lowpass": [1, 2, 1], "highpass": [1, -2, 1], "bandpass": [1, 0, -1],
             "bandstop": [1, -2 * np.cos(centre), 1]}[kind]
    passes = {"lowpass": 1, "highpass": -1, "bandpass": np.exp(1j * centre), "bandstop": 1}[kind]

    single = np.abs(poles.imag) < 1e-9
    real = np.sort(poles[single].real)
    pairs = [(2 * p.real, abs(p) ** 2) for p in poles[~single] if p.imag > 0]
    pairs += [(a + b, a * b) for a, b in zip(real[0::2], real[1::2], strict=False)]
    sections = [[*zeros, 1, -total, product] for total, product in pairs]
    if len(real) % 2:
        sections.append([1, zeros[1] / 2, 0, 1, -real[-1], 0])      # a low- or high-pass of odd order
    sos = np.array(sorted(sections, key=lambda section: section[5]))        # the sharpest resonance last
    z = passes ** -np.arange(3.0)
    sos[:, :3] /= np.abs((sos[:, :3] @ z) / (sos[:, 3:] @ z))[:, None]
    return sos


def fir(cutoff, sr, transition, attenuation=80.0, kind="lowpass"):
    """Filter without feedback: a sinc under Kaiser's window, as long as the specification needs.

    Parameters
    ----------
    cutoff : float or pair of float
        Hz: the middle of the transition, where half of the *amplitude* is left; two edges for a band.
    sr : int
        Samples per second.
    transition : float
        Hz from passing to stopping.
    attenuation : float
        Decibels by which the stopband is down, 21 or more.
    kind : {"lowpass", "highpass", "bandpass", "bandstop"}

    Returns
    -------
    np.ndarray, shape [taps]
        Odd in number and symmetric: every frequency is delayed by ``taps // 2`` samples.

    Raises
    ------
    ValueError
        If a frequency or the kind is none of these, or the filter would have more than 100,001 taps.

    References
    ----------
    Kaiser, "Nonrecursive digital filter design using the I0-sinh window function", 1974.

    Taught in: notebooks/02_preprocessing.ipynb, "Which frequencies may pass?"
    """
    edges = _edges(cutoff, sr, kind)
    if not (transition > 0 and attenuation >= 21):
        raise ValueError("The transition is a positive width in Hz, the attenuation 21 dB or more.")
    side = int(np.ceil((attenuation - 7.95) / (2.285 * 2 * np.pi * transition / sr) / 2))
    if side > 50_000:
        raise ValueError(f"A transition of {transition:g} Hz takes {2 * side + 1} taps: allow it more width.")
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    else:
        beta = 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    k, window = np.arange(-side, side + 1), np.kaiser(2 * side + 1, beta)
    low = [2 * f / sr * np.sinc(2 * f / sr * k) * window for f in edges]
    low = [h / h.sum() for h in low]
    impulse = (k == 0).astype(float)
    return {"lowpass": lambda: low[0], "highpass": lambda: impulse - low[0], "bandpass": lambda: low[1] - low[0],
            "bandstop": lambda: impulse - low[1] + low[0]}[kind]()


def _edges(cutoff, sr, kind):
    """The cutoff frequencies as an array, refused if they do not go with the kind or the rate."""
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} is none of {', '.join(KINDS)}.")
    edges = np.atleast_1d(np.asarray(cutoff, dtype=np.float64))
    wanted = 2 if kind.startswith("band") else 1
    if edges.shape != (wanted,) or not (edges > 0).all() or not (edges < sr / 2).all() or (np.diff(edges) <= 0).any():
        how = "two frequencies, the lower first," if wanted == 2 else "one frequency"
        raise ValueError(f"A {kind} needs {how} between 0 and sr / 2 = {sr / 2:g} Hz, not {cutoff}.")
    return edges


def filter_signal(y, coefficients, zero_phase=False):
    """Send a signal through a filter.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
    coefficients : np.ndarray, shape [sections, 6] or [taps]
        Second-order sections, of `butterworth` or SciPy, or the taps of `fir`.
    zero_phase : bool
        False: causal, as it would run live; before the signal lies silence. True: forwards, then backwards, so that the
        delays cancel and the attenuation doubles (taps of `fir` run once and are shifted back). It needs the future.

    Returns
    -------
    np.ndarray, shape of `y`, float32
        float64 where `y` is.

    Raises
    ------
    ValueError
        If the samples are integers or the coefficients have another shape.

    Taught in: notebooks/02_preprocessing.ipynb, "Which frequencies may pass?"
    """
    from scipy.signal import oaconvolve, sosfilt, sosfiltfilt

    y = floats(y)
    c = _coefficients(coefficients)
    if c.ndim == 1:
        first = len(c) // 2 if zero_phase else 0
        x = y.astype(np.float64)
        out = oaconvolve(x, c.reshape((1,) * (y.ndim - 1) + (-1,)), axes=-1)[..., first : first + y.shape[-1]]
    elif zero_phase:
        reach = min(3 * (2 * len(c) + 1), y.shape[-1] - 1)          # mirrored at the ends, as far as there is signal
        out = sosfiltfilt(c, y.astype(np.float64), padlen=reach)
    else:
        out = sosfilt(c, y.astype(np.float64))
    return out.astype(np.result_type(y.dtype, np.float32))


class Filter:
    """A filter that remembers: blocks come out as the whole signal would.

    Parameters
    ----------
    coefficients : np.ndarray, shape [sections, 6] or [taps]
        As in `filter_signal`.

    Examples
    --------
    >>> running = Filter(butterworth(4, 80, 16000, "highpass"))
    >>> out = np.concatenate([running(block) for block in blocks])       # doctest: +SKIP

    Taught in: notebooks/02_preprocessing.ipynb, "Which frequencies may pass?"
    """

    def __init__(self, coefficients):
        self.coefficients = _coefficients(coefficients)
        self.reset()

    def reset(self):
        """Forget: what comes next is the beginning of another signal."""
        self.state = None

    def __call__(self, block):
        """Filter the next block.

        Parameters
        ----------
        block : np.ndarray, shape [n] or [channels, n]
            Of any length, also 0; always as many channels as the first.

        Returns
        -------
        np.ndarray, shape of `block`, float32 or float64 as in `filter_signal`

        Raises
        ------
        ValueError
            If the number of channels changes, or the samples are integers.
        """
        from scipy.signal import lfilter, sosfilt

        block, c = np.asarray(block), self.coefficients
        if not block.shape[-1]:
            return block.copy()
        x = floats(block).astype(np.float64)
        shape = (*x.shape[:-1], len(c) - 1) if c.ndim == 1 else (len(c), *x.shape[:-1], 2)
        if self.state is None:
            self.state = np.zeros(shape)
        if self.state.shape != shape:
            raise ValueError(f"The blocks before had another shape than {list(x.shape)}: one Filter for each signal, "
                             "or reset() in between.")
        if c.ndim == 1:
            out, self.state = lfilter(c, 1.0, x, zi=self.state)
        else:
            out, self.state = sosfilt(c, x, zi=self.state)
        return out.astype(np.result_type(block.dtype, np.float32))


def _coefficients(c):
    c = np.asarray(c, dtype=np.float64)
    if not (c.ndim == 1 and c.size) and not (c.ndim == 2 and c.shape[1] == 6):
        raise ValueError(f"A filter is second-order sections, shape [sections, 6], or taps, shape [n], not {c.shape}: "
                         'from SciPy ask for output="sos".')
    return c
