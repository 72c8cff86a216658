"""Networks that name a sound, from a picture of it or from its samples. Each reads from top to bottom.

They take a batch of log-mel spectrograms ``[batch, 1, n_mels, time]`` of any length and give ``[batch, n_classes]``
scores, called logits: the softmax belongs to the loss. `BandNorm` comes first, so that features go in as they are.
With ``n_classes=1`` they estimate a number.
"""

import math

import torch
from torch import nn

CHANNELS_LAST = torch.channels_last     # the numbers of one point side by side in memory: a CPU convolves twice as fast


class BandNorm(nn.Module):
    """Bring each mel channel to mean 0 and variance 1: of the batch while training, of all training clips after.

    ``[batch, 1, n_mels, time]`` to the same shape. In the clips' own scale a channel's level says mostly which
    microphone it was; a network could learn to divide that out, but need not.

    Parameters
    ----------
    n_mels : int

    Taught in: notebooks/06_classification.ipynb, "What does a picture keep that a mean has lost?"
    """

    def __init__(self, n_mels):
        super().__init__()
        self.norm = nn.BatchNorm1d(n_mels, affine=False)

    def forward(self, x):
        return self.norm(x[:, 0])[:, None]


def conv(channels, out, kernel=3, stride=1, groups=1):
    """A convolution that keeps the size (but for the stride), normalised over the batch and rectified."""
    return nn.Sequential(
        nn.Conv2d(channels, out, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out), nn.ReLU())


class AttentionPooling(nn.Module):
    """One vector for a sequence of any length: a mean over time, weighted by what each moment is worth.

    ``a = softmax over t of (w · x[t])``, ``y = sum over t of a[t] x[t]``.

    Parameters
    ----------
    features : int

    Attributes
    ----------
    weights : torch.Tensor, shape [batch, time]
        Of the last call, each row with sum 1: where the network looked.

    References
    ----------
    Raffel and Ellis, "Feed-forward networks with attention can solve some long-term memory problems", 2015.

    Taught in: notebooks/06_classification.ipynb, "What does a picture keep that a mean has lost?"
    """

    def __init__(self, features):
        super().__init__()
        self.score = nn.Linear(features, 1)

    def forward(self, x):                                       # [batch, time, features]
        weights = self.score(x).squeeze(-1).softmax(dim=1)                      # [batch, time]
        self.weights = weights.detach()
        return torch.einsum("bt,btf->bf", weights, x)


class CNN(nn.Module):
    """Convolutions that see ever more of the picture, then a mean over all of it.

    Parameters
    ----------
    n_mels, n_classes : int
    channels : sequence of int
        Of each block; each halves both sides of the picture.
    dropout : float
        Share of the features that are hidden from the last layer while training.

    Taught in: notebooks/06_classification.ipynb, "Which network?"
    """

    def __init__(self, n_mels, n_classes, channels=(24, 48, 64, 64), dropout=0.2):
        super().__init__()
        first, *others = channels
        layers = [conv(1, first, kernel=5, stride=2)]                           # [batch, 24, mel / 2, time / 2]
        for before, out in zip(channels, others, strict=False):
            layers += [nn.MaxPool2d(2, ceil_mode=True), conv(before, out)]
        self.norm, self.layers = BandNorm(n_mels), nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels[-1], n_classes))
        self.to(memory_format=CHANNELS_LAST)

    def forward(self, x):                                       # [batch, 1, mel, time]
        x = self.layers(self.norm(x))                           # [batch, 64, mel / 16, time / 16]
        return self.head(x.mean(dim=(2, 3)))


class RNN(nn.Module):
    """A recurrent network that reads the frames in both directions, then a weighted mean of what it thought of each.

    Parameters
    ----------
    n_mels, n_classes : int
    hidden : int
        Memory cells in each direction.
    dropout : float

    Taught in: notebooks/06_classification.ipynb, "Which network?"
    """

    def __init__(self, n_mels, n_classes, hidden=64, dropout=0.2):
        super().__init__()
        self.norm = BandNorm(n_mels)
        self.rnn = nn.GRU(n_mels, hidden, batch_first=True, bidirectional=True)
        self.pool = AttentionPooling(2 * hidden)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * hidden, n_classes))

    def forward(self, x):                                       # [batch, 1, mel, time]
        x = self.norm(x)[:, 0].mT                               # [batch, time, mel]: it must run along time
        x, _ = self.rnn(x)                                      # [batch, time, 2 · hidden]
        return self.head(self.pool(x))


class CRNN(nn.Module):
    """Convolutions find shapes in the picture, a recurrent network reads them in order, attention picks moments.

    Parameters
    ----------
    n_mels, n_classes : int
    channels : sequence of int
        Of each convolution. The first halves both sides of the picture, each other one its height, the second one
        its length too.
    hidden : int
        Memory cells in each direction.
    dropout : float

    References
    ----------
    Çakır et al., "Convolutional recurrent neural networks for polyphonic sound event detection", 2017.

    Taught in: notebooks/06_classification.ipynb, "What does a picture keep that a mean has lost?"
    """

    def __init__(self, n_mels, n_classes, channels=(24, 48, 64), hidden=64, dropout=0.2):
        super().__init__()
        a, b, c = channels
        self.norm = BandNorm(n_mels)
        self.convs = nn.Sequential(                             # [batch, 1, mel, time]
            conv(1, a, kernel=5, stride=2),                     # [batch, a, mel / 2, time / 2]
            nn.MaxPool2d(2, ceil_mode=True), conv(a, b),        # [batch, b, mel / 4, time / 4]
            nn.MaxPool2d((2, 1), ceil_mode=True), conv(b, c),   # [batch, c, mel / 8, time / 4]
            nn.MaxPool2d((2, 1), ceil_mode=True))               # [batch, c, mel / 16, time / 4]
        self.rnn = nn.GRU(c * math.ceil(n_mels / 16), hidden, batch_first=True, bidirectional=True)
        self.pool = AttentionPooling(2 * hidden)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * hidden, n_classes))
        self.to(memory_format=CHANNELS_LAST)

    def forward(self, x):                                       # [batch, 1, mel, time]
        return self.head(self.embed(x))

    def embed(self, x):
        """What the last layer sees of each clip: [batch, 2 · hidden]."""
        x = self.convs(self.norm(x))                            # [batch, c, mel / 16, time / 4]
        x = x.permute(0, 3, 1, 2).flatten(2)                    # [batch, time / 4, c · mel / 16]: time is what is read
        x, _ = self.rnn(x)                                      # [batch, time / 4, 2 · hidden]
        return self.pool(x)


class DSCNN(nn.Module):
    """A network for keywords that fits into a microcontroller: depthwise-separable convolutions.

    A 3 × 3 convolution from C to C channels has 9 C² weights. Split in two it has 9 C + C²: one 3 × 3 filter for
    each channel by itself (depthwise), then a mixture of the channels at each point (pointwise).

    Parameters
    ----------
    n_mels, n_classes : int
    channels : int
    blocks : int
    dropout : float

    References
    ----------
    Zhang, Suda, Lai and Chandra, "Hello edge: keyword spotting on microcontrollers", 2017.

    Taught in: notebooks/06_classification.ipynb, "How small can it be?"
    """

    def __init__(self, n_mels, n_classes, channels=64, blocks=4, dropout=0.2):
        super().__init__()
        self.norm = BandNorm(n_mels)
        self.first = conv(1, channels, kernel=7, stride=4)                      # [batch, 64, mel / 4, time / 4]
        self.blocks = nn.Sequential(*(
            nn.Sequential(conv(channels, channels, groups=channels),            # depthwise
                          conv(channels, channels, kernel=1))                   # pointwise
            for _ in range(blocks)))
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, n_classes))
        self.to(memory_format=CHANNELS_LAST)

    def forward(self, x):                                       # [batch, 1, mel, time]
        return self.head(self.embed(x))

    def embed(self, x):
        """What the last layer sees of each clip: [batch, channels]."""
        x = self.blocks(self.first(self.norm(x)))               # [batch, 64, mel / 4, time / 4]
        return x.mean(dim=(2, 3))


class AudioTransformer(nn.Module):
    """Patches of the picture as words of a sentence, in which each may look at each.

    Parameters
    ----------
    n_mels, n_classes : int
    dim : int
        Numbers per patch.
    depth, heads : int
        Layers, and how many places each looks at once.
    patch : tuple of int
        Height in mel channels and length in frames.
    dropout : float

    References
    ----------
    Gong, Chung and Glass, "AST: audio spectrogram transformer", 2021.

    Taught in: notebooks/06_classification.ipynb, "Which network?"
    """

    def __init__(self, n_mels, n_classes, dim=96, depth=3, heads=4, patch=(16, 8), dropout=0.1):
        super().__init__()
        self.norm = BandNorm(n_mels)
        self.patches = nn.Conv2d(1, dim, patch, stride=patch)
        rows = math.ceil(n_mels / patch[0])
        self.height = nn.Parameter(0.02 * torch.randn(1, dim, rows, 1))         # which band a patch is of
        layer = nn.TransformerEncoderLayer(dim, heads, 2 * dim, dropout, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, depth, norm=nn.LayerNorm(dim), enable_nested_tensor=False)
        self.head = nn.Linear(dim, n_classes)
        self.patch = patch

    def forward(self, x):                                       # [batch, 1, mel, time]
        x = self.norm(x)
        x = nn.functional.pad(x, (0, -x.shape[3] % self.patch[1], 0, -x.shape[2] % self.patch[0]))  # whole patches
        x = self.patches(x) + self.height                       # [batch, dim, mel / 16, time / 8]
        x = x + positions(x.shape[-1], x.shape[1]).to(x).T[None, :, None]       # … and of which moment
        x = self.encoder(x.flatten(2).mT)                       # [batch, patches, dim]
        return self.head(x.mean(dim=1))


def positions(n, dim):
    """A vector for each of n places, of sines and cosines with periods from 2π to 10,000 · 2π: [n, dim].

    ``sin(t / 10000^(2i / dim))`` and the cosines beside them (Vaswani et al., "Attention is all you need", 2017).

    Taught in: notebooks/06_classification.ipynb, "Which network?"
    """
    rate = 10000 ** (-torch.arange(0, dim, 2) / dim)
    angle = torch.arange(n)[:, None] * rate                     # [n, dim / 2]
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)


class WaveCNN(nn.Module):
    """A network on the raw waveform: its first layer has to find out by itself what a mel filter bank knows.

    Takes ``[batch, n]`` samples, or pictures of one row, ``[batch, 1, 1, n]``.

    Parameters
    ----------
    n_classes : int
    filters : int
        Of the first layer.
    width, stride : int
        Samples of a filter and from one to the next: 16 and 4 ms at 16 kHz.
    dropout : float

    References
    ----------
    Dai et al., "Very deep convolutional neural networks for raw waveforms", 2017.

    Taught in: notebooks/06_classification.ipynb, "Which network?"
    """

    def __init__(self, n_classes, filters=64, width=256, stride=64, dropout=0.2):
        super().__init__()
        self.filters = nn.Conv1d(1, filters, width, stride, padding=width // 2, bias=False)
        layers, channels = [nn.BatchNorm1d(filters), nn.ReLU()], filters
        for out in (64, 96, 96):
            layers += [nn.Conv1d(channels, out, 3, padding=1, bias=False), nn.BatchNorm1d(out), nn.ReLU(),
                       nn.MaxPool1d(4, ceil_mode=True)]
            channels = out
        self.layers = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, n_classes))

    def forward(self, x):
        x = x.flatten(1)[:, None]                               # [batch, 1, n]
        x = self.layers(self.filters(x))                        # [batch, 96, n / 4096]
        return self.head(x.mean(dim=2))
