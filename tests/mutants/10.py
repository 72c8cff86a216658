"""Wrong answers of chapter 10, each a misconception, with the stage and the words that must reject it."""

import math
import time

import numpy as np
import torch
from torch import nn

from mutants import mutant

# ---------------------------------------------------------------------------------------------- 10.1

COUNTED = nn.Linear | nn.Conv1d | nn.Conv2d


def watched(model, x, cost, layers=None, come_off=True):
    """Costs of all calls, one after the other."""
    seen = []
    hooks = [layer.register_forward_hook(lambda layer, given, y: seen.append((layer, cost(layer, given[0], y))))
             for layer in (layers or model.modules()) if isinstance(layer, COUNTED)]
    with torch.no_grad():
        model(x)
    if come_off:
        for hook in hooks:
            hook.remove()
    return seen


def added(model, x, cost, **how):
    return sum(n for _, n in watched(model, x, cost, **how))


def by_shape(layer, x, y):
    return y.numel() * math.prod(layer.weight.shape[1:])


@mutant("10.1", stage="edges", says="You count weights")
def parameters(model, x):
    return added(model, x, lambda layer, x, y: layer.weight.numel())


@mutant("10.1", stage="edges", says="operations, of which a multiply-accumulate has two")
def flops(model, x):
    return added(model, x, lambda layer, x, y: 2 * by_shape(layer, x, y))


@mutant("10.1", stage="properties", says="Your sizes are those of the input")
def same_padding_assumed(model, x):
    def cost(layer, x, y):
        if isinstance(layer, nn.Linear):
            return x.numel() * layer.out_features
        return x.numel() * layer.out_channels * math.prod(layer.kernel_size) // layer.groups

    return added(model, x, cost)


@mutant("10.1", stage="properties", says="Each output reads all channels with you")
def dense(model, x):
    def cost(layer, x, y):
        if isinstance(layer, nn.Linear):
            return by_shape(layer, x, y)
        return y.numel() * layer.in_channels * math.prod(layer.kernel_size)

    return added(model, x, cost)


@mutant("10.1", stage="edges", says="You count biases")
def biases(model, x):
    return added(model, x, lambda layer, x, y: by_shape(layer, x, y) + y.numel())


@mutant("10.1", stage="edges", says="each of 3 · 5 · 4 outputs is a sum of 8 products")
def one_example(model, x):
    return added(model, x[:1], by_shape)


@mutant("10.1", stage="edges", says="The matrix of a Linear layer is used once with you")
def one_frame(model, x):
    def cost(layer, x, y):
        return len(y) * layer.weight.numel() if isinstance(layer, nn.Linear) else by_shape(layer, x, y)

    return added(model, x, cost)


@mutant("10.1", stage="edges", says="A layer that is called again is not counted again")
def last_call_of_each(model, x):
    return sum({id(layer): n for layer, n in watched(model, x, by_shape)}.values())


@mutant("10.1", stage="edges", says="You look at the outermost layers alone")
def outermost(model, x):
    return added(model, x, by_shape, layers=[*model.children()] or [nn.Identity()])


@mutant("10.1", stage="edges", says="Does each call count, and do layers that stay idle?")
def by_the_list_of_layers(model, x):
    called = dict(watched(model, x, by_shape))
    return sum(called.get(layer, layer.weight.numel()) for layer in model.modules() if isinstance(layer, COUNTED))


@mutant("10.1", stage="properties", says="Your kernel is a square")
def first_side_squared(model, x):
    def cost(layer, x, y):
        if isinstance(layer, nn.Linear):
            return by_shape(layer, x, y)
        return y.numel() * layer.weight.shape[1] * layer.kernel_size[0] ** (layer.weight.ndim - 2)

    return added(model, x, cost)


@mutant("10.1", stage="edges", says="Which kinds of layers are to be counted?")
def whatever_has_a_weight(model, x):
    seen = []
    hooks = [layer.register_forward_hook(lambda layer, x, y: seen.append(y.numel() * layer.weight[0].numel()))
             for layer in model.modules() if getattr(layer, "weight", None) is not None]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return sum(seen)


@mutant("10.1", stage="edges", says="hang on the layers of the model")
def hooks_left_hanging(model, x):
    return added(model, x, by_shape, come_off=False)


@mutant("10.1", stage="edges", says="Counted a second time")
def counter_on_the_layer(model, x):
    def add(layer, x, y):
        layer.total = getattr(layer, "total", 0) + by_shape(layer, x, y)

    hooks = [layer.register_forward_hook(add) for layer in model.modules() if isinstance(layer, COUNTED)]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return sum(getattr(layer, "total", 0) for layer in model.modules())


@mutant("10.1", stage="runs", says="RuntimeError")
def one_layer_after_the_other(model, x):
    total = 0
    for layer in model.modules():
        if isinstance(layer, COUNTED):
            with torch.no_grad():
                y = layer(x)
            total += by_shape(layer, x, y)
            x = y
    return total


@mutant("10.1", stage="output", says="expected a whole number from 0")
def in_millions(model, x):
    return added(model, x, by_shape) / 1e6


@mutant("10.1", stage="reference", says="half of the operations that `torch.autograd.profiler` reports")
def sizes_by_a_formula(model, x):
    def cost(layer, x, y):
        if isinstance(layer, nn.Linear):
            return by_shape(layer, x, y)
        sizes = [(n + 2 * pad - kernel) // layer.stride[0] + 1
                 for n, pad, kernel in zip(x.shape[2:], layer.padding, layer.kernel_size, strict=True)]
        return len(x) * layer.out_channels * math.prod(sizes) * math.prod(layer.weight.shape[1:])

    return added(model, x, cost)


# ---------------------------------------------------------------------------------------------- 10.2


def each(call, clock, repeats, warm_up):
    """Times of the calls that count."""
    for _ in range(warm_up):
        call()
    found = []
    for _ in range(repeats):
        before = clock()
        call()
        found.append(clock() - before)
    return found


def unknown(q, n):
    return q < 100 and n * (100 - q) < 100


def rank(found, q):
    return math.nan if unknown(q, len(found)) else sorted(found)[math.ceil(q * len(found) / 100 - 1e-9) - 1]


@mutant("10.2", stage="edges", says="The calls that warm up are measured too")
def all_of_them(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    found = each(call, clock, warm_up + repeats, 0)
    return np.array([rank(found, q) for q in qs])


@mutant("10.2", stage="edges", says="you made 4 calls, expected 2 to warm up and 4 that count")
def warm_up_within(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    found = each(call, clock, repeats, 0)[min(warm_up, repeats - 1):]
    found = [*found, *[found[-1]] * (repeats - len(found))]
    return np.array([rank(found, q) for q in qs])


@mutant("10.2", stage="edges", says="You do not warm up")
def at_once(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    found = each(call, clock, repeats, 0)
    return np.array([rank(found, q) for q in qs])


@mutant("10.2", stage="edges", says="You read the clock once for all calls")
def loop_by_its_number(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    for _ in range(warm_up):
        call()
    start = clock()
    for _ in range(repeats):
        call()
    mean = (clock() - start) / repeats
    return np.array([math.nan if unknown(q, repeats) else mean for q in qs])


@mutant("10.2", stage="edges", says="Your percentile lies between two calls")
def numpys_default(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    found = each(call, clock, repeats, warm_up)
    return np.array([math.nan if unknown(q, repeats) else np.percentile(found, q) for q in qs])


@mutant("10.2", stage="edges", says="You take the next slower call")
def ranks_from_zero(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    found = sorted(each(call, clock, repeats, warm_up))
    return np.array([math.nan if unknown(q, repeats) else found[min(math.ceil(q * repeats / 100), repeats - 1)]
                     for q in qs])


@mutant("10.2", stage="edges", says="You round the rank down")
def floor_of_the_rank(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    found = sorted(each(call, clock, repeats, warm_up))
    return np.array([math.nan if unknown(q, repeats) else found[max(q * repeats // 100, 1) - 1] for q in qs])


@mutant("10.2", stage="properties", says="Your times are not sorted")
def unsorted(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    found = each(call, clock, repeats, warm_up)
    return np.array([math.nan if unknown(q, repeats) else found[-(-q * repeats // 100) - 1] for q in qs])


@mutant("10.2", stage="edges", says="Your start is that of the first call")
def start_read_once(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    found = np.cumsum(each(call, clock, repeats, warm_up)).tolist()
    return np.array([rank(found, q) for q in qs])


@mutant("10.2", stage="edges", says="all of it was done in 0.25 s")
def clock_on_the_wall(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    found = each(call, time.perf_counter, repeats, warm_up)
    return np.array([rank(found, q) for q in qs])


@mutant("10.2", stage="edges", says="It would be the slowest of all")
def always_known(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    found = sorted(each(call, clock, repeats, warm_up))
    return np.array([found[-(-q * repeats // 100) - 1] for q in qs])


@mutant("10.2", stage="properties", says="the order in which they were asked for")
def small_to_large(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    found = each(call, clock, repeats, warm_up)
    return np.sort([rank(found, q) for q in qs])


@mutant("10.2", stage="properties", says="expected 0.5 s and a millisecond or two")
def readings_without_end(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    for _ in range(warm_up):
        call()
    found = []
    for _ in range(repeats):
        readings = [clock() for _ in range(20)]
        call()
        found.append(clock() - readings[0])
    return np.array([rank(found, q) for q in qs])


@mutant("10.2", stage="output", says="expected an array")
def a_dictionary(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    found = each(call, clock, repeats, warm_up)
    return {q: rank(found, q) for q in qs}


@mutant("10.2", stage="reference", says="Do you round the rank up?")
def rounded_to_the_nearest(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    found = sorted(each(call, clock, repeats, warm_up))
    return np.array([math.nan if unknown(q, repeats) else found[int(q * repeats / 100 + 0.5) - 1] for q in qs])


# ---------------------------------------------------------------------------------------------- 10.3


def walked(sizes, reads, in_place=False, keep=None):
    """Step by step, with a set of what exists."""
    exists, out = set(), []
    for step, read in enumerate(reads):
        exists.add(step)
        out.append(sum(int(sizes[j]) for j in exists if not (in_place and j != step and j in read and
                                                             not any(j in later for later in reads[step + 1:]))))
        exists = {j for j in exists if any(j in later for later in reads[step + 1:]) or (keep and keep(j))}
    return np.array(out)


@mutant("10.3", stage="properties", says="for a later step are missed")
def of_the_layer_alone(sizes, reads):
    return np.array([int(sizes[step]) + sum(int(sizes[j]) for j in {*read}) for step, read in enumerate(reads)])


@mutant("10.3", stage="edges", says="Nothing is ever freed with you")
def all_so_far(sizes, reads):
    return np.array([int(sizes[:step + 1].sum()) for step in range(len(sizes))])


@mutant("10.3", stage="edges", says="it would read and write in one place")
def in_place_of_its_input(sizes, reads):
    return walked(sizes, reads, in_place=True)


@mutant("10.3", stage="edges", says="it exists once")
def once_for_each_reading(sizes, reads):
    doubled = [sum(int(sizes[j]) for j in set(read)) * (len(read) > len(set(read))) for read in reads]
    return walked(sizes, reads) + np.array(doubled)


@mutant("10.3", stage="edges", says="A tensor that nobody reads stays to the end")
def orphans_kept(sizes, reads):
    read = {j for one in reads for j in one}
    return walked(sizes, reads, keep=lambda j: j not in read)


@mutant("10.3", stage="edges", says="The first reader frees a tensor")
def freed_by_the_first(sizes, reads):
    seen, own = set(), []
    for read in reads:
        own.append([j for j in read if j not in seen])
        seen |= set(read)
    return walked(sizes, own)


@mutant("10.3", stage="edges", says="Your tensors exist from the beginning")
def planned_from_the_start(sizes, reads):
    n = len(sizes)
    last = [max([step for step in range(n) if j in reads[step]], default=j) for j in range(n)]
    return np.array([sum(int(sizes[j]) for j in range(n) if step <= last[j]) for step in range(n)])


@mutant("10.3", stage="edges", says="Your tensors are freed a step too late")
def one_step_late(sizes, reads):
    n = len(sizes)
    last = [max([step for step in range(n) if j in reads[step]], default=j) + 1 for j in range(n)]
    return np.array([sum(int(sizes[j]) for j in range(step + 1) if step <= last[j]) for step in range(n)])


@mutant("10.3", stage="output", says="the tensor that is made there alone has")
def what_is_read(sizes, reads):
    return np.array([sum(int(sizes[j]) for j in set(read)) for read in reads])


@mutant("10.3", stage="output", says="expected an array")
def the_peak_alone(sizes, reads):
    return int(walked(sizes, reads).max())


@mutant("10.3", stage="output", says="expected whole numbers")
def in_kilobytes(sizes, reads):
    return walked(sizes, reads) / 1000


@mutant("10.3", stage="edges", says="The largest error is")
def peak_so_far(sizes, reads):
    return np.maximum.accumulate(walked(sizes, reads))


@mutant("10.3", stage="edges", says="nothing else ever exists")
def rounded_up_to_sixteen_bytes(sizes, reads):
    return walked(-(-sizes // 16) * 16, reads)


@mutant("10.3", stage="reference", says="agree with the bytes that `tracemalloc` sees")
def one_shortcut_at_a_time(sizes, reads):
    out = []
    for step, read in enumerate(reads):
        present = {step, *read}
        waiting = [int(sizes[j]) for j in range(step) if j not in present and any(j in one for one in reads[step:])]
        out.append(sum(int(sizes[j]) for j in present) + max(waiting, default=0))
    return np.array(out)


# ---------------------------------------------------------------------------------------------- 10.4


def queue(seconds, T):
    """When each block is done."""
    done = []
    for i, work in enumerate(seconds):
        begin = (i + 1) * T
        if done and done[-1] > begin:
            begin = done[-1]
        done.append(begin + work)
    return np.array(done)


def factor(seconds, T):
    return sum(seconds) / len(seconds) / T


def begins(seconds, T):
    return np.arange(len(seconds)) * T


@mutant("10.4", stage="edges", says="You forget that a block has to be full")
def since_it_is_full(seconds, block, sr):
    T = block / sr
    return factor(seconds, T), queue(seconds, T) - begins(seconds, T) - T


@mutant("10.4", stage="edges", says="When is a block full")
def two_blocks_to_fill(seconds, block, sr):
    T = block / sr
    return factor(seconds, T), queue(seconds, T) - begins(seconds, T) + T


@mutant("10.4", stage="properties", says="Each block is alone with you")
def a_processor_for_each(seconds, block, sr):
    return factor(seconds, block / sr), block / sr + np.asarray(seconds)


@mutant("10.4", stage="edges", says="as if blocks followed without a pause")
def never_a_pause(seconds, block, sr):
    T = block / sr
    return factor(seconds, T), T + np.cumsum(seconds) - begins(seconds, T)


@mutant("10.4", stage="edges", says="Your factor stands on its head")
def how_many_times_real_time(seconds, block, sr):
    T = block / sr
    return (1 / factor(seconds, T) if any(seconds) else 0.0), queue(seconds, T) - begins(seconds, T)


@mutant("10.4", stage="properties", says="Your factor is that of the slowest block")
def worst_case(seconds, block, sr):
    T = block / sr
    return max(seconds) / T, queue(seconds, T) - begins(seconds, T)


@mutant("10.4", stage="edges", says="divides the work of all blocks by the length of one")
def sum_by_one_block(seconds, block, sr):
    T = block / sr
    return sum(seconds) / T, queue(seconds, T) - begins(seconds, T)


@mutant("10.4", stage="edges", says="You work in samples")
def length_in_samples(seconds, block, sr):
    return factor(seconds, block), queue(seconds, block) - begins(seconds, block)


@mutant("10.4", stage="output", says="expected two: `rtf, latency`")
def factor_alone(seconds, block, sr):
    return factor(seconds, block / sr)


@mutant("10.4", stage="output", says="expected one for each of")
def the_worst_latency(seconds, block, sr):
    T = block / sr
    return factor(seconds, T), float((queue(seconds, T) - begins(seconds, T)).max())


@mutant("10.4", stage="edges", says="46 ms")
def whole_milliseconds(seconds, block, sr):
    T = block / sr
    return factor(seconds, T), np.round(queue(seconds, T) - begins(seconds, T), 3)


@mutant("10.4", stage="edges", says="When is a block full")
def integer_division(seconds, block, sr):
    T = block // sr
    return factor(seconds, block / sr), queue(seconds, T) - begins(seconds, T)


@mutant("10.4", stage="properties", says="Who waits for whom?")
def queue_of_one(seconds, block, sr):
    T = block / sr
    late = np.maximum(np.concatenate([[0], np.asarray(seconds)[:-1]]) - T, 0)
    return factor(seconds, T), T + late + np.asarray(seconds)


@mutant("10.4", stage="reference", says="agree with `sched.scheduler`")
def ring_buffer_of_twelve(seconds, block, sr):
    T = block / sr
    latency = queue(seconds, T) - begins(seconds, T)
    return factor(seconds, T), np.minimum(latency, 12 * T)


# ---------------------------------------------------------------------------------------------- 10.5


def shares(x, values, side="right"):
    """Empirical distribution at some values, feature by feature."""
    return np.stack([np.searchsorted(np.sort(column), v, side) / len(column)
                     for column, v in zip(x.T, values.T, strict=True)], axis=1)


def everything(x, y):
    return np.concatenate([x, y])


@mutant("10.5", stage="edges", says="You keep the sign")
def one_sided(usual, now):
    values = everything(usual, now)
    return (shares(usual, values) - shares(now, values)).max(axis=0).clip(0)


@mutant("10.5", stage="edges", says="You take the mean distance")
def area(usual, now):
    values = everything(usual, now)
    return np.abs(shares(usual, values) - shares(now, values)).mean(axis=0)


@mutant("10.5", stage="edges", says="You compare at the values of the first sample alone")
def at_one_sample(usual, now):
    return np.abs(shares(usual, usual) - shares(now, usual)).max(axis=0)


@mutant("10.5", stage="edges", says="both have all their members at most 2")
def sorted_places(usual, now):
    values = np.sort(everything(usual, now), axis=0)
    n, m = len(usual), len(now)
    order = np.argsort(everything(usual, now), axis=0, kind="stable")
    steps = np.where(order < n, 1 / n, -1 / m)
    return np.abs(np.cumsum(steps, axis=0)).max(axis=0) + 0 * values[0]


@mutant("10.5", stage="output", says="of type float64, expected an array")
def one_number(usual, now):
    return np.float64(np.abs(shares(usual, everything(usual, now)) - shares(now, everything(usual, now))).max())


@mutant("10.5", stage="output", says="expected from 0 to 1")
def counts(usual, now):
    values = everything(usual, now)
    return np.abs(shares(usual, values) * len(usual) - shares(now, values) * len(now)).max(axis=0)


@mutant("10.5", stage="properties", says="All features are thrown together")
def flattened(usual, now):
    both = [x.reshape(-1, 1) for x in (usual, now)]
    return np.repeat(np.abs(shares(both[0], everything(*both)) - shares(both[1], everything(*both))).max(),
                     usual.shape[1])


@mutant("10.5", stage="edges", says="many are exactly v")
def strictly_on_one_side(usual, now):
    values = everything(usual, now)
    return np.abs(shares(usual, values, "left") - shares(now, values)).max(axis=0)


@mutant("10.5", stage="properties", says="ten places between the smallest and the largest")
def coarse_histogram(usual, now):
    values = everything(usual, now)
    grid = np.linspace(values.min(axis=0), values.max(axis=0), 10)
    return np.abs(shares(usual, grid) - shares(now, grid)).max(axis=0)


@mutant("10.5", stage="edges", says="You compare the means alone")
def distance_of_means(usual, now):
    return np.minimum(np.abs(usual.mean(axis=0) - now.mean(axis=0)) / (usual.std(axis=0) + 1e-12), 1)


@mutant("10.5", stage="edges", says="You compare sorted samples place by place")
def values_subtracted(usual, now):
    n = min(len(usual), len(now))
    a, b = np.sort(usual, axis=0)[:n], np.sort(now, axis=0)[:n]
    spread = np.maximum(np.ptp(everything(usual, now), axis=0), 1e-12)
    return np.minimum(np.abs(a - b).max(axis=0) / spread, 1)


@mutant("10.5", stage="edges", says="three quarters are at most 0")
def larger_sample_cut(usual, now):
    n = min(len(usual), len(now))
    a, b = usual[:n], now[:n]
    return np.abs(shares(a, everything(a, b)) - shares(b, everything(a, b))).max(axis=0)


@mutant("10.5", stage="reference", says="agree with `scipy.stats.ks_2samp`")
def at_a_hundred_quantiles(usual, now):
    values = np.quantile(everything(usual, now), np.linspace(0, 1, 101), axis=0)
    return np.abs(shares(usual, values) - shares(now, values)).max(axis=0)


# ---------------------------------------------------------------------------------------------- 10.6


def those_that_fit(costs, budget):
    return [i for i, row in enumerate(costs) if all(c <= b for c, b in zip(row, budget, strict=True))]


def spent(costs, budget, i):
    return max(c / b for c, b in zip(costs[i], budget, strict=True))


@mutant("10.6", stage="edges", says="You choose the best of all")
def best_of_all(scores, costs, budget):
    return max(range(len(scores)), key=lambda i: scores[i]) if those_that_fit(costs, budget) else None


@mutant("10.6", stage="edges", says="None of the 2 fits")
def somebody_always(scores, costs, budget):
    held = np.where((costs <= budget).all(axis=1), scores, -np.inf)
    best = np.flatnonzero(held == held.max())
    return int(best[np.argmin((costs[best] / budget).max(axis=1))])


@mutant("10.6", stage="edges", says="One limit that is kept is enough for you")
def one_is_enough(scores, costs, budget):
    fits = [i for i, row in enumerate(costs) if any(row <= budget)]
    return max(fits, key=lambda i: (scores[i], -spent(costs, budget, i)), default=None)


@mutant("10.6", stage="edges", says="Whoever reaches a limit exactly is out")
def below_the_limit(scores, costs, budget):
    fits = [i for i, row in enumerate(costs) if all(row < budget)]
    return max(fits, key=lambda i: (scores[i], -spent(costs, budget, i)), default=None)


@mutant("10.6", stage="edges", says="expected 1: what nobody measured")
def number_in_the_shorter_list(scores, costs, budget):
    fits = those_that_fit(costs, budget)
    if not fits:
        return None
    return max(range(len(fits)), key=lambda k: (scores[fits[k]], -spent(costs, budget, fits[k])))


@mutant("10.6", stage="edges", says="You choose the cheapest")
def cheapest(scores, costs, budget):
    return min(those_that_fit(costs, budget), key=lambda i: spent(costs, budget, i), default=None)


@mutant("10.6", stage="edges", says="what nobody measured nobody can promise")
def unknown_is_free(scores, costs, budget):
    costs = np.nan_to_num(costs)
    return max(those_that_fit(costs, budget), key=lambda i: (scores[i], -spent(costs, budget, i)), default=None)


@mutant("10.6", stage="output", says="where 5 of 9 would fit")
def only_positive_scores(scores, costs, budget):
    best, found = 1.0, None
    for i in those_that_fit(costs, budget):
        if scores[i] > best:
            best, found = scores[i], i
    return found


@mutant("10.6", stage="edges", says="where 1 of 1 would fit")
def better_than_nothing(scores, costs, budget):
    best, found = 0.0, None
    for i in those_that_fit(costs, budget):
        if scores[i] > best or (found is not None and scores[i] == best and
                                spent(costs, budget, i) < spent(costs, budget, found)):
            best, found = scores[i], i
    return found


@mutant("10.6", stage="properties", says="Of equal scores you take the first")
def first_one(scores, costs, budget):
    return max(those_that_fit(costs, budget), key=lambda i: scores[i], default=None)


@mutant("10.6", stage="properties", says="In which unit can bytes and seconds be compared?")
def sums_of_different_units(scores, costs, budget):
    return max(those_that_fit(costs, budget), key=lambda i: (scores[i], -sum(costs[i])), default=None)


@mutant("10.6", stage="edges", says="You look at the first limit alone")
def first_column(scores, costs, budget):
    fits = [i for i, row in enumerate(costs) if row[0] <= budget[0]]
    return max(fits, key=lambda i: (scores[i], -spent(costs, budget, i)), default=None)


@mutant("10.6", stage="edges", says="You add up the costs and the limits")
def common_purse(scores, costs, budget):
    fits = [i for i, row in enumerate(costs) if sum(row) <= sum(budget)]
    return max(fits, key=lambda i: (scores[i], -spent(costs, budget, i)), default=None)


@mutant("10.6", stage="edges", says="You divide score by cost")
def bargain(scores, costs, budget):
    return max(those_that_fit(costs, budget), key=lambda i: scores[i] / spent(costs, budget, i), default=None)


@mutant("10.6", stage="output", says="expected a whole number")
def its_score(scores, costs, budget):
    fits = those_that_fit(costs, budget)
    return float(max(scores[i] for i in fits)) if fits else None


@mutant("10.6", stage="reference", says="You return None, where")
def five_best_looked_at(scores, costs, budget):
    shortlist = sorted(range(len(scores)), key=lambda i: -scores[i])[:5]
    fits = [i for i in shortlist if i in those_that_fit(costs, budget)]
    return max(fits, key=lambda i: (scores[i], -spent(costs, budget, i)), default=None)
