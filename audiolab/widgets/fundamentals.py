"""The explorers of chapter 01: aliasing, bit depth, additive synthesis."""

import numpy as np

from .. import audio, measure, plots, synth
from .explorer import choice, explore, slider


def aliasing():
    """Move a tone past half the sampling rate: the dots stay the same, the tone that fits them does not.

    Taught in: notebooks/01_fundamentals.ipynb, "How often must we look?"
    """
    sr, fine = 8000, 320000

    def picture(frequency):
        heard = measure.alias(frequency, sr)
        t = np.arange(round(0.002 * fine)) / fine
        n = np.arange(round(0.002 * sr)) / sr
        turned = frequency % sr > sr / 2                             # folded down: the alias runs backwards
        plots.samples(
            t, {f"the tone, {frequency} Hz": np.sin(2 * np.pi * frequency * t),
                f"what the samples say, {heard:.0f} Hz": np.sin(2 * np.pi * (-heard if turned else heard) * t)},
            n, np.sin(2 * np.pi * frequency * n),
            title=f"{frequency} Hz sampled at {sr} Hz is heard as {heard:.0f} Hz",
            alt=f"A sine of {frequency} Hz, its samples 1/8000 s apart, and the sine of {heard:.0f} Hz through them.",
        )
        audio.play(synth.tone(frequency, 1, sr, 0.3), sr=sr, titles=[f"{frequency} Hz, sampled at {sr} Hz"],
                   lossless=True)

    explore(picture, frequency=slider("frequency (Hz)", 5000, 200, 16000, 100))


def bit_depth(y, sr):
    """Take bits away from a recording, without dither and with either kind.

    Parameters
    ----------
    y : np.ndarray, shape [n]
    sr : int

    Taught in: notebooks/01_fundamentals.ipynb, "How many bits does an ear need?"
    """
    middle = int(np.argmax(np.abs(y)))
    start = min(max(0, middle / sr - 0.005), max(0, len(y) / sr - 0.01))

    def picture(bits, dither):
        coarse = synth.quantize(y, bits, None if dither == "none" else dither, np.random.default_rng(0))
        kind = f"{bits} bits" if dither == "none" else f"{bits} bits, {dither} dither"
        title = f"{kind}: {2**bits:,} levels, SNR {measure.snr(y, coarse):.1f} dB"
        plots.waveform({"original": y, f"{bits} bits": coarse}, sr, start=start, stop=start + 0.01, overlay=True,
                       steps=True, title=title, alt=f"10 ms of the recording; its copy at {bits} bits is a staircase.")
        audio.play(coarse, sr=sr, titles=[title], lossless=True)

    explore(picture, bits=slider("bits", 4, 1, 16),
            dither=choice("dither", "none", ["none", "rectangular", "triangular"]))


def additive():
    """Build a waveform from a fundamental and seven overtones.

    Taught in: notebooks/01_fundamentals.ipynb, "What gives a sound its colour?"
    """
    sr, partials = 16000, 8

    def picture(frequency, **amplitudes):
        y = synth.harmonics(frequency, [0.5 * a for a in amplitudes.values()], 1.0, sr)
        y = 0.8 * y / max(1.0, measure.peak(y))                      # a full set of sliders would clip
        amounts = ", ".join(f"{a:g}" for a in amplitudes.values())
        plots.waveform(y, sr, stop=0.02, title="The sum of the partials, two hundredths of a second",
                       alt=f"Waveform of {frequency} Hz with partials of amplitude {amounts}.")
        audio.play(y, sr=sr, titles=[f"{frequency} Hz with {np.count_nonzero(list(amplitudes.values()))} partials"],
                   lossless=True)

    sliders = {f"a{k}": slider(f"partial {k}", round(1 / k, 2) if k % 2 else 0, 0, 1, 0.01)
               for k in range(1, partials + 1)}
    explore(picture, frequency=slider("frequency (Hz)", 220, 50, 880, 10), **sliders)
