"""Scores and the instruments to play them, offline.

Scores come with music21. Instruments are the recordings of the TimGM6mb SoundFont (GPL-2.0) inside
pretty_midi, played by symusic.
"""

import functools
from pathlib import Path

import numpy as np

#: General MIDI instruments that sound at their written pitch. symusic 0.5.9 disregards the root key that a
#: SoundFont's zone may set in place of its sample's own, so that the piano, for one, is up to an octave off.
IN_TUNE = (5, 10, 12, 14, 19, 20, 36, 44, 45, 46, 48, 55, 56, 64, 65, 66, 67, 68, 69, 72, 73, 74, 80, 81, 96, 108)
HARP, STRINGS, TRUMPET, OBOE, FLUTE = 46, 48, 56, 68, 73


@functools.lru_cache(maxsize=32)
def chorale(name, measures=None, tempo=80, program=HARP):
    """One of Bach's four-part chorales.

    Parameters
    ----------
    name : str
        Catalogue number as music21 knows it: ``"bwv269"``.
    measures : tuple of int, optional
        First and last bar. 0 is the upbeat.
    tempo : float
        Quarter notes per minute.
    program : int
        General MIDI instrument, counted from 0.

    Returns
    -------
    symusic.Score
        One track per voice.

    Raises
    ------
    ValueError
        If there is no such chorale.

    Taught in: notebooks/01_fundamentals.ipynb, "Where in time is each frequency?"
    """
    from music21 import corpus
    from symusic import Note, Score, Tempo, Track

    try:
        parsed = corpus.parse(f"bach/{name}")
    except Exception as e:                      # music21 raises a bare Exception subclass of its own
        raise ValueError(f'music21 has no chorale {name!r}. Try "bwv269" or "bwv66.6".') from e
    if measures is not None:
        parsed = parsed.measures(*measures)
    ticks = 480
    score = Score(ticks)
    score.tempos.append(Tempo(time=0, qpm=tempo))
    for part in parsed.parts:
        track = Track(program=program, name=part.partName or "")
        for note in part.flatten().stripTies().notes:
            for pitch in note.pitches:
                start, length = round(note.offset * ticks), round(note.quarterLength * ticks)
                track.notes.append(Note(time=start, duration=length, pitch=pitch.midi, velocity=80))
        score.tracks.append(track)
    return score


def render(score, sr=22050):
    """Play a score with sampled instruments.

    Parameters
    ----------
    score : symusic.Score
    sr : int
        Samples per second.

    Returns
    -------
    y : np.ndarray, shape [2, n], float32
        Left and right, peak at -3 dBFS.
    sr : int

    Raises
    ------
    ValueError
        If the score has no notes, or an instrument that would sound at a wrong pitch.

    Taught in: notebooks/01_fundamentals.ipynb, "Where in time is each frequency?"
    """
    if not score.note_num():
        raise ValueError("The score has no notes to play.")
    if wrong := {track.program for track in score.tracks} - set(IN_TUNE):
        raise ValueError(f"Instruments {sorted(wrong)} would sound at a wrong pitch here: choose from music.IN_TUNE.")
    y = np.array(_synthesizer(sr).render(score, stereo=True), dtype=np.float32)
    return (y * (10 ** (-3 / 20) / np.max(np.abs(y)))).astype(np.float32), sr


@functools.cache
def _synthesizer(sr):
    import pretty_midi
    from symusic import Synthesizer

    return Synthesizer(sf_path=str(Path(pretty_midi.__file__).with_name("TimGM6mb.sf2")), sample_rate=sr)
