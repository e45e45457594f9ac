"""PostgreSQL, the only place that keeps anything: :class:`Store` over it, :class:`EmbeddedPostgres` to start one."""

from pipelines.store.embedded import EmbeddedPostgres
from pipelines.store.scores import ScoreMeta, ScorePoll
from pipelines.store.store import Store

__all__ = ["EmbeddedPostgres", "ScoreMeta", "ScorePoll", "Store"]
