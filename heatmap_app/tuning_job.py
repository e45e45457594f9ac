"""One backtest at a time for the page ``/tuning``: in a process of its own, with a deadline, and its progress to look at."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

from pipelines.errors import HeatmapError
from pipelines.tune_desk import Job, prepared_folder, work

DEADLINE_S = 900.0
NICE = 10


@dataclass(frozen=True, slots=True)
class Standing:
    """How a job stands: it is ``running`` or waits behind one that is (``queued``), with that one's part done (0 to 1) and
    what it is at; or why it failed."""

    running: bool = False
    queued: bool = False
    part: float = 0.0
    what: str = ""
    problem: str = ""


class TuningJobs:
    """Starts and watches the work. Thread-safe."""

    def __init__(self, deadline_s: float = DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        self._lock = threading.Lock()
        self._running: Job | None = None
        self._now = Standing()
        self._waiting: dict[str, Job] = {}
        self._failed: tuple[Job, str] | None = None

    def of(self, job: Job) -> Standing:
        """How ``job`` stands now; nothing set where nobody asked for it."""
        with self._lock:
            if same(self._running, job):
                return self._now
            if any(same(one, job) for one in self._waiting.values()):
                return replace(self._now, running=False, queued=True)
            if self._failed is not None and same(self._failed[0], job):
                return Standing(problem=self._failed[1])
            return Standing()

    @property
    def busy(self) -> bool:
        """Whether anything is being worked on."""
        return self._running is not None

    def ask(self, job: Job, who: str) -> None:
        """Begin ``job``, or let it wait for the one under way: one of each person waits, the latest asked for."""
        with self._lock:
            self._waiting.pop(who, None)
            if same(self._running, job):
                return
            self._waiting[who] = job
            self._next()

    def _next(self) -> None:
        if self._running is not None or not self._waiting:
            return
        job = self._waiting.pop(next(iter(self._waiting)))
        self._running, self._now = job, Standing(running=True, what="starting")
        threading.Thread(target=self._watch, args=(job,), name="tuning", daemon=True).start()

    def _watch(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_child, args=(job, theirs), daemon=True)
        problem = "the process that computes it could not be started"
        try:
            process.start()
            theirs.close()
            problem = self._follow(ours)
        except OSError:
            pass
        finally:
            if process.pid is not None:
                process.kill()
                process.join()
            ours.close()
            with self._lock:
                self._failed = (job, problem) if problem else self._failed
                self._running = None
                self._next()

    def _follow(self, ours: Connection) -> str:
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
            with self._lock:
                self._now = Standing(running=True, part=part, what=what)


def same(one: Job | None, other: Job) -> bool:
    """Whether they are about the same choices over the same day of a source, whose end moves on."""
    return one is not None and one.settings == other.settings and prepared_folder(one) == prepared_folder(other)


def _child(job: Job, theirs: Connection) -> None:
    with contextlib.suppress(OSError):
        os.nice(NICE)  # polls and pages come first
    try:
        work(job, lambda part, what: theirs.send(("told", part, what)))
        theirs.send(("done", 1.0, ""))
    except HeatmapError as error:
        theirs.send(("done", 0.0, str(error)))
