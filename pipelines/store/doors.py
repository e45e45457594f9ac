"""What was turned away at a door: kept with what people changed, since it is what somebody tried to change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.store.base import Part, write_audit


class Doors(Part):
    """Refused requests, sources let go, replays somebody moved, and gates somebody changed."""

    def note_refused(self, actor: str, subject: str, detail: Mapping[str, Any]) -> None:
        """An audit row "refused". ``detail`` holds no body and no secret; the caller limits how many rows come."""
        with self._db.writing() as connection:
            write_audit(connection, actor, "refused", subject, detail)

    def note_release(self, actor: str, source: str) -> None:
        """An audit row: a person let a source go that was left alone."""
        with self._db.writing() as connection:
            write_audit(connection, actor, "release", source, {})

    def note_replay(self, actor: str, mode: str, detail: Mapping[str, Any]) -> None:
        """An audit row: a person paused, stepped or moved a demo or a replay."""
        with self._db.writing() as connection:
            write_audit(connection, actor, "replay", mode, detail)

    def note_gates(self, actor: str, detail: Mapping[str, Any]) -> None:
        """An audit row: a person changed the gates. ``detail``: old and new by setting."""
        with self._db.writing() as connection:
            write_audit(connection, actor, "gates", "config/local.toml", detail)
