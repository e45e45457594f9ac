"""What metrics and checks count: new polls since the last look, deliveries by state, the schema's step."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from pipelines.store.base import Part

MOST = 20_000
"""Rows of one look at the most: a process that was not asked for days does not read them all at once."""


class Counts(Part):
    """Reads only; every query walks an index or a small table."""

    def newest_numbers(self) -> tuple[int, int]:
        """The highest numbers of polls and of scoring polls; 0 where there is none."""
        query = text("SELECT coalesce((SELECT max(id) FROM poll), 0), coalesce((SELECT max(id) FROM score_poll), 0)")
        with self._db.reading() as connection:
            row = connection.execute(query).one()
        return int(row[0]), int(row[1])

    def polls_since(self, number: int) -> list[dict[str, Any]]:
        """Polls with a number above ``number``, in order: id, source, outcome, items, new_items, bytes, ms."""
        query = text("""SELECT id, source, outcome, items, new_items, bytes, ms FROM poll WHERE id > :number
            ORDER BY id LIMIT :most""")
        with self._db.reading() as connection:
            return [dict(row) for row in connection.execute(query, {"number": number, "most": MOST}).mappings()]

    def scores_since(self, number: int) -> list[tuple[int, int]]:
        """Scoring polls with a number above ``number``, in order: id and milliseconds."""
        query = text("SELECT id, ms FROM score_poll WHERE id > :number ORDER BY id LIMIT :most")
        with self._db.reading() as connection:
            rows = connection.execute(query, {"number": number, "most": MOST})
            return [(row[0], row[1]) for row in rows]

    def alert_states(self) -> dict[str, int]:
        """How many alerts there are by the state of their delivery; ``kept`` have none."""
        query = text("""SELECT coalesce(d.state, 'kept'), count(*) FROM alert a
            LEFT JOIN delivery d ON d.alert_id = a.id GROUP BY 1""")
        with self._db.reading() as connection:
            return {row[0]: int(row[1]) for row in connection.execute(query)}

    def schema_step(self) -> str | None:
        """The step the schema says it is at; None where it has none. Raises :class:`StoreError`."""
        with self._db.reading() as connection:
            place = f'"{self.schema}".alembic_version'
            if connection.scalar(text("SELECT to_regclass(:place)"), {"place": place}) is None:
                return None
            step: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return step

    def server_version(self) -> str:
        """What the server calls itself: ``PostgreSQL 18.1``."""
        with self._db.reading() as connection:
            return f"PostgreSQL {str(connection.scalar(text('SHOW server_version'))).split(' ')[0]}"
