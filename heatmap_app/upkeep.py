"""What is done now and then: domains from evidence, merge suggestions, retention; and the catalogue at the start."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import polars as pl
import structlog

from pipelines.normalize.catalogue import for_store, read_catalogue
from pipelines.normalize.domain import DomainTables, classify, gather, load_domain_tables
from pipelines.normalize.merge import suggest
from pipelines.record import Recorder
from pipelines.settings import CONFIG_DIR, Settings
from pipelines.store.store import Store

log = structlog.get_logger(__name__)

EVIDENCE_SPAN = timedelta(days=7)
DAILY = timedelta(days=1)


def seed_catalogue(store: Store, path: Path, origin: str) -> int:
    """Bring the shipped catalogue into the store where it is not in yet; entities read. Raises :class:`HeatmapError`.

    A catalogue that is unchanged since the last time is not read again.
    """
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    key = f"catalogue:{path.name}"
    if (store.source_state.get(key) or {}).get("sha256") == digest:
        return 0
    found = read_catalogue(path)
    for problem in found.problems:
        log.warning("catalogue row set aside", file=path.name, problem=problem)
    store.add_entities(for_store(found.entities, origin))
    store.source_state.put(key, {"sha256": digest})
    return found.entities.height


@dataclass
class Upkeep:
    """One round of it is :meth:`run`; retention is looked after once a day. Blocking: call from a worker thread.

    ``categories``: what Google files names under, as :func:`pipelines.normalize.domain.gather` takes it.
    """

    store: Store
    settings: Settings
    recorder: Recorder | None = None
    categories: Callable[[], pl.DataFrame | None] = lambda: None
    _pruned_at: datetime | None = field(default=None)

    @cached_property
    def _tables(self) -> DomainTables:
        return load_domain_tables(CONFIG_DIR)

    def run(self, now: datetime) -> str:
        """Tell domains, suggest merges, and once a day prune; what was done, in one line. Raises :class:`StoreError`."""
        changed = self.tell_domains(now)
        suggested = self.store.save_suggestions(suggest(self.store.aliases()), now)
        pruned = self._prune(now)
        return f"{changed} domains changed, {suggested} merge suggestions" + (
            f", {pruned} old rows gone" if pruned else ""
        )

    def tell_domains(self, now: datetime) -> int:
        """Add up the evidence on every entity that was mentioned lately; how many entities changed their domain."""
        receipts = self.store.load_receipts(now - EVIDENCE_SPAN, now)
        entities = self.store.domain_entities()
        seen = entities.filter(pl.col("id").is_in(receipts["entity_id"].unique().implode()))
        evidence = gather(seen, receipts, self._tables, self.categories())
        if evidence.is_empty():
            return 0
        self.store.save_domain_evidence(evidence, now)
        return self.store.save_domains(classify(evidence, self._tables))

    def _prune(self, now: datetime) -> int:
        if self._pruned_at is not None and now - self._pruned_at < DAILY:
            return 0
        gone = sum(self.store.prune(now, self.settings.retention).values())
        if self.recorder is not None and (error := self.recorder.maintain(now).error):
            log.warning("recordings could not be tidied", reason=error)
        self._pruned_at = now
        return gone
