"""The Slack app of one server: the route Slack posts to, the socket where it cannot, and how they are doing."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from fastapi import APIRouter, Request
from slack_bolt.adapter.fastapi.async_handler import AsyncSlackRequestHandler
from starlette.responses import Response
from starlette.types import Message

from heatmap_app.problems import problem
from heatmap_app.slack_actions import SlackActions
from heatmap_app.slack_gate import Gate, Refusal
from heatmap_app.slack_socket import Socket
from pipelines.alert.words import hhmm
from pipelines.clock import Clock, SystemClock
from pipelines.settings import Settings
from pipelines.store.store import Store

log = structlog.get_logger(__name__)

router = APIRouter()
PATH = "/slack/events"
OFF = "Buttons in Slack are off: set HEATMAP_SLACK__SIGNING_SECRET, or HEATMAP_SLACK__APP_TOKEN for Socket Mode."


class SlackApp:
    """What a server has of Slack's side of things. ``changed``: called after every action that changed something."""

    def __init__(
        self, settings: Settings, store: Store, changed: Callable[[], None] = lambda: None, clock: Clock | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        secret, token = settings.slack.signing_secret.get_secret_value(), settings.slack.app_token.get_secret_value()
        bot = settings.slack.bot_token.get_secret_value()
        self.actions = SlackActions(store, settings, changed, clock) if bot and (secret or token) else None
        self.gate = Gate(secret, store, clock) if secret and self.actions else None
        self._socket = Socket(self.actions.app, settings.slack, clock) if token and self.actions else None
        self._handler = AsyncSlackRequestHandler(self.actions.app) if self.actions else None
        self._last = ""

    @property
    def state(self) -> str:
        """How it is doing, in a line."""
        lines = [] if self._socket is None else [self._socket.state]
        if self.gate is not None:
            lines.append(f"HTTP: {PATH} is open, {self._last or 'nothing has come yet'}")
        return "; ".join(lines) or OFF

    def start(self) -> None:
        """Open the socket, where there is a token for it; for the one process that runs the schedule."""
        if self._socket is not None:
            self._socket.start()

    async def stop(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            await self._socket.stop()

    async def events(self, request: Request) -> Response:
        """What Slack posts: let in, handed on, answered; 401 for whatever is not Slack's, 404 where it is off."""
        if self.gate is None or self._handler is None:
            return problem(404, OFF)
        try:
            body = await self.gate.admit(request)
            answer = await self._hand_on(request, body)
        except Refusal as refusal:
            await self.gate.note(str(refusal), request)
            return problem(401, "Not a request of Slack, or not a new one.")
        self._last = f"last request {hhmm(self._clock.now())} UTC"
        return answer

    async def _hand_on(self, request: Request, body: bytes) -> Response:
        sent = False

        async def receive() -> Message:
            nonlocal sent
            if sent:
                return {"type": "http.disconnect"}
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        assert self._handler is not None  # noqa: S101 - asked before; tells the type checker
        try:
            answer = await self._handler.handle(Request(request.scope, receive))
        except Exception as error:
            log.exception("a signed request from Slack could not be read")
            raise Refusal("not of Slack's shape") from error
        if answer.status_code >= 500:
            raise Refusal("not of Slack's shape")
        return answer


@router.post(PATH)
async def events(request: Request) -> Response:
    """Slack's door; it proves who it is with each request's signature, not with a session."""
    slack: SlackApp | None = getattr(request.app.state, "slack_app", None)
    return problem(404, OFF) if slack is None else await slack.events(request)
