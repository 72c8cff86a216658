// Native inputs with their labels: reachable by keyboard and named to a screen reader by themselves.
function build(control, values, moved) {
  const row = document.createElement("label");
  const name = row.appendChild(document.createElement("span"));
  name.textContent = control.label;
  const input = row.appendChild(document.createElement(control.options ? "select" : "input"));
  const shown = document.createElement("span");
  if (control.options) {
    for (const option of control.options) input.add(new Option(option, option));
  } else {
    Object.assign(input, { type: "range", min: control.min, max: control.max, step: control.step });
    shown.setAttribute("aria-hidden", "true");           // a slider says its value by itself
    row.append(shown);
  }
  const show = () => {
    input.value = values()[control.name];
    shown.textContent = input.value;
  };
  input.addEventListener("input", () => {
    shown.textContent = input.value;
    moved(control.name, control.options ? input.value : Number(input.value));
  });
  show();
  return { row, show };
}

// Words are typed in peace: they count when the field is left, or when Enter or the button is pressed.
function buildText(control, values, moved, said) {
  const row = document.createElement("form");
  const label = row.appendChild(document.createElement("label"));
  label.appendChild(document.createElement("span")).textContent = control.label;
  const input = label.appendChild(document.createElement("textarea"));
  input.rows = 3;
  const button = row.appendChild(document.createElement("button"));
  button.textContent = control.button;
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    row.requestSubmit();
  });
  const send = () => moved(control.name, input.value);
  input.addEventListener("change", send);
  row.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
    said();
  });
  const show = () => { input.value = values()[control.name]; };
  show();
  return { row, show };
}

// A picture changes in place. A player that sounds goes on from where it is, in the new sound, once the control rests.
function replace(slot, html) {
  clearTimeout(slot.later);
  const next = document.createElement("template");
  next.innerHTML = html;
  const [before, after] = [slot.firstElementChild, next.content.firstElementChild];
  if (before?.tagName === "IMG" && after?.tagName === "IMG") {
    for (const { name, value } of after.attributes) before.setAttribute(name, value);
    return;
  }
  const old = [...slot.querySelectorAll("audio")];
  const swap = () => {
    const state = old.map((a) => ({ on: !a.paused, at: a.currentTime, volume: a.volume, muted: a.muted }));
    slot.replaceChildren(next.content);
    slot.querySelectorAll("audio").forEach((audio, i) => {
      if (!state[i]) return;
      audio.volume = state[i].volume;
      audio.muted = state[i].muted;
      if (state[i].on) {
        audio.currentTime = state[i].at;
        audio.play().catch(() => {});                    // the browser's own rule against sound that nobody asked for
      }
    });
  };
  if (old.some((a) => !a.paused)) slot.later = setTimeout(swap, 150);
  else swap();
}

function render({ model, el }) {
  el.classList.add("audiolab-explorer");
  // Arrows move the slider, not the notebook's selection: JupyterLab looks for this at the element with the focus.
  el.addEventListener("focusin", ({ target }) => { target.dataset.lmSuppressShortcuts = "true"; });
  const controls = el.appendChild(document.createElement("div"));
  controls.setAttribute("role", "group");
  controls.setAttribute("aria-label", "Controls");
  const seen = el.appendChild(document.createElement("div"));
  const problem = seen.appendChild(document.createElement("p"));
  problem.setAttribute("role", "alert");
  const slots = seen.appendChild(document.createElement("div"));

  // Jupyter sends nothing while the kernel is busy, and then the last values only: moves never queue up.
  let waiting = 0, silent = false, wanted = false;
  const moved = (name, value) => {
    if (value === model.get("values")[name]) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => hush(true), PATIENCE);
    model.set("values", { ...model.get("values"), [name]: value });
    try {
      model.save_changes();
    } catch {                                            // there is no kernel at all
      hush(true);
    }
  };
  // Who presses a button wants to hear: what is there, or what is on its way.
  const play = () => { slots.querySelector("audio")?.play().catch(() => {}); };
  const said = () => {
    slots.querySelectorAll("audio").forEach((audio) => audio.pause());
    wanted = waiting !== 0;
    if (!wanted && !silent) play();
  };
  const built = model.get("controls").map((control) => control.button
    ? buildText(control, () => model.get("values"), moved, said)
    : build(control, () => model.get("values"), moved));
  controls.append(...built.map(({ row }) => row));

  const tell = () => {
    problem.textContent = silent ? SILENT : model.get("problem");
    problem.hidden = !problem.textContent;
  };
  const hush = (now) => {
    clearTimeout(waiting);
    waiting = 0;
    silent = now;
    tell();
  };
  const answered = () => {
    hush(false);
    if (wanted) setTimeout(play);                        // when the outputs that came along are drawn
    wanted = false;
  };
  const draw = () => {
    tell();
    const outputs = model.get("outputs");
    while (slots.children.length > outputs.length) slots.lastChild.remove();
    while (slots.children.length < outputs.length) slots.append(document.createElement("div"));
    outputs.forEach((html, i) => replace(slots.children[i], html));
  };
  const follow = () => built.forEach(({ row, show }) => row.contains(document.activeElement) || show());
  model.on("change:outputs change:problem", draw);
  model.on("change:values", follow);
  model.on("change:answered", answered);
  draw();
  return () => {
    clearTimeout(waiting);
    model.off("change:answered", answered);
    model.off("change:outputs change:problem", draw);
    model.off("change:values", follow);
  };
}

export default { render };
