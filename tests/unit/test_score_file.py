"""Mentions files: what is read, what is set aside, and the shape of what comes out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.errors import InputError
from pipelines.score import score
from pipelines.score_file import ENTITY_KEYS, PLATFORM_KEYS, read_mentions, score_file
from tests.unit.score_kit import SCORING, T, frame
from tests.unit.score_reference import Row

ROWS = [
    Row("Vela", "reddit", "a", T - timedelta(hours=1), 99.0, sentiment=0.5),
    Row("Vela", "trends", "q", T - timedelta(hours=2), 50_000.0),
    Row("Oru", "tiktok", "h", T - timedelta(hours=3), None, 4, 50),
    Row("Oru", "trades", "n", T - timedelta(hours=4)),
]
HEADER = "entity,source,item_id,at,engagement,rank,list_length,sentiment\n"


def csv(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "mentions.csv"
    path.write_text(header + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_parquet_and_csv_score_alike(tmp_path: Path) -> None:
    parquet, text = tmp_path / "m.parquet", tmp_path / "m.csv"
    frame(ROWS).write_parquet(parquet)
    frame(ROWS).with_columns(pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%SZ")).write_csv(text)

    from_parquet, from_text = score_file(parquet, T, SCORING), score_file(text, T, SCORING)

    assert from_parquet == from_text
    assert [row["entity"] for row in from_parquet.rows] == ["Vela", "Oru"]
    assert from_parquet.rejected == 0


def test_rows_have_the_promised_keys_ordered_by_heat(tmp_path: Path) -> None:
    frame(ROWS).write_parquet(tmp_path / "m.parquet")

    rows = score_file(tmp_path / "m.parquet", T, SCORING).rows

    assert [tuple(row) for row in rows] == [(*ENTITY_KEYS, "platforms")] * 2
    assert set(rows[0]["platforms"]) == {"reddit", "trends"}
    assert tuple(rows[0]["platforms"]["reddit"]) == PLATFORM_KEYS
    assert rows[0]["peak_at"].utcoffset() == timedelta(0)
    assert rows[0]["heat"] >= rows[1]["heat"]


def test_numbered_entities_of_parquet_stay_numbers(tmp_path: Path) -> None:
    mentions = frame(ROWS).with_columns(entity=pl.col("entity").replace_strict({"Vela": 7, "Oru": 8}))
    mentions.write_parquet(tmp_path / "m.parquet")

    assert [row["entity"] for row in score_file(tmp_path / "m.parquet", T, SCORING).rows] == [7, 8]


@pytest.mark.parametrize(
    ("written", "hour"),
    [
        ("2026-05-20T10:00:00Z", 10),
        ("2026-05-20 10:00:00", 10),
        ("2026-05-20T10:00", 10),
        ("2026-05-20T12:00:00+02:00", 10),
        ("2026-05-20T12:00:00.000+0200", 10),
        ("2026-05-20 04:30:00-0530", 10),
        ("2026-05-20T09:00:00-01", 10),
        ("2026-05-20T10:00:00 UTC", 10),
        ("2026-05-20", 0),
    ],
)
def test_times_in_any_zone(tmp_path: Path, written: str, hour: int) -> None:
    mentions, rejected = read_mentions(csv(tmp_path, f"Vela,reddit,a,{written},,,,"))

    assert mentions["at"].to_list() == [datetime(2026, 5, 20, hour, tzinfo=UTC)]
    assert rejected == 0


def test_each_row_has_its_own_way_to_write_the_time(tmp_path: Path) -> None:
    path = csv(
        tmp_path, "Vela,reddit,a,2026-05-20T11:00:00.25+02:00,,,,", "Vela,reddit,b,2026-05-20 09:00:00,,,,",
        "Vela,reddit,c,2026-05-20T09:00:00.123456789Z,,,,",
    )  # fmt: skip

    assert [at.microsecond for at in read_mentions(path)[0]["at"]] == [250_000, 0, 123_456]


@pytest.mark.parametrize("zone", [None, "Asia/Taipei"])
@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_parquet_times_of_any_unit_and_zone(tmp_path: Path, zone: str | None, unit: str) -> None:
    at = pl.col("at").dt.cast_time_unit(unit)  # type: ignore[arg-type]  # one of the three units there are
    at = at.dt.convert_time_zone(zone) if zone else at.dt.replace_time_zone(None)
    frame(ROWS).with_columns(at).write_parquet(tmp_path / "m.parquet")

    assert read_mentions(tmp_path / "m.parquet")[0].equals(frame(ROWS))


def test_unusable_rows_are_set_aside_and_counted(tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        "Vela,reddit,a,2026-05-20T10:00:00Z,99,,,0.5",
        ",reddit,b,2026-05-20T10:00:00Z,,,,",
        "Vela,,c,2026-05-20T10:00:00Z,,,,",
        '"  ",reddit,d,2026-05-20T10:00:00Z,,,,',
        "Vela,reddit,,2026-05-20T10:00:00Z,,,,",
        "Vela,reddit,e,yesterday,,,,",
        "Vela,reddit,f,2026-02-30,,,,",
        "Vela,reddit,g",
    )

    result = score_file(path, T, SCORING)

    assert result.rejected == 7
    assert result.rows[0]["platforms"]["reddit"]["x"] == pytest.approx(3.0)


def test_unreadable_numbers_are_not_given(tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        "Vela,reddit,a,2026-05-20T10:00:00Z,many,first,,good",
        "Vela,tiktok,b,2026-05-20T10:00:00Z,NaN, 3.0 ,20,inf",
    )

    mentions, rejected = read_mentions(path)

    assert rejected == 0
    assert mentions["engagement"].to_list() == [None, None]
    assert mentions["rank"].to_list() == [None, 3]
    assert mentions["sentiment"].to_list() == [None, None]


def test_names_with_commas_marks_and_other_letters(tmp_path: Path) -> None:
    rows = ('"Quist, Velora",reddit,a,2026-05-20T10:00:00Z,,,,', "\u9673\u5c0f\u661f,trends,b,2026-05-20T10:00:00Z,,,,")
    path = csv(tmp_path, *rows, header="\ufeff" + HEADER)

    assert set(read_mentions(path)[0]["entity"]) == {"Quist, Velora", "\u9673\u5c0f\u661f"}


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = csv(tmp_path, "Vela,a", header="entity,item_id\n")

    with pytest.raises(InputError, match=r"mentions\.csv: no column source, at"):
        score_file(path, T, SCORING)


def test_columns_that_may_be_empty_may_lack(tmp_path: Path) -> None:
    path = csv(tmp_path, "Vela,reddit,a,2026-05-20T10:00:00Z", header="entity,source,item_id,at\n")

    assert score_file(path, T, SCORING).rows[0]["platforms"]["reddit"]["x"] == pytest.approx(1.0)


@pytest.mark.parametrize("content", [b"", b"PAR1 and then nothing of the kind", b"\x00\xff\x00"])
def test_a_file_that_is_neither_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.bin"
    path.write_bytes(content)

    with pytest.raises(InputError, match=r"m\.bin"):
        score_file(path, T, SCORING)


def test_no_file_and_no_times(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        score_file(tmp_path / "gone.csv", T, SCORING)
    frame(ROWS).with_columns(at=pl.col("at").dt.timestamp("us")).write_parquet(tmp_path / "m.parquet")
    with pytest.raises(InputError, match="column at holds Int64, not times"):
        score_file(tmp_path / "m.parquet", T, SCORING)


def test_a_time_within_the_file_sees_nothing_after_it(tmp_path: Path) -> None:
    frame(ROWS).write_parquet(tmp_path / "m.parquet")
    at = T - timedelta(minutes=90)

    rows = score_file(tmp_path / "m.parquet", at, SCORING).rows

    assert set(rows[0]["platforms"]) == {"trends"}
    assert rows == score_file_of(ROWS[1:], tmp_path, at)


def score_file_of(rows: list[Row], folder: Path, at: datetime) -> list[dict[str, object]]:
    frame(rows).write_parquet(folder / "part.parquet")
    assert score(frame(rows), None, SCORING, at).entities.height == 2
    return score_file(folder / "part.parquet", at, SCORING).rows
