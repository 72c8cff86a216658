// The face of audiolab.widgets.LiveInput: blocks with numbers to the kernel, a level and an outline of the last seconds.

const SLOW = 3_000;                                         // milliseconds without an answer until it is said,
const DEAF = 30_000;                                        // and until the stream is given up
const LOSES = "Blocks were lost on the way to the kernel: close what else keeps this computer or its network busy.";
const WINDOW = 5;                                           // seconds that the outline shows

function render({ model, el }) {
  const { line, say } = frame(el, "Live microphone");
  const button = element("button", { className: "al-record", type: "button" });
  const clock = element("span", { className: "al-clock" });
  const level = meter();
  const scope = element("canvas", { className: "al-scope", width: 1200, height: 144, role: "img" });
  scope.setAttribute("aria-label", `outline of the last ${WINDOW} seconds`);
  const granted = element("div", { className: "al-granted" });
  const top = element("div", { className: "al-row" });
  top.append(button, clock);
  el.append(top, level.el, scope, line, granted);

  let microphone = null, opening = false, gone = false;
  const view = Math.random().toString(36).slice(2);
  let stream = "", sent = 0, answered = 0, outline = [], counts = { blocks: 0, lost: 0 };

  function show() {
    button.dataset.on = Boolean(microphone);
    button.textContent = microphone ? "Stop" : "Start";
    button.setAttribute("aria-disabled", opening);          // a disabled button would lose the keyboard
    clock.textContent = sent ? `${(sent * model.get("block")).toFixed(0)} s. ${count()}` : "";
  }
  const count = () => `The kernel has ${counts.blocks} blocks, ${counts.lost || "none"} lost.`;
  function tell(message, buffers = []) {
    try {
      model.send({ stream, ...message }, undefined, buffers);
    } catch {                                               // no kernel any more: `answered` grows old, and it is said
    }
  }

  async function start() {
    if (microphone || opening) return;
    opening = true;
    [stream, sent, outline] = [Math.random().toString(36).slice(2), 0, []];
    counts = { blocks: 0, lost: 0 };
    level.reset();
    show();
    say("Waiting for the microphone: allow it if the browser asks.", "busy");
    let opened;
    try {
      const seconds = model.get("block");
      opened = await openMicrophone({ rate: model.get("wanted"), seconds, onBlock, onEnd: () => stop("The microphone was unplugged. ") });
    } catch (error) {
      say(explain(error), "bad");
      tell({ event: "trouble", says: explain(error) });
    }
    opening = false;
    if (gone) return opened?.close();
    if (opened) {
      answered = performance.now();
      granted.textContent = opened.granted;
      say("Listening.", "good");
      tell({ event: "start", sr: opened.sr });
      microphone = opened;
    }
    show();
  }

  function onBlock(samples, number) {
    if (!microphone) return;
    level.show(samples, microphone.sr);
    outline.push([samples.reduce((m, x) => Math.min(m, x), 0), samples.reduce((m, x) => Math.max(m, x), 0)]);
    outline = outline.slice(-Math.round(WINDOW / model.get("block")));
    draw();
    sent = number + 1;
    tell({ event: "block", number }, [samples.buffer]);
    show();
    const quiet = performance.now() - answered;
    if (quiet > DEAF) stop("The kernel has not answered for 30 s: it was restarted, or a cell runs. Run this cell again when it is done. ");
    else if (quiet > SLOW) say("Listening, but the kernel does not answer: a cell runs, or it was restarted. The blocks wait.", "slow");
  }

  async function stop(why = "") {
    if (!microphone) return;
    const { finish } = microphone;
    const end = { event: "end", number: sent, stream };     // another may have begun when this one has ended
    microphone = null;
    show();
    say(`${why}Stopped.`, why ? "bad" : "good");
    await finish();
    tell(end);
  }

  function draw() {
    const context = scope.getContext("2d");
    const [wide, high, steps] = [scope.width, scope.height, Math.round(WINDOW / model.get("block"))];
    context.clearRect(0, 0, wide, high);
    context.fillStyle = getComputedStyle(el).color;
    outline.forEach(([low, top], i) => {
      const x = wide * (1 - (outline.length - i) / steps);
      context.fillRect(x, high / 2 * (1 - top), wide / steps - 2, Math.max(2, high / 2 * (top - low)));
    });
  }

  // Every view of the widget hears every message: some are for one view, or for the one whose stream it is.
  function heard(message) {
    if (message.do === "ask") setTimeout(() => tell({ event: "here", view }), document.hidden ? 500 : 0);
    else if (message.do === "start") message.view === view && start();
    else if (message.do === "go" && message.stream !== stream) stop("Another view of this microphone was started. ");
    if (message.stream !== undefined && message.stream !== stream) return;
    answered = performance.now();
    if (message.do === "stop") stop();
    else if (message.do === "refuse") microphone ? stop(`Not taken: ${message.says} `) : say(message.says, "bad");
    else if (message.do === "note") say(message.says, "bad");
    else if (message.do === "heard") {
      counts = message;
      show();
      if (line.dataset.kind === "slow" || counts.lost) say(counts.lost ? LOSES : "Listening.", counts.lost ? "bad" : "good");
    }
  }
  model.on("msg:custom", heard);
  button.onclick = () => (microphone ? stop() : start());
  show();
  say("Press start: ten blocks a second go to the kernel, until you press stop.");
  tell({ event: "hello" });

  return () => {
    gone = true;
    model.off("msg:custom", heard);
    microphone?.close();
    if (microphone) tell({ event: "trouble", says: "the widget was closed" });
  };
}

export default { render };
