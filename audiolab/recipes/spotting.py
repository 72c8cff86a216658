"""Recipe of the network that spots words in a stream, and how it is judged: by hits, false alarms and delay.

It learns from windows of streams, not from words that somebody cut out: most of what it hears is the end of one word,
the beginning of the next, a pause, or noise, and its right answer is "other".
"""

import functools
import inspect
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from .. import augment, detection, features, models, paths, training
from ..corpora import mixtures, physics, remote, speech, streams
from ..corpus import digest
from ..features.mel import SILENCE
from ..preprocess import resample
from .naming import machine, only_test

SR = physics.SR                 # Hz, of the streams, as the denoiser has them
PICTURE = {"n_mels": 40, "fmax": 4000.0}        # what is above 4 kHz is left out: recordings at 8 kHz look alike
WINDOW, STEP = 80, 4            # columns of 10 ms: what the network sees, and from one decision to the next
HOP = 0.01 * STEP               # s
LEAD = ((STEP - 1) * 160 + 256) / SR            # s, of sound that the first decision needs
LABELS = (*speech.DIGITS, "other")
SAID = (0.1, 0.32)              # s after a digit's end in which a window is to name it
UNCLEAR = (-0.1, 0.42)          # … and in which, outside of `SAID`, it may answer as it likes
PAUSE = 0.4                     # s, between two real digits
LATE = 0.6                      # s after its end by which a digit must have been reported
SNRS = (np.inf, 10, 5, 0)       # dB, of the tests
GRID = 16                       # columns from one training window to the next
OFTEN = 3                       # times as often as others come windows that are to name a digit
LOUDER = 4.0                    # the pictures' signals, by which they can be turned down without raising a floor
DECIBEL = np.log(10) / 10       # in units of a log-mel
RULES = {"threshold": np.linspace(0.4, 0.96, 15), "smooth": (2, 3, 4, 5, 6), "refractory": (0.24, 0.32, 0.4)}


@dataclass(frozen=True)
class Spotting:
    """What a checkpoint that spots words is made of.

    Attributes
    ----------
    title : str
        What the model does, in a few words.
    model : type
        Of `audiolab.models`.
    epochs : int
    heard : callable
        ``heard(streams, x, y, generator)``: windows of streams, mixed anew; see `heard`.
    arguments : dict
        Of `model`, besides those that follow from the corpus.
    fit : dict
        Other options of `audiolab.training.fit`.
    note : str
        What else one must know.
    """

    title: str
    model: type
    epochs: int
    heard: Callable
    arguments: dict = field(default_factory=dict)
    fit: dict = field(default_factory=dict)
    note: str = ""


# ---------------------------------------------------------------------------------------- pictures and targets


def picture(y):
    """The log-mel that a spotter looks at: 40 bands up to 4 kHz of a signal at 16 kHz.

    Taught in: notebooks/13_real_time.ipynb, "Which word was that?"
    """
    return features.log_mel(y, SR, **PICTURE)


def pictured(y):
    """The pictures of voice and noise, `LOUDER`, one above the other: [2, n] to [80, columns]."""
    return np.concatenate(picture(np.float32(LOUDER) * y))


def targets(words, columns):
    """What a window that ends with each column is to answer.

    Parameters
    ----------
    words : iterable of (onset, offset, word)
        Seconds.
    columns : int

    Returns
    -------
    np.ndarray of int, shape [columns]
        An index into `LABELS`: a digit shortly after its end, "other" elsewhere; -100, which the loss leaves out, where
        the digit is almost whole, or just gone.

    Taught in: notebooks/13_real_time.ipynb, "Which word was that?"
    """
    answers = np.full(columns, len(LABELS) - 1)
    digits = sorted((offset, word) for _, offset, word in words if word in speech.DIGITS)
    for (first, last), unclear in ((UNCLEAR, True), (SAID, False)):
        for offset, word in digits:
            here = slice(max(0, round(100 * (offset + first))), max(0, round(100 * (offset + last))))
            answers[here] = -100 if unclear else LABELS.index(word)
    return answers


def heard(streams, x, y, generator):
    """Windows of voices, each by another throat, in noise from elsewhere, by another microphone, at another level.

    Sounds add up, and so do their powers, but for what interferes: windows of log-mels are mixed without their sounds.

    Parameters
    ----------
    streams : tuple of torch.Tensor
        Pictures of all voices and all noises, one stream after the other, [mel, columns], and `targets`, [columns].
    x : torch.Tensor of int, shape [batch]
        The first of `GRID` columns, with one of which a window ends.
    y : torch.Tensor
        Not used: what a window is to answer depends on the column that chance chooses.
    generator : torch.Generator

    Returns
    -------
    pictures : torch.Tensor, shape [batch, 1, mel, WINDOW]
    answers : torch.Tensor of int, shape [batch]

    Taught in: notebooks/13_real_time.ipynb, "Which word was that?"
    """
    voices, noises, truth = streams

    def draw(low, high, *shape):
        return low + (high - low) * torch.rand((len(x), *shape), generator=generator)

    at = x.cpu() + torch.randint(GRID, (len(x),), generator=generator)
    elsewhere = torch.randint(WINDOW, noises.shape[1], (len(x),), generator=generator)
    speed = 0.85 + 0.35 * torch.rand((), generator=generator).item()
    voice = augment.bend(cut(voices, at, int(np.ceil(speed * WINDOW))), 0.1, speed, generator)[..., -WINDOW:]
    noise = cut(noises, elsewhere, WINDOW)
    snr = torch.where(draw(0, 1) < 0.1, 60.0, draw(0, 25))
    mixed = torch.logaddexp(voice, noise - DECIBEL * snr[:, None, None, None])
    colours = 3 * torch.randn((len(x), 1, 6), generator=generator)              # dB, from band to band
    colour = torch.nn.functional.interpolate(colours, size=mixed.shape[2], mode="linear", align_corners=True)
    gain = DECIBEL * (colour[..., None] + draw(-20, 0, 1, 1, 1))
    pictures = augment.spec_augment((mixed + gain).clamp(min=SILENCE), n_freq_masks=1, freq_width=6, n_time_masks=1,
                                    time_width=8, warp=0, generator=generator)
    return pictures.to(x.device), truth[at].to(x.device)


def places(truth):
    """Where training windows end, each `GRID` columns; those that are to name a digit come `OFTEN`."""
    at = torch.arange(0, len(truth) - GRID, GRID)
    said = (truth[at + GRID // 2] >= 0) & (truth[at + GRID // 2] < len(LABELS) - 1)
    return torch.cat([at, at[said].repeat(OFTEN - 1)])


def cut(pictures, at, columns):
    """Windows of a long picture [mel, n], that end with the columns `at`: [batch, 1, mel, columns]."""
    places = (at[:, None] + torch.arange(1 - columns, 1)).clamp(min=0)
    return pictures[:, places].transpose(0, 1)[:, None]


# ---------------------------------------------------------------------------------------- the recipe


RECIPES = {
    "spotter-dscnn-streams": Spotting(
        "spots ten spoken digits in a stream", models.DSCNNSpotter, 6, heard, {"channels": 96},
        fit=dict(lr=3e-3, batch_size=32, weight_decay=0.01),
        note="For digits that are said one at a time, with a pause: of a string in one breath many are missed. The "
             "rule is the best for validation streams at 10 dB, a false report costing as much as a digit gains."),
}


def corpus(n_jobs=1):
    """The streams."""
    return streams.spoken(n_jobs=n_jobs)


def corpus_test(n=600, n_jobs=1):
    """Those for the test of `n` streams, three in ten."""
    return only_test(f"streams-spoken-n{n}-test", functools.partial(streams.plan_spoken, n), streams.render_spoken,
                     n_jobs)


def parts(corpus, split, n_jobs=1):
    """Pictures of a split's voices and noises, [mel, columns], and what a window is to answer at each column."""
    part = features.extract(corpus, pictured, n_jobs=n_jobs).split(split)
    said, rows = words_of(corpus.split(split)), part.table.path
    both = [picture for picture, _, _ in part]
    voices, noises = np.split(np.concatenate(both, axis=1), 2)
    answers = [targets(said[path], x.shape[1]) for path, x in zip(rows, both, strict=True)]
    return tuple(map(torch.from_numpy, (voices, noises, np.concatenate(answers))))


def words_of(corpus):
    """The words of each clip: a dict of path to a list of (onset, offset, word)."""
    table = corpus.sidecar("words")
    said = {path: list(zip(rows.onset, rows.offset, rows.word, strict=True)) for path, rows in table.groupby("path")}
    return {path: said.get(path, []) for path in corpus.table.path}


# ---------------------------------------------------------------------------------------- what it is worth


def windows(x):
    """All windows of a picture, [mel, columns] to [decisions, mel, WINDOW]."""
    return features.frame(x, WINDOW, STEP).swapaxes(0, 1)


def posteriors(model, x):
    """What a spotter says of a whole picture, decision by decision, as if silence had gone before.

    Parameters
    ----------
    model : torch.nn.Module
    x : np.ndarray, shape [mel, columns]
        From `picture`.

    Returns
    -------
    np.ndarray, shape [columns // STEP, classes]

    Taught in: notebooks/13_real_time.ipynb, "Which word was that?"
    """
    x = np.pad(x, ((0, 0), (WINDOW - STEP, 0)), constant_values=SILENCE)
    x = np.array(windows(x))[:, None]
    return training.predict(model, x, 16).softmax(dim=1).numpy()                # few at once stay in the cache


def mixture(parts, snr):
    """Voice and noise, [2, n], added at an SNR in decibels; the voice alone where it is infinite."""
    return parts[0] + np.float32(10 ** (-snr / 20)) * parts[1]


def in_streams(model, corpus, snr, change=None):
    """Posteriors of all streams of a corpus at an SNR, a list of arrays; `change(y)` is what happens before.

    Taught in: notebooks/13_real_time.ipynb, "Which word was that?"
    """
    change = change or (lambda y: y)
    return [posteriors(model, picture(change(mixture(y, snr)))) for y, _, _ in corpus]


def vote(rule):
    """How posteriors become words, by the rule of a card.

    Taught in: notebooks/13_real_time.ipynb, "Which word was that?"
    """
    return detection.Vote(LABELS, HOP, LEAD, **rule)


def matched(found, said):
    """Which of the words that were reported are right.

    Parameters
    ----------
    found : list of Word
        In the order of their times.
    said : list of (onset, offset, word)
        Digits and other words, in the order of their times.

    Returns
    -------
    list of float
        For each report the seconds since the word's end, or NaN where it is false: nobody said this digit, or `LATE`
        ago, or it was reported before.

    Taught in: notebooks/13_real_time.ipynb, "Which word was that?"
    """
    waiting, delays = list(said), []
    for one in found:
        right = next((word for word in waiting if word[2] == one.word and word[0] < one.at <= word[1] + LATE), None)
        delays.append(np.nan if right is None else one.at - right[1])
        if right is not None:
            waiting.remove(right)
    return delays


def measured(p, corpus, rule):
    """What the posteriors of streams are worth by a rule, as a card holds it.

    Parameters
    ----------
    p : list of np.ndarray, shape [decisions, classes]
        Of each stream of the corpus.
    corpus : audiolab.corpus.Corpus
        Of `streams.spoken`, with a column `digits`.
    rule : dict
        `threshold`, `smooth`, `refractory` of `audiolab.detection.Vote`.

    Returns
    -------
    dict of str to float
        `clips`; `words`, digits that were said, `right`, those that were spotted, and `hit_rate`, their share; `wrong`,
        other reports in the streams with digits; `errors`, reports in those without, and `per_hour`, how many these
        come to; `delay`, the median of the seconds from a digit's end to its report.

    Taught in: notebooks/13_real_time.ipynb, "Which word was that?"
    """
    said, found = words_of(corpus), {"clips": len(p), "words": 0, "wrong": 0, "errors": 0}
    delays, quiet = [], 0.0
    for one, (_, row) in zip(p, corpus.table.iterrows(), strict=True):
        since = matched(vote(rule)(one), said[row.path])
        delays += [delay for delay in since if not np.isnan(delay)]
        found["words"] += sum(word in speech.DIGITS for *_, word in said[row.path])
        found["wrong" if row.digits else "errors"] += int(np.isnan(since).sum())
        quiet += 0 if row.digits else row.duration
    return found | {"right": len(delays), "hit_rate": len(delays) / found["words"],
                    "per_hour": 3600 * found["errors"] / quiet if quiet else None,
                    "delay": round(float(np.median(delays)), 3) if delays else None}


def tuned(p, corpus):
    """The rule that is best for validation streams: a false report costs as much as a digit that is spotted gains.

    Taught in: notebooks/13_real_time.ipynb, "Which word was that?"
    """
    rules = [dict(zip(RULES, values, strict=True)) for values in itertools.product(*RULES.values())]

    def worth(rule):
        found = measured(p, corpus, rule)
        return found["right"] - found["wrong"] - found["errors"]

    best = max(rules, key=worth)
    return {name: round(float(value), 2) if name != "smooth" else value for name, value in best.items()}


def denoised(y):
    """A stream as `voice-gru-scenes` lets it through."""
    with torch.inference_mode():
        return _denoiser()(torch.from_numpy(y)[None])[0].numpy()


@functools.cache
def _denoiser():
    return models.load("voice-gru-scenes")[0]


def real_streams():
    """Streams of real digits: ten test recordings of one speaker of FSDD, at 16 kHz, each after a pause of 0.4 s.

    Returns
    -------
    streams : list of np.ndarray, shape [n]
    said : list of list of (onset, offset, word)

    Raises
    ------
    CorpusError
        If FSDD cannot be had.

    Taught in: notebooks/13_real_time.ipynb, "Which word was that?"
    """
    real, ys, said = remote.load("fsdd").split("test"), [], []
    order = real.table.sample(frac=1, random_state=0).sort_values("speaker", kind="stable").index
    for ten in np.split(order, len(order) // 10):
        pieces, words, at = [], [], 0.0
        for y, sr, row in (real[i] for i in ten):
            pieces.append(np.pad(resample(y, sr, SR), (round(PAUSE * SR), 0)))
            words.append((at + PAUSE, at + len(pieces[-1]) / SR, row["label"]))
            at += len(pieces[-1]) / SR
        ys.append(np.pad(np.concatenate(pieces), (0, SR)))
        said.append(words)
    return ys, said


def on_real(model, rule):
    """What a spotter is worth on real digits, without noise: `words`, `right`, `hit_rate`, `wrong`, `delay`.

    Taught in: notebooks/13_real_time.ipynb, "Which word was that?"
    """
    ys, said = real_streams()
    since = [matched(vote(rule)(posteriors(model, picture(y))), words) for y, words in zip(ys, said, strict=True)]
    delays, words = np.concatenate(since), sum(map(len, said))
    right = int(np.isfinite(delays).sum())
    return {"clips": len(ys), "words": words, "right": right, "hit_rate": right / words, "wrong": len(delays) - right,
            "delay": round(float(np.nanmedian(delays)), 3)}


# ---------------------------------------------------------------------------------------- following it


def train(name, recipe, n_jobs, progress):
    """As `audiolab.recipes.train`."""
    whole = corpus(n_jobs)
    streams = parts(whole, "train", n_jobs)
    at = places(streams[2])
    arguments = {"n_mels": PICTURE["n_mels"], "n_classes": len(LABELS)} | recipe.arguments
    torch.manual_seed(0)
    model = recipe.model(**arguments)
    history = training.fit(
        model, (at, at), loss=torch.nn.CrossEntropyLoss(), epochs=recipe.epochs,
        augment=functools.partial(recipe.heard, streams), progress=progress,
        resume=paths.data("runs", name, f"{_known_by(recipe)}.pt"), **recipe.fit)
    models.checkpoints.halve(model.cpu())
    rule, metrics = judged(model, whole)
    if remote.at_hand("fsdd"):
        metrics["fsdd"] = on_real(model, rule)
    return models.save(name, model, {
        "title": recipe.title, "arguments": arguments, "labels": LABELS, "sr": SR, "corpus": whole.root.name,
        "feature": "log_mel", "picture": PICTURE, "window": WINDOW, "step": STEP, "rule": rule,
        "heard": recipe.heard.__name__, "seed": 0, "epochs": recipe.epochs, "steps": history.rows[-1]["step"],
        "options": recipe.fit, "seconds": round(history.seconds), "machine": machine(),
        "licence": mixtures.LICENCE, "note": recipe.note, "metrics": metrics})


def _known_by(recipe):
    """What stands for a recipe in the name of its state, so that another one does not go on from it."""
    options = (recipe.model.__name__, recipe.epochs, recipe.arguments, recipe.fit, WINDOW, GRID, OFTEN, SAID, UNCLEAR,
               LOUDER)
    return digest(repr(options) + "".join(map(inspect.getsource, (recipe.heard, targets, pictured))))[:8]


def judged(model, corpus):
    """The rule that validation streams choose, and what the test streams say of it, at every SNR, and denoised."""
    validation, test = corpus.split("validation"), corpus.split("test")
    rule = tuned(in_streams(model, validation, 10), validation)
    found = {}
    for snr, (ending, change) in itertools.product(SNRS, (("", None), (" denoised", denoised))):
        name = "clean" if np.isinf(snr) else f"{snr} dB"
        found[name + ending] = measured(in_streams(model, test, snr, change), test, rule)
    return rule, {"test": found["10 dB"]} | found


def evaluate(name, recipe, n_jobs):
    """As `audiolab.recipes.evaluate`."""
    model, card = models.load(name)
    test = corpus_test(n_jobs=n_jobs)
    return measured(in_streams(model, test, 10), test, card["rule"])
