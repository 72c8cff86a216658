"""What stands between two threads that do not wait for each other."""

import bisect
import time

import numpy as np


class RingBuffer:
    """The last `capacity` samples of a stream, kept in one array that is filled round and round.

    One thread writes (the microphone's), another reads (yours), at different times and in blocks of
    different sizes. Sample number i of the stream lies in slot ``i % capacity``, so that nothing ever
    moves: the end of the array continues at its beginning.

    The writer must never wait: sound arrives whether or not anybody is ready. So there is no lock, and
    `write` makes no array. When the reader falls behind by more than `capacity`, the oldest unread samples
    are overwritten, and counted as dropped: who listens wants to hear now, not a minute ago.

    It works without a lock because each counter has one owner. The writer says first up to where it is
    about to overwrite (`claimed`), then copies, then says what is complete (`written`). The reader takes only
    what is complete, and looks at `claimed` after its own copy: what was overwritten meanwhile it throws away.
    That these steps are seen in this order is the work of Python's global interpreter lock. In C the compiler and the
    processor may swap them: there `claimed` and `written` are atomics, stored with release and loaded with acquire.

    Parameters
    ----------
    capacity : int
        Samples to keep, per channel. All memory is taken here, once.
    channels : int, optional
        None for one channel, blocks of shape [n]; else blocks are of shape [channels, n].

    Attributes
    ----------
    capacity : int
    written : int
        Samples written so far. ``written == taken + dropped + available`` whenever nobody is at work.
    taken : int
        Samples that `read` has returned so far.
    passed : int
        Number of the sample behind the last read: those before it were taken or dropped.

    Raises
    ------
    ValueError
        If `capacity` or `channels` is below 1.

    Examples
    --------
    >>> ring = RingBuffer(4)
    >>> ring.write(np.array([1, 2, 3])), ring.write(np.array([4, 5]))        # 5 takes the place of 1
    (0, 1)
    >>> ring.latest(2), ring.read(3), ring.available
    (array([4., 5.], dtype=float32), array([2., 3., 4.], dtype=float32), 1)

    Taught in: notebooks/00_start_here.ipynb, "What does my voice look like?"
    """

    def __init__(self, capacity, channels=None):
        if capacity < 1 or (channels is not None and channels < 1):
            raise ValueError(f"A ring buffer holds at least 1 sample of 1 channel, not {capacity} of {channels}.")
        self.capacity = capacity
        self._slots = np.zeros((capacity,) if channels is None else (channels, capacity), np.float32)
        self._claimed = self.written = 0            # the writer's: next sample's number, before and after the copy
        self._next = self.taken = 0                 # the reader's: next sample's number, and how many it had

    @property
    def available(self):
        """Samples that `read` could return now: int, 0 to `capacity`."""
        return self.written - max(self._next, self._oldest(self.written))

    @property
    def passed(self):
        return self._next

    @property
    def dropped(self):
        """Samples that nobody read, because they were overwritten or left out: int."""
        return max(self._next, self._oldest(self._claimed)) - self.taken

    def write(self, block):
        """Append a block. The writer's thread alone calls this.

        Parameters
        ----------
        block : np.ndarray, shape [n] or [channels, n]
            Any n, also more than `capacity`: its end is kept.

        Returns
        -------
        int
            Unread samples that were dropped to make room.

        Raises
        ------
        ValueError
            If the shape is not that of the buffer.
        """
        if np.ndim(block) != self._slots.ndim or block.shape[:-1] != self._slots.shape[:-1]:
            raise ValueError(f"This buffer takes blocks of shape {[*self._slots.shape[:-1], 'n']}, "
                             f"not {list(np.shape(block))}.")
        n, read = block.shape[-1], self._next
        before = max(read, self._oldest(self._claimed))
        self._claimed = end = self.written + n
        begin = max(self.written, self._oldest(end))        # of a block beyond the capacity, its end
        kept = block[..., n - (end - begin):]
        slot = begin % self.capacity
        first = min(self.capacity - slot, end - begin)      # samples until the array ends
        self._slots[..., slot:slot + first] = kept[..., :first]
        self._slots[..., :end - begin - first] = kept[..., first:]
        self.written = end
        return max(read, self._oldest(end)) - before

    def read(self, n):
        """Take the oldest unread samples. The reader's thread alone calls this.

        Parameters
        ----------
        n : int
            At most so many.

        Returns
        -------
        np.ndarray, shape [m] or [channels, m], float32
            A copy; m is smaller than `n` when fewer are there, or when the writer overtook this read.
        """
        y = self._copy(*self._move_on(n))
        self.taken += y.shape[-1]
        return y

    def read_into(self, out):
        """As `read`, into an array that is there already: for a callback that may not make one.

        Parameters
        ----------
        out : np.ndarray, shape [n] or [channels, n]
            Filled from its beginning.

        Returns
        -------
        int
            Samples that it got, at most n; what lies behind them in `out` means nothing.
        """
        start, stop = self._move_on(out.shape[-1])
        slot, m = start % self.capacity, stop - start
        first = min(self.capacity - slot, m)
        out[..., :first] = self._slots[..., slot:slot + first]
        out[..., first:m] = self._slots[..., :m - first]
        if lost := self._overtaken(start, stop):
            out[..., :m - lost] = out[..., lost:m]
        self.taken += m - lost
        return m - lost

    def skip(self, n):
        """Pass over the oldest unread samples, which count as dropped. The reader's thread alone calls this.

        Parameters
        ----------
        n : int
            At most so many.

        Returns
        -------
        int
            Samples that were skipped.
        """
        start, stop = self._move_on(n)
        return stop - start

    def latest(self, n):
        """Look at the newest samples, read or not; they stay to be read.

        Parameters
        ----------
        n : int
            At most so many.

        Returns
        -------
        np.ndarray, shape [m] or [channels, m], float32
            A copy; m is smaller than `n` when fewer were ever written, or fit in.
        """
        written = self.written
        return self._copy(max(written - max(n, 0), self._oldest(written)), written)

    def _oldest(self, end):
        """Number of the oldest sample that is there when `end` samples have come."""
        return max(0, end - self.capacity)

    def _move_on(self, n):
        """The reader's next samples, n at most, which are its own now: numbers of the first and of the one after."""
        written = self.written
        start = max(self._next, self._oldest(written))
        self._next = max(start, min(start + n, written))
        return start, self._next

    def _overtaken(self, start, stop):
        """Of samples `start` to `stop`, which were just copied, how many the writer has claimed meanwhile."""
        return max(0, min(self._oldest(self._claimed), stop) - start)

    def _copy(self, start, stop):
        """Samples `start` to `stop`, less those that were overwritten while they were copied."""
        slot = start % self.capacity
        first = min(self.capacity - slot, stop - start)
        y = np.concatenate([self._slots[..., slot:slot + first], self._slots[..., :stop - start - first]], axis=-1)
        return y[..., self._overtaken(start, stop):]


class Stamps:
    """When how many samples had come: the last times that a source wrote, in arrays that are taken once.

    The source's thread calls `mark`, another calls `when`. As in `RingBuffer` nobody waits: `count` is written last.

    Parameters
    ----------
    size : int
        How many are kept.

    Taught in: notebooks/13_real_time.ipynb, "What stands between two clocks?"
    """

    def __init__(self, size):
        self.size, self.count = size, 0
        self.numbers, self.times = np.zeros(size, np.int64), np.zeros(size)

    def mark(self, written):
        """So many samples have been written, now."""
        slot = self.count % self.size
        self.numbers[slot], self.times[slot] = written, time.perf_counter()
        self.count += 1

    def when(self, n):
        """Seconds by `time.perf_counter` at which `n` samples were there; now, if they are not marked yet."""
        kept = range(max(0, self.count - self.size + 1), self.count)            # the oldest may just be overwritten
        at = bisect.bisect_left(kept, n, key=lambda k: self.numbers[k % self.size])
        return float(self.times[kept[at] % self.size]) if at < len(kept) else time.perf_counter()
