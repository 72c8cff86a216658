"""The explorers of chapter 03: how long a window is, how many mel channels there are."""

import numpy as np

from .. import audio, features, plots
from .explorer import choice, explore, slider


def window_length(y, sr):
    """Change the length of the window, and see what becomes sharp and what blurs.

    Parameters
    ----------
    y : np.ndarray, shape [n]
    sr : int
        Samples per second.

    Taught in: notebooks/03_features.ipynb, "How short may a look be?"
    """
    def picture(milliseconds):
        n = 2 * round(milliseconds * sr / 2000)
        S = np.abs(features.stft(y, n_fft=max(1024, n), win_length=n, hop_length=round(0.005 * sr)))
        level = features.amplitude_to_db(S[: len(S) * 8000 // sr], top_db=70)
        kilohertz = {round(k * 1000 * max(1024, n) / sr): str(k) for k in range(4)}
        plots.matrices({f"{milliseconds} ms: bins {sr / n:.0f} Hz wide": level}, x_label="time (s)", step=0.005,
                       y_label="frequency (kHz)", rows=kilohertz,
                       title="Fine in time or fine in frequency",
                       alt=f"Spectrogram up to 4 kHz through a window of {milliseconds} ms.")

    explore(picture, milliseconds=slider("window (ms)", 25, 4, 120, 1))


def mel_bands(y, sr):
    """Change the number of mel channels and their scale; hear noise that has nothing but those.

    Parameters
    ----------
    y : np.ndarray, shape [n]
    sr : int
        Samples per second.

    Taught in: notebooks/03_features.ipynb, "How does an ear divide the frequencies?"
    """
    hop = sr // 100
    power = np.abs(features.stft(y, n_fft=1024, hop_length=hop)) ** 2
    noise = features.stft(np.random.default_rng(0).standard_normal(len(y)), n_fft=1024, hop_length=hop)

    def picture(channels, scale):
        bank = features.mel_filterbank(sr, 1024, n_mels=channels, htk=scale == "O'Shaughnessy")
        mel, share = bank @ power, bank @ np.abs(noise) ** 2
        gain = bank.T @ np.sqrt(mel / share) / np.maximum(bank.sum(axis=0), 1e-9)[:, None]
        plots.matrices({f"{channels} channels": np.log(np.maximum(mel, 1e-5))}, x_label="time (s)", step=0.01,
                       y_label="mel channel", title=f"{channels} numbers every 10 ms",
                       alt=f"Log-mel spectrogram with {channels} channels.")
        audio.play(features.istft(gain * noise, hop_length=hop, length=len(y)), sr=sr, lossless=True,
                   titles=[f"noise with the levels of {channels} channels"])

    explore(picture, channels=slider("mel channels", 40, 4, 60),
            scale=choice("scale", "Slaney", ["Slaney", "O'Shaughnessy"]))
