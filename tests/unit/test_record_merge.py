"""Recordings of several processes come together: every poll once, in order, gaps and starts kept; and are checked."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from heatmap_app.once import _begin
from pipelines.errors import InputError
from pipelines.model import ITEMS, Outcome
from pipelines.record import Recorder, only_one, replacing, sweep
from pipelines.record_merge import adopt, merge_recordings
from pipelines.recording import CLOCK_BACK, START, Archive, parts_of
from pipelines.recording_check import check_recording, gaps_of
from tests.unit.recordings import minutes, poll, rows

DAY = 60 * 24


def record(path: Path, *numbers: float, source: str = "reddit") -> Recorder:
    recorder = Recorder(path, 90)
    recorder.append([poll(source, minutes(number), [f"{source}{number}"]) for number in numbers])
    return recorder


def test_two_recorders_of_the_same_polls_merge_into_one(tmp_path: Path) -> None:
    record(tmp_path / "a", 0, 10, 20)
    record(tmp_path / "b", 10, 20, 30)
    record(tmp_path / "b", 5, source="trends")
    shares: list[float] = []
    did = merge_recordings([tmp_path / "a", tmp_path / "b"], tmp_path / "c.parquet", shares.append)
    assert (did.polls, did.rows, did.duplicates, did.skipped) == (5, 5, 2, ())
    assert shares[-1] == 1.0
    archive = Archive(tmp_path / "c.parquet")
    assert archive.read()["item_id"].to_list() == ["reddit0", "trends5", "reddit10", "reddit20", "reddit30"]
    assert archive.read().schema == ITEMS
    assert [mark.kind for mark in archive.marks] == [START] * 3


def test_items_of_one_poll_that_only_one_recorder_saw_are_kept(tmp_path: Path) -> None:
    Recorder(tmp_path / "a", 90).append([poll("reddit", minutes(0), ["x", "y"])])
    Recorder(tmp_path / "b", 90).append([poll("reddit", minutes(0), ["y", "z"])])
    assert merge_recordings([tmp_path / "a", tmp_path / "b"], tmp_path / "c.parquet").rows == 3
    assert sorted(Archive(tmp_path / "c.parquet").read()["item_id"]) == ["x", "y", "z"]


def test_days_gaps_and_empty_polls_survive_a_merge(tmp_path: Path) -> None:
    record(tmp_path / "a", 0, 5 * DAY)
    Recorder(tmp_path / "b", 90).append([poll("trends", minutes(2 * DAY), [], Outcome.NOT_MODIFIED)])
    merge_recordings([tmp_path / "b", tmp_path / "a"], tmp_path / "c.parquet")
    archive = Archive(tmp_path / "c.parquet")
    assert archive.polls.select("source", "outcome").rows() == [
        ("reddit", "ok"), ("trends", "not_modified"), ("reddit", "ok"),
    ]  # fmt: skip
    (reddit, trends) = check_recording(tmp_path / "c.parquet", minutes(6 * DAY)).sources
    assert (reddit.hours_watched, reddit.hours_of) == (2, 121)
    assert reddit.longest_gap is not None
    assert reddit.longest_gap.hours == 120
    assert (trends.hours_watched, trends.hours_of, trends.empty_polls) == (1, 121, 1)


def test_a_damaged_part_is_left_out_of_a_merge_and_named(tmp_path: Path) -> None:
    record(tmp_path / "a", 0, 10)
    (part, _) = sorted((tmp_path / "a" / "2026-03-02").iterdir())
    part.write_bytes(part.read_bytes()[:300])
    did = merge_recordings([tmp_path / "a"], tmp_path / "c.parquet")
    assert did.polls == 1
    assert part.name in did.skipped[0]


def test_a_damaged_file_says_where_its_polls_are(tmp_path: Path) -> None:
    record(tmp_path / "mine.parts", 0)
    file = tmp_path / "mine.parquet"
    file.write_bytes(b"PAR1 half a fi")
    with pytest.raises(InputError, match=r"its polls are whole in .*mine.parts"):
        Archive(file)


def test_a_file_whose_folder_is_gone_is_taken_in_again(tmp_path: Path) -> None:
    record(tmp_path / "a", 0, DAY)
    merge_recordings([tmp_path / "a"], tmp_path / "x.parquet")
    adopt(tmp_path / "x.parquet", tmp_path / "x.parts")
    record(tmp_path / "x.parts", 10)
    assert Archive(tmp_path / "x.parts").polls["poll_at"].to_list() == [minutes(0), minutes(10), minutes(DAY)]
    assert sorted(entry.name for entry in (tmp_path / "x.parts").glob("*.parquet")) == [
        "2026-03-02.parquet", "2026-03-03.parquet",
    ]  # fmt: skip


def test_a_restart_and_a_clock_set_back_leave_marks(tmp_path: Path) -> None:
    record(tmp_path, 0, 30, 20)
    second = record(tmp_path, 40)
    archive = Archive(tmp_path)
    assert [(mark.at, mark.kind) for mark in archive.marks] == [
        (minutes(0), START), (minutes(20), CLOCK_BACK), (minutes(40), START),
    ]  # fmt: skip
    second.maintain(minutes(2 * DAY))
    assert Archive(tmp_path).marks == archive.marks, "compacting keeps them"
    found = check_recording(tmp_path, minutes(DAY))
    assert [mark.at for mark in found.restarts] == [minutes(0), minutes(40)]
    assert found.writers == 2
    assert found.suspicious == ("reddit: the clock was set back 1 times",)


def test_check_counts_duplicates_future_items_and_hours(tmp_path: Path) -> None:
    recorder = record(tmp_path, 0, 61, 200)
    recorder.append([poll("reddit", minutes(61), ["reddit61", "new"], published=minutes(300))])
    recorder.append([poll("reddit", minutes(5000), ["far"])])
    found = check_recording(tmp_path, minutes(400))
    (reddit,) = found.sources
    assert (reddit.polls, reddit.items, found.duplicates, found.duplicate_polls) == (4, 5, 1, 1)
    assert reddit.polls_by_hour[minutes(60)] == 1
    assert (reddit.future_items, found.future_polls) == (2, 1)
    assert found.suspicious == (
        "reddit: the clock was set back 1 times",
        "reddit: 2 items published after they were seen",
        "1 polls lie in the future",
    )


def test_rows_out_of_order_in_a_foreign_file_are_told(tmp_path: Path) -> None:
    frames = [rows("reddit", minutes(at), [f"r{at}"]) for at in (0, 20, 10, 30)]
    pl.concat(frames).write_parquet(tmp_path / "f.parquet")
    assert check_recording(tmp_path / "f.parquet", minutes(DAY)).suspicious == (
        "reddit: the clock was set back 1 times",
    )


@pytest.mark.parametrize(
    ("times", "lengths"),
    [([0, 59, 118], []), ([0, 119], []), ([0, 120], [2.0]), ([59, 121], [62 / 60]), ([], []), ([0, 60, 300], [4.0])],
)
def test_a_gap_holds_a_whole_hour(times: list[int], lengths: list[float]) -> None:
    assert [gap.hours for gap in gaps_of([minutes(at) for at in times])] == pytest.approx(lengths)


def test_of_two_that_tidy_at_once_one_does(tmp_path: Path) -> None:
    recorder = record(tmp_path, 0)
    with only_one(tmp_path, 0.0):
        assert recorder.maintain(minutes(2 * DAY)).compacted == ()
        with pytest.raises(BlockingIOError), only_one(tmp_path, 0.1):
            raise AssertionError("both hold it")
    assert recorder.maintain(minutes(2 * DAY)).compacted == ("2026-03-02",)


def test_a_write_under_way_is_not_swept(tmp_path: Path) -> None:
    with replacing(tmp_path / "a") as file:
        file.write(b"half")
        sweep(tmp_path)
    assert (tmp_path / "a").read_bytes() == b"half"
    (tmp_path / ".tmp-dead").write_bytes(b"x")
    sweep(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_a_folder_tidied_away_under_a_writer_is_made_again(tmp_path: Path) -> None:
    recorder = record(tmp_path, 0)
    recorder.maintain(minutes(0) + timedelta(days=1))
    assert recorder.append([poll("reddit", minutes(10), ["late"])]).error is None
    assert Archive(tmp_path).polls.height == 2


def test_two_files_of_one_stem_have_a_folder_each_and_an_old_folder_is_found(tmp_path: Path) -> None:
    whole, short = tmp_path / "w.parquet", tmp_path / "w.pq"
    assert parts_of(whole) != parts_of(short)
    old = tmp_path / "w.parts"
    old.mkdir()
    assert parts_of(whole) == old
    whole.touch()
    assert parts_of(short) == tmp_path / "w.pq.parts"


def test_a_file_that_holds_more_than_its_folder_is_not_overwritten(tmp_path: Path) -> None:
    record(tmp_path / "a", 0, 10)
    merge_recordings([tmp_path / "a"], tmp_path / "x.parquet")
    record(tmp_path / "x.parquet.parts", 10)
    with pytest.raises(InputError, match=r"holds 1 polls that .*x.parquet.parts lacks"):
        _begin(tmp_path / "x.parquet", tmp_path / "x.parquet.parts")
    record(tmp_path / "x.parquet.parts", 0)
    _begin(tmp_path / "x.parquet", tmp_path / "x.parquet.parts")
