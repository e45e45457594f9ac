"""The list pages, metrics and the exported audit, asked of the real application over a small store."""

from __future__ import annotations

import csv
import io
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import create_engine, make_url, text

from pipelines.errors import StoreError
from tests.contract.store_rows import result, save
from tests.lists_kit import HOSTILE, Lists, running_lists
from tests.postgres import open_folder


@pytest.fixture(scope="module")
def app(embedded_url: str) -> Iterator[Lists]:
    with open_folder() as var, running_lists(embedded_url, var) as running:
        yield running


def get(app: Lists, path: str, accept: str = "text/html,*/*;q=0.8") -> tuple[int, str]:
    asked = urllib.request.Request(app.address + path, headers={"Accept": accept})  # noqa: S310 - our own address
    try:
        with urllib.request.urlopen(asked, timeout=30) as reply:  # noqa: S310 - our own address
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def ok(app: Lists, path: str) -> str:
    status, body = get(app, path)
    assert status == 200, body[:500]
    return body


def test_the_list_says_where_each_alert_is(app: Lists) -> None:
    page = ok(app, "/alerts")
    for said in ("Sent", "Waiting until", "Confirming", "Stopped", "Kept", "Sending", "Sam", "source fault"):
        assert said in page, said
    assert "trades had it" in page or "ahead" in page
    assert "no trade story yet" in page
    assert page.index("Ivo Marsh") < page.index("Odalys Brightwater"), "newest first"
    assert HOSTILE not in page
    assert "&lt;img src=x" in page


@pytest.mark.parametrize(
    ("query", "count"),
    [("", 7), ("?state=stopped", 1), ("?state=kept", 1), ("?state=taken", 1), ("?state=fault", 1), ("?state=sent", 2),
     ("?state=waiting", 2), ("?state=open", 5), ("?name=lantern", 1), ("?name=%25", 0), ("?name=_", 0), ("?days=1", 7)],
)  # fmt: skip
def test_filters_are_in_the_address(app: Lists, query: str, count: int) -> None:
    page = ok(app, f"/alerts{query}")
    assert len(set(re.findall(r'href="/alerts/(\d+)"', page))) == count
    assert count or "No alert matches these filters" in page


def test_pages_of_the_list(app: Lists) -> None:
    page = ok(app, f"/alerts?before={app.ids[2]}")
    assert set(re.findall(r'href="/alerts/(\d+)"', page)) == {str(number) for number in app.ids[:2]}
    assert ">Newest<" in page


def test_one_alert_whole(app: Lists) -> None:
    page = ok(app, f"/alerts/{app.ids[-1]}")
    for said in ("Ivo Marsh walks off", "https://example.org/r1", "Sam has it", "call the publicist", "Activity", "Assigned",
                 "velocity +3.7", "data-post", "Last 12 h"):  # fmt: skip
        assert said in page, said
    for action in ("assign", "unassign", "cards", "promo", "vote", "resend", "source-fault"):
        assert f'data-post="/api/v1/alerts/{app.ids[-1]}/{action}"' in page


def test_every_button_leads_to_a_route(app: Lists) -> None:
    paths = json.loads(ok(app, "/openapi.json"))["paths"]
    for action in ("assign", "unassign", "cards", "promo", "vote", "resend", "source-fault"):
        assert any(re.fullmatch(rf"/api/v1/alerts/\{{\w+\}}/{action}", path) for path in paths), action


@pytest.mark.parametrize("path", ["/alerts/999999", "/alerts/999999?x=1"])
def test_an_unknown_alert_is_a_page(app: Lists, path: str) -> None:
    status, page = get(app, path)
    assert (status, "No such alert" in page) == (404, True)


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/alerts/abc", 422, "Address not understood"), ("/alerts?state=bogus", 422, "state: Input should be"),
        ("/kpis?days=0", 422, "Address not understood"), ("/nowhere", 404, "There is nothing at this address."),
    ],
)  # fmt: skip
def test_a_wrong_address_is_a_page_for_people_and_a_document_for_programs(
    app: Lists, path: str, status: int, says: str
) -> None:
    found, page = get(app, path)
    assert (found, says in page, "</html>" in page) == (status, True, True)
    found, document = get(app, path, "application/json")
    assert (found, json.loads(document)["status"]) == (status, status)


def test_decisions_and_why(app: Lists) -> None:
    page = ok(app, "/alerts/decisions")
    assert "Held back at 10:00: seen on 1 platform (needs 2)." in page
    assert "Alerted at 10:00" in page
    assert "decision" in ok(app, "/alerts/decisions?q=ferro")
    assert "No name like" in ok(app, "/alerts/decisions?q=zzzz")


def test_sources_with_schedule_setup_and_fetches(app: Lists) -> None:
    page = ok(app, "/sources")
    for said in ("Down, next try", "Success rate, 24 h", "Breaker", "p95 latency", "Schedule", "HEATMAP_TIKTOK__TOKEN",
                 "HEATMAP_SLACK__BOT_TOKEN", "failed", "gone"):  # fmt: skip
        assert said in page, said
    only = ok(app, "/sources?source=reddit&outcome=failed")
    assert only.count("=HYPERLINK") >= 1
    assert 'class="strip"' in page
    assert '<option value="explore">Trends Explore</option>' in page
    assert 'value="explore" selected' in ok(app, "/sources?source=explore")


def test_the_audit_as_csv(app: Lists) -> None:
    rows = list(csv.DictReader(io.StringIO(ok(app, "/api/v1/audit.csv"))))
    assert len(rows) == 5
    assert {"at", "source", "outcome", "http_status", "items", "bytes", "ms", "request_id"} <= set(rows[0])
    (bad,) = csv.DictReader(io.StringIO(ok(app, "/api/v1/audit.csv?source=reddit&outcome=failed")))
    assert bad["detail"].startswith("'=HYPERLINK")
    assert len(list(csv.DictReader(io.StringIO(ok(app, "/api/v1/audit.csv?limit=2"))))) == 2
    assert get(app, "/api/v1/audit.csv?source=nope")[0] == 400
    assert get(app, "/api/v1/audit.csv?limit=1000000")[0] == 422


def test_metrics_are_what_prometheus_reads(bare_url: str) -> None:
    with open_folder() as var, running_lists(bare_url, var) as own:
        _metrics(own)


def _metrics(app: Lists) -> None:
    ok(app, "/metrics")
    store = app.runtime.store
    now = app.runtime.reader.clock.now()
    save(store, [result([], "trends", now, ms=250)])
    families = {family.name: family for family in text_string_to_metric_families(ok(app, "/metrics"))}
    values = {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families.values() for s in f.samples}
    assert values["heatmap_database_up", ()] == 1
    assert values["heatmap_polls_total", (("outcome", "ok"), ("source", "trends"))] == 1
    assert values["heatmap_fetch_seconds_sum", (("source", "trends"),)] == 0.25
    assert values["heatmap_alerts", (("delivery", "dead"),)] == 1
    assert values["heatmap_alerts", (("delivery", "kept"),)] == 1
    assert values["heatmap_outbox_depth", ()] == 3
    assert values["heatmap_role", (("role", "leader"),)] == 1
    for name in ("heatmap_source_last_success_age_seconds", "heatmap_source_breaker_open", "heatmap_event_loop_lag_seconds",
                 "heatmap_sessions", "heatmap_board_age_seconds", "process_resident_memory_bytes"):  # fmt: skip
        assert name in families, name
    again = [family.name for family in text_string_to_metric_families(ok(app, "/metrics"))]
    assert len(again) == len(set(again))
    assert 'heatmap_polls_total{outcome="ok",source="trends"} 1.0' in ok(app, "/metrics"), "counted once"


def test_ready_and_what_a_silent_database_makes_of_the_pages(app: Lists, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = json.loads(ok(app, "/readyz"))
    assert (ready["status"], ready["stale"], ready["late"]) == ("ready", True, {"reddit": "down"})

    def silent(*_: object, **__: object) -> None:
        raise StoreError("database: not answering")

    for name in ("ping", "alert_list", "last_fetches"):
        monkeypatch.setattr(app.runtime.store, name, silent)
    status, page = get(app, "/alerts")
    assert (status, "Not readable now" in page, "not answering" in page) == (503, True, True)
    assert get(app, "/readyz")[0] == 503
    metrics = ok(app, "/metrics")
    assert "heatmap_database_up 0.0" in metrics
    assert "heatmap_alerts{" not in metrics


@pytest.fixture
def bare_url(embedded_url: str) -> str:
    """A database of its own, since the module's other tests share a filled one and run in any order."""
    address = make_url(embedded_url).set(drivername="postgresql+psycopg2")
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS bare_lists"))
        connection.execute(text("CREATE DATABASE bare_lists"))
    engine.dispose()
    return make_url(embedded_url).set(database="bare_lists").render_as_string(hide_password=False)


def test_an_empty_store_says_so(bare_url: str) -> None:
    with open_folder() as var, running_lists(bare_url, var, filled=False) as bare:
        assert "No alert yet" in ok(bare, "/alerts")
        assert "Nothing came near an alert" in ok(bare, "/alerts/decisions")
        assert "No fetch yet" in ok(bare, "/sources")
        assert "heatmap_database_up 1.0" in ok(bare, "/metrics")
