"""The research pack over a real store: its values, its five formats, hostile names, and ten thousand receipts."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import polars as pl
import pytest
from fastapi import FastAPI
from markdown_it import MarkdownIt
from pypdf import PdfReader

from heatmap_app import problems
from heatmap_app.web import research
from heatmap_app.web.pack_doc import _decision
from pipelines.calibrate import DEFINED
from pipelines.clock import ManualClock
from pipelines.outbox import DECISIONS, EPISODES, Decided
from pipelines.read.pack import research_pack
from pipelines.refresh_alerts import _alert
from pipelines.settings import load_settings
from pipelines.store import Store
from tests.contract.store_rows import HOUR, T, add, item, mentions, result, save, score_frames
from tests.upstreams import server

MINUTE = timedelta(minutes=1)
NAME = "Odalys Brightwater"
SLUG = "odalys-brightwater"
NOW = T + 3 * HOUR
EVIL = 'Evil [x](http://bad.invalid) <script>alert(1)</script> ![i](http://bad.invalid/i.png) *b* @here www.bad.invalid "q"'
SETTINGS = load_settings(mode="demo", public_url="https://desk.example")


def told(store: Store, name: str = NAME, posts: int = 6) -> int:
    """A name with posts, a trend and a trade story three hours on, scored and alerted at T; its id."""
    one, two = store_ids(store, name)
    rows = [
        item(f"p{n}", published_at=T - n * MINUTE, title=f"{name} joins the cast of a film {n}", engagement=float(n))
        for n in range(posts)
    ]
    trend = [item("q", "trends", title=name.lower(), rank=1, engagement=5e5)]
    found = mentions(("trends", "q", one), ("reddit", "p1", two), *(("reddit", f"p{n}", one) for n in range(posts)))
    save(store, [result(rows, covered_from=T - 9 * HOUR), result(trend, "trends")], found)
    entities, platforms, history = score_frames([one, two], T)
    decision = {"entity": one, "heat": 1.7, "velocity_z": 3.1, "affect": 0.3, "confidence": 0.8, "spread_count": 2,
                "started_at": T - MINUTE, "trades_at": None, "sentence": "Fired at 12:00."}  # fmt: skip
    made = _alert(store, decision, store.alert_names([one])[0], platforms, DEFINED, T)
    nothing = pl.DataFrame(schema=DECISIONS), pl.DataFrame(schema=EPISODES)
    store.save_scores(T, entities, platforms, history, decided=Decided(*nothing, (made,)))
    later = T + 2 * HOUR
    story = item("v", "trades", later, feed="variety.com", published_at=later, title=f"{name} cast in a film")
    save(store, [result([story], "trades", later)], mentions(("trades", "v", one)))
    return one


def store_ids(store: Store, name: str) -> tuple[int, int]:
    one, two = add(store, name, "Saint Ferro", slug=pl.Series([SLUG, "saint-ferro"]))
    return one, two


@contextmanager
def client_of(store: Store, mode: str = "demo") -> Iterator[httpx.Client]:
    """The research pages over ``store``; the clock stands at :data:`NOW`."""
    app = FastAPI()
    problems.install(app)
    app.include_router(research.router)
    reader = SimpleNamespace(mode=mode, poll_seconds={"reddit": 60.0, "trends": 600.0, "trades": 600.0})
    world = SimpleNamespace(clock=ManualClock(NOW))
    app.state.runtime = SimpleNamespace(store=store, settings=SETTINGS, mode=mode, world=world, reader=reader)
    app.state.reader = reader
    with server.serving(app) as running, httpx.Client(base_url=running.url, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def client(embedded_store: Store) -> Iterator[httpx.Client]:
    told(embedded_store)
    with client_of(embedded_store) as made:
        yield made


def pdf_text(body: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(body)).pages)


def links(body: bytes) -> set[str]:
    found = set()
    for page in PdfReader(io.BytesIO(body)).pages:
        for note in page.get("/Annots") or ():
            action = note.get_object().get("/A")
            if action is not None:
                assert action["/S"] == "/URI"
                found.add(str(action["/URI"]))
    return found


def test_the_pack_has_everything(store: Store) -> None:
    told(store)
    pack = research_pack(store, SETTINGS, SLUG, NOW, mode="demo")
    assert pack is not None
    assert (pack.entity.name, pack.alert, pack.scored_at, pack.mode) == (NAME, None, T, "demo")
    assert {group.source: group.total for group in pack.receipts} == {
        "reddit": 6,
        "trends": 1,
        "tiktok": 0,
        "trades": 1,
    }
    assert [receipt.item_id for receipt in pack.receipts[0].items] == [f"p{n}" for n in range(6)]
    assert [row["name"] for row in pack.related] == ["Saint Ferro"]
    assert (pack.alerts[0].lead_hours, pack.alerts[0].lead) == (2.0, "2.0 h ahead")
    assert pack.package is not None
    assert pack.package["alert"] == pack.alerts[0].id
    assert pack.item is not None
    assert dict(pack.made)["gates.min_velocity"] == "2.5"
    assert not any("token" in key or "secret" in key for key, _ in pack.made)
    assert "Stale since" in pack.stale
    assert research_pack(store, SETTINGS, "nobody", NOW) is None


def test_a_story_without_a_time_of_its_own_makes_no_lead(store: Store) -> None:
    one, seen = told(store), T - HOUR
    save(store, [result([item("u", "trades", seen)], "trades", seen)], mentions(("trades", "u", one)))
    pack = research_pack(store, SETTINGS, SLUG, NOW, mode="demo")
    assert pack is not None
    assert (pack.trades.total, pack.alerts[0].lead_hours) == (2, 2.0)


def test_the_pack_as_of_an_alert(store: Store) -> None:
    told(store)
    number = store.alert_rows()[0]["id"]
    late = item("late", at=T + HOUR, published_at=T - MINUTE)
    save(store, [result([late], at=T + HOUR)], mentions(("reddit", "late", store.alert_rows()[0]["entity_id"])))
    pack = research_pack(store, SETTINGS, SLUG, NOW, mode="demo", alert=number)
    assert pack is not None
    assert (pack.as_of, pack.alert, pack.stale) == (T, number, "")
    assert pack.receipts[0].total == 6
    assert pack.trades.total == 1
    assert any("as they are today" in note for note in pack.notes)


def test_the_page(client: httpx.Client) -> None:
    answer = client.get(f"/research/{SLUG}")
    assert answer.status_code == 200
    page = answer.text
    for words in (NAME, "DEMO: invented data", "The score, opened up", "Action package", "Trades coverage", "2.0 h ahead",
                  "Saint Ferro", "HEAT 1.50", "= (0.5 × 3.00", "<svg", "variety.com", "Stale since"):  # fmt: skip
        assert words in page, words
    assert f'href="/research/{SLUG}.pdf"' in page
    assert page.count("data-copy=") >= 8
    assert 'href="https://example.org/p0"' in page


def test_the_other_formats(client: httpx.Client) -> None:
    found = client.get(f"/research/{SLUG}.md")
    assert found.headers["content-type"].startswith("text/markdown")
    assert found.text.startswith(f"# {NAME}\n")
    assert "](<https://example.org/p0>)" in found.text
    body = client.get(f"/research/{SLUG}.json").json()
    assert (body["entity"]["slug"], body["receipts"][0]["total"], body["alerts"][0]["lead_hours"]) == (SLUG, 6, 2.0)
    assert body["summary"][0] == f"At the alert, 1 Aug 12:00 UTC: {body['package']['hook']}", "a story came since"
    rows = list(csv.DictReader(io.StringIO(client.get(f"/research/{SLUG}.csv").text)))
    assert len(rows) == 8
    assert {row["source"] for row in rows} == {"reddit", "trends", "trades"}


def test_a_sheet_that_leaves_receipts_out_says_so_in_its_last_line(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(research, "MOST_CSV", 4)
    rows = list(csv.reader(io.StringIO(client.get(f"/research/{SLUG}.csv").text)))
    assert len(rows) == 1 + 4 + 2 + 1
    (said,) = rows[-1]
    assert said.startswith("# Not all receipts: the newest 4 of 6 of Reddit. All of them: ")
    assert said.endswith(f"/api/v1/entities/{SLUG}/receipts.csv")


def test_a_decision_says_its_day() -> None:
    row = {
        "sentence": "Held back at 19:30: seen on 1 platform (needs 2).",
        "at": T.replace(hour=19, minute=30),
        "polls": 2,
    }
    said = "".join(part.text for part in _decision(row))
    assert said == "1 Aug Held back at 19:30: seen on 1 platform (needs 2). The same for 2 polls."


def test_the_pdf_reads_back_and_is_the_same_each_time(client: httpx.Client) -> None:
    answer = client.get(f"/research/{SLUG}.pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")
    assert len(answer.content) < 300_000
    text = pdf_text(answer.content)
    for words in (NAME, "DEMO: invented data", "Action package", "Trades coverage", "2.0 h ahead", "page 1 of"):
        assert words in text, words
    assert "https://example.org/p0" in links(answer.content)
    info = PdfReader(io.BytesIO(answer.content)).metadata
    assert info is not None
    assert info.creation_date == NOW
    assert client.get(f"/research/{SLUG}.pdf").content == answer.content


def test_a_hostile_name_is_only_text(embedded_store: Store) -> None:
    told(embedded_store, EVIL)
    with client_of(embedded_store) as client:
        page = client.get(f"/research/{SLUG}").text
        text = client.get(f"/research/{SLUG}.md").text
        body = client.get(f"/research/{SLUG}.json").json()
        paper = client.get(f"/research/{SLUG}.pdf").content
        sheet = client.get(f"/research/{SLUG}.csv").text
    assert "<script>alert" not in page
    assert 'src="http://bad' not in page
    assert 'href="http://bad' not in page
    reader = MarkdownIt("gfm-like", {"html": True})
    rendered = reader.render(text)
    assert "<script" not in rendered
    assert "<img" not in rendered
    hrefs = set(re.findall(r'href="([^"]*)"', rendered))
    assert hrefs
    assert not any("bad.invalid" in href or href.startswith("mailto") for href in hrefs)
    assert body["entity"]["name"] == EVIL
    assert not any("bad.invalid" in link for link in links(paper))
    assert b"/JavaScript" not in paper
    assert b"/OpenAction" not in paper.replace(b"/OpenAction [", b"")
    assert "<script>" in pdf_text(paper).replace("\n", "")
    assert not any(line.startswith(("=", "+", "@")) for line in sheet.splitlines())


NAMES = ("أوداليس برايت", "Одалис Брайтуотер", "Οντάλις", "ओडालिस", "אודליס", "Zażółć 😀")


@pytest.mark.parametrize("name", NAMES)
def test_names_of_other_scripts_are_drawn(embedded_store: Store, name: str) -> None:
    told(embedded_store, name)
    with client_of(embedded_store) as client:
        text = pdf_text(client.get(f"/research/{SLUG}.pdf").content)
    assert "cannot show" not in text
    assert "(?)" not in text


def test_what_cannot_be_drawn_is_said(embedded_store: Store) -> None:
    told(embedded_store, "東京 ナイト")
    with client_of(embedded_store) as client:
        text = pdf_text(client.get(f"/research/{SLUG}.pdf").content).replace("\n", " ")
    assert "Characters this file cannot show" in text
    assert "U+6771" in text
    assert f"https://desk.example/research/{SLUG}" in text.replace(" ", "")


def test_merged_and_unknown_names_lead_on(client: httpx.Client, embedded_store: Store) -> None:
    answer = client.get("/research/odalys-brightwatr")
    assert answer.status_code == 404
    assert "No such name" in answer.text
    near = client.get("/research/odalys")
    assert near.status_code == 404
    assert f'href="/research/{SLUG}"' in near.text
    assert client.get("/research/nobody.json").json()["status"] == 404
    (gone,) = add(embedded_store, "Odalys B")
    into = embedded_store.find(SLUG)
    assert into is not None
    embedded_store.merge(into, gone, "ana")
    moved = client.get("/research/odalys-b.pdf?alert=1")
    assert (moved.status_code, moved.headers["location"]) == (307, f"/research/{SLUG}.pdf?alert=1")


def test_as_of_an_alert_on_the_page(client: httpx.Client, embedded_store: Store) -> None:
    number = embedded_store.alert_rows()[0]["id"]
    page = client.get(f"/research/{SLUG}?alert={number}").text
    assert f"as of alert {number}" in page
    assert "as they are today" in page
    wrong = client.get(f"/research/{SLUG}?alert=99999")
    assert wrong.status_code == 404
    assert "not about this name" in wrong.text


def test_ten_thousand_receipts_are_bounded(embedded_store: Store) -> None:
    (one,) = add(embedded_store, NAME)
    rows = [
        item(f"p{n}", published_at=T - n * timedelta(seconds=30), title=f"{NAME} in the news, part {n}", engagement=n)
        for n in range(10_000)
    ]
    save(embedded_store, [result(rows)], mentions(*(("reddit", f"p{n}", one) for n in range(10_000))))
    with client_of(embedded_store) as client:
        for ending, most in (("", 600_000), (".md", 200_000), (".json", 400_000), (".pdf", 400_000)):
            began = time.process_time()
            body = client.get(f"/research/{SLUG}{ending}").content
            assert time.process_time() - began < 3, ending  # whatever else the machine does
            assert len(body) < most, ending
        assert "and 9800 more" in client.get(f"/research/{SLUG}").text
        assert client.get(f"/research/{SLUG}.csv").text.count("\n") == 10_001


def test_a_name_nobody_mentioned(embedded_store: Store) -> None:
    add(embedded_store, "Quiet One")
    with client_of(embedded_store) as client:
        for ending in ("", ".md", ".json", ".pdf", ".csv"):
            assert client.get(f"/research/quiet-one{ending}").status_code == 200
        page: Any = client.get("/research/quiet-one").text
    assert "No receipts yet." in page
    assert json.dumps(page)
