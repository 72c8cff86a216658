// What Recorder, LiveInput and LiveView share: the microphone as blocks of float samples, a level meter, and plain words
// for everything that can go wrong. The kernel puts this text before that of the widget: one module.

// Made for telephone calls, and on by default: each changes the sound, and so every measurement of it.
const PROCESSING = {
  echoCancellation: "echo cancellation",
  noiseSuppression: "noise suppression",
  autoGainControl: "automatic gain",
};

// Runs in the browser's audio thread. MediaRecorder would be simpler, but it compresses (Opus or AAC); these samples
// are the ones that the browser got. Blocks are numbered here, so that whoever counts them knows of lost ones, and know
// when they began, in seconds of the audio clock.
const COLLECTOR = `
registerProcessor("collector", class extends AudioWorkletProcessor {
  constructor({ processorOptions: { size } }) {
    super();
    this.block = new Float32Array(size);
    this.filled = this.number = 0;
    this.port.onmessage = () => {
      this.send();
      this.port.postMessage({ blocks: this.number });
      this.ended = true;
    };
  }
  send() {
    if (!this.filled) return;
    const samples = this.block.slice(0, this.filled);
    this.port.postMessage({ number: this.number++, samples, at: this.at }, [samples.buffer]);
    this.filled = 0;
  }
  process([[samples]]) {                 // one channel of 128 samples, or none when the source has ended
    samples?.forEach((sample, i) => {
      if (!this.filled) this.at = (currentFrame + i) / sampleRate;
      this.block[this.filled++] = sample;
      if (this.filled === this.block.length) this.send();
    });
    return !this.ended;
  }
});`;

// Opens the microphone and calls onBlock(samples, number, at) every `seconds`; onEnd() when it was unplugged, and
// onPause(words) when the system or the browser lets no sound through, in words, "" when it does again.
// `rate` is a wish: a browser that cannot (Firefox resamples no microphone) gives the microphone's own.
async function openMicrophone({ rate, seconds, onBlock, onEnd, onPause = () => {} }) {
  if (!navigator.mediaDevices?.getUserMedia) throw new DOMException("", "InsecureOrigin");
  const wanted = Object.fromEntries(Object.keys(PROCESSING).map((name) => [name, false]));
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { ...wanted, channelCount: 1 } });
  const [track] = stream.getAudioTracks();
  let source;
  const close = () => {
    track.onended = track.onmute = track.onunmute = null;
    if (source) source.context.onstatechange = null;
    track.stop();
    if (source?.context.state !== "closed") source?.context.close();
  };
  try {
    const settings = track.getSettings();
    source = connect(stream, rate ?? settings.sampleRate);
    const { context } = source;
    await context.resume();
    const url = URL.createObjectURL(new Blob([COLLECTOR], { type: "text/javascript" }));
    await context.audioWorklet.addModule(url).finally(() => URL.revokeObjectURL(url));
    const node = new AudioWorkletNode(context, "collector", {
      channelCount: 1, channelCountMode: "explicit",
      processorOptions: { size: Math.round(seconds * context.sampleRate) },
    });
    let flushed;
    node.port.onmessage = ({ data }) => (data.samples ? onBlock(data.samples, data.number, data.at) : flushed(data.blocks));
    source.connect(node).connect(context.destination);      // its output is silence; unconnected it might not run
    track.onended = onEnd;
    const look = () => onPause(track.muted ? "The system has muted the microphone."
      : context.state !== "running" ? "The browser has suspended the sound: come back to this tab, or end the call." : "");
    track.onmute = track.onunmute = context.onstatechange = look;
    look();
    return {
      sr: context.sampleRate,
      latency: settings.latency || 0,                       // seconds in the microphone, where the browser tells
      granted: describe(track.label, settings, context.sampleRate),
      close,
      // Ends the recording: what is still in the audio thread comes first. Resolves to the number of blocks.
      finish: () => new Promise((resolve) => {
        flushed = (blocks) => { close(); resolve(blocks); };
        setTimeout(() => flushed(null), 1000);              // a context that the browser has closed says nothing
        node.port.postMessage("end");
      }),
    };
  } catch (error) {
    close();
    throw error;
  }
}

function connect(stream, sampleRate) {
  try {
    return new AudioContext({ sampleRate }).createMediaStreamSource(stream);
  } catch {
    return new AudioContext().createMediaStreamSource(stream);
  }
}

// What the browser says that it really gave.
function describe(label, settings, rate) {
  const list = (test) => Object.keys(PROCESSING).filter(test).map((name) => PROCESSING[name]).join(", ");
  const [on, untold] = [list((name) => settings[name]), list((name) => settings[name] === undefined)];
  let state = "Echo cancellation, noise suppression and automatic gain are off.";
  if (untold) state = `Asked to be off; the browser does not tell whether it is: ${untold}.`;
  if (on) state = `Still on in this browser: ${on}. What you measure is not what reached the microphone.`;
  return `${label || "Microphone"}, ${rate} Hz. ${state}`;
}

function explain(error) {
  const words = {
    InsecureOrigin: "This address may not use the microphone: browsers allow it on https and on localhost only. Open "
      + "JupyterLab by an address that begins with http://localhost or http://127.0.0.1, or with https.",
    NotAllowedError: "The microphone was not allowed. Click the sign at the left of the address bar, allow the "
      + "microphone for this page, and try again. (VS Code always refuses it: there use a browser.)",
    NotFoundError: "No microphone was found. Plug one in and try again.",
    NotReadableError: "The microphone is there but cannot be used: another program may hold it, or the system's "
      + "privacy settings forbid it to the browser. Close the other program and try again.",
  };
  words.SecurityError = words.NotAllowedError;
  words.AbortError = words.NotReadableError;
  return words[error.name] ?? `The microphone could not be opened (${error.name}: ${error.message}). Try again.`;
}

const FLOOR = -60;                                          // dBFS, the left end of the meter
const dbfs = (amplitude) => (amplitude > 0 ? 20 * Math.log10(amplitude) : -Infinity);
const shown = (level) => (level < FLOOR ? `below \u2212${-FLOOR}` : level.toFixed(1).replace("-", "\u2212"));

// Peak (held for a second) and RMS (over some 0.3 s) in dBFS, a light that stays on once a sample was clipped.
const CLIPPED = 0.999;                                      // of full scale
function meter() {
  const el = element("div", { className: "al-meter" });
  const bar = element("div", { className: "al-meter-bar", role: "meter", tabIndex: -1 });
  const rms = element("div", { className: "al-meter-rms" });
  const mark = element("div", { className: "al-meter-peak" });
  const text = element("span", { className: "al-meter-text" });
  const light = element("span", { className: "al-meter-clip", textContent: "CLIPPED", hidden: true });
  bar.append(rms, mark);
  el.append(bar, text, light);
  for (const [name, value] of [["label", "level"], ["valuemin", FLOOR], ["valuemax", 0]]) bar.setAttribute(`aria-${name}`, value);
  let square, held, until;
  const at = (level) => Math.max(0, Math.min(100, 100 * (1 - level / FLOOR)));      // percent of the bar

  function draw() {
    const [peak, mean] = [dbfs(held), dbfs(Math.sqrt(square))];
    rms.style.clipPath = `inset(0 ${100 - at(mean)}% 0 0)`;
    mark.style.left = `${at(peak)}%`;
    text.textContent = `peak ${shown(peak)} dBFS, RMS ${shown(mean)} dBFS`;
    bar.setAttribute("aria-valuenow", Math.max(FLOOR, Math.round(mean)));
    bar.setAttribute("aria-valuetext", text.textContent);
  }
  function reset() {
    [square, held, until] = [0, 0, 0];
    light.hidden = true;
    draw();
    text.textContent = "";
  }
  function show(samples, sr) {
    let peak = 0, sum = 0;
    for (const x of samples) {
      peak = Math.max(peak, Math.abs(x));
      sum += x * x;
    }
    const now = performance.now();
    const keep = Math.exp(-samples.length / sr / 0.3);
    square = keep * square + (1 - keep) * sum / samples.length;
    if (peak >= held || now > until) [held, until] = [peak, now + 1000];
    if (peak >= CLIPPED) light.hidden = false;
    draw();
  }
  reset();
  return { el, show, reset };
}

function element(tag, properties = {}) {
  const { role, ...rest } = properties;
  const el = Object.assign(document.createElement(tag), rest);
  if (role) el.setAttribute("role", role);
  return el;
}

// A frame in which keys go to the buttons, not to JupyterLab's shortcuts, and a line that screen readers speak.
function frame(el, name) {
  el.classList.add("al-microphone");
  el.dataset.lmSuppressShortcuts = "true";
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", name);
  const line = element("div", { className: "al-status", role: "status" });
  line.setAttribute("aria-live", "polite");
  const say = (words, kind = "") => {
    if (line.textContent !== words) line.textContent = words;      // the same words are not spoken twice
    line.dataset.kind = kind;
  };
  return { line, say };
}
