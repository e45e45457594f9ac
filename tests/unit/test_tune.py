"""The grid of ``heatmap tune``: what it refuses, the order of its points, and that pool, Dask and plain calls agree."""

from __future__ import annotations

import json
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
from pipelines.recording import encode
from pipelines.settings import load_settings
from pipelines.tune import FIXED, MOST_POINTS, Outcome, bare, frame, grid, ordered, points
from pipelines.tune_run import NO_DASK, knock, run_dask, run_local, run_point
from tests.processes import heatmap
from tests.unit.backtest_kit import HOUR, START, recording, settings

BASE: dict[str, dict[str, Any]] = {"poll": {"score_seconds": 3600}, "velocity": {"cap": 40.0}}
SET = {"POLL__SCORE_SECONDS": "3600", "VELOCITY__CAP": "40.0"}
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
    others = set(multiprocessing.active_children())  # a cluster of another test

    def interrupted(_one: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_local(tmp_path, points(grid(GRID), BASE), workers=1, told=interrupted)
    assert set(multiprocessing.active_children()) <= others


def test_a_dask_cluster_gives_what_the_cores_give(cluster: str) -> None:
    same(run_dask(prepared(), points(grid(GRID), BASE), cluster), plainly())


def test_a_point_that_fails_is_one_line(cluster: str) -> None:
    """Points with another scoring clock than the recording was prepared with: the workers say so."""
    with pytest.raises(InputError, match=r"prepared with another poll\.score_seconds"):
        run_dask(prepared(), points(grid(GRID)), cluster)


def test_no_scheduler_is_one_line() -> None:
    with pytest.raises(InputError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        run_dask(prepared(), points(grid(GRID), BASE), "tcp://127.0.0.1:9")


def test_without_dask_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError) as raised:
        run_dask(prepared(), points(grid(GRID), BASE), "tcp://127.0.0.1:9")
    assert str(raised.value) == NO_DASK


def test_the_command_gives_the_same_on_the_cores_and_on_a_cluster(cluster: str, tmp_path: Path) -> None:
    """As a process of its own, as a desk runs it: the figures of every point, and every alert behind them."""
    polls, until = recording(196), START + 200 * HOUR
    items = pl.concat([polls.items(name, None, until) for name in polls.sources])
    file = tmp_path / "small.parquet"
    file.write_bytes(encode(items, pl.concat([polls.polls(name, None, until) for name in polls.sources])))
    asked = [*(part for one in GRID for part in ("--grid", one)), "--domain", "all", "--json"]
    told = {}
    for name, where in (("cores", ["--workers", "2"]), ("cluster", ["--dask", cluster])):
        done = heatmap("tune", str(file), *asked, *where, "--out", str(tmp_path / name), var=tmp_path, settings=SET)
        assert done.returncode == 0, done.stderr
        told[name] = json.loads(done.stdout)
    assert told["cores"]["points"] == told["cluster"]["points"]
    assert [point["alerts"] for point in told["cluster"]["points"]] == [1, 1]
    assert told["cluster"]["command"].endswith(f"--dask {cluster} --out {tmp_path / 'cluster'}")
    for frames in ("points", "alerts", "missed"):
        one, other = (pl.read_parquet(tmp_path / name / f"{frames}.parquet") for name in told)
        assert_frame_equal(one, other)
    assert pl.read_parquet(tmp_path / "cluster" / "alerts.parquet").height == 2


def test_the_command_says_at_once_that_nobody_answers(tmp_path: Path) -> None:
    """Before it reads anything: there is no such recording."""
    done = heatmap("tune", "none.parquet", "--grid", GRID[0], "--dask", "tcp://127.0.0.1:9", var=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("heatmap: tune: no Dask scheduler answers at tcp://127.0.0.1:9: ")


@pytest.mark.parametrize("address", ["localhost:8786", "tcp://", "tcp://host:much", "http://host:8786"])
def test_what_is_no_address_is_said(address: str) -> None:
    with pytest.raises(InputError, match=r"is no address; write it like tcp://host:8786"):
        knock(address)


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
