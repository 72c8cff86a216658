"""Blocks that come from the browser go back as pictures and words, at their time; whatever fails is said."""

import json
import re
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import playwright
import pytest

from audiolab import features, models, preprocess, stream, synth, widgets
from audiolab.audio import AudioError
from audiolab.detection import Word
from audiolab.widgets import explorer, view

SR, BLOCK = 16000, 800
Y = synth.noise("white", 2, SR, np.random.default_rng(3)) * np.linspace(0.1, 3, 2 * SR, dtype=np.float32)
PATIENCE = 60                           # seconds


class Halved(stream.Processor):
    """Half the sound, in hops and late, as a denoiser has it."""

    delay, latency, sr = 80, 160, SR

    def __init__(self):
        self.resets, self.gate = 0, threading.Event()
        self.gate.set()
        self.reset()

    def reset(self):
        self.resets += 1
        self.rest = np.zeros(80, np.float32)

    def process(self, x):
        self.gate.wait(PATIENCE)
        self.rest = np.concatenate([self.rest, x])
        n = len(self.rest) // 80 * 80
        y, self.rest = self.rest[:n] / 2, self.rest[n:]
        return y

    def flush(self):
        y = self.rest / 2
        self.reset()
        return y


class Clock(stream.Processor):
    """Reports a word whenever half a second has been heard."""

    sr = SR

    def reset(self):
        self.n = 0

    def process(self, x):
        before, self.n = self.n, self.n + len(x)
        return [Word("tick", at / 2, 0.9) for at in range(1 + before // (SR // 2), 1 + self.n // (SR // 2))]


class Browser:
    """Stands where the browser does: sends messages to a view, and waits for what it answers."""

    def __init__(self, view):
        self.view, self.heard = view, []
        view.send = lambda message, buffers=None: self.heard.append((message, buffers))

    def start(self, sr=SR, stream="s1"):
        self.send({"event": "start", "sr": sr, "stream": stream})

    def blocks(self, y=Y, numbers=None, size=BLOCK, stream="s1", **along):
        for i in range(-(-len(y) // size)) if numbers is None else numbers:
            self.send({"event": "block", "number": i, "stream": stream, **along}, y[size * i : size * (i + 1)])

    def end(self, number, stream="s1"):
        self.send({"event": "end", "number": number, "stream": stream})

    def send(self, message, y=None):
        buffers = [] if y is None else [memoryview(np.ascontiguousarray(y, "<f4").tobytes())]
        self.view._receive(self.view, message, buffers)

    def answers(self, kind="columns"):
        return [(message, buffers) for message, buffers in [*self.heard] if message["do"] == kind]

    def numbers(self):
        return [number for message, _ in self.answers() for number in message["numbers"]]

    def finish(self, number, stream="s1"):
        """End the stream, and wait for its last answer: what came of each row, second and columns, and the words."""
        self.end(number, stream)
        until(lambda: any(not message["numbers"] for message, _ in self.answers() if message["stream"] == stream))
        rows, words = {0: [], 1: []}, []
        for message, buffers in self.answers():
            for (row, at), data in zip(message["rows"], buffers, strict=False):
                rows[row] += [(round(at + k / 100, 3), column)
                              for k, column in enumerate(np.frombuffer(data, np.uint8).reshape(-1, 64))]
            words += message["words"]
        return rows, words


def until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.002)


def drawn(y, begin=0.0):
    """The columns that a sound should become, with their seconds."""
    level = 10 / np.log(10) * features.log_mel(y, SR).T
    values = np.clip(255 * (level - view.LOW) / (view.HIGH - view.LOW), 0, 255)
    return [(round(begin + k / 100, 3), column) for k, column in enumerate(values)]


def assert_drawn(found, wanted):
    assert [at for at, _ in found] == [at for at, _ in wanted]
    difference = np.array([x for _, x in found], float) - np.array([x for _, x in wanted])
    assert difference.min() >= -1.01 and difference.max() <= 0.01       # whole numbers, cut off


def test_blocks_come_back_as_the_columns_of_the_whole_sound_and_words_at_their_time():
    live = widgets.LiveView(Halved(), Clock())
    browser = Browser(live)
    live.hear = True
    browser.start()
    browser.blocks()
    rows, words = browser.finish(40)
    assert browser.numbers() == [*range(40)] and live.received == 40
    assert_drawn(rows[0], drawn(Y))
    assert_drawn(rows[1], drawn(Y / 2))
    assert words == [["tick", at, 0.9] for at in (0.5, 1.0, 1.5, 2.0)]
    assert live.words == [Word("tick", at, 0.9) for at in (0.5, 1.0, 1.5, 2.0)]
    heard = [(message["sound"], np.frombuffer(buffers[-1], np.float32)) for message, buffers in browser.answers()]
    np.testing.assert_array_equal(np.concatenate([y for _, y in heard]), Y / 2)
    assert [at for at, _ in heard] == pytest.approx(np.cumsum([0, *[len(y) / SR for _, y in heard[:-1]]]))
    np.testing.assert_array_equal(live.latest(2)[0], Y)                 # and it is a LiveInput


def test_the_course_s_denoiser_is_drawn_as_it_is_offline():
    denoiser = stream.Denoiser(models.load("voice-gru-scenes")[0])
    y = np.concatenate([synth.tone(300, 1, SR), Y[:SR]])
    live = widgets.LiveView(denoiser)
    browser = Browser(live)
    browser.start()
    browser.blocks(y)
    rows, _ = browser.finish(40)
    assert_drawn(rows[0], drawn(y))
    difference = np.array([x for _, x in rows[1]], float) - np.array([x for _, x in drawn(stream.offline(denoiser, y))])
    assert difference.shape == (201, 64) and np.abs(difference).max() <= 2          # the sums of a block have an order


def test_samples_are_sent_back_only_to_be_heard():
    live = widgets.LiveView(Halved())
    browser = Browser(live)
    browser.start()
    browser.blocks(Y[:8000])
    browser.finish(10)
    assert all(message["sound"] is None and len(buffers) == 2 for message, buffers in browser.answers())


def test_without_processors_there_is_the_microphone_s_picture():
    live = widgets.LiveView()
    browser = Browser(live)
    live.hear = True
    browser.start()
    browser.blocks()
    rows, words = browser.finish(40)
    assert_drawn(rows[0], drawn(Y))
    assert not rows[1] and not words and not live.drawn["cleans"] and not live.drawn["spots"]


def test_what_waits_is_computed_in_one_step_and_nobody_waits_for_it():
    denoiser = Halved()
    live = widgets.LiveView(denoiser, Clock())
    browser = Browser(live)
    browser.start()
    denoiser.gate.clear()
    browser.blocks(numbers=[0])
    until(lambda: not live._waiting)                                    # it was taken, and is being computed
    begun = time.monotonic()
    browser.blocks(numbers=range(1, 30))
    np.testing.assert_array_equal(live.latest(1.5)[0], Y[:24000])       # meanwhile
    assert time.monotonic() - begun < PATIENCE / 2 and not browser.answers()
    denoiser.gate.set()
    until(lambda: browser.numbers() == [*range(30)])
    [first, rest] = [message for message, _ in browser.answers()]
    assert (len(first["numbers"]), len(rest["numbers"]), live.deepest, live.shed) == (1, 29, 29, 0)
    assert len(rest["waited"]) == 29 and rest["waited"] == sorted(rest["waited"], reverse=True)
    assert first["compute"] >= rest["waited"][0] > 0
    browser.blocks(numbers=range(30, 40))
    assert_drawn(browser.finish(40)[0][1], drawn(Y / 2))


def test_what_is_too_late_is_left_out_and_counted_and_the_rest_stands_at_its_time():
    y = np.tile(Y, 2)
    denoiser = Halved()
    live = widgets.LiveView(denoiser, Clock())
    browser = Browser(live)
    browser.start()
    denoiser.gate.clear()
    browser.blocks(y, [0])
    until(lambda: not live._waiting)
    browser.blocks(y, range(1, 60))
    denoiser.gate.set()
    rows, words = browser.finish(60)
    assert live.shed == 59 - view.WAITS and browser.answers()[-1][0]["shed"] == live.shed
    assert browser.numbers() == [0, *range(20, 60)] and live.lost == 0
    after = y[20 * BLOCK : 60 * BLOCK]                                  # begun anew
    assert_drawn([c for c in rows[0] if c[0] >= 1], drawn(after, 1.0))
    assert_drawn([c for c in rows[1] if c[0] >= 1], drawn(after / 2, 1.0))
    assert [at for _, at, _ in words] == [1.5, 2.0, 2.5, 3.0] and denoiser.resets >= 2


def test_where_blocks_were_lost_the_processors_begin_anew():
    live = widgets.LiveView(Halved(), Clock())
    browser = Browser(live)
    browser.start()
    browser.blocks(numbers=[*range(12), *range(15, 40)])
    rows, words = browser.finish(40)
    assert live.lost == 3 and browser.numbers() == [*range(12), *range(15, 40)]
    assert_drawn([c for c in rows[1] if c[0] >= 0.75], drawn(Y[15 * BLOCK :] / 2, 0.75))
    assert not [at for at, _ in rows[0] if 0.6 <= at < 0.75]
    assert [at for _, at, _ in words] == [0.5, 1.25, 1.75]


def test_another_rate_of_the_browser_is_resampled():
    t = np.arange(96000) / 48000
    live = widgets.LiveView(Halved())
    browser = Browser(live)
    browser.start(48000)
    browser.blocks((0.3 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32), size=2400)
    rows, _ = browser.finish(40)
    wanted = drawn((0.3 * np.sin(2 * np.pi * 1000 * t[::3])).astype(np.float32))
    assert live.sr == 48000 and [at for at, _ in rows[0]] == [at for at, _ in wanted] == [at for at, _ in rows[1]]
    inner = slice(5, -5)                                                # beyond: a sine that begins at once
    assert np.abs(np.array([x for _, x in rows[0]], float) - np.array([x for _, x in wanted]))[inner].max() < 3


def raises(x):
    raise KeyError("x")


@pytest.mark.parametrize("process, says", [
    (raises, "KeyError: 'x'"), (lambda x: x * np.nan, "ValueError: .*NaN"), (lambda x: x[None], "ValueError: .*shape"),
    (lambda x: None, "ValueError"),
])
def test_a_denoiser_that_fails_is_said_once_and_the_rest_goes_on(process, says):
    denoiser = Halved()
    live = widgets.LiveView(denoiser, Clock())
    browser = Browser(live)
    browser.start()
    browser.blocks(numbers=range(10))
    until(lambda: len(browser.numbers()) == 10)
    denoiser.process = process
    browser.blocks(numbers=range(10, 40))
    rows, words = browser.finish(40)
    [(note, _)] = browser.answers("note")
    assert note["stream"] == "s1"
    assert re.match(f"The denoiser raised {says}.* It is not asked again until you press Start", note["says"])
    assert_drawn(rows[0], drawn(Y))
    assert max(at for at, _ in rows[1]) < 0.51 and len(words) == 4
    del denoiser.process                                                # mended
    browser.heard.clear()
    browser.start(stream="s2")
    browser.blocks(stream="s2")
    assert_drawn(browser.finish(40, "s2")[0][1], drawn(Y / 2))


def test_a_spotter_that_fails_is_said_and_the_pictures_go_on():
    spotter = Clock()
    spotter.process = lambda x: [3]
    live = widgets.LiveView(Halved(), spotter)
    browser = Browser(live)
    browser.start()
    browser.blocks()
    rows, words = browser.finish(40)
    [(note, _)] = browser.answers("note")
    assert note["says"].startswith("The spotter raised AttributeError: ")
    assert_drawn(rows[1], drawn(Y / 2))
    assert not words and not live.words


def test_a_new_start_waits_for_the_step_before_and_hears_nothing_of_it():
    denoiser = Halved()
    live = widgets.LiveView(denoiser, Clock())
    browser = Browser(live)
    browser.start()
    denoiser.gate.clear()
    browser.blocks(numbers=range(12))
    until(lambda: len(live._waiting) < 12)
    browser.start(stream="s2")                                          # in another view
    browser.blocks(stream="s2", numbers=range(40))
    denoiser.gate.set()
    rows, words = browser.finish(40, "s2")
    assert {message["stream"] for message, _ in browser.answers()} == {"s2"}
    assert_drawn(rows[1], drawn(Y / 2))
    assert len(words) == len(live.words) == 4


def test_in_silence_the_state_of_a_filter_becomes_zero_and_not_subnormal():
    y, p = np.zeros(2 * SR, np.float32), stream.Filter(preprocess.butterworth(2, 300, SR, "highpass"))
    y[0] = 1
    p(y)
    assert 0 < np.abs(p.state).max() < np.finfo(np.float64).tiny        # in this thread
    live = widgets.LiveView(p)
    browser = Browser(live)
    browser.start()
    browser.blocks(y)
    until(lambda: len(browser.numbers()) == 40)
    assert not p.state.any()
    browser.finish(40)


def test_stop_ends_the_thread():
    live = widgets.LiveView(Halved())
    browser, before = Browser(live), {*threading.enumerate()}
    browser.start()
    browser.blocks(numbers=range(3))
    live.stop()
    browser.end(3)
    until(lambda: {*threading.enumerate()} <= before)
    browser.start(stream="s2")
    browser.send({"event": "trouble", "stream": "s2", "says": "the widget was closed"})
    until(lambda: {*threading.enumerate()} <= before)


def test_report_has_what_the_browser_measured():
    live = widgets.LiveView(Halved())
    browser = Browser(live)
    with pytest.raises(AudioError, match="nothing has been drawn yet: press Start"):
        live.report()
    browser.start()
    for i in range(20):
        browser.blocks(numbers=[i], drawn=[[50, 10 + i, 0, 4, 8.5]], played=[200, i // 10])
    table = live.report()
    assert list(table.index) == [*view.PARTS, "picture", "sound"] and list(table) == ["p50", "p95", "worst"]
    assert table.loc["picture"].tolist() == pytest.approx([72.5 + 9.5, 72.5 + 18.05, 72.5 + 19])
    assert table.loc["filling"].tolist() == [50, 50, 50] and table.loc["sound", "worst"] == 200
    assert live.underruns == 1
    browser.start(stream="s2")
    with pytest.raises(AudioError, match="listening"):
        live.report()


@pytest.mark.parametrize("along", [
    {"drawn": 3}, {"drawn": [[1, 2, 3, 4]]}, {"drawn": [[1, 2, 3, 4, None]]}, {"drawn": [[1, 2, 3, 4, -1]]},
    {"drawn": [[1, 2, 3, 4, 1e12]]}, {"drawn": ["12345"]}, {"played": [1]}, {"played": ["1", 2]}, {"played": 7},
    {"drawn": [[1, 2, 3, 4, float("nan")]]}, {"drawn": {"a": 1}},
])
def test_delays_that_are_none_are_refused(along):
    live = widgets.LiveView()
    browser = Browser(live)
    browser.start()
    browser.blocks(numbers=[0], **along)
    [(answer, _)] = browser.answers("refuse")
    assert "delays that are no numbers" in answer["says"] and (live.refused, live.received) == (1, 0)
    with pytest.raises(AudioError):
        live.report()


def test_the_notebook_stores_no_sound_and_no_picture_of_it():
    live = widgets.LiveView(Halved(), Clock())
    before = str(live.get_state())
    browser = Browser(live)
    browser.start()
    browser.blocks()
    browser.finish(40)
    assert str(live.get_state()) == before


def test_a_view_has_limits():
    with pytest.raises(ValueError, match="denoiser hears sound at 16000 Hz, and the view gives it 8000: say sr=16000"):
        widgets.LiveView(Halved(), sr=8000)
    with pytest.raises(ValueError, match="8000 to 96000 Hz"):
        widgets.LiveView(sr=100)
    assert widgets.LiveView(sr=8000).drawn["bands"] == 40


# ---- in the browser's stead ---------------------------------------------------------------------------


def javascript(code, *names):
    """What a piece of JavaScript prints, run behind the texts of some of the widgets' files."""
    node = next(Path(playwright.__file__).parent.glob("driver/node*"))
    source = "\n".join([*(explorer.static(name).replace("export default", "void") for name in names), code])
    done = subprocess.run([node, "--input-type=module", "-"], input=source, capture_output=True, text=True,
                          encoding="utf-8", timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


PLAYS = """
let Player;
Object.assign(globalThis, { sampleRate: 16000, registerProcessor: (_, it) => (Player = it) });
globalThis.AudioWorkletProcessor = class { port = { postMessage() {} } };
eval(PLAYER);
const player = new Player({ processorOptions: { wait: 1600 } }), out = [], counts = [];
let sent = 0;
for (const n of STEPS) {
  if (n > 0) {
    player.port.onmessage({ data: { samples: Float32Array.from({ length: n }, (_, i) => VALUE), at: sent / 16000 } });
    sent += n;
  } else for (let i = 0; i < -n; i++) {
    const block = new Float32Array(128);
    player.process([], [[block]]);
    out.push(...block);
  }
  counts.push([player.underruns, player.skipped, player.written - player.read]);
}
console.log(JSON.stringify({ out, counts }));
"""


def played(steps, value="1"):
    """The player's samples and counts: a number above 0 is of samples that come, one below of calls that it answers."""
    told = javascript(PLAYS.replace("STEPS", json.dumps(steps)).replace("VALUE", value), "view.js")
    return np.array(told["out"]), told["counts"]


def test_the_player_plays_what_came_and_fades_at_both_sides_of_a_gap():
    out, counts = played([1600, -20, 800, -2, 900, -4])
    assert np.abs(np.diff(out, prepend=0)).max() < 0.01 and out.max() == 1      # no step anywhere
    assert [under for under, _, _ in counts] == [0, 1, 1, 1, 1, 1]
    assert (out[1536:2560] == 0).all() and not out[20 * 128 : 22 * 128].any()   # until as many wait again
    assert counts[1][2] == 64 and out[-1] == 1                          # less than one call is left, for later
    out, _ = played([3000, -20], "(sent + i) / 2 ** 24")
    np.testing.assert_array_equal(np.round(out[128:2560] * 2**24), np.arange(128, 2560))


@pytest.mark.parametrize("n", [7000, 30000])                            # more than it wants, more than it holds
def test_the_player_leaves_out_what_is_too_late_and_fades_there_as_well(n):
    out, counts = played([2400, -5, n, -6])
    assert np.abs(np.diff(out, prepend=0)).max() < 0.01
    assert counts[-1] == [0, 2400 + n - 1600 - 6 * 128, 1600 - 5 * 128]
    out, _ = played([2400, -5, n, -6], "(sent + i) / 2 ** 24")
    assert round(out[-1] * 2**24) == 2400 + n - 1600 + 5 * 128 - 1


LISTENS = """
let now = 0, tick, opened;
const said = [], told = [], heard = [];
Object.defineProperty(globalThis, "performance", { value: { now: () => now } });
globalThis.setInterval = (f) => (tick = f, 1);
globalThis.clearInterval = () => (tick = () => {});
element = () => ({ dataset: {}, append() {}, setAttribute() {} });
meter = () => ({ el: null, reset() {}, show() {} });
const line = { dataset: {} };
frame = () => ({ line, say: (words, kind) => { line.dataset.kind = kind; said.push(words); } });
openMicrophone = async (options) => (opened = { ...options, sr: 16000, finish: async () => {} });
const model = { get: () => 0.05, send: (message) => told.push(message), on: (_, f) => heard.push(f), off() {} };
const el = { append() {} };
listen({ model, el, name: "", hint: "", parts: [], begins() {}, takes: () => ({}) });
globalThis.document = { hidden: false };
globalThis.setTimeout = (f) => f();
heard[0]({ do: "ask" });
heard[0]({ do: "start", view: told.at(-1).view });
await new Promise((resolve) => setImmediate(resolve));
const { stream } = told.at(-1);
const block = (number) => opened.onBlock(new Float32Array(800), number, 0);
const answer = () => heard[0]({ do: "heard", stream, blocks: 1, lost: 0 });
const each = [];
const note = () => each.push(said.at(-1));
note();
block(0); answer(); now += 2000; tick(); note();            // late, but not yet said
now += 2000; tick(); note();                                // no block, hence no answer
block(1); answer(); note();
opened.onPause("muted"); note();
block(2); answer(); tick(); note();                         // a muted microphone gives silence
opened.onPause(""); note();
for (let i = 3; i < 7; i++) { now += 1000; block(i); tick(); }
note();                                                     // blocks, and no answer
for (let i = 7; i < 40; i++) { now += 1000; block(i); tick(); }
note();
console.log(JSON.stringify(each));
"""


def test_the_widget_says_when_no_sound_comes_and_when_no_answer_comes():
    says = javascript("let element, meter, frame, openMicrophone;\n" + LISTENS, "streaming.js")
    assert says[:2] == ["Listening."] * 2
    assert says[2].startswith("No sound comes: the browser lets this page sleep")
    assert says[3:7] == ["Listening.", "muted", "muted", "Listening."]
    assert says[7].startswith("Listening, but the kernel does not answer") and says[8].endswith("Stopped.")
    assert "has not answered for 30 s" in says[8]


OPENS = """
const said = [];
const track = { label: "", muted: false, getSettings: () => ({ sampleRate: 16000 }), stop() {} };
const context = { state: "running", sampleRate: 16000, resume: async () => {}, close() {}, destination: {} };
context.audioWorklet = { addModule: async () => {} };
const node = { port: {}, connect: () => node };
globalThis.AudioContext = function () {
  return Object.assign(context, { createMediaStreamSource: () => ({ context, connect: () => node }) });
};
globalThis.AudioWorkletNode = function () { return node; };
const getUserMedia = async () => ({ getAudioTracks: () => [track] });
Object.defineProperty(globalThis, "navigator", { value: { mediaDevices: { getUserMedia } } });
const onPause = (words) => said.push(words);
const microphone = await openMicrophone({ rate: 16000, seconds: 0.05, onBlock() {}, onEnd() {}, onPause });
track.muted = true; track.onmute();
track.muted = false; track.onunmute();
context.state = "interrupted"; context.onstatechange();
context.state = "running"; context.onstatechange();
microphone.close();
console.log(JSON.stringify([said, [track.onmute, track.onunmute, track.onended, context.onstatechange]]));
"""


def test_a_microphone_that_the_system_mutes_or_a_suspended_tab_is_said():
    says, left = javascript(OPENS, "microphone.js")
    assert [words.split(":")[0] for words in says] == [
        "", "The system has muted the microphone.", "", "The browser has suspended the sound", ""]
    assert left == [None] * 4
