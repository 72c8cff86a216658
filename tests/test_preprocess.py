"""Resampling keeps what both rates can hold and lets nothing fold down."""

import numpy as np
import pytest

from audiolab import measure, preprocess, synth


@pytest.mark.parametrize("sr, target", [(22050, 16000), (16000, 48000), (44100, 8000)])
def test_a_tone_keeps_pitch_level_and_place(sr, target):
    y = preprocess.resample(synth.tone(997, 1.0, sr), sr, target)
    assert y.dtype == np.float32 and y.shape == (target,)
    middle = slice(target // 4, 3 * target // 4)
    np.testing.assert_allclose(y[middle], synth.tone(997, 1.0, target)[middle], atol=1e-4)


def test_nothing_aliases():
    y = preprocess.resample(synth.tone(11000, 1.0, 48000), 48000, 16000)
    assert measure.dbfs(measure.rms(y[1000:-1000])) < -90


@pytest.mark.parametrize("shape", [(2, 4410), (3, 2, 4410)])
def test_channels_stay_apart(shape):
    y = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    out = preprocess.resample(y, 44100, 16000)
    assert out.shape == (*shape[:-1], 1600)
    first = (0,) * (len(shape) - 1)
    np.testing.assert_array_equal(out[first], preprocess.resample(y[first], 44100, 16000))


def test_equal_rates_copy():
    y = np.ones(10, np.float32)
    out = preprocess.resample(y, 8000, 8000)
    out[0] = 5
    assert y[0] == 1


@pytest.mark.parametrize("n, sr, target", [(100, 0, 8000), (100, 8000, -1), (1, 48000, 8000)])
def test_refuses(n, sr, target):
    with pytest.raises(ValueError):
        preprocess.resample(np.zeros(n), sr, target)
