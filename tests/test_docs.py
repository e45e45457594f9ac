"""Documents that promise something complete are held to it."""

from __future__ import annotations

from pipelines.settings import ROOT
from pipelines.store.tables import metadata


def test_the_data_page_names_every_table() -> None:
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    missing = [table for table in metadata.tables if f"`{table}`" not in page]
    assert not missing, f"docs/data.md does not say what is kept in {missing}"
