"""Networks that write down speech, and one that names the sound of every frame.

Clips of a batch have different lengths. They are filled up to the longest, and the lengths go along: ``x = (pictures,
lengths)`` with log-mel spectrograms ``[batch, 1, n_mels, time]`` and frames. Filling is set to zero wherever a layer
could look at it, so that a clip is read alike in any company. `batch` makes such pairs, `transcribe` takes a sound.
"""

import math

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, ctc_loss

from .. import decode
from ..audio import AudioError
from ..features import log_mel
from ..features.mel import SILENCE, log_mel_sizes
from ..preprocess import resample, to_mono

UNITS = 1 + len(decode.LETTERS)    # and the blank, or the end
PEAK = -10.0                        # dBFS
SHORTEST, LONGEST = 0.1, 30.0       # seconds that `transcribe` takes
LEAST = 0.2                         # confidence of a word that is written; in pure silence a language model finds 0.15


def batch(items):
    """A batch of clips of any length: ``collate`` of `audiolab.training.fit`.

    Parameters
    ----------
    items : list of pair
        A picture [1, n_mels, time] or a signal [1, n], and its units, a tensor [letters].

    Returns
    -------
    x : tuple
        Pictures or signals, filled up with silence, and their lengths [batch].
    y : tuple
        Units [batch, letters], filled up with 0, and how many [batch].

    Taught in: notebooks/04_speech_recognition.ipynb, "What can it learn in a minute?"
    """
    if not items:
        raise ValueError("There are no clips to make a batch of.")
    pictures, texts = zip(*items, strict=True)
    return filled(pictures, 0.0 if pictures[0].ndim == 2 else SILENCE), filled(texts, 0)


def filled(tensors, value):
    """Tensors of several lengths along the last axis as one, filled up with a value; and their lengths."""
    lengths = torch.tensor([t.shape[-1] for t in tensors])
    whole = tensors[0].new_full((len(tensors), *tensors[0].shape[:-1], int(lengths.max())), value)
    for row, tensor in zip(whole, tensors, strict=True):
        row[..., : tensor.shape[-1]] = tensor
    return whole, lengths


def heard(lengths, n):
    """Which of `n` samples or frames are no filling: [batch, n]."""
    return torch.arange(n, device=lengths.device) < lengths[:, None]


def mask(lengths, time):
    """1 for frames of a clip, 0 for filling: [batch, time, 1]."""
    return heard(lengths, time)[..., None].float()


class Block(nn.Module):
    """Each frame looks at its neighbours, channel by channel, and mixes its channels; that is added to what it was.

    References
    ----------
    Liu et al., "A ConvNet for the 2020s", 2022; in time only.
    """

    def __init__(self, dim, kernel, dropout):
        super().__init__()
        self.neighbours = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.mix = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim),
                                 nn.Dropout(dropout))

    def forward(self, x, real):                                 # [batch, time, dim], [batch, time, 1]
        return x + self.mix(self.neighbours((x * real).mT).mT)


class Encoder(nn.Module):
    """From a log-mel to a vector every `stride` frames that knows what is around it, before and after.

    It takes off the mean of the whole clip first, so it needs all of it: it cannot follow a stream.

    Parameters
    ----------
    n_mels, dim, blocks : int
    kernel : int
        Frames, after subsampling, that a block looks at.
    stride : int
        Log-mel frames of 10 ms for one step of the encoder.
    dropout : float
    """

    def __init__(self, n_mels, dim, blocks, kernel, stride, dropout):
        super().__init__()
        self.stride = stride
        self.first = nn.Conv1d(n_mels, dim, 2 * stride + 1, stride, padding=stride)
        self.blocks = nn.ModuleList(Block(dim, kernel, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim)

    def forward(self, x):                                       # pictures [batch, 1, mel, time], lengths [batch]
        pictures, lengths = x
        frames = pictures[:, 0].mT                              # [batch, time, mel]
        real = mask(lengths, frames.shape[1])
        mean = (frames * real).sum(dim=1, keepdim=True) / lengths[:, None, None]
        frames = (frames - mean) * real                         # less each channel's mean: its microphone, its room
        h = self.first(frames.mT).mT                            # [batch, time / stride, dim]
        lengths = (lengths + self.stride - 1) // self.stride
        real = mask(lengths, h.shape[1])
        for block in self.blocks:
            h = block(h, real)
        return self.norm(h) * real, lengths


class CTCNet(nn.Module):
    """A speech recogniser that writes a letter or nothing, every 30 ms.

    ``(pictures, lengths)`` to ``(log_probs [batch, time / stride, units], lengths)``; unit 0 is CTC's blank.

    Parameters
    ----------
    sr : int
        Rate of the sounds whose log-mel it reads.
    units : int
    dim, blocks, kernel, stride, dropout
        As in `Encoder`.

    Attributes
    ----------
    late : float
        Seconds by which the first letter of a word follows its onset, median: as measured in chapter 04.

    Taught in: notebooks/04_speech_recognition.ipynb, "What can it learn in a minute?"
    """

    late = 0.08

    def __init__(self, sr=8000, units=UNITS, dim=128, blocks=5, kernel=11, stride=3, dropout=0.1):
        super().__init__()
        self.sr = sr
        self.encoder = Encoder(log_mel_sizes(sr)["n_mels"], dim, blocks, kernel, stride, dropout)
        self.head = nn.Linear(dim, units)

    batch = staticmethod(batch)

    @property
    def frame(self):
        """Seconds from one frame of the output to the next."""
        return 0.01 * self.encoder.stride

    def forward(self, x):
        h, lengths = self.encoder(x)
        return self.head(h).log_softmax(dim=2), lengths

    @staticmethod
    def loss(output, y):
        """Minus the log-probability of the texts, by letter, mean over the clips; impossible ones count as 0."""
        (log_probs, lengths), (texts, sizes) = output, y
        each = ctc_loss(log_probs.transpose(0, 1), texts, lengths, sizes, reduction="none", zero_infinity=True)
        return (each / sizes.clamp(min=1)).mean()

    @staticmethod
    def read(output):
        """The texts of a batch of outputs, by greedy decoding."""
        return decode.greedy(*output)


class AttentionASR(nn.Module):
    """A speech recogniser that writes letter after letter, and looks for each at the frames that it needs.

    The next place depends on what was written and on where it has looked before: without the latter it could not tell
    the second "three" from the first (Chorowski and others, 2015). ``energy[t] = v · tanh(W s + V h[t] + U f[t])``
    with the state s of the writer, the frame h[t] and what a small filter f finds around t in the looks so far;
    ``a = softmax(energy)`` over the frames that are real.

    ``(pictures, lengths)`` to ``(scores [batch, letters, units], looks [batch, letters, time], lengths)``; unit 0 is
    the end. While training the texts go along, ``(pictures, lengths, texts)``: each letter is then told the right one
    before it (teacher forcing).

    Parameters
    ----------
    sr, units, dim, blocks, kernel, stride, dropout
        As in `CTCNet`.
    longest : int
        Letters after which it stops, whatever it thinks.

    References
    ----------
    Chan et al., "Listen, attend and spell", 2016; Chorowski et al., "Attention-based models for speech recognition",
    2015.

    Taught in: notebooks/04_speech_recognition.ipynb, "What if it could look where it likes?"
    """

    def __init__(self, sr=8000, units=UNITS, dim=128, blocks=5, kernel=11, stride=3, dropout=0.1,
                 longest=60):
        super().__init__()
        self.sr, self.longest, self.dim = sr, longest, dim
        self.encoder = Encoder(log_mel_sizes(sr)["n_mels"], dim, blocks, kernel, stride, dropout)
        self.letters = nn.Embedding(units, dim)
        self.state = nn.GRUCell(2 * dim, dim)
        self.of_state, self.of_frame = nn.Linear(dim, dim), nn.Linear(dim, dim, bias=False)
        self.of_looks = nn.Conv1d(1, dim, 15, padding=7, bias=False)
        self.energy = nn.Linear(dim, 1, bias=False)
        self.head = nn.Sequential(nn.Linear(2 * dim, dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(dim, units))
        self.ctc = nn.Linear(dim, units)                        # a second task for the encoder, of use in training

    @staticmethod
    def batch(items):
        """As `batch`, with the texts among what goes in: teacher forcing, for training and never for measuring."""
        x, y = batch(items)
        return (*x, y[0]), y

    @property
    def frame(self):
        """Seconds from one frame of the looks to the next."""
        return 0.01 * self.encoder.stride

    def forward(self, x):
        pictures, lengths, *texts = x
        h, lengths = self.encoder((pictures, lengths))          # [batch, time, dim]
        filling = mask(lengths, h.shape[1])[..., 0] == 0
        keys = self.of_frame(h)
        state, context = h.new_zeros(len(h), self.dim), h.new_zeros(len(h), self.dim)
        so_far = h.new_zeros(h.shape[:2])                       # how much each frame was looked at: [batch, time]
        letter = torch.zeros(len(h), dtype=torch.long, device=h.device)         # the start is written as the end
        ended = letter.clone()
        scores, looks = [], []
        for i in range(texts[0].shape[1] + 1 if texts else self.longest):
            state = self.state(torch.cat([self.letters(letter), context], dim=1), state)
            near = self.of_state(state)[:, None] + keys + self.of_looks(so_far[:, None]).mT     # [batch, time, dim]
            energy = self.energy(near.tanh())[..., 0].masked_fill(filling, -math.inf)
            look = energy.softmax(dim=1)
            context = torch.einsum("bt,btd->bd", look, h)
            so_far = so_far + look
            scores.append(self.head(torch.cat([state, context], dim=1)))
            looks.append(look)
            if texts:
                letter = texts[0][:, min(i, texts[0].shape[1] - 1)] if texts[0].shape[1] else letter
            else:
                letter = scores[-1].argmax(dim=1)
                ended = ended | (letter == 0)
                if ended.all():
                    break
        made = torch.stack(scores, dim=1), torch.stack(looks, dim=1), lengths
        return (*made, self.ctc(h).log_softmax(dim=2)) if texts else made

    @staticmethod
    def loss(output, y):
        """Cross entropy of every letter and of the end, and 0.3 of the encoder's own CTC loss, both by letter."""
        (scores, _, lengths, log_probs), (texts, sizes) = output, y
        at = torch.arange(scores.shape[1], device=texts.device)
        wanted = nn.functional.pad(texts, (0, 1)).masked_fill(at > sizes[:, None], -100)     # 0 ends; -100 is not asked
        spelling = cross_entropy(scores.transpose(1, 2), wanted, label_smoothing=0.05)
        return spelling + 0.3 * CTCNet.loss((log_probs, lengths), y)

    @staticmethod
    def read(output):
        """The texts of a batch of outputs: up to the first end."""
        texts = []
        for units in output[0].argmax(dim=2).tolist():
            texts.append(decode.to_text(units[: units.index(0) if 0 in units else len(units)]))
        return texts


class FrameNet(nn.Module):
    """A network that names the phoneme of every frame of 10 ms.

    ``(pictures, lengths)`` to ``(log_probs [batch, time, units], lengths)``; unit 0 is silence. The encoder takes steps
    of 20 ms, and the last layer names two frames at each.

    Parameters
    ----------
    units : int
    sr, dim, blocks, kernel, dropout
        As in `CTCNet`.

    Taught in: notebooks/04_speech_recognition.ipynb, "When was it said?"
    """

    frame = 0.01
    batch = staticmethod(batch)

    def __init__(self, units, sr=16000, dim=128, blocks=5, kernel=15, dropout=0.1):
        super().__init__()
        self.sr, self.units = sr, units
        self.encoder = Encoder(log_mel_sizes(sr)["n_mels"], dim, blocks, kernel, 2, dropout)
        self.head = nn.Linear(dim, 2 * units)

    def forward(self, x):
        time = x[0].shape[3]
        h, _ = self.encoder(x)                                  # [batch, time / 2, dim]
        scores = self.head(h).reshape(len(h), -1, self.units)[:, :time]         # [batch, time, units]
        return scores.log_softmax(dim=2), x[1]

    @staticmethod
    def loss(output, y):
        """Cross entropy, mean over the frames that are no filling."""
        (log_probs, lengths), (units, _) = output, y
        at = torch.arange(log_probs.shape[1], device=units.device)
        wanted = units.masked_fill(at >= lengths[:, None], -100)
        return nn.functional.nll_loss(log_probs.transpose(1, 2), wanted)


def levelled(y):
    """A signal as loud as the recognisers like it: its peak at `PEAK`. Silence stays silent."""
    return y * (10 ** (PEAK / 20) / max(np.abs(y).max(), 1e-5))


def transcribe(model, y, sr, lm=None):
    """What somebody says: text, words, times, and how sure the network is of each word.

    Parameters
    ----------
    model : CTCNet
    y : np.ndarray, shape [n] or [channels, n]
        Full scale ±1. Channels are mixed.
    sr : int
        Any rate; it is changed to that of the model.
    lm : audiolab.decode.NGram, optional
        For beam search; greedy decoding without it.

    Returns
    -------
    text : str
        Empty in silence and steady noise. Other sounds may be taken for a word.
    words : list of dict
        As `audiolab.decode.words`, those left out of which the network is less sure than `LEAST`.
    log_probs : np.ndarray, shape [time, units]
        What it was read from, a row every ``model.frame`` seconds.

    Raises
    ------
    AudioError
        If the sound is shorter than 0.1 s or longer than 30 s (`preprocess.voice_activity` finds pauses to cut at),
        holds NaN or infinity, or its rate is no rate.
    TypeError
        If the model is no `CTCNet`.

    Taught in: notebooks/04_speech_recognition.ipynb, "Does it understand you?"
    """
    if not isinstance(model, CTCNet):
        raise TypeError(f"Times and confidence come from CTC: transcribe takes a CTCNet, not a {type(model).__name__}.")
    if not (isinstance(sr, int | np.integer) and sr > 0):
        raise AudioError(f"A sampling rate is a whole number of samples per second, not {sr!r}.")
    y = to_mono(y)
    if not SHORTEST <= y.shape[-1] / sr <= LONGEST:
        raise AudioError(f"The recording lasts {y.shape[-1] / sr:.2f} s; {SHORTEST} to {LONGEST:.0f} s can be "
                         "transcribed at once. Cut longer ones at a pause: preprocess.voice_activity finds them.")
    if not np.isfinite(y).all():
        raise AudioError("The recording holds NaN or infinity.")
    picture = torch.from_numpy(log_mel(levelled(resample(y, sr, model.sr)), model.sr))[None, None]
    device = next(model.parameters()).device
    with torch.inference_mode():
        log_probs, lengths = model.eval()((picture.to(device), torch.tensor([picture.shape[3]], device=device)))
    log_probs, lengths = log_probs.cpu(), lengths.cpu()
    text = decode.beam_search(log_probs, lengths, lm)[0] if lm else decode.greedy(log_probs, lengths)[0]
    words = decode.words(log_probs[0].numpy(), text, model.frame, model.late)
    words = [word for word in words if word["confidence"] >= LEAST]
    return " ".join(word["word"] for word in words), words, log_probs[0].numpy()
