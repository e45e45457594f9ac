"""What the TikTok source must not forget: the run it has paid for, what today's runs cost, the last good list.

Kept in source state as plain JSON under ``tiktok:run``, ``tiktok:spend``, ``tiktok:good`` and ``tiktok:unknown``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pipelines.ingest.state import SourceState

_RUN, _SPEND, _GOOD, _UNKNOWN = "tiktok:run", "tiktok:spend", "tiktok:good", "tiktok:unknown"


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that was asked for and whose rows are not in yet. Without ``run_id`` the answer to its start was lost.

    ``previous`` is the run before it, which is not to be taken for it.
    """

    actor: str
    asked_at: str
    reserved_usd: float
    run_id: str | None = None
    previous: str | None = None
    settled: bool = False

    def age(self, now: datetime) -> float:
        """Seconds since it was asked for."""
        return (now - datetime.fromisoformat(self.asked_at)).total_seconds()


@dataclass(frozen=True, slots=True)
class GoodRun:
    """The last run whose rows were believed."""

    actor: str
    run_id: str
    dataset_id: str
    at: str
    rows: int

    def words(self, now: datetime) -> str:
        """For a person: when it was and how much it held."""
        at = datetime.fromisoformat(self.at)
        form = "%H:%M" if at.date() == now.date() else "%Y-%m-%d %H:%M"
        return f"showing the last good run of {at:{form}} UTC ({self.rows} rows)"


class Ledger:
    """Reads and writes the entries; every amount is in US dollars, every day a UTC day."""

    def __init__(self, state: SourceState) -> None:
        self._state = state

    def open_run(self) -> OpenRun | None:
        """The run to pick up, if any. An entry that cannot be read counts as none."""
        return _read(OpenRun, self._state.get(_RUN))

    def ask(self, actor: str, now: datetime, reserve_usd: float) -> OpenRun:
        """Note, before it is sent, that a run is asked for, and set its highest price aside."""
        previous = (self._state.get(_RUN) or {}).get("closed")
        run = OpenRun(actor, now.isoformat(), reserve_usd, previous=previous)
        self._state.put(_RUN, asdict(run))
        self._add(now, reserve_usd)
        return run

    def started(self, run: OpenRun, run_id: str) -> OpenRun:
        """Note the id under which it can be picked up."""
        known = replace(run, run_id=run_id)
        self._state.put(_RUN, asdict(known))
        return known

    def settle(self, run: OpenRun, cost_usd: float | None) -> OpenRun:
        """Put what the run really cost in the place of what was set aside; once. Unknown cost: it stays set aside."""
        if run.settled:
            return run
        if cost_usd is not None and cost_usd >= 0:
            self._add(datetime.fromisoformat(run.asked_at), cost_usd - run.reserved_usd)
        settled = replace(run, settled=True)
        self._state.put(_RUN, asdict(settled))
        return settled

    def close(self, run: OpenRun) -> None:
        """Be done with the run: its rows are in, or will never be."""
        self._state.put(_RUN, {"closed": run.run_id or run.previous})

    def spent(self, now: datetime) -> float:
        """What the runs of ``now``'s UTC day cost or may still cost."""
        kept = self._state.get(_SPEND) or {}
        return float(kept.get("usd", 0.0)) if kept.get("day") == _day(now) else 0.0

    def _add(self, when: datetime, usd: float) -> None:
        kept = self._state.get(_SPEND) or {}
        if kept.get("day", "") > _day(when):
            return  # a run of yesterday: today's sum does not change
        self._state.put(_SPEND, {"day": _day(when), "usd": round(max(self.spent(when) + usd, 0.0), 6)})

    def good(self, actor: str) -> GoodRun | None:
        """The last good run of ``actor``."""
        run = _read(GoodRun, self._state.get(_GOOD))
        return run if run and run.actor == actor else None

    def keep_good(self, run: GoodRun) -> None:
        """Remember ``run`` as the last good one."""
        self._state.put(_GOOD, asdict(run))

    def keep_unknown(self, now: datetime, actor: str, count: int, sample: str) -> None:
        """Keep an excerpt of rows nobody understood, for a person."""
        self._state.put(_UNKNOWN, {"at": now.isoformat(), "actor": actor, "rows": count, "sample": sample[:2000]})


def _day(when: datetime) -> str:
    return when.astimezone(UTC).date().isoformat()


def _read[T](kind: type[T], kept: dict[str, Any] | None) -> T | None:
    try:
        return kind(**kept) if kept else None
    except TypeError:
        return None
