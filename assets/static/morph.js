// Puts a region of markup in place of what the page shows, changing only what differs: focus, scroll positions, open
// folds and what somebody types stay. The server has escaped every text.
(function () {
  "use strict";
  const ET = (window.ET = window.ET || {});
  const $ = (ET.$ = (selector, root) => (root || document).querySelector(selector));
  ET.$$ = (selector, root) => Array.from((root || document).querySelectorAll(selector));

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

  // An answer to the switch before may come after this one was changed, and knows nothing of it.
  const ANSWER_MS = 1000;
  let touched = new WeakMap();
  document.addEventListener("change", (event) => touched.set(event.target, performance.now()), true);
  document.addEventListener("click", (event) => { // a button may undo the switch: what it brings counts
    if (!event.target.closest("label, input")) touched = new WeakMap();
  }, true);

  function morph(from, to) {
    if (from.nodeType !== 1) {
      if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
      return;
    }
    const flash = from.hasAttribute("data-flash") ? from.textContent : null;
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
    if (from.nodeName === "INPUT") {
      if (!(performance.now() - touched.get(from) < ANSWER_MS)) from.checked = to.hasAttribute("checked");
      if (from.type === "range" && !from.held) from.value = to.getAttribute("value"); // not under somebody's finger
    }
    morphChildren(from, to);
    if (from.nodeName === "SELECT" && document.activeElement !== from) {
      const chosen = from.querySelector("option[selected]");
      if (chosen) from.value = chosen.value;
    }
    if (flash !== null && flash !== from.textContent) shine(from);
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

  // A text made of the one before: how far on to go in it, how much to copy, what to put, and so on; see changes.py.
  ET.changed = function (old, change) {
    let text = "";
    let at = 0;
    for (let step = 1; step < change.length; step += 3) {
      const start = at + change[step];
      at = start + change[step + 1];
      text += old.slice(start, at) + change[step + 2];
    }
    if (text.length !== change[0]) throw new RangeError("a change of another text");
    return text;
  };

  ET.show = show;
  ET.shine = shine;
})();
