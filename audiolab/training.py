"""One training loop for the whole course: on a laptop, a GPU or several processes, and short enough to be read.

A step takes a batch, asks the model, measures the loss, and moves every parameter a little against its gradient.
All else here is bookkeeping: which clips, how far to move, when to stop, what to keep. Accelerate carries tensors to
the device, chooses the precision, and averages gradients when several processes train together
(``torchrun --nproc_per_node 2 script.py``).
"""

import contextlib
import functools
import math
import pickle
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list, find_batch_size, recursively_apply, send_to_device
from torch.optim.lr_scheduler import CyclicLR, OneCycleLR, ReduceLROnPlateau
from torch.utils.data import TensorDataset, default_collate
from tqdm.auto import tqdm

from . import paths, plots

OPTIMISERS = {
    "adam": torch.optim.AdamW,                                  # Adam; weight decay apart from the gradient
    "sgd": functools.partial(torch.optim.SGD, momentum=0.9),
    "rmsprop": torch.optim.RMSprop,
}
SCHEDULES = {                                                   # of the learning rate: (optimiser, its peak, steps)
    "constant": lambda optimiser, lr, steps: None,
    "one-cycle": lambda optimiser, lr, steps: OneCycleLR(optimiser, lr, total_steps=max(steps, 2)),
    "cyclic": lambda optimiser, lr, steps: CyclicLR(optimiser, lr / 10, lr, max(steps // 8, 1), cycle_momentum=False),
    "plateau": lambda optimiser, lr, steps: ReduceLROnPlateau(optimiser, mode="max", factor=0.3, patience=3),
}
LIVE = 1.0                                                      # seconds between two drawings of the curves


class TrainingError(ArithmeticError):
    """Training cannot go on: what became no number, and when."""


@dataclass
class History:
    """What happened in each epoch.

    Attributes
    ----------
    rows : list of dict
        `epoch` (from 1), `step` (in all), `loss` (mean over the epoch, on augmented batches), `lr` and `seconds` since
        the start; with validation data `validation_loss` and, when there is a score, `score`.
    best : int or None
        Epoch of the weights that the model has now, where they are not the last.
    """

    rows: list = field(default_factory=list)
    best: int | None = None

    @property
    def table(self):
        """The rows as a pandas.DataFrame."""
        return pd.DataFrame(self.rows)

    @property
    def seconds(self):
        """How long it took, evaluation included."""
        return self.rows[-1]["seconds"] if self.rows else 0.0


def fit(model, train, validation=None, *, loss, epochs, batch_size=64, optimiser="adam", lr=2e-3, schedule="one-cycle",
        weight_decay=0.0, accumulate=1, clip=None, precision="no", augment=None, score=None, patience=None, seed=0,
        resume=None, log=None, collate=default_collate, lengths=None, progress=True):
    """Train a model in place.

    Parameters
    ----------
    model : torch.nn.Module
    train, validation : pair of torch.Tensor, or a data set whose items are such pairs
        Inputs and targets; ``(x, y)`` with the clips along the first axis. Of a data set both may be tuples of such
        tensors: clips of several lengths, filled up, and their lengths.
    loss : callable
        ``loss(output, y)``, the mean over a batch: ``torch.nn.CrossEntropyLoss()``.
    epochs : int
        How often each training clip is seen. Of an epoch's last batch, what does not fill it waits for the next epoch.
    batch_size : int
        Clips per step, of all processes together. One process or several give the same, but for what looks at its own
        part of a batch: batch normalisation, dropout, augmentation. So does `accumulate`.
    optimiser : {"adam", "sgd", "rmsprop"}
        Adam has weight decay apart from the gradient (AdamW), SGD a momentum of 0.9.
    lr : float
        Learning rate: the peak of a schedule.
    schedule : {"constant", "one-cycle", "cyclic", "plateau"}
        One-cycle rises to `lr` and falls to almost 0; cyclic goes between a tenth and all of it; plateau takes 0.3 of
        it when the validation has not improved for four epochs.
    weight_decay : float
    accumulate : int
        Batches whose gradients are added up for one step: the effect of a batch so many times as large, in the memory
        of one.
    clip : float, optional
        Longest gradient, as one vector; longer ones are shortened to it.
    precision : {"no", "fp16", "bf16"}
        "no" is float32 throughout.
    augment : callable, optional
        ``augment(x, y, generator) -> x, y`` changes a training batch, with a ``torch.Generator`` as its only chance.
    score : callable, optional
        ``score(output, y) -> float`` of the whole validation set, larger is better: minus the loss when not given.
    patience : int, optional
        Stop when the score has not improved for so many epochs, and go back to the best weights.
    seed : int
        Of the order of clips, dropout and augmentation. The weights were drawn when the model was made.
    resume : str or os.PathLike, optional
        A file that keeps the state after every epoch, written whole or not at all. When it is there, training goes on
        from it and ends as it would have without the interruption.
    log : str or os.PathLike, optional
        Folder for TensorBoard.
    collate : callable
        Makes a batch of a list of a data set's items.
    lengths : sequence of int, optional
        Of the training clips: a batch is then made of clips that are about equally long, so that little is filled up.
    progress : bool
        Show a bar, and in a notebook the curves while they grow.

    Returns
    -------
    History
        The model is left in evaluation mode, where it was trained.

    Raises
    ------
    TrainingError
        If the loss or a gradient is no number any more: at which step, and of which parameter. The model keeps the
        weights from before that step.
    ValueError
        If a name is unknown, there is nothing to train on, `patience` or "plateau" come without validation data, or
        the state in `resume` was begun with other settings.

    Taught in: notebooks/06_classification.ipynb, "How does a network learn?"
    """
    train, validation = _dataset(train), _dataset(validation)
    _require_sense(train, validation, optimiser, schedule, patience, epochs, batch_size, accumulate)
    AcceleratorState._reset_state()                             # or it would keep the precision of an earlier call
    on_cpu = not torch.accelerator.is_available()               # said aloud, or torchrun would train each process alone
    accelerator = Accelerator(cpu=on_cpu, mixed_precision=precision, gradient_accumulation_steps=accumulate)
    size = min(batch_size, len(train))
    batches = len(train) // size // accumulate * accumulate     # of an epoch, in whole steps
    if not batches:
        raise ValueError(f"{len(train)} clips are fewer than a step of {accumulate} batches of {size} takes.")
    settings = [type(model).__name__, sum(p.numel() for p in model.parameters()), len(train), epochs, batch_size,
                optimiser, float(lr), schedule, float(weight_decay), accumulate, clip and float(clip), precision, seed,
                patience]
    raw = OPTIMISERS[optimiser](model.parameters(), lr=lr, weight_decay=weight_decay)
    rate = SCHEDULES[schedule](raw, lr, epochs * batches // accumulate)
    wrapped, optimiser = accelerator.prepare(model, raw)
    if isinstance(loss, torch.nn.Module):
        loss.to(accelerator.device)                             # weights of the classes
    history, best = _resumed(resume, settings, model, raw, rate)
    before, start, drawn = history.seconds, time.perf_counter(), 0.0
    progress, log = progress and accelerator.is_main_process, log if accelerator.is_main_process else None
    curves = plots.training(history) if progress and plots.in_notebook() else None
    bar = tqdm(total=epochs, initial=len(history.rows), unit="epoch", desc="Training", disable=not progress)

    def step(at, chance, n):
        """One batch: the clips numbered `at`, or this process's part of them. Returns the loss."""
        part = at.tensor_split(accelerator.num_processes)[accelerator.process_index]
        x, y = send_to_device(_batch(train, part, collate), accelerator.device)
        if not _finite(x):                                      # before it can reach the means of batch normalisation
            raise TrainingError(f"Step {n}: a training clip holds NaN or infinity. Look for it with torch.isfinite.")
        if augment:
            x, y = augment(x, y, chance)
        with accelerator.accumulate(wrapped):
            with accelerator.autocast():
                value = loss(wrapped(x), y) * (len(part) * accelerator.num_processes / len(at))
            _require_number(value, model, n)                    # the mean over processes is the mean over the batch
            accelerator.backward(value)
            if accelerator.sync_gradients:
                length = accelerator.clip_grad_norm_(model.parameters(), clip or math.inf)
                if precision != "fp16":                         # whose scaler finds its range by overflowing
                    _require_number(length, model, n)
            optimiser.step()
            optimiser.zero_grad()
        if rate and schedule != "plateau" and accelerator.sync_gradients:
            rate.step()
        return value.detach()

    with torch.random.fork_rng(), bar, _bare(model), _board(log) as board:      # the caller's chance stays as it was
        for epoch in range(len(history.rows), epochs):
            if patience and len(history.rows) - (history.best or 0) >= patience:
                break
            model.train()
            torch.manual_seed(_seed(seed, epoch, accelerator.process_index))    # dropout, also after an interruption
            order = _order(len(train), size, lengths, _generator(seed, epoch, -1))
            chance = _generator(seed, epoch, accelerator.process_index)
            done = epoch * batches
            losses = [step(order[i], chance, done + i + 1) for i in range(batches)]
            row = {"epoch": epoch + 1, "step": (done + batches) // accumulate, "lr": raw.param_groups[0]["lr"],
                   "loss": accelerator.reduce(torch.stack(losses).mean(), "mean").item()}
            if validation and accelerator.is_main_process:
                row |= _validate(model, validation, batch_size, loss, score, collate)
            [row] = broadcast_object_list([row])                # all processes decide alike
            row["seconds"] = before + time.perf_counter() - start
            history.rows.append(row)
            value = row.get("score", -row.get("validation_loss", math.nan))
            if schedule == "plateau":
                rate.step(value)
            if patience and value > best["value"]:
                history.best = epoch + 1
                best = {"value": value, "model": {k: v.clone() for k, v in model.state_dict().items()}}
            if resume and accelerator.is_main_process:
                _save(resume, settings, model, raw, rate, history, best)
            if board:
                for name in row.keys() - {"epoch", "step"}:
                    board.add_scalar(name, row[name], row["step"])
            bar.set_postfix({key: f"{row[key]:.3g}" for key in ("loss", "validation_loss", "score") if key in row})
            bar.update()
            if curves and (row["seconds"] - drawn > LIVE or epoch + 1 == epochs):
                plots.training(history, curves)
                drawn = row["seconds"]
    if best["model"]:
        model.load_state_dict(best["model"])
    model.eval()
    return history


def predict(model, x, batch_size=256, collate=default_collate):
    """Outputs of a model for many clips, without training it.

    Parameters
    ----------
    model : torch.nn.Module
        Left in evaluation mode: no dropout, and batch normalisation by what it learnt.
    x : torch.Tensor or np.ndarray, or a data set whose items are ``(x, y)``
    batch_size : int
    collate : callable
        As in `fit`.

    Returns
    -------
    torch.Tensor, shape [clips, …], or a tuple of them, as the model gives
        On the CPU. Where batches differ in another axis than the first, zeros fill up.

    Taught in: notebooks/06_classification.ipynb, "How does a network learn?"
    """
    data = TensorDataset(torch.as_tensor(x)) if isinstance(x, torch.Tensor | np.ndarray) else x
    return _joined([output for output, _ in _outputs(model, data, batch_size, collate)])


def _outputs(model, data, batch_size, collate):
    """For each batch what the model says, on the CPU, and the batch."""
    device = next(model.parameters()).device
    model.eval()
    for at in torch.arange(len(data)).split(batch_size):
        batch = _batch(data, at, collate)
        with torch.inference_mode():
            output = model(send_to_device(batch[0], device))
        yield recursively_apply(lambda t: (t.float() if t.is_floating_point() else t).cpu(), output), batch


def _joined(parts):
    """Batches as one, along the clips; tuples member by member. Zeros fill up where the other axes differ."""
    if isinstance(parts[0], tuple):
        return tuple(_joined(list(members)) for members in zip(*parts, strict=True))
    most = [max(sizes) for sizes in zip(*(part.shape[1:] for part in parts), strict=True)]
    whole, at = parts[0].new_zeros(sum(map(len, parts)), *most), 0
    for part in parts:
        whole[slice(at, at + len(part)), *map(slice, part.shape[1:])] = part
        at += len(part)
    return whole


def _finite(x):
    return all(_finite(member) for member in x) if isinstance(x, tuple) else bool(torch.isfinite(x).all())


def _dataset(pair):
    if not (isinstance(pair, tuple) and len(pair) == 2 and all(map(torch.is_tensor, pair))):
        return pair
    if len(pair[0]) != len(pair[1]):
        raise ValueError(f"There are {len(pair[0])} inputs and {len(pair[1])} targets: each input needs one.")
    return TensorDataset(*pair)


def _order(n, size, lengths, generator):
    """The numbers of all clips, shuffled, in batches; if lengths are given, each of clips alike in length."""
    order = torch.randperm(n, generator=generator)
    if lengths is None:
        return order.split(size)
    lengths = torch.as_tensor(lengths)
    order = torch.cat([pool[lengths[pool].argsort()] for pool in order.split(16 * size)])
    batches = [batch for batch in order.split(size) if len(batch) == size]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator)]


def _batch(data, at, collate):
    """The items numbered `at`, together."""
    if isinstance(data, TensorDataset):
        return data[at]
    return collate([data[int(i)] for i in at])


def _validate(model, data, batch_size, loss, score, collate):
    device, total, outputs, targets = next(model.parameters()).device, 0.0, [], []
    for output, (x, y) in _outputs(model, data, batch_size, collate):
        total += loss(send_to_device(output, device), send_to_device(y, device)).item() * find_batch_size(x)
        if score:
            outputs.append(output)
            targets.append(y)
    found = {"validation_loss": total / len(data)}
    return found | ({"score": float(score(_joined(outputs), _joined(targets)))} if score else {})


def _seed(*numbers):
    return int(np.random.SeedSequence([n + 1 for n in numbers]).generate_state(1)[0])


def _generator(*numbers):
    return torch.Generator().manual_seed(_seed(*numbers))


def _require_number(value, model, step):
    """Stop before a step that would spoil the weights, and say where it comes from."""
    if torch.isfinite(value):
        return
    for what in ("data", "grad"):
        for name, parameter in model.named_parameters():
            tensor = getattr(parameter, what)
            if tensor is not None and not torch.isfinite(tensor).all():
                where = f"{'The gradient of' if what == 'grad' else 'Parameter'} {name!r} holds NaN or infinity"
                raise TrainingError(f"Step {step}: the loss or its gradient is {value.item()}. {where}. Is the "
                                    "learning rate too large, or is there NaN in the training clips?")
    raise TrainingError(f"Step {step}: the loss is {value.item()}, and all parameters are finite. Look for NaN in the "
                        "clips or targets of this batch, a logarithm of zero, or a mean over nothing.")


def _require_sense(train, validation, optimiser, schedule, patience, *counts):
    for name, known in ((optimiser, OPTIMISERS), (schedule, SCHEDULES)):
        if name not in known:
            raise ValueError(f"There is no {name!r}; there are {', '.join(known)}.")
    if patience is not None and patience < 1:
        raise ValueError(f"patience={patience}: at least 1 epoch.")
    if min(counts) < 1:
        raise ValueError("Epochs, clips in a batch and batches in a step are at least 1 each.")
    if not len(train):
        raise ValueError("There are no training clips.")
    if not validation and (patience or schedule == "plateau"):
        raise ValueError("Early stopping and the schedule 'plateau' need validation clips.")


def _save(file, settings, model, optimiser, rate, history, best):
    state = {"settings": settings, "model": model.state_dict(), "optimiser": optimiser.state_dict(),
             "rate": rate.state_dict() if rate else {}, "rows": history.rows, "best": best, "at": history.best}
    with paths.replacing(file) as tmp:
        torch.save(state, tmp)


def _resumed(file, settings, model, optimiser, rate):
    """History and best weights so far; puts the state of an interrupted training back where there is one."""
    best = {"value": -math.inf, "model": None}
    if not file or not Path(file).exists():
        return History(), best
    try:
        state = torch.load(file, map_location=next(model.parameters()).device, weights_only=True)
        state["settings"], state["best"], state["rows"]
    except (EOFError, RuntimeError, ValueError, TypeError, KeyError, pickle.UnpicklingError):
        raise ValueError(f"{str(file)!r} is damaged, or no state of a training: delete it.") from None
    if state["settings"] != settings:
        raise ValueError(f"{str(file)!r} was begun with other settings or clips: delete it, or name another file.")
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    if rate:
        rate.load_state_dict(state["rate"])
    return History(state["rows"], state["at"]), state["best"]


@contextlib.contextmanager
def _bare(model):
    """Leave nothing behind, whatever happens: no gradients, and no ``forward`` of Accelerate's, which casts."""
    model.zero_grad()
    try:
        yield
    finally:
        model.zero_grad()
        for name in ("forward", "_original_forward"):
            vars(model).pop(name, None)


def _board(folder):
    """Where TensorBoard's curves go, closed at the end; nothing without a folder."""
    if folder is None:
        return contextlib.nullcontext()
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))
