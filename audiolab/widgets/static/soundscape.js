// Events under a spectrogram, and across both a line that is the player's time. Stands after played.js.
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const HINT = "Press an event to hear it, or a place to go there. Arrow keys go from event to event, Enter plays.";

function render({ model, el }) {
  const { title, alt, picture, duration, rows, lanes, tracks, events } = model.get("drawn");
  frame(el, title);
  el.role = "group";
  el.ariaLabel = title;
  const percent = (share) => `${100 * share}%`;
  const filled = ({ color, filling }, element) => {
    element.classList.add(`filling${filling}`);
    element.style.color = color;
    return element;
  };

  const image = make("img", { src: picture, alt });
  const hertz = make("div", { className: "hertz", ariaHidden: "true" }, ...rows.map(({ name, place }) => {
    const label = make("span", { textContent: name });
    label.style.bottom = percent(place);
    return label;
  }));
  const buttons = events.map(([onset, offset, lane, track]) => {
    const name = `${tracks.length > 1 ? `${tracks[track].name}: ` : ""}${lanes[lane]}, ${onset.toFixed(1)} to ${offset.toFixed(1)} s`;
    const button = filled(tracks[track], make("button", { type: "button", title: name, ariaLabel: name }));
    button.style.left = percent(onset / duration);
    button.style.width = percent((offset - onset) / duration);
    button.style.top = percent(track / tracks.length);
    button.style.height = percent(1 / tracks.length);
    button.onclick = () => {
      audio.currentTime = onset;
      audio.play();
    };
    return button;
  });
  roving(buttons, (i, key) => {
    const [right, down] = STEPS[key] ?? [0, 0];
    if (right) return i + right;                           // they come row by row, and in each in order of onset
    if (!down) return null;
    const row = ([, , lane, track]) => tracks.length * lane + track;
    const far = (j) => down * (row(events[j]) - row(events[i]));
    const away = (j) => Math.abs(events[j][0] - events[i][0]);
    const beyond = events.map((_, j) => j).filter((j) => far(j) > 0);
    return beyond.sort((j, k) => far(j) - far(k) || away(j) - away(k))[0];
  });
  const drawn = lanes.flatMap((label, i) => [make("span", { className: "name", textContent: label, ariaHidden: "true" }),
    make("div", { className: "lane" }, ...buttons.filter((_, j) => events[j][2] === i))]);
  const step = [1, 2, 5, 10, 30, 60, 300].find((s) => duration / s <= 12) ?? 600;
  const seconds = make("div", { className: "seconds", ariaHidden: "true" },
    ...Array.from({ length: Math.floor(duration / step) + 1 }, (_, i) => {
      const label = make("span", { textContent: i ? step * i : "0 s" });
      label.style.left = percent(step * i / duration);
      return label;
    }));
  const line = make("i", { className: "now" });
  const over = make("div", { className: "over" }, line);
  over.style.gridRow = `1 / ${lanes.length + 2}`;
  const scene = make("div", { className: "scene" }, hertz, image, ...drawn, seconds, over);
  const legend = make("div", { className: "legend", ariaHidden: "true" },       // every event says its track itself
    ...tracks.map((track) => make("span", {}, filled(track, make("i")), track.name)));
  el.append(...(tracks.length > 1 ? [legend] : []), scene);

  function show(now) {
    line.style.left = percent(Math.min(now / duration, 1));
    buttons.forEach((button, i) => button.classList.toggle("sounds", sounds(events[i], now)));
  }
  function sounding(now) {
    const heard = tracks.map(({ name }, k) => {
      const labels = events.filter((event) => event[3] === k && sounds(event, now)).map(([, , lane]) => lanes[lane]);
      return (tracks.length > 1 ? `${name}: ` : "") + (labels.join(", ") || "nothing");
    });
    return heard.join("; ");
  }
  const { audio, close } = played(model, el, { hint: HINT, show, sounding, live: true });
  scene.addEventListener("click", ({ target, clientX }) => {
    const { x, width } = over.getBoundingClientRect();
    if (target.tagName !== "BUTTON" && clientX >= x) audio.currentTime = duration * Math.min((clientX - x) / width, 1);
  });
  return close;
}

export default { render };
