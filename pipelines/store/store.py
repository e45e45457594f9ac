"""The store: everything the product keeps, over one schema of one PostgreSQL database."""

from __future__ import annotations

from sqlalchemy import text

from pipelines.errors import StoreError
from pipelines.store import migrate
from pipelines.store.boards import Boards
from pipelines.store.catalogue import Catalogue
from pipelines.store.compliance import Compliance
from pipelines.store.counts import Counts
from pipelines.store.decisions import Decisions
from pipelines.store.deliveries import Deliveries
from pipelines.store.details import Details
from pipelines.store.domains import Domains
from pipelines.store.doors import Doors
from pipelines.store.editing import Editing
from pipelines.store.engine import Database
from pipelines.store.facts import Facts
from pipelines.store.fetches import Fetches
from pipelines.store.history import History
from pipelines.store.lists import Lists
from pipelines.store.loading import Loading
from pipelines.store.names import Names
from pipelines.store.outcomes import Outcomes
from pipelines.store.packages import Packages
from pipelines.store.people import People
from pipelines.store.posts import Posts
from pipelines.store.saving import Saving
from pipelines.store.scores import Scores
from pipelines.store.tables import metadata
from pipelines.store.texts import Texts
from pipelines.store.upkeep import Upkeep


class Store(Saving, Loading, Catalogue, Editing, Names, Domains, Scores, Lists, Decisions, Deliveries, People, Posts, Outcomes,
            Boards, Details, Fetches, Texts, Packages, Upkeep, Compliance, Facts, Doors, Counts, History):  # fmt: skip
    """One schema (live, demo, replay). Methods block and are safe to call from several threads.

    Every failure is a :class:`StoreError` with one line; every write is one transaction.
    """

    @classmethod
    def open(cls, url: str, schema: str) -> Store:
        """A store on ``url`` (postgresql://...), in ``schema``. Connects on first use."""
        return cls(Database(url, schema))

    def upgrade(self) -> bool:
        """Bring the schema to the current revision; False where it was there already.

        Raises :class:`StoreError` for a schema made by a newer program, or one left half upgraded.
        """
        return migrate.upgrade(self._db)

    def ping(self) -> None:
        """Ask the database for a sign of life; raises :class:`StoreError`."""
        with self._db.reading() as connection:
            connection.execute(text("SELECT 1"))

    def reset(self) -> None:
        """Empty a demo or replay schema. Refuses for ``live``."""
        if self.schema == "live":
            raise StoreError("the live schema is never emptied")
        with self._db.writing() as connection:
            # tables are locked in the order they are named: first those that every writer takes first
            tables = sorted(metadata.tables, key=lambda name: (name != "once", name != "entity"))
            connection.execute(text(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY"))

    def close(self) -> None:
        """Close every connection; the store may be used again and then opens new ones."""
        self._db.close()
