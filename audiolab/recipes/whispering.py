"""The recipe of the tiny Whisper: another picture, and short texts before long ones."""

import torch

from .. import augment, decode, models, paths, training
from ..models import whisper
from . import writing
from .phones import SR, at_16k
from .writing import Transcription


def somewhere(x, y, generator):
    """Each signal in the 4 s that Whisper listens to, half of them at the start, the others at any place."""
    return (whisper.log_mel(_placed(x, generator)), *x[1:]), y


def anywhere(x, y, generator):
    """The same, some of them empty, from any room and microphone, by any throat."""
    x, y = writing.silenced(x, y, generator)
    signals = augment.recorded(_placed(x, generator), SR, generator, augment.rooms(100, SR))
    return (augment.bend(whisper.log_mel(signals)[:, None], 0.15, 1.0, generator)[:, 0], x[1], *y), y


def _placed(x, generator):
    """Signals [batch, n] of 4 s, half of them with their sound at the start, the others at any place."""
    whole = x[0].new_zeros(len(x[0]), whisper.SECONDS * SR)
    for row, signal, n in zip(whole, x[0][:, 0], x[1].tolist(), strict=True):
        start = max(0, int(torch.randint(n - len(row), len(row) - n + 1, (), generator=generator)))
        row[start : start + n] = signal[:n]
    return whole


RECIPES = {
    "digits-whisper-anywhere": Transcription(
        title="writes down strings of digits, in the classes of Whisper", corpora=(writing.synthetic,),
        test=writing.synthetic_test, also={"familiar": writing.familiar, "fsdd": writing.real}, licence="CC-BY-4.0",
        model=models.TinyWhisper, epochs=26, heard=anywhere, first=((1, 40), (2, 10), (4, 8), (7, 8)),
        fit=dict(lr=1e-3, clip=1.0, weight_decay=0.01, batch_size=16),
        note="Trained on strings of one to seven digits by synthetic voices, at 16 kHz: first on clean and short ones, "
             "for with long ones from the start its decoder learns which letter follows which, and nothing of the "
             "sound. It listens to 4 s: 26 of the 300 strings of FSDD are longer, and cut."),
}


def first_words(name, recipe, model, clips, progress):
    """The stages of clean clips, the shorter first, in which a decoder finds out that it may look at the sound.

    Returns the seconds that they took.
    """
    seconds = 0.0
    for most, epochs in recipe.first:
        short = [(signal, units) for signal, units in clips if len(decode.to_text(units.tolist()).split()) <= most]
        seconds += training.fit(
            model, short, loss=model.loss, epochs=epochs, augment=somewhere, collate=model.batch, progress=progress,
            resume=paths.data("runs", name, f"{writing.known_by(recipe)}-{most}.pt"), **recipe.fit).seconds
    return seconds


def pictures(items):
    """Items of `writing.utterances` at 16 kHz, with Whisper's picture [80, 400] in place of each signal."""
    return [(whisper.log_mel(signal)[0], units) for signal, units in items]


def read(model, items, batch_size=32):
    """The texts that a tiny Whisper writes for signals at 16 kHz, in their order."""
    at = range(0, len(items), batch_size)
    return [text for i in at for text in
            model.write(torch.stack([picture for picture, _ in pictures(items[i : i + batch_size])]))]


def measured(model, items):
    """As `writing.measured`."""
    return writing.compared(items, read(model, items))


def invented(model):
    """As `writing.invented`."""
    return sum(map(bool, read(model, writing.quiet(rate=SR))))


def train(name, recipe, n_jobs, progress):
    """As `audiolab.recipes.train`."""
    corpus = recipe.corpora[0](n_jobs=n_jobs)
    clips = writing.utterances(corpus, "train", at_16k, n_jobs)
    validation = pictures(writing.utterances(corpus, "validation", at_16k, n_jobs))
    model = writing.begun(recipe)
    seconds = first_words(name, recipe, model, clips, progress)
    history = writing.fitted(name, recipe, model, clips, validation, progress)
    found = writing.asked(model, recipe, measured, invented, at_16k, n_jobs)
    return writing.kept(name, recipe, model, history, [corpus], {
        "feature": "whisper.log_mel", "seconds": round(seconds + history.seconds), "units": decode.LETTERS,
        "metrics": found})


def evaluate(name, recipe, n_jobs):
    """As `audiolab.recipes.evaluate`."""
    model, _ = models.load(name)
    return measured(model, writing.utterances(recipe.test(n_jobs=n_jobs), "test", at_16k, n_jobs))
