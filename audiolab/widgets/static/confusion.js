// A table whose cells are buttons. One of them is reached by Tab, the others from there by arrow keys.
const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function render({ model, el }) {
  const { title, labels, counts, tint } = model.get("drawn");
  frame(el, title);
  const head = (label, scope) => make("th", { scope, title: label }, make("span", { textContent: label }));
  const buttons = counts.map((row, i) => row.map((count, j) => {
    const name = `${labels[i]} called ${labels[j]}: ${count || "none"}`;
    const button = make("button", { type: "button", textContent: count || "", title: name, ariaLabel: name, tabIndex: -1 });
    button.className = i === j ? "right" : "wrong";
    button.style.setProperty("--tint", tint[i][j]);
    button.onclick = () => clips.ask({ row: i, column: j });
    button.onfocus = () => stop(i, j);
    button.onkeydown = (event) => {
      const [down, right] = STEPS[event.key] ?? [0, 0];
      if (!down && !right) return;
      event.preventDefault();
      buttons[i + down]?.[j + right]?.focus();
    };
    return button;
  }));
  let [row, column] = [0, 0];
  function stop(i, j) {                                    // where Tab comes back to
    buttons[row][column].tabIndex = -1;
    [row, column] = [i, j];
    buttons[row][column].tabIndex = 0;
  }
  stop(0, 0);

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
