"""A piano roll shows and plays what it is given, leaves a picture without a kernel, and refuses what does not fit."""

import base64
import re

import numpy as np
import pytest

from audiolab import audio, measure, scores, synth, widgets
from audiolab.widgets import composing, explorer

pytestmark = pytest.mark.usefixtures("shell")
SR = 8000
Y = synth.tone(500, 4.0, SR, 0.3)
NOTES = scores.table([(0, 4, 60, 1), (0, 1, 60, 0), (1, 2.5, 66, 0), (2.5, 4, 72, 0)])


@pytest.fixture
def made(monkeypatch, shown):
    rolls, real = [], composing.PianoRoll
    monkeypatch.setattr(composing, "PianoRoll", lambda **given: rolls.append(real(**given)) or rolls[-1])
    return rolls


def test_a_roll_leaves_its_picture_and_says_in_words_what_is_in_it(shown, made):
    widgets.piano_roll(NOTES, Y, SR, "Two voices", names=["flute", "cello"])
    [(data, metadata)], [roll] = shown, made
    assert explorer.VIEW in data and len(data["image/png"]) > 1000
    assert metadata["image/png"]["alt"] == data["text/plain"] == roll.drawn["alt"] == (
        "Piano roll, 4.0 s, notes: 4. flute C4 to C5, cello C4 to C4.")
    assert roll.drawn["title"] == "Two voices"


def test_what_is_drawn_are_the_notes(made):
    widgets.piano_roll(NOTES, Y, SR, seconds=3)
    [roll] = made
    drawn = roll.drawn
    assert (drawn["title"], drawn["span"], drawn["duration"]) == ("Piano roll", 3, 4)
    assert [part["name"] for part in drawn["parts"]] == ["part 0", "part 1"]
    assert len({part["color"] for part in drawn["parts"]}) == 2
    assert drawn["parts"][0]["thickness"] > drawn["parts"][1]["thickness"]              # of a unison both are seen
    assert drawn["notes"] == [[0, 1, 60, 0], [1, 2.5, 66, 0], [2.5, 4, 72, 0], [0, 4, 60, 1]]       # the thin one last
    assert (drawn["low"], len(drawn["keys"])) == (59, 15)
    assert [drawn["keys"][pitch - 59] for pitch in (59, 60, 66, 73)] == ["B3", "C4", "F♯4", "C♯5"]


def test_a_part_keeps_its_colour_when_others_are_absent(made):
    widgets.piano_roll(NOTES, Y, SR)
    widgets.piano_roll(NOTES[NOTES.part == 1], Y, SR)
    both, one = made
    assert one.drawn["parts"] == both.drawn["parts"][1:] and one.drawn["notes"] == [[0, 4, 60, 0]]


@pytest.mark.parametrize("pitch", [0, 59, 60, 127])
def test_a_single_note_has_an_octave_around_it_with_its_c(made, pitch):
    widgets.piano_roll([(0, 1, pitch, 0)], Y, SR)
    keys = made[0].drawn["keys"]
    assert len(keys) == 12 and sum(re.fullmatch(r"C-?\d+", key) is not None for key in keys) == 1


def test_the_sound_is_compressed_and_in_step_with_the_notes(made):
    y = np.zeros(4 * SR, np.float32)
    y[2 * SR :] = synth.tone(500, 2.0, SR, 0.3)                                 # begins at 2 s
    widgets.piano_roll(NOTES, y, SR, "<b>")
    [roll] = made
    [coded] = re.findall(r'src="data:audio/mpeg;base64,([^"]+)"', roll.player)
    assert len(coded) < 2 * y.size / 2                                          # bytes: half of a WAV's
    heard, sr = audio.load(base64.b64decode(coded), mono=True)
    assert measure.peak_frequency(heard, sr) == pytest.approx(500, abs=2)
    assert np.argmax(np.abs(heard) > 0.1) / sr == pytest.approx(2, abs=0.01)
    assert "&lt;b&gt;" in roll.player and "<b>" not in roll.player


def test_more_is_not_seen_than_there_is_and_a_last_note_may_outlast_the_sound_a_little(made):
    widgets.piano_roll(NOTES.to_dict("records"), np.stack([Y, Y])[:, : -SR // 20], SR)
    [roll] = made
    assert roll.drawn["span"] == roll.drawn["duration"] == 3.95


@pytest.mark.parametrize("change, words", [
    ({"notes": NOTES[:0]}, "There are no notes: a piano roll needs one at least"),
    ({"notes": []}, "There are no notes"),
    ({"notes": NOTES.assign(onset=np.nan)}, "nothing, NaN or infinity in one of onset, offset, pitch, part"),
    ({"notes": NOTES.assign(offset=np.inf)}, "nothing, NaN or infinity"),
    ({"notes": NOTES.drop(columns="part")}, "give a table with the columns onset, offset, pitch, part"),
    ({"notes": NOTES.assign(pitch=200)}, "Pitch 200 is no MIDI number"),
    ({"notes": NOTES.assign(offset=0.0)}, "ends before it begins"),
    ({"y": Y[: 2 * SR]}, r"The notes end at 4\.00 s and the sound at 2\.00 s: .* a quarter note lasts 60 / tempo"),
    ({"y": np.where(Y > 0.2, np.nan, Y)}, "the signal holds NaN"),
    ({"y": np.zeros(0, np.float32)}, "the signal is empty"),
    ({"y": np.zeros((3, 4 * SR), np.float32)}, "one or two channels, not 3"),
    ({"sr": 0}, "sr is a number of hertz"),
    ({"seconds": 0}, "seconds is how much of the roll is seen at a time, more than 0, not 0"),
    ({"seconds": np.nan}, "seconds is how much"),
])
def test_what_does_not_fit_is_refused_in_one_line(shown, change, words):
    with pytest.raises(ValueError, match=words) as refused:
        widgets.piano_roll(**{"notes": NOTES, "y": Y, "sr": SR, **change})
    assert "\n" not in str(refused.value) and shown == []
