// The map: the page's region of cells as the columns of the figure's data, with the texts of its hover. Others ask it:
// ET.mapData (what is drawn), ET.drawMap (draw what the region says), ET.tapped (a place in the figure).
(function () {
  "use strict";
  const ET = window.ET;
  const { $, $$ } = ET;
  const ROWS = 20; // a board of fewer names keeps their height
  const WIDE_COLUMNS = 30; // up to so many columns cells stand two pixels apart, else one
  const NOBODY = "no data: no source was watched in this hour";
  const NOT_SCORED = "no score: not known yet, or too little was said";

  const told = JSON.parse($("#figure").textContent);
  let drawn = null; // Bokeh's document of the figure
  const model = (name) => drawn && drawn.get_model_by_name(`heatmap-${name}`);
  const words = (text) => (text ? text.split(" ") : []);
  const minus = (text) => text.replace("-", "−");
  const measures = {
    heat: { value: (n) => n / 100, text: (n) => minus((n / 100).toFixed(2)) },
    velocity: {
      value: (n) => n / 100,
      text: (n) => { const tenths = Math.floor((n + 5) / 10); return `${tenths < 0 ? "−" : "+"}${(Math.abs(tenths) / 10).toFixed(1)}σ`; },
    },
    spread: { value: (n) => n, text: (n) => `${n} of 3` },
    affect: { value: (n) => n / 100, text: (n) => minus((n / 100).toFixed(2)) },
  };

  // ---- what the region says ----------------------------------------------------------------------------------------
  function read() {
    const place = $('[data-region="cells"]');
    const head = place.firstElementChild.dataset;
    const hours = words(head.hours);
    const starts = head.starts ? words(head.starts).map(Number) : hours.map((_hour, at) => at);
    const rows = $$("i", place).map(({ dataset }) => ({
      slug: dataset.key, name: dataset.name, best: dataset.best ? words(dataset.best).map(Number) : starts,
      ...Object.fromEntries(Object.keys(measures).map((name) => [name, words(dataset[name])])),
    }));
    return { hours, when: head.when.split("|"), columns: starts.map((at) => hours[at]), looked: head.looked, rows };
  }

  // Column by column, oldest first, in each the rows in rank order.
  function flat(said, colour) {
    const count = said.columns.length * said.rows.length;
    const made = { zvalues: new Float64Array(count) };
    for (const name of ["hour", "best", "row", "hatch", "name", "when", "note", ...Object.keys(measures)]) made[name] = new Array(count);
    let at = 0;
    said.columns.forEach((start, column) => {
      for (const row of said.rows) cell(made, at++, said, row, column, start, colour);
    });
    return made;
  }

  function cell(made, at, said, row, column, start, colour) {
    const chosen = row[colour][column];
    const gap = chosen === "x";
    const looked = said.looked[column] === "1";
    made.hour[at] = start;
    made.best[at] = said.hours[row.best[column]];
    made.row[at] = row.slug;
    made.name[at] = row.name;
    made.when[at] = said.when[row.best[column]];
    made.zvalues[at] = gap ? NaN : measures[colour].value(Number(chosen));
    made.hatch[at] = gap && !looked ? "/" : " ";
    made.note[at] = gap ? (looked ? NOT_SCORED : NOBODY) : "";
    for (const [name, measure] of Object.entries(measures)) {
      made[name][at] = row[name][column] === "x" ? "–" : measure.text(Number(row[name][column]));
    }
  }

  // ---- into the figure ---------------------------------------------------------------------------------------------
  const same = (some, others) => some.length === others.length && some.every((one, at) => one === others[at]);

  // Each part of the figure with its properties as they are to be now.
  function parts() {
    const said = read();
    const slugs = said.rows.map((row) => row.slug);
    for (let place = slugs.length; place < ROWS; place++) slugs.push(` ${place}`);
    slugs.reverse(); // Bokeh counts categories upwards
    const wide = said.columns.length <= WIDE_COLUMNS ? 2 : 1;
    return {
      ...colours(),
      x_range: { factors: said.columns },
      y_range: { factors: slugs },
      cds: { data: flat(said, ET.meta().colour) },
    };

    function colours() {
      const shade = ET.shade();
      const ink = told.inks[shade];
      const scale = told.scales[ET.meta().colour];
      const line = { line_color: { value: ink.surface }, line_width: { value: wide } };
      return {
        color_mapper: { palette: palette(scale[shade]), low: scale.low, high: scale.high, nan_color: ink.gap },
        glyph: line,
        gaps: { ...line, hatch_color: { value: ink.hatch } },
      };
    }
  }

  const palettes = {};
  const palette = (at) => (palettes[at] ||= told.palettes[at].match(/.{6}/g).map((one) => `#${one}`));

  function alike(one, other) {
    if (one === other) return true;
    if (!one || !other || typeof one !== "object" || typeof other !== "object") return false;
    return Array.isArray(one) ? same(one, other) : one.value === other.value;
  }

  ET.drawMap = function () {
    if (!drawn) return;
    for (const [name, wanted] of Object.entries(parts())) {
      const one = model(name);
      const changed = Object.entries(wanted).filter(([key, value]) => key === "data" || !alike(one[key], value));
      if (changed.length) one.setv(Object.fromEntries(changed));
    }
  };

  // The first picture: the figure is filled before Bokeh sees it, so it is drawn once.
  function fill(item) {
    const wanted = Object.entries(parts());
    const look = (node) => {
      if (!node || typeof node !== "object") return;
      const own = node.attributes && wanted.find(([name]) => node.attributes.name === `heatmap-${name}`);
      if (own) Object.assign(node.attributes, own[1]);
      for (const [key, inner] of Object.entries(node)) if (key !== "data") look(inner);
    };
    look(item.doc);
    return item;
  }

  ET.drawn = new Promise((done) => {
    document.addEventListener("DOMContentLoaded", () => {
      Bokeh.embed.embed_item(fill(told.item), "heat").then((views) => {
        drawn = views.roots[0].model.document;
        ET.drawMap(); // what was said meanwhile
      }).finally(done);
    });
  });

  let colour = null;
  ET.onAdopt.push((said, first) => {
    if (!first && colour !== said.colour) ET.drawMap();
    colour = said.colour;
  });
  ET.onReceive.push((regions) => { if (regions.includes("cells")) ET.drawMap(); });
  document.addEventListener("et-theme", () => ET.drawMap());

  // The parts others follow, once there is a figure.
  ET.figure = () => drawn && { source: model("cds"), mapper: model("color_mapper") };

  // What the map draws: its column names, oldest first, and the flat columns of its cells.
  ET.mapData = function () {
    const [cells, range, mapper] = ["cds", "x_range", "color_mapper"].map(model);
    return cells && range && mapper ? { columns: Array.from(range.factors), data: cells.data, mapper } : null;
  };

  // A tap, in the figure's coordinates: the middle of a category is its place and a half.
  ET.tapped = function (x, y) {
    const [cds, across, down] = ["cds", "x_range", "y_range"].map(model);
    const hour = across.factors[Math.floor(x)];
    const slug = down.factors[Math.floor(y)];
    const at = cds.data.row.findIndex((row, place) => row === slug && cds.data.hour[place] === hour);
    if (at >= 0) ET.emit("cell", [slug, cds.data.best[at]]);
  };
})();
