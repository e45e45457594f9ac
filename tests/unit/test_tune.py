"""The grid of ``heatmap tune``: what it refuses, the order of its points, and that pool, Dask and plain calls agree."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import distributed
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.alert.kpi_stats import lead_stats, share
from pipelines.backtest import Prepared, prepare
from pipelines.backtest.keeping import ALERTS
from pipelines.backtest.prepared import basis_of
from pipelines.errors import InputError
from pipelines.settings import load_settings
from pipelines.tune import FIXED, MOST_POINTS, Outcome, bare, frame, grid, ordered, points
from pipelines.tune_run import NO_DASK, run_dask, run_local, run_point
from tests.unit.backtest_kit import recording, settings

BASE: dict[str, dict[str, Any]] = {"poll": {"score_seconds": 3600}, "velocity": {"cap": 40.0}}
GRID = ["gates.min_spread=2", "velocity.method=robust,multi"]


@cache
def prepared() -> Prepared:
    return prepare(recording(196), settings(), name="small")


@cache
def plainly() -> list[Outcome]:
    return [run_point(prepared(), point, None) for point in points(grid(GRID), BASE)]


def test_a_grid_is_every_combination() -> None:
    made = points(grid(["gates.min_spread=2,3", "velocity.method=robust,multi"]), BASE)
    assert [dict(point.chosen) for point in made] == [
        {"gates.min_spread": spread, "velocity.method": method} for spread in (2, 3) for method in ("robust", "multi")
    ]
    assert [point.settings.gates.min_spread for point in made] == [2, 2, 3, 3]
    assert {point.settings.poll.score_seconds for point in made} == {3600}
    assert grid(["methods.multi_hours=[1,3],[2]"]) == {"methods.multi_hours": ((1, 3), (2,))}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "give at least one --grid"),
        (["gates.min_velocity"], "write it like"),
        (["gates.min_velocity="], "write it like"),
        (["gates.speed=1"], "gates has min_velocity"),
        (["gate.min_velocity=1"], "no section 'gate'"),
        (["port.number=1"], "no section 'port'"),
        (["gates.min_spread=1", "gates.min_spread=2"], "given twice"),
        (["poll.score_seconds=60,120"], "prepared with it"),
        (["reddit.kind=level"], "prepared with it"),
        ([f"gates.min_velocity={','.join(map(str, range(MOST_POINTS + 1)))}"], f"at most {MOST_POINTS}"),
    ],
)
def test_a_wrong_grid_is_one_line(given: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says) as raised:
        grid(given)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("given", ["gates.min_spread=2,9", "velocity.method=robust,magic", "gates.min_velocity=much"])
def test_a_wrong_value_is_one_line(given: str) -> None:
    with pytest.raises(InputError, match=f"--grid {given.partition('=')[0]}: ") as raised:
        points(grid([given]))
    assert "\n" not in str(raised.value)


def test_what_a_recording_is_prepared_with_cannot_be_in_a_grid() -> None:
    assert set(basis_of(load_settings())) == {*FIXED, "kinds"}


def test_nothing_secret_leaves() -> None:
    told = load_settings(slack={"bot_token": "xoxb-secret"}, database_url="postgresql://u:secret@localhost/x")
    assert bare(told).slack.bot_token.get_secret_value() == ""
    assert bare(told).database_url.get_secret_value() == ""
    assert bare(told).gates == told.gates
    assert told.slack.bot_token.get_secret_value() == "xoxb-secret"


def test_the_order_is_the_stated_one() -> None:
    def made(number: int, hits: int, n: int, missed: int, leads: list[float], day: float = 1.0) -> Outcome:
        misses = pl.DataFrame({"entity": range(missed)})
        return Outcome(number, {}, day, share(hits, n), lead_stats(leads), 0, pl.DataFrame(schema=ALERTS), misses)

    inputs = [
        made(0, 0, 0, 0, []), made(1, 5, 10, 0, [3.0]), made(2, 1, 10, 2, [3.0]), made(3, 1, 10, 1, [1.0]),
        made(4, 1, 10, 1, [3.0]), made(5, 0, 10, 1, [3.0]), made(6, 0, 10, 1, [3.0], 0.5),
    ]  # fmt: skip
    assert [one.number for one in ordered(inputs, 0.15)] == [6, 5, 4, 3, 2, 1, 0]
    assert [one.number for one in ordered(inputs[::-1], 0.15)] == [6, 5, 4, 3, 2, 1, 0]


def test_the_points_differ() -> None:
    robust, multi = plainly()
    assert robust.alerts.height == multi.alerts.height == 1
    assert robust.alerts["heat"][0] != multi.alerts["heat"][0]
    assert frame(plainly())["checked"].to_list() == [1, 1]


def test_all_cores_give_what_one_gives(tmp_path: Path) -> None:
    prepared().save(tmp_path)
    told: list[int] = []
    found = run_local(tmp_path, points(grid(GRID), BASE), workers=2, told=lambda one: told.append(one.number))
    same(found, plainly())
    assert sorted(told) == [0, 1]


def test_an_interrupt_ends_the_workers(tmp_path: Path) -> None:
    prepared().save(tmp_path)

    def interrupted(_one: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_local(tmp_path, points(grid(GRID), BASE), workers=1, told=interrupted)
    assert multiprocessing.active_children() == []


def test_a_dask_cluster_gives_what_the_cores_give(cluster: str) -> None:
    same(run_dask(prepared(), points(grid(GRID), BASE), cluster), plainly())


def test_a_point_that_fails_is_one_line(cluster: str) -> None:
    """Points with another scoring clock than the recording was prepared with: the workers say so."""
    with pytest.raises(InputError, match=r"prepared with another poll\.score_seconds"):
        run_dask(prepared(), points(grid(GRID)), cluster)


def test_no_scheduler_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.tune_run.CONNECT_S", 0.3)
    with pytest.raises(InputError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        run_dask(prepared(), points(grid(GRID), BASE), "tcp://127.0.0.1:9")


def test_without_dask_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError) as raised:
        run_dask(prepared(), points(grid(GRID), BASE), "tcp://127.0.0.1:9")
    assert str(raised.value) == NO_DASK


def same(found: list[Outcome], expected: list[Outcome]) -> None:
    assert_frame_equal(frame(found), frame(expected))
    for one, other in zip(found, expected, strict=True):
        assert (one.number, one.chosen) == (other.number, other.chosen)
        assert_frame_equal(one.alerts, other.alerts)
        assert_frame_equal(one.missed, other.missed)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Two worker processes on loopback, without a dashboard."""
    untyped: Any = distributed
    with untyped.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1",
        worker_dashboard_address=None,
    ) as made:  # fmt: skip
        yield made.scheduler_address
