"""How a person in Slack is told what came of a press: by the press's own answer address, in the channel for their eyes
only, or in a small window, whichever Slack takes first. Words for Slack's refusals stand here too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from pipelines.alert.addresses import is_slack_url
from pipelines.alert.blocks import cut, escape, section
from pipelines.alert.modals import Origin, notice_view
from pipelines.alert.slack_outcome import PLAIN
from pipelines.people import Person
from pipelines.settings_sections import Slack

log = structlog.get_logger(__name__)

TIMEOUT_S = 8
TOO_LONG = "That took too long for Slack. Press the button again."
NOT_SAVED = "Not saved: the database is not answering. Press again in a minute."
NOT_OPENED = "Not opened: the database is not answering. Press again in a minute."
NOT_ANSWERED = "Slack did not answer in time. Press the button again."
FAILED = "That did not work: this server failed, and its log says why. Nothing more was done."
LATE = {"expired_trigger_id", "exchanged_trigger_id", "invalid_trigger_id", "trigger_expired", "trigger_exchanged"}
WIRE = (SlackClientError, aiohttp.ClientError, asyncio.TimeoutError, OSError)
"""What a call to Slack raises when there was no answer, or no sense in it; SlackApiError is asked about first."""


@dataclass(frozen=True, slots=True)
class Press:
    """One press of a button or one submitted form: who, what it is about, and the ways to answer."""

    person: Person
    user: str
    origin: Origin
    trigger: str = ""
    answer: str = ""
    """The response_url; empty for a form."""


def person_of(body: Mapping[str, Any]) -> Person:
    """Who pressed, by the name Slack sends along."""
    user = body["user"]
    name = next((str(user[key]) for key in ("name", "username") if user.get(key)), str(user["id"]))
    return Person(f"slack:{user['id']}", cut(name, 100))


def words_of(error: SlackApiError) -> str:
    """What a refusal of Slack means and what to do, without a full stop."""
    reply = error.response
    found = reply.data if isinstance(getattr(reply, "data", None), dict) else reply
    code = str(found.get("error") or "") if isinstance(found, Mapping) else ""
    needed = str(found.get("needed") or "see the app's page") if isinstance(found, Mapping) else ""
    return PLAIN.get(code, f"Slack answered {code or 'nothing it should'}").format(needed=needed)


def code_of(error: SlackApiError) -> str:
    """Slack's own word for a refusal."""
    return str(error.response.get("error") or "") if error.response is not None else ""


class Teller:
    """Tells people. Never raises: where Slack takes no answer at all, the log has it."""

    def __init__(self, client: AsyncWebClient, settings: Slack) -> None:
        self._client, self._settings = client, settings

    async def tell(self, press: Press, text: str) -> None:
        """Say ``text`` to the person of ``press``, and to nobody else."""
        if await self._answer(press, text):
            return
        trouble = await self._ephemeral(press, text)
        if trouble is None:
            return
        more = f"{text} Slack does not show it in the channel: {trouble}." if trouble else text
        if not await self.open(press, notice_view(more)):
            log.warning("could not tell a person in Slack", user=press.user, line=text)

    async def open(self, press: Press, view: dict[str, Any]) -> bool:
        """Open ``view`` where that still works."""
        if not press.trigger:
            return False
        try:
            await self._client.views_open(trigger_id=press.trigger, view=view)
        except (SlackApiError, *WIRE):
            return False
        return True

    async def _answer(self, press: Press, text: str) -> bool:
        """By the press's own address, which needs no permission; only where it is Slack's."""
        if not press.answer:
            return False
        if not is_slack_url(press.answer, self._settings):
            log.warning("a press named an answer address that is not Slack's", user=press.user)
            return False
        client = AsyncWebhookClient(press.answer, timeout=TIMEOUT_S, retry_handlers=[])
        try:
            reply = await client.send(
                text=escape(cut(text, 500)), blocks=[section(text)], response_type="ephemeral", replace_original=False,
            )  # fmt: skip
        except WIRE:
            return False
        return reply.status_code == 200

    async def _ephemeral(self, press: Press, text: str) -> str | None:
        """In the channel. None where it was taken; otherwise why not, empty where there is nothing to say about it."""
        if not press.origin.channel:
            return ""
        try:
            await self._client.chat_postEphemeral(
                channel=press.origin.channel, user=press.user, text=escape(cut(text, 500)), blocks=[section(text)],
            )  # fmt: skip
        except SlackApiError as error:
            return words_of(error)
        except WIRE:
            return "Slack did not answer"
        return None
