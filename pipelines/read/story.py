"""From the store to an action package: what is known about a name becomes a story, the story becomes texts.

An alert's package is made once, when it fires; a name without an alert has a preview, made when somebody looks.
Texts never stop anything: what goes wrong in making them is logged and said in a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog

from pipelines.alert.package import Desk, load_desk, make_package
from pipelines.alert.package_model import Package, Story
from pipelines.alert.package_templates import TEXTS_FILE
from pipelines.alert.package_words import WORDS_FILE
from pipelines.errors import HeatmapError
from pipelines.naming_past import NamesThen
from pipelines.read.receipts import receipt_of
from pipelines.settings import CONFIG_DIR, ROOT
from pipelines.store.store import Store
from pipelines.view import HeatItem

log = structlog.get_logger(__name__)

WINDOW = timedelta(hours=12)
TRADES_BACK = timedelta(hours=48)
"""A trade item belongs to a story from this long before (SCORING 6)."""
MOST_OF_A_SOURCE = 40
ASSETS = ROOT / "assets"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the window holds about a family at ``now``: items, the largest of each source first, and names beside it.

    ``totals``: how many items each source has, shown or not.
    """

    rows: tuple[dict[str, Any], ...]
    totals: Mapping[str, int]
    related: tuple[str, ...]
    first_seen: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Numbers:
    """The scores a story is told with; ``trades_at`` is the first trade item's own time."""

    velocity_z: float
    spread_count: int
    confidence: float
    trades_at: datetime | None


def gather(store: Store, family: Sequence[int], now: datetime, then: NamesThen | None = None) -> Evidence:
    """The evidence about a family in the 12 h up to ``now``, as it was known then; ``then``: with the names of a past board.

    Raises :class:`StoreError`.
    """
    rows, totals = store.evidence(
        family, since=now - WINDOW, trades_since=now - TRADES_BACK, until=now, most=MOST_OF_A_SOURCE
    )
    together = store.together(family, now - WINDOW, until=now, then=then)
    names = store.briefs([key for key, _ in together], then)
    related = tuple(str(names[key]["name"]) for key, _ in together if key in names)
    return Evidence(tuple(rows), totals, related, store.first_seen([family[0]], then).get(family[0]), now)


def story_of(name: Mapping[str, Any], evidence: Evidence, numbers: Numbers) -> Story:
    """The story of the entity ``name`` (its name and kind). Pure."""
    return Story(
        name=str(name["name"]), kind=str(name["kind"]), receipts=tuple(receipt_of(row) for row in evidence.rows),
        related=evidence.related, first_seen=evidence.first_seen, now=evidence.now, velocity_z=numbers.velocity_z,
        spread_count=numbers.spread_count, trades_first_at=numbers.trades_at, confidence=numbers.confidence,
        cut_short=sum(evidence.totals.values()) > len(evidence.rows),
    )  # fmt: skip


def desk() -> Desk:
    """The word table and the templates, read again where somebody edited them. Raises :class:`InputError`."""
    stamps = tuple(_stamp(path) for path in (CONFIG_DIR / WORDS_FILE, ASSETS / TEXTS_FILE))
    return _desk(stamps)


@lru_cache(maxsize=2)
def _desk(stamps: tuple[int, ...]) -> Desk:
    del stamps
    return load_desk(CONFIG_DIR, ASSETS)


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def try_package(name: Mapping[str, Any], evidence: Evidence, numbers: Numbers) -> tuple[Package | None, str]:
    """The package, or None and the sentence that says why there is none. Never raises: no text stops an alert."""
    try:
        return make_package(story_of(name, evidence, numbers), desk()), ""
    except HeatmapError as error:
        reason = str(error)
        log.warning("no action package", name=name.get("slug"), reason=reason)
    except Exception as error:  # whatever fails in a text, the alert has to go out
        reason = f"making its texts failed ({type(error).__name__})."
        log.exception("no action package", name=name.get("slug"))
    return None, f"No package: {reason}"


def entity_package(
    store: Store, family: Sequence[int], name: Mapping[str, Any], item: HeatItem | None,
    alert: Mapping[str, Any] | None, now: datetime, then: NamesThen | None = None,
) -> dict[str, Any] | None:  # fmt: skip
    """The package of the latest ``alert``; where that has none, one made now, marked ``preview``.

    Beside the fields of :class:`Package`: ``alert`` (its number or None), ``at``, ``preview``, and ``writer`` (what an
    optional writer did to it). None where nothing was said about the name in the last 12 h. With ``problem`` in place of
    the texts where they could not be made.
    """
    stored = alert["payload"].get("package") if alert else None
    if alert and isinstance(stored, Mapping):
        return {**stored, "alert": alert["id"], "at": alert["at"].isoformat(), "preview": False,
                "writer": alert["payload"].get("writer")}  # fmt: skip
    evidence = gather(store, family, now, then)
    if not evidence.rows:
        return None
    first_trade = item.trades.first_at if item else None
    numbers = Numbers(item.velocity_z, item.spread_count, item.confidence, first_trade) if item else Numbers(
        0.0, len({row["source"] for row in evidence.rows} - {"trades"}), 0.0, None)  # fmt: skip
    made, problem = try_package(name, evidence, numbers)
    texts = made.to_dict() if made else {"problem": problem}
    return {**texts, "alert": None, "at": now.isoformat(), "preview": True, "writer": None}
