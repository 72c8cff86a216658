"""What watches a model in use: telemetry, statistics of drift, and hours of sound in which nothing has happened."""

import itertools
import socket
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from audiolab import edge
from audiolab.edge import drift, places
from audiolab.edge.drift import Detector, ks, mmd, psi, watch
from audiolab.edge.places import Place, lessons
from audiolab.edge.telemetry import BUCKETS, Telemetry

# ---------------------------------------------------------------------------------------- telemetry


def asked(url, token=None):
    request = urllib.request.Request(url, headers={} if token is None else {"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status, answer.headers["Content-Type"], answer.read().decode()


def reported():
    telemetry = Telemetry("keywords")
    for _ in range(3):
        with telemetry.inference():
            pass
    for right in (True, True, False):
        telemetry.answer(right)
    telemetry.drift(0.1, alarm=False)
    telemetry.drift(0.7, alarm=True)
    return telemetry


def test_figures_are_what_was_reported():
    telemetry = reported()
    values = {name: telemetry.value(name) for name in ("inference_seconds_count", "right_total", "wrong_total",
                                                       "drift", "drift_alarms_total")}
    assert values == {"inference_seconds_count": 3, "right_total": 2, "wrong_total": 1, "drift": 0.7,
                      "drift_alarms_total": 1}
    assert telemetry.value("memory_bytes") > 1e6
    assert set(telemetry.table().columns) == {"name", "labels", "value"}


def test_the_text_is_prometheus_own():
    telemetry = reported()
    families = {family.name: family for family in text_string_to_metric_families(telemetry.text())}
    assert families["right"].type == "counter" and families["inference_seconds"].type == "histogram"
    [sample] = [s for s in families["right"].samples if s.name == "right_total"]
    assert (sample.value, sample.labels) == (2, {"model": "keywords"})
    assert len(telemetry.table()) == sum(len(family.samples) for family in families.values())


def test_two_models_do_not_mix():
    one, other = reported(), Telemetry("events")
    assert other.value("right_total") == 0 and one.value("right_total") == 2


def test_quantiles_of_the_histogram():
    telemetry = Telemetry("m")
    assert np.isnan(telemetry.quantile(0.5))
    for seconds in np.linspace(0.001, 0.1, 1000):
        telemetry._latency.observe(seconds)
    for q in (0.1, 0.5, 0.9, 0.99):
        true = 0.001 + 0.099 * q
        low, high = max(b for b in (0, *BUCKETS) if b <= true), min(b for b in BUCKETS if b >= true)
        assert low <= telemetry.quantile(q) <= high
        assert telemetry.quantile(q) == pytest.approx(true, abs=0.003)
    telemetry._latency.observe(100)
    assert telemetry.quantile(1) == BUCKETS[-1]


def test_an_alarm_that_lasts_is_counted_once():
    telemetry = Telemetry("m")
    for alarm in (False, True, True, False, True):
        telemetry.drift(0.5, alarm)
    assert telemetry.value("drift_alarms_total") == 2


def test_an_inference_that_fails_took_its_time_as_well():
    telemetry = Telemetry("m")
    with pytest.raises(KeyError), telemetry.inference():
        raise KeyError
    assert telemetry.value("inference_seconds_count") == 1 and telemetry.value("memory_bytes") > 1e6


def test_what_is_no_figure_or_quantile_is_told():
    telemetry = Telemetry("m")
    with pytest.raises(ValueError, match=r"No figure is called 'typo'. There are: .*right_total, .*drift"):
        telemetry.value("typo")
    for q in (-0.1, 1.01, 99, np.nan):
        with pytest.raises(ValueError, match="one of 0 to 1"):
            telemetry.quantile(q)


def test_quantiles_of_a_period():
    telemetry = Telemetry("m")
    for _ in range(300):
        telemetry._latency.observe(0.3)
    before = telemetry.counts()
    assert before[-1] == 300 and list(before[BUCKETS.index(0.2) : -1]) == [0, 300, 300]
    for _ in range(99):
        telemetry._latency.observe(0.015)
    assert np.isnan(telemetry.quantile(0.99, since=before)) and telemetry.quantile(0.99) > 0.2
    telemetry._latency.observe(0.015)
    assert 0.01 < telemetry.quantile(0.99, since=before) < 0.02


def test_who_knows_the_token_is_told_and_nobody_else():
    with reported().serve() as telemetry:
        status, kind, text = asked(telemetry.url, telemetry.token)
        assert status == 200 and kind.startswith("text/plain; version=")
        assert text == telemetry.text() and 'right_total{model="keywords"} 2.0' in text
        for token in (None, "", "x", telemetry.token[:-1]):
            with pytest.raises(urllib.error.HTTPError) as refused:
                asked(telemetry.url, token)
            assert refused.value.code == 401
            assert b"keywords" not in refused.value.read()
        with pytest.raises(urllib.error.HTTPError) as missing:
            asked(telemetry.url.replace("metrics", "other"), telemetry.token)
        assert missing.value.code == 404


def test_it_listens_to_this_machine_alone_and_closes():
    before = threading.active_count()
    with reported().serve() as telemetry:
        port, other = int(telemetry.url.split(":")[2].split("/")[0]), reported()
        assert telemetry.url.startswith("http://127.0.0.1:")
        with pytest.raises(OSError, match=f"^Port {port} cannot be had .*: name another, or 0"), other.serve(port):
            pass
        with pytest.raises(ValueError, match=f"served already, at {telemetry.url}"), telemetry.serve():
            pass
        for wrong in (-1, 65536):
            with pytest.raises(ValueError, match=f"from 1 to 65535.*there is no {wrong}"), other.serve(wrong):
                pass
        assert other.url is None and telemetry.url and asked(telemetry.url, telemetry.token)[0] == 200
    assert telemetry.url is None and telemetry.token is None
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    with telemetry.serve(port):                                             # the port is free again
        pass


def test_it_closes_when_the_block_fails():
    telemetry, before = reported(), threading.active_count()
    with pytest.raises(KeyError), telemetry.serve():
        raise KeyError
    assert telemetry.url is None and threading.active_count() == before


# ---------------------------------------------------------------------------------------- statistics

RNG = np.random.default_rng(0)
PAIRS = [(RNG.normal(size=40), RNG.normal(size=25)), (RNG.normal(size=500), RNG.normal(0.5, 2, size=20)),
         (RNG.integers(5, size=50), RNG.integers(7, size=30)), (np.zeros(5), np.ones(3)), (np.zeros(5), np.zeros(3))]


@pytest.mark.parametrize("x, y", PAIRS)
def test_ks_is_scipys(x, y):
    assert ks(x, y) == pytest.approx(stats.ks_2samp(x, y).statistic, abs=1e-12)


def test_psi_is_the_sum_of_both_divergences():
    x, y = RNG.normal(size=2000), RNG.normal(0.3, 1.2, size=700)
    edges = np.quantile(x, np.arange(1, 10) / 10)
    p, q = (np.bincount(np.searchsorted(edges, s), minlength=10) + 0.5 for s in (x, y))
    p, q = p / p.sum(), q / q.sum()
    assert psi(x, y) == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p), rel=1e-9)


def test_psi_of_one_distribution_falls_with_the_sample_and_a_share_of_zero_is_finite():
    small, large = (np.mean([psi(RNG.normal(size=5000), RNG.normal(size=n)) for _ in range(20)]) for n in (50, 5000))
    assert large < 0.01 < small
    assert np.isfinite(psi(np.arange(100.0), np.full(20, 1e9)))


@pytest.mark.parametrize("d", [1, 3])
def test_mmd_is_that_of_scikit_learns_kernel(d):
    x, y, width = RNG.normal(size=(60, d)), RNG.normal(0.5, size=(20, d)), 1.3
    k_xx, k_yy, k_xy = (rbf_kernel(a, b, gamma=0.5 / width**2) for a, b in ((x, x), (y, y), (x, y)))
    for k in (k_xx, k_yy):
        np.fill_diagonal(k, 0)
    want = k_xx.sum() / (60 * 59) + k_yy.sum() / (20 * 19) - 2 * k_xy.mean()
    assert mmd(x, y, width) == pytest.approx(want, abs=1e-12)


def test_mmd_of_two_gaussians_is_that_of_the_formula():
    """Of N(0, 1) and N(δ, 1): ``2 w / √(w² + 2) (1 - exp(-δ² / 2 (w² + 2)))``, for a kernel of width w."""
    x, y = RNG.normal(size=4000), RNG.normal(1.5, 1, size=4000)
    w = 1.0
    want = 2 * w / np.sqrt(w**2 + 2) * (1 - np.exp(-(1.5**2) / (2 * (w**2 + 2))))
    assert mmd(x, y, w) == pytest.approx(want, rel=0.05)
    assert abs(mmd(x, RNG.normal(size=4000), w)) < 0.002
    assert np.mean([mmd(RNG.normal(size=30), RNG.normal(size=20)) for _ in range(300)]) == pytest.approx(0, abs=0.004)


def test_only_the_kernel_sees_features_that_change_together():
    """Two features that are alike before and opposite after: each by itself is as it was."""
    a, b = RNG.normal(size=400), RNG.normal(size=400)
    before, after = np.stack([a, a], axis=1), np.stack([b, -b], axis=1)
    assert ks(before, after) < 0.12 and psi(before, after) < 0.12
    assert mmd(before, after) > 0.1
    assert abs(mmd(before, np.stack([b, b], axis=1))) < 0.01


@pytest.mark.parametrize("statistic", [ks, psi, mmd])
def test_samples_that_cannot_be_compared(statistic):
    for x, y in ((np.zeros((5, 2)), np.zeros((5, 3))), (np.zeros(0), np.zeros(3)), (np.zeros((2, 2, 2)), np.zeros(3))):
        with pytest.raises(ValueError, match="same features"):
            statistic(x, y)
    with pytest.raises(ValueError, match="NaN"):
        statistic(np.array([0, np.nan]), np.zeros(3))


# ---------------------------------------------------------------------------------------- places


def test_a_place_is_the_same_again_and_block_by_block():
    one, two = Place("wind", 3), Place("wind", 3)
    assert np.array_equal(one.sound(7), two.sound(7))
    both = one.features(30, start=50)
    assert both.shape == (30, places.N_MELS) and np.isfinite(both).all()
    assert np.array_equal(both[10:20], two.features(10, start=60))
    assert not np.array_equal(one.sound(7), Place("wind", 4).sound(7))


def test_louder_is_the_background_alone():
    place = Place("indoors", 0, events=0)
    quiet, loud = (10 * np.log10(np.mean(place.sound(0, by).astype(float) ** 2)) for by in (0.0, 10.0))
    assert loud - quiet == pytest.approx(10, abs=0.5)                       # the microphone's noise stays
    assert quiet == pytest.approx(places.LEVEL, abs=1.5)


def test_unknown_places_are_told():
    with pytest.raises(ValueError, match="No background is called 'sea'"):
        Place("sea")


# ---------------------------------------------------------------------------------------- alarms


def noise(seconds, shift=0.0, d=4, seed=0):
    return np.random.default_rng(seed).normal(size=(seconds, d)) + shift


def rises(detector, features):
    return [second for second, x in enumerate(features) if detector.update(x)]


@pytest.mark.parametrize("statistic", drift.STATISTICS)
def test_a_shift_of_independent_features_is_found_and_nothing_else(statistic):
    detector = Detector(statistic).calibrate(noise(1200))
    assert rises(detector, noise(7200, seed=1)) == []
    found = rises(detector, noise(60, shift=2.0, seed=2))
    assert found and found[0] < 20


def test_the_threshold_keeps_to_the_rate_that_was_asked_for():
    """Without the margin and with many alarms allowed, the rate is near the one allowed."""
    rates = []
    for seed in range(6):
        detector = Detector("ks", per_hour=10.0 * drift.MARGIN).calibrate(noise(1200, seed=seed))
        rates.append(len(rises(detector, noise(3600, seed=100 + seed))))
    assert 3 <= np.mean(rates) <= 30


def test_the_threshold_is_gumbels_of_the_minutes():
    detector = Detector().calibrate(noise(1200))
    beta = np.sqrt(6) / np.pi * np.std(detector.minutes, ddof=1)
    exceeded = np.exp(-(detector.threshold - np.mean(detector.minutes) + np.euler_gamma * beta) / beta)
    assert len(detector.minutes) == 18
    assert -np.expm1(-exceeded) == pytest.approx(1 / 60 / drift.MARGIN, rel=1e-6)


def test_an_alarm_begins_once_and_ends():
    detector = Detector(window=5).calibrate(noise(1200))
    found = rises(detector, np.concatenate([noise(50, seed=1), noise(30, 3.0, seed=2), noise(50, seed=3)]))
    assert len(found) == 1 and 50 <= found[0] < 60
    assert not detector.alarm


def test_near_the_threshold_an_alarm_goes_on():
    """It ends when the value has been below 0.7 of the threshold for a whole window."""
    detector = Detector(window=5).calibrate(noise(1200))
    detector._compare = lambda recent: recent[-1, 0] * detector.threshold

    def alarms(*shares):
        begins = (detector.update(np.full(4, share)) for share in shares)
        return "".join("!" if begin else "+" if detector.alarm else "-" for begin in begins)

    assert alarms(*[0.0] * 4) == "----"                                     # no window yet
    assert alarms(0.9, 1.1, *[0.9, 1.1] * 10) == "-!" + "+" * 20            # to and fro, and one alarm
    assert alarms(*[0.6] * 4, 0.8) == "+++++"                               # not yet a whole window
    assert alarms(*[0.6] * 5, 0.9, 1.1) == "++++--!"


def test_a_second_that_is_none_changes_nothing():
    one, other = (Detector(window=5).calibrate(noise(1200)) for _ in range(2))
    for x in noise(20, seed=1):
        for wrong, words in (([0, 0, 0, np.nan], "NaN or infinity: is the microphone"), ([0, np.inf, 0, 0], "NaN"),
                             (np.zeros(3), r"has 4 features, .* not \[3\]"), (0.0, r"not \[\]")):
            with pytest.raises(ValueError, match=words):
                one.update(wrong)
        one.update(x)
        other.update(x)
        assert one.value == other.value or np.isnan(other.value)


def test_a_detector_forgets_what_it_heard_and_not_what_is_usual():
    detector = Detector(window=5).calibrate(noise(1200))
    threshold = detector.threshold
    assert rises(detector, noise(10, 3.0, seed=1)) and detector.alarm
    detector.forget()
    assert not detector.alarm and np.isnan(detector.value) and detector.threshold == threshold
    assert rises(detector, noise(10, 3.0, seed=1))


def restless(seconds):
    """Low in one half and high in the other: to KS each window is as far from the other half as can be."""
    return noise(seconds) + 100 * (np.arange(seconds) >= seconds // 2)[:, None]


@pytest.mark.parametrize("features, detector, words", [
    (noise(1200), Detector(window=201), r"takes 1206 seconds .* windows of 201 s, .* not \[1200, 4\]"),
    (np.full((1200, 4), 0.1), Detector(), "does not change at all: is the microphone connected"),
    (np.full((1200, 4), 0.1), Detector("psi"), "does not change at all"),
    (restless(1200), Detector("ks"), r"threshold would be 1\.\d\d, and ks ends at 1: take psi or mmd, or a longer"),
])
def test_what_no_threshold_comes_from_is_refused(features, detector, words):
    with pytest.raises(ValueError, match=words):
        detector.calibrate(features)
    assert np.isnan(detector.threshold) and detector.minutes is None
    if detector.window == 20:                                               # who has learnt keeps it
        detector.calibrate(noise(1200))
        before = detector.threshold
        with pytest.raises(ValueError, match=words):
            detector.calibrate(features)
        assert detector.threshold == before


@pytest.mark.parametrize("per_hour", [0, -1, 6000, np.inf, np.nan])
def test_a_rate_of_false_alarms_is_one_that_can_be_had(per_hour):
    with pytest.raises(ValueError, match="fewer than 6000 an hour"):
        Detector(per_hour=per_hour)
    assert np.isfinite(Detector("ks", per_hour=5999).calibrate(noise(1200)).threshold)


def test_of_hours_of_reference_some_seconds_are_kept(monkeypatch):
    seen, x = [], noise(5000)
    monkeypatch.setattr(drift, "_mmd_from", lambda x: seen.append(x))
    drift.STATISTICS["mmd"](x)
    drift.STATISTICS["mmd"](x[:1200])
    assert seen[0].shape == (drift.REFERENCE, 4) and np.array_equal(seen[0][[0, -1]], x[[0, -1]])
    assert np.array_equal(seen[1], x[:1200])                                # of few, all


def test_detectors_say_what_they_need():
    with pytest.raises(ValueError, match="calibrate it first"):
        Detector().update(np.zeros(3))
    with pytest.raises(ValueError, match=r"takes 1200 seconds of features .* windows of 20 s.* not \[100, 3\]"):
        Detector().calibrate(np.zeros((100, 3)))
    with pytest.raises(ValueError, match="NaN"):
        Detector().calibrate(np.full((1200, 3), np.nan))
    with pytest.raises(ValueError, match=r"No statistic is called 'f'. There are: ks, psi, mmd"):
        Detector("f")
    with pytest.raises(ValueError, match="at least 2 s"):
        Detector(window=1)


def test_the_loop_gathers_relearns_and_watches_on():
    told = []
    stream = itertools.chain(noise(300, seed=1), noise(1500, 2.0, seed=2), noise(300, 2.0, seed=3))
    detector = Detector().calibrate(noise(1200))
    seen = list(watch(stream, detector, lambda second, features: told.append((second, features))))
    states = [state for _, _, state in seen]
    at = states.index("alarm")
    assert 300 <= at < 320 and states.count("alarm") == 1                   # the new sound is usual now
    assert states[at + 1 : at + 1201] == ["gathering"] * 1199 + ["relearnt"]
    [(second, features)] = told
    assert second == at + 1200 and features.shape == (1200, 4) and features.mean() == pytest.approx(2, abs=0.1)
    assert [s for s, _, _ in seen] == list(range(2100))


def test_the_loop_begins_afresh_and_refuses_before_it_takes():
    detector, stream = Detector().calibrate(noise(1200)), iter(noise(30, seed=1))
    with pytest.raises(ValueError, match="from 1200 seconds or more: collect so many, not 1199"):
        watch(stream, detector, None, collect=1199)
    assert len(list(stream)) == 30
    rises(detector, noise(30, 3.0, seed=2))
    assert detector.alarm                                                   # of another stream
    seen = list(watch(noise(30, seed=1), detector, None))
    assert [state for *_, state in seen] == ["watching"] * 30
    assert np.isnan([value for _, value, _ in seen][:19]).all() and np.isfinite(seen[19][1])


def test_what_is_gathered_are_numbers():
    stream, seen = np.concatenate([noise(30, 3.0, seed=1), np.full((1, 4), np.nan)]), []
    with pytest.raises(ValueError, match="is the microphone connected"):
        for _, value, state in watch(stream, Detector().calibrate(noise(1200)), None):
            seen.append((value, state))
    assert len(seen) == 30 and seen[-1][1] == "gathering"
    assert all(np.isnan(value) for value, state in seen if state == "gathering")


def test_noise_ten_decibels_louder_is_found_in_time():
    place = Place("street", 0)
    detector = Detector().calibrate(place.features(1200))
    assert rises(detector, place.features(600, start=1200)) == []
    [found] = rises(detector, place.features(60, start=1800, louder=10))
    assert found < 30


def test_an_alarm_leads_to_a_model_that_hears_again():
    """Who named events beside a brook is lost when it swells, until taught with what was gathered there."""
    place, models = Place("stream", 0, events=0), []

    def teach(blocks, louder, seed):
        x, y = lessons(place, blocks, louder, 240, seed)
        models.append(make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x, y))

    def relearn(second, features):
        blocks = range(second // places.BLOCK - 12, second // places.BLOCK)     # the newest that was gathered
        teach([200 + block for block in blocks], 10.0, seed=1)

    teach(range(12), 0.0, seed=0)
    detector = Detector().calibrate(place.features(1200))
    stream = np.concatenate([place.features(100, start=1200), place.features(1300, start=2000, louder=10)])
    states = [state for _, _, state in watch(stream, detector, relearn)]
    assert states.index("alarm") < 130 and states.count("relearnt") == 1
    quiet, loud = lessons(place, range(400, 410), 0.0, 200, seed=2), lessons(place, range(400, 410), 10.0, 200, seed=2)
    before, lost, after = models[0].score(*quiet), models[0].score(*loud), models[1].score(*loud)
    assert before > 0.8 and lost < 0.65 and after > 0.8


@pytest.mark.slow
def test_hours_in_which_nothing_happens():
    """Three hours of three places with events in them: at most one false alarm an hour, and 10 dB are found in 30 s."""
    false, late = 0, []
    for kind in ("street", "wind", "stream"):
        place = Place(kind, 0)
        detector = Detector().calibrate(place.features(1200))
        false += len(rises(detector, place.features(3600, start=1200)))
        late.append(rises(detector, place.features(60, start=4800, louder=10))[0])
    assert false <= 3
    assert max(late) < 30


def test_what_the_package_offers_is_there():
    for name in edge.__all__:
        assert getattr(edge, name) is not None
