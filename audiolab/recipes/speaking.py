"""The recipe of the network that speaks English, and how it is judged: by a listener that has never heard its voice.

What it learns from is known to the frame, because its teacher is a synthesiser: espeak-ng says when a phoneme begins.
"""

import functools

import numpy as np
import torch

from .. import decode, features, metrics, models, preprocess, pronounce, training, vocode
from ..corpora import speech
from ..models import tts
from . import phones, writing
from .naming import only_test
from .writing import Transcription, begun, fitted, kept

PAUSE = 0.05                    # seconds of silence before and after each clip
VOICE = dict(fmin=50, fmax=300, hop_length=vocode.SIZES["hop_length"], voicing=0.5)   # it is low, and falls quickly
FRAME = vocode.SIZES["hop_length"] / vocode.SR


JUDGE, DIGITS = "phonemes-framenet-american", "digits-ctc-fsdd"


def teacher(n_jobs=1):
    """English by one voice."""
    return speech.reader_sentences(6000, n_jobs=n_jobs)


def teacher_test(n_jobs=1):
    """The test clips of it."""
    plan = functools.partial(speech.plan_reader_sentences, 6000)
    return only_test("speech-reader-sentences-test", plan, speech.render_reading, n_jobs)


def unchanged(x, y, generator):
    """What is learnt from is not spoilt: a voice is to sound like its teacher."""
    return x, y


RECIPES = {
    "english-fastspeech-readings": Transcription(
        title="speaks American English", corpora=(teacher,), test=teacher_test, licence="CC-BY-4.0",
        model=models.FastSpeech, epochs=36, heard=unchanged,
        arguments={"dim": 136, "encoder": 3, "decoder": 5},
        fit=dict(lr=3e-3, clip=1.0, weight_decay=0.01, batch_size=16),
        note="Learnt from one voice of espeak-ng, with its phoneme times. Judged by phonemes-framenet-american, which "
             "has not heard that voice, on sentences that neither has met; its sounds are made by Griffin-Lim."),
}


# ---------------------------------------------------------------------------------------- what is learnt


def drawn(y, sr):
    """The picture of a clip between two pauses, and below its 80 channels F0 in hertz, 0 where nothing is voiced."""
    y = np.pad(preprocess.resample(y, sr, vocode.SR), round(PAUSE * vocode.SR))
    f0, voiced = features.yin(y, vocode.SR, **VOICE)
    return np.vstack([vocode.picture(y), np.where(voiced, f0, 0)]).astype(np.float32)


def durations(phonemes, sounds, n):
    """How many frames each phoneme and each mark has.

    A phoneme lasts until its offset; a mark is the gap between two phonemes, if there is any.

    Parameters
    ----------
    phonemes : list of str
        As `audiolab.pronounce.units` returns them, length m.
    sounds : list of dict
        With `onset` and `offset` of each phoneme, seconds.
    n : int
        Frames of the clip, which begins `PAUSE` before the first time.

    Returns
    -------
    np.ndarray of int, shape [1 + m]
        The first is what comes before the first phoneme. The sum is `n`.

    Taught in: notebooks/05_text_to_speech.ipynb, "How long does a sound last?"
    """
    ends, i = [sounds[0]["onset"]], 0
    for phoneme in phonemes:
        if phoneme in tts.SYMBOLS[1:6]:                         # a mark lasts until the next phoneme begins
            ends.append(sounds[i]["onset"] if i < len(sounds) else np.inf)
        else:
            ends.append(sounds[i]["offset"])
            i += 1
    frames = np.ceil(((np.array(ends) + PAUSE) / FRAME).round(6)).clip(max=n).astype(int)
    return np.diff(np.maximum.accumulate(frames), prepend=0)


def averaged(values, good, durations):
    """The mean of a curve over each phoneme, of its good frames; where it has none, a straight line between the others.

    Parameters
    ----------
    values, good : np.ndarray, shape [frames]
    durations : np.ndarray of int, shape [m]

    Returns
    -------
    np.ndarray, shape [m]

    Taught in: notebooks/05_text_to_speech.ipynb, "How high is each sound?"
    """
    ends = np.cumsum(durations)
    means = np.array([values[a:b][good[a:b]].mean() if good[a:b].any() else np.nan
                      for a, b in zip(ends - durations, ends, strict=True)])
    at, known = np.arange(len(means)), ~np.isnan(means)
    return np.interp(at, at[known], means[known])


def lessons(corpus, split, n_jobs=1):
    """A list of ``(units, (picture [frames, 80], durations, prosody [phonemes, 2]))``, for `FastSpeech.batch`.

    Clips in which no pitch can be measured, such as a quick "six", are left out.

    Taught in: notebooks/05_text_to_speech.ipynb, "What can be learnt in two minutes?"
    """
    return list(by_path(corpus, split, drawn, n_jobs).values())


def by_path(corpus, split, drawn, n_jobs=1):
    """`lessons` as a dict from the path of a clip; what is looked at is ``drawn(y, sr)``: a picture, and F0 below."""
    seen = features.extract(corpus, drawn, n_jobs=n_jobs).split(split)
    words, sounds = (dict(list(corpus.sidecar(name).groupby("path"))) for name in ("words", "phonemes"))
    items = {}
    for i, (path, text) in enumerate(zip(seen.table.path, seen.table.text, strict=True)):
        x, _, _ = seen[i]
        if not x[-1].any():
            continue
        said = sounds[path].to_dict("records")
        phonemes = pronounce.units(text, words[path].to_dict("records"), said)
        n = durations(phonemes, said, x.shape[1])
        picture, f0 = x[:-1], x[-1]
        pitch = averaged(np.log(np.maximum(f0, 1)), f0 > 0, n)
        energy = averaged(np.log(np.exp(picture).mean(axis=0)), f0 >= 0, n)
        items[path] = (torch.tensor(tts.to_units(phonemes)), (
            torch.from_numpy(picture.T.copy()), torch.from_numpy(n),
            torch.from_numpy(np.stack([pitch, energy], axis=1).astype(np.float32))))
    return items


# ---------------------------------------------------------------------------------------- how it is judged


def named(signals):
    """The phonemes that the judge hears in signals at 16 kHz, without stress, a text for each.

    Taught in: notebooks/05_text_to_speech.ipynb, "Who understands it?"
    """
    judge, _ = models.load(JUDGE)
    items = [(torch.from_numpy(y)[None], torch.zeros(1, dtype=torch.long)) for y in signals]
    log_probs, lengths = training.predict(judge, writing.pictures(items, vocode.SR), 32, judge.batch)
    return [" ".join(phones.names()[unit] for unit, _, _ in phones.segments(phones.smooth(scores[:n])))
            for scores, n in zip(log_probs, lengths.tolist(), strict=True)]


def unstressed(phonemes):
    """Units of `pronounce.phonemes` as `named` writes them."""
    return " ".join(phoneme.strip("ˈˌ") for phoneme in phonemes if phoneme not in tts.SYMBOLS[1:6])


def measured(model, corpus, n_jobs=1):
    """What a voice is worth on the test sentences of a corpus.

    Parameters
    ----------
    model : FastSpeech
    corpus : audiolab.corpus.Corpus
        As `audiolab.corpora.speech.reader_sentences`.
    n_jobs : int
        Processes for the features.

    Returns
    -------
    dict of str to float
        `clips`, sentences that were spoken; `per`, the phoneme error rate of what the judge hears, and `per_teacher`,
        that of the teacher's own voice; `mel_db`, by how much a mel channel is off, mean, when durations and prosody
        are those of the teacher; `f0_cents` and `voicing`, by how much the pitch is off then, as `metrics.f0_error` has
        it: the median of the clips, and the mean.

    Taught in: notebooks/05_text_to_speech.ipynb, "Who understands it?"
    """
    texts = sorted(set(corpus.split("test").table.text))
    truth = [unstressed(pronounce.phonemes(text)) for text in texts]
    spoken = [vocode.sound(tts.synthesise(model, text)) for text in texts]
    by_teacher = [preprocess.resample(*speech.say(text, speech.READER), vocode.SR) for text in texts]
    clips = lessons(corpus, "test", n_jobs)
    pictures, lengths, _ = training.predict(model, clips, 32, model.batch)
    pairs = [(picture[:n], told[0]) for picture, n, (_, told) in zip(pictures, lengths.tolist(), clips, strict=True)]
    off = torch.cat([(picture - true).abs().mean(dim=1) for picture, true in pairs])
    pitches = [metrics.f0_error(*(vocode.sound(picture.T.numpy()) for picture in pair[::-1]), vocode.SR, **VOICE)
               for pair in pairs[: len(texts)]]
    return {"clips": len(texts), "per": metrics.wer(truth, named(spoken)),
            "per_teacher": metrics.wer(truth, named(by_teacher)),
            "mel_db": float(off.mean() * 10 / np.log(10)),
            "f0_cents": float(np.nanmedian([one["cents"] for one in pitches])),
            "voicing": float(np.mean([one["voicing"] for one in pitches]))}


def digits_understood(model, texts):
    """Word errors of the recogniser of chapter 04 that listens to strings of digits: as `writing.measured`.

    Taught in: notebooks/05_text_to_speech.ipynb, "Who understands it?"
    """
    return understood([vocode.sound(tts.synthesise(model, text)) for text in texts], texts)


def understood(sounds, texts):
    """The same of sounds at 16 kHz, each of which is to say its text."""
    recogniser, _ = models.load(DIGITS)
    return writing.measured(recogniser, [
        (torch.from_numpy(preprocess.resample(y, vocode.SR, recogniser.sr))[None], torch.tensor(decode.to_units(text)))
        for y, text in zip(sounds, texts, strict=True)])


# ---------------------------------------------------------------------------------------- following the recipe


def train(name, recipe, n_jobs, progress):
    """As `audiolab.recipes.train`."""
    corpora = [corpus(n_jobs=n_jobs) for corpus in recipe.corpora]
    clips, validation = (lessons(corpora[0], split, n_jobs) for split in ("train", "validation"))
    model = begun(recipe).scaled(clips)
    history = fitted(name, recipe, model, clips, validation, progress, [len(told[0]) for _, told in clips])
    found = measured(model, recipe.test(n_jobs=n_jobs), n_jobs)
    return kept(name, recipe, model, history, corpora, {
        "feature": "vocode.picture", "units": [*tts.SYMBOLS], "metrics": {"test": found}})


def evaluate(name, recipe, n_jobs):
    """As `audiolab.recipes.evaluate`."""
    model, _ = models.load(name)
    return measured(model, recipe.test(n_jobs=n_jobs), n_jobs)
