"""TikTok trends through the operator's own Apify actor: opt-in, capped, one run at a time.

A run costs money, so it is noted before it is asked for and its id before it is waited for. One that outlives a poll
(or the process) is picked up by the next poll, never started again, and aborted past ``run_seconds``.

TikTok is a *level* source, where a list that was looked at and does not hold a name counts as zero. So a run that
brings nothing, only the three rows anonymous visitors see, or nothing but errors is ``DEGRADED``: no rows, no coverage,
no zeros. The last good run's sightings stay in the store and on the page with their own time; they are not handed out
again as seen now, and the detail says which run is being shown.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from pipelines.errors import (
    FieldsMissingError,
    PausedError,
    PermanentError,
    RateLimitedError,
    ShapeChangedError,
    SourceError,
    TransientError,
)
from pipelines.ingest.clean import clean_text, items_frame
from pipelines.ingest.state import SourceState
from pipelines.ingest.tiktok_actors import ACTORS, PRIMARY, adapter_for
from pipelines.ingest.tiktok_errors import NotThereError, QuotaError
from pipelines.ingest.tiktok_ledger import GoodRun, Ledger, OpenRun
from pipelines.ingest.tiktok_rows import FEEDS, Adapter, MappedRows, map_rows
from pipelines.model import ITEMS, FeedReport, FetchResult, Outcome
from pipelines.settings_sections import TikTok

if TYPE_CHECKING:
    from pipelines.ingest.tiktok_client import Apify

FINAL = ("SUCCEEDED", "FAILED", "TIMED-OUT", "ABORTED")
"""Statuses a run does not leave again."""

UNKNOWN_SHARE = 0.2
WAIT_SECONDS = 90.0
"""How long one poll waits for its run; shorter than the deadline of a poll."""
GRACE_SECONDS = 10.0
"""Past ``run_seconds`` Apify ends the run by itself; we step in a little later."""
COME_BACK_SECONDS = 30.0


class TikTokSource:
    """Runs ``settings.actor`` and reads its dataset. ``wait_seconds`` bounds the wait within one poll."""

    name = "tiktok"

    def __init__(
        self,
        settings: TikTok,
        state: SourceState,
        *,
        wait_seconds: float = WAIT_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._ledger = settings, Ledger(state)
        self._wait_seconds, self._grace_seconds, self._monotonic = wait_seconds, grace_seconds, monotonic

    @property
    def poll_seconds(self) -> int:
        """Seconds between polls."""
        return self._settings.poll_seconds

    def missing(self) -> tuple[str, ...]:
        """The token, where it is not set."""
        return () if self._settings.token.get_secret_value() else ("HEATMAP_TIKTOK__TOKEN",)

    async def fetch(self, now: datetime) -> FetchResult:
        """The rows of one run: of the one left open, or of a new one.

        A run still going when the wait is over gives ``DEGRADED`` with ``retry_after_s`` saying when to look again.
        Rows of a run picked up from an earlier poll carry the time it finished, and so does the result.

        Raises :class:`~pipelines.errors.SourceError` subclasses.
        """
        adapter = self._adapter()
        apify, began = await self._client(), self._monotonic()
        try:
            run = await self._open_run(apify, now)
            picked_up = run is not None
            run = run or await self._start(apify, adapter, now)
            finished = await self._finish(apify, run, now, began)
            if finished is None:
                return self._still_running(apify, run, now)
            seen_at = min(max(_utc(finished.finished_at, now), now - timedelta(days=1)), now) if picked_up else now
            result = await self._harvest(apify, adapter, run, finished, seen_at)
        except QuotaError as error:
            error.request_id = apify.request_id
            raise await self._with_reset_date(apify, error) from None
        except SourceError as error:
            error.request_id, error.bytes_read = apify.request_id, error.bytes_read or apify.bytes_read
            raise await _off(self._with_last_good, error, now) from None
        return result

    async def _client(self) -> Apify:
        def make() -> Apify:
            from pipelines.ingest.tiktok_client import Apify

            return Apify(self._settings)

        return await asyncio.to_thread(make)  # the import would hold up the event loop

    def _adapter(self) -> Adapter:
        adapter = adapter_for(self._settings.actor)
        if adapter is None:
            known = ", ".join(sorted(ACTORS))
            raise PermanentError(self.name, f"HEATMAP_TIKTOK__ACTOR is not one of the known actors: {known}")
        return adapter

    async def _open_run(self, apify: Apify, now: datetime) -> OpenRun | None:
        run = await _off(self._ledger.open_run)
        if run is None:
            return None
        if run.actor != self._settings.actor or run.age(now) > 2 * self._settings.poll_seconds + self._limit_seconds:
            await _off(self._ledger.close, run)
            return None
        if run.run_id is not None:
            return run
        # the answer to the start was lost: was there a start?
        last = await apify.last_run()
        asked_at = datetime.fromisoformat(run.asked_at)
        clocks_apart = timedelta(seconds=60)
        if last is not None and last.id != run.previous and _utc(last.started_at, now) >= asked_at - clocks_apart:
            return await _off(self._ledger.started, run, last.id)
        await _off(self._ledger.settle, run, 0.0)
        await _off(self._ledger.close, run)
        return None

    @property
    def _limit_seconds(self) -> float:
        return self._settings.run_seconds + self._grace_seconds

    async def _start(self, apify: Apify, adapter: Adapter, now: datetime) -> OpenRun:
        await _off(self._check_budget, now)
        run = await _off(self._ledger.ask, self._settings.actor, now, self._settings.max_charge_usd)
        try:
            started = await apify.start(adapter.build(self._settings.country, self._settings.max_items))
        except (PermanentError, RateLimitedError) as error:
            # an answer that says no: nothing runs. A reply of an unknown shape is no such answer.
            if not isinstance(error, ShapeChangedError):
                await _off(self._ledger.settle, run, 0.0)
                await _off(self._ledger.close, run)
            if isinstance(error, NotThereError):
                message = f"Apify knows no actor {self._settings.actor}"
                raise PermanentError(self.name, message, status=404) from None
            raise
        return await _off(self._ledger.started, run, started.id)

    def _check_budget(self, now: datetime) -> None:
        spent, limit = self._ledger.spent(now), self._settings.daily_charge_usd
        if spent + self._settings.max_charge_usd > limit + 1e-9:
            midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            raise PausedError(
                self.name,
                f"paused: spent ${spent:.2f} of ${limit:.2f} today and a run may cost "
                f"${self._settings.max_charge_usd:.2f}; goes on after 00:00 UTC",
                until=midnight,
            )

    async def _finish(self, apify: Apify, run: OpenRun, now: datetime, began: float) -> Any | None:
        """The run once it is final, or None while it is still going within its time. Too old: aborted, and raised."""
        left = self._limit_seconds - self._age(run, now, began)
        found = await apify.wait(str(run.run_id), min(self._wait_seconds, max(left, 0.0)))
        if found is None:
            await _off(self._ledger.close, run)
            raise TransientError(self.name, "Apify has lost the run")
        if found.status in FINAL:
            await _off(self._ledger.settle, run, found.usage_total_usd)
            return found
        if self._age(run, now, began) < self._limit_seconds:
            return None
        if found.status != "ABORTING":
            await apify.abort(str(run.run_id))
        await _off(self._ledger.close, run)
        message = f"the run was still {found.status} after {self._settings.run_seconds} s and was aborted"
        raise TransientError(self.name, message)

    def _age(self, run: OpenRun, now: datetime, began: float) -> float:
        return run.age(now) + self._monotonic() - began

    async def _harvest(
        self, apify: Apify, adapter: Adapter, run: OpenRun, finished: Any, seen_at: datetime
    ) -> FetchResult:
        if finished.status != "SUCCEEDED":
            await _off(self._ledger.close, run)
            said = clean_text(finished.status_message, 200)
            raise TransientError(self.name, f"the run ended as {finished.status}{f': {said}' if said else ''}")
        try:
            raw = await apify.rows(finished.default_dataset_id)
        except PermanentError:
            await _off(self._ledger.close, run)
            raise
        await _off(self._ledger.close, run)
        return await _off(self._take, apify, adapter, raw, finished, seen_at)

    def _take(self, apify: Apify, adapter: Adapter, raw: list[Any], finished: Any, seen_at: datetime) -> FetchResult:
        mapped = map_rows(adapter, raw)
        if mapped.unknown:
            self._ledger.keep_unknown(seen_at, self._settings.actor, len(mapped.unknown), mapped.sample)
        if mapped.unknown_share > UNKNOWN_SHARE:
            message = f"shape changed: {len(mapped.unknown)} of {len(raw)} rows are not understood"
            raise FieldsMissingError(self.name, message, sample=mapped.sample)
        return self._judge(apify, mapped, raw, finished, seen_at)

    def _judge(self, apify: Apify, mapped: MappedRows, raw: list[Any], finished: Any, seen_at: datetime) -> FetchResult:
        counts = Counter(row["feed"] for row in mapped.rows)
        if trouble := mapped.trouble(PRIMARY, self._settings.max_items):
            good = self._ledger.good(self._settings.actor)
            shown = good.words(seen_at) if good else "no good run yet"
            return self._result(apify, seen_at, Outcome.DEGRADED, f"{trouble}; {shown}", rejected=len(raw))
        frame, rejected = items_frame(mapped.rows, seen_at, self.name)
        good = GoodRun(
            self._settings.actor, finished.id, finished.default_dataset_id, seen_at.isoformat(), frame.height
        )
        self._ledger.keep_good(good)
        rejected += len(mapped.unknown) + len(mapped.errors)
        listed = ", ".join(f"{counts[feed]} {feed}s" for feed in FEEDS if counts[feed])
        detail = f"{listed}; {rejected} rows set aside" if rejected else listed
        return self._result(apify, seen_at, Outcome.OK, detail, frame, rejected, mapped.reports())

    def _still_running(self, apify: Apify, run: OpenRun, now: datetime) -> FetchResult:
        detail = f"the run started {datetime.fromisoformat(run.asked_at):%H:%M} UTC is still going; picked up next time"
        return self._result(apify, now, Outcome.DEGRADED, detail, retry_after_s=COME_BACK_SECONDS)

    def _result(
        self,
        apify: Apify,
        at: datetime,
        outcome: Outcome,
        detail: str,
        items: pl.DataFrame | None = None,
        rejected: int = 0,
        feeds: tuple[FeedReport, ...] = (),
        retry_after_s: float | None = None,
    ) -> FetchResult:
        return FetchResult(
            source=self.name, at=at, outcome=outcome, items=pl.DataFrame(schema=ITEMS) if items is None else items,
            rejected=rejected, detail=detail, retry_after_s=retry_after_s, http_status=200,
            bytes_read=apify.bytes_read, requests=apify.requests, feeds=feeds, request_id=apify.request_id,
        )  # fmt: skip

    async def _with_reset_date(self, apify: Apify, error: QuotaError) -> PausedError:
        until = await apify.quota_resets()
        when = f"; resets {until:%Y-%m-%d %H:%M} UTC" if until else "; resets with the billing cycle"
        paused = PausedError(self.name, error.message + when, until=until, status=error.status)
        paused.request_id = error.request_id
        return paused

    def _with_last_good(self, error: SourceError, now: datetime) -> SourceError:
        """``error`` that also says which list the page still shows, where a run went wrong rather than a credential."""
        good = self._ledger.good(self._settings.actor)
        if good and isinstance(error, TransientError | ShapeChangedError):
            error.message = f"{error.message}; {good.words(now)}"
            error.args = (f"{error.source}: {error.message}",)
        return error


async def _off[**P, T](work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """``work`` off the event loop: the ledger may wait for the database."""
    return await asyncio.to_thread(work, *args, **kwargs)


def _utc(moment: datetime | None, otherwise: datetime) -> datetime:
    return moment.astimezone(UTC) if moment else otherwise
