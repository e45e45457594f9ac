// The keyboard: a visible selection over the rows and hours of the map, the search's list, and single keys. Single keys
// never act while somebody types in a field, and nothing acts while a modal dialog is open.
(function () {
  "use strict";
  const ET = window.ET;
  const { $, $$ } = ET;
  const PAGE = 10;
  const ROW_STEPS = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE, PageUp: -PAGE };
  const TIME_STEPS = {
    "[": { polls: -1 }, ",": { polls: -1 }, "]": { polls: 1 }, ".": { polls: 1 },
    "{": { hours: -1 }, "<": { hours: -1 }, "}": { hours: 1 }, ">": { hours: 1 },
  };
  const SHIFTED = { BracketLeft: { hours: -1 }, Comma: { hours: -1 }, BracketRight: { hours: 1 }, Period: { hours: 1 } };
  let column = null; // the selected hour; null is the whole row
  let before = null; // where the focus was when a key led to the search

  // ---- the selection over the map ----------------------------------------------------------------------------------
  const rows = () => $$(".rows .row");
  const focused = () => (document.activeElement ? document.activeElement.closest(".rows .row") : null);

  function cell(slug, place) {
    const map = ET.mapData();
    if (!map || place === null) return null;
    const wanted = map.columns[place];
    const at = Array.from(map.data.row).findIndex((row, at) => row === slug && map.data.hour[at] === wanted);
    return at < 0 ? null : { at, data: map.data };
  }

  function words(found) {
    if (!found) return "";
    const { at, data } = found;
    return data.note[at] ? `${data.when[at]}: ${data.note[at]}`
      : `${data.when[at]}: HEAT ${data.heat[at]}, velocity ${data.velocity[at]}, spread ${data.spread[at]}, affect ${data.affect[at]}`;
  }

  function drawCursor() {
    const frame = $("#cursor");
    const row = focused();
    const shown = row !== null && row.matches(":focus-visible");
    frame.hidden = !shown;
    if (!shown) return;
    const columns = Number(ET.meta().columns) || 1;
    if (column !== null) column = Math.min(column, columns - 1);
    const high = 100 / (Number(ET.meta().places) || 20);
    frame.style.top = `${rows().indexOf(row) * high}%`;
    frame.style.height = `${high}%`;
    frame.style.left = column === null ? "0" : `${(column * 100) / columns}%`;
    frame.style.width = column === null ? "100%" : `${100 / columns}%`;
    frame.classList.toggle("cell", column !== null);
    frame.classList.toggle("right", column !== null && column > columns / 2);
    frame.classList.toggle("low", rows().indexOf(row) > 1);
    const text = words(cell(row.dataset.slug, column));
    if (frame.firstElementChild.textContent !== text) frame.firstElementChild.textContent = text;
  }

  function moveRow(event, row) {
    const all = rows();
    if (!all.length) return;
    const at = row ? all.indexOf(row) : -1;
    const start = Math.max(0, all.findIndex((each) => each.getAttribute("aria-current")));
    const to = event.key === "Home" ? 0 : event.key === "End" ? all.length - 1 : row ? at + ROW_STEPS[event.key] : start;
    event.preventDefault();
    all[Math.max(0, Math.min(all.length - 1, to))].focus();
    drawCursor();
  }

  function moveHour(event, row) {
    const columns = Number(ET.meta().columns) || 1;
    const by = event.key === "ArrowLeft" ? -1 : 1;
    event.preventDefault();
    if (column === null) column = by < 0 ? columns - 1 : 0;
    else column = column + by;
    if (column < 0 || column >= columns) column = null;
    drawCursor();
    if (row.dataset.slug === ET.meta().entity) openCell(row);
  }

  function openCell(row) {
    const found = cell(row.dataset.slug, column);
    ET.emit("cell", [row.dataset.slug, found ? found.data.best[found.at] : null]);
  }

  // A row under the keyboard keeps it through a live update; where the row has left the board, the one now there gets it.
  ET.holdFocus = function () {
    const row = focused();
    if (!row) return () => {};
    const place = rows().indexOf(row);
    return () => {
      const all = rows();
      if (!row.isConnected && all.length) all[Math.min(place, all.length - 1)].focus({ preventScroll: true });
      drawCursor();
    };
  };

  document.addEventListener("focusin", (event) => {
    if (!event.target.closest || !event.target.closest(".rows")) column = null;
    drawCursor();
  });
  document.addEventListener("focusout", () => setTimeout(drawCursor));
  ET.onReceive.push(drawCursor);

  // ---- keys --------------------------------------------------------------------------------------------------------
  const types = (node) => node.matches("input:not([type=checkbox], [type=radio], [type=range]), select, textarea, [contenteditable]");

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || $("dialog:modal")) return;
    if ((event.ctrlKey || event.metaKey || event.altKey) && !event.getModifierState("AltGraph")) return;
    if (event.key === "Escape") return escapePressed(event);
    if (event.target.closest(".search")) return searchKey(event);
    if (types(event.target)) return;
    const row = focused();
    if (row || event.target === document.body) boardKey(event, row);
    if (!event.defaultPrevented) singleKey(event);
  });

  function boardKey(event, row) {
    if (event.key in ROW_STEPS || (row && (event.key === "Home" || event.key === "End"))) moveRow(event, row);
    else if (row && (event.key === "ArrowLeft" || event.key === "ArrowRight")) moveHour(event, row);
    else if (row && event.key === "Enter" && column !== null) {
      event.preventDefault();
      ET.acts.opener(row);
      openCell(row);
    }
  }

  function singleKey(event) {
    const step = TIME_STEPS[event.key] || (event.shiftKey && SHIFTED[event.code]);
    if (event.key === "/") {
      before = document.activeElement;
      $("#find").focus();
    }
    else if (event.key === "?") ET.acts.help();
    else if (event.key === "l" || event.key === "L") ET.emit("live");
    else if (step) ET.emit("step", step);
    else return;
    event.preventDefault();
  }

  function searchKey(event) {
    const stops = $$("input, .found [data-act=open]", event.target.closest(".search"));
    const at = stops.indexOf(event.target);
    if (event.key === "Enter" && at === 0 && stops[1]) {
      event.preventDefault();
      stops[1].click();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const next = stops[at + (event.key === "ArrowDown" ? 1 : -1)];
      event.preventDefault();
      if (next) next.focus();
    }
  }

  function escapePressed(event) {
    const help = $("#help[open]");
    if (help) return help.close();
    if (event.target.closest(".search")) {
      const held = event.target.id !== "find" || event.target.value;
      ET.clearSearch();
      if (held) return $("#find").focus();
      $("#find").blur();
      if (before && before.isConnected) before.focus({ preventScroll: true });
      before = null;
      return undefined;
    }
    const pop = $(".source details[open], details.menu[open]");
    if (pop) {
      pop.open = false;
      return pop.firstElementChild.focus();
    }
    if (ET.closeScrub()) return undefined;
    if (ET.meta().entity) ET.emit("close");
    return undefined;
  }
})();
