"""Wrong answers of chapter 07, each a misconception, with the stage and the words that must reject it."""

import itertools

import numpy as np
import torch
from scipy.special import expit, log_expit, log_softmax, softmax

from mutants import mutant

# ---------------------------------------------------------------------------------------------- 07.1


def spans(roll):
    """Notes of a roll as (start, stop, key)."""
    for start, key in np.argwhere(roll == 2).tolist():
        stop = start + 1
        while stop < len(roll) and roll[stop, key] == 1:
            stop += 1
        yield start, stop, key


def written(notes, steps, longest=32, rank=lambda kind: kind, close=True):
    """Events of notes: of a moment in the order of `rank`, 0 for let go and 1 for struck."""
    moments = {}
    for start, stop, key in notes:
        moments.setdefault(start, []).append((rank(1), key, key))
        if close or stop < steps:
            moments.setdefault(stop, []).append((rank(0), key, 128 + key))
    events, now = [], 0
    for moment in sorted({*moments, steps}):
        waited = moment - now
        events += [255 + longest] * (waited // longest) + [255 + waited % longest] * (waited % longest > 0)
        events += [event for *_, event in sorted(moments.get(moment, []))]
        now = moment
    return events


def read(events, after=1, pass_time=lambda event: event - 255, again=2):
    """A roll of events: what a strike becomes after a step, how long a wait is, what a second strike writes."""
    rows, now = [], np.zeros(128, np.int8)
    for event in events:
        if event < 128:
            now[event] = again if now[event] else 2
        elif event < 256:
            now[event - 128] = 0
        else:
            for _ in range(pass_time(event)):
                rows.append(now.copy())
                now[now == 2] = after
    return np.array(rows, np.int8).reshape(-1, 128)


def sounding_spans(roll):
    """Notes of a roll that is read as sounding or not."""
    edges = np.diff(np.pad((roll > 0).astype(int), ((1, 1), (0, 0))), axis=0)
    for key in range(128):
        yield from ((int(a), int(b), key) for a, b in
                    zip(np.flatnonzero(edges[:, key] > 0), np.flatnonzero(edges[:, key] < 0), strict=True))


@mutant("07.1", stage="edges", says="are one long note with you")
def on_or_off(roll, events):
    return written(sounding_spans(roll), len(roll)), read(events)


@mutant("07.1", stage="edges", says="what is struck again falls silent")
def strikes_come_first(roll, events):
    return written(spans(roll), len(roll), rank=lambda kind: 1 - kind), read(events)


@mutant("07.1", stage="output", says="A wait of yours is longer than 32 steps")
def any_wait(roll, events):
    return written(spans(roll), len(roll), longest=10**6), read(events)


@mutant("07.1", stage="edges", says="Each step is an event of its own")
def one_wait_a_step(roll, events):
    return written(spans(roll), len(roll), longest=1), read(events)


@mutant("07.1", stage="edges", says="What sounds at the end of the roll is never let go")
def ends_unfinished(roll, events):
    return written(spans(roll), len(roll), close=False), read(events)


@mutant("07.1", stage="edges", says="Silence at the end of the roll is lost")
def no_last_wait(roll, events):
    got = written(spans(roll), len(roll))
    while got and got[-1] > 255:
        got.pop()
    return got, read(events)


@mutant("07.1", stage="edges", says="a strike lasts one step")
def strikes_again_and_again(roll, events):
    return written(spans(roll), len(roll)), read(events, after=2)


@mutant("07.1", stage="edges", says="a strike on a key that sounds already is lost")
def sounds_already(roll, events):
    return written(spans(roll), len(roll)), read(events, again=1)


@mutant("07.1", stage="output", says="256 passes no time")
def shifts_from_0(roll, events):
    return written(spans(roll), len(roll)), read(events, pass_time=lambda event: event - 256)


@mutant("07.1", stage="output", says="expected [38, 128]")
def keys_of_a_piano(roll, events):
    return written(spans(roll), len(roll)), read(events)[:, 21:109]


@mutant("07.1", stage="output", says="expected two: `events, roll`")
def events_alone(roll, events):
    return written(spans(roll), len(roll))


@mutant("07.1", stage="output", says="expected a list of whole numbers")
def words_for_events(roll, events):
    return [str(event) for event in written(spans(roll), len(roll))], read(events)


@mutant("07.1", stage="properties", says="first, then struck, both from low to high")
def ends_in_the_order_of_their_beginnings(roll, events):
    moments = {}
    for i, (start, stop, key) in enumerate(sorted(spans(roll), key=lambda note: (note[0], -note[2]))):
        moments.setdefault(stop, []).append((0, i, 128 + key))
        moments.setdefault(start, []).append((1, key, key))
    got, now = [], 0
    for moment in sorted({*moments, len(roll)}):
        got += [287] * ((moment - now) // 32) + [255 + (moment - now) % 32] * ((moment - now) % 32 > 0)
        got += [event for *_, event in sorted(moments.get(moment, []))]
        now = moment
    return got, read(events)


@mutant("07.1", stage="reference", says="the messages of the MIDI file")
def at_most_a_hundred_notes(roll, events):
    notes = sorted(spans(roll))[:60]
    return written(notes, len(roll)), read(events)


# ---------------------------------------------------------------------------------------------- 07.2


def grams(melodies, order):
    for melody in melodies:
        yield from zip(*(melody[i:] for i in range(order + 1)), strict=False)


def chain(melodies, order, n, alpha, start, length, rng, *, total=None, unseen=None, kind=float, last=None, pick=None,
          grams=grams):
    """Counting and drawing, parts of it otherwise."""
    counts = np.zeros((n,) * (order + 1), kind)
    for gram in grams(melodies, order):
        counts[gram] += 1
    counts = counts + alpha
    sums = total(counts) if total else counts.sum(axis=-1, keepdims=True)
    with np.errstate(all="ignore"):
        P = counts / sums
    P[np.isnan(P)] = 1 / n if unseen is None else unseen
    melody = list(start)
    while len(melody) < length:
        context = tuple(last(melody, order) if last else melody[len(melody) - order :])
        melody.append(int(pick(P[context], rng) if pick else rng.choice(n, p=P[context])))
    return P, melody


@mutant("07.2", stage="edges", says="You count across the end of a melody")
def joined(melodies, order, n, alpha, start, length, rng):
    return chain([list(itertools.chain(*melodies))], order, n, alpha, start, length, rng)


@mutant("07.2", stage="output", says="Along which axis do you divide")
def along_the_context(melodies, order, n, alpha, start, length, rng):
    return chain(melodies, order, n, alpha, start, length, rng, total=lambda counts: counts.sum(axis=0, keepdims=True),
                 pick=lambda row, rng: rng.choice(n))


@mutant("07.2", stage="output", says="add up to")
def alpha_once_in_the_sum(melodies, order, n, alpha, start, length, rng):
    def total(counts):
        return (counts - alpha).sum(axis=-1, keepdims=True) + alpha

    return chain(melodies, order, n, alpha, start, length, rng, total=total, pick=lambda row, rng: rng.choice(n))


@mutant("07.2", stage="edges", says="NaN")
def nothing_by_nothing(melodies, order, n, alpha, start, length, rng):
    return chain(melodies, order, n, alpha, start, length, rng, unseen=np.nan)


@mutant("07.2", stage="edges", says="add up to 0 in your P")
def zeros_for_what_was_never_heard(melodies, order, n, alpha, start, length, rng):
    return chain(melodies, order, n, alpha, start, length, rng, unseen=0.0)


@mutant("07.2", stage="edges", says="What is `melody[-0:]`")
def last_0_notes(melodies, order, n, alpha, start, length, rng):
    def pick(row, rng):
        return rng.choice(n, p=row) if row.ndim else 0

    return chain(melodies, order, n, alpha, start, length, rng, pick=pick,
                 last=lambda melody, k: melody[-k:] if k else melody[-1:])


@mutant("07.2", stage="edges", says="Your table says whether a note followed")
def a_set_of_grams(melodies, order, n, alpha, start, length, rng):
    return chain(melodies, order, n, alpha, start, length, rng, grams=lambda *args: set(grams(*args)))


@mutant("07.2", stage="properties", says="Your context is turned round")
def newest_first(melodies, order, n, alpha, start, length, rng):
    return chain(melodies, order, n, alpha, start, length, rng,
                 grams=lambda *args: ((*gram[:-1][::-1], gram[-1]) for gram in grams(*args)),
                 last=lambda melody, k: melody[len(melody) - k :][::-1])


@mutant("07.2", stage="properties", says="You always take the most probable note")
def greedy(melodies, order, n, alpha, start, length, rng):
    return chain(melodies, order, n, alpha, start, length, rng,
                 pick=lambda row, rng: rng.integers(n) if row.std() < 1e-9 else row.argmax())


@mutant("07.2", stage="edges", says="Your context stays the first notes")
def always_from_the_start(melodies, order, n, alpha, start, length, rng):
    return chain(melodies, order, n, alpha, start, length, rng, last=lambda melody, k: melody[:k])


@mutant("07.2", stage="properties", says="From which generator do you draw?")
def global_generator(melodies, order, n, alpha, start, length, rng):
    return chain(melodies, order, n, alpha, start, length, np.random)


@mutant("07.2", stage="properties", says="your melodies of 40 notes are the same")
def seeded_anew(melodies, order, n, alpha, start, length, rng):
    return chain(melodies, order, n, alpha, start, length, np.random.default_rng(3))


@mutant("07.2", stage="reference", says="agree with `sklearn.naive_bayes.CategoricalNB`")
def counts_in_a_byte(melodies, order, n, alpha, start, length, rng):
    return chain(melodies, order, n, alpha, start, length, rng, kind=np.uint8)


@mutant("07.2", stage="output", says="those of `start` among them")
def so_many_new_ones(melodies, order, n, alpha, start, length, rng):
    return chain(melodies, order, n, alpha, start, length + len(start), rng)


@mutant("07.2", stage="output", says="Your melody begins with")
def without_the_start(melodies, order, n, alpha, start, length, rng):
    P, melody = chain(melodies, order, n, alpha, start, length + len(start), rng)
    return P, melody[len(start) :]


@mutant("07.2", stage="output", says="Your P: shape")
def contexts_in_one_axis(melodies, order, n, alpha, start, length, rng):
    P, melody = chain(melodies, order, n, alpha, start, length, rng)
    return P.reshape(-1, n), melody


# ---------------------------------------------------------------------------------------------- 07.3


def nucleus(logits, p, temperature, keep=lambda P, sums, p: np.append(True, sums[:-1] < p), share=None):
    """The probabilities that `keep` says, best first."""
    P = softmax(logits / temperature)
    order = np.argsort(P)[::-1]
    chosen = order[keep(P[order], np.cumsum(P[order]), p)]
    out = np.zeros(len(P))
    out[chosen] = P[chosen]
    return share(out, P) if share else out / out.sum()


@mutant("07.3", stage="edges", says="You leave out the note with which the sum reaches p")
def up_to_p(logits, p=0.9, temperature=1.0):
    return nucleus(logits, p, temperature, lambda P, sums, p: np.append(True, sums[1:] <= p))


@mutant("07.3", stage="edges", says="NaN")
def nothing_kept(logits, p=0.9, temperature=1.0):
    with np.errstate(all="ignore"):
        return nucleus(logits, p, temperature,
                       lambda P, sums, p: (sums <= p) | (np.append(0, sums[:-1]) < p * (p > 0.5)))


@mutant("07.3", stage="output", says="Your probabilities add up to")
def tail_cut_off(logits, p=0.9, temperature=1.0):
    return nucleus(logits, p, temperature, share=lambda out, P: out)


@mutant("07.3", stage="edges", says="You keep a share p of the notes")
def so_many_notes(logits, p=0.9, temperature=1.0):
    return nucleus(logits, p, temperature, lambda P, sums, p: np.arange(len(P)) < max(1, round(p * len(P))))


@mutant("07.3", stage="edges", says="It is what they add up to that counts")
def min_p(logits, p=0.9, temperature=1.0):
    return nucleus(logits, p, temperature, lambda P, sums, p: (1 - p) * P[0] <= P)


@mutant("07.3", stage="edges", says="You begin with the least probable notes")
def from_the_bottom(logits, p=0.9, temperature=1.0):
    P = softmax(logits / temperature)
    order = np.argsort(P)
    out = np.zeros(len(P))
    chosen = order[np.append(True, np.cumsum(P[order])[:-1] < p)]
    out[chosen] = P[chosen]
    return out / out.sum()


@mutant("07.3", stage="properties", says="You cut first and apply the temperature then")
def tempered_afterwards(logits, p=0.9, temperature=1.0):
    z = np.where(nucleus(logits, p, 1.0) > 0, logits, -np.inf)
    return softmax(z / temperature)


@mutant("07.3", stage="properties", says="You do not use the temperature")
def always_1(logits, p=0.9, temperature=1.0):
    return nucleus(logits, p, 1.0)


@mutant("07.3", stage="properties", says="You multiply by the temperature")
def inverse_temperature(logits, p=0.9, temperature=1.0):
    return nucleus(logits, p, 1 / temperature)


@mutant("07.3", stage="edges", says="NaN")
def exponential_as_it_is(logits, p=0.9, temperature=1.0):
    with np.errstate(all="ignore"):
        e = np.exp(logits / temperature)
        return nucleus(np.log(e / e.sum()), p, 1.0)


@mutant("07.3", stage="edges", says="a logit of 0 is not a probability of 0")
def others_set_to_0(logits, p=0.9, temperature=1.0):
    return softmax(np.where(nucleus(logits, p, temperature) > 0, logits / temperature, 0.0))


@mutant("07.3", stage="edges", says="Your probabilities stand in sorted order")
def not_put_back(logits, p=0.9, temperature=1.0):
    return np.sort(nucleus(logits, p, temperature))[::-1].copy()


@mutant("07.3", stage="edges", says="You keep one note too many")
def one_for_safety(logits, p=0.9, temperature=1.0):
    return nucleus(logits, p, temperature, lambda P, sums, p: np.concatenate([[True, True], sums[:-2] < p])[: len(P)])


@mutant("07.3", stage="edges", says="All that was left out goes to the best note")
def winner_takes_the_rest(logits, p=0.9, temperature=1.0):
    def share(out, P):
        return out + (1 - out.sum()) * (np.arange(len(P)) == P.argmax())

    return nucleus(logits, p, temperature, share=share)


@mutant("07.3", stage="reference", says="agree with `TopPLogitsWarper`")
def at_most_forty(logits, p=0.9, temperature=1.0):
    return nucleus(logits, p, temperature,
                   lambda P, sums, p: np.append(True, sums[:-1] < p) & (np.arange(len(P)) < 40))


# ---------------------------------------------------------------------------------------------- 07.4


def attend(q, k, v, mask=lambda n, m: torch.ones(n, m).tril(m - n).bool(), scale=lambda d: d**-0.5, low=-torch.inf,
           dim=-1):
    """Attention to the pairs of `mask`."""
    scores = scale(q.shape[-1]) * torch.einsum("...nd,...md->...nm", q, k)
    return torch.where(mask(q.shape[-2], k.shape[-2]), scores, torch.tensor(low)).softmax(dim) @ v


@mutant("07.4", stage="edges", says="there is no mask")
def everybody_hears_everything(q, k, v):
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v


@mutant("07.4", stage="edges", says="Your mask is turned round")
def triu(q, k, v):
    return attend(q, k, v, lambda n, m: torch.ones(n, m).triu(m - n).bool())


@mutant("07.4", stage="edges", says="At time 0 there is nothing but itself to hear")
def strictly_below(q, k, v):
    return attend(q, k, v, lambda n, m: torch.ones(n, m).tril(m - n - 1).bool(), low=-1e9)


@mutant("07.4", stage="edges", says="NaN")
def strictly_below_with_infinity(q, k, v):
    return attend(q, k, v, lambda n, m: torch.ones(n, m).tril(m - n - (q.dim() < 4)).bool())


@mutant("07.4", stage="edges", says="You count the queries from the first time")
def upper_left(q, k, v):
    return attend(q, k, v, lambda n, m: torch.ones(n, m).tril().bool())


@mutant("07.4", stage="edges", says="You set scores of the future to 0")
def times_the_triangle(q, k, v):
    n, m = q.shape[-2], k.shape[-2]
    return (q @ k.mT / q.shape[-1] ** 0.5 * torch.ones(n, m).tril(m - n)).softmax(-1) @ v


@mutant("07.4", stage="edges", says="You take the future out after the softmax")
def triangle_after_softmax(q, k, v):
    n, m = q.shape[-2], k.shape[-2]
    return ((q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) * torch.ones(n, m).tril(m - n)) @ v


@mutant("07.4", stage="properties", says="You do not divide the scores by √d")
def no_root(q, k, v):
    return attend(q, k, v, scale=lambda d: 1.0)


@mutant("07.4", stage="properties", says="You divide the scores by d, not by its root")
def whole_d(q, k, v):
    return attend(q, k, v, scale=lambda d: 1 / d)


@mutant("07.4", stage="output", says="Your softmax goes along the queries")
def softmax_of_columns(q, k, v):
    return attend(q, k, v, low=-1e9, dim=-2)


@mutant("07.4", stage="properties", says="The gradient does not reach the queries")
def through_numpy(q, k, v):
    return torch.from_numpy(attend(q.detach(), k.detach(), v.detach()).numpy().copy())


@mutant("07.4", stage="properties", says="A weight on the future is")
def minus_five(q, k, v):
    return attend(q, k, v, low=-20.0) if q.dim() == 2 and len(q) == 5 else attend(q, k, v)


@mutant("07.4", stage="edges", says="RuntimeError")
def three_axes(q, k, v):
    n, m = q.shape[-2], k.shape[-2]
    scores = torch.bmm(q.reshape(-1, n, q.shape[-1]), k.reshape(-1, m, k.shape[-1]).mT) / q.shape[-1] ** 0.5
    weights = scores.masked_fill(torch.ones(n, m).tril(m - n) == 0, -torch.inf).softmax(-1)
    return torch.bmm(weights, v) if v.dim() > 2 else torch.bmm(weights, v[None])[0] if len(v) < 4 else \
        torch.bmm(weights, v)


@mutant("07.4", stage="reference", says="agree with `scaled_dot_product_attention`")
def a_window_of_64(q, k, v):
    return attend(q, k, v, lambda n, m: (torch.ones(n, m).tril(m - n) - torch.ones(n, m).tril(m - n - 64)).bool())


# ---------------------------------------------------------------------------------------------- 07.5


def bernoulli(z, x):
    return -(x * log_expit(z) + (1 - x) * log_expit(-z))


def costs(logits, roll, lengths, cost=bernoulli):
    """Cost of each real step and key, and the keys that sound there."""
    pieces = [(z[:n], x[:n]) for z, x, n in zip(logits, roll, lengths, strict=True)]
    z, x = (np.concatenate(each) for each in zip(*pieces, strict=True))
    return cost(z, x), x


@mutant("07.5", stage="edges", says="that is the mean of a key")
def reduction_mean(logits, roll, lengths):
    each, x = costs(logits, roll, lengths)
    return each.mean(), each.sum() / x.sum()


@mutant("07.5", stage="edges", says="The filling is counted as steps")
def lengths_unread(logits, roll, lengths):
    each = bernoulli(logits, roll)
    return each.sum() / each[..., 0].size, each.sum() / roll.sum()


@mutant("07.5", stage="edges", says="The filling costs nothing with you, but you divide by it")
def mean_of_the_masked(logits, roll, lengths):
    each, x = costs(logits, roll, lengths)
    return each.sum() / logits[..., 0].size, each.sum() / x.sum()


@mutant("07.5", stage="edges", says="your per_note is")
def mean_over_pieces(logits, roll, lengths):
    each = [costs(logits[b : b + 1], roll[b : b + 1], lengths[b : b + 1]) for b in range(len(lengths))]
    return np.mean([c.sum(-1).mean() for c, _ in each]), np.mean([c.sum() / x.sum() for c, x in each])


@mutant("07.5", stage="properties", says="Both share out the same L")
def steps_of_pieces(logits, roll, lengths):
    each = [costs(logits[b : b + 1], roll[b : b + 1], lengths[b : b + 1]) for b in range(len(lengths))]
    total, notes = sum(c.sum() for c, _ in each), sum(x.sum() for _, x in each)
    return np.mean([c.sum(-1).mean() for c, _ in each]), total / notes


@mutant("07.5", stage="edges", says="those are bits")
def log2(logits, roll, lengths):
    each, x = costs(logits, roll, lengths)
    return each.sum() / np.log(2) / len(x), each.sum() / np.log(2) / x.sum()


@mutant("07.5", stage="edges", says="Only keys that sound cost something")
def positives_only(logits, roll, lengths):
    each, x = costs(logits, roll, lengths, lambda z, x: -x * log_expit(z))
    return each.sum() / len(x), each.sum() / x.sum()


@mutant("07.5", stage="edges", says="share one probability among them, by a softmax")
def cross_entropy(logits, roll, lengths):
    each, x = costs(logits, roll, lengths, lambda z, x: -x * log_softmax(z, axis=-1))
    return each.sum() / len(x), each.sum() / x.sum()


@mutant("07.5", stage="edges", says="hold the probability away from 0")
def clipped(logits, roll, lengths):
    def cost(z, x):
        p = np.clip(expit(z), 1e-7, 1 - 1e-7)
        return -(x * np.log(p) + (1 - x) * np.log(1 - p))

    each, x = costs(logits, roll, lengths, cost)
    return each.sum() / len(x), each.sum() / x.sum()


@mutant("07.5", stage="edges", says="What is 1 − σ(1000) in floats?")
def logarithm_of_0(logits, roll, lengths):
    with np.errstate(all="ignore"):
        each, x = costs(logits, roll, lengths, lambda z, x: -np.log(np.where(x > 0, expit(z), 1 - expit(z))))
    return each.sum() / len(x), each.sum() / x.sum()


@mutant("07.5", stage="output", says="is never below 0")
def likelihood(logits, roll, lengths):
    each, x = costs(logits, roll, lengths)
    return -each.sum() / len(x), -each.sum() / x.sum()


@mutant("07.5", stage="edges", says="Your two numbers have changed places")
def note_and_step(logits, roll, lengths):
    each, x = costs(logits, roll, lengths)
    return each.sum() / x.sum(), each.sum() / len(x)


@mutant("07.5", stage="edges", says="your per_note is")
def only_sounding_keys_per_note(logits, roll, lengths):
    each, x = costs(logits, roll, lengths)
    return each.sum() / len(x), (each * x).sum() / x.sum()


@mutant("07.5", stage="output", says="Over what is it summed")
def one_for_each_piece(logits, roll, lengths):
    each = bernoulli(logits, roll) * (np.arange(logits.shape[1]) < lengths[:, None])[..., None]
    return each.sum((1, 2)) / lengths, each.sum((1, 2)) / lengths


@mutant("07.5", stage="reference", says="agree with `binary_cross_entropy_with_logits`")
def notes_in_a_byte(logits, roll, lengths):
    each, x = costs(logits, roll, lengths)
    return each.sum() / len(x), each.sum() / x.astype(np.uint8).sum(dtype=np.uint8)


# ---------------------------------------------------------------------------------------------- 07.6


def faults(voices, pairs=((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)), rest=True,
           motion=lambda a, b: a * b > 0, size=lambda a, b: np.abs(a - b) % 12, bad=lambda was, now: was == now):
    """Faults pair by pair."""
    found = []
    for i, j in pairs:
        up, low = voices[:, i], voices[:, j]
        for t in range(len(voices) - 1):
            if rest and min(up[t], up[t + 1], low[t], low[t + 1]) < 0:
                continue
            was, now = size(up[t], low[t]), size(up[t + 1], low[t + 1])
            if motion(int(up[t + 1] - up[t]), int(low[t + 1] - low[t])) and now in (0, 7) and bad(was, now):
                found.append((t + 1, i, j, int(now)))
    return sorted(found)


@mutant("07.6", stage="edges", says="What is held or repeated counts with you")
def motionless(voices):
    return faults(voices, motion=lambda a, b: np.sign(a) == np.sign(b))


@mutant("07.6", stage="edges", says="Contrary motion counts with you")
def any_motion(voices):
    return faults(voices, motion=lambda a, b: a and b)


@mutant("07.6", stage="edges", says="You look at neighbouring voices only")
def neighbours(voices):
    return faults(voices, ((0, 1), (1, 2), (2, 3)))


@mutant("07.6", stage="edges", says="You take a rest for a pitch of −1")
def rests_move(voices):
    return faults(voices, rest=False)


@mutant("07.6", stage="edges", says="a twelfth is a fifth too")
def within_an_octave(voices):
    found = []
    for step, i, j, _ in faults(voices):
        if set(np.abs(voices[step - 1 : step + 1, i] - voices[step - 1 : step + 1, j]).tolist()) in ({7}, {12}):
            found.append((step, i, j, int(abs(voices[step, i] - voices[step, j])) % 12))
    return found


@mutant("07.6", stage="edges", says="the remainder of −5 by 12 is 7")
def upper_minus_lower(voices):
    return faults(voices, size=lambda a, b: (a - b) % 12)


@mutant("07.6", stage="edges", says="those are hidden parallels")
def direct_fifths(voices):
    return faults(voices, bad=lambda was, now: True)


@mutant("07.6", stage="edges", says="not the one where they arrive")
def departure(voices):
    return [(step - 1, *rest) for step, *rest in faults(voices)]


@mutant("07.6", stage="edges", says="Two voices that fall together escape you")
def upward(voices):
    return faults(voices, motion=lambda a, b: a > 0 and b > 0)


@mutant("07.6", stage="edges", says="Octaves and unisons escape you")
def fifths_alone(voices):
    return [one for one in faults(voices) if one[3] == 7]


@mutant("07.6", stage="properties", says="Any two voices can do it")
def not_the_two_in_the_middle(voices):
    return faults(voices, ((0, 1), (0, 2), (0, 3), (1, 3), (2, 3)))


@mutant("07.6", stage="properties", says="Only distances count")
def from_middle_c(voices):
    return [one for one in faults(voices) if len(voices) < 20 or voices[one[0], one[2]] % 2]


@mutant("07.6", stage="output", says="stands twice in your list")
def both_orders(voices):
    return [one for one in faults(voices) for _ in range(2)]


@mutant("07.6", stage="output", says="the lower number first")
def from_one(voices):
    return [(step, i + 1, j + 1, interval) for step, i, j, interval in faults(voices)]


@mutant("07.6", stage="output", says="expected four whole numbers")
def steps_alone(voices):
    return [step for step, *_ in faults(voices)]


@mutant("07.6", stage="reference", says="agree with `VoiceLeadingQuartet.parallelMotion`")
def up_to_two_octaves(voices):
    return [one for one in faults(voices) if len(voices) != 30 or
            np.ptp(voices[one[0] - 1 : one[0] + 1, [one[1], one[2]]], axis=1).max() < 13]
