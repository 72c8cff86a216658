// The face of audiolab.widgets.LiveView: what the kernel makes of each block, drawn as it comes, and how late that was.
// Stands after streaming.js.

const SPAN = 8;                                             // seconds that are seen
const STEP = 0.01;                                          // seconds from column to column
const COLUMNS = Math.round(SPAN / STEP);
const RECENT = 10_000;                                      // milliseconds that the meter looks back on
const PACE = 30;                                            // milliseconds from frame to frame, where nothing new came
const CLOSE = 0.7;                                          // seconds: words nearer than that stand one above the other
const PARTS = ["filling a block", "way there and back", "waiting in the kernel", "computing", "drawing"];
const SCALES = [100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000];      // milliseconds that the bar is long
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const ms = (value) => `${Math.round(value)} ms`;

// Plays samples as they come. They come unevenly, so that some wait here before the first is heard (a jitter buffer):
// when hardly any are left, silence follows until as many wait again; when far too many wait, the oldest are left out.
// Before such a gap the sound fades out within one call, after it it fades in: a cut would click.
const PLAYER = `
registerProcessor("player", class extends AudioWorkletProcessor {
  constructor({ processorOptions: { wait } }) {
    super();
    this.wait = wait;
    this.ring = new Float32Array(16 * wait);
    this.read = this.written = this.underruns = this.skipped = this.calls = this.gain = 0;
    this.playing = false;
    this.port.onmessage = ({ data: { samples, at } }) => {
      this.begin = at - this.written / sampleRate;          // second of the stream at which this ring began
      this.written += samples.length;
      const kept = samples.subarray(-this.ring.length);     // of more than the ring holds, the end
      const slot = (this.written - kept.length) % this.ring.length, head = this.ring.length - slot;
      this.ring.set(kept.subarray(0, head), slot);
      this.ring.set(kept.subarray(head), 0);
    };
  }
  process(_, [[out]]) {
    if (!this.gain && this.late()) {
      this.skipped += this.written - this.wait - this.read;
      this.read = this.written - this.wait;
    }
    const waiting = this.written - this.read, dry = waiting < 2 * out.length;
    if (waiting >= this.wait) this.playing = true;
    if (this.playing) {
      const gain = this.gain, step = ((dry || this.late() ? 0 : 1) - gain) / out.length;
      for (let i = 0; i < out.length; i++) out[i] = this.ring[this.read++ % this.ring.length] * (gain + step * (i + 1));
      this.gain = gain + step * out.length;
      if (dry) {
        this.playing = false;
        this.underruns++;
      }
    }
    if (this.calls++ % 16 === 0 && this.written)
      this.port.postMessage({ at: this.playing ? this.begin + this.read / sampleRate : null, underruns: this.underruns, skipped: this.skipped });
    return true;
  }
  late() {
    return this.written - this.read > 4 * this.wait;
  }
});`;

async function openPlayer(sampleRate, seconds, onReport) {
  const context = new AudioContext({ sampleRate, latencyHint: "interactive" });
  const url = URL.createObjectURL(new Blob([PLAYER], { type: "text/javascript" }));
  await context.audioWorklet.addModule(url).finally(() => URL.revokeObjectURL(url));
  await context.resume();
  const node = new AudioWorkletNode(context, "player", {
    numberOfInputs: 0, outputChannelCount: [1], processorOptions: { wait: Math.round(seconds * sampleRate) },
  });
  node.port.onmessage = ({ data }) => onReport({ ...data, latency: context.outputLatency || context.baseLatency || 0 });
  node.connect(context.destination);
  return { play: (samples, at) => node.port.postMessage({ samples, at }), close: () => context.close() };
}

// Ties the audio clock to the page's. No block can be here before its last sample was captured, so the smallest
// difference of the two clocks in the last seconds is the one that least else adds to. Less what the microphone says
// that it takes itself. Gives the page's time, in milliseconds, of second 0 of the audio clock.
function tie() {
  const seen = [];
  return (ended, now, latency) => {
    seen.push([now, now - 1000 * ended]);
    while (seen[0][0] < now - RECENT) seen.shift();
    return Math.min(...seen.map(([, offset]) => offset)) - 1000 * latency;
  };
}

// The last seconds of a spectrogram: a tape that goes round, a pixel for each value, and a canvas that shows it scrolled.
function spectrogram(label, bands, colours) {
  const canvas = element("canvas", { width: COLUMNS, height: bands, role: "img" });
  canvas.setAttribute("aria-label", label);
  const tape = element("canvas", { width: COLUMNS, height: bands });
  const [context, ink] = [canvas, tape].map((it) => it.getContext("2d"));
  let begin = 0, end = 0;                                   // columns that are on it, numbered from the stream's first

  // Goes through columns `from` to `to` in pieces that do not cross the end of the tape.
  function pieces(from, to, each) {
    for (let at = from; at < to;) {
      const n = Math.min(to - at, COLUMNS - at % COLUMNS);
      each(at, n, at % COLUMNS);
      at += n;
    }
  }
  function reset() {
    begin = end = 0;
    ink.clearRect(0, 0, COLUMNS, bands);
  }
  function add(seconds, values) {                           // [columns, bands], 0 to 255
    const first = Math.round(seconds / STEP), n = values.length / bands;
    if (!n) return;
    const image = new ImageData(n, bands);
    values.forEach((value, i) => image.data.set(colours.subarray(4 * value, 4 * value + 4),
      4 * (n * (bands - 1 - i % bands) + Math.floor(i / bands))));
    pieces(Math.max(end, first - COLUMNS), first, (_, wide, x) => ink.clearRect(x, 0, wide, bands));   // never came
    pieces(first, first + n, (at, wide, x) => ink.putImageData(image, x - (at - first), 0, at - first, 0, wide, bands));
    end = first + n;
    begin = Math.max(begin, end - COLUMNS);
  }
  function draw(left) {                                     // from that second on
    const scale = canvas.width / COLUMNS, from = left / STEP;
    context.clearRect(0, 0, canvas.width, canvas.height);
    pieces(Math.max(begin, Math.floor(from)), Math.max(begin, end), (at, wide, x) =>
      context.drawImage(tape, x, 0, wide, bands, (at - from) * scale, 0, wide * scale, canvas.height));
  }
  return { canvas, add, draw, reset };
}

// Milliseconds from sound to picture, in their parts: a bar as long as the median, and a mark at the worst.
function delays() {
  const el = element("div", { className: "al-delay" });
  const head = element("div", { className: "al-row" });
  const total = element("span", { className: "al-total" });
  const queue = element("span", { className: "al-queue" });
  const bar = element("div", { className: "al-bar", role: "img" });
  const worst = element("i", { className: "al-worst" });
  const scale = element("span", { className: "al-scale" });
  const fields = PARTS.map((name, i) => {
    const [part, text] = [element("i", { className: `al-part${i}` }), element("span", {})];
    const key = element("span", {});
    key.append(element("i", { className: `al-part${i}` }), text);
    return { name, part, text, key };
  });
  const legend = element("div", { className: "al-legend" });
  bar.append(...fields.map(({ part }) => part), worst);
  legend.append(...fields.map(({ key }) => key));
  head.append(total, queue);
  const ruler = element("div", { className: "al-ruler" });
  ruler.append(element("span", { textContent: "0" }), scale);
  el.append(head, bar, ruler, legend);
  let seen = [];

  function show(now) {
    seen = seen.filter(({ at }) => at > now - RECENT);
    const sums = seen.map(({ parts }) => parts.reduce((a, b) => a + b));
    const most = Math.max(0, ...sums), long = SCALES.find((s) => s > most) ?? most;
    total.textContent = seen.length ? `From sound to picture ${ms(median(sums))}, at worst ${ms(most)}` : "From sound to picture: nothing yet";
    fields.forEach(({ name, part, text }, i) => {
      const value = seen.length ? median(seen.map(({ parts }) => parts[i])) : 0;
      part.style.width = `${100 * value / long}%`;
      text.textContent = seen.length ? `${name} ${ms(value)}` : name;
    });
    worst.style.left = `${100 * most / long}%`;
    worst.hidden = !seen.length;
    scale.textContent = ms(long);
    bar.setAttribute("aria-label", `${total.textContent}: ${fields.map(({ text }) => text.textContent).join(", ")}`);
  }
  function reset() {
    seen = [];
    show(0);
    queue.textContent = "";
  }
  reset();
  return { el, queue, show, reset, add: (at, parts) => seen.push({ at, parts }) };
}

function render({ model, el }) {
  const { rows, bands, rate, low, high, cleans, spots } = model.get("drawn");
  const colours = Uint8ClampedArray.from(atob(model.get("drawn").colours), (c) => c.charCodeAt(0));
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const names = cleans ? ["microphone", "denoised"] : ["microphone"];
  const pictures = names.map((name) => spectrogram(`log-mel spectrogram of the last ${SPAN} seconds: ${name}`, bands, colours));
  const meters = delays();

  // Hertz at the left, seconds below, words above, and the scale of the colours.
  const scene = element("div", { className: "al-scene" });
  const spoken = element("div", { className: "al-words", ariaHidden: "true" });
  const strip = element("div", {});                         // as long as the stream: it moves, and the words on it
  spoken.append(strip);
  const seconds = element("div", { className: "al-seconds", ariaHidden: "true" });
  const ticks = Array.from({ length: SPAN / 2 + 1 }, (_, i) => {
    const tick = element("span", {});
    tick.style.left = `${200 * i / SPAN}%`;
    return tick;
  });
  seconds.append(...ticks);
  scene.append(spoken);
  pictures.forEach(({ canvas }, i) => {
    const hertz = element("div", { className: "al-hertz", ariaHidden: "true" });
    hertz.append(...rows.map(({ name, place }) => {
      const label = element("span", { textContent: name });
      label.style.bottom = `${100 * place}%`;
      return label;
    }));
    const box = element("div", { className: "al-picture" });
    box.append(canvas, element("span", { textContent: names[i], ariaHidden: "true" }));
    box.style.gridRow = hertz.style.gridRow = i + 2;
    scene.append(hertz, box);
  });
  scene.append(seconds);
  spoken.style.gridRow = `1 / ${names.length + 2}`;
  const key = element("div", { className: "al-key" });
  const ramp = element("canvas", { width: 256, height: 1, ariaHidden: "true" });
  ramp.getContext("2d").putImageData(new ImageData(colours, 256, 1), 0, 0);
  const [from, to] = [low, high].map((level) => `${level}`.replace("-", "\u2212"));
  key.append(element("span", { textContent: `${from} dB` }), ramp, element("span", { textContent: `${to} dB (mel power)` }));

  const below = [scene, key, meters.el];
  const hear = element("input", { type: "checkbox" });
  const heard = element("span", { className: "al-heard" });
  if (cleans) {
    const label = element("label", { className: "al-use" });
    label.append(hear, "Hear the denoised sound (use headphones)");
    const row = element("div", { className: "al-row" });
    row.append(label, heard);
    below.push(row);
  }

  let tied, zero = null;                                    // the page's time of second 0 of the stream
  let words = [], blocks, undrawn = [], drawn, deepest, shed = 0, player = null, played;
  let until = 0, going = false, moved = 0, shown = 0;       // when the stream ended; whether frames are drawn, and when

  function begins() {
    [tied, zero, until] = [tie(), null, Infinity];
    [words, blocks, undrawn, drawn] = [[], new Map(), [], []];
    [deepest, shed, played] = [0, 0, null];
    strip.replaceChildren();
    pictures.forEach(({ reset }) => reset());
    meters.reset();
    sound();
    wake();
  }
  function wake() {
    if (!going) requestAnimationFrame(show);
    going = true;
  }

  function takes(samples, number, at, microphone) {
    const now = performance.now(), long = samples.length / microphone.sr;
    const offset = tied(at + long, now, microphone.latency);
    zero = offset + 1000 * (at - number * long);
    blocks.set(number, { captured: offset + 1000 * at, filling: 1000 * long });
    const along = { drawn, played };                        // to the kernel, for its report
    [drawn, played] = [[], null];
    return along;
  }

  function hears(message, buffers) {
    if (message.do !== "columns") return;
    const came = performance.now();
    message.rows.forEach(([row, at], i) => {
      const { buffer, byteOffset, byteLength } = buffers[i];
      pictures[row].add(at, new Uint8Array(buffer, byteOffset, byteLength));
    });
    message.numbers.forEach((number, i) => {
      const block = blocks.get(number);
      for (const old of blocks.keys()) if (old <= number) blocks.delete(old);         // also those that were left out
      if (block && !document.hidden) undrawn.push({ ...block, came, waited: message.waited[i], compute: message.compute });
    });
    deepest = Math.max(deepest, message.numbers.length);
    shed = message.shed;
    meters.queue.textContent = `Blocks in the kernel's queue: ${message.numbers.length}, at most ${deepest}. `
      + `Left out: ${shed || "none"}.`;
    for (const [word, at, p] of message.words) write(word, at, p);
    wake();                                                 // it may come long after stop
    if (message.sound === null || !player) return;
    const { buffer, byteOffset, byteLength } = buffers.at(-1);
    player.play(new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength)), message.sound);
  }

  function write(word, at, p) {
    const last = words.at(-1);
    const mark = element("span", { textContent: word, title: `${word}, p = ${p.toFixed(2)}` });
    const high = Boolean(last) && at - last.at < CLOSE && !last.high;
    mark.classList.toggle("al-high", high);
    mark.style.left = `${100 * at / SPAN}%`;
    words.push({ at, mark, high });
    strip.append(mark);
    live.remark(`Heard \u201c${word}\u201d at ${at.toFixed(1)} s.`);
  }

  function label(left) {
    ticks.forEach((tick, i) => {
      const ago = SPAN - 2 * i;
      const text = calm.matches ? `${left + 2 * i} s` : ago ? `\u2212${ago} s` : "now";
      if (tick.textContent !== text) tick.textContent = text;
    });
  }

  function show() {
    const now = performance.now(), second = zero === null ? 0 : (Math.min(now, until) - zero) / 1000;
    going = now < until + 1000;                             // what is still on its way is drawn, too
    if (going) requestAnimationFrame(show);
    if (!undrawn.length && now - moved < PACE) return;
    moved = now;
    const left = calm.matches ? SPAN * Math.floor(second / SPAN) : second - SPAN;      // a page, or what scrolls by
    pictures.forEach(({ draw }) => draw(left));
    words = words.filter(({ at, mark }) => at >= left || mark.remove());
    strip.style.transform = `translateX(${-100 * left / SPAN}%)`;
    label(left);
    const done = performance.now();
    for (const { captured, filling, came, waited, compute } of undrawn) {
      const parts = [filling, Math.max(0, came - captured - filling - waited - compute), waited, compute, done - came];
      meters.add(done, parts);
      drawn.push(parts);
    }
    undrawn = [];
    if (done - shown > 250) meters.show(shown = done);
  }

  // The player is opened by start or by the tick in the box, which are gestures: browsers let no page sound without one.
  async function sound() {
    if (!model.get("hear")) {
      silence();
      heard.textContent = "";
    }
    if (!model.get("hear") || until < Infinity || player) return;
    const mine = player = { play() {}, close() {} };        // until it is open
    heard.textContent = "Opening the headphones.";
    try {
      const opened = await openPlayer(rate, 2 * model.get("block"), reported);
      if (player === mine) player = opened;
      else opened.close();
    } catch (error) {
      silence();
      heard.textContent = `It cannot be played (${error.name}: ${error.message}).`;
    }
  }
  function silence() {
    player?.close();
    player = played = null;
  }
  function reported({ at, underruns, skipped, latency }) {
    if (at === null || !player) return;
    const late = performance.now() + 1000 * latency - (zero + 1000 * at);
    played = [Math.max(0, late), underruns];
    heard.textContent = `Heard ${ms(late)} after it was said. Underruns: ${underruns || "none"}.`
      + (skipped ? ` Left out: ${(skipped / rate).toFixed(1)} s.` : "");
  }
  function ends() {
    until = Math.min(until, performance.now());
    silence();
  }
  const forget = () => (undrawn = []);                      // out of sight nothing is drawn, so that nothing is late
  document.addEventListener("visibilitychange", forget);
  const follow = () => {
    hear.checked = model.get("hear");
    sound();
  };
  hear.onchange = () => {
    model.set("hear", hear.checked);
    model.save_changes();
  };
  model.on("change:hear", follow);
  hear.checked = model.get("hear");
  const live = listen({
    model, el, name: "Live spectrogram", parts: below, begins, takes, hears, ends,
    trouble: () => (shed ? "Blocks were left out: the kernel is slower than the sound." : ""),
    hint: `Press start and speak: ${spots ? "the picture and the words" : "the picture"} come from the kernel as you speak, until you press stop.`,
  });
  label(0);

  return () => {
    document.removeEventListener("visibilitychange", forget);
    model.off("change:hear", follow);
    live.close();
  };
}

export default { render };
