"""A small recording with two stories for the tests of the backtest: invented names, polls an hour apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from pipelines.backtest import FramePolls
from pipelines.model import ITEMS, conform
from pipelines.settings import Settings, load_settings

START = datetime(2026, 3, 2, 0, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
BREAKS = START + 180 * HOUR
"""When the first story begins: a name of nobody's, on two platforms."""
TRADES = BREAKS + 7 * HOUR
"""When the trades have it."""
AGAIN = START + 230 * HOUR
HOURS = 260
NAME = "Odalys Brightwater"
SECOND = "Tamsin Quillfeather"


def settings(**overrides: Any) -> Settings:
    """The shipped settings, scoring once an hour."""
    return load_settings(poll={"score_seconds": 3600}, **overrides)


def recording(hours: int = HOURS) -> FramePolls:
    """The polls of the first ``hours`` hours."""
    rows = [row for hour in range(hours) for row in _hour(hour)]
    polls = [(START + hour * HOUR, source, "ok") for hour in range(hours) for source in ("reddit", "trends", "trades")]
    frame = pl.DataFrame(polls, schema=["poll_at", "source", "outcome"], orient="row")
    return FramePolls(conform(pl.DataFrame(rows, schema=ITEMS), ITEMS), frame)


def _hour(hour: int) -> list[dict[str, Any]]:
    at = START + hour * HOUR
    rows = [
        row("reddit", at, f"talk-{hour - back}", "a quiet word about the weather", at - back * HOUR, 5.0 + back)
        for back in range(min(3, hour + 1))
    ]
    for name, begins in ((NAME, BREAKS), (SECOND, AGAIN)):
        since = (at - begins) // HOUR
        if 0 <= since < 14:
            rows += [
                row("reddit", at, f"{name}-{since - back}-{n}", f'Why everybody asks about "{name}" now',
                    at - back * HOUR, 40.0 + 30 * back)
                for back in range(min(3, since + 1)) for n in range(3)
            ]  # fmt: skip
            found = row("trends", at, name.lower(), name.lower(), begins - HOUR, 20_000.0)
            rows.append({**found, "rank": 1, "names": [name.lower()]})
    if at >= TRADES:
        rows.append(row("trades", at, "story", f"{NAME} leaves the show", TRADES, None))
    return rows


def row(
    source: str, at: datetime, item_id: str, title: str, published: datetime, engagement: float | None
) -> dict[str, Any]:
    """One row of a recording."""
    return {
        "poll_at": at, "source": source, "feed": "all", "item_id": item_id, "title": title,
        "url": f"https://demo.invalid/{len(item_id)}", "published_at": published, "engagement": engagement,
        "rank": None, "names": [], "context": None,
    }  # fmt: skip
