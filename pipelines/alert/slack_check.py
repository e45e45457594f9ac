"""Whether Slack is set up, asked of Slack itself: token, permissions, channel, buttons. Nothing is posted or changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any, Literal

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from pipelines.alert.slack import CHANNEL_ID, TIMEOUT_S
from pipelines.alert.slack_outcome import api_outcome, wire_outcome
from pipelines.settings import Settings
from pipelines.settings_sections import Slack

Standing = Literal["ok", "missing", "wrong"]
Found = tuple[str, Standing, str]
"""(what was asked about, how it stands, what it means and what to do)."""
CALLS: Mapping[str, tuple[str, ...]] = {
    "auth.test": (), "views.open": (), "chat.postMessage": ("chat:write",), "chat.update": ("chat:write",),
    "chat.postEphemeral": ("chat:write",), "conversations.history": ("channels:history", "groups:history"),
    "conversations.replies": ("channels:history", "groups:history"), "users.info": ("users:read",),
}  # fmt: skip
"""Every method this product calls with the bot token, and the permissions it needs: in a public or a private channel."""
LOST_BY_WEBHOOK = (
    "A webhook posts and nothing else: no buttons or forms (links to the pages instead), no state in the message, no tease "
    "in the thread, and after a crash a message may come twice, marked as such. Set HEATMAP_SLACK__BOT_TOKEN and "
    "HEATMAP_SLACK__CHANNEL to have all of it."
)
BY_NAME = (
    "HEATMAP_SLACK__CHANNEL is a name; set the channel's ID (C..., at the foot of the channel's About): only so can a "
    "message in doubt be looked for and be edited"
)
NO_PROOF = (
    "Buttons are left out, since nobody could tell a press from a forgery; set HEATMAP_SLACK__SIGNING_SECRET (and give "
    "Slack this server's address), or HEATMAP_SLACK__APP_TOKEN for Socket Mode"
)
NO_ADDRESS = (
    "a signing secret is set, but HEATMAP_PUBLIC_URL is not; Slack must reach this server over HTTPS at /slack/events, or "
    "use Socket Mode: HEATMAP_SLACK__APP_TOKEN"
)


def check_slack(settings: Settings) -> list[Found]:
    """How each part stands, in the order in which they are set up. Blocking; never raises for what Slack does."""
    slack = settings.slack
    if not slack.bot_token.get_secret_value():
        if slack.webhook_url.get_secret_value():
            return [("webhook", "ok", LOST_BY_WEBHOOK)]
        line = "not configured. Set HEATMAP_SLACK__BOT_TOKEN and HEATMAP_SLACK__CHANNEL; docs/slack.md says how"
        return [("slack", "missing", line)]
    client = WebClient(slack.bot_token.get_secret_value(), base_url=slack.url, timeout=TIMEOUT_S, retry_handlers=[])
    found = _token(client)
    if found[-1][1] == "wrong" and found[-1][0] == "token":
        return found
    return [*found, _channel(client, slack.channel), _buttons(settings), *_socket(slack)]


def _token(client: WebClient) -> list[Found]:
    headers: Any = {}

    def ask() -> str:
        nonlocal headers
        answer = client.auth_test()
        headers = answer.headers
        return f"taken: {answer.get('user') or 'the app'} in {answer.get('team') or 'the workspace'}"

    token = _asked("token", ask)
    given = _scopes(headers)
    if token[1] == "wrong" or given is None:
        return [token]
    lacking = sorted({needs[0] for needs in CALLS.values() if needs and not given & set(needs)})
    if not lacking:
        return [token, ("permissions", "ok", ", ".join(sorted(given)))]
    # without users:read an assigned person is shown by id: worse, not broken
    standing: Standing = "missing" if lacking == ["users:read"] else "wrong"
    line = f"the app lacks {' and '.join(lacking)}; add them under OAuth & Permissions and install the app again"
    return [token, ("permissions", standing, line)]


def _channel(client: WebClient, channel: str) -> Found:
    if not channel:
        return "channel", "missing", "set HEATMAP_SLACK__CHANNEL to the ID of the channel for alerts"
    if CHANNEL_ID.fullmatch(channel) is None:
        return "channel", "wrong", BY_NAME

    def ask() -> str:
        client.conversations_history(channel=channel, limit=1)
        return "the app is in it and may read it"

    return _asked("channel", ask)


def _buttons(settings: Settings) -> Found:
    slack = settings.slack
    if slack.app_token.get_secret_value():
        return "buttons", "ok", "presses come through Socket Mode"
    if not slack.signing_secret.get_secret_value():
        return "buttons", "missing", NO_PROOF
    if not settings.public_url.startswith("https://"):
        return "buttons", "wrong", NO_ADDRESS
    return "buttons", "ok", f"Slack's Request URL must be {settings.public_url.rstrip('/')}/slack/events"


def _socket(slack: Slack) -> list[Found]:
    """Whether the app token opens a connection; the address it gives is not used."""
    token = slack.app_token.get_secret_value()
    if not token:
        return []
    client = WebClient(base_url=slack.url, timeout=TIMEOUT_S, retry_handlers=[])

    def ask() -> str:
        client.apps_connections_open(app_token=token)
        return "the app token opens a connection"

    name, standing, line = _asked("socket mode", ask)
    return [(name, standing, line.replace("HEATMAP_SLACK__BOT_TOKEN", "HEATMAP_SLACK__APP_TOKEN"))]


def _asked(name: str, ask: Callable[[], str]) -> Found:
    try:
        return name, "ok", ask()
    except SlackApiError as error:
        return name, "wrong", str(api_outcome(error))
    except (SlackClientError, HTTPException, OSError) as error:
        return name, "wrong", str(wire_outcome(error))


def _scopes(headers: Any) -> set[str] | None:
    """The app's permissions as Slack names them beside its answer; None where it did not."""
    named = {str(name).lower(): value for name, value in dict(headers).items()}
    value = named.get("x-oauth-scopes")
    return {part.strip() for part in str(value).split(",")} if value else None
