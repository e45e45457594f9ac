"""The same board in this product, in Dash and in Streamlit, in one run: ``python -m tests.bench.peers``.

Each server runs alone, in a process tree of its own, and moves its board every five seconds. Up to ``--pages`` viewers are
real pages in one Chromium, the others speak the same protocol without drawing (``viewers.py``): fifty real pages would
measure the browser on the same two cores. Pixels count as changed when the map's picture is another one and the frame that
shows it is out. All connections go through a relay that counts their bytes. Counting begins after the first update that
everybody has seen. The peers come from ``requirements.txt`` into a throwaway venv (``--venv`` keeps one).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, Error, Page, sync_playwright

from tests.bench.peers.pixels import SHOWN, WATCH
from tests.bench.peers.viewers import NotMeasuredError, Recorder
from tests.fault_proxy import fault_proxy


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


HERE = Path(__file__).parent
CHROMIUM = "/usr/bin/chromium"
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows"]  # fmt: skip
OPEN_SECONDS = 240
LEFT_SECONDS = 33
"""How long a session outlives its page, and a little more."""
SIZE = {"width": 1400, "height": 900}


@dataclass(frozen=True, slots=True)
class Product:
    """How one of them is started; ``kind`` is how its map is looked at."""

    name: str
    kind: str
    path: str = "/"
    interval_ms: int = 0


OURS = (Product("ours, desk", "desk"), Product("ours, wall", "wall", "/wall"))
PEERS = tuple(
    Product(f"{name}, asks each {ms // 1000} s", kind, interval_ms=ms)
    for ms in (5000, 1000)
    for name, kind in (("Dash", "dash"), ("Streamlit", "streamlit"))
)


@dataclass(slots=True)
class Row:
    """What one product did with so many viewers; None where nothing was seen."""

    product: str
    viewers: int
    first_paint_cold_s: float | None = None
    first_paint_warm_s: float | None = None
    bytes_down_per_update: float | None = None
    bytes_up_per_update: float | None = None
    cpu_ms_per_update: float | None = None
    memory_mib_per_viewer: float | None = None
    pixel_p50_s: float | None = None
    pixel_p95_s: float | None = None
    arrived_p95_s: float | None = None
    lost: int = 0
    updates: int = 0
    load: float = field(default_factory=lambda: os.getloadavg()[0])


def command(product: Product, port: int, bin_dir: Path) -> list[str]:
    """What starts the server."""
    if product.kind == "dash":
        bind = f"127.0.0.1:{port}"
        return [str(bin_dir / "gunicorn"), "--workers", "1", "--threads", "8", "--bind", bind, "dash_app:server"]
    if product.kind == "streamlit":
        return [
            str(bin_dir / "streamlit"), "run", "streamlit_app.py", "--server.port", str(port), "--server.address",
            "127.0.0.1", "--server.headless", "true", "--browser.gatherUsageStats", "false",
        ]  # fmt: skip
    return [sys.executable, "-m", "tests.bench.peers.ours", "--port", str(port), "--every", "5"]


class Served:
    """A running server and the boards it published: ``published`` are instants, seconds since 1970."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.address, self.published = address, list[float]()
        self.port = int(address.rsplit(":", 1)[1])
        self._process, self._tree = process, psutil.Process(process.pid)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("published "):
                self.published.append(float(line.split()[2]))

    def _all(self) -> list[psutil.Process]:
        return [self._tree, *self._tree.children(recursive=True)]

    def cpu(self) -> float:
        """CPU seconds of the whole tree so far."""
        return sum(sum(one.cpu_times()[:2]) for one in self._all())

    def memory(self) -> float:
        """Resident MiB of the whole tree."""
        return float(sum(one.memory_info().rss for one in self._all())) / 2**20


@contextmanager
def served(product: Product, bin_dir: Path) -> Iterator[Served]:
    """The server, answering; ended with its children."""
    port = free_port()
    ours = product.kind in ("desk", "wall")
    process = subprocess.Popen(
        command(product, port, bin_dir), cwd=None if ours else HERE, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL, env=os.environ | {"BENCH_INTERVAL_MS": str(product.interval_ms), "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        _answers(address + ("/healthz" if ours else product.path))  # a page asked for opens a session
        yield Served(process, address)
    finally:
        for one in psutil.Process(process.pid).children(recursive=True):
            one.terminate()
        process.terminate()
        process.wait(15)


def _answers(address: str, seconds: float = 180.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError):
            urllib.request.urlopen(address, timeout=5).close()  # noqa: S310 -- our own address
            return
        time.sleep(0.1)
    raise NotMeasuredError(f"{address} does not answer")


def opened(browser: Browser, product: Product, address: str, page: Page | None = None) -> tuple[Page, float]:
    """A page and the seconds from asking for it to its first map."""
    page = page or browser.new_context(viewport=SIZE).new_page()  # type: ignore[arg-type]  # a TypedDict by another name
    began = time.time()
    page.goto(address + product.path, wait_until="commit")
    end = time.monotonic() + 90
    while time.monotonic() < end:
        shown = page.evaluate(SHOWN, product.kind)
        if shown is not None:
            return page, float(shown) / 1000 - began
        time.sleep(0.02)
    raise NotMeasuredError(f"{product.name}: no map")


def latencies(published: Sequence[float], changes: Sequence[float]) -> list[float]:
    """For each publication but the last the seconds to the last change before the next one."""
    found = []
    for at, following in pairwise(published):
        within = [change for change in changes if at < change < following]
        if within:
            found.append(within[-1] - at)
    return found


class Others:
    """The viewers without a browser: when a new board arrived at one of them (seconds since 1970) stands in ``seen``, when one
    lost its connection in ``lost``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.seen, self.lost = list[float](), list[float]()
        self.open = threading.Event()
        self._process = process
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("seen "):
                self.seen.append(float(line.split()[1]))
            elif line.startswith("lost "):
                self.lost.append(float(line.split()[1]))
            elif line.startswith("open"):
                self.open.set()


@contextmanager
def others(product: Product, address: str, count: int, recorded: Mapping[str, Any]) -> Iterator[Others]:
    """``count`` viewers without a browser, all open. Raises :class:`NotMeasuredError` where they do not come up."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as told:
        json.dump(recorded, told)
        told.flush()
        asked = [sys.executable, "-m", "tests.bench.peers.viewers", product.kind, address, str(count), told.name]
        process = subprocess.Popen(asked, stdout=subprocess.PIPE, text=True)
        try:
            found = Others(process)
            if count and not found.open.wait(OPEN_SECONDS):
                raise NotMeasuredError(f"{product.name}: {count} viewers did not open in {OPEN_SECONDS} s")
            yield found
        finally:
            process.terminate()
            process.wait(10)


def measure(browser: Browser, product: Product, viewers: int, seconds: float, most_pages: int, bin_dir: Path) -> Row:
    """One product with so many viewers."""
    row = Row(product.name, viewers)
    with served(product, bin_dir) as server, fault_proxy(server.port) as relay:
        address = f"http://127.0.0.1:{relay.port}"
        page = browser.new_context(viewport=SIZE).new_page()  # type: ignore[arg-type]  # a TypedDict by another name
        recorder = Recorder(page, product.kind, product.interval_ms)
        page, row.first_paint_cold_s = opened(browser, product, address, page)
        page, row.first_paint_warm_s = opened(browser, product, address, page)
        left = time.monotonic()
        recorded = recorder.told() if viewers > most_pages else {}
        alone = server.memory()
        real = min(viewers, most_pages)
        pages = [page, *(opened(browser, product, address)[0] for _ in range(real - 1))]
        with others(product, address, viewers - real, recorded) as rest:
            _settle(server, page)
            if product.kind == "desk":  # the session of the page loaded cold ends, with a collection of the whole heap
                page.wait_for_timeout(max(0.0, LEFT_SECONDS - (time.monotonic() - left)) * 1000)
            if viewers > 1:
                row.memory_mib_per_viewer = (server.memory() - alone) / (viewers - 1)
            for one in pages:
                one.evaluate(WATCH, product.kind)
            before, began = len(server.published), time.time()
            cpu, down, up = server.cpu(), relay.down, relay.up
            page.wait_for_timeout(seconds * 1000)
            spent, told = server.cpu() - cpu, server.published[before:]
            _fill(row, spent, relay.down - down, relay.up - up, told)
            found = [one.evaluate("window.benchSeen") for one in pages]
            row.lost = sum(at > began for at in rest.lost)
            _told_late(row, told, [[at / 1000 for at in each] for each in found], rest.seen)
        for one in pages:
            one.context.close()
    return row


def _settle(server: Served, page: Page) -> None:
    """Until two boards have come since everybody is there, and a little more: the first is told whole."""
    before, end = len(server.published), time.monotonic() + 30
    while len(server.published) < before + 2 and time.monotonic() < end:
        page.wait_for_timeout(100)
    page.wait_for_timeout(2500)


def _fill(row: Row, cpu: float, down: int, up: int, told: Sequence[float]) -> None:
    row.updates, row.load = len(told), os.getloadavg()[0]
    if told:
        per = len(told) * row.viewers
        row.bytes_down_per_update, row.bytes_up_per_update = down / per, up / per
        row.cpu_ms_per_update = 1000 * cpu / per


def _told_late(row: Row, told: Sequence[float], pixels: Sequence[Sequence[float]], arrived: Sequence[float]) -> None:
    seen = [one for each in pixels for one in latencies(told, each)]
    if len(seen) > 1:
        row.pixel_p50_s, row.pixel_p95_s = statistics.median(seen), _p95(seen)
    late = [
        at - max(begun) for at in arrived if told and at < told[-1] and (begun := [one for one in told if one <= at])
    ]
    if len(late) > 1:
        row.arrived_p95_s = _p95(late)


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


MEASURES: Mapping[str, str] = {
    "first_paint_cold_s": "first map, cold, s",
    "first_paint_warm_s": "first map, warm, s",
    "bytes_down_per_update": "bytes to a viewer per update",
    "bytes_up_per_update": "bytes from a viewer per update",
    "cpu_ms_per_update": "server CPU per update and viewer, ms",
    "memory_mib_per_viewer": "server memory per further viewer, MiB",
    "pixel_p50_s": "stored to pixels, p50, s",
    "pixel_p95_s": "stored to pixels, p95, s",
    "arrived_p95_s": "stored to arrived, viewers without a browser, p95, s",
    "lost": "connections lost by viewers without a browser",
}


def table(rows: Sequence[Row]) -> str:
    """Markdown: a line for each measure and number of viewers; the last column names the peers that beat the desk."""
    names = list(dict.fromkeys(row.product for row in rows))
    lines = ["| viewers | | " + " | ".join(names) + " | we lose to |", "|---:|---|" + "---:|" * len(names) + "---|"]
    for viewers in dict.fromkeys(row.viewers for row in rows):
        found = {row.product: row for row in rows if row.viewers == viewers}
        for key, words in MEASURES.items():
            values = {name: getattr(found[name], key) if name in found else None for name in names}
            desk = values.get(OURS[0].name)
            better = [
                name for name, value in values.items()
                if value is not None and desk is not None and not name.startswith("ours") and value < desk
            ]  # fmt: skip
            cells = " | ".join("–" if value is None else f"{value:,.4g}" for value in values.values())
            lines.append(f"| {viewers} | {words} | {cells} | {', '.join(better)} |")
        loads = " | ".join(f"{found[name].load:.1f}" if name in found else "–" for name in names)
        lines.append(f"| {viewers} | load of the machine then | {loads} | |")
    return "\n".join(lines)


@contextmanager
def peers_venv(kept: Path | None) -> Iterator[Path]:
    """The folder of the peers' commands; made and filled where ``kept`` is not there yet."""
    with tempfile.TemporaryDirectory() as folder:
        place = kept or Path(folder) / "peers"
        bin_dir = place / "bin"
        if not (bin_dir / "streamlit").exists():
            venv.create(place, with_pip=True)
            asked = [str(bin_dir / "python"), "-m", "pip", "install", "-q", "-r", str(HERE / "requirements.txt")]
            subprocess.run(asked, check=True)
        yield bin_dir


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", default="1,10,50")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--pages", type=int, default=3, help="how many viewers are real pages")
    parser.add_argument("--only", default="", help="products whose name contains this")
    parser.add_argument("--venv", type=Path, help="a venv with the peers, kept")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    rows = []
    with peers_venv(options.venv) as bin_dir, sync_playwright() as driver:
        for viewers in map(int, options.viewers.split(",")):
            for product in (one for one in (*OURS, *PEERS) if options.only.lower() in one.name.lower()):
                browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGS)
                began = time.monotonic()
                try:
                    rows.append(measure(browser, product, viewers, options.seconds, options.pages, bin_dir))
                except (NotMeasuredError, Error) as problem:  # one that fails does not take the others' figures along
                    print(f"{product.name}, {viewers} viewers: not measured: {problem}", file=sys.stderr)
                    rows.append(Row(product.name, viewers))
                browser.close()
                print(rows[-1], f"took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
                if options.json:
                    options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    print(table(rows))
    print(
        f"\npanel {importlib.metadata.version('panel')}, bokeh {importlib.metadata.version('bokeh')}; peers: requirements.txt"
    )


if __name__ == "__main__":
    main()
