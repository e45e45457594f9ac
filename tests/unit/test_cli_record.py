"""``heatmap record --check / --merge / --import`` as typed."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from heatmap_app.cli_record import record
from pipelines.errors import InputError
from pipelines.record import Recorder
from tests.unit.recordings import START, poll

APP = typer.Typer()
APP.command()(record)


def typed(*arguments: object) -> str:
    """What the command prints, results and words; its error is raised."""
    found = CliRunner().invoke(APP, [str(argument) for argument in arguments])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code == 0, found.output
    return found.output


@pytest.fixture
def taped(tmp_path: Path) -> Path:
    recorder = Recorder(tmp_path / "a", 90)
    recorder.append([poll("reddit", START + timedelta(hours=hour), [f"r{hour}"]) for hour in (0, 1, 5)])
    return tmp_path / "a"


def test_check_draws_the_hours_and_names_what_is_wrong(taped: Path) -> None:
    (taped / "2026-03-02" / "part-broken.parquet").write_bytes(b"PAR1")
    said = typed(taped, "--check")
    assert "reddit  3 of 6 (50.0%)  4.0 h" in said
    assert "2026-03-02  reddit                          ##" in said
    assert "2026-03-03  reddit    ...#" in said
    assert "Recorder starts: 1 (last: 2026-03-02T22:00:00Z)" in said
    assert "Damaged: 2026-03-02/part-broken.parquet: " in said
    assert "Nothing damaged" not in said


def test_check_as_json_tells_every_hour(taped: Path) -> None:
    report = json.loads(typed(taped, "--check", "--json"))
    reddit = report["sources"]["reddit"]
    assert reddit["polls_by_hour"] == {"2026-03-02T22:00:00Z": 1, "2026-03-02T23:00:00Z": 1, "2026-03-03T03:00:00Z": 1}
    assert reddit["gaps"] == [{"from": "2026-03-02T23:00:00Z", "to": "2026-03-03T03:00:00Z"}]
    assert (report["duplicate_items"], report["damaged"], len(report["restarts"])) == (0, [], 1)


def test_merge_and_import_write_a_file_once(taped: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.parquet"
    assert "3 polls, 3 items; 3 polls stood in more than one recording" in typed("--merge", taped, taped, "--out", out)
    with pytest.raises(InputError, match="exists; name a new file"):
        typed("--merge", taped, "--out", out)
    archive, mapping = tmp_path / "x.csv", tmp_path / "map.toml"
    archive.write_text("t,id\n2026-03-02T10:00:00Z,Ann\n")
    mapping.write_text('[columns]\npoll_at = "t"\nitem_id = "id"\ntitle = "id"\n[constants]\nsource = "trends"\n')
    assert "1 polls, 1 items; 0 rows set aside" in typed(
        "--import", archive, "--map", mapping, "--out", tmp_path / "x.parquet"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a", "b"), "one file is expected, 2 were given"),
        (("a", "--check", "--merge"), "one of them"),
        (("a", "--merge"), "--out: say which"),
        (("a", "--import", "--out", "none.parquet"), "--map: say which column"),
    ],
)
def test_what_makes_no_sense_is_said(arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        typed(*arguments)
