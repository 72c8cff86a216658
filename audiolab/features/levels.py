"""From power to something like loudness: decibels, and a gain control in every channel."""

import numpy as np


def power_to_db(S, ref=1.0, amin=1e-10, top_db=None):
    """Power in decibels: ``10 log10(max(S, amin) / max(ref, amin))``.

    Parameters
    ----------
    S : np.ndarray, any shape, not negative
        Power: the square of an amplitude.
    ref : float or callable
        What is 0 dB. ``np.max`` takes it from `S` itself: right for one picture, wrong for a data set, where each
        clip would lose its level.
    amin : float
        Floor, in power.
    top_db : float, optional
        Cut what lies further than this below the largest value.

    Returns
    -------
    np.ndarray, shape of `S`

    Raises
    ------
    ValueError
        If `S` is complex or holds a negative value, or `amin` or `top_db` is not positive.

    Notes
    -----
    ``librosa.power_to_db`` cuts at ``top_db=80`` unless told None. ``torchaudio.transforms.AmplitudeToDB("power")``
    does not, and it takes the largest value of the whole batch when it does. Both have this `amin`.

    Taught in: notebooks/03_features.ipynb, "How loud is loud?"
    """
    S = np.asarray(S)
    if np.iscomplexobj(S):
        raise ValueError("Complex values have no level: take np.abs(X) ** 2 first.")
    if S.size and S.min() < 0:
        raise ValueError(f"Power is not negative, this is {S.min():.3g}: are these decibels already?")
    if not amin > 0 or (top_db is not None and not top_db > 0):
        raise ValueError(f"amin and top_db must be positive, got {amin} and {top_db}.")
    ref = ref(S) if callable(ref) else np.abs(ref)
    level = 10 * (np.log10(np.maximum(S, amin)) - np.log10(np.maximum(ref, amin)))
    return level if top_db is None or not S.size else np.maximum(level, level.max() - top_db)


def amplitude_to_db(S, ref=1.0, amin=1e-5, top_db=None):
    """Amplitude in decibels: ``20 log10(max(S, amin) / max(ref, amin))``.

    Parameters
    ----------
    S : np.ndarray, any shape, not negative
        Amplitude: the magnitude of a spectrum.
    ref, top_db
        As in `power_to_db`.
    amin : float
        Floor, in amplitude: 1e-5 is -100 dB.

    Returns
    -------
    np.ndarray, shape of `S`

    Raises
    ------
    ValueError
        As `power_to_db`.

    Notes
    -----
    ``librosa.amplitude_to_db`` has this floor, and cuts at ``top_db=80`` unless told None.
    ``torchaudio.transforms.AmplitudeToDB("magnitude")`` has a floor of 1e-10, which is -200 dB.

    Taught in: notebooks/03_features.ipynb, "How loud is loud?"
    """
    S = np.asarray(S)
    if np.iscomplexobj(S) or (S.size and S.min() < 0):
        return power_to_db(S)                                                   # which says what is wrong
    ref = ref(S) if callable(ref) else np.abs(ref)
    return power_to_db(np.square(S), np.square(ref), amin**2, top_db)


def pcen(S, sr, hop_length=None, gain=0.98, bias=2.0, power=0.5, time_constant=0.4, eps=1e-6):
    """Per-channel energy normalisation: each channel by its own slow mean, then compressed.

    ``P[m, t] = (S[m, t] / (eps + M[m, t])^gain + bias)^power - bias^power`` with the mean ``M[m, t] = (1 - s) M[m,
    t-1] + s S[m, t]``, which begins at the first frame. s is chosen so that the mean reaches back about
    `time_constant`.

    Parameters
    ----------
    S : np.ndarray, shape [..., channels, frames], not negative
        Mel spectrogram, as it comes from `mel_spectrogram`: no logarithm.
    sr : int
        Samples per second.
    hop_length : int, optional
        Samples between frames; 10 ms when not given.
    gain : float
        0 leaves the level, 1 takes it away wholly.
    bias, power : float
        Of the compression.
    time_constant : float
        Seconds.
    eps : float
        Keeps silence from being divided by zero.

    Returns
    -------
    np.ndarray, shape of `S`

    Raises
    ------
    ValueError
        If `S` holds a negative value.

    Notes
    -----
    ``librosa.pcen`` begins its mean at 1, whatever the scale of `S`: the first second fades in, or out. The
    two agree with ``librosa.pcen(S, zi=(1 - s) * S[:, :1], b=s, ...)``, s from `pcen_smoothing`.

    References
    ----------
    Wang and others, "Trainable frontend for robust and far-field keyword spotting", 2017.

    Taught in: notebooks/03_features.ipynb, "How loud is loud?"
    """
    from scipy.signal import lfilter

    S = np.asarray(S)
    if S.size and S.min() < 0:
        raise ValueError(f"Energy is not negative, this is {S.min():.3g}: PCEN takes the place of the logarithm, give "
                         "it what `mel_spectrogram` gives.")
    s = pcen_smoothing(sr, hop_length or round(0.01 * sr), time_constant)
    M = lfilter([s], [1, s - 1], S, axis=-1, zi=(1 - s) * S[..., :1])[0]
    return (S / (eps + M) ** gain + bias) ** power - bias**power


def pcen_smoothing(sr, hop_length, time_constant=0.4):
    """The s of `pcen`: 1 forgets at once, 0 never. For T frames of memory, the positive root of ``T² s² + s - 1``.

    Parameters
    ----------
    sr, hop_length : int
    time_constant : float
        Seconds.

    Returns
    -------
    float

    Taught in: notebooks/03_features.ipynb, "How loud is loud?"
    """
    T = time_constant * sr / hop_length
    return (np.sqrt(1 + 4 * T**2) - 1) / (2 * T**2)
