"""The page on faults names only tests that exist, and a test for every row of the matrix and every hostile input."""

from __future__ import annotations

import ast
import re
from collections import defaultdict

from pipelines.settings import ROOT

LAST = {"U": 19, "P": 11, "C": 7, "S": 12, "B": 5, "T": 3, "G": 4, "I": 3}
ROWS = {f"{letter}{n}" for letter, last in LAST.items() for n in range(1, last + 1)}
PARSERS = {"RSS": 6, "HTTP": 3, "JSON": 3, "Numbers": 3, "Text": 5, "Names": 3, "Hashtags": 1, "Links": 1, "Files": 1}
PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")


def functions() -> dict[str, set[str]]:
    """The test functions of each file name, all folders together."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in (ROOT / "tests").rglob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found[path.name] |= {
            node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
    return found


def test_every_test_the_page_names_is_there() -> None:
    there = functions()
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE)
    missing = [f"{file}::{name}" for file, name in named if name not in there[file]]
    assert not missing, f"docs/faults.md names tests that are not there: {missing}"


def test_every_row_of_the_matrix_has_a_test() -> None:
    told = dict(re.findall(r"^\| ([A-Z]\d+) \|[^|]*\| (.+) \|$", PAGE, re.MULTILINE))
    assert set(told) == ROWS
    assert [row for row in ROWS if "`test_" not in told[row]] == []


def test_every_hostile_input_has_a_guard_and_a_test() -> None:
    section = PAGE.partition("## Hostile input\n")[2]
    rows = re.findall(r"^\| ([A-Z]\w+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE)
    for parser, count in PARSERS.items():
        assert sum(row[0] == parser for row in rows) >= count, parser
    assert all(guard.strip() and "`test_" in tests for _, _, guard, tests in rows)
