"""Levels, loudness and spectra against closed forms and reference libraries."""

import warnings

import numpy as np
import pyloudnorm
import pytest
from scipy import signal

from audiolab import measure, synth


def test_levels_of_known_signals():
    sine = synth.tone(100, 1, 8000, amplitude=1)
    square = np.sign(sine + 1e-9)
    assert measure.dbfs(measure.rms(sine)) == pytest.approx(-3.0103, abs=1e-3)
    assert measure.dbfs(measure.rms(square)) == 0
    assert measure.crest_factor(sine) == pytest.approx(3.0103, abs=1e-3)
    assert measure.crest_factor(square) == 0
    np.testing.assert_allclose(measure.peak(np.array([[0.1, -0.4], [0.2, 0.3]])), [0.4, 0.3])


def test_silence_is_minus_infinity_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert measure.dbfs(measure.rms(np.zeros(10))) == -np.inf
        assert measure.snr(np.ones(4), np.ones(4)) == np.inf


def test_rms_of_a_long_quiet_signal_does_not_lose_digits():
    y = np.full(5_000_000, 1e-4, np.float32)
    assert measure.rms(y) == pytest.approx(1e-4, rel=1e-6)


def test_k_weighting_is_the_standard_at_48_khz():
    expected = [
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1, -1.69065929318241, 0.73248077421585],
        [1.0, -2.0, 1.0, 1, -1.99004745483398, 0.99007225036621],
    ]
    np.testing.assert_allclose(measure.k_weighting(48000), expected, atol=1e-8)


@pytest.mark.parametrize("sr", [16000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_lufs_against_pyloudnorm(sr, channels):
    rng = np.random.default_rng(1)
    gain = np.repeat([1, 0.2, 0.0005, 0.7, 1, 0.01], sr)
    y = np.stack([gain * synth.noise("pink", 6, sr, rng) for _ in range(channels)])
    reference = pyloudnorm.Meter(sr, filter_class="DeMan").integrated_loudness(y.T.astype(float).squeeze())
    assert measure.lufs(y, sr) == pytest.approx(reference, abs=0.02)


def test_lufs_of_the_calibration_tone_and_of_silence():
    assert measure.lufs(synth.tone(997, 4, 48000, amplitude=1), 48000) == pytest.approx(-3.01, abs=0.01)
    assert measure.lufs(np.zeros(48000), 48000) == -np.inf
    with pytest.raises(ValueError, match=r"0\.4 s"):
        measure.lufs(np.zeros(1000), 48000)
    with pytest.raises(ValueError, match="mono or stereo"):
        measure.lufs(np.zeros((6, 48000)), 48000)


@pytest.mark.parametrize("window", ["hann", "boxcar", "blackman"])
def test_spectrum_reads_the_amplitude(window):
    f, level = measure.spectrum(synth.tone(1000, 1, 8000, amplitude=0.25), 8000, window)
    assert level.max() == pytest.approx(20 * np.log10(0.25), abs=0.01)
    assert f[np.argmax(level)] == 1000


def test_peak_frequency_between_bins():
    rng = np.random.default_rng(2)
    for f in rng.uniform(100, 3900, 40):
        y = synth.tone(f, 0.25, 8000, phase=rng.uniform(0, 6))
        assert abs(measure.peak_frequency(y, 8000) - f) < 0.1 * 4


def test_alias_is_where_the_samples_say():
    rng = np.random.default_rng(3)
    frequency = rng.uniform(-40000, 40000, 300)
    predicted = measure.alias(frequency, 8000)
    assert predicted.min() >= 0 and predicted.max() <= 4000
    n = np.arange(64)
    for f, a in zip(frequency, predicted, strict=True):
        np.testing.assert_allclose(np.cos(2 * np.pi * f * n / 8000), np.cos(2 * np.pi * a * n / 8000), atol=1e-9)


def test_constant_and_nyquist_have_no_mirror_image():
    for x in (np.full(64, 0.5), 0.5 * (-1.0) ** np.arange(64)):
        _, level = measure.spectrum(x, 8000, "boxcar")
        assert level.max() == pytest.approx(-6.02, abs=0.01)


@pytest.mark.parametrize("call", [
    measure.peak, measure.rms, lambda y: measure.lufs(y, 48000), lambda y: measure.spectrum(y, 8), measure.true_peak,
])
def test_integers_are_refused(call):
    with pytest.raises(ValueError, match=r"y / 32768"):
        call(np.ones(100, np.int16))


def test_stereo_nan_and_silence_are_told():
    with pytest.raises(ValueError, match=r"y\[0\]"):
        measure.spectrum(np.zeros((2, 100)), 8000)
    with pytest.raises(ValueError, match="NaN"):
        measure.lufs(np.full(48000, np.nan), 48000)
    with pytest.raises(ValueError, match="Silence"):
        measure.peak_frequency(np.zeros(100), 8000)
    assert np.isnan(measure.crest_factor(np.zeros(10)))
    with pytest.raises(ValueError, match=r"y\.T"):
        measure.rms(np.zeros((100, 2)))
    with pytest.raises(ValueError, match="empty"):
        measure.peak(np.zeros(0))
    with pytest.raises(ValueError, match="8000"):
        measure.lufs(np.zeros(4000), 4000)
    for dtype, how in ((np.int32, r"y / 2\*\*31"), (np.uint8, "128"), (complex, "array of floats")):
        with pytest.raises(ValueError, match=how):
            measure.peak(np.ones(4, dtype))


def test_true_peak_sees_between_the_samples():
    quarter = np.sin(np.pi / 2 * np.arange(4000) + np.pi / 4)            # samples at ±0.707 only
    assert measure.peak(quarter) == pytest.approx(0.7071, abs=1e-4)
    assert measure.true_peak(quarter[500:]) == pytest.approx(1.0, abs=0.08)
    sine = synth.tone(997, 1, 48000, amplitude=0.5)
    assert measure.true_peak(sine) == pytest.approx(0.5, abs=0.01)


def test_snr_of_a_known_ratio():
    rng = np.random.default_rng(4)
    clean, noise = rng.standard_normal((2, 100000))
    noise -= clean * (clean @ noise) / (clean @ clean)
    noisy = clean + 0.1 * noise * measure.rms(clean) / measure.rms(noise)
    assert measure.snr(clean, noisy) == pytest.approx(20, abs=1e-6)


def test_spectrum_agrees_with_scipy():
    y = np.random.default_rng(5).standard_normal(4000)
    f, level = measure.spectrum(y, 8000)
    g, power = signal.periodogram(y, 8000, window="hann", scaling="spectrum", detrend=False)
    np.testing.assert_allclose(f, g)
    np.testing.assert_allclose(level[1:-1], 10 * np.log10(2 * power[1:-1]), atol=1e-4)
    assert level[0] == pytest.approx(10 * np.log10(power[0]), abs=1e-4)
