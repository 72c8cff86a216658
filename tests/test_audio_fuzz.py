"""Damage sound files in 800 ways: `load` and `info` answer with a sound or an AudioError, and nothing else.

The files are tried in a child process with a time and a memory limit, so that a crash or an endless
loop inside libsndfile is caught too, and the file that did it is named.
"""

import io
import itertools
import re
import subprocess
import sys
import time

import numpy as np
import soundfile as sf

from audiolab import audio

CASES = 800
SECONDS = 60                                        # for all of them; seen: 1 s
MEMORY = 4 * 2**30                                  # bytes of address space


def originals():
    """Small sound files, as (name, bytes)."""
    rng = np.random.default_rng(1)
    t = np.arange(6000) / 16000
    voice = 0.5 * np.sin(2 * np.pi * 220 * t) * np.exp(-4 * t) + 0.05 * rng.standard_normal(t.size)
    stereo = np.stack([voice, voice[::-1]], axis=1)
    kinds = [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAV", "ULAW"), ("WAV", "MS_ADPCM"),
             ("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]
    files = []
    for (format, subtype), (shape, y) in itertools.product(kinds, [("mono", voice), ("stereo", stereo)]):
        file = io.BytesIO()
        sf.write(file, y, 16000, subtype, format=format)
        files.append((f"{format}-{subtype}-{shape}", file.getvalue()))
    return files


def flip(content, rng, files):
    """Up to 16 bits, anywhere."""
    content = bytearray(content)
    for at in rng.integers(len(content), size=rng.integers(1, 17)):
        content[at] ^= 1 << rng.integers(8)
    return bytes(content)


def cut(content, rng, files):
    """The end is missing."""
    return content[: rng.integers(len(content))]


def header(content, rng, files):
    """One to four of the first 64 bytes become extreme, or any."""
    content = bytearray(content)
    for at in rng.integers(min(64, len(content)), size=rng.integers(1, 5)):
        content[at] = rng.choice([0x00, 0x01, 0x7F, 0x80, 0xFF, rng.integers(256)])
    return bytes(content)


def length(content, rng, files):
    """A 4-byte number of the header becomes huge, negative or zero."""
    at = rng.integers(4, 60)
    number = int(rng.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF]))
    return content[:at] + number.to_bytes(4, "little") + content[at + 4 :]


def splice(content, rng, files):
    """The head of one file, the tail of another."""
    other = files[rng.integers(len(files))][1]
    return content[: rng.integers(len(content))] + other[rng.integers(len(other)) :]


def blank(content, rng, files):
    """A stretch becomes zeros, disappears, or is said twice."""
    a, b = sorted(rng.integers(len(content), size=2))
    return content[:a] + [bytes(b - a), b"", 2 * content[a:b]][rng.integers(3)] + content[b:]


MUTATIONS = [flip, cut, header, length, splice, blank]
OPTIONS = [{}, {"offset": 0.1, "duration": 0.2}, {"sr": 22050, "mono": True}]


def cases(seed=20):
    """The damaged files, as (name, bytes), always the same."""
    rng = np.random.default_rng(seed)
    files = originals()
    for i in range(CASES):
        mutate = MUTATIONS[i % len(MUTATIONS)]
        name, content = files[i // len(MUTATIONS) % len(files)]
        yield f"{i}-{mutate.__name__}-{name}", mutate(content, rng, files)


def outcome(content, **options):
    """What `load` makes of bytes: "loaded", or "refused"; raises when it is neither."""
    try:
        y, sr = audio.load(content, **options)
    except audio.AudioError as error:
        assert re.fullmatch(r"[^\n\r]{20,300}", str(error)), f"not one line of words: {error!r}"
        return "refused"
    assert y.dtype == np.float32 and y.size and np.isfinite(y).all()
    assert sr > 0
    return "loaded"


def child():
    """Try every case; the name goes out before the case is tried."""
    try:
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except ImportError:                                                         # Windows
        pass
    for i, (name, content) in enumerate(cases()):
        print(name, end=" ", flush=True)
        options = OPTIONS[i // len(MUTATIONS) % len(OPTIONS)]
        try:
            result = outcome(content, **options)
            audio.info(content)
        except audio.AudioError:
            pass
        except Exception as error:                                              # this is what is looked for
            result = f"{type(error).__name__}: {error}".replace("\n", " ")
        print(result, flush=True)


def test_damaged_files_load_or_are_refused_in_one_line():
    start = time.monotonic()
    try:
        run = subprocess.run([sys.executable, "-X", "faulthandler", __file__], capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f"hangs at {late.stdout.decode().splitlines()[-1]}") from None
    lines = run.stdout.decode().splitlines()
    assert run.returncode == 0, f"dies at {lines[-1:]}: {run.stderr.decode()[-2000:]}"
    results = dict(line.split(" ", 1) for line in lines)
    assert len(results) == CASES
    wrong = {name: result for name, result in results.items() if result not in ("loaded", "refused")}
    assert not wrong, wrong
    assert "Traceback" not in run.stderr.decode(), "an exception was printed inside a callback"
    refused = sum(result == "refused" for result in results.values())
    assert 0.2 * CASES < refused < 0.9 * CASES, "the damage should be felt, and not always fatal"
    print(f"{refused} of {CASES} refused, {time.monotonic() - start:.1f} s")


def test_undamaged_files_load():
    for name, content in originals():
        assert outcome(content) == "loaded", name


if __name__ == "__main__":
    child()
