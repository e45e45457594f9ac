"""The API of names: told before, done once, undone after; by role; every receipt as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import text

from pipelines.store import Store
from tests.contract.store_rows import add, candidates, item, mentions, result, save
from tests.contract.test_api_writes import Desk
from tests.upstreams.server import serving

HERE = "/api/v1/entities/odalys-brightwater"


@pytest.fixture
def desk(embedded_store: Store) -> Iterator[Desk]:
    made = Desk(embedded_store)
    ids = add(embedded_store, "Odalys Brightwater", "Odalys B")
    embedded_store.add_alias(ids[0], "the brightwater", "The Brightwater", "ana")
    rows = [item(f"p{n}", title=f'=HYPERLINK("{n}")') for n in range(1_200)]
    found = mentions(
        *(("reddit", f"p{n}", ids[n % 2], "odalys brightwater" if n % 2 == 0 else "odalys b") for n in range(1_198))
    )
    save(embedded_store, [result(rows)], found, candidates(("reddit", "p1198", "oda"), ("reddit", "p1199", "oda")))
    with serving(made.app) as server, httpx.Client(base_url=server.url, timeout=30) as made.client:
        yield made


def told(desk: Desk, does: str, **what: str) -> str:
    answer = desk.client.get(f"{HERE}/names/preview", params={"does": does, **what})
    assert answer.status_code == 200, answer.text
    line: str = answer.json()["line"]
    return line


def test_a_change_is_told_done_once_and_undone(desk: Desk) -> None:
    assert told(desk, "merge", other="odalys-b").startswith("Merges 599 receipts of Odalys B into Odalys Brightwater.")
    first = desk.do(f"{HERE}/merge", {"other": "odalys-b", "once": "click"})
    again = desk.do(f"{HERE}/merge", {"other": "odalys-b", "once": "click"})
    assert again == {**first, "repeated": True}
    assert (desk.acted, desk.renamed) == (1, 1)
    assert told(desk, "split", name="Odalys B").startswith(
        "Takes Odalys B out of Odalys Brightwater again, with 1 name and 599"
    )
    assert desk.client.get(f"{HERE}/names").json()["changes"][0]["undo"] == first["undo"]
    assert desk.do(first["undo"], {})["line"] == "Undone: it is as it was."
    assert desk.do(first["undo"], {})["line"] == "That was undone already."
    assert desk.client.get(f"{HERE}/names").json()["changes"][0]["undo"] is None
    assert desk.do("/api/v1/names/changes/999/undo", {}, status=404)["detail"] == "There is no change 999"
    with desk.store._db.reading() as connection:
        actions = connection.execute(text("SELECT action FROM audit WHERE actor = 'u:ana' ORDER BY id")).scalars().all()
    assert list(actions) == ["merge", "undo"]


def test_names_are_added_and_removed(desk: Desk) -> None:
    assert "2 receipts that carry it become its own now." in told(desk, "alias", name="Oda")
    desk.do(f"{HERE}/alias", {"name": "Oda"})
    assert told(desk, "alias", name="ODA") == "Odalys Brightwater answers to “ODA” already."
    assert "the 2 receipts it matched stop counting" in told(desk, "unalias", name="Oda")
    undo = desk.do(f"{HERE}/unalias", {"name": "Oda"})["undo"]
    assert "Oda" not in {row["display"] for row in desk.client.get(f"{HERE}/names").json()["items"]}
    desk.do(undo, {})
    assert {row["display"]: row["receipts"] for row in desk.client.get(f"{HERE}/names").json()["items"]} == {
        "Odalys Brightwater": 599, "Oda": 2, "The Brightwater": 0,
    }  # fmt: skip


def test_the_watchlist_is_changed_by_editors_only(desk: Desk) -> None:
    desk.do(f"{HERE}/watch", {}, "vi", 403)
    assert desk.do(f"{HERE}/watch", {})["line"] == "Odalys Brightwater is on the desk's watchlist."
    assert desk.do(f"{HERE}/watch", {})["line"] == "Odalys Brightwater is watched already."
    assert desk.client.get(f"{HERE}/names").json()["watched"]
    assert desk.client.delete(f"{HERE}/watch", headers={"x-user": "vi"}).status_code == 403
    gone = desk.client.delete(f"{HERE}/watch", headers={"x-user": "ana"}).json()
    assert gone["line"] == "Odalys Brightwater is off the watchlist."
    desk.do(gone["undo"], {})
    assert desk.client.get(f"{HERE}/names").json()["watched"]
    for path in (f"{HERE}/unalias", f"{HERE}/split"):
        desk.do(path, {"name": "The Brightwater"}, "vi", 403)


def test_every_receipt_is_in_the_csv_and_none_is_a_formula(desk: Desk) -> None:
    answer = desk.client.get(f"{HERE}/receipts.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == len({row["item_id"] for row in rows}) == 599
    assert {row["title"][0] for row in rows} == {"'"}
    assert "odalys-brightwater-receipts.csv" in answer.headers["content-disposition"]
    assert desk.client.get(f"{HERE}/receipts.csv", params={"source": "tiktok"}).text.count("\n") == 1
    assert desk.client.get(f"{HERE}/receipts.csv", params={"at": "2026-11-22T14:00:00"}).status_code == 422
    assert desk.client.get("/api/v1/entities/nobody/receipts.csv").status_code == 404
