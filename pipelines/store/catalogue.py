"""Entities and their names: reading them, importing many, and making one from a discovered name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection, text

from pipelines.errors import InputError
from pipelines.model import ALIASES, ENTITIES
from pipelines.store.base import Part, clean_line, lock_names
from pipelines.store.bulk import clean, json_dump, stage, usable_key
from pipelines.store.hourly import rebuild_hours

READ_ENTITIES = """SELECT id, slug, name, kind, domain, origin, muted FROM entity
    WHERE merged_into IS NULL ORDER BY id"""
READ_ALIASES = """SELECT canonical, display, entity_id, needs_second_sign FROM alias ORDER BY canonical, entity_id"""

OWNER = """SELECT a.entity_id FROM alias a JOIN entity e ON e.id = a.entity_id
    WHERE a.canonical = :canonical ORDER BY e.merged_into IS NOT NULL, a.needs_second_sign, a.entity_id LIMIT 1"""

ADOPT = """INSERT INTO mention (source, item_id, entity_id, matched, via, first_observed, at)
    SELECT i.source, i.item_id, n.entity_id, c.canonical, c.via, i.first_observed,
        coalesce(i.published_at, i.first_observed)
    FROM new_name n JOIN candidate c ON c.canonical = n.canonical
    JOIN item i ON i.source = c.source AND i.item_id = c.item_id
    ON CONFLICT DO NOTHING"""
ADOPT_FIRST_SEEN = """UPDATE entity e SET first_seen = f.at FROM
    (SELECT m.entity_id, min(m.at) AS at FROM mention m
     WHERE m.entity_id IN (SELECT entity_id FROM new_name) GROUP BY 1) f
    WHERE e.id = f.entity_id AND (e.first_seen IS NULL OR e.first_seen > f.at)"""

STAGE_ENTITY = """row bigint, name text, slug text, kind text, domain text, domain_by text, origin text,
    provenance jsonb"""
STAGE_ALIAS = "row bigint, canonical text, display text, needs_second_sign boolean, origin text, place bigint"

KNOWN = """SELECT s.row, min(e.id) AS id FROM stage_entity s
    JOIN stage_alias a ON a.row = s.row AND a.place = 0
    JOIN alias known ON known.canonical = a.canonical
    JOIN entity e ON e.id = known.entity_id AND (e.kind = s.kind OR (e.kind = 'other' AND e.origin = 'discovered'))
    GROUP BY s.row"""
TAKE_OVER = """UPDATE entity e SET kind = s.kind,
        domain = CASE WHEN e.domain_by = 'editor' THEN e.domain ELSE s.domain END,
        domain_by = CASE WHEN e.domain_by = 'editor' THEN e.domain_by ELSE s.domain_by END
    FROM (SELECT DISTINCT ON (n.id) n.id, s.* FROM stage_id n JOIN stage_entity s ON s.row = n.row
          WHERE NOT n.fresh AND s.domain <> 'unclassified' ORDER BY n.id, s.row) s
    WHERE e.id = s.id AND (e.kind, e.domain, e.domain_by) IS DISTINCT FROM (s.kind, s.domain, s.domain_by)"""
MAKE = """INSERT INTO entity (id, slug, name, kind, domain, domain_by, origin, provenance, created_at)
    SELECT n.id, n.slug, s.name, s.kind, s.domain, s.domain_by, s.origin, s.provenance, :at
    FROM stage_id n JOIN stage_entity s ON s.row = n.row WHERE n.fresh"""
NEW_NAMES = """CREATE TEMP TABLE new_name ON COMMIT DROP AS
    SELECT DISTINCT ON (a.canonical, n.id) a.canonical, n.id AS entity_id, a.display, a.needs_second_sign, a.origin
    FROM stage_alias a JOIN stage_id n ON n.row = a.row
    WHERE NOT EXISTS (SELECT FROM alias k WHERE k.canonical = a.canonical AND k.entity_id = n.id)
    ORDER BY a.canonical, n.id, a.place"""
ADD_NAMES = """INSERT INTO alias (canonical, entity_id, display, needs_second_sign, origin)
    SELECT canonical, entity_id, display, needs_second_sign, origin FROM new_name ON CONFLICT DO NOTHING"""


class Catalogue(Part):
    """Who and what is known, and by which names."""

    def entities(self) -> pl.DataFrame:
        """:data:`ENTITIES`: all live entities, muted ones too."""
        return self._db.frame(READ_ENTITIES, (), ENTITIES)

    def aliases(self) -> pl.DataFrame:
        """:data:`ALIASES`: every name, with the entity it was first given to.

        Names of a merged entity stay with it: what they match is stored under it and read under the one it was merged
        into, which is how a merge can be undone without losing a mention. See :meth:`merged`.
        """
        return self._db.frame(READ_ALIASES, (), ALIASES)

    def add_entities(self, frame: pl.DataFrame) -> list[int]:
        """Add entities with their names; the id for each row, in order. A row already known gives its entity's id.

        Columns: ``name``, ``slug``, ``kind``, ``domain``, ``origin``, ``aliases`` (list of display names, the entity's
        own name first) and ``canonicals`` (list, their canonical forms); optional ``needs_second_sign`` (bool),
        ``domain_by`` (default catalogue), ``provenance`` (JSON text). Known means: the first canonical name belongs to
        an entity of the same kind, or to a discovered one of no kind, which then takes this row's kind and domain.
        Candidate items that carry one of the names become mentions. Raises :class:`InputError`, :class:`StoreError`.
        """
        if frame.is_empty():
            return []
        entities, names = _stage_frames(frame)
        with self._db.writing() as connection:
            lock_names(connection, alone=True)
            stage(connection, "stage_entity", STAGE_ENTITY, entities)
            stage(connection, "stage_alias", STAGE_ALIAS, names)
            ids = _give_ids(connection, entities, names)
            stage(connection, "stage_id", "row bigint, id bigint, slug text, fresh boolean", ids)
            connection.execute(text(MAKE), {"at": datetime.now(UTC)})
            connection.execute(text(TAKE_OVER))
            connection.execute(text(NEW_NAMES))
            connection.execute(text(ADD_NAMES))
            adopt_candidates(connection)
        numbers: list[int] = entities.select("row").join(ids, on="row", how="left")["id"].to_list()
        return numbers

    def discover(
        self,
        canonical: str,
        *,
        name: str,
        slug: str,
        at: datetime,
        provenance: Mapping[str, Any],
        kind: str = "other",
        domain: str = "unclassified",
        first_seen: datetime | None = None,
        origin: str = "discovered",
    ) -> int:
        """Make an entity of a candidate name, with its items as mentions; its id. The owner's id where it has one.

        ``first_seen`` defaults to the time of its first item. ``provenance`` says what made the case.
        """
        with self._db.writing() as connection:
            lock_names(connection, alone=True)
            owner: int | None = connection.scalar(text(OWNER), {"canonical": canonical})
            if owner is None:
                values = {
                    "slug": free_slug(connection, slug), "name": clean_line(name), "kind": kind, "domain": domain,
                    "origin": origin, "first_seen": first_seen, "provenance": json_dump(provenance), "at": at,
                }  # fmt: skip
                owner = make_entity(connection, values)
            give_name(connection, owner, canonical, name, origin)
            return owner

    def find(self, slug: str) -> int | None:
        """The live entity of that slug; for the slug of a merged entity, the one it was merged into."""
        if slug != clean_line(slug):
            return None
        query = text("""WITH RECURSIVE chain AS (
            SELECT id, merged_into FROM entity WHERE slug = :slug
            UNION SELECT e.id, e.merged_into FROM entity e JOIN chain c ON e.id = c.merged_into)
            SELECT id FROM chain WHERE merged_into IS NULL""")
        with self._db.reading() as connection:
            found: int | None = connection.scalar(query, {"slug": slug})
        return found


def make_entity(connection: Connection, values: Mapping[str, Any]) -> int:
    """Insert one entity; its id."""
    made: int = connection.execute(
        text("INSERT INTO entity (slug, name, kind, domain, domain_by, origin, first_seen, provenance, created_at) "
             "VALUES (:slug, :name, :kind, :domain, 'evidence', :origin, :first_seen, CAST(:provenance AS jsonb), :at) "
             "RETURNING id"), values
    ).scalar_one()  # fmt: skip
    return made


def give_name(
    connection: Connection,
    entity_id: int,
    canonical: str,
    display: str,
    origin: str,
    *,
    needs_second_sign: bool = False,
) -> None:
    """Let an entity answer to a name, and to the candidate items that carry it."""
    connection.execute(text("DROP TABLE IF EXISTS new_name"))
    connection.execute(
        text("CREATE TEMP TABLE new_name ON COMMIT DROP AS SELECT CAST(:canonical AS text) AS canonical, "
             "CAST(:id AS bigint) AS entity_id, CAST(:display AS text) AS display, "
             "CAST(:second AS boolean) AS needs_second_sign, CAST(:origin AS text) AS origin"),
        {"canonical": canonical, "id": entity_id, "display": clean_line(display), "origin": origin,
         "second": needs_second_sign},
    )  # fmt: skip
    connection.execute(text(ADD_NAMES))
    adopt_candidates(connection)


def adopt_candidates(connection: Connection) -> None:
    """Turn candidate items of the names in ``new_name`` into mentions of their entities."""
    connection.execute(text("DELETE FROM new_name WHERE needs_second_sign"))
    if connection.execute(text(ADOPT)).rowcount:
        connection.execute(text(ADOPT_FIRST_SEEN))
        found = connection.execute(
            text("SELECT DISTINCT n.entity_id FROM new_name n JOIN candidate c USING (canonical)")
        )
        rebuild_hours(connection, found.scalars().all())
    connection.execute(text("DELETE FROM candidate WHERE canonical IN (SELECT canonical FROM new_name)"))


def free_slug(connection: Connection, slug: str) -> str:
    """``slug``, or with the first number behind it that is free."""
    taken = connection.execute(
        text("SELECT slug FROM entity WHERE slug = :slug OR slug LIKE :numbered"),
        {"slug": slug, "numbered": slug.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "-%"},
    )  # fmt: skip
    return unused(slug, set(taken.scalars()))


def unused(slug: str, taken: Iterable[str]) -> str:
    """``slug`` made unlike all in ``taken``; an empty one becomes "entity"."""
    slug = slug or "entity"
    if slug not in taken:
        return slug
    return next(f"{slug}-{n}" for n in range(2, 1_000_000) if f"{slug}-{n}" not in taken)


def _stage_frames(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    needed = {"name", "slug", "kind", "domain", "origin", "aliases", "canonicals"}
    if missing := needed - set(frame.columns):
        raise InputError(f"entities: column {min(missing)!r} is missing")
    defaults = {"needs_second_sign": pl.lit(value=False), "domain_by": pl.lit("catalogue"), "provenance": pl.lit("{}")}
    extra = [value.alias(name) for name, value in defaults.items() if name not in frame.columns]
    rows = clean(frame.with_columns(extra).with_row_index("row"))
    entities = rows.select(
        pl.col("row").cast(pl.Int64), "name", "slug", "kind", "domain", "domain_by", "origin",
        pl.col("provenance").fill_null("{}"),
    )  # fmt: skip
    names = (
        rows.select(
            pl.col("row").cast(pl.Int64), pl.col("canonicals").alias("canonical"), pl.col("aliases").alias("display"),
            pl.col("needs_second_sign").fill_null(value=False), "origin",
        )
        .explode("canonical", "display")
        .with_columns(pl.int_range(pl.len()).over("row").alias("place"))
        .filter(usable_key("canonical"))
        .with_columns(pl.col("display").fill_null(pl.col("canonical")))
    )  # fmt: skip
    nameless = entities.join(names.filter(pl.col("place") == 0), on="row", how="anti")
    if nameless.height:
        raise InputError(f"entities: row {nameless['row'][0] + 1} ({nameless['name'][0]!r}) has no usable name")
    order = ["row", "canonical", "display", "needs_second_sign", "origin", "place"]
    return entities, names.select(order)


def _give_ids(connection: Connection, entities: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """Row, id, slug and whether it is a new entity; rows of one name and kind share an id."""
    known: dict[int, int] = {row[0]: row[1] for row in connection.execute(text(KNOWN))}
    taken = set(connection.execute(text("SELECT slug FROM entity")).scalars())
    first = names.filter(pl.col("place") == 0).select("row", "canonical")
    rows = entities.join(first, on="row").sort("row").select("row", "canonical", "kind", "slug").rows()
    unknown = len({(canonical, kind) for row, canonical, kind, _ in rows if row not in known})
    numbers = connection.execute(
        text("SELECT nextval(pg_get_serial_sequence('entity', 'id')) FROM generate_series(1, :n)"), {"n": unknown}
    ).scalars()
    made: dict[tuple[str, str], int] = {}
    given: list[tuple[int, int, str, bool]] = []
    for row, canonical, kind, slug in rows:
        if row in known or (canonical, kind) in made:
            given.append((row, known[row] if row in known else made[canonical, kind], slug, False))
            continue
        made[canonical, kind] = next(numbers)
        free = unused(slug, taken)
        taken.add(free)
        given.append((row, made[canonical, kind], free, True))
    schema = {"row": pl.Int64(), "id": pl.Int64(), "slug": pl.String(), "fresh": pl.Boolean()}
    return pl.DataFrame(given, schema=schema, orient="row")
