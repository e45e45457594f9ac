// Two other forms of the heatmap, made in the browser from the figure's own data, so they cost the wire nothing:
// a strip of hours in each row of the phone's list, and a table of numbers for whoever cannot use the picture.
(function () {
  "use strict";
  const ET = window.ET;
  const phone = matchMedia("(max-width: 899px)");
  const rows = document.querySelector('[data-region="rows"]');
  const button = document.getElementById("show-table");
  const place = document.getElementById("map-table");
  const board = document.querySelector(".board");
  let figure = null; // { source, mapper }
  let waiting = false;

  const later = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  };

  function draw() {
    if (!figure) return;
    if (phone.matches) strips(read());
    if (!place.hidden) table(read());
  }

  // The figure's flat columns as rows by slug, each with its hours in order.
  function read() {
    const data = figure.source.data;
    const hours = new Map();
    const found = new Map();
    for (let at = 0; at < data.row.length; at++) {
      if (!hours.has(data.hour[at])) hours.set(data.hour[at], data.when[at]);
      if (!found.has(data.row[at])) found.set(data.row[at], { name: data.name[at], at: [] });
      found.get(data.row[at]).at.push(at);
    }
    return { data, hours, rows: found };
  }

  function strips(view) {
    const { palette, low, high } = figure.mapper;
    const colour = (value) => {
      const step = Math.floor(((value - low) / (high - low)) * palette.length);
      return palette[Math.min(palette.length - 1, Math.max(0, step))];
    };
    for (const gap of rows.querySelectorAll(".map-gap")) {
      const row = view.rows.get(gap.closest("[data-slug]").dataset.slug);
      if (!row) continue;
      const canvas = gap.querySelector("canvas") || gap.appendChild(document.createElement("canvas"));
      canvas.className = "strip-24";
      canvas.width = row.at.length * 4;
      canvas.height = 1;
      const pen = canvas.getContext("2d");
      row.at.forEach((at, hour) => {
        const value = view.data.zvalues[at];
        if (Number.isNaN(value) || value === null) return; // the hatch behind it stands for "nobody looked"
        pen.fillStyle = colour(value);
        pen.fillRect(hour * 4, 0, 4, 1);
      });
    }
  }

  // ---- the table ----------------------------------------------------------------------------------------------------
  const say = (cell, text) => { if (cell.textContent !== text) cell.textContent = text; };

  function fit(parent, count, make) {
    while (parent.children.length > count) parent.lastElementChild.remove();
    while (parent.children.length < count) parent.append(make());
    return parent.children;
  }

  const cell = (name, scope) => () => {
    const made = document.createElement(name);
    if (scope) made.scope = scope;
    return made;
  };

  const NOW = [".name", ".heat", ".sigma"]; // of the row beside the map

  function line() {
    const made = document.createElement("tr");
    made.append(cell("th", "row")());
    const open = made.firstElementChild.appendChild(document.createElement("button"));
    open.type = "button";
    open.className = "link";
    open.dataset.act = "open";
    open.dir = "auto";
    return made;
  }

  function fill(made, slug, row, texts) {
    const cells = fit(made, row.at.length + NOW.length, cell("td"));
    const open = cells[0].firstElementChild;
    open.dataset.slug = slug;
    open.dataset.name = row.name;
    say(open, row.name);
    const beside = [...rows.querySelectorAll(".row")].find((one) => one.dataset.slug === slug);
    NOW.slice(1).forEach((part, at) => say(cells[at + 1], beside ? beside.querySelector(part).textContent : "–"));
    [...row.at].reverse().forEach((from, at) => say(cells[at + NOW.length], texts[from]));
  }

  function table(view) {
    const chosen = document.querySelector("input[name=colour]:checked");
    const column = (chosen && chosen.value) || "heat";
    const words = chosen ? chosen.closest("label").textContent.trim() : "HEAT";
    const texts = view.data[column];
    say(place.querySelector("caption"), `${words} by name and hour, highest HEAT first, newest hour first. A dash: nobody looked in that hour.`);
    const heads = fit(place.querySelector("thead tr"), view.hours.size + NOW.length, cell("th", "col"));
    const hours = [...view.hours.values()].reverse().map((when) => when.split("–")[0]);
    const then = window.ET.meta().at ? "then" : "now";
    ["Name", `HEAT ${then}`, `Velocity ${then}`, ...hours].forEach((text, at) => say(heads[at], text));
    const lines = fit(place.querySelector("tbody"), view.rows.size, line);
    [...view.rows].forEach(([slug, row], at) => fill(lines[at], slug, row, texts));
  }

  function turn(on) {
    place.hidden = !on;
    button.textContent = on ? "Show as map" : "Show as table";
    board.classList.toggle("as-table", on);
    try { sessionStorage.setItem("et_table", on ? "1" : ""); } catch { /* private mode: not kept */ }
    draw();
  }

  // ---- start --------------------------------------------------------------------------------------------------------
  // Bokeh makes its canvas a stop of the Tab key, where nothing can be done: rows and table are the keyboard's way in.
  function unstop(root) {
    for (const one of root.querySelectorAll("*")) {
      if (one.tabIndex >= 0 && one.classList.contains("bk-events")) one.tabIndex = -1;
      if (one.shadowRoot) unstop(one.shadowRoot);
    }
  }

  function adopt() {
    unstop(document.querySelector(".map"));
    figure = ET.figure();
    if (!figure) return;
    figure.source.properties.data.change.connect(later);
    figure.mapper.change.connect(later);
    let kept = "";
    try { kept = sessionStorage.getItem("et_table"); } catch { /* as above */ }
    if (kept) turn(true);
    else later();
  }

  new MutationObserver((changes) => {
    if (changes.some((one) => !one.target.matches(".map-gap") || one.removedNodes.length)) later();
  }).observe(rows, { childList: true, subtree: true });
  new MutationObserver((_changes, observer) => {
    if (!document.documentElement.classList.contains("connected")) return;
    observer.disconnect();
    adopt();
  }).observe(document.documentElement, { attributeFilter: ["class"] });
  phone.addEventListener("change", later);
  button.addEventListener("click", () => turn(place.hidden));

  // The list keeps its place while one name has the screen.
  let kept = 0;
  let shown = document.body.dataset.panel;
  new MutationObserver(() => {
    const panel = document.body.dataset.panel;
    if (!phone.matches || panel === shown) { shown = panel; return; }
    shown = panel;
    window.scrollTo(0, panel === "entity" ? 0 : kept);
  }).observe(document.body, { attributeFilter: ["data-panel"] });
  window.addEventListener("scroll", () => { if (document.body.dataset.panel !== "entity") kept = window.scrollY; }, { passive: true });
})();
