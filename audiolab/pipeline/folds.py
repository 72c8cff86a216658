"""Trainings that outlive an interruption: each fold is kept when it is done, and one that is cut off goes on."""

import hashlib
import inspect
import json
from importlib.metadata import version

import numpy as np
import torch

from .. import models, paths, recipes, training
from ..corpus import digest
from .config import VERSION
from .team import kind

BATCH, LR = 8, 3e-3                         # of chapter 06's forty clips


def network(plan, n_mels, n_classes):
    """A fresh network of the plan, small enough for forty clips.

    Taught in: notebooks/15_capstone.ipynb, "How does it learn from so little?"
    """
    if plan.network == "crnn":
        return models.CRNN(n_mels, n_classes, channels=(12, 16, 24), hidden=24)
    return models.CNN(n_mels, n_classes, channels=(16, 24, 32, 32))


def circumstances(plan):
    """What a training depends on besides the clips and the settings of its stage, as text, for keys.

    That is the recipe (clips in a batch, learning rate, how clips are changed), the kind of device, and the versions
    of PyTorch and of this package. It does not see the processor, the number of threads or the versions of other
    libraries, which move the last digits; nor the code of networks and training loop, for which `VERSION` stands.
    How many processes share the folds is not in it: each network is trained by one, and comes out the same.

    Taught in: notebooks/15_capstone.ipynb, "What if it is cut off?"
    """
    changes = [inspect.getsource(one) for one in (recipes.retuned, recipes.hidden, recipes.naming._risen)]
    return json.dumps([VERSION, BATCH, LR, changes if plan.augment else [], kind(plan.device), torch.__version__,
                       version("audiolab")])


def trained(plan, x, y, n_classes, number, file):
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
    if not about.exists():
        history = training.fit(
            model, (x, y), loss=torch.nn.CrossEntropyLoss(), epochs=plan.epochs, batch_size=BATCH, lr=LR, seed=seed,
            augment=recipes.retuned if plan.augment else None, resume=state, progress=False)
        with paths.replacing(weights) as tmp:
            save_file({name: value.cpu().contiguous() for name, value in model.state_dict().items()}, tmp)
        with paths.replacing(about) as tmp:                     # last: where it stands, the training is done
            tmp.write_text(json.dumps([row["loss"] for row in history.rows]), "utf-8")
        state.unlink(missing_ok=True)
    model = model.cpu()
    model.load_state_dict(load_file(weights))
    return model.eval(), json.loads(about.read_text("utf-8"))


def cross_validated(plan, x, y, fold, n_classes, root, team, whole=None):
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
        Its processes take a fold each, one after the other.
    whole : pathlib.Path, optional
        Where a network of all clips is kept, trained besides as if it were one fold more.

    Returns
    -------
    probabilities : np.ndarray, shape [clips, classes]
    losses : list of list of float
        Of each fold and epoch; those of `whole` last.
    kept : pathlib.Path
        Where the networks of the folds lie, for `fold_model`.

    Taught in: notebooks/15_capstone.ipynb, "Who judges forty clips?"
    """
    settings = [circumstances(plan), plan.network, plan.epochs, plan.augment, plan.seed, y.tolist(), fold.tolist()]
    kept = root / digest(hashlib.sha256(x.numpy().tobytes()).hexdigest() + json.dumps(settings))

    def work(k):
        if k == plan.folds:
            return None, trained(plan, x, y, n_classes, k, whole)[1]
        model, lost = fold_model(plan, x, y, fold, n_classes, kept, k)
        return training.predict(model, x[fold == k]).softmax(dim=1).numpy(), lost

    found = np.zeros((len(x), n_classes), np.float32)
    answers = team.share(work, plan.folds + (whole is not None), f"{plan.folds} folds")
    for k in range(plan.folds):
        found[fold == k] = answers[k][0]
    return found, [lost for _, lost in answers], kept


def fold_model(plan, x, y, fold, n_classes, kept, k):
    """The network that was, or now is, trained without fold `k`; and its losses."""
    at = torch.from_numpy(np.flatnonzero(fold != k))
    return trained(plan, x[at], y[at], n_classes, k, kept / f"fold-{k}")
