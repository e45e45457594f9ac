"""The edge: text, numbers, times and links from outside, made safe to store.

Whatever a row holds, the worst it can do is be set aside and counted; it never takes its batch with it. Nothing here
escapes: that is each sink's business.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from pipelines.model import ITEMS

MAX_TITLE, MAX_NAME, MAX_URL, MAX_ID, MAX_FEED = 500, 200, 2000, 300, 200
MAX_NAMES, MAX_CONTEXT, MAX_ROWS = 50, 20, 5000
OLDEST, NEWEST = timedelta(days=30), timedelta(minutes=10)
MAX_NUMBER = 1e15
MAX_RANK = 1_000_000

_SPACE = re.compile(r"\s+")
# controls other than white space, lone surrogates, and the code points that are no characters
_UNSAFE = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_MARKS = 8


def clean_text(value: object, limit: int = MAX_TITLE) -> str | None:
    """``value`` as one line of NFC text, at most ``limit`` characters; ``None`` when nothing is left of it."""
    if not isinstance(value, str):
        return None
    text = _UNSAFE.sub("", value[: limit * 8])
    text = unicodedata.normalize("NFC", text)
    text = _cap_marks(_SPACE.sub(" ", text).strip())
    return text[:limit].strip() or None


def _cap_marks(text: str) -> str:
    """``text`` with at most 8 combining marks on one base character."""
    if text.isascii():
        return text
    kept, run = [], 0
    for char in text:
        run = run + 1 if unicodedata.combining(char) else 0
        if run <= _MARKS:
            kept.append(char)
    return "".join(kept)


def clean_url(value: object) -> str | None:
    """An ``http`` or ``https`` address of at most 2,000 characters without credentials, else ``None``."""
    if not isinstance(value, str):
        return None
    url = value.strip()
    if not url or len(url) > MAX_URL or _UNSAFE.search(url) or _SPACE.search(url):
        return None
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
    except ValueError:
        return None
    return url if good else None


def clean_number(value: object) -> float | None:
    """``value`` as a finite number of at least 0, or ``None``. Reads text with commas, refuses truth values."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value.strip().replace(",", "")) if isinstance(value, str) else float(value)
    except (ValueError, OverflowError):
        return None
    return min(max(number, 0.0), MAX_NUMBER) if math.isfinite(number) else None


def clean_rank(value: object) -> int | None:
    """``value`` as a place in a list, 1 and up, or ``None``."""
    number = clean_number(value)
    return int(number) if number is not None and 1 <= number <= MAX_RANK else None


def read_time(value: object) -> datetime | None:
    """``value`` (epoch seconds as number or text, a datetime, or ISO 8601 text) as UTC; a naive one is taken as UTC."""
    try:
        if isinstance(value, datetime):
            moment = value
        elif isinstance(value, str) and not _is_number(value):
            moment = datetime.fromisoformat(value.strip())
        elif isinstance(value, int | float | str) and not isinstance(value, bool):
            moment = datetime.fromtimestamp(float(value), UTC)
        else:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def clean_time(value: object, now: datetime) -> tuple[datetime | None, bool]:
    """``(time, flagged)``: the time in UTC when it lies in [now - 30 days, now + 10 minutes], else ``None``.

    ``flagged`` says that something was there and was not believed.
    """
    moment = read_time(value)
    if moment is None:
        return None, value is not None
    if now - OLDEST <= moment <= now + NEWEST:
        return moment, False
    return None, True


def too_old(value: object, now: datetime) -> bool:
    """Whether ``value`` is a believable time (2000 or later) before the 30 days anything here looks back."""
    moment = read_time(value)
    return moment is not None and moment.year >= 2000 and moment < now - OLDEST


def clean_names(value: object) -> list[str]:
    """Structured names: cleaned, at most 200 characters each, 50 of them, without repeats."""
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping):
        return []
    names: dict[str, None] = {}
    for entry in value:
        name = clean_text(entry, MAX_NAME)
        if name:
            names[name] = None
        if len(names) >= MAX_NAMES:
            break
    return list(names)


def clean_context(value: object) -> str | None:
    """Headlines that came with an item, as JSON text of ``[{"title","url","source"}]``; ``None`` without any.

    ``value`` is a list of such dicts (other keys are dropped, unusable entries too).
    """
    if not isinstance(value, list):
        return None
    entries = []
    for entry in value[:MAX_CONTEXT]:
        if isinstance(entry, Mapping) and (title := clean_text(entry.get("title"))):
            source = clean_text(entry.get("source"), MAX_NAME)
            entries.append({"title": title, "url": clean_url(entry.get("url")), "source": source})
    return json.dumps(entries, ensure_ascii=False) if entries else None


def items_frame(
    rows: Iterable[Mapping[str, Any]], now: datetime, source: str, *, cap: int = MAX_ROWS, drop_old: bool = False
) -> tuple[pl.DataFrame, int]:
    """Rows as an adapter read them, as a frame of :data:`pipelines.model.ITEMS`, and how many were set aside.

    A row is a dict with ``item_id``, ``feed``, ``title``, ``url``, ``published_at``, ``engagement``, ``rank``,
    ``names`` and ``context`` (a list of dicts), each raw and optional but for ``item_id`` and one of title and names.
    ``now`` becomes ``poll_at``. Of rows with one ``item_id`` the last wins. Rows beyond ``cap`` are set aside;
    with ``drop_old`` (event sources) so are those published more than 30 days ago.
    """
    kept: dict[str, dict[str, Any]] = {}
    rejected = 0
    for row in rows:
        clean = _clean_row(row, now, source)
        full = clean is not None and len(kept) >= cap and clean["item_id"] not in kept
        if clean is None or full or (drop_old and too_old(row.get("published_at"), now)):
            rejected += 1
        else:
            kept[clean["item_id"]] = clean
    return pl.DataFrame(list(kept.values()), schema=ITEMS), rejected


def _clean_row(row: object, now: datetime, source: str) -> dict[str, Any] | None:
    if not isinstance(row, Mapping):
        return None
    item_id = clean_text(row.get("item_id"), MAX_ID)
    title = clean_text(row.get("title"))
    names = clean_names(row.get("names"))
    if item_id is None or (title is None and not names):
        return None
    return {
        "poll_at": now,
        "source": source,
        "feed": clean_text(row.get("feed"), MAX_FEED),
        "item_id": item_id,
        "title": title or names[0],
        "url": clean_url(row.get("url")),
        "published_at": clean_time(row.get("published_at"), now)[0],
        "engagement": clean_number(row.get("engagement")),
        "rank": clean_rank(row.get("rank")),
        "names": names,
        "context": clean_context(row.get("context")),
    }
