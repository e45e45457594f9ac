"""Which addresses that come with a click are Slack's own: the only ones an answer is posted to."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from pipelines.settings import Settings
from pipelines.settings_sections import Slack

OFFICIAL = frozenset({"slack.com", "hooks.slack.com", "slack-gov.com", "hooks.slack-gov.com"})


def is_slack_url(url: str, settings: Settings | Slack) -> bool:
    """Whether ``url`` (a ``response_url``, say) is at Slack, or at the stand-in the settings put in Slack's place.

    Exact hosts, https, no port, no user name; a stand-in must match in scheme, host and port. Never raises.
    """
    slack = settings.slack if isinstance(settings, Settings) else settings
    parts, base = _split(url), _split(slack.url)
    if parts is None or parts.username is not None or parts.password is not None or "\\" in url:
        return False
    if parts.scheme == "https" and parts.hostname in OFFICIAL and parts.port in (None, 443):
        return True
    return base is not None and base.hostname not in OFFICIAL and _place(parts) == _place(base)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _port = parts.port  # read here, where a bad one is caught
    except ValueError:
        return None
    return parts if parts.hostname else None


def _place(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
