"""Block processors: each is given the next samples, gives what can be said now, and keeps what it needs for later."""

import numpy as np
from scipy.signal import sosfilt, sosfilt_zi  # here: a live thread must not wait for an import

from .. import features
from ..features.mel import FLOOR, resolved


def samples(block):
    """The next samples of one channel as float32, refused if they are none.

    Raises
    ------
    ValueError
        If `block` is no array of floats of shape [n], or holds NaN or infinity.
    """
    x = np.asarray(block)
    if x.ndim != 1 or x.dtype.kind != "f":
        raise ValueError(f"A block is an array of floats of one channel, shape [n], not of {x.dtype} with shape "
                         f"{list(x.shape)}: take one channel, or their mean, at a full scale of ±1.")
    with np.errstate(over="ignore"):                            # float64 beyond float32 becomes infinite: see below
        x = x.astype(np.float32, copy=False)
    if not np.isfinite(x).all():
        raise ValueError(f"The block holds NaN or infinity, first at index {int(np.argmin(np.isfinite(x)))}: it would "
                         "stay in the state for ever. Look at what made it.")
    return x


class Processor:
    """What every block processor keeps to; a new one has `reset` and `process`.

    ``p(block)`` takes the next samples, shape [n], as many as there are, also none, and gives what can be said now. How
    a signal is divided changes nothing: the blocks that come out, put together, are those of the whole.

    Attributes
    ----------
    delay : int
        Samples by which what comes out is behind what goes in: ``out[i]`` belongs to ``in[i - delay]``.
    latency : int
        Algorithmic latency in samples: how long a sample waits until its answer comes, in the worst place, however
        fast the computer is. `delay` where every sample is answered at once; where a hop has to fill, that as well.
    tail : int
        Samples of silence after which nothing is left inside.

    Taught in: notebooks/13_real_time.ipynb, "Does it matter where a block ends?"
    """

    delay = latency = tail = 0

    def __call__(self, block):
        return self.process(samples(block))                     # what is refused has changed nothing

    def reset(self):
        """Begin as if nothing had been heard."""
        raise NotImplementedError

    def process(self, x):
        """What can be said after `x`, float32 of shape [n], which was looked at already."""
        raise NotImplementedError

    def skip(self, n):
        """Before the next block n samples were lost. One that keeps time counts them, and one that would put together
        what never sounded together begins anew, or lets silence pass. Else nothing changes."""

    def flush(self):
        """What is still inside, as if silence followed. Afterwards it is reset."""
        y = self.process(np.zeros(self.tail, np.float32))
        self.reset()
        return y


class Filter(Processor):
    """Second-order sections that remember: of each section two numbers are all that the past amounts to.

    A section computes ``y[n] = b0 x[n] + s1``, then ``s1 = b1 x[n] - a1 y[n] + s2`` and ``s2 = b2 x[n] - a2 y[n]``
    (transposed direct form II). A filter that forgot them at the end of a block would begin each with a click.

    Parameters
    ----------
    sos : np.ndarray, shape [sections, 6]
        As from `preprocess.butterworth`, `equaliser` or SciPy.
    settled : bool
        Begin as if the first value had always been there, not silence: for a microphone with a constant in it.

    Attributes
    ----------
    state : np.ndarray, shape [sections, 2], or None before the first sample
        s1 and s2.

    Raises
    ------
    ValueError
        If `sos` has another shape, or describes a filter whose output grows without end.

    Taught in: notebooks/13_real_time.ipynb, "Does it matter where a block ends?"
    """

    def __init__(self, sos, settled=False):
        self.sos, self.settled = np.array(sos, np.float64), settled
        if self.sos.ndim != 2 or self.sos.shape[1] != 6 or not np.isfinite(self.sos).all():
            raise ValueError(f"A filter is second-order sections, numbers of shape [sections, 6], not "
                             f'{self.sos.shape}: from SciPy ask for output="sos".')
        a1, a2 = self.sos[:, 4], self.sos[:, 5]
        if (self.sos[:, 3] != 1).any() or (np.abs(a2) >= 1).any() or (np.abs(a1) >= 1 + a2).any():
            raise ValueError("These sections are not those of a stable filter: a0 must be 1, and the roots of "
                             "1 + a1 / z + a2 / z² must lie within the unit circle.")
        self.reset()

    def reset(self):
        self.state = None

    def process(self, x):
        if not len(x):
            return x
        if self.state is None:
            self.state = sosfilt_zi(self.sos) * float(x[0]) if self.settled else np.zeros((len(self.sos), 2))
        y, self.state = sosfilt(self.sos, x.astype(np.float64), zi=self.state)
        return y.astype(np.float32)


class Spectral(Processor):
    """A change of spectra: streaming STFT, the change, overlap and add.

    Parameters
    ----------
    change : callable
        ``change(X)`` of columns, shape [n_fft // 2 + 1, frames], gives as many. It must treat each by itself: how many
        come at once depends on the blocks.
    n_fft : int
        Even.
    hop : int
        Samples, at most half of `n_fft`.

    Attributes
    ----------
    analysis : features.StreamingSTFT
        Holds the samples that wait for their last column.
    synthesis : features.StreamingISTFT
        Holds the sums that wait for later columns.
    waiting : int
        Samples that were heard and not yet given back.

    Raises
    ------
    ValueError
        If `n_fft` is odd, the hop too long, or the change gives another number of columns or rows.

    Notes
    -----
    `delay` is 0, because the first sample that comes out is the first that went in; it waits for `n_fft` samples.

    Taught in: notebooks/13_real_time.ipynb, "Does it matter where a block ends?"
    """

    def __init__(self, change, n_fft=512, hop=128):
        if n_fft < 2 or n_fft % 2 or not 1 <= hop <= n_fft // 2:
            raise ValueError(f"n_fft is even and the hop at most half of it, not {n_fft} and {hop}.")
        self.change, self.n_fft, self.hop = change, n_fft, hop
        self.latency = self.tail = n_fft
        self.reset()

    def reset(self):
        self.analysis = features.StreamingSTFT(self.n_fft, self.hop)
        self.synthesis = features.StreamingISTFT(self.n_fft, self.hop)
        self.waiting = 0

    def process(self, x):
        X = self.analysis(x)
        Y = self.change(X) if X.shape[1] else X
        if np.shape(Y) != X.shape:
            raise ValueError(f"The change made an array of shape {np.shape(Y)} of {X.shape}: it must keep the shape.")
        y = self.synthesis(Y)
        self.waiting += len(x) - len(y)
        return y

    def flush(self):
        left = self.waiting
        return super().flush()[:left]                           # beyond it stands the silence that was added


class LogMel(Processor):
    """Log-mel columns as `features.log_mel` has them, each as soon as its samples are there.

    Parameters
    ----------
    sr : int
    **sizes
        n_fft, hop_length, win_length, n_mels, fmin, fmax, as in `features.log_mel`.

    Attributes
    ----------
    bank : np.ndarray, shape [bands, bins]
    hop : int
        Samples from one column to the next.
    stft : features.StreamingSTFT
        Holds the samples that wait for their column.

    Notes
    -----
    Out comes float32 of shape [bands, frames]. Column t is centred on sample ``t * hop``, half an FFT before it is
    complete; what lies just behind a column's centre waits for the next one.

    Taught in: notebooks/13_real_time.ipynb, "Does it matter where a block ends?"
    """

    def __init__(self, sr, fmin=0.0, fmax=None, **sizes):
        self.sizes = resolved(sr, **sizes)
        self.bank = features.mel_filterbank(sr, self.sizes["n_fft"], self.sizes.pop("n_mels"), fmin, fmax)
        self.hop, self.tail = self.sizes["hop_length"], self.sizes["n_fft"] // 2
        self.latency = self.tail + self.hop - 1
        self.reset()

    def reset(self):
        self.stft = features.StreamingSTFT(**self.sizes)

    def process(self, x):
        X = self.stft(x)
        return np.log(np.maximum(self.bank @ (X.real**2 + X.imag**2), FLOOR)).astype(np.float32)


class Chain(Processor):
    """Processors one after the other; their delays add up, and their latencies at most.

    Parameters
    ----------
    *processors : Processor
        The last may give something other than samples.

    Taught in: notebooks/13_real_time.ipynb, "Does it matter where a block ends?"
    """

    def __init__(self, *processors):
        self.processors = processors
        self.delay = sum(p.delay for p in processors)
        self.latency = sum(p.latency for p in processors)

    def reset(self):
        for p in self.processors:
            p.reset()

    def process(self, x):
        for p in self.processors:
            x = p(x)
        return x

    def skip(self, n):
        for p in self.processors:
            p.skip(n)

    def flush(self):
        y = np.zeros(0, np.float32)
        for p in self.processors:
            y = joined([p(y), p.flush()])
        return y


def joined(pieces):
    """What came out piece by piece: samples, columns, or lists of events, one after the other."""
    if isinstance(pieces[0], list):
        return [event for piece in pieces for event in piece]
    return np.concatenate(pieces, axis=-1)


def offline(processor, y):
    """What a processor makes of a whole signal: all at once and flushed, its delay taken off.

    Parameters
    ----------
    processor : Processor
        One that gives samples. It is reset, before and after.
    y : np.ndarray, shape [n]

    Returns
    -------
    np.ndarray, shape [n], float32

    Taught in: notebooks/13_real_time.ipynb, "Does it matter where a block ends?"
    """
    processor.reset()
    out = joined([processor(y), processor.flush()])
    return out[processor.delay : processor.delay + len(y)]
