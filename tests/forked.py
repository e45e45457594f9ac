"""The product as a process without the seconds its imports take: one process has everything imported and forks the others.

Each of a run's workers starts one (``python -m tests.forked``) when it first needs it. What a fork runs is
``python -m heatmap_app`` with its own arguments, environment, folder and output; it ends as any Python process does.
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.leftovers import end_with_parent

ROOT = Path(__file__).resolve().parent.parent
MOST_BYTES = 1_000_000
"""Of a command with its environment."""


class Forked:
    """A command under way, as far as :class:`subprocess.Popen` is asked here."""

    def __init__(self, arguments: Sequence[str], status: socket.socket) -> None:
        self.args, self._status, self._lock = list(arguments), status, threading.Lock()
        self.returncode: int | None = None
        self.pid = int(status.recv(64) or b"0")
        if not self.pid:
            raise RuntimeError("the process that forks is gone; what it said is on standard error")

    def poll(self) -> int | None:
        """The exit status once it has ended; negative where a signal ended it."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """The same, waited for. Raises :class:`subprocess.TimeoutExpired`."""
        with self._lock:
            if self.returncode is None:
                self._status.settimeout(timeout)
                try:
                    self.returncode = int(self._status.recv(64) or -signal.SIGKILL)
                except (TimeoutError, BlockingIOError):
                    raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
                self._status.close()
            return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, where it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Forker:
    """The process that forks, from the tests' side."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        with theirs:
            command = [sys.executable, "-W", "ignore", "-m", "tests.forked", str(theirs.fileno())]
            self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        atexit.register(self.close)

    def run(self, arguments: Sequence[str], env: Mapping[str, str], output: int, errors: int) -> Forked:
        """``heatmap ARGUMENTS`` in a session of its own, writing to two open files."""
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        told = json.dumps({"arguments": list(arguments), "env": dict(env)}).encode()
        with theirs, self._lock:
            socket.send_fds(self._control, [told], [output, errors, theirs.fileno()])
        return Forked(arguments, mine)

    def close(self) -> None:
        """End it, and on Linux what it has forked."""
        self._control.close()
        self._process.wait(10)


def main() -> None:
    """Fork whatever the socket asks for, until it closes."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    import heatmap_app.cli
    import heatmap_app.once
    import heatmap_app.runtime
    import heatmap_app.server  # noqa: F401 - imported for the forks

    gc.collect()
    gc.freeze()  # or each fork goes through all that is imported, copying it page by page: three quarters of its time
    told = _forking(control)
    if told is not None:
        _become(told)
        runpy.run_module("heatmap_app", run_name="__main__", alter_sys=True)


def _forking(control: socket.socket) -> dict[str, Any] | None:
    """Returns in a fork, with what it is to do, and at the end, with None."""
    children: dict[int, socket.socket] = {}
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    while True:
        ready, _, _ = select.select([control.fileno(), ended], [], [])
        if ended in ready:
            os.read(ended, 4096)
            _bury(children)
        if control.fileno() not in ready:
            continue
        told, files, _, _ = socket.recv_fds(control, MOST_BYTES, 3)
        if not told:
            return None
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for name, number in enumerate(files[:2], 1):
                os.dup2(number, name)
            for number in (*files, ended, wake):
                os.close(number)
            for other in (control, *children.values()):
                other.close()
            command: dict[str, Any] = json.loads(told)
            return command
        for number in files[:2]:
            os.close(number)
        children[pid] = socket.socket(fileno=files[2])
        children[pid].send(str(pid).encode())


def _bury(children: dict[int, socket.socket]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with children.pop(pid) as line, suppress(OSError):  # nobody may be left to hear it
            line.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(told: Mapping[str, Any]) -> None:
    os.setsid()
    end_with_parent()
    sys.stdout = io.TextIOWrapper(open(1, "wb", closefd=False), encoding="utf-8")  # noqa: SIM115 - it is stdout
    sys.stderr = io.TextIOWrapper(open(2, "wb", closefd=False), encoding="utf-8", line_buffering=True)  # noqa: SIM115 - it is stderr
    os.environ.clear()
    os.environ.update(told["env"])
    time.tzset()
    sys.argv = ["heatmap", *told["arguments"]]


if __name__ == "__main__":
    main()
