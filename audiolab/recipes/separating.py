"""Recipes of the networks that take mixtures apart, and how they are judged: by how much nearer to the truth one is.

They train on mixtures that are made anew at every step, from the parts of those in the corpus: each voice with the
noise, or the other voice, of another clip, at another level.
"""

import functools
import itertools
import time

import numpy as np
import torch
from torch.nn.functional import interpolate

from .. import augment, enhance, features, metrics, models, paths, training
from ..corpora import mixtures, remote
from ..models import separate
from .naming import only_test
from .writing import Transcription, begun, kept, known_by

CROP = 2 / 3                    # of a clip's 3 s, for a training step
SNRS = (-5, 0, 5, 10, 15)       # dB, of the voice in the tests
SEMITONES = (0, 3, 7, np.inf)   # between the pitches of two voices: alike, apart, far apart
GAIN = (-20.0, 5.0)             # dB


def in_noise(x, y, generator):
    """Voices in the noise of other clips of the batch, `varied`, at another SNR; some by a microphone of narrower band.

    What is asked for is the voice as the microphone has it.
    """
    n = round(CROP * y.shape[2])
    voices, noises = cropped(y[:, 0], n, generator), varied(other(y[:, 1], generator), n, generator)
    y = mixed_anew(voices, noises, mixtures.SNR, generator)
    low, high, some = torch.rand((3, len(y), 1), generator=generator).expand(-1, -1, 2).flatten(1).to(y.device)
    narrow = augment.band(y.flatten(0, 1), 16000, 50 + 250 * low, 3400 + 4600 * high).view_as(y)
    y = torch.where(some.view(-1, 2, 1) < 0.3, narrow, y)
    return y.sum(dim=1), y


def at_once(x, y, generator):
    """Voices with the second voices of other clips of the batch, at another ratio."""
    y = cropped(y, round(CROP * y.shape[2]), generator)
    y = mixed_anew(y[:, 0], other(y[:, 1], generator), (-mixtures.RATIO[1], mixtures.RATIO[1]), generator)
    return y.sum(dim=1), y


def cropped(y, n, generator):
    """`n` samples of all signals [..., m], from one place anywhere in them."""
    start = int(torch.randint(y.shape[-1] - n + 1, (), generator=generator))
    return y[..., start : start + n]


def other(y, generator):
    """The same signals in another order."""
    return y[torch.randperm(len(y), generator=generator)]


def mixed_anew(first, second, ratio, generator):
    """Parts [batch, 2, n] of two signals each [batch, n], at ratios drawn evenly, in decibels, at any level."""
    second = augment.mix_at_snr(first, second, drawn(first, *ratio, generator)) - first
    return torch.stack([first, second], dim=1) * 10 ** (drawn(first, *GAIN, generator) / 20)[:, None, None]


def drawn(y, low, high, generator):
    """A number for each of a batch, drawn evenly."""
    return (low + (high - low) * torch.rand(len(y), generator=generator)).to(y.device)


def varied(noises, n, generator):
    """Noises as of more kinds than there are: `n` samples of each [batch, m].

    They are played slower or faster, some two at once, some with steady noise of any colour, and each by way of
    something that favours some octaves: gains of 6 dB standard deviation, every octave its own.
    """
    speed = 0.65 + 0.75 * torch.rand((), generator=generator).item()
    y = interpolate(cropped(noises, round(speed * n), generator)[:, None], size=n, mode="linear")[:, 0]
    two, hissing = (drawn(y, 0, 1, generator)[:, None] < share for share in (0.4, 0.3))
    y = torch.where(two, augment.mix_at_snr(y, other(y, generator), drawn(y, -5, 10, generator)), y)
    hiss = augment.coloured(y.shape, 16000, drawn(y, -2, 1, generator), generator).to(y.device)
    y = torch.where(hissing, augment.mix_at_snr(y, hiss, drawn(y, -10, 15, generator)), y)
    octave = (torch.fft.rfftfreq(n, 1 / 16000).clamp(min=63) / 62.5).log2()     # 0 to 7
    gains = 6 * torch.randn((len(y), 9), generator=generator)
    low = octave.long()
    gain_db = torch.lerp(gains[:, low], gains[:, low + 1], octave - low)
    return torch.fft.irfft(torch.fft.rfft(y) * 10 ** (gain_db / 20).to(y.device), n)


# ---------------------------------------------------------------------------------------- the recipes


def noisy(n_jobs=1):
    """Voices in noise."""
    return mixtures.noisy_voices(2000, n_jobs=n_jobs)


def noisy_test(n_jobs=1):
    """Those of them that are for the test."""
    return only_test("mixtures-noisy-voices-test", functools.partial(mixtures.plan_noisy_voices, 2000),
                     mixtures.render_noisy_voice, n_jobs)


def pairs(n_jobs=1):
    """Two voices at once."""
    return mixtures.two_voices(4000, n_jobs=n_jobs)


def pairs_test(n_jobs=1):
    """Those of them that are for the test."""
    return only_test("mixtures-two-voices-test", functools.partial(mixtures.plan_two_voices, 4000),
                     mixtures.render_two_voices, n_jobs)


_CLEANS = dict(title="frees a voice from noise", corpora=(noisy,), test=noisy_test, licence="CC-BY-4.0", heard=in_noise,
               also={"fsdd": mixtures.real_noisy_voices})
RECIPES = {
    "voice-gru-scenes": Transcription(**_CLEANS | dict(
        model=models.RecurrentMask, epochs=36, fit=dict(lr=3e-3, clip=1.0, weight_decay=0.01, batch_size=16),
        note="Causal: windows of 10 ms every 5 ms, no look ahead; `step` takes a live sound block by block.")),
    "voice-unet-scenes": Transcription(**_CLEANS | dict(
        model=models.UNet, epochs=36, fit=dict(lr=3e-3, clip=1.0, weight_decay=0.01, batch_size=8),
        note="Looks at the whole clip before it answers.")),
    "two-voices-convtasnet-speech": Transcription(
        title="takes two voices apart", corpora=(pairs,), test=pairs_test, licence="CC-BY-4.0", heard=at_once,
        model=models.ConvTasNet, epochs=15, fit=dict(lr=1.5e-3, clip=1.0, weight_decay=0.01, batch_size=4),
        also={"fsdd": mixtures.real_voices},
        note="At 8 kHz, as WSJ0-2mix. Two synthetic voices, always two, without a room."),
}


# ---------------------------------------------------------------------------------------- following one


def sources(corpus, split):
    """The parts of all clips of a split that are equally long: a tensor [clips, 2, n]."""
    return torch.stack([torch.from_numpy(y) for y, _, _ in corpus.split(split)])


def mixed(parts):
    """Mixtures and their parts, a data set for `audiolab.training.fit`: [clips, n] and [clips, 2, n].

    Taught in: notebooks/08_separation.ipynb, "Can a network clean a voice?"
    """
    return parts.sum(dim=1), parts


def at_snr(parts, snr):
    """The same parts, a tensor [..., 2, n], the second at such a level that the first is `snr` dB above it.

    Raises ValueError if the second is silent.

    Taught in: notebooks/08_separation.ipynb, "Can a network clean a voice?"
    """
    first, second = parts.unbind(-2)
    power = second.square().sum(-1, keepdim=True)
    if not power.all():
        raise ValueError("The second part is silent: it has no level that could be changed.")
    ratio = first.square().sum(-1, keepdim=True) / power
    return torch.stack([first, second * (ratio / 10 ** (snr / 10)).sqrt()], dim=-2)


def cleaned(model, parts):
    """How much nearer to the voices a denoiser comes than their mixtures are.

    Parameters
    ----------
    model : callable
        ``model(mixture [1, n]) -> voice [1, n]``.
    parts : sequence of torch.Tensor, shape [2, n]
        Voice and noise.

    Returns
    -------
    np.ndarray, shape [clips, 4]
        SI-SDR of mixture and estimate, in decibels, STOI of both.

    Taught in: notebooks/08_separation.ipynb, "Can a network clean a voice?"
    """
    rows = []
    for part in parts:
        voice, mix = part[0].numpy(), part.sum(dim=0, keepdim=True)
        with torch.inference_mode():
            found = model(mix)
        heard = [y[0].numpy() for y in (mix, found)]
        rows.append([*(metrics.si_sdr(voice, y) for y in heard), *(metrics.stoi(voice, y, 16000) for y in heard)])
    return np.array(rows)


def parted(model, parts):
    """How much nearer to two voices a network comes than their mixtures are, and how near the ideal ratio mask.

    Parameters
    ----------
    model : callable
        ``model(mixture [1, n]) -> voices [1, 2, n]``, in any order.
    parts : sequence of torch.Tensor, shape [2, n]

    Returns
    -------
    np.ndarray, shape [clips, 3]
        SI-SDR, mean of the two voices, in decibels: of the mixture, the estimate, and the ideal ratio mask
        (`audiolab.enhance.oracle`).

    Taught in: notebooks/08_separation.ipynb, "Who is who?"
    """
    rows = []
    for part in parts:
        mix = part.sum(dim=0, keepdim=True)
        with torch.inference_mode():
            found = model(mix)
        _, [order] = separate.permutation_invariant(found, part[None])
        voices, ideal = part.numpy(), enhance.oracle(part.numpy(), n_fft=256)  # windows of 32 ms
        rows.append([np.mean(metrics.si_sdr(voices, y)) for y in (
            np.broadcast_to(mix, part.shape), found[0, order].numpy(), ideal)])
    return np.array(rows)


def pitch_gaps(parts, sr):
    """How many semitones lie between the median pitches of the two voices of each clip; NaN where one has none."""
    def pitch(y):
        f0, voiced = features.yin(y, sr)
        return np.median(f0[voiced]) if voiced.any() else np.nan

    return np.array([abs(12 * np.log2(pitch(a.numpy()) / pitch(b.numpy()))) for a, b in parts])


def worth(rows):
    """What rows of `cleaned` or `parted` come to, as a card holds it: see `measured`."""
    gains = rows[:, 1] - rows[:, 0]
    low, high = metrics.bootstrap(np.mean, gains)
    found = {"clips": len(rows), "si_sdri": float(gains.mean()), "low": low, "high": high}
    if rows.shape[1] == 3:
        return found | {"irm": float((rows[:, 2] - rows[:, 0]).mean())}
    return found | {"stoi_mixture": float(rows[:, 2].mean()), "stoi": float(rows[:, 3].mean())}


def measured(model, parts):
    """What a checkpoint is worth on parts that it has not met, as a card holds it.

    Parameters
    ----------
    model : UNet, RecurrentMask or ConvTasNet
    parts : sequence of torch.Tensor, shape [2, n]
        Voices in noise are mixed at 0 dB, two voices as they are.

    Returns
    -------
    dict of str to float
        `clips`; `si_sdri`, the mean improvement of SI-SDR in decibels, and its bootstrap interval, `low` to `high`. Of
        a denoiser also `stoi_mixture` and `stoi`; of two voices `irm`, the improvement by the ideal ratio mask.
    """
    if isinstance(model, models.ConvTasNet):
        return worth(parted(model, parts))
    return worth(cleaned(model, [at_snr(part, 0.0) for part in parts]))


def by_pitch(model, corpus):
    """All test clips of two voices, and those whose voices lie so many semitones apart."""
    parts = sources(corpus, "test")
    rows, gaps = parted(model, parts), pitch_gaps(parts, model.sr)
    return {"test": worth(rows)} | {f"{low} to {high} semitones": worth(rows[(gaps >= low) & (gaps < high)])
                                    for low, high in itertools.pairwise(SEMITONES)}


def by_noise(model, corpus):
    """Test clips of voices in noise at 0 dB, those of known and those of new kinds of noise, and all at every SNR."""
    parts, new = sources(corpus, "test"), corpus.split("test").table.new.to_numpy() == 1
    rows = {snr: cleaned(model, at_snr(parts, snr)) for snr in SNRS}
    return {"test": worth(rows[0]), "known noises": worth(rows[0][~new]), "new noises": worth(rows[0][new])} | {
        f"{snr} dB": worth(rows[snr]) for snr in SNRS}


def opinions(model, parts):
    """The mean of PESQ over mixtures at 0 dB and over what a denoiser makes of them; None where its package is not."""
    found = {"mixture": [], "voice": []}
    for part in parts:
        part = at_snr(part, 0.0)
        mix = part.sum(dim=0, keepdim=True)
        with torch.inference_mode():
            heard = {"mixture": mix, "voice": model(mix)}
        try:
            for name, y in heard.items():
                found[name].append(metrics.pesq(part[0].numpy(), y[0].numpy(), model.sr))
        except ImportError:
            return None
    return {name: float(np.mean(scores)) for name, scores in found.items()}


def real_time_factor(model, parts):
    """Seconds that one core computes for a second of sound, median over the clips."""
    factors = []
    with models.threads(1):
        for part in parts:
            start = time.process_time()                         # of this process alone, whoever else is at work
            with torch.inference_mode():
                model(part.sum(dim=0, keepdim=True))
            factors.append((time.process_time() - start) / (part.shape[1] / model.sr))
    return float(np.median(factors))


def train(name, recipe, n_jobs, progress):
    """As `audiolab.recipes.train`."""
    [corpus] = (corpus(n_jobs=n_jobs) for corpus in recipe.corpora)
    model = begun(recipe)
    history = training.fit(
        model, mixed(sources(corpus, "train")), mixed(sources(corpus, "validation")), loss=model.loss,
        epochs=recipe.epochs, augment=recipe.heard, seed=recipe.seed, progress=progress,
        resume=paths.data("runs", name, f"{known_by(recipe)}.pt"), **recipe.fit)
    models.checkpoints.halve(model.cpu())
    found = by_pitch(model, corpus) if isinstance(model, models.ConvTasNet) else by_noise(model, corpus)
    for other, real in recipe.also.items():
        if remote.at_hand(other):
            found[other] = measured(model, [torch.from_numpy(y) for y, _, _ in real(n_jobs=n_jobs)])
    if isinstance(model, separate.Denoiser):
        found["pesq"] = opinions(model, sources(corpus, "test"))
    return kept(name, recipe, model, history, [corpus], {
        "feature": "none: the signal itself", "metrics": found, "latency_ms": getattr(model, "latency_ms", None),
        "real_time_factor": round(real_time_factor(model, sources(corpus, "validation")[:20]), 4)})


def evaluate(name, recipe, n_jobs):
    """As `audiolab.recipes.evaluate`."""
    model, _ = models.load(name)
    return measured(model, sources(recipe.test(n_jobs=n_jobs), "test"))
