"""A page of the desk without a browser: speaks Bokeh's protocol over a real socket, as the browser does.

Asks for the page, opens its socket with compression, pulls the document, says that it is ready and that the page's script
is there, and then listens. Nothing is drawn.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

HEADERS = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "Accept-Language": "en-US,en;q=0.9"}
REGIONS = "et-regions"


class DeskClient:
    """One open page. Use :meth:`open`, then :meth:`updates`."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._sent = socket, 0

    @classmethod
    async def open(cls, address: str, path: str = "/") -> DeskClient:
        """Open the page and wait until its document is there."""
        async with httpx.AsyncClient(headers=HEADERS, timeout=60) as http:
            page = (await http.get(address + path, headers={"Accept-Encoding": "gzip, deflate, br"})).text
        token = re.search(r'"token":"([^"]+)"', page)
        if token is None:
            raise RuntimeError("not a page of the desk")
        socket = await connect(
            address.replace("http", "ws", 1) + "/ws", subprotocols=["bokeh", token[1]], origin=address,  # type: ignore[arg-type,list-item]  # plain strings
            max_size=2**26, additional_headers={**HEADERS, "Cookie": "et_zone=UTC"}, ping_interval=None,
        )  # fmt: skip
        client = cls(socket)
        await client._message()  # ACK
        await client._say("PULL-DOC-REQ", {})
        reply = await client._message()
        wire = next(one["id"] for one in _models(reply["doc"]) if one.get("attributes", {}).get("name") == "et-in")
        await client._patch({"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": _READY})
        for event in ({"type": "theme", "value": "dark"}, {"type": "hello", "value": "UTC"}):
            data = {"type": "map", "entries": [["event", [json.dumps(event)]]]}
            await client._patch({"kind": "ModelChanged", "model": {"id": wire}, "attr": "data", "new": data})
        return client

    async def updates(self) -> AsyncIterator[Mapping[str, Any]]:
        """The regions of each update: whole texts or changes."""
        while True:
            content = await self._message()
            for event in content.get("events", []):
                if event.get("msg_type") == REGIONS:
                    yield json.loads(event["msg_data"])

    async def close(self) -> None:
        """Leave."""
        await self._socket.close()

    async def _message(self) -> dict[str, Any]:
        header = json.loads(await self._socket.recv())
        await self._socket.recv()
        content: dict[str, Any] = json.loads(await self._socket.recv())
        for _ in range(2 * header.get("num_buffers", 0)):
            await self._socket.recv()
        return content

    async def _patch(self, event: Mapping[str, Any]) -> None:
        await self._say("PATCH-DOC", {"events": [event]})

    async def _say(self, kind: str, content: Mapping[str, Any]) -> None:
        self._sent += 1
        for part in ({"msgid": f"{self._sent:032X}", "msgtype": kind}, {}, content):
            await self._socket.send(json.dumps(part))


_READY = {"type": "event", "name": "document_ready", "values": {"type": "map"}}


def _models(node: Any) -> list[dict[str, Any]]:
    """Every model of a document as it came, however deep."""
    if isinstance(node, list):
        return [model for one in node for model in _models(one)]
    if not isinstance(node, dict):
        return []
    own = [node] if "id" in node and "attributes" in node else []
    return own + [model for one in node.values() for model in _models(one)]


async def _main() -> None:
    import sys

    client = await DeskClient.open(sys.argv[1])
    async for update in client.updates():
        print({name: len(json.dumps(change)) for name, change in update.items()}, flush=True)


if __name__ == "__main__":
    asyncio.run(_main())
