"""Recipes of the networks that learn from sound alone: no text, no label and no time of a phoneme is read.

Only when all is learnt are labels looked at, to ask what was found: how much the units tell of the phonemes, and how
well a linear probe on frozen numbers tells words apart of which it met five examples each.
"""

import functools
import inspect
from dataclasses import dataclass, field

import numpy as np
import torch

from .. import augment, features, models, paths, training, transfer
from ..corpora import speech
from ..corpus import digest
from ..models import pretrained, selfsupervised
from ..models.selfsupervised import FIELD, HOP, SR
from .naming import machine, only_test
from .phones import at_16k

WORDS, PAUSE = 4, 0.2           # of one voice that make a training clip, and seconds of silence around each
PACES = (0.85, 1.2)             # how much faster a training clip is played: other throats, too
CLUSTERS = 100
SHOTS, DRAWS = 5, 5             # words of each label that a probe meets, and handfuls of them


@dataclass(frozen=True)
class Pretraining:
    """What a checkpoint that learnt without labels is made of.

    Attributes
    ----------
    title : str
        What the model does, in a few words.
    model : type
        Of `audiolab.models`.
    epochs : int
        Of the last stage.
    first : int
        Epochs of a stage before, which names clusters of cepstra; the last one then names clusters of `layer` of its
        model. Without it there is one stage, that needs no clusters.
    layer : int
    arguments : dict
        Of `model`.
    fit : dict
        Other options of `audiolab.training.fit`.
    seed : int
    note : str
        What else one must know.
    """

    title: str
    model: type
    epochs: int
    first: int = 0
    layer: int = 0
    arguments: dict = field(default_factory=dict)
    fit: dict = field(default_factory=dict)
    seed: int = 0
    note: str = ""


# ---------------------------------------------------------------------------------------- what is heard


def somewhere(x, y, generator):
    """Signals at another pace, half of them as somebody's microphone took them; the clusters are those of before.

    Taught in: notebooks/12_transfer.ipynb, "What can be learnt without labels?"
    """
    signals, lengths = x
    low, high = PACES
    pace = low + (high - low) * torch.rand((), generator=generator).item()
    signals = torch.nn.functional.interpolate(signals[:, None], scale_factor=1 / pace, mode="linear")[:, 0]
    lengths = (lengths / pace).long().clamp(max=signals.shape[1])
    if y.shape[1]:                                              # each new frame has the cluster of the old one there
        middle = torch.arange(selfsupervised.frames(signals.shape[1]), device=y.device) * HOP + FIELD // 2
        y = y[:, ((pace * middle - FIELD // 2) / HOP).round().long().clamp(0, y.shape[1] - 1)]
    half = torch.randperm(len(signals), generator=generator)[: len(signals) // 2]
    signals[half] = augment.recorded(signals[half], SR, generator, augment.rooms(100, SR))
    return (signals, lengths), y


# ---------------------------------------------------------------------------------------- the recipes


def corpora(n_jobs=1):
    """Sentences and words by synthetic voices: their training clips are trained on."""
    return speech.sentences(3000, n_jobs=n_jobs), speech.words(3000, n_jobs=n_jobs)


def sentences_test(n_jobs=1):
    """The sentences that are for the test, by other voices."""
    return only_test("speech-sentences-test", functools.partial(speech.plan_sentences, 3000), speech.render, n_jobs)


RECIPES = {
    "speech-wav2vec2-sentences": Pretraining(
        "tells hidden frames of speech from others", models.TinyWav2Vec2, 15,
        arguments={"cooling": 0.999},
        fit=dict(lr=1.5e-3, batch_size=8, clip=1.0, weight_decay=0.01),
        note="Learnt from the sound of synthetic voices alone, half of it as some microphone took it. No label was "
             "read."),
    "speech-hubert-sentences": Pretraining(
        "names the cluster of hidden frames of speech", models.TinyHubert, 9, first=4, layer=3,
        arguments={"clusters": CLUSTERS}, fit=dict(lr=1.5e-3, batch_size=8, clip=1.0, weight_decay=0.01),
        note="Learnt from the sound of synthetic voices alone, half of it as some microphone took it. First it named "
             "clusters of cepstra, then clusters of its own third layer. No label was read."),
}


# ---------------------------------------------------------------------------------------- following one


def signals(corpus, split, n_jobs=1):
    """Signals at 16 kHz of one split, a list of tensors [n]."""
    found = features.extract(corpus, at_16k, n_jobs=n_jobs).split(split)
    return [torch.from_numpy(found[i][0][0].astype(np.float32)) for i in range(len(found))]


def in_rows(corpus, words):
    """`WORDS` words of one voice after another, with pauses: a list of tensors [n]. Single ones are too short."""
    rows, gap = [], torch.zeros(round(PAUSE * SR))
    for places in corpus.table.groupby("group", sort=False).indices.values():
        for at in range(0, len(places), WORDS):
            rows.append(torch.cat([gap, *(part for i in places[at : at + WORDS] for part in (words[i], gap))]))
    return rows


def cepstra(signal):
    """13 cepstral coefficients and their slopes at each frame, less their mean over the clip, by their deviation.

    Parameters
    ----------
    signal : torch.Tensor, shape [n]
        At 16 kHz.

    Returns
    -------
    np.ndarray, shape [frames, 26]

    Taught in: notebooks/12_transfer.ipynb, "What did it find out?"
    """
    C = features.mfcc(signal.numpy()[FIELD // 2 :], SR, n_fft=512, win_length=400, hop_length=HOP)
    C = np.concatenate([C, features.delta(C)])[:, : selfsupervised.frames(len(signal))].T
    return (C - C.mean(axis=0)) / (C.std(axis=0) + 1e-5)


def batches(model, clips, size):
    """Signals and lengths of so many clips at a time, as the model takes them."""
    for at in range(0, len(clips), size):
        yield model.batch([(clip, torch.zeros(0)) for clip in clips[at : at + size]])[0]


def hidden_states(model, clips, layers):
    """What layers of the encoder make of every frame: for each a list of arrays [frames, dim]; nothing is hidden."""
    made = [[] for _ in layers]
    for x, lengths in batches(model, clips, 16):
        with torch.inference_mode():
            states = model.encoder(**selfsupervised.given(x, lengths), output_hidden_states=True).hidden_states
        sizes = selfsupervised.frames(lengths).tolist()
        for found, layer in zip(made, layers, strict=True):
            found += [state[:n].numpy() for state, n in zip(states[layer], sizes, strict=True)]
    return made


def clustered(parts, seed=0):
    """k-means of frames: the clusters that HuBERT is to name.

    Parameters
    ----------
    parts : list of list of np.ndarray, shape [frames, dim]
        Of training and other clips; the clusters are those of the first.
    seed : int

    Returns
    -------
    list of list of torch.Tensor of int, shape [frames]

    Taught in: notebooks/12_transfer.ipynb, "What did it find out?"
    """
    from sklearn.cluster import MiniBatchKMeans

    found = MiniBatchKMeans(CLUSTERS, batch_size=4096, n_init=3, random_state=seed)
    found.fit(np.concatenate(parts[0])[::2])
    return [[torch.from_numpy(found.predict(clip)).long() for clip in part] for part in parts]


def fitted(name, recipe, stage, model, clips, validation, clusters, epochs, progress):
    """Train a model for one stage, or go on where an interrupted training stopped; returns the history."""
    data = [list(zip(part, named, strict=True)) for part, named in zip((clips, validation), clusters, strict=True)]
    return training.fit(
        model, *data, loss=model.loss, score=model.score, epochs=epochs, augment=somewhere, seed=recipe.seed,
        collate=model.batch, lengths=[len(clip) for clip in clips], progress=progress,
        resume=paths.data("runs", name, f"{known_by(recipe)}-{stage}.pt"), **recipe.fit)


def known_by(recipe):
    """What stands for a recipe in the name of its state, so that another one does not go on from it."""
    options = (recipe.model.__name__, recipe.epochs, recipe.first, recipe.layer, recipe.arguments, recipe.fit,
               recipe.seed, WORDS, PAUSE, PACES, CLUSTERS)
    return digest(repr(options) + inspect.getsource(somewhere))[:8]


def begun(recipe):
    """A model as a recipe begins with it."""
    torch.manual_seed(recipe.seed)
    return recipe.model(**recipe.arguments)


def learnt(name, recipe, clips, validation, progress):
    """A model that has learnt by a recipe, and the histories of its stages."""
    model, both, histories = begun(recipe), (clips, validation), []
    if not recipe.first:
        clusters = [[torch.zeros(0)] * len(part) for part in both]
    else:
        clusters = clustered([[cepstra(clip) for clip in part] for part in both])
        histories.append(fitted(name, recipe, "first", model, *both, clusters, recipe.first, progress))
        clusters = clustered([hidden_states(model, part, [recipe.layer])[0] for part in both])
        model.head.reset_parameters()
    histories.append(fitted(name, recipe, "last", model, *both, clusters, recipe.epochs, progress))
    return model, histories


# ---------------------------------------------------------------------------------------- what was found


def spoken(corpus, clips):
    """The phoneme that sounds in the middle of each frame, without stress, "" in a pause: a list of arrays [frames].

    Parameters
    ----------
    corpus : audiolab.corpus.Corpus
        With a table ``phonemes``.
    clips : list of torch.Tensor, shape [n]
        Its signals at 16 kHz.

    Taught in: notebooks/12_transfer.ipynb, "What did it find out?"
    """
    times, found = dict(list(corpus.sidecar("phonemes").groupby("path"))), []
    for path, clip in zip(corpus.table.path, clips, strict=True):
        middle = (np.arange(selfsupervised.frames(len(clip))) * HOP + FIELD / 2) / SR
        names = np.full(len(middle), "", dtype="U8")
        for onset, offset, phoneme in times[path][["onset", "offset", "phoneme"]].itertuples(index=False):
            names[(middle >= onset) & (middle < offset)] = phoneme.strip("ˈˌ")
        found.append(names)
    return found


def told(units, phonemes):
    """How much units tell of phonemes, over all frames.

    Parameters
    ----------
    units, phonemes : list of array, shape [frames]
        Of the same clips.

    Returns
    -------
    dict of str to float
        `pnmi`: of what one must know to name the phoneme, in nats, the share that the unit tells, ``I(phoneme; unit) /
        H(phoneme)``. `purity`: share of frames that are right when each unit is read as its most frequent phoneme.

    References
    ----------
    Hsu et al., "HuBERT: self-supervised speech representation learning by masked prediction of hidden units", 2021.

    Taught in: notebooks/12_transfer.ipynb, "What did it find out?"
    """
    from sklearn.metrics.cluster import contingency_matrix

    counts = contingency_matrix(np.concatenate(phonemes), np.concatenate(units))        # [phonemes, units]
    p = counts / counts.sum()
    of_phoneme, of_unit = p.sum(axis=1, keepdims=True), p.sum(axis=0, keepdims=True)
    both = p[p > 0]
    shared = (both * np.log(both / (of_phoneme * of_unit)[p > 0])).sum()
    return {"pnmi": float(shared / -(of_phoneme * np.log(of_phoneme)).sum()),
            "purity": float(p.max(axis=0).sum())}


def units(model, clips):
    """The unit of every frame, a list of arrays [frames]: a pair of codewords, or a cluster."""
    return [one.numpy() for x in batches(model, clips, 32) for one in model.units(*x)]


def measured(model, corpus, n_jobs=1):
    """What a model is worth on voices and sentences that it never heard, as a card holds it.

    Parameters
    ----------
    model : TinyWav2Vec2 or TinyHubert
    corpus : audiolab.corpus.Corpus
        Of sentences.
    n_jobs : int

    Returns
    -------
    dict of str to float
        `clips`; `pnmi` and `purity` of the units, as `told` has them; for wav2vec 2.0 also `contrast`, the share of
        hidden frames that it picks out among all hidden ones of the clip.

    Taught in: notebooks/12_transfer.ipynb, "What did it find out?"
    """
    clips = signals(corpus, "test", n_jobs)
    found = {"clips": len(clips), **told(units(model, clips), spoken(corpus.split("test"), clips))}
    if isinstance(model, models.TinyWav2Vec2):
        items = [(clip, torch.zeros(0)) for clip in clips]
        found["contrast"] = float(model.score(training.predict(model, items, 16, model.batch), None))
    return found


def beside(states, corpus, clips):
    """`pnmi` of `CLUSTERS` clusters that are found among the frames [frames, dim] of a corpus's test clips."""
    return told(clustered([states])[0], spoken(corpus.split("test"), clips))["pnmi"]


def by_layer(model, sentences, words, n_jobs=1):
    """What each layer is worth, the frames that go into the transformer first.

    Parameters
    ----------
    model : TinyWav2Vec2 or TinyHubert
    sentences, words : audiolab.corpus.Corpus
        Of `speech.sentences` and `speech.commands`.
    n_jobs : int

    Returns
    -------
    dict of str to list of float
        `pnmi` of clusters of the layer's frames; `probe`, accuracy on test words of a linear probe, which has met
        `SHOTS` training words of each of 35, the mean of `DRAWS` handfuls.

    Taught in: notebooks/12_transfer.ipynb, "What did it find out?"
    """
    clips, layers = signals(sentences, "test", n_jobs), range(1 + model.encoder.config.num_hidden_layers)
    opened = pretrained.Opened(model.encoder.eval(), selfsupervised.front(), type(model).__name__, False)
    train, test = (pretrained.embed(opened, [y.numpy() for y in signals(words, split, n_jobs)], SR, layer=None)
                   for split in ("train", "test"))
    return {"pnmi": [beside(states, sentences, clips) for states in hidden_states(model, clips, layers)],
            "probe": [probed(train[layer], test[layer], words) for layer in layers]}


def of_cepstra(sentences, words, n_jobs=1):
    """The same two figures for cepstra, of which nothing was learnt: means over three stretches of each word."""
    clips = signals(sentences, "test", n_jobs)

    def embedded(y):
        C = features.mfcc(y.numpy(), SR)
        parts = np.array_split(np.concatenate([C, features.delta(C)]), 3, axis=1)
        return np.concatenate([part.mean(axis=1) for part in parts])

    train, test = (np.array([embedded(y) for y in signals(words, split, n_jobs)]) for split in ("train", "test"))
    return {"pnmi": beside([cepstra(clip) for clip in clips], sentences, clips), "probe": probed(train, test, words)}


def probed(train, test, words):
    """Accuracy of a linear probe on embeddings of test words, of `SHOTS` training words each: see `by_layer`."""
    known, asked = words.split("train").table, words.split("test").table
    table = transfer.curve(train, known.label, test, asked.label, (SHOTS,), DRAWS, groups=known.group)
    return float(table.accuracy.mean())


# ---------------------------------------------------------------------------------------- following it


def train(name, recipe, n_jobs, progress):
    """As `audiolab.recipes.train`."""
    whole = corpora(n_jobs)
    clips = signals(whole[0], "train", n_jobs) + in_rows(whole[1].split("train"), signals(whole[1], "train", n_jobs))
    validation = signals(whole[0], "validation", n_jobs)
    model, histories = learnt(name, recipe, clips, validation, progress)
    models.checkpoints.halve(model.cpu())
    words = speech.commands(n_jobs=n_jobs)
    last = histories[-1].rows[-1]
    found = {"test": measured(model, whole[0], n_jobs),
             "validation": {"loss": last["validation_loss"], "accuracy": last["score"]},
             "layers": by_layer(model, whole[0], words, n_jobs),
             "untrained": by_layer(begun(recipe), whole[0], words, n_jobs),
             "cepstra": of_cepstra(whole[0], words, n_jobs)}
    return models.save(name, model, {
        "title": recipe.title, "arguments": recipe.arguments, "sr": SR, "feature": "samples",
        "corpus": " and ".join(corpus.root.name for corpus in whole), "heard": somewhere.__name__,
        "first": recipe.first, "layer": recipe.layer, "seed": recipe.seed, "epochs": recipe.epochs,
        "steps": sum(history.rows[-1]["step"] for history in histories), "options": recipe.fit,
        "seconds": round(sum(history.seconds for history in histories)), "machine": machine(),
        "licence": "CC-BY-4.0", "note": recipe.note, "metrics": found})


def evaluate(name, recipe, n_jobs):
    """As `audiolab.recipes.evaluate`."""
    model, _ = models.load(name)
    return measured(model, sentences_test(n_jobs), n_jobs)
