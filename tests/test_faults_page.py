"""The page on faults names only tests that exist, and a test for every row about upstreams, cache and time."""

from __future__ import annotations

import re

from pipelines.settings import ROOT

ROWS = {*(f"U{n}" for n in range(1, 20)), *(f"C{n}" for n in range(1, 8)), *(f"T{n}" for n in range(1, 4))}


def test_the_faults_page_keeps_its_word() -> None:
    page = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", page)
    files = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    files["test_deliver.py"] = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_deliver.py")
    )
    missing = [f"{file}::{name}" for file, name in named if f"def {name}(" not in files.get(file, "")]
    assert not missing, f"docs/faults.md names tests that are not there: {missing}"
    told = dict(re.findall(r"^\| ([A-Z]\d+) \|[^|]*\| (.+) \|$", page, re.MULTILINE))
    assert set(told) >= ROWS
    assert all("`test_" in told[row] for row in ROWS)
