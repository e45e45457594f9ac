"""Heavy parsing apart from the server: in a process of its own, so that a deadline can end it and its memory goes with it.

A thread cannot be stopped, and a large document would go on holding the interpreter long after anybody waits for it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
from collections.abc import Callable

from pebble import ProcessExpired, ProcessPool

LARGE = 512_000
"""Bytes from which parsing is worth a process (about 0.4 s to start); below it a thread is safe enough."""

MEMORY = 2_000_000_000
"""Bytes of address space such a process may use on top of what it starts with."""


async def parsed[**P, R](size: int, deadline_s: float, parse: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """``parse(*args)``, off the event loop; in its own process where the input has ``size`` >= :data:`LARGE` bytes.

    Raises what ``parse`` raises, ``TimeoutError`` at the deadline (a process is killed then), and ``MemoryError`` where
    a process used too much memory or died.
    """
    if size < LARGE:
        return await asyncio.wait_for(asyncio.to_thread(parse, *args, **kwargs), deadline_s)
    return await asyncio.to_thread(_in_process, deadline_s, parse, args, kwargs)


def _in_process[R](
    deadline_s: float, parse: Callable[..., R], args: tuple[object, ...], kwargs: dict[str, object]
) -> R:
    context = multiprocessing.get_context("spawn")
    with ProcessPool(max_workers=1, initializer=_limit, context=context) as pool:
        try:
            result: R = pool.schedule(parse, args=list(args), kwargs=kwargs, timeout=deadline_s).result()
        except ProcessExpired:
            raise MemoryError("the parser's process died") from None
        finally:
            pool.stop()  # type: ignore[no-untyped-call]  # pebble types its arguments only
    return result


def _limit() -> None:
    try:
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()  # noqa: PTH123, SIM115 - a pseudo file
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    except (OSError, ValueError):  # not Linux: the deadline alone has to do
        return
