"""The detector on sound that never ends: blocks come in, and every half second a probability of each class goes out."""

import numpy as np
import torch

from .. import compress, features
from ..enhance import wiener
from ..features.mel import FLOOR
from ..stream import RingBuffer

HOP = 0.5                                   # seconds from one decision to the next


def cleaned(y, sr):
    """The Wiener filter of chapter 08; a clip that is silent, or too short for it, stays as it is.

    Taught in: notebooks/15_capstone.ipynb, "Does cleaning help?"
    """
    try:
        return wiener(y, sr)
    except ValueError:
        return y


class Listener:
    """A window that slides over a stream: each block is taken in once, and what is needed again is kept.

    The log-mel is computed as its samples come (`features.StreamingSTFT`), and its last columns stay in a ring buffer.
    Where clips were cleaned before training, the samples stay there instead, and each window is cleaned by itself.

    Parameters
    ----------
    file : str or os.PathLike
        An ONNX file that takes log-mel spectrograms.
    sr : int
        Samples per second.
    seconds : float
        Of a window.
    clean : bool

    Taught in: notebooks/15_capstone.ipynb, "Does it keep up with the world?"
    """

    def __init__(self, file, sr, seconds, clean=False):
        self.file, self.sr, self.seconds, self.clean, self._run = str(file), sr, seconds, clean, None
        sizes = features.log_mel_sizes(sr)
        self._bank = features.mel_filterbank(sr, sizes["n_fft"], sizes.pop("n_mels"))
        self._stft = features.StreamingSTFT(**sizes)
        if clean:
            self._n, self._hop = round(seconds * sr), round(HOP * sr)           # in samples
            self._ring = RingBuffer(self._n)
        else:
            hop = sizes["hop_length"]
            self._n, self._hop = 1 + round(seconds * sr) // hop, round(HOP * sr / hop)      # in columns
            self._ring = RingBuffer(self._n, channels=len(self._bank))

    def __call__(self, block):
        """Take in the next samples, shape [n]; give the probabilities that are due, shape [decisions, classes]."""
        new = block if self.clean else log_mel_of(self._stft(block), self._bank)
        found = []
        while new.shape[-1]:
            written = self._ring.written
            due = max(self._n, self._n + -(-(written + 1 - self._n) // self._hop) * self._hop)
            self._ring.write(new[..., : due - written])
            new = new[..., due - written :]
            if self._ring.written == due:
                found.append(self._decided(self._ring.latest(self._n)))
        return np.array(found)

    def _decided(self, window):
        picture = features.log_mel(cleaned(window, self.sr), self.sr) if self.clean else window
        return probabilities(self._runner, picture[None])[0]

    @property
    def _runner(self):
        self._run = self._run or compress.Runner(self.file)
        return self._run

    def __getstate__(self):
        return {**self.__dict__, "_run": None}                  # another process opens the file itself


def log_mel_of(X, bank):
    """Log-mel columns of columns of an STFT, as `features.log_mel` computes them."""
    return np.log(np.maximum(bank @ (X.real**2 + X.imag**2), FLOOR)).astype(np.float32)


def probabilities(run, pictures):
    """What a network says of log-mel spectrograms, shape [clips, mel, time]: probabilities, [clips, classes]."""
    x = torch.from_numpy(np.ascontiguousarray(pictures, dtype=np.float32))[:, None]
    return run(x).softmax(dim=1).numpy()


def offline(file, y, sr, seconds, clean=False):
    """The same decisions from the whole sound at once: what a `Listener` is held against.

    Parameters
    ----------
    file, sr, seconds, clean
        As for `Listener`.
    y : np.ndarray, shape [n]

    Returns
    -------
    np.ndarray, shape [decisions, classes]

    Taught in: notebooks/15_capstone.ipynb, "Does it keep up with the world?"
    """
    run = compress.Runner(file)
    if clean:
        n, hop = round(seconds * sr), round(HOP * sr)
        pictures = [features.log_mel(cleaned(y[at : at + n], sr), sr) for at in range(0, len(y) - n + 1, hop)]
    else:
        step = features.log_mel_sizes(sr)["hop_length"]
        n, hop, whole = 1 + round(seconds * sr) // step, round(HOP * sr / step), features.log_mel(y, sr)
        complete = 1 + (len(y) - features.log_mel_sizes(sr)["n_fft"] // 2) // step          # columns without padding
        pictures = [whole[:, at : at + n] for at in range(0, complete - n + 1, hop)]
    return np.concatenate([probabilities(run, picture[None]) for picture in pictures])


class Second:
    """One second of sound through a listener, block by block, again and again: what `edge.simulate` measures.

    Parameters
    ----------
    listener : Listener
    y : np.ndarray, shape [sr]
    block : int
        Samples.

    Taught in: notebooks/15_capstone.ipynb, "Will it fit elsewhere?"
    """

    def __init__(self, listener, y, block):
        self.listener, self.blocks = listener, np.split(y, range(block, len(y), block))
        for _ in range(int(np.ceil(listener.seconds)) + 1):     # until its window is full
            self()

    def __call__(self):
        for block in self.blocks:
            self.listener(block)
