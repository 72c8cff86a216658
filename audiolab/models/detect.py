"""Networks that say when: log-mels ``[batch, 1, n_mels, time]`` in, a logit of every class in every frame out.

Four frames of the log-mel, 40 ms, become one of the answer. Several classes may sound at once, so each has a question
of its own, answered by a sigmoid, and no softmax that would have them share one yes.
"""

import copy
import math

import torch
from torch import nn

from .classify import CHANNELS_LAST, BandNorm, conv, positions

STRIDE = 4                      # frames of the log-mel for one of the answer


class Front(nn.Module):
    """Convolutions that find shapes and keep time: [batch, 1, mel, time] to [batch, time / 4, features].

    As those of `audiolab.models.CRNN`: the picture loses height at each step, length only twice.
    """

    def __init__(self, n_mels, channels):
        super().__init__()
        a, b, c = channels
        self.norm = BandNorm(n_mels)
        self.layers = nn.Sequential(                            # [batch, 1, mel, time]
            conv(1, a, kernel=5, stride=2),                     # [batch, a, mel / 2, time / 2]
            nn.MaxPool2d(2, ceil_mode=True), conv(a, b),        # [batch, b, mel / 4, time / 4]
            nn.MaxPool2d((2, 1), ceil_mode=True), conv(b, c),   # [batch, c, mel / 8, time / 4]
            nn.MaxPool2d((2, 1), ceil_mode=True))               # [batch, c, mel / 16, time / 4]
        self.features = c * math.ceil(n_mels / 16)
        self.to(memory_format=CHANNELS_LAST)

    def forward(self, x):
        return self.layers(self.norm(x)).permute(0, 3, 1, 2).flatten(2)


class EventCRNN(nn.Module):
    """The network of chapter 06 without its pooling: it answers for every moment, not for the clip.

    Parameters
    ----------
    n_mels, n_classes : int
    channels : sequence of int
        Of each convolution.
    hidden : int
        Memory cells in each direction.
    dropout : float

    References
    ----------
    Çakır et al., "Convolutional recurrent neural networks for polyphonic sound event detection", 2017.

    Taught in: notebooks/11_event_detection.ipynb, "Can a network say when?"
    """

    def __init__(self, n_mels, n_classes, channels=(24, 48, 64), hidden=64, dropout=0.2):
        super().__init__()
        self.front = Front(n_mels, channels)
        self.rnn = nn.GRU(self.front.features, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * hidden, n_classes))

    def forward(self, x):                                       # [batch, 1, mel, time]
        x, _ = self.rnn(self.front(x))                          # [batch, time / 4, 2 · hidden]
        return self.head(x)                                     # [batch, time / 4, classes]


class EventTransformer(nn.Module):
    """The same convolutions, but every moment looks at all others at once, instead of being told by its neighbours.

    Parameters
    ----------
    n_mels, n_classes : int
    channels : sequence of int
        Of each convolution.
    dim : int
        Numbers per moment.
    depth, heads : int
        Layers, and how many places each looks at once.
    dropout : float

    References
    ----------
    Miyazaki et al., "Convolution-augmented transformer for semi-supervised sound event detection", 2020, whose layers
    are Conformers.

    Taught in: notebooks/11_event_detection.ipynb, "Can a network say when?"
    """

    def __init__(self, n_mels, n_classes, channels=(24, 48, 64), dim=96, depth=2, heads=4, dropout=0.1):
        super().__init__()
        self.front = Front(n_mels, channels)
        self.into = nn.Linear(self.front.features, dim)
        layer = nn.TransformerEncoderLayer(dim, heads, 2 * dim, dropout, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, depth, norm=nn.LayerNorm(dim), enable_nested_tensor=False)
        self.head = nn.Linear(dim, n_classes)

    def forward(self, x):                                       # [batch, 1, mel, time]
        x = self.into(self.front(x))                            # [batch, time / 4, dim]
        x = x + positions(x.shape[1], x.shape[2]).to(x)         # which moment it is
        return self.head(self.encoder(x))                       # [batch, time / 4, classes]


def attention_pooling(logits, look):
    """The probability that a class occurs in a clip: a mean over time of its probabilities, weighted by attention.

    ``w[t] = softmax over t of look[t]``, ``y = sum over t of w[t] sigmoid(logits[t])``, for each class by itself. All
    frames count: clips have to be of one length.

    Parameters
    ----------
    logits, look : torch.Tensor, shape [batch, time, classes]

    Returns
    -------
    torch.Tensor, shape [batch, classes]
        0 to 1.

    References
    ----------
    Kong et al., "Sound event detection of weakly labelled data with CNN-transformer and automatic threshold
    optimization", 2020.

    Taught in: notebooks/11_event_detection.ipynb, "What if nobody wrote down the times?"
    """
    return (look.softmax(dim=1) * logits.sigmoid()).sum(dim=1)


def linear_softmax_pooling(logits):
    """The probability that a class occurs in a clip: a mean of its probabilities, each weighted by itself.

    ``y = sum over t of p[t]² / sum over t of p[t]``. Where the class occurs, the gradient pulls moments above half of y
    up and the others down, so that a network learns events with a beginning and an end; where it does not occur, the
    other way round. All frames count: clips have to be of one length.

    Parameters
    ----------
    logits : torch.Tensor, shape [batch, time, classes]

    Returns
    -------
    torch.Tensor, shape [batch, classes]
        0 to 1.

    References
    ----------
    Wang, Li and Metze, "A comparison of five multiple instance learning pooling functions for sound event detection
    with weak labeling", 2019.

    Taught in: notebooks/11_event_detection.ipynb, "What if nobody wrote down the times?"
    """
    p = logits.sigmoid()
    return p.square().sum(dim=1) / p.sum(dim=1).clamp(min=1e-7)


class MeanTeacher(nn.Module):
    """A student, and the running mean of all that it was: its teacher, also for clips that nobody has labelled.

    The teacher's weights follow the student's, ``θ' ← decay θ' + (1 - decay) θ``, at the beginning of each call in
    training: one call is one step. In training the student hears each clip changed more than the teacher does; what it
    should answer to that is what the teacher says. In evaluation the teacher answers.

    Parameters
    ----------
    student : torch.nn.Module
    decay : float
        0 to 1: it remembers about ``1 / (1 - decay)`` steps. At first ``1 - 1 / step`` where that is less. A decay
        that remembers as many steps as the training has makes a teacher that lags behind, and holds its student back.
    ramp : int
        Steps until the teacher's word counts in full: at first it knows nothing.

    References
    ----------
    Tarvainen and Valpola, "Mean teachers are better role models", 2017.

    Taught in: notebooks/11_event_detection.ipynb, "Can it learn from clips without labels?"
    """

    def __init__(self, student, decay=0.99, ramp=100):
        super().__init__()
        self.student, self.teacher = student, copy.deepcopy(student).requires_grad_(False)
        self.decay, self.ramp = decay, ramp
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    def forward(self, x):
        """[batch, 1, mel, time] to logits; in training two such batches to those of both, and the teacher's weight."""
        if not self.training:
            return self.teacher(x)
        self._follow()
        for_student, for_teacher = x
        with torch.no_grad():
            told = self.teacher.eval()(for_teacher)
        weight = torch.exp(-5 * (1 - (self.step / self.ramp).clamp(max=1)) ** 2)
        return self.student(for_student), told, weight

    @torch.no_grad()
    def _follow(self):
        self.step += 1
        decay = min(self.decay, 1 - 1 / self.step.item())
        for own, its in zip(self.teacher.state_dict().values(), self.student.state_dict().values(), strict=True):
            if own.is_floating_point():
                own.lerp_(its, 1 - decay)


def semi_supervised_loss(output, y, weight=1.0):
    """Binary cross entropy with the labels where there are any, and everywhere with what the teacher says.

    ``BCE(student, y) over labelled clips + weight · r · BCE(student, sigmoid teacher)``, with the ramp r. (The paper
    takes the squared distance of probabilities, whose gradient vanishes where the student is sure.)

    Parameters
    ----------
    output : tuple or torch.Tensor
        As `MeanTeacher` gives it in training; or logits alone, [batch, time, classes], as in validation.
    y : torch.Tensor, shape [batch, time, classes]
        0 or 1; negative throughout for a clip without labels.
    weight : float

    Returns
    -------
    torch.Tensor, one number

    Taught in: notebooks/11_event_detection.ipynb, "Can it learn from clips without labels?"
    """
    student, told, ramp = output if isinstance(output, tuple) else (output, output.detach(), 0.0)
    labelled = (y >= 0).float()
    known = nn.functional.binary_cross_entropy_with_logits(student, y.clamp(min=0), labelled, reduction="sum")
    apart = nn.functional.binary_cross_entropy_with_logits(student, told.sigmoid())
    return known / labelled.sum().clamp(min=1) + weight * ramp * apart
