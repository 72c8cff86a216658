"""Mixing reaches the ratio it is asked for; a simulated room has the times, levels and decay that theory gives it."""

import numpy as np
import pytest

from audiolab import augment

SR = 16000


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("snr", [-10, 0, 20])
def test_the_ratio_is_met(snr):
    y, noise = 0.1 * rng(1).standard_normal((2, 2, 8000)), 3 * rng(2).standard_normal((2, 2, 8000))
    mixed = augment.mix_at_snr(y[0], noise[0], snr)
    assert mixed.dtype == np.float32 and mixed.shape == (2, 8000)
    ratio = np.mean(y[0] ** 2) / np.mean((mixed - y[0]) ** 2)
    assert 10 * np.log10(ratio) == pytest.approx(snr, abs=0.01)


@pytest.mark.parametrize("y, noise, words", [
    (np.ones(3), np.ones(4), "3 and 4"), (np.zeros(3), np.ones(3), "silent"), (np.ones(3), np.zeros(3), "silent"),
])
def test_no_ratio_is_refused(y, noise, words):
    with pytest.raises(ValueError, match=words):
        augment.mix_at_snr(y, noise, 10)


def test_reverberate_is_convolution_cut_to_length():
    y, h = rng(1).standard_normal((2, 500)), rng(2).standard_normal(300)
    out = augment.reverberate(y, h)
    assert out.dtype == np.float32 and out.shape == (2, 500)
    np.testing.assert_allclose(out, [np.convolve(c, h)[:500] for c in y], atol=1e-3)


def room(rt60=0.5, source=(2.0, 3.0, 1.5), microphone=(4.0, 2.0, 1.2), size=(6.0, 5.0, 3.0), seed=0):
    return augment.shoebox(size, source, microphone, rt60, SR, rng(seed)).astype(float)


def test_the_direct_sound_comes_first():
    h = room()
    assert h[0] == pytest.approx(1, abs=0.02) and np.argmax(np.abs(h)) == 0


def test_the_first_reflection_is_the_floors():
    source, microphone = np.array([2.0, 3.0, 1.0]), np.array([4.0, 2.0, 0.8])
    h = augment.shoebox((6, 5, 3), source, microphone, 0.5, SR, rng())
    direct = np.linalg.norm(source - microphone)
    mirrored = np.linalg.norm(source * [1, 1, -1] - microphone)
    expected = round((mirrored - direct) / augment.SPEED_OF_SOUND * SR)
    assert 10 + np.argmax(np.abs(h[10 : expected + 10])) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("rt60", [0.3, 0.6, 1.2])
def test_it_decays_by_60_db_in_rt60(rt60):
    from scipy.signal import butter, sosfilt

    h = sosfilt(butter(4, 1500, fs=SR, output="sos"), room(rt60, size=(8, 6, 3.5)))
    energy = 10 * np.log10(np.cumsum(h[::-1] ** 2)[::-1])                      # Schroeder's backward integral
    energy -= energy[0]
    part = (energy < energy[1000]) & (energy > energy[1000] - 20)               # beyond the single reflections
    slope = np.polyfit(np.flatnonzero(part) / SR, energy[part], 1)[0]
    assert -60 / slope == pytest.approx(rt60, rel=0.1)


def test_images_and_noise_join_without_a_step():
    """Just before and after the mixing time the power is the same: formula and images agree."""
    n = round(0.015 * SR)
    cut = round(augment.MIXING_TIME * SR)
    before, after = [], []
    for seed in range(40):
        places = rng(seed).uniform(0.5, [5.5, 4.5, 2.5], (2, 3))
        h = room(0.8, *places, seed=seed)
        distance = np.linalg.norm(places[0] - places[1])
        before.append(np.mean(h[cut - n : cut] ** 2) / distance**2)
        after.append(np.mean(h[cut : cut + n] ** 2) / distance**2)
    assert abs(10 * np.log10(np.mean(before) / np.mean(after))) < 3


def test_stepping_back_lowers_the_direct_sound_by_6_db_per_doubling():
    """… against the late sound, which only loses what it decays on its longer way."""
    late = [np.sum(room(source=(3 + d, 2.5, 1.5), microphone=(3, 2.5, 1.5), size=(12, 5, 3))[1600:] ** 2)
            for d in (1, 2, 4)]
    expected = 6.02 - 60 * np.array([1, 2]) / augment.SPEED_OF_SOUND / 0.5
    np.testing.assert_allclose(np.diff(10 * np.log10(late)), expected, atol=0.1)


def test_a_response_is_its_seed():
    np.testing.assert_array_equal(room(seed=3), room(seed=3))
    assert not np.array_equal(room(seed=3), room(seed=4))


@pytest.mark.parametrize("arguments, words", [
    (dict(source=(7, 1, 1)), "source"), (dict(microphone=(1, 1, 0)), "microphone"), (dict(rt60=0), "rt60"),
])
def test_impossible_rooms_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        room(**arguments)


def test_a_far_source_is_mostly_reverberation():
    """Beyond the critical distance 0.057 sqrt(V / T) the reverberation is the louder part."""
    size, rt60 = (8.0, 6.0, 3.0), 0.6
    critical = 0.057 * np.sqrt(np.prod(size) / rt60)
    near, far = (room(rt60, (2 + k * critical, 3, 1.5), (2, 3.0, 1.5), size) for k in (0.5, 3))
    assert np.sum(near[16:] ** 2) < np.sum(near[:16] ** 2) and np.sum(far[16:] ** 2) > np.sum(far[:16] ** 2)
