"""The training loop: what it learns, how it stops, goes on after an interruption, and with several processes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from audiolab import metrics, models, training
from audiolab.training import TrainingError, fit, predict

OPTIONS = dict(loss=nn.CrossEntropyLoss(), epochs=6, batch_size=16, lr=0.05, progress=False)


def clouds(n=120, seed=0):
    """Two clouds of points in eight dimensions, and which each belongs to."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 2
    return torch.randn(n, 8, generator=generator) + 1.5 * y[:, None], y


def network(seed=0, dropout=0.0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 2))


def accuracy(output, y):
    return (output.argmax(dim=1) == y).float().mean().item()


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


# ---- learning -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimiser", training.OPTIMISERS)
@pytest.mark.parametrize("schedule", training.SCHEDULES)
def test_it_learns(optimiser, schedule):
    model = network()
    lr = 0.01 if optimiser == "rmsprop" else 0.05
    history = fit(model, clouds(), clouds(seed=1), score=accuracy, optimiser=optimiser, schedule=schedule,
                  **OPTIONS | dict(lr=lr))
    assert history.rows[-1]["loss"] < history.rows[0]["loss"] and history.rows[-1]["score"] > 0.9
    assert accuracy(predict(model, clouds(seed=1)[0]), clouds(seed=1)[1]) == pytest.approx(history.rows[-1]["score"])


def test_the_rate_follows_its_schedule():
    rates = {name: [row["lr"] for row in fit(network(), clouds(), clouds(seed=1), schedule=name,
                                             **OPTIONS | dict(epochs=12)).rows] for name in training.SCHEDULES}
    assert set(rates["constant"]) == {0.05}
    assert max(rates["one-cycle"]) > 10 * rates["one-cycle"][-1] and np.argmax(rates["one-cycle"]) in range(1, 6)
    assert min(rates["cyclic"]) < 0.03 and max(rates["cyclic"]) <= 0.05
    assert rates["plateau"] == sorted(rates["plateau"], reverse=True)


def test_plateau_lowers_the_rate_when_nothing_improves():
    history = fit(network(), clouds(), clouds(seed=1), score=lambda output, y: 0.5, schedule="plateau",
                  **OPTIONS | dict(epochs=8))
    assert [row["lr"] for row in history.rows][:4] == [0.05] * 4
    assert history.rows[-1]["lr"] == pytest.approx(0.3 * 0.05)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    models_ = []
    for seed in (0, 0, 1):
        models_.append(network(dropout=0.3))
        torch.manual_seed(99 + len(models_))                    # what the caller did with chance does not matter
        fit(models_[-1], clouds(), seed=seed, **OPTIONS)
    assert same(models_[0], models_[1]) and not same(models_[0], models_[2])


def test_the_callers_random_numbers_stay():
    torch.manual_seed(5)
    want = torch.rand(3)
    torch.manual_seed(5)
    fit(network_with(torch.random.get_rng_state()), clouds(), **OPTIONS)
    assert torch.equal(torch.rand(3), want)


def network_with(state):
    model = network(dropout=0.5)
    torch.random.set_rng_state(state)
    return model


def test_gradients_of_several_batches_add_up_to_those_of_one_large_batch():
    sgd = dict(optimiser="sgd", schedule="constant", **OPTIONS | dict(lr=0.1))
    whole, parts = network(), network()
    fit(whole, clouds(128), **sgd | dict(batch_size=32))
    history = fit(parts, clouds(128), accumulate=4, **sgd | dict(batch_size=8))
    assert history.rows[-1]["step"] == 6 * 4
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_long_gradients_are_clipped():
    x, y = clouds()
    model = network()
    before = [p.detach().clone() for p in model.parameters()]
    fit(model, (1e4 * x, y), optimiser="sgd", schedule="constant", clip=0.1, **OPTIONS | dict(epochs=1, lr=1.0))
    moved = torch.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(before, model.parameters(), strict=True)))
    steps = len(y) // 16
    assert 0 < moved <= 0.1 * steps / (1 - 0.9) * (1 + 1e-5)                    # with a momentum of 0.9


def test_bfloat16_learns_too_and_the_next_call_is_free_to_choose():
    for precision in ("bf16", "no"):
        model = network()
        history = fit(model, clouds(), clouds(seed=1), score=accuracy, precision=precision, **OPTIONS)
        assert history.rows[-1]["score"] > 0.9
        assert all(p.dtype == torch.float32 for p in model.parameters())
        assert predict(model, clouds()[0]).dtype == torch.float32
        assert model(clouds()[0]).dtype == torch.float32 and "forward" not in vars(model)


def test_augmentation_gets_batches_and_may_make_targets_soft():
    seen = []

    def halves(x, y, generator):
        seen.append((x.shape, torch.rand(1, generator=generator).item()))
        return x, torch.nn.functional.one_hot(y, 2) * 0.8 + 0.1

    fit(network(), clouds(), augment=halves, **OPTIONS)
    shapes, chances = zip(*seen, strict=True)
    assert set(shapes) == {(16, 8)} and len(set(chances)) == len(chances) == 6 * (120 // 16)


def test_every_clip_is_seen_once_an_epoch():
    x, y = torch.arange(48.0)[:, None].expand(48, 8), torch.zeros(48, dtype=torch.long)
    seen = []

    def watch(x, y, generator):
        seen.append(x[:, 0])
        return x, y

    fit(network(), (x, y), augment=watch, **OPTIONS | dict(epochs=2, lr=1e-4))
    first, second = torch.cat(seen[:3]), torch.cat(seen[3:])
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(48)) and first.tolist() != second.tolist()


def test_a_data_set_trains_as_its_tensors_do():
    x, y = clouds()
    one, other = network(), network()
    fit(one, (x, y), **OPTIONS)
    fit(other, list(zip(x, y, strict=True)), **OPTIONS)
    assert same(one, other)


def test_a_number_can_be_estimated():
    x, _ = clouds()
    y = x[:, :1] * 0.5
    torch.manual_seed(0)
    model = nn.Linear(8, 1)
    fit(model, (x, y), **OPTIONS | dict(loss=nn.MSELoss(), epochs=30))
    assert metrics.mean_absolute_error(y, predict(model, x)) < 0.05


# ---- stopping -----------------------------------------------------------------------------------------


def test_it_stops_when_nothing_improves_and_keeps_the_best():
    scores = iter([0.1, 0.5, 0.4, 0.3, 0.2, 0.9])
    kept = {}
    model = network()

    def score(output, y):
        value = next(scores)
        kept[value] = [p.detach().clone() for p in model.parameters()]
        return value

    history = fit(model, clouds(), clouds(seed=1), score=score, patience=3, **OPTIONS)
    assert len(history.rows) == 5 and history.best == 2
    assert all(torch.equal(a, b) for a, b in zip(kept[0.5], model.parameters(), strict=True))


def test_without_a_score_the_validation_loss_decides():
    history = fit(network(), clouds(), clouds(seed=1), patience=2, **OPTIONS | dict(epochs=40))
    losses = history.table.validation_loss
    assert history.best == int(losses.idxmin()) + 1 and len(losses) < 40


@pytest.mark.parametrize("poison", ["loss", "weights", "clips"])
def test_what_is_no_number_stops_it_at_once_and_is_named(poison):
    x, y = clouds()
    model = network()
    loss, calls = nn.CrossEntropyLoss(), []

    def spoilt(output, y):
        calls.append(1)
        return loss(output, y) * (float("nan") if poison == "loss" and len(calls) == 10 else 1)

    if poison == "weights":
        with torch.no_grad():
            model[3].bias[0] = float("inf")
    if poison == "clips":
        x[7, 0] = float("nan")
    before = [p.detach().clone() for p in model.parameters()]
    says = {"loss": r"Step 10: .*gradient|Step 10: .*parameters are finite", "weights": r"Step 1: .*'3\.bias'",
            "clips": r"Step [1-7]: a training clip holds NaN"}[poison]
    with pytest.raises(TrainingError, match=says):
        fit(model, (x, y), **OPTIONS | dict(loss=spoilt))
    assert all(torch.isfinite(p).all() for p in model.parameters()) or poison == "weights"
    assert len(calls) == {"loss": 10, "weights": 1}.get(poison, len(calls))
    assert poison != "weights" or all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_what_was_no_number_leaves_no_trace():
    torch.manual_seed(0)
    x, y = torch.randn(64, 1, 32, 40), torch.arange(64) % 3
    bad = x.clone()
    bad[40, 0, 3, 3] = float("nan")
    model = models.CNN(32, 3)
    with pytest.raises(TrainingError, match="a training clip holds NaN"):
        fit(model, (bad, y), **OPTIONS)
    assert torch.isfinite(predict(model, x)).all() and all(p.grad is None for p in model.parameters())
    assert np.isfinite(fit(model, (x, y), **OPTIONS | dict(lr=1e-3)).rows[-1]["loss"])


def test_an_exploding_gradient_is_named_before_it_spoils_the_weights():
    class Root(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.zeros(1))
            self.rest = network()

        def forward(self, x):
            return self.rest(x) + torch.sqrt(self.scale)        # finite at 0, its slope is not

    model = Root()
    with pytest.raises(TrainingError, match=r"Step 1: .*gradient of 'scale'"):
        fit(model, clouds(), **OPTIONS)
    assert all(torch.isfinite(p).all() for p in model.parameters())


# ---- going on -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", training.SCHEDULES)
def test_an_interrupted_training_ends_as_one_in_one_go(tmp_path, schedule):
    options = dict(validation=clouds(seed=1), score=accuracy, schedule=schedule, patience=20, **OPTIONS)
    whole, halves = network(dropout=0.3), network(dropout=0.3)
    want = fit(whole, clouds(), **options)
    calls = []

    def interrupted(x, y, generator):
        calls.append(1)
        if len(calls) == 25:                                    # in the middle of the fourth epoch
            raise KeyboardInterrupt
        return x, y

    with pytest.raises(KeyboardInterrupt):
        fit(halves, clouds(), augment=interrupted, resume=tmp_path / "state.pt", **options)
    again = network(seed=7, dropout=0.3)                        # a fresh process would have made another
    history = fit(again, clouds(), augment=lambda x, y, g: (x, y), resume=tmp_path / "state.pt", **options)
    assert same(whole, again)
    keys = ["epoch", "step", "loss", "lr", "validation_loss", "score"]
    assert history.table[keys].equals(want.table[keys]) and history.best == want.best
    assert list(tmp_path.iterdir()) == [tmp_path / "state.pt"]
    finished = fit(network(), clouds(), resume=tmp_path / "state.pt", **options)
    assert finished.table.equals(history.table)


def test_other_settings_do_not_go_on_from_a_state(tmp_path):
    fit(network(), clouds(), resume=tmp_path / "state.pt", **OPTIONS)
    before = (tmp_path / "state.pt").read_bytes()
    with pytest.raises(ValueError, match="other settings"):
        fit(network(), clouds(), resume=tmp_path / "state.pt", **OPTIONS | dict(lr=0.01))
    assert (tmp_path / "state.pt").read_bytes() == before


def test_a_state_that_is_damaged_or_a_pickle_is_refused(tmp_path):
    import pickle

    file = tmp_path / "state.pt"
    for content in (b"", b"cut off", pickle.dumps(print)):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="damaged"):
            fit(network(), clouds(), resume=file, **OPTIONS)
        assert file.read_bytes() == content


# ---- several processes --------------------------------------------------------------------------------

SCRIPT = """
import json, sys
import torch
from torch import nn
from audiolab.training import fit
sys.path.insert(0, sys.argv[1])
from test_training import OPTIONS, accuracy, clouds, network
model, sizes = network(), set()
def watch(x, y, generator):
    sizes.add(len(x))
    return x, y
history = fit(model, clouds(), clouds(seed=1), score=accuracy, patience=9, clip=1.0, augment=watch, **OPTIONS)
import os
if os.environ.get("RANK", "0") == "0":
    print(json.dumps({"rows": history.rows, "weights": [p.tolist() for p in model.parameters()],
                      "sizes": sorted(sizes)}))
"""


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    runs = []
    for launcher in ([], ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_addr", "127.0.0.1",
                          "--rdzv_backend", "c10d", "--rdzv_endpoint", "127.0.0.1:0"]):
        command = [sys.executable, *launcher, str(script), str(Path(__file__).parent)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr[-2000:]
        runs.append(json.loads(done.stdout.strip().splitlines()[-1]))
    one, two = runs
    assert (one["sizes"], two["sizes"]) == ([16], [8])          # each has half of every batch
    for a, b in zip(one["weights"], two["weights"], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    for key in ("loss", "validation_loss", "score", "lr", "step"):
        np.testing.assert_allclose([row[key] for row in one["rows"]], [row[key] for row in two["rows"]], atol=1e-4)


# ---- what makes no sense ------------------------------------------------------------------------------


@pytest.mark.parametrize(("changed", "says"), [
    (dict(optimiser="adamw"), "no 'adamw'; there are adam, sgd, rmsprop"),
    (dict(schedule="cosine"), "no 'cosine'; there are"),
    (dict(patience=3), "need validation clips"),
    (dict(schedule="plateau"), "need validation clips"),
    (dict(train=(torch.zeros(0, 8), torch.zeros(0, dtype=torch.long))), "no training clips"),
    (dict(train=(torch.zeros(5, 8), torch.zeros(4, dtype=torch.long))), "5 inputs and 4 targets"),
    (dict(patience=0, validation=clouds(seed=1)), "at least 1 epoch"),
    (dict(accumulate=8), "120 clips are fewer than a step of 8 batches of 16"),
    (dict(epochs=0), "at least 1"),
    (dict(batch_size=0), "at least 1"),
])
def test_what_makes_no_sense_is_refused(changed, says):
    options = dict(train=clouds(), **OPTIONS) | changed
    with pytest.raises(ValueError, match=says):
        fit(network(), **options)


# ---- beside it ----------------------------------------------------------------------------------------


def test_weights_of_classes_and_arrays_are_taken():
    model = network()
    loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 3.0]))
    history = fit(model, clouds(), clouds(seed=1), **OPTIONS | dict(loss=loss, lr=np.float64(0.05)))
    assert np.isfinite(history.rows[-1]["validation_loss"]) and not model.training
    x = clouds(300)[0]
    assert torch.equal(predict(model, x.numpy()), predict(model, x)) and len(predict(model, x.numpy())) == 300


def test_predictions_do_not_depend_on_the_batch():
    torch.manual_seed(0)
    model = models.CRNN(32, 3)
    x = torch.randn(5, 1, 32, 40)
    assert torch.allclose(predict(model, x, batch_size=2), predict(model, x, batch_size=5), atol=1e-5)
    assert not model.training and not predict(model, x).requires_grad


def test_tensorboard_gets_every_epoch(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    history = fit(network(), clouds(), clouds(seed=1), score=accuracy, log=tmp_path, **OPTIONS)
    events = EventAccumulator(str(tmp_path)).Reload()
    for name in ("loss", "validation_loss", "score", "lr"):
        found = events.Scalars(name)
        assert [e.step for e in found] == list(history.table.step)
        assert [e.value for e in found] == pytest.approx(list(history.table[name]))
