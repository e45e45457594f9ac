"""One story whose name, titles and typed lines are Slack's own markup, followed through every place that shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from markdown_it import MarkdownIt

from heatmap_app import problems
from heatmap_app.web import alerts, research
from pipelines.alert import actions
from pipelines.alert.deliver import Deliverer, Pace
from pipelines.alert.edit import Editor
from pipelines.alert.promo import make_promo
from pipelines.alert.slack import build_bot
from pipelines.clock import ManualClock
from pipelines.outbox import SLACK
from pipelines.people import CardForm, Person
from pipelines.settings import load_settings
from pipelines.store import Store
from tests.contract.slack_desk import HTTP, PUBLIC, SlackDesk, _Later, slack_desk
from tests.contract.test_research import NOW, SLUG, links, pdf_text, told
from tests.upstreams import server
from tests.upstreams import slack as standin
from tests.upstreams.slack_limits import marked

STORY = "<!channel> *x* <https://evil|bank>"
OURS = (f"{PUBLIC}/", "https://example.org/")
IN_SLACK = ("message", "edited message", "thread", "assign", "card", "promo", "pack", "told")
PAGES = ("/alerts", "/alerts/{number}", f"/research/{SLUG}")


@dataclass
class Told:
    """What Slack shows, by place, and a client for the pages over the same store."""

    slack: dict[str, Any]
    client: httpx.Client
    number: int


@pytest.fixture(scope="module")
def shown(embedded_url: str) -> Iterator[Told]:
    """The story alerted, sent, acted on, and the message edited."""
    store = Store.open(embedded_url, "demo")
    store.upgrade()
    store.reset()
    with slack_desk(store, **HTTP) as desk:
        told(store, STORY)
        number = int(store.alert_rows()[0]["id"])
        store.resend_alert(number, SLACK, _Later().now(), "ana")
        places = _in_slack(desk, number)
        with _pages(store) as client:
            yield Told(places, client, number)
    store.close()


def _in_slack(desk: SlackDesk, number: int) -> dict[str, Any]:
    """Everything that reaches Slack, in the order it does."""
    bot = build_bot(desk.settings.slack)
    assert bot is not None
    clock, pace = _Later(), Pace(pause=timedelta(0))
    Deliverer(desk.store, bot, clock, PUBLIC, pace, buttons=True, tell=lambda line: None).step()
    (message,) = desk.slack.messages
    before = dict(message)
    forms = {name: desk.opened(message, name) for name in ("assign", "card", "promo", "pack")}
    desk.person(name=STORY).submit(forms["assign"], {"name": STORY, "note": STORY})
    desk.told()
    by, now = Person("slack:U0SAM", STORY), clock.now()
    card = CardForm("a-slug", STORY, 45, STORY, (STORY,))
    actions.create_card(desk.store, number, by, now, card, once="card", rundown=False)
    actions.choose_tease(desk.store, number, by, now, text=STORY, once="tease")
    Deliverer(desk.store.promo_box, bot, _Later(), PUBLIC, pace, make=make_promo, tell=lambda line: None).step()
    Editor(desk.store, bot, _Later(), PUBLIC, buttons=True).step()
    assert message["edited"] == 1
    said = {"blocks": [one["blocks"] for one in (*desk.slack.whispers, *desk.slack.answers)]}
    return {"message": before, "edited message": message, "thread": desk.slack.replies[0], **forms, "told": said}


@contextmanager
def _pages(store: Store) -> Iterator[httpx.Client]:
    app = FastAPI()
    problems.install(app)
    for module in (alerts, research):
        app.include_router(module.router)
    clock = ManualClock(NOW)
    reader = SimpleNamespace(mode="demo", poll_seconds={"reddit": 60.0}, clock=clock)
    app.state.reader = reader
    app.state.runtime = SimpleNamespace(
        store=store, settings=load_settings(mode="demo", public_url=PUBLIC), mode="demo", deliverer=None, reader=reader,
        world=SimpleNamespace(clock=clock),
    )  # fmt: skip
    with server.serving(app) as running, httpx.Client(base_url=running.url, trust_env=False, timeout=30) as client:
        yield client


def get(shown: Told, path: str) -> httpx.Response:
    answer = shown.client.get(path.format(number=shown.number))
    assert answer.status_code == 200, answer.text[:500]
    return answer


@pytest.mark.parametrize("place", IN_SLACK)
def test_in_slack_it_pings_nobody_links_nowhere_and_reads_as_written(shown: Told, place: str) -> None:
    found = shown.slack[place]
    assert standin.pings(found) == []
    assert all(link.startswith(OURS) for link in standin.links(found))
    assert not any("*x*" in text for text in marked(found)), "bold in Slack"
    assert STORY in _plain(found), "what it says can be read"


@pytest.mark.parametrize("path", PAGES)
def test_on_the_pages_it_is_text(shown: Told, path: str) -> None:
    page = get(shown, path).text
    assert STORY not in page
    assert STORY in unescape(page)
    assert not any("evil" in link for link in re.findall(r'(?:href|src|action)="([^"]*)"', page) if "://" in link)


def test_in_the_files_it_is_text(shown: Told) -> None:
    base = f"/research/{SLUG}"
    rendered = MarkdownIt("gfm-like", {"html": True}).render(get(shown, f"{base}.md").text)
    assert STORY in unescape(rendered), "neither bold nor cut"
    assert not any("evil" in href for href in re.findall(r'href="([^"]*)"', rendered))
    paper = get(shown, f"{base}.pdf").content
    assert "<!channel> *x*" in pdf_text(paper).replace("\n", " ")
    assert not any("evil" in link for link in links(paper))
    assert get(shown, f"{base}.json").json()["entity"]["name"] == STORY
    assert STORY in get(shown, f"{base}.csv").text


def _plain(value: Any) -> str:
    """All texts Slack shows as they are, and what fields are filled in with."""
    if isinstance(value, dict):
        own = str(value["text"]) if value.get("type") == "plain_text" and isinstance(value.get("text"), str) else ""
        return " ".join([own, str(value.get("initial_value") or ""), *map(_plain, value.values())])
    return " ".join(map(_plain, value)) if isinstance(value, list) else ""
