"""Mixing reaches the ratio it is asked for; a simulated room has the times, levels and decay that theory gives it; a
batch is treated as each of its examples would be, and each has draws of its own."""

import numpy as np
import pytest
import torch
import torchaudio
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolab import augment, measure, synth

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

# ------------------------------------------------------------------------------------------ batches


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_batch_is_mixed_as_each_of_its_signals_is():
    y, noise = torch.from_numpy(rng(1).standard_normal((2, 5, 800)).astype(np.float32))
    snr = torch.tensor([-5.0, 0, 5, 10, 20])
    out = augment.mix_at_snr(y, 3 * noise, snr)
    for i in range(5):
        np.testing.assert_allclose(out[i], augment.mix_at_snr(y[i].numpy(), noise[i].numpy(), float(snr[i])), atol=1e-5)
    np.testing.assert_allclose(augment.mix_at_snr(y, noise, 5.0)[2], out[2], atol=1e-5)
    theirs = torchaudio.functional.add_noise(y, noise, snr)
    np.testing.assert_allclose(augment.mix_at_snr(y, noise, snr), theirs, atol=1e-5)


def test_a_silent_example_does_not_end_a_training():
    y, noise = torch.randn(3, 100, generator=draw()), torch.randn(3, 100, generator=draw(1))
    y[0], noise[1] = 0, 0
    out = augment.mix_at_snr(y, noise, 0.0)
    assert not out[0].any() and torch.equal(out[1], y[1]) and not torch.equal(out[2], y[2])


def test_a_batch_is_reverberated_as_each_of_its_signals_is():
    y, h = rng(1).standard_normal((3, 500)).astype(np.float32), rng(2).standard_normal((3, 900)).astype(np.float32)
    out = augment.reverberate(torch.from_numpy(y), torch.from_numpy(h))
    np.testing.assert_allclose(out, [augment.reverberate(a, b) for a, b in zip(y, h, strict=True)], atol=1e-3)
    one = augment.reverberate(torch.from_numpy(y), torch.from_numpy(h[1]))
    np.testing.assert_allclose(one[1], out[1], atol=1e-4)
    theirs = torchaudio.functional.fftconvolve(torch.from_numpy(y), torch.from_numpy(h))[..., :500]
    np.testing.assert_allclose(out, theirs, atol=1e-3)


def test_gain_is_decibels():
    y = rng(1).standard_normal((2, 50)).astype(np.float32)
    np.testing.assert_allclose(augment.gain(y, 20), 10 * y, rtol=1e-6)
    batch = augment.gain(torch.from_numpy(y), torch.tensor([0.0, -20.0]))
    np.testing.assert_allclose(batch, [y[0], 0.1 * y[1]], rtol=1e-5)


@pytest.mark.parametrize("call, words", [
    (lambda: augment.mix_at_snr(torch.zeros(2, 5), torch.zeros(2, 6), 0.0), "5 and 6"),
    (lambda: augment.gain(torch.zeros(2, 5), torch.zeros(3)), "each of the 2"),
    (lambda: augment.gain(np.zeros(5, np.int16), 3), "32768"),
    (lambda: augment.spec_augment(torch.zeros(2, 4, 5)), "torch.Generator"),
    (lambda: augment.spec_augment(np.zeros((4, 5))), "default_rng"),
    (lambda: augment.spec_augment(torch.zeros(4), generator=draw()), "mel, time"),
    (lambda: augment.spec_augment(torch.zeros(4, 5), time_width=-1, generator=draw()), "0 or more"),
    (lambda: augment.mixup(torch.zeros(4, 5), alpha=0, generator=draw()), "positive"),
    (lambda: augment.time_stretch(np.zeros(5000), 0), "0.25 to 4"),
    (lambda: augment.time_stretch(np.zeros(500), 1), "2048"),
    (lambda: augment.pitch_shift(np.zeros(5000), SR, 30), "semitones"),
])
def test_impossible_changes_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


# ------------------------------------------------------------------------------------------ pictures


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 30), st.integers(2, 40), st.integers(0, 3), st.integers(0, 12), st.integers(0, 3),
       st.integers(0, 50), st.integers(0, 99))
def test_masks_are_whole_bars_of_the_mean(mels, frames, n_freq, freq, n_time, time, seed):
    x = torch.rand(4, 1, mels, frames, generator=draw(seed)) + 1
    out = augment.spec_augment(x, n_freq, freq, n_time, time, warp=0, generator=draw(seed))
    assert out.shape == x.shape and out.dtype == x.dtype
    for before, after in zip(x[:, 0], out[:, 0], strict=True):
        hidden = after != before
        rows, columns = hidden.all(dim=1), hidden.all(dim=0)
        assert torch.equal(hidden, rows[:, None] | columns[None]) or hidden.all()
        assert torch.allclose(after[hidden], before.mean())
        if not hidden.all():
            assert rows.sum() <= n_freq * freq and columns.sum() <= n_time * time


def test_widths_and_places_are_drawn_evenly():
    """A width of 0 and of the largest both happen, and a mask may stand at either end."""
    x = torch.rand(4000, 10, 1, generator=draw()) + 1
    hidden = augment.spec_augment(x, 1, 3, 0, 0, warp=0, generator=draw(1))[..., 0] != x[..., 0]
    widths = torch.bincount(hidden.sum(dim=1), minlength=4) / 4000
    np.testing.assert_allclose(widths, 0.25, atol=0.03)
    ones = hidden[hidden.sum(dim=1) == 1].float().mean(dim=0)
    np.testing.assert_allclose(ones, 0.1, atol=0.04)


def test_examples_have_masks_of_their_own_and_channels_share_them():
    x = torch.rand(8, 2, 40, 100, generator=draw()) + 1
    hidden = augment.spec_augment(x, warp=0, generator=draw(1)) != x
    assert torch.equal(hidden[:, 0], hidden[:, 1])
    assert len({tuple(h.flatten().tolist()) for h in hidden[:, 0]}) == 8


@pytest.mark.parametrize("change", [augment.spec_augment, augment.time_warp])
def test_the_same_seed_is_the_same_picture(change):
    x = torch.rand(3, 20, 50, generator=draw())
    kept = x.clone()
    assert torch.equal(change(x, generator=draw(1)), change(x, generator=draw(1)))
    assert not torch.equal(change(x, generator=draw(1)), change(x, generator=draw(2)))
    assert torch.equal(x, kept)
    array = change(x[0].numpy(), generator=rng(1))
    assert isinstance(array, np.ndarray) and array.shape == (20, 50) and array.dtype == np.float32
    np.testing.assert_array_equal(array, change(x[0].numpy(), generator=rng(1)))


@given(st.integers(2, 60), st.integers(0, 20), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_bent_time_still_runs_forward_from_end_to_end(frames, warp, seed):
    ramp = torch.arange(float(frames)).expand(5, 3, frames)
    out = augment.time_warp(ramp, warp, generator=draw(seed))
    assert (out.diff(dim=-1) >= -1e-4).all()
    assert torch.allclose(out[..., 0], ramp[..., 0]) and torch.allclose(out[..., -1], ramp[..., -1], atol=1e-4)
    assert (out - ramp).abs().max() <= warp + 1e-3


def test_mixup_mixes_and_says_how():
    x = torch.randn(500, 3, 4, generator=draw())
    mixed, partner, weight = augment.mixup(x, alpha=0.4, generator=draw(1))
    w = weight[:, None, None]
    torch.testing.assert_close(mixed, w * x + (1 - w) * x[partner])
    assert sorted(partner.tolist()) == list(range(500)) and ((weight >= 0) & (weight <= 1)).all()
    again = augment.mixup(x.numpy(), alpha=0.4, generator=rng(1))
    assert [type(a) for a in again] == [np.ndarray] * 3


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_weights_follow_the_beta_distribution(alpha):
    from scipy.stats import beta, kstest

    _, _, weight = augment.mixup(torch.zeros(4000, 1), alpha=alpha, generator=draw(3))
    assert kstest(weight.numpy(), beta(alpha, alpha).cdf).pvalue > 0.01


# ------------------------------------------------------------------------------------------ tempo and pitch


@pytest.mark.parametrize("rate", [0.5, 0.8, 1.0, 1.3, 2.0])
def test_stretching_keeps_the_pitch_and_the_level(rate):
    y = synth.tone(440, 1.5, SR)
    out = augment.time_stretch(y, rate)
    assert out.dtype == np.float32 and len(out) == round(len(y) / rate)
    middle = out[len(out) // 4 : 3 * len(out) // 4]
    assert measure.peak_frequency(middle, SR) == pytest.approx(440, rel=1e-3)
    assert abs(measure.dbfs(measure.rms(middle) / measure.rms(y))) < 1.5


def test_a_rate_of_one_changes_nothing():
    y = (0.1 * rng().standard_normal((2, 9000))).astype(np.float32)
    np.testing.assert_allclose(augment.time_stretch(y, 1), y, atol=1e-5)


@pytest.mark.parametrize("n_steps", [-12, -3, 0.5, 7])
def test_shifting_moves_the_pitch_and_keeps_the_length(n_steps):
    y = synth.tone(440, 1.0, SR)
    out = augment.pitch_shift(y, SR, n_steps)
    assert out.shape == y.shape
    assert measure.peak_frequency(out[4000:12000], SR) == pytest.approx(440 * 2 ** (n_steps / 12), rel=2e-3)


def test_stretching_sounds_as_librosas():
    import librosa

    y = synth.harmonics(220, 0.3 / np.arange(1, 8), 1.0, SR)
    mine, theirs = augment.time_stretch(y, 0.8), librosa.effects.time_stretch(y, rate=0.8)
    spectra = [np.abs(librosa.stft(x))[:, 10:-10] for x in (mine, theirs)]
    assert np.linalg.norm(spectra[0] - spectra[1]) < 0.2 * np.linalg.norm(spectra[1])
