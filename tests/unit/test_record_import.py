"""A foreign archive becomes a recording; what cannot be read is named by line and column."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines import record_import
from pipelines.errors import InputError
from pipelines.record_import import ImportMap, import_csv, read_map
from pipelines.recording import Archive
from pipelines.settings import CONFIG_DIR

MAP: dict[str, Any] = {
    "columns": {"poll_at": "seen", "item_id": "id", "title": "text", "engagement": "score", "rank": "place", "names": "tags"},
    "constants": {"source": "trends"},
}  # fmt: skip
HEAD = "seen,id,text,score,place,tags\n"
GOOD = (
    HEAD
    + "2026-03-02T10:00:00Z,a,One,12.5,1,Ann|Bob\n2026-03-02T10:00:00Z,b,Two,,2,\n2026-03-03T10:00:00+02:00,a,One,,,\n"
)


def mapping(**changes: Any) -> ImportMap:
    return ImportMap.model_validate({**MAP, **changes})


def imported(tmp_path: Path, text: str | bytes, using: ImportMap | None = None) -> tuple[Any, Archive]:
    path = tmp_path / "archive.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    did = import_csv(path, using or mapping(), tmp_path / "out.parquet")
    return did, Archive(tmp_path / "out.parquet")


def test_rows_come_out_as_items(tmp_path: Path) -> None:
    did, archive = imported(tmp_path, GOOD)
    assert (did.polls, did.rows, did.faults) == (2, 3, ())
    frame = archive.read()
    assert frame.select("source", "feed", "item_id", "title", "engagement", "rank").row(0) == (
        "trends", "import", "a", "One", 12.5, 1,
    )  # fmt: skip
    assert frame["names"].to_list() == [["Ann", "Bob"], [], []]
    assert frame["poll_at"][2] == datetime(2026, 3, 3, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("how", "text", "hour"),
    [
        ({"format": "unix"}, "1772445600", 10), ({"format": "unix_ms"}, "1772445600000", 10),
        ({"format": "%d.%m.%Y %H:%M", "zone": "Asia/Taipei"}, "02.03.2026 18:00", 10),
        ({"format": "rfc3339", "zone": "Europe/Berlin"}, "2026-03-02T11:00:00", 10),
    ],
)  # fmt: skip
def test_formats_and_zones(tmp_path: Path, how: dict[str, str], text: str, hour: int) -> None:
    _, archive = imported(tmp_path, f"{HEAD}{text},a,One,,,\n", mapping(time=how))
    assert archive.polls["poll_at"][0] == datetime(2026, 3, 2, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("yesterday,a,One,,,", "line 3, column seen: 'yesterday' is not a time like rfc3339"),
        ("2026-03-02T10:00:00Z,,One,,,", "line 3, column id: empty, and item_id is needed"),
        ("2026-03-02T10:00:00Z,a,One,many,,", "line 3, column score: 'many' is not a number"),
        ("2026-03-02T10:00:00Z,a,One,nan,,", "line 3, column score: 'nan' is not a number"),
        ("2026-03-02T10:00:00Z,a,One,,1e9,", "line 3, column place: '1e9' is not a number"),
        ('2026-03-02T10:00:00Z,"a"b,One,,,', "line 3: "),
        ("2026-03-02T10:00:00Z", "line 3, column id: empty"),
    ],
)
def test_a_fault_is_named_by_line_and_column(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        imported(tmp_path, f"{HEAD}2026-03-02T09:00:00Z,a,One,,,\n{row}\n")
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out.parquet").exists()


def test_bad_rows_may_be_set_aside(tmp_path: Path) -> None:
    did, archive = imported(tmp_path, GOOD + "never,a,One,,,\n", mapping(file={"bad_rows": 1}))
    assert did.faults == ("line 5, column seen: 'never' is not a time like rfc3339",)
    assert archive.polls.height == 2


def test_sources_are_translated_or_refused(tmp_path: Path) -> None:
    using = {"columns": {**MAP["columns"], "source": "tags"}, "constants": {}, "sources": {"PTT": "reddit"}}
    _, archive = imported(tmp_path, f"{HEAD}2026-03-02T10:00:00Z,a,One,,,PTT\n", ImportMap.model_validate(using))
    assert archive.polls["source"].to_list() == ["reddit"]
    with pytest.raises(InputError, match=r"line 2, column tags: 'HN' is no source .*\[sources\]"):
        imported(tmp_path, f"{HEAD}2026-03-02T10:00:00Z,a,One,,,HN\n", ImportMap.model_validate(using))


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "no column"), (HEAD.encode(), "no row that can be used"), (b"\xff\xfe\x00", "text"),
     (b"a,b\n1,2\n", "no column id")],
)  # fmt: skip
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        imported(tmp_path, content)


def test_many_stretches_are_one_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_import, "CHUNK", 7)
    lines = [f"2026-03-{2 + n % 3:02d}T{n % 24:02d}:00:00Z,i{n},T{n},,,\n" for n in range(60)]
    did, archive = imported(tmp_path, HEAD + "".join(lines))
    assert did.rows == 60
    assert archive.polls["poll_at"].is_sorted()
    assert archive.read()["poll_at"].is_sorted()
    assert set(archive.read()["item_id"]) == {f"i{n}" for n in range(60)}


def test_the_template_is_a_map(tmp_path: Path) -> None:
    found = read_map(CONFIG_DIR / "import_template.toml")
    assert found.names_separator == "|"
    assert found.sources["google"] == "trends"
    header = ",".join(found.columns.values())
    row = "2026-03-02T10:00:00Z,google,7,Ann wins,movies,https://x.example/7,,5,1,Ann"
    _, archive = imported(tmp_path, f"{header}\n{row}\n", found)
    assert archive.read().select("source", "title", "feed").row(0) == ("trends", "Ann wins", "movies")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("columns = 1", "columns"), ("[columns]\npoll_at='a'", "nothing says what source, item_id, title is"),
        ("[time]\nzone='Mars'\n[columns]\n", "'Mars' is no time zone"), ("[", "map.toml"),
        ("[file]\ncolour='red'\n[columns]", "file.colour"),
    ],
)  # fmt: skip
def test_a_wrong_map_is_refused_in_words(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "map.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_map(path)
