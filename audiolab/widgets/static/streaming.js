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

  let microphone = null, opening = false, gone = false, state = "", remarked = "", noted = "", paused = "", watch;
  const view = Math.random().toString(36).slice(2);
  let stream = "", sent = 0, answered = 0, came = 0, counts = { blocks: 0, lost: 0 };

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
    [stream, sent, remarked, noted, paused] = [Math.random().toString(36).slice(2), 0, "", "", ""];
    counts = { blocks: 0, lost: 0 };
    level.reset();
    begins();
    show();
    say("Waiting for the microphone: allow it if the browser asks.", "busy");
    let opened;
    try {
      const seconds = model.get("block");
      const onEnd = () => stop("The microphone was unplugged. ");
      opened = await openMicrophone({ rate: model.get("wanted"), seconds, onBlock, onEnd, onPause });
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
      say(paused || "Listening.", paused ? "slow" : "good");
      tell({ event: "start", sr: opened.sr });
      microphone = opened;
      came = answered;
      watch = setInterval(look, 1000);                      // not with a block: there may be none
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
    came = performance.now();
  }

  function onPause(words) {
    paused = words;
    if (microphone) say(words || "Listening.", words ? "slow" : "good");
  }

  function look() {
    const now = performance.now();
    if (paused || now - came > SLOW) {
      answered = now;                                       // without blocks there are no answers
      say(paused || "No sound comes: the browser lets this page sleep, or it is busy.", "slow");
    } else if (now - answered > DEAF) stop("The kernel has not answered for 30 s: it was restarted, or a cell runs. Run this cell again when it is done. ");
    else if (now - answered > SLOW) say("Listening, but the kernel does not answer: a cell runs, or it was restarted. The blocks wait.", "slow");
  }

  async function stop(why = "") {
    if (!microphone) return;
    const { finish } = microphone;
    clearInterval(watch);
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
      if (bad || (microphone && !paused && line.dataset.kind === "slow")) say(bad || "Listening.", bad ? "bad" : "good");
    } else hears(message, buffers);
  }
  model.on("msg:custom", heard);
  button.onclick = () => (microphone ? stop() : start());
  show();
  say(hint, "");
  tell({ event: "hello" });

  function close() {
    gone = true;
    clearInterval(watch);
    model.off("msg:custom", heard);
    microphone?.close();
    if (microphone) tell({ event: "trouble", says: "the widget was closed" });
    ends();
  }
  return { remark, close };
}
