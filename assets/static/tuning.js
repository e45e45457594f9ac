// The tuning page: a slider beside each number, and what was looked back at follows them. Where these gates were not, an
// editor's page asks for it once a number was moved or the button pressed, never by being opened; one being computed is
// looked for until it is there.
"use strict";
(() => {
  const EVERY_MS = 1500, SETTLED_MS = 500;
  const form = document.querySelector("[data-knobs]");
  const said = document.querySelector("[data-said]");
  const numbers = [...form.querySelectorAll("input[type=number]")];
  const slider = (number) => form.querySelector(`[data-of="${number.name}"]`);
  let going = Promise.resolve(), soon;

  // one after the other: an older answer must not replace a newer one
  function look() {
    going = going.then(() => window.ETWeb.refresh()).catch(() => {}).then(tell);
    return going;
  }
  function ask() {
    document.querySelector("form[data-look]")?.requestSubmit();
  }
  function tell() {
    const part = document.querySelector("[data-busy] progress");
    const line = part ? "Looking back" : document.querySelector("[data-told]")?.dataset.told || "";
    if (said.textContent !== line) { said.textContent = line; }
  }
  function mark(number) {
    number.classList.toggle("moved", number.value !== number.dataset.now);
    const range = slider(number);
    if (range && number.value !== "") { range.value = number.value; }
  }
  function follow(pressed) {
    if (!form.checkValidity()) { return; }
    const asked = new URLSearchParams();
    numbers.filter((one) => !one.disabled && Number(one.value) !== Number(one.dataset.now))
      .forEach((one) => asked.set(one.name, one.value));
    const address = asked.size ? `/tuning?${asked}` : "/tuning";
    if (address === location.pathname + location.search && !pressed) { return; }
    history.replaceState(null, "", address);
    look().then(ask);
  }
  for (const number of numbers) {
    const range = slider(number);
    range.hidden = false;
    range.addEventListener("input", () => { number.value = range.value; number.dispatchEvent(new Event("input", { bubbles: true })); });
    mark(number);
  }
  form.addEventListener("input", (event) => {
    if (event.target.type !== "number") { return; }
    mark(event.target);
    clearTimeout(soon);
    soon = setTimeout(follow, SETTLED_MS);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(soon);
    follow(true);
  });
  setInterval(() => {
    if (document.querySelector("[data-busy]") && document.visibilityState === "visible") { look(); }
  }, EVERY_MS);
  // after an apply the gates in use are others: the whole page is new
  document.addEventListener("et-done", (event) => { if (event.detail.looking) { return; } setTimeout(() => { location.assign("/tuning"); }, 2500); });
  tell();
})();
