// The board as a picture: drawn here, from the rows and the map's own numbers, at twice the size, with title, time and
// what makes it less than live. Nothing leaves the browser.
(function () {
  "use strict";
  const ET = window.ET;
  const { $, $$ } = ET;
  const SCALE = 2;
  const WIDE = 1440;
  const PAD = 24;
  const HEAD = 84;
  const HOURS = 24;
  const FOOT = 64;
  const ROW = 30;
  const NAMES = 330;
  const NUMBERS = 230;

  const text = (selector, root) => { const found = $(selector, root); return found ? found.textContent.trim() : ""; };
  const ink = (name) => {
    const probe = document.createElement("i");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };

  function inks() {
    const names = ["page", "surface", "line", "text", "second", "faint", "accent", "warn", "gap", "hatch-line", "bad"];
    return Object.fromEntries(names.map((name) => [name, ink(`--${name}`)]));
  }

  function pen(canvas, colours) {
    const context = canvas.getContext("2d");
    const family = getComputedStyle(document.body).fontFamily;
    context.scale(SCALE, SCALE);
    context.textBaseline = "middle";
    context.fillStyle = colours.page;
    context.fillRect(0, 0, canvas.width, canvas.height);
    const write = (words, x, y, { size = 13, weight = 400, colour = colours.text, align = "left", most = 1e4 } = {}) => {
      context.font = `${weight} ${size}px ${family}`;
      context.fillStyle = colour;
      context.textAlign = align;
      let shown = words;
      while (shown.length > 1 && context.measureText(shown).width > most) shown = `${shown.replace(/…$/, "").slice(0, -1)}…`;
      context.fillText(shown, x, y);
      return context.measureText(shown).width;
    };
    return { context, write };
  }

  function hatch(context, colours, x, y, wide, high) {
    context.save();
    context.beginPath();
    context.rect(x, y, wide, high);
    context.clip();
    context.fillStyle = colours.gap;
    context.fillRect(x, y, wide, high);
    context.strokeStyle = colours["hatch-line"];
    context.beginPath();
    for (let at = x - high; at < x + wide; at += 6) { context.moveTo(at, y + high); context.lineTo(at + high, y); }
    context.stroke();
    context.restore();
  }

  function colourOf(mapper, value) {
    const last = mapper.palette.length - 1;
    const place = Math.floor(((value - mapper.low) / (mapper.high - mapper.low)) * (last + 1));
    const found = mapper.palette[Math.max(0, Math.min(last, place))];
    return typeof found === "number" ? `#${(found >>> 8).toString(16).padStart(6, "0")}` : found;
  }

  function drawHead({ write }, colours, said) {
    const colour = text(".colours input:checked + span");
    const scrubbed = document.body.hasAttribute("data-at");
    let x = PAD + write("ET Heatmap", PAD, 28, { size: 20, weight: 650 }) + 16;
    x += write(`colour: ${colour}, ${text(".tools input[name=window]:checked + span")}`, x, 28, { size: 14, colour: colours.second }) + 16;
    const marks = [];
    if (said.mode === "demo") marks.push(["DEMO: invented data", colours.warn]);
    if (said.mode === "replay") marks.push(["REPLAY: recorded data", colours.warn]);
    if (scrubbed) marks.push(["NOT LIVE", colours.warn]);
    if (said.stale === "1") marks.push(["STALE", colours.bad]);
    for (const [words, tone] of marks) x += write(words, x, 28, { size: 14, weight: 650, colour: tone }) + 16;
    const at = new Date(said.asOf);
    const local = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
    write(`As of ${local.format(at)} (${said.asOf.slice(0, 16).replace("T", " ")} UTC). ${text(".legend .about > span")}`, PAD, 56, { colour: colours.second, most: WIDE - 2 * PAD });
  }

  function drawHours({ write }, colours, left, wide) {
    const marks = $$(".hours > span");
    marks.forEach((mark, at) => {
      const words = mark.textContent;
      if (!words) return;
      const last = at === marks.length - 1;
      const x = left + ((at + (last ? 1 : 0.5)) * wide) / marks.length;
      write(words, x, HEAD + HOURS / 2, { size: 12, colour: colours.second, align: last ? "right" : "center" });
    });
  }

  function drawCells({ context }, colours, map, row, y, left, wide) {
    const each = wide / map.columns.length;
    map.columns.forEach((column, at) => {
      const cell = map.places.get(`${row.dataset.slug}\n${column}`);
      const x = left + at * each;
      const value = cell === undefined ? NaN : map.data.zvalues[cell];
      const empty = Number.isNaN(value);
      if (cell === undefined || (empty && map.data.hatch[cell] === "/")) return hatch(context, colours, x + 0.5, y + 1, each - 1, ROW - 2);
      context.fillStyle = empty ? colours.gap : colourOf(map.mapper, value);
      return context.fillRect(x + 0.5, y + 1, each - 1, ROW - 2);
    });
  }

  function drawRow(pencil, colours, map, row, y, left, wide) {
    const { write } = pencil;
    const middle = y + ROW / 2;
    write(text(".rank", row), PAD + 22, middle, { colour: colours.second, align: "right" });
    write(text(".move", row), PAD + 44, middle, { size: 11, weight: 600, colour: colours.faint, align: "center" });
    const kind = text(".kind", row);
    write(kind, PAD + NAMES - 12, middle, { size: 12, colour: colours.faint, align: "right" });
    write(row.dataset.name, PAD + 64, middle, { size: 14, weight: 550, most: NAMES - 64 - 24 - kind.length * 7 });
    drawCells(pencil, colours, map, row, y, left, wide);
    const right = left + wide;
    write(text(".heat", row), right + 70, middle, { size: 14, weight: 650, align: "right" });
    write(text(".sigma", row), right + 140, middle, { colour: colours.second, align: "right" });
    const on = $$(".letters .on", row).map((letter) => letter.textContent).join(" ");
    write(on, right + NUMBERS - 12, middle, { size: 12, weight: 600, align: "right" });
  }

  function drawFoot({ context, write }, colours, map, y) {
    const ticks = $$(".legend svg text");
    write(text(".legend .scale-name"), PAD, y + 20, { weight: 550 });
    const left = PAD + 130;
    const steps = 120;
    for (let at = 0; at < steps; at++) {
      context.fillStyle = colourOf(map.mapper, map.mapper.low + ((at + 0.5) / steps) * (map.mapper.high - map.mapper.low));
      context.fillRect(left + at * 2, y + 10, 2.5, 10);
    }
    ticks.forEach((tick) => {
      const align = { start: "left", end: "right" }[tick.getAttribute("text-anchor")] || "center";
      write(tick.textContent, left + Number(tick.getAttribute("x")), y + 32, { size: 11, colour: colours.second, align });
    });
    hatch(context, colours, left + 280, y + 14, 20, 12);
    write("no data: nobody looked", left + 308, y + 20, { size: 12, colour: colours.second });
    write("HEAT, velocity (σ), platforms (R Reddit, T Trends, K TikTok) are those of the newest poll shown", WIDE - PAD, y + 20, { size: 12, colour: colours.second, align: "right" });
  }

  ET.picture = function () {
    const map = ET.mapData();
    const rows = $$(".rows .row");
    const said = ET.meta();
    if (!map || !said.asOf) return null;
    map.places = new Map(Array.from(map.data.row).map((row, at) => [`${row}\n${map.data.hour[at]}`, at]));
    const canvas = document.createElement("canvas");
    const high = HEAD + HOURS + Math.max(1, rows.length) * ROW + FOOT;
    canvas.width = WIDE * SCALE;
    canvas.height = high * SCALE;
    const colours = inks();
    const pencil = pen(canvas, colours);
    const left = PAD + NAMES;
    const wide = WIDE - 2 * PAD - NAMES - NUMBERS;
    drawHead(pencil, colours, said);
    drawHours(pencil, colours, left, wide);
    pencil.write("HEAT", left + wide + 70, HEAD + HOURS / 2, { size: 12, colour: colours.second, align: "right" });
    pencil.write("Velocity", left + wide + 140, HEAD + HOURS / 2, { size: 12, colour: colours.second, align: "right" });
    pencil.write("Seen on", left + wide + NUMBERS - 12, HEAD + HOURS / 2, { size: 12, colour: colours.second, align: "right" });
    rows.forEach((row, at) => drawRow(pencil, colours, map, row, HEAD + HOURS + at * ROW, left, wide));
    if (!rows.length) pencil.write(text(".notice strong"), PAD, HEAD + HOURS + ROW / 2, { weight: 600 });
    drawFoot(pencil, colours, map, HEAD + HOURS + Math.max(1, rows.length) * ROW + 4);
    return canvas;
  };

  ET.acts.picture = (button) => {
    const menu = button.closest("details");
    if (menu) menu.open = false;
    const canvas = ET.picture();
    if (!canvas) return;
    canvas.toBlob((blob) => {
      const link = document.createElement("a");
      const stamp = ET.meta().asOf.slice(0, 16).replace(/[-:]/g, "");
      link.href = URL.createObjectURL(blob);
      link.download = `et-heatmap-${stamp}Z.png`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    }, "image/png");
  };
})();
