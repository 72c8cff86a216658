"""Checks of chapter 09, quantization: grids, channels, calibration, straight-through gradients, pruning, distilling."""

import numpy as np
import torch  # here, so that no answer's time is spent on it
from torch.nn.functional import cross_entropy, kl_div
from torch.nn.utils import prune as torch_prune

from .spec import Exercise, briefly, two_things
from .stages import as_array


def _on_grid(rng, whole):
    """Numbers that are so many steps of 1 and a little more or less, so that nobody can round them otherwise."""
    return (whole + rng.uniform(-0.4, 0.4, np.shape(whole))).astype(np.float32)


def _whole(t, name, got, shape, lowest, highest):
    """Hold whole numbers to their shape and type, and to the ends of their grid."""
    t.array(got, shape=shape, dtype=np.int8)
    t.holds(lowest <= got.min() and got.max() <= highest,
            f"Your {name} go from **{got.min()}** to **{got.max()}**; the grid goes from {lowest} to {highest}.",
            ask="What becomes of a number that lies beyond the last level?")


# ---------------------------------------------------------------------------------------------- 09.1


def _ranged(rng, bits, below, off=0.0, step=1.0, shape=(40,)):
    """Numbers whose grid is known: `below` levels and a bit below 0; with them the whole numbers that are right."""
    lowest, levels = -(2 ** (bits - 1)), 2**bits
    k = rng.integers(0, levels, shape).ravel()
    k[:2] = 0, levels - 1
    ends = -below - off, levels - 1 - below - off               # of the range
    x = np.clip(_on_grid(rng, k - below), *ends)
    x[:2] = ends
    order = rng.permutation(len(k))
    return (step * x[order]).astype(np.float32).reshape(shape), (k[order] + lowest).reshape(shape)


there_and_back = Exercise(
    "09.1", "there_and_back(x, bits)",
    example=lambda: (_ranged(np.random.default_rng(91), 3, 2, off=0.3, step=0.37, shape=(12,))[0], 3),
    hints=[
        "First the range, from the lowest number or 0 to the highest number or 0. How many steps lie between the two "
        "ends of a grid of 8 levels?",
        "Every number is divided by the step, rounded, moved by the zero point, and held between the lowest and the "
        "highest whole number, in this order. Back again, move first and multiply then.",
        "`np.round` and `np.clip` do both of the two. The step is 0 where all numbers are 0: `or 1.0` behind it takes "
        "care of that. Make it `int8` last, when nothing can be beyond its range any more.",
    ],
    learned="An error of half a step at most, and 0 comes back as 0: that is all of affine quantisation.",
)


@there_and_back.output
def is_whole_numbers_and_numbers(t, got, x, bits):
    two_things(t, got, "q, back")
    _whole(t, "whole numbers", got[0], x.shape, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    t.array(got[1], shape=x.shape, dtype=np.float32)


def _comes_back(t, case, x, bits, q, back, says, ask):
    """Hold both results of a case to what is right."""
    got, values = t.on(case)(x, bits)
    t.close(got, q, says=f"The whole numbers of {case} are not right. {says}", ask=ask)
    t.close(values, back, atol=1e-5 * max(1e-9, np.abs(x).max()), rtol=1e-5, ask="What is subtracted, and what "
            "multiplied then?", says=f"For {case} the whole numbers are right, but what they stand for is not. {says}")


@there_and_back.edges
def nothing_but_zeros(t):
    for shape in ((1,), (2, 3)):
        x = np.zeros(shape, np.float32)
        _comes_back(t, f"{x.size} zero{'s' * (x.size > 1)}", x, 8, np.full(shape, -128), x,
                    "With a step of 1 the zero point is -128.", "What do you divide by?")


@there_and_back.edges
def all_on_one_side(t):
    _comes_back(t, "2, 5 and 15 with 4 bits", np.array([2, 5, 15], np.float32), 4, [-6, -3, 7], [2, 5, 15],
                "The range holds 0: it goes from 0 to 15, and the step is 1.", "From where to where does the grid go?")
    _comes_back(t, "-2, -5 and -15 with 4 bits", np.array([-2, -5, -15], np.float32), 4, [5, 2, -8], [-2, -5, -15],
                "The range holds 0: it goes from -15 to 0, and the step is 1.", "From where to where does the grid go?")
    _comes_back(t, "a single 6 with 2 bits", np.array([6], np.float32), 2, [1], [6],
                "The range goes from 0 to 6.", "From where to where does the grid go?")


@there_and_back.edges
def two_bits(t):
    _comes_back(t, "-1, 0, 0.3, 0.8 and 2 with 2 bits", np.array([-1, 0, 0.3, 0.8, 2], np.float32), 2,
                [-2, -1, -1, 0, 1], [-1, 0, 0, 1, 2], "There are four levels, three steps apart: -1, 0, 1 and 2.",
                "How many steps lie between four levels?")


@there_and_back.edges
def pictures(t):
    x, q = _ranged(t.rng, 5, 9, shape=(4, 3, 5))
    _comes_back(t, "numbers in a shape of three axes", x, 5, q, q + 16 - 9, "The shape changes nothing.",
                "Over what do you take the lowest and the highest?")


@there_and_back.properties
def known_numbers(t):
    for bits in (2, 3, 5, 8):
        below, off, step = int(t.rng.integers(1, 2**bits - 1)), t.rng.uniform(0.2, 0.35), t.rng.uniform(0.01, 3)
        x, q = _ranged(t.rng, bits, below, off, step)
        zero = below - 2 ** (bits - 1)
        _comes_back(t, f"random numbers with {bits} bits", x, bits, q, step * (q - zero),
                    f"Here the step is {step:.4g} and the zero point {zero}.", "In which order do you round and move?")


@there_and_back.properties
def zero_comes_back(t):
    x = np.concatenate([[0], t.rng.uniform(-1, 2.3, 30)]).astype(np.float32)
    back = t.on("random numbers, 0 the first of them, with 4 bits")(x, 4)[1]
    t.holds(back[0] == 0, f"0 comes back as **{back[0]:.4g}**. It has to be a level itself: silence, and what a ReLU "
            "leaves, is everywhere.", ask="Is your zero point a whole number?")


@there_and_back.properties
def once_is_enough(t):
    x = t.rng.normal(size=200).astype(np.float32)
    q, back = t.on("random numbers with 6 bits")(x, 6)
    step = (x.max() - x.min()) / 63
    t.holds(np.abs(back - x).max() <= 1.001 * step, f"A number comes back **{np.abs(back - x).max() / step:.2f}** "
            "steps from where it was; half a step is the most within the range, a whole one at its ends.",
            ask="Do you round, or cut off?")
    t.holds(len(np.unique(q)) > 32, f"Of 64 levels you use **{len(np.unique(q))}**.", ask="What is the step?")


@there_and_back.reference
def agrees_with_torch(t):
    for bits in (4, 8):
        x, _ = _ranged(t.rng, bits, 2 ** (bits - 1) + 1, 0.25, 0.05, shape=(6, 50))
        scale = (x.max() - x.min()) / (2**bits - 1)
        lowest = -(2 ** (bits - 1))
        zero = round(lowest - x.min() / scale)
        want = torch.fake_quantize_per_tensor_affine(torch.from_numpy(x), float(scale), zero, lowest, -lowest - 1)
        t.close(t.on(f"{bits} bits")(x, bits)[1], want.numpy(), atol=1e-5,
                says="It has to agree with `torch.fake_quantize_per_tensor_affine`.", ask="Where is 0 on your grid?")


def _affine(x, bits, low=lambda x: min(x.min(), 0), high=lambda x: max(x.max(), 0), steps=lambda n: n - 1,
            whole=np.round, zero=np.round, ends=np.clip, back=lambda q, s, z: s * (q - z)):
    """What a mistake hands back: another range, step, rounding, zero point, end or way back."""
    a, b, lowest, highest = low(x), high(x), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    s = (b - a) / steps(2**bits) or 1.0
    z = zero(lowest - a / s)
    q = ends(whole(x / s) + z, lowest, highest)
    return np.round(q).astype(int).astype(np.int8), np.asarray(back(q, s, z), np.float32)


@there_and_back.mistake("Your step is the range divided by the number of levels. Between so many levels there is one "
                        "step fewer.", ask="How many steps lie between four levels?")
def as_many_steps_as_levels(x, bits):
    return _affine(x, bits, steps=lambda n: n)


@there_and_back.mistake("You cut off what is behind the point, where it should be rounded: most numbers come back too "
                        "small.", ask="Which whole number lies nearest to 2.9?")
def cut_off(x, bits):
    return _affine(x, bits, whole=np.floor)


@there_and_back.mistake("You cut off what is behind the point, towards 0, where it should be rounded.",
                        ask="Which whole number lies nearest to 2.9?")
def cut_towards_zero(x, bits):
    return _affine(x, bits, whole=np.trunc)


@there_and_back.mistake("Your zero point is no whole number, so 0 lies between two levels and does not come back.",
                        ask="Which q stands for 0?")
def zero_point_between_levels(x, bits):
    return _affine(x, bits, whole=lambda x: x, zero=lambda z: z,
                   ends=lambda q, lowest, highest: np.clip(np.round(q), lowest, highest))


@there_and_back.mistake("Your range is that of the numbers alone; where they are all on one side it does not hold 0.",
                        ask="From where to where does the grid go when all numbers are above 0?")
def without_zero(x, bits):
    return _affine(x, bits, low=lambda x: x.min(), high=lambda x: x.max())


@there_and_back.mistake("Your grid is symmetric: it reaches as far on one side of 0 as on the other, and half of it is "
                        "never used.", ask="Is the lowest number as far from 0 as the highest?")
def symmetric(x, bits):
    return _affine(x, bits, low=lambda x: -np.abs(x).max(), high=lambda x: np.abs(x).max())


@there_and_back.mistake("Back again you multiply, but do not take the zero point away: all is moved.",
                        ask="Which q stands for 0?")
def zero_point_forgotten(x, bits):
    return _affine(x, bits, back=lambda q, s, z: s * q)


@there_and_back.mistake("Back again you multiply first and take the zero point away then.",
                        ask="In which unit is the zero point, in steps or in the numbers' own?")
def multiplied_first(x, bits):
    return _affine(x, bits, back=lambda q, s, z: s * q - z)


# ---------------------------------------------------------------------------------------------- 09.2


def _layer(rng, bits, shape, steps):
    """Weights whose whole numbers are known, with a largest one in each channel."""
    most = 2 ** (bits - 1) - 1
    q = rng.integers(-most, most + 1, shape)
    flat = q.reshape(shape[0], -1)
    flat[np.arange(shape[0]), rng.integers(0, flat.shape[1], shape[0])] = most * rng.choice([-1, 1], shape[0])
    w = np.where(np.abs(q) == most, q, _on_grid(rng, q))
    w = np.where(np.abs(w) > most, np.sign(w) * most, w)
    return (w * np.reshape(steps, (-1, *[1] * (len(shape) - 1)))).astype(np.float32), q


per_channel = Exercise(
    "09.2", "per_channel(w, bits)",
    example=lambda: (_layer(np.random.default_rng(92), 4, (3, 3, 2), [0.5, 0.02, 0.11])[0], 4),
    hints=[
        "A channel is all that stands under one index of the first axis. What decides about its step?",
        "The largest magnitude of a channel is to become the largest whole number. So what is one step? And what "
        "becomes of a channel of zeros, whose step would be 0?",
        "`w.reshape(len(w), -1)` has a row for each channel; divide each row by its step, `steps[:, None]`, round, and "
        "give it its shape again.",
    ],
    learned="A step for each channel costs one number for each, and keeps a quiet filter from being rounded away.",
)


@per_channel.output
def is_whole_numbers_and_steps(t, got, w, bits):
    two_things(t, got, "q, steps")
    most = 2 ** (bits - 1) - 1
    _whole(t, "whole numbers", got[0], w.shape, -most, most)
    t.array(got[1], shape=(len(w),), dtype=np.float32)


def _has_steps(t, case, w, bits, q, steps, says="", ask="Of which weights do you take the largest?"):
    got, own = t.on(case)(w, bits)
    t.close(own, np.asarray(steps, np.float32), rtol=1e-5, says=f"The steps of {case} are not right. {says}", ask=ask)
    t.close(got, q, says=f"The steps of {case} are right, but the whole numbers are not. {says}",
            ask="By which step is each weight divided?")


@per_channel.edges
def a_channel_of_zeros(t):
    w, q = _layer(t.rng, 8, (3, 4), [0.3, 1.0, 2.0])
    w[1], q[1] = 0, 0
    _has_steps(t, "a layer with a channel of zeros", w, 8, q, [0.3, 1.0, 2.0], "Such a channel has the step 1.",
               "What is 0 divided by 0?")
    _has_steps(t, "nothing but zeros", np.zeros((2, 5), np.float32), 4, np.zeros((2, 5)), [1, 1],
               "Such channels have the step 1.", "What is 0 divided by 0?")


@per_channel.edges
def largest_below_zero(t):
    w = np.array([[-7, 1.2, 3], [0.1, -0.7, -0.2]], np.float32)
    _has_steps(t, "channels whose largest weight is negative", w, 4, [[-7, 1, 3], [1, -7, -2]], [1, 0.1],
               "It is the magnitude that counts.", "Is -7 larger than 3, for a grid?")


@per_channel.edges
def other_shapes(t):
    for shape in ((1, 5), (6, 1), (4, 4), (2, 1, 3, 3), (3, 2, 7)):
        steps = t.rng.uniform(0.01, 2, shape[0])
        w, q = _layer(t.rng, 5, shape, steps)
        _has_steps(t, f"a layer of shape {list(shape)}", w, 5, q, steps, "Channels are the first axis.",
                   "Which axis counts the channels?")


@per_channel.edges
def two_bits_for_each(t):
    w = np.array([[-3, 0.4, 1.6, -1.4]], np.float32)
    _has_steps(t, "one channel with 2 bits", w, 2, [[-1, 0, 1, 0]], [3], "Left are -1, 0 and 1.",
               "Which is the largest whole number of a symmetric grid of 2 bits?")


@per_channel.properties
def channels_know_nothing_of_each_other(t):
    w, q = _layer(t.rng, 6, (5, 4, 3), np.ones(5))
    factor = np.array([1e-5, *t.rng.uniform(0.001, 50, 4)])
    _has_steps(t, "five channels of very different sizes", (w * factor[:, None, None]).astype(np.float32), 6, q, factor,
               "A channel that is multiplied keeps its whole numbers; its step is multiplied.",
               "What else than its own weights does a channel's step depend on?")


@per_channel.properties
def upside_down(t):
    w, q = _layer(t.rng, 4, (3, 10), [1, 0.2, 0.03])
    _has_steps(t, "weights with the opposite sign", -w, 4, -q, [1, 0.2, 0.03], "Only the signs turn.",
               "Does your grid reach as far below 0 as above?")


@per_channel.reference
def agrees_with_torch_for_each_channel(t):
    for bits in (3, 8):
        steps, most = t.rng.uniform(0.01, 1, 4), 2 ** (bits - 1) - 1
        w, _ = _layer(t.rng, bits, (4, 12, 3, 5), steps)
        scale = torch.from_numpy(np.abs(w).max(axis=(1, 2, 3)) / most)
        want = torch.fake_quantize_per_channel_affine(
            torch.from_numpy(w), scale, torch.zeros(4, dtype=torch.int32), 0, -most, most)
        q, own = t.on(f"{bits} bits")(w, bits)
        t.close(q * own[:, None, None, None], want.numpy(), atol=1e-5, ask="What does each whole number stand for?",
                says="It has to agree with `torch.fake_quantize_per_channel_affine`.")


def _channelled(w, bits, most=lambda flat: np.abs(flat).max(axis=1), highest=lambda bits: 2 ** (bits - 1) - 1,
                whole=np.round, last=lambda steps: steps):
    """What a mistake hands back: other steps, another end of the grid, another rounding, steps told otherwise."""
    flat = w.reshape(len(w), -1)
    steps = np.asarray(most(flat) / highest(bits))
    steps = np.where(steps == 0, 1, steps)
    q = whole(flat / steps.reshape(-1, 1)).reshape(w.shape)
    return np.clip(q, -(2 ** (bits - 1)) + 1, 2 ** (bits - 1) - 1).astype(np.int8), last(steps).astype(np.float32)


@per_channel.mistake("You have one step for all channels: that of the layer's largest weight.",
                     ask="What is left of a channel whose weights are a hundredth of the largest?")
def one_step_for_all(w, bits):
    return _channelled(w, bits, most=lambda flat: np.full(len(flat), np.abs(flat).max()))


@per_channel.mistake("You take the largest weight, not the largest magnitude: what is far below 0 is clipped.",
                     ask="Is -7 larger than 3, for a grid?")
def largest_weight(w, bits):
    return _channelled(w, bits, most=lambda flat: np.maximum(flat.max(axis=1), 0))


@per_channel.mistake("You divide by 2^(bits - 1), and so the largest magnitude gets a whole number that a symmetric "
                     "grid does not have.", ask="Which is the largest whole number of the grid?")
def one_level_too_many(w, bits):
    return _channelled(w, bits, highest=lambda bits: 2 ** (bits - 1))


@per_channel.mistake("Your step is from the lowest to the highest weight, as on a grid with a zero point.",
                     ask="Where is 0 on a symmetric grid?")
def from_lowest_to_highest(w, bits):
    return _channelled(w, bits, most=lambda flat: flat.max(axis=1) - flat.min(axis=1),
                       highest=lambda bits: 2**bits - 1)


@per_channel.mistake("You cut off what is behind the point, where it should be rounded.",
                     ask="Which whole number lies nearest to 2.9?")
def truncated(w, bits):
    return _channelled(w, bits, whole=np.trunc)


@per_channel.mistake("What you return for steps is how many of them go into 1: its reciprocal.",
                     ask="What is multiplied by q to get the weight back?")
def reciprocal(w, bits):
    return _channelled(w, bits, last=lambda steps: 1 / steps)


# ---------------------------------------------------------------------------------------------- 09.3


# Magnitudes for which each of the mistakes below ends a grid of four levels elsewhere.
TELLING = (105, 81, 35, 0, 33, 41, 36, 22, 22, 13, 16, 0, 6, 0, 5, 6, 8, 7, 5, 1)


def _chosen(counts, levels, beyond=True, everywhere=False, turned=False, shares=True):
    """The n with the smallest D; or a mistake's: without what lies beyond, over empty bins too, turned, undivided."""
    found = []
    for n in range(levels, len(counts) + 1):
        p = counts[:n].astype(float)
        p[-1] += beyond * counts[n:].sum()
        told, bins = counts[:n], np.ones(n, bool) if everywhere else p > 0
        q = np.zeros(n)
        for level in _parts(n, levels):
            q[level] = bins[level] * told[level].sum() / max(bins[level].sum(), 1)
        if shares and q.any():
            p, q = p / p.sum(), q / q.sum()
        a, b = (q, p) if turned else (p, q)
        a, b = a[a > 0], b[a > 0]
        found.append(np.sum(a * np.log(a / b)) if q.any() and b.all() else np.inf)
    return levels + int(np.argmin(found))


def _parts(n, levels):
    """Numbers of the bins of each level."""
    return [np.flatnonzero(np.arange(n) * levels // n == level) for level in range(levels)]


def _peaked(rng, bins):
    """A histogram of magnitudes: most are small, some bins are empty, and a few values lie far off."""
    counts = np.round(500 * np.exp(-np.arange(bins) / rng.uniform(bins / 16, bins / 4))).astype(int)
    counts[rng.random(bins) < 0.2] = 0
    counts[-4:] += rng.integers(1, 5, 4)
    return counts


entropy_range = Exercise(
    "09.3", "entropy_range(counts, levels)",
    example=lambda: (np.array(TELLING), 4),
    hints=[
        "One `n` after the other, and for each of them the two distributions. Which of the two knows of what lies "
        "beyond the n bins?",
        "p: the first n counts, and the sum of the others added to the last one. For q: which level is each bin in, "
        "how much was counted in the level, and in how many of its bins is p not 0? The quotient stands in each of "
        "these bins.",
        "`level = np.arange(n) * levels // n`; `np.bincount(level, inside)` adds up for each level what was counted, "
        "`np.bincount(level, p > 0)` how many of its bins count. Index the quotient with `level`, and it is a row of n "
        "again. Keep only where p > 0, then the sum.",
    ],
    learned="A few values far off lose against many that are told better: to clip is often the smaller evil.",
)


@entropy_range.output
def is_a_number_of_bins(t, got, counts, levels):
    t.number(got)
    t.holds(as_array(got).dtype.kind in "iu", f"You return **{briefly(got)}**, expected a whole number of bins.",
            ask="What do you count?", values=False)
    t.holds(levels <= got <= len(counts), f"You return **{got}**; the grid has {levels} levels and the histogram "
            f"{len(counts)} bins, so it ends between the two.", ask="With which n do you begin, and with which end?")


def _ends(t, case, counts, levels, want, says, ask):
    got = t.on(case)(np.asarray(counts), levels)
    t.holds(got == want, f"For {case}, your grid ends after **{got}** bins, expected {want}. {says}", ask=ask)


@entropy_range.edges
def as_many_levels_as_bins(t):
    _ends(t, "as many levels as bins", [5, 3, 2, 1], 4, 4, "There is nothing to choose.", "With which n do you end?")


@entropy_range.edges
def evenly_filled(t):
    _ends(t, "eight bins with 7 each and 4 levels", [7] * 8, 4, 8, "With all bins q is p, and nothing is clipped: the "
          "divergence is 0.", "Is the last bin of the histogram among those that you try?")


@entropy_range.edges
def nothing_beyond(t):
    _ends(t, "values in the first five of twelve bins, and 5 levels", [4, 9, 2, 6, 3] + [0] * 7, 5, 5,
          "With five bins each has a level of its own, and the divergence is 0; wider ones are worse.",
          "Into how many bins is each level spread?")
    _ends(t, "values in the first of twelve bins alone, and 4 levels", [9] + [0] * 11, 4, 4, "The divergence is 0, "
          "wherever the grid ends.", "Which of several equal ones do you take?")


@entropy_range.edges
def empty_at_first(t):
    _ends(t, "nothing in the first four bins, and 2 levels", [0, 0, 0, 0, 5, 5, 1, 0], 2,
          _chosen(np.array([0, 0, 0, 0, 5, 5, 1, 0]), 2), "Where nothing was counted in the first n bins, D is "
          "infinite.", "By what do you divide q there?")
    _ends(t, "a single value in the last bin", [0, 0, 0, 0, 0, 1], 2, 6, "Only the whole range holds it.",
          "What is q where nothing was counted?")


@entropy_range.edges
def nothing_in_the_last_bin(t):
    counts = np.array([50, 20, 0, 30, 0, 0, 0, 3])
    _ends(t, "a grid that would end in an empty bin, with values beyond", counts, 3, _chosen(counts, 3), "Where the "
          "last level holds nothing but what was added, q is 0 and p is not: D is infinite.",
          "What is the logarithm of p / 0?")


@entropy_range.properties
def by_the_definition(t):
    cases = [(np.array(TELLING), 4), *((_peaked(t.rng, bins), levels) for bins, levels in ((30, 4), (40, 8), (24, 6)))]
    for counts, levels in cases:
        bins = len(counts)
        _ends(t, f"{bins} bins and {levels} levels", counts, levels, _chosen(counts, levels),
              "That is the smallest divergence by the definition.", "Which counts does p have, and which q?")


@entropy_range.properties
def only_shares_count(t):
    counts = _peaked(t.rng, 40)
    once = t.on("a histogram")(counts, 8)
    _ends(t, "three times as many values", 3 * counts, 8, once, "The divergence knows shares only.",
          "Are both divided by their sums?")


@entropy_range.reference
def agrees_with_scipy(t):
    from scipy.stats import entropy

    for bins, levels in ((36, 6), (50, 8)):
        counts, D = 1000 * _peaked(t.rng, bins), []
        for n in range(levels, bins + 1):
            p, level = counts[:n].astype(float), np.arange(n) * levels // n
            told = np.bincount(level, counts[:n])
            p[-1] += counts[n:].sum()
            D.append(entropy(p, np.where(p > 0, (told / np.bincount(level, p > 0).clip(min=1))[level], 0)))
        _ends(t, f"{bins} bins and {levels} levels", counts, levels, levels + int(np.argmin(D)),
              "That is the smallest by `scipy.stats.entropy`.", "Which counts does p have, and which q?")


@entropy_range.mistake("With as many bins as levels your p and q are the same, whatever lies beyond: either p has "
                       "forgotten what was clipped, or q, which cannot know of it, has it too.",
                       ask="Which counts does p have, and which q?")
def beyond_forgotten(counts, levels):
    return _chosen(counts, levels, beyond=False)


@entropy_range.mistake("You spread the counts of a level over all its bins, also over those in which p is 0.",
                       ask="In how many bins of the level is p not 0?")
def over_empty_bins_too(counts, levels):
    return _chosen(counts, levels, everywhere=True)


@entropy_range.mistake("You measure the divergence the other way round, of q from p.",
                       ask="Which of the two stands before the logarithm?")
def turned_round(counts, levels):
    return _chosen(counts, levels, turned=True)


@entropy_range.mistake("Your p and q are not divided by their sums, so wide ranges with their many counts are compared "
                       "with narrow ones.", ask="What do the entries of a distribution add up to?")
def not_divided(counts, levels):
    return _chosen(counts, levels, shares=False)


@entropy_range.mistake("That is all of the range, as by min-max: nothing is clipped, however far off it lies.",
                       ask="What does one value that is far off cost all others?")
def all_of_it(counts, levels):
    return int(np.flatnonzero(counts).max(initial=levels - 1)) + 1


# ---------------------------------------------------------------------------------------------- 09.4


def _through(rng, lowest, highest, shape=(30,)):
    """Numbers on both sides of a grid's ends, with the whole numbers that they are nearest to."""
    k = rng.integers(lowest - 3, highest + 4, shape)
    k.ravel()[:4] = lowest, highest, lowest - 1, highest + 1
    return _on_grid(rng, k), k


def _upstream(seed, shape=(30,)):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


straight_through = Exercise(
    "09.4", "straight_through(x, scale, lowest, highest, gradient)",
    example=lambda: (0.25 * _through(np.random.default_rng(94), -4, 3)[0], 0.25, -4, 3, _upstream(94)),
    hints=[
        "Two results: what goes forward is rounded and clipped, what goes back is only cut. Which x would move y if "
        "there were no rounding?",
        "Round x / scale first: k. Forward, k is clipped and multiplied. Backward, k is compared with both ends; they "
        "belong to the grid.",
        "`(k >= lowest) & (k <= highest)` is True where the gradient goes through. Multiplied by it, it stays or is 0.",
    ],
    learned="Forward a staircase, backward a ramp: two lines of code, and a network learns to live with rounding.",
)


@straight_through.output
def is_both_directions(t, got, x, scale, lowest, highest, gradient):
    two_things(t, got, "y, back")
    for one in got:
        t.array(one, shape=x.shape, dtype=np.float32)


def _goes(t, case, x, scale, lowest, highest, k, gradient, says, ask):
    y, back = t.on(case)(x, scale, lowest, highest, gradient)
    t.close(y, scale * np.clip(k, lowest, highest), atol=1e-5 * scale * 10, says=f"Forward, for {case}: {says}",
            ask="Where is the grid's nearest level?")
    t.close(back, np.where((k >= lowest) & (k <= highest), gradient, 0), atol=1e-7, rtol=1e-6,
            says=f"Backward, for {case}: {says}", ask=ask)


@straight_through.edges
def at_the_ends(t):
    x, k = np.array([-2.3, -2.0, -1.7, 1.0, 1.4, 1.6, -2.6], np.float32), np.array([-2, -2, -2, 1, 1, 2, -3])
    _goes(t, "numbers near the ends of a grid from -2 to 1", x, 1.0, -2, 1, k, np.ones(7, np.float32), "-2.3 and 1.4 "
          "have a level, -2.6 and 1.6 are clipped.", "To which level do you compare: x, or what it is rounded to?")


@straight_through.edges
def zeros_and_shapes(t):
    for shape in ((1,), (2, 3, 4)):
        x, k = np.zeros(shape, np.float32), np.zeros(shape, int)
        _goes(t, f"{x.size} zero{'s' * (x.size > 1)}", x, 0.1, -8, 7, k, np.full(shape, 2.0, np.float32), "0 is a "
              "level like all others.", "Does the gradient depend on the sign of x?")


@straight_through.edges
def all_beyond(t):
    x, k = np.array([50, -50], np.float32), np.array([50, -50])
    _goes(t, "numbers far beyond the grid", x, 1.0, -4, 3, k, np.array([1, 1], np.float32), "Both are clipped.",
          "Would y move if x moved a little?")


@straight_through.edges
def a_grid_above_zero(t):
    x, k = np.array([-1, 0.2, 2.2, 3.9], np.float32), np.array([-1, 0, 2, 4])
    _goes(t, "a grid from 0 to 3", x, 1.0, 0, 3, k, np.array([1, -1, 2, 5], np.float32), "It has no level below 0.",
          "Where does the grid begin?")


@straight_through.properties
def known_both_ways(t):
    for lowest, highest in ((-4, 3), (-127, 127), (0, 15)):
        scale = float(t.rng.uniform(0.01, 2))
        x, k = _through(t.rng, lowest, highest, (5, 8))
        gradient = (3 * t.rng.normal(size=(5, 8))).astype(np.float32)
        _goes(t, f"a grid from {lowest} to {highest}", np.float32(scale) * x, scale, lowest, highest, k, gradient,
              f"the step is {scale:.3g}.", "What does the gradient of a straight line of slope 1 become?")


@straight_through.properties
def backward_is_linear(t):
    x, _ = _through(t.rng, -4, 3)
    one, other = (t.rng.normal(size=30).astype(np.float32) for _ in range(2))
    backs = [t.on(f"{words} gradient")(x, 1.0, -4, 3, g)[1]
             for words, g in (("one", one), ("another", other), ("the sum of both as", 2 * one - other))]
    t.close(backs[2], 2 * backs[0] - backs[1], atol=1e-5, ask="What does the gradient depend on but on itself and on "
            "where x lies?", says="What goes back has to be linear in the gradient that comes in.")


@straight_through.reference
def agrees_with_torch_autograd(t):
    for lowest, highest in ((-8, 7), (-128, 127)):
        scale = float(t.rng.uniform(0.05, 1))
        x, _ = _through(t.rng, lowest, highest, (40,))
        x, gradient = np.float32(scale) * x, t.rng.normal(size=40).astype(np.float32)
        theirs = torch.tensor(x, requires_grad=True)
        want = torch.fake_quantize_per_tensor_affine(theirs, scale, 0, lowest, highest)
        want.backward(torch.from_numpy(gradient))
        y, back = t.on(f"a grid from {lowest} to {highest}")(x, scale, lowest, highest, gradient)
        t.close(y, want.detach().numpy(), atol=1e-4 * scale, ask="Where is the grid's nearest level?",
                says="Forward it has to agree with `torch.fake_quantize_per_tensor_affine`.")
        t.close(back, theirs.grad.numpy(), atol=1e-6, ask="Where did you clip?",
                says="Backward it has to agree with what torch's autograd gives for it.")


def _both_directions(x, scale, lowest, highest, gradient, goes=lambda x, k, lowest, highest: (k >= lowest) & (
        k <= highest), times=1.0, whole=np.round):
    k = whole(x / np.float32(scale))
    y = np.float32(scale) * np.clip(k, lowest, highest)
    back = gradient * times * goes(x / np.float32(scale), k, lowest, highest)
    return y.astype(np.float32), back.astype(np.float32)


@straight_through.mistake("Your gradient is that of the staircase itself: 0, and nothing is learnt.",
                          ask="What does the estimator pretend?")
def true_slope(x, scale, lowest, highest, gradient):
    return _both_directions(x, scale, lowest, highest, gradient, goes=lambda x, k, lowest, highest: np.zeros(x.shape))


@straight_through.mistake("Your gradient goes through everywhere, also where x was clipped: such weights drift off, "
                          "and no y moves with them.", ask="Would y move if such an x moved a little?")
def everywhere(x, scale, lowest, highest, gradient):
    return _both_directions(x, scale, lowest, highest, gradient, goes=lambda x, k, lowest, highest: np.ones(x.shape))


@straight_through.mistake("You stop the gradient at the outermost levels too, which belong to the grid.",
                          ask="Was a number that is nearest to the last level clipped?")
def not_at_the_ends(x, scale, lowest, highest, gradient):
    return _both_directions(x, scale, lowest, highest, gradient,
                            goes=lambda x, k, lowest, highest: (k > lowest) & (k < highest))


@straight_through.mistake("You multiply the gradient by the step. Division by it and multiplication with it cancel.",
                          ask="By how much does y grow when x grows by 1, with no rounding?")
def times_the_step(x, scale, lowest, highest, gradient):
    return _both_directions(x, scale, lowest, highest, gradient, times=scale)


@straight_through.mistake("You compare x with the ends before it is rounded: what lies less than half a step beyond "
                          "was not clipped.", ask="To which level is -2.3 rounded, on a grid from -2?")
def before_rounding(x, scale, lowest, highest, gradient):
    return _both_directions(x, scale, lowest, highest, gradient,
                            goes=lambda x, k, lowest, highest: (x >= lowest) & (x <= highest))


@straight_through.mistake("You compare x itself with the whole numbers at the ends, without dividing it by the step.",
                          ask="In which unit are the ends of the grid?")
def not_in_steps(x, scale, lowest, highest, gradient):
    return _both_directions(x, scale, lowest, highest, gradient, goes=lambda steps, k, lowest, highest: (
        x >= lowest) & (x <= highest))


@straight_through.mistake("Forward you cut off what is behind the point, where it should be rounded.",
                          ask="Which whole number lies nearest to 2.9?")
def floored(x, scale, lowest, highest, gradient):
    return _both_directions(x, scale, lowest, highest, gradient, whole=np.floor)


# ---------------------------------------------------------------------------------------------- 09.5


def _layers(rng, *shapes):
    """Layers in which no two magnitudes are alike."""
    count = sum(int(np.prod(shape)) for shape in shapes)
    sizes = np.split(rng.permutation(np.arange(1, count + 1)) * 0.01, np.cumsum([np.prod(s) for s in shapes])[:-1])
    return [(size * rng.choice([-1, 1], size.shape)).reshape(shape).astype(np.float32)
            for size, shape in zip(sizes, shapes, strict=True)]


prune = Exercise(
    "09.5", "prune(layers, share)",
    example=lambda: ([np.array([[3, -0.2, 0.5], [-4, 1, 0.5]], np.float32), np.array([0.1, -0.5, 0.3, -6], np.float32)],
                     0.35),
    hints=[
        "Over all layers together: so put the magnitudes of all into one row. How many of it have to go?",
        "Sort, and take the first n of the order. A threshold alone would take all that are equal to it, and n would "
        "be wrong. Then cut the row into layers again.",
        "`np.argsort(…, kind=\"stable\")` leaves equal ones in their order; `np.split` with the ends of the layers, "
        "`np.cumsum` of their sizes, takes the row apart.",
    ],
    learned="One threshold for the whole network: layers that matter less give more, and nobody had to say which.",
)


@prune.output
def is_a_mask_for_each_layer(t, got, layers, share):
    t.holds(isinstance(got, list | tuple) and len(got) == len(layers), f"You return **{briefly(got)}**, expected a "
            f"list of {len(layers)} masks, one for each layer.", ask="How is the row cut into layers again?",
            values=False)
    for mask, layer in zip(got, layers, strict=True):
        t.array(mask, shape=layer.shape, dtype=np.bool_)
    n, gone = round(share * sum(layer.size for layer in layers)), sum(int((~as_array(mask)).sum()) for mask in got)
    t.holds(gone == n, f"Of {sum(layer.size for layer in layers)} weights, **{gone}** are left out, expected {n}.",
            ask="What does your mask say of weights that are equally small?")


def _stays(t, case, layers, share, want, says, ask):
    for i, (mask, right) in enumerate(zip(t.on(case)(layers, share), want, strict=True)):
        t.close(mask, np.asarray(right, bool), says=f"For {case}, the mask of layer {i} is not right. {says}", ask=ask)


def _right(layers, share):
    """Masks by sorting a list of (magnitude, place)."""
    order = sorted((abs(float(w)), i, j) for i, layer in enumerate(layers) for j, w in enumerate(layer.ravel()))
    masks = [np.ones(layer.size, bool) for layer in layers]
    for _, i, j in order[: round(share * len(order))]:
        masks[i][j] = False
    return [mask.reshape(layer.shape) for mask, layer in zip(masks, layers, strict=True)]


@prune.edges
def none_and_all(t):
    layers = _layers(t.rng, (2, 3), (4,))
    _stays(t, "a share of 0", layers, 0.0, [np.ones((2, 3)), np.ones(4)], "Everything stays.", "How many have to go?")
    _stays(t, "a share of 1", layers, 1.0, [np.zeros((2, 3)), np.zeros(4)], "Nothing stays.", "How many have to go?")


@prune.edges
def equally_small(t):
    _stays(t, "six weights of magnitude 1 in two layers", [np.array([1, -1, 1], np.float32),
           np.array([[1, 1, -1]], np.float32)], 2 / 3, [[0, 0, 0], [[0, 1, 1]]], "Of equal ones those go that stand "
           "first.", "Which order does your sorting give to equal ones?")


@prune.edges
def zeros_are_smallest(t):
    _stays(t, "a layer of zeros beside another", [np.array([2, -1], np.float32), np.zeros((2, 2), np.float32)], 0.5,
           [[1, 1], [[0, 0], [0, 1]]], "Three of six go, and zeros are the smallest there are.",
           "What is the magnitude of 0?")


@prune.edges
def one_layer(t):
    _stays(t, "a single layer of one weight", [np.array([[5.0]], np.float32)], 0.4, [[[1]]], "round(0.4) is 0.",
           "How many have to go?")


@prune.properties
def over_all_layers(t):
    small, large = _layers(t.rng, (4, 5), (20,))
    layers = [small / np.abs(small).max() * np.float32(0.01), large + 10 * np.sign(large)]
    _stays(t, "a layer of small weights beside one of large", layers, 0.5, [np.zeros((4, 5)), np.ones(20)],
           "All of the small ones go, and none of the large.", "Do you compare within each layer, or over all?")


@prune.properties
def by_sorting(t):
    for share in (0.1, 0.37, 0.5, 0.9):
        layers = _layers(t.rng, (3, 4), (2, 2, 3), (7, 1))
        _stays(t, f"a share of {share}", layers, share, _right(layers, share), "The smallest magnitudes go.",
               "What do you sort by?")


@prune.properties
def more_takes_more(t):
    layers = _layers(t.rng, (6, 6), (5,))
    less, more = (np.concatenate([as_array(m).ravel() for m in t.on(f"a share of {s}")(layers, s)]) for s in (0.3, 0.6))
    t.holds(not np.any(more & ~less), "What is left out at a share of 0.3 is in again at 0.6.",
            ask="Which weights are the smallest, and does that depend on the share?")


@prune.reference
def agrees_with_torch_pruning(t):
    for share in (0.25, 0.8):
        layers = _layers(t.rng, (60, 50), (40, 3, 10), (30, 8))
        modules = [torch.nn.Module() for _ in layers]
        for module, layer in zip(modules, layers, strict=True):
            module.w = torch.nn.Parameter(torch.from_numpy(layer))
        torch_prune.global_unstructured([(module, "w") for module in modules], torch_prune.L1Unstructured,
                                        amount=round(share * sum(layer.size for layer in layers)))
        _stays(t, f"a share of {share}", layers, share, [module.w_mask.numpy() for module in modules],
               "It has to agree with `torch.nn.utils.prune.global_unstructured`.", "What do you sort by?")


def _pruned(layers, share, size=np.abs, count=lambda share, n: round(share * n), last=False, turned=False):
    """What a mistake hands back: sorted by something else, another number, other ones of equal size, the rest."""
    sizes = np.concatenate([size(layer).ravel() for layer in layers])
    n, stays = count(share, len(sizes)), np.ones(len(sizes), bool)
    order = np.lexsort((-np.arange(len(sizes)), sizes)) if last else np.argsort(sizes, kind="stable")
    stays[order[:n]] = False
    parts = np.split(~stays if turned else stays, np.cumsum([layer.size for layer in layers])[:-1])
    return [part.reshape(layer.shape) for part, layer in zip(parts, layers, strict=True)]


@prune.mistake("You compare within each layer, so every layer loses the same share.",
               ask="Which is smaller, the largest weight of a small layer or the smallest of a large one?")
def layer_by_layer(layers, share):
    return [mask for layer in layers for mask in _pruned([layer], share)]


@prune.mistake("You sort by the weights themselves, so what is far below 0 goes first.",
               ask="How much does a weight of -6 do, and how much one of 0.1?")
def by_value(layers, share):
    return _pruned(layers, share, size=lambda w: w)


@prune.mistake("Your masks are the wrong way round: True is what stays.", ask="What does the task say of True?")
def wrong_way_round(layers, share):
    return _pruned(layers, share, turned=True)


@prune.mistake("You leave out the largest.", ask="Which weights can a network spare?")
def largest_first(layers, share):
    return _pruned(layers, share, size=lambda w: -np.abs(w))


@prune.mistake("You leave out all that is as small as the threshold, and so too many where several are equal.",
               ask="How many have to go, exactly?")
def by_threshold(layers, share):
    sizes = np.sort(np.concatenate([np.abs(layer).ravel() for layer in layers]))
    n = round(share * len(sizes))
    return [np.abs(layer) > (sizes[n - 1] if n else -1) for layer in layers]


@prune.mistake("Of equally small ones you leave out the last, not the first.",
               ask="Which order does your sorting give to equal ones?")
def last_of_equals(layers, share):
    return _pruned(layers, share, last=True)


@prune.mistake("You cut off the number of weights where it should be rounded.",
               ask="What is round(3.5), what int(3.5)?")
def cut_off_count(layers, share):
    return _pruned(layers, share, count=lambda share, n: int(share * n))


# ---------------------------------------------------------------------------------------------- 09.6


def _log_softmax(x):
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def _lesson(rng, clips=5, classes=4, scale=3.0):
    student, teacher = (scale * rng.normal(size=(clips, classes)) for _ in range(2))
    return student, teacher, rng.integers(0, classes, clips)


distillation = Exercise(
    "09.6", "distillation(student, teacher, labels, temperature, alpha)",
    example=lambda: (*_lesson(np.random.default_rng(96)), 3.0, 0.7),
    hints=[
        "Two losses, each a mean over the clips, and a weighted sum of both. Which of them uses the temperature?",
        "All you need is the logarithm of a softmax, of three things: both logits divided by T, and the student's as "
        "they are. p is e to the power of the first.",
        "`log_p - log_q` is the logarithm of the quotient; `np.sum(np.exp(log_p) * (log_p - log_q), axis=1)` is one "
        "number for each clip. `log_r[np.arange(len(labels)), labels]` picks the label of each.",
    ],
    learned="The label says what is right; the teacher says how wrong the others are, and that is most of the lesson.",
)


@distillation.output
def is_a_loss(t, got, student, teacher, labels, temperature, alpha):
    t.number(got)
    t.holds(got > -1e-9, f"You return **{got:.4g}**; neither part of the loss can be negative.",
            ask="Which of the two stands before the logarithm, and which sign has the logarithm of a probability?")


def _costs(t, case, lesson, temperature, alpha, want, says, ask):
    got = t.on(case)(*lesson, temperature, alpha)
    t.close(got, want, atol=1e-6, rtol=1e-6, says=f"For {case}: {says}", ask=ask)


@distillation.edges
def nothing_known(t):
    zeros = np.zeros((2, 8))
    _costs(t, "students and teachers that know nothing, of eight classes", (zeros, zeros, np.array([3, 0])), 4.0, 0.0,
           np.log(8), "the label alone costs ln 8.", "What is minus the logarithm of one eighth?")
    _costs(t, "students that know as little as their teacher", (zeros, zeros, np.array([3, 0])), 4.0, 1.0, 0.0,
           "there is nothing left to learn.", "What is the logarithm of p / q when they are equal?")


@distillation.edges
def one_clip(t):
    lesson = np.array([[0.0, np.log(3)]]), np.array([[0.0, 0.0]]), np.array([0])
    _costs(t, "one clip of two classes, by the label", lesson, 1.0, 0.0, np.log(4), "the student gives 1/4 to the "
           "label.", "What does the softmax of 0 and ln 3 give?")
    _costs(t, "one clip of two classes, by the teacher", lesson, 1.0, 1.0, np.log(2 / np.sqrt(3)), "half and half, "
           "against 1/4 and 3/4.", "Which of the two is p, and which is q?")


@distillation.edges
def very_sure(t):
    sure = np.array([[1000.0, 0.0, -1000.0], [-1000.0, 1000.0, 1000.0]])
    _costs(t, "logits of 1000 and -1000, the same for both", (sure, sure, np.array([0, 1])), 2.0, 0.5,
           0.25 * np.log(2), "the first clip costs nothing, the second ln 2 by its label.",
           "What is e to the power of 1000, and what could be subtracted first?")
    other = np.array([[0.0, 1000.0, -1000.0], [-1000.0, 1000.0, 1000.0]])
    _costs(t, "a student that is sure of something else", (other, sure, np.array([0, 1])), 2.0, 1.0,
           4 * 500.0 / 2, "the logarithm of its probability is -500 at this temperature.",
           "Do you take the logarithm of a probability that has become 0?")


@distillation.properties
def in_two_parts(t):
    lesson, T = _lesson(t.rng), float(t.rng.uniform(1.5, 6))
    label, told = (t.on(f"a share of {alpha:g}")(*lesson, T, alpha) for alpha in (0.0, 1.0))
    student, teacher, labels = lesson
    right = -_log_softmax(student)[np.arange(5), labels].mean()
    t.close(label, right, rtol=1e-6, atol=1e-9, says="Without the teacher it is the cross entropy of the labels.",
            ask="Does the label know of a temperature?")
    log_p, log_q = _log_softmax(teacher / T), _log_softmax(student / T)
    t.close(told, T**2 * np.sum(np.exp(log_p) * (log_p - log_q), axis=1).mean(), rtol=1e-6, atol=1e-9,
            ask="What shrinks with T?",
            says=f"Without the labels it is T² times the divergence, here with T = {T:.2f}.")
    _costs(t, "a share of 0.3", lesson, T, 0.3, 0.3 * told + 0.7 * label,
           "three tenths of the one, seven of the other.", "What are the two shares?")


@distillation.properties
def a_constant_is_nothing(t):
    student, teacher, labels = _lesson(t.rng)
    want = t.on("a lesson")(student, teacher, labels, 2.5, 0.6)
    _costs(t, "logits that are all higher by 7", (student + 7, teacher + 7, labels), 2.5, 0.6, want, "a softmax knows "
           "differences only.", "What are the probabilities?")


@distillation.properties
def the_mean_over_clips(t):
    student, teacher, labels = _lesson(t.rng)
    want = t.on("five clips")(student, teacher, labels, 2.0, 0.5)
    twice = (np.tile(student, (2, 1)), np.tile(teacher, (2, 1)), np.tile(labels, 2))
    _costs(t, "each clip twice", twice, 2.0, 0.5, want, "a mean does not grow with the number of clips.",
           "Over what do you take the mean?")


@distillation.reference
def agrees_with_torch_losses(t):
    for classes, T in ((3, 1.0), (12, 4.0), (12, 10.0)):
        student, teacher, labels = _lesson(t.rng, 9, classes)
        alpha, o, own = float(t.rng.uniform(0.2, 0.8)), *map(torch.from_numpy, (student, teacher))
        apart = kl_div((o / T).log_softmax(1), (own / T).softmax(1), reduction="batchmean")
        want = alpha * T**2 * apart + (1 - alpha) * cross_entropy(o, torch.from_numpy(labels))
        _costs(t, f"nine clips of {classes} classes, T = {T:g}", (student, teacher, labels), T, alpha, want.item(),
               "it has to agree with `kl_div` and `cross_entropy` of torch.nn.functional.", "Which mean do they take?")


def _taught(student, teacher, labels, temperature, alpha, square=True, turned=False, over=np.sum, hard=1.0,
            swapped=False, total=np.mean):
    """What a mistake hands back: without T², the divergence turned, another mean, a temperature for the labels too."""
    log_p, log_q = _log_softmax(teacher / temperature), _log_softmax(student / temperature)
    log_p, log_q = (log_q, log_p) if turned else (log_p, log_q)
    apart = over(np.exp(log_p) * (log_p - log_q), axis=1)
    missed = -_log_softmax(student / hard)[np.arange(len(labels)), labels]
    alpha = 1 - alpha if swapped else alpha
    return float(total(alpha * (temperature**2 if square else 1) * apart + (1 - alpha) * missed))


@distillation.mistake("T² is missing: at a high temperature next to nothing would be learnt from the teacher.",
                      ask="What shrinks with T?")
def without_the_square(student, teacher, labels, temperature, alpha):
    return _taught(student, teacher, labels, temperature, alpha, square=False)


@distillation.mistake("You measure the divergence the other way round: the student's probability stands before the "
                      "logarithm.", ask="Who is to be told apart from whom?")
def other_way_round(student, teacher, labels, temperature, alpha):
    return _taught(student, teacher, labels, temperature, alpha, turned=True)


@distillation.mistake("You take the mean over the classes too, where their terms belong to one sum.",
                      ask="How many numbers are left for each clip?")
def mean_over_classes(student, teacher, labels, temperature, alpha):
    return _taught(student, teacher, labels, temperature, alpha, over=np.mean)


@distillation.mistake("The temperature softens the labels' part too; it is for the teacher's alone.",
                      ask="In which of the two parts does T stand?")
def temperature_for_labels(student, teacher, labels, temperature, alpha):
    return _taught(student, teacher, labels, temperature, alpha, hard=temperature)


@distillation.mistake("The shares are exchanged: alpha is the teacher's.", ask="What is left when alpha is 1?")
def shares_exchanged(student, teacher, labels, temperature, alpha):
    return _taught(student, teacher, labels, temperature, alpha, swapped=True)


@distillation.mistake("You add up the clips where their mean is asked for.",
                      ask="What happens with twice as many clips?")
def added_up(student, teacher, labels, temperature, alpha):
    return _taught(student, teacher, labels, temperature, alpha, total=np.sum)


@distillation.mistake("That is the cross entropy with the teacher's probabilities: it is not 0 when both agree.",
                      ask="What is subtracted from ln q in the formula?")
def without_the_teachers_entropy(student, teacher, labels, temperature, alpha):
    log_p, log_q = _log_softmax(teacher / temperature), _log_softmax(student / temperature)
    soft = -np.sum(np.exp(log_p) * log_q, axis=1)
    missed = -_log_softmax(student)[np.arange(len(labels)), labels]
    return float(np.mean(alpha * temperature**2 * soft + (1 - alpha) * missed))
