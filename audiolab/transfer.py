"""What one task, or none, has taught about another: losses for embeddings, few examples, and probes of what is there.

An embedding is a row of numbers for a clip. What it is worth is asked with little: `few_shot` picks a handful of
clips, `probe` learns from them with nothing but a weighted sum, and `curve` repeats both for several handfuls.
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from . import metrics

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
    if folder.exists() and any(folder.iterdir()) and not (folder / "projector_config.pbtxt").exists():
        raise ValueError(f"{str(folder)!r} holds something else than a projector: name another folder.")
    rows = [[" ".join(str(value).split()) for value in row] for row in zip(*columns.values(), strict=True)]
    one = len(columns) == 1                                     # then the file of labels has no header
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
        with SummaryWriter(beside) as writer:
            writer.add_embedding(torch.as_tensor(embeddings), [row[0] for row in rows] if one else rows,
                                 pictures, metadata_header=None if one else list(columns))
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(beside, folder)
    return f"tensorboard --logdir {folder}"
