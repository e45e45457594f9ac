"""Reads a Parquet file once in a process apart before this process touches it.

Polars ends the whole process on some damaged files: a length in a page header becomes an allocation that cannot be had,
and Rust aborts. No exception, nothing to catch. So a child reads the file first, to its last row, under a deadline and a
memory limit; only what it survives is read here. Its verdict is kept by path, size and time of change, and the child stays for
a few seconds, so that a folder of thousands of parts costs one start (about a third of a second).
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import resource
import selectors
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

MEMORY = 2_000_000_000
"""Bytes of address space the child may use on top of what it starts with."""

MAX_BYTES = 4_000_000_000
MAX_COLUMNS = 200
MAX_ROWS = 200_000_000
DEADLINE_S = 20.0
SECONDS_A_MEGABYTE = 0.5
START_S = 60.0
"""How long the child may take to start on a machine that is busy."""

LINGER_S = 3.0
KEPT_VERDICTS = 20_000
BATCH_ROWS = 50_000
NO_MEMORY = "it takes too much memory"
_Key = tuple[str, int, int, int]


def fault(path: Path) -> str | None:
    """Why ``path`` must not be read as Parquet by this process, in one line; None where it is sound.

    Blocks until the child has read it. Raises ``FileNotFoundError`` where there is no such file, ``OSError`` where it cannot
    be looked at.
    """
    return _SHARED.fault(path)


def trust(path: Path) -> None:
    """This process has just written ``path`` itself: it is sound until it changes. Raises ``OSError``."""
    _SHARED.trust(path)


def starting_s() -> float:
    """Seconds that callers of :func:`fault` have waited so far for a child to start: none of it says anything of a file."""
    return _SHARED.starting_s


class Vetter:
    """One child at a time, started when first needed, closed after :data:`LINGER_S` without work. Thread-safe."""

    def __init__(self, memory: int = MEMORY, deadline_s: float = DEADLINE_S) -> None:
        self._memory, self._deadline_s = memory, deadline_s
        self._verdicts: OrderedDict[_Key, str | None] = OrderedDict()
        self._lock = threading.Lock()
        self._book = threading.Lock()  # for the verdicts alone: who writes a file never waits for one that is read
        self._child: subprocess.Popen[bytes] | None = None
        self._closing: threading.Timer | None = None
        self.started = 0
        """Children started so far."""
        self.starting_s = 0.0
        """Seconds waited for them to start."""

    def fault(self, path: Path) -> str | None:
        """See :func:`fault`."""
        seen = path.stat()
        if seen.st_size > MAX_BYTES:
            return (
                f"it has {seen.st_size / 1e9:.1f} GB, more than {MAX_BYTES / 1e9:.0f} GB; split it by day into a folder"
            )
        key = _key(path, seen)
        known, verdict = self._kept(key)
        if known:
            return verdict
        with self._lock:
            known, verdict = self._kept(key)
            if not known:
                said, verdict = self._ask(path, self._deadline_s + seen.st_size / 1e6 * SECONDS_A_MEGABYTE)
                if said:
                    self._keep(key, verdict)
            return verdict

    def trust(self, path: Path) -> None:
        """See :func:`trust`."""
        self._keep(_key(path, path.stat()), None)

    def _kept(self, key: _Key) -> tuple[bool, str | None]:
        """Whether there is a verdict, and the verdict."""
        with self._book:
            if key not in self._verdicts:
                return False, None
            self._verdicts.move_to_end(key)
            return True, self._verdicts[key]

    def _keep(self, key: _Key, verdict: str | None) -> None:
        with self._book:
            self._verdicts[key] = verdict
            if len(self._verdicts) > KEPT_VERDICTS:
                self._verdicts.popitem(last=False)

    def close(self) -> None:
        """End the child, if there is one."""
        with self._lock:
            self._end()

    def _ask(self, path: Path, deadline_s: float) -> tuple[bool, str | None]:
        """Whether the child itself judged the file, and the verdict: a child that died, was late or lacked memory says as
        much about the machine as about the file, and is asked again next time."""
        if self._closing is not None:
            self._closing.cancel()
        child = self._ready()  # the first file's clock starts after this
        if child is None:
            return False, f"the program that would check it did not start within {START_S:.0f} s"
        asked = str(path.absolute())
        answer = self._answer(child, json.dumps(asked), deadline_s)
        self._closing = threading.Timer(LINGER_S, self.close)
        self._closing.daemon = True
        self._closing.start()
        if isinstance(answer, str):
            self._end()
            return False, answer
        if answer.get("path") != asked:
            self._end()
            return False, "the program that checks it answered about another file"
        verdict: str | None = answer["fault"]
        if answer["spent"]:
            self._end()  # after a panic its threads are in no known state
        return verdict != NO_MEMORY, verdict

    def _ready(self) -> subprocess.Popen[bytes] | None:
        """The child, started where there is none; None where it would not start."""
        if self._child is not None and self._child.poll() is None:
            return self._child
        self._end()
        began = time.monotonic()
        self._child = self._start()
        ready = self._answer(self._child, "", START_S) == {"ready": True}
        self.starting_s += time.monotonic() - began
        if not ready:
            self._end()
        return self._child

    def _start(self) -> subprocess.Popen[bytes]:
        self.started += 1
        environment = {
            **os.environ,
            "POLARS_MAX_THREADS": "2",
            "RUST_BACKTRACE": "0",
            "VETTING_MEMORY": str(self._memory),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "pipelines.vetting"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env=environment, cwd=Path(__file__).resolve().parent.parent,
        )  # fmt: skip

    def _answer(self, child: subprocess.Popen[bytes], question: str, deadline_s: float) -> str | dict[str, Any]:
        """The child's answer to one line; or, where it died or is late, a text that says so."""
        assert child.stdin is not None and child.stdout is not None  # noqa: S101, PT018 - both are pipes
        try:
            child.stdin.write(question.encode() + b"\n")
            child.stdin.flush()
            line = _line(child.stdout.fileno(), time.monotonic() + deadline_s)
        except TimeoutError:
            return f"reading it did not end within {deadline_s:.0f} s"
        except OSError:
            line = b""
        said: dict[str, Any] | None = json.loads(line) if line else None
        return said or "reading it ends the program that reads it, or takes too much memory"

    def _end(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            child.wait()


def _key(path: Path, seen: os.stat_result) -> _Key:
    return str(path.absolute()), seen.st_size, seen.st_mtime_ns, seen.st_ino


def _line(descriptor: int, deadline: float) -> bytes:
    """One line from a pipe; empty where it ended. Raises ``TimeoutError`` at ``deadline`` (monotonic)."""
    found = b""
    with selectors.DefaultSelector() as waiting:
        waiting.register(descriptor, selectors.EVENT_READ)
        while not found.endswith(b"\n"):
            if not waiting.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            piece = os.read(descriptor, 65536)
            if not piece:
                return b""
            found += piece
    return found


def read_through(path: Path) -> str | None:
    """In the child: read every row of every column; the problem in one line, or None. A panic goes through."""
    import polars as pl

    schema = pl.read_parquet_schema(path)
    pl.read_parquet_metadata(path)
    if len(schema) > MAX_COLUMNS:
        return f"it has {len(schema)} columns, more than {MAX_COLUMNS}"
    frame = pl.scan_parquet(path)
    rows = int(frame.select(pl.len()).collect().item())
    if rows > MAX_ROWS:
        return f"it has {rows} rows, more than {MAX_ROWS}"
    if not schema:
        return None
    read = sum(batch.height for batch in frame.collect_batches(chunk_size=BATCH_ROWS, maintain_order=False))
    _by_statistics(frame, schema)
    return None if read == rows else f"its footer promises {rows} rows, and {read} are there"


def _by_statistics(frame: pl.LazyFrame, schema: Any) -> None:
    """What a recording is filtered by: a reader that skips by a file's statistics goes other ways through it."""
    import polars as pl

    for name in ("poll_at", "at"):
        if isinstance(schema.get(name), pl.Datetime):
            middle = frame.select(pl.col(name).median()).collect().item()
            for _ in frame.filter(pl.col(name) > middle).collect_batches(chunk_size=BATCH_ROWS):
                pass


def main() -> None:
    """In the child: one JSON path a line in, one JSON object a line out, until the input ends."""
    import polars as pl

    _limit(int(os.environ["VETTING_MEMORY"]))
    for line in sys.stdin:
        if not line.strip():
            _say({"ready": True})
            continue
        spent, asked = False, json.loads(line)
        try:
            found = read_through(Path(asked))
        except MemoryError:
            found, spent = NO_MEMORY, True
        except pl.exceptions.PanicException as error:
            found, spent = one_line(error), True
        except Exception as error:  # noqa: BLE001 - whatever a reader raises over damaged bytes is the file's fault
            found = one_line(error)
        _say({"path": asked, "fault": found, "spent": spent})


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _limit(memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):  # not Linux: the deadline alone has to do
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))


def one_line(error: BaseException) -> str:
    """The first line of what an error says, 300 characters at most."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


_SHARED = Vetter()
atexit.register(_SHARED.close)

if __name__ == "__main__":
    main()
