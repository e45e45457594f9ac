"""The look at who answered: for httpx, whose connections tell whom they reached before a byte is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pipelines.outgoing import AddressRefusedError, refuse_peer

type Trace = Callable[[str, dict[str, Any]], Awaitable[None]]


def peer_trace(host: str, *, private: bool) -> Trace:
    """The ``trace`` extension of a request to ``host`` that closes a connection to a machine not to be asked.

    ``private`` as in :func:`pipelines.outgoing.refuse_peer`. A connection to anything but ``host`` is one to a proxy of
    the operator's, which then decides. Raises :class:`AddressRefusedError` out of the request.
    """
    asked: list[str] = []

    async def trace(event: str, info: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.started":
            found = info["host"]
            asked[:] = [found.decode("ascii") if isinstance(found, bytes) else str(found)]
        elif event == "connection.connect_tcp.complete" and asked == [host]:
            stream = info["return_value"]
            peer = stream.get_extra_info("server_addr")
            try:
                refuse_peer(str(peer[0]) if peer else "", private=private)
            except AddressRefusedError:
                await stream.aclose()
                raise

    return trace
