// The face of audiolab.widgets.Recorder: record, choose a file, or use what is there.

const PIECE = 2 ** 20;                                      // bytes a message: Jupyter servers refuse 10 MB and more
const LARGEST = 64e6;                                       // bytes, as LARGEST in recorder.py
const SHORTEST = 0.2;                                       // seconds
const PATIENCE = 10_000;                                    // milliseconds until the kernel is said to be silent,
const STORING = 60_000;                                     // and once it has everything and writes it

function render({ model, el }) {
  const { line, say } = frame(el, "Voice recorder");
  const limit = model.get("limit");
  const record = element("button", { className: "al-record", type: "button" });
  const choose = element("button", { className: "al-choose", type: "button", textContent: "Choose a file\u2026" });
  const input = element("input", { type: "file", accept: "audio/*,.wav,.flac,.ogg,.opus,.mp3,.m4a", hidden: true });
  const clock = element("span", { className: "al-clock" });
  const use = element("select");
  const label = element("label", { className: "al-use" });
  label.append("The cells below use", use);
  const level = meter();
  const player = element("audio", { controls: true });
  player.setAttribute("aria-label", "your take");
  const keep = element("a", { className: "al-keep", textContent: "Save a copy" });
  const again = element("button", { className: "al-again", type: "button", textContent: "Send it again", hidden: true });
  const take = element("div", { className: "al-row al-take", hidden: true });
  take.append(player, keep, again);
  const granted = element("div", { className: "al-granted" });
  const [top, below] = [element("div", { className: "al-row" }), element("div", { className: "al-row" })];
  top.append(record, choose, input, clock);
  below.append(label);
  el.append(top, level.el, line, take, below, granted);

  let microphone = null;                                    // while it records
  let blocks = [], seconds = 0, timer = 0, kept = null;     // kept: a take that the kernel has not confirmed
  let opening = false, sending = false, gone = false;

  function buttons() {
    record.dataset.on = Boolean(microphone);
    record.textContent = microphone ? "Stop" : player.src ? "Record again" : "Record";
    record.setAttribute("aria-disabled", opening || sending);       // a disabled button would lose the keyboard
    choose.disabled = use.disabled = Boolean(microphone) || opening || sending;
  }
  function time() {
    const text = (s) => `${Math.floor(s / 60)}:${(s % 60).toFixed(1).padStart(4, "0")}`;
    clock.textContent = `${text(Math.min(limit, seconds))} of ${text(limit)}`;
  }

  async function begin() {
    if (opening || sending) return;
    opening = true;
    [blocks, seconds] = [[], 0];
    level.reset();
    say("Waiting for the microphone: allow it if the browser asks.", "busy");
    buttons();
    let opened;
    try {
      opened = await openMicrophone({ seconds: 0.05, onBlock, onEnd: () => end("The microphone was unplugged. ") });
    } catch (error) {
      say(`${explain(error)} Or choose a file.`, "bad");
    }
    opening = false;
    if (gone) return opened?.close();
    microphone = opened ?? null;
    if (microphone) {
      granted.textContent = microphone.granted;
      player.pause();
      say("Recording. Speak now.", "busy");
      timer = setInterval(time, 100);
    }
    time();
    buttons();
  }

  function onBlock(samples) {
    blocks.push(samples);
    if (!microphone) return;                                // the last of them, after stop
    seconds += samples.length / microphone.sr;
    level.show(samples, microphone.sr);
    const longest = Math.min(limit, (LARGEST / 4 - samples.length) / microphone.sr);
    if (seconds >= longest) end(`Stopped at ${Math.round(longest)} s, the longest that a take can be. `);
  }

  async function end(why = "") {
    if (!microphone) return;
    const { sr, finish } = microphone;
    microphone = null;
    clearInterval(timer);
    time();
    buttons();
    const sent = await finish();
    const y = joined(blocks, Math.round(limit * sr));
    if (y.length < SHORTEST * sr) {
      say(`${why}That was only ${(y.length / sr).toFixed(2)} s. Press record, speak, then press stop.`, "bad");
    } else if (sent !== blocks.length) {
      say(`${why}The browser lost a part of this take, so it is not used. Close other tabs and record again.`, "bad");
    } else if (y.every((x) => x === 0)) {
      say(`${why}Every sample is zero: the microphone is muted, or another input is meant. Look at the switch on the `
        + "microphone and at the system's sound settings, and record again.", "bad");
    } else {
      const clipped = y.reduce((n, x) => n + (Math.abs(x) >= CLIPPED), 0);
      const warn = clipped ? ` ${clipped} samples are clipped: move away or turn the input level down, and record again.` : "";
      hear(y, sr);
      await send({ kind: "take", sr, channels: 1 }, bytes(y), why, warn);
    }
  }

  function hear(y, sr) {
    URL.revokeObjectURL(player.src);
    player.src = keep.href = URL.createObjectURL(wav(y, sr));
    keep.download = "take.wav";
    take.hidden = false;
    buttons();
  }

  async function upload(file) {
    if (file.size > LARGEST) {
      return say(`${file.name} is too large (${Math.round(file.size / 1e6)} MB): cut out what you need.`, "bad");
    }
    const data = new Uint8Array(await file.arrayBuffer());
    if (!foreign(data)) return send({ kind: "file", name: file.name }, data);
    say(`Reading ${file.name} \u2026`, "busy");
    const context = new AudioContext({ sampleRate: 48_000 });
    try {
      const sound = await context.decodeAudioData(data.buffer);
      const [minutes, most] = [sound.duration, LARGEST / 4 / sound.numberOfChannels / sound.sampleRate].map((s) => s / 60);
      if (minutes > most) {
        return say(`${file.name} lasts ${minutes.toFixed(1)} minutes, and up to ${most.toFixed(1)} can be taken: cut out what you need.`, "bad");
      }
      const channels = Array.from({ length: sound.numberOfChannels }, (_, c) => sound.getChannelData(c));
      const about = { kind: "take", name: file.name, sr: sound.sampleRate, channels: channels.length };
      await send(about, bytes(joined(channels, Infinity)));
    } catch {
      say(`Your browser cannot read ${file.name}: convert it to WAV first, and choose that.`, "bad");
    } finally {
      context.close();
    }
  }

  // In pieces, each of which the kernel confirms, so that none is lost and a silent kernel is noticed.
  // Sent again it is another transfer of the same sound, so that the kernel stores it once.
  async function send(about, data, before = "", after = "", sound = Math.random().toString(36).slice(2)) {
    const transfer = Math.random().toString(36).slice(2);
    const whole = { ...about, transfer, sound, total: data.length, checksum: adler32(data) };
    kept = () => send(about, data, before, after, sound);
    again.hidden = true;
    sending = true;
    buttons();
    say(`${before}Sending \u2026`, "busy");
    let reply = { have: 0 };
    do {
      reply = await answer({ ...whole, at: reply.have }, data.slice(reply.have, reply.have + PIECE));
      if (gone) return;
    } while (reply?.have < data.length);
    sending = false;
    buttons();
    if (reply?.took) {
      kept = null;
      say(`${before}${reply.took}${after}`, after ? "bad" : "good");
    } else if (reply?.refused) {
      kept = about.name ? null : kept;
      again.hidden = take.hidden || !kept;
      say(`${before}Not taken: ${reply.refused}`, "bad");
    } else {
      again.hidden = false;
      take.hidden = false;
      say(`${before}The kernel does not answer. If a cell is still running, wait for it and press \u201cSend it again\u201d. If the `
        + "kernel was restarted, save a copy, run this cell again, and choose the copy as a file.", "bad");
    }
  }

  function answer(message, data) {
    return new Promise((resolve) => {
      let timeout = setTimeout(done, PATIENCE);
      function done(reply) {
        clearTimeout(timeout);
        model.off("msg:custom", heard);
        resolve(reply);
      }
      function heard(reply) {
        if (reply.transfer !== message.transfer) return;
        if (reply.storing) {
          clearTimeout(timeout);
          timeout = setTimeout(done, STORING);
        } else if (reply.refused || reply.took || reply.have > message.at) done(reply);
      }
      model.on("msg:custom", heard);
      try {
        model.send(message, undefined, [data.buffer]);
      } catch {
        done();
      }
    });
  }

  function options() {
    use.replaceChildren(new Option("the course\u2019s sample", ""), ...model.get("files").map((name) => new Option(name)));
    use.value = model.get("chosen");
  }
  use.onchange = () => {
    model.set("chosen", use.value);
    model.save_changes();
    say(`${use.value || "The sample"} it is. Run the cells below again.`, "good");
  };
  record.onclick = () => (microphone ? end() : begin());
  choose.onclick = () => input.click();
  input.onchange = () => {
    if (input.files.length) upload(input.files[0]);
    input.value = "";                                       // so that the same file can be chosen again
  };
  again.onclick = () => kept?.();
  const leaving = (event) => (microphone || kept) && event.preventDefault();     // the browser asks before closing
  window.addEventListener("beforeunload", leaving);
  model.on("change:files change:chosen", options);
  options();
  buttons();
  time();
  say(model.get("said") || "Press record and say a sentence, or choose a sound file. Until then the course\u2019s sample is used.");

  return () => {
    gone = true;
    clearInterval(timer);
    microphone?.close();
    window.removeEventListener("beforeunload", leaving);
    model.off("change:files change:chosen", options);
    URL.revokeObjectURL(player.src);
  };
}

function joined(blocks, most) {
  const y = new Float32Array(blocks.reduce((n, block) => n + block.length, 0));
  blocks.reduce((at, block) => (y.set(block, at), at + block.length), 0);
  return y.subarray(0, Math.min(y.length, most));
}

const bytes = (y) => new Uint8Array(y.buffer, y.byteOffset, y.byteLength);

// Formats that the kernel's libsndfile does not read and browsers do: M4A and MP4, WebM, AAC.
function foreign(data) {
  const text = String.fromCharCode(...data.subarray(0, 12));
  return text.slice(4, 8) === "ftyp" || text.startsWith("\x1aE\xdf\xa3") || text.startsWith("\xff\xf1") || text.startsWith("\xff\xf9");
}

// WAV of 24 bits: what the player plays is what the file in work/recordings holds.
function wav(y, sr) {
  const view = new DataView(new ArrayBuffer(44 + 3 * y.length));
  const text = (at, words) => [...words].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  const size = 3 * y.length;
  text(0, "RIFF"); view.setUint32(4, 36 + size, true); text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, sr, true); view.setUint32(28, 3 * sr, true); view.setUint16(32, 3, true); view.setUint16(34, 24, true);
  text(36, "data"); view.setUint32(40, size, true);
  y.forEach((x, i) => {
    const level = Math.max(-(2 ** 23), Math.min(2 ** 23 - 1, Math.round(x * 2 ** 23)));
    view.setInt16(44 + 3 * i, level & 0xffff, true);
    view.setInt8(46 + 3 * i, level >> 16);
  });
  return new Blob([view], { type: "audio/wav" });
}

// Checksum of RFC 1950, as zlib.adler32. 5552 bytes are as many as fit before the sums pass 2**32.
function adler32(data) {
  let [a, b] = [1, 0];
  for (let start = 0; start < data.length; start += 5552) {
    for (const byte of data.subarray(start, start + 5552)) b += a += byte;
    [a, b] = [a % 65521, b % 65521];
  }
  return b * 65536 + a;
}

export default { render };
