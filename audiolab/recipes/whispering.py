"""The recipe of the tiny Whisper: another picture, and single digits."""

import functools

import torch

from .. import augment, decode, models, paths, training
from ..corpora import remote, speech
from ..models import whisper
from . import writing
from .naming import only_test
from .phones import SR, at_16k
from .writing import Transcription


def somewhere(x, y, generator):
    """Each signal at any place of the 4 s that Whisper listens to, otherwise silence."""
    return (whisper.log_mel(_placed(x, generator)), *x[1:]), y


def anywhere(x, y, generator):
    """The same, some of them empty, from any room and microphone."""
    x, y = writing.silenced(x, y, generator)
    signals = augment.recorded(_placed(x, generator), SR, generator, augment.rooms(100, SR))
    return (whisper.log_mel(signals), x[1], *y), y


def _placed(x, generator):
    """Signals [batch, n] of 4 s, each with its sound at a place of its own."""
    whole = x[0].new_zeros(len(x[0]), whisper.SECONDS * SR)
    for row, signal, n in zip(whole, x[0][:, 0], x[1].tolist(), strict=True):
        start = int(torch.randint(len(row) - n + 1, (), generator=generator))
        row[start : start + n] = signal[:n]
    return whole


def synthetic(n_jobs=1):
    """Single digits by synthetic voices."""
    return speech.digits(3000, (1, 1), n_jobs=n_jobs)


def synthetic_test(n_jobs=1):
    """Those of them that are for the test."""
    return only_test("speech-digits-test", functools.partial(speech.plan_digits, 3000, (1, 1)), speech.render, n_jobs)


def familiar(n_jobs=1):
    """Other single digits, by voices that nobody trains on, in accents that are trained on: all for the test."""
    return writing.by_familiar("speech-digits-familiar", speech.plan_digits(3000, (1, 1), seed=1), n_jobs)


def real(n_jobs=1):
    """Single digits by real voices."""
    return remote.load("fsdd")


RECIPES = {
    "digits-whisper-anywhere": Transcription(
        title="writes down a digit, in the classes of Whisper", corpora=(synthetic,), test=synthetic_test,
        also={"familiar": familiar, "fsdd": real}, licence="CC-BY-4.0", model=models.TinyWhisper, epochs=10,
        heard=anywhere, fit=dict(lr=1e-3, clip=1.0, weight_decay=0.01, batch_size=16),
        note="Trained on single digits by synthetic voices, at 16 kHz; first on clean ones. It listens to 4 s. Strings "
             "of digits were tried: in 2,000 steps its decoder learnt only which letter follows which."),
}


def first_words(model, name, clips, progress):
    """Three epochs of clean clips, by which a decoder finds out that it may look at the sound, and anywhere in it."""
    training.fit(model, clips, loss=model.loss, epochs=3, batch_size=16, lr=1e-3, clip=1.0, augment=somewhere,
                 collate=model.batch, progress=progress,
                 resume=paths.data("runs", name, f"first-words-{writing.known_by(RECIPES[name])}.pt"))


def utterances(corpus, n_jobs=1):
    """As `writing.utterances`, at 16 kHz."""
    return writing.utterances(corpus, at_16k, n_jobs)


def pictures(items):
    """The same with Whisper's picture [80, 400] in place of each signal."""
    return [(whisper.log_mel(signal)[0], units) for signal, units in items]


def read(model, items, batch_size=32):
    """The texts that a tiny Whisper writes for signals at 16 kHz, in their order."""
    at = range(0, len(items), batch_size)
    return [text for i in at for text in
            model.write(torch.stack([picture for picture, _ in pictures(items[i : i + batch_size])]))]


def measured(model, items):
    """As `writing.measured`."""
    return writing.compared(items, read(model, items))


def train(name, recipe, n_jobs, progress):
    """As `audiolab.recipes.train`."""
    corpora = [corpus(n_jobs=n_jobs) for corpus in recipe.corpora]
    clips = utterances(corpora[0].split("train"), n_jobs)
    validation = pictures(utterances(corpora[0].split("validation"), n_jobs))
    model = writing.begun(recipe)
    first_words(model, name, clips, progress)
    history = writing.fitted(name, recipe, model, clips, validation, progress)
    test = utterances(recipe.test(n_jobs=n_jobs).split("test"), n_jobs)
    silent = writing.quiet(rate=SR)
    found = {"test": measured(model, test), "noise": measured(model, writing.noisy(test, rate=SR)),
             "silence": {"clips": len(silent), "invented": sum(map(bool, read(model, silent)))}}
    for other, corpus in recipe.also.items():
        found[other] = measured(model, utterances(corpus(n_jobs=n_jobs).split("test"), n_jobs))
    return writing.kept(name, recipe, model, history, corpora, {"units": decode.LETTERS, "metrics": found})


def evaluate(name, recipe, n_jobs):
    """As `audiolab.recipes.evaluate`."""
    model, _ = models.load(name)
    return measured(model, utterances(recipe.test(n_jobs=n_jobs).split("test"), n_jobs))
