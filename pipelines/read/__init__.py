"""The read model: what screens and the API show, made from the store. Plain functions that block on the database."""

from pipelines.read.board import heat_view
from pipelines.read.entity import entity_view, history, lines, search, timeline
from pipelines.read.health import source_health
from pipelines.read.pack import Pack, live_slug, research_pack
from pipelines.read.receipts import audit, receipts
from pipelines.read.why import Why, why

__all__ = [
    "Pack",
    "Why",
    "audit",
    "entity_view",
    "heat_view",
    "history",
    "lines",
    "live_slug",
    "receipts",
    "research_pack",
    "search",
    "source_health",
    "timeline",
    "why",
]
