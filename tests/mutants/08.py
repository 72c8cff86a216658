"""Wrong answers of chapter 08, each a misconception, with the stage and the words that must reject it."""

import itertools

import numpy as np
import scipy.ndimage
import torch

from mutants import mutant

# ---------------------------------------------------------------------------------------------- 08.1


def centred(x):
    return x - x.mean(axis=-1, keepdims=True)


def dot(a, b):
    return np.einsum("...n,...n->...", a, b)


def decibels(power, other):
    """10 log10 of a ratio of powers, -inf where there is none."""
    with np.errstate(all="ignore"):
        return np.where(power > 0, 10 * np.log10(power / other), -np.inf)


def projected(e, s):
    """What of e looks like s, and what does not."""
    part = (dot(e, s) / dot(s, s))[..., None] * s
    return part, e - part


@mutant("08.1", stage="edges", says="You compare with the target as it is")
def plain_snr(estimate, target):
    e, s = centred(estimate), centred(target)
    return decibels(dot(s, s), dot(e - s, e - s))


@mutant("08.1", stage="edges", says="expected −∞: nothing in it is the target")
def estimate_scaled(estimate, target):
    e, s = centred(estimate), centred(target)
    _, rest = projected(s, np.where(dot(e, e)[..., None] > 0, e, 1.0))
    return decibels(dot(s, s), dot(rest, rest))


@mutant("08.1", stage="output", says="NaN")
def log_of_amplitudes(estimate, target):
    part, rest = projected(centred(estimate), centred(target))
    with np.errstate(all="ignore"):
        return 20 * np.log10(part.sum(axis=-1) / rest.sum(axis=-1))


@mutant("08.1", stage="edges", says="NaN")
def silence_unasked(estimate, target):
    part, rest = projected(centred(estimate), centred(target))
    with np.errstate(all="ignore"):
        return 10 * np.log10(dot(part, part) / dot(rest, rest))


@mutant("08.1", stage="edges", says="the ratios were made")
def twice_the_decibels(estimate, target):
    part, rest = projected(centred(estimate), centred(target))
    return 2 * decibels(dot(part, part), dot(rest, rest))


@mutant("08.1", stage="edges", says="The means are not taken away")
def offsets_count(estimate, target):
    part, rest = projected(estimate, target)
    return decibels(dot(part, part), dot(rest, rest))


@mutant("08.1", stage="output", says="the shape of your output is")
def one_for_the_batch_of_signals(estimate, target):
    part, rest = projected(centred(estimate), centred(target))
    return decibels((part**2).sum(), (rest**2).sum())


@mutant("08.1", stage="edges", says="expected infinity, or 100 dB at least")
def guarded_by_a_small_number(estimate, target):
    part, rest = projected(centred(estimate), centred(target))
    return 10 * np.log10((dot(part, part) + 1e-8) / (dot(rest, rest) + 1e-8))


@mutant("08.1", stage="edges", says="One α serves the whole batch")
def common_scale(estimate, target):
    e, s = centred(estimate), centred(target)
    part = (e * s).sum() / (s * s).sum() * s
    return decibels(dot(part, part), dot(e - part, e - part))


@mutant("08.1", stage="properties", says="With the estimate turned over the ratio stays 7 dB")
def polarity_counts(estimate, target):
    e, s = centred(estimate), centred(target)
    part = np.maximum(dot(e, s) / dot(s, s), 0)[..., None] * s
    return decibels(dot(part, part), dot(e - part, e - part))


@mutant("08.1", stage="reference", says="agree with what `numpy.linalg.lstsq` leaves")
def at_most_100_decibels(estimate, target):
    part, rest = projected(centred(estimate), centred(target))
    return np.minimum(decibels(dot(part, part), dot(rest, rest)), 100.0)


# ---------------------------------------------------------------------------------------------- 08.2


def with_power(X, power):
    """Another power with the phase of X."""
    return np.sqrt(power) * np.exp(1j * np.angle(X))


def left_over(X, N, over, floor):
    P = np.abs(X) ** 2
    return np.minimum(np.maximum(P - over * N[:, None], floor * N[:, None]), P)


@mutant("08.2", stage="edges", says="You subtract magnitudes")
def boll(X, noise_power, over=2.0, floor=0.02):
    N = noise_power[:, None]
    left = np.maximum(np.maximum(np.abs(X) - over * np.sqrt(N), 0), np.sqrt(floor * N))
    return np.minimum(left, np.abs(X)) * np.exp(1j * np.angle(X))


@mutant("08.2", stage="edges", says="Your gain is that of the power")
def wiener_like(X, noise_power, over=2.0, floor=0.02):
    P = np.abs(X) ** 2
    return left_over(X, noise_power, over, floor) / np.maximum(P, 1e-300) * X


@mutant("08.2", stage="output", says="Without phases there is no way back")
def magnitudes_alone(X, noise_power, over=2.0, floor=0.02):
    return np.sqrt(left_over(X, noise_power, over, floor))


@mutant("08.2", stage="output", says="nothing should become stronger than it was")
def floor_above_the_signal(X, noise_power, over=2.0, floor=0.02):
    N = noise_power[:, None]
    return with_power(X, np.maximum(np.abs(X) ** 2 - over * N, floor * N + 0 * np.abs(X)))


@mutant("08.2", stage="output", says="NaN")
def root_of_what_is_negative(X, noise_power, over=2.0, floor=0.02):
    with np.errstate(all="ignore"):
        return X * np.sqrt((np.abs(X) ** 2 - over * noise_power[:, None]) / np.abs(X) ** 2)


@mutant("08.2", stage="edges", says="For silence, and a noise of power 0")
def zero_by_zero(X, noise_power, over=2.0, floor=0.02):
    with np.errstate(all="ignore"):
        return X * np.sqrt(left_over(X, noise_power, over, floor) / np.abs(X) ** 2)


@mutant("08.2", stage="edges", says="There is no floor")
def cut_at_zero(X, noise_power, over=2.0, floor=0.02):
    return with_power(X, np.clip(np.abs(X) ** 2 - over * noise_power[:, None], 0, None))


@mutant("08.2", stage="edges", says="Your floor is a part of the noisy power")
def floor_of_what_was_there(X, noise_power, over=2.0, floor=0.02):
    P = np.abs(X) ** 2
    return with_power(X, np.maximum(P - over * noise_power[:, None], floor * P))


@mutant("08.2", stage="edges", says="What would become negative you turn into its positive")
def absolute_value(X, noise_power, over=2.0, floor=0.02):
    P = np.abs(X) ** 2
    return with_power(X, np.minimum(np.abs(P - over * noise_power[:, None]), P))


@mutant("08.2", stage="runs", says="ValueError")
def noise_along_time(X, noise_power, over=2.0, floor=0.02):
    return with_power(X, left_over(X.T, noise_power, over, floor).T)


@mutant("08.2", stage="properties", says="each bin loses twice its own noise")
def noise_along_whatever_fits(X, noise_power, over=2.0, floor=0.02):
    if X.shape[1] == len(noise_power):
        return with_power(X, left_over(X.T, noise_power, over, floor).T)
    return with_power(X, left_over(X, noise_power, over, floor))


@mutant("08.2", stage="edges", says="X should stay as it is")
def phase_without_a_sign(X, noise_power, over=2.0, floor=0.02):
    return np.sqrt(left_over(X, noise_power, over, floor)) * np.exp(1j * np.abs(np.angle(X)))


@mutant("08.2", stage="edges", says="The noise is subtracted once, whatever `over` is")
def once(X, noise_power, over=2.0, floor=0.02):
    return with_power(X, left_over(X, noise_power, 1.0, floor))


@mutant("08.2", stage="reference", says="agree with the formula")
def guarded_below_the_line(X, noise_power, over=2.0, floor=0.02):
    return X * np.sqrt(left_over(X, noise_power, over, floor) / (np.abs(X) ** 2 + 1e-10))


# ---------------------------------------------------------------------------------------------- 08.3


def adapt(noisy, reference, order, rate, window=lambda x, n, K: [x[n - k] if n >= k else 0.0 for k in range(K)],
          decay=1.0, start=0):
    """NLMS by lists; `rate` says the step from a window's power."""
    w, out = np.zeros(order), np.array(noisy, float)
    for n in range(start, len(noisy)):
        u = np.array(window(reference, n, order))
        out[n] = noisy[n] - np.dot(w, u)
        w = decay * w + rate(np.sum(u * u)) * out[n] * u
    return out, w


@mutant("08.3", stage="edges", says="that is plain LMS")
def lms(noisy, reference, order, mu=0.5, eps=1e-6):
    return adapt(noisy, reference, order, lambda power: mu)


@mutant("08.3", stage="edges", says="You divide by the root of the power")
def by_the_norm(noisy, reference, order, mu=0.5, eps=1e-6):
    return adapt(noisy, reference, order, lambda power: mu / (eps + power**0.5))


@mutant("08.3", stage="edges", says="You divide by the mean power in the window")
def by_the_mean(noisy, reference, order, mu=0.5, eps=1e-6):
    return adapt(noisy, reference, order, lambda power: mu / (eps + power / order))


@mutant("08.3", stage="edges", says="weight 0 belongs to the oldest sample")
def convolution_forgotten(noisy, reference, order, mu=0.5, eps=1e-6):
    cleaned, w = adapt(noisy, reference, order, lambda power: mu / (eps + power))
    return cleaned, w[::-1].copy()


@mutant("08.3", stage="edges", says="The present sample of the reference is not in your window")
def only_the_past(noisy, reference, order, mu=0.5, eps=1e-6):
    def window(x, n, K):
        return [x[n - 1 - k] if n - 1 >= k else 0.0 for k in range(K)]

    return adapt(noisy, reference, order, lambda power: mu / (eps + power), window)


@mutant("08.3", stage="edges", says="You compute the error again after the step")
def a_posteriori(noisy, reference, order, mu=0.5, eps=1e-6):
    w, out = np.zeros(order), []
    for n in range(len(noisy)):
        u = np.array([reference[n - k] if n >= k else 0.0 for k in range(order)])
        w = w + mu * (noisy[n] - w @ u) * u / (eps + u @ u)
        out.append(noisy[n] - w @ u)
    return np.array(out), w


@mutant("08.3", stage="edges", says="You return what the filter predicts")
def predicted(noisy, reference, order, mu=0.5, eps=1e-6):
    cleaned, w = adapt(noisy, reference, order, lambda power: mu / (eps + power))
    return noisy - cleaned, w


@mutant("08.3", stage="edges", says="With three samples and six weights")
def window_goes_round(noisy, reference, order, mu=0.5, eps=1e-6):
    def window(x, n, K):
        return [x[(n - k) % len(x)] for k in range(K)]

    return adapt(noisy, reference, order, lambda power: mu / (eps + power), window)


@mutant("08.3", stage="edges", says="With three samples and six weights")
def begins_when_the_window_is_full(noisy, reference, order, mu=0.5, eps=1e-6):
    return adapt(noisy, reference, order, lambda power: mu / (eps + power), start=order - 1)


@mutant("08.3", stage="properties", says="`eps` is not in your step")
def without_eps(noisy, reference, order, mu=0.5, eps=1e-6):
    return adapt(noisy, reference, order, lambda power: mu / power if power else 0.0)


@mutant("08.3", stage="edges", says="You step up the slope")
def wrong_sign(noisy, reference, order, mu=0.5, eps=1e-6):
    return adapt(noisy, reference, order, lambda power: -mu / (eps + power))


@mutant("08.3", stage="edges", says="The first sample of all comes out as it went in")
def two_passes(noisy, reference, order, mu=0.5, eps=1e-6):
    w = adapt(noisy, reference, order, lambda power: mu / (eps + power))[1]
    return noisy - np.convolve(reference, w)[: len(noisy)], w


@mutant("08.3", stage="reference", says="down the slope that `torch.autograd` finds")
def leaky(noisy, reference, order, mu=0.5, eps=1e-6):
    return adapt(noisy, reference, order, lambda power: mu / (eps + power) if power else 0.0, decay=1 - 1e-5)


@mutant("08.3", stage="output", says="expected two: `cleaned, weights`")
def cleaned_alone(noisy, reference, order, mu=0.5, eps=1e-6):
    return adapt(noisy, reference, order, lambda power: mu / (eps + power))[0]


@mutant("08.3", stage="output", says="Your cleaned: shape")
def convolution_with_a_tail(noisy, reference, order, mu=0.5, eps=1e-6):
    cleaned, w = adapt(noisy, reference, order, lambda power: mu / (eps + power))
    return np.append(cleaned, np.zeros(order - 1)), w


# ---------------------------------------------------------------------------------------------- 08.4


def medians(S, width, height):
    """Both medians, with windows cut out of a mirrored picture."""
    a, b = height // 2, width // 2
    rows = np.pad(S, ((0, 0), (b, b)), mode="symmetric")
    columns = np.pad(S, ((a, a), (0, 0)), mode="symmetric")
    cut = np.lib.stride_tricks.sliding_window_view
    return np.median(cut(rows, width, axis=1), axis=-1), np.median(cut(columns, height, axis=0), axis=-1)


def shared(H, P):
    """Parts of a whole; halves where there is nothing."""
    total = H + P
    part = np.where(total > 0, H / np.where(total > 0, total, 1), 0.5)
    return part, 1 - part


@mutant("08.4", stage="edges", says="Your masks are exchanged")
def percussive_first(S, width=17, height=17, power=2.0):
    H, P = medians(S, width, height)
    return shared(P**power, H**power)


@mutant("08.4", stage="edges", says="Width and height are exchanged")
def sizes_the_other_way(S, width=17, height=17, power=2.0):
    H, P = medians(S, height, width)
    return shared(H**power, P**power)


@mutant("08.4", stage="edges", says="You take means")
def running_means(S, width=17, height=17, power=2.0):
    H = scipy.ndimage.uniform_filter1d(S, width, axis=1)
    P = scipy.ndimage.uniform_filter1d(S, height, axis=0)
    return shared(H**power, P**power)


@mutant("08.4", stage="edges", says="Beyond the border you assume silence")
def zeros_beyond(S, width=17, height=17, power=2.0):
    H = scipy.ndimage.median_filter(S, size=(1, width), mode="constant")
    P = scipy.ndimage.median_filter(S, size=(height, 1), mode="constant")
    return shared(H**power, P**power)


@mutant("08.4", stage="reference", says="Beyond the border you hold the outermost value")
def edge_held(S, width=17, height=17, power=2.0):
    H = scipy.ndimage.median_filter(S, size=(1, width), mode="nearest")
    P = scipy.ndimage.median_filter(S, size=(height, 1), mode="nearest")
    return shared(H**power, P**power)


@mutant("08.4", stage="reference", says="Your mirror stands on the outermost value")
def other_mirror(S, width=17, height=17, power=2.0):
    H = scipy.ndimage.median_filter(S, size=(1, width), mode="mirror")
    P = scipy.ndimage.median_filter(S, size=(height, 1), mode="mirror")
    return shared(H**power, P**power)


@mutant("08.4", stage="output", says="goes from")
def pictures_in_place_of_masks(S, width=17, height=17, power=2.0):
    H, P = medians(S, width, height)
    return tuple(10 * S * mask for mask in shared(H**power, P**power))


@mutant("08.4", stage="output", says="your two masks add up to")
def each_by_the_picture(S, width=17, height=17, power=2.0):
    H, P = medians(S, width, height)
    return H / (H + S + 1e-12), P / (P + S + 1e-12)


@mutant("08.4", stage="edges", says="NaN")
def nothing_by_nothing(S, width=17, height=17, power=2.0):
    H, P = medians(S, width, height)
    with np.errstate(all="ignore"):
        mask = H**power / (H**power + P**power)
    return mask, 1 - mask


@mutant("08.4", stage="edges", says="The power is 2, whatever `power` is")
def squares(S, width=17, height=17, power=2.0):
    H, P = medians(S, width, height)
    return shared(H**2, P**2)


@mutant("08.4", stage="properties", says="The power is 1, whatever `power` is")
def no_power(S, width=17, height=17, power=2.0):
    return shared(*medians(S, width, height))


@mutant("08.4", stage="edges", says="You raise the mask to the power")
def raised_mask(S, width=17, height=17, power=2.0):
    H, P = medians(S, width, height)
    mask = shared(H, P)[0] ** power
    return mask, 1 - mask


@mutant("08.4", stage="edges", says="Your masks are 0 or 1")
def binary(S, width=17, height=17, power=2.0):
    H, P = medians(S, width, height)
    mask = np.select([H > P, H < P], [1.0, 0.0], 0.5)
    return mask, 1 - mask


@mutant("08.4", stage="properties", says="the masks should stay what they are")
def small_number_added(S, width=17, height=17, power=2.0):
    H, P = medians(S, width, height)
    return shared(H**power + 1e-10, P**power + 1e-10)


# ---------------------------------------------------------------------------------------------- 08.5


def ratio_of(V, W, H):
    return V / np.clip(W @ H, 1e-12, None)


def new_w(V, W, H):
    return W * np.einsum("ft,kt->fk", ratio_of(V, W, H), H) / np.clip(H.sum(axis=1), 1e-12, None)


def new_h(V, W, H):
    return H * np.einsum("ft,fk->kt", ratio_of(V, W, H), W) / np.clip(W.sum(axis=0), 1e-12, None)[:, None]


@mutant("08.5", stage="edges", says="H is updated with the old W")
def both_at_once(V, W, H):
    return new_w(V, W, H), new_h(V, W, H)


@mutant("08.5", stage="edges", says="For V = [[6]], W = [[2]] and H = [[1]]")
def h_before_w(V, W, H):
    H = new_h(V, W, H)
    return new_w(V, W, H), H


@mutant("08.5", stage="edges", says="For a silent V, the product should be silent")
def added_not_multiplied(V, W, H):
    W = np.maximum(W + 0.1 * (V - W @ H) @ H.T, 0)
    return W, np.maximum(H + 0.1 * W.T @ (V - W @ H), 0)


@mutant("08.5", stage="edges", says="NaN")
def nothing_guarded(V, W, H):
    with np.errstate(all="ignore"):
        W = W * ((V / (W @ H)) @ H.T) / H.sum(axis=1)
        return W, H * (W.T @ (V / (W @ H))) / W.sum(axis=0)[:, None]


@mutant("08.5", stage="edges", says="Your divisors are missing")
def numerators_alone(V, W, H):
    W = W * (ratio_of(V, W, H) @ H.T)
    return W, H * (W.T @ ratio_of(V, W, H))


@mutant("08.5", stage="edges", says="You divide W H by V")
def inverted(V, W, H):
    def ratio(W, H):
        return (W @ H).clip(1e-12) / V.clip(1e-12)

    W = W * (ratio(W, H) @ H.T) / H.sum(axis=1).clip(1e-12)
    return W, H * (W.T @ ratio(W, H)) / W.sum(axis=0).clip(1e-12)[:, None]


@mutant("08.5", stage="properties", says="You use the updates for the squared distance")
def euclidean(V, W, H):
    W = W * (V @ H.T) / (W @ (H @ H.T)).clip(1e-12)
    return W, H * (W.T @ V) / ((W.T @ W) @ H).clip(1e-12)


@mutant("08.5", stage="edges", says="You replace the factors")
def not_multiplied(V, W, H):
    W = (ratio_of(V, W, H) @ H.T) / H.sum(axis=1).clip(1e-12)
    return W, (W.T @ ratio_of(V, W, H)) / W.sum(axis=0).clip(1e-12)[:, None]


@mutant("08.5", stage="runs", says="changes its argument")
def in_place(V, W, H):
    W *= (ratio_of(V, W, H) @ H.T) / H.sum(axis=1).clip(1e-12)
    H *= (W.T @ ratio_of(V, W, H)) / W.sum(axis=0).clip(1e-12)[:, None]
    return W, H


@mutant("08.5", stage="edges", says="You update the templates alone")
def half_of_it(V, W, H):
    return new_w(V, W, H), H.copy()


@mutant("08.5", stage="edges", says="You make the templates sum to 1")
def unit_templates(V, W, H):
    W = new_w(V, W, H)
    H = new_h(V, W, H)
    return W / W.sum(axis=0).clip(1e-12), H


@mutant("08.5", stage="output", says="nothing may be negative")
def gradient_step(V, W, H):
    W = W + (V - W @ H) @ H.T
    return W, H + W.T @ (V - W @ H)


@mutant("08.5", stage="properties", says="Entries that are 0 are multiplied and should stay 0")
def lifted_off_zero(V, W, H):
    W = new_w(V, W, H)
    H = new_h(V, W, H)
    return np.maximum(W, 1e-9), np.maximum(H, 1e-9)


@mutant("08.5", stage="reference", says="the product has to be that of scikit-learn")
def guard_that_is_added(V, W, H):
    def step(x):
        return x + 1e-7

    W = W * ((V / step(W @ H)) @ H.T) / H.sum(axis=1).clip(1e-12)
    return W, H * (W.T @ (V / step(W @ H))) / W.sum(axis=0).clip(1e-12)[:, None]


# ---------------------------------------------------------------------------------------------- 08.6


def by_hand(estimates, sources, choose=min, orders=itertools.permutations, average=True):
    """Clip by clip and order by order."""
    losses, chosen = [], []
    for e, s in zip(estimates, sources, strict=True):
        tried = []
        for order in orders(range(len(s))):
            costs = torch.stack([((e[i] - s[j]) ** 2).mean() for j, i in enumerate(order)])
            tried.append((costs.mean() if average else costs.sum(), list(order)))
        loss, order = choose(tried, key=lambda one: float(one[0]))
        losses.append(loss)
        chosen.append(order)
    return torch.stack(losses), torch.tensor(chosen)


def rotations(numbers):
    return [[*numbers[i:], *numbers[:i]] for i in range(len(numbers))]


@mutant("08.6", stage="edges", says="One order serves the whole batch")
def batch_order(estimates, sources):
    orders = list(itertools.permutations(range(sources.shape[1])))
    each = torch.stack([((estimates[:, list(o)] - sources) ** 2).mean(dim=(1, 2)) for o in orders])
    best = int(each.mean(dim=1).argmin())
    return each[best], torch.tensor([orders[best]] * len(sources))


@mutant("08.6", stage="output", says="Your loss: shape []")
def mean_of_the_batch(estimates, sources):
    loss, order = by_hand(estimates, sources)
    return loss.mean(), order


@mutant("08.6", stage="edges", says="You charge the estimates in the order in which they come")
def fixed_order(estimates, sources):
    return by_hand(estimates, sources, choose=lambda tried, key: tried[0])


@mutant("08.6", stage="edges", says="You charge the dearest order")
def worst(estimates, sources):
    return by_hand(estimates, sources, choose=max)


@mutant("08.6", stage="output", says="in which not every estimate occurs once")
def nearest_each(estimates, sources):
    costs = torch.cdist(estimates, sources) ** 2 / sources.shape[2]
    found = costs.min(dim=1)
    return found[0].mean(dim=1), found[1]


@mutant("08.6", stage="properties", says="`order[b, j]` name the estimate of source j")
def source_of_each_estimate(estimates, sources):
    loss, order = by_hand(estimates, sources)
    return loss, order.argsort(dim=1)


@mutant("08.6", stage="edges", says="The costs of the sources are added up")
def sum_of_costs(estimates, sources):
    return by_hand(estimates, sources, average=False)


@mutant("08.6", stage="edges", says="the only order has the mean squared error")
def root_mean_square(estimates, sources):
    loss, order = by_hand(estimates, sources)
    return loss.sqrt(), order


@mutant("08.6", stage="properties", says="The gradient does not reach the estimates")
def through_numbers(estimates, sources):
    loss, order = by_hand(estimates.detach(), sources)
    return torch.tensor(loss.tolist()), order


@mutant("08.6", stage="properties", says="The slope for each sample should be")
def slope_of_the_mean(estimates, sources):
    loss, order = by_hand(estimates, sources)
    every = (estimates[:, :, None] - sources[:, None]).square().mean(dim=(1, 2, 3))
    return every + (loss - every).detach(), order


@mutant("08.6", stage="edges", says="Source 0 chooses first")
def first_come(estimates, sources):
    losses, orders = [], []
    for costs in ((estimates[:, :, None] - sources[:, None]) ** 2).mean(dim=-1):
        taken = []
        for j in range(len(costs)):                             # source by source, of what is left
            taken.append(min(set(range(len(costs))) - set(taken), key=lambda i, j=j: float(costs[i, j])))
        losses.append(costs[taken, range(len(costs))].mean())
        orders.append(taken)
    return torch.stack(losses), torch.tensor(orders)


@mutant("08.6", stage="properties", says="Which orders are tried?")
def only_shifts(estimates, sources):
    return by_hand(estimates, sources, orders=rotations)


@mutant("08.6", stage="reference", says="agree with `scipy.optimize.linear_sum_assignment`")
def pairs_exchanged_while_it_helps(estimates, sources):
    losses, chosen = [], []
    for costs in ((estimates[:, :, None] - sources[:, None]) ** 2).mean(dim=-1):
        n = len(costs)
        order, helps = list(range(n)), True
        while helps:                                            # stops where no single exchange is cheaper
            helps = False
            for a, b in itertools.combinations(range(n), 2):
                other = order.copy()
                other[a], other[b] = order[b], order[a]
                if costs[other, range(n)].sum() < costs[order, range(n)].sum():
                    order, helps = other, True
        losses.append(costs[order, range(n)].mean())
        chosen.append(order)
    return torch.stack(losses), torch.tensor(chosen)


@mutant("08.6", stage="output", says="expected two: `loss, order`")
def loss_alone(estimates, sources):
    return by_hand(estimates, sources)[0]


@mutant("08.6", stage="output", says="Your order: type torch.float32")
def order_as_floats(estimates, sources):
    loss, order = by_hand(estimates, sources)
    return loss, order.float()
