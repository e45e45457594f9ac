"""The KPIs as page, command and API show them: one shape, made once."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict, Field

from pipelines.alert.kpi_words import Verdict


class View(BaseModel):
    """A part of the answer."""

    model_config = ConfigDict(frozen=True)


class Judged(View):
    """A KPI against its target."""

    target: float = Field(description="What is aimed at")
    verdict: Verdict = Field(description="`not_enough`: too few votes to judge; `none`: no case at all")
    sure: bool = Field(description="Whether the whole interval lies on the verdict's side of the target")
    words: str = Field(description="The verdict in a sentence")


class LeadDay(View):
    """Lead over the trades in hours: first trade item's own publish time minus alert time."""

    n: int = Field(description="Alerts with a trade item from 48 h before to 72 h after; what the quartiles are of")
    median: float | None
    median_low: float | None = Field(description="Lower end of the median's 95% interval; null below 6 cases")
    median_high: float | None = Field(description="Upper end")
    p25: float | None
    p75: float | None
    share_2h: float | None = Field(description="Share of `n` with a lead of 2 h or more")
    share_6h: float | None = Field(description="Share of `n` with a lead of 6 h or more")
    share_trades_first: float | None = Field(description="Share of `n` in which the trades published first")
    share_uncovered: float | None = Field(description="Share of `decided` that no trade item ever followed")
    decided: int = Field(description="`n` and the uncovered ones: alerts whose outcome is known")
    uncovered: int = Field(description="Alerts whose 72 h are over without a trade item")
    open: int = Field(description="Alerts without a trade item whose 72 h are not over; in no share")


class LeadTotal(LeadDay, Judged):
    """Lead over the whole span."""

    stretch: float = Field(description="The stretch target, hours")
    trades_watched: float = Field(description="Share of the span's hours in which a trade feed was read")


class UsefulDay(View):
    """Useful votes of all votes, the latest per person and alert."""

    n: int = Field(description="Votes")
    useful: int
    not_useful: int
    value: float | None
    low: float | None = Field(description="Lower end of the 95% Wilson interval")
    high: float | None = Field(description="Upper end")


class UsefulTotal(UsefulDay, Judged):
    """Usefulness over the whole span."""

    needed: int = Field(description="Votes it takes to judge")


class FalseDay(View):
    """False alerts of the checked ones."""

    n: int = Field(description="Alerts checked")
    false: int = Field(description="False ones: failed + source_faults + duplicates")
    value: float | None
    low: float | None = Field(description="Lower end of the 95% Wilson interval")
    high: float | None = Field(description="Upper end")
    failed: int = Field(description="Did not hold in the two hours after the alert")
    source_faults: int = Field(description="Marked by hand as caused by a source fault")
    duplicates: int = Field(description="On a name that had alerted up to 24 h before")
    unknown: int = Field(description="No scoring poll in those two hours; not counted")
    open: int = Field(description="The two hours are not over; not counted")


class FalseTotal(FalseDay, Judged):
    """False-positive rate over the whole span."""


class KpiAlert(View):
    """One alert behind the numbers."""

    id: int
    at: datetime
    slug: str
    name: str
    outcome: str = Field(description="ahead, trades_first, uncovered or open")
    trades_at: datetime | None = Field(description="The first trade item's own publish time")
    lead_hours: float | None
    lead_words: str
    useful: int
    not_useful: int
    check: str = Field(description="held, failed, source_fault, duplicate, unknown or open")
    polls: int = Field(description="Scoring polls with new data in the two hours after the alert")
    held: int = Field(description="Those in which the name held")
    duplicate_of: int | None
    check_words: str


class KpiDay(View):
    """One UTC day's alerts, newest first, and their KPIs."""

    day: date
    alerts: tuple[KpiAlert, ...]
    lead: LeadDay
    usefulness: UsefulDay
    false_positive_rate: FalseDay


class KpiView(View):
    """The three KPIs over ``days`` UTC days up to and including today, newest day first; days without alerts left out."""

    as_of: datetime
    mode: str
    days: int = Field(description="How many UTC days, today included")
    since: datetime = Field(description="Start of the first day")
    alerts: int
    lead: LeadTotal
    usefulness: UsefulTotal
    false_positive_rate: FalseTotal
    by_day: tuple[KpiDay, ...]
