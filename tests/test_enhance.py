"""Masks are bounds, filters converge, medians and factorisations agree with librosa and scikit-learn, microphones hear
where a sound comes from; what cannot be separated is refused in plain words."""

import functools

import librosa
import numpy as np
import pandas as pd
import pytest
import scipy.ndimage
import sklearn.decomposition

from audiolab import augment, enhance, features, metrics, preprocess, synth
from audiolab.corpora import events, music, physics, speech
from audiolab.enhance import arrays, gains, transcription

SR = 16000
MASKS = {"binary": enhance.binary_mask, "ratio": enhance.ratio_mask, "phase": enhance.phase_sensitive_mask}


@functools.cache
def voices():
    """A woman and a man at once, equally loud."""
    texts = (("The quiet engineer measured every room before the concert.", "en-us+f3"),
             ("Nobody had noticed that the lights were going out.", "en-gb-x-rp"))
    sounds = [preprocess.resample(*speech.say(text, voice, 150), SR) for text, voice in texts]
    n = min(map(len, sounds))
    return np.stack([(0.05 * y[:n] / np.std(y[:n])).astype(np.float32) for y in sounds])


@functools.cache
def noisy(snr=0.0):
    """A voice, half a second after the noise began; the noise; a scene's background as noise."""
    y = np.pad(voices()[0], (SR // 2, 0))
    rng = np.random.default_rng(0)
    street = events.background("street", physics.draw(events.BACKGROUNDS["street"].ranges, "test", rng), len(y), rng)
    mix = augment.mix_at_snr(y, street, snr)
    return y, mix - y, mix


@functools.cache
def struck():
    """A chord that stands and eight strokes of noise."""
    rng, t = np.random.default_rng(0), np.arange(3 * 22050) / 22050
    tones = sum(0.1 * np.sin(2 * np.pi * f * t) for f in (220, 277.2, 329.6)).astype(np.float32)
    strokes = np.zeros_like(tones)
    for start in range(4000, 60000, 7000):
        strokes[start : start + 900] += 0.4 * rng.standard_normal(900) * np.exp(-np.arange(900) / 100)
    return tones, strokes


@functools.cache
def chorale(ensemble="string quartet"):
    """Four voices and their notes."""
    clip = music.render_row({"piece": "bach/bwv269.mxl", "start": 0, "tempo": 80, "transpose": 0, "_seconds": 6,
                             "ensemble": ensemble, "_stems": True})
    return clip.y, pd.DataFrame(clip.sidecars["notes"])


def level(y):
    return 10 * np.log10(np.mean(np.square(y, dtype=np.float64)))


# ---------------------------------------------------------------------------------------- masks


def test_masks_by_hand():
    S = np.array([[[3, 0, 2j, 1]], [[1, 0, 2, -1]]], complex)           # louder, both silent, at right angles, opposed
    assert enhance.binary_mask(S)[:, 0].tolist() == [[1, 1, 1, 1], [0, 0, 0, 0]]
    assert enhance.ratio_mask(S)[:, 0].tolist() == [[0.75, 0.5, 0.5, 0.5], [0.25, 0.5, 0.5, 0.5]]
    np.testing.assert_allclose(enhance.ratio_mask(S, power=2)[:, 0, 0], [0.9, 0.1], rtol=1e-6)
    np.testing.assert_allclose(enhance.phase_sensitive_mask(S)[:, 0], [[0.75, 0, 0.5, 0], [0.25, 0, 0.5, 0]])


@pytest.mark.parametrize("n", [2, 3, 5])
def test_masks_share_everything_and_their_sounds_add_up(n):
    sources = np.random.default_rng(n).standard_normal((n, 4000)).astype(np.float32)
    sources[0, :1500] = sources[1, :1500] = 0
    S = features.stft(sources, n_fft=256)
    for mask in (enhance.binary_mask, enhance.ratio_mask):
        np.testing.assert_allclose(mask(S).sum(axis=0), 1, atol=1e-6)
        found = enhance.oracle(sources, mask, n_fft=256)
        assert found.shape == sources.shape and found.dtype == np.float32
        np.testing.assert_allclose(found.sum(axis=0), sources.sum(axis=0), atol=1e-5)
    assert enhance.phase_sensitive_mask(S).min() >= 0 and enhance.phase_sensitive_mask(S).max() <= 1


def test_ratio_masks_of_a_high_power_are_binary_and_nothing_overflows():
    S = features.stft(voices() * np.float32(1e4), n_fft=512)
    sharp = enhance.ratio_mask(S, power=200)
    assert np.isfinite(sharp).all() and np.mean(np.abs(sharp - enhance.binary_mask(S)) < 0.01) > 0.95


def test_a_mask_of_ones_gives_the_mixture_back():
    y = voices()[0]
    np.testing.assert_allclose(enhance.apply_masks(y, np.ones(features.stft(y, n_fft=512).shape)), y, atol=1e-6)


def test_the_phase_sensitive_gain_is_the_best_real_gain():
    rng = np.random.default_rng(0)
    S = rng.standard_normal((2, 1, 500)) + 1j * rng.standard_normal((2, 1, 500))
    X = S.sum(axis=0)
    gains = np.linspace(0, 1, 1001)[:, None, None]
    best = gains[np.argmin(np.abs(gains * X - S[0]), axis=0), 0, 0]
    np.testing.assert_allclose(enhance.phase_sensitive_mask(S)[0], best, atol=1e-3)


def test_masks_that_know_the_answer_separate_two_voices():
    gain = {name: metrics.si_sdr_improvement(voices(), enhance.oracle(voices(), mask), voices().sum(axis=0)).mean()
            for name, mask in MASKS.items()}
    assert gain["phase"] > gain["binary"] + 0.3 and gain["phase"] > gain["ratio"] + 0.3
    assert min(gain.values()) > 8


def test_a_mask_is_worth_more_with_windows_that_suit_a_voice():
    gains = [metrics.si_sdr_improvement(voices(), enhance.oracle(voices(), n_fft=n), voices().sum(axis=0)).mean()
             for n in (32, 512, 32768)]
    assert gains[1] > gains[0] + 1 and gains[1] > gains[2] + 1


NAN = np.full(4000, np.nan, np.float32)
NOISE = np.random.default_rng(0).standard_normal((4, 4000)).astype(np.float32) / 10


@pytest.mark.parametrize("sources, words", [
    (NOISE[:1], "Two sources or more"),
    (NOISE[0], "Two sources or more"),
    (NOISE[None], "Two sources or more"),                       # stereo among the sources
    ([], "Two sources or more"),
    ([NOISE[0], NOISE[1][:3999]], "3999 and 4000 samples long"),
    ([NOISE[0], np.zeros(4000, np.float32)], "Source 1 is silent"),
    ([NOISE[0], NOISE[1], NOISE[0]], "Source 2 is the same sound"),
    ([NOISE[0], NAN], "NaN"),
    (NOISE[:, :100], "shorter than one window"),
    ((1000 * NOISE).astype(np.int16), "whole numbers"),
])
def test_sources_that_cannot_be_told_apart(sources, words):
    with pytest.raises(ValueError, match=words):
        enhance.oracle(sources)


def test_masks_of_another_sound_are_refused():
    with pytest.raises(ValueError, match="has 32 frames of 257 bins, the masks have 31 of 257"):
        enhance.apply_masks(NOISE[0], np.ones((257, 31)))
    with pytest.raises(ValueError, match="one channel"):
        enhance.apply_masks(NOISE, np.ones((257, 32)))


# ---------------------------------------------------------------------------------------- Wiener


def test_the_wiener_filter_brings_a_voice_out_and_its_noise_down():
    y, noise, mix = noisy()
    for known in (noise, None):
        clean = enhance.wiener(mix, SR, known)
        assert clean.shape == y.shape and clean.dtype == np.float32
        assert metrics.si_sdr(y, clean) > metrics.si_sdr(y, mix) + 4
        assert level(mix[4000:7000]) - level(clean[4000:7000]) > 15     # before anybody speaks


def test_the_decision_directed_guess_does_not_ring():
    learnt, heard = (synth.noise("pink", 3, SR, np.random.default_rng(i)) for i in (0, 1))
    alone, steady = (enhance.wiener(heard, SR, learnt, smoothing=s) for s in (0, 0.98))
    subtracted = preprocess.spectral_subtraction(heard, SR, learnt, over=1, floor=0)
    assert level(heard) - level(steady) > 18 > 10 > level(heard) - level(alone)
    ringing = [metrics.musical_noise(heard, left, SR) for left in (steady, alone, subtracted)]
    assert ringing[0] < 0.5 and ringing[1] > 0.7 and ringing[2] > 0.5


def test_the_first_guess_by_its_formula():
    gamma = np.array([[4.0], [0.5]])
    found = gains._gains(gamma, 0.0, 0.1)
    np.testing.assert_allclose(found[:, 0], [3 / 4, 0.1 / 1.1])         # ξ = γ - 1, and not less than 0.1


@pytest.mark.parametrize("arguments, options, words", [
    ((NOISE[0][:1000], SR), {}, "64 ms"),
    ((NOISE[0], SR, NOISE[1][:100]), {}, "64 ms"),
    ((NOISE[:2], 48000), {}, "one channel"),
    ((NAN, SR), {}, "NaN"),
    ((NOISE[0], SR, NAN), {}, "NaN"),
    ((NOISE[0], SR, np.zeros(4000, np.float32)), {}, "noise is silent"),
    ((np.zeros(4000, np.float32), SR), {}, "noise is silent"),
    ((NOISE[0], SR), {"smoothing": 1.0}, "below 1"),
])
def test_wiener_refuses(arguments, options, words):
    with pytest.raises(ValueError, match=words):
        enhance.wiener(*arguments, **options)


# ---------------------------------------------------------------------------------------- adaptive filters


def path(taps=64, seed=0):
    """How noise gets from one microphone to the other."""
    return np.random.default_rng(seed).standard_normal(taps) * np.exp(-np.arange(taps) / 10)


@pytest.mark.parametrize("cancel, options", [
    (enhance.lms, {"step": 0.05}), (enhance.nlms, {"step": 0.7}), (enhance.nlms, {})])
def test_each_step_follows_the_formula(cancel, options):
    rng = np.random.default_rng(0)
    x, taps = rng.standard_normal(300), 7
    y = np.convolve(x, path(5))[:300] + 0.1 * rng.standard_normal(300)
    e, w = cancel(y, x, taps=taps, **options)
    wanted, filter_, step = np.zeros(300), np.zeros(taps), options.get("step", 0.01)
    for n in range(300):
        x_n = np.array([x[n - k] if n >= k else 0 for k in range(taps)])
        wanted[n] = y[n] - filter_ @ x_n
        scale = x_n @ x_n + 1e-6 * taps * np.mean(x**2) if cancel is enhance.nlms else 1
        filter_ = filter_ + step * wanted[n] * x_n / scale
    np.testing.assert_allclose(e, wanted, atol=1e-6)
    np.testing.assert_allclose(w, filter_, atol=1e-12)


def test_nlms_finds_the_path_and_takes_the_noise_away():
    x = synth.noise("white", 4, SR, np.random.default_rng(0))
    y = np.convolve(x, path())[: len(x)]
    e, w = enhance.nlms(y, x, taps=80, step=0.5)
    np.testing.assert_allclose(w, np.pad(path(), (0, 16)), atol=1e-6)
    assert level(y[-SR:]) - level(e[-SR:]) > 100


@pytest.mark.parametrize("color, seconds, step", [("white", 10, 0.01), ("pink", 30, 0.003)])
def test_nlms_takes_20_db_of_noise_from_under_a_voice(color, seconds, step):
    voice = np.resize(voices()[1], seconds * SR)
    x = synth.noise(color, seconds, SR, np.random.default_rng(0))
    noise = np.convolve(x, path())[: len(x)]
    noise *= np.std(voice) / np.std(noise)                      # 0 dB
    mix, end = (voice + noise).astype(np.float32), slice(-3 * SR, None)
    left = enhance.nlms(mix, x, step=step)[0] - voice
    assert level(noise[end]) - level(left[end]) > 20
    hasty = enhance.nlms(mix, x, step=0.5)[0] - voice           # it follows the voice
    assert level(hasty[end]) > level(left[end]) + 10


def test_loudness_of_the_reference_does_not_matter_to_nlms_alone():
    x = synth.noise("white", 1, SR, np.random.default_rng(0))
    y = np.convolve(x, path())[: len(x)].astype(np.float32)
    quiet, loud = (enhance.nlms(y, g * x, taps=64)[0] for g in (np.float32(0.1), np.float32(10)))
    np.testing.assert_allclose(quiet, loud, atol=1e-5)
    slow, quick = (enhance.lms(y, g * x, taps=64, step=0.01)[0] for g in (np.float32(0.1), np.float32(1)))
    assert level(slow[-2000:]) > level(quick[-2000:]) + 1
    with pytest.raises(ValueError, match=r"diverged.*Below 0\.03"):
        enhance.lms(y, 10 * x, taps=64, step=0.2)


def test_pauses_in_the_reference_do_no_harm():
    x = synth.noise("white", 2, SR, np.random.default_rng(0))
    x[8000:20000] = 0
    voice = 0.05 * np.sin(np.arange(len(x)) / 9)
    y = np.convolve(x, path())[: len(x)] + voice
    e, w = enhance.nlms(y, x, taps=64, step=0.05)
    assert np.isfinite(w).all() and np.abs(e[8200:19000] - voice[8200:19000]).max() < 1e-6


def test_clipping_limits_what_can_be_cancelled():
    x = synth.noise("white", 3, SR, np.random.default_rng(0))
    y = np.convolve(x, path())[: len(x)]
    gains = [level(z[-SR:]) - level(enhance.nlms(z, x, taps=64, step=0.1)[0][-SR:])
             for z in (y, np.clip(y, -np.std(y), np.std(y)))]
    assert gains[0] > 60 and 3 < gains[1] < 25                  # no filter makes what an overdriven input adds


@pytest.mark.parametrize("cancel", [enhance.lms, enhance.nlms])
@pytest.mark.parametrize("arguments, options, words", [
    ((NOISE[0], NOISE[1][:3999]), {}, "equally long"),
    ((NOISE[:2], NOISE[:2]), {}, "one channel"),
    ((NAN, NOISE[0]), {}, "NaN"),
    ((np.zeros(4000, np.float32), NOISE[0]), {}, "silent"),
    ((NOISE[0], np.zeros(4000, np.float32)), {}, "silent"),
    ((NOISE[0][:50], NOISE[1][:50]), {}, "128 taps do not fit 50 samples"),
    ((NOISE[0], NOISE[1]), {"taps": 0}, "0 taps"),
    ((NOISE[0], NOISE[1]), {"step": 0}, "step"),
    ((NOISE[0], NOISE[1]), {"step": -0.1}, "step"),
])
def test_adaptive_filters_refuse(cancel, arguments, options, words):
    with pytest.raises(ValueError, match=words):
        cancel(*arguments, **options)


def test_a_step_of_two_is_refused():
    with pytest.raises(ValueError, match="between 0 and 2"):
        enhance.nlms(NOISE[0], NOISE[1], step=2)


# ---------------------------------------------------------------------------------------- harmonic, percussive


@pytest.mark.parametrize("shape, length", [((40, 60), 31), ((33, 17), 5), ((9, 12), 7), ((6, 6), 1)])
@pytest.mark.parametrize("axis", [0, 1])
def test_medians_agree_with_scipy(shape, length, axis):
    S = np.random.default_rng(0).random(shape).astype(np.float32)
    size = (length, 1) if axis == 0 else (1, length)
    np.testing.assert_array_equal(enhance.median_filter(S, length, axis),
                                  scipy.ndimage.median_filter(S, size=size, mode="reflect"))


@pytest.mark.parametrize("power", [1.0, 2.0])
@pytest.mark.parametrize("margin", [1.0, 2.5])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_masks_agree_with_librosa(power, margin, kind):
    S = np.abs(features.stft(sum(struck()), n_fft=1024)).astype(kind)
    S[:, 20:60] = 0                                             # longer than a median: silence on both sides
    ours = enhance.harmonic_percussive(S, 31, power, margin)
    theirs = librosa.decompose.hpss(S, kernel_size=31, power=power, margin=margin, mask=True)
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == kind
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_what_stands_and_what_strikes_come_apart():
    tones, strokes = struck()
    stands, strikes = enhance.hpss(tones + strokes)
    np.testing.assert_allclose(stands + strikes, tones + strokes, atol=1e-5)
    assert metrics.si_sdr_improvement(tones, stands, tones + strokes) > 10
    assert metrics.si_sdr_improvement(strokes, strikes, tones + strokes) > 10


def test_a_margin_leaves_what_is_neither():
    y = synth.noise("white", 1, 22050, np.random.default_rng(0))
    stands, strikes = enhance.hpss(y, margin=3)
    assert level(y) - level(stands + strikes) > 6


def test_silence_stays_silent():
    for y in enhance.hpss(np.zeros(3000, np.float32)):
        assert not y.any()


@pytest.mark.parametrize("y, options, words", [
    (NOISE, {}, "one channel"), (NAN, {}, "NaN"), (NOISE[0], {"length": 30}, "odd"),
    (NOISE[0], {"margin": 0.5}, "margin"), (NOISE[0], {"power": 0}, "power"),
    ((1000 * NOISE[0]).astype(np.int16), {}, "whole numbers"),
])
def test_hpss_refuses(y, options, words):
    with pytest.raises(ValueError, match=words):
        enhance.hpss(y, **options)


# ---------------------------------------------------------------------------------------- NMF

NAMES = {"kl": "kullback-leibler", "euclidean": "frobenius"}


@pytest.mark.parametrize("loss", NAMES)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_nmf_reaches_what_scikit_learn_reaches(loss, kind):
    V = np.abs(features.stft(sum(struck()), n_fft=1024)).astype(kind)
    V[:, 10:14] = V[100:110] = 0
    W, H = enhance.nmf_start(V, 6, np.random.default_rng(0))
    ours = enhance.nmf(V, W, H, 100, loss)
    assert ours[0].dtype == ours[1].dtype == kind
    model = sklearn.decomposition.NMF(6, solver="mu", init="custom", beta_loss=NAMES[loss], max_iter=100, tol=0)
    theirs = model.fit_transform(V, W=W.copy(), H=H.copy()), model.components_
    ratio = enhance.divergence(V, ours[0] @ ours[1], loss) / enhance.divergence(V, theirs[0] @ theirs[1], loss)
    assert 0.99 < ratio < 1.01


@pytest.mark.parametrize("loss", NAMES)
def test_no_step_makes_it_worse(loss):
    V = np.random.default_rng(0).random((20, 30)) ** 3
    W, H = enhance.nmf_start(V, 4, np.random.default_rng(1))
    course = [enhance.divergence(V, W @ H, loss)]
    for _ in range(50):
        W, H = enhance.nmf(V, W, H, 1, loss)
        course.append(enhance.divergence(V, W @ H, loss))
    assert (np.diff(course) <= 1e-9 * course[0]).all() and course[-1] < 0.7 * course[0]


def test_divergences_by_hand():
    V, WH = np.array([[1.0, 0.0]]), np.array([[2.0, 3.0]])
    assert enhance.divergence(V, WH, "euclidean") == pytest.approx((1 + 9) / 2)
    assert enhance.divergence(V, WH) == pytest.approx(np.log(1 / 2) - 1 + 2 + 3)
    assert enhance.divergence(V, V) == 0 and enhance.divergence(WH, V) == np.inf


@pytest.mark.parametrize("loss", NAMES)
def test_what_is_made_of_two_sounds_is_found_to_be(loss):
    W, H = np.zeros((12, 2)), np.zeros((2, 40))
    W[[1, 3], 0] = W[[6, 9], 1] = 1, 0.5
    H[0, 5:20], H[1, 15:35] = 2, 3
    found, when = enhance.nmf(W @ H, *enhance.nmf_start(W @ H, 2, np.random.default_rng(0)), 2000, loss)
    np.testing.assert_allclose(found @ when, W @ H, atol=1e-3)
    order = np.argsort(found[1])[::-1]                          # the first sound first
    np.testing.assert_allclose((found / found.max(axis=0))[:, order], W, atol=1e-3)


@pytest.mark.parametrize("loss", NAMES)
def test_zeros_stay_and_templates_may(loss):
    rng = np.random.default_rng(0)
    V, W, H = rng.random((10, 12)), rng.random((10, 3)), rng.random((3, 12))
    W[:5, 0] = H[1, 4:] = H[2] = 0
    before = V.copy(), W.copy(), H.copy()
    found, when = enhance.nmf(V, W, H, 30, loss)
    assert not found[:5, 0].any() and not when[1, 4:].any() and not when[2].any()
    assert np.isfinite(found).all() and np.isfinite(when).all()
    np.testing.assert_array_equal(enhance.nmf(V, W, H, 30, loss, learn_templates=False)[0], W)
    assert all(np.array_equal(a, b) for a, b in zip(before, (V, W, H), strict=True))


@pytest.mark.parametrize("V, W, H, loss, words", [
    (-np.ones((3, 4)), np.ones((3, 2)), np.ones((2, 4)), "kl", "not negative"),
    (np.full((3, 4), np.nan), np.ones((3, 2)), np.ones((2, 4)), "kl", "finite"),
    (np.ones((3, 4)), np.ones((3, 2)), np.full((2, 4), np.inf), "kl", "finite"),
    (np.ones((3, 4)), np.ones((3, 2)), np.ones((3, 4)), "kl", "not of V's shape"),
    (np.ones((3, 4)), np.ones((4, 2)), np.ones((2, 4)), "kl", "not of V's shape"),
    (np.zeros((3, 4)), np.ones((3, 2)), np.ones((2, 4)), "kl", "silent"),
    (np.ones(3), np.ones((3, 2)), np.ones((2, 4)), "kl", "matrix"),
    (np.ones((3, 4)), np.ones((3, 2)), np.ones((2, 4)), "itakura", "none of kl, euclidean"),
])
def test_nmf_refuses(V, W, H, loss, words):
    with pytest.raises(ValueError, match=words):
        enhance.nmf(V, W, H, loss=loss)
    with pytest.raises(ValueError, match="At least one"):
        enhance.nmf_start(np.ones((3, 4)), 0, np.random.default_rng(0))


# ---------------------------------------------------------------------------------------- voices and notes


def test_a_score_takes_the_voices_of_a_chorale_apart():
    stems, notes = chorale()
    mix = stems.sum(axis=0)
    found = enhance.score_informed(mix, music.SR, notes)
    np.testing.assert_allclose(found.sum(axis=0), mix, atol=1e-5)
    gain = metrics.si_sdr_improvement(stems, found, mix)
    bound = metrics.si_sdr_improvement(stems, enhance.oracle(stems, n_fft=4096), mix)
    assert gain.min() > 8 and (gain < bound + 0.5).all() and gain.mean() > 0.6 * bound.mean()
    wrong = notes.assign(part=3 - notes.part)                   # the score upside down gives the voices upside down
    np.testing.assert_allclose(enhance.score_informed(mix, music.SR, wrong)[::-1], found, atol=1e-3)


@pytest.mark.parametrize("y, notes, words", [
    (np.zeros(22050, np.float32), None, "silent"),
    (np.full(22050, np.nan, np.float32), None, "NaN"),
    (np.ones((2, 22050), np.float32), None, "one channel"),
    (np.ones(500, np.float32), None, "shorter than one window"),
    (np.ones(22050, np.float32), slice(0), "fewer than two parts"),
])
def test_a_score_needs_a_sound_and_voices(y, notes, words):
    table = chorale()[1]
    with pytest.raises(ValueError, match=words):
        enhance.score_informed(y, music.SR, table if notes is None else table[notes])


def test_each_template_has_its_own_pitch():
    W = enhance.note_templates()
    assert W.shape == (930, 3 * len(transcription.PITCHES)) and (W >= 0).all()
    np.testing.assert_allclose(W.sum(axis=0), 1, atol=1e-5)
    for pitch in (48, 60, 72, 84):
        template = W[:, 3 * (pitch - 29) + 1]
        f0 = 440 * 2 ** ((pitch - 69) / 12)
        partial = np.argmax(template) * music.SR / 4096 / f0
        assert abs(partial - round(partial)) < 0.05 and 1 <= round(partial) <= 3
    with pytest.raises(ValueError, match="wrong pitch"):
        enhance.note_templates(program=16)


def test_curves_become_notes():
    A = np.zeros((len(transcription.PITCHES), 100))
    A[31, 10:40] = np.exp(-np.arange(30) / 10)                  # C4, struck once, fading
    A[31, 40:70] = np.exp(-np.arange(30) / 10)                  # and again
    A[35, :20] = 1                                              # E4, from the beginning
    A[40, 50:60] = 0.05                                         # too soft
    found = enhance.notes(A)
    assert found.pitch.tolist() == [64, 60, 60]
    frame = transcription.HOP / transcription.SR
    np.testing.assert_allclose(found.onset, np.array([0, 10, 40]) * frame, atol=1.01 * frame)
    assert abs(found.offset[0] - 20 * frame) < 1.01 * frame and found.offset[1] == found.onset[2]


@pytest.mark.parametrize("piece", ["bach/bwv269.mxl", "bach/bwv26.6.mxl"])
def test_a_piano_is_transcribed(piece):
    clip = music.render_row({"piece": piece, "start": 0, "tempo": 80, "transpose": 0, "_seconds": 10,
                             "ensemble": "piano"})
    struck = pd.DataFrame(clip.sidecars["notes"]).drop_duplicates(["onset", "pitch"])       # one key, one note
    found = enhance.transcribe(clip.y, clip.sr)
    assert metrics.note_f1(struck, found)["f1"] > 0.93
    at_48 = preprocess.resample(clip.y, clip.sr, 48000)
    assert metrics.note_f1(found, enhance.transcribe(at_48, 48000))["f1"] > 0.95


@pytest.mark.parametrize("y, words", [
    (np.zeros(22050, np.float32), "silent"), (np.full(22050, np.nan, np.float32), "NaN"),
    (np.ones((2, 22050), np.float32), "one channel"), (np.ones(1000, np.float32), "too short"),
])
def test_transcribe_refuses(y, words):
    with pytest.raises(ValueError, match=words):
        enhance.transcribe(y, 22050)


# ---------------------------------------------------------------------------------------- microphones

PAIR = np.array([[-0.05, 0, 0], [0.05, 0, 0]])
FOUR = np.array([[-0.075, 0, 0], [-0.025, 0, 0], [0.025, 0, 0], [0.075, 0, 0]])


@pytest.mark.parametrize("delay", [0, 1, 7.25, 0.5, 300.75])
def test_a_sine_is_delayed_by_any_time(delay):
    n = np.arange(4000)
    y = np.sin(2 * np.pi * 0.05 * n) * np.hanning(4000)
    want = np.sin(2 * np.pi * 0.05 * (n - delay)) * np.interp(n - delay, n, np.hanning(4000), left=0)
    np.testing.assert_allclose(enhance.fractional(y, delay), want, atol=1e-5)


def test_nothing_comes_round_from_the_end():
    y = np.zeros(1000)
    y[-1] = 1
    assert np.abs(enhance.fractional(y, 20.0)).max() < 1e-12
    assert enhance.fractional(np.ones((2, 10), np.float32), 2).dtype == np.float32


def test_delays_are_distances():
    np.testing.assert_allclose(enhance.delays(PAIR, 0), [0.05 / 343, -0.05 / 343])          # the second hears it first
    np.testing.assert_allclose(enhance.delays(PAIR, 90), 0, atol=1e-18)
    np.testing.assert_allclose(enhance.delays(PAIR + np.array([3, 2, 1]), 60), enhance.delays(PAIR, 60))
    far = np.array([1000 * np.cos(0.7), 1000 * np.sin(0.7), 0])
    d = np.linalg.norm(far - FOUR, axis=1) / 343
    np.testing.assert_allclose(enhance.delays(FOUR, np.degrees(0.7)), d - d.mean(), atol=1e-7)


def test_the_open_delays_and_weakens():
    y = np.zeros(2000, np.float32)
    y[100] = 1
    heard = enhance.array_recording(y, [0, 3.43, 0], [[0, 0, 0], [0, 1.715, 0]], SR)
    assert np.argmax(heard, axis=1).tolist() == [260, 180]
    np.testing.assert_allclose(heard.max(axis=1), [1 / 3.43, 1 / 1.715], rtol=1e-5)
    room = enhance.array_recording(y, [1, 1, 1], [[2, 1, 1], [2, 1.2, 1]], SR, (4, 3, 2.5), 0.2)
    assert np.argmax(np.abs(room[0])) == 100 + round(SR / 343) and np.std(room[0, 400:]) > 1e-4


@functools.cache
def at_table(microphones="pair"):
    """Two talkers as an array hears them: one straight ahead after a second, one at 25 degrees, and hiss."""
    places = {"pair": PAIR, "four": FOUR}[microphones]
    wanted, other = (np.pad(y, (SR, 0)) for y in (voices()[0], voices()[1]))
    other = np.concatenate([voices()[1][-SR:], voices()[1]])
    there, beside = ([1.5 * np.cos(np.radians(a)), 1.5 * np.sin(np.radians(a)), 0] for a in (90, 25))
    wanted, other = (enhance.array_recording(y, at, places, SR) for y, at in ((wanted, there), (other, beside)))
    hiss = 1e-3 * np.random.default_rng(0).standard_normal(wanted.shape)
    return places, wanted, (other + hiss).astype(np.float32)


@pytest.mark.parametrize("microphones, least", [("pair", 12), ("four", 15)])
def test_mvdr_is_deaf_to_the_other_talker(microphones, least):
    places, wanted, rest = at_table(microphones)
    heard = wanted + rest
    summed = enhance.beamform(heard, enhance.delay_and_sum(places, 90, SR))
    adapted = enhance.beamform(heard, enhance.mvdr(places, 90, SR, enhance.covariance(heard[:, :SR])))
    reference = wanted[0, SR:]
    before = metrics.si_sdr(reference, heard[0, SR:])
    assert metrics.si_sdr(reference, summed[SR:]) > before + 0.3
    assert metrics.si_sdr(reference, adapted[SR:]) > before + least


def test_hiss_of_each_microphone_averages_out():
    wanted = enhance.array_recording(voices()[0], [0, 1.5, 0], FOUR, SR)
    hiss = 0.05 * np.random.default_rng(0).standard_normal(wanted.shape).astype(np.float32)
    weights = enhance.delay_and_sum(FOUR, 90, SR)
    assert level(hiss[0]) - level(enhance.beamform(hiss, weights)) == pytest.approx(10 * np.log10(4), abs=0.3)
    np.testing.assert_allclose(enhance.beamform(wanted, weights), wanted.mean(axis=0), atol=1e-5)


@pytest.mark.parametrize("azimuth", [90, 40, -120])
def test_the_direction_it_points_in_passes_unchanged(azimuth):
    noise = enhance.covariance(at_table("four")[2])
    for weights in (enhance.delay_and_sum(FOUR, azimuth, SR), enhance.mvdr(FOUR, azimuth, SR, noise)):
        passed = np.sum(weights.conj() * arrays.steering(FOUR, azimuth, SR), axis=1)
        np.testing.assert_allclose(passed, 1, atol=1e-9)
        angles, gain = enhance.beam_pattern(weights, FOUR, SR, 2000, [azimuth])
        assert gain == pytest.approx([0], abs=1e-6) and list(angles) == [azimuth]


def test_mvdr_of_equal_noise_is_delay_and_sum_and_no_weights_let_less_noise_in():
    even = np.tile(np.eye(4, dtype=complex), (513, 1, 1))
    np.testing.assert_allclose(enhance.mvdr(FOUR, 70, SR, even), enhance.delay_and_sum(FOUR, 70, SR), atol=1e-12)
    noise = enhance.covariance(at_table("four")[2])
    power = {name: np.einsum("fm,fmn,fn->f", w.conj(), noise, w).real for name, w in (
        ("mvdr", enhance.mvdr(FOUR, 70, SR, noise)), ("sum", enhance.delay_and_sum(FOUR, 70, SR)))}
    assert (power["mvdr"] <= power["sum"] * 1.001).all() and power["mvdr"].sum() < 0.1 * power["sum"].sum()


def test_the_beam_has_its_null_where_the_talker_is():
    weights = enhance.mvdr(PAIR, 90, SR, enhance.covariance(at_table()[2]))
    angles, gain = enhance.beam_pattern(weights, PAIR, SR, 1000)
    assert len(angles) == 361 and abs(angles[180 + np.argmin(gain[180:271])] - 25) < 6 and gain.min() < -15
    np.testing.assert_allclose(gain, enhance.beam_pattern(weights, PAIR, SR, 1000, -angles)[1], atol=1e-6)  # a mirror


def test_covariance_of_one_source_has_rank_one():
    y = enhance.array_recording(voices()[0], [0.5, 2, 0], PAIR, SR)
    values = np.linalg.eigvalsh(enhance.covariance(y)[10:200])
    assert np.median(values[:, 0] / values[:, 1]) < 1e-2
    even = np.linalg.eigvalsh(enhance.covariance(NOISE))
    assert np.median(even[:, -1] / even[:, 0]) < 20


@pytest.mark.parametrize("call, words", [
    (lambda: enhance.covariance(np.zeros((2, 9000), np.float32)), "silent"),
    (lambda: enhance.covariance(NOISE[0]), "several microphones"),
    (lambda: enhance.covariance(NOISE[:, :500]), "too few"),
    (lambda: enhance.covariance(np.stack([NAN, NAN])), "NaN"),
    (lambda: enhance.beamform(NOISE, enhance.delay_and_sum(PAIR, 0, SR)), "2 microphones, the recording has 4"),
    (lambda: enhance.beamform(NOISE[0], enhance.delay_and_sum(PAIR, 0, SR)), "several microphones"),
    (lambda: enhance.mvdr(FOUR, 0, SR, enhance.covariance(np.random.default_rng(0).random((2, 9000)))), "513, 4, 4"),
    (lambda: enhance.delays(PAIR[:1], 0), "Two microphones"),
    (lambda: enhance.delays([1, 2, 3], 0), "Two microphones"),
    (lambda: enhance.fractional(NOISE[0], -1), "0 samples or more"),
    (lambda: enhance.fractional(NAN, 1), "NaN"),
    (lambda: enhance.array_recording(NOISE[0], [0.05, 0, 0], PAIR, SR), "stands in the source"),
    (lambda: enhance.array_recording(NOISE[0], [1, 1, 1], PAIR, SR, (4, 3, 2)), "not inside"),
    (lambda: enhance.beam_pattern(enhance.delay_and_sum(PAIR, 0, SR), PAIR, SR, 9000), "Between 0 and 8000 Hz"),
])
def test_arrays_refuse(call, words):
    with pytest.raises(ValueError, match=words):
        call()


# ---------------------------------------------------------------------------------------- all


@pytest.mark.parametrize("separate", [
    lambda y: enhance.oracle(np.stack([y, y[::-1]])), lambda y: enhance.wiener(y, SR),
    lambda y: enhance.nlms(y, y[::-1].copy())[0], lambda y: enhance.hpss(y)[0],
    lambda y: enhance.fractional(y, 3.5),
    lambda y: enhance.beamform(np.stack([y, y]), enhance.delay_and_sum(PAIR, 90, SR)),
], ids=["oracle", "wiener", "nlms", "hpss", "fractional", "beamform"])
def test_nothing_is_changed_and_clipped_sound_stays_finite(separate):
    y = np.clip(20 * NOISE[0], -1, 1)
    before = y.copy()
    found = separate(y)
    assert np.isfinite(found).all() and found.any() and found.dtype == np.float32
    np.testing.assert_array_equal(y, before)


def test_every_name_is_a_function_and_not_its_module():
    assert len(enhance.__all__) > 25
    assert all(callable(getattr(enhance, name)) for name in enhance.__all__)


def test_a_score_that_does_not_fit_is_refused():
    y, notes = np.random.default_rng(0).standard_normal(22050).astype(np.float32), pd.DataFrame(
        {"onset": [0.0, 0.1], "offset": [0.5, 0.6], "pitch": [60, 64], "part": [0, 1]})
    with pytest.raises(ValueError, match="lacks part"):
        enhance.score_informed(y, 22050, notes.drop(columns="part"))
    with pytest.raises(ValueError, match="no onset"):
        enhance.score_informed(y, 22050, notes.assign(onset=[0.0, np.nan]))
    with pytest.raises(ValueError, match=r"lies within the 1\.0 s"):
        enhance.score_informed(y, 22050, notes.assign(onset=500.0, offset=501.0))
