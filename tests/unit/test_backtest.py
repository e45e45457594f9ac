"""The backtest as others call it: what it finds, what it refuses, and that nothing of later leaks into earlier."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipelines.alert.gates import gate, gate_row
from pipelines.alert.kpi_stats import wilson
from pipelines.backtest import BacktestResult, FramePolls, Prepared, evaluate, prepare, run
from pipelines.backtest.keeping import keep, runs
from pipelines.backtest.running import flow_of
from pipelines.errors import InputError
from pipelines.model import ITEMS, SourceKind
from pipelines.score_grid import SMALL, Anchor, hour_grid
from pipelines.score_rows import FOREVER, Rows
from pipelines.score_rows import HOUR as HOUR_US
from pipelines.settings import load_settings
from tests.unit.backtest_kit import BREAKS, HOUR, HOURS, NAME, SECOND, START, TRADES, recording, settings

UNCAPPED = settings(velocity={"cap": 40.0})
"""No velocity hides behind the cap."""


@cache
def prepared() -> Prepared:
    return prepare(recording(), settings(), name="small")


@cache
def result() -> BacktestResult:
    return evaluate(prepared(), settings())


def test_a_story_is_found_and_its_lead_measured() -> None:
    first, second = result().alerts
    assert (first.entity, second.entity) == (NAME, SECOND)
    assert BREAKS < first.at < TRADES
    assert first.lead_hours == pytest.approx((TRADES - first.at) / HOUR)
    assert first.first_trade_at == TRADES
    assert (first.backcheck, second.lead_hours) == ("held", None)
    assert result().discovered == 2
    assert {receipt["source"] for receipt in first.receipts[:2]} == {"reddit", "trends"}
    assert first.trail[-1][0] == first.at
    assert first.trail[-1][1] == pytest.approx(first.velocity_z, abs=1e-9)
    assert len(first.trail) == 48


def test_google_s_own_start_is_a_lead_of_its_own() -> None:
    first = result().alerts[0]
    assert first.google_start_at == BREAKS - HOUR
    assert first.google_lead_hours == pytest.approx((BREAKS - HOUR - first.at) / HOUR)
    assert result().google_lead.n == 2


def test_the_json_is_the_promised_one() -> None:
    told = result().as_json()
    assert list(told) == [
        "recording", "from", "to", "polls", "method", "alerts", "alerts_per_day", "lead", "false_positive_rate",
        "false_positive_interval", "held_back",
    ]  # fmt: skip
    assert list(told["alerts"][0]) == [
        "at", "entity", "slug", "velocity_z", "spread_count", "heat", "confidence", "platforms", "receipts",
        "first_trade_at", "lead_hours", "backcheck",
    ]  # fmt: skip
    assert list(told["lead"]) == [
        "n", "median", "p25", "p75", "share_2h", "share_6h", "share_trades_first", "share_uncovered",
    ]  # fmt: skip
    assert told["false_positive_interval"] == list(wilson(0, result().false_rate.n))
    assert told["polls"] == HOURS
    assert told["from"] == "2026-03-02T00:05:00Z"
    assert told["held_back"]["episode"] > 0
    assert told["alerts_per_day"] == pytest.approx(2 / ((HOURS - 1) / 24))


@pytest.mark.parametrize("hours", [181, 183, 189, 235])
def test_what_comes_later_changes_nothing_before(hours: int) -> None:
    """Cut after T: every score, decision and alert up to T is as it was with all that followed."""
    whole, cut = (scores(until) for until in (HOURS, hours))
    last = START + (hours - 1) * HOUR
    assert cut[0] == [row for row in whole[0] if row["at"] <= last]
    assert cut[1] == [row for row in whole[1] if row["at"] <= last]
    assert cut[0]


@cache
def scores(hours: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    made = prepare(recording(hours), UNCAPPED)
    flow = flow_of(made, UNCAPPED, keep_scores=True)
    for tick in range(made.ticks.height):
        flow.step(tick)
    return flow.kept.scores, list(flow.kept.decisions)


def test_a_later_count_is_not_known_earlier() -> None:
    """A post seen again with 1,000 times the score weighs as it did until it was seen again."""
    rows = recording(182).items("reddit", None, START + 400 * HOUR)
    loud = rows.with_columns(
        engagement=pl.when(pl.col("poll_at") == START + 181 * HOUR).then(1e6).otherwise(pl.col("engagement"))
    )
    others = [recording(182).items(name, None, START + 400 * HOUR) for name in ("trends", "trades")]
    flows = [flow_of(prepare(FramePolls(pl.concat([part, *others])), UNCAPPED), UNCAPPED, keep_scores=True)
             for part in (rows, loud)]  # fmt: skip
    for flow in flows:
        for tick in range(flow.prepared.ticks.height):
            flow.step(tick)
    quiet, noisy = (flow.kept.scores for flow in flows)
    last = START + 181 * HOUR
    assert [row for row in quiet if row["at"] < last] == [row for row in noisy if row["at"] < last]
    assert [row for row in quiet if row["at"] == last] != [row for row in noisy if row["at"] == last]


def test_gates_are_changed_without_preparing_again() -> None:
    strict = evaluate(prepared(), settings(gates={"min_spread": 3}))
    assert not strict.alerts
    assert strict.held_back["spread"] > 0
    plain = evaluate(prepared(), settings(velocity={"method": "plain"}))
    assert plain.method == "plain"
    assert len(plain.alerts) >= 2
    with pytest.raises(InputError, match=r"another poll\.score_seconds"):
        evaluate(
            prepared(), settings().model_copy(update={"poll": settings().poll.model_copy(update={"score_seconds": 60})})
        )


@pytest.mark.parametrize("method", ["seasonal", "nb", "ewma", "multi", "weighted"])
def test_every_method_goes_through_the_whole_pipeline(method: str) -> None:
    """Discovery, velocity, HEAT, gates, decisions: the stories are found, with the method's own numbers."""
    chosen = load_settings().velocity.model_dump() | {"method": method}
    found, usual = evaluate(prepared(), settings(velocity=chosen)), result()
    assert (found.method, [alert.entity for alert in found.alerts]) == (method, [NAME, SECOND])
    assert all(alert.at >= BREAKS and alert.backcheck == "held" for alert in found.alerts)
    strip = [velocity for _, velocity, _ in found.alerts[0].trail]
    same = strip == [velocity for _, velocity, _ in usual.alerts[0].trail]
    assert same == (method in ("seasonal", "ewma")), "over silence these two have the mean and deviation of robust"
    assert max(velocity or 0.0 for velocity in strip) >= found.alerts[0].velocity_z >= 2.5


def test_prepared_survives_a_folder_and_a_pickle(tmp_path: Path) -> None:
    prepared().save(tmp_path / "kept")
    unpickled = pickle.loads(pickle.dumps(prepared()))  # noqa: S301  # our own, made here
    for copy in (Prepared.load(tmp_path / "kept"), unpickled):
        assert evaluate(copy, settings()).as_json() == result().as_json()
    (tmp_path / "kept" / "seen.parquet").unlink()
    with pytest.raises(InputError, match="no prepared recording"):
        Prepared.load(tmp_path / "kept")


def test_a_span_counts_only_its_own_alerts_and_knows_what_came_before() -> None:
    late = run(recording(), settings(), start=BREAKS + 20 * HOUR, name="late")
    assert [alert.entity for alert in late.alerts] == [SECOND]
    assert late.alerts[0].velocity_z == pytest.approx(result().alerts[1].velocity_z, abs=1e-9)
    assert late.polls == HOURS - 200


def test_a_span_beyond_the_recording_is_cut_to_it_and_says_so() -> None:
    wide = run(recording(), settings(), start=START - 900 * HOUR, end=START + 9000 * HOUR, name="small")
    assert (wide.start, wide.end) == (result().start, result().end)
    assert wide.alerts_per_day == result().alerts_per_day
    assert wide.lead == result().lead
    assert [note.split(",")[1] for note in wide.notes] == [
        " where the recording begins", " where the recording ends",
    ]  # fmt: skip


def test_an_alert_of_the_warm_up_is_known_of_and_not_counted() -> None:
    first = result().alerts[0].at
    late = run(recording(), settings(), start=first + HOUR, name="late")
    assert [alert.entity for alert in late.alerts] == [SECOND]
    assert NAME not in late.near_misses["name"].to_list()
    assert late.misses.is_empty()
    (episode,) = late.episodes.filter(pl.col("name") == NAME).to_dicts()
    assert episode["alerted_at"] == first


def test_what_the_trades_covered_without_an_alert_is_a_miss() -> None:
    nobody = evaluate(prepared(), settings(gates={"min_spread": 3}))
    (miss,) = nobody.misses.to_dicts()
    assert (miss["name"], miss["first_trade_at"], miss["reason"]) == (NAME, TRADES, "spread")
    assert miss["platforms"] == ["reddit", "trends"]
    assert result().misses.is_empty()
    blocked = evaluate(prepared(), settings(), domain="sport")
    assert not blocked.alerts
    assert set(blocked.near_misses["name"]) == {NAME, SECOND}
    assert set(blocked.near_misses["held_back"]) == {"domain"}


def test_what_cannot_be_run_is_refused() -> None:
    trades = recording().items("trades", None, START + 400 * HOUR)
    with pytest.raises(InputError, match="no platform"):
        run(FramePolls(trades), settings())
    with pytest.raises(InputError, match="no poll"):
        run(recording(), settings(), start=START + timedelta(days=300), end=START + timedelta(days=301))
    with pytest.raises(InputError, match="no poll"):
        run(FramePolls(pl.DataFrame(schema=ITEMS)), settings())
    with pytest.raises(InputError, match="domain 'nonsense'"):
        evaluate(prepared(), settings(), domain="nonsense")


def test_progress_never_goes_back_and_arrives() -> None:
    told: list[float] = []
    run(recording(40), settings(), progress=lambda part, _what: told.append(part))
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_runs_are_kept_and_listed_newest_first(tmp_path: Path) -> None:
    at = datetime(2026, 3, 20, tzinfo=UTC)
    older = keep(result(), tmp_path, ran_at=at, command="heatmap backtest small")
    newer = keep(result(), tmp_path, ran_at=at + HOUR, command="heatmap backtest small --set x")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "result.json").write_text("{", encoding="utf-8")
    found = runs(tmp_path)
    assert [run_.folder for run_ in found] == [newer, older]
    assert found[0].result["alerts"] == result().as_json()["alerts"]
    assert pl.read_parquet(older / "alerts.parquet")["entity"].to_list() == [NAME, SECOND]
    assert pl.read_parquet(older / "decisions.parquet").height == result().decisions.height
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be kept"):
        keep(result(), tmp_path / "file", ran_at=at, command="")


def test_one_name_is_gated_as_a_frame_of_names_is() -> None:
    gates = settings().gates
    for velocity in (2.4999, 2.5, 4.0):
        for spread in (1, 2, 3):
            for before in (True, False):
                for counted in (True, False):
                    frame = pl.DataFrame({"entity": [1], "velocity_z": [velocity], "spread_count": [spread]})
                    whole = gate(frame, {1} if before else set(), gates, counted=counted).row(0, named=True)
                    one = gate_row(velocity, spread, gates, before=before, counted=counted)
                    assert one == {name: whole[name] for name in one}


@pytest.mark.parametrize("kind", list(SourceKind))
def test_a_small_grid_is_a_large_one(kind: SourceKind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted at once or hour by hour: the same bits, on the hour and off it."""
    random = np.random.default_rng(5)
    for last in (2_000_000 * HOUR_US, 2_000_000 * HOUR_US + 1_234_567):
        at = np.sort(last - random.integers(0, 40 * HOUR_US, 400))
        at[::7] = at[::7] // HOUR_US * HOUR_US
        at.sort()
        rows = Rows(
            kind, random.integers(0, 6, 400), at, np.full(400, FOREVER), 1 + random.random(400), np.full(400, np.nan)
        )
        anchor, sharp = Anchor(last, 30, 6), last % HOUR_US == 0
        small = hour_grid(rows, anchor, extra=sharp)
        monkeypatch.setattr("pipelines.score_grid.SMALL", 0)
        large = hour_grid(rows, anchor, extra=sharp)
        monkeypatch.setattr("pipelines.score_grid.SMALL", SMALL)
        assert (small.volume == large.volume).all()
        if large.extra is not None:
            assert small.extra is not None
            assert (small.extra == large.extra).all()
