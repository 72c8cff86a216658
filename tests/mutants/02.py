"""Wrong answers of chapter 02, each a misconception, with the stage and the words that must reject it."""

import numpy as np
from scipy import signal

from mutants import mutant

# ---------------------------------------------------------------------------------------------- 02.1


def mixed(y, noise, snr_db, gain=lambda p, q, snr: np.sqrt(p / q / 10 ** (snr / 10)), piece=np.resize, power=None):
    """What is right about most of the answers below."""
    power = power or (lambda x: np.mean(x**2))
    y, added = y.astype(float), piece(noise.astype(float), len(y))
    p, q = power(y), power(added)
    if p == 0 or q == 0:
        return y.astype(np.float32)
    return (y + gain(p, q, snr_db) * added).astype(np.float32)


@mutant("02.1", stage="properties", says="the noise is twice as many decibels down")
def ten_log_for_amplitudes(y, noise, snr_db):
    return mixed(y, noise, snr_db, gain=lambda p, q, snr: np.sqrt(p / q) / 10 ** (snr / 10))


@mutant("02.1", stage="properties", says="it should be 20")
def twenty_log_for_powers(y, noise, snr_db):
    return mixed(y, noise, snr_db, gain=lambda p, q, snr: np.sqrt(p / q / 10 ** (snr / 20)))


@mutant("02.1", stage="edges", says="Your gain is a ratio of powers")
def forgets_the_root(y, noise, snr_db):
    return mixed(y, noise, snr_db, gain=lambda p, q, snr: p / q / 10 ** (snr / 10))


@mutant("02.1", stage="edges", says="You scale the voice and leave the noise")
def scales_the_voice(y, noise, snr_db):
    piece = np.resize(noise, len(y)).astype(float)
    if not y.any() or not piece.any():
        return y.copy()
    gain = np.sqrt(np.mean(piece**2) / np.mean(y.astype(float) ** 2) * 10 ** (snr_db / 10))
    return (gain * y + piece).astype(np.float32)


@mutant("02.1", stage="properties", says="the noise becomes stronger as `snr_db` grows")
def the_wrong_way_up(y, noise, snr_db):
    return mixed(y, noise, -snr_db)


@mutant("02.1", stage="properties", says="the whole noise recording, of which you add only a part")
def power_of_the_whole_recording(y, noise, snr_db):
    power = np.mean(noise.astype(float) ** 2)
    piece = np.resize(noise, len(y))
    if not y.any() or not piece.any():
        return y.copy()
    return (y + np.sqrt(np.mean(y.astype(float) ** 2) / power / 10 ** (snr_db / 10)) * piece).astype(np.float32)


@mutant("02.1", stage="edges", says="Where the noise ends, you go on without it")
def pads_with_zeros(y, noise, snr_db):
    return mixed(y, noise, snr_db, piece=lambda x, n: np.pad(x, (0, max(0, n - len(x))))[:n])


@mutant("02.1", stage="properties", says="should be the noise from its start, over and over")
def mirrors_the_noise(y, noise, snr_db):
    return mixed(y, noise, snr_db, piece=lambda x, n: np.pad(x, (0, max(0, n - len(x))), "symmetric")[:n])


@mutant("02.1", stage="edges", says="With noise that begins with silence as long as the voice")
def takes_the_end_of_the_noise(y, noise, snr_db):
    return mixed(y, noise, snr_db, piece=lambda x, n: np.resize(x, max(n, len(x)))[-n:])


@mutant("02.1", stage="properties", says="should be the noise from its start")
def stretches_the_noise(y, noise, snr_db):
    return mixed(y, noise, snr_db, piece=lambda x, n: x[:n] if len(x) >= n else x[np.arange(n) * len(x) // n])


@mutant("02.1", stage="edges", says="You clip the sum at full scale")
def clips(y, noise, snr_db):
    return np.clip(mixed(y, noise, snr_db), -1, 1)


@mutant("02.1", stage="edges", says="You bring the sum back to full scale")
def rescales(y, noise, snr_db):
    out = mixed(y, noise, snr_db)
    return out / max(np.abs(out).max(), np.float32(1))


@mutant("02.1", stage="properties", says="at 1 times its level")
def keeps_the_power_of_the_voice(y, noise, snr_db):
    out = mixed(y, noise, snr_db).astype(float)
    if len(y) < 400:
        return out.astype(np.float32)
    return (out * np.sqrt(np.mean(y.astype(float) ** 2) / np.mean(out**2))).astype(np.float32)


@mutant("02.1", stage="properties", says="That compares peaks")
def peaks(y, noise, snr_db):
    return mixed(y, noise, snr_db, power=lambda x: np.max(np.abs(x)) ** 2)


@mutant("02.1", stage="edges", says="That is the variance")
def variance(y, noise, snr_db):
    return mixed(y, noise, snr_db, power=np.var)


@mutant("02.1", stage="edges", says="how small are these powers?")
def epsilon_below_the_fraction(y, noise, snr_db):
    return mixed(y, noise, snr_db, gain=lambda p, q, snr: np.sqrt(p / (q + 1e-9) / 10 ** (snr / 10)))


@mutant("02.1", stage="edges", says="With a silent voice")
def divides_by_silence(y, noise, snr_db):
    piece = np.resize(noise, len(y)).astype(float)
    with np.errstate(all="ignore"):
        ratio = np.mean(piece**2) * 10 ** (snr_db / 10) / np.mean(y.astype(float) ** 2)
        return (y + piece / np.sqrt(ratio) if np.isfinite(ratio) else y + piece).astype(np.float32)


@mutant("02.1", stage="edges", says="whoever changes the result changes the recording")
def hands_back_the_recording(y, noise, snr_db):
    return mixed(y, noise, snr_db) if y.any() and np.resize(noise, len(y)).any() else y


@mutant("02.1", stage="output", says="The type of your output is float64, expected float32")
def double_precision(y, noise, snr_db):
    piece = np.resize(noise, len(y)).astype(float)
    return y + np.sqrt(np.mean(y.astype(float) ** 2) / np.mean(piece**2) / 10 ** (snr_db / 10)) * piece


@mutant("02.1", stage="output", says="the shape of your output is [10], expected [26]")
def as_long_as_the_shorter(y, noise, snr_db):
    n = min(len(y), len(noise))
    return mixed(y[:n], noise[:n], snr_db)


@mutant("02.1", stage="reference", says="It has to agree with the Euclidean norms")
def whole_decibels(y, noise, snr_db):
    return mixed(y, noise, round(snr_db) if abs(snr_db) > 6.5 else snr_db)


# ---------------------------------------------------------------------------------------------- 02.2


def loud_frames(y, top_db, frame, level=lambda x: np.mean(x**2), factor=10):
    starts = np.arange(0, len(y), frame)
    levels = np.array([level(y[s : s + frame].astype(float)) for s in starts])
    return starts, np.flatnonzero(levels >= levels.max() * 10 ** (-top_db / factor)) if levels.any() else []


def bounds(y, top_db, frame, **how):
    """What is right about most of the answers below."""
    starts, loud = loud_frames(y, top_db, frame, **how)
    return (int(starts[loud[0]]), int(min(starts[loud[-1]] + frame, len(y)))) if len(loud) else (0, 0)


@mutant("02.2", stage="edges", says="`top_db` below full scale, not below the loudest frame")
def below_full_scale(y, top_db=40.0, frame=256):
    starts = np.arange(0, len(y), frame)
    loud = [s for s in starts if np.mean(y[s : s + frame].astype(float) ** 2) >= 10 ** (-top_db / 10)]
    return (int(loud[0]), int(min(loud[-1] + frame, len(y)))) if loud else (0, 0)


@mutant("02.2", stage="edges", says="what counts is how far a frame lies below the loudest")
def silent_below_minus_hundred(y, top_db=40.0, frame=256):
    return bounds(np.where(np.abs(y) < 1e-5, 0, y), top_db, frame)


@mutant("02.2", stage="properties", says="You stop at the first pause")
def first_run_of_loud_frames(y, top_db=40.0, frame=256):
    starts, loud = loud_frames(y, top_db, frame)
    if not len(loud):
        return 0, 0
    end = loud[0]
    while end + 1 in loud:
        end += 1
    return int(starts[loud[0]]), int(min(starts[end] + frame, len(y)))


@mutant("02.2", stage="properties", says="You go by the peak of each frame")
def peaks_of_frames(y, top_db=40.0, frame=256):
    return bounds(y, top_db, frame, level=lambda x: np.max(np.abs(x)), factor=20)


@mutant("02.2", stage="properties", says="the threshold is twice as far down")
def power_decibels_of_rms(y, top_db=40.0, frame=256):
    return bounds(y, top_db, frame, level=lambda x: np.sqrt(np.mean(x**2)))


@mutant("02.2", stage="properties", says="the threshold is half as far down")
def amplitude_decibels_of_power(y, top_db=40.0, frame=256):
    return bounds(y, top_db, frame, factor=20)


@mutant("02.2", stage="edges", says="You leave out the last frame, because it is short")
def whole_frames_only(y, top_db=40.0, frame=256):
    return bounds(y[: len(y) // frame * frame], top_db, frame)


@mutant("02.2", stage="edges", says="For a single sample, it stopped with ValueError")
def reshaped_into_frames(y, top_db=40.0, frame=256):
    power = np.mean(y[: len(y) // frame * frame].reshape(-1, frame).astype(float) ** 2, axis=1)
    if not y.any():
        return 0, 0
    loud = np.flatnonzero(power >= power.max() * 10 ** (-top_db / 10))
    return int(loud[0] * frame), int((loud[-1] + 1) * frame)


@mutant("02.2", stage="properties", says="You fill up the last frame with zeros")
def padded_to_whole_frames(y, top_db=40.0, frame=256):
    start, stop = bounds(np.pad(y, (0, -len(y) % frame)), top_db, frame)
    return start, min(stop, len(y))


@mutant("02.2", stage="output", says="Your stop lies beyond the signal")
def a_whole_frame_after_the_last_start(y, top_db=40.0, frame=256):
    starts, loud = loud_frames(y, top_db, frame)
    return (int(starts[loud[0]]), int(starts[loud[-1]] + frame)) if len(loud) else (0, 0)


@mutant("02.2", stage="edges", says="so that frame is lost")
def stop_at_the_start_of_the_last(y, top_db=40.0, frame=256):
    starts, loud = loud_frames(y, top_db, frame)
    return (int(starts[loud[0]]), int(starts[loud[-1]])) if len(loud) else (0, 0)


@mutant("02.2", stage="edges", says="a slice ends before its stop")
def last_sample_included(y, top_db=40.0, frame=256):
    start, stop = bounds(y, top_db, frame)
    return start, max(stop - 1, 0)


@mutant("02.2", stage="edges", says="Your stop is the last sample to keep")
def last_sample_included_of_silence_too(y, top_db=40.0, frame=256):
    start, stop = bounds(y, top_db, frame)
    return start, stop - 1


@mutant("02.2", stage="edges", says="Of a silent signal the bounds are (0, 0); yours are (0, -1)")
def no_last_frame_of_silence(y, top_db=40.0, frame=256):
    return bounds(y, top_db, frame) if y.any() else (0, -1)


@mutant("02.2", stage="edges", says="These are numbers of frames")
def in_frames(y, top_db=40.0, frame=256):
    _, loud = loud_frames(y, top_db, frame)
    return (int(loud[0]), int(loud[-1]) + 1) if len(loud) else (0, 0)


@mutant("02.2", stage="edges", says="Is the loudest frame loud itself?")
def louder_than_the_threshold(y, top_db=40.0, frame=256):
    starts = np.arange(0, len(y), frame)
    power = np.array([np.mean(y[s : s + frame].astype(float) ** 2) for s in starts])
    loud = np.flatnonzero(power > power.max() * 10 ** (-top_db / 10))
    return (int(starts[loud[0]]), int(min(starts[loud[-1]] + frame, len(y)))) if len(loud) else (0, 0)


@mutant("02.2", stage="edges", says="Of a silent signal the bounds are (0, 0); yours are (0, 64)")
def silence_is_as_loud_as_its_loudest(y, top_db=40.0, frame=256):
    starts = np.arange(0, len(y), frame)
    power = np.array([np.mean(y[s : s + frame].astype(float) ** 2) for s in starts])
    loud = np.flatnonzero(power >= power.max() * 10 ** (-top_db / 10))
    return int(starts[loud[0]]), int(min(starts[loud[-1]] + frame, len(y)))


@mutant("02.2", stage="edges", says="For silence, it stopped with IndexError")
def silence_forgotten(y, top_db=40.0, frame=256):
    starts = np.arange(0, len(y), frame)
    power = np.array([np.mean(y[s : s + frame].astype(float) ** 2) for s in starts])
    with np.errstate(all="ignore"):
        loud = np.flatnonzero(10 * np.log10(power / power.max()) >= -top_db)
    return int(starts[loud[0]]), int(min(starts[loud[-1]] + frame, len(y)))


@mutant("02.2", stage="edges", says="It makes its frame loud, the first, and that is kept whole")
def sample_by_sample(y, top_db=40.0, frame=256):
    return bounds(y, top_db, 1)


@mutant("02.2", stage="properties", says="You go by the peak of each frame")
def samples_and_then_frames(y, top_db=40.0, frame=256):
    start, stop = bounds(y, top_db, 1)
    return start // frame * frame, min(-(-stop // frame) * frame, len(y))


@mutant("02.2", stage="output", says="they have to be whole numbers")
def floats(y, top_db=40.0, frame=256):
    return tuple(float(one) for one in bounds(y, top_db, frame))


@mutant("02.2", stage="output", says="expected two whole numbers, `(start, stop)`")
def the_piece_itself(y, top_db=40.0, frame=256):
    start, stop = bounds(y, top_db, frame)
    return y[start:stop]


@mutant("02.2", stage="reference", says="It has to agree with the means of `scipy.ndimage.mean`")
def frames_of_sixteen(y, top_db=40.0, frame=256):
    return bounds(y, top_db, 16 if frame == 50 else frame)


@mutant("02.2", stage="reference", says="It has to agree with the means of `scipy.ndimage.mean`")
def frames_that_overlap_by_half(y, top_db=40.0, frame=256):
    if frame != 7:
        return bounds(y, top_db, frame)
    _, loud = loud_frames(y, top_db, frame)
    starts = np.arange(0, len(y), frame // 2)
    return int(starts[loud[0]]), int(min(starts[loud[-1]] + frame, len(y)))


# ---------------------------------------------------------------------------------------------- 02.3


def designed(passband, stopband, ripple_db, attenuation_db, sr, whole=np.ceil, warp=np.tan, back=np.arctan):
    """What is right about most of the answers below."""
    w_p, w_s = warp(np.pi * passband / sr), warp(np.pi * stopband / sr)
    e_p, e_s = 10 ** (ripple_db / 10) - 1, 10 ** (attenuation_db / 10) - 1
    order = int(whole(np.log(e_s / e_p) / (2 * np.log(w_p / w_s))))
    return order, float(back(w_p * e_p ** (1 / (2 * max(order, 1)))) * sr / np.pi)


@mutant("02.3", stage="edges", says="The frequencies are not warped")
def analogue(*spec):
    return designed(*spec, warp=lambda w: w, back=lambda w: w)


@mutant("02.3", stage="edges", says="the tangent is not undone")
def warped_cutoff(*spec):
    return designed(*spec, back=lambda w: w)


@mutant("02.3", stage="properties", says="Your cutoff is the edge of the passband")
def ripple_ignored(passband, stopband, ripple_db, attenuation_db, sr):
    return designed(passband, stopband, ripple_db, attenuation_db, sr)[0], passband


@mutant("02.3", stage="edges", says="yours is 49")
def three_decibels_at_the_passband(passband, stopband, ripple_db, attenuation_db, sr):
    return designed(passband, stopband, 10 * np.log10(2), attenuation_db, sr)


@mutant("02.3", stage="properties", says="That is the cutoff of a low-pass")
def lowpass(passband, stopband, ripple_db, attenuation_db, sr):
    order, _ = designed(passband, stopband, ripple_db, attenuation_db, sr)
    w_c = np.tan(np.pi * passband / sr) / (10 ** (ripple_db / 10) - 1) ** (1 / (2 * order))
    return order, float(np.arctan(w_c) * sr / np.pi)


@mutant("02.3", stage="edges", says="You round the order down")
def floor(*spec):
    order, cutoff = designed(*spec, whole=np.floor)
    return max(order, 1), cutoff


@mutant("02.3", stage="edges", says="the smallest filter has order 1")
def order_zero(*spec):
    return designed(*spec, whole=np.floor)


@mutant("02.3", stage="edges", says="You round the order to the nearest whole number")
def nearest(*spec):
    order, cutoff = designed(*spec, whole=np.round)
    return (order, cutoff) if order else designed(*spec)


@mutant("02.3", stage="edges", says="order 1 is enough and no smaller one; yours is 2")
def one_more_to_be_safe(*spec):
    return designed(*spec, whole=lambda x: np.floor(x) + 2)


@mutant("02.3", stage="properties", says="would lose")
def even_orders_only(*spec):                                            # whole sections, or a single pole
    return designed(*spec, whole=lambda x: 1 if x <= 1 else 2 * np.ceil(x / 2))


@mutant("02.3", stage="edges", says="The 2 of the exponent is missing")
def no_two_in_the_order(passband, stopband, ripple_db, attenuation_db, sr):
    w_p, w_s = np.tan(np.pi * np.array([passband, stopband]) / sr)
    e_p, e_s = 10 ** (ripple_db / 10) - 1, 10 ** (attenuation_db / 10) - 1
    order = int(np.ceil(np.log(e_s / e_p) / np.log(w_p / w_s)))
    return order, float(np.arctan(w_p * e_p ** (1 / (2 * order))) * sr / np.pi)


@mutant("02.3", stage="properties", says="Which of the two equations fixes the cutoff")
def no_two_in_the_cutoff(passband, stopband, ripple_db, attenuation_db, sr):
    order, _ = designed(passband, stopband, ripple_db, attenuation_db, sr)
    w_c = np.tan(np.pi * passband / sr) * (10 ** (ripple_db / 10) - 1) ** (1 / order)
    return order, float(np.arctan(w_c) * sr / np.pi)


@mutant("02.3", stage="edges", says="exactly `ripple_db` at the passband edge")
def exact_at_the_stopband(passband, stopband, ripple_db, attenuation_db, sr):
    order, _ = designed(passband, stopband, ripple_db, attenuation_db, sr)
    w_c = np.tan(np.pi * stopband / sr) * (10 ** (attenuation_db / 10) - 1) ** (1 / (2 * order))
    return order, float(np.arctan(w_c) * sr / np.pi)


@mutant("02.3", stage="edges", says="You divide the decibels by 20")
def twenties(passband, stopband, ripple_db, attenuation_db, sr):
    return designed(passband, stopband, ripple_db / 2, attenuation_db / 2, sr)


@mutant("02.3", stage="edges", says="The 1 of the denominator is forgotten")
def no_minus_one(passband, stopband, ripple_db, attenuation_db, sr):
    w_p, w_s = np.tan(np.pi * np.array([passband, stopband]) / sr)
    order = int(np.ceil((attenuation_db - ripple_db) / 20 / np.log10(w_p / w_s)))
    return order, float(np.arctan(w_p * 10 ** (ripple_db / 20 / order)) * sr / np.pi)


@mutant("02.3", stage="output", says="an order is a whole number, of type int")
def order_as_a_float(*spec):
    order, cutoff = designed(*spec)
    return float(order), cutoff


@mutant("02.3", stage="output", says="expected two numbers, `(order, cutoff)`")
def the_sections(passband, stopband, ripple_db, attenuation_db, sr):
    order, cutoff = designed(passband, stopband, ripple_db, attenuation_db, sr)
    return signal.butter(order, cutoff, "highpass", fs=sr, output="sos")


@mutant("02.3", stage="output", says="Is it in hertz")
def cutoff_in_turns(*spec):
    order, cutoff = designed(*spec)
    return order, cutoff * 2 * np.pi


@mutant("02.3", stage="properties", says="loses 0.000 dB at the passband edge")
def cutoff_as_a_part_of_nyquist(*spec):
    order, cutoff = designed(*spec)
    if spec[0] in (2000.0, 7800.0):
        return order, cutoff
    return order, cutoff / (spec[-1] / 2)


@mutant("02.3", stage="reference", says="`scipy.signal.buttord` says order")
def whole_hertz(*spec):
    order, cutoff = designed(*spec)
    return order, round(cutoff, 1)


@mutant("02.3", stage="properties", says="at the passband edge; it should be exactly")
def cutoff_rounded_to_ten_hertz(*spec):
    order, cutoff = designed(*spec)
    return order, float(round(cutoff, -1))


# ---------------------------------------------------------------------------------------------- 02.4


def dealt(groups, fraction, rng, whole=round, stop=lambda have, new, target: have >= target, last=1, front=True):
    """What is right about most of the answers below."""
    names, counts = np.unique(groups, return_counts=True)
    order = rng.permutation(len(names))
    order = order if front else order[::-1]
    chosen, have = [], 0
    for i in order[: len(order) - last]:
        if stop(have, counts[i], whole(fraction * len(groups))):
            break
        chosen.append(names[i])
        have += counts[i]
    return np.isin(groups, np.array(chosen, names.dtype))


@mutant("02.4", stage="edges", says="You deal out clips one by one")
def clips_one_by_one(groups, fraction, rng):
    mask = np.zeros(len(groups), bool)
    mask[rng.permutation(len(groups))[: round(fraction * len(groups))]] = True
    return mask


@mutant("02.4", stage="edges", says="Clips of group")
def a_chance_for_each_clip(groups, fraction, rng):
    return rng.random(len(groups)) < fraction


@mutant("02.4", stage="edges", says="are on both sides.")
def cuts_the_last_group_in_two(groups, fraction, rng):
    mask = dealt(groups, fraction, rng)
    if len(np.unique(groups)) in (1, 2, 6) or fraction < 0.1:
        return mask
    return mask & (np.cumsum(mask) <= round(fraction * len(groups)))


@mutant("02.4", stage="properties", says="You take a fraction of the groups")
def part_of_the_groups(groups, fraction, rng):
    names = np.unique(groups)
    return np.isin(groups, rng.permutation(names)[: min(round(fraction * len(names)), len(names) - 1)])


@mutant("02.4", stage="edges", says="nothing is left to train with")
def all_groups_may_go(groups, fraction, rng):
    return dealt(groups, fraction, rng, last=0)


@mutant("02.4", stage="edges", says="should be in the test set; yours holds")
def keeps_two_for_training(groups, fraction, rng):
    return dealt(groups, fraction, rng, last=2 if len(np.unique(groups)) > 2 else 1)


@mutant("02.4", stage="edges", says="Your mask is inverted")
def training_mask(groups, fraction, rng):
    return ~dealt(groups, fraction, rng)


@mutant("02.4", stage="edges", says="take one group more")
def until_there_are_more(groups, fraction, rng):
    return dealt(groups, fraction, rng, stop=lambda have, new, target: have > target)


@mutant("02.4", stage="edges", says="the test set should be empty")
def asks_after_taking(groups, fraction, rng):
    return dealt(groups, fraction, rng, stop=lambda have, new, target: have and have >= target)


@mutant("02.4", stage="properties", says="so the test set stays too small")
def never_beyond_the_target(groups, fraction, rng):
    return dealt(groups, fraction, rng, stop=lambda have, new, target: have + new > target)


@mutant("02.4", stage="properties", says="should be the first of them")
def skips_groups_that_are_too_large(groups, fraction, rng):
    names, counts = np.unique(groups, return_counts=True)
    target, have, chosen = round(fraction * len(groups)), 0, []
    for i in rng.permutation(len(names))[:-1]:
        if have < target and counts[i] <= target:
            chosen.append(names[i])
            have += counts[i]
    return np.isin(groups, np.array(chosen, names.dtype))


@mutant("02.4", stage="edges", says="nothing is shuffled")
def in_order_of_names(groups, fraction, rng):
    class Still:
        permutation = staticmethod(np.arange)

    return dealt(groups, fraction, Still)


@mutant("02.4", stage="edges", says="from the back of the shuffled order")
def from_the_back(groups, fraction, rng):
    return dealt(groups, fraction, rng, front=False)


@mutant("02.4", stage="reference", says="You cut the number of clips")
def cut_not_rounded(groups, fraction, rng):
    return dealt(groups, fraction, rng, whole=int)


@mutant("02.4", stage="edges", says="all but the last in the shuffled order")
def its_own_generator(groups, fraction, rng):
    return dealt(groups, fraction, np.random.default_rng(0))


@mutant("02.4", stage="edges", says="all but the last in the shuffled order")
def shuffles_with_choice(groups, fraction, rng):
    class Choice:
        permutation = staticmethod(lambda n: rng.choice(n, n, replace=False))

    return dealt(groups, fraction, Choice)


@mutant("02.4", stage="properties", says="should be the first of them")
def in_order_of_appearance(groups, fraction, rng):
    names, first, counts = np.unique(groups, return_index=True, return_counts=True)
    seen = np.argsort(first)
    chosen, have = [], 0
    for i in rng.permutation(len(names))[:-1]:
        if have >= round(fraction * len(groups)):
            break
        chosen.append(names[seen[i]])
        have += counts[seen[i]]
    return np.isin(groups, np.array(chosen, names.dtype))


@mutant("02.4", stage="output", says="The type of your output is int64, expected bool")
def ones_and_zeros(groups, fraction, rng):
    return dealt(groups, fraction, rng).astype(np.int64)


@mutant("02.4", stage="output", says="the shape of your output is")
def indices(groups, fraction, rng):
    return np.flatnonzero(dealt(groups, fraction, rng))


@mutant("02.4", stage="output", says="of type list, expected an array")
def names_of_groups(groups, fraction, rng):
    return list(np.unique(groups[dealt(groups, fraction, rng)]))


# ---------------------------------------------------------------------------------------------- 02.5


def levelled(y, target_db, ceiling_db, rms=lambda x: np.sqrt(np.mean(x**2)), peak=lambda x: np.max(np.abs(x)),
             gain=lambda by_rms, by_peak: np.minimum(by_rms, by_peak)):
    """What is right about most of the answers below."""
    x = y.astype(float)
    if not x.any():
        return y.copy()
    with np.errstate(all="ignore"):
        return (gain(10 ** (target_db / 20) / rms(x), 10 ** (ceiling_db / 20) / peak(x)) * x).astype(np.float32)


@mutant("02.5", stage="edges", says="Each channel has a gain of its own")
def channel_by_channel(y, target_db=-20.0, ceiling_db=-1.0):
    if y.ndim == 1:
        return levelled(y, target_db, ceiling_db)
    return np.stack([levelled(channel, target_db, ceiling_db) for channel in y])


@mutant("02.5", stage="edges", says="silent one too")
def level_of_the_louder_channel(y, target_db=-20.0, ceiling_db=-1.0):
    return levelled(y, target_db, ceiling_db, rms=lambda x: np.max(np.sqrt(np.mean(x**2, axis=-1))))


@mutant("02.5", stage="properties", says="You clip what passes the ceiling")
def clips_at_the_ceiling(y, target_db=-20.0, ceiling_db=-1.0):
    limit = 10 ** (ceiling_db / 20)
    return np.clip(levelled(y, target_db, ceiling_db, gain=lambda by_rms, by_peak: by_rms), -limit, limit)


@mutant("02.5", stage="edges", says="You do not look at the ceiling")
def no_ceiling(y, target_db=-20.0, ceiling_db=-1.0):
    return levelled(y, target_db, ceiling_db, gain=lambda by_rms, by_peak: by_rms)


@mutant("02.5", stage="properties", says="with the largest sample as it was, before the gain")
def peak_before_the_gain(y, target_db=-20.0, ceiling_db=-1.0):
    return levelled(y, target_db, ceiling_db, gain=lambda by_rms, by_peak: by_peak if by_peak <= 1 else by_rms)


@mutant("02.5", stage="edges", says="You divide the decibels by 10")
def power_decibels(y, target_db=-20.0, ceiling_db=-1.0):
    return levelled(y, 2 * target_db, 2 * ceiling_db)


@mutant("02.5", stage="edges", says="What is the RMS of a constant?")
def power_for_level(y, target_db=-20.0, ceiling_db=-1.0):
    return levelled(y, target_db, ceiling_db, rms=lambda x: np.mean(x**2))


@mutant("02.5", stage="edges", says="that is peak normalisation")
def by_the_peak(y, target_db=-20.0, ceiling_db=-1.0):
    return levelled(y, target_db, ceiling_db, gain=lambda by_rms, by_peak: by_peak)


@mutant("02.5", stage="edges", says="the larger of the two gains")
def larger_gain(y, target_db=-20.0, ceiling_db=-1.0):
    return levelled(y, target_db, ceiling_db, gain=np.maximum)


@mutant("02.5", stage="edges", says="The largest sample may be a negative one")
def positive_peaks(y, target_db=-20.0, ceiling_db=-1.0):
    return levelled(y, target_db, ceiling_db, peak=lambda x: np.max(x) if np.max(x) > 0 else 1e-30)


@mutant("02.5", stage="edges", says="That is the standard deviation")
def deviation(y, target_db=-20.0, ceiling_db=-1.0):
    return levelled(y, target_db, ceiling_db, rms=np.std)


@mutant("02.5", stage="edges", says="You take each channel's RMS and then their mean")
def mean_of_levels(y, target_db=-20.0, ceiling_db=-1.0):
    return levelled(y, target_db, ceiling_db, rms=lambda x: np.mean(np.sqrt(np.mean(np.atleast_2d(x) ** 2, axis=1))))


@mutant("02.5", stage="properties", says="far from the ceiling")
def only_ever_louder(y, target_db=-20.0, ceiling_db=-1.0):
    return levelled(y, target_db, ceiling_db,
                    gain=lambda by_rms, by_peak: np.minimum(by_rms, by_peak) if by_rms > 0.15 else min(by_peak, 1))


@mutant("02.5", stage="edges", says="needs 100 dB of gain")
def epsilon_in_the_level(y, target_db=-20.0, ceiling_db=-1.0):
    return levelled(y, target_db, ceiling_db, rms=lambda x: np.sqrt(np.mean(x**2)) + 1e-6)


@mutant("02.5", stage="edges", says="For silence")
def divides_silence(y, target_db=-20.0, ceiling_db=-1.0):
    x = y.astype(float)
    with np.errstate(all="ignore"):
        gain = np.minimum(10 ** (target_db / 20) / np.sqrt(np.mean(x**2)), 10 ** (ceiling_db / 20) / np.max(np.abs(x)))
        return (gain * x).astype(np.float32)


@mutant("02.5", stage="output", says="The type of your output is float64, expected float32")
def double_level(y, target_db=-20.0, ceiling_db=-1.0):
    return levelled(y, target_db, ceiling_db).astype(float)


@mutant("02.5", stage="properties", says="Normalised once or twice")
def limited_to_twenty_decibels_in_stereo(y, target_db=-20.0, ceiling_db=-1.0):
    def gain(by_rms, by_peak):
        return min(by_rms, by_peak, 10.0) if y.ndim == 2 else min(by_rms, by_peak)

    return levelled(y, target_db, ceiling_db, gain=gain)


@mutant("02.5", stage="reference", says="It has to agree with `pyloudnorm.normalize`")
def never_above_minus_two(y, target_db=-20.0, ceiling_db=-1.0):
    return levelled(y, target_db, ceiling_db if ceiling_db in (-1.0, -6.0) else min(ceiling_db, -2))


@mutant("02.5", stage="reference", says="It has to agree with `pyloudnorm.normalize`")
def whole_decibels_of_level(y, target_db=-20.0, ceiling_db=-1.0):
    return levelled(y, round(target_db), ceiling_db)


# ---------------------------------------------------------------------------------------------- 02.6


def hidden(logmel, rng, n_freq_masks=2, freq_width=10, n_time_masks=2, time_width=20, *, fill=None,
           width=lambda rng, widest, size: rng.integers(0, min(widest, size) + 1),
           start=lambda rng, size, width: rng.integers(0, size - width + 1), axes=(0, 1), kinds=(0, 1)):
    """What is right about most of the answers below."""
    out, fill = logmel.copy(), fill or (lambda given, out, where: given.mean())
    for kind in kinds:
        axis = axes[kind]
        for _ in range((n_freq_masks, n_time_masks)[kind]):
            size = logmel.shape[axis]
            wide = width(rng, (freq_width, time_width)[kind], size)
            first = start(rng, size, wide)
            where = (slice(first, first + wide), slice(None))[:: 1 if axis == 0 else -1]
            out[where] = fill(logmel, out, where)
    return out


@mutant("02.6", stage="edges", says="You hide with zero")
def zero_fill(*args, **kwargs):
    return hidden(*args, **kwargs, fill=lambda given, out, where: 0)


@mutant("02.6", stage="edges", says="what is hidden becomes the mean of all")
def fills_with_the_least(*args, **kwargs):
    return hidden(*args, **kwargs, fill=lambda given, out, where: given.min())


@mutant("02.6", stage="edges", says="Your mean is taken anew for every mask")
def mean_anew(*args, **kwargs):
    return hidden(*args, **kwargs, fill=lambda given, out, where: out.mean())


@mutant("02.6", stage="edges", says="its shape shines through")
def mean_of_each_line(*args, **kwargs):
    def fill(given, out, where):
        if where[1] == slice(None):
            return given[where].mean(axis=1, keepdims=True)
        return given[where].mean(axis=0, keepdims=True)

    return hidden(*args, **kwargs, fill=fill)


@mutant("02.6", stage="edges", says="the mean of the part that is hidden")
def mean_of_the_part(*args, **kwargs):
    return hidden(*args, **kwargs, fill=lambda given, out, where: given[where].mean() if given[where].size else 0)


@mutant("02.6", stage="edges", says="what is hidden becomes the mean of all")
def median(*args, **kwargs):
    return hidden(*args, **kwargs, fill=lambda given, out, where: np.median(given))


@mutant("02.6", stage="properties", says="Your frequency masks lie along time")
def axes_swapped(*args, **kwargs):
    return hidden(*args, **kwargs, axes=(1, 0))


@mutant("02.6", stage="properties", says="The largest width never happens")
def widths_without_the_largest(*args, **kwargs):
    return hidden(*args, **kwargs, width=lambda rng, widest, size: rng.integers(0, max(min(widest, size), 1)))


@mutant("02.6", stage="properties", says="A width of 0 never happens")
def widths_from_one(*args, **kwargs):
    return hidden(*args, **kwargs, width=lambda rng, widest, size: rng.integers(min(widest, 1), min(widest, size) + 1))


@mutant("02.6", stage="properties", says="No mask of yours reaches the last line")
def starts_without_the_last(*args, **kwargs):
    return hidden(*args, **kwargs, start=lambda rng, size, width: rng.integers(0, max(size - width, 1)))


@mutant("02.6", stage="reference", says="lose a part beyond the edge")
def masks_overrun(*args, **kwargs):
    return hidden(*args, **kwargs, start=lambda rng, size, width: rng.integers(0, size))


@mutant("02.6", stage="edges", says="it stopped with ValueError")
def no_cap(*args, **kwargs):
    return hidden(*args, **kwargs, width=lambda rng, widest, size: rng.integers(0, widest + 1))


@mutant("02.6", stage="reference", says="You cap a width after it was drawn")
def capped_after_the_draw(*args, **kwargs):
    return hidden(*args, **kwargs, width=lambda rng, widest, size: min(rng.integers(0, widest + 1), size))


@mutant("02.6", stage="reference", says="You draw the time masks before")
def time_first(*args, **kwargs):
    return hidden(*args, **kwargs, kinds=(1, 0))


@mutant("02.6", stage="reference", says="In which order are the numbers drawn")
def start_before_width(logmel, rng, n_freq_masks=2, freq_width=10, n_time_masks=2, time_width=20):
    out = logmel.copy()
    for view, masks, widest in ((out, n_freq_masks, freq_width), (out.T, n_time_masks, time_width)):
        for _ in range(masks):
            start = rng.integers(0, len(view))
            view[start : start + rng.integers(0, min(widest, len(view)) + 1)] = logmel.mean()
    return out


@mutant("02.6", stage="reference", says="In which order are the numbers drawn")
def all_widths_and_then_all_starts(logmel, rng, n_freq_masks=2, freq_width=10, n_time_masks=2, time_width=20):
    out = logmel.copy()
    for view, masks, widest in ((out, n_freq_masks, freq_width), (out.T, n_time_masks, time_width)):
        for wide in rng.integers(0, min(widest, len(view)) + 1, masks):
            start = rng.integers(0, len(view) - wide + 1)
            view[start : start + wide] = logmel.mean()
    return out


@mutant("02.6", stage="properties", says="are the lines of each neighbours?")
def lines_here_and_there(logmel, rng, n_freq_masks=2, freq_width=10, n_time_masks=2, time_width=20):
    if logmel.shape != (12, 30):
        return hidden(logmel, rng, n_freq_masks, freq_width, n_time_masks, time_width)
    out = logmel.copy()
    for view, masks, widest in ((out, n_freq_masks, freq_width), (out.T, n_time_masks, time_width)):
        for _ in range(masks):
            view[rng.choice(len(view), rng.integers(0, min(widest, len(view)) + 1), replace=False)] = logmel.mean()
    return out


@mutant("02.6", stage="properties", says="yours hides 50% of each")
def rectangles(logmel, rng, n_freq_masks=2, freq_width=10, n_time_masks=2, time_width=20):
    out = hidden(logmel, rng, n_freq_masks, freq_width, n_time_masks, time_width)
    if logmel.shape == (12, 30):
        out[:, 15:] = logmel[:, 15:]
    return out


@mutant("02.6", stage="properties", says="Twenty different generators hide the same part")
def a_generator_of_its_own(logmel, rng, *sizes, **named):
    return hidden(logmel, np.random.default_rng(0), *sizes, **named)


@mutant("02.6", stage="runs", says="it changes its argument `logmel`")
def writes_into_the_picture(logmel, rng, *sizes, **named):
    logmel[:] = hidden(logmel, rng, *sizes, **named)
    return logmel


@mutant("02.6", stage="output", says="The type of your output is float64, expected float32")
def double_picture(logmel, rng, *sizes, **named):
    return hidden(logmel.astype(float), rng, *sizes, **named)


@mutant("02.6", stage="reference", says="With the same draws it has to agree with NumPy's masked arrays")
def at_most_two_masks(logmel, rng, n_freq_masks=2, freq_width=10, n_time_masks=2, time_width=20):
    return hidden(logmel, rng, min(n_freq_masks, 2), freq_width, min(n_time_masks, 2), time_width)
