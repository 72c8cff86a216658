"""Trainings that outlive an interruption: each fold is kept when it is done, and one that is cut off goes on."""

import functools
import hashlib
import json

import numpy as np
import torch
from tqdm.auto import tqdm

from .. import models, paths, recipes, training
from ..corpus import digest

BATCH, LR = 8, 3e-3                         # of chapter 06's forty clips


def network(plan, n_mels, n_classes):
    """A fresh network of the plan, small enough for forty clips.

    Taught in: notebooks/15_capstone.ipynb, "How does it learn from so little?"
    """
    if plan.network == "crnn":
        return models.CRNN(n_mels, n_classes, channels=(12, 16, 24), hidden=24)
    return models.CNN(n_mels, n_classes, channels=(16, 24, 32, 32))


def trained(plan, x, y, n_classes, number, file, team):
    """Train a network, go on with one that was cut off, or open one that is done.

    Parameters
    ----------
    plan : Plan
    x, y : torch.Tensor
        Training clips.
    n_classes, number : int
        The number tells this training's chance from that of others.
    file : pathlib.Path
        Weights are kept there as ``.safetensors``, losses as ``.json``, and until it is done its state as ``.pt``.
    team : Team

    Returns
    -------
    model : torch.nn.Module
        In evaluation mode, on the CPU.
    losses : list of float
        Of each epoch.

    Taught in: notebooks/15_capstone.ipynb, "What if it is cut off?"
    """
    from safetensors.torch import load_file, save_file

    weights, about, state = (file.with_suffix(suffix) for suffix in (".safetensors", ".json", ".pt"))
    seed = 100 * plan.seed + number
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = network(plan, x.shape[2], n_classes)
    if not team.once(about.exists):
        history = training.fit(
            model, (x, y), loss=torch.nn.CrossEntropyLoss(), epochs=plan.epochs, batch_size=BATCH, lr=LR, seed=seed,
            augment=recipes.retuned if plan.augment else None, resume=state, progress=False)

        def keep():
            with paths.replacing(weights) as tmp:
                save_file({name: value.cpu().contiguous() for name, value in model.state_dict().items()}, tmp)
            with paths.replacing(about) as tmp:                 # last: where it stands, the training is done
                tmp.write_text(json.dumps([row["loss"] for row in history.rows]), "utf-8")
            state.unlink(missing_ok=True)

        team.once(keep)
    model = model.cpu()
    model.load_state_dict(load_file(weights))
    return model.eval(), json.loads(about.read_text("utf-8"))


def cross_validated(plan, x, y, fold, n_classes, root, team):
    """Ask each clip of a network that was trained on the other folds.

    Parameters
    ----------
    plan : Plan
    x : torch.Tensor, shape [clips, 1, mel, time]
    y : torch.Tensor, shape [clips]
    fold : np.ndarray of int, shape [clips]
    n_classes : int
    root : pathlib.Path
        The folds are kept in a folder within it whose name stands for clips, folds and settings, so that the same
        question is not trained for twice.
    team : Team

    Returns
    -------
    probabilities : np.ndarray, shape [clips, classes]
    losses : list of list of float
        Of each fold and epoch.
    kept : pathlib.Path
        Where its networks lie, for `fold_models`.

    Taught in: notebooks/15_capstone.ipynb, "Who judges forty clips?"
    """
    settings = [plan.network, plan.epochs, plan.augment, plan.seed, y.tolist(), fold.tolist()]
    kept = root / digest(hashlib.sha256(x.numpy().tobytes()).hexdigest() + json.dumps(settings))
    found, losses = np.zeros((len(x), n_classes), np.float32), []
    for k, model, lost in fold_models(plan, x, y, fold, n_classes, kept, team):
        found[fold == k] = training.predict(model, x[fold == k]).softmax(dim=1).numpy()
        losses.append(lost)
    return found, losses, kept


def fold_models(plan, x, y, fold, n_classes, kept, team):
    """The network of each fold, trained or opened: yields the fold's number, the network, its losses."""
    train = functools.partial(trained, plan, n_classes=n_classes, team=team)
    for k in tqdm(range(plan.folds), f"{plan.folds} folds", unit="fold", delay=2, disable=not team.lead):
        at = torch.from_numpy(np.flatnonzero(fold != k))
        model, losses = train(x[at], y[at], number=k, file=kept / f"fold-{k}")
        yield k, model, losses
