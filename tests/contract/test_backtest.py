"""``heatmap backtest`` from the command line: what it prints, keeps and refuses, and its report."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from heatmap_app.backtest_report import render_report, write_report
from heatmap_app.cli import app
from heatmap_app.cli_backtest import parse_overrides, settings_with
from pipelines.backtest import BacktestResult, run
from pipelines.backtest.keeping import runs
from pipelines.errors import InputError
from pipelines.recording import encode
from tests.unit.backtest_kit import BREAKS, HOUR, NAME, SECOND, START, recording, settings

AT = datetime(2026, 4, 1, 12, 0, tzinfo=UTC)
LATER = START + 400 * HOUR


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    polls = recording()
    items = pl.concat([polls.items(name, None, LATER) for name in polls.sources])
    path = tmp_path_factory.mktemp("recording") / "small.parquet"
    path.write_bytes(encode(items, pl.concat([polls.polls(name, None, LATER) for name in polls.sources])))
    return path


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    return run(recording(), settings(), name="small.parquet")


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["backtest", *(str(one) for one in arguments)])


def test_it_prints_json_keeps_the_run_and_writes_a_report(file: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    done = invoke(file, "--json", "--set", "poll.score_seconds=3600", "--set", "gates.min_velocity=2.4",
                  "--from", "2026-03-09", "--out", tmp_path / "runs", "--report", report)  # fmt: skip
    assert done.exit_code == 0, done.output
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["recording"] == "small.parquet"
    assert [alert["entity"] for alert in told["alerts"]] == [NAME, SECOND]
    assert told["from"] == "2026-03-09T00:00:00Z"
    (kept,) = runs(tmp_path / "runs")
    assert kept.result["overrides"] == {"poll.score_seconds": 3600, "gates.min_velocity": 2.4}
    assert kept.result["alerts"] == told["alerts"]
    assert NAME in report.read_text(encoding="utf-8")


def test_it_prints_a_table_and_the_figures_for_people(file: Path, tmp_path: Path) -> None:
    done = invoke(file, "--set", "poll.score_seconds=3600", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert re.search(rf"{NAME}\s+\+\d\.\d\s+2/3", done.stdout)
    assert "lead over the trades: median +" in done.stdout
    assert "never covered by the trades: 0 of 1" in done.stdout
    assert "false by the back-check: 0 of 2 = 0%" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "gates.min_speed=2"], "--set gates.min_speed: gates has min_velocity, min_spread, consecutive"),
        (["--set", "slack.bot_token=xoxb-1"], "--set slack.bot_token: a backtest does not read it"),
        (["--set", "reddit.client_secret=x"], "--set reddit.client_secret: a backtest does not read it"),
        (["--set", "gates.min_velocity=NaN"], "--set gates.min_velocity: Input should be a finite number"),
        (["--from", "0001-01-01"], "--from: '0001-01-01' lies outside the years 2001 to 2099"),
        (["--set", "doors.min_velocity=2"], "there is no section 'doors'"),
        (["--set", "min_velocity"], "write it like gates.min_velocity=2.0"),
        (["--set", "gates.min_spread=9"], "--set gates.min_spread: Input should be less than or equal to 3"),
        (["--set", "velocity.method=best"], "--set velocity.method: "),
        (["--from", "yesterday"], "--from: 'yesterday' is not a time"),
        (["--from", "2026-03-05", "--to", "2026-03-04"], "--from must be before --to"),
        (["--from", "2031-01-01"], "no poll"),
        (["--domain", "nonsense"], "domain 'nonsense': one of all, entertainment"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(file: Path, tmp_path: Path, arguments: Sequence[str], said: str) -> None:
    done = invoke(file, "--out", tmp_path, *arguments)
    assert isinstance(done.exception, InputError)
    assert said in str(done.exception)
    assert "\n" not in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_a_damaged_or_missing_file_is_refused(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(b"PAR1 and nothing more")
    for path, said in ((damaged, "cannot be read as Parquet"), (tmp_path / "nowhere", "no such file")):
        done = invoke(path)
        assert isinstance(done.exception, InputError)
        assert said in str(done.exception)


def test_settings_of_a_run_go_over_the_files() -> None:
    chosen = parse_overrides(["gates.min_velocity=2.0", "velocity.method=plain", "reddit.noise_unit=7.5"])
    made = settings_with(chosen)
    assert (made.gates.min_velocity, made.velocity.method, made.reddit.noise_unit) == (2.0, "plain", 7.5)
    assert made.gates.consecutive == 2


def test_the_report_stands_alone(result: BacktestResult) -> None:
    """No script, nothing to fetch, its style allowed by its own hash; links lead out only to receipts."""
    page = render_report(result, settings(), ran_at=AT, command="heatmap backtest small.parquet")
    assert "default-src 'none'; style-src 'sha256-" in page.replace("&#39;", "'").replace("&#x27;", "'")
    assert not re.search(r"<script|<link|<img|<iframe|url\(|@import|\sstyle=|\son\w+=", page)
    assert set(re.findall(r'(?:href|src)="([^"#]*)', page)) <= {
        receipt["url"] for alert in result.alerts for receipt in alert.receipts
    }
    assert page.count('class="mark held"') == 2
    assert page.count("in the 48 hours before the alert") == 2
    for said in (
        "small.parquet",
        "2026-03-02 00:05",
        "heatmap backtest small.parquet",
        "2026-04-01 12:00",
        "gates.min_velocity",
    ):
        assert said in page


def test_the_report_takes_no_markup_from_outside(result: BacktestResult) -> None:
    evil = '"><img src=x onerror=alert(1)>'
    first = result.alerts[0]
    receipt = {**first.receipts[0], "title": evil, "url": "javascript:alert(1)", "feed": evil}
    alert = replace(first, entity=evil, receipts=(receipt,))
    misses = pl.DataFrame([{"entity": 1, "name": evil, "slug": "x", "first_trade_at": BREAKS, "trade_items": 1,
                            "platforms": [evil], "mentions": 1, "max_velocity": None, "reason": evil}],
                          schema=result.misses.schema)  # fmt: skip
    bad = replace(result, alerts=(alert,), misses=misses, recording=evil, overrides={evil: evil})
    page = render_report(bad, settings(), ran_at=AT, command=evil)
    assert "<img" not in page
    assert "javascript:" not in page
    assert page.count("&lt;img") >= 6


def test_a_report_without_alerts_says_so(result: BacktestResult, tmp_path: Path) -> None:
    empty = run(recording(30), settings(), name="quiet")
    page = render_report(empty, settings(), ran_at=AT, command="heatmap backtest quiet")
    assert "No alert fired in this span." in page
    with pytest.raises(InputError, match="cannot be written"):
        write_report(result, settings(), tmp_path / "missing" / "report.html", ran_at=AT, command="")
