"""The wall's state, made once per board version and address, however many screens ask.

A screen that has the newest gets a 304 from memory; the first one after a change pays for the one read of the store, and
the others wait for that. Where reading takes long, everybody gets the last state, with an age that says so.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any

import structlog

from heatmap_app.board import Board
from heatmap_app.database_state import DatabaseState
from heatmap_app.pages.reader import Filters
from heatmap_app.pages.shell import STATIC_DIR
from heatmap_app.pages.words import Times
from heatmap_app.plots import SCALES, palette
from heatmap_app.web.render import TEMPLATES, environment
from heatmap_app.web.wall_query import WallQuery
from heatmap_app.web.wall_values import Alerted, Note, Told, Wall, late_after, wall
from pipelines.clock import Clock
from pipelines.errors import StoreError
from pipelines.settings import Settings
from pipelines.store.lists import AlertQuery
from pipelines.store.store import Store
from pipelines.view import HeatView

log = structlog.get_logger(__name__)

KEPT = 64
"""How many addresses keep their state."""

PATIENCE_S = 3.0
"""How long a screen waits for a fresh state before it gets the last one."""

LOST_S = 45.0
"""Real seconds without an answer after which a screen says by itself that it is not live."""

POLL_S = (2.0, 15.0)
"""The shortest and the longest time between two looks of a screen, real seconds; events make it look at once."""

ALERTS = 50
INSTANT = timedelta(microseconds=1)
DAY = timedelta(days=1)
AT_ONCE = 4
"""How many states are made at a time; further addresses wait their turn, so that walls leave the store to others too."""

UNREADABLE = "The board could not be read: the database does not answer."
FAULTY = "The board could not be read: something went wrong; it is in the log."
FILES = ("fonts.css", "wall.css", "wall.js")


@dataclass(frozen=True, slots=True)
class State:
    """A wall, rendered: ``data`` as templates take it, ``body`` as it is sent (``packed`` by gzip), ``tag`` its ETag; and
    what it was made of."""

    data: dict[str, Any]
    body: bytes
    packed: bytes
    tag: str
    values: Wall
    times: Times


class WallFeed:
    """States for the screens of one process. ``told`` reads what stands beside the board and may block; ``pace`` gives
    the virtual seconds a real second at this moment. :meth:`state` is called on the event loop only."""

    def __init__(
        self, board: Board, clock: Clock, settings: Settings, mode: str,
        told: Callable[[HeatView, datetime], Told], pace: Callable[[], float] = lambda: 1.0,
        database: Callable[[], DatabaseState | None] = lambda: None,
    ) -> None:  # fmt: skip
        self.clock, self.pace, self.settings = clock, pace, settings
        self._board, self._told, self._database = board, told, database
        self._nothing = HeatView(as_of=None, mode=mode, stale=False, items=())
        self._kept: OrderedDict[tuple[WallQuery, str], tuple[int, State]] = OrderedDict()
        self._under_way: dict[tuple[WallQuery, str], asyncio.Task[State]] = {}
        self._last_told: OrderedDict[Filters, Told] = OrderedDict()
        self._telling = threading.Lock()
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def state(self, query: WallQuery, zone: str) -> State | None:
        """The wall for an address, read in a browser's ``zone``; None while there is none yet and reading takes long."""
        # looks are the page's own business; what an address gets wrong must not cost the store anything
        key = (replace(query, theme="night", scale=1.0, zone="", notes=()), query.times(zone).name)
        state = await self._state(key)
        if state is None or not query.notes:
            return state
        values = replace(state.values, notes=_beside(state.values.notes, query.notes))
        return await asyncio.to_thread(rendered, values, state.times, late_after(self.settings), self.pace())

    async def _state(self, key: tuple[WallQuery, str]) -> State | None:
        asked = self._board.version
        kept = self._kept.get(key)
        for _turn in range(2):  # one under way may have read before what this screen heard of: then it has its own turn
            if kept is not None and kept[0] >= asked:
                return kept[1]
            task = self._under_way.get(key)
            if task is None:
                task = self._under_way[key] = asyncio.create_task(self._renew(key))
            await asyncio.wait({task}, timeout=PATIENCE_S)
            if not task.done():
                break
            task.result()
            kept = self._kept.get(key)
        return kept[1] if kept is not None else None

    async def _renew(self, key: tuple[WallQuery, str]) -> State:
        try:
            async with self._turns:
                version = self._board.version
                state = await asyncio.to_thread(self._read, *key)
        finally:
            self._under_way.pop(key, None)
        self._kept[key] = (version, state)
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return state

    def _read(self, query: WallQuery, zone: str) -> State:
        """The state as of now; where the store does not answer, of the last board, with the reason. Blocks."""
        gates, now = self.settings.gates, self.clock.now()
        view, told, problem = self._look(query.filters(gates.min_velocity, gates.min_spread), now)
        times = query.times(zone)
        values = wall(view, told, query, self.settings, times, now, problem=problem, database=self._database())
        return rendered(values, times, late_after(self.settings), self.pace())

    def _look(self, filters: Filters, now: datetime) -> tuple[HeatView, Told, str]:
        """The board and what stands beside it, or the last of both and what is wrong: a screen outlives its database,
        whatever that says."""
        try:
            view = self._board.view(filters)
            told = self._told(view, now)
        except StoreError as error:
            log.warning("wall: reading failed", reason=str(error))
            problem = UNREADABLE
        except Exception:
            log.exception("wall: reading failed")
            problem = FAULTY
        else:
            with self._telling:
                self._last_told[filters] = told
                self._last_told.move_to_end(filters)
                while len(self._last_told) > KEPT:
                    self._last_told.popitem(last=False)
            return view, told, ""
        return self._board.nearest(filters) or self._nothing, self._last_told.get(filters, Told()), problem


def rendered(values: Wall, times: Times, late: timedelta, speed: float) -> State:
    """``values`` as markup, region by region, with the instants the screen counts from (ms since 1970)."""
    parts: Any = environment().get_template("wall_parts.html").module
    letter = palette_letter(values.colour)
    data = {
        "kind": "wall",
        "assets": version(),
        "zone": times.name,
        "as_of": _ms(values.as_of), "data_at": _ms(values.data_at), "next_poll": _ms(values.next_poll),
        "late_ms": round(late.total_seconds() * 1000),
        "poll_s": max(POLL_S[0], min(POLL_S[1], late.total_seconds() / max(speed, 1.0) / 4)),
        "lost_s": LOST_S,
        "hours": [_ms(hour) for hour in values.hours],
        "stale": None if values.stale is None else {"since": _ms(values.stale.since), "words": values.stale.words},
        "alert": None if values.banner is None else {
            "id": values.banner.number, "at": _ms(values.banner.at), "html": parts.banner(values.banner)
        },
        "regions": {
            "title": parts.title(values.title), "mode": parts.mode(values.mode), "notes": parts.notes(values.notes),
            "lights": parts.lights(values.lights), "axis": parts.axis(values.axis, values.then),
            "legend": parts.legend(values.scale, letter), "empty": parts.empty(values.empty),
        },
        "rows": [
            {"key": row.slug, "eligible": row.eligible, "html": parts.row(row, letter)} for row in values.rows
        ],
    }  # fmt: skip
    body = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return State(data, body, gzip.compress(body, 6, mtime=0), f'"{sha256(body).hexdigest()[:20]}"', values, times)


def _beside(notes: Sequence[Note], asked: Sequence[str]) -> tuple[Note, ...]:
    """``notes`` with those about an address after the bad ones."""
    bad = sum(note.tone == "bad" for note in notes)
    return (*notes[:bad], *(Note(note, "warn") for note in asked), *notes[bad:])


def _ms(instant: datetime | None) -> int | None:
    return None if instant is None else round(instant.timestamp() * 1000)


def told_by(store: Store) -> Callable[[HeatView, datetime], Told]:
    """What ``store`` knows beside a board. The function blocks and raises :class:`StoreError`."""

    def told(view: HeatView, now: datetime) -> Told:
        merged = store.merged()
        rows = store.alert_list(AlertQuery(since=now - DAY, limit=ALERTS))
        alerts = tuple(
            _alerted(row, merged.get(row["entity_id"], row["entity_id"]))
            for row in rows
            if row["at"] <= now and not (row["payload"] or {}).get("warm_up")
        )
        if view.as_of is None or not view.items:
            return Told(alerts)
        ids = [item.entity.id for item in view.items]
        decided = store.decision_rows(ids, view.as_of - INSTANT, view.as_of)
        return Told(alerts, {row["entity_id"]: str(row["reason"]) for row in decided})

    return told


def _alerted(row: dict[str, Any], entity_id: int) -> Alerted:
    payload = row["payload"] or {}
    trades = payload.get("trades_at")
    return Alerted(
        number=row["id"], entity_id=entity_id, at=row["at"], name=str(row["name"] or f"entity {entity_id}"),
        velocity_z=float(row["velocity_z"] or 0.0), platforms=tuple(payload.get("platforms") or ()),
        trades_at=datetime.fromisoformat(trades) if trades else None, fault=row["state"] == "source_fault",
    )  # fmt: skip


# ---- looks ----------------------------------------------------------------------------------------------------------


@cache
def palettes() -> tuple[tuple[str, ...], ...]:
    """The different palettes of the colour scales, in their order."""
    return tuple(dict.fromkeys(scale.palette for scale in SCALES.values()))


def palette_letter(colour: str) -> str:
    """The first letter of the classes that colour a cell: ``a`` for the first palette."""
    scale = next(scale for name, scale in SCALES.items() if name == colour)
    return "ab"[palettes().index(scale.palette)]


@cache
def palette_css() -> str:
    """The heatmap's own colours as classes: those of its dark page, and by day those of its light one, where quiet hours
    fade into the ground."""
    rules = []
    for letter, night in zip("ab", palettes(), strict=True):
        scale = next(scale for scale in SCALES.values() if scale.palette == night)
        for at, colours in enumerate(zip(night, palette(scale, "light"), strict=True)):
            rules.append(f".{letter}{at}{{background:{colours[0]}}}")
            rules.append(f'[data-theme="day"] .{letter}{at}{{background:{colours[1]}}}')
    return "".join(rules)


@cache
def version() -> str:
    """Changes with anything that an open screen must be loaded anew for."""
    made = sha256(palette_css().encode())
    for name in FILES:
        made.update((STATIC_DIR / name).read_bytes())
    for name in ("wall.html", "wall_parts.html"):
        made.update((TEMPLATES / name).read_bytes())
    return made.hexdigest()[:12]
