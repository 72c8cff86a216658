"""Measures agree with scikit-learn, SciPy, formulas and printed examples; intervals hold what they promise; what cannot
be measured is refused."""

import functools
import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import sklearn.metrics
import torch

from audiolab import metrics

CLASSES = ["bell", "bird", "dog", "rain"]


def answers(n=200, seed=0, classes=CLASSES):
    """Truth, and answers of which about two in three are right."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(classes, n)
    return truth, np.where(rng.random(n) < 0.6, truth, rng.choice(classes, n))


# ---------------------------------------------------------------------------------------- names


def test_a_confusion_matrix_by_hand():
    truth, predicted = ["a", "a", "a", "b", "c"], ["a", "b", "a", "b", "a"]
    assert metrics.confusion_matrix(truth, predicted, ["a", "b", "c"]).tolist() == [[2, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert metrics.confusion_matrix(truth, predicted, ["c", "b", "a"]).tolist() == [[0, 0, 1], [0, 1, 0], [0, 1, 2]]
    assert metrics.accuracy(truth, predicted) == 3 / 5
    f1 = [2 * 2 / (3 + 3), 2 * 1 / (1 + 2), 0]                  # 2 · right / (in truth + predicted)
    assert metrics.macro_f1(truth, predicted) == pytest.approx(np.mean(f1))


@pytest.mark.parametrize("seed", range(3))
def test_they_agree_with_scikit_learn(seed):
    truth, predicted = answers(seed=seed)
    matrix = metrics.confusion_matrix(truth, predicted, CLASSES)
    np.testing.assert_array_equal(matrix, sklearn.metrics.confusion_matrix(truth, predicted, labels=CLASSES))
    assert metrics.accuracy(truth, predicted) == pytest.approx(np.trace(matrix) / matrix.sum())
    assert metrics.accuracy(truth, predicted) == sklearn.metrics.accuracy_score(truth, predicted)
    f1 = 2 * np.diag(matrix) / (matrix.sum(axis=0) + matrix.sum(axis=1))
    assert metrics.macro_f1(truth, predicted) == pytest.approx(f1.mean())
    assert metrics.macro_f1(truth, predicted) == sklearn.metrics.f1_score(truth, predicted, average="macro")


def test_a_class_that_the_truth_lacks_is_not_averaged_and_one_never_predicted_is_nothing():
    assert metrics.macro_f1(["a", "a"], ["a", "z"]) == pytest.approx(2 / 3)             # and not its half, with z
    assert metrics.macro_f1(["a"] * 9 + ["b"], ["a"] * 10) == pytest.approx((18 / 19) / 2)


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, lambda a: np.array(a, object)])
def test_names_come_in_any_container(kind):
    truth, predicted = (kind(a.tolist()) for a in answers())
    assert metrics.accuracy(truth, predicted) == metrics.accuracy(*answers())
    assert metrics.macro_f1(truth, predicted) == metrics.macro_f1(*answers())
    assert metrics.confusion_matrix(truth, predicted, CLASSES).sum() == 200


def test_tensors_of_numbers_are_measured_too():
    truth, predicted = torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 1, 2])
    assert metrics.accuracy(truth, predicted) == 0.75 and metrics.mean_absolute_error(truth, predicted) == 0.25
    assert metrics.confusion_matrix(truth, predicted, [0, 1, 2]).tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]


# ---------------------------------------------------------------------------------------- numbers


def test_errors_of_numbers():
    assert metrics.mean_absolute_error(np.uint8([1, 5]), np.uint8([3, 4])) == 1.5       # no wrapping around 256
    truth, estimate = np.random.default_rng(0).normal(size=(2, 50))
    assert metrics.mean_absolute_error([0, 1, 5], [1, 1, 2]) == pytest.approx(4 / 3)
    assert metrics.mean_squared_error([0, 1, 5], [1, 1, 2]) == pytest.approx(10 / 3)
    assert metrics.mean_absolute_error(truth, estimate) == pytest.approx(
        sklearn.metrics.mean_absolute_error(truth, estimate))
    assert metrics.mean_squared_error(truth, estimate) == pytest.approx(
        sklearn.metrics.mean_squared_error(truth, estimate))


# ---------------------------------------------------------------------------------------- Wilson


@pytest.mark.parametrize("right, n, low, high", [               # Newcombe, Statistics in Medicine 17, 1998, table I
    (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718),
])
def test_wilson_as_printed(right, n, low, high):
    assert metrics.wilson(right, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("right, n, level", [(298, 300, 0.95), (300, 300, 0.95), (0, 1, 0.9), (7, 11, 0.5)])
def test_wilson_by_its_formula(right, n, level):
    p, z = right / n, scipy.stats.norm.ppf((1 + level) / 2)
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = metrics.wilson(right, n, level)
    assert (low, high) == pytest.approx((max(0, middle - half), min(1, middle + half)), abs=1e-12)
    assert 0 <= low <= p <= high <= 1


def test_298_of_300_is_not_surely_99_percent():
    assert metrics.wilson(298, 300) == pytest.approx((0.9760, 0.9982), abs=1e-4)


def test_wilson_holds_the_true_share_as_often_as_it_says():
    n = 50
    for share in (0.5, 0.8, 0.95):
        bounds = np.array([metrics.wilson(right, n) for right in range(n + 1)])
        chance = scipy.stats.binom.pmf(np.arange(n + 1), n, share)
        covered = chance[(bounds[:, 0] <= share) & (share <= bounds[:, 1])].sum()       # exactly, without drawing
        assert 0.92 < covered < 0.98


# ---------------------------------------------------------------------------------------- bootstrap


def test_bootstrap_follows_its_seed_and_its_level():
    truth, predicted = answers()
    first = metrics.bootstrap(metrics.macro_f1, truth, predicted, draws=100)
    assert first == metrics.bootstrap(metrics.macro_f1, truth, predicted, draws=100)
    assert first != metrics.bootstrap(metrics.macro_f1, truth, predicted, draws=100, seed=1)
    low, high = metrics.bootstrap(metrics.macro_f1, truth, predicted, draws=100, level=0.5)
    assert first[0] < low < metrics.macro_f1(truth, predicted) < high < first[1]


def test_bootstrap_agrees_with_scipy_and_with_the_binomial():
    right = np.arange(400) < 300
    mine = metrics.bootstrap(np.mean, right, draws=4000)
    theirs = scipy.stats.bootstrap((right,), np.mean, n_resamples=4000, method="percentile", vectorized=True, rng=0)
    assert mine == pytest.approx(tuple(theirs.confidence_interval), abs=0.005)
    exact = scipy.stats.binom.ppf([0.025, 0.975], 400, 0.75) / 400                      # of all possible draws
    assert mine == pytest.approx(exact, abs=0.005)


def test_bootstrap_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    bounds = np.array([metrics.bootstrap(np.mean, rng.exponential(size=60), level=0.9, draws=200, seed=i)
                       for i in range(400)])
    covered = np.mean((bounds[:, 0] <= 1) & (bounds[:, 1] >= 1))
    assert covered == pytest.approx(0.88, abs=0.05)             # of skewed data it is a little short of 0.90


def clustered(speakers=12, each=20, seed=0):
    """Whether each clip was right, and whose it is: some speakers are understood far better than others."""
    rng = np.random.default_rng(seed)
    skill = rng.beta(2, 1, speakers)                            # 2/3 on average
    return (rng.random((speakers, each)) < skill[:, None]).ravel(), np.repeat(np.arange(speakers), each)


def test_clips_of_one_speaker_are_drawn_together():
    seen = []
    _, groups = clustered(speakers=5, each=4)
    metrics.bootstrap(lambda g: seen.append(g) or 0.0, groups, groups=groups, draws=50)
    assert all(set(np.bincount(g, minlength=5)) <= {0, 4, 8, 12, 16, 20} and len(g) == 20 for g in seen)
    assert len({tuple(np.bincount(g, minlength=5)) for g in seen}) > 20


def test_the_grouped_interval_is_wider_and_only_it_holds_the_truth():
    plain, grouped = [], []
    for seed in range(100):
        right, speaker = clustered(seed=seed)
        plain.append(metrics.bootstrap(np.mean, right, draws=100, seed=seed))
        grouped.append(metrics.bootstrap(np.mean, right, groups=speaker, draws=100, seed=seed))
    plain, grouped = np.array(plain), np.array(grouped)
    assert np.ptp(grouped, axis=1).mean() > 1.5 * np.ptp(plain, axis=1).mean()
    covered = [np.mean((b[:, 0] <= 2 / 3) & (b[:, 1] >= 2 / 3)) for b in (plain, grouped)]
    assert covered[0] < 0.7 and covered[1] > 0.8                # seen: 0.56 and 0.85; twelve speakers are few


def test_groups_of_one_are_no_groups_and_names_may_be_texts():
    right, _ = clustered()
    alone = metrics.bootstrap(np.mean, right, groups=np.arange(len(right)), draws=100)
    assert alone == metrics.bootstrap(np.mean, right, draws=100)
    names = np.array([f"speaker {i:03d}" for i in range(len(right))], object)
    assert alone == metrics.bootstrap(np.mean, right, groups=names, draws=100)


def test_the_difference_of_two_models_is_narrower_than_the_two_apart():
    rng = np.random.default_rng(0)
    hard = rng.random(300)                                      # both fail where it is hard
    truth, one, other = np.ones(300), hard < 0.8, hard < 0.75
    low, high = metrics.bootstrap(lambda t, a, b: metrics.accuracy(t, a) - metrics.accuracy(t, b), truth, one, other)
    apart = np.ptp(metrics.bootstrap(metrics.accuracy, truth, one))
    assert 0 < low < 0.05 < high and high - low < apart


# ---------------------------------------------------------------------------------------- McNemar


def two_models(both=794, first=86, second=150, neither=570):
    truth = np.ones(both + first + second + neither, int)
    one = np.repeat([1, 1, 0, 0], [both, first, second, neither])
    other = np.repeat([1, 0, 1, 0], [both, first, second, neither])
    return truth, one, other


@pytest.mark.parametrize("first, second", [(0, 5), (1, 9), (3, 4), (6, 6), (10, 2)])
def test_mcnemar_by_hand(first, second):
    n, k = first + second, min(first, second)
    tail = sum(math.comb(n, i) for i in range(k + 1)) / 2**n
    models = two_models(50, first, second, 7)
    assert metrics.mcnemar(*models) == pytest.approx(min(1, 2 * tail))
    truth, one, other = models
    assert metrics.mcnemar(truth, other, one) == pytest.approx(metrics.mcnemar(*models))


def test_mcnemar_near_the_printed_approximation():
    """Approval of a president in two polls (Agresti, Categorical data analysis, 1990, page 350): R's ``mcnemar.test``
    gives chi² = 16.818 and p = 4.115e-05 with the continuity correction."""
    chi2 = (abs(86 - 150) - 1) ** 2 / (86 + 150)
    assert chi2 == pytest.approx(16.818, abs=5e-4) and scipy.stats.chi2.sf(chi2, 1) == pytest.approx(4.115e-5, abs=5e-9)
    assert metrics.mcnemar(*two_models()) == pytest.approx(4.115e-5, rel=0.15)


def test_models_that_agree_do_not_differ_and_shared_answers_tell_nothing():
    assert metrics.mcnemar(*two_models(9, 0, 0, 3)) == 1.0
    assert metrics.mcnemar(*two_models(9, 2, 8, 3)) == metrics.mcnemar(*two_models(900, 2, 8, 0))


def test_equally_good_models_seldom_seem_to_differ():
    rng = np.random.default_rng(0)
    truth = np.zeros(200, int)
    p = [metrics.mcnemar(truth, *(rng.random((2, 200)) < 0.3).astype(int)) for _ in range(300)]
    assert np.mean(np.array(p) < 0.05) < 0.06                   # an exact test is a little shy


# ---------------------------------------------------------------------------------------- what is refused

PAIRS = {"confusion_matrix": functools.partial(metrics.confusion_matrix, labels=[0, 1, 2]),
         "accuracy": metrics.accuracy, "macro_f1": metrics.macro_f1, "mean_absolute_error": metrics.mean_absolute_error,
         "mean_squared_error": metrics.mean_squared_error, "mcnemar": lambda a, b: metrics.mcnemar(a, b, b)}


@pytest.mark.parametrize("measure", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("truth, predicted, words", [
    ([0, 1, 2], [0, 1], r"shapes are \(3,\) and \(2,\)"),
    ([0, 1], [[0], [1]], r"shapes are \(2,\) and \(2, 1\)"),
    (np.zeros(3), np.zeros((3, 5)), "One answer for each clip"),
    ([], [], "no clip"),
    ([0, 1], [0, np.nan], "NaN"),
    (np.array([0, None]), np.array([0, 1]), "NaN, or nothing"),
    (["dog", "rain"], [0, 1], "Names stand beside numbers"),
])
def test_answers_that_do_not_stand_beside_the_truth(measure, truth, predicted, words):
    with pytest.raises(ValueError, match=words):
        measure(truth, predicted)


@pytest.mark.parametrize("truth, predicted", [(["dog", "cow"], ["dog", "dog"]), (["dog", "dog"], ["dog", "cow"])])
def test_a_class_without_a_row_is_refused(truth, predicted):
    with pytest.raises(ValueError, match="Not among the labels: 'cow'"):
        metrics.confusion_matrix(truth, predicted, CLASSES)


@pytest.mark.parametrize("arguments", [
    (5, 3), (-1, 3), (0, 0), (0.97, 300), (1, 2.5), (float("nan"), 5), (1, 3, 95), (1, 3, 1.0),
])
def test_wilson_refuses(arguments):
    with pytest.raises(ValueError, match="counts are whole"):
        metrics.wilson(*arguments)


@pytest.mark.parametrize("arrays, options, words", [
    (([1, 2, 3], [1, 2]), {}, "not of 3 and 2"),
    (([1, 2, 3],), {"groups": [1, 2]}, "not of 3 and 2"),
    (([],), {}, "two clips"),
    (([1.0],), {}, "two clips"),
    (([1, 2, 3],), {"groups": ["a", "a", "a"]}, "two clips or groups"),
    (([1, 2, 3],), {"groups": [1, 2, np.nan]}, "none of them NaN"),
    (([1, 2, 3],), {"level": 95}, "between 0 and 1"),
    (([1, np.nan, 3],), {}, "score of some draws is NaN"),
])
def test_bootstrap_refuses(arrays, options, words):
    with pytest.raises(ValueError, match=words):
        metrics.bootstrap(lambda *a: np.mean(a[0]), *arrays, **options)


def test_nothing_is_changed():
    truth, predicted = answers()
    before = truth.copy(), predicted.copy()
    metrics.macro_f1(truth, predicted)
    metrics.bootstrap(metrics.accuracy, truth, predicted, groups=truth, draws=10)
    assert (truth == before[0]).all() and (predicted == before[1]).all()


# ---------------------------------------------------------------------------------------- separated sounds


def apart(n=8000, seed=0):
    """A coloured sound, an estimate that holds an echo and noise, and a mixture."""
    rng = np.random.default_rng(seed)
    s = np.convolve(rng.standard_normal(n + 20), np.hanning(20), "valid")[:n]
    e = 0.3 * s + 0.1 * np.roll(s, 5) + 0.2 * rng.standard_normal(n)
    return s, e, s + 3 * rng.standard_normal(n)


def test_si_sdr_is_the_angle_between_two_sounds():
    s, e, _ = apart()
    cosine = s @ e / np.linalg.norm(s) / np.linalg.norm(e)
    assert metrics.si_sdr(s, e) == pytest.approx(10 * math.log10(cosine**2 / (1 - cosine**2)), abs=1e-9)
    for gain in (-1, 1e-3, 250):
        assert metrics.si_sdr(s, gain * e) == pytest.approx(metrics.si_sdr(s, e), abs=1e-9)
    noise = np.random.default_rng(1).standard_normal(s.size)
    noise *= np.linalg.norm(s) / np.linalg.norm(noise)
    noise -= s * (noise @ s) / (s @ s)                          # at right angles to the reference
    assert metrics.si_sdr(s, s + 0.1 * noise) == pytest.approx(20, abs=0.1)


def test_each_channel_is_judged_alone():
    s, e, mix = apart()
    both = metrics.si_sdr(np.stack([s, mix]), np.stack([e, s]))
    assert both.shape == (2,) and both == pytest.approx([metrics.si_sdr(s, e), metrics.si_sdr(mix, s)])
    gains = metrics.si_sdr_improvement(np.stack([s, s]), np.stack([e, mix]), mix)
    assert gains == pytest.approx([metrics.si_sdr(s, e) - metrics.si_sdr(s, mix), 0])
    assert isinstance(float(metrics.si_sdr(s, e)), float) and np.ndim(metrics.si_sdr(s, e)) == 0


def test_silence_and_perfection():
    s = apart()[0]
    assert metrics.si_sdr(s, np.zeros_like(s)) == -np.inf and metrics.sdr(s, np.zeros_like(s)) == -np.inf
    assert metrics.si_sdr([1.0, 0.0], np.array([0.0, 1.0])) == -np.inf                  # nothing of it
    assert metrics.si_sdr(s, s) > 250 and metrics.si_sdr(s, 0.5 * s) > 250 and metrics.sdr(s, s) > 80
    assert metrics.si_sdr(s.astype(np.float32), (0.3 * s).astype(np.float32)) > 100
    for measure in (metrics.si_sdr, metrics.sdr):
        with pytest.raises(ValueError, match="reference is silent"):
            measure(np.zeros_like(s), s)
    with pytest.raises(ValueError, match="reference is silent"):
        metrics.si_sdr(np.stack([s, 0 * s]), np.stack([s, s]))


@pytest.mark.parametrize("taps", [1, 16, 512])
def test_sdr_is_the_best_filter_that_least_squares_finds(taps):
    s, e, _ = apart(3000)
    delayed = np.stack([np.pad(s, (k, taps - 1 - k)) for k in range(taps)], axis=1)
    padded = np.pad(e, (0, taps - 1))
    wanted = delayed @ np.linalg.lstsq(delayed, padded, rcond=None)[0]
    expected = 10 * math.log10((wanted @ wanted) / np.sum((wanted - padded) ** 2))
    assert metrics.sdr(s, e, taps) == pytest.approx(expected, abs=1e-3)
    if taps == 1:
        assert metrics.sdr(s, e, 1) == pytest.approx(metrics.si_sdr(s, e), abs=1e-6)


def test_sdr_forgives_a_room_and_si_sdr_does_not():
    s = np.pad(apart()[0], (0, 100))                            # room for the echo
    echo = np.convolve(s, np.random.default_rng(1).standard_normal(60))[: s.size]
    assert metrics.sdr(s, echo) > 30 > 0 > metrics.si_sdr(s, echo)


def test_separated_sounds_are_judged_as_by_torchmetrics():
    from torchmetrics.functional import audio

    for seed in range(3):
        s, e, mix = apart(seed=seed)
        for estimate in (e, mix):
            given = torch.from_numpy(estimate), torch.from_numpy(s)
            theirs = audio.scale_invariant_signal_distortion_ratio(*given).item()
            assert metrics.si_sdr(s, estimate) == pytest.approx(theirs, abs=1e-4)
            assert metrics.sdr(s, estimate) == pytest.approx(audio.signal_distortion_ratio(*given).item(), abs=1e-2)


@pytest.mark.parametrize("reference, estimate, words", [
    (np.ones(1000), np.ones(999), "one shape"), (np.ones((2, 1000)), np.ones(1000), "one shape"),
    (np.ones(1000), np.full(1000, np.nan), "NaN"), (np.full(1000, np.nan), np.ones(1000), "NaN"),
    (np.ones(1000, int), np.ones(1000), "whole numbers"),
])
def test_sounds_that_cannot_be_compared(reference, estimate, words):
    with pytest.raises(ValueError, match=words):
        metrics.si_sdr(reference, estimate)
    with pytest.raises(ValueError, match=f"{words}|one channel"):
        metrics.sdr(reference, estimate)


def test_no_gain_is_told_from_a_mixture_of_one_sound_and_no_long_filter_from_a_short_one():
    s, e, _ = apart()
    with pytest.raises(ValueError, match="nothing of it"):
        metrics.si_sdr_improvement(s, e, 0 * s)
    with pytest.raises(ValueError, match="512 taps"):
        metrics.sdr(s[:400], e[:400])
    with pytest.raises(ValueError, match="one channel"):
        metrics.sdr(np.stack([s, s]), np.stack([e, e]))


def test_lone_peaks_ring_and_softer_noise_does_not():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(32000)
    assert metrics.musical_noise(noise, 0.1 * noise, 16000) == pytest.approx(0, abs=1e-6)
    bursts = np.zeros(32000)
    for start in rng.integers(0, 31000, 20):
        bursts[start : start + 500] += np.hanning(500) * np.sin(rng.uniform(0.1, 3) * np.arange(500))
    assert metrics.musical_noise(noise, bursts, 16000) > 1.5
    assert metrics.musical_noise(noise, rng.standard_normal(32000), 16000) == pytest.approx(0, abs=0.1)
    for left, words in ((0 * noise, "Nothing is left"), (noise[1:], "one shape")):
        with pytest.raises(ValueError, match=words):
            metrics.musical_noise(noise, left, 16000)


# ---------------------------------------------------------------------------------------- notes


def score(*notes):
    return pd.DataFrame(notes, columns=["onset", "offset", "pitch"])


TRUTH = score((0.0, 1.0, 60), (1.0, 2.0, 62), (1.0, 1.1, 64))


@pytest.mark.parametrize("found, precision, recall", [
    (TRUTH, 1, 1),
    (score((0.049, 1, 60), (1.051, 2, 62)), 1 / 2, 1 / 3),      # 50 ms are near enough
    (score((0, 1, 61), (1, 2, 62)), 1 / 2, 1 / 3),              # a semitone is not
    (score((0, 1, 60), (0.01, 1, 60)), 1 / 2, 1 / 3),           # one key, one note
    (score(), 0, 0),
])
def test_notes_are_right_by_onset_and_pitch(found, precision, recall):
    scores = metrics.note_f1(TRUTH, found)
    assert (scores["precision"], scores["recall"]) == pytest.approx((precision, recall))
    both = precision + recall
    assert scores["f1"] == pytest.approx(2 * precision * recall / both if both else 0)


def test_ends_count_when_asked_for_and_the_best_pairing_counts():
    found = score((0, 1.19, 60), (1, 1.75, 62), (1, 1.14, 64))  # a fifth of the length, too early, 50 ms
    assert metrics.note_f1(TRUTH, found)["f1"] == 1
    assert metrics.note_f1(TRUTH, found.to_dict("records"), offsets=True)["f1"] == pytest.approx(2 / 3)
    crossed = score((0.03, 1, 60), (0.09, 1, 60)), score((0.0, 1, 60), (0.05, 1, 60))
    assert metrics.note_f1(*crossed)["f1"] == 1                 # the nearest first would leave one alone
    assert metrics.note_f1(TRUTH, score((0.09, 1, 60)), tolerance=0.1)["precision"] == 1


@pytest.mark.parametrize("truth, found, words", [
    (score(), TRUTH, "truth has no notes"), (TRUTH, score((1.0, 1.0, 60)), "an offset after it"),
    (TRUTH, score((-0.1, 1.0, 60)), "0 s or later"), (score((0.0, 1.0, np.nan)), TRUTH, "needs a pitch"),
])
def test_notes_that_are_none(truth, found, words):
    with pytest.raises(ValueError, match=words):
        metrics.note_f1(truth, found)
