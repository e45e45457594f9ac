// The controls of a demo or a replay. The server says how it stands, once a second and after each press; this script shows
// that and nothing it only hopes for. Space plays and pauses, a full stop steps on by one poll.
"use strict";
(() => {
  const bar = document.getElementById("replay");
  if (!bar) return;
  const ADDRESS = "/api/v1/replay";
  const EVERY_MS = 1000;
  let now = null; // the last state the server told
  let busy = false;

  const make = (name, properties, ...children) => {
    const node = Object.assign(document.createElement(name), properties);
    node.append(...children);
    return node;
  };
  const play = make("button", { type: "button", className: "play", onclick: () => act({ action: now.playing ? "pause" : "play" }) });
  const step = make("button", { type: "button", textContent: "Step", title: "One poll on (.)", onclick: () => act({ action: "step" }) });
  const speeds = make("fieldset", {});
  const time = make("input", { type: "datetime-local", id: "replay-to", required: true });
  const go = make("button", { type: "submit", textContent: "Go" });
  const jump = make("form", { noValidate: true, onsubmit: leap }, make("label", { htmlFor: "replay-to", textContent: "Jump to" }), time, go);
  const words = make("span", { className: "words" });
  words.setAttribute("role", "status");
  const progress = make("progress", { max: 1, hidden: true });
  progress.setAttribute("aria-label", "Earlier polls read in");
  const span = make("span", { className: "faint" });
  bar.append(play, step, speeds, jump, words, progress, span);

  const said = (text) => {
    const at = new Date(text);
    const far = now && now.last && new Date(now.last) - new Date(now.first) > 6 * 864e5;
    const day = far ? { weekday: "short", day: "numeric", month: "short" } : { weekday: "short" };
    return at.toLocaleString("en-GB", { ...day, hour: "2-digit", minute: "2-digit" }).replace(/,/g, "");
  };
  const local = (text) => {
    const at = new Date(text);
    return new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  };
  const times = (speed) => `×${Number(speed).toLocaleString("en-GB")}`;

  function sentence(state) {
    switch (state.state) {
      case "playing": return `Playing, ${said(state.at)}`;
      case "paused": return `Paused at ${said(state.at)}`;
      case "ended": return `Ended at ${said(state.at)}`;
      case "reading": {
        const then = state.playing ? "" : ", then paused";
        return `Reading in up to ${said(state.to)}, now ${said(state.at)}${then}`;
      }
      default: return "Driven by another process";
    }
  }

  function show(state) {
    now = state;
    const can = new Set(state.can);
    const over = state.state === "ended";
    const stopped = over || !state.playing;
    play.textContent = stopped ? "Play" : "Pause";
    play.title = stopped ? "Go on (space)" : "Stop here (space)";
    play.disabled = !can.has("play") || over;
    step.hidden = jump.hidden = state.mode === "demo";
    step.disabled = !can.has("step") || over || state.state === "reading";
    time.disabled = go.disabled = !can.has("jump");
    drawSpeeds(state, can);
    if (state.first && document.activeElement !== time) {
      time.min = local(state.first);
      time.max = local(state.last);
      if (!time.value) time.value = local(state.at);
    }
    const line = sentence(state);
    words.className = "words";
    if (words.textContent !== line) words.textContent = line;
    progress.hidden = state.progress === null || state.progress === undefined;
    if (!progress.hidden) progress.value = state.progress;
    span.textContent = state.first && progress.hidden ? `Recording: ${said(state.first)} to ${said(state.last)}` : "";
    if (state.can.length === 0 && state.state !== "elsewhere") span.textContent = "Editors may pause and move it";
  }

  function drawSpeeds(state, can) {
    const wanted = (state.speeds || []).map(String);
    const drawn = [...speeds.querySelectorAll("button")].map((one) => one.value);
    if (wanted.join() !== drawn.join()) {
      speeds.replaceChildren(make("span", { textContent: "Speed" }), ...wanted.map((speed) => make("button", {
        type: "button", value: speed, textContent: times(speed), onclick: () => act({ action: "speed", speed: Number(speed) }),
      })));
    }
    for (const button of speeds.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(Number(button.value) === state.speed));
      button.disabled = !can.has("speed");
    }
  }

  function fail(line) {
    words.textContent = line;
    words.className = "words bad";
  }

  async function ask(options) {
    const answer = await fetch(ADDRESS, { credentials: "same-origin", cache: "no-store", ...options });
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(body.detail || `The server could not do this (${answer.status}). Try again in a moment; if it stays, look in the log.`);
    return body;
  }

  let held = 0; // until when a refusal stays to be read
  async function act(wanted) {
    if (!now || busy) return;
    busy = true;
    try {
      show(await ask({ method: "POST", body: JSON.stringify(wanted), headers: { "Content-Type": "application/json", "X-ET-Write": "1" } }));
    } catch (problem) {
      fail(problem instanceof TypeError ? "The server cannot be reached; nothing was changed." : problem.message);
      held = Date.now() + 6000;
    } finally {
      busy = false;
    }
  }

  function leap(event) {
    event.preventDefault();
    if (time.value) act({ action: "jump", to: new Date(time.value).toISOString() });
  }

  async function look() {
    if (!busy && !document.hidden && Date.now() > held) {
      try {
        const state = await ask();
        if (!busy) show(state);
      } catch {
        fail("Connection lost; trying again");
      }
    }
    setTimeout(look, EVERY_MS);
  }

  document.addEventListener("keydown", (event) => {
    const types = event.target.closest("input, select, textarea, [contenteditable]");
    const pressed = event.target.closest("button, a, summary, [role=slider]"); // space is theirs
    if (types || event.ctrlKey || event.altKey || event.metaKey || !now || document.querySelector("dialog:modal")) return;
    const back = new URLSearchParams(location.search).has("at"); // on a page that looks back a full stop is the page's own
    const wanted = event.key === " " && !pressed && !play.disabled ? { action: now.playing ? "pause" : "play" }
      : event.key === "." && !step.hidden && !step.disabled && !back ? { action: "step" } : null;
    if (!wanted) return;
    event.preventDefault();
    event.stopPropagation();
    act(wanted);
  }, true);
  look();
})();
