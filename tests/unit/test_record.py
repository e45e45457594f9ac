"""Every poll is on disk once it is acknowledged, once, and stays readable whatever happens around it."""

from __future__ import annotations

import resource
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.errors import InputError
from pipelines.model import ITEMS, FetchResult, Outcome
from pipelines.record import Recorder, read_recording
from pipelines.record_merge import export_recording
from pipelines.recording import POLLS, Archive, DamagedFileError, encode, open_file
from tests.unit.recordings import START, minutes, poll, rows

DAY = timedelta(days=1)


def recorded(directory: Path) -> list[tuple[str, str]]:
    frame = read_recording(directory)
    return list(zip(frame["source"], frame["item_id"], strict=True))


def test_polls_come_back_as_they_were_given(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "recordings", 90)
    result = poll("reddit", minutes(0), ["a", "b"], published=minutes(-30))
    written = recorder.append([result, poll("trends", minutes(1), ["x"])])
    assert (written.polls, written.rows, written.error) == (2, 3, None)
    frame = read_recording(tmp_path / "recordings")
    assert frame.schema == ITEMS
    assert frame.filter(pl.col("source") == "reddit").equals(result.items)
    assert [part.name for part in sorted((tmp_path / "recordings" / "2026-03-02").iterdir())] == [
        f"part-20260302T220000000000Z-reddit-{recorder.writer}-000.parquet",
        f"part-20260302T220100000000Z-trends-{recorder.writer}-000.parquet",
    ]


def test_an_empty_poll_is_a_poll_and_a_failed_one_is_not(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, 90)
    recorder.append(
        [
            poll("trends", minutes(0), [], Outcome.NOT_MODIFIED),
            poll("reddit", minutes(0), [], Outcome.FAILED),
            poll("tiktok", minutes(0), ["old"], Outcome.DEGRADED),
            poll("trades", minutes(0), [], Outcome.EMPTY),
        ]
    )
    for _ in range(2):  # as a part, and as a compacted day
        polls = Archive(tmp_path).polls
        assert polls.select("source", "outcome").rows() == [("tiktok", "degraded"), ("trends", "not_modified")]
        recorder.maintain(minutes(0) + DAY)


def test_a_result_over_midnight_is_cut_into_days(tmp_path: Path) -> None:
    items = pl.concat([rows("trends", minutes(m), ["a"]) for m in (60, 119, 121, 180)])
    written = Recorder(tmp_path, 90).append([FetchResult("trends", minutes(180), Outcome.OK, items)])
    assert (written.polls, written.rows) == (4, 4)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["2026-03-02", "2026-03-03"]
    assert Archive(tmp_path).polls.height == 4


def test_compaction_keeps_every_row_once_and_may_be_repeated(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, 90)
    for number in range(30):
        recorder.append([poll("reddit", minutes(number), [f"r{number}"]), poll("trends", minutes(number), ["q"])])
    before = read_recording(tmp_path)
    assert recorder.maintain(minutes(0) + DAY).compacted == ("2026-03-02",)
    assert [entry.name for entry in tmp_path.iterdir()] == ["2026-03-02.parquet"]
    assert recorder.maintain(minutes(0) + DAY).compacted == ()
    assert read_recording(tmp_path).equals(before)
    assert Archive(tmp_path).polls.height == 60


def test_a_crash_between_the_day_file_and_the_removal_of_parts_doubles_nothing(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, 90)
    recorder.append([poll("reddit", minutes(n), [f"r{n}"]) for n in range(3)])
    kept = {part: part.read_bytes() for part in (tmp_path / "2026-03-02").iterdir()}
    recorder.maintain(minutes(0) + DAY)
    for part, content in kept.items():
        part.parent.mkdir(exist_ok=True)
        part.write_bytes(content)
    assert recorded(tmp_path) == [("reddit", "r0"), ("reddit", "r1"), ("reddit", "r2")]
    assert recorder.maintain(minutes(0) + DAY).compacted == ()
    assert not (tmp_path / "2026-03-02").exists()
    assert len(recorded(tmp_path)) == 3


def test_a_footer_removes_no_file_that_is_not_a_part(tmp_path: Path) -> None:
    recorder, other = Recorder(tmp_path / "r", 90), tmp_path / "other.txt"
    other.write_text("x")
    recorder.append([poll("reddit", minutes(0), ["a"])])
    recorder.maintain(minutes(0) + DAY)
    day = tmp_path / "r" / "2026-03-02.parquet"
    inside = day.with_suffix("") / "note.txt"
    inside.parent.mkdir()
    inside.write_text("x")
    found = open_file(day)
    names = [str(other), "../../other.txt", "part-x/../../../other.parquet", "note.txt"]
    day.write_bytes(encode(Archive(tmp_path / "r").read(), found.polls, [*found.parts, *names]))
    assert recorder.maintain(minutes(0) + DAY).error is None
    assert other.exists()
    assert inside.exists()


@pytest.mark.parametrize(("source", "outcome"), [("reddit", "weird"), ("myspace", "ok")])
def test_a_footer_with_an_unknown_word_is_damage(tmp_path: Path, source: str, outcome: str) -> None:
    polls = pl.DataFrame([(minutes(0), source, outcome, None)], schema=POLLS, orient="row")
    (tmp_path / "o.parquet").write_bytes(encode(pl.DataFrame(schema=ITEMS), polls))
    with pytest.raises(DamagedFileError, match=r"its footer has polls with (source myspace|outcome weird)"):
        open_file(tmp_path / "o.parquet")


def test_forgotten_items_stay_as_many_rows(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, 90)
    recorder.append([poll("reddit", minutes(0), ["a", "b", "c"])])
    assert recorder.forget("reddit", ["a", "b"], [minutes(0).date()]) == 2
    rows = read_recording(tmp_path)
    assert rows.height == 3
    assert rows.filter(pl.col("title") == "")["item_id"].n_unique() == 2
    assert not {"a", "b"} & set(rows["item_id"])


def test_a_late_poll_of_a_compacted_day_is_kept(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, 90)
    recorder.append([poll("reddit", minutes(0), ["a"])])
    recorder.maintain(minutes(0) + DAY)
    recorder.append([poll("reddit", minutes(5), ["b"])])
    assert len(recorded(tmp_path)) == 2
    assert recorder.maintain(minutes(0) + DAY).compacted == ("2026-03-02",)
    assert recorded(tmp_path) == [("reddit", "a"), ("reddit", "b")]


def test_the_same_poll_appended_twice_is_read_once(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, 90)
    recorder.append([poll("reddit", minutes(0), ["a", "b"])])
    recorder.append([poll("reddit", minutes(0), ["a", "b"])])
    assert len(recorded(tmp_path)) == 2
    assert Archive(tmp_path).polls.height == 1


def test_retention_removes_old_days_only(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, 2)
    for day in range(5):
        recorder.append([poll("reddit", START + day * DAY, [f"r{day}"])])
    report = recorder.maintain(START + 4 * DAY)
    assert report.removed == ("2026-03-02", "2026-03-03")
    assert [item for _, item in recorded(tmp_path)] == ["r2", "r3", "r4"]
    assert (tmp_path / "2026-03-06").is_dir(), "today stays in parts"


@pytest.mark.parametrize("cut", [0, 5, 200, -30])
def test_a_truncated_part_is_left_out_and_named(tmp_path: Path, cut: int) -> None:
    recorder = Recorder(tmp_path, 90)
    recorder.append([poll("reddit", minutes(n), [f"r{n}"]) for n in range(3)])
    part = tmp_path / "2026-03-02" / f"part-20260302T220100000000Z-reddit-{recorder.writer}-000.parquet"
    part.write_bytes(part.read_bytes()[:cut])
    archive = Archive(tmp_path)
    assert archive.read()["item_id"].to_list() == ["r0", "r2"]
    assert len(archive.skipped) == 1
    assert part.name in archive.skipped[0]
    recorder.maintain(minutes(0) + DAY)
    assert part.exists(), "what cannot be read is not thrown away"
    assert [item for _, item in recorded(tmp_path)] == ["r0", "r2"]


def test_a_damaged_body_under_a_good_footer_is_left_out_too(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, 90)
    recorder.append([poll("reddit", minutes(n), [f"r{n}{i}" for i in range(50)]) for n in range(2)])
    part = tmp_path / "2026-03-02" / f"part-20260302T220100000000Z-reddit-{recorder.writer}-000.parquet"
    content = bytearray(part.read_bytes())
    content[4:400] = b"\xff" * 396
    part.write_bytes(content)
    archive = Archive(tmp_path)
    assert archive.read().height == 50
    assert len(archive.skipped) == 1


def test_a_full_disk_is_a_value_and_loses_nothing(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, 90)
    recorder.append([poll("reddit", minutes(0), ["a"])])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))  # the kernel refuses to let a file grow further
        written = recorder.append([poll("reddit", minutes(1), ["b"])])
        report = recorder.maintain(minutes(0) + DAY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (written.polls, written.rows) == (0, 0)
    assert written.error
    assert "reddit" in written.error
    assert report.error
    assert recorded(tmp_path) == [("reddit", "a")]
    assert not list(tmp_path.rglob(".tmp-*"))
    assert recorder.append([poll("reddit", minutes(1), ["b"])]).error is None


def test_a_directory_that_cannot_be_made_is_a_value(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    written = Recorder(tmp_path / "file" / "recordings", 90).append([poll("reddit", minutes(0), ["a"])])
    assert written.error == "recording of reddit not written: Not a directory"


def test_reading_takes_a_stretch_of_time(tmp_path: Path) -> None:
    Recorder(tmp_path, 90).append([poll("reddit", minutes(n * 60), [f"r{n}"]) for n in range(4)])
    assert read_recording(tmp_path, minutes(60), minutes(180))["item_id"].to_list() == ["r1", "r2"]


def test_a_file_of_the_public_format_is_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    frame = pl.concat([rows("reddit", minutes(0), ["a"]), rows("trends", minutes(0), ["b"])]).drop("context")
    frame.with_columns(pl.col("engagement").cast(pl.Int64)).write_parquet(path)
    assert read_recording(path).schema == ITEMS
    assert Archive(path).polls.height == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop("feed", "names"), "column feed is missing; column names is missing"),
        (lambda frame: frame.with_columns(poll_at=pl.col("poll_at").cast(pl.String)), "column poll_at is String"),
        (lambda frame: frame.with_columns(published_at=pl.lit("x")), "column published_at is String"),
        (lambda frame: frame.with_columns(names=pl.lit("x")), "column names is String, wanted List"),
        (lambda frame: frame.with_columns(source=pl.lit("youtube")), "unknown source youtube"),
        (lambda frame: frame.with_columns(item_id=pl.lit(None, dtype=pl.String)), "empty values in item_id"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, change: object, message: str) -> None:
    path = tmp_path / "wrong.parquet"
    assert callable(change)
    change(rows("reddit", minutes(0), ["a"])).write_parquet(path)
    with pytest.raises(InputError, match=message):
        read_recording(path)


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.parquet"
    text.write_text("hello")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read_recording(text)
    with pytest.raises(InputError, match="no such file"):
        read_recording(tmp_path / "absent.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no recording in this directory"):
        read_recording(tmp_path / "empty")


def test_export_keeps_rows_and_empty_polls(tmp_path: Path) -> None:
    Recorder(tmp_path / "days", 90).append([poll("reddit", minutes(0), ["a"]), poll("trends", minutes(1))])
    export_recording(tmp_path / "days", tmp_path / "all.parquet")
    archive = Archive(tmp_path / "all.parquet")
    assert archive.polls["source"].to_list() == ["reddit", "trends"]
    assert archive.read()["item_id"].to_list() == ["a"]
