"""The recipe of the network that speaks in any voice, and how it is judged: by a listener that it never met.

It is the network of chapter 05, told by an embedding in whose voice to speak. What it learns from are the training
people of the crowd; whom it is to imitate in the test, nobody here has heard.
"""

import functools

import numpy as np
import torch
from torch.nn.functional import normalize

from .. import augment, features, metrics, models, paths, preprocess, pronounce, training, vocode
from ..corpora import speech
from ..models import speaker, tts
from . import speaking, voices
from .naming import only_test
from .writing import Transcription, begun, fitted, kept, known_by

ENCODER, JUDGE = "voices-ge2e-crowd", "voices-judge-crowd"
PITCH = dict(fmin=60, fmax=500, hop_length=vocode.SIZES["hop_length"], voicing=0.5)     # of men, women and children
LISTENER = dict(epochs=16, lr=3e-3, batch_size=24, clip=3.0, weight_decay=0.01)
BESIDE = dict(epochs=6, lr=5e-4, clip=1.0, weight_decay=0.01, batch_size=16)    # options of `training.fit`
WEIGHT = 2.0                    # of what the listener says, beside the distance of pictures
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

    Returns
    -------
    dict of str to tuple
        Of each clip, by its path, what `FastSpeech.batch` takes.

    Taught in: notebooks/14_voice_cloning.ipynb, "Can one network speak in many voices?"
    """
    people = voices.pictures(corpus, split, n_jobs)
    encoder, _ = models.load(ENCODER)
    own = voices.known(functools.partial(speaker.voice_of, encoder), voices.references(people))
    others = [np.roll(one, -1, axis=0) for one in own.values()]                 # what begins with the next clip
    voice = dict(zip(corpus.split(split).table.path, np.concatenate(others), strict=True))
    return {path: (units, (*told, torch.from_numpy(voice[path])))
            for path, (units, told) in speaking.by_path(corpus, split, drawn, n_jobs).items()}


# ---------------------------------------------------------------------------------------- a listener beside it


def cuts(pool, x, y, generator):
    """Stretches of the pictures of some voices, with parts left out; as `voices.met`, and always as they were recorded.

    Taught in: notebooks/14_voice_cloning.ipynb, "Can one network speak in many voices?"
    """
    found = [cut(pool[voice][i], generator) for voice in x.tolist()
             for i in torch.randperm(len(pool[voice]), generator=generator)[: voices.UTTERANCES].tolist()]
    found = augment.spec_augment(torch.stack(found), n_freq_masks=2, freq_width=12, n_time_masks=2, time_width=30,
                                 warp=0, generator=generator)
    return found.to(x.device), x.repeat_interleave(voices.UTTERANCES)


def cut(picture, generator=None):
    """A stretch of `speaker.WINDOW` frames of a picture [frames, n_mels], at random: [1, n_mels, WINDOW]."""
    picture = picture.repeat(-(-speaker.WINDOW // len(picture)), 1)
    start = int(torch.randint(len(picture) - speaker.WINDOW + 1, (), generator=generator))
    return picture[start : start + speaker.WINDOW].T[None]


def listener(pool, progress=True):
    """A network that learns to hear, in the pictures of each person, whose voice it is.

    Taught in: notebooks/14_voice_cloning.ipynb, "Can one network speak in many voices?"
    """
    torch.manual_seed(0)
    hears, at = models.SpeakerEncoder(n_mels=pool[0][0].shape[1]), torch.arange(len(pool))
    training.fit(hears, (at, at), loss=hears.loss, augment=functools.partial(cuts, pool), progress=progress, **LISTENER)
    return hears.eval().requires_grad_(False)


def beside(hears, model, output, y):
    """The loss of `FastSpeech`, and how far what a listener hears is from the voice that it should be.

    Taught in: notebooks/14_voice_cloning.ipynb, "Can one network speak in many voices?"
    """
    *told, voice = y
    pictures, lengths, _ = output
    heard = hears(torch.stack([cut(picture[:n]) for picture, n in zip(pictures, lengths.tolist(), strict=True)]))
    return model.loss(output, told) + WEIGHT * (1 - (heard * voice).sum(dim=1).mean())


def with_voices(model, items):
    """As `FastSpeech.batch`, and for each clip the voice as a listener has it, to be loss's last member."""
    clips, heard = zip(*items, strict=True)
    x, y = model.batch(list(clips))
    return x, (*y, torch.stack(heard))


# ---------------------------------------------------------------------------------------- how it is judged


def judged(judge, y, sr=vocode.SR):
    """The voice that a `SpeakerJudge` hears in a sound, [out]."""
    return speaker.voice_of(judge, speaker.spoken(y, sr, n_mels=judge.norm.norm.num_features))


def gallery(corpus, n_jobs=1):
    """Whom a clone is to be told from: what the judge hears in all clips of each test person, a dict to [clips, out].

    Taught in: notebooks/14_voice_cloning.ipynb, "Can it speak in a voice it never heard?"
    """
    judge, card = models.load(JUDGE)
    people = voices.pictures(corpus, "test", n_jobs, **card["picture"])
    return voices.known(functools.partial(speaker.voice_of, judge), people)


def targets(corpus, n_jobs=1):
    """The voice of each test person, as `ENCODER` knows it from 4 s of speech: a dict to [dim].

    Taught in: notebooks/14_voice_cloning.ipynb, "Can it speak in a voice it never heard?"
    """
    encoder, _ = models.load(ENCODER)
    heard = voices.references(voices.pictures(corpus, "test", n_jobs))
    return {person: speaker.voice_of(encoder, pictures[0]) for person, pictures in heard.items()}


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


def measured(model, corpus, sound=vocode.sound, n_jobs=1):
    """What clones are worth: whose voice the judge hears in them, and what listeners understand.

    Parameters
    ----------
    model : FastSpeech
        Of many voices.
    corpus : audiolab.corpus.Corpus
        With the test people of `speech.crowd`.
    sound : callable
        ``sound(picture) -> signal``.
    n_jobs : int

    Returns
    -------
    dict of str to float
        `clips`, sentences that were spoken, `EACH` in the voice of each person; `right`, those which the judge takes
        for the target rather than for any other test person, and `nearest`, their share; `nearest_together`, that share
        of the people, when the judge hears all `EACH` clones of one; `nearest_people`, what `found_again` says
        of the people's own clips; `cosine`, of a clone to its target's mean; `per`,
        the phoneme error rate of the clones, and `per_people`, that of the people themselves; `wer`, word errors of the
        recogniser of chapter 04 in strings of digits.

    Taught in: notebooks/14_voice_cloning.ipynb, "Can it speak in a voice it never heard?"
    """
    judge, _ = models.load(JUDGE)
    people, voice = gallery(corpus, n_jobs), targets(corpus, n_jobs)
    test, rng = corpus.split("test"), np.random.default_rng(0)
    texts = sorted(set(test.table.text))
    who = [person for person in voice for _ in range(EACH)]
    said = [texts[i % len(texts)] for i in range(len(who))]
    sounds = [sound(tts.synthesise(model, text, voice=voice[person])) for text, person in zip(said, who, strict=True)]
    found = np.stack([judged(judge, y) for y in sounds])
    own = {person: one.mean(axis=0) for person, one in people.items()}
    right = np.array(nearest(found, people)) == who
    together = np.array(nearest(found.reshape(len(voice), EACH, -1).mean(axis=1), people)) == list(voice)
    genuine = [test[i] for i in range(0, len(test), len(test) // len(who))]
    strings = [" ".join(rng.choice(speech.DIGITS, rng.integers(*DIGITS, endpoint=True))) for _ in voice]
    counted = [sound(tts.synthesise(model, text, voice=voice[person]))
               for text, person in zip(strings, voice, strict=True)]

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
    learnt = lessons(corpus, "train", n_jobs)
    clips, validation = list(learnt.values()), list(lessons(corpus, "validation", n_jobs).values())
    lengths = [len(told[0]) for _, told in clips]
    model = begun(recipe).scaled(clips)
    history = fitted(name, recipe, model, clips, validation, progress, lengths)
    alone, people = measured(model, corpus, n_jobs=n_jobs), {}
    for path, (_, told) in learnt.items():
        people.setdefault(path.split("/")[0], []).append(told[0])
    hears = listener(list(people.values()), progress)
    with torch.inference_mode():
        own = {person: normalize(hears(torch.stack([cut(one) for one in some])).mean(dim=0), dim=0).clone()
               for person, some in people.items()}
    heard = [own[path.split("/")[0]] for path in learnt]
    second = training.fit(
        model, list(zip(clips, heard, strict=True)), loss=functools.partial(beside, hears, model),
        collate=functools.partial(with_voices, model), lengths=lengths, progress=progress,
        resume=paths.data("runs", name, f"{known_by(recipe)}-beside.pt"), **BESIDE)
    models.checkpoints.halve(model.cpu())
    found = {"alone": alone, "test": measured(model, corpus, n_jobs=n_jobs),
             "vocoder": measured(model, corpus, models.load("vocoder-istft-english")[0].sound, n_jobs)}
    return kept(name, recipe, model, history, [corpus], {
        "feature": "vocode.picture", "units": [*tts.SYMBOLS], "encoder": ENCODER, "judge": JUDGE,
        "listener": LISTENER, "beside": BESIDE | {"weight": WEIGHT},
        "steps": history.rows[-1]["step"] + second.rows[-1]["step"],
        "seconds": round(history.seconds + second.seconds), "metrics": found})


def evaluate(name, recipe, n_jobs):
    """As `audiolab.recipes.evaluate`."""
    model, _ = models.load(name)
    return measured(model, recipe.test(n_jobs=n_jobs), n_jobs=n_jobs)
