"""Checks of chapter 10, edge profiling: MACs, percentiles, memory, real time, drift, a choice under a budget."""

from dataclasses import dataclass

import numpy as np

from .spec import Exercise, briefly, two_things
from .stages import as_array

# ---------------------------------------------------------------------------------------------- 10.1


def _twice(layer, last=None):
    """A network that uses one layer twice, and owns another that it never uses."""
    import torch

    class Twice(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.idle, self.last = layer, torch.nn.Linear(50, 50), last or torch.nn.Identity()

        def forward(self, x):
            return self.last(self.inner(self.inner(x)))

    return Twice().eval()


def _everything():
    """All that can be counted wrongly: a stride, groups, an oblong kernel, biases, a nest, a layer used twice."""
    import torch
    from torch import nn

    torch.manual_seed(101)
    front = nn.Sequential(nn.Conv2d(4, 6, (3, 5), stride=2, groups=2), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(2))
    net = nn.Sequential(nn.Sequential(front, nn.Conv1d(6, 3, 3)), _twice(nn.Linear(14, 14), nn.Linear(14, 7)))
    return net.eval(), torch.zeros(2, 4, 9, 11)


count_macs = Exercise(
    "10.1", "count_macs(model, x)",
    example=_everything,
    hints=[
        "How many products does one single number of the output of a `Linear(8, 4)` need? And one of a 3 × 3 "
        "convolution that reads 16 channels? Where is that number to be read off the shape of `layer.weight`?",
        "`layer.weight[0]` are the weights of one output channel, groups included, so that `layer.weight[0].numel()` "
        "is what one number of the output costs. The sizes of outputs are known when the network runs: "
        "`layer.register_forward_hook(f)` has `f(layer, inputs, output)` called after each call of that layer.",
        "`model.modules()` gives all layers, however deep, and the model itself. Put a hook on those that are "
        "`isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d))`, add `output.numel() * layer.weight[0].numel()` in it, "
        "run `model(x)` once, and call `.remove()` on what each `register_forward_hook` gave you.",
    ],
    learned="A network's multiplications are outputs times what each output needs. No clock was involved: the number "
            "is the same on every machine, which is why papers quote it, and why it is not yet a time.",
)


@count_macs.output
def is_a_whole_number(t, got, model, x):
    t.number(got)
    t.holds(got >= 0 and got == int(got), f"You return **{briefly(got)}**, expected a whole number from 0.",
            ask="Is something divided on the way?")


def _counts(t, case, model, x, want, says, ask):
    """Hold a count to what it has to be."""
    t.close(t.on(case)(model, x), want, says=f"{case[0].upper()}{case[1:]}: {says}", ask=ask)


@count_macs.edges
def nothing_to_multiply(t):
    import torch
    from torch import nn

    model = nn.Sequential(nn.ReLU(), nn.BatchNorm1d(6), nn.Flatten()).eval()
    _counts(t, "a network of ReLU, BatchNorm and Flatten", model, torch.zeros(2, 6, 5), 0,
            "none of these has products that are summed.", "Which kinds of layers are to be counted?")


@count_macs.edges
def a_single_layer(t):
    import torch
    from torch import nn

    _counts(t, "a Linear(8, 4), which is the whole model, and one row", nn.Linear(8, 4), torch.zeros(1, 8), 32,
            "each of 4 outputs is a sum of 8 products.", "Does your loop over layers see the model itself?")
    _counts(t, "a Linear(8, 4) and a batch of 3 clips of 5 frames", nn.Linear(8, 4), torch.zeros(3, 5, 8), 480,
            "each of 3 · 5 · 4 outputs is a sum of 8 products.", "How often is the layer's matrix used?")


@count_macs.edges
def used_twice_and_not_at_all(t):
    import torch
    from torch import nn

    _counts(t, "a network that uses a Linear(6, 6) twice and a Linear(50, 50) never", _twice(nn.Linear(6, 6)),
            torch.zeros(1, 6), 72, "it multiplies 6 · 6 times, and 6 · 6 times again.",
            "Does each call count, and do layers that stay idle?")


@count_macs.edges
def leaves_the_model_as_it_was(t):
    def count_twice(model, x):
        first = t.answer(model, x)
        return first, t.answer(model, x), sum(len(layer._forward_hooks) + len(layer._forward_pre_hooks)
                                              for layer in model.modules())

    first, second, hooks = t.on("the same network, counted twice").call(count_twice, *_everything())
    t.close(second, first, says="Counted a second time, the same network should cost the same.",
            ask="What is still hanging on the layers after the first count?")
    t.holds(hooks == 0, f"After two counts **{hooks}** hooks hang on the layers of the model: they go on counting "
            "whenever it is used.", ask="What did each `register_forward_hook` give you, and what can that do?",
            values=False)


@count_macs.properties
def known_by_hand(t):
    import torch
    from torch import nn

    channels, out, kernel, time = (int(t.rng.integers(*ends)) for ends in ((2, 6), (3, 9), (2, 6), (20, 30)))
    stay = time - kernel + 1
    _counts(t, f"a Conv1d({channels}, {out}, {kernel}) over {time} samples", nn.Conv1d(channels, out, kernel),
            torch.zeros(1, channels, time), stay * out * channels * kernel,
            f"{stay} places, {out} channels, and {channels} · {kernel} products for each.",
            "How many numbers come out, and of how many products is each?")
    _counts(t, "a Conv2d(2, 4, (3, 5), stride=2) over 9 × 11", nn.Conv2d(2, 4, (3, 5), stride=2),
            torch.zeros(1, 2, 9, 11), 4 * 4 * 4 * 2 * 15, "4 × 4 places, 4 channels, and 2 · 3 · 5 products for each.",
            "How many numbers come out, and of how many products is each?")


@count_macs.properties
def groups_share_the_work(t):
    import torch
    from torch import nn

    n = int(t.rng.integers(2, 5)) * 2
    for groups, words in ((1, "in one group"), (2, "in two groups"), (n, "depthwise")):
        _counts(t, f"a 3 × 3 convolution of {n} channels to {n}, {words}, over 6 × 6 with padding 1",
                nn.Conv2d(n, n, 3, padding=1, groups=groups), torch.zeros(1, n, 6, 6), 36 * n * n // groups * 9,
                f"each output reads {n // groups} of the {n} channels.", "Which channels does one output read?")


@count_macs.properties
def twice_as_much(t):
    import torch
    from torch import nn

    def net(width):
        return nn.Sequential(nn.Conv1d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.Conv1d(2 * width, width, 1))

    width, time = int(t.rng.integers(2, 5)), 12
    once = t.on(f"a network {width} channels wide")(net(width), torch.zeros(1, width, time))
    _counts(t, "a network over twice the time", net(width), torch.zeros(1, width, 2 * time), 2 * once,
            "it should cost twice as much.", "Does what comes out go into your count?")
    _counts(t, "a network and a batch of two", net(width), torch.zeros(2, width, time), 2 * once,
            "it should cost twice as much.", "Does what comes out go into your count?")
    _counts(t, "a network with twice the channels", net(2 * width), torch.zeros(1, 2 * width, time), 4 * once,
            "each layer reads twice as many channels and writes twice as many.", "Do inputs and outputs both count?")


@count_macs.properties
def in_whatever_order_it_runs(t):
    import torch
    from torch import nn

    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.second, self.first = nn.Linear(4, 2), nn.Linear(6, 4)

        def forward(self, x):
            return self.second(self.first(x).relu() + self.first(-x).relu())

    _counts(t, "a network whose forward calls its layers in an order of its own, one of them twice", Backwards(),
            torch.zeros(5, 6), 5 * (2 * 24 + 8), "5 · (2 · 6 · 4 + 4 · 2).",
            "Who decides which layers run: their list, or the model's `forward`?")


@count_macs.reference
def agrees_with_pytorchs_profiler(t):
    import torch
    from torch import nn

    for case, (kernel, stride) in enumerate((((3, 2), (1, 3)), ((1, 3), (2, 1)))):
        channels, out = 2 * t.rng.integers(1, 4, 2)
        front = nn.Sequential(nn.Conv2d(int(channels), int(out), kernel, stride, padding=1, groups=2), nn.ReLU(),
                              nn.Conv2d(int(out), 3, 1), nn.Flatten(2))
        x = torch.zeros(2, int(channels), 9, 12)
        with torch.no_grad():
            model = nn.Sequential(front, nn.Linear(front(x).shape[-1], 5)).eval()
            with torch.autograd.profiler.profile(use_kineto=False, with_flops=True) as profile:
                model(x)
        want = sum(event.flops for event in profile.function_events if event.name in ("aten::conv2d", "aten::addmm"))
        _counts(t, f"network {case + 1} of two with random numbers of channels", model, x, want // 2,
                "it has to be half of the operations that `torch.autograd.profiler` reports, which counts a product "
                "and a sum as two.", "Which of its layers do you see otherwise?")


def _counted(model, x, cost, layers=lambda model: model.modules(), calls=None):
    """What a mistake counts: another cost of a call, other layers, other calls."""
    import torch
    from torch import nn

    found = []
    hooks = [layer.register_forward_hook(lambda layer, x, y: found.append((layer, cost(layer, x[0], y))))
             for layer in layers(model) if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d)]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return sum(dict(found).values() if calls == "once" else (n for _, n in found))


def _of_one(layer):
    return layer.weight[0].numel()


@count_macs.mistake("You count weights. Each is used once for every place at which its kernel lies.",
                    ask="How many numbers come out of the layer?")
def weights_once(model, x):
    return _counted(model, x, lambda layer, x, y: layer.weight.numel())


@count_macs.mistake("You count multiplications and additions apart: operations, of which a multiply-accumulate has "
                    "two.", ask="What is one MAC?")
def operations(model, x):
    return 2 * _counted(model, x, lambda layer, x, y: y.numel() * _of_one(layer))


@count_macs.mistake("Your sizes are those of the input. With a stride, or without padding, fewer numbers come out than "
                    "go in.", ask="For which numbers are the sums computed?")
def places_of_the_input(model, x):
    from torch import nn

    return _counted(model, x, lambda layer, x, y: x.numel() * (layer.out_features if isinstance(layer, nn.Linear) else
                                                               layer.weight.numel() // layer.in_channels))


@count_macs.mistake("Each output reads all channels with you. In groups it reads only those of its own.",
                    ask="Which channels does one output read?")
def groups_forgotten(model, x):
    return _counted(model, x, lambda layer, x, y: y.numel() * _of_one(layer) * getattr(layer, "groups", 1))


@count_macs.mistake("You count biases. They are added, and nothing is multiplied.", ask="What is one MAC?")
def with_biases(model, x):
    return _counted(model, x, lambda layer, x, y: y.numel() * (_of_one(layer) + (layer.bias is not None)))


@count_macs.mistake("You count one example of the batch.", ask="What all comes out?")
def one_of_the_batch(model, x):
    return _counted(model, x, lambda layer, x, y: y[0].numel() * _of_one(layer))


@count_macs.mistake("The matrix of a Linear layer is used once with you. On a sequence it is used in every frame.",
                    ask="How often is the layer's matrix used?")
def one_row_of_a_sequence(model, x):
    from torch import nn

    return _counted(model, x, lambda layer, x, y: _of_one(layer) * (
        len(y) * layer.out_features if isinstance(layer, nn.Linear) else y.numel()))


@count_macs.mistake("A layer that is called again is not counted again.", ask="Does each call count?")
def each_layer_once(model, x):
    return _counted(model, x, lambda layer, x, y: y.numel() * _of_one(layer), calls="once")


@count_macs.mistake("You look at the outermost layers alone; those inside of others are missed.",
                    ask="What is the difference between `children` and `modules`?")
def children_alone(model, x):
    return _counted(model, x, lambda layer, x, y: y.numel() * _of_one(layer), layers=lambda model: model.children())


@count_macs.mistake("Your kernel is a square of its first side.", ask="How many sides has `kernel_size`?")
def square_kernels(model, x):
    from torch import nn

    return _counted(model, x, lambda layer, x, y: y.numel() * (
        layer.in_features if isinstance(layer, nn.Linear) else
        layer.in_channels // layer.groups * layer.kernel_size[0] ** len(layer.kernel_size)))


# ---------------------------------------------------------------------------------------------- 10.2


@dataclass
class _Named:
    """A function that a message calls by its name. A copy is itself: a call and its clock share their time."""

    name: str
    function: object

    def __call__(self):
        return self.function()

    def __repr__(self):
        return self.name

    def __deepcopy__(self, memo):
        return self


def _fake(seconds, reading=0.0):
    """A call, the clock that it moves on, and the number of calls so far: the i-th call lasts ``seconds[i]``.

    No time passes but on this clock, whose readings may take some, so that what is measured is known. Calls beyond the
    list last a year.
    """
    now, calls = 1000.0, 0

    def call():
        nonlocal now, calls
        now += seconds[calls] if calls < len(seconds) else 3e7
        calls += 1

    def clock():
        nonlocal now
        now += reading
        return now

    return _Named("call", call), _Named("clock", clock), lambda: calls


def _twenty_calls():
    seconds = np.random.default_rng(102).permutation(np.geomspace(0.01, 1.0, 20))
    call, clock, _ = _fake([9.0, 4.0, 0.3, *seconds])
    return call, clock, (90, 33, 50), 20, 3


latency_percentiles = Exercise(
    "10.2", "latency_percentiles(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10)",
    example=_twenty_calls,
    hints=[
        "Ten calls took 1, 2, …, 10 ms. In how many milliseconds was half of them done? And nine of ten? Which of the "
        "sorted times is that, counted from 1?",
        "Call `warm_up` times without looking at the clock. Then, `repeats` times: read the clock, call, read it "
        "again, and keep the difference. Sort at the end. The q-th percentile is number ⌈q · n / 100⌉, and lists begin "
        "at 0.",
        "`k = -(-q * repeats // 100)` is that number, rounded up and whole. `np.sort(seconds)[k - 1]`; "
        "or `np.nan` where `q < 100 and repeats * (100 - q) < 100`.",
    ],
    learned="A clock that is handed in can be replaced by a fake one, and what a timer does can be tested to the last "
            "digit. What was found then holds for the true clock, too.",
)


def _unknown(q, repeats):
    """Whether no call can be slower than the percentile."""
    return q < 100 and repeats * (100 - q) < 100


@latency_percentiles.output
def is_a_time_for_each(t, got, call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    t.array(got, shape=(len(qs),), dtype=np.floating, finite=False)
    for q, seconds in zip(qs, as_array(got), strict=True):
        if _unknown(q, repeats):
            t.holds(np.isnan(seconds), f"Percentile {q} of {repeats} call{'s' * (repeats > 1)}: you have "
                    f"**{seconds:.4g}** s, expected NaN. It would be the slowest of all, whatever comes.",
                    ask="How many of the calls have to be slower than the percentile?")
        else:
            t.holds(np.isfinite(seconds), f"Percentile {q} of {repeats} call{'s' * (repeats > 1)}: you have "
                    f"**{seconds:g}**, expected a time in seconds.", ask="When exactly is a percentile not known?")


def _timed(t, case, seconds, want, says, ask, qs, warm_up=0):
    """Time calls of known length, and hold the percentiles to what they are and the calls to their number."""
    repeats = len(seconds) - warm_up
    call, clock, calls = _fake(seconds)
    got = t.on(case)(call, clock, qs, repeats, warm_up)
    t.holds(calls() == len(seconds), f"For {case}, you made **{calls()}** calls, expected {warm_up} to warm up and "
            f"{repeats} that count.", ask="Which calls come on top of `repeats`?")
    t.close(got, want, atol=1e-6, says=f"For {case}, {says}", ask=ask)


@latency_percentiles.edges
def a_single_call(t):
    _timed(t, "a single call of 0.25 s and no warm-up", [0.25], [0.25, np.nan],
           "all of it was done in 0.25 s; there is no half of one call.", "What is percentile 100?", (100, 50))


@latency_percentiles.edges
def too_few_for_the_last(t):
    for n, known in ((9, False), (10, True), (11, True)):
        _timed(t, f"{n} calls that get slower and slower", np.arange(1.0, n + 1), [9.0 if n == 10 else 10.0]
               if known else [np.nan], "percentile 90 takes ten: of them one may be slower.",
               "How many of the calls have to be slower than the percentile?", (90,))


@latency_percentiles.edges
def the_first_calls_do_not_count(t):
    _timed(t, "two calls to warm up, of 60 and 20 s, and four of a second", [60.0, 20.0, 1.0, 1.0, 1.0, 1.0],
           [1.0, 1.0], "each call that counts took a second.", "Which calls are measured?", (50, 100), warm_up=2)


@latency_percentiles.properties
def nearest_rank(t):
    seconds = t.rng.permutation(np.arange(1.0, 11))
    _timed(t, "ten calls of 1 to 10 s in some order", seconds, [1.0, 3.0, 5.0, 9.0, 10.0],
           "percentile 50 is the fifth of the sorted times, 90 the ninth, 25 the third: 2.5, rounded up.",
           "Which of the sorted times is it, and does your list begin at 0 or at 1?", (10, 25, 50, 90, 100))


@latency_percentiles.properties
def in_the_order_asked_for(t):
    _timed(t, "percentiles 90, 10 and 50, in that order, of ten calls", t.rng.permutation(np.arange(1.0, 11)),
           [9.0, 1.0, 5.0], "they come back in the order in which they were asked for.", "What is sorted?",
           (90, 10, 50))


@latency_percentiles.properties
def one_slow_call_in_ten(t):
    seconds = np.full(200, 0.002)
    seconds[t.rng.permutation(200)[:20]] = 0.5
    _timed(t, "180 calls of 2 ms and 20 of half a second", seconds, [0.002, 0.002, 0.5],
           "nine of ten were done in 2 ms, and the slowest of all say what the rest waits for.",
           "What would a mean say, and who ever waited that long?", (50, 90, 99))


@latency_percentiles.properties
def time_goes_on_between_calls(t):
    call, clock, _ = _fake([0.5] * 105, reading=0.001)
    got = t.on("a call of 0.5 s, and a clock whose every reading takes 1 ms")(call, clock, (50,), 100, 5)
    t.holds(abs(got[0] - 0.5) < 0.0025, f"For a call of 0.5 s, and a clock whose every reading takes 1 ms, you have "
            f"**{got[0]:.4g} s**, expected 0.5 s and a millisecond or two.",
            ask="What happens between your two readings of the clock, and which clock do you read?")


@latency_percentiles.reference
def agrees_with_numpy_percentile(t):
    for n, warm_up in ((40, 0), (100, 7), (200, 3)):
        seconds = t.rng.lognormal(-4, 1, warm_up + n)
        qs = (5, 26, 50, 75, 90, 95, 97)
        want = [np.nan if _unknown(q, n) else np.percentile(seconds[warm_up:], q, method="inverted_cdf") for q in qs]
        _timed(t, f"{n} random times after {warm_up} to warm up", seconds, want,
               'it has to agree with `numpy.percentile(…, method="inverted_cdf")`.', "Do you round the rank up?", qs,
               warm_up)


def _sampled(call, clock, repeats, warm_up):
    """Times one after the other, without fault."""
    for _ in range(warm_up):
        call()
    seconds = []
    for _ in range(repeats):
        start = clock()
        call()
        seconds.append(clock() - start)
    return seconds


def _ranked(seconds, qs, at=lambda q, n: -(-q * n // 100) - 1, order=np.sort):
    """What a mistake takes for percentiles: another place, another order."""
    ordered = order(np.array(seconds))
    return np.array([np.nan if _unknown(q, len(seconds)) else ordered[at(q, len(seconds))] for q in qs])


@latency_percentiles.mistake("The calls that warm up are measured too.", ask="Which calls are measured?")
def warm_up_counted(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    return _ranked(_sampled(call, clock, repeats + warm_up, 0), qs)


@latency_percentiles.mistake("You do not warm up: the first calls load and choose, and are slower than all others.",
                             ask="Which calls are measured?")
def cold(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    return _ranked(_sampled(call, clock, repeats, 0), qs)


@latency_percentiles.mistake("You read the clock once for all calls: that gives their mean, and a mean hides those who "
                             "waited.", ask="How often is the clock read?")
def mean_of_all(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    mean = np.mean(_sampled(call, clock, repeats, warm_up))
    return np.array([np.nan if _unknown(q, repeats) else mean for q in qs])


@latency_percentiles.mistake("Your percentile lies between two calls, where nobody measured anything.",
                             ask="Is the rank rounded up?")
def interpolated(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    seconds = _sampled(call, clock, repeats, warm_up)
    return np.array([np.nan if _unknown(q, repeats) else np.percentile(seconds, q) for q in qs])


@latency_percentiles.mistake("You take the next slower call: ranks are counted from 1 and lists from 0.",
                             ask="Which of the sorted times is it, and does your list begin at 0 or at 1?")
def one_too_far(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    return _ranked(_sampled(call, clock, repeats, warm_up), qs, at=lambda q, n: min(-(-q * n // 100), n - 1))


@latency_percentiles.mistake("You round the rank down.", ask="Is the rank rounded up?")
def rounded_down(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    return _ranked(_sampled(call, clock, repeats, warm_up), qs, at=lambda q, n: max(q * n // 100 - 1, 0))


@latency_percentiles.mistake("Your times are not sorted.", ask="What is sorted?")
def as_they_came(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    return _ranked(_sampled(call, clock, repeats, warm_up), qs, order=np.asarray)


@latency_percentiles.mistake("Your times are sorted from the slowest on.", ask="In which direction is it sorted?")
def slowest_first(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    return _ranked(_sampled(call, clock, repeats, warm_up), qs, order=lambda s: np.sort(s)[::-1])


@latency_percentiles.mistake("Your start is that of the first call: each time includes all calls before.",
                             ask="When is the start read?")
def from_the_beginning(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    return _ranked(np.cumsum(_sampled(call, clock, repeats, warm_up)), qs)


@latency_percentiles.mistake("Your times are milliseconds.", ask="In which unit does the clock count?")
def milliseconds(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    return 1000 * _ranked(_sampled(call, clock, repeats, warm_up), qs)


@latency_percentiles.mistake("You give the percentiles from small to large.", ask="In which order were they asked for?")
def percentiles_sorted(call, clock, qs=(50, 90, 99), repeats=200, warm_up=10):
    return _ranked(_sampled(call, clock, repeats, warm_up), sorted(qs))


# ---------------------------------------------------------------------------------------------- 10.3


def _graph(rng, n):
    """Sizes of tensors, and what is read to make each: the one before, often an older one besides."""
    sizes = rng.integers(1, 10, n) * 100
    reads = [[]] + [sorted({i - 1} | ({int(rng.integers(i))} if rng.random() < 0.5 else set())) for i in range(1, n)]
    return sizes, reads


activation_memory = Exercise(
    "10.3", "activation_memory(sizes, reads)",
    example=lambda: (np.array([500, 300, 900, 400, 700, 200, 250, 600]),
                     [[], [0], [1], [1], [2, 3], [4], [4], [6, 3]]),
    hints=[
        "Draw a line for each tensor: it begins at the step that makes it, and ends at the last step that reads it. "
        "How many lines, and which, does the dashed upright of step 4 cross?",
        "First find `last[j]`, the last step that reads tensor j, by going through `reads`. A tensor that nobody reads "
        "ends where it begins. Then tensor j is alive at step i if j ≤ i and i ≤ last[j].",
        "`last = np.arange(n)`, and for each step and each tensor in `reads[step]`: `last[tensor] = step`; later steps "
        "overwrite earlier ones. With `i = np.arange(n)`, `(i[:, None] <= i) & (i <= last[:, None])` says for each "
        "tensor (row) at which steps it is alive, and `sizes @` that adds up their bytes.",
    ],
    learned="Memory is not the sum of all that is computed, but the most that has to exist at once. One shortcut over "
            "many layers can cost more than all of them.",
)


@activation_memory.output
def is_bytes_at_each_step(t, got, sizes, reads):
    t.array(got, shape=sizes.shape)
    kind = as_array(got).dtype
    t.holds(kind.kind in "iu", f"Your bytes are of type **{kind}**, expected whole numbers.", values=False,
            ask="Which operation made them so?")
    short = as_array(got) < sizes
    t.holds(not short.any(), f"At step {short.argmax()} you have **{as_array(got)[short.argmax()]}** bytes; the tensor "
            f"that is made there alone has {sizes[short.argmax()]}.", ask="Does what a step makes exist while it runs?")


def _alive(t, case, sizes, reads, want, says, ask):
    """Hold the bytes at every step to what they are."""
    t.close(t.on(case)(np.array(sizes), reads), want, says=f"For {case}, {says}", ask=ask)


@activation_memory.edges
def an_input_alone(t):
    _alive(t, "an input of 700 bytes and no layer", [700], [[]], [700], "nothing else ever exists.",
           "What exists at step 0?")


@activation_memory.edges
def nobody_reads_it(t):
    _alive(t, "a second tensor that nobody reads", [100, 5000, 300, 200], [[], [0], [0], [2]], [100, 5100, 400, 500],
           "it exists while it is made, and no longer.", "When does a tensor end that nobody reads?")


@activation_memory.edges
def read_twice_at_once(t):
    _alive(t, "a step that reads one tensor twice, as x · x does", [100, 200, 300], [[], [0], [1, 1]], [100, 300, 500],
           "it exists once.", "Do you count tensors, or readings?")


@activation_memory.properties
def a_chain(t):
    sizes = t.rng.integers(1, 100, 8) * 10
    want = np.append(sizes[0], sizes[:-1] + sizes[1:])
    _alive(t, "eight layers in a row, each reading the one before", sizes, [[]] + [[i] for i in range(7)], want,
           "at each step there are what goes in and what comes out.", "What does a step need, and what does it free?")


@activation_memory.properties
def a_shortcut_waits(t):
    sizes = t.rng.integers(1, 100, 8) * 10
    reads = [[]] + [[i] for i in range(7)]
    plain = t.on("eight layers in a row")(sizes, reads)
    reads[6] = [1, 5]
    want = plain + np.where((np.arange(8) >= 3) & (np.arange(8) <= 6), sizes[1], 0)
    _alive(t, "eight layers in a row, of which step 6 also reads tensor 1", sizes, reads, want,
           "tensor 1 now waits through steps 3 to 6, and everything else stays.",
           "Which reader frees a tensor: its first, or its last?")


@activation_memory.properties
def every_step_reads_the_input(t):
    sizes = t.rng.integers(1, 100, 6) * 10
    want = sizes[0] + np.append(0, np.append(0, sizes[1:-1]) + sizes[1:])
    _alive(t, "a network in which every step reads the input and the tensor before", sizes,
           [[], [0], *([0, i] for i in range(1, 5))], want, "the input waits to the end.",
           "Which reader frees a tensor: its first, or its last?")


@activation_memory.reference
def agrees_with_what_python_measures(t):
    import tracemalloc

    for case in range(3):
        sizes, reads = _graph(t.rng, 10)
        sizes = sizes * 1000
        readers = np.bincount([tensor for read in reads for tensor in set(read)], minlength=10)
        held, want = {}, []
        tracemalloc.start()
        try:
            for step in range(10):
                held[step] = np.empty(sizes[step], np.uint8)
                want.append(tracemalloc.get_traced_memory()[0])
                for tensor in set(reads[step]):
                    readers[tensor] -= 1
                for tensor in [one for one in held if not readers[one]]:
                    del held[tensor]
        finally:
            tracemalloc.stop()
        got = t.on(f"random network {case + 1} of three")(sizes, reads)
        t.close(got, want, atol=20_000, says=f"For random network {case + 1} of three, it has to agree with the bytes "
                "that `tracemalloc` sees when arrays are made and deleted in that order.",
                ask="When is a tensor free that a later step reads again?")


def _living(sizes, reads, last=None, exists=lambda j, i, last: (j <= i) & (i <= last)):
    """What a mistake keeps: other ends, another rule of existence."""
    n = len(sizes)
    if last is None:
        last = np.arange(n)
        for step, read in enumerate(reads):
            last[np.array(read, int)] = step
    j, i = np.arange(n)[:, None], np.arange(n)
    return (sizes[:, None] * exists(j, i, last[:, None])).sum(axis=0)


@activation_memory.mistake("You count what goes into a step and what comes out of it. Tensors that wait for a later "
                           "step are missed.", ask="Where is a tensor that a later step reads?")
def in_and_out(sizes, reads):
    return np.array([size + sum(sizes[one] for one in set(read)) for size, read in zip(sizes, reads, strict=True)])


@activation_memory.mistake("Nothing is ever freed with you.", ask="Who still needs the input of the first layer?")
def nothing_freed(sizes, reads):
    return np.cumsum(sizes)


@activation_memory.mistake("Your tensors are freed before the step that reads them has run: it would read and write in "
                           "one place.", ask="Does what a step reads exist while it runs?")
def freed_too_early(sizes, reads):
    return _living(sizes, reads, exists=lambda j, i, last: (j == i) | ((j <= i) & (i < last)))


@activation_memory.mistake("Your tensors are freed a step too late.", ask="Does a tensor exist after its last reader?")
def freed_too_late(sizes, reads):
    return _living(sizes, reads, exists=lambda j, i, last: (j <= i) & (i <= last + 1))


@activation_memory.mistake("The first reader frees a tensor with you, and a later one finds nothing.",
                           ask="Which reader frees a tensor: its first, or its last?")
def first_reader_frees(sizes, reads):
    last = np.arange(len(sizes))
    for step in reversed(range(len(reads))):
        for tensor in reads[step]:
            last[tensor] = step
    return _living(sizes, reads, last)


@activation_memory.mistake("Your tensors exist from the beginning, before any step has made them.",
                           ask="When does a tensor begin?")
def from_the_start(sizes, reads):
    return _living(sizes, reads, exists=lambda j, i, last: i <= last)


@activation_memory.mistake("A tensor that nobody reads stays to the end with you.", ask="When does a tensor end that "
                           "nobody reads?")
def unread_stays(sizes, reads):
    last = np.full(len(sizes), len(sizes))
    for step, read in enumerate(reads):
        for tensor in read:
            last[tensor] = step
    return _living(sizes, reads, last)


@activation_memory.mistake("You hand back the peak at every step.", ask="What exists at step 0?")
def peak_everywhere(sizes, reads):
    return np.full(len(sizes), _living(sizes, reads).max())


# ---------------------------------------------------------------------------------------------- 10.4

WORK = (0.010, 0.012, 0.055, 0.009, 0.031, 0.008, 0.007, 0.006)        # seconds: the third block disturbs three more

keeps_up = Exercise(
    "10.4", "keeps_up(seconds, block, sr)",
    example=lambda: (np.array(WORK), 400, 20_000),
    hints=[
        "A block of 1024 samples at 22,050 Hz: how long does it take until its last sample has been spoken? Can "
        "anything be computed before that? So how small can a latency be?",
        "Block i is full at (i + 1) · T. Work on it begins then, or when the block before is finished, whichever is "
        "later. Keep the time at which each is finished; its latency is counted from i · T.",
        "In a loop: `done = max(done, (i + 1) * T) + seconds[i]`, with `done = 0.0` before it, and "
        "`latency[i] = done - i * T`. The real-time factor is the work of all blocks over the sound of all blocks.",
    ],
    learned="A real-time factor below 1 says that the queue is emptied in the end. How long a listener waits is said "
            "by the block, the slowest work, and whoever stands in the queue.",
)


@keeps_up.output
def is_a_factor_and_latencies(t, got, seconds, block, sr):
    two_things(t, got, "rtf, latency")
    t.number(got[0])
    t.holds(isinstance(got[1], np.ndarray) and got[1].shape == seconds.shape,
            f"Your latency: **{briefly(got[1])}**, expected one for each of {len(seconds)} blocks.",
            ask="What does each block have of its own?")
    t.array(got[1], dtype=np.floating)
    t.holds(got[0] >= 0, f"Your real-time factor is **{float(got[0]):.4g}**, expected from 0.", ask="What is divided "
            "by what?")


def _keeps(t, case, seconds, block, sr, rtf=None, latency=None, says="", ask=""):
    """Hold the factor, the latencies or both to what they are."""
    got = t.on(case)(np.asarray(seconds, float), block, sr)
    if rtf is not None:
        t.close(got[0], rtf, atol=1e-9, rtol=1e-6, says=f"For {case}, the real-time factor: {says}", ask=ask)
    if latency is not None:
        t.close(got[1], latency, atol=1e-9, rtol=1e-6, says=f"For {case}, the latencies: {says}", ask=ask)


@keeps_up.edges
def no_work(t):
    T = 1024 / 22_050
    _keeps(t, "blocks of 1024 samples at 22,050 Hz and no work at all", np.zeros(3), 1024, 22_050, 0.0, np.full(3, T),
           "nothing is done, and still the first sample of a block waits 46 ms for its last.",
           "When is a block full, and since when has its first sample been waiting?")


@keeps_up.edges
def one_block(t):
    _keeps(t, "one block of half a second, and 2 s of work", [2.0], 8000, 16_000, 4.0, [2.5],
           "2 s of work for 0.5 s of sound, finished 2.5 s after it began to be spoken.",
           "What is divided by what, and from when is it counted?")


@keeps_up.edges
def exactly_in_time(t):
    _keeps(t, "work that takes exactly as long as the sound", np.full(5, 0.02), 320, 16_000, 1.0, np.full(5, 0.04),
           "it keeps up, with nothing to spare, and nobody ever waits in the queue.", "Who waits for whom?")


@keeps_up.properties
def quick_enough(t):
    work = t.rng.uniform(0, 0.02, 30)
    _keeps(t, "thirty blocks of 20 ms, each with less work than that", work, 320, 16_000, work.mean() / 0.02,
           0.02 + work, "a block is finished before the next is full, so that each takes 20 ms and its own work.",
           "When does the work on a block begin?")


@keeps_up.properties
def too_slow(t):
    T, work = 0.05, float(t.rng.uniform(0.055, 0.07))
    _keeps(t, f"blocks of 50 ms, each with {1000 * work:.0f} ms of work", np.full(20, work), 500, 10_000, work / T,
           T + work + np.arange(20) * (work - T), "each block falls behind by another "
           f"{1000 * (work - T):.0f} ms.", "Who waits for whom?")


@keeps_up.properties
def one_slow_block(t):
    work = np.full(12, 0.005)
    work[3] = 0.050
    want = 0.015 + np.array([0, 0, 0, 0.045, 0.040, 0.035, 0.030, 0.025, 0.020, 0.015, 0.010, 0.005])
    _keeps(t, "blocks of 10 ms with 5 ms of work, and 50 ms once", work, 160, 16_000, 105 / 120, want,
           "the slow block comes 45 ms later than it should, and those behind it make good 5 ms each.",
           "Who waits for whom?")


@keeps_up.properties
def idle_time_is_lost(t):
    work = [0.0, 0.0, 0.0, 0.030]
    _keeps(t, "three blocks without work, then one of 30 ms in a stream of 10 ms", work, 80, 8000, 0.75,
           [0.01, 0.01, 0.01, 0.04], "nobody can work beforehand on a block that has not been spoken yet.",
           "When does the work on a block begin?")


@keeps_up.properties
def a_clock_twice_as_slow(t):
    work = t.rng.exponential(0.018, 40)
    factor, latency = t.on("forty blocks of random work")(work, 320, 16_000)
    _keeps(t, "forty blocks with twice the work and half the sampling rate", 2 * work, 320, 8000, factor, 2 * latency,
           "all takes twice as long, and the factor is what it was.", "Is something counted that has no unit?")


@keeps_up.reference
def agrees_with_pythons_scheduler(t):
    import sched

    for block, sr, mean in ((256, 16_000, 0.014), (1024, 22_050, 0.07), (480, 48_000, 0.004)):
        seconds, T, now, done = t.rng.exponential(mean, 60), block / sr, 0.0, []

        def wait(pause):
            nonlocal now
            now += pause

        def work(i, seconds=seconds, done=done):
            nonlocal now
            now += seconds[i]
            done.append(now)

        events = sched.scheduler(lambda: now, wait)             # noqa: B023, it is used up before the next turn
        for i in range(60):
            events.enterabs((i + 1) * T, 0, work, (i,))
        events.run()
        _keeps(t, f"60 blocks of {block} samples at {sr} Hz and random work", seconds, block, sr,
               latency=np.array(done) - np.arange(60) * T,
               says="it has to agree with `sched.scheduler`, on a clock that only work and waiting move.",
               ask="When does the work on a block begin, and from when is it counted?")


def _late(seconds, T):
    """Latencies without fault."""
    done, latency = 0.0, []
    for i, work in enumerate(seconds):
        done = max(done, (i + 1) * T) + work
        latency.append(done - i * T)
    return np.array(latency)


def _factor(seconds, T):
    return float(np.mean(seconds) / T)


@keeps_up.mistake("You forget that a block has to be full before anything can be done with it: its own length is part "
                  "of its latency.", ask="When is a block full, and since when has its first sample been waiting?")
def without_the_block(seconds, block, sr):
    return _factor(seconds, block / sr), _late(seconds, block / sr) - block / sr


@keeps_up.mistake("Each block is alone with you. While one is worked on the next has to wait.", ask="Who waits for "
                  "whom?")
def nobody_waits(seconds, block, sr):
    return _factor(seconds, block / sr), block / sr + seconds


@keeps_up.mistake("You add up all work as if blocks followed without a pause. Nobody can work beforehand on what has "
                  "not been spoken yet.", ask="When does the work on a block begin?")
def never_idle(seconds, block, sr):
    T = block / sr
    return _factor(seconds, T), T + np.cumsum(seconds) - np.arange(len(seconds)) * T


@keeps_up.mistake("Your factor stands on its head: it says how much sound a second of work is good for.",
                  ask="What is divided by what?")
def upside_down(seconds, block, sr):
    with np.errstate(divide="ignore"):
        return float(np.float64(1) / _factor(seconds, block / sr)), _late(seconds, block / sr)


@keeps_up.mistake("Your factor is that of the slowest block.", ask="Over what is it divided?")
def of_the_slowest(seconds, block, sr):
    return float(np.max(seconds) * sr / block), _late(seconds, block / sr)


@keeps_up.mistake("Your factor divides the work of all blocks by the length of one.", ask="How much sound was worked "
                  "on?")
def all_work_over_one_block(seconds, block, sr):
    return float(np.sum(seconds) * sr / block), _late(seconds, block / sr)


@keeps_up.mistake("You work in samples: a time in seconds is compared with a number of samples.",
                  ask="How long is a block?")
def in_samples(seconds, block, sr):
    return _factor(seconds, block), _late(seconds, block)


@keeps_up.mistake("Your factor divides by latencies, or by the time until all is done. It is about work and sound.",
                  ask="How much sound was worked on?")
def share_of_the_time(seconds, block, sr):
    T, latency = block / sr, _late(seconds, block / sr)
    return float(np.sum(seconds) / (latency[-1] + (len(seconds) - 1) * T)), latency


# ---------------------------------------------------------------------------------------------- 10.5


def _two_samples():
    """Three features of two sizes, with values that occur in both and more than once."""
    rng = np.random.default_rng(105)
    return rng.integers(0, 12, (30, 3)).astype(float), rng.integers([0, 3, 2], [12, 15, 9], (17, 3)).astype(float)


ks_statistic = Exercise(
    "10.5", "ks_statistic(usual, now)",
    example=_two_samples,
    hints=[
        "Two samples: 1, 2, 3, 4 and 3, 4, 5, 6. Which share of each is at most 2? And at most 4? At which of these "
        "values do the two shares differ most?",
        "Both shares change only at values that occur. So try all values of both samples, column by column: "
        "`np.concatenate([usual, now])`. The share of a sample that is at most v is a mean of comparisons.",
        "`(usual[:, None] <= values).mean(axis=0)` compares each of n members with each of k values, in all columns at "
        "once: shape [n, k, d] before the mean, [k, d] after it. The statistic is the largest difference over the "
        "values: `.max(axis=0)`.",
    ],
    learned="Two distributions are compared without knowing what either looks like: order is enough. How large a value "
            "is too large is another question, and no table answers it for sound whose seconds resemble one another.",
)


@ks_statistic.output
def is_a_distance_for_each_feature(t, got, usual, now):
    t.array(got, shape=usual.shape[1:], dtype=np.floating)
    got = as_array(got)
    t.holds(bool((got >= -1e-9).all() and (got <= 1 + 1e-9).all()), f"Your statistics go from **{got.min():.4g}** to "
            f"**{got.max():.4g}**, expected from 0 to 1.", ask="Is it shares that are compared, and without a sign?")


def _apart(t, case, usual, now, want, says, ask):
    """Hold a statistic to what it is; a sample of one feature may be given as a row."""
    usual, now = (np.asarray(x, float) for x in (usual, now))
    usual, now = (x[:, None] if x.ndim == 1 else x for x in (usual, now))
    t.close(t.on(case)(usual, now), np.broadcast_to(want, usual.shape[1:]), atol=1e-9, says=f"For {case}, {says}",
            ask=ask)


@ks_statistic.edges
def one_of_each(t):
    _apart(t, "the samples 2 and 2", [2.0], [2.0], 0.0, "both have all their members at most 2.",
           "Which share of each is at most 2?")
    _apart(t, "the samples 2 and 3", [2.0], [3.0], 1.0, "at 2 all of one sample is there, and nothing of the other.",
           "At which values do you compare?")


@ks_statistic.edges
def nothing_in_common(t):
    for usual, now in (([1.0, 2, 3], [4.0, 5]), ([4.0, 5], [1.0, 2, 3])):
        _apart(t, f"the samples {usual} and {now}", usual, now, 1.0, "no member of one lies among the other.",
               "Is it the difference without its sign?")


@ks_statistic.edges
def all_alike(t):
    _apart(t, "seven zeros and four zeros", np.zeros(7), np.zeros(4), 0.0, "there is nothing to tell them apart.",
           "What is the share of members that are at most v, where many are exactly v?")
    _apart(t, "0, 0, 0, 1 and 0, 1", [0.0, 0, 0, 1], [0.0, 1], 0.25, "three quarters are at most 0, and a half.",
           "What is the share of members that are at most v, where many are exactly v?")


@ks_statistic.properties
def the_same_sample(t):
    x = t.rng.normal(size=(50, 3))
    _apart(t, "a sample and itself in another order", x, t.rng.permutation(x), 0.0, "its order does not matter.",
           "What do you sort?")
    _apart(t, "a sample and itself twice", x, np.concatenate([x, x]), 0.0, "shares are the same, counts are not.",
           "Is it shares or counts that you compare?")


@ks_statistic.properties
def a_known_shift(t):
    n, k = 40, int(t.rng.integers(5, 35))
    x = np.arange(n, dtype=float)
    _apart(t, f"the numbers 0 to {n - 1} and the same, {k} larger", t.rng.permutation(x), t.rng.permutation(x + k),
           k / n, f"at {k - 1} the first sample has {k} of its {n} members, the second none.",
           "Which share of each is at most v?")


@ks_statistic.properties
def either_may_come_first(t):
    x, y = t.rng.normal(size=(30, 2)), t.rng.normal(0.5, 2, (12, 2))
    once = t.on("30 members and 12")(x, y)
    _apart(t, "30 members and 12, exchanged", y, x, once, "a distance is the same from either side.",
           "At the values of which sample do you compare, and is it the difference without its sign?")


@ks_statistic.properties
def units_do_not_matter(t):
    x, y = t.rng.normal(size=(30, 2)), t.rng.normal(0.3, 1.5, (25, 2))
    once = t.on("30 members and 25")(x, y)
    for words, change in (("in other units", lambda x: 1000 * x - 7), ("of which e is raised to the power", np.exp)):
        _apart(t, f"30 members and 25, {words}", change(x), change(y), once, "only the order of values counts.",
               "Is it the values that you subtract, or shares of members?")
    _apart(t, "30 members and 25, turned over", -x, -y, once, "what was above is below.",
           "At the values of which sample do you compare?")


@ks_statistic.properties
def features_do_not_know_one_another(t):
    x, y = t.rng.normal(size=(20, 4)), t.rng.normal([0, 1, 2, 3], 1, (15, 4))
    together = t.on("four features")(x, y)
    for i in range(4):
        alone = t.on(f"feature {i} alone")(x[:, i : i + 1], y[:, i : i + 1])
        t.close(together[i], alone[0], atol=1e-9, says=f"Feature {i} of four should have the statistic that it has "
                "alone.", ask="Over which axes is the mean, and over which the largest?")


@ks_statistic.reference
def agrees_with_scipy_ks_2samp(t):
    from scipy.stats import ks_2samp

    for n, m, digits in ((60, 45, 8), (300, 200, 8), (200, 20, 1), (7, 90, 0)):
        x, y = (np.round(sample, digits) for sample in (t.rng.normal(size=(n, 3)), t.rng.normal(0.3, 1.3, (m, 3))))
        _apart(t, f"samples of {n} and {m}, rounded to {digits} digits", x, y,
               [ks_2samp(a, b).statistic for a, b in zip(x.T, y.T, strict=True)],
               "it has to agree with `scipy.stats.ks_2samp`.", "At which values do you compare, and what becomes of "
               "members that are equal?")


def _distances(usual, now, values=None, share=None, over=None):
    """What a mistake measures: at other values, other shares, something else than the largest."""
    values = np.concatenate([usual, now]) if values is None else values
    share = share or (lambda x, v: (x[:, None] <= v).mean(axis=0))
    d = share(usual, values) - share(now, values)
    return np.abs(d).max(axis=0) if over is None else over(d)


@ks_statistic.mistake("You keep the sign: where the second sample lies below the first, nothing is found.",
                      ask="Is it the difference without its sign?")
def with_a_sign(usual, now):
    return _distances(usual, now, over=lambda d: d.max(axis=0))


@ks_statistic.mistake("You take the mean distance, not the largest.", ask="Which of all the distances is it?")
def mean_distance(usual, now):
    return _distances(usual, now, over=lambda d: np.abs(d).mean(axis=0))


@ks_statistic.mistake("You compare at the values of the first sample alone. The largest distance may lie at one of the "
                      "other.", ask="At the values of which sample do you compare?")
def at_usual_values(usual, now):
    return _distances(usual, now, values=usual)


@ks_statistic.mistake("You count members below v on one side and at most v on the other.", ask="What is the share of "
                      "members that are at most v, where many are exactly v?")
def below_and_at_most(usual, now):
    values = np.concatenate([usual, now])
    return np.abs((usual[:, None] < values).mean(axis=0) - (now[:, None] <= values).mean(axis=0)).max(axis=0)


@ks_statistic.mistake("You compare sorted samples place by place: their values, not their shares.",
                      ask="Is it the values that you subtract, or shares of members?")
def place_by_place(usual, now):
    n = min(len(usual), len(now))
    a, b = np.sort(usual, axis=0)[:n], np.sort(now, axis=0)[:n]
    return np.clip(np.abs(a - b).max(axis=0) / np.ptp(np.concatenate([usual, now]), axis=0).clip(1e-12), 0, 1)


@ks_statistic.mistake("All features are thrown together.", ask="Over which axes is the mean, and over which the "
                      "largest?")
def features_together(usual, now):
    one = _distances(usual.reshape(-1, 1), now.reshape(-1, 1))
    return np.full(usual.shape[1], one[0])


@ks_statistic.mistake("Your values are ten places between the smallest and the largest: what happens between two of "
                      "them is not seen.", ask="At which values can a share change?")
def on_a_grid(usual, now):
    both = np.concatenate([usual, now])
    return _distances(usual, now, values=np.linspace(both.min(axis=0), both.max(axis=0), 10))


@ks_statistic.mistake("You compare the means alone, by their spread. A noise that grows and stays centred is then "
                      "never noticed.", ask="Which share of each is at most v?")
def means_alone(usual, now):
    return np.clip(np.abs(usual.mean(axis=0) - now.mean(axis=0)) / (usual.std(axis=0) + 1e-12), 0, 1)


# ---------------------------------------------------------------------------------------------- 10.6


def _candidates(rng, n, k, share=0.75):
    """Scores, costs, and limits that some candidates keep."""
    scores, costs = rng.permutation(n) / n, rng.uniform(0.1, 10, (n, k))
    return scores, costs, np.quantile(costs, share, axis=0)


def _nine():
    """Number 6 is right; each mistake but one takes another."""
    scores = np.array([0.97, 0.99, 0.88, 0.91, 0.95, 0.94, 0.94, 0.10, 0.96])
    costs = np.array([[700, 4.9, 30], [900, 20, 60], [40, 1.0, 4], [80, 2.0, 12], [300, 4.0, 290], [500, 5.0, 20],
                      [450, 4.8, 19], [20, 0.2, 1.0], [510, 1.0, 2]])
    return scores, costs, np.array([500, 5.0, 25])


choose = Exercise(
    "10.6", "choose(scores, costs, budget)",
    example=_nine,
    hints=[
        "Cross out whoever is beyond any limit. Of those that are left, who has the highest score? And what if nobody "
        "is left?",
        "`(costs <= budget).all(axis=1)` says who fits; `np.flatnonzero` of it gives their numbers in the whole list. "
        "What you look for at the end is one of these numbers, not a place among them.",
        "For a candidate that fits, its largest share of a limit is `(costs[i] / budget).max()`. "
        "`max(fits, key=lambda i: (scores[i], -share[i]))` compares scores first and, where they are equal, shares.",
    ],
    learned="A model is chosen by what it may cost, not by what it can do. Nobody can take from one limit what another "
            "has to spare.",
)


@choose.output
def is_a_candidate_that_fits(t, got, scores, costs, budget):
    fits = (costs <= budget).all(axis=1)
    if not fits.any():
        t.holds(got is None, f"None of the {len(scores)} fits, and you return **{briefly(got)}**, expected None.",
                ask="What is the best of nobody?")
        return
    t.holds(got is not None, f"You return **None**, where {fits.sum()} of {len(scores)} would fit.",
            ask="Who is beyond no limit?")
    t.number(got)
    t.holds(as_array(got).dtype.kind in "iu", f"You return **{briefly(got)}**, of type {type(got).__name__}, expected "
            "a whole number.", ask="Is it the number of a candidate that is asked for, or its score?", values=False)
    t.holds(0 <= got < len(scores), f"You return **{briefly(got)}**, expected the number of a candidate, 0 to "
            f"{len(scores) - 1}.", ask="Is it the number of a candidate that is asked for, or its score?")


def _chosen(t, case, scores, costs, budget, want, says, ask):
    """Hold the choice to a candidate, or to None."""
    got = t.on(case)(*(np.asarray(x, float) for x in (scores, costs, budget)))
    t.holds(got is None if want is None else got is not None and int(got) == want,
            f"For {case}, you choose **{briefly(got)}**, expected {want}: {says}", ask=ask)


@choose.edges
def nobody_fits(t):
    _chosen(t, "two candidates, each beyond another limit", [0.9, 0.8], [[1, 9], [9, 1]], [5, 5], None,
            "neither keeps both.", "Does one limit kept make up for another?")


@choose.edges
def a_single_candidate(t):
    _chosen(t, "a single candidate that fits", [0.0], [[3, 3]], [5, 5], 0, "a score of 0 is a score.",
            "What do you compare with at first?")
    _chosen(t, "a single candidate with a negative score", [-7.5], [[3, 3]], [5, 5], 0,
            "a score may be negative, as decibels are.", "What do you compare with at first?")


@choose.edges
def exactly_at_the_limit(t):
    _chosen(t, "a candidate that costs exactly as much as it may", [0.9, 0.5], [[5, 5], [1, 1]], [5, 5], 0,
            "a budget may be spent to the last byte.", "Is a limit kept by whoever reaches it?")


@choose.edges
def never_measured(t):
    _chosen(t, "a better candidate, one of whose costs is NaN", [0.9, 0.5], [[1, np.nan], [1, 1]], [5, 5], 1,
            "what nobody measured nobody can promise.", "What does a comparison with NaN say?")


@choose.edges
def without_a_limit(t):
    _chosen(t, "a limit that is infinite", [0.5, 0.9, 0.8], [[1, 1], [4, 1e9], [3, 1e12]], [5, np.inf], 1,
            "everything is below infinity.", "What is a share of infinity?")


@choose.properties
def the_best_that_fits(t):
    scores, costs, budget = _candidates(t.rng, 30, 3)
    fits = np.flatnonzero((costs <= budget).all(axis=1))
    want = None if not len(fits) else fits[scores[fits].argmax()]
    _chosen(t, f"thirty candidates of which {len(fits)} fit", scores, costs, budget, want,
            "it has the highest score of all that fit.", "Is it a number in the whole list, or among those that fit?")


@choose.properties
def one_limit_too_much(t):
    k = 4
    for i in range(k):
        costs = np.ones((2, k))
        costs[0, i] = 1.01 * 2
        _chosen(t, f"a better candidate that is 1 % beyond limit {i} and far below the others", [0.9, 0.5], costs,
                np.full(k, 2.0), 1, "one limit exceeded is too many.", "Does one limit kept make up for another?")


@choose.properties
def of_equal_ones_the_sparer(t):
    costs = t.rng.uniform(0.5, 1.0, (5, 2)) * [1000, 1.0]
    costs[2] = [400, 0.45]
    costs[3] = [300, 0.80]
    _chosen(t, "five candidates of the same score", np.full(5, 0.9), costs, [1000, 1.0], 2,
            "its largest share of a limit, 45 %, is the smallest; that of candidate 3 is 80 %.",
            "In which unit can bytes and seconds be compared?")


@choose.properties
def the_order_of_candidates_does_not_matter(t):
    scores, costs, budget = _candidates(t.rng, 20, 2)
    first = t.on("twenty candidates")(scores, costs, budget)
    order = t.rng.permutation(20)
    want = None if first is None else int(np.flatnonzero(order == first)[0])
    _chosen(t, "twenty candidates in another order", scores[order], costs[order], budget, want,
            "it is the same candidate at another place.", "Is it a number in the whole list, or among those that fit?")


@choose.properties
def bytes_or_kilobytes(t):
    scores, costs, budget = _candidates(t.rng, 20, 2)
    scores = np.round(scores, 1)                                # many of them are equal
    first = t.on("twenty candidates, many of equal score")(scores, costs, budget)
    units = np.array([1024.0, 1e-3])
    _chosen(t, "twenty candidates with costs and limits in other units", scores, costs * units, budget * units, first,
            "bytes or kilobytes, it is the same candidate.", "In which unit can bytes and seconds be compared?")


@choose.reference
def agrees_with_scipy_milp(t):
    from scipy.optimize import Bounds, LinearConstraint, milp

    for n, k, share in ((12, 2, 0.6), (60, 3, 0.4), (25, 3, 0.1)):
        scores, costs, budget = _candidates(t.rng, n, k, share)
        found = milp(-scores, integrality=np.ones(n), bounds=Bounds(0, 1), constraints=[
            LinearConstraint(costs.T, ub=budget), LinearConstraint(np.ones((1, n)), 1, 1)])
        want = None if found.x is None else int(found.x.argmax())
        _chosen(t, f"{n} candidates and {k} limits", scores, costs, budget, want,
                "it has to agree with `scipy.optimize.milp`, which takes one candidate and none by halves.",
                "Is it a number in the whole list, or among those that fit?")


def _best(scores, costs, budget, fits=lambda c, b: (c <= b).all(axis=1), key=None, number=lambda i, fitting: i):
    """What a mistake chooses: by other limits, by another key, another number."""
    fitting = np.flatnonzero(fits(costs, budget))
    if not len(fitting):
        return None
    share = (costs / budget).max(axis=1)
    key = key or (lambda i: (scores[i], -share[i]))
    return int(number(max(fitting, key=key), fitting))


@choose.mistake("You choose the best of all, whatever it costs.", ask="Who is beyond a limit?")
def without_limits(scores, costs, budget):
    return int(np.argmax(scores))


@choose.mistake("One limit that is kept is enough for you.", ask="Does one limit kept make up for another?")
def any_limit(scores, costs, budget):
    return _best(scores, costs, budget, fits=lambda c, b: (c <= b).any(axis=1))


@choose.mistake("Whoever reaches a limit exactly is out with you.", ask="Is a limit kept by whoever reaches it?")
def strictly_below(scores, costs, budget):
    return _best(scores, costs, budget, fits=lambda c, b: (c < b).all(axis=1))


@choose.mistake("You return a place among those that fit, not the candidate's own number.",
                ask="Is it a number in the whole list, or among those that fit?")
def place_among_the_fitting(scores, costs, budget):
    return _best(scores, costs, budget, number=lambda i, fitting: np.flatnonzero(fitting == i)[0])


@choose.mistake("You choose the cheapest that fits.", ask="What is a budget for?")
def the_cheapest(scores, costs, budget):
    share = (costs / budget).max(axis=1)
    return _best(scores, costs, budget, key=lambda i: -share[i])


@choose.mistake("You look at the first limit alone.", ask="How many limits are there?")
def first_limit(scores, costs, budget):
    return _best(scores, costs, budget, fits=lambda c, b: c[:, 0] <= b[0])


@choose.mistake("Of equal scores you take the first, however much it spends.",
                ask="Which of two equal ones leaves more to spare?")
def first_of_equal_ones(scores, costs, budget):
    return _best(scores, costs, budget, key=lambda i: scores[i])


@choose.mistake("You add up the costs and the limits. Bytes that are spared pay for no second.",
                ask="Does one limit kept make up for another?")
def one_purse(scores, costs, budget):
    return _best(scores, costs, budget, fits=lambda c, b: c.sum(axis=1) <= b.sum())


@choose.mistake("You divide score by cost. What is bought is the best within the budget, not a bargain.",
                ask="What is a budget for?")
def per_cost(scores, costs, budget):
    share = (costs / budget).max(axis=1)
    return _best(scores, costs, budget, key=lambda i: scores[i] / share[i])
