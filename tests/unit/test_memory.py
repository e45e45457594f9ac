"""The allocator's arenas, counted by glibc itself in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.processes import ROOT

MANY_THREADS = """
import ctypes, re, sys, tempfile, threading
from heatmap_app.memory import limit_arenas
print(limit_arenas() if sys.argv[1] == "limited" else "")
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.fdopen.restype = ctypes.c_void_p
together = threading.Barrier(12)
def work():
    together.wait()
    libc.malloc(5000)
    together.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
with tempfile.TemporaryFile() as told:
    stream = ctypes.c_void_p(libc.fdopen(told.fileno(), b"w"))
    libc.malloc_info(0, stream)
    libc.fflush(stream)
    told.seek(0)
    print(len(re.findall(rb"<heap nr=", told.read())))
"""


def arenas(how: str, **more: str) -> list[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")}
    ran = subprocess.run(
        [sys.executable, "-c", MANY_THREADS, how], cwd=ROOT, env=kept | more, capture_output=True, text=True, check=True,
        timeout=60,
    )  # fmt: skip
    return ran.stdout.split()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_many_threads_share_two_arenas() -> None:
    assert arenas("limited") == ["True", "2"]
    assert int(arenas("as it comes")[-1]) > 2, "the test can tell"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_what_the_operator_set_stands() -> None:
    assert arenas("limited", MALLOC_ARENA_MAX="4") == ["False", "4"]
