"""What is said, seen while it is said: the microphone's blocks go through processors in the kernel and are drawn."""

import base64
import collections
import dataclasses
import threading
import time

import numpy as np
import soxr
import torch
import traitlets

from .. import audio, stream
from ..stream.blocks import joined, samples
from .detection import _kilohertz
from .explorer import static
from .live import LiveInput

BLOCK = 0.05                    # seconds of sound in a message
WAITS = 40                      # blocks that may wait to be computed, 2 s of sound; then the oldest are left out
KEPT = 36_000                   # blocks whose delays `report` knows, half an hour
LOW, HIGH = -40, 5              # dB of mel power: the ends of the colour scale
PARTS = ["filling", "way", "waiting", "computing", "drawing"]


class LiveView(LiveInput):
    """A spectrogram of the browser's microphone as you speak, freed from noise and with the words that are spotted.

    Twenty blocks a second come to the kernel, go through the processors in a thread of their own, and come back as
    columns of two log-mel spectrograms: of what was heard and of what the denoiser left of it. Words stand at the time
    at which they were spotted. Blocks that wait while the kernel is busy are computed in one step, so that the newest
    is seen at once; when more than two seconds wait, the oldest are left out, and counted. Where blocks are missing,
    the processors begin anew.

    The browser measures how late all this is: from the moment at which a block's first sample was captured until the
    block's columns are drawn, in five parts. On a screen they are seen a frame later. With *Hear the denoised sound*
    it is played, too, after two blocks that smooth out how unevenly it comes; then loudspeakers would be heard by the
    microphone again, so take headphones.

    It is a `LiveInput`: `start`, `stop`, `read`, `latest` and ``with`` are the same, for the sound of the microphone.

    Parameters
    ----------
    denoiser : stream.Processor, optional
        Without one only the microphone's own spectrogram is drawn.
    spotter : stream.Processor, optional
        Gives a list of `detection.Word` for each block of the microphone's sound.
    sr : int
        Samples per second that the processors hear, 8000 to 96000. A browser that has no microphone at this rate is
        resampled.
    seconds : float
        How much of the sound the ring buffer holds, above 0 and up to 600.

    Attributes
    ----------
    hear : bool
        Whether the denoised sound is played: the box in the widget.
    words : list of detection.Word
        Those of the last run, `at` in seconds since its start.
    shed, deepest, underruns : int
        Of the last run: blocks that were left out because the kernel was too slow; blocks that waited at once, at most;
        how often the player had nothing left to play.

    Raises
    ------
    ValueError
        If `sr` or `seconds` is out of range, or a processor is for another rate.

    Examples
    --------
    >>> view = al.widgets.LiveView(al.stream.Denoiser(model))               # doctest: +SKIP
    >>> view                                        # in the next cell: view.report()

    Taught in: notebooks/13_real_time.ipynb, "And with your own microphone?"
    """

    _esm = static("microphone.js", "streaming.js", "view.js")
    _css = static("microphone.css", "view.css")
    block = traitlets.Float(BLOCK).tag(sync=True)
    drawn = traitlets.Dict().tag(sync=True)                 # what the picture is, never what is on it
    hear = traitlets.Bool(False).tag(sync=True)
    note = "A live spectrogram of the microphone, in a running notebook."

    def __init__(self, denoiser=None, spotter=None, sr=16000, seconds=60.0):
        self._processors = {"denoiser": denoiser, "spotter": spotter}
        for name, processor in self._processors.items():
            if getattr(processor, "sr", sr) != sr:
                raise ValueError(f"The {name} hears sound at {processor.sr} Hz, and the view gives it {sr}: say "
                                 f"sr={processor.sr}.")
        self._desk = threading.Lock()                       # who computes holds it
        super().__init__(sr, seconds)
        # The first call of a session is slow, and must not be one that somebody waits for.
        Course(sr, sr, 0.0, dict(self._processors)).step(np.zeros(round(BLOCK * sr), np.float32), last=True)
        bands = len(stream.LogMel(sr).bank)
        rows = [{"name": f"{name} kHz", "place": (row + 0.5) / bands} for row, name in _kilohertz(sr, bands).items()]
        self.drawn = {"bands": bands, "rows": rows, "low": LOW, "high": HIGH, "colours": _colours(), "rate": sr,
                      "cleans": denoiser is not None, "spots": spotter is not None}

    def _begin(self, sr):
        super()._begin(sr)
        self._waiting = collections.deque()                 # blocks: number, when it came, samples
        self._delays, self._heard = collections.deque(maxlen=KEPT), collections.deque(maxlen=KEPT)
        self.words, self.shed, self.deepest, self.underruns = [], 0, 0, 0

    def report(self):
        """How late the picture was in the last run, as the browser measured it.

        Returns
        -------
        pandas.DataFrame
            Milliseconds, columns `p50`, `p95` and `worst`. Rows: `filling` a block, the `way` to the kernel and back,
            `waiting` there, `computing`, `drawing`, and their sum, `picture`: from the capture of a block's first
            sample until its columns are drawn. `sound`, where it was played: until it was heard.

        Raises
        ------
        AudioError
            If nothing has been drawn.

        Taught in: notebooks/13_real_time.ipynb, "And with your own microphone?"
        """
        import pandas as pd

        with self._arrived:
            delays, heard = np.array(self._delays), list(self._heard)
        if not len(delays):
            raise audio.AudioError(f"nothing has been drawn yet: press Start in the widget and speak ({self.status}).")
        columns = {**dict(zip(PARTS, delays.T, strict=True)), "picture": delays.sum(axis=1)}
        if heard:
            columns["sound"] = heard
        return pd.DataFrame({name: np.quantile(x, [0.5, 0.95, 1]) for name, x in columns.items()},
                            index=["p50", "p95", "worst"]).T

    # ------------------------------------------------------------------------------------ with the browser

    def _take(self, message, buffers):
        delays, played = _measured(message)
        answer, y = super()._take(message, buffers)
        if self._stream is None or message.get("stream") != self._stream:
            return answer, y
        if message.get("event") == "start":
            threading.Thread(target=self._work, args=[self._stream], daemon=True).start()
        self._delays.extend(delays)
        if played:
            self._heard.append(played[0])
            self.underruns = int(played[1])
        if y is not None:
            self._waiting.append((message["number"], time.perf_counter(), y.copy()))
            if len(self._waiting) > WAITS:
                self._waiting.popleft()
                self.shed += 1
        return answer, y

    def _work(self, name):
        """The thread that computes, from a stream's start to its end: one step for all blocks that wait."""
        torch.set_flush_denormal(True)                      # in this thread: else filters are slow in silence
        processors, course, due = dict(self._processors), None, None
        with self._desk:                                    # the stream before may have a step to finish
            while True:
                with self._arrived:
                    self._arrived.wait_for(lambda: self._waiting or self._over or self._stream != name)
                    if self._stream != name:
                        return
                    taken, blocks = time.perf_counter(), self._consecutive()
                    self.deepest = max(self.deepest, len(blocks))
                if blocks and blocks[0][0] != due:          # the first, or something is missing before it
                    begin = blocks[0][0] * round(self.block * self.sr) / self.sr
                    course = Course(self.sr, self.wanted, begin, processors)
                if course is None:
                    return
                due = blocks[-1][0] + 1 if blocks else None
                y = np.concatenate([y for _, _, y in blocks]) if blocks else np.zeros(0, np.float32)
                step = course.step(y, last=not blocks)
                with self._arrived:
                    if self._stream != name:
                        return
                    self.words = [*self.words, *step.words]
                self._answer(name, blocks, taken, step)
                if not blocks:
                    return

    def _consecutive(self):
        """Take the blocks that wait, up to the first that is missing."""
        blocks = []
        while self._waiting and (not blocks or self._waiting[0][0] == blocks[-1][0] + 1):
            blocks.append(self._waiting.popleft())
        return blocks

    def _answer(self, name, blocks, taken, step):
        for problem in step.problems:
            self._tell({"do": "note", "says": problem, "stream": name})
        sound = step.sound if self.hear else None
        buffers = [columns.tobytes() for _, _, columns in step.pictures] + ([sound[1].tobytes()] if sound else [])
        self._tell({
            "do": "columns", "stream": name, "shed": self.shed, "numbers": [number for number, _, _ in blocks],
            "waited": [1000 * (taken - came) for _, came, _ in blocks], "compute": 1000 * (time.perf_counter() - taken),
            "rows": [[row, at] for row, at, _ in step.pictures], "sound": sound and sound[0],
            "words": [[word.word, word.at, word.p] for word in step.words]}, buffers)


@dataclasses.dataclass
class Step:
    """What is new: pictures as (row, second of their first column, uint8 [columns, bands]), the denoised sound as
    (second, samples) or None, words, and what went wrong, in words."""

    pictures: list
    sound: tuple
    words: list
    problems: list


class Course:
    """Processors on sound without a gap: what they say of it, and where in the stream that belongs.

    Parameters
    ----------
    sr, rate : int
        Samples per second of the sound, and of what the processors hear.
    begin : float
        Second of the stream at which it begins.
    processors : dict
        `denoiser` and `spotter`, or None. One that fails is set to None, so that it is not asked again.
    """

    def __init__(self, sr, rate, begin, processors):
        self.rate, self.begin, self.processors = rate, begin, processors
        self._resample = None if sr == rate else soxr.ResampleStream(sr, rate, 1, dtype="float32").resample_chunk
        self._mels, self._columns = [stream.LogMel(rate), stream.LogMel(rate)], [0, 0]
        self._given, self._problems = 0, []                 # samples of the denoised sound
        self._skip = getattr(processors["denoiser"], "delay", 0)        # those before its first
        for name in processors:
            self._asked(name, lambda p: p.reset())

    def step(self, y, last=False):
        """Go on with samples of shape [n]; after the `last` nothing follows, and what is inside comes out."""
        x = self._resample(y, last) if self._resample else y
        pictures, sound = [self._picture(0, x, last)], None
        z = self._asked("denoiser", lambda p: samples(_through(p, x, last)))
        if z is not None:
            z, self._skip = z[self._skip:], max(0, self._skip - len(z))
            sound = self.begin + self._given / self.rate, z
            self._given += len(z)
            pictures.append(self._picture(1, z, last))
        words = self._asked("spotter", lambda p: [
            dataclasses.replace(word, at=self.begin + word.at) for word in _through(p, x, last)])
        problems, self._problems = self._problems, []
        return Step(pictures, sound, words or [], problems)

    def _picture(self, row, x, last):
        columns = _through(self._mels[row], x, last)        # [bands, columns]
        at = self.begin + self._columns[row] * self._mels[row].hop / self.rate
        self._columns[row] += columns.shape[1]
        level = 10 / np.log(10) * columns.T                 # dB
        return row, at, np.clip(255 * (level - LOW) / (HIGH - LOW), 0, 255).astype(np.uint8)

    def _asked(self, name, question):
        """A processor's answer, or None where there is none, or it fails; then it is not asked again."""
        if self.processors[name] is not None:
            try:
                return question(self.processors[name])
            except Exception as error:
                self.processors[name] = None
                self._problems.append(f"The {name} raised {type(error).__name__}: {error}. It is not asked again until "
                                      "you press Start.")
        return None


def _through(processor, x, last):
    """The next of what a processor makes of a sound, and at its end all that is left."""
    return joined([processor(x), processor.flush()] if last else [processor(x)])


def _measured(message):
    """What the browser measured of earlier blocks: rows of milliseconds in the order of `PARTS`; and of the player, its
    delay in milliseconds and its underruns, or nothing."""
    rows, played = message.get("drawn") or [], message.get("played") or []
    if not isinstance(rows, list) or not all(_numbers(row, len(PARTS)) for row in rows) or (
            played and not _numbers(played, 2)):
        raise audio.AudioError("the browser sent delays that are no numbers: reload the page and start again.")
    return rows, played


def _numbers(row, n):
    """Whether a row is n numbers that milliseconds or a count could be: bool."""
    return isinstance(row, list) and len(row) == n and all(
        isinstance(x, int | float) and 0 <= x < 1e9 for x in row)


def _colours():
    """The 256 colours of the course's spectrograms, red, green, blue and opacity, as base64."""
    import matplotlib

    return base64.b64encode(matplotlib.colormaps["magma"](np.arange(256), bytes=True).tobytes()).decode()
