"""Scores are read right, instruments sound at their pitch, and no piece is on both sides of a split."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from audiolab import corpus
from audiolab.corpora import music

PITCHES = (41, 48, 55, 62, 69, 76, 83)


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    """Scores and instruments are made once for all tests here, away from the course's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUDIOLAB_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def genres(home):
    return music.plan_genres()


# ---------------------------------------------------------------------------------------- scores


def as_music21_reads(piece):
    from music21 import converter

    parsed = converter.parse(music._scores() / piece, forceSource=True)
    return sorted(
        (*np.round([float(note.offset), float(note.offset + note.quarterLength)], 2), pitch.midi, part)
        for part, voice in enumerate(parsed.parts) for note in voice.flatten().stripTies().notes
        for pitch in note.pitches if note.quarterLength > 0
    )


@pytest.mark.parametrize("piece", [
    "bach/bwv269.mxl", "bach/bwv66.6.mxl", "bach/bwv67.4.xml", "monteverdi/madrigal.3.20.mxl",
    "monteverdi/madrigal.4.10.mxl", "mozart/k80/movement2.mxl", "haydn/opus1no1/movement2.mxl",
])
def test_scores_are_read_as_music21_reads_them(piece):
    ours = sorted(tuple(np.round(row, 2)) for row in music.notes(piece).to_numpy(float))
    assert ours == as_music21_reads(piece)


def test_a_tune_and_its_repetition():
    table = music.notes("ryansMammoth/AcaciaReel.abc:1")
    assert list(table.columns) == ["onset", "offset", "pitch", "part"] and (table.part == 0).all()
    assert (table.offset > table.onset).all() and table.pitch.between(50, 100).all() and len(table) > 60
    assert table.equals(music.notes("ryansMammoth/AcaciaReel.abc:1"))           # the second time from disk


@pytest.mark.parametrize("style", music.STYLES)
def test_every_style_has_pieces(style):
    names = music.pieces(style)
    assert len(names) == len(set(names)) >= 40 and not any("palestrina" in name for name in names)


def test_piano_roll():
    rows = [{"onset": 0.1, "offset": 0.3, "pitch": 60}, {"onset": 0.3, "offset": 0.301, "pitch": 21}]
    roll = music.piano_roll(rows, 0.5, rate=10)
    assert roll.shape == (88, 5) and roll.dtype == np.float32 and roll.sum() == 3
    assert roll[39].tolist() == [0, 1, 1, 0, 0] and roll[0].tolist() == [0, 0, 0, 1, 0]
    assert np.array_equal(music.piano_roll(pd.DataFrame(rows), 0.5, 10, keys=128)[21:109], roll)
    assert music.piano_roll([], 1).shape == (88, 100)


@pytest.mark.parametrize("pitch, keys, words", [(20, 88, "20 to 20"), (60, 61, "88")])
def test_piano_roll_refuses(pitch, keys, words):
    with pytest.raises(ValueError, match=words):
        music.piano_roll([{"onset": 0, "offset": 1, "pitch": pitch}], 1, keys=keys)


# ---------------------------------------------------------------------------------------- instruments


def play(program, pitch):
    from symusic import Note, Score, Track

    score, track = Score(480), Track(program=program)
    track.notes.append(Note(time=0, duration=960, pitch=pitch, velocity=80))
    score.tracks.append(track)
    return music._sound(score).astype(float), music._PLAYED


def cents_off(y, sr, pitch):
    """How far the best period near the written one is off, and how well the sound repeats with it."""
    y = y[int(0.08 * sr) : int(0.6 * sr)]
    n = len(y)
    again = np.fft.irfft(np.abs(np.fft.rfft(y - y.mean(), 2 * n)) ** 2)[:n] / np.arange(n, 0, -1)
    period = sr / (440 * 2 ** ((pitch - 69) / 12))
    near = np.arange(int(0.9 * period), int(1.12 * period) + 2)
    k = near[np.argmax(again[near])]
    before, at, after = again[k - 1 : k + 2]
    best = again[int(0.3 * period) : int(2.3 * period)].max()
    return 1200 * np.log2((k + (before - after) / (2 * (before - 2 * at + after))) / period), at / best, at / again[0]


@pytest.mark.parametrize("program", music.IN_TUNE)
def test_instruments_sound_at_their_pitch(program):
    for pitch in PITCHES:
        y, sr = play(program, pitch)
        cents, share, strength = cents_off(y.mean(axis=0), sr, pitch)
        assert abs(cents) < 30 and share > 0.9 and strength > 0.5, (pitch, cents, share, strength)


def test_no_instrument_plays_what_lies_in_memory():
    for program in range(128):
        for pitch in (46, 61, 76, 91):
            y, _ = play(program, pitch)
            assert np.isfinite(y).all() and np.abs(y).max() < 2 and np.array_equal(y, play(program, pitch)[0])


def test_the_recordings_stay_as_they_are():
    import pretty_midi

    original = (music.Path(pretty_midi.__file__).with_name("TimGM6mb.sf2")).read_bytes()
    ours = music.soundfont().read_bytes()
    samples = original.index(b"pdta") - 8
    assert ours[8:samples] == original[8:samples]
    assert int.from_bytes(ours[4:8], "little") == len(ours) - 8
    assert music._with_own_samples(original) == ours


# ---------------------------------------------------------------------------------------- corpora


@pytest.mark.slow                       # the tunes are parsed from thousands of files
@pytest.mark.parametrize("plan, styles", [
    (music.plan_genres, set(music.STYLES)), (music.plan_chorales, {"chorale"}), (music.plan_tunes, {"song", "dance"}),
])
def test_a_plan_follows_its_seed(plan, styles):
    a, b, other = plan(120, seed=1), plan(120, seed=1), plan(120, seed=2)
    assert a.equals(b) and not a.piece.equals(other.piece)
    assert len(a) == 120 and a.path.is_unique and set(a.label) == styles
    assert set(a.label.value_counts()) == {120 // len(styles)}
    assert set(a.split) == {"train", "validation", "test"}
    assert a.groupby("group").split.nunique().max() == a.groupby("piece").split.nunique().max() == 1


def turns(piece, n=10):
    table = music.notes(piece)
    steps = np.diff(table[table.part == 0].groupby("onset").pitch.max().to_numpy())
    return {tuple(steps[i : i + n]) for i in range(len(steps) - n + 1)}


@pytest.mark.slow                       # the tunes are parsed from thousands of files
@pytest.mark.parametrize("plan", [music.plan_genres, music.plan_chorales, music.plan_tunes])
def test_no_tune_is_in_two_splits_under_two_names(plan):
    table = plan(400).drop_duplicates("piece")
    melodies = {piece: turns(piece) for piece in table.piece}
    for one in table[table.split == "test"].piece:
        for other in table[table.split != "test"].piece:
            shared = len(melodies[one] & melodies[other]) / max(1, min(len(melodies[one]), len(melodies[other])))
            assert shared < 0.25, (one, other)


def test_movements_of_a_work_stay_together(genres):
    quartets = genres[genres.label == "quartet"]
    assert quartets.groupby(quartets.piece.str.rsplit("/", n=1).str[0]).split.nunique().max() == 1


def test_a_chorale_melody_harmonised_twice_is_one_group():
    tables = {f"bach/bwv{n}.mxl": music.notes(f"bach/bwv{n}.mxl") for n in ("244.15", "244.17", "269")}
    groups = music._groups(tables)
    assert groups["bach/bwv244.15.mxl"] == groups["bach/bwv244.17.mxl"] != groups["bach/bwv269.mxl"]


def test_neither_instrument_nor_speed_tells_the_style(genres):
    counts = pd.crosstab(genres.label, genres.ensemble)
    assert counts.shape == (6, len(music.ENSEMBLES)) and counts.min().min() >= 5 and counts.max().max() <= 11
    best = counts.max().sum() / counts.sum().sum()             # right, if one guesses by the ensemble alone
    assert best < 0.22
    assert genres.groupby("label").transpose.agg(["min", "max"]).eq([-5, 6]).all().all()


def test_notes_are_those_heard(genres):
    row = genres[(genres.label == "song") & (genres.ensemble == "woodwind")].iloc[0].to_dict()
    clip = music.render_row(row)
    assert clip.sr == 22050 and clip.y.shape == (220500,) and clip.y.dtype == np.float32
    assert np.max(np.abs(clip.y)) == pytest.approx(10 ** (-3 / 20), abs=1e-3)
    long = [note for note in clip.sidecars["notes"] if note["offset"] - note["onset"] > 0.3]
    assert len(long) >= 3
    for note in long:
        sound = clip.y[int(note["onset"] * clip.sr) : int(note["offset"] * clip.sr)]
        period = clip.sr / (440 * 2 ** ((note["pitch"] - 69) / 12))
        sound = sound[len(sound) // 4 :]
        n = len(sound)
        again = np.fft.irfft(np.abs(np.fft.rfft(sound, 2 * n)) ** 2)[:n] / np.arange(n, 0, -1)
        near = np.arange(int(0.9 * period), int(1.1 * period) + 2)
        assert abs(1200 * np.log2(near[np.argmax(again[near])] / period)) < 60          # whole samples only


def test_what_was_played_before_changes_nothing(genres):
    rows = genres.sample(30, random_state=0).to_dict("records")
    forward = [music.render_row(row).y for row in rows]
    backward = [music.render_row(row).y for row in reversed(rows)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forward, backward, strict=True))


def test_stems_add_up_to_the_mix():
    for row in music.plan_stems(20).to_dict("records"):
        stems, mix = music.render_row(row).y, music.render_row(row | {"_stems": None}).y
        assert stems.shape == (4, 220500) and (np.abs(stems).max(axis=1) > 0.01).all()
        total = stems.sum(axis=0)
        assert max(np.abs(stems).max(), np.abs(total).max()) <= 10 ** (-3 / 20) + 1e-6
        np.testing.assert_allclose(total, mix * np.abs(total).max() / np.abs(mix).max(), atol=1e-5)


def test_a_corpus_is_the_same_to_the_byte_with_one_worker_and_two(tmp_path):
    plan = music.plan_genres(24, seconds=4, seed=5)
    prints = []
    for jobs in (1, 2):
        made = corpus.make(tmp_path / str(jobs), plan, music.render_row, n_jobs=jobs)
        files = sorted(file for file in made.root.rglob("*") if file.is_file())
        prints.append([(file.name, hashlib.sha256(file.read_bytes()).hexdigest()) for file in files])
    assert prints[0] == prints[1] and len(prints[0]) == 27
    made.check()
    assert set(made.sidecar("notes").path) == set(plan.path) and "_seconds" not in made.table
