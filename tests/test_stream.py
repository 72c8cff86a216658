"""The ring buffer against a plain model, and with a writer that does not wait."""

import doctest
import sys
import threading
from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolab.stream import RingBuffer
from audiolab.stream import ring as module

STEPS = st.lists(st.tuples(st.sampled_from(["write", "read", "skip", "latest"]), st.integers(0, 25)), max_size=40)


@given(capacity=st.integers(1, 12), channels=st.sampled_from([None, 1, 3]), steps=STEPS)
def test_it_does_what_a_deque_of_samples_does(capacity, channels, steps):
    ring, model, unread, count, taken = RingBuffer(capacity, channels), deque(maxlen=capacity), 0, 0, 0

    def block(numbers):
        one = np.array(numbers, np.float32)
        return one if channels is None else np.stack([one + 1000 * c for c in range(channels)])

    for action, n in steps:
        if action == "write":
            dropped = ring.write(block(range(count, count + n)))
            model.extend(range(count, count + n))
            assert dropped == max(0, unread + n - capacity)
            count, unread = count + n, min(unread + n, capacity)
        elif action == "read":
            waiting = list(model)[len(model) - unread:]
            np.testing.assert_array_equal(ring.read(n), block(waiting[:n]))
            taken, unread = taken + min(n, unread), unread - min(n, unread)
        elif action == "skip":
            assert ring.skip(n) == min(n, unread)
            unread -= min(n, unread)
        else:
            np.testing.assert_array_equal(ring.latest(n), block(list(model)[-n:] if n else []))
        assert (ring.available, ring.written, ring.taken) == (unread, count, taken)
        assert action not in ("read", "skip") or not n or ring.passed == count - unread
        assert ring.written == ring.taken + ring.dropped + ring.available


def test_what_is_read_is_a_copy_of_float32():
    ring = RingBuffer(4)
    ring.write(np.arange(4, dtype=np.float64))
    y, newest = ring.read(4), ring.latest(4)
    ring.write(np.full(4, 9.0))
    assert y.dtype == newest.dtype == np.float32 and list(y) == list(newest) == [0, 1, 2, 3]


def test_writing_makes_no_array():
    import tracemalloc

    ring, block = RingBuffer(50_000), np.ones(30_000, np.float32)
    tracemalloc.start()
    try:
        for _ in range(5):
            ring.write(block)
        assert tracemalloc.get_traced_memory()[1] < 10_000           # bytes; a block has 120,000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("channels, block", [
    (None, np.zeros((1, 5))), (None, np.float32(3)), (2, np.zeros(5)), (2, np.zeros((3, 5)))])
def test_a_block_of_another_shape_is_refused_and_nothing_changes(channels, block):
    ring = RingBuffer(4, channels)
    with pytest.raises(ValueError, match="takes blocks of shape"):
        ring.write(block)
    assert ring.written == ring.available == ring.dropped == 0


@pytest.mark.parametrize("size", [(0,), (-3,), (4, 0)])
def test_a_buffer_holds_something(size):
    with pytest.raises(ValueError, match="at least 1"):
        RingBuffer(*size)


def test_a_reader_beside_a_writer_gets_every_sample_once_or_it_is_counted():
    ring, total, samples = RingBuffer(977), 200_000, []
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 400, 4000)
    stream_of_numbers = np.arange(total, dtype=np.float32)             # exact up to 2**24

    def produce():
        at = 0
        while at < total:
            for n in sizes:
                ring.write(stream_of_numbers[at:at + n])
                at = min(at + int(n), total)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)                                          # threads change places often
    writer = threading.Thread(target=produce)
    try:
        writer.start()
        while writer.is_alive() or ring.available:
            samples.append(ring.read(300))
            newest = ring.latest(200)
            assert (np.diff(newest) == 1).all()
        writer.join()
    finally:
        sys.setswitchinterval(interval)
    assert all((np.diff(y) == 1).all() for y in samples)                 # no piece is mixed from two rounds
    y = np.concatenate(samples)
    assert (np.diff(y) > 0).all()                                        # in order, none twice
    assert ring.written == total and ring.taken == len(y)
    assert ring.dropped == total - len(y) and ring.available == 0


def test_what_the_writer_overwrites_during_a_read_is_thrown_away(monkeypatch):
    ring, copy = RingBuffer(10), np.concatenate
    ring.write(np.arange(10))

    def overtaken(parts, axis):                                          # the parts still look into the buffer
        ring.write(np.arange(10, 14))
        return copy(parts, axis=axis)

    monkeypatch.setattr(module.np, "concatenate", overtaken)
    assert list(ring.read(8)) == [4, 5, 6, 7] and ring.dropped == 4
    monkeypatch.undo()
    assert list(ring.read(10)) == [8, 9, 10, 11, 12, 13] and ring.written == ring.taken + ring.dropped


def test_a_read_in_the_middle_of_a_write_sees_nothing_of_it():
    ring, seen = RingBuffer(10), []

    class Block(np.ndarray):
        def __getitem__(self, where):
            seen.append((list(ring.latest(10)), ring.written))           # before each step of the writer's
            return super().__getitem__(where)

    ring.write(np.arange(17))                                            # the next goes into slots 7 to 9, then 0 to 2
    ring.write(np.arange(17, 23).view(Block))
    assert seen == [([13, 14, 15, 16], 17)] * 3                          # what will go is gone, what comes is not there
    assert list(ring.latest(10)) == list(range(13, 23))


def test_the_example_of_the_docstring():
    assert doctest.testmod(module, extraglobs={"np": np}).failed == 0
