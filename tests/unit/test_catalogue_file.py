"""The catalogue that ships: enough names, each of them whole, none owned twice."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

from pipelines.model import Domain, Kind
from pipelines.normalize.names import canonical
from pipelines.settings import CONFIG_DIR

FILE: Path = CONFIG_DIR / "catalogue.csv"
HEADER = ["name", "kind", "domain", "aliases", "needs_second_sign"]
COMMON_WORDS = (
    "It",
    "Up",
    "Her",
    "Us",
    "You",
    "Friends",
    "Wicked",
    "Dune",
    "Severance",
    "Prince",
    "Pink",
    "Drake",
    "The Boys",
)


def rows() -> list[dict[str, str]]:
    with FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def names_of(row: dict[str, str]) -> list[str]:
    return [row["name"], *(row["aliases"].split("|") if row["aliases"] else [])]


def test_it_has_the_header_and_at_least_400_names() -> None:
    assert FILE.read_text(encoding="utf-8").split("\n", 1)[0].split(",") == HEADER
    assert len(rows()) >= 400


def test_every_kind_and_domain_is_one_of_ours() -> None:
    kinds = Counter(row["kind"] for row in rows())
    assert set(kinds) <= {kind.value for kind in Kind}
    assert {"person", "film", "show", "music", "franchise", "award"} <= set(kinds)
    assert {row["domain"] for row in rows()} == {Domain.ENTERTAINMENT.value}
    assert {row["needs_second_sign"] for row in rows()} == {"", "yes"}


def test_no_name_is_empty_or_padded() -> None:
    for row in rows():
        for name in names_of(row):
            assert name == name.strip()
            assert canonical(name), f"{row['name']}: an alias without a letter or digit"


def test_no_alias_belongs_to_two_entities_or_stands_twice() -> None:
    owners: dict[str, list[str]] = {}
    for row in rows():
        for name in names_of(row):
            owners.setdefault(canonical(name), []).append(row["name"])
    assert {form: who for form, who in owners.items() if len(who) > 1} == {}
    assert len({row["name"] for row in rows()}) == len(rows())


def test_names_that_are_common_words_ask_for_a_second_sign() -> None:
    flagged = {row["name"] for row in rows() if row["needs_second_sign"]}
    assert flagged >= set(COMMON_WORDS)
    alone = {canonical(name) for row in rows() if not row["needs_second_sign"] for name in names_of(row)}
    assert [form for form in alone if form.isascii() and len(form) < 3] == []
    assert alone.isdisjoint(
        {"she", "he", "they", "we", "gem", "ive", "got", "now", "one", "day", "love", "home", "apt"}
    )
