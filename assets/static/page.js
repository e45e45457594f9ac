// The page's behaviour: morphs regions of markup the server sends, hands events back, ticks ages, moves by keyboard.
// The server has escaped every text; this script never builds markup from text of its own.
(function () {
  "use strict";
  const ET = (window.ET = window.ET || {});
  const $ = (selector, root) => (root || document).querySelector(selector);
  const $$ = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  let outbox = null;
  let queue = [];
  let clock = { server: 0, local: 0, speed: 1 };
  let opener = null; // where focus goes back to when the panel closes

  // ---- regions ---------------------------------------------------------------------------------------------------
  const keyOf = (node) => (node.nodeType === 1 ? node.getAttribute("data-key") : null);
  const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);

  function morphChildren(from, to) {
    const keyed = new Map();
    for (const child of from.childNodes) if (keyOf(child)) keyed.set(keyOf(child), child);
    let at = from.firstChild;
    for (const wanted of Array.from(to.childNodes)) {
      const key = keyOf(wanted);
      let match = key ? keyed.get(key) : null;
      if (match && match.nodeName !== wanted.nodeName) match = null;
      if (!match && !key && at && alike(at, wanted)) match = at;
      if (!match) {
        from.insertBefore(wanted, at);
        continue;
      }
      if (match === at) at = at.nextSibling;
      else move(from, match, at);
      morph(match, wanted);
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  }

  function move(parent, node, before) {
    const active = document.activeElement;
    const held = node.contains(active) ? active : null;
    parent.insertBefore(node, before);
    if (held) held.focus({ preventScroll: true });
  }

  function morph(from, to) {
    if (from.nodeType !== 1) {
      if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
      return;
    }
    const flash = from.getAttribute("data-flash");
    for (const { name } of Array.from(from.attributes)) {
      if (!to.hasAttribute(name) && name !== "open") from.removeAttribute(name); // open folds stay open
    }
    for (const { name, value } of Array.from(to.attributes)) {
      if (from.getAttribute(name) !== value) from.setAttribute(name, value);
    }
    if (from.nodeName === "TEMPLATE") {
      if (from.innerHTML !== to.innerHTML) from.innerHTML = to.innerHTML;
      return;
    }
    if (from.nodeName === "INPUT") from.checked = to.hasAttribute("checked");
    morphChildren(from, to);
    if (from.nodeName === "SELECT" && document.activeElement !== from) {
      const chosen = from.querySelector("option[selected]");
      if (chosen) from.value = chosen.value;
    }
    if (flash !== null && flash !== to.getAttribute("data-flash")) shine(from);
  }

  function shine(node) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches || !node.animate) return;
    node.animate([{ backgroundColor: "rgba(79,195,247,.35)" }, { backgroundColor: "transparent" }], 400);
  }

  function show(region, html) {
    const place = $(`[data-region="${region}"]`);
    if (!place) return;
    const wanted = document.createElement("template");
    wanted.innerHTML = html;
    morphChildren(place, wanted.content);
  }

  // ---- the wire --------------------------------------------------------------------------------------------------
  ET.connect = function (out, events) {
    outbox = events;
    emit("theme", ET.shade());
    emit("hello", Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
    const waiting = queue;
    queue = [];
    waiting.forEach(([type, value]) => emit(type, value));
    document.documentElement.classList.add("connected");
    ET.beat();
  };

  ET.receive = function (data) {
    ET.beat();
    const regions = Array.from(data.region);
    const before = $(".panel").scrollTop;
    const entity = meta().entity;
    regions.forEach((region, at) => show(region, data.html[at]));
    if (regions.includes("meta")) adopt(false);
    if (meta().entity === entity) $(".panel").scrollTop = before;
    tick();
  };

  function emit(type, value) {
    if (!outbox) {
      queue.push([type, value]);
      return;
    }
    outbox.data = { event: [JSON.stringify({ type, value, n: Math.random() })] };
  }

  // ---- what the server says about the whole page -------------------------------------------------------------------
  const meta = () => $("#meta > i").dataset;

  function adopt(first) {
    const said = meta();
    clock = { server: Number(said.now), local: Date.now(), speed: Number(said.speed) || 1 };
    document.title = said.title;
    const was = document.body.dataset.shown;
    document.body.dataset.panel = said.panel;
    document.body.dataset.shown = said.entity;
    document.body.classList.toggle("stale", said.stale === "1");
    const veil = $(".veil");
    if (veil.textContent && (veil.dataset.slug === said.entity || !said.entity)) veil.textContent = "";
    choose(said);
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
      else if (opener && opener.isConnected) opener.focus({ preventScroll: true });
    }
  }

  function choose(said) {
    const frame = $("#chosen");
    frame.hidden = said.row === undefined;
    if (frame.hidden) return;
    const columns = Number(said.columns) || 1;
    const column = said.column === undefined ? null : Number(said.column);
    frame.classList.toggle("cell", column !== null);
    frame.style.top = `${Number(said.row) * 5}%`;
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

  function clearSearch() {
    $("#find").value = "";
    show("found", "");
    emit("search", "");
  }

  const acts = {
    open,
    close: () => emit("close"),
    "show-all": () => emit("show-all"),
    source: (button) => emit("source", button.dataset.value),
    "clear-hour": () => emit("hour", null),
    more: (button) => { button.setAttribute("aria-busy", "true"); emit("more"); },
    explain: (button) => explain(button.dataset.target),
    dialog: (button) => ask(button.dataset.template),
  };

  const changes = {
    colour: (input) => emit("colour", input.value),
    gate: (input) => emit(input.name, input.checked),
    domain: (input) => emit("domain", input.value),
    "set-domain": (input) => emit("set-domain", input.value),
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-act]");
    if (button) acts[button.dataset.act](button);
    for (const fold of $$("details.open-one, .source details[open]")) if (!fold.contains(event.target)) fold.open = false;
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

  document.addEventListener("keydown", (event) => {
    const typingText = event.target.matches("input:not([type=checkbox], [type=radio]), select, textarea");
    if ($("dialog[open]")) return;
    if (event.key === "Escape") return escapePressed(event);
    if (event.key === "/" && !typingText) {
      event.preventDefault();
      $("#find").focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      step(event, event.key === "ArrowDown" ? 1 : -1);
    }
  });

  function escapePressed(event) {
    if (event.target.id === "find" && event.target.value) return clearSearch();
    const pop = $(".source details[open]");
    if (pop) pop.open = false;
    else if (meta().entity) emit("close");
  }

  function step(event, by) {
    const list = event.target.closest(".rows, .search");
    if (!list) return;
    const stops = $$(list.matches(".rows") ? ".row" : "input, .found button", list);
    const next = stops[stops.indexOf(event.target) + by];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }

  // ---- start -----------------------------------------------------------------------------------------------------
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  document.cookie = `et_zone=${zone}; path=/; max-age=31536000; samesite=lax`;
  document.body.dataset.shown = meta().entity;
  adopt(true);
  tick();
  setInterval(tick, 1000);
})();
