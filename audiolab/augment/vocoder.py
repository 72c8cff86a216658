"""Another tempo at the same pitch, another pitch at the same tempo."""

import numpy as np

from ..audio import floats
from ..preprocess import resample

WINDOW = 2048       # samples of a window; a quarter of it from one to the next


def time_stretch(y, rate):
    """Change the tempo and keep the pitch: a phase vocoder.

    The short-time spectrum is read at another speed: magnitudes between two frames are interpolated, and each bin's
    phase advances by what it advances from the one frame to the next, so that partials stay in tune. Their relation
    to each other is lost, which is heard as a slight reverberance and costs up to 1.5 dB.
    ``librosa.effects.time_stretch`` does the same.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
        At least 2048 samples.
    rate : float
        2 is twice as fast and half as long, 0.5 the other way round; 0.25 to 4.

    Returns
    -------
    np.ndarray, shape [..., round(n / rate)], float32

    Raises
    ------
    ValueError
        If the signal is too short, of integers, or the rate outside these.

    References
    ----------
    Flanagan and Golden, "Phase vocoder", 1966; Dolson, "The phase vocoder: a tutorial", 1986.

    Taught in: notebooks/02_preprocessing.ipynb, "How does one recording become many?"
    """
    from scipy.signal import istft, stft

    y = floats(y)
    if not 0.25 <= rate <= 4:
        raise ValueError(f"rate is a factor from 0.25 to 4, not {rate}.")
    if y.shape[-1] < WINDOW:
        raise ValueError(f"Stretching takes {WINDOW} samples or more, not {y.shape[-1]}.")
    hop, options = WINDOW // 4, {"nperseg": WINDOW, "noverlap": WINDOW - WINDOW // 4}
    X = stft(y, **options)[2]                                                   # [..., bins, frames]
    X = np.concatenate([X, np.zeros_like(X[..., :1])], axis=-1)                 # a frame to interpolate towards
    at = np.arange(0, X.shape[-1] - 1, rate)
    frame, part = at.astype(int), at % 1
    magnitude = (1 - part) * np.abs(X[..., frame]) + part * np.abs(X[..., frame + 1])
    expected = 2 * np.pi * hop * np.arange(WINDOW // 2 + 1)[:, None] / WINDOW
    advance = np.angle(X[..., frame + 1]) - np.angle(X[..., frame]) - expected
    advance = expected + advance - 2 * np.pi * np.round(advance / (2 * np.pi))  # within half a turn of the expected
    steps = np.concatenate([np.angle(X[..., :1]), advance[..., :-1]], axis=-1)
    phase = np.cumsum(steps, axis=-1)
    out, n = istft(magnitude * np.exp(1j * phase), **options)[1], round(y.shape[-1] / rate)
    short = max(0, n - out.shape[-1])
    return np.pad(out, [(0, 0)] * (y.ndim - 1) + [(0, short)])[..., :n].astype(np.float32)


def pitch_shift(y, sr, n_steps):
    """Change the pitch and keep the tempo: stretch, then resample back to the length.

    The resonances of a throat move along with the pitch, so that a voice sounds smaller or larger.
    ``librosa.effects.pitch_shift`` does the same.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
        At least 2048 samples.
    sr : int
        Samples per second.
    n_steps : float
        Semitones, up or down, -24 to 24.

    Returns
    -------
    np.ndarray, shape of `y`, float32

    Raises
    ------
    ValueError
        As `time_stretch`.

    Taught in: notebooks/02_preprocessing.ipynb, "How does one recording become many?"
    """
    y = floats(y)
    if not -24 <= n_steps <= 24:
        raise ValueError(f"n_steps is -24 to 24 semitones, not {n_steps}.")
    factor = 2 ** (n_steps / 12)
    out = resample(time_stretch(y, 1 / factor), sr * factor, sr)
    short = max(0, y.shape[-1] - out.shape[-1])
    return np.pad(out, [(0, 0)] * (y.ndim - 1) + [(0, short)])[..., : y.shape[-1]]
