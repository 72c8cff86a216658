// What the widgets share that run in step with their player. Stands after clips.js, whose frame they use.
const sounds = ([onset, offset], now) => onset <= now && now < offset;

// A player, and below it a line of words. `show` is told the player's seconds in each frame; `sounding` names what sounds
// then: once the player rests, and if it is `live`, also while it plays.
function played(model, el, { hint, show, sounding, live = false }) {
  const player = make("div", { className: "player" });
  player.innerHTML = model.get("player");                  // markup of the kernel's own, in which the title is escaped
  const said = make("p", { role: "status", textContent: hint });
  el.append(player, said);
  const audio = player.querySelector("audio");
  let next = 0;
  function look() {
    const now = audio.currentTime;
    show(now);
    const words = audio.paused ? `${now.toFixed(1)} s: ${sounding(now)}.` : live ? `${sounding(now)}.` : "";
    if (words !== said.textContent) said.textContent = words;           // a screen reader hears of each change
  }
  function follow() {
    look();
    next = audio.paused ? 0 : requestAnimationFrame(follow);
  }
  audio.addEventListener("play", () => {
    cancelAnimationFrame(next);
    follow();
  });
  for (const event of ["pause", "seeked"]) audio.addEventListener(event, look);
  show(0);
  return { audio, close: () => cancelAnimationFrame(next) };
}
