"""Files in and out keep every sample, bad ones are named in a line, players do not touch the level."""

import base64
import errno
import io
import math
import os
import re
import subprocess
import sys
import tracemalloc
import wave
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from audiolab import audio
from audiolab.audio import AudioError, info, load, play, player_html, save

SR = 16000


def noise(n=SR, channels=None, seed=0):
    """Noise within ±0.9 on a 16-bit grid, so that 16 bits hold it exactly."""
    shape = n if channels is None else (channels, n)
    return (np.random.default_rng(seed).integers(-29491, 29491, shape) / 32768).astype(np.float32)


def tone(hz=440, seconds=1.0, sr=SR, peak=0.5):
    return (peak * np.sin(2 * np.pi * hz * np.arange(int(seconds * sr)) / sr)).astype(np.float32)


def vowels(seconds=4.0, sr=SR):
    """Much like speech: a gliding buzz through moving resonances, with pauses."""
    t = np.arange(int(seconds * sr)) / sr
    pitch = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * t)) / sr
    formant = 700 + 300 * np.sin(2 * np.pi * 1.3 * t)
    y = sum(np.sin(k * pitch) / (1 + ((k * 120 - formant) / 400) ** 2) for k in range(1, 40))
    y = y * (np.sin(2 * np.pi * 2 * t) > -0.3) + 0.01 * np.random.default_rng(0).standard_normal(t.size)
    return (0.5 * y / np.abs(y).max()).astype(np.float32)


def db(ratio):
    return 20 * math.log10(ratio)


def rms(y):
    return float(np.sqrt(np.mean(np.square(y, dtype=np.float64))))


def encoded(y, format="WAV", subtype=None, sr=SR):
    """Bytes of a file written by soundfile itself."""
    file = io.BytesIO()
    sf.write(file, y.T, sr, subtype, format=format)
    return file.getvalue()


def refusal(call, *args, **kwargs):
    """The message of the AudioError that a call must raise: one line, a sentence, of bearable length."""
    with pytest.raises(AudioError) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message and 20 < len(message) < 400 and message.endswith("."), message
    return message


# ------------------------------------------------------------------------------------ round trips


@pytest.mark.parametrize("channels", [None, 1, 2, 3])
@pytest.mark.parametrize("name, bits", [("a.wav", None), ("a.wav", 16), ("a.wav", 24), ("a.wav", 32),
                                        ("a.flac", None), ("a.flac", 16), ("a.flac", 24)])
def test_what_is_saved_comes_back_exactly(tmp_path, name, bits, channels):
    y = noise(5000, channels)
    if bits in (24, 32):
        y += np.float32(2**-23)                                     # off the 16-bit grid, on the 24-bit one
    save(tmp_path / name, y, 44100, bits=bits)
    back, sr = load(tmp_path / name)
    assert sr == 44100 and back.dtype == np.float32 and back.flags.c_contiguous
    np.testing.assert_array_equal(back, y[0] if channels == 1 else y)


@pytest.mark.parametrize("bits", [8, 16, 24])
def test_rounding_is_to_the_nearest_step(tmp_path, bits):
    y = np.random.default_rng(0).uniform(-1, 1 - 2 / 2**bits, 4000).astype(np.float32)
    save(tmp_path / "a.wav", y, SR, bits=bits)
    assert np.abs(load(tmp_path / "a.wav")[0] - y).max() <= 1.001 / 2**bits


def test_full_scale_takes_the_outermost_levels(tmp_path):
    save(tmp_path / "a.wav", np.array([1.0, -1.0]), SR)
    assert load(tmp_path / "a.wav")[0].tolist() == [32767 / 32768, -1.0]


def test_float_wav_keeps_what_is_above_full_scale(tmp_path):
    y = 3 * noise()
    save(tmp_path / "a.wav", y, SR, bits=32)
    np.testing.assert_array_equal(load(tmp_path / "a.wav")[0], y)


@pytest.mark.parametrize("sr", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("name, within", [("a.ogg", 0.1), ("a.mp3", 0.2)])
def test_lossy_formats_keep_length_and_level(tmp_path, name, within, sr):
    y = np.stack([tone(440, sr=sr), tone(660, sr=sr, peak=0.1)])
    save(tmp_path / name, y, sr)
    back, rate = load(tmp_path / name)
    assert rate == sr and back.shape == y.shape
    for before, after in zip(y, back, strict=True):
        assert abs(db(rms(after) / rms(before))) < within


def test_minutes_of_ogg_do_not_crash(tmp_path):
    save(tmp_path / "a.ogg", np.zeros(10 * 60 * 8000), 8000)
    assert info(tmp_path / "a.ogg").duration == 600


def test_levels_agree_with_the_standard_library(tmp_path):
    whole = np.array([0, 1, -1, 12345, 32767, -32768], dtype="<i2")
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(8000)
        file.writeframes(whole.tobytes())
    y, sr = load(tmp_path / "a.wav")
    assert sr == 8000
    np.testing.assert_array_equal(y, whole / 32768)
    save(tmp_path / "b.wav", y, sr)
    with wave.open(str(tmp_path / "b.wav")) as file:
        assert file.readframes(6) == whole.tobytes()


# -------------------------------------------------------------------------------------- reading

FORMATS = [("WAV", "PCM_U8"), ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("WAV", "FLOAT"),
           ("WAV", "DOUBLE"), ("WAV", "ULAW"), ("WAV", "ALAW"), ("WAVEX", "PCM_16"), ("RF64", "PCM_16"),
           ("AIFF", "PCM_16"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("OGG", "OPUS"),
           ("MP3", "MPEG_LAYER_III")]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("format, subtype", FORMATS)
def test_every_format_loads_whole_and_in_part(format, subtype, channels):
    content = encoded(noise(20000, channels), format, subtype)
    y, sr = load(content)
    reference, _ = sf.read(io.BytesIO(content), dtype="float32", always_2d=True)
    np.testing.assert_allclose(np.atleast_2d(y), reference.T, atol=1e-6)
    assert sr == SR and y.shape == ((20000,) if channels == 1 else (channels, 20000))
    part, _ = load(content, offset=0.25, duration=0.5)
    np.testing.assert_allclose(part, y[..., 4000:12000], atol=1e-6)
    assert info(content) == audio.Info(1.25, SR, channels, format, subtype, 20000)


def test_mulaw_is_close():
    assert np.abs(load(encoded(noise(), subtype="ULAW"))[0] - noise()).max() < 0.02


def test_sources(tmp_path):
    path = tmp_path / "Ünïcode name.wav"
    save(path, noise(), SR)
    content = path.read_bytes()
    with path.open("rb") as file:
        sources = [path, str(path), content, bytearray(content), memoryview(content), io.BytesIO(content), file]
        for source in sources:
            np.testing.assert_array_equal(load(source)[0], noise())
    later = io.BytesIO(b"skip me" + content)
    later.seek(7)
    np.testing.assert_array_equal(load(later)[0], noise())


@pytest.mark.parametrize("suffix", [".mp3", ".raw", ".txt", ".gsm", ""])
def test_content_decides_not_the_name(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_bytes(encoded(noise()))
    np.testing.assert_array_equal(load(tmp_path / f"a{suffix}")[0], noise())


def test_the_home_folder_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    save("~/a.wav", noise(), SR)
    assert (tmp_path / "a.wav").exists() and load("~/a.wav")[1] == SR


def test_parts():
    content = encoded(noise())
    assert len(load(content, duration=99)[0]) == SR                 # fewer where the file ends first
    assert len(load(content, offset=0.9)[0]) == 1600
    assert len(load(content, duration=1e-9)[0]) == 1                # never nothing
    assert "lasts 1.00 s" in refusal(load, content, offset=1)
    assert "offset=5" in refusal(load, encoded(noise(), "MP3"), offset=5)


@pytest.mark.parametrize("options", [
    {"offset": -1}, {"offset": math.nan}, {"offset": "1"}, {"offset": None}, {"duration": 0}, {"duration": -1},
    {"duration": math.inf}, {"duration": []}, {"sr": 0}, {"sr": -8000}, {"sr": 44100.5}, {"sr": "16k"}, {"sr": 10**9},
    {"sr": math.nan},
])
def test_unusable_options_are_refused(options):
    (name,) = options
    assert refusal(load, encoded(noise()), **options).startswith(name)


def test_extreme_but_legal_options():
    content = encoded(noise())
    assert len(load(content, duration=1e300)[0]) == SR
    refusal(load, content, offset=1e300)
    refusal(load, encoded(noise(), "OGG")[:-10], offset=1e300)
    assert load(content, sr=np.int64(8000))[1] == load(content, sr=8000.0)[1] == 8000


def test_nothing_is_changed_unasked():
    y = noise(channels=2)
    back, sr = load(encoded(y, sr=22050))
    assert sr == 22050
    np.testing.assert_array_equal(back, y)


def test_mono_is_the_mean():
    y = noise(channels=2)
    np.testing.assert_allclose(load(encoded(y), mono=True)[0], y.mean(axis=0), atol=1e-7)
    opposite = np.stack([y[0], -y[0]])
    assert not load(encoded(opposite), mono=True)[0].any()


@pytest.mark.parametrize("sr", [8000, 11025, 44100, 48000])
def test_resampling_keeps_pitch_level_and_duration(sr):
    y, rate = load(encoded(np.stack([tone(1000), tone(2000)])), sr=sr)
    assert rate == sr and y.shape == (2, sr) and y.dtype == np.float32
    middle = slice(sr // 10, -sr // 10)
    np.testing.assert_allclose(y[0, middle], tone(1000, sr=sr)[middle], atol=1e-3)
    np.testing.assert_allclose(y[1, middle], tone(2000, sr=sr)[middle], atol=1e-3)


def test_resampling_leaves_no_alias():
    y, _ = load(encoded(tone(6000), subtype="FLOAT"), sr=8000)
    assert db(rms(y[800:-800]) / rms(tone(6000))) < -90


def test_too_short_to_resample():
    assert "too short" in refusal(load, encoded(noise(1), sr=48000), sr=8000)


def test_info_reads_like_a_sentence(tmp_path):
    save(tmp_path / "a.flac", noise(channels=2), SR, bits=24)
    assert repr(info(tmp_path / "a.flac")) == "FLAC (PCM_24), 1.00 s, 16000 Hz, stereo, 16000 samples per channel"


# ------------------------------------------------------------------------------------- bad input


def test_paths_that_lead_nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "no file 'a.wav' in" in refusal(load, "a.wav")
    assert "no file" in refusal(info, tmp_path / "no" / "a.wav")
    assert "folder" in refusal(load, tmp_path)
    assert "web address" in refusal(load, "https://example.org/a.wav")
    assert "check the path" in refusal(load, "a\0.wav")
    assert "check the path" in refusal(load, "a" * 260)             # longer than a name may be
    refusal(load, "two\nlines.wav")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    assert "device or a pipe" in refusal(load, tmp_path / "pipe.wav")


def test_no_permission(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    save(path, noise(), SR)
    path.chmod(0)
    if os.access(path, os.R_OK):                                    # root and Windows may read all the same
        def refuse(*_):
            raise PermissionError(errno.EACCES, "Permission denied")
        monkeypatch.setattr(Path, "open", refuse)
    assert "permission" in refusal(load, path)


@pytest.mark.parametrize("source", [None, 3, 1.5, [b"RIFF"], np.zeros(3), object()])
def test_things_that_are_no_source(source):
    assert type(source).__name__ in refusal(load, source)


def test_file_objects_that_give_no_bytes(tmp_path):
    path = tmp_path / "a.wav"
    save(path, noise(), SR)
    with path.open() as text:
        assert "'rb'" in refusal(load, text)
    assert "'rb'" in refusal(load, io.StringIO("RIFF"))
    with path.open("rb") as closed:
        pass
    assert "'rb'" in refusal(load, closed)


@pytest.mark.parametrize("content, says", [
    (b"", "empty (0 bytes)"),
    (b"hello, world", "not audio"),
    (bytes(1000), "not audio"),
    (np.random.default_rng(0).bytes(5000), "not audio"),
    (b"\x89PNG\r\n\x1a\n" + bytes(100), "not audio"),
    (b"\n<!DOCTYPE html><html>404</html>", "web page"),
    (b"\x1aE\xdf\xa3" + bytes(100), "WebM"),
    (b"\0\0\0\x20ftypM4A " + bytes(100), "M4A"),
    (b"\xff\xf1\x50\x80" + bytes(100), "AAC"),
    (b"MThd\0\0\0\6" + bytes(100), "MIDI"),
    (b"PK\3\4" + bytes(100), "ZIP"),
    (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    (b"RIFF", "WAV"),
    (b"fLaC" + bytes(100), "FLAC"),
    (b"OggS" + bytes(100), "OGG"),
    (b"ID3\4" + bytes(100), "MP3"),
])
def test_what_is_no_sound_is_named(tmp_path, content, says):
    assert says in refusal(load, content)
    (tmp_path / "take.wav").write_bytes(content)
    for call in load, info:
        message = refusal(call, tmp_path / "take.wav")
        assert says in message and "take.wav" in message


@pytest.mark.parametrize("format", ["WAV", "AIFF"])
def test_zero_samples(format):
    assert "zero samples" in refusal(load, encoded(np.zeros(0), format))
    assert "zero samples" in refusal(info, encoded(np.zeros(0), format))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_values_that_are_no_sound(value):
    y = noise(channels=2)
    y[1, 4000] = value
    message = refusal(load, encoded(y, subtype="FLOAT"))
    assert "NaN" in message and "1 of 16000" in message and "0.250 s" in message


@pytest.mark.parametrize("format, subtype", FORMATS)
def test_a_missing_end_is_told_and_the_rest_can_be_had(format, subtype):
    content = encoded(noise(3 * SR), format, subtype)
    for share in 0.5, 0.9:
        short = content[: int(share * len(content))]
        message = refusal(load, short)
        assert "cut short" in message
        if "duration=" in message:                                  # else the first page is incomplete
            seconds = float(re.search(r"duration=([\d.]+\d)", message)[1])
            assert share - 0.4 < seconds / 3 < share + 0.1
            y, _ = load(short, duration=seconds)
            assert len(y) == round(seconds * SR)
    if format not in ("FLAC", "MP3"):                               # these must be decoded to tell
        assert "cut short" in refusal(info, content[:-1])
    if format != "MP3":                                             # here a frame may be missing
        assert "cut short" in refusal(load, content[:-1])


def wav_with_lengths(riff, data, y):
    content = bytearray(encoded(y))
    at = content.index(b"data") + 4
    content[4:8], content[at : at + 4] = riff.to_bytes(4, "little"), data.to_bytes(4, "little")
    return bytes(content)


@pytest.mark.parametrize("riff, data", [(0xFFFFFFFF, 0xFFFFFFFF), (0, 0), (36, 0), (0xFFFFFFFF, 0),
                                        (0x7FFFF024, 0x7FFFF000), (0x80000024, 0x80000000)])
def test_a_wav_from_a_pipe_has_no_length_and_loads(riff, data):
    content = wav_with_lengths(riff, data, noise())
    np.testing.assert_array_equal(load(content)[0], noise())
    assert info(content).frames == SR


def test_an_empty_wav_with_notes_behind_is_empty():
    content = encoded(np.zeros(0)) + b"LIST\4\0\0\0INFO"
    content = content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:]
    assert "zero samples" in refusal(load, content)


def test_chunks_before_and_behind_the_samples_do_no_harm():
    content = encoded(noise())
    note = b"note\3\0\0\0abc\0"                                     # odd length, padded
    content = content[:12] + note + content[12:] + note
    content = content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:]
    np.testing.assert_array_equal(load(content)[0], noise())


def claims_four_gigabytes():
    mp3 = bytearray(encoded(noise(), "MP3"))
    at = mp3.index(b"Xing") + 8
    mp3[at : at + 4] = b"\x7f\xff\xff\xff"                          # MPEG frames
    flac = bytearray(encoded(noise(), "FLAC"))
    flac[21] |= 0x0F                                                # 36 bits: samples
    flac[22:26] = b"\xff" * 4
    return [wav_with_lengths(0xFFFFFFF0, 0xFFFFFFF0, noise()), bytes(mp3), bytes(flac)]


@pytest.mark.parametrize("content", claims_four_gigabytes(), ids=["WAV", "MP3", "FLAC"])
def test_a_header_that_claims_gigabytes_gets_none(content):
    tracemalloc.start()
    message = refusal(load, content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "cut short" in message and peak < 10e6


def test_a_flac_from_a_pipe_has_no_length_and_loads():
    flac = bytearray(encoded(noise(), "FLAC"))
    flac[21] &= 0xF0
    flac[22:26] = bytes(4)
    np.testing.assert_array_equal(load(bytes(flac))[0], noise())
    np.testing.assert_array_equal(load(bytes(flac), offset=0.5, duration=0.1)[0], noise()[8000:9600])
    assert "does not say how long" in refusal(info, bytes(flac))
    assert "ends sooner" in refusal(load, bytes(flac), offset=5)
    assert "cut short" in refusal(load, bytes(flac[:-2000]))


def mp3_without_length(y, mode):
    """An MP3 whose first frame, which tells the length, is missing: 16 kHz, MPEG-2, layer III."""
    file = io.BytesIO()
    sf.write(file, y, SR, format="MP3", bitrate_mode=mode, compression_level=0.5)
    mp3 = file.getvalue()
    kbps = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160][mp3[2] >> 4]
    return mp3[72 * kbps * 1000 // SR + (mp3[2] >> 1 & 1) :]


def test_an_mp3_without_a_length_loads():
    content = mp3_without_length(noise(3 * SR), "CONSTANT")
    for tag in b"", b"TAG" + bytes(125):                            # a title at the end is no sound
        assert abs(len(load(content + tag)[0]) - 3 * SR) < 3 * 1152
    y, _ = load(b"ID3\4\0\0\0\0\1\0" + bytes(128) + encoded(noise(), "MP3"))
    assert len(y) == SR


def test_an_mp3_of_unknown_length_does_not_lose_its_end_silently():
    loud_then_quiet = np.concatenate([noise(10 * SR), np.zeros(120 * SR, np.float32)])
    assert "holds more than expected" in refusal(load, mp3_without_length(loud_then_quiet, "VARIABLE"))


def test_an_mp3_that_counts_its_tag_as_a_frame_loads():
    mp3 = bytearray(encoded(noise(), "MP3"))
    mp3[mp3.index(b"Xing") + 11] += 1
    assert abs(len(load(bytes(mp3))[0]) - SR) < 1152


def test_mp3_frames_that_borrow_bits_are_whole():
    """Tones take few bits and lend them on; reading in blocks or from an offset must not lose those."""
    content = encoded(np.stack([tone(440, 3), tone(660, 3, peak=0.1)]), "MP3")
    reference, _ = sf.read(io.BytesIO(content), dtype="float32")
    np.testing.assert_allclose(load(content)[0], reference.T, atol=1e-6)
    np.testing.assert_allclose(load(content, offset=1.7)[0], reference[27200:].T, atol=1e-6)


@pytest.mark.parametrize("sr", [1, 999, 2_000_000_000])
def test_an_absurd_sample_rate_is_refused(sr):
    content = bytearray(encoded(noise()))
    content[24:28] = sr.to_bytes(4, "little")
    assert f"{sr} Hz" in refusal(load, bytes(content), sr=48000)


# --------------------------------------------------------------------------------------- writing


@pytest.mark.parametrize("y, says", [
    ([], "empty"), (np.zeros((2, 0)), "empty"), (np.float32(0.5), "shape"), (np.zeros((2, 2, 2)), "shape"),
    (np.zeros((SR, 2)), "y.T"), (np.array([0, np.nan, np.nan]), "y[1] = nan"), ([0.1, np.inf], "y[1] = inf"),
    (np.array([[0, 1], [0, -np.inf]]), "y[1, 1] = -inf"), (np.array([1e300]), "absurdly"),
    (np.array([1, 2], np.int16), "whole numbers (int16)"), (np.zeros(3, np.uint8), "whole numbers"),
    (["a"], "floats"), (np.zeros(3, complex), "floats"), (None, "floats"), ([[0.1], [0.1, 0.2]], "rows differ"),
])
def test_signals_that_are_none_are_refused(tmp_path, y, says):
    assert says in refusal(save, tmp_path / "a.wav", y, SR)
    assert says in refusal(play, y, sr=SR)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name, bits", [("a.wav", None), ("a.wav", 24), ("a.flac", 16), ("a.ogg", None),
                                        ("a.mp3", None)])
def test_nothing_is_cut_off_silently(tmp_path, name, bits):
    y = noise()
    y[[3, 5]] = 1.25, -1.5
    message = refusal(save, tmp_path / name, y, SR, bits=bits)
    assert "2 of 16000" in message and "peak 1.5" in message and "bits=32" in message
    assert not list(tmp_path.iterdir())
    save(tmp_path / name, np.clip(y, -1, 1), SR, bits=bits)


def test_formats_that_are_not_there(tmp_path):
    assert "'.m4a'" in refusal(save, tmp_path / "a.m4a", noise(), SR)
    assert "no suffix" in refusal(save, tmp_path / "a", noise(), SR)
    assert "8, 16, 24, 32" in refusal(save, tmp_path / "a.wav", noise(), SR, bits=12)
    assert "16, 24" in refusal(save, tmp_path / "a.flac", noise(), SR, bits=32)
    assert "leave it out" in refusal(save, tmp_path / "a.mp3", noise(), SR, bits=16)
    assert "MP3 cannot hold 1 channel(s) at 96000 Hz" in refusal(save, tmp_path / "a.mp3", noise(), 96000)
    assert "MP3 cannot hold 3 channel(s)" in refusal(save, tmp_path / "a.mp3", noise(channels=3), SR)
    assert "sr is a number" in refusal(save, tmp_path / "a.wav", noise(), 0)
    assert "path" in refusal(save, io.BytesIO(), noise(), SR)
    assert not list(tmp_path.iterdir())


def test_folders_that_cannot_be_written(tmp_path):
    save(tmp_path / "new" / "folder" / "a.WAV", noise(), SR)        # a missing folder is made
    refusal(save, tmp_path / "new" / "folder" / "a.WAV" / "b.wav", noise(), SR)
    (tmp_path / "c.wav").mkdir()
    refusal(save, tmp_path / "c.wav", noise(), SR)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.wav", "new"]


@pytest.mark.parametrize("failing", [(Path, "write_bytes"), (os, "replace")])
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, failing):
    path = tmp_path / "a.wav"
    save(path, noise(), SR)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(*failing, full)
        assert "No space left" in refusal(save, path, 0.5 * noise(), SR)
    assert [file.name for file in tmp_path.iterdir()] == ["a.wav"]
    np.testing.assert_array_equal(load(path)[0], noise())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble, list])
def test_any_floats_will_do(tmp_path, kind):
    y = [0.5, -0.25] if kind is list else np.array([0.5, -0.25], kind)
    save(tmp_path / "a.wav", y, SR)
    assert load(tmp_path / "a.wav")[0].tolist() == [0.5, -0.25]


def test_saving_and_playing_leave_the_signal_alone(tmp_path):
    y = 2 * noise(channels=2)
    before = y.copy()
    save(tmp_path / "a.wav", y, SR, bits=32)
    player_html(y, SR)
    np.testing.assert_array_equal(y, before)


# --------------------------------------------------------------------------------------- playing


def embedded(page):
    """What a player plays: (signal [n] or [2, n], rate, bytes of MP3)."""
    mp3 = base64.b64decode(re.search(r'src="data:audio/mpeg;base64,([^"]+)"', page)[1])
    assert sf.info(io.BytesIO(mp3)).format == "MP3"
    y, rate = sf.read(io.BytesIO(mp3), dtype="float32")
    return y.T, rate, mp3


def picture(page):
    """The waveform's SVG as (element, height of each lane's outline, share of the lane)."""
    svg = ET.fromstring(re.search(r"<svg.*?</svg>", page)[0])
    spans = []
    for path in svg.iter("path"):
        v = [float(pair.split(",")[1]) for pair in path.get("d").strip("MZ").split()]
        spans.append((max(v) - min(v)) / 40)
    return svg, spans


@pytest.mark.parametrize("peak", [1.0, 0.5, 0.05, 0.001])
@pytest.mark.parametrize("sr", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
def test_players_keep_the_level(sr, peak):
    y = tone(440, 2, sr, peak)
    heard, rate, _ = embedded(player_html(y, sr))
    assert rate in (16000, 22050, 24000, 32000, 44100)
    assert len(heard) == pytest.approx(2 * rate, abs=1)
    assert abs(db(rms(heard) / rms(y))) < 0.5


def test_players_keep_speech_at_its_level_and_small():
    quiet, loud = 0.05 * vowels(), vowels()
    for y in quiet, loud:
        heard, _, mp3 = embedded(player_html(y, SR))
        assert abs(db(rms(heard) / rms(y))) < 0.2
        assert len(mp3) / 4 <= 6000                                 # bytes per second


@pytest.mark.parametrize("level", [0.3, 0.003])
@pytest.mark.parametrize("sr", [8000, 16000, 22050])
def test_players_keep_the_level_of_noise(sr, level):
    y = (level * np.clip(np.random.default_rng(0).standard_normal(3 * sr), -3, 3)).astype(np.float32)
    assert abs(db(rms(embedded(player_html(y, sr))[0]) / rms(y))) < 1


def test_a_lossless_player_is_exact():
    y = np.round(tone(440, 0.1) * 32768) / 32768
    page = player_html(y, SR, lossless=True)
    content = base64.b64decode(re.search(r'data:audio/flac;base64,([^"]+)"', page)[1])
    back, sr = load(content)
    assert sr == SR and np.array_equal(back, y.astype(np.float32))


def test_players_keep_the_band_up_to_near_the_nyquist_frequency():
    y = tone(7500, 2)
    assert abs(db(rms(embedded(player_html(y, SR))[0]) / rms(y))) < 1


def test_players_keep_the_channels_apart():
    heard, _, _ = embedded(player_html(np.stack([tone(), 0 * tone()]), SR))
    assert abs(db(rms(heard[0]) / rms(tone()))) < 0.3 and rms(heard[1]) < 1e-4
    heard, _, _ = embedded(player_html(np.stack([tone(), -tone()]), SR))
    assert np.corrcoef(heard)[0, 1] < -0.999


def test_players_clip_above_full_scale_and_say_so():
    y = tone(peak=2)
    page = player_html(y, SR, "too loud")
    beyond = np.count_nonzero(np.abs(y) > 1)
    assert f"Clipped: {beyond} of 16000 samples" in page and "+6.0 dBFS, clipped" in page
    heard, _, _ = embedded(page)
    assert abs(db(rms(heard) / rms(np.clip(y, -1, 1)))) < 0.3
    assert "Clipped" not in player_html(tone(peak=1), SR)


def test_the_picture_has_one_scale_and_is_small():
    spans = {peak: picture(player_html(tone(peak=peak), SR))[1][0] for peak in (2, 1, 0.5, 0.05)}
    assert spans == pytest.approx({2: 1, 1: 1, 0.5: 0.5, 0.05: 0.05}, abs=0.01)
    page = player_html(noise(10 * SR, channels=2), SR, "noise")
    svg, spans = picture(page)
    assert len(spans) == 2 and len(re.search(r"<svg.*?</svg>", page)[0]) < 5000
    assert svg.get("fill") == "currentColor"                        # dark text on light, light text on dark


def test_players_can_be_followed_without_ears_or_eyes():
    page = player_html(tone(peak=0.5), SR, 'the "A" <b>')
    label = "the &quot;A&quot; &lt;b&gt; (1.00 s, peak -6.0 dBFS)"
    assert f'<audio controls aria-label="{label}" title="{label}"' in page
    assert f'role="img" aria-label="Waveform of {label}"' in page
    assert "<figcaption>the &quot;A&quot; &lt;b&gt;</figcaption>" in page
    assert "sound (1.00 s, silent)" in player_html(np.zeros(SR), SR)
    assert "figcaption" not in player_html(np.zeros(SR), SR)


@pytest.mark.parametrize("n", [1, 2, 100, 1153])
def test_the_shortest_sounds_have_players(n):
    picture(player_html(noise(n), SR))
    embedded(player_html(noise(n), SR))


def test_too_short_to_play():
    assert "too short" in refusal(player_html, noise(1), 96000)


@pytest.fixture
def shown(monkeypatch):
    """What is displayed, as in a notebook."""
    bundles = []
    monkeypatch.setattr("IPython.get_ipython", lambda: object())
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: bundles.append(bundle))
    return bundles


def test_play_shows_a_row(shown):
    assert play(tone(), 0.1 * tone(), sr=SR, titles=["loud", "quiet"]) is None
    (bundle,) = shown
    assert bundle["text/plain"] == "Players: loud (1.00 s, peak -6.0 dBFS) | quiet (1.00 s, peak -26.0 dBFS)"
    assert bundle["text/html"].startswith('<div style="display:flex')
    assert bundle["text/html"].count("<audio") == 2
    play(tone(), sr=SR, titles="one")
    assert "<figcaption>one</figcaption>" in shown[1]["text/html"]


def test_play_in_a_plain_terminal_prints_a_line(capsys):
    play(tone(), sr=SR)
    assert capsys.readouterr().out == "Players: sound (1.00 s, peak -6.0 dBFS)\n"


def test_play_refuses(shown):
    assert "nothing to play" in refusal(play, sr=SR)
    assert "2 signals" in refusal(play, tone(), tone(), sr=SR, titles=["one"])
    assert "y[:2]" in refusal(play, noise(channels=3), sr=SR)
    assert "sr is a number" in refusal(play, tone(), sr=None)
    assert not shown


# --------------------------------------------------------------------------------------- the rest


def test_audio_loads_when_first_used():
    for module, absent in ("audiolab", {"numpy", "soundfile", "soxr"}), ("audiolab.audio", {"IPython"}):
        code = f"import sys, {module}; assert not {absent} & set(sys.modules)"
        subprocess.run([sys.executable, "-c", code], check=True)
