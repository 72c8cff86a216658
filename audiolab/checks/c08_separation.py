"""Checks of chapter 08, separation: SI-SDR, spectral subtraction, NLMS, HPSS, NMF, permutation-invariant loss."""

import numpy as np

from .spec import Exercise, briefly, two_things
from .stages import as_array


def _one(t, name, got, shape, kind=np.floating):
    """Hold one of several results to being an array of a shape and a type, by its name."""
    t.holds(isinstance(got, np.ndarray), f"Your {name}: **{briefly(got)}**, expected an array.", values=False)
    t.holds(got.shape == shape, f"Your {name}: shape **{list(got.shape)}**, expected **{list(shape)}**.",
            ask="What does each of its axes count?")
    t.holds(np.issubdtype(got.dtype, kind), f"Your {name}: type **{got.dtype}**, expected floats.", values=False,
            ask="Which operation made it so?")
    t.array(got)


# ---------------------------------------------------------------------------------------------- 08.1


def _orthogonal(rng, *shape):
    """Two signals without mean, of power 1, that have nothing in common: the targets, and what disturbs them."""
    target, noise = rng.normal(size=(2, *shape))
    target -= target.mean(axis=-1, keepdims=True)
    target /= np.sqrt((target**2).mean(axis=-1, keepdims=True))
    noise -= noise.mean(axis=-1, keepdims=True)
    noise -= (noise * target).mean(axis=-1, keepdims=True) * target
    return target, noise / np.sqrt((noise**2).mean(axis=-1, keepdims=True))


def _at_ratios(rng, ratios, n=400):
    """Estimates at these ratios in dB, and their targets: shape [ratios, n]."""
    target, noise = _orthogonal(rng, len(ratios), n)
    return target + 10 ** (-np.array(ratios)[:, None] / 20) * noise, target


def _loud_and_offset():
    estimate, target = _at_ratios(np.random.default_rng(81), (-4.0, 3.0, 11.0), 100)
    return estimate * [[0.3], [2.0], [-0.7]] + [[0.5], [-0.2], [0.1]], 3 * target + [[0.0], [0.4], [-1.0]]


si_sdr = Exercise(
    "08.1", "si_sdr(estimate, target)",
    example=_loud_and_offset,
    hints=[
        "An estimate that is the target at half its level: which α does the formula give, and what is left as "
        "distortion? So which of the two signals is scaled?",
        "Take the mean away first, along the last axis, and keep that axis (`keepdims=True`), so that what belongs to "
        "one signal of the batch can be multiplied with all its samples. α has such an axis too; the two sums of "
        "squares have lost it.",
        "With `e` and `s` freed of their means: `alpha = (e * s).sum(axis=-1, keepdims=True) / (s**2).sum(axis=-1, "
        "keepdims=True)`; then the squares of `alpha * s` and of `e - alpha * s`. In silence both are 0: say with "
        "`np.where` what is meant there, and keep NumPy's warning quiet with `np.errstate`.",
    ],
    learned="SI-SDR asks how much of an estimate is the target, at whatever level. It hears no gain and no offset, and "
            "is deaf to how a delay sounds.",
)


@si_sdr.output
def is_a_ratio_for_each(t, got, estimate, target):
    if estimate.ndim == 1:
        t.number(got, finite=False)
    else:
        t.array(got, shape=estimate.shape[:-1], dtype=np.floating, finite=False)
    undefined = np.isnan(as_array(got))
    t.holds(not undefined.any(), f"{undefined.sum()} of your {undefined.size} ratios are **NaN**.",
            ask="Where could 0 be divided by 0?")


@si_sdr.edges
def the_target_itself(t):
    target = t.rng.normal(size=200)
    for case, estimate in (("the target as its own estimate", target), ("the target with 0.3 added", target + 0.3),
                           ("the target at a tenth of its level", 0.1 * target)):
        got = float(t.on(case)(estimate, target))
        t.holds(got >= 100, f"For {case}, you have **{got:.4g} dB**, expected infinity, or 100 dB at least.",
                ask="What is left of the estimate when the scaled target is taken away?")


@si_sdr.edges
def a_silent_estimate(t):
    target = t.rng.normal(size=(2, 200))
    for level in (0.0, 0.25):
        case = f"an estimate that is {level:g} everywhere"
        got = float(t.on(case)(np.full(200, level), target[0]))
        t.holds(got <= -100, f"For {case}, you have **{got:.4g} dB**, expected −∞: nothing in it is the target.",
                ask="Where could 0 be divided by 0?")
    got = t.on("a batch of a silent estimate and a right one")(np.stack([0 * target[0], target[1]]), target)
    t.holds(got[0] <= -100 and got[1] >= 100, "For a batch of a silent estimate and a right one, you have "
            f"**{got[0]:.4g}** and **{got[1]:.4g} dB**, expected −∞ and ∞.", ask="What does one signal know of the "
            "other?")


@si_sdr.edges
def of_any_shape(t):
    ratios = np.array([[-10.0, 0, 5], [10, 20, 30]])
    estimate, target = (x.reshape(2, 3, -1) for x in _at_ratios(t.rng, ratios.ravel(), 101))
    t.close(t.on("a batch of shape [2, 3, 101]")(estimate, target), ratios, atol=1e-6, ask="Along which axis lie the "
            "samples?", says="For a batch of shape [2, 3, 101], the ratios were made −10, 0, 5, 10, 20 and 30 dB.")
    alone = t.on("a batch of one")(estimate[0, :1], target[0, :1])
    t.close(alone, ratios[0, :1], atol=1e-6, says="A batch of one is a batch.", ask="Along which axis lie the samples?")


@si_sdr.properties
def ratios_that_are_known(t):
    for ratio in (-15.0, 0.0, 10.0, float(t.rng.uniform(15, 40))):
        estimate, target = _at_ratios(t.rng, [ratio])
        case = f"a target with noise {ratio:.1f} dB below it"
        t.close(t.on(case)(estimate[0], target[0]), ratio, atol=1e-6, ask="What is squared, and what stands over the "
                "line?", says=f"For {case}, of which no part looks like the target, the ratio is {ratio:.1f} dB.")


@si_sdr.properties
def the_level_does_not_matter(t):
    estimate, target = _at_ratios(t.rng, [7.0])
    for gain, words in ((0.01, "40 dB softer"), (30.0, "30 times as loud"), (-1.0, "turned over")):
        t.close(t.on(f"an estimate {words}")(gain * estimate[0], target[0]), 7.0, atol=1e-6, ask="Which of the two "
                "signals is scaled, and by what?", says=f"With the estimate {words} the ratio stays 7 dB.")
    t.close(t.on("a target 100 times as loud")(estimate[0], 100 * target[0]), 7.0, atol=1e-6,
            says="With the target 100 times as loud the ratio stays 7 dB.", ask="By what is α divided?")


@si_sdr.properties
def an_offset_does_not_matter(t):
    estimate, target = _at_ratios(t.rng, [7.0])
    for which, a, b in (("estimate", 0.5, 0.0), ("target", 0.0, -2.0), ("estimate and target", 3.0, 3.0)):
        t.close(t.on(f"an offset in the {which}")(estimate[0] + a, target[0] + b), 7.0, atol=1e-6,
                says=f"With an offset in the {which} the ratio stays 7 dB.", ask="From which signals is the mean "
                        "taken?")


@si_sdr.properties
def signals_do_not_know_one_another(t):
    estimate, target = _at_ratios(t.rng, t.rng.uniform(-20, 30, 4))
    estimate, target = estimate * [[1], [10], [0.1], [3]] + [[0], [2], [-1], [5]], target * [[5], [1], [2], [0.5]]
    got = t.on("a batch of four")(estimate, target)
    for i in range(4):
        alone = t.on(f"signal {i} of it alone")(estimate[i], target[i])
        t.close(got[i], alone, atol=1e-6, says=f"Signal {i} in a batch of four should have the ratio that it has "
                                               f"alone.",
                ask="Which sums and means go over one signal, which over the whole batch?")


@si_sdr.reference
def agrees_with_least_squares(t):
    for ratio in (-5.0, 25.0, 110.0):
        target = t.rng.normal(size=20_000)
        estimate = t.rng.uniform(0.2, 2) * target + 10 ** (-ratio / 20) * t.rng.normal(size=20_000) + t.rng.uniform()
        # a target and a constant, as large as they best explain the estimate: the constant takes the means away
        columns = np.stack([target, np.ones_like(target)], axis=1)
        (alpha, _), residual, *_ = np.linalg.lstsq(columns, estimate)
        want = 10 * np.log10(np.sum((alpha * (target - target.mean())) ** 2) / residual[0])
        case = f"20,000 samples of a target and noise {ratio:g} dB below"
        t.close(t.on(case)(estimate, target), want, atol=1e-2, ask="Is something added, or held within limits?",
                says=f"For {case}, it has to agree with what `numpy.linalg.lstsq` leaves when it fits the target.")


def _ratio(estimate, target, mean=lambda x: x.mean(axis=-1, keepdims=True), scale=None, unscaled=None,
           log=lambda x: 10 * np.log10(x)):
    """What a mistake measures: other means, another scale, another logarithm."""
    def total(x):
        return x.sum(axis=-1)

    e, s = estimate - mean(estimate), target - mean(target)
    alpha = (scale or (lambda e, s: total(e * s)[..., None] / total(s**2)[..., None]))(e, s)
    signal, error = total((alpha * s) ** 2), total((e - (alpha * s if unscaled is None else s)) ** 2)
    return np.where(signal > 0, log(signal / error), -np.inf)


@si_sdr.mistake("You compare with the target as it is: a right estimate at half its level then counts as noisy.",
                ask="What is α for?")
def without_a_scale(estimate, target):
    return _ratio(estimate, target, scale=lambda e, s: 1.0)


@si_sdr.mistake("You scale the target over the line and not below it. There too the estimate is compared with α times "
                "the target.", ask="Where does α stand in the formula?")
def scaled_once(estimate, target):
    return _ratio(estimate, target, unscaled=True)


@si_sdr.mistake("You scale the estimate to fit the target. Then a silent estimate has a ratio of 0 dB, and no noise "
                "can bring it lower.", ask="Which of the two signals is scaled?")
def the_other_way_round(estimate, target):
    e, s = (x - x.mean(axis=-1, keepdims=True) for x in (estimate, target))
    beta = (e * s).sum(axis=-1, keepdims=True) / (e**2).sum(axis=-1, keepdims=True)
    return 10 * np.log10((s**2).sum(axis=-1) / ((s - beta * e) ** 2).sum(axis=-1))


@si_sdr.mistake("Your ratio is twice as large: 20 is for amplitudes, and these are squares.",
                ask="Are amplitudes or powers divided?")
def twenty(estimate, target):
    return _ratio(estimate, target, log=lambda x: 20 * np.log10(x))


@si_sdr.mistake("Your logarithm is the natural one.", ask="Which base has a decibel?")
def natural_logarithm(estimate, target):
    return _ratio(estimate, target, log=lambda x: 10 * np.log(x))


@si_sdr.mistake("Your ratio stands on its head.", ask="What stands over the line?")
def upside_down(estimate, target):
    return -_ratio(estimate, target)


@si_sdr.mistake("The means are not taken away: a constant that nobody hears counts as distortion.",
                ask="From which signals is the mean taken?")
def means_left_in(estimate, target):
    return _ratio(estimate, target, mean=lambda x: 0.0)


@si_sdr.mistake("You take away one mean of the whole batch.", ask="Which sums and means go over one signal?")
def mean_of_the_batch(estimate, target):
    return _ratio(estimate, target, mean=lambda x: x.mean())


@si_sdr.mistake("One α serves the whole batch.", ask="Which sums and means go over one signal?")
def scale_of_the_batch(estimate, target):
    return _ratio(estimate, target, scale=lambda e, s: (e * s).sum() / (s**2).sum())


@si_sdr.mistake("α is divided by the target's length as a vector, not by its square: it still depends on how loud the "
                "target is.", ask="By what is α divided?")
def divided_by_the_norm(estimate, target):
    return _ratio(estimate, target,
                  scale=lambda e, s: (e * s).sum(axis=-1, keepdims=True) / np.linalg.norm(s, axis=-1, keepdims=True))


# ---------------------------------------------------------------------------------------------- 08.2


def _spectrum(rng, bins=9, frames=12):
    """Complex Gaussian noise of mean power 1 in every bin: what the STFT of noise looks like."""
    return (rng.normal(size=(bins, frames)) + 1j * rng.normal(size=(bins, frames))) / np.sqrt(2)


def _noisy():
    rng = np.random.default_rng(82)
    power = rng.uniform(0.2, 2, 9)
    return 2 * _spectrum(rng) * np.sqrt(power)[:, None], power, 1.7, 0.05


subtract_noise = Exercise(
    "08.2", "subtract_noise(X, noise_power, over=2.0, floor=0.02)",
    example=_noisy,
    hints=[
        "A bin has the power 10, the noise there 2, and `over` is 3. Which power is left? By which number is the "
        "complex value multiplied, so that it has that power and keeps its phase?",
        "`noise_power` has one number for each bin, `X` one for each bin and frame: give it a second axis with "
        "`noise_power[:, None]`. Then the formula is one line with `np.maximum` and `np.minimum`.",
        "The gain is the root of what is left by what was there, `np.sqrt(left / power)`. Where the power is 0 nothing "
        "can be divided: `np.divide(left, power, out=np.zeros(X.shape), where=power > 0)`.",
    ],
    learned="Subtracting the mean leaves half of the fluctuations standing, and they ring. More is taken than is "
            "there, and a carpet is laid over the rest.",
)


@subtract_noise.output
def is_a_weaker_spectrum(t, got, X, noise_power, over=2.0, floor=0.02):
    t.array(got, shape=X.shape)
    t.holds(np.iscomplexobj(as_array(got)), f"You return **{as_array(got).dtype}**, expected complex numbers. Without "
            "phases there is no way back to a sound.", ask="Who keeps the phase of X?")
    louder = np.abs(as_array(got)) - np.abs(X) * (1 + 1e-5)
    worst = np.unravel_index(louder.argmax(), X.shape)
    t.holds(louder[worst] <= 0, f"In bin {worst[0]} and frame {worst[1]} the magnitude was {abs(X[worst]):.4g} and now "
            f"is **{abs(got[worst]):.4g}**; nothing should become stronger than it was.",
            ask="What is the floor where the noise happens to be weaker than that?")


def _power_left(t, case, X, noise, want, says, ask, **how):
    """Hold the power that is left in every bin and frame."""
    got = np.abs(t.on(case)(np.asarray(X, complex), np.asarray(noise, float), **how)) ** 2
    t.close(got, want, atol=1e-9, rtol=1e-6, says=f"For {case}, {says}", ask=ask)


@subtract_noise.edges
def silence(t):
    for noise in (0.0, 1.0):
        case = f"silence, and a noise of power {noise:g}"
        _power_left(t, case, np.zeros((3, 4)), np.full(3, noise), np.zeros((3, 4)), "it should stay silent.",
                    "By what is divided where X is 0?")


@subtract_noise.edges
def no_noise(t):
    X = _spectrum(t.rng)
    X[3, 5] = 0
    for case, noise, over in (("a noise of power 0", 0.0, 2.0), ("a noise that is subtracted 0 times", 1.0, 0.0)):
        t.close(t.on(case)(X, np.full(9, noise), over), X, atol=1e-7, says=f"For {case}, X should stay as it is.",
                ask="What is subtracted, and what is the floor?")


@subtract_noise.edges
def noise_alone(t):
    power = t.rng.uniform(0.5, 2, 4)
    X = np.sqrt(power)[:, None] * np.ones((4, 3))
    _power_left(t, "noise exactly as strong as its mean, subtracted twice, floor 0.09", X, power,
                0.09 * power[:, None] * np.ones((1, 3)), "0.09 of the noise's power should be left.",
                "Of which power is the floor a part?", over=2.0, floor=0.09)
    _power_left(t, "the same with no floor", X, power, np.zeros((4, 3)), "nothing should be left.",
                "What happens where the difference is negative?", over=2.0, floor=0.0)


@subtract_noise.edges
def below_the_floor(t):
    X = 0.1 * np.exp(1j * t.rng.uniform(-3, 3, (5, 4)))
    t.close(t.on("bins that are weaker than the floor")(X, np.ones(5), 2.0, 0.5), X, atol=1e-7,
            says="Bins that are weaker than the floor should stay as they are.", ask="Which of three powers is left?")


@subtract_noise.edges
def one_of_each(t):
    for shape in ((1, 6), (6, 1), (1, 1)):
        case = f"{shape[0]} bin{'s' * (shape[0] > 1)} and {shape[1]} frame{'s' * (shape[1] > 1)} of power 10"
        X = np.sqrt(10) * np.exp(1j * t.rng.uniform(-3, 3, shape))
        _power_left(t, case, X, np.full(shape[0], 2.0), np.full(shape, 6.0), "10 − 2 · 2 = 6 should be left.",
                    "Which axis does the noise belong to?")


@subtract_noise.properties
def powers_are_subtracted(t):
    for power, noise, over in ((10, 2, 1.0), (10, 2, 3.0), (5.0, 0.5, 4.0), (8.0, 3.0, 0.5)):
        case = f"a power of {power:g}, of which {noise:g} is noise, subtracted {over:g} times"
        X = np.sqrt(power) * np.exp(1j * t.rng.uniform(-3, 3, (4, 5)))
        _power_left(t, case, X, np.full(4, noise), np.full((4, 5), power - over * noise),
                    f"{power - over * noise:g} should be left.", "Are magnitudes subtracted or powers, and which of "
                    "them is the result?", over=over)


@subtract_noise.properties
def the_phase_is_kept(t):
    X = 3 * _spectrum(t.rng)
    got = t.on("a noisy spectrum")(X, t.rng.uniform(0.5, 2, 9))
    turned = np.abs(np.angle(got * X.conj()))
    worst = np.unravel_index(turned.argmax(), X.shape)
    t.holds(turned[worst] < 1e-5, f"In bin {worst[0]} and frame {worst[1]} the phase was {np.angle(X[worst]):.3f} and "
            f"now is **{np.angle(got[worst]):.3f}**.", ask="By what kind of number is X multiplied?")


@subtract_noise.properties
def each_bin_has_its_noise(t):
    noise = t.rng.uniform(0.5, 2, 7)
    X = np.full((7, 7), 4.0)
    _power_left(t, "seven bins and seven frames of power 16", X, noise, np.repeat(16 - 2 * noise[:, None], 7, axis=1),
                "each bin loses twice its own noise, the same in all frames.", "Which axis does the noise belong to?")


@subtract_noise.properties
def level_of_both(t):
    X, noise = 2 * _spectrum(t.rng), t.rng.uniform(0.5, 2, 9)
    once = t.on("a noisy spectrum")(X, noise)
    for k in (0.1, 100.0):
        t.close(t.on(f"the same, {k:g} times as strong")(k * X, k**2 * noise), k * once, rtol=1e-4, atol=1e-9,
                says=f"With signal and noise {k:g} times as strong the result should be {k:g} times as strong.",
                ask="Is something compared or added that has no unit?")


@subtract_noise.reference
def agrees_with_complex_numbers_of_python(t):
    import cmath

    for level, over, floor in ((1.0, 2.5, 0.03), (1e-5, 1.0, 0.0), (300.0, 4.0, 0.2)):
        noise = level**2 * t.rng.uniform(0.1, 3, 20)
        X = 2 * level * _spectrum(t.rng, 20, 30) * np.exp(t.rng.normal(size=(20, 30)))
        want = np.empty_like(X)
        for k, row in enumerate(X.tolist()):
            for i, (magnitude, phase) in enumerate(map(cmath.polar, row)):
                power = min(magnitude**2, max(magnitude**2 - over * noise[k], floor * noise[k]))
                want[k, i] = cmath.rect(power**0.5, phase)
        case = f"20 bins and 30 frames of a level of {level:g}, a = {over:g}, b = {floor:g}"
        t.close(t.on(case)(X, noise, over, floor), want, rtol=1e-5, atol=1e-7 * level, ask="Is something added, so "
                "that nothing is divided by 0?", says=f"For {case}, it has to agree with the formula, worked out "
                                                      f"number by number with `cmath.polar` and `cmath.rect`.")


def _weakened(X, noise_power, over, floor, left=None, gain=np.sqrt, noise=lambda N: N[:, None]):
    """What a mistake leaves: another power, another gain."""
    power, N = np.abs(X) ** 2, noise(noise_power)
    rest = np.minimum(power, np.maximum(power - over * N, floor * N)) if left is None else left(power, N)
    return X * gain(np.divide(rest, power, out=np.zeros(X.shape), where=power > 0))


@subtract_noise.mistake("You subtract magnitudes. Of two sounds that do not know one another the powers add up, not "
                        "the magnitudes.", ask="What is subtracted from what?")
def magnitudes_subtracted(X, noise_power, over=2.0, floor=0.02):
    def left(power, N):
        return np.minimum(power, np.maximum(np.maximum(np.sqrt(power) - over * np.sqrt(N), 0) ** 2, floor * N))

    return _weakened(X, noise_power, over, floor, left)


@subtract_noise.mistake("Your gain is that of the power. What you multiply is an amplitude.",
                        ask="By which number is an amplitude multiplied that is to have a quarter of its power?")
def gain_of_powers(X, noise_power, over=2.0, floor=0.02):
    return _weakened(X, noise_power, over, floor, gain=lambda ratio: ratio)


@subtract_noise.mistake("The phase is lost: all your values are positive.", ask="By what kind of number is X "
                        "multiplied?")
def phase_lost(X, noise_power, over=2.0, floor=0.02):
    return np.abs(_weakened(X, noise_power, over, floor)).astype(complex)


@subtract_noise.mistake("Your floor is a part of the noisy power, not of the noise's.", ask="Of which power is the "
                        "floor a part?")
def floor_of_the_noisy(X, noise_power, over=2.0, floor=0.02):
    return _weakened(X, noise_power, over, floor, lambda power, N: np.maximum(power - over * N, floor * power))


@subtract_noise.mistake("What would become negative you turn into its positive: the weaker a bin was, the stronger it "
                        "is now.", ask="What is left where more is subtracted than was there?")
def turned_positive(X, noise_power, over=2.0, floor=0.02):
    return _weakened(X, noise_power, over, floor, lambda power, N: np.minimum(power, np.abs(power - over * N)))


@subtract_noise.mistake("There is no floor: what would become negative is 0.", ask="What is `floor` for?")
def without_a_floor(X, noise_power, over=2.0, floor=0.02):
    return _weakened(X, noise_power, over, floor, lambda power, N: np.maximum(power - over * N, 0))


@subtract_noise.mistake("The floor lifts what was weaker than it.", ask="Which of three powers is left?")
def lifts_the_weak(X, noise_power, over=2.0, floor=0.02):
    return _weakened(X, noise_power, over, floor, lambda power, N: np.maximum(power - over * N, floor * N))


@subtract_noise.mistake("The noise is subtracted once, whatever `over` is.", ask="Where does `over` occur in your "
        "code?")
def over_unread(X, noise_power, over=2.0, floor=0.02):
    return _weakened(X, noise_power, 1.0, floor)


@subtract_noise.mistake("You square the noise's power, as if it were a magnitude.", ask="What is `noise_power`?")
def noise_squared(X, noise_power, over=2.0, floor=0.02):
    return _weakened(X, noise_power**2, over, floor)


@subtract_noise.mistake("Your floor is an amplitude. The formula has a part of the noise's power.",
                        ask="Of which power is the floor a part?")
def floor_of_amplitudes(X, noise_power, over=2.0, floor=0.02):
    return _weakened(X, noise_power, over, floor**2)


@subtract_noise.mistake("All bins lose the same noise, its mean over the bins.", ask="Which axis does the noise belong "
                        "to?")
def one_noise_for_all(X, noise_power, over=2.0, floor=0.02):
    return _weakened(X, noise_power, over, floor, noise=lambda N: np.full((len(N), 1), N.mean()))


# ---------------------------------------------------------------------------------------------- 08.3


def _two_microphones(rng, n, order, voice=0.0):
    """What both hear: noise by an unknown way and a voice, the noise alone; and the way."""
    from scipy.signal import lfilter

    reference, way = rng.normal(size=n), rng.normal(size=order)
    way /= np.linalg.norm(way)
    return lfilter(way, [1], reference) + voice * np.sin(0.3 * np.arange(n)), reference, way


nlms = Exercise(
    "08.3", "nlms(noisy, reference, order, mu=0.5, eps=1e-6)",
    example=lambda: (*_two_microphones(np.random.default_rng(83), 60, 5, voice=0.5)[:2], 4, 0.6, 0.2),
    hints=[
        "Do the first two samples by hand, with `order=2`: which samples of the reference are in the window at n = 0, "
        "and what are the weights then? What is the first cleaned sample, always?",
        "`order - 1` zeros before the reference make the window for sample n a slice of `order` samples, to be turned "
        "round: the present one belongs to weight 0. In one turn of the loop: predict, keep the error, then change the "
        "weights.",
        "`window = padded[n : n + order][::-1]`, `cleaned[n] = noisy[n] - w @ window`, and `w = w + mu * cleaned[n] * "
        "window / (eps + window @ window)`. `padded = np.concatenate([np.zeros(order - 1), reference])`.",
    ],
    learned="What the reference can explain goes, what it cannot stays: the error is the voice. Six lines, and each "
            "noise-cancelling headphone has a relative of them.",
)


@nlms.output
def is_a_signal_and_weights(t, got, noisy, reference, order, mu=0.5, eps=1e-6):
    two_things(t, got, "cleaned, weights")
    _one(t, "cleaned", got[0], noisy.shape)
    _one(t, "weights", got[1], (order,))


@nlms.edges
def nothing_to_explain_it_with(t):
    noisy = t.rng.normal(size=50)
    cleaned, weights = t.on("a silent reference")(noisy, np.zeros(50), 4)
    t.close(cleaned, noisy, atol=1e-12, says="With a silent reference all stays as it is.", ask="What is divided by 0?")
    t.close(weights, np.zeros(4), atol=1e-12, says="With a silent reference nothing is learnt.", ask="What is divided "
            "by 0?")


@nlms.edges
def nothing_to_clean(t):
    cleaned, weights = t.on("a silent first microphone")(np.zeros(50), t.rng.normal(size=50), 4)
    t.close(np.append(cleaned, weights), np.zeros(54), atol=1e-12, ask="With which weights does it begin?",
            says="Where the first microphone hears nothing, nothing is to be added.")


@nlms.edges
def one_sample(t):
    cleaned, weights = t.on("one sample of 3, reference 2, one weight")(np.array([3.0]), np.array([2.0]), 1)
    t.close(cleaned, [3.0], atol=1e-4, says="The first sample of all comes out as it went in: the weights are still 0.",
            ask="Is the error computed before the weights change, or after?")
    t.close(weights, [0.75], atol=1e-4, says="After it the weight is 0.5 · 3 · 2 / 2² = 0.75.", ask="By what is the "
            "step divided?")


@nlms.edges
def more_weights_than_samples(t):
    noisy, reference = np.array([1.0, -2.0, 0.5]), np.array([1.0, 1.0, -1.0])
    cleaned, weights = t.on("three samples and six weights, mu = 1")(noisy, reference, 6, 1.0)
    # by hand: w = (1, 0, …), then e = -3 and w = (-0.5, -1.5, 0, …), then e = 0.5 - (0.5 - 1.5) = 1.5
    t.close(cleaned, [1, -3, 1.5], atol=1e-4, says="With three samples and six weights the first two steps bring the "
            "weights to −0.5, −1.5, 0, 0, 0, 0, so that the errors are 1, −3 and 1.5.",
            ask="What stands in the window before the reference begins?")
    t.close(weights, [-1, -1, 0.5, 0, 0, 0], atol=1e-4, says="Weights that never saw a sample stay 0.",
            ask="What stands in the window before the reference begins?")


@nlms.edges
def no_step(t):
    noisy, reference, _ = _two_microphones(t.rng, 50, 4)
    cleaned, weights = t.on("a step of 0")(noisy, reference, 4, 0.0)
    t.close(np.append(cleaned, weights), np.append(noisy, np.zeros(4)), atol=1e-12, says="With a step of 0 nothing is "
            "learnt.", ask="Where does `mu` occur in your code?")


@nlms.properties
def finds_the_way(t):
    for order, mu in ((1, 0.5), (6, 0.5), (8, 1.0)):
        noisy, reference, way = _two_microphones(t.rng, 80 * order, order)
        case = f"noise by a way of {order} sample{'s' * (order > 1)}, mu = {mu:g}"
        cleaned, weights = t.on(case)(noisy, reference, order, mu)
        t.close(weights, way, atol=1e-3, says=f"For {case}, the weights should have become the way.",
                ask="Which sample belongs to weight 0, and in which direction does a step go?")
        left = 10 * np.log10(np.mean(cleaned[-10:] ** 2) / np.mean(noisy**2) + 1e-30)
        t.holds(left < -40, f"For {case}, at the end {left:.0f} dB of the noise is left, expected below **−40 dB**.",
                ask="What do you return as cleaned?")


@nlms.properties
def a_delay_has_one_weight(t):
    reference = t.rng.normal(size=400)
    for delay in (0, 2, 4):
        noisy = np.concatenate([np.zeros(delay), reference])[:400]
        _, weights = t.on(f"noise that comes {delay} samples late")(noisy, reference, 5)
        t.close(weights, np.eye(5)[delay], atol=1e-3, says=f"For noise that comes {delay} samples late, weight {delay} "
                "should have become 1 and all others 0.", ask="Which sample belongs to weight 0?")


@nlms.properties
def keeps_the_voice(t):
    n = 1500
    voice = np.sin(0.3 * np.arange(n))
    noisy, reference, _ = _two_microphones(t.rng, n, 8, voice=1.0)
    cleaned, _ = t.on("a tone in louder noise, mu = 0.05")(noisy, reference, 8, 0.05)
    noise = [10 * np.log10(np.mean((x - voice)[-500:] ** 2)) for x in (noisy, cleaned)]
    t.holds(noise[1] < noise[0] - 12, f"For a tone in louder noise, mu = 0.05, at the end the noise is "
            f"**{noise[0] - noise[1]:.1f} dB** weaker, expected 12 dB at least.", ask="What do you return as cleaned?")


@nlms.properties
def level_of_either(t):
    noisy, reference, _ = _two_microphones(t.rng, 200, 4, voice=0.5)
    cleaned, weights = t.on("two microphones")(noisy, reference, 4, 0.3, 0.0)
    for k in (0.01, 50.0):
        again, small = t.on(f"a reference {k:g} times as loud")(noisy, k * reference, 4, 0.3, 0.0)
        t.close(again, cleaned, atol=1e-6, says=f"With a reference {k:g} times as loud the same is cleaned away.",
                ask="By what is the step divided?")
        t.close(k * small, weights, atol=1e-6, says="The weights make up for the level of the reference.",
                ask="By what is the step divided?")
        again, _ = t.on(f"a first microphone {k:g} times as loud")(k * noisy, reference, 4, 0.3, 0.0)
        t.close(again / k, cleaned, atol=1e-6, says=f"With the first microphone {k:g} times as loud the result is so "
                "too.", ask="Does something else than the error go into a step?")


@nlms.properties
def eps_calms(t):
    noisy, reference, _ = _two_microphones(t.rng, 100, 4)
    _, weights = t.on("eps = 1e9")(noisy, reference, 4, 0.5, 1e9)
    t.close(weights, np.zeros(4), atol=1e-6, says="Where `eps` is far above the power in the window, hardly anything "
                                                  "is learnt.", ask="What is `eps` added to?")
    _, weights = t.on("one sample of 3, reference 2, mu = 1, eps = 4")(np.array([3.0]), np.array([2.0]), 1, 1, 4)
    t.close(weights, [0.75], atol=1e-4, says="After one sample of 3 with the reference 2, mu = 1 and eps = 4, the "
                                             "weight is 3 · 2 / (4 + 2²) = 0.75.", ask="What is `eps` added to?")


@nlms.properties
def the_future_is_unknown(t):
    noisy, reference, _ = _two_microphones(t.rng, 60, 4, voice=0.5)
    whole, _ = t.on("60 samples")(noisy, reference, 4)
    begun, _ = t.on("the first 25 of them")(noisy[:25], reference[:25], 4)
    t.close(begun, whole[:25], atol=1e-9, says="The first 25 samples should come out as if there were no others.",
            ask="What do you compute over the whole signal?")


@nlms.reference
def agrees_with_the_gradient_of_torch(t):
    import torch

    for order, mu, eps in ((3, 0.8, 0.0), (10, 0.2, 0.5)):
        noisy, reference, _ = _two_microphones(t.rng, 250, order, voice=0.5)
        x = np.concatenate([np.zeros(order - 1), reference])
        windows = torch.from_numpy(np.lib.stride_tricks.sliding_window_view(x, order)[:, ::-1].copy())
        w = torch.zeros(order, dtype=torch.float64, requires_grad=True)
        want = []
        for d, window in zip(noisy.tolist(), windows, strict=True):
            error = d - w @ window
            want.append(error.item())
            slope, = torch.autograd.grad(error**2 / 2, w)
            w.data -= mu / (eps + window @ window) * slope
        case = f"250 samples, {order} weights, mu = {mu:g}, eps = {eps:g}"
        says = f"For {case}, each step has to be down the slope that `torch.autograd` finds for e²/2."
        cleaned, weights = t.on(case)(noisy, reference, order, mu, eps)
        t.close(cleaned, want, atol=1e-6, says=says, ask="What else happens to the weights in a step?")
        t.close(weights, w, atol=1e-6, says=says, ask="What else happens to the weights in a step?")


def _adapted(noisy, reference, order, mu, eps, step=None, late=0, flip=True, sign=1, after=False, output=None):
    """What a mistake cancels: another step, another window, another result."""
    w, cleaned = np.zeros(order), np.zeros(len(noisy))
    x = np.concatenate([np.zeros(order - 1 + late), reference])
    for n in range(len(noisy)):
        window = x[n : n + order][:: -1 if flip else 1]
        error = noisy[n] - w @ window
        power = window @ window
        w = w + sign * (mu / (eps + power) if step is None else step(power)) * error * window
        cleaned[n] = noisy[n] - w @ window if after else error
    return cleaned if output is None else output(cleaned), w


@nlms.mistake("Your step is not divided by the power in the window: that is plain LMS, whose step depends on how loud "
              "the reference is.", ask="By what is the step divided?")
def plain_lms(noisy, reference, order, mu=0.5, eps=1e-6):
    return _adapted(noisy, reference, order, mu, eps, lambda power: mu)


@nlms.mistake("You divide by the root of the power in the window.", ask="By what is the step divided?")
def root_of_the_power(noisy, reference, order, mu=0.5, eps=1e-6):
    return _adapted(noisy, reference, order, mu, eps, lambda power: mu / (eps + np.sqrt(power)))


@nlms.mistake("You divide by the mean power in the window, not by the sum: the step is `order` times too large.",
              ask="By what is the step divided?")
def mean_power(noisy, reference, order, mu=0.5, eps=1e-6):
    return _adapted(noisy, reference, order, mu, eps, lambda power: mu / (eps + power / order))


@nlms.mistake("Your step is twice as large. The slope of e² has a factor 2 that the formula leaves out.",
              ask="What stands before the fraction?")
def twice_the_step(noisy, reference, order, mu=0.5, eps=1e-6):
    return _adapted(noisy, reference, order, mu, eps, lambda power: 2 * mu / (eps + power))


@nlms.mistake("Your window is not turned round: weight 0 belongs to the oldest sample in it.",
              ask="Which sample belongs to weight 0?")
def oldest_first(noisy, reference, order, mu=0.5, eps=1e-6):
    return _adapted(noisy, reference, order, mu, eps, flip=False)


@nlms.mistake("The present sample of the reference is not in your window. Noise that arrives at once is then never "
              "found.", ask="Which sample belongs to weight 0?")
def one_late(noisy, reference, order, mu=0.5, eps=1e-6):
    return _adapted(noisy, reference, order, mu, eps, late=1)


@nlms.mistake("You step up the slope: the error grows from sample to sample.", ask="In which direction does a step go?")
def uphill(noisy, reference, order, mu=0.5, eps=1e-6):
    return _adapted(noisy, reference, order, mu, eps, sign=-1)


@nlms.mistake("You compute the error again after the step. It is smaller then, for it has seen the answer, and takes a "
              "part of the voice with it.", ask="Is the error computed before the weights change, or after?")
def error_after_the_step(noisy, reference, order, mu=0.5, eps=1e-6):
    return _adapted(noisy, reference, order, mu, eps, after=True)


@nlms.mistake("You return what the filter predicts, which is the noise.", ask="What do you return as cleaned?")
def the_noise_itself(noisy, reference, order, mu=0.5, eps=1e-6):
    return _adapted(noisy, reference, order, mu, eps, output=lambda cleaned: noisy - cleaned)


@nlms.mistake("`eps` is not in your step.", ask="What is `eps` added to?")
def eps_unread(noisy, reference, order, mu=0.5, eps=1e-6):
    return _adapted(noisy, reference, order, mu, 1e-12)


@nlms.mistake("You divide by the power of the whole reference, which nobody knows before it has ended.",
              ask="What do you compute over the whole signal?")
def power_of_all(noisy, reference, order, mu=0.5, eps=1e-6):
    return _adapted(noisy, reference, order, mu, eps, lambda power: mu / (eps + order * np.mean(reference**2)))


# ---------------------------------------------------------------------------------------------- 08.4


def _picture(rng, bins=24, frames=30):
    """Noise with two held tones and two strokes."""
    S = 0.3 * rng.random((bins, frames))
    S[[bins // 3, bins // 2]] += 1
    S[:, [frames // 4, 2 * frames // 3]] += 0.8
    return S


harmonic_percussive_masks = Exercise(
    "08.4", "harmonic_percussive_masks(S, width=17, height=17, power=2.0)",
    example=lambda: (_picture(np.random.default_rng(84)), 9, 5, 1.5),
    hints=[
        "A tone is one bin high and a hundred frames long. What is the median of 17 neighbours along time in it, and "
        "what is it across the bins? And in a stroke?",
        "`median_filter` takes the size of its window as (rows, columns), that is (bins, frames). A window of 17 "
        "frames of one and the same bin is (1, 17).",
        "With both medians to the power `power`, the mask is `np.divide(H, H + P, out=np.full(S.shape, 0.5), where=H + "
        "P > 0)`, and the other is 1 minus that.",
    ],
    learned="A median does not see what fills less than half of its window: strokes are too short for one, tones too "
            "narrow for the other.",
)


@harmonic_percussive_masks.output
def is_two_masks(t, got, S, width=17, height=17, power=2.0):
    two_things(t, got, "harmonic, percussive")
    for name, mask in zip(("harmonic mask", "percussive mask"), got, strict=True):
        _one(t, name, mask, S.shape)
        t.holds(mask.min() >= -1e-9 and mask.max() <= 1 + 1e-9, f"Your {name} goes from **{mask.min():.3g}** to "
                f"**{mask.max():.3g}**, expected from 0 to 1.", ask="What is divided by what?")
    total = got[0].astype(float) + got[1]
    worst = np.unravel_index(np.abs(total - 1).argmax(), S.shape)
    t.holds(abs(total[worst] - 1) < 1e-5, f"In bin {worst[0]} and frame {worst[1]} your two masks add up to "
            f"**{total[worst]:.4g}**, expected 1.", ask="What is divided by what, and what is the other mask where one "
                                                        "is known?")


def _masks(t, case, S, want, says, ask, *sizes):
    """Hold the harmonic mask to what it has to be; the other is 1 minus it."""
    t.close(t.on(case)(S, *sizes)[0], want, atol=1e-6, says=f"For {case}, {says}", ask=ask)


@harmonic_percussive_masks.edges
def a_silent_picture(t):
    _masks(t, "silence", np.zeros((6, 8)), np.full((6, 8), 0.5), "both masks should be ½.", "What is 0 divided by 0?")
    S = np.zeros((9, 11))
    S[:, 8] = 1
    want = np.full((9, 11), 0.5)
    want[:, 8] = 0
    _masks(t, "a single stroke in silence", S, want, "the stroke is percussive and all else ½.",
           "What is 0 divided by 0?", 5, 5)


@harmonic_percussive_masks.edges
def windows_of_one(t):
    S = t.rng.random((6, 8))
    _masks(t, "windows of one frame and one bin", S, np.full((6, 8), 0.5), "both medians are S itself, and both masks "
            "½.",
           "Which size belongs to which axis?", 1, 1)
    H = S[:, 2:-2]
    middle = np.stack([np.median(S[:, i : i + 5], axis=1) for i in range(4)], axis=1)
    got = t.on("windows of five frames and one bin, power 1")(S, 5, 1, 1.0)[0][:, 2:-2]
    t.close(got, middle / (middle + H), atol=1e-6, says="With windows of five frames and one bin, power 1, P is S "
                                                        "itself and H the median of five frames.", ask="Which size "
                                                        "belongs to which axis?")


@harmonic_percussive_masks.edges
def windows_larger_than_the_picture(t):
    for shape in ((1, 1), (1, 12), (12, 1), (3, 4)):
        _masks(t, f"a constant of {shape[0]} by {shape[1]} and windows of 17", np.full(shape, 0.2), np.full(shape, 0.5),
               "both medians are that constant, and both masks ½.", "What stands beyond the border?")


@harmonic_percussive_masks.properties
def tones_one_way_strokes_the_other(t):
    S = np.zeros((25, 30))
    tone, stroke = int(t.rng.integers(5, 20)), int(t.rng.integers(5, 25))
    S[tone], S[:, stroke] = 1, 1
    got, _ = t.on("a tone and a stroke that cross")(S, 9, 9)
    where = np.arange(30) != stroke
    t.close(got[tone, where], np.ones(29), atol=1e-6, says=f"Bin {tone} holds a tone, and the harmonic mask should be "
                                                           f"1 there.", ask="Along which axis does a tone lie, and "
                                                           "which median keeps it?")
    where = np.arange(25) != tone
    t.close(got[where, stroke], np.zeros(24), atol=1e-6, says=f"Frame {stroke} holds a stroke, and the harmonic mask "
            "should be 0 there.", ask="Along which axis does a stroke lie, and which median keeps it?")
    t.close(got[tone, stroke], 0.5, atol=1e-6, says="Where tone and stroke cross, both masks should be ½.",
            ask="What are the two medians there?")


@harmonic_percussive_masks.properties
def width_says_what_is_long(t):
    for length, held in ((7, True), (3, False)):
        S = 1e-3 * np.ones((20, 40))
        S[10, 20 : 20 + length] = 1
        got = t.on(f"a tone of {length} frames and a width of 9")(S, 9, 5)[0][10, 20 + length // 2]
        t.holds((got > 0.9) == held, f"For a tone of {length} frames and a width of 9, the harmonic mask in its middle "
                                     f"is **{got:.3g}**, expected {'nearly 1' if held else '½'}.", ask="Is it the "
                                     "median, and of how many "
                "frames?")


@harmonic_percussive_masks.properties
def time_and_frequency_change_places(t):
    S, width, height = t.rng.random((14, 19)), 7, 3
    harmonic, _ = t.on("noise, width 7, height 3")(S, width, height)
    _, percussive = t.on("the same transposed, width 3, height 7")(S.T.copy(), height, width)
    t.close(percussive, harmonic.T, atol=1e-6, ask="Which size belongs to which axis?", says="Transposed, with width "
            "and height exchanged, what stood should strike.")


@harmonic_percussive_masks.properties
def power_makes_it_harder(t):
    S = t.rng.random((14, 19))
    soft, _ = t.on("noise, power 1")(S, 7, 5, 1.0)
    for power in (2.0, 0.5, 3.0):
        got, _ = t.on(f"the same, power {power:g}")(S, 7, 5, power)
        t.close(got, soft**power / (soft**power + (1 - soft) ** power), atol=1e-6, ask="What is raised to the power?",
                says=f"With power {power:g} the mask should be $M^p / (M^p + (1 - M)^p)$ of that with power 1.")


@harmonic_percussive_masks.properties
def level_of_the_picture(t):
    S = t.rng.random((14, 19))
    once, _ = t.on("noise")(S, 7, 5)
    for k in (1e-5, 1000.0):
        _masks(t, f"the same, {k:g} times as strong", k * S, once, "the masks should stay what they are.",
               "Is something added that has no unit?", 7, 5)


@harmonic_percussive_masks.reference
def agrees_with_librosa(t):
    import librosa

    for shape, width, height, power in (((40, 50), 31, 31, 2.0), ((30, 25), 11, 17, 1.0), ((8, 60), 5, 13, 3.0)):
        S = np.abs(t.rng.normal(size=shape)) ** 2
        want, _ = librosa.decompose.hpss(S, kernel_size=(width, height), power=power, mask=True)
        case = f"noise of {shape[0]} by {shape[1]}, width {width}, height {height}, power {power:g}"
        t.close(t.on(case)(S, width, height, power)[0], want, atol=1e-5, ask="What stands beyond the border?",
                says=f"For {case}, it has to agree with `librosa.decompose.hpss(mask=True)`.")


def _split(S, width, height, power, middle=None, mask=None, mode="reflect"):
    """What a mistake makes: another middle, another mask, another border."""
    from scipy.ndimage import median_filter

    middle = middle or (lambda S, size: median_filter(S, size=size, mode=mode))
    H, P = middle(S, (1, width)), middle(S, (height, 1))
    if mask is None:
        H, P = H**power, P**power
        harmonic = np.divide(H, H + P, out=np.full(S.shape, 0.5), where=H + P > 0)
    else:
        harmonic = mask(H, P)
    return harmonic, 1 - harmonic


@harmonic_percussive_masks.mistake("Your masks are exchanged: what stands is called percussive.",
                                   ask="Which median keeps a tone?")
def exchanged(S, width=17, height=17, power=2.0):
    return _split(S, width, height, power)[::-1]


@harmonic_percussive_masks.mistake("Width and height are exchanged: the harmonic median is as long as the percussive "
                                   "one should be.", ask="Which size belongs to which axis?")
def sizes_exchanged(S, width=17, height=17, power=2.0):
    return _split(S, height, width, power)


@harmonic_percussive_masks.mistake("You take means. A mean is pulled up by a single stroke; a median does not see it.",
                                   ask="Is it the median?")
def means(S, width=17, height=17, power=2.0):
    from scipy.ndimage import uniform_filter

    return _split(S, width, height, power, middle=lambda S, size: uniform_filter(S, size=size))


@harmonic_percussive_masks.mistake("Beyond the border you assume silence. The medians there are too small.",
                                   ask="What stands beyond the border?")
def silence_beyond(S, width=17, height=17, power=2.0):
    return _split(S, width, height, power, mode="constant")


@harmonic_percussive_masks.mistake("Beyond the border you hold the outermost value.", ask="What stands beyond the "
                                   "border?")
def border_held(S, width=17, height=17, power=2.0):
    return _split(S, width, height, power, mode="nearest")


@harmonic_percussive_masks.mistake("Your mirror stands on the outermost value, which then occurs once, where the task "
                                   "has it twice.", ask="What stands beyond the border?")
def mirror_on_the_border(S, width=17, height=17, power=2.0):
    return _split(S, width, height, power, mode="mirror")


@harmonic_percussive_masks.mistake("The power is 1, whatever `power` is.", ask="What is raised to the power?")
def power_unread(S, width=17, height=17, power=2.0):
    return _split(S, width, height, 1.0)


@harmonic_percussive_masks.mistake("The power is 2, whatever `power` is.", ask="What is raised to the power?")
def power_of_two(S, width=17, height=17, power=2.0):
    return _split(S, width, height, 2.0)


@harmonic_percussive_masks.mistake("You raise the mask to the power, not the medians.", ask="What is raised to the "
                                   "power?")
def mask_raised(S, width=17, height=17, power=2.0):
    return _split(S, width, height, power, mask=lambda H, P: np.where(H + P > 0, H / (H + P), 0.5) ** power)


@harmonic_percussive_masks.mistake("Your masks are 0 or 1: the larger median takes all.", ask="What is divided by "
        "what?")
def winner_takes_all(S, width=17, height=17, power=2.0):
    return _split(S, width, height, power, mask=lambda H, P: np.where(H == P, 0.5, (H > P).astype(float)))


@harmonic_percussive_masks.mistake("Something is added below the line, so that nothing is divided by 0. Quiet passages "
                                   "then have no harmonic part, and silence has none either.",
                                   ask="What should the masks be where both medians are 0?")
def guarded_by_a_number(S, width=17, height=17, power=2.0):
    return _split(S, width, height, power, mask=lambda H, P: H**power / (H**power + P**power + 1e-10))


# ---------------------------------------------------------------------------------------------- 08.5


def _factors(rng, F=6, K=2, T=8):
    """A matrix without an exact product, and where to begin: V, W, H."""
    V = rng.gamma(0.7, size=(F, T))
    return V, rng.uniform(0.2, 1, (F, K)), rng.uniform(0.2, 1, (K, T))


def _divergence(V, W, H):
    """Generalised Kullback-Leibler divergence of a product from a matrix: 0 ln 0 is 0."""
    from scipy.special import kl_div

    return float(kl_div(V, as_array(W) @ as_array(H)).sum())


nmf_step = Exercise(
    "08.5", "nmf_step(V, W, H)",
    example=lambda: _factors(np.random.default_rng(85)),
    hints=[
        "Where the product is too small, `V / (W @ H)` is above 1. What do the entries of W and H then have to become? "
        "And what if it is 1 everywhere?",
        "A sum over t of H and a matrix of the shape [F, T] is a product with `H.T`, of the shape [F, K]; a sum over f "
        "is a product with `W.T`. The divisors are one number for each template: `H.sum(axis=1)` and `W.sum(axis=0)`.",
        "`W = W * ((V / (W @ H)) @ H.T) / H.sum(axis=1)`, with each divisor inside `np.maximum(…, 1e-12)`. For H the "
        "same from the left, with `W @ H` computed anew and the divisor as a column, `W.sum(axis=0)[:, None]`.",
    ],
    learned="Multiplied by how much was missing, divided by how much there is: no step size, and nothing becomes "
            "negative. What is 0 stays 0, so do not begin there.",
)


@nmf_step.output
def is_two_factors(t, got, V, W, H):
    two_things(t, got, "W, H")
    for name, one, old in (("W", got[0], W), ("H", got[1], H)):
        _one(t, name, one, old.shape)
        t.holds(bool((one >= 0).all()), f"Your {name} holds **{one.min():.3g}**; nothing may be negative.",
                ask="Is something subtracted?")


@nmf_step.edges
def a_silent_recording(t):
    _, W, H = _factors(t.rng)
    W, H = t.on("a silent V")(np.zeros((6, 8)), W, H)
    t.close(W @ H, np.zeros((6, 8)), atol=1e-6, says="For a silent V, the product should be silent after a step.",
            ask="Which divisors can be 0?")


@nmf_step.edges
def a_silent_frame_and_bin(t):
    V, W, H = _factors(t.rng)
    V[2], V[:, 5] = 0, 0
    case = "a V with a silent bin and a silent frame"
    W, H = t.on(case)(V, W, H)
    W, H = t.on(case + ", second step")(V, W, H)
    t.close(np.append((W @ H)[2], (W @ H)[:, 5]), np.zeros(14), atol=1e-6, says=f"For {case}, the product should be "
            "silent there too.", ask="Which divisors can be 0?")


@nmf_step.edges
def a_template_that_died(t):
    V, W, H = _factors(t.rng, K=3)
    alive = t.on("two templates")(V, W[:, :2], H[:2])
    for case, row, column in (("a third template that is 0", 1.0, 0.0), ("a third activation that is 0", 0.0, 1.0),
                              ("a third template and activation that are 0", 0.0, 0.0)):
        W2, H2 = W.copy(), H.copy()
        W2[:, 2] *= column
        H2[2] *= row
        got = t.on(case)(V, W2, H2)
        t.close(got[0] @ got[1], alive[0] @ alive[1], rtol=1e-5, atol=1e-6, says=f"With {case}, the other two should "
                f"do as if they were alone.", ask="Which divisors can be 0?")


@nmf_step.edges
def one_by_one(t):
    W, H = t.on("V = [[6]], W = [[2]], H = [[1]]")(np.array([[6.0]]), np.array([[2.0]]), np.array([[1.0]]))
    t.close([W[0, 0], H[0, 0]], [6.0, 1.0], rtol=1e-6, says="For V = [[6]], W = [[2]] and H = [[1]], W becomes 2 · (1 "
                                                            "· 6/2) / 1 = 6. With the new W the product is 6 too, so "
                                                            "that H stays 1.", ask="With which W is H updated?")


@nmf_step.properties
def an_exact_product_stays(t):
    _, W, H = _factors(t.rng, 7, 3, 9)
    got = t.on("V = W H exactly")(W @ H, W, H)
    for name, one, old in (("W", got[0], W), ("H", got[1], H)):
        t.close(one, old, rtol=1e-5, says=f"Where V = W H exactly, {name} should stay as it is.",
                ask="What is V divided by W H then, and what the whole fraction?")


@nmf_step.properties
def never_further_away(t):
    V, W, H = _factors(t.rng, 12, 3, 15)
    far = _divergence(V, W, H)
    for step in range(12):
        W, H = t.on(f"step {step + 1} from a random start")(V, W, H)
        now = _divergence(V, W, H)
        t.holds(now <= far * (1 + 1e-9), f"In step {step + 1} from a random start the divergence rises from {far:.5g} "
                                         f"to **{now:.5g}**. No step can make it larger (Lee and Seung, 2001).", ask=
                                             "What is multiplied by what, "
                "and is the divisor that of the formula?")
        far = now


@nmf_step.properties
def each_frame_as_loud_as_it_was(t):
    V, W, H = _factors(t.rng, 9, 3, 11)
    W, H = t.on("a random start")(V, W, H)
    t.close((W @ H).sum(axis=0), V.sum(axis=0), rtol=1e-5, says="After a step each frame of W H should have the sum "
                                                                "that it has in V: H was updated last, and with the "
                                                                "new W.", ask="In which order are they updated, and "
                                                                "with which W?")


@nmf_step.properties
def what_is_0_stays_0(t):
    V, W, H = _factors(t.rng, 9, 3, 11)
    W[2, 1], H[0, 4:7] = 0, 0
    got = t.on("factors with zeros")(V, W, H)
    t.close(np.append(got[0][2, 1], got[1][0, 4:7]), np.zeros(4), atol=1e-12, says="Entries that are 0 are multiplied "
            "and should stay 0.", ask="Is something added?")


@nmf_step.properties
def level_and_order(t):
    V, W, H = _factors(t.rng, 9, 3, 11)
    got = t.on("a random start")(V, W, H)
    loud = t.on("the same, V 100 times as strong")(100 * V, W, H)
    t.close(loud[0] @ loud[1], 100 * got[0] @ got[1], rtol=1e-5, says="With V 100 times as strong the product should "
            "be so too.", ask="Is something added that has no unit?")
    mixed = t.on("the same, templates in another order")(V, W[:, [2, 0, 1]], H[[2, 0, 1]])
    t.close(mixed[0], got[0][:, [2, 0, 1]], rtol=1e-5, says="With the templates in another order, the result should be "
            "that in the other order.", ask="Which template does each divisor belong to?")


@nmf_step.reference
def agrees_with_sklearn(t):
    from sklearn.decomposition import non_negative_factorization

    for (F, K, T), level, steps in (((10, 2, 14), 1.0, 1), ((20, 4, 30), 1e-3, 20)):
        V, W, H = _factors(t.rng, F, K, T)
        V, W, H = level * V, np.sqrt(level) * W, np.sqrt(level) * H
        theirs = non_negative_factorization(V, W=W.copy(), H=H.copy(), n_components=K, init="custom", solver="mu",
                                            beta_loss="kullback-leibler", max_iter=steps, tol=0)
        case = f"a matrix of {F} by {T} of a level of {level:g}, {K} templates"
        for _ in range(steps):
            W, H = t.on(case)(V, W, H)
        says = f"For {case}, after {steps} step{'s' * (steps > 1)} from the same start, "
        got, want = (_divergence(V, *factors) / level for factors in ((W, H), theirs[:2]))
        t.close(got, want, rtol=1e-4, ask="Is something added, so that nothing is divided by 0?",
                says=says + "the divergence has to be that of `sklearn.decomposition.non_negative_factorization`.")
        t.close(W @ H / level, theirs[0] @ theirs[1] / level, atol=1e-4, ask="Is something added, so that nothing is "
                "divided by 0?", says=says + "the product has to be that of scikit-learn.")


def _multiplied(V, W, H, ratio=lambda V, WH: V / WH, sums=True, both_old=False, h_first=False, keep=True, gamma=1.0,
                after=None):
    """What a mistake makes of a step: another ratio, other divisors, another order."""
    def at_least(x):
        return np.maximum(x, 1e-12)

    def compared(W, H):
        return ratio(V, at_least(W @ H))

    def of_w(W, H):
        factor = (compared(W, H) @ H.T / (at_least(H.sum(axis=1)) if sums else 1)) ** gamma
        return W * factor if keep else factor

    def of_h(W, H):
        factor = (W.T @ compared(W, H) / (at_least(W.sum(axis=0))[:, None] if sums else 1)) ** gamma
        return H * factor if keep else factor

    if both_old:
        W, H = of_w(W, H), of_h(W, H)
    elif h_first:
        H = of_h(W, H)
        W = of_w(W, H)
    else:
        W = of_w(W, H)
        H = of_h(W, H)
    return (W, H) if after is None else after(W, H)


@nmf_step.mistake("H is updated with the old W. Both then make up for the same error, and together for twice of it.",
                  ask="With which W is H updated?")
def with_the_old_w(V, W, H):
    return _multiplied(V, W, H, both_old=True)


@nmf_step.mistake("You update H first, then W.", ask="In which order are they updated?")
def activations_first(V, W, H):
    return _multiplied(V, W, H, h_first=True)


@nmf_step.mistake("You use the updates for the squared distance, in which V and W H are not divided by each other.",
                  ask="Which distance is it that must not rise?")
def for_the_squared_distance(V, W, H):
    W = W * (V @ H.T) / np.maximum(W @ H @ H.T, 1e-12)
    return W, H * (W.T @ V) / np.maximum(W.T @ W @ H, 1e-12)


@nmf_step.mistake("Your divisors are missing: the more frames there are, the larger W becomes.",
                  ask="What is the fraction where V = W H?")
def without_divisors(V, W, H):
    return _multiplied(V, W, H, sums=False)


@nmf_step.mistake("You divide W H by V: what is too small becomes smaller.", ask="What do the entries become where the "
                  "product is too small?")
def product_over_v(V, W, H):
    return _multiplied(V, W, H, ratio=lambda V, WH: WH / np.maximum(V, 1e-12))


@nmf_step.mistake("You replace the factors where they are to be multiplied.", ask="What stands before each fraction?")
def replaced(V, W, H):
    return _multiplied(V, W, H, keep=False)


@nmf_step.mistake("You make the templates sum to 1, and leave the activations as they were: the product is not the "
                  "same any more.", ask="What becomes of the product?")
def templates_normalised(V, W, H):
    return _multiplied(V, W, H, after=lambda W, H: (W / np.maximum(W.sum(axis=0), 1e-12), H))


@nmf_step.mistake("You update the templates alone.", ask="What is the second half of a step?")
def templates_alone(V, W, H):
    return _multiplied(V, W, H)[0], H


@nmf_step.mistake("Your fractions stand under a root.", ask="By what exactly is each entry multiplied?")
def half_a_step(V, W, H):
    return _multiplied(V, W, H, gamma=0.5)


# ---------------------------------------------------------------------------------------------- 08.6


def _clips(rng, batch=3, n=2, time=20, error=0.3):
    """Estimates with some error, and the sources of which they are: tensors [batch, n, time]."""
    import torch

    sources = torch.from_numpy(rng.normal(size=(batch, n, time)).astype(np.float32))
    return sources + error * torch.from_numpy(rng.normal(size=sources.shape).astype(np.float32)), sources


def _out_of_order(rng, *sizes, **error):
    """The same with the estimates of each clip in an order of its own; and the estimate of each source."""
    import torch

    estimates, sources = _clips(rng, *sizes, **error)
    places = [torch.from_numpy(rng.permutation(sources.shape[1])) for _ in sources]
    mixed = torch.stack([one[place] for one, place in zip(estimates, places, strict=True)])
    return mixed, sources, torch.stack(places).argsort(dim=1)


def _three_clips():
    """Of three estimates each; in one clip two sources are nearest to the same of them."""
    import torch

    rng = np.random.default_rng(86)
    _, sources = _clips(rng, 3, 3)
    orders = torch.tensor([[1, 2, 0], [0, 1, 2], [2, 1, 0]])                # the first is not its own inverse
    estimates = torch.stack([source[order] for source, order in zip(sources, orders, strict=True)])
    estimates[1, 0] -= 1.2 * sources[0, 2]                                  # so that no source is nearest to it
    estimates[1, 1] = 0.4 * sources[1, 0] + 0.6 * sources[1, 1]
    return estimates + 0.2 * torch.from_numpy(rng.normal(size=estimates.shape).astype(np.float32)), sources


pit_loss = Exercise(
    "08.6", "pit_loss(estimates, sources)",
    example=_three_clips,
    hints=[
        "Two estimates, two sources: how many costs are there, and which of them does each of the two orders add up? "
        "How many orders do three sources have?",
        "Compute all costs at once: with `estimates[:, :, None]` and `sources[:, None]` the difference has the shape "
        "[batch, estimate, source, time]. An order picks n of the n² costs, one from each row and each column; average "
        "them, and take the smallest mean of each clip.",
        "With `orders = torch.tensor(list(permutations(range(n))))`, of the shape [n!, n], `costs[:, orders, "
        "torch.arange(n)]` has the shape [batch, n!, n]: for each order, the cost of estimate `order[j]` for source j. "
        "`.mean(dim=-1).min(dim=1)` gives values and indices.",
    ],
    learned="The loss finds out itself who is who, in each clip anew. What it does not say is who speaks: two seconds "
            "later the order may be another.",
)


@pit_loss.output
def is_a_loss_and_an_order_for_each(t, got, estimates, sources):
    import torch

    two_things(t, got, "loss, order")
    batch, n = sources.shape[:2]
    kinds = ("loss", (batch,), torch.float32), ("order", (batch, n), torch.int64)
    for one, (name, shape, kind) in zip(got, kinds, strict=True):
        t.holds(hasattr(one, "detach"), f"Your {name}: **{briefly(one)}**, expected a tensor.", values=False)
        t.holds(tuple(one.shape) == shape, f"Your {name}: shape **{list(one.shape)}**, expected **{list(shape)}**.",
                ask="What is averaged, and what belongs to each clip?")
        t.holds(one.dtype == kind, f"Your {name}: type **{one.dtype}**, expected {kind}.", values=False,
                ask="Which operation made it so?")
    t.array(got[0])
    for b, order in enumerate(got[1].tolist()):
        t.holds(sorted(order) == list(range(n)), f"In clip {b} your order is **{order}**, in which not every estimate "
                f"occurs once.", ask="May one estimate belong to two sources?")


def _cost(estimate, source):
    """Mean squared error of every estimate for every source of a clip, in double precision: [n, n]."""
    e, s = as_array(estimate).astype(float), as_array(source).astype(float)
    return ((e[:, None] - s) ** 2).mean(axis=-1)


def _matched(t, case, estimates, sources, says="", ask=None):
    """Hold loss and order to the best assignment that SciPy finds; the order may be another one as good."""
    from scipy.optimize import linear_sum_assignment

    loss, order = t.on(case)(estimates, sources)
    for b, (estimate, source) in enumerate(zip(estimates, sources, strict=True)):
        costs = _cost(estimate, source)
        rows, columns = linear_sum_assignment(costs)
        best = costs[rows, columns].mean()
        t.close(loss[b], best, rtol=1e-4, atol=1e-6, ask=ask or "Over what is averaged, and of what is it the "
                                                                "smallest?",
                says=f"For {case}, {says or f'clip {b} has to have the smallest mean cost of all orders.'}")
        mine = costs[as_array(order[b]), np.arange(len(costs))].mean()
        t.holds(mine <= best * (1 + 1e-4) + 1e-6, f"For {case}, clip {b}: your order **{order[b].tolist()}** costs "
                f"{mine:.4g}, the best {np.argsort(columns).tolist()} costs {best:.4g}.",
                ask="Does `order[b, j]` name the estimate of source j, or the source of estimate j?")
    return loss, order


@pit_loss.edges
def one_source(t):
    estimates, sources = _clips(t.rng, 3, 1)
    _matched(t, "one source", estimates, sources, "the only order has the mean squared error.")


@pit_loss.edges
def silent_clips(t):
    import torch

    loss, _ = t.on("estimates and sources of zeros")(torch.zeros(2, 3, 8), torch.zeros(2, 3, 8))
    t.close(loss, np.zeros(2), atol=1e-9, says="Where all is silent nothing is wrong.", ask="Is something divided?")


@pit_loss.edges
def two_estimates_alike(t):
    estimates, sources = _clips(t.rng, 2, 2)
    estimates = estimates[:, :1].repeat(1, 2, 1)
    _matched(t, "two estimates that are the same", estimates, sources, "either order costs the same, the mean of both.")


@pit_loss.edges
def clips_of_one_sample(t):
    estimates, sources = _clips(t.rng, 8, 2, 1, error=1.0)
    _matched(t, "clips of one sample", estimates, sources)


@pit_loss.properties
def right_answers_in_any_order(t):
    for n in (2, 3):
        estimates, sources, order = _out_of_order(t.rng, 4, n, error=0.0)
        case = f"{n} perfect estimates in some order"
        loss, got = t.on(case)(estimates, sources)
        t.close(loss, np.zeros(4), atol=1e-9, says=f"For {case}, the loss should be 0.", ask="Which orders are tried?")
        t.close(got, order, says=f"For {case}, the order is known.",
                ask="Does `order[b, j]` name the estimate of source j, or the source of estimate j?")


@pit_loss.properties
def each_clip_has_its_own(t):
    estimates, sources = _clips(t.rng, 3, 2)
    estimates[1] = estimates[1].flip(0)
    loss, _ = _matched(t, "three clips, the second in the other order", estimates, sources)
    for b in range(3):
        alone, _ = t.on(f"clip {b} of them alone")(estimates[b : b + 1], sources[b : b + 1])
        t.close(loss[b], alone[0], atol=1e-6, says=f"Clip {b} in company should have the loss that it has alone.",
                ask="What is averaged before the smallest is taken?")


@pit_loss.properties
def no_estimate_twice(t):
    import torch

    sources, estimates = torch.tensor([[[0.0], [1.0]]]), torch.tensor([[[1.1], [2.5]]])
    for e in (estimates, estimates.flip(1)):
        for s in (sources, sources.flip(1)):
            _matched(t, "sources of 0 and 1, estimates of 1.1 and 2.5", e, s, "1.1 is nearest to 1, but 2.5 then has "
                    "to be 0. In the other order the mean cost is (1.1² + 1.5²) / 2 = 1.73.",
                     "May one estimate belong to two sources, and is the first to choose always right?")


@pit_loss.properties
def exchanged_sources(t):
    estimates, sources, _ = _out_of_order(t.rng, 3, 3)
    loss, order = t.on("three clips of three")(estimates, sources)
    exchanged, other = t.on("the same, sources 0 and 2 exchanged")(estimates, sources[:, [2, 1, 0]])
    t.close(exchanged, loss, atol=1e-6, says="With two sources exchanged the loss should stay what it is.",
            ask="Which orders are tried?")
    t.close(other, order[:, [2, 1, 0]], says="With two sources exchanged, so should be their estimates.",
            ask="Does `order[b, j]` name the estimate of source j, or the source of estimate j?")


@pit_loss.properties
def lets_the_gradient_through(t):
    import torch

    estimates, sources = _clips(t.rng, 3, 2)
    estimates[1] = estimates[1].flip(0)
    loss, order = t.on("estimates that a network made")(estimates.clone().requires_grad_(), sources)
    t.holds(loss.requires_grad, "The gradient does not reach the estimates: your loss does **not** remember what it "
                                "was made of, and no network will learn from it.", values=False,
            ask="Which line leaves PyTorch, or makes a new tensor of numbers?")

    def gradient(estimates, sources):
        return torch.autograd.grad(t.answer(estimates.requires_grad_(), sources)[0].sum(), estimates)[0]

    got = t.on("the sum of three losses").call(gradient, estimates, sources)
    right = torch.stack([source[o.argsort()] for source, o in zip(sources, order, strict=True)])
    t.close(got, 2 * (estimates - right) / (2 * 20), atol=1e-6, ask="What is the loss the mean of?",
            says="The slope for each sample should be that of the squared error in the best order, and of no other.")


@pit_loss.reference
def agrees_with_scipy_linear_sum_assignment(t):
    for batch, n, time in ((8, 3, 50), (12, 4, 30), (16, 5, 40)):
        estimates, sources, _ = _out_of_order(t.rng, batch, n, time, error=8.0)              # hard to tell apart
        _matched(t, f"{batch} clips of {n} sources", estimates, sources, "it has to agree with "
                 "`scipy.optimize.linear_sum_assignment`.", "How many orders are tried?")


def _in_an_order(estimates, sources, cost=lambda d: (d**2).mean(dim=-1), pick=None, over=lambda x: x.mean(dim=-1)):
    """What a mistake charges: another cost, another choice among the orders."""
    from itertools import permutations

    import torch

    n = sources.shape[1]
    costs = cost(estimates[:, :, None] - sources[:, None])
    orders = torch.tensor(list(permutations(range(n))))
    each = over(costs[:, orders, torch.arange(n)])
    best = each.argmin(dim=1) if pick is None else pick(each)
    return each.gather(1, best[:, None])[:, 0], orders[best]


def _one_after_another(estimates, sources, whose_turn):
    """Sources choose their estimates in turn; `whose_turn` picks one, given the least cost that each still has."""
    import torch

    costs = ((estimates[:, :, None] - sources[:, None]) ** 2).mean(dim=-1)
    order = torch.zeros(sources.shape[:2], dtype=torch.int64)
    for b, free in enumerate(costs.detach().clone()):
        for _ in free:
            j = whose_turn(free.min(dim=0).values)
            order[b, j] = free[:, j].argmin()
            free[order[b, j]] = torch.inf
            free[:, j] = torch.inf
    return costs.gather(1, order[:, None])[:, 0].mean(dim=-1), order


@pit_loss.mistake("One order serves the whole batch.", ask="What is averaged before the smallest is taken?")
def one_for_the_batch(estimates, sources):
    return _in_an_order(estimates, sources, pick=lambda each: each.mean(dim=0).argmin().repeat(len(each)))


@pit_loss.mistake("You charge the estimates in the order in which they come.", ask="Which orders are tried?")
def as_they_come(estimates, sources):
    import torch

    return _in_an_order(estimates, sources, pick=lambda each: torch.zeros(len(each), dtype=torch.int64))


@pit_loss.mistake("You charge the dearest order.", ask="Of what is it the smallest?")
def the_dearest(estimates, sources):
    return _in_an_order(estimates, sources, pick=lambda each: each.argmax(dim=1))


@pit_loss.mistake("You charge the mean over all orders. No order is then better than another, and half the mixture is "
                  "the best answer.", ask="Of what is it the smallest?")
def mean_over_orders(estimates, sources):
    order = _in_an_order(estimates, sources)[1]
    costs = ((estimates[:, :, None] - sources[:, None]) ** 2).mean(dim=-1)
    return costs.mean(dim=(1, 2)), order


@pit_loss.mistake("Your order names the source of each estimate, where the estimate of each source is asked for.",
                  ask="Does `order[b, j]` name the estimate of source j, or the source of estimate j?")
def turned_round(estimates, sources):
    loss, order = _in_an_order(estimates, sources)
    return loss, order.argsort(dim=1)


@pit_loss.mistake("The costs of the sources are added up, not averaged.", ask="Over what is averaged?")
def added_up(estimates, sources):
    return _in_an_order(estimates, sources, over=lambda x: x.sum(dim=-1))


@pit_loss.mistake("The squared errors are added up over time, not averaged.", ask="Over what is averaged?")
def added_up_over_time(estimates, sources):
    return _in_an_order(estimates, sources, cost=lambda d: (d**2).sum(dim=-1))


@pit_loss.mistake("Your cost is the absolute error.", ask="What is squared?")
def absolute_error(estimates, sources):
    return _in_an_order(estimates, sources, cost=lambda d: d.abs().mean(dim=-1))


@pit_loss.mistake("Each source takes the estimate that it likes best, and one may be taken twice.",
                  ask="May one estimate belong to two sources?")
def each_its_nearest(estimates, sources):
    costs = ((estimates[:, :, None] - sources[:, None]) ** 2).mean(dim=-1)
    nearest = costs.min(dim=1)
    return nearest.values.mean(dim=-1), nearest.indices


@pit_loss.mistake("Source 0 chooses first, then source 1 of what is left. What is left may be dear.",
                  ask="Is the first to choose always right?")
def source_by_source(estimates, sources):
    return _one_after_another(estimates, sources, lambda least: int(least.isfinite().nonzero()[0]))


@pit_loss.mistake("The cheapest pair is matched first, then the next of what is left. What is left may be dear.",
                  ask="Is the first to choose always right?")
def the_cheapest_first(estimates, sources):
    return _one_after_another(estimates, sources, lambda least: int(least.argmin()))
