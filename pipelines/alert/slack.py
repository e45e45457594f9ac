"""Slack's two doors: the Web API with a bot token, whose history can be asked, and the incoming webhook, which only takes.

The library's own retries are off: it repeats a post after a reset that came when Slack had already taken it.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from http.client import HTTPException
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse
from slack_sdk.webhook import WebhookClient

from pipelines.alert.deliver import NotSent, Refused, Sender, Uncertain
from pipelines.alert.message import EVENT_TYPE, Message
from pipelines.alert.slack_outcome import answer_outcome, api_outcome, wire_outcome
from pipelines.settings_sections import Slack

TIMEOUT_S = 8
CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{5,}")
PAGES, PAGE = 20, 200


def build_bot(slack: Slack) -> BotSender | None:
    """The Web API, where a bot token and a channel are set."""
    token = slack.bot_token.get_secret_value()
    if not (token and slack.channel):
        return None
    client = WebClient(token, base_url=slack.url, timeout=TIMEOUT_S, ssl=_tls(), retry_handlers=[])
    return BotSender(client, slack.channel)


def build_sender(slack: Slack) -> Sender | None:
    """The best door that is configured: the bot, else the webhook, else None."""
    bot, webhook = build_bot(slack), slack.webhook_url.get_secret_value()
    if bot is not None:
        return bot
    if not webhook:
        return None
    return WebhookSender(WebhookClient(webhook, timeout=TIMEOUT_S, ssl=_tls(), retry_handlers=[]))


@cache
def _tls() -> ssl.SSLContext:
    """Full verification, read at the start: the library would at its first request, and reading the certificate authorities
    holds the interpreter, and the event loop with it, whatever thread it is in."""
    return ssl.create_default_context()


def takes_presses(slack: Slack) -> bool:
    """Whether buttons make sense: the bot writes the messages, and a press can be proven to be Slack's."""
    proof = slack.signing_secret.get_secret_value() or slack.app_token.get_secret_value()
    return bool(slack.bot_token.get_secret_value() and slack.channel and proof)


NEEDS_ID = "set HEATMAP_SLACK__CHANNEL to the channel's ID (C...), not its name: only so can a thread be read"


class BotSender:
    """The channel by the Web API: post, reply, edit, and look what arrived. ``channel``: its ID; by a name it can be
    posted to but not looked into. Every method raises the outcomes of ``deliver``."""

    def __init__(self, client: WebClient, channel: str) -> None:
        self._client, self._channel = client, channel
        self.can_look = CHANNEL_ID.fullmatch(channel) is not None

    def post(self, message: Message) -> str | None:
        """Post, under ``message.thread`` where it names a message; the message's ts."""
        if message.thread and not self.can_look:
            raise Refused(NEEDS_ID)
        reply = self._ask(
            self._client.chat_postMessage, text=message.text, blocks=list(message.blocks), metadata=message.metadata,
            thread_ts=message.thread or None, link_names=False, parse="none", unfurl_links=False, unfurl_media=False,
        )  # fmt: skip
        return str(reply["ts"]) if reply.get("ts") else None

    def edit(self, ts: str, message: Message) -> None:
        """Put ``message`` in the place of the one at ``ts``; :class:`Gone` where a person deleted that."""
        if not self.can_look:
            raise Refused(NEEDS_ID)
        self._ask(
            self._client.chat_update, ts=ts, text=message.text, blocks=list(message.blocks), metadata=message.metadata,
            link_names=False, parse="none",
        )  # fmt: skip

    def find(self, key: str, since: datetime, thread: str = "") -> str | None:
        """The ts of the message of that key, in the channel or under ``thread``; None where neither shows one."""
        cursor: str | None = None
        for _ in range(PAGES):
            page = self._page(since, cursor, thread)
            for found in page.get("messages") or ():
                metadata = found.get("metadata") or {}
                if metadata.get("event_type") == EVENT_TYPE and (metadata.get("event_payload") or {}).get("key") == key:
                    return str(found["ts"])
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or None
            if not page.get("has_more") or cursor is None:
                return None
        raise NotSent("the channel moved on too far to be read back")

    def _page(self, since: datetime, cursor: str | None, thread: str) -> Mapping[str, Any]:
        asked: dict[str, Any] = {
            "oldest": f"{since.timestamp():.6f}", "include_all_metadata": True, "limit": PAGE, "cursor": cursor,
        }  # fmt: skip
        try:
            if thread:
                return self._ask(self._client.conversations_replies, ts=thread, **asked)
            return self._ask(self._client.conversations_history, **asked)
        except Uncertain as problem:
            raise NotSent(str(problem)) from problem

    def _ask(self, call: Callable[..., SlackResponse], **arguments: Any) -> Mapping[str, Any]:
        try:
            reply = call(channel=self._channel, **arguments)
        except SlackApiError as error:
            raise api_outcome(error) from error
        except (SlackClientError, HTTPException, OSError) as error:
            raise wire_outcome(error) from error
        return reply.data if isinstance(reply.data, dict) else {}


class WebhookSender:
    """An incoming webhook: posts, tells no place, and cannot be asked."""

    can_look = False

    def __init__(self, client: WebhookClient) -> None:
        self._client = client

    def post(self, message: Message) -> str | None:
        """Post. Raises the outcomes of ``deliver``."""
        body = {"text": message.text, "blocks": list(message.blocks), "unfurl_links": False, "unfurl_media": False}
        try:
            reply = self._client.send_dict(body)
        except (SlackClientError, HTTPException, OSError) as error:
            raise wire_outcome(error) from error
        if reply.status_code == 200:
            return None
        headers = {name.lower(): value for name, value in reply.headers.items()}
        raise answer_outcome(reply.status_code, reply.body.strip()[:80], headers, "")

    def find(self, key: str, since: datetime, thread: str = "") -> str | None:
        """A webhook has no history."""
        raise Refused("a webhook cannot be asked")
