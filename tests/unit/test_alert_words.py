"""What became of an alert, in the desk's words; what metrics and readiness make of what is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from heatmap_app.database_state import DatabaseState
from heatmap_app.pages.words import Times
from heatmap_app.readiness import Found, judge
from heatmap_app.web.common import address, span_words
from heatmap_app.web.source_values import card
from heatmap_app.web.strip import lights, short
from pipelines.read.alert_words import backcheck, delivery, lead
from pipelines.read.kpis import AlertLead
from pipelines.store.lease import Role
from pipelines.store.tables import HEAD
from pipelines.view import SourceHealth

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def row(**values: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "delivery": None, "last_error": None, "next_at": None, "sent_at": None, "marked": False, "state": "open",
        "checked_polls": None, "held_polls": None, "backcheck": None, "backcheck_detail": None,
    }  # fmt: skip
    return {**known, **values}


@pytest.mark.parametrize(
    ("values", "word", "tone", "part"),
    [
        ({}, "Kept", "", "Resend sends it"),
        ({"delivery": "sent", "sent_at": NOW}, "Sent", "good", "In Slack"),
        ({"delivery": "sent", "sent_at": NOW, "marked": True}, "Sent", "good", "may be there twice"),
        ({"delivery": "dead", "last_error": "the channel is archived"}, "Stopped", "bad", "archived. Then resend"),
        ({"delivery": "uncertain", "last_error": ""}, "Confirming", "warn", "history is asked"),
        ({"delivery": "sending"}, "Sending", "warn", "On its way"),
        ({"delivery": "pending", "next_at": NOW + HOUR}, "Waiting until", "warn", "asked to wait"),
        ({"delivery": "pending", "next_at": NOW}, "Waiting", "warn", "goes out next"),
    ],
)
def test_a_delivery_says_where_it_is_and_what_to_do(values: dict[str, Any], word: str, tone: str, part: str) -> None:
    said = delivery(row(**values), NOW)
    assert (said.word, said.tone) == (word, tone)
    assert part in said.line


@pytest.mark.parametrize(
    ("outcome", "hours", "word", "tone"),
    [
        ("ahead", 2.4, "2.4 h ahead", "good"),
        ("ahead", 0.5, "30 min ahead", ""),
        ("trades_first", 2.1, "trades had it 2.1 h before", "warn"),
        ("trades_first", -2.1, "trades had it 2.1 h before", "warn"),
        ("open", 5.2, "no trade story yet, 5.2 h", ""),
        ("uncovered", 72.0, "never covered by the trades", ""),
    ],
)
def test_the_lead_so_far(outcome: str, hours: float, word: str, tone: str) -> None:
    said = lead(AlertLead(outcome, hours, None, ""))
    assert (said.word, said.tone) == (word, tone)


def test_the_back_check() -> None:
    assert backcheck(row(backcheck="held", checked_polls=4, held_polls=3), NOW, NOW).line == "3 of 4 polls"
    assert backcheck(row(backcheck="failed"), NOW, NOW).tone == "bad"
    assert backcheck(row(backcheck="held", backcheck_detail="held in 3 of 4 polls"), NOW, NOW).line == "in 3 of 4 polls"
    assert backcheck(row(), NOW, NOW).at == NOW + 2 * HOUR
    assert backcheck(row(payload={"warm_up": True}), NOW, NOW).word == "not checked"
    assert lead(None).word == "not measured"
    assert backcheck(row(state="source_fault", backcheck="held"), NOW, NOW).word == "source fault"


@pytest.mark.parametrize(
    ("state", "values", "words"),
    [
        ("live", {"last_success": NOW - timedelta(seconds=40)}, "40 s"),
        ("delayed", {"last_success": NOW - timedelta(minutes=26)}, "delayed, 26 min"),
        ("throttled", {"until": NOW + timedelta(minutes=40)}, "throttled until 12:40"),
        ("down", {"next_poll": NOW + timedelta(minutes=5)}, "down, next try 12:05"),
        ("paused", {}, "paused"),
        ("not_configured", {}, "not configured"),
        ("waiting", {}, "waiting"),
    ],
)
def test_the_words_of_a_source_card(state: Any, values: dict[str, Any], words: str) -> None:
    one = SourceHealth("reddit", state, "Reddit: so.", **values)
    assert short(one, Times(), NOW) == words
    assert lights([one], Times(), NOW)[0].name == "Reddit"
    assert card(one, Times(), NOW)["word"]


def test_a_card_has_every_number() -> None:
    feed = {"feed": "movies", "outcome": "failed", "items": 0, "detail": "gone"}
    one = SourceHealth("reddit", "delayed", "so", last_success=NOW - HOUR, feeds=(feed,), success_rate_24h=0.985,
                       items_per_poll=12.25, p95_ms=1530.0, quota_left=88, interval_s=240.0)  # fmt: skip
    shown = card(one, Times(), NOW)
    assert shown["word"] == "Delayed (1 h)"
    assert dict(shown["numbers"]) == {
        "Success rate, 24 h": "98.5 %", "Breaker": "closed", "Quota left": "88 requests", "Items per poll": "12.2",
        "p95 latency": "1.5 s", "Asked every": "4 min",
    }  # fmt: skip
    assert (shown["feeds"][0]["words"], shown["feeds"][0]["tone"]) == ("failed", "bad")


def test_addresses_leave_out_what_says_nothing() -> None:
    assert address("/alerts", state="", name="a&b", days=0, before=None) == "/alerts?name=a%26b"
    assert [span_words(s) for s in (None, 0.2, 2, 600, 3600, 5400)] == [
        "–",
        "0.2 s",
        "2 s",
        "10 min",
        "1 h",
        "1.5 h",
    ]


def test_readiness() -> None:
    late = SourceHealth("reddit", "down", "Reddit: down. Secret sentence.")
    status, body = judge(Found(step=HEAD, sources=(late,), board_age_s=61.04))
    assert (status, body["stale"], body["late"], body["board_age_s"]) == (200, True, {"reddit": "down"}, 61.0)
    assert "Secret" not in str(body)
    status, body = judge(Found("database: not answering", None, DatabaseState("x", NOW, 3, role=Role.ADRIFT)))
    assert (status, body["reason"], body["buffered_polls"], body["role"]) == (
        503,
        "database: not answering",
        3,
        "adrift",
    )
    status, body = judge(Found(step="0001"))
    assert status == 503
    assert "heatmap db upgrade" in body["reason"]
    assert judge(Found("starting"))[0] == 503
    assert judge(Found(step=HEAD, database=DatabaseState(role=Role.FOLLOWER)))[1]["role"] == "follower"
