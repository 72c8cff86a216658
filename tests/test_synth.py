"""Signals from formulas have the frequency, level, slope and length that their docstrings state."""

import numpy as np
import pytest
from scipy import signal

from audiolab import measure, synth


def rng():
    return np.random.default_rng(0)


def test_tone_is_the_formula():
    y = synth.tone(440, 0.5, 16000, amplitude=0.8, phase=0.3)
    expected = 0.8 * np.sin(2 * np.pi * 440 * np.arange(8000) / 16000 + 0.3)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected, atol=1e-7)


def test_a_long_tone_keeps_its_phase():
    y = synth.tone(1000, 60, 8000)                              # 1000 Hz at 8000 Hz repeats every 8 samples
    np.testing.assert_allclose(y[-8:], y[:8], atol=1e-6)


@pytest.mark.parametrize("duration, sr", [(0, 8000), (-1, 8000), (0.00001, 8000), (1, 0)])
def test_too_short_or_no_rate_is_refused(duration, sr):
    with pytest.raises(ValueError):
        synth.tone(440, duration, sr)


def test_chirp_passes_through_its_frequencies():
    sr = 16000
    y = synth.chirp(500, 3500, 2.0, sr)
    for t in (0.5, 1.0, 1.5):
        piece = y[round((t - 0.02) * sr) : round((t + 0.02) * sr)]
        assert measure.peak_frequency(piece, sr) == pytest.approx(500 + 1500 * t, abs=15)


def test_harmonics_leave_out_what_would_alias():
    y = synth.harmonics(3000, [0.2] * 5, 1.0, 8000)
    f, level = measure.spectrum(y, 8000)
    assert f[np.argmax(level)] == pytest.approx(3000, abs=1)
    assert level[np.abs(f - 3000) > 20].max() < -100


@pytest.mark.parametrize("color, slope", synth.NOISE_SLOPES.items())
def test_noise_has_its_slope_and_level(color, slope):
    y = synth.noise(color, 60, 16000, rng(), rms=0.05)
    f, density = signal.welch(y, 16000, nperseg=4096)
    octaves = np.log2(f[8:1800] / 1000)
    measured = np.polyfit(octaves, 10 * np.log10(density[8:1800]), 1)[0]
    assert measured == pytest.approx(slope, abs=0.15)
    assert measure.rms(y) == pytest.approx(0.05, rel=1e-4)


def test_unknown_colour_is_named():
    with pytest.raises(ValueError, match="mauve"):
        synth.noise("mauve", 1, 8000, rng())


def test_adsr_corners():
    e = synth.adsr(1.0, 1000, attack=0.1, decay=0.2, sustain=0.6, release=0.3)
    assert e[0] == 0 and e[100] == pytest.approx(1) and e[300] == pytest.approx(0.6) and e[650] == pytest.approx(0.6)
    assert e[850] == pytest.approx(0.3, abs=1e-5)
    assert synth.adsr(0.3, 16000, 0.1, 0.1, 0.5, 0.1)[-1] < 0.01         # just as long as its parts
    with pytest.raises(ValueError, match="leaves over"):
        synth.pluck(220, 1.0, 16000, rng(), decay=1.05)
    with pytest.raises(ValueError, match="longer"):
        synth.adsr(0.2, 1000)
    with pytest.raises(ValueError, match="not below 0"):
        synth.adsr(1.0, 1000, attack=-0.1)
    with pytest.raises(ValueError, match="no room"):
        synth.room(0.004, 8000, rng())


@pytest.mark.parametrize("frequency", [82.4, 220, 440, 987.8, 1378])
def test_pluck_is_in_tune(frequency):
    y = synth.pluck(frequency, 0.5, 22050, rng())
    f, level = measure.spectrum(y, 22050, n_fft=2**18)
    near = np.abs(f / frequency - 1) < 0.06
    found = f[near][np.argmax(level[near])]
    assert abs(1200 * np.log2(found / frequency)) < 1
    assert measure.peak(y) == pytest.approx(0.5)


def test_pluck_decays_and_is_seeded():
    y = synth.pluck(330, 1.0, 16000, rng())
    assert measure.rms(y[-4000:]) < 0.2 * measure.rms(y[:4000])
    np.testing.assert_array_equal(y, synth.pluck(330, 1.0, 16000, rng()))
    for bad in (5, 5000):
        with pytest.raises(ValueError):
            synth.pluck(bad, 1.0, 16000, rng())
    assert synth.pluck(100, 0.001, 16000, rng()).shape == (16,)     # shorter than one period


def test_room_energy_ratio_and_start():
    h = synth.room(0.5, 16000, rng(), direct_to_reverberant=6).astype(float)
    assert h[0] == 1
    assert 10 * np.log10(1 / np.sum(h[1:] ** 2)) == pytest.approx(6, abs=0.01)


def test_quantize_levels_and_clipping():
    y = np.linspace(-2, 2, 1001).astype(np.float32)
    q = synth.quantize(y, 3)
    assert q.dtype == np.float32
    np.testing.assert_allclose(np.unique(q), np.arange(-7, 8, 2) / 8)
    assert np.max(np.abs(q - y)[np.abs(y) < 1]) <= 0.125 + 1e-6


def test_dither_frees_the_mean_of_the_signal():
    step = 2 / 2**6
    for value in (0.1, 0.25, 0.4):
        y = np.full(200000, value * step)
        means = {d: synth.quantize(y, 6, d, rng()).mean() / step for d in (None, "rectangular", "triangular")}
        assert means[None] == pytest.approx(0.5)
        assert means["rectangular"] == pytest.approx(value, abs=0.005)
        assert means["triangular"] == pytest.approx(value, abs=0.005)


def test_triangular_dither_frees_the_power_too():
    step = 2 / 2**6
    power = {
        d: [np.var(synth.quantize(np.full(200000, v * step), 6, d, rng()) / step) for v in (0.0, 0.5)]
        for d in ("rectangular", "triangular")
    }
    assert abs(np.diff(power["triangular"])[0]) < 0.01
    assert abs(np.diff(power["rectangular"])[0]) > 0.2


@pytest.mark.parametrize("arguments", [
    dict(bits=0), dict(bits=25), dict(bits=8.5), dict(bits=8, y=np.zeros(4, int)),
    dict(bits=8, dither="blue"), dict(bits=8, dither="triangular"),
])
def test_quantize_refuses(arguments):
    with pytest.raises(ValueError):
        synth.quantize(**{"y": np.zeros(4), **arguments})
