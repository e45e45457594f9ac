"""How the database is doing, as a value and in words: for the banner, ``/readyz``, ``/metrics`` and ``heatmap doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipelines.refresh import Refresh
from pipelines.store.facts import skew_words
from pipelines.store.lease import Role
from pipelines.store.store import Store


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """``reason``: why the database cannot be used, since ``since`` (UTC), empty while it works. ``buffered`` polls
    (``buffered_bytes`` of memory) wait for it; ``dropped`` did not fit. ``role``: leader, follower or adrift.
    ``skew_s``: how many seconds the database's clock is ahead of this machine's."""

    reason: str = ""
    since: datetime | None = None
    buffered: int = 0
    buffered_bytes: int = 0
    dropped: int = 0
    role: Role = Role.LEADER
    skew_s: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether everything is stored as it comes."""
        return not self.reason and not self.buffered

    @property
    def clocks(self) -> str:
        """What is wrong with the clocks, for a person; empty while they agree."""
        return skew_words(self.skew_s)

    def words(self, since: str) -> tuple[str, str]:
        """A headline and a sentence for a person, empty while all is well; ``since`` is :attr:`since` as they read it."""
        if self.ok and not self.dropped:
            return "", ""
        if self.ok:
            return "Not everything was saved:", f"{_polls(self.dropped)} did not fit while the database was away."
        what, _, hint = self.reason.partition(":")
        if " (" in what:
            hint = ""  # the colon was in the driver's own words, which are nothing to do
        what = what.partition(" (")[0] or "catching up"
        parts = [f"{what} since {since}" if self.reason and since else what]
        if self.buffered:
            parts.append(f"{_polls(self.buffered)} buffered")
        if self.dropped:
            parts.append(f"{_polls(self.dropped)} dropped for want of room")
        hint = f" To do: {hint.strip()}." if hint else ""
        kept = " The map shows what was last stored."
        return "Not saving:", f"{_database(what)}{', '.join(parts)}.{hint}{kept}"


def _polls(count: int) -> str:
    return f"{count:,} {'poll' if count == 1 else 'polls'}"


def _database(what: str) -> str:
    return "" if what.startswith(("storage", "catching", "all connections", "the ")) else "database "


def state_of(store: Store, refresh: Refresh, role: Role, skew_s: float = 0.0) -> DatabaseState:
    """What is known without asking the database."""
    trouble, waiting = store.trouble, refresh.backlog
    return DatabaseState(
        trouble.reason if trouble else "", trouble.since if trouble else None, waiting.polls, waiting.bytes,
        waiting.dropped, role, skew_s,
    )  # fmt: skip
