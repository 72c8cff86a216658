"""Non-negative matrix factorisation: a spectrogram as a few spectra, each with a curve of how loud it is when."""

import numpy as np

from ..features import stft
from ..features.frames import one_channel
from .masks import apply_masks, ratio_mask

LOSSES = ("kl", "euclidean")


def nmf_start(V, rank, rng):
    """Random templates and activations of the right size, to be improved by `nmf`.

    Parameters
    ----------
    V : np.ndarray, shape [bins, frames]
        Not negative.
    rank : int
        How many templates.
    rng : np.random.Generator

    Returns
    -------
    W : np.ndarray, shape [bins, rank], dtype of `V`
    H : np.ndarray, shape [rank, frames], dtype of `V`
        Positive, so that WH has about the mean of V.

    Raises
    ------
    ValueError
        If `V` is refused by `nmf`, or `rank` is below 1.

    Taught in: notebooks/08_separation.ipynb, "Which sounds is it made of?"
    """
    V = _sounding(V)
    if rank < 1:
        raise ValueError(f"At least one template is needed, not {rank}.")
    W, H = (np.abs(rng.standard_normal(shape)) for shape in ((len(V), rank), (rank, V.shape[1])))
    scale = np.sqrt(V.mean() / (W @ H).mean())
    return (scale * W).astype(V.dtype), (scale * H).astype(V.dtype)


def divergence(V, WH, loss="kl"):
    """How far a product is from the matrix that it should be.

    Euclidean: ``1/2 sum (V - WH)²``. Kullback-Leibler: ``sum V ln(V / WH) - V + WH``, with 0 ln 0 = 0; it counts what
    is missing in proportion, so that soft sounds matter too.

    Parameters
    ----------
    V, WH : np.ndarray, shape [bins, frames]
    loss : {"kl", "euclidean"}

    Returns
    -------
    float
        0 where they are equal. ``inf`` for Kullback-Leibler where WH is 0 and V is not.

    Raises
    ------
    ValueError
        If there is no such loss.

    Taught in: notebooks/08_separation.ipynb, "Which sounds is it made of?"
    """
    from scipy.special import kl_div

    _known(loss)
    V, WH = (np.asarray(x, dtype=np.float64) for x in (V, WH))
    return float(kl_div(V, WH).sum() if loss == "kl" else 0.5 * np.sum((V - WH) ** 2))


def nmf(V, W, H, n_iter=200, loss="kl", learn_templates=True):
    """Improve templates and activations step by step, so that ``WH`` comes nearer to V.

    Each step multiplies, so that nothing becomes negative, and what is 0 stays 0. For Kullback-Leibler ::

        W ← W · (V / WH) Hᵀ / 1Hᵀ        H ← H · Wᵀ (V / WH) / Wᵀ1

    and for Euclid ``W ← W · VHᵀ / WHHᵀ``, ``H ← H · WᵀV / WᵀWH``. No step makes `divergence` larger.

    Parameters
    ----------
    V : np.ndarray, shape [bins, frames]
        A spectrogram of magnitudes, not negative.
    W : np.ndarray, shape [bins, rank]
        Templates to begin with, as from `nmf_start`.
    H : np.ndarray, shape [rank, frames]
        Activations to begin with.
    n_iter : int
    loss : {"kl", "euclidean"}
    learn_templates : bool
        Improve W too. Otherwise it stays, and only when its columns sound is sought.

    Returns
    -------
    W : np.ndarray, shape [bins, rank]
    H : np.ndarray, shape [rank, frames]
        Both of V's type.

    Raises
    ------
    ValueError
        If a matrix holds negative numbers or NaN, the shapes do not fit, V is silent, or there is no such loss.

    Notes
    -----
    From the same start as ``sklearn.decomposition.NMF(solver="mu", init="custom", tol=0)``.

    References
    ----------
    Lee and Seung, "Algorithms for non-negative matrix factorization", 2001; of spectrograms: Smaragdis and Brown,
    "Non-negative matrix factorization for polyphonic music transcription", 2003.

    Taught in: notebooks/08_separation.ipynb, "Which sounds is it made of?"
    """
    _known(loss)
    V = _sounding(V)
    W, H = (_matrix(x).astype(V.dtype) for x in (W, H))
    if (W.shape[0], H.shape[1]) != V.shape or W.shape[1] != H.shape[0]:
        raise ValueError(f"W of shape {list(W.shape)} times H of shape {list(H.shape)} is not of V's shape "
                         f"{list(V.shape)}.")
    for _ in range(n_iter):
        if learn_templates:
            W = W * _factor(V.T, H.T, W.T, loss).T                # the same rule, with all turned around
        H = H * _factor(V, W, H, loss)
    return W, H


def _factor(V, W, H, loss):
    """What H is multiplied with."""
    eps = np.finfo(V.dtype).eps                                 # below it a number counts as 0
    if loss == "kl":
        return W.T @ (V / np.maximum(W @ H, eps)) / np.maximum(W.sum(axis=0), eps)[:, None]
    return W.T @ V / np.maximum(W.T @ W @ H, eps)


def score_informed(y, sr, notes, n_fft=4096, n_iter=60):
    """Take a piece apart into its voices, when its score is known.

    Every pitch of every voice has a template that may sound only at its partials, and an activation that may be open
    only where the score has that note. What is 0 at the start stays 0, so NMF cannot leave the score; it finds how loud
    the partials are and how the notes swell and fade. The voice's mask is its part of WH.

    Parameters
    ----------
    y : np.ndarray, shape [n]
    sr : int
    notes : pandas.DataFrame
        `onset` and `offset` in seconds, `pitch` as MIDI number, `part`.
    n_fft : int
        Samples in a window: 0.19 s at 22.05 kHz, so that low notes are told apart.
    n_iter : int
        Steps of `nmf`.

    Returns
    -------
    np.ndarray, shape [parts, n], float32
        In the order of the parts' numbers; they add up to `y`.

    Raises
    ------
    ValueError
        If there are several channels, the sound is silent, shorter than a window or holds NaN, fewer than two parts
        have notes, or the score lacks a column, a time, or any note within the sound.

    References
    ----------
    Ewert and Müller, "Using score-informed constraints for NMF-based source separation", 2012.

    Taught in: notebooks/08_separation.ipynb, "Can a chorale lose a voice?"
    """
    y = one_channel(y)
    missing = {"onset", "offset", "pitch", "part"} - set(notes)
    if missing:
        raise ValueError(f"The score lacks {', '.join(sorted(missing))}: onset and offset in seconds, pitch, part.")
    if notes[["onset", "offset", "pitch"]].isna().any(axis=None):
        raise ValueError("A note of the score has no onset, offset or pitch.")
    parts = sorted(set(notes.part))
    if len(parts) < 2:
        raise ValueError("The score has fewer than two parts with notes: there is nothing to take apart.")
    if not ((notes.onset < len(y) / sr) & (notes.offset > 0)).any():
        raise ValueError(f"No note of the score lies within the {len(y) / sr:.1f} s of this sound: are its times in "
                         "seconds from the beginning?")
    if len(y) < n_fft:
        raise ValueError(f"{len(y)} samples are shorter than one window of {n_fft}: take a longer sound.")
    V = np.abs(stft(y, n_fft=n_fft))
    columns = notes[["part", "pitch"]].drop_duplicates().to_numpy()
    t, f = np.arange(V.shape[1]) * (n_fft // 4) / sr, np.fft.rfftfreq(n_fft, 1 / sr)
    W = np.stack([partials(pitch, f) for _, pitch in columns], axis=1)
    H = np.zeros((len(columns), len(t)))
    for k, (part, pitch) in enumerate(columns):
        for note in notes[(notes.part == part) & (notes.pitch == pitch)].itertuples():
            H[k, (t > note.onset - EARLY) & (t < note.offset + LATE)] = 1
    W, H = nmf(V, W, H, n_iter)
    shares = np.stack([W[:, columns[:, 0] == part] @ H[columns[:, 0] == part] for part in parts])
    return apply_masks(y, ratio_mask(shares))


EARLY, LATE = 0.1, 0.3          # s: a window sees a note before it begins, and an instrument fades after its end
WIDTH = 0.5                     # semitones around a partial in which it may lie


def partials(pitch, f):
    """Where a note may sound: ``1 / h`` within half a semitone or 1.5 bins of its partial h, else 0.

    Parameters
    ----------
    pitch : float
        MIDI number.
    f : np.ndarray, shape [bins]
        Hertz, evenly spaced.

    Returns
    -------
    np.ndarray, shape [bins]

    Taught in: notebooks/08_separation.ipynb, "Can a chorale lose a voice?"
    """
    f0 = 440 * 2 ** ((pitch - 69) / 12)
    h = np.maximum(np.round(f / f0), 1)                         # the nearest partial of each bin
    near = np.maximum(h * f0 * (2 ** (WIDTH / 12) - 1), 1.5 * (f[1] - f[0]))
    return np.where(np.abs(f - h * f0) < near, 1 / h, 0)


def _matrix(V):
    V = np.asarray(V)
    V = V if V.dtype in (np.float32, np.float64) else V.astype(np.float64)
    if V.ndim != 2 or not V.size or not (np.isfinite(V).all() and V.min() >= 0):
        raise ValueError("NMF is of a matrix of finite numbers that are not negative, such as magnitudes np.abs(X).")
    return V


def _sounding(V):
    V = _matrix(V)
    if not V.any():
        raise ValueError("The spectrogram is silent: nothing sounds in it.")
    return V


def _known(loss):
    if loss not in LOSSES:
        raise ValueError(f"loss {loss!r} is none of {', '.join(LOSSES)}.")
