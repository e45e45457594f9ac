"""A backtest as one page for people: one HTML file, no script, nothing fetched, readable from a disk for years."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from heatmap_app.backtest_plots import leads, strip, timeline
from heatmap_app.escape import Html
from heatmap_app.web.render import environment
from pipelines.alert.words import PLATFORM_NAMES
from pipelines.backtest import BacktestAlert, BacktestResult
from pipelines.errors import InputError
from pipelines.settings import ROOT, Settings

STYLE_FILE = ROOT / "assets" / "templates" / "backtest.css"
SHOWN_SECTIONS = ("velocity", "heat", "discovery", "gates", "episode", "kpis")
REASONS = {
    "muted": "muted by the desk",
    "spread": "seen on too few platforms",
    "domain": "in a domain this desk gets no alerts for",
    "persistence": "passed, but not yet in enough polls in a row",
    "episode": "already alerted in this episode",
    "cooldown": "too soon after the last alert, without a higher HEAT",
    "trades": "the trades had it a day before",
    "velocity": "never fast enough",
}
MOST_ROWS = 200


def write_report(result: BacktestResult, settings: Settings, path: Path, *, ran_at: datetime, command: str) -> None:
    """Write the page to ``path``, whole or not at all. Raises :class:`InputError` where it cannot be written."""
    text = render_report(result, settings, ran_at=ran_at, command=command)
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise InputError(f"{path}: the report cannot be written: {error.strerror or error}") from None


def render_report(result: BacktestResult, settings: Settings, *, ran_at: datetime, command: str) -> str:
    """The page as text."""
    style = STYLE_FILE.read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    gate, cap = settings.gates.min_velocity, settings.velocity.cap
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return environment().get_template("backtest.html").render(
        style=Html(style), policy=policy, result=result, ran_at=ran_at, command=command, timeline=timeline(result, gate, cap),
        leads=leads(result), rows=[(alert, strip(alert, gate, cap)) for alert in result.alerts], cards=list(cards(result)),
        used=list(used(settings, result)), reasons=REASONS, platform_names=PLATFORM_NAMES, check=check_words,
        misses=result.misses.head(MOST_ROWS).to_dicts(), near=result.near_misses.head(MOST_ROWS).to_dicts(), gate=gate,
        most=MOST_ROWS,
    )  # fmt: skip


def cards(result: BacktestResult) -> Iterator[tuple[str, str, str]]:
    """The figures on top: name, value, and the cases behind it."""
    lead, false, google = result.lead, result.false_rate, result.google_lead
    yield "Alerts", str(len(result.alerts)), f"{result.alerts_per_day:.2f} a day over {result.days:.1f} days"
    if lead.n:
        share = (
            f"at least 2 h: {_percent(lead.share_2h)}, trades first: {_percent(lead.share_trades_first)}, n={lead.n}"
        )
        yield "Median lead over the trades", f"{lead.median:+.1f} h", share
    else:
        yield "Median lead over the trades", "none", "no alert was covered by the trade feeds of this recording"
    if lead.decided:
        yield (
            "Never covered by the trades",
            _percent(lead.share_uncovered),
            f"{lead.uncovered} of {lead.decided} alerts",
        )
    if google.n:
        yield "Against Google's own start", f"{google.median:+.1f} h", f"median, n={google.n}"
    if false.n:
        span = f"{false.hits} of {false.n}; 95%: {_percent(false.low)} to {_percent(false.high)}"
        yield "False by the back-check", _percent(false.value), span
    yield "Names discovered", str(result.discovered), f"{result.polls} scoring polls"


def used(settings: Settings, result: BacktestResult) -> Iterator[tuple[str, str, bool]]:
    """The settings that decide, each with its value and whether this run set it."""
    for section in SHOWN_SECTIONS:
        values: dict[str, Any] = getattr(settings, section).model_dump()
        for name, value in values.items():
            key = f"{section}.{name}"
            yield key, str(value), key in result.overrides
    for key, value in result.overrides.items():
        if key.partition(".")[0] not in SHOWN_SECTIONS:
            yield key, str(value), True


def check_words(alert: BacktestAlert) -> str:
    """What became of an alert, in words."""
    if alert.duplicate:
        return "duplicate"
    return {"held": "held", "failed": "did not hold"}.get(alert.backcheck, "not checked")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f}%"
