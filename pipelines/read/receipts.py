"""Receipts and the fetch audit, page by page. Cursors are opaque: they hold the place of the last row shown."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipelines.errors import InputError
from pipelines.model import SOURCES, Outcome
from pipelines.read.past import entity_at, family_at, names_at
from pipelines.store.store import Store
from pipelines.view import RECEIPT_ORDERS, Receipt, ReceiptOrder, ReceiptPage

MAX_PAGE = 500

AUDITED = (*SOURCES, "explore")
"""What has rows in the audit of fetches."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page begins: behind ``row`` (at, source, item id, engagement), with ``shown`` receipts before it, in the
    order that held at ``until``."""

    row: tuple[datetime, str, str, float]
    until: datetime
    shown: int


def receipts(
    store: Store,
    slug: str,
    source: str | None = None,
    hour: datetime | None = None,
    limit: int = 50,
    cursor: str | None = None,
    until: datetime | None = None,
    order: ReceiptOrder = "newest",
) -> ReceiptPage | None:
    """An entity's receipts in ``order``; None for an unknown slug.

    ``hour`` is the start of one clock hour (timezone-aware). ``limit`` is cut to 1..500. ``until``: only what had been seen
    by then, of what was part of the entity then. A cursor keeps the instant of its first page: what is seen later neither
    moves nor joins the pages after it, so that together they are complete and without doubles; by engagement only as long
    as no engagement changes meanwhile, for what it was before is not kept. Raises :class:`InputError` for an unknown source
    or order, an hour without a zone, or a cursor that is not ours or of another order.
    """
    _check_source(source)
    if order not in RECEIPT_ORDERS:
        raise InputError(f"sort {order!r}: one of {', '.join(RECEIPT_ORDERS)}")
    if hour is not None and hour.tzinfo is None:
        raise InputError("hour: needs a time zone, for example 2026-11-22T14:00:00Z")
    place = _receipt_place(cursor, order)
    then = names_at(store, until)
    entity_id = entity_at(store, slug, then)
    if entity_id is None:
        return None
    limit = min(max(limit, 1), MAX_PAGE)
    family = family_at(store, entity_id, then)
    held, after, before = (place.until, place.row, place.shown) if place else (until, None, 0)
    rows, total = store.receipt_rows(
        family, source=source, hour=hour, after=after, limit=limit + 1, until=held, order=order
    )
    shown = rows[:limit]
    following = None
    if len(rows) > limit:
        last = shown[-1]
        until_then = held or last["newest"]
        key = [_micros(last["at"]), last["source"], last["item_id"], _micros(until_then), before + limit]
        following = _encode(key if order == "newest" else [*key, order, float(last["size"])])
    return ReceiptPage(tuple(receipt_of(row) for row in shown), following, total, before + 1)


def audit(
    store: Store,
    source: str | None = None,
    outcome: str | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> dict[str, Any]:
    """Fetches, newest first: ``{"items": [...], "next_cursor": str | None}``. Raises :class:`InputError`."""
    _check_source(source, AUDITED)
    if outcome is not None and outcome not in set(Outcome):
        raise InputError(f"outcome {outcome!r}: one of {', '.join(Outcome)}")
    limit = min(max(limit, 1), MAX_PAGE)
    rows = store.fetch_rows(source, outcome, _fetch_place(cursor), limit + 1)
    shown = rows[:limit]
    following = _encode([_micros(shown[-1]["at"]), shown[-1]["id"]]) if len(rows) > limit else None
    return {"items": shown, "next_cursor": following}


def receipt_of(row: Mapping[str, Any]) -> Receipt:
    """A row of :meth:`Store.receipt_rows` or :meth:`Store.evidence` as a receipt."""
    return Receipt(
        source=row["source"], feed=row["feed"], item_id=row["item_id"], title=row["title"], url=row["url"],
        published_at=row["published_at"], observed_at=row["observed_at"], engagement=row["engagement"],
        sentiment=row["sentiment"], matched=row["matched"],
    )  # fmt: skip


def _check_source(source: str | None, known: Sequence[str] = SOURCES) -> None:
    if source is not None and source not in known:
        raise InputError(f"source {source!r}: one of {', '.join(known)}")


def _encode(place: Sequence[object]) -> str:
    packed = json.dumps(place, ensure_ascii=False, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _decode(cursor: str | None, kinds: tuple[type, ...]) -> list[Any] | None:
    if not cursor:
        return None
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        place = None
    if not isinstance(place, list) or [type(part) for part in place] != list(kinds):
        raise InputError("cursor: not one of ours; leave it out to start at the first page")
    return place


def _receipt_place(cursor: str | None, order: ReceiptOrder) -> _Place | None:
    """Where the page begins; a cursor of another order is refused like one that is not ours."""
    plain = (int, str, str, int, int)
    place = _decode(cursor, plain if order == "newest" else (*plain, str, float))
    if place is None:
        return None
    at, source, item_id, until, shown = place[: len(plain)]
    of, size = place[len(plain) :] or ("newest", 0.0)
    if "\x00" in source + item_id or not 0 < shown < 2**53 or of != order:
        raise InputError("cursor: not one of ours; leave it out to start at the first page")
    return _Place((_moment(at), source, item_id, size), _moment(until), shown)


def _fetch_place(cursor: str | None) -> tuple[datetime, int] | None:
    place = _decode(cursor, (int, int))
    return None if place is None else (_moment(place[0]), place[1])


def _micros(moment: datetime) -> int:
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * 1_000_000 + moment.microsecond


def _moment(micros: int) -> datetime:
    try:
        return datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
    except (ValueError, OverflowError, OSError):
        raise InputError("cursor: not one of ours; leave it out to start at the first page") from None
