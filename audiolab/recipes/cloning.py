"""The recipe of the network that speaks in any voice, and how it is judged: by a listener that it never met.

It is the network of chapter 05, told by an embedding in whose voice to speak. What it learns from are the training
people of the crowd; whom it is to imitate in the test, nobody here has heard.
"""

import functools

import numpy as np
import torch

from .. import features, metrics, models, preprocess, pronounce, vocode
from ..corpora import speech
from ..models import speaker, tts
from . import speaking, voices
from .naming import only_test
from .writing import Transcription, begun, fitted, kept

ENCODER, JUDGE = "voices-ge2e-crowd", "voices-judge-crowd"
PITCH = dict(fmin=60, fmax=500, hop_length=vocode.SIZES["hop_length"], voicing=0.5)     # of men, women and children
HEARD = 2                       # sentences that a clone is made from
EACH = 3                        # sentences in the voice of each test person
DIGITS = (3, 6)                 # in a string, fewest and most


def crowd(n_jobs=1):
    """The people whose voices are learnt."""
    return speech.crowd(n_jobs=n_jobs)


def crowd_test(n_jobs=1):
    """Those of them who are for the test."""
    return only_test("speech-crowd-s0-test", speech.plan_crowd, speech.render_person, n_jobs)


RECIPES = {
    "clones-fastspeech-crowd": Transcription(
        title="speaks American English in any voice", corpora=(crowd,), test=crowd_test, licence="CC-BY-4.0",
        model=models.FastSpeech, epochs=30, heard=speaking.unchanged, start="english-fastspeech-readings",
        arguments={"dim": 136, "encoder": 3, "decoder": 5, "voice": 128},
        fit=dict(lr=2e-3, clip=1.0, weight_decay=0.01, batch_size=16),
        note="Told by voices-ge2e-crowd in whose voice to speak. Clones are judged by voices-judge-crowd among 60 test "
             "people, of whom nothing here has heard; their sounds are made by Griffin-Lim."),
}


# ---------------------------------------------------------------------------------------- what is learnt


def drawn(y, sr):
    """As `speaking.drawn`, for high voices too."""
    y = np.pad(preprocess.resample(y, sr, vocode.SR), round(speaking.PAUSE * vocode.SR))
    f0, voiced = features.yin(y, vocode.SR, **PITCH)
    return np.vstack([vocode.picture(y), np.where(voiced, f0, 0)]).astype(np.float32)


def lessons(corpus, split, n_jobs=1):
    """As `speaking.lessons`, and with each clip the voice, as `ENCODER` knows it from other clips of the person.

    So the network learns what an embedding is worth, and not to look for more in it than a few seconds can tell.

    Taught in: notebooks/14_voice_cloning.ipynb, "Can one network speak in many voices?"
    """
    people = voices.pictures(corpus, split, n_jobs)
    encoder, _ = models.load(ENCODER)
    own = voices.known(functools.partial(speaker.voice_of, encoder), voices.references(people))
    others = [np.roll(one, -1, axis=0) for one in own.values()]                 # what begins with the next clip
    voice = dict(zip(corpus.split(split).table.path, np.concatenate(others), strict=True))
    return [(units, (*told, torch.from_numpy(voice[path])))
            for path, (units, told) in speaking.by_path(corpus, split, drawn, n_jobs).items()]


# ---------------------------------------------------------------------------------------- how it is judged


def judged(judge, y, sr=vocode.SR):
    """The voice that a `SpeakerJudge` hears in a sound, [out]."""
    return speaker.voice_of(judge, speaker.spoken(y, sr, n_mels=judge.norm.norm.num_features))


def gallery(corpus, n_jobs=1):
    """Whom a clone is to be told from: what the judge hears in the clips of each test person, less those of `targets`.

    A dict to [clips, out].

    Taught in: notebooks/14_voice_cloning.ipynb, "Can it speak in a voice it never heard?"
    """
    judge, card = models.load(JUDGE)
    people = voices.pictures(corpus, "test", n_jobs, **card["picture"])
    return voices.known(functools.partial(speaker.voice_of, judge),
                        {person: clips[HEARD:] for person, clips in people.items()})


def told(encoder, y):
    """What a network is told of a voice, from a recording at 16 kHz: `speaker.voice_of` and `tts.colour`."""
    return speaker.voice_of(encoder, speaker.spoken(y, vocode.SR)), tts.colour(vocode.picture(y))


def targets(corpus):
    """What a network is told of each test person, whom it never heard, from their first `HEARD` sentences, some 4 s.

    Returns
    -------
    dict of str to tuple
        The voice, as `ENCODER` knows it, [dim]; and the colour, as `tts.colour` takes it, [2, 80].

    Taught in: notebooks/14_voice_cloning.ipynb, "Can it speak in a voice it never heard?"
    """
    encoder, _ = models.load(ENCODER)
    test, found = corpus.split("test"), {}
    for person, rows in test.table.reset_index().groupby("group", sort=False):
        y = np.concatenate([preprocess.resample(*test[int(i)][:2], vocode.SR) for i in rows.index[:HEARD]])
        found[person] = told(encoder, y)
    return found


def nearest(found, people):
    """To whom each of some embeddings is nearest, by the mean of each person.

    Parameters
    ----------
    found : np.ndarray, shape [n, dim]
    people : dict of str to np.ndarray, shape [clips, dim]

    Returns
    -------
    list of str, length n
    """
    means = np.stack([one.mean(axis=0) for one in people.values()])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return [list(people)[i] for i in (found @ means.T).argmax(axis=1)]


def found_again(people):
    """Of the clips of some people the share that is nearest to their own person, known from the other clips.

    Parameters
    ----------
    people : dict of str to np.ndarray, shape [clips, dim]

    Returns
    -------
    float

    Taught in: notebooks/14_voice_cloning.ipynb, "Can it speak in a voice it never heard?"
    """
    right = [nearest(clips[[k]], people | {name: np.delete(clips, k, axis=0)})[0] == name
             for name, clips in people.items() for k in range(len(clips))]
    return float(np.mean(right))


def imitated(model, text, voice, colour):
    """The picture of a text in a voice, and in its colour, as `told` has both."""
    return tts.coloured(tts.synthesise(model, text, voice=voice), colour)


def measured(model, corpus, sound=vocode.sound, plain=False, n_jobs=1):
    """What clones are worth: whose voice the judge hears in them, and what listeners understand.

    Parameters
    ----------
    model : FastSpeech
        Of many voices.
    corpus : audiolab.corpus.Corpus
        With the test people of `speech.crowd`.
    sound : callable
        ``sound(picture) -> signal``.
    plain : bool
        Whether pictures stay in the colour that the network gives them.
    n_jobs : int

    Returns
    -------
    dict of str to float
        `clips`, sentences that were spoken, `EACH` in the voice of each person; `right`, those which the judge takes
        for the target rather than for any other test person, and `nearest`, their share; `nearest_together`, that share
        of the people, when the judge hears all `EACH` clones of one; `nearest_people`, what `found_again` says of the
        people's own clips; `cosine`, of a clone to its target's mean; `per`, the phoneme error rate of the clones, and
        `per_people`, that of the people themselves; `wer`, word errors of the recogniser of chapter 04 in strings of
        digits.

    Taught in: notebooks/14_voice_cloning.ipynb, "Can it speak in a voice it never heard?"
    """
    judge, _ = models.load(JUDGE)
    people, voice = gallery(corpus, n_jobs), targets(corpus)
    test, rng = corpus.split("test"), np.random.default_rng(0)
    texts = sorted(set(test.table.text))
    who = [person for person in voice for _ in range(EACH)]
    said = [texts[i % len(texts)] for i in range(len(who))]

    def spoken(text, person):
        return sound(tts.synthesise(model, text, voice=voice[person][0]) if plain else
                     imitated(model, text, *voice[person]))

    sounds = list(map(spoken, said, who))
    found = np.stack([judged(judge, y) for y in sounds])
    own = {person: one.mean(axis=0) for person, one in people.items()}
    right = np.array(nearest(found, people)) == who
    together = np.array(nearest(found.reshape(len(voice), EACH, -1).mean(axis=1), people)) == list(voice)
    genuine = [test[i] for i in range(0, len(test), len(test) // len(who))]
    strings = [" ".join(rng.choice(speech.DIGITS, rng.integers(*DIGITS, endpoint=True))) for _ in voice]
    counted = list(map(spoken, strings, voice))

    def errors(texts, sounds):
        truth = [speaking.unstressed(pronounce.phonemes(text)) for text in texts]
        return metrics.wer(truth, speaking.named(sounds))

    return {"clips": len(who), "right": int(right.sum()), "nearest": float(right.mean()),
            "nearest_together": float(together.mean()),
            "nearest_people": found_again(people),
            "cosine": float(np.mean([speaker.score(y, own[person]) for y, person in zip(found, who, strict=True)])),
            "per": errors(said, sounds),
            "per_people": errors([row["text"] for *_, row in genuine],
                                 [preprocess.resample(y, sr, vocode.SR) for y, sr, _ in genuine]),
            "wer": speaking.understood(counted, strings)["wer"]}


# ---------------------------------------------------------------------------------------- following the recipe


def train(name, recipe, n_jobs, progress):
    """As `audiolab.recipes.train`."""
    corpus = recipe.corpora[0](n_jobs=n_jobs)
    clips, validation = (lessons(corpus, split, n_jobs) for split in ("train", "validation"))
    model = begun(recipe).scaled(clips)
    history = fitted(name, recipe, model, clips, validation, progress, [len(told[0]) for _, told in clips])
    models.checkpoints.halve(model.cpu())
    neural = models.load("vocoder-istft-english")[0].sound
    found = {"test": measured(model, corpus, n_jobs=n_jobs),
             "plain": measured(model, corpus, plain=True, n_jobs=n_jobs),
             "vocoder": measured(model, corpus, neural, n_jobs=n_jobs)}
    return kept(name, recipe, model, history, [corpus], {
        "feature": "vocode.picture", "units": [*tts.SYMBOLS], "encoder": ENCODER, "judge": JUDGE, "metrics": found})


def evaluate(name, recipe, n_jobs):
    """As `audiolab.recipes.evaluate`."""
    model, _ = models.load(name)
    return measured(model, recipe.test(n_jobs=n_jobs), n_jobs=n_jobs)
