// Server-rendered pages: forms sent without leaving the page, dialogs, live refresh by server-sent events.
// A page works without this script, except for what changes data: those buttons say so by being submit buttons of forms.
"use strict";
(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !document.cookie.includes(`et_zone=${zone}`)) {
    document.cookie = `et_zone=${zone}; path=/; max-age=31536000; samesite=lax`;
  }
  const told = document.getElementById("told");
  let timer;
  function tell(line, bad) {
    told.textContent = line;
    told.className = bad ? "bad" : "";
    clearTimeout(timer);
    timer = setTimeout(() => { told.textContent = ""; }, bad ? 12000 : 6000);
  }
  const nonce = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

  // <form data-post="/api/v1/..."> sends its fields as JSON; data-list="name" fields become arrays (checkboxes, lines).
  async function send(form, submitter) {
    const body = {};
    for (const [name, value] of new FormData(form, submitter)) {
      const field = form.elements[name];
      const many = form.dataset.list && form.dataset.list.split(" ").includes(name);
      const kind = field && field.type;
      const instant = kind === "datetime-local" && (value ? new Date(value).toISOString() : null);
      const typed = kind === "number" ? Number(value) : kind === "datetime-local" ? instant : value;
      if (many) { (body[name] ||= []).push(typed); } else { body[name] = typed; }
    }
    for (const name of (form.dataset.list || "").split(" ").filter(Boolean)) { body[name] ||= []; }
    for (const name of (form.dataset.flag || "").split(" ").filter(Boolean)) { body[name] = body[name] === "true"; }
    form.dataset.once ||= nonce();
    body.once = form.dataset.once;
    const answer = await fetch(form.dataset.post, {
      method: form.dataset.method || "POST", body: JSON.stringify(body), credentials: "same-origin",
      headers: { "Content-Type": "application/json", "X-ET-Write": "1" },
    });
    const text = await answer.text();
    let said = {};
    try { said = JSON.parse(text); } catch { /* not JSON: the status line stands for it */ }
    if (!answer.ok) { throw new Error(said.detail || `The server could not do this (${answer.status}). Try again in a moment; if it stays, look in the log.`); }
    return said;
  }
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.dataset || !form.dataset.post) { return; }
    event.preventDefault();
    const buttons = [...form.querySelectorAll("button")];
    const error = form.querySelector(".error");
    buttons.forEach((button) => { button.disabled = true; });
    try {
      const said = await send(form, event.submitter);
      delete form.dataset.once;
      form.closest("dialog")?.close();
      tell(said.line || "Done.");
      document.dispatchEvent(new CustomEvent("et-done", { detail: said }));
      await refresh();
    } catch (problem) {
      const line = problem instanceof TypeError ? "The server cannot be reached. Try again; nothing is done twice." : problem.message;
      if (error) { error.textContent = line; } else { tell(line, true); }
    } finally {
      buttons.forEach((button) => { button.disabled = false; });
    }
  });
  // what was changed is a new wish: the server knows the failed one by its number and would answer with that one's result
  for (const kind of ["input", "change"]) {
    document.addEventListener(kind, (event) => {
      const form = event.target.form || event.target.closest?.("form");
      if (form && form.dataset.post) { delete form.dataset.once; }
    });
  }
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) { document.getElementById(opener.dataset.dialog)?.showModal(); }
    if (event.target.closest("[data-close]")) { event.target.closest("dialog")?.close(); }
    if (event.target.closest("[data-print]")) { window.print(); }
  });

  // <body data-live="heat alert"> and elements with data-live-region="id": replaced when one of these events comes.
  async function refresh() {
    const regions = [...document.querySelectorAll("[data-live-region]")];
    if (!regions.length || document.querySelector("dialog[open]")) { return; }
    const answer = await fetch(location.href, { credentials: "same-origin", headers: { Accept: "text/html" } });
    if (!answer.ok) { return; }
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const region of regions) {
      const next = fresh.querySelector(`[data-live-region="${region.dataset.liveRegion}"]`);
      if (!next || next.innerHTML === region.innerHTML) { continue; }
      const focused = region.contains(document.activeElement) && document.activeElement.id;
      const open = [...region.querySelectorAll("details[open][id]")].map((part) => part.id);
      region.innerHTML = next.innerHTML;
      open.forEach((id) => { const part = document.getElementById(id); if (part) { part.open = true; } });
      if (focused) { document.getElementById(focused)?.focus(); }
    }
  }
  const kinds = document.body.dataset.live.trim().split(/\s+/).filter(Boolean);
  if (kinds.length && window.EventSource) {
    const line = document.getElementById("link-state");
    let soon;
    const later = () => { clearTimeout(soon); soon = setTimeout(refresh, 300); };
    const stream = new EventSource("/api/v1/stream");
    kinds.forEach((kind) => stream.addEventListener(kind, later));
    let lost = false;
    stream.onopen = () => { line.textContent = ""; if (lost) { later(); } lost = false; };
    stream.onerror = () => { lost = true; line.textContent = "Connection lost; trying again"; };
    window.addEventListener("pagehide", () => stream.close());
  }
  window.ETWeb = { tell, refresh };
})();
