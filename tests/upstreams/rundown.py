"""A stand-in for a rundown system: takes cards as JSON, one a key, however often a key comes."""

from __future__ import annotations

import json
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

PATH = "/rundown/cards"
NEEDED = {"id", "created_at", "created_by", "slug", "segment", "length_s", "hook", "receipts", "alert"}


class Rundown:
    """``cards``: by key, as the rundown shows them; ``posts``: the keys as they came."""

    def __init__(self) -> None:
        self.cards: dict[str, dict[str, Any]] = {}
        self.posts: list[str] = []
        self.app = Starlette(routes=[Route(PATH, self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        key = request.headers.get("idempotency-key", "")
        try:
            body = json.loads(await request.body())
        except ValueError:
            return JSONResponse({"error": "not JSON"}, 400)
        if not key or body.get("id") != key or not body.keys() >= NEEDED:
            return JSONResponse({"error": "not a card"}, 422)
        self.posts.append(key)
        known = key in self.cards
        self.cards.setdefault(key, body)
        return JSONResponse({"id": key}, 200 if known else 201)
