"""Listening tests: blind, matched in level, saved whole; statistics that scipy and simulated listeners confirm."""

import json

import numpy as np
import pytest
from scipy import stats
from scipy.signal import freqz

from audiolab import measure, synth
from audiolab.widgets import explorer, listening

SR = 16000
RNG = np.random.default_rng(0)
NOISE = synth.noise("pink", 1.0, SR, RNG)
PAIR = {"plain": NOISE, "rough": (NOISE + synth.noise("white", 1.0, SR, RNG, rms=0.01)).astype(np.float32)}
ITEMS = {f"part {k}": {"original": y, "rough": y + 0.3 * np.roll(y, 50)}
         for k, y in enumerate(synth.noise("pink", 0.5, SR, np.random.default_rng(k)) for k in range(3))}


@pytest.fixture(autouse=True)
def work(monkeypatch, tmp_path):
    monkeypatch.setenv("AUDIOLAB_WORK", str(tmp_path / "work"))
    return tmp_path / "work"


# ---- statistics

@pytest.mark.parametrize("correct, trials", [(0, 5), (5, 5), (12, 16), (11, 16), (40, 60), (1, 1)])
def test_abx_result_is_the_exact_binomial_test(correct, trials):
    found = listening.abx_result(correct, trials)
    tail = sum(stats.binom.pmf(k, trials, 0.5) for k in range(correct, trials + 1))
    assert found["p"] == pytest.approx(tail)
    assert (found["p"] <= 0.05) == (correct >= found["needed"])
    if 0 < correct < trials:                                    # Clopper and Pearson, by the beta distribution
        assert found["low"] == pytest.approx(stats.beta.ppf(0.025, correct, trials - correct + 1))
        assert found["high"] == pytest.approx(stats.beta.ppf(0.975, correct + 1, trials - correct))


def test_impossible_scores_are_refused():
    for correct, trials in ((3, 2), (-1, 4), (0, 0)):
        with pytest.raises(ValueError, match="cannot be"):
            listening.abx_result(correct, trials)
    with pytest.raises(ValueError, match=r"above 0\.55"):
        listening.abx_trials(0.5)


def test_the_number_of_trials_gives_the_power_that_it_promises():
    for share in (0.7, 0.75, 0.9):
        trials = listening.abx_trials(share)
        for n, enough in ((trials, True), (trials - 1, False)):
            needed = listening.abx_result(0, n)["needed"]
            assert (stats.binom.sf(needed - 1, n, share) >= 0.8) == enough


def test_bootstrap_agrees_with_scipy_and_covers_the_mean_as_often_as_its_docstring_says():
    values = np.random.default_rng(1).normal(60, 10, 12)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", random_state=1).confidence_interval
    assert listening.bootstrap_interval(values) == pytest.approx(tuple(theirs), abs=0.4)
    assert np.isnan(listening.bootstrap_interval([3.0])).all()
    draws = np.random.default_rng(2).standard_normal((300, 5))
    covered = [low <= 0 <= high for low, high in map(listening.bootstrap_interval, draws)]
    assert 0.77 < np.mean(covered) < 0.90


# ---- sounds

def test_sounds_are_matched_in_loudness_by_gain_alone_and_kept_from_clipping():
    quiet, loud = 0.1 * NOISE, np.clip(0.9 * NOISE / np.abs(NOISE).max() * 3, -1, 1)
    matched = listening.level_match({"loud": loud, "quiet": quiet}, SR)
    assert measure.lufs(matched["quiet"], SR) == pytest.approx(measure.lufs(matched["loud"], SR), abs=0.01)
    assert max(measure.true_peak(y) for y in matched.values()) <= 1.0001
    ratio = matched["quiet"] / quiet
    assert np.ptp(ratio[np.abs(quiet) > 1e-3]) < 1e-4           # gain, nothing else
    short = listening.level_match({"a": NOISE[:2000], "b": 0.5 * NOISE[:2000]}, SR)
    np.testing.assert_allclose(short["a"], short["b"], rtol=1e-5)


@pytest.mark.parametrize("second, says", [
    (NOISE[:-1], "the same length, rate"),
    (np.stack([NOISE, NOISE]), "the same length, rate"),
    (np.zeros(SR), "is silent"),
    (np.array([], np.float32), "“second”: The signal is empty"),
    (np.full(SR, np.nan), "NaN"),
    ((NOISE * 32767).astype(np.int16), "int16"),
])
def test_sounds_that_cannot_be_compared_are_refused_in_plain_words(second, says):
    with pytest.raises(ValueError, match=says):
        listening.abx({"first": NOISE, "second": second}, SR, "bad")


def test_other_bad_requests_are_refused(work):
    for make, says in (
        (lambda: listening.abx({"one": NOISE}, SR, "x"), "two sounds"),
        (lambda: listening.abx(PAIR, SR, "x", trials=0), "at least one trial"),
        (lambda: listening.abx(PAIR, SR, "../x"), "name of a file"),
        (lambda: listening.abx({k: y[:800] for k, y in PAIR.items()}, SR, "x"), r"at least 0\.1 s"),
        (lambda: listening.abx(dict.fromkeys("ab", np.array([], np.float32)), SR, "x"), "empty"),
        (lambda: listening.mushra({}, SR, "x"), "same versions"),
        (lambda: listening.mushra({"a": PAIR, "b": {"plain": NOISE}}, SR, "x"), "same versions"),
        (lambda: listening.mushra(ITEMS, 8000, "x"), "3.5 kHz"),
    ):
        with pytest.raises(ValueError, match=says):
            make()
    assert not work.exists()


@pytest.mark.parametrize("sr", [16000, 22050, 48000])
def test_the_low_anchor_is_the_low_pass_of_bs_1534(sr):
    impulse = np.zeros(4001)
    impulse[2000] = 1
    h = listening.low_anchor(impulse, sr)
    assert np.argmax(np.abs(h)) == 2000                         # not delayed
    f, response = freqz(h, worN=8192, fs=sr)
    level = 20 * np.log10(np.abs(response) + 1e-9)
    assert np.abs(level[f <= 3500]).max() < 0.1
    assert level[f >= 4000].max() < -25 and level[f >= 4500].max() < -50


# ---- the course of a test

def blind(test, names):
    shown = json.dumps(test.state)
    return not any(name in shown for name in names)


def test_an_abx_test_is_blind_saved_and_resumed(work):
    test = listening.abx(PAIR, SR, "noise", trials=6, seed=3)
    assert blind(test, PAIR) and len(test.sounds) == 3 and not work.exists()
    played = [np.frombuffer(sound, np.float32) for sound in test.sounds]
    assert all(len(y) == SR and y[0] == y[-1] == 0 for y in played)
    assert sum(np.array_equal(played[2], other) for other in played[:2]) == 1
    test.answer("A")
    test.answer("B")
    saved = json.loads(test.path.read_text())["sessions"]
    assert [len(session["answers"]) for session in saved] == [2]

    resumed = listening.abx(PAIR, SR, "noise", trials=6, seed=3)
    assert resumed.state["trial"] == 2 and resumed.sounds != []
    for _ in range(4):
        assert blind(resumed, PAIR) and not resumed.state["results"]
        resumed.answer("A")
    assert "of 6 right" in resumed.state["results"] and resumed.sounds == []
    with pytest.raises(ValueError, match="finished"):
        resumed.answer("A")
    order = [answer["X"] for answer in resumed.session["answers"]]

    resumed.again()
    assert resumed.session["seed"] == 4 and resumed.state["trial"] == 0
    resumed.answer("A")
    assert [len(s["answers"]) for s in json.loads(test.path.read_text())["sessions"]] == [6, 1]
    other = listening.abx(PAIR, SR, "noise", trials=6, seed=9)  # another test, the same file: nothing is lost
    other.answer("B")
    assert [len(s["answers"]) for s in json.loads(test.path.read_text())["sessions"]] == [6, 1, 1]
    assert len(set(order)) == 2


def test_what_the_browser_sends_is_checked(work):
    test = listening.abx(PAIR, SR, "noise", trials=3)
    test._receive(None, {"trial": 0, "answer": "A"}, [])
    test._receive(None, {"trial": 0, "answer": "A"}, [])        # a second click on the same trial
    assert test.state["trial"] == 1
    test._receive(None, {"trial": 1, "answer": "C"}, [])
    assert test.state["trial"] == 1 and "Not saved" in test.state["said"]
    test.path.write_text("{half")
    test._receive(None, {"trial": 1, "answer": "A"}, [])
    assert test.state["trial"] == 1 and "cannot be read" in test.state["said"] and test.path.read_text() == "{half"
    with pytest.raises(ValueError, match="move it away"):
        listening.abx(PAIR, SR, "noise", trials=3)


def test_a_guesser_passes_as_often_as_the_p_value_says_and_a_hearer_passes():
    test = listening.abx(PAIR, SR, "noise", trials=16)
    rng = np.random.default_rng(5)
    p, orders = [], set()
    for _ in range(150):
        test.again()                                            # another order each time
        orders.add(tuple(played[2] for _, played in test._order))
        p.append(test.simulate(lambda heard: "AB"[rng.integers(2)])["p"][0])
    assert len(orders) > 145
    exact = listening.abx_result(12, 16)["p"]                   # at the values that p can take, P(p <= value) is it
    assert np.mean(np.array(p) <= exact + 1e-9) == pytest.approx(exact, abs=0.05)
    half = listening.abx_result(8, 16)["p"]
    assert np.mean(np.array(p) <= half + 1e-9) == pytest.approx(half, abs=0.12)
    found = test.simulate(lambda heard: "A" if np.array_equal(heard["A"], heard["X"]) else "B")
    assert found["correct"][0] == 16 and found["p"][0] == pytest.approx(0.5**16)


def test_mushra_rates_the_hidden_versions_and_pairs_them_by_excerpt():
    test = listening.mushra(ITEMS, SR, "noise")
    assert test.state["labels"] == ["Reference", "Sound 1", "Sound 2", "Sound 3"] and blind(test, ["original", "rough"])
    assert {tuple(versions[1:]) for _, versions in test._order} != {("original", "rough", "low anchor")}

    def ear(heard):                                             # 100 for what equals the reference, 40 for the rest
        reference, *sounds = heard.values()
        return [100 if np.array_equal(y, reference) else 40 for y in sounds]

    table = test.simulate(ear)
    assert list(table.index) == ["original", "rough", "low anchor"]
    assert list(table["mean"]) == [100, 40, 40] and list(table["against original"]) == [0, -60, -60]
    for bad in ([50, 50], [50, 50, 101], [50, 50, 1.5], "50", None):
        with pytest.raises(ValueError, match="whole number"):
            test.answer(bad)
    while not test.state["results"]:
        test.answer(ear(test.heard(test.state["trial"])))
    assert "under 90 in 0 of 3" in test.state["results"] and test.results().equals(table)


def test_paired_differences_are_narrower_than_means_where_excerpts_differ():
    test = listening.mos(ITEMS, SR, "noise")
    assert test.state["trials"] == 6 and test.state["labels"] == ["Sound"]
    for trial, (item, [version]) in enumerate(test._order):
        test.answer({"part 0": 5, "part 1": 4, "part 2": 2}[item] - (version == "rough"))
        assert test.state["trial"] == trial + 1
    table = test.results()
    assert table.loc["rough", ["against original", "from", "to"]].tolist() == [-1, -1, -1]
    assert table.loc["rough", "high"] - table.loc["rough", "low"] > 1


@pytest.mark.parametrize("make", [
    lambda: listening.abx(PAIR, SR, "still"), lambda: listening.mushra(ITEMS, SR, "still"),
    lambda: listening.mos(ITEMS, SR, "still")])
def test_a_page_without_a_kernel_shows_a_simulated_test(make, shell):
    data, metadata = make()._repr_mimebundle_()
    assert explorer.VIEW in data and len(data["image/png"]) > 1000
    assert "imulated listener" in data["text/plain"] == metadata["image/png"]["alt"]


@pytest.fixture
def shell():
    """A live IPython, since figures speak to its display."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    yield InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    InteractiveShell.clear_instance()
