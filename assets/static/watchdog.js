// Keeps an unattended page alive. A plain script: it works even when the session, the socket or Bokeh itself does not.
// Heartbeat: every push from the server. Silence or a lost socket: say so, ask the server, reload when it answers.
(function () {
  "use strict";
  const SILENCE_MS = 90000;       // must exceed the server's publishing interval several times over
  const NIGHTLY_MS = 24 * 3600e3; // bounds the browser's memory
  const ET = (window.ET = window.ET || {});
  let last = Date.now();
  let reloading = false;

  function say(text) {
    const place = document.getElementById("link-state");
    if (place) place.textContent = text;
    document.documentElement.classList.toggle("cut-off", text !== "");
  }

  async function answers() {
    try {
      const reply = await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      return reply.ok;
    } catch {
      return false;
    }
  }

  ET.beat = function () { last = Date.now(); };

  ET.lost = function () {
    if (reloading) return;
    reloading = true;
    say("Reconnecting: what you see is not live");
    const attempt = async () => {
      if (await answers()) return location.reload();
      setTimeout(attempt, 2000 + Math.random() * 1500);
    };
    setTimeout(attempt, 500 + Math.random() * 1000);
  };

  // Leaving the page closes the socket too: that is not a loss.
  window.addEventListener("beforeunload", () => { reloading = true; });
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  setInterval(() => { if (Date.now() - last > SILENCE_MS) ET.lost(); }, 5000);
  setTimeout(() => ET.lost(), NIGHTLY_MS + Math.random() * 600e3);
})();
