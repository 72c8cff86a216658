"""The recipe of the network that tells voices from their clones, judged by a vocoder that it never heard.

It learns from clones whose sounds are made by Griffin-Lim, and from copies: what people said themselves, drawn as a
picture and sounded again by the same Griffin-Lim. Those count as genuine, so that the vocoder tells it nothing, and
what a network draws is all that is left to find. The clones of the test are spoken by a neural vocoder.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from .. import features, metrics, models, paths, training, vocode
from ..corpora import remote, speech
from ..corpus import Clip, digest, make
from ..models import speaker
from . import cloning, voices
from .naming import machine, only_test

KINDS = {"train": ("genuine", "genuine", "copy", "clone"), "validation": ("genuine", "genuine", "copy", "clone"),
         "test": ("genuine", "genuine", "copy", "clone", "copy istft", "clone istft")}      # clips of each person
TAUGHT = 396                    # people of train who are taken
ROUNDS = (1, 2, 4, 8, 16, 32, 64)       # of Griffin-Lim, so that no sound of its own goes along with what is false
ALARMS = 0.05                   # share of genuine recordings that may be called false


@dataclass(frozen=True)
class Spoofing:
    """What a checkpoint that finds clones is made of.

    Attributes
    ----------
    title : str
        What the model does, in a few words.
    model : type
        Of `audiolab.models`.
    epochs : int
    heard : callable
        ``heard(pool, x, y, generator)``: stretches of the clips x; see `stretched`.
    picture : dict
        Of `audiolab.features.log_mel`.
    fit : dict
        Other options of `audiolab.training.fit`.
    note : str
        What else one must know.
    """

    title: str
    model: type
    epochs: int
    heard: Callable
    picture: dict
    fit: dict = field(default_factory=dict)
    note: str = ""


# ---------------------------------------------------------------------------------------- genuine and false


def plan_fakes(seed=2):
    """Plan of `fakes`, a row for each clip; see `audiolab.corpus.make`."""
    plan = speech.plan_crowd(len(KINDS["test"]), seed)
    learnt = plan.group[plan.split == "train"].unique()[:TAUGHT]
    plan = plan[(plan.split != "train") | plan.group.isin(learnt)].reset_index(drop=True)
    number = plan.groupby("group").cumcount()
    kinds = [KINDS[split][i] if i < len(KINDS[split]) else "" for split, i in zip(plan.split, number, strict=True)]
    following = plan.groupby("group").text.transform(lambda texts: np.roll(texts, -1) + " " + np.roll(texts, -2))
    rounds = np.random.default_rng(seed).choice(ROUNDS, len(plan))
    plan = plan.assign(label=kinds, rounds=np.where(plan.split == "test", 32, rounds), _reference=following)
    return plan[np.array(kinds) != ""].reset_index(drop=True)


def fakes(n_jobs=1):
    """Corpus of genuine sentences of the crowd, of copies (a sentence that became a picture, and a sound again), and of
    clones: what `clones-fastspeech-crowd` says in a person's voice.

    Parameters
    ----------
    n_jobs : int
        Processes that render.

    Returns
    -------
    audiolab.corpus.Corpus
        Column `label`: ``"genuine"``, ``"copy"``, ``"clone"``, by Griffin-Lim; in the test also ``"copy istft"`` and
        ``"clone istft"``, by vocoder-istft-english. Other columns as in `audiolab.corpora.speech.crowd`.

    Taught in: notebooks/14_voice_cloning.ipynb, "Can a machine hear the fake?"
    """
    return make(paths.data("raw", "speech-fakes"), plan_fakes(), render_fake, n_jobs=n_jobs, desc="speech-fakes",
                licence="CC-BY-4.0")


def render_fake(row):
    """Speak one row of `plan_fakes`."""
    kind, _, other = row["label"].partition(" ")
    if kind == "genuine":
        return Clip(speech.render_person(row).y, vocode.SR)
    sound = _loaded("vocoder-istft-english").sound if other else functools.partial(vocode.sound, n_iter=row["rounds"])
    if kind == "copy":
        picture = vocode.picture(speech.render_person(row).y)
    else:
        reference = speech.render_person(row | {"text": row["_reference"]})
        told = cloning.told(_loaded(cloning.ENCODER), reference.y)
        picture = cloning.imitated(_loaded("clones-fastspeech-crowd"), row["text"], *told)
    y = sound(picture)
    return Clip(y / max(1, np.abs(y).max()), vocode.SR)         # new phases may add up higher


@functools.cache
def _loaded(name):
    return models.load(name)[0]


def seen(corpus, split, n_jobs=1, **picture):
    """Pictures of what is said in the clips of a split, pauses cut out, and the label of each."""
    found = features.extract(corpus, speaker.spoken, n_jobs=n_jobs, **picture).split(split)
    return [np.array(found[i][0]) for i in range(len(found))], found.table.label.to_numpy()


def stretched(pool, x, y, generator):
    """A stretch of each clip, as if it were recorded somewhere else.

    Parameters
    ----------
    pool : list of np.ndarray
        Pictures.
    x, y : torch.Tensor of int, shape [batch]
        Which clips, and whether they are false.
    generator : torch.Generator

    Returns
    -------
    pictures : torch.Tensor, shape [batch, 1, n_mels, WINDOW]
    y : torch.Tensor

    Taught in: notebooks/14_voice_cloning.ipynb, "Can a machine hear the fake?"
    """
    found = torch.stack([voices.stretch(pool[i], generator) for i in x.tolist()])
    return voices.elsewhere(found, generator).to(x.device), y


RECIPES = {
    "spoof-cnn-clones": Spoofing(
        "tells voices from clones", models.CNN, 30, stretched, {"n_mels": 64, "fmax": 4000.0, "n_fft": 1024},
        fit=dict(lr=3e-3, batch_size=32, weight_decay=0.01),
        note="Learnt from synthetic voices and their clones by Griffin-Lim; copies by Griffin-Lim count as genuine, so "
             "that it does not learn the vocoder. Of networks that speak otherwise it may find nothing."),
}


# ---------------------------------------------------------------------------------------- how it is judged


def falseness(model, picture):
    """How false a picture that `speaker.spoken` made looks: the logit of "false" less that of "genuine", mean."""
    with torch.inference_mode():
        logits = model.eval()(speaker.stretches(picture)).mean(dim=0)
    return float(logits[1] - logits[0])


def detect(model, card, y, sr):
    """How false a recording sounds to a detector.

    Parameters
    ----------
    model : torch.nn.Module
    card : dict
        As ``models.load("spoof-cnn-clones")`` returns the two.
    y : np.ndarray, shape [n] or [channels, n]
    sr : int
        8000 Hz or more.

    Returns
    -------
    score : float
        Higher for what sounds false.
    false : bool
        Whether it is above the card's threshold, which 5 % of genuine validation recordings pass.

    Raises
    ------
    ValueError
        As `audiolab.models.speaker.spoken`, or if nobody speaks.

    Taught in: notebooks/14_voice_cloning.ipynb, "Can a machine hear the fake?"
    """
    picture = speaker.spoken(y, sr, **card["picture"])
    if not picture.shape[1]:
        raise ValueError("Nobody speaks in this recording: there is no voice that could be false.")
    score = falseness(model, picture)
    return score, score > card["threshold"]


def measured(model, corpus, picture, n_jobs=1):
    """What a detector is worth on people whom it never met: the test of `fakes`.

    Returns
    -------
    dict of str to float
        `clips`; of each kind the share that is called false when `ALARMS` of the genuine test recordings are: `clone`
        and `clone istft`, the more the better; `copy` and `copy istft`, what a vocoder alone does; and `eer`, of clones
        by the vocoder that it never heard.

    Taught in: notebooks/14_voice_cloning.ipynb, "Can a machine hear the fake?"
    """
    pictures, _ = seen(corpus, "test", n_jobs, **picture)
    scores, label = np.array([falseness(model, one) for one in pictures]), corpus.split("test").table.label.to_numpy()
    genuine = scores[label == "genuine"]
    return {"clips": len(scores), **against(genuine, scores, label),
            "eer": metrics.eer(*_sides(scores[label == "clone istft"], genuine))[0]}


def against(genuine, scores, label):
    """The share of each kind that is called false when `ALARMS` of some genuine recordings are called false."""
    threshold = np.quantile(genuine, 1 - ALARMS)
    return {kind: float(np.mean(scores[label == kind] > threshold)) for kind in sorted(set(label) - {"genuine"})}


def _sides(false, genuine):
    return np.concatenate([false, genuine]), np.arange(len(false) + len(genuine)) < len(false)


def on_real(model, corpus, picture, threshold, n_jobs=1):
    """The same shares at `ALARMS` false alarms among real recordings: of the six speakers of FSDD. And `called_false`:
    how many of those lie above the threshold that was set among the people of the crowd.

    Raises
    ------
    CorpusError
        If FSDD cannot be had.

    Taught in: notebooks/14_voice_cloning.ipynb, "Can a machine hear the fake?"
    """
    genuine = [falseness(model, one) for clips in voices.real_people(**picture).values() for one in clips]
    pictures, _ = seen(corpus, "test", n_jobs, **picture)
    scores = np.array([falseness(model, one) for one in pictures])
    called = float(np.mean(np.array(genuine) > threshold))
    label = corpus.split("test").table.label.to_numpy()
    return {"clips": len(genuine), "called_false": called} | against(genuine, scores, label)


# ---------------------------------------------------------------------------------------- following the recipe


def train(name, recipe, n_jobs, progress):
    """As `audiolab.recipes.train`."""
    corpus = fakes(n_jobs)
    pool, label = seen(corpus, "train", n_jobs, **recipe.picture)
    torch.manual_seed(0)
    arguments = {"n_mels": recipe.picture["n_mels"], "n_classes": 2}
    model = recipe.model(**arguments)
    history = training.fit(
        model, (torch.arange(len(pool)), torch.from_numpy(label == "clone").long()), loss=torch.nn.CrossEntropyLoss(),
        epochs=recipe.epochs, augment=functools.partial(recipe.heard, pool), progress=progress,
        resume=paths.data("runs", name, f"{_known_by(recipe)}.pt"), **recipe.fit)
    models.checkpoints.halve(model.cpu())
    pictures, label = seen(corpus, "validation", n_jobs, **recipe.picture)
    scores = np.array([falseness(model, one) for one in pictures])
    found = {"test": measured(model, corpus, recipe.picture, n_jobs)}
    threshold = float(np.quantile(scores[label == "genuine"], 1 - ALARMS))
    if remote.at_hand("fsdd"):
        found["fsdd"] = on_real(model, corpus, recipe.picture, threshold, n_jobs)
    return models.save(name, model, {
        "title": recipe.title, "arguments": arguments, "labels": ["genuine", "false"], "sr": speaker.SR,
        "corpus": corpus.root.name, "feature": "spoken", "picture": recipe.picture,
        "threshold": threshold, "heard": recipe.heard.__name__, "seed": 0,
        "epochs": recipe.epochs, "steps": history.rows[-1]["step"], "options": recipe.fit,
        "seconds": round(history.seconds), "machine": machine(), "licence": "CC-BY-4.0", "note": recipe.note,
        "metrics": found})


def _known_by(recipe):
    """What stands for a recipe in the name of its state, so that another one does not go on from it."""
    options = (recipe.model.__name__, recipe.epochs, recipe.picture, recipe.fit)
    return digest(repr(options) + "".join(map(inspect.getsource, (recipe.heard, voices.elsewhere))))[:8]


def evaluate(name, recipe, n_jobs):
    """As `audiolab.recipes.evaluate`."""
    model, _ = models.load(name)
    return measured(model, only_test("speech-fakes-test", plan_fakes, render_fake, n_jobs), recipe.picture, n_jobs)
