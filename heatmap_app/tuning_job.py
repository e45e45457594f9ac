"""One backtest at a time for the page ``/tuning``: in a process of its own, with a deadline, and its progress to look at."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

from pipelines.errors import HeatmapError
from pipelines.tune_desk import Job, work

DEADLINE_S = 900.0
NICE = 10


@dataclass(frozen=True, slots=True)
class Standing:
    """How the work stands: part done (0 to 1), what is being done, the job it is for, and why the last one failed."""

    running: bool = False
    part: float = 0.0
    what: str = ""
    job: Job | None = None
    problem: str = ""


class TuningJobs:
    """Starts and watches the work. Thread-safe."""

    def __init__(self, deadline_s: float = DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        self._lock = threading.Lock()
        self._standing = Standing()

    @property
    def standing(self) -> Standing:
        """How it stands now."""
        return self._standing

    def start(self, job: Job) -> bool:
        """Begin ``job``; False where another is being worked on."""
        with self._lock:
            if self._standing.running:
                return False
            self._standing = Standing(running=True, what="starting", job=job)
        threading.Thread(target=self._watch, args=(job,), name="tuning", daemon=True).start()
        return True

    def _watch(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_child, args=(job, theirs), daemon=True)
        problem = "the process that computes it could not be started"
        try:
            process.start()
            theirs.close()
            problem = self._follow(job, ours)
        except OSError:
            pass
        finally:
            if process.pid is not None:
                process.kill()
                process.join()
            ours.close()
            self._standing = Standing(job=job, problem=problem)

    def _follow(self, job: Job, ours: Connection) -> str:
        """Until it is done; why it is not, or nothing."""
        ends = time.monotonic() + self._deadline_s
        while True:
            try:
                if not ours.poll(max(0.0, ends - time.monotonic())):
                    return f"it took longer than {self._deadline_s / 60:.0f} min and was stopped"
                kind, part, what = ours.recv()
            except EOFError:
                return "the process that computes it died, most likely out of memory"
            if kind == "done":
                return str(what)
            self._standing = Standing(running=True, part=part, what=what, job=job)


def _child(job: Job, theirs: Connection) -> None:
    with contextlib.suppress(OSError):
        os.nice(NICE)  # polls and pages come first
    try:
        work(job, lambda part, what: theirs.send(("told", part, what)))
        theirs.send(("done", 1.0, ""))
    except HeatmapError as error:
        theirs.send(("done", 0.0, str(error)))
