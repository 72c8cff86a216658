"""Wrong answers of chapter 01, each a misconception, with the stage and the words that must reject it."""

import warnings

import numpy as np
import scipy.linalg
import scipy.signal
from scipy.signal import czt as transform

from mutants import mutant

# ---------------------------------------------------------------------------------------------- 01.1


@mutant("01.1", stage="properties", says="Your last sample lies at `duration` itself")
def includes_the_end(frequency, duration, sr, phase=0.0):
    t = np.linspace(0, duration, round(duration * sr))
    return np.sin(2 * np.pi * frequency * t + phase).astype(np.float32)


@mutant("01.1", stage="properties", says="You share `duration` out among a whole number of samples")
def linspace_without_its_end(frequency, duration, sr, phase=0.0):
    t = np.linspace(0, duration, round(duration * sr), endpoint=False)
    return np.sin(2 * np.pi * frequency * t + phase).astype(np.float32)


@mutant("01.1", stage="edges", says="rounded up, as `np.arange(0, duration, 1 / sr)` does it")
def counts_in_seconds(frequency, duration, sr, phase=0.0):
    t = np.arange(0, duration, 1 / sr)
    return np.sin(2 * np.pi * frequency * t + phase).astype(np.float32)


@mutant("01.1", stage="properties", says="For a duration of 12.4 samples")
def rounds_up(frequency, duration, sr, phase=0.0):
    t = np.arange(np.ceil(np.round(duration * sr, 6))) / sr
    return np.sin(2 * np.pi * frequency * t + phase).astype(np.float32)


@mutant("01.1", stage="edges", says="That is a cosine")
def cosine(frequency, duration, sr, phase=0.0):
    t = np.arange(round(duration * sr)) / sr
    return np.cos(2 * np.pi * frequency * t + phase).astype(np.float32)


@mutant("01.1", stage="edges", says="Your phase is taken in degrees")
def phase_in_degrees(frequency, duration, sr, phase=0.0):
    t = np.arange(round(duration * sr)) / sr
    return np.sin(2 * np.pi * frequency * t + np.radians(phase)).astype(np.float32)


@mutant("01.1", stage="edges", says="it counts in turns, not radians")
def phase_in_turns(frequency, duration, sr, phase=0.0):
    t = np.arange(round(duration * sr)) / sr
    return np.sin(2 * np.pi * (frequency * t + phase)).astype(np.float32)


@mutant("01.1", stage="properties", says="The 2π is missing")
def hertz_as_radians_per_second(frequency, duration, sr, phase=0.0):
    t = np.arange(round(duration * sr)) / sr
    return np.sin(frequency * t + phase).astype(np.float32)


@mutant("01.1", stage="output", says="The number of samples is cut, not rounded")
def cuts_the_last_sample(frequency, duration, sr, phase=0.0):
    t = np.arange(int(duration * sr)) / sr
    return np.sin(2 * np.pi * frequency * t + phase).astype(np.float32)


@mutant("01.1", stage="edges", says="0.14 s at 22050 Hz")
def counts_in_steps_of_a_rounded_period(frequency, duration, sr, phase=0.0):
    t = np.arange(0, round(duration * sr) / sr, 1 / sr)
    return np.sin(2 * np.pi * frequency * t + phase).astype(np.float32)


@mutant("01.1", stage="output", says="The type of your output is float64, expected float32")
def double_precision(frequency, duration, sr, phase=0.0):
    return np.sin(2 * np.pi * frequency * np.arange(round(duration * sr)) / sr + phase)


@mutant("01.1", stage="reference", says="how many digits are left after the point at 60 s")
def time_in_single_precision(frequency, duration, sr, phase=0.0):
    t = np.arange(round(duration * sr), dtype=np.float32) / np.float32(sr)
    return np.sin(np.float32(2 * np.pi * frequency) * t + np.float32(phase))


# ---------------------------------------------------------------------------------------------- 01.2


@mutant("01.2", stage="edges", says="That is 10 log10 of an amplitude")
def ten_log_of_amplitude(y):
    y = y / (2**15 if y.dtype == np.int16 else 1)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(np.sqrt(np.mean(y**2, axis=-1)))


@mutant("01.2", stage="edges", says="That is 20 log10 of a power")
def forgets_the_root(y):
    y = y / (2**15 if y.dtype == np.int16 else 1)
    with np.errstate(divide="ignore"):
        return 20 * np.log10(np.mean(y**2, axis=-1))


@mutant("01.2", stage="properties", says="That averages the absolute values")
def mean_absolute(y):
    y = y / (2**15 if y.dtype == np.int16 else 1)
    with np.errstate(divide="ignore"):
        return 20 * np.log10(np.mean(np.abs(y), axis=-1))


@mutant("01.2", stage="properties", says="That is the level of the peak")
def peak_level(y):
    y = y / (2**15 if y.dtype == np.int16 else 1)
    with np.errstate(divide="ignore"):
        return 20 * np.log10(np.max(np.abs(y), axis=-1))


@mutant("01.2", stage="edges", says="That is the convention of AES17")
def sine_is_zero(y):
    y = y / (2**15 if y.dtype == np.int16 else 1)
    with np.errstate(divide="ignore"):
        return 20 * np.log10(np.sqrt(2 * np.mean(y**2, axis=-1)))


@mutant("01.2", stage="edges", says="No finite level is low enough for silence")
def floor_at_minus_hundred(y):
    y = y / (2**15 if y.dtype == np.int16 else 1)
    return 20 * np.log10(np.maximum(np.sqrt(np.mean(y**2, axis=-1)), 1e-5))


@mutant("01.2", stage="edges", says="is at −130 dBFS; yours is at -120.00")
def silent_below_minus_120(y):
    y = y / (2**15 if y.dtype == np.int16 else 1)
    power = np.mean(y**2, axis=-1)
    with np.errstate(divide="ignore"):
        return np.where(power == 0, -np.inf, np.maximum(10 * np.log10(power), -120))[()]


@mutant("01.2", stage="edges", says="leaves them off (`np.seterr` does")
def switches_warnings_off_for_all(y):
    np.seterr(divide="ignore")
    y = y / (2**15 if y.dtype == np.int16 else 1)
    return 10 * np.log10(np.mean(y**2, axis=-1))


@mutant("01.2", stage="edges", says="whoever called it misses theirs from now on")
def filters_warnings_for_all(y):
    warnings.simplefilter("ignore")
    y = y / (2**15 if y.dtype == np.int16 else 1)
    return 10 * np.log10(np.mean(y**2, axis=-1))


@mutant("01.2", stage="edges", says="You go by the values")
def guesses_full_scale_from_the_peak(y):
    y = y / (2**15 if np.abs(y.astype(float)).max() > 1 else 1)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(np.mean(y**2, axis=-1))


@mutant("01.2", stage="edges", says="±1.2 is at +1.58 dBFS; you return 0.00")
def clips_floats(y):
    y = np.clip(y / (2**15 if y.dtype == np.int16 else 1), -1, 1)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(np.mean(y**2, axis=-1))


@mutant("01.2", stage="edges", says="A NaN is a fault upstream")
def leaves_nan_out(y):
    y = y / (2**15 if y.dtype == np.int16 else 1)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(np.nanmean(y**2, axis=-1))


@mutant("01.2", stage="edges", says="A NaN is a fault upstream")
def nan_becomes_silence(y):
    y = np.nan_to_num(y / (2**15 if y.dtype == np.int16 else 1))
    with np.errstate(divide="ignore"):
        return 10 * np.log10(np.mean(y**2, axis=-1))


@mutant("01.2", stage="edges", says="For four channels of two samples")
def averages_along_the_longer_axis(y):
    y = y / (2**15 if y.dtype == np.int16 else 1)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(np.mean(y**2, axis=np.argmax(y.shape)))


@mutant("01.2", stage="edges", says="NumPy warns")
def warns_of_silence(y):
    y = y / (2**15 if y.dtype == np.int16 else 1)
    return 20 * np.log10(np.sqrt(np.mean(y**2, axis=-1)))


@mutant("01.2", stage="edges", says="the mean of the squares, or something near it")
def without_the_constant_part(y):
    y = y / (2**15 if y.dtype == np.int16 else 1)
    with np.errstate(divide="ignore"):
        return 20 * np.log10(np.std(y, axis=-1))


@mutant("01.2", stage="edges", says="2 channels went in")
def all_channels_in_one(y):
    y = y / (2**15 if y.dtype == np.int16 else 1)
    with np.errstate(divide="ignore"):
        return 20 * np.log10(np.sqrt(np.mean(y**2)))


@mutant("01.2", stage="edges", says="−6.02 dBFS; you return 84.29")
def integers_read_as_float(y):
    with np.errstate(divide="ignore"):
        return 20 * np.log10(np.sqrt(np.mean(y.astype(np.float64) ** 2, axis=-1)))


@mutant("01.2", stage="edges", says="what becomes of 16384² in int16")
def squares_overflow(y):
    full_scale = 2**15 if y.dtype == np.int16 else 1
    with np.errstate(divide="ignore"):
        return 20 * np.log10(np.sqrt(np.mean(y * y, axis=-1)) / full_scale)


@mutant("01.2", stage="reference", says="int16 reaches from −32768 to 32767")
def full_scale_is_the_largest_integer(y):
    y = y / (2**15 - 1 if y.dtype == np.int16 else 1)
    with np.errstate(divide="ignore"):
        return 20 * np.log10(np.sqrt(np.mean(y**2, axis=-1)))


# ---------------------------------------------------------------------------------------------- 01.3


def noise(y, step, dither, rng):
    """What is right about most of the answers below."""
    rng = rng or np.random.default_rng()
    uniforms = {None: 0, "rectangular": 1, "triangular": 2}[dither]
    return sum(rng.uniform(-step / 2, step / 2, y.shape) for _ in range(uniforms))


def grid(x, step):
    """Likewise: mid-rise levels, clipped."""
    return np.clip(step * (np.floor(x / step) + 0.5), -1 + step / 2, 1 - step / 2)


@mutant("01.3", stage="properties", says="9 levels")
def rounds_to_multiples(y, bits, dither=None, rng=None):                # mid-tread without a limit
    step = 2 / 2**bits
    return (np.round((y + noise(y, step, dither, rng)) / step) * step).astype(y.dtype)


@mutant("01.3", stage="reference", says="Zero is one of your levels, so silence stays zero")
def rounds_to_multiples_and_clips(y, bits, dither=None, rng=None):      # mid-tread, as in a WAV file
    step = 2 / 2**bits
    return np.clip(step * np.round((y + noise(y, step, dither, rng)) / step), -1, 1 - step).astype(y.dtype)


@mutant("01.3", stage="properties", says="truncation, which shifts everything down by half a step")
def truncates_to_the_cell(y, bits, dither=None, rng=None):
    step = 2 / 2**bits
    return (np.floor((y + noise(y, step, dither, rng)) / step) * step).astype(y.dtype)


@mutant("01.3", stage="reference", says="your step is too wide")
def scales_by_one_less(y, bits, dither=None, rng=None):
    top = 2**bits - 1
    x = np.clip(y + noise(y, 2 / top, dither, rng), -1, 1)
    return (np.round((x + 1) / 2 * top) / top * 2 - 1).astype(y.dtype)


@mutant("01.3", stage="output", says="The type of your output is float64, expected float32")
def double_for_single(y, bits, dither=None, rng=None):
    step = 2 / 2**bits
    return grid(y.astype(np.float64) + noise(y, step, dither, rng), step)


@mutant("01.3", stage="runs", says="It changes its argument `y`")
def writes_into_the_input(y, bits, dither=None, rng=None):
    step = 2 / 2**bits
    y += noise(y, step, dither, rng)
    y[:] = grid(y, step)
    return y


@mutant("01.3", stage="properties", says="What comes first, the noise or the rounding?")
def noise_after_rounding(y, bits, dither=None, rng=None):
    step = 2 / 2**bits
    return (grid(y.astype(float), step) + noise(y, step, dither, rng)).astype(y.dtype)


@mutant("01.3", stage="edges", says="or every sample got the same")
def one_number_for_all(y, bits, dither=None, rng=None):
    step = 2 / 2**bits
    return grid(y.astype(float) + noise(np.zeros(()), step, dither, rng), step).astype(y.dtype)


@mutant("01.3", stage="edges", says="either it got no dither")
def without_dither(y, bits, dither=None, rng=None):
    step = 2 / 2**bits
    return grid(y.astype(float), step).astype(y.dtype)


@mutant("01.3", stage="edges", says="Without an `rng`, two calls give the same dither")
def a_fixed_seed_without_rng(y, bits, dither=None, rng=None):
    step = 2 / 2**bits
    return grid(y.astype(float) + noise(y, step, dither, rng or np.random.default_rng(0)), step).astype(y.dtype)


@mutant("01.3", stage="edges", says="Both channels got the same noise")
def one_noise_for_both_channels(y, bits, dither=None, rng=None):
    step = 2 / 2**bits
    return grid(y.astype(float) + noise(y[..., 0, :] if y.ndim > 1 else y, step, dither, rng), step).astype(y.dtype)


@mutant("01.3", stage="properties", says="Where do your random numbers come from?")
def ignores_the_generator(y, bits, dither=None, rng=None):
    step = 2 / 2**bits
    return grid(y.astype(float) + noise(y, step, dither, np.random.default_rng()), step).astype(y.dtype)


@mutant("01.3", stage="properties", says="with numbers of their own")
def one_noise_doubled(y, bits, dither=None, rng=None):                  # two steps wide, and still rectangular
    step = 2 / 2**bits
    strength = 2 if dither == "triangular" else 1
    return grid(y.astype(float) + strength * noise(y, step, dither and "rectangular", rng), step).astype(y.dtype)


@mutant("01.3", stage="properties", says="so a sample on a level stays there")
def rectangular_of_two_steps(y, bits, dither=None, rng=None):
    step = 2 / 2**bits
    width = 2 if dither == "rectangular" else 1
    return grid(y.astype(float) + width * noise(y, step, dither, rng), step).astype(y.dtype)


@mutant("01.3", stage="properties", says="should come out 0.25 steps above it")
def noise_only_upwards(y, bits, dither=None, rng=None):
    step = 2 / 2**bits
    up = {None: 0, "rectangular": step / 2, "triangular": step}[dither]
    return grid(y.astype(float) + noise(y, step, dither, rng) + up, step).astype(y.dtype)


@mutant("01.3", stage="properties", says="no level lies outside ±0.875")
def never_clips(y, bits, dither=None, rng=None):
    step = 2 / 2**bits
    return (step * (np.floor((y.astype(float) + noise(y, step, dither, rng)) / step) + 0.5)).astype(y.dtype)


@mutant("01.3", stage="edges", says="a type that is too small")
def passes_through_int16(y, bits, dither=None, rng=None):
    step = 2 / 2**bits
    cells = np.floor(grid(y.astype(float) + noise(y, step, dither, rng), step) / step)
    return ((cells.astype(np.int64).astype(np.int16) + 0.5) * step).astype(y.dtype)


# ---------------------------------------------------------------------------------------------- 01.4


@mutant("01.4", stage="edges", says="You take whole turns off, but do not fold")
def modulo_only(frequency, sr):
    return np.mod(frequency, sr)


@mutant("01.4", stage="properties", says="You fold once")
def folds_once(frequency, sr):
    f = np.abs(frequency)
    return np.where(f <= sr / 2, f, np.abs(sr - f))[()]


@mutant("01.4", stage="edges", says="Your result keeps a sign")
def signed_distance(frequency, sr):
    return frequency - sr * np.round(frequency / sr)


@mutant("01.4", stage="edges", says="You wrap at `sr / 2`")
def modulo_nyquist(frequency, sr):
    return np.mod(frequency, sr / 2)


@mutant("01.4", stage="edges", says="You stop at `sr / 2`")
def clips_at_nyquist(frequency, sr):
    return np.minimum(np.abs(frequency), sr / 2)


@mutant("01.4", stage="edges", says="For an array of six tones")
def one_number_at_a_time(frequency, sr):
    frequency = abs(frequency) % sr
    return sr - frequency if frequency > sr / 2 else frequency


@mutant("01.4", stage="edges", says="a tone of -1000 Hz appears at 1000 Hz")
def remainder_keeps_the_sign(frequency, sr):
    f = np.fmod(frequency, sr)
    return np.minimum(f, sr - f)


@mutant("01.4", stage="reference", says="has its spectral peak at")
def whole_hertz(frequency, sr):
    f = np.mod(np.asarray(frequency).astype(int), sr)
    return np.minimum(f, sr - f)


# ---------------------------------------------------------------------------------------------- 01.5


def waves(N, sign=-1):
    n = np.arange(N)
    return np.exp(sign * 2j * np.pi * np.outer(n, n) / N)


@mutant("01.5", stage="edges", says="Your waves turn the other way")
def positive_exponent(x):
    return x @ waves(x.shape[-1], sign=1)


@mutant("01.5", stage="edges", says="It is divided by N")
def mean_instead_of_sum(x):
    return x @ waves(x.shape[-1]) / x.shape[-1]


@mutant("01.5", stage="edges", says="It is divided by the root of N")
def unitary(x):
    return x @ waves(x.shape[-1]) / np.sqrt(x.shape[-1])


@mutant("01.5", stage="output", says="as `rfft` has them")
def half_the_spectrum(x):
    return (x @ waves(x.shape[-1]))[..., : x.shape[-1] // 2 + 1]


@mutant("01.5", stage="output", says="Your bins are real numbers")
def magnitudes(x):
    return np.abs(x @ waves(x.shape[-1]))


@mutant("01.5", stage="edges", says="the sines are not")
def cosines(x):
    return (x @ waves(x.shape[-1]).real).astype(complex)


@mutant("01.5", stage="edges", says="the 2 of 2π is missing")
def pi_for_two_pi(x):
    n = np.arange(x.shape[-1])
    return x @ np.exp(-1j * np.pi * np.outer(n, n) / len(n))


@mutant("01.5", stage="edges", says="Your n and k count from 1")
def counts_from_one(x):
    n = np.arange(1, x.shape[-1] + 1)
    return x @ np.exp(-2j * np.pi * np.outer(n, n) / len(n))


@mutant("01.5", stage="edges", says="Which axis is time?")
def first_axis(x):
    return waves(len(x)) @ x


@mutant("01.5", stage="properties", says="with complex factors too")
def drops_the_imaginary_part(x):
    w = waves(x.shape[-1])
    return x.real @ w


@mutant("01.5", stage="properties", says="with complex factors too")
def mirrors_the_lower_half(x):                                          # X[N - k] = conj(X[k]): of real signals only
    X = x @ waves(x.shape[-1])
    N = x.shape[-1]
    for k in range(1, (N + 1) // 2):
        X[..., N - k] = np.conj(X[..., k])
    return X


@mutant("01.5", stage="properties", says="a name that this check excludes, for a ready-made transform: `fft`")
def borrowed(x):
    return np.fft.fft(x)


@mutant("01.5", stage="properties", says="a name that this check excludes, for a ready-made transform: `czt`")
def borrowed_under_another_name(x):
    return transform(x).astype(complex)


@mutant("01.5", stage="properties", says="a name that this check excludes, for a ready-made transform: `czt`")
def borrowed_chirp_z(x):
    return scipy.signal.czt(x).astype(complex)


@mutant("01.5", stage="properties", says="a name that this check excludes, for a ready-made transform: `linalg`")
def borrowed_matrix(x):
    return x @ scipy.linalg.dft(x.shape[-1])


@mutant("01.5", stage="properties", says="a name that this check excludes, for a ready-made transform: `linalg`")
def multiplies_with_linalg(x):                                          # right, but a transform may hide there
    return np.linalg.multi_dot([np.atleast_2d(x), waves(x.shape[-1]), np.eye(x.shape[-1])]).reshape(x.shape)


@mutant("01.5", stage="reference", says="in double precision all the way")
def single_precision(x):
    return (x.astype(np.complex64) @ waves(x.shape[-1]).astype(np.complex64)).astype(complex)


# ---------------------------------------------------------------------------------------------- 01.6


def string(burst, n, sample):
    """The loop that most of the answers below share: `sample(y, i, P)` is what they feed back."""
    P = len(burst)
    y = np.zeros(n)
    y[:P] = burst[:n]
    for i in range(P, n):
        y[i] = sample(y, i, P)
    return y.astype(np.float32)


@mutant("01.6", stage="properties", says="You average with the sample after it")
def newer_neighbour(burst, n, decay=0.996):
    return string(burst, n, lambda y, i, P: decay * 0.5 * (y[i - P] + (y[i - P + 1] if P > 1 else y[i - 1])))


@mutant("01.6", stage="properties", says="Your delay is one sample too long")
def late_by_one(burst, n, decay=0.996):
    return string(burst, n, lambda y, i, P: decay * 0.5 * (y[i - P - 1] + y[i - P - 2]))


@mutant("01.6", stage="properties", says="Nothing is averaged")
def echo(burst, n, decay=0.996):
    return string(burst, n, lambda y, i, P: decay * y[i - P])


@mutant("01.6", stage="properties", says="The ½ is missing")
def sum_for_mean(burst, n, decay=0.996):
    return string(burst, n, lambda y, i, P: decay * (y[i - P] + y[i - P - 1]))


@mutant("01.6", stage="edges", says="`decay` damps only one of the two samples")
def decay_on_one(burst, n, decay=0.996):
    return string(burst, n, lambda y, i, P: 0.5 * (decay * y[i - P] + y[i - P - 1]))


@mutant("01.6", stage="edges", says="`decay` is not used")
def never_dies(burst, n, decay=0.996):
    return string(burst, n, lambda y, i, P: 0.5 * (y[i - P] + y[i - P - 1]))


@mutant("01.6", stage="properties", says="`decay` is applied twice")
def decays_twice(burst, n, decay=0.996):
    return string(burst, n, lambda y, i, P: decay * 0.5 * (decay * y[i - P] + decay * y[i - P - 1]))


@mutant("01.6", stage="output", says="The type of your output is float64, expected float32")
def double_string(burst, n, decay=0.996):
    return string(burst, n, lambda y, i, P: decay * 0.5 * (y[i - P] + y[i - P - 1])).astype(float)


@mutant("01.6", stage="edges", says="For n = 4, shorter than the burst")
def always_the_whole_burst(burst, n, decay=0.996):
    return string(burst, max(n, len(burst)), lambda y, i, P: decay * 0.5 * (y[i - P] + y[i - P - 1]))


@mutant("01.6", stage="reference", says="At sample P your `y[-1]` is the end of the burst")
def a_list_that_grows(burst, n, decay=0.996):
    P = len(burst)
    y = list(burst[:n])
    for i in range(P, n):
        y.append(decay * 0.5 * (y[i - P] + y[i - P - 1]))
    return np.array(y, np.float32)


@mutant("01.6", stage="properties", says="The string is linear")
def limited(burst, n, decay=0.996):
    return np.clip(string(burst, n, lambda y, i, P: decay * 0.5 * (y[i - P] + y[i - P - 1])), -1, 1)


@mutant("01.6", stage="properties", says="The string is linear")
def limited_in_the_loop(burst, n, decay=0.996):
    return string(burst, n, lambda y, i, P: np.clip(decay * 0.5 * (y[i - P] + y[i - P - 1]), -1, 1))


@mutant("01.6", stage="properties", says="The string is linear")
def scaled_when_above_one(burst, n, decay=0.996):
    y = string(burst, n, lambda y, i, P: decay * 0.5 * (y[i - P] + y[i - P - 1]))
    return y / max(np.max(np.abs(y)), np.float32(1))


@mutant("01.6", stage="edges", says="The first P samples are the burst")
def scaled_to_its_peak(burst, n, decay=0.996):
    y = string(burst, n, lambda y, i, P: decay * 0.5 * (y[i - P] + y[i - P - 1]))
    return y / max(np.max(np.abs(y)), np.float32(1e-9))


@mutant("01.6", stage="reference", says="At sample P your `y[-1]` is the end of the burst")
def the_end_leaks_into_the_start(burst, n, decay=0.996):                # y[-1] while y is still tiled with bursts
    P = len(burst)
    y = np.resize(np.asarray(burst, float), n)
    for i in range(P, n):
        y[i] = decay * 0.5 * (y[i - P] + y[i - P - 1])
    return y.astype(np.float32)
