"""Costs of networks: by hand, and as two independent counters see them."""

import pandas as pd
import pytest
import torch
import torchinfo
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from audiolab import models
from audiolab.edge.costs import OF_THE_MODEL, count, macs
from audiolab.models import checkpoints

PICTURE, WORD, WAVE = torch.zeros(1, 1, 64, 50), torch.zeros(1, 1, 40, 64), torch.zeros(1, 8000)
N, TEXT, TOKENS = torch.tensor([12]), torch.ones(1, 12, dtype=torch.long), torch.zeros(1, 16, dtype=torch.long)
SPEECH = torch.zeros(1, 1, 40, 60), torch.tensor([60])
CASES = {                                                       # a network of every class that has a checkpoint
    "CNN": (lambda: models.CNN(64, 12), PICTURE),
    "RNN": (lambda: models.RNN(64, 12), PICTURE),
    "CRNN": (lambda: models.CRNN(64, 12), PICTURE),
    "DSCNN": (lambda: models.DSCNN(40, 10), WORD),
    "DSCNNSpotter": (lambda: models.DSCNNSpotter(40, 11), torch.zeros(1, 1, 40, 80)),
    "AudioTransformer": (lambda: models.AudioTransformer(64, 12), PICTURE),
    "WaveCNN": (lambda: models.WaveCNN(12), WAVE),
    "EventCRNN": (lambda: models.EventCRNN(64, 12), PICTURE),
    "EventTransformer": (lambda: models.EventTransformer(64, 12), PICTURE),
    "CTCNet": (models.CTCNet, SPEECH),
    "AttentionASR": (models.AttentionASR, (*SPEECH, TEXT, N)),
    "FrameNet": (lambda: models.FrameNet(39), (PICTURE, torch.tensor([50]))),
    "TinyWhisper": (models.TinyWhisper, (torch.zeros(1, 80, 400), torch.tensor([64000]), TEXT, N)),
    "Vocoder": (models.Vocoder, (torch.zeros(1, 1, 80, 20), torch.tensor([20]))),
    "FastSpeech": (models.FastSpeech, (TEXT, N, torch.ones(1, 12, dtype=torch.long), torch.zeros(1, 12, 2))),
    "SpeakerEncoder": (models.SpeakerEncoder, torch.zeros(1, 1, 40, 160)),
    "SpeakerJudge": (lambda: models.SpeakerJudge(64, 12), PICTURE),
    "Tacotron": (models.Tacotron, (TEXT, N, torch.zeros(1, 16, 80), torch.tensor([16]))),
    "KeysLSTM": (models.KeysLSTM, torch.zeros(1, 16, 88)),
    "KeysTransformer": (models.KeysTransformer, (torch.zeros(1, 16, 88), TOKENS[:, 0])),
    "ChordTransformer": (models.ChordTransformer, TOKENS),
    "VoiceTransformer": (models.VoiceTransformer, TOKENS),
    "InfillTransformer": (models.InfillTransformer, TOKENS),
    "UNet": (models.UNet, WAVE),
    "RecurrentMask": (models.RecurrentMask, WAVE),
    "ConvTasNet": (models.ConvTasNet, WAVE),
    "TinyWav2Vec2": (models.TinyWav2Vec2, (WAVE, torch.tensor([8000]))),
    "TinyHubert": (models.TinyHubert, (WAVE, torch.tensor([8000]))),
}


def pytorchs_own(model, x):
    """Multiply-accumulates by PyTorch's counter, with fused operations taken apart, which it does not know."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), torch.backends.mkldnn.flags(enabled=False), \
                FlopCounterMode(display=False) as counter:
            model(x)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return counter.get_total_flops() // 2


def test_every_class_with_a_checkpoint_is_counted_here():
    assert set(CASES) == set(checkpoints.CLASSES)


@pytest.mark.filterwarnings("ignore:TF32")
@pytest.mark.parametrize("kind", CASES)
def test_multiplications_equal_those_of_an_independent_counter(kind):
    make, x = CASES[kind]
    model = make().eval()
    found = count(model, x)
    assert found.macs == pytorchs_own(model, x) > 0
    assert found.macs == found.layers.macs.sum()


@pytest.mark.parametrize("kind", CASES)
def test_parameters_equal_those_of_torchinfo(kind):
    make, x = CASES[kind]
    model = make().eval()
    found = count(model, x)
    summary = torchinfo.summary(model, input_data=[x], verbose=0)
    twice = model.whisper.proj_out.weight.numel() if kind == "TinyWhisper" else 0   # it is the embedding, too
    assert found.parameters == summary.total_params - twice == models.size(model)
    assert found.layers.parameters.sum() <= found.parameters
    if kind not in ("Tacotron", "TinyWhisper"):                 # parts of which do not run while they are taught
        assert found.layers.parameters.sum() == found.parameters


@pytest.mark.filterwarnings("ignore:TF32")
def test_the_layer_for_a_voice_is_counted_too():
    one, x = CASES["FastSpeech"][0]().eval(), CASES["FastSpeech"][1]
    many, told = models.FastSpeech(voice=8).eval(), (*x, torch.zeros(1, 8))
    found = count(many, told)
    assert found.macs == pytorchs_own(many, told) == count(one, x).macs + 8 * many.of_voice.out_features
    assert found.parameters == models.size(many) == models.size(one) + 9 * many.of_voice.out_features


@pytest.mark.parametrize("kind", ["CNN", "DSCNN", "WaveCNN", "UNet"])
def test_multiplications_equal_those_of_torchinfo_less_what_it_counts_besides(kind):
    """torchinfo counts biases and BatchNorm, and takes a transposed convolution by its output."""
    make, x = CASES[kind]
    model = make().eval()
    theirs = 0
    for row in torchinfo.summary(model, input_data=[x], verbose=0).summary_list:
        layer = row.module
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
            theirs += row.macs * layer.weight.numel() // sum(p.numel() for p in layer.parameters())
        elif isinstance(layer, nn.ConvTranspose2d):             # stride 2: four outputs for each input
            theirs += row.macs // 4 * layer.weight.numel() // sum(p.numel() for p in layer.parameters())
    assert count(model, x).macs == theirs


def test_totals_of_torchinfo_for_layers_without_bias():
    model = nn.Sequential(nn.Conv2d(1, 8, 3, bias=False), nn.Conv2d(8, 8, 3, groups=8, bias=False), nn.Flatten(),
                          nn.Linear(8 * 12 * 12, 10, bias=False))
    summary = torchinfo.summary(model, input_size=(1, 1, 16, 16), verbose=0)
    assert count(model, torch.zeros(1, 1, 16, 16)).macs == summary.total_mult_adds


BY_HAND = [
    ("one row", nn.Linear(8, 4), [(1, 8)], 32),
    ("a sequence", nn.Linear(8, 4), [(2, 5, 8)], 2 * 5 * 8 * 4),
    ("a convolution", nn.Conv1d(3, 5, 7, padding=3), [(1, 3, 20)], 20 * 5 * 3 * 7),
    ("with a stride", nn.Conv2d(2, 4, 3, stride=2, padding=1), [(1, 2, 8, 8)], 4 * 4 * 4 * 2 * 9),
    ("in groups", nn.Conv2d(8, 16, 3, groups=4), [(1, 8, 5, 5)], 3 * 3 * 16 * 2 * 9),
    ("depthwise", nn.Conv2d(8, 8, 3, padding=1, groups=8), [(1, 8, 5, 5)], 25 * 8 * 9),
    ("dilated", nn.Conv1d(2, 2, 3, dilation=4), [(1, 2, 20)], 12 * 2 * 2 * 3),
    ("transposed", nn.ConvTranspose2d(6, 3, 2, stride=2), [(1, 6, 4, 4)], 16 * 6 * 3 * 4),
    ("transposed in groups", nn.ConvTranspose1d(6, 4, 5, stride=3, groups=2), [(1, 6, 7)], 7 * 6 * 2 * 5),
    ("gated", nn.GRU(5, 7, batch_first=True), [(2, 11, 5)], 2 * 11 * 3 * 7 * (5 + 7)),
    ("both ways, twice", nn.GRU(5, 7, 2, bidirectional=True), [(11, 2, 5)],
     2 * 11 * (2 * 3 * 7 * (5 + 7) + 2 * 3 * 7 * (14 + 7))),
    ("with a cell", nn.LSTM(5, 7), [(11, 2, 5)], 2 * 11 * 4 * 7 * (5 + 7)),
    ("with a projection", nn.LSTM(5, 7, proj_size=3), [(11, 1, 5)], 11 * (4 * 7 * (5 + 3) + 3 * 7)),
    ("one step", nn.GRUCell(5, 7), [(2, 5)], 2 * 3 * 7 * (5 + 7)),
    ("attention", nn.MultiheadAttention(8, 2, batch_first=True), [(1, 3, 8), (1, 5, 8), (1, 5, 8)],
     (3 + 5 + 5 + 3) * 64 + 2 * 3 * 5 * 8),
    ("attention in a batch", nn.MultiheadAttention(8, 2), [(3, 4, 8)] * 3, 4 * (4 * 3 * 64 + 2 * 9 * 8)),
    ("attention with keys of another size", nn.MultiheadAttention(8, 2, kdim=6, vdim=4, batch_first=True),
     [(1, 3, 8), (1, 5, 6), (1, 5, 4)], (3 + 3) * 64 + 5 * 8 * (6 + 4) + 2 * 3 * 5 * 8),
    ("a factor for each channel", nn.BatchNorm2d(4), [(1, 4, 5, 5)], 0),
    ("no multiplication", nn.Embedding(10, 4), [None], 0),
]


@pytest.mark.parametrize("layer, shapes, want", [case[1:] for case in BY_HAND], ids=[case[0] for case in BY_HAND])
def test_layers_by_hand(layer, shapes, want):
    x = [torch.zeros(1, 3, dtype=torch.long) if shape is None else torch.zeros(shape) for shape in shapes]
    found = count(layer, *x)
    assert found.macs == want
    with torch.no_grad():
        assert macs(layer, *x, output=layer(*x)) == want


def test_inputs_may_be_named():
    layer, x = nn.MultiheadAttention(8, 2, batch_first=True), torch.zeros(1, 3, 8)
    named = count(layer, x, call=lambda x: layer(key=x, value=x, query=x, need_weights=False))
    assert named.macs == count(layer, x, x, x).macs
    gru, h = nn.GRU(5, 7), torch.zeros(1, 1, 7)
    assert count(gru, torch.zeros(4, 1, 5), h).macs == count(gru, torch.zeros(4, 1, 5)).macs == 4 * 3 * 7 * (5 + 7)


def test_a_packed_sequence_costs_what_it_holds():
    x = nn.utils.rnn.pack_sequence([torch.zeros(4, 5), torch.zeros(2, 5)])
    assert count(nn.GRU(5, 7), x).macs == (4 + 2) * 3 * 7 * (5 + 7)


class Products(nn.Module):
    """Multiplications that stand in no layer."""

    def forward(self, a, b):
        c = torch.einsum("bnk,bkm->bnm", a, b) + a @ b
        c = c + torch.nn.functional.scaled_dot_product_attention(a, a, a) @ b
        return torch.nn.functional.conv1d(c, torch.zeros(6, 3, 1))


def test_products_without_a_layer_belong_to_the_layer_around():
    a, b = torch.zeros(2, 3, 4), torch.zeros(2, 4, 5)
    model = nn.Sequential(nn.Identity(), nn.Identity())
    model.inner = Products()
    found = count(model, a, b, call=model.inner)
    want = 3 * 2 * 3 * 4 * 5 + 2 * 2 * 3 * 3 * 4 + 2 * 5 * 6 * 3
    assert found.macs == want == found.layers.set_index("layer").macs["inner"]


def test_a_layer_used_again_has_its_parameters_once():
    layer = nn.Linear(4, 4)
    found = count(nn.Sequential(layer, layer, nn.ReLU()), torch.zeros(1, 4))
    assert (found.parameters, found.macs) == (20, 32)
    assert found.layers.parameters.sum() == 20


# ---------------------------------------------------------------------------------------- memory


def test_memory_by_hand():
    """16 kB go in; 32 kB come out of the first layer and 8 kB of the second, which frees what it has read."""
    model = nn.Sequential(nn.Linear(1000, 2000), nn.Linear(2000, 500))
    found = count(model, torch.zeros(4, 1000))
    assert list(found.layers.bytes) == [4 * 4 * 3000, 4 * 4 * 2500]
    assert list(found.layers.alive) == [4 * 4 * 3000, 4 * 4 * 3500]         # the input waits with who called
    assert found.peak == 4 * 4 * 3500
    assert found.weight_bytes == 4 * (2000 * 1001 + 500 * 2001)


def test_a_layer_that_does_nothing_has_alive_what_is_there():
    found = count(nn.Sequential(nn.Linear(10, 20), nn.Dropout(), nn.Linear(20, 5)), torch.zeros(1, 10))
    assert list(found.layers.alive) == [4 * 30, 4 * 30, 4 * 35]


def test_what_a_later_layer_needs_stays_alive():
    class Around(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(100, 100), nn.Linear(100, 100)

        def forward(self, x):
            h = self.a(x)
            return h + self.b(self.b(h))

    found = count(Around(), torch.zeros(1, 100))
    assert found.layers.set_index("layer").alive["b"] == 4 * 400            # the input, h, and b's in and out
    assert found.layers.set_index("layer").calls["b"] == 2


def profiled_peak(model, x):
    """Bytes at the worst moment by the allocator's own records."""
    with torch.no_grad(), torch.profiler.profile(profile_memory=True) as profile:
        model(x)
    now = peak = 0
    for event in sorted((e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"),
                        key=lambda e: e.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak


@pytest.mark.filterwarnings("ignore:Memory block")
@pytest.mark.parametrize("kind, least", [("RNN", 0.9), ("RecurrentMask", 0.9), ("ConvTasNet", 0.9), ("UNet", 0.7),
                                         ("KeysTransformer", 0.9), ("CRNN", 0), ("DSCNN", 0)])
def test_peak_memory_agrees_with_the_allocator(kind, least):
    """A GRU frees some of its own sooner than is seen from outside; the allocator rounds up, and also hands out what a
    convolution needs inside itself, which may be a lot."""
    make, x = CASES[kind]
    model = make().eval()
    model(x)
    given = sum(t.numel() * t.element_size() for t in (x if isinstance(x, tuple) else (x,)))    # before that
    mine, theirs = count(model, x).peak - given, profiled_peak(model, x)
    assert least * theirs <= mine <= 1.25 * theirs


# ---------------------------------------------------------------------------------------- manners


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(4), nn.Linear(4, 2))
    model[1].eval()
    count(model, torch.ones(8, 4))
    assert [layer.training for layer in model] == [True, False, True]
    assert model[1].num_batches_tracked == 0
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in model.modules())


def test_hooks_go_also_when_the_model_fails():
    model = nn.Linear(4, 2)
    with pytest.raises(RuntimeError):
        count(model, torch.zeros(1, 5))
    assert not model._forward_hooks and model.training


def test_what_is_no_network_is_told():
    with pytest.raises(TypeError, match=r"a torch.nn.Module, not a function"):
        count(lambda x: x, torch.zeros(1))


def test_a_table_has_a_row_for_each_layer():
    model, _ = models.load("events-crnn-scenes")
    table = count(model, PICTURE).layers
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == ["layer", "kind", "calls", "parameters", "macs", "bytes", "alive"]
    assert table.set_index("layer").kind["rnn"] == "GRU"
    assert table.set_index("layer").macs["pool"] > 0                        # a product outside of its layers
    assert OF_THE_MODEL not in set(table.layer)
