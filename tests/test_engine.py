"""Sources, sinks and the scheduler: nobody makes a source wait, and all that is lost is counted."""

import sys
import threading
import time
import tracemalloc
import types

import numpy as np
import pytest

from audiolab import audio, preprocess, stream, widgets
from audiolab.stream import engine as module
from audiolab.stream.ends import KEPT
from benchmarks import soak

SR = 16000
BLOCK = 160                                                             # 10 ms
HIGHPASS = preprocess.butterworth(2, 100, SR, "highpass")


def noise(seconds, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * SR))).astype(np.float32)


def numbers(seconds):
    return np.arange(round(seconds * SR), dtype=np.float32) / 2**24      # each sample tells which it is


class Collects:
    """A sink for what is written."""

    def __init__(self):
        self.pieces = []

    def write(self, out):
        self.pieces.append(out)

    @property
    def y(self):
        return np.concatenate(self.pieces)


class Stuck(stream.Chain):
    """A processor that changes nothing, and at one sample does nothing for a while."""

    def __init__(self, at, seconds):
        super().__init__()
        self.at, self.seconds = at, seconds

    def reset(self):
        self.heard = 0

    def process(self, x):
        self.heard, before = self.heard + len(x), self.heard
        if before <= self.at < self.heard:
            time.sleep(self.seconds)
        return x


class Breaks(stream.Chain):
    """A processor that cannot, as soon as there is sound."""

    def process(self, x):
        if x.any():
            raise KeyError("a letter that no keyboard has")
        return x


# ------------------------------------------------------------------------- the simulated clock


def test_ten_minutes_pass_without_a_drop_and_are_those_of_the_whole():
    y, p = noise(600), stream.Filter(HIGHPASS)
    out, meter = stream.simulate(y, SR, p, BLOCK, cost=lambda k: 0.004)
    np.testing.assert_allclose(out, stream.offline(p, y), atol=1e-5)
    figures = meter.summary()
    assert (figures["blocks"], figures["dropped"], figures["missed"], figures["deepest"]) == (60_000, 0, 0, 1)
    assert figures["compute_worst_ms"] == pytest.approx(4) and figures["wait_worst_ms"] == pytest.approx(0, abs=1e-6)
    assert figures["real_time_factor"] == pytest.approx(0.4)


def test_what_is_measured_is_the_time_that_a_block_is_at_work():
    class Slow(stream.Chain):
        def process(self, x):
            end = time.perf_counter() + 0.002
            while time.perf_counter() < end:
                pass
            return x

    _, meter = stream.simulate(noise(1), SR, Slow(), BLOCK)
    rows = meter.table()
    work = 1e3 * (rows.done - rows.taken)
    assert 2 <= work.min() < 3 and meter.summary()["compute_worst_ms"] == pytest.approx(work.max())


@pytest.mark.parametrize("block, n", [(160, 4000), (160, 4001), (7, 999), (5000, 4000), (1, 50)])
def test_the_end_of_a_recording_comes_too(block, n):
    y = noise(1)[:n]
    p = stream.Chain(stream.Filter(HIGHPASS), stream.Spectral(lambda X: X, 256, 64))
    out, meter = stream.simulate(y, SR, p, block, cost=lambda k: 0.0)
    np.testing.assert_allclose(out, stream.offline(p, y), atol=1e-5)
    assert meter.blocks == -(-n // block) and meter.table().complete.iloc[-1] == pytest.approx(n / SR)


def test_of_a_stall_every_lost_sample_is_counted_and_the_rest_comes_in_order():
    y = numbers(20)
    out, meter = stream.simulate(y, SR, stream.Chain(), BLOCK, capacity=2 * SR, cost=lambda k: 0.002, stalls=[(5, 6)])
    got = np.round(out * 2**24).astype(int)
    gaps = np.diff(got) - 1
    assert meter.dropped == len(y) - len(out) == gaps.sum() == 4 * SR + BLOCK       # that of 5.00 s, too
    assert np.count_nonzero(gaps) == 1                                  # one piece is missing, all else is there
    rows = meter.table()
    assert (np.diff(rows["first"]) - BLOCK).sum() == meter.dropped
    assert meter.deepest == 200 and meter.recovery(11) < 1
    late = rows[rows.done - rows.complete > 0.01]
    assert meter.missed == len(late) and late.taken.min() >= 11 and late.taken.max() < 12
    assert meter.recovery(11) == pytest.approx(rows.taken[rows.taken > late.taken.max()].iloc[0] - 11, abs=0.011)


def test_a_consumer_that_is_too_slow_for_ever_never_recovers():
    _, meter = stream.simulate(noise(5), SR, stream.Chain(), BLOCK, capacity=SR, cost=lambda k: 0.02)
    assert meter.recovery(1) > 4                                        # when the sound is over
    assert meter.dropped == 5 * SR - BLOCK * meter.blocks and meter.dropped > SR
    assert meter.missed > 0.95 * meter.blocks and meter.deepest == 100


@pytest.mark.parametrize("cost, missed", [(0.0099, 0), (0.01, 0), (0.0101, None)])
def test_a_deadline_is_the_next_block(cost, missed):
    _, meter = stream.simulate(noise(2), SR, stream.Chain(), BLOCK, cost=lambda k: cost)
    assert meter.missed == (meter.blocks if missed is None else missed) > -1


def test_one_slow_block_makes_those_miss_that_wait_for_it():
    _, meter = stream.simulate(noise(1), SR, stream.Chain(), BLOCK, cost=lambda k: 0.035 if k == 10 else 0.001)
    rows = meter.table()
    missed = np.flatnonzero(rows.done - rows.complete > 0.01)
    assert list(missed) == [10, 11, 12] and meter.missed == 3           # 35, 26, 17, then 8 ms after it came
    assert list(rows.waiting[9:15]) == [1, 1, 3, 2, 1, 1]


# ------------------------------------------------------------------------- shedding


def test_shedding_keeps_the_delay_small_and_the_sound_in_time():
    y, p = noise(10), stream.Spectral(lambda X: X, 256, 64)
    slow = {"cost": lambda k: 0.015, "capacity": 4 * SR}
    _, without = stream.simulate(y, SR, p, BLOCK, **slow)
    assert without.summary()["total_worst_ms"] > 3000
    out, meter = stream.simulate(y, SR, p, BLOCK, shed=0.1, **slow)
    assert meter.summary()["total_worst_ms"] < 130 and meter.dropped == 0 and len(out) == len(y)
    assert meter.shed == meter.table()["shed"].sum() == pytest.approx(meter.blocks / 3, rel=0.1)    # 15 - 10 of 15 ms
    # A change that changes nothing: what went past is the same sound at the same place as what went through, but for
    # the seams, where the processor still holds what it had heard before.
    seams = np.count_nonzero(np.diff(meter.table()["shed"].astype(int)) == -1)
    assert 0 < np.count_nonzero(np.abs(out - y) > 1e-5) <= seams * p.latency < 0.2 * len(y)


@pytest.mark.parametrize("p", [stream.PitchShift(0, SR), stream.Chain(), stream.Spectral(lambda X: X, 320, 80),
                               stream.Chain(stream.PitchShift(0, SR), stream.Spectral(lambda X: X, 256, 64))])
@pytest.mark.parametrize("block", [160, 100])
def test_what_is_shed_is_as_late_as_the_processor(p, block):
    y = noise(2)
    out, meter = stream.simulate(y, SR, p, block, cost=lambda k: 0.0, stalls=[(0.5, 0.4)], shed=0.1)
    waited = 1 + round(0.4 * SR / block)
    assert meter.shed == waited - 1 and meter.dropped == 0              # the last one waits no longer
    past = np.repeat(meter.table()["shed"].to_numpy(), block)
    end = int(np.flatnonzero(past)[-1]) - p.latency - p.delay           # here at the latest the processor speaks again
    np.testing.assert_allclose(out[p.delay : end], y[: end - p.delay], atol=1e-5)
    again = end + 1600 + 2 * block                                      # twice a run of a pitch shifter
    np.testing.assert_allclose(out[again : len(y)], y[again - p.delay : len(y) - p.delay], atol=1e-5)


def test_of_columns_and_events_nothing_is_given_for_what_is_shed():
    class Events(stream.Chain):
        seconds, skipped = 0, 0

        def process(self, x):
            return [len(x)] if len(x) else []

        def skip(self, n):
            self.skipped += n

        def flush(self):
            return []

    y, p = noise(2), Events()
    out, meter = stream.simulate(y, SR, p, BLOCK, capacity=SR // 2, cost=lambda k: 0, stalls=[(0.5, 1)], shed=0.1)
    assert sum(out) == len(y) - meter.dropped - BLOCK * meter.shed and meter.shed and meter.dropped
    assert sum(out) + p.skipped == len(y)                               # it was told of every sample it did not hear
    out, meter = stream.simulate(y, SR, stream.LogMel(SR), BLOCK, cost=lambda k: 0, stalls=[(0.5, 1)], shed=0.1)
    assert out.shape[0] == 64 and out.shape[1] == 1 + (len(y) - BLOCK * meter.shed) // BLOCK


# ------------------------------------------------------------------------- telemetry


def test_the_meter_counts_on_when_its_oldest_rows_make_room():
    meter = stream.Meter(SR, BLOCK, kept=50)
    for k in range(120):
        at = 0.01 * (k + 1)
        meter.record(k * BLOCK, at, at + 0.001, at + 0.001 * (1 + k % 20), 1 + k % 3, k % 10 == 0, k)
    rows, figures = meter.table(), meter.summary()
    assert list(rows["first"]) == [k * BLOCK for k in range(70, 120)]
    assert (figures["blocks"], figures["shed"], figures["missed"]) == (120, 12, 120 // 20 * 10)
    assert (figures["deepest"], figures["dropped"]) == (3, 119)
    assert len(rows) == 50
    times = np.sort(rows.done - rows.taken)
    assert figures["compute_p50_ms"] == pytest.approx(1e3 * times[24])          # 25 of 50 took no longer
    assert figures["compute_p99_ms"] == figures["compute_worst_ms"] == pytest.approx(1e3 * times[-1])
    assert figures["wait_p95_ms"] == pytest.approx(1) and figures["block_ms"] == 10


def test_the_worst_is_not_forgotten():
    meter = stream.Meter(SR, BLOCK, kept=10)
    for k in range(100):
        at = 0.01 * (k + 1)
        meter.record(k * BLOCK, at, at + (0.3 if k == 7 else 0.001), at + (0.5 if k == 7 else 0.002), 1, False, 0)
    figures = meter.summary()
    assert [figures[f"{name}_worst_ms"] for name in ("compute", "wait", "total")] == pytest.approx([200, 300, 500])
    assert figures["total_p99_ms"] == pytest.approx(2)                  # of the blocks that are remembered


def test_the_meter_shows_itself_also_when_it_is_empty():
    meter = stream.Meter(SR, 80, latency=160)
    assert "nan" in repr(meter) and "0 blocks of 5 ms, algorithmic latency 10 ms" in repr(meter)
    assert meter.recovery(0) == np.inf and meter.table().empty
    _, meter = stream.simulate(noise(0.2), SR, stream.Chain(), 80, cost=lambda k: 0.001)
    page = meter._repr_html_()
    assert page.count("<tr>") == 4 and "40 blocks of 5 ms" in page and "<td>1.00</td>" in page


def test_writing_makes_no_array():
    ring, meter, stamps = stream.RingBuffer(50_000), stream.Meter(SR, 30_000), stream.Stamps(10)
    block, out, at = np.ones(30_000, np.float32), np.empty(30_000, np.float32), 0.5
    tracemalloc.start()
    try:
        for k in range(50):
            ring.write(block)
            stamps.mark(ring.written)
            ring.read_into(out)
            meter.record(k, at, at, at, 1, False, 0)
        assert tracemalloc.get_traced_memory()[1] < 10_000              # bytes; a block has 120,000
    finally:
        tracemalloc.stop()


def test_stamps_tell_when_a_sample_had_come():
    stamps, times = stream.Stamps(5), []
    for written in range(10, 90, 10):
        times.append(time.perf_counter())
        stamps.mark(written)
        time.sleep(0.001)
    for n, k in ((80, 7), (71, 7), (70, 6), (50, 4), (1, 4)):           # the oldest that is safe stands for older ones
        assert 0 <= stamps.when(n) - times[k] < 0.001, n
    assert time.perf_counter() - stamps.when(81) < 0.01                 # written, and not marked yet


@pytest.mark.parametrize("n, written, start", [(4, 10, 0), (10, 10, 3), (0, 5, 2), (30, 25, 0)])
def test_read_into_is_read(n, written, start):
    one, other = stream.RingBuffer(10), stream.RingBuffer(10)
    for ring in (one, other):
        ring.write(np.arange(start))
        ring.read(start)
        ring.write(np.arange(start, start + written))
    out = np.full(n, -1, np.float32)
    want = one.read(n)
    assert other.read_into(out) == len(want)
    np.testing.assert_array_equal(out[: len(want)], want)
    assert (one.taken, one.available, one.dropped) == (other.taken, other.available, other.dropped)


def test_read_into_throws_away_what_the_writer_overwrites_meanwhile():
    ring = stream.RingBuffer(10)
    ring.write(np.arange(10))

    class Out(np.ndarray):
        def __setitem__(self, where, values):
            if not overtaken:
                overtaken.append(True)
                super().__setitem__(where, values)
                ring.write(np.arange(10, 14))
            else:
                super().__setitem__(where, values)

    overtaken, out = [], np.zeros(8, np.float32).view(Out)
    assert ring.read_into(out) == 4 and list(out[:4]) == [4, 5, 6, 7]
    assert ring.dropped == 4 and ring.written == ring.taken + ring.dropped + ring.available


# ------------------------------------------------------------------------- the clock of the wall


def test_a_file_at_high_speed_comes_whole_through_the_engine():
    y, sink = noise(30), Collects()
    p = stream.Chain(stream.Filter(HIGHPASS), stream.Spectral(lambda X: X, 320, 80))
    with stream.Engine(stream.File(y, SR, 320, speed=None), p, sink, block=80) as engine:
        assert engine.wait(60)
    np.testing.assert_allclose(sink.y, stream.offline(p, y), atol=1e-5)
    figures = engine.meter.summary()
    assert figures["dropped"] == 0 and figures["blocks"] == 6000 and figures["algorithmic_ms"] == 20


def test_a_stalled_consumer_never_holds_up_its_source_and_all_that_is_lost_is_counted():
    speed, y, sink = 5.0, numbers(20), Collects()                       # 4 s
    source = stream.File(y, SR, speed=speed)
    start = time.perf_counter()
    with stream.Engine(source, Stuck(5 * SR, 1.5), sink) as engine:
        source._thread.join()
        assert time.perf_counter() - start == pytest.approx(4, abs=0.5)     # as if nobody had stalled
        assert engine.wait(20)
    got = np.round(sink.y * 2**24).astype(int)
    gaps = np.diff(got) - 1
    assert (gaps >= 0).all()                                            # in order, none twice
    assert engine.meter.dropped == gaps.sum() == len(y) - len(got)
    assert engine.meter.dropped >= (1.5 * speed - KEPT) * SR - BLOCK
    rows = engine.meter.table()
    over = rows.done[rows.done - rows.taken >= 1.5].iloc[0]
    assert engine.meter.recovery(over) < 1
    assert engine.meter.summary()["compute_worst_ms"] / 1e3 >= 1.5


def test_the_engine_measures_what_its_processor_takes_and_how_long_blocks_wait():
    class Sleeps(stream.Chain):
        def process(self, x):
            time.sleep(0.004 * bool(len(x)))
            return x

    with stream.Engine(stream.File(noise(1), SR), Sleeps()) as engine:
        engine.wait()
    figures = engine.meter.summary()
    rows = engine.meter.table()
    assert figures["blocks"] == 100 and 0.004 <= (rows.done - rows.taken).min() < 0.006
    assert 0 <= (rows.taken - rows.complete).min() < 0.003 and figures["total_p50_ms"] >= figures["compute_p50_ms"]
    assert rows.complete.is_monotonic_increasing and rows.complete.iloc[-1] == pytest.approx(1.0, abs=0.2)


def test_what_a_processor_raises_ends_the_source_and_is_raised_by_stop():
    source = stream.File(noise(60), SR)
    engine = stream.Engine(source, Breaks())
    engine.start()
    assert engine.wait(10) and source.ended and isinstance(engine.error, KeyError)
    with pytest.raises(KeyError, match="no keyboard"):
        engine.stop()
    engine.stop()                                                       # said once
    with pytest.raises(RuntimeError, match="runs once"):
        engine.start()
    with pytest.raises(KeyError), stream.Engine(stream.File(noise(1), SR), Breaks()) as engine:
        engine.wait()


def test_stop_takes_what_still_waits_and_ends_the_threads():
    before, sink = threading.active_count(), Collects()
    source = stream.File(numbers(60), SR, speed=3)
    with stream.Engine(source, stream.Spectral(lambda X: X, 256, 64), sink, block=1000):
        time.sleep(0.3)
    assert threading.active_count() == before and source.ended and source.ring.available == 0
    assert len(sink.y) == source.ring.written > SR // 2
    np.testing.assert_allclose(sink.y, numbers(60)[: len(sink.y)], atol=1e-6)


def test_a_source_without_stamps_or_an_end_serves_too():
    class Endless:
        def __init__(self):
            self.sr, self.ring = SR, stream.RingBuffer(SR)

        def start(self):
            self.ring.write(np.ones(1234))

        def stop(self):
            self.ring.write(np.ones(10))

    sink = Collects()
    with stream.Engine(Endless(), stream.Chain(), sink) as engine:
        time.sleep(0.1)
    assert len(sink.y) == 1244 and engine.meter.blocks == 8 and engine.meter.block == 160


def test_the_soak_tells_what_was_lost_and_what_came():
    seconds, stall = 5.0, KEPT + 0.2
    result = soak.soak(stream.Spectral(lambda X: X, 160, 80), seconds, stall)
    assert result["dropped"] + result["kept"] == result["written"] == seconds * SR and result["dropped"] > 0.1 * SR
    assert result["recovery"] < 1 and result["figures"]["compute_worst_ms"] < 1000
    assert 100 < result["figures"]["blocks"] < 1000 and result["late_ms"][0] <= result["late_ms"][1]
    page = soak.report(result, seconds, stall)
    assert f"{result['dropped']:,} of 80,000 samples were dropped" in page and "Algorithmic latency 10 ms" in page


@pytest.mark.parametrize("wrong", [{"block": 0}, {"shed": 0}, {"shed": -1.0}])
def test_a_scheduler_refuses_numbers_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match=r"at least one sample|above 0"):
        stream.Engine(stream.File(noise(1), SR), stream.Chain(), **wrong)
    with pytest.raises(ValueError, match="at most half"):
        stream.Engine(stream.File(noise(1), SR), stream.Chain(), block=SR + 1)
    with pytest.raises(ValueError, match=r"at least one sample|above 0"):
        stream.simulate(noise(1), SR, stream.Chain(), **{"block": BLOCK, **wrong})


class Bare:
    """A source of nothing but what a test writes, as `widgets.LiveInput` is one: without stamps."""

    def __init__(self, n=0):
        self.sr, self.ring, self.ended, self.n = SR, stream.RingBuffer(SR), False, n

    def start(self):
        self.ring.write(np.ones(self.n))

    def stop(self):
        self.ended = True


def test_a_processor_is_warm_and_reset_before_the_source_starts():
    class Notes(stream.Chain):
        def __init__(self):
            super().__init__()
            self.heard = []

        def process(self, x):
            self.heard.append((len(x), source.ring.written, float(np.abs(x).max(initial=0))))
            return x

        def reset(self):
            self.heard.append("reset")

    source, p = Bare(1600), Notes()
    with stream.Engine(source, p, block=800):
        time.sleep(0.1)
    heard = p.heard[2:]                                                 # the constructor asks what nothing becomes
    assert heard[:5] == [(800, 0, 0)] * 4 + ["reset"] and heard[5] == (800, 1600, 1)


def test_in_silence_the_state_of_a_filter_becomes_zero_and_not_subnormal():
    y = np.zeros(10 * SR, np.float32)
    y[0] = 1
    p, state = stream.Filter(preprocess.butterworth(2, 300, SR, "highpass")), []
    p(y)
    assert 0 < np.abs(p.state).max() < np.finfo(np.float64).tiny        # outside of the engine
    with stream.Engine(stream.File(y, SR, 1600, speed=None), p, types.SimpleNamespace(
            write=lambda out: state.append(p.state))) as engine:
        engine.wait(60)
    assert np.abs(state[0]).max() > 0 and not state[-2].any()


@pytest.mark.parametrize("n, seconds", [(1234, 0.2), (0, 0.4)])
def test_a_live_source_that_falls_silent_ends_the_engine_in_clear_words(n, seconds, monkeypatch):
    monkeypatch.setattr(module, "QUIET", 0.2)
    monkeypatch.setattr(module, "PATIENCE", 0.4)                        # at first somebody has to allow it
    source = Bare(n)
    source.status = "nobody knows"
    engine, begun = stream.Engine(source, stream.Chain()), time.perf_counter()
    engine.start()
    assert engine.wait(20) and source.ended and seconds < time.perf_counter() - begun < seconds + 1
    with pytest.raises(audio.AudioError, match=r"no sound has come for .* \(nobody knows\)\. See that it is there"):
        engine.stop()


def test_a_file_may_be_slow(monkeypatch):
    monkeypatch.setattr(module, "QUIET", 0.05)
    with stream.Engine(stream.File(noise(0.4), SR, 3200), stream.Chain()) as engine:
        assert engine.wait(20)


def test_a_source_at_another_rate_than_the_engine_was_made_for_is_refused():
    source = Bare(1600)
    engine = stream.Engine(source, stream.Chain())
    source.sr = 48000                                                   # what a browser may say when it starts
    engine.start()
    assert engine.wait(20) and source.ended
    with pytest.raises(audio.AudioError, match="48000 Hz, and the engine was made for 16000"):
        engine.stop()


def test_the_browser_s_microphone_says_its_block_in_seconds():
    live = widgets.LiveInput()
    live.send = lambda message, buffers=None: None
    sink = Collects()
    with stream.Engine(live, stream.Chain(), sink) as engine:
        live._receive(live, {"event": "start", "sr": SR, "stream": "s"}, [])
        for k in range(5):
            live._receive(live, {"event": "block", "number": k, "stream": "s"},
                          [memoryview(numbers(1)[1600 * k : 1600 * (k + 1)].tobytes())])
    assert engine.meter.block == 1600 and engine.meter.blocks >= 1
    np.testing.assert_array_equal(sink.y, numbers(0.5))


def test_what_is_overtaken_during_the_read_is_told_to_the_processor_at_once():
    class Skips(stream.Chain):
        heard = ()

        def skip(self, n):
            self.heard += (("lost", n),)

        def process(self, x):
            self.heard += tuple(np.round(x[:1] * 2**24))
            return x

    class Overtaken(stream.RingBuffer):
        def read(self, n):
            if self.written == 400:                                     # between the look and the read
                self.write(y[400:700])
            return super().read(n)

    y, source, p = numbers(1), Bare(), Skips()
    source.ring = Overtaken(400)
    loop = module.Loop(source, p, lambda out: None, 100, None, stream.Meter(SR, 100),
                       types.SimpleNamespace(ended=False, when=lambda n: 0, now=lambda: 0, took=lambda *a: None))
    source.ring.write(y[:400])
    loop.turn()
    loop.turn()
    assert p.heard == (("lost", 300), 300, 400)


# ------------------------------------------------------------------------- files


def test_a_file_comes_as_it_would_be_played(tmp_path):
    y = np.stack([noise(0.3), noise(0.3, 1)])
    audio.save(tmp_path / "two.wav", y, SR, bits=32)
    start = time.perf_counter()
    with stream.File(tmp_path / "two.wav") as source:
        while not source.ended:
            time.sleep(0.001)
    assert 0.29 < time.perf_counter() - start < 1
    np.testing.assert_allclose(source.ring.read(10**6), y.mean(axis=0), atol=1e-7)
    times = source.stamps.times[:30]
    assert source.stamps.numbers[29] == len(y[0]) and (np.diff(times) > 0).all()
    assert np.median(np.diff(times)) == pytest.approx(0.01, abs=0.005)
    assert stream.File(tmp_path / "two.wav", sr=8000).sr == 8000


def test_a_file_without_speed_waits_for_its_reader():
    y, got = numbers(10 * KEPT), []
    with stream.File(y, SR, speed=None) as source:
        while not source.ended or source.ring.available:
            got.append(source.ring.read(7000))
    np.testing.assert_array_equal(np.concatenate(got), y)
    assert source.ring.dropped == 0


@pytest.mark.parametrize("make", [
    lambda: stream.File(np.ones(3)), lambda: stream.File(np.ones(3), SR, speed=0),
    lambda: stream.File(np.ones(3), SR, 0), lambda: stream.File(np.ones(3), SR, seconds=0.001),
    lambda: stream.File(np.ones((2, 3)), SR), lambda: stream.File(np.array([1, np.nan]), SR),
    lambda: stream.File(np.ones(3, int), SR), lambda: stream.Microphone(SR, 0), lambda: stream.File("none.wav")])
def test_a_source_refuses_what_is_no_sound(make):
    with pytest.raises(ValueError):
        make()


def test_a_recording_has_its_name_when_it_is_complete(tmp_path):
    path, y = tmp_path / "sub" / "take.wav", 3 * noise(1)               # beyond full scale
    with stream.Recording(path, SR) as sink:
        for piece in np.split(y, [3, 3, 9000]):
            sink.write(piece)
        assert not path.exists()
    got, sr = audio.load(path)
    np.testing.assert_array_equal(got, y)
    assert sr == SR and list(path.parent.iterdir()) == [path]


def test_an_interrupted_recording_leaves_nothing_and_the_older_one(tmp_path):
    path = tmp_path / "take.wav"
    audio.save(path, noise(0.1), SR)
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt), stream.Recording(path, SR) as sink:
        sink.write(noise(1))
        raise KeyboardInterrupt
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]

    source = stream.File(noise(1), SR)
    with pytest.raises(KeyError), stream.Recording(path, SR) as sink, stream.Engine(source, Breaks(), sink) as engine:
        engine.wait()
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_recording_refuses_what_it_cannot_write(tmp_path):
    with pytest.raises(audio.AudioError, match=r"must end in \.wav"):
        stream.Recording(tmp_path / "take.mp3", SR)
    (tmp_path / "file").write_text("")
    with pytest.raises(audio.AudioError, match="cannot be written"):
        stream.Recording(tmp_path / "file" / "take.wav", SR)
    with stream.Recording(tmp_path / "take.wav", SR) as sink:
        with pytest.raises(ValueError, match="NaN"):
            sink.write(np.array([np.nan], np.float32))
        sink.write(noise(0.1))
    assert len(audio.load(tmp_path / "take.wav")[0]) == SR // 10


# ------------------------------------------------------------------------- the sound card


class Flags:
    def __init__(self, *set):
        self.input_overflow, self.output_underflow = "input_overflow" in set, "output_underflow" in set

    def __bool__(self):
        return self.input_overflow or self.output_underflow


@pytest.fixture
def card(monkeypatch):
    """A module in the place of sounddevice whose streams are driven by hand."""
    module = types.ModuleType("sounddevice")
    module.opened = []

    class PortAudioError(Exception):
        pass

    class Opened:
        def __init__(self, **options):
            if options["device"] == "none":
                raise PortAudioError("Error querying device -1")
            self.options, self.state = options, "open"
            module.opened.append(self)

        def start(self):
            self.state = "running"

        def close(self):
            self.state = "closed"
            self.options["finished_callback"]()

        def comes(self, y, *flags):
            self.options["callback"](np.asarray(y, np.float32)[:, None], len(y), None, Flags(*flags))

        def fetches(self, n, *flags):
            out = np.full((n, 1), 9, np.float32)
            self.options["callback"](out, n, None, Flags(*flags))
            return out[:, 0]

    module.PortAudioError, module.InputStream, module.OutputStream = PortAudioError, Opened, Opened
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def test_a_microphones_callback_copies_and_counts_and_nothing_else(card):
    with stream.Microphone(SR, 80) as microphone:
        [opened] = card.opened
        assert opened.state == "running"
        assert {name: opened.options[name] for name in (
                "samplerate", "blocksize", "latency", "channels", "dtype", "device")} == {
            "samplerate": SR, "blocksize": 0, "latency": "low", "channels": 1, "dtype": "float32", "device": None}
        y = noise(0.01)
        opened.comes(y[:80])
        opened.comes(y[80:], "input_overflow")
        opened.comes(y[:10], "output_underflow")
        assert (microphone.xruns, microphone.ended) == (1, False)
        np.testing.assert_array_equal(microphone.ring.read(999), np.concatenate([y, y[:10]]))
        assert list(microphone.stamps.numbers[:3]) == [80, 160, 170]
        block = np.ones((30_000, 1), np.float32)
        tracemalloc.start()
        opened.options["callback"](block, len(block), None, Flags())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 10_000
    assert opened.state == "closed" and microphone.ended


def test_speakers_play_what_was_written_and_count_when_there_is_nothing(card):
    with stream.Speakers(SR, 80, ahead=160) as sink:
        [opened] = card.opened
        y = numbers(1)
        assert not opened.fetches(80).any() and sink.underruns == 0     # nothing was promised yet
        sink.write(y[:100])
        assert not opened.fetches(80).any() and sink.underruns == 0     # the cushion is not full
        sink.write(y[100:200])
        np.testing.assert_array_equal(opened.fetches(80), y[:80])
        np.testing.assert_array_equal(opened.fetches(80), y[80:160])
        last = opened.fetches(80, "output_underflow")
        np.testing.assert_array_equal(last, np.concatenate([y[160:200], np.zeros(40)]))
        assert (sink.underruns, sink.xruns) == (1, 1)
        assert not opened.fetches(80).any() and sink.underruns == 1     # one gap is one underrun
        sink.write(np.array([5, -5] * 80, np.float32))
        assert set(opened.fetches(80)) == {1, -1}                       # as far as a sound card goes
        with pytest.raises(ValueError, match="NaN"):
            sink.write(np.array([np.nan], np.float32))
        assert sink.ring.written == 360
    assert opened.state == "closed"


def test_the_engine_counts_the_xruns_of_both_ends(card):
    source, sink = stream.Microphone(SR, 160), stream.Speakers(SR, 160, ahead=160)
    with sink, stream.Engine(source, stream.Chain(), sink) as engine:
        speakers, microphone = card.opened
        for k in range(5):
            microphone.comes(numbers(1)[k * 160 : (k + 1) * 160], *["input_overflow"] * (k == 2))
        while sink.ring.written < 800:
            time.sleep(0.001)
        played = np.concatenate([speakers.fetches(160) for _ in range(6)])
    np.testing.assert_array_equal(played[:800], numbers(1)[:800])
    assert engine.meter.summary()["xruns"] == 2 and engine.meter.blocks == 5


def test_after_a_stall_the_speakers_leave_out_what_would_be_late_for_ever(card):
    y = numbers(3)
    with stream.Speakers(SR, 160) as sink:
        [opened] = card.opened
        sink.write(y[: 2 * 320 + 1600])                                 # twice the cushion and 0.1 s: as long as may be
        np.testing.assert_array_equal(opened.fetches(160), y[:160])
        assert sink.skipped == 0
        sink.write(y[2240:16000])                                       # all that waited meanwhile, at once
        np.testing.assert_array_equal(opened.fetches(160), y[15680:15840])
        assert sink.skipped == 16000 - 160 - 320 and sink.underruns == 0
        sink.write(y)                                                   # more than the ring holds
        np.testing.assert_array_equal(opened.fetches(160), y[-320:-160])
        assert sink.skipped == 16000 - 160 - 320 + len(y) - 160 and sink.underruns == 0


def test_the_cushion_is_two_of_the_blocks_that_come_unless_it_is_given(card):
    source = stream.File(noise(1), SR)
    with stream.Speakers(SR) as sink, stream.Speakers(SR, ahead=200) as given, stream.Speakers(SR, 4000) as long:
        for one in (sink, given, long):
            stream.Engine(source, stream.Chain(), one, block=1600)
        assert (sink.ahead, given.ahead, long.ahead) == (3200, 200, 8000)
        given.write(noise(0.1)[:300])
        assert not card.opened[1].fetches(400).any() and given.underruns == 0   # longer than the cushion: it waits
        given.write(noise(0.1)[:100])
        assert card.opened[1].fetches(400).all() and given.underruns == 0


def test_what_the_speakers_leave_out_stands_in_the_meter(card):
    source = Bare(SR - 160)
    with stream.Speakers(SR) as sink, stream.Engine(source, stream.Chain(), sink) as engine:
        while sink.ring.written < SR - 160:
            time.sleep(0.001)
        card.opened[0].fetches(160)
        source.ring.write(np.ones(160))
    assert engine.meter.summary()["skipped"] == sink.skipped == SR - 480
    assert f"{SR - 480} left out by the sink" in repr(engine.meter)


def test_a_sound_card_that_ends_a_stream_ends_the_engine_in_clear_words(card):
    microphone = stream.Microphone(SR)
    engine = stream.Engine(microphone, stream.Chain())
    engine.start()
    card.opened[0].comes(noise(0.1))
    assert not engine.wait(0.05) and not microphone.ended
    card.opened[0].options["finished_callback"]()
    assert engine.wait(20) and microphone.ended and engine.meter.blocks == 10
    with pytest.raises(audio.AudioError, match="sound card has ended the stream"):
        engine.stop()
    with stream.Microphone(SR) as microphone:
        pass
    assert microphone.ended and not microphone.broken                   # somebody stopped it
    with stream.Speakers(SR) as sink:
        card.opened[-1].options["finished_callback"]()
        with pytest.raises(audio.AudioError, match="closed, or their device is gone"):
            sink.write(noise(0.1))


@pytest.mark.parametrize("make", [lambda: stream.Microphone(SR).start(), lambda: stream.Speakers(SR)])
def test_without_portaudio_one_line_says_what_to_install(make, monkeypatch, card):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(audio.AudioError, match="pip install sounddevice"):
        make()

    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice")
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(audio.AudioError, match=r"libportaudio2.*LiveInput, needs nothing"):
        make()


@pytest.mark.parametrize("make", [lambda: stream.Microphone(SR, device="none").start(),
                                  lambda: stream.Speakers(SR, device="none")])
def test_without_a_device_one_line_says_so(make, card):
    with pytest.raises(audio.AudioError, match=r"no (microphone|loudspeakers) at 16000 Hz: Error querying device -1"):
        make()
