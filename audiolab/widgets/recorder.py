"""The way in for a learner's own voice: the browser's microphone, a file, or what the course brings."""

import html
import itertools
import re
import time
import zlib
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from .. import audio, paths

STATIC = Path(__file__).parent / "static"
LARGEST = 2**28                 # bytes of one transfer, as in recorder.js


class Recorder(anywidget.AnyWidget):
    """Record from the browser's microphone, choose a file, or use a sample: `load` gives what was chosen last.

    The samples are the ones that the browser got, without compression: shape [n], one channel, at the
    microphone's own rate. Echo cancellation, noise suppression and automatic gain are turned off, because each
    changes what is measured afterwards; the widget says what the browser really granted. A take is
    stored in ``work/recordings``, as FLAC of 24 bits, under the time of day. Nothing is overwritten:
    earlier takes and files stay there, and can be chosen again.

    The microphone works on https and on localhost, in any browser of today. VS Code refuses it; a file works there.

    Parameters
    ----------
    default : path
        The recording to use as long as there is none in ``work/recordings``; else the newest is.
    limit : float
        Seconds that a take can last, above 0 and up to 600.

    Attributes
    ----------
    path : pathlib.Path
        The file in use: the last take or upload, the one chosen in the list, or the default.

    Raises
    ------
    ValueError
        If `limit` is out of range.

    Examples
    --------
    >>> voice = al.widgets.Recorder(default=al.sample("spoken"))         # doctest: +SKIP
    >>> voice                                       # in the next cell: y, sr = voice.load()

    Taught in: notebooks/00_start_here.ipynb, "What does my voice look like?"
    """

    _esm = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in ("microphone.js", "recorder.js"))
    _css = (STATIC / "microphone.css").read_text(encoding="utf-8")
    limit = traitlets.Float().tag(sync=True)
    files = traitlets.List(traitlets.Unicode()).tag(sync=True)           # names in work/recordings, newest first
    chosen = traitlets.Unicode().tag(sync=True)                          # one of them, or nothing: the default
    said = traitlets.Unicode().tag(sync=True)                            # for a view that opens later

    def __init__(self, default, limit=60.0):
        if not 0 < limit <= 600:
            raise ValueError(f"A take lasts up to 600 s, not limit={limit}: choose less and record in parts.")
        files = _recordings()
        newest = f"Your newest recording is in use, {files[0]}. Choose another below, or record again." if files else ""
        super().__init__(limit=limit, files=files, chosen=files[0] if files else "", said=newest)
        self._default, self._transfer, self._data = Path(default), None, bytearray()
        self.on_msg(self._receive)

    @property
    def path(self):
        return paths.work("recordings", self.chosen) if self.chosen else self._default

    def load(self, sr=None, mono=True, offset=0.0, duration=None):
        """The recording in use, as `audiolab.load` reads it, but mixed to one channel unless told not to.

        Parameters
        ----------
        sr, mono, offset, duration
            As for `audiolab.load`.

        Returns
        -------
        y : np.ndarray, shape [n], or [channels, n] with ``mono=False``, float32
            Full scale ±1.
        sr : int
            Samples per second.

        Raises
        ------
        AudioError
            As `audiolab.load`.

        Taught in: notebooks/00_start_here.ipynb, "What does my voice look like?"
        """
        return audio.load(self.path, sr=sr, mono=mono, offset=offset, duration=duration)

    @traitlets.validate("chosen")
    def _only_what_is_there(self, proposal):
        """The browser names a file, and only one of the list is taken: no path leads elsewhere."""
        return proposal["value"] if proposal["value"] in self.files else ""

    def _receive(self, _, message, buffers):
        """One piece of a take or a file; the answer asks for the next, or says how it ended."""
        try:
            answer = self._piece(message, buffers)
        except audio.AudioError as error:
            self._transfer, answer = None, {"refused": str(error)}
        except OSError as error:
            self._transfer = None
            answer = {"refused": f"it cannot be stored in work/recordings ({error.strerror}): check the disk."}
        self.send({"transfer": message.get("transfer"), **answer})

    def _piece(self, message, buffers):
        transfer, at, total = (message.get(key) for key in ("transfer", "at", "total"))
        if not isinstance(total, int) or total > LARGEST:
            raise audio.AudioError(f"it is larger than {LARGEST // 10**6} MB: cut out what you need.")
        if at == 0:
            self._transfer, self._data = transfer, bytearray()
        if transfer != self._transfer or at != len(self._data) or len(buffers) != 1:
            raise audio.AudioError("a piece of it was lost on the way from the browser: send it again.")
        self._data += buffers[0]
        if len(self._data) < total:
            return {"have": len(self._data)}
        data, self._data, self._transfer = bytes(self._data), bytearray(), None
        if len(data) != total or zlib.adler32(data) != message.get("checksum"):
            raise audio.AudioError("it was damaged on the way from the browser: send it again.")
        path = _store_take(message, data) if message.get("kind") == "take" else _store_file(message, data)
        about = audio.info(path)
        self.files = _recordings()
        self.chosen = path.name
        self.said = f"Took {path.name}, {about.duration:.1f} s at {about.sr} Hz. Run the cells below again."
        return {"took": self.said}

    def _repr_mimebundle_(self, **kwargs):
        bundle, metadata = super()._repr_mimebundle_(**kwargs)
        note = "A voice recorder, in a running notebook. Without a recording of your own the course's sample is used."
        return bundle | {"text/plain": note, "text/html": f"<p><em>{html.escape(note)}</em></p>"}, metadata


def _recordings():
    """Names of the files in ``work/recordings``, newest first."""
    files = [file for file in paths.work("recordings").glob("[!.]*") if file.is_file()]
    return [file.name for file in sorted(files, key=lambda file: (file.stat().st_mtime, file.name), reverse=True)]


def _store_take(message, data):
    """Float samples as FLAC, named after the file that the browser decoded, or after the time."""
    channels = message.get("channels")
    if channels not in range(1, 9) or not data or len(data) % (4 * channels):
        raise audio.AudioError("the browser sent something else than float samples: reload the page and try again.")
    y = np.frombuffer(data, "<f4").reshape(channels, -1)
    name = Path(_plain(message["name"])).stem if message.get("name") else f"voice-{time.strftime('%Y%m%d-%H%M%S')}"
    path = _free(paths.work("recordings", f"{name}.flac"))
    audio.save(path, np.where(np.isfinite(y), np.clip(y, -1, 1), y), message.get("sr"), bits=24)   # refuses the rest
    return path


def _store_file(message, data):
    """A file as it is, if it can be read."""
    name = _plain(message.get("name"))
    try:
        audio.info(data)
    except audio.AudioError as error:
        raise audio.AudioError(str(error).replace("the given data", name)) from None
    path = _free(paths.work("recordings", name), data)
    with paths.replacing(path) as tmp:
        tmp.write_bytes(data)
    return path


def _plain(name):
    """A file's name without anything that could lead out of the folder, or hide it."""
    return re.sub(r"[^\w.-]+", "_", str(name)).lstrip(".") or "recording"


def _free(path, content=None):
    """`path`, or with a number behind it where another recording has that name already."""
    numbered = (path.with_stem(f"{path.stem}-{i}") for i in itertools.count(2))
    return next(p for p in itertools.chain([path], numbered) if not p.exists() or p.read_bytes() == content)
