"""Pictures become sounds again: as well as librosa's, better with a network, and judged by measures that hold."""

import dataclasses
import functools
import sys
import unittest.mock

import librosa
import numpy as np
import pystoi
import pytest
import scipy.fft
import scipy.signal
import torch

from audiolab import features, metrics, models, preprocess, recipes, training, vocode
from audiolab.corpora import speech
from audiolab.features.mel import SILENCE
from audiolab.models import vocoder
from audiolab.recipes import vocoding

SR, HOP, STFT = vocode.SR, 200, dict(n_fft=1024, hop_length=200, win_length=800)
CHECKPOINT = "vocoder-istft-english"


@pytest.fixture(scope="module")
def spoken():
    y = preprocess.resample(*speech.say("The ship left the harbour.", "en-us+Annie"), SR)
    return y[: len(y) // HOP * HOP]


def noise(n=SR, seed=0, level=0.1):
    return (level * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def tone(f, seconds=1.0):
    """A buzz of ten harmonics."""
    t = np.arange(int(seconds * SR)) / SR
    return sum(0.05 * np.cos(2 * np.pi * k * f * t) for k in range(1, 11)).astype(np.float32)


def convergence(S, y):
    return np.linalg.norm(np.abs(features.stft(y, **STFT)) - S) / np.linalg.norm(S)


# ---- from a picture to a sound, without learning ----------------------------------------------------------


def test_the_picture_is_the_one_that_the_batched_module_makes(spoken):
    log_mel = features.LogMel(SR, **vocode.SIZES)(torch.from_numpy(spoken)[None])
    assert vocode.picture(spoken).shape == (80, 1 + len(spoken) // HOP)
    assert np.abs(log_mel[0, 0].numpy() - vocode.picture(spoken)).max() < 1e-2


@pytest.mark.parametrize("momentum", [0.0, 0.99])
def test_griffin_lim_is_no_worse_than_that_of_librosa(spoken, momentum):
    S = np.abs(features.stft(spoken, **STFT))
    y = vocode.griffin_lim(S, momentum=momentum)
    theirs = librosa.griffinlim(S, n_iter=32, hop_length=HOP, win_length=800, n_fft=1024, momentum=momentum,
                                random_state=0, pad_mode="constant")
    assert y.shape == spoken.shape and y.dtype == np.float32
    assert convergence(S, y) <= 1.1 * convergence(S, theirs)
    assert convergence(S, y) < 0.5 * convergence(S, vocode.griffin_lim(S, n_iter=0))


def test_one_round_of_griffin_lim_is_that_of_librosa(spoken, monkeypatch):
    S = np.abs(features.stft(spoken, **STFT))
    monkeypatch.setattr(np.random, "default_rng", lambda *seed: type("Zero", (), {"random": np.zeros})())
    theirs = librosa.griffinlim(S, n_iter=3, momentum=0.5, init=None, hop_length=HOP, win_length=800, n_fft=1024,
                                pad_mode="constant")
    ours = vocode.griffin_lim(S, n_iter=3, momentum=0.5)
    inner = slice(1000, -1000)
    assert np.abs(ours - theirs)[inner].max() < 0.02 * np.abs(ours).max()


def test_more_rounds_and_momentum_come_closer(spoken):
    S = np.abs(features.stft(spoken, **STFT))
    few, many, plain = (convergence(S, vocode.griffin_lim(S, n, m)) for n, m in ((8, 0.99), (64, 0.99), (64, 0.0)))
    assert many < few and many < plain
    assert np.array_equal(vocode.griffin_lim(S, 2, seed=3), vocode.griffin_lim(S, 2, seed=3))
    assert not np.array_equal(vocode.griffin_lim(S, 2, seed=3), vocode.griffin_lim(S, 2, seed=4))


def test_a_linear_spectrum_gives_the_channels_better_than_that_of_librosa(spoken):
    log_mel = vocode.picture(spoken)
    bank, M = features.mel_filterbank(SR, 1024, 80), np.exp(log_mel)
    S = vocode.to_linear(log_mel)
    theirs = librosa.feature.inverse.mel_to_stft(M, sr=SR, n_fft=1024, power=2.0)
    missed = [np.linalg.norm(bank @ X**2 - M) / np.linalg.norm(M) for X in (S, theirs)]
    assert S.shape == theirs.shape and (S >= 0).all() and missed[0] < missed[1] and missed[0] < 0.01
    assert np.abs(np.log(bank @ S**2) - log_mel).mean() < 0.02
    true = np.abs(features.stft(spoken, **STFT))
    assert np.linalg.norm(S - true) < np.linalg.norm(theirs - true)


def test_copy_synthesis_is_intelligible_and_silence_stays_silent(spoken):
    copy = vocode.sound(vocode.picture(spoken))
    assert copy.shape == spoken.shape and metrics.stoi(spoken, copy, SR) > 0.93
    silence = vocode.sound(np.full((80, 20), SILENCE))
    assert silence.shape == (19 * HOP,) and np.abs(silence).max() < 0.01


def test_mending_brings_a_sound_nearer_to_its_picture_and_keeps_its_pitch(spoken):
    wanted = vocode.picture(spoken)
    dull = preprocess.filter_signal(spoken, preprocess.butterworth(1, 1000, SR, "lowpass"))
    missed = [np.abs(vocode.picture(vocode.mend(dull, wanted, n)) - wanted).mean() for n in (0, 1, 2, 4)]
    assert missed == sorted(missed, reverse=True) and missed[-1] < 0.2 * missed[0]
    assert metrics.f0_error(spoken, vocode.mend(dull, wanted), SR)["cents"] < 10
    assert np.array_equal(vocode.mend(dull, wanted), vocode.mend(dull, wanted, vocode.ROUNDS))
    assert np.abs(vocode.mend(spoken, wanted) - spoken).max() < 1e-3
    with pytest.raises(ValueError, match="do not go with"):
        vocode.mend(spoken[:-1], wanted)


@pytest.mark.parametrize(("picture", "says"), [
    (np.zeros((100, 80)), "Turn it round"), (np.zeros((64, 9)), r"\[80, frames\], .* not \[64, 9\]"),
    (np.full((80, 9), -np.inf), "logarithm of 0"), (np.full((80, 9), np.nan), "NaN"), (np.zeros(80), r"not \[80\]"),
    (np.zeros((80, 1)), "two frames"), (np.full((80, 9), -800.0), "from -800 to -800"),
    (np.full((80, 9), 800.0), "divide decibels"), (np.linspace(-50, 30, 720).reshape(80, 9), "from -50 to 30")])
def test_what_is_no_picture_is_refused(picture, says):
    for sound in (vocode.sound, models.Vocoder(dim=16, blocks=1).sound):
        with pytest.raises(ValueError, match=says):
            sound(picture)


def test_whatever_a_picture_may_hold_becomes_finite_numbers():
    wild = np.random.default_rng(0).choice(vocode.RANGE, (80, 30))
    assert np.isfinite(vocode.sound(wild)).all() and np.isfinite(small().sound(wild)).all()


def test_what_are_no_magnitudes_is_refused():
    for S, says in ((np.zeros((80, 9)), "to_linear"), (-np.ones((513, 9)), "0 or more"), (np.zeros(513), "frames")):
        with pytest.raises(ValueError, match=says):
            vocode.griffin_lim(S)
    with pytest.raises(ValueError, match="momentum=2"):
        vocode.griffin_lim(np.ones((513, 4)), momentum=2)


# ---- measures ---------------------------------------------------------------------------------------------


def test_stoi_is_that_of_pystoi_and_falls_with_noise(spoken):
    worse = spoken + noise(len(spoken), level=0.05)
    assert metrics.stoi(spoken, worse, SR) == pytest.approx(pystoi.stoi(spoken, worse, SR), abs=1e-6)
    assert metrics.stoi(spoken, spoken, SR) == pytest.approx(1)
    assert metrics.stoi(spoken, spoken + noise(len(spoken), level=0.5), SR) < metrics.stoi(spoken, worse, SR) < 0.99


def test_pesq_is_given_or_says_what_is_missing(spoken, monkeypatch):
    monkeypatch.setitem(sys.modules, "pesq", None)
    with pytest.raises(ImportError, match="pip install pesq"):
        metrics.pesq(spoken, spoken, SR)
    opinions = type(sys)("pesq")
    opinions.PesqError = type("PesqError", (RuntimeError,), {})
    opinions.pesq = lambda rate, reference, degraded, band: (rate, band, len(reference), len(degraded))[2] / 1e5
    monkeypatch.setitem(sys.modules, "pesq", opinions)
    assert metrics.pesq(spoken, spoken, 2 * SR) == pytest.approx(len(spoken) / 2 / 1e5, rel=1e-3)
    for error in (opinions.PesqError(b"No utterances detected"), ValueError("cannot convert float NaN to integer")):
        opinions.pesq = unittest.mock.Mock(side_effect=error)
        with pytest.raises(ValueError, match=r"^PESQ cannot judge this: it needs a quarter of a second of speech, in"):
            metrics.pesq(spoken, 0 * spoken, SR)


def test_mel_cepstral_distortion_by_hand():
    y = noise()
    assert metrics.mel_cepstral_distortion(y, y, SR) == 0
    assert metrics.mel_cepstral_distortion(y, 0.5 * y, SR) == pytest.approx(0, abs=1e-3)        # a level is no outline
    other = preprocess.filter_signal(y, preprocess.butterworth(1, 1000, SR, "highpass"))
    db = 10 / np.log(10) * (features.log_mel(y, SR) - features.log_mel(other, SR))
    db -= db.mean(axis=0)                                       # less c0
    whole = metrics.mel_cepstral_distortion(y, other, SR, n_mfcc=63)
    assert whole == pytest.approx(np.sqrt((db**2).mean(axis=0)).mean(), rel=1e-4)
    assert metrics.mel_cepstral_distortion(y, other, SR) < whole
    c = scipy.fft.dct(features.log_mel(y, SR) - features.log_mel(other, SR), axis=0)[1:14] / 2 / 64
    kubichek = 10 / np.log(10) * np.sqrt(2 * (c**2).sum(axis=0)).mean()
    assert metrics.mel_cepstral_distortion(y, other, SR) == pytest.approx(kubichek, rel=1e-4)
    with pytest.raises(ValueError, match="n_mfcc=0: 1 or more"):
        metrics.mel_cepstral_distortion(y, other, SR, n_mfcc=0)


def test_alignment_forgives_another_pace(spoken):
    slow = preprocess.resample(*speech.say("The ship left the harbour.", "en-us+Annie", rate=140), SR)
    with pytest.raises(ValueError, match="cut the longer one"):
        metrics.mel_cepstral_distortion(spoken, slow, SR)
    n = min(len(spoken), len(slow))
    stiff = metrics.mel_cepstral_distortion(spoken[:n], slow[:n], SR)
    assert metrics.mel_cepstral_distortion(spoken, slow, SR, align=True) < 0.6 * stiff
    assert metrics.mel_cepstral_distortion(spoken, spoken, SR, align=True) == pytest.approx(0, abs=1e-6)


def test_f0_error_by_hand():
    half = metrics.f0_error(tone(200), tone(200 * 2 ** (50 / 1200)), SR)
    assert half["cents"] == pytest.approx(50, abs=2) and half["gross"] == half["voicing"] == 0
    octave = metrics.f0_error(tone(150), tone(300), SR)
    assert octave["gross"] > 0.95
    whispered = metrics.f0_error(tone(200), noise(), SR)
    assert whispered["voicing"] > 0.9
    nobody = metrics.f0_error(noise(), noise(seed=1), SR)
    assert nobody["voicing"] < 0.1
    partly = metrics.f0_error(tone(200), np.r_[tone(200)[: SR // 2], noise(SR // 2)], SR)
    assert partly["voicing"] == pytest.approx(0.5, abs=0.05) and partly["cents"] < 5


@pytest.mark.parametrize("measure", [metrics.stoi, metrics.mel_cepstral_distortion, metrics.f0_error])
def test_sounds_that_cannot_be_compared_are_refused(measure):
    with pytest.raises(ValueError, match="sounds of one length"):
        measure(noise(SR), noise(SR - 1), SR)
    with pytest.raises(ValueError, match="NaN"):
        measure(noise(SR), np.full(SR, np.nan, np.float32), SR)
    with pytest.raises(ValueError, match="one channel"):
        measure(np.zeros((2, SR), np.float32), np.zeros((2, SR), np.float32), SR)


def test_stoi_needs_a_while():
    with pytest.raises(ValueError, match="longer recording"):
        metrics.stoi(noise(2000), noise(2000), SR)
    with pytest.raises(ValueError, match="reference is silent"):
        metrics.stoi(np.zeros(SR, np.float32), noise(SR), SR)
    assert metrics.stoi(noise(SR), np.zeros(SR, np.float32), SR) < 0.01         # nothing gets through


# ---- the network ------------------------------------------------------------------------------------------


def small():
    torch.manual_seed(0)
    model = models.Vocoder(dim=16, blocks=2).eval()
    torch.nn.init.normal_(model.filters.weight, std=0.05)
    return model


def test_filling_changes_nothing():
    model = small()
    one, other = (torch.randn(1, 80, n, generator=torch.Generator().manual_seed(n)) - 4 for n in (30, 47))
    targets = [(torch.zeros(HOP * (n - 1)), torch.zeros(n)) for n in (30, 47)]
    with torch.inference_mode():
        alone, _ = model(model.batch([(one, targets[0])])[0])
        x, (signals, pitches) = model.batch([(one, targets[0]), (other, targets[1])])
        together, _ = model(x)
        x[0][0, ..., 30:] = 100.0                               # whatever stands there
        spoilt, _ = model(x)
    assert together.shape == signals.shape == (2, 46 * HOP) and pitches.shape == (2, 47)
    n = 29 * HOP
    assert torch.equal(together, spoilt)
    assert torch.allclose(alone[0], together[0, :n], atol=2e-3)                 # rounding adds up in the phase
    assert (together[0, n:] == 0).all() and together[0, n - HOP : n].abs().max() > 0
    assert np.allclose(model.sound(one[0].numpy(), n_iter=0), alone[0], atol=1e-6)


def test_what_would_be_too_loud_is_made_softer_as_a_whole(spoken, monkeypatch):
    model, _ = models.load(CHECKPOINT)
    soft, loud = vocode.picture(spoken), vocode.picture(spoken) + 2 * np.log(10)
    found = [model.sound(soft), model.sound(loud)]
    monkeypatch.setattr(vocoder, "PEAK", np.inf)
    as_made = [model.sound(soft), model.sound(loud)]
    peaks = [np.abs(y).max() for y in as_made]
    assert peaks[0] < 0.99 and peaks[1] > 1.5 and found[0].dtype == found[1].dtype == np.float32
    assert np.array_equal(found[0], as_made[0]) and np.abs(found[1]).max() <= 0.9901
    assert np.allclose(found[1], as_made[1] * 0.99 / peaks[1], atol=1e-6)


def test_analysis_and_synthesis_give_the_signal_back():
    model, y = small(), torch.from_numpy(noise(40 * HOP)).repeat(2, 1)
    X = model.spectra(y)
    assert X.shape == (2, 40 * HOP // vocoder.STEP + 1, 257)
    assert torch.allclose(model.overlap_add(X, torch.ones(2, X.shape[1], 1)), y, atol=1e-5)


def test_a_pulse_train_is_the_sum_of_its_harmonics():
    y = vocoder.pulse_train(torch.full((1, 41), 230.0))[0]
    K = int(SR / 2 / 230)
    turns = 230 / SR * torch.arange(1, len(y) + 1, dtype=torch.float64)
    wanted = sum((2 * torch.pi * k * turns).cos() for k in range(1, K + 1)) * (2 / K) ** 0.5
    assert torch.allclose(y.double(), wanted, atol=0.05)
    assert y.square().mean() == pytest.approx(1, abs=0.05)
    rising = vocoder.pulse_train(torch.linspace(100, 300, 161)[None])[0]
    peaks = torch.nonzero(rising > 3.6)[:, 0]                   # half of sqrt(2 K), and above the ripples between
    assert len(peaks[peaks.diff(prepend=torch.tensor([-99])) > 5]) == pytest.approx(200 * 2, abs=2)   # 2 s of 200 Hz


def test_minimum_phase_keeps_the_magnitude_and_answers_at_once():
    b, a = [1.0, 0.4], [1.0, -1.0, 0.6]                         # zeros and poles within the circle: minimum phase
    _, H = scipy.signal.freqz(b, a, worN=513, include_nyquist=True)
    found = vocoder.minimum_phase(torch.from_numpy(np.log(np.abs(H))))
    assert np.abs(found.numpy() - H).max() < 1e-3 * np.abs(H).max()


def test_the_loss_disregards_the_phase_and_asks_for_the_pitch():
    y = torch.from_numpy(noise(SR))[None]
    assert vocoder.spectral_loss(y, y) == 0
    assert vocoder.spectral_loss(-y, y) == pytest.approx(0, abs=1e-5)
    near, far = vocoder.spectral_loss(0.9 * y, y), vocoder.spectral_loss(0.5 * y, y)
    assert 0 < near < far
    f0 = torch.tensor([[0.0, 220.0, 110.0]])
    scores = torch.zeros(1, 3, len(vocoder.pitches()))
    scores[0, 1, 2 * vocoder.PER_OCTAVE] = scores[0, 2, vocoder.PER_OCTAVE] = 9.0       # 220 and 110 Hz
    right, wrong = (models.Vocoder.loss((y, s), (y, f0)) for s in (scores, scores.roll(12, dims=2)))
    scores[0, 0, 5] = 99.0                                      # where there is no voice nothing is asked
    assert right < wrong and right == models.Vocoder.loss((y, scores), (y, f0))


def test_a_pitch_between_two_choices_is_their_mean_by_weight():
    hill = -(12 * (vocoder.pitches() / 203.0).log2()).square() / 2 / 0.25**2
    assert vocoder.pitch_of(hill[None]).item() == pytest.approx(203, rel=1e-3)
    hill[100] = -0.5                                            # another hill, lower, far away
    assert vocoder.pitch_of(hill[None]).item() == pytest.approx(203, rel=1e-3)


def test_a_vocoder_is_small_and_learns(spoken):
    assert models.size(models.Vocoder()) <= 950_000
    f0 = vocoding.pitch(spoken, SR)[0]
    item = (torch.from_numpy(vocode.picture(spoken))[None], (torch.from_numpy(spoken), torch.from_numpy(f0)))
    torch.manual_seed(0)
    model = models.Vocoder(dim=32, blocks=2)
    history = training.fit(model, [item] * 8, loss=model.loss, epochs=40, batch_size=8, lr=5e-3, seed=0,
                           collate=model.batch, augment=vocoding.cropped, progress=False)
    assert history.rows[-1]["loss"] < 0.6 * history.rows[0]["loss"]


# ---- the recipe -------------------------------------------------------------------------------------------


def test_readings_are_by_the_voices_of_the_chapter_and_share_no_sentence():
    plan = vocoding.plan_readings()
    assert set(plan.group) == {"en-us" + (f"+{v}" if v else "") for v in speech.MODELS} and plan.path.is_unique
    texts = [set(part.text) for _, part in plan.groupby("split")]
    assert len(texts) == 3 and not set.intersection(*texts[:2]) and not texts[2] & (texts[0] | texts[1])
    assert plan.groupby("split").group.nunique().eq(8).all()


def test_a_crop_is_picture_sound_and_pitch_of_one_moment(spoken):
    f0 = torch.arange(1 + len(spoken) // HOP).float()
    item = (torch.from_numpy(vocode.picture(spoken))[None], (torch.from_numpy(spoken), f0))
    (pictures, lengths), (signals, pitches) = vocoding.cropped(
        *models.Vocoder.batch([item] * 6), torch.Generator().manual_seed(0))
    assert pictures.shape == (6, 1, 80, vocoding.FRAMES) and lengths.tolist() == [vocoding.FRAMES] * 6
    assert signals.shape == (6, HOP * (vocoding.FRAMES - 1)) and len(set(pitches[:, 0].tolist())) > 3
    for picture, signal, pitch in zip(pictures, signals, pitches, strict=True):
        inner = slice(3, -3)                                    # whose windows lie within the crop
        assert np.abs(vocode.picture(signal.numpy())[:, inner] - picture[0, :, inner].numpy()).max() < 0.02
        start = int(pitch[0])
        gain = signal.abs().max() / np.abs(spoken[start * HOP :][: len(signal)]).max()
        assert 10**-0.51 < gain < 1.01


def test_a_perfect_copy_has_perfect_figures(spoken):
    item = (torch.from_numpy(vocode.picture(spoken))[None], (torch.from_numpy(spoken), torch.zeros(1)))
    found = vocoding.measured(lambda picture: spoken, [item])
    assert found["stoi"] == pytest.approx(1) and found.pop("clips") == 1 and found.pop("stoi")
    assert set(found) == {"log_mel", "mcd", "f0_cents", "f0_gross", "voicing"} and not any(found.values())
    assert vocoding.measured(lambda picture: spoken / 2, [item])["log_mel"] == pytest.approx(0, abs=1e-6)
    assert vocoding.speed(lambda picture: spoken, [item]) > 100


@pytest.mark.slow
def test_a_recipe_makes_weights_and_a_card_that_says_what_they_are_worth(tmp_path, monkeypatch):
    (tmp_path / "exercises").mkdir()
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    few = functools.partial(vocoding.readings, 20)
    recipe = dataclasses.replace(vocoding.RECIPES[CHECKPOINT], corpora=(few,), test=few, epochs=2,
                                 arguments={"dim": 16, "blocks": 1}, fit={"lr": 1e-3, "batch_size": 8})
    card = vocoding.train("vocoder-istft-few", recipe, 1, False)
    assert card["class"] == "Vocoder" and card["steps"] == 4 and card["metrics"]["test"]["clips"] == 2
    assert card["metrics"]["griffin_lim"]["stoi"] > 0.9 and card["metrics"]["times_real_time"]["test"] > 0
    assert vocoding.evaluate("vocoder-istft-few", recipe, 1) == pytest.approx(card["metrics"]["test"])


def test_the_bounds_of_the_chapter_stand_on_the_card():
    found = models.load(CHECKPOINT)[1]["metrics"]
    assert found["test"]["stoi"] > found["griffin_lim"]["stoi"] and found["times_real_time"]["test"] >= 20
    assert found["pesq"]["test"] is None or found["pesq"]["test"] > found["pesq"]["griffin_lim"]


@pytest.mark.slow
def test_a_vocoder_copies_new_sentences_by_eight_voices_better_than_griffin_lim_in_the_mean():
    model, _ = models.load(CHECKPOINT)
    ours, theirs = [], []
    for variant, text in zip(speech.MODELS, speech.shared_prompts()["test"], strict=False):
        y = preprocess.resample(*speech.say(text, "en-us" + (f"+{variant}" if variant else "")), SR)
        y = y[: len(y) // HOP * HOP]
        for found, sound in ((ours, model.sound), (theirs, vocode.sound)):
            found.append(metrics.stoi(y, sound(vocode.picture(y)), SR))
    assert len(ours) == len(speech.MODELS) and np.mean(ours) > np.mean(theirs)
    assert recipes.find(CHECKPOINT).model is models.Vocoder
