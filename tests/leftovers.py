"""Servers end with the process that started them, however that dies: a run that is killed leaves nothing behind."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PR_SET_PDEATHSIG = 1
SCRIPT = 'read -r _ || { pid=$(head -n 1 "$1"); kill -QUIT "$pid"; sleep 2; kill -KILL "$pid"; rm -rf "$2"; }'


@contextmanager
def ended_with_us(pid_file: Path, folder: Path) -> Iterator[None]:
    """Should this process be gone before the block ends, a shell that sees the pipe close sends SIGQUIT, and 2 s later
    SIGKILL, to the process whose number is the first line of ``pid_file``, and removes ``folder``."""
    shell = subprocess.Popen(
        ["sh", "-c", SCRIPT, "sh", pid_file, folder], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        yield
    finally:
        shell.communicate(b"done\n", timeout=60)


def end_with_parent() -> None:
    """In a child: SIGTERM when its parent is gone (Linux; elsewhere nothing)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
