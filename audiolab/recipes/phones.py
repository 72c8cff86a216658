"""The recipe of the network that names the phoneme of every frame, and how it is judged."""

import functools
import math
from itertools import groupby

import numpy as np
import torch

from .. import augment, ctc, features, metrics, models, preprocess, training
from ..corpora import speech
from ..corpora.speech import PHONEMES
from .naming import only_test
from .writing import Transcription, begun, fitted, kept, pictured, pictures

SR = 16000
HOP = 0.01                      # seconds from one label to the next
SWITCH = 5.0                    # what it costs to name another phoneme than a frame before, in natural logarithms


def at_16k(y, sr):
    """The signal at 16 kHz, as a picture of one row."""
    return preprocess.resample(y, sr, SR)[None]


def nearby(x, y, generator):
    """Signals at 16 kHz, half of them by any microphone, of any throat. The pace stays: each frame has its label."""
    signals, lengths = x
    spoilt = augment.recorded(signals[:, 0], SR, generator, augment.rooms(100, SR))[:, None]
    clean = torch.rand((len(signals), 1, 1), generator=generator).to(signals.device) < 0.5
    pictures, lengths = pictured((torch.where(clean, signals, spoilt), lengths), SR)
    return (augment.spec_augment(augment.bend(pictures, 0.2, 1.0, generator), freq_width=8, time_width=6, warp=0,
                                 generator=generator), lengths), y


def names():
    """The phonemes of `speech.american`, without stress; 0 is silence.

    Taught in: notebooks/04_speech_recognition.ipynb, "When was it said?"
    """
    return ["", *PHONEMES.split()]


def sentences(n_jobs=1):
    """Sentences by American voices, those of chapter 05 left out."""
    return speech.american(6000, n_jobs=n_jobs)


def sentences_test(n_jobs=1):
    """Those of them that are for the test."""
    return only_test("speech-american-test", functools.partial(speech.plan_american, 6000), speech.render, n_jobs)


RECIPES = {
    "phonemes-framenet-american": Transcription(
        title="names the phoneme of every frame", corpora=(sentences,), test=sentences_test, licence="CC-BY-4.0",
        model=models.FrameNet, epochs=20, heard=nearby, arguments={"units": 58},
        fit=dict(lr=3e-3, clip=1.0, weight_decay=0.01, batch_size=32),
        note="Trained without the voices in speech.MODELS, so that it may judge who learnt from them. American English "
             "as espeak-ng has it; phonemes are written without stress."),
}


def labelled(corpus, split=None, n_jobs=1):
    """A list of ``(signal [1, n], phoneme of each frame [frames])``, of the whole corpus or of one split."""
    signals, number = features.extract(corpus, at_16k, n_jobs=n_jobs), {name: i for i, name in enumerate(names())}
    signals = signals.split(split) if split else signals
    spoken = dict(list(corpus.sidecar("phonemes").groupby("path")))
    clips = []
    for i, path in enumerate(signals.table.path):
        y, _, _ = signals[i]
        label = torch.zeros(1 + y.shape[1] // round(HOP * SR), dtype=torch.long)
        for onset, offset, phoneme in spoken[path][["onset", "offset", "phoneme"]].itertuples(index=False):
            label[math.ceil(onset / HOP) : math.ceil(offset / HOP)] = number[phoneme.strip("ˈˌ")]
        clips.append((torch.from_numpy(y.astype(np.float32)), label))
    return clips


def smooth(log_probs, switch=SWITCH):
    """The most probable phoneme of every frame, when changing it has a price: no flicker of single frames.

    Viterbi's walk, in which a state stays, or comes from the best of all others for `switch`.

    Parameters
    ----------
    log_probs : np.ndarray or torch.Tensor, shape [time, units]
        Of one clip, without filling.
    switch : float
        Natural logarithm; 0 takes the best of each frame.

    Returns
    -------
    np.ndarray of int, shape [time]

    Taught in: notebooks/04_speech_recognition.ipynb, "When was it said?"
    """
    log_probs = np.asarray(log_probs, dtype=np.float64)
    score, came = log_probs[0], np.zeros(log_probs.shape, int)
    for t in range(1, len(log_probs)):
        best = score.argmax()
        came[t] = np.where(score >= score[best] - switch, np.arange(len(score)), best)
        score = np.maximum(score, score[best] - switch) + log_probs[t]
    path = [int(score.argmax())]
    for row in came[:0:-1]:
        path.append(int(row[path[-1]]))
    return np.array(path[::-1])


def segments(units):
    """Stretches of one phoneme: a list of ``(unit, first frame, frame after the last)``, silences left out.

    Parameters
    ----------
    units : sequence of int
        Of each frame.

    Taught in: notebooks/04_speech_recognition.ipynb, "When was it said?"
    """
    found, at = [], 0
    for unit, frames in groupby(units):
        n = len(list(frames))
        if unit:
            found.append((int(unit), at, at + n))
        at += n
    return found


def measured(model, clips):
    """What the network is worth on voices and sentences that it never met.

    Parameters
    ----------
    model : FrameNet
    clips : list of pair
        As `labelled` gives them.

    Returns
    -------
    dict of str to float
        `clips`; `frames_right`, a share; `per`, the phoneme error rate: phonemes replaced, left out or put in, per
        phoneme; `onset_ms`, by how much the onset of a phoneme is missed when the phonemes are known, median.
    """
    log_probs, lengths = training.predict(model, pictures(clips, SR), 32, model.batch)
    right, truth, said, missed = 0, [], [], []
    for scores, n, (_, label) in zip(log_probs, lengths.tolist(), clips, strict=True):
        spoken = segments(label.tolist())
        right += int((scores[:n].argmax(dim=1) == label).sum())
        truth.append(" ".join(str(unit) for unit, _, _ in spoken))
        said.append(" ".join(str(unit) for unit, _, _ in segments(smooth(scores[:n]))))
        state = ctc.align(scores[:n].numpy(), [unit for unit, _, _ in spoken])      # silence is what blank is to CTC
        missed += [abs(np.flatnonzero(state == 2 * i + 1)[0] - start) for i, (_, start, _) in enumerate(spoken)]
    return {"clips": len(clips), "frames_right": right / int(lengths.sum()), "per": metrics.wer(truth, said),
            "onset_ms": 1000 * HOP * float(np.median(missed))}


def train(name, recipe, n_jobs, progress):
    """As `audiolab.recipes.train`."""
    corpora = [corpus(n_jobs=n_jobs) for corpus in recipe.corpora]
    clips = labelled(corpora[0], "train", n_jobs)
    validation = pictures(labelled(corpora[0], "validation", n_jobs), SR)
    model = begun(recipe)
    history = fitted(name, recipe, model, clips, validation, progress)
    found = measured(model, labelled(recipe.test(n_jobs=n_jobs), "test", n_jobs))
    return kept(name, recipe, model, history, corpora, {"labels": names(), "metrics": {"test": found}})


def evaluate(name, recipe, n_jobs):
    """As `audiolab.recipes.evaluate`."""
    model, _ = models.load(name)
    return measured(model, labelled(recipe.test(n_jobs=n_jobs), "test", n_jobs))
