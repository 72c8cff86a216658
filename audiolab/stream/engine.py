"""The block scheduler: takes what a source delivers through a processor to a sink, and says how it went.

One loop serves two clocks. On the clock of the wall it runs in a thread (`Engine`). On a simulated one (`simulate`) ten
minutes of sound pass in seconds, and a stall happens when it is told to.
"""

import threading
import time

import numpy as np
import torch

from .. import audio
from .blocks import joined, samples
from .ends import NAP
from .meter import Meter
from .ring import RingBuffer

WARM = 0.2                      # seconds of silence that a processor hears before the stream begins
QUIET = 3.0                     # seconds without sound from a live source: it is dead
PATIENCE = 60.0                 # so long, before its first sound: somebody has to allow the microphone


class Loop:
    """The loop's body: take a block if there is one, let it be processed, pass on what comes, write down when.

    Parameters
    ----------
    source
        With `ring` and `sr`.
    processor : Processor
    write : callable
        Is given what comes out.
    block : int
        Samples.
    shed : float or None
        Seconds of sound: when more is waiting, blocks go past the processor until none waits.
    meter : Meter
    clock
        ``now()`` in seconds; ``when(n)``, at which n samples had come; ``took(seconds, past)``, told how
        long a block was at work, and whether it went past the processor; ``ended``, whether no more will come.
    """

    def __init__(self, source, processor, write, block, shed, meter, clock):
        if block < 1 or (shed is not None and not shed > 0):
            raise ValueError(f"A block has at least one sample, and shed is seconds above 0 or None: not {block} and "
                             f"{shed}.")
        self.source, self.processor, self.write, self.block = source, processor, write, block
        self.meter, self.clock, self.shed = meter, clock, shed
        processor.reset()
        self._nothing = processor(np.zeros(0, np.float32))              # no samples, no columns or no events
        self._signal = isinstance(self._nothing, np.ndarray) and self._nothing.ndim == 1
        self._lag, self._next, self._behind = processor.delay, 0, False
        self._past = np.zeros(processor.delay + processor.latency + block, np.float32)      # and no lag is longer

    def turn(self):
        """One block, if there is one: whether there was."""
        ring, ended = self.source.ring, self.clock.ended
        waiting = ring.available
        if not waiting or (waiting < self.block and not ended):
            return False
        x = ring.read(self.block)
        first = ring.passed - len(x)                                    # number of its first sample
        if first > self._next:
            self.processor.skip(first - self._next)
        self._next = ring.passed
        complete, taken, started = self.clock.when(first + len(x)), self.clock.now(), time.perf_counter()
        if self.shed is not None:                                       # two thresholds: each change of way is a seam
            self._behind = waiting > (self.block if self._behind else self.shed * self.source.sr)
        self.write(self._processed(x))
        self.clock.took(time.perf_counter() - started, self._behind)
        self.meter.record(first, complete, taken, self.clock.now(), -(-waiting // self.block), self._behind,
                          ring.dropped)
        return True

    def _processed(self, x):
        """What comes out for a block. When too much waits, that is the sound itself, as late as the processor is.

        The processor goes on afterwards as if the piece had never been, which can be heard. One that gives columns or
        events gives none for it.
        """
        if self._signal:
            self._past = np.concatenate([self._past[len(x) :], x])
        if not self._behind:
            y = self.processor(x)
            self._lag += len(x) - len(y) if self._signal else 0         # what it keeps until a hop is full
            return y
        self.processor.skip(len(x))
        end = len(self._past) - self._lag
        return self._past[end - len(x) : end] if self._signal else self._nothing


class Simulated:
    """A source and a clock: a recording comes on time whatever happens, and time passes only as it is told to.

    Parameters
    ----------
    y, sr, block, capacity, cost, stalls
        As for `simulate`.
    """

    def __init__(self, y, sr, block, capacity, cost, stalls):
        self.y, self.sr, self.block, self.cost = samples(y), sr, block, cost
        self.ring, self.stalls = RingBuffer(capacity), sorted(stalls)
        self.time, self.turns = 0.0, 0

    @property
    def ended(self):
        return self.ring.written == len(self.y)

    def now(self):
        """Seconds."""
        return self.time

    def when(self, n):
        """The end of the block in which sample n came."""
        return min(-(-n // self.block) * self.block, len(self.y)) / self.sr

    def took(self, seconds, past):
        """A block was at work so long, or as long as `cost` says: meanwhile more comes."""
        if self.cost is not None:
            seconds = 0.0 if past else self.cost(self.turns)
        self._until(self.time + seconds)
        self.turns += 1

    def wait(self):
        """There is nothing to do until the next block is complete."""
        self._until(self.when(self.ring.written + 1))

    def stall(self):
        """If the consumer is to be kept away now, until it is let go."""
        while self.stalls and self.stalls[0][0] <= self.time:
            self._until(max(self.time, sum(self.stalls.pop(0))))

    def _until(self, time):
        self.time = time
        come = int(time * self.sr / self.block + 1e-6) * self.block
        come = len(self.y) if time >= len(self.y) / self.sr - 1e-9 else come
        self.ring.write(self.y[self.ring.written : come])               # nobody is asked: what is unread may go


def simulate(y, sr, processor, block, capacity=None, cost=None, stalls=(), shed=None):
    """Let a recording run through a processor on a simulated clock.

    The source delivers a block whenever one is due. The consumer takes, works, and takes the next, or waits for it.
    Time passes by what it works, and by what it waits, so that ten minutes of sound take no longer than the work.

    Parameters
    ----------
    y : np.ndarray, shape [n]
    sr : int
    processor : Processor
        It is reset before and after. ``Chain()`` does nothing.
    block : int
        Samples.
    capacity : int, optional
        Of the ring buffer, in samples; two seconds when not given.
    cost : callable, optional
        ``cost(k)`` is how many seconds the k-th block that is taken is at work, if it does not go past the processor.
        When not given, it is measured.
    stalls : sequence of (float, float)
        At how many seconds the consumer stops, and for how many.
    shed : float, optional
        Seconds of sound: when more is waiting, blocks go past the processor until it has caught up.

    Returns
    -------
    out : np.ndarray or list
        What the processor gave, put together.
    meter : Meter

    Raises
    ------
    ValueError
        If the signal is none, or a number is out of range.

    Taught in: notebooks/13_real_time.ipynb, "What if nobody takes the sound?"
    """
    source = Simulated(y, sr, block, 2 * sr if capacity is None else capacity, cost, stalls)
    meter, out = Meter(sr, block, processor.latency), []
    loop = Loop(source, processor, out.append, block, shed, meter, source)
    while not source.ended or source.ring.available:
        source.stall()
        if not loop.turn():
            source.wait()
    out.append(processor.flush())
    return joined(out), meter


class Engine:
    """A source, a processor and a sink, joined by a thread that takes block after block.

    Parameters
    ----------
    source
        From this package or `widgets.LiveInput`. The engine starts and stops it.
    processor : Processor
        Before the source starts it hears 0.2 s of silence, and is reset: the first calls of a network are slow.
    sink : optional
        ``sink.write(out)`` is called by the thread; whoever opened the sink closes it.
    block : int, optional
        Samples at a time; the source's own when not given.
    shed : float, optional
        Seconds of sound: when more is waiting, blocks go past the processor until it has caught up.

    Attributes
    ----------
    meter : Meter
        Times are seconds since the start.
    error : Exception or None
        What the processor or the sink raised; or an AudioError, if a live source fell silent: no block for 3 s, or
        none for a minute at first, or its device is gone. The source was stopped then, and `stop` raises it.

    Raises
    ------
    ValueError
        If a number is out of range, or a block longer than half of the source's ring buffer.

    Notes
    -----
    How does the thread learn that a block has come? An Event that the source sets wakes it within 0.1 ms; but
    ``Event.set`` takes a lock, and the callback of a sound card must never wait for one. So it looks, and sleeps 1 ms
    in between: half of the blocks are seen within 0.6 ms, and it costs 2 % of a core (two cores, blocks of 5 ms).

    Python runs one thread at a time. A processor in plain Python keeps the source's thread from writing for about 5 ms
    (``sys.getswitchinterval``); NumPy and PyTorch let the interpreter go where they work for long.

    In silence the state of a recursive filter fades into subnormal numbers (float64: below 2e-308) and stays there, and
    processors compute slowly with those. So the thread has them flushed to zero.

    Examples
    --------
    >>> with Recording("clean.wav", 16000) as sink, Engine(Microphone(), Denoiser(model), sink) as engine:
    ...     engine.wait(10)                                              # doctest: +SKIP
    >>> engine.meter                                                     # doctest: +SKIP

    Taught in: notebooks/13_real_time.ipynb, "What stands between two clocks?"
    """

    def __init__(self, source, processor, sink=None, block=None, shed=None):
        self.source, self.processor, self.sink = source, processor, sink
        if block is None:
            block = getattr(source, "block", 0.01)
            block = round(block * source.sr) if isinstance(block, float) else block      # LiveInput's is in seconds
        self.meter, self.error = Meter(source.sr, block, processor.latency), None
        if 2 * block > source.ring.capacity:
            raise ValueError(f"Blocks of {block} samples would hardly fit into the source's ring buffer of "
                             f"{source.ring.capacity}: take at most half of it.")
        self._stamps, self._start, self._stopping = getattr(source, "stamps", None), 0.0, False
        self._loop = Loop(source, processor, self._write, block, shed, self.meter, self)
        if hasattr(sink, "expect"):
            sink.expect(block)
        self._thread = threading.Thread(target=self._run, name="audiolab-engine", daemon=True)

    # ------------------------------------------------------------------------------------- from outside

    def start(self):
        """Begin, once."""
        if self._thread.ident is not None:
            raise RuntimeError("An engine runs once: its processor and its source have ended. Make another one.")
        block = self.meter.block
        for _ in range(-(-round(WARM * self.meter.sr) // block)):
            self.processor(np.zeros(block, np.float32))
        self.processor.reset()
        self._start = time.perf_counter()
        self.source.start()
        self._thread.start()

    def wait(self, timeout=None):
        """Until the source has ended and all of it is processed, or for `timeout` seconds: whether it came to that."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def stop(self):
        """Stop the source, process what still waits, and end. Raises what the processor or the sink raised."""
        self.source.stop()
        self._stopping = True
        if self._thread.is_alive():
            self._thread.join()
        error, self.error = self.error, None
        if error is not None:
            raise error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        self.stop()

    # ------------------------------------------------------------------------------------- its own thread

    @property
    def ended(self):
        """Whether the source will deliver no more: bool."""
        return self._stopping or getattr(self.source, "ended", False)

    def now(self):
        """Seconds since the start."""
        return time.perf_counter() - self._start

    def when(self, n):
        """At which second n samples had come, by what the source noted; else now, when they are seen."""
        return self.now() if self._stamps is None else self._stamps.when(n) - self._start

    def took(self, seconds, past):
        """On this clock the time has passed by itself."""

    def _write(self, out):
        if self.sink is not None:
            self.sink.write(out)

    def _run(self):
        torch.set_flush_denormal(True)                          # in this thread, also for what SciPy does there
        try:
            written, came = 0, self.now()
            while True:
                ended = self.ended                              # before the look: what came until then is seen by it
                if self._loop.turn():
                    self._count()
                elif ended:
                    break
                else:
                    time.sleep(NAP)
                if self.source.sr != self.meter.sr:             # a browser may have another than it was asked for
                    raise audio.AudioError(f"the source delivers {self.source.sr} Hz, and the engine was made for "
                                           f"{self.meter.sr}: make it anew, with a processor for that rate.")
                if written != self.source.ring.written:
                    written, came = self.source.ring.written, self.now()
                elif self.now() - came > (QUIET if written else PATIENCE) and getattr(self.source, "live", True):
                    raise audio.AudioError(self._silence(f"no sound has come for {self.now() - came:.0f} s"))
            self._write(self.processor.flush())
            if getattr(self.source, "broken", False):
                raise audio.AudioError(self._silence("the sound card has ended the stream"))
        except Exception as error:
            self.error = error
            self.source.stop()
        self.meter.dropped = self.source.ring.dropped
        self._count()

    def _silence(self, what):
        status = getattr(self.source, "status", "")             # a LiveInput knows more
        return (f"{what}: the microphone was unplugged, sleeps, or was never allowed{status and f' ({status})'}. See "
                "that it is there, and start a new engine.")

    def _count(self):
        """What the sound card threw away or had to make up, what the sink had not ready, and what it left out."""
        ends = self.source, self.sink
        self.meter.xruns = sum(getattr(end, name, 0) for end in ends for name in ("xruns", "underruns"))
        self.meter.skipped = getattr(self.sink, "skipped", 0)
