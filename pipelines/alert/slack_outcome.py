"""What an answer of Slack, or none, means for a message: try later, look first, or tell a person what to do."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from urllib.error import URLError

from slack_sdk.errors import SlackApiError

from pipelines.alert.deliver import Gone, NotSent, RateLimited, Refused, Uncertain
from pipelines.clock import SystemClock
from pipelines.retry_after import retry_after_seconds

GONE = {"message_not_found", "message_deleted"}
UNSURE = {"internal_error", "fatal_error", "request_timeout", "service_unavailable", "team_added_to_org"}
PLAIN = {
    "channel_is_archived": "the channel is archived; unarchive it or set another HEATMAP_SLACK__CHANNEL",
    "is_archived": "the channel is archived; unarchive it or set another HEATMAP_SLACK__CHANNEL",
    "channel_not_found": "the channel is not there for this app; check HEATMAP_SLACK__CHANNEL and invite the app",
    "not_in_channel": "the app is not in the channel; invite it with /invite",
    "missing_scope": "the app lacks a permission: {needed}; somebody who manages the app adds it at api.slack.com/apps "
    "(OAuth & Permissions) and installs it again",
    "invalid_auth": "the token was refused; set HEATMAP_SLACK__BOT_TOKEN to the app's current one",
    "not_authed": "no token arrived; set HEATMAP_SLACK__BOT_TOKEN",
    "token_revoked": "the token was revoked; install the app again and set HEATMAP_SLACK__BOT_TOKEN",
    "account_inactive": "the app was removed from the workspace; install it again",
    "invalid_token": "the webhook's token was refused; set HEATMAP_SLACK__WEBHOOK_URL to a current one",
    "no_service": "the webhook was removed; make a new one and set HEATMAP_SLACK__WEBHOOK_URL",
    "thread_not_found": "the alert's message was deleted, and its thread with it",
    "cannot_reply_to_message": "nobody may reply to the alert's message",
    "restricted_action_thread_locked": "the alert's thread is locked",
    "no_team": "the workspace is gone; set HEATMAP_SLACK__WEBHOOK_URL to a current webhook",
    "action_prohibited": "an administrator has forbidden posts here",
    "restricted_action": "an administrator has forbidden posts here",
}

Outcomes = RateLimited | NotSent | Uncertain | Refused | Gone


def api_outcome(error: SlackApiError) -> Outcomes:
    """What an error of the Web API means."""
    reply = error.response
    data = reply.get("error") if isinstance(getattr(reply, "data", reply), dict) else ""
    needed = str(reply.get("needed") or "") if data else ""
    headers = {str(name).lower(): str(value) for name, value in dict(getattr(reply, "headers", {})).items()}
    return answer_outcome(int(getattr(reply, "status_code", 500)), str(data or ""), headers, needed)


def answer_outcome(status: int, code: str, headers: Mapping[str, str], needed: str) -> Outcomes:
    """What an answer of Slack means for the message."""
    if status == 429 or code in {"ratelimited", "rate_limited"}:
        return RateLimited(retry_after_seconds(headers.get("retry-after"), SystemClock().now()))
    if status >= 500 or code in UNSURE or (status == 200 and not code):
        return Uncertain(f"Slack answered {status} {code}".strip())
    if code in GONE:
        return Gone("the message was deleted")
    return Refused(
        PLAIN.get(code, f"Slack answered {status} {code}".strip()).format(needed=needed or "see the app's page")
    )


def wire_outcome(error: Exception) -> NotSent | Uncertain:
    """An attempt without an answer: sure not to have arrived only where no connection was made."""
    reason = error.reason if isinstance(error, URLError) else error
    never = (ConnectionRefusedError, socket.gaierror, ssl.SSLCertVerificationError)
    if isinstance(reason, never):
        return NotSent(f"Slack cannot be reached ({type(reason).__name__})")
    return Uncertain(f"no answer from Slack ({type(reason).__name__})")
