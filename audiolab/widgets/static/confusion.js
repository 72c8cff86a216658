// A table whose cells are buttons.
const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function render({ model, el }) {
  const { title, labels, counts, tint } = model.get("drawn");
  frame(el, title);
  const head = (label, scope) => make("th", { scope, title: label }, make("span", { textContent: label }));
  const buttons = counts.map((row, i) => row.map((count, j) => {
    const name = `${labels[i]} called ${labels[j]}: ${count || "none"}`;
    const button = make("button", { type: "button", textContent: count || "", title: name, ariaLabel: name });
    button.className = i === j ? "right" : "wrong";
    button.style.setProperty("--tint", tint[i][j]);
    button.onclick = () => clips.ask({ row: i, column: j });
    return button;
  }));
  const n = labels.length;
  roving(buttons.flat(), (i, key) => {                     // at an edge an arrow leads back to where it stands
    const [down, right] = STEPS[key] ?? [NaN, NaN];
    const within = (x) => Math.max(0, Math.min(x, n - 1));
    return n * within(Math.floor(i / n) + down) + within(i % n + right);
  });

  const table = make("table", { role: "grid", ariaLabel: `${title}. Rows: true class. Columns: predicted class.` },
    make("tr", {}, make("td", { className: "corner" }, make("span", { textContent: "predicted →" }),
      make("span", { textContent: "true ↓" })), ...labels.map((label) => head(label, "col"))),
    ...buttons.map((cells, i) => make("tr", {}, head(labels[i], "row"), ...cells.map((cell) => make("td", {}, cell)))));
  table.style.maxWidth = `${9 + 3.4 * labels.length}em`;
  el.append(make("div", { className: "scroll" }, table),
    make("small", { textContent: "Press a cell to hear its clips. Arrow keys go from cell to cell, Enter opens." }));
  const clips = listening(model, el, (chosen) => {
    table.querySelector("[aria-current]")?.removeAttribute("aria-current");
    buttons[chosen.row][chosen.column].ariaCurrent = "true";
  });
  return clips.close;
}

export default { render };
