// What the widgets of clips.py share: the clips below a drawing. Stands after kernel.js.

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

// A frame in which keys go to the widget, not to JupyterLab's shortcuts: it looks for this at the element with the focus.
function frame(el, title) {
  el.classList.add("audiolab-clips");
  el.addEventListener("focusin", ({ target }) => { target.dataset.lmSuppressShortcuts = "true"; });
  el.append(make("strong", { textContent: title }));
}

// Buttons one of which is reached by Tab, the others from there: `next` says to which a key leads, if to any.
function roving(buttons, next) {
  let current = 0;                                         // where Tab comes back to
  buttons.forEach((button, i) => {
    button.tabIndex = i ? -1 : 0;
    button.addEventListener("focus", () => {
      buttons[current].tabIndex = -1;
      current = i;
      button.tabIndex = 0;
    });
    button.addEventListener("keydown", (event) => {
      const to = buttons[next(i, event.key)];
      if (!to) return;
      event.preventDefault();
      to.focus();
    });
  });
}

// Asks the kernel for clips and shows what comes. `opened` hears which of the wanted are shown, in any view.
function listening(model, el, opened, { plays = false } = {}) {
  const said = make("p", { role: "status" });
  const list = make("ul");
  const more = make("button", { type: "button", className: "more", hidden: true });
  el.append(said, list, more);
  let waiting = 0, mine = 0;

  function ask(wanted) {
    clearTimeout(waiting);
    waiting = setTimeout(silent, PATIENCE);
    list.ariaBusy = "true";
    mine = (model.get("chosen").turn ?? 0) + 1;
    model.set("chosen", { ...wanted, turn: mine });
    try {
      model.save_changes();
    } catch {                                              // there is no kernel at all
      silent();
    }
  }
  function silent() {
    clearTimeout(waiting);
    list.ariaBusy = "false";
    said.textContent = SILENT;
  }

  function draw() {
    const { turn, said: words, clips, more: left } = model.get("opened");
    if (!turn) return;
    if (turn >= mine) {
      clearTimeout(waiting);
      list.ariaBusy = "false";
    }
    said.textContent = words;
    list.replaceChildren(...clips.map((clip) => {
      const item = make("li");
      item.innerHTML = clip;                               // markup of the kernel's own, in which names are escaped
      return item;
    }));
    const first = model.get("chosen").first ?? 0;
    more.hidden = !left && !first;
    more.textContent = left ? `${left} more` : "The first again";
    more.onclick = () => ask({ ...model.get("chosen"), first: left ? first + clips.length : 0 });
    opened(model.get("chosen"));
    if (plays && turn === mine) {
      list.querySelector("audio")?.play().catch(() => { said.textContent = `${words} Press play.`; });
    }
  }
  // One at a time: a player that starts stops the others. (`play` does not bubble.)
  list.addEventListener("play", ({ target }) => {
    for (const audio of list.querySelectorAll("audio")) if (audio !== target) audio.pause();
  }, true);
  model.on("change:opened", draw);
  draw();
  return {
    ask,
    close() {
      clearTimeout(waiting);
      model.off("change:opened", draw);
    },
  };
}
