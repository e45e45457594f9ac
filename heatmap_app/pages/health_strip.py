"""Where the data stands: the strip of sources at the foot, the state line in the head, and the banners. Pure markup.

Ages carry their instant (``data-since``) and tick in the browser; the text here is right at the moment of rendering.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from heatmap_app.database_state import DatabaseState
from heatmap_app.escape import Html, join, tag
from heatmap_app.pages.board_view import FULL_BASELINE_HOURS
from heatmap_app.pages.words import Times, platform, span
from pipelines.model import PLATFORMS
from pipelines.view import HeatView, SourceHealth

WARM_HOURS = 24
"""Hours watched until which a banner says that the baseline has hardly begun; the strip tells the rest of the way."""

SIGNS = {
    "live": "●", "delayed": "◐", "throttled": "◐", "down": "✕", "paused": "‖", "not_configured": "○", "waiting": "○",
}  # fmt: skip


def strip(view: HeatView, times: Times, now: datetime) -> Html:
    """One entry per source with its age, and how much of the baseline is there."""
    sources = [_source(source, times, now) for source in view.sources]
    watched = min(view.baseline_hours, FULL_BASELINE_HOURS)
    baseline = tag(
        "span",
        f"{watched} of {FULL_BASELINE_HOURS} h of baseline",
        class_="baseline" if watched >= FULL_BASELINE_HOURS else "baseline short",
        title="Velocity compares the last 12 h with the 7 days before; until those are watched it is rough.",
    )
    zone = tag("span", f"Times: {times.name.replace('_', ' ')}", class_="zone")
    return join(tag("ul", sources, aria_label="Sources"), tag("div", zone, baseline, class_="facts"))


def head_state(view: HeatView, times: Times, now: datetime, *, live: bool = True) -> Html:
    """DEMO where it is, when the board was scored, and how old that is; of a past poll only that it is past."""
    parts = []
    if view.mode == "demo":
        parts.append(tag("strong", "DEMO: invented data", class_="badge demo", data_key="mode"))
    elif view.mode == "replay":
        parts.append(tag("strong", "REPLAY: recorded data", class_="badge demo", data_key="mode"))
    if not live:
        parts.append(tag("strong", "NOT LIVE", class_="badge past", data_key="past"))
    elif view.as_of is not None:
        updated = tag(
            "span", "Updated ", tag("b", times.clock_seconds(view.as_of)), class_="updated", data_key="updated"
        )
        age = tag("span", tag("b", _age(view.as_of, now)), " old", class_="age", data_key="age")
        parts += [updated, age]
    return join(parts)


def banner(
    view: HeatView, problem: str | None, times: Times, now: datetime, database: DatabaseState | None = None
) -> Html:
    """What everybody must know before reading on: nothing is saved, stale data, a board that cannot be read, alerts that
    do not go out, platforms that are not set up, a baseline that has hardly begun."""
    unsaved = _unsaved(database, times) if database else Html()
    if unsaved:
        return unsaved
    if problem:
        return tag(
            "p", tag("strong", "Not up to date"), " ", problem, class_="banner bad", role="alert", data_key="problem"
        )
    said = _stale(view, times, now) or _down(view)
    return join(_clocks(database), _undelivered(view), said, _unset(view), _warming(view, times))


def _unsaved(database: DatabaseState, times: Times) -> Html:
    headline, text = database.words(times.clock(database.since) if database.since else "")
    if not headline:
        return Html()
    return tag("p", tag("strong", headline), f" {text}", class_="banner bad", role="alert", data_key="database")


def _clocks(database: DatabaseState | None) -> Html:
    if database is None or not database.clocks:
        return Html()
    words = tag("strong", "Clocks differ:")
    return tag("p", words, f" {database.clocks}", class_="banner warn", role="alert", data_key="clocks")


def _undelivered(view: HeatView) -> Html:
    if not view.delivery_problem:
        return Html()
    words = tag("strong", "Alerts do not reach Slack:")
    return tag("p", words, f" {view.delivery_problem}.", class_="banner bad", role="alert", data_key="delivery")


def _stale(view: HeatView, times: Times, now: datetime) -> Html:
    if not view.stale:
        return Html()
    answered = [source.last_success for source in view.sources if source.last_success]
    if not answered:
        text = tag("span", "no source has answered yet.")
        return tag("p", tag("strong", "STALE"), " ", text, class_="banner warn", role="alert", data_key="stale")
    since = max(answered)
    return tag(
        "p",
        tag("strong", f"STALE since {times.near(since, now)}:"),
        " no source has answered for ",
        tag("b", _age(since, now)),
        ". The map shows what was known then.",
        class_="banner warn", role="alert", data_key="stale",
    )  # fmt: skip


def _down(view: HeatView) -> Html:
    """Sources that are down, for a hand: its first screen does not reach the strip that says so at the desk."""
    lines = [source.line for source in view.sources if source.state == "down" and source.line]
    return join(
        [tag("p", line, class_="banner warn away", data_key=f"down{place}") for place, line in enumerate(lines)]
    )


def _unset(view: HeatView) -> Html:
    """Live without credentials runs, but sees little: said until it is no longer so."""
    platforms = [source for source in view.sources if source.source in PLATFORMS]
    missing = [platform(source.source) for source in platforms if source.state == "not_configured"]
    left = len(platforms) - len(missing)
    if view.mode != "live" or not missing or left > 1:
        return Html()
    words = tag("strong", f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not configured:")
    link = tag("a", "What to set", href="/sources#setup")
    text = f" spread can reach {left} of {len(PLATFORMS)} at most. "
    return tag("p", words, text, link, class_="banner note", data_key="unset")


def _warming(view: HeatView, times: Times) -> Html:
    if view.as_of is None or not view.items or view.baseline_hours >= WARM_HOURS:
        return Html()
    full = times.local(view.as_of + timedelta(hours=FULL_BASELINE_HOURS - view.baseline_hours))
    words = tag("strong", f"Warming up: {view.baseline_hours} of {FULL_BASELINE_HOURS} h watched.")
    text = f" Velocities are rough until about {full:%A %H:%M}."
    return tag("p", words, text, class_="banner note", data_key="warming")


def _source(source: SourceHealth, times: Times, now: datetime) -> Html:
    name = platform(source.source)
    return tag(
        "li",
        tag(
            "details",
            tag(
                "summary",
                tag("i", SIGNS[source.state], class_="sign", aria_hidden="true"),
                tag("b", name),
                " ",
                tag("span", _words(source, times, now), class_="state-words"),
            ),
            tag("div", source.line or f"{name}: {source.state}.", _next(source, times, now), class_="pop"),
            name="source",
        ),
        class_=f"source {source.state.replace('_', '-')}",
        data_key=source.source,
    )


def _words(source: SourceHealth, times: Times, now: datetime) -> Html:
    age = _age(source.last_success, now) if source.last_success else None
    match source.state:
        case "live":
            return join(age or "live")
        case "delayed":
            return join("delayed, ", age) if age else join("delayed")
        case "throttled" | "paused":
            until = f"{source.state} until {times.near(source.until, now)}" if source.until else source.state
            return join(until)
        case "down":
            return join("down, last ", age, " ago") if age else join("down")
        case "not_configured":
            return join("not configured")
        case _:
            return join("waiting")


def _next(source: SourceHealth, times: Times, now: datetime) -> Html | None:
    if source.next_poll is None or source.state == "not_configured":
        return None
    return tag("p", f"Next poll {times.near(source.next_poll, now)}.")


def _age(since: datetime, now: datetime) -> Html:
    return tag("time", span(now - since), datetime=since.isoformat(), data_since=int(since.timestamp() * 1000))
