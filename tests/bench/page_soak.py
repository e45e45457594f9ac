"""Twenty thousand updates with one desk page and one wall page open: do the browser's heap and the server's memory stay?

``python -m tests.bench.page_soak [--updates 20000] [--json FILE]``. A day of a board that changes each 5 s is 17,280
updates. Each is published when both pages show the one before, so the run is as fast as the pages are; neither is
loaded anew. The pages are small and without motion, which halves the work. Every 500 updates both heaps are
collected and measured (``Performance.getMetrics``), with DOM nodes and listeners and the server's resident memory. The
first fifth is warm-up.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGS = ["--no-sandbox", "--disable-gpu"]
WARM_UP = 0.2
ENOUGH = 5000
"""From so many updates on a line that rises is said to."""
FLAT = 0.05
"""Flat: the line through the samples after the warm-up rises less than this share of its level over 20,000 updates."""

FOLLOW = """async ([step, seconds]) => {
  const end = performance.now() + seconds * 1000;
  const shown = () => document.querySelector("#meta > i").dataset.asOf;
  if (window.etSoakWas === undefined) window.etSoakWas = null;
  while (shown() === window.etSoakWas) {
    if (performance.now() > end) throw new Error(`update ${step} did not come`);
    await new Promise((done) => setTimeout(done, 4));
  }
  window.etSoakWas = shown();
}"""
"""Waits until the desk shows another board than at the last call."""

LOOK = """async ([step, seconds]) => {
  const end = performance.now() + seconds * 1000;
  while (!window.ETWall.state || window.ETWall.state.as_of === window.etSoakWas) {
    if (performance.now() > end) throw new Error(`update ${step} did not come`);
    await window.ETWall.look();
    await new Promise((done) => setTimeout(done, 4));
  }
  window.etSoakWas = window.ETWall.state.as_of;
}"""
"""Lets the wall look at once (its own timer would wait seconds) until it shows another board."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look; memory in MiB."""

    updates: int
    seconds: float
    desk_heap: float
    desk_nodes: int
    desk_listeners: int
    wall_heap: float
    wall_nodes: int
    wall_listeners: int
    server: float


MEASURES = ("desk_heap", "wall_heap", "server", "desk_nodes", "wall_nodes", "desk_listeners", "wall_listeners")


def growth(samples: Sequence[Sample], measure: str, per: int = 20_000) -> tuple[float, float]:
    """(level, growth over ``per`` updates) of the least-squares line through the samples after the warm-up."""
    kept = samples[round(len(samples) * WARM_UP) :]
    places, values = [one.updates for one in kept], [float(getattr(one, measure)) for one in kept]
    slope, _ = statistics.linear_regression(places, values)
    return statistics.fmean(values), slope * per


def verdict(samples: Sequence[Sample], measure: str) -> str:
    """The line's rise in words."""
    level, rise = growth(samples, measure)
    word = "flat" if rise <= FLAT * level else "GROWS" if samples[-1].updates >= ENOUGH else "too few updates to tell"
    return f"{measure}: level {level:.1f}, {rise:+.2f} in 20,000 updates ({rise / level:+.1%}): {word}"


def table(samples: Sequence[Sample]) -> str:
    """The samples as a markdown table."""
    head = "| updates | min | desk heap MiB | desk nodes | wall heap MiB | wall nodes | server RSS MiB |"
    lines = [
        f"| {one.updates:,} | {one.seconds / 60:.1f} | {one.desk_heap:.2f} | {one.desk_nodes} | {one.wall_heap:.2f} "
        f"| {one.wall_nodes} | {one.server:.1f} |"
        for one in samples
    ]
    return "\n".join([head, "|---:" * 7 + "|", *lines])


class Soak:
    """A server, a desk, a wall."""

    def __init__(self, server: subprocess.Popen[str], desk: Page, wall: Page) -> None:
        self.server, self.desk, self.wall = server, desk, wall
        self._memory = psutil.Process(server.pid)
        self._desk, self._wall = self._tools(desk), self._tools(wall)
        self._began = time.monotonic()

    @staticmethod
    def _tools(page: Page) -> CDPSession:
        tools = page.context.new_cdp_session(page)
        for name in ("Performance.enable", "HeapProfiler.enable"):
            tools.send(name)
        return tools

    def update(self, step: int) -> None:
        """Publish a board and wait until both pages show it. Raises playwright's ``Error`` after 30 s."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write("\n")
        self.server.stdin.flush()
        self.server.stdout.readline()
        self.desk.evaluate(FOLLOW, [step, 30])
        self.wall.evaluate(LOOK, [step, 30])

    def sample(self, updates: int) -> Sample:
        """Collect, then measure."""
        desk, wall = self._measured(self._desk), self._measured(self._wall)
        return Sample(
            updates, time.monotonic() - self._began, *desk, *wall, self._memory.memory_info().rss / 2**20
        )  # fmt: skip

    @staticmethod
    def _measured(tools: CDPSession) -> tuple[float, int, int]:
        for _ in range(2):
            tools.send("HeapProfiler.collectGarbage")
        found: dict[str, Any] = {one["name"]: one["value"] for one in tools.send("Performance.getMetrics")["metrics"]}
        return found["JSHeapUsedSize"] / 2**20, int(found["Nodes"]), int(found["JSEventListeners"])


def _page(browser: Browser) -> Page:
    """A page small and still enough that painting it is not what the run waits for: frames are not what may grow."""
    return browser.new_context(viewport={"width": 1280, "height": 720}, reduced_motion="reduce").new_page()


def soak(updates: int, every: int, minutes: float) -> list[Sample]:
    """Run for so many updates or minutes, whichever is over first; prints each sample as it is taken."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.peers.ours"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        address = server.stdout.readline().split()[1]
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGS)
            desk, wall = (_page(browser) for _ in range(2))
            desk.goto(f"{address}/")
            desk.locator("html.connected").wait_for(timeout=60_000)
            wall.goto(f"{address}/wall")
            wall.locator(".rows .row").first.wait_for(timeout=60_000)
            run = Soak(server, desk, wall)
            samples = [run.sample(0)]
            end = time.monotonic() + 60 * minutes
            for step in range(1, updates + 1):
                if time.monotonic() > end:
                    break
                run.update(step)
                if step % every == 0:
                    samples.append(run.sample(step))
                    print(samples[-1], f"load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
            browser.close()
        return samples
    finally:
        server.terminate()
        server.wait(10)


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print the table and the verdicts; 1 when something grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=20_000)
    parser.add_argument("--every", type=int, default=500, help="updates between two samples")
    parser.add_argument("--minutes", type=float, default=120.0, help="end after this long, however far it came")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    samples = soak(options.updates, options.every, options.minutes)
    print(table(samples))
    if samples[-1].updates < options.updates:
        print(f"\nEnded early, after {samples[-1].updates:,} of {options.updates:,} updates.")
    lines = [verdict(samples, measure) for measure in MEASURES]
    print("\n" + "\n".join(lines))
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in samples], indent=1), encoding="utf-8")
    return 1 if any(line.endswith("GROWS") for line in lines) else 0


if __name__ == "__main__":
    raise SystemExit(main())
