"""Networks take clips of any length, hear all of each and keep clips apart; checkpoints come back as they were, or not
at all."""

import math
import pickle

import pytest
import torch

from audiolab import models, paths
from audiolab.models import AttentionPooling, checkpoints, classify

PICTURES = [models.CNN, models.RNN, models.CRNN, models.DSCNN, models.AudioTransformer]
SIZES = pytest.mark.parametrize("n_mels", [32, 40, 64])
NETWORKS = pytest.mark.parametrize("network", PICTURES)


def build(network, *sizes, **options):
    torch.manual_seed(0)
    return network(*sizes, **options)


def noise(*shape, seed=1):
    """As log-mels are: far from 0."""
    return 2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed)) - 5


def settled(model, *shape):
    """In evaluation mode, with what batch normalisation measured on one batch."""
    for layer in model.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            layer.momentum = 1.0
    with torch.no_grad():
        model.train()(noise(16, *shape, seed=0))
    return model.eval()


# ---------------------------------------------------------------------------------------- any length


@SIZES
@NETWORKS
@pytest.mark.parametrize("frames", [1, 2, 7, 101, 998])
def test_any_length_gives_scores_and_finite_gradients(network, n_mels, frames):
    model, x = build(network, n_mels, 10), noise(3, 1, n_mels, frames).requires_grad_()
    out = model(x)
    assert out.shape == (3, 10) and out.dtype == torch.float32
    torch.nn.functional.cross_entropy(out, torch.tensor([0, 4, 9])).backward()
    assert out.isfinite().all() and x.grad.isfinite().all()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("n", [1, 63, 255, 4000, 32000])
def test_waveforms_of_any_length(n):
    model, x = build(models.WaveCNN, 10), noise(3, n)
    out = model(x)
    assert out.shape == (3, 10)
    torch.nn.functional.cross_entropy(out, torch.tensor([0, 4, 9])).backward()
    assert out.isfinite().all() and all(p.grad.isfinite().all() for p in model.parameters())


@SIZES
@NETWORKS
def test_every_channel_and_frame_is_heard(network, n_mels):
    model = settled(build(network, n_mels, 3), 1, n_mels, 50)
    x = noise(1, 1, n_mels, 50).requires_grad_()
    model(x).square().sum().backward()
    assert (x.grad[0, 0].abs().amax(dim=1) > 0).all() and (x.grad[0, 0].abs().amax(dim=0) > 0).all()


@NETWORKS
def test_a_clip_alone_is_as_in_a_batch(network):
    model, x = settled(build(network, 64, 10), 1, 64, 101), noise(5, 1, 64, 101)
    with torch.inference_mode():
        together = model(x)
        for i in range(5):
            torch.testing.assert_close(model(x[i : i + 1])[0], together[i], atol=1e-5, rtol=1e-4)
    assert together.std(dim=0).min() > 1e-4                     # they tell the clips apart


def test_a_waveform_alone_is_as_in_a_batch():
    model, x = settled(build(models.WaveCNN, 10), 8000), noise(4, 8000)
    with torch.inference_mode():
        together = model(x)
        torch.testing.assert_close(torch.cat([model(one[None]) for one in x]), together, atol=1e-5, rtol=1e-4)
        assert torch.equal(model(x[:, None, None]), together)   # as pictures of one row
    assert together.std(dim=0).min() > 1e-4


@NETWORKS
def test_one_output_estimates_a_number_and_evaluation_has_no_chance_in_it(network):
    model, x = settled(build(network, 40, 1), 1, 40, 60), noise(2, 1, 40, 60)
    with torch.inference_mode():
        assert model(x).shape == (2, 1) and torch.equal(model(x), model(x))
        assert not torch.equal(model.train()(x), model(x))      # dropout


def test_each_channel_comes_to_mean_0_and_variance_1():
    norm = classify.BandNorm(40)
    x = noise(64, 1, 40, 50) * torch.arange(1, 41)[:, None] + torch.arange(40)[:, None]
    y = norm(x)
    assert y.shape == x.shape
    torch.testing.assert_close(y.mean(dim=(0, 1, 3)), torch.zeros(40), atol=1e-4, rtol=0)
    torch.testing.assert_close(y.var(dim=(0, 1, 3)), torch.ones(40), atol=1e-3, rtol=0)


# ---------------------------------------------------------------------------------------- sizes


def test_the_spotter_fits_into_24000_parameters():
    model = models.DSCNN(40, 10)
    first, block = 64 * 49 + 2 * 64, 9 * 64 + 2 * 64 + 64**2 + 2 * 64           # weights, and scale and shift of each
    assert models.size(model) == first + 4 * block + 65 * 10 == 23_626 <= 24_000
    depthwise, pointwise = (layer[0] for layer in model.blocks[0])
    assert depthwise.weight.numel() == 9 * 64 and pointwise.weight.numel() == 64**2     # where a whole one has 9 · 64²


@NETWORKS
def test_every_network_can_be_shipped(network):
    assert 4 * sum(value.numel() for value in network(64, 12).state_dict().values()) < 4e6      # bytes


# ---------------------------------------------------------------------------------------- along time


@pytest.mark.parametrize("network", [models.RNN, models.CRNN])
def test_the_recurrent_network_reads_frames_in_order(network):
    """Permuted wrongly it would read channels, or clips, as if they were moments."""
    model, seen = settled(build(network, 32, 4), 1, 32, 80), []
    model.rnn.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output[0])))
    x = noise(3, 1, 32, 80)
    with torch.inference_mode():
        plain = model(x)
        for frames in (40, 80, 400):
            model(noise(3, 1, 32, frames))
    read = [inputs.shape for inputs, _ in seen]
    assert all(shape[0] == 3 and shape[2] == model.rnn.input_size for shape in read)
    assert [shape[1] * 80 // read[0][1] for shape in read] == [80, 40, 80, 400]
    with torch.inference_mode():
        later = x.clone()
        later[..., 40:] += noise(3, 1, 32, 40, seed=5)          # only what comes later is another
        model(later)
        hidden = model.rnn.hidden_size
        before, after = seen[0][1], seen[-1][1]
        early = read[0][1] // 2 - 4                             # convolutions see a little of what comes
        torch.testing.assert_close(before[:, :early, :hidden], after[:, :early, :hidden])      # forwards: not yet known
        assert (before[:, :early, hidden:] - after[:, :early, hidden:]).abs().max() > 1e-3     # backwards: it is
        assert (model(x.flip(3)) - plain).abs().max() > 1e-4    # and the order matters


def test_a_mean_would_not_know_the_order_but_the_recurrent_network_does():
    x = noise(2, 1, 32, 60)
    model = settled(build(models.RNN, 32, 4), 1, 32, 60)
    shuffled = x[..., torch.randperm(60, generator=torch.Generator().manual_seed(0))]
    with torch.inference_mode():
        assert (model(x) - model(shuffled)).abs().max() > 1e-3
        torch.testing.assert_close(x.mean(dim=3), shuffled.mean(dim=3))


@pytest.mark.parametrize("network", [models.RNN, models.CRNN])
def test_attention_sums_to_1_for_each_clip(network):
    model = settled(build(network, 40, 4), 1, 40, 101)
    with torch.inference_mode():
        model(noise(5, 1, 40, 101))
    weights = model.pool.weights
    assert weights.shape == (5, 101 if network is models.RNN else math.ceil(101 / 4)) and (weights > 0).all()
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(5))


def test_attention_is_the_mean_when_all_is_worth_alike_and_picks_what_is_worth_more():
    pool, x = AttentionPooling(6), noise(3, 9, 6)
    with torch.no_grad():
        pool.score.weight.zero_()
        torch.testing.assert_close(pool(x), x.mean(dim=1))
        pool.score.weight.copy_(torch.tensor([[50.0, 0, 0, 0, 0, 0]]))
        strongest = x[torch.arange(3), x[:, :, 0].argmax(dim=1)]
        torch.testing.assert_close(pool(x), strongest, atol=0.1, rtol=0)
        pool.score.weight.normal_()
        weights = (x @ pool.score.weight[0]).exp()              # the formula, by hand
        torch.testing.assert_close(pool(x), (weights[..., None] * x).sum(dim=1) / weights.sum(dim=1)[:, None])


# ---------------------------------------------------------------------------------------- transformer


def test_positions_are_sines_and_cosines():
    table = classify.positions(50, 8)
    assert table.shape == (50, 8)
    for t, k in ((0, 0), (3, 1), (49, 3)):
        angle = t / 10000 ** (2 * k / 8)
        assert table[t, 2 * k] == pytest.approx(math.sin(angle), abs=1e-5)
        assert table[t, 2 * k + 1] == pytest.approx(math.cos(angle), abs=1e-5)


def test_the_transformer_knows_moment_and_band():
    model, x = settled(build(models.AudioTransformer, 64, 4), 1, 64, 80), noise(2, 1, 64, 80)
    with torch.inference_mode():
        plain = model(x)
        assert (model(torch.cat([x[..., 40:], x[..., :40]], dim=3)) - plain).abs().max() > 1e-4       # whole patches
        model.norm = torch.nn.Identity()                        # which tells bands apart by itself
        assert (model(torch.cat([x[:, :, 32:], x[:, :, :32]], dim=2)) - model(x)).abs().max() > 1e-4


# ---------------------------------------------------------------------------------------- checkpoints


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A course of its own, so that nothing of this one is replaced."""
    (tmp_path / "exercises").mkdir()
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    assert paths.course() == tmp_path
    return tmp_path / "data" / "checkpoints"


def saved(name="tones-cnn-course", network=models.CNN, seed=0, **arguments):
    torch.manual_seed(seed)
    arguments = {"n_mels": 32, "n_classes": 4} | arguments
    model = network(**arguments)
    models.save(name, model, {"arguments": arguments, "labels": list("abcd"), "metrics": {"test": 0.5}, "note": "für"})
    return model


def same(one, other):
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@NETWORKS
def test_a_checkpoint_comes_back_as_it_was(home, network):
    model = settled(saved(network=network), 1, 32, 20)
    card = models.save("tones-cnn-course", model, {"arguments": {"n_mels": 32, "n_classes": 4}, "labels": list("abcd")})
    found, read = models.load("tones-cnn-course")
    assert type(found) is network and not found.training and same(found, model)
    assert read == card and read["class"] == network.__name__ and read["parameters"] == models.size(model)
    x = noise(2, 1, 32, 20)
    with torch.inference_mode():
        torch.testing.assert_close(found(x), model(x))
    assert models.names() == ["tones-cnn-course"] and len(list(home.iterdir())) == 2


def test_a_waveform_network_comes_back_too(home):
    model = models.WaveCNN(4)
    models.save("tones-wavecnn-course", model, {"arguments": {"n_classes": 4}})
    assert same(models.load("tones-wavecnn-course")[0], model)


def test_a_card_that_was_another_models_is_put_right(home):
    saved()
    card = models.load("tones-cnn-course")[1]
    larger = models.RNN(n_mels=40, n_classes=4)
    models.save("tones-rnn-course", larger, card | {"arguments": {"n_mels": 40, "n_classes": 4}})
    model, found = models.load("tones-rnn-course")
    assert same(model, larger) and found["name"] == "tones-rnn-course" and found["class"] == "RNN"
    assert found["parameters"] == models.size(larger) and found["note"] == "für"


def test_numbers_that_half_precision_holds_take_half_the_bytes_and_come_back_as_they_were(home):
    model = models.WaveCNN(4)
    models.save("tones-whole-course", model, {"arguments": {"n_classes": 4}})
    models.checkpoints.halve(model)
    models.save("tones-half-course", model, {"arguments": {"n_classes": 4}})
    whole, half = ((home / f"tones-{name}-course.safetensors").stat().st_size for name in ("whole", "half"))
    back = models.load("tones-half-course")[0]
    assert half < 0.6 * whole and same(back, model)
    assert all(a.dtype == b.dtype for a, b in zip(back.parameters(), model.parameters(), strict=True))


def test_a_missing_checkpoint_names_those_that_are_there(home):
    with pytest.raises(ValueError, match=r"no checkpoint 'moon'\. Here are: none, in .*AUDIOLAB_HOME"):
        models.load("moon")
    saved()
    with pytest.raises(ValueError, match="Here are: tones-cnn-course"):
        models.load("moon")
    (home / ".tones-cnn-course-x1y2.safetensors").write_bytes(b"what a killed save left")
    (home / "lonely.safetensors").write_bytes(b"")
    assert models.names() == ["tones-cnn-course"]
    with pytest.raises(ValueError, match="no checkpoint 'lonely'"):
        models.load("lonely")


@pytest.mark.parametrize("name", ["", "../secret", "a/b", "a.b", "C:x"])
def test_a_name_stays_in_its_folder(home, name):
    for call in (models.load, lambda name: models.save(name, models.CNN(32, 4), {})):
        with pytest.raises(ValueError, match="no name of a checkpoint"):
            call(name)


def cut(file):
    file.write_bytes(file.read_bytes()[:-100])


def pickled(file):
    torch.save(models.CNN(32, 4).state_dict(), file)


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('it ran')",)


@pytest.mark.parametrize("harm", [
    cut, pickled, lambda file: file.write_bytes(b""), lambda file: file.write_bytes(pickle.dumps(Bomb())),
    lambda file: file.write_bytes(b"\xff" * 64),
], ids=["truncated", "torch.save", "empty", "pickle", "noise"])
def test_damaged_weights_are_refused(home, harm):
    saved()
    harm(home / "tones-cnn-course.safetensors")
    with pytest.raises(ValueError, match=r"'tones-cnn-course' is damaged.*audiolab train tones-cnn-course"):
        models.load("tones-cnn-course")


@pytest.mark.parametrize("card", [
    "{", "[]", "{}", '"CNN"', '{"class": "Linear", "arguments": {}}', '{"class": "CNN", "arguments": {"mels": 32}}',
    '{"class": "CNN", "arguments": [32, 4]}', '{"class": "CNN", "arguments": {"n_mels": 40, "n_classes": 4}}',
    '{"class": "RNN", "arguments": {"n_mels": 32, "n_classes": 4}}',
])
def test_a_wrong_card_is_refused(home, card):
    saved()
    (home / "tones-cnn-course.json").write_text(card, "utf-8")
    with pytest.raises(ValueError, match="damaged, or its card belongs to other weights"):
        models.load("tones-cnn-course")


def test_a_card_of_bytes_that_are_no_text_is_refused(home):
    saved()
    (home / "tones-cnn-course.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="damaged"):
        models.load("tones-cnn-course")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupted_save_leaves_the_old_one(home, monkeypatch, error, when):
    import safetensors.torch

    old, write = saved(), safetensors.torch.save_file

    def interrupted(tensors, file):
        if when == "after":
            write(tensors, file)
        raise error

    monkeypatch.setattr(safetensors.torch, "save_file", interrupted)
    with pytest.raises(type(error)):
        saved(seed=1)
    assert same(models.load("tones-cnn-course")[0], old) and len(list(home.iterdir())) == 2


def test_a_card_that_cannot_be_written_leaves_the_old_one(home):
    old = saved()
    with pytest.raises(TypeError, match="not JSON serializable"):
        models.save("tones-cnn-course", models.CNN(32, 4), {"arguments": {}, "machine": object()})
    model, card = models.load("tones-cnn-course")
    assert same(model, old) and card["note"] == "für" and len(list(home.iterdir())) == 2


def test_a_model_of_another_kind_is_not_saved(home):
    with pytest.raises(ValueError, match=r"A Linear could not be opened again: .*CNN"):
        models.save("tones-linear-course", torch.nn.Linear(2, 2), {})
    assert not home.exists()


def test_every_class_with_checkpoints_can_be_built():
    for name, module in checkpoints.CLASSES.items():
        sizes = {"n_classes": 3} if module in ("classify", "detect", "spot") else {}
        sizes |= {"n_mels": 40} if sizes and name != "WaveCNN" else {}
        sizes |= {"FrameNet": {"units": 3}, "SpeakerJudge": {"n_mels": 40, "voices": 3}}.get(name, {})
        assert type(checkpoints.build({"class": name, "arguments": sizes})).__name__ == name
