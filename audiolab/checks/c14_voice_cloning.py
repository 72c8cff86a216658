"""Checks of chapter 14, voice cloning: verification, GE2E, conditioning, an embedding, a watermark, a gate."""

import datetime
from itertools import pairwise

import numpy as np

from .spec import Exercise, briefly, two_things
from .stages import Wrong, as_array, value


def _refuses(t, case, *args, says, ask):
    """Hold the answer to raising a ValueError that says something; of another error the trial complains itself."""
    try:
        got = t.on(case)(*args)
    except Wrong as wrong:
        if not isinstance(wrong.error, ValueError):
            raise
        t.holds(str(wrong.error).strip(), f"For {case}, you raise a ValueError that says **nothing**. {says}",
                ask="What would whoever reads it want to know?", values=False)
        return
    t.holds(False, f"For {case}, you return **{briefly(got)}**, expected a ValueError: {says}", ask=ask)


# ---------------------------------------------------------------------------------------------- 14.1


def _pairs(rng, same, noise=1.0, dim=6):
    """Embeddings of pairs, of any length: those of the same person differ by noise."""
    a, same = rng.normal(size=(len(same), dim)), np.asarray(same, bool)
    b = np.where(same[:, None], a, rng.normal(size=a.shape)) + noise * rng.normal(size=a.shape)
    return a * rng.uniform(0.2, 5, (len(same), 1)), b * rng.uniform(0.2, 5, (len(same), 1)), same


def _forty():
    rng = np.random.default_rng(141)
    return _pairs(rng, rng.random(40) < 0.4)


verify = Exercise(
    "14.1", "verify(a, b, same)",
    example=_forty,
    hints=[
        "Ten pairs of the same person and a thousand of strangers: of how many is each of the two errors a share? At "
        "the lowest score that occurs, how large are they?",
        "`np.unique(scores)` are the thresholds, in rising order, each once. For each of them "
        "`np.mean(scores[same] < t)` is one error; the other goes the same way. Put a 1 and a 0 at their ends.",
        "`i = np.argmax(rejected >= accepted)` is the first past the crossing. With `d = accepted - rejected`, which "
        "is above 0 at `i - 1` and not above it at `i`, a straight line is 0 at `u = d[i - 1] / (d[i - 1] - d[i])`.",
    ],
    learned="One number for a system that makes two kinds of error. A bank and a telephone set their thresholds "
            "elsewhere: the EER compares systems, and is nobody's choice.",
)


@verify.output
def are_scores_a_rate_and_a_threshold(t, got, a, b, same):
    t.holds(isinstance(got, tuple | list) and len(got) == 3, f"You return **{briefly(got)}**, expected three: "
            "`scores, eer, threshold`.", ask="What does its last line hand back?", values=False)
    t.array(got[0], shape=same.shape, dtype=np.floating)
    for one in got[1:]:
        t.number(one)
    t.holds(-1e-9 <= got[1] <= 1 + 1e-9, f"Your equal error rate is **{value(got[1])}**; it is a share, from 0 to 1.",
            ask="Is it a share or a percentage?")


def _crossing(scores, same):
    """Where the two errors cross, by walking along both staircases."""
    t = sorted(set(scores.tolist()))
    steps = [(np.mean(scores[same] < x), np.mean(scores[~same] >= x), x) for x in t] + [(1.0, 0.0, t[-1])]
    for before, after in pairwise(steps):
        if after[0] >= after[1]:
            gap = before[1] - before[0], after[1] - after[0]
            u = gap[0] / (gap[0] - gap[1])
            return before[0] + u * (after[0] - before[0]), before[2] + u * (after[2] - before[2])


def _verified(t, case, a, b, same, says="", ask="At which thresholds do you look, and between which two do you draw a "
              "line?"):
    """Hold scores, and then rate and threshold, to what they are."""
    same = np.asarray(same, bool)
    scores, eer, threshold = t.on(case)(a, b, same)
    want = (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    t.close(scores, want, atol=1e-6, says=f"For {case}, each score should be the cosine of its pair.",
            ask="What does a cosine divide by?")
    rate, place = _crossing(as_array(scores), same)
    t.close(eer, rate, atol=1e-9, ask=ask, says=f"For {case}, {says or 'it is the equal error rate.'}")
    t.close(threshold, place, atol=1e-9, ask="How far from one threshold to the other do the lines cross?",
            says=f"For {case}, this is the threshold.")


#: Against (1, 0) their cosines are 0, 0.6, 0.8 and 1, exactly.
_ON = {0.0: (0, 1), 0.6: (3, 4), 0.8: (4, 3), 1.0: (2, 0)}


def _of(scores):
    """Embeddings of pairs that have these cosines."""
    return np.tile([1.0, 0.0], (len(scores), 1)), np.array([_ON[s] for s in scores], float)


@verify.edges
def friends_and_strangers_apart(t):
    _verified(t, "scores of 0.8 and 1 for the same, and of 0 and 0.6 for strangers", *_of([1.0, 0.0, 0.8, 0.6]),
              [True, False, True, False], "a threshold of 0.8 makes no error.")


@verify.edges
def the_wrong_way_round(t):
    _verified(t, "scores of 0 and 0.6 for the same, and of 0.8 and 1 for strangers", *_of([1.0, 0.0, 0.8, 0.6]),
              [False, True, False, True], "there is a threshold at which everybody is judged wrongly.")


@verify.edges
def all_alike(t):
    _verified(t, "five pairs that all score 0.6", *_of([0.6] * 5), [True, False, False, True, False], "either all are "
              "let in or none is, and half way between lies a half.",
              "What is the threshold at which nobody is let in?")


@verify.edges
def a_pair_of_each(t):
    _verified(t, "one pair of the same at 0.8 and one of strangers at 0.8", *_of([0.8, 0.8]), [True, False],
              "it is a coin.", "What is the threshold at which nobody is let in?")
    _verified(t, "one pair of the same at 0.6 and one of strangers at 1", *_of([0.6, 1.0]), [True, False],
              "the one is turned away whenever the other is not let in.")


@verify.edges
def whoever_reaches_the_threshold(t):
    _verified(t, "three pairs of the same at 0.8, 0.8 and 1, and three of strangers at 0, 0.8 and 0.8",
              *_of([0.8, 0.0, 0.8, 0.8, 1.0, 0.8]), [True, False, True, False, True, False], "whoever scores exactly "
              "the threshold is let in, friend or stranger.", "Is a score of exactly the threshold let in?")


@verify.edges
def many_strangers(t):
    _verified(t, "two pairs of the same at 0.6 and 1, and six of strangers, one of them at 0.8",
              *_of([0.6, 0.0, 0.0, 0.8, 1.0, 0.0, 0.0, 0.0]), [True, False, False, False, True, False, False, False],
              "each error is a share of its own kind of pairs.", "Of how many pairs is each error a share?")


@verify.properties
def lengths_do_not_matter(t):
    a, b, same = _pairs(t.rng, t.rng.random(60) < 0.5)
    once = t.on("sixty pairs")(a, b, same)
    again = t.on("the same, with vectors of other lengths")(a * 10 ** t.rng.uniform(-4, 1, (60, 1)), 3 * b, same)
    t.close(again[0], once[0], atol=1e-6, says="A cosine does not ask how long a vector is.",
            ask="What does a cosine divide by?")


@verify.properties
def order_does_not_matter(t):
    a, b, same = _pairs(t.rng, t.rng.random(60) < 0.3)
    order = t.rng.permutation(60)
    scores, *rest = t.on("sixty pairs")(a, b, same)
    mixed, *others = t.on("the same in another order")(a[order], b[order], same[order])
    t.close(mixed, as_array(scores)[order], atol=1e-9, says="A score belongs to its pair, wherever that stands.",
            ask="In which order do you give the scores?")
    t.close(np.array(others), np.array(rest), atol=1e-9, says="Rate and threshold do not ask in which order pairs "
            "come.",
            ask="Are the thresholds in rising order?")


@verify.properties
def errors_exchanged(t):
    a, b, same = _pairs(t.rng, t.rng.random(80) < 0.5)
    _, eer, _ = t.on("eighty pairs")(a, b, same)
    _, other, _ = t.on("the same, -b for b, same and different exchanged")(a, -b, ~same)
    t.close(other, eer, atol=1e-9, says="With all scores turned round and friends and strangers exchanged, the rate "
            "should stay what it was.", ask="Of how many pairs is each error a share?")


@verify.reference
def agrees_with_sklearn_roc_curve(t):
    from sklearn.metrics import roc_curve

    for n, share in ((200, 0.5), (300, 0.1), (150, 0.9)):
        a, b, same = _pairs(t.rng, t.rng.random(n) < share, 1.5)
        scores, eer, _ = t.on(f"{n} pairs, {same.sum()} of them of one person")(a, b, same)
        false, true, _ = roc_curve(same, as_array(scores), drop_intermediate=False)
        t.close(eer, np.interp(0, false + true - 1, false), atol=1e-9, ask="Between which two thresholds do you draw a "
                "line?", says="It has to be where the curve of `sklearn.metrics.roc_curve` has as many of the one as "
                "of the other.")


def _staircases(a, b, same, score=None, rejected=lambda s, t: np.mean(s < t), accepted=lambda s, t: np.mean(s >= t),
                last=True, ends=None):
    """Scores, rate and threshold as a mistake has them."""
    s = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)) if score is None else score(a, b)
    t = np.unique(s)
    r, f = np.array([rejected(s[same], x) for x in t]), np.array([accepted(s[~same], x) for x in t])
    if last:
        t, r, f = np.append(t, t[-1]), np.append(r, 1.0), np.append(f, 0.0)
    if ends:
        return s, *ends(t, r, f)
    i = int(np.argmax(r >= f))
    d = f - r
    u = d[i - 1] / (d[i - 1] - d[i]) if d[i - 1] != d[i] else 1.0
    return s, float(r[i - 1] + u * (r[i] - r[i - 1])), float(t[i - 1] + u * (t[i] - t[i - 1]))


@verify.mistake("Your scores are products, not cosines: whoever has long vectors is everybody's friend.",
                ask="What does a cosine divide by?")
def plain_products(a, b, same):
    return _staircases(a, b, same, score=lambda a, b: (a * b).sum(axis=1))


@verify.mistake("With you, whoever scores exactly the threshold is turned away.",
                ask="Is a score of exactly the threshold let in?")
def above_the_threshold(a, b, same):
    return _staircases(a, b, same, rejected=lambda s, t: np.mean(s <= t), accepted=lambda s, t: np.mean(s > t))


@verify.mistake("You take the threshold at which the two errors are nearest, and the mean of both there, without a "
                "line between two.", ask="Between which two thresholds do you draw a line?")
def nearest_step(a, b, same):
    def ends(t, r, f):
        i = int(np.argmin(np.abs(r - f)))
        return float((r[i] + f[i]) / 2), float(t[i])

    return _staircases(a, b, same, ends=ends)


@verify.mistake("You take the first threshold past the crossing, and no line between it and the one before.",
                ask="Between which two thresholds do you draw a line?")
def first_past_it(a, b, same):
    def ends(t, r, f):
        i = int(np.argmax(r >= f))
        return float(r[i]), float(t[i])

    return _staircases(a, b, same, ends=ends)


@verify.mistake("You draw a line between the wrong two thresholds: half way is not where they cross.",
                ask="How far from one threshold to the other do the lines cross?")
def half_way(a, b, same):
    def ends(t, r, f):
        i = int(np.argmax(r >= f))
        return float(r[i - 1] + r[i]) / 2, float(t[i - 1] + t[i]) / 2

    return _staircases(a, b, same, ends=ends)


@verify.mistake("Your errors are shares of all pairs. Of a thousand strangers and ten friends, the friends would then "
                "hardly count.", ask="Of how many pairs is each error a share?")
def shares_of_all(a, b, same):
    n = len(same)
    return _staircases(a, b, same, rejected=lambda s, t: np.sum(s < t) / n, accepted=lambda s, t: np.sum(s >= t) / n)


@verify.mistake("You have no threshold at which nobody is let in.", ask="What is the threshold at which nobody is let "
                "in?")
def nobody_left_out(a, b, same):
    return _staircases(a, b, same, last=False)


@verify.mistake("You give the scores in rising order; they belong to their pairs.",
                ask="In which order do you give the scores?")
def scores_sorted(a, b, same):
    s, *rest = _staircases(a, b, same)
    return np.sort(s), *rest


# ---------------------------------------------------------------------------------------------- 14.2


def _utterances(rng, voices=4, utterances=3, dim=5, noise=0.8):
    """Embeddings of length 1, those of a voice around a middle of its own: a tensor [voices, utterances, dim]."""
    import torch

    e = rng.normal(size=(voices, 1, dim)) + noise * rng.normal(size=(voices, utterances, dim))
    return torch.from_numpy((e / np.linalg.norm(e, axis=2, keepdims=True)).astype(np.float32))


def _numbers(*values):
    import torch

    return tuple(torch.tensor(float(one)) for one in values)


ge2e_loss = Exercise(
    "14.2", "ge2e_loss(embeddings, w, b)",
    example=lambda: (_utterances(np.random.default_rng(142)), *_numbers(6.0, -2.0)),
    hints=[
        "Two voices of two utterances. With which vectors is the first utterance compared, and what are they the means "
        "of? How many scores are there in all?",
        "A cosine asks only for a direction, so a sum does as well as a mean. The sum over a voice's utterances, "
        "less the utterance itself, is what it is compared with in its own voice: `total[:, None] - embeddings`.",
        "Fill a tensor [voices, utterances, voices] with the cosines to all sums, and put those to its own voice in "
        "with `torch.where(torch.eye(voices, dtype=torch.bool)[:, None], own[:, :, None], cosines)`. Then it is a "
        "classifier: `cross_entropy` of `scores.flatten(0, 1)`, where row i belongs to voice `i // utterances`.",
    ],
    learned="A class is not a weight here but a mean of what was just heard. So the network can tell voices apart "
            "that it was never trained on. The offset changes nothing: a softmax does not see what all scores share.",
)


@ge2e_loss.output
def is_one_number(t, got, embeddings, w, b):
    t.holds(hasattr(got, "detach"), f"You return **{briefly(got)}**, expected a tensor.", values=False,
            ask="Which line leaves PyTorch?")
    t.holds(tuple(got.shape) == (), f"Your loss has the shape **{list(got.shape)}**, expected one number, the mean "
            "over all utterances.", ask="What is averaged, and over what?")
    t.array(got)


def _by_loops(embeddings, w, b, left_out=True):
    """The loss, one utterance after the other, in double precision, by torch."""
    import torch

    e, losses = embeddings.double(), []
    w = torch.as_tensor(w).double().clamp(min=1e-6)
    for j in range(len(e)):
        for i in range(e.shape[1]):
            scores = []
            for k in range(len(e)):
                members = [e[k, m] for m in range(e.shape[1]) if (k, m) != (j, i) or not left_out]
                c = sum(members) / len(members)
                scores.append(w * (e[j, i] @ c) / (e[j, i].norm() * c.norm()) + torch.as_tensor(b).double())
            losses.append(torch.logsumexp(torch.stack(scores), dim=0) - scores[j])
    return torch.stack(losses).mean()


def _lost(t, case, embeddings, w, b, says="it is the mean loss.", ask="With which vectors is an utterance compared?"):
    """Hold the loss to that of plain loops."""
    got = t.on(case)(embeddings, *_numbers(w, b))
    t.close(got, _by_loops(embeddings, *_numbers(w, b)), rtol=1e-4, atol=2e-5, says=f"For {case}, {says}", ask=ask)
    return got


@ge2e_loss.edges
def two_of_two(t):
    _lost(t, "two voices of two utterances", _utterances(t.rng, 2, 2), 5.0, 0.0, "with oneself left out, the other "
          "utterance is the centroid.", "Of which centroid is an utterance left out?")


@ge2e_loss.edges
def all_the_same(t):
    import torch

    e = _utterances(t.rng, 1, 1).expand(5, 3, -1).clone()
    got = t.on("five voices that are all the same vector")(e, *_numbers(10, -5))
    t.close(got, float(torch.log(torch.tensor(5.0))), atol=1e-4, says="Who cannot tell five voices apart has a loss of "
            "ln 5, whatever the scale.", ask="Over what does the sum of the exponentials go?")


@ge2e_loss.edges
def a_large_scale(t):
    _lost(t, "a scale of 5000", _utterances(t.rng, 3, 3, noise=0.5), 5000.0, 100.0, "exponentials of large scores "
          "should not overflow.", "What may be taken from all scores before their exponentials, and changes nothing?")


@ge2e_loss.edges
def a_scale_below_zero(t):
    for w in (-3.0, 0.0):
        _lost(t, f"a scale of {w:g}", _utterances(t.rng, 4, 3), w, 1.0, "such a scale counts as 0.000001.",
              "What happens with w before it scales anything?")


@ge2e_loss.edges
def two_voices_of_many(t):
    _lost(t, "two voices of seven utterances", _utterances(t.rng, 2, 7), 4.0, 1.0)
    _lost(t, "seven voices of two utterances", _utterances(t.rng, 7, 2), 4.0, 1.0)


@ge2e_loss.properties
def the_offset_does_not_matter(t):
    e = _utterances(t.rng)
    once = t.on("an offset of 0")(e, *_numbers(7, 0))
    again = t.on("an offset of 3")(e, *_numbers(7, 3))
    t.close(again, once, atol=1e-4, says="What all scores share, a softmax does not see.",
            ask="Which scores get the offset?")


@ge2e_loss.properties
def voices_in_any_order(t):
    e = _utterances(t.rng, 5, 3)
    once = t.on("five voices")(e, *_numbers(7, 0))
    again = t.on("the same in another order")(e[t.rng.permutation(5)], *_numbers(7, 0))
    t.close(again, once, atol=1e-4, says="Which voice comes first does not matter.",
            ask="Which score belongs to an utterance's own voice?")


@ge2e_loss.properties
def the_gradient_goes_through(t):
    e, (w, b) = _utterances(t.rng), _numbers(4, 0)
    loss = t.on("embeddings that a network made")(e.clone().requires_grad_(), w, b)
    t.holds(loss.requires_grad, "The gradient does not reach the embeddings: your loss does **not** remember what it "
            "was made of.", ask="Which line leaves PyTorch, or makes a new tensor of numbers?", values=False)
    loss = t.on("a scale that is learnt")(e, w.requires_grad_(), b)
    t.holds(loss.requires_grad, "The gradient does not reach w: your loss does **not** remember its scale.",
            ask="Which line makes a plain number of w?", values=False)


@ge2e_loss.reference
def agrees_with_plain_loops_and_their_gradient(t):
    import torch

    for voices, utterances, dim in ((6, 4, 8), (3, 8, 16)):
        points = _utterances(t.rng, voices, utterances, dim, 1.5)
        case = f"{voices} voices of {utterances} utterances, {dim} numbers each"
        _lost(t, case, points, 8.0, -3.0, "it has to agree with one utterance after the other.")

        def slope(points, loss=t.answer):
            points = points.clone().requires_grad_()
            e = torch.nn.functional.normalize(points, dim=2)
            return torch.autograd.grad(loss(e, *_numbers(8, -3)), points)[0]

        t.close(t.on(case).call(slope, points), slope(points, _by_loops), atol=1e-4, says=f"For {case}, the slopes "
                "have to be those of the plain loops.", ask="Does the gradient reach the centroids, too?")


def _lossy(embeddings, w, b, own=True, unit=True, scale=None, last=None, centroids=None):
    """The loss as a mistake has it."""
    import torch

    voices, utterances, _ = embeddings.shape
    c = embeddings.mean(dim=1) if centroids is None else centroids(embeddings)
    others = (embeddings.sum(dim=1, keepdim=True) - embeddings) / (utterances - 1)
    if unit:
        c, others = torch.nn.functional.normalize(c, dim=1), torch.nn.functional.normalize(others, dim=2)
    s = embeddings @ c.T
    if own:
        s = torch.where(torch.eye(voices, dtype=torch.bool)[:, None], (embeddings * others).sum(2, keepdim=True), s)
    s = (w.clamp(min=1e-6) if scale is None else scale(w)) * s + b
    truth = torch.arange(voices).repeat_interleave(utterances)
    s = s.flatten(0, 1)
    return torch.nn.functional.cross_entropy(s, truth) if last is None else last(s, truth)


@ge2e_loss.mistake("You leave an utterance in its own centroid. It is near to itself in any case, and the loss is "
                   "lower than it should be.", ask="Of which centroid is an utterance left out?")
def left_in(embeddings, w, b):
    return _lossy(embeddings, w, b, own=False)


@ge2e_loss.mistake("Your centroids are not brought to length 1: a voice whose utterances scatter has a short mean, and "
                   "counts for less.", ask="What does a cosine divide by?")
def short_centroids(embeddings, w, b):
    return _lossy(embeddings, w, b, unit=False)


@ge2e_loss.mistake("You add up the losses, where their mean is asked for.", ask="What is averaged, and over what?")
def added_up(embeddings, w, b):
    return _lossy(embeddings, w, b) * (embeddings.shape[0] * embeddings.shape[1])


@ge2e_loss.mistake("You use w as it comes. Below 0 it turns near and far round.",
                   ask="What happens with w before it scales anything?")
def any_scale(embeddings, w, b):
    return _lossy(embeddings, w, b, scale=lambda w: w)


@ge2e_loss.mistake("You take the absolute value of w.", ask="What happens with w before it scales anything?")
def absolute_scale(embeddings, w, b):
    return _lossy(embeddings, w, b, scale=lambda w: w.abs().clamp(min=1e-6))


@ge2e_loss.mistake("Of the sum over all voices you leave the own one out. It is a classifier's loss, in which the "
                   "right answer counts too.", ask="Over what does the sum of the exponentials go?")
def own_voice_not_in_the_sum(embeddings, w, b):
    import torch

    def last(s, truth):
        own = torch.nn.functional.one_hot(truth, s.shape[1]).bool()
        return (s.masked_fill(own, -torch.inf).logsumexp(dim=1) - s[own]).mean()

    return _lossy(embeddings, w, b, last=last)


@ge2e_loss.mistake("You give the mean of the own scores alone. That pulls each utterance to its voice, and pushes none "
                   "away from another.", ask="Over what does the sum of the exponentials go?")
def only_pulled(embeddings, w, b):
    return _lossy(embeddings, w, b, last=lambda s, truth: -s.gather(1, truth[:, None]).mean())


@ge2e_loss.mistake("You write the exponentials out, and of large scores they are infinite.",
                   ask="What may be taken from all scores before their exponentials, and changes nothing?")
def overflowing(embeddings, w, b):
    def last(s, truth):
        return (s.exp().sum(dim=1).log() - s.gather(1, truth[:, None])[:, 0]).mean()

    return _lossy(embeddings, w, b, last=last)


# ---------------------------------------------------------------------------------------------- 14.3


def _sentences(rng, batch=3, phonemes=5, dim=4, k=2, sizes=None):
    """Phoneme vectors, zero where a sentence has ended, and all else that conditioning needs."""
    import torch

    sizes = rng.integers(1, phonemes + 1, batch) if sizes is None else np.array(sizes)
    h = rng.normal(size=(batch, phonemes, dim)) * (np.arange(phonemes) < sizes[:, None])[..., None]
    rest = (rng.normal(size=shape) for shape in ((batch, k), (dim, k), (dim,)))
    h, *rest = (torch.from_numpy(x.astype(np.float32)) for x in (h, *rest))
    return h, torch.from_numpy(sizes.astype(np.int64)), *rest


conditioned = Exercise(
    "14.3", "conditioned(h, sizes, voice, weight, bias)",
    example=lambda: _sentences(np.random.default_rng(143), sizes=[5, 2, 4]),
    hints=[
        "What is the shape of a voice after the layer, and which of the three axes of `h` does it not have?",
        "`voice @ weight.T + bias` is [batch, dim]. An axis of length 1 in the middle is stretched over all phonemes.",
        "`torch.arange(h.shape[1]) < sizes[:, None]` tells which phonemes are real, [batch, phonemes]. Multiply the "
        "sum by it, with one more axis at its end.",
    ],
    learned="One addition, the same for each phoneme, and a network that spoke in one voice can be taught to speak "
            "in any: what it makes of the addition is learnt.",
)


@conditioned.output
def is_a_vector_for_each_phoneme(t, got, h, sizes, voice, weight, bias):
    import torch

    t.holds(hasattr(got, "detach"), f"You return **{briefly(got)}**, expected a tensor.", values=False,
            ask="Which line leaves PyTorch?")
    t.array(got, shape=h.shape)
    t.holds(got.dtype == torch.float32, f"The type of your output is **{got.dtype}**, expected torch.float32.",
            values=False, ask="Which operation made it so?")


def _told(t, case, h, sizes, voice, weight, bias, says="", ask="Which axis does the voice of a sentence lack?"):
    """Hold real phonemes, and then the filling, to what they are."""
    got = as_array(t.on(case)(h, sizes, voice, weight, bias))
    for b, n in enumerate(sizes.tolist()):
        want = as_array(h[b, :n]) + as_array(weight).astype(float) @ as_array(voice[b]) + as_array(bias)
        t.close(got[b, :n], want, atol=1e-5, says=f"For {case}, sentence {b}: {says or 'each phoneme gets the voice.'}",
                ask=ask)
        t.close(got[b, n:], np.zeros_like(got[b, n:]), says=f"For {case}, sentence {b}: the filling, from phoneme {n} "
                "on, should stay zero.", ask="Which phonemes are real, and what is added to the others?")


@conditioned.edges
def as_many_sentences_as_phonemes(t):
    _told(t, "four sentences of four phonemes, four numbers each", *_sentences(t.rng, 4, 4, 4, 4, [4, 4, 4, 4]),
          "its own voice, and not the voice of another sentence.")


@conditioned.edges
def one_sentence_of_one(t):
    _told(t, "one sentence of one phoneme", *_sentences(t.rng, 1, 1, 3, 2))


@conditioned.edges
def a_voice_of_zeros(t):
    h, sizes, voice, weight, bias = _sentences(t.rng, 3, 6, 4, 3, [6, 1, 3])
    _told(t, "a voice of zeros", h, sizes, 0 * voice, weight, bias, "the bias is left, and is added.",
          "What does the layer give for a voice of zeros?")


@conditioned.edges
def a_phoneme_that_is_zero(t):
    h, sizes, voice, weight, bias = _sentences(t.rng, 2, 4, 3, 2, [3, 2])
    h[0, 1] = 0
    _told(t, "a real phoneme whose vector is zero", h, sizes, voice, weight, bias, "it is real, for the sentence goes "
          "on.", "What tells that a phoneme is real: its vector, or `sizes`?")


@conditioned.properties
def one_voice_changes_one_sentence(t):
    h, sizes, voice, weight, bias = _sentences(t.rng, 4, 6, 5, 3, [6, 4, 2, 5])
    once = as_array(t.on("four sentences")(h, sizes, voice, weight, bias))
    voice = voice.clone()
    voice[2] += 1
    again = as_array(t.on("the same, with another voice for sentence 2")(h, sizes, voice, weight, bias))
    for b in (0, 1, 3):
        t.close(again[b], once[b], atol=1e-6, says=f"Sentence {b} kept its voice, and should keep its vectors.",
                ask="Which axis does the voice of a sentence lack?")


@conditioned.properties
def the_sum_of_two_voices(t):
    h, sizes, voice, weight, bias = _sentences(t.rng, 3, 5, 4, 2, [5, 3, 4])
    other = voice.flip(0)
    parts = [as_array(t.on(case)(h, sizes, v, weight, bias)) - as_array(h) for case, v in
             (("a voice", voice), ("another", other), ("their mean", (voice + other) / 2))]
    t.close(parts[2], (parts[0] + parts[1]) / 2, atol=1e-5, says="What half way between two voices adds is half way "
            "between what they add.", ask="Is anything done to the voice besides the layer?")


@conditioned.properties
def the_gradient_reaches_the_voice(t):
    h, sizes, voice, weight, bias = _sentences(t.rng)
    got = t.on("a voice that a network made")(h, sizes, voice.requires_grad_(), weight, bias)
    t.holds(got.requires_grad, "The gradient does not reach the voice: your result does **not** remember what it was "
            "made of.", ask="Which line leaves PyTorch, or makes a new tensor of numbers?", values=False)


@conditioned.reference
def agrees_with_torch_linear(t):
    import torch

    for batch, phonemes, dim, k in ((5, 9, 6, 3), (7, 7, 7, 7)):
        h, sizes, voice, weight, bias = _sentences(t.rng, batch, phonemes, dim, k)
        want = [[one + torch.nn.functional.linear(v, weight, bias) if p < n else 0 * one for p, one in enumerate(row)]
                for row, n, v in zip(h, sizes, voice, strict=True)]
        got = t.on(f"{batch} sentences of up to {phonemes} phonemes")(h, sizes, voice, weight, bias)
        t.close(got, torch.stack([torch.stack(row) for row in want]), atol=1e-5, says="It has to agree with "
                "`torch.nn.functional.linear`, one phoneme after the other.",
                ask="Which phonemes are real, and what is added to each of them?")


def _told_wrongly(h, sizes, voice, weight, bias, add=None, real=None, join=lambda h, v: h + v):
    """Conditioning as a mistake has it."""
    import torch

    real = torch.arange(h.shape[1]) < sizes[:, None] if real is None else real(h, sizes)
    told = (voice @ weight.T + bias)[:, None] if add is None else add(voice, weight, bias)
    return torch.where(real[..., None], join(h, told), 0.0)


@conditioned.mistake("The filling gets the voice too, and is not zero any more: what looks at neighbours hears "
                     "somebody in the silence.", ask="Which phonemes are real, and what is added to the others?")
def voiced_filling(h, sizes, voice, weight, bias):
    return h + (voice @ weight.T + bias)[:, None]


@conditioned.mistake("The first phoneme alone is told whose voice it is.", ask="Over which axis is the voice "
"stretched?")
def first_alone(h, sizes, voice, weight, bias):
    got = h.clone()
    got[:, 0] += voice @ weight.T + bias
    return got


@conditioned.mistake("You leave out the bias of the layer.", ask="What does the layer give for a voice of zeros?")
def no_bias(h, sizes, voice, weight, bias):
    return _told_wrongly(h, sizes, voice, weight, bias, add=lambda v, W, b: (v @ W.T)[:, None])


@conditioned.mistake("You bring the voice to length 1 before the layer; its length is part of what the layer learns "
                     "from.",
                     ask="Is anything done to the voice besides the layer?")
def brought_to_one(h, sizes, voice, weight, bias):
    return _told_wrongly(h, sizes, voice / voice.norm(dim=1, keepdim=True).clamp(min=1e-9), weight, bias)


@conditioned.mistake("Every sentence gets the voice of the first.", ask="Which voice belongs to which sentence?")
def one_voice_for_all(h, sizes, voice, weight, bias):
    return _told_wrongly(h, sizes, voice, weight, bias, add=lambda v, W, b: v[0] @ W.T + b)


@conditioned.mistake("Phonemes are multiplied by the voice, where it is added.", ask="What stands between h and W v?")
def multiplied(h, sizes, voice, weight, bias):
    return _told_wrongly(h, sizes, voice, weight, bias, join=lambda h, v: h * v)


@conditioned.mistake("You take a phoneme for filling because its vector is zero. `sizes` says where a sentence ends.",
                     ask="What tells that a phoneme is real: its vector, or `sizes`?")
def zero_is_filling(h, sizes, voice, weight, bias):
    return _told_wrongly(h, sizes, voice, weight, bias, real=lambda h, sizes: (h != 0).any(dim=2))


@conditioned.mistake("A phoneme too many counts as real: `sizes` is how many there are, and the last has the number "
                     "`sizes - 1`.", ask="Which number has the last real phoneme?")
def one_too_many(h, sizes, voice, weight, bias):
    import torch

    return _told_wrongly(h, sizes, voice, weight, bias,
                         real=lambda h, sizes: torch.arange(h.shape[1]) <= sizes[:, None])


@conditioned.mistake("The voices are stretched over the sentences instead of the phonemes: phoneme 2 speaks in the "
                     "voice of sentence 2.", ask="Which axis does the voice of a sentence lack?")
def along_the_phonemes(h, sizes, voice, weight, bias):
    fits = len(voice) == h.shape[1]                             # PyTorch complains of all others
    return _told_wrongly(h, sizes, voice, weight, bias, add=(lambda v, W, b: v @ W.T + b) if fits else None)


# ---------------------------------------------------------------------------------------------- 14.4

_RATE = 1000                    # Hz, at which a window has 1600 samples and a frame 20


def _noise(rng, seconds, level=0.1):
    """Noise of a constant level: each frame of 20 ms has the same RMS."""
    frames = rng.normal(size=(round(50 * seconds), _RATE // 50))
    return (level * frames / np.sqrt(np.mean(frames**2, axis=1, keepdims=True))).ravel().astype(np.float32)


def _looks(n):
    return np.random.default_rng(n).normal(size=(6, n)) / np.sqrt(n)


_LOOK = _looks(8000)


def _network(window):
    """A stand-in of six numbers; its vectors are the longer the louder the window."""
    return _LOOK[:, : len(window)] @ window + np.abs(window).sum() / 1600 * np.arange(1, 7)


def _spoken(rng):
    """Noise with a pause in it, and windows of different loudness."""
    return np.concatenate([_noise(rng, 2.3), np.zeros(700, np.float32), _noise(rng, 1.2, 0.4), _noise(rng, 0.02, 5e-4),
                           _noise(rng, 1.1, 0.02), np.full(7, 0.1, np.float32)])


voice_of = Exercise(
    "14.4", "voice_of(y, sr, network)",
    example=lambda: (_spoken(np.random.default_rng(144)), _RATE, _network),
    hints=[
        "40 dB below in amplitude: what share of the loudest frame's RMS is that? And how many windows fit into 3.9 s?",
        "`y[: len(y) // frame * frame].reshape(-1, frame)` are the frames. Those that stay, `frames[keep].ravel()`, "
        "are the sound from which windows are cut: starts from 0 to the last at which a whole window fits.",
        "`range(0, len(spoken) - window + 1, hop)`. Divide each vector by its `np.linalg.norm`, take the mean over the "
        "windows, and divide again. For silence, ask for `level > 0` too.",
    ],
    learned="The mean of directions: no window counts more because it is louder, and what differs from window to "
            "window, the words, averages out. What stays is the voice.",
)


@voice_of.output
def is_a_vector_of_length_one(t, got, y, sr, network):
    t.array(got, shape=(6,), dtype=np.floating)
    t.close(np.linalg.norm(got.astype(float)), 1.0, atol=1e-4, says="The embedding should have length 1.",
            ask="Is the mean of vectors of length 1 of length 1?")


def _kept(y, sr):
    """What is left when silence goes."""
    frames = [y[i : i + sr // 50] for i in range(0, len(y) - sr // 50 + 1, sr // 50)]
    level = [np.sqrt(np.mean(frame.astype(float) ** 2)) for frame in frames]
    return np.concatenate([frame for frame, one in zip(frames, level, strict=True) if one >= 0.01 * max(level)])


def _embedded(y, sr, network, starts=None):
    """The embedding, from windows that begin at `starts` of what is kept."""
    kept, n = _kept(y, sr), round(1.6 * sr)
    starts = range(0, len(kept) - n + 1, round(0.8 * sr)) if starts is None else starts
    e = [np.asarray(network(kept[start : start + n]), float) for start in starts]
    mean = sum(v / np.linalg.norm(v) for v in e) / len(e)
    return mean / np.linalg.norm(mean)


def _voice(t, case, y, says="it is the embedding.", ask="Which windows are there, and what is done to each vector?",
           sr=_RATE, network=_network):
    got = t.on(case)(y, sr, network)
    t.close(got, _embedded(y, sr, network), atol=1e-5, says=f"For {case}, {says}", ask=ask)
    return got


@voice_of.edges
def nothing_but_silence(t):
    _refuses(t, "3 s of zeros", np.zeros(3000, np.float32), _RATE, _network, says="there is no voice in silence.",
             ask="How many dB is the loudest frame of silence above the others?")


@voice_of.edges
def too_short(t):
    _refuses(t, "1.5 s of sound", _noise(t.rng, 1.5), _RATE, _network, says="not even one window is full.",
             ask="How long is what is left, and how long a window?")
    _refuses(t, "a sound of 0.01 s", _noise(t.rng, 0.02)[:10], _RATE, _network, says="not even one frame is full.",
             ask="How long is what is left, and how long a window?")
    pause = np.zeros(1400, np.float32)
    _refuses(t, "1.4 s of sound and as much silence", np.concatenate([_noise(t.rng, 0.7), pause, _noise(t.rng, 0.7)]),
             _RATE, _network, says="silence does not count.", ask="What is left out before windows are cut?")


@voice_of.edges
def one_window_exactly(t):
    _voice(t, "1.6 s of sound", _noise(t.rng, 1.6), "one window fits.", "How many windows fit into one?")


@voice_of.edges
def a_rest(t):
    _voice(t, "3.1 s of sound", _noise(t.rng, 3.1), "the windows begin at 0 and 0.8 s, and the rest is dropped.",
           "Where does the last whole window begin?")
    _voice(t, "3.2 s of sound", _noise(t.rng, 3.2), "the windows begin at 0, 0.8 and 1.6 s.",
           "Where does the last whole window begin?")


@voice_of.edges
def a_pause_within(t):
    y = np.concatenate([_noise(t.rng, 1.0), np.zeros(1500, np.float32), _noise(t.rng, 1.4)])
    _voice(t, "a pause in the middle", y, "it is left out, and what is before and after it is joined.",
           "What is left out before windows are cut?")


@voice_of.edges
def forty_decibels(t):
    for db, what in ((38, "stay"), (42, "go")):
        y = np.concatenate([_noise(t.rng, 1.6), _noise(t.rng, 0.8, 0.1 * 10 ** (-db / 20)), _noise(t.rng, 0.8)])
        _voice(t, f"frames {db} dB below the loudest", y, f"they {what}.",
               "Of an amplitude, how large a share is 40 dB less?")


@voice_of.properties
def louder_is_no_other_voice(t):
    y = _spoken(t.rng)
    once, again = t.on("a sound")(y, _RATE, _network), t.on("the same, 20 dB softer")(0.1 * y, _RATE, _network)
    t.close(again, once, atol=1e-5, says="The same sound at another level should have the same embedding, if the "
            "network has the same directions.", ask="Against what is the level of a frame held?")


@voice_of.properties
def loud_windows_count_no_more(t):
    y = np.concatenate([_noise(t.rng, 1.6, 0.5), _noise(t.rng, 1.6, 0.01)])
    _voice(t, "a loud half and a soft one", y, "each window should count alike, however long its vector is.",
           "What is done to each vector before the mean?")


@voice_of.properties
def the_network_gets_whole_windows(t):
    y, lengths = _spoken(t.rng), []

    def network(window):
        lengths.append(len(window))
        return _network(window)

    t.on("windows that are counted")(y, _RATE, network)
    t.holds(set(lengths) == {1600} and len(lengths) == 4, f"The network got windows of **{sorted(set(lengths))}** "
            "samples, "
            f"**{len(lengths)}** of them, expected 4 windows of 1600.", ask="Where does the last whole window begin?")


@voice_of.reference
def agrees_with_sklearn_normalize(t):
    from sklearn.preprocessing import normalize

    for sr, seconds in ((_RATE, 7.9), (_RATE * 2, 5.3)):
        look = _looks(round(1.6 * sr))
        y = (t.rng.normal(size=round(seconds * sr)) * np.repeat(t.rng.uniform(0.3, 1, 10), round(seconds * sr / 10))
             ).astype(np.float32)
        kept = y[: len(y) // (sr // 50) * (sr // 50)]
        windows = np.lib.stride_tricks.sliding_window_view(kept, round(1.6 * sr))[:: round(0.8 * sr)]
        want = normalize(normalize(windows @ look.T).mean(axis=0, keepdims=True))[0]
        got = t.on(f"{seconds:g} s at {sr} Hz")(y, sr, lambda window, look=look: look @ window)
        t.close(got, want, atol=1e-5, says="It has to agree with `sklearn.preprocessing.normalize`, window by window.",
                ask="How many samples has a window at this rate, and how many lie between two?")


def _mean_of(y, sr, network, floor=0.01, hop=0.8, each=True, pad=False, pick=lambda e: e):
    """An embedding as a mistake makes it; refuses as it should."""
    frames = y[: len(y) // (sr // 50) * (sr // 50)].reshape(-1, sr // 50)
    level = np.sqrt(np.mean(frames.astype(float) ** 2, axis=1))
    kept, n, step = frames[level >= floor * level.max(initial=0)].ravel(), round(1.6 * sr), round(hop * sr)
    if len(kept) < n or not kept.any():
        raise ValueError("too short, or silent")
    if pad:
        kept = np.pad(kept, (0, -(len(kept) - n) % step))
    e = [network(kept[start : start + n]) for start in range(0, len(kept) - n + 1, step)]
    mean = np.mean(pick([v / np.linalg.norm(v) if each else v for v in e]), axis=0)
    return mean / np.linalg.norm(mean)


@voice_of.mistake("You average the vectors as they come: where it is loud, the voice counts more.",
                  ask="What is done to each vector before the mean?")
def as_they_come(y, sr, network):
    return _mean_of(y, sr, network, each=False)


@voice_of.mistake("You keep the silence: it is a voice to nobody, and is averaged in.",
                  ask="What is left out before windows are cut?")
def silence_kept(y, sr, network):
    return _mean_of(y, sr, network, floor=0)


@voice_of.mistake("Your frames go at 20 dB below the loudest: of an amplitude a hundredth is 40 dB less, of a power "
                  "a ten-thousandth.", ask="Of an amplitude, how large a share is 40 dB less?")
def twenty_decibels(y, sr, network):
    return _mean_of(y, sr, network, floor=0.1)


@voice_of.mistake("Your frames go at 80 dB below the loudest.", ask="Of an amplitude, how large a share is 40 dB less?")
def eighty_decibels(y, sr, network):
    return _mean_of(y, sr, network, floor=1e-4)


@voice_of.mistake("Your windows do not overlap.", ask="How many samples lie between the beginnings of two windows?")
def side_by_side(y, sr, network):
    return _mean_of(y, sr, network, hop=1.6)


@voice_of.mistake("You fill the last window up with zeros, and it counts as much as a whole one.",
                  ask="Where does the last whole window begin?")
def filled_up(y, sr, network):
    return _mean_of(y, sr, network, pad=True)


@voice_of.mistake("You take the first window alone.", ask="Of what is the mean taken?")
def the_first_window(y, sr, network):
    return _mean_of(y, sr, network, pick=lambda e: e[:1])


@voice_of.mistake("You leave out the last window that fits whole.", ask="Where does the last whole window begin?")
def the_last_left_out(y, sr, network):
    return _mean_of(y, sr, network, pick=lambda e: e[:-1] or e)


# ---------------------------------------------------------------------------------------------- 14.5


def _sound(rng, n=2000, pause=True):
    """Noise whose level changes from frame to frame, at 16 kHz or what it is called; the last frame is short."""
    level = np.repeat(rng.uniform(0.01, 0.5, n // 160 + 1), 160)[:n]
    y = level * rng.normal(size=n)
    if pause:
        y[480:800] = 0
    return y


watermark = Exercise(
    "14.5", "watermark(y, sr, key, g)",
    example=lambda: (_sound(np.random.default_rng(145), 2050), 16_000, 7, 0.2),
    hints=[
        "A sound with 100 frames of 160 samples: how large is the sum of all x², if x has an RMS of 1 in each frame? "
        "And what does a mark add to the sum of all p x?",
        "`np.arange(0, n, sr // 100)` are the beginnings of the frames. `np.add.reduceat(y**2, starts)` adds up what "
        "lies between two of them; `np.repeat(one_for_each_frame, lengths)` gives each sample its frame's value.",
        "`np.divide(y, a, out=np.zeros(n), where=a > 0)` divides where something is. Then `chips @ x / np.sqrt(x @ "
        "x)`, unless all is silent.",
    ],
    learned="The mark is twenty times weaker than the voice, and each chip says nearly nothing. But what they say "
            "adds up with their number n, and what the voice says against them only with its root.",
)


@watermark.output
def is_a_sound_and_a_number(t, got, y, sr, key, g):
    two_things(t, got, "marked, z")
    t.array(got[0], shape=y.shape, dtype=np.floating)
    t.number(got[1])


def _chips(key, n):
    return np.random.default_rng(key).choice([-1.0, 1.0], n)


def _marked(y, sr, key, g):
    """Frame by frame: the marked sound, and z."""
    p, out, x = _chips(key, len(y)), np.zeros(len(y)), np.zeros(len(y))
    for start in range(0, len(y), sr // 100):
        here = slice(start, start + sr // 100)
        a = np.sqrt(np.mean(y[here].astype(float) ** 2))
        out[here] = y[here] + g * a * p[here]
        x[here] = y[here] / a if a else 0
    return out, float(np.sum(p * x) / np.sqrt(np.sum(x**2))) if x.any() else 0.0


def _signed(t, case, y, sr, key, g, says="", ask="What is added to each sample?", asks="What is x, and by what is "
            "the sum divided?"):
    """Hold the marked sound, and then z, to what they are."""
    marked, z = t.on(case)(y, sr, key, g)
    want = _marked(y, sr, key, g)
    t.close(marked, want[0], atol=1e-6, says=f"For {case}, {says or 'each sample gets its part of the mark.'}", ask=ask)
    t.close(z, want[1], atol=1e-4, says=f"For {case}, it is the z of the sound as it came.", ask=asks)
    return marked, z


@watermark.edges
def a_tenth_of_a_second(t):
    _signed(t, "a tenth of a second", _sound(t.rng, 1600, pause=False), 16_000, 17, 0.1)


@watermark.edges
def silence(t):
    _signed(t, "silence", np.zeros(1000), 16_000, 3, 0.1, "there is nothing to hide a mark under.",
            "How large is the mark in a frame whose RMS is 0?", "What is 0 divided by 0 to be here?")


@watermark.edges
def a_silent_frame(t):
    y = _sound(t.rng, 1600, pause=False)
    y[320:800] = 0
    _signed(t, "a sound with three silent frames", y, 16_000, 3, 0.1, "silent frames stay silent.",
            "How large is the mark in a frame whose RMS is 0?")


@watermark.edges
def a_short_last_frame(t):
    y = np.concatenate([np.full(160, 0.1), np.full(40, 0.4)])
    _signed(t, "a last frame of 40 samples", y, 16_000, 5, 0.25, "its RMS is that of its own samples.",
            "Over how many samples is the mean of the last frame?")
    _signed(t, "a sound shorter than a frame", y[:50], 16_000, 5, 0.25, "it is one short frame.",
            "Over how many samples is the mean of the last frame?")


@watermark.edges
def no_strength(t):
    y = _sound(t.rng)
    _signed(t, "a strength of 0", y, 16_000, 9, 0.0, "nothing is added.")


@watermark.edges
def another_rate(t):
    _signed(t, "8000 samples per second", _sound(t.rng, 900), 8000, 11, 0.1, "a frame has 80 samples.",
            "How many samples are 10 ms?")


@watermark.properties
def a_mark_is_found_again(t):
    y, key = _sound(t.rng, 16_000), int(t.rng.integers(10_000))
    marked, before = _signed(t, "a second of sound", y, 16_000, key, 0.1)
    _, after = t.on("the same, marked")(as_array(marked), 16_000, key, 0.1)
    t.holds(after - before > 8, f"After marking, z rises by **{value(after - before)}**, expected about 0.1 √n, 12.",
            ask="What is x, and by what is the sum divided?")
    _, wrong = t.on("the same, with another key")(as_array(marked), 16_000, key + 1, 0.1)
    t.holds(abs(wrong) < 7, f"With another key z is **{value(wrong)}**, expected a draw from a normal distribution.",
            ask="What do the chips depend on?")


@watermark.properties
def the_level_does_not_matter(t):
    y = _sound(t.rng)
    marked, z = t.on("a sound")(y, 16_000, 21, 0.1)
    softer, other = t.on("the same, 20 dB softer")(0.1 * y, 16_000, 21, 0.1)
    t.close(softer, 0.1 * as_array(marked), atol=1e-6, says="The mark of a softer sound should be softer by as much.",
            ask="What is added to each sample?")
    t.close(other, z, atol=1e-4, says="Of a softer sound z is the same.", ask="What is x?")


@watermark.reference
def is_normal_by_scipy_kstest(t):
    from scipy.stats import kstest

    y, first = _sound(t.rng, 3000), int(t.rng.integers(10_000))
    z = [t.on("a sound without a mark, and one of 300 keys")(y, 16_000, first + key, 0.1)[1] for key in range(300)]
    p = kstest(z, "norm").pvalue
    t.holds(p > 1e-5, f"The z of 300 keys have a mean of {np.mean(z):.2f} and a deviation of **{np.std(z):.2f}**, "
            "expected 0 and 1: `scipy.stats.kstest` does not take them for draws from a normal distribution.",
            ask="What is the variance of a sum of p x, when each p is as often 1 as -1?")
    _signed(t, "the first of these keys", y, 16_000, first, 0.1)


def _signing(y, sr, key, g, chips=None, envelope=None, x=None, by=None, added=None):
    """A mark and its z as a mistake has them."""
    p = _chips(key, len(y)) if chips is None else chips(key, len(y))
    starts = np.arange(0, len(y), sr // 100)
    n = np.diff(np.append(starts, len(y)))
    a = np.repeat(np.sqrt(np.add.reduceat(y**2, starts) / n), n) if envelope is None else envelope(y, starts, n)
    flat = np.divide(y, a, out=np.zeros(len(y)), where=a > 0) if x is None else x(y)
    size = np.sqrt(flat @ flat) if by is None else by(flat)
    return y + (g * a * p if added is None else added(y, g, p)), float(p @ flat / size) if flat.any() else 0.0


@watermark.mistake("Your mark has the same strength all through: in a pause, everybody hears it.",
                   ask="What is added to each sample?")
def the_same_all_through(y, sr, key, g):
    return _signing(y, sr, key, g, added=lambda y, g, p: g * np.sqrt(np.mean(y**2)) * p)


@watermark.mistake("You correlate with the sound itself, in which a few loud frames drown all others.",
                   ask="What is x?")
def loud_frames_count(y, sr, key, g):
    return _signing(y, sr, key, g, x=lambda y: y)


@watermark.mistake("You divide by the number of samples: that is a mean, and not in standard deviations.",
                   ask="By what is the sum divided?")
def a_mean(y, sr, key, g):
    return _signing(y, sr, key, g, by=len)


@watermark.mistake("You divide by the root of the number of samples, silent ones included; where x is 0 it adds no "
                   "variance.", ask="By what is the sum divided?")
def root_of_all(y, sr, key, g):
    return _signing(y, sr, key, g, by=lambda x: np.sqrt(len(x)))


@watermark.mistake("The z that you give is that of the sound which you marked, not of the one that came.",
                   ask="Of which sound is z asked for?")
def of_the_marked(y, sr, key, g):
    marked = _signing(y, sr, key, g)[0]
    return marked, _signing(marked, sr, key, g)[1]


@watermark.mistake("In each frame you take the mean of the absolute values, or the peak, for the RMS.",
                   ask="What does RMS stand for, from right to left?")
def mean_of_absolute_values(y, sr, key, g):
    return _signing(y, sr, key, g, envelope=lambda y, starts, n: np.repeat(np.add.reduceat(np.abs(y), starts) / n, n))


@watermark.mistake("The short last frame is divided by the length of a whole one.",
                   ask="Over how many samples is the mean of the last frame?")
def last_frame_too_soft(y, sr, key, g):
    return _signing(y, sr, key, g, envelope=lambda y, starts, n: np.repeat(
        np.sqrt(np.add.reduceat(y**2, starts) / (sr // 100)), n))


@watermark.mistake("You multiply by 1 + g p, which changes the voice where it is loud, sample by sample: the mark then "
                   "depends on the sign of the voice.", ask="What is added to each sample?")
def multiplied_in(y, sr, key, g):
    return _signing(y, sr, key, g, added=lambda y, g, p: g * y * p)


# ---------------------------------------------------------------------------------------------- 14.6

_DAY = datetime.date(2031, 3, 14)
_PURPOSE = "an audio book of my own poems"


def _spectrum(sound):
    """A stand-in for a network: how much is in each of twelve bands, of length 1."""
    e = np.abs(np.fft.rfft(sound, 16_000))[:6000].reshape(12, 500).mean(axis=1)
    return e / np.linalg.norm(e)


def _person(rng, band, seconds):
    """Noise in a band of 1500 Hz from ``1000 * band`` on, a voice to the stand-in."""
    n = round(16_000 * seconds)
    f = np.fft.rfftfreq(n, 1 / 16_000)
    Y = np.fft.rfft(rng.normal(size=n)) * (0.1 + ((f >= 1000 * band) & (f < 1000 * band + 1500)))
    y = np.fft.irfft(Y, n)
    return (0.2 * y / np.abs(y).max()).astype(np.float32)


def _leave(rng, band=0, **changes):
    """A record of consent by the person of a band."""
    voice = np.mean([_spectrum(second) for second in _person(rng, band, 4).reshape(4, -1)], axis=0)
    record = {"owner": "Ada", "purpose": _PURPOSE, "expires": datetime.date(2031, 12, 31),
              "voice": voice / np.linalg.norm(voice)}
    return {**record, **changes}


def _say(text, voice):
    """A stand-in for a synthesiser: the text's characters and the voice, as a sound."""
    return np.concatenate([np.frombuffer(text.encode(), np.uint8) / 256.0, voice])


def _mark(sound):
    return np.append(sound, [0.25, -0.25])


def _wish():
    rng = np.random.default_rng(146)
    return ("The tide is out.", _person(rng, 0, 3.5), _leave(rng), _PURPOSE, _DAY, _spectrum, _say, _mark)


clone = Exercise(
    "14.6", "clone(text, y, consent, purpose, today, embed, speak, mark)",
    example=_wish,
    hints=[
        "Which of the six can be asked before anybody listens to the recording? And which line of yours is the first "
        "that may call `speak`?",
        "`consent.get(field)` gives None for a field that is missing, and an empty text counts as false. Two dates are "
        "compared with `<`; the last day is not after itself.",
        "`range(0, len(y) - 15999, 16000)` are the beginnings of the whole seconds. With their embeddings in the "
        "rows of E, `E @ E.T` holds the cosines of all pairs, those with themselves too, which are 1.",
    ],
    learned="None of this is difficult, and all of it has to come first: a refusal after the voice was made is none. "
            "A gate stops whoever passes through it; it does not stop whoever has the network at home.",
)


@clone.output
def is_what_was_spoken_and_marked(t, got, text, y, consent, purpose, today, embed, speak, mark):
    t.array(got)
    t.holds(got.ndim == 1, f"You return **{briefly(got)}**, expected a sound of shape [m].",
            ask="What does `mark` give back?")
    t.array(got, shape=np.shape(mark(speak(text, embed(np.ones(16_000))))))


def _gate(t, case, wish, says, ask, **changes):
    """Hold the answer to refusing the wish, with these changes, and to speaking nothing before it does."""
    calls, names = [], ("text", "y", "consent", "purpose", "today", "embed", "speak", "mark")

    def speak(text, voice):
        calls.append(text)
        return _say(text, voice)

    wish = {**dict(zip(names, wish, strict=True)), "speak": speak, **changes}
    _refuses(t, case, *wish.values(), says=says, ask=ask)
    t.holds(not calls, f"For {case}, you refuse, but **speak first**: what was made may be kept.",
            ask="Which line of yours is the first that calls `speak`?")


def _wished(rng):
    return ("The tide is out.", _person(rng, 0, 3), _leave(rng), _PURPOSE, _DAY, _spectrum, _say, _mark)


def _granted(t, case, wish, says, ask="What may stop a wish, and what not?"):
    """Hold the answer to speaking, in the voice of the recording, and marking."""
    try:
        got = t.on(case)(*wish)
    except Wrong as wrong:
        if isinstance(wrong.error, ValueError):
            t.holds(False, f"For {case}, you **refuse**: “{wrong.error}”. {says}", ask=ask)
        raise
    text, y, *_ = wish
    e = [_spectrum(y[start : start + 16_000]) for start in range(0, len(y) // 16_000 * 16_000, 16_000)]
    mean = np.mean(e, axis=0)
    t.close(got, _mark(_say(text, mean / np.linalg.norm(mean))), atol=1e-5, says=f"For {case}, what is spoken in the "
            "mean voice of all whole seconds, brought to length 1, is to be marked, and given back.",
            ask="Which voice is handed to `speak`, and through what does its sound go?")


@clone.edges
def all_as_agreed(t):
    _granted(t, "all as agreed", _wished(t.rng), "Nothing speaks against it.")


@clone.edges
def nobody_agreed(t):
    _gate(t, "no record of consent", _wished(t.rng), "nobody agreed to anything.", "What if `consent` is None?",
          consent=None)
    for field in ("owner", "purpose", "expires"):
        record = _leave(t.rng)
        record.pop(field)
        _gate(t, f"a record without `{field}`", _wished(t.rng), "such a record is not complete.",
              "Which fields does a record have to have?", consent=record)
    _gate(t, "a record whose owner is an empty text", _wished(t.rng), "nobody is no owner.",
          "Is a field that is there, and empty, enough?", consent=_leave(t.rng, owner=""))


@clone.edges
def another_purpose(t):
    _gate(t, "another purpose than the one agreed to", _wished(t.rng), "nobody agreed to that.",
          "What has to be the same as what?", purpose="an advertisement")
    _gate(t, "a purpose that only begins like the one agreed to", _wished(t.rng), "word for word means all of it.",
          "Is a purpose that begins alike the same?", purpose=_PURPOSE + " and of others")


@clone.edges
def too_late(t):
    text, y, consent, purpose, _, *rest = _wished(t.rng)
    for day, case in ((30, "the last day but one of the consent"), (31, "the last day of the consent")):
        _granted(t, case, (text, y, consent, purpose, datetime.date(2031, 12, day), *rest),
                 "The last day still counts.", "Is the last day after itself?")
    _gate(t, "consent that expired a day ago", _wished(t.rng), "it is over.", "Which of the two days comes first?",
          today=datetime.date(2032, 1, 1))


@clone.edges
def nothing_to_hear(t):
    _gate(t, "two seconds of silence", _wished(t.rng), "there is no voice in silence.",
          "What is the largest sample of silence?", y=np.zeros(32_000, np.float32))
    _gate(t, "two seconds of a hiss at 0.0005", _wished(t.rng), "that is no voice either.",
          "Is silence only what is exactly zero?", y=_person(t.rng, 0, 2) / 400)
    _gate(t, "0.3 s of the owner", _wished(t.rng), "less than a second is too short.",
          "How many samples are a second?", y=_person(t.rng, 0, 0.3))
    _gate(t, "15,999 samples of the owner", _wished(t.rng), "less than a second is too short.",
          "How many samples are a second?", y=_person(t.rng, 0, 1)[:-1])


@clone.edges
def two_people(t):
    for before, after in ((2, 0), (2, 2), (0, 1)):
        seconds = [_person(t.rng, band, 1) for band in [0] * before + [4] + [0] * after]
        _gate(t, f"a second person in second {before + 1} of {len(seconds)}", _wished(t.rng), "two people speak in it.",
              "Which seconds do you compare with which?", y=np.concatenate(seconds))


@clone.edges
def not_the_owner(t):
    _gate(t, "a recording of somebody else", _wished(t.rng), "whoever speaks there did not agree.",
          "Whose consent is it, and who is heard?", y=_person(t.rng, 4, 3))


@clone.edges
def in_doubt_shut(t):
    broken = _person(t.rng, 0, 3)
    broken[20_000] = np.nan
    _gate(t, "a recording with a NaN in it", _wished(t.rng), "nobody knows what is in it.",
          "What does `np.abs(y).max() <= 0.001` say if one sample is NaN?", y=broken)
    _gate(t, "embeddings that are NaN", _wished(t.rng), "what is not a number is no permission.",
          "Is NaN below 0.5? And is it 0.5 or more?", embed=lambda second: np.full(12, np.nan))
    _gate(t, "a record whose voice is NaN", _wished(t.rng), "what is not a number is no permission.",
          "Is NaN below 0.7? And is it 0.7 or more?", consent=_leave(t.rng, voice=np.full(12, np.nan)))


@clone.properties
def what_may_be_done_is_done(t):
    for seconds in (1, 2, 3.7):
        text = "".join(t.rng.choice(list("abcdefgh "), 12))
        y = _person(t.rng, 0, seconds)
        _granted(t, f"{seconds:g} s of the owner, and all as agreed", (text, y, *_wished(t.rng)[2:]),
                 "Nothing speaks against it.")


@clone.properties
def nothing_leaves_unmarked(t):
    text, y, consent, purpose, today, embed, speak, _ = _wished(t.rng)
    got = t.on("a mark that turns the sound upside down")(text, y, consent, purpose, today, embed, speak, lambda s: -s)
    bare = speak(text, np.zeros(12))[: len(text)]
    t.close(as_array(got)[: len(text)], -bare, atol=1e-6, says="What `mark` makes of the sound should be given back.",
            ask="What do you return: what was spoken, or what was marked?")


def _gated(text, y, consent, purpose, today, embed, speak, mark, skip=(), over=lambda today, last: today > last,
           quiet=lambda y: not 0.001 < np.abs(y).max() < np.inf, two=lambda E: not (E @ E.T).min() >= 0.5, unit=True,
           marked=True, spoken_first=False, shut=True):
    """A gate with a mistake in it: what is not asked, or asked otherwise."""
    if spoken_first:
        speak(text, consent["voice"] if consent else np.zeros(12))
    if consent is None or not all(consent.get(field) for field in ("owner", "purpose", "expires")):
        raise ValueError("no consent")
    if "purpose" not in skip and purpose != consent["purpose"]:
        raise ValueError("another purpose")
    if "expires" not in skip and over(today, consent["expires"]):
        raise ValueError("expired")
    if len(y) < 16_000 or quiet(y):
        raise ValueError("silent or too short")
    E = np.stack([embed(y[start : start + 16_000]) for start in range(0, len(y) - 15_999, 16_000)])
    if "two" not in skip and two(E):
        raise ValueError("two people")
    voice = E.mean(axis=0)
    voice = voice / np.linalg.norm(voice) if unit else voice
    near = voice @ consent["voice"]
    if "owner" not in skip and (not near >= 0.7 if shut else near < 0.7):
        raise ValueError("somebody else")
    sound = speak(text, voice)
    return mark(sound) if marked else sound


@clone.mistake("What you give back is not marked: nobody can tell it from the person.",
               ask="What do you return: what was spoken, or what was marked?")
def unmarked(*wish):
    return _gated(*wish, marked=False)


@clone.mistake("You never ask for what the voice is wanted. Whoever agreed to one thing did not agree to all.",
               ask="What has to be the same as what?")
def any_purpose(*wish):
    return _gated(*wish, skip=("purpose",))


@clone.mistake("You never look at the date: with you consent lasts for ever.", ask="Which of the two days comes first?")
def for_ever(*wish):
    return _gated(*wish, skip=("expires",))


@clone.mistake("With you the consent ends a day early.", ask="Is the last day after itself?")
def a_day_early(*wish):
    return _gated(*wish, over=lambda today, last: today >= last)


@clone.mistake("You compare the first second with the last alone: whoever speaks in between is not noticed.",
               ask="Which seconds do you compare with which?")
def first_and_last(*wish):
    return _gated(*wish, two=lambda E: E[0] @ E[-1] < 0.5)


@clone.mistake("You do not look for a second person in the recording.", ask="Which seconds do you compare with which?")
def one_person_taken_for_granted(*wish):
    return _gated(*wish, skip=("two",))


@clone.mistake("You never ask whether it is the owner who is heard: with anybody's consent, everybody's voice can be "
               "taken.", ask="Whose consent is it, and who is heard?")
def whoever_is_heard(*wish):
    return _gated(*wish, skip=("owner",))


@clone.mistake("A cosine that is NaN gets through: it is not below the limit.",
               ask="Is NaN below 0.7? And is it 0.7 or more?")
def open_in_doubt(*wish):
    return _gated(*wish, two=lambda E: (E @ E.T).min() < 0.5, shut=False)


@clone.mistake("You speak first and ask later: what was made may be kept.",
               ask="Which line of yours is the first that calls `speak`?")
def spoken_before_asking(*wish):
    return _gated(*wish, spoken_first=True)


@clone.mistake("Silence is for you only what is exactly zero. No microphone is so quiet.",
               ask="Is silence only what is exactly zero?")
def exactly_zero(*wish):
    return _gated(*wish, quiet=lambda y: not y.any())


@clone.mistake("The voice that you hand to `speak` is not of length 1.", ask="Which voice is handed to `speak`, and "
               "through what does its sound go?")
def a_short_voice(*wish):
    return _gated(*wish, unit=False)
