"""The recipe of the neural vocoder, and how a vocoder is judged: by what is left of a sound that became a picture.

Copy synthesis it is called: a recording, its picture, a sound made of that picture, compared with the recording.
"""

import time

import numpy as np
import torch

from .. import features, metrics, models, paths, vocode
from ..corpora import speech
from ..corpus import deal, make
from .naming import only_test
from .phones import at_16k
from .writing import Transcription, begun, fitted, kept

HOP = vocode.SIZES["hop_length"]
FRAMES = 65                     # of a training crop: 0.8 s
LOOKED_AT = 40                  # validation clips


def plan_readings(n=1600, seed=0):
    """Plan of `readings`, a row for each clip; see `audiolab.corpus.make`."""
    rng = np.random.default_rng([seed, 5])
    voices = ["en-us" + (f"+{variant}" if variant else "") for variant in speech.MODELS]
    group = deal(rng, voices, n)
    return speech.plan_sentences(n, seed).assign(
        path=[f"{voice}/{i:05d}.flac" for i, voice in enumerate(group)], group=group, accent="en-us",
        rate=rng.integers(120, 241, n), pitch=rng.integers(20, 81, n))


def readings(n=1600, seed=0, n_jobs=1):
    """Corpus of the sentences of `speech.prompts`, read by the voices in `speech.MODELS`, high and low, quick and slow.

    The voices are the same in all splits, as in text to speech; the sentences of one split are heard in no other.
    """
    name = f"speech-readings-n{n}-s{seed}"
    return make(paths.data("raw", name), plan_readings(n, seed), speech.render, n_jobs=n_jobs, desc=name,
                licence="CC-BY-4.0")


def readings_test(n_jobs=1):
    """Those of them that are for the test."""
    return only_test("speech-readings-test", plan_readings, speech.render, n_jobs)


def pitch(y, sr):
    """The pitch of every frame of a picture in hertz, 0 where there is no voice: one row."""
    f0, voiced = features.yin(at_16k(y, sr)[0], vocode.SR, hop_length=HOP)
    return np.where(voiced, f0, 0).astype(np.float32)[None]


def copied(corpus, split=None, n_jobs=1):
    """A list of ``(picture [1, 80, time], (signal [200 (time - 1)], pitch [time]))``: a data set for the vocoder."""
    signals, pitches = (features.extract(corpus, feature, n_jobs=n_jobs) for feature in (at_16k, pitch))
    if split:
        signals, pitches = signals.split(split), pitches.split(split)
    found = []
    for i in range(len(signals)):
        y = signals[i][0][0].astype(np.float32)
        picture = torch.from_numpy(vocode.picture(y))[None]
        f0 = torch.from_numpy(pitches[i][0][0])
        found.append((picture, (torch.from_numpy(y[: HOP * (picture.shape[2] - 1)]), f0)))
    return found


def cropped(x, y, generator):
    """`FRAMES` of each clip from anywhere in it, up to 10 dB softer."""
    (pictures, lengths), (signals, pitches) = x, y
    gain = 10 ** (-0.5 * torch.rand(len(lengths), generator=generator))
    picture, signal, f0 = [], [], []
    for i, g in enumerate(gain.tolist()):
        start = int(torch.randint(max(1, int(lengths[i]) - FRAMES + 1), (), generator=generator))
        picture.append((pictures[i, ..., start : start + FRAMES] + 2 * np.log(g)).clamp(min=features.mel.SILENCE))
        signal.append(g * signals[i, HOP * start : HOP * (start + FRAMES - 1)])
        f0.append(pitches[i, start : start + FRAMES])
    return (torch.stack(picture), lengths.clamp(max=FRAMES)), (torch.stack(signal), torch.stack(f0))


RECIPES = {
    "vocoder-istft-english": Transcription(
        title="makes the sound of a picture", corpora=(readings,), test=readings_test, licence="CC-BY-4.0",
        model=models.Vocoder, epochs=120, heard=cropped, fit=dict(lr=2e-3, clip=1.0, weight_decay=0.01, batch_size=16),
        note="Knows the eight voices in speech.MODELS, and reads the log-mel of audiolab.vocode (80 channels, 12.5 ms) "
             "alone. Its source is a train of pulses of the pitch that it reads from the picture, and noise."),
}


def measured(sound, clips):
    """How near a vocoder comes to what it copies, mean over the clips. Levels do not count: each copy gets its clip's.

    Parameters
    ----------
    sound : callable
        ``sound(picture [80, time]) -> signal``: ``vocode.sound``, or that of a `Vocoder`.
    clips : list of pair
        As `copied` gives them.

    Returns
    -------
    dict of str to float
        `clips`; `stoi`; `log_mel`, the mean distance of the pictures (natural logarithm of power); `mcd` in decibels;
        `f0_cents`, `f0_gross` and `voicing` as `metrics.f0_error` has them.
    """
    rows = []
    for picture, (signal, _) in clips:
        y = signal.numpy()
        copy = sound(picture[0].numpy())
        copy = copy * (np.linalg.norm(y) / np.linalg.norm(copy))
        f0 = metrics.f0_error(y, copy, vocode.SR)
        rows.append({"stoi": metrics.stoi(y, copy, vocode.SR),
                     "log_mel": np.abs(vocode.picture(copy) - vocode.picture(y)).mean(),
                     "mcd": metrics.mel_cepstral_distortion(y, copy, vocode.SR),
                     "f0_cents": f0["cents"], "f0_gross": f0["gross"], "voicing": f0["voicing"]})
    return {"clips": len(clips)} | {key: float(np.nanmean([row[key] for row in rows])) for key in rows[0]}


def opinion(sound, clips):
    """The mean of PESQ over the clips; None where its package is not there."""
    try:
        return float(np.mean([metrics.pesq(signal.numpy(), sound(picture[0].numpy()), vocode.SR)
                              for picture, (signal, _) in clips]))
    except ImportError:
        return None


def speed(sound, clips):
    """Seconds of sound that are made in a second of one thread, median over the clips."""
    factors = []
    with models.threads(1):
        for picture, (signal, _) in clips:
            start = time.perf_counter()
            sound(picture[0].numpy())
            factors.append(len(signal) / vocode.SR / (time.perf_counter() - start))
    return float(np.median(factors))


def train(name, recipe, n_jobs, progress):
    """As `audiolab.recipes.train`."""
    corpora = [corpus(n_jobs=n_jobs) for corpus in recipe.corpora]
    learnt, validation = (copied(corpora[0], split, n_jobs) for split in ("train", "validation"))
    model = begun(recipe)
    history = fitted(name, recipe, model, learnt, validation[:LOOKED_AT], progress)
    test = copied(recipe.test(n_jobs=n_jobs), "test", n_jobs)
    ways = {"test": model.cpu().sound, "griffin_lim": vocode.sound}
    found = {way: measured(sound, test) for way, sound in ways.items()}
    found["pesq"] = {way: opinion(sound, test) for way, sound in ways.items()}
    found["times_real_time"] = {way: speed(sound, test[:20]) for way, sound in ways.items()}
    return kept(name, recipe, model, history, corpora, {"metrics": found})


def evaluate(name, recipe, n_jobs):
    """As `audiolab.recipes.evaluate`."""
    model, _ = models.load(name)
    return measured(model.sound, copied(recipe.test(n_jobs=n_jobs), "test", n_jobs))
