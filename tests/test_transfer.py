"""Losses agree with PyTorch's, few examples are dealt fairly, a probe finds what is there, and a gap is measured."""

import copy

import numpy as np
import pandas as pd
import pytest
import scipy.linalg
import torch

from audiolab import corpus, features, metrics, models, training, transfer
from audiolab.recipes import adapting


def rows(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ---- losses -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("margin", [0.2, 1.0])
def test_the_triplet_loss_is_that_of_pytorch(margin):
    a, p, n = (rows(16, 8, seed=seed) for seed in range(3))
    want = torch.nn.TripletMarginLoss(margin, eps=0)(a, p, n)
    torch.testing.assert_close(transfer.triplet_loss(a, p, n, margin), want)


def test_triplets_in_order_teach_nothing_and_a_copy_has_a_gradient():
    a = rows(4, 3).requires_grad_()
    assert transfer.triplet_loss(a, a, a + 10, 0.2) == 0
    transfer.triplet_loss(a, a.detach(), a.detach(), 0.2).backward()
    assert a.grad.isfinite().all()


def test_info_nce_by_hand_and_where_nothing_is_known():
    a, b = torch.tensor([[3.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.0, 5.0]])
    assert transfer.info_nce(a, b, 0.5).item() == pytest.approx(np.log(1 + np.exp(-2)))     # 1 / 0.5 against 0
    assert transfer.info_nce(torch.ones(8, 3), torch.ones(8, 3)).item() == pytest.approx(np.log(8))


def test_info_nce_asks_both_ways_and_the_length_does_not_count():
    a, b = rows(8, 5), rows(8, 5, seed=1)
    torch.testing.assert_close(transfer.info_nce(a, b), transfer.info_nce(b, a))
    torch.testing.assert_close(transfer.info_nce(a, b), transfer.info_nce(7 * a, b))


@pytest.mark.parametrize("call", [
    lambda: transfer.triplet_loss(rows(4, 3), rows(4, 3), rows(5, 3)),
    lambda: transfer.info_nce(rows(1, 3), rows(1, 3)),
    lambda: transfer.info_nce(rows(4), rows(4)), lambda: transfer.triplet_loss(*[rows(0, 3)] * 3)])
def test_embeddings_that_do_not_stand_row_by_row(call):
    with pytest.raises(ValueError, match="row by row"):
        call()


def test_no_temperature():
    with pytest.raises(ValueError, match="above 0, not 0"):
        transfer.info_nce(rows(4, 3), rows(4, 3), 0)


# ---- few examples -------------------------------------------------------------------------------------


def test_a_few_of_each_class_none_twice_and_by_chance():
    labels = np.array(list("abcd") * 10)
    one, same, other = (transfer.few_shot(labels, 3, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert labels[one].tolist() == list("aaabbbcccddd") and len(set(one)) == 12
    assert (one == same).all() and (one != other).any()


@pytest.mark.parametrize(("k", "most"), [(2, 1), (5, 1), (10, 2), (7, 2)])
def test_all_voices_are_asked_before_one_is_asked_again(k, most):
    labels, voices = np.repeat(["a", "b"], 50), np.tile(np.repeat(list("vwxyz"), 10), 2)
    at = transfer.few_shot(labels, k, np.random.default_rng(0), voices)
    counts = pd.crosstab(labels[at], voices[at])
    assert counts.to_numpy().max() == most and counts.to_numpy().sum(axis=1).tolist() == [k, k]


@pytest.mark.parametrize(("k", "groups", "words"), [
    (0, None, "k is 1 or more"), (4, None, "Of 'b' there are 3 clips, fewer than 4"),
    (1, ["v"], "7 labels and 1 groups")])
def test_handfuls_that_cannot_be(k, groups, words):
    with pytest.raises(ValueError, match=words):
        transfer.few_shot(list("aaaabbb"), k, np.random.default_rng(0), groups)


def clouds(n=60, seed=0):
    x = rows(n, 6, seed=seed).numpy()
    y = np.array(list("abc") * (n // 3))
    return x + 3 * np.eye(6)[np.searchsorted(["a", "b", "c"], y)], y


def test_a_probe_finds_a_direction_whatever_its_unit():
    x, y = clouds()
    test_x, test_y = clouds(seed=1)
    assert transfer.probe(x, y).score(test_x, test_y) > 0.8
    scaled = np.array([1e3, 1, 1e-3, 1, 1, 1])
    assert (transfer.probe(x * scaled, y).predict(test_x * scaled) == transfer.probe(x, y).predict(test_x)).all()


def test_a_curve_rises_and_two_learners_meet_the_same_clips():
    met = []

    class Nothing:
        def __init__(self, x, y):
            met.append(x)

        def predict(self, x):
            return np.full(len(x), "a")

    x, y = clouds(300)
    test = clouds(300, seed=1)
    found = transfer.curve(x, y, *test, ks=(1, 20), draws=4)
    assert list(found) == ["k", "draw", "accuracy"] and len(found) == 8
    mean = found.groupby("k").accuracy.mean()
    assert mean[20] > mean[1] + 0.05
    for _ in range(2):
        nothing = transfer.curve(x, y, *test, ks=(1, 2), draws=2, learner=Nothing)
    assert (nothing.accuracy == 1 / 3).all() and all((a == b).all() for a, b in zip(met[:4], met[4:], strict=True))


# ---- how far apart ------------------------------------------------------------------------------------


def test_the_frechet_distance_is_its_formula():
    x, y = rows(200, 5).numpy(), 1.5 * rows(300, 5, seed=1).numpy() @ np.diag([1, 2, 1, 1, 0.5]) + 0.3
    c1, c2 = np.cov(x.T), np.cov(y.T)
    want = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(c1 + c2 - 2 * scipy.linalg.sqrtm(c1 @ c2).real)
    assert metrics.frechet_distance(x, y) == pytest.approx(want, rel=1e-5)
    assert metrics.frechet_distance(y, x) == pytest.approx(want, rel=1e-5)


def test_the_frechet_distance_of_a_cloud_moved_or_stretched():
    x = rows(500, 4).numpy().astype(float)
    assert metrics.frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert metrics.frechet_distance(x, x + np.array([3, 4, 0, 0])) == pytest.approx(25)
    stretched = x.mean(0) + 2 * (x - x.mean(0))
    assert metrics.frechet_distance(x, stretched) == pytest.approx(np.trace(np.cov(x.T)))   # (2 - 1)² tr C
    few = rows(3, 10).numpy()                                   # fewer clips than dimensions
    assert metrics.frechet_distance(few, few + 1) == pytest.approx(10)


@pytest.mark.parametrize(("x", "y"), [
    (np.zeros((5, 3)), np.zeros((5, 2))), (np.zeros((1, 3)), np.zeros((5, 3))), (np.zeros(5), np.zeros(5)),
    (np.full((5, 3), np.nan), np.zeros((5, 3)))])
def test_clouds_that_cannot_be_compared(x, y):
    with pytest.raises(ValueError, match=r"Clouds are \[clips, dim\]|NaN"):
        metrics.frechet_distance(x, y)


# ---- looking at it ------------------------------------------------------------------------------------


def test_the_projector_is_what_tensorboard_reads(tmp_path):
    folder = tmp_path / "runs" / "words"
    labels = {"word": list("aabbcc"), "voice": ["v\t1"] * 6}
    said = transfer.projector(folder, rows(6, 4), labels, torch.rand(6, 1, 8, 8))
    assert said == f"tensorboard --logdir {folder}"
    config = (folder / "projector_config.pbtxt").read_text("utf-8")
    assert "tensors.tsv" in config and "metadata.tsv" in config and "sprite.png" in config
    written = {file.name: file.read_text("utf-8").splitlines() for file in folder.rglob("*.tsv")}
    assert len(written["tensors.tsv"]) == 6 and written["metadata.tsv"][:2] == ["word\tvoice", "a\tv 1"]
    transfer.projector(folder, rows(3, 4), list("abc"))         # again: in its place
    assert [file.read_text("utf-8") for file in folder.rglob("metadata.tsv")] == ["a\nb\nc\n"]
    assert sorted(path.name for path in folder.parent.iterdir()) == ["words"]


def test_a_projector_is_not_written_over_something_else(tmp_path):
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(ValueError, match="something else than a projector"):
        transfer.projector(tmp_path, rows(2, 4), list("ab"))
    run = tmp_path / "run"
    transfer.projector(run, rows(2, 4), list("ab"))
    (run / "events.out.tfevents.1.curves").write_text("of a training")
    with pytest.raises(ValueError, match="something else than a projector"):
        transfer.projector(run, rows(2, 4), list("ab"))
    assert (run / "events.out.tfevents.1.curves").read_text() == "of a training"
    with pytest.raises(ValueError, match="2 embeddings and 3 labels"):
        transfer.projector(tmp_path / "new", rows(2, 4), list("abc"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "thesis.txt"]


# ---- a domain gap -------------------------------------------------------------------------------------


def words(n=8, seed=0):
    """Bursts of noise of 0.3 s, of ten classes by their band, in a second of silence."""
    x, burst = torch.zeros(n, transfer.RATE), rows(n, 2400, seed=seed)
    x[:, 2800:5200] = burst.cumsum(dim=1) * torch.hann_window(2400)
    return x


def test_signals_stand_in_the_middle_of_a_second(tmp_path):
    lengths = {"short": 4000, "long": 16000}
    plan = pd.DataFrame({"path": [f"{name}.flac" for name in lengths], "n": lengths.values()})
    made = corpus.make(tmp_path / "tones", plan, lambda row: corpus.Clip(
        np.linspace(0.1, 0.5, row["n"], dtype=np.float32), transfer.RATE))
    short, long = transfer.signals(made)
    assert not short[:2000].any() and not short[6000:].any() and short[2000:6000].all()
    assert long[0].item() == pytest.approx(0.2, abs=1e-3) and long[-1].item() == pytest.approx(0.4, abs=1e-3)


def test_pictures_are_alike_whoever_stands_near_the_microphone():
    x = words()
    near, far = transfer.pictures(x), transfer.pictures(0.003 * x + 0.001)
    assert near.shape == (8, 1, 40, transfer.FRAMES) and near.min() == 0
    torch.testing.assert_close(near, far, atol=2e-2, rtol=0)
    assert (near.amax(dim=(1, 2, 3)) == transfer.DEPTH).all()
    assert transfer.pictures(torch.zeros(1, transfer.RATE)).isfinite().all()


def test_elsewhere_keeps_shape_and_targets_and_comes_from_the_generator():
    x, y = words(), torch.arange(8)
    first, second, other = (transfer.elsewhere(x, y, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert first[0].shape == transfer.pictures(x).shape and torch.equal(first[1], y)
    assert torch.equal(first[0], second[0]) and not torch.equal(first[0], other[0])
    assert first[0].isfinite().all() and first[0].min() >= 0
    assert transfer.elsewhere(torch.zeros(2, transfer.RATE), y[:2], torch.Generator())[0].isfinite().all()


def test_a_telephone_takes_the_lows_and_the_highs_and_adds_noise():
    x = rows(6, transfer.RATE)
    level = features.LogMel(transfer.RATE)(transfer.telephoned(x, torch.Generator().manual_seed(0))).mean(dim=(0, 1, 3))
    assert level[0] < level[10:30].min() - 3 and level[-1] < level[10:30].min() - 0.5
    quiet = words()
    assert transfer.telephoned(quiet, torch.Generator().manual_seed(0))[:, :2000].any()


def network():
    torch.manual_seed(0)
    return models.DSCNN(40, 10)


def test_matching_measures_the_clips_and_leaves_the_model_alone():
    model, x = network().eval(), 5 + 2 * rows(64, 1, 40, 64)
    before = copy.deepcopy(model.state_dict())
    found = transfer.matched(model, x)
    torch.testing.assert_close(found.norm.norm.running_mean, x.mean(dim=(0, 1, 3)))
    torch.testing.assert_close(found.norm.norm.running_var, x.transpose(0, 2).flatten(1).var(dim=1), rtol=1e-4, atol=0)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert not found.training and all(a is b or torch.equal(a, b) for a, b in zip(
        model.parameters(), found.parameters(), strict=True))
    usual = [layer.momentum for layer in model.modules() if hasattr(layer, "momentum")]
    assert usual == [layer.momentum for layer in found.modules() if hasattr(layer, "momentum")]


def test_embeddings_are_what_the_last_layer_sees():
    model, x = network().eval(), rows(4, 1, 40, 64)
    numbers = torch.from_numpy(transfer.embeddings(model, x))
    torch.testing.assert_close(model.head(numbers), training.predict(model, x), atol=1e-5, rtol=1e-4)


def test_tuning_changes_a_copy():
    model, x = network(), words(20)
    before = copy.deepcopy(model.state_dict())
    tuned = transfer.tuned(model, x, torch.arange(20) % 10, steps=2)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert not torch.equal(tuned.head[-1].weight, model.head[-1].weight) and not tuned.training


@pytest.mark.parametrize("k", [2, 4])
def test_nobody_who_is_asked_was_heard(k):
    table = pd.DataFrame({"speaker": np.repeat(list("abc"), 40), "take": np.tile(np.arange(20), 6)})
    table = table.assign(asked=table["take"] < 5, given=table["take"] >= 5)
    y, x, met = torch.arange(2).repeat_interleave(20).repeat(3), np.arange(120), []

    class Learner:
        def __init__(self, x, y):
            met.append((x, y))

        def predict(self, x):
            met[-1] += (x,)
            return np.full(len(x), len(met))

    guess = transfer.left_out(Learner, x, y, table, k)
    assert guess.tolist() == [1] * 10 + [2] * 10 + [3] * 10
    for (given, told, asked), one in zip(met, "abc", strict=True):
        assert set(table.speaker[asked]) == {one} and table.asked[asked].all() and table.given[given].all()
        assert set(table.speaker[given]) == {*"abc"} - {one}
        assert told.tolist() == [0] * k + [1] * k == y[given].tolist()
        assert (table.speaker[given].value_counts() == k).all()


def test_a_network_from_scratch_learns_what_a_few_clips_show():
    y = np.array(["high", "low"] * 4)
    x = torch.zeros(8, 1, 40, 32)
    x[::2, :, 25:], x[1::2, :, :15] = 3, 3
    x += rows(*x.shape)
    learner = transfer.from_scratch(x, y, steps=30)
    assert (learner.predict(x) == y).all()


def test_all_ways_are_asked_about_the_same_clips_and_counted_by_speaker(monkeypatch):
    tuned = transfer.tuned
    monkeypatch.setattr(transfer, "tuned", lambda model, x, y: tuned(model, x, y, steps=1))
    n = 160
    table = pd.DataFrame({"speaker": np.repeat(["first", "second"], n // 2), "asked": np.tile(np.arange(80) < 20, 2)})
    domain = words(n), torch.arange(10).repeat(n // 10), table.assign(given=~table.asked)
    model = network().eval()
    monkeypatch.setattr(adapting, "TEN", 2)
    found = {"as it is": adapting.as_it_is(model, domain), **adapting.crossed(model, domain, draws=3)}
    assert list(found) == ["as it is", "matched", "probe", "tuned"]
    for name, one in found.items():
        assert one["clips"] == 40 and one["right"] == sum(one["speakers"].values())
        assert one["low"] < one["accuracy"] == one["right"] / 40 < one["high"]
        assert name == "as it is" or one["right"] == sorted(one["draws"])[1]


def test_a_control_hears_the_words_as_they_are():
    x, y = words(), torch.arange(8)
    here, _ = transfer.here(x, y, torch.Generator().manual_seed(0))
    assert here.shape == transfer.pictures(x).shape and here.max() <= transfer.DEPTH
    assert transfer.plain_pictures(x).shape == here.shape and transfer.plain_pictures(0 * x).max() < -11
