// What LiveInput and LiveView share: numbered blocks that go to the kernel until stop is pressed, and plain words for all
// that can happen to them on the way. Stands after microphone.js.

const SLOW = 3_000;                                         // milliseconds without an answer until it is said,
const DEAF = 30_000;                                        // and until the stream is given up
const LOSES = "Blocks were lost on the way to the kernel: close what else keeps this computer or its network busy.";

// `parts` are the elements under the level. Called are `begins()` when start is pressed, `takes(samples, number, at,
// microphone)` with each block, for what is to be sent along, `hears(message, buffers)` with an answer that is none of
// those here, `ends()` when no block follows, and `trouble()` for words about what else goes wrong.
// Gives `remark(words)`, which are said after how it goes, and `close()`.
function listen({ model, el, name, hint, parts, begins, takes, hears = () => {}, ends = () => {}, trouble = () => "" }) {
  const { line, say: write } = frame(el, name);
  const button = element("button", { className: "al-record", type: "button" });
  const clock = element("span", { className: "al-clock" });
  const level = meter();
  const granted = element("div", { className: "al-granted" });
  const top = element("div", { className: "al-row" });
  top.append(button, clock);
  el.append(top, level.el, ...parts, line, granted);

  let microphone = null, opening = false, gone = false, state = "", remarked = "", noted = "";
  const view = Math.random().toString(36).slice(2);
  let stream = "", sent = 0, answered = 0, counts = { blocks: 0, lost: 0 };

  function say(words, kind) {
    state = words;
    write(remarked ? `${words} ${remarked}` : words, kind);
  }
  function remark(words) {
    remarked = words;
    say(state, line.dataset.kind);
  }
  function show() {
    button.dataset.on = Boolean(microphone);
    const does = microphone ? "Stop" : "Start";
    if (button.textContent !== does) button.textContent = does;     // or the page is laid out anew with each block
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
    [stream, sent, remarked, noted] = [Math.random().toString(36).slice(2), 0, "", ""];
    counts = { blocks: 0, lost: 0 };
    level.reset();
    begins();
    show();
    say("Waiting for the microphone: allow it if the browser asks.", "busy");
    let opened;
    try {
      const seconds = model.get("block");
      opened = await openMicrophone({ rate: model.get("wanted"), seconds, onBlock, onEnd: () => stop("The microphone was unplugged. ") });
    } catch (error) {
      say(explain(error), "bad");
      tell({ event: "trouble", says: explain(error) });
      ends();
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

  function onBlock(samples, number, at) {
    if (!microphone) return;
    level.show(samples, microphone.sr);
    const along = takes(samples, number, at, microphone);
    sent = number + 1;
    tell({ event: "block", number, ...along }, [samples.buffer]);
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
    ends();
    await finish();
    tell(end);
  }

  // Every view of the widget hears every message: some are for one view, or for the one whose stream it is.
  function heard(message, buffers) {
    if (message.do === "ask") setTimeout(() => tell({ event: "here", view }), document.hidden ? 500 : 0);
    else if (message.do === "start") message.view === view && start();
    else if (message.do === "go" && message.stream !== stream) stop("Another view of this microphone was started. ");
    if (message.stream !== undefined && message.stream !== stream) return;
    answered = performance.now();
    if (message.do === "stop") stop();
    else if (message.do === "refuse") microphone ? stop(`Not taken: ${message.says} `) : say(message.says, "bad");
    else if (message.do === "note") say(noted = message.says, "bad");
    else if (message.do === "heard") {
      counts = message;
      show();
      const bad = [noted, counts.lost ? LOSES : "", trouble()].filter(Boolean).join(" ");
      if (bad || (microphone && line.dataset.kind === "slow")) say(bad || "Listening.", bad ? "bad" : "good");
    } else hears(message, buffers);
  }
  model.on("msg:custom", heard);
  button.onclick = () => (microphone ? stop() : start());
  show();
  say(hint, "");
  tell({ event: "hello" });

  function close() {
    gone = true;
    model.off("msg:custom", heard);
    microphone?.close();
    if (microphone) tell({ event: "trouble", says: "the widget was closed" });
    ends();
  }
  return { remark, close };
}
