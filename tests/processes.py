"""The product as a process: start it, wait for the address it prints, ask it, stop it.

In a test run on Linux it is forked from a process that has it imported (:mod:`tests.forked`); ``fresh`` starts Python anew.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.forked import Forked, Forker

ROOT = Path(__file__).resolve().parent.parent


def environment(var: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without its own settings, with ``settings`` (``HEATMAP_`` left off) and ``var``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEATMAP_")}
    return {
        **kept, "HEATMAP_VAR_DIR": str(var), "HEATMAP_PORT": "0", "NO_PROXY": "127.0.0.1,localhost",
        **{f"HEATMAP_{name}": value for name, value in settings.items()},
    }  # fmt: skip


@cache
def forker() -> Forker:
    """The one of this process."""
    return Forker()


def _start(
    arguments: Sequence[str], env: Mapping[str, str], output: int, errors: int, *, fresh: bool
) -> Forked | subprocess.Popen[bytes]:
    if fresh or sys.platform != "linux" or "PYTEST_VERSION" not in os.environ:
        command = [sys.executable, "-m", "heatmap_app", *arguments]
        return subprocess.Popen(command, env=env, cwd=ROOT, stdout=output, stderr=errors, start_new_session=True)
    return forker().run(arguments, env, output, errors)


def heatmap(
    *arguments: str, var: Path, timeout: float = 120, settings: Mapping[str, str] | None = None, fresh: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run ``heatmap ...`` to its end."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = _start(arguments, environment(var, settings or {}), output.fileno(), errors.fileno(), fresh=fresh)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            raise
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(["heatmap", *arguments], status, *texts)


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Running:
    """A running server."""

    process: Forked | subprocess.Popen[bytes]
    address: str
    seconds: float
    log: list[str] = field(default_factory=list)

    def get(self, path: str, timeout: float = 30) -> Answer:
        try:
            with urllib.request.urlopen(self.address + path, timeout=timeout) as reply:  # noqa: S310 - our own address
                return Answer(reply.status, dict(reply.headers), reply.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read().decode())

    def wait_for_board(self, timeout: float = 90) -> dict[str, Any]:
        """The first board with rows."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            board: dict[str, Any] = self.get("/api/v1/heat").json
            if board.get("items"):
                return board
            time.sleep(0.3)
        raise AssertionError("no board: " + "".join(self.log[-20:]))

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextmanager
def serving(
    *arguments: str, var: Path, timeout: float = 90, settings: Mapping[str, str] | None = None, fresh: bool = False
) -> Iterator[Running]:
    """A server in a process of its own; stopped at the end whatever happened."""
    started = time.monotonic()
    reading, writing = os.pipe()
    output = os.fdopen(reading, encoding="utf-8")
    process = _start(arguments or ("serve",), environment(var, settings or {}), writing, writing, fresh=fresh)
    os.close(writing)
    lines: queue.Queue[str] = queue.Queue()
    log: list[str] = []

    def read() -> None:
        with output:
            for line in output:
                log.append(line)
                lines.put(line)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        address = _address(lines, process, log, started + timeout)
        yield Running(process, address, time.monotonic() - started, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        reader.join(10)


def _address(
    lines: queue.Queue[str], process: Forked | subprocess.Popen[bytes], log: list[str], deadline: float
) -> str:
    while time.monotonic() < deadline:
        try:
            line = lines.get(timeout=0.2)
        except queue.Empty:
            if process.poll() is not None:
                break
            continue
        if " at http://" in line:
            return line.strip().rpartition(" at ")[2].replace("localhost", "127.0.0.1")
    raise AssertionError(f"the server did not start (exit {process.poll()}): {''.join(log)}")
