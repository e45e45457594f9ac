"""Socket Mode: the connection this server opens to Slack where Slack cannot reach it. Kept open, and its state in words."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import datetime
from typing import Any

import structlog
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from heatmap_app.slack_tell import TIMEOUT_S, WIRE, code_of
from pipelines.alert.words import hhmm
from pipelines.clock import Clock, SystemClock
from pipelines.settings_sections import Slack

log = structlog.get_logger(__name__)

CONNECT_S, LOST_S, LONGEST_S, LOOK_S, PING_S = 20.0, 30.0, 60.0, 0.5, 5.0
"""How long a connection may take; how long the library may try to mend one; the longest pause between two tries."""
SETTING = "HEATMAP_SLACK__APP_TOKEN"
REFUSED = {
    "invalid_auth": f"the app token was refused; set {SETTING} to a current one",
    "not_authed": f"no app token arrived; set {SETTING}",
    "not_allowed_token_type": f"{SETTING} is no app-level token; it starts with xapp-",
    "missing_scope": "the app token lacks connections:write; somebody who manages the app makes a new one with it",
    "socket_mode_not_enabled": "Socket Mode is off; somebody who manages the app turns it on at api.slack.com/apps",
    "token_revoked": f"the app token was revoked; make a new one and set {SETTING}",
}


class Socket:
    """One connection, made again whenever it is lost. On the event loop only."""

    def __init__(self, app: AsyncApp, slack: Slack, clock: Clock | None = None) -> None:
        self._app, self._slack, self._clock = app, slack, clock or SystemClock()
        self._task: asyncio.Task[None] | None = None
        self._handler: Any = None  # the library's connect and close carry no types
        self.state = "Socket Mode: not started"

    def start(self) -> None:
        """Connect, and stay connected."""
        self._task = asyncio.create_task(self._keep(), name="slack socket")

    async def stop(self) -> None:
        """Close the connection."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._close()
        self._say("Socket Mode: stopped")

    async def _keep(self) -> None:
        tries = 0
        while True:
            try:
                if await self._connected_once():
                    tries = 0
            except Exception as error:  # noqa: BLE001 - the connection is tried again whatever it was
                self._say(f"Socket Mode: not connected: {_words(error)}")
            finally:
                await self._close()
            tries += 1
            await asyncio.sleep(min(LONGEST_S, 0.5 * 2.0 ** min(tries, 8)))

    async def _connected_once(self) -> bool:
        """Connect and watch until the connection has been gone for a while; True where there was one."""
        quiet = logging.getLogger("heatmap.slack.socket")
        quiet.setLevel(logging.CRITICAL)  # its errors name the address with the ticket; ours say the same in words
        client = AsyncWebClient(base_url=self._slack.url, timeout=TIMEOUT_S, retry_handlers=[])
        handler: Any = AsyncSocketModeHandler(
            self._app, self._slack.app_token.get_secret_value(), logger=quiet, web_client=client, ping_interval=PING_S
        )
        self._handler = handler
        # asked here, where a refusal can be put into words: the library would only try again
        handler.client.wss_uri = await handler.client.issue_new_wss_url()
        await asyncio.wait_for(handler.connect_async(), CONNECT_S)
        since, lost = self._clock.now(), 0.0
        while lost < LOST_S:
            if await handler.client.is_connected():
                since = since if lost == 0.0 else self._clock.now()
                lost = 0.0
                self._say(_connected(since))
            else:
                lost += LOOK_S
                self._say("Socket Mode: connection lost, reconnecting")
            await asyncio.sleep(LOOK_S)
        return True

    async def _close(self) -> None:
        handler, self._handler = self._handler, None
        if handler is not None:
            with contextlib.suppress(Exception):
                await handler.close_async()

    def _say(self, state: str) -> None:
        if state != self.state:
            self.state = state
            log.info("slack", line=state)


def _connected(since: datetime) -> str:
    return f"Socket Mode: connected since {hhmm(since)} UTC"


def _words(error: Exception) -> str:
    if isinstance(error, SlackApiError):
        return REFUSED.get(code_of(error), f"Slack answered {code_of(error)}")
    if isinstance(error, WIRE):
        return f"Slack cannot be reached ({type(error).__name__})"
    log.error("socket mode failed", kind=type(error).__name__)
    return type(error).__name__
