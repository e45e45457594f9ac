"""Hostile bodies and addresses at our own API: refused in words or taken as plain values, never a failure of the server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from tests.conftest import emptied
from tests.contract.store_rows import add
from tests.contract.test_api_writes import Desk
from tests.upstreams.server import serving


@pytest.fixture(scope="module")
def desk(embedded_url: str) -> Iterator[Desk]:
    """One for all rows of the tables: what is refused leaves nothing behind."""
    with emptied(embedded_url, "demo") as store:
        add(store, "Odalys Brightwater")
        made = Desk(store)
        with serving(made.app) as server, httpx.Client(base_url=server.url, timeout=30) as made.client:
            yield made


VOTE = '{"useful": true, "once": %s}'
CARD = '{"slug": "A", "segment": "B", "length_s": %s, "hook": "C", "once": "1"}'


@pytest.mark.parametrize(
    ("action", "body", "status"),
    [
        pytest.param("vote", "[" * 100_000, 400, id="100,000 deep, cut"),
        pytest.param("vote", '{"useful": ' + "[" * 100_000 + "]" * 100_000 + "}", 400, id="100,000 deep, whole"),
        pytest.param("vote", VOTE % ("9" * 5_000), 400, id="an integer of 5,000 digits"),
        pytest.param("cards", CARD % "NaN", 422, id="NaN"),
        pytest.param("cards", CARD % "Infinity", 422, id="Infinity"),
        pytest.param("cards", CARD % "1e400", 422, id="1e400"),
        pytest.param("cards", CARD % "true", 400, id="a truth value as a number"),
        pytest.param("cards", CARD % "-5", 400, id="negative"),
        pytest.param("cards", CARD % 2**31, 400, id="2^31"),
        pytest.param("cards", CARD % 2**80, 400, id="2^80"),
        pytest.param("assign", '{"who": "x", "once": "a\\ud800b"}', 422, id="half an emoji in a key"),
        pytest.param("assign", '{"who": "\\u0000", "once": "1"}', 400, id="nothing but NUL"),
        pytest.param("assign", '{"who": "x", "a\\ud800": 1, "once": "1"}', 422, id="half an emoji as a field"),
        pytest.param("vote", '{"useful": 1, "useful": "no way", "once": "1"}', 422, id="the last of two keys counts"),
        pytest.param("vote", b"\xff\xfe\x00", 400, id="no UTF-8"),
        pytest.param("assign", '{"who": "x", "due": "9999-12-31T23:59:59-23:59", "once": "1"}', 400, id="year 10000"),
        pytest.param("assign", '{"who": "x", "due": 1e400, "once": "1"}', 422, id="a time past all times"),
    ],
)
def test_hostile_bodies_are_refused_in_words(desk: Desk, action: str, body: str | bytes, status: int) -> None:
    before = desk.shown()["activity"]
    content = body if isinstance(body, bytes) else body.encode()
    path = f"/api/v1/alerts/{desk.alert}/{action}"
    answer = desk.client.post(path, content=content, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert said["status"] == status
    assert said["detail"]
    assert len(said["detail"]) < 1_000
    assert desk.shown()["activity"] == before


@pytest.mark.parametrize("text", ["a\x00b", "\u202eSam", "<!channel> <b>x</b>", "=cmd|'/c'!A1", "\\.", "\\N"])
def test_hostile_words_are_kept_as_words(desk: Desk, text: str) -> None:
    body = json.dumps({"who": text, "note": text, "once": repr(text)}).encode()
    path = f"/api/v1/alerts/{desk.alert}/assign"
    assert desk.client.post(path, content=body, headers={"content-type": "application/json"}).status_code == 200
    kept = desk.shown()["activity"]["assigned"]
    assert kept["who"] == kept["note"]
    assert kept["who"] in {text, "a b", "Sam"}


HOSTILE_PATHS = [
    "/api/v1/alerts/9223372036854775808", "/api/v1/alerts/-1", "/api/v1/alerts/" + "9" * 5_000, "/api/v1/alerts/%00",
    "/api/v1/entities/%00", "/api/v1/entities/" + quote("\U0001f3ac" * 3_000), "/api/v1/entities/%ff%fe",
    "/api/v1/entities/x/receipts?cursor=" + "W1" * 2_000, "/api/v1/entities?q=%00", "/api/v1/entities?q=%25_%5C",
    "/api/v1/entities?q=%ED%A0%80", "/api/v1/heat?min_velocity=nan", "/api/v1/heat?min_velocity=inf",
    "/api/v1/heat?limit=" + "9" * 5_000, "/api/v1/heat?at=9999-12-31T23:59:59-23:59",
    "/api/v1/heat?at=0001-01-01T00:00:00%2B23:59",
    "/api/v1/heat?domain=%00", "/api/v1/audit?source=%00", "/api/v1/audit?cursor=bnVsbA", "/api/v1/alerts?before=" + "9" * 30,
    *(f"/api/v1/entities/odalys-brightwater/{what}?{name}={time}"
      for what, name in (("receipts", "hour"), ("receipts.csv", "hour"), ("receipts.csv", "at"))
      for time in ("9999-12-31T23:59:59-23:59", "9999-12-31T23:00:00Z", "0001-01-01T00:00:00%2B23:59", "2026-01-01T00:00:00")),
    "/api/v1/entities/odalys-brightwater/names/preview?does=alias&name=%00",
    "/api/v1/entities/odalys-brightwater/names/preview?does=merge&other=%00",
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE_PATHS, ids=lambda path: path[8:48])
def test_hostile_addresses_never_fail_the_server(desk: Desk, path: str) -> None:
    answer = desk.client.get(path)
    assert answer.status_code in {200, 400, 404, 422}, answer.text
    assert answer.status_code == 200 or answer.json()["detail"]
