"""A damaged Parquet file costs one line, never the process that reads it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import polars as pl
import pytest

from pipelines.errors import InputError
from pipelines.record import Recorder
from pipelines.recording import Archive
from pipelines.score_file import read_mentions
from pipelines.vetting import Vetter, fault
from tests.unit.recordings import minutes, poll

DEADLY = Path(__file__).parent / "data" / "deadly.parquet"
"""A recording with damaged page headers: its reader asks for 2 EB and is aborted."""


def small(path: Path, rows: int = 3) -> Path:
    pl.DataFrame({"a": range(rows)}).write_parquet(path)
    return path


def test_the_file_kills_a_reader_that_trusts_it() -> None:
    reader = f"import polars; polars.read_parquet({str(DEADLY)!r})"
    assert subprocess.run([sys.executable, "-c", reader], capture_output=True, timeout=60, check=False).returncode < 0


def test_every_reader_refuses_it_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"deadly.parquet: cannot be read as Parquet: reading it ends the program"
    ) as said:
        Archive(DEADLY)
    assert "\n" not in str(said.value)
    with pytest.raises(InputError, match=r"deadly.parquet: cannot be read as Parquet"):
        read_mentions(DEADLY)
    recorder = Recorder(tmp_path, 90)
    recorder.append([poll("reddit", minutes(0), ["a"])])
    (tmp_path / "2026-03-02" / "part-x.parquet").write_bytes(DEADLY.read_bytes())
    assert recorder.maintain(minutes(60 * 30)).compacted == ("2026-03-02",)
    archive = Archive(tmp_path)
    assert archive.read()["item_id"].to_list() == ["a"]
    assert archive.skipped[0].startswith("2026-03-02/part-x.parquet: reading it ends")


def test_one_child_reads_many_files_and_each_once(tmp_path: Path) -> None:
    vetter = Vetter()
    paths = [small(tmp_path / f"{number}.parquet") for number in range(20)]
    assert vetter.fault(paths[0]) is None
    waited = vetter.starting_s
    assert waited > 0
    assert [vetter.fault(path) for path in paths * 2] == [None] * 40
    assert (vetter.started, vetter.starting_s) == (1, waited)
    assert vetter.fault(DEADLY) is not None
    assert vetter.fault(DEADLY) is not None
    assert vetter.fault(small(tmp_path / "after.parquet")) is None
    assert vetter.started == 3  # a child that died did not judge the file, which is therefore asked about again
    vetter.close()


def test_a_child_that_starts_late_judges_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound, damaged = small(tmp_path / "a.parquet"), tmp_path / "b.parquet"
    damaged.write_bytes(b"PAR1junkjunkPAR1")
    vetter = Vetter()
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.vetting.START_S", 0.001)
        for path in (sound, damaged):
            assert str(vetter.fault(path)).startswith("the program that would check it did not start")
    assert vetter.fault(sound) is None
    assert "did not start" not in str(vetter.fault(damaged))
    assert vetter.started == 3
    vetter.close()


def test_a_writer_does_not_wait_for_a_file_that_is_read(tmp_path: Path) -> None:
    vetter, path = Vetter(), small(tmp_path / "a.parquet")
    with vetter._lock:
        done = threading.Thread(target=vetter.trust, args=(path,), daemon=True)
        done.start()
        done.join(10.0)
        assert not done.is_alive()
    assert vetter.fault(path) is None
    assert vetter.started == 0


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "one.parquet"
    path.write_bytes(b"PAR1")
    assert fault(path) is not None
    assert fault(small(path)) is None


def test_caps_on_memory_time_and_columns(tmp_path: Path) -> None:
    wide = tmp_path / "wide.parquet"
    pl.DataFrame({f"c{number}": [1] for number in range(201)}).write_parquet(wide)
    assert fault(wide) == "it has 201 columns, more than 200"
    bomb = tmp_path / "bomb.parquet"
    pl.DataFrame({"a": ["x" * 40_000_000]}).write_parquet(bomb)
    assert bomb.stat().st_size < 1_000_000
    hungry = Vetter(memory=30_000_000)
    assert hungry.fault(bomb) is not None
    hungry.close()
    slow = Vetter(deadline_s=0.0)
    assert slow.fault(small(tmp_path / "a.parquet")) == "reading it did not end within 0 s"
    slow.close()


def test_an_absent_file_is_absent(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        fault(tmp_path / "none.parquet")
