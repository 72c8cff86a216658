"""What lies between a mouth and a recording: a room, other sounds, a microphone and its faults. For whole batches."""

import functools

import numpy as np

from .room import shoebox
from .signals import gain, mix_at_snr, reverberate


@functools.lru_cache(maxsize=4)
def rooms(n, sr, seed=0):
    """Impulse responses of small and middling rooms, from where somebody speaks to where a microphone stands.

    Parameters
    ----------
    n : int
    sr : int
    seed : int

    Returns
    -------
    torch.Tensor, shape [n, 0.6 * sr], float32
        Reverberation times of 0.1 to 0.6 s, distances of 0.3 to 3 m.

    Taught in: notebooks/04_speech_recognition.ipynb, "Does it understand real people?"
    """
    import torch

    rng, longest = np.random.default_rng(seed), round(0.6 * sr)
    bank = np.zeros((n, longest), np.float32)
    for row in bank:
        size = rng.uniform((2.5, 2.5, 2.3), (8, 6, 3.5))
        mouth = rng.uniform(0.5, size - 0.5)
        way = rng.standard_normal(3)
        microphone = np.clip(mouth + rng.uniform(0.3, 3) * way / np.linalg.norm(way), 0.2, size - 0.2)
        response = shoebox(size, mouth, microphone, rng.uniform(0.1, 0.6), sr, rng)[:longest]
        row[: len(response)] = response
    return torch.from_numpy(bank)


def recorded(y, sr, generator, responses):
    """A batch of clean voices as somebody's microphone might have taken them, each by chance.

    Every third stands in a room; half have noise of some colour, 5 to 35 dB below the mean of the whole signal, pauses
    included, some a second voice; every third loses its lowest and highest frequencies; all have another level, and a
    few are overdriven.

    Parameters
    ----------
    y : torch.Tensor, shape [batch, n], float32
    sr : int
    generator : torch.Generator
    responses : torch.Tensor, shape [rooms, k]
        From `rooms`, at the same rate.

    Returns
    -------
    torch.Tensor, shape [batch, n]
        Within ±1.

    Taught in: notebooks/04_speech_recognition.ipynb, "Does it understand real people?"
    """
    import torch

    def draw(low, high):
        return (low + (high - low) * torch.rand(len(y), generator=generator)).to(y.device)

    def some(share, changed, y):
        return torch.where(draw(0, 1)[:, None] < share, changed, y)

    which = torch.randint(len(responses), (len(y),), generator=generator)
    y = some(0.3, reverberate(y, responses.to(y.device)[which]), y)
    y = some(0.1, mix_at_snr(y, y[torch.randperm(len(y), generator=generator)], draw(10, 25)), y)
    y = some(0.5, mix_at_snr(y, coloured(y.shape, sr, draw(-2, 1), generator).to(y.device), draw(5, 35)), y)
    y = some(0.3, band(y, sr, low=draw(50, 300), high=draw(0.35, 0.5) * sr), y)
    peak = y.abs().amax(dim=1).clamp(min=1e-5)
    level = torch.where(draw(0, 1) < 0.05, draw(3, 12), draw(-30, 0))            # decibels of the peak, over 0 clipped
    return gain(y, level - 20 * peak.log10()).clamp(-1, 1)


def coloured(shape, sr, slope, generator):
    """Noise whose power goes with ``f ** slope`` above 50 Hz: 0 is white, -1 pink, -2 brown. [batch, n]."""
    import torch

    spectrum = torch.fft.rfft(torch.randn(shape, generator=generator))
    f = torch.fft.rfftfreq(shape[-1], 1 / sr).clamp(min=50) / 1000
    return torch.fft.irfft(spectrum * f ** (slope.cpu()[:, None] / 2), shape[-1])


def band(y, sr, low, high):
    """Let a band pass: 12 dB an octave below `low` and 24 above `high`, each Hz, [batch]. ``H`` of Butterworth filters.

    Only the magnitude of the filters is taken, so that nothing is delayed.
    """
    import torch

    f = torch.fft.rfftfreq(y.shape[-1], 1 / sr, device=y.device).clamp(min=1)
    H = (1 + (low[:, None] / f) ** 4) ** -0.5 * (1 + (f / high[:, None]) ** 8) ** -0.5
    return torch.fft.irfft(torch.fft.rfft(y) * H, y.shape[-1])
