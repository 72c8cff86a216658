"""Where sound comes from and where it goes: files, the sound card's microphone, its loudspeakers.

A source has `sr`, a `ring` that it fills from a thread of its own, `start`, `stop` and `ended`; ``with source:`` starts
it, and stops it. `widgets.LiveInput`, the browser's microphone, is one, too. A sink has `write`.
"""

import contextlib
import os
import threading
import time
from pathlib import Path

import numpy as np
import soundfile as sf

from .. import audio
from ..paths import replacing
from .blocks import samples
from .ring import RingBuffer, Stamps

KEPT = 2.0                      # seconds in a ring buffer: so old a sound may be at most when its turn comes
NAP = 0.001                     # seconds that a thread sleeps which waits for another one
LATE = 0.1                      # seconds beyond twice the cushion: what waits longer than that is not played
SMALLEST = 32                   # samples in a block of a sound card, hardly fewer


class Source:
    """What the sources of this module share: a ring buffer, and when it was filled.

    Attributes
    ----------
    sr, block : int
        Samples per second, and how many are written at a time.
    ring : RingBuffer
    stamps : Stamps
    ended : bool
        Whether no more will come.
    live : bool
        Whether sound must come all the time, as from a microphone.
    broken : bool
        Whether it ended by itself, though it was to go on.
    """

    live, broken = True, False

    def __init__(self, sr, block, seconds):
        block = round(0.01 * sr) if block is None else block
        if not (sr >= 1 and 1 <= block <= seconds * sr):
            raise ValueError(f"A source delivers at a time one sample to what its ring buffer holds, {seconds:g} s: "
                             f"not {block} samples at {sr} Hz.")
        self.sr, self.block, self.ended = sr, block, False
        self.ring = RingBuffer(round(seconds * sr))
        self.stamps = Stamps(2 + self.ring.capacity // min(block, SMALLEST))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        self.stop()

    def _deliver(self, y):
        self.ring.write(y)
        self.stamps.mark(self.ring.written)


class File(Source):
    """A recording that comes as if it were played, or quicker.

    Parameters
    ----------
    y : np.ndarray, shape [n], or str or os.PathLike
        A signal, or a file; of several channels the mean.
    sr : int, optional
        Of the signal; to a file it is the rate to resample to, if it is given.
    block : int, optional
        Samples that come at a time; 10 ms when not given.
    speed : float or None
        1 in real time, 2 twice as fast. None: whenever there is room in the ring buffer, so that nothing is lost. That
        is the one source that waits, for a file can.
    seconds : float
        How much the ring buffer holds.

    Raises
    ------
    AudioError
        If the file cannot be read.
    ValueError
        If the signal is none, comes without its rate, or block or speed are not positive.

    Taught in: notebooks/13_real_time.ipynb, "And with your own microphone?"
    """

    live = False

    def __init__(self, y, sr=None, block=None, speed=1.0, seconds=KEPT):
        if isinstance(y, str | os.PathLike):
            y, sr = audio.load(y, sr=sr, mono=True)
        if sr is None or not (speed is None or speed > 0):
            raise ValueError(f"A signal comes with its rate, at a speed above 0 or None: not {sr} Hz, speed {speed}.")
        super().__init__(sr, block, seconds)
        self.y, self.speed, self._stopped, self._thread = samples(y), speed, threading.Event(), None

    def start(self):
        """Begin, in a thread; a file is played once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._play, name="audiolab-file", daemon=True)
            self._thread.start()

    def stop(self):
        """Come to an end, wherever it is. What is in the ring buffer stays there."""
        self._stopped.set()
        if self._thread not in (None, threading.current_thread()):
            self._thread.join()
        self.ended = True

    def _play(self):
        start = time.perf_counter()
        for at in range(0, len(self.y), self.block):
            block = self.y[at : at + self.block]
            if self.speed is None:
                # Not `available`: what a read has asked for is no longer counted there, and may still be being copied.
                full = self.ring.capacity - len(block)
                while self.ring.written - self.ring.taken > full and not self._stopped.is_set():
                    time.sleep(NAP)
            else:               # by the clock, not so long after the last block: what is late once is made up for
                due = start + (at + len(block)) / (self.sr * self.speed)
                self._stopped.wait(max(0, due - time.perf_counter()))
            if self._stopped.is_set():
                break
            self._deliver(block)
        self.ended = True


class Microphone(Source):
    """The sound card's microphone, by PortAudio.

    Its callback runs in a thread of the sound card that must not wait: it copies a block into the ring buffer, notes
    when, and counts what PortAudio reports.

    Parameters
    ----------
    sr : int
    block : int, optional
        Samples that an engine takes at a time, if it is not told otherwise; 10 ms when not given. The sound card
        delivers in blocks of its own, whatever is quickest for it.
    device : int or str, optional
        As in sounddevice; the system's own choice when not given.
    seconds : float
        How much the ring buffer holds.

    Attributes
    ----------
    xruns : int
        How often the sound card had to throw sound away before it came here (input overflow).
    broken : bool
        Whether the sound card has ended it: the device is gone, say.

    Raises
    ------
    AudioError
        By `start`: if PortAudio is missing, or there is no microphone.

    Taught in: notebooks/13_real_time.ipynb, "And with your own microphone?"
    """

    def __init__(self, sr=16000, block=None, device=None, seconds=KEPT):
        super().__init__(sr, block, seconds)
        self.device, self.xruns, self._stream = device, 0, None

    def start(self):
        """Listen."""
        if self._stream is None:
            self.ended = self.broken = False
            self._stream = _opened("InputStream", "microphone", self)

    def stop(self):
        """Listen no more. What is in the ring buffer stays there."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        self.ended = True                                       # after its last callback

    def _callback(self, block, frames, times, status):
        # No lock, no file, no print, no new array of samples. Python itself may still stop here for another thread that
        # holds the interpreter (5 ms at a time, `sys.getswitchinterval`): what that costs, PortAudio's own buffer pays.
        if status.input_overflow:
            self.xruns += 1
        self._deliver(block[:, 0])

    def _finished(self):
        self.broken, self.ended = self._stream is not None, True        # else `stop` has closed it


class Speakers:
    """The sound card's loudspeakers: what is written waits in a ring buffer until the sound card fetches it.

    It begins to play when `ahead` samples are there, a cushion for blocks that come late. When nothing is left it plays
    silence until the cushion is full again, and counts an underrun. When far more waits, more than twice the cushion
    and a tenth of a second, it leaves out what stands beyond the cushion: else all that follows a stall would be heard
    as much later as the stall was long, for ever.

    It plays from the moment at which it is made, and goes on until it is closed: use ``with``.

    Parameters
    ----------
    sr : int
    block : int, optional
        Samples that are written at a time; 10 ms when not given. The sound card fetches in blocks of its own, whatever
        is quickest for it.
    ahead : int, optional
        Samples; two blocks when not given, or two of the engine's if those are longer. They are as many samples of
        delay.
    device : int or str, optional
        As in sounddevice; the system's own choice when not given.

    Attributes
    ----------
    ring : RingBuffer
    underruns : int
        How often it had nothing to play.
    xruns : int
        How often the sound card itself had to play something else (output underflow).
    ended : bool
        Whether it was closed, or the sound card has ended it.

    Raises
    ------
    AudioError
        If PortAudio is missing, or there are no loudspeakers.

    Examples
    --------
    >>> with Speakers() as sink, Engine(Microphone(), Denoiser(model), sink) as engine:      # doctest: +SKIP
    ...     engine.wait(20)

    Taught in: notebooks/13_real_time.ipynb, "And with your own microphone?"
    """

    def __init__(self, sr=16000, block=None, ahead=None, device=None):
        self.sr, self.ring, self.device = sr, RingBuffer(round(KEPT * sr)), device
        self.underruns, self.xruns, self.ended, self._playing = 0, 0, False, False
        self.ahead, self._given = 0 if ahead is None else ahead, ahead is not None
        self.expect(round(0.01 * sr) if block is None else block)
        self._stream = _opened("OutputStream", "loudspeakers", self)

    @property
    def skipped(self):
        """Samples that were written and are not played, because too much waited: int."""
        return self.ring.dropped

    def expect(self, n):
        """So many samples will be written at a time: unless the cushion was given, it is two of these blocks."""
        if not self._given:
            self.ahead = max(self.ahead, min(2 * n, self.ring.capacity // 2))

    def write(self, y):
        """Play these samples, shape [n], after those before. It does not wait: when too many are there, the oldest go.

        Raises
        ------
        AudioError
            If nothing is played any more.
        """
        if self.ended:
            raise audio.AudioError("the loudspeakers are closed, or their device is gone: open them again.")
        self.ring.write(np.clip(samples(y), -1, 1))

    def close(self):
        """Be silent, at once: what still waits is not played."""
        self._stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _callback(self, out, frames, times, status):
        if status.output_underflow:
            self.xruns += 1
        waits, cushion = self.ring.available, max(self.ahead, frames)
        if waits > 2 * cushion + LATE * self.sr:
            self.ring.skip(waits - cushion)
        self._playing = self._playing or waits >= cushion
        got = self.ring.read_into(out[:, 0]) if self._playing else 0
        out[got:] = 0
        if self._playing and got < frames:
            self.underruns += 1
            self._playing = False

    def _finished(self):
        self.ended = True


class Recording:
    """A WAV file of float32 that grows while sound comes, and has its name only when it is complete.

    Parameters
    ----------
    path : str or os.PathLike
        Ends in .wav.
    sr : int

    Raises
    ------
    AudioError
        If the name ends otherwise, or the file cannot be written.

    Notes
    -----
    ``with Recording("take.wav", 16000) as sink:`` closes it. Where an exception leaves the block, nothing is left
    behind, and what was there under the name stays.

    Taught in: notebooks/13_real_time.ipynb, "And with your own microphone?"
    """

    def __init__(self, path, sr):
        self.path, self.sr = Path(path).expanduser(), sr
        if self.path.suffix.lower() != ".wav":
            raise audio.AudioError(f"{str(path)!r} must end in .wav, which is what a stream is written as.")
        self._open = contextlib.ExitStack()
        try:
            beside = self._open.enter_context(replacing(self.path))
            self._file = self._open.enter_context(sf.SoundFile(beside, "w", sr, 1, "FLOAT", format="WAV"))
        except (OSError, sf.SoundFileError) as error:
            self._open.__exit__(type(error), error, None)
            raise audio.AudioError(f"{str(path)!r} cannot be written ({error}): check the folder, its permissions and "
                                   "the space on the disk.") from None

    def write(self, y):
        """Append samples, shape [n]."""
        self._file.write(samples(y))

    def close(self):
        """Give the file its name. What is written afterwards is refused."""
        self._open.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._open.__exit__(*exception)


def _opened(kind, what, end):
    """A running stream of sounddevice, of one channel of float32, that calls `end._callback`."""
    try:
        import sounddevice
    except ImportError:
        raise audio.AudioError("sounddevice is not installed: pip install sounddevice.") from None
    except OSError:                                                             # its system library is missing
        raise audio.AudioError(f"the sound card's {what} need PortAudio: on Linux, sudo apt install libportaudio2. The "
                               "browser's microphone, al.widgets.LiveInput, needs nothing.") from None
    try:
        # blocksize=0: the sound card's own blocks. A ring buffer needs no others, and to make them costs a buffer more.
        stream = getattr(sounddevice, kind)(samplerate=end.sr, blocksize=0, latency="low", device=end.device,
                                            channels=1, dtype="float32", callback=end._callback,
                                            finished_callback=end._finished)
        stream.start()
    except (sounddevice.PortAudioError, ValueError) as error:                   # ValueError: no such device
        raise audio.AudioError(f"no {what} at {end.sr} Hz: {error}. Plug in or allow one (python -m sounddevice lists "
                               "what there is), or take the browser's microphone, al.widgets.LiveInput.") from None
    return stream
