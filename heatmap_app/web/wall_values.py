"""What the wall shows, as values. Pure: the board, what was told, settings and now in; every word on the screen out.

Ages are not words but instants: the screen counts them itself, so that it tells the truth without its server too.
Nothing here is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from heatmap_app.database_state import DatabaseState
from heatmap_app.pages.board_view import FULL_BASELINE_HOURS
from heatmap_app.pages.words import PLATFORM_LETTERS, PLATFORM_NAMES, Times, plain, platform, signed
from heatmap_app.plots import SCALES, Colour, Scale
from heatmap_app.web.wall_query import WallQuery
from pipelines.health import GRACE
from pipelines.model import PLATFORMS
from pipelines.outbox import Reason
from pipelines.read.board import LATE_SCORES
from pipelines.settings import Settings
from pipelines.view import HeatItem, HeatView, HistoryPoint, SourceHealth, TradesStatus

NEARLY = 2
"""Hours a baseline may lack without a word: the present one has just begun."""
STEADY = 0.15
"""A velocity that moved by less sigma than this in an hour has no direction."""

ALERT_SHOWN = timedelta(hours=24)
"""How long a row says that it was alerted: no longer than a time without its day is clear."""

MODES = {"demo": "DEMO: invented data", "replay": "REPLAY: recorded data"}
SOURCE_WORDS = {"paused": "paused", "not_configured": "not set up", "waiting": "waiting"}
FIELDS: Mapping[Colour, str] = {"heat": "heat", "velocity": "velocity_z", "spread": "spread", "affect": "affect"}


@dataclass(frozen=True, slots=True)
class Alerted:
    """An alert: the entity it is about now, its name, why it fired. ``trades_at``: the first trade story then."""

    number: int
    entity_id: int
    at: datetime
    name: str
    velocity_z: float
    platforms: tuple[str, ...] = ()
    trades_at: datetime | None = None
    fault: bool = False
    """Marked as caused by a source."""


@dataclass(frozen=True, slots=True)
class Told:
    """What stands beside the scores: alerts of the last 24 h, newest first, and the reason of each entity's decision at
    this poll."""

    alerts: tuple[Alerted, ...] = ()
    reasons: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Note:
    """A line under the title. ``tone``: bad, warn or nothing."""

    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One name. ``move``: new, up, down or same, by ``steps``; ``cells``: an index into the colour's palette for each
    hour, None where nobody looked; ``arrow``: up, down or flat; ``alert_tone``: alerted, next, held or nothing."""

    slug: str
    rank: int
    move: str
    steps: int
    name: str
    kind: str
    heat: str
    cells: tuple[int | None, ...]
    cells_words: str
    velocity: str
    arrow: str
    gate: bool
    platforms: tuple[tuple[str, str, bool], ...]
    alert: str
    alert_tone: str
    trades: str
    trades_tone: str
    eligible: bool


@dataclass(frozen=True, slots=True)
class Light:
    """A source: name, state, words after the name, an age that belongs there (UTC instant), and its sentence."""

    name: str
    state: str
    words: str
    since: datetime | None
    line: str


@dataclass(frozen=True, slots=True)
class Stale:
    """Why the board must not be taken as live: ``since`` when (None: ever), ``words`` before the age."""

    since: datetime | None
    words: str


@dataclass(frozen=True, slots=True)
class Banner:
    """The newest alert: ``clock`` and ``rest`` stand around the name."""

    number: int
    at: datetime
    clock: str
    name: str
    rest: str


@dataclass(frozen=True, slots=True)
class Wall:
    """Everything on the screen. ``data_at``: what the data is from, the oldest of scoring and the platforms' answers;
    ``axis``: a label (or nothing) for each hour; ``then``: what stands for "now" once that is over."""

    title: str
    notes: tuple[Note, ...]
    mode: str
    as_of: datetime | None
    data_at: datetime | None
    next_poll: datetime | None
    lights: tuple[Light, ...]
    stale: Stale | None
    banner: Banner | None
    rows: tuple[Row, ...]
    hours: tuple[datetime, ...]
    axis: tuple[str, ...]
    then: str
    scale: Scale
    colour: Colour
    empty: tuple[str, str] | None


def late_after(settings: Settings) -> timedelta:
    """The age from which a scoring poll is no longer the present."""
    return timedelta(seconds=LATE_SCORES * settings.poll.score_seconds) + GRACE


def wall(
    view: HeatView, told: Told, query: WallQuery, settings: Settings, times: Times, now: datetime, *,
    problem: str = "", database: DatabaseState | None = None,
) -> Wall:  # fmt: skip
    """The wall at ``now``. ``problem``: why the board could not be read, while ``view`` is the last one that could."""
    seen = _newest(view.sources, PLATFORMS)
    data_at = min(view.as_of, seen) if view.as_of and seen else view.as_of
    return Wall(
        title=f"Top {query.rows} now",
        notes=notes(view, query, settings, times, problem, database),
        mode=MODES.get(view.mode, ""),
        as_of=view.as_of,
        data_at=data_at,
        next_poll=min((one.next_poll for one in view.sources if one.next_poll and one.state != "paused"), default=None),
        lights=tuple(light(one, times, now) for one in view.sources),
        stale=stale(view, now, late_after(settings)),
        banner=banner(told.alerts, times),
        rows=tuple(row(item, view, told, query.colour, times, now) for item in view.items),
        hours=view.hours,
        axis=tuple(_hour_label(start, view, times) for start in view.hours),
        then=times.clock(data_at) if data_at else "",
        scale=SCALES[query.colour],
        colour=query.colour,
        empty=None if view.items else empty(view, query, times, problem),
    )


# ---- rows ---------------------------------------------------------------------------------------------------------


def row(item: HeatItem, view: HeatView, told: Told, colour: Colour, times: Times, now: datetime) -> Row:
    """One line of the board."""
    move, steps = _move(item)
    alert, alert_tone = alert_words(item, told, times, now)
    trades, trades_tone = trades_words(item.trades)
    points = {point.hour: point for point in item.history}
    if view.hours and getattr(points.get(view.hours[-1]), "heat", None) is None:
        # the hour that runs has no score of its own yet: what it is like now is the row's
        points[view.hours[-1]] = HistoryPoint(view.hours[-1], item.heat, item.velocity_z, item.spread, item.affect)
    return Row(
        slug=item.entity.slug, rank=item.rank, move=move, steps=steps, name=item.entity.name, kind=item.entity.kind,
        heat=plain(item.heat), cells=tuple(cell(points.get(hour), colour) for hour in view.hours),
        cells_words=_cells_words(points, view.hours, colour, times), velocity=f"{signed(item.velocity_z)}σ",
        arrow=arrow(item, view.hours), gate=item.gates.velocity, platforms=_platforms(item), alert=alert,
        alert_tone=alert_tone, trades=trades, trades_tone=trades_tone, eligible=item.eligible,
    )  # fmt: skip


def _move(item: HeatItem) -> tuple[str, int]:
    if item.previous_rank is None:
        return "new", 0
    climbed = item.previous_rank - item.rank
    return ("up", climbed) if climbed > 0 else ("down", -climbed) if climbed < 0 else ("same", 0)


def cell(point: HistoryPoint | None, colour: Colour) -> int | None:
    """The index of a value's colour, as a linear colour map with fixed ends gives it; None where nobody looked."""
    value = None if point is None else getattr(point, FIELDS[colour])
    if value is None:
        return None
    if colour == "spread":
        value = round(value * 3)
    scale = SCALES[colour]
    count = len(scale.palette)
    return max(0, min(count - 1, int((value - scale.low) / (scale.high - scale.low) * count)))


def arrow(item: HeatItem, hours: Sequence[datetime]) -> str:
    """Where the velocity is going: now against the end of the last full hour."""
    before = next((point.velocity_z for point in item.history if len(hours) > 1 and point.hour == hours[-2]), None)
    moved = item.velocity_z - before if before is not None else 0.0
    return "up" if moved > STEADY else "down" if moved < -STEADY else "flat"


def _platforms(item: HeatItem) -> tuple[tuple[str, str, bool], ...]:
    lit = {name for name, score in item.platforms.items() if score.mentions > 0}
    return tuple((letter, PLATFORM_NAMES[name], name in lit) for name, letter in PLATFORM_LETTERS.items())


def alert_words(item: HeatItem, told: Told, times: Times, now: datetime) -> tuple[str, str]:
    """What alerting makes of a name, and its tone."""
    last = next((one for one in told.alerts if one.entity_id == item.entity.id and now - one.at < ALERT_SHOWN), None)
    if last is not None:
        return ("source fault", "held") if last.fault else (f"ALERTED {times.clock(last.at)}", "alerted")
    match told.reasons.get(item.entity.id):
        case Reason.PERSISTENCE:
            return "2nd poll next", "next"
        case Reason.SPREAD:
            return ("held: 1 platform" if item.spread_count == 1 else f"held: on {item.spread_count} of 3"), "held"
        case Reason.COOLDOWN:
            return "held: cool-down", "held"
        case Reason.TRADES:
            return "held: trades first", "held"
        case Reason.DOMAIN:
            return f"no alerts: {item.entity.domain}", "held"
    return ("2nd poll next", "next") if item.passes and not item.gates.persistence else ("", "")


def trades_words(trades: TradesStatus) -> tuple[str, str]:
    """Where the trades are, and its tone: good while we were first."""
    lead = trades.lead_hours
    if lead is not None and lead > 0:
        return (f"{lead:.1f} h ahead" if lead >= 1 else f"{int(lead * 60)} min ahead"), "good"
    return ("trades have it", "") if trades.first_at is not None else ("trades: none", "none")


def _cells_words(
    points: Mapping[datetime, HistoryPoint], hours: Sequence[datetime], colour: Colour, times: Times
) -> str:
    """The heat row in a sentence, for those who hear it."""
    values = [(hour, getattr(points[hour], FIELDS[colour]) if hour in points else None) for hour in hours]
    known = [(value, hour) for hour, value in values if value is not None]
    if not known:
        return f"{SCALES[colour].label}: no hour was watched"
    top, at = max(known)
    unseen = len(values) - len(known)
    last = plain(known[-1][0])
    words = f"{SCALES[colour].label}, {len(values)} hours: highest {plain(top)} at {times.clock(at)}, last {last}"
    return f"{words}, {unseen} not watched" if unseen else words


# ---- around the rows ------------------------------------------------------------------------------------------------


def _newest(sources: Sequence[SourceHealth], names: Sequence[str] | None = None) -> datetime | None:
    return max((one.last_success for one in sources if one.last_success and one.source in (names or (one.source,))),
               default=None)  # fmt: skip


def stale(view: HeatView, now: datetime, late: timedelta) -> Stale | None:
    """Whether the board is no longer the present, since when and why."""
    if view.as_of is None or not (view.stale or now - view.as_of > late):
        return None
    platforms, any_source = _newest(view.sources, PLATFORMS), _newest(view.sources)
    if platforms is None:
        return Stale(None, "no platform has answered yet")
    if platforms >= view.as_of:
        return Stale(view.as_of, "no new scores for")
    who = "no source has" if any_source == platforms else "no platform has"
    return Stale(platforms, f"{who} answered for")


def banner(alerts: Sequence[Alerted], times: Times) -> Banner | None:
    """The newest alert in words; how long it stands is the screen's to count."""
    last = next((one for one in alerts if not one.fault), None)
    if last is None:
        return None
    seen = [platform(name) for name in PLATFORMS if name in last.platforms]
    trade = "no trade story yet" if last.trades_at is None else "the trades have it"
    rest = ", ".join([*seen, f"{signed(last.velocity_z)}σ", trade])
    return Banner(last.number, last.at, times.clock(last.at), last.name, f"is spiking: {rest}")


def light(one: SourceHealth, times: Times, now: datetime) -> Light:
    """A source in two words; the sentence is for those who hear it."""
    words, since = SOURCE_WORDS.get(one.state, ""), None
    if one.state in ("live", "delayed", "down"):
        words, since = ("" if one.state == "live" else one.state), one.last_success
    elif one.state == "throttled":
        words = f"until {times.near(one.until, now)}" if one.until else "throttled"
    return Light(platform(one.source), one.state, words, since, one.line)


def notes(
    view: HeatView, query: WallQuery, settings: Settings, times: Times, problem: str, database: DatabaseState | None
) -> tuple[Note, ...]:
    """What stands under the title, the worst first."""
    found = [Note(problem, "bad")] if problem else []
    headline, text = database.words(times.clock(database.since) if database.since else "") if database else ("", "")
    if headline and not problem:
        found.append(Note(f"{headline} {text.partition('. ')[0].rstrip('.')}.", "bad"))
    if view.delivery_problem:
        found.append(Note("Alerts do not reach Slack.", "bad"))
    found += [Note(note, "warn") for note in query.notes]
    if view.items and view.as_of and view.baseline_hours < FULL_BASELINE_HOURS - NEARLY:
        full = times.local(view.as_of + timedelta(hours=FULL_BASELINE_HOURS - view.baseline_hours))
        watched = f"{view.baseline_hours} of {FULL_BASELINE_HOURS} h"
        found.append(Note(f"Warming up, {watched} watched: rough until {full:%a %H:%M}.", "warn"))
    shown = " · ".join(_filters(query, settings))
    return (*found, Note(shown)) if shown else tuple(found)


def _filters(query: WallQuery, settings: Settings) -> list[str]:
    words = []
    if query.velocity:
        words.append(f"velocity ≥ {settings.gates.min_velocity:g}")
    if query.spread:
        words.append(f"{settings.gates.min_spread}+ platforms")
    if query.domain != "default":
        words.append("all domains" if query.domain == "all" else query.domain)
    return words


def _hour_label(start: datetime, view: HeatView, times: Times) -> str:
    """``now`` at the last hour, every sixth full hour before; none at the edges, where it would not fit."""
    if start == view.hours[-1]:
        return "now"
    local = times.local(start)
    fits = view.hours[-1] - start >= timedelta(hours=5) and start - view.hours[0] >= timedelta(hours=1)
    return f"{local:%H}:00" if local.hour % 6 == 0 and fits else ""


def empty(view: HeatView, query: WallQuery, times: Times, problem: str) -> tuple[str, str]:
    """What stands where the rows would: a headline and a sentence."""
    if problem and view.as_of is None:
        return problem, "This screen goes on by itself as soon as it can."
    platforms = [one for one in view.sources if one.source in PLATFORMS]
    missing = [one.line for one in platforms if one.state == "not_configured"]
    if platforms and len(missing) == len(platforms):
        return "No platform is set up", missing[0].partition(": ")[2] or missing[0]
    if view.as_of is None:
        waiting = [platform(one.source) for one in view.sources if one.state == "waiting"]
        text = f"Waiting for the first answer of {', '.join(waiting)}." if waiting else "Waiting for the first poll."
        return "Nothing scored yet", text
    hidden = f"{view.hidden} {'name is' if view.hidden == 1 else 'names are'} hidden."
    if view.hidden and (query.velocity or query.spread):
        gates = "both gates" if query.velocity and query.spread else "this gate"
        return f"Nothing passes {gates} right now", hidden
    if view.baseline_hours < FULL_BASELINE_HOURS:
        full = times.local(view.as_of + timedelta(hours=FULL_BASELINE_HOURS - view.baseline_hours))
        return (
            f"No baseline yet: {view.baseline_hours} of {FULL_BASELINE_HOURS} hours watched",
            f"Velocities are rough until about {full:%A %H:%M}.",
        )
    if view.hidden:
        return "Nothing in this domain right now", hidden
    return "Nothing is being said about any known name right now", "The board fills by itself as soon as something is."
