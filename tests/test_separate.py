"""Networks that take mixtures apart: what they are made of is what it says, and any recording goes through."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from audiolab import metrics, models, training
from audiolab.audio import AudioError
from audiolab.corpora import mixtures
from audiolab.models import separate
from audiolab.models.separate import ConvTasNet, RecurrentMask, UNet, permutation_invariant, snr
from audiolab.recipes import RECIPES, separating

NETWORKS = {
    "unet": lambda: UNet(channels=(4, 6, 8)),
    "recurrent": lambda: RecurrentMask(dim=16),
    "convtasnet": lambda: ConvTasNet(basis=24, dim=16, wide=24, layers=3),
}


def network(kind):
    torch.manual_seed(0)
    return NETWORKS[kind]().eval()


def noise(*shape, seed=0, level=0.1):
    return level * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# ---- how far from the truth -------------------------------------------------------------------------------


def test_snr_is_its_formula():
    s, e = noise(3, 500).double(), noise(3, 500, seed=1).double()
    off = ((s - e) ** 2).sum(-1) + 1e-3 * (s**2).sum(-1)
    assert torch.allclose(snr(e, s), 10 * ((s**2).sum(-1) / off).log10(), atol=1e-5)


def test_a_level_that_is_off_counts():
    s, e = noise(500), noise(500) + noise(500, seed=1, level=0.01)
    assert snr(2 * e, s) < snr(e, s) - 10


def test_beyond_the_cap_nothing_is_gained():
    s = noise(500)
    assert snr(s, s) == pytest.approx(30, abs=1e-3) and snr(s, s, cap=20) == pytest.approx(20, abs=1e-3)
    assert snr(1.001 * s, s) > 29.9


def test_silence_has_a_finite_score_and_gradient():
    silent, heard = torch.zeros(100), noise(100).requires_grad_()
    assert torch.isfinite(snr(silent, silent)) and torch.isfinite(snr(silent, heard.detach()))
    snr(heard, silent).backward()
    assert torch.isfinite(heard.grad).all()


def correlation(estimate, source):
    return torch.nn.functional.cosine_similarity(estimate, source, dim=-1)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("score", [snr, correlation])
def test_the_best_order_is_that_of_trying_all(n, score):
    estimates, sources = noise(5, n, 300, seed=2), noise(5, n, 300, seed=3)
    best, order = permutation_invariant(estimates, sources, score)
    for i in range(5):
        tried = {p: np.mean([score(estimates[i, p[j]], sources[i, j]).item() for j in range(n)])
                 for p in itertools.permutations(range(n))}
        assert best[i] == pytest.approx(max(tried.values()), abs=1e-4)
        assert tuple(order[i].tolist()) == max(tried, key=tried.get)


def test_shuffled_copies_are_put_in_order():
    sources = noise(4, 3, 200)
    shuffled = sources[:, [2, 0, 1]].requires_grad_()
    best, order = permutation_invariant(shuffled, sources)
    assert torch.allclose(best, torch.tensor(30.0), atol=1e-3)
    assert torch.equal(shuffled[torch.arange(4)[:, None], order], sources)
    permutation_invariant(0.5 * shuffled, sources)[0].sum().backward()
    assert shuffled.grad.abs().sum(dim=-1).min() > 0


def test_two_of_one_voice_and_a_voice_alone_have_a_score_too():
    voice, estimates = noise(2, 1, 300), noise(2, 2, 300, seed=1)
    for sources in (voice.repeat(1, 2, 1), torch.cat([voice, torch.zeros(2, 1, 300)], dim=1)):
        best, order = permutation_invariant(estimates, sources)
        assert torch.isfinite(best).all() and order.sort(dim=1).values.tolist() == [[0, 1]] * 2
    quiet = torch.cat([1e-3 * noise(2, 1, 300, seed=2), 0.9 * voice], dim=1)
    assert permutation_invariant(quiet, sources)[1].tolist() == [[1, 0]] * 2    # silence gets what is nearly silent


def test_estimates_and_sources_must_be_alike():
    with pytest.raises(ValueError, match="alike in shape"):
        permutation_invariant(noise(2, 2, 100), noise(2, 3, 100))


# ---- what they are made of --------------------------------------------------------------------------------


@pytest.mark.parametrize("n_fft, hop", [(512, 256), (160, 80)])
def test_a_spectrum_and_back_is_the_signal(n_fft, hop):
    x, spectrum = noise(2, 3, 1037), separate.Spectrum(n_fft, hop)
    assert torch.allclose(spectrum.back(spectrum(x), 1037), x, atol=1e-6)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("n", [1, 79, 80, 160, 801, 4000])
def test_any_length_comes_back_as_long_and_finite(kind, n):
    y = network(kind)(noise(3, n))
    assert y.shape == ((3, 2, n) if kind == "convtasnet" else (3, n)) and torch.isfinite(y).all()


@pytest.mark.parametrize("kind", ["unet", "convtasnet"])
def test_a_louder_mixture_is_only_louder(kind):
    model, x = network(kind), noise(1, 4000)
    assert torch.allclose(model(20 * x), 20 * model(x), atol=1e-4)


@pytest.mark.parametrize("kind", NETWORKS)
def test_clips_of_a_batch_do_not_see_each_other(kind):
    model, x = network(kind), noise(3, 4000)
    assert torch.allclose(model(x)[1:2], model(x[1:2]), atol=1e-5)


@given(cuts=st.lists(st.integers(0, 900), max_size=12), seed=st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_block_by_block_is_the_same_as_all_at_once(cuts, seed):
    model, x = network("recurrent"), noise(2, 900, seed=seed)
    whole = torch.cat([x, torch.zeros(2, 140)], dim=1)          # what `forward` appends: to a whole hop, and one more
    state, found = model.start(2), []
    with torch.inference_mode():
        for a, b in itertools.pairwise([0, *sorted(cuts), whole.shape[1]]):
            y, state = model.step(whole[:, a:b], state)
            assert y.shape[1] % model.hop == 0 and state[0].shape[1] < model.window
            found.append(y)
        y = torch.cat(found, dim=1)[:, model.hop :]
        assert y.shape[1] >= 900 and torch.allclose(y[:, :900], model(x), atol=1e-5)


def test_a_step_leaves_its_state_alone():
    model, x = network("recurrent"), noise(1, 400)
    _, state = model.step(x[:, :200], model.start())
    kept = [t.clone() for t in state]
    one, again = (model.step(x[:, 200:], state)[0] for _ in range(2))
    assert torch.equal(one, again) and all(map(torch.equal, state, kept))


def test_what_comes_later_changes_nothing_that_is_more_than_10_ms_before():
    model, x = network("recurrent"), noise(1, 1600)
    changed = x.clone()
    changed[:, 900:] = noise(1, 700, seed=5)
    same = (model(x) == model(changed))[0].int()
    first = int(same.argmin())
    assert 900 - model.window < first <= 900 and model.latency_ms == 1000 * model.window / model.sr == 10
    assert 2 * model.hop == model.window


def test_a_mask_that_hides_nothing_gives_the_mixture():
    model, x = network("recurrent"), noise(2, 1000)
    nn.init.zeros_(model.last.weight)
    with torch.no_grad():
        model.last.bias.copy_(torch.tensor([20.0, 0.0]).repeat(81))             # tanh: real part 1, imaginary part 0
    assert torch.allclose(model(x), x, atol=1e-6)


def test_two_voices_add_up_to_the_mixture():
    x = noise(2, 5001)
    assert torch.allclose(network("convtasnet")(x).sum(dim=1), x, atol=1e-6)


@pytest.mark.parametrize("dilation", [1, 4])
def test_a_folded_convolution_is_a_dilated_one(dilation):
    torch.manual_seed(0)
    block, x = separate.DilatedBlock(6, 10, dilation), noise(2, 32, 6)
    dilated = nn.Conv1d(10, 10, 3, padding=dilation, dilation=dilation, groups=10)
    dilated.load_state_dict({"weight": block.neighbours.weight[..., 0], "bias": block.neighbours.bias})
    norm = nn.GroupNorm(1, 10, affine=False)                    # the paper's gLN
    h = norm(dilated(norm(block.wider(x).relu().mT)).relu())
    assert torch.allclose(block(x), x + block.narrower(h.mT), atol=1e-5)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_few_steps_lower_the_loss(kind):
    torch.manual_seed(0)
    model, t = NETWORKS[kind](), torch.arange(4000) / 8000
    tones = torch.stack([torch.sin(2 * torch.pi * f * t) for f in torch.linspace(200, 400, 16)])
    parts = torch.stack([0.1 * tones, noise(16, 4000)], dim=1)
    history = training.fit(model, separating.mixed(parts), loss=model.loss, epochs=12, batch_size=8, lr=1e-2,
                           progress=False)
    assert history.rows[-1]["loss"] < history.rows[0]["loss"] - 2               # decibels


# ---- somebody's recording ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("shape, sr", [((2, 48000), 48000), ((16000,), 16000), ((4410,), 44100), ((900,), 8000)])
def test_any_rate_and_channels_give_two_parts_that_add_up(kind, shape, sr):
    model, y = network(kind), noise(*shape).numpy()
    parts = separate.separate(model, y, sr)
    assert parts.shape == (2, round(shape[-1] * model.sr / sr)) and parts.dtype == np.float32
    from audiolab.preprocess import resample, to_mono

    mono = to_mono(y)
    assert np.abs(parts.sum(axis=0) - resample(mono - mono.mean(), sr, model.sr)).max() < 1e-5


@pytest.mark.parametrize("kind", NETWORKS)
def test_silence_stays_silence(kind):
    assert not np.abs(separate.separate(network(kind), np.zeros(8000, np.float32), 16000)).max() > 1e-7


@pytest.mark.parametrize("kind", NETWORKS)
def test_clipped_and_very_soft_sounds_go_through(kind):
    for level in (10.0, 1e-5):
        parts = separate.separate(network(kind), (level * noise(8000)).clamp(-1, 1).numpy(), 16000)
        assert np.isfinite(parts).all() and np.abs(parts).max() <= 4


def test_the_answer_is_no_other_after_training_mode():
    model, y = network("unet"), noise(8000).numpy()
    before = separate.separate(model, y, 16000)
    assert np.array_equal(separate.separate(model.train(), y, 16000), before) and not model.training


def test_a_hybrid_hides_what_the_network_heard_less_of():
    model, y = network("recurrent"), noise(8000).numpy()
    y -= y.mean()
    model.forward = lambda x: 0.25 * x                          # of every bin a quarter is said to be voice
    assert np.abs(separate.hybrid(model, y, 16000) - 0.25 * y).max() < 1e-6
    model.forward = lambda x: torch.nn.functional.pad(x[:, :4000], (0, 4000))   # first all, then nothing
    found = separate.hybrid(model, y, 16000)
    assert np.abs(found[:3000] - y[:3000]).max() < 1e-5 and np.abs(found[5000:]).max() < 1e-5
    assert separate.hybrid(network("recurrent"), np.zeros((2, 4800), np.float32), 48000).shape == (1600,)


@pytest.mark.parametrize("y, sr, said", [
    (np.zeros(800, np.float32), 16000, "lasts 0.05 s"),
    (np.zeros(121 * 100, np.float32), 100, "lasts 121.00 s"),
    (np.full(8000, np.nan, np.float32), 16000, "NaN"),
    (np.zeros(8000, np.float32), 0, "whole number"),
    (np.zeros(8000, np.float32), 44100.0, "whole number"),
])
def test_what_cannot_be_taken_apart_is_refused_in_words(y, sr, said):
    with pytest.raises(AudioError, match=said):
        separate.separate(network("recurrent"), y, sr)


def test_a_constant_changes_nothing():
    model, y = network("unet"), noise(8000).numpy()
    shifted = separate.separate(model, y + np.float32(0.3), 16000)
    assert np.abs(shifted - separate.separate(model, y, 16000)).max() < 1e-5


def test_shapes_and_networks_that_do_not_fit_are_refused():
    with pytest.raises(AudioError, match=r"not \[1, 1, 8000\]"):
        separate.separate(network("unet"), np.zeros((1, 1, 8000), np.float32), 16000)
    with pytest.raises(TypeError, match="not a ConvTasNet"):
        separate.hybrid(network("convtasnet"), np.zeros(8000, np.float32), 16000)
    with pytest.raises(ValueError, match="silent"):
        separating.at_snr(torch.stack([noise(100), torch.zeros(100)]), 0.0)


def test_only_a_network_that_separates_is_taken():
    with pytest.raises(TypeError, match=r"models\.load"):
        separate.separate(torch.nn.Linear(2, 2), np.zeros(8000, np.float32), 16000)


# ---- what they are worth ----------------------------------------------------------------------------------


def test_a_denoiser_is_measured_by_what_it_changes():
    parts = [noise(2, 16000, seed=i) for i in range(3)]
    nothing, perfect = separating.cleaned(lambda x: x, parts), separating.cleaned(lambda x: parts[0][:1], parts[:1])
    assert np.allclose(nothing[:, 0], nothing[:, 1]) and np.allclose(nothing[:, 2], nothing[:, 3])
    assert perfect[0, 1] > 60 and perfect[0, 3] == pytest.approx(1, abs=1e-3)
    assert separating.worth(nothing)["si_sdri"] == 0


@pytest.fixture
def few(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    monkeypatch.setattr(separating, "SEMITONES", (0, np.inf))
    return mixtures.noisy_voices(40), mixtures.two_voices(40)


def test_figures_of_a_card_are_of_the_clips_that_they_name(few):
    noisy, pairs = few
    found = separating.by_noise(lambda x: x, noisy)
    assert found["test"] == found["0 dB"] and found["test"]["clips"] == 4 and abs(found["test"]["si_sdri"]) < 1e-6
    assert found["known noises"]["clips"] == found["new noises"]["clips"] == 2
    assert found["-5 dB"]["stoi"] < found["15 dB"]["stoi"] and found["0 dB"]["stoi"] == found["0 dB"]["stoi_mixture"]
    parts = separating.sources(pairs, "test")
    truth = {part.sum(dim=0).numpy().tobytes(): part for part in parts}
    perfect = separating.by_pitch(Answers(lambda x: truth[x[0].numpy().tobytes()].flip(0)[None] + 1e-4), pairs)
    assert perfect["test"]["si_sdri"] > 40 and 6 < perfect["test"]["irm"] < 20
    assert perfect["0 to inf semitones"]["clips"] <= perfect["test"]["clips"] == len(parts)


class Answers:
    """A model that answers by a function."""

    sr = 8000

    def __init__(self, answer):
        self.answer = answer

    def __call__(self, x):
        return self.answer(x)


def test_opinions_are_asked_where_there_is_someone_to_ask(monkeypatch):
    model, parts = network("recurrent"), [noise(2, 8000, seed=i) for i in range(2)]
    monkeypatch.setattr(metrics, "pesq", lambda clean, y, sr: float(len(y)) if sr == 16000 else None)
    assert separating.opinions(model, parts) == {"mixture": 8000, "voice": 8000}

    def missing(*asked):
        raise ImportError

    monkeypatch.setattr(metrics, "pesq", missing)
    assert separating.opinions(model, parts) is None


def test_the_recipes_name_models_that_can_be_opened_and_are_small():
    for name in separating.RECIPES:
        recipe = RECIPES[name]
        assert recipe.model.__name__ in models.checkpoints.CLASSES
        assert 4 * models.size(recipe.model(**recipe.arguments)) < 4e6


def test_what_the_chapter_says_of_the_networks_stands_on_their_cards():
    # The U-Net misses 10 dB, which was the aim; the causal one reaches 6 dB where it knows the kinds of noise.
    card = {name: models.load(name)[1] for name in separating.RECIPES}
    offline, live, voices = card["voice-unet-scenes"], card["voice-gru-scenes"], card["two-voices-convtasnet-speech"]
    for one, known, new in ((offline, 8, 6.4), (live, 6, 3.5)):
        found = one["metrics"]
        assert found["known noises"]["si_sdri"] >= known and found["new noises"]["si_sdri"] >= new
        assert found["test"]["stoi"] > found["test"]["stoi_mixture"]
    assert live["latency_ms"] <= 10
    assert voices["metrics"]["test"]["si_sdri"] >= 0.7 * voices["metrics"]["test"]["irm"]
    assert all(one["real_time_factor"] <= 0.2 for one in card.values())
