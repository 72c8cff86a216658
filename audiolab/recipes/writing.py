"""Recipes of the networks that write down speech: signals of any length in, texts out.

They train on signals, not on pictures that were computed once, so that no two epochs hear the same recording: every
batch goes through another room, noise and microphone before its log-mel is taken.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from .. import augment, decode, features, metrics, models, paths, preprocess, training
from ..corpora import speech, strings
from ..corpus import digest, make
from ..models import asr
from .naming import machine, only_test

NOISE = 10.0                    # dB of signal over pink noise, in the test that is named after it
EMPTY = 0.03                    # share of training clips in which nobody speaks
LEAD = 0.3                      # seconds of pause that may come before and after the words


@dataclass(frozen=True)
class Transcription:
    """What a checkpoint that writes is made of.

    Attributes
    ----------
    title : str
        What the model does, in a few words.
    corpora : sequence of callable
        ``corpus(n_jobs=...)``: their training clips are trained on, the validation clips of the first are looked at.
    test : callable
        ``test(n_jobs=...)`` gives a corpus that holds the test clips, if possible without making the others.
    licence : str
        Of the clips.
    model : type
        Of `audiolab.models`.
    epochs : int
    heard : callable
        ``heard(x, y, generator) -> x, y``: signals as a microphone may take them, and their log-mel.
    arguments : dict
        Of `model`.
    fit : dict
        Other options of `audiolab.training.fit`.
    also : dict of str to callable
        Other corpora on whose test clips it is measured besides, where they can be had.
    first : sequence of pair of int
        Stages before, of clean clips: words that a clip has at most, epochs.
    start : str
        Checkpoint whose weights it begins with, as far as the layers are the same; fresh ones when not given.
    needs : str
        Published data set without which it cannot be made.
    seed : int
    note : str
        What else one must know.
    """

    title: str
    corpora: tuple
    test: Callable
    licence: str
    model: type
    epochs: int
    heard: Callable
    arguments: dict = field(default_factory=dict)
    fit: dict = field(default_factory=dict)
    also: dict = field(default_factory=dict)
    first: tuple = ()
    start: str = ""
    needs: str = ""
    seed: int = 0
    note: str = ""


# ---------------------------------------------------------------------------------------- what is heard


def at_8k(y, sr):
    """The signal at 8 kHz, as a picture of one row."""
    return preprocess.resample(y, sr, 8000)[None]


def clean(x, y, generator):
    """Signals at 8 kHz as they are, with pauses at both ends; of the picture parts are hidden."""
    pictures, *rest = pictured(paused(x, 8000, generator), 8000)
    return (augment.spec_augment(pictures, freq_width=6, time_width=8, warp=0, generator=generator), *rest), y


def anywhere(x, y, generator):
    """Signals at 8 kHz, some of them empty, from any room and microphone, by any throat, at any pace."""
    (signals, lengths, *rest), y = silenced(paused(x, 8000, generator), y, generator)
    signals = augment.recorded(signals[:, 0], 8000, generator, augment.rooms(200, 8000))[:, None]
    pictures, lengths, *rest = pictured((signals, lengths, *rest), 8000)
    speed = 0.85 + 0.35 * torch.rand((), generator=generator).item()
    pictures = augment.bend(pictures, 0.15, speed, generator)
    pictures = augment.spec_augment(pictures, freq_width=6, time_width=8, warp=0, generator=generator)
    return (pictures, (lengths / speed).round().long().clamp(1, pictures.shape[3]), *rest), y


def paused(x, sr, generator):
    """A pause of up to `LEAD` seconds before and after each signal of a batch."""
    signals, lengths, *rest = x
    most = round(LEAD * sr)
    before, after = (torch.rand((2, len(lengths)), generator=generator) * most).long()
    longer = signals.new_zeros(*signals.shape[:2], signals.shape[2] + 2 * most)
    for row, signal, n, start in zip(longer, signals, lengths.tolist(), before.tolist(), strict=True):
        row[:, start : start + n] = signal[:, :n]
    lengths = lengths + (before + after).to(lengths.device)
    return longer[..., : lengths.max()], lengths, *rest


def silenced(x, y, generator):
    """A few signals of a batch become faint noise without a text, so that a network learns to write nothing."""
    signals, lengths, *rest = x
    texts, sizes = y
    draw = torch.rand((2, len(lengths)), generator=generator).to(signals.device)
    empty, level = draw[0] < EMPTY, 10 ** (-5 * draw[1])        # 0 to -100 dBFS
    noise = level[:, None, None] * torch.randn(signals.shape, generator=generator).to(signals.device)
    signals = torch.where(empty[:, None, None], noise, signals)
    return (signals, lengths, *(text.masked_fill(empty[:, None], 0) for text in rest)), \
        (texts.masked_fill(empty[:, None], 0), sizes.masked_fill(empty, 0))


def pictured(x, sr):
    """The log-mel of a batch of signals, silent beyond each one's end."""
    signals, lengths, *rest = x
    log_mel = _log_mel(sr).to(signals.device)
    pictures, lengths = log_mel(signals[:, 0]), 1 + lengths // log_mel.hop_length
    return pictures[..., : lengths.max()], lengths, *rest


_log_mel = functools.lru_cache(features.LogMel)


# ---------------------------------------------------------------------------------------- the recipes


def synthetic(n_jobs=1):
    """Strings of digits by synthetic voices."""
    return speech.digits(6000, n_jobs=n_jobs)


def synthetic_test(n_jobs=1):
    """Those of them that are for the test."""
    return only_test("speech-strings-test", functools.partial(speech.plan_digits, 6000), speech.render, n_jobs)


def familiar(n_jobs=1):
    """Other strings, by voices that nobody trains on, in accents that are trained on: all of them for the test."""
    name, plan = "speech-strings-familiar", speech.plan_digits(6000, seed=1)
    rows = plan[plan.split == "validation"].assign(split="test")
    return make(paths.data("raw", name), rows, speech.render, n_jobs=n_jobs, desc=name)


@functools.cache
def language():
    """The language model of their training texts, which need not be spoken for it."""
    plan = speech.plan_digits(6000)
    return decode.NGram(plan.text[plan.split == "train"], order=6)


def real(n_jobs=1):
    """Strings of digits by real voices."""
    return strings.fsdd(3000, n_jobs=n_jobs)


_WRITES = dict(title="writes down strings of digits", corpora=(synthetic,), test=synthetic_test, licence="CC-BY-4.0",
               model=models.CTCNet, epochs=20, heard=anywhere, also={"familiar": familiar, "fsdd": real},
               fit=dict(lr=3e-3, clip=1.0, weight_decay=0.01))
RECIPES = {
    "digits-ctc-clean": Transcription(**_WRITES | dict(
        heard=clean, epochs=15, note="Trained on synthetic voices as they are: see what that costs with real ones.")),
    "digits-ctc-anywhere": Transcription(**_WRITES | dict(
        note="Trained on synthetic voices only, in rooms and noise, with bent throats and paces.")),
    "digits-ctc-fsdd": Transcription(**_WRITES | dict(
        start="digits-ctc-anywhere", epochs=14, corpora=(synthetic, real), licence="CC-BY-SA-4.0", needs="fsdd",
        note="Goes on from digits-ctc-anywhere, with strings of FSDD. Their test strings are of takes 0 to 4, by the "
             "same six speakers.")),
    "digits-attention-anywhere": Transcription(**_WRITES | dict(
        model=models.AttentionASR, start="digits-ctc-anywhere", epochs=10, fit=_WRITES["fit"] | dict(lr=2e-3),
        note="Begins with the encoder of digits-ctc-anywhere, so that only the writer has everything to learn.")),
}


# ---------------------------------------------------------------------------------------- following one


def utterances(corpus, split=None, feature=at_8k, n_jobs=1):
    """A list of ``(signal [1, n], units [letters])``, which is a data set for `audiolab.training.fit`.

    Of the whole corpus, or of the split that is named.

    Taught in: notebooks/04_speech_recognition.ipynb, "What can it learn in a minute?"
    """
    signals = features.extract(corpus, feature, n_jobs=n_jobs)
    signals = signals.split(split) if split else signals
    return [(torch.from_numpy(signals[i][0].astype(np.float32)), torch.tensor(decode.to_units(text), dtype=torch.long))
            for i, text in enumerate(signals.table.text)]


def pictures(items, sr=8000):
    """The same with a log-mel [1, n_mels, time] in place of each signal, which is first brought to one peak.

    What is soft would lose its consonants under the picture's floor.

    Taught in: notebooks/04_speech_recognition.ipynb, "What can it learn in a minute?"
    """
    return [(torch.from_numpy(features.log_mel(asr.levelled(signal.numpy()), sr)), units) for signal, units in items]


def noisy(items, snr=NOISE, seed=0, rate=8000):
    """The same signals with pink noise at an SNR in decibels, the same at every call.

    Taught in: notebooks/04_speech_recognition.ipynb, "Who is understood, and where?"
    """
    generator = torch.Generator().manual_seed(seed)
    pink = torch.tensor([-1.0])
    return [(augment.mix_at_snr(signal, augment.coloured(signal.shape, rate, pink, generator), snr), units)
            for signal, units in items]


def quiet(n=20, seed=0, rate=8000):
    """Clips of 0.5 to 3 s in which nobody speaks: pure silence, and noise at -75 to -35 dBFS.

    Taught in: notebooks/04_speech_recognition.ipynb, "Who is understood, and where?"
    """
    generator = torch.Generator().manual_seed(seed)
    levels = [0.0, *torch.logspace(-75 / 20, -35 / 20, n - 1).tolist()]
    sizes = torch.randint(rate // 2, 3 * rate, (n,), generator=generator).tolist()
    return [(level * torch.randn((1, size), generator=generator), torch.zeros(0, dtype=torch.long))
            for level, size in zip(levels, sizes, strict=True)]


def read(model, items, batch_size=64):
    """The texts that a model writes for log-mels, in their order, by greedy decoding.

    Taught in: notebooks/04_speech_recognition.ipynb, "What can it learn in a minute?"
    """
    return model.read(training.predict(model, items, batch_size, asr.batch))


def measured(model, items):
    """What a recogniser is worth on clips that it never heard, as a card holds it.

    Parameters
    ----------
    model : torch.nn.Module
    items : list of pair
        Signals and units, as `utterances` gives them.

    Returns
    -------
    dict of str to float
        `clips`, `words`, `errors` (words replaced, left out or put in), `wer`, `cer`, all by greedy decoding; for CTC
        also `wer_lm`, by beam search with `language`.
    """
    output = training.predict(model, pictures(items), 64, asr.batch)
    found = compared(items, model.read(output))
    if isinstance(model, models.CTCNet):
        found["wer_lm"] = compared(items, decode.beam_search(*output, language()))["wer"]
    return found


def compared(items, said):
    """What texts are worth beside those of the items: see `measured`."""
    truth = [decode.to_text(units.tolist()) for _, units in items]
    found = metrics.word_errors(truth, said)
    words = found.pop("words")
    return {"clips": len(items), "words": words, "errors": sum(found.values()),
            "wer": sum(found.values()) / words, "cer": metrics.cer(truth, said)}


def invented(model):
    """In how many of the clips of `quiet` a model writes something, be it read greedily or with `language`."""
    clips = quiet()
    said = read(model, pictures(clips))
    if isinstance(model, models.CTCNet):
        said = [text + asr.transcribe(model, y[0].numpy(), 8000, language())[0]
                for text, (y, _) in zip(said, clips, strict=True)]
    return sum(map(bool, said))


def asked(model, recipe, measured, invented, feature, n_jobs=1):
    """All figures of a card: on test clips, in noise, in silence, and on other corpora."""
    test = utterances(recipe.test(n_jobs=n_jobs), "test", feature, n_jobs)
    found = {"test": measured(model, test), "noise": measured(model, noisy(test, rate=model.sr)),
             "silence": {"clips": len(quiet()), "invented": invented(model)}}
    for other, corpus in recipe.also.items():
        found[other] = measured(model, utterances(corpus(n_jobs=n_jobs), "test", feature, n_jobs))
    return found


def train(name, recipe, n_jobs, progress):
    """As `audiolab.recipes.train`."""
    corpora = [corpus(n_jobs=n_jobs) for corpus in recipe.corpora]
    clips = [clip for corpus in corpora for clip in utterances(corpus, "train", n_jobs=n_jobs)]
    validation = pictures(utterances(corpora[0], "validation", n_jobs=n_jobs))
    model = begun(recipe)
    history = fitted(name, recipe, model, clips, validation, progress)
    found = asked(model, recipe, measured, invented, at_8k, n_jobs)
    return kept(name, recipe, model, history, corpora, {"units": decode.LETTERS, "metrics": found})


def begun(recipe):
    """A model as a recipe begins with it."""
    torch.manual_seed(recipe.seed)
    model = recipe.model(**recipe.arguments)
    if recipe.start:
        known, own = models.load(recipe.start)[0].state_dict(), model.state_dict()
        model.load_state_dict({key: known[key] for key in known.keys() & own.keys()}, strict=False)
    return model


def fitted(name, recipe, model, clips, validation, progress, lengths=None):
    """Train a model by a recipe, or go on where an interrupted training stopped; returns the history.

    Then its numbers are rounded to half precision, so that what is measured is what will be kept. The lengths are those
    of the clips, where these are no signals.
    """
    history = training.fit(
        model, clips, validation, loss=model.loss, epochs=recipe.epochs, augment=recipe.heard, seed=recipe.seed,
        collate=model.batch, lengths=lengths or [signal.shape[1] for signal, _ in clips], progress=progress,
        resume=paths.data("runs", name, f"{known_by(recipe)}.pt"), **recipe.fit)
    models.checkpoints.halve(model)
    return history


def kept(name, recipe, model, history, corpora, found):
    """Weights and card, written; returns the card."""
    return models.save(name, model, {
        "title": recipe.title, "arguments": recipe.arguments, "sr": model.sr, "feature": "log_mel",
        "corpus": " and ".join(corpus.root.name for corpus in corpora), "heard": recipe.heard.__name__,
        "first": recipe.first, "start": recipe.start, "seed": recipe.seed, "epochs": recipe.epochs,
        "steps": history.rows[-1]["step"], "options": recipe.fit, "seconds": round(history.seconds),
        "machine": machine(), "licence": recipe.licence, "note": recipe.note, **found})


def known_by(recipe):
    """What stands for a recipe in the name of its state, so that another one does not go on from it."""
    options = (recipe.model.__name__, recipe.start, recipe.epochs, recipe.arguments, recipe.fit, recipe.seed)
    return digest(repr(options) + "".join(map(repr, recipe.first)) + inspect.getsource(recipe.heard))[:8]


def evaluate(name, recipe, n_jobs):
    """As `audiolab.recipes.evaluate`."""
    model, _ = models.load(name)
    return measured(model, utterances(recipe.test(n_jobs=n_jobs), "test", n_jobs=n_jobs))
