"""The panel outlives a store that does not answer for a moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from heatmap_app.pages.entity_side import EntitySide
from heatmap_app.pages.state import ViewState
from heatmap_app.pages.words import Times
from pipelines.errors import StoreError
from pipelines.settings import load_settings
from pipelines.view import EntityView, ReceiptOrder, ReceiptPage
from tests.browser.sample_reader import SampleReader


class Fragile(SampleReader):
    """Fails in the middle of reading a name while ``broken``."""

    broken = False

    def receipts(
        self, slug: str, source: str | None, hour: datetime | None, limit: int, cursor: str | None,
        at: datetime | None = None, order: ReceiptOrder = "newest",
    ) -> ReceiptPage:  # fmt: skip
        if self.broken:
            raise StoreError("away")
        return super().receipts(slug, source, hour, limit, cursor, at, order)

    def entity(self, slug: str, at: datetime | None = None) -> EntityView | None:
        if self.broken and slug == "other":
            raise StoreError("away")
        return super().entity(slug, at)


def test_a_hiccup_leaves_the_panel_as_it_was() -> None:
    reader, side, settings = Fragile(), EntitySide(), load_settings(mode="demo")
    state = ViewState(entity="n1")
    side.read(reader, state)
    before = side.view
    assert before is not None
    reader.broken = True
    with pytest.raises(StoreError):
        side.read(reader, state)
    assert side.view is before
    other = replace(state, entity="other")
    with pytest.raises(StoreError):
        side.read(reader, other)
    board = reader.heat(other.filters(2.0, 2))
    said = str(side.regions(other, board, settings, None, Times(), reader.now)["overview"])
    assert "could not be read" in said
    assert "No such name" not in said
    reader.broken = False
    side.read(reader, other)
    assert "No such name" in str(side.regions(other, board, settings, None, Times(), reader.now)["overview"])
