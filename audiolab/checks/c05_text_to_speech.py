"""Checks of chapter 05, text to speech: numerals, durations, guided attention, Griffin–Lim, distortion, prosody."""

import numpy as np

from .spec import Exercise, briefly, two_things
from .stages import as_array


def _tensor(t, name, got, shape):
    """Hold one of several results to being a tensor of a shape, by its name."""
    t.holds(hasattr(got, "detach"), f"Your {name}: **{briefly(got)}**, expected a tensor.", values=False)
    t.holds(tuple(got.shape) == shape, f"Your {name}: shape **{list(got.shape)}**, expected **{list(shape)}**.",
            ask="What does each of its axes count?")


# ---------------------------------------------------------------------------------------------- 05.1

_ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
         "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

spell_out = Exercise(
    "05.1", "spell_out(numeral)",
    example=lambda: ("312,045.60",),
    hints=[
        "Say 312,045 aloud, slowly. Which part of it do you say as if it were a smaller number of its own, and which "
        "word follows that part?",
        "A number from 100 on is three pieces: how many hundreds or thousands, the name, and what is left, which is "
        "left out when it is 0. The first and the last are numbers again: let a function for whole numbers call "
        "itself.",
        "`before, point, after = numeral.replace(\",\", \"\").lstrip(\"$\").partition(\".\")` takes it apart as text. "
        "The "
        "digits of `after` are read one by one, or, for money, `int(after or 0)` are the cents. Join those of dollars "
        "and cents that are not 0 by `\" and \"`.",
    ],
    learned="A numeral is a short word for a long one. No network need learn what a dozen lines can say.",
)


@spell_out.output
def is_words(t, got, numeral):
    t.holds(isinstance(got, str), f"You return **{briefly(got)}**, expected a str.",
            ask="What does its last line hand back?", values=False)
    strange = sorted({letter for letter in got if not ("a" <= letter <= "z" or letter == " ")})
    t.holds(not strange, f"For {numeral}, you say “{got[:60]}”. That holds **{' '.join(strange)}**; expected small "
            "letters and spaces alone.", ask="What stands between the words, and what is still a numeral?")
    t.holds(got and got == " ".join(got.split()), f"For {numeral}, you say **{got[:60]!r}**; expected one word at "
            "least, and one space between two.", ask="Which piece is empty, and what stands around it?")


def _is_said(t, numeral, want, says, ask):
    """Hold the words of a numeral to those that are right."""
    got = t.on(numeral)(numeral)
    t.holds(got == want, f"For {numeral}, you say **“{got}”**, expected “{want}”. {says}", ask=ask)


@spell_out.edges
def nothing(t):
    _is_said(t, "0", "zero", "It is a number too, and has a name.", "What is left out when it is 0, and when is it "
             "not?")


@spell_out.edges
def names_of_their_own(t):
    for numeral, want in (("10", "ten"), ("11", "eleven"), ("13", "thirteen"), ("19", "nineteen")):
        _is_said(t, numeral, want, "Below twenty each number has a name of its own.", "Where does your first rule end?")


@spell_out.edges
def tens(t):
    for numeral, want in (("20", "twenty"), ("21", "twenty one"), ("90", "ninety"), ("99", "ninety nine")):
        _is_said(t, numeral, want, "There is no hyphen, and no zero where no units are.", "What is left after the "
                 "tens?")


@spell_out.edges
def round_numbers(t):
    for numeral, want in (("100", "one hundred"), ("1000", "one thousand"), ("20000", "twenty thousand"),
                          ("500000", "five hundred thousand")):
        _is_said(t, numeral, want, "Where nothing is left, nothing more is said.", "What is left after the largest "
                 "name?")


@spell_out.edges
def zeros_within(t):
    for numeral, want in (("101", "one hundred one"), ("10010", "ten thousand ten"),
                          ("999999", "nine hundred ninety nine thousand nine hundred ninety nine")):
        _is_said(t, numeral, want, "There is no “and” in a number, and a 0 within it is not said.",
                 "What stands between a name and what is left?")


@spell_out.edges
def behind_the_point(t):
    for numeral, want in (("3.14", "three point one four"), ("0.5", "zero point five"),
                          ("7.05", "seven point zero five"), ("2.50", "two point five zero")):
        _is_said(t, numeral, want, "Behind the point each digit is read as it stands.",
                 "Is what follows the point a number, or digits?")


@spell_out.edges
def money(t):
    for numeral, want in (("$3.50", "three dollars and fifty cents"), ("$5", "five dollars"), ("$1", "one dollar"),
                          ("$1.01", "one dollar and one cent"), ("$0.99", "ninety nine cents"),
                          ("$8.00", "eight dollars"), ("$0.00", "zero dollars"),
                          ("$2.05", "two dollars and five cents")):
        _is_said(t, numeral, want, "Dollars and cents are two numbers; what is zero is not said, unless both are.",
                 "How many of each are there, and which of the two is said?")


@spell_out.properties
def can_be_read_back(t):
    for number in t.rng.integers(0, 1000, 20).tolist():
        words = t.on(str(number))(str(number))
        back = _read_back(words)
        t.holds(back == number, f"For {number}, you say “{words}”, which means **{back}**.",
                ask="Which digit became which word?")


def _read_back(words):
    """The number below 1000 that the words name; what they are not a number of, in words."""
    value = dict(zip(_ONES, range(20), strict=True)) | dict(zip(_TENS, range(20, 100, 10), strict=True))
    unknown = [word for word in words.split() if word != "hundred" and word not in value]
    if unknown:
        return f"nothing: there is no number “{unknown[0]}”"
    head, hundred, rest = words.rpartition("hundred")
    return (100 * sum(value[word] for word in head.split()) if hundred else 0) + sum(value[w] for w in rest.split())


@spell_out.properties
def thousands_are_counted_like_ones(t):
    for few, rest in zip(t.rng.integers(1, 1000, 6).tolist(), [0, *t.rng.integers(1, 1000, 5).tolist()], strict=True):
        numeral, tail = f"{1000 * few + rest}", f" {t(str(rest))}" if rest else ""
        _is_said(t, numeral, f"{t(str(few))} thousand{tail}", f"It is {few} of them, and {rest} more.",
                 "Which two smaller numbers is it made of?")


@spell_out.properties
def four_digits(t):
    for number in (1500, *t.rng.integers(1100, 9999, 4).tolist()):
        few, rest = divmod(number, 1000)
        _is_said(t, str(number), f"{t(str(few))} thousand" + (f" {t(str(rest))}" if rest else ""),
                 "It is a number, not a year.", "Which is the largest name that fits in?")


@spell_out.properties
def commas_are_not_said(t):
    for number in t.rng.integers(1000, 1_000_000, 4).tolist():
        _is_said(t, f"{number:,}", t(str(number)), "A comma between thousands changes nothing.", "When does the comma "
                 "go?")


@spell_out.properties
def digits_behind_the_point(t):
    for digits in ("0", "00", "".join(map(str, t.rng.integers(0, 10, 5)))):
        number = int(t.rng.integers(0, 1_000_000))
        said = " ".join(_ONES[int(digit)] for digit in digits)
        _is_said(t, f"{number:,}.{digits}", f"{t(str(number))} point {said}", "Each digit behind the point is read.",
                 "Is what follows the point a number, or digits?")


@spell_out.properties
def dollars_and_cents(t):
    dollars, cents = int(t.rng.integers(1000, 1_000_000)), int(t.rng.integers(2, 100))
    _is_said(t, f"${dollars:,}.{cents:02d}", f"{t(str(dollars))} dollars and {t(str(cents))} cents",
             "Both are whole numbers.", "What is read behind the point of an amount?")


@spell_out.reference
def sounds_like_espeak_ng(t):
    digits = "".join(map(str, t.rng.integers(0, 10, 20)))
    small, year, large = (int(t.rng.integers(0, 10**size)) for size in (3, 4, 6))
    # four digits get a comma: 1951 would be a year
    for numeral in (f"{small}", f"{year:,}", f"{large}", f"{large}.{digits[:4]}", f"{small}.{digits}7"):
        words = t.on(numeral)(numeral)
        got, want = _phonemes(words), _phonemes(numeral)
        t.holds(got == want, f"For {numeral}, you say “{words}”. Of that espeak-ng makes **{got}**; of the numeral "
                f"itself it makes {want}.", ask="Which word is not in the numeral, or is spelled in another way?")


def _phonemes(text):
    """What espeak-ng's American voice says, without stress; its two short i of “eleven” are one here."""
    from ..corpora import speech

    spoken = " ".join(row["phoneme"].strip("ˈˌ") for row in speech.say_with_times(text, voice="en-us")[3])
    return spoken.replace("ᵻ", "ɪ")


def _whole(n, joined=" ", left=" ", hundreds=False):
    """Words of a whole number: what joins tens and units, and what stands before the rest of a hundred."""
    if n < 20:
        return _ONES[n]
    if n < 100:
        return _TENS[n // 10 - 2] + (joined + _ONES[n % 10] if n % 10 else "")
    many = n >= 1000 and not (hundreds and n < 10_000 and n // 100 % 10)
    size, name = (1000, "thousand") if many else (100, "hundred")
    rest = (" " if size == 1000 else left) + _whole(n % size, joined, left, hundreds) if n % size else ""
    return f"{_whole(n // size, joined, left, hundreds)} {name}{rest}"


def _each(digits):
    return " ".join(_ONES[int(digit)] for digit in digits)


def _coins(dollars, cents, say=_whole):
    parts = [f"{say(n)} {name}{'s' * (n != 1)}" for n, name in ((dollars, "dollar"), (cents, "cent")) if n]
    return " and ".join(parts) or "zero dollars"


def _spelled(numeral, say=_whole, behind=_each, coins=_coins):
    """What a mistake says: other whole numbers, another way behind the point, other money."""
    before, point, after = numeral.replace(",", "").lstrip("$").partition(".")
    if numeral[0] == "$":
        return coins(int(before), int(after or 0))
    return say(int(before)) + (f" point {behind(after)}" if point else "")


@spell_out.mistake("You say “and” after the hundreds, as the British do. The convention here goes without.",
                   ask="What stands between a name and what is left?")
def with_and(numeral):
    return _spelled(numeral, lambda n: _whole(n, left=" and "))


@spell_out.mistake("You write a hyphen between tens and units. The convention here is a space.",
                   ask="What stands between the words?")
def with_hyphens(numeral):
    return _spelled(numeral, lambda n: _whole(n, joined="-"))


@spell_out.mistake("You read digit by digit, as one reads a telephone number.",
                   ask="What does a 3 mean that has five digits behind it?")
def digit_by_digit(numeral):
    return _spelled(numeral, lambda n: _each(str(n)))


@spell_out.mistake("You read what follows the point as a whole number. 3.14 is less than 3.5, though fourteen is more "
                   "than five.", ask="Is what follows the point a number, or digits?")
def a_number_behind_the_point(numeral):
    return _spelled(numeral, behind=lambda digits: _whole(int(digits)))


@spell_out.mistake("Zeros at the end are lost: the numeral went through a float, which does not know how many digits "
                   "were written.", ask="Where does the text become a number, and need it?")
def through_a_float(numeral):
    return _spelled(numeral, behind=lambda digits: _each(str(float(f"0.{digits}"))[2:]))


@spell_out.mistake("You read four digits as hundreds, as one reads a year or a bill.",
                   ask="Which is the largest name that fits in?")
def fifteen_hundred(numeral):
    return _spelled(numeral, lambda n: _whole(n, hundreds=True))


@spell_out.mistake("You read an amount of money like a decimal number.", ask="What is a hundredth of a dollar called?")
def point_of_money(numeral):
    before, point, after = numeral.replace(",", "").lstrip("$").partition(".")
    words = _whole(int(before)) + (f" point {_each(after)}" if point else "")
    return f"{words} dollars" if numeral[0] == "$" else words


@spell_out.mistake("One is no plural.", ask="How many dollars are there when there is no s?")
def always_plural(numeral):
    return _spelled(numeral, coins=lambda *both: " and ".join(
        f"{_whole(n)} {name}" for n, name in zip(both, ("dollars", "cents"), strict=True) if n) or "zero dollars")


@spell_out.mistake("You say zero cents, or zero dollars, where nobody would.", ask="Which of the two is said?")
def zero_cents(numeral):
    before, point, after = numeral.replace(",", "").lstrip("$").partition(".")
    if numeral[0] == "$" and point:
        return " and ".join(f"{_whole(n)} {name}{'s' * (n != 1)}" for n, name in
                            ((int(before), "dollar"), (int(after), "cent")))
    return _spelled(numeral)


@spell_out.mistake("You put the unit where its sign stands, before the number.",
                   ask="In which order is an amount said, and in which is it written?")
def sign_first(numeral):
    return f"dollars {_spelled(numeral[1:])}" if numeral[0] == "$" else _spelled(numeral)


# ---------------------------------------------------------------------------------------------- 05.2


def _phrase(rng, durations, lengths, d=3):
    """Random vectors of phonemes, their durations, and how many are real: tensors."""
    import torch

    durations = torch.tensor(durations)
    vectors = torch.from_numpy(rng.normal(size=(*durations.shape, d)).astype(np.float32))
    return vectors, durations, torch.tensor(lengths)


regulate = Exercise(
    "05.2", "regulate(vectors, durations, lengths)",
    example=lambda: _phrase(np.random.default_rng(52), [[2, 1, 3, 2], [1, 4, 9, 9], [3, 2, 1, 9]], [4, 2, 3]),
    hints=[
        "Phonemes of 2, 1 and 3 frames: in which frame does each of them end? And which phoneme does frame 3 belong "
        "to, said in terms of these ends?",
        "First the durations of the filling become 0. Then `cumsum` gives the ends, of which the last is the clip's "
        "number of frames. Frame t belongs to the first phoneme that ends after it.",
        "`torch.searchsorted(ends, frames, right=True)` finds those for a whole batch, `frames` being the numbers 0 to "
        "time − 1 for each clip. Clamp what lies behind the last phoneme, take the vectors by `gather`, and set to 0 "
        "where the mask is false. Or loop over the clips: `torch.repeat_interleave`, then fill up.",
    ],
    learned="A sum and a search lay out every phoneme at once. That is why such a model speaks faster than a decoder "
            "that goes frame by frame.",
)


def _totals(durations, lengths):
    """Frames of each clip."""
    real = np.arange(durations.shape[1]) < as_array(lengths)[:, None]
    return (as_array(durations) * real).sum(axis=1).tolist()


@regulate.output
def is_frames_and_a_mask(t, got, vectors, durations, lengths):
    two_things(t, got, "frames, mask")
    frames, mask = got
    totals = _totals(durations, lengths)
    _tensor(t, "frames", frames, (len(totals), max(totals), vectors.shape[2]))
    _tensor(t, "mask", mask, (len(totals), max(totals)))
    t.holds(as_array(mask).dtype == bool, f"Your mask is of type **{as_array(mask).dtype}**, expected bool.",
            ask="What does a comparison give?", values=False)
    t.array(frames, dtype=np.float32)


def _regulated(t, case, vectors, durations, lengths):
    """Lay phonemes out, and hold mask and filling to what they have to be."""
    frames, mask = t.on(case)(vectors, durations, lengths)
    for b, n in enumerate(_totals(durations, lengths)):
        marked = as_array(mask)[b]
        t.holds(marked[:n].all() and not marked[n:].any(), f"For {case}, your mask marks **{int(marked.sum())}** "
                f"frames of clip {b} as real, expected the first {n}.", ask="Which durations add up to its frames?")
        filling = np.abs(as_array(frames)[b, n:])
        t.holds(not filling.any(), f"For {case}, a frame after the end of clip {b}, which has {n}, holds "
                f"**{filling.max(initial=0):.3g}**, expected exactly 0.", ask="What stands in the filling, and who "
                "zeroes it?")
    return frames


@regulate.edges
def one_frame_each(t):
    vectors, durations, lengths = _phrase(t.rng, [[1] * 5], [5])
    t.close(_regulated(t, "phonemes of one frame each", vectors, durations, lengths), vectors, atol=1e-6,
            says="The frames are the phonemes.", ask="Which phoneme does frame 0 belong to?")


@regulate.edges
def phonemes_that_are_not_heard(t):
    for durations in ([0, 2, 0, 0, 1], [2, 0, 3, 1, 0]):
        vectors, asked, lengths = _phrase(t.rng, [durations], [5])
        got = _regulated(t, f"durations of {', '.join(map(str, durations))}", vectors, asked, lengths)
        t.close(got, vectors.repeat_interleave(asked[0], dim=1), atol=1e-6,
                says="A phoneme of 0 frames is left out, and the others keep their places.",
                ask="Which is the first phoneme that ends after a frame?")


@regulate.edges
def a_clip_without_a_frame(t):
    vectors, durations, lengths = _phrase(t.rng, [[0, 0, 0], [1, 0, 2]], [3, 3])
    got = _regulated(t, "a clip of 0 frames beside one of 3", vectors, durations, lengths)
    t.close(got[1], vectors[1, [0, 2, 2]], atol=1e-6, says="The clip in company is laid out as if it were alone.",
            ask="What does one clip know of the other?")
    _regulated(t, "a batch without a frame", vectors[:1], durations[:1], lengths[:1])


@regulate.edges
def anything_in_the_filling(t):
    for level, long in ((0.0, 5), (1e6, 50), (-1e6, 1)):
        asked = [[2, 3, 1, 4], [5, long, long, long], [1, 2, long, long]]
        vectors, durations, lengths = _phrase(t.rng, asked, [4, 1, 2])
        vectors[np.arange(4) >= as_array(lengths)[:, None]] = level
        case = f"clips of 4, 1 and 2 phonemes, filled up with vectors of {level:g} and durations of {long}"
        _regulated(t, case, vectors, durations, lengths)


@regulate.properties
def each_as_often_as_it_lasts(t):
    durations = t.rng.integers(0, 6, 8)
    vectors, asked, lengths = _phrase(t.rng, [durations.tolist()], [8], d=1)
    vectors[0, :, 0] = vectors.new_tensor(range(1, 9))
    got = as_array(_regulated(t, "eight numbered phonemes", vectors, asked, lengths))[0, :, 0]
    found = [int((got == k).sum()) for k in range(1, 9)]
    t.holds(found == durations.tolist(), f"For eight phonemes of {_few(durations)} frames, they stand there "
            f"**{_few(found)}** times.", ask="How often is each vector repeated?")
    t.holds(bool((np.diff(got) >= 0).all()), f"For eight numbered phonemes of {_few(durations)} frames, the numbers in "
            "your "
            f"frames are **{_few(got)}**: phoneme {int(got[:-1][np.diff(got) < 0].max(initial=0))} is followed by an "
            "earlier one.", ask="Is each vector repeated, or the whole row of them?")


def _few(numbers, most=16):
    """Whole numbers in words, the first few."""
    numbers = [f"{x:g}" for x in as_array(numbers).tolist()]
    return " ".join(numbers[:most]) + (" …" if len(numbers) > most else "")


@regulate.properties
def twice_as_slow(t):
    vectors, durations, lengths = _phrase(t.rng, t.rng.integers(1, 5, (2, 6)).tolist(), [6, 4])
    once = _regulated(t, "two clips", vectors, durations, lengths)
    twice = _regulated(t, "two clips, all durations doubled", vectors, 2 * durations, lengths)
    t.close(twice, once.repeat_interleave(2, dim=1), atol=1e-6, says="Each frame should now stand there twice.",
            ask="Which phoneme does a frame belong to?")


@regulate.properties
def clips_do_not_know_one_another(t):
    vectors, durations, lengths = _phrase(t.rng, t.rng.integers(1, 6, (3, 5)).tolist(), [3, 5, 1])
    got = _regulated(t, "three clips of 3, 5 and 1 phonemes", vectors, durations, lengths)
    for b, n in enumerate((3, 5, 1)):
        alone = _regulated(t, f"clip {b} alone, without filling", vectors[b : b + 1, :n], durations[b : b + 1, :n],
                           lengths[b : b + 1])
        t.close(got[b, : alone.shape[1]], alone[0], atol=1e-6, says=f"Clip {b} in company should be what it is alone.",
                ask="What do you compute over the batch?")


@regulate.properties
def lets_the_gradient_through(t):
    vectors, durations, lengths = _phrase(t.rng, [[2, 1, 3]], [3])
    frames, _ = t.on("vectors that a network made")(vectors.requires_grad_(), durations, lengths)
    t.holds(frames.requires_grad, "The gradient does not reach the vectors: your frames do **not** remember what they "
            "were made of, and the network that made the vectors will never learn.", values=False,
            ask="Which line leaves PyTorch, or makes a new tensor of numbers?")


@regulate.reference
def agrees_with_torch(t):
    import torch
    from torch.nn.utils.rnn import pad_sequence

    for batch, n, longest, d in ((4, 12, 9, 8), (1, 30, 30, 2), (3, 300, 30, 1)):
        sizes = t.rng.integers(1, n + 1, batch).tolist()
        sizes[0] = n
        vectors, durations, lengths = _phrase(t.rng, t.rng.integers(0, longest, (batch, n)).tolist(), sizes, d)
        want = pad_sequence([torch.repeat_interleave(vectors[b, :k], durations[b, :k], dim=0)
                             for b, k in enumerate(sizes)], batch_first=True)
        case = f"{batch} clips of up to {n} phonemes and {want.shape[1]} frames"
        t.close(_regulated(t, case, vectors, durations, lengths), want, atol=1e-6, ask="How large do your numbers get?",
                says=f"For {case}, it has to agree with `torch.repeat_interleave` and `pad_sequence`.")


def _laid_out(vectors, durations, lengths, real=None, shift=0, counted=lambda durations: durations, more=0,
              keep=False):
    """What a mistake hands back: other durations, other frames, another mask."""
    import torch

    real = torch.arange(durations.shape[1]) < lengths[:, None] if real is None else real
    ends = (counted(durations) * real).cumsum(dim=1)
    frame = torch.arange(int(ends[:, -1].max()))
    mask = frame < ends[:, -1:]
    which = torch.searchsorted(ends, frame.repeat(len(ends), 1) + shift, right=True).clamp(max=durations.shape[1] - 1)
    frames = vectors.gather(1, which[..., None].expand(-1, -1, vectors.shape[2]))
    return frames if keep else frames * mask[..., None], frame < ends[:, -1:] + more


@regulate.mistake("Durations in the filling are counted too. A network predicts a duration for every place, also where "
                  "no phoneme is.", ask="What are `lengths` for?")
def filling_lasts(vectors, durations, lengths):
    import torch

    return _laid_out(vectors, durations, lengths, real=torch.ones_like(durations))


@regulate.mistake("Every phoneme gets one frame at least, also where its duration is 0.",
                  ask="How often is a vector repeated 0 times?")
def one_frame_at_least(vectors, durations, lengths):
    return _laid_out(vectors, durations, lengths, counted=lambda durations: durations.clamp(min=1))


@regulate.mistake("In the filling stands the vector of a phoneme, not 0.", ask="Who zeroes the filling?")
def filling_not_zeroed(vectors, durations, lengths):
    return _laid_out(vectors, durations, lengths, keep=True)


@regulate.mistake("All phonemes are one frame early: a phoneme that ends at frame 2 has the frames 0 and 1.",
                  ask="Does the frame at which a phoneme ends still belong to it?")
def one_frame_early(vectors, durations, lengths):
    return _laid_out(vectors, durations, lengths, shift=1)


@regulate.mistake("All phonemes are one frame late: a phoneme that ends at frame 2 has the frames 0 and 1.",
                  ask="Does the frame at which a phoneme ends still belong to it?")
def one_frame_late(vectors, durations, lengths):
    return _laid_out(vectors, durations, lengths, shift=-1)


@regulate.mistake("Your mask marks one frame too many: the frames of a clip of n have the numbers 0 to n − 1.",
                  ask="Which number has the last frame of a clip of one?")
def mask_one_too_long(vectors, durations, lengths):
    return _laid_out(vectors, durations, lengths, more=1)


@regulate.mistake("Your mask marks every frame as real.", ask="Which frames are there only because another clip is "
                  "longer?")
def mask_of_ones(vectors, durations, lengths):
    import torch

    frames, mask = _laid_out(vectors, durations, lengths)
    return frames, torch.ones_like(mask)


@regulate.mistake("You say the whole row of phonemes again and again, where each of them is to be held: `repeat` is "
                  "not `repeat_interleave`.", ask="Is each vector repeated, or the whole row of them?")
def row_again_and_again(vectors, durations, lengths):
    frames, mask = _laid_out(vectors, durations, lengths)
    for b, n in enumerate(lengths.tolist()):
        left = durations[b, :n].clone()
        order = []
        while left.any():
            order += left.nonzero()[:, 0].tolist()
            left = (left - 1).clamp(min=0)
        frames[b, : len(order)] = vectors[b, order]
    return frames, mask


@regulate.mistake("You lay each clip out backwards.", ask="Which phoneme is spoken first?")
def backwards(vectors, durations, lengths):
    frames, mask = _laid_out(vectors, durations, lengths)
    for b, n in enumerate(mask.sum(dim=1).tolist()):
        frames[b, :n] = frames[b, :n].flip(0)
    return frames, mask


# ---------------------------------------------------------------------------------------------- 05.3


def _sizes(*pairs):
    """Lengths of texts and of sounds, as tensors."""
    import torch

    return tuple(torch.tensor(lengths) for lengths in zip(*pairs, strict=True))


guided_attention_mask = Exercise(
    "05.3", "guided_attention_mask(text_lengths, frame_lengths, g=0.2)",
    example=lambda: _sizes((3, 5), (4, 7), (2, 4)),
    hints=[
        "Halfway through the sound one should be halfway through the text. How far apart are letter n and frame t when "
        "both are measured in parts of their own clip?",
        "Make two tensors, of the shapes [batch, frames, 1] and [batch, 1, text]: t divided by the clip's own frames, "
        "n divided by its own letters. Their difference has the shape [batch, frames, text].",
        "`letter = torch.arange(N) / text_lengths[:, None]`, and so for the frames, then "
        "`1 - torch.exp(-((letter[:, None] - frame[..., None]) ** 2) / (2 * g**2))`. What is 1 or more in either is "
        "filling: `masked_fill` it with 0.",
    ],
    learned="The diagonal is free and all else costs: so the decoder is told that speech goes from left to right.",
)


def _guide(n, t, g=0.2):
    """The formula for one clip, by the letters of the paper: shape [t, n]."""
    apart = np.arange(n)[None] / n - np.arange(t)[:, None] / t
    return 1 - np.exp(-(apart**2) / (2 * g**2))


@guided_attention_mask.output
def is_a_weight_for_each_pair(t, got, text_lengths, frame_lengths, g=0.2):
    shape = (len(text_lengths), int(frame_lengths.max()), int(text_lengths.max()))
    _tensor(t, "mask", got, shape)
    t.array(got, dtype=np.float32)
    low, high = float(got.min()), float(got.max())
    t.holds(low >= 0 and high <= 1, f"Your weights go from **{low:.3g}** to **{high:.3g}**, expected from 0 to 1.",
            ask="What is 1 minus e to the power of something that is not positive?")


def _guided(t, case, pairs, *g):
    """Make a mask, and hold its filling to 0."""
    got = t.on(case)(*_sizes(*pairs), *g)
    for b, (n, frames) in enumerate(pairs):
        outside = as_array(got)[b].copy()
        outside[:frames, :n] = 0
        t.holds(not outside.any(), f"For {case}, the filling of clip {b}, which has {n} letters and {frames} frames, "
                "gets the "
                f"weight **{outside.max():.3g}**, expected exactly 0.", ask="Which places are filling, in either "
                "direction?")
    return as_array(got)


@guided_attention_mask.edges
def one_letter(t):
    t.close(_guided(t, "one letter and one frame", [(1, 1)]), [[[0.0]]], atol=1e-6, says="There they meet.",
            ask="How far is 0 from 0?")
    t.close(_guided(t, "one letter and five frames", [(1, 5)])[0], _guide(1, 5), atol=1e-5,
            says="The letter lies at 0, the frames at 0, 1/5, 2/5 …", ask="By what is the number of a frame divided?")


@guided_attention_mask.edges
def more_letters_than_frames(t):
    t.close(_guided(t, "five letters and two frames", [(5, 2)])[0], _guide(5, 2), atol=1e-5,
            says="The frames lie at 0 and 1/2, the letters at 0, 1/5, 2/5 …", ask="By what is each number divided?")


@guided_attention_mask.edges
def filling_costs_nothing(t):
    pairs = [(6, 9), (2, 9), (6, 3), (1, 1)]
    got = _guided(t, "clips of 6, 2, 6 and 1 letters and 9, 9, 3 and 1 frames", pairs)
    for b, (n, frames) in enumerate(pairs):
        t.close(got[b, :frames, :n], _guide(n, frames), atol=1e-5, says=f"Clip {b} has {n} letters and {frames} "
                "frames.",
                ask="Whose length is meant: the clip's own or the longest?")


@guided_attention_mask.properties
def the_diagonal_is_free(t):
    n = int(t.rng.integers(3, 12))
    got = _guided(t, f"{n} letters and {n} frames", [(n, n)])[0]
    t.close(np.diag(got), np.zeros(n), atol=1e-6, says="Where letter and frame are equally far on, nothing is paid.",
            ask="What is e to the power of 0?")
    t.holds(bool((got + np.eye(n) > 0).all()), f"For {n} letters and {n} frames, a weight beside the diagonal is "
            f"**{(got + np.eye(n)).min():.3g}**, expected above 0.", ask="What is taken away from what?")


@guided_attention_mask.properties
def a_tenth_beside_it(t):
    got = _guided(t, "ten letters and ten frames", [(10, 10)])[0]
    for n, frame, want in ((4, 3, 0.117503), (0, 9, 0.999960), (7, 5, 0.393469)):
        t.close(got[frame, n], want, atol=1e-4, ask="What is squared, and what stands under the line?",
                says=f"At frame {frame} and letter {n} they are {abs(n - frame) / 10:g} apart; with g = 0.2 the weight "
                     f"is {want:.4f}.")


@guided_attention_mask.properties
def g_is_a_width(t):
    pair = (int(t.rng.integers(4, 9)), int(t.rng.integers(10, 20)))
    for g in (0.05, 0.4, float(t.rng.uniform(0.1, 0.3))):
        case = f"{pair[0]} letters and {pair[1]} frames, g = {g:.2f}"
        t.close(_guided(t, case, [pair], g)[0], _guide(*pair, g), atol=1e-5, says="The larger g, the broader what is "
                "free.",
                ask="Where does `g` occur in your code, and is it squared?")


@guided_attention_mask.properties
def text_and_sound_change_places(t):
    n, frames = int(t.rng.integers(3, 6)), int(t.rng.integers(7, 12))
    there = _guided(t, f"{n} letters and {frames} frames", [(n, frames)])[0]
    back = _guided(t, f"{frames} letters and {n} frames", [(frames, n)])[0]
    t.close(back, there.T, atol=1e-5, says="With letters and frames exchanged the mask should be the same, transposed.",
            ask="Which of the two is divided by what?")


@guided_attention_mask.properties
def clips_have_their_own_diagonals(t):
    pairs = [tuple(t.rng.integers(2, 15, 2).tolist()) for _ in range(3)]
    got = _guided(t, "three clips", pairs)
    for b, (n, frames) in enumerate(pairs):
        alone = _guided(t, f"clip {b} alone", pairs[b : b + 1])[0]
        t.close(got[b, :frames, :n], alone, atol=1e-6, says=f"Clip {b} in company should be what it is alone.",
                ask="Whose length is meant: the clip's own or the longest?")


@guided_attention_mask.reference
def agrees_with_transformers(t):
    import torch
    from transformers import SpeechT5Config
    from transformers.models.speecht5.modeling_speecht5 import SpeechT5GuidedMultiheadAttentionLoss

    for pairs, g in (([(8, 40), (30, 90), (17, 55)], 0.2), ([(60, 700), (3, 20)], 0.4)):
        loss = SpeechT5GuidedMultiheadAttentionLoss(SpeechT5Config(guided_attention_loss_sigma=g,
                                                                   guided_attention_loss_scale=1.0))
        n, frames = _sizes(*pairs)
        letters = torch.arange(int(n.max())) < n[:, None]
        sounds = torch.arange(int(frames.max())) < frames[:, None]
        attention = torch.zeros(len(pairs), 1, sounds.shape[1], letters.shape[1], requires_grad=True)
        loss(attention, letters, sounds).backward()             # a mean over what is real: its slope is the weight
        want = attention.grad[:, 0] * int((n * frames).sum())
        case = f"clips of {', '.join(f'{n} letters and {frames} frames' for n, frames in pairs)}"
        t.close(_guided(t, case, pairs, g), want, atol=1e-4, ask="How large do your numbers get, and in which type?",
                says=f"For {case}, it has to agree with the guided attention of `transformers`' SpeechT5.")


def _masked(text_lengths, frame_lengths, g, weight=lambda d, g: 1 - (-(d**2) / (2 * g**2)).exp(),
            ends=None, less=0, filled=0.0):
    """What a mistake hands back: another weight, other lengths, another filling."""
    import torch

    def place(lengths, ends):
        i = torch.arange(int(lengths.max()))
        return i / (ends[:, None] - less).clamp(min=1), i < lengths[:, None]

    letter, letters = place(text_lengths, ends[0] if ends else text_lengths)
    frame, frames = place(frame_lengths, ends[1] if ends else frame_lengths)
    real = frames[..., None] & letters[:, None]
    w = weight(letter[:, None] - frame[..., None], g)
    return w if filled is None else w.masked_fill(~real, filled)


@guided_attention_mask.mistake("You divide by the length of the longest clip. The diagonal of a shorter one then stops "
                               "before its end.", ask="Whose length is meant: the clip's own or the longest?")
def length_of_the_longest(text_lengths, frame_lengths, g=0.2):
    longest = [lengths.max().expand(len(lengths)) for lengths in (text_lengths, frame_lengths)]
    return _masked(text_lengths, frame_lengths, g, ends=longest)


@guided_attention_mask.mistake("The 2 under the line is missing.", ask="What stands under the line?")
def without_the_2(text_lengths, frame_lengths, g=0.2):
    return _masked(text_lengths, frame_lengths, g, lambda d, g: 1 - (-(d**2) / g**2).exp())


@guided_attention_mask.mistake("g is not squared.", ask="What stands under the line?")
def g_not_squared(text_lengths, frame_lengths, g=0.2):
    return _masked(text_lengths, frame_lengths, g, lambda d, g: 1 - (-(d**2) / (2 * g)).exp())


@guided_attention_mask.mistake("The distance is not squared.", ask="What is squared?")
def distance_not_squared(text_lengths, frame_lengths, g=0.2):
    return _masked(text_lengths, frame_lengths, g, lambda d, g: 1 - (-d.abs() / (2 * g**2)).exp())


@guided_attention_mask.mistake("Your weight is largest on the diagonal: as a loss it would punish what is wanted.",
                               ask="What has to cost nothing?")
def rewards_turned_round(text_lengths, frame_lengths, g=0.2):
    return _masked(text_lengths, frame_lengths, g, lambda d, g: (-(d**2) / (2 * g**2)).exp())


@guided_attention_mask.mistake("The filling has a weight. The loss then depends on how long the other clips are.",
                               ask="Which places are filling, in either direction?")
def filling_has_a_weight(text_lengths, frame_lengths, g=0.2):
    return _masked(text_lengths, frame_lengths, g, filled=None)


@guided_attention_mask.mistake("The filling has the weight 1. The loss then depends on how long the other clips are.",
                               ask="Which places are filling, in either direction?")
def filling_of_ones(text_lengths, frame_lengths, g=0.2):
    return _masked(text_lengths, frame_lengths, g, filled=1.0)


@guided_attention_mask.mistake("You divide by the length less 1, so that both ends meet. The paper divides by the "
                               "length.",
                               ask="Where does the last of five letters lie?")
def length_less_1(text_lengths, frame_lengths, g=0.2):
    return _masked(text_lengths, frame_lengths, g, less=1)


@guided_attention_mask.mistake("Your mask is [batch, text, frames]: the decoder's rows are frames.",
                               ask="Which axis counts what?")
def transposed(text_lengths, frame_lengths, g=0.2):
    return _masked(text_lengths, frame_lengths, g).mT


@guided_attention_mask.mistake("You take 0.2, whatever `g` is.", ask="Where does `g` occur in your code?")
def g_of_the_paper(text_lengths, frame_lengths, g=0.2):
    return _masked(text_lengths, frame_lengths, 0.2)


@guided_attention_mask.mistake("You compare the numbers of letter and frame as they are. The last letter is not spoken "
                               "in the frame of its number.", ask="By what is each number divided?")
def not_divided(text_lengths, frame_lengths, g=0.2):
    import torch

    return _masked(text_lengths, frame_lengths, g, ends=[torch.ones_like(text_lengths)] * 2)


# ---------------------------------------------------------------------------------------------- 05.4


def _noise(seed, n=1500, n_fft=64, hop_length=20):
    return _magnitude(np.random.default_rng(seed).normal(size=n).astype(np.float32), n_fft, hop_length)


def _magnitude(y, n_fft, hop_length):
    import librosa

    return np.abs(librosa.stft(y, n_fft=n_fft, hop_length=hop_length))


def _convergence(y, magnitude, hop_length):
    """How far a signal is from the spectrogram that was asked for: relative, 0 is perfect."""
    error = _magnitude(as_array(y), 2 * (len(magnitude) - 1), hop_length) - magnitude
    return float(np.linalg.norm(error) / np.linalg.norm(magnitude))


griffin_lim = Exercise(
    "05.4", "griffin_lim(magnitude, hop_length, n_iter, rng)",
    example=lambda: (_noise(54), 20, 5, np.random.default_rng(4)),
    hints=[
        "Invent phases, make a signal, and look at its own STFT. What is better in it than in what you began with, and "
        "what is worse?",
        "From the STFT of the signal keep the phases alone, and put the wanted magnitudes back. Then make a signal of "
        "that, and again. How many signals are made for `n_iter` rounds?",
        "`np.exp(2j * np.pi * rng.random(magnitude.shape))` are the first phases. A round is `X = al.features.stft("
        "al.features.istft(magnitude * phase, hop_length), n_fft, hop_length)` and `phase = np.exp(1j * np.angle(X))`, "
        "which also works where X is 0. After the last round one more `istft`.",
    ],
    learned="Neighbouring frames overlap, so their phases are bound to one another: enough to guess what was thrown "
            "away, not enough to know it.",
)


@griffin_lim.output
def is_a_signal_of_that_length(t, got, magnitude, hop_length, n_iter, rng):
    t.array(got, shape=(hop_length * (magnitude.shape[1] - 1),), dtype=np.floating)


@griffin_lim.edges
def silence(t):
    got = t.on("silence, 8 rounds")(np.zeros((33, 12), np.float32), 16, 8, t.rng)
    t.close(got, np.zeros(176), atol=1e-6, says="Silence should stay silent.", ask="What is the phase of 0?")


@griffin_lim.edges
def a_pause(t):
    magnitude = _noise(t.seed)
    magnitude[:, 30:40] = 0
    got = t.on("noise with ten silent frames, 8 rounds")(magnitude, 20, 8, t.rng)
    t.close(got[32 * 20 : 37 * 20], np.zeros(100), atol=1e-4, says="In the pause nothing should sound.",
            ask="What is the phase of 0?")


@griffin_lim.edges
def odd_lengths(t):
    for n_fft, hop_length, frames in ((64, 16, 2), (64, 16, 5), (50, 13, 8), (90, 21, 9)):
        magnitude = t.rng.random((1 + n_fft // 2, frames)).astype(np.float32)
        case = f"{frames} frames of {n_fft} samples, {hop_length} apart"
        got = t.on(case)(magnitude, hop_length, 3, t.rng)
        t.holds(float(np.abs(got).max()) > 0, f"For {case}, all samples are 0.", ask="What do you return?")


@griffin_lim.edges
def no_round_at_all(t):
    magnitude = _noise(t.seed)
    far = _convergence(t.on("noise, no round")(magnitude, 20, 0, t.rng), magnitude, 20)
    t.holds(0.4 < far < 0.9, f"For noise and no round, the signal's spectrogram is off by **{100 * far:.0f} %**. "
            "Random phases alone are off by 60 to 65 %.", ask="What is left to do when there is no round?")


@griffin_lim.properties
def chance_comes_from_rng(t):
    magnitude = _noise(t.seed)
    one, again, other = (t.on("noise, with a generator of a given seed")(magnitude, 20, 2, np.random.default_rng(seed))
                         for seed in (1, 1, 2))
    t.holds(bool(np.array_equal(one, again)), "The same magnitudes and the same `rng` give **another** signal each "
            "time.",
            ask="Who draws the phases?")
    t.holds(not np.allclose(one, other), "Two generators with different seeds give the **same** signal: the first "
            "phases are not drawn.", ask="Who draws the phases?")


@griffin_lim.properties
def level_is_kept(t):
    magnitude = _noise(t.seed)
    once, four = (t.on(f"noise, magnitudes times {k}")(k * magnitude, 20, 4, np.random.default_rng(1)) for k in (1, 4))
    t.close(four, 4 * once, atol=1e-3 * float(np.abs(once).max()), says="Four times the magnitude is four times the "
            "signal.",
            ask="What do you do to the magnitudes?")
    level = np.linalg.norm(_magnitude(once, 64, 20)) / np.linalg.norm(magnitude)
    t.holds(0.7 < level < 1.1, f"The signal's own spectrogram is **{level:.2f}** times as strong as what was asked "
            "for.",
            ask="Is it amplitude or power that is asked for?")


@griffin_lim.properties
def no_round_makes_it_worse(t):
    magnitude = _magnitude(_buzz(t.rng), 64, 20)
    rounds = [0, 1, 2, 3, 4, 6, 8, 12, 16]
    far = [_convergence(t.on(f"a buzz, {n} rounds")(magnitude, 20, n, np.random.default_rng(t.seed)), magnitude, 20)
           for n in rounds]
    for few, many, before, after in zip(rounds, rounds[1:], far, far[1:], strict=False):
        t.holds(after <= before * 1.001, f"After {few} rounds the signal's spectrogram is off by {100 * before:.1f} %, "
                f"after {many} by **{100 * after:.1f} %**. No round can make it worse (Griffin and Lim, 1984).",
                ask="Which magnitudes go into each round, and which phases?")
    t.holds(far[-1] < 0.6 * far[0], f"After 16 rounds the signal's spectrogram is off by **{100 * far[-1]:.0f} %**, "
            "after "
            f"none by {100 * far[0]:.0f} %. It should have become much better.", ask="What does a round keep of the "
            "last one?")


def _buzz(rng, n=1500):
    """A sound with a melody: harmonics of a pitch that wanders, and some noise."""
    phase = 2 * np.pi * np.cumsum(0.03 * 2 ** np.cumsum(0.003 * rng.normal(size=n)))
    return sum(np.sin(k * phase) / k for k in range(1, 9)) + 0.05 * rng.normal(size=n)


@griffin_lim.reference
def converges_like_librosa(t):
    import librosa

    for n_fft, hop_length in ((64, 16), (128, 40)):
        magnitude = _magnitude(t.rng.normal(size=4000), n_fft, hop_length)
        for n_iter in (0, 1, 2, 8):
            seed = int(t.rng.integers(1000))
            case = f"noise, {n_fft} samples a frame, {hop_length} apart, {n_iter} rounds"
            got = _convergence(t.on(case)(magnitude, hop_length, n_iter, np.random.default_rng(seed)), magnitude,
                               hop_length)
            want = _convergence(librosa.griffinlim(magnitude, n_iter=n_iter, hop_length=hop_length, momentum=0,
                                                   random_state=seed), magnitude, hop_length)
            t.holds(abs(got / want - 1) < 0.1, f"For {case}, the signal's spectrogram is off by **{100 * got:.1f} %**, "
                    "that of "
                    f"`librosa.griffinlim` by {100 * want:.1f} %.", ask="How many signals do you make, and of what?")


def _rebuilt(magnitude, hop_length, n_iter, rng, start=None, renew=None, phase_of=lambda X: np.exp(1j * np.angle(X))):
    """What a mistake makes: other first phases, another round."""
    from ..features import istft, stft

    phase = np.exp(2j * np.pi * rng.random(magnitude.shape)) if start is None else start
    X = magnitude * phase
    for _ in range(n_iter):
        Y = stft(istft(X, hop_length), 2 * (len(magnitude) - 1), hop_length)
        X = magnitude * phase_of(Y) if renew is None else renew(Y)
    return istft(X, hop_length)


@griffin_lim.mistake("Your rounds change nothing. Either there are none, or each begins with the STFT of the last "
                     "one's signal, magnitudes and all, and makes that same signal of it.",
                     ask="Which magnitudes go into each round?")
def magnitudes_not_put_back(magnitude, hop_length, n_iter, rng):
    return _rebuilt(magnitude, hop_length, n_iter, rng, renew=lambda Y: Y)


@griffin_lim.mistake("Each round draws new phases and forgets those of the last.", ask="What does a round keep of the "
                     "last one?")
def always_new_phases(magnitude, hop_length, n_iter, rng):
    return _rebuilt(magnitude, hop_length, n_iter, rng,
                    renew=lambda Y: magnitude * np.exp(2j * np.pi * rng.random(magnitude.shape)))


@griffin_lim.mistake("All phases begin at 0, and `rng` draws nothing: each frame is a pulse in its middle, and the "
                     "rounds are slow to forget that.", ask="Who draws the phases?")
def phases_of_0(magnitude, hop_length, n_iter, rng):
    return _rebuilt(magnitude, hop_length, n_iter, rng, start=np.ones(magnitude.shape, complex))


@griffin_lim.mistake("You take the root of the magnitudes, as if they were powers.",
                     ask="Is it amplitude or power that is asked for?")
def as_power(magnitude, hop_length, n_iter, rng):
    return _rebuilt(np.sqrt(magnitude), hop_length, n_iter, rng)


@griffin_lim.mistake("You square the magnitudes. A spectrum adds amplitudes, not powers.",
                     ask="Is it amplitude or power that is asked for?")
def squared(magnitude, hop_length, n_iter, rng):
    return _rebuilt(magnitude**2, hop_length, n_iter, rng)


@griffin_lim.mistake("Of the phase you keep the sign of the real part.", ask="What is a phase, and how is it written "
                     "as a complex number?")
def sign_for_phase(magnitude, hop_length, n_iter, rng):
    return _rebuilt(magnitude, hop_length, n_iter, rng, phase_of=lambda X: np.where(X.real < 0, -1.0, 1.0))


@griffin_lim.mistake("You turn the phase round: the conjugate runs backwards in every frame.",
                     ask="Which phase did the signal's own STFT have?")
def conjugated(magnitude, hop_length, n_iter, rng):
    return _rebuilt(magnitude, hop_length, n_iter, rng, phase_of=lambda X: np.exp(-1j * np.angle(X)))


@griffin_lim.mistake("You make one round too few.", ask="How many signals do you make?")
def one_round_too_few(magnitude, hop_length, n_iter, rng):
    return _rebuilt(magnitude, hop_length, max(0, n_iter - 1), rng)


# ---------------------------------------------------------------------------------------------- 05.5

DB = 10 / np.log(10)                    # decibels in one unit of a natural logarithm of power
MCD = DB * np.sqrt(2)


def _pictures(rng, n_mels=20, frames=6):
    """Two random log-mel pictures."""
    return tuple(rng.normal(size=(n_mels, frames)) for _ in range(2))


def _cosine(k, n_mels, frames=1):
    """A picture whose columns are the cosine of cepstral coefficient k."""
    return np.repeat(np.cos(np.pi * k * (np.arange(n_mels) + 0.5) / n_mels)[:, None], frames, axis=1)


mel_cepstral_distortion = Exercise(
    "05.5", "mel_cepstral_distortion(picture, other, order=13)",
    example=lambda: (*_pictures(np.random.default_rng(55)), 5),
    hints=[
        "The cosine transform is linear. So the cepstra of two pictures differ by the cepstrum of what?",
        "A matrix of cosines, one row for each coefficient from 1 to `order`, times the difference of the pictures, by "
        "the number of channels. Then one length for each frame, and the mean of these.",
        "`m = np.arange(1, order + 1)[:, None]` and `np.cos(np.pi * m * (np.arange(K) + 0.5) / K) @ (picture - other) "
        "/ K` is the difference of the cepstra. `np.linalg.norm(…, axis=0)` is one number a frame; its mean, times "
        "`10 / np.log(10) * np.sqrt(2)`.",
    ],
    learned="The constant turns a distance between cepstra into decibels: it is the RMS difference of two smooth "
            "spectra.",
)


@mel_cepstral_distortion.output
def is_a_distance(t, got, picture, other, order=13):
    t.number(got)
    t.holds(got >= 0, f"You return **{got:.4g}**; a distance is never below 0.", ask="What is added up, and what is "
            "squared?")


def _apart(t, case, picture, other, order, want, says, ask):
    """Hold a distortion to the number of decibels that one can work out by hand."""
    got = t.on(case)(picture, other, order)
    t.holds(abs(got - want) <= 1e-6 + 1e-4 * want, f"For {case}, you have **{got:.4f} dB**, expected {want:.4f} dB. "
            f"{says}",
            ask=ask)


@mel_cepstral_distortion.edges
def the_same_twice(t):
    picture, _ = _pictures(t.rng)
    _apart(t, "a picture and itself", picture, picture, 5, 0, "Nothing differs.", "What is subtracted?")


@mel_cepstral_distortion.edges
def silence_twice(t):
    quiet = np.full((80, 4), np.log(1e-5))
    _apart(t, "silence and silence", quiet, quiet, 13, 0, "Nothing differs.", "What do you divide by, or take a "
           "logarithm of?")


@mel_cepstral_distortion.edges
def one_frame(t):
    _apart(t, "one frame, and one that is higher by the first cosine", np.zeros((40, 1)), _cosine(1, 40), 13,
           DB * np.sqrt(2) / 2, "The first coefficient differs by 1/2, the others by nothing: 10 / ln 10 · √2 · 1/2.",
           "Which factor has each of the steps?")


@mel_cepstral_distortion.edges
def the_last_that_counts(t):
    for k, want in ((5, DB * np.sqrt(2) / 2), (6, 0)):
        _apart(t, f"pictures that differ by the cosine of coefficient {k}, order 5", np.zeros((20, 3)),
               _cosine(k, 20, 3), 5, want, "Coefficients 1 to 5 count.", "Which numbers does your range hold?")


@mel_cepstral_distortion.properties
def the_level_does_not_count(t):
    picture, other = _pictures(t.rng)
    _apart(t, "a picture and the same one, 20 dB louder", picture, picture + 20 / DB, 5, 0,
           "Louder is a constant in the logarithm, and that is the coefficient c0, which is left out.",
           "Which coefficient holds the mean of all channels?")
    before = t(picture, other, 5)
    _apart(t, "two pictures, one of them louder in each frame by another amount", picture + t.rng.normal(size=6),
           other, 5,
           before, "How loud each frame is does not count.", "Which coefficient holds the mean of all channels?")


@mel_cepstral_distortion.properties
def decibels_of_the_spectrum(t):
    for n_mels, k, level in ((80, 1, 6.0), (80, 7, 3.0), (24, 2, 6.0)):
        _apart(t, f"pictures of {n_mels} channels that differ by a cosine of {level:g} dB", np.zeros((n_mels, 2)),
               level / DB * _cosine(k, n_mels, 2), 13, level / np.sqrt(2),
               "The RMS value of a cosine is its peak by √2; the number of channels does not count.",
               "By what do you divide, and by what do you multiply?")


@mel_cepstral_distortion.properties
def coefficients_at_right_angles(t):
    a, b = t.rng.uniform(1, 4, 2)
    picture = a * _cosine(2, 30) + b * _cosine(3, 30)
    _apart(t, f"pictures that differ by {a:.2f} and {b:.2f} in two cosines", picture, np.zeros((30, 1)), 13,
           DB * np.hypot(a, b) / np.sqrt(2), "Coefficients of one frame are squared and added, then comes the root.",
           "What is added up before the root, and what after it?")


@mel_cepstral_distortion.properties
def the_mean_of_the_frames(t):
    heights = np.array([0.0, 0.0, 1.0, 5.0])
    _apart(t, "four frames that differ by 0, 0, 1 and 5 times the first cosine", heights * _cosine(1, 20, 4),
           np.zeros((20, 4)), 5, 1.5 * DB / np.sqrt(2), "Each frame has a distance of its own, and their mean is asked "
           "for.",
           "What is added up before the root, and what after it?")
    _apart(t, "the same four frames, each twice", np.repeat(heights * _cosine(1, 20, 4), 2, axis=1),
           np.zeros((20, 8)), 5,
           1.5 * DB / np.sqrt(2), "How long a sound is does not count.", "Is it a sum or a mean over the frames?")


@mel_cepstral_distortion.properties
def there_and_back(t):
    picture, other = _pictures(t.rng)
    _apart(t, "two pictures, exchanged", other, picture, 5, t(picture, other, 5), "A distance is the same both ways.",
           "What is squared?")
    _apart(t, "two pictures, three times as far apart", other + 3 * (picture - other), other, 5,
           3 * t(picture, other, 5),
           "Three times as far apart is three times the distance.", "Which power is left at the end?")


@mel_cepstral_distortion.reference
def agrees_with_librosa(t):
    import librosa

    for n_mels, frames, order in ((80, 50, 13), (40, 21, 24), (64, 1, 13), (80, 30, 79)):
        picture, other = _pictures(t.rng, n_mels, frames)
        other[:, frames // 2] *= 40                             # one bad frame
        cepstra = [librosa.feature.mfcc(S=x, n_mfcc=order + 1)[1:] for x in (picture, other)]
        distance = float(np.linalg.norm(cepstra[0] - cepstra[1], axis=0).mean())
        want = DB * distance / np.sqrt(n_mels)                  # there the transform is orthonormal
        case = f"{frames} frames of {n_mels} channels, order {order}"
        _apart(t, case, picture, other, order, want, "That is what the cepstra of `librosa.feature.mfcc` give.",
               "Which of the four steps differs?")
    picture, other = _pictures(t.rng, 80, 9)
    t.close(t.on("order not given")(picture, other), t.on("order 13")(picture, other, 13), rtol=1e-6,
            says="The order is 13 unless something else is said.", ask="What is the default of `order`?")


def _distance(picture, other, order=13, first=1, last=None, half=0.5, by=None, each=lambda c: np.linalg.norm(c, axis=0),
              over=np.mean, constant=MCD):
    """What a mistake measures: other coefficients, another norm, another mean, another constant."""
    K = len(picture)
    m = np.arange(first, (order if last is None else last(order)) + 1)[:, None]
    cepstra = np.cos(np.pi * m * (np.arange(K) + half) / K) @ (picture - other) / (by(K) if by else K)
    return float(constant * over(each(cepstra)))


@mel_cepstral_distortion.mistake("c0 counts too. It is the level, and a recording that is louder would seem another "
                                 "sound.",
                                 ask="Which coefficient holds the mean of all channels?")
def with_c0(picture, other, order=13):
    return _distance(picture, other, order, first=0)


@mel_cepstral_distortion.mistake("The root of 2 is missing.", ask="Which constant stands before the mean?")
def without_the_root_of_2(picture, other, order=13):
    return _distance(picture, other, order, constant=DB)


@mel_cepstral_distortion.mistake("Your result is no decibels: 10 / ln 10 is missing.",
                                 ask="Which constant stands before the mean?")
def in_natural_units(picture, other, order=13):
    return _distance(picture, other, order, constant=np.sqrt(2))


@mel_cepstral_distortion.mistake("Your constant is 20 / ln 10. The pictures hold the logarithm of power, not of "
                                 "amplitude.",
                                 ask="Which constant stands before the mean?")
def as_amplitude(picture, other, order=13):
    return _distance(picture, other, order, constant=2 * MCD)


@mel_cepstral_distortion.mistake("You take one root, of the mean over all frames. A single bad frame then counts for "
                                 "many.",
                                 ask="What is added up before the root, and what after it?")
def one_root_for_all(picture, other, order=13):
    return _distance(picture, other, order, each=lambda c: (c**2).sum(axis=0), over=lambda d: np.sqrt(d.mean()))


@mel_cepstral_distortion.mistake("You add the frames up, so that a longer sound seems worse.",
                                 ask="Is it a sum or a mean over the frames?")
def sum_of_the_frames(picture, other, order=13):
    return _distance(picture, other, order, over=np.sum)


@mel_cepstral_distortion.mistake("The root over the coefficients is missing.", ask="Which power is left at the end?")
def without_a_root(picture, other, order=13):
    return _distance(picture, other, order, each=lambda c: (c**2).sum(axis=0))


@mel_cepstral_distortion.mistake("You add up absolute differences of the coefficients.",
                                 ask="What is added up before the root?")
def absolute_differences(picture, other, order=13):
    return _distance(picture, other, order, each=lambda c: np.abs(c).sum(axis=0))


@mel_cepstral_distortion.mistake("Over the coefficients you take the mean, not the sum.",
                                 ask="What is added up before the root?")
def mean_of_the_coefficients(picture, other, order=13):
    return _distance(picture, other, order, each=lambda c: np.sqrt((c**2).mean(axis=0)))


@mel_cepstral_distortion.mistake("You never divide by the number of channels.", ask="By what is the sum over the "
                                 "channels divided?")
def not_by_the_channels(picture, other, order=13):
    return _distance(picture, other, order, by=lambda K: 1)


@mel_cepstral_distortion.mistake("Your cosine transform is the orthonormal one of MFCC. It is another scale: here the "
                                 "sum is "
                                 "divided by the number of channels.", ask="By what is the sum over the channels "
                                 "divided?")
def orthonormal(picture, other, order=13):
    return _distance(picture, other, order, by=lambda K: np.sqrt(K / 2))


@mel_cepstral_distortion.mistake("The last coefficient is left out.", ask="Which numbers does your range hold?")
def last_left_out(picture, other, order=13):
    return _distance(picture, other, order, last=lambda order: order - 1)


@mel_cepstral_distortion.mistake("The half is missing in the cosine: channel k has its middle at k + 1/2.",
                                 ask="Where does the first channel lie in the cosine?")
def without_the_half(picture, other, order=13):
    return _distance(picture, other, order, half=0)


@mel_cepstral_distortion.mistake("You compare the pictures channel by channel, without their cepstra.",
                                 ask="Which coefficients count?")
def channel_by_channel(picture, other, order=13):
    return float(DB * np.sqrt(((picture - other) ** 2).mean(axis=0)).mean())


# ---------------------------------------------------------------------------------------------- 05.6


def _spoken():
    """Durations and pitches of a short phrase; 0 where there is no voice."""
    return np.array([7, 4, 9, 3, 12, 5, 3, 8]), np.array([0.0, 130, 150, 0, 115, 0, 98, 104])


change_prosody = Exercise(
    "05.6", "change_prosody(durations, f0, speed=1.0, semitones=0.0, spread=1.0)",
    example=lambda: (*_spoken(), 1.3, 3.0, 1.5),
    hints=[
        "Ten phonemes of 3 frames, twice as fast: 1.5 frames each. What becomes of the total when each is rounded? "
        "What could be rounded instead?",
        "Round the instants at which phonemes *end*, not their lengths: then no error adds up. For the pitch, go to "
        "the "
        "logarithm, where a semitone is the same everywhere, and leave the unvoiced ones out before you take a mean.",
        "`ends = np.rint(np.cumsum(durations) / speed)` and `np.diff(ends, prepend=0)`. With `voiced = f0 > 0` and "
        "`log = np.log(f0[voiced])`, the new logarithm is `mean + spread * (log - mean) + semitones * np.log(2) / 12`. "
        "No mean where nothing is voiced.",
    ],
    learned="Speed, pitch and liveliness are three numbers, because the model was given durations and pitches by name.",
)


@change_prosody.output
def is_durations_and_pitches(t, got, durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    two_things(t, got, "durations, f0")
    for name, one, kind, words in (("durations", got[0], np.integer, "whole numbers"),
                                   ("f0", got[1], np.floating, "floats")):
        t.holds(isinstance(one, np.ndarray), f"Your {name}: **{briefly(one)}**, expected an array.", values=False)
        t.holds(one.shape == f0.shape, f"Your {name}: shape **{list(one.shape)}**, expected **{list(f0.shape)}**.",
                ask="What does it hold for each phoneme?")
        t.holds(np.issubdtype(one.dtype, kind), f"Your {name}: type **{one.dtype}**, expected {words}.", values=False,
                ask="Which operation made it so?")
    t.array(got[1])
    t.holds(bool((got[0] >= 0).all()), f"A duration of yours is **{got[0].min()}** frames.", ask="Which ends follow on "
            "which?")
    wrong = np.flatnonzero((got[1] > 0) != (f0 > 0))
    i = int(wrong[0]) if len(wrong) else 0
    t.holds(not len(wrong), f"Phoneme {i} had a pitch of {f0[i]:g} Hz and now has **{got[1][i]:.4g} Hz**. What has no "
            "voice, "
            "written as 0, stays so, and what has one keeps one.", ask="What is the logarithm of 0, and who must not "
            "see it?")


def _at_their_places(t, case, durations, f0, speed, *others):
    """Hold each end to half a frame from where it belongs; returns the pitches."""
    got, pitches = t.on(case)(durations, f0, speed, *others)
    total, want = int(got.sum()), durations.sum() / speed
    t.holds(abs(total - want) <= 0.5 + 1e-6, f"For {case}, your phrase has **{total}** frames, expected {want:.1f} to "
            "the nearest frame.", ask="What becomes of the total when each duration is rounded?")
    late = np.cumsum(got) - np.cumsum(durations) / speed
    worst = int(np.abs(late).argmax())
    t.holds(abs(late[worst]) <= 0.5 + 1e-6, f"For {case}, the total is right, but phoneme {worst} ends "
            f"**{abs(late[worst]):.2f} frames** too {'late' if late[worst] > 0 else 'early'}, expected half a frame at "
            "most.",
            ask="What do you round, lengths or ends?")
    return pitches


def _sung(t, case, f0, semitones, spread, want, says, ask):
    """Hold pitches to what they have to be."""
    _, got = t.on(case)(np.full(len(f0), 5), np.array(f0, float), 1.0, semitones, spread)
    t.close(got, want, rtol=1e-3, atol=1e-6, says=says, ask=ask)


@change_prosody.edges
def nothing_asked_for(t):
    durations, f0 = _spoken()
    for args in ((), (1.0, 0.0, 1.0)):
        got = t.on("a phrase of which nothing is to change")(durations, f0, *args)
        t.close(got[0], durations, says="Durations should be as they were.", ask="What is the default of `speed`?")
        t.close(got[1], f0, rtol=1e-6, says="Pitches should be as they were.", ask="What are the defaults for the "
                "pitch?")


@change_prosody.edges
def whispered(t):
    _sung(t, "a phrase without any voice", [0, 0, 0], 5.0, 2.0, [0, 0, 0], "There is no pitch to move.",
          "What is the mean of nothing?")


@change_prosody.edges
def one_phoneme(t):
    _sung(t, "one voiced phoneme of 200 Hz, an octave higher and with twice the range", [200], 12.0, 2.0, [400],
          "It is its own mean, so it only moves.", "Around what does the range widen?")
    _at_their_places(t, "one phoneme of 3 frames, at half the speed", np.array([3]), np.array([200.0]), 0.5)


@change_prosody.edges
def very_fast(t):
    durations = np.array([2, 0, 3, 1, 1, 0, 2])
    _at_their_places(t, "short phonemes, eight times as fast", durations, np.full(7, 100.0), 8.0)


@change_prosody.properties
def the_total_is_right(t):
    for speed in (0.5, 0.8, 1.3, 2.0, float(t.rng.uniform(0.5, 3))):
        durations = t.rng.integers(1, 6, 60)
        f0 = t.rng.choice([0.0, 120.0], 60)
        _at_their_places(t, f"60 phonemes at {speed:.2f} times the speed", durations, f0, speed)


@change_prosody.properties
def a_semitone_is_a_ratio(t):
    f0 = [0, 100, 150, 0, 240]
    for semitones in (12.0, -12.0, 7.0):
        factor = 2 ** (semitones / 12)
        _sung(t, f"a phrase moved by {semitones:g} semitones", f0, semitones, 1.0, factor * np.array(f0),
              f"Each pitch is multiplied by {factor:.4f}.", "Is a semitone a number of hertz, or a ratio?")


@change_prosody.properties
def the_range_around_its_mean(t):
    f0 = [100, 0, 400, 200]
    _sung(t, "100, 400 and 200 Hz with half the range", f0, 0.0, 0.5, [200 / 2**0.5, 0, 200 * 2**0.5, 200],
          "The mean on a logarithmic scale is 200 Hz; an octave from it becomes half an octave.",
          "Which mean is it, and of which pitches?")
    _sung(t, "100, 400 and 200 Hz with no range", f0, 0.0, 0.0, [200, 0, 200, 200], "Monotonous speech lies at the "
          "mean.",
          "Which mean is it, and of which pitches?")
    _sung(t, "100, 400 and 200 Hz with twice the range", f0, 0.0, 2.0, [50, 0, 800, 200], "Octaves become two octaves.",
          "Around what does the range widen?")


@change_prosody.properties
def both_at_once(t):
    _sung(t, "100, 400 and 200 Hz with half the range, an octave higher", [100, 0, 400, 200], 12.0, 0.5,
          [400 / 2**0.5, 0, 400 * 2**0.5, 400], "The mean moves by an octave, and the range does not touch that.",
          "What does `spread` multiply?")


@change_prosody.properties
def speed_and_pitch_do_not_mix(t):
    durations, f0 = _spoken()
    plain = t.on("a phrase, faster and higher")(durations, f0, 1.7, 4.0, 1.3)
    slow = t.on("a phrase, slower and as high as before")(durations, f0, 0.6, 4.0, 1.3)
    low = t.on("a phrase, as fast as before and lower")(durations, f0, 1.7, -4.0, 0.7)
    t.close(slow[1], plain[1], rtol=1e-9, says="How fast it is said does not change the pitch.",
            ask="Where does `speed` occur in your code?")
    t.close(low[0], plain[0], says="How high it is said does not change the durations.",
            ask="Where do `semitones` and `spread` occur in your code?")


@change_prosody.reference
def durations_agree_with_torch(t):
    import torch

    for n, total, frames in ((40, 211, 150), (40, 211, 330), (400, 4001, 3400)):
        ends = np.sort(t.rng.choice(np.arange(1, total), n - 1, replace=False))
        durations = np.diff([0, *ends, total])
        labels = torch.arange(n).repeat_interleave(torch.from_numpy(durations))[None, None].double()
        nearest = torch.nn.functional.interpolate(labels, size=frames, mode="nearest-exact")[0, 0].long()
        case = f"{n} phonemes of {total} frames, to be {frames}"
        got, _ = t.on(case)(durations, np.full(n, 100.0), total / frames)
        t.close(got, torch.bincount(nearest, minlength=n), ask="What do you round, lengths or ends?",
                says=f"For {case}, it has to be as when `torch.nn.functional.interpolate` takes the nearest frame.")


@change_prosody.reference
def pitches_agree_with_librosa(t):
    import librosa

    f0 = np.exp(t.rng.uniform(np.log(40), np.log(900), 50)) * (t.rng.random(50) < 0.7)
    for semitones, spread in ((-7.5, 1.0), (0.0, 1.8), (5.0, 0.4)):
        midi = librosa.hz_to_midi(f0[f0 > 0])
        want = np.zeros(50)
        want[f0 > 0] = librosa.midi_to_hz(midi.mean() + spread * (midi - midi.mean()) + semitones)
        case = f"50 pitches from 40 to 900 Hz, by {semitones:g} semitones and {spread:g} times the range"
        _, got = t.on(case)(np.full(50, 4), f0, 1.0, semitones, spread)
        t.close(got, want, rtol=1e-6, says=f"For {case}, `librosa.hz_to_midi` and back gives the same.",
                ask="Is something rounded, or held within limits?")


SEMITONE = np.log(2) / 12


def _ends(durations, speed):
    return np.diff(np.rint(np.cumsum(durations) / speed), prepend=0).astype(int)


def _moved(f0, semitones, spread, there=np.log, back=np.exp, step=SEMITONE, mean=np.mean, after=None):
    """What a mistake makes of the pitches: another scale, another mean, another order."""
    out = np.zeros(len(f0))
    voiced = f0 > 0
    if voiced.any():
        x = there(f0[voiced])
        middle = mean(x)
        x = spread * (x + semitones * step) if after else middle + spread * (x - middle) + semitones * step
        out[voiced] = back(x)
    return out


@change_prosody.mistake("You round each duration. The errors add up, and the phrase is too long or too short.",
                        ask="What do you round, lengths or ends?")
def each_rounded(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return np.rint(durations / speed).astype(int), _moved(f0, semitones, spread)


@change_prosody.mistake("You cut every duration down to a whole number, and lose half a frame with each phoneme.",
                        ask="What do you round, lengths or ends?")
def each_cut(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return (durations / speed).astype(int), _moved(f0, semitones, spread)


@change_prosody.mistake("Ends are cut down, not rounded: each lies up to a whole frame early.",
                        ask="Which whole number is the nearest?")
def ends_cut(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    ends = (np.cumsum(durations) / speed + 1e-9).astype(int)
    return np.diff(ends, prepend=0), _moved(f0, semitones, spread)


@change_prosody.mistake("What is missing in the total goes to the last phoneme, and all before it have drifted away.",
                        ask="What do you round, lengths or ends?")
def rest_to_the_last(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    out = np.rint(durations / speed).astype(int)
    out[-1] = max(0, out[-1] + int(np.rint(durations.sum() / speed)) - out.sum())
    return out, _moved(f0, semitones, spread)


@change_prosody.mistake("Every phoneme keeps one frame at least. At a high speed the phrase is then too long.",
                        ask="How many frames may a phoneme of 1 have, eight times as fast?")
def one_frame_at_least_each(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return np.maximum(1, _ends(durations, speed)), _moved(f0, semitones, spread)


@change_prosody.mistake("Twice the speed makes your phrase twice as long.", ask="How long is what is spoken fast?")
def slower_for_faster(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return _ends(durations, 1 / speed), _moved(f0, semitones, spread)


@change_prosody.mistake("The mean is that of the hertz, not that of their logarithm.",
                        ask="Which mean is it, and of which pitches?")
def mean_of_hertz(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return _ends(durations, speed), _moved(f0, semitones, spread, mean=lambda x: np.log(np.exp(x).mean()))


@change_prosody.mistake("You widen the range in hertz. An ear hears ratios.", ask="On which scale is the range "
                        "measured?")
def range_in_hertz(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return _ends(durations, speed), 2 ** (semitones / 12) * _moved(f0, 0, spread, there=np.array, back=np.array)


@change_prosody.mistake("Unvoiced phonemes, written as 0, go into the mean of the pitch.",
                        ask="Which mean is it, and of which pitches?")
def mean_with_the_unvoiced(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return _ends(durations, speed), _moved(f0, semitones, spread, mean=lambda x: np.log(max(f0.mean(), 1e-9)))


@change_prosody.mistake("You add semitones as if they were hertz.", ask="Is a semitone a number of hertz, or a ratio?")
def semitones_as_hertz(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    pitches = _moved(f0, 0, spread)
    return _ends(durations, speed), np.where(f0 > 0, np.maximum(pitches + semitones, 1.0), 0.0)


@change_prosody.mistake("Your octave has ten semitones, or a semitone is a tenth: it is the twelfth part of an octave.",
                        ask="How many semitones has an octave?")
def ten_to_the_octave(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return _ends(durations, speed), _moved(f0, semitones, spread, step=np.log(2) / 10)


@change_prosody.mistake("You move first and widen then, so that the step is widened too.", ask="What does `spread` "
                        "multiply?")
def step_widened_too(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return _ends(durations, speed), _moved(f0, spread * semitones, spread)


@change_prosody.mistake("You multiply the logarithm itself, so that the range widens around 1 Hz.",
                        ask="Around what does the range widen?")
def around_1_hertz(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    with np.errstate(over="ignore"):
        return _ends(durations, speed), _moved(f0, semitones, spread, after=True)


@change_prosody.mistake("Faster is higher with you, as when a tape runs too fast. Here the two are apart.",
                        ask="Where does `speed` occur in your code?")
def like_a_tape(durations, f0, speed=1.0, semitones=0.0, spread=1.0):
    return _ends(durations, speed), _moved(f0, semitones, spread) * speed
