"""Scores and the instruments to play them, offline, and corpora of both.

Scores come with music21. Instruments are the recordings of the TimGM6mb SoundFont (GPL-2.0) inside
pretty_midi, played by symusic.
"""

import functools
import re
import warnings
import zipfile
import zlib
from collections import Counter
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import soxr

from .. import corpus, paths

#: General MIDI instruments that sound at their written pitch from F2 to B5, within 30 cents. The others are
#: drums, noises, bells, organs whose lowest stop is an octave down, and a baritone saxophone that stops at G♯5.
IN_TUNE = (
    *range(8), 10, 11, 14, 15, 20, 22, *range(24, 31), *range(32, 47), *range(48, 55), *range(56, 67),
    *range(68, 76), 79, 80, 81, 82, 83, *range(85, 97), 99, 102, 103, *range(105, 112), 114,
)  # fmt: skip
HARP, STRINGS, TRUMPET, OBOE, FLUTE = 46, 48, 56, 68, 73

SR = 22050                      # of the corpora
_PLAYED = 44100                 # the synthesiser rounds a loop to whole samples: the higher the rate, the truer

#: Who plays: General MIDI instruments from the highest part to the lowest. Every style is played by all of them.
ENSEMBLES = {
    "piano": (0,), "harpsichord": (6,), "reed organ": (20,), "guitar": (24,), "harp": (46,), "string orchestra": (48,),
    "choir": (52,), "string quartet": (40, 40, 40, 42), "woodwind": (73, 68, 71, 70), "brass": (56, 56, 60, 57),
    "mixed": (73, 40, 71, 42), "lead and piano": (68, 0, 0, 0),
}  # fmt: skip

# Style: files in music21's corpus, and the licence. Left out are Palestrina's masses, whose encoder reserves
# all derived formats, and Monteverdi's fifth book, which carries an edition's mark.
_STYLES = {
    "chorale": ("bach/bwv*.*l", "CC-BY-4.0; score: M. Greentree, by permission"),
    "madrigal": ("monteverdi/madrigal.[34].*.mxl", "CC-BY-4.0; score: with music21, by permission"),
    "quartet": ("[hmb][aoe]*/[ok]*/movement*.mxl", "CC-BY-4.0; score: with music21, by permission"),
    "medieval": ("trecento/PMFC_[02][346]*.xml", "CC-BY-4.0; score: M. Cuthbert, with music21"),
    "song": ("essenFolksong/[be][ro][ke]*.abc", "non-commercial (Essen folk song collection)"),
    "dance": ("ryansMammoth/*.abc", "CC-BY-4.0; score: R. Davies and others, with music21"),
}
STYLES = tuple(_STYLES)


# ---------------------------------------------------------------------------------------- scores


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
    from music21 import corpus as scores
    from symusic import Note, Score, Tempo, Track

    try:
        parsed = scores.parse(f"bach/{name}")
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


@functools.cache
def pieces(style):
    """What there is of a style in music21's corpus, by name.

    Parameters
    ----------
    style : str
        One of `STYLES`: ``"chorale"`` (Bach), ``"madrigal"`` (Monteverdi, books 3 and 4), ``"quartet"``
        (Haydn, Mozart, Beethoven), ``"medieval"`` (Italy, 14th century), ``"song"`` (German folk songs),
        ``"dance"`` (reels, jigs and hornpipes of Ryan's Mammoth Collection, 1883).

    Returns
    -------
    tuple of str
        Names for `notes`: a file, and after a colon the number of the tune in it.
    """
    names = []
    for file in sorted(_scores().glob(_STYLES[style][0])):
        name = file.relative_to(_scores()).as_posix()
        numbers = re.findall(r"^X: *(\d+)", file.read_text("latin-1"), re.M) if file.suffix == ".abc" else []
        names += [f"{name}:{number}" for number in dict.fromkeys(numbers)] or [name]
    return tuple(name for name in names if not name.endswith("_old.mxl"))           # a copy of another


@functools.cache
def four_voices(seed=0):
    """Bach's chorales in four parts, dealt to splits such that no melody is in two.

    Returns
    -------
    dict of str to tuple of str
        Names for `notes`: ``"train"``, about eight tenths of them, ``"validation"`` and ``"test"``.

    Taught in: notebooks/07_music_generation.ipynb, "Who listens to whom?"
    """
    tables = {name: notes(name) for name in pieces("chorale")}
    tables = {name: table for name, table in tables.items() if _fit("chorale", table, seconds=0)}
    group = _groups(tables)
    split = _deal_groups(np.random.default_rng(seed), {"chorale": list(tables)}, group)
    return {side: tuple(name for name in tables if split[group[name]] == side)
            for side in ("train", "validation", "test")}


def notes(piece):
    """The notes of a piece, read from its score once and kept under ``data/raw/scores``.

    Parameters
    ----------
    piece : str
        One of `pieces`.

    Returns
    -------
    pandas.DataFrame
        Columns `onset` and `offset` in quarter notes from the beginning, `pitch` (MIDI number, A4 = 69) and
        `part`, 0 for the highest staff. Tied notes are one, ornaments are left out, repeats are not played.
    """
    file = paths.data("raw", "scores", re.sub("[/: ]", "-", piece) + ".npy")
    if not file.exists():
        path, _, number = piece.partition(":")
        rows = _read_abc(_scores() / path, number) if number else _read_musicxml(_scores() / path)
        with paths.replacing(file) as tmp:
            np.save(tmp, np.array(sorted(rows), float).reshape(-1, 4))
    table = pd.DataFrame(np.load(file), columns=["onset", "offset", "pitch", "part"])
    return table.astype({"pitch": int, "part": int})


def piano_roll(notes, duration, rate=100, keys=88):
    """Which keys are down, when: the picture of a score that a computer learns from.

    Parameters
    ----------
    notes : pandas.DataFrame or sequence of dict
        With `onset` and `offset` in seconds and `pitch`, as in a corpus's table ``notes``.
    duration : float
        Seconds.
    rate : float
        Frames per second. A frame covers the time from ``i / rate`` to ``(i + 1) / rate``.
    keys : int
        88 for a piano's (row 0 is A0, MIDI 21), 128 for all of MIDI's.

    Returns
    -------
    np.ndarray, shape [keys, frames], float32
        1 where a note sounds for half of the frame or more, and in the frame of its onset; else 0.

    Raises
    ------
    ValueError
        If `keys` is neither 88 nor 128, or a pitch lies outside them.
    """
    if keys not in (88, 128):
        raise ValueError(f"keys must be 88 (a piano's) or 128 (MIDI's), got {keys}.")
    table = pd.DataFrame(notes, columns=["onset", "offset", "pitch"])
    rows = table.pitch.to_numpy(int) - (21 if keys == 88 else 0)
    if len(rows) and not (rows.min() >= 0 and rows.max() < keys):
        raise ValueError(f"Pitches {table.pitch.min()} to {table.pitch.max()} do not fit on {keys} keys.")
    roll = np.zeros((keys, int(np.ceil(duration * rate - 1e-6))), np.float32)
    for key, onset, offset in zip(rows, table.onset * rate, table.offset * rate, strict=True):
        first = int(onset + 1e-6)               # a time just short of a frame by rounding is that frame
        roll[key, first : max(first + 1, round(offset))] = 1
    return roll


@functools.cache
def _scores():
    """Where music21 keeps its corpus; music21 itself takes seconds to import."""
    from importlib.util import find_spec

    return Path(find_spec("music21").origin).with_name("corpus")


def _read_musicxml(path):
    """``(onset, offset, pitch, part)`` of every note; a fraction of the time that music21 takes."""
    if path.suffix == ".mxl":
        with zipfile.ZipFile(path) as archive:
            name = next(n for n in archive.namelist() if n.endswith("xml") and not n.startswith("META-INF"))
            root = ElementTree.fromstring(archive.read(name))
    else:
        root = ElementTree.parse(path).getroot()
    rows = []
    for number, part in enumerate(root.iter("part")):
        now = previous = 0.0
        divisions, tied = 1, {}                                 # `tied`: notes that sound on, by pitch
        for measure in part.iter("measure"):
            end = now
            for item in measure:
                length = float(item.findtext("duration", "0")) / divisions
                if item.tag == "attributes":
                    divisions = float(item.findtext("divisions", str(divisions)))
                elif item.tag in ("backup", "forward"):
                    now += length if item.tag == "forward" else -length
                elif item.tag == "note" and item.find("grace") is None and item.find("cue") is None:
                    start = previous if item.find("chord") is not None else now
                    previous, now = start, start + length
                    if (pitch := item.find("pitch")) is not None:
                        key = (12 * (int(pitch.findtext("octave")) + 1) + "C D EF G A B".index(pitch.findtext("step"))
                               + round(float(pitch.findtext("alter", "0"))))
                        row = tied.pop(key, None)
                        if row and abs(row[1] - start) < 0.01:  # some scores mark only where a tie begins
                            row[1] = now
                        else:
                            row = [start, now, key, number]
                            rows.append(row)
                        if any(tie.get("type") == "start" for tie in item.iter("tie")):
                            tied[key] = row
                end = max(end, now)
            now = end
    return [tuple(row) for row in rows if row[1] > row[0]]


def read_abc(tune):
    """``(onset, offset, pitch, part)`` of every note of a tune in ABC notation, read by music21.

    Parameters
    ----------
    tune : str

    Returns
    -------
    list of tuple
        Onset and offset in quarter notes, MIDI pitch, part. Tied notes are one; chord symbols are left out.

    Raises
    ------
    Exception
        Whatever music21 raises when it cannot read it.
    """
    from music21 import converter, harmony, stream

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                         # bars that do not add up, as in the book
        parsed = converter.parse(tune, format="abc", forceSource=True)
    parts = parsed.parts if isinstance(parsed, stream.Score) and len(parsed.parts) else [parsed]
    return [
        (float(note.offset), float(note.offset + note.quarterLength), pitch.midi, part)
        for part, voice in enumerate(parts) for note in voice.flatten().stripTies().notes
        if not isinstance(note, harmony.ChordSymbol)
        for pitch in note.pitches if note.quarterLength > 0
    ]


def _read_abc(path, number):
    """Notes of a tune in a book of ABC notation."""
    tune = re.search(rf"^X: *{number}\s.*?(?=^X:|\Z)", path.read_text("latin-1"), re.M | re.S)[0]
    tune = re.sub(r'"[^"\n]*"|\{[^}\n]*\}', "", tune)           # fingerings, which look like chords; ornaments
    return read_abc(tune)


# ---------------------------------------------------------------------------------------- playing


def render(score, sr=22050):
    """Play a score with sampled instruments, its parts side by side from left to right.

    Part i of n is heard from the angle ``θ = π/8 + π/4 · i / (n - 1)``: left ``cos θ`` of it, right ``sin θ``, so
    that no part gains or loses power by its place. A single part sounds from the middle.

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
    parts = [score.copy() for _ in score.tracks]
    for i, part in enumerate(parts):
        part.tracks = [part.tracks[i]]
    sounds = [_sound(part).sum(axis=0) for part in parts]       # its own left and right may be one-sided
    angles = np.linspace(np.pi / 8, 3 * np.pi / 8, len(parts)) if len(parts) > 1 else [np.pi / 4]
    y = np.zeros((2, max(map(len, sounds))), np.float32)
    for sound, angle in zip(sounds, angles, strict=True):
        y[:, : len(sound)] += np.outer([np.cos(angle), np.sin(angle)], sound)
    y = soxr.resample(y.T, _PLAYED, sr).T
    return np.ascontiguousarray(y * (10 ** (-3 / 20) / np.max(np.abs(y))), np.float32), sr


def soundfont():
    """The instruments, corrected for symusic; made once into ``data/raw/soundfont``.

    A SoundFont's zone (some keys of an instrument) may say at which key its recording sounds at its own
    pitch, how far that is out of tune, and where the loop lies, in place of what stands with the
    recording. symusic 0.5.9 looks only there: a piano is up to an octave off, and some loops run past the
    end of the recording into whatever is in memory. Here each zone gets an entry of its own for its
    recording, which says what the zone says. The recordings stay as they are.

    Returns
    -------
    pathlib.Path
        A SoundFont, licensed as TimGM6mb is: GPL-2.0.
    """
    file = paths.data("raw", "soundfont", "TimGM6mb-zones.sf2")
    if not file.exists():
        import pretty_midi

        original = Path(pretty_midi.__file__).with_name("TimGM6mb.sf2").read_bytes()
        with paths.replacing(file) as tmp:
            tmp.write_bytes(_with_own_samples(original))
    return file


# Generators of a zone, by their numbers in the SoundFont specification 2.04, section 8.1.2.
_LOOP_START, _LOOP_END, _FINE_TUNE, _SAMPLE, _ROOT_KEY = 2, 3, 52, 53, 58
_HEADER = np.dtype([("name", "S20"), ("start", "<u4"), ("end", "<u4"), ("loop_start", "<u4"), ("loop_end", "<u4"),
                    ("sr", "<u4"), ("root", "u1"), ("cents", "i1"), ("link", "<u2"), ("kind", "<u2")])


def _with_own_samples(data):
    """A SoundFont's bytes in which every zone has a sample header of its own, see `soundfont`."""
    at, i = {}, data.rindex(b"pdta") + 4                        # the last list: chunks of name, size, table
    while i < len(data):
        size = int.from_bytes(data[i + 4 : i + 8], "little")
        at[data[i : i + 4]] = slice(i + 8, i + 8 + size)
        i += 8 + size
    begins = np.frombuffer(data[at[b"ibag"]], "<u2")[::2]       # of each zone, in the table of generators
    generators = np.frombuffer(data[at[b"igen"]], [("number", "<u2"), ("amount", "<i2")]).copy()
    samples = np.frombuffer(data[at[b"shdr"]], _HEADER)
    headers = []
    for begin, end in pairwise(begins):
        number, amount = generators[begin:end]["number"], generators[begin:end]["amount"]
        said = dict(zip(number.tolist(), amount.tolist(), strict=True))
        header = samples[said[_SAMPLE]].copy()
        header["loop_start"] = int(header["loop_start"]) + said.get(_LOOP_START, 0)
        header["loop_end"] = int(header["loop_end"]) + said.get(_LOOP_END, 0)
        header["root"] = said.get(_ROOT_KEY, header["root"])
        header["cents"] = np.clip(int(header["cents"]) + said.get(_FINE_TUNE, 0), -99, 99)
        amount[np.isin(number, [_LOOP_START, _LOOP_END, _FINE_TUNE])] = 0               # not to count twice
        amount[number == _SAMPLE] = len(headers)
        headers.append(header)
    headers = np.array([*headers, samples[-1]], _HEADER).tobytes()                      # the last marks the end
    tables = (data[at[b"phdr"].start - 8 : at[b"igen"].start] + generators.tobytes()
              + b"shdr" + len(headers).to_bytes(4, "little") + headers)
    body = data[8 : at[b"phdr"].start - 16] + (len(tables) + 4).to_bytes(4, "little") + b"pdta" + tables
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _sound(score):
    """Left and right, shape [2, n], at the rate of `_PLAYED`."""
    from symusic import Synthesizer

    # A synthesiser keeps what it played and sometimes takes a viola for the violin it has at hand. A new one,
    # which is there in 2 ms, plays the same whatever was played before.
    synthesizer = Synthesizer(sf_path=str(soundfont()), sample_rate=_PLAYED)
    return np.array(synthesizer.render(score, stereo=True), np.float32)


def _play(table, programs, seconds):
    """Mono sound, shape [n], of notes timed in seconds; `programs` has an instrument for each part."""
    from symusic import Note, Score, Tempo, Track

    score = Score(1000)
    score.tempos.append(Tempo(time=0, qpm=60))                  # so a tick is a millisecond
    for part, program in enumerate(programs):
        track = Track(program=program)
        for row in table[table.part == part].itertuples():
            start, end = round(1000 * row.onset), round(1000 * row.offset)
            track.notes.append(Note(time=start, duration=max(end - start, 1), pitch=row.pitch, velocity=row.velocity))
        score.tracks.append(track)
    # The sound breaks off with the last note: one behind the cut, almost inaudible, lets all others fade.
    score.tracks[0].notes.append(Note(time=round(1000 * seconds) + 100, duration=100, pitch=60, velocity=1))
    left, right = _sound(score)
    y = soxr.resample((left + right) / 2, _PLAYED, SR)[: round(seconds * SR)]
    y[-220:] *= np.linspace(1, 0, 220, dtype=np.float32)        # 10 ms: no click at the cut
    return y


# ---------------------------------------------------------------------------------------- corpora


def genres(n=600, seconds=10, seed=0, n_jobs=1):
    """Corpus of six styles to tell apart: 600 years of real music.

    Every style is played by the same `ENSEMBLES`, as often by each, in any key, and at a tempo that gives
    its highest part 1.5 to 4 notes per second: neither the instrument nor the speed tells the style, only
    how the music is made.

    Parameters
    ----------
    n : int
        Clips, as many of each style; about a tenth of them validation, a tenth test.
    seconds : float
        Length of a clip.
    seed : int
        Another seed, other excerpts, instruments, keys and splits.
    n_jobs : int
        Processes that read scores and render; -1 for one per core. The result is the same.

    Returns
    -------
    audiolab.corpus.Corpus
        Columns `label` (the style), `group` (the piece, or pieces that share a melody), `split`, `piece`,
        `start` (quarter notes), `tempo` (quarter notes per minute), `transpose` (semitones), `ensemble`;
        table ``notes``.
    """
    return _make("genres", plan_genres(n, seconds, seed, n_jobs), n, seconds, seed, n_jobs)


def chorales(n=200, seconds=10, seed=0, n_jobs=1):
    """Corpus of Bach's chorales, with every note. Parameters and result as `genres`."""
    return _make("chorales", plan_chorales(n, seconds, seed, n_jobs), n, seconds, seed, n_jobs)


def tunes(n=400, seconds=10, seed=0, n_jobs=1):
    """Corpus of folk songs and dance tunes, one voice, with every note. Parameters and result as `genres`."""
    return _make("tunes", plan_tunes(n, seconds, seed, n_jobs), n, seconds, seed, n_jobs)


def stems(n=200, seconds=10, seed=0, n_jobs=1):
    """Corpus of Bach's chorales in separate recordings of their four voices, to be taken apart.

    A clip has four channels, soprano to bass; the mix is ``y.sum(axis=0)``. Each voice has an instrument
    of its own (column `ensemble`). Parameters and result else as `genres`.
    """
    return _make("stems", plan_stems(n, seconds, seed, n_jobs), n, seconds, seed, n_jobs)


def plan_genres(n=600, seconds=10, seed=0, n_jobs=1):
    """Plan of `genres`, a row for each clip; see `audiolab.corpus.make`."""
    return _plan("genres", STYLES, 60, tuple(ENSEMBLES), n, seconds, seed, n_jobs)


def plan_chorales(n=200, seconds=10, seed=0, n_jobs=1):
    """Plan of `chorales`, a row for each clip; see `audiolab.corpus.make`."""
    return _plan("chorales", ["chorale"], 400, tuple(ENSEMBLES), n, seconds, seed, n_jobs)


def plan_tunes(n=400, seconds=10, seed=0, n_jobs=1):
    """Plan of `tunes`, a row for each clip; see `audiolab.corpus.make`."""
    return _plan("tunes", ["song", "dance"], 150, tuple(ENSEMBLES), n, seconds, seed, n_jobs)


def plan_stems(n=200, seconds=10, seed=0, n_jobs=1):
    """Plan of `stems`, a row for each clip; see `audiolab.corpus.make`."""
    ensembles = ("string quartet", "woodwind", "mixed")
    return _plan("stems", ["chorale"], 400, ensembles, n, seconds, seed, n_jobs).assign(_stems=True)


def render_row(row):
    """Play one row of a plan.

    Parameters
    ----------
    row : dict
        With `piece`, `start`, `tempo`, `transpose`, `ensemble` and `_seconds`; `_stems` for a channel per part.

    Returns
    -------
    audiolab.corpus.Clip
        With the table ``notes``.
    """
    table = notes(row["piece"])
    parts = int(table.part.max()) + 1
    beat = 60 / row["tempo"]
    table = table.assign(onset=(table.onset - row["start"]) * beat, offset=(table.offset - row["start"]) * beat)
    table = table[(table.onset > -1e-6) & (table.onset < row["_seconds"] - 0.1)]        # later ones are hardly heard
    table = table.assign(
        onset=table.onset.clip(lower=0).round(3), offset=table.offset.clip(upper=row["_seconds"]).round(3),
        pitch=table.pitch + row["transpose"],
        velocity=80 + (8 * (table.onset % beat < 0.02)).astype(int),                    # a little weight on the beat
    )
    instruments = ENSEMBLES[row["ensemble"]]
    places = np.round(np.linspace(0, len(instruments) - 1, parts)).astype(int) if parts > 1 else [0]
    instruments = [instruments[place] for place in places]
    if row.get("_stems"):
        y = np.stack([_play(table[table.part == part], instruments, row["_seconds"]) for part in range(parts)])
        loudest = max(np.max(np.abs(y)), np.max(np.abs(y.sum(axis=0))))                 # of the stems and the mix
    else:
        y = _play(table, instruments, row["_seconds"])
        loudest = np.max(np.abs(y))
    rows = table[["onset", "offset", "pitch", "part"]].to_dict("records")
    return corpus.Clip(y * np.float32(10 ** (-3 / 20) / loudest), SR, {"notes": rows})


def _plan(name, styles, most, ensembles, n, seconds, seed, n_jobs):
    """Excerpts of at most `most` pieces of each style, dealt to splits by group."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    pool = {style: [str(piece) for piece in rng.permutation(pieces(style))[:most]] for style in styles}
    tables = _read([piece for names in pool.values() for piece in names], n_jobs)
    pool = {style: [piece for piece in names if _fit(style, tables[piece], seconds)] for style, names in pool.items()}
    usable = {piece: tables[piece] for names in pool.values() for piece in names}
    group = _groups(usable)
    split = _deal_groups(rng, pool, group)
    rows = []
    for k, style in enumerate(styles):
        count = n // len(styles) + (k < n % len(styles))
        sizes = {"validation": count // 10, "test": count // 10}
        for side, size in ({"train": count - sum(sizes.values())} | sizes).items():
            names = [piece for piece in pool[style] if split[group[piece]] == side]
            players = corpus.deal(rng, ensembles, size)
            for piece, ensemble in zip(corpus.deal(rng, names, size), players, strict=True):
                table = usable[piece]
                top = table[table.part == 0]
                pace = len(np.unique(top.onset)) / (top.offset.max() - top.onset.min())             # per quarter
                tempo = 60 * np.exp(rng.uniform(np.log(1.5), np.log(4))) / pace
                tempo = max(tempo, 60 * seconds / (table.offset.max() - table.onset.min()))         # long enough
                last = table.offset.max() - seconds * tempo / 60
                starts = np.unique(top.onset[top.onset <= max(last, top.onset.min()) + 1e-6])
                low, high = table.pitch.min(), table.pitch.max()
                rows.append({
                    "path": f"{style}/{len(rows):05d}.flac", "label": style, "group": group[piece], "split": side,
                    "licence": _STYLES[style][1], "piece": piece, "start": round(float(rng.choice(starts)), 4),
                    "tempo": round(float(tempo), 2), "ensemble": str(ensemble),
                    "transpose": int(rng.integers(max(-5, 29 - low), max(min(6, 96 - high), max(-5, 29 - low)) + 1)),
                    "_seconds": seconds,
                })
    return pd.DataFrame(rows)


def _read(names, n_jobs):
    """Notes of pieces by name, those not read before in parallel."""
    import joblib

    missing = [name for name in names if not paths.data("raw", "scores", re.sub("[/: ]", "-", name) + ".npy").exists()]
    joblib.Parallel(n_jobs=n_jobs, batch_size=8)(joblib.delayed(notes)(name) for name in missing)
    return {name: notes(name) for name in names}


def _fit(style, table, seconds):
    """Whether a piece is what its style says, and long enough to be heard at a natural pace."""
    parts = table.part.nunique()
    wanted = {"chorale": parts == 4, "song": True, "dance": True}.get(style, parts >= 2)
    return wanted and (table.part == 0).sum() >= 2.5 * seconds


def _groups(tables):
    """Name of the group of each piece: movements of a work, and pieces whose melodies share a fifth of their turns.

    A turn is eight steps of melody in semitones, so that the same tune in another key, rhythm or under
    another name is found; it counts where no more than a dozen pieces have it.
    """
    parent = {piece: piece for piece in tables}

    def root(piece):
        while parent[piece] != piece:
            piece = parent[piece]
        return piece

    turns, having, shared = {}, {}, Counter()
    for piece, table in tables.items():
        melody = table[table.part == 0].groupby("onset").pitch.max().to_numpy()
        steps = np.diff(melody)
        turns[piece] = {steps[i : i + 8].tobytes() for i in range(len(steps) - 7)}
        for turn in turns[piece]:
            having.setdefault(turn, []).append(piece)
    for found in having.values():
        if len(found) <= 12:
            shared.update(combinations(found, 2))
    alike = [pair for pair, count in shared.items() if count >= 0.2 * min(len(turns[piece]) for piece in pair)]
    works = {}
    for piece in tables:
        if "movement" in piece:
            alike.append((works.setdefault(piece.rsplit("/", 1)[0], piece), piece))
    for one, other in alike:
        one, other = sorted((root(one), root(other)))
        parent[other] = one
    return {piece: root(piece) for piece in tables}


def _deal_groups(rng, pool, group):
    """Split of each group: of each style a tenth of the pieces, and a group at least, in validation and in test."""
    split = {}
    for names in pool.values():
        members = Counter(group[piece] for piece in names)
        sides = {"validation": len(names) / 10, "test": len(names) / 10}
        left = sorted((name for name in members if name not in split), key=lambda name: (members[name], name))
        for name in rng.permutation(left):
            side = max(sides, key=sides.get)
            if sides[side] > 0 and members[name] <= max(len(names) / 5, members[left[0]]):      # no huge group
                sides[side] -= members[name]
                split[name] = side
            else:
                split[name] = "train"
    return split


def _make(name, plan, n, seconds, seed, n_jobs):
    """The corpus in ``data/raw``."""
    soundfont()                                                 # once, before many processes want it
    folder = f"music-{name}-n{n}-{seconds:g}s-s{seed}"
    return corpus.make(paths.data("raw", folder), plan, render_row, n_jobs=n_jobs, desc=folder)
