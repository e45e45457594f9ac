"""The panel on the right: one entity with everything that made its score. Pure: view and state in, HTML out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from heatmap_app.escape import Html, join, tag
from heatmap_app.pages.comparing import add_button
from heatmap_app.pages.ego import together
from heatmap_app.pages.facts import LIST_LIMIT, domain_evidence, origin
from heatmap_app.pages.formula import equation
from heatmap_app.pages.naming import moved_here, muted_note, watch_button
from heatmap_app.pages.package_view import package_section
from heatmap_app.pages.state import ViewState
from heatmap_app.pages.words import Times, plain, signed, span
from heatmap_app.users import User
from pipelines.model import Domain
from pipelines.settings import Settings
from pipelines.view import EntityView, HeatItem, HeatView, TradesStatus


def top(view: EntityView, state: ViewState, settings: Settings, user: User, times: Times, now: datetime) -> Html:
    """Name, kind, domain, first seen, watching and comparing, gates, and the score as its formula."""
    entity, item = view.entity, view.item
    facts = [entity.kind, entity.domain]
    if view.first_seen is not None:
        facts.append(f"first seen {times.near(view.first_seen, now)}")
    close = tag("button", "✕", type="button", class_="close", data_act="close", aria_label="Close", title="Close (Esc)")
    head = tag(
        "header",
        tag("h2", tag("bdi", entity.name), id="entity-name", tabindex="-1"),
        tag("p", " · ".join(facts)),
        close,
        data_key="head",
    )
    past = state.at is not None
    watch, compare = watch_button(view, user, past=past), add_button(entity.slug, entity.name, state)
    keep = tag("div", watch, compare, class_="do keep", data_key="keep")
    notes = (keep, moved_here(state.entity or entity.slug, view, past=past), muted_note(view, past=past))
    if item is None:
        quiet = None if view.muted else tag("p", _unscored(state), class_="quiet", data_key="quiet")
        return join(head, notes, quiet)
    return join(head, notes, _gates(item, settings), equation(item, settings))


def _unscored(state: ViewState) -> str:
    when = "at that time" if state.at else "now"
    return f"Not on any board {when}: too little was said about it in the 12 h before to score."


def more(view: EntityView, times: Times, now: datetime, *, past: bool = False) -> Html:
    """Who is named with it, trades, provenance, domain with its evidence, alerts and decisions. ``past``: looked back at,
    with nothing to correct."""
    trades = view.item.trades if view.item else TradesStatus()
    return join(
        _block("Named together with", together(view.entity.name, view.related)) if view.related else None,
        _block("Trades", tag("p", trades_words(trades, times, now))),
        package_section(view, times, now),
        _block("Where it came from", origin(view, times, now)),
        _domain(view, past=past),
        _block("Could be the same as", _related(view.suggestions)) if view.suggestions else None,
        _block("Alerts", _alerts(view, times, now)) if view.alerts else None,
        _block("Why it did or did not alert, last 24 h", _decisions(view)) if view.decisions else None,
    )


def _alerts(view: EntityView, times: Times, now: datetime) -> Html:
    lines = [tag("li", f"{times.near(alert['at'], now)}: {alert['why']}", _delivery(alert)) for alert in view.alerts]
    return tag("ul", lines, class_="entries")


def _delivery(alert: Mapping[str, Any]) -> Html | None:
    state = alert.get("delivery")
    problem = f": {alert['last_error']}" if alert.get("last_error") else ""
    return tag("small", f" Slack: {state}{problem}") if state else None


def _decisions(view: EntityView) -> Html:
    lines = [
        tag(
            "li",
            str(row["sentence"]),
            tag("small", f" the same for {row['polls']} polls") if row["polls"] > 1 else None,
        )
        for row in view.decisions[:LIST_LIMIT]
    ]
    more = len(view.decisions) - LIST_LIMIT
    every = f"/alerts/decisions?q={quote(view.entity.slug, safe='')}"
    rest = tag("li", tag("a", f"{more} more", href=every, class_="link")) if more > 0 else None
    return tag("ul", lines, rest, class_="entries")


def missing(slug: str, *, unread: bool = False) -> Html:
    """What a link to an entity that is not there says; or, with ``unread``, to one that could not be read just now."""
    close = tag("button", "✕", type="button", class_="close", data_act="close", aria_label="Close")
    head, words = (
        ("Not read yet", "This name could not be read. The page tries again by itself.")
        if unread
        else ("No such name", "It may have been merged into another name or removed. Pick a row of the map instead.")
    )
    return join(
        tag("header", tag("h2", head), tag("p", tag("bdi", slug)), close, data_key="head"),
        tag("p", words, class_="quiet"),
    )


def overview(view: HeatView, settings: Settings, then: str | None = None) -> Html:
    """What the panel says while nothing is picked: what moves, and how to read the map. ``then``: the time of a board
    looked back at, in words."""
    gates = settings.gates
    at_gates = [item for item in view.items if item.passes]
    climbing = sorted(
        (item for item in view.items if item.previous_rank and item.previous_rank - item.rank >= 1),
        key=lambda item: item.rank - (item.previous_rank or 0),
    )
    new = [item for item in view.items if item.previous_rank is None and not item.before_thinned]
    nobody = "Nobody was" if then else "Nobody is"
    nothing = f"{nobody} at both gates: velocity ≥ {gates.min_velocity:g}σ on {gates.min_spread} or more platforms."
    return join(
        tag(
            "header",
            tag("h2", f"As of {then}" if then else "Now"),
            tag("p", "Pick a row or a cell to see what made it."),
            data_key="head",
        ),
        _block("At both gates", _picks(at_gates[:6]) if at_gates else tag("p", nothing, class_="quiet")),
        _block(f"Climbing since the {'score before' if then else 'last score'}", _picks(climbing[:4], move=True))
        if climbing
        else None,
        _block("New on the board", _picks(new[:4])) if new and len(new) < len(view.items) else None,
        _block("How to read it", _guide(settings)),
    )


def trades_words(trades: TradesStatus, times: Times, now: datetime) -> str:
    """``No trade story yet.`` or who was first and by how much."""
    if trades.first_at is None:
        return "No trade story yet."
    text = f"First trade story {times.near(trades.first_at, now)}, {span(now - trades.first_at)} ago"
    if trades.lead_hours is None:
        return f"{text}."
    ahead = (
        f"we were {plain(trades.lead_hours, 1)} h ahead"
        if trades.lead_hours >= 0
        else f"they were {plain(-trades.lead_hours, 1)} h ahead"
    )
    return f"{text}; {ahead}."


def _gates(item: HeatItem, settings: Settings) -> Html:
    gates = item.gates
    state = "Eligible for an alert" if item.eligible else "Next poll decides" if item.passes else None
    chips = [
        _chip(f"velocity ≥ {settings.gates.min_velocity:g}", gates.velocity),
        _chip(f"{settings.gates.min_spread}+ platforms", gates.spread),
        _chip(f"{settings.gates.consecutive} polls in a row", gates.persistence),
    ]
    eligible = tag("strong", state) if state else None
    return tag("div", chips, eligible, class_="gates", data_key="gates")


def _chip(text: str, reached: bool) -> Html:
    sign = "✓" if reached else "–"
    return tag("span", sign, " ", text, class_="reached" if reached else "not-reached")


def _domain(view: EntityView, *, past: bool) -> Html:
    if past:
        words = f"{view.entity.domain.capitalize()}. It is corrected on the live board; what speaks for it is today's:"
        return _block("Domain", tag("p", words), domain_evidence(view.domain_evidence))
    options = [
        tag("option", str(domain).capitalize(), value=str(domain), selected=domain == view.entity.domain)
        for domain in Domain
    ]
    select = tag("select", options, data_on="set-domain", name="set-domain", aria_label="Correct the domain")
    evidence = domain_evidence(view.domain_evidence)
    hint = tag("small", "A correction stays for good.")
    return _block("Domain", tag("div", select, hint, class_="correct"), evidence)


def _related(related: Sequence[Mapping[str, Any]]) -> Html:
    found = []
    for entry in related[:LIST_LIMIT]:
        name, slug = str(entry.get("name") or entry.get("slug") or ""), entry.get("slug")
        count = entry.get("count") or entry.get("mentions") or entry.get("together")
        words = tag("small", f" {count}") if count else None
        found.append(
            tag(
                "li",
                tag(
                    "button",
                    tag("bdi", name),
                    words,
                    type="button",
                    class_="link",
                    data_act="open",
                    data_slug=str(slug),
                    data_name=name,
                ),
            )
            if slug
            else tag("li", tag("bdi", name), words)
        )
    return tag("ul", found, class_="names")


def _picks(items: Sequence[HeatItem], move: bool = False) -> Html:
    lines = []
    for item in items:
        words = (
            f"▲{(item.previous_rank or 0) - item.rank} to {item.rank}"
            if move
            else f"{signed(item.velocity_z)}σ on {item.spread_count} of 3"
        )
        name = tag(
            "button",
            tag("bdi", item.entity.name),
            type="button",
            class_="link",
            data_act="open",
            data_slug=item.entity.slug,
            data_name=item.entity.name,
        )
        lines.append(tag("li", name, tag("span", words), tag("b", plain(item.heat)), data_key=item.entity.slug))
    return tag("ul", lines, class_="picks")


def _guide(settings: Settings) -> Html:
    heat = settings.heat
    made = f"{heat.velocity_weight:g} × velocity + {heat.spread_weight:g} × spread + {heat.affect_weight:g} × affect"
    lines = (
        ("HEAT", f"{made}, fading after the peak (to about a third in {heat.decay_hours:g} h)."),
        ("Velocity", f"how far the last {settings.velocity.window_hours} h stand above the 7 days before, in σ."),
        ("Spread", "how many of Reddit (R), Trends (T) and TikTok (K) talk about it."),
        ("Affect", "how strongly the words feel, or how split they are."),
        ("Hatched", "nobody looked in that hour. It is not the same as quiet."),
        ("Bar at the left", "at both gates for two polls: eligible for an alert."),
        ("Keys", "↑ ↓ move, Enter opens, Esc closes, / finds a name."),
    )  # fmt: skip
    return tag("dl", [join(tag("dt", key), tag("dd", text)) for key, text in lines], class_="guide")


def _block(title: str, *children: Html | None) -> Html:
    return tag("section", tag("h3", title), children, class_="block", data_key=title)
