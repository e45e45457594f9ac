"""The poller's process, from the parent's side: start, ask, kill."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.processes import ROOT, environment

START_S = 120.0
"""A process that was killed is to be back within this: the shortest poll interval."""


class DiedError(Exception):
    """The poller ended, or said nothing for too long."""


class Child:
    """One life of the poller. Its log goes to ``log``, appended."""

    def __init__(
        self, schema: str, seed: int, start: datetime, kind: str, settings: dict[str, str], folder: Path
    ) -> None:  # fmt: skip
        self.log = folder / "poller.log"
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "tests.soak.poller",
            schema,
            str(seed),
            start.isoformat(),
            kind,
        ]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment(folder / "var", settings), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.rounds = self.polls = 0
        self.samples: list[tuple[int, float]] = []
        self.answer(START_S)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put("")

    def ask(self, **what: Any) -> None:
        """Say what to do."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def answer(self, seconds: float) -> dict[str, Any]:
        """What it did. Raises :class:`DiedError`."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise DiedError(f"no answer in {seconds:.0f} s") from None
        if not line:
            raise DiedError(f"ended by itself: {self.log.read_text()[-3000:]}")
        found: dict[str, Any] = json.loads(line)
        return found

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self._gone()

    def stop(self) -> None:
        """Let it end by itself."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._gone()

    def _gone(self) -> None:
        self.process.wait(20)
        self._reader.join(5)
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            return
