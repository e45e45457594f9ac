"""The whole flow on one page: ingest -> normalize -> store; then discover -> score -> gate -> store.

:meth:`Refresh.ingest` takes what the sources handed over; :meth:`Refresh.score` runs on its own, slower clock. Live, demo,
replay and backtest all go through here and differ only in which sources and which clock they bring.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import structlog

from pipelines.affect import Sentiment
from pipelines.alert.gates import gate, polls_before
from pipelines.backlog import Backlog
from pipelines.calibrate import Calibration, calibrate, judged
from pipelines.discover import discover
from pipelines.errors import StoreError
from pipelines.health import healthy_platforms
from pipelines.model import ITEMS, PLATFORMS, FetchResult, SourceKind
from pipelines.normalize.candidates import CANDIDATES, candidates, find_candidates_in
from pipelines.normalize.match import Matcher
from pipelines.normalize.names import slugify
from pipelines.outbox import NewAlert
from pipelines.record import Recorder
from pipelines.refresh_alerts import Desk, decide_poll
from pipelines.score import score
from pipelines.score_model import Scored, Scoring
from pipelines.settings import Settings
from pipelines.store.scores import ScoreMeta
from pipelines.store.store import Store
from pipelines.store.trouble import UnavailableError

log = structlog.get_logger(__name__)

PEAKS = timedelta(hours=192)
"""Hours that a scoring poll scores again: 7 days for the peak of each of the last 24 h."""

LOOK_BACK = timedelta(hours=168) + PEAKS
"""What scoring reads with SCORING's own methods: each of those hours has 7 days before it."""

TRAILING = timedelta(hours=168)

REFIT = timedelta(minutes=10)
"""How old (in the world's time) a calibration may be when a poll uses it."""

AT_ONCE_S, PAUSE_S = 2.0, 0.2
"""A save that fails within the first of these (seconds) was cut off, not kept waiting: it is made again after the second."""


@dataclass(frozen=True, slots=True)
class ScoreReport:
    """What one scoring poll did. ``eligible`` and ``discovered`` are names."""

    at: datetime
    poll_id: int
    scored: int = 0
    eligible: tuple[str, ...] = ()
    discovered: tuple[str, ...] = ()
    counted: bool = True
    ms: int = 0
    alerts: tuple[NewAlert, ...] = ()


@dataclass
class Refresh:
    """Joins the stages over one store. Blocking: call from a worker thread. Ingest and scoring never overlap.

    ``poll_seconds``: the enabled platforms and their intervals; confidence compares the healthy ones with these.
    ``desk``: where alerts go; they are decided and kept in any case.
    """

    store: Store
    settings: Settings
    sentiment: Sentiment
    poll_seconds: Mapping[str, float]
    recorder: Recorder | None = None
    entity_names: Callable[[Sequence[str]], list[list[str]]] | None = None
    desk: Desk = field(default_factory=Desk)
    backlog: Backlog = field(default_factory=Backlog)
    _matcher: Matcher | None = None
    _calibrated: tuple[datetime, Calibration] | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def kinds(self) -> Mapping[str, SourceKind]:
        """Each source's kind, from settings."""
        of = self.settings
        return {"reddit": of.reddit.kind, "trends": of.trends.kind, "tiktok": of.tiktok.kind, "trades": of.trades.kind}

    def forget_names(self) -> None:
        """The catalogue changed: match against the new one from the next poll on."""
        with self._lock:
            self._matcher = None

    def adopt(self, settings: Settings) -> None:
        """Decide with ``settings`` from the next poll on; one that runs is finished with those it began with."""
        with self._lock:
            self.settings = settings

    def ingest(self, results: Sequence[FetchResult]) -> dict[str, int]:
        """Match, weigh and store what the sources handed over; the new items per source. Raises :class:`StoreError`.

        While the database is away they are kept in memory, in order, and stored when it is back. A recorder that cannot
        write is logged and does not stop the poll.
        """
        with self._lock:
            try:
                self.flush()
                saved = _again(lambda: self._save(results))
            except UnavailableError as error:
                self.backlog.add(results)
                log.warning("poll kept in memory", reason=str(error), waiting=self.backlog.polls)
                saved = dict.fromkeys(sorted({result.source for result in results}), 0)
            self._record(results)
            return saved

    def flush(self) -> int:
        """Store the polls that waited for the database, oldest first; how many. Raises :class:`UnavailableError`."""
        with self._lock:
            done = 0
            while len(self.backlog):
                try:
                    self._save(self.backlog.first())
                except UnavailableError:
                    raise
                except StoreError as error:
                    self.backlog.dropped += len(self.backlog.first())
                    log.error("poll lost: the database refuses it", reason=str(error))
                done += len(self.backlog.pop())
            return done

    def _save(self, results: Sequence[FetchResult]) -> dict[str, int]:
        items = pl.concat([pl.DataFrame(schema=ITEMS), *(result.items for result in results)])
        matches = self._names().match(items)
        return self.store.save_results(results, self.kinds, self._sentiments(items), matches, self._candidates(items))

    def score(self, now: datetime) -> ScoreReport:
        """One scoring poll at ``now`` (UTC) over what is stored, itself stored. Raises :class:`StoreError`."""
        with self._lock:
            started = time.monotonic()
            self.flush()
            scoring = Scoring.from_settings(self.settings)
            back = look_back(scoring, self.settings)
            coverage = self.store.load_coverage(now - back, now)
            discovered = self._discover(coverage, scoring, now)
            mentions = self.store.load_mentions(now - back, now)
            healthy = self._healthy(now)
            scored = score(mentions, coverage, scoring, now, health=(len(healthy), max(1, len(self.poll_seconds))))
            counted = self._counted(now)
            calibration = self._calibration(now)
            gated = calibration.beside(self._gate(scored, now, counted=counted))
            decided = decide_poll(
                self.store, self.settings, gated, scored.platforms, now, self.desk, counted=counted,
                calibration=calibration,
            )  # fmt: skip
            ms = round((time.monotonic() - started) * 1000)
            meta = ScoreMeta(scoring.method, scoring.combine, healthy, tuple(self.poll_seconds), counted, ms)
            poll_id = _again(
                lambda: self.store.save_scores(now, gated, scored.platforms, scored.history, meta, decided)
            )
            eligible = tuple(str(entity) for entity in gated.filter("eligible")["entity"])
            return ScoreReport(now, poll_id, gated.height, eligible, discovered, counted, ms, decided.alerts)

    def _names(self) -> Matcher:
        if self._matcher is None:
            self._matcher = Matcher(self.store.aliases())
        return self._matcher

    def _sentiments(self, items: pl.DataFrame) -> pl.DataFrame:
        """The mood of every free text; a query or a hashtag is a name and has none."""
        texts = items.filter(pl.col("names").list.len().fill_null(0) == 0).unique(["source", "item_id"], keep="last")
        moods = self.sentiment.scores(texts["title"].fill_null("").to_list())
        return texts.select("source", "item_id").with_columns(pl.Series("sentiment", moods, dtype=pl.Float64))

    def _candidates(self, items: pl.DataFrame) -> pl.DataFrame:
        """Names nobody owns: those in ``items``, earlier ones met in ``items``, and new ones met in earlier texts."""
        platform_items = items.filter(pl.col("source").is_in(PLATFORMS))
        if platform_items.is_empty():
            return pl.DataFrame(schema=CANDIDATES)
        now = platform_items["poll_at"].max()
        assert isinstance(now, datetime)  # noqa: S101 - not empty; tells the type checker
        fresh = candidates(platform_items, self._names(), self.entity_names)
        window = timedelta(hours=self.settings.velocity.window_hours)
        earlier = self.store.candidate_names(now - window, now)
        here = find_candidates_in(platform_items, pl.concat([fresh, earlier]), self._names())
        new = fresh.join(earlier, on="canonical", how="anti").filter(pl.col("via") == "name")
        texts = self.store.load_texts(now - TRAILING, now) if new.height else platform_items.clear()
        there = find_candidates_in(texts, new, self._names()) if texts.height else fresh.clear()
        return pl.concat([fresh, here, there]).unique(["source", "item_id", "canonical"], keep="first")

    def _record(self, results: Sequence[FetchResult]) -> None:
        if self.recorder is None:
            return
        written = self.recorder.append(results)
        if written.error:
            log.warning("recording failed; the poll itself is stored", reason=written.error)

    def _discover(self, coverage: pl.DataFrame, scoring: Scoring, now: datetime) -> tuple[str, ...]:
        """Make entities of the names that earned it (SCORING 4), with every text that names them."""
        found = discover(self.store.load_candidates(now - TRAILING, now), coverage, scoring.within_a_week, now)
        learnt = [self._learn(row, now) for row in found.iter_rows(named=True)]
        if learnt:
            self._matcher = None
            aliases = self.store.aliases().filter(pl.col("entity_id").is_in(learnt))
            self.store.save_matches(Matcher(aliases).match(self.store.load_texts(now - LOOK_BACK, now)))
        return tuple(found["name"])

    def _learn(self, row: Mapping[str, Any], now: datetime) -> int:
        return self.store.discover(
            row["canonical"], name=row["name"], slug=slugify(row["name"]), at=now, first_seen=row["first_seen"],
            provenance=row["provenance"],
        )  # fmt: skip

    def _calibration(self, now: datetime) -> Calibration:
        """What came of the alerts so far, fitted anew where the last fit is older than :data:`REFIT`."""
        kept = self._calibrated
        if kept is None or abs(now - kept[0]) >= REFIT:
            kept = self._calibrated = (now, calibrate(judged(self.store.judged_alerts())))
        return kept[1]

    def _healthy(self, now: datetime) -> tuple[str, ...]:
        return healthy_platforms(tuple(self.poll_seconds), self.store.last_success(now), self.poll_seconds, now)

    def _counted(self, now: datetime) -> bool:
        """Whether a platform delivered since the scoring poll before (SCORING 5)."""
        before = self.store.latest(now - timedelta(microseconds=1))
        since = before.at if before else now - LOOK_BACK
        return bool(self.store.sources_delivered(since, now) & set(PLATFORMS))

    def _gate(self, scored: Scored, now: datetime, *, counted: bool) -> pl.DataFrame:
        wanted = polls_before(self.settings.gates, counted=counted)
        passed = self.store.passes_before(now, wanted)
        return gate(scored.entities, passed, self.settings.gates, counted=counted)


def look_back(scoring: Scoring, settings: Settings) -> timedelta:
    """How far back a scoring poll reads; never beyond what is kept, as hours without their mentions would look silent."""
    wanted = timedelta(hours=scoring.reach_hours) + PEAKS
    return min(max(wanted, LOOK_BACK), max(timedelta(days=settings.retention.mentions_days), LOOK_BACK))


def _again[T](save: Callable[[], T]) -> T:
    """``save()``, made once more where the connection broke: whether it was stored cannot be known, and every save may be
    repeated. Raises :class:`StoreError`."""
    began = time.monotonic()
    try:
        return save()
    except UnavailableError:
        if time.monotonic() - began > AT_ONCE_S:
            raise
    time.sleep(PAUSE_S)
    return save()
