"""The recipe of Tacotron, which finds out by itself which letter of a text sounds when, and how it is judged."""


import numpy as np
import pandas as pd
import torch

from .. import corpus, decode, features, models, paths, preprocess, training, vocode
from ..corpora import speech
from ..models import tacotron
from . import writing
from .naming import only_test
from .writing import Transcription, begun, fitted, kept

VOICE = "en-us+robert"          # one of speech.MODELS; the judge of chapter 04 makes no mistake with it
JUDGE = "digits-ctc-fsdd"


def plan_reader(n=3000, seed=0):
    """Strings of one to seven digits read by one voice, evenly. No string is in two splits, single digits in train."""
    rng = np.random.default_rng([seed, n])
    texts = [" ".join(rng.choice(speech.DIGITS, rng.integers(1, 8))) for _ in range(n)]
    splits = dict(enumerate(["train"] * 8 + ["validation", "test"]))
    split = {text: splits[i % 10] if " " in text else "train" for i, text in enumerate(dict.fromkeys(texts))}
    return pd.DataFrame({
        "path": [f"{i:05d}.flac" for i in range(n)], "text": texts, "split": [split[text] for text in texts],
        "group": VOICE, "rate": rng.integers(160, 191, n), "pitch": rng.integers(45, 56, n)})


def reader(n_jobs=1):
    """Strings of digits by one voice."""
    return corpus.make(paths.data("raw", "reader-digits"), plan_reader(), speech.render, n_jobs=n_jobs,
                       desc="reader-digits", licence="CC-BY-4.0")


def reader_test(n_jobs=1):
    """Those of them that are for the test."""
    return only_test("reader-digits-test", plan_reader, speech.render, n_jobs)


def as_spoken(x, y, generator):
    """Nothing is changed: a synthesiser is to sound like what it heard."""
    return x, y


RECIPES = {
    "digits-tacotron-reader": Transcription(
        title="reads strings of digits aloud", corpora=(reader,), test=reader_test, licence="CC-BY-4.0",
        model=models.Tacotron, epochs=60, heard=as_spoken, fit=dict(lr=2e-3, clip=1.0, batch_size=32),
        note=f"One voice, {VOICE}, so it must not be judged by who learnt from it to understand everybody: its judge "
             "heard forty voices and six people."),
}


# ---------------------------------------------------------------------------------------- following it


def picture(y, sr):
    """The log-mel of chapter 05, of a sound of any rate."""
    return vocode.picture(preprocess.resample(y, sr, vocode.SR))


def spoken(clips, split, n_jobs=1):
    """A list of ``(log-mel [n_mels, frames], units [letters])`` of one split of a corpus."""
    pictures = features.extract(clips, picture, n_jobs=n_jobs).split(split)
    return [(torch.from_numpy(pictures[i][0].astype(np.float32)), torch.tensor(decode.to_units(text)))
            for i, text in enumerate(pictures.table.text)]


def measured(model, texts):
    """What a synthesiser is worth that reads texts to a recogniser.

    Parameters
    ----------
    model : Tacotron
    texts : sequence of str

    Returns
    -------
    dict of str to float
        As `writing.measured` has them of what the judge understood; `forward`, the share of steps in which the
        attention moves forward, see `tacotron.forward_share`; `cut`, how many never stopped.

    Taught in: notebooks/05_text_to_speech.ipynb, "Can a network find out which letter sounds when?"
    """
    units = [torch.tensor(decode.to_units(text)) for text in texts]
    pictures, lengths, stopped, looks = training.predict(model, [(None, text) for text in units], 32,
                                                         tacotron.texts_only)
    judge, _ = models.load(JUDGE)
    sounds = (vocode.sound(frames[:n].numpy().T) for frames, n in zip(pictures, lengths.tolist(), strict=True))
    heard = [torch.from_numpy(preprocess.resample(y, vocode.SR, judge.sr).astype(np.float32))[None] for y in sounds]
    return writing.measured(judge, list(zip(heard, units, strict=True))) | {
        "forward": tacotron.forward_share(looks, lengths // model.reduction), "cut": int((~stopped).sum())}


def train(name, recipe, n_jobs, progress):
    """As `audiolab.recipes.train`."""
    corpora = [made(n_jobs=n_jobs) for made in recipe.corpora]
    model = begun(recipe)
    clips, validation = (spoken(corpora[0], split, n_jobs) for split in ("train", "validation"))
    history = fitted(name, recipe, model, clips, validation, progress)
    found = measured(model, recipe.test(n_jobs=n_jobs).table.text)
    return kept(name, recipe, model, history, corpora, {"units": decode.LETTERS, "metrics": {"test": found}})


def evaluate(name, recipe, n_jobs):
    """As `audiolab.recipes.evaluate`."""
    model, _ = models.load(name)
    return measured(model, recipe.test(n_jobs=n_jobs).table.text)
