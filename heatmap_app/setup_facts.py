"""What is set up and what is missing, in words: for the set-up box of ``/sources`` and for ``heatmap doctor``. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipelines.alert.slack_check import LOST_BY_WEBHOOK
from pipelines.cache import CacheHealth
from pipelines.settings import Settings

Standing = Literal["ok", "missing", "off", "wrong"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing: ``off`` is optional and not used, ``wrong`` is set and does not work. ``line`` says what it means and
    what to do; ``variables`` to set."""

    name: str
    standing: Standing
    line: str
    variables: tuple[str, ...] = ()


def setup_facts(settings: Settings, cache: CacheHealth | None = None) -> tuple[Fact, ...]:
    """Every source, Slack and what else can be set up, in the order of a first set-up; ``cache`` as it is doing now."""
    return (
        _reddit(settings), Fact("Trends", "ok", "Needs nothing to be set."), _explore(settings), _tiktok(settings),
        _trades(settings), *slack_facts(settings), _writer(settings), _cache(settings, cache),
    )  # fmt: skip


def slack_facts(settings: Settings) -> tuple[Fact, ...]:
    """Slack: how alerts get there, whether its buttons work, where rundown cards go, what links point to."""
    slack = settings.slack
    bot, channel = bool(slack.bot_token.get_secret_value()), bool(slack.channel)
    hook = bool(slack.webhook_url.get_secret_value())
    if bot and channel:
        how = Fact("Slack", "ok", "Alerts are posted by the bot, with buttons, forms and threads.")
    elif bot:
        how = Fact("Slack", "missing", "The bot has no channel to post in.", ("HEATMAP_SLACK__CHANNEL",))
    elif hook:
        how = Fact("Slack", "ok", f"Alerts go through a webhook. {LOST_BY_WEBHOOK}")
    else:
        names = ("HEATMAP_SLACK__BOT_TOKEN", "HEATMAP_SLACK__CHANNEL")
        how = Fact("Slack", "missing", "Alerts are kept here and sent nowhere.", names)
    return (how, *([_buttons(settings)] if bot else []), _rundown(settings), _public(settings))


def _buttons(settings: Settings) -> Fact:
    slack = settings.slack
    if slack.app_token.get_secret_value():
        return Fact("Slack buttons", "ok", "Presses come through Socket Mode; Slack need not reach this server.")
    if slack.signing_secret.get_secret_value():
        return Fact("Slack buttons", "ok", "Presses come to /slack/events, which Slack must be able to reach.")
    names = ("HEATMAP_SLACK__SIGNING_SECRET", "HEATMAP_SLACK__APP_TOKEN")
    return Fact("Slack buttons", "missing", "Presses are refused: one of these two is needed to know them.", names)


def _reddit(settings: Settings) -> Fact:
    needed = {
        "HEATMAP_REDDIT__CLIENT_ID": settings.reddit.client_id,
        "HEATMAP_REDDIT__CLIENT_SECRET": settings.reddit.client_secret.get_secret_value(),
    }
    missing = tuple(name for name, value in needed.items() if not value.strip())
    if missing:
        return Fact("Reddit", "missing", "Needs the id and secret of an approved Reddit app.", missing)
    if "set-your-name" in settings.reddit.user_agent:
        line = "Credentials are set. Reddit asks for a user agent that names an account; set yours."
        return Fact("Reddit", "ok", line, ("HEATMAP_REDDIT__USER_AGENT",))
    return Fact("Reddit", "ok", "Credentials are set.")


def _explore(settings: Settings) -> Fact:
    if settings.trends.explore:
        return Fact("Trends Explore", "ok", "Opted in: slow, and against Google's terms outside its API.")
    line = "Off. Hourly interest of known names, slow and against Google's terms outside its API."
    return Fact("Trends Explore", "off", line, ("HEATMAP_TRENDS__EXPLORE",))


def _tiktok(settings: Settings) -> Fact:
    if settings.tiktok.token.get_secret_value():
        cap = f"A run may cost {settings.tiktok.max_charge_usd:.2f} USD, a day {settings.tiktok.daily_charge_usd:.2f} USD."
        return Fact("TikTok", "ok", f"An Apify token is set. {cap}")
    return Fact("TikTok", "missing", "Needs an Apify token; runs cost money.", ("HEATMAP_TIKTOK__TOKEN",))


def _trades(settings: Settings) -> Fact:
    if settings.trades.feeds:
        count = len(settings.trades.feeds)
        return Fact("Trades", "ok", f"{count} {'feed' if count == 1 else 'feeds'}, for confirmation and for the lead.")
    return Fact("Trades", "missing", "No feed: leads cannot be measured.", ("HEATMAP_TRADES__FEEDS",))


def _rundown(settings: Settings) -> Fact:
    if settings.slack.rundown_url:
        return Fact("Rundown", "ok", "Submitted cards are posted to the rundown address.")
    return Fact("Rundown", "off", "Submitted cards are kept here and posted nowhere.", ("HEATMAP_SLACK__RUNDOWN_URL",))


def _public(settings: Settings) -> Fact:
    if settings.public_url:
        return Fact("Public address", "ok", "Links in messages lead to it.")
    line = "Links in messages lead to this machine only."
    return Fact("Public address", "off", line, ("HEATMAP_PUBLIC_URL",))


def _writer(settings: Settings) -> Fact:
    if settings.writer.url:
        return Fact("Writer", "ok", "May rephrase action packages; held to the same checks.")
    return Fact("Writer", "off", "Action packages are written by the templates alone.", ("HEATMAP_WRITER__URL",))


def _cache(settings: Settings, health: CacheHealth | None) -> Fact:
    if settings.redis_url.get_secret_value():
        if health is not None and not health.ok:
            return Fact("Cache", "wrong", health.line, ("HEATMAP_REDIS_URL",))
        return Fact("Cache", "ok", "Redis holds the cache and the rate limits.")
    return Fact("Cache", "off", "In this process; enough for one server.", ("HEATMAP_REDIS_URL",))
