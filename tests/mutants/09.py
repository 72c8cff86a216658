"""Wrong answers of chapter 09, each a misconception, with the stage and the words that must reject it."""

import numpy as np
from scipy.special import log_softmax, softmax
from scipy.stats import entropy

from mutants import mutant

# ---------------------------------------------------------------------------------------------- 09.1


def grid(x, bits):
    """Step and zero point that are right, and the ends."""
    low, high = min(x.min(), 0), max(x.max(), 0)
    s = (high - low) / (2**bits - 1) or 1.0
    return s, np.round(-(2 ** (bits - 1)) - low / s), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def answer(q, back):
    return q.astype(np.int8), np.asarray(back).astype(np.float32)


@mutant("09.1", stage="edges", says="Your range is that of the numbers alone")
def from_lowest_to_highest_number(x, bits):
    s = np.ptp(x) / (2**bits - 1) or 1.0
    z = np.round(-(2 ** (bits - 1)) - x.min() / s)
    q = np.clip(np.round(x / s) + z, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return answer(q, s * (q - z))


@mutant("09.1", stage="edges", says="Between so many levels there is one step fewer")
def two_to_the_bits_steps(x, bits):
    low, high = min(x.min(), 0), max(x.max(), 0)
    s = (high - low) / 2**bits or 1.0
    z = np.round(-(2 ** (bits - 1)) - low / s)
    q = np.clip(np.round(x / s) + z, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return answer(q, s * (q - z))


@mutant("09.1", stage="properties", says="Your zero point is no whole number")
def float_zero_point(x, bits):
    s, _, lowest, highest = grid(x, bits)
    z = lowest - min(x.min(), 0) / s
    q = np.clip(np.round(x / s + z), lowest, highest)
    return answer(q, s * (q - z))


@mutant("09.1", stage="edges", says="towards 0, where it should be rounded")
def made_int_too_soon(x, bits):
    s, z, lowest, highest = grid(x, bits)
    q = np.clip((x / s).astype(int) + z, lowest, highest)
    return answer(q, s * (q - z))


@mutant("09.1", stage="output", says="expected int8")
def not_made_int8(x, bits):
    s, z, lowest, highest = grid(x, bits)
    q = np.clip(np.round(x / s) + z, lowest, highest)
    return q, (s * (q - z)).astype(np.float32)


@mutant("09.1", stage="edges", says="Your grid is symmetric")
def without_a_zero_point(x, bits):
    s = np.abs(x).max() * 2 / (2**bits - 1) or 1.0
    lowest = -(2 ** (bits - 1))
    z = np.round(lowest + np.abs(x).max() / s)
    q = np.clip(np.round(x / s) + z, lowest, -lowest - 1)
    return answer(q, s * (q - z))


@mutant("09.1", stage="edges", says="all is moved")
def only_multiplied(x, bits):
    s, z, lowest, highest = grid(x, bits)
    q = np.clip(np.round(x / s) + z, lowest, highest)
    return answer(q, s * q)


@mutant("09.1", stage="edges", says="What do you divide by?")
def divided_by_a_step_of_nothing(x, bits):
    with np.errstate(all="ignore"):
        low, high = min(x.min(), 0), max(x.max(), 0)
        s = np.float64(high - low) / (2**bits - 1)
        z = np.round(-(2 ** (bits - 1)) - low / s)
        q = np.nan_to_num(np.clip(np.round(x / s) + z, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
        return answer(q, np.nan_to_num(s * (q - z)))


@mutant("09.1", stage="reference", says="torch.fake_quantize_per_tensor_affine")
def a_row_of_a_matrix_by_itself(x, bits):
    rows = x if x.ndim == 2 else x.reshape(1, -1)
    q, back = np.empty(rows.shape), np.empty(rows.shape)
    for i, row in enumerate(rows):
        s, z, lowest, highest = grid(row, bits)
        q[i] = np.clip(np.round(row / s) + z, lowest, highest)
        back[i] = s * (q[i] - z)
    return answer(q.reshape(x.shape), back.reshape(x.shape))


# ---------------------------------------------------------------------------------------------- 09.2


def on_steps(w, steps):
    steps = np.where(steps == 0, 1, steps)
    return np.round(w.reshape(len(w), -1) / steps[:, None]).reshape(w.shape).astype(np.int8), steps.astype(np.float32)


@mutant("09.2", stage="edges", says="You have one step for all channels")
def the_largest_of_the_layer(w, bits):
    return on_steps(w, np.full(len(w), np.abs(w).max() / (2 ** (bits - 1) - 1)))


@mutant("09.2", stage="output", says="the shape of your output is")
def steps_of_the_last_axis(w, bits):
    steps = np.abs(w).max(axis=tuple(range(w.ndim - 1))) / (2 ** (bits - 1) - 1)
    return np.round(w / np.where(steps == 0, 1, steps)).astype(np.int8), steps.astype(np.float32)


@mutant("09.2", stage="edges", says="not the largest magnitude")
def max_without_abs(w, bits):
    most, flat = 2 ** (bits - 1) - 1, w.reshape(len(w), -1)
    steps = np.maximum(flat.max(axis=1), 0) / most
    steps[steps == 0] = 1
    return np.clip(np.round(flat / steps[:, None]), -most, most).reshape(w.shape).astype(np.int8), steps.astype(
        np.float32)


@mutant("09.2", stage="edges", says="You divide by 2^(bits - 1)")
def one_hundred_and_twenty_eight(w, bits):
    most, flat = 2 ** (bits - 1) - 1, w.reshape(len(w), -1)
    steps = np.abs(flat).max(axis=1) / 2 ** (bits - 1)
    steps[steps == 0] = 1
    return np.clip(np.round(flat / steps[:, None]), -most, most).reshape(w.shape).astype(np.int8), steps.astype(
        np.float32)


@mutant("09.2", stage="output", says="the grid goes from")
def wraps_at_the_top(w, bits):
    flat = w.reshape(len(w), -1)
    steps = np.abs(flat).max(axis=1) / 2 ** (bits - 1)
    steps[steps == 0] = 1
    return np.round(flat / steps[:, None]).reshape(w.shape).astype(np.int8), steps.astype(np.float32)


@mutant("09.2", stage="edges", says="Such a channel has the step 1")
def a_little_above_zero(w, bits):
    flat = w.reshape(len(w), -1)
    steps = np.maximum(np.abs(flat).max(axis=1) / (2 ** (bits - 1) - 1), 1e-12)
    return np.round(flat / steps[:, None]).reshape(w.shape).astype(np.int8), steps.astype(np.float32)


@mutant("09.2", stage="properties", says="five channels of very different sizes")
def small_taken_for_zero(w, bits):
    steps = np.abs(w.reshape(len(w), -1)).max(axis=1) / (2 ** (bits - 1) - 1)
    return on_steps(w, np.where(steps < 1e-4, 1, steps))


@mutant("09.2", stage="reference", says="torch.fake_quantize_per_channel_affine")
def looks_at_the_first_hundred(w, bits):
    most, flat = 2 ** (bits - 1) - 1, w.reshape(len(w), -1)
    steps = np.abs(flat[:, :100]).max(axis=1) / most * 0.9 if flat.shape[1] > 100 else np.abs(flat).max(axis=1) / most
    steps[steps == 0] = 1
    return np.clip(np.round(flat / steps[:, None]), -most, most).reshape(w.shape).astype(np.int8), steps.astype(
        np.float32)


# ---------------------------------------------------------------------------------------------- 09.3


def told(counts, n, levels, beyond=True):
    """p and q of a grid that ends after n bins."""
    inside, p = counts[:n].astype(float), counts[:n].astype(float)
    p[-1] += beyond * counts[n:].sum()
    level = np.arange(n) * levels // n
    shared = np.bincount(level, inside) / np.maximum(np.bincount(level, p > 0), 1)
    return p, np.where(p > 0, shared[level], 0)


def least(divergences, levels):
    divergences = np.nan_to_num(divergences, nan=np.inf)
    return levels + int(np.argmin(divergences))


@mutant("09.3", stage="edges", says="either p has forgotten what was clipped")
def clipped_values_dropped(counts, levels):
    with np.errstate(all="ignore"):
        return least([entropy(*told(counts, n, levels, False)) for n in range(levels, len(counts) + 1)], levels)


@mutant("09.3", stage="edges", says="either p has forgotten what was clipped")
def grid_that_knows_what_it_clipped(counts, levels):
    D = []
    for n in range(levels, len(counts) + 1):
        p = counts[:n].astype(float)
        p[-1] += counts[n:].sum()
        q = told(p, n, levels)[1]
        with np.errstate(all="ignore"):
            D.append(entropy(p, q))
    return least(D, levels)


@mutant("09.3", stage="properties", says="the other way round, of q from p")
def of_q_from_p(counts, levels):
    with np.errstate(all="ignore"):
        D = []
        for n in range(levels, len(counts) + 1):
            p, q = told(counts, n, levels)
            D.append(entropy(q, p) if q.any() and not (q[p > 0] == 0).all() else np.inf)
        return least(D, levels)


@mutant("09.3", stage="edges", says="Which of several equal ones do you take?")
def the_last_of_equal_ones(counts, levels):
    with np.errstate(all="ignore"):
        D = np.nan_to_num([entropy(*told(counts, n, levels)) for n in range(levels, len(counts) + 1)], nan=np.inf)
    return len(counts) - int(np.argmin(D[::-1]))


@mutant("09.3", stage="edges", says="as by min-max")
def as_far_as_the_largest(counts, levels):
    return max(levels, int(np.flatnonzero(counts)[-1]) + 1)


@mutant("09.3", stage="edges", says="Is the last bin of the histogram among those that you try?")
def without_the_whole_range(counts, levels):
    with np.errstate(all="ignore"):
        return least([entropy(*told(counts, n, levels)) for n in range(levels, max(levels + 1, len(counts)))], levels)


@mutant("09.3", stage="reference", says="scipy.stats.entropy")
def counts_of_sixteen_bits(counts, levels):
    small = counts.astype(np.int16).astype(float)
    with np.errstate(all="ignore"):
        return least([entropy(*np.abs(told(small, n, levels))) for n in range(levels, len(counts) + 1)], levels)


@mutant("09.3", stage="edges", says="so it ends between the two")
def number_of_the_last_bin(counts, levels):
    with np.errstate(all="ignore"):
        return least([entropy(*told(counts, n, levels)) for n in range(levels, len(counts) + 1)], 0)


# ---------------------------------------------------------------------------------------------- 09.4


def both(x, scale, lowest, highest, gradient, passes):
    k = np.round(x / np.float32(scale))
    y = np.float32(scale) * np.clip(k, lowest, highest)
    return y.astype(np.float32), (gradient * passes(k)).astype(np.float32)


@mutant("09.4", stage="edges", says="Your gradient is that of the staircase itself")
def the_honest_gradient(x, scale, lowest, highest, gradient):
    return both(x, scale, lowest, highest, gradient, lambda k: 0)


@mutant("09.4", stage="edges", says="Your gradient goes through everywhere")
def never_stopped(x, scale, lowest, highest, gradient):
    return both(x, scale, lowest, highest, gradient, lambda k: 1)


@mutant("09.4", stage="edges", says="You stop the gradient at the outermost levels too")
def strictly_within(x, scale, lowest, highest, gradient):
    return both(x, scale, lowest, highest, gradient, lambda k: (k > lowest) & (k < highest))


@mutant("09.4", stage="edges", says="before it is rounded")
def compared_before_rounding(x, scale, lowest, highest, gradient):
    inside = (x >= scale * lowest) & (x <= scale * highest)
    return both(x, scale, lowest, highest, gradient, lambda k: inside)


@mutant("09.4", stage="edges", says="Does the gradient depend on the sign of x?")
def as_a_relu(x, scale, lowest, highest, gradient):
    return both(x, scale, lowest, highest, gradient, lambda k: (k >= lowest) & (k <= highest) & (k != 0))


@mutant("09.4", stage="edges", says="without dividing it by the step")
def ends_in_the_wrong_unit(x, scale, lowest, highest, gradient):
    inside = (x >= lowest) & (x <= highest)
    return both(x, scale, lowest, highest, gradient, lambda k: inside)


@mutant("09.4", stage="properties", says="Backward, for a grid from")
def clips_the_gradient(x, scale, lowest, highest, gradient):
    gentle = np.clip(gradient, -5, 5)
    return both(x, scale, lowest, highest, gentle, lambda k: (k >= lowest) & (k <= highest))


@mutant("09.4", stage="reference", says="torch.fake_quantize_per_tensor_affine")
def leaves_the_lowest_out(x, scale, lowest, highest, gradient):
    return both(x, scale, max(lowest, -127), highest, gradient, lambda k: (k >= lowest) & (k <= highest))


@mutant("09.4", stage="output", says="expected two: `y, back`")
def only_forward(x, scale, lowest, highest, gradient):
    return both(x, scale, lowest, highest, gradient, lambda k: 1)[0]


# ---------------------------------------------------------------------------------------------- 09.5


def apart(stays, layers):
    parts = np.split(stays, np.cumsum([layer.size for layer in layers])[:-1])
    return [part.reshape(layer.shape) for part, layer in zip(parts, layers, strict=True)]


def first_of(sizes, share, layers):
    stays = np.ones(len(sizes), bool)
    stays[np.argsort(sizes, kind="stable")[: round(share * len(sizes))]] = False
    return apart(stays, layers)


def row(layers):
    return np.concatenate([layer.ravel() for layer in layers])


@mutant("09.5", stage="output", says="are left out, expected")
def each_layer_by_itself(layers, share):
    return [mask for layer in layers for mask in first_of(np.abs(layer).ravel(), share, [layer])]


@mutant("09.5", stage="edges", says="You sort by the weights themselves")
def lowest_first(layers, share):
    return first_of(row(layers), share, layers)


@mutant("09.5", stage="output", says="are left out, expected")
def above_a_quantile(layers, share):
    limit = np.quantile(np.abs(row(layers)), share)
    return [np.abs(layer) > limit for layer in layers]


@mutant("09.5", stage="output", says="are left out, expected")
def what_goes_is_true(layers, share):
    return [~mask for mask in first_of(np.abs(row(layers)), share, layers)]


@mutant("09.5", stage="edges", says="Of equal ones those go that stand first")
def equal_ones_from_the_end(layers, share):
    sizes = np.abs(row(layers))[::-1]
    stays = np.ones(len(sizes), bool)
    stays[np.argsort(sizes, kind="stable")[: round(share * len(sizes))]] = False
    return apart(stays[::-1], layers)


@mutant("09.5", stage="properties", says="Do you compare within each layer, or over all?")
def by_the_layers_largest(layers, share):
    sizes = np.concatenate([(np.abs(layer) / max(np.abs(layer).max(), 1e-9)).ravel() for layer in layers])
    return first_of(sizes, share, layers)


@mutant("09.5", stage="reference", says="torch.nn.utils.prune.global_unstructured")
def in_half_precision(layers, share):
    return first_of(np.abs(row(layers)).astype(np.float16), share, layers)


@mutant("09.5", stage="output", says="expected a list of 2 masks")
def one_long_mask(layers, share):
    sizes = np.abs(row(layers))
    return first_of(sizes, share, [sizes])


@mutant("09.5", stage="output", says="expected bool")
def weights_in_place_of_masks(layers, share):
    return [layer * mask for layer, mask in zip(layers, first_of(np.abs(row(layers)), share, layers), strict=True)]


# ---------------------------------------------------------------------------------------------- 09.6


def lesson(student, teacher, labels, temperature, alpha, log_p=None, log_q=None, squared=True):
    log_p = log_softmax(teacher / temperature, axis=1) if log_p is None else log_p
    log_q = log_softmax(student / temperature, axis=1) if log_q is None else log_q
    missed = -log_softmax(student, axis=1)[np.arange(len(labels)), labels]
    told = np.sum(np.exp(log_p) * (log_p - log_q), axis=1) * (temperature**2 if squared else 1)
    return float(np.mean(alpha * told + (1 - alpha) * missed))


@mutant("09.6", stage="edges", says="T² is missing")
def not_squared(student, teacher, labels, temperature, alpha):
    return lesson(student, teacher, labels, temperature, alpha, squared=False)


@mutant("09.6", stage="edges", says="the student's probability stands before the logarithm")
def student_before_the_logarithm(student, teacher, labels, temperature, alpha):
    log_p, log_q = (log_softmax(logits / temperature, axis=1) for logits in (student, teacher))
    return lesson(student, teacher, labels, temperature, alpha, log_p, log_q)


@mutant("09.6", stage="edges", says="you return nan")
def logarithm_of_the_softmax(student, teacher, labels, temperature, alpha):
    with np.errstate(all="ignore"):
        p, q, r = (softmax(logits, axis=1) for logits in (teacher / temperature, student / temperature, student))
        told = temperature**2 * np.sum(p * np.log(p / q), axis=1)
        return float(np.mean(alpha * told - (1 - alpha) * np.log(r[np.arange(len(labels)), labels])))


@mutant("09.6", stage="edges", says="Do you take the logarithm of a probability that has become 0?")
def a_little_added_to_the_softmax(student, teacher, labels, temperature, alpha):
    p, q = (softmax(logits / temperature, axis=1) + 1e-12 for logits in (teacher, student))
    return lesson(student, teacher, labels, temperature, alpha, np.log(p), np.log(q))


@mutant("09.6", stage="properties", says="The temperature softens the labels' part too")
def soft_labels(student, teacher, labels, temperature, alpha):
    told = lesson(student, teacher, labels, temperature, 1.0)
    missed = -log_softmax(student / temperature, axis=1)[np.arange(len(labels)), labels].mean()
    return float(alpha * told + (1 - alpha) * missed)


@mutant("09.6", stage="reference", says="`kl_div` and `cross_entropy`")
def the_teachers_five_best(student, teacher, labels, temperature, alpha):
    log_p, log_q = (log_softmax(logits / temperature, axis=1) for logits in (teacher, student))
    best = np.argsort(-log_p, axis=1, kind="stable")[:, :5]
    told = np.sum(np.take_along_axis(np.exp(log_p) * (log_p - log_q), best, 1), axis=1)
    missed = -log_softmax(student, axis=1)[np.arange(len(labels)), labels]
    return float(max(np.mean(alpha * temperature**2 * told + (1 - alpha) * missed), 0))


@mutant("09.6", stage="output", says="expected one number")
def one_for_each_clip(student, teacher, labels, temperature, alpha):
    return np.array([lesson(*(x[i : i + 1] for x in (student, teacher, labels)), temperature, alpha)
                     for i in range(len(labels))])


@mutant("09.6", stage="edges", says="The shares are exchanged")
def alpha_for_the_labels(student, teacher, labels, temperature, alpha):
    return lesson(student, teacher, labels, temperature, 1 - alpha)
