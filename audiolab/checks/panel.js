const make = (parent, tag, attributes = {}, text = "") => {
  const one = parent.appendChild(document.createElement(tag));
  for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
  one.textContent = text;
  return one;
};

const ASK = {
  solution: ["Read ours now? Your own attempt teaches more.", "Yes, show it", "Not yet"],
  reset: ["Bring the empty cell back? A copy of yours is kept in work/backups.", "Yes, start over", "Keep mine"],
};

function render({ model, el }) {
  const ended = new AbortController();
  // Enter and space press the button that has the focus; the notebook would take them for its own.
  const keep = (event) => {
    const press = ["Enter", " "].includes(event.key) && !event.ctrlKey && !event.shiftKey;
    if (press && el.contains(event.target)) event.stopPropagation();
  };
  window.addEventListener("keydown", keep, { capture: true, signal: ended.signal });
  const state = () => model.get("state");
  const { id, name } = state();

  el.classList.add("audiolab-panel");
  el.setAttribute("role", "region");
  el.setAttribute("aria-label", `Exercise ${id} ${name}`);
  const buttons = make(el, "div", { class: "buttons" });
  const button = (label, press, parent = buttons) => {
    const one = make(parent, "button", { type: "button" }, label);
    one.addEventListener("click", press);
    return one;
  };

  // A press is answered by a new state. The kernel may be busy with a cell, or gone.
  let waiting;
  const answered = () => clearTimeout(waiting);
  const send = (press) => {
    answered();
    waiting = setTimeout(() => {
      says.textContent = said = "Asked. A cell that is running now comes first. If the kernel was started anew, run the cell "
        + "with al.check again.";
    }, 1000);
    try {
      model.send({ press });
    } catch {
      answered();
      says.textContent = said = "These buttons have lost their kernel. Run the cell with al.check again.";
    }
  };

  // What cannot be undone, or spoils the fun, asks once more.
  const sure = make(el, "div", { class: "sure", role: "group", hidden: "" });
  const confirm = (press, from) => {
    const [question, yes, no] = ASK[press];
    const close = () => { sure.hidden = true; from.focus(); };
    sure.replaceChildren();
    sure.setAttribute("aria-label", question);
    make(sure, "span", {}, question);
    button(yes, () => { close(); send(press); }, sure);
    button(no, close, sure);
    sure.hidden = false;
    sure.querySelector("button").focus();
  };

  const check = button("Check again", () => state().busy || send("check"));
  const hint = button("", () => state().hints.length < state().total && send("hint"));
  let folded = false;
  const solution = button("", () => {
    if (state().solution) {
      folded = !folded;
      draw();
    } else if (state().tried) confirm("solution", solution);
    else send("solution");                               // which says why not
  });
  const reset = button("Start over", () => confirm("reset", reset));
  const says = make(el, "p", { class: "says", role: "status" });
  const report = make(el, "div", { class: "report" });
  const hints = make(el, "ol", { class: "hints", "aria-label": "Hints", "aria-live": "polite" });
  const code = make(el, "pre", { class: "solution", tabindex: "0", role: "region", "aria-label": "Our solution" });
  const chapter = make(el, "div", { class: "chapter" });

  // Words for the eye, and the whole report for the ear alone: the eye has it above.
  let said = "";
  const speak = (s) => {
    if (said === s.says + s.heard) return;
    said = s.says + s.heard;
    says.innerHTML = s.says;
    if (s.heard) make(says, "span", { class: "heard" }, ` ${s.heard}`);
  };

  // The report is the output above, changed in place. JupyterLab no longer changes it once the page was loaded anew:
  // then the new report stands here, and the old one goes.
  const fallBack = () => {
    const { report: page, mark } = state();
    const above = [...(el.closest(".jp-OutputArea") ?? document).querySelectorAll("[data-audiolab-report]")]
      .filter((one) => !el.contains(one));
    const lost = page && !above.some((one) => one.dataset.audiolabReport === mark);
    report.innerHTML = lost ? page : "";
    if (el.closest(".jp-OutputArea")) for (const one of above) one.hidden = lost;
  };

  const draw = () => {
    answered();
    const s = state();
    const seen = s.hints.length;
    check.setAttribute("aria-disabled", s.busy);
    hint.textContent = seen < s.total ? `Hint ${seen + 1} of ${s.total}` : `All ${s.total} hints shown`;
    hint.setAttribute("aria-disabled", seen >= s.total);
    solution.textContent = s.solution && !folded ? "Hide the solution" : "Show the solution";
    speak(s);
    setTimeout(fallBack, 500);
    while (hints.children.length > seen) hints.lastChild.remove();
    s.hints.slice(hints.children.length).forEach((text) => (make(hints, "li").innerHTML = text));
    hints.hidden = !seen;
    code.textContent = s.solution;
    code.hidden = !s.solution || folded;
    chapter.innerHTML = s.chapter;
  };
  model.on("change:state", draw);
  draw();
  return () => { model.off("change:state", draw); ended.abort(); answered(); };
}

export default { render };
