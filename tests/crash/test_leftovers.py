"""A test run that is killed leaves no server and no folder behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
HOLDER = """
import sys, time
from pathlib import Path
from tests.leftovers import ended_with_us

with ended_with_us(Path(sys.argv[1]), Path(sys.argv[2])):
    print("ready", flush=True)
    time.sleep(float(sys.argv[3]))
"""


def alive(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


@pytest.mark.parametrize(
    ("number", "lasts", "left"),
    [(signal.SIGKILL, "600", False), (signal.SIGTERM, "600", False), (None, "0", True)],
    ids=["killed", "ended", "usual"],
)
def test_a_server_ends_with_the_run_that_started_it(tmp_path: Path, number: int | None, lasts: str, left: bool) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    with subprocess.Popen(["sleep", "600"]) as server:
        try:
            (folder / "pid").write_text(f"{server.pid}\nmore\n")
            command = [sys.executable, "-c", HOLDER, str(folder / "pid"), str(folder), lasts]
            with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as holder:
                assert holder.stdout is not None
                assert holder.stdout.readline() == b"ready\n"
                if number is not None:
                    os.kill(holder.pid, number)
                holder.wait(30)
            assert alive(server, 0.5 if left else 30) is left
            deadline = time.monotonic() + 30
            while folder.exists() is not left and time.monotonic() < deadline:
                time.sleep(0.05)
            assert folder.exists() is left
        finally:
            server.kill()


def test_a_fork_ends_with_the_process_that_forks(tmp_path: Path) -> None:
    """As those of :mod:`tests.forked`."""
    program = (
        "import os, sys, time\n"
        "from tests.leftovers import end_with_parent\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    end_with_parent()\n"
        "    print(os.getpid(), flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        int(parent.stdout.readline())
        parent.kill()
        assert parent.stdout.read() == b"", "the pipe closes with the last of them"
