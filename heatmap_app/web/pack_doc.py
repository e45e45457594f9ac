"""A research pack as a document: the sentences and tables every format shows. Pure. Times are UTC and say so."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from heatmap_app.pages.formula import CONFIDENCE_WORDS, affect_words, combined, sentence, trusted, z_words
from heatmap_app.pages.words import compact, listed, plain, platform, signed
from heatmap_app.web.chart import Lane
from heatmap_app.web.doc import Block, Bullets, Doc, Figure, Grid, Heading, Line, Para, Section, line
from heatmap_app.web.doc import Text as Run
from heatmap_app.web.pack_package import package_blocks
from pipelines.alert.words import confidence_words
from pipelines.model import SOURCES
from pipelines.read.pack import Pack, PackAlert, ReceiptGroup
from pipelines.settings import Settings
from pipelines.view import HeatItem, Receipt

MODES = {"demo": "DEMO: invented data", "replay": "REPLAY: a recording"}
DELIVERIES = {
    "sent": "sent", "pending": "waiting", "sending": "on its way", "uncertain": "being confirmed", "dead": "stopped",
}  # fmt: skip
MOST_DECISIONS = 60


def when(instant: datetime | None, *, year: bool = False) -> str:
    """``22 Nov 14:08``, UTC; with the year where it matters."""
    if instant is None:
        return "–"
    at = instant.astimezone(UTC)
    return f"{at.day} {at:%b %Y %H:%M}" if year else f"{at.day} {at:%b %H:%M}"


def pack_doc(pack: Pack, settings: Settings, *, base: str = "") -> Doc:
    """``pack`` as a document. ``base`` is the server's address for links to the rest of the receipts."""
    entity, item = pack.entity, pack.item
    facts = [entity.kind, entity.domain, f"slug {entity.slug}"]
    if pack.first_seen:
        facts.append(f"first seen {when(pack.first_seen, year=True)} UTC")
    return Doc(
        title=entity.name,
        subtitle=" · ".join(facts),
        marks=tuple(_marks(pack)),
        facts=tuple(_facts(item)) if item else (),
        sections=(
            Section("summary", "Summary", tuple(Para(line(text)) for text in summary(pack))),
            Section("score", "The score, opened up", tuple(_score(pack, settings))),
            Section("timeline", "Timeline, 7 days", tuple(_timeline(pack))),
            Section("package", "Action package", tuple(package_blocks(pack))),
            Section("trades", "Trades coverage", tuple(_trades(pack))),
            Section("receipts", "Receipts", tuple(_receipts(pack, base))),
            Section("related", "Mentioned together with, last 7 days", tuple(_related(pack))),
            Section("alerts", "Alerts and decisions", tuple(_alerts(pack))),
            Section("provenance", "Where the numbers come from", tuple(_provenance(pack))),
        ),
    )


def summary(pack: Pack) -> Iterator[str]:
    """What there is to say, in a few sentences."""
    item, package = pack.item, pack.package
    if package and package.get("hook"):
        written = datetime.fromisoformat(str(package["at"])) if package.get("at") else None
        # of an alert: it said so then, and "no trade story yet" may not hold any more
        told = f"At the alert, {when(written)} UTC: " if written and written < pack.as_of else ""
        yield f"{told if not package.get('preview') else ''}{package['hook']}"
    if item is None:
        yield "It is not on the board of this poll: too little was said about it in the 12 h before to score."
    else:
        seen = [platform(name) for name, score in item.platforms.items() if score.mentions]
        yield (
            f"HEAT {plain(item.heat)} at {when(pack.scored_at)} UTC, rank {item.rank}: velocity "
            f"{signed(item.velocity_z)}σ on {listed(seen) or 'no platform'}, affect {plain(item.affect)}, "
            f"confidence {plain(trusted(item))}."
        )
    yield _trades_sentence(pack)
    if pack.alerts:
        latest = pack.alerts[0]
        yield f"Latest alert {when(latest.at)} UTC: {latest.why}. Lead: {latest.lead}."
    elif pack.decisions:
        yield f"No alert. {pack.decisions[0]['sentence']}"
    else:
        yield "No alert: it never came near the gates in the last 7 days."


def lanes(pack: Pack) -> tuple[Lane, ...]:
    """The timeline's lanes."""
    scores = pack.item.platforms if pack.item else {}
    found = []
    for source in SOURCES:
        hours = tuple((point.hour, point.volume) for point in pack.timeline if point.source == source)
        score = scores.get(source)
        usual = ((score.mu - score.s) / 12, (score.mu + score.s) / 12) if score and score.windows else None
        beside = f"{signed(score.z)}σ" if score else ""
        if hours:
            found.append(Lane(source, platform(source), hours, usual, beside))
    return tuple(found)


def trade_times(pack: Pack) -> tuple[datetime, ...]:
    """When trade items were published, oldest first."""
    return tuple(sorted(item.published_at or item.observed_at for item in pack.trades.items))


def _marks(pack: Pack) -> Iterator[tuple[str, str]]:
    if pack.mode in MODES:
        yield MODES[pack.mode], "warn"
    if pack.stale:
        yield "stale", "bad"
    if pack.alert is not None:
        yield f"as of alert {pack.alert}", ""
    if pack.package and pack.package.get("unconfirmed"):
        yield "unconfirmed", "warn"
    if pack.muted:
        yield "muted by the desk", ""


def _facts(item: HeatItem) -> Iterator[tuple[str, str]]:
    yield plain(item.heat), f"HEAT, rank {item.rank}"
    yield f"{signed(item.velocity_z)}σ", "velocity"
    yield f"{item.spread_count} of 3", "platforms"
    yield plain(item.affect), "affect"
    yield plain(trusted(item)), "confidence"


def _score(pack: Pack, settings: Settings) -> Iterator[Block]:
    item, heat = pack.item, settings.heat
    if item is None:
        yield Para(line("No score at this poll."))
        return
    decay = math.exp(-item.hours_since_peak / heat.decay_hours)
    parts = (
        f"({heat.velocity_weight:g} × {plain(item.velocity_z)} + {heat.spread_weight:g} × {item.spread_count}/3 + "
        f"{heat.affect_weight:g} × {plain(item.affect)}) × {plain(decay, 3)}"
    )
    yield Para(line(Run(f"HEAT {plain(item.heat)}", strong=True), f" = {parts}"))
    whole = combined(item, settings)
    yield Para(line(Run("Velocity ", strong=True), f"{signed(item.velocity_z, 2)}σ{f' = {whole}' if whole else ''}"))
    yield Bullets(tuple(
        line(f"{sentence(name, score, settings)} ", Run(z_words(score, settings), quiet=True))
        for name, score in item.platforms.items()
    ) or (line("No platform has mentioned it in the last 7 days."),))  # fmt: skip
    yield Para(line(Run("Affect ", strong=True), f"{plain(item.affect)}. ", *affect_words(item.affect_parts)))
    yield Para(line(
        Run("Freshness ", strong=True),
        f"{plain(decay, 3)}: its 7-day peak was at {when(item.peak_at)} UTC, {plain(item.hours_since_peak, 1)} h before.",
    ))  # fmt: skip
    trust = [f"{CONFIDENCE_WORDS[key]} {plain(item.confidence_parts[key])}"
             for key in CONFIDENCE_WORDS if key in item.confidence_parts]  # fmt: skip
    yield Para(line(
        Run("Confidence ", strong=True), f"{confidence_words(item.confidence, item.calibrated)}: the geometric mean of "
        f"{listed(trust)}.",
    ))  # fmt: skip
    gates = [
        ("velocity", item.gates.velocity),
        ("platforms", item.gates.spread),
        ("persistence", item.gates.persistence),
    ]
    reached = ", ".join(f"{name} {'reached' if is_reached else 'not reached'}" for name, is_reached in gates)
    yield Para(line(Run("Gates ", strong=True), f"{reached}.", " Eligible for an alert." if item.eligible else ""))


def _timeline(pack: Pack) -> Iterator[Block]:
    shown = lanes(pack)
    if not shown:
        yield Para(line("Nobody looked yet: there is no timeline."))
        return
    yield Figure(f"Mentions of {pack.entity.name} per hour and source over 7 days; the table below says it in figures.")
    rows = []
    for lane in shown:
        watched = [(hour, volume) for hour, volume in lane.hours if volume is not None]
        top = max(watched, key=lambda entry: entry[1], default=None)
        points = [point for point in pack.timeline if point.source == lane.source]
        last = sum(point.volume or 0.0 for point in points[-12:])
        busiest = f"{plain(top[1], 1)} at {when(top[0])}" if top and top[1] else "–"
        usual = f"{plain(max(0.0, lane.usual[0]) * 12, 1)} to {plain(lane.usual[1] * 12, 1)}" if lane.usual else "–"
        rows.append((line(lane.title), line(f"{len(watched)} of {len(lane.hours)} h"),
                     line(str(sum(point.mentions for point in points))), line(plain(last, 1)), line(usual),
                     line(busiest), line(lane.beside or "–")))  # fmt: skip
    yield Grid(
        ("Source", "Watched", "Mentions", "Last 12 h", "Usual 12 h", "Busiest hour", "σ"), tuple(rows),
        (0.13, 0.16, 0.12, 0.12, 0.16, 0.21, 0.1), frozenset({2, 3, 6}), "The timeline in figures",
    )  # fmt: skip


def _trades_sentence(pack: Pack) -> str:
    times = trade_times(pack)
    alerts = [alert for alert in pack.alerts if pack.alert is None or alert.id == pack.alert]
    covered = next((alert for alert in alerts if alert.first_trade), None)
    if covered is not None:
        ahead = (covered.lead_hours or 0.0) > 0
        return f"First trade story {when(covered.first_trade)} UTC; {'the alert was ' if ahead else ''}{covered.lead}."
    if not times:
        return "No trade story yet."
    return f"{pack.trades.total} trade {'story' if pack.trades.total == 1 else 'stories'}, the newest {when(times[-1])} UTC."


def _trades(pack: Pack) -> Iterator[Block]:
    yield Para(line(_trades_sentence(pack)))
    if pack.trades.items:
        yield _receipt_grid(pack.trades, "Trade stories")
    for alert in pack.alerts[:5]:
        yield Para(line(Run(f"Alert {alert.id}, {when(alert.at)} UTC: ", quiet=True), alert.lead))


def _receipts(pack: Pack, base: str) -> Iterator[Block]:
    if not any(group.total for group in pack.platforms):
        yield Para(line("No receipts yet."))
    for group in pack.platforms:
        if not group.total:
            continue
        yield Heading(platform(group.source), str(group.total))
        yield _receipt_grid(group, f"Receipts from {platform(group.source)}")
        rest = group.total - len(group.items)
        if rest > 0:
            url = f"{base}/research/{pack.entity.slug}.csv"
            yield Para(line(f"and {rest} more: ", Run("all receipts as CSV", url)))


def _receipt_grid(group: ReceiptGroup, name: str) -> Grid:
    rows = tuple(_receipt(receipt) for receipt in group.items)
    return Grid(("Time (UTC)", "Where", "What", "Engagement"), rows, (0.14, 0.2, 0.54, 0.12), frozenset({3}), name)


def _receipt(receipt: Receipt) -> tuple[Line, ...]:
    at = receipt.published_at or receipt.observed_at
    seen = None if receipt.published_at else Run(" seen", quiet=True)
    size = "" if receipt.engagement is None else compact(receipt.engagement)
    where = f"r/{receipt.feed}" if receipt.source == "reddit" and receipt.feed else receipt.feed
    return (line(when(at), seen), line(where or platform(receipt.source)),
            line(Run(receipt.title or receipt.item_id, receipt.url)), line(size))  # fmt: skip


def _related(pack: Pack) -> Iterator[Block]:
    if not pack.related:
        yield Para(line("No other known name stands in the same items."))
        return
    yield Bullets(tuple(
        line(str(row["name"]), Run(f"  {row['kind']}, {row['count']} shared item{'s' * (row['count'] != 1)}", quiet=True))
        for row in pack.related
    ))  # fmt: skip


def _alerts(pack: Pack) -> Iterator[Block]:
    if pack.alerts:
        rows = tuple(_alert(alert) for alert in pack.alerts)
        yield Grid(("No.", "Time (UTC)", "Why", "Lead", "Slack"), rows, (0.07, 0.15, 0.42, 0.22, 0.14), name="Alerts")
    else:
        yield Para(line("No alert yet."))
    yield Heading("Decisions, last 7 days", str(len(pack.decisions)))
    yield Bullets(tuple(_decision(row) for row in pack.decisions[:MOST_DECISIONS])
                  or (line("None: it was never near the gates."),))  # fmt: skip
    if len(pack.decisions) > MOST_DECISIONS:
        yield Para(
            line(
                Run(f"and {len(pack.decisions) - MOST_DECISIONS} more; the JSON beside this page has them", quiet=True)
            )
        )


def _alert(alert: PackAlert) -> tuple[Line, ...]:
    state = "source fault" if alert.state == "source_fault" else DELIVERIES.get(alert.delivery or "", "kept")
    return (line(str(alert.id)), line(when(alert.at)), line(alert.why), line(alert.lead), line(state))


def _decision(row: dict[str, object]) -> Line:
    polls = f" The same for {row['polls']} polls." if isinstance(row["polls"], int) and row["polls"] > 1 else ""
    at = row.get("at")
    day = Run(f"{at.astimezone(UTC).day} {at.astimezone(UTC):%b} ", quiet=True) if isinstance(at, datetime) else None
    return line(day, str(row["sentence"]), Run(polls, quiet=True) if polls else None)


def _provenance(pack: Pack) -> Iterator[Block]:
    scored = f"Scored at {when(pack.scored_at, year=True)} UTC. " if pack.scored_at else "Never scored. "
    yield Para(line(f"As of {when(pack.as_of, year=True)} UTC. {scored}Mode: {pack.mode}. Times are UTC."))
    if pack.stale:
        yield Para(line(pack.stale), "warn")
    if pack.mode in MODES:
        yield Para(
            line(f"{MODES[pack.mode]}: nothing here is real." if pack.mode == "demo" else MODES[pack.mode]), "warn"
        )
    yield from (Para(line(note)) for note in pack.notes)
    yield Para(line(f"Origin: {pack.origin}. Also known as: {listed(list(pack.entity.aliases)) or 'nothing else'}."))
    yield Heading("Sources")
    yield Bullets(tuple(line(source.line) for source in pack.sources) or (line("None."),))
    yield Heading("Settings behind the numbers")
    yield Bullets(tuple(line(Run(f"{name} ", quiet=True), ", ".join(values)) for name, values in _sections(pack.made)))


def _sections(made: Sequence[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """Settings by their table: ``velocity``, [``window_hours = 12``, ...]."""
    tables: dict[str, list[str]] = {}
    for key, value in made:
        table, _, name = key.partition(".")
        tables.setdefault(table, []).append(f"{name} = {value}")
    yield from tables.items()
