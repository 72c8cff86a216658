"""Features agree with librosa and torchaudio; where those differ from them, they do so as the docstrings say."""

import subprocess
import sys
import tracemalloc

import librosa
import numpy as np
import pytest
import torch
import torchaudio
from hypothesis import given, settings
from hypothesis import strategies as st

import audiolab as al
from audiolab import features
from benchmarks import features as beside
from benchmarks.timing import PeakMemory

SR = 16000
MUSIC_SR = 22050


@pytest.fixture(scope="module")
def speech():
    return al.load(al.sample("spoken"), sr=SR, mono=True, duration=2.0)[0]


@pytest.fixture(scope="module")
def music():
    return al.load(al.sample("music"), sr=MUSIC_SR, mono=True, duration=10.0)[0]


def relative(mine, theirs):
    """Largest difference, as a part of the largest value."""
    assert mine.shape == theirs.shape
    return np.abs(mine - theirs).max() / np.abs(theirs).max()


# ---------------------------------------------------------------------------------------- frames, STFT


def test_frames_are_views_and_whole():
    y = np.arange(10)
    assert features.frame(y, 4, 3).tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    assert features.frame(y[:9], 4, 3).shape == (2, 4)
    np.testing.assert_array_equal(features.frame(y, 4, 3).T, librosa.util.frame(y, frame_length=4, hop_length=3))
    assert np.shares_memory(features.frame(y, 4, 3), y)


@pytest.mark.parametrize("options", [
    {"n_fft": 512, "hop_length": 160}, {"n_fft": 512, "hop_length": 160, "win_length": 400}, {"n_fft": 512},
    {"n_fft": 501, "hop_length": 100, "window": "blackman"}, {"n_fft": 512, "win_length": 401, "center": False},
])
def test_stft_is_librosas(speech, options):
    mine, theirs = features.stft(speech, **options), librosa.stft(speech, **options)
    assert mine.dtype == np.complex64 and relative(mine, theirs) < 1e-6


def test_stft_is_torchs_when_that_pads_with_zeros(speech):
    y, w = torch.from_numpy(speech), torch.hann_window(400)
    theirs = {mode: torch.stft(y, 512, 160, 400, w, pad_mode=mode, return_complex=True).numpy()
              for mode in ("constant", "reflect")}
    mine = features.stft(speech, 512, 160, 400)
    assert relative(mine, theirs["constant"]) < 1e-6
    assert relative(mine[:, 2:-2], theirs["reflect"][:, 2:-2]) < 1e-6
    assert relative(mine[:, :2], theirs["reflect"][:, :2]) > 1e-3


def test_stft_keeps_channels_and_double_precision(speech):
    both = np.stack([speech, -speech])
    X = features.stft(both, 512, 160)
    np.testing.assert_array_equal(X[1], features.stft(-speech, 512, 160))
    assert features.stft(speech.astype(np.float64), 512).dtype == np.complex128


@pytest.mark.parametrize("n_fft, hop, win", [(512, 160, None), (512, 128, 400), (1024, 512, None), (256, 100, 200)])
@pytest.mark.parametrize("n", [1, 700, 16001])
def test_istft_gives_the_signal_back(n_fft, hop, win, n):
    y = np.random.default_rng(n).uniform(-1, 1, n).astype(np.float32)
    X = features.stft(y, n_fft, hop, win)
    back = features.istft(X, hop, win, length=n)
    assert back.dtype == np.float32 and back.shape == y.shape
    assert np.abs(back - y).max() < 1e-6


def test_istft_of_an_edited_spectrogram_is_torchs(speech):
    X = features.stft(speech, 512, 160) * np.linspace(0, 1, 257)[:, None] ** 2
    there = torch.istft(torch.from_numpy(X.astype(np.complex64)), 512, 160, window=torch.hann_window(512)).numpy()
    assert relative(features.istft(X, 160), there) < 1e-5


@given(st.lists(st.integers(0, 700), min_size=1, max_size=8), st.sampled_from([(512, 128, None), (256, 100, 200)]))
@settings(max_examples=25, deadline=None)
def test_streams_equal_the_whole_whatever_the_blocks(lengths, sizes):
    y = np.random.default_rng(0).standard_normal(sum(lengths) + 1).astype(np.float32)
    blocks = np.split(y, np.cumsum(lengths))
    there, back = features.StreamingSTFT(*sizes), features.StreamingISTFT(*sizes)
    for _ in range(2):                                                          # and again, after the flush
        columns = [*map(there, blocks), there.flush()]
        X = features.stft(y, *sizes)
        np.testing.assert_allclose(np.concatenate(columns, axis=1), X, atol=1e-5)
        pieces = [*map(back, columns), back.flush()]
        np.testing.assert_allclose(np.concatenate(pieces), features.istft(X, *sizes[1:]), atol=1e-6)


# ---------------------------------------------------------------------------------------- mel


@pytest.mark.parametrize("htk", [False, True])
def test_mel_scale(htk):
    f = np.array([0, 100, 999.9, 1000, 1000.1, 5000, 20000])
    np.testing.assert_allclose(features.hz_to_mel(f, htk), librosa.hz_to_mel(f, htk=htk), rtol=1e-9)
    np.testing.assert_allclose(features.mel_to_hz(features.hz_to_mel(f, htk), htk), f, atol=1e-9)
    assert features.hz_to_mel(1000.0, htk) == pytest.approx(1000 if htk else 15, abs=0.02)


@pytest.mark.parametrize("htk", [False, True])
@pytest.mark.parametrize("norm", ["slaney", None])
def test_mel_filters_are_librosas_and_torchaudios(htk, norm):
    mine = features.mel_filterbank(SR, 512, 40, 50, 7000, htk, norm)
    theirs = librosa.filters.mel(sr=SR, n_fft=512, n_mels=40, fmin=50, fmax=7000, htk=htk, norm=norm)
    assert relative(mine, theirs) < 1e-5
    theirs = torchaudio.functional.melscale_fbanks(257, 50, 7000, 40, SR, norm, "htk" if htk else "slaney")
    assert relative(mine, theirs.numpy().T) < 1e-4


def test_torchaudios_own_mel_is_another():
    default = torchaudio.functional.melscale_fbanks(257, 0, 8000, 40, SR)
    assert relative(features.mel_filterbank(SR, 512, 40), default.numpy().T) > 0.9
    assert relative(features.mel_filterbank(SR, 512, 40, htk=True, norm=None), default.numpy().T) < 1e-4


@pytest.mark.parametrize("sr, n_mels", [(8000, 40), (16000, 64), (22050, 64), (44100, 64), (48000, 64)])
def test_log_mel_is_librosas_and_torchaudios(speech, sr, n_mels):
    sizes = features.log_mel_sizes(sr)
    assert sizes["n_mels"] == n_mels and sizes["hop_length"] == round(sr / 100)
    theirs = np.log(np.maximum(librosa.feature.melspectrogram(y=speech, sr=sr, **sizes), 1e-5))
    mine = features.log_mel(speech, sr)
    assert mine.dtype == np.float32 and relative(mine, theirs) < 1e-5
    there = torchaudio.transforms.MelSpectrogram(sr, **sizes, mel_scale="slaney", norm="slaney", pad_mode="constant")
    assert relative(mine, there(torch.from_numpy(speech)).clamp(min=1e-5).log().numpy()) < 1e-4


def test_log_mel_levels():
    assert features.log_mel(np.zeros(800, np.float32), SR).max() == pytest.approx(np.log(1e-5))
    assert features.log_mel(al.synth.tone(1000, 1.0, SR, 1.0), SR).max() == pytest.approx(5, abs=1)


def test_mel_power_one_is_amplitude(speech):
    mine = features.mel_spectrogram(speech, SR, power=1.0)
    assert relative(mine, librosa.feature.melspectrogram(y=speech, sr=SR, power=1, **features.log_mel_sizes(SR))) < 1e-5


# ---------------------------------------------------------------------------------------- the batch


@pytest.mark.parametrize("shape", [(1, 1), (3, 16000), (300, 300), (2, 100_000)])
def test_batched_log_mel_equals_the_single(shape):
    y = np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype(np.float32)
    got = features.LogMel(SR)(torch.from_numpy(y))
    want = features.log_mel(y[:8], SR)
    assert got.shape == (shape[0], 1, 64, 1 + shape[1] // 160) and got.dtype == torch.float32
    np.testing.assert_allclose(got[:8, 0].numpy(), want, atol=1e-3)


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16])
def test_batched_log_mel_takes_any_float(speech, kind):
    y = torch.from_numpy(speech)[None].to(kind)
    got = features.LogMel(SR)(y)
    assert got.dtype == torch.float32 and torch.equal(got, features.LogMel(SR)(y.float()))


def test_batched_log_mel_takes_parameters_and_gives_gradients():
    y = torch.randn(2, 4000, generator=torch.Generator().manual_seed(0), requires_grad=True)
    front = features.LogMel(8000, n_fft=512, hop_length=100, win_length=300, n_mels=20, fmin=100, fmax=3000)
    got = front(y)
    want = features.log_mel(y.detach().numpy(), 8000, 512, 100, 300, 20, 100, 3000)
    np.testing.assert_allclose(got[:, 0].detach().numpy(), want, atol=1e-4)
    got.sum().backward()
    assert torch.isfinite(y.grad).all() and y.grad.abs().max() > 0
    assert not front.state_dict()


@pytest.mark.parametrize("y", [torch.zeros(100), torch.zeros(2, 1, 100), torch.zeros(2, 0),
                               torch.zeros(2, 100, dtype=torch.int16)])
def test_batched_log_mel_refuses(y):
    with pytest.raises(ValueError, match=r"shape \[batch, n\]"):
        features.LogMel(SR)(y)


# ---------------------------------------------------------------------------------------- levels


def test_decibels_are_librosas_without_its_cut(speech):
    S = np.abs(features.stft(speech, 512)) ** 2
    assert relative(features.power_to_db(S), librosa.power_to_db(S, top_db=None)) < 1e-6
    assert relative(features.power_to_db(S, ref=np.max, top_db=80), librosa.power_to_db(S, ref=np.max)) < 1e-6
    assert relative(features.amplitude_to_db(np.sqrt(S)), librosa.amplitude_to_db(np.sqrt(S), top_db=None)) < 1e-5
    np.testing.assert_allclose(features.amplitude_to_db(np.sqrt(S), amin=1e-5), features.power_to_db(S), atol=1e-3)


def test_decibels_and_torchaudio():
    silence, S = torch.zeros(1, 1, 1), torch.tensor([[[1.0, 1e-20]], [[1e-12, 1e-12]]])
    power, amplitude = (torchaudio.transforms.AmplitudeToDB(kind) for kind in ("power", "magnitude"))
    assert features.power_to_db(silence.numpy()).item() == pytest.approx(power(silence).item()) == pytest.approx(-100)
    assert features.amplitude_to_db(silence.numpy()).item() == pytest.approx(-100)
    assert amplitude(silence).item() == pytest.approx(-200)
    cut = torchaudio.transforms.AmplitudeToDB("power", top_db=80)(S[:, None])   # four axes: each item by itself
    np.testing.assert_allclose(cut[0, 0].numpy(), features.power_to_db(S[0].numpy(), top_db=80), atol=1e-4)


@pytest.mark.parametrize("call", [lambda S: features.power_to_db(S - 5), lambda S: features.amplitude_to_db(S - 5),
                                  lambda S: features.power_to_db(S + 1j), lambda S: features.amplitude_to_db(S + 1j),
                                  lambda S: features.power_to_db(S, amin=0), lambda S: features.pcen(S - 5, SR)])
def test_levels_refuse(call):
    with pytest.raises(ValueError):
        call(np.ones((3, 20)))


@pytest.mark.parametrize("scale", [1.0, 2.0**31])
def test_pcen_is_librosas_that_begins_at_the_first_frame(speech, scale):
    mel = features.mel_spectrogram(speech, SR) * np.float32(scale)
    s = features.pcen_smoothing(SR, 160)
    theirs = librosa.pcen(mel, sr=SR, hop_length=160, b=s, zi=(1 - s) * mel[:, :1])
    assert relative(features.pcen(mel, SR), theirs) < 1e-5
    assert relative(features.pcen(mel, SR)[:, :20], librosa.pcen(mel, sr=SR, hop_length=160)[:, :20]) > 0.1
    late = librosa.pcen(mel, sr=SR, hop_length=160, b=s)[:, -20:]
    assert relative(features.pcen(mel, SR)[:, -20:], late) < 0.3                # which it forgets


def test_pcen_takes_a_steady_hum_away():
    S = np.full((2, 400), 5.0)
    S[1, 200:] = 500.0
    out = features.pcen(S, SR)
    assert np.ptp(out[0]) < 1e-12 and out[1, 200] > 3 * out[1, 199]


# ---------------------------------------------------------------------------------------- cepstrum


def test_mfcc_is_librosas_on_the_same_log_mel(speech):
    L = features.log_mel(speech, SR)
    assert relative(features.mfcc(speech, SR, n_mfcc=20), librosa.feature.mfcc(S=L, n_mfcc=20)) < 1e-5


def test_mfcc_from_the_signal_differs_from_librosas_by_a_factor(speech):
    y = speech + np.random.default_rng(0).normal(0, 0.03, len(speech)).astype(np.float32)       # no floor bites
    theirs = librosa.feature.mfcc(y=y, sr=SR, n_mfcc=13, **features.log_mel_sizes(SR))
    assert relative(10 / np.log(10) * features.mfcc(y, SR), theirs) < 1e-4


def test_mfcc_is_torchaudios_on_the_same_log_mel(speech):
    sizes = features.log_mel_sizes(SR)
    there = torchaudio.transforms.MFCC(SR, 13, log_mels=True, melkwargs={
        **sizes, "mel_scale": "slaney", "norm": "slaney", "pad_mode": "constant"})
    y = speech + np.random.default_rng(0).normal(0, 0.03, len(speech)).astype(np.float32)
    assert relative(features.mfcc(y, SR), there(torch.from_numpy(y)).numpy()) < 1e-3    # ln(mel + 1e-6), not a floor
    assert np.abs(there.dct_mat.numpy().T @ features.log_mel(y, SR) - features.mfcc(y, SR)).max() < 1e-3


@pytest.mark.parametrize("width", [3, 9])
def test_delta_is_librosas_to_the_ends_and_torchaudios_inside(speech, width):
    x = features.mfcc(speech, SR)
    mine = features.delta(x, width)
    assert relative(mine, librosa.feature.delta(x, width=width)) < 1e-4
    theirs, n = torchaudio.functional.compute_deltas(torch.from_numpy(x), width).numpy(), width // 2
    assert relative(mine[:, n:-n], theirs[:, n:-n]) < 1e-4
    assert relative(mine[:, :n], theirs[:, :n]) > 0.01


def test_twice_delta_is_not_librosas_second_order(speech):
    x = features.mfcc(speech, SR)
    assert relative(features.delta(features.delta(x)), librosa.feature.delta(x, order=2)) > 0.05


def test_delta_of_a_ramp_is_its_slope():
    np.testing.assert_allclose(features.delta(np.arange(20.0)[None] * 3), 3)


# ---------------------------------------------------------------------------------------- notes


@pytest.mark.parametrize("n_fft, n_chroma", [(2048, 12), (4096, 24), (1023, 12)])
def test_chroma_filters_are_librosas(n_fft, n_chroma):
    mine = features.chroma_filterbank(MUSIC_SR, n_fft, n_chroma)
    assert relative(mine, librosa.filters.chroma(sr=MUSIC_SR, n_fft=n_fft, n_chroma=n_chroma)) < 1e-5


def test_chroma_is_librosas_for_a_recording_in_tune(music):
    theirs = librosa.feature.chroma_stft(y=music, sr=MUSIC_SR, tuning=0)
    assert relative(features.chroma(music, MUSIC_SR), theirs) < 1e-4
    sharp = librosa.feature.chroma_stft(y=music, sr=MUSIC_SR, tuning=0.3)
    assert relative(features.chroma(music, MUSIC_SR), sharp) > 0.1


def test_chroma_names_the_note():
    for note, name in enumerate(("C4", "C♯4", "D4")):
        hz = 440 * 2 ** ((note - 9) / 12)
        assert features.note_names(hz) == name
        mean = features.chroma(al.synth.tone(hz, 1.0, MUSIC_SR), MUSIC_SR).mean(axis=1)
        assert mean.argmax() == note
    assert features.note_names(features.cqt_frequencies(13)[[0, 12]]) == ["C1", "C2"]


def librosas_kernels(y, f, gamma):
    """librosa's wavelets at the full rate and with negative frequencies, without the shortcuts of its transform."""
    kernels, lengths = librosa.filters.wavelet(freqs=f, sr=MUSIC_SR, gamma=gamma, dtype=np.complex128)
    n = kernels.shape[1]
    X = librosa.stft(y.astype(np.float64), n_fft=n, hop_length=512, window="ones")
    return np.sqrt(lengths)[:, None] / n * (np.fft.fft(kernels) @ np.concatenate([X, X[-2:0:-1].conj()]))


@pytest.mark.parametrize("gamma", [0, None])
def test_constant_q_is_librosas_kernels_at_the_full_rate(music, gamma):
    f = features.cqt_frequencies()
    mine = features.cqt(music, MUSIC_SR) if gamma == 0 else features.vqt(music, MUSIC_SR)
    theirs = librosas_kernels(music, f, gamma)
    assert mine.shape == theirs.shape and mine.dtype == np.complex64
    mine, theirs = (20 * np.log10(np.abs(C) + 1e-9) for C in (mine, theirs))
    assert np.abs(mine - theirs)[theirs > theirs.max() - 60].max() < 1


@pytest.mark.parametrize("mine, theirs, apart", [(features.cqt, librosa.cqt, 0.1), (features.vqt, librosa.vqt, 1)])
def test_constant_q_has_the_levels_of_librosas(music, mine, theirs, apart):
    both = mine(music, MUSIC_SR), theirs(music, sr=MUSIC_SR)
    level = [10 * np.log10(np.mean(np.abs(C) ** 2, axis=1)) for C in both]
    heard = level[1] > level[1].max() - 60
    assert heard.sum() > 30 and np.abs(level[0] - level[1])[heard].max() < apart


def test_constant_q_of_a_tone():
    C = np.abs(features.cqt(al.synth.tone(440, 2.0, MUSIC_SR, 0.5), MUSIC_SR))[:, 40]
    assert C.argmax() == 45                                                     # A4 above C1
    alpha = (4 ** (1 / 12) - 1) / (4 ** (1 / 12) + 1)
    assert C.max() == pytest.approx(0.5 / 2 * np.sqrt(MUSIC_SR / (alpha * 440)), rel=1e-3)


# ---------------------------------------------------------------------------------------- statistics


@pytest.mark.parametrize("name, takes_rate", [
    ("spectral_centroid", True), ("spectral_bandwidth", True), ("spectral_rolloff", True),
    ("spectral_flatness", False), ("zero_crossing_rate", False), ("rms", False),
])
def test_statistics_are_librosas(music, name, takes_rate):
    mine = getattr(features, name)(music, MUSIC_SR) if takes_rate else getattr(features, name)(music)
    theirs = getattr(librosa.feature, name)(y=music, **({"sr": MUSIC_SR} if takes_rate else {}))
    assert relative(mine, theirs[0]) < 1e-4


def test_statistics_of_silence():
    y = np.zeros(4000, np.float32)
    for f in (features.spectral_centroid, features.spectral_bandwidth, features.spectral_rolloff):
        assert not f(y, SR).any()
    assert not features.spectral_flux(y).any() and not features.zero_crossing_rate(y).any()
    np.testing.assert_allclose(features.spectral_flatness(y), 1, rtol=1e-5)


def test_statistics_of_known_signals():
    tone, noise = al.synth.tone(1000, 1.0, SR), np.random.default_rng(0).normal(0, 0.1, SR)
    middle = slice(5, -5)
    assert features.spectral_centroid(tone, SR)[middle] == pytest.approx(1000, abs=5)
    assert features.zero_crossing_rate(tone)[middle] == pytest.approx(2 * 1000 / SR, rel=0.02)
    assert features.spectral_flatness(noise)[middle].mean() == pytest.approx(0.56, abs=0.03)
    assert features.spectral_flatness(tone)[middle].max() < 1e-4


def test_flux_is_what_was_gained(speech):
    S = np.abs(features.stft(speech, 512, 160))
    want = [0.0] + [np.sqrt(sum(max(0, b - a) ** 2 for a, b in zip(S[:, t - 1], S[:, t], strict=True)))
                    for t in range(1, 40)]
    np.testing.assert_allclose(features.spectral_flux(speech, 512, 160)[:40], want, rtol=1e-4)


# ---------------------------------------------------------------------------------------- rhythm


def clicks(bpm, seconds=12.0, sr=MUSIC_SR):
    y, times = np.zeros(round(seconds * sr), np.float32), np.arange(0.5, seconds - 0.2, 60 / bpm)
    for t in times:
        blip = al.synth.tone(1500, 0.05, sr, 0.5) * np.linspace(1, 0, round(0.05 * sr), dtype=np.float32)
        y[round(t * sr) :][: len(blip)] += blip
    return y + np.random.default_rng(0).normal(0, 1e-3, len(y)).astype(np.float32), times


def test_onsets_are_librosas(music):
    mine, theirs = features.onset_strength(music, MUSIC_SR), librosa.onset.onset_strength(y=music, sr=MUSIC_SR)
    assert relative(mine, theirs) < 1e-4
    np.testing.assert_allclose(features.onset_times(music, MUSIC_SR),
                               librosa.onset.onset_detect(y=music, sr=MUSIC_SR, units="time"))


@pytest.mark.parametrize("bpm", [75, 100, 140])
def test_onsets_tempo_and_beats_of_clicks(bpm):
    y, times = clicks(bpm)
    found = features.onset_times(y, MUSIC_SR)[1:]                               # the first is the noise's own beginning
    assert len(found) == len(times) and np.abs(found - times).max() < 0.05
    tempo, beats = features.beat_track(y, MUSIC_SR)
    assert tempo == features.tempo(y, MUSIC_SR)
    assert tempo == pytest.approx(float(librosa.feature.tempo(y=y, sr=MUSIC_SR)[0]), rel=0.01)
    assert tempo == pytest.approx(bpm, rel=0.03)                                # whole frames
    assert np.abs(beats[:, None] - times).min(axis=1).max() < 0.06
    assert len(beats) >= len(times) - 2


@pytest.mark.slow                                               # librosa compiles its beat tracker when first called
def test_beats_are_librosas_on_the_same_onsets(music):
    strength = features.onset_strength(music, MUSIC_SR)
    bpm, beats = librosa.beat.beat_track(onset_envelope=strength, sr=MUSIC_SR, units="time")
    mine, found = features.beat_track(music, MUSIC_SR)
    assert mine == pytest.approx(float(bpm[0]), rel=0.01)
    np.testing.assert_allclose(found, beats, atol=0.03)


def test_tempogram_is_librosas(music):
    strength = features.onset_strength(music, MUSIC_SR)
    mine = features.tempogram(strength, MUSIC_SR)
    assert relative(mine, librosa.feature.tempogram(onset_envelope=strength, sr=MUSIC_SR, win_length=len(mine))) < 1e-4


def test_silence_has_no_tempo():
    y = np.zeros(MUSIC_SR, np.float32)
    assert features.tempo(y, MUSIC_SR) == 0 and features.beat_track(y, MUSIC_SR)[0] == 0
    assert features.beat_track(y, MUSIC_SR)[1].size == features.onset_times(y, MUSIC_SR).size == 0


# ---------------------------------------------------------------------------------------- pitch


def test_pitch_is_librosas_where_there_is_one(speech):
    f0, voiced = features.yin(speech, SR, fmin=60, fmax=400)
    theirs = librosa.yin(speech, sr=SR, fmin=60, fmax=400, frame_length=1024, hop_length=160)
    assert f0.shape == theirs.shape and 0.3 < voiced.mean() < 0.9
    assert np.median(np.abs(f0 / theirs - 1)[voiced]) < 0.005


@pytest.mark.parametrize("hz", [82.4, 220.0, 441.3])
def test_pitch_of_a_string(hz):
    y = al.synth.tone(hz, 0.5, SR) + al.synth.tone(2 * hz, 0.5, SR, 0.8) + al.synth.tone(3 * hz, 0.5, SR, 0.5)
    f0, voiced = features.yin(y, SR)
    assert voiced[10:-10].all() and f0[10:-10] == pytest.approx(hz, rel=2e-3)


def test_pitch_of_a_long_recording_goes_in_pieces(speech, monkeypatch):
    from audiolab.features import pitch

    y = np.tile(speech, 10)
    want = features.yin(y, SR)
    monkeypatch.setattr(pitch, "AT_ONCE", 2**16)
    tracemalloc.start()
    got = features.yin(y, SR)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(got[0], want[0], rtol=1e-9)
    np.testing.assert_array_equal(got[1], want[1])
    assert peak < 5 * 8 * len(y)                                # a few copies of the signal, not a lag for each frame


def test_noise_and_silence_are_unvoiced():
    rng = np.random.default_rng(0)
    assert features.yin(rng.normal(0, 0.1, SR), SR)[1].mean() < 0.05
    for y in (np.zeros(SR, np.float32), np.full(SR, 0.5, np.float32)):
        assert not features.yin(y, SR)[1][5:-5].any()


# ---------------------------------------------------------------------------------------- scale


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_standardizer_learns_from_what_it_is_given(kind):
    rng = np.random.default_rng(0)
    clips = [rng.normal([[3], [-100], [7]], [[2], [0.1], [0]], (3, n)).astype(np.float32) for n in (5, 0, 200, 1000)]
    scale = features.Standardizer().fit(map(kind, clips))
    z = scale(kind(np.concatenate(clips, axis=1)))
    assert type(z) is type(kind(clips[0]))
    np.testing.assert_allclose(np.asarray(z).mean(axis=1), 0, atol=2e-3)
    np.testing.assert_allclose(np.asarray(z).std(axis=1), [1, 1, 0], atol=2e-3)
    shifted = np.asarray(scale(kind(clips[2] + 2)))
    assert shifted.mean(axis=1)[0] == pytest.approx(1, abs=0.2)                 # the test set keeps its own level


def test_standardizer_takes_batches():
    batch = np.random.default_rng(0).normal(5, 3, (4, 1, 2, 50)).astype(np.float32)
    scale = features.Standardizer().fit(batch)
    assert scale.mean.shape == (2, 1) and np.abs(scale(batch).mean()) < 1e-5
    np.testing.assert_allclose(features.Standardizer(scale.mean, scale.std)(batch), scale(batch))


def test_standardizer_refuses():
    scale = features.Standardizer()
    with pytest.raises(ValueError, match="call fit"):
        scale(np.ones((2, 5)))
    with pytest.raises(ValueError, match="no frames"):
        scale.fit([])
    with pytest.raises(ValueError, match="NaN"):
        scale.fit([np.full((2, 5), np.nan)])
    with pytest.raises(ValueError, match="3 rows"):
        scale.fit([np.ones((2, 5))])(np.ones((3, 5)))


def test_standardize_is_per_clip():
    x = np.random.default_rng(0).normal(9, 4, (3, 100))
    for z in (features.standardize(x), features.standardize(torch.from_numpy(x)).numpy()):
        np.testing.assert_allclose(z.mean(axis=1), 0, atol=1e-9)
        np.testing.assert_allclose(z.std(axis=1), 1, rtol=1e-4)
    np.testing.assert_allclose(features.standardize(3 * x + 5), features.standardize(x), atol=1e-4)


# ---------------------------------------------------------------------------------------- benchmarks


def test_peak_memory_is_that_within_a_cell_and_of_children():
    code = "import time; x = bytearray(200_000_000); time.sleep(1); del x; print(flush=True); input()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}], check=True)"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        with PeakMemory(process.pid) as memory:
            process.stdout.readline()                           # by now it has been given back
        process.stdin.close()
    assert 2e8 < memory.peak < 4e8


def test_peak_memory_outlives_its_process():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        with PeakMemory(process.pid) as memory:
            process.stdin.write(b"\n")
            process.stdin.close()
            process.wait()
            assert memory.now() == 0
        assert memory.peak > 0


def test_benchmarks_run_without_a_number_of_threads(monkeypatch, music):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(torch, "set_num_threads", lambda n: None)               # those of the other tests stay
    for name in ("log_mels", "mfccs", "constant_qs"):
        monkeypatch.setattr(beside, name, lambda *clips: {"one": (lambda: np.ones((3, 4)), 0.1)})
    assert beside.measure()[beside.LOG_MEL]["one"][0] == 0


def test_benchmarks_run_from_any_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    asked, really = [], subprocess.run

    def run(command, *, cwd=None, env, **options):
        really([command[0], "-c", "import benchmarks.features"], cwd=cwd, check=True)
        asked.append(env["OMP_NUM_THREADS"])
        return subprocess.CompletedProcess(command, 0, '{"log-mel": {"librosa": [0.1, 2.0]}}')

    monkeypatch.setattr(beside.subprocess, "run", run)
    assert "librosa" in beside.tables()[2] and asked == ["1", "2"]


# ---------------------------------------------------------------------------------------- bad input

EVERY = {
    "stft": features.stft, "log_mel": lambda y: features.log_mel(y, SR), "mfcc": lambda y: features.mfcc(y, SR),
    "chroma": lambda y: features.chroma(y, SR), "cqt": lambda y: features.cqt(y, SR, n_bins=60),
    "spectral_centroid": lambda y: features.spectral_centroid(y, SR), "rms": features.rms,
    "zero_crossing_rate": features.zero_crossing_rate, "yin": lambda y: features.yin(y, SR),
    "onset_times": lambda y: features.onset_times(y, SR), "beat_track": lambda y: features.beat_track(y, SR),
}


@pytest.mark.parametrize("name", EVERY)
def test_bad_signals_get_one_clear_error(name):
    for bad, says in [(np.zeros(0, np.float32), "empty"), (np.zeros(4000, np.int16), "int16"),
                      (np.array([0.0] * 4000 + [np.nan]), "NaN or infinity in 1 samples, first at index 4000"),
                      (np.zeros((4000, 2), np.float32), "put them first")]:
        with pytest.raises(ValueError, match=says):
            EVERY[name](bad)


@pytest.mark.parametrize("name", EVERY)
def test_one_sample_is_a_signal_unless_frames_need_more(name):
    EVERY[name](np.ones(1, np.float32))


@pytest.mark.parametrize("name", ["cqt", "yin", "onset_times", "beat_track"])
def test_stereo_is_refused_where_one_channel_is_needed(name):
    with pytest.raises(ValueError, match="one channel"):
        EVERY[name](np.zeros((2, 4000), np.float32))


@pytest.mark.parametrize("call, says", [
    (lambda y: features.mel_filterbank(SR, 512, 256), "of 256 mel filters hold no bin.*n_fft="),
    (lambda y: features.mel_filterbank(8000, 256, 20, fmax=5000), "4000"),
    (lambda y: features.mel_filterbank(8000, 256, 0), "at least one"),
    (lambda y: features.mel_filterbank(8000, 256, 20, norm="area"), "'slaney' or None"),
    (lambda y: features.log_mel(y, 0), "rate of 0"),
    (lambda y: features.log_mel(y, SR, n_fft=256), "does not fit into n_fft=256"),
    (lambda y: features.mfcc(y, SR, n_mfcc=65), "64 mel channels"),
    (lambda y: features.delta(np.ones((2, 5))), "5 frames are fewer"),
    (lambda y: features.delta(np.ones((2, 50)), 4), "odd"),
    (lambda y: features.stft(y[:100], 512, center=False), "100 samples are fewer than one frame of 512"),
    (lambda y: features.frame(y, 0, 1), "1 or more"),
    (lambda y: features.istft(features.stft(y, 512, 512), 512), "no window"),
    (lambda y: features.istft(np.zeros((257, 0), complex), 128), "no frame"),
    (lambda y: features.StreamingISTFT(512, 512), "no window"),
    (lambda y: features.StreamingSTFT(512, 513), "1 to n_fft"),
    (lambda y: features.chroma(y, SR, n_chroma=10), "multiple of 12"),
    (lambda y: features.cqt(y, 4000), "take fewer rows"),
    (lambda y: features.spectral_rolloff(y, SR, roll_percent=85), "between 0 and 1"),
    (lambda y: features.yin(y, SR, fmin=500, fmax=100), "below the second"),
    (lambda y: features.yin(y, SR, fmin=60, frame_length=256), "two periods"),
    (lambda y: features.tempo(clicks(100)[0], MUSIC_SR, start_bpm=0), "above 0"),
    (lambda y: features.standardize(np.ones((3, 0))), "no frame"),
])
def test_refuses(call, says):
    with pytest.raises(ValueError, match=says):
        call(np.random.default_rng(0).normal(size=4000).astype(np.float32))


def test_the_size_that_the_error_names_is_enough():
    with pytest.raises(ValueError) as error:
        features.mel_filterbank(SR, 512, 256)
    n_fft = int(str(error.value).split("n_fft=")[1].rstrip("."))
    assert features.mel_filterbank(SR, n_fft, 256).max(axis=1).min() > 0
