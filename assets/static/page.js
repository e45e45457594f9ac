// The page's behaviour: the wire to the server, what it says about the whole page, ages, and what the visitor clicks.
// This script never builds markup from text of its own. Others add to it: ET.acts (clicks on [data-act]), ET.changes
// (changes of [data-on]), ET.onAdopt (functions of what the server says about the page), ET.onReceive.
(function () {
  "use strict";
  const ET = (window.ET = window.ET || {});
  const { $, $$, show, shine } = ET;
  let outbox = null;
  let queue = [];
  const texts = {}; // the regions as they came
  let clock = { server: 0, local: 0, speed: 1 };
  let opener = null; // where focus goes back to when the panel closes
  ET.onAdopt = [];
  ET.onReceive = [];

  // ---- the wire --------------------------------------------------------------------------------------------------
  ET.connect = function (events) {
    outbox = events;
    emit("theme", ET.shade());
    emit("hello", Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
    const waiting = queue;
    queue = [];
    waiting.forEach(([type, value]) => emit(type, value));
    ET.beat();
    ET.drawn.then(() => document.documentElement.classList.add("connected"));
  };

  // A region comes whole, or as a change of the text it had last.
  ET.receive = function (message) {
    ET.beat();
    const said = JSON.parse(message);
    const regions = Object.keys(said);
    const before = $(".panel").scrollTop;
    const entity = meta().entity;
    const keep = ET.holdFocus();
    try {
      for (const region of regions) texts[region] = typeof said[region] === "string" ? said[region] : ET.changed(texts[region], said[region]);
    } catch {
      return emit("regions-again");
    }
    regions.forEach((region) => show(region, texts[region]));
    if (regions.includes("meta")) adopt(false);
    if (meta().entity === entity) $(".panel").scrollTop = before;
    keep();
    ET.onReceive.forEach((follow) => follow(regions));
    return tick();
  };

  ET.emit = emit;
  function emit(type, value) {
    if (!outbox) {
      queue.push([type, value]);
      return;
    }
    outbox.data = { event: [JSON.stringify({ type, value, n: Math.random() })] };
  }

  // ---- what the server says about the whole page -------------------------------------------------------------------
  const meta = (ET.meta = () => $("#meta > i").dataset);

  function adopt(first) {
    const said = meta();
    clock = { server: Number(said.now), local: Date.now(), speed: said.speed === undefined ? 1 : Number(said.speed) };
    document.title = said.title;
    const was = document.body.dataset.shown;
    document.body.dataset.panel = said.panel;
    document.body.dataset.shown = said.entity;
    document.body.classList.toggle("stale", said.stale === "1");
    const veil = $(".veil");
    if (veil.textContent && (veil.dataset.slug === said.entity || !said.entity)) veil.textContent = "";
    choose(said);
    ET.onAdopt.forEach((follow) => follow(said, first));
    if (first) {
      history.replaceState(null, "", location.pathname + said.query);
      return;
    }
    if (said.query !== location.search) {
      const way = was !== said.entity ? "pushState" : "replaceState";
      history[way](null, "", location.pathname + said.query);
    }
    if (was !== said.entity) {
      $(".panel").scrollTop = 0;
      if (said.entity) $(".panel").focus({ preventScroll: true });
      else giveBack(was);
    }
  }

  // What had the focus has it again; where that is gone (a search's answer), the row of the name that was closed.
  function giveBack(slug) {
    const at = document.activeElement;
    const free = !at || at === document.body || at.closest(".panel");
    const row = $$(".rows .row").find((each) => each.dataset.slug === slug);
    const target = opener && opener.isConnected ? opener : free ? row : null;
    if (target) target.focus({ preventScroll: true });
  }

  function choose(said) {
    const frame = $("#chosen");
    frame.hidden = said.row === undefined;
    if (frame.hidden) return;
    const columns = Number(said.columns) || 1;
    const column = said.column === undefined ? null : Number(said.column);
    frame.classList.toggle("cell", column !== null);
    const places = Number(said.places) || 20;
    frame.style.top = `${(Number(said.row) * 100) / places}%`;
    frame.style.height = `${100 / places}%`;
    frame.style.left = column === null ? "0" : `${(column * 100) / columns}%`;
    frame.style.width = column === null ? "100%" : `${100 / columns}%`;
  }

  // ---- ages ------------------------------------------------------------------------------------------------------
  function span(seconds) {
    const s = Math.max(0, Math.floor(seconds));
    if (s < 60) return `${s} s`;
    const minutes = Math.floor(s / 60);
    if (minutes < 60) return `${minutes} min`;
    const hours = Math.floor(minutes / 60);
    const rest = minutes % 60;
    if (hours < 48) return rest && hours < 12 ? `${hours} h ${rest} min` : `${hours} h`;
    return `${Math.floor(hours / 24)} days`;
  }

  function tick() {
    const now = clock.server + (Date.now() - clock.local) * clock.speed;
    for (const node of $$("[data-since]")) {
      const text = span((now - Number(node.dataset.since)) / 1000);
      if (node.textContent !== text) node.textContent = text;
    }
  }

  // ---- what the visitor does ---------------------------------------------------------------------------------------
  function open(button) {
    opener = button;
    const veil = $(".veil");
    veil.dataset.slug = button.dataset.slug;
    if (button.dataset.slug !== meta().entity) {
      veil.textContent = `Opening ${button.dataset.name || "…"}`;
      setTimeout(() => { veil.textContent = ""; }, 8000);
    }
    if (button.closest(".found")) clearSearch();
    emit("open", button.dataset.slug);
  }

  function explain(id) {
    const target = document.getElementById(id);
    if (!target) return;
    if (target.nodeName === "DETAILS") target.open = true;
    const first = target.nodeName === "DETAILS" ? target.querySelector("summary") : target;
    first.focus({ preventScroll: true });
    target.scrollIntoView({ block: "nearest" });
    shine(target);
  }

  // A form is a copy: what the panel shows may change under it, what somebody types does not.
  function ask(template) {
    const box = $("#act");
    box.replaceChildren(document.getElementById(template).content.cloneNode(true));
    box.showModal();
    $$("textarea[name=text]", box).forEach((area) => area.addEventListener("input", () => measure(area)));
  }

  function measure(area) {
    const line = area.value.trim();
    const words = line ? line.split(/\s+/).length : 0;
    area.labels[0].firstChild.nodeValue = area.labels[0].firstChild.nodeValue.replace(/,.*$/, "") + `, ${line.length} characters, ${words} words`;
  }

  ET.clearSearch = clearSearch;
  function clearSearch() {
    $("#find").value = "";
    show("found", "");
    emit("search", "");
  }

  ET.open = open;
  const acts = (ET.acts = {
    open,
    close: () => emit("close"),
    "show-all": () => emit("show-all"),
    opener: (button) => { opener = button; },
    source: (button) => emit("source", button.dataset.value),
    "clear-hour": () => emit("hour", null),
    more: (button) => { button.setAttribute("aria-busy", "true"); emit("more"); },
    explain: (button) => explain(button.dataset.target),
    dialog: (button) => ask(button.dataset.template),
  });

  const changes = (ET.changes = {
    colour: (input) => emit("colour", input.value),
    gate: (input) => emit(input.name, input.checked),
    domain: (input) => emit("domain", input.value),
    "set-domain": (input) => emit("set-domain", input.value),
    number: (input) => emit(input.name, Number(input.value)),
    platforms: (input) => emit("platforms", $$("input[name=platform]:checked", input.closest("fieldset")).map((box) => box.value)),
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-act]");
    if (button && acts[button.dataset.act]) acts[button.dataset.act](button);
    for (const fold of $$("details.menu[open], .source details[open]")) if (!fold.contains(event.target)) fold.open = false;
  });
  document.addEventListener("change", (event) => {
    const change = changes[event.target.dataset.on];
    if (change) change(event.target);
  });
  let typing = 0;
  document.addEventListener("input", (event) => {
    if (event.target.id !== "find") return;
    clearTimeout(typing);
    typing = setTimeout(() => emit("search", event.target.value), 150);
  });
  document.addEventListener("et-theme", (event) => emit("theme", event.detail));
  window.addEventListener("popstate", () => emit("navigate", location.search));

  // ---- start -----------------------------------------------------------------------------------------------------
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  document.cookie = `et_zone=${zone}; path=/; max-age=31536000; samesite=lax`;
  document.body.dataset.shown = meta().entity;
  document.addEventListener("DOMContentLoaded", () => { adopt(true); tick(); });
  setInterval(tick, 1000);
})();
