"""A short soak: nothing lost, nothing doubled, nobody told of what did not happen. ``docs/soak.md`` has a long one."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT, environment
from tests.soak.faults import Fault
from tests.soak.ground import STEP_S
from tests.soak.recovery import Active, Recoveries
from tests.soak.report import LAG_P99_MS
from tests.soak.run import START, slope

pytestmark = [pytest.mark.slow, pytest.mark.server_pg, pytest.mark.redis_server]

MOST_MB = 600.0
"""A run of a minute ends before memory is flat; this bounds what it may take at all."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    figures = tmp_path_factory.mktemp("soak") / "soak.json"
    command = [sys.executable, "-m", "tests.soak", "--minutes", "0.3", "--seed", "11", "--baseline-days", "5"]
    run = subprocess.run(
        [*command, "--json", str(figures)], cwd=ROOT, env=environment(Path("var"), {}), capture_output=True, text=True,
        timeout=400,
    )  # fmt: skip
    assert figures.exists(), run.stderr[-3000:]
    loaded: dict[str, Any] = json.loads(figures.read_text())
    assert loaded["broken"] == [], run.stdout
    assert run.returncode == 0
    return loaded


def test_nothing_is_lost_and_nothing_doubled(found: dict[str, Any]) -> None:
    for phase in (found["stories"], found["quiet"]):
        rows = phase["rows"]
        assert (rows["lost"], rows["doubled"], rows["half_polls"], rows["miscounted_hours"]) == (0, 0, 0, 0)
        assert phase["backlog"]["dropped"] == 0
    assert found["stories"]["rows"]["expected"] > 300
    assert found["stories"]["faults_in_all"] >= 2


def test_every_alert_arrives_once_and_a_quiet_world_has_none(found: dict[str, Any]) -> None:
    for phase in (found["stories"], found["quiet"]):
        alerts = phase["alerts"]
        assert (alerts["lost"], alerts["doubled"], alerts["false"]) == (0, 0, 0)
    assert found["stories"]["alerts"]["stored"] >= 1
    assert found["quiet"]["alerts"]["stored"] == 0


def test_the_loop_turns_while_48_mb_arrive(found: dict[str, Any]) -> None:
    lag = found["stories"]["lag_ms"]
    assert lag["huge_whole"]["samples"] > 20, lag
    assert lag["huge_whole"]["p99"] < LAG_P99_MS, lag
    assert lag["usual"]["p99"] < LAG_P99_MS


def test_it_recovers_and_stays_within_its_memory(found: dict[str, Any]) -> None:
    for phase in (found["stories"], found["quiet"]):
        assert phase["not_recovered"] == []
        assert {kind: took["late"] for kind, took in phase["recovery"].items() if took["late"]} == {}
        assert phase["memory"]["most_mb"] < MOST_MB


def test_a_leak_shows_as_a_slope() -> None:
    grown, kept = slope([(polls, 200.0 + 0.01 * polls) for polls in range(0, 3000, 10)])
    assert round(grown, 3) == 10.0
    assert kept[0][0] == 1000


@pytest.mark.parametrize(
    ("target", "asked_s", "killed", "back", "late"),
    [
        ("trends", 600, (), 1, False),
        ("trends", 600, (), 2, True),
        ("trends", 600, (1,), 2, False),  # nobody heard of round 1
        ("trends", 600, (1,), 3, True),
        ("trends", 600, (0, 2), 2, True),  # kills in other rounds excuse nothing
        ("trends", 1200, (), 2, False),  # it was asked to wait
        ("trends", 1200, (1,), 3, True),
        ("tiktok", 3600, (), 6, False),
        ("tiktok", 3600, (6,), 12, False),
        ("tiktok", 3600, (5,), 7, True),
    ],
)
def test_a_recovery_is_late_after_the_first_round_that_was_heard_of(
    target: str, asked_s: float, killed: tuple[int, ...], back: int, late: bool
) -> None:
    recoveries = Recoveries(untold={START + n * timedelta(seconds=STEP_S) for n in killed})
    fault = Fault("empty", target, lambda _ground: None)
    recoveries.done(Active(fault, hits=1, last=START, allowed_s=asked_s), START + back * timedelta(seconds=STEP_S), 0.0)
    [(took, allowed)] = recoveries.intervals[f"{target}: empty"]
    assert (took > allowed) is late
