"""Packages from the store: with the alert, as of its instant, previewed, and in the writer's words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from heatmap_app import cli_alerts
from heatmap_app.writer_http import HttpWriter
from heatmap_app.writer_job import Rewriter, writer_job
from pipelines import read
from pipelines.alert.package_model import package_from
from pipelines.calibrate import DEFINED
from pipelines.clock import ManualClock
from pipelines.errors import InputError
from pipelines.outbox import DECISIONS, EPISODES, Decided
from pipelines.read import story as story_module
from pipelines.read.story import Numbers, gather, story_of, try_package
from pipelines.refresh_alerts import _alert
from pipelines.store import Store
from tests.contract.store_rows import HOUR, T, add, item, mentions, result, save, score_frames
from tests.contract.test_refresh_alerts import SETTINGS, flow, week_then_break
from tests.unit.package_kit import desk
from tests.upstreams import server
from tests.upstreams.writer import FakeWriter

MINUTE = timedelta(minutes=1)
NAME = "Odalys Brightwater"
NUMBERS = Numbers(3.1, 2, 0.8, None)


@pytest.fixture
def alert(embedded_store: Store) -> dict[str, Any]:
    """An alert about a name with posts and a trend, stored with its score."""
    (one,) = add(embedded_store, NAME)
    posts = [item(f"b{n}", published_at=T - n * MINUTE, title=f"{NAME} walks off set", engagement=n) for n in range(30)]
    trend = [item("q", "trends", title=NAME.lower(), names=[NAME], rank=1, engagement=5e5)]
    found = mentions(("trends", "q", one), *(("reddit", f"b{n}", one) for n in range(30)))
    save(embedded_store, [result(posts), result(trend, "trends")], found)
    entities, platforms, history = score_frames([one], T)
    decision = {"entity": one, "heat": 1.7, "velocity_z": 3.1, "affect": 0.3, "confidence": 0.8, "spread_count": 2,
                "started_at": T - MINUTE, "trades_at": None, "sentence": "Fired."}  # fmt: skip
    made = _alert(embedded_store, decision, embedded_store.alert_names([one])[0], platforms, DEFINED, T)
    nothing = pl.DataFrame(schema=DECISIONS), pl.DataFrame(schema=EPISODES)
    embedded_store.save_scores(T, entities, platforms, history, decided=Decided(*nothing, (made,)))
    return embedded_store.alert_rows()[0]


def test_the_alert_carries_its_package(embedded_store: Store) -> None:
    week_then_break(embedded_store, flow(embedded_store))
    (alert,) = embedded_store.alert_rows()
    payload = alert["payload"]
    package = package_from(payload["package"])
    assert payload["package_note"] == ""
    assert payload["hook"] == package.hook
    assert package.unconfirmed
    assert {receipt.platform for receipt in package.receipts} == {"Reddit", "Trends"}
    assert "unconfirmed" in package.push
    assert json.loads(json.dumps(package.to_dict())) == payload["package"]
    family = embedded_store.family(alert["entity_id"])
    known = {f"{row['source']}:{row['item_id']}" for row in gather(embedded_store, family, alert["at"]).rows}
    rests = {id_ for sentence in package.provenance for id_ in sentence.receipts}
    assert rests
    assert rests <= known


def test_making_a_package_is_quick(embedded_store: Store, alert: dict[str, Any]) -> None:
    family = embedded_store.family(alert["entity_id"])
    started = datetime.now(UTC)
    for _ in range(5):
        made, _ = try_package(alert["payload"], gather(embedded_store, family, alert["at"]), NUMBERS)
    assert made is not None
    assert (datetime.now(UTC) - started) / 5 < timedelta(milliseconds=400)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (InputError("package_texts.toml: broken"), "No package: package_texts.toml: broken"),
        (KeyError("secret"), "No package: making its texts failed (KeyError)."),
    ],
)
def test_texts_that_fail_stop_no_alert(
    embedded_store: Store,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    failure: Exception,
    words: str,
) -> None:
    def broken() -> None:
        raise failure

    monkeypatch.setattr(story_module, "desk", broken)
    row = request.getfixturevalue("alert")
    assert (row["payload"]["package"], row["payload"]["package_note"]) == (None, words)
    assert row["payload"]["hook"].startswith(NAME)
    assert len(row["payload"]["receipts"]) == 3
    view = read.entity_view(embedded_store, SETTINGS, row["slug"], T + HOUR)
    assert view is not None
    assert view.package is not None
    assert view.package["problem"] == words


def test_evidence_is_what_was_known_then(store: Store) -> None:
    (one,) = add(store, NAME)
    later = T + 2 * HOUR
    save(store, [result([item("a", published_at=T - HOUR, engagement=5.0), item("old", published_at=T - 20 * HOUR)])],
         mentions(("reddit", "a", one), ("reddit", "old", one)))  # fmt: skip
    trends = result([item("q", "trends", rank=1)], "trends")
    trades = result([item("v", "trades", published_at=T - 20 * HOUR)], "trades")
    save(store, [trends, trades], mentions(("trends", "q", one), ("trades", "v", one)))
    save(store, [result([item("b", at=later, published_at=T - MINUTE)], at=later),
                 result([item("q", "trends", at=later, rank=1)], "trends", later)],
         mentions(("reddit", "b", one), ("trends", "q", one)))  # fmt: skip
    found = gather(store, [one], T)
    assert [(row["source"], row["item_id"]) for row in found.rows] == [
        ("reddit", "a"),
        ("trades", "v"),
        ("trends", "q"),
    ]
    assert {row["observed_at"] for row in found.rows} == {T}
    assert [row["item_id"] for row in gather(store, [one], later).rows if row["source"] == "reddit"] == ["a", "b"]


def test_a_count_of_receipts_that_were_cut_says_so(store: Store) -> None:
    (one,) = add(store, NAME)
    rows = [item(f"p{n}", published_at=T - n * MINUTE, title=f"{NAME} on set", engagement=float(n)) for n in range(60)]
    save(store, [result(rows)], mentions(*(("reddit", f"p{n}", one) for n in range(60))))
    evidence = gather(store, [one], T)
    assert (len(evidence.rows), evidence.totals, evidence.rows[0]["item_id"]) == (40, {"reddit": 60}, "p59")
    made, _ = try_package({"name": NAME, "kind": "person", "slug": "x"}, evidence, NUMBERS)
    assert made is not None
    texts = " ".join(line for lines in made.texts().values() for line in lines)
    assert "40 mentions" not in texts.replace("at least 40 mentions", "").replace("At least 40 mentions", "")
    assert "t least 40 mentions" in texts
    assert story_of({"name": NAME, "kind": "person"}, evidence, NUMBERS).cut_short


def test_a_name_without_an_alert_has_a_preview(store: Store) -> None:
    one, _ = add(store, NAME, "Quiet One")
    save(
        store,
        [result([item("a", published_at=T - HOUR, title=f"{NAME} joins the cast")])],
        mentions(("reddit", "a", one)),
    )
    view = read.entity_view(store, SETTINGS, "odalys-brightwater", T + MINUTE)
    assert view is not None
    assert view.package is not None
    assert (view.package["preview"], view.package["alert"]) == (True, None)
    assert view.package["hook"]
    quiet = read.entity_view(store, SETTINGS, "quiet-one", T)
    assert quiet is not None
    assert quiet.package is None


def test_the_entity_shows_its_alerts_package(embedded_store: Store, alert: dict[str, Any]) -> None:
    view = read.entity_view(embedded_store, SETTINGS, alert["slug"], T + HOUR)
    assert view is not None
    assert view.package is not None
    assert (view.package["preview"], view.package["alert"], view.package["writer"]) == (False, alert["id"], None)
    assert view.package["push"] == alert["payload"]["package"]["push"]


KEY = "sk-test-key"
GOOD = f"{NAME} walks off set, posts on Reddit say; unconfirmed."


@pytest.fixture
def fake() -> FakeWriter:
    return FakeWriter(KEY)


@pytest.fixture
def upstream(fake: FakeWriter) -> Iterator[server.Upstream]:
    with server.serving(fake.app) as running:
        yield running


@pytest.fixture
def rewriter(embedded_store: Store, upstream: server.Upstream) -> Rewriter:
    ask = HttpWriter(f"{upstream.url}/v1", "small-writer", KEY, 0.8)
    return Rewriter(embedded_store, ask, ManualClock(T + HOUR))


def now_of(store: Store, number: int) -> dict[str, Any]:
    row = store.alert_row(number)
    assert row is not None
    return row


def test_the_writers_text_takes_the_templates_place(
    embedded_store: Store, alert: dict[str, Any], fake: FakeWriter, rewriter: Rewriter
) -> None:
    fake.reply = json.dumps({"push": GOOD})
    assert rewriter.step() == f"alert {alert['id']}: push used"
    row = now_of(embedded_store, alert["id"])
    assert row["payload"]["package"]["push"] == GOOD
    assert row["payload"]["package"]["teases"] == alert["payload"]["package"]["teases"]
    assert (row["payload"]["writer"]["used"], row["version"]) == (["push"], alert["version"] + 1)
    assert (rewriter.step(), len(fake.prompts)) == (None, 1)


def invents(fake: FakeWriter, upstream: server.Upstream) -> None:
    fake.reply = json.dumps({"push": f"{NAME} leaves with Zyx Qwertzer, posts say; unconfirmed."})


def runs_on(fake: FakeWriter, upstream: server.Upstream) -> None:
    fake.reply = json.dumps({"push": f"{NAME} walks off set, posts on Reddit say; unconfirmed. " * 3})


def fails(fake: FakeWriter, upstream: server.Upstream) -> None:
    upstream.plan("/chat", server.html(500), repeat=True)


def hangs(fake: FakeWriter, upstream: server.Upstream) -> None:
    upstream.plan("/chat", server.silence(), repeat=True)


@pytest.mark.parametrize(
    ("prepare", "words"),
    [(invents, "a name in no receipt"), (runs_on, "text was not used"), (fails, "HTTP 500"), (hangs, "within 0.8 s")],
)
def test_what_a_writer_gets_wrong_is_said_and_not_used(
    embedded_store: Store, alert: dict[str, Any], fake: FakeWriter, upstream: server.Upstream, rewriter: Rewriter,
    prepare: Callable[[FakeWriter, server.Upstream], None], words: str,
) -> None:  # fmt: skip
    prepare(fake, upstream)
    assert rewriter.step() == f"alert {alert['id']}: nothing used"
    row = now_of(embedded_store, alert["id"])
    before = package_from(alert["payload"]["package"])
    assert package_from(row["payload"]["package"]).texts() == before.texts()
    assert words in row["payload"]["package"]["notes"][-1]
    assert words in row["payload"]["writer"]["notes"][-1]
    assert row["version"] == alert["version"]
    assert rewriter.step() is None


def test_old_alerts_and_those_of_a_warm_up_are_left_alone(
    embedded_store: Store, alert: dict[str, Any], fake: FakeWriter, rewriter: Rewriter
) -> None:
    late = Rewriter(embedded_store, rewriter.complete, ManualClock(T + 30 * HOUR))
    warm = Rewriter(embedded_store, rewriter.complete, ManualClock(T + HOUR), since=T + HOUR)
    assert (late.step(), warm.step(), fake.prompts) == (None, None, [])
    assert alert["payload"]["package"]


async def test_the_job_tells_the_pages(embedded_store: Store, alert: dict[str, Any], rewriter: Rewriter) -> None:
    told: list[str] = []
    job = writer_job(rewriter, 1.0, lambda: told.append("told"))
    await job.run_once()
    assert (job.ok, told) == (1, ["told"])
    await job.run_once()
    assert (job.last_detail, told, job.every()) == ("nothing to write", ["told"], 2.0)
    assert alert


def test_the_command_prints_the_package(
    embedded_store: Store, alert: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import nullcontext

    monkeypatch.setattr(cli_alerts, "opened_store", lambda *_: nullcontext(embedded_store))
    shown = CliRunner().invoke(cli_alerts.alerts, ["show", str(alert["id"])])
    assert shown.exit_code == 0
    package = alert["payload"]["package"]
    for line in (package["push"], *package["teases"], "unconfirmed"):
        assert line in shown.output
    as_json = CliRunner().invoke(cli_alerts.alerts, ["show", str(alert["id"]), "--json"])
    assert json.loads(as_json.stdout)["payload"]["package"] == package


def test_the_kit_and_the_product_read_the_same_texts() -> None:
    assert story_module.desk().texts.words == desk().texts.words
