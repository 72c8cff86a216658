"""Scores as a computer may write them down, and the way back from each.

The notes of a piece are a table: `onset` and `offset` in quarter notes from the beginning, `pitch` (MIDI number, A4 =
69), `part` (0 for the highest staff), as `audiolab.corpora.music.notes` reads them. From there they become a MIDI file,
a piano roll, a list of events, a line of ABC, or four voices on a grid, which is what the chapter's Transformer writes.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from .corpora import music

LOW, KEYS = 21, 88                  # A0, the lowest of a piano's keys
REST, HOLD, MISSING = -1, -2, -3    # what a voice may do besides striking a note; and what is to be filled in
VOICES = ("soprano", "alto", "tenor", "bass")
COLUMNS = ("onset", "offset", "pitch", "part")
TICKS = 480                         # of a MIDI file, per quarter note
LONGEST = 4096                      # steps of a roll or grid; a mistaken step would fill the memory


class ScoreError(ValueError):
    """A score that cannot be read or written, and what to do about it."""


def table(rows):
    """Notes as a table, in the order of onsets, parts and pitches.

    Parameters
    ----------
    rows : iterable of tuple, or pandas.DataFrame
        Onset, offset (quarter notes), pitch (0 to 127), part.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    ScoreError
        If something is missing or NaN, a pitch is no MIDI number, or a note ends before it begins.

    Taught in: notebooks/07_music_generation.ipynb, "What is a note to a computer?"
    """
    notes = pd.DataFrame(rows, columns=list(COLUMNS))
    if not np.isfinite(notes.to_numpy(float)).all():
        raise ScoreError(f"A note has nothing, NaN or infinity in one of {', '.join(COLUMNS)}: look at what made it.")
    notes = notes.astype({"onset": float, "offset": float, "pitch": int, "part": int})
    if not notes.pitch.between(0, 127).all():
        wrong = notes.pitch[~notes.pitch.between(0, 127)].iloc[0]
        raise ScoreError(f"Pitch {wrong} is no MIDI number: they go from 0 to 127, and 60 is middle C.")
    if not ((notes.onset >= 0) & (notes.offset > notes.onset)).all():
        raise ScoreError("A note begins before 0, or ends before it begins: offsets come after onsets.")
    return notes.sort_values(["onset", "part", "pitch"], ignore_index=True)


# ---------------------------------------------------------------------------------------- MIDI


def to_midi(notes, tempo=80, programs=(0,)):
    """Notes as a MIDI score, a track for each part, to be saved or played.

    Parameters
    ----------
    notes : pandas.DataFrame
        With `COLUMNS`.
    tempo : float
        Quarter notes per minute.
    programs : sequence of int
        General MIDI instrument of each part, counted from 0; the last one for all further parts.

    Returns
    -------
    symusic.Score
        ``dump_midi(file)`` saves it, `audiolab.corpora.music.render` plays it.

    Raises
    ------
    ScoreError
        As `table`, or if there are no notes.

    Taught in: notebooks/07_music_generation.ipynb, "What is a note to a computer?"
    """
    from symusic import Note, Score, Tempo, Track

    notes = table(notes)
    if notes.empty:
        raise ScoreError("There are no notes: a score needs one at least.")
    score = Score(TICKS)
    score.tempos.append(Tempo(time=0, qpm=tempo))
    for part in range(notes.part.max() + 1):
        track = Track(program=int(programs[min(part, len(programs) - 1)]))
        for note in notes[notes.part == part].itertuples():
            start, end = round(note.onset * TICKS), round(note.offset * TICKS)
            track.notes.append(Note(time=start, duration=max(end - start, 1), pitch=note.pitch, velocity=80))
        score.tracks.append(track)
    return score


def from_midi(file):
    """Notes of a MIDI file of any tempo, resolution and instruments. Drums are left out, and empty tracks.

    Time is counted in quarter notes, so that changes of tempo do not matter.

    Parameters
    ----------
    file : str, os.PathLike or symusic.Score

    Returns
    -------
    pandas.DataFrame
        With `COLUMNS`; the parts are the tracks, the one whose pitches are highest on average first.

    Raises
    ------
    ScoreError
        If there is no such file, it is no MIDI file, or has no notes besides drums.

    Taught in: notebooks/07_music_generation.ipynb, "Can it go on with your tune?"
    """
    from symusic import Score

    score, name = file, "The score"
    if not isinstance(file, Score().__class__):
        name = repr(str(file))
        try:
            score = Score.from_midi(Path(file).read_bytes())
        except OSError as error:
            raise ScoreError(f"{name} cannot be read ({error.strerror or 'no such file'}): check the path.") from None
        except Exception:                       # symusic raises whatever its parser in C++ does
            raise ScoreError(f"{name} is no MIDI file, or damaged: export it as a Standard MIDI File (.mid).") from None
    tracks = [track for track in score.tracks if len(track.notes) and not track.is_drum]
    if not tracks:
        raise ScoreError(f"{name} has no notes besides drums: choose one with a melody.")
    tracks.sort(key=lambda track: -np.mean([note.pitch for note in track.notes]))
    quarter = score.ticks_per_quarter
    return table((note.time / quarter, (note.time + max(note.duration, 1)) / quarter, note.pitch, part)
                 for part, track in enumerate(tracks) for note in track.notes)


# ---------------------------------------------------------------------------------------- piano roll


def to_roll(notes, step=1.0):
    """Piano roll: which of the 88 keys are down at each time step.

    It does not tell a held note from one that is struck again, nor which voice plays.

    Parameters
    ----------
    notes : pandas.DataFrame
        With `COLUMNS`.
    step : float
        Quarter notes: 1 for the chorales of the published table, 0.5 for eighths.

    Returns
    -------
    np.ndarray, shape [time, 88], float32
        1 where a note sounds for half of a step or more, and in the step of its onset; column 0 is A0.

    Raises
    ------
    ScoreError
        If a pitch is no key of a piano, or the piece would have more than 4096 steps.

    Taught in: notebooks/07_music_generation.ipynb, "What is a note to a computer?"
    """
    notes = _on_keys(table(notes))
    steps = _steps(notes.offset.max() if len(notes) else 0, step)
    return music.piano_roll(notes, steps * step, 1 / step).T.copy()


def from_roll(roll, step=1.0):
    """Notes of a piano roll: a key that stays down is one note. All are of part 0.

    Parameters
    ----------
    roll : array_like, shape [time, 88]
        Down where it is not 0.
    step : float
        Quarter notes.

    Returns
    -------
    pandas.DataFrame
        ``to_roll(from_roll(roll, step), step)`` is the roll again, up to silence at its end.

    Taught in: notebooks/07_music_generation.ipynb, "What is a note to a computer?"
    """
    roll = np.asarray(roll) != 0
    if roll.ndim != 2 or roll.shape[1] != KEYS:
        raise ScoreError(f"A piano roll has shape [time, {KEYS}], not {list(roll.shape)}: turn it round?")
    change = np.diff(np.pad(roll.astype(int), ((1, 1), (0, 0))), axis=0)        # 1 where a key goes down, -1 up
    keys, downs = np.nonzero(change.T == 1)
    ups = np.nonzero(change.T == -1)[1]                                         # in the same order: key by key
    return table((down * step, up * step, key + LOW, 0) for key, down, up in zip(keys, downs, ups, strict=True))


def chords(roll):
    """The pitches of each step of a piano roll, as `audiolab.corpora.remote.jsb` has them: a list of tuples."""
    return [tuple(int(key) + LOW for key in np.flatnonzero(row)) for row in np.asarray(roll)]


def roll_of(steps):
    """Piano roll of pitches per step, the other way round: [time, 88], float32.

    Raises
    ------
    ScoreError
        If a pitch is no key of a piano.

    Taught in: notebooks/07_music_generation.ipynb, "How well does a guess score?"
    """
    roll = np.zeros((len(steps), KEYS), np.float32)
    for row, pitches in zip(roll, steps, strict=True):
        if strange := [pitch for pitch in pitches if not LOW <= pitch < LOW + KEYS]:
            raise ScoreError(_off_keys(strange[0]))
        row[[pitch - LOW for pitch in pitches]] = 1
    return roll


# ---------------------------------------------------------------------------------------- events


def to_events(notes, step=0.25):
    """What happens, one thing after the other, as in a MIDI file: ``("on", pitch, part)``, ``("off", pitch, part)``,
    ``("wait", steps)``.

    Of what happens at once, notes end before others begin.

    Parameters
    ----------
    notes : pandas.DataFrame
        With `COLUMNS`; onsets and offsets are rounded to whole steps.
    step : float
        Quarter notes.

    Returns
    -------
    list of tuple

    Raises
    ------
    ScoreError
        If a part strikes a pitch that it holds: two such notes could not be told apart afterwards.

    Taught in: notebooks/07_music_generation.ipynb, "What is a note to a computer?"
    """
    happens = []
    for note in _rounded(table(notes), step).itertuples():
        happens += [(note.offset, 0, note.pitch, note.part), (note.onset, 1, note.pitch, note.part)]
    events, now, down = [], 0, set()
    for time, on, pitch, part in sorted(happens):
        if time > now:
            events.append(("wait", time - now))
            now = time
        if on and (pitch, part) in down:
            raise ScoreError(f"Part {part} strikes {pitch} again while it sounds, at {time * step:g} quarter notes: "
                             "end the first note there.")
        (down.add if on else down.remove)((pitch, part))
        events.append(("on" if on else "off", pitch, part))
    return events


def from_events(events, step=0.25):
    """Notes of a list of events; the way back from `to_events`.

    Raises
    ------
    ScoreError
        If an event is none, a note ends that has not begun, begins twice, or never ends.

    Taught in: notebooks/07_music_generation.ipynb, "What is a note to a computer?"
    """
    now, down, rows = 0, {}, []
    for event in events:
        match event:
            case ("wait", steps) if steps == int(steps) > 0:
                now += int(steps)
            case ("on", pitch, part) if (pitch, part) not in down:
                down[pitch, part] = now
            case ("off", pitch, part) if (pitch, part) in down:
                rows.append((down.pop((pitch, part)) * step, now * step, pitch, part))
            case _:
                raise ScoreError(f'{event!r} cannot happen here: events are ("on", pitch, part), of a note that is '
                                 'not down, ("off", pitch, part), of one that is, and ("wait", steps) of 1 or more.')
    if down:
        raise ScoreError(f"{len(down)} notes never end, the first is {next(iter(down))[0]}: an event is missing.")
    return table(rows)


# ---------------------------------------------------------------------------------------- ABC


def to_abc(notes, step=0.25, title="Score"):
    """Notes as text in ABC notation, a voice for each part.

    Parameters
    ----------
    notes : pandas.DataFrame
        With `COLUMNS`; onsets and offsets are rounded to whole steps. In each part one note at a time.
    step : float
        Quarter notes: the unit length ``L:`` of the text.
    title : str

    Returns
    -------
    str

    Raises
    ------
    ScoreError
        If a part has two notes at once, or `step` is no half, quarter, … of a whole note.

    Notes
    -----
    The ABC standard 2.1, abcnotation.com. Every accidental is written out, and there are no bar lines.

    Taught in: notebooks/07_music_generation.ipynb, "What is a note to a computer?"
    """
    unit = 4 / step
    if unit != round(unit) or round(unit).bit_count() != 1:
        raise ScoreError(f"A step of {step} quarter notes has no name in ABC: take 1, 0.5, 0.25, …")
    notes = _rounded(table(notes), step)
    lines = ["X:1", f"T:{title}", "M:none", f"L:1/{round(unit)}", "K:C"]
    for part in range(notes.part.max() + 1 if len(notes) else 0):
        now, words = 0, []
        for note in notes[notes.part == part].itertuples():
            if note.onset < now:
                raise ScoreError(f"Part {part} has two notes at once, at {note.onset * step:g} quarter notes: give "
                                 "each voice a part of its own.")
            words += [f"z{note.onset - now}"] if note.onset > now else []
            words.append(_abc_pitch(note.pitch) + str(note.offset - note.onset))
            now = note.offset
        lines += [f"V:{part + 1}", " ".join(words) or "z1"]
    return "\n".join(lines) + "\n"


def from_abc(text):
    """Notes of a tune in ABC notation, read by music21, a part for each voice.

    Parameters
    ----------
    text : str

    Returns
    -------
    pandas.DataFrame
        With `COLUMNS`. Tied notes are one; chord symbols are left out, repeats not played.

    Raises
    ------
    ScoreError
        If music21 cannot read it, or finds no notes.

    Taught in: notebooks/07_music_generation.ipynb, "What is a note to a computer?"
    """
    try:
        notes = table(music.read_abc(text))
    except ScoreError:
        raise
    except Exception as error:                  # music21 has many of its own
        raise ScoreError(f"music21 cannot read this ABC ({' '.join(str(error).split())[:120]}): a tune has the lines "
                         "X:, T:, M:, L:, K:, and then its notes.") from None
    if notes.empty:
        raise ScoreError("There are no notes in this ABC: after the line K: come letters such as C D E c d e.")
    return notes


def _abc_pitch(pitch):
    """Middle C is ``C``, an octave higher ``c``; commas go down, apostrophes up."""
    octave, place = divmod(pitch, 12)
    letter = ("=C", "^C", "=D", "^D", "=E", "=F", "^F", "=G", "^G", "=A", "^A", "=B")[place]
    return letter + "," * (5 - octave) if octave <= 5 else letter.lower() + "'" * (octave - 6)


# ---------------------------------------------------------------------------------------- four voices


def to_grid(notes, step=0.5):
    """Voices on a grid: what each of four parts does at each step.

    A note counts where it is struck; what begins and ends between two points of the grid is lost. Where a part has
    more than one note, it is the highest.

    Parameters
    ----------
    notes : pandas.DataFrame
        With `COLUMNS`, the parts 0 to 3 from soprano to bass; parts that are not there rest.
    step : float
        Quarter notes.

    Returns
    -------
    np.ndarray of int, shape [time, 4]
        The MIDI pitch where a note is struck, `HOLD` (-2) while it sounds on, `REST` (-1).

    Raises
    ------
    ScoreError
        If there are no notes, more than four parts, a pitch is no key of a piano, or there are over 4096 steps.

    Taught in: notebooks/07_music_generation.ipynb, "Who listens to whom?"
    """
    notes = _on_keys(table(notes))
    if notes.empty:
        raise ScoreError("There are no notes: a grid needs one at least.")
    if notes.part.max() >= len(VOICES):
        raise ScoreError(f"There are {notes.part.max() + 1} parts, and {len(VOICES)} voices on the grid: choose four.")
    first = np.ceil(notes.onset.to_numpy() / step - 1e-6).astype(int)       # points of the grid on which it sounds
    after = np.ceil(notes.offset.to_numpy() / step - 1e-6).astype(int)
    pitch, part = notes.pitch.to_numpy(), notes.part.to_numpy()
    owner = np.full((_steps(notes.offset.max(), step), len(VOICES)), -1)        # which note each voice sounds
    for i in np.lexsort((first, pitch)):                        # higher ones take over
        owner[first[i] : after[i], part[i]] = i
    begins = np.diff(owner, axis=0, prepend=-1) != 0
    return np.where(owner < 0, REST, np.where(begins, pitch[owner], HOLD))


def from_grid(grid, step=0.5):
    """Notes of voices on a grid; the way back from `to_grid`.

    Parameters
    ----------
    grid : array_like of int, shape [time, 4]
    step : float
        Quarter notes.

    Returns
    -------
    pandas.DataFrame
        ``to_grid(from_grid(grid, step), step)`` is the grid again, up to rests at its end.

    Raises
    ------
    ScoreError
        If a value is neither key, `REST` nor `HOLD`, or a voice holds where nothing sounds.

    Taught in: notebooks/07_music_generation.ipynb, "Who listens to whom?"
    """
    grid = np.asarray(grid)
    if grid.ndim != 2 or grid.shape[1] != len(VOICES):
        raise ScoreError(f"A grid has shape [time, {len(VOICES)}], not {list(grid.shape)}.")
    rows = []
    for part, voice in enumerate(grid.T):
        for t, value in enumerate(voice.tolist()):
            if value == HOLD:
                if not rows or rows[-1][3] != part or rows[-1][1] != t:
                    raise ScoreError(f"The {VOICES[part]} holds at step {t} where nothing sounds: strike a note first.")
                rows[-1][1] = t + 1
            elif LOW <= value < LOW + KEYS:
                rows.append([t, t + 1, value, part])
            elif value != REST:
                raise ScoreError(_off_keys(value))
    return table((a * step, b * step, pitch, part) for a, b, pitch, part in rows)


def sounding(grid):
    """What sounds at each step: the grid with every `HOLD` replaced by the pitch that is held.

    Parameters
    ----------
    grid : array_like of int, shape [time, 4]

    Returns
    -------
    np.ndarray of int, shape [time, 4]
        MIDI pitches, or `REST`.

    Taught in: notebooks/07_music_generation.ipynb, "Is it music?"
    """
    grid = np.asarray(grid)
    struck = np.maximum.accumulate(np.where(grid == HOLD, 0, np.arange(len(grid))[:, None]), axis=0)
    return np.maximum(np.take_along_axis(grid, struck, axis=0), REST)


def melody(notes, step=0.5):
    """The tune of a piece of any kind, as the soprano of a grid: the highest note at each time.

    Parameters
    ----------
    notes : pandas.DataFrame
        As `from_midi` reads them.
    step : float
        Quarter notes.

    Returns
    -------
    np.ndarray of int, shape [time, 4]
        As `to_grid`; three voices rest. It begins with the first note.

    Raises
    ------
    ScoreError
        As `to_grid`.

    Taught in: notebooks/07_music_generation.ipynb, "Can it go on with your tune?"
    """
    notes = table(notes)
    start = notes.onset.min() if len(notes) else 0
    return to_grid(notes.assign(part=0, onset=notes.onset - start, offset=notes.offset - start), step)


# ---------------------------------------------------------------------------------------- what all need


def _rounded(notes, step):
    """Onsets and offsets in whole steps, no note shorter than one."""
    first = (notes.onset / step).round().astype(int)
    last = (notes.offset / step).round().astype(int)
    return notes.assign(onset=first, offset=np.maximum(last, first + 1))


def _steps(end, step):
    """How many steps a piece has that ends after so many quarter notes."""
    steps = int(np.ceil(end / step - 1e-6))
    if steps > LONGEST:
        raise ScoreError(f"The piece would have {steps} steps, and {LONGEST} is the most: take a part of it, or a "
                         "longer step.")
    return steps


def _on_keys(notes):
    """The notes, if all of them are keys of a piano."""
    strange = notes.pitch[~notes.pitch.between(LOW, LOW + KEYS - 1)]
    if len(strange):
        raise ScoreError(_off_keys(strange.iloc[0]))
    return notes


def _off_keys(pitch):
    return f"Pitch {pitch} is no key of a piano: they go from {LOW} to {LOW + KEYS - 1}. Transpose it by octaves."
