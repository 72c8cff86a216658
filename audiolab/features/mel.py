"""Frequencies as an ear divides them: the mel scale, its filters, and the log-mel spectrogram of the course."""

import functools

import numpy as np

from .frames import stft

FLOOR = 1e-5                    # of mel power, about 74 dB below a full-scale sine in a window of 25 ms
SILENCE = float(np.log(FLOOR))  # what a log-mel holds where there is nothing
LINEAR = 200 / 3                # hertz per mel on Slaney's scale, below …
BREAK = 1000.0                  # … this many hertz; above, each mel is a ratio
RATIO = 6.4 ** (1 / 27)


def hz_to_mel(frequency, htk=False):
    """Hertz to mel.

    Slaney's scale is linear below 1 kHz, ``m = 3 f / 200``, and logarithmic above, ``m = 15 + 27 ln(f / 1000) / ln
    6.4``. O'Shaughnessy's, which HTK uses, is ``m = 2595 log10(1 + f / 700)``.

    Parameters
    ----------
    frequency : float or np.ndarray
        Hertz, not negative.
    htk : bool
        O'Shaughnessy's formula, in place of Slaney's.

    Returns
    -------
    float or np.ndarray
        1000 Hz are 15 mel by Slaney, 1000 by O'Shaughnessy: only one of the two scales has "1000 mel is 1000 Hz".

    Notes
    -----
    librosa takes Slaney's unless told ``htk=True``, torchaudio O'Shaughnessy's unless told ``mel_scale="slaney"``;
    Kaldi has O'Shaughnessy's, written ``1127 ln(1 + f / 700)``.

    References
    ----------
    Slaney, "Auditory toolbox", 1998; O'Shaughnessy, "Speech communication", 1987.

    Taught in: notebooks/03_features.ipynb, "How does an ear divide the frequencies?"
    """
    f = np.asarray(frequency, dtype=np.float64)
    if htk:
        return 2595 * np.log10(1 + f / 700)
    above = BREAK / LINEAR + np.log(np.maximum(f, BREAK) / BREAK) / np.log(RATIO)
    return np.where(f < BREAK, f / LINEAR, above)[()]


def mel_to_hz(mel, htk=False):
    """Mel to hertz, the inverse of `hz_to_mel`.

    Parameters
    ----------
    mel : float or np.ndarray
    htk : bool
        O'Shaughnessy's formula, in place of Slaney's.

    Returns
    -------
    float or np.ndarray
        Hertz.

    Taught in: notebooks/03_features.ipynb, "How does an ear divide the frequencies?"
    """
    m = np.asarray(mel, dtype=np.float64)
    if htk:
        return 700 * (10 ** (m / 2595) - 1)
    above = BREAK * RATIO ** np.maximum(m - BREAK / LINEAR, 0)
    return np.where(m < BREAK / LINEAR, m * LINEAR, above)[()]


def mel_filterbank(sr, n_fft, n_mels=64, fmin=0.0, fmax=None, htk=False, norm="slaney"):
    """Triangles over the bins of an FFT, equally wide in mel, each half over the next.

    ``n_mels + 2`` points ``p`` lie at equal distances in mel from `fmin` to `fmax`. Filter i rises in a straight
    line, in hertz, from 0 at ``p[i]`` to 1 at ``p[i+1]`` and falls to 0 at ``p[i+2]``. Slaney's norm divides it by
    its area ``(p[i+2] - p[i]) / 2``.

    Parameters
    ----------
    sr, n_fft : int
        Of the spectra that it is for.
    n_mels : int
        Number of filters.
    fmin, fmax : float
        Hertz; half the rate when `fmax` is None.
    htk : bool
        O'Shaughnessy's mel scale, in place of Slaney's.
    norm : {"slaney", None}
        None leaves every triangle 1 high.

    Returns
    -------
    np.ndarray, shape [n_mels, n_fft // 2 + 1], float32
        To be multiplied with a spectrogram of shape [bins, frames].

    Raises
    ------
    ValueError
        If a filter holds no bin of the FFT, which would be a channel that is silent for ever; or if the range is
        empty or passes half the rate.

    Notes
    -----
    The same as ``librosa.filters.mel``, which warns of empty filters where this refuses.
    ``torchaudio.functional.melscale_fbanks`` agrees with ``mel_scale="slaney", norm="slaney"`` and has the two axes
    the other way round; its own choice is ``"htk"`` and None. Kaldi's triangles are straight in mel instead of hertz.

    Taught in: notebooks/03_features.ipynb, "How does an ear divide the frequencies?"
    """
    fmax = sr / 2 if fmax is None else fmax
    if not 0 <= fmin < fmax <= sr / 2:
        raise ValueError(f"Mel filters from {fmin} to {fmax} Hz: they must rise, and end at or below sr / 2, which is "
                         f"{sr / 2} Hz.")
    if n_mels < 1:
        raise ValueError(f"n_mels={n_mels}: at least one filter.")
    if norm not in ("slaney", None):
        raise ValueError(f"norm={norm!r}: 'slaney' or None.")
    bank, p = _triangles(sr, n_fft, n_mels, fmin, fmax, htk)
    if empty := int((bank.max(axis=1) == 0).sum()):
        raise ValueError(
            f"{empty} of {n_mels} mel filters hold no bin of the FFT: its bins are {sr / n_fft:.1f} Hz apart, the "
            f"narrowest filter is {np.min(p[2:] - p[:-2]):.1f} Hz wide. Take fewer filters, or "
            f"n_fft={_enough(sr, n_fft, n_mels, fmin, fmax, htk)}."
        )
    if norm == "slaney":
        bank *= (2 / (p[2:] - p[:-2]))[:, None]
    return bank.astype(np.float32)


def _triangles(sr, n_fft, n_mels, fmin, fmax, htk):
    """The filters, 1 high, and the frequencies of their corners."""
    p = mel_to_hz(np.linspace(hz_to_mel(fmin, htk), hz_to_mel(fmax, htk), n_mels + 2), htk)
    f = np.arange(n_fft // 2 + 1) * sr / n_fft
    rising = (f - p[:-2, None]) / (p[1:-1] - p[:-2])[:, None]
    falling = (p[2:, None] - f) / (p[2:] - p[1:-1])[:, None]
    return np.maximum(0, np.minimum(rising, falling)), p


def _enough(sr, n_fft, *rest):
    """The next power of two at which no filter is empty."""
    n_fft = 2 ** int(np.log2(n_fft))
    while (_triangles(sr, n_fft, *rest)[0].max(axis=1) == 0).any():
        n_fft *= 2
    return n_fft


_kept = functools.lru_cache(maxsize=16)(mel_filterbank)         # a corpus asks for the same filters at every clip


def log_mel_sizes(sr):
    """What the log-mel of the course is at a rate: window 25 ms, hop 10 ms, 64 channels, or 40 below 16 kHz.

    Parameters
    ----------
    sr : int
        Samples per second.

    Returns
    -------
    dict
        `n_fft` (the power of two that holds the window), `hop_length`, `win_length`, `n_mels`.

    Raises
    ------
    ValueError
        If the rate is under 1000 Hz.

    Taught in: notebooks/03_features.ipynb, "How loud is loud?"
    """
    if sr < 1000:
        raise ValueError(f"A rate of {sr} Hz leaves nothing to divide into mel channels: give samples per second.")
    win_length = round(0.025 * sr)
    return {"n_fft": 2 ** int(np.ceil(np.log2(win_length))), "hop_length": round(0.010 * sr),
            "win_length": win_length, "n_mels": 64 if sr >= 16000 else 40}


def resolved(sr, **given):
    """`log_mel_sizes` with those that are given, not None, in their place."""
    return {**log_mel_sizes(sr), **{name: value for name, value in given.items() if value is not None}}


def mel_spectrogram(y, sr, n_fft=None, hop_length=None, win_length=None, n_mels=None, fmin=0.0, fmax=None, power=2.0,
                    htk=False, norm="slaney"):
    """A spectrogram whose rows are mel channels: filter bank times ``|STFT|^power``, centred frames, Hann window.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
    sr : int
        Samples per second.
    n_fft, hop_length, win_length, n_mels : int, optional
        What is not given is as in `log_mel_sizes`.
    fmin, fmax, htk, norm
        As in `mel_filterbank`.
    power : float
        2 for power, 1 for amplitude.

    Returns
    -------
    np.ndarray, shape [..., n_mels, frames], dtype of `y`

    Raises
    ------
    ValueError
        As `stft` and `mel_filterbank`.

    Notes
    -----
    ``librosa.feature.melspectrogram`` agrees when given the same numbers: its own are ``n_fft=2048, hop_length=512,
    n_mels=128``. ``torchaudio.transforms.MelSpectrogram`` needs besides ``mel_scale="slaney", norm="slaney",
    pad_mode="constant"``.

    Taught in: notebooks/03_features.ipynb, "How does an ear divide the frequencies?"
    """
    sizes = resolved(sr, n_fft=n_fft, hop_length=hop_length, win_length=win_length, n_mels=n_mels)
    n_mels = sizes.pop("n_mels")
    bank = _kept(sr, sizes["n_fft"], n_mels, fmin, fmax, htk, norm)
    X = stft(y, **sizes)
    S = X.real**2 + X.imag**2 if power == 2 else np.abs(X) ** power
    return bank.astype(S.dtype, copy=False) @ S


def log_mel(y, sr, n_fft=None, hop_length=None, win_length=None, n_mels=None, fmin=0.0, fmax=None):
    """The log-mel spectrogram that all models of the course look at: ``ln(max(mel power, 1e-5))``.

    25 ms window, 10 ms hop, Slaney's scale and norm, 64 channels at 16 kHz and above, 40 below. The floor is a
    number, not a part of the clip's maximum, so that the same sound gives the same values wherever it stands.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
    sr : int
        Samples per second.
    n_fft, hop_length, win_length, n_mels : int, optional
        What is not given is as in `log_mel_sizes`.
    fmin, fmax : float
        Hertz; half the rate when `fmax` is None.

    Returns
    -------
    np.ndarray, shape [..., n_mels, frames], dtype of `y`
        -11.5 in silence, about 5 for a full-scale sine.

    Raises
    ------
    ValueError
        As `mel_spectrogram`.

    See Also
    --------
    LogMel : The same for a batch, in PyTorch.

    Taught in: notebooks/03_features.ipynb, "How loud is loud?"
    """
    S = mel_spectrogram(y, sr, n_fft, hop_length, win_length, n_mels, fmin, fmax)
    return np.log(np.maximum(S, FLOOR, out=S), out=S)
