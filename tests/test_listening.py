"""Listening tests: blind, matched in level, saved whole; statistics that scipy and simulated listeners confirm."""

import functools
import json
import threading

import filelock
import ipywidgets
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
    assert (found["p"] <= 0.05) == (found["at_least"] >= 0.5)   # the bound and the test agree
    if correct > 0:                                             # Clopper and Pearson, by the beta distribution
        assert found["at_least"] == pytest.approx(stats.beta.ppf(0.05, correct, trials - correct + 1))


def test_impossible_scores_are_refused():
    for correct, trials in ((3, 2), (-1, 4), (0, 0)):
        with pytest.raises(ValueError, match="cannot be"):
            listening.abx_result(correct, trials)
    with pytest.raises(ValueError, match=r"above 0\.5"):
        listening.abx_trials(0.5)
    with pytest.raises(ValueError, match="more than 5000"):
        listening.abx_trials(0.51, 0.999)


def test_the_number_of_trials_gives_the_power_that_it_promises():
    for share, power, expected in ((0.6, 0.8, 169), (0.75, 0.8, 28), (0.9, 0.8, 11), (0.551, 0.999, 2172), (1, 0.8, 5)):
        trials = listening.abx_trials(share, power)
        assert trials == expected
        reached = []
        for n in range(trials - 1, trials + 60):                # the power is a saw-tooth: it must hold from here on
            needed = listening.abx_result(0, n)["needed"]
            reached.append(stats.binom.sf(needed - 1, n, share) >= power)
        assert not reached[0] and all(reached[1:])
    assert listening.abx_power([0.6, 0.75, 0.9], 16) == pytest.approx([0.167, 0.630, 0.983], abs=0.001)


def test_bootstrap_agrees_with_scipy_and_covers_the_mean_as_often_as_its_docstring_says():
    values = np.random.default_rng(1).normal(60, 10, 12)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", random_state=1).confidence_interval
    assert listening.bootstrap_interval(values) == pytest.approx(tuple(theirs), abs=0.4)
    assert np.isnan(listening.bootstrap_interval([3.0])).all()
    for n in (2, 4):
        draws = np.random.default_rng(2).standard_normal((400, n))
        covered = [low <= 0 <= high for low, high in map(listening.bootstrap_interval, draws)]
        assert 100 * np.mean(covered) == pytest.approx(listening.COVERED[n], abs=5)


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
    (np.array([], np.float32), "“second”: the signal is empty"),
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


def test_excerpts_are_as_loud_as_one_another_and_a_spiky_one_does_not_clip():
    spiky = 0.01 * NOISE[: SR // 2]
    spiky[1000::2000] = 0.9
    test = listening.mos({"full": {"one": 3 * NOISE}, "spiky": {"one": spiky}}, SR, "loud")
    full, spiky = (versions["one"] for versions in test._items.values())
    assert measure.lufs(full, SR) == pytest.approx(measure.lufs(spiky, SR), abs=0.3)   # the faded ends count a little
    assert measure.peak(full) < 0.5 < measure.true_peak(spiky) <= 1.001


# ---- the course of a test

def blind(test, names):
    shown = json.dumps(test.state)
    return not any(name in shown for name in names)


def test_an_abx_test_is_blind_saved_and_resumed(work):
    test = listening.abx(PAIR, SR, "noise", trials=6, seed=3)
    assert blind(test, PAIR) and len(test.sounds) == 2 and not work.exists()
    played = [np.frombuffer(test.sounds[k], np.float32) for k in test.state["played"]]
    assert all(len(y) == SR and y[0] == y[-1] == 0 for y in played)
    assert sum(np.array_equal(played[2], other) for other in played[:2]) == 1
    test.answer("A")
    test.answer("B")
    saved = json.loads(test.path.read_text())["sessions"]
    assert [len(session["answers"]) for session in saved] == [2]

    resumed = listening.abx(PAIR, SR, "noise", trials=6, seed=3)
    assert resumed.state["trial"] == 2 and resumed.sounds != []
    assert resumed.results().to_dict("list") == {"answered": [2], "trials": [6]}    # no score before the end
    for _ in range(4):
        assert blind(resumed, PAIR) and not resumed.state["results"]
        resumed.answer("A")
    assert "of 6 right" in resumed.state["results"] and resumed.sounds == []
    with pytest.raises(ValueError, match="finished"):
        resumed.answer("A")
    order = [answer["X"] for answer in resumed.session["answers"]]

    resumed.again()
    assert resumed.session["seed"] != 3 and resumed.state["trial"] == 0
    resumed.answer("A")
    assert [len(s["answers"]) for s in json.loads(test.path.read_text())["sessions"]] == [6, 1]
    other = listening.abx(PAIR, SR, "noise", trials=6, seed=9)  # another test, the same file: nothing is lost
    other.answer("B")
    assert [len(s["answers"]) for s in json.loads(test.path.read_text())["sessions"]] == [6, 1, 1]
    assert len(set(order)) == 2
    again = listening.abx(PAIR, SR, "noise", trials=6, seed=3)  # goes on with the session begun last
    assert again.session["seed"] == resumed.session["seed"] and again.state["trial"] == 1


def test_every_session_draws_an_order_of_its_own_and_keeps_its_seed(work):
    seeds = {listening.abx(PAIR, SR, "noise").session["seed"] for _ in range(5)}
    assert len(seeds) == 5
    test = listening.abx(PAIR, SR, "noise")
    test.answer("A")
    resumed = listening.abx(PAIR, SR, "noise")
    assert resumed._order == test._order and resumed.state["trial"] == 1
    assert json.loads(test.path.read_text())["sessions"][0]["seed"] == test.session["seed"]


def test_the_verdict_tells_power_and_the_luck_of_many_sessions():
    test = listening.abx(PAIR, SR, "noise", trials=16)
    for session in (1, 2, 3):
        while not test.state["results"]:
            test.answer("A")
        said = test.state["results"]
        assert "60, 75 or 90 % of all trials gets there in 17, 63 or 98 % of such tests" in said
        assert ("This is session" in said) == (session > 1)
        assert session < 3 or "session 3 in noise.json: a guesser&#x27;s best of 3 passes in 11 %" in said
        test.again()
    short = listening.abx(PAIR, SR, "short", trials=1)
    short.answer("A")
    assert "so few trials cannot reach 5 %" in short.state["results"]


def test_what_the_browser_gets_for_a_trial_is_as_much_whichever_x_is(monkeypatch):
    test = listening.abx(PAIR, SR, "noise", trials=16, seed=3)
    messages, wire = [], listening.ListeningTest._send
    monkeypatch.setattr(listening.ListeningTest, "_send", lambda self, message, buffers=None: (
        messages.append((message, buffers or [])), wire(self, message, buffers)))
    played = [test.state["played"]]
    while test.state["trial"] < 15:
        test.answer("A")
        played.append(test.state["played"])
    assert [[[*PAIR][k] for k in trial] for trial in played] == [versions for _, versions in test._order]
    assert {x == a for a, _, x in played} == {True, False} and len({x for *_, x in played}) == 2
    assert len(messages) == 15 and not any(buffers for _, buffers in messages)      # no sound is sent again
    assert len({len(json.dumps(trial)) for trial in played}) == 1


def test_each_version_of_an_excerpt_is_sent_once_and_in_the_order_given():
    for make, more in ((listening.mushra, ["low anchor"]), (listening.mos, [])):
        test = make(ITEMS, SR, make.__name__, seed=1)
        names, orders = ["original", "rough", *more], set()
        for item, versions in test._order:
            assert test.sounds == [test._items[item][name].tobytes() for name in names]
            assert [names[k] for k in test.state["played"]] == versions
            orders.add(tuple(versions))
            test.answer([50] * 3 if more else 3)
        assert len(orders) > 1 and test.state["results"]


def kernels(monkeypatch, *make):
    """Tests in as many kernels, none of which knows of the others."""
    for one in make:
        monkeypatch.setattr(listening, "_open", {})
        yield one()


def test_a_second_kernel_loses_no_answers(work, monkeypatch):
    begun = listening.abx(PAIR, SR, "noise", trials=10)
    begun.answer("A")
    first, second = kernels(monkeypatch, *[lambda: listening.abx(PAIR, SR, "noise", trials=10)] * 2)
    for _ in range(8):
        first.answer("B")
    saved = first.path.read_text()
    with pytest.raises(ValueError, match="from another notebook meanwhile: run this cell again"):
        second.answer("A")
    assert second.path.read_text() == saved and len(second.session["answers"]) == 1
    second.again()                                              # no way round it
    with pytest.raises(ValueError, match="another notebook"):
        second.answer("A")
    third = listening.abx(PAIR, SR, "noise", trials=10)
    assert third.state["trial"] == 9
    third.answer("A")
    assert [len(s["answers"]) for s in json.loads(saved)["sessions"]] == [9] and third.state["results"]

    one, other = kernels(monkeypatch, *[lambda: listening.mos(ITEMS, SR, "fresh")] * 2)     # nothing was saved yet
    one.answer(3)
    with pytest.raises(ValueError, match="another notebook"):
        other.answer(4)
    one.path.unlink()                                           # moved away: then there is nothing to lose
    other.answer(4)
    assert len(json.loads(other.path.read_text())["sessions"]) == 1


def test_kernels_that_save_different_tests_at_once_wait_for_one_another(monkeypatch):
    make = [functools.partial(listening.abx, PAIR, SR, "noise", 8, seed) for seed in range(4)]
    tests = [*kernels(monkeypatch, *make)]
    saving = [threading.Thread(target=lambda test=test: [test.answer("A") for _ in range(8)]) for test in tests]
    for thread in saving:
        thread.start()
    for thread in saving:
        thread.join()
    assert [len(s["answers"]) for s in json.loads(tests[0].path.read_text())["sessions"]] == [8] * 4


def test_a_file_that_stays_locked_is_refused_in_plain_words(monkeypatch):
    test = listening.abx(PAIR, SR, "noise", trials=3)
    real = filelock.FileLock
    monkeypatch.setattr(filelock, "FileLock", lambda path, timeout: real(path, timeout=0))
    test.path.parent.mkdir(parents=True)
    with real(test.path.with_name(f".{test.path.name}.lock")):
        test._receive(None, {"trial": 0, "answer": "A"}, [])
    assert "Not saved: another notebook has been writing noise.json" in test.state["said"]
    test._receive(None, {"trial": 0, "answer": "A"}, [])
    assert test.state["trial"] == 1


def test_every_refusal_reaches_the_page_and_leaves_the_form(monkeypatch):
    test = listening.mushra(ITEMS, SR, "noise")
    states = []
    test.observe(lambda change: states.append(change["new"]), "state")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(listening.paths, "replacing", full)
        for _ in range(3):
            test._receive(None, {"trial": 0, "answer": [1, 2, 3]}, [])
    assert len(states) == 3 and all("Not saved" in state["said"] and "No space" in state["said"] for state in states)
    assert len({(state["begun"], state["trial"], *state["played"]) for state in states}) == 1   # the form's own
    test._receive(None, {"trial": 0, "answer": [1, 2, 3]}, [])
    assert states[-1]["trial"] == 1 and "Not saved" not in states[-1]["said"]


def test_a_cell_that_is_run_again_leaves_no_widget_behind():
    other = listening.mos(ITEMS, SR, "other")
    first = test = listening.mushra(ITEMS, SR, "noise", seed=2)
    first.answer([1, 2, 3])
    alive = len(ipywidgets.widgets.widget._instances)
    outputs = []                                                # as `Out` keeps them
    for _ in range(5):
        outputs.append(test)
        test = listening.mushra(ITEMS, SR, "noise", seed=2)
    assert len(ipywidgets.widgets.widget._instances) == alive
    assert not any(old.sounds for old in outputs)
    assert all(y is None for old in outputs for versions in old._items.values() for y in versions.values())
    assert list(first.results()["mean"].dropna()) == list(test.results()["mean"].dropna()) != []
    for use in (lambda: first.answer([1, 2, 3]), lambda: first.heard(0), first.again):
        with pytest.raises(ValueError, match="made anew"):
            use()
    with pytest.raises(ValueError, match="same versions"):      # what cannot be made closes nothing
        listening.mushra({}, SR, "noise")
    test.answer([1, 2, 3])
    other.answer(3)                                             # and other tests stay open


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


def test_a_guesser_passes_as_often_as_the_p_value_says_and_a_hearer_passes(monkeypatch):
    seeds = iter(np.random.SeedSequence(4).spawn(151))          # in place of what the machine draws
    fresh = np.random.default_rng
    monkeypatch.setattr(np.random, "default_rng", lambda *seed: fresh(*(seed or [next(seeds)])))
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
    test = listening.mushra(ITEMS, SR, "noise", seed=0)
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
    assert "With 3 excerpts such an interval holds the mean in about 75 of 100 cases" in test.state["results"]


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
    assert make()._repr_mimebundle_()[0]["image/png"] == data["image/png"]          # whatever the order drawn
    assert explorer.VIEW in data and len(data["image/png"]) > 1000
    assert "imulated listener" in data["text/plain"] == metadata["image/png"]["alt"]
