// The entity's side: timelines read hour by hour, names compared, changes of names told before they are made and undone after.
// Like page.js it builds no markup from text: what comes from the server as data is set as text.
(function () {
  "use strict";
  const ET = window.ET;
  const $ = (selector, root) => (root || document).querySelector(selector);
  const $$ = (selector, root) => Array.from((root || document).querySelectorAll(selector));

  // ---- timelines: the readout says what the table says --------------------------------------------------------------
  function read(plot, hour) {
    const count = Number(plot.dataset.hours);
    const place = Math.min(Math.max(hour, 0), count - 1);
    const figures = plot.closest("[data-region]").querySelector(".figures");
    if (!figures || !count) return;
    const rows = $$("tbody tr", figures);
    const row = rows[rows.length - 1 - place]; // the newest stands first
    if (!row) return;
    const heads = $$("thead th", figures).slice(1).map((head) => head.textContent);
    const cells = $$("td", row).map((cell, at) => `${heads[at]} ${cell.textContent}`);
    plot.dataset.hour = place;
    $(".readout", plot).textContent = `${$("th", row).textContent}: ${cells.join(" · ")}`;
    const x = `${((place + 0.5) * 100) / count}%`;
    const line = $(".cursor", plot);
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    line.setAttribute("visibility", "visible");
  }

  function clear(plot) {
    delete plot.dataset.hour;
    $(".readout", plot).textContent = "";
    $(".cursor", plot).setAttribute("visibility", "hidden");
  }

  document.addEventListener("pointermove", (event) => {
    const plot = event.target.closest && event.target.closest(".plot");
    if (!plot) return;
    const box = $("svg", plot).getBoundingClientRect();
    if (event.clientY > box.bottom) return;
    read(plot, Math.floor(((event.clientX - box.left) / box.width) * Number(plot.dataset.hours)));
  });
  document.addEventListener("pointerout", (event) => {
    const plot = event.target.closest && event.target.closest(".plot");
    if (plot && !plot.contains(event.relatedTarget) && document.activeElement !== plot) clear(plot);
  });
  document.addEventListener("focusin", (event) => {
    if (event.target.matches(".plot") && event.target.matches(":focus-visible")) read(event.target, Number(event.target.dataset.hours) - 1);
  });
  document.addEventListener("focusout", (event) => { if (event.target.matches(".plot")) clear(event.target); });
  document.addEventListener("keydown", (event) => {
    const plot = event.target.matches(".plot") && event.target;
    const last = plot && Number(plot.dataset.hours) - 1;
    const to = plot && { ArrowLeft: Number(plot.dataset.hour ?? last) - 1, ArrowRight: Number(plot.dataset.hour ?? last) + 1, Home: 0, End: last }[event.key];
    if (!plot || to === undefined) return;
    event.preventDefault();
    event.stopImmediatePropagation(); // these keys step through polls elsewhere
    read(plot, to);
  }, true);

  // ---- what the visitor does ------------------------------------------------------------------------------------------
  const says = (kind, value) => (button) => {
    if (button.getAttribute("aria-disabled") === "true") return;
    ET.emit(kind, value ? value(button) : null);
  };
  const slug = (button) => button.dataset.slug;
  Object.assign(ET.acts, {
    "compare-on": says("compare-on", slug),
    "compare-off": says("compare-off", slug),
    "compare-none": says("compare-none"),
    "receipts-on": says("receipts-on"),
    "receipts-back": says("receipts-back"),
    "receipts-first": says("receipts-first"),
    "sort-receipts": (button) => ET.emit("sort-receipts", button.dataset.value),
  });

  // ---- forms: find a name, hear what will happen, then do it ---------------------------------------------------------
  const told = (form, words) => { const line = $(".told", form); if (line) line.textContent = words; };
  const ready = (form, on) => { $("button[type=submit]", form).disabled = !on; };

  async function ask(path) {
    const answer = await fetch(path, { credentials: "same-origin", headers: { Accept: "application/json" } });
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(said.detail || `The server could not do this (${answer.status}). Try again in a moment; if it stays, look in the log.`);
    return said;
  }

  let asked = 0;
  let waiting = 0;
  function later(work) {
    clearTimeout(waiting);
    const mine = ++asked;
    waiting = setTimeout(() => work(() => mine === asked), 200);
  }

  async function find(field, fresh) {
    const form = field.form;
    const text = field.value.trim();
    const list = $(".finds", form);
    if (!text) return;
    try {
      const found = await ask(`/api/v1/entities?limit=8&q=${encodeURIComponent(text)}`);
      if (!fresh()) return;
      const others = found.items.filter((entity) => entity.slug !== field.dataset.find);
      list.replaceChildren(...others.map(choice));
      if (!others.length) told(form, `No other name like “${text}”.`);
    } catch (problem) { told(form, problem.message); }
  }

  function choice(entity) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const name = document.createElement("bdi");
    const kind = document.createElement("small");
    button.type = "button";
    button.dataset.pick = entity.slug;
    name.textContent = entity.name;
    kind.textContent = ` ${entity.kind} · ${entity.domain}`;
    button.append(name, kind);
    item.append(button);
    return item;
  }

  // another search: what was picked for the one before must not be sent
  function forget(form) {
    form.elements.other.value = "";
    ready(form, false);
    told(form, "");
    $(".finds", form).replaceChildren();
  }

  async function pick(button) {
    const form = button.closest("form");
    form.elements.other.value = button.dataset.pick;
    delete form.dataset.once; // another name is another wish
    for (const other of $$("[data-pick]", form)) other.setAttribute("aria-pressed", String(other === button));
    told(form, "…");
    ready(form, false);
    try {
      const base = $(".finds", form).dataset.finds;
      const said = await ask(`${base}/names/preview?does=merge&other=${encodeURIComponent(button.dataset.pick)}`);
      if (form.elements.other.value !== button.dataset.pick) return;
      told(form, said.line);
      ready(form, true);
    } catch (problem) { told(form, problem.message); }
  }

  document.addEventListener("input", (event) => {
    const field = event.target;
    if (field.dataset.find !== undefined) {
      forget(field.form);
      later((fresh) => find(field, fresh));
    }
    if (field.dataset.ask) {
      later(async (fresh) => {
        if (!field.value.trim()) return;
        try {
          const said = await ask(`${field.dataset.ask}&name=${encodeURIComponent(field.value)}`);
          if (fresh()) told(field.form, said.line);
        } catch (problem) { told(field.form, problem.message); }
      });
    }
  });
  document.addEventListener("change", (event) => {
    if (event.target.dataset.told === undefined) return;
    told(event.target.form, event.target.dataset.told);
    ready(event.target.form, true);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-pick]");
    if (button) pick(button);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.dataset && event.target.dataset.find !== undefined) {
      event.preventDefault(); // takes the first name found instead of sending a form with none
      const first = $("[data-pick]", event.target.form);
      if (first) pick(first);
    }
  });

  // ---- undo, right where the change was told ----------------------------------------------------------------------------
  document.addEventListener("et-done", (event) => {
    const undo = event.detail && event.detail.undo;
    const line = document.getElementById("told");
    if (!undo || !undo.startsWith("/api/v1/names/")) return;
    const form = document.createElement("form");
    const button = document.createElement("button");
    form.dataset.post = undo;
    button.type = "submit";
    button.className = "link";
    button.textContent = "Undo";
    form.append(button);
    line.append(" ", form);
  });
})();
