"""The way in for a learner's own voice: the browser's microphone, a file, or what the course brings."""

import filecmp
import html
import itertools
import os
import re
import time
import uuid
import zlib
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from .. import audio, paths

STATIC = Path(__file__).parent / "static"
LARGEST = 64 * 10**6            # bytes of all that is on its way at a time, as in recorder.js
LONGEST = 300                   # seconds of a take: 58 MB at 48 kHz
ABANDONED = 60                  # seconds without a piece, after which a transfer is given up
SUFFIXES = {".aac", ".aif", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".rf64", ".w64", ".wav"}
DEVICES = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³])(\.|$)", re.IGNORECASE)     # on Windows no file is named so


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
        Seconds that a take can last, above 0 and up to 300.

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
        if not 0 < limit <= LONGEST:
            raise ValueError(f"A take lasts up to {LONGEST} s, not limit={limit}: choose less and record in parts.")
        files = _recordings()
        newest = f"Your newest recording is in use, {files[0]}. Choose another below, or record again." if files else ""
        super().__init__(limit=limit, files=files, chosen=files[0] if files else "", said=newest)
        self._default = Path(default)
        self._coming, self._took = {}, {}       # what has come, by transfer; what was said of what is stored, by sound
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
        transfer = str(message.get("transfer")) if isinstance(message, dict) else None
        try:
            answer = self._piece(transfer, message, buffers)
        except Exception as error:
            self._coming.pop(transfer, None)
            answer = {"refused": _why(error)}
        self.send({"transfer": transfer, **answer})

    def _piece(self, transfer, message, buffers):
        at, total, sound = message.get("at"), message.get("total"), message.get("sound")
        if sound in self._took:                                 # sent again, because the answer came late
            return {"took": self._took[sound]}
        if not isinstance(total, int) or total > LARGEST:
            raise audio.AudioError(f"it is larger than {LARGEST // 10**6} MB: cut out what you need.")
        now = time.monotonic()
        self._coming = {name: coming for name, coming in self._coming.items() if now - coming["last"] < ABANDONED}
        if at == 0:
            self._coming = {name: coming for name, coming in self._coming.items() if coming["sound"] != sound}
            self._coming[transfer] = {"data": bytearray(), "total": total, "sound": sound, "last": now}
            if sum(coming["total"] for coming in self._coming.values()) > LARGEST:
                raise audio.AudioError("another recording is still on its way: wait a minute and try again.")
        coming = self._coming.get(transfer)
        if not coming or at != len(coming["data"]) or total != coming["total"] or len(buffers) != 1:
            raise audio.AudioError("a piece of it was lost on the way from the browser: send it again.")
        coming["last"], data = now, coming["data"]
        data += buffers[0]
        if len(data) < total:
            return {"have": len(data)}
        if len(data) != total or zlib.adler32(data) != message.get("checksum"):
            raise audio.AudioError("it was damaged on the way from the browser: send it again.")
        self.send({"transfer": transfer, "storing": True})
        path = _store_take(message, data) if message.get("kind") == "take" else _store_file(message, data)
        about = audio.info(path)
        self.files = _recordings()
        self.chosen = path.name
        self.said = f"Took {path.name}, {about.duration:.1f} s at {about.sr} Hz. Run the cells below again."
        del self._coming[transfer]
        self._took[sound] = self.said
        return {"took": self.said}

    def _repr_mimebundle_(self, **kwargs):
        bundle, metadata = super()._repr_mimebundle_(**kwargs)
        note = "A voice recorder, in a running notebook. Without a recording of your own the course's sample is used."
        return bundle | {"text/plain": note, "text/html": f"<p><em>{html.escape(note)}</em></p>"}, metadata


def _why(error):
    """Why something is not taken, in one line."""
    if isinstance(error, audio.AudioError):
        return str(error)
    if isinstance(error, OSError):
        return f"it cannot be stored in work/recordings ({error.strerror}): check the disk."
    return f"the browser sent something else than sound ({type(error).__name__}): reload the page and try again."


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
    name = _named(message["name"])[0] if message.get("name") else f"voice-{time.strftime('%Y%m%d-%H%M%S')}"
    hidden = _hidden(f"{name}.flac")
    audio.save(hidden, np.where(np.isfinite(y), np.clip(y, -1, 1), y), message.get("sr"), bits=24)  # refuses the rest
    return _placed(hidden, f"{name}.flac")


def _store_file(message, data):
    """A file as it is, if it can be read."""
    stem, suffix = _named(message.get("name") or "recording")
    try:
        about = audio.info(data)
    except audio.AudioError as error:
        raise audio.AudioError(str(error).replace("the given data", f"{stem}{suffix}")) from None
    if suffix not in SUFFIXES:                                  # a sound all the same: named after what is inside
        suffix = f".{about.format.lower().removesuffix('ex')}"  # WAVEX is WAV
    hidden = _hidden(f"{stem}{suffix}")
    with paths.replacing(hidden) as tmp:
        tmp.write_bytes(data)
    return _placed(hidden, f"{stem}{suffix}")


def _named(name):
    """A file's stem and suffix, without what could lead out of the folder, hide it, or be too long."""
    plain = Path(re.sub(r"[^\w.-]+", "_", str(name)).lstrip(".") or "recording")
    stem = plain.stem.encode()[:100].decode(errors="ignore")    # names end at 255 bytes, and some get longer here
    return f"_{stem}" if DEVICES.match(stem) else stem, plain.suffix.lower()


def _hidden(name):
    return paths.work("recordings", f".{uuid.uuid4().hex[:8]}-{name}")


def _placed(hidden, name):
    """Give a hidden file its name, with a number behind it where another recording has that name already.

    The name is taken by an empty file first, which fails where there is one: another kernel may store at the same time.
    """
    path = hidden.with_name(name)
    for place in itertools.chain([path], (path.with_stem(f"{path.stem}-{i}") for i in itertools.count(2))):
        try:
            place.open("x").close()
        except FileExistsError:
            if filecmp.cmp(hidden, place, shallow=False):       # the same once more
                hidden.unlink()
                return place
        else:
            os.replace(hidden, place)
            return place
