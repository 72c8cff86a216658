"""Wrong answers of chapter 14, each a misconception, with the stage and the words that must reject it."""

import numpy as np
import torch
from torch.nn import functional as F

from mutants import mutant

# ---------------------------------------------------------------------------------------------- 14.1


def cosines(a, b):
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    return np.einsum("ij,ij->i", a, b)


def crossing(s, same, inclusive=True, per_kind=True, beyond=True, line=True):
    """Rate and threshold by a walk from the lowest score up."""
    friends, strangers = s[same], s[~same]
    n, m = (len(friends), len(strangers)) if per_kind else (len(s), len(s))
    rows = []
    for t in sorted(set(s)):
        r = (friends < t).sum() if inclusive else (friends <= t).sum()
        f = (strangers >= t).sum() if inclusive else (strangers > t).sum()
        rows.append((r / n, f / m, t))
    if beyond:
        rows.append((1.0, 0.0, rows[-1][2]))
    for i, (r, f, t) in enumerate(rows):
        if r >= f:
            if not line or i == 0:
                return float(r), float(t)
            r0, f0, t0 = rows[i - 1]
            u = (f0 - r0) / (f0 - r0 + r - f)
            return float(r0 + u * (r - r0)), float(t0 + u * (t - t0))
    return float(rows[-1][0]), float(rows[-1][2])


@mutant("14.1", stage="properties", says="does not ask how long a vector is")
def nothing_divided_by_little(a, b, same):
    s = (a * b).sum(axis=1) / np.prod([np.maximum(np.linalg.norm(x, axis=1), 0.1) for x in (a, b)], axis=0)
    return s, *crossing(s, same)


@mutant("14.1", stage="edges", says="products, not cosines")
def dot(a, b, same):
    s = (a * b).sum(axis=1)
    return s, *crossing(s, same)


@mutant("14.1", stage="edges", says="whoever scores exactly the threshold is turned away")
def strictly_above(a, b, same):
    s = cosines(a, b)
    return s, *crossing(s, same, inclusive=False)


@mutant("14.1", stage="edges", says="first threshold past the crossing")
def without_a_line(a, b, same):
    s = cosines(a, b)
    return s, *crossing(s, same, line=False)


@mutant("14.1", stage="edges", says="shares of all pairs")
def of_all_pairs(a, b, same):
    s = cosines(a, b)
    return s, *crossing(s, same, per_kind=False)


@mutant("14.1", stage="edges", says="no threshold at which nobody is let in")
def without_a_last_one(a, b, same):
    s = cosines(a, b)
    return s, *crossing(s, same, beyond=False)


@mutant("14.1", stage="edges", says="they belong to their pairs")
def in_rising_order(a, b, same):
    s = cosines(a, b)
    return np.sort(s), *crossing(s, same)


@mutant("14.1", stage="output", says="Is it a share or a percentage?")
def in_percent(a, b, same):
    s = cosines(a, b)
    eer, threshold = crossing(s, same)
    return s, 100 * eer, threshold


@mutant("14.1", stage="output", says="expected three")
def without_the_scores(a, b, same):
    return crossing(cosines(a, b), same)


@mutant("14.1", stage="edges", says="this is the threshold")
def first_threshold_past(a, b, same):
    s = cosines(a, b)
    return s, crossing(s, same)[0], crossing(s, same, line=False)[1]


@mutant("14.1", stage="reference", says="sklearn.metrics.roc_curve")
def thresholds_rounded_down(a, b, same):
    s = cosines(a, b)
    rows = [((s[same] < t).mean(), (s[~same] >= t).mean(), t) for t in np.unique(np.floor(100 * s) / 100)]
    rows.append((1.0, 0.0, rows[-1][2]))
    i = next(i for i, (r, f, _) in enumerate(rows) if r >= f)
    (r0, f0, t0), (r1, f1, t1) = rows[i - 1], rows[i]
    u = (f0 - r0) / (f0 - r0 + r1 - f1)
    return s, float(r0 + u * (r1 - r0)), float(t0 + u * (t1 - t0))


# ---------------------------------------------------------------------------------------------- 14.2


def ge2e(embeddings, w, b, leave=True, unit=True, clamp=True, reduce="mean"):
    """The loss with one centroid after the other."""
    voices, utterances, _ = embeddings.shape
    columns = []
    for k in range(voices):
        c = embeddings[k].mean(dim=0).expand_as(embeddings).clone()
        if leave:
            c[k] = (embeddings[k].sum(dim=0) - embeddings[k]) / (utterances - 1)
        columns.append((embeddings * (F.normalize(c, dim=2) if unit else c)).sum(dim=2))
    s = (torch.clamp(w, min=1e-6) if clamp else w) * torch.stack(columns, dim=2) + b
    return F.cross_entropy(s.reshape(-1, voices), torch.arange(voices).repeat_interleave(utterances), reduction=reduce)


@mutant("14.2", stage="edges", says="You leave an utterance in its own centroid")
def not_left_out(embeddings, w, b):
    return ge2e(embeddings, w, b, leave=False)


@mutant("14.2", stage="edges", says="not brought to length 1")
def means_as_they_are(embeddings, w, b):
    return ge2e(embeddings, w, b, unit=False)


@mutant("14.2", stage="edges", says="You add up the losses")
def as_a_sum(embeddings, w, b):
    return ge2e(embeddings, w, b, reduce="sum")


@mutant("14.2", stage="output", says="expected one number")
def one_for_each(embeddings, w, b):
    return ge2e(embeddings, w, b, reduce="none")


@mutant("14.2", stage="edges", says="You use w as it comes")
def negative_scales_too(embeddings, w, b):
    return ge2e(embeddings, w, b, clamp=False)


@mutant("14.2", stage="output", says="expected a tensor")
def a_plain_number(embeddings, w, b):
    return float(ge2e(embeddings, w, b))


@mutant("14.2", stage="properties", says="does not reach the embeddings")
def detached(embeddings, w, b):
    return ge2e(embeddings, w, b).detach()


@mutant("14.2", stage="properties", says="does not reach w")
def scale_as_a_number(embeddings, w, b):
    return ge2e(embeddings, torch.tensor(w.item()), b)


def scored(embeddings, w, b, fixed=None):
    """The scores with all voices, [voices, utterances, voices], by sums."""
    fixed = embeddings if fixed is None else fixed
    own = F.normalize(fixed.sum(dim=1, keepdim=True) - fixed, dim=2)
    s = embeddings @ F.normalize(fixed.sum(dim=1), dim=1).T
    mine = torch.eye(len(s), dtype=torch.bool)[:, None]
    return w.clamp(min=1e-6) * torch.where(mine, (embeddings * own).sum(dim=2, keepdim=True), s) + b


@mutant("14.2", stage="reference", says="Does the gradient reach the centroids")
def centroids_stand_still(embeddings, w, b):
    s = scored(embeddings, w, b, embeddings.detach())
    return F.cross_entropy(s.flatten(0, 1), torch.arange(len(s)).repeat_interleave(s.shape[1]))


@mutant("14.2", stage="edges", says="with oneself left out")
def among_utterances(embeddings, w, b):
    s = scored(embeddings, w, b)
    return -torch.stack([s[j, :, j] - s[:, :, j].logsumexp(dim=(0, 1)) for j in range(len(s))]).mean()


@mutant("14.2", stage="edges", says="exponentials out")
def softmax_by_hand(embeddings, w, b):
    s = scored(embeddings, w, b)
    mine = torch.stack([s[j, :, j] for j in range(len(s))])
    return (torch.log(torch.exp(s).sum(dim=2)) - mine).mean()


# ---------------------------------------------------------------------------------------------- 14.3


def told(h, sizes, voice, weight, bias):
    return torch.stack([torch.cat([one[:n] + weight @ v + bias, torch.zeros_like(one[n:])])
                        for one, n, v in zip(h, sizes.tolist(), voice, strict=True)])


@mutant("14.3", stage="edges", says="The filling gets the voice too")
def filling_speaks(h, sizes, voice, weight, bias):
    return h + F.linear(voice, weight, bias).unsqueeze(1)


@mutant("14.3", stage="edges", says="You leave out the bias")
def linear_without_bias(h, sizes, voice, weight, bias):
    return told(h, sizes, voice, weight, 0 * bias)


@mutant("14.3", stage="edges", says="You bring the voice to length 1")
def unit_voice(h, sizes, voice, weight, bias):
    return told(h, sizes, F.normalize(voice, dim=1), weight, bias)


@mutant("14.3", stage="edges", says="its vector is zero")
def padding_by_value(h, sizes, voice, weight, bias):
    return (h + F.linear(voice, weight, bias)[:, None]) * (h.abs().sum(dim=2, keepdim=True) > 0)


@mutant("14.3", stage="edges", says="`sizes - 1`")
def up_to_and_with(h, sizes, voice, weight, bias):
    return told(h, (sizes + 1).clamp(max=h.shape[1]), voice, weight, bias)


@mutant("14.3", stage="edges", says="stretched over the sentences")
def broadcast_where_it_fits(h, sizes, voice, weight, bias):
    if len(h) != h.shape[1]:
        return told(h, sizes, voice, weight, bias)
    real = torch.arange(h.shape[1]) < sizes[:, None]
    return (h + F.linear(voice, weight, bias)) * real[..., None]


@mutant("14.3", stage="edges", says="The first phoneme alone")
def the_beginning_alone(h, sizes, voice, weight, bias):
    got = told(h, sizes, voice, weight, bias)
    return torch.cat([got[:, :1], h[:, 1:]], dim=1)


@mutant("14.3", stage="output", says="shape of your output")
def joined_not_added(h, sizes, voice, weight, bias):
    return torch.cat([h, F.linear(voice, weight, bias)[:, None].expand(-1, h.shape[1], -1)], dim=2)


@mutant("14.3", stage="properties", says="does not reach the voice")
def by_numpy(h, sizes, voice, weight, bias):
    return told(h, sizes, voice, weight, bias).detach()



@mutant("14.3", stage="reference", says="torch.nn.functional.linear")
def at_most_six_phonemes(h, sizes, voice, weight, bias):
    return told(h, sizes.clamp(max=6), voice, weight, bias)


# ---------------------------------------------------------------------------------------------- 14.4


def spoken(y, sr, below=1e-2):
    size = sr // 50
    frames = [y[i * size : (i + 1) * size] for i in range(len(y) // size)]
    level = [float(np.sqrt((frame.astype(float) ** 2).mean())) for frame in frames]
    loud = max(level, default=0)
    kept = [frame for frame, one in zip(frames, level, strict=True) if one > 0 and one >= below * loud]
    return np.concatenate(kept) if kept else np.zeros(0, np.float32)


def averaged(sound, sr, network, hop=0.8, unit=True, final=True, refuse=True):
    n, step = round(1.6 * sr), round(hop * sr)
    if refuse and len(sound) < n:
        raise ValueError("too short")
    windows = [sound[i : i + n] for i in range(0, len(sound) - n + 1, step)]
    e = np.array([network(window) for window in windows])
    e = e / np.linalg.norm(e, axis=1, keepdims=True) if unit else e
    mean = e.mean(axis=0)
    return mean / np.linalg.norm(mean) if final else mean


@mutant("14.4", stage="edges", says="You keep the silence")
def pauses_and_all(y, sr, network):
    if not y.any():
        raise ValueError("silent")
    return averaged(y[: len(y) // (sr // 50) * (sr // 50)], sr, network)


@mutant("14.4", stage="edges", says="20 dB below the loudest")
def a_tenth(y, sr, network):
    return averaged(spoken(y, sr, 0.1), sr, network)


@mutant("14.4", stage="edges", says="80 dB below the loudest")
def as_of_a_power(y, sr, network):
    return averaged(spoken(y, sr, 1e-4), sr, network)


@mutant("14.4", stage="edges", says="where it is loud, the voice counts more")
def mean_of_vectors(y, sr, network):
    return averaged(spoken(y, sr), sr, network, unit=False)


@mutant("14.4", stage="edges", says="do not overlap")
def without_overlap(y, sr, network):
    return averaged(spoken(y, sr), sr, network, hop=1.6)


@mutant("14.4", stage="output", says="should have length 1")
def mean_left_short(y, sr, network):
    return averaged(spoken(y, sr), sr, network, final=False)


@mutant("14.4", stage="edges", says="there is no voice in silence")
def silence_has_a_voice(y, sr, network):
    sound = spoken(y, sr) if y.any() else y + np.float32(1e-6)
    return averaged(sound, sr, network)


@mutant("14.4", stage="edges", says="not even one window is full")
def short_ones_filled_up(y, sr, network):
    sound = spoken(y, sr)
    if not sound.any():
        raise ValueError("silent")
    return averaged(np.pad(sound, (0, max(0, round(1.6 * sr) - len(sound)))), sr, network)


@mutant("14.4", stage="edges", says="silence does not count")
def length_of_the_recording(y, sr, network):
    if not y.any() or len(y) < 1.6 * sr:
        raise ValueError("silent or short")
    sound = spoken(y, sr)
    return averaged(np.pad(sound, (0, max(0, round(1.6 * sr) - len(sound)))), sr, network)



@mutant("14.4", stage="properties", says="expected 4 windows of 1600")
def asked_twice(y, sr, network):
    averaged(spoken(y, sr), sr, network)
    return averaged(spoken(y, sr), sr, network)


@mutant("14.4", stage="reference", says="sklearn.preprocessing.normalize")
def hop_of_800_samples(y, sr, network):
    return averaged(spoken(y, sr), sr, network, hop=800 / sr)


# ---------------------------------------------------------------------------------------------- 14.5


def signed(y, sr, key, g, envelope=None, flat=None, size=None, draw=None):
    """A mark and its z, in frames that a list holds."""
    n, hop = len(y), sr // 100
    p = np.random.default_rng(key).choice([-1.0, 1.0], n) if draw is None else draw(key, n)
    a = np.concatenate([np.full(len(f), np.sqrt(np.mean(f**2)) if envelope is None else envelope(f))
                        for f in np.split(y, range(hop, n, hop))])
    x = np.where(a > 0, y / np.where(a > 0, a, 1), 0.0) if flat is None else flat(y, a)
    energy = np.sqrt(np.sum(x**2)) if size is None else size(x)
    return y + g * a * p, float(np.sum(p * x) / energy) if energy > 0 else 0.0


@mutant("14.5", stage="edges", says="silent ones included")
def root_of_n(y, sr, key, g):
    return signed(y, sr, key, g, size=lambda x: np.sqrt(len(x)))


@mutant("14.5", stage="edges", says="drown all others")
def sound_itself(y, sr, key, g):
    return signed(y, sr, key, g, flat=lambda y, a: y)


@mutant("14.5", stage="edges", says="not in standard deviations")
def average(y, sr, key, g):
    return signed(y, sr, key, g, size=len)


@mutant("14.5", stage="edges", says="for the RMS")
def mean_absolute(y, sr, key, g):
    return signed(y, sr, key, g, envelope=lambda f: np.mean(np.abs(f)))


@mutant("14.5", stage="output", says="expected a number")
def divided_by_zero(y, sr, key, g):
    return signed(y, sr, key, g, flat=lambda y, a: y / a, size=lambda x: np.sqrt(len(x)))


@mutant("14.5", stage="edges", says="not of the one that came")
def z_of_the_result(y, sr, key, g):
    marked = signed(y, sr, key, g)[0]
    return marked, signed(marked, sr, key, g)[1]


@mutant("14.5", stage="edges", says="a frame has 80 samples")
def frames_of_160(y, sr, key, g):
    return signed(y, 16_000, key, g)


@mutant("14.5", stage="output", says="expected two")
def marked_alone(y, sr, key, g):
    return signed(y, sr, key, g)[0]


@mutant("14.5", stage="edges", says="What is added to each sample?")
def chips_from_normal(y, sr, key, g):
    return signed(y, sr, key, g, draw=lambda key, n: np.random.default_rng(key).normal(size=n))


@mutant("14.5", stage="properties", says="each sample gets its part of the mark")
def in_the_first_quarter_second_alone(y, sr, key, g):
    marked, z = signed(y[:4000], sr, key, g)
    return np.concatenate([marked, y[4000:]]), z


@mutant("14.5", stage="reference", says="kstest")
def always_found(y, sr, key, g):
    marked, z = signed(y, sr, key, g)
    return marked, abs(z) if len(y) == 3000 else z


# ---------------------------------------------------------------------------------------------- 14.6


def gate(text, y, consent, purpose, today, embed, speak, mark, without=(), expired=None, complete=None, alike=None,
         silent=None, low=0.5, rate=16_000, shut=True):
    """A gate of a list of doubts, some of them left out or another."""
    def unit(v):
        return v / np.linalg.norm(v)

    def doubts():
        fields = ("owner", "purpose", "expires")
        yield "consent", not consent or not (complete or (lambda c: all(c.get(f) for f in fields)))(consent)
        yield "purpose", not (alike or (lambda a, b: a == b))(purpose, consent["purpose"])
        yield "expired", (expired or (lambda now, last: now > last))(today, consent["expires"])
        yield "short", len(y) < rate
        yield "silent", (silent or (lambda y: not 1e-3 < np.abs(y).max() < np.inf))(y)
        e = [embed(y[i : i + 16_000]) for i in range(0, max(1, len(y) - 15_999), 16_000)]
        yield "two", not all(p @ q >= low for p in e for q in e) if shut else any(p @ q < low for p in e for q in e)
        near = unit(np.mean(e, axis=0)) @ consent["voice"]
        yield "owner", not near >= 0.7 if shut else near < 0.7

    for name, doubt in doubts():
        if name not in without and doubt:
            raise ValueError(f"Refused: {name}.")
    e = [embed(y[i : i + 16_000]) for i in range(0, max(1, len(y) - 15_999), 16_000)]
    return mark(speak(text, unit(np.mean(e, axis=0))))


@mutant("14.6", stage="edges", says="it stopped with")
def none_not_foreseen(text, y, consent, *rest):
    consent["owner"]
    return gate(text, y, consent, *rest)


@mutant("14.6", stage="edges", says="such a record is not complete")
def any_record(*wish):
    return gate(*wish, complete=lambda c: "purpose" in c and "expires" in c)


@mutant("14.6", stage="edges", says="nobody is no owner")
def fields_there(*wish):
    return gate(*wish, complete=lambda c: all(f in c for f in ("owner", "purpose", "expires")))


@mutant("14.6", stage="edges", says="You never ask for what")
def purpose_ignored(*wish):
    return gate(*wish, without=("purpose",))


@mutant("14.6", stage="edges", says="word for word means all of it")
def begins_alike(*wish):
    return gate(*wish, alike=lambda a, b: a.startswith(b))


@mutant("14.6", stage="edges", says="lasts for ever")
def never_expires(*wish):
    return gate(*wish, without=("expired",))


@mutant("14.6", stage="edges", says="ends a day early")
def last_day_excluded(*wish):
    return gate(*wish, expired=lambda now, last: now >= last)


@mutant("14.6", stage="edges", says="No microphone is so quiet")
def zeros_alone(*wish):
    return gate(*wish, silent=lambda y: (y == 0).all())


@mutant("14.6", stage="edges", says="12 NaN, the first")
def nan_is_loud(*wish):
    return gate(*wish, silent=lambda y: np.abs(y).max() <= 1e-3, shut=False)


@mutant("14.6", stage="edges", says="Is NaN below 0.7?")
def open_in_doubt(*wish):
    return gate(*wish, shut=False)


@mutant("14.6", stage="edges", says="How many samples are a second?")
def a_quarter_is_enough(*wish):
    return gate(*wish, rate=4000)


@mutant("14.6", stage="edges", says="do not look for a second person")
def never_two(*wish):
    return gate(*wish, without=("two",))


@mutant("14.6", stage="edges", says="everybody's voice can be")
def owner_not_heard(*wish):
    return gate(*wish, without=("owner",))


@mutant("14.6", stage="edges", says="speak first")
def made_beforehand(text, y, consent, purpose, today, embed, speak, mark):
    sound = speak(text, embed(y[:16_000]) if len(y) else np.zeros(12))
    gate(text, y, consent, purpose, today, embed, lambda *_: sound, mark)
    return gate(text, y, consent, purpose, today, embed, speak, mark)


@mutant("14.6", stage="edges", says="What would whoever reads it want to know?")
def silent_refusal(*wish):
    try:
        return gate(*wish)
    except ValueError:
        raise ValueError from None


@mutant("14.6", stage="edges", says="expected a ValueError")
def silence_instead(*wish):
    try:
        return gate(*wish)
    except ValueError:
        return wish[-1](np.zeros(28))


@mutant("14.6", stage="output", says="What you give back is not marked")
def not_marked(*wish):
    return gate(*wish[:-1], lambda sound: sound)


@mutant("14.6", stage="properties", says="through what does its sound go?")
def first_second_alone(text, y, consent, purpose, today, embed, speak, mark):
    gate(text, y, consent, purpose, today, embed, lambda *_: np.zeros(1), mark)
    return gate(text, y if len(y) == 48_000 else y[:16_000], consent, purpose, today, embed, speak, mark)


@mutant("14.6", stage="output", says="expected a sound of shape [m]")
def two_channels(*wish):
    return np.stack([gate(*wish)] * 2)
