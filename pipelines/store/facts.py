"""How the database itself is doing, and what changed in it: for banners, readiness, metrics and ``heatmap doctor``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from sqlalchemy import text

from pipelines.store.backup import Manifest, Progress, backup, schemas_there
from pipelines.store.base import Part
from pipelines.store.engine import PAGES, Trouble
from pipelines.store.lease import Lease
from pipelines.store.restore import restore

SCHEMAS = ("live", "demo", "replay")
ROLES = Path(__file__).with_name("roles.sql")
SKEW_LIMIT_S = 300.0
"""Seconds between this machine's clock and the database's from which a person is told."""

PULSE = """SELECT (SELECT row(id, stored_at)::text FROM score_poll ORDER BY at DESC LIMIT 1),
    (SELECT max(id) FROM poll), (SELECT max(id) FROM audit), (SELECT max(id) FROM alert),
    (SELECT at FROM score_poll ORDER BY at DESC LIMIT 1), clock_timestamp()"""


@dataclass(frozen=True, slots=True)
class Pulse:
    """What other processes did: compare two of these. ``score`` names the newest scoring poll, made at ``at`` (UTC);
    ``poll``, ``audit`` and ``alert`` are the newest rows' numbers (0: none). ``skew`` is how many seconds the database's
    clock was ahead of this machine's, about as exact as the question was quick."""

    score: str = ""
    poll: int = 0
    audit: int = 0
    alert: int = 0
    at: datetime | None = None
    skew: float = 0.0


class Facts(Part):
    """Asks about the database, not about what it holds."""

    def beside(self) -> Self:
        """The same store through connections of its own: what pages read through, so that they cannot starve polls."""
        return type(self)(self._db.beside(PAGES))

    def lease(self) -> Lease:
        """The right to schedule for this schema; not asked for yet."""
        return Lease(self._db)

    def backup(
        self, path: Path, schemas: Sequence[str] | None = None, told: Progress = lambda _t, _n: None
    ) -> Manifest:
        """Write ``schemas`` (default: all of :data:`SCHEMAS` that are there) to ``path``; see ``pipelines.store.backup``."""
        return backup(self._db, schemas or schemas_there(self._db, SCHEMAS), path, told)

    def restore(
        self, path: Path, schemas: Sequence[str] | None = None, *, force: bool = False,
        told: Progress = lambda _t, _n: None,
    ) -> Manifest:  # fmt: skip
        """Put what ``path`` holds into the database; see ``pipelines.store.restore``."""
        return restore(self._db, path, schemas, force=force, told=told)

    def grant_roles(self) -> None:
        """Make the three roles and give each what it may do in this schema; see ``roles.sql``. Raises
        :class:`StoreError` where the database user may not."""
        with self._db.writing() as connection:
            cursor = connection.connection.cursor()  # the driver itself: the text has % of its own
            cursor.execute(ROLES.read_text(encoding="utf-8"))
            cursor.close()

    @property
    def trouble(self) -> Trouble | None:
        """Why the database could not be used the last time; None while it works. Does not ask it."""
        return self._db.trouble

    def touch(self) -> None:
        """Write something small: shows that writing works again. Raises :class:`StoreError`."""
        with self._db.writing() as connection:
            connection.execute(
                text("""INSERT INTO source_state (key, value, updated_at) VALUES ('store:touch', '{}', now())
                    ON CONFLICT (key) DO UPDATE SET updated_at = excluded.updated_at""")
            )

    def clock_skew(self) -> float:
        """Seconds the database's clock is ahead of this machine's; negative: behind. Raises :class:`StoreError`."""
        with self._db.reading() as connection:
            connection.execute(text("SELECT 1"))
            before = datetime.now(UTC)
            theirs: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
            after = datetime.now(UTC)
        return (theirs - (before + (after - before) / 2)).total_seconds()

    def pulse(self) -> Pulse:
        """The newest scoring poll, poll, audit row and alert, in four short walks along an index, and the two clocks."""
        with self._db.reading() as connection:
            before = datetime.now(UTC)
            score, poll, audit, alert, at, theirs = connection.execute(text(PULSE)).one()
            after = datetime.now(UTC)
        skew = (theirs - (before + (after - before) / 2)).total_seconds()
        return Pulse(score or "", poll or 0, audit or 0, alert or 0, at, skew)


def skew_words(seconds: float) -> str:
    """What a person is told about the two clocks; empty while they agree."""
    if abs(seconds) <= SKEW_LIMIT_S:
        return ""
    side = "ahead of" if seconds > 0 else "behind"
    return (
        f"the database's clock is {abs(seconds) / 60:.0f} min {side} this machine's; ages and windows may be wrong. "
        "Set both by NTP."
    )
