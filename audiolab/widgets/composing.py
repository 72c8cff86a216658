"""What chapter 07 shows of music: a piano roll that runs in step with its player."""

import numpy as np

from .. import audio, features, plots, scores
from .explorer import _run, present, static
from .played import SLACK, Played


def piano_roll(notes, y, sr, title="", seconds=8, names=()):
    """A piano roll that scrolls while its sound plays. A line says where the sound is; what comes stands to its right.

    Pause, and the notes that sound are named; press a place, and the player goes there. After such a jump the line may
    be off by up to 1/256 of the whole, because in an MP3 browsers find a place by a coarse table. The cell of the
    notebook also stores a picture of the whole roll, for pages without a kernel.

    Parameters
    ----------
    notes : pandas.DataFrame
        With `onset` and `offset` in seconds, `pitch` and `part`, as `audiolab.scores.table` makes them.
    y : np.ndarray, shape [n] or [2, n]
        How they sound, from the same beginning; floats, full scale ±1.
    sr : int
        Samples per second.
    title : str
        What to see and hear.
    seconds : float
        How much of the roll is seen at a time.
    names : sequence of str
        Of the parts, as `audiolab.scores.VOICES`; those without one are called by their number.

    Raises
    ------
    ValueError
        If there are no notes, one cannot be (`audiolab.scores.table`), the sound ends before them, or `seconds` is not
        above 0. `AudioError` if the sound cannot be played, as `audiolab.play`.

    Examples
    --------
    A score counts in quarter notes. At 80 of them per minute each lasts 0.75 s:

    >>> y, sr = al.corpora.music.render(al.scores.to_midi(score, tempo=80))                     # doctest: +SKIP
    >>> timed = score.assign(onset=0.75 * score.onset, offset=0.75 * score.offset)              # doctest: +SKIP
    >>> piano_roll(timed, y, sr, "A chorale", names=al.scores.VOICES)                           # doctest: +SKIP

    Taught in: notebooks/07_music_generation.ipynb, "What is a note to a computer?"
    """
    notes = scores.table(notes).sort_values("part", kind="stable")      # thin bars are drawn on thick ones
    if notes.empty:
        raise ValueError("There are no notes: a piano roll needs one at least.")
    if not 0 < seconds < np.inf:
        raise ValueError(f"seconds is how much of the roll is seen at a time, more than 0, not {seconds}.")
    title = title or "Piano roll"
    player = audio.player_html(y, sr, title)                            # refuses what is no sound
    duration, end = np.shape(y)[-1] / sr, notes.offset.max()
    if end > duration + SLACK:
        raise ValueError(f"The notes end at {end:.2f} s and the sound at {duration:.2f} s: give the sound of all of "
                         "them, and onsets in seconds; a quarter note lasts 60 / tempo.")
    low, high = plots.keys_around(notes.pitch)
    keys = features.note_names(440 * 2 ** ((np.arange(low, high + 1) - 69) / 12))
    parts, number = np.unique(notes.part, return_inverse=True)
    styles = [plots.part_style(part, names) for part in parts.tolist()]
    alt = _words(notes, keys, low, [name for name, _, _ in styles])
    widget = PianoRoll(player=player, drawn={
        "title": title, "alt": alt, "keys": keys, "low": low, "span": min(seconds, duration), "duration": duration,
        "parts": [dict(zip(("name", "color", "thickness"), style, strict=True)) for style in styles],
        "notes": notes.assign(part=number).to_numpy().round(4).tolist()})
    present(widget, _run(plots.piano_roll, {"notes": notes, "title": title, "alt": alt, "names": names}))


class PianoRoll(Played):
    """What `piano_roll` shows; `drawn` has `title`, `alt`, `keys` (names, from the pitch `low` upwards), `parts`,
    `notes`, the seconds that are seen, `span`, and those that there are, `duration`."""

    _esm = static("clips.js", "played.js", "piano_roll.js")
    _css = static("clips.css", "played.css", "piano_roll.css")


def _words(notes, keys, low, names):
    """The roll in words: how much, and where each part lies."""
    ranges = notes.groupby("part").pitch.agg(["min", "max"]).to_numpy() - low
    said = [f"{name} {keys[bottom]} to {keys[top]}" for name, (bottom, top) in zip(names, ranges, strict=True)]
    return f"Piano roll, {notes.offset.max():.1f} s, notes: {len(notes)}. {', '.join(said)}."
