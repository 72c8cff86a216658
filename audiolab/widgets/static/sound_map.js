// Points that are buttons.
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const TURNS = { PageDown: 1, PageUp: -1 };

function render({ model, el }) {
  const { title, labels, styles, box, points, classes } = model.get("drawn");
  frame(el, title);
  const marker = (k) => {
    const mark = make("i");
    mark.style.background = styles[k].color;
    mark.style.clipPath = styles[k].shape;
    return mark;
  };
  const map = make("div", { className: "map", role: "application", ariaLabel: `${title}. Arrow keys go to the nearest clip.` });
  map.style.aspectRatio = `${box[0]} / ${box[1]}`;
  const tip = make("span", { className: "tip", hidden: true, ariaHidden: "true" });
  const buttons = points.map(([x, y], i) => {
    const name = `${labels[classes[i]]}, clip ${i + 1} of ${points.length}`;
    const button = make("button", { type: "button", ariaLabel: name }, marker(classes[i]));
    button.style.left = `${100 * x / box[0]}%`;
    button.style.top = `${100 * y / box[1]}%`;
    button.onclick = () => clips.ask({ clip: i });
    button.onpointerenter = () => show(i);
    button.onpointerleave = button.onblur = () => { tip.hidden = true; };
    button.onfocus = () => show(i);
    return button;
  });
  roving(buttons, (i, key) => key in TURNS ? (i + TURNS[key] + points.length) % points.length
    : key in STEPS ? neighbour(i, STEPS[key]) : null);

  // The nearest clip in the quarter of the plane that an arrow points to; itself where there is none.
  function neighbour(i, [right, down]) {
    let [best, least] = [i, Infinity];
    points.forEach(([x, y], j) => {
      const [dx, dy] = [x - points[i][0], y - points[i][1]];
      const along = right * dx + down * dy;
      const across = Math.abs(right * dy + down * dx);
      if (along > 0 && across <= along && Math.hypot(dx, dy) < least) [best, least] = [j, Math.hypot(dx, dy)];
    });
    return best;
  }

  function show(i) {                                       // above the point or below it, and never beyond the sides
    const [x, y] = [points[i][0] / box[0], points[i][1] / box[1]];
    tip.textContent = buttons[i].ariaLabel;
    tip.style.left = `${100 * x}%`;
    tip.style.top = `${100 * y}%`;
    tip.style.transform = `translate(${-100 * x}%, ${y > 0.2 ? "calc(-100% - 10px)" : "10px"})`;
    tip.hidden = false;
  }

  map.append(...buttons, tip);
  const legend = make("div", { className: "legend", ariaHidden: "true" },       // every point says its class itself
    ...labels.map((label, k) => make("span", {}, marker(k), label)));
  el.append(map, legend, make("small", {
    textContent: "Press a point to hear it. Arrow keys go to the nearest clip in their direction, Page Down and Page Up "
      + "through all of them; Enter plays." }));
  const clips = listening(model, el, (chosen) => {
    map.querySelector("[aria-current]")?.removeAttribute("aria-current");
    buttons[chosen.clip].ariaCurrent = "true";
  }, { plays: true });
  return clips.close;
}

export default { render };
