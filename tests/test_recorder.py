"""What the browser sends becomes a recording or a stream, whole; anything else is refused and leaves nothing behind."""

import io
import itertools
import threading
import zlib

import numpy as np
import pytest
import soundfile

from audiolab import widgets
from audiolab.audio import AudioError
from audiolab.widgets import live, recorder

SR = 48000
Y = (0.4 * np.sin(2 * np.pi * 440 * np.arange(SR) / SR)).astype(np.float32)
NAMES = itertools.count()
VIEW = "application/vnd.jupyter.widget-view+json"


def wav(y):
    file = io.BytesIO()
    soundfile.write(file, y, 8000, format="WAV")
    return file.getvalue()


def pieces(data, **about):
    """Messages as the browser makes them, with their buffers, which arrive as memoryviews."""
    name = str(next(NAMES))
    whole = {"transfer": name, "sound": f"sound {name}", "total": len(data), "checksum": zlib.adler32(data), **about}
    starts = range(0, max(1, len(data)), 60_000)
    return [({**whole, "at": at}, [memoryview(data[at:at + 60_000])]) for at in starts]


def take(y=Y, sr=SR, **about):
    return pieces(np.ascontiguousarray(y, "<f4").tobytes(), kind="take", sr=sr, channels=1, **about)


class Browser:
    """Stands where the browser does: sends messages to a widget and keeps what it answers."""

    def __init__(self, widget):
        self.widget, self.heard = widget, []
        widget.send = lambda message, buffers=None: self.heard.append(message)

    def send(self, *messages):
        for message, buffers in messages:
            self.widget._receive(self.widget, message, buffers)
        return self.heard[-1] if self.heard else None


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("AUDIOLAB_WORK", str(tmp_path / "work"))
    return tmp_path / "work" / "recordings"


@pytest.fixture
def default(tmp_path):
    path = tmp_path / "sample.wav"
    path.write_bytes(wav(np.stack([0.5 * Y[:8000], 0 * Y[:8000]], axis=1)))
    return path


@pytest.fixture
def voice(folder, default):
    return widgets.Recorder(default=default)


# ----------------------------------------------------------------------------------------- Recorder


def test_before_anything_is_recorded_there_is_the_sample(voice, default):
    assert voice.path == default
    y, sr = voice.load(duration=0.5)
    assert y.shape == (4000,) and y.dtype == np.float32 and sr == 8000
    assert voice.load(mono=False)[0].shape == (2, 8000)


def test_a_take_is_stored_to_24_bits_and_is_what_load_gives(voice, folder):
    browser = Browser(voice)
    answer = browser.send(*take(transfer="t1"))
    assert len(browser.heard) > 2 and browser.heard[0] == {"transfer": "t1", "have": 60_000}
    assert browser.heard[-2] == {"transfer": "t1", "storing": True}
    y, sr = voice.load()
    assert sr == SR and y.shape == Y.shape and np.abs(y - Y).max() <= 2**-24
    about = soundfile.info(voice.path)
    assert (about.format, about.subtype) == ("FLAC", "PCM_24")
    assert voice.path.parent == folder and answer["took"] == voice.said
    assert answer["took"] == f"Took {voice.path.name}, 1.0 s at 48000 Hz. Run the cells below again."


def test_a_take_again_keeps_the_earlier_one_which_can_be_chosen_again(voice, folder, monkeypatch):
    monkeypatch.setattr(recorder.time, "strftime", lambda form: "20260102-030405")       # within one second
    for level in (1, 0.5, 0.25):
        Browser(voice).send(*take(level * Y))
    assert sorted(f.name for f in folder.iterdir()) == [
        "voice-20260102-030405-2.flac", "voice-20260102-030405-3.flac", "voice-20260102-030405.flac"]
    assert voice.path.name == "voice-20260102-030405-3.flac" and len(voice.files) == 3
    voice.set_state({"chosen": "voice-20260102-030405.flac"})                             # as the browser does
    assert np.abs(voice.load()[0]).max() == pytest.approx(0.4, abs=1e-4)


@pytest.mark.parametrize("name", ["../../sample.wav", "/etc/hostname", ".", "..", "gone.flac"])
def test_the_browser_chooses_from_the_list_only(voice, default, name):
    voice.set_state({"chosen": name})
    assert voice.path == default


def test_a_cell_that_is_run_again_keeps_the_newest_recording(voice, folder, default):
    Browser(voice).send(*take())
    (folder / ".half-written.flac").write_bytes(b"")
    again = widgets.Recorder(default=default)
    assert again.files == voice.files and len(again.files) == 1 and again.path == voice.path
    assert again.path.name in again.said
    again.set_state({"chosen": ""})
    assert again.path == default


def test_what_is_beyond_full_scale_is_clipped(voice):
    Browser(voice).send(*take(np.float32([0.5, 1.5, -2.0] * 100)))
    assert voice.load()[0][:3] == pytest.approx([0.5, 1, -1], abs=1e-6)


@pytest.mark.parametrize("messages, says", [
    (take()[1:], "a piece of it was lost"),
    (take()[:1] + take()[2:], "a piece of it was lost"),
    (take()[:1] + [({**m, "transfer": "t2"}, b) for m, b in take()[1:]], "a piece of it was lost"),
    ([(m, []) for m, _ in take()], "a piece of it was lost"),
    ([({**m, "checksum": 1}, b) for m, b in take()], "damaged on the way"),
    ([({**m, "total": 1000}, b) for m, b in take()[:1]], "damaged on the way"),
    ([({**m, "total": 2**40}, b) for m, b in take()], "larger than 64 MB"),
    ([({**m, "total": "many"}, b) for m, b in take()], "larger than"),
    (take(sr=0), "sr"), (take(sr=None), "sr"),
    (pieces(b"abcde", kind="take", sr=SR, channels=1), "something else than float samples"),
    (pieces(b"abcd", kind="take", sr=SR, channels=0), "something else than float samples"),
    (pieces(b"", kind="take", sr=SR, channels=1), "something else than float samples"),
    (take(np.where(np.arange(SR) == 7, np.nan, Y)), "NaN"),
    (take(np.where(np.arange(SR) == 7, np.inf, Y)), "infinity"),
])
def test_a_take_that_is_not_whole_is_refused_in_one_line_and_nothing_is_kept(voice, folder, default, messages, says):
    answer = Browser(voice).send(*messages)
    assert says in answer["refused"] and "\n" not in answer["refused"]
    assert not folder.exists() and voice.path == default and voice.said == ""
    assert "took" in Browser(voice).send(*take())                         # and the next one is taken


@pytest.mark.parametrize("message", [
    {}, [], None, "piece", {"transfer": []}, {"transfer": "t", "total": 4, "at": "0"}, {"transfer": "t", "at": 0},
    {"transfer": "t", "total": 4, "at": 0, "sound": {}}, {"transfer": "t", "total": -4, "at": 0},
    {"transfer": "t", "total": 4, "at": 0, "checksum": zlib.adler32(b"abcd"), "kind": "take", "channels": [1]},
])
def test_a_message_that_makes_no_sense_is_answered(voice, folder, message):
    for buffers in ([], [b"abcd"], None):
        assert "\n" not in Browser(voice).send((message, buffers))["refused"]
    assert not folder.exists() and "took" in Browser(voice).send(*take())


def test_two_that_are_sent_at_once_both_arrive(voice, folder):
    one, other = take(), take(0.5 * Y)
    browser = Browser(voice)
    browser.send(*[message for pair in zip(one, other, strict=True) for message in pair])
    assert not any("refused" in answer for answer in browser.heard) and len(voice.files) == 2


def test_what_is_sent_again_is_stored_once(voice, folder):
    first, again = take(sound="s"), take(sound="s")             # the kernel was slow, and gets both
    browser = Browser(voice)
    browser.send(*first[:2], *again[:1], *again[1:])
    assert browser.send(*again[:1])["took"] == voice.said and len(voice.files) == 1
    assert browser.send(*take())["took"] == voice.said          # another take


def test_what_is_on_its_way_has_a_limit_and_is_dropped_when_nothing_follows(voice, monkeypatch):
    clock = recorder.time.monotonic()
    monkeypatch.setattr(recorder.time, "monotonic", lambda: clock)
    browser = Browser(voice)
    half = [({**m, "total": 40 * 10**6}, b) for m, b in take()]
    other = {**half[0][0], "transfer": "t2", "sound": "other"}, half[0][1]
    browser.send(*half[:2])
    assert "still on its way" in browser.send(other)["refused"]
    assert "took" in browser.send(*take())                      # a small one has room
    assert browser.send(half[2])["have"] == 180_000             # and the first goes on
    clock += recorder.ABANDONED
    assert browser.send(other)["have"] == 60_000
    assert "piece of it was lost" in browser.send(half[3])["refused"]


def test_a_full_disk_is_said(voice, monkeypatch):
    def full(path, *_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recorder.paths, "replacing", full)
    answer = Browser(voice).send(*pieces(wav(Y), kind="file", name="mine.wav"))
    assert "No space left on device" in answer["refused"] and voice.files == []


def test_a_good_file_is_kept_as_it_is_and_a_bad_one_refused(voice, folder, default):
    browser = Browser(voice)
    answer = browser.send(*pieces(b"not a sound", kind="file", name="notes.wav"))
    assert answer["refused"].startswith("notes.wav") and voice.path == default and not folder.exists()
    answer = browser.send(*pieces(wav(Y)[:-999], kind="file", name="notes.wav"))
    assert "cut short" in answer["refused"] and not folder.exists()
    browser.send(*pieces(wav(Y), kind="file", name="../../my voice.wav"))
    assert voice.path == folder / "_.._my_voice.wav" and voice.path.read_bytes() == wav(Y)
    first = voice.path
    browser.send(*pieces(wav(Y[:2000]), kind="file", name="../../my voice.wav"))
    assert voice.path.name == "_.._my_voice-2.wav" and first.read_bytes() == wav(Y)
    browser.send(*pieces(wav(Y), kind="file", name="../../my voice.wav"))
    assert voice.path == first                                            # the same content once only


def test_a_file_that_the_browser_decoded_keeps_its_name_and_channels(voice):
    both = np.stack([Y, -0.5 * Y])
    Browser(voice).send(*[({**m, "channels": 2, "name": "memo 1.m4a"}, b) for m, b in take(both.ravel())])
    assert voice.path.name == "memo_1.flac"
    assert voice.load(mono=False)[0] == pytest.approx(both, abs=2**-23)


@pytest.mark.parametrize("name, stored", [
    ("ä" * 125 + ".wav", "ä" * 50 + ".wav"), ("a" * 250 + ".wav", "a" * 100 + ".wav"),
    ("CON.wav", "_CON.wav"), ("lpt1.x.wav", "_lpt1.x.wav"), ("console.wav", "console.wav"),
    ("voice.exe", "voice.wav"), ("voice", "voice.wav"), ("voice.WAV", "voice.wav"), (None, "recording.wav"),
    ("voice.w\na\ud800v", "voice.wav"), (".hidden.wav", "hidden.wav"),
])
def test_a_file_gets_a_name_that_every_system_can_hold(voice, folder, name, stored):
    for y, expected in ((Y, stored), (0.5 * Y, stored.replace(".wav", "-2.wav"))):
        Browser(voice).send(*pieces(wav(y), kind="file", name=name))
        assert voice.path == folder / expected and voice.path.read_bytes() == wav(y)


def test_a_name_that_another_kernel_takes_meanwhile_is_not_overwritten(voice, folder, monkeypatch):
    monkeypatch.setattr(recorder.time, "strftime", lambda form: "20260102-030405")
    save = recorder.audio.save

    def slowly(*args, **options):
        save(*args, **options)
        (folder / "voice-20260102-030405.flac").write_bytes(b"the other kernel's")

    monkeypatch.setattr(recorder.audio, "save", slowly)
    Browser(voice).send(*take())
    assert voice.path.name == "voice-20260102-030405-2.flac"
    assert (folder / "voice-20260102-030405.flac").read_bytes() == b"the other kernel's"
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("limit", [0, -1, 301, float("nan")])
def test_a_take_has_a_limit(default, limit):
    with pytest.raises(ValueError, match="up to 300 s"):
        widgets.Recorder(default=default, limit=limit)


@pytest.mark.parametrize("make", [lambda path: widgets.Recorder(default=path), lambda path: widgets.LiveInput(),
                                  lambda path: widgets.LiveView()])
def test_where_no_kernel_runs_a_sentence_stands(folder, default, make):
    from nbformat import v4

    from tools.clean import clean

    data, _ = make(default)._repr_mimebundle_()
    assert VIEW in data and "in a running notebook" in data["text/plain"]
    nb = v4.new_notebook(cells=[v4.new_code_cell("voice", outputs=[v4.new_output("display_data", data)])])
    clean(nb)
    [output] = nb.cells[0].outputs
    assert set(output.data) == {"text/plain", "text/html"} and data["text/plain"].split("'")[0] in str(output.data)


def test_the_browser_and_the_kernel_agree_on_the_largest_transfer():
    assert f"const LARGEST = {recorder.LARGEST // 10**6}e6;" in recorder.Recorder._esm
    assert recorder.LONGEST * 48_000 * 4 <= recorder.LARGEST


def test_the_widgets_bring_their_own_code_and_ask_nobody_else():
    for widget in (recorder.Recorder, live.LiveInput, widgets.LiveView):
        assert "export default { render }" in widget._esm and "getUserMedia" in widget._esm
        assert "import " not in widget._esm.replace("// ", "") and "https://" not in widget._esm + widget._css


# ---------------------------------------------------------------------------------------- LiveInput


def start(sr=16000, stream="s1"):
    return {"event": "start", "sr": sr, "stream": stream}, []


def block(number, y=Y[:1600], stream="s1"):
    return {"event": "block", "number": number, "stream": stream}, [memoryview(np.asarray(y, "<f4").tobytes())]


def end(number, stream="s1"):
    return {"event": "end", "number": number, "stream": stream}, []


@pytest.fixture
def input():
    return widgets.LiveInput(seconds=2)


def test_blocks_become_one_signal(input):
    browser = Browser(input)
    assert not input.running and "press Start" in input.status and len(input.latest(1)[0]) == 0
    browser.send(start(48000), *[block(i, Y[4800 * i:4800 * (i + 1)]) for i in range(10)])
    assert input.running and not input.ended and input.status == "listening (10 blocks at 48000 Hz, 0 lost, 0 refused)"
    np.testing.assert_array_equal(input.latest(0.25)[0], Y[-12000:])
    y, sr = input.read(1)
    np.testing.assert_array_equal(y, Y)
    assert sr == 48000 and browser.heard[0] == {"do": "go", "stream": "s1"}
    browser.send(end(10))
    assert not input.running and input.ended and "it was stopped" in input.status
    assert browser.heard[-1] == {"do": "heard", "blocks": 10, "lost": 0, "stream": "s1"}


def test_lost_blocks_are_counted_also_at_the_end(input):
    Browser(input).send(start(), block(0), block(3), block(4), end(7))
    assert (input.received, input.lost, input.ring.written) == (3, 4, 4800)


def test_a_new_start_counts_anew_and_the_old_stream_is_not_heard_any_more(input):
    Browser(input).send(start(), block(0), block(5), start(48000, "s2"), block(6), block(0, Y[:4800], "s2"), end(9))
    assert (input.sr, input.received, input.lost, input.ring.written) == (48000, 1, 0, 4800) and input.running


@pytest.mark.parametrize("message, says", [
    (start(sr=0), "0 Hz"), (start(sr="fast"), "'fast' Hz"), (start(sr=1e9), "Hz"),
    (block(0, []), "0 bytes"), (block(0, Y[:16001]), "64004 bytes"),
    (({"event": "block", "number": 0, "stream": "s1"}, [b"abc"]), "3 bytes"),
    (({"event": "block", "number": 0, "stream": "s1"}, []), "0 bytes"),
    (block(0, [0, np.nan]), "NaN"), (block(0, [np.inf]), "infinity"), (block(0, [1e30]), "absurdly large"),
    (block(-1), "block -1"), (block("a"), "block 'a'"), (block(None), "block None"), (end(-5), "block -5"),
])
def test_what_is_no_sound_is_refused_in_one_line(input, message, says):
    browser = Browser(input)
    answer = browser.send(start(), message)
    assert answer["do"] == "refuse" and says in answer["says"] and "\n" not in answer["says"]
    assert (input.refused, input.received, input.lost, input.ring.written) == (1, 0, 0, 0)


def test_a_block_that_comes_twice_is_refused(input):
    answer = Browser(input).send(start(), block(0), block(0))
    assert "came when 1 was due" in answer["says"] and input.ring.written == 1600


def test_read_waits_for_what_another_thread_receives(input):
    browser = Browser(input)
    browser.send(start())
    late = threading.Thread(target=lambda: browser.send(*[block(i) for i in range(5)]))
    late.start()
    y, sr = input.read(0.5, timeout=20)
    late.join()
    assert len(y) == 8000 and sr == 16000


def test_read_says_why_nothing_comes(input, monkeypatch):
    with pytest.raises(AudioError, match=r"only 0\.0 s of 1 s came: it has not been started"):
        input.read(1, timeout=-1)
    with pytest.raises(AudioError, match="keeps 2 s"):
        input.read(3)
    browser = Browser(input)
    browser.send(start(), block(0))
    clock = live.time.monotonic()
    monkeypatch.setattr(live.time, "monotonic", lambda: clock + 4)
    with pytest.raises(AudioError, match=r"only 0\.1 s of 1 s came: nothing has come for 4 s: its tab was closed"):
        input.read(1, timeout=-1)
    assert not input.running and input.ring.available == 1600            # what came stays unread
    browser.send(({"event": "trouble", "stream": "s1", "says": "No microphone was found. Plug one in."}, []))
    with pytest.raises(AudioError, match=r"the browser says: No microphone was found\. Plug one in\.$"):
        input.read(1, timeout=60)                                        # at once, not after the timeout


def test_with_starts_and_stops_and_what_is_read_is_new(input):
    browser = Browser(input)
    browser.send(start(), block(0), end(1))
    with input:
        assert browser.heard[-1] == {"do": "ask"} and input.ring.available == 0
        browser.send(start(stream="s2"), block(0, Y[1600:3200], "s2"))
        assert input.running
        np.testing.assert_array_equal(input.read(0.1)[0], Y[1600:3200])
    assert browser.heard[-1] == {"do": "stop"} and not input.running
    browser.send(block(1, stream="s2"))
    assert input.received == 1


def test_with_a_stream_that_runs_what_is_read_is_new(input):
    browser = Browser(input)
    browser.send(start(), block(0), block(1))
    with input:
        assert browser.heard[-1]["do"] == "heard" and input.running      # nobody is asked to start again
        browser.send(block(2, Y[1600:3200]))
        np.testing.assert_array_equal(input.read(0.1)[0], Y[1600:3200])
    assert (input.ring.dropped, input.ring.available, input.received) == (0, 0, 3)


def test_one_view_of_several_opens_its_microphone(input):
    browser = Browser(input)
    here = [({"event": "here", "view": view, "stream": ""}, []) for view in ("v1", "v2")]
    browser.send(*here)
    assert browser.heard == []                                           # nobody has asked
    input.start()
    browser.send(*here)
    assert browser.heard == [{"do": "ask"}, {"do": "start", "view": "v1", "stream": ""}]
    input.stop()
    browser.send(*here)
    assert browser.heard[-1] == {"do": "stop"}                           # too late


def test_trouble_of_another_view_ends_no_stream(input):
    def trouble(stream):
        return {"event": "trouble", "stream": stream, "says": "no"}, []

    browser = Browser(input)
    browser.send(start(), block(0), trouble("s2"))
    assert input.running
    browser.send(trouble("s1"))
    assert "the browser says: no" in input.status
    input.start()
    browser.send(trouble("s3"))                                          # who was asked, and may not
    assert "the browser says: no" in input.status


def test_a_rate_beyond_all_microphones_takes_no_more_memory():
    input = widgets.LiveInput(seconds=600)
    Browser(input).send(start(768000))
    assert input.ring.capacity == live.MOST
    with pytest.raises(AudioError, match="keeps 75 s"):
        input.read(600)


def test_a_slow_function_keeps_nobody_from_reading_or_stopping(input):
    browser, entered, leave = Browser(input), threading.Event(), threading.Event()
    input.on_block(lambda y, sr: (entered.set(), leave.wait(60)))
    browser.send(start())
    sender = threading.Thread(target=browser.send, args=[block(0)])
    sender.start()
    assert entered.wait(60)
    reader = threading.Thread(target=lambda: (input.read(0.1), input.stop()))
    reader.start()
    reader.join(20)
    done = not reader.is_alive()
    leave.set()
    sender.join()
    assert done and not input.running


def test_functions_get_every_block_until_they_fail(input):
    browser, seen = Browser(input), []

    def fails(y, sr):
        y[:] = 9
        raise KeyError("x")

    input.on_block(fails)
    input.on_block(lambda y, sr: seen.append((y[1], sr)))
    answer = browser.send(start(), block(1))
    assert answer == {"do": "note", "says": "fails raised KeyError: 'x'. It is not called again.", "stream": "s1"}
    browser.send(block(2), block(3))
    assert seen == [(Y[1], 16000)] * 3 and input.ring.latest(1600)[1] == Y[1]
    input.on_block(None)
    browser.send(block(4))
    assert len(seen) == 3


@pytest.mark.parametrize("options", [{"sr": 100}, {"sr": 10**6}, {"seconds": 0}, {"seconds": 1000}])
def test_live_input_has_limits(options):
    with pytest.raises(ValueError, match="8000 to 96000 Hz"):
        widgets.LiveInput(**options)
