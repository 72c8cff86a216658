// All sounds of a trial run in step and looped, and one of them is let through: so the position is kept. Every switch
// has the same gap, to the same sound too: a cross-fade would be silent between equal sounds, and tell which is X.
class Loop {
  constructor(sounds, channels, rate) {
    this.context = new AudioContext({ sampleRate: rate });        // or the browser would resample, and roughly
    const start = this.context.currentTime + 0.05;
    this.gate = new GainNode(this.context, { gain: 0 });
    this.gate.connect(this.context.destination);
    this.level = 0;
    this.free = 0;                                                 // when the last switch is over, in seconds
    this.gains = sounds.map((sound) => {
      const n = sound.byteLength / 4 / channels;
      const buffer = this.context.createBuffer(channels, n, rate);
      for (let c = 0; c < channels; c++) {
        buffer.copyToChannel(new Float32Array(sound.buffer.slice(sound.byteOffset + 4 * c * n,
          sound.byteOffset + 4 * (c + 1) * n)), c);
      }
      const gain = new GainNode(this.context, { gain: 0 });
      const source = new AudioBufferSourceNode(this.context, { buffer, loop: true });
      source.connect(gain).connect(this.gate);
      source.start(start);
      return gain.gain;
    });
  }

  async choose(k) {                                                // 5 ms out, 20 ms of silence, 5 ms in
    const now = Math.max(this.context.currentTime, this.free);
    const gate = this.gate.gain;
    gate.setValueAtTime(this.level, now);
    gate.linearRampToValueAtTime(0, now + 0.005);
    this.gains.forEach((gain, i) => gain.setValueAtTime(i === k ? 1 : 0, now + 0.015));
    gate.setValueAtTime(0, now + 0.025);
    gate.linearRampToValueAtTime(1, now + 0.03);
    this.level = 1;
    this.free = now + 0.03;
    await this.context.resume();
  }

  pause() { return this.context.suspend(); }
  close() { return this.context.close(); }
}

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

const QUALITY = ["Bad", "Poor", "Fair", "Good", "Excellent"];

function render({ model, el }) {
  el.classList.add("audiolab-listening");
  // In JupyterLab, X alone would cut the cell. It looks for this at the element with the focus.
  el.addEventListener("focusin", ({ target }) => { target.dataset.lmSuppressShortcuts = "true"; });
  const said = make("p", { role: "status" });
  const trial = make("div");
  el.append(said, trial);
  let loop, loops, players, heard, complete, sent, drawn;

  async function listen(k) {
    try {
      loop ??= new Loop(model.get("sounds"), state().channels, state().rate);
      loops = k !== null;
      await (loops ? loop.choose(state().played[k]) : loop.pause());
      if (loops) heard.add(k);
      players.forEach((player, i) => player.setAttribute("aria-pressed", String(i === k)));
      complete();
    } catch (error) {
      said.textContent = `This browser cannot play the sounds: ${error.message}.`;
    }
  }
  const state = () => model.get("state");

  function answer(value) {
    if (sent) return;                                              // a double click is one answer
    sent = true;
    model.send({ trial: state().trial, answer: value });
  }

  function player(label, k) {
    const button = make("button", { type: "button", textContent: `▶ ${label}`, onclick: () => listen(k) });
    button.setAttribute("aria-label", `Listen to ${label}`);
    button.setAttribute("aria-pressed", "false");
    players[k] = button;
    return button;
  }

  const stop = () => make("button", { type: "button", textContent: "Pause", onclick: () => listen(null) });
  const group = (label, ...children) => {
    const element = make("div", { className: "row", role: "group" }, ...children);
    element.setAttribute("aria-label", label);
    return element;
  };

  const forms = {
    abx() {
      const choices = ["A", "B"].map((label) =>
        make("button", { type: "button", disabled: true, textContent: `X is ${label}`, onclick: () => answer(label) }));
      complete = () => choices.forEach((choice) => { choice.disabled = heard.size < 3; });
      return [group("Sounds", ...state().labels.map(player), stop()), group("Your answer", ...choices)];
    },
    mushra() {
      const next = make("button", { type: "button", disabled: true, textContent: "Next" });
      const [reference, ...hidden] = state().labels;
      const sliders = hidden.map((label) => {
        const slider = make("input", { type: "range", min: 0, max: 100, value: 50 });
        slider.setAttribute("aria-label", `Quality of ${label}, 0 bad to 100 excellent`);
        slider.addEventListener("input", () => {
          slider.dataset.moved = "yes";
          slider.nextElementSibling.textContent = slider.value;
          complete();
        });
        return slider;
      });
      complete = () => {
        next.disabled = heard.size < state().labels.length || sliders.some((slider) => !slider.dataset.moved);
      };
      next.onclick = () => answer(sliders.map((slider) => Number(slider.value)));
      const words = make("div", { className: "words" }, make("span"), make("div", {},
        ...QUALITY.map((word) => make("span", { textContent: word }))), make("span"));
      words.setAttribute("aria-hidden", "true");
      return [group("Reference", player(reference, 0), stop()), words,
        ...sliders.map((slider, i) => make("div", { className: "rating" }, player(hidden[i], i + 1), slider,
          make("span", { textContent: "–", ariaHidden: "true" }))), group("Go on", next)];
    },
    mos() {
      const next = make("button", { type: "button", disabled: true, textContent: "Next" });
      const choices = make("fieldset", {}, make("legend", { textContent: "Quality of the sound" }),
        ...QUALITY.map((word, i) => make("label", {}, make("input", {
          type: "radio", name: `mos-${model.model_id ?? ""}`, value: i + 1, onchange: () => complete() }), `${i + 1} ${word}`)
        ).reverse());
      const chosen = () => choices.querySelector("input:checked");
      complete = () => { next.disabled = !heard.size || !chosen(); };
      next.onclick = () => answer(Number(chosen().value));
      return [group("Sound", player(state().labels[0], 0), stop()), choices, group("Go on", next)];
    },
  };

  function show() {
    sent = false;
    said.textContent = state().said;
    const form = `${state().begun} ${state().trial}`;
    if (form === drawn) return;                                    // an answer that was not saved: it stays entered
    drawn = form;
    const inside = trial.contains(document.activeElement);
    loop?.close();
    loop = undefined;
    players = [];
    heard = new Set();
    if (state().results) {
      const again = make("button", { type: "button", textContent: "Take the test again", onclick: () => model.send("again") });
      const table = make("div");
      table.innerHTML = state().results;
      trial.replaceChildren(table, group("Go on", again));
      if (inside) again.focus();
    } else {
      const bar = make("progress", { max: state().trials, value: state().trial });
      bar.setAttribute("aria-label", "Trials answered");
      trial.replaceChildren(bar, make("p", { textContent: state().question }), ...forms[state().kind](),
        make("small", { textContent: state().note }));
      if (inside) players[0].focus();
    }
  }

  el.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || state().results) return;
    const k = state().keys.indexOf(event.key.toLowerCase());
    if (k >= 0) listen(k);
    else if (event.key.toLowerCase() === "p") listen(null);
    else return;
    event.preventDefault();
  });
  model.on("change:state", show);
  show();
  return () => {
    model.off("change:state", show);
    loop?.close();
  };
}

export default { render };
