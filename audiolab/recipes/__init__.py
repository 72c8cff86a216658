"""How each checkpoint of the course was made: ``audiolab train <name>`` follows one of these recipes.

A recipe names a corpus, what is computed of it, a network, and how that is trained. `train` follows it and keeps the
weights and a card, `evaluate` measures the kept weights again.
"""

from . import (
    adapting,
    attending,
    cloning,
    composing,
    detecting,
    naming,
    phones,
    pretraining,
    separating,
    speaking,
    spoofing,
    spotting,
    vocoding,
    voices,
    whispering,
    writing,
)
from .naming import (
    SILENCE,
    Recipe,
    data,
    hidden,
    loss,
    measured,
    moved,
    only_test,
    retold,
    retuned,
    samples,
    score,
    semitones,
    tensors,
    transposed,
    word_picture,
)
from .writing import Transcription

MODULES = (naming, writing, phones, whispering, vocoding, speaking, attending, composing, separating, detecting,
           spotting, pretraining, adapting, voices, cloning, spoofing)
RECIPES = {name: recipe for module in MODULES for name, recipe in module.RECIPES.items()}

__all__ = ["RECIPES", "SILENCE", "Recipe", "Transcription", "adapting", "attending", "cloning", "composing", "data",
           "detecting", "evaluate", "find", "hidden", "loss", "measured", "moved", "only_test", "phones", "pretraining",
           "retold", "retuned", "samples", "score", "semitones", "separating", "speaking", "spoofing", "spotting",
           "tensors", "train", "transposed", "vocoding", "voices", "whispering", "word_picture", "writing"]


def find(name):
    """The recipe of a checkpoint.

    Raises
    ------
    ValueError
        If there is none, naming those that there are.
    """
    if name not in RECIPES:
        raise ValueError(f"There is no recipe for {name!r}. There are: {', '.join(RECIPES)}.")
    return RECIPES[name]


def train(name, n_jobs=2, progress=True):
    """Make a checkpoint by its recipe; call again after an interruption, and it goes on.

    Parameters
    ----------
    name : str
        Of a recipe.
    n_jobs : int
        Processes that make the corpus.
    progress : bool
        Show bars.

    Returns
    -------
    dict
        Its card, which is written with the weights under ``data/checkpoints``.

    Raises
    ------
    ValueError
        If there is no such recipe.
    CorpusError
        If its corpus cannot be had.
    """
    recipe = find(name)
    return _module(name).train(name, recipe, n_jobs, progress)


def evaluate(name, n_jobs=1):
    """Measure a kept checkpoint on the test clips again.

    Returns
    -------
    dict of str to float
        As ``card["metrics"]["test"]``.

    Raises
    ------
    ValueError, CorpusError
        If there is no such checkpoint, or its corpus cannot be had.
    """
    recipe = find(name)
    return _module(name).evaluate(name, recipe, n_jobs)


def _module(name):
    return next(module for module in MODULES if name in module.RECIPES)
