"""The reader at a past poll: nothing that came later shows, whatever was stored since."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from heatmap_app.board import Board
from heatmap_app.pages.reader import Filters
from heatmap_app.reader import StoreReader
from pipelines.clock import ManualClock
from pipelines.model import Outcome
from pipelines.naming import NameChange
from pipelines.naming_past import NamesThen
from pipelines.people import Person
from pipelines.read.story import gather
from pipelines.settings import load_settings
from pipelines.store import Store
from pipelines.view import HistoryPoint, NameAction
from tests.contract.store_rows import HOUR, T, add, item, mentions, result, save, score_frames
from tests.contract.test_store_alerts import decided, new_alert

BEFORE, ASKED = T - 2 * HOUR, T - HOUR
"""The poll looked back at, and an instant after it: nothing was scored in between."""


@pytest.fixture
def reader(embedded_store: Store) -> StoreReader:
    """Two names and two polls, two hours apart. By the second they have changed places, one has a trade story, more
    receipts and an alert, and Reddit has stopped answering."""
    store = embedded_store
    one, two = add(store, "Odalys Brightwater", "Saint Ferro")
    early, late = BEFORE - HOUR, T - HOUR / 2
    found = mentions(("reddit", "early", one), ("trends", "q", one), ("reddit", "late", one), ("trades", "v", one))
    save(store, [result([item("early", at=early, published_at=early)], at=early)], found)
    for at in (early, late):
        save(store, [result([item("q", "trends", at)], "trends", at)], found)
    store.save_scores(BEFORE, *score_frames([two, one], BEFORE, velocity=[2.0, 1.0]))
    save(store, [result([item("v", "trades", late, published_at=late)], "trades", late)], found)
    save(store, [result([item("late", at=late, published_at=ASKED)], at=late)], found)
    save(store, [result([], at=T, outcome=Outcome.FAILED, detail="no answer within 20 s.")])
    passes = {name: pl.Series([True, False]) for name in ("passes", "eligible")}
    later = score_frames([one, two], T, velocity=[3.5, 1.0], hours=60, **passes)
    store.save_scores(T, *later, decided=decided(new_alert(one), entity=one))
    settings = load_settings(mode="demo")
    return StoreReader(store, settings, ManualClock(T), "demo", {"reddit": 120.0, "trends": 600.0, "trades": 600.0})


def ranked(reader: StoreReader, **filters: Any) -> list[tuple[str, int | None]]:
    return [(row.entity.slug, row.previous_rank) for row in reader.heat(Filters(**filters)).items]


def test_the_board_is_as_it_was_scored(reader: StoreReader) -> None:
    assert ranked(reader) == [("odalys-brightwater", 2), ("saint-ferro", 1)]
    assert ranked(reader, at=ASKED) == [("saint-ferro", None), ("odalys-brightwater", None)]
    view = reader.heat(Filters(at=ASKED))
    assert (view.as_of, view.stale, view.delivery_problem) == (BEFORE, False, "")
    assert view.hours[-1] == BEFORE
    top = view.items[0]
    assert (top.heat, top.passes, top.trades.first_at) == (1.0, False, None)
    # the stored hour has been scored again at T; the map's last cell is what this poll said
    assert top.history[-1] == HistoryPoint(BEFORE, 1.0, 2.0, 2 / 3, 0.4)
    assert top.history[-2].heat is not None


@pytest.mark.parametrize(("hours", "known"), [(12, 12), (24, 24), (48, 48), (168, 60)])
def test_the_window_reaches_as_far_as_hours_are_known(reader: StoreReader, hours: int, known: int) -> None:
    view = reader.heat(Filters(hours=hours))
    assert len(view.hours) == len(view.items[0].history) == hours
    assert view.hours[0] == T - (hours - 1) * HOUR
    assert sum(point.heat is not None for point in view.items[0].history) == known
    assert view.watched is not None
    assert {T, BEFORE - HOUR} & set(view.hours) >= set(view.watched) - {T - HOUR}
    assert BEFORE - HOUR in view.watched
    assert BEFORE not in view.watched


def test_sources_are_as_they_were(reader: StoreReader) -> None:
    def states(at: datetime | None) -> dict[str, str]:
        return {source.source: source.state for source in reader.heat(Filters(at=at)).sources}

    assert states(None)["reddit"] == "down"
    then = reader.heat(Filters(at=BEFORE - HOUR + HOUR / 60)).sources
    assert {source.source: source.state for source in then}["reddit"] == "live"
    assert states(ASKED)["trades"] == "waiting"


def test_the_entity_ends_at_that_poll(reader: StoreReader) -> None:
    now, then = reader.entity("odalys-brightwater"), reader.entity("odalys-brightwater", BEFORE)
    assert now is not None
    assert then is not None
    assert now.item is not None
    assert then.item is not None
    assert (now.item.rank, then.item.rank) == (1, 2)
    assert (len(now.alerts), len(now.decisions)) == (1, 1)
    assert then.alerts == then.decisions == ()
    assert max(point.hour for point in then.timeline) == BEFORE
    assert now.item.trades.first_at is not None
    assert then.item.trades.first_at is None


def test_receipts_are_those_seen_by_then(reader: StoreReader) -> None:
    def shown(at: datetime | None) -> dict[str, datetime]:
        page = reader.receipts("odalys-brightwater", None, None, 10, None, at)
        assert page.total == len(page.items)
        return {receipt.item_id: receipt.observed_at for receipt in page.items}

    assert set(shown(None)) == {"q", "v", "late", "early"}
    # a post published before the instant but first seen after it was not known then
    assert shown(ASKED) == {"early": BEFORE - HOUR, "q": BEFORE - HOUR}


def test_a_time_nothing_is_kept_from_is_an_empty_board(reader: StoreReader) -> None:
    view = reader.heat(Filters(at=BEFORE - HOUR))
    assert (view.as_of, view.items, view.hidden) == (None, (), 0)
    entity = reader.entity("saint-ferro", BEFORE - HOUR)
    assert entity is not None
    assert entity.item is None


def test_platforms_filter_by_what_was_counted(reader: StoreReader) -> None:
    assert len(ranked(reader, platforms=("reddit",))) == 2
    view = reader.heat(Filters(platforms=("tiktok",)))
    assert (view.items, view.hidden) == ((), 2)
    assert len(ranked(reader, platforms=("tiktok", "trends"))) == 2


def test_the_polls_of_a_week(reader: StoreReader) -> None:
    assert list(reader.polls(T - 24 * HOUR, T)) == [BEFORE, T]
    assert list(reader.polls(ASKED, T - HOUR / 60)) == []
    board = Board(reader)
    assert list(board.polls(T)) == [BEFORE, T]
    board.view(Filters(at=BEFORE))
    assert board.newest() is None  # a page that opens while the store is away must not begin in the past


def test_an_hour_lists_what_was_sighted_in_it_by_then(reader: StoreReader) -> None:
    def listed(at: datetime | None) -> set[str]:
        return {row.item_id for row in reader.receipts("odalys-brightwater", "trends", ASKED, 10, None, at).items}

    assert listed(None) == {"q"}
    assert listed(ASKED + HOUR / 4) == set()  # its sighting of that hour came at half past


def test_names_beside_it_are_those_of_posts_seen_by_then(reader: StoreReader) -> None:
    store = reader.store
    one, two = (store.find(slug) for slug in ("odalys-brightwater", "saint-ferro"))
    assert one is not None
    assert two is not None
    both = mentions(("reddit", "both", one), ("reddit", "both", two))
    save(store, [result([item("both", at=T, published_at=BEFORE - HOUR)])], both)  # published before, seen after
    assert (gather(store, [one], T).related, gather(store, [one], ASKED).related) == (("Saint Ferro",), ())
    then, now = reader.entity("odalys-brightwater", ASKED), reader.entity("odalys-brightwater")
    assert now is not None
    assert then is not None
    assert (len(now.related), then.related) == (1, ())


def test_histories_end_as_that_poll_scored_them(reader: StoreReader) -> None:
    scored = HistoryPoint(BEFORE, 0.5, 1.0, 2 / 3, 0.4)  # at T the same hour was stored again, with more
    view = reader.entity("odalys-brightwater", ASKED)
    assert view is not None
    assert view.item is not None
    assert view.history[-1] == view.item.history[-1] == scored
    (line,) = reader.lines(["odalys-brightwater"], 24, ASKED)
    assert line.history[-1] == scored
    assert line.history[-2].heat is not None


def test_the_last_hour_counts_what_was_seen_by_then(reader: StoreReader) -> None:
    def last(at: datetime) -> dict[str, tuple[float | None, int]]:
        view = reader.entity("odalys-brightwater", at)
        assert view is not None
        return {p.source: (p.volume, p.mentions) for p in view.timeline if p.hour == ASKED}

    before, after = last(ASKED + HOUR / 4), last(T - HOUR / 4)
    assert {source: n for source, (_, n) in before.items()} == {"reddit": 0, "trends": 0, "trades": 0}
    assert {source: n for source, (_, n) in after.items()} == {"reddit": 1, "trends": 1, "trades": 1}
    stored = reader.entity("odalys-brightwater")
    assert stored is not None
    assert after == {p.source: (p.volume, p.mentions) for p in stored.timeline if p.hour == ASKED}


def gone(reader: StoreReader, **filters: Any) -> dict[str, str]:
    return {row.entity.slug: row.gone for row in reader.heat(Filters(**filters)).items}


def test_a_name_muted_since_stands_on_the_board_of_then_and_is_marked(reader: StoreReader) -> None:
    one = reader.store.find("odalys-brightwater")
    assert one is not None
    reader.store.mute(one, "ana")
    assert gone(reader) == {"saint-ferro": ""}
    assert gone(reader, at=ASKED) == {"saint-ferro": "", "odalys-brightwater": "muted"}
    view = reader.heat(Filters(at=ASKED))
    assert (view.items[1].rank, view.hidden) == (2, 0)
    then, now = reader.entity("odalys-brightwater", ASKED), reader.entity("odalys-brightwater")
    assert then is not None and now is not None  # noqa: PT018 - for the types
    assert (then.muted, now.muted) == (False, True)
    assert then.item is not None
    assert (then.item.rank, then.item.gone, now.item) == (2, "muted", None)
    (line,) = reader.lines(["odalys-brightwater"], 24, ASKED)
    assert line.history[-1] == HistoryPoint(BEFORE, 0.5, 1.0, 2 / 3, 0.4)
    reader.store.mute(one, "ana", muted=False)
    assert gone(reader, at=ASKED) == {"saint-ferro": "", "odalys-brightwater": ""}


def test_a_name_merged_since_keeps_its_row_of_then_and_its_own_score(reader: StoreReader) -> None:
    one, two = (reader.store.find(slug) for slug in ("odalys-brightwater", "saint-ferro"))
    assert one is not None and two is not None  # noqa: PT018 - for the types
    reader.store.merge(one, two, "ana")
    assert gone(reader) == {"odalys-brightwater": ""}
    assert gone(reader, at=ASKED) == {"saint-ferro": "merged", "odalys-brightwater": ""}
    top, second = reader.heat(Filters(at=ASKED)).items
    assert ((top.entity.name, top.heat), (second.entity.name, second.heat)) == (
        ("Saint Ferro", 1.0), ("Odalys Brightwater", 0.5),
    )  # fmt: skip
    assert top.entity.aliases == ("Saint Ferro",)
    assert second.entity.aliases == ("Odalys Brightwater",)  # the merge came after
    asked, whole = reader.entity("saint-ferro", ASKED), reader.entity("odalys-brightwater", ASKED)
    assert asked is not None and whole is not None  # noqa: PT018 - for the types
    assert asked.item is not None and whole.item is not None  # noqa: PT018
    assert (asked.entity, whole.entity) == (asked.item.entity, whole.item.entity)
    assert (asked.entity.name, asked.item.heat, whole.item.heat) == ("Saint Ferro", 1.0, 0.5)
    assert [row.display for row in whole.names] == ["Odalys Brightwater"]
    assert (whole.changes, len(reader.entity("odalys-brightwater").changes)) == ((), 1)  # type: ignore[union-attr]  # it is there
    assert [line.entity.name for line in reader.lines(["saint-ferro", "odalys-brightwater"], 24, ASKED)] == [
        "Saint Ferro", "Odalys Brightwater",
    ]  # fmt: skip
    joined = reader.entity("saint-ferro")
    assert joined is not None
    assert joined.entity.aliases == ("Odalys Brightwater", "Saint Ferro")


def test_domains_and_the_watchlist_are_those_of_then(reader: StoreReader) -> None:
    store = reader.store
    one, two = (store.find(slug) for slug in ("odalys-brightwater", "saint-ferro"))
    assert one is not None and two is not None  # noqa: PT018 - for the types
    for domain in ("sport", "politics"):  # twice: what counts is what it was before the first
        reader.set_domain(one, domain, "ana")
    store.change_name(NameChange("watch", two), Person("ana", "Ana"), T)

    def shown(**filters: Any) -> dict[str, tuple[str, bool]]:
        return {row.entity.slug: (row.entity.domain, row.watched) for row in reader.heat(Filters(**filters)).items}

    assert shown(domains=None) == {"odalys-brightwater": ("politics", False), "saint-ferro": ("entertainment", True)}
    then = {"odalys-brightwater": ("entertainment", False), "saint-ferro": ("entertainment", False)}
    assert shown(at=ASKED) == shown(domains=None, at=ASKED) == then
    assert shown(domains=("politics",), at=ASKED) == shown(watched=True, at=ASKED) == {}
    assert list(shown(domains=("politics",))) == ["odalys-brightwater"]
    asked = reader.entity("odalys-brightwater", ASKED)
    assert asked is not None
    assert (asked.entity.domain, asked.watched, asked.domain_evidence) == ("entertainment", False, ())


def test_a_name_split_off_since_is_a_part_of_what_it_came_from(reader: StoreReader) -> None:
    store = reader.store
    one = store.find("odalys-brightwater")
    assert one is not None
    save(
        store, [result([item("b", at=BEFORE - HOUR)], at=BEFORE - HOUR)], mentions(("reddit", "b", one, "brightwater"))
    )
    store.add_alias(one, "brightwater", "Brightwater", "ana")
    store.save_scores(BEFORE, *score_frames([one], BEFORE))  # stored anew, with the name added
    store.split(one, "brightwater", "ana")
    now, then = reader.entity("odalys-brightwater"), reader.entity("brightwater", ASKED)
    assert now is not None and then is not None  # noqa: PT018 - for the types
    assert now.entity.aliases == ("Odalys Brightwater",)
    assert then.entity.slug == "odalys-brightwater"
    assert then.entity.aliases == ("Brightwater", "Odalys Brightwater")
    assert {row.display: row.source for row in then.names} == {"Odalys Brightwater": "", "Brightwater": ""}
    receipts = [{row.item_id for row in reader.receipts("odalys-brightwater", None, None, 10, None, at).items}
                for at in (None, ASKED)]  # fmt: skip
    assert ("b" in receipts[0], "b" in receipts[1]) == (False, True)


def test_every_state_names_were_in_can_be_read_again(embedded_store: Store) -> None:
    """One change after the other, and their undoing in another order: at each instant in between, as it was."""
    store, by = embedded_store, Person("ana", "Ana")
    one, two, three = add(store, "Odalys Brightwater", "Saint Ferro", "Third Name")
    seen: list[tuple[datetime, Any]] = []

    def stood(then: NamesThen | None) -> Any:
        ids = {store.entity_of(slug) for slug in ("odalys-brightwater", "saint-ferro", "third-name", "brightwater")}
        roots = store.merged() if then is None else then.roots
        live = sorted(key for key in ids if key is not None and key not in roots)
        watched = store.watched() if then is None else then.watched
        told = {key: (row["domain"], row["muted"]) for key, row in store.briefs(live, then).items()}
        names = {key: sorted(shown) for key, shown in store.names_of(live, then).items()}
        return names, sorted(watched), told

    def do(action: NameAction, entity: int, **more: Any) -> int:
        seen.append((datetime.now(UTC), stood(None)))
        return int(store.change_name(NameChange(action, entity, **more), by, T).facts["change"])

    def undo(number: int) -> None:
        seen.append((datetime.now(UTC), stood(None)))
        store.undo_change(number, by, datetime.now(UTC))

    merged = do("merge", one, other=two)
    given = do("alias", one, canonical="ody", display="Ody")
    muted, starred = do("mute", three), do("watch", one)
    undo(merged)
    undo(muted)
    taken = do("unalias", one, canonical="ody")
    store.set_domain(two, "sport", "ana")
    do("merge", two, other=three)
    undo(starred)
    undo(taken)
    do("split", two, canonical="third name")  # came with the merge: it goes as it came
    undo(given)
    do("alias", one, canonical="brightwater", display="Brightwater")
    split = do("split", one, canonical="brightwater")
    new = store.entity_of("brightwater")
    assert new is not None
    do("watch", new)  # so that the undo keeps it, as a part of what it came from
    do("watch", one)
    do("unwatch", one)
    undo(split)
    for instant, state in seen:
        assert stood(store.names_then(instant)) == state, instant
    assert stood(store.names_then(datetime.now(UTC))) == stood(None)


@pytest.mark.parametrize(("names", "unknown"), [(104, True), (60, False)])
def test_a_name_lost_from_the_poll_before_is_not_called_new(embedded_store: Store, names: int, unknown: bool) -> None:
    """Of older polls only the first hundred and what moves are kept: the last name of one climbs in the next."""
    store, ids = embedded_store, add(embedded_store, *(f"Invented Name {n}" for n in range(names)))
    climbs, comes = ids[-1], ids[-2]
    polls = [T + n * HOUR / 12 for n in range(6)]
    calm = [0.9 - n / 1000 for n in range(names)]
    before = [*ids[:-2], climbs]  # one name is not scored yet
    after = [climbs, comes, *ids[:-2]]
    for at in polls:
        order = before if at == polls[0] else after
        store.save_scores(at, *score_frames(order, at, velocity=calm[: len(order)], hours=1))
    reader = StoreReader(store, load_settings(mode="demo"), ManualClock(polls[-1]), "demo", {})
    view = reader.heat(Filters(at=polls[1], limit=200))
    first, second, third = view.items[:3]
    assert (first.entity.id, second.entity.id) == (climbs, comes)
    assert (first.before_thinned, second.before_thinned, third.before_thinned) == (unknown, unknown, False)
    assert first.previous_rank == (None if unknown else names - 1)
    assert second.previous_rank is None
    assert third.previous_rank == 1
    assert (view.thinned, len(view.items)) == (unknown, 100 if unknown else names)
    entity = reader.entity(first.entity.slug, polls[1])
    assert entity is not None
    assert entity.item is not None
    assert entity.item.before_thinned == unknown
    newest = reader.heat(Filters(at=polls[-1], limit=200))
    assert (newest.thinned, len(newest.items)) == (False, names)
