"""Checks of chapter 12, transfer: two contrastive losses, hidden spans, a probe, a draw of examples, a distance."""

import numpy as np
from sklearn.linear_model import Ridge  # here, so that no answer's time is spent on it

from .spec import Exercise, briefly, two_things
from .stages import as_array


def _tensor(rows, dtype="float32"):
    import torch

    return torch.tensor(np.asarray(rows), dtype=getattr(torch, dtype))


def _loss(t, got, least=None):
    """Hold a result to being a loss: a tensor of one number, of float32, neither NaN nor infinite."""
    t.holds(hasattr(got, "detach"), f"You return **{briefly(got)}**, expected a tensor of one number, which remembers "
            "how it was made and can be trained with.", values=False, ask="Which operation made it so?")
    t.holds(tuple(got.shape) == (), f"Your loss has the shape **{list(got.shape)}**, expected one number.",
            ask="What is averaged at the end?")
    t.holds(str(got.dtype) == "torch.float32", f"Your loss is of type **{got.dtype}**, expected torch.float32.",
            ask="Which operation made it so?", values=False)
    value = got.item()
    t.holds(np.isfinite(value), f"Your loss is **{value}**, expected a number.",
            ask="Where could there be a division by zero, infinity minus infinity, or an exponential too large to "
            "hold?")
    if least is not None:
        t.holds(value >= least - 1e-4, f"Your loss is **{value:.4g}**. It is never below {least:g}.",
                ask="What does a right answer cost, and which sign has it?")


def _slopes(t, case, tensors, **options):
    """Gradients of the answer's loss, one for each tensor; the loss has to hang on all of them."""
    import torch

    def gradient_of_your_loss(*tensors):
        tensors = [one.clone().requires_grad_() for one in tensors]
        loss = t.answer(*tensors, **options)
        return torch.autograd.grad(loss, tensors, allow_unused=True) if loss.requires_grad else None

    got = t.on(case).call(gradient_of_your_loss, *tensors)
    t.holds(got is not None, "Your loss does **not** remember what it was made from, so nothing can learn from it.",
            ask="Where does a tensor lose its history?", values=False)
    return got


def _finite(t, case, slopes, names, ask):
    for name, slope in zip(names, slopes, strict=True):
        t.holds(slope is not None, f"For {case}, no gradient reaches `{name}`.", values=False,
                ask="Where does a tensor lose its history?")
        bad = int((~slope.isfinite()).sum())
        t.holds(not bad, f"For {case}, **{bad}** of {slope.numel()} slopes of `{name}` {'is' if bad == 1 else 'are'} "
                "NaN or infinite.", ask=ask)


# ---------------------------------------------------------------------------------------------- 12.1


def _triplets(rng, batch=6, dim=4, size=1.0):
    """Anchors, positives nearby, negatives somewhat farther: some triplets cost something, some nothing."""
    a = rng.normal(size=(batch, dim))
    return (_tensor(a), _tensor(a + 0.6 * size * rng.normal(size=(batch, dim))),
            _tensor(a + size * rng.normal(size=(batch, dim))))


triplet_loss = Exercise(
    "12.1", "triplet_loss(anchor, positive, negative, margin=0.2)",
    example=lambda: (*_triplets(np.random.default_rng(121)), 0.5),
    hints=[
        "Which numbers does one triplet have: how many distances, and between whom? How many losses are there before "
        "the mean?",
        "The distance of two rows is the root of the sum of squared differences over `dim=1`. The largest of 0 and "
        "something is taken for each triplet by itself, and the mean comes last.",
        "`torch.linalg.vector_norm(anchor - positive, dim=1)` is one of the two distances, with a slope of 0 where it "
        "is 0. `.clamp(min=0)` is the largest of 0 and it.",
    ],
    learned="A triplet that is right by the margin teaches nothing any more. That is why so much effort goes into "
            "finding negatives that are still too near.",
)


@triplet_loss.output
def is_a_loss(t, got, anchor, positive, negative, margin=0.2):
    _loss(t, got, least=0.0)


def _rows(near, far):
    """Triplets along a line, whose distances are these."""
    near, far = np.asarray(near, float), np.asarray(far, float)
    zeros = np.zeros((len(near), 3))
    positive, negative = zeros.copy(), zeros.copy()
    positive[:, 1], negative[:, 2] = near, -far
    return _tensor(zeros), _tensor(positive), _tensor(negative)


@triplet_loss.edges
def one_triplet(t):
    for near, far, margin, want, says in (
        (2.0, 0.5, 0.25, 1.75, "the stranger is nearer by 1.5, and a margin of 0.25 comes on top."),
        (3.0, 3.5, 1.0, 0.5, "half of the margin is missing."),
        (3.0, 5.0, 1.0, 0.0, "it is right by more than the margin, and costs nothing."),
    ):
        case = f"one triplet with distances {near:g} to the positive and {far:g} to the negative, margin {margin:g}"
        t.close(t.on(case)(*_rows([near], [far]), margin).item(), want, atol=2e-3, says=f"For {case}, {says}",
                ask="What is subtracted from what, and where does the margin stand?")


@triplet_loss.edges
def pythagoras(t):
    given = _tensor([[0.0, 0.0]]), _tensor([[3.0, -4.0]]), _tensor([[0.0, 2.0]])
    got = t.on("an anchor at (0, 0), a positive at (3, −4), a negative at (0, 2), margin 0.5")(*given, 0.5)
    t.close(got.item(), 3.5, atol=2e-3, says="From (0, 0) it is 5 to (3, −4), and 2 to (0, 2). With a margin of 0.5 "
            "that costs 3.5.", ask="How does Pythagoras add up?")


@triplet_loss.edges
def some_cost_nothing(t):
    near, far = [1.0, 1.0, 1.0, 1.0], [9.0, 9.0, 0.5, 0.1]
    t.close(t.on("four triplets, two of them right by far, two wrong")(*_rows(near, far), 0.3).item(), 0.5,
            atol=2e-3, says="Of four triplets two are right by far and cost 0; the others cost 0.8 and 1.2. The mean "
            "is 0.5.",
            ask="May a triplet that is right by far make up for one that is wrong?")


@triplet_loss.edges
def slopes_where_rows_are_equal(t):
    a, p, n = _triplets(t.rng)
    p[:2], n[2:4], n[4], p[4] = a[:2], a[2:4], a[4], a[4]
    case = "rows that are the same"
    slopes = _slopes(t, case, (a, p, n), margin=5.0)
    _finite(t, case, slopes, ("anchor", "positive", "negative"), "What is the slope of a root at 0, and 0 times that?")
    t.close(t.on("all three the same, margin 0.3")(a, a.clone(), a.clone(), 0.3).item(), 0.3, atol=2e-3,
            says="Where all three are the same, both distances are 0, and the margin is missing whole.",
            ask="What is left if both distances are 0?")


@triplet_loss.properties
def a_mean_over_triplets(t):
    given, margin = _triplets(t.rng, 8), float(np.round(t.rng.uniform(0.3, 1), 2))
    once = t.on("eight triplets")(*given, margin).item()
    t.close(t.on("the same triplets twice")(*(one.repeat(2, 1) for one in given), margin).item(), once, atol=1e-4,
            says="The same triplets twice cost as much as once: a mean.", ask="By how many do you divide?")
    alone = [t.on("each alone")(*(one[i : i + 1] for one in given), margin).item() for i in range(8)]
    t.close(once, np.mean(alone), atol=1e-4, says="Eight triplets cost the mean of what each costs alone.",
            ask="Over what is the mean, and what is done before it?")


@triplet_loss.properties
def twice_as_far_costs_twice(t):
    a, p, n = _triplets(t.rng, 8)
    once = t.on("eight triplets, margin 0.5")(a, p, n, 0.5).item()
    twice = t.on("all of it twice as far, margin 1")(2 * a, 2 * p, 2 * n, 1.0).item()
    t.close(twice, 2 * once, atol=4e-3, rtol=1e-4, says="Twice as far, with twice the margin, costs twice as much.",
            ask="Are these distances, or their squares?")
    shift = _tensor(t.rng.normal(size=(1, 4)))
    t.close(t.on("all moved alike")(a + shift, p + shift, n + shift, 0.5).item(), once, atol=2e-3,
            says="Moving all three alike changes no distance.", ask="Between whom are the distances?")
    more = _tensor(np.zeros((8, 3)))
    wide = [_tensor(np.concatenate([one, more], axis=1)) for one in (a, p, n)]
    t.close(t.on("three more features, all 0")(*wide, 0.5).item(), once, atol=2e-3,
            says="Three more features that are 0 everywhere change no distance.",
            ask="Is the sum over features, or a mean?")


@triplet_loss.properties
def slopes_pull_and_push(t):
    near, far = [1.0, 1.0], [0.5, 9.0]
    case = "two triplets, the second of them right by far"
    a, p, n = _slopes(t, case, _rows(near, far), margin=0.3)
    _finite(t, case, (a, p, n), ("anchor", "positive", "negative"), "Where could infinity come in?")
    t.close(p, [[0, 0.5, 0], [0, 0, 0]], atol=1e-3, says="In the first triplet the positive is pulled to the anchor, "
            "with slope 1 divided by two triplets. The second costs nothing, and has slope 0.",
            ask="Which triplets still teach?")
    t.close(n, [[0, 0, 0.5], [0, 0, 0]], atol=1e-3, says="In the first triplet the negative is pushed away from the "
            "anchor, with slope 1 divided by two triplets.", ask="Which triplets still teach?")
    t.close(a, [[0, -0.5, -0.5], [0, 0, 0]], atol=1e-3, says="The anchor goes to the positive and away from the "
            "negative.", ask="Does the anchor learn from both distances?")


@triplet_loss.reference
def agrees_with_torch(t):
    from torch.nn.functional import triplet_margin_loss

    for batch, dim in ((300, 16), (7, 128)):
        given, margin = _triplets(t.rng, batch, dim), float(t.rng.uniform(0.1, 3))
        want = triplet_margin_loss(*given, margin=margin).item()
        t.close(t.on(f"{batch} triplets of {dim} numbers, margin {margin:.2f}")(*given, margin).item(), want,
                atol=2e-3, rtol=1e-4, says="It has to agree with `torch.nn.functional.triplet_margin_loss`.",
                ask="For how many triplets, and over which numbers?")
    given = _triplets(t.rng, 40, 8)
    t.close(t.on("no margin given")(*given).item(), triplet_margin_loss(*given, margin=0.2).item(), atol=2e-3,
            says="Where no margin is given it is 0.2.", ask="Which margin do you add?")


def _distances(anchor, positive, negative):
    return ((anchor - one).square().sum(dim=1).add(1e-12).sqrt() for one in (positive, negative))


@triplet_loss.mistake("Your distances are squared: far ones count too much, and the margin means something else.",
                      ask="What is the last step of a Euclidean distance?")
def squared_distances(anchor, positive, negative, margin=0.2):
    near, far = ((anchor - one).square().sum(dim=1) for one in (positive, negative))
    return (near - far + margin).clamp(min=0).mean()


@triplet_loss.mistake("You average first and compare with 0 afterwards: a triplet that is right by far makes up for "
                      "those that are wrong.", ask="Is the largest of 0 and something taken once, or for each triplet?")
def mean_first(anchor, positive, negative, margin=0.2):
    near, far = _distances(anchor, positive, negative)
    return (near - far + margin).mean().clamp(min=0)


@triplet_loss.mistake("You have positive and negative the wrong way round: strangers are pulled near.",
                      ask="Which distance should be the smaller one?")
def wrong_way_round(anchor, positive, negative, margin=0.2):
    near, far = _distances(anchor, positive, negative)
    return (far - near + margin).clamp(min=0).mean()


@triplet_loss.mistake("You add up the triplets: the larger the batch, the larger the loss.",
                      ask="By how many do you divide?")
def added_up(anchor, positive, negative, margin=0.2):
    near, far = _distances(anchor, positive, negative)
    return (near - far + margin).clamp(min=0).sum()


@triplet_loss.mistake("You add the margin when the comparison with 0 is over: a triplet that is right then still costs "
                      "the margin.", ask="What does a triplet cost that is right by far?")
def margin_outside(anchor, positive, negative, margin=0.2):
    near, far = _distances(anchor, positive, negative)
    return (near - far).clamp(min=0).mean() + margin


@triplet_loss.mistake("You subtract the margin: a negative may then be nearer than the positive by that much.",
                      ask="Should the margin make it harder, or easier?")
def margin_subtracted(anchor, positive, negative, margin=0.2):
    near, far = _distances(anchor, positive, negative)
    return (near - far - margin).clamp(min=0).mean()


@triplet_loss.mistake("You leave the margin out: where all embeddings are the same, nothing costs anything.",
                      ask="Where does the margin stand?")
def no_margin(anchor, positive, negative, margin=0.2):
    near, far = _distances(anchor, positive, negative)
    return (near - far).clamp(min=0).mean()


@triplet_loss.mistake("Your negative distance is taken from the positive, not from the anchor.",
                      ask="Between whom are the distances?")
def from_the_positive(anchor, positive, negative, margin=0.2):
    near, _ = _distances(anchor, positive, negative)
    _, far = _distances(positive, positive, negative)
    return (near - far + margin).clamp(min=0).mean()


@triplet_loss.mistake("You add up absolute differences. That is the way along the streets, and the Euclidean distance "
                      "goes straight.", ask="How does Pythagoras add up?")
def along_the_streets(anchor, positive, negative, margin=0.2):
    near, far = ((anchor - one).abs().sum(dim=1) for one in (positive, negative))
    return (near - far + margin).clamp(min=0).mean()


@triplet_loss.mistake("You take the mean over the features below the root: the more features, the smaller the margin "
                      "in comparison.", ask="Is it a sum of squares below the root, or their mean?")
def mean_below_the_root(anchor, positive, negative, margin=0.2):
    near, far = ((anchor - one).square().mean(dim=1).add(1e-12).sqrt() for one in (positive, negative))
    return (near - far + margin).clamp(min=0).mean()


@triplet_loss.mistake("The slope of your root is infinite where two rows are the same, and infinity times 0 is NaN.",
                      ask="What is the slope of a root at 0, and 0 times that?")
def bare_root(anchor, positive, negative, margin=0.2):
    near, far = ((anchor - one).square().sum(dim=1).sqrt() for one in (positive, negative))
    return (near - far + margin).clamp(min=0).mean()


@triplet_loss.mistake("You average only those triplets that still cost something. That is a good idea of others; here "
                      "the mean is over all.", ask="By how many do you divide?")
def of_those_that_cost(anchor, positive, negative, margin=0.2):
    near, far = _distances(anchor, positive, negative)
    cost = (near - far + margin).clamp(min=0)
    return cost.sum() / (cost > 0).sum().clamp(min=1)


# ---------------------------------------------------------------------------------------------- 12.2


def _pairs(rng, n=5, dim=4, size=0.7):
    """Pairs that resemble each other, of unequal lengths."""
    a = rng.normal(size=(n, dim)) * rng.uniform(0.5, 3, (n, 1))
    return _tensor(a), _tensor(a + size * rng.normal(size=(n, dim)))


def _cosines(a, b):
    a, b = as_array(a).astype(float), as_array(b).astype(float)
    return (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T


info_nce = Exercise(
    "12.2", "info_nce(a, b, temperature=0.1)",
    example=lambda: (*_pairs(np.random.default_rng(122)), 0.3),
    hints=[
        "Three steps: make all rows equally long, compare every one with every one, and ask each for its partner. "
        "Which shape is the matrix, and where in it do the partners stand?",
        "With rows of length 1, `a @ b.T` holds all cosines. Row i is one question with n answers, of which number i "
        "is right: what classifiers have for a loss. The other direction asks by columns.",
        "`torch.nn.functional.normalize` makes rows of length 1 and leaves zeros. `cross_entropy(s, own)` with "
        "`own = torch.arange(n)` is one direction, and does not overflow; `s.T` is the other.",
    ],
    learned="It is nothing but a classification in which the batch makes the classes. That is why large batches help: "
            "among more strangers the partner is harder to find.",
)


@info_nce.output
def is_a_contrastive_loss(t, got, a, b, temperature=0.1):
    _loss(t, got, least=0.0)


@info_nce.edges
def one_pair(t):
    t.close(t.on("a single pair")(*_pairs(t.rng, 1)).item(), 0.0, atol=1e-5,
            says="A single pair has no stranger to be mistaken for, and costs 0.",
            ask="What stands above the line and what below, if there is only the partner?")


@info_nce.edges
def all_alike(t):
    rows = _tensor(np.tile([[1.0, -2.0, 0.5]], (8, 1)))
    t.close(t.on("eight pairs that are all the same")(rows, rows.clone(), 0.1).item(), np.log(8), atol=1e-4,
            says="If all eight pairs are the same, each can only guess, and costs ln 8.",
            ask="Is the partner itself in the sum below the line?")


@info_nce.edges
def known_cosines(t):
    n, temperature = int(t.rng.integers(3, 9)), float(np.round(t.rng.uniform(0.2, 2), 2))
    case = f"{n} pairs, cosine 1 with the partner and 0 with all strangers, temperature {temperature:g}"
    rows = _tensor(np.eye(n))
    t.close(t.on(case)(rows, rows.clone(), temperature).item(), np.log1p((n - 1) * np.exp(-1 / temperature)), atol=1e-4,
            says=f"For {case}, each costs the logarithm of 1 + {n - 1} e^(−1/{temperature:g}).",
            ask="Which terms are in the sum below the line, and what is done with the temperature?")


@info_nce.edges
def tiny_temperature(t):
    a = np.eye(4)
    b = a[[0, 1, 3, 2]]
    for rows, want, says in ((a, 0.0, "where all find their partner, it costs nothing"),
                             (b, 500.0, "where two of four choose each other's partner, each of these costs 1000")):
        case = f"a temperature of 0.001, {says.partition(',')[0]}"
        t.close(t.on(case)(_tensor(a), _tensor(rows), 1e-3).item(), want, atol=1e-2,
                says=f"At a temperature of 0.001, {says}.", ask="Which exponentials does it need, and how large are "
                "they?")
    case = "a temperature of 0.001"
    slopes = _slopes(t, case, (_tensor(a), _tensor(b)), temperature=1e-3)
    _finite(t, case, slopes, "ab", "Which exponentials does it need, and how large are they?")


@info_nce.edges
def a_row_of_zeros(t):
    a, b = _units(*_pairs(t.rng, 3))
    s = _cosines(a, b) / 0.5
    a[1] = s[1] = 0.0
    case = "a row of zeros in `a`"
    t.close(t.on(case)(a, b, 0.5).item(), _both_ways(s), atol=1e-4, says="A row of zeros has cosine 0 with all.",
            ask="What is 0 divided by 0?")
    _finite(t, case, _slopes(t, case, (a, b), temperature=0.5), "ab", "What is 0 divided by 0, and its slope?")


def _both_ways(s):
    """Mean cross-entropy of the diagonal, by rows and by columns."""
    from scipy.special import log_softmax

    return -0.5 * (np.diag(log_softmax(s, axis=1)).mean() + np.diag(log_softmax(s, axis=0)).mean())


@info_nce.properties
def only_the_angle_counts(t):
    a, b = _pairs(t.rng, 6)
    once = t.on("six pairs")(a, b, 0.2).item()
    scale = _tensor(t.rng.uniform(0.2, 5, (6, 1)))
    t.close(t.on("each row of `a` longer or shorter")(scale * a, b, 0.2).item(), once, atol=1e-4,
            says="Longer or shorter rows point the same way, and should cost the same.",
            ask="Are both sides brought to length 1, each row by itself?")
    t.close(t.on("each row of `b` longer or shorter")(a, scale * b, 0.2).item(), once, atol=1e-4,
            says="Longer or shorter rows of `b` point the same way, and should cost the same.",
            ask="Are both sides brought to length 1, each row by itself?")


@info_nce.properties
def the_sides_are_equals(t):
    a, b = _pairs(t.rng, 6)
    once = t.on("six pairs")(a, b, 0.2).item()
    t.close(t.on("`a` and `b` exchanged")(b, a, 0.2).item(), once, atol=1e-4,
            says="With `a` and `b` exchanged it should cost the same: both directions count.",
            ask="Does each side ask the other?")
    order = t.rng.permutation(6)
    t.close(t.on("the pairs in another order")(a[order], b[order], 0.2).item(), once, atol=1e-4,
            says="In another order, the same for both sides, it should cost the same.",
            ask="Where do the partners stand in the matrix?")


@info_nce.properties
def cheaper_with_the_partner(t):
    a, b = _pairs(t.rng, 8, 6, size=0.3)
    near = t.on("eight pairs that resemble each other")(a, b, 0.1).item()
    mixed = t.on("the same, each beside somebody else's partner")(a, b.roll(1, dims=0), 0.1).item()
    t.holds(near < mixed, f"Eight pairs that resemble each other cost **{near:.3f}**, and beside somebody else's "
            f"partner {mixed:.3f}. It should be the other way round.", ask="Where do the partners stand in the matrix?")


@info_nce.properties
def slopes_reach_both_sides(t):
    a, b = _pairs(t.rng, 5)
    slopes = _slopes(t, "five pairs", (a, b), temperature=0.5)
    _finite(t, "five pairs", slopes, "ab", "Where could infinity come in?")
    for name, rows, slope in zip("ab", (a, b), slopes, strict=True):
        weakest = float(slope.norm(dim=1).min())
        t.holds(weakest > 1e-6, f"A row of `{name}` has a slope of **{weakest:.2g}**: it learns nothing.",
                ask="Does each side learn from the other?")
        along = float((slope * rows).sum(dim=1).abs().max())
        t.holds(along < 1e-3, f"Making a row of `{name}` longer changes your loss (slope **{along:.2g}**), though its "
                "angles stay as they are.", ask="Is the length of a row part of what is learnt?")


@info_nce.reference
def agrees_with_scipy_log_softmax(t):
    for n, dim, temperature in ((60, 16, 0.1), (33, 5, 0.7), (4, 200, 0.05)):
        a, b = _pairs(t.rng, n, dim)
        t.close(t.on(f"{n} pairs of {dim} numbers, temperature {temperature:g}")(a, b, temperature).item(),
                _both_ways(_cosines(a, b) / temperature), atol=1e-3, rtol=1e-4,
                says="It has to agree with `scipy.special.log_softmax` of the cosines, by rows and by columns.",
                ask="Which pairs are asked, and among how many?")
    a, b = _pairs(t.rng, 20, 8)
    t.close(t.on("no temperature given")(a, b).item(), _both_ways(_cosines(a, b) / 0.1), atol=1e-3,
            says="Where no temperature is given it is 0.1.", ask="Which temperature do you divide by?")


def _units(*sides):
    return [one / one.norm(dim=1, keepdim=True).clamp(min=1e-12) for one in sides]


def _asked(s, directions=(1, 0)):
    return -sum(s.log_softmax(dim=dim).diagonal().mean() for dim in directions) / len(directions)


@info_nce.mistake("You do not bring the rows to length 1: whoever is long has the say.",
                  ask="What is the cosine of an angle divided by?")
def not_normalised(a, b, temperature=0.1):
    return _asked(a @ b.T / temperature)


@info_nce.mistake("You leave the partner out of the sum below the line: the loss then falls below 0.",
                  ask="Which terms are in the sum below the line?")
def strangers_alone(a, b, temperature=0.1):
    import torch

    a, b = _units(a, b)
    s = a @ b.T / temperature
    others = s.masked_fill(torch.eye(len(a), dtype=torch.bool), float("-inf"))
    return ((others.logsumexp(dim=1) + others.logsumexp(dim=0)) / 2 - s.diagonal()).mean()


@info_nce.mistake("Only the first side asks the second; the second asks nobody.", ask="How many directions are there?")
def one_direction(a, b, temperature=0.1):
    a, b = _units(a, b)
    return _asked(a @ b.T / temperature, (1,))


@info_nce.mistake("Only the second side asks the first: your softmax goes over the other axis.",
                  ask="Over which axis has a row of answers the sum 1?")
def other_direction(a, b, temperature=0.1):
    a, b = _units(a, b)
    return _asked(a @ b.T / temperature, (0,))


@info_nce.mistake("You multiply by the temperature: a small one then makes all answers alike.",
                  ask="Should a small temperature make small differences large, or smaller still?")
def multiplied(a, b, temperature=0.1):
    a, b = _units(a, b)
    return _asked(a @ b.T * temperature)


@info_nce.mistake("You leave the temperature out.", ask="What is the cosine divided by?")
def without_temperature(a, b, temperature=0.1):
    a, b = _units(a, b)
    return _asked(a @ b.T)


@info_nce.mistake("You add both directions up, and take no mean of the two.", ask="What is returned of the two?")
def both_added(a, b, temperature=0.1):
    a, b = _units(a, b)
    return 2 * _asked(a @ b.T / temperature)


@info_nce.mistake("You add up the pairs: the larger the batch, the larger the loss.", ask="By how many do you divide?")
def pairs_added(a, b, temperature=0.1):
    a, b = _units(a, b)
    return len(a) * _asked(a @ b.T / temperature)


@info_nce.mistake("You compare each with itself: both sides of your cosines are `a`.", ask="Who asks whom?")
def with_itself(a, b, temperature=0.1):
    a, _ = _units(a, b)
    return _asked(a @ a.T / temperature)


@info_nce.mistake("You bring features to length 1, over the clips, and not clips over their features.",
                  ask="Of what is the length: of a row, or of a column?")
def columns_normalised(a, b, temperature=0.1):
    a, b = (one / one.norm(dim=0, keepdim=True).clamp(min=1e-12) for one in (a, b))
    return _asked(a @ b.T / temperature)


@info_nce.mistake("Your softmax goes over the whole matrix: partners of others compete with each other.",
                  ask="Among how many does one clip choose?")
def over_the_whole_matrix(a, b, temperature=0.1):
    a, b = _units(a, b)
    s = a @ b.T / temperature
    return (s.flatten().logsumexp(dim=0) - s.diagonal()).mean()


@info_nce.mistake("You ask among all 2N clips, those of the own side included. That is SimCLR's loss; here each "
                  "chooses among the N of the other side.", ask="Among whom does one clip choose?")
def simclr(a, b, temperature=0.1):
    import torch

    both = torch.cat(_units(a, b))
    s = (both @ both.T / temperature).fill_diagonal_(float("-inf"))
    partner = torch.arange(len(both)).roll(len(a))
    return torch.nn.functional.cross_entropy(s, partner)


# ---------------------------------------------------------------------------------------------- 12.3


mask_spans = Exercise(
    "12.3", "mask_spans(n, p, span, rng)",
    example=lambda: (40, 0.1, 5, np.random.default_rng(126)),
    hints=[
        "Two steps: who is a start? And whom does a start hide? What has chance to say in the second?",
        "`rng.random(n) < p` says of each frame whether it is a start, and `np.flatnonzero` gives their numbers. Begin "
        "with nothing hidden, and hide for each start what belongs to it: what is hidden already stays so.",
        "A slice from `start` to `start + span` holds the start itself and what follows, and ends where the array "
        "does, so that the end of the clip needs no care.",
    ],
    learned="With p = 0.065 and ten frames half of a recording is hidden, in gaps of 0.3 s on average: too long to "
            "draw a line across, and short enough for somebody who knows how words go on.",
)


@mask_spans.output
def is_a_row_of_bools(t, got, n, p, span, rng):
    t.array(got, shape=(n,), dtype=np.bool_)


def _hidden(t, n, p, span, seed, case=""):
    case = case or f"{n} frames, p = {p:g}, gaps of {span}"
    return t.on(case)(n, p, span, np.random.default_rng(seed)), case


def _starts(n, p, seed):
    return np.flatnonzero(np.random.default_rng(seed).random(n) < p)


def _listed(frames):
    return f"{', '.join(str(i) for i in frames[:12])}{' …' if len(frames) > 12 else ''}" if len(frames) else "none"


@mask_spans.edges
def none_and_all(t):
    for p, want in ((0.0, False), (1.0, True)):
        got, case = _hidden(t, 12, p, 3, t.seed)
        t.holds((got == want).all(), f"For {case}, {'every' if want else 'no'} frame should be hidden; yours hides "
                f"**{got.sum()}** of 12.", ask="Who is a start?")
    for p in (0.0, 1.0):
        got, case = _hidden(t, 1, p, 4, t.seed, f"a single frame, p = {p:g}")
        t.holds(got[0] == bool(p), f"For {case}, the frame should be {'hidden' if p else 'heard'}.",
                ask="Who is a start?")


@mask_spans.edges
def gaps_of_one_frame(t):
    got, case = _hidden(t, 60, 0.3, 1, t.seed)
    want = np.isin(np.arange(60), _starts(60, 0.3, t.seed))
    t.holds(np.array_equal(got, want), f"For {case}, the starts are hidden, {_listed(np.flatnonzero(want))}, and "
            f"nothing else; yours are **{_listed(np.flatnonzero(got))}**.", ask="Which numbers of which generator say "
            "who is a start, and does a start hide itself?", show=(got, want))


@mask_spans.edges
def longer_than_the_clip(t):
    for seed in range(6):
        got, case = _hidden(t, 6, 0.25, 50, seed, "a clip of 6 frames, p = 0.25, gaps of 50")
        starts = _starts(6, 0.25, seed)
        want = np.arange(6) >= (starts[0] if len(starts) else 6)
        t.holds(np.array_equal(got, want), f"For {case}, and starts at {_listed(starts)}, the hidden frames should be "
                f"{_listed(np.flatnonzero(want))}; yours are **{_listed(np.flatnonzero(got))}**.",
                ask="What becomes of a gap at the end of the clip?", show=(got, want))


@mask_spans.properties
def no_gap_is_too_short(t):
    span = int(t.rng.integers(3, 8))
    got, case = _hidden(t, 400, 0.04, span, t.seed)
    steps = np.diff(got.astype(int), prepend=0, append=0)
    begins, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    lengths = (ends - begins)[ends < 400]
    shortest = int(lengths.min()) if len(lengths) else span
    t.holds(shortest >= span, f"For {case}, your shortest gap that does not reach the end has **{shortest}** frame"
            f"{'s' * (shortest != 1)}.", ask="How many frames does a start hide, itself included?")
    starts = _starts(400, 0.04, t.seed)
    t.holds(np.isin(begins, starts).all(), f"For {case}, a gap begins at frame "
            f"**{_listed(np.setdiff1d(begins, starts))}**, which is not a start.", ask="Where does a gap begin: with "
            "its start, or around it?")


@mask_spans.properties
def the_share_that_is_hidden(t):
    p, span = float(np.round(t.rng.uniform(0.02, 0.12), 3)), int(t.rng.integers(4, 12))
    got, case = _hidden(t, 40_000, p, span, t.seed)
    want, share = 1 - (1 - p) ** span, got.mean()
    t.holds(abs(share - want) < 0.025, f"For {case}, {100 * want:.0f} % should be hidden: a frame is heard if none of "
            f"{span} is a start. Yours hides **{100 * share:.0f} %**.",
            ask="Is p the share of starts, or of hidden frames? And may gaps overlap?")


@mask_spans.properties
def chance_is_the_generators(t):
    rows = [_hidden(t, 300, 0.05, 6, seed)[0] for seed in (5, 5, 6)]
    t.holds(np.array_equal(rows[0], rows[1]), "Two calls with equal generators hide different frames: nobody could "
            "repeat your experiment.", ask="Where do your random numbers come from?")
    t.holds(not np.array_equal(rows[0], rows[2]), "Two different generators hide the same frames: the network would "
            "never be asked for the others.", ask="Where do your random numbers come from?")

    def two_clips(rng):
        return [t.answer(300, 0.05, 6, rng) for _ in range(2)]

    first, second = t.on("two clips from one generator").call(two_clips, np.random.default_rng(t.seed))
    t.holds(not np.array_equal(first, second), "Two clips, one after the other from one generator, have the same "
            "frames hidden.", ask="Does your generator go on, or begin anew?")


@mask_spans.reference
def agrees_with_max_pooling(t):
    import torch

    for _ in range(6):
        n, span = int(t.rng.integers(20, 300)), int(t.rng.integers(2, 15))
        p, seed = float(np.round(t.rng.uniform(0.01, 0.15), 3)), int(t.rng.integers(1000))
        got, case = _hidden(t, n, p, span, seed)
        starts = _starts(n, p, seed)
        row = torch.zeros(1, 1, n + span - 1)
        row[0, 0, starts + span - 1] = 1
        want = torch.nn.functional.max_pool1d(row, span, stride=1)[0, 0].numpy() > 0
        t.holds(np.array_equal(got, want), f"For {case}, and starts at {_listed(starts)}, it has to agree with "
                f"`torch.nn.functional.max_pool1d` over each frame and the {span - 1} before it: {int(want.sum())} are "
                f"hidden, yours hides **{int(got.sum())}**, and {int((got != want).sum())} are not alike.",
                ask="Which frames does a start hide, and by which numbers is it drawn?", show=(got, want))


def _spread(starts, n, span, before=0):
    hidden = np.zeros(n, bool)
    for start in starts:
        hidden[max(0, start - before) : max(0, start - before + span)] = True
    return hidden


@mask_spans.mistake("You hide single frames, each by its own chance: there are no gaps.",
                    ask="How many frames does a start hide?")
def single_frames(n, p, span, rng):
    return rng.random(n) < p


@mask_spans.mistake("Your gaps do not overlap: within a gap nobody can be a start with you.",
                    ask="What becomes of a start that is hidden already?")
def without_overlap(n, p, span, rng):
    starts, free = [], 0
    for i in np.flatnonzero(rng.random(n) < p):
        if i >= free:
            starts.append(i)
            free = i + span
    return _spread(starts, n, span)


@mask_spans.mistake("Your gaps lie around their starts, half of each before it.",
                    ask="Which frame of a gap is its start?")
def centred(n, p, span, rng):
    return _spread(np.flatnonzero(rng.random(n) < p), n, span, before=span // 2)


@mask_spans.mistake("Your gaps end with their starts.", ask="Does a start hide what follows, or what came before?")
def backwards(n, p, span, rng):
    return _spread(np.flatnonzero(rng.random(n) < p), n, span, before=span - 1)


@mask_spans.mistake("Your gaps are one frame too long.", ask="Is the start itself one of the frames?")
def one_too_long(n, p, span, rng):
    return _spread(np.flatnonzero(rng.random(n) < p), n, span + 1)


@mask_spans.mistake("Your gaps are one frame too short.", ask="Is the start itself one of the frames?")
def one_too_short(n, p, span, rng):
    return _spread(np.flatnonzero(rng.random(n) < p), n, span - 1)


@mask_spans.mistake("`True` stands for what is heard with you.", ask="For which frames is the result True?")
def upside_down(n, p, span, rng):
    return ~_spread(np.flatnonzero(rng.random(n) < p), n, span)


@mask_spans.mistake("You draw starts only where a whole gap still fits: the end of each clip is then hidden less often "
                    "than its middle.", ask="Who may be a start, and what becomes of a gap at the end of the clip?")
def where_it_fits(n, p, span, rng):
    starts = np.flatnonzero(rng.random(n) < p)
    return _spread(starts[starts <= n - span], n, span)


@mask_spans.mistake("Your gaps go round: what does not fit at the end is hidden at the beginning.",
                    ask="What becomes of a gap at the end of the clip?")
def round_the_end(n, p, span, rng):
    starts = np.flatnonzero(rng.random(n) < p)
    hidden = np.zeros(n, bool)
    hidden[(starts[:, None] + np.arange(span)).ravel() % n] = True
    return hidden


@mask_spans.mistake("You divide p by the length of a gap, so that p is about the share of hidden frames. Here p is "
                    "that of starts.", ask="Of what is p the probability?")
def share_of_frames(n, p, span, rng):
    return _spread(np.flatnonzero(rng.random(n) < p / span), n, span)


@mask_spans.mistake("You draw a fixed number of starts, as the paper does. Here each frame is one by its own chance.",
                    ask="Which of the numbers of `rng.random` belongs to frame i?")
def a_fixed_number(n, p, span, rng):
    return _spread(rng.choice(n, round(p * n), replace=False), n, span)


# ---------------------------------------------------------------------------------------------- 12.4


def _embeddings(rng, n=14, d=3, names=("no", "up", "yes"), m=5, spread=1.0):
    """Clips of classes that lie apart, each feature at its own level and of its own size."""
    which = np.concatenate([np.arange(len(names)), rng.integers(0, len(names), n - len(names))])
    centres = rng.normal(size=(len(names), d))
    level, size = rng.normal(0, 5, d), rng.uniform(0.1, 10, d)
    x = level + size * (centres[which] + spread * rng.normal(size=(n, d)))
    new = level + size * (centres[rng.integers(0, len(names), m)] + spread * rng.normal(size=(m, d)))
    return x, np.array(names)[which], new + 2 * size


linear_probe = Exercise(
    "12.4", "linear_probe(x, labels, new, alpha=1.0)",
    example=lambda: (*_embeddings(np.random.default_rng(124)), 2.0),
    hints=[
        "Whose mean and whose standard deviation? What is in row i of T if clip i has the second of three classes? "
        "Which shapes have Z, T and W?",
        "`labels[:, None] == np.unique(labels)` says for each clip and each class whether it is that one. The mean of "
        "T over the clips is b. Solving a system of equations is safer than inverting a matrix.",
        "`np.linalg.solve(z.T @ z + alpha * np.eye(d), z.T @ (T - b))` is W. The new clips go through the same mean "
        "and the same standard deviation, and their scores are `z_new @ W + b`.",
    ],
    learned="No step of training, no seed, one formula: what differs between two probes is what the embeddings know.",
)


@linear_probe.output
def is_names_and_scores(t, got, x, labels, new, alpha=1.0):
    two_things(t, got, "names, scores")
    names, scores = got
    t.holds(isinstance(names, np.ndarray) and names.ndim == 1, f"Your names: **{briefly(names)}**, expected an array "
            "of the classes.", ask="What does its last line hand back, and in which order?", values=False)
    want = np.unique(labels)
    t.holds(np.array_equal(names, want), f"Your names are **{', '.join(map(str, names[:8]))}**, expected "
            f"{', '.join(map(str, want[:8]))}.", ask="In which order do the classes come?")
    t.holds(isinstance(scores, np.ndarray), f"Your scores: **{briefly(scores)}**, expected an array.", values=False,
            ask="What does its last line hand back?")
    shape = (len(new), len(want))
    t.holds(scores.shape == shape, f"Your scores have the shape **{list(scores.shape)}**, expected {list(shape)}: a "
            "row for each new clip, a column for each class.", ask="Which clips are to be named, and how many classes "
            "are there?")
    t.holds(scores.dtype.kind == "f", f"Your scores are of type **{scores.dtype}**, expected float.", values=False,
            ask="Which operation made it so?")
    bad = int((~np.isfinite(scores)).sum())
    t.holds(not bad, f"Of your {scores.size} scores **{bad}** are NaN or infinite.",
            ask="What is the standard deviation of a feature that never changes, and what is it divided into?")


def _scores(x, labels, new, alpha):
    """Scores by scikit-learn's ridge regression on standardised features."""
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 0, spread, 1)
    targets = np.where(labels[:, None] == np.unique(labels), 1.0, -1.0)
    fitted = Ridge(alpha, solver="svd").fit((x - mean) / spread, targets)
    return fitted.predict((new - mean) / spread)


def _probed(t, case, x, labels, new, alpha, says, ask, want=None):
    scores = t.on(case)(x, labels, new, alpha)[1]
    t.close(scores, _scores(x, labels, new, alpha) if want is None else want, atol=1e-4, rtol=1e-4,
            says=f"For {case}, {says}", ask=ask)


@linear_probe.edges
def one_feature_by_hand(t):
    x, labels = np.array([[1.0], [3.0]]), np.array(["a", "b"])
    _probed(t, "two clips at 1 and 3, one of each class, α = 2", x, labels, np.array([[2.0], [3.0], [7.0]]), 2.0,
            "they lie at −1 and 1 when standardised, W is −½ and ½, b is 0. New clips at 2, 3 and 7 get 0, ½ and 2½ "
            "for the second class.", "How is a new clip standardised, and what does α add?",
            want=[[0, 0], [-0.5, 0.5], [-2.5, 2.5]])


@linear_probe.edges
def intercepts_are_free(t):
    x = np.tile([[-1.0], [1.0]], (5, 1))
    labels = np.array(["b"] * 10)
    labels[:2] = "a"
    _probed(t, "ten clips, two of class a, and an α of a thousand millions", x, labels, np.array([[0.0], [1.0]]), 1e9,
            "the weights are almost 0, and what is left is the mean of the targets, −0.6 and 0.6.",
            "Is the intercept held small as well?", want=[[-0.6, 0.6], [-0.6, 0.6]])


@linear_probe.edges
def a_feature_that_never_changes(t):
    x, labels, new = _embeddings(t.rng, 16, 4)
    x[:, 1], new[:, 1] = 3.0, 3.0
    _probed(t, "a feature that is 3 in all clips", x, labels, new, 1.0, "it tells nothing, and the others stay as they "
            "are.", "What is its standard deviation, and what is divided by it?")
    want = _scores(np.delete(x, 1, axis=1), labels, np.delete(new, 1, axis=1), 1.0)
    new = new.copy()
    new[:, 1] = 8.0
    _probed(t, "a feature that is 3 in all training clips, and 8 in the new ones", x, labels, new, 1.0,
            "nothing was learnt from it, so its weight is 0 and it changes no score.",
            "What is its standard deviation, and what is divided by it?", want=want)


@linear_probe.edges
def more_features_than_clips(t):
    x, labels, new = _embeddings(t.rng, 6, 40)
    _probed(t, "6 clips with 40 features", x, labels, new, 0.5, "α alone makes the answer one.",
            "Which matrix can be inverted, and thanks to what?")


@linear_probe.edges
def labels_of_any_kind(t):
    x, labels, new = _embeddings(t.rng, 15, 3, names=(7, 12, -3, 40))
    _probed(t, "classes named 7, 12, −3 and 40", x, labels, new, 1.0, "a class's column stands where `np.unique` has "
            "its name.", "Is a label a name or a place?")
    x, labels, new = _embeddings(t.rng, 12, 3, names=("stop", "go"))
    _probed(t, "two classes", x, labels, new, 1.0, "each has a column of its own.", "How many columns has T?")


@linear_probe.edges
def a_single_new_clip(t):
    x, labels, new = _embeddings(t.rng, 15, 3)
    _probed(t, "a single new clip", x, labels, new[:1], 1.0, "it is standardised by the training clips, or it would be "
            "0 all through.", "Whose mean and whose standard deviation?")


@linear_probe.properties
def units_do_not_matter(t):
    x, labels, new = _embeddings(t.rng, 20, 5)
    before = t.on("20 clips")(x, labels, new, 1.0)[1]
    size, shift = t.rng.uniform(0.01, 100, 5), t.rng.normal(0, 10, 5)
    after = t.on("the same in other units: each feature times something, plus something")(
        x * size + shift, labels, new * size + shift, 1.0)[1]
    t.close(after, before, atol=1e-4, rtol=1e-4, says="In other units a feature says the same, and the scores should "
            "stay.", ask="What is standardised: features, or clips? And the new ones by what?")


@linear_probe.properties
def scores_add_up(t):
    names = tuple("abcde")[: int(t.rng.integers(2, 6))]
    x, labels, new = _embeddings(t.rng, 20, 4, names=names)
    scores = t.on(f"{len(names)} classes")(x, labels, new, 1.0)[1]
    t.close(scores.sum(axis=1), np.full(len(new), 2.0 - len(names)), atol=1e-6,
            says=f"With {len(names)} classes each row of T has one +1 and otherwise −1, with sum {2 - len(names)}. "
                 "So has each row of scores.", ask="What stands in T for the other classes?")


@linear_probe.properties
def each_new_clip_by_itself(t):
    x, labels, new = _embeddings(t.rng, 20, 4)
    together = t.on("five new clips")(x, labels, new, 1.0)[1]
    alone = np.concatenate([t.on("each of them alone")(x, labels, new[i : i + 1], 1.0)[1] for i in range(len(new))])
    t.close(alone, together, atol=1e-6, says="A new clip's scores should not hang on which others are asked about.",
            ask="Whose mean and whose standard deviation?")


@linear_probe.properties
def all_of_it_twice(t):
    x, labels, new = _embeddings(t.rng, 15, 4)
    once = t.on("15 clips, α = 1")(x, labels, new, 1.0)[1]
    twice = t.on("each clip twice, α = 2")(np.repeat(x, 2, axis=0), np.repeat(labels, 2), new, 2.0)[1]
    t.close(twice, once, atol=1e-5, says="Each clip twice and twice the α is the same question: all squares count "
            "twice.",
            ask="Is the first term a sum or a mean, and is the standard deviation one with n below the line?")


@linear_probe.reference
def agrees_with_sklearn_ridge(t):
    for n, d, classes in ((60, 10, 4), (25, 60, 6), (40, 3, 2)):
        x, labels, new = _embeddings(t.rng, n, d, tuple(f"w{i}" for i in range(classes)), m=30)
        alpha = float(np.round(10 ** t.rng.uniform(-1, 2), 2))
        _probed(t, f"{n} clips of {d} features and {classes} classes, α = {alpha:g}", x, labels, new, alpha,
                "it has to agree with scikit-learn's `Ridge` on standardised features.",
                "What is held small, by how much, and what not?")
    x, labels, new = _embeddings(t.rng, 20, 4)
    t.close(t.on("no α given")(x, labels, new)[1], _scores(x, labels, new, 1.0), atol=1e-4,
            says="Where no α is given it is 1.", ask="Which α do you add?")


def _solved(x, labels, new, alpha, mean=None, spread=None, new_mean=None, new_spread=None, low=-1.0, b=None):
    """What a mistake hands back: other statistics, targets or intercepts."""
    mean = x.mean(axis=0) if mean is None else mean
    spread = x.std(axis=0) if spread is None else spread
    spread = np.where(spread > 0, spread, 1)
    new_spread = spread if new_spread is None else np.where(new_spread > 0, new_spread, 1)
    z, z_new = (x - mean) / spread, (new - (mean if new_mean is None else new_mean)) / new_spread
    names = np.unique(labels)
    targets = np.where(labels[:, None] == names, 1.0, low)
    b = targets.mean(axis=0) if b is None else b
    return names, z_new @ np.linalg.solve(z.T @ z + alpha * np.eye(z.shape[1]), z.T @ (targets - b)) + b


@linear_probe.mistake("You standardise the new clips by their own mean and standard deviation: what makes them "
                      "different from the training is wiped out, and one clip alone becomes 0.",
                      ask="Whose mean and whose standard deviation?")
def by_their_own(x, labels, new, alpha=1.0):
    return _solved(x, labels, new, alpha, new_mean=new.mean(axis=0), new_spread=new.std(axis=0))


@linear_probe.mistake("Mean and standard deviation are those of training and new clips together: the test has a part "
                      "in the training.", ask="Whose mean and whose standard deviation?")
def of_all_clips(x, labels, new, alpha=1.0):
    both = np.concatenate([x, new])
    return _solved(x, labels, new, alpha, mean=both.mean(axis=0), spread=both.std(axis=0))


@linear_probe.mistake("You hold the intercept small as well: with a large α all scores go to 0, and rare classes gain.",
                      ask="What is in the penalty, and what is not?")
def intercept_held(x, labels, new, alpha=1.0):
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 0, spread, 1)
    z, z_new = (np.column_stack([(one - mean) / spread, np.ones(len(one))]) for one in (x, new))
    names = np.unique(labels)
    targets = np.where(labels[:, None] == names, 1.0, -1.0)
    return names, z_new @ np.linalg.solve(z.T @ z + alpha * np.eye(z.shape[1]), z.T @ targets)


@linear_probe.mistake("There is no intercept with you: each class is as likely as any other at the mean of all clips.",
                      ask="What is a clip's score that lies at the mean of all?")
def no_intercept(x, labels, new, alpha=1.0):
    return _solved(x, labels, new, alpha, b=np.zeros(len(np.unique(labels))))


@linear_probe.mistake("Your targets are 1 and 0; here the other classes have −1.", ask="What stands in T for the other "
                      "classes?")
def ones_and_zeros(x, labels, new, alpha=1.0):
    return _solved(x, labels, new, alpha, low=0.0)


@linear_probe.mistake("You do not standardise: a feature in large units has the say, and α presses on those in small "
                      "ones.", ask="What is subtracted first, and what divided by?")
def not_standardised(x, labels, new, alpha=1.0):
    return _solved(x, labels, new, alpha, spread=np.ones(x.shape[1]))


@linear_probe.mistake("Your standard deviation has n − 1 below the line; here it is n.",
                      ask="What does the standard deviation divide by?")
def one_fewer_below_the_line(x, labels, new, alpha=1.0):
    return _solved(x, labels, new, alpha, spread=x.std(axis=0, ddof=1))


@linear_probe.mistake("Your α counts once for each clip: with more clips the weights are held as small as ever.",
                      ask="Is the first term a sum or a mean?")
def mean_of_squares(x, labels, new, alpha=1.0):
    return _solved(x, labels, new, alpha * len(x))


@linear_probe.mistake("You leave α out.", ask="What holds the weights small?")
def without_alpha(x, labels, new, alpha=1.0):
    return _solved(x, labels, new, 1e-9)


@linear_probe.mistake("You give back the scores of the training clips.", ask="Which clips are to be named?")
def of_the_training(x, labels, new, alpha=1.0):
    return _solved(x, labels, x, alpha)


@linear_probe.mistake("You standardise each clip over its features, and not each feature over the clips.",
                      ask="Over which axis are mean and standard deviation?")
def clips_standardised(x, labels, new, alpha=1.0):
    x, new = ((one - one.mean(axis=1, keepdims=True)) / one.std(axis=1, keepdims=True).clip(1e-12) for one in (x, new))
    return _solved(x, labels, new, alpha, mean=np.zeros(x.shape[1]), spread=np.ones(x.shape[1]))


# ---------------------------------------------------------------------------------------------- 12.5


def _takes(voices=6, classes=3, each=4, rng=None):
    """Labels and voices of clips: each voice says each word `each` times, in mixed order if there is a generator."""
    words = np.repeat(np.array(["go", "no", "off", "on", "up"])[:classes], voices * each)
    names = np.tile(np.repeat(np.array(["ada", "ben", "cleo", "dov", "emmy", "finn", "gus"])[:voices], each), classes)
    order = rng.permutation(len(words)) if rng else np.arange(len(words))
    return words[order], names[order]


few_shot = Exercise(
    "12.5", "few_shot(labels, voices, k, rng)",
    example=lambda: (*_takes(), 3, np.random.default_rng(125)),
    hints=[
        "In which order: voices first, or clips first? Who may still be drawn as an example once the test's voices are "
        "known?",
        "`rng.choice(names, size, replace=False)` draws without putting back, from names as well as from numbers of "
        "clips. `np.isin(voices, drawn)` says of each clip whether its voice was drawn.",
        "For one class: `np.flatnonzero((labels == label) & ~asked)` are the clips to draw from. If there are fewer "
        "than k, `raise ValueError(...)` with a sentence. Everything of the drawn voices is the test.",
    ],
    learned="How the examples were drawn and who is asked belong to the figure. Twenty draws and voices never heard "
            "make one that can be believed.",
)


@few_shot.output
def is_two_rows_of_numbers(t, got, labels, voices, k, rng):
    two_things(t, got, "train, test")
    for name, rows in zip(("train", "test"), got, strict=True):
        t.holds(isinstance(rows, np.ndarray) and rows.ndim == 1, f"Your `{name}`: **{briefly(rows)}**, expected a row "
                "of the numbers of clips.", ask="What does its last line hand back?", values=False)
        t.holds(rows.dtype.kind in "iu", f"Your `{name}` is of type **{rows.dtype}**, expected whole numbers: the "
                "places of clips.", ask="Is it a mask, or are these the names of clips?", values=False)
        t.holds(not len(rows) or (rows.min() >= 0 and rows.max() < len(labels)), f"Your `{name}` reaches to clip "
                f"**{rows.max() if len(rows) else 0}**, and there are {len(labels)}.", ask="Are these places in the "
                "whole table, or in a part of it?")
        twice = len(rows) - len(np.unique(rows))
        t.holds(not twice, f"Your `{name}` has **{twice}** clip{'s' * (twice != 1)} twice.",
                ask="Is a clip put back before the next one is drawn?")


def _drawn(t, case, labels, voices, k, seed):
    """Hold one draw to the rules: k of each class, half of the voices in the test, all of theirs, nobody in both."""
    train, test = t.on(case)(labels, voices, k, np.random.default_rng(seed))
    for label in np.unique(labels):
        count = int((labels[train] == label).sum())
        t.holds(count == k, f"For {case}, class {label} has **{count}** examples in your training set, expected {k}.",
                ask="How many are drawn of each class?")
    both = np.intersect1d(voices[train], voices[test])
    t.holds(not len(both), f"For {case}, **{len(both)}** voice{'s stand' if len(both) != 1 else ' stands'} on both "
            f"sides{f', {both[0]} among them' if len(both) else ''}.", ask="Whose clips may be examples, once the "
            "test's voices are known?")
    names = np.unique(voices)
    wanted, have = len(names) // 2, len(np.unique(voices[test]))
    t.holds(have == wanted, f"For {case}, the test should have {wanted} of the {len(names)} voices; yours has "
            f"**{have}**.",
            ask="How many voices are drawn, and who belongs to the test?")
    left = int(np.isin(voices, voices[test]).sum()) - len(test)
    t.holds(not left, f"For {case}, **{left}** clip{'s' * (left != 1)} of the test's voices "
            f"{'are' if left != 1 else 'is'} missing in your test.", ask="Which clips of the test's voices belong to "
            "it?")
    return train, test


@few_shot.edges
def all_that_there_are(t):
    labels, voices = _takes(2, 2, 3, t.rng)
    for seed in range(4):
        _drawn(t, "2 voices who say each of 2 words 3 times, k = 3", labels, voices, 3, seed)
    labels, voices = _takes(7, 3, 2, t.rng)
    _drawn(t, "7 voices, an odd number", labels, voices, 1, t.seed)


@few_shot.edges
def numbers_for_names(t):
    labels, voices = _takes(4, 3, 4, t.rng)
    labels, voices = np.unique(labels, return_inverse=True)[1] * 5 - 3, np.unique(voices, return_inverse=True)[1] + 100
    _drawn(t, "classes −3, 2 and 7 and voices 100 to 103", labels, voices, 2, t.seed)


@few_shot.edges
def voices_of_unequal_size(t):
    voices = np.repeat(np.array(["ada", "ben", "cleo", "dov", "emmy", "finn"]), [40, 4, 4, 4, 4, 4])
    labels = np.tile(np.array(["no", "yes"]), 30)
    for seed in range(4):
        _drawn(t, "six voices, one of them with two thirds of all clips, k = 2", labels, voices, 2, seed)


def _refused(t, case, labels, voices, k, seed=0):
    """What a ValueError of the answer says; None if there was none."""
    def few_shot(labels, voices, k, rng):
        try:
            t.answer(labels, voices, k, rng)
        except ValueError as error:
            return str(error)

    return t.on(case).call(few_shot, labels, voices, k, np.random.default_rng(seed))


@few_shot.edges
def too_few_clips(t):
    labels, voices = _takes(4, 3, 5, t.rng)
    keep = (labels != "off") | (np.cumsum(labels == "off") <= 2)
    rare = labels[keep], voices[keep]
    spread_out = _takes(2, 2, 3, t.rng)
    for case, given, k, names in (
        ("a class off that has two clips in all, k = 3", rare, 3, ["off"]),
        ("two voices who say each word 3 times, so that 3 are there to learn from, k = 4", spread_out, 4, ["go", "no"]),
    ):
        said = _refused(t, case, *given, k)
        t.holds(said is not None, f"For {case}, a **ValueError** should be raised; yours returns something.",
                ask="How many clips are there to draw from, and by whom?", values=False)
        t.holds(any(name in said for name in names), f"For {case}, your ValueError says **“{said[:80]}”**. "
                "It should name the class that has too few.", ask="Whoever reads it: what do they have to know?",
                values=False)
        t.holds(str(k) in said, f"For {case}, your ValueError says **“{said[:80]}”**. It should say how many are "
                "wanted.",
                ask="Whoever reads it: what do they have to know?", values=False)


@few_shot.edges
def one_voice(t):
    case = "clips by one voice only"
    said = _refused(t, case, np.array(["no", "yes"] * 4), np.array(["ada"] * 8), 1)
    t.holds(said is not None, f"For {case}, a **ValueError** should be raised, because the test would be empty or have "
            "the voice of the training; yours returns something.", ask="Who is left to be asked?", values=False)
    t.holds("voice" in said.lower(), f"For {case}, your ValueError says **“{said[:80]}”**. It should say that it is "
            "about voices.", ask="Whoever reads it: what do they have to know?", values=False)


@few_shot.properties
def k_of_each_and_nobody_on_both_sides(t):
    for seed in range(6):
        voices, classes, each = int(t.rng.integers(4, 8)), int(t.rng.integers(2, 6)), int(t.rng.integers(2, 6))
        labels, names = _takes(voices, classes, each, t.rng)
        k = int(t.rng.integers(1, 2 * each))
        _drawn(t, f"{voices} voices who say each of {classes} words {each} times, k = {k}", labels, names, k, seed)


@few_shot.properties
def draws_are_the_generators(t):
    labels, voices = _takes(6, 3, 4, t.rng)
    draws = [t.on("3 words by 6 voices, k = 3")(labels, voices, 3, np.random.default_rng(seed))
             for seed in (3, 3, *range(20))]
    sets = [tuple(tuple(sorted(part.tolist())) for part in draw) for draw in draws]
    t.holds(sets[0] == sets[1], "Two draws with equal generators differ: nobody could repeat your experiment.",
            ask="Where do your random numbers come from?")
    t.holds(len(set(sets)) > 5, f"Twenty different generators give **{len(set(sets))}** draws.",
            ask="Where do your random numbers come from?")


@few_shot.properties
def each_as_likely_as_any_other(t):
    labels, voices = _takes(4, 2, 3)
    times, drawn, asked = 150, np.zeros(24, int), np.zeros(24, int)
    for seed in range(times):
        train, test = t.on("4 voices who say each of 2 words 3 times, k = 2")(
            labels, voices, 2, np.random.default_rng([t.seed, seed]))
        drawn[train] += 1
        asked[test] += 1
    for counts, share, what in ((asked, 1 / 2, "asked in the test"), (drawn, 1 / 6, "drawn as an example")):
        want, apart = times * share, 5 * np.sqrt(times * share * (1 - share))
        worst = int(np.argmax(np.abs(counts - want)))
        t.holds(abs(counts[worst] - want) <= apart, f"In {times} draws from 4 voices who say each of 2 words 3 times, "
                f"with k = 2, each clip should be {what} about {want:.0f} times; clip {worst} was **{counts[worst]}** "
                "times.",
                ask="Has each clip the same chance, wherever it stands in the table?")


@few_shot.properties
def together_as_likely_as_chance(t):
    labels, voices = _takes(4, 1, 4)
    times, same = 150, 0
    for seed in range(times):
        rng = np.random.default_rng([t.seed, seed])
        train, _ = t.on("4 voices who say a word 4 times, k = 2")(labels, voices, 2, rng)
        same += voices[train[0]] == voices[train[1]]
    want = times * 3 / 7
    apart = 5 * np.sqrt(times * 3 / 7 * 4 / 7)
    t.holds(abs(same - want) <= apart, f"In {times} draws of two examples by two voices with 4 clips each, both should "
            f"be by the same voice about {want:.0f} times, by chance alone; with you they are **{same}** times.",
            ask="Is each choice of k clips as likely as any other?")


def _sides(labels, voices, k, rng, draw=None, test=None, choose=None):
    """What a mistake hands back: other draws, another test, other voices."""
    names = np.unique(voices)
    choose = choose or (lambda size: rng.choice(names, size, replace=False))
    asked = np.isin(voices, choose(len(names) // 2))
    draw = draw or (lambda there: rng.choice(there, k, replace=False))
    there = {label: np.flatnonzero((labels == label) & ~asked) for label in np.unique(labels)}
    few = [f"{label}: {len(rows)} clips, {k} wanted" for label, rows in there.items() if len(rows) < k]
    if len(names) < 2 or few:
        raise ValueError("only one voice" if len(names) < 2 else "; ".join(few))
    train = np.concatenate([draw(rows) for rows in there.values()])
    return train, np.flatnonzero(asked) if test is None else test(asked, train)


@few_shot.mistake("You draw clips without asking whose they are, and test on all others: voices stand on both sides.",
                  ask="Whose clips may be examples, once the test's voices are known?")
def voices_on_both_sides(labels, voices, k, rng):
    drawn = [rng.choice(np.flatnonzero(labels == label), k, replace=False) for label in np.unique(labels)]
    train = np.concatenate(drawn)
    return train, np.setdiff1d(np.arange(len(labels)), train)


@few_shot.mistake("Your test is all that was not drawn, the other clips of the training's voices included.",
                  ask="Who belongs to the test?")
def all_the_rest(labels, voices, k, rng):
    return _sides(labels, voices, k, rng, test=lambda asked, train: np.setdiff1d(np.arange(len(labels)), train))


@few_shot.mistake("You take the first k clips of each class: nothing is drawn.", ask="Has each clip the same chance?")
def the_first_k(labels, voices, k, rng):
    return _sides(labels, voices, k, rng, draw=lambda there: there[:k])


@few_shot.mistake("The voices of your test are always the same: only the examples are drawn.",
                  ask="What is drawn first?")
def always_the_same_voices(labels, voices, k, rng):
    return _sides(labels, voices, k, rng, choose=lambda size: np.unique(voices)[-size:])


@few_shot.mistake("You draw k · C clips of all classes together: some classes get more than others.",
                  ask="How many are drawn of each class?")
def of_all_together(labels, voices, k, rng):
    names = np.unique(voices)
    asked = np.isin(voices, rng.choice(names, len(names) // 2, replace=False))
    return rng.choice(np.flatnonzero(~asked), k * len(np.unique(labels)), replace=False), np.flatnonzero(asked)


@few_shot.mistake("You put clips back before the next one is drawn: one may come twice.",
                  ask="Is a clip put back before the next one is drawn?")
def put_back(labels, voices, k, rng):
    return _sides(labels, voices, k, rng, draw=lambda there: rng.choice(there, k))


# ---------------------------------------------------------------------------------------------- 12.6


def _clouds(rng, n=12, m=15, d=3, apart=1.0):
    """Two sets of points, each stretched and turned in its own way."""
    x, y = (rng.normal(size=(size, d)) @ rng.normal(size=(d, d)) for size in (n, m))
    return x, y + apart * rng.normal(size=d)


def _frechet(x, y):
    """The distance by singular values: tr (Sx Sy)^(1/2) is the nuclear norm of the cross product of centred rows."""
    xc, yc = x - x.mean(axis=0), y - y.mean(axis=0)
    n, m = len(x) - 1, len(y) - 1
    middle = np.linalg.svd(xc @ yc.T / np.sqrt(n * m), compute_uv=False).sum()
    return np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2) + np.sum(xc**2) / n + np.sum(yc**2) / m - 2 * middle


frechet_distance = Exercise(
    "12.6", "frechet_distance(x, y)",
    example=lambda: _clouds(np.random.default_rng(126)),
    hints=[
        "Four terms: one of the means, three of the covariances. Which are easy? For the last: which matrix has to "
        "have a root, and what do you need of that root?",
        "`np.cov(x, rowvar=False)` has n − 1 below the line. `np.linalg.eigh` gives the eigenvalues and eigenvectors "
        "of a symmetric matrix: `V * np.sqrt(values) @ V.T` is its root, once no value is below 0.",
        "With `R` the root of one covariance, `np.linalg.eigvalsh(R @ cov_y @ R)` are real numbers; bring them to at "
        "least 0, take their roots, and add up. `max(0.0, …)` at the end.",
    ],
    learned="It needs no label, and says that two kinds of clips differ, not how. With few clips it is too large: "
            "compare it with that of two halves of one kind.",
)


@frechet_distance.output
def is_a_distance(t, got, x, y):
    is_complex = np.iscomplexobj(as_array(got))
    t.holds(not is_complex, f"You return **{briefly(got)}**, a complex number; a distance is real.",
            ask="Of which numbers is a root taken, and what are those that lie a little below 0?")
    t.number(got)
    t.holds(got >= 0, f"Your distance is **{float(got):.3g}**. It is never below 0.",
            ask="What may rounding do where the distance is 0?")


@frechet_distance.edges
def the_same_twice(t):
    for case, x in (("the same 20 clips twice", t.rng.normal(size=(20, 4))),
                    ("the same 5 clips of 12 features twice", t.rng.normal(size=(5, 12))),
                    ("clips that are all the same", np.full((6, 3), 0.7))):
        t.close(t.on(case)(x, x.copy()), 0.0, atol=1e-3, says=f"For {case}, the distance is 0.",
                ask="What is the root of a covariance times itself?")


@frechet_distance.edges
def two_sets_of_one_feature(t):
    x, y = np.array([[1.0], [3.0], [5.0]]), np.array([[10.0], [14.0], [18.0]])
    t.close(t.on("one feature: 1, 3, 5 and 10, 14, 18")(x, y), 125.0, atol=1e-3,
            says="The means lie 11 apart. The standard deviations are 2 and 4, and with one feature the rest of the "
                 "formula is the square of their difference: 121 + 4.",
            ask="Is the distance of the means squared, and what stands below the line of a covariance?")


@frechet_distance.edges
def moved_apart(t):
    x, _ = _clouds(t.rng, 30, 2, 4)
    step = t.rng.normal(size=4)
    t.close(t.on("a set, and the same set moved")(x, x + step), np.sum(step**2), rtol=1e-3, atol=1e-3,
            says="A set and the same set moved differ by the square of how far it was moved.",
            ask="Is the distance of the means squared?")


@frechet_distance.edges
def fewer_clips_than_features(t):
    for n, m, d in ((4, 5, 10), (3, 40, 8), (2, 2, 6)):
        x, y = _clouds(t.rng, n, m, d)
        case = f"{n} and {m} clips of {d} features"
        t.close(t.on(case)(x, y), _frechet(x, y), rtol=5e-3, atol=2e-2,
                says=f"For {case}, some eigenvalues are 0. That should do no harm.",
                ask="What becomes of an eigenvalue of 0 that comes out a little below it?")


@frechet_distance.edges
def tiny_and_large_units(t):
    x, y = _clouds(t.rng, 30, 40, 4)
    want = _frechet(x, y)
    for size in (1e-3, 1e3):
        got = t.on(f"all numbers times {size:g}")(size * x, size * y) / size**2
        t.close(got, want, rtol=5e-3, says=f"All numbers times {size:g} makes the distance {size**2:g} times as large; "
                "divided by that, it should be the same.", ask="What do you add to keep a root from going wrong?")


@frechet_distance.properties
def made_larger(t):
    x, _ = _clouds(t.rng, 30, 2, 4)
    x, factor = x - x.mean(axis=0), float(np.round(t.rng.uniform(1.5, 3), 2))
    want = (factor - 1) ** 2 * np.trace(np.cov(x, rowvar=False))
    got = t.on(f"a set around 0, and the same made {factor:g} times as large")(x, factor * x)
    t.close(got, want, rtol=1e-3, atol=1e-3,
            says=f"Made {factor:g} times as large, all standard deviations differ by {factor - 1:.2f} times "
                 f"themselves: the distance is {(factor - 1) ** 2:.2f} times the trace of the covariance.",
            ask="What is the root of a covariance times another?")


@frechet_distance.properties
def there_and_back(t):
    x, y = _clouds(t.rng, 20, 35, 5)
    t.close(t.on("the sets exchanged")(y, x), t.on("two sets")(x, y), rtol=2e-3, atol=1e-3,
            says="There and back it is equally far.", ask="Which of the terms is not the same for both?")


@frechet_distance.properties
def turned_together(t):
    x, y = _clouds(t.rng, 20, 35, 5)
    turn, _ = np.linalg.qr(t.rng.normal(size=(5, 5)))
    t.close(t.on("both sets turned alike")(x @ turn, y @ turn), t.on("two sets")(x, y), rtol=2e-3, atol=1e-3,
            says="Turning both sets alike changes no distance.",
            ask="Is it the root of a matrix, or of each of its numbers?")


@frechet_distance.properties
def order_does_not_count(t):
    x, y = _clouds(t.rng, 20, 20, 5)
    before = t.on("two sets")(x, y)
    t.close(t.on("clips of one set in another order")(t.rng.permutation(x), y), before, rtol=1e-4, atol=1e-4,
            says="In another order it is the same set.", ask="Do clips of one set have a partner in the other?")


@frechet_distance.reference
def agrees_with_scipy_sqrtm(t):
    from scipy.linalg import sqrtm

    for n, m, d in ((60, 90, 6), (200, 150, 20)):
        x, y = _clouds(t.rng, n, m, d)
        cov_x, cov_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
        apart = np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2)
        want = apart + np.trace(cov_x + cov_y - 2 * np.real(sqrtm(cov_x @ cov_y)))
        t.close(t.on(f"{n} and {m} clips of {d} features")(x, y), want, rtol=2e-3,
                says="It has to agree with the formula by `scipy.linalg.sqrtm`.",
                ask="Which features have a part in it, and what stands below the line of a covariance?")


def _parts(x, y, ddof=1):
    """The squared distance of the means, and both covariances."""
    cov_x, cov_y = (np.atleast_2d(np.cov(one, rowvar=False, ddof=ddof)) for one in (x, y))
    return np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2), cov_x, cov_y


def _root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(values.clip(0)) @ vectors.T


def _middle(cov_x, cov_y):
    root = _root(cov_x)
    return np.sqrt(np.linalg.eigvalsh(root @ cov_y @ root).clip(0)).sum()


@frechet_distance.mistake("You take the root of each number of the product. The root of a matrix is another matrix, "
                          "which gives the product when multiplied by itself.", ask="Is it the root of a matrix, or of "
                          "each of its numbers?")
def root_of_each_number(x, y):
    apart, cov_x, cov_y = _parts(x, y)
    return max(0.0, apart + np.trace(cov_x + cov_y - 2 * np.sqrt(np.abs(cov_x @ cov_y))))


@frechet_distance.mistake("You multiply the covariances number by number.", ask="Which product of two matrices is it?")
def product_of_numbers(x, y):
    apart, cov_x, cov_y = _parts(x, y)
    return max(0.0, apart + np.trace(cov_x + cov_y) - 2 * np.sqrt(np.abs(np.linalg.eigvals(cov_x * cov_y))).sum())


@frechet_distance.mistake("You do not square the distance of the means.", ask="What is done with the difference of the "
                          "means?")
def distance_not_squared(x, y):
    apart, cov_x, cov_y = _parts(x, y)
    return max(0.0, np.sqrt(apart) + np.trace(cov_x + cov_y) - 2 * _middle(cov_x, cov_y))


@frechet_distance.mistake("You take the root of the whole. That is a distance too; the custom is to leave it squared.",
                          ask="What is done with the sum of all terms?")
def root_of_the_whole(x, y):
    apart, cov_x, cov_y = _parts(x, y)
    return np.sqrt(max(0.0, apart + np.trace(cov_x + cov_y) - 2 * _middle(cov_x, cov_y)))


@frechet_distance.mistake("Your covariances have n below the line; here it is n − 1.",
                          ask="What stands below the line of a covariance?")
def n_below_the_line(x, y):
    apart, cov_x, cov_y = _parts(x, y, ddof=0)
    return max(0.0, apart + np.trace(cov_x + cov_y) - 2 * _middle(cov_x, cov_y))


@frechet_distance.mistake("You subtract the root once; the formula has it twice.", ask="How often is the root "
                          "subtracted?")
def once(x, y):
    apart, cov_x, cov_y = _parts(x, y)
    return max(0.0, apart + np.trace(cov_x + cov_y) - _middle(cov_x, cov_y))


@frechet_distance.mistake("You leave out the root, and subtract the product itself.", ask="What is done with the "
                          "product of the covariances?")
def without_a_root(x, y):
    apart, cov_x, cov_y = _parts(x, y)
    return max(0.0, apart + np.trace(cov_x + cov_y - 2 * cov_x @ cov_y))


@frechet_distance.mistake("You multiply the roots of the two covariances. The root of a product is not the product of "
                          "the roots where the two do not commute.", ask="Of which matrix is the root taken?")
def product_of_roots(x, y):
    apart, cov_x, cov_y = _parts(x, y)
    return max(0.0, apart + np.trace(cov_x + cov_y) - 2 * np.trace(_root(cov_x) @ _root(cov_y)))


@frechet_distance.mistake("You compare the means alone: two sets around one mean may be quite unlike.",
                          ask="What have the covariances to say?")
def means_alone(x, y):
    return _parts(x, y)[0]


@frechet_distance.mistake("You compare the spread of each feature by itself: how features go together does not count "
                          "with you.", ask="Which numbers of the covariances do you use?")
def features_by_themselves(x, y):
    apart, cov_x, cov_y = _parts(x, y)
    return apart + np.sum((np.sqrt(np.diag(cov_x)) - np.sqrt(np.diag(cov_y))) ** 2)


@frechet_distance.mistake("You add up the squared differences of the covariances. That is another measure of how "
                          "unlike they are.", ask="What have the covariances to say, by the formula?")
def differences_of_covariances(x, y):
    apart, cov_x, cov_y = _parts(x, y)
    return apart + np.sum((cov_x - cov_y) ** 2)
