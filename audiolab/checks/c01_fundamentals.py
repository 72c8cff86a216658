"""Checks of chapter 01, fundamentals: tone, level, quantiser, alias, Fourier transform, string."""

import inspect
import warnings

import numpy as np

from .spec import Exercise, edge_signals

# ---------------------------------------------------------------------------------------------- 01.1

tone = Exercise(
    "01.1", "tone(frequency, duration, sr, phase=0.0)",
    example=lambda: (440.0, 0.0023, 22050, 1.0),
    hints=[
        "Do it in two steps: the instants at which samples are taken, then the sine at those instants. "
        "How far apart are two instants?",
        "Sample `i` is taken at `i / sr` seconds, and `i` counts from 0 to `n - 1`. `np.arange` counts; "
        "`round` finds `n`.",
        "With `t` holding `np.arange(n) / sr`, the angle is 2π × `frequency` × `t` + `phase`, in radians. "
        "Turn the result into float32 last, with `.astype`.",
    ],
    learned="A tone that starts at the phase where another ended joins it without a click.",
)


@tone.output
def is_float32_of_the_right_length(t, got, frequency, duration, sr, phase=0.0):
    t.array(got, shape=(round(duration * sr),), dtype=np.float32)


@tone.edges
def starts_at_its_phase(t):
    for phase in (np.pi / 2, np.pi / 3, 0.0, -1.0):
        first = t.on(f"one sample at phase {phase:.3f}")(100.0, 1 / 8000, 8000, phase)
        t.close(first, np.array([np.sin(phase)]), atol=1e-6, ask="What is the sine of the phase at time zero?",
                says=f"At time zero a tone of phase {phase:.3f} is {np.sin(phase):.3f}; yours is **{first[0]:.3f}**.")


@tone.edges
def has_every_sample(t):
    for duration, sr in ((0.35, 44100), (0.14, 22050)):     # × sr is 15434.999…; 1 / sr steps give 3088
        got = t.on(f"{duration} s at {sr} Hz")(0.0, duration, sr, np.pi / 2)
        t.close(got, np.ones(round(duration * sr)), atol=1e-6, ask="What does 0 Hz times the time make?",
                says="At 0 Hz nothing moves: every sample is the sine of the phase.")


@tone.properties
def four_samples_a_turn(t):
    got = t(2000.0, 12 / 8000, 8000)
    want = np.tile([0, 1, 0, -1], 3)
    t.close(got, want, atol=1e-5, ask="How many radians are one whole turn, and at which time is sample `i` taken?",
            says="2000 Hz at sr = 8000 takes four samples a turn, 0, 1, 0, −1; "
                 f"yours begin {np.array2string(got[:4], precision=3, suppress_small=True)}.")


@tone.properties
def keeps_its_pitch_when_the_end_is_between_samples(t):
    for part in (0.4, -0.4):
        n = 12 + part
        t.close(t.on(f"a duration of {n:g} samples")(2000.0, n / 8000, 8000), np.tile([0, 1, 0, -1], 3), atol=1e-5,
                ask="How far apart are two samples, and does that depend on `duration`?",
                says="2000 Hz at sr = 8000 takes four samples a turn, 0, 1, 0, −1, wherever the tone ends.")


@tone.properties
def joins_without_a_click(t):
    f, phase, n, sr = t.rng.uniform(100, 2000), t.rng.uniform(-3, 3), int(t.rng.integers(200, 400)), 16000
    second = t(f, n / sr, sr, phase + 2 * np.pi * f * n / sr)
    joined = np.concatenate([t(f, n / sr, sr, phase), second])
    t.close(joined, t(f, 2 * n / sr, sr, phase), atol=1e-4, ask="At which time is sample `i` taken?",
            says="Two tones, the second starting at the phase that the first has reached, should make one long tone.")


@tone.reference
def agrees_with_scipy(t):
    from scipy.signal import chirp

    for duration in (0.5, 60.0):
        f, phase, sr = t.rng.uniform(500, 1900), t.rng.uniform(-3, 3), 4000
        i = np.arange(round(duration * sr))
        want = chirp(i / sr, f, duration, f, phi=np.degrees(phase) - 90)    # SciPy counts from the cosine, in degrees
        got = t.on(f"{f:.1f} Hz for {duration:g} s")(f, duration, sr, phase)
        t.close(got, want, atol=1e-5, show=(got[-100:], want[-100:]),
                ask="What precision does your time axis have: how many digits are left after the point at 60 s?",
                says="It has to agree with `scipy.signal.chirp` that stays on one frequency.")


def _sine(turns):
    """What a mistake hands back: float32, as an answer would."""
    return np.sin(2 * np.pi * turns).astype(np.float32)


@tone.mistake("Your last sample lies at `duration` itself, so all samples are a little too far apart.",
              ask="At which time is sample `i` taken?")
def includes_the_end(frequency, duration, sr, phase=0.0):
    return _sine(frequency * np.linspace(0, duration, round(duration * sr)) + phase / (2 * np.pi))


@tone.mistake("You share `duration` out among a whole number of samples. It seldom is that long to the sample, "
              "so they lie a little too near or too far apart, and the pitch is off.",
              ask="How far apart are two samples, and does that depend on `duration`?")
def shares_out_the_duration(frequency, duration, sr, phase=0.0):
    return _sine(frequency * np.linspace(0, duration, round(duration * sr), endpoint=False) + phase / (2 * np.pi))


@tone.mistake("The number of samples is rounded up, as `np.arange(0, duration, 1 / sr)` does it: even when "
              "`duration * sr` is beyond a whole number by a rounding error only.",
              ask="What is 0.14 × 22050 on paper, and what in floating point?")
def counts_in_seconds(frequency, duration, sr, phase=0.0):
    return _sine(frequency * np.arange(0, duration, 1 / sr) + phase / (2 * np.pi))


@tone.mistake("That is a cosine: it starts a quarter turn ahead.", ask="What should a tone of phase 0 start with?")
def starts_at_the_top(frequency, duration, sr, phase=0.0):
    return _sine(frequency * np.arange(round(duration * sr)) / sr + phase / (2 * np.pi) + 0.25)


@tone.mistake("Your phase is taken in degrees.",
              ask="In which unit does `np.sin` want its angle, and which has `phase`?")
def degrees(frequency, duration, sr, phase=0.0):
    return _sine(frequency * np.arange(round(duration * sr)) / sr + phase / 360)


@tone.mistake("Your phase is multiplied by 2π as well: it counts in turns, not radians.",
              ask="What belongs inside the bracket?")
def turns(frequency, duration, sr, phase=0.0):
    return _sine(frequency * np.arange(round(duration * sr)) / sr + phase)


@tone.mistake("The 2π is missing, so your tone is 6.28 times too low.", ask="How many radians are one whole turn?")
def one_radian_a_turn(frequency, duration, sr, phase=0.0):
    return _sine((frequency * np.arange(round(duration * sr)) / sr + phase) / (2 * np.pi))


@tone.mistake("The number of samples is cut, not rounded.", ask="What does `int` make of 50.7?")
def truncates(frequency, duration, sr, phase=0.0):
    return _sine(frequency * np.arange(int(duration * sr)) / sr + phase / (2 * np.pi))


# ---------------------------------------------------------------------------------------------- 01.2

rms_dbfs = Exercise(
    "01.2", "rms_dbfs(y)",
    example=lambda: ((0.5 * np.sin(2 * np.pi * np.arange(64) / 16 + 0.3)).astype(np.float32),),
    hints=[
        "Read the name backwards: **s**quare every sample, take the **m**ean, then the **r**oot; then decibels. "
        "Along which axis does the mean run, so that each channel keeps a number of its own?",
        "A level is 20 log10 of an amplitude, or 10 log10 of a power. The mean square is a power. "
        "Integers have to become floats, and be divided by 32768, before they are squared.",
        "`np.mean(…, axis=-1)` works for one channel and for many. `with np.errstate(divide=\"ignore\"):` lets the "
        "logarithm of zero be `-inf` in silence.",
    ],
    learned="A full-scale sine is at −3.01 dBFS here. And half as loud to the ear is about 10 dB down, not 6.",
)


@rms_dbfs.output
def is_one_level_per_channel(t, got, y):
    if y.ndim == 1:
        t.number(got, finite=False)
    else:
        t.holds(np.ndim(got) == 1, f"{len(y)} channels went in and should come out as {len(y)} levels; yours has shape "
                f"**{list(np.shape(got))}**.", ask="Over which axis do you average?")
        t.array(got, shape=y.shape[:-1], finite=False)


@rms_dbfs.edges
def silence_is_minus_infinity(t):
    with np.errstate(all="warn"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = np.geterr(), list(warnings.filters)
        level = t.on("silence")(np.zeros(64, np.float32))
        after = np.geterr(), list(warnings.filters)
    t.holds(level == -np.inf, f"No finite level is low enough for silence: it is `-inf`; you return **{level:.2f}**.",
            ask="What is the logarithm of zero, and did you add something to avoid it?")
    t.holds(not caught, "The level of silence is right, but NumPy warns, as if silence were a fault.",
            ask="What does `np.errstate` do?", values=False)
    t.holds(before == after, "It switches warnings off and leaves them off (`np.seterr` does, and "
            "`warnings.simplefilter`), so that whoever called it misses theirs from now on.",
            ask="For which line should there be no warning, and what puts things back after it?", values=False)


@rms_dbfs.edges
def constant_signals(t):
    signals = {"a constant of 0.5": np.full(50, 0.5), "one sample of 0.5": np.full(1, 0.5),
               "a square wave of ±0.5": np.tile([0.5, -0.5], 25)}
    for name, y in signals.items():
        level = t.on(name)(y.astype(np.float32))
        t.close(level, -6.0206, atol=1e-3, ask="Which is it: the mean of the squares, or something near it?",
                says=f"For {name} every square is 0.25, so the level is −6.02 dBFS; yours is **{level:.2f}**.")


@rms_dbfs.edges
def very_soft_is_not_silent(t):
    level = t.on("a constant of -130 dBFS in float64")(np.full(50, 10 ** (-130 / 20)))
    t.close(level, -130, atol=1e-3, ask="Did you add something, or set a lowest level?",
            says=f"A constant of 3.2e-7 is at −130 dBFS; yours is at **{level:.2f}**.")


@rms_dbfs.edges
def channels_stay_apart(t):
    left = np.tile([0.5, -0.5], 50)
    got = t.on("stereo, the right channel silent")(np.stack([left, 0 * left]).astype(np.float32))
    t.holds(abs(got[0] + 6.0206) < 1e-3 and got[1] == -np.inf,
            f"Left is −6.02 dBFS and right −inf; yours are **{got[0]:.2f}** and **{got[1]:.2f}**.",
            ask="Over which axis do you average?")


@rms_dbfs.edges
def the_first_axis_is_the_channels(t):
    y = np.array([[0.5, -0.5], [0.25, -0.25], [1, -1], [0, 0]])
    t.close(t.on("four channels of two samples")(y), np.array([-6.0206, -12.0412, 0, -np.inf]), atol=1e-3,
            ask="Which axis is time, even when it is the shorter one?", says="Each of them has a level of its own.")


@rms_dbfs.edges
def what_is_not_a_number_stays_visible(t):
    y = np.array([[0.5, np.nan, -0.5], [0.5, -0.5, 0.5]])
    got = t.on("stereo with a NaN on the left").call(t.answer, y)          # the contract knows no NaN
    t.close(got, np.array([np.nan, -6.0206]), atol=1e-3, ask="What hides the NaN, and who would want to know of it?",
            says="A NaN is a fault upstream: the level of its channel is NaN, the other's −6.02 dBFS.")


@rms_dbfs.edges
def integers_have_their_own_full_scale(t):
    level = t.on("an int16 square wave of ±16384")(np.tile([16384, -16384], 50).astype(np.int16))
    t.close(level, -6.0206, atol=0.01, ask="What is the largest int16, and what becomes of 16384² in int16?",
            says=f"16384 is half of int16's full scale, −6.02 dBFS; you return **{level:.2f}**.")
    level = t.on("an int16 square wave of ±1")(np.tile([1, -1], 50).astype(np.int16))
    t.close(level, -90.309, atol=0.01, ask="What tells integers from floats: their values, or their dtype?",
            says=f"1 is the softest that int16 can hold, −90.31 dBFS; you return **{level:.2f}**.")


@rms_dbfs.edges
def floats_may_exceed_full_scale(t):
    level = t.on("a float square wave of ±1.2")(np.tile([1.2, -1.2], 25).astype(np.float32))
    t.close(level, 1.5836, atol=1e-3, ask="What tells integers from floats: their values, or their dtype?",
            says=f"Floats may go beyond full scale: ±1.2 is at +1.58 dBFS; you return **{level:.2f}**.")


@rms_dbfs.properties
def sine_and_square(t):
    y = np.sin(2 * np.pi * (np.arange(1000) + t.rng.uniform()) / 40).astype(np.float32)
    level = t.on("a sine of amplitude 1")(y)
    t.close(level, -3.0103, atol=1e-3, ask="What is the mean of sin²?",
            says="A full-scale sine is 3.01 dB below a full-scale square wave, at −3.01 dBFS; "
                 f"yours is at **{level:.2f}**.")


@rms_dbfs.properties
def doubling_adds_six(t):
    y = 0.1 * t.rng.normal(size=1000)
    gain = t(2 * y) - t(y)
    t.close(gain, 6.0206, atol=1e-3, ask="Which is squared, amplitude or power?",
            says=f"Twice the amplitude is 6.02 dB more; yours gains **{gain:.2f}**.")


@rms_dbfs.reference
def agrees_with_numpy_norm(t):
    for shape in ((10,), (999,), (2, 500), (6, 77)):
        y = t.rng.normal(size=shape) * t.rng.uniform(0.01, 0.3)
        want = 20 * np.log10(np.linalg.norm(y, axis=-1) / np.sqrt(shape[-1]))
        t.close(t.on(f"noise of shape {list(shape)}")(y), want, atol=1e-5,
                says="It has to agree with the Euclidean norm, `np.linalg.norm(y) / sqrt(n)`, in decibels.")
    pcm = t.rng.integers(-(2**15), 2**15, 1000).astype(np.int16)
    want = 20 * np.log10(np.linalg.norm(pcm / 32768) / np.sqrt(1000))
    t.close(t.on("int16 noise")(pcm), want, atol=1e-5, ask="Which is full scale: the largest int16 or the smallest?",
            says="int16 reaches from −32768 to 32767; full scale is 32768.")


def _decibels(factor, x):
    """What a mistake hands back: -inf for zero and no warning, as an answer would."""
    with np.errstate(divide="ignore"):
        return factor * np.log10(x)


@rms_dbfs.mistake("That is 10 log10 of an amplitude: half the decibels.", ask="Which is squared, amplitude or power?")
def ten_for_amplitude(y):
    return _decibels(10, np.sqrt(np.mean(np.square(y, dtype=float), axis=-1)))


@rms_dbfs.mistake("That is 20 log10 of a power: twice the decibels.", ask="Did you take the root?")
def twenty_for_power(y):
    return _decibels(20, np.mean(np.square(y, dtype=float), axis=-1))


@rms_dbfs.mistake("You go by the values: but floats may lie beyond 1, and integers within ±1.",
                  ask="What tells integers from floats: their values, or their dtype?")
def full_scale_guessed_from_the_peak(y):
    full_scale = 2**15 if np.max(np.abs(y.astype(float))) > 1 else 1
    return _decibels(10, np.mean(np.square(y / full_scale), axis=-1))


@rms_dbfs.mistake("That averages the absolute values; RMS averages the squares.",
                  ask="What do the letters R, M, S stand for?")
def mean_of_absolutes(y):
    return _decibels(20, np.mean(np.abs(y.astype(float)), axis=-1))


@rms_dbfs.mistake("That is the level of the peak, not of the RMS.", ask="How many samples does your number depend on?")
def level_of_the_peak(y):
    return _decibels(20, np.max(np.abs(y.astype(float)), axis=-1))


@rms_dbfs.mistake("That is the convention of AES17, where a full-scale sine is 0 dBFS.",
                  ask="Which wave is 0 dBFS here?")
def sine_at_zero(y):
    return _decibels(20, np.sqrt(2 * np.mean(np.square(y, dtype=float), axis=-1)))


@rms_dbfs.mistake("That is the natural logarithm.", ask="Which base does a decibel use?")
def natural_logarithm(y):
    return _decibels(20 * np.log(10), np.sqrt(np.mean(np.square(y, dtype=float), axis=-1)))


# ---------------------------------------------------------------------------------------------- 01.3

quantize = Exercise(
    "01.3", "quantize(y, bits, dither=None, rng=None)",
    example=lambda: ((0.999 * np.sin(2 * np.pi * (np.arange(64) + 0.5) / 64)).astype(np.float32), 3),
    hints=[
        "Cut the range −1 … 1 into `2**bits` cells of equal width. Every sample lies in one of them: which cell, "
        "and which value stands for the whole cell?",
        "`np.floor(x / step)` numbers the cells; the value in the middle of cell `k` is `(k + 0.5) * step`. "
        "The top and bottom cells reach out to infinity: `np.clip`.",
        "Dither comes first: add `rng.uniform(-step / 2, step / 2, y.shape)` to a float64 copy, once for rectangular "
        "and, with new numbers, once more for triangular; then find the cells, clip, and return to the dtype of `y`.",
    ],
    learned="Triangular dither costs 4.8 dB of noise and buys an error that no longer knows the signal.",
)


@quantize.output
def keeps_shape_and_type(t, got, y, bits, dither=None, rng=None):
    t.array(got, shape=y.shape, dtype=y.dtype)


@quantize.edges
def no_sample_moves_far(t):
    for name, y in edge_signals("impulse", "DC", "odd length", "one sample", "silence", "stereo"):
        error = np.max(np.abs(t.on(name)(0.9 * y, 2) - 0.9 * y))
        t.holds(error < 0.5, f"At 2 bits a step is 0.5; you moved a sample by **{error:.3f}**.",
                ask="Which level is nearest to each sample?")


@quantize.edges
def twenty_four_bits_fit(t):
    y = np.array([-0.8, -0.1, 0.1, 0.8])
    error = np.max(np.abs(t.on("24 bits in float64")(y, 24) - y))
    t.holds(error <= 2**-23, f"At 24 bits a step is 1.2e-7; you moved a sample by **{error:.2g}**.",
            ask="Do your numbers pass through a type that is too small for them?")


@quantize.edges
def dither_is_new_for_every_sample(t):
    step = 2 / 2**8
    y = np.full((2, 1000), 0.3 * step, np.float32)
    for kind in ("rectangular", "triangular"):
        left, right = t.on(f"a constant in stereo, {kind} dither")(y, 8, kind, np.random.default_rng(t.seed))
        t.holds(np.ptp(left) > 0, "A constant stays constant: either it got no dither, or every sample got the same.",
                ask="How many random numbers does a signal of n samples need?")
        t.holds(np.any(left != right), "Both channels got the same noise: it will be heard from the middle, "
                "not from all around.", ask="What shape has the noise?")
    once, again = (t.on("dither without rng")(y, 8, "triangular") for _ in range(2))
    t.holds(np.any(once != again), "Without an `rng`, two calls give the same dither: added up, two signals would "
            "carry one noise, 3 dB too loud.", ask="Does the generator that you make start anew at each call?")


@quantize.properties
def has_as_many_levels_as_bits_can_name(t):
    y = (0.999 * np.sin(2 * np.pi * np.arange(4000) / 441)).astype(np.float32)
    for bits in (3, 5):
        got = t(y, bits)
        levels = len(np.unique(got))
        t.holds(levels <= 2**bits, f"For a sine of amplitude 0.999 at {bits} bits your output has **{levels}** levels; "
                f"{bits} bits can name **{2**bits}**.", ask="Where should the two levels next to zero lie?",
                show=(got[:441], _nearest_level(y[:441], bits)))


@quantize.properties
def leans_to_neither_side(t):
    y = np.linspace(-0.99, 0.99, 9999)
    lean = np.mean(t.on("a ramp")(y, 4) - y) / (2 / 2**4)
    t.holds(abs(lean) < 0.05, f"On average your output is **{lean:+.2f}** steps off; the errors should cancel.",
            ask="Is your value at the edge of its cell or in the middle?")


@quantize.properties
def limits_what_is_beyond(t):
    top = t.on("a sample of 1.5")(np.array([1.5]), 3)[0]
    bottom = t.on("a sample of -7")(np.array([-7.0]), 3)[0]
    t.holds(top <= 1 and bottom >= -1, f"At 3 bits 1.5 becomes **{top:g}** and −7 becomes **{bottom:g}**, "
            "where no level lies outside ±0.875.", ask="What is the outermost level?")


@quantize.properties
def dithered_values_lie_on_the_grid(t):
    y = t.rng.uniform(-1.2, 1.2, 500)
    grid = t(np.linspace(-1.1, 1.1, 3001), 4)
    for kind in ("rectangular", "triangular"):
        got = t.on(f"{kind} dither")(y, 4, kind, t.rng)
        off = int(np.sum(~np.isin(np.round(got, 9), np.round(grid, 9))))
        t.holds(off == 0, f"**{off}** of 500 dithered samples lie between your 16 levels or beyond them: "
                "4 bits cannot store them.", ask="What comes first, the noise or the rounding?")


@quantize.properties
def dither_can_be_repeated(t):
    y = t.rng.uniform(-0.5, 0.5, 500)
    seed = int(t.rng.integers(1000))
    once, again, other = (t(y, 4, "triangular", np.random.default_rng(s)) for s in (seed, seed, seed + 1))
    t.holds(np.array_equal(once, again), f"Two runs with `np.random.default_rng({seed})` differ.",
            ask="Where do your random numbers come from?")
    t.holds(not np.array_equal(once, other), "Two different generators give the same dither.",
            ask="Where do your random numbers come from?")


@quantize.properties
def rectangular_dither_is_one_step_wide(t):
    step, kinds = 2 / 2**8, "rectangular"
    level = t(np.array([0.3 * step]), 8)[0]
    for part in (0.25, 0.5):                                # of a step above a level: the mean should follow
        y = np.full(20000, level + part * step)
        mean = (np.mean(t(y, 8, kinds, t.rng)) - level) / step
        t.holds(abs(mean - part) < 0.03, f"A constant {part} steps above a level should come out {part} steps above it "
                f"on average, once above and once below; yours does at **{mean:.2f}**.", ask="How wide is the noise?")
    moved = np.mean(t(np.full(20000, level), 8, kinds, t.rng) != level)
    t.holds(moved < 0.001, f"Rectangular dither reaches half a step either way, so a sample on a level stays there; "
            f"**{100 * moved:.0f} %** of yours moved.", ask="How wide is the noise?")


@quantize.properties
def triangular_dither_has_constant_power(t):
    step = 2 / 2**8
    for part in (0.0, 0.25, 0.5):
        y = np.full(20000, part * step)
        error = (t(y, 8, "triangular", t.rng) - y) / step
        t.holds(abs(np.mean(error)) < 0.03, f"With triangular dither a constant should survive on average; "
                f"yours is off by **{np.mean(error):+.2f}** steps.", ask="Is the noise centred on zero?")
        power = np.mean(error**2)
        t.holds(abs(power - 0.25) < 0.02, f"The error's power is **{power:.3f}** step²; it should be 0.25 wherever the "
                "signal lies, 1/12 by rounding and 1/12 by each of two uniform noises.",
                ask="Are there two noises, each one step wide, with numbers of their own?")


@quantize.reference
def agrees_with_numpy_digitize(t):
    for bits in (1, 2, 3, 6, 10):
        for dtype in (np.float32, np.float64):
            cell = t.rng.integers(-(2 ** (bits - 1)) - 2, 2 ** (bits - 1) + 2, 300)
            y = ((cell + t.rng.uniform(0.02, 0.98, 300)) * 2 / 2**bits).astype(dtype)      # never on a border
            t.close(t.on(f"{bits} bits")(y, bits), _nearest_level(y, bits), atol=1e-6,
                    ask="How wide is a step, and where is the lowest level?",
                    says="It has to agree with `np.digitize` on a table of the levels.")


def _nearest_level(y, bits):
    levels = (np.arange(2**bits) + 0.5) * 2 / 2**bits - 1
    return levels[np.digitize(y, (levels[1:] + levels[:-1]) / 2)]


@quantize.mistake("Your grid has a level at zero and one too many at the top: that is mid-tread rounding, which needs "
                  "the top level clipped.", ask="Where should the two levels next to zero lie?")
def mid_tread(y, bits, dither=None, rng=None):
    step = 2 / 2**bits
    return (np.round(y / step) * step).astype(y.dtype)


@quantize.mistake("Zero is one of your levels, so silence stays zero: that is mid-tread, as in a WAV file. "
                  "The task's grid is mid-rise, half a step away.", ask="Where should the two levels next to zero lie?")
def mid_tread_clipped(y, bits, dither=None, rng=None):
    step = 2 / 2**bits
    return np.clip(np.round(y / step) * step, -1, 1 - step).astype(y.dtype)


@quantize.mistake("You take the lower edge of each cell: truncation, which shifts everything down by half a step.",
                  ask="Which value stands best for a whole cell?")
def truncated(y, bits, dither=None, rng=None):
    step = 2 / 2**bits
    return (np.floor(y / step) * step).astype(y.dtype)


@quantize.mistake("You spread the levels from −1 to 1 inclusive, `2**bits - 1` steps: your step is too wide.",
                  ask="How many cells of width `2 / 2**bits` fit between −1 and 1?")
def stretched(y, bits, dither=None, rng=None):
    top = 2**bits - 1
    return (np.round((np.clip(y, -1, 1) + 1) / 2 * top) / top * 2 - 1).astype(y.dtype)


@quantize.mistake("Your step is `1 / 2**bits`: that would be one bit more.", ask="How wide is the range from −1 to 1?")
def half_a_step(y, bits, dither=None, rng=None):
    return _nearest_level(y, bits + 1).astype(y.dtype)


# ---------------------------------------------------------------------------------------------- 01.4

alias = Exercise(
    "01.4", "alias(frequency, sr)",
    example=lambda: (21000.0, 8000),
    hints=[
        "Between two samples a tone of `frequency` makes `frequency / sr` turns. What do whole turns change in what "
        "the samples see?",
        "So `frequency` and its remainder modulo `sr` give the same samples. And a real tone cannot be told from its "
        "mirror image: −f looks like f. Where does the mirror of a remainder of 5000 Hz at 8000 Hz lie?",
        "Take the remainder (`np.mod` makes it positive even for negative frequencies). Where it is beyond `sr / 2`, "
        "its mirror, `sr` minus the remainder, is the smaller one: `np.minimum` chooses, for arrays too.",
    ],
    learned="A sampled tone is heard at its distance from the nearest multiple of the sample rate.",
)


@alias.output
def has_the_shape_of_frequency(t, got, frequency, sr):
    if np.ndim(frequency) == 0:
        t.number(got)
    else:
        t.array(got, shape=np.shape(frequency))


@alias.edges
def special_places(t):
    for f, want in ((0, 0), (4000, 4000), (8000, 0), (12000, 4000), (-1000, 1000), (-4000, 4000)):
        got = t.on(f"{f} Hz at sr = 8000")(float(f), 8000)
        t.close(got, want, atol=1e-3, ask="How far is it to the nearest multiple of `sr`?",
                says=f"At sr = 8000 a tone of {f} Hz appears at {want} Hz.")


@alias.edges
def arrays_are_answered_one_by_one(t):
    f = np.array([[100.0, 7900.0, 8100.0], [-100.0, -7900.0, -8100.0]])
    t.close(t.on("an array of six tones")(f, 8000), np.full((2, 3), 100.0), atol=1e-3,
            says="All six of them appear at 100 Hz.", ask="Does each step of yours work on arrays?")


@alias.properties
def lies_below_half_the_rate(t):
    f = np.round(t.rng.uniform(-2e5, 2e5, 200))
    got = t(f, 8000)
    bad = np.flatnonzero((got < 0) | (got > 4000))
    worst = bad[0] if bad.size else 0
    t.holds(bad.size == 0, f"{f[worst]:.0f} Hz comes out as **{got[worst]:.0f}** Hz; at sr = 8000 all tones appear "
            "between 0 and 4000 Hz.", ask="What does a frequency just above `sr / 2` look like?")


@alias.properties
def mirrors_and_repeats(t):
    f = np.round(t.rng.uniform(1, 3999, 50))
    for same in (f, 8000 + f, 8000 - f, -f, 56000 + f, 56000 - f):
        got = t(same, 8000)
        t.close(got, f, atol=1e-3, ask="Which frequencies give the same samples as f?",
                says=f"At sr = 8000, {same[0]:.0f} Hz gives the samples of {f[0]:.0f} Hz.")


@alias.reference
def agrees_with_the_spectrum_of_the_samples(t):
    for sr in t.rng.integers(500, 2000, 20):
        f = t.rng.integers(-80 * sr, 80 * sr) / 4                       # four seconds: bins lie 1/4 Hz apart
        samples = np.cos(2 * np.pi * f * np.arange(4 * sr) / sr)
        want = np.argmax(np.abs(np.fft.rfft(samples))) / 4
        got = t.on(f"{f:g} Hz at sr = {sr}")(float(f), int(sr))
        t.close(got, want, atol=1e-3, ask="How far is it to the nearest multiple of `sr`?",
                says=f"Sampled at {sr} Hz, a tone of {f:g} Hz has its spectral peak at {want:g} Hz; "
                     f"you say **{got:g}**.")


@alias.mistake("You take whole turns off, but do not fold: what lies above `sr / 2` has a mirror image below.",
               ask="A tone of 5000 Hz at sr = 8000: can its samples be told from those of another tone?")
def not_folded(frequency, sr):
    return np.mod(frequency, sr)


@alias.mistake("You fold once, at `sr`: good up to 1.5 `sr`, not beyond.",
               ask="How many times may a frequency wrap around?")
def folded_once(frequency, sr):
    return np.where(np.abs(frequency) <= sr / 2, np.abs(frequency), np.abs(sr - np.abs(frequency)))


@alias.mistake("Your result keeps a sign. A real tone has none: −f and f differ in phase only.",
               ask="What does a wheel that turns backwards sound like?")
def keeps_the_sign(frequency, sr):
    return frequency - sr * np.round(np.divide(frequency, sr))


@alias.mistake("You wrap at `sr / 2`; there the frequency turns around and comes back down.",
               ask="Just above `sr / 2`, does the alias rise or fall?")
def wrapped_at_half(frequency, sr):
    return np.mod(frequency, sr / 2)


@alias.mistake("You stop at `sr / 2`, as if there were a filter; sampling alone has none.",
               ask="Where does the energy go?")
def limited(frequency, sr):
    return np.minimum(np.abs(frequency), sr / 2)


# ---------------------------------------------------------------------------------------------- 01.5

dft = Exercise(
    "01.5", "dft(x)",
    example=lambda: (np.array([1.0, 2.0, 0.0, -1.0, 3.0]),),
    hints=[
        "Take one k first: a wave that turns k times while n runs from 0 to N − 1. Multiply it with `x` and add up. "
        "Then do that for every k.",
        "All waves at once are a matrix of shape [N, N] with `exp(-2j * π * k * n / N)` in row k, column n: `np.outer` "
        "makes all products `k * n`.",
        "The matrix is symmetric, so `x @ matrix` sums along the last axis for one signal and for many. `1j` is the "
        "imaginary unit; mind the minus sign, and divide by nothing.",
    ],
    learned="Every bin is one comparison of the signal with one wave. The FFT gives the same N numbers, only sooner.",
)


@dft.output
def is_complex128(t, got, x):
    t.array(got, shape=x.shape)
    t.holds(np.iscomplexobj(got), "Your bins are real numbers: where each wave starts, its phase, is lost.",
            ask="Which two things does one complex number say about a wave?")
    t.array(got, dtype=np.complex128)


@dft.edges
def known_transforms(t):
    for N in (1, 2, 7):
        bins = np.arange(N)
        impulse = (bins == 0) * 1.0
        t.close(t.on(f"an impulse of length {N}")(impulse), np.ones(N), atol=1e-6, ask="What is e to the power of 0?",
                says="A single 1 at time zero contains every frequency alike: all bins are 1.")
        t.close(t.on(f"a constant 1 of length {N}")(np.ones(N)), N * impulse, atol=1e-5,
                ask="Does the definition divide by something, and do the waves close after N samples?",
                says=f"A constant adds up in bin 0, to N = {N}, and cancels in all others.")
    late = np.exp(-2j * np.pi * np.arange(7) / 7)
    t.close(t.on("an impulse at sample 1 of 7")(np.eye(7)[1]), late, atol=1e-6,
            ask="What is the term of the sum for n = 1?",
            says="An impulse one sample late leaves every bin at strength 1 and turns bin k back by k/N of a turn.")


@dft.edges
def works_along_the_last_axis(t):
    impulse, constant = np.eye(6)[0], np.ones(6)
    got = t.on("stereo: an impulse and a constant")(np.stack([impulse, constant]))
    t.close(got, np.stack([constant, 6 * impulse]), atol=1e-5,
            ask="Which axis is time?", says="Each channel has a transform of its own.")


@dft.properties
def is_built_from_the_definition(t):
    excluded = _excluded_name(t.answer)
    t.holds(excluded is None, f"It uses a name that this check excludes, for a ready-made transform: `{excluded}`.",
            ask="Which sum stands in the task?", values=False)


@dft.properties
def is_linear_and_keeps_energy(t):
    x, y = t.rng.normal(size=(2, 37))
    a, b = t(x), t(y)
    t.close(t(2 * x - 3j * y), 2 * a - 3j * b, atol=1e-3, ask="Is something dropped, such as an imaginary part?",
            says="The transform of a sum should be the sum of the transforms, with complex factors too.")
    t.close(np.sum(np.abs(a) ** 2), 37 * np.sum(x**2), rtol=1e-4, ask="Does the definition divide by something?",
            says="Parseval: the energy in all bins together is N times the energy of the signal.")


@dft.properties
def finds_a_turning_wave(t):
    N, k = 24, int(t.rng.integers(1, 12))
    got = t.on(f"a wave turning {k} times forwards in {N} samples")(np.exp(2j * np.pi * k * np.arange(N) / N))
    found = int(np.argmax(np.abs(got)))
    t.holds(found == k, f"A wave that turns {k} times forwards belongs in bin {k}; yours is in bin **{found}**"
            + (f" = {N} − {k}, where waves turn backwards." if found == N - k else "."),
            ask="To cancel a forward turn, which way must the analysing wave turn?",
            show=(np.abs(got), N * (np.arange(N) == k)))


@dft.reference
def agrees_with_numpy_fft(t):
    for shape in ((8,), (97,), (360,), (3, 50)):
        x = t.rng.normal(size=shape)
        for kind, signal in {"real": x, "complex": x + 1j * t.rng.normal(size=shape)}.items():
            want = np.fft.fft(signal)
            got = t.on(f"{kind} noise of shape {list(shape)}")(signal)
            t.close(got, want, atol=1e-9, show=(np.abs(got), np.abs(want)),
                    says="It has to agree with `np.fft.fft` to 1e-9.",
                    ask="Are the waves right for every k and n, and in double precision all the way?")


def _excluded_name(answer):
    """What tells that an answer may be a ready-made transform or look one up: a name, or where it is from; or None."""
    def names(code):
        return set(code.co_names).union(*(names(inner) for inner in code.co_consts if hasattr(inner, "co_names")))

    def origin(value):
        return value.__name__ if inspect.ismodule(value) else str(getattr(value, "__module__", ""))

    function = inspect.unwrap(answer)
    found = [origin(answer)]
    if inspect.isfunction(function):
        known = function.__globals__
        found += [origin(known[name]) if name in known else name for name in names(function.__code__)]
    ready_made = "fft", "czt", "linalg"                    # scipy.linalg has a dft
    return next((word for word in ready_made if any(word in one for one in found)), None)


def _dft(x, factor):
    """What a mistake hands back: the sum with another factor in the exponent."""
    n = np.arange(x.shape[-1])
    return x @ np.exp(factor * np.outer(n, n) / len(n))


@dft.mistake("Your waves turn the other way: that is the inverse transform, without its 1/N.",
             ask="Which sign has the exponent?")
def turns_forwards(x):
    return _dft(x, 2j * np.pi)


@dft.mistake("It is divided by N, as the inverse transform is.", ask="Does the definition divide by something?")
def divided_by_n(x):
    return _dft(x, -2j * np.pi) / x.shape[-1]


@dft.mistake("It is divided by the root of N: the unitary transform, which is another convention.",
             ask="Does the definition divide by something?")
def unitary(x):
    return _dft(x, -2j * np.pi) / np.sqrt(x.shape[-1])


@dft.mistake("These are the bins up to N/2 only, as `rfft` has them; a complex signal has N different ones.",
             ask="How far does k run?")
def lower_half(x):
    return _dft(x, -2j * np.pi)[..., : x.shape[-1] // 2 + 1]


@dft.mistake("Your slowest wave makes half a turn: the 2 of 2π is missing.",
             ask="How far does wave 1 turn in N samples?")
def half_turns(x):
    return _dft(x, -1j * np.pi)


@dft.mistake("Your n and k count from 1, not from 0.",
             ask="Which are the first n and the first k of the definition?")
def counts_from_one(x):
    n = np.arange(1, x.shape[-1] + 1)
    return x @ np.exp(-2j * np.pi * np.outer(n, n) / len(n))


@dft.mistake("The cosines are there, the sines are not.", ask="What is the imaginary part of e to the power of iθ?")
def cosines_only(x):
    n = np.arange(x.shape[-1])
    return x @ np.cos(2 * np.pi * np.outer(n, n) / len(n)) + 0j


# ---------------------------------------------------------------------------------------------- 01.6

karplus_strong = Exercise(
    "01.6", "karplus_strong(burst, n, decay=0.996)",
    example=lambda: (np.array([1.0, -0.5, 0.25, 0.6]), 20, 0.9),
    hints=[
        "The formula computes one sample from two older ones. So one loop over `i`, from the first sample on, will do. "
        "What is known already when `i` is smaller than `P`?",
        "Start with an array of `n` zeros and copy the burst into its beginning (or as much of it as fits). From "
        "sample `P` on, add half the sum of the samples `P` and `P + 1` steps back, times `decay`.",
        "Before the beginning lies silence. At `i = P` the older of the two is `y[-1]`, in Python the last sample: "
        "still 0 in an array of zeros, but not in a list that grows. Compute in float64 and use "
        "`.astype(np.float32)` on return.",
    ],
    learned="A trip round the loop takes P + ½ samples, and each trip takes most from the highest partials.",
)


@karplus_strong.output
def is_float32_of_length_n(t, got, burst, n, decay=0.996):
    t.array(got, shape=(n,), dtype=np.float32)


@karplus_strong.edges
def short_strings(t):
    burst = t.rng.uniform(-1, 1, 10)
    t.close(t.on("n = P = 10")(burst, 10), burst, atol=1e-6, says="The first P samples are the burst.",
            ask="What does the formula add to the burst as long as i − P is negative?")
    t.close(t.on("n = 4, shorter than the burst")(burst, 4), burst[:4], atol=1e-6,
            says="The first samples are the burst.", ask="What if the burst is longer than `n`?")
    t.close(t.on("a silent burst")(np.zeros(10), 50), np.zeros(50), atol=0,
            says="A string that is not plucked is silent.", ask="Is something divided by the peak?")
    t.close(t.on("decay = 0")(burst, 30, 0.0), np.pad(burst, (0, 20)), atol=1e-6, ask="What does `decay` multiply?",
            says="With `decay` = 0 nothing is fed back, and only the burst is heard.")


@karplus_strong.properties
def three_times_the_pluck_is_three_times_the_sound(t):
    soft = t(np.ones(10), 50)
    t.close(t.on("a burst of amplitude 3")(np.full(10, 3.0), 50), 3 * soft, atol=1e-4,
            says="The string is linear: three times the burst gives three times the sound, beyond ±1 too.",
            ask="Which line knows of a largest value? The formula does not.")


@karplus_strong.properties
def one_trip_of_an_impulse(t):
    P, decay = int(t.rng.integers(20, 40)), 0.9
    got = t.on(f"an impulse in a burst of P = {P}")(np.eye(P)[5], 2 * P + 5, decay)
    want = np.zeros(2 * P + 5)
    want[[5, P + 5, P + 6]] = 1, decay / 2, decay / 2
    echo = np.flatnonzero(np.abs(got[6:]) > 1e-6) + 6
    t.close(got, want, atol=1e-6, ask="Which samples does `y[P]` depend on? And `y[P + 1]`?",
            says=f"An impulse at sample 5 should come back as {decay / 2} at samples {P + 5} and {P + 6}; "
                 f"yours comes back at **{', '.join(map(str, echo[:4])) or 'none'}**.")


@karplus_strong.reference
def agrees_with_scipy_lfilter(t):
    from scipy.signal import lfilter

    for P, n in ((50, 500), (31, 600), (2, 50), (1, 30)):
        burst, decay = t.rng.uniform(-1, 1, P), t.rng.uniform(0.8, 1)
        feedback = np.r_[1, np.zeros(P - 1), -decay / 2, -decay / 2]
        want = lfilter([1], feedback, np.pad(burst, (0, n - P)))
        got = t.on(f"noise, P = {P}, n = {n}, decay = {decay:.3f}")(burst, n, decay)
        t.close(got, want, atol=1e-5, show=(got[: 4 * P], want[: 4 * P]),
                says="It has to agree with `scipy.signal.lfilter`.",
                ask="Is every older sample finished before it is used, and are those before the beginning zero?")


def _string(burst, n, taps):
    """What a mistake hands back: the loop with other delays, given as {delay: gain}."""
    y = np.pad(np.asarray(burst, float), (0, max(n - len(burst), 0)))[:n]
    for i in range(len(burst), n):
        y[i] += sum(gain * y[i - delay] for delay, gain in taps.items() if i >= delay)
    return y.astype(np.float32)


@karplus_strong.mistake("You average with the sample after it: the period becomes P − ½, a little sharp.",
                        ask="Which came first, `y[i - P]` or its neighbour?")
def newer_neighbour(burst, n, decay=0.996):
    P = len(burst)
    return _string(burst, n, {P: decay / 2, P - 1: decay / 2}) if P > 1 else _string(burst, n, {1: decay})


@karplus_strong.mistake("Your delay is one sample too long.", ask="How far back does the newer of the two samples lie?")
def one_late(burst, n, decay=0.996):
    P = len(burst)
    return _string(burst, n, {P + 1: decay / 2, P + 2: decay / 2})


@karplus_strong.mistake("At sample P your `y[-1]` is the end of the burst; before the beginning there is silence.",
                        ask="What does an index of −1 mean to Python, and what to the formula?")
def end_of_the_burst_before_its_start(burst, n, decay=0.996):
    y = list(burst[:n])
    for i in range(len(burst), n):
        y.append(decay * 0.5 * (y[i - len(burst)] + y[i - len(burst) - 1]))
    return np.array(y, np.float32)


@karplus_strong.mistake("Nothing is averaged: all partials live equally long, which is an organ, not a string.",
                        ask="What makes the high partials die first?")
def no_average(burst, n, decay=0.996):
    return _string(burst, n, {len(burst): decay})


@karplus_strong.mistake("The ½ is missing: each trip doubles the sound.",
                        ask="Is it the sum of two samples or their mean?")
def no_half(burst, n, decay=0.996):
    P = len(burst)
    return _string(burst, n, {P: decay, P + 1: decay})


@karplus_strong.mistake("`decay` damps only one of the two samples.", ask="Where does the bracket close?")
def decay_on_one(burst, n, decay=0.996):
    P = len(burst)
    return _string(burst, n, {P: decay / 2, P + 1: 1 / 2})


@karplus_strong.mistake("`decay` is applied twice, so the string dies twice as fast.",
                        ask="How many times is the string damped on one trip?")
def decay_twice(burst, n, decay=0.996):
    P = len(burst)
    return _string(burst, n, {P: decay**2 / 2, P + 1: decay**2 / 2})


@karplus_strong.mistake("The string never loses anything: `decay` is not used.",
                        ask="What happens to a string that is not damped?")
def no_decay(burst, n, decay=0.996):
    P = len(burst)
    return _string(burst, n, {P: 1 / 2, P + 1: 1 / 2})
