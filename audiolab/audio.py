"""Sound files in and out, and players that tell the truth about level.

A signal is ``y, sr``: float32 of shape ``[n]`` or ``[channels, n]``, full scale ±1, and its sample
rate in hertz. `load` makes one of a file, `save` a file of one, `play` lets you hear and see it.
Whatever goes wrong on the way is an `AudioError`: one line that says what, and what to do.
"""

import base64
import html
import io
import math
import numbers
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from audiolab.paths import replacing

RATES = 1_000, 768_000      # Hz. A header outside this range is damage, and would resample into gigabytes
LOUDEST = 1e12              # a sample beyond this is damage too, as are NaN and infinity
BLOCK = 4096                # frames read at a time: memory follows the data, not what a header claims
UNKNOWN = 2**62             # frames, or more: how libsndfile says that a FLAC written into a pipe has no length


class AudioError(ValueError):
    """What is wrong with a sound or its file, and what to do, in one line of plain words."""


# ---------------------------------------------------------------------------------------- reading


def load(source, sr=None, mono=False, offset=0.0, duration=None):
    """Read a sound file as it is: its own sample rate, its own channels, its own level.

    Nothing is resampled or mixed down unless you ask, because each changes the sound. (librosa
    does both unless told not to; ``load(path, sr=22050, mono=True)`` does as librosa does.) The
    content decides the format, whatever the name says: WAV of 8 to 32 bits, float, µ-law or A-law,
    FLAC, OGG (Vorbis, Opus), MP3, AIFF and the rest that libsndfile reads. Whole numbers of b bits
    are divided by ``2**(b - 1)``; floats stay as they are, also above full scale.

    Parameters
    ----------
    source : str, os.PathLike, bytes or binary file object
        The file, its content, or an open file that is read from where it stands.
    sr : int, optional
        Resample to this rate in Hz (soxr, high quality). None keeps the file's own.
    mono : bool
        Average the channels, before resampling.
    offset : float
        Seconds to skip, at least 0.
    duration : float, optional
        Seconds to read, above 0; fewer where the file ends first. None reads to the end.

    Returns
    -------
    y : np.ndarray, shape [n] for one channel or [channels, n], float32
        The signal, full scale ±1.
    sr : int
        Its sample rate in Hz.

    Raises
    ------
    AudioError
        If there is no such file or it cannot be read, is no audio, is cut short (a `duration`
        that fits into what is left is served), or holds no samples, NaN or infinity.

    Notes
    -----
    A missing end shows where a format tells its length: in WAV, AIFF, FLAC, OGG, and to within one
    MPEG frame (at most 72 ms) in MP3 with a length tag, which nearly all have.

    Examples
    --------
    >>> y, sr = load("take.wav", sr=16000, mono=True, duration=5)        # doctest: +SKIP

    Taught in: notebooks/00_start_here.ipynb, "What does my voice look like?"
    """
    offset = _number(offset, "offset", "seconds, 0 or more", lambda x: x >= 0)
    if duration is not None:
        duration = _number(duration, "duration", "seconds, above 0", lambda x: x > 0)
    if sr is not None:
        sr = _rate(sr)

    with _opened(source) as file:
        y, rate, name = _read(file, offset, duration), file.samplerate, file.label
    if not (y.min() > -LOUDEST and y.max() < LOUDEST):                          # NaN compares as false
        bad = ~(np.abs(y) < LOUDEST).all(axis=1)
        raise AudioError(
            f"{name} holds NaN, infinity or absurdly large values in {bad.sum()} of {len(y)} samples, first at "
            f"{offset + bad.argmax() / rate:.3f} s: export it again, as 16- or 24-bit WAV."
        )
    if mono:
        y = y.mean(axis=1, keepdims=True)
    if sr is not None and sr != rate:
        y = soxr.resample(y, rate, sr)
        if not len(y):
            raise AudioError(f"{name} is too short to resample from {rate} to {sr} Hz: read more of it.")
    y = np.ascontiguousarray(y.T, dtype=np.float32)                 # [n, channels] -> [channels, n]
    return y[0] if len(y) == 1 else y, sr or rate


@dataclass(frozen=True, repr=False)
class Info:
    """What a file says of itself.

    Attributes
    ----------
    duration : float
        Seconds.
    sr : int
        Sample rate in Hz.
    channels : int
    format, subtype : str
        Container and coding, by libsndfile's names: ``"WAV"``, ``"PCM_24"``.
    frames : int
        Samples per channel.
    """

    duration: float
    sr: int
    channels: int
    format: str
    subtype: str
    frames: int

    def __repr__(self):
        channels = {1: "mono", 2: "stereo"}.get(self.channels, f"{self.channels} channels")
        return (f"{self.format} ({self.subtype}), {self.duration:.2f} s, {self.sr} Hz, {channels}, "
                f"{self.frames} samples per channel")


def info(source):
    """What a file says of itself, without decoding it.

    Parameters
    ----------
    source : str, os.PathLike, bytes or binary file object
        As for `load`.

    Returns
    -------
    Info
        Duration, sample rate, channels, format, subtype, frames. The length of an MP3 without a
        length tag is an estimate.

    Raises
    ------
    AudioError
        As `load`; damage inside the samples is seen only by `load`.

    Examples
    --------
    >>> info("take.wav")                                                 # doctest: +SKIP
    WAV (PCM_24), 3.20 s, 96000 Hz, stereo, 307200 samples per channel

    Taught in: notebooks/00_start_here.ipynb, "What does my voice look like?"
    """
    with _opened(source) as file:
        if file.total > file.frames:
            raise _cut_short(file, file.frames)
        if file.frames >= UNKNOWN:
            raise AudioError(f"{file.label} does not say how long it is: load it, or {CONVERT}")
        return Info(file.frames / file.samplerate, file.samplerate, file.channels,
                    file.format, file.subtype, file.frames)


@contextmanager
def _opened(source):
    """Open a source as a `_File`, refused if nothing in it can be a sound."""
    raw, label = _raw(source)
    with raw:
        stream = _Stream(raw)
        head = stream.read(512)
        if not head:
            raise AudioError(f"{label} is empty (0 bytes): record, export or download it again.")
        if head[:4] == b"RIFF":
            stream = _with_length(stream)
        stream.seek(0)
        try:
            file = _File(stream, label)
        except sf.SoundFileError:
            raise AudioError(f"{label} {_diagnosis(head)}") from None
        with file:
            if not RATES[0] <= file.samplerate <= RATES[1]:
                raise AudioError(f"{label} claims a sample rate of {file.samplerate} Hz, so its header is damaged: "
                                 "get the file again.")
            if not file.total:
                raise AudioError(f"{label} holds no sound (zero samples): record or export it again.")
            yield file


def _raw(source):
    """The source as a binary stream, and its name for messages."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source), "the given data"
    if hasattr(source, "read"):
        return _content(source)
    if not isinstance(source, (str, os.PathLike)):
        raise AudioError("a sound is read from a path, bytes or a file opened in binary mode, "
                         f"not from {type(source).__name__}.")

    path = Path(os.path.expanduser(source))
    name = repr(str(path))                                          # repr keeps the message in one line
    if name.startswith(("'http:", "'https:")):
        raise AudioError(f"{name} is a web address: download the file first, then load it by its path.")
    try:
        if path.is_dir():
            raise AudioError(f"{name} is a folder: name one file in it.")
        if path.exists() and not path.is_file():
            raise AudioError(f"{name} is a device or a pipe, not a file: save the sound to a file first.")
        return path.open("rb"), name
    except AudioError:
        raise
    except FileNotFoundError:
        where = "" if path.is_absolute() else f" in {os.getcwd()!r}"
        raise AudioError(f"there is no file {name}{where}: check the name and the folder.") from None
    except PermissionError:
        raise AudioError(f"you have no permission to read {name}: change its permissions or copy it "
                         "to a folder of yours.") from None
    except OSError as error:
        raise AudioError(f"{name} cannot be read ({error.strerror}): check the path and the disk.") from None
    except ValueError:                                              # a zero byte in the name
        raise AudioError(f"{name} cannot be the name of a file: check the path.") from None


def _content(source):
    """An open file's content from where it stands, and its name."""
    label = getattr(source, "name", None)
    name = repr(label) if isinstance(label, str) else "the given file object"
    try:
        return io.BytesIO(source.read()), name
    except (OSError, ValueError, TypeError):                        # closed, for writing, or text
        raise AudioError(f"{name} cannot be read as bytes: open it with open(path, 'rb').") from None


class _Stream:
    """A binary stream as libsndfile needs it.

    It has no name, so that only the content decides the format, and it never raises: where a
    damaged header sends the reader to an impossible place, it stays.
    """

    def __init__(self, raw):
        self.raw, self.read, self.readinto, self.tell = raw, raw.read, raw.readinto, raw.tell

    def seek(self, offset, whence=os.SEEK_SET):
        with suppress(OSError, ValueError):
            self.raw.seek(offset, whence)
        return self.raw.tell()

    def left(self):
        """Bytes from here to the end."""
        here = self.tell()
        left = self.seek(0, os.SEEK_END) - here
        self.seek(here)
        return left


class _File(sf.SoundFile):
    """A soundfile that knows how much it ought to hold.

    Attributes
    ----------
    label : str
        What to call it in a message.
    total : int or float
        Frames that it says it holds: more than `frames` when some are missing, infinite when its
        end is missing and nothing says how much that was.
    counted : bool
        False where `frames` and `total` are unknown (FLAC) or an estimate of libsndfile's (MP3).
    """

    def __init__(self, stream, label):
        super().__init__(stream)
        self.label, self.stream = label, stream
        here = stream.tell()
        self.total = _total(self, stream)
        self.counted = self.frames < UNKNOWN and (self.format != "MP3" or _mp3_counted(stream))
        stream.seek(here)

    def seekable(self):
        """No: soundfile then leaves out the seek that it makes after every read.

        A seek empties the decoder, and the next frames of an MP3 are garbled: they borrow bits from
        frames before them.
        """
        return False

    def skip(self, frames):
        """Go to a frame: by decoding up to it where a seek would fail."""
        if self.format == "MP3" or not self.counted:
            for start in range(0, frames, BLOCK):
                self.read(min(BLOCK, frames - start))
        else:
            self.seek(frames)


def _read(file, offset, duration):
    """What lies from `offset` on, both in seconds: float32 [n, channels], n at least 1."""
    start = round(min(offset * file.samplerate, 2**62))
    count = file.total - start
    if duration is not None and duration * file.samplerate < count:
        count = max(1, round(duration * file.samplerate))
    blocks, got, broken = [np.empty((0, file.channels), np.float32)], 0, False
    try:
        if start < file.frames:
            file.skip(start)
            while got < count and len(block := file.read(min(BLOCK, count - got), "float32", always_2d=True)):
                blocks.append(block)
                got += len(block)
    except sf.SoundFileError:                                       # the decoder lost its way
        broken = True

    spare = 1152 if file.format == "MP3" else 0     # some encoders count the frame that tells the length
    if broken or (file.counted and 0 < count > got + spare):
        raise _cut_short(file, start + got, offset)
    if not got:
        lasts = f"lasts {file.total / file.samplerate:.2f} s" if file.counted else "ends sooner"
        raise AudioError(f"{file.label} {lasts}: offset={offset:g} lies beyond.")
    if not file.counted and got == file.total - start and file.stream.left() > 1024:
        raise AudioError(f"{file.label} does not say how long it is, and holds more than expected: {CONVERT}")
    return np.concatenate(blocks)


def _cut_short(file, end, offset=0.0):
    """The error for a file that can be read up to frame `end` only, and was asked for more."""
    readable = end / file.samplerate
    of = f"of {file.total / file.samplerate:.2f} s " if file.counted and file.total < math.inf else ""
    there = math.floor(1000 * (readable - offset)) / 1000
    take = f", or take what is there with duration={there:g}" if there > 0 else ""
    return AudioError(f"{file.label} is cut short or damaged: {of}only {readable:.2f} s can be read. "
                      f"Get the file again{take}.")


# What a file is when libsndfile refuses it: where its signature stands, the signature, what it is.
# AAC, WebM and their like need a decoder that the course does without.
CONVERT = "convert it to WAV first, for example with ffmpeg or Audacity."
FOREIGN = [
    (0, b"\x1aE\xdf\xa3", f"is WebM or Matroska, not read here: {CONVERT}"),
    (4, b"ftyp", f"is M4A, MP4 or MOV (AAC or ALAC), not read here: {CONVERT}"),
    (0, b"\xff\xf1", f"is AAC, not read here: {CONVERT}"),
    (0, b"\xff\xf9", f"is AAC, not read here: {CONVERT}"),
    (0, b"0&\xb2u", f"is WMA, not read here: {CONVERT}"),
    (0, b"#!AMR", f"is AMR, not read here: {CONVERT}"),
    (0, b"MThd", "is MIDI, which holds notes and no sound: render it first."),
    (0, b"PK\x03\x04", "is a ZIP archive: unpack it and load a file from it."),
    (0, b"\x1f\x8b", "is a gzip archive: unpack it and load a file from it."),
    (0, b"version https://git-lfs", "is a Git LFS pointer, not the sound: run `git lfs pull`."),
    (0, b"<", "is a web page or XML, probably saved in place of the sound: download it again."),
    (0, b"RIFF", "is a WAV or other RIFF file, damaged or coded in a way not read here: get it again, as PCM WAV."),
    (0, b"fLaC", "is a damaged FLAC file: get it again."),
    (0, b"OggS", "is an OGG file that is damaged, or holds neither Vorbis, Opus nor FLAC: get it again."),
    (0, b"ID3", "is a damaged MP3 file: get it again."),
    (0, b"\xff", "is a damaged MP3 file: get it again."),
]


def _diagnosis(head):
    """What a refused file is, from its first bytes, and what to do."""
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    for at, signature, says in FOREIGN:
        if head[at:].startswith(signature):
            return says
    return "is not audio that can be read here: use WAV, FLAC, OGG or MP3."


# ------------------------------------------------------------- reading: is the file all there?


def _total(file, stream):
    """Frames that a file says it holds, infinite where it breaks off without having said."""
    if file.format in ("WAV", "WAVEX"):
        claimed, there = _wav_data(stream), stream.left()
        if there < claimed and claimed not in UNKNOWN_LENGTH:
            return math.ceil(file.frames * claimed / there) if file.frames else math.inf
    elif (file.format == "OGG" and not _ogg_ends(stream)) or "(should be" in file.extra_info:
        return math.inf                                 # the latter is in libsndfile's log of AIFF and the like
    return file.frames


# Who writes a WAV into a pipe cannot come back to fill in its length, and leaves one of these.
UNKNOWN_LENGTH = {0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0x80000000}


def _wav_data(stream):
    """Go to a WAV's samples; how many bytes of them its header claims.

    After ``RIFF size WAVE`` come chunks: a name of 4 bytes, a size of 4, as many bytes, padded to even.
    """
    stream.seek(0)
    order = "big" if stream.read(12)[:4] == b"RIFX" else "little"
    while len(head := stream.read(8)) == 8:
        size = int.from_bytes(head[4:], order)
        if head[:4] == b"data":
            return size
        stream.seek(size + size % 2, os.SEEK_CUR)
    return 0


def _with_length(stream):
    """A WAV as it is; where its writer never came back to fill in the length 0, with "unknown" there."""
    claimed, start = _wav_data(stream), stream.tell()
    stream.seek(4)
    end = 8 + int.from_bytes(stream.read(4), "little")              # of the whole file, by its header
    stream.seek(0)
    if claimed or stream.left() <= start or start < end < 0xFFFFFFFF:
        return stream
    content = bytearray(stream.read())
    content[start - 4 : start] = b"\xff" * 4
    return _Stream(io.BytesIO(content))


def _ogg_ends(stream):
    """Whether an OGG file's last page is complete and marked as the last.

    A page is ``OggS``, a byte of version, a byte of flags (4: last), 20 bytes more, the number of
    its segments, their sizes of a byte each, and the segments: at most 65,307 bytes.
    """
    stream.seek(0)
    stream.seek(max(0, stream.left() - 65_307))
    tail = stream.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27:
        return False
    segments = page[26]
    return bool(page[5] & 4) and len(page) >= 27 + segments + sum(page[27 : 27 + segments])


def _mp3_counted(stream):
    """Whether an MP3 tells its length in its first frame; where not, libsndfile estimates it."""
    stream.seek(0)
    head = stream.read(10)
    skip = 0
    if head[:3] == b"ID3":                                  # title, cover picture: size in 7-bit digits
        skip = 10 + sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=False))
    stream.seek(skip)
    first = stream.read(512)
    return any(tag in first for tag in (b"Xing", b"Info", b"VBRI"))


# ---------------------------------------------------------------------------------------- writing

SUBTYPES = {                            # by suffix, then by bits; None is the default
    ".wav": {None: "PCM_16", 8: "PCM_U8", 16: "PCM_16", 24: "PCM_24", 32: "FLOAT"},
    ".flac": {None: "PCM_16", 16: "PCM_16", 24: "PCM_24"},
    ".ogg": {None: "VORBIS"},
    ".mp3": {None: "MPEG_LAYER_III"},
}
DEPTHS = {"PCM_U8": 8, "PCM_16": 16, "PCM_24": 24}


def save(path, y, sr, bits=None):
    """Write a signal as WAV, FLAC, OGG Vorbis or MP3, whole or not at all.

    The file appears under its name only when it is complete; until then an older one stays. Rounding
    to whole numbers is as an analogue-to-digital converter's: steps of ``2 / 2**bits``, level 0
    among them, +1.0 stored as the highest level.

    Parameters
    ----------
    path : str or os.PathLike
        Its suffix chooses the format: .wav, .flac, .ogg, .mp3.
    y : np.ndarray, shape [n] or [channels, n]
        The signal, floats within ±1.
    sr : int
        Sample rate in Hz.
    bits : int, optional
        16 (the default) or 24; WAV also 8, and 32, which keeps float32 exactly and above full scale
        too. OGG and MP3 have no bit depth.

    Raises
    ------
    AudioError
        If `y` is empty, of the wrong shape or type, holds NaN or infinity, or goes beyond ±1 where
        the format would cut it off; if the format cannot hold it; if the file cannot be written.

    Examples
    --------
    >>> save("tone.flac", y, 48000, bits=24)                             # doctest: +SKIP

    Taught in: notebooks/01_fundamentals.ipynb, "What does a file keep?"
    """
    y, sr = _signal(y), _rate(sr)
    if not isinstance(path, (str, os.PathLike)):
        raise AudioError(f"a sound is saved under a path, not under {type(path).__name__}.")
    path = Path(os.path.expanduser(path))
    suffix = path.suffix.lower()
    name = repr(str(path))
    if suffix not in SUBTYPES:
        raise AudioError(f"{name} ends in {suffix or 'no suffix'!r}: choose {', '.join(SUBTYPES)}.")
    subtypes = SUBTYPES[suffix]
    if bits not in list(subtypes):
        depths = ", ".join(str(b) for b in subtypes if b) or "none, leave it out"
        raise AudioError(f"bits={bits!r} does not go with {suffix}: choose from {depths}.")
    peak, beyond = np.abs(y).max(), np.count_nonzero(np.abs(y) > 1)
    if beyond and subtypes[bits] != "FLOAT":
        raise AudioError(
            f"{beyond} of {y.size} samples lie beyond full scale (peak {peak:.3g}) and would be cut off: scale the "
            "signal down, clip it with np.clip(y, -1, 1), or save it as .wav with bits=32, which holds them."
        )
    if subtypes[bits] in DEPTHS:
        step = 2 / 2 ** DEPTHS[subtypes[bits]]                      # libsndfile would round down, half a step too low
        y = np.minimum(step * np.round(y / step), 1 - step)
    content = _encode(y, sr, suffix[1:].upper(), subtypes[bits])
    try:
        with replacing(path) as tmp:
            tmp.write_bytes(content)
    except OSError as error:
        raise AudioError(f"{name} cannot be written ({error.strerror}): check the folder, its permissions "
                         "and the space on the disk.") from None


def _encode(y, sr, format, subtype, squeeze=0.5):
    """A signal as the bytes of a sound file; `squeeze`, 0 to 1, trades an MP3's quality for size."""
    frames = y.reshape(-1, y.shape[-1]).T                                       # [n, channels]
    # LAME turns the level down by 0.45 dB at constant and average bit rate, but not at variable.
    coding = {"bitrate_mode": "VARIABLE", "compression_level": squeeze} if format == "MP3" else {}
    content = io.BytesIO()
    try:
        with sf.SoundFile(content, "w", sr, frames.shape[1], subtype, format=format, **coding) as file:
            for start in range(0, len(frames), BLOCK):          # libvorbis crashes on minutes at once
                file.write(np.ascontiguousarray(frames[start : start + BLOCK]))
    except sf.SoundFileError:
        raise AudioError(f"{format} cannot hold {frames.shape[1]} channel(s) at {sr} Hz: resample to 48000 or "
                         "44100 Hz, take fewer channels, or save as .wav.") from None
    return content.getvalue()


def _signal(y):
    """`y` as float32 of shape [n] or [channels, n], refused if it cannot be a sound."""
    try:
        y = np.asarray(y)
    except (TypeError, ValueError):
        raise AudioError("a signal is an array of floats: its rows differ in length.") from None
    y = floats(y)
    if y.ndim not in (1, 2):
        raise AudioError(f"a signal has shape [n] or [channels, n], not {y.shape}.")
    if y.ndim == 2 and len(y) > 8:
        raise AudioError(f"the signal has {len(y)} channels (shape {y.shape}), and at most 8 go: are they {len(y)} "
                         "signals?")
    with np.errstate(over="ignore"):                                            # float64 beyond float32: see below
        y = y.astype(np.float32)
    if not (y.min() > -LOUDEST and y.max() < LOUDEST):                          # NaN compares as false
        bad = ~(np.abs(y) < LOUDEST)
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise AudioError(f"the signal holds NaN, infinity or absurdly large values at {bad.sum()} of {y.size} "
                         f"samples, first y[{', '.join(map(str, first))}] = {y[first]}: look at what made it.")
    return y


FULL_SCALE = {                          # how to bring whole numbers to ±1, by their type
    "uint8": "(y - 128.0) / 128", "int8": "y / 128", "int16": "y / 32768", "uint16": "(y - 32768.0) / 32768",
    "int32": "y / 2**31 (24 bits in 32: y / 2**23)", "int64": "y / 32768 if they were 16 bits",
}


def floats(y):
    """A signal as an array of floats, channels first.

    Parameters
    ----------
    y : array_like, shape [n] or [..., channels, n]

    Returns
    -------
    np.ndarray
        `y` itself where it is one.

    Raises
    ------
    AudioError
        If it is empty, of integers (their full scale is not 1) or of another type, or has more channels than samples:
        then they stand last.
    """
    y = np.asarray(y)
    if y.dtype.kind in "iu":
        how = FULL_SCALE.get(str(y.dtype), "by what is their full scale")
        raise AudioError(f"the signal holds whole numbers ({y.dtype}), but full scale is ±1.0: convert them to floats "
                         f"first, {how}.")
    if y.dtype.kind != "f":
        raise AudioError(f"a signal is an array of floats, not of {y.dtype}.")
    if not y.size:
        raise AudioError(f"the signal is empty (shape {y.shape}): there is nothing to hear.")
    if y.ndim == 2 and len(y) > max(8, y.shape[1]):
        raise AudioError(f"the signal has shape {y.shape}, that would be {len(y)} channels: put them first, with y.T.")
    return y


def _number(value, what, unit, allowed):
    """`value` as a float, refused unless it is finite and `allowed`."""
    if not (isinstance(value, numbers.Real) and math.isfinite(value) and allowed(value)):
        raise AudioError(f"{what} is a number of {unit}, not {value!r}.")
    return float(value)


def _rate(sr):
    """A sample rate as an int."""
    unit = f"hertz, whole and from {RATES[0]} to {RATES[1]}"
    return int(_number(sr, "sr", unit, lambda x: x == int(x) and RATES[0] <= x <= RATES[1]))


# ---------------------------------------------------------------------------------------- playing

# LAME removes what lies above 0.45 of the rate that it is given, so a clip travels at the first of
# these rates that is at least 1.2 times its own, and keeps its whole band. (Above 16 kHz the
# encoder drops what few can hear; 16-kHz speech takes about 6 kB/s.)
PLAYER_RATES = 16_000, 22_050, 24_000, 32_000, 44_100


def play(*signals, sr, titles=None, lossless=False):
    """Show players side by side, each with its waveform. The level is never touched.

    A quiet signal sounds quiet and looks quiet: the waveforms share one scale, ±1. Beyond full
    scale it is clipped, as a sound card does, and a line below the player says so. What is embedded
    is MP3, which every browser plays, at 4 to 6 kB/s for speech at 16 kHz: its level is right within
    0.5 dB for speech and tones and 1 dB for noise. It is meant for ears; measure `y` itself.

    Parameters
    ----------
    *signals : np.ndarray, shape [n] or [2, n]
        Floats, full scale ±1.
    sr : int
        Sample rate of them all, in Hz.
    titles : list of str, optional
        One for each signal.
    lossless : bool
        Embed 16-bit FLAC instead, about five times as large: for comparing codecs or bit depths by ear.

    Raises
    ------
    AudioError
        If a signal is empty, of the wrong shape or type, or holds NaN or infinity.

    Examples
    --------
    >>> play(y, 0.1 * y, sr=sr, titles=["as recorded", "20 dB down"])   # doctest: +SKIP

    Taught in: notebooks/00_start_here.ipynb, "What does my voice look like?"
    """
    # Imported here because it takes 0.3 s and only players need it.
    from IPython import get_ipython
    from IPython.display import display

    if not signals:
        raise AudioError("there is nothing to play: pass one or more signals.")
    titles = [titles] if isinstance(titles, str) else titles or [None] * len(signals)
    if len(titles) != len(signals):
        raise AudioError(f"{len(signals)} signals need as many titles, not {len(titles)}.")
    players = "".join(player_html(y, sr, title, lossless) for y, title in zip(signals, titles, strict=True))
    lines = [_summary(_signal(y), sr, title) for y, title in zip(signals, titles, strict=True)]
    text = "Players: " + " | ".join(lines)
    if get_ipython() is None:
        print(text)
    else:
        row = f'<div style="display:flex; flex-wrap:wrap; gap:0.5em 1.5em">{players}</div>'
        display({"text/html": row, "text/plain": text}, raw=True)


def player_html(y, sr, title=None, lossless=False):
    """One player and its waveform as HTML, for `play` and for widgets.

    Parameters
    ----------
    y : np.ndarray, shape [n] or [2, n]
        Floats, full scale ±1; beyond is clipped, and said.
    sr : int
        Sample rate in Hz.
    title : str, optional
    lossless : bool
        As in `play`.

    Returns
    -------
    str
        A ``<figure>``: title, waveform (inline SVG, ±1, in the colour of the text around it), player.

    Raises
    ------
    AudioError
        As `play`.
    """
    y, sr = _signal(y), _rate(sr)
    if y.ndim == 2 and len(y) > 2:
        raise AudioError(f"a player has one or two channels, not {len(y)}: choose some, for example y[:2].")
    label = html.escape(_summary(y, sr, title))
    caption = f"<figcaption>{html.escape(str(title))}</figcaption>" if title is not None else ""
    beyond = np.count_nonzero(np.abs(y) > 1)
    note = f"<small>Clipped: {beyond} of {y.size} samples lie beyond full scale.</small>" if beyond else ""
    heard = np.clip(y, -1, 1)
    if lossless:
        rate, kind = sr, "flac"
    else:
        rate, kind = next((rate for rate in PLAYER_RATES if rate >= 1.2 * sr), PLAYER_RATES[-1]), "mpeg"
    carried = soxr.resample(heard.T, sr, rate).T
    if not carried.size:
        raise AudioError(f"the signal is too short to play: {y.shape[-1]} sample(s) at {sr} Hz.")
    coding = ("FLAC", "PCM_16") if lossless else ("MP3", "MPEG_LAYER_III", 0.7)
    content = base64.b64encode(_encode(carried, rate, *coding)).decode()
    # `title` repeats `aria-label` because Jupyter strips the latter from notebooks that it does not trust.
    return (
        f'<figure style="margin:0; flex:1 1 14em; max-width:26em">{caption}{_waveform(heard, label)}'
        f'<audio controls aria-label="{label}" title="{label}" style="width:100%" '
        f'src="data:audio/{kind};base64,{content}"></audio>{note}</figure>'
    )


def _summary(y, sr, title):
    """A player in words: title, seconds, peak."""
    peak = float(np.abs(y).max())
    level = f"peak {20 * math.log10(peak):+.1f} dBFS" if peak > 1e-6 else "silent"
    clipped = ", clipped" if peak > 1 else ""
    return f"{'sound' if title is None else title} ({y.shape[-1] / sr:.2f} s, {level}{clipped})"


def _waveform(y, label, columns=64, height=40):
    """The outline of a signal within ±1 as inline SVG, a lane per channel."""
    lanes = np.atleast_2d(y)
    edges = np.linspace(0, y.shape[-1] - 1, columns + 1).astype(int)
    paths = ""
    for middle, lane in zip(height * (np.arange(len(lanes)) + 0.5), lanes, strict=True):
        top = middle - height / 2 * np.maximum.reduceat(lane, edges)
        bottom = middle - height / 2 * np.minimum.reduceat(lane, edges)
        outline = [*enumerate(top), *reversed([*enumerate(bottom)])]
        paths += f'<path vector-effect="non-scaling-stroke" d="M{" ".join(f"{x},{v:.0f}" for x, v in outline)}Z"/>'
    tall = height * len(lanes)
    return (
        f'<svg role="img" aria-label="Waveform of {label}" viewBox="0 0 {columns} {tall}" preserveAspectRatio="none" '
        f'style="display:block; width:100%; height:{tall}px; box-sizing:border-box; border:1px solid; opacity:0.75" '
        f'fill="currentColor" stroke="currentColor" stroke-width="1">{paths}</svg>'
    )
