"""The read model over a real store: board, entity, receipts, search, health."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from pipelines import read
from pipelines.errors import InputError
from pipelines.model import FeedReport, Outcome
from pipelines.settings import Settings, load_settings
from pipelines.store import ScoreMeta, Store
from pipelines.view import RECEIPT_ORDERS, HistoryPoint, ReceiptOrder
from tests.contract.store_rows import HOUR, T, add, candidates, item, mentions, result, save, score_frames, sentiments

NAMES = ("Odalys Brightwater", "Saint Ferro", "The Lantern Keepers", "Quiet One")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def settings() -> Settings:
    return load_settings(mode="live", reddit={"client_id": "id", "client_secret": "secret"}, tiktok={"token": ""})


@pytest.fixture
def scored(store: Store) -> list[int]:
    """Four names, two scoring polls; in the second the first two have changed places. One is about sport."""
    ids = add(store, *NAMES, domain=pl.Series(["entertainment", "entertainment", "sport", "unclassified"]))
    save(store, [result([item("a", published_at=T - 3 * HOUR)])], mentions(("reddit", "a", ids[0])))
    first = [ids[1], ids[0], ids[2], ids[3]]
    store.save_scores(T - 5 * MINUTE, *score_frames(first, T - 5 * MINUTE))
    flags: dict[str, Any] = {
        "passes": pl.Series([True, False, False, False]),
        "eligible": pl.Series([True, False, False, False]),
    }
    store.save_scores(T, *score_frames(ids, T, velocity=[3.5, 2.0, 2.6, 0.5], **flags), ScoreMeta(ms=12))
    return ids


def names(view: Any) -> list[str]:
    return [row.entity.name for row in view.items]


def test_the_board_has_every_number(store: Store, settings: Settings, scored: list[int]) -> None:
    view = read.heat_view(store, settings, now=T + MINUTE)
    assert (view.as_of, view.mode, view.stale, view.hidden) == (T, "live", False, 1)
    assert names(view) == [NAMES[0], NAMES[1], NAMES[3]]
    assert view.hours[-1] == T
    assert len(view.hours) == 24
    assert view.baseline_hours == 1
    top = view.items[0]
    assert (top.rank, top.previous_rank, view.items[1].previous_rank) == (1, 2, 1)
    assert top.heat == pytest.approx(1.75)
    assert (top.spread_count, top.spread, top.passes, top.eligible) == (2, 2 / 3, True, True)
    assert (top.gates.velocity, top.gates.spread, top.gates.persistence) == (True, True, False)
    assert (top.first_seen, top.peak_at, top.hours_since_peak) == (T - 3 * HOUR, T, 1.5)
    assert top.confidence_parts["agreement"] == 0.667
    assert top.affect_parts["n_text"] == 12
    assert top.platforms["reddit"].window_values == (6.0, None, 7.0)
    assert (top.platforms["trends"].x, top.platforms["trends"].windows) == (24.0, 13)
    assert top.entity.aliases == (NAMES[0],)
    assert len(top.history) == 24
    assert top.history[-1] == HistoryPoint(T, 1.0, 2.0, 2 / 3, 0.4)


def test_filters_and_order(store: Store, settings: Settings, scored: list[int]) -> None:
    def shown(**filters: Any) -> list[str]:
        return names(read.heat_view(store, settings, now=T, **filters))

    assert shown(domains=None, sort="velocity") == [NAMES[0], NAMES[2], NAMES[1], NAMES[3]]
    assert shown(domains=["sport"]) == [NAMES[2]]
    assert shown(domains=None, min_velocity=2.5) == [NAMES[0], NAMES[2]]
    assert shown(min_spread=3) == []
    assert shown(limit=1) == [NAMES[0]]
    assert shown(at=T - MINUTE) == [NAMES[1], NAMES[0], NAMES[3]]
    assert read.heat_view(store, settings, now=T, min_spread=3).hidden == 4
    with pytest.raises(InputError, match="sort"):
        shown(sort="name; DROP TABLE score")


def test_muted_and_merged_names_leave_the_board_at_once(store: Store, settings: Settings, scored: list[int]) -> None:
    store.mute(scored[0], "ana")
    store.merge(scored[3], scored[1], "ana")
    assert names(read.heat_view(store, settings, now=T, domains=None)) == [NAMES[2], NAMES[3]]


def test_an_empty_store_is_an_empty_board(store: Store, settings: Settings) -> None:
    view = read.heat_view(store, settings, now=T)
    assert (view.as_of, view.items, view.stale, view.baseline_hours) == (None, (), False, 0)
    assert [source.state for source in view.sources] == ["waiting", "waiting", "not_configured", "waiting"]


def test_a_board_is_stale_without_scores_or_without_sources(
    store: Store, settings: Settings, scored: list[int]
) -> None:
    def stale(minutes: int) -> bool:
        return read.heat_view(store, settings, now=T + minutes * MINUTE).stale

    assert [stale(minutes) for minutes in (0, 5, 6, 20)] == [False, False, True, True]  # Reddit: every 2 minutes
    assert not read.heat_view(store, settings, now=T + 9 * HOUR, at=T).stale
    save(store, [result([], "trends", T + 6 * MINUTE, outcome=Outcome.NOT_MODIFIED)])
    assert not stale(8)


def test_trades_status_and_lead(store: Store, settings: Settings, scored: list[int]) -> None:
    def status(position: int) -> tuple[Any, Any]:
        row = read.heat_view(store, settings, now=T + 5 * HOUR, domains=None).items[position].trades
        return row.first_at, row.lead_hours

    assert status(0) == (None, None)
    later = T + 2 * HOUR
    rows = [item("v", "trades", later, published_at=later), item("old", "trades", later, published_at=T - 60 * HOUR)]
    save(store, [result(rows, "trades", later)],
         mentions(("trades", "v", scored[0]), ("trades", "old", scored[0]), ("trades", "v", scored[2])))  # fmt: skip
    assert status(0) == (None, None)  # the board is of T: the story was not there yet
    store.save_scores(T + 4 * HOUR, *score_frames(scored, T + 4 * HOUR))
    assert status(0) == (later, 2.0)
    assert status(2) == (later, None)  # never passed: no lead to speak of


def test_no_lead_from_our_first_sight(store: Store, settings: Settings, scored: list[int]) -> None:
    seen, edge = T + HOUR, T - 48 * HOUR
    save(store, [result([item("v", "trades", seen)], "trades", seen)], mentions(("trades", "v", scored[0])))
    store.save_scores(T + 4 * HOUR, *score_frames(scored, T + 4 * HOUR))

    def status() -> tuple[Any, Any]:
        row = read.heat_view(store, settings, now=T + 5 * HOUR, domains=None).items[0].trades
        return row.first_at, row.lead_hours

    assert status() == (seen, None)
    save(
        store,
        [result([item("e", "trades", seen, published_at=edge)], "trades", seen)],
        mentions(("trades", "e", scored[0])),
    )
    assert status() == (edge, -48.0)


def test_the_entity_page(store: Store, settings: Settings, scored: list[int]) -> None:
    one, two, three, four = scored
    rows = [item(key, published_at=T - n * HOUR) for n, key in enumerate("bcd")]
    found = mentions(("reddit", "b", one), ("reddit", "b", two), ("reddit", "c", one), ("reddit", "c", two),
                     ("reddit", "c", three), ("reddit", "d", four))  # fmt: skip
    save(store, [result(rows, covered_from=T - 4 * HOUR)], found)
    evidence = {
        "entity_id": [one],
        "kind": ["feeds"],
        "domain": ["entertainment"],
        "weight": [2.0],
        "detail": ["film feeds"],
    }
    store.save_domain_evidence(pl.DataFrame(evidence), T)
    store.save_suggestions(pl.DataFrame({"a": [one], "b": [four], "score": [91.0], "reason": ["near-duplicate"]}), T)
    view = read.entity_view(store, settings, "odalys-brightwater", T)
    assert view is not None
    assert (view.entity.id, view.first_seen, view.origin, view.muted) == (one, T - 3 * HOUR, "catalogue", False)
    assert view.item is not None
    assert view.item.rank == 1
    assert view.item.heat == pytest.approx(1.75)
    assert [(other["slug"], other["count"]) for other in view.related] == [
        ("saint-ferro", 2),
        ("the-lantern-keepers", 1),
    ]
    assert [(other["slug"], other["score"]) for other in view.suggestions] == [("quiet-one", 91.0)]
    assert view.domain_evidence[0]["detail"] == "film feeds"
    recent = {point.hour: point for point in view.timeline if point.source == "reddit"}
    assert (recent[T].volume, recent[T - HOUR].mentions, recent[T - 3 * HOUR].mentions) == (1.0, 1, 1)
    assert (recent[T - 2 * HOUR].volume, recent[T - 5 * HOUR].volume) == (0.0, None)
    assert read.entity_view(store, settings, "nobody", T) is None


def test_provenance_and_a_merged_slug(store: Store, settings: Settings) -> None:
    save(store, [result([item("a")])], unowned=candidates(("reddit", "a", "saint ferro")))
    found = store.discover("saint ferro", name="Saint Ferro", slug="saint-ferro", at=T, provenance={"velocity_z": 2.2})
    (keep,) = add(store, "Ferro", kind="music")
    store.merge(keep, found, "ana")
    view = read.entity_view(store, settings, "saint-ferro", T)
    assert view is not None
    assert (view.entity.slug, view.entity.aliases, view.first_seen, view.item) == (
        "ferro",
        ("Ferro", "Saint Ferro"),
        T,
        None,
    )
    store.unmerge(found, "ana")
    view = read.entity_view(store, settings, "saint-ferro", T)
    assert view is not None
    assert view.provenance == {"velocity_z": 2.2}


def test_receipts_page_through_equal_times(store: Store) -> None:
    (entity,) = add(store, "Odalys Brightwater")
    rows = [item(f"i{n:02}", published_at=T - (n // 10) * HOUR) for n in range(25)]
    save(store, [result(rows)], mentions(*(("reddit", row["item_id"], entity) for row in rows)))
    seen, cursor, pages = [], None, 0
    while True:
        page = read.receipts(store, "odalys-brightwater", limit=4, cursor=cursor)
        assert page is not None
        assert page.total == 25
        seen += [receipt.item_id for receipt in page.items]
        pages, cursor = pages + 1, page.next_cursor
        if cursor is None:
            break
        save(store, [result([item(f"late{pages}", published_at=T + pages * HOUR)])])  # a new poll between two pages
    assert pages == 7
    assert len(seen) == len(set(seen)) == 25
    assert seen[:3] == ["i09", "i08", "i07"]


@pytest.mark.parametrize("order", RECEIPT_ORDERS)
def test_receipts_in_every_order_are_complete_and_sorted(store: Store, order: ReceiptOrder) -> None:
    """By time both ways and by engagement, through ties and receipts without any; a cursor keeps to its order."""
    (entity,) = add(store, "Odalys Brightwater")
    sizes = [None if n % 5 == 4 else float(n % 5) for n in range(25)]
    rows = [item(f"i{n:02}", published_at=T - (n // 10) * HOUR, engagement=size) for n, size in enumerate(sizes)]
    save(store, [result(rows)], mentions(*(("reddit", row["item_id"], entity) for row in rows)))
    seen, cursor = [], None
    while True:
        page = read.receipts(store, "odalys-brightwater", limit=4, cursor=cursor, order=order)
        assert page is not None
        seen += list(page.items)
        if (cursor := page.next_cursor) is None:
            break
        for other in set(RECEIPT_ORDERS) - {order}:
            with pytest.raises(InputError, match="cursor"):
                read.receipts(store, "odalys-brightwater", limit=4, cursor=cursor, order=other)
        late, then = item(f"late{len(seen)}", at=T + HOUR, published_at=T + HOUR, engagement=9.0), T + HOUR
        save(store, [result([late], at=then)], mentions(("reddit", late["item_id"], entity)))  # it joins no later page
    assert len({receipt.item_id for receipt in seen}) == len(seen) == 25
    keys: dict[ReceiptOrder, list[Any]] = {
        "newest": [-receipt.published_at.timestamp() for receipt in seen if receipt.published_at],
        "oldest": [receipt.published_at for receipt in seen if receipt.published_at],
        "engagement": [-1.0 if receipt.engagement is None else receipt.engagement for receipt in seen][::-1],
    }
    assert keys[order] == sorted(keys[order])


def test_receipts_by_source_and_hour(store: Store) -> None:
    (entity,) = add(store, "Odalys Brightwater")
    post = item("a", published_at=T - HOUR, engagement=7.0, url="https://example.org/a?x=1&y=2")
    found = mentions(("reddit", "a", entity), ("trends", "q", entity))
    for n in (3, 1):
        save(store, [result([item("q", "trends", T - n * HOUR)], "trends", T - n * HOUR)], found)
    save(store, [result([post])], found, moods=sentiments(("reddit", "a", -0.5)))

    def shown(**filters: Any) -> list[str]:
        page = read.receipts(store, "odalys-brightwater", **filters)
        assert page is not None
        return [receipt.item_id for receipt in page.items]

    assert shown() == ["q", "a"]
    assert shown(source="reddit") == ["a"]
    assert [shown(hour=T - n * HOUR) for n in (1, 2, 3)] == [["q", "a"], [], ["q"]]
    page = read.receipts(store, "odalys-brightwater", source="reddit")
    assert page is not None
    (receipt,) = page.items
    assert (receipt.url, receipt.engagement, receipt.sentiment, receipt.published_at, receipt.observed_at) == (
        "https://example.org/a?x=1&y=2", 7.0, -0.5, T - HOUR, T,
    )  # fmt: skip
    assert read.receipts(store, "nobody") is None


@pytest.mark.parametrize("cursor", ["x", "....", "W10", "WzEsMl0", "eyJhIjoxfQ", "WzEsIlx1MDAwMCIsImEiXQ", "é" * 9])
def test_foreign_cursors_are_refused(store: Store, cursor: str) -> None:
    with pytest.raises(InputError, match="cursor"):
        read.receipts(store, "x", cursor=cursor)
    with pytest.raises(InputError, match="source"):
        read.receipts(store, "x", source="elsewhere")
    with pytest.raises(InputError, match="time zone"):
        read.receipts(store, "x", hour=T.replace(tzinfo=None))


def test_search_finds_names_by_any_alias(store: Store) -> None:
    one, two, three, percent = add(store, "Odalys Brightwater", "Ody", "泰勒絲 演唱會", "100% Wolf")
    store.add_alias(one, "o bright", "O. Bright", "ana")
    assert [found.id for found in read.search(store, "ody")] == [two]
    assert [found.id for found in read.search(store, "O. BRIGHT")] == [one]
    assert [found.id for found in read.search(store, "od")] == [two, one]
    assert [found.id for found in read.search(store, "演唱")] == [three]
    assert [found.id for found in read.search(store, "100")] == [percent]
    assert read.search(store, "%") == read.search(store, "") == read.search(store, "\x00") == ()
    store.merge(two, one, "ana")
    assert [found.slug for found in read.search(store, "brightwater")] == ["ody"]


def test_history_of_a_name(store: Store, settings: Settings, scored: list[int]) -> None:
    points = read.history(store, settings, "odalys-brightwater", 30)
    assert points is not None
    assert len(points) == 30
    assert points[-1].heat == 1.0
    assert points[0] == HistoryPoint(T - 29 * HOUR, None, None, None, None)
    assert read.history(store, settings, "nobody", 3) is None


def poll(store: Store, minutes: int, outcome: Outcome = Outcome.OK, **values: Any) -> None:
    at = T + minutes * MINUTE
    rows = [item("a", at=at)] if outcome == Outcome.OK else []
    save(store, [result(rows, at=at, outcome=outcome, **values)])


def reddit(store: Store, settings: Settings, minutes: int) -> Any:
    return read.source_health(store, settings, T + minutes * MINUTE)[0]


def test_health_in_words(store: Store, settings: Settings) -> None:
    assert reddit(store, settings, 0).line == "Reddit: not polled yet."
    feeds = (FeedReport("all", Outcome.OK, 1),)
    poll(store, 21, feeds=feeds)
    live = reddit(store, settings, 22)
    assert (live.state, live.line, live.items) == ("live", "Reddit: live, posts 1 min old.", 1)
    assert live.next_poll == T + 23 * MINUTE
    assert live.feeds == ({"feed": "all", "outcome": "ok", "items": 1, "detail": ""},)
    poll(store, 23, Outcome.THROTTLED, retry_after_s=17 * 60.0)
    throttled = reddit(store, settings, 24)
    assert throttled.line == "Reddit: throttled by Reddit until 12:40 UTC. Showing posts up to 12:21 UTC."
    assert (throttled.state, throttled.until, throttled.next_poll) == ("throttled", T + 40 * MINUTE, T + 40 * MINUTE)
    poll(store, 41, Outcome.FAILED, detail="credentials rejected", http_status=401)
    poll(store, 43, Outcome.FAILED, detail="no answer within 20 s.")
    down = reddit(store, settings, 44)
    words = "Reddit: down since 12:23 UTC: no answer within 20 s. Next try 12:45 UTC. Showing posts up to 12:21 UTC."
    assert (down.state, down.line, down.last_success) == ("down", words, T + 21 * MINUTE)
    poll(store, 45)
    assert reddit(store, settings, 46).state == "live"
    late = reddit(store, settings, 60 * 24)
    assert (late.state, late.line) == (
        "delayed",
        "Reddit: delayed, last poll 23 h 15 min ago. Showing posts up to 1 Aug 12:45 UTC.",
    )


def test_health_is_quick_after_months_of_polls(store: Store, settings: Settings) -> None:
    rows = [item("a", at=T - n * 5 * MINUTE) for n in range(20_000)]
    save(store, [result(rows)])
    assert reddit(store, settings, 1).state == "live"  # a plan that grows with the square of the polls is stopped


def test_empty_polls_become_a_delay(store: Store, settings: Settings) -> None:
    poll(store, 0)
    states = []
    for n in (1, 2, 3):
        poll(store, n, Outcome.EMPTY)
        states.append(reddit(store, settings, n).state)
    assert states == ["live", "live", "delayed"]
    assert reddit(store, settings, 3).line == "Reddit: 0 posts in the last 3 polls. Showing posts up to 12:00 UTC."


def test_missing_credentials_say_what_to_set(store: Store, settings: Settings) -> None:
    tiktok = read.source_health(store, settings, T)[2]
    assert tiktok.line == "TikTok: not configured. Set HEATMAP_TIKTOK__TOKEN to an Apify token."
    assert tiktok.missing == ("HEATMAP_TIKTOK__TOKEN",)
    assert read.source_health(store, settings, T, mode="replay", poll_seconds={"reddit": 60.0}) != ()
    assert [s.source for s in read.source_health(store, settings, T, mode="replay", poll_seconds={"reddit": 60.0})] == [
        "reddit"
    ]


def test_the_audit_pages_through_fetches(store: Store) -> None:
    for n in range(5):
        poll(store, n, Outcome.FAILED if n % 2 else Outcome.OK, detail=f"poll {n}")
    page = read.audit(store, limit=2)
    assert [row["detail"] for row in page["items"]] == ["poll 4", "poll 3"]
    page = read.audit(store, limit=2, cursor=page["next_cursor"])
    assert [row["detail"] for row in page["items"]] == ["poll 2", "poll 1"]
    failed = read.audit(store, outcome="failed")
    assert [row["detail"] for row in failed["items"]] == ["poll 3", "poll 1"]
    assert failed["next_cursor"] is None
    assert read.audit(store, source="trends")["items"] == []
    with pytest.raises(InputError, match="outcome"):
        read.audit(store, outcome="fine")
