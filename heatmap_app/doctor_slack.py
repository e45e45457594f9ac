"""The doctor's question to Slack: does it take the token, has the app its scopes, and is it in the channel?"""

from __future__ import annotations

from http.client import HTTPException
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from heatmap_app.doctor import Check
from pipelines.alert.slack import CHANNEL_ID, takes_presses
from pipelines.alert.slack_outcome import api_outcome, wire_outcome
from pipelines.settings import Settings

NEEDED = ("chat:write", "channels:history")
TIMEOUT_S = 8
BY_NAME = (
    "the token is taken. HEATMAP_SLACK__CHANNEL is a name: set the channel's ID (C...), so that a message of which nobody "
    "knows whether it arrived can be looked for"
)


def ask_slack(settings: Settings) -> Check:
    """``auth.test``, its scopes header, and one look into the channel's history; nothing is posted."""
    slack = settings.slack
    client = WebClient(
        slack.bot_token.get_secret_value(), base_url=slack.url, timeout=TIMEOUT_S, retry_handlers=[]
    )  # fmt: skip
    try:
        answer = client.auth_test()
        given = _scopes(answer.headers)
        lacking = [scope for scope in NEEDED if given is not None and scope not in given]
        if lacking:
            return _wrong(f"the app lacks {' and '.join(lacking)}; add it to the app and install it again")
        if CHANNEL_ID.fullmatch(slack.channel) is None:
            return Check("slack", "ok", BY_NAME)
        client.conversations_history(channel=slack.channel, limit=1)
    except SlackApiError as error:
        return _wrong(str(api_outcome(error)) or "Slack asks to wait; try again later")
    except (SlackClientError, HTTPException, OSError) as error:
        return _wrong(f"{wire_outcome(error)}; check HEATMAP_SLACK__URL and the way out")
    return Check("slack", "ok", "the token is taken, and the app is in the channel" + _buttons(settings))


def _buttons(settings: Settings) -> str:
    if takes_presses(settings.slack):
        return ""
    return "; its buttons are refused until HEATMAP_SLACK__SIGNING_SECRET or HEATMAP_SLACK__APP_TOKEN is set"


def _scopes(headers: Any) -> set[str] | None:
    """The app's scopes as Slack names them beside every answer; None where it did not."""
    named = {str(name).lower(): value for name, value in dict(headers).items()}
    value = named.get("x-oauth-scopes")
    return {part.strip() for part in str(value).split(",")} if value else None


def _wrong(line: str) -> Check:
    return Check("slack", "wrong", line)
