// The tuning page: a look back that is being computed is asked for until it is there; changed gates are marked.
"use strict";
(() => {
  const EVERY_MS = 2000;
  setInterval(() => {
    if (document.querySelector("[data-busy]") && document.visibilityState === "visible") { window.ETWeb.refresh(); }
  }, EVERY_MS);
  const form = document.querySelector("[data-knobs]");
  form.addEventListener("input", (event) => {
    event.target.classList.toggle("moved", event.target.value !== event.target.defaultValue);
  });
  // after an apply the gates in use are others: the whole page is new
  document.addEventListener("et-done", () => { setTimeout(() => { location.assign("/tuning"); }, 2500); });
})();
