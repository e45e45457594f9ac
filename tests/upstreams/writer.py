"""A stand-in for an OpenAI-compatible chat address: checks the key and the shape, answers what it is told to."""

from __future__ import annotations

import json
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class FakeWriter:
    """``reply`` is the content of the next answers; ``prompts`` what it was asked."""

    def __init__(self, key: str = "", reply: str = "{}") -> None:
        self.key, self.reply = key, reply
        self.prompts: list[str] = []
        self.app = Starlette(routes=[Route("/v1/chat/completions", self._complete, methods=["POST"])])

    async def _complete(self, request: Request) -> Response:
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return JSONResponse({"error": {"message": "Incorrect API key provided"}}, 401)
        body: dict[str, Any] = json.loads(await request.body())
        if body.get("model") != "small-writer":
            return JSONResponse({"error": {"code": "model_not_found"}}, 404)
        self.prompts += [message["content"] for message in body["messages"]]
        answer = {"role": "assistant", "content": self.reply}
        return JSONResponse(
            {"object": "chat.completion", "choices": [{"index": 0, "message": answer, "finish_reason": "stop"}]}
        )
