"""Preprocessing keeps what it should keep: rates, clocks, filters, levels, speech; and what is broken is named."""

import functools

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from audiolab import audio, augment, measure, preprocess, synth
from audiolab.corpus import Clip, CorpusError, make
from audiolab.preprocess import report

SR = 16000


def noise(n, seed=0, channels=None):
    return (0.1 * np.random.default_rng(seed).standard_normal((channels, n) if channels else n)).astype(np.float32)


# ------------------------------------------------------------------------------------------ rates

RESAMPLERS = pytest.mark.parametrize("resampler", [preprocess.resample, preprocess.resample_polyphase])


@RESAMPLERS
@pytest.mark.parametrize("sr, target", [(22050, 16000), (16000, 48000), (44100, 8000)])
def test_a_tone_keeps_pitch_level_and_place(resampler, sr, target):
    y = resampler(synth.tone(997, 1.0, sr), sr, target)
    assert y.dtype == np.float32 and y.shape == (target,)
    middle = slice(target // 4, 3 * target // 4)
    np.testing.assert_allclose(y[middle], synth.tone(997, 1.0, target)[middle], atol=1e-4)


@RESAMPLERS
@pytest.mark.parametrize("sr, target", [(48000, 16000), (22050, 16000), (16000, 24000)])
def test_nothing_aliases_and_no_image_is_left(resampler, sr, target):
    assert preprocess.alias_rejection(resampler, sr, target, tones=12) >= 90


def test_alias_rejection_knows_a_bad_resampler():
    assert preprocess.alias_rejection(lambda y, sr, target: y[::3], 48000, 16000) == pytest.approx(0, abs=0.1)
    repeated = preprocess.alias_rejection(lambda y, sr, target: np.repeat(y, 2), 8000, 16000)
    assert repeated < 10


@RESAMPLERS
@pytest.mark.parametrize("shape", [(2, 4410), (3, 2, 4410), (12, 4410)])
def test_channels_stay_apart(resampler, shape):
    y = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    out = resampler(y, 44100, 16000)
    assert out.shape == (*shape[:-1], 1600)
    first = (0,) * (len(shape) - 1)
    np.testing.assert_allclose(out[first], resampler(y[first], 44100, 16000), atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(200, 3000), st.sampled_from([(1, 3), (3, 1), (2, 3), (160, 441), (147, 160)]), st.integers(0, 99))
def test_polyphase_is_the_whole_filter_without_its_zeros(n, ratio, seed):
    """Zeros between samples, one long convolution, every M-th: the definition."""
    up, down = ratio
    y = np.random.default_rng(seed).standard_normal(n)
    fastest, half = max(up, down), 32
    k = np.arange(-half * fastest, half * fastest + 1)
    h = up * 0.92 / fastest * np.sinc(0.92 / fastest * k) * np.kaiser(len(k), 10.0)
    stuffed = np.zeros(n * up)
    stuffed[::up] = y
    want = signal.oaconvolve(stuffed, h)[half * fastest :][::down]
    got = preprocess.resample_polyphase(y, 100 * down, 100 * up)
    assert len(got) == round(n * up / down)
    m = min(len(got), len(want))
    np.testing.assert_allclose(got[:m], want[:m], atol=1e-6)


def test_the_libraries_agree_when_told_how():
    """What `resample` says of librosa, torchaudio and scipy."""
    import torch
    import torchaudio

    y = noise(8000)
    np.testing.assert_allclose(librosa.resample(y, orig_sr=16000, target_sr=8000, res_type="soxr_hq"),
                               preprocess.resample(y, 16000, 8000), atol=1e-6)

    def by_torch(y, sr, target, **options):
        return torchaudio.functional.resample(torch.from_numpy(y), sr, target, **options).numpy()

    better = functools.partial(by_torch, lowpass_filter_width=64, rolloff=0.92)
    assert preprocess.alias_rejection(by_torch, 48000, 16000, tones=10) < 30
    assert preprocess.alias_rejection(better, 48000, 16000, start=1.1, tones=10) > 70
    short = preprocess.alias_rejection(lambda y, *_: signal.resample_poly(y, 1, 3), 48000, 16000, tones=10)
    assert short < 30


def test_equal_rates_copy():
    y = np.ones(10, np.float32)
    out = preprocess.resample(y, 8000, 8000)
    out[0] = 5
    assert y[0] == 1


@RESAMPLERS
@pytest.mark.parametrize("y, sr, target", [
    (np.zeros(100), 0, 8000), (np.zeros(100), 8000, -1), (np.zeros(1), 48000, 8000),
    (np.zeros(100, np.int16), 8000, 16000),
])
def test_resamplers_refuse(resampler, y, sr, target):
    with pytest.raises(ValueError):
        resampler(y, sr, target)


# ------------------------------------------------------------------------------------------ clocks


@pytest.mark.parametrize("frequency", [200, 3000, 7000])
def test_between_the_samples_lies_the_sine(frequency):
    y = synth.tone(frequency, 0.5, SR)
    at = np.arange(500, 7000) + np.linspace(0, 1, 6500)
    np.testing.assert_allclose(preprocess.interpolate(y, at), 0.5 * np.sin(2 * np.pi * frequency * at / SR), atol=1e-4)


def test_at_the_samples_lie_the_samples():
    y = noise(300, channels=2)
    np.testing.assert_allclose(preprocess.interpolate(y, np.arange(300)), y, atol=1e-7)
    assert not preprocess.interpolate(y, [-40.0, -1e9, 340.0, 1e9]).any()


def test_following_a_clock_and_back_returns_the_signal():
    y = signal.sosfilt(signal.butter(8, 6000, fs=SR, output="sos"), noise(5 * SR))
    there = preprocess.follow_clock(y, 1.0003)
    assert len(there) == 5 * SR + 24
    back = preprocess.follow_clock(there, 1 / 1.0003)
    assert measure.snr(y[100:-100], back[100 : len(y) - 100]) > 60


def test_a_drifting_clock_is_straightened_by_its_stamps():
    """A recorder 200 ppm fast that warms up; its blocks are stamped with 2 ms of jitter."""
    rng = np.random.default_rng(1)
    times = np.arange(0, 20.001, 0.1)

    def position(t):
        return SR * (1 + 200e-6) * t + SR * 2e-6 * t**2

    n = np.arange(int(position(20)) + 10)
    inverse = np.interp(n, position(np.arange(0, 20.1, 0.001)), np.arange(0, 20.1, 0.001))
    y = (0.5 * np.sin(2 * np.pi * 440 * inverse)).astype(np.float32)
    out = preprocess.retime(y, SR, times, position(times + rng.normal(0, 0.002, len(times))), degree=2)
    assert len(out) == 20 * SR
    frequency = measure.peak_frequency(out, SR)
    assert frequency == pytest.approx(440, abs=0.005)
    assert abs(measure.peak_frequency(y, SR) - 440) > 0.05


@pytest.mark.parametrize("call", [
    lambda: preprocess.follow_clock(np.zeros(100), 2), lambda: preprocess.interpolate(np.zeros(100), [np.nan]),
    lambda: preprocess.retime(np.zeros(100), SR, [0], [0]),
    lambda: preprocess.retime(np.zeros(100), SR, [1, 0], [0, 9]),
    lambda: preprocess.retime(np.zeros(100), SR, [0, 1], [0, 8000]),
])
def test_impossible_clocks_are_refused(call):
    with pytest.raises(ValueError):
        call()


# ------------------------------------------------------------------------------------------ channels, DC, level


def test_mono_is_the_mean_and_opposites_cancel():
    y = noise(1000)
    np.testing.assert_array_equal(preprocess.to_mono(y), y)
    np.testing.assert_allclose(preprocess.to_mono(np.stack([y, 3 * y])), 2 * y, rtol=1e-6)
    assert not preprocess.to_mono(np.stack([y, -y])).any()
    pair = noise(1000, channels=2)
    np.testing.assert_allclose(librosa.to_mono(pair), preprocess.to_mono(pair), atol=1e-7)


@pytest.mark.parametrize("stereo, db", [
    (np.stack([noise(9999)] * 2), 0), (np.stack([noise(9999), noise(9999, 1)]), 3.01),
    (np.stack([noise(99), -noise(99)]), np.inf),
])
def test_mono_loss(stereo, db):
    assert preprocess.mono_loss(stereo) == pytest.approx(db, abs=0.15)


@given(st.floats(-0.9, 0.9), st.integers(1, 2000))
def test_dc_goes_and_nothing_else(offset, n):
    y = noise(n, channels=2)
    out = preprocess.remove_dc(y + np.float32(offset))
    assert np.abs(out.mean(axis=1)).max() < 1e-6
    np.testing.assert_allclose(out, preprocess.remove_dc(out), atol=1e-6)       # twice is once
    np.testing.assert_allclose(out, preprocess.remove_dc(y), atol=1e-6)


@given(st.sampled_from(["peak", "rms", "lufs"]), st.floats(-40, -12), st.floats(0.02, 20), st.booleans())
@settings(deadline=None, max_examples=40)
def test_the_level_is_met_or_the_ceiling_is(to, level, loudness, stereo):
    y = loudness * noise(SR, channels=2 if stereo else None)
    out = preprocess.normalize(y, SR, to=to, level=level)
    now = {"peak": lambda: measure.dbfs(np.abs(out).max()), "rms": lambda: measure.dbfs(measure.rms(out.ravel())),
           "lufs": lambda: measure.lufs(out, SR)}[to]()
    peak = measure.dbfs(np.abs(out).max())
    assert out.dtype == np.float32 and peak <= -1 + 1e-3
    assert now == pytest.approx(level, abs=0.01) or (now < level and peak == pytest.approx(-1, abs=1e-3))
    np.testing.assert_allclose(preprocess.normalize(out, SR, to=to, level=level), out, rtol=1e-3, atol=1e-6)


def test_a_click_stays_below_the_level_asked_for():
    y = np.zeros(SR, np.float32)
    y[100] = 0.1
    out = preprocess.normalize(y, SR, to="rms", level=-20, ceiling=-3)
    assert measure.dbfs(measure.peak(out)) == pytest.approx(-3, abs=1e-3)
    assert preprocess.normalize(y, SR, to="peak", level=0).max() == pytest.approx(1, abs=1e-6)


def test_silence_stays_silent():
    for to in ("peak", "rms", "lufs"):
        assert not preprocess.normalize(np.zeros(SR), SR, to=to).any()


@pytest.mark.parametrize("options, says", [
    (dict(to="loud"), "none of"), (dict(ceiling=1), "above full scale"), (dict(y=np.full(9, np.nan)), "NaN"),
    (dict(y=np.zeros(9, np.int16)), "32768"), (dict(y=np.zeros(100), to="lufs"), "0.4 s"),
])
def test_impossible_levels_are_refused(options, says):
    with pytest.raises(ValueError, match=says):
        preprocess.normalize(**{"y": noise(SR), "sr": SR, **options})


# ------------------------------------------------------------------------------------------ filters


@settings(deadline=None, max_examples=80)
@given(st.sampled_from(["lowpass", "highpass", "bandpass", "bandstop"]), st.integers(1, 16), st.floats(0.01, 0.4),
       st.floats(1.1, 2.2))
def test_butterworth_has_scipys_response(kind, order, low, width):
    cutoff = (low * SR, min(low * width, 0.49) * SR) if kind.startswith("band") else low * SR
    mine = preprocess.butterworth(order, cutoff, SR, kind)
    theirs = signal.butter(order, cutoff, kind, fs=SR, output="sos")
    assert mine.shape == theirs.shape
    f = np.linspace(1, SR / 2 - 1, 400)
    np.testing.assert_allclose(signal.sosfreqz(mine, f, fs=SR)[1], signal.sosfreqz(theirs, f, fs=SR)[1], atol=1e-6)


def test_a_chain_of_biquads_by_hand_is_the_filter():
    x = noise(500).astype(np.float64)
    sos = preprocess.butterworth(5, 800, SR, "highpass")
    y = x
    for b0, b1, b2, _, a1, a2 in sos:
        out = np.zeros_like(y)
        for n in range(len(y)):
            out[n] = (b0 * y[n] + b1 * (y[n - 1] if n else 0) + b2 * (y[n - 2] if n > 1 else 0)
                      - a1 * (out[n - 1] if n else 0) - a2 * (out[n - 2] if n > 1 else 0))
        y = out
    np.testing.assert_allclose(preprocess.filter_signal(x, sos), y, atol=1e-10)


@pytest.mark.parametrize("kind, cutoff, passes, stops", [
    ("lowpass", 1000, [0, 800], [1200, 7900]), ("highpass", 1000, [1200, 7900], [0, 800]),
    ("bandpass", (1000, 3000), [1200, 2800], [0, 800, 3200, 7900]),
    ("bandstop", (1000, 3000), [0, 800, 3200, 7900], [1200, 2800]),
])
def test_fir_meets_its_specification(kind, cutoff, passes, stops):
    h = preprocess.fir(cutoff, SR, 400, 80, kind)
    np.testing.assert_allclose(h, h[::-1], atol=1e-15)
    passed, stopped = (20 * np.log10(np.abs(signal.freqz(h, 1, f, fs=SR)[1]) + 1e-12) for f in (passes, stops))
    assert np.abs(passed).max() < 0.01 and stopped.max() < -79


@pytest.mark.parametrize("c", [preprocess.butterworth(4, 500, SR), preprocess.fir(500, SR, 500)], ids=["sos", "taps"])
def test_zero_phase_moves_nothing(c):
    click = np.zeros(2001, np.float32)
    click[1000] = 1
    out = preprocess.filter_signal(click, c, zero_phase=True)
    np.testing.assert_allclose(out, out[::-1], atol=1e-5)
    assert np.argmax(out) == 1000 < np.argmax(preprocess.filter_signal(click, c))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 700), max_size=12), st.booleans(), st.booleans(), st.integers(0, 9))
def test_blocks_come_out_as_the_whole_would(cuts, stereo, taps, seed):
    y = noise(700, seed, channels=2 if stereo else None)
    c = preprocess.fir(2000, SR, 1500) if taps else preprocess.butterworth(5, (300, 3000), SR, "bandpass")
    running = preprocess.Filter(c)
    out = np.concatenate([running(block) for block in np.split(y, sorted(cuts), axis=-1)], axis=-1)
    np.testing.assert_allclose(out, preprocess.filter_signal(y, c), atol=1e-6)
    running.reset()
    np.testing.assert_array_equal(running(y[..., :50]), out[..., :50])


@given(st.floats(-2, 2), st.floats(-2, 2))
def test_filters_are_linear(a, b):
    sos = preprocess.butterworth(3, 1000, SR)
    x, y = noise(400, 1).astype(np.float64), noise(400, 2).astype(np.float64)
    apart = a * preprocess.filter_signal(x, sos) + b * preprocess.filter_signal(y, sos)
    np.testing.assert_allclose(preprocess.filter_signal(a * x + b * y, sos), apart, atol=1e-12)


@pytest.mark.parametrize("call, says", [
    (lambda: preprocess.butterworth(0, 100, SR), "1 to 30"),
    (lambda: preprocess.butterworth(2, 8000, SR), "between 0 and"),
    (lambda: preprocess.butterworth(2, 100, SR, "bandpass"), "two frequencies"),
    (lambda: preprocess.butterworth(2, (300, 100), SR, "bandpass"), "lower first"),
    (lambda: preprocess.butterworth(2, 100, SR, "low"), "none of"), (lambda: preprocess.fir(100, SR, 0), "positive"),
    (lambda: preprocess.fir(100, SR, 0.01), "more width"),
    (lambda: preprocess.filter_signal(noise(9), np.ones((2, 5))), 'output="sos"'),
])
def test_impossible_filters_are_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_a_filter_is_for_one_signal():
    running = preprocess.Filter(preprocess.butterworth(2, 100, SR))
    running(noise(10))
    with pytest.raises(ValueError, match="reset"):
        running(noise(10, channels=2))


# ------------------------------------------------------------------------------------------ speech


def talk(hiss=0.0, seed=0):
    """Half a second of nothing, two words of 0.4 s with 0.6 s between them, half a second of nothing."""
    rng = np.random.default_rng(seed)
    word = synth.harmonics(120, 0.2 / np.arange(1, 20), 0.4, SR) * np.hanning(round(0.4 * SR)) ** 0.3
    gap = np.zeros(round(0.6 * SR))
    y = np.concatenate([np.zeros(SR // 2), word, gap, word, np.zeros(SR // 2)])
    return (y + hiss * rng.standard_normal(len(y))).astype(np.float32)


def test_trimming_keeps_the_words_and_the_pause():
    y = talk(1e-5)
    piece, (start, stop) = preprocess.trim_silence(y, SR)
    np.testing.assert_array_equal(piece, y[start:stop])
    assert start / SR == pytest.approx(0.45, abs=0.03) and stop / SR == pytest.approx(1.95, abs=0.03)
    again, (first, _) = preprocess.trim_silence(piece, SR)
    assert first == 0 and abs(len(again) - len(piece)) <= 0.02 * SR
    assert preprocess.trim_silence(np.stack([0 * y, y]), SR)[1] == (start, stop)
    assert preprocess.trim_silence(talk(0.02), SR, top_db=60)[1] == (0, len(y))           # the hiss is no silence


def test_trimming_as_librosa_does():
    y = talk(1e-4)
    _, (start, stop) = preprocess.trim_silence(y, SR, top_db=40, margin=0, frame=0.02)
    theirs = librosa.effects.trim(y, top_db=40, frame_length=320, hop_length=320)[1]
    np.testing.assert_allclose([start, stop], theirs, atol=640)


@pytest.mark.parametrize("hiss", [0.0, 1e-4, 1e-2, 0.03])
def test_voices_are_found_in_any_hiss(hiss):
    active, segments = preprocess.voice_activity(talk(hiss), SR)
    assert len(active) == 240 and active.dtype == bool
    assert len(segments) == 2
    np.testing.assert_allclose(segments, [[0.5, 0.9], [1.5, 1.9]], atol=0.1)
    covered = np.zeros(240, bool)
    for a, b in segments:
        covered[round(100 * a) : round(100 * b)] = True
    np.testing.assert_array_equal(covered, active)


@pytest.mark.parametrize("level", [1e-3, 0.1])
def test_noise_alone_is_no_speech(level):
    assert not preprocess.voice_activity(level / 0.1 * noise(4 * SR), SR)[0].any()


@given(st.floats(0.01, 3))
@settings(deadline=None, max_examples=10)
def test_voice_activity_does_not_depend_on_the_gain(gain):
    y = talk(0.003)
    np.testing.assert_array_equal(preprocess.voice_activity(gain * y, SR)[0], preprocess.voice_activity(y, SR)[0])


@pytest.mark.parametrize("call", [
    lambda: preprocess.trim_silence(np.zeros(100), SR), lambda: preprocess.trim_silence(np.zeros(9, int), SR),
    lambda: preprocess.voice_activity(noise(99), SR), lambda: preprocess.voice_activity(noise(SR), 4000),
])
def test_where_speech_cannot_be_looked_for(call):
    with pytest.raises(ValueError):
        call()


# ------------------------------------------------------------------------------------------ denoising


@pytest.mark.parametrize("known", [False, True])
def test_spectral_subtraction_takes_hiss_and_leaves_the_words(known):
    clean, hiss = talk(), 0.1 * noise(len(talk()), 5)
    options = {"noise": 0.1 * noise(SR, 6)} if known else {}
    out = preprocess.spectral_subtraction(clean + hiss, SR, **options)
    assert out.shape == clean.shape and out.dtype == np.float32
    assert measure.snr(clean, out) > measure.snr(clean, clean + hiss) + 6
    quiet = slice(round(1.1 * SR), round(1.4 * SR))
    assert measure.rms(out[quiet]) < 0.4 * measure.rms(hiss[quiet])


def test_nothing_subtracted_is_nothing_changed():
    y = talk(0.01)
    np.testing.assert_allclose(preprocess.spectral_subtraction(y, SR, over=0), y, atol=1e-6)


@pytest.mark.parametrize("y, options", [(noise(100), {}), (noise(SR, channels=2), {}), (noise(SR), {"over": -1}),
                                        (noise(SR), {"noise": noise(10)})])
def test_what_cannot_be_denoised(y, options):
    with pytest.raises(ValueError):
        preprocess.spectral_subtraction(y, SR, **options)


# ------------------------------------------------------------------------------------------ the report


def render(row):
    rng = np.random.default_rng(row["seed"])
    y = synth.tone(row["hz"], 0.5, 8000, 0.999 if row["seed"] % 2 else 0.2)
    return Clip(np.clip(y + 0.0001 * rng.standard_normal(4000), -1, 1).astype(np.float32), 8000)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Forty clips: tones from low to high, half of them at full scale."""
    import pandas as pd

    hz = np.geomspace(20, 900, 40)
    names = [f"{i}.flac" for i in range(40)]
    plan = pd.DataFrame({"path": names, "seed": range(40), "hz": hz, "label": ["a", "b"] * 20})
    return make(tmp_path_factory.mktemp("good") / "tones", plan, render)


@pytest.mark.parametrize("seed", range(4))
def test_every_planted_fault_is_named_and_nothing_else(good, tmp_path, seed):
    planted = preprocess.plant(good, tmp_path / "bad", np.random.default_rng(seed))
    found = preprocess.inspect(tmp_path / "bad").set_index("path")
    assert {path: kind for path, kind in found.problem.items() if kind} == planted
    assert len(set(planted.values())) == 10 and set(planted.values()) < set(preprocess.PROBLEMS)
    assert all(found.reason[path] and "\n" not in found.reason[path] for path in planted)


def test_the_numbers_of_a_file(tmp_path):
    y = np.pad(synth.tone(1000, 1.0, SR, 0.5) + 0.1, (0, SR))
    audio.save(tmp_path / "a.wav", np.stack([y, y]), SR, bits=24)
    row = preprocess.inspect(tmp_path).iloc[0]
    assert (row.duration, row.sr, row.channels, row.format, row.problem) == (2.0, SR, 2, "WAV", "")
    assert row.peak == pytest.approx(20 * np.log10(0.6), abs=0.01) and row.dc == pytest.approx(0.05, abs=1e-4)
    assert row.rms == pytest.approx(10 * np.log10((0.125 + 0.01) / 2), abs=0.01)
    assert row.silence == pytest.approx(0.5, abs=0.01)
    assert row.lufs == pytest.approx(measure.lufs(np.stack([y, y]), SR), abs=0.01)
    assert row.band_1000 == pytest.approx(10 * np.log10(0.125 / 2), abs=0.1) and row.band_4000 < row.band_1000 - 30


@pytest.mark.parametrize("cast", [(np.int16, float), (float, np.int16)])
def test_whole_numbers_are_not_mixed(cast):
    y, other = (np.arange(1, 9).astype(kind) for kind in cast)
    with pytest.raises(ValueError, match="int16"):
        augment.mix_at_snr(y, other, 10)


def test_two_processes_inspect_as_one_does(good, tmp_path):
    preprocess.plant(good, tmp_path / "spoiled")
    one, two = (preprocess.inspect(tmp_path / "spoiled", n_jobs=n) for n in (None, 2))
    assert one.equals(two)


def test_a_plain_folder_is_held_against_its_majority(tmp_path):
    for i, sr in enumerate([8000, 8000, 8000, 44100]):
        audio.save(tmp_path / f"{i}.wav", synth.tone(500, 0.5, sr), sr)
    assert list(preprocess.inspect(tmp_path).problem) == ["", "", "", "wrong rate"]
    assert list(preprocess.inspect(tmp_path, sr=44100).problem) == ["wrong rate"] * 3 + [""]


@pytest.mark.parametrize("shape", [(SR,), (2, SR)])
@pytest.mark.parametrize("over_db", [3, 12])
def test_clipping_is_told_from_loudness(shape, over_db):
    loud = np.broadcast_to(synth.harmonics(110, 0.4 / np.arange(1, 10), 1.0, SR), shape)
    loud = loud / np.abs(loud).max()
    assert report.flat_share(np.round(loud * 32767) / 32768) < 1e-3
    assert report.flat_share(0.5 * np.clip(loud * 10 ** (over_db / 20), -1, 1)) > report.FLAT_SHARE


def test_what_cannot_be_inspected(tmp_path, good):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(CorpusError):
            preprocess.inspect(folder)
    with pytest.raises(CorpusError, match="takes 10"):
        preprocess.plant(good.select(range(5)), tmp_path / "new")
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(CorpusError, match="holds something"):
        preprocess.plant(good, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
