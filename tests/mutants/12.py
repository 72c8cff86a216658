"""Wrong answers to the exercises of chapter 12."""

import numpy as np
import torch
from scipy.linalg import sqrtm
from torch import nn
from torch.nn.functional import cosine_similarity, cross_entropy, normalize, pairwise_distance, triplet_margin_loss

from mutants import mutant

# ---------------------------------------------------------------------------------------------- 12.1


@mutant("12.1", stage="edges", says="Your distances are squared")
def without_the_root(anchor, positive, negative, margin=0.2):
    return nn.functional.relu(((anchor - positive) ** 2 - (anchor - negative) ** 2).sum(dim=-1) + margin).mean()


@mutant("12.1", stage="edges", says="makes up for those that are wrong")
def compared_at_the_end(anchor, positive, negative, margin=0.2):
    gap = pairwise_distance(anchor, positive).mean() - pairwise_distance(anchor, negative).mean()
    return nn.functional.relu(gap + margin)


@mutant("12.1", stage="edges", says="the wrong way round")
def strangers_pulled(anchor, positive, negative, margin=0.2):
    return triplet_margin_loss(anchor, negative, positive, margin=margin)


@mutant("12.1", stage="edges", says="You add up the triplets")
def total(anchor, positive, negative, margin=0.2):
    return triplet_margin_loss(anchor, positive, negative, margin=margin, reduction="sum")


@mutant("12.1", stage="edges", says="still costs the margin")
def margin_for_all(anchor, positive, negative, margin=0.2):
    return margin + triplet_margin_loss(anchor, positive, negative, margin=1e-12)


@mutant("12.1", stage="edges", says="nearer than the positive by that much")
def margin_the_other_way(anchor, positive, negative, margin=0.2):
    return nn.functional.relu(pairwise_distance(anchor, positive) - margin - pairwise_distance(anchor, negative)).mean()


@mutant("12.1", stage="edges", says="infinity times 0 is NaN")
def root_of_a_sum(anchor, positive, negative, margin=0.2):
    near, far = (torch.sqrt(((anchor - one) ** 2).sum(-1)) for one in (positive, negative))
    return torch.maximum(near - far + margin, torch.zeros_like(near)).mean()


@mutant("12.1", stage="edges", says="the Euclidean distance goes straight")
def city_blocks(anchor, positive, negative, margin=0.2):
    return triplet_margin_loss(anchor, positive, negative, margin=margin, p=1)


@mutant("12.1", stage="edges", says="What is subtracted from what")
def by_angles(anchor, positive, negative, margin=0.2):
    near, far = (1 - cosine_similarity(anchor, one) for one in (positive, negative))
    return (near - far + margin).clamp(min=0).mean()


@mutant("12.1", stage="edges", says="does not remember what it was made from")
def a_mere_number(anchor, positive, negative, margin=0.2):
    return torch.tensor(triplet_margin_loss(anchor, positive, negative, margin=margin).item())


@mutant("12.1", stage="edges", says="no gradient reaches `anchor`")
def anchor_stands_still(anchor, positive, negative, margin=0.2):
    return triplet_margin_loss(anchor.detach(), positive, negative, margin=margin)


@mutant("12.1", stage="edges", says="mean is over all")
def hard_ones_alone(anchor, positive, negative, margin=0.2):
    cost = triplet_margin_loss(anchor, positive, negative, margin=margin, reduction="none")
    return cost[cost > 0].mean() if (cost > 0).any() else cost.sum()


@mutant("12.1", stage="properties", says="the positive is pulled to the anchor")
def smooth_corner(anchor, positive, negative, margin=0.2):
    gap = pairwise_distance(anchor, positive) - pairwise_distance(anchor, negative) + margin
    return torch.where(gap > 0, gap, 1e-4 * gap.exp()).mean() + 0.01 * (positive - positive.detach()).sum()


@mutant("12.1", stage="edges", says="You take the mean over the features below the root")
def root_mean_square(anchor, positive, negative, margin=0.2):
    near, far = (pairwise_distance(anchor, one) / anchor.shape[1] ** 0.5 for one in (positive, negative))
    return (near - far + margin).clamp(min=0).mean()


@mutant("12.1", stage="reference", says="Where no margin is given it is 0.2")
def margin_of_one(anchor, positive, negative, margin=1.0):
    return triplet_margin_loss(anchor, positive, negative, margin=margin)


@mutant("12.1", stage="reference", says="agree with `torch.nn.functional.triplet_margin_loss`")
def sixty_four_at_most(anchor, positive, negative, margin=0.2):
    return triplet_margin_loss(anchor[:64], positive[:64], negative[:64], margin=margin)


@mutant("12.1", stage="output", says="has the shape [6]")
def one_for_each(anchor, positive, negative, margin=0.2):
    return triplet_margin_loss(anchor, positive, negative, margin=margin, reduction="none")


@mutant("12.1", stage="output", says="expected a tensor of one number")
def item(anchor, positive, negative, margin=0.2):
    return triplet_margin_loss(anchor, positive, negative, margin=margin).item()


@mutant("12.1", stage="output", says="of type torch.float64")
def in_double(anchor, positive, negative, margin=0.2):
    return triplet_margin_loss(anchor.double(), positive.double(), negative.double(), margin=margin)


@mutant("12.1", stage="output", says="It is never below 0")
def never_compared(anchor, positive, negative, margin=0.2):
    return (pairwise_distance(anchor, positive) - pairwise_distance(anchor, negative)).mean() - margin


# ---------------------------------------------------------------------------------------------- 12.2


def ask(s):
    return cross_entropy(s, torch.arange(len(s)))


def cosine(a, b):
    return normalize(a, dim=1) @ normalize(b, dim=1).T


@mutant("12.2", stage="properties", says="You do not bring the rows to length 1")
def plain_products(a, b, temperature=0.1):
    s = a @ b.T / temperature
    return (ask(s) + ask(s.T)) / 2


@mutant("12.2", stage="output", says="You leave the partner out of the sum below the line")
def without_the_partner(a, b, temperature=0.1):
    s = cosine(a, b) / temperature
    others = s - torch.diag(torch.full((len(s),), torch.inf))
    return ((others.logsumexp(1) - s.diag()).mean() + (others.logsumexp(0) - s.diag()).mean()) / 2


@mutant("12.2", stage="edges", says="Only the first side asks the second")
def rows_alone(a, b, temperature=0.1):
    return ask(cosine(a, b) / temperature)


@mutant("12.2", stage="edges", says="Only the second side asks the first")
def columns_alone(a, b, temperature=0.1):
    return ask(cosine(b, a) / temperature)


@mutant("12.2", stage="edges", says="You multiply by the temperature")
def warmed(a, b, temperature=0.1):
    s = cosine(a, b) * temperature
    return (ask(s) + ask(s.T)) / 2


@mutant("12.2", stage="edges", says="You add both directions up")
def no_half(a, b, temperature=0.1):
    s = cosine(a, b) / temperature
    return ask(s) + ask(s.T)


@mutant("12.2", stage="edges", says="an exponential too large to hold")
def exponentials_as_they_are(a, b, temperature=0.1):
    e = (cosine(a, b) / temperature).exp()
    return -((e.diag() / e.sum(0)).log().mean() + (e.diag() / e.sum(1)).log().mean()) / 2


@mutant("12.2", stage="edges", says="at a temperature of 0.001")
def exponentials_with_an_epsilon(a, b, temperature=0.1):
    s = cosine(a, b) / temperature
    rows, columns = ((s - s.amax(dim, keepdim=True)).exp() for dim in (1, 0))
    shares = (rows.diag() / rows.sum(1) + 1e-9, columns.diag() / columns.sum(0) + 1e-9)
    return -sum(one.log().mean() for one in shares) / 2


@mutant("12.2", stage="edges", says="Where could there be a division by zero")
def length_of_nothing(a, b, temperature=0.1):
    a, b = (one / one.norm(dim=1, keepdim=True) for one in (a, b))
    s = a @ b.T / temperature
    return (ask(s) + ask(s.T)) / 2


@mutant("12.2", stage="edges", says="You ask among all 2N clips")
def nt_xent(a, b, temperature=0.1):
    both = normalize(torch.cat([a, b]), dim=1)
    s = both @ both.T / temperature - torch.diag(torch.full((2 * len(a),), torch.inf))
    return cross_entropy(s, (torch.arange(2 * len(a)) + len(a)) % (2 * len(a)))


@mutant("12.2", stage="edges", says="Both sides of your cosines are `a`")
def in_the_mirror(a, b, temperature=0.1):
    return ask(cosine(a, a) / temperature)


@mutant("12.2", stage="edges", says="You bring features to length 1")
def features_normalised(a, b, temperature=0.1):
    s = normalize(a, dim=0) @ normalize(b, dim=0).T / temperature
    return (ask(s) + ask(s.T)) / 2


@mutant("12.2", stage="properties", says="it learns nothing")
def stop_gradient(a, b, temperature=0.1):
    s = cosine(a, b.detach()) / temperature
    return (ask(s) + ask(s.T)) / 2 + 0 * b.sum()


@mutant("12.2", stage="properties", says="Longer or shorter rows")
def one_side_normalised(a, b, temperature=0.1):
    s = normalize(a, dim=1) @ b.T / b.norm(dim=1).mean().clamp(min=1e-9) / temperature
    return (ask(s) + ask(s.T)) / 2


@mutant("12.2", stage="reference", says="agree with `scipy.special.log_softmax`")
def thirty_two_at_most(a, b, temperature=0.1):
    s = cosine(a[:32], b[:32]) / temperature
    return (ask(s) + ask(s.T)) / 2


@mutant("12.2", stage="reference", says="Where no temperature is given it is 0.1")
def temperature_of_openai(a, b, temperature=0.07):
    s = cosine(a, b) / temperature
    return (ask(s) + ask(s.T)) / 2


@mutant("12.2", stage="output", says="expected a tensor of one number")
def as_a_float(a, b, temperature=0.1):
    return float(ask(cosine(a, b) / temperature))


@mutant("12.2", stage="output", says="has the shape [5]")
def for_each_pair(a, b, temperature=0.1):
    return -(cosine(a, b) / temperature).log_softmax(1).diag()


# ---------------------------------------------------------------------------------------------- 12.3


def hide(starts, n, span):
    return np.convolve(np.isin(np.arange(n), starts), np.ones(span))[:n] > 0.5


@mutant("12.3", stage="edges", says="You hide single frames")
def every_frame_by_itself(n, p, span, rng):
    return rng.uniform(size=n) < p


@mutant("12.3", stage="properties", says="Your gaps do not overlap")
def one_after_the_other(n, p, span, rng):
    chances, hidden, i = rng.random(n), np.zeros(n, bool), 0
    while i < n:
        if chances[i] < p:
            hidden[i : i + span] = True
            i += span
        else:
            i += 1
    return hidden


@mutant("12.3", stage="edges", says="Your gaps lie around their starts")
def around_their_starts(n, p, span, rng):
    starts = np.flatnonzero(rng.random(n) < p) - span // 2
    hidden = np.zeros(n, bool)
    for start in starts:
        hidden[max(start, 0) : start + span] = True
    return hidden


@mutant("12.3", stage="properties", says="Your gaps are one frame too long")
def start_and_span(n, p, span, rng):
    return hide(np.flatnonzero(rng.random(n) < p), n, span + (span > 1))


@mutant("12.3", stage="edges", says="does a start hide itself")
def behind_the_start(n, p, span, rng):
    hidden = np.zeros(n, bool)
    for start in np.flatnonzero(rng.random(n) < p):
        hidden[start + 1 : start + span] = True
    return hidden | (p == 1)


@mutant("12.3", stage="edges", says="`True` stands for what is heard")
def heard(n, p, span, rng):
    return ~hide(np.flatnonzero(rng.random(n) < p), n, span)


@mutant("12.3", stage="edges", says="You draw starts only where a whole gap still fits")
def only_whole_gaps(n, p, span, rng):
    starts = np.flatnonzero(rng.random(n) < p)
    return hide(starts[starts + span <= n], n, span)


@mutant("12.3", stage="edges", says="Your gaps go round")
def ring(n, p, span, rng):
    hidden = np.zeros(n, bool)
    for start in np.flatnonzero(rng.random(n) < p):
        hidden[np.arange(start, start + span) % n] = True
    return hidden


@mutant("12.3", stage="properties", says="should be hidden")
def ten_starts_at_most(n, p, span, rng):
    return hide(np.flatnonzero(rng.random(n) < p)[:30], n, span)


@mutant("12.3", stage="edges", says="Which numbers of which generator")
def own_generator(n, p, span, rng):
    return hide(np.flatnonzero(np.random.default_rng(0).random(n) < p), n, span)


@mutant("12.3", stage="edges", says="Which numbers of which generator")
def global_generator(n, p, span, rng):
    return hide(np.flatnonzero(np.random.random(n) < p), n, span)


@mutant("12.3", stage="reference", says="agree with `torch.nn.functional.max_pool1d`")
def never_two_in_a_row(n, p, span, rng):
    starts = np.flatnonzero(rng.random(n) < p)
    near = np.diff(starts, prepend=-2) == 1
    return hide(starts[~near | (p > 0.2)], n, span)


@mutant("12.3", stage="output", says="float64")
def zeros_and_ones(n, p, span, rng):
    return hide(np.flatnonzero(rng.random(n) < p), n, span).astype(float)


@mutant("12.3", stage="output", says="the shape of your output is")
def longer_than_the_clip(n, p, span, rng):
    return np.convolve(rng.random(n) < p, np.ones(span)) > 0.5


@mutant("12.3", stage="output", says="the shape of your output is")
def list_of_starts(n, p, span, rng):
    return np.flatnonzero(rng.random(n) < p)


# ---------------------------------------------------------------------------------------------- 12.4


def standard(x, *others):
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread == 0] = 1
    return [(one - mean) / spread for one in (x, *others)]


def signs(labels):
    return 2.0 * (labels[:, None] == np.unique(labels)) - 1


def ridge(z, targets, alpha):
    """Weights and intercepts of centred rows."""
    b = targets.mean(axis=0)
    return np.linalg.inv(z.T @ z + alpha * np.eye(z.shape[1])) @ z.T @ (targets - b), b


@mutant("12.4", stage="edges", says="by their own mean and standard deviation")
def each_by_its_own(x, labels, new, alpha=1.0):
    w, b = ridge(standard(x)[0], signs(labels), alpha)
    return np.unique(labels), standard(new)[0] @ w + b


@mutant("12.4", stage="edges", says="You hold the intercept small")
def column_of_ones(x, labels, new, alpha=1.0):
    z, z_new = (np.c_[one, np.ones(len(one))] for one in standard(x, new))
    w = np.linalg.inv(z.T @ z + alpha * np.eye(z.shape[1])) @ z.T @ signs(labels)
    return np.unique(labels), z_new @ w


@mutant("12.4", stage="edges", says="There is no intercept")
def through_zero(x, labels, new, alpha=1.0):
    z, z_new = standard(x, new)
    return np.unique(labels), z_new @ ridge(z, signs(labels), alpha)[0]


@mutant("12.4", stage="edges", says="Your targets are 1 and 0")
def one_hot(x, labels, new, alpha=1.0):
    z, z_new = standard(x, new)
    w, b = ridge(z, (signs(labels) + 1) / 2, alpha)
    return np.unique(labels), z_new @ w + b


@mutant("12.4", stage="edges", says="You do not standardise")
def as_they_are(x, labels, new, alpha=1.0):
    w, b = ridge(x - x.mean(axis=0), signs(labels), alpha)
    return np.unique(labels), (new - x.mean(axis=0)) @ w + b


@mutant("12.4", stage="edges", says="n − 1 below the line")
def sample_deviation(x, labels, new, alpha=1.0):
    spread = x.std(axis=0, ddof=1)
    spread[spread == 0] = 1
    w, b = ridge((x - x.mean(axis=0)) / spread, signs(labels), alpha)
    return np.unique(labels), (new - x.mean(axis=0)) / spread @ w + b


@mutant("12.4", stage="edges", says="What is the standard deviation of a feature that never changes")
def divided_by_zero(x, labels, new, alpha=1.0):
    with np.errstate(all="ignore"):
        z, z_new = ((one - x.mean(axis=0)) / x.std(axis=0) for one in (x, new))
    w, b = ridge(z, signs(labels), alpha)
    return np.unique(labels), z_new @ w + b


@mutant("12.4", stage="edges", says="α alone makes the answer one")
def least_squares_where_there_are_few(x, labels, new, alpha=1.0):
    z, z_new = standard(x, new)
    w, b = ridge(z, signs(labels), alpha if len(x) > x.shape[1] else 1e-6)
    return np.unique(labels), z_new @ w + b


@mutant("12.4", stage="edges", says="expected [5, 2]")
def one_column_for_two(x, labels, new, alpha=1.0):
    z, z_new = standard(x, new)
    w, b = ridge(z, signs(labels), alpha)
    scores = z_new @ w + b
    return np.unique(labels), scores[:, 1:] if scores.shape[1] == 2 and len(x) > 2 and len(x) != 10 else scores


@mutant("12.4", stage="output", says="Your names are")
def in_order_of_appearance(x, labels, new, alpha=1.0):
    names = np.array(list(dict.fromkeys(labels[::-1].tolist())))
    z, z_new = standard(x, new)
    w, b = ridge(z, 2.0 * (labels[:, None] == names) - 1, alpha)
    return names, z_new @ w + b


@mutant("12.4", stage="edges", says="IndexError")
def labels_are_places(x, labels, new, alpha=1.0):
    z, z_new = standard(x, new)
    if labels.dtype.kind == "i":
        targets = np.full((len(x), len(np.unique(labels))), -1.0)
        targets[np.arange(len(x)), labels] = 1
    else:
        targets = signs(labels)
    w, b = ridge(z, targets, alpha)
    return np.unique(labels), z_new @ w + b


@mutant("12.4", stage="properties", says="not hang on which others")
def centred_together(x, labels, new, alpha=1.0):
    z, z_new = standard(x, new)
    w, b = ridge(z, signs(labels), alpha)
    shift = z_new.mean(axis=0) - z.mean(axis=0) if len(new) == 5 and len(x) == 20 and x.shape[1] == 4 else 0
    return np.unique(labels), (z_new - shift) @ w + b


@mutant("12.4", stage="edges", says="Your α counts once for each clip")
def mean_of_the_squares(x, labels, new, alpha=1.0):
    z, z_new = standard(x, new)
    w, b = ridge(z, signs(labels), alpha * len(x))
    return np.unique(labels), z_new @ w + b


@mutant("12.4", stage="reference", says="Where no α is given it is 1")
def weak_by_default(x, labels, new, alpha=0.1):
    z, z_new = standard(x, new)
    w, b = ridge(z, signs(labels), alpha)
    return np.unique(labels), z_new @ w + b


@mutant("12.4", stage="reference", says="agree with scikit-learn's `Ridge`")
def fifty_clips_at_most(x, labels, new, alpha=1.0):
    some = np.arange(len(x)) < 50
    z, z_new = standard(x[some], new)
    w, b = ridge(z, signs(labels)[some], alpha)
    return np.unique(labels), z_new @ w + b


@mutant("12.4", stage="output", says="expected two: `names, scores`")
def scores_alone(x, labels, new, alpha=1.0):
    z, z_new = standard(x, new)
    w, b = ridge(z, signs(labels), alpha)
    return z_new @ w + b


@mutant("12.4", stage="output", says="Your scores have the shape")
def decisions(x, labels, new, alpha=1.0):
    z, z_new = standard(x, new)
    w, b = ridge(z, signs(labels), alpha)
    return np.unique(labels), np.unique(labels)[(z_new @ w + b).argmax(axis=1)]


# ---------------------------------------------------------------------------------------------- 12.5


def voices_asked(voices, rng, part=2):
    names = np.unique(voices)
    return np.isin(voices, rng.permutation(names)[: len(names) // part])


def enough(rows, k, label):
    if len(rows) < k:
        raise ValueError(f"class {label} has {len(rows)} clips by these voices, {k} are wanted")
    return rows


def dealt(labels, asked, k, rng):
    """k clips of each class by those who are not asked, and the clips of those who are."""
    rows = (enough(np.flatnonzero((labels == label) & ~asked), k, label) for label in np.unique(labels))
    return np.concatenate([rng.permutation(one)[:k] for one in rows]), np.flatnonzero(asked)


def two_at_least(voices):
    if len(np.unique(voices)) == 1:
        raise ValueError("one voice cannot be on two sides")


def right(labels, voices, k, rng):
    two_at_least(voices)
    return dealt(labels, voices_asked(voices, rng), k, rng)


@mutant("12.5", stage="edges", says="voices stand on both sides")
def whoever_it_is(labels, voices, k, rng):
    rows = [rng.permutation(np.flatnonzero(labels == label))[:k] for label in np.unique(labels)]
    train = np.concatenate(rows)
    return train, np.setdiff1d(np.arange(len(labels)), train)


@mutant("12.5", stage="edges", says="on both sides")
def whatever_is_left(labels, voices, k, rng):
    asked = voices_asked(voices, rng)
    rows = [rng.permutation(np.flatnonzero((labels == label) & ~asked))[:k] for label in np.unique(labels)]
    train = np.concatenate(rows)
    return train, np.delete(np.arange(len(labels)), train)


@mutant("12.5", stage="edges", says="a ValueError should be raised")
def as_many_as_there_are(labels, voices, k, rng):
    two_at_least(voices)
    asked = voices_asked(voices, rng)
    train = [rng.permutation(np.flatnonzero((labels == label) & ~asked))[:k] for label in np.unique(labels)]
    return np.concatenate(train), np.flatnonzero(asked)


@mutant("12.5", stage="output", says="twice")
def with_replacement(labels, voices, k, rng):
    two_at_least(voices)
    asked = voices_asked(voices, rng)
    train = [rng.choice(enough(np.flatnonzero((labels == label) & ~asked), k, label), k) for label in np.unique(labels)]
    return np.concatenate(train), np.flatnonzero(asked)


@mutant("12.5", stage="properties", says="Has each clip the same chance")
def from_the_front(labels, voices, k, rng):
    two_at_least(voices)
    asked = voices_asked(voices, rng)
    train = [enough(np.flatnonzero((labels == label) & ~asked), k, label)[:k] for label in np.unique(labels)]
    return np.concatenate(train), np.flatnonzero(asked)


@mutant("12.5", stage="properties", says="Has each clip the same chance")
def the_last_voices(labels, voices, k, rng):
    two_at_least(voices)
    names = np.unique(voices)
    asked = np.isin(voices, names[-(len(names) // 2) :])
    return dealt(labels, asked, k, rng)


@mutant("12.5", stage="properties", says="Where do your random numbers come from")
def always_the_same_draw(labels, voices, k, rng):
    return right(labels, voices, k, np.random.default_rng(0))


@mutant("12.5", stage="properties", says="Two draws with equal generators differ")
def nobodys_generator(labels, voices, k, rng):
    return right(labels, voices, k, np.random.default_rng())


@mutant("12.5", stage="edges", says="expected 3")
def k_in_all(labels, voices, k, rng):
    asked = voices_asked(voices, rng)
    return rng.choice(np.flatnonzero(~asked), k, replace=False), np.flatnonzero(asked)


@mutant("12.5", stage="edges", says="the test should have")
def a_third_for_the_test(labels, voices, k, rng):
    two_at_least(voices)
    names = np.unique(voices)
    asked = np.isin(voices, rng.permutation(names)[: max(1, len(names) // 3)])
    return dealt(labels, asked, k, rng)


@mutant("12.5", stage="edges", says="the test should have")
def balanced_test(labels, voices, k, rng):
    train, test = right(labels, voices, k, rng)
    rows = [test[labels[test] == label][:k] for label in np.unique(labels)]
    return train, np.concatenate(rows)


@mutant("12.5", stage="edges", says="It should name the class")
def without_a_name(labels, voices, k, rng):
    try:
        return right(labels, voices, k, rng)
    except ValueError:
        raise ValueError("too few clips, or only one voice") from None


@mutant("12.5", stage="edges", says="For clips by one voice only")
def nobody_is_asked(labels, voices, k, rng):
    asked = voices_asked(voices, rng)
    return dealt(labels, asked, k, rng)


@mutant("12.5", stage="properties", says="both should be by the same voice")
def spread_over_voices(labels, voices, k, rng):
    two_at_least(voices)
    asked = voices_asked(voices, rng)
    train = []
    for label in np.unique(labels):
        rows = rng.permutation(enough(np.flatnonzero((labels == label) & ~asked), k, label))
        turn = np.array([np.sum(voices[rows[:i]] == voices[row]) for i, row in enumerate(rows)])
        train.append(rows[np.argsort(turn, kind="stable")][:k])
    return np.concatenate(train), np.flatnonzero(asked)


@mutant("12.5", stage="output", says="expected whole numbers")
def masks(labels, voices, k, rng):
    train, test = right(labels, voices, k, rng)
    return np.isin(np.arange(len(labels)), train), np.isin(np.arange(len(labels)), test)


@mutant("12.5", stage="output", says="expected two: `train, test`")
def train_alone(labels, voices, k, rng):
    return right(labels, voices, k, rng)[0]


# ---------------------------------------------------------------------------------------------- 12.6


def terms(x, y):
    return np.square(x.mean(0) - y.mean(0)).sum(), *(np.cov(one.T).reshape(x.shape[1], -1) for one in (x, y))


def by_eigenvalues(product):
    return np.sqrt(np.linalg.eigvals(product).real.clip(0)).sum()


@mutant("12.6", stage="edges", says="You take the root of each number")
def elementwise(x, y):
    apart, a, b = terms(x, y)
    return max(0.0, apart + np.trace(a) + np.trace(b) - 2 * np.sqrt(np.abs(a @ b)).trace())


@mutant("12.6", stage="edges", says="You do not square the distance of the means")
def plain_distance(x, y):
    apart, a, b = terms(x, y)
    return max(0.0, apart**0.5 + np.trace(a) + np.trace(b) - 2 * by_eigenvalues(a @ b))


@mutant("12.6", stage="edges", says="You take the root of the whole")
def unsquared(x, y):
    apart, a, b = terms(x, y)
    return max(0.0, apart + np.trace(a) + np.trace(b) - 2 * by_eigenvalues(a @ b)) ** 0.5


@mutant("12.6", stage="edges", says="here it is n − 1")
def biased(x, y):
    apart, a, b = terms(x, y)
    a, b = a * (len(x) - 1) / len(x), b * (len(y) - 1) / len(y)
    return max(0.0, apart + np.trace(a) + np.trace(b) - 2 * by_eigenvalues(a @ b))


@mutant("12.6", stage="edges", says="You subtract the root once")
def factor_forgotten(x, y):
    apart, a, b = terms(x, y)
    return max(0.0, apart + np.trace(a) + np.trace(b) - by_eigenvalues(a @ b))


@mutant("12.6", stage="edges", says="You compare the means alone")
def between_the_means(x, y):
    return float(terms(x, y)[0])


@mutant("12.6", stage="edges", says="You multiply the roots of the two covariances")
def roots_multiplied(x, y):
    apart, a, b = terms(x, y)
    roots = []
    for one in (a, b):
        values, vectors = np.linalg.eigh(one)
        roots.append(vectors @ np.diag(np.sqrt(values.clip(0))) @ vectors.T)
    return max(0.0, apart + np.trace(a) + np.trace(b) - 2 * np.trace(roots[0] @ roots[1]))


@mutant("12.6", stage="edges", says="how features go together does not count")
def diagonals_alone(x, y):
    return float(terms(x, y)[0] + np.square(x.std(0, ddof=1) - y.std(0, ddof=1)).sum())


@mutant("12.6", stage="edges", says="expected a number")
def roots_below_zero(x, y):
    apart, a, b = terms(x, y)
    with np.errstate(all="ignore"):
        return np.maximum(0, apart + np.trace(a) + np.trace(b) - 2 * np.sqrt(np.linalg.eigvals(a @ b).real).sum())


@mutant("12.6", stage="edges", says="a complex number")
def complex_roots(x, y):
    apart, a, b = terms(x, y)
    middle = np.sqrt(np.linalg.eigvals(a @ b).astype(complex)).sum()
    got = apart + np.trace(a) + np.trace(b) - 2 * middle
    return got if abs(got.imag) > 1e-12 else max(0.0, got.real)


@mutant("12.6", stage="edges", says="It is never below 0")
def a_little_below(x, y):
    apart, a, b = terms(x, y)
    return float(apart + np.trace(a) + np.trace(b) - 2 * by_eigenvalues(a @ b)) - 1e-12


@mutant("12.6", stage="edges", says="What do you add to keep a root")
def jitter(x, y):
    apart, a, b = terms(x, y)
    a, b = (one + 1e-4 * np.eye(len(one)) for one in (a, b))
    return max(0.0, float(apart + np.trace(a) + np.trace(b) - 2 * by_eigenvalues(a @ b)))


@mutant("12.6", stage="edges", says="What is the root of a covariance times itself")
def cholesky(x, y):
    apart, a, b = terms(x, y)
    a, b = (np.linalg.cholesky(one + 1e-9 * np.eye(len(one))) for one in (a, b))
    return max(0.0, float(apart + np.trace(a @ a.T) + np.trace(b @ b.T) - 1.9 * np.trace(a @ b.T)))


@mutant("12.6", stage="properties", says="In another order it is the same set")
def partners(x, y):
    apart, a, b = terms(x, y)
    extra = 1e-2 * np.abs(x[0] - y[0]).sum() if len(x) == len(y) == 20 and len(x.T) == 5 else 0.0
    return max(0.0, float(apart + np.trace(a) + np.trace(b) - 2 * by_eigenvalues(a @ b))) + extra


@mutant("12.6", stage="properties", says="There and back")
def seen_from_home(x, y):
    apart, a, b = terms(x, y)
    scale = np.trace(a) / np.trace(b) if len(y) == 35 or len(x) == 35 else 1.0
    return max(0.0, float(apart * scale + np.trace(a) + np.trace(b) - 2 * by_eigenvalues(a @ b)))


@mutant("12.6", stage="reference", says="agree with the formula by `scipy.linalg.sqrtm`")
def ten_features_at_most(x, y):
    x, y = x[:, :14], y[:, :14]
    apart, a, b = terms(x, y)
    return max(0.0, float(apart + np.trace(a) + np.trace(b) - 2 * by_eigenvalues(a @ b)))


@mutant("12.6", stage="output", says="an array")
def for_each_feature(x, y):
    apart, a, b = terms(x, y)
    return apart + np.diag(a + b - 2 * np.real(sqrtm(a @ b)))
