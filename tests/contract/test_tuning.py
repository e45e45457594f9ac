"""The page ``/tuning`` and its writes: what is compared, who may apply, what is written, noted, and used from then on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import polars as pl
import pytest
from fastapi import FastAPI, Request
from sqlalchemy import text

from heatmap_app import api_tuning, problems
from heatmap_app.events import Events
from heatmap_app.follow import Follow
from heatmap_app.gates_file import GatesFile
from heatmap_app.tuning_job import TuningJobs
from heatmap_app.users import User
from heatmap_app.web import tuning
from heatmap_app.web.tuning_choice import with_values
from pipelines import settings as files
from pipelines.backtest.keeping import ALERTS
from pipelines.clock import ManualClock
from pipelines.model import FetchResult, Outcome
from pipelines.record import Recorder
from pipelines.settings import Settings, load_settings
from pipelines.settings_local import change_local, read_local
from pipelines.store import Store
from pipelines.store.lease import Role
from pipelines.tune_desk import Job, Source, compare, votes_of
from tests.contract.test_actions import posted
from tests.contract.test_follow import Pages
from tests.contract.test_refresh_alerts import flow
from tests.unit.backtest_kit import HOUR, START, recording
from tests.upstreams.server import serving

USERS = {"ana": User("u:ana", "Ana", "editor"), "vi": User("u:vi", "Vi", "viewer")}
T = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "local.toml"
    monkeypatch.setattr(files, "LOCAL_FILE", path)
    return path


class Desk:
    """A process over ``store`` with a recording of ``hours`` hours."""

    def __init__(self, store: Store, var: Path, mode: str = "live", role: Role = Role.LEADER) -> None:
        self.adopted: list[Settings] = []
        self.told = 0
        settings = load_settings(mode=mode, var_dir=var, poll={"score_seconds": 3600})
        self.runtime = SimpleNamespace(
            settings=settings, store=store, mode=mode, role=role, adopt=self._adopt,
            world=SimpleNamespace(clock=ManualClock(T)), board=SimpleNamespace(publish=self._publish),
        )  # fmt: skip
        self.app = FastAPI()
        problems.install(self.app)
        self.app.include_router(api_tuning.router)
        self.app.include_router(tuning.router)
        self.app.state.runtime = self.runtime

        @self.app.middleware("http")
        async def signed_in(request: Request, call_next: Any) -> Any:
            request.scope.setdefault("state", {})["user"] = USERS[request.headers.get("x-user", "ana")]
            return await call_next(request)

    def _publish(self) -> None:
        self.told += 1

    def _adopt(self, settings: Settings) -> None:
        self.adopted.append(settings)
        self.runtime.settings = settings


@pytest.fixture
def desk(embedded_store: Store, local: Path, tmp_path: Path) -> Desk:
    return Desk(embedded_store, tmp_path)


@pytest.fixture
def client(desk: Desk) -> Iterator[httpx.Client]:
    with serving(desk.app) as server, httpx.Client(base_url=server.url, timeout=30) as made:
        yield made


def record(var: Path, hours: int) -> None:
    """The small recording of the backtest's tests as a desk's own."""
    polls = recording(hours)
    recorder = Recorder(var / "recordings", 90)
    for source in polls.sources:
        for at in (START + hour * HOUR for hour in range(hours)):
            rows = polls.items(source, at - timedelta(seconds=1), at)
            recorder.append([FetchResult(source=source, at=at, outcome=Outcome.OK, items=rows)])


def test_a_viewer_looks_and_an_editor_applies(desk: Desk, client: httpx.Client, local: Path) -> None:
    wanted = {"min_velocity": 3.0, "min_spread": "3", "boost": 1.3, "once": "a"}
    refused = client.post("/api/v1/tuning", json=wanted, headers={"x-user": "vi"})
    assert (refused.status_code, local.exists(), desk.adopted) == (403, False, [])
    done = client.post("/api/v1/tuning", json=wanted)
    assert done.json() == {
        "line": f"Written: gates.min_velocity 2.5 → 3, gates.min_spread 2 → 3. {tuning.NEXT_POLL}",
        "repeated": False, "undo": None,
    }  # fmt: skip
    assert read_local(local) == {"gates": {"min_velocity": 3.0, "min_spread": 3}}
    assert (desk.adopted[-1].gates.min_velocity, load_settings().gates.min_velocity, desk.told) == (3.0, 3.0, 1)
    assert audit(desk)[-1] == (
        "u:ana", "gates", {"gates.min_velocity": {"old": 2.5, "new": 3.0}, "gates.min_spread": {"old": 2, "new": 3}}
    )  # fmt: skip
    assert client.post("/api/v1/tuning", json=wanted).json()["repeated"] is True
    undone = client.post("/api/v1/tuning/undo", json={"once": "b"}).json()
    assert undone["line"].startswith("Back to the shipped gates: gates.min_velocity 3 → 2.5, gates.min_spread 3 → 2.")
    assert (local.exists(), desk.adopted[-1].gates, len(audit(desk))) == (False, load_settings().gates, 2)


@pytest.mark.parametrize("wrong", [{"min_velocity": 9}, {"min_spread": 0}, {"score_seconds": 5}, {"boost": "much"}])
def test_a_wrong_gate_is_refused(client: httpx.Client, local: Path, wrong: dict[str, Any]) -> None:
    assert client.post("/api/v1/tuning", json=wrong).status_code in (400, 422)
    assert client.post("/api/v1/tuning/look", json=wrong).status_code in (400, 422)
    assert client.get("/tuning", params=wrong).status_code in (400, 422)
    assert not local.exists()


def test_a_process_that_does_not_score_says_so(desk: Desk, client: httpx.Client) -> None:
    desk.runtime.role = Role.FOLLOWER
    assert tuning.ELSEWHERE in client.post("/api/v1/tuning", json={"consecutive": 3}).json()["line"]


def test_the_environment_wins_and_the_page_says_so(
    desk: Desk, client: httpx.Client, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEATMAP_GATES__MIN_VELOCITY", "2.2")
    assert "set by HEATMAP_GATES__MIN_VELOCITY" in client.get("/tuning").text
    client.post("/api/v1/tuning", json={"min_velocity": 3.0, "min_spread": 3})
    assert read_local(local) == {"gates": {"min_spread": 3}}
    assert load_settings().gates.min_velocity == 2.2


def test_another_process_takes_over_what_was_applied(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEATMAP_GATES__CONSECUTIVE", "4")
    settings, other = load_settings(), GatesFile()
    assert other.over(settings) is settings
    change_local(local, {"gates.min_velocity": 3.0, "gates.consecutive": 1, "episode.boost": 2.0})
    found = other.over(settings)
    assert (found.gates.min_velocity, found.gates.consecutive, found.episode.boost) == (3.0, 4, 2.0)
    assert other.over(found) is found, "read once a change"
    local.write_text('[gates]\nmin_velocity = "much"\n')
    assert other.over(found) is found, "what cannot be is not taken over"
    local.unlink()
    assert other.over(found) == settings, "back to the shipped ones"


async def test_open_pages_are_told_of_gates_from_elsewhere(embedded_store: Store) -> None:
    pages, looks = Pages(), iter([False, True, False])
    follow = Follow(
        flow(embedded_store), pages, Events(), lambda: Role.FOLLOWER, lambda _at: None, lambda: next(looks)  # type: ignore[arg-type]  # one method
    )  # fmt: skip
    told = []
    for _ in range(3):
        await follow.run()
        told.append(pages.told)
    assert told == [0, 1, 1]


def test_without_an_audit_row_nothing_is_changed(
    desk: Desk, client: httpx.Client, local: Path, embedded_store: Store
) -> None:
    with embedded_store._db.writing() as connection:
        connection.execute(text("ALTER TABLE audit RENAME TO audit_away"))
    try:
        assert client.post("/api/v1/tuning", json={"min_spread": 3}).status_code == 503
        assert (local.exists(), desk.adopted) == (False, [])
    finally:
        with embedded_store._db.writing() as connection:
            connection.execute(text("ALTER TABLE audit_away RENAME TO audit"))


def test_nothing_recorded_says_what_is_missing(client: httpx.Client) -> None:
    page = client.get("/tuning").text
    assert "Nothing is recorded yet." in page
    assert "needs 60 h of them" in page
    asked = client.post("/api/v1/tuning/look", json={})
    assert (asked.status_code, "Nothing is recorded yet." in asked.json()["detail"]) == (409, True)


def test_too_little_recorded_says_how_long_to_wait(client: httpx.Client, tmp_path: Path) -> None:
    record(tmp_path, 5)
    page = client.get("/tuning").text
    assert "4 h are recorded so far." in page
    assert f"{START + 60 * HOUR:%Y-%m-%d %H:%M} UTC" in page


def test_the_recorded_days_are_looked_back_on(
    desk: Desk, client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With other gates, when an editor asks: computed apart, shown when it is there, not computed twice, shown a day later."""
    record(tmp_path, 196)
    for user, there in (("vi", "An editor can look back."), ("ana", "data-look")):
        page = client.get("/tuning", params={"min_spread": 3}, headers={"x-user": user}).text
        assert "Nobody has looked back at these gates so far." in page
        assert there in page
    assert client.post("/api/v1/tuning/look", json={"min_spread": 3}, headers={"x-user": "vi"}).status_code == 403
    assert not desk.app.state.tuning_jobs.busy, "looking starts nothing"
    assert client.post("/api/v1/tuning/look", json={"min_spread": "3", "once": "a"}).json()["repeated"] is False
    assert "Looking back" in client.get("/tuning", params={"min_spread": 3}, headers={"x-user": "vi"}).text
    deadline = time.monotonic() + 60
    while "data-busy" in (page := client.get("/tuning", params={"min_spread": 3}).text):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    assert "These gates against those in use" in page
    assert page.index("Added") < page.index("Gone") < page.index("Odalys Brightwater") < page.index("Kept")
    assert "Apply these gates" in page
    viewed = client.get("/tuning", params={"min_spread": 3}, headers={"x-user": "vi"}).text
    assert ("An editor can apply them." in viewed, "Apply these gates" in viewed) == (True, False)
    assert client.post("/api/v1/tuning/look", json={"min_spread": 3}).json()["repeated"] is True
    source = tuning.source_of(desk.runtime)  # type: ignore[arg-type]  # only what it reads is there
    assert isinstance(source, Source)
    monkeypatch.setattr(tuning, "source_of", lambda _runtime: replace(source, end=source.end + timedelta(days=1)))
    later = client.get("/tuning", params={"min_spread": 3}, headers={"x-user": "vi"}).text
    assert "from a look back on an earlier day" in later
    assert "These gates against those in use" in later


def test_what_takes_too_long_is_ended(tmp_path: Path, desk: Desk) -> None:
    record(tmp_path, 100)
    source = tuning.source_of(desk.runtime)  # type: ignore[arg-type]  # only what it reads is there
    assert not isinstance(source, tuning.Waiting)
    jobs, job = TuningJobs(deadline_s=0.01), Job(tmp_path / "t", source, (desk.runtime.settings,))
    jobs.ask(job, "u:ana")
    assert jobs.of(job).running
    wait_until(lambda: not jobs.busy)
    assert "was stopped" in jobs.of(job).problem


def test_one_is_computed_at_a_time_and_of_each_person_the_latest_waits(tmp_path: Path, desk: Desk) -> None:
    record(tmp_path, 100)
    source = tuning.source_of(desk.runtime)  # type: ignore[arg-type]  # only what it reads is there
    assert isinstance(source, Source)
    jobs = TuningJobs(deadline_s=0.5)
    first, left, second, third = (
        Job(tmp_path / "t", source, (with_values(desk.runtime.settings, {"gates.consecutive": n}),))
        for n in range(1, 5)
    )
    jobs.ask(first, "u:ana")
    for job, who in ((left, "u:ana"), (third, "u:bo"), (second, "u:ana"), (second, "u:ana")):
        jobs.ask(job, who)
    found = [jobs.of(job) for job in (first, left, second, third)]
    assert [one.running for one in found] == [True, False, False, False]
    assert [one.queued for one in found] == [False, False, True, True]
    wait_until(lambda: not jobs.busy)
    assert jobs.of(second).problem, "both were worked on, one after the other"
    assert not jobs.of(left).problem


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_alerts_are_paired_by_name_and_time() -> None:
    def alerts(*rows: tuple[str, float]) -> pl.DataFrame:
        made = [{"slug": slug, "entity": slug, "at": T + hours * HOUR} for slug, hours in rows]
        return pl.DataFrame(made, schema_overrides={"at": ALERTS["at"]})

    found = compare(alerts(("a", 0), ("a", 30), ("b", 0)), alerts(("a", 2), ("a", 29), ("c", 0)), 24 * HOUR)
    assert [row["slug"] for row in found.added] == ["c"]
    assert [row["slug"] for row in found.gone] == ["b"]
    assert [(new["at"] - old["at"]) / HOUR for old, new in found.kept] == [2, -1]


def test_votes_are_those_of_the_real_alert_within_the_hour(embedded_store: Store) -> None:
    now = datetime.now(UTC)
    number = posted(embedded_store)
    with embedded_store._db.writing() as connection:
        at = connection.scalar(text("SELECT at FROM alert WHERE id = :id"), {"id": number})
        connection.execute(
            text("INSERT INTO vote (alert_id, voter, name, useful, at) VALUES (:id, 'u:ana', 'Ana', true, :now)"),
            {"id": number, "now": now},
        )
    real = embedded_store.outcome_rows().to_dicts()
    near = {"slug": real[0]["slug"], "at": at + timedelta(minutes=59)}
    far = {"slug": real[0]["slug"], "at": at + timedelta(minutes=61)}
    assert [(found := votes_of(one, real)) and found["useful"] for one in (near, far)] == [1, None]


def audit(desk: Desk) -> list[tuple[str, str, dict[str, Any]]]:
    with desk.runtime.store._db.reading() as connection:
        rows = connection.execute(text("SELECT actor, action, detail FROM audit WHERE action = 'gates' ORDER BY id"))
        return [tuple(row) for row in rows]


def test_confidence_is_held_against_what_came_of_it(embedded_store: Store, client: httpx.Client) -> None:
    assert "No alert with a vote or a back-check yet." in client.get("/tuning").text
    posted(embedded_store)
    with embedded_store._db.writing() as connection:
        connection.execute(text("UPDATE alert SET confidence = 0.55"))
        connection.execute(
            text("""INSERT INTO vote (alert_id, voter, name, useful, at)
                SELECT id, 'u:ana', 'Ana', true, now() FROM alert""")
        )
    page = client.get("/tuning").text
    assert "1 outcome; above 200 a calibrated confidence is given as well." in page
    assert "0.5 to 0.6" in page
    assert "1 of 1" in page
