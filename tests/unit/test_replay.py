"""A recording answers like live sources: each poll once, gaps as gaps, and how far back it could see."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.errors import InputError
from pipelines.model import FetchResult, Outcome
from pipelines.record import Recorder
from pipelines.replay import Recording, ReplaySource, replay_sources, thin, ticks
from tests.unit.recordings import START, minutes, poll, rows

MINUTE = timedelta(minutes=1)


def record(path: Path, *results: FetchResult) -> Recording:
    Recorder(path, 90).append(results)
    return Recording(path)


async def test_each_poll_is_served_once_in_order(tmp_path: Path) -> None:
    source = ReplaySource(record(tmp_path, *(poll("trends", minutes(10 * n), [f"q{n}"]) for n in range(4))), "trends")
    first = await source.fetch(minutes(0))
    assert (first.outcome, first.at, first.items["item_id"].to_list()) == (Outcome.OK, minutes(0), ["q0"])
    later = await source.fetch(minutes(25))
    assert (later.at, later.items["item_id"].to_list()) == (minutes(20), ["q1", "q2"])
    assert later.items["poll_at"].n_unique() == 2
    assert later.covered_from is None, "a list that is read again covers only the hours it was read in"
    nothing = await source.fetch(minutes(26))
    assert nothing.outcome is Outcome.SKIPPED
    assert not nothing.outcome.successful
    assert nothing.items.is_empty()


async def test_a_long_first_fetch_brings_the_whole_past(tmp_path: Path) -> None:
    recording = record(tmp_path, *(poll("trends", minutes(240 * n), ["q"]) for n in range(54)))
    result = await ReplaySource(recording, "trends").fetch(minutes(240 * 54))
    assert result.items.height == 54
    assert result.items["poll_at"].is_sorted()
    since = await ReplaySource(recording, "trends", since=minutes(240 * 51)).fetch(minutes(240 * 54))
    assert since.items.height == 2


async def test_days_are_read_as_they_come(tmp_path: Path) -> None:
    recording = record(tmp_path, *(poll("reddit", minutes(120 * n), [f"r{n}"]) for n in range(12 * 6)))
    source = ReplaySource(recording, "reddit")
    seen: list[str] = []
    for n in range(12 * 6):
        seen += (await source.fetch(minutes(120 * n))).items["item_id"].to_list()
    assert seen == [f"r{n}" for n in range(12 * 6)]


def test_a_recording_may_be_read_back_and_forth(tmp_path: Path) -> None:
    recording = record(tmp_path, *(poll("reddit", minutes(1440 * n), [f"r{n}"]) for n in range(8)))
    for day in (6, 7, 5, 1, 0, 7):
        assert recording.items("reddit", minutes(1440 * day - 1), minutes(1440 * day))["item_id"].to_list() == [
            f"r{day}"
        ]


async def test_covered_from_is_the_oldest_item_of_the_latest_poll(tmp_path: Path) -> None:
    recording = record(
        tmp_path,
        poll("reddit", minutes(0), ["old"], published=minutes(-600)),
        poll("reddit", minutes(300), ["new"], published=minutes(200)),
    )
    source = ReplaySource(recording, "reddit")
    assert (await source.fetch(minutes(0))).covered_from == minutes(-600)
    assert (await source.fetch(minutes(300))).covered_from == minutes(200)
    both = await ReplaySource(recording, "reddit").fetch(minutes(300))
    assert both.covered_from == minutes(200), "the gap between the two polls was not seen by either"


async def test_polls_that_reach_each_other_cover_together(tmp_path: Path) -> None:
    recording = record(
        tmp_path,
        poll("reddit", minutes(0), ["a"], published=minutes(-600)),
        poll("reddit", minutes(300), ["b"], published=minutes(-1)),
    )
    assert (await ReplaySource(recording, "reddit").fetch(minutes(300))).covered_from == minutes(-600)


async def test_a_very_old_post_vouches_for_fourteen_days_at_most(tmp_path: Path) -> None:
    recording = record(tmp_path, poll("reddit", START, ["pinned"], published=START - timedelta(days=900)))
    assert (await ReplaySource(recording, "reddit").fetch(START)).covered_from == START - timedelta(days=14)


async def test_a_poll_without_rows_is_served_as_one(tmp_path: Path) -> None:
    source = ReplaySource(record(tmp_path, poll("trades", minutes(0), [], Outcome.NOT_MODIFIED)), "trades")
    result = await source.fetch(minutes(1))
    assert result.outcome is Outcome.NOT_MODIFIED
    assert result.at == minutes(0)
    assert result.covered_from is None


def test_a_source_that_was_not_recorded_is_absent(tmp_path: Path) -> None:
    recording = record(tmp_path, poll("trends", minutes(0), ["q"]), poll("reddit", minutes(5), ["r"]))
    sources = replay_sources(recording, {"trends": 900})
    assert list(sources) == ["reddit", "trends"]
    assert sources["trends"].poll_seconds == 900
    assert sources["trends"].missing() == ()
    assert (recording.start, recording.end) == (minutes(0), minutes(5))


def test_ticks_score_every_poll_and_none_twice(tmp_path: Path) -> None:
    recording = record(
        tmp_path,
        *(poll("trends", minutes(10 * n), ["q"]) for n in range(6)),
        *(poll("reddit", minutes(2 * n), ["r"]) for n in range(25)),
    )
    found = ticks(recording, None, None, 300)
    times = recording.all_polls["poll_at"].unique().to_list()
    assert set(found) <= set(times)
    assert found == sorted(set(found))
    assert found[-1] == recording.end
    assert all(any(instant <= tick < instant + 5 * MINUTE for tick in found) for instant in times)
    assert ticks(recording, minutes(20), minutes(30), 300) == [minutes(24), minutes(28), minutes(30)]


def test_thin_keeps_the_last_of_each_stretch() -> None:
    assert thin([minutes(9), minutes(0), minutes(4), minutes(5)], 300) == [minutes(4), minutes(9)]


def test_a_recording_without_polls_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.parquet"
    rows("reddit", START, []).write_parquet(path)
    with pytest.raises(InputError, match="no poll"):
        Recording(path)


async def test_a_plain_file_replays(tmp_path: Path) -> None:
    path = tmp_path / "plain.parquet"
    frame = pl.concat([rows("reddit", minutes(n), [f"r{n}"], published=minutes(n - 60)) for n in (7, 0, 3)])
    frame.drop("context").write_parquet(path)
    source = ReplaySource(Recording(path), "reddit")
    result = await source.fetch(minutes(5))
    assert result.items["item_id"].to_list() == ["r0", "r3"]
    assert result.covered_from == minutes(-60)
