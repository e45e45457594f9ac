"""Numbers as the desk reads them: never rounded across a limit they did not reach."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from pipelines.view import Calibrated, Receipt

PLATFORM_NAMES = {"reddit": "Reddit", "trends": "Google Trends", "tiktok": "TikTok", "trades": "Trades"}


def hhmm(at: datetime) -> str:
    """``13:40``, UTC."""
    return f"{at.astimezone(UTC):%H:%M}"


def signed(sigma: float, *, below: float | None = None) -> str:
    """``+3.7σ``; a value that did not reach ``below`` is not rounded up to it."""
    shown = round(sigma, 1)
    if below is not None and sigma < below <= shown:
        shown = math.floor(sigma * 100) / 100
        return f"{shown:+.2f}σ"
    return f"{shown + 0.0:+.1f}σ"


def ago(age: timedelta) -> str:
    """``2.1 h``, ``26 h``, ``12 min``; from ten days on ``14 days``."""
    minutes = max(0.0, age.total_seconds() / 60)
    if minutes < 60:
        return f"{int(minutes)} min"
    hours = minutes / 60
    if age >= timedelta(days=10):
        return f"{age.days} days"
    return f"{hours:.1f} h" if hours < 10 else f"{int(hours)} h"


def boosted(heat: float, alerted: float, boost: float) -> bool:
    """Whether ``heat`` is ``boost`` times the alerted one, float dust aside (1.3 x 1.5 is 1.9500000000000002)."""
    return heat >= boost * alerted - 1e-9


def why_line(
    velocity_z: float, spread_count: int, affect: float, confidence: float, calibrated: Calibrated | None = None
) -> str:
    """``Velocity +3.7σ | Spread 3/3 | Affect 0.4 | Confidence 0.82`` (SCORING 5); above 200 outcomes the confidence is the
    calibrated one, with the one as defined behind it."""
    shown = confidence_words(confidence, calibrated, brackets=True)
    return f"Velocity {signed(velocity_z)} | Spread {spread_count}/3 | Affect {affect + 0.0:.1f} | Confidence {shown}"


def confidence_words(confidence: float, calibrated: Calibrated | None, *, brackets: bool = False) -> str:
    """``0.82``, or ``0.72, calibrated on 214 outcomes; as defined 0.82``; ``brackets``: all but the number in them."""
    if calibrated is None:
        return f"{confidence:.2f}"
    told = f"calibrated on {calibrated.outcomes} outcomes; as defined {confidence:.2f}"
    return f"{calibrated.confidence:.2f} ({told})" if brackets else f"{calibrated.confidence:.2f}, {told}"


def trades_line(first_at: datetime | None, now: datetime) -> str:
    """What the trades have, in a sentence."""
    return "trades: no story yet" if first_at is None else f"trades: already on it ({ago(now - first_at)} ago)"


def listed(words: list[str]) -> str:
    """``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def receipt_time(receipt: Receipt) -> datetime:
    """When a receipt appeared: its publication, else when it was seen."""
    return receipt.published_at or receipt.observed_at
