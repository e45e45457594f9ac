"""Domains: the editor's word, the evidence for the rest; and suggestions of what to merge."""

from __future__ import annotations

from datetime import datetime

import polars as pl
from sqlalchemy import text

from pipelines.errors import InputError
from pipelines.model import EVIDENCE, RECEIPTS, SUGGESTIONS, Domain, conform
from pipelines.store.base import Part, lock_names, merged_map, write_audit
from pipelines.store.bulk import clean, stage, upsert, usable_key
from pipelines.store.engine import as_utc
from pipelines.store.name_changes import EDITOR, get_entity

DOMAIN_ENTITIES = pl.Schema({"id": pl.Int64(), "kind": pl.String(), "domain": pl.String(), "domain_by": pl.String()})
READ_RECEIPTS = """SELECT m.entity_id, i.source, i.feed, i.item_id, i.title, i.context::text AS context, m.at
    FROM mention m JOIN item i ON i.source = m.source AND i.item_id = m.item_id
    WHERE i.last_observed > $1 AND i.last_observed <= $2"""


class Domains(Part):
    """What part of the news entities belong to, and why."""

    def set_domain(self, entity_id: int, domain: str, actor: str, was: str | None = None) -> None:
        """An editor's word on an entity's domain: stands for good, whatever the evidence says.

        ``was`` is the domain the editor saw. Where somebody has made it another since, nothing is changed and
        :class:`InputError` says what it is now.
        """
        if domain not in set(Domain):
            raise InputError(f"domain {domain!r}: one of {', '.join(Domain)}")
        with self._db.writing() as connection:
            lock_names(connection, alone=False)
            entity = get_entity(connection, entity_id)
            if was is not None and entity["domain"] not in (was, domain):
                raise InputError(f"somebody has made it {entity['domain']} meanwhile; choose again to make it {domain}")
            connection.execute(
                text("UPDATE entity SET domain = :domain, domain_by = :by WHERE id = :id"),
                {"domain": domain, "by": EDITOR, "id": entity_id},
            )
            write_audit(connection, actor, "domain", entity["slug"], {"from": entity["domain"], "to": domain})

    def save_domain_evidence(self, evidence: pl.DataFrame, at: datetime) -> None:
        """Replace the evidence on the entities in ``evidence`` (entity_id, kind, domain, weight, detail)."""
        rows = clean(conform(evidence, EVIDENCE)).drop_nulls().filter(usable_key("kind", "domain"))
        rows = rows.group_by("entity_id", "kind", "domain").agg(
            pl.col("weight").sum(), pl.col("detail").str.join("; ").str.slice(0, 1000)
        )
        with self._db.writing() as connection:
            columns = "entity_id bigint, kind text, domain text, weight float8, detail text"
            stage(connection, "stage_evidence", columns, rows.sort("entity_id", "kind", "domain"))
            connection.execute(
                text("DELETE FROM domain_evidence d WHERE entity_id IN (SELECT entity_id FROM stage_evidence) AND NOT "
                     "EXISTS (SELECT FROM stage_evidence s WHERE s.entity_id = d.entity_id AND s.kind = d.kind "
                     "AND s.domain = d.domain)")
            )  # fmt: skip
            source = "SELECT s.*, CAST(:at AS timestamptz) AS at FROM stage_evidence s"
            keys, update = ["entity_id", "kind", "domain"], ["weight", "detail", "at"]
            connection.execute(text(upsert("domain_evidence", keys, source, update)), {"at": at})

    def save_domains(self, decisions: pl.DataFrame) -> int:
        """Set domains told from evidence (entity_id, domain), except where an editor or the catalogue spoke.

        How many entities changed.
        """
        rows = decisions.select(pl.col("entity_id").cast(pl.Int64), pl.col("domain").cast(pl.String)).drop_nulls()
        with self._db.writing() as connection:
            lock_names(connection, alone=True)  # many rows, in no order
            stage(
                connection, "stage_domain", "entity_id bigint, domain text", rows.unique("entity_id").sort("entity_id")
            )
            changed: int = connection.execute(
                text("UPDATE entity e SET domain = s.domain FROM stage_domain s "
                     "WHERE e.id = s.entity_id AND e.domain_by = 'evidence' AND e.domain <> s.domain")
            ).rowcount  # fmt: skip
        return changed

    def domain_entities(self) -> pl.DataFrame:
        """Live entities with what says their domain: id, kind, domain, domain_by."""
        query = "SELECT id, kind, domain, domain_by FROM entity WHERE merged_into IS NULL"
        return self._db.frame(query, (), DOMAIN_ENTITIES)

    def load_receipts(self, since: datetime, until: datetime) -> pl.DataFrame:
        """What was said about every entity in ``(since, until]``: entity_id (merges resolved), source, feed, item_id,
        title, context (JSON text), at."""
        frame = self._db.frame(READ_RECEIPTS, (as_utc(since), as_utc(until)), RECEIPTS)
        with self._db.reading() as connection:
            merged = merged_map(connection)
        return frame.with_columns(pl.col("entity_id").replace(merged)) if merged else frame

    def save_suggestions(self, suggestions: pl.DataFrame, at: datetime) -> int:
        """Replace the open merge suggestions (a, b, score, reason) by these; pairs already merged are left out."""
        rows = clean(conform(suggestions, SUGGESTIONS)).select("a", "b", "score", "reason").drop_nulls()
        with self._db.writing() as connection:
            roots = merged_map(connection)
            rows = rows.with_columns(pl.col("a", "b").replace(roots)) if roots else rows
            pairs = rows.filter(pl.col("a") != pl.col("b")).unique(["a", "b"], keep="first").sort("a", "b")
            stage(connection, "stage_pair", "a bigint, b bigint, score float8, reason text", pairs)
            connection.execute(text("DELETE FROM merge_suggestion"))
            saved: int = connection.execute(
                text("INSERT INTO merge_suggestion SELECT s.a, s.b, s.score, s.reason, :at FROM stage_pair s"),
                {"at": at},
            ).rowcount
        return saved
