"""Smaller networks are worth what they say: grids, ranges, folded norms, masks, files, ONNX."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from audiolab import compress, models, training
from audiolab.compress import ranges

BITS = st.integers(2, 16)
FINITE = st.floats(-1e4, 1e4, width=32)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def network(kind="CRNN", seed=0, **options):
    """A small network whose normalisations have seen something."""
    torch.manual_seed(seed)
    options = {"CRNN": {"channels": (4, 6, 8), "hidden": 6}, "CNN": {"channels": (4, 6, 8)},
               "DSCNN": {"channels": 8, "blocks": 2}, "RNN": {"hidden": 6}, "AudioTransformer": {"dim": 16, "depth": 1},
               }[kind] | options
    model = getattr(models, kind)(16, 5, **options)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.weight.data.uniform_(0.2, 3)
            layer.bias.data.normal_()
    model.train()(2 + 3 * noise(16, 1, 16, 40))
    return model.eval()


# ---- grids --------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(FINITE, FINITE, BITS, st.booleans())
def test_a_grid_has_its_levels_its_ends_and_a_zero(a, b, bits, symmetric):
    low, high = min(a, b), max(a, b)
    own = compress.grid(low, high, bits, symmetric)
    assert own.highest - own.lowest == 2**bits - (2 if symmetric else 1)
    assert own.lowest <= own.zero_point <= own.highest and own.zero_point == own.zero_point.round()
    assert compress.dequantise(compress.quantise(torch.zeros(1), own), own) == 0
    ends = torch.tensor([min(low, 0.0), max(high, 0.0)])
    back = compress.dequantise(compress.quantise(ends, own), own)
    assert (back - ends).abs().max() <= 0.5 * own.scale * (1 + 1e-3) + 1e-6      # the zero moved by half a step at most


@settings(deadline=None)
@given(st.lists(FINITE, min_size=1, max_size=20), BITS, st.booleans())
def test_an_error_is_half_a_step_at_most_and_a_second_time_nothing(values, bits, symmetric):
    x = torch.tensor(values)
    own = compress.grid(x.min(), x.max(), bits, symmetric)
    q = compress.quantise(x, own)
    y = compress.dequantise(q, own)
    assert q.dtype == (torch.int8 if bits <= 8 else torch.int16)
    assert (y - x).abs().max() <= own.scale * (0.5 if symmetric else 1) * (1 + 1e-3) + 1e-6
    assert torch.equal(compress.quantise(y, own), q)


@pytest.mark.parametrize("bits", [4, 6, 8])
@pytest.mark.parametrize("symmetric", [False, True])
def test_the_error_has_the_power_of_its_formula(bits, symmetric):
    x = 2 * torch.rand(200_000, generator=torch.Generator().manual_seed(0)) - 1
    own = compress.grid(-1, 1, bits, symmetric)
    error = compress.dequantise(compress.quantise(x, own), own) - x
    assert error.square().mean().sqrt() == pytest.approx(own.scale.item() / math.sqrt(12), rel=0.01)
    assert abs(error.mean()) < 0.02 * own.scale


def test_known_numbers():
    own = compress.grid(-1.0, 3.0, bits=2)                      # levels -1.333, 0, 1.333, 2.667: a step for each third
    assert own.scale == pytest.approx(4 / 3) and (own.lowest, own.highest, own.zero_point) == (-2, 1, -1)
    assert compress.quantise(torch.tensor([-9.0, -1.0, 0.1, 1.0, 3.0, math.inf]), own).tolist() == [-2, -2, -1, 0, 1, 1]
    own = compress.grid(-1.0, 3.0, bits=3, symmetric=True)
    assert own.scale == 1 and (own.lowest, own.highest) == (-3, 3)
    assert compress.quantise(torch.tensor([-9.0, 0.5, 1.5, 2.5]), own).tolist() == [-3, 0, 2, 2]    # halves: to even


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_torch(seed):
    x = noise(40, 30, seed=seed)
    own = compress.grid(x.min() / 2, x.max() / 3)               # some are clipped
    theirs = torch.fake_quantize_per_tensor_affine(x, own.scale, own.zero_point.int(), own.lowest, own.highest)
    assert torch.allclose(compress.fake_quantise(x, own), theirs, atol=1e-6)
    assert torch.allclose(compress.dequantise(compress.quantise(x, own), own), theirs, atol=1e-6)
    own = compress.weight_grid(x)
    theirs = torch.fake_quantize_per_channel_affine(x, own.scale[:, 0], own.zero_point[:, 0].int(), 0, -127, 127)
    assert torch.allclose(compress.fake_quantise(x, own), theirs, atol=1e-6)


def test_a_step_for_each_channel_serves_channels_that_differ():
    w = noise(8, 4, 3, 3) * torch.logspace(-3, 0, 8)[:, None, None, None]
    each, one, second = (compress.weight_grid(w, axis=axis) for axis in (0, None, 1))
    assert each.scale.shape == (8, 1, 1, 1) and one.scale.shape == () and second.scale.shape == (1, 4, 1, 1)
    off = [(compress.fake_quantise(w, own) - w).abs().amax(dim=(1, 2, 3)) for own in (each, one)]
    assert (off[0] <= each.scale.flatten() * 0.501).all() and off[1][0] > 100 * off[0][0]


def test_nothing_but_zeros():
    w = torch.zeros(3, 4)
    own = compress.weight_grid(w)
    assert compress.quantise(w, own).abs().max() == 0 and torch.equal(compress.fake_quantise(w, own), w)


@pytest.mark.parametrize("low, high, bits", [(1, 0, 8), (math.nan, 1, 8), (0, math.inf, 8), (0, 1, 1), (0, 1, 17),
                                            (0, 1, 7.5)])
def test_a_range_that_is_none_is_refused(low, high, bits):
    with pytest.raises(ValueError, match="whole number from 2 to 16" if bits != 8 else "two finite numbers"):
        compress.grid(low, high, bits)


def test_nan_has_no_number():
    with pytest.raises(ValueError, match=r"torch\.isnan"):
        compress.quantise(torch.tensor([0.0, math.nan]), compress.grid(-1, 1))


def test_weights_without_a_grid_are_refused():
    for axis in (2, -3):
        with pytest.raises(ValueError, match=rf"axis={axis}: weights of shape \[3, 4\] have no such axis"):
            compress.weight_grid(noise(3, 4), axis=axis)
    model = network("CNN")
    model.head[1].weight.data[0, 0] = math.nan
    for attempt in (compress.round_weights, lambda model: compress.quantised(model, noise(4, 1, 16, 20))):
        with pytest.raises(ValueError, match="Is there NaN among the values"):
            attempt(model)


def test_rounded_weights_come_nearer_with_every_bit_and_leave_the_model_as_it_was():
    model, x = network(), noise(4, 1, 16, 30)
    before, want = copy.deepcopy(model.state_dict()), model(x)
    off = [(compress.round_weights(model, bits)(x) - want).square().mean().item() for bits in (3, 5, 8, 12)]
    assert off == sorted(off, reverse=True) and off[-1] < 1e-5 < off[0]
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    one = compress.round_weights(model, 4)
    for (name, w), (_, own) in zip(compress.weights(one).items(), compress.weights(model).items(), strict=True):
        assert len(w[0].unique()) <= 15, name
        assert torch.equal(w, compress.fake_quantise(own, compress.weight_grid(own, 4)))
    assert torch.equal(one.head[1].bias, model.head[1].bias)


# ---- ranges -------------------------------------------------------------------------------------------


def observed(*batches):
    seen = compress.Observer()
    for batch in batches:
        seen.see(batch)
    return seen


def test_a_histogram_that_widened_is_that_of_everything_at_once():
    batches = [noise(3000, seed=seed) * scale for seed, scale in enumerate((0.01, 1, 0.3, 40))]
    seen, x = observed(*batches), torch.cat(batches)
    assert (seen.low, seen.high) == (x.min().item(), x.max().item())
    want, _ = np.histogram(x.double().numpy(), bins=seen.edges.numpy())
    assert seen.counts.sum() == len(x) and np.abs(seen.counts.numpy() - want).sum() <= 4   # on an edge, by rounding
    assert compress.min_max(seen) == (seen.low, seen.high)


def test_zeros_do_not_count_and_nothing_is_a_range():
    seen = observed(torch.zeros(100), torch.tensor([0.0, 0.0, 2.0, 3.0]))
    assert seen.counts.sum() == 2 and compress.min_max(seen) == (0, 3)
    for method in compress.RANGES.values():
        assert method(observed(torch.zeros(5))) == (0, 0)
        low, high = method(seen)
        assert low == 0 and 2 <= high <= 3


@pytest.mark.parametrize("share", [0.9, 0.99, 0.999])
def test_percentile_is_numpys(share):
    x = noise(100_000) + 0.3
    low, high = compress.percentile(observed(x[:70_000], x[70_000:]), share=share)
    want = np.quantile(x.numpy(), [(1 - share) / 2, (1 + share) / 2])
    assert np.abs(np.subtract([low, high], want)).max() < 0.01


def test_entropy_agrees_with_onnx_runtime(monkeypatch):
    from onnxruntime.quantization.calibrate import HistogramCollector

    monkeypatch.setattr(ranges, "BINS", 1024)                   # as many as there: in finer ones a level blurs more
    for x in (noise(50_000), noise(50_000, seed=1).relu(), torch.cat([noise(50_000), 20 * noise(20)])):
        reach = x.abs().max().item()
        told = *np.histogram(x[x != 0].numpy(), bins=1025, range=(-reach, reach)), x.min().numpy(), x.max().numpy()
        theirs = HistogramCollector("entropy", True, 1025, 128, 99.9, None).get_entropy_threshold(told, 128)
        assert compress.entropy(observed(x), bits=7)[1] == pytest.approx(float(theirs[1]), rel=0.15)


def test_where_few_values_lie_far_off_clipping_them_pays():
    x = torch.cat([noise(100_000), torch.tensor([60.0, -50.0])])
    seen = observed(x)
    off = {}
    for name, method in compress.RANGES.items():
        low, high = method(seen)
        own = compress.grid(low, high)
        off[name] = (compress.fake_quantise(x[:-2], own) - x[:-2]).square().mean().item()
    assert seen.high == 60
    assert off["percentile"] < off["min-max"] / 20 and off["entropy"] < off["min-max"] / 20


def test_a_rectified_layer_has_a_range_from_zero():
    seen = observed(noise(10_000).relu())
    for method in compress.RANGES.values():
        low, high = method(seen)
        assert low == 0 and 2 < high <= seen.high


def test_a_damaged_clip_is_told():
    with pytest.raises(ValueError, match="calibration clip damaged"):
        observed(torch.tensor([1.0, math.nan]))


# ---- living with it -----------------------------------------------------------------------------------


def test_the_gradient_goes_straight_through_within_the_grid():
    x = noise(500).requires_grad_()
    own = compress.grid(-1, 0.5, bits=4)
    (compress.fake_quantise(x, own) * noise(500, seed=1)).sum().backward()
    ours, x.grad = x.grad, None
    theirs = torch.fake_quantize_per_tensor_affine(x, own.scale, own.zero_point.int(), own.lowest, own.highest)
    (theirs * noise(500, seed=1)).sum().backward()
    assert torch.equal(ours, x.grad)
    within = x.abs() < 0.4
    assert (ours[(x > 0.6) | (x < -1.1)] == 0).all() and torch.equal(ours[within], noise(500, seed=1)[within])


@pytest.mark.parametrize("kind", ["CNN", "CRNN", "DSCNN"])
def test_folded_norms_compute_the_same(kind):
    model, x = network(kind), noise(3, 1, 16, 37)
    folded = compress.fold_batchnorm(model.train())
    assert model.training and not folded.training
    assert torch.allclose(folded(x), model.eval()(x), atol=1e-5)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded.modules())
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    first = (model.layers[0] if kind == "CNN" else model.convs[0] if kind == "CRNN" else model.first)
    ours = (folded.layers[0] if kind == "CNN" else folded.convs[0] if kind == "CRNN" else folded.first)[0]
    theirs = fuse_conv_bn_eval(first[0], first[1])
    assert torch.allclose(ours.weight, theirs.weight, atol=1e-6) and torch.allclose(ours.bias, theirs.bias, atol=1e-6)


def test_a_convolution_with_a_bias_is_folded_too():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(2, 3, 5), nn.BatchNorm1d(3)).train()
    model(noise(8, 2, 50))
    x = noise(2, 2, 20, seed=1)
    assert torch.allclose(compress.fold_batchnorm(model)(x), model.eval()(x), atol=1e-6)


def test_a_norm_without_a_scale_is_folded_and_one_without_statistics_refused():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(2, 3, 5), nn.BatchNorm1d(3, affine=False)).train()
    model(2 + 3 * noise(8, 2, 50))
    x = noise(2, 2, 20, seed=1)
    assert torch.allclose(compress.fold_batchnorm(model)(x), model.eval()(x), atol=1e-6)
    with pytest.raises(ValueError, match="'1' keeps no running statistics"):
        compress.fold_batchnorm(nn.Sequential(nn.Conv1d(2, 3, 5), nn.BatchNorm1d(3, track_running_stats=False)))


@pytest.mark.parametrize("kind", ["CNN", "CRNN", "DSCNN", "RNN"])
@pytest.mark.parametrize("method", ["min-max", "percentile"])
def test_with_more_bits_the_whole_numbers_come_near_the_floats(kind, method):
    model, x = network(kind), 2 + 3 * noise(32, 1, 16, 40, seed=1)
    want = model(x)
    off = [(compress.quantised(model, x, bits, bits, method=method)(x) - want).square().mean().sqrt().item()
           for bits in (4, 8, 14)]
    assert off[0] > off[1] > off[2]
    assert off[1] < 0.1 * want.std() and (method != "min-max" or off[2] < 2e-3 * want.std())


def test_a_layer_is_its_integers():
    """What a device computes: whole numbers multiplied and added, and one scale for each channel at the end."""
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1)), noise(4, 3, 9, 11)
    small = compress.quantised(model, x)
    layer = small[0]
    own, where = layer.input_grid(), compress.weight_grid(layer.layer.weight)
    q, w = compress.quantise(x, own).double() - own.zero_point, compress.quantise(layer.layer.weight, where).double()
    sums = nn.functional.conv2d(q, w, padding=1)
    assert torch.equal(sums, sums.round())
    y = sums * own.scale * where.scale.flatten()[:, None, None] + layer.layer.bias[:, None, None]
    assert torch.allclose(small(x), y.float(), atol=1e-5)


def test_recurrent_layers_keep_their_state_and_names():
    torch.manual_seed(0)
    model = models.RecurrentMask(dim=12).eval()
    x = 0.1 * noise(3, 4000)
    small = compress.quantised(model, x, bits=8)
    assert small.memory.hidden_size == 12 and small.memory.num_layers == 2
    assert 0 < (small(x) - model(x)).abs().max() < 0.1 * model(x).abs().max()
    y, state = small.step(x[:, :800], small.start(3))
    more, _ = small.step(x[:, 800:], state)
    assert torch.allclose(torch.cat([y, more], dim=1)[:, 80:3920], small(x)[:, : 3840], atol=1e-5)


def separable(n=256, seed=0):
    """Pictures in which one of four bands is louder."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(4, (n,), generator=generator)
    x = torch.randn((n, 1, 16, 20), generator=generator)
    for i, label in enumerate(y):
        x[i, 0, 4 * label : 4 * label + 4] += 1.5
    return x, y


@pytest.fixture(scope="module")
def trained():
    """A small network that has learnt something: with it, its training and other clips."""
    torch.manual_seed(0)
    model, (x, y) = models.CNN(16, 4, channels=(8, 12), dropout=0.0), separable()
    training.fit(model, (x, y), loss=nn.CrossEntropyLoss(), epochs=8, batch_size=16, lr=1e-2, progress=False)
    return model, (x, y), separable(seed=1)


def loss_of(model, clips):
    return nn.functional.cross_entropy(training.predict(model, clips[0]), clips[1]).item()


def test_training_with_the_rounding_makes_up_for_it(trained):
    model, clips, others = trained
    small = compress.quantised(model, clips[0], bits=2, input_bits=4)
    rounded = loss_of(small, others)
    training.fit(small, clips, loss=nn.CrossEntropyLoss(), epochs=6, batch_size=32, lr=3e-3, progress=False)
    assert loss_of(model, others) < 0.5 * rounded
    assert loss_of(small, others) < 0.7 * rounded
    for layer in small.modules():
        if isinstance(layer, compress.Quantised):
            assert all(len(w[0].unique()) <= 3 for w in layer.rounded().values())


def test_a_trained_one_is_kept_and_comes_out_plain(trained, tmp_path):
    model, clips, others = trained
    small = compress.quantised(model, clips[0], bits=4, method="entropy")
    other = compress.quantised(network_like(model), clips[0], bits=4)
    other.load_state_dict(small.state_dict())
    assert torch.equal(other(others[0]), small(others[0]))
    bare = compress.plain(small)
    assert not any(isinstance(layer, compress.Quantised) for layer in bare.modules())
    assert any(isinstance(layer, compress.Quantised) for layer in small.modules())
    assert 0 < (bare(others[0]) - small(others[0])).abs().max() < 0.2       # of the inputs' rounding alone
    assert all(len(w[0].unique()) <= 15 for w in compress.weights(bare).values())


def network_like(model):
    other = copy.deepcopy(model)
    for parameter in other.parameters():
        parameter.data.normal_()
    return other


@pytest.mark.parametrize("change, says", [
    (dict(method="median"), "There is no method 'median'; there are min-max"),
    (dict(bits=1), "from 2 to 16"), (dict(input_bits=40), "from 2 to 16"),
    (dict(model=nn.Sequential(nn.ReLU())), "no layer that could be quantised"),
    (dict(clips=torch.full((2, 1, 16, 20), math.nan)), "calibration clip damaged"),
    (dict(clips=torch.zeros(0, 1, 16, 20)), "no calibration clips"), (dict(axis=4), "axis=4"),
])
def test_what_cannot_be_quantised_is_told(change, says):
    options = dict(model=network("CNN"), clips=noise(4, 1, 16, 20)) | change
    with pytest.raises(ValueError, match=says):
        compress.quantised(**options)


class Beside(nn.Module):
    """Its second layer is never asked."""

    def __init__(self):
        super().__init__()
        self.asked, self.beside = nn.Linear(8, 3), nn.Linear(8, 3)

    def forward(self, x):
        return self.asked(x)


def test_a_layer_that_no_clip_reaches_is_named():
    with pytest.raises(ValueError, match="None of the clips reached beside, so"):
        compress.quantised(Beside(), noise(4, 8))
    silent = compress.quantised(nn.Sequential(nn.Linear(8, 3)), torch.zeros(4, 8))        # a clip all the same
    assert silent[0].low == silent[0].high == 0


def test_attention_that_computes_by_itself_is_refused():
    with pytest.raises(ValueError, match="round_weights"):
        compress.quantised(network("AudioTransformer"), noise(4, 1, 16, 20))


# ---- leaving out --------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8, 0.99])
def test_masks_are_those_of_torch(share):
    model = network().to(memory_format=torch.contiguous_format)                     # as torch's function wants it
    masks = compress.magnitude_masks(model, share)
    n = sum(kept.numel() for kept in masks.values())
    assert sum(int((~kept).sum()) for kept in masks.values()) == round(share * n)
    from torch.nn.utils import prune

    parts = [(module, name) for module in model.modules() for name, p in module.named_parameters(recurse=False)
             if p.ndim > 1]
    prune.global_unstructured(parts, prune.L1Unstructured, amount=round(share * n))
    theirs = {f"{name}_mask": mask for name, mask in model.named_buffers() if name.endswith("_mask")}
    assert len(theirs) == len(masks)
    for name, kept in masks.items():
        assert torch.equal(kept, theirs[f"{name}_mask_mask"].bool()), name


def test_weights_can_be_measured_by_their_own_layer():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 10), nn.Linear(10, 5))
    alike = compress.magnitude_masks(model, 0.8, relative=True)
    model[0].weight.data *= 2**-10
    other = compress.magnitude_masks(model, 0.8, relative=True)
    assert all(torch.equal(alike[name], other[name]) for name in alike)
    assert not compress.magnitude_masks(model, 0.8)["0.weight"].any()               # 200 of 250 are in that layer
    last = compress.magnitude_masks(model, 0.99, relative=True)
    assert all(kept.flatten()[dict(model.named_parameters())[name].abs().argmax()] for name, kept in last.items())
    w = torch.tensor([[3.0, -2.0, 1.0, 0.0]])                   # 9 of 9, 4 of 13, 1 of 14, 0 of 14
    model = nn.ParameterDict({"a": w, "b": torch.tensor([[1.0, 2.0]])})         # 1 of 5, 4 of 4
    order = [compress.magnitude_masks(model, share / 6, relative=True) for share in range(1, 5)]
    assert [torch.cat([masks["a"], masks["b"]], dim=1).int().flatten().tolist() for masks in order] == [
        [1, 1, 1, 0, 1, 1], [1, 1, 0, 0, 1, 1], [1, 1, 0, 0, 0, 1], [1, 0, 0, 0, 0, 1]]


def test_of_equal_weights_the_first_go_first():
    model = nn.ParameterDict({"a": torch.full((2, 5), -0.5), "b": torch.full((1, 10), 0.5)})
    for share, left_out in ((0.1, 2), (0.6, 12), (0.99, 20)):
        masks = compress.magnitude_masks(model, share)
        assert torch.cat([kept.flatten() for kept in masks.values()]).tolist() == [False] * left_out + [True] * (
            20 - left_out)
    for share, left_out in ((0.1, 2), (0.6, 12), (0.99, 18)):                       # the largest of each layer stays
        masks = compress.magnitude_masks(model, share, relative=True)
        assert sum(int((~kept).sum()) for kept in masks.values()) == left_out
        assert all(kept.flatten()[-1] and kept.flatten().diff().sum() <= 1 for kept in masks.values())
    model["b"].data *= 1e-20                                                        # far off, or nothing but zeros
    model["c"] = torch.zeros(2, 2)
    assert [int(kept.sum()) for kept in compress.magnitude_masks(model, 0.99, relative=True).values()] == [1, 1, 1]


@pytest.mark.parametrize("what", [compress.sparsity, lambda model: compress.magnitude_masks(model, 0.5)])
def test_nothing_can_be_left_out_where_there_is_nothing(what):
    with pytest.raises(ValueError, match="This ReLU has no weights"):
        what(nn.ReLU())


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_what_is_left_out_stays_out_while_the_rest_learns(trained, optimiser):
    model, clips, others = copy.deepcopy(trained[0]), *trained[1:]
    masks = compress.magnitude_masks(model, 0.8)
    with compress.held(model, masks):
        assert compress.sparsity(model) == pytest.approx(0.8, abs=1e-3)
        cut = loss_of(model, others)
        training.fit(model, clips, loss=nn.CrossEntropyLoss(), epochs=4, batch_size=32, optimiser=optimiser, lr=5e-3,
                     weight_decay=0.01, progress=False)
    for name, kept in masks.items():
        w = dict(model.named_parameters())[name]
        assert (w[~kept] == 0).all() and (w[kept] != 0).all(), name
    assert loss_of(model, others) < cut
    training.fit(model, clips, loss=nn.CrossEntropyLoss(), epochs=1, progress=False)       # nothing holds them any more
    assert compress.sparsity(model) < 0.1


def test_masks_of_another_model_are_refused_and_change_nothing():
    model = network()
    before = copy.deepcopy(model.state_dict())
    masks = compress.magnitude_masks(model, 0.5) | {"head.1.weight": torch.ones(3, 3, dtype=torch.bool)}
    with pytest.raises(ValueError, match="fits no parameter"), compress.held(model, masks):
        pass
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    with pytest.raises(ValueError, match="share=1"):
        compress.magnitude_masks(model, 1)


@pytest.mark.parametrize("kind, channels", [("CNN", (2, 3, 4)), ("CRNN", (2, 3, 4)), ("DSCNN", 4)])
def test_channels_that_say_nothing_can_go(kind, channels):
    """Half of each convolution's filters are silenced: without them the network computes the same."""
    model, x = network(kind), noise(3, 1, 16, 33)
    generator = torch.Generator().manual_seed(1)
    for chain in model.modules():
        if isinstance(chain, nn.Sequential) and isinstance(chain[0], nn.Conv2d) and chain[0].groups == 1:
            silent = torch.randperm(len(chain[0].weight), generator=generator)[::2]
            for t in (chain[0].weight, chain[1].weight, chain[1].bias):
                t.data[silent] = 0
    if kind == "DSCNN":                                         # a silent channel stays so in the filter of its own
        for block in model.blocks:
            block[0][1].bias.data.zero_()
            block[0][1].running_mean.zero_()
    smaller = compress.slim(model, network(kind, seed=5, channels=channels))
    assert models.size(smaller) < 0.7 * models.size(model)
    assert torch.allclose(smaller(x), model(x), atol=1e-5)
    assert not torch.allclose(network(kind, seed=5, channels=channels)(x), model(x), atol=1e-2)


@pytest.mark.parametrize("model, smaller, says", [
    ("CNN", lambda: network("CRNN"), "of a CNN for a CRNN"), ("RNN", lambda: network("RNN"), "of a RNN"),
    ("CRNN", lambda: network("CRNN", channels=(4, 9, 8)), "more of them"),
    ("CRNN", lambda: network("CRNN", hidden=4), "more than its channels"),
    ("DSCNN", lambda: network("DSCNN", blocks=1), "more than its channels"),
])
def test_channels_go_only_where_the_rest_is_alike(model, smaller, says):
    with pytest.raises(ValueError, match=says):
        compress.slim(network(model), smaller())


# ---- what is stored -----------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0, 0.9])
@pytest.mark.parametrize("bits", [2, 3, 4, 7, 8, 16, 32])
def test_a_file_holds_what_went_in(bits, share, tmp_path):
    model, x = network(), noise(3, 1, 16, 30)
    with compress.held(model, compress.magnitude_masks(model, share)):
        pass
    size = compress.pack(model, tmp_path / "model", bits)
    other = compress.unpack(network(seed=9), tmp_path / "model")
    want = compress.round_weights(model, bits) if bits <= 8 else model
    assert size == (tmp_path / "model").stat().st_size
    assert torch.allclose(other(x), want(x), atol=2e-3 if bits == 16 else 1e-6)
    assert all(torch.equal(other.state_dict()[name], t) for name, t in model.state_dict().items() if t.ndim == 1)


def test_a_file_is_as_small_as_its_numbers(tmp_path):
    model = nn.Sequential(nn.Linear(256, 256, bias=False))
    n, rest = 256 * 256, 256 * 4 + 400                          # steps, and the names
    for bits in (4, 8, 16, 32):
        assert 0 <= compress.pack(model, tmp_path / "model", bits) - n * bits / 8 <= rest
    with compress.held(model, compress.magnitude_masks(model, 0.8)):
        assert 0 <= compress.pack(model, tmp_path / "model", 8) - n * (1 + 0.2 * 8) / 8 <= rest


def test_another_models_file_is_refused(tmp_path):
    compress.pack(network(), tmp_path / "crnn", 4)
    for other in (network("CNN"), network(hidden=8)):
        with pytest.raises(ValueError, match="damaged, or holds another model"):
            compress.unpack(other, tmp_path / "crnn")
    (tmp_path / "broken").write_bytes((tmp_path / "crnn").read_bytes()[:-40])
    with pytest.raises(ValueError, match="damaged"):
        compress.unpack(network(), tmp_path / "broken")
    with pytest.raises(ValueError, match="2 to 8 bits"):
        compress.pack(network(), tmp_path / "crnn", 12)


@pytest.mark.parametrize("bits", [4.0, 8, 16, 32])
def test_shared_weights_are_stored_once_and_stay_shared(bits, tmp_path):
    torch.manual_seed(0)
    first, second = nn.Linear(64, 64), nn.Linear(64, 64)
    second.weight = first.weight
    model = nn.Sequential(first, nn.ReLU(), second)
    assert compress.pack(model, tmp_path / "model", bits) < 64 * 64 * bits / 8 + 64 * 4 * 3 + 500
    other = copy.deepcopy(model)
    other[0].weight.data.normal_()
    other = compress.unpack(other, tmp_path / "model")
    want, x = compress.round_weights(model, bits) if bits <= 8 else model, noise(5, 64)
    assert other[0].weight is other[2].weight
    assert torch.allclose(other(x), want(x), atol=2e-3 if bits == 16 else 1e-6)


@pytest.mark.parametrize("value", [7e4, -math.inf, math.nan])
def test_what_half_precision_cannot_hold_is_refused(value, tmp_path):
    model = nn.Sequential(nn.Linear(4, 4))
    model[0].weight.data[1, 2] = 65504
    before = compress.pack(model, tmp_path / "model", 16)
    model[0].weight.data[1, 2] = value
    with pytest.raises(ValueError, match=r"In 0\.weight .* float16 holds up to 65,504"):
        compress.pack(model, tmp_path / "model", 16)
    assert compress.unpack(model, tmp_path / "model")[0].weight[1, 2] == 65504
    assert (tmp_path / "model").stat().st_size == before


# ---- a student and its teacher --------------------------------------------------------------------------


def test_distillation_is_its_formula():
    o, t, y = noise(6, 4), 3 * noise(6, 4, seed=1), torch.tensor([0, 1, 2, 3, 0, 1])
    T, a = 3.0, 0.7
    p, q = (t / T).softmax(1), (o / T).softmax(1)
    want = a * T**2 * (p * (p / q).log()).sum(1).mean() + (1 - a) * nn.functional.cross_entropy(o, y)
    assert compress.distillation_loss(o, (y, t), T, a) == pytest.approx(want.item(), rel=1e-5)
    assert compress.distillation_loss(o, y) == nn.functional.cross_entropy(o, y)
    assert compress.distillation_loss(t, (y, t), T, 1.0) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("T, soft", [(0, 0.9), (-1, 0.9), (math.nan, 0.9), (4, -0.1), (4, 1.1)])
def test_a_temperature_or_share_that_is_none_is_refused(T, soft):
    with pytest.raises(ValueError, match=r"above 0, the other from 0 to 1"):
        compress.distillation_loss(noise(2, 3), (torch.tensor([0, 1]), noise(2, 3)), T, soft)


@settings(max_examples=20, deadline=None)
@given(st.floats(8, 60))
def test_the_gradient_hardly_depends_on_a_high_temperature(temperature):
    o, y = noise(5, 6).requires_grad_(), (torch.zeros(5, dtype=torch.long), noise(5, 6, seed=1))
    [high], [other] = (torch.autograd.grad(compress.distillation_loss(o, y, T, 1.0), o)
                       for T in (temperature, 2 * temperature))
    assert (high - other).norm() < 0.2 * other.norm()


def test_a_student_hears_what_its_teacher_hears(trained):
    teacher, (x, y), others = trained
    seen = []

    def louder(x, y, generator):
        seen.append(x + torch.rand((len(x), 1, 1, 1), generator=generator))
        return seen[-1], y

    change = compress.taught_by(teacher, louder)
    heard, (labels, told) = change(x[:8], y[:8], torch.Generator().manual_seed(0))
    assert torch.equal(heard, seen[-1]) and torch.equal(labels, y[:8])
    assert torch.equal(told, teacher(heard)) and not told.requires_grad
    torch.manual_seed(1)
    student = models.CNN(16, 4, channels=(4, 6), dropout=0.0)
    before = loss_of(student, others)
    training.fit(student, (x, y), others, loss=compress.distillation_loss, epochs=6, batch_size=16, lr=2e-2,
                 augment=compress.taught_by(teacher), progress=False)
    assert loss_of(student, others) < 0.7 * before


# ---- out of PyTorch -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Small networks as files: a convolutional one, one with a GRU, one with an LSTM."""
    folder = tmp_path_factory.mktemp("onnx")
    torch.manual_seed(0)
    lstm = nn.Sequential(nn.Flatten(1, 2), Turned(), nn.LSTM(16, 12, batch_first=True), First(), nn.Linear(12, 40))
    made = {"DSCNN": network("DSCNN"), "CRNN": network("CRNN"), "LSTM": lstm.eval()}
    for kind, model in made.items():
        assert compress.export(model, folder / f"{kind}.onnx", noise(2, 1, 16, 20)) > 0
    return folder, made


class Turned(nn.Module):
    def forward(self, x):
        return x.mT


class First(nn.Module):
    def forward(self, x):
        return x[0]


@pytest.mark.parametrize("kind", ["DSCNN", "CRNN", "LSTM"])
def test_an_exported_network_takes_any_clips_and_agrees(exported, kind):
    folder, made = exported
    for threads, shape in ((1, (1, 1, 16, 57)), (2, (5, 1, 16, 8))):
        run = compress.Runner(folder / f"{kind}.onnx", threads)
        assert run.session.get_session_options().intra_op_num_threads == threads
        assert compress.parity(made[kind], run, noise(*shape, seed=1)) <= 1e-5


@pytest.mark.parametrize("kind", ["DSCNN", "CRNN", "LSTM"])
def test_an_exported_file_tells_nothing_of_this_machine(exported, kind):
    content = (exported[0] / f"{kind}.onnx").read_bytes()
    assert b"site-packages" not in content and b".py" not in content


@pytest.mark.parametrize("kind", ["DSCNN", "CRNN", "LSTM"])
def test_eight_bits_by_onnx_runtime_stay_near(exported, kind, tmp_path):
    folder, made = exported
    x, clips = 2 + 3 * noise(6, 1, 16, 31, seed=1), 2 + 3 * noise(64, 1, 16, 31, seed=2)
    scale = made[kind](x).std()
    for given_clips in (None, clips):
        size = compress.int8(folder / f"{kind}.onnx", tmp_path / "small.onnx", given_clips)
        assert size == (tmp_path / "small.onnx").stat().st_size
        off = compress.parity(made[kind], compress.Runner(tmp_path / "small.onnx"), x)
        assert off < 0.25 * scale
        assert off > 1e-6


def test_a_gru_is_stored_in_whole_numbers(exported, tmp_path):
    import onnx

    compress.int8(exported[0] / "CRNN.onnx", tmp_path / "small.onnx")
    proto = onnx.load(tmp_path / "small.onnx")
    onnx.checker.check_model(proto)
    model, x = exported[1]["CRNN"], noise(3, 1, 16, 30)
    rounded = copy.deepcopy(model)
    rounded.rnn = compress.round_weights(model.rnn)
    whole = [t for t in proto.graph.initializer if t.name.endswith(".whole")]
    assert [t.data_type for t in whole] == [onnx.TensorProto.INT8] * 2
    found = compress.Runner(tmp_path / "small.onnx")(x)
    assert torch.allclose(found, rounded(x), atol=0.02 * model(x).std().item())
    assert (found - rounded(x)).abs().max() < (found - model(x)).abs().max()


@pytest.mark.parametrize("layers, directions", [(1, 1), (2, 2)])
def test_a_gru_as_onnx_writes_it_is_the_same(layers, directions):
    from audiolab.compress.portable import OnnxGRU

    torch.manual_seed(0)
    gru = nn.GRU(5, 4, layers, batch_first=True, bidirectional=directions == 2)
    x, state = noise(3, 7, 5), noise(layers * directions, 3, 4)
    for arguments in ((x,), (x, state)):
        for ours, theirs in zip(OnnxGRU(gru)(*arguments), gru(*arguments), strict=True):
            assert torch.allclose(ours, theirs, atol=1e-6)
    with pytest.raises(ValueError, match="batch_first"):
        OnnxGRU(nn.GRU(5, 4))


def test_a_linear_layer_over_a_sequence_becomes_whole(tmp_path):
    import onnx

    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 8)).eval(), noise(8, 10, 32)
    size = compress.export(model, tmp_path / "float.onnx", x, time=1)
    assert {node.op_type for node in onnx.load(tmp_path / "float.onnx").graph.node} >= {"MatMul"}
    for clips in (None, x):
        assert compress.int8(tmp_path / "float.onnx", tmp_path / "small.onnx", clips) < 0.5 * size
        off = compress.parity(model, compress.Runner(tmp_path / "small.onnx"), noise(3, 7, 32, seed=1))
        assert 1e-6 < off < 0.1


class Sum(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 3)

    def forward(self, x, y):
        return self.layer(x + y)


@pytest.fixture(scope="module")
def plain_files(tmp_path_factory):
    """Files of two convolutions, of a layer that takes two inputs, of one with NaN; and what is none, or not there."""
    folder = tmp_path_factory.mktemp("plain")
    compress.export(nn.Sequential(nn.Conv1d(4, 6, 3), nn.ReLU(), nn.Conv1d(6, 3, 3)), folder / "convs", noise(2, 4, 20))
    compress.int8(folder / "convs", folder / "whole", noise(4, 4, 20))
    compress.export(Sum(), folder / "two", noise(2, 5, 8), noise(2, 5, 8), time=1)
    damaged = nn.Sequential(nn.Conv1d(4, 6, 3))
    damaged[0].weight.data[0, 0, 0] = math.nan
    compress.export(damaged, folder / "damaged", noise(2, 4, 20))
    (folder / "broken").write_bytes((folder / "convs").read_bytes()[:-100])
    return folder


CLIPS = noise(4, 4, 20)


@pytest.mark.parametrize("name, clips, says", [
    ("convs", torch.full((2, 4, 20), math.nan), "calibration clip damaged"),
    ("convs", torch.full((2, 4, 20), math.inf), "calibration clip damaged"),
    ("convs", CLIPS[:0], "no calibration clips"),
    ("convs", CLIPS[:, :2], r"takes tensor\(float\).* not torch\.float32"),
    ("convs", None, "No weight of .*convs' became a whole number: with clips"),
    ("missing", CLIPS, "missing' cannot be run"), ("missing", None, "missing' cannot be run"),
    ("broken", CLIPS, "broken' cannot be run"), ("broken", None, "broken' cannot be run"),
    ("whole", CLIPS, "quantised already"), ("whole", None, "quantised already"),
    ("two", noise(4, 5, 8), "takes 2 inputs"), ("damaged", CLIPS, "is NaN"), ("damaged", None, "is NaN"),
])
def test_what_cannot_be_made_int8_is_told_and_writes_nothing(plain_files, name, clips, says, tmp_path, capfd):
    with pytest.raises(ValueError, match=says) as told:
        compress.int8(plain_files / name, tmp_path / "out.onnx", clips)
    assert "\n" not in str(told.value) and not capfd.readouterr().err
    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize("inputs, says", [
    ((CLIPS[:, :2],), r"takes tensor\(float\) \['batch', 4, 'time'\], and not torch\.float32 \[4, 2, 20\]"),
    ((CLIPS[0],), r"not torch\.float32 \[4, 20\]"), ((CLIPS.double(),), r"not torch\.float64 \[4, 4, 20\]"),
    ((CLIPS[:, :, :0],), r"not torch\.float32 \[4, 4, 0\]"), ((), "not nothing"), ((CLIPS.numpy(),), "not ndarray"),
    ((CLIPS, CLIPS), r"\], torch\.float32"),
])
def test_what_a_network_does_not_take_is_told(plain_files, inputs, says, capfd):
    run = compress.Runner(plain_files / "convs")
    with pytest.raises(ValueError, match=says) as told:
        run(*inputs)
    assert "\n" not in str(told.value) and not capfd.readouterr().err


@pytest.mark.parametrize("threads", [0, -1, 1.5, "two"])
def test_less_than_one_thread_is_refused(plain_files, threads):
    with pytest.raises(ValueError, match="a whole number, 1 at least"):
        compress.Runner(plain_files / "convs", threads)


def test_layers_that_round_are_not_exported(tmp_path, capfd):
    small = compress.quantised(network("CNN"), noise(4, 1, 16, 20))
    with pytest.raises(ValueError, match="use plain first"):
        compress.export(small, tmp_path / "small.onnx", noise(2, 1, 16, 20))
    assert not (tmp_path / "small.onnx").exists() and not capfd.readouterr().err
    assert compress.export(compress.plain(small), tmp_path / "small.onnx", noise(2, 1, 16, 20)) > 0


def test_what_is_no_onnx_is_told(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=r"broken\.onnx.* cannot be run"):
        compress.Runner(tmp_path / "broken.onnx")
    with pytest.raises(ValueError, match="cannot be written as ONNX"):
        compress.export(Chooses(), tmp_path / "chosen.onnx", noise(2, 8))
    assert not (tmp_path / "chosen.onnx").exists()


class Chooses(nn.Module):
    """How it computes depends on the values."""

    def forward(self, x):
        return x.sum(dim=1) if x.sum() > 0 else x[: int(x.abs().max())]
