"""Times, devices, energy and budgets."""

import itertools
import time
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolab import models
from audiolab.edge import devices, energy, published
from audiolab.edge.budget import choose, compared, front
from audiolab.edge.devices import attainable, device, intensity, simulate, this_machine
from audiolab.edge.published import NETWORKS, RESULTS, calibrated, network_costs
from audiolab.edge.timing import Timing, timed

# ---------------------------------------------------------------------------------------- timing


def made(seconds):
    seconds = np.asarray(seconds, dtype=float)
    return Timing(1.0, seconds, seconds, 1)


def test_percentiles_are_of_those_measured():
    timing = made(np.random.default_rng(0).permutation(np.arange(1, 101)) / 1000)
    assert (timing.p50, timing.p90, timing.p99) == (0.050, 0.090, 0.099)
    assert timing.percentile(100) == 0.1
    assert timing.real_time_factor(2.0) == pytest.approx(0.0495)
    assert timing.real_time_factor(2.0, q=50) == pytest.approx(0.025)


def test_few_calls_have_no_99th_percentile():
    assert made([0.1] * 100).p99 == 0.1
    with pytest.raises(ValueError, match=r"99 calls have no percentile 99.*at least 100"):
        _ = made([0.1] * 99).p99
    assert made([0.1] * 10).p90 == 0.1
    with pytest.raises(ValueError, match="at least 2"):
        _ = made([0.1]).p50


@pytest.mark.parametrize("n, q", [(1000, 99.9), (10_000, 99.99), (250, 64.4), (200, 99.5), (100, 99), (7, 50)])
def test_a_percentile_is_of_the_nearest_rank(n, q):
    rank = -(-n * Fraction(str(q)) // 100)                                  # in exact numbers, rounded up
    assert made(np.arange(1, n + 1)).percentile(q) == rank


def test_what_is_no_percentile_and_no_sound_is_told():
    timing = made(np.ones(200))
    assert timing.percentile(0) == 1
    for q in (-1, 101, np.nan):
        with pytest.raises(ValueError, match="Percentiles are 0 to 100"):
            timing.percentile(q)
    for duration in (0, -1.0, np.nan):
        with pytest.raises(ValueError, match=f"more than 0, not {duration:g}"):
            timing.real_time_factor(duration)


def test_reading_the_slow_clock_is_not_part_of_the_wall_time(monkeypatch):
    clock = itertools.count()                                               # each reading takes a second
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr(time, "process_time", lambda: float(next(clock)))
    timing = timed(lambda: None, repeats=1, warm_up=1)
    assert (timing.first, timing.first_cpu) == (1, 3) and (timing.seconds, timing.cpu) == (1, 3)


def test_calls_are_counted_and_the_first_is_kept_apart():
    calls = []

    def call():
        calls.append(time.perf_counter())
        time.sleep(0.05 if len(calls) == 1 else 0.001)

    timing = timed(call, repeats=20, warm_up=3)
    assert len(calls) == 23 and len(timing.seconds) == len(timing.cpu) == 20
    assert timing.first >= 0.05 > timing.p50 >= 0.001
    assert timing.cpu.sum() < timing.seconds.sum()                          # asleep a processor does nothing


def test_work_is_processor_time_and_threads_are_put_back():
    def work():
        sum(range(100_000))

    before, seen = torch.get_num_threads(), []
    timing = timed(work, repeats=20)
    assert 0 < timing.cpu.min() < 1.5 * timing.seconds.max()
    timed(lambda: seen.append(torch.get_num_threads()), repeats=1, warm_up=1, threads=2)
    assert set(seen) == {2} and torch.get_num_threads() == before


@pytest.mark.parametrize("wrong", [dict(repeats=0), dict(warm_up=0), dict(threads=0)])
def test_counts_of_a_timing_are_positive(wrong):
    with pytest.raises(ValueError, match="at least 1"):
        timed(lambda: None, **wrong)


# ---------------------------------------------------------------------------------------- what others published

# MACs by hand from the description, and the parameters as Keras counts them: with two moving averages for a channel.
DESCRIBED = {
    "keywords": (25 * 5 * 64 * 40 + 4 * 25 * 5 * (64 * 9 + 64 * 64) + 64 * 12, None),
    "images": (32 * 32 * 27 * 16 + 2 * 32 * 32 * 144 * 16 + 16 * 16 * (144 * 32 + 288 * 32 + 16 * 32)
               + 8 * 8 * (288 * 64 + 576 * 64 + 32 * 64) + 640, 78_666),
    "anomalies": (640 * 128 + 3 * 128**2 + 128 * 8 + 8 * 128 + 3 * 128**2 + 128 * 640, 269_992),
    "persons": (48**2 * 27 * 8 + sum(size**2 * (9 * a + a * b) for a, b, size in [
        (8, 16, 48), (16, 32, 24), (32, 32, 24), (32, 64, 12), (64, 64, 12), (64, 128, 6), *[(128, 128, 6)] * 5,
        (128, 256, 3), (256, 256, 3)]) + 256 * 2, 221_794)}


@pytest.mark.parametrize("task", NETWORKS)
def test_networks_of_mlperf_tiny_are_as_described(task):
    by_hand, keras = DESCRIBED[task]
    make, shape = NETWORKS[task]
    assert network_costs(task).macs == by_hand
    if keras:
        averages = sum(b.numel() for name, b in make().named_buffers() if "running" in name)
        assert network_costs(task).parameters + averages == keras
    with torch.no_grad():
        assert make().eval()(torch.zeros(shape)).shape == (1, {"keywords": 12, "persons": 2, "images": 10,
                                                                "anomalies": 640}[task])


def test_the_keyword_spotter_has_its_published_size():
    assert network_costs("keywords").parameters == 23_756


@pytest.mark.parametrize("name, ms, uj", [("NUCLEO-L4R5ZI", 182, 7374), ("NUCLEO-H7A3ZI", 16.4, 2362)])
def test_the_keyword_spotter_is_predicted_from_the_other_three(name, ms, uj, monkeypatch):
    seconds, joules = RESULTS[name]["keywords"]
    assert 1000 * seconds == pytest.approx(ms, rel=0.005)
    assert 1e6 * joules == pytest.approx(uj, rel=0.001)
    board = device(name)
    found = board.seconds(network_costs("keywords").macs)
    assert seconds / 2 <= found <= seconds * 2
    assert joules / 2 <= board.joules(found) <= joules * 2
    assert 1 <= calibrated(name)[2] < 2
    monkeypatch.setitem(RESULTS, name, RESULTS[name] | {published.KEPT: (1e-9, 1e9)})     # it is not looked at
    assert device(name) == board


def test_a_calibration_is_the_geometric_mean_of_rates(monkeypatch):
    costs = {task: network_costs(task).macs for task in NETWORKS}
    monkeypatch.setitem(RESULTS, "x", {"keywords": (1, 1), "images": (costs["images"] / 1e6, costs["images"] / 1e6),
                                       "persons": (costs["persons"] / 4e6, 2 * costs["persons"] / 4e6),
                                       "anomalies": (costs["anomalies"] / 2e6, 3 * costs["anomalies"] / 2e6)})
    rate, watts, spread = calibrated("x")
    assert (rate, watts, spread) == pytest.approx((2e6, 2.0, 2.0))


# ---------------------------------------------------------------------------------------- devices


@pytest.mark.parametrize("name", devices.NAMES)
def test_devices_have_figures_with_sources(name):
    board = device(name)
    assert board.name == name and board.sources
    assert all(source.startswith("https://") for source in board.sources)
    assert 1e6 < board.macs_per_second < 1e11
    assert 0 <= board.idle_watts < board.watts < 20
    assert (board.flash is None) == (board.bytes_per_second is not None)


def test_an_unknown_device_is_told():
    with pytest.raises(ValueError, match=r"no figures for 'Pico'. There are some for Raspberry Pi 4"):
        device("Pico")


def test_the_roof_has_a_slope_and_a_ridge():
    pi = device("Raspberry Pi 5")
    ridge = pi.macs_per_second / pi.bytes_per_second
    assert attainable(pi, ridge) == pytest.approx(pi.macs_per_second)
    assert attainable(pi, ridge / 2) == pytest.approx(pi.macs_per_second / 2)
    assert attainable(pi, 1e6) == pi.macs_per_second
    assert attainable(pi, np.array([ridge / 4, 4 * ridge])).shape == (2,)
    assert intensity(100.0, 50.0) == 2
    with pytest.raises(ValueError, match="its roof is flat"):
        attainable(device("NUCLEO-L4R5ZI"), 1.0)


def test_this_machine_is_measured():
    here = this_machine()
    assert 5e8 < here.macs_per_second < 1e12 and 5e8 < here.bytes_per_second < 1e12


def test_what_a_microcontroller_takes_is_not_simulated():
    with pytest.raises(ValueError, match="does not run Python"):
        simulate(device("NUCLEO-H7A3ZI"), lambda: None)


@pytest.fixture(scope="module")
def simulated():
    model, _ = models.load("events-crnn-scenes")
    x = torch.zeros(1, 1, 64, 101)                                          # a second of sound

    def call():
        with torch.inference_mode():
            return model(x)

    return simulate(device("Raspberry Pi 5"), call, repeats=200)


@pytest.mark.slow
def test_a_simulated_device_scales_what_was_measured_here(simulated):
    board, host = simulated.device, simulated.host
    assert simulated.ratio == max(host.macs_per_second / board.macs_per_second,
                                  host.bytes_per_second / board.bytes_per_second) > 0.2
    assert np.array_equal(simulated.timing.seconds, simulated.here.cpu * simulated.ratio)
    assert simulated.timing.first == simulated.here.first_cpu * simulated.ratio     # processor time, too
    assert 0 < simulated.here.first_cpu < simulated.here.first + 0.05
    assert simulated.timing.threads == simulated.here.threads == 1
    assert simulated.timing.first > 2 * simulated.timing.p50               # the first call of a process is cold
    assert len(simulated.timing.seconds) == 200


@pytest.mark.slow
def test_one_thread_worked(simulated):
    """With more, processor time would be beyond the time on the wall."""
    assert simulated.here.cpu.sum() < 1.1 * simulated.here.seconds.sum()


# ---------------------------------------------------------------------------------------- energy


def test_average_power_by_hand():
    assert energy.average_power(7374e-6, rate=1) == pytest.approx(7.374e-3)
    assert energy.average_power(0.01, rate=10, seconds=0.05, idle=0.002) == pytest.approx(0.1 + 0.5 * 0.002)
    with pytest.raises(ValueError, match=r"do not fit into a second: it can do 5.5"):
        energy.average_power(7374e-6, rate=6, seconds=0.1819)


def test_a_battery_by_hand():
    assert energy.battery_hours(7.374e-3, 225, 3.0) == pytest.approx(91.54, abs=0.01)
    with pytest.raises(ValueError, match="above 0"):
        energy.battery_hours(0, 225, 3.0)


def test_energy_of_a_keyword_a_second_beside_budgets():
    """By the published energies: 7.4 mW are beyond 5 mW and within 10, 2.4 mW are within both."""
    power = {name: energy.average_power(RESULTS[name]["keywords"][1], rate=1) for name in RESULTS}
    assert 5e-3 < power["NUCLEO-L4R5ZI"] < 10e-3
    assert power["NUCLEO-H7A3ZI"] < 5e-3


def counter(folder, values, whole=1000):
    """A counter of energy as Linux shows it, which goes on by one value at each call."""
    left = iter(values)
    (folder / "max_energy_range_uj").write_text(f"{whole}\n")
    (folder / "energy_uj").write_text(f"{next(left)}\n")
    return lambda: (folder / "energy_uj").write_text(f"{next(left)}\n")


def test_the_processors_counter_is_read_and_may_begin_anew(tmp_path):
    call = counter(tmp_path, [900, 950, 40, 100])
    joules, watts = energy.rapl(call, repeats=3, folder=tmp_path)
    assert joules == pytest.approx(200e-6 / 3) and watts > 0


def test_without_a_counter_there_is_no_figure(tmp_path):
    assert energy.rapl(lambda: None, folder=tmp_path / "none") == (None, None)


# ---------------------------------------------------------------------------------------- budgets

TABLE = pd.DataFrame({"accuracy": [0.90, 0.95, 0.97, 0.95], "ram": [20e3, 90e3, 400e3, 80e3],
                      "p99": [0.01, 0.02, 0.2, 0.03]}, index=["tiny", "small", "large", "narrow"])


def test_the_best_within_all_limits():
    assert choose(TABLE, "accuracy").name == "large"
    assert choose(TABLE, "accuracy", ram=100e3).name == "small"             # of two alike the first
    assert choose(TABLE, "accuracy", ram=85e3, p99=0.05).name == "narrow"
    assert choose(TABLE, "accuracy", ram=90e3, p99=0.02).name == "small"    # a limit is within


def test_when_nothing_fits_the_message_says_what_stands_in_the_way():
    with pytest.raises(ValueError, match=r"None of the 4 fits: ram at most 30000 leaves 1, p99 at most 0.005 leaves 0. "
                                         r"Nearest is tiny, at 2 times a limit."):
        choose(TABLE, "accuracy", ram=30e3, p99=0.005)


def test_a_missing_column_is_told():
    with pytest.raises(ValueError, match=r"no column joules. They have accuracy, ram, p99"):
        choose(TABLE, "accuracy", joules=1.0)
    with pytest.raises(ValueError, match="no column joules, score"):
        front(TABLE, "score", "ram", "joules")


def test_the_front_is_what_no_other_beats():
    assert list(front(TABLE, "accuracy", "ram").index) == ["tiny", "large", "narrow"]
    assert list(front(TABLE, "accuracy", "p99").index) == ["tiny", "small", "large"]
    assert list(front(TABLE, "accuracy", "ram", "p99").index) == list(TABLE.index)
    assert list(front(TABLE, "accuracy").index) == ["large"]
    assert len(front(pd.concat([TABLE, TABLE]), "accuracy", "ram")) == 6            # of two alike none beats the other


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=12))
def test_of_all_others_one_on_the_front_is_better(rows):
    table = pd.DataFrame(rows, columns=["score", "ram", "p99"])
    kept = front(table, "score", "ram", "p99")
    for i, (score, ram, p99) in table.iterrows():
        at_least = kept[(kept.score >= score) & (kept.ram <= ram) & (kept.p99 <= p99)]
        better = at_least[(at_least.score > score) | (at_least.ram < ram) | (at_least.p99 < p99)]
        assert (i in kept.index) == better.empty and len(at_least)


def product(file, times):
    """A network as an ONNX file that multiplies 512 numbers by a matrix, again and again."""
    from onnx import TensorProto, helper, numpy_helper, save

    names = ["x", *(f"h{i}" for i in range(1, times)), "y"]
    graph = helper.make_graph(
        [helper.make_node("MatMul", [before, "w"], [after]) for before, after in itertools.pairwise(names)], "product",
        *([helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 512])] for name in ("x", "y")),
        [numpy_helper.from_array(np.eye(512, dtype=np.float32), "w")])
    save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)]), file)
    return file


def test_networks_side_by_side(tmp_path):
    files = {times: product(tmp_path / f"{times}.onnx", times) for times in (40, 1)}
    clip = torch.ones(1, 512)
    table = compared(files, clip, lambda run: run(3 * clip).sum().item(), 100)
    assert list(table.columns) == ["bytes", "p50", "p99", "score"] and list(table.index) == [40, 1]
    assert (table.score == 3 * 512).all() and table.bytes[1] == (tmp_path / "1.onnx").stat().st_size
    assert 0 < table.p50[1] < table.p50[40] <= table.p99[40]
    assert choose(table, "score", bytes=table.bytes[1]).name == 1
    with pytest.raises(ValueError, match="at least 100"):
        compared(files, clip, lambda run: 0.0, 99)
