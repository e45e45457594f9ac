"""Why a name did, or did not, alert: the decisions of the last hours, and where there were none, its scores."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipelines.alert.words import confidence_words, hhmm, signed
from pipelines.read.items import calibrated_of
from pipelines.settings import Settings
from pipelines.store.store import Store

SPAN = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Why:
    """``summary`` answers in a sentence; ``decisions`` newest first, the same sentence in a row once with its count."""

    name: str
    slug: str
    summary: str
    decisions: tuple[dict[str, Any], ...]
    alerts: tuple[dict[str, Any], ...]

    @property
    def trust(self) -> str:
        """The confidence of the newest decision in words; empty where it has none."""
        newest = next((row for row in self.decisions if row["confidence"] is not None), None)
        return confidence_words(newest["confidence"], calibrated_of(newest["calibrated"])) if newest else ""


def why(store: Store, settings: Settings, slug: str, now: datetime, span: timedelta = SPAN) -> Why | None:
    """Why the entity of ``slug`` alerted or not in the trailing ``span``; None for an unknown slug."""
    entity_id = store.find(slug)
    row = None if entity_id is None else store.entity_row(entity_id)
    if entity_id is None or row is None:
        return None
    family = store.family(entity_id)
    decisions = store.decision_rows(family, now - span, now)
    alerts = tuple(found for found in store.alert_rows(ids=family, limit=20) if found["at"] > now - span)
    if decisions:
        summary = str(decisions[0]["sentence"])
    else:
        scores = store.score_rows(family, now - span, now)
        summary = _never_close(scores, settings, span, muted=bool(row["muted"]))
    return Why(row["name"], row["slug"], summary, runs(decisions), alerts)


def runs(decisions: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Decisions newest first; those in a row with the same reason as one, with the numbers of the newest, ``polls`` of
    them ``since`` the oldest."""
    found: list[dict[str, Any]] = []
    for row in decisions:
        if found and found[-1]["reason"] == row["reason"]:
            found[-1]["polls"] += 1
            found[-1]["since"] = row["at"]
            continue
        shown = (
            "at",
            "outcome",
            "reason",
            "sentence",
            "velocity_z",
            "spread_count",
            "affect",
            "heat",
            "confidence",
            "calibrated",
            "trades_at",
        )
        found.append({**{key: row[key] for key in shown}, "polls": 1, "since": row["at"]})
    return tuple(found)


def _never_close(scores: list[dict[str, Any]], settings: Settings, span: timedelta, *, muted: bool) -> str:
    hours = f"{span / timedelta(hours=1):g} h"
    if muted:
        return "No alert: muted by the desk; muted names are not scored."
    fast = [row for row in scores if row["velocity_z"] is not None]
    if not fast:
        return f"No alert: nobody mentioned it enough to score in the last {hours}."
    best = max(fast, key=lambda row: float(row["velocity_z"]))
    needs = settings.gates.min_velocity
    platforms = f"{best['spread_count']} platform{'' if best['spread_count'] == 1 else 's'}"
    return (
        f"No alert: its highest velocity in the last {hours} was {signed(best['velocity_z'], below=needs)} at "
        f"{hhmm(best['at'])} on {platforms} (needs {signed(needs)} on {settings.gates.min_spread})."
    )
