from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines.errors import InputError
from pipelines.model import Domain, Kind
from pipelines.normalize import csvfile
from pipelines.normalize.catalogue import CATALOGUE, Catalogue, for_store, read_catalogue, write_catalogue
from pipelines.normalize.names import canonical
from pipelines.normalize.wikidata import kind_of, layout_of, split_aliases

HEADER = "name,kind,domain,aliases,needs_second_sign\n"
WIKIDATA = "item,itemLabel,itemAltLabel,kindLabel\n"
Q = "http://www.wikidata.org/entity/Q"


def read(tmp_path: Path, text: str | bytes) -> Catalogue:
    path = tmp_path / "names.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_catalogue(path)


def test_own_form(tmp_path: Path) -> None:
    got = read(tmp_path, HEADER + 'Ada Quill,person,entertainment,A. Quill|阿達,\n"Stay, Go",film,entertainment,,yes\n')
    assert got.entities.schema == CATALOGUE
    assert got.entities.rows() == [
        ("Ada Quill", "person", "entertainment", ["A. Quill", "阿達"], False, None),
        ("Stay, Go", "film", "entertainment", [], True, None),
    ]
    assert (got.problems, got.rejected, got.unnamed, got.rows) == ((), 0, 0, 2)


def test_a_byte_order_mark_windows_lines_and_missing_columns_do_no_harm(tmp_path: Path) -> None:
    got = read(tmp_path, b"\xef\xbb\xbfname,kind\r\nAda Quill,PERSON\r\n\r\n")
    assert got.entities.select("name", "kind", "domain").rows() == [("Ada Quill", "person", "unclassified")]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (",person,entertainment,,", "no name"),
        ("😂,person,entertainment,,", "no letter or digit"),
        ("Ada,wizard,entertainment,,", "kind 'wizard' is none of"),
        ("Ada,person,gossip,,", "domain 'gossip' is none of"),
        ("Ada,person,sport,,maybe", "needs_second_sign"),
        ("Ada,person,sport", "has 3 columns, the header has 5"),
        ("Ada,person,sport,,,x", "has 6 columns"),
        ('"Ada"x,person,sport,,', "quotation marks"),
    ],
)
def test_a_bad_row_is_named_by_its_line_and_the_rest_is_kept(tmp_path: Path, row: str, why: str) -> None:
    got = read(tmp_path, f"{HEADER}Bo Quill,person,sport,,\n{row}\nCy Quill,person,sport,,\n")
    assert got.entities["name"].to_list() == ["Bo Quill", "Cy Quill"]
    assert got.rejected == 1
    assert len(got.problems) == 1
    assert got.problems[0].startswith("line 3: ")
    assert why in got.problems[0]


def test_lines_are_counted_in_the_file_not_in_rows(tmp_path: Path) -> None:
    got = read(tmp_path, HEADER + '"Two\nLines",person,sport,,\n\n,person,sport,,\n')
    assert got.entities["name"].to_list() == ["Two Lines"]
    assert got.problems == ("line 5: no name",)


def test_problems_are_counted_all_and_kept_to_a_hundred(tmp_path: Path) -> None:
    got = read(tmp_path, HEADER + ",person,sport,,\n" * 250)
    assert (got.rejected, len(got.problems)) == (250, 100)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"name;kind;domain\nAda;person;sport\n", "separated by semicolons"),
        (b"name\tkind\nAda\tperson\n", "separated by tabs"),
        (b"Ada,person\n", "no column 'name'"),
        (b"name,kind,colour\nAda,person,red\n", "unknown column 'colour'"),
        (b"name,name,kind\n", "stands there twice"),
        ((HEADER + "Bj\u00f6rk,person,entertainment,,\n").encode("latin-1"), "not UTF-8"),
        ((HEADER + "Ada,person,sport,,\n").encode("utf-16"), "is UTF-16"),
        (b"PK\x03\x04rest", "spreadsheet"),
    ],
)
def test_an_unusable_file_is_one_clear_line(tmp_path: Path, content: bytes, why: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    assert why in str(caught.value)
    assert str(caught.value).startswith("names.csv: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_catalogue(tmp_path / "nothing.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_catalogue(tmp_path)


def test_too_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvfile, "MAX_ROWS", 3)
    assert read(tmp_path, HEADER + "Ada,person,sport,,\n" * 3).rows == 3
    with pytest.raises(InputError, match="more than 3 rows"):
        read(tmp_path, HEADER + "Ada,person,sport,,\n" * 4)


def test_an_open_quotation_mark_swallows_no_more_than_it_must(tmp_path: Path) -> None:
    got = read(tmp_path, HEADER + 'Ada,person,sport,,\n"Bo,person,sport,,\nCy,person,sport,,\n')
    assert got.entities["name"].to_list() == ["Ada"]
    assert got.problems == ("line 3: quotation marks do not match",)


def test_wikidata_rows_of_one_item_become_one_entity(tmp_path: Path) -> None:
    got = read(
        tmp_path,
        WIKIDATA
        + f'{Q}1,Ada Quill,"A. Quill, Quilly",human\n'
        + f"{Q}2,Silver Harbor,,television series\n"
        + f'{Q}1,Ada Quill,"A. Quill, Quilly",singer\n'
        + f"{Q}1,Ада Квилл,,human\n"
        + f"{Q}3,Q3,,human\n"
        + "nonsense,Bo,,human\n"
        + f"{Q}4,,,human\n",
    )
    assert got.entities.rows() == [
        ("Ada Quill", "person", "entertainment", ["A. Quill", "Quilly", "Ада Квилл"], False, "Q1"),
        ("Silver Harbor", "show", "entertainment", [], False, "Q2"),
    ]
    assert (got.unnamed, got.rejected, got.rows) == (1, 2, 7)
    assert got.problems == ("line 7: 'nonsense' is no Wikidata item", "line 8: no name")


@pytest.mark.parametrize(
    "header",
    [
        "item,itemLabel",
        "person,personLabel,altLabels,occupationLabel",
        "itemLabel,itemAltLabel",
        "item,itemLabel,type,typeLabel,image",
    ],
)
def test_headers_of_wikidata_exports(header: str) -> None:
    layout = layout_of(header.split(","))
    assert layout is not None
    assert header.split(",")[layout.label] in ("itemLabel", "personLabel")
    assert len(layout.kinds) == header.count("occupationLabel") + header.count("type,") + header.count("typeLabel")


def test_own_header_is_not_taken_for_wikidata() -> None:
    assert layout_of(HEADER.strip().split(",")) is None


def test_aliases_of_one_field() -> None:
    assert split_aliases("A. Quill, Quilly") == ["A. Quill", "Quilly"]
    assert split_aliases("Earth, Wind & Fire|EWF") == ["Earth, Wind & Fire", "EWF"]
    assert split_aliases("a;b; c") == ["a", "b", "c"]
    assert split_aliases("") == []


@pytest.mark.parametrize(
    ("labels", "kind", "domain"),
    [
        (["human"], Kind.PERSON, Domain.UNCLASSIFIED),
        (["human", "singer"], Kind.PERSON, Domain.ENTERTAINMENT),
        (["human", "politician"], Kind.PERSON, Domain.POLITICS),
        (["film"], Kind.FILM, Domain.ENTERTAINMENT),
        (["film series"], Kind.FRANCHISE, Domain.ENTERTAINMENT),
        (["television series"], Kind.SHOW, Domain.ENTERTAINMENT),
        (["girl group"], Kind.MUSIC, Domain.ENTERTAINMENT),
        (["association football club"], Kind.TEAM, Domain.SPORT),
        (["film award"], Kind.AWARD, Domain.ENTERTAINMENT),
        (["mountain"], Kind.OTHER, Domain.UNCLASSIFIED),
        (["Q5"], Kind.OTHER, Domain.UNCLASSIFIED),
        ([], Kind.OTHER, Domain.UNCLASSIFIED),
    ],
)
def test_kinds_from_class_labels(labels: list[str], kind: Kind, domain: Domain) -> None:
    assert kind_of(labels) == (kind, domain)


def test_progress_ends_at_the_end_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text(HEADER + "Ada Quill,person,sport,,\n" * 12_000, encoding="utf-8")
    told: list[tuple[int, int]] = []
    read_catalogue(path, lambda done, whole: told.append((done, whole)))
    assert len(told) == 3
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (path.stat().st_size, path.stat().st_size)


def test_for_the_store(tmp_path: Path) -> None:
    got = read(tmp_path, WIKIDATA + f'{Q}1,Beyoncé,"Beyonce, Queen Bey, 😂",human\n')
    row = for_store(got.entities, "import").to_dicts()[0]
    assert row["aliases"] == ["Beyoncé", "Queen Bey"]
    assert row["canonicals"] == ["beyonce", "queen bey"]
    assert (row["slug"], row["origin"], row["provenance"]) == ("beyonce", "import", '{"wikidata": "Q1"}')
    assert for_store(pl.DataFrame(schema=CATALOGUE), "import").is_empty()


def test_export_is_safe_to_open_in_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    rows = [
        ("=cmd|' /C calc'!A0", "person", "sport", ["@x", "+y"], True, None),
        ("-M-", "music", "sport", [], False, None),
    ]
    entities = pl.DataFrame(rows, schema=CATALOGUE, orient="row")
    assert write_catalogue(entities, path) == 2
    lines = path.read_text(encoding="utf-8").splitlines()
    assert all(not cell.lstrip('"').startswith(("=", "+", "-", "@")) for line in lines for cell in line.split(","))
    assert_frame_equal(read_catalogue(path).entities, entities)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError, match="cannot be written"):
        write_catalogue(entities, tmp_path / "no" / "out.csv")


CLEAN = st.text(st.sampled_from("aBé中=+-@',\" |;\t"), min_size=1, max_size=12).map(
    lambda text: "x" + " ".join(text.replace("|", "").split())
)
GUARDED = st.sampled_from(["", "=", "+", "-", "@"])


@given(
    st.lists(
        st.tuples(
            GUARDED,
            CLEAN,
            st.sampled_from([k.value for k in Kind]),
            st.lists(CLEAN, max_size=3, unique=True),
            st.booleans(),
        ),
        max_size=5,
    )
)
def test_what_is_exported_can_be_read_again(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str, list[str], bool]]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "out.csv"
    full = [
        (mark + name.strip(), kind, "other", [a for a in aliases if a != mark + name.strip()], sign, None)
        for mark, name, kind, aliases, sign in rows
    ]
    entities = pl.DataFrame(full, schema=CATALOGUE, orient="row")
    write_catalogue(entities, path)
    got = read_catalogue(path)
    assert got.problems == ()
    assert_frame_equal(got.entities, entities)


def test_the_shipped_catalogue_reads_without_a_problem() -> None:
    shipped = Path(__file__).resolve().parents[2] / "config" / "catalogue.csv"
    got = read_catalogue(shipped)
    assert got.problems == ()
    assert got.entities.height >= 400
    assert all(canonical(name) for name in got.entities["name"])
