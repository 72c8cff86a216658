"""Networks that learn from sound alone, in the real classes of `transformers`, small enough to be trained here.

Both listen to samples through the same convolutions, one frame of numbers every 20 ms, hide spans of these frames, and
let a transformer tell what was there from what it can still hear. wav2vec 2.0 picks the hidden frame out among others
of the same clip (Baevski et al., "wav2vec 2.0: a framework for self-supervised learning of speech representations",
2020); HuBERT names the cluster to which it belongs (Hsu et al., "HuBERT: self-supervised speech representation learning
by masked prediction of hidden units", 2021). The published ones have a hundred times as many parameters.
"""

import numpy as np
import torch
from torch import nn

from ..features import hz_to_mel, mel_to_hz
from .asr import heard

SR = 16000
CHANNELS, KERNELS, STRIDES = (64, 96, 128, 128), (64, 8, 4, 4), (16, 5, 2, 2)
HOP, FIELD = 320, 896           # samples from one frame to the next, and those that one frame has heard
SHARE, SPAN = 0.5, 6            # of frames that are hidden, were there no overlap, and how many in a row
TEMPERATURE = 0.1               # by which cosines are divided before they compete


def frames(n):
    """How many frames the convolutions make of `n` samples at 16 kHz: an int or a tensor.

    Taught in: notebooks/12_transfer.ipynb, "What can be learnt without labels?"
    """
    return (n - FIELD) // HOP + 1


def mask_spans(lengths, n, share=SHARE, span=SPAN, generator=None):
    """Which frames are hidden: spans of equal length that begin anywhere, and may overlap.

    Of a clip of T frames, ``round(share · T / span)`` different frames are drawn (one at least) as the beginnings.

    Parameters
    ----------
    lengths : torch.Tensor of int, shape [batch]
        Frames of each clip, without its filling.
    n : int
        Frames of the batch, filling included.
    share : float
        Of the frames that would be hidden if no two spans overlapped: of 0.5, two fifths are.
    span : int
        Frames hidden in a row.
    generator : torch.Generator, optional
        PyTorch's own chance when not given.

    Returns
    -------
    torch.Tensor of bool, shape [batch, n]

    Raises
    ------
    ValueError
        If a clip is not longer than a span, so that nothing of it could still be heard.

    References
    ----------
    Baevski et al., "wav2vec 2.0: a framework for self-supervised learning of speech representations", 2020.

    Taught in: notebooks/12_transfer.ipynb, "What can be learnt without labels?"
    """
    hidden = torch.zeros(len(lengths), n, dtype=torch.bool)
    for row, length in zip(hidden, lengths.tolist(), strict=True):
        if length <= span:
            raise ValueError(f"A clip of {length} frames is too short for spans of {span}: leave it out, or hide less "
                             "in a row.")
        places = torch.randperm(length - span + 1, generator=generator)
        for start in places[: max(1, round(share * length / span))].tolist():
            row[start : start + span] = True
    return hidden.to(lengths.device)


def contrast(predicted, wanted, hidden, temperature=TEMPERATURE):
    """How well each prediction goes with each frame of its clip: the scores of wav2vec 2.0's contrast.

    Parameters
    ----------
    predicted, wanted : torch.Tensor, shape [batch, frames, dim]
        What was predicted of each frame, and what it was.
    hidden : torch.Tensor of bool, shape [batch, frames]
    temperature : float

    Returns
    -------
    torch.Tensor, shape [batch, frames, frames]
        Cosines by `temperature` of predictions (rows) with frames (columns). Distractors are all other hidden frames of
        the clip; the rest, and frames that are the same as the right one, are minus infinity.

    Notes
    -----
    The paper draws 100 distractors; clips of a few seconds hide fewer. Else it is the contrastive loss of
    ``transformers.Wav2Vec2ForPreTraining``, which a test holds to it.

    Taught in: notebooks/12_transfer.ipynb, "What can be learnt without labels?"
    """
    predicted, wanted = (nn.functional.normalize(x, dim=2) for x in (predicted, wanted))
    same = wanted @ wanted.transpose(1, 2) > 1 - 1e-5
    right = torch.eye(hidden.shape[1], dtype=torch.bool, device=hidden.device)
    compared = hidden[:, None] & ~same | right
    return (predicted @ wanted.transpose(1, 2) / temperature).masked_fill(~compared, -torch.inf)


def levelled(signals, lengths):
    """Each signal [batch, n] with mean 0 and variance 1 over its own samples, and 0 after them.

    ``transformers.Wav2Vec2FeatureExtractor`` agrees.
    """
    own = heard(lengths, signals.shape[1])
    count = lengths[:, None]
    centred = (signals - (signals * own).sum(dim=1, keepdim=True) / count) * own
    return centred / (centred.square().sum(dim=1, keepdim=True) / count + 1e-7).sqrt()


def given(signals, lengths):
    """What the encoders of `transformers` take of a batch: levelled signals, and which samples are no filling."""
    return {"input_values": levelled(signals, lengths), "attention_mask": heard(lengths, signals.shape[1]).long()}


def front():
    """What `transformers` puts before both: a `Wav2Vec2FeatureExtractor` that levels signals and fills them up."""
    from transformers import Wav2Vec2FeatureExtractor

    return Wav2Vec2FeatureExtractor(sampling_rate=SR, do_normalize=True, return_attention_mask=True)


def batch(items):
    """Signals [n] and the clusters of their frames, filled up: ``(signals, lengths), clusters``; -100 is not asked."""
    signals, clusters = zip(*items, strict=True)
    lengths = torch.tensor([len(signal) for signal in signals])
    return ((nn.utils.rnn.pad_sequence(signals, batch_first=True), lengths),
            nn.utils.rnn.pad_sequence(clusters, batch_first=True, padding_value=-100))


def _settings(dim, layers, heads, hidden, dropout):
    """What both configurations of `transformers` are told."""
    return dict(hidden_size=dim, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=hidden,
                hidden_dropout=dropout, attention_dropout=dropout, activation_dropout=0.0, feat_proj_dropout=0.0,
                layerdrop=0.0, conv_dim=CHANNELS, conv_kernel=KERNELS, conv_stride=STRIDES, feat_extract_norm="layer",
                num_conv_pos_embeddings=32, num_conv_pos_embedding_groups=16, do_stable_layer_norm=True,
                initializer_range=dim**-0.5)                    # 0.02, made for wide layers, is too little here


def _listen(encoder):
    """Let the convolutions begin as a picture of the sound: band passes, and means over time of what they give.

    The first filters are cosines and sines under a Hann window, in steps of the mel scale; all others begin alike at
    each of their taps. All are learnt on from there. Of filters that begin by chance the outputs change with the phase
    of a sound, so that nothing can be foretold of them; a network as small as this takes hours to find better ones.
    """
    first, *rest = (layer.conv.weight for layer in encoder.feature_extractor.conv_layers)      # [out, in, taps]
    f = torch.from_numpy(mel_to_hz(np.linspace(*hz_to_mel(np.array([80.0, 7600.0])), len(first) // 2))).float()
    phase = 2 * torch.pi * f[:, None] * torch.arange(first.shape[2]) / SR
    window = torch.hann_window(first.shape[2], periodic=False)
    with torch.no_grad():
        first[:, 0] = (torch.cat([phase.cos(), phase.sin()]) * window / window.sum())
        for weight in rest:
            weight.copy_(torch.randn(*weight.shape[:2], 1) * (2 / weight.shape[1]) ** 0.5 / weight.shape[2])


class _SelfSupervised(nn.Module):
    """What the two share: batches, and how a clip goes in."""

    sr = SR
    batch = staticmethod(batch)

    def _given(self, signals, lengths):
        """As `given`, and which frames are hidden."""
        chance = None if self.training else torch.Generator().manual_seed(0)    # the same at every evaluation
        hidden = mask_spans(frames(lengths), frames(signals.shape[1]), generator=chance)
        return given(signals, lengths) | {"mask_time_indices": hidden}


class TinyWav2Vec2(_SelfSupervised):
    """A `transformers.Wav2Vec2ForPreTraining` of under a million parameters, ready to be trained.

    ``(signals [batch, n], lengths)`` to ``(scores [batch, frames, frames], hidden, perplexity)``: see `contrast`. What
    is to be recognised is no frame as it was but its codewords, one of each of two codebooks; the perplexity tells how
    many codewords are in use.

    Parameters
    ----------
    dim, layers, heads, hidden : int
        Width, layers and heads of the transformer, width inside a layer.
    codewords : int
        Of each of the two codebooks.
    dropout : float
    cooling : float
        Codewords are drawn by a Gumbel softmax, whose temperature begins at 2 and is multiplied by this at every step,
        down to 0.5.

    Attributes
    ----------
    wav2vec2_for_pretraining : transformers.Wav2Vec2ForPreTraining

    Taught in: notebooks/12_transfer.ipynb, "What can be learnt without labels?"
    """

    def __init__(self, dim=128, layers=4, heads=4, hidden=384, codewords=40, dropout=0.05, cooling=0.9995):
        from transformers import Wav2Vec2Config, Wav2Vec2ForPreTraining

        super().__init__()
        self.wav2vec2_for_pretraining = Wav2Vec2ForPreTraining(Wav2Vec2Config(
            **_settings(dim, layers, heads, hidden, dropout), num_codevector_groups=2,
            num_codevectors_per_group=codewords, codevector_dim=64, proj_codevector_dim=64,
            feat_quantizer_dropout=0.0, contrastive_logits_temperature=TEMPERATURE))
        _listen(self.encoder)
        self.wav2vec2_for_pretraining.config.mask_time_prob = 0.0       # nothing is hidden unless it is said here
        self.cooling = cooling
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    @property
    def encoder(self):
        """The `transformers.Wav2Vec2Model` in it."""
        return self.wav2vec2_for_pretraining.wav2vec2

    def forward(self, x):
        if self.training:
            self.steps += 1
            self.wav2vec2_for_pretraining.set_gumbel_temperature(max(0.5, 2 * self.cooling ** self.steps.item()))
        told = self._given(*x)
        made = self.wav2vec2_for_pretraining(**told)
        hidden = told["mask_time_indices"]
        scores = contrast(made.projected_states, made.projected_quantized_states, hidden)
        return scores, hidden, made.codevector_perplexity.expand(len(scores))

    def loss(self, output, y):
        """Cross entropy of the right frame among the hidden ones, and 0.1 of the share of codewords that lie idle."""
        scores, hidden, perplexity = output
        right = torch.arange(scores.shape[1], device=scores.device).expand(hidden.shape)
        idle = 1 - perplexity.mean() / self.wav2vec2_for_pretraining.quantizer.weight_proj.out_features
        return nn.functional.cross_entropy(scores[hidden], right[hidden]) + 0.1 * idle

    @staticmethod
    def score(output, y):
        """Of the hidden frames, the share that is recognised."""
        scores, hidden, _ = output
        right = torch.arange(scores.shape[1], device=scores.device).expand(hidden.shape)
        return (scores[hidden].argmax(dim=1) == right[hidden]).double().mean()

    def units(self, signals, lengths):
        """The codewords of every frame, the pair as one number: a list of tensors [frames], without the filling."""
        quantizer = self.wav2vec2_for_pretraining.quantizer
        with torch.inference_mode():
            z = self.encoder.feature_extractor(levelled(signals, lengths)).transpose(1, 2)
            made = self.encoder.feature_projection.layer_norm(z)
            best = quantizer.weight_proj(made).unflatten(2, (quantizer.num_groups, -1)).argmax(dim=3)
        pairs = best[..., 0] * quantizer.num_vars + best[..., 1]
        return [row[:n] for row, n in zip(pairs, frames(lengths).tolist(), strict=True)]


class TinyHubert(_SelfSupervised):
    """A `transformers.HubertModel` of under a million parameters with a head, ready to be trained.

    ``(signals [batch, n], lengths)`` to ``(scores [batch, frames, clusters], hidden)``. Which cluster a frame belongs
    to is found beforehand, by k-means.

    Parameters
    ----------
    dim, layers, heads, hidden : int
        Width, layers and heads of the transformer, width inside a layer.
    clusters : int
    dropout : float

    Attributes
    ----------
    hubert : transformers.HubertModel

    Taught in: notebooks/12_transfer.ipynb, "What did it find out?"
    """

    def __init__(self, dim=128, layers=4, heads=4, hidden=384, clusters=100, dropout=0.05):
        from transformers import HubertConfig, HubertModel

        super().__init__()
        self.hubert = HubertModel(HubertConfig(**_settings(dim, layers, heads, hidden, dropout)))
        _listen(self.hubert)
        self.hubert.config.mask_time_prob = 0.0                 # nothing is hidden unless it is said here
        self.head = nn.Linear(dim, clusters)

    @property
    def encoder(self):
        """The `transformers.HubertModel` in it."""
        return self.hubert

    def forward(self, x):
        told = self._given(*x)
        return self.head(self.hubert(**told).last_hidden_state), told["mask_time_indices"]

    @staticmethod
    def loss(output, y):
        """Cross entropies of the cluster, of hidden and of visible frames: these teach the convolutions to hear."""
        scores, hidden = output
        return nn.functional.cross_entropy(scores[hidden], y[hidden]) + \
            nn.functional.cross_entropy(scores[~hidden], y[~hidden])

    @staticmethod
    def score(output, y):
        """Of the hidden frames, the share whose cluster is named."""
        scores, hidden = output
        asked = hidden & (y >= 0)
        return (scores[asked].argmax(dim=1) == y[asked]).double().mean()

    def units(self, signals, lengths):
        """The cluster that is named for every frame, none of them hidden: a list of tensors [frames]."""
        with torch.inference_mode():
            made = self.hubert(**given(signals, lengths))
            best = self.head(made.last_hidden_state).argmax(dim=2)
        return [row[:n] for row, n in zip(best, frames(lengths).tolist(), strict=True)]
