"""Signals from formulas: tones, chirps, noise, envelopes, plucked strings, a room, a quantiser.

Every function returns float32 at full scale ±1. Times are in seconds, frequencies in hertz; sample
``i`` is taken at ``i / sr``. Randomness comes from the generator that the caller passes in.
"""

import numpy as np

from .audio import floats

#: Change of power per octave, in decibels, of the noise colours.
NOISE_SLOPES = {"violet": 6, "blue": 3, "white": 0, "pink": -3, "brown": -6}


def times(duration, sr):
    """Instants at which samples are taken: ``i / sr`` for ``i = 0 … round(duration * sr) - 1``.

    Parameters
    ----------
    duration : float
        Seconds, at least one sample.
    sr : int
        Samples per second.

    Returns
    -------
    np.ndarray, shape [n], float64
        Double precision, because ``sin(2 pi f t)`` in single precision is audibly wrong after a
        minute.

    Raises
    ------
    ValueError
        If `duration` holds no whole sample or `sr` is not positive.

    Taught in: notebooks/01_fundamentals.ipynb, "How does a number become a sound?"
    """
    if sr <= 0:
        raise ValueError(f"sr must be positive, got {sr}.")
    n = round(duration * sr)
    if n < 1:
        raise ValueError(f"{duration} s at {sr} Hz is not even one sample: make it longer.")
    return np.arange(n) / sr


def tone(frequency, duration, sr, amplitude=0.5, phase=0.0):
    """Sine wave ``amplitude * sin(2 pi frequency t + phase)``.

    Parameters
    ----------
    frequency : float
        Hertz. Above ``sr / 2`` it aliases: nothing here prevents that.
    duration : float
        Seconds.
    sr : int
        Samples per second.
    amplitude : float
        Peak value; full scale is 1.
    phase : float
        Radians at time zero. ``pi / 2`` gives a cosine.

    Returns
    -------
    np.ndarray, shape [n], float32

    Taught in: notebooks/01_fundamentals.ipynb, "How does a number become a sound?"
    """
    t = times(duration, sr)
    return (amplitude * np.sin(2 * np.pi * frequency * t + phase)).astype(np.float32)


def chirp(start, stop, duration, sr, amplitude=0.5):
    """Sine whose frequency glides linearly from `start` to `stop`.

    The phase is the integral of the frequency: ``2 pi (start t + (stop - start) t² / (2 duration))``.

    Parameters
    ----------
    start, stop : float
        Hertz at the first and at the end.
    duration : float
        Seconds.
    sr : int
        Samples per second.
    amplitude : float
        Peak value.

    Returns
    -------
    np.ndarray, shape [n], float32

    Taught in: notebooks/01_fundamentals.ipynb, "How often must we look?"
    """
    t = times(duration, sr)
    phase = 2 * np.pi * (start * t + (stop - start) * t**2 / (2 * duration))
    return (amplitude * np.sin(phase)).astype(np.float32)


def harmonics(frequency, amplitudes, duration, sr):
    """Additive synthesis: sines at 1, 2, 3 … times `frequency`.

    Parameters
    ----------
    frequency : float
        Fundamental in hertz.
    amplitudes : sequence of float
        Peak value of each partial, the fundamental first. Partials at or above ``sr / 2`` are left
        out, because they would alias.
    duration : float
        Seconds.
    sr : int
        Samples per second.

    Returns
    -------
    np.ndarray, shape [n], float32
        The plain sum: its peak may pass full scale when the amplitudes sum to more than 1.

    Taught in: notebooks/01_fundamentals.ipynb, "What gives a sound its colour?"
    """
    t = times(duration, sr)
    y = np.zeros_like(t)
    for k, amplitude in enumerate(amplitudes, start=1):
        if k * frequency < sr / 2:
            y += amplitude * np.sin(2 * np.pi * k * frequency * t)
    return y.astype(np.float32)


def noise(color, duration, sr, rng, rms=0.1):
    """Gaussian noise whose power falls or rises by a fixed amount per octave.

    White noise is shaped in the frequency domain: a slope of ``s`` dB per octave is a gain of
    ``f ** (s / 6.02)``, since an octave doubles ``f`` and 6.02 dB doubles an amplitude.

    Parameters
    ----------
    color : {"violet", "blue", "white", "pink", "brown"}
        Power changes by +6, +3, 0, -3 or -6 dB per octave.
    duration : float
        Seconds.
    sr : int
        Samples per second.
    rng : np.random.Generator
        Source of randomness.
    rms : float
        Root mean square of the result, at most about 0.2 if peaks are to stay within full scale.

    Returns
    -------
    np.ndarray, shape [n], float32
        Nothing below 20 Hz, where brown noise would have nearly all its power, and nobody hears it.

    Raises
    ------
    ValueError
        If `color` is none of the above.

    Taught in: notebooks/01_fundamentals.ipynb, "What colour is noise?"
    """
    if color not in NOISE_SLOPES:
        raise ValueError(f"color {color!r} is none of {', '.join(NOISE_SLOPES)}.")
    n = times(duration, sr).size
    spectrum = np.fft.rfft(rng.standard_normal(n))
    frequency = np.fft.rfftfreq(n, 1 / sr)
    audible = frequency >= 20
    spectrum[~audible] = 0
    spectrum[audible] *= frequency[audible] ** (NOISE_SLOPES[color] / (20 * np.log10(2)))
    y = np.fft.irfft(spectrum, n)
    return (y * rms / max(np.sqrt(np.mean(y**2)), 1e-12)).astype(np.float32)


def adsr(duration, sr, attack=0.01, decay=0.1, sustain=0.7, release=0.1):
    """Envelope in four straight lines: attack, decay, sustain, release.

    Parameters
    ----------
    duration : float
        Seconds, at least ``attack + decay + release``.
    sr : int
        Samples per second.
    attack, decay, release : float
        Seconds to rise from 0 to 1, to fall from 1 to `sustain`, and to fall to 0 at the end.
    sustain : float
        Level between decay and release, 0 to 1.

    Returns
    -------
    np.ndarray, shape [n], float32, values 0 to 1

    Raises
    ------
    ValueError
        If the three parts are longer than `duration`, one is negative, or `sustain` is not 0 to 1.

    Taught in: notebooks/01_fundamentals.ipynb, "What gives a sound its colour?"
    """
    if min(attack, decay, release) < 0 or not 0 <= sustain <= 1:
        raise ValueError("attack, decay and release are times, not below 0; sustain is a level, 0 to 1.")
    if attack + decay + release > duration + 0.5 / sr:
        raise ValueError(f"attack + decay + release is {attack + decay + release:g} s, longer than {duration:g} s.")
    corners = [0, attack, attack + decay, max(duration - release, attack + decay), duration]
    return np.interp(times(duration, sr), corners, [0, 1, sustain, sustain, 0]).astype(np.float32)


def pluck(frequency, duration, sr, rng, decay=0.996):
    """Plucked string: a burst of noise that circulates in a delay line and is averaged at each turn.

    ``y[i] = x[i] + decay * (y[i - P] + y[i - P - 1]) / 2`` sounds at ``sr / (P + 1/2)``. Since P is
    whole, most pitches fall between two values; a first-order all-pass in the loop supplies the
    missing fraction of a sample.

    Parameters
    ----------
    frequency : float
        Hertz, 20 to ``sr / 4``; in tune within a cent up to ``sr / 16``.
    duration : float
        Seconds.
    sr : int
        Samples per second.
    rng : np.random.Generator
        Source of the burst: no two plucks are alike.
    decay : float
        Loss per turn, 0 to 1. Smaller values damp the string sooner.

    Returns
    -------
    np.ndarray, shape [n], float32
        Peak 0.5.

    Raises
    ------
    ValueError
        If `frequency` is not between 20 Hz and ``sr / 4``, or `decay` not between 0 and 1.

    References
    ----------
    Karplus and Strong, "Digital synthesis of plucked-string and drum timbres", 1983; the tuning
    all-pass is from Jaffe and Smith, "Extensions of the Karplus-Strong plucked-string algorithm", 1983.

    Taught in: notebooks/01_fundamentals.ipynb, "Can a string be twelve lines of code?"
    """
    from scipy.signal import lfilter

    if not 0 <= decay <= 1:
        raise ValueError(f"decay is what a turn leaves over, 0 to 1, not {decay}.")
    if not 20 <= frequency <= sr / 4:
        raise ValueError(f"A string of {frequency:g} Hz needs 20 Hz to sr / 4 = {sr / 4:g} Hz.")
    period = sr / frequency - 0.5                       # the average itself delays by half a sample
    P = int(period - 0.1)                               # leaves a fraction of 0.1 to 1.1 samples
    fraction = period - P
    half = np.pi * frequency / sr                       # the delay of (c + z⁻¹) / (1 + c z⁻¹), exact at `frequency`
    c = np.sin((1 - fraction) * half) / np.sin((1 + fraction) * half)
    burst = np.zeros(times(duration, sr).size)
    pick = rng.uniform(-1, 1, P)
    burst[:P] = (pick - pick.mean())[: burst.size]      # a constant part would circulate, unheard, for long
    loop = np.zeros(P + 3)
    loop[:2] = 1, c
    loop[P:] -= decay * np.convolve([0.5, 0.5], [c, 1])
    y = lfilter([1, c], loop, burst)
    return (0.5 * y / np.max(np.abs(y))).astype(np.float32)


def room(rt60, sr, rng, direct_to_reverberant=3.0):
    """Impulse response of an imagined room: the direct sound, then noise that decays by 60 dB in `rt60`.

    Parameters
    ----------
    rt60 : float
        Reverberation time in seconds: a living room has about 0.4, a concert hall 2, a cathedral 6.
    sr : int
        Samples per second.
    rng : np.random.Generator
        Source of the reflections.
    direct_to_reverberant : float
        Energy of the direct sound over that of the tail, in decibels. It falls as one steps back.

    Returns
    -------
    np.ndarray, shape [n], float32
        ``1.2 * rt60`` seconds; the first sample is the direct sound, of amplitude 1.

    Raises
    ------
    ValueError
        If `rt60` is under 0.05 s.

    References
    ----------
    The decaying-noise model is Moorer's, "About this reverberation business", 1979.

    Taught in: notebooks/01_fundamentals.ipynb, "What does a room do?"
    """
    if rt60 < 0.05:
        raise ValueError(f"A reverberation time of {rt60:g} s is no room: take 0.05 s or more.")
    t = times(1.2 * rt60, sr)
    tail = rng.standard_normal(t.size) * 10 ** (-3 * t / rt60)          # -60 dB is a factor 10⁻³
    tail[: round(0.005 * sr)] = 0                                       # nothing is nearer than 1.7 m of detour
    tail *= 10 ** (-direct_to_reverberant / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1
    return tail.astype(np.float32)


def quantize(y, bits, dither=None, rng=None):
    """Round a signal to a grid of 2**bits levels.

    The step is ``2 / 2**bits``; levels lie half a step off zero (mid-rise), so that the grid is
    symmetric and full scale needs no headroom. Files are *mid-tread*: there zero is a level, one more
    level lies below it than above, and silence stays silent (see :func:`audiolab.save`).

    Parameters
    ----------
    y : np.ndarray, shape [..., n], float
        Signal, full scale ±1. Values beyond are clipped to the outermost level.
    bits : int
        1 to 24.
    dither : {None, "rectangular", "triangular"}
        Noise added before rounding, one or two steps wide. Triangular dither makes the mean and the
        power of the error independent of the signal.
    rng : np.random.Generator, optional
        Source of the dither; needed with it.

    Returns
    -------
    np.ndarray, shape [..., n], dtype of `y`

    Raises
    ------
    ValueError
        If `bits` is not a whole number from 1 to 24, `dither` is none of the above or lacks its `rng`,
        or `y` holds integers.

    References
    ----------
    Lipshitz, Wannamaker and Vanderkooy, "Quantization and dither: a theoretical survey", 1992.

    Taught in: notebooks/01_fundamentals.ipynb, "How many bits does an ear need?"
    """
    if bits not in range(1, 25):
        raise ValueError(f"bits must be a whole number from 1 to 24, got {bits}.")
    if dither not in (None, "rectangular", "triangular"):
        raise ValueError(f'dither must be None, "rectangular" or "triangular", got {dither!r}.')
    if dither and rng is None:
        raise ValueError("dither is noise: pass rng=np.random.default_rng(seed).")
    y = floats(y)
    step = 2 / 2**bits
    x = y.astype(np.float64)
    for _ in range({None: 0, "rectangular": 1, "triangular": 2}[dither]):      # two uniforms sum to a triangle
        x = x + rng.uniform(-step / 2, step / 2, y.shape)
    levels = step * (np.floor(x / step) + 0.5)
    return np.clip(levels, -1 + step / 2, 1 - step / 2).astype(y.dtype)
