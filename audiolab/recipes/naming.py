"""Recipes of the networks that name a sound, or estimate a number of it: a picture in, one answer out.

Of several seeds the one with the median score on the test clips is kept, so that the weights are worth what the figure
says.
"""

import functools
import inspect
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from .. import augment, compress, features, metrics, models, paths, preprocess, training
from ..corpora import music, remote, scenes, speech
from ..corpus import digest, make
from ..features.mel import SILENCE


@dataclass(frozen=True)
class Recipe:
    """What a checkpoint is made of.

    Attributes
    ----------
    title : str
        What the model does, in a few words.
    corpus : callable
        ``corpus(n_jobs=...)`` makes or fetches it.
    test : callable
        ``test(n_jobs=...)`` gives a corpus that holds its test clips, if possible without making the others.
    licence : str
        Of the clips.
    model : type
        Of `audiolab.models`.
    epochs : int
    feature : callable
        As `audiolab.features.extract` takes it.
    frames : int, optional
        Length of a picture; that of the clips when not given.
    target : str
        Column to be told: texts make a classifier, numbers an estimator.
    changed : callable, optional
        ``augment`` of `audiolab.training.fit`.
    smoothing : float
        Share of each target that is spread over all classes: label smoothing.
    fit : dict
        Other options of `audiolab.training.fit`.
    arguments : dict
        Of `model`, besides those that follow from the corpus.
    teacher : str
        Checkpoint from whose answers it learns, as well as from the labels; none when not given.
    seeds : sequence of int
        With several, the model with the median score is kept, and the card holds all scores.
    also : dict of str to callable
        Other corpora on whose test clips it is measured besides.
    note : str
        What else one must know.
    """

    title: str
    corpus: Callable
    test: Callable
    licence: str
    model: type
    epochs: int
    feature: Callable = field(default_factory=lambda: features.log_mel)
    frames: int | None = None
    target: str = "label"
    changed: Callable | None = None
    smoothing: float = 0.0
    fit: dict = field(default_factory=dict)
    arguments: dict = field(default_factory=dict)
    teacher: str = ""
    seeds: tuple = (0,)
    also: dict = field(default_factory=dict)
    note: str = ""


def word_picture(y, sr):
    """The log-mel of a word at 8 kHz, the rate of the real digits."""
    return features.log_mel(preprocess.resample(y, sr, 8000), 8000)


def semitones(y, sr):
    """Six octaves of a constant-Q transform in decibels, 21 times a second."""
    level = features.amplitude_to_db(np.abs(features.cqt(y, sr, hop_length=1024, fmin=65.406, n_bins=72)), amin=1e-4)
    return level.astype(np.float32)


def samples(y):
    """The waveform itself, as a picture of one row."""
    return y[None]


def hidden(x, y, generator):
    """For sound events: bands of channels and stretches of frames are hidden, and all moves a little in time."""
    return augment.spec_augment(augment.time_shift(x, 20, generator), warp=0, generator=generator), y


def retold(x, y, generator):
    """For short words: another place, another level, a little faster or slower in the middle, and parts hidden."""
    x = augment.time_shift(x, 8, generator)
    level = 0.5 * torch.randn((len(x), 1, 1, 1), generator=generator)           # in units of the natural logarithm
    x = (x + level.to(x.device)).clamp(min=SILENCE)
    return augment.spec_augment(x, freq_width=6, time_width=10, warp=4, generator=generator), y


def transposed(x, y, generator):
    """For music: up or down by as much as three semitones, and parts hidden. Rows are semitones."""
    return augment.spec_augment(_risen(x, generator), freq_width=6, time_width=20, warp=0, generator=generator), y


def retuned(x, y, generator):
    """For few clips: each batch up or down by three channels at most, each clip at another level, and as `hidden`."""
    level = 0.7 * torch.randn((len(x), 1, 1, 1), generator=generator)           # in units of the natural logarithm
    return hidden(_risen(x, generator) + level.to(x.device), y, generator)


def _risen(x, generator, most=3):
    """A batch moved up or down by as much as `most` rows; what comes in at the edge is silent."""
    rows = torch.arange(x.shape[2]) + torch.randint(-most, most + 1, (), generator=generator)
    silent = ((rows < 0) | (rows >= len(rows))).to(x.device)[:, None]
    return torch.where(silent, x.amin(dim=(1, 2, 3), keepdim=True), x[:, :, rows.clamp(0, len(rows) - 1)])


def moved(x, y, generator):
    """For waveforms: another place in time, and another level."""
    level = 1 + 0.3 * torch.randn((len(x), 1, 1, 1), generator=generator)
    return augment.time_shift(x, 3200, generator) * level.to(x.device), y


def only_test(name, plan, render, n_jobs=1):
    """The test clips of a plan, as a corpus of their own: the same clips as in the whole one.

    Parameters
    ----------
    name : str
        Of the new folder.
    plan : callable
        ``plan() -> pandas.DataFrame``, as `audiolab.corpus.make` takes it.
    render : callable
    n_jobs : int

    Returns
    -------
    audiolab.corpus.Corpus
    """
    rows = plan()
    return make(paths.data("raw", name), rows[rows.split == "test"], render, n_jobs=n_jobs, desc=name)


_EVENTS = dict(title="names one of twelve sound events", corpus=functools.partial(scenes.events, n=1200),
               test=functools.partial(only_test, "scenes-events-test", functools.partial(scenes.plan_events, 1200),
                                      scenes.render_event),
               licence="CC0-1.0", changed=hidden, epochs=30, smoothing=0.1, fit=dict(lr=3e-3, batch_size=32))
_WORDS = dict(title="names one of ten spoken digits", model=models.DSCNN, feature=word_picture, frames=64,
              changed=retold, epochs=30, fit=dict(lr=5e-3))
_DIGITS = dict(corpus=functools.partial(speech.digits, n=3000, length=(1, 1)),
               test=functools.partial(only_test, "speech-digits-test",
                                      functools.partial(speech.plan_digits, 3000, (1, 1)), speech.render))


def _fsdd(n_jobs=1):
    return remote.load("fsdd")


RECIPES = {
    "events-cnn-scenes": Recipe(model=models.CNN, **_EVENTS),
    "events-rnn-scenes": Recipe(model=models.RNN, **_EVENTS),
    "events-crnn-scenes": Recipe(model=models.CRNN, **_EVENTS),
    "events-transformer-scenes": Recipe(model=models.AudioTransformer,
                                        **_EVENTS | dict(epochs=45, fit=dict(lr=1e-3, batch_size=32))),
    "events-wavecnn-scenes": Recipe(model=models.WaveCNN, **_EVENTS | dict(feature=samples, changed=moved)),
    "events-student-scenes": Recipe(model=models.CRNN, **_EVENTS | dict(
        epochs=45, smoothing=0.0, fit=dict(lr=5e-3, batch_size=32), teacher="events-crnn-scenes",
        arguments={"channels": (8, 16, 24), "hidden": 16, "dropout": 0.1},
        note="Learnt from events-crnn-scenes, which is ten times as large: chapter 09.")),
    "places-crnn-scenes": Recipe(model=models.CRNN, **_EVENTS | dict(
        title="names the background of a scene", target="background")),
    "keywords-dscnn-digits": Recipe(licence="CC-BY-4.0", also={"fsdd": _fsdd}, **_DIGITS, **_WORDS),
    "keywords-dscnn-fsdd": Recipe(
        corpus=_fsdd, test=_fsdd, licence="CC-BY-SA-4.0", seeds=(0, 1, 2, 3, 4), **_WORDS,
        note="Official split: takes 0 to 4 of each digit and speaker are the test, and all six speakers are on both "
             "sides. The settings were chosen on takes 5 to 9, by models trained without them."),
    "genres-cnn-music": Recipe(
        "names one of six musical styles", functools.partial(music.genres, n=1800),
        functools.partial(only_test, "music-genres-test", functools.partial(music.plan_genres, 1800), music.render_row),
        "CC-BY-4.0, songs non-commercial", models.CNN, 30, semitones, changed=transposed,
        fit=dict(lr=3e-3, batch_size=32)),
    "emotion-crnn-speech": Recipe(
        "estimates the intensity of a rendered emotion", functools.partial(speech.emotion, n=3000),
        functools.partial(only_test, "speech-emotion-test", functools.partial(speech.plan_emotion, 3000),
                          speech.render_emotion),
        "CC-BY-4.0", models.CRNN, 30, frames=200, target="intensity", changed=hidden,
        fit=dict(lr=3e-3, batch_size=32)),
}


def data(recipe, n_jobs=1, corpus=None):
    """The pictures of a recipe's corpus, or of another one.

    Returns
    -------
    audiolab.features.FeatureSet

    Taught in: notebooks/06_classification.ipynb, "Which network?"
    """
    return features.extract((corpus or recipe.corpus)(n_jobs=n_jobs), recipe.feature, n_jobs=n_jobs)


def tensors(recipe, pictures, split):
    """Inputs and targets of one split; None where there is none of that name."""
    if split not in set(pictures.table.split):
        return None
    return pictures.split(split).tensors(recipe.frames, SILENCE, recipe.target)


def loss(recipe, y):
    """Mean squared error for numbers, cross entropy for names."""
    if y.is_floating_point():
        return torch.nn.MSELoss()
    return torch.nn.CrossEntropyLoss(label_smoothing=recipe.smoothing)


def score(output, y):
    """What the validation curve shows: macro-F1 of names, or minus the mean absolute error of numbers."""
    if y.is_floating_point():
        return -metrics.mean_absolute_error(y, output)
    return metrics.macro_f1(y, output.argmax(dim=1))


def measured(model, x, y):
    """What a model is worth on clips that it never met, as a card holds it.

    Parameters
    ----------
    model : torch.nn.Module
    x, y : torch.Tensor
        As `tensors` gives them.

    Returns
    -------
    dict of str to float
    """
    output = training.predict(model, x)
    if y.is_floating_point():
        return {"clips": len(y), "mean_absolute_error": metrics.mean_absolute_error(y, output),
                "mean_squared_error": metrics.mean_squared_error(y, output)}
    right = int((output.argmax(dim=1) == y).sum())
    return {"clips": len(y), "right": right, "accuracy": right / len(y), "macro_f1": score(output, y)}


def train(name, recipe, n_jobs, progress):
    """As `audiolab.recipes.train`."""
    pictures = data(recipe, n_jobs)
    parts = {split: tensors(recipe, pictures, split) for split in ("train", "validation", "test")}
    labels = pictures.names(recipe.target)
    arguments = {"n_classes": max(len(labels), 1)} | (
        {} if recipe.model is models.WaveCNN else {"n_mels": parts["train"][0].shape[2]}) | recipe.arguments
    changed, missed = recipe.changed, loss(recipe, parts["train"][1])
    if recipe.teacher:
        changed, missed = compress.taught_by(models.load(recipe.teacher)[0], changed), compress.distillation_loss
    trained = []
    for seed in recipe.seeds:
        torch.manual_seed(seed)
        model = recipe.model(**arguments)
        history = training.fit(
            model, parts["train"], parts["validation"], loss=missed, epochs=recipe.epochs,
            score=score, augment=changed, seed=seed, progress=progress,
            resume=paths.data("runs", name, f"{known_by(recipe)}-{seed}.pt"), **recipe.fit)
        trained.append((measured(model, *parts["test"]), seed, model, history))
    best_first = sorted(trained, key=lambda one: one[0].get("accuracy", 0.0), reverse=True)
    found, seed, model, history = best_first[len(trained) // 2]
    others = {}
    for other, corpus in recipe.also.items():
        others[other] = measured(model, *tensors(recipe, data(recipe, n_jobs, corpus), "test"))
    card = {
        "title": recipe.title, "arguments": arguments, "labels": labels, "target": recipe.target,
        "corpus": pictures.about["corpus"].replace("\\", "/").rpartition("/")[2], "feature": pictures.about["feature"],
        "frames": parts["train"][0].shape[3], "seed": seed, "epochs": recipe.epochs, "steps": history.rows[-1]["step"],
        "options": recipe.fit | {"label_smoothing": recipe.smoothing}, "seconds": round(history.seconds),
        "machine": machine(),
        "licence": recipe.licence, "note": recipe.note,
        "metrics": {"test": found, **others}, "seeds": {str(one[1]): one[0] for one in trained},
    }
    return models.save(name, model, card)


def machine():
    """Threads, cores, processor, system and PyTorch, as a card names them."""
    return (f"{torch.get_num_threads()} of {os.cpu_count()} cores of {platform.machine()}, {platform.system()}, "
            f"torch {torch.__version__}")


def known_by(recipe):
    """What stands for a recipe in the name of its state, so that another one does not go on from it."""
    options = (recipe.model.__name__, recipe.epochs, recipe.target, recipe.frames, recipe.smoothing, recipe.fit)
    options += (recipe.arguments, recipe.teacher) if recipe.arguments else ()
    changed = inspect.getsource(recipe.changed) if recipe.changed else ""
    return digest(repr(options) + recipe.feature.__name__ + changed)[:8]


def evaluate(name, recipe, n_jobs):
    """As `audiolab.recipes.evaluate`."""
    model, _ = models.load(name)
    return measured(model, *tensors(recipe, data(recipe, n_jobs, recipe.test), "test"))
