// A piano roll under a line that is the player's time. Stands after played.js.
const BEHIND = 0.25;                                       // share of the roll that has sounded, left of the line
const GAP = 0.003;                                         // share of it between a note and the next on the same key
const HINT = "Press a place of the roll to go there. Pause, and the notes that sound are named here.";

const shape = (tag, attributes = {}, ...children) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

function render({ model, el }) {
  const { title, alt, keys, low, parts, notes, span, duration } = model.get("drawn");
  const rows = keys.length;
  frame(el, title);
  el.role = "group";
  el.ariaLabel = title;

  // Inside the SVG a unit is a second across and a key down.
  const black = keys.flatMap((name, k) => name.includes("♯")
    ? [shape("rect", { class: "black", width: span, y: rows - 1 - k, height: 1 })] : []);
  const octaves = keys.flatMap((name, k) => /^C-?\d/.test(name) ? [{ name, bottom: rows - k }] : []);
  const bars = notes.map(([onset, offset, pitch, part]) => shape("rect", {
    class: "note", fill: parts[part].color, x: onset,
    width: Math.max(offset - onset - GAP * span, 0.75 * (offset - onset)),
    y: rows - (pitch - low) - (1 + parts[part].thickness) / 2, height: parts[part].thickness }));
  const seconds = Array.from({ length: Math.ceil(duration) }, (_, t) => shape("line", { x1: t, x2: t, y2: rows }));
  const page = shape("g", {}, ...seconds, ...bars);
  const line = shape("line", { class: "now", y2: rows });
  const roll = shape("svg", { role: "img", "aria-label": alt, viewBox: `0 0 ${span} ${rows}`, preserveAspectRatio: "none" },
    ...black, ...octaves.map(({ bottom }) => shape("line", { x2: span, y1: bottom, y2: bottom })), page, line);
  const names = make("div", { className: "keys", ariaHidden: "true" }, ...octaves.map(({ name, bottom }) => {
    const label = make("span", { textContent: name });
    label.style.top = `${100 * (bottom - 0.5) / rows}%`;
    return label;
  }));
  const box = make("div", { className: "roll" }, names, roll);
  box.style.height = `${Math.max(160, Math.min(400, 8 * rows))}px`;
  const legend = make("div", { className: "legend", ariaHidden: "true" },       // the roll's own words name the parts
    ...parts.map(({ name, color, thickness }) => {
      const mark = make("i");
      mark.style.background = color;
      mark.style.height = `${14 * thickness}px`;
      return make("span", {}, mark, name);
    }));
  el.append(...(parts.length > 1 ? [legend] : []), box);

  const still = matchMedia("(prefers-reduced-motion: reduce)");       // then the roll turns pages
  let left = 0;
  function show(now) {
    const wanted = still.matches ? span * Math.floor(now / span) : now - BEHIND * span;
    left = Math.max(0, Math.min(wanted, duration - span));
    page.setAttribute("transform", `translate(${-left})`);
    line.setAttribute("transform", `translate(${Math.min(now - left, span)})`);
    bars.forEach((bar, i) => bar.classList.toggle("sounds", sounds(notes[i], now)));
  }
  const sounding = (now) => notes.filter((note) => sounds(note, now)).map(([, , pitch, part]) =>
    (parts.length > 1 ? `${parts[part].name} ` : "") + keys[pitch - low]).join(", ") || "no note";
  const { audio, close } = played(model, el, { hint: HINT, show, sounding });
  roll.addEventListener("click", ({ clientX }) => {
    const { x, width } = roll.getBoundingClientRect();
    audio.currentTime = Math.min(left + span * (clientX - x) / width, duration);
  });
  return close;
}

export default { render };
