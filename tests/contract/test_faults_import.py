"""I3: a large import shows how far it is and keeps its memory small. A part of the million rows a file may have."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import psutil
import pytest

from pipelines.store import Store
from tests.processes import ROOT, environment

ROWS = 50_000
MOST_MB = 500.0


@pytest.mark.slow
def test_i3_a_large_import_shows_progress_and_stays_small(
    tmp_path: Path, embedded_store: Store, embedded_url: str
) -> None:
    file = tmp_path / "names.csv"
    with file.open("w", encoding="utf-8") as out:
        out.write("name,kind,domain,aliases,needs_second_sign\n")
        out.writelines(f"Invented Name {n},person,entertainment,Inv {n}|#InventedName{n},\n" for n in range(ROWS))
        out.write("ragged,row\n")
    said, megabytes, code = imported(file, tmp_path, embedded_url)
    assert code == 0, said
    assert "reading" in said
    assert "storing" in said
    assert f"{ROWS} entities read, 1 rows set aside" in said
    assert megabytes < MOST_MB, megabytes
    assert embedded_store.entities().height == ROWS


def imported(file: Path, var: Path, url: str) -> tuple[str, float, int]:
    """What the command wrote on its terminal, the memory it took at most, and how it ended."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    process = subprocess.Popen(
        [sys.executable, "-m", "heatmap_app", "entities", "import", str(file)], cwd=ROOT, stdout=theirs, stderr=theirs,
        env=environment(var, {"MODE": "demo", "DATABASE_URL": url}),
    )  # fmt: skip
    os.close(theirs)
    said: list[bytes] = []

    def read() -> None:
        try:
            while part := os.read(ours, 65_536):
                said.append(part)
        except OSError:  # a terminal whose other end is closed
            pass

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    most = 0
    # looked at from outside: the kernel's own maximum counts what the parent held when it started the child
    while process.poll() is None:
        with contextlib.suppress(psutil.Error):
            most = max(most, psutil.Process(process.pid).memory_info().rss)
        time.sleep(0.02)
    reader.join(10)
    os.close(ours)
    return b"".join(said).decode("utf-8", "replace"), most / 1e6, process.returncode
