"""Every way to write a score down leads back to the same notes, and what is none is refused in plain words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolab import scores
from audiolab.corpora import music
from audiolab.scores import HOLD, KEYS, LOW, MISSING, REST, ScoreError

STEP = 0.25
NOTE = scores.table([(0, 1, 60, 0)])


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
    assert same(scores.from_midi(file), notes)


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


def test_whole_numbers_may_be_written_as_floats():
    assert same(scores.table([(0, 1, 60.0, 1.0)]), scores.table([(0, 1, 60, 1)]))
    assert scores.as_grid([[60.0, REST, 52, HOLD]]).dtype == np.int64
    assert np.array_equal(scores.sounding(np.array([[60, 55, 52, 48]], np.uint8)), [[60, 55, 52, 48]])


def test_pitches_per_step_are_a_roll_and_back():
    steps = [(60, 64, 67), (), (21, 108)]
    roll = scores.roll_of(steps)
    assert roll.shape == (3, 88) and roll.sum() == 5 and roll[2, 0] == roll[2, 87] == 1
    assert scores.chords(roll) == steps


HEAD = "X:1\nT:a tune\nM:4/4\nL:1/4\n"


@pytest.mark.parametrize("body", [
    "K:G\nV:1\nF4|\nV:2\nC4|\nV:1\nG4|\nV:2\nD4|\n",
    "V:S name=\"Z & x\"\nV:B clef=bass\nK:G\n% Z\nV:S\nF4|\nV:B\nC4|D4\nw: exit Z\nV:S\nG4|\n",
    "K:G\nF4|\nV:2\nC4|\nV:1\nG4|\nV:2\nD4|\n"])
def test_the_lines_of_a_voice_of_abc_belong_together(body):
    assert scores.from_abc(HEAD + body).to_numpy().tolist() == [
        [0, 4, 66, 0], [0, 4, 60, 1], [4, 8, 67, 0], [4, 8, 62, 1]]


def test_a_change_of_key_stays_where_it_is_and_words_before_a_tune_do_not_matter():
    tune = HEAD + "%%score 1\nK:C\nF\nK:D\nF|\nL:1/8\nF\n"
    assert scores.from_abc("An example, exactly.\n\n" + tune).to_numpy().tolist() == [
        [0, 1, 65, 0], [1, 2, 66, 0], [2, 2.5, 66, 0]]


def test_an_accidental_of_abc_lasts_until_the_bar():
    assert scores.from_abc(HEAD + "K:C\n^F F2 F | F4 |\n").pitch.tolist() == [66, 66, 66, 65]
    assert scores.from_abc("%abc-1.6\n" + HEAD + "K:C\n^F F2 F | F4 |\n").pitch.tolist() == [66, 65, 65, 65]


@pytest.mark.parametrize("body, words", [
    ("K:C\nF [K:D] F\n", "line of its own"), ("K:C\n[V:1] F [V:2] C\n", "line of its own"),
    ("K:C\nF [L:1/8] F\n", "line of its own"), ("K:C\nF4|Z|G4\n", "rests as z"), ("K:C\nF x G\n", "rests as z"),
    ("K:C clef=bass\nF G\n", "clef"), ("K:C\nV:1 octave=-1\nF\n", "own height"), ("K:C\nF4 & C4\n", "voice"),
    ("K:C\nF\n\nX:2\nK:C\nG\n", "'X:2'.*one tune at a time")])
def test_abc_that_music21_misreads_is_refused(body, words):
    with pytest.raises(ScoreError, match=f"music21 would misread.*{words}"):
        scores.from_abc(HEAD + body)


def test_abc_opens_no_file(tmp_path):
    (tmp_path / "tune.abc").write_text(HEAD + "K:C\nF\n")
    for text in (str(tmp_path / "tune.abc"), tmp_path / "tune.abc", "https://example.org/tune.abc", None, b"K:C\nF\n"):
        with pytest.raises(ScoreError, match="read the file first"):
            scores.from_abc(text)


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


@settings(max_examples=60, deadline=None)
@given(grids, st.integers(0, 2**32 - 1))
def test_a_hair_late_or_early_is_on_the_grid(grid, seed):
    rng, notes = np.random.default_rng(seed), scores.from_grid(grid)
    played = notes.assign(onset=(notes.onset + rng.uniform(-0.02, 0.02, len(notes))).clip(lower=0),
                          offset=notes.offset + rng.uniform(-0.02, 0.02, len(notes)))
    assert np.array_equal(scores.to_grid(played), grid)
    assert np.array_equal(scores.to_grid(played.assign(offset=notes.offset + 0.05))[: len(grid)], grid)


def test_legato_ends_where_the_next_note_begins():
    notes = scores.table([(0, 0.8, 72, 0), (0.7, 1.5, 60, 0)])              # the second one between two points
    assert scores.to_grid(notes)[:, 0].tolist() == [72, HOLD, 60]
    sixteenths = scores.table([(0, 0.78, 60, 0), (0.75, 1.03, 72, 0), (1, 1.5, 60, 0)])     # 72 stays lost
    assert scores.to_grid(sixteenths)[:, 0].tolist() == [60, HOLD, 60]
    chord = scores.table([(0, 1.05, 72, 0), (0.02, 1.05, 60, 0), (1, 2, 64, 0)])
    assert scores.to_grid(chord)[:, 0].tolist() == [72, HOLD, 64, HOLD]


def test_a_short_note_on_a_point_stays_and_a_grace_note_before_it_goes():
    notes = scores.table([(0, 0.05, 60, 0), (0.52, 0.6, 62, 0), (0.9, 1, 72, 0), (1, 1.5, 64, 0)])
    assert scores.to_grid(notes)[:, 0].tolist() == [60, 62, 64]


def test_sounding_tells_what_is_held():
    grid = np.array([[60, REST, 52, 48], [HOLD, 57, HOLD, REST], [62, HOLD, HOLD, 50]])
    assert scores.sounding(grid).tolist() == [[60, REST, 52, 48], [60, 57, 52, REST], [62, 57, 52, 50]]


def test_a_melody_is_the_highest_note_and_begins_at_once():
    notes = scores.table([(4, 6, 72, 0), (5, 6, 60, 0), (4, 8, 48, 1)])
    tune = scores.melody(notes, 1)
    assert tune[:, 0].tolist() == [72, HOLD, 48, HOLD] and (tune[:, 1:] == REST).all()


@pytest.mark.parametrize("onset, before", [(3.5, [REST]), (3.25, [REST]), (3.98, []), (4.02, []), (4.5, [REST])])
def test_an_upbeat_stays_off_the_beat(onset, before):
    notes = scores.table([(onset, 5, 67, 2), (5, 6, 72, 2)])
    tune = scores.melody(notes)[:, 0].tolist()
    assert tune[: len(before) + 1] == [*before, 67] and tune.index(72) % 2 == 0


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


def test_soprano_and_bass_alone_stay_the_first_and_the_fourth(tmp_path):
    notes = scores.table([(0, 1, 48, 0), (0, 1, 60, 3)])                     # even where they cross
    scores.to_midi(notes).dump_midi(str(tmp_path / "two.mid"))
    assert same(scores.from_midi(tmp_path / "two.mid"), notes)
    score = scores.to_midi(notes)
    score.tracks[0].name = "part 3"
    assert scores.from_midi(score).part.tolist() == [0, 1] and scores.from_midi(score).pitch.tolist() == [60, 48]


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(ScoreError, match="cannot be read"):
        scores.from_midi(tmp_path / "nowhere.mid")
    (tmp_path / "text.mid").write_text("a tune")
    with pytest.raises(ScoreError, match=r"no MIDI file.*\.mid"):
        scores.from_midi(tmp_path / "text.mid")
    data = own_file(tmp_path / "own.mid").read_bytes()
    for wrong, words in ((data[:12] + b"\0\0" + data[14:], "0 ticks"), (data[:12] + b"\xe7\x28" + data[14:], "SMPTE"),
                         (b"RIFF" + bytes(16) + data, "RIFF"), (data[:13], "no MIDI file, or damaged")):
        (tmp_path / "wrong.mid").write_bytes(wrong)
        with pytest.raises(ScoreError, match=words):
            scores.from_midi(tmp_path / "wrong.mid")
    for wrong in (None, data, 5):
        with pytest.raises(ScoreError, match="is no MIDI file: give its path") as raised:
            scores.from_midi(wrong)
        assert len(str(raised.value)) < 100
    with pytest.raises(ScoreError, match="besides drums"):
        scores.from_midi(own_file(tmp_path / "drums.mid", drums_only=True))


# ---- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0, -0.5, np.nan, np.inf, None, "0.5", True])
@pytest.mark.parametrize("write, what", [
    (scores.to_roll, NOTE), (scores.from_roll, np.ones((1, KEYS))), (scores.to_events, NOTE), (scores.from_events, []),
    (scores.to_abc, NOTE), (scores.to_grid, NOTE), (scores.from_grid, [[60, REST, REST, REST]]), (scores.melody, NOTE)])
def test_a_step_is_a_length(write, what, step):
    with pytest.raises(ScoreError, match="A step is a number of quarter notes above 0"):
        write(what, step)


@pytest.mark.parametrize("make, words", [
    (lambda: scores.table([(0, 1, 128, 0)]), "Pitch 128 is no MIDI number"),
    (lambda: scores.table([(1, 1, 60, 0)]), "ends before it begins"),
    (lambda: scores.table([(0, 1, 60.7, 0)]), "Pitch 60.7 is no MIDI number"),
    (lambda: scores.table([(0, 1, 60, 0.5)]), "Part 0.5 is none"),
    (lambda: scores.table([(0, 1, 60, -1)]), "Part -1 is none"),
    (lambda: scores.table([(0, 1, "60", 0)]), "columns onset, offset, pitch, part"),
    (lambda: scores.table([(0, 1, 60)]), "columns onset, offset, pitch, part"),
    (lambda: scores.table(scores.table([]).drop(columns="part")), "columns onset, offset, pitch, part"),
    (lambda: scores.table(None), "columns onset, offset, pitch, part"),
    (lambda: scores.table("a tune"), "columns onset, offset, pitch, part"),
    (lambda: scores.table(60), "columns onset, offset, pitch, part"),
    (lambda: scores.table([(0, 1, np.nan, 0)]), "nothing, NaN or infinity in one of onset, offset, pitch, part"),
    (lambda: scores.to_midi(scores.table([])), "no notes"),
    *[(lambda tempo=tempo: scores.to_midi(NOTE, tempo), "A tempo is a number")
      for tempo in (0, 3.9, 1001, np.nan, "80")],
    *[(lambda programs=programs: scores.to_midi(NOTE, 80, programs), "Programs are whole numbers from 0 to 127")
      for programs in ((), (128,), (-1,), (0.5,), 0, None, "harp")],
    (lambda: scores.to_roll(scores.table([(0, 1, 20, 0)])), "Pitch 20 is no key"),
    (lambda: scores.to_roll(scores.table([(0, 9000, 60, 0)])), "9000 steps"),
    (lambda: scores.from_roll(np.zeros((88, 5))), r"\[88, 5\]"),
    (lambda: scores.roll_of([(60, 109)]), "Pitch 109 is no key"),
    (lambda: scores.to_events(scores.table([(0, 2, 60, 0), (1, 3, 60, 0)])), "strikes 60 again"),
    (lambda: scores.to_events(scores.table([(0, 0.1, 60, 0), (0.1, 1, 60, 0)])), "take a finer step than 0.25"),
    (lambda: scores.to_abc(scores.table([(0, 0.1, 60, 0), (0.1, 1, 62, 0)])), "take a finer step than 0.25"),
    (lambda: scores.to_abc(NOTE, title="one\n"), "title in ABC is one line"),
    (lambda: scores.from_events([("on", 60, 0), ("on", 60, 0)]), "cannot happen"),
    (lambda: scores.from_events([("off", 60, 0)]), "cannot happen"),
    (lambda: scores.from_events([("wait", 0)]), "cannot happen"),
    (lambda: scores.from_events([("on", 60, 0), ("wait", 3)]), "never end"),
    (lambda: scores.to_abc(scores.table([(0, 2, 60, 0), (1, 3, 64, 0)])), "two notes at once"),
    (lambda: scores.to_abc(scores.table([(0, 2, 60, 0)]), 0.3), "no name in ABC"),
    (lambda: scores.from_abc("X:1\nT:nothing\nK:C\n"), "ABC"),
    (lambda: scores.to_grid(scores.table([])), "no notes"),
    (lambda: scores.to_grid(scores.table([(0, 1, 60, 4)])), "5 parts"),
    (lambda: scores.to_grid(scores.table([(0.25, 0.5, 60, 0)])), "lies on a grid of 0.5 quarters: take a finer step"),
    (lambda: scores.from_grid(np.zeros((3, 3), int)), r"\[3, 3\]"),
    (lambda: scores.from_grid([[HOLD, REST, REST, REST]]), "soprano holds at step 0"),
    (lambda: scores.from_grid([[60, 5, REST, REST]]), "Pitch 5 is no key"),
    (lambda: scores.from_grid([[60, MISSING, REST, REST]]), "fill in what is missing first: infilling.fill_in"),
    (lambda: scores.sounding([[60, MISSING, REST, REST]]), "fill in what is missing first: infilling.fill_in"),
    (lambda: scores.sounding([[60, 5, REST, REST]]), "Pitch 5 is no key"),
    (lambda: scores.from_grid(scores.table([(0, 1, 60, 0)])), "table of notes: scores.to_grid makes a grid of it"),
    (lambda: scores.sounding(np.zeros(4, int)), r"\[4\]"),
    (lambda: scores.as_grid([[60, 60], [60]]), r"no grid: it has shape \[time, 4\]"),
    (lambda: scores.as_grid(None), r"shape \[time, 4\]"),
    (lambda: scores.as_grid([[60.7, 60, 60, 60]]), "whole numbers"),
    (lambda: scores.as_grid([[np.nan, 60, 60, 60]]), "whole numbers"),
    (lambda: scores.as_grid([[np.inf, 60, 60, 60]]), "whole numbers"),
    (lambda: scores.as_grid(np.ones((2, 4), bool)), "whole numbers"),
    (lambda: scores.as_grid([["a", "b", "c", "d"]]), "whole numbers"),
])
def test_what_is_no_score_is_refused(make, words):
    with pytest.raises(ScoreError, match=words):
        make()
