"""S7: what is not Slack's, or not new, is a 401 with an audit row, whatever is wrong with it, and changes nothing."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heatmap_app.slack_gate import MAX_BODY, NOTED_A_MINUTE, malformed
from pipelines.store import Store
from tests.contract.slack_desk import HTTP, SlackDesk, slack_desk

FORM = "application/x-www-form-urlencoded"
HEX = "v0=" + "0" * 64


@pytest.fixture
def desk(embedded_store: Store) -> Iterator[SlackDesk]:
    with slack_desk(embedded_store, **HTTP) as made:
        yield made


def vote(desk: SlackDesk) -> bytes:
    return urlencode({"payload": json.dumps(desk.ana.pressing(desk.alert(), "useful"))}).encode()


def raw(desk: SlackDesk, body: bytes, headers: list[tuple[str, bytes]]) -> int:
    """Post with headers as bytes, which no ordinary client would send."""
    parts = urlsplit(desk.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
    connection.putrequest("POST", "/slack/events")
    for name, value in [*headers, ("Content-Length", str(len(body)).encode())]:
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(body)
    status = connection.getresponse().status
    connection.close()
    return status


def unchanged(desk: SlackDesk, reason: str) -> None:
    desk.quiet(0.15)
    assert desk.count("vote") == 0
    assert desk.slack.told() == []
    assert desk.wakes == []
    assert reason in desk.refusals()[-1]


STAMP = str(int(time.time())).encode()


BAD_HEADERS: list[tuple[dict[str, bytes | None], str]] = [
    ({"X-Slack-Signature": None}, "no signature"),
    ({"X-Slack-Signature": b""}, "no signature"),
    ({"X-Slack-Signature": b"v0=short"}, "no signature"),
    ({"X-Slack-Signature": HEX.encode()}, "another secret"),
    ({"X-Slack-Signature": b"v0=" + b"A" * 64}, "no signature"),
    ({"X-Slack-Signature": b"v0=\xff\xfe" + b"0" * 62}, "no signature"),
    ({"X-Slack-Signature": ("v0=" + "٠" * 64).encode()}, "no signature"),
    ({"X-Slack-Request-Timestamp": None}, "no timestamp"),
    ({"X-Slack-Request-Timestamp": b""}, "no timestamp"),
    ({"X-Slack-Request-Timestamp": b"soon"}, "no timestamp"),
    ({"X-Slack-Request-Timestamp": b"-1"}, "no timestamp"),
    ({"X-Slack-Request-Timestamp": b"1e9"}, "no timestamp"),
    ({"X-Slack-Request-Timestamp": STAMP + b".5"}, "no timestamp"),
    ({"X-Slack-Request-Timestamp": "١٧٦٣٨٠٠٠٠٠".encode()}, "no timestamp"),
    ({"X-Slack-Request-Timestamp": b"\xff\xfe"}, "no timestamp"),
    ({"X-Slack-Request-Timestamp": b"9" * 400}, "no timestamp"),
    ({"X-Slack-Request-Timestamp": b"999999999999"}, "5 minutes"),
    ({"Content-Type": b"text/plain"}, "neither"),
    ({"Content-Type": b"\xff"}, "neither"),
]


def test_s7_bad_headers(desk: SlackDesk) -> None:
    body = vote(desk)
    for seconds, (change, reason) in enumerate(BAD_HEADERS):
        signed = desk.ana.signed(body, at=time.time() - seconds)  # a second of its own: none is a repeat of another
        headers = {name: value.encode() for name, value in signed.items()} | change
        status = raw(desk, body, [(name, value) for name, value in headers.items() if value is not None])
        assert (status, reason in desk.refusals()[-1]) == (401, True), (change, desk.refusals()[-1:])
    unchanged(desk, "")


def test_s7_a_header_twice(desk: SlackDesk) -> None:
    body = vote(desk)
    signed = [(name, value.encode()) for name, value in desk.ana.signed(body).items()]
    assert raw(desk, body, [*signed, ("X-Slack-Signature", HEX.encode())]) == 401
    unchanged(desk, "no signature")


@pytest.mark.parametrize(("how", "reason"), [
    ({"seconds": -301}, "5 minutes"), ({"seconds": 900}, "5 minutes"), ({"secret": "another"}, "another secret"),
])  # fmt: skip
def test_s7_stale_and_forged(desk: SlackDesk, how: dict[str, Any], reason: str) -> None:
    body, how = vote(desk), dict(how)
    if "seconds" in how:
        how["at"] = time.time() + how.pop("seconds")  # from now: the file may have been read long ago
    assert desk.ana.send(body, desk.ana.signed(body, **how)).status == 401
    unchanged(desk, reason)


def test_s7_a_changed_body(desk: SlackDesk) -> None:
    body = vote(desk)
    assert desk.ana.send(body.replace(b"useful", b"not_useful"), desk.ana.signed(body)).status == 401
    unchanged(desk, "another secret")


def test_s7_a_replay(desk: SlackDesk) -> None:
    ana = desk.ana
    ana.press(desk.alert(), "useful")
    desk.told()
    assert [ana.replay().status for _ in range(3)] == [401, 401, 401]
    desk.quiet()
    assert (len(desk.slack.told()), desk.count("vote")) == (1, 1)
    assert desk.refusals() == ["a repeat of an earlier request"] * 3


def test_s7_a_replay_at_another_server_of_the_same_database(desk: SlackDesk) -> None:
    ana = desk.ana
    ana.press(desk.alert(), "useful")
    desk.told()
    with slack_desk(desk.store, **HTTP) as other:
        other.ana.send(*ana.last)
        assert other.refusals() == ["a repeat of an earlier request"]


def test_s7_a_replay_while_the_database_is_away(desk: SlackDesk) -> None:
    ana = desk.ana
    message = desk.alert()
    with desk.store._db.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE once RENAME TO once_gone")
    try:
        assert ana.press(message, "pack").status == 200
        assert ana.replay().status == 401
    finally:
        with desk.store._db.writing() as connection:
            connection.exec_driver_sql("ALTER TABLE once_gone RENAME TO once")
    desk.until(lambda: len(desk.slack.views) == 1)


@pytest.mark.parametrize("announced", [True, False])
def test_s7_oversized(desk: SlackDesk, announced: bool) -> None:
    body = b"payload=" + b"x" * (MAX_BODY + 1)
    signed = desk.ana.signed(body)
    if announced:
        assert desk.ana.send(body, signed).status == 401
    else:
        chunks = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
        connection = http.client.HTTPConnection(str(urlsplit(desk.url).hostname), urlsplit(desk.url).port, timeout=20)
        connection.request("POST", "/slack/events", chunks, signed, encode_chunked=True)
        assert connection.getresponse().status == 401
        connection.close()
    unchanged(desk, "larger than 256 KB")


WHO = {"id": "U1"}
VIEW = {"id": "V1", "type": "modal", "callback_id": "assign", "state": {"values": {}}}
SHAPES: list[dict[str, Any]] = [
    {"type": 7}, {"type": "block_actions"}, {"type": "block_actions", "user": WHO, "actions": []},
    {"type": "block_actions", "user": "U1", "actions": [{}]}, {"type": "view_submission", "user": WHO, "view": {}},
    {"type": "view_submission", "user": WHO, "view": {key: VIEW[key] for key in VIEW if key != "type"}},
    {"type": "view_submission", "user": WHO, "team": 5, "view": VIEW},
]  # fmt: skip
BODIES = [
    b"", b"payload=", b"payload=[]", b"payload=%7B", b"nothing", b"payload=null", b"payload=%ff%fe", b"\xff\xfe",
    b"ssl_check=1", *(urlencode({"payload": json.dumps(shape)}).encode() for shape in SHAPES),
    b"payload=" + b"%5B" * 20_000,
]  # fmt: skip


def test_s7_malformed_but_signed(desk: SlackDesk) -> None:
    assert [desk.ana.send(body, desk.ana.signed(body)).status for body in BODIES] == [401] * len(BODIES)
    assert set(desk.refusals()) == {"not readable", "not of Slack's shape"}
    unchanged(desk, "")


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=300), st.sampled_from([FORM, "application/json", "text/plain", ""]))
def test_no_body_makes_the_look_at_it_fail(body: bytes, kind: str) -> None:
    assert isinstance(malformed(body, kind), str)


def test_refusals_are_noted_at_a_limited_pace_without_what_came(desk: SlackDesk) -> None:
    for _ in range(NOTED_A_MINUTE + 5):
        desk.ana.send(b"payload=secret-of-somebody", {"Content-Type": FORM, "X-Slack-Signature": "xoxb-leak"})
    assert len(desk.refusals()) == NOTED_A_MINUTE
    whole = str(desk.rows("SELECT * FROM audit"))
    assert "secret-of-somebody" not in whole
    assert "xoxb-leak" not in whole


def test_where_it_is_not_set_up_it_says_how(embedded_store: Store) -> None:
    with slack_desk(embedded_store) as desk:
        person = desk.person()
        person._target = f"{desk.url}/slack/events"
        answer = person.send(b"payload=x", person.signed(b"payload=x"))
        assert answer.status == 404
        assert "HEATMAP_SLACK__SIGNING_SECRET" in answer.json["detail"]
        assert desk.count("audit") == 0
        assert "off" in desk.app.state


def test_slacks_own_question_whether_the_address_is_right_is_answered(desk: SlackDesk) -> None:
    body = json.dumps({"type": "url_verification", "token": "t", "challenge": "3eZbrw1a"}).encode()
    answer = desk.ana.send(body, {**desk.ana.signed(body), "Content-Type": "application/json"})
    assert (answer.status, "3eZbrw1a" in answer.text) == (200, True)
    assert desk.app.state.startswith("HTTP: /slack/events is open, last request")
