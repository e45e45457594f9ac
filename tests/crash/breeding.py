"""Lives to be ended: one process stands ready with everything imported and forks the workers, so that a life costs a few
milliseconds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent.parent


def breed(work: Callable[[], object]) -> None:
    """In the process that stands ready: a fork that does ``work`` for every line, its number and how it ended as answers."""
    print("ready", flush=True)  # noqa: T201 - the answer
    for _line in sys.stdin:
        child = os.fork()
        if child == 0:
            _live(work)
        print(child, flush=True)  # noqa: T201 - the answer
        print(os.waitpid(child, 0)[1], flush=True)  # noqa: T201 - the answer


def _live(work: Callable[[], object]) -> NoReturn:
    try:
        work()
    finally:
        os._exit(3)


@contextmanager
def breeder(program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that runs ``program``, whose end is a call of :func:`breed`."""
    command = [sys.executable, "-W", "ignore", "-c", program, *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()


@contextmanager
def living(process: subprocess.Popen[str]) -> Iterator[None]:
    """One worker's life; its death at the end of the block."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    child = int(process.stdout.readline())
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        ended = int(process.stdout.readline())
    assert ended == signal.SIGKILL, "the worker died of nothing else"


def live(process: subprocess.Popen[str], seconds: float) -> None:
    """A life of so many seconds."""
    with living(process):
        time.sleep(seconds)
