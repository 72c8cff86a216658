"""The explorer of chapter 02: a filter, drawn and heard."""

import numpy as np
from scipy import signal

from .. import audio, plots, preprocess
from .explorer import choice, explore, slider


def filter_designer(y, sr):
    """Set a filter's family, kind, order and cutoff; see what it lets through, and hear it.

    Parameters
    ----------
    y : np.ndarray, shape [n]
        What the filter is tried on.
    sr : int
        Samples per second.

    Taught in: notebooks/02_preprocessing.ipynb, "Which frequencies may pass?"
    """
    f = np.geomspace(20, sr / 2, 400)

    def picture(family, kind, cutoff, order, transition):
        if family == "Butterworth":
            sos = preprocess.butterworth(order, cutoff, sr, kind)
            response, cost = signal.sosfreqz(sos, f, fs=sr)[1], f"{5 * len(sos)} multiplications a sample"
            out = preprocess.filter_signal(y, sos)
        else:
            taps = preprocess.fir(cutoff, sr, transition, attenuation=60, kind=kind)
            response, cost = signal.freqz(taps, 1, f, fs=sr)[1], f"{len(taps)} multiplications a sample"
            out = preprocess.filter_signal(y, taps)
        level = 20 * np.log10(np.maximum(np.abs(response), 1e-6))
        title = f"{family} {kind} at {cutoff} Hz: {cost}"
        plots.lines(f, {"": level}, x_label="frequency (Hz)", y_label="response (dB)", log_x=True, y_range=(-90, 6),
                    title=title, alt=f"Response over frequency of a {family} {kind} with its cutoff at {cutoff} Hz.")
        audio.play(out, sr=sr, titles=[title], lossless=True)

    explore(picture, family=choice("family", "Butterworth", ["Butterworth", "FIR"]),
            kind=choice("kind", "highpass", ["lowpass", "highpass"]),
            cutoff=slider("cutoff (Hz)", 300, 40, int(0.45 * sr), 10),
            order=slider("order (Butterworth)", 4, 1, 12), transition=slider("transition (Hz, FIR)", 200, 40, 1000, 20))
