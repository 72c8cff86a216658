"""Short looks at a signal: frames, their spectra, and the way back; whole or block by block."""

import numpy as np

from .. import measure

NOTHING = 1e-8                  # of the largest weight: below it the windows say nothing about a sample


def signal(y):
    """A signal as float32, or as float64 where it is that already.

    Raises
    ------
    ValueError
        If it is empty, holds integers, NaN or infinity, or has its channels last.
    """
    y = measure.floats(y)
    if not np.isfinite(y).all():
        bad = np.flatnonzero(~np.isfinite(y).reshape(-1, y.shape[-1]).all(axis=0))
        raise ValueError(f"The signal holds NaN or infinity in {len(bad)} samples, first at index {bad[0]}: look at "
                         "what made it.")
    return y if y.dtype == np.float64 else y.astype(np.float32, copy=False)


def one_channel(y):
    """As `signal`, and refuses more than one channel."""
    return measure.only_channel(signal(y))


def frame(y, frame_length, hop_length):
    """Overlapping pieces of a signal: frame t holds the samples from ``t * hop_length`` on.

    Only whole frames count: what is left over at the end is dropped.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
    frame_length, hop_length : int
        Samples.

    Returns
    -------
    np.ndarray, shape [..., 1 + (n - frame_length) // hop_length, frame_length]
        A view that cannot be written to: no sample is copied. (``librosa.util.frame`` has the last two axes the other
        way round.)

    Raises
    ------
    ValueError
        If the signal is shorter than one frame, or a length is below 1.

    Taught in: notebooks/03_features.ipynb, "How short may a look be?"
    """
    y = np.asarray(y)
    if frame_length < 1 or hop_length < 1:
        raise ValueError(f"Frames of {frame_length} samples every {hop_length}: both must be 1 or more.")
    if y.shape[-1] < frame_length:
        raise ValueError(f"{y.shape[-1]} samples are fewer than one frame of {frame_length}: pad the signal with "
                         "zeros, or take shorter frames.")
    return np.lib.stride_tricks.sliding_window_view(y, frame_length, axis=-1)[..., ::hop_length, :]


def window_of(window, win_length, n_fft):
    """A periodic window of `win_length` samples in the middle of `n_fft`, zeros around it; float64."""
    from scipy.signal import get_window

    if win_length > n_fft:
        raise ValueError(f"A window of {win_length} samples does not fit into n_fft={n_fft}: enlarge n_fft.")
    left = (n_fft - win_length) // 2
    return np.pad(get_window(window, win_length), (left, n_fft - win_length - left))


def stft(y, n_fft=2048, hop_length=None, win_length=None, window="hann", center=True):
    """Short-time Fourier transform: ``X[k, t] = sum_m y[tH + m] w[m] exp(-2πi k m / n_fft)``.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
    n_fft : int
        Samples in a frame. Row k stands for ``k * sr / n_fft`` hertz.
    hop_length : int, optional
        Samples from one frame to the next, H in the formula; a quarter of `win_length` when not given.
    win_length : int, optional
        Samples of the window, which stands in the middle of the frame; `n_fft` when not given.
    window : str
        Any name of ``scipy.signal.get_window``.
    center : bool
        Pad half a frame of zeros at both ends, so that frame t is centred on sample ``t * hop_length``. Otherwise it
        begins there.

    Returns
    -------
    np.ndarray, shape [..., n_fft // 2 + 1, frames], complex64 (complex128 for float64)
        ``1 + n // hop_length`` frames when centred and `n_fft` is even.

    Raises
    ------
    ValueError
        If the signal is empty, of integers, holds NaN, or is shorter than a frame that is not centred.

    Notes
    -----
    ``librosa.stft`` is the same, sample for sample. ``torch.stft`` and all of torchaudio pad with a mirror image
    instead of zeros, so that the first and the last frames differ: pass ``pad_mode="constant"``.

    Taught in: notebooks/03_features.ipynb, "How short may a look be?"
    """
    y = signal(y)
    win_length = win_length or n_fft
    w = window_of(window, win_length, n_fft).astype(y.dtype)
    if center:
        y = np.pad(y, [(0, 0)] * (y.ndim - 1) + [(n_fft // 2, n_fft // 2)])
    frames = frame(y, n_fft, hop_length or max(win_length // 4, 1))
    return np.fft.rfft(frames * w, axis=-1).swapaxes(-1, -2)


def istft(X, hop_length=None, win_length=None, window="hann", center=True, length=None):
    """The signal whose short-time spectra come closest to `X`: overlap, add, divide by what the windows add up to.

    ``y[n] = sum_t w[n - tH] x_t[n - tH] / sum_t w²[n - tH]``, with x_t the inverse transform of column t. For a
    spectrogram that no signal has, as after editing, this is the nearest in least squares (Griffin and Lim, 1984).
    What is needed is that the sum below is nowhere zero (NOLA). Where it is constant (COLA) the division is by a
    number.

    Parameters
    ----------
    X : np.ndarray, shape [..., n_fft // 2 + 1, frames], complex
        As from `stft`, `n_fft` even.
    hop_length, win_length, window, center
        As they were in `stft`.
    length : int, optional
        Samples to return: cut, or filled with zeros. The transform does not keep it.

    Returns
    -------
    np.ndarray, shape [..., n], float32 (float64 for complex128)
        At most 1e-6 from the signal that `X` was made of.

    Raises
    ------
    ValueError
        If the window and the hop leave samples that no frame covers, or there is no frame.

    Notes
    -----
    As ``librosa.istft`` and ``torch.istft``.

    Taught in: notebooks/03_features.ipynb, "How short may a look be?"
    """
    X = np.asarray(X)
    n_fft = 2 * (X.shape[-2] - 1)
    win_length = win_length or n_fft
    hop_length = hop_length or win_length // 4
    w = window_of(window, win_length, n_fft)
    _require_cover(w, hop_length)
    if not X.shape[-1]:
        raise ValueError("There is no frame to make a signal of.")
    frames = np.fft.irfft(X, n_fft, axis=-2) * w[:, None]                       # [..., n_fft, frames]
    n = (X.shape[-1] - 1) * hop_length + n_fft
    y, weight = np.zeros((*X.shape[:-2], n)), np.zeros(n)
    for t in range(X.shape[-1]):
        here = slice(t * hop_length, t * hop_length + n_fft)
        y[..., here] += frames[..., t]
        weight[here] += w**2
    y = _divided(y, weight, w)
    if center:
        y = y[..., n_fft // 2 : n - n_fft // 2 if length is None else n]
    if length is not None:
        y = np.pad(y, [(0, 0)] * (y.ndim - 1) + [(0, max(0, length - y.shape[-1]))])[..., :length]
    return y.astype(np.float64 if X.dtype == np.complex128 else np.float32)


def _require_cover(w, hop_length):
    """Refuse a hop at which some samples are weighted by (nearly) zero in every frame."""
    squares = np.pad(w**2, (0, -len(w) % hop_length)).reshape(-1, hop_length).sum(axis=0)
    if squares.min() <= NOTHING * squares.max():
        raise ValueError(f"With a hop of {hop_length} some samples lie under no window (it has {np.count_nonzero(w)} "
                         "samples above zero): take a hop of at most half the window.")


def _divided(y, weight, w):
    """Sums of frames by sums of weights; 0 where no window said anything."""
    return np.divide(y, weight, out=np.zeros_like(y), where=weight > NOTHING * np.max(w**2))


class StreamingSTFT:
    """`stft` of a signal that arrives block by block: the same columns, each as soon as its samples are there.

    Parameters
    ----------
    n_fft, hop_length, win_length, window
        As in `stft`, centred. The hop is at most `n_fft`.

    Raises
    ------
    ValueError
        If the hop is longer than a frame.

    Examples
    --------
    >>> live = StreamingSTFT(512, 128)
    >>> columns = [live(block) for block in blocks] + [live.flush()]           # doctest: +SKIP

    Taught in: notebooks/03_features.ipynb, "How short may a look be?"
    """

    def __init__(self, n_fft=2048, hop_length=None, win_length=None, window="hann"):
        self.n_fft, self.hop_length = n_fft, hop_length or (win_length or n_fft) // 4
        if not 1 <= self.hop_length <= n_fft:
            raise ValueError(f"A hop of {hop_length} samples must be 1 to n_fft={n_fft}.")
        self._options = {"n_fft": n_fft, "hop_length": self.hop_length, "win_length": win_length, "window": window}
        self._rest = np.zeros(n_fft // 2, np.float32)

    def __call__(self, block):
        """Take in the next samples, shape [n >= 0]; give the columns that are complete, shape [bins, frames >= 0]."""
        block = np.asarray(block)
        self._rest = np.concatenate([self._rest, one_channel(block) if block.size else block.astype(np.float32)])
        frames = max(0, 1 + (len(self._rest) - self.n_fft) // self.hop_length)
        if not frames:
            return np.zeros((self.n_fft // 2 + 1, 0), np.result_type(self._rest.dtype, np.complex64))
        X = stft(self._rest, center=False, **self._options)
        self._rest = self._rest[frames * self.hop_length :]
        return X

    def flush(self):
        """The last columns, as if zeros followed. After it a new signal may begin."""
        X = self(np.zeros(self.n_fft // 2, np.float32))
        self._rest = np.zeros(self.n_fft // 2, np.float32)
        return X


class StreamingISTFT:
    """`istft` of columns that arrive a few at a time: the same samples, each as soon as no later frame reaches it.

    Parameters
    ----------
    n_fft, hop_length, win_length, window
        As in `stft`, centred, `n_fft` even.

    Raises
    ------
    ValueError
        If window and hop leave samples that no frame covers.

    Notes
    -----
    From the first sample in to the same sample out it takes `n_fft` samples: half a frame until its column is
    complete, half until the last column that touches it is.

    Taught in: notebooks/03_features.ipynb, "How short may a look be?"
    """

    def __init__(self, n_fft=2048, hop_length=None, win_length=None, window="hann"):
        self.hop_length = hop_length or (win_length or n_fft) // 4
        self.w = window_of(window, win_length or n_fft, n_fft)
        _require_cover(self.w, self.hop_length)
        self._restart()

    def _restart(self):
        self._y, self._weight = np.zeros(len(self.w)), np.zeros(len(self.w))
        self._skip = len(self.w) // 2                                           # the padding of the centred transform

    def __call__(self, X):
        """Take in columns, shape [bins, frames >= 0]; give the samples that are done, float32, shape [n >= 0]."""
        n_fft, hop, out = len(self.w), self.hop_length, [np.zeros(0)]
        for x in np.fft.irfft(X, n_fft, axis=0).T:
            self._y += self.w * x
            self._weight += self.w**2
            out.append(_divided(self._y[:hop], self._weight[:hop], self.w))
            self._y, self._weight = (np.append(a[hop:], np.zeros(hop)) for a in (self._y, self._weight))
        return self._without_padding(np.concatenate(out))

    def flush(self):
        """The samples that still waited for later frames. After it a new signal may begin."""
        n_fft = len(self.w)
        tail = self._without_padding(_divided(self._y, self._weight, self.w)[: n_fft - self.hop_length])
        self._restart()
        return tail[: max(0, len(tail) - n_fft // 2)]

    def _without_padding(self, y):
        cut = min(self._skip, len(y))
        self._skip -= cut
        return y[cut:].astype(np.float32)
