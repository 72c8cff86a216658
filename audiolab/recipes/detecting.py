"""Recipes of the networks that say which sound is where in a soundscape, by strong, weak and few labels."""

import copy
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from .. import augment, detection, features, models, paths, training
from ..corpora import scenes
from ..corpus import digest
from ..models import detect
from .naming import machine, only_test

N = 600                         # soundscapes: 420 to learn from, 60 to choose by, 120 for the test
HOP = 0.04                      # s, of the answers: four frames of the log-mel
SHIFT = 50                      # frames of the answer by which a clip is turned at most
LABELLED = 40                   # clips with labels, where the rest has none
SCENARIOS = {"psds1": {}, "psds2": {"dtc": 0.1, "gtc": 0.1, "alpha_ct": 0.5}}            # of DCASE
SIZES = {"n_mels": 64, "n_classes": len(scenes.CLASSES)}


@dataclass(frozen=True)
class Detection:
    """What a checkpoint that detects is made of.

    Attributes
    ----------
    title : str
        What the model does, in a few words.
    model : type
        Of `audiolab.models`.
    epochs : int
    heard : callable
        ``augment`` of `audiolab.training.fit`.
    loss : callable
    told : callable
        ``told(x, y)``: what of the clips and their strong labels [clips, time, classes] the network gets to see.
    taught : int
        Epochs with a mean teacher, after `epochs` without one; 0 for none.
    fit : dict
        Other options of `audiolab.training.fit`.
    note : str
        What else one must know.
    """

    title: str
    model: type
    epochs: int
    heard: Callable
    loss: Callable = field(default_factory=lambda: binary_cross_entropy_with_logits)
    told: Callable = field(default_factory=lambda: everything)
    taught: int = 0
    fit: dict = field(default_factory=lambda: dict(lr=3e-3, batch_size=16, clip=1.0, weight_decay=0.01))
    note: str = ""


# ---------------------------------------------------------------------------------------- what is heard


def turned(x, y, generator):
    """Clips and labels turned in time alike, by up to two seconds: what leaves at one end comes in at the other."""
    by = int(torch.randint(-SHIFT, SHIFT + 1, (), generator=generator))
    return x.roll(by * detect.STRIDE, dims=3), y.roll(by, dims=1) if y.ndim == 3 else y


def at_another_level(x, generator):
    """Log-mels at another level each, by 0.7 in units of the natural logarithm (standard deviation)."""
    return x + 0.7 * torch.randn((len(x), 1, 1, 1), generator=generator).to(x.device)


def overlaid(x, y, generator):
    """Every second clip with another one on top: powers are added, and what occurs in either occurs.

    As mixup, but for sounds, which add up: the labels are not weighed, they are joined. Clips without labels, those
    with -1 for 0 and 1, meet their like.
    """
    order, unknown = torch.arange(len(x)), (y < 0).flatten(1).any(dim=1).cpu()
    for alike in (unknown.nonzero()[:, 0], (~unknown).nonzero()[:, 0]):
        order[alike] = alike[torch.randperm(len(alike), generator=generator)]
    both = (torch.rand(len(x), generator=generator) < 0.5).to(x.device)
    return torch.where(both[:, None, None, None], torch.logaddexp(x, x[order]), x), \
        torch.where(both.view(-1, *[1] * (y.ndim - 1)), torch.maximum(y, y[order]), y)


def hidden(x, generator):
    """Bands of channels and stretches of frames of a batch, hidden."""
    return augment.spec_augment(x, warp=0, generator=generator)


def strongly(x, y, generator):
    """For clips with times: turned, overlaid, at another level, and parts hidden."""
    x, y = overlaid(*turned(x, y, generator), generator)
    return hidden(at_another_level(x, generator), generator), y


def weakly(x, y, generator):
    """For clips without times: turned, at another level, and parts hidden, but never two at once."""
    x, y = turned(x, y, generator)
    return hidden(at_another_level(x, generator), generator), y


def twice(x, y, generator):
    """For a student and its teacher: two views, of which the student's is the harder one."""
    x, y = overlaid(*turned(x, y, generator), generator)
    return (hidden(at_another_level(x, generator), generator), x), y


# ---------------------------------------------------------------------------------------- the recipes


def everything(x, y):
    """Strong labels, of all clips."""
    return x, y


def occurs(x, y):
    """Weak labels: which classes occur in a clip, [clips, time, classes] to [clips, classes]."""
    return x, y.amax(dim=1)


def weak_loss(logits, y):
    """Binary cross entropy of the clip's probabilities, by linear softmax pooling."""
    return binary_cross_entropy(detect.linear_softmax_pooling(logits).clamp(1e-6, 1 - 1e-6), y)


def labelled(x, y):
    """The first `LABELLED` clips alone, as often as there are clips."""
    known = torch.arange(LABELLED).repeat(len(x) // LABELLED - 1)
    return x[known], y[known]


def few(x, y):
    """The same, and all others with -1 for their labels."""
    known, names = labelled(x, y)
    return torch.cat([known, x[LABELLED:]]), torch.cat([names, torch.full_like(y[LABELLED:], -1)])


RECIPES = {
    "detect-crnn-scenes": Detection("says which of twelve sound events is where", models.EventCRNN, 40, strongly),
    "detect-transformer-scenes": Detection(
        "says which of twelve sound events is where", models.EventTransformer, 60, strongly,
        fit=dict(lr=1e-3, batch_size=16, clip=1.0, weight_decay=0.01)),
    "detect-crnn-weak": Detection(
        "says which of twelve sound events is where, having been told only which occur", models.EventCRNN, 40, weakly,
        loss=weak_loss, told=occurs, note="Learnt from weak labels. Thresholds are chosen by 60 clips with times."),
    "detect-crnn-taught": Detection(
        "says which of twelve sound events is where, having been told so of a tenth of the clips", models.EventCRNN,
        30, strongly, told=labelled, taught=15,
        note=f"Learnt from {LABELLED} clips with labels, then from these and 380 without by a mean teacher. `alone` in "
             "the metrics is the same network which went on for as many steps, at the same rate, without a teacher."),
}


# ---------------------------------------------------------------------------------------- following one


def soundscapes(n_jobs=1):
    """The corpus of all of them."""
    return scenes.soundscapes(N, n_jobs=n_jobs)


def soundscapes_test(n_jobs=1):
    """Those of them that are for the test."""
    return only_test("scenes-soundscapes-test", functools.partial(scenes.plan_soundscapes, N), scenes.render_soundscape,
                     n_jobs)


def clips(corpus, split, n_jobs=1, feature=features.log_mel):
    """Pictures of a split's soundscapes and what sounds in each of their frames.

    Parameters
    ----------
    corpus : audiolab.corpus.Corpus
        With a table ``events``.
    split : str
    n_jobs : int
    feature : callable
        As `audiolab.features.extract` takes it.

    Returns
    -------
    x : torch.Tensor, shape [clips, 1, mel, time], float32
    y : torch.Tensor, shape [clips, time / 4, classes], float32
        1 where a class of `audiolab.corpora.scenes.CLASSES` sounds.

    Taught in: notebooks/11_event_detection.ipynb, "What sounds when?"
    """
    part = features.extract(corpus, feature, n_jobs=n_jobs).split(split)
    frames = min(part.table.frames) // detect.STRIDE            # whole ones: the last column is centred on the end
    x = torch.stack([torch.from_numpy(picture[None, :, : frames * detect.STRIDE]) for picture, _, _ in part])
    events = corpus.split(split).sidecar("events")
    grids = [detection.to_frames(events[events.path == path], scenes.CLASSES, frames, HOP)
             for path in corpus.split(split).table.path]
    return x, torch.from_numpy(np.stack(grids)).float()


def probabilities(model, x):
    """Of every class in every frame, as an array [clips, time, classes].

    Taught in: notebooks/11_event_detection.ipynb, "Can a network say when?"
    """
    return training.predict(model, x, 32).sigmoid().numpy()


def rule(card):
    """How a checkpoint decides: the rule on its card, chosen by validation clips.

    Taught in: notebooks/11_event_detection.ipynb, "Where does one draw the line?"
    """
    return detection.Rule(tuple(card["rule"]["high"]), card["rule"]["low"], card["rule"]["smooth"])


def table(p, paths, rule):
    """Events in many clips, by a rule: `path`, `onset`, `offset` in seconds, `label`.

    Parameters
    ----------
    p : np.ndarray, shape [clips, time, classes]
    paths : sequence of str
        The name of each clip.
    rule : audiolab.detection.Rule

    Taught in: notebooks/11_event_detection.ipynb, "Where does one draw the line?"
    """
    return detection.in_clips(_decided(p, rule), scenes.CLASSES, HOP, paths)


def _decided(p, rule):
    """Which class is on in which frame, by a rule: bool, shape of `p`."""
    return np.stack([detection.active(clip, rule) for clip in p])


def measured(p, corpus, y, rule):
    """What probabilities are worth on test clips, as a card holds it.

    Parameters
    ----------
    p : np.ndarray, shape [clips, time, classes]
    corpus : audiolab.corpus.Corpus
        Of the same clips, in the same order.
    y : torch.Tensor, shape of `p`
    rule : audiolab.detection.Rule

    Returns
    -------
    dict of str to float
        `clips`, `map` and `segment_f1` over segments of 1 s, `event_f1` (200 ms collar, with ends), `onset_f1`
        (without), `psds1` and `psds2`, over 50 evenly spaced thresholds, after the median filter of the rule and
        without hysteresis: somewhat less than over all thresholds there are.

    Taught in: notebooks/11_event_detection.ipynb, "Where does one draw the line?"
    """
    truth, names = corpus.sidecar("events"), list(corpus.table.path)
    wanted, decided = detection.segments(y.numpy() > 0, HOP), _decided(p, rule)
    found = detection.in_clips(decided, scenes.CLASSES, HOP, names)
    smooth = np.stack([detection.median_filter(clip, rule.smooth) for clip in p])
    many = [detection.in_clips(smooth >= threshold, scenes.CLASSES, HOP, names)
            for threshold in np.linspace(0.01, 0.99, 50)]
    lasts = dict(zip(names, corpus.table.duration, strict=True))
    return {"clips": len(p), "map": detection.average_precision(wanted, detection.segments(p, HOP))[0],
            "segment_f1": detection.segment_f1(wanted, detection.segments(decided, HOP))["f1"],
            "event_f1": detection.event_f1(truth, found)["f1"],
            "onset_f1": detection.event_f1(truth, found, offsets=False)["f1"],
            **{name: detection.psds(truth, many, lasts, **options) for name, options in SCENARIOS.items()}}


def train(name, recipe, n_jobs, progress):
    """As `audiolab.recipes.train`."""
    corpus = soundscapes(n_jobs)
    parts = {split: clips(corpus, split, n_jobs) for split in ("train", "validation", "test")}
    x, y = parts["train"]

    def fitted(model, x, y, loss, heard, epochs, state, **options):
        return training.fit(model, (x, y), loss=loss, epochs=epochs, augment=heard, progress=progress,
                            resume=paths.data("runs", name, f"{state}.pt"), **recipe.fit | options)

    torch.manual_seed(0)
    model = recipe.model(**SIZES)
    state = _known_by(recipe)
    stages = [fitted(model, *recipe.told(x, y), recipe.loss, recipe.heard, recipe.epochs, state)]
    metrics = {}
    if recipe.taught:
        slowly = {"lr": recipe.fit["lr"] / 3}
        alone, pair = copy.deepcopy(model), detect.MeanTeacher(model)
        fitted(alone, *recipe.told(x, y), recipe.loss, recipe.heard, recipe.taught, f"{state}-alone", **slowly)
        metrics["alone"] = judged(alone, parts, corpus)[1]
        stages.append(fitted(pair, *few(x, y), detect.semi_supervised_loss, twice, recipe.taught, f"{state}-taught",
                             batch_size=2 * recipe.fit["batch_size"], **slowly))
        model = pair.teacher.requires_grad_()
    models.checkpoints.halve(model.cpu())
    chosen, metrics["test"] = judged(model, parts, corpus)
    return models.save(name, model, {
        "title": recipe.title, "arguments": SIZES, "labels": scenes.CLASSES, "corpus": corpus.root.name,
        "feature": "log_mel", "hop": HOP, "rule": vars(chosen), "heard": recipe.heard.__name__, "seed": 0,
        "epochs": recipe.epochs, "steps": sum(stage.rows[-1]["step"] for stage in stages), "options": recipe.fit,
        "seconds": round(sum(stage.seconds for stage in stages)), "machine": machine(),
        "licence": scenes.LICENCE, "note": recipe.note,
        "metrics": metrics})


def _known_by(recipe):
    """What stands for a recipe in the name of its state, so that another one does not go on from it."""
    functions = (clips, turned, at_another_level, overlaid, hidden, recipe.heard, recipe.told, twice)
    options = (recipe.model.__name__, recipe.epochs, recipe.taught, recipe.fit, SHIFT, LABELLED)
    return digest(repr(options) + "".join(map(inspect.getsource, functions)))[:8]


def judged(model, parts, corpus):
    """The rule that validation clips choose, and what the test clips say of it."""
    (x, y), (x_test, y_test) = parts["validation"], parts["test"]
    chosen = detection.tuned(probabilities(model, x), y.numpy() > 0, HOP)
    return chosen, measured(probabilities(model, x_test), corpus.split("test"), y_test, chosen)


def evaluate(name, recipe, n_jobs):
    """As `audiolab.recipes.evaluate`."""
    model, card = models.load(name)
    corpus = soundscapes_test(n_jobs)
    x, y = clips(corpus, "test", n_jobs)
    return measured(probabilities(model, x), corpus, y, rule(card))
