"""A synthesiser that reads letter after letter and paints frame after frame: Tacotron.

It is the attention recogniser of chapter 04 turned round: letters are encoded, and what is written one by one are
frames of a log-mel spectrogram, ``SIZES`` of `audiolab.vocode`. Texts and pictures of a batch are filled up to the
longest, and their lengths go along; nothing of the filling is looked at, judged, or mixed into what is real.
"""

import math
import warnings

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, dropout, pad, relu
from torch.nn.utils.rnn import pad_sequence

from .. import decode, vocode
from ..features.mel import SILENCE
from .asr import Block, mask

UNITS = 1 + len(decode.LETTERS)     # and 0, the end of the text, at which the last look may rest
MIDDLE, SPREAD = -6.0, 4.0          # of a log-mel, so that the network sees numbers around 0
PER_LETTER, BESIDES = 20, 80        # frames after which it is cut, if it does not stop: so many a letter, and a second
LONGEST = 200                       # letters
SURE = 8.0                          # how much more the one step that ends weighs than one of the many that do not


def batch(items):
    """A batch of pictures and what is said in them: ``collate`` of `audiolab.training.fit`.

    Parameters
    ----------
    items : list of pair
        A log-mel [n_mels, frames] and its units, a tensor [letters].

    Returns
    -------
    x : tuple
        Texts [batch, letters + 1], each with its end, and their lengths [batch]; for teacher forcing the pictures
        [batch, frames, n_mels], filled up with silence, and their frames [batch].
    y : tuple
        The pictures, their frames, and the lengths of the texts.

    Taught in: notebooks/05_text_to_speech.ipynb, "Can a network find out which letter sounds when?"
    """
    frames = [picture.T for picture, _ in items]
    heard = pad_sequence(frames, batch_first=True, padding_value=SILENCE), torch.tensor(list(map(len, frames)))
    x = texts_only(items)[0]
    return (*x, *heard), (*heard, x[1])


def texts_only(items):
    """The same of texts alone, ``(anything, units)``: nobody has spoken yet, and there is nothing to compare with."""
    texts = [pad(units, (0, 1)) for _, units in items]
    x = pad_sequence(texts, batch_first=True), torch.tensor(list(map(len, texts)))
    return x, x


class Tacotron(nn.Module):
    """From letters to a log-mel, each frame made in the light of those before it.

    At every step the decoder makes `reduction` frames. It hears the last frame that it made, through a bottleneck
    with dropout (the prenet) so that it cannot live by copying; looks for the letter that it is at, ``energy[n] = v ·
    tanh(W s + V h[n] + U f[n])`` with its state s, the letter h[n] and what a small filter f finds around n in the
    last look and in all looks so far; and says whether that was the end. A stack of convolutions (the postnet) mends
    the picture when it is whole.

    ``(texts, sizes)`` to ``(pictures [batch, frames, n_mels], lengths, stopped, looks [batch, steps, letters])``:
    synthesis. `stopped` is False where it had to be cut, after 20 frames a letter and a second. While training the
    pictures go along, ``(texts, sizes, pictures, lengths)``: each step is then told the true frame before it (teacher
    forcing), and the result is ``(rough, pictures, stops [batch, steps], looks)``.

    Parameters
    ----------
    units, n_mels : int
    dim : int
        Of a letter's vector.
    state : int
        Of the decoder.
    reduction : int
        Frames that one step makes: the fewer steps, the sooner the attention is found.
    blocks : int
        Of the encoder, and of the postnet.
    drop : float
        Dropout, but that of the prenet, which is 0.5.

    References
    ----------
    Wang et al., "Tacotron: towards end-to-end speech synthesis", 2017; Shen et al., "Natural TTS synthesis by
    conditioning WaveNet on mel spectrogram predictions", 2018; Chorowski et al., "Attention-based models for speech
    recognition", 2015.

    Taught in: notebooks/05_text_to_speech.ipynb, "Can a network find out which letter sounds when?"
    """

    sr = vocode.SR
    batch = staticmethod(batch)

    def __init__(self, units=UNITS, n_mels=80, dim=128, state=256, reduction=4, blocks=2, drop=0.1):
        super().__init__()
        self.n_mels, self.reduction = n_mels, reduction
        self.letters = nn.Embedding(units, dim)
        self.encoder = nn.ModuleList(Block(dim, 5, drop) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim)
        self.prenet = nn.ModuleList([nn.Linear(n_mels, dim), nn.Linear(dim, dim)])
        self.state = nn.GRUCell(2 * dim, state)
        self.of_state, self.of_letter = nn.Linear(state, dim), nn.Linear(dim, dim, bias=False)
        self.of_looks = nn.Conv1d(2, dim, 15, padding=7, bias=False)
        self.energy = nn.Linear(dim, 1, bias=False)
        self.frames = nn.Linear(state + dim, reduction * n_mels)
        self.stop = nn.Linear(state + dim, 1)
        self.widen, self.narrow = nn.Linear(n_mels, dim), nn.Linear(dim, n_mels)
        self.postnet = nn.ModuleList(Block(dim, 5, drop) for _ in range(blocks))

    def forward(self, x):
        texts, sizes, *spoken = x
        real = mask(sizes, texts.shape[1])
        h = self.letters(texts)                                     # [batch, letters, dim]
        for block in self.encoder:
            h = block(h, real)
        h = self.norm(h) * real
        letters = h, self.of_letter(h), real[..., 0] == 0
        return self._taught(letters, *spoken) if spoken else self._alone(letters, sizes)

    def _taught(self, letters, pictures, lengths):
        """Every step hears the true frame before it."""
        r = self.reduction
        last = pad(_whole_steps(pictures, r)[:, r - 1 :: r], (0, 0, 1, -1), value=MIDDLE)    # of the step before
        heard = self._heard((last - MIDDLE) / SPREAD)
        memory = self._start(letters)
        made, looks = [], []
        for frame in heard.unbind(dim=1):
            memory = self._step(frame, memory, letters)
            made.append(torch.cat(memory[:2], dim=1))
            looks.append(memory[2])
        made = torch.stack(made, dim=1)                                     # [batch, steps, state + dim]
        rough = self.frames(made).reshape(len(made), -1, self.n_mels)
        return *self._mended(rough, -(-lengths // r) * r), self.stop(made)[..., 0], torch.stack(looks, dim=1)

    def _alone(self, letters, sizes):
        """Every step hears what it made itself, until each clip has stopped or is as long as it may be."""
        most = -(-(PER_LETTER * sizes + BESIDES) // self.reduction)         # steps
        memory, frame = self._start(letters), letters[0].new_zeros(len(sizes), self.n_mels)
        steps, stopped = torch.zeros_like(sizes), torch.zeros_like(sizes, dtype=torch.bool)
        made, looks = [], []
        while (going := ~stopped & (steps < most)).any():
            memory = self._step(self._heard(frame), memory, letters)
            now = torch.cat(memory[:2], dim=1)
            made.append(self.frames(now).reshape(len(now), self.reduction, self.n_mels))
            looks.append(memory[2])
            frame = made[-1][:, -1]
            steps = steps + going
            stopped = stopped | going & (self.stop(now)[:, 0] > 0)
        lengths = steps * self.reduction
        _, pictures = self._mended(torch.cat(made, dim=1), lengths)
        return pictures, lengths, stopped, torch.stack(looks, dim=1)

    def _start(self, letters):
        """State, what was read, last look, all looks so far."""
        h = letters[0]
        return (h.new_zeros(len(h), self.state.hidden_size), h.new_zeros(len(h), h.shape[2]),
                h.new_zeros(h.shape[:2]), h.new_zeros(h.shape[:2]))

    def _heard(self, frames):
        for layer in self.prenet:
            frames = dropout(relu(layer(frames)), 0.5, self.training)
        return frames

    def _step(self, frame, memory, letters):
        """One look, and what is read there."""
        state, context, look, so_far = memory
        h, keys, filling = letters
        state = self.state(torch.cat([frame, context], dim=1), state)
        near = self.of_state(state)[:, None] + keys + self.of_looks(torch.stack([look, so_far], dim=1)).mT
        energy = self.energy(near.tanh())[..., 0].masked_fill(filling, -math.inf)       # [batch, letters]
        look = energy.softmax(dim=1)
        context = (look[:, None] @ h)[:, 0]
        return state, context, look, so_far + look

    def _mended(self, rough, lengths):
        """The picture before and after the postnet, as log-mel; filling is silent."""
        real = mask(lengths, rough.shape[1])
        x = self.widen(rough)
        for block in self.postnet:
            x = block(x, real)
        silence = (1 - real) * SILENCE
        return tuple((SPREAD * picture + MIDDLE) * real + silence for picture in (rough, rough + self.narrow(x)))

    def loss(self, output, y):
        """How far off are the pictures, rough and mended, the stops, and the looks."""
        (rough, pictures, stops, looks), (truth, lengths, sizes) = output, y
        truth, steps = _whole_steps(truth, self.reduction), -(-lengths // self.reduction)
        real = mask(steps * self.reduction, truth.shape[1])         # the last step ends in silence
        off = sum((picture - truth).abs() + (picture - truth) ** 2 / SPREAD for picture in (rough, pictures)) / SPREAD
        painted = (off * real).sum() / (real.sum() * self.n_mels)
        at, real = torch.arange(stops.shape[1], device=steps.device), mask(steps, stops.shape[1])[..., 0]
        ends = (at == steps[:, None] - 1).float()
        stopping = binary_cross_entropy_with_logits(stops, ends, real * (1 + (SURE - 1) * ends), reduction="sum")
        return painted + stopping / real.sum() + guided(looks, steps, sizes)


def _whole_steps(pictures, reduction):
    """Pictures filled up with silence to a whole number of steps."""
    return pad(pictures, (0, 0, 0, -pictures.shape[1] % reduction), value=SILENCE)


def guided(looks, steps, sizes, width=0.2):
    """How far the looks are from the diagonal: speech goes through its text from left to right, at an even pace.

    Mean over the steps t of ``a[t, n] (1 - exp(-(n / N - t / T)² / (2 width²)))``, summed over the letters n.

    Parameters
    ----------
    looks : torch.Tensor, shape [batch, steps, letters]
    steps, sizes : torch.Tensor of int, shape [batch]
        T and N of each clip; what comes after is filling.
    width : float
        Distance from the diagonal that costs little, as a share of the text.

    Returns
    -------
    torch.Tensor
        0 to 1, mean over all real steps.

    References
    ----------
    Tachibana et al., "Efficiently trainable text-to-speech system based on deep convolutional networks with guided
    attention", 2018.

    Taught in: notebooks/05_text_to_speech.ipynb, "Can a network find out which letter sounds when?"
    """
    t = torch.arange(looks.shape[1], device=looks.device)[:, None] / steps[:, None, None]       # [batch, steps, 1]
    n = torch.arange(looks.shape[2], device=looks.device) / sizes[:, None, None]                # [batch, 1, letters]
    price = 1 - torch.exp(-((n - t) ** 2) / (2 * width**2))
    return (looks * price * mask(steps, looks.shape[1])).sum() / steps.sum()


def forward_share(looks, steps):
    """Share of steps whose look, at its highest, is at the letter of the step before or at one of the next two.

    Parameters
    ----------
    looks : torch.Tensor, shape [batch, steps, letters]
    steps : torch.Tensor of int, shape [batch]

    Returns
    -------
    float
        1 for an attention that goes through each text without turning back or leaping.

    Taught in: notebooks/05_text_to_speech.ipynb, "Can a network find out which letter sounds when?"
    """
    moved = looks.argmax(dim=2).diff(dim=1)                                 # [batch, steps - 1]
    real = mask(steps - 1, moved.shape[1])[..., 0].bool()
    return ((moved >= 0) & (moved <= 2))[real].float().mean().item()


def synthesise(model, text):
    """The log-mel of a text.

    Parameters
    ----------
    model : Tacotron
    text : str
        Letters, spaces and apostrophes, as the model has learnt them.

    Returns
    -------
    picture : np.ndarray, shape [80, frames], float32
        As `audiolab.vocode.picture`.
    looks : np.ndarray, shape [steps, letters + 1]
        How much each step looked at each letter, and at the end of the text.

    Raises
    ------
    ValueError
        If the text is empty or longer than 200 letters, or holds anything else.

    Warns
    -----
    UserWarning
        If it did not stop by itself and was cut, after 20 frames a letter and a second.

    Taught in: notebooks/05_text_to_speech.ipynb, "Can a network find out which letter sounds when?"
    """
    units = decode.to_units(" ".join(text.split()))
    if not 0 < len(units) <= LONGEST:
        raise ValueError(f"The text has {len(units)} letters; 1 to {LONGEST} can be said at once.")
    texts = torch.tensor([[*units, 0]], device=next(model.parameters()).device)
    with torch.inference_mode():
        pictures, lengths, stopped, looks = model.eval()((texts, torch.tensor([len(units) + 1], device=texts.device)))
    if not stopped:
        warnings.warn(f"It did not stop, and was cut after {lengths.item()} frames.", stacklevel=2)
    return pictures[0].T.cpu().numpy(), looks[0].cpu().numpy()
