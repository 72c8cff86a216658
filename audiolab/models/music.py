"""Networks that go on with music: an LSTM, and a Transformer whose attention stands here in the open.

They say how probable the next thing is, given all before it. They differ in what a thing is. For `KeysLSTM` and
`KeysTransformer` it is a time step of 88 keys, each up or down on its own: *factorised*. For `ChordTransformer` it is
one note, and the next note of the same chord knows of it: *joint*. Figures of the two kinds do not belong into one
column. `VoiceTransformer` writes four voices on a grid, one after the other.
"""

import math
from collections import Counter

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, pad, scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence

from .. import decode, scores
from ..scores import HOLD, KEYS, LOW, REST, ScoreError
from .asr import mask

NONE = KEYS                         # in place of a key, where there is none
FAR = 24                            # semitones: the widest step of a voice that has a number of its own
SELDOM = -3.0                       # logit of a key before anything is learnt: 4 of 88 are down


def attention(q, k, v, allowed=None):
    """Each place asks all places, and takes the mean of what they hold, weighted by how well they answer.

    ``softmax(q kᵀ / √d) v``; where something is not allowed, its weight is zero.

    Parameters
    ----------
    q : torch.Tensor, shape [..., m, d]
        Questions.
    k, v : torch.Tensor, shape [..., n, d]
        What answers to them, and what is held there.
    allowed : torch.Tensor of bool, shape [..., m, n], optional
        Who may look where: `causal` for those who must not look ahead. Each needs one place at least.

    Returns
    -------
    h : torch.Tensor, shape [..., m, d]
    weights : torch.Tensor, shape [..., m, n]
        Rows add up to 1.

    References
    ----------
    Vaswani et al., "Attention is all you need", 2017.

    Taught in: notebooks/07_music_generation.ipynb, "Who listens to whom?"
    """
    energy = q @ k.mT / math.sqrt(q.shape[-1])
    if allowed is not None:
        energy = energy.masked_fill(~allowed, -math.inf)
    weights = energy.softmax(dim=-1)
    return weights @ v, weights


def causal(m, n=None):
    """Who may look where, when nobody may look ahead: [m, n], the last m of n places; all of them by default.

    Taught in: notebooks/07_music_generation.ipynb, "Who listens to whom?"
    """
    n = m if n is None else n
    return torch.arange(n) <= torch.arange(n - m, n)[:, None]


def turned(x, place):
    """Rotary positions: pairs of numbers turned by an angle that grows with the place.

    The product of a question and an answer then depends on how far apart they are, and not on where.

    Parameters
    ----------
    x : torch.Tensor, shape [batch, heads, n, d]
    place : torch.Tensor of int, shape [batch, n]

    Returns
    -------
    torch.Tensor, shape of `x`

    References
    ----------
    Su et al., "RoFormer: enhanced transformer with rotary position embedding", 2021.

    Taught in: notebooks/07_music_generation.ipynb, "Who listens to whom?"
    """
    half = x.shape[-1] // 2
    rate = 1000 ** (-torch.arange(half, device=x.device) / half)
    angle = place[:, None, :, None] * rate                      # [batch, 1, n, d / 2]
    cos, sin = angle.cos(), angle.sin()
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class Block(nn.Module):
    """Each place looks at others, then thinks for itself; both are added to what it was."""

    def __init__(self, dim, heads, dropout):
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.ask, self.answer = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim)
        self.think = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * dim, dim))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, place, allowed=None, cache=None):
        """[batch, n, dim] to the same; `cache` holds the keys and values of earlier places, and grows by these."""
        b, n, dim = x.shape
        q, k, v = self.ask(self.before(x)).view(b, n, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        q, k = turned(q, place), turned(k, place)
        if cache is not None:
            k, v = (torch.cat([*old, new], dim=2) for old, new in zip(cache or ([], []), (k, v), strict=True))
            cache[:] = [k], [v]
        h = scaled_dot_product_attention(q, k, v, allowed, is_causal=allowed is None)
        x = x + self.dropout(self.answer(h.transpose(1, 2).reshape(b, n, dim)))
        return x + self.dropout(self.think(self.between(x)))


# ---------------------------------------------------------------------------------------- a chain


class MarkovChain:
    """What comes next depends on the last few things alone, by what followed them in examples.

    Parameters
    ----------
    sequences : iterable of sequence
        Of anything that can be a key of a dict: pitches, chords.
    order : int
        How many things back it remembers.

    Raises
    ------
    ValueError
        If there is nothing to learn from, or `order` is below 1.

    Taught in: notebooks/07_music_generation.ipynb, "What comes next?"
    """

    def __init__(self, sequences, order=1):
        if order < 1:
            raise ValueError(f"order={order}: it has to remember at least 1 thing.")
        self.order, self.counts = order, {}
        for sequence in sequences:
            things = [*sequence, None]                          # which ends it
            for i, thing in enumerate(things):
                self.counts.setdefault(tuple(things[max(0, i - order) : i]), Counter())[thing] += 1
        if not self.counts:
            raise ValueError("There are no sequences to learn from.")

    def next(self, before=()):
        """What may follow, and how probable it is: a dict; None is the end. Empty after what was never seen."""
        found = self.counts.get(tuple(before)[-self.order :], {})
        return {thing: count / sum(found.values()) for thing, count in found.items()}

    def walk(self, most, seed=0):
        """A new sequence, until it ends by itself or has so many things. A list.

        Taught in: notebooks/07_music_generation.ipynb, "What comes next?"
        """
        rng, walked = np.random.default_rng(seed), []
        while len(walked) < most:
            things, shares = zip(*self.next(walked).items(), strict=True)
            thing = things[rng.choice(len(things), p=shares)]
            if thing is None:
                break
            walked.append(thing)
        return walked


# ---------------------------------------------------------------------------------------- factorised


class KeysLSTM(nn.Module):
    """How probable is each key at the next step? The 88 answers do not know of each other.

    Piano rolls ``[batch, time, 88]`` to logits ``[batch, time, 88]``: those of a step have seen all steps before it.

    Parameters
    ----------
    dim : int
        Numbers that it remembers.
    layers : int
    dropout : float

    References
    ----------
    Hochreiter and Schmidhuber, "Long short-term memory", 1997.

    Taught in: notebooks/07_music_generation.ipynb, "What does a network remember?"
    """

    def __init__(self, dim=256, layers=1, dropout=0.4):
        super().__init__()
        self.lstm = nn.LSTM(KEYS, dim, layers, batch_first=True)
        self.heard, self.kept = nn.Dropout(dropout / 4), nn.Dropout(dropout)
        self.head = nn.Linear(dim, KEYS)
        nn.init.constant_(self.head.bias, SELDOM)

    def forward(self, rolls):
        past = pad(rolls, (0, 0, 1, 0))[:, :-1]                 # before the first step nothing sounds
        h, _ = self.lstm(self.heard(past))
        return self.head(self.kept(h))

    @staticmethod
    def batch(rolls):
        """Piano rolls [time, 88] of any length as one, and how long each is: ``collate`` of `audiolab.training.fit`."""
        whole = pad_sequence(list(rolls), batch_first=True)
        return whole, (whole, torch.tensor([len(roll) for roll in rolls]))

    @staticmethod
    def loss(logits, y):
        """Nats per time step, the mean over the steps."""
        rolls, lengths = y
        real = mask(lengths, rolls.shape[1])[..., 0]
        return (keys_nll(logits, rolls) * real).sum() / real.sum()

    @staticmethod
    def by_step(logits, y):
        """Nats of each time step, a tensor [time] for each piece: see `nll`."""
        rolls, lengths = y
        return [each[:n] for each, n in zip(keys_nll(logits, rolls), lengths, strict=True)]


class KeysTransformer(nn.Module):
    """As `KeysLSTM`, by attention over all steps before, and with a sense of intervals.

    The logit of a key is a sum: one for the key, one for its pitch class, and one for the step to it from each of the
    four highest keys of the chord before. So what is learnt about one chord holds for its neighbours, and a piece may
    be learnt in all twelve keys.

    ``(rolls [batch, time, 88], shifts [batch])`` to logits ``[batch, time, 88]``. A shift says by how many semitones
    (modulo 12) a piece was transposed.

    Parameters
    ----------
    dim, layers, heads, dropout
        As of `NoteTransformer`.

    Taught in: notebooks/07_music_generation.ipynb, "What does a network remember?"
    """

    VOICES = 4

    def __init__(self, dim=128, layers=4, heads=4, dropout=0.2):
        super().__init__()
        self.start, self.roll = nn.Embedding(12, dim), nn.Linear(KEYS, dim)
        self.was = nn.Embedding(self.VOICES * (KEYS + 1), dim)
        nn.init.normal_(self.was.weight, std=0.3)
        self.blocks = nn.ModuleList(Block(dim, heads, dropout) for _ in range(layers))
        self.norm, self.dropout = nn.LayerNorm(dim), nn.Dropout(dropout)
        self.of_key, self.of_class = nn.Linear(dim, KEYS), nn.Linear(dim, 12)
        self.of_step = nn.Linear(dim, self.VOICES * (2 * FAR + 1))
        nn.init.constant_(self.of_key.bias, SELDOM)

    def forward(self, x):
        rolls, shifts = x
        past = pad(rolls, (0, 0, 1, 0))[:, :-1]
        keys = torch.arange(KEYS, device=rolls.device)
        was = (past * (keys + 1)).topk(self.VOICES, dim=2).values.long() - 1    # the highest keys, from the top
        was = torch.where(was < 0, NONE, was)
        h = self.roll(past) + self.was(was + (KEYS + 1) * torch.arange(self.VOICES, device=was.device)).sum(dim=2)
        h = self.dropout(torch.cat([self.start(shifts)[:, None], h[:, 1:]], dim=1))
        place = torch.arange(h.shape[1], device=h.device).expand(len(h), -1)
        for block in self.blocks:
            h = block(h, place)
        h = self.norm(h)
        steps = for_steps(self.of_step(h).unflatten(2, (self.VOICES, -1)), was)
        return self.of_key(h) + self.of_class(h)[..., (keys + LOW) % 12] + steps.sum(dim=2)

    @staticmethod
    def batch(rolls):
        """As `KeysLSTM.batch`, with shifts of 0."""
        whole, y = KeysLSTM.batch(rolls)
        return (whole, torch.zeros(len(whole), dtype=torch.long)), y

    loss, by_step = staticmethod(KeysLSTM.loss), staticmethod(KeysLSTM.by_step)


class VoiceLeading(nn.Module):
    """How usual an interval between two voices is after the one before it: what it adds to the logits of 88 keys.

    A table for each pair of voices, to be learnt, of zeros at first: for the interval before (12, or not known) and the
    way that the other voice goes (down, nowhere, up, not known), a number for each of the 12 intervals to come.

    Taught in: notebooks/07_music_generation.ipynb, "Is it music?"
    """

    WAYS, QUICK = 4, 10     # Adam moves a number by the learning rate at most: so much quicker are these than others

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(4 * 4 * 13 * self.WAYS, 12)
        nn.init.zeros_(self.table.weight)

    def forward(self, own, other, was, before, now):
        """For the voice `own`, by its key before, `was`, and those of the voice `other`: [..., 88]."""
        known = before < NONE
        apart = torch.where(known & (was < NONE), (was - before) % 12, 12)
        way = torch.where(known & (now < NONE), (now - before).sign() + 1, 3)
        numbers = self.table(((4 * own + other) * 13 + apart) * self.WAYS + way)
        away = (torch.arange(KEYS, device=now.device) - now[..., None]) % 12
        return self.QUICK * numbers.gather(-1, away) * (now < NONE)[..., None]


def in_all_transpositions(model, x):
    """What a network says of a piece when it is asked in all transpositions: the mean of the logits, moved back.

    Parameters
    ----------
    model : KeysTransformer
    x : tuple of torch.Tensor
        Piano rolls [batch, time, 88] and shifts [batch], as its `batch` makes them.

    Returns
    -------
    torch.Tensor, shape [batch, time, 88]
        Logits.

    Taught in: notebooks/07_music_generation.ipynb, "Who listens to whom?"
    """
    rolls, shifts = x
    asked = (model((rolls.roll(by, dims=2), (shifts + by) % 12)).roll(-by, dims=2) for by in range(-6, 6))
    return sum(asked) / 12


def for_steps(values, was):
    """A number for each of 88 keys, of those for the steps from a key to it: [..., 49] and [...] to [..., 88].

    Steps go from -24 to 24 semitones. Farther keys, and all where there was none, get 0.
    """
    away = torch.arange(KEYS, device=was.device) - was[..., None] + FAR
    near = (was[..., None] < NONE) & (away >= 0) & (away <= 2 * FAR)
    return pad(values, (0, 1)).gather(-1, torch.where(near, away, 2 * FAR + 1))


@torch.inference_mode()
def nll(model, items, batch_size=16):
    """Negative log-likelihood of each time step of pieces, given all before it: nats.

    Parameters
    ----------
    model : KeysLSTM, KeysTransformer, ChordTransformer or VoiceTransformer
    items : list of torch.Tensor
        Pieces as the model's `batch` takes them: piano rolls, or tokens.
    batch_size : int

    Returns
    -------
    list of np.ndarray, shape [time]
        Of a joint model, the sum over the tokens of a step.

    Taught in: notebooks/07_music_generation.ipynb, "How well does a guess score?"
    """
    model.eval()
    found = []
    for i in range(0, len(items), batch_size):
        x, y = model.batch(items[i : i + batch_size])
        found += [each.numpy() for each in model.by_step(model(x), y)]
    return found


def per_step(nlls):
    """The figure of the published table: the mean over all steps of all pieces but the first of each.

    The first step has nothing before it; in the literature it is given, not predicted (Bai, Kolter and Koltun, "An
    empirical evaluation of generic convolutional and recurrent networks for sequence modeling", 2018). A long piece
    counts more than a short one.

    Parameters
    ----------
    nlls : list of np.ndarray, shape [time]
        As `nll` returns them.

    Returns
    -------
    float
        Nats per time step.

    Taught in: notebooks/07_music_generation.ipynb, "How well does a guess score?"
    """
    return float(np.concatenate([each[1:] for each in nlls]).mean())


def keys_nll(logits, rolls):
    """Negative log-likelihood of each time step, keys independent of each other: [batch, time], nats.

    ``- Σ_k x_k ln p_k + (1 - x_k) ln(1 - p_k)`` over the 88 keys.

    Parameters
    ----------
    logits, rolls : torch.Tensor, shape [batch, time, 88]

    Returns
    -------
    torch.Tensor, shape [batch, time]

    Taught in: notebooks/07_music_generation.ipynb, "How well does a guess score?"
    """
    return binary_cross_entropy_with_logits(logits, rolls, reduction="none").sum(dim=2)


# ---------------------------------------------------------------------------------------- joint, by counting


class ChordNGram(decode.NGram):
    """Counts which token of `ChordTransformer` follows which others, in all keys at once: the baseline to beat.

    What came before is remembered by its distances in semitones from the last note in it, and so is what followed.
    That is what counts would be had each piece been transposed to every key. Where no note came before, keys count.

    Parameters
    ----------
    items : iterable of sequence of int
        Tokens of pieces, as `ChordTransformer.tokens` makes them.
    order : int
        Tokens that a count spans, the next one included.
    transposing : bool
        Otherwise all is counted in the keys as they stand.

    Taught in: notebooks/07_music_generation.ipynb, "How well does a guess score?"
    """

    size, doubt = KEYS + 1, 10                                  # by the validation pieces, as the order

    def __init__(self, items, order=11, transposing=True):
        self.transposing = transposing
        super().__init__(items, order)

    @staticmethod
    def units(item):
        """The tokens of a piece without the start."""
        return tuple(int(token) for token in item[1:])

    def count(self, before, unit):
        zero, before = self._moved(before)
        super().count(before, unit - zero if unit < KEYS else unit)

    def followed(self, before):
        zero, before = self._moved(before)
        found = super().followed(before)
        return {unit if unit == KEYS else unit + zero: count for unit, count in found.items()
                if unit == KEYS or 0 <= unit + zero < KEYS}

    def _next(self, before):
        """As of `NGram`, with nothing for keys that cannot follow: those not below the last of a chord."""
        p = np.exp(super()._next(before))
        if before and before[-1] < KEYS:
            p[before[-1] : KEYS] = 0
        with np.errstate(divide="ignore"):
            return np.log(p / p.sum())

    def nll(self, items):
        """Negative log-likelihood of each time step of pieces: as `nll`."""
        found = []
        for units in map(self.units, items):
            each = [-self.next(units[max(0, i - self.order) : i])[unit] for i, unit in enumerate(units)]
            ends = np.flatnonzero(np.array(units) == KEYS)
            found.append(np.add.reduceat(each, [0, *ends[:-1] + 1]))
        return found

    def _moved(self, before):
        """The last key in it, and what came before as distances from that."""
        notes = [unit for unit in before if unit < KEYS] if self.transposing else []
        zero = notes[-1] if notes else 0
        return zero, tuple(unit - zero if unit < KEYS else unit for unit in before)


# ---------------------------------------------------------------------------------------- joint, by attention


class NoteTransformer(nn.Module):
    """A Transformer that reads and writes notes: what `ChordTransformer` and `VoiceTransformer` have in common.

    What it is told of a place is added up: which key sounds and of which pitch class it is, what happens there, which
    voice's turn is next, and which key that voice had before. A note is named threefold too: its score is that of the
    key, of its pitch class, and of the step from where the voice was. So what is learnt in one key helps in another.

    A subclass says what its tokens are: 0 to 87 are the keys of the piano, further ones its own. Its `read` turns
    tokens into those numbers, its `allowed` says what can be written.

    Parameters
    ----------
    tokens, kinds, slots : int
        How many tokens can be written, kinds of places there are, and turns of voices.
    dim, layers, heads : int
        Numbers per place, blocks, and how many things a block may look for at once.
    dropout : float
    """

    def __init__(self, tokens, kinds, slots, dim=128, layers=4, heads=4, dropout=0.2):
        super().__init__()
        self.key, self.pitch_class = nn.Embedding(KEYS + 1, dim), nn.Embedding(13, dim)
        self.kind, self.slot, self.was = nn.Embedding(kinds, dim), nn.Embedding(slots, dim), nn.Embedding(KEYS + 1, dim)
        for table in (self.key, self.pitch_class, self.kind, self.slot, self.was):
            nn.init.normal_(table.weight, std=0.3)
        self.blocks = nn.ModuleList(Block(dim, heads, dropout) for _ in range(layers))
        self.norm, self.dropout = nn.LayerNorm(dim), nn.Dropout(dropout)
        self.of_token, self.of_class = nn.Linear(dim, tokens), nn.Linear(dim, 12)
        self.of_step = nn.Linear(dim, 2 * FAR + 1)

    def forward(self, tokens, cache=None):
        """Scores of the next tokens.

        Parameters
        ----------
        tokens : torch.Tensor of int, shape [batch, n]
            From the start on, also where a cache knows some of them.
        cache : list, optional
            Empty before the first call. It keeps the keys and values of the blocks, so that only what is new since the
            last call is computed.

        Returns
        -------
        torch.Tensor, shape [batch, new, tokens]
            Logits; -inf for what cannot come next. Without a cache, new is n.

        Taught in: notebooks/07_music_generation.ipynb, "Who listens to whom?"
        """
        known = cache[0][0][0].shape[2] if cache else 0
        if cache == []:
            cache.extend([] for _ in self.blocks)
        key, kind, step, slot, was = (each[:, known:] for each in self.read(tokens))
        pitch_class = torch.where(key < NONE, (key + LOW) % 12, 12)
        told, usual = self.above(tokens, known)
        h = self.dropout(self.key(key) + self.pitch_class(pitch_class) + self.kind(kind) + self.slot(slot)
                         + self.was(was) + told)
        look = causal(tokens.shape[1] - known, tokens.shape[1]).to(tokens.device) if known else None
        for i, block in enumerate(self.blocks):
            h = block(h, step, look, cache[i] if cache else None)
        return self.scores(self.norm(h), was, usual).masked_fill(~self.allowed(tokens[:, known:], slot, was), -math.inf)

    def above(self, tokens, known):
        """What more is told of a place that is new, [batch, new, dim], and added to its keys' logits, [batch, new, 88].

        Of voices above it; nothing, unless a subclass knows better.
        """
        return 2 * (torch.zeros(len(tokens), 1, 1, device=tokens.device),)

    def scores(self, h, was, usual):
        """Logits of all tokens, [batch, n, tokens]: a key's is a sum."""
        keys = torch.arange(KEYS, device=h.device)
        own, steps = self.of_token(h), for_steps(self.of_step(h), was)
        notes = own[..., :KEYS] + self.of_class(h)[..., (keys + LOW) % 12] + steps + usual
        return torch.cat([notes, own[..., KEYS:]], dim=2)

    @staticmethod
    def loss(logits, wanted):
        """Nats per token, mean over those that are asked for: -100 is not."""
        return cross_entropy(logits.transpose(1, 2), wanted, ignore_index=-100)

    def by_step(self, logits, wanted):
        """Nats of each time step, a tensor [time] for each piece: those of its tokens, added up. See `nll`."""
        each = cross_entropy(logits.transpose(1, 2), wanted, ignore_index=-100, reduction="none")
        return [torch.zeros(int(step.max()) + 1).scatter_add_(0, step, one[: len(step)])
                for one, step in zip(each, map(self.steps_of, wanted), strict=True)]


class ChordTransformer(NoteTransformer):
    """Goes on with chords: from the top down, note after note, each knowing those above it and all chords before.

    Tokens are the keys 0 to 87 and `END`, which ends a chord. They are a code of the 88 keys with exactly one text for
    each set: within a chord only lower keys can follow, everything else has probability 0. So the product of the
    probabilities of a chord's tokens is a distribution over all ``2^88`` sets, and its negative logarithm may stand
    beside that of any other joint model. Before the first chord stands ``START + shift``, which says by how many
    semitones (modulo 12) the piece was transposed.

    Parameters
    ----------
    dim, layers, heads, dropout
        As of `NoteTransformer`.

    Taught in: notebooks/07_music_generation.ipynb, "Who listens to whom?"
    """

    END, START, SLOTS = 88, 89, 8

    def __init__(self, **sizes):
        super().__init__(tokens=self.END + 1, kinds=14, slots=self.SLOTS, **sizes)

    @classmethod
    def tokens(cls, steps, shift=0):
        """The tokens of pitches per step, as `audiolab.corpora.remote.jsb` has them. A tensor [1 + notes + steps].

        Raises
        ------
        ScoreError
            If a pitch is no key of a piano.

        Taught in: notebooks/07_music_generation.ipynb, "How well does a guess score?"
        """
        rolls = scores.roll_of(steps)
        return torch.tensor([cls.START + shift % 12, *(token for row in rolls for token in (
            *np.flatnonzero(row)[::-1].tolist(), cls.END))])

    @classmethod
    def written(cls, tokens):
        """How many whole steps each of a batch of tokens [batch, n] has: [batch]."""
        return (tokens == cls.END).sum(dim=1)

    @classmethod
    def steps(cls, tokens):
        """The way back: a list of tuples of ascending pitches. What comes after the last `END` is no chord yet."""
        steps, chord = [], []
        for token in tokens[1:].tolist():
            if token == cls.END:
                steps.append(tuple(sorted(chord)))
                chord = []
            else:
                chord.append(token + LOW)
        return steps

    def read(self, tokens):
        """Key and kind of each token; step, slot (notes from the top) and key before of what comes after it."""
        at = torch.arange(tokens.shape[1], device=tokens.device)
        ends = tokens >= self.END
        step = (tokens == self.END).cumsum(dim=1)
        slot = (at - torch.where(ends, at, 0).cummax(dim=1).values).clamp(max=self.SLOTS - 1)
        # `last[b, t, s]`: the key that stood at slot s of the latest step before t that had one.
        last = tokens.new_full((len(tokens), int(step.max()) + 2, self.SLOTS), -1)
        b, i = torch.nonzero(~ends, as_tuple=True)
        last[b, step[b, i - 1] + 1, slot[b, i - 1]] = tokens[b, i]
        at = torch.arange(last.shape[1], device=tokens.device)[:, None]
        last = last.gather(1, torch.where(last >= 0, at, 0).cummax(dim=1).values)
        was = last[torch.arange(len(tokens), device=tokens.device)[:, None], step, slot]
        return tokens.clamp(max=NONE), (tokens - NONE + 1).clamp(min=0), step, slot, torch.where(was < 0, NONE, was)

    def allowed(self, tokens, slot, was):
        """Keys below the last of the chord, and the chord's end."""
        unit = torch.arange(self.END + 1, device=tokens.device)
        return (unit < tokens.clamp(max=self.END)[..., None]) | (unit == self.END)

    @classmethod
    def steps_of(cls, wanted):
        """Which step each token that is asked for belongs to."""
        ends = (wanted[wanted >= 0] == cls.END).long()
        return ends.cumsum(dim=0) - ends

    @classmethod
    def batch(cls, items):
        """Tokens of any length as one: what goes in, and what is to come out. ``collate`` of `training.fit`."""
        whole = pad_sequence([item for item in items], batch_first=True, padding_value=cls.END)
        lengths = torch.tensor([len(item) for item in items])
        wanted = whole[:, 1:].masked_fill(mask(lengths - 1, whole.shape[1] - 1)[..., 0] == 0, -100)
        return whole[:, :-1], wanted


class VoiceTransformer(NoteTransformer):
    """Goes on with four voices on a grid: in each step the soprano first, then down to the bass.

    Tokens are the keys 0 to 87 where a voice strikes a note, `HELD`, `RESTS`, and `END` of the piece. It begins with
    ``START + shift``, which says by how many semitones (modulo 12) the piece was transposed. A place is told besides
    how the voices above it have just moved, how far they were from it before, and how far they are now from where it
    was: what decides whether voices go in parallel, and alike in every key.

    Parameters
    ----------
    dim, layers, heads, dropout
        As of `NoteTransformer`.

    Taught in: notebooks/07_music_generation.ipynb, "Who listens to whom?"
    """

    HELD, RESTS, END, MISSING, FILL, START = range(KEYS, KEYS + 6)
    SLOTS = 2 * len(scores.VOICES)

    def __init__(self, dim=128, **sizes):
        super().__init__(tokens=self.END + 1, kinds=6 + 12, slots=self.SLOTS, dim=dim, **sizes)
        pairs = 4 * 3                                           # a voice, and how many voices above it the other is
        self.moved, self.apart, self.now = (nn.Embedding(pairs * n, dim) for n in (2 * FAR + 2, 13, 13))
        for table in (self.moved, self.apart, self.now):
            nn.init.normal_(table.weight, std=0.3)
        self.leading = VoiceLeading()

    @classmethod
    def tokens(cls, grid):
        """The tokens of voices on a grid [time, 4], as `audiolab.scores.to_grid` makes it: a tensor [4 time].

        Raises
        ------
        ScoreError
            As `audiolab.scores.from_grid`.

        Taught in: notebooks/07_music_generation.ipynb, "Who listens to whom?"
        """
        scores.from_grid(grid)                                  # which refuses what is none
        grid = torch.from_numpy(scores.as_grid(grid)).flatten()
        return torch.where(grid == HOLD, cls.HELD, torch.where(grid == REST, cls.RESTS, grid - LOW))

    @classmethod
    def start(cls, grid=None):
        """Tokens that begin a piece, or those of one that is to go on."""
        return torch.tensor([cls.START, *([] if grid is None else cls.tokens(grid).tolist())])

    @classmethod
    def written(cls, tokens):
        """How many whole steps a batch of tokens [batch, n] has: [batch]."""
        return torch.full((len(tokens),), (tokens.shape[1] - 1) // 4)

    @classmethod
    def grid(cls, tokens):
        """The way back: a grid [time, 4] of tokens without `START` and `END`, whole steps only."""
        tokens = tokens[: len(tokens) // 4 * 4].reshape(-1, 4)
        return torch.where(tokens == cls.HELD, HOLD, torch.where(tokens == cls.RESTS, REST, tokens + LOW)).numpy()

    def read(self, tokens):
        """Sounding key and kind of each token; step, slot (voice, on or off the beat), and key before of the next."""
        sounds = self.sounding(tokens)
        at = torch.arange(tokens.shape[1], device=tokens.device).expand(len(tokens), -1)
        return sounds, (tokens - NONE + 1).clamp(min=0), at // 4, at % 4 + 4 * (at // 4 % 2), back(sounds, 3)

    @classmethod
    def sounding(cls, tokens):
        """The key that each token leaves sounding in its voice, `NONE` where there is none: [batch, n]."""
        cells = tokens[:, 1:]
        grid = pad(cells, (0, -cells.shape[1] % 4), value=cls.FILL).unflatten(1, (-1, 4))
        at = torch.arange(grid.shape[1], device=tokens.device)[:, None]
        struck = grid.gather(1, torch.where(grid != cls.HELD, at, 0).cummax(dim=1).values)
        return pad(struck.clamp(max=NONE).flatten(1)[:, : cells.shape[1]], (1, 0), value=NONE)

    def above(self, tokens, known):
        """How the voices above in the same step move and stand, and what `VoiceLeading` makes of it for each key."""
        sounds, voice = self.sounding(tokens), torch.arange(known, tokens.shape[1], device=tokens.device) % 4
        was, told, usual = back(sounds, 3)[:, known:], 0, 0
        for up in (1, 2, 3):
            now, before = (back(sounds, up - 1 + steps)[:, known:].masked_fill(voice < up, NONE) for steps in (0, 4))
            pair = 3 * voice + up - 1
            moved = torch.where((now < NONE) & (before < NONE), (now - before).clamp(-FAR, FAR) + FAR, 2 * FAR + 1)
            apart, above = (torch.where((key < NONE) & (was < NONE), (key - was) % 12, 12) for key in (before, now))
            told = (told + self.moved(pair * (2 * FAR + 2) + moved) + self.apart(pair * 13 + apart)
                    + self.now(pair * 13 + above))
            usual = usual + self.leading(voice, (voice - up).clamp(min=0), was, before, now)
        return told, usual

    def allowed(self, tokens, slot, was):
        """All keys and rests; a voice holds what it has; a piece ends with a whole step."""
        can = tokens.new_ones((*tokens.shape, self.END + 1), dtype=torch.bool)
        can[..., self.HELD], can[..., self.END] = was < NONE, slot % 4 == 0
        return can

    @staticmethod
    def steps_of(wanted):
        """Which step each token that is asked for belongs to; the piece's end is one of its own."""
        return torch.arange(int((wanted >= 0).sum())) // 4

    @classmethod
    def batch(cls, items):
        """Tokens of any length as one: what goes in, and what is to come out. ``collate`` of `training.fit`."""
        whole = pad_sequence([pad(pad(item, (1, 0), value=cls.START), (0, 1), value=cls.END) for item in items],
                             batch_first=True, padding_value=cls.FILL)
        return whole[:, :-1], whole[:, 1:].masked_fill(whole[:, 1:] == cls.FILL, -100)


def back(sounds, n):
    """The keys [batch, places] of n places before, `NONE` where there was no place yet."""
    return pad(sounds, (n, 0), value=NONE)[:, : sounds.shape[1]]


# ---------------------------------------------------------------------------------------- writing


def probabilities(logits, temperature=1.0, top_k=None, top_p=None):
    """What may be drawn, and how often: logits made more or less daring, and cut.

    Parameters
    ----------
    logits : torch.Tensor, shape [..., tokens]
    temperature : float
        The logits are divided by it, so that 0 leaves the most probable alone, below 1 is more careful than what was
        learnt, above 1 more daring.
    top_k : int, optional
        Only the k most probable stay.
    top_p : float, optional
        Only the most probable stay whose sum just reaches p (nucleus sampling).

    Returns
    -------
    torch.Tensor, shape of `logits`
        Sums are 1.

    Raises
    ------
    ValueError
        If the temperature is negative, `top_k` below 1, `top_p` not above 0 and at most 1, or no logit a number.

    References
    ----------
    Holtzman et al., "The curious case of neural text degeneration", 2020.

    Taught in: notebooks/07_music_generation.ipynb, "How daring may it be?"
    """
    if not 0 <= temperature < math.inf:
        raise ValueError(f"The temperature is 0 or more, not {temperature}.")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k={top_k}: at least 1 token has to stay.")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p={top_p}: a share above 0, 1 at most.")
    if not logits.amax(dim=-1).isfinite().all():
        raise ValueError("The largest logit has to be a number: something must be possible.")
    ranks = logits.argsort(dim=-1, descending=True, stable=True)
    if temperature == 0:
        return torch.zeros_like(logits).scatter(-1, ranks[..., :1], 1.0)
    p = ((logits - logits.amax(dim=-1, keepdim=True)) / temperature).softmax(dim=-1)
    p = p.gather(-1, ranks)                                     # the most probable first
    if top_k is not None:
        p[..., top_k:] = 0
    if top_p is not None:
        p = p / p.sum(dim=-1, keepdim=True)
        p = p.masked_fill(p.cumsum(dim=-1) - p >= top_p, 0)     # those before it have reached p already
    return torch.zeros_like(p).scatter(-1, ranks, p / p.sum(dim=-1, keepdim=True))


def require(model, *kinds):
    """Refuse what is no model of these classes."""
    if not isinstance(model, kinds):
        what = "(model, card), of which the model is the first" if isinstance(model, tuple) else type(model).__name__
        names = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"This takes a {names}, not {what}. `models.load` returns (model, card).")


@torch.inference_mode()
def draw_keys(model, steps, roll=None, seed=0):
    """A piano roll by a factorised model: each key of each step is drawn for itself.

    Parameters
    ----------
    model : KeysLSTM or KeysTransformer
    steps : int
        To be written.
    roll : array_like, shape [time, 88], optional
        What it goes on with.
    seed : int

    Returns
    -------
    np.ndarray, shape [time + steps, 88], float32

    Raises
    ------
    ValueError
        If the roll has another shape.

    Taught in: notebooks/07_music_generation.ipynb, "What does a network remember?"
    """
    require(model, KeysLSTM, KeysTransformer)
    model.eval()
    whole = torch.zeros(0, KEYS) if roll is None else torch.as_tensor(roll, dtype=torch.float32)
    if whole.ndim != 2 or whole.shape[1] != KEYS:
        raise ValueError(f"A piano roll has shape [time, {KEYS}], not {list(whole.shape)}.")
    if not ((whole == 0) | (whole == 1)).all():
        raise ValueError("A piano roll holds 1 where a key is down and 0 where not, and nothing else.")
    if steps < 0:
        raise ValueError(f"steps={steps}: 0 or more are to be written.")
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        x, _ = model.batch([pad(whole, (0, 0, 0, 1))])          # with an empty step, whose answer is asked for
        step = torch.bernoulli(model(x)[:, -1].sigmoid(), generator=generator)
        whole = torch.cat([whole, step])
    return whole.numpy()


@torch.inference_mode()
def go_on(model, tokens, steps, seed=0, cached=True, **daring):
    """Write tokens, one after the other, each drawn by what the model says.

    Parameters
    ----------
    model : ChordTransformer or VoiceTransformer
    tokens : torch.Tensor of int, shape [batch, n]
        What there is: the start at least.
    steps : int
        How many steps the pieces are to have, those that there are included. A piece does not end before.
    seed : int
    cached : bool
        Keep keys and values of what was read, instead of computing all again for each token.
    **daring
        `temperature`, `top_k`, `top_p` of `probabilities`.

    Returns
    -------
    torch.Tensor of int, shape [batch, longer]
        With what there was. Pieces that reach the number earlier than others go on until all have.

    Raises
    ------
    ValueError
        As `probabilities`.

    Taught in: notebooks/07_music_generation.ipynb, "How daring may it be?"
    """
    require(model, ChordTransformer, VoiceTransformer)
    model.eval()
    cache, generator = [] if cached else None, torch.Generator().manual_seed(seed)
    while int(model.written(tokens).min()) < steps:
        logits = model(tokens, cache)[:, -1]
        if isinstance(model, VoiceTransformer):
            logits[:, model.END] = -math.inf
        drawn = torch.multinomial(probabilities(logits, **daring), 1, generator=generator)
        tokens = torch.cat([tokens, drawn], dim=1)
    return tokens


def compose(model, steps=64, prompt=None, seed=0, **daring):
    """A piece in four voices, or how one goes on.

    Parameters
    ----------
    model : VoiceTransformer
    steps : int
        Of the grid, to be written: 64 eighths are eight bars.
    prompt : array_like of int, shape [time, 4], optional
        What it goes on with, as `audiolab.scores.to_grid` makes it.
    seed, **daring
        As of `go_on`.

    Returns
    -------
    np.ndarray of int, shape [time + steps, 4]
        The prompt and what follows.

    Raises
    ------
    ScoreError
        If the prompt is empty, silent, or no grid.
    TypeError
        If the model is another one.
    ValueError
        If `steps` is below 1, and as `probabilities`.

    Taught in: notebooks/07_music_generation.ipynb, "How daring may it be?"
    """
    require(model, VoiceTransformer)
    if not 1 <= steps < math.inf:
        raise ValueError(f"steps={steps}: at least 1 step is to be written.")
    if prompt is not None and not np.size(prompt):
        raise ScoreError("The prompt is empty: give it a step at least, or leave it out to begin a new piece.")
    start = model.start(prompt)
    if prompt is not None and not (start[1:] < KEYS).any():
        raise ScoreError("Nothing sounds in the prompt: give it a note at least, or leave it out to begin a new piece.")
    before = 0 if prompt is None else len(prompt)
    return model.grid(go_on(model, start[None], before + int(steps), seed, **daring)[0, 1:])
