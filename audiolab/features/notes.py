"""Which notes sound: chroma, and transforms whose rows are semitones."""

import numpy as np

from .frames import frame, one_channel, stft, window_of

C1 = 440 * 2 ** (-45 / 12)      # Hz
NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
HANN_WIDTH = 1.5                # bins: the equivalent noise bandwidth of Hann's window
AT_ONCE = 64                    # frames that are copied out of the signal at a time: memory stays small


def note_names(frequency):
    """The nearest notes of the piano, A4 at 440 Hz: ``C♯4``.

    Parameters
    ----------
    frequency : float or np.ndarray
        Hertz, above 0.

    Returns
    -------
    str or list of str

    Taught in: notebooks/03_features.ipynb, "Which note is that?"
    """
    if np.ndim(frequency):
        return [note_names(f) for f in frequency]
    octave, step = divmod(round(12 * np.log2(frequency / C1)), 12)
    return f"{NAMES[step]}{octave + 1}"


def chroma_filterbank(sr, n_fft, n_chroma=12):
    """How much each bin of an FFT counts for each pitch class.

    A bin at ``p = 12 log2(f / 27.5)`` semitones above A0 counts for class c by ``exp(-2 (d / b)²)``, d being the
    distance from p to c round the circle of the octave and b the distance to the next bin, at least a semitone. Each
    bin's weights are brought to length 1, then those far from the middle of the keyboard lowered by ``exp(-((p / 12 -
    5) / 2)² / 2)``.

    Parameters
    ----------
    sr, n_fft : int
        Of the spectra that it is for.
    n_chroma : int
        Classes per octave, a multiple of 12.

    Returns
    -------
    np.ndarray, shape [n_chroma, n_fft // 2 + 1], float32
        Row 0 is C.

    Raises
    ------
    ValueError
        If `n_chroma` is no multiple of 12.

    Notes
    -----
    The same as ``librosa.filters.chroma``.

    References
    ----------
    Ellis, "Chroma feature analysis and synthesis", 2007.

    Taught in: notebooks/03_features.ipynb, "Which note is that?"
    """
    if n_chroma < 12 or n_chroma % 12:
        raise ValueError(f"n_chroma={n_chroma}: a multiple of 12.")
    f = np.arange(1, n_fft) * sr / n_fft                        # all, so that the last one kept has a neighbour
    p = n_chroma * np.log2(f / 27.5)
    p = np.concatenate([[p[0] - 1.5 * n_chroma], p])            # 0 Hz lies nowhere: an octave and a half below
    width = np.append(np.maximum(np.diff(p), 1), 1)
    half = n_chroma // 2
    d = (p - np.arange(n_chroma)[:, None] + half) % n_chroma - half
    weights = np.exp(-2 * (d / width) ** 2)
    weights /= np.linalg.norm(weights, axis=0)
    weights *= np.exp(-(((p / n_chroma - 5) / 2) ** 2) / 2)
    return np.roll(weights, -3 * (n_chroma // 12), axis=0)[:, : n_fft // 2 + 1].astype(np.float32)     # from A to C


def chroma(y, sr, n_fft=2048, hop_length=512, n_chroma=12):
    """Power by pitch class, all octaves folded onto one; the loudest class of each frame is 1.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
    sr : int
        Samples per second.
    n_fft, hop_length : int
    n_chroma : int
        Classes per octave, a multiple of 12.

    Returns
    -------
    np.ndarray, shape [..., n_chroma, frames]
        0 to 1, row 0 is C; zeros in silence.

    Raises
    ------
    ValueError
        As `stft` and `chroma_filterbank`.

    Notes
    -----
    The same as ``librosa.feature.chroma_stft(tuning=0)``. Without that, librosa first estimates by how much the
    recording is out of tune, and turns the filters by it. torchaudio has no chroma.

    Taught in: notebooks/03_features.ipynb, "Which note is that?"
    """
    X = stft(y, n_fft, hop_length)
    power = X.real**2 + X.imag**2
    C = chroma_filterbank(sr, n_fft, n_chroma).astype(power.dtype) @ power
    loudest = C.max(axis=-2, keepdims=True)
    return np.divide(C, loudest, out=np.zeros_like(C), where=loudest > np.finfo(C.dtype).tiny)


def cqt_frequencies(n_bins=84, fmin=C1, bins_per_octave=12):
    """Frequencies of the rows of `cqt` and `vqt`: ``fmin * 2^(k / bins_per_octave)``.

    Parameters
    ----------
    n_bins : int
    fmin : float
        Hertz; C1 when not given.
    bins_per_octave : int

    Returns
    -------
    np.ndarray, shape [n_bins]
        Hertz.

    Taught in: notebooks/03_features.ipynb, "Which note is that?"
    """
    return fmin * 2 ** (np.arange(n_bins) / bins_per_octave)


def cqt(y, sr, hop_length=512, fmin=C1, n_bins=84, bins_per_octave=12):
    """Constant-Q transform: a row for each semitone, its window so long that it holds the same number of periods.

    Parameters
    ----------
    y : np.ndarray, shape [n]
    sr : int
        Samples per second.
    hop_length : int
    fmin : float
        Hertz of the lowest row; C1 when not given.
    n_bins, bins_per_octave : int

    Returns
    -------
    np.ndarray, shape [n_bins, 1 + n // hop_length], complex64
        As from `vqt` with ``gamma=0``.

    Raises
    ------
    ValueError
        As `vqt`.

    Notes
    -----
    Librosa's own kernels (``librosa.filters.wavelet``) at the full rate give the same to within 1 dB above -60 dB.
    ``librosa.cqt`` lowers the rate octave by octave and drops the smallest coefficients of each kernel
    (``sparsity=0.01``). The level of a row over time stays within 0.1 dB, but where partials cancel, single values
    differ by 20 dB, and by up to 12 with ``sparsity=0``.

    References
    ----------
    Brown, "Calculation of a constant Q spectral transform", 1991.

    Taught in: notebooks/03_features.ipynb, "Which note is that?"
    """
    return vqt(y, sr, hop_length, fmin, n_bins, bins_per_octave, gamma=0.0)


def vqt(y, sr, hop_length=512, fmin=C1, n_bins=84, bins_per_octave=12, gamma=None):
    """Variable-Q transform: as `cqt`, with windows that do not grow so long for low notes.

    Row k correlates the signal with a complex tone under a Hann window of ``L = sr / (α f_k + γ)`` samples: ``X[k, t]
    = sqrt(L) / sum(w) · sum_m y[tH + m] w[m] exp(-2πi f_k m / sr)``. The factor makes white noise equally loud in all
    rows; a sine of amplitude A reads ``A sqrt(L) / 2``. With B rows per octave, ``α = (4^(1/B) - 1) / (4^(1/B) +
    1)``.

    Parameters
    ----------
    y : np.ndarray, shape [n]
    sr : int
        Samples per second.
    hop_length : int
    fmin : float
        Hertz of the lowest row; C1 when not given.
    n_bins, bins_per_octave : int
    gamma : float, optional
        Hertz added to every row's bandwidth. 0 is the constant-Q transform; when not given ``24.7 α / 0.108``, so
        that widths grow as those of the ear's filters do.

    Returns
    -------
    np.ndarray, shape [n_bins, 1 + n // hop_length], complex64 (complex128 for float64)

    Raises
    ------
    ValueError
        If the highest row passes half the rate; and as `stft`.

    Notes
    -----
    As ``librosa.vqt``, with the shortcuts that are told at `cqt`, and one more: librosa's kernels are of positive
    frequencies alone, which the short windows of the lowest rows are not. There its levels differ by up to 1 dB.

    References
    ----------
    Schörkhuber and others, "A Matlab toolbox for efficient perfect reconstruction time-frequency transforms with
    log-frequency resolution", 2014.

    Taught in: notebooks/03_features.ipynb, "Which note is that?"
    """
    y = one_channel(y)
    f = cqt_frequencies(n_bins, fmin, bins_per_octave)
    alpha = (4 ** (1 / bins_per_octave) - 1) / (4 ** (1 / bins_per_octave) + 1)
    gamma = 24.7 * alpha / 0.108 if gamma is None else gamma
    top = f[-1] + HANN_WIDTH / 2 * (alpha * f[-1] + gamma)
    if top > sr / 2:
        raise ValueError(f"The highest of {n_bins} rows from {fmin:.1f} Hz reaches up to {top:.0f} Hz, a rate of "
                         f"{sr} Hz only to {sr / 2:.0f}: take fewer rows.")
    lengths = sr / (alpha * f + gamma)
    half, count = int(np.ceil(lengths[0] / 2)), 1 + len(y) // hop_length
    padded = np.pad(y, (half, half + hop_length))
    out = np.empty((n_bins, count), np.result_type(y.dtype, np.complex64))
    for k, (frequency, length) in enumerate(zip(f, lengths, strict=True)):
        m = np.arange(1 - np.floor(length / 2), np.ceil(length / 2) + 1)        # samples about the frame's centre
        w = window_of("hann", len(m), len(m))[::-1]
        phase = 2 * np.pi * frequency / sr * m
        kernel = np.sqrt(length) * (w / w.sum())[:, None] * np.stack([np.cos(phase), -np.sin(phase)], axis=1)
        frames = frame(padded[half + int(m[0]) :], len(m), hop_length)[:count]
        kernel = kernel.astype(y.dtype)
        for first in range(0, count, AT_ONCE):
            re, im = (np.ascontiguousarray(frames[first : first + AT_ONCE]) @ kernel).T
            out[k, first : first + AT_ONCE] = re + 1j * im
    return out
