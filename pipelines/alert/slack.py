"""Slack's two doors: the Web API with a bot token, whose history can be asked, and the incoming webhook, which only takes.

The library's own retries are off: it repeats a post after a reset that came when Slack had already taken it.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Mapping
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.webhook import WebhookClient

from pipelines.alert.deliver import NotSent, RateLimited, Refused, Sender, Uncertain
from pipelines.alert.message import EVENT_TYPE, Message
from pipelines.settings import Slack

TIMEOUT_S = 8
CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{5,}")
PAGES, PAGE = 20, 200
UNSURE = {"internal_error", "fatal_error", "request_timeout", "service_unavailable", "team_added_to_org"}
PLAIN = {
    "channel_is_archived": "the channel is archived; unarchive it or set another HEATMAP_SLACK__CHANNEL",
    "is_archived": "the channel is archived; unarchive it or set another HEATMAP_SLACK__CHANNEL",
    "channel_not_found": "the channel is not there for this app; check HEATMAP_SLACK__CHANNEL and invite the app",
    "not_in_channel": "the app is not in the channel; invite it with /invite",
    "missing_scope": "the app lacks a permission: {needed}; add it to the app and install it again",
    "invalid_auth": "the token was refused; set HEATMAP_SLACK__BOT_TOKEN to the app's current one",
    "not_authed": "no token arrived; set HEATMAP_SLACK__BOT_TOKEN",
    "token_revoked": "the token was revoked; install the app again and set HEATMAP_SLACK__BOT_TOKEN",
    "account_inactive": "the app was removed from the workspace; install it again",
    "invalid_token": "the webhook's token was refused; set HEATMAP_SLACK__WEBHOOK_URL to a current one",
    "no_service": "the webhook was removed; make a new one and set HEATMAP_SLACK__WEBHOOK_URL",
    "no_team": "the workspace is gone; set HEATMAP_SLACK__WEBHOOK_URL to a current webhook",
    "action_prohibited": "an administrator has forbidden posts here",
    "restricted_action": "an administrator has forbidden posts here",
}


def build_sender(slack: Slack) -> Sender | None:
    """The best door that is configured: the bot, else the webhook, else None."""
    token, webhook = slack.bot_token.get_secret_value(), slack.webhook_url.get_secret_value()
    if token and slack.channel:
        return BotSender(WebClient(token, base_url=slack.url, timeout=TIMEOUT_S, retry_handlers=[]), slack.channel)
    return WebhookSender(WebhookClient(webhook, timeout=TIMEOUT_S, retry_handlers=[])) if webhook else None


def takes_presses(slack: Slack) -> bool:
    """Whether buttons make sense: the bot writes the messages, and a press can be proven to be Slack's."""
    proof = slack.signing_secret.get_secret_value() or slack.app_token.get_secret_value()
    return bool(slack.bot_token.get_secret_value() and slack.channel and proof)


class BotSender:
    """``chat.postMessage``, and ``conversations.history`` to see what arrived. ``channel``: its ID; by a name it can be
    posted to but not looked into."""

    def __init__(self, client: WebClient, channel: str) -> None:
        self._client, self._channel = client, channel
        self.can_look = CHANNEL_ID.fullmatch(channel) is not None

    def post(self, message: Message) -> str | None:
        """Post; the message's ts. Raises the outcomes of ``deliver``."""
        try:
            reply = self._client.chat_postMessage(
                channel=self._channel, text=message.text, blocks=list(message.blocks), metadata=message.metadata,
                link_names=False, parse="none", unfurl_links=False, unfurl_media=False,
            )  # fmt: skip
        except SlackApiError as error:
            raise _api_outcome(error) from error
        except (SlackClientError, HTTPException, OSError) as error:
            raise _wire_outcome(error) from error
        return str(reply.get("ts")) if reply.get("ts") else None

    def find(self, key: str, since: datetime) -> str | None:
        """The ts of the message of that key; None where the channel does not show one."""
        cursor: str | None = None
        for _ in range(PAGES):
            page = self._page(since, cursor)
            for found in page.get("messages") or ():
                metadata = found.get("metadata") or {}
                if metadata.get("event_type") == EVENT_TYPE and (metadata.get("event_payload") or {}).get("key") == key:
                    return str(found["ts"])
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or None
            if not page.get("has_more") or cursor is None:
                return None
        raise NotSent("the channel moved on too far to be read back")

    def _page(self, since: datetime, cursor: str | None) -> Mapping[str, Any]:
        try:
            reply = self._client.conversations_history(
                channel=self._channel, oldest=f"{since.timestamp():.6f}", include_all_metadata=True, limit=PAGE,
                cursor=cursor,
            )  # fmt: skip
        except SlackApiError as error:
            outcome = _api_outcome(error)
            raise (NotSent(str(outcome)) if isinstance(outcome, Uncertain) else outcome) from error
        except (SlackClientError, HTTPException, OSError) as error:
            raise NotSent(str(_wire_outcome(error))) from error
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
            raise _wire_outcome(error) from error
        if reply.status_code == 200:
            return None
        headers = {name.lower(): value for name, value in reply.headers.items()}
        raise _outcome(reply.status_code, reply.body.strip()[:80], headers, "")

    def find(self, key: str, since: datetime) -> str | None:
        """A webhook has no history."""
        raise Refused("a webhook cannot be asked")


Outcomes = RateLimited | NotSent | Uncertain | Refused


def _api_outcome(error: SlackApiError) -> Outcomes:
    reply = error.response
    data = reply.get("error") if isinstance(getattr(reply, "data", reply), dict) else ""
    needed = str(reply.get("needed") or "") if data else ""
    headers = {str(name).lower(): str(value) for name, value in dict(getattr(reply, "headers", {})).items()}
    return _outcome(int(getattr(reply, "status_code", 500)), str(data or ""), headers, needed)


def _outcome(status: int, code: str, headers: Mapping[str, str], needed: str) -> Outcomes:
    """What an answer of Slack means for the message."""
    if status == 429 or code in {"ratelimited", "rate_limited"}:
        return RateLimited(_seconds(headers.get("retry-after")))
    if status >= 500 or code in UNSURE or (status == 200 and not code):
        return Uncertain(f"Slack answered {status} {code}".strip())
    return Refused(
        PLAIN.get(code, f"Slack answered {status} {code}".strip()).format(needed=needed or "see the app's page")
    )


def _seconds(value: str | None) -> float:
    """Retry-After in seconds; 60 where it is not a number, never more than an hour."""
    try:
        return min(3600.0, max(1.0, float(value or 60)))
    except ValueError:
        return 60.0


def _wire_outcome(error: Exception) -> NotSent | Uncertain:
    """An attempt without an answer: sure not to have arrived only where no connection was made."""
    reason = error.reason if isinstance(error, URLError) else error
    never = (ConnectionRefusedError, socket.gaierror, ssl.SSLCertVerificationError)
    if isinstance(reason, never):
        return NotSent(f"Slack cannot be reached ({type(reason).__name__})")
    return Uncertain(f"no answer from Slack ({type(reason).__name__})")
