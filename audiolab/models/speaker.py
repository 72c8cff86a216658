"""Networks that know a voice again: speech in, a point on a sphere out, near to others of the same voice."""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from ..features import log_mel
from ..preprocess import resample, to_mono, voice_activity
from .asr import Block
from .classify import BandNorm, conv

SR = 16000                      # Hz
PICTURE = {"n_mels": 40, "fmax": 4000.0}        # what is above 4 kHz is left out: recordings at 8 kHz look alike
LEVEL = 0.05                    # RMS of what somebody says, pauses left out
WINDOW, HOP = 160, 80           # frames of 10 ms: of the stretches that an encoder sees
LEAST = 1.0                     # seconds of speech that a voice is known from


class SpeakerEncoder(nn.Module):
    """From a log-mel to the voice in it: convolutions in time, then mean and standard deviation of all moments.

    ``[batch, 1, n_mels, time]`` to ``[batch, out]``, each of length 1. What is said comes and goes; what stays, and how
    much it moves, is the voice.

    Parameters
    ----------
    n_mels, dim, blocks, kernel : int
        Channels of the picture and of the network, blocks, and frames of 20 ms that a block looks at.
    out : int
        Numbers that stand for a voice.
    dropout : float

    Attributes
    ----------
    w, b : torch.nn.Parameter
        Scale and offset of the similarities in `ge2e_loss`; learnt.
    agreement : torch.Tensor
        Cosine down to which the first and the last stretch of a recording are of one voice: 95 % of validation voices
        reach it even if another microphone takes the last.

    References
    ----------
    Wan et al., "Generalized end-to-end loss for speaker verification", 2018, with LSTMs where here are convolutions;
    Snyder et al., "X-vectors", 2018, for mean and standard deviation.

    Taught in: notebooks/14_voice_cloning.ipynb, "How does a network learn a voice?"
    """

    sr = SR

    def __init__(self, n_mels=40, dim=128, blocks=4, kernel=7, out=128, dropout=0.1):
        super().__init__()
        self.norm, self.first = BandNorm(n_mels), nn.Conv1d(n_mels, dim, 5, stride=2, padding=2)
        self.blocks = nn.ModuleList(Block(dim, kernel, dropout) for _ in range(blocks))
        self.head = nn.Linear(2 * dim, out)
        self.w, self.b = nn.Parameter(torch.tensor(10.0)), nn.Parameter(torch.tensor(-5.0))
        self.register_buffer("agreement", torch.tensor(-1.0))

    def forward(self, x):                                       # [batch, 1, mel, time]
        h = self.first(self.norm(x)[:, 0]).mT                   # [batch, time / 2, dim]
        real = h.new_ones(*h.shape[:2], 1)
        for block in self.blocks:
            h = block(h, real)
        return normalize(self.head(moments(h)), dim=1)

    def loss(self, embeddings, voices):
        """`ge2e_loss` of a batch in which each voice has equally many stretches, one after the other."""
        return ge2e_loss(embeddings.unflatten(0, (len(voices.unique()), -1)), self.w, self.b)


class SpeakerJudge(nn.Module):
    """Another listener: a picture that is seen in two dimensions, and one class for each voice that it learns from.

    ``[batch, 1, n_mels, time]`` to ``[batch, out]``, each of length 1. It learns by telling its training voices apart,
    by the cosine to a direction for each; those directions are of no use later.

    Parameters
    ----------
    n_mels, voices : int
    channels : sequence of int
        Of each block of convolutions, which halves the picture.
    out : int
        Numbers that stand for a voice.

    References
    ----------
    Wang et al., "CosFace: large margin cosine loss for deep face recognition", 2018, for the loss.

    Taught in: notebooks/14_voice_cloning.ipynb, "Can it speak in a voice it never heard?"
    """

    sr = SR
    sharpness, margin = 20.0, 0.15                              # of the loss

    def __init__(self, n_mels, voices, channels=(16, 32, 48, 64), out=96, dropout=0.1):
        super().__init__()
        first, *others = channels
        layers = [conv(1, first, kernel=5, stride=2)]
        for before, after in zip(channels, others, strict=False):
            layers += [nn.MaxPool2d(2, ceil_mode=True), conv(before, after)]
        self.norm, self.layers = BandNorm(n_mels), nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * channels[-1] * -(-n_mels // 2 ** len(channels)),
                                                                 out))
        self.directions = nn.Parameter(torch.randn(voices, out))

    def forward(self, x):
        h = self.layers(self.norm(x)).flatten(1, 2).mT          # [batch, time / 16, channels · mel / 16]
        return normalize(self.head(moments(h)), dim=1)

    def loss(self, embeddings, voices):
        """Cross entropy of the cosines, the right one less `margin`, so that it must stand out."""
        cosines = embeddings @ normalize(self.directions, dim=1).T
        cosines = cosines - self.margin * nn.functional.one_hot(voices, cosines.shape[1])
        return cross_entropy(self.sharpness * cosines, voices)


def moments(h):
    """Mean and standard deviation over time: [batch, time, dim] to [batch, 2 dim]."""
    mean = h.mean(dim=1)
    return torch.cat([mean, ((h - mean[:, None]).square().mean(dim=1) + 1e-5).sqrt()], dim=1)


def ge2e_loss(embeddings, w, b):
    """Generalised end-to-end loss, softmax form: each utterance is to be nearer to its own voice than to any other.

    A voice is the mean c of its utterances, brought to length 1. With ``S = w cos(e, c) + b`` the loss of an utterance
    e of voice j is ``-S[j] + ln sum_k exp S[k]``. Of its own mean the utterance itself is left out: else it would be
    near to it in any case.

    Parameters
    ----------
    embeddings : torch.Tensor, shape [voices, utterances, dim]
        Each of length 1; two utterances or more.
    w, b : float or torch.Tensor
        Scale, above 0, and offset. (In this form the offset changes nothing: all S rise alike.)

    Returns
    -------
    torch.Tensor
        The mean over all utterances.

    Raises
    ------
    ValueError
        If there are less than two voices or two utterances.

    References
    ----------
    Wan et al., "Generalized end-to-end loss for speaker verification", 2018, equations 5, 6, 8 and 9.

    Taught in: notebooks/14_voice_cloning.ipynb, "How does a network learn a voice?"
    """
    if embeddings.ndim != 3 or min(embeddings.shape[:2]) < 2:
        raise ValueError("Voices are told apart by two utterances or more of each of two voices or more: embeddings "
                         f"have shape [voices, utterances, dim], not {list(embeddings.shape)}.")
    voices, utterances, _ = embeddings.shape
    total = embeddings.sum(dim=1, keepdim=True)                 # [voices, 1, dim]
    others = normalize(total - embeddings, dim=2)               # of one's own voice, without oneself
    cosines = embeddings @ normalize(total[:, 0], dim=1).T      # [voices, utterances, voices]
    own = torch.eye(voices, dtype=torch.bool, device=embeddings.device)[:, None]
    cosines = torch.where(own, (embeddings * others).sum(dim=2, keepdim=True), cosines)
    truth = torch.arange(voices, device=embeddings.device).repeat_interleave(utterances)
    return cross_entropy((w * cosines + b).flatten(0, 1), truth)


# ---------------------------------------------------------------------------------------- from a sound to a voice


def spoken(y, sr, **picture):
    """The log-mel of what somebody says, pauses cut out, at one level.

    Parameters
    ----------
    y : np.ndarray, shape [n] or [channels, n]
    sr : int
        8000 Hz or more.
    **picture
        Of `audiolab.features.log_mel`; `PICTURE` when not given.

    Returns
    -------
    np.ndarray, shape [n_mels, frames], float32
        Every 10 ms; no frame where nobody speaks.

    Raises
    ------
    ValueError
        If the sound is shorter than 50 ms, holds NaN or infinity, or its rate is under 8000 Hz.

    Taught in: notebooks/14_voice_cloning.ipynb, "Who is speaking?"
    """
    y = to_mono(y)
    if not np.isfinite(y).all():
        raise ValueError("The sound holds NaN or infinity: what was computed before went wrong.")
    y = resample(y, sr, SR)
    active, _ = voice_activity(y, SR)
    power = np.square(y[: 160 * len(active)]).reshape(-1, 160).mean(axis=1)[active]
    y = y * (LEVEL / max(np.sqrt(power.mean()), 1e-6)) if active.any() else y
    return log_mel(y, SR, **(picture or PICTURE))[:, : len(active)][:, active]


def stretches(picture):
    """Stretches of `WINDOW` frames of a picture, [n, 1, n_mels, WINDOW], `HOP` apart."""
    picture = long_enough(picture)
    starts = range(0, picture.shape[1] - WINDOW + 1, HOP)
    return torch.from_numpy(np.stack([picture[:, start : start + WINDOW] for start in starts]))[:, None]


def long_enough(picture):
    """A picture that is shorter than `WINDOW` is repeated until it fills one."""
    frames = picture.shape[1]
    if not frames:
        raise ValueError("Nobody speaks in this picture: there is no voice in it.")
    return np.tile(picture, -(-WINDOW // frames))[:, :WINDOW] if frames < WINDOW else picture


def voice_of(model, picture):
    """The voice in a picture that `spoken` made: the mean of its stretches, of length 1, [out].

    Raises
    ------
    ValueError
        If the picture has no frame, for nobody speaks.

    Taught in: notebooks/14_voice_cloning.ipynb, "Who is speaking?"
    """
    with torch.inference_mode():
        return normalize(model.eval()(stretches(picture)).mean(dim=0), dim=0).numpy()


def embed(model, y, sr):
    """The voice of whoever speaks in a recording.

    Parameters
    ----------
    model : SpeakerEncoder
        The first of the two that ``models.load`` returns.
    y : np.ndarray, shape [n] or [channels, n]
        Full scale ±1, 1 s of speech at least, 3 to 5 s are good; pauses do not count.
    sr : int
        8000 Hz or more.

    Returns
    -------
    np.ndarray, shape [out], float32
        Of length 1: the mean of what the model says of stretches of 1.6 s.

    Raises
    ------
    TypeError
        If the model is no SpeakerEncoder.
    ValueError
        If nobody speaks, for less than 1 s, or beginning and end of the recording are so far apart that two voices are
        likely. Somebody who only breaks in between is not noticed, nor are two people who speak at once told from one;
        nor music from a voice.

    Taught in: notebooks/14_voice_cloning.ipynb, "Who is speaking?"
    """
    if not isinstance(model, SpeakerEncoder):
        raise TypeError("Voices are known by a SpeakerEncoder, the first of the two that models.load returns, and not "
                        f"by a {type(model).__name__}.")
    picture = spoken(y, sr)
    seconds = picture.shape[1] / 100
    if not seconds:
        raise ValueError("Nobody speaks in this recording: give one with 3 to 5 s of a voice.")
    if seconds < LEAST:
        raise ValueError(f"There is {seconds:.1f} s of speech: a voice is known from {LEAST:.0f} s at least, and well "
                         "from 3 to 5 s.")
    with torch.inference_mode():
        parts = model.eval()(stretches(picture))
    if parts[0] @ parts[-1] < model.agreement:
        raise ValueError("Two people seem to speak in this recording: cut out the one whose voice is meant.")
    return normalize(parts.mean(dim=0), dim=0).numpy()


def score(one, other):
    """How alike two voices are: the cosine of the angle between their embeddings, -1 to 1.

    Parameters
    ----------
    one, other : np.ndarray, shape [..., dim]
        Of any length but 0.

    Returns
    -------
    np.ndarray, shape [...], or float

    Raises
    ------
    ValueError
        If one of them is all zeros, which is nobody's voice, or no number.

    Taught in: notebooks/14_voice_cloning.ipynb, "Who is speaking?"
    """
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    if not (lengths > 0).all():
        raise ValueError("An embedding is all zeros, or holds NaN: that is nobody's voice.")
    return (np.sum(one * other, axis=-1) / lengths)[()]
