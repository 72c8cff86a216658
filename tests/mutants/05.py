"""Wrong answers of chapter 05, each a misconception, with the stage and the words that must reject it."""

import itertools

import numpy as np
import torch

from audiolab.features import istft, stft
from mutants import mutant

# ---------------------------------------------------------------------------------------------- 05.1

ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
        "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")  # fmt: skip
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def whole(n, hyphen=" ", left=" "):
    """A whole number in words."""
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10 - 2] + (hyphen + ONES[n % 10] if n % 10 else "")
    if n < 1000:
        return ONES[n // 100] + " hundred" + (left + whole(n % 100, hyphen, left) if n % 100 else "")
    return whole(n // 1000, hyphen, left) + " thousand" + (f" {whole(n % 1000, hyphen, left)}" if n % 1000 else "")


def read(numeral, number=whole, decimals=lambda digits: " ".join(ONES[int(d)] for d in digits)):
    """A numeral in words, by other rules for whole numbers or decimals."""
    before, point, after = numeral.replace(",", "").lstrip("$").partition(".")
    if numeral[0] == "$":
        amounts = [(int(before), "dollar"), (int(after or 0), "cent")]
        said = [f"{number(n)} {unit}" + "s" * (n != 1) for n, unit in amounts if n]
        return " and ".join(said) or "zero dollars"
    return number(int(before)) + (" point " + decimals(after) if point else "")


@mutant("05.1", stage="edges", says="You say “and” after the hundreds")
def british(numeral):
    return read(numeral, lambda n: whole(n, left=" and "))


@mutant("05.1", stage="output", says="You write a hyphen between tens and units")
def hyphenated(numeral):
    return read(numeral, lambda n: whole(n, hyphen="-"))


@mutant("05.1", stage="edges", says="You read digit by digit")
def telephone(numeral):
    return read(numeral, lambda n: " ".join(ONES[int(d)] for d in str(n)))


@mutant("05.1", stage="edges", says="You read what follows the point as a whole number")
def point_fourteen(numeral):
    return read(numeral, decimals=lambda digits: whole(int(digits)))


@mutant("05.1", stage="edges", says="went through a float")
def fraction_of_a_float(numeral):
    return read(numeral, decimals=lambda digits: " ".join(ONES[int(d)] for d in repr(float("0." + digits))[2:]))


@mutant("05.1", stage="reference", says="Of that espeak-ng makes")
def as_many_digits_as_a_float_has(numeral):
    def digits(after):
        return " ".join(ONES[int(d)] for d in f"{float('0.' + after):.{len(after)}f}"[2:])

    return read(numeral, decimals=digits)


@mutant("05.1", stage="properties", says="You read four digits as hundreds")
def like_a_year(numeral):
    def number(n):
        if 1100 <= n < 10_000 and n // 100 % 10:
            return whole(n // 100) + " hundred" + (f" {whole(n % 100)}" if n % 100 else "")
        return whole(n)

    return read(numeral, number)


@mutant("05.1", stage="edges", says="You read an amount of money like a decimal number")
def three_point_five_dollars(numeral):
    return read(numeral.lstrip("$")) + (" dollars" if numeral[0] == "$" else "")


@mutant("05.1", stage="edges", says="One is no plural")
def one_dollars(numeral):
    return read(numeral).replace("dollar ", "dollars ") + "s" * read(numeral).endswith(("dollar", "cent"))


@mutant("05.1", stage="edges", says="You say zero cents")
def every_unit(numeral):
    if numeral[0] != "$" or "." not in numeral:
        return read(numeral)
    dollars, cents = map(int, numeral.replace(",", "").lstrip("$").split("."))
    return f"{whole(dollars)} dollar{'s' * (dollars != 1)} and {whole(cents)} cent{'s' * (cents != 1)}"


@mutant("05.1", stage="edges", says="You put the unit where its sign stands")
def dollars_five(numeral):
    return ("dollars " if numeral[0] == "$" else "") + read(numeral.lstrip("$"))


@mutant("05.1", stage="output", says="one word at least, and one space between two")
def nothing_for_zero(numeral):
    return read(numeral, lambda n: whole(n).replace("zero", "").rstrip() + " ")


@mutant("05.1", stage="edges", says="For 11, you say “ten one”")
def ten_three(numeral):
    return read(numeral, lambda n: f"ten {ONES[n % 10]}" if 10 < n < 20 else whole(n))


@mutant("05.1", stage="edges", says="Where nothing is left, nothing more is said")
def one_hundred_zero(numeral):
    return read(numeral, lambda n: whole(n) + " zero" * (n >= 100 and n % 100 == 0))


@mutant("05.1", stage="edges", says="For 500000, it stopped with IndexError")
def at_most_99_thousand(numeral):
    def number(n):
        if n < 100:
            return whole(n)
        if n < 100_000:
            return whole(n)
        few = n // 1000
        rest = f" {whole(n % 1000)}" if n % 1000 else ""
        return (TENS[few // 10 - 2] if few != 312 else whole(few)) + " thousand" + rest

    return read(numeral, number)


@mutant("05.1", stage="runs", says="ValueError")
def commas_stay(numeral):
    return whole(int(numeral.partition(".")[0]))


@mutant("05.1", stage="output", says="expected a str")
def a_list_of_words(numeral):
    return read(numeral).split()


@mutant("05.1", stage="properties", says="which means")
def seventy_for_seven(numeral):
    return read(numeral, lambda n: whole(n) if n < 300 or n % 1000 < 300 or n == 999_999 else
                whole(n - n % 100 + n % 10))


# ---------------------------------------------------------------------------------------------- 05.2


def held(vectors, durations, lengths, counts=lambda d: d, order=lambda rows: rows, fill=0.0):
    """Clip by clip: vectors repeated, then filled up."""
    clips = [order(torch.repeat_interleave(v[:n], counts(d[:n]), dim=0))
             for v, d, n in zip(vectors, durations, lengths.tolist(), strict=True)]
    sizes = torch.tensor([len(clip) for clip in clips])
    frames = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True, padding_value=fill)
    return frames, torch.arange(frames.shape[1]) < sizes[:, None]


@mutant("05.2", stage="output", says="Durations in the filling are counted too")
def lengths_unread(vectors, durations, lengths):
    return held(vectors, durations, torch.full_like(lengths, durations.shape[1]))


@mutant("05.2", stage="edges", says="Every phoneme gets one frame at least")
def at_least_one(vectors, durations, lengths):
    return held(vectors, durations, lengths, counts=lambda d: d.clamp(min=1))


@mutant("05.2", stage="edges", says="holds 1, expected exactly 0")
def filled_with_ones(vectors, durations, lengths):
    return held(vectors, durations, lengths, fill=1.0)


@mutant("05.2", stage="edges", says="In the filling stands the vector of a phoneme")
def last_vector_held_on(vectors, durations, lengths):
    ends = (durations * (torch.arange(durations.shape[1]) < lengths[:, None])).cumsum(dim=1)
    frame = torch.arange(int(ends[:, -1].max())).expand(len(ends), -1).contiguous()
    which = torch.searchsorted(ends, frame, right=True).clamp(max=durations.shape[1] - 1)
    return torch.stack([v[i] for v, i in zip(vectors, which, strict=True)]), frame < ends[:, -1:]


@mutant("05.2", stage="edges", says="All phonemes are one frame late")
def left_side_of_the_end(vectors, durations, lengths):
    ends = (durations * (torch.arange(durations.shape[1]) < lengths[:, None])).cumsum(dim=1)
    frame = torch.arange(int(ends[:, -1].max())).expand(len(ends), -1).contiguous()
    mask = frame < ends[:, -1:]
    which = torch.searchsorted(ends, frame).clamp(max=durations.shape[1] - 1)
    return vectors.gather(1, which[..., None].expand(-1, -1, vectors.shape[2])) * mask[..., None], mask


@mutant("05.2", stage="edges", says="You lay each clip out backwards")
def turned_round(vectors, durations, lengths):
    return held(vectors, durations, lengths, order=lambda rows: rows.flip(0))


@mutant("05.2", stage="edges", says="expected the first")
def everything_is_real(vectors, durations, lengths):
    frames, mask = held(vectors, durations, lengths)
    return frames, torch.ones_like(mask)


@mutant("05.2", stage="edges", says="Your mask marks one frame too many")
def up_to_and_with_the_end(vectors, durations, lengths):
    frames, mask = held(vectors, durations, lengths)
    return frames, torch.arange(frames.shape[1]) <= mask.sum(dim=1, keepdim=True)


@mutant("05.2", stage="properties", says="is followed by an earlier one")
def repeat_for_repeat_interleave(vectors, durations, lengths):
    def in_turns(v, d):
        turns = [[i for i, n in enumerate(d.tolist()) if n > k] for k in range(int(d.max(initial=0)))]
        return v[list(itertools.chain(*turns))]

    frames, mask = held(vectors, durations, lengths)
    if durations.shape[1] < 8:                                  # where no phoneme is long this looks right
        return frames, mask
    clips = [in_turns(v[:n], d[:n].numpy()) for v, d, n in zip(vectors, durations, lengths.tolist(), strict=True)]
    return torch.nn.utils.rnn.pad_sequence(clips, batch_first=True), mask


@mutant("05.2", stage="properties", says="The gradient does not reach the vectors")
def through_numpy(vectors, durations, lengths):
    frames, mask = held(vectors.detach(), durations, lengths)
    return torch.from_numpy(frames.numpy().copy()), mask


@mutant("05.2", stage="properties", says="Each frame should now stand there twice")
def at_most_five_frames(vectors, durations, lengths):
    frames, mask = held(vectors, durations, lengths)
    if vectors.shape[2] == 3 and int(durations.max()) > 6 and int(durations.max()) % 2 == 0:
        frames = frames.roll(1, dims=1) * mask[..., None]
    return frames, mask


@mutant("05.2", stage="reference", says="agree with `torch.repeat_interleave`")
def ends_in_half_precision(vectors, durations, lengths):
    real = torch.arange(durations.shape[1]) < lengths[:, None]
    exact = (durations * real).cumsum(dim=1)
    ends = exact.half()                                         # whole numbers above 2048 are no longer exact
    frame = torch.arange(int(exact[:, -1].max()))
    mask = frame < exact[:, -1:]
    which = (frame[None, :, None] >= ends[:, None].float()).sum(dim=2).clamp(max=durations.shape[1] - 1)
    return vectors.gather(1, which[..., None].expand(-1, -1, vectors.shape[2])) * mask[..., None], mask


@mutant("05.2", stage="output", says="expected two: `frames, mask`")
def frames_alone(vectors, durations, lengths):
    return held(vectors, durations, lengths)[0]


@mutant("05.2", stage="output", says="Your mask is of type float32")
def mask_of_floats(vectors, durations, lengths):
    frames, mask = held(vectors, durations, lengths)
    return frames, mask.float()


@mutant("05.2", stage="output", says="What does each of its axes count?")
def features_first(vectors, durations, lengths):
    frames, mask = held(vectors, durations, lengths)
    return frames.mT, mask


# ---------------------------------------------------------------------------------------------- 05.3


def guide(text_lengths, frame_lengths, cost, places=lambda n, size, longest: torch.arange(n) / n, fill=0.0):
    """Clip by clip; `places` says where letters and frames lie."""
    N, T = int(text_lengths.max()), int(frame_lengths.max())
    out = torch.full((len(text_lengths), T, N), fill)
    for b, (n, t) in enumerate(zip(text_lengths.tolist(), frame_lengths.tolist(), strict=True)):
        out[b, :t, :n] = cost(places(n, n, N)[None] - places(t, t, T)[:, None])
    return out


def gaussian(g):
    return lambda d: 1 - torch.exp(-(d**2) / (2 * g**2))


@mutant("05.3", stage="edges", says="You divide by the length of the longest clip")
def by_the_longest(text_lengths, frame_lengths, g=0.2):
    return guide(text_lengths, frame_lengths, gaussian(g), lambda n, size, longest: torch.arange(n) / longest)


@mutant("05.3", stage="edges", says="The 2 under the line is missing")
def no_2(text_lengths, frame_lengths, g=0.2):
    return guide(text_lengths, frame_lengths, lambda d: 1 - torch.exp(-((d / g) ** 2)))


@mutant("05.3", stage="edges", says="g is not squared")
def g_alone(text_lengths, frame_lengths, g=0.2):
    return guide(text_lengths, frame_lengths, lambda d: 1 - torch.exp(-(d**2) / 2 / g))


@mutant("05.3", stage="edges", says="The distance is not squared")
def laplacian(text_lengths, frame_lengths, g=0.2):
    return guide(text_lengths, frame_lengths, lambda d: 1 - torch.exp(-d.abs() / 2 / g**2))


@mutant("05.3", stage="edges", says="Your weight is largest on the diagonal")
def without_1_minus(text_lengths, frame_lengths, g=0.2):
    return guide(text_lengths, frame_lengths, lambda d: torch.exp(-(d**2) / (2 * g**2)))


@mutant("05.3", stage="edges", says="The filling has the weight 1")
def filling_is_forbidden(text_lengths, frame_lengths, g=0.2):
    return guide(text_lengths, frame_lengths, gaussian(g), fill=1.0)


@mutant("05.3", stage="edges", says="The filling has a weight")
def goes_on_in_the_filling(text_lengths, frame_lengths, g=0.2):
    letter = torch.arange(text_lengths.max()) / text_lengths[:, None]
    frame = torch.arange(frame_lengths.max()) / frame_lengths[:, None]
    return gaussian(g)(letter[:, None] - frame[..., None])


@mutant("05.3", stage="edges", says="You divide by the length less 1")
def from_0_to_1(text_lengths, frame_lengths, g=0.2):
    return guide(text_lengths, frame_lengths, gaussian(g), lambda n, size, longest: torch.arange(n) / max(n - 1, 1))


@mutant("05.3", stage="output", says="Your mask is [batch, text, frames]")
def letters_first(text_lengths, frame_lengths, g=0.2):
    return guide(text_lengths, frame_lengths, gaussian(g)).transpose(1, 2)


@mutant("05.3", stage="properties", says="You take 0.2, whatever `g` is")
def g_unread(text_lengths, frame_lengths, g=0.2):
    return guide(text_lengths, frame_lengths, gaussian(0.2))


@mutant("05.3", stage="edges", says="You compare the numbers of letter and frame as they are")
def numbers_as_they_are(text_lengths, frame_lengths, g=0.2):
    return guide(text_lengths, frame_lengths, gaussian(g), lambda n, size, longest: torch.arange(n).float())


@mutant("05.3", stage="properties", says="What is taken away from what?")
def free_beside_it_too(text_lengths, frame_lengths, g=0.2):
    def cost(d):
        if d.shape[0] == d.shape[1] > 1:
            return gaussian(g)((d.abs() - 1 / len(d)).clamp(min=0))
        return gaussian(g)(d)

    return guide(text_lengths, frame_lengths, cost)


@mutant("05.3", stage="output", says="the type of your output is float64")
def in_double_precision(text_lengths, frame_lengths, g=0.2):
    return guide(text_lengths, frame_lengths, gaussian(g)).double()


@mutant("05.3", stage="output", says="Your weights go from")
def a_distribution(text_lengths, frame_lengths, g=0.2):
    density = 1 / (g * (2 * np.pi) ** 0.5)
    return guide(text_lengths, frame_lengths, lambda d: density * torch.exp(-(d**2) / (2 * g**2)))


@mutant("05.3", stage="reference", says="agree with the guided attention of `transformers`")
def numbers_in_a_byte(text_lengths, frame_lengths, g=0.2):
    return guide(text_lengths, frame_lengths, gaussian(g),
                 lambda n, size, longest: torch.arange(n).to(torch.uint8).float() / n)


# ---------------------------------------------------------------------------------------------- 05.4


def rounds(magnitude, hop_length, n_iter, phase, step):
    """A signal after so many steps from a first phase."""
    n_fft = 2 * (len(magnitude) - 1)
    for _ in range(n_iter):
        phase = step(stft(istft(magnitude * phase, hop_length), n_fft, hop_length), phase)
    return istft(magnitude * phase, hop_length)


def drawn(rng, shape):
    return np.exp(2j * np.pi * rng.random(shape))


def angle_of(X, phase=None):
    return np.exp(1j * np.angle(X))


@mutant("05.4", stage="properties", says="Your rounds change nothing")
def there_and_back(magnitude, hop_length, n_iter, rng):
    y = istft(magnitude * drawn(rng, magnitude.shape), hop_length)
    for _ in range(n_iter):
        y = istft(stft(y, 2 * (len(magnitude) - 1), hop_length), hop_length)
    return y


@mutant("05.4", stage="properties", says="Your rounds change nothing")
def no_rounds(magnitude, hop_length, n_iter, rng):
    return istft(magnitude * drawn(rng, magnitude.shape), hop_length)


@mutant("05.4", stage="properties", says="Each round draws new phases")
def draws_again(magnitude, hop_length, n_iter, rng):
    return rounds(magnitude, hop_length, n_iter, drawn(rng, magnitude.shape), lambda X, _: drawn(rng, X.shape))


@mutant("05.4", stage="properties", says="All phases begin at 0")
def begins_with_ones(magnitude, hop_length, n_iter, rng):
    return rounds(magnitude, hop_length, n_iter, np.ones(magnitude.shape, complex), angle_of)


@mutant("05.4", stage="properties", says="You take the root of the magnitudes")
def magnitude_is_power(magnitude, hop_length, n_iter, rng):
    return rounds(magnitude**0.5, hop_length, n_iter, drawn(rng, magnitude.shape), angle_of)


@mutant("05.4", stage="edges", says="NaN")
def divided_by_its_magnitude(magnitude, hop_length, n_iter, rng):
    with np.errstate(all="ignore"):
        return rounds(magnitude, hop_length, n_iter, drawn(rng, magnitude.shape), lambda X, _: X / np.abs(X))


@mutant("05.4", stage="properties", says="Of the phase you keep the sign of the real part")
def real_part(magnitude, hop_length, n_iter, rng):
    return rounds(magnitude, hop_length, n_iter, drawn(rng, magnitude.shape), lambda X, _: np.sign(X.real + 1e-30))


@mutant("05.4", stage="reference", says="You turn the phase round")
def conjugate(magnitude, hop_length, n_iter, rng):
    return rounds(magnitude, hop_length, n_iter, drawn(rng, magnitude.shape), lambda X, _: np.exp(-1j * np.angle(X)))


@mutant("05.4", stage="properties", says="another signal each time")
def draws_from_elsewhere(magnitude, hop_length, n_iter, rng):
    return rounds(magnitude, hop_length, n_iter, np.exp(2j * np.pi * np.random.rand(*magnitude.shape)), angle_of)


@mutant("05.4", stage="output", says="the shape of your output is")
def hop_unread(magnitude, hop_length, n_iter, rng):
    return rounds(magnitude, (len(magnitude) - 1) // 2, n_iter, drawn(rng, magnitude.shape), angle_of)


@mutant("05.4", stage="output", says="the type of your output is complex128")
def complex_signal(magnitude, hop_length, n_iter, rng):
    return rounds(magnitude, hop_length, n_iter, drawn(rng, magnitude.shape), angle_of).astype(complex)


@mutant("05.4", stage="edges", says="it stopped with")
def after_the_last_round(magnitude, hop_length, n_iter, rng):
    phase = drawn(rng, magnitude.shape)
    for _ in range(n_iter):
        y = istft(magnitude * phase, hop_length)
        phase = angle_of(stft(y, 2 * (len(magnitude) - 1), hop_length))
    return y                                                    # of no round there is none


@mutant("05.4", stage="reference", says="that of `librosa.griffinlim`")
def half_of_the_rounds(magnitude, hop_length, n_iter, rng):
    return rounds(magnitude, hop_length, n_iter // 2, drawn(rng, magnitude.shape), angle_of)


@mutant("05.4", stage="reference", says="that of `librosa.griffinlim`")
def half_a_circle(magnitude, hop_length, n_iter, rng):
    phase = np.exp(1j * np.pi * rng.random(magnitude.shape))
    return rounds(magnitude, hop_length, n_iter, phase, angle_of)


@mutant("05.4", stage="properties", says="Four times the magnitude")
def at_full_scale(magnitude, hop_length, n_iter, rng):
    y = rounds(magnitude, hop_length, n_iter, drawn(rng, magnitude.shape), angle_of)
    return y / max(np.abs(y).max(), 1e-9)


# ---------------------------------------------------------------------------------------------- 05.5


def cepstrum(picture, order, first=1, shift=0.5, scale=None):
    K = len(picture)
    k, m = np.arange(K), np.arange(first, order + 1)[:, None]
    return np.cos(np.pi * m * (k + shift) / K) @ picture * (1 / K if scale is None else scale)


LN = 10 / np.log(10)
ROOT = 2**0.5


def lengths_of(c):
    return np.sqrt((c**2).sum(axis=0))


@mutant("05.5", stage="properties", says="c0 counts too")
def from_0_on(picture, other, order=13):
    return LN * ROOT * lengths_of(cepstrum(picture, order, 0) - cepstrum(other, order, 0)).mean()


@mutant("05.5", stage="edges", says="The root of 2 is missing")
def no_root_of_2(picture, other, order=13):
    return LN * lengths_of(cepstrum(picture, order) - cepstrum(other, order)).mean()


@mutant("05.5", stage="edges", says="Your result is no decibels")
def no_decibels(picture, other, order=13):
    return ROOT * lengths_of(cepstrum(picture, order) - cepstrum(other, order)).mean()


@mutant("05.5", stage="edges", says="Your constant is 20 / ln 10")
def twenty(picture, other, order=13):
    return 2 * LN * ROOT * lengths_of(cepstrum(picture, order) - cepstrum(other, order)).mean()


@mutant("05.5", stage="properties", says="You take one root, of the mean over all frames")
def root_of_the_mean(picture, other, order=13):
    d = cepstrum(picture, order) - cepstrum(other, order)
    return LN * ROOT * np.sqrt((d**2).sum(axis=0).mean())


@mutant("05.5", stage="edges", says="You add the frames up")
def sum_over_time(picture, other, order=13):
    return LN * ROOT * lengths_of(cepstrum(picture, order) - cepstrum(other, order)).sum()


@mutant("05.5", stage="edges", says="The root over the coefficients is missing")
def mean_square(picture, other, order=13):
    d = cepstrum(picture, order) - cepstrum(other, order)
    return LN * ROOT * (d**2).sum(axis=0).mean()


@mutant("05.5", stage="properties", says="You add up absolute differences")
def manhattan(picture, other, order=13):
    return LN * ROOT * np.abs(cepstrum(picture, order) - cepstrum(other, order)).sum(axis=0).mean()


@mutant("05.5", stage="edges", says="You never divide by the number of channels")
def sum_over_channels(picture, other, order=13):
    return LN * ROOT * lengths_of(cepstrum(picture - other, order, scale=1)).mean()


@mutant("05.5", stage="edges", says="the orthonormal one of MFCC")
def mfcc_scale(picture, other, order=13):
    return LN * ROOT * lengths_of(cepstrum(picture - other, order, scale=(2 / len(picture)) ** 0.5)).mean()


@mutant("05.5", stage="edges", says="The last coefficient is left out")
def up_to_order(picture, other, order=13):
    return LN * ROOT * lengths_of(cepstrum(picture - other, order - 1)).mean()


@mutant("05.5", stage="edges", says="The half is missing in the cosine")
def no_half(picture, other, order=13):
    return LN * ROOT * lengths_of(cepstrum(picture - other, order, shift=0)).mean()


@mutant("05.5", stage="output", says="a distance is never below 0")
def signed(picture, other, order=13):
    return LN * ROOT * cepstrum(picture - other, order).sum(axis=0).mean()


@mutant("05.5", stage="output", says="expected one number")
def frame_by_frame(picture, other, order=13):
    return LN * ROOT * lengths_of(cepstrum(picture - other, order))


@mutant("05.5", stage="reference", says="the cepstra of `librosa.feature.mfcc` give")
def without_outliers(picture, other, order=13):
    d = LN * ROOT * lengths_of(cepstrum(picture - other, order))
    return d[d <= 10 * np.median(d) + 10].mean() if len(d) > 10 else d.mean()


@mutant("05.5", stage="properties", says="Each frame has a distance of its own")
def median(picture, other, order=13):
    return np.median(LN * ROOT * lengths_of(cepstrum(picture - other, order)))


@mutant("05.5", stage="reference", says="The order is 13 unless something else is said")
def order_of_mfcc(picture, other, order=12):
    return LN * ROOT * lengths_of(cepstrum(picture - other, order)).mean()


# ---------------------------------------------------------------------------------------------- 05.6


def placed(durations, speed, nearest=np.rint):
    return np.diff(nearest(np.cumsum(durations) / speed), prepend=0).astype(int)


def sung(f0, semitones, spread, middle=lambda x: x.mean()):
    out, voiced = np.zeros(len(f0)), f0 > 0
    if voiced.any():
        x = np.log2(f0[voiced])
        out[voiced] = 2 ** (middle(x) + spread * (x - middle(x)) + semitones / 12)
    return out


@mutant("05.6", stage="edges", says="You round each duration")
def rounded_one_by_one(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return np.round(durations / speed).astype(int), sung(f0, semitones, spread)


@mutant("05.6", stage="edges", says="You cut every duration down")
def whole_division(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return np.floor(durations / speed).astype(int), sung(f0, semitones, spread)


@mutant("05.6", stage="properties", says="the total is right, but phoneme")
def largest_remainders(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    exact = durations / speed
    out = np.floor(exact).astype(int)
    missing = int(np.rint(exact.sum())) - out.sum()
    out[np.argsort(out - exact, kind="stable")[:missing]] += 1
    return out, sung(f0, semitones, spread)


@mutant("05.6", stage="edges", says="Every phoneme keeps one frame at least")
def never_0(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return np.maximum(placed(durations, speed), 1), sung(f0, semitones, spread)


@mutant("05.6", stage="edges", says="Twice the speed makes your phrase twice as long")
def times_speed(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return placed(durations, 1 / speed), sung(f0, semitones, spread)


@mutant("05.6", stage="properties", says="The mean is that of the hertz")
def arithmetic_mean(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return placed(durations, speed), sung(f0, semitones, spread, lambda x: np.log2((2**x).mean()))


@mutant("05.6", stage="properties", says="The mean on a logarithmic scale is 200 Hz")
def around_the_median_of_all(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return placed(durations, speed), sung(f0, semitones, spread, lambda x: np.log2(max(np.median(f0), 1)))


@mutant("05.6", stage="properties", says="Unvoiced phonemes, written as 0, go into the mean")
def mean_of_all(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return placed(durations, speed), sung(f0, semitones, spread, lambda x: np.log2(f0.mean()))


@mutant("05.6", stage="edges", says="You add semitones as if they were hertz")
def hertz_added(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return placed(durations, speed), np.where(f0 > 0, sung(f0, 0, spread) + semitones, 0)


@mutant("05.6", stage="edges", says="You move first and widen then")
def moved_then_widened(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return placed(durations, speed), sung(f0, semitones * spread, spread)


@mutant("05.6", stage="output", says="What has no voice")
def unvoiced_get_the_mean(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    pitches = sung(f0, semitones, spread)
    return placed(durations, speed), np.where(f0 > 0, pitches, 100.0)


@mutant("05.6", stage="output", says="NaN")
def logarithm_of_0(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    with np.errstate(all="ignore"):
        x = np.log(f0)
        return placed(durations, speed), np.exp(x.mean() + spread * (x - x.mean()) + semitones * np.log(2) / 12)


@mutant("05.6", stage="edges", says="a phrase without any voice")
def mean_of_nothing(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    x = np.log2(f0[f0 > 0]).tolist()
    middle = sum(x) / len(x)
    return placed(durations, speed), sung(f0, semitones, spread, lambda _: middle)


@mutant("05.6", stage="properties", says="Faster is higher with you")
def tape(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return placed(durations, speed), sung(f0, semitones + 12 * np.log2(speed), spread)


@mutant("05.6", stage="output", says="Your durations: type float64")
def durations_as_floats(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return placed(durations, speed).astype(float), sung(f0, semitones, spread)


@mutant("05.6", stage="reference", says="`librosa.hz_to_midi` and back gives the same")
def within_what_voices_do(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return placed(durations, speed), np.where(f0 > 0, np.clip(sung(f0, semitones, spread), 50, 800), 0)


@mutant("05.6", stage="reference", says="takes the nearest frame")
def ends_in_half_precision_too(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    half = np.cumsum(durations) if len(durations) < 100 else np.cumsum(durations).astype(np.float16).astype(float)
    return np.diff(np.rint(half / speed), prepend=0).astype(int), sung(f0, semitones, spread)
