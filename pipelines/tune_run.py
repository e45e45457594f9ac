"""Runs the points of a grid over one prepared recording: on this machine's cores, or on a Dask cluster by its address.

Both run the same function over the same frames, so their results are the same.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import uuid
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipelines.backtest import Prepared, evaluate
from pipelines.errors import InputError
from pipelines.tune import Outcome, Point, bare

Told = Callable[[Outcome], None]
"""Told of every point that is done."""

CONNECT_S = 10
SCHEMES = ("tcp", "tls")
NO_DASK = "tune: --dask needs the packages of the extra `dask`; install them with: pip install 'et-heatmap[dask]'"
_HERE: dict[str, Prepared] = {}
"""What a worker process of the local pool has loaded."""


def run_point(prepared: Prepared, point: Point, domain: str | None) -> Outcome:
    """One point. Raises :class:`InputError` where ``prepared`` was made with other settings."""
    return Outcome.of(point, evaluate(prepared, point.settings, domain=domain, overrides=point.chosen))


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_local(
    folder: Path, points: Sequence[Point], domain: str | None = None, *, workers: int | None = None,
    told: Told | None = None,
) -> list[Outcome]:  # fmt: skip
    """Every point in worker processes (default: one a core) that each load ``folder`` (:meth:`Prepared.save`); in the
    order of the points. Raises :class:`InputError`; interrupted, it ends its workers."""
    if not points:
        return []
    context = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        min(workers or cores(), len(points)), mp_context=context, initializer=_begin, initargs=(str(folder),)
    )
    found: list[Outcome] = []
    try:
        waiting = [pool.submit(_run_here, _bare(point), domain) for point in points]
        for future in as_completed(waiting):
            _take(future.result(), found, told)
    except BrokenProcessPool:
        raise InputError("tune: a worker process died, most likely out of memory; try --workers 1") from None
    finally:
        if len(found) < len(points):
            pool.shutdown(wait=False, cancel_futures=True)
            _end(set(multiprocessing.active_children()) - before)
        pool.shutdown(wait=True)
    return sorted(found, key=lambda one: one.number)


def run_dask(
    prepared: Prepared, points: Sequence[Point], address: str, domain: str | None = None, *, told: Told | None = None
) -> list[Outcome]:
    """Every point on the cluster whose scheduler is at ``address`` (``tcp://host:port``); in the order of the points.

    The frames are sent, without any secret; the workers need this product installed. Raises :class:`InputError`.
    """
    try:
        import distributed as untyped
    except ImportError:
        raise InputError(NO_DASK) from None
    distributed: Any = untyped
    knock(address)
    try:
        client = distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(f"tune: no Dask scheduler answers at {address}: {_line(error)}") from None
    found: list[Outcome] = []
    waiting: list[Any] = []
    try:
        if not client.scheduler_info()["workers"]:
            raise InputError(
                f"tune: the Dask cluster at {address} has no workers; start some with `dask worker {address}`"
            )
        shared = client.scatter(prepared, broadcast=True, hash=False)
        run = uuid.uuid4().hex
        waiting = [
            client.submit(run_point, shared, _bare(point), domain, key=f"tune-{run}-{point.number}", pure=False)
            for point in points
        ]
        for future in distributed.as_completed(waiting, loop=client.loop):
            _take(future.result(), found, told)
    except (OSError, ImportError, distributed.scheduler.KilledWorker) as error:
        raise InputError(f"tune: the Dask cluster at {address} could not run it: {_line(error)}") from None
    finally:
        if len(found) < len(points) and waiting:
            client.cancel(waiting, force=True)
        client.close()
    return sorted(found, key=lambda one: one.number)


def knock(address: str) -> None:
    """Whether anybody listens at ``address``, asked before minutes of reading. Raises :class:`InputError`."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.scheme not in SCHEMES:
        raise InputError(f"tune: --dask {address!r} is no address; write it like tcp://host:8786")
    try:
        socket.create_connection((host, port), timeout=CONNECT_S).close()
    except OSError as error:
        raise InputError(f"tune: no Dask scheduler answers at {address}: {_line(error)}") from None


def _end(children: Collection[BaseProcess]) -> None:
    for child in children:
        child.terminate()
    for child in children:
        child.join()


def _begin(folder: str) -> None:
    """In a new worker: an interrupt is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _HERE["prepared"] = Prepared.load(Path(folder))


def _run_here(point: Point, domain: str | None) -> Outcome:
    return run_point(_HERE["prepared"], point, domain)


def _bare(point: Point) -> Point:
    return Point(point.number, dict(point.chosen), bare(point.settings))


def _take(outcome: Outcome, found: list[Outcome], told: Told | None) -> None:
    found.append(outcome)
    if told:
        told(outcome)


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
