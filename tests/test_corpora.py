"""The synthetic voice and the sampled instruments."""

import numpy as np
import pytest

import audiolab as al
from audiolab import measure
from audiolab.corpora import music, speech


def test_say_speaks():
    y, sr = speech.say("one two three")
    assert sr == 22050 and y.dtype == np.float32 and y.ndim == 1
    assert 0.5 < len(y) / sr < 3 and 0.05 < measure.peak(y) <= 1


def test_rate_pitch_and_voice_matter():
    text = "The north wind and the sun."
    plain, sr = speech.say(text, "en-us")
    quick, _ = speech.say(text, "en-us", rate=350)
    assert len(quick) < 0.7 * len(plain)
    high, _ = speech.say(text, "en-us", pitch=99)

    def centroid(y):
        f, level = measure.spectrum(y, sr)
        power = 10 ** (level / 10)
        return np.sum((f * power)[f < 400]) / np.sum(power[f < 400])

    assert centroid(high) > 1.05 * centroid(plain)
    other, _ = speech.say(text, "en-us+f3")
    assert len(other) != len(plain) or not np.allclose(other, plain)


@pytest.mark.parametrize("arguments, words", [
    (dict(text=" "), "no text"), (dict(text="a", voice="klingonese"), "klingonese"),
    (dict(text="a", rate=10), "rate"), (dict(text="a", pitch=101), "pitch"),
    (dict(text="a", pitch_range=-1), "pitch_range"),
])
def test_say_refuses(arguments, words):
    with pytest.raises(ValueError, match=words):
        speech.say(**arguments)


def test_a_chorale_has_four_voices_at_a_fair_level():
    score = music.chorale("bwv269", measures=(0, 1))
    assert len(score.tracks) == 4
    y, _ = music.render(score)
    assert y.shape[0] == 2 and y.dtype == np.float32
    assert measure.dbfs(measure.peak(y).max()) == pytest.approx(-3, abs=0.01)


def one_note(program, pitch):
    from symusic import Note, Score, Track

    score, track = Score(480), Track(program=program)
    track.notes.append(Note(time=0, duration=480, pitch=pitch, velocity=80))
    score.tracks.append(track)
    return score


@pytest.mark.parametrize("program", [music.HARP, music.STRINGS, music.TRUMPET, music.OBOE, music.FLUTE])
@pytest.mark.parametrize("pitch", [60, 67, 74])
def test_instruments_are_in_tune(program, pitch):
    y, sr = music.render(one_note(program, pitch))
    f, level = measure.spectrum(y.mean(axis=0)[:10000], sr, n_fft=2**17)
    expected = 440 * 2 ** ((pitch - 69) / 12)
    near = np.abs(f / expected - 1) < 0.12                       # two semitones
    assert level[near].max() > level.max() - 30
    assert abs(1200 * np.log2(f[near][np.argmax(level[near])] / expected)) < 35      # an ensemble is never exact


def test_an_instrument_out_of_tune_is_refused():
    with pytest.raises(ValueError, match=r"\[119\] would sound"):
        music.render(one_note(119, 60))


def test_unknown_chorale_and_empty_score():
    with pytest.raises(ValueError, match="bwv0"):
        music.chorale("bwv0")
    from symusic import Score

    with pytest.raises(ValueError, match="no notes"):
        music.render(Score(480))


def test_samples_are_made_once(monkeypatch, tmp_path):
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    path = al.sample("spoken")
    written = path.stat().st_mtime_ns
    assert al.sample("spoken") == path and path.stat().st_mtime_ns == written
    assert al.info(path).duration > 2
    with pytest.raises(ValueError, match="spoken, digits, music"):
        al.sample("whale")
