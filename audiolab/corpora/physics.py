"""What sounding things are made of: parameters and their ranges, partials, modes, pushes, grains, noise.

The building blocks of `events`. Times are in seconds, frequencies in hertz, signals at 16 kHz in arrays of shape
[n]. No partial is made above ``TOP``, so that nothing folds down.
"""

from dataclasses import dataclass

import numpy as np

SR = 16000
TOP = 7600.0
#: Ninths of each range that belong to a split. The training's lie between and around the others'.
BANDS = {"train": (0, 2, 4, 6, 8), "validation": (3, 7), "test": (1, 5)}


# ---------------------------------------------------------------------------------------- parameters


@dataclass(frozen=True)
class Range:
    """Values that a parameter may take, from `low` to `high`, evenly or (`log`) in even ratios."""

    low: float
    high: float
    log: bool = False

    def at(self, u):
        """The value at `u`, 0 to 1."""
        return self.low * (self.high / self.low) ** u if self.log else self.low + (self.high - self.low) * u


def log(low, high):
    """A range of even ratios, as pitches, rates and sizes have."""
    return Range(low, high, log=True)


def draw(ranges, split, rng):
    """Parameters from those parts of their ranges that belong to a split.

    Parameters
    ----------
    ranges : dict of str to Range
    split : {"train", "validation", "test"}
    rng : np.random.Generator

    Returns
    -------
    dict of str to float
        No value of one split can occur in another.
    """
    bands = BANDS[split]
    width = 1 / sum(len(b) for b in BANDS.values())
    return {name: float(r.at((bands[rng.integers(len(bands))] + rng.uniform(0.001, 0.999)) * width))
            for name, r in ranges.items()}


# ---------------------------------------------------------------------------------------- signals


def harmonics(phase, frequency, amplitudes):
    """``sum a_k sin(k phase)``, each partial faded out as it nears `TOP`.

    Sines come by recurrence, ``sin kx = 2 cos x sin (k-1)x - sin (k-2)x``, which costs two operations each.
    """
    y, before, partial, double = np.zeros_like(phase), 0, np.sin(phase), 2 * np.cos(phase)
    lowest, highest = np.min(frequency), np.max(frequency)
    for k, a in enumerate(amplitudes, start=1):
        if k * lowest >= TOP:
            break
        safe = k * highest < TOP - 500
        y += a * partial if safe else a * partial * np.clip((TOP - k * frequency) / 500, 0, 1)
        before, partial = partial, double * partial - before
    return y


def phase_of(frequency):
    """The integral of a frequency in hertz over time."""
    return 2 * np.pi * np.cumsum(frequency) / SR


def modes(x, frequencies, t60, gains):
    """Decaying cosines ``gain exp(-6.9 t / t60) cos(2 pi f t)``, set going by each sample of `x`.

    Each is a two-pole filter with zeros at 0 Hz and at half the sample rate: a push leaves no offset behind.
    """
    from scipy.signal import lfilter

    y = np.zeros_like(x)
    for f, t, g in zip(frequencies, np.broadcast_to(t60, np.shape(frequencies)), gains, strict=True):
        if f < TOP:
            r = 10 ** (-3 / (t * SR))
            y += lfilter([g / 2, 0, -g / 2], [1, -2 * r * np.cos(2 * np.pi * f / SR), r * r], x)
    return y


def shape(x, gain):
    """Filter by a gain over frequency; `gain` takes hertz and gives an array."""
    from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

    n = next_fast_len(x.size + 2000, real=True)                     # the padding takes what wraps around
    f = rfftfreq(n, 1 / SR).astype(np.float32)                      # single precision is twice as quick and fine enough
    return irfft(rfft(x.astype(np.float32), n) * gain(f), n)[: x.size]


def white(n, rng):
    """White noise of RMS 1."""
    return rng.standard_normal(n, dtype=np.float32)


def band(low, high, slope=2):
    """Gain of a band with skirts that fall as ``f ** ±slope``."""
    return lambda f: 1 / (1 + (low / np.maximum(f, 1.0)) ** slope) / (1 + (f / high) ** slope)


def peaks(centres, widths, gains):
    """Gain of resonances in parallel, each a bell of the given width in hertz."""
    bells = [tuple(map(float, bell)) for bell in zip(centres, widths, gains, strict=True)]
    return lambda f: sum(g / np.sqrt(1 + ((f - c) / (w / 2)) ** 2) for c, w, g in bells)


def impulses(n, times, amplitudes):
    """Impulses at any times, each shared between the two samples next to it."""
    position = np.asarray(times) * SR
    whole = np.floor(position).astype(int)
    keep = (whole >= 0) & (whole < n - 1)
    whole, part = whole[keep], (position - np.floor(position))[keep]
    a = np.broadcast_to(amplitudes, position.shape)[keep]
    return np.bincount(whole, a * (1 - part), n) + np.bincount(whole + 1, a * part, n)


def contact(x, seconds):
    """Widen impulses to the push of a soft thing: a raised cosine. The harder, the shorter, the brighter."""
    width = max(round(seconds * SR), 2)
    return np.convolve(x, np.hanning(width + 2)[1:-1] * 2 / (width + 1))[: x.size]


def grains(n, starts, kernels):
    """Short sounds, each at its own sample, added up."""
    y = np.zeros(n + max(map(len, kernels)))
    for start, kernel in zip(starts, kernels, strict=True):
        y[start : start + len(kernel)] += kernel
    return y[:n]


def ping(frequencies, t60, gains):
    """Decaying sines as one short kernel, as long as the slowest takes to fall by 40 dB."""
    f, t60, g = (np.asarray(x, dtype=np.float64)[:, None] for x in (frequencies, t60, gains))
    t = np.arange(max(round(0.67 * t60.max() * SR), 8)) / SR
    return np.sum(g * (f < TOP) * np.exp(-6.9 * t / t60) * np.sin(2 * np.pi * f * t), axis=0)


def drift(n, rng, rate, depth):
    """A slow random factor around 1, with `rate` turns a second: nothing in nature is steady."""
    points = rng.standard_normal(int(n / SR * rate) + 3)
    return np.exp(depth * np.interp(np.arange(n) / SR * rate, np.arange(points.size), points))


def rhythm(duration, rate, rng, jitter):
    """Times of repeated actions, the first at zero, with intervals that vary by the fraction `jitter`."""
    intervals = np.exp(jitter * rng.standard_normal(int(2 * duration * rate) + 2)) / rate
    times = np.concatenate([[0], np.cumsum(intervals)])
    return times[times < duration]


def pulses(n, times, lengths, rise=0.004):
    """An envelope that is 1 for a while after each of the times, with soft edges of `rise` seconds."""
    t = np.arange(n) / SR
    k = np.searchsorted(times, t, side="right") - 1
    since, length = t - np.asarray(times)[k], np.broadcast_to(lengths, np.shape(times))[k]
    return np.clip(since / rise, 0, 1) * np.clip((length - since) / rise, 0, 1)
