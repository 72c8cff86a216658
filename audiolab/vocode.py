"""From a picture back to a sound, without learning: guess the spectrum behind the mel channels, then the phase.

A log-mel has lost two things. Its channels say how much power there is in a band, not in which bins; and no channel
says where in its swing a wave was. `to_linear` finds a spectrum that would give the channels, `griffin_lim` finds
phases that frames which overlap can agree on, `sound` is both.
"""

import numpy as np

from . import features

SR = 16000                      # Hz
#: The log-mel of chapter 05, which its models draw and its vocoders read: window 50 ms, hop 12.5 ms, 80 channels.
SIZES = dict(n_fft=1024, hop_length=200, win_length=800, n_mels=80)
RANGE = (-30.0, 15.0)           # what a log-mel may hold: its floor is -11.5, and a sine at full scale comes to 7.3
ROUNDS = 8                      # of mending
_STFT = dict(hop_length=SIZES["hop_length"], win_length=SIZES["win_length"])


def picture(y):
    """The log-mel that chapter 05 speaks through: 80 channels, every 12.5 ms, ``ln(max(mel power, 1e-5))``.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
        At 16 kHz.

    Returns
    -------
    np.ndarray, shape [..., 80, 1 + n // 200]

    Raises
    ------
    ValueError
        As `audiolab.features.log_mel`.

    Taught in: notebooks/05_text_to_speech.ipynb, "How does a picture become a sound?"
    """
    return features.log_mel(y, SR, **SIZES)


def to_linear(picture, n_iter=30):
    """A spectrum that would give the channels of a picture, never negative.

    80 channels cannot name 513 bins: many spectra fit. Starting from a flat one, each step multiplies every bin by how
    much its channels still lack, which keeps it positive: ``S ← S · Bᵀ(M / BS) / Bᵀ1``. That lowers the
    Kullback-Leibler divergence between the channels M and those of S, B S, with the mel filters B (Lee and Seung).

    Parameters
    ----------
    picture : np.ndarray, shape [80, frames]
        As from `picture`.
    n_iter : int

    Returns
    -------
    np.ndarray, shape [513, frames], float64
        Magnitudes, as of ``features.stft``.

    Raises
    ------
    ValueError
        As `checked`.

    Notes
    -----
    ``librosa.feature.inverse.mel_to_stft`` minimises squares instead (NNLS), in which a whisper counts nothing beside a
    vowel; the divergence counts errors in proportion.

    References
    ----------
    Lee and Seung, "Algorithms for non-negative matrix factorization", 2001.

    Taught in: notebooks/05_text_to_speech.ipynb, "How does a picture become a sound?"
    """
    M = np.exp(checked(picture))
    B = features.mel_filterbank(SR, SIZES["n_fft"], SIZES["n_mels"]).astype(np.float64)
    reach = B.sum(axis=0)[:, None]                              # Bᵀ1: [bins, 1]; 0 at 0 Hz and at SR / 2
    S = (reach > 0) * M.mean(axis=0)
    for _ in range(n_iter):
        S *= B.T @ (M / (B @ S)) / np.maximum(reach, 1e-12)
    return np.sqrt(S)


def griffin_lim(S, n_iter=32, momentum=0.99, seed=0):
    """A signal whose short-time magnitudes come close to those that are given.

    Frames overlap, so not any columns are the transform of a signal. Two steps take turns: of the columns the nearest
    signal is made and looked at again, ``C = stft(istft(X))``; its phases are kept, its magnitudes put right. The
    momentum goes on in the direction of the last step: ``T = C + momentum (C - C before)``, ``X = S T / |T|``.

    Parameters
    ----------
    S : np.ndarray, shape [513, frames]
        Magnitudes, window and hop as in `SIZES`.
    n_iter : int
    momentum : float
        0 is Griffin and Lim's, up to 1; 0.99 comes closer in as many rounds.
    seed : int
        Of the phases that it begins with.

    Returns
    -------
    np.ndarray, shape [200 (frames - 1)], float32

    Raises
    ------
    ValueError
        If there are less than two frames, magnitudes are negative or NaN, or `momentum` is not 0 to 1.

    Notes
    -----
    ``librosa.griffinlim`` is the same.

    References
    ----------
    Griffin and Lim, "Signal estimation from modified short-time Fourier transform", 1984; Perraudin, Balazs and
    Søndergaard, "A fast Griffin-Lim algorithm", 2013.

    Taught in: notebooks/05_text_to_speech.ipynb, "How does a picture become a sound?"
    """
    S = np.asarray(S)
    if S.ndim != 2 or len(S) != SIZES["n_fft"] // 2 + 1 or S.shape[1] < 2:
        raise ValueError(f"Magnitudes have shape [{SIZES['n_fft'] // 2 + 1}, frames], two frames or more, not "
                         f"{list(S.shape)}: of a log-mel make them with to_linear.")
    if not (S >= 0).all():
        raise ValueError("Magnitudes are 0 or more, and no NaN. Of a logarithm take np.exp first.")
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum={momentum}: 0 to 1.")
    X = S * np.exp(2j * np.pi * np.random.default_rng(seed).random(S.shape))
    before = 0.0
    for _ in range(n_iter):
        C = features.stft(features.istft(X, **_STFT), n_fft=SIZES["n_fft"], **_STFT)
        T = C + momentum * (C - before)
        X, before = S * T / np.maximum(np.abs(T), 1e-12), C
    return features.istft(X, **_STFT).astype(np.float32)


def sound(picture, n_iter=32, seed=0):
    """The sound of a picture, by `to_linear` and `griffin_lim`.

    Parameters
    ----------
    picture : np.ndarray, shape [80, frames]
        As from `picture`, or drawn by a model.
    n_iter, seed : int
        Of `griffin_lim`.

    Returns
    -------
    np.ndarray, shape [200 (frames - 1)], float32
        At 16 kHz.

    Raises
    ------
    ValueError
        As `checked`.

    Taught in: notebooks/05_text_to_speech.ipynb, "How does a picture become a sound?"
    """
    return griffin_lim(to_linear(picture), n_iter, seed=seed)


def mend(y, picture, n_iter=ROUNDS):
    """A sound that is nearer to a picture, and keeps its phases: look at it, and turn up what is missing.

    Each round takes the picture of the sound, compares it with the one that is wanted, and scales every bin by the
    difference, which triangles of height 1 carry from the channels to the bins between them.

    Parameters
    ----------
    y : np.ndarray, shape [200 (frames - 1)]
        Of a vocoder whose pitch is right and whose levels are not yet.
    picture : np.ndarray, shape [80, frames]
    n_iter : int

    Returns
    -------
    np.ndarray, shape of `y`, float32

    Raises
    ------
    ValueError
        As `checked`, or if the picture is not as long as the sound.

    Taught in: notebooks/05_text_to_speech.ipynb, "Can a network do it better?"
    """
    picture = checked(picture)
    if len(y) != SIZES["hop_length"] * (picture.shape[1] - 1):
        raise ValueError(f"{len(y)} samples do not go with a picture of {picture.shape[1]} frames, which are "
                         f"{SIZES['hop_length'] * (picture.shape[1] - 1)} samples.")
    B, between = (features.mel_filterbank(SR, SIZES["n_fft"], SIZES["n_mels"], norm=norm) for norm in ("slaney", None))
    for _ in range(n_iter):
        Y = features.stft(y, n_fft=SIZES["n_fft"], **_STFT)
        seen = np.log(np.maximum(B @ np.abs(Y) ** 2, features.mel.FLOOR))
        y = features.istft(Y * np.exp(between.T @ (picture - seen) / 2), **_STFT).astype(np.float32)
    return y


def checked(picture):
    """A picture as float64.

    Raises
    ------
    ValueError
        If it is none: another shape than [80, frames], less than two frames, NaN or infinity, or values that no
        logarithm of a sound's power has, below -30 or above 15.
    """
    picture = np.asarray(picture, dtype=np.float64)
    if picture.ndim != 2 or len(picture) != SIZES["n_mels"] or picture.shape[1] < 2:
        turned = " Turn it round: picture.T." if picture.shape[1:] == (SIZES["n_mels"],) else ""
        raise ValueError(f"A picture has shape [{SIZES['n_mels']}, frames], two frames or more, not "
                         f"{list(picture.shape)}.{turned}")
    if not np.isfinite(picture).all():
        raise ValueError("The picture holds NaN or infinity: was the logarithm of 0 taken?")
    low, high = picture.min(), picture.max()
    if low < RANGE[0] or high > RANGE[1]:
        raise ValueError(f"The picture goes from {low:.4g} to {high:.4g}. It holds natural logarithms of power, from "
                         f"{features.mel.SILENCE:.1f} (silence) to about 7, and {RANGE[0]:.0f} to {RANGE[1]:.0f} is "
                         "taken: make it with vocode.picture, of samples within ±1; divide decibels by 4.343.")
    return picture
