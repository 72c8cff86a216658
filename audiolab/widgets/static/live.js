// The face of audiolab.widgets.LiveInput: an outline of the last seconds. Stands after streaming.js.

const WINDOW = 5;                                           // seconds that the outline shows

function render({ model, el }) {
  const scope = element("canvas", { className: "al-scope", width: 1200, height: 144, role: "img" });
  scope.setAttribute("aria-label", `outline of the last ${WINDOW} seconds`);
  let outline = [];

  function takes(samples) {
    outline.push([samples.reduce((m, x) => Math.min(m, x), 0), samples.reduce((m, x) => Math.max(m, x), 0)]);
    outline = outline.slice(-Math.round(WINDOW / model.get("block")));
    const context = scope.getContext("2d");
    const [wide, high, steps] = [scope.width, scope.height, Math.round(WINDOW / model.get("block"))];
    context.clearRect(0, 0, wide, high);
    context.fillStyle = getComputedStyle(el).color;
    outline.forEach(([low, top], i) => {
      const x = wide * (1 - (outline.length - i) / steps);
      context.fillRect(x, high / 2 * (1 - top), wide / steps - 2, Math.max(2, high / 2 * (top - low)));
    });
  }
  return listen({
    model, el, name: "Live microphone", parts: [scope], takes, begins: () => (outline = []),
    hint: "Press start: ten blocks a second go to the kernel, until you press stop.",
  }).close;
}

export default { render };
