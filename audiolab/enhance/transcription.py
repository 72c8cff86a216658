"""From sound to notes: templates of single notes, learnt from an instrument that plays them one by one."""

import functools
from itertools import pairwise

import numpy as np
import pandas as pd

from ..corpora import music
from ..features import stft
from ..features.frames import one_channel
from ..preprocess import resample
from .factorise import nmf

SR = music.SR
PITCHES = range(29, 97)         # F1 to C7: what chorales and tunes need, and the SoundFont plays in tune
N_FFT, HOP = 4096, 512          # 186 ms, so that low notes are told apart; every 23 ms
BINS = 930                      # up to 5 kHz, the fundamental of the highest and 50 partials of the lowest
AGES = (0.0, 0.15, 0.5, 1.2)    # s: a template for each stage of a note's life, as its partials fade at their own pace
N_ITER = 40
RISE = 3                        # frames in which a note comes up
LEAST, GONE = 0.12, 0.03        # how far a note climbs, of the loudest moment; what of its peak is left at its end


@functools.lru_cache(maxsize=4)
def note_templates(program=0):
    """How each note of an instrument sounds: a few spectra for each pitch, from its attack to its fading.

    Every pitch is played once and alone. A template is the mean spectrum of a stage of the note, with sum 1.

    Parameters
    ----------
    program : int
        General MIDI instrument, counted from 0, which is a piano.

    Returns
    -------
    np.ndarray, shape [930, 68 * 3], float32
        Columns in the order of `PITCHES`, for each its stages.

    Raises
    ------
    ValueError
        If the instrument would sound at a wrong pitch.

    Taught in: notebooks/08_separation.ipynb, "Which sounds is it made of?"
    """
    from symusic import Note, Score, Tempo, Track

    apart, score, track = 2.0, Score(1000), Track(program=program)      # s from one note to the next; a tick is 1 ms
    score.tempos.append(Tempo(time=0, qpm=60))
    for i, pitch in enumerate(PITCHES):
        start = round(1000 * apart * i)
        track.notes.append(Note(time=start, duration=round(1000 * AGES[-1]), pitch=pitch, velocity=80))
    score.tracks.append(track)
    y = music.render(score, SR)[0].mean(axis=0)
    stages = [(apart * i + begin, apart * i + end) for i in range(len(PITCHES)) for begin, end in pairwise(AGES)]
    W = np.stack([_magnitudes(y[round(begin * SR) : round(end * SR)]).mean(axis=1) for begin, end in stages], axis=1)
    return W / W.sum(axis=0)


def activations(y, program=0):
    """When and how loud each pitch sounds: NMF with `note_templates` that stay as they are.

    Parameters
    ----------
    y : np.ndarray, shape [n]
        At 22.05 kHz.
    program : int

    Returns
    -------
    np.ndarray, shape [68, 1 + n // 512], float32
        Rows in the order of `PITCHES`; what all templates of a pitch hold together.

    Raises
    ------
    ValueError
        If the sound is silent, has several channels or holds NaN.

    Taught in: notebooks/08_separation.ipynb, "Which sounds is it made of?"
    """
    V, W = _magnitudes(one_channel(y)), note_templates(program)
    H = np.full((W.shape[1], V.shape[1]), V.mean())
    return nmf(V, W, H, N_ITER, learn_templates=False)[1].reshape(len(PITCHES), -1, V.shape[1]).sum(axis=1)


def notes(A):
    """Notes of a picture of activations.

    A note begins where its curve climbs fastest, if it climbs by `LEAST` of the loudest moment within `RISE` frames. It
    ends where the next one of this pitch begins, or less than `GONE` of it is left.

    Parameters
    ----------
    A : np.ndarray, shape [68, frames]
        As from `activations`.

    Returns
    -------
    pandas.DataFrame
        `onset` and `offset` in seconds, `pitch` as MIDI number; in order of onset.

    Taught in: notebooks/08_separation.ipynb, "Which sounds is it made of?"
    """
    from scipy.ndimage import maximum_filter1d, minimum_filter1d

    A = np.pad(A, [(0, 0), (RISE, RISE)])                       # a note may begin with the first frame
    slope = np.gradient(A, axis=1)
    after = maximum_filter1d(A, RISE + 1, origin=-((RISE + 1) // 2), mode="constant")       # of it and RISE frames more
    before = minimum_filter1d(A, RISE + 1, origin=RISE // 2, mode="constant")
    begins = (slope == maximum_filter1d(slope, 2 * RISE + 1)) & (after - before > LEAST * A.max())
    begins[:, 1:] &= ~begins[:, :-1]                            # of two frames that climb alike, the first
    rows = []
    for pitch, a, peak, onsets in zip(PITCHES, A, after, begins, strict=True):
        for start, stop in pairwise([*np.flatnonzero(onsets), A.shape[1] - RISE]):
            faded = np.flatnonzero(a[start + RISE : stop] < GONE * peak[start])
            end = start + RISE + faded[0] if faded.size else max(stop, start + 1)
            rows.append((max(start - RISE, 0) * HOP / SR, (end - RISE) * HOP / SR, pitch))
    return pd.DataFrame(sorted(rows), columns=["onset", "offset", "pitch"])


def transcribe(y, sr, program=0):
    """Which notes an instrument played, from its sound alone.

    Parameters
    ----------
    y : np.ndarray, shape [n]
        At least 0.2 s.
    sr : int
        Samples per second.
    program : int
        The instrument, as of `note_templates`.

    Returns
    -------
    pandas.DataFrame
        As of `notes`.

    Raises
    ------
    ValueError
        If the sound is silent, too short, has several channels or holds NaN, or the instrument would sound at a wrong
        pitch.

    References
    ----------
    Smaragdis and Brown, "Non-negative matrix factorization for polyphonic music transcription", 2003.

    Taught in: notebooks/08_separation.ipynb, "Which sounds is it made of?"
    """
    y = resample(one_channel(y), sr, SR)
    if len(y) < N_FFT:
        raise ValueError(f"{len(y) / SR:.3f} s are too short: {N_FFT / SR:.1f} s are needed to tell low notes apart.")
    return notes(activations(y, program))


def _magnitudes(y):
    return np.abs(stft(y, N_FFT, HOP))[:BINS]
