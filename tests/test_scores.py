"""Every way to write a score down leads back to the same notes, and what is none is refused in plain words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolab import scores
from audiolab.corpora import music
from audiolab.scores import HOLD, KEYS, LOW, MISSING, REST, ScoreError

STEP = 0.25


@st.composite
def voices(draw, most=4):
    """Notes of parts that play one note at a time, on a grid of `STEP`."""
    rows = []
    for part in range(draw(st.integers(1, most))):
        now = 0
        for _ in range(draw(st.integers(1, 6))):
            start = now + draw(st.integers(0, 3))
            now = start + draw(st.integers(1, 9))
            rows.append((start * STEP, now * STEP, draw(st.integers(LOW, LOW + KEYS - 1)), part))
    return scores.table(rows)


grids = st.integers(1, 12).flatmap(lambda n: st.lists(
    st.lists(st.one_of(st.integers(LOW, LOW + KEYS - 1), st.just(REST), st.just(HOLD)), min_size=4, max_size=4),
    min_size=n, max_size=n)).map(lambda rows: valid(np.array(rows)))


def valid(grid):
    """The grid with a rest for each hold that has nothing to hold, and a note at its end, so that nothing is cut."""
    for t in range(len(grid)):
        grid[t, (grid[t] == HOLD) & (grid[t - 1] == REST if t else True)] = REST
    grid[-1, 0] = 60
    return grid


def same(one, other):
    return one.equals(other)


# ---- there and back --------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(voices(), st.floats(20, 300), st.lists(st.integers(0, 127), min_size=1, max_size=4))
def test_midi_leads_back(tmp_path_factory, notes, tempo, programs):
    file = tmp_path_factory.mktemp("midi") / "piece.mid"
    scores.to_midi(notes, tempo, programs).dump_midi(str(file))
    back = scores.from_midi(file)
    order = {part: i for i, part in enumerate(notes.groupby("part").pitch.mean().sort_values(
        ascending=False, kind="stable").index)}
    assert same(back, scores.table(notes.assign(part=notes.part.map(order))))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=KEYS, max_size=KEYS), min_size=1, max_size=6))
def test_a_piano_roll_leads_back(rows):
    roll = np.array(rows, np.float32)
    roll[-1, 0] = 1
    assert np.array_equal(scores.to_roll(scores.from_roll(roll, STEP), STEP), roll)


@settings(max_examples=60, deadline=None)
@given(voices())
def test_events_lead_back(notes):
    assert same(scores.from_events(scores.to_events(notes, STEP), STEP), notes)


@settings(max_examples=60, deadline=None)
@given(grids)
def test_four_voices_lead_back(grid):
    assert np.array_equal(scores.to_grid(scores.from_grid(grid, 0.5), 0.5), grid)


@settings(max_examples=15, deadline=None)
@given(voices())
def test_abc_leads_back_through_music21(notes):
    kept = notes[notes.part.isin(range(notes.part.max() + 1))]
    assert same(scores.from_abc(scores.to_abc(kept, STEP)), notes)


@pytest.mark.parametrize("name", ["bach/bwv269.mxl", "bach/bwv66.6.mxl"])
def test_a_chorale_survives_all_of_it(name):
    notes = scores.table(music.notes(name))
    assert same(scores.from_midi(scores.to_midi(notes)), notes)
    assert same(scores.from_events(scores.to_events(notes)), notes)
    assert same(scores.from_abc(scores.to_abc(notes)), notes)
    grid = scores.to_grid(notes)
    assert np.array_equal(scores.to_grid(scores.from_grid(grid)), grid)


def test_pitches_per_step_are_a_roll_and_back():
    steps = [(60, 64, 67), (), (21, 108)]
    roll = scores.roll_of(steps)
    assert roll.shape == (3, 88) and roll.sum() == 5 and roll[2, 0] == roll[2, 87] == 1
    assert scores.chords(roll) == steps


# ---- what each of them loses, and keeps ------------------------------------------------------------------


def test_a_roll_does_not_tell_a_repeated_note_from_a_held_one():
    twice, once = [(0, 1, 60, 0), (1, 2, 60, 0)], [(0, 2, 60, 0)]
    assert np.array_equal(scores.to_roll(scores.table(twice)), scores.to_roll(scores.table(once)))
    assert scores.to_grid(scores.table(twice), 1)[:, 0].tolist() == [60, 60]
    assert scores.to_grid(scores.table(once), 1)[:, 0].tolist() == [60, HOLD]


def test_events_say_what_happens_in_its_order():
    notes = scores.table([(0, 0.5, 60, 0), (0.5, 1, 60, 0), (0, 1, 48, 1)])
    assert scores.to_events(notes) == [
        ("on", 48, 1), ("on", 60, 0), ("wait", 2), ("off", 60, 0), ("on", 60, 0), ("wait", 2), ("off", 48, 1),
        ("off", 60, 0)]


def test_what_falls_between_two_points_of_the_grid_is_lost():
    notes = scores.table([(0, 0.75, 60, 0), (0.75, 1, 62, 0), (1, 2, 64, 0)])
    assert scores.to_grid(notes, 0.5)[:, 0].tolist() == [60, HOLD, 64, HOLD]
    assert (scores.to_grid(notes, 0.5)[:, 1:] == REST).all()


def test_sounding_tells_what_is_held():
    grid = np.array([[60, REST, 52, 48], [HOLD, 57, HOLD, REST], [62, HOLD, HOLD, 50]])
    assert scores.sounding(grid).tolist() == [[60, REST, 52, 48], [60, 57, 52, REST], [62, 57, 52, 50]]


def test_a_melody_is_the_highest_note_and_begins_at_once():
    notes = scores.table([(4, 6, 72, 0), (5, 6, 60, 0), (4, 8, 48, 1)])
    tune = scores.melody(notes, 1)
    assert tune[:, 0].tolist() == [72, HOLD, 48, HOLD] and (tune[:, 1:] == REST).all()


# ---- files of one's own ----------------------------------------------------------------------------------


def own_file(path, drums_only=False):
    """A MIDI file as others make them: another resolution, changing tempo, instruments, drums, an empty track."""
    from symusic import Note, Score, Tempo, Track

    score = Score(96)
    score.tempos.extend([Tempo(time=0, qpm=143.7), Tempo(time=192, qpm=61)])
    drums = Track(program=0, is_drum=True)
    drums.notes.append(Note(time=0, duration=24, pitch=36, velocity=100))
    bass, lead = Track(program=33), Track(program=81)
    bass.notes.append(Note(time=0, duration=384, pitch=40, velocity=70))
    lead.notes.extend([Note(time=0, duration=48, pitch=76, velocity=90), Note(time=192, duration=96, pitch=79,
                                                                              velocity=1)])
    score.tracks.extend([drums, Track(program=5)] if drums_only else [drums, bass, Track(program=5), lead])
    score.dump_midi(str(path))
    return path


def test_a_file_of_ones_own_is_read_at_any_tempo_with_any_instruments(tmp_path):
    notes = scores.from_midi(own_file(tmp_path / "own.mid"))
    assert notes.to_numpy().tolist() == [[0, 0.5, 76, 0], [0, 4, 40, 1], [2, 3, 79, 0]]
    assert scores.melody(notes)[:, 0].tolist() == [76, 40, HOLD, HOLD, 79, HOLD, 40, HOLD]


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(ScoreError, match="cannot be read"):
        scores.from_midi(tmp_path / "nowhere.mid")
    (tmp_path / "text.mid").write_text("a tune")
    with pytest.raises(ScoreError, match=r"no MIDI file.*\.mid"):
        scores.from_midi(tmp_path / "text.mid")
    with pytest.raises(ScoreError, match="besides drums"):
        scores.from_midi(own_file(tmp_path / "drums.mid", drums_only=True))


# ---- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("make, words", [
    (lambda: scores.table([(0, 1, 128, 0)]), "Pitch 128 is no MIDI number"),
    (lambda: scores.table([(1, 1, 60, 0)]), "ends before it begins"),
    (lambda: scores.table([(0, 1, np.nan, 0)]), "nothing, NaN or infinity in one of onset, offset, pitch, part"),
    (lambda: scores.to_midi(scores.table([])), "no notes"),
    (lambda: scores.to_roll(scores.table([(0, 1, 20, 0)])), "Pitch 20 is no key"),
    (lambda: scores.to_roll(scores.table([(0, 9000, 60, 0)])), "9000 steps"),
    (lambda: scores.from_roll(np.zeros((88, 5))), r"\[88, 5\]"),
    (lambda: scores.roll_of([(60, 109)]), "Pitch 109 is no key"),
    (lambda: scores.to_events(scores.table([(0, 2, 60, 0), (1, 3, 60, 0)])), "strikes 60 again"),
    (lambda: scores.from_events([("on", 60, 0), ("on", 60, 0)]), "cannot happen"),
    (lambda: scores.from_events([("off", 60, 0)]), "cannot happen"),
    (lambda: scores.from_events([("wait", 0)]), "cannot happen"),
    (lambda: scores.from_events([("on", 60, 0), ("wait", 3)]), "never end"),
    (lambda: scores.to_abc(scores.table([(0, 2, 60, 0), (1, 3, 64, 0)])), "two notes at once"),
    (lambda: scores.to_abc(scores.table([(0, 2, 60, 0)]), 0.3), "no name in ABC"),
    (lambda: scores.from_abc("X:1\nT:nothing\nK:C\n"), "ABC"),
    (lambda: scores.to_grid(scores.table([])), "no notes"),
    (lambda: scores.to_grid(scores.table([(0, 1, 60, 4)])), "5 parts"),
    (lambda: scores.from_grid(np.zeros((3, 3), int)), r"\[3, 3\]"),
    (lambda: scores.from_grid([[HOLD, REST, REST, REST]]), "soprano holds at step 0"),
    (lambda: scores.from_grid([[60, 5, REST, REST]]), "Pitch 5 is no key"),
    (lambda: scores.from_grid([[60, MISSING, REST, REST]]), "is no key"),
])
def test_what_is_no_score_is_refused(make, words):
    with pytest.raises(ScoreError, match=words):
        make()
