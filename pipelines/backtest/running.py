"""Stage two of a backtest, and both stages in one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.alert.decide import Rules
from pipelines.backtest.flow import Flow
from pipelines.backtest.model import BacktestResult, Progress
from pipelines.backtest.outcome import conclude
from pipelines.backtest.prepared import Prepared, basis_of
from pipelines.backtest.preparing import Polls, prepare
from pipelines.errors import InputError
from pipelines.model import DEFAULT_DOMAINS, Domain
from pipelines.settings import Settings

EVERY_DOMAIN = "all"
TOLD_EVERY = 50


def run(
    polls: Polls, settings: Settings, *, start: datetime | None = None, end: datetime | None = None,
    domain: str | None = None, progress: Progress | None = None, catalogue: Path | None = None, name: str = "",
    overrides: Mapping[str, Any] | None = None,
) -> BacktestResult:  # fmt: skip
    """:func:`prepare` and :func:`evaluate` in one. Raises :class:`InputError`."""
    told = progress or (lambda _part, _what: None)
    domains_of(domain)  # a wrong one is refused before minutes of reading
    prepared = prepare(
        polls, settings, start=start, end=end, catalogue=catalogue, name=name,
        progress=lambda part, what: told(0.2 * part, what),
    )  # fmt: skip
    return evaluate(
        prepared, settings, domain=domain, progress=lambda part, what: told(0.2 + 0.8 * part, what),
        overrides=overrides,
    )  # fmt: skip


def evaluate(
    prepared: Prepared, settings: Settings, *, start: datetime | None = None, end: datetime | None = None,
    domain: str | None = None, progress: Progress | None = None, overrides: Mapping[str, Any] | None = None,
) -> BacktestResult:  # fmt: skip
    """Run the pipeline over what was prepared; alerts count from ``start`` on (default: as prepared) and up to ``end``.

    ``domain``: default what the desk is alerted about (entertainment and unclassified), ``all``, or one. ``overrides`` is
    only noted in the result. Raises :class:`InputError` where ``settings`` are not those it was prepared with, the span
    holds no poll, or the domain does not exist.
    """
    flow = flow_of(prepared, settings, start=start, domain=domain)
    last = min(end or prepared.end, prepared.end)
    ticks = [tick for tick, at in enumerate(prepared.ticks["at"].to_list()) if at <= last]
    if not ticks or prepared.ticks["at"][ticks[-1]] < flow.start:
        raise InputError(f"no poll between {flow.start:%Y-%m-%d %H:%M} and {last:%Y-%m-%d %H:%M} UTC")
    for tick in ticks:
        flow.step(tick)
        if progress and tick % TOLD_EVERY == 0:
            progress((tick + 1) / len(ticks), f"{prepared.ticks['at'][tick]:%Y-%m-%d}")
    result = conclude(flow, prepared, settings, flow.start, last, domain or "", dict(overrides or {}))
    if progress:
        progress(1.0, "done")
    return result


def flow_of(
    prepared: Prepared, settings: Settings, *, start: datetime | None = None, domain: str | None = None,
    keep_scores: bool = False,
) -> Flow:  # fmt: skip
    """The pipeline, ready to step. Raises :class:`InputError`."""
    made, wanted = dict(prepared.basis), basis_of(settings)
    differing = [key for key, value in wanted.items() if made.get(key) != value]
    if differing:
        raise InputError(f"prepared with another {', '.join(differing)}; prepare the recording again")
    rules = Rules(settings.gates, settings.episode, domains_of(domain))
    return Flow(prepared, settings, rules, start=start or prepared.start, keep_scores=keep_scores)


def domains_of(domain: str | None) -> tuple[str, ...]:
    """The domains that alert. Raises :class:`InputError` for one that does not exist."""
    if domain is None:
        return tuple(str(one) for one in DEFAULT_DOMAINS)
    if domain == EVERY_DOMAIN:
        return tuple(str(one) for one in Domain)
    if domain not in set(Domain):
        raise InputError(f"domain {domain!r}: one of {EVERY_DOMAIN}, {', '.join(Domain)}")
    return (str(domain),)
