"""Maps of models whose answer is known, the sound of a map, and two checks that tell good maps from bad ones."""

import functools
import io

import numpy as np
import pytest
import torch
from captum.attr import GradientShap
from PIL import Image
from torch import nn

from audiolab import explain, features, plots
from audiolab.models.classify import CNN, CRNN, DSCNN, RNN, AudioTransformer

MEL, TIME = 6, 10


class Linear(nn.Module):
    """Two classes, each a weighted sum of all cells."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.layer = nn.Linear(MEL * TIME, 2)

    def forward(self, x):
        return self.layer(x.flatten(1))

    def weight(self, target):
        return self.layer.weight[target].detach().view(-1, 1, MEL, TIME).numpy()


class Band(nn.Module):
    """Listens to mel channels 2 and 3 alone, through two layers with a bend between them."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.layers = nn.Sequential(nn.Conv1d(2, 8, 3, padding=1), nn.Tanh(), nn.Dropout(0.5), nn.Conv1d(8, 3, 1))

    def forward(self, x):
        return self.layers(x[:, 0, 2:4]).mean(dim=2)


@pytest.fixture
def x():
    return torch.randn(3, 1, MEL, TIME, generator=torch.Generator().manual_seed(0))


TARGET = [0, 1, 1]
METHODS = {
    "integrated gradients": explain.integrated_gradients,
    "GradientSHAP": lambda model, x, target: explain.gradient_shap(model, x, target, x + 1, draws=4),
    "occlusion": functools.partial(explain.occlusion, size=(2, 3), stride=(1, 2)),
}
every_method = pytest.mark.parametrize("explained", METHODS.values(), ids=METHODS)


def test_score_is_the_logit(x):
    model = Linear()
    assert explain.score(model, x, TARGET) == pytest.approx(model(x)[[0, 1, 2], TARGET].tolist())


@pytest.mark.parametrize("baseline", [None, 0.0, torch.arange(MEL)[:, None], torch.ones(3, 1, MEL, TIME)])
def test_integrated_gradients_of_a_linear_model_are_weight_times_distance(x, baseline):
    model = Linear()
    b = np.log(1e-5) if baseline is None else np.asarray(baseline)
    want = model.weight(TARGET) * (x.numpy() - b)
    np.testing.assert_allclose(explain.integrated_gradients(model, x, TARGET, baseline, steps=3), want, atol=1e-5)


def test_gradient_shap_of_a_linear_model_is_weight_times_distance_from_the_mean_background(x):
    model = Linear()
    background = torch.stack([torch.full((1, MEL, TIME), v) for v in (0.0, 1.0)])
    got = explain.gradient_shap(model, x, TARGET, background, draws=1000)
    np.testing.assert_allclose(got, model.weight(TARGET) * (x.numpy() - 0.5), atol=0.01)


def test_gradient_shap_with_the_draws_of_captum_is_captums(x, monkeypatch):
    model, background = Band().eval(), torch.randn(5, 1, MEL, TIME)
    rng = np.random.default_rng(7)
    monkeypatch.setattr(np.random, "choice", rng.choice)
    monkeypatch.setattr(np.random, "uniform", rng.uniform)
    want = GradientShap(model).attribute(x[:1].requires_grad_(), background, n_samples=6, target=2).detach()
    got = explain.gradient_shap(model, x[:1], [2], background, draws=6, seed=7)
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_occlusion_by_single_cells_of_a_linear_model_is_weight_times_distance(x):
    model = Linear()
    got = explain.occlusion(model, x, TARGET, size=(1, 1), stride=(1, 1), fill=0.5)
    np.testing.assert_allclose(got, model.weight(TARGET) * (x.numpy() - 0.5), atol=1e-5)


def test_occlusion_covers_whole_pieces(x):
    model = Linear()
    got = explain.occlusion(model, x, TARGET, size=(3, 5), stride=(3, 5), fill=0.0)
    falls = (model.weight(TARGET) * x.numpy()).reshape(3, 2, 3, 2, 5).sum(axis=(2, 4))
    np.testing.assert_allclose(got[:, 0], falls.repeat(3, axis=1).repeat(5, axis=2), atol=1e-5)


def test_integrated_gradients_are_complete(x):
    model, still = Band(), torch.full_like(x, explain.SILENCE)
    difference = explain.score(model, x, TARGET) - explain.score(model, still, TARGET)
    gap = [np.abs(explain.integrated_gradients(model, x, TARGET, steps=n).sum(axis=(1, 2, 3)) - difference).max()
           for n in (4, 128)]
    assert gap[1] < 1e-3 < 1e-2 < gap[0]


@every_method
def test_a_model_that_hears_one_band_is_explained_by_that_band(x, explained):
    got = np.abs(explained(Band(), x, TARGET)).max(axis=(0, 1, 3))
    reach = 1 if explained is METHODS["occlusion"] else 0        # a covered piece reaches one channel further
    assert (got[2:4] > 1e-3).all()
    assert (got[: 2 - reach] < 1e-6).all() and (got[4 + reach :] < 1e-6).all()


@pytest.mark.parametrize("frames", [1, 37])
@pytest.mark.parametrize("kind", [CRNN, CNN, DSCNN, RNN, AudioTransformer])
def test_every_model_is_explained_at_any_length(kind, frames):
    torch.manual_seed(0)
    model, x = kind(16, 4), torch.randn(2, 1, 16, frames)
    for maps in (explain.integrated_gradients(model, x, [3, 0], steps=4),
                 explain.gradient_shap(model, x, [3, 0], torch.zeros_like(x), draws=4),
                 explain.occlusion(model, x, [3, 0])):
        assert maps.shape == x.shape and maps.dtype == np.float32
        assert np.isfinite(maps).all() and np.abs(maps).max() > 0


@every_method
def test_the_model_the_clips_and_the_callers_chance_stay_as_they_were(x, explained):
    torch.manual_seed(0)
    model = CRNN(MEL, 2, channels=(2, 2, 2), hidden=2)
    model.train().convs.eval()
    modes = [layer.training for layer in model.modules()]
    state, clips = {k: v.clone() for k, v in model.state_dict().items()}, x.clone()
    chance, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()
    explained(model, x, TARGET)
    assert [layer.training for layer in model.modules()] == modes
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert torch.equal(x, clips) and not x.requires_grad
    assert torch.equal(torch.get_rng_state(), chance) and (np.random.get_state()[1] == numpys).all()
    with pytest.raises(ValueError, match="classes 0 to 1"):
        explained(model, x, [0, 0, 5])
    assert [layer.training for layer in model.modules()] == modes


@every_method
def test_a_map_does_not_depend_on_the_clips_beside_it(x, explained):
    model = Band()
    method = functools.partial(explain.gradient_shap, background=x) if "lambda" in str(explained) else explained
    np.testing.assert_allclose(method(model, x, TARGET)[1:2], method(model, x[1:2], TARGET[1:2]), atol=1e-6)


def test_the_seed_decides(x):
    a, b, c = (explain.gradient_shap(Band(), x, TARGET, x.flip(0), draws=4, seed=seed) for seed in (0, 0, 1))
    assert (a == b).all() and not np.allclose(a, c)


def test_cudnn_which_cannot_go_back_through_a_recurrent_layer_in_evaluation_mode_is_not_asked(x):
    used = []

    class Watch(Linear):
        def forward(self, x):
            used.append(torch.backends.cudnn.enabled)
            return super().forward(x)

    before = torch.backends.cudnn.enabled
    explain.integrated_gradients(Watch(), x, TARGET)
    assert used and not any(used) and torch.backends.cudnn.enabled == before


def test_gradients_are_there_also_where_the_caller_wants_none(x):
    with torch.no_grad():
        quiet = [method(Band(), x, TARGET) for method in METHODS.values()]
    for maps, method in zip(quiet, METHODS.values(), strict=True):
        np.testing.assert_array_equal(maps, method(Band(), x, TARGET))


@pytest.mark.parametrize("kind, frames, each", [(RNN, 9, 1), (CRNN, 37, 4)])
def test_attention_is_stretched_to_the_frames(kind, frames, each):
    torch.manual_seed(0)
    model, x = kind(16, 4), torch.randn(2, 1, 16, frames)
    got = explain.attention(model, x)
    want = model.pool.weights.numpy()
    assert got.shape == (2, frames) and got.sum(axis=1) == pytest.approx([1, 1])
    np.testing.assert_allclose(got[:, ::each] / got[:, :1], want / want[:, :1], rtol=1e-5)


def test_attention_needs_a_layer_that_has_it(x):
    with pytest.raises(ValueError, match="CNN has no AttentionPooling"):
        explain.attention(CNN(MEL, 2), x)


def clips_with_a_burst(n, seed):
    """Noise, in every second clip louder for 8 of 48 frames in 4 of 16 channels; and where it is."""
    rng = np.random.default_rng(seed)
    x, y, where = rng.normal(size=(n, 1, 16, 48)).astype(np.float32), np.arange(n) % 2, np.zeros((n, 1, 16, 48), bool)
    for i in range(1, n, 2):
        t, f = rng.integers(0, 40), rng.integers(4, 8)
        where[i, 0, f : f + 4, t : t + 8] = True
    return torch.from_numpy(x + 3 * where.astype(np.float32)), torch.from_numpy(y), where


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    model = CNN(16, 2, channels=(8, 16))
    x, y, _ = clips_with_a_burst(256, 0)
    parameters = list(model.parameters())
    for step in range(60):
        at = torch.arange(32) + 32 * (step % 8)
        gradients = torch.autograd.grad(nn.functional.cross_entropy(model(x[at]), y[at]), parameters)
        with torch.no_grad():
            for p, gradient in zip(parameters, gradients, strict=True):
                p -= 0.1 * gradient
    return model


def test_a_trained_network_listened_to_the_event(trained):
    x, y, where = (a[1::2] for a in clips_with_a_burst(16, 1))
    assert (trained.eval()(x).argmax(dim=1) == y).float().mean() > 0.9
    for maps in (explain.integrated_gradients(trained, x, y, baseline=0.0),
                 explain.gradient_shap(trained, x, y, clips_with_a_burst(64, 2)[0]),
                 explain.occlusion(trained, x, y, size=(4, 4), stride=(2, 2), fill=0.0)):
        positive = np.maximum(maps, 0)
        assert positive[where].sum() / positive.sum() > 8 * where.mean()        # of at most 24 times its share
        assert explain.faithfulness(trained, x, y, maps, fill=0.0)["area"].mean() > 0.5


def test_faithfulness_is_exact_for_a_linear_model(x):
    model = Linear()
    parts = model.weight(TARGET) * x.numpy()                    # what each cell adds to the logit
    found = explain.faithfulness(model, x, TARGET, parts, fill=0.0, steps=4)
    n = np.ceil(found["share"] * MEL * TIME - 1e-9).astype(int)
    total = np.pad(np.cumsum(-np.sort(-parts.reshape(3, -1)), axis=1), [(0, 0), (1, 0)])
    np.testing.assert_allclose(found["map"], explain.score(model, x, TARGET)[:, None] - total[:, n], atol=1e-5)
    assert found["share"].tolist() == [0, 1 / 16, 1 / 4, 9 / 16, 1]
    np.testing.assert_allclose(found["map"][:, [0, -1]], found["random"][:, [0, -1]], atol=1e-5)
    assert (found["area"] > 0).all()
    assert (explain.faithfulness(model, x, TARGET, -parts, fill=0.0)["area"] < 0).all()


def test_a_random_map_is_as_faithful_as_chance():
    x = torch.randn(200, 1, MEL, TIME, generator=torch.Generator().manual_seed(3))
    target, rng = np.zeros(200, int), np.random.default_rng(0)
    area = explain.faithfulness(Linear(), x, target, rng.normal(size=x.shape), fill=0.0)["area"]
    assert abs(area.mean()) < 4 * area.std() / np.sqrt(200)


def edges(model, x, target):
    return np.abs(np.diff(x.numpy(), axis=3, append=0))


def test_the_sanity_check_tells_a_map_of_the_network_from_a_map_of_the_clip(trained):
    x, y, _ = (a[1:8:2] for a in clips_with_a_burst(8, 1))
    before = {k: v.clone() for k, v in trained.state_dict().items()}
    kept = explain.randomised(trained, x, y, edges)
    lost = explain.randomised(trained, x, y, functools.partial(explain.integrated_gradients, baseline=0.0, steps=8))
    assert list(lost.layer) == ["none", "head.1", "layers.2", "layers.0"]
    assert kept["size"].tolist() == pytest.approx([1] * 4) and kept.signed.tolist() == pytest.approx([1] * 4)
    assert lost.signed[0] == lost["size"][0] == pytest.approx(1)
    assert lost.signed.iloc[-1] < 0.4 and lost["size"].iloc[-1] < 0.9
    assert all(torch.equal(v, before[k]) for k, v in trained.state_dict().items())
    again = explain.randomised(trained, x, y, functools.partial(explain.integrated_gradients, baseline=0.0, steps=8))
    assert again.equals(lost)


def test_the_sanity_check_shuffles_from_the_last_layer_to_the_first_and_never_back(x):
    model, seen = Band(), []

    def look(copy, x, target):
        seen.append([p.detach().clone() for p in copy.parameters()])
        return x.numpy()

    explain.randomised(model, x, TARGET, look)
    same = [[torch.equal(p, q) for p, q in zip(now, seen[0], strict=True)] for now in seen]
    assert same == [[True] * 4, [True, True, False, False], [False] * 4]
    assert all(torch.equal(p.flatten().sort().values, q.flatten().sort().values)
               for now in seen for p, q in zip(now, seen[0], strict=True))


def test_a_map_that_says_nothing_correlates_with_nothing(x):
    found = explain.randomised(Linear(), x, TARGET, lambda model, x, target: np.zeros(x.shape))
    assert found.signed.tolist() == found["size"].tolist() == [0, 0]


def test_the_sanity_check_works_on_a_network_that_attends_and_has_just_been_trained():
    torch.manual_seed(0)
    model, x = CRNN(16, 2, channels=(2, 2, 2), hidden=2), torch.randn(2, 1, 16, 20)
    model(x).sum().backward()
    found = explain.randomised(model, x, [0, 1], functools.partial(explain.integrated_gradients, steps=2))
    assert list(found.layer) == ["none", "head.1", "pool.score", "rnn", "convs.4", "convs.2", "convs.0"]


def two_tones(sr, n):
    t = np.arange(n) / sr
    return [(0.3 * np.sin(2 * np.pi * f * t)).astype(np.float32) for f in (500, 3000)]


@pytest.mark.parametrize("sr", [8000, 16000, 22050])
@pytest.mark.parametrize("n", [1, 1000, 7777])
def test_a_map_of_ones_is_heard_as_the_sound_itself(sr, n):
    y = np.random.default_rng(0).uniform(-1, 1, n).astype(np.float32)
    kept, rest = explain.listen(y, sr, np.ones(features.log_mel(y, sr).shape))
    assert kept.dtype == rest.dtype == np.float32 and kept.shape == rest.shape == (n,)
    np.testing.assert_allclose(kept, y, atol=1e-5)


def test_a_map_of_one_band_is_heard_as_that_band():
    low, high = two_tones(16000, 16000)
    a = np.zeros_like(features.log_mel(low, 16000))
    a[:25] = 2.0                                                # channel 25 of 64 is at 1.1 kHz
    a[40:] = 1.0
    inner = slice(1000, -1000)
    np.testing.assert_allclose(explain.listen(low + high, 16000, a)[0][inner], (low + high / 2)[inner], atol=3e-3)
    a[40:] = -1.0
    kept, rest = explain.listen(low + high, 16000, a)
    np.testing.assert_allclose(kept[inner], low[inner], atol=3e-3)
    np.testing.assert_allclose(rest[inner], high[inner], atol=3e-3)
    np.testing.assert_allclose(explain.listen(low + high, 16000, -a)[0][inner], high[inner], atol=3e-3)


def test_a_map_of_one_moment_is_heard_as_that_moment():
    y, _ = two_tones(16000, 16000)
    a = np.zeros_like(features.log_mel(y, 16000))
    a[:, 40:60] = 1
    kept, _ = explain.listen(y, 16000, a)
    np.testing.assert_allclose(kept[6800:9200], y[6800:9200], atol=3e-3)
    assert not kept[:6000].any() and not kept[10000:].any()


def test_what_is_kept_peaks_no_higher_than_the_sound():
    y = np.sign(two_tones(16000, 16000)[0] + 1e-9).astype(np.float32)           # its fundamental peaks at 4 / π
    a = np.zeros_like(features.log_mel(y, 16000))
    a[:25] = 1
    kept, rest = explain.listen(y, 16000, a)
    assert 0.9 < np.abs(kept).max() <= 1 + 1e-6
    np.testing.assert_allclose(kept + rest, y, atol=1e-6)


def test_where_nothing_spoke_for_the_class_nothing_is_heard():
    y, _ = two_tones(16000, 1600)
    kept, rest = explain.listen(y, 16000, -np.ones_like(features.log_mel(y, 16000)))
    assert not kept.any() and (rest == y).all()
    assert not explain.listen(np.zeros(1600, np.float32), 16000, np.ones((64, 11)))[0].any()


@pytest.mark.parametrize("a", [np.ones((64, 10)), np.ones(11), np.full((64, 11), np.nan)])
def test_a_map_of_another_sound_is_refused(a):
    with pytest.raises(ValueError, match=r"shape \[mel, 11\]"):
        explain.listen(np.zeros(1600, np.float32), 16000, a)


@pytest.mark.parametrize("clips, target, says", [
    (torch.zeros(1, MEL, TIME), [0], r"\[batch, 1, mel, time\]"),
    (torch.zeros(0, 1, MEL, TIME), [], r"\[batch, 1, mel, time\]"),
    (torch.zeros(1, 2, MEL, TIME), [0], r"\[batch, 1, mel, time\]"),
    (torch.full((1, 1, MEL, TIME), torch.nan), [0], f"{MEL * TIME} values are no number"),
    (torch.zeros(1, 1, MEL + 1, TIME), [0], "does not take clips of 7 mel channels"),
    (torch.zeros(2, 1, MEL, TIME), [0], "class number for each of 2"),
    (torch.zeros(1, 1, MEL, TIME), [0.5], "class number for each of 1"),
    (torch.zeros(1, 1, MEL, TIME), [2], "classes 0 to 1"),
    (torch.zeros(1, 1, MEL, TIME), [-1], "classes 0 to 1"),
])
def test_what_cannot_be_explained_is_refused(clips, target, says):
    calls = [explain.score, explain.integrated_gradients, explain.occlusion,
             lambda *asked: explain.gradient_shap(*asked, background=torch.zeros(1, 1, MEL, TIME)),
             lambda *asked: explain.faithfulness(*asked, maps=np.zeros(clips.shape)),
             lambda *asked: explain.randomised(*asked, explain=edges)]
    for call in calls:
        with pytest.raises(ValueError, match=says):
            call(Linear(), clips, target)


def test_other_wrong_input_is_refused(x):
    asked = Linear(), x, TARGET
    for says, call in [
        (r"background has shape \[2, 1, 6, 9\]", lambda: explain.gradient_shap(*asked, x[:2, ..., 1:])),
        (r"background has shape \[0, 1, 6, 10\]", lambda: explain.gradient_shap(*asked, x[:0])),
        ("without NaN", lambda: explain.gradient_shap(*asked, x * torch.nan)),
        ("a stride below 1 or above the size", lambda: explain.occlusion(*asked, (2, 2), (2, 3))),
        ("a stride below 1 or above the size", lambda: explain.occlusion(*asked, (2, 2), (0, 1))),
        (r"shape \[3\] does not fit", lambda: explain.integrated_gradients(*asked, torch.zeros(3))),
        ("holds NaN", lambda: explain.occlusion(*asked, fill=np.nan)),
        ("they must be the same", lambda: explain.faithfulness(*asked, np.zeros((3, MEL, TIME)))),
        ("without NaN", lambda: explain.faithfulness(*asked, x * np.inf)),
    ]:
        with pytest.raises(ValueError, match=says):
            call()


@pytest.fixture
def shown(monkeypatch):
    pictures = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: pictures.append(data))
    return pictures


def test_the_figure_shows_for_in_red_and_against_in_blue_over_grey(shown):
    logmel = np.random.default_rng(0).uniform(-11, 2, (64, 100)).astype(np.float32)
    for_, against, nothing = np.zeros((3, 64, 100))
    for_[20:40, 20:60], against[20:40, 20:60] = 1e-3, -5
    plots.attributions(logmel, {"a": for_, "b": against, "c": nothing}, rows={10: "0.5"}, marks=(0.2,), alt="in words")
    [picture] = shown
    r, g, b = np.moveaxis(np.asarray(Image.open(io.BytesIO(picture["image/png"])).convert("RGB"), int), 2, 0)
    panels = np.array_split(np.arange(50, 600), 3)              # the bar of colours is right of them
    red, blue = ([int(there[:, panel].sum()) for panel in panels]
                 for there in ((r > 200) & (b < 80), (b > 200) & (r < 80)))
    assert red[0] > 1000 and red[1:] == [0, 0]
    assert blue[1] > 1000 and blue[::2] == [0, 0]
    assert ((np.abs(r - g) < 8) & (np.abs(g - b) < 8))[:, panels[2]].mean() > 0.99
    assert picture["text/plain"] == "in words" and len(picture["image/png"]) < 80_000


def test_a_piece_of_a_clip_is_drawn_at_its_time_in_the_clip(monkeypatch):
    figures = []
    monkeypatch.setattr(plots, "_display", lambda figure, title, alt: figures.append(figure))
    plots.attributions(np.random.default_rng(0).normal(size=(64, 100)), {"a": np.eye(64, 100)}, start=1.5, marks=(2.1,))
    axis = figures[0].axes[0]
    assert [picture.get_extent()[:2] for picture in axis.images] == [[1.5, 2.5]] * 2
    assert list(axis.lines[0].get_xdata()) == [2.1, 2.1]


def test_lines_are_drawn_over_names_of_layers(monkeypatch):
    figures = []
    monkeypatch.setattr(plots, "_display", lambda figure, title, alt: figures.append(figure))
    plots.lines(["none", "head", "convs"], {"a": [1, 0, 0]}, x_label="layer", y_label="correlation")
    assert [tick.get_text() for tick in figures[0].axes[0].get_xticklabels()] == ["none", "head", "convs"]
