"""Numbers that describe one signal: levels, loudness, spectra, pitch of a pure tone.

Levels are amplitudes relative to full scale: a square wave of ±1 has an RMS level of 0 dBFS and a
sine of ±1 has -3.01 dBFS. (The standard AES17 counts the sine as 0 dBFS; add 3.01 dB to compare.)
"""

import numpy as np

from .audio import floats


def true_peak(y):
    """Peak of the continuous curve that the samples describe: that of a copy at four times the rate.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]

    Returns
    -------
    np.ndarray, shape [...], or a scalar for one channel
        At least nearly :func:`peak`; up to 3 dB above it, in rare cases more.

    References
    ----------
    ITU-R BS.1770-5, annex 2.

    Taught in: notebooks/01_fundamentals.ipynb, "What breaks"
    """
    from scipy.signal import resample_poly

    return peak(resample_poly(floats(y), 4, 1, axis=-1))


def peak(y):
    """Largest absolute sample of each channel.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]

    Returns
    -------
    np.ndarray, shape [...], or a scalar for one channel

    Raises
    ------
    ValueError
        If the samples are integers: their full scale is not 1.

    Taught in: notebooks/01_fundamentals.ipynb, "How loud is it?"
    """
    return np.max(np.abs(floats(y)), axis=-1)


def rms(y):
    """Root mean square ``sqrt(mean(y²))`` of each channel, summed in double precision.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]

    Returns
    -------
    np.ndarray, shape [...], float64, or a scalar for one channel

    Raises
    ------
    ValueError
        If the samples are integers: their full scale is not 1.

    Taught in: notebooks/01_fundamentals.ipynb, "What is a decibel?"
    """
    return np.sqrt(np.mean(np.square(floats(y), dtype=np.float64), axis=-1))


def dbfs(amplitude):
    """Amplitude in decibels relative to full scale: ``20 log10(amplitude)``.

    Parameters
    ----------
    amplitude : float or np.ndarray
        Not negative: a peak or an RMS value.

    Returns
    -------
    float or np.ndarray
        0 at full scale, ``-inf`` for silence.

    Taught in: notebooks/01_fundamentals.ipynb, "What is a decibel?"
    """
    with np.errstate(divide="ignore"):                  # silence is -inf dB, which is the right answer
        return 20 * np.log10(amplitude)


def crest_factor(y):
    """Peak over RMS in decibels: 0 for a square wave, 3.01 for a sine, about 12 for speech.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]

    Returns
    -------
    np.ndarray, shape [...], or a scalar for one channel
        NaN for silence, which has neither peak nor power.

    Taught in: notebooks/01_fundamentals.ipynb, "How loud is it?"
    """
    with np.errstate(invalid="ignore"):
        return dbfs(peak(y)) - dbfs(rms(y))


def snr(clean, noisy):
    """Signal-to-noise ratio in decibels, the noise being ``noisy - clean``.

    Parameters
    ----------
    clean, noisy : np.ndarray, shape [..., n]
        Time-aligned and at the same gain: a delay of one sample counts as noise.

    Returns
    -------
    np.ndarray, shape [...], or a scalar for one channel
        ``inf`` when the two are equal.

    Taught in: notebooks/01_fundamentals.ipynb, "How many bits does an ear need?"
    """
    clean = np.asarray(clean, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return 20 * np.log10(rms(clean) / rms(noisy - clean))


def k_weighting(sr):
    """The two second-order filters that stand for the ear in ITU-R BS.1770.

    A shelf lifts everything above about 1.7 kHz by 4 dB, as a head does; a high-pass takes away what
    lies below about 40 Hz. The standard prints coefficients for 48 kHz only. These are the analogue
    filters behind them, brought to any rate by the bilinear transform.

    Parameters
    ----------
    sr : int
        Samples per second.

    Returns
    -------
    np.ndarray, shape [2, 6]
        Second-order sections ``b0 b1 b2 a0 a1 a2``, as in ``scipy.signal.sosfilt``.

    References
    ----------
    ITU-R BS.1770-5, annex 1. The analogue parameters were derived by De Man, "Evaluation of
    implementations of the EBU R128 loudness measurement", 2018.

    Taught in: notebooks/01_fundamentals.ipynb, "How loud is it?"
    """
    f, gain, q = 1681.974450955533, 3.999843853973347, 0.7071752369554196
    k = np.tan(np.pi * f / sr)
    high, band = 10 ** (gain / 20), 10 ** (gain / 20 * 0.4996667741545416)
    shelf = np.array([high + band * k / q + k**2, 2 * (k**2 - high), high - band * k / q + k**2,
                      1 + k / q + k**2, 2 * (k**2 - 1), 1 - k / q + k**2])
    f, q = 38.13547087602444, 0.5003270373238773
    k = np.tan(np.pi * f / sr)
    denominator = np.array([1 + k / q + k**2, 2 * (k**2 - 1), 1 - k / q + k**2])
    high_pass = np.concatenate([[1, -2, 1], denominator / denominator[0]])      # the standard's gain, not 1
    return np.stack([shelf / shelf[3], high_pass])


def lufs(y, sr):
    """Integrated loudness in LUFS: K-weighted power over 400 ms blocks, silence gated out.

    Blocks overlap by 75 %. Those under -70 LUFS are dropped, then those more than 10 LU under the
    mean of the rest, so that pauses do not count. Measure at 44.1 or 48 kHz where it matters: at
    lower rates the bilinear transform bends the filters: by up to 0.1 LU at 16 kHz, 0.3 at 8 kHz.

    Parameters
    ----------
    y : np.ndarray, shape [n] or [channels, n]
        At least 0.4 s, mono or stereo. A mono file is one channel: the same sound in two is 3 LU louder.
    sr : int
        Samples per second.

    Returns
    -------
    float
        ``-inf`` when every block is gated out.

    Raises
    ------
    ValueError
        If the signal is shorter than one block, has more than two channels, holds NaN or infinity, is
        of integers, or `sr` is under 8000.

    References
    ----------
    ITU-R BS.1770-5, annex 1.

    Taught in: notebooks/01_fundamentals.ipynb, "How loud is it?"
    """
    from scipy.signal import sosfilt

    y = np.atleast_2d(floats(y))
    hop = round(0.1 * sr)
    hops = y.shape[1] // hop
    if sr < 8000:
        raise ValueError(f"Loudness needs a rate of 8000 Hz or more, not {sr}: resample first, best to 48000 Hz.")
    if y.shape[0] > 2:
        raise ValueError(f"Loudness here is for mono or stereo, not {y.shape[0]} channels.")
    if hops < 4:
        raise ValueError(f"Loudness needs 0.4 s; this signal has {y.shape[1] / sr:.3f} s.")
    if not np.isfinite(y).all():
        raise ValueError("Loudness of NaN or infinity: look at what made the signal.")
    weighted = sosfilt(k_weighting(sr), y)[:, : hops * hop]
    quarters = np.mean(weighted.reshape(len(y), hops, hop) ** 2, axis=-1).sum(axis=0)      # channels add up
    power = np.convolve(quarters, np.full(4, 0.25), "valid")                    # four hops make a block
    power = power[power > 10 ** ((-70 + 0.691) / 10)]
    power = power[power > 0.1 * np.mean(power)] if power.size else power        # -10 LU is a tenth
    return float(-0.691 + 10 * np.log10(np.mean(power))) if power.size else -np.inf


def spectrum(y, sr, window="hann", n_fft=None):
    """Amplitude spectrum in decibels, scaled so that a sine of amplitude A on a bin reads ``20 log10(A)``.

    Parameters
    ----------
    y : np.ndarray, shape [n]
    sr : int
        Samples per second.
    window : str
        Any name of ``scipy.signal.get_window``.
    n_fft : int, optional
        Length of the transform; longer than `n` pads with zeros, which draws the same spectrum on a
        finer grid.

    Returns
    -------
    frequency : np.ndarray, shape [n_fft // 2 + 1]
        Hertz.
    level : np.ndarray, shape [n_fft // 2 + 1]
        dB re a sine of amplitude 1, not below -200. Halfway between two bins Hann's window reads 1.4 dB less.

    Raises
    ------
    ValueError
        If there is more than one channel, or the samples are integers.

    Taught in: notebooks/01_fundamentals.ipynb, "Which frequencies are in it?"
    """
    from scipy.signal import get_window

    y = one_channel(y)
    n_fft = n_fft or y.size
    w = get_window(window, y.size)
    magnitude = 2 * np.abs(np.fft.rfft(y * w, n_fft)) / w.sum()
    magnitude[0] /= 2                                   # the constant part has no mirror image to add
    if n_fft % 2 == 0:
        magnitude[-1] /= 2                              # nor has half the sampling rate
    return np.fft.rfftfreq(n_fft, 1 / sr), dbfs(np.maximum(magnitude, 1e-10))


def peak_frequency(y, sr):
    """Frequency of the strongest partial, between the bins of the DFT.

    The logarithm of a Hann window's main lobe is nearly a parabola: the one through the largest bin
    and its two neighbours has its top within a few hundredths of a bin of the truth.

    Parameters
    ----------
    y : np.ndarray, shape [n]
        At least 16 samples.
    sr : int
        Samples per second.

    Returns
    -------
    float
        Hertz.

    Raises
    ------
    ValueError
        If the signal is silent, or has more than one channel.

    Taught in: notebooks/01_fundamentals.ipynb, "How often must we look?"
    """
    frequency, level = spectrum(y, sr)
    if level.max() <= -200:
        raise ValueError("Silence has no peak.")
    k = 1 + int(np.argmax(level[1:-1]))
    a, b, c = level[k - 1 : k + 2]
    return float(frequency[k] + 0.5 * (a - c) / (a - 2 * b + c) * frequency[1])


def alias(frequency, sr):
    """Frequency at which a sampled sine appears: the distance to the nearest multiple of `sr`.

    Parameters
    ----------
    frequency : float or np.ndarray
        Hertz, of either sign.
    sr : int
        Samples per second.

    Returns
    -------
    float or np.ndarray
        Hertz, 0 to ``sr / 2``.

    Taught in: notebooks/01_fundamentals.ipynb, "How often must we look?"
    """
    return np.abs(frequency - sr * np.round(np.asarray(frequency) / sr))


def one_channel(y):
    """A signal as float64 of shape [n].

    Raises
    ------
    ValueError
        If it has more than one channel, or the samples are integers.
    """
    return only_channel(floats(y)).astype(np.float64)


def only_channel(y):
    """`y` itself.

    Raises
    ------
    ValueError
        If it has more than one channel.
    """
    if y.ndim != 1:
        raise ValueError(f"This is for one channel, not for shape {list(y.shape)}: pass y[0] or y.mean(axis=0).")
    return y
