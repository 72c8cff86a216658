"""The watermark: found after what happens to recordings, by its key alone, and not heard."""

import io

import numpy as np
import pytest
import soundfile
from scipy import stats

from audiolab import augment, measure, metrics, preprocess, watermark
from audiolab.corpora import speech

SR, KEY = watermark.SR, "the key of this test"
TEXT = "The ship left the harbour before the sun came up, and nobody on the shore knew where she was going."
VOICES = "en-us", "en-us+Annie", "en-gb-scotland+grandma", "en+whisper"


def spoken(voice, seconds=4.0):
    return preprocess.resample(*speech.say(TEXT, voice), SR)[: round(seconds * SR)]


@pytest.fixture(scope="module")
def voices():
    return [spoken(voice) for voice in VOICES]


@pytest.fixture(scope="module")
def marked(voices):
    return [watermark.embed(y, SR, KEY) for y in voices]


def mp3(level):
    """Through an MP3 at constant bit rate: 56 kbit/s at 0.7, 40 at 0.8, 32 at 0.85, 24 at 0.9."""

    def through(y):
        file = io.BytesIO()
        with soundfile.SoundFile(file, "w", SR, 1, "MPEG_LAYER_III", format="MP3", bitrate_mode="CONSTANT",
                                 compression_level=level) as one:
            one.write(y)
        file.seek(0)
        return soundfile.read(file, dtype="float32")[0]

    return through


def via(rate):
    return lambda y: preprocess.resample(preprocess.resample(y, SR, rate), rate, SR)


def with_noise(y):
    return augment.mix_at_snr(y, np.random.default_rng(1).standard_normal(len(y)).astype(np.float32), 30)


ATTACKS = {
    "none": lambda y: y, "56 kbit/s": mp3(0.7), "40 kbit/s": mp3(0.8), "32 kbit/s": mp3(0.85), "8 kHz": via(8000),
    "22.05 kHz": via(22050), "30 dB softer": lambda y: y * 0.0316, "upside down": lambda y: -y,
    "2 s of it": lambda y: y[7777 : 7777 + 2 * SR], "noise": with_noise, "8 bits": lambda y: np.round(128 * y) / 128,
    "silence before": lambda y: np.pad(y, (12345, 0)),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_mark_is_found_after(marked, attack):
    for y, voice in zip(marked, VOICES, strict=True):
        score, present = watermark.detect(ATTACKS[attack](y).astype(np.float32), SR, KEY)
        assert present and score >= watermark.THRESHOLD, f"{voice}: {score:.1f}"


def test_a_mark_is_not_found_where_there_is_none(voices, marked):
    for y, other in zip(voices, marked, strict=True):
        assert not watermark.detect(y, SR, KEY)[1]
        assert not watermark.detect(other, SR, KEY + "!")[1]


def test_scores_without_a_mark_are_normal(voices):
    z = np.concatenate([watermark.scores(voices[0], SR, f"key {i}")[::97] for i in range(20)])
    assert abs(z.mean()) < 0.1 and abs(z.std() - 1) < 0.05
    assert stats.kstest(z, "norm").pvalue > 1e-3


def test_the_threshold_is_that_of_its_false_alarms():
    one = stats.norm.sf(watermark.THRESHOLD)
    assert 2 * watermark.PERIOD * one == pytest.approx(watermark.FALSE_ALARM, rel=1e-4)


def test_the_place_of_a_cut_is_found(marked):
    z, cut = watermark.scores(marked[0], SR, KEY), watermark.scores(marked[0][5000:], SR, KEY)
    assert (np.abs(z).argmax() - np.abs(cut).argmax()) % watermark.PERIOD == 5000


def test_turned_upside_down_the_peak_is_too(marked):
    assert np.allclose(watermark.scores(-marked[0], SR, KEY), -watermark.scores(marked[0], SR, KEY), atol=1e-6)


def test_the_mark_lies_under_the_voice_in_its_band(voices, marked):
    for y, other in zip(voices, marked, strict=True):
        assert measure.snr(y, other) > -watermark.LEVEL
        assert metrics.stoi(y, other, SR) > 0.99
        spectrum = np.abs(np.fft.rfft(other - y)) ** 2
        f = np.fft.rfftfreq(len(y), 1 / SR)
        within = (f > 200) & (f < 3500)
        assert spectrum[~within].sum() < 0.01 * spectrum[within].sum()
        assert other.dtype == np.float32 and other.shape == y.shape and np.abs(other).max() <= 1


def test_a_pause_stays_silent(voices):
    y = np.concatenate([voices[0][:SR], np.zeros(SR, np.float32), voices[0][SR : 2 * SR]])
    marked = watermark.embed(y, SR, KEY)
    assert np.abs(marked[SR + 512 : 2 * SR - 512]).max() < 1e-6


@pytest.mark.parametrize("sr", [8000, 22050, 48000])
def test_other_rates(voices, sr):
    y = preprocess.resample(voices[0], SR, sr)
    marked = watermark.embed(y, sr, KEY)
    assert len(marked) == len(y)
    assert watermark.detect(marked, sr, KEY)[1] and watermark.detect(preprocess.resample(marked, sr, SR), SR, KEY)[1]


def test_full_scale_is_kept(voices):
    y = voices[0] / np.abs(voices[0]).max()
    assert np.abs(watermark.embed(y, SR, KEY)).max() <= 1


def test_what_it_does_not_survive(marked):
    """Said in the chapter: whoever plays it a little faster has destroyed the mark."""
    assert not watermark.detect(preprocess.follow_clock(marked[0], 1.01), SR, KEY)[1]
    assert not watermark.detect(augment.pitch_shift(marked[0], SR, 1), SR, KEY)[1]


@pytest.mark.parametrize(("y", "sr", "key", "error", "words"), [
    (np.zeros(2 * SR, np.float32), SR, KEY, ValueError, "silent"),
    (1e-6 * np.ones(2 * SR, np.float32), SR, KEY, ValueError, "silent"),
    (0.1 * np.ones(SR // 2, np.float32), SR, KEY, ValueError, "0.50 s are too short"),
    (np.full(2 * SR, np.nan, np.float32), SR, KEY, ValueError, "NaN"),
    (np.zeros((2, 2 * SR), np.float32), SR, KEY, ValueError, "channel"),
    (np.zeros(2 * SR, np.int16), SR, KEY, ValueError, "whole numbers"),
    (np.zeros(0, np.float32), SR, KEY, ValueError, "empty"),
    (0.1 * np.ones(2 * SR, np.float32), 4000, KEY, ValueError, "8000 Hz or more"),
    (0.1 * np.ones(2 * SR, np.float32), SR, 14, TypeError, "is a str, not int"),
    (0.1 * np.ones(2 * SR, np.float32), SR, None, TypeError, "is a str, not NoneType"),
    (0.1 * np.ones(2 * SR, np.float32), SR, "", ValueError, "empty"),
])  # fmt: skip
def test_plain_errors(y, sr, key, error, words):
    for function in (watermark.embed, watermark.detect, watermark.scores):
        with pytest.raises(error, match=words) as caught:
            function(y, sr, key)
        assert "\n" not in str(caught.value)
