"""Scripts for the pages: is there a map, and when did its picture change. The same rule for all: what the map paints."""

SIGNATURE = """
const roots = function* (node) {
  yield node;
  for (const one of node.querySelectorAll("*")) if (one.shadowRoot) yield* roots(one.shadowRoot);
};
const small = document.createElement("canvas");
small.width = 24; small.height = 20;
const context = small.getContext("2d", { willReadFrequently: true });
let canvas = null;
const signature = {
  desk: () => {
    if (!canvas || !canvas.isConnected) {
      const host = document.querySelector(".map");
      canvas = null;
      if (host) for (const root of roots(host)) canvas = canvas || root.querySelector("canvas");
    }
    if (!canvas || !canvas.width) return null;
    context.clearRect(0, 0, 24, 20);
    context.drawImage(canvas, 0, 0, 24, 20);
    const data = context.getImageData(0, 0, 24, 20).data;
    let sum = 0, colours = new Set();
    for (let at = 0; at < data.length; at += 4) {
      const one = data[at] * 65536 + data[at + 1] * 256 + data[at + 2];
      sum = (sum * 31 + one) % 4294967291;
      colours.add(one);
    }
    return colours.size > 20 ? String(sum) : null;
  },
  wall: () => Array.from(document.querySelectorAll(".rows .cells i"), (one) => one.className).join() || null,
  plotly: () => {
    const image = document.querySelector(".heatmaplayer image");
    return image && (image.getAttribute("xlink:href") || image.getAttribute("href"));
  },
}[kind === "desk" || kind === "wall" ? kind : "plotly"];
"""

SHOWN = (
    "(kind) => {"
    + SIGNATURE
    + """
  return signature() ? performance.timeOrigin + performance.now() : null;
}"""
)
"""Milliseconds since 1970 when a map is there, else null."""

WATCH = (
    "(kind) => {"
    + SIGNATURE
    + """
  window.benchSeen = [];
  let last = signature();
  const look = () => {
    const now = signature();
    if (now && now !== last) {
      last = now;
      const out = new MessageChannel(); // after this frame is painted
      out.port1.onmessage = () => window.benchSeen.push(performance.timeOrigin + performance.now());
      out.port2.postMessage(0);
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""
)
"""Writes the instants of changed pictures to ``benchSeen``."""
