"""Recipes of the networks that compose, and what they are worth.

For the published table they learn from the JSB chorales, in the split and on the grid of that table, and from nothing
else. For everything that is heard they learn from the chorales in music21, in eighths, in a split of our own.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from .. import counterpoint, models, paths, scores, training
from ..corpora import music, remote
from ..corpus import digest
from ..models.infilling import InfillTransformer, fill_in
from ..models.music import (
    KEYS,
    ChordNGram,
    ChordTransformer,
    VoiceTransformer,
    go_on,
    in_all_transpositions,
    nll,
    per_step,
)
from .naming import machine

STEP = 0.5                      # quarter notes, of the voices on a grid
RANGE = (36, 81)                # MIDI pitches, within which these are transposed
DARING = dict(top_p=0.95)       # of what is written to be judged
SHARE = 0.4                     # of the LSTM, where two networks agree: best on the validation pieces


@dataclass(frozen=True)
class Composition:
    """What a checkpoint that composes is made of.

    Attributes
    ----------
    title : str
        What the model does, in a few words.
    pieces : callable
        ``pieces(split)`` gives a list of tensors, as the model's `batch` takes them.
    corpus, licence : str
        What these are, and what holds for them.
    model : type
        Of `audiolab.models`.
    epochs : int
    changed : callable, optional
        ``changed(x, y, generator) -> x, y``: what is done to a training batch.
    measured : callable
        ``measured(model, pieces)`` gives the figures of the card.
    arguments : dict
        Of `model`.
    fit : dict
        Other options of `audiolab.training.fit`.
    seed : int
    written : callable, optional
        ``written(model)`` gives figures of what the model writes.
    beside : callable, optional
        ``beside(model, pieces)`` gives what is to be compared with it, on the same pieces.
    note : str
        What else one must know.
    """

    title: str
    pieces: Callable
    corpus: str
    licence: str
    model: type
    epochs: int
    changed: Callable
    measured: Callable
    arguments: dict = field(default_factory=dict)
    fit: dict = field(default_factory=dict)
    seed: int = 0
    written: Callable | None = None
    beside: Callable | None = None
    note: str = ""


# ---------------------------------------------------------------------------------------- what is learnt


def rolls(split):
    """Piano rolls [time, 88] of the JSB chorales, a step for each quarter note.

    Taught in: notebooks/07_music_generation.ipynb, "How well does a guess score?"
    """
    return [torch.from_numpy(scores.roll_of(steps)) for steps in remote.jsb()[split]]


def chords(split):
    """The same as tokens of `ChordTransformer`.

    Taught in: notebooks/07_music_generation.ipynb, "How well does a guess score?"
    """
    return [ChordTransformer.tokens(steps) for steps in remote.jsb()[split]]


@functools.cache
def grids(split):
    """The chorales of music21 as four voices on a grid of eighths, [time, 4] each.

    Taught in: notebooks/07_music_generation.ipynb, "Who listens to whom?"
    """
    return tuple(scores.to_grid(music.notes(name), STEP) for name in music.four_voices()[split])


def voices(split):
    """The same as tokens of `VoiceTransformer`."""
    return [VoiceTransformer.tokens(grid) for grid in grids(split)]


def as_written(x, y, generator):
    """Nothing is changed: all pieces of the published table stand in C."""
    return x, y


def rolls_in_any_key(x, y, generator):
    """Each piano roll moved by -6 to 5 semitones, and told so. None of them comes near an end of the keyboard."""
    (whole, _), (_, lengths) = x, y
    shifts = torch.randint(-6, 6, (len(whole),), generator=generator)
    moved = torch.stack([roll.roll(shift, dims=1) for roll, shift in zip(whole, shifts.tolist(), strict=True)])
    return (moved, shifts % 12), (moved, lengths)


def chords_in_any_key(x, y, generator):
    """Each piece moved by -6 to 5 semitones, and told so."""
    shifts = torch.randint(-6, 6, (len(x), 1), generator=generator)
    x, y = moved(x, shifts), moved(y, shifts)
    x[:, 0] = ChordTransformer.START + shifts[:, 0] % 12
    return x, y


def voices_in_any_key(x, y, generator):
    """Each piece moved, by as much as voices can sing, and told so."""
    keys = (x < KEYS)
    low, high = x.masked_fill(~keys, KEYS).amin(dim=1), x.masked_fill(~keys, -1).amax(dim=1)
    down, up = RANGE[0] - scores.LOW - low, RANGE[1] - scores.LOW - high
    down, up = down.clamp(-6, 0), up.clamp(0, 5)
    shifts = (down + torch.rand(len(x), generator=generator) * (up - down + 1)).floor().long()[:, None]
    begins = x == VoiceTransformer.START
    return torch.where(begins, x + shifts % 12, moved(x, shifts)), moved(y, shifts)


def moved(tokens, shifts):
    """Tokens with the keys among them moved by semitones [batch, 1]."""
    return torch.where((tokens >= 0) & (tokens < KEYS), tokens + shifts, tokens)


def voices_missing(x, y, generator, steps=64):
    """A part of each piece, in any key, in which voices or single places are missing, which are asked for.

    Of the voices three in four are touched; in a quarter of the pieces all their places are missing, in the others any
    share of them.
    """
    x, y = voices_in_any_key(x, y, generator)
    first = 8 * torch.randint(max(1, x.shape[1] // 4 - steps) // 2 + 1, (), generator=generator).item()
    x, y = (each[:, first : first + 4 * steps] for each in (x, y))
    share = torch.rand(len(x), generator=generator)
    share = torch.where(torch.rand(len(x), generator=generator) < 0.25, 1.0, share)
    touched = torch.rand((len(x), 4), generator=generator) < 0.75
    touched[torch.arange(len(x)), torch.randint(4, (len(x),), generator=generator)] = True
    missing = (torch.rand(x.shape, generator=generator) < share[:, None]) & touched.repeat(1, x.shape[1] // 4)
    return x.masked_fill(missing & (y >= 0), InfillTransformer.MISSING), y.masked_fill(~missing, -100)


# ---------------------------------------------------------------------------------------- how it is judged


def by_nll(model, pieces):
    """What a model is worth that goes on with pieces, as a card holds it.

    Returns
    -------
    dict of str to float
        `clips`, pieces; `steps`, time steps that are predicted; `nll`, nats per time step, as `models.music.per_step`
        counts it for the published table; `nll_all`, the same with the first steps of all pieces among them;
        `nll_by_piece`, the mean over the pieces of each one's mean, first steps left out: as some count it.

    Taught in: notebooks/07_music_generation.ipynb, "How well does a guess score?"
    """
    nlls = nll(model, pieces)
    return {"clips": len(pieces), "steps": sum(len(each) - 1 for each in nlls), "nll": per_step(nlls),
            "nll_all": float(np.concatenate(nlls).mean()), "nll_by_piece": by_piece(nlls)}


def by_piece(nlls):
    """Nats per time step if each piece counts alike, however long it is."""
    return float(np.mean([each[1:].mean() for each in nlls]))


def keys_agreed(model, pieces):
    """What a factorised Transformer is worth when it is asked in all transpositions, alone and with `keys-lstm-jsb`.

    Of the logits of the two a mean is taken, with a weight of `SHARE` for those of the LSTM.

    Returns
    -------
    dict of str to float or list of float
        `nll_transposed` and `nll_with_lstm`, nats per time step as in `by_nll`, and both with ``_by_piece``;
        `validation`, the second on the validation pieces, for weights of the LSTM from 0 to 1 in tenths.

    Taught in: notebooks/07_music_generation.ipynb, "Who listens to whom?"
    """
    lstm, _ = models.load("keys-lstm-jsb")

    def nlls(pieces, share):
        found = []
        for i in range(0, len(pieces), 16):
            x, y = model.batch(pieces[i : i + 16])
            with torch.inference_mode():
                logits = (1 - share) * in_all_transpositions(model, x) + share * lstm(x[0])
            found += [each.numpy() for each in model.by_step(logits, y)]
        return found

    alone, together = nlls(pieces, 0.0), nlls(pieces, SHARE)
    validation = rolls("validation")
    return {"nll_transposed": per_step(alone), "nll_transposed_by_piece": by_piece(alone),
            "nll_with_lstm": per_step(together), "nll_with_lstm_by_piece": by_piece(together),
            "validation": [per_step(nlls(validation, share / 10)) for share in range(11)]}


def chords_counted(model, pieces):
    """What counting is worth that goes on with pieces: `audiolab.models.music.ChordNGram`, of the training pieces.

    Returns
    -------
    dict of str to float
        `nll`, nats per time step as in `by_nll`; `nll_as_written`, the same when counts are not transposed.

    Taught in: notebooks/07_music_generation.ipynb, "How well does a guess score?"
    """
    training_pieces = chords("train")
    return {name: per_step(ChordNGram(training_pieces, transposing=transposing).nll(pieces))
            for name, transposing in (("nll", True), ("nll_as_written", False))}


def by_gaps(model, pieces):
    """What a model is worth that fills in: nats per missing place, when one voice is missing in pieces, each in turn.

    Returns
    -------
    dict of str to float
        `clips`, pieces; `nll` and its value for each voice by name. All places of the voice are asked at once, none
        knows of the others.

    Taught in: notebooks/07_music_generation.ipynb, "Can it answer a voice?"
    """
    found = {}
    for i, voice in enumerate(scores.VOICES):
        total, places = 0.0, 0
        for piece in pieces:
            hidden = piece.clone()
            hidden[i::4] = InfillTransformer.MISSING
            with torch.inference_mode():
                logits = model(hidden[None])[0, i::4]
            total += float(torch.nn.functional.cross_entropy(logits, piece[i::4], reduction="sum"))
            places += len(piece) // 4
        found[voice] = total / places
    return {"clips": len(pieces), "nll": float(np.mean(list(found.values()))), **found}


def chords_written(model):
    """What chords share with the training pieces that a model writes: as many and as long ones as those of the test.

    Returns
    -------
    dict of str to float
        See `copied`.

    Taught in: notebooks/07_music_generation.ipynb, "Did it copy?"
    """
    splits = remote.jsb()
    lengths = [len(steps) for steps in splits["test"]]
    start = torch.full((len(lengths), 1), ChordTransformer.START)
    tokens = go_on(model, start, max(lengths), **DARING)
    pieces = [model.steps(one)[:n] for one, n in zip(tokens, lengths, strict=True)]
    return copied(pieces, splits["test"], splits["train"])


def voices_written(model):
    """What is worth what a model composes: as many and as long pieces as those of the test, beside these.

    Returns
    -------
    dict of str to float
        See `copied` and `likeness`.

    Taught in: notebooks/07_music_generation.ipynb, "Is it music?"
    """
    test, training = grids("test"), grids("train")
    start = model.start()[None].repeat(len(test), 1)
    tokens = go_on(model, start, max(map(len, test)), **DARING)
    pieces = [model.grid(one[1:])[: len(grid)] for one, grid in zip(tokens, test, strict=True)]
    return likeness(pieces, test, training) | copied(*([*map(counterpoint.quarters, grids)]
                                                       for grids in (pieces, test, training)))


def voices_filled(model):
    """What is worth what a model fills in: the lower three voices of the test pieces, from their sopranos.

    Returns
    -------
    dict of str to float
        As `voices_written`.

    Taught in: notebooks/07_music_generation.ipynb, "Can it answer a voice?"
    """
    test, training = grids("test"), grids("train")
    pieces = []
    for i, grid in enumerate(test):
        hidden = grid.copy()
        hidden[:, 1:] = scores.MISSING
        pieces.append(fill_in(model, hidden, seed=i, **DARING))
    return likeness(pieces, test, training) | copied(*([*map(counterpoint.quarters, grids)]
                                                       for grids in (pieces, test, training)))


def likeness(pieces, test, training):
    """How like the training pieces are in four voices, beside how like real ones are that nobody learnt from.

    Returns
    -------
    dict of str to float
        `pitch_classes`, `melodic_intervals`, `harmonic_intervals`: the `counterpoint.distance` from the training's;
        the faults per 100 quarter notes, as `counterpoint.fault_rates`. With ``_test`` after it: of the test pieces.

    Taught in: notebooks/07_music_generation.ipynb, "Is it music?"
    """
    found = {}
    for ending, some in (("", pieces), ("_test", test)):
        for count in (counterpoint.pitch_classes, counterpoint.melodic_intervals, counterpoint.harmonic_intervals):
            found[count.__name__ + ending] = counterpoint.distance(count(some), count(training))
        found |= {name + ending: rate for name, rate in counterpoint.fault_rates(some).items()}
    return found


def copied(pieces, test, training):
    """What pieces share with those of the training, beside what real ones share with them that nobody learnt from.

    Returns
    -------
    dict of str to float
        `longest`, `longest_soprano`: steps of the longest run that any piece shares; `median`, `median_soprano`: of
        the median piece's; `share_9`, `share_soprano_24`: pieces that share a run of 9 steps, of 24 in the soprano
        alone. With ``_test`` after it: of the test pieces.

    Taught in: notebooks/07_music_generation.ipynb, "Did it copy?"
    """
    found = {}
    for ending, some in (("", pieces), ("_test", test)):
        runs = np.array(counterpoint.longest_runs(some, training))
        tunes = np.array(counterpoint.longest_runs(*map(counterpoint.sopranos, (some, training))))
        found |= {f"longest{ending}": int(runs.max()), f"median{ending}": float(np.median(runs)),
                  f"share_9{ending}": int((runs >= 9).sum()), f"longest_soprano{ending}": int(tunes.max()),
                  f"median_soprano{ending}": float(np.median(tunes)),
                  f"share_soprano_24{ending}": int((tunes >= 24).sum())}
    return found


# ---------------------------------------------------------------------------------------- the recipes

_PUBLISHED = dict(corpus="jsb-chorales", licence="compositions in the public domain; no licence named for the encoding",
                  measured=by_nll)
_OWN = dict(corpus="music21-chorales", licence="CC-BY-4.0; scores: M. Greentree, by permission", pieces=voices)
_FIT = dict(lr=1e-3, clip=1.0, weight_decay=0.05, batch_size=8)
_ANY_KEY = "Each training piece is met in all twelve keys; validation and test as they stand."
RECIPES = {
    "keys-lstm-jsb": Composition(
        **_PUBLISHED, title="says which keys come next, each on its own", pieces=rolls, model=models.KeysLSTM,
        epochs=50, changed=as_written, fit=_FIT | dict(lr=1e-2, weight_decay=0.01, patience=10),
        note="Factorised: its figures stand beside those of models whose 88 keys are independent given the past. Not "
             "transposed."),
    "keys-transformer-jsb": Composition(
        **_PUBLISHED, title="says which keys come next, each on its own", pieces=rolls, model=models.KeysTransformer,
        epochs=160, changed=rolls_in_any_key, beside=keys_agreed, fit=_FIT | dict(lr=2e-3, patience=30),
        note=f"Factorised, as keys-lstm-jsb. {_ANY_KEY}"),
    "chorales-transformer-jsb": Composition(
        **_PUBLISHED, title="goes on with chords, note after note", pieces=chords, model=models.ChordTransformer,
        epochs=48, changed=chords_in_any_key, written=chords_written, beside=chords_counted,
        fit=_FIT | dict(batch_size=2, patience=20),
        note="Joint: each note knows those above it, so its figures are not to be compared with factorised ones. "
             + _ANY_KEY),
    "chorales-transformer-scores": Composition(
        **_OWN, title="composes chorales in four parts", model=models.VoiceTransformer, arguments=dict(dropout=0.25),
        epochs=32, changed=voices_in_any_key, measured=by_nll, written=voices_written,
        fit=_FIT | dict(batch_size=2, patience=15),
        note="Eighths; a step of its figures is an eighth of four voices, so they stand in no table of others."),
    "voices-transformer-scores": Composition(
        **_OWN, title="fills in missing voices of chorales", model=models.InfillTransformer, epochs=320,
        changed=voices_missing, measured=by_gaps, written=voices_filled, fit=_FIT | dict(lr=3e-3, batch_size=4),
        note="Looks before and after. What it is asked for in training: voices that are missing in whole or in part."),
}


# ---------------------------------------------------------------------------------------- following one


def train(name, recipe, n_jobs, progress):
    """As `audiolab.recipes.train`."""
    pieces, validation = recipe.pieces("train"), recipe.pieces("validation")
    torch.manual_seed(recipe.seed)
    model = recipe.model(**recipe.arguments)
    watched = validation if "patience" in recipe.fit else None  # whole pieces ask nothing of who fills in
    history = training.fit(
        model, pieces, watched, loss=model.loss, epochs=recipe.epochs, augment=recipe.changed, seed=recipe.seed,
        collate=model.batch, lengths=[len(piece) for piece in pieces], progress=progress,
        resume=paths.data("runs", name, f"{_known_by(recipe)}.pt"), **recipe.fit)
    models.checkpoints.halve(model)
    found = {side: recipe.measured(model, recipe.pieces(side)) for side in ("train", "validation", "test")}
    if recipe.written:
        found["written"] = recipe.written(model)
    if recipe.beside:
        found["beside"] = recipe.beside(model, recipe.pieces("test"))
    return models.save(name, model, {
        "title": recipe.title, "arguments": recipe.arguments, "feature": recipe.pieces.__name__,
        "corpus": recipe.corpus, "changed": recipe.changed.__name__, "seed": recipe.seed, "epochs": recipe.epochs,
        "best": history.best, "steps": history.rows[-1]["step"], "options": recipe.fit,
        "seconds": round(history.seconds), "machine": machine(), "licence": recipe.licence, "note": recipe.note,
        "metrics": found})


def evaluate(name, recipe, n_jobs):
    """As `audiolab.recipes.evaluate`."""
    model, _ = models.load(name)
    return recipe.measured(model, recipe.pieces("test"))


def _known_by(recipe):
    """What stands for a recipe in the name of its state, so that another one does not go on from it."""
    options = (recipe.model.__name__, recipe.epochs, recipe.arguments, recipe.fit, recipe.seed)
    return digest(repr(options) + inspect.getsource(recipe.changed))[:8]
