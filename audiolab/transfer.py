"""What one task, or none, has taught about another: losses for embeddings, few examples, and probes of what is there.

An embedding is a row of numbers for a clip. What it is worth is asked with little: `few_shot` picks a handful of
clips, `probe` learns from them with nothing but a weighted sum, and `curve` repeats both for several handfuls.

A domain gap is what a network loses where clips come from elsewhere: voices, rooms, microphones. Here a word is a
signal of one second at 8 kHz with the word in its middle (`signals`), and a `picture` of it as loud as any other.
"""

import copy
import shutil
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import interpolate, pad

from . import augment, features, metrics, models, preprocess, training

RATE = 8000         # samples per second of a word: that of the real digits, and of telephones
FRAMES = 64         # of a word's picture, 10 ms apart
DEPTH = 9.0         # of a picture: what lies so far below its loudest point is silent; in ln of power, 39 dB

# ---------------------------------------------------------------------------------------- losses


def triplet_loss(anchor, positive, negative, margin=0.2):
    """Who belongs together shall be nearer than who does not, by a margin.

    ``mean of max(0, |a - p| - |a - n| + margin)``, with Euclidean distances. A triplet that is in order already has
    loss 0, and teaches nothing. ``torch.nn.TripletMarginLoss`` is the same, but for a millionth that it adds to every
    difference.

    Parameters
    ----------
    anchor, positive, negative : torch.Tensor, shape [batch, dim]
        Row by row: a clip, another one of its kind, and one of another kind.
    margin : float
        In the unit of the embeddings; where they have length 1, distances are 0 to 2.

    Returns
    -------
    torch.Tensor, shape []

    Raises
    ------
    ValueError
        If the shapes differ, or there is no row.

    References
    ----------
    Schroff, Kalenichenko and Philbin, "FaceNet: a unified embedding for face recognition and clustering", 2015.

    Taught in: notebooks/12_transfer.ipynb, "Who belongs together?"
    """
    _require_rows(1, anchor, positive, negative)
    near = torch.linalg.vector_norm(anchor - positive, dim=1)
    far = torch.linalg.vector_norm(anchor - negative, dim=1)
    return (near - far + margin).clamp(min=0).mean()


def info_nce(a, b, temperature=0.1):
    """Find each one's partner among all: cross entropy over the similarities of a batch, both ways.

    ``s[i, j] = cos(a[i], b[j]) / temperature``; row i of `s` should name i, and so should column i. The other rows of
    the batch are what it is told from. Where nothing is known the loss is ``ln batch``.

    Parameters
    ----------
    a, b : torch.Tensor, shape [batch, dim]
        Two views of each clip, row by row.
    temperature : float
        Above 0. The smaller, the more the nearest wrong partner counts.

    Returns
    -------
    torch.Tensor, shape []

    Raises
    ------
    ValueError
        If the shapes differ, there are fewer than two rows, or the temperature is not positive.

    References
    ----------
    van den Oord, Li and Vinyals, "Representation learning with contrastive predictive coding", 2018; both ways as in
    Radford et al., "Learning transferable visual models from natural language supervision", 2021.

    Taught in: notebooks/12_transfer.ipynb, "Who belongs together?"
    """
    _require_rows(2, a, b)
    if not temperature > 0:
        raise ValueError(f"The temperature is above 0, not {temperature}: 0.1 is usual.")
    a, b = (torch.nn.functional.normalize(x, dim=1) for x in (a, b))
    s = a @ b.T / temperature
    partner = torch.arange(len(a), device=a.device)
    return (torch.nn.functional.cross_entropy(s, partner) + torch.nn.functional.cross_entropy(s.T, partner)) / 2


def _require_rows(least, *embeddings):
    if len({x.shape for x in embeddings}) > 1 or embeddings[0].ndim != 2 or len(embeddings[0]) < least:
        shapes = " and ".join(str(list(x.shape)) for x in embeddings)
        raise ValueError(f"Embeddings stand row by row, [batch, dim], alike in shape and {least} rows at least: here "
                         f"are {shapes}.")


# ---------------------------------------------------------------------------------------- few examples


def few_shot(labels, k, rng, groups=None):
    """Pick `k` clips of each class by chance.

    Parameters
    ----------
    labels : array_like, shape [n]
    k : int
    rng : np.random.Generator
    groups : array_like, shape [n], optional
        Who speaks. The clips of a class then come from as many groups as there are: nobody is asked for a second one
        before all have given a first.

    Returns
    -------
    np.ndarray of int, shape [classes * k]
        Their places, class by class in sorted order, none twice.

    Raises
    ------
    ValueError
        If `k` is below 1, a class has fewer clips, or `groups` is not as long as `labels`.

    Taught in: notebooks/12_transfer.ipynb, "How many examples are enough?"
    """
    labels = np.asarray(labels)
    if k < 1 or (groups is not None and len(groups) != len(labels)):
        raise ValueError(f"k is 1 or more, and each clip has one group: here are k = {k}, {len(labels)} labels"
                         + ("." if groups is None else f" and {len(groups)} groups."))
    picked = []
    for label in sorted(set(labels.tolist())):
        at = rng.permutation(np.flatnonzero(labels == label))
        if len(at) < k:
            raise ValueError(f"Of {label!r} there are {len(at)} clips, fewer than {k}.")
        if groups is not None:
            group = np.asarray(groups)[at]
            turn = pd.Series(group).groupby(group).cumcount()                   # this is its group's first, second, …
            at = at[np.argsort(turn, kind="stable")]
        picked.append(at[:k])
    return np.concatenate(picked)


def probe(x, y, C=1.0):
    """Learn labels from embeddings with a weighted sum and nothing else: what it finds, the embedding already held.

    Each number is brought to mean 0 and deviation 1 over the clips that are given, then logistic regression.

    Parameters
    ----------
    x : np.ndarray, shape [clips, dim]
    y : array_like, shape [clips]
    C : float
        How far the weights may go: one over the strength of the penalty on their squares.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Fitted: ``.predict(x)``, ``.score(x, y)``.

    Raises
    ------
    ValueError
        If all clips are of one class, or `x` holds NaN.

    References
    ----------
    Alain and Bengio, "Understanding intermediate layers using linear classifier probes", 2017.

    Taught in: notebooks/12_transfer.ipynb, "How many examples are enough?"
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with warnings.catch_warnings():                             # one clip of each class is no regression
        warnings.filterwarnings("ignore", "The number of unique classes")
        return make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=2000)).fit(x, y)


def curve(x, y, test_x, test_y, ks=(1, 2, 5, 10), draws=5, seed=0, groups=None, learner=probe):
    """How well a task is learnt from few clips of each class: for several numbers of clips, and several handfuls.

    Parameters
    ----------
    x, test_x : np.ndarray or torch.Tensor, shape [clips, …]
        As `learner` takes them: rows of numbers for a probe, pictures for a network.
    y, test_y : array_like, shape [clips]
    ks : sequence of int
        Clips of each class.
    draws : int
        Handfuls for each. The same numbers, labels, groups and seed give the same handfuls, so that two embeddings, or
        two learners, are compared on the same clips.
    seed : int
    groups : array_like, optional
        As in `few_shot`.
    learner : callable
        ``learner(x, y)`` gives something with ``predict(x)``.

    Returns
    -------
    pandas.DataFrame
        Columns `k`, `draw` and `accuracy` on the test clips, 0 to 1.

    Raises
    ------
    ValueError
        As `few_shot`.

    Taught in: notebooks/12_transfer.ipynb, "How many examples are enough?"
    """
    y, rows = np.asarray(y), []
    for k in ks:
        for draw in range(draws):
            at = few_shot(y, k, np.random.default_rng([seed, k, draw]), groups)
            guess = learner(x[at], y[at]).predict(test_x)
            rows.append({"k": k, "draw": draw, "accuracy": metrics.accuracy(test_y, guess)})
    return pd.DataFrame(rows)


# ---------------------------------------------------------------------------------------- looking at it


def projector(folder, embeddings, labels, pictures=None):
    """Write embeddings for TensorBoard's projector, in which one walks among them, three axes at a time.

    Parameters
    ----------
    folder : str or os.PathLike
        Where to; an earlier projector there is replaced.
    embeddings : np.ndarray or torch.Tensor, shape [clips, dim]
    labels : sequence of str, or dict of str to sequence
        What stands at each point; with several columns one can colour by any of them.
    pictures : torch.Tensor, shape [clips, 3 or 1, height, width], optional
        0 to 1, shown at the points.

    Returns
    -------
    str
        The command that opens it.

    Raises
    ------
    ValueError
        If there is not one label for each clip, or the folder holds something else than a projector.

    References
    ----------
    Smilkov et al., "Embedding projector: interactive visualization and interpretation of embeddings", 2016.

    Taught in: notebooks/12_transfer.ipynb, "What is an embedding?"
    """
    from torch.utils.tensorboard import SummaryWriter

    folder, columns = Path(folder), labels if isinstance(labels, dict) else {"label": labels}
    if lengths := {len(column) for column in columns.values()} - {len(embeddings)}:
        raise ValueError(f"There are {len(embeddings)} embeddings and {min(lengths)} labels: each needs one.")
    if folder.exists() and any(folder.iterdir()) and not _is_projector(folder):
        raise ValueError(f"{str(folder)!r} holds something else than a projector: name another folder.")
    rows = [[" ".join(str(value).split()) for value in row] for row in zip(*columns.values(), strict=True)]
    one = len(columns) == 1                                     # then the file of labels has no header
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
        new = Path(beside) / folder.name
        with SummaryWriter(str(new)) as writer:
            writer.add_embedding(torch.as_tensor(embeddings), [row[0] for row in rows] if one else rows,
                                 pictures, metadata_header=None if one else list(columns))
        if folder.exists():
            shutil.rmtree(folder)
        new.rename(folder)
    return f"tensorboard --logdir {folder}"


def _is_projector(folder):
    """Whether a folder holds what `projector` writes, and not a run's curves as well."""
    names = {file.name for file in folder.iterdir()}
    events = {name for name in names if name.startswith("events.out.tfevents")}
    ours = {"projector_config.pbtxt", "00000"}
    return "projector_config.pbtxt" in names and len(events) <= 1 and names - events <= ours


# ---------------------------------------------------------------------------------------- a domain gap


def signals(corpus):
    """All clips of a corpus as one batch, each in the middle of a second of silence.

    Parameters
    ----------
    corpus : audiolab.corpus.Corpus
        Of single words. What is longer than a second is cut at both ends alike.

    Returns
    -------
    torch.Tensor, shape [clips, 8000], float32
        At `RATE`.

    Taught in: notebooks/12_transfer.ipynb, "Why do real voices sound so different?"
    """
    whole = np.zeros((len(corpus), RATE), np.float32)
    for i, row in enumerate(whole):
        y, sr, _ = corpus[i]
        y = preprocess.resample(y, sr, RATE)
        y = y[max(0, len(y) - RATE) // 2 :][:RATE]
        start = (RATE - len(y)) // 2
        row[start : start + len(y)] = y
    return torch.from_numpy(whole)


def pictures(x):
    """Log-mels in which every microphone stands equally near: high frequencies lifted, the loudest point the same.

    Pre-emphasis ``y[n] - 0.97 y[n - 1]``, then the log-mel of the course, less its maximum. `DEPTH` below that nothing
    is told from silence, so that a quiet room and a hissing one look alike.

    Parameters
    ----------
    x : torch.Tensor, shape [clips, 8000]
        From `signals`.

    Returns
    -------
    torch.Tensor, shape [clips, 1, 40, 64]
        0 to 9, in natural logarithms of power.

    Taught in: notebooks/12_transfer.ipynb, "Why do real voices sound so different?"
    """
    x = x - x.mean(dim=1, keepdim=True)
    x = torch.cat([x[:, :1], x[:, 1:] - 0.97 * x[:, :-1]], dim=1)
    x = x / x.abs().amax(dim=1, keepdim=True).clamp(min=1e-6)                   # far above the log-mel's own floor
    return levelled(plain_pictures(x))


_log_mel = features.LogMel(RATE)


def levelled(x):
    """Pictures whose loudest point is `DEPTH`, and what lies so far below it 0: every microphone hears as little."""
    return (x - x.amax(dim=(1, 2, 3), keepdim=True)).clamp(min=-DEPTH) + DEPTH


def _cut(x):
    """The middle `FRAMES` of pictures; where they are shorter, silence at both ends."""
    short = FRAMES - x.shape[3]
    return pad(x, (short // 2, short - short // 2))             # a negative width cuts


def plain_pictures(x):
    """The log-mels of the same signals as their microphones gave them: what chapter 06's network takes.

    Parameters and result as `pictures`, in natural logarithms of power, -11.5 where there is silence.

    Taught in: notebooks/12_transfer.ipynb, "Why do real voices sound so different?"
    """
    return _cut(torch.cat([_log_mel(part) for part in x.split(256)]))


def here(x, y, generator):
    """The words as they are, as equally loud `pictures`, moved and in parts hidden: the control of `elsewhere`."""
    return _moved_and_hidden(pictures(x), 0, generator), y


def _moved_and_hidden(z, warp, generator):
    """Pictures up to 8 frames earlier or later, bent in time by up to `warp` frames, and parts of them hidden."""
    z = augment.time_shift(z, 8, generator)
    return augment.spec_augment(z, freq_width=6, time_width=8, warp=warp, generator=generator)


def elsewhere(x, y, generator):
    """The same words from another mouth through another microphone: ``augment`` of `audiolab.training.fit`.

    Signals go through `audiolab.augment.recorded`, and are cut as by another hand, from a little inside the word to
    0.15 s around it. Their pictures are bent, by a sixth in frequency (throat) and by a third in time (pace), coloured
    by a smooth curve over the frequencies (microphone), moved, and parts of them hidden.

    Parameters
    ----------
    x : torch.Tensor, shape [batch, 8000]
        From `signals`.
    y : torch.Tensor, shape [batch]
    generator : torch.Generator

    Returns
    -------
    x : torch.Tensor, shape [batch, 1, 40, 64]
        As `pictures` makes them.
    y : torch.Tensor, shape [batch]

    Taught in: notebooks/12_transfer.ipynb, "Why do real voices sound so different?"
    """
    def drawn(low, high, *shape):
        return low + (high - low) * torch.rand((len(x), *shape), generator=generator)

    sounding, t = (x != 0).int(), torch.arange(RATE)
    start, end = sounding.argmax(dim=1, keepdim=True), RATE - sounding.flip(1).argmax(dim=1, keepdim=True)
    kept = (t >= start - RATE * drawn(-0.02, 0.15, 1)) & (t < end + RATE * drawn(-0.02, 0.15, 1))
    recorded = augment.recorded(x, RATE, generator, augment.rooms(100, RATE)) * kept
    z = pictures(torch.where(drawn(0, 1, 1) < 0.8, recorded, x))
    z = _cut(augment.bend(z, 0.15, drawn(0.7, 1.3)[0].item(), generator))
    curve = interpolate(torch.randn((len(x), 1, 6, 1), generator=generator), (z.shape[2], 1), mode="bicubic",
                        align_corners=True)                     # one neper or 9 dB, six times over the frequencies
    z = levelled(torch.where(z > 0, z + curve, 0))
    return _moved_and_hidden(z, 0, generator), y


def telephoned(x, generator):
    """Signals as from somewhere down the line: a room, 300 to 3400 Hz, and noise 5 to 20 dB below.

    Parameters
    ----------
    x : torch.Tensor, shape [clips, 8000]
    generator : torch.Generator

    Returns
    -------
    torch.Tensor, shape [clips, 8000]

    Taught in: notebooks/12_transfer.ipynb, "Why do real voices sound so different?"
    """
    same = torch.ones(len(x))
    rooms = augment.rooms(20, RATE, seed=1)                     # none of those that `elsewhere` knows
    y = augment.reverberate(x, rooms[torch.randint(len(rooms), (len(x),), generator=generator)])
    noise = augment.coloured(x.shape, RATE, -same, generator)
    y = augment.mix_at_snr(y, noise, 5 + 15 * torch.rand(len(x), generator=generator))
    return augment.band(y, RATE, 300 * same, 3400 * same)


def left_out(learner, x, y, table, k=10, draw=0):
    """What clips are taken for by learners that never heard their speaker: leave one speaker out.

    For each speaker a learner gets `k` clips of each class by the others, and is asked about the speaker's own.

    Parameters
    ----------
    learner : callable
        ``learner(x, y)`` gives something with ``predict(x)``: classes as numbers.
    x : np.ndarray or torch.Tensor, shape [clips, …]
        As the learner takes it.
    y : torch.Tensor, shape [clips]
    table : pandas.DataFrame
        With a row for each clip: its `speaker`, whether it may be `given` to learners, and whether it is `asked`.
    k : int
        Clips of each class, spread over all other speakers.
    draw : int
        Another number, other clips.

    Returns
    -------
    np.ndarray of int, shape [clips asked]
        In the order of the table.

    Raises
    ------
    ValueError
        As `few_shot`.

    Taught in: notebooks/12_transfer.ipynb, "Why do real voices sound so different?"
    """
    speaker, given, asked = (table[name].to_numpy() for name in ("speaker", "given", "asked"))
    guess = np.zeros(len(table), int)
    for i, one in enumerate(sorted(set(speaker))):
        others, own = np.flatnonzero(given & (speaker != one)), np.flatnonzero(asked & (speaker == one))
        few = others[few_shot(np.asarray(y)[others], k, np.random.default_rng([draw, i]), speaker[others])]
        guess[own] = learner(x[few], y[few]).predict(x[own])
    return guess[asked]


def matched(model, x):
    """A copy of a model whose batch normalisation has measured other clips: adaptive batch normalisation.

    No label is needed: mean and variance of every channel are those of the clips where the model will listen.

    Parameters
    ----------
    model : torch.nn.Module
    x : torch.Tensor, shape [clips, …]
        As the model takes it; a hundred clips or more of all classes.

    Returns
    -------
    torch.nn.Module
        In evaluation mode.

    References
    ----------
    Li, Wang, Shi, Liu and Hou, "Revisiting batch normalization for practical domain adaptation", 2016.

    Taught in: notebooks/12_transfer.ipynb, "Why do real voices sound so different?"
    """
    model = copy.deepcopy(model).eval()
    layers = [layer for layer in model.modules() if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm)]
    usual = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 1.0                                    # all of this batch, nothing of what was before
        layer.train()
    with torch.no_grad():
        model(x)
    for layer, momentum in zip(layers, usual, strict=True):
        layer.momentum = momentum
    return model.eval()


def tuned(model, x, y, steps=150, lr=3e-3, seed=0):
    """A copy of a model, all of it trained further on a few clips of another domain: fine-tuning.

    Each time a clip comes it is changed by `elsewhere`: as they are, the few would soon be known by heart.

    Parameters
    ----------
    model : torch.nn.Module
        That takes `pictures`.
    x : torch.Tensor, shape [clips, 8000]
        From `signals`.
    y : torch.Tensor, shape [clips]
    steps : int
        Of 64 clips, or of all where there are fewer.
    lr : float
        Peak of a one-cycle schedule: a third of what the model was trained with.
    seed : int

    Returns
    -------
    torch.nn.Module
        In evaluation mode.

    Taught in: notebooks/12_transfer.ipynb, "When should the network itself move?"
    """
    return _fitted(copy.deepcopy(model), x, y, steps, lr, 64, elsewhere, seed)


def _fitted(model, x, y, steps, lr, batch_size, change, seed):
    """A model after so many steps, however few clips there are."""
    batches = len(x) // min(batch_size, len(x))                 # of an epoch
    training.fit(model, (x, y), loss=torch.nn.CrossEntropyLoss(label_smoothing=0.1), epochs=-(-steps // batches), lr=lr,
                 batch_size=batch_size, weight_decay=0.05, augment=change, seed=seed, progress=False)
    return model


def from_scratch(x, y, steps=400, seed=0):
    """Train the keyword network of chapter 06 on a few clips and nothing else: a learner for `curve`.

    A fixed number of steps, so that few clips are met as long as many; each time moved, bent in time and in parts
    hidden.

    Parameters
    ----------
    x : torch.Tensor, shape [clips, 1, mel, time]
        Pictures.
    y : array_like, shape [clips]
        Labels.
    steps : int
        Of 32 clips, or of all where there are fewer.
    seed : int

    Returns
    -------
    Network
        With ``predict(x)``.

    Taught in: notebooks/12_transfer.ipynb, "How many examples are enough?"
    """
    labels, told = np.unique(y, return_inverse=True)
    torch.manual_seed(seed)
    model = models.DSCNN(x.shape[2], len(labels))
    return Network(_fitted(model, x, torch.from_numpy(told), steps, 1e-2, 32, _varied, seed), labels)


def _varied(x, y, generator):
    return _moved_and_hidden(x, 8, generator), y


class Network:
    """A network that answers with labels, as a probe does.

    Parameters
    ----------
    model : torch.nn.Module
    labels : sequence
        One for each of its outputs.
    picture : callable, optional
        What the network hears of what it is asked: `pictures`, where those are signals.
    """

    def __init__(self, model, labels, picture=None):
        self.model, self.labels, self.picture = model, np.asarray(labels), picture or torch.as_tensor

    def predict(self, x):
        """The label of the largest output for each clip: np.ndarray, shape [clips]."""
        return self.labels[training.predict(self.model, self.picture(x)).argmax(dim=1).numpy()]


def embeddings(model, x):
    """What the last layer of a network sees of each clip, by its ``embed``.

    Parameters
    ----------
    model : torch.nn.Module
        Such as `audiolab.models.DSCNN`.
    x : torch.Tensor, shape [clips, …]
        As the model takes it.

    Returns
    -------
    np.ndarray, shape [clips, dim]

    Taught in: notebooks/12_transfer.ipynb, "What is an embedding?"
    """
    model.eval()
    with torch.inference_mode():
        return torch.cat([model.embed(part) for part in x.split(256)]).numpy()
