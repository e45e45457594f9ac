"""Posts that were deleted on Reddit are forgotten everywhere, and what was counted stays counted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from heatmap_app.sweep import PLACE, Sweep, requests_a_run
from pipelines.errors import ShapeChangedError, TransientError
from pipelines.ingest.reddit_sweep import gone
from pipelines.record import Recorder, read_recording
from pipelines.store import Store
from pipelines.store.compliance import DELETED
from tests.contract.store_rows import add, item, mentions, result, save, score_frames
from tests.contract.test_reddit import source
from tests.contract.test_store_alerts import decided, new_alert
from tests.upstreams.reddit import World, fixed, post, reddit_app
from tests.upstreams.server import Upstream, html

NOW = datetime.now(UTC).replace(microsecond=0)
SECRET = "A secret somebody took back"


@pytest.fixture
def world() -> World:
    return fixed([post(f"a{n}", f"Headline {n}", NOW - timedelta(hours=1)) for n in range(3)])


@pytest.fixture
def reddit(world: World) -> Iterator[Upstream]:
    with Upstream(reddit_app(world)) as upstream:
        yield upstream


def keep(store: Store, *ids: str, title: str = SECRET) -> int:
    (entity,) = add(store, "Odalys Brightwater")
    rows = [item(name, title=f"{title} {name}", at=NOW, published_at=NOW - timedelta(hours=1)) for name in ids]
    save(store, [result(rows, at=NOW)], mentions(*(("reddit", name, entity) for name in ids)))
    return entity


def whole(store: Store) -> str:
    """Everything the database holds, as text."""
    with store._db.reading() as connection:
        tables = ("item", "sighting", "mention", "candidate", "alert", "entity", "audit", "source_state")
        return "\n".join(
            str(row)
            for table in tables
            for row in connection.execute(text(f"SELECT t::text FROM {table} t")).scalars()  # noqa: S608 - our own
        )


async def test_what_reddit_lost_is_told_by_its_own_list(reddit: Upstream, world: World) -> None:
    removed = post("a4", "[removed]", NOW)
    world.posts = lambda feed, now: [post("a0", "Still here", NOW), removed, post("a5", "x", NOW, author="[deleted]")]
    asked = ["t3_a0", "t3_a1", "t3_a4", "t3_a5"]
    assert await gone(source(reddit), asked, NOW) == ["t3_a1", "t3_a4", "t3_a5"]


async def test_an_empty_answer_about_many_posts_deletes_nothing(reddit: Upstream, world: World) -> None:
    world.posts = lambda feed, now: []
    with pytest.raises(ShapeChangedError, match="nothing is forgotten"):
        await gone(source(reddit), [f"t3_a{n}" for n in range(12)], NOW)


async def test_a_deleted_post_leaves_no_trace_but_its_count(
    embedded_store: Store, reddit: Upstream, tmp_path: Path
) -> None:
    entity = keep(embedded_store, "t3_a0", "t3_zz")
    recorder = Recorder(tmp_path, 30)
    recorder.append([result([item(n, title=f"{SECRET} {n}", at=NOW) for n in ("t3_a0", "t3_zz")], at=NOW)])
    receipts = [
        {"source": "reddit", "item_id": n, "title": f"{SECRET} {n}", "url": "https://x"} for n in ("t3_a0", "t3_zz")
    ]
    payload = {"receipts": receipts, "package": {"provenance": ["reddit:t3_zz"], "push": f"{SECRET} t3_zz"}}
    embedded_store.save_scores(
        NOW, *score_frames([entity], NOW), decided=decided(new_alert(entity, payload=payload), entity=entity)
    )
    before = embedded_store.load_mentions(NOW - timedelta(days=1), NOW)

    line = await Sweep(embedded_store, source(reddit), recorder).run(NOW)

    assert line == "2 of 2 posts asked about, 1 forgotten"
    assert "t3_zz" not in whole(embedded_store)
    assert f"{SECRET} t3_a0" in whole(embedded_store)
    titles = read_recording(tmp_path)["title"].to_list()
    assert sorted(titles) == ["", f"{SECRET} t3_a0"]
    kept = embedded_store.load_mentions(NOW - timedelta(days=1), NOW)
    assert kept.drop("item_id").sort("at").equals(before.drop("item_id").sort("at"))
    rows, total = embedded_store.receipt_rows([entity])
    assert (len(rows), total) == (1, 1)
    (alert,) = embedded_store.alert_rows()
    assert [row["title"] for row in alert["payload"]["receipts"]] == [f"{SECRET} t3_a0", DELETED]
    assert "package" not in alert["payload"]
    assert alert["version"] == 1


async def test_the_round_goes_on_where_it_was_and_begins_anew(embedded_store: Store, reddit: Upstream) -> None:
    keep(embedded_store, "t3_a0", "t3_a1")
    sweep = Sweep(embedded_store, source(reddit))
    await sweep.run(NOW)
    assert (embedded_store.source_state.get(PLACE) or {})["after"] == "t3_a1"
    assert await sweep.run(NOW) == "0 of 2 posts asked about, 0 forgotten"
    assert (embedded_store.source_state.get(PLACE) or {})["round_ended"] == NOW.isoformat()
    assert await sweep.run(NOW) == "2 of 2 posts asked about, 0 forgotten"


async def test_an_upstream_fault_forgets_nothing_and_keeps_the_place(embedded_store: Store, reddit: Upstream) -> None:
    keep(embedded_store, "t3_a0", "t3_zz")
    reddit.plan("/api/info", html(500), repeat=True)
    with pytest.raises(TransientError):
        await Sweep(embedded_store, source(reddit)).run(NOW)
    assert embedded_store.count_items("reddit") == 2
    assert embedded_store.source_state.get(PLACE) is None


@pytest.mark.parametrize(("posts", "requests"), [(0, 1), (14_400, 1), (14_500, 2), (450_000, 32), (10**7, 60)])
def test_every_post_is_asked_about_once_a_day(posts: int, requests: int) -> None:
    assert requests_a_run(posts) == requests
