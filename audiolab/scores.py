"""Scores as a computer may write them down, and the way back from each.

The notes of a piece are a table: `onset` and `offset` in quarter notes from the beginning, `pitch` (MIDI number, A4 =
69), `part` (0 for the highest staff), as `audiolab.corpora.music.notes` reads them. From there they become a MIDI file,
a piano roll, a list of events, a line of ABC, or four voices on a grid, which is what the chapter's Transformer writes.
"""

import re
from numbers import Real
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from .corpora import music

LOW, KEYS = 21, 88                  # A0, the lowest of a piano's keys
REST, HOLD, MISSING = -1, -2, -3    # what a voice may do besides striking a note; and what is to be filled in
VOICES = ("soprano", "alto", "tenor", "bass")
COLUMNS = ("onset", "offset", "pitch", "part")
TICKS = 480                         # of a MIDI file, per quarter note
NEAR = 0.25                         # steps from a point of the grid within which a note is meant to be on it
MISREAD = {                         # of ABC, without a word, by music21: patterns, and what to do
    r"^X:.*^X:[^\n]*": "give one tune at a time, from one X: to the next",
    r"^K:[^\n]*(?:clef|middle|octave|transpose)=": "leave the clef out, and write the notes at their own height",
    r"^V:[^\n]*(?:middle|octave|transpose)=": "write the notes at their own height",
    r"\[[KLV]:": "put it on a line of its own, without brackets",
    r"^(?![A-Za-z+]:)[^\n]*[ZXx]": "write rests as z, with their length",
    r"^(?![A-Za-z+]:)[^\n]*&": "give each voice lines V: of its own",
}
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
        If these are no notes, something is missing or NaN, a pitch is no MIDI number, a part is no whole number from 0,
        or a note ends before it begins.

    Taught in: notebooks/07_music_generation.ipynb, "What is a note to a computer?"
    """
    try:
        notes = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows), columns=list(COLUMNS))
        notes = notes[list(COLUMNS)]
        if any(isinstance(value, str) for value in notes.to_numpy(object).flat):
            raise TypeError                                     # "60" would pass for a number
        notes = notes.astype(float)
    except (TypeError, ValueError, KeyError):
        raise ScoreError(f"These are no notes: give a table with the columns {', '.join(COLUMNS)}, or for each note "
                         "these four numbers.") from None
    if not np.isfinite(notes.to_numpy()).all():
        raise ScoreError(f"A note has nothing, NaN or infinity in one of {', '.join(COLUMNS)}: look at what made it.")
    if len(wrong := notes.pitch[~notes.pitch.between(0, 127) | (notes.pitch % 1 != 0)]):
        raise ScoreError(f"Pitch {wrong.iloc[0]:g} is no MIDI number: they go from 0 to 127, and 60 is middle C.")
    if len(wrong := notes.part[~notes.part.between(0, 2**31) | (notes.part % 1 != 0)]):
        raise ScoreError(f"Part {wrong.iloc[0]:g} is none: parts are counted from 0, the highest one.")
    notes = notes.astype({"pitch": int, "part": int})
    if not ((notes.onset >= 0) & (notes.offset > notes.onset)).all():
        raise ScoreError("A note begins before 0, or ends before it begins: offsets come after onsets.")
    return notes.sort_values(["onset", "part", "pitch"], ignore_index=True)


# ---------------------------------------------------------------------------------------- MIDI


def to_midi(notes, tempo=80, programs=(0,)):
    """Notes as a MIDI score, a track "part 0", "part 1", … for each part, to be saved or played.

    Parameters
    ----------
    notes : pandas.DataFrame
        With `COLUMNS`.
    tempo : float
        Quarter notes per minute, 4 to 1000.
    programs : sequence of int
        General MIDI instrument of each part, 0 to 127; the last one for all further parts.

    Returns
    -------
    symusic.Score
        ``dump_midi(file)`` saves it, `audiolab.corpora.music.render` plays it.

    Raises
    ------
    ScoreError
        As `table`, or if there are no notes, or `tempo` or a program lies beyond.

    Taught in: notebooks/07_music_generation.ipynb, "What is a note to a computer?"
    """
    from symusic import Note, Score, Tempo, Track

    notes, programs = table(notes), np.asarray(programs)
    if notes.empty:
        raise ScoreError("There are no notes: a score needs one at least.")
    if isinstance(tempo, bool) or not isinstance(tempo, Real) or not 4 <= tempo <= 1000:
        raise ScoreError(f"A tempo is a number of quarter notes per minute from 4 to 1000, not {tempo!r}.")
    if programs.ndim != 1 or programs.dtype.kind not in "iu" or not len(programs) or programs.min() < 0 or (
            programs.max() > 127):
        raise ScoreError("Programs are whole numbers from 0 to 127, one at least: General MIDI, counted from 0.")
    score = Score(TICKS)
    score.tempos.append(Tempo(time=0, qpm=float(tempo)))
    for part in range(notes.part.max() + 1):
        track = Track(f"part {part}", program=int(programs[min(part, len(programs) - 1)]))
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
        With `COLUMNS`; the parts are the tracks, by their names where `to_midi` has named them all, else the one whose
        pitches are highest on average first.

    Raises
    ------
    ScoreError
        If there is no such file, it is no MIDI file or one whose time is not counted in parts of a quarter note, or has
        no notes besides drums.

    Taught in: notebooks/07_music_generation.ipynb, "Can it go on with your tune?"
    """
    from symusic import Score

    score, name = file, "The score"
    if not isinstance(file, Score().__class__):
        if not isinstance(file, str | PathLike):
            raise ScoreError(f"A {type(file).__name__} is no MIDI file: give its path, or a symusic.Score.")
        name = repr(str(file))
        try:
            data = Path(file).read_bytes()
        except (OSError, ValueError) as error:                  # the latter for a path that cannot be one
            reason = getattr(error, "strerror", None) or "no such file"
            raise ScoreError(f"{name} cannot be read ({reason}): check the path.") from None
        if unusual := _unusual(data):
            raise ScoreError(f"{name} {unusual}: export it as a Standard MIDI File (.mid), in ticks per quarter note.")
        try:
            score = Score.from_midi(data)
        except Exception:                       # symusic raises whatever its parser in C++ does
            raise ScoreError(f"{name} is no MIDI file, or damaged: export it as a Standard MIDI File (.mid).") from None
    tracks = [track for track in score.tracks if len(track.notes) and not track.is_drum]
    if not tracks:
        raise ScoreError(f"{name} has no notes besides drums: choose one with a melody.")
    named = [re.fullmatch(r"part (\d{1,3})", track.name) for track in tracks]
    parts = [int(name[1]) for name in named if name]
    if len(set(parts)) < len(tracks):                           # another's file, or one to which tracks were added
        tracks.sort(key=lambda track: -np.mean([note.pitch for note in track.notes]))
        parts = range(len(tracks))
    quarter = score.ticks_per_quarter
    return table((note.time / quarter, (note.time + max(note.duration, 1)) / quarter, note.pitch, part)
                 for part, track in zip(parts, tracks, strict=True) for note in track.notes)


def _unusual(data):
    """What is unusual about the first bytes of a MIDI file: ``MThd``, three numbers, and how time is divided."""
    if data.startswith(b"RIFF"):
        return "is a RIFF file, which may hold MIDI (.rmi) or sound (.wav)"
    if not data.startswith(b"MThd") or len(data) < 14:
        return None
    division = int.from_bytes(data[12:14], "big")
    if division >= 2**15:
        return "counts time in frames of a film (SMPTE)"
    return None if division else "divides a quarter note into 0 ticks, so that no note has a length"


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
        If a pitch is no key of a piano, `step` is no length, or the piece would have more than 4096 steps.

    Taught in: notebooks/07_music_generation.ipynb, "What is a note to a computer?"
    """
    notes, step = _on_keys(table(notes)), _checked(step)
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

    Raises
    ------
    ScoreError
        If the roll has another shape, or `step` is no length.

    Taught in: notebooks/07_music_generation.ipynb, "What is a note to a computer?"
    """
    roll, step = np.asarray(roll) != 0, _checked(step)
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
        If a part strikes a pitch that it holds: two such notes could not be told apart afterwards; if two notes are too
        short for `step`, or it is no length.

    Taught in: notebooks/07_music_generation.ipynb, "What is a note to a computer?"
    """
    happens, step = [], _checked(step)
    for note in _rounded(table(notes), step).itertuples():
        happens += [(note.offset, 0, note.pitch, note.part, note), (note.onset, 1, note.pitch, note.part, note)]
    events, now, down = [], 0, {}
    for time, on, pitch, part, note in sorted(happens):
        if time > now:
            events.append(("wait", time - now))
            now = time
        if on and (pitch, part) in down:
            _not_rounded_together(down[pitch, part], note, step)
            raise ScoreError(f"Part {part} strikes {pitch} again while it sounds, at {time * step:g} quarter notes: "
                             "end the first note there.")
        if on:
            down[pitch, part] = note
        else:
            del down[pitch, part]
        events.append(("on" if on else "off", pitch, part))
    return events


def from_events(events, step=0.25):
    """Notes of a list of events; the way back from `to_events`.

    Raises
    ------
    ScoreError
        If an event is none, a note ends that has not begun, begins twice, or never ends; or `step` is no length.

    Taught in: notebooks/07_music_generation.ipynb, "What is a note to a computer?"
    """
    now, down, rows, step = 0, {}, [], _checked(step)
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
        If a part has two notes at once, or two that are too short for `step`, it is no half, quarter, … of a whole
        note, or the title has more than one line.

    Notes
    -----
    The ABC standard 2.1, abcnotation.com. Every accidental is written out, and there are no bar lines.

    Taught in: notebooks/07_music_generation.ipynb, "What is a note to a computer?"
    """
    if {"\n", "\r"} & set(str(title)):
        raise ScoreError("A title in ABC is one line: leave the others out.")
    unit = 4 / _checked(step)
    if not unit.is_integer() or int(unit).bit_count() != 1:
        raise ScoreError(f"A step of {step} quarter notes has no name in ABC: take 1, 0.5, 0.25, …")
    notes = _rounded(table(notes), step)
    lines = ["X:1", f"T:{title}", "M:none", f"L:1/{int(unit)}", "K:C"]
    for part in range(notes.part.max() + 1 if len(notes) else 0):
        now, words, last = 0, [], None
        for note in notes[notes.part == part].itertuples():
            if note.onset < now:
                _not_rounded_together(last, note, step)
                raise ScoreError(f"Part {part} has two notes at once, at {note.onset * step:g} quarter notes: give "
                                 "each voice a part of its own.")
            words += [f"z{note.onset - now}"] if note.onset > now else []
            words.append(_abc_pitch(note.pitch) + str(note.offset - note.onset))
            now, last = note.offset, note
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
        With `COLUMNS`. Tied notes are one; chord symbols are left out, repeats not played. An accidental lasts until
        the end of its bar, unless a line such as ``%abc-1.6`` names a version that has it otherwise.

    Raises
    ------
    ScoreError
        If it is no text of one tune (files are not opened), music21 cannot read it, would misread it, or finds no
        notes.

    Taught in: notebooks/07_music_generation.ipynb, "What is a note to a computer?"
    """
    try:
        notes = table(music.read_abc(_by_voices(_readable(text))))
    except ScoreError:
        raise
    except Exception as error:                  # music21 has many of its own
        raise ScoreError(f"music21 cannot read this ABC ({' '.join(str(error).split())[:120]}): a tune has the lines "
                         "X:, T:, M:, L:, K:, and then its notes.") from None
    if notes.empty:
        raise ScoreError("There are no notes in this ABC: after the line K: come letters such as C D E c d e.")
    return notes


def _readable(text):
    """The text, if it is one tune in ABC of which music21 misreads nothing."""
    if not isinstance(text, str) or "\n" not in text or not re.search("^K:", text, re.M):
        raise ScoreError("This is no tune in ABC notation: read the file first, with Path(file).read_text(), and give "
                         "the lines of one tune, from X: on, with a line K: for its key.")
    lines = [re.sub('"[^"]*"|![^!]*!|%.*', "", line) for line in _tune(text)]           # less words, signs, remarks
    for misread, advice in MISREAD.items():
        if found := re.search(misread, "\n".join(lines), re.M | re.S):
            raise ScoreError(f"music21 would misread {found[0].splitlines()[-1]!r} in this ABC: {advice}.")
    return text


def _tune(text):
    """The lines from the first ``X:`` on."""
    return re.split("^(?=X:)", text, maxsplit=1, flags=re.M)[-1].splitlines()


def _by_voices(text):
    """The text with the lines of each voice in one piece, and its version: music21 takes each ``V:`` for a voice."""
    version = re.search(r"^%abc-\d.*", text, re.M)
    head, voices, now, keyed = [], {}, None, False
    for line in _tune(text):
        if line.startswith("V:"):
            name = (line[2:].split() or ["1"])[0]
            voices.setdefault(name, [])
            now = name if keyed else None                       # the head only names it
        elif re.match("[A-Za-z]:|%", line) and now is None and not any(voices.values()):
            head.append(line)
            keyed |= line.startswith("K:")
        elif line.strip():
            voices.setdefault(now or "1", []).append(line)
    for i, lines in enumerate(filter(None, voices.values()), 1):
        head += [f"V:{i}", *lines]
    return "\n".join([version[0] if version else "%abc-2.1", *head]) + "\n"


def _abc_pitch(pitch):
    """Middle C is ``C``, an octave higher ``c``; commas go down, apostrophes up."""
    octave, place = divmod(pitch, 12)
    letter = ("=C", "^C", "=D", "^D", "=E", "=F", "^F", "=G", "^G", "=A", "^A", "=B")[place]
    return letter + "," * (5 - octave) if octave <= 5 else letter.lower() + "'" * (octave - 6)


# ---------------------------------------------------------------------------------------- four voices


def to_grid(notes, step=0.5):
    """Voices on a grid: what each of four parts does at each step.

    Onsets and offsets less than a quarter of a step from a point of the grid are meant to be on it, as in what was
    played by hand; an overlap shorter than that (legato) ends where the part's next note begins. What lies wholly
    between two points is lost. Where a part has more than one note, it is the highest.

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
        If there are no notes, or none on the grid, more than four parts, a pitch is no key of a piano, `step` is no
        length, or there are over 4096 steps.

    Taught in: notebooks/07_music_generation.ipynb, "Who listens to whom?"
    """
    notes, step = _on_keys(table(notes)), _checked(step)
    if notes.empty:
        raise ScoreError("There are no notes: a grid needs one at least.")
    if notes.part.max() >= len(VOICES):
        raise ScoreError(f"There are {notes.part.max() + 1} parts, and {len(VOICES)} voices on the grid: choose four.")
    pitch, part = notes.pitch.to_numpy(), notes.part.to_numpy()
    _steps(notes.offset.max(), step)
    first, after = _points(notes, step)
    if (first >= after).all():
        raise ScoreError(f"No note lies on a grid of {step:g} quarters: take a finer step.")
    owner = np.full((after.max(), len(VOICES)), -1)             # which note each voice sounds
    for i in np.lexsort((first, pitch)):                        # higher ones take over
        owner[first[i] : after[i], part[i]] = i
    begins = np.diff(owner, axis=0, prepend=-1) != 0
    return np.where(owner < 0, REST, np.where(begins, pitch[owner], HOLD))


def as_grid(grid):
    """A grid as `to_grid` makes it, if this is one.

    Parameters
    ----------
    grid : array_like of int, shape [time, 4]
        Whole numbers of any type. What a voice holds at the first step may have begun before.

    Returns
    -------
    np.ndarray of int64, shape [time, 4]

    Raises
    ------
    ScoreError
        If it has another shape, something is `MISSING`, or a value is neither key, `REST` nor `HOLD`.

    Taught in: notebooks/07_music_generation.ipynb, "Who listens to whom?"
    """
    if isinstance(grid, pd.DataFrame):
        raise ScoreError("This is a table of notes: scores.to_grid makes a grid of it.")
    try:
        grid = np.asarray(grid)
    except (TypeError, ValueError):                             # rows of different lengths, or on another device
        raise ScoreError(f"This is no grid: it has shape [time, {len(VOICES)}], an array of whole numbers.") from None
    if grid.ndim != 2 or grid.shape[1] != len(VOICES):
        raise ScoreError(f"A grid has shape [time, {len(VOICES)}], not {list(grid.shape)}.")
    if grid.dtype.kind not in "iuf" or not np.isfinite(grid).all() or (np.floor(grid) != grid).any():
        raise ScoreError(f"A grid has whole numbers: MIDI pitches, {REST} for a rest, {HOLD} where a note is held.")
    if (grid == MISSING).any():
        raise ScoreError("There are gaps in the grid; fill in what is missing first: infilling.fill_in.")
    if len(strange := grid[((grid < LOW) | (grid >= LOW + KEYS)) & (grid != REST) & (grid != HOLD)]):
        raise ScoreError(_off_keys(strange[0]))
    return grid.astype(np.int64)


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
        As `as_grid`, or if a voice holds where nothing sounds, or `step` is no length.

    Taught in: notebooks/07_music_generation.ipynb, "Who listens to whom?"
    """
    rows, step = [], _checked(step)
    for part, voice in enumerate(as_grid(grid).T):
        for t, value in enumerate(voice.tolist()):
            if value == HOLD:
                if not rows or rows[-1][3] != part or rows[-1][1] != t:
                    raise ScoreError(f"The {VOICES[part]} holds at step {t} where nothing sounds: strike a note first.")
                rows[-1][1] = t + 1
            elif value != REST:
                rows.append([t, t + 1, value, part])
    return table((a * step, b * step, pitch, part) for a, b, pitch, part in rows)


def sounding(grid):
    """What sounds at each step: the grid with every `HOLD` replaced by the pitch that is held.

    Parameters
    ----------
    grid : array_like of int, shape [time, 4]

    Returns
    -------
    np.ndarray of int, shape [time, 4]
        MIDI pitches, or `REST`; also where something is held from the first step on, of which nobody knows what it is.

    Raises
    ------
    ScoreError
        As `as_grid`.

    Taught in: notebooks/07_music_generation.ipynb, "Is it music?"
    """
    grid = as_grid(grid)
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
        As `to_grid`; three voices rest. It begins with the whole quarter at or before the first note, so that an
        upbeat stays one, and what was on a beat is on one.

    Raises
    ------
    ScoreError
        As `to_grid`.

    Taught in: notebooks/07_music_generation.ipynb, "Can it go on with your tune?"
    """
    notes, step = table(notes), _checked(step)
    start = np.floor(notes.onset.min() + NEAR * step) if len(notes) else 0      # a hair early is no upbeat
    return to_grid(notes.assign(part=0, onset=(notes.onset - start).clip(lower=0), offset=notes.offset - start), step)


# ---------------------------------------------------------------------------------------- what all need


def _checked(step):
    """The step, if it is a length of time."""
    if isinstance(step, bool) or not isinstance(step, Real) or not 0 < step < np.inf:
        raise ScoreError(f"A step is a number of quarter notes above 0, such as 0.5 for eighths, not {step!r}.")
    return float(step)


def _rounded(notes, step):
    """Onsets and offsets in whole steps, no note shorter than one; and as they were, `begin` and `end`."""
    first = (notes.onset / step).round().astype(int)
    last = (notes.offset / step).round().astype(int)
    return notes.assign(onset=first, offset=np.maximum(last, first + 1), begin=notes.onset, end=notes.offset)


def _not_rounded_together(one, other, step):
    """Say that the step is too long, if two notes meet only because they were rounded to it."""
    if one.end <= other.begin:
        raise ScoreError(f"Part {one.part} has two notes within a step, at {one.begin:g} and {other.begin:g} quarter "
                         f"notes: take a finer step than {step:g}.")


def _points(notes, step):
    """The first point of the grid on which each note sounds, and the first one on which it does not any more."""
    onset, offset = notes.onset.to_numpy() / step, notes.offset.to_numpy() / step
    for part in notes.part.unique():
        own = np.flatnonzero(notes.part == part)                # in the order of onsets, as `table` leaves them
        begins = np.append(onset[own], np.inf)
        end = offset[own]
        following = begins[np.searchsorted(begins, np.maximum(end - NEAR, onset[own]) + 1e-6, side="right")]
        offset[own] = np.minimum(end, following)                # legato: only what overlaps by less than `NEAR`
    first, after = (np.where(np.abs(x - x.round()) < NEAR - 1e-6, x.round(), np.ceil(x - 1e-6))
                    for x in (onset, offset))
    struck = (np.abs(onset - first) < NEAR) & (offset > first + 1e-6)           # there, however short
    return first.astype(int), np.where(struck, np.maximum(after, first + 1), after).astype(int)


def _steps(end, step):
    """How many steps a piece has that ends after so many quarter notes."""
    steps = np.ceil(end / step - 1e-6)
    if steps > LONGEST:
        raise ScoreError(f"The piece would have {steps:g} steps, and {LONGEST} is the most: take a part of it, or a "
                         "longer step.")
    return int(steps)


def _on_keys(notes):
    """The notes, if all of them are keys of a piano."""
    strange = notes.pitch[~notes.pitch.between(LOW, LOW + KEYS - 1)]
    if len(strange):
        raise ScoreError(_off_keys(strange.iloc[0]))
    return notes


def _off_keys(pitch):
    return f"Pitch {pitch:g} is no key of a piano: they go from {LOW} to {LOW + KEYS - 1}. Transpose it by octaves."
