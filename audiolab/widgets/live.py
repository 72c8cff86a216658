"""The microphone as a stream: blocks of sound that arrive in the kernel while you speak."""

import contextvars
import html
import threading
import time

import anywidget
import numpy as np
import traitlets

from .. import audio
from ..stream import RingBuffer
from .explorer import static

BLOCK = 0.1                     # seconds of sound in a message
MOST = 600 * 96000              # samples that a ring buffer holds, whatever rate the browser has
SILENT = 3.0                    # seconds without one until the stream counts as broken off


class LiveInput(anywidget.AnyWidget):
    """Listen to the browser's microphone continuously: ten blocks a second, into a ring buffer in the kernel.

    Press *Start* in the widget, or call `start`; then `read`, `latest` or a function given to `on_block` have the
    sound. The blocks are numbered in the browser, so that lost ones are counted. ``with live:`` starts, and stops
    at its end.

    Blocks arrive while a cell runs only where messages of widgets have a thread of their own: in JupyterLab 4.4 or
    newer with ipykernel 7 or newer, which is what the course installs. Elsewhere the kernel handles them between
    two cells: press *Start*, speak, and take the sound in the next cell with `latest`.

    Parameters
    ----------
    sr : int
        The rate to ask for, in Hz, 8000 to 96000. Chromium resamples to it; other browsers may give the
        microphone's own. Attribute `sr` says which it is.
    seconds : float
        How much the ring buffer holds, above 0 and up to 600.

    Attributes
    ----------
    sr : int
        Samples per second: as asked for, until `start` tells the real one.
    ring : RingBuffer
        What has arrived since the last start, one channel.
    received, lost, refused : int
        Blocks since the last start: that came, that are missing between those that came, that were no sound.

    Raises
    ------
    ValueError
        If `sr` or `seconds` is out of range.

    Examples
    --------
    >>> live = al.widgets.LiveInput()                                    # doctest: +SKIP
    >>> live                                        # in the next cell: with live: y = live.read(3)

    Taught in: notebooks/00_start_here.ipynb, "What does my voice look like?"
    """

    _esm = static("microphone.js", "streaming.js", "live.js")
    _css = static("microphone.css")
    wanted = traitlets.Int().tag(sync=True)                              # Hz
    block = traitlets.Float(BLOCK).tag(sync=True)                        # seconds
    note = "A live microphone, in a running notebook."                   # where no kernel runs

    def __init__(self, sr=16000, seconds=60.0):
        if not 8000 <= sr <= 96000 or not 0 < seconds <= 600:
            raise ValueError(f"sr is 8000 to 96000 Hz and seconds up to 600, not {sr} and {seconds}.")
        super().__init__(wanted=sr)
        self._seconds, self._callbacks, self._arrived = seconds, [], threading.Condition()
        self._context = contextvars.copy_context()          # later: that of the browser's last message
        self._stream, self._asked = None, False             # its name; whether a view is wanted that starts one
        self._begin(sr)
        self._problem = "it has not been started: press Start in the widget"
        self.on_msg(self._receive)

    def _begin(self, sr):
        self.sr, self.ring = sr, RingBuffer(min(round(self._seconds * sr), MOST))
        self.received = self.lost = self.refused = self._next = 0
        self._problem, self._over = "", False
        self._last = time.monotonic()

    # ------------------------------------------------------------------------------------- for the notebook

    @property
    def running(self):
        """Whether blocks are arriving: bool."""
        return not self._why_not()

    @property
    def ended(self):
        """Whether the last start has come to its end, and no more will come: bool."""
        return self._over

    @property
    def status(self):
        """How it goes, in one line: str."""
        counts = f"{self.received} blocks at {self.sr} Hz, {self.lost} lost, {self.refused} refused"
        reason = self._why_not()
        return f"not listening, {reason} ({counts})" if reason else f"listening ({counts})"

    def start(self):
        """Press the widget's *Start* from Python.

        The widget must be on the page; the browser may still ask for permission. What is read next is new: while it
        runs already, what was not read yet is skipped.
        """
        with self._arrived:
            if self.running:
                self.ring.read(self.ring.available)
                return
            self._begin(self.sr)
            self._stream, self._asked = None, True
            self._problem = ("the browser has not answered: show the widget and allow the microphone. Or this "
                             "kernel gets its messages only between cells: then take live.latest in the next one")
        self._tell({"do": "ask"})                           # every view answers, and the first is told to start

    def stop(self):
        """Press the widget's *Stop* from Python. What has arrived stays in the ring buffer."""
        with self._arrived:
            self._stream, self._asked = None, False
            self._problem, self._over = "it was stopped", True
        self._tell({"do": "stop"})

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        self.stop()

    def read(self, seconds, timeout=10.0):
        """Take the next samples, waiting for them.

        Parameters
        ----------
        seconds : float
            How much, above 0 and at most what the ring buffer holds.
        timeout : float
            Seconds to wait beyond that, for a permission that is still to be given, say.

        Returns
        -------
        y : np.ndarray, shape [n], float32
            The oldest samples that were not read yet.
        sr : int
            Samples per second.

        Raises
        ------
        AudioError
            If they do not come; what has come stays unread.

        Taught in: notebooks/00_start_here.ipynb, "What does my voice look like?"
        """
        keeps = min(self._seconds, self.ring.capacity / self.sr)
        if not 0 < seconds <= keeps:
            raise audio.AudioError(f"this input keeps {keeps:g} s: read that much or less, not {seconds:g}.")
        with self._arrived:
            self._arrived.wait_for(lambda: self._over or self.ring.available >= round(seconds * self.sr),
                                   seconds + timeout)
            if self.ring.available >= round(seconds * self.sr):
                return self.ring.read(round(seconds * self.sr)), self.sr
        came, reason = self.ring.available / self.sr, self._why_not() or "the wait was too short"
        raise audio.AudioError(f"only {came:.1f} s of {seconds:g} s came: {reason}.")

    def latest(self, seconds):
        """The newest samples, as many as there are, without taking them.

        Parameters
        ----------
        seconds : float
            At most so much.

        Returns
        -------
        y : np.ndarray, shape [n], float32
            Empty while nothing has come.
        sr : int
            Samples per second.

        Taught in: notebooks/00_start_here.ipynb, "What does my voice look like?"
        """
        return self.ring.latest(round(seconds * self.sr)), self.sr

    def on_block(self, function):
        """Call a function with every block that comes, ``function(y, sr)``, y of shape [n], float32.

        It runs in the thread that takes the messages: it must be quicker than a block is long (0.1 s), and shows
        something by changing a widget. One that raises is not called again; `status` in the widget says why.

        Parameters
        ----------
        function : callable
            None removes all.
        """
        self._callbacks = [] if function is None else [*self._callbacks, function]

    # ------------------------------------------------------------------------------------ with the browser

    def _tell(self, message, buffers=None):
        """Send to the browser as if in answer to its last message.

        ipykernel brings what the browser sends next to the thread that the widget last spoke from. If that were
        the running cell's, the blocks would wait until the cell ends.
        """
        self._context.copy().run(self.send, message, buffers)

    def _why_not(self):
        """Why no sound is arriving, or nothing."""
        if self._problem:
            return self._problem
        quiet = time.monotonic() - self._last
        if quiet > SILENT:
            return (f"nothing has come for {quiet:.0f} s: its tab was closed or sleeps, or its messages reach this "
                    "kernel only between cells (then take live.latest in the next one)")
        return ""

    def _receive(self, _, message, buffers):
        self._context = contextvars.copy_context()
        with self._arrived:
            try:
                answer, y = self._take(message, buffers)
            except audio.AudioError as error:
                self.refused += 1
                answer, y = {"do": "refuse", "says": str(error)}, None
            self._arrived.notify_all()
        if y is not None:                                   # no lock: a slow function keeps nobody from reading
            answer = self._call(y) or answer
        if answer:
            self.send({**answer, "stream": message.get("stream")})

    def _take(self, message, buffers):
        """One message: the answer to it, and the samples that it brought, if any."""
        event, stream = message.get("event"), message.get("stream")
        if event == "start":
            sr = message.get("sr")
            if not isinstance(sr, int) or not audio.RATES[0] <= sr <= audio.RATES[1]:
                raise audio.AudioError(f"the browser claims a rate of {sr!r} Hz: reload the page and start again.")
            self._begin(sr)
            self._stream, self._asked = stream, False
            return {"do": "go"}, None
        if event == "here" and self._asked:                     # one view of several opens its microphone
            self._asked = False
            return {"do": "start", "view": message.get("view")}, None
        if event == "trouble" and (stream == self._stream or not self.running):
            self._problem, self._over = f"the browser says: {str(message.get('says'))[:300].rstrip('.')}", True
        elif event in ("block", "end") and stream == self._stream:      # another view's, or from before a restart: no
            number = message.get("number")
            if not isinstance(number, int) or not self._next <= number < 2**53:
                raise audio.AudioError(f"block {number!r} came when {self._next} was due: reload the page and start.")
            if event == "end":
                self.lost += number - self._next
                self._next, self._problem, self._over = number, "it was stopped", True
                return {"do": "heard", "blocks": self.received, "lost": self.lost}, None
            y = self._samples(buffers)
            self.lost += number - self._next
            self._next, self._last = number + 1, time.monotonic()
            self.received += 1
            self.ring.write(y)
            return (number % 5 == 0 and {"do": "heard", "blocks": self.received, "lost": self.lost}), y
        return None, None

    def _samples(self, buffers):
        """The samples of a block, refused if they are none."""
        data = buffers[0] if len(buffers) == 1 else b""
        if not 0 < len(data) <= 4 * self.sr or len(data) % 4:
            raise audio.AudioError(f"a block of {len(data)} bytes is not up to 1 s of float32: reload the page.")
        y = np.frombuffer(data, "<f4")
        if not (np.abs(y) < audio.LOUDEST).all():                       # NaN compares as false
            raise audio.AudioError("a block holds NaN, infinity or absurdly large values: start again.")
        return y

    def _call(self, y):
        """Let the functions of `on_block` have it; drop one that fails, and say so."""
        note = None
        for function in self._callbacks:
            try:
                function(y.copy(), self.sr)
            except Exception as error:
                self._callbacks = [other for other in self._callbacks if other is not function]
                name = getattr(function, "__name__", "the function")
                note = {"do": "note", "says": f"{name} raised {type(error).__name__}: {error}. It is not called again."}
        return note

    def _repr_mimebundle_(self, **kwargs):
        bundle, metadata = super()._repr_mimebundle_(**kwargs)
        words = {"text/plain": self.note, "text/html": f"<p><em>{html.escape(self.note)}</em></p>"}
        return bundle | words, metadata
