"""The recipe of the tiny Whisper: another picture, the same strings."""

import torch

from .. import augment, decode, models, paths, training
from ..corpora import speech
from ..models import whisper
from . import writing
from .phones import SR, at_16k
from .writing import Transcription


def anywhere(x, y, generator):
    """Signals at 16 kHz, some of them empty, from any room and microphone; of Whisper's picture parts are hidden."""
    x, y = writing.silenced(writing.paused(x, SR, generator), y, generator)
    signals = augment.recorded(x[0][:, 0], SR, generator, augment.rooms(100, SR))
    pictures = augment.spec_augment(whisper.log_mel(signals), freq_width=12, time_width=8, warp=0, generator=generator)
    return (pictures, x[1], *y), y


RECIPES = {
    "digits-whisper-anywhere": Transcription(
        title="writes down strings of digits, in the classes of Whisper", corpora=(writing.synthetic,),
        also={"familiar": writing.familiar, "fsdd": writing.real}, test=writing.synthetic_test, licence="CC-BY-4.0",
        model=models.TinyWhisper, epochs=5, heard=anywhere,
        fit=dict(lr=1.5e-3, clip=1.0, weight_decay=0.01, batch_size=16),
        note="Trained on synthetic voices only, at 16 kHz; on single digits first. It listens to 4 s."),
}


def somewhere(x, y, generator):
    """Each signal at any place of the 4 s that Whisper listens to, otherwise silence."""
    signals, lengths, *texts = x
    whole = signals.new_zeros(len(signals), whisper.SECONDS * SR)
    for row, signal, n in zip(whole, signals[:, 0], lengths.tolist(), strict=True):
        start = int(torch.randint(len(row) - n + 1, (), generator=generator))
        row[start : start + n] = signal[:n]
    return (whisper.log_mel(whole), lengths, *texts), y


def first_words(model, name, progress, n_jobs):
    """Three epochs of single digits, by which a decoder finds out that it may look at the sound, and anywhere in it.

    Strings at once do not teach that: for an hour it learns only which letter follows which.
    """
    single = utterances(speech.digits(3000, (1, 1), n_jobs=n_jobs).split("train"), n_jobs)
    training.fit(model, single, loss=model.loss, epochs=3, batch_size=16, lr=1e-3, clip=1.0, augment=somewhere,
                 collate=model.batch, resume=paths.data("runs", name, "first-words.pt"), progress=progress)


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
    torch.manual_seed(recipe.seed)
    model = recipe.model(**recipe.arguments)
    first_words(model, name, progress, n_jobs)
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
