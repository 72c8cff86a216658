"""A network that looks before and after, and fills in what is missing in four voices: masked voices, Gibbs sampling."""

from itertools import combinations

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, pad
from torch.nn.utils.rnn import pad_sequence

from ..scores import KEYS, LOW, MISSING, ScoreError
from .music import FAR, NONE, Block, VoiceLeading, VoiceTransformer, for_steps, probabilities, require

WINDOW = 64                         # steps that it sees at once
PAIRS = tuple(combinations(range(4), 2))


class InfillTransformer(nn.Module):
    """What may stand at each missing place of four voices on a grid, given all others, before and after.

    Tokens are those of `VoiceTransformer` without its `START` and `END`, `MISSING` where something is asked for. All
    four voices of a step share one place of attention. A step is told not only its keys: also how far each voice has
    moved since the step before, and how far apart the voices are, two by two. From these a musician, too, tells
    whether voices go in parallel, and both are alike in every key.

    ``tokens [batch, 4 steps]`` to logits ``[batch, 4 steps, tokens]``. The logit of a key is a sum: one for the key,
    one for its pitch class, one each for the step to it from where the voice was and from it to where the voice goes
    on, and those of two `VoiceLeading`, which look at the step before and at the one after.

    Parameters
    ----------
    dim, layers, heads : int
        Numbers per step, blocks, and how many things a block may look for at once.
    dropout : float

    References
    ----------
    Huang et al., "Counterpoint by convolution", 2017; Hadjeres, Pachet and Nielsen, "DeepBach", 2017.

    Taught in: notebooks/07_music_generation.ipynb, "Can it answer a voice?"
    """

    HELD, RESTS, MISSING, FILL = (getattr(VoiceTransformer, name) for name in ("HELD", "RESTS", "MISSING", "FILL"))
    TOKENS = VoiceTransformer.END                               # keys, held, rest
    tokens, grid = VoiceTransformer.tokens, VoiceTransformer.grid

    def __init__(self, dim=128, layers=4, heads=4, dropout=0.1):
        super().__init__()
        self.key, self.pitch_class = nn.Embedding(4 * (KEYS + 1), dim), nn.Embedding(4 * 13, dim)
        self.kind, self.beat = nn.Embedding(4 * 6, dim), nn.Embedding(2, dim)
        self.move, self.apart = nn.Embedding(4 * (2 * FAR + 2), dim), nn.Embedding(len(PAIRS) * 13, dim)
        for table in (self.key, self.pitch_class, self.kind, self.beat, self.move, self.apart):
            nn.init.normal_(table.weight, std=0.2)
        self.near = nn.Conv1d(dim, dim, 3, padding=1)           # the steps before and after, without being looked for
        self.blocks = nn.ModuleList(Block(dim, heads, dropout) for _ in range(layers))
        self.norm, self.dropout = nn.LayerNorm(dim), nn.Dropout(dropout)
        self.of_token, self.of_class = nn.Linear(dim, 4 * self.TOKENS), nn.Linear(dim, 4 * 12)
        self.of_steps = nn.Linear(dim, 2 * 4 * (2 * FAR + 1))
        self.leading, self.leaving = VoiceLeading(), VoiceLeading()         # from the step before, to the step after

    def forward(self, tokens):
        grid = tokens.unflatten(1, (-1, 4))
        at = torch.arange(grid.shape[1], device=tokens.device)
        last = torch.where(grid != self.HELD, at[:, None], 0).cummax(dim=1).values
        sounds = grid.gather(1, last).clamp(max=NONE)           # NONE: rests, or is not known
        before, after = pad(sounds, (0, 0, 1, 0), value=NONE)[:, :-1], pad(sounds, (0, 0, 0, 1), value=NONE)[:, 1:]
        real = grid[..., 0] != self.FILL
        h = self.dropout(self.told(grid, sounds, before, at)) * real[..., None]
        h = h + self.near(h.mT).mT
        for block in self.blocks:
            h = block(h, at.expand(len(h), -1), real[:, None, None])
        h = self.norm(h)
        keys = torch.arange(KEYS, device=tokens.device)
        own = self.of_token(h).unflatten(2, (4, -1))
        to, on = self.of_steps(h).unflatten(2, (2, 4, -1)).unbind(dim=2)
        notes = (own[..., :KEYS] + self.of_class(h).unflatten(2, (4, 12))[..., (keys + LOW) % 12]
                 + for_steps(to, before) + for_steps(on, after) + self.usual(before, sounds, after))
        return torch.cat([notes, own[..., KEYS:]], dim=3).flatten(1, 2)

    def told(self, grid, sounds, before, at):
        """What the network is told of each step: [batch, steps, dim]."""
        def look_up(table, index):                              # rows of a table for each voice or pair, added up
            size = table.num_embeddings // index.shape[2]
            return table(index + size * torch.arange(index.shape[2], device=index.device)).sum(dim=2)

        known = sounds < NONE
        moved = torch.where(known & (before < NONE), (sounds - before).clamp(-FAR, FAR) + FAR, 2 * FAR + 1)
        (a, b), (there, too) = ((each[..., [upper for upper, _ in PAIRS]], each[..., [lower for _, lower in PAIRS]])
                                for each in (sounds, known))
        return (look_up(self.key, sounds) + look_up(self.pitch_class, torch.where(known, (sounds + LOW) % 12, 12))
                + look_up(self.kind, (grid - NONE + 1).clamp(min=0)) + look_up(self.move, moved)
                + look_up(self.apart, torch.where(there & too, (a - b) % 12, 12)) + self.beat(at % 2))

    def usual(self, before, now, after):
        """What `VoiceLeading` makes of each key of each voice, by all others: [batch, steps, 4, 88]."""
        own = torch.arange(4, device=now.device)
        found = 0
        for by in (1, 2, 3):
            other = (own + by) % 4
            there = now[..., other]
            found = (found + self.leading(own, other, before, before[..., other], there)
                     + self.leaving(own, other, after, after[..., other], there))
        return found

    @staticmethod
    def loss(logits, wanted):
        """Nats per place that is asked for (-100 is not), each piece counted alike, however much of it is missing."""
        each = cross_entropy(logits.transpose(1, 2), wanted, ignore_index=-100, reduction="none").sum(dim=1)
        return (each / (wanted >= 0).sum(dim=1).clamp(min=1)).mean()

    @classmethod
    def batch(cls, items):
        """Tokens of any length as one: what goes in, and what is to come out. ``collate`` of `training.fit`."""
        whole = pad_sequence(items, batch_first=True, padding_value=cls.FILL)
        return whole, whole.masked_fill(whole == cls.FILL, -100)


@torch.inference_mode()
def fill_in(model, grid, rounds=100, seed=0, **daring):
    """Write what is missing in a piece, by annealed Gibbs sampling.

    At first all that is missing is drawn at once, each place for itself, which sounds accordingly. Then, round after
    round, a part of it is taken away again and drawn anew, given what stays: all in the beginning, fewer and fewer
    towards the end. At last each place where nothing can be held, because nothing sounds before it, is drawn once more.
    A longer piece than 64 steps is filled in from left to right; each window of 64 begins with 32 that are written.

    Parameters
    ----------
    model : InfillTransformer
    grid : array_like of int, shape [time, 4]
        As `audiolab.scores.to_grid` makes it, with `audiolab.scores.MISSING` (-3) where something is to be written.
        What is missing may be held afterwards.
    rounds : int
    seed : int
    **daring
        `temperature`, `top_k`, `top_p` of `probabilities`.

    Returns
    -------
    np.ndarray of int, shape [time, 4]
        The grid, unchanged where nothing was missing.

    Raises
    ------
    ScoreError
        If what is not missing is no grid, there is no step in it, or nothing is missing.
    TypeError
        If the model is another one.
    ValueError
        If `rounds` is below 1, and as `probabilities`.

    References
    ----------
    Huang et al., "Counterpoint by convolution", 2017; Yao et al., "On the equivalence between deep NADE and generative
    stochastic networks", 2014.

    Taught in: notebooks/07_music_generation.ipynb, "Can it answer a voice?"
    """
    require(model, InfillTransformer)
    if rounds < 1:
        raise ValueError(f"rounds={rounds}: at least 1.")
    gaps = np.asarray(grid) == MISSING
    if not gaps.any():
        raise ScoreError("Nothing is missing: write scores.MISSING where something is to be filled in.")
    tokens = model.tokens(np.where(gaps, LOW, grid))            # a key stands for what is missing, as it may be held
    gap = torch.from_numpy(gaps).flatten()
    tokens = tokens.masked_fill(gap, model.MISSING)
    generator = torch.Generator().manual_seed(seed)

    def draw(window, again):
        """Write anew those places of a window that are named."""
        heard = tokens.clone()
        heard[again] = model.MISSING
        logits = model.eval()(heard[window][None])[0, again - window.start]
        logits[~possible(tokens, gap, again)] = -torch.inf
        tokens[again] = torch.multinomial(probabilities(logits, **daring), 1, generator=generator)[:, 0]

    for first in range(0, max(len(gaps) - WINDOW // 2, 1), WINDOW // 2):
        window = slice(4 * first, 4 * (first + WINDOW))
        places = window.start + torch.nonzero(tokens[window] == model.MISSING)[:, 0]
        for i in range(rounds):
            again = places[torch.rand(len(places), generator=generator) < 1 - i / rounds]
            if len(again):
                draw(window, again)
        for place in places[:, None]:
            if not possible(tokens, gap, place)[0, tokens[place]]:
                draw(window, place)
    return model.grid(tokens)


def possible(tokens, gap, places):
    """What may be written at places of four voices: a bool [places, tokens]. Nothing is held where nothing sounds.

    A place that is given and holds (`gap` says which are not given) needs something before it that sounds.
    """
    before, after = places - 4, places + 4
    can = torch.ones(len(places), InfillTransformer.TOKENS, dtype=torch.bool)
    can[:, InfillTransformer.HELD] = (before >= 0) & (tokens[before.clamp(min=0)] != InfillTransformer.RESTS)
    inside = after.clamp(max=len(tokens) - 1)
    held = (after < len(tokens)) & ~gap[inside] & (tokens[inside] == InfillTransformer.HELD)
    can[:, InfillTransformer.RESTS] = ~held
    return can
