"""Networks that listen live: a denoiser that answers after 10 ms, and a spotter that says which digit was spoken."""

from dataclasses import replace

import numpy as np
import torch

from .. import models
from ..features.mel import SILENCE
from ..recipes import spotting
from .blocks import LogMel, Processor


def _require(sr, model, kind, name):
    """Refuse another rate than that of the checkpoints, and another network."""
    if not isinstance(model, kind):
        raise ValueError(f"This needs a {kind.__name__}, such as models.load({name!r}) gives, not a "
                         f"{type(model).__name__}.")
    if sr != spotting.SR:
        raise ValueError(f"The network has learnt from sound at {spotting.SR} Hz, and {sr} Hz would be another voice "
                         "to it: take a source at that rate, or resample.")


class Denoiser(Processor):
    """A voice freed from noise while it speaks: `models.RecurrentMask`, step by step, NumPy in and out.

    Every 80 samples (5 ms) a window of 160 is full. What comes out of it is half the answer for its first 80 samples,
    the other half came with the window before; so the voice is 80 samples late, and a sample waits for its window at
    most, 160 (10 ms).

    Parameters
    ----------
    model : models.RecurrentMask
        ``models.load("voice-gru-scenes")[0]``.
    sr : int
        Samples per second of what will be heard: 16000.

    Attributes
    ----------
    state : tuple of torch.Tensor
        Samples that wait for their window, the memory of the recurrent layers, and half an answer; see
        `models.RecurrentMask.step`.
    gap : bool
        Whether samples were lost before the next: then a window of silence is heard first, so that no window holds what
        never sounded together. Its answer takes the place of the last `delay` samples before the gap.

    Raises
    ------
    ValueError
        If the network is another one, or the rate is not its own.

    Taught in: notebooks/13_real_time.ipynb, "Can a network keep up?"
    """

    def __init__(self, model, sr=spotting.SR):
        _require(sr, model, models.RecurrentMask, "voice-gru-scenes")
        self.model, self.sr, self.hop = model.eval(), sr, model.hop
        self.delay, self.latency, self.tail = model.hop, model.window, model.window
        self.reset()

    def reset(self):
        self.state, self.gap = self.model.start(), False

    def skip(self, n):
        self.gap = True

    def process(self, x):
        silence = self.model.window if self.gap else 0
        with models.threads(1), torch.inference_mode():
            y, self.state = self.model.step(torch.from_numpy(np.pad(x, (silence, 0)))[None], self.state)
        self.gap = False
        return y[0, silence:].numpy()

    def flush(self):
        left = self.delay + self.state[0].shape[1] - self.hop   # all that were heard come out, and no more
        return super().flush()[:left]


class Spotter(Processor):
    """Digits in a stream: a window that slides over the log-mel, and a vote of its last few answers.

    Every 40 ms a network sees the last 0.8 s; what it says goes to `detection.Vote`. Each column of the log-mel is
    computed once.

    Parameters
    ----------
    model : models.DSCNNSpotter
    card : dict
        ``model, card = models.load("spotter-dscnn-streams")``.
    sr : int
        Samples per second of what will be heard: 16000. The network looks at what is below 4 kHz.

    Attributes
    ----------
    mel : stream.LogMel
        Holds the samples that wait for their column.
    columns : np.ndarray, shape [bands, WINDOW - STEP + those since the last decision]
        Of the log-mel; silence at first.
    vote : detection.Vote
        Holds the last posteriors, and when it reported a word.
    heard, begun : int
        Samples so far, those that were skipped among them; and how many before `mel` and the vote began: at first 0.
        After a gap they begin anew, or a word could be put together of two halves.
    latency : int
        Samples from a sample to the first decision that has heard it.

    Raises
    ------
    ValueError
        If the network is another one, or the rate is not its own.

    Taught in: notebooks/13_real_time.ipynb, "Which word was that?"
    """

    def __init__(self, model, card, sr=spotting.SR):
        _require(sr, model, models.DSCNNSpotter, "spotter-dscnn-streams")
        self.model, self.sr, self.labels = model.eval(), sr, spotting.LABELS
        self.mel, self.vote = LogMel(sr, **spotting.PICTURE), spotting.vote(card["rule"])
        self.tail, self.latency = self.mel.tail, self.mel.latency + (spotting.STEP - 1) * self.mel.hop
        self.reset()

    def reset(self):
        self.heard = 0
        self.skip(0)

    def skip(self, n):
        self.heard += n
        self.begun = self.heard
        self.mel.reset()
        self.vote.reset()
        silence = (len(self.mel.bank), spotting.WINDOW - spotting.STEP)
        self.columns = np.full(silence, SILENCE, np.float32)

    def process(self, x):
        """The words that are reported after `x`: a list of `Word`, mostly empty."""
        self.heard += len(x)
        self.columns = np.concatenate([self.columns, self.mel.process(x)], axis=1)
        if self.columns.shape[1] < spotting.WINDOW:
            return []
        windows = np.array(spotting.windows(self.columns))      # a copy: the columns go on
        self.columns = self.columns[:, len(windows) * spotting.STEP :]
        with models.threads(1), torch.inference_mode():
            p = self.model(torch.from_numpy(windows)[:, None]).softmax(dim=1)
        return [replace(word, at=word.at + self.begun / self.sr) for word in self.vote(p.numpy())]
