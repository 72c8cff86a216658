"""Recipes of chapter 14: who speaks, in whose voice to speak, and who only seems to.

All of them live on the same crowd of synthetic people. Encoder and synthesiser learn from its training people; the
judge learns from the same people too, but from other sentences, by another network, another picture, another loss.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from .. import augment, features, metrics, models, paths, training
from ..corpora import remote, speech
from ..corpus import digest, make
from ..features.mel import SILENCE
from ..models import speaker
from .naming import machine, only_test

UTTERANCES = 4                  # of each voice in a batch
REFERENCE = 4.0                 # seconds of speech that a voice is known from, in tests
REFUSED, DRAWS = 0.05, 5        # share of validation recordings by one voice that are taken for two voices, when each
                                # stretch is as if recorded elsewhere; recordings of each clip
DECIBEL = np.log(10) / 10       # in units of a log-mel


@dataclass(frozen=True)
class Listening:
    """What a checkpoint that knows voices is made of.

    Attributes
    ----------
    title : str
        What the model does, in a few words.
    model : type
        Of `audiolab.models`.
    epochs : int
    seed : int
        Of the corpus: which sentences the people read.
    heard : callable
        ``heard(pool, x, y, generator)``: stretches of the voices x; see `met`.
    picture : dict
        Of `audiolab.features.log_mel`.
    arguments : dict
        Of `model`.
    fit : dict
        Other options of `audiolab.training.fit`.
    note : str
        What else one must know.
    """

    title: str
    model: type
    epochs: int
    seed: int
    heard: Callable
    picture: dict
    arguments: dict = field(default_factory=dict)
    fit: dict = field(default_factory=dict)
    note: str = ""


# ---------------------------------------------------------------------------------------- who speaks


def pictures(corpus, split, n_jobs=1, **picture):
    """What each person of a split says, pauses cut out: a dict from the person to a list of log-mels [n_mels, frames].

    Taught in: notebooks/14_voice_cloning.ipynb, "Who is speaking?"
    """
    seen = features.extract(corpus, speaker.spoken, n_jobs=n_jobs, **(picture or speaker.PICTURE)).split(split)
    found = {}
    for i, person in enumerate(seen.table.group):
        found.setdefault(person, []).append(np.array(seen[i][0]))
    return found


def met(pool, x, y, generator):
    """Some stretches of each voice of a batch, as if each were recorded somewhere else.

    Parameters
    ----------
    pool : list of list of np.ndarray
        Pictures of each voice.
    x : torch.Tensor of int, shape [voices]
        Which voices.
    y : torch.Tensor
        Not used.
    generator : torch.Generator

    Returns
    -------
    pictures : torch.Tensor, shape [voices · UTTERANCES, 1, n_mels, WINDOW]
    voices : torch.Tensor of int, shape [voices · UTTERANCES]

    Taught in: notebooks/14_voice_cloning.ipynb, "How does a network learn a voice?"
    """
    found = []
    for voice in x.tolist():
        for i in torch.randperm(len(pool[voice]), generator=generator)[:UTTERANCES].tolist():
            found.append(stretch(pool[voice][i], generator))
    return elsewhere(torch.stack(found), generator).to(x.device), x.repeat_interleave(UTTERANCES)


def stretch(picture, generator):
    """`speaker.WINDOW` frames of a picture, begun anywhere: [1, n_mels, WINDOW]."""
    picture = speaker.long_enough(picture)
    start = int(torch.randint(picture.shape[1] - speaker.WINDOW + 1, (), generator=generator))
    return torch.from_numpy(picture[:, start : start + speaker.WINDOW])[None]


def elsewhere(x, generator):
    """Pictures as other microphones might have taken them: other colours, noise, gaps. Powers of sounds add up."""

    def draw(low, high, *shape):
        return low + (high - low) * torch.rand((len(x), *shape), generator=generator)

    colour = torch.nn.functional.interpolate(3 * torch.randn((len(x), 1, 6), generator=generator), size=x.shape[2],
                                             mode="linear", align_corners=True)[..., None]
    slope = torch.linspace(0, 1, x.shape[2])[:, None] * draw(-20, 5, 1, 1, 1)   # dB from the lowest to the highest band
    level = x.logsumexp(dim=(1, 2, 3), keepdim=True) - np.log(x[0].numel())     # of the mean power
    noise = level + DECIBEL * (slope + 2 * torch.randn(x.shape, generator=generator) - draw(5, 40, 1, 1, 1))
    x = (torch.logaddexp(x, noise) + DECIBEL * (colour + draw(-3, 3, 1, 1, 1))).clamp(min=SILENCE)
    return augment.spec_augment(x, n_freq_masks=1, freq_width=6, n_time_masks=1, time_width=20, warp=0,
                                generator=generator)


RECIPES = {
    "voices-ge2e-crowd": Listening(
        "knows a voice again", models.SpeakerEncoder, 24, 0, met, speaker.PICTURE,
        fit=dict(lr=3e-3, batch_size=24, clip=3.0, weight_decay=0.01),
        note="Learnt from 1,188 people who are drawn, as those of the test are, each with a larynx of their own."),
    "voices-judge-crowd": Listening(
        "judges whose voice it is", models.SpeakerJudge, 40, 1, met, {"n_mels": 64},
        fit=dict(lr=3e-3, batch_size=24, clip=3.0, weight_decay=0.01),
        note="Judges clones. Its network, picture, loss and sentences are others than those of voices-ge2e-crowd, and "
             "nothing that speaks has learnt from it."),
}


def crowd_few(people=200, n_jobs=1):
    """The clips of some training people, drawn by lot: enough to learn from in half a minute.

    Taught in: notebooks/14_voice_cloning.ipynb, "How does a network learn a voice?"
    """
    plan = speech.plan_crowd().query("split == 'train'")
    some = np.random.default_rng(0).choice(plan.group.unique(), people, replace=False)
    return make(paths.data("raw", f"speech-crowd-few{people}"), plan[plan.group.isin(some)],
                speech.render_person, n_jobs=n_jobs, desc=f"{people} people of the crowd", licence="CC-BY-4.0")


# ---------------------------------------------------------------------------------------- how it is judged


def known(embedded, people):
    """What is known of every utterance: a dict from the person to an array [utterances, dim].

    Parameters
    ----------
    embedded : callable
        ``embedded(picture) -> [dim]``.
    people : dict
        As `pictures` returns it.

    Taught in: notebooks/14_voice_cloning.ipynb, "Who is speaking?"
    """
    return {person: np.stack([embedded(picture) for picture in clips]) for person, clips in people.items()}


def trials(voices):
    """All pairs of utterances: how alike, and whether of one person.

    Parameters
    ----------
    voices : dict of str to np.ndarray, shape [utterances, dim]
        Of each person.

    Returns
    -------
    scores : np.ndarray, shape [pairs]
        Cosines.
    same : np.ndarray of bool, shape [pairs]

    Taught in: notebooks/14_voice_cloning.ipynb, "Who is speaking?"
    """
    whole = np.concatenate(list(voices.values()))
    whole = whole / np.linalg.norm(whole, axis=1, keepdims=True)
    who = np.repeat(np.arange(len(voices)), [len(one) for one in voices.values()])
    i, j = np.triu_indices(len(whole), 1)
    return (whole @ whole.T)[i, j], who[i] == who[j]


def measured(model, people):
    """What a listener is worth on people whom it never met.

    Parameters
    ----------
    model : SpeakerEncoder or SpeakerJudge
    people : dict
        As `pictures` returns it, or `real_people`.

    Returns
    -------
    dict of str to float
        `clips`, utterances, of which all pairs are tried; `eer`, and the `threshold` at which it is reached.

    Taught in: notebooks/14_voice_cloning.ipynb, "Who is speaking?"
    """
    voices = known(functools.partial(speaker.voice_of, model), people)
    rate, threshold = metrics.eer(*trials(voices))
    return {"clips": sum(map(len, voices.values())), "eer": rate, "threshold": threshold}


def pitch(y, sr):
    """``ln F0`` of a clip, the median of what is voiced, or ln 100 where nothing is: [1, 1]."""
    f0, voiced = features.yin(y, sr, voicing=0.5)
    return np.log(np.median(f0[voiced]) if voiced.any() else 100.0).reshape(1, 1)


def timbre(y, sr):
    """Means and standard deviations of twenty MFCCs, without the first, which is the level: [38, 1]."""
    c = features.mfcc(y, sr, 20)[1:]
    return np.concatenate([c.mean(axis=1), c.std(axis=1)])[:, None]


def without_network(corpus):
    """Equal error rates of plain measures on the test people: `pitch` alone, and the statistics of `timbre`.

    What is compared are distances, in standard deviations of the validation clips.

    Taught in: notebooks/14_voice_cloning.ipynb, "Who is speaking?"
    """
    found = {}
    for feature in (pitch, timbre):
        learnt, x = (np.concatenate([feature(y, sr) for y, sr, _ in corpus.split(split)], axis=1)
                     for split in ("validation", "test"))
        x, who = features.Standardizer().fit([learnt])(x).T, corpus.split("test").table.group.to_numpy()
        i, j = np.triu_indices(len(x), 1)
        found[feature.__name__] = metrics.eer(-np.linalg.norm(x[i] - x[j], axis=1), who[i] == who[j])[0]
    return found


def real_people(n=8, seed=0, **picture):
    """What the six speakers of FSDD say: their digits, `n` at a time, in any order; pictures as of `pictures`.

    Raises
    ------
    CorpusError
        If FSDD cannot be had.

    Taught in: notebooks/14_voice_cloning.ipynb, "Does it know real people?"
    """
    real, rng, found = remote.load("fsdd"), np.random.default_rng(seed), {}
    for person, table in real.table.groupby("speaker"):
        order = rng.permutation(table.index.to_numpy())
        for some in np.split(order[: len(order) // n * n], len(order) // n):
            y = np.concatenate([real[int(i)][0] for i in some])
            found.setdefault(person, []).append(speaker.spoken(y, real.table.sr[some[0]], **picture))
    return found


def references(people, one=True, seed=0):
    """Recordings of `REFERENCE` seconds of speech, of one person each; or half of it of one, the rest of another.

    Parameters
    ----------
    people : dict
        As `pictures` returns it.
    one : bool
    seed : int

    Returns
    -------
    dict of str to list of np.ndarray, shape [n_mels, 100 · REFERENCE]
        One for each utterance of each person: it begins with that utterance.

    Taught in: notebooks/14_voice_cloning.ipynb, "Can it speak in a voice it never heard?"
    """
    rng, names, found = np.random.default_rng(seed), list(people), {person: [] for person in people}
    frames = round(100 * REFERENCE)
    for person, clips in people.items():
        for i in range(len(clips)):
            own = np.concatenate([clips[i], *(clips[j] for j in rng.permutation(len(clips)) if j != i)], axis=1)
            if not one:
                other = rng.choice([name for name in names if name != person])
                own = np.concatenate([own[:, : frames // 2], *people[other]], axis=1)
            found[person].append(own[:, :frames])
    return found


def agreements(model, people, generator=None):
    """Of each recording of some people the cosine of its first and its last stretch, [recordings].

    With a generator either stretch is as if recorded somewhere else: see `elsewhere`.
    """
    found = []
    for picture in (picture for clips in people.values() for picture in clips):
        ends = speaker.stretches(picture)[[0, -1]]
        with torch.inference_mode():
            first, last = model.eval()(elsewhere(ends, generator) if generator else ends)
        found.append(float(first @ last))
    return np.array(found)


def least_agreement(model, people):
    """The cosine that `REFUSED` of recordings by one person each do not reach.

    Real people vary more within a recording than synthetic ones: so either stretch comes from another microphone.
    """
    generator = torch.Generator().manual_seed(0)
    drawn = [agreements(model, references(people, seed=seed), generator) for seed in range(DRAWS)]
    return float(np.quantile(drawn, REFUSED))


def refused(model, people):
    """How many recordings of one person, and of two, `audiolab.models.speaker.embed` takes for two people: shares.

    Taught in: notebooks/14_voice_cloning.ipynb, "Can it speak in a voice it never heard?"
    """
    return {who: float(np.mean(agreements(model, references(people, who == "one")) < float(model.agreement)))
            for who in ("one", "two")}


# ---------------------------------------------------------------------------------------- following the recipes


def train(name, recipe, n_jobs, progress):
    """As `audiolab.recipes.train`."""
    corpus = speech.crowd(recipe.seed, n_jobs)
    people = {split: pictures(corpus, split, n_jobs, **recipe.picture) for split in ("train", "validation", "test")}
    pool = list(people["train"].values())
    arguments = {"n_mels": recipe.picture["n_mels"]} | recipe.arguments
    if recipe.model is models.SpeakerJudge:
        arguments["voices"] = len(pool)
    torch.manual_seed(0)
    model, at = recipe.model(**arguments), torch.arange(len(pool))
    history = training.fit(
        model, (at, at), loss=model.loss, epochs=recipe.epochs, augment=functools.partial(recipe.heard, pool),
        progress=progress, resume=paths.data("runs", name, f"{_known_by(recipe)}.pt"), **recipe.fit)
    model.cpu()
    if recipe.model is models.SpeakerEncoder:
        model.agreement.fill_(least_agreement(model, people["validation"]))
    models.checkpoints.halve(model)
    found = {"test": measured(model, people["test"])}
    if recipe.model is models.SpeakerEncoder:
        found |= {"without": without_network(corpus), "two_people": refused(model, people["test"])}
        if remote.at_hand("fsdd"):
            real = real_people()
            found |= {"fsdd": measured(model, real), "two_people_fsdd": refused(model, real)}
    return models.save(name, model, {
        "title": recipe.title, "arguments": arguments, "sr": model.sr, "corpus": corpus.root.name, "feature": "spoken",
        "picture": recipe.picture, "heard": recipe.heard.__name__, "seed": 0, "epochs": recipe.epochs,
        "steps": history.rows[-1]["step"], "options": recipe.fit, "seconds": round(history.seconds),
        "machine": machine(), "licence": "CC-BY-4.0", "note": recipe.note, "metrics": found})


def _known_by(recipe):
    """What stands for a recipe in the name of its state, so that another one does not go on from it."""
    options = (recipe.model.__name__, recipe.epochs, recipe.seed, recipe.picture, recipe.arguments,
               recipe.fit, UTTERANCES)
    return digest(repr(options) + "".join(map(inspect.getsource, (recipe.heard, elsewhere))))[:8]


def evaluate(name, recipe, n_jobs):
    """As `audiolab.recipes.evaluate`."""
    model, _ = models.load(name)
    plan = functools.partial(speech.plan_crowd, seed=recipe.seed)
    corpus = only_test(f"speech-crowd-s{recipe.seed}-test", plan, speech.render_person, n_jobs)
    return measured(model, pictures(corpus, "test", n_jobs, **recipe.picture))
