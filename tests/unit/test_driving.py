"""A driven world follows its controls: what is stepped, read in, begun anew; and what the API says and refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import polars as pl
import pytest
from fastapi import FastAPI

from heatmap_app import api_replay, problems
from heatmap_app.driving import Drive
from heatmap_app.users import User
from heatmap_app.worlds import DriverClock, World, replay_world
from pipelines.errors import InputError, StoreError
from pipelines.model import FetchResult
from pipelines.refresh import ScoreReport
from pipelines.refresh_alerts import Desk
from pipelines.replay_control import State
from pipelines.settings import load_settings
from pipelines.store.lease import Role
from tests.unit.recordings import START, minutes, rows

HALF = 30
SETTINGS = load_settings(Path("no.env"), mode="replay")


class Flow:
    """Stands where the real flow stands: remembers what was ingested and when it was scored."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self.scored: list[datetime] = []
        self.desk = Desk()
        self.store = SimpleNamespace(schema="replay", latest=lambda: None)

    def ingest(self, results: Sequence[FetchResult]) -> dict[str, int]:
        self.items += [item for result in results for item in result.items["item_id"]]
        return {}

    def score(self, now: datetime) -> ScoreReport:
        self.scored.append(now)
        return ScoreReport(now, len(self.scored), 0, (), (), True, 0, ())

    def empty(self) -> None:
        self.items, self.scored = [], []


class Stage:
    """A drive over two days of half-hourly polls, entered at 20 h, with a flow that only remembers."""

    def __init__(self, taped: Path, since: datetime | None, speed: float = 10.0) -> None:
        self.flow = Flow()
        self.world: World = replay_world(SETTINGS, taped, speed, since, None)
        self.changes: list[State] = []
        self.empties: list[Callable[[], None]] = [self.flow.empty]
        refresh: Any = self.flow
        self.drive = Drive(
            self.world, SETTINGS, refresh, lambda _report: None, self._upkeep, lambda: 0, self._anew,
            lambda: self.changes.append(self.drive.control.state),
        )  # fmt: skip

    async def _upkeep(self) -> str:
        return ""

    def _anew(self) -> None:
        self.empties[-1]()

    def state(self) -> str:
        return str(self.drive.control.state)

    async def settle(self) -> None:
        for _ in range(20):
            await self.drive.run()
            if self.drive.control.goal is None and not self.drive.control.steps:
                return
        raise AssertionError(self.drive.control)


TWENTY = START + timedelta(hours=20)


@pytest.fixture(scope="module")
def taped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of half-hourly polls."""
    path = tmp_path_factory.mktemp("taped") / "two_days.parquet"
    pl.concat([rows("trends", minutes(HALF * n), [f"q{n}"]) for n in range(96)]).write_parquet(path)
    return path


@pytest.fixture
def stage(taped: Path) -> Stage:
    return Stage(taped, TWENTY)


async def test_what_lies_before_is_read_in_and_scored_where_it_begins(stage: Stage) -> None:
    assert stage.state() == "reading"
    await stage.settle()
    assert stage.state() == "playing"
    assert stage.flow.items == [f"q{n}" for n in range(41)]
    assert stage.flow.scored == [START, START + timedelta(hours=12), TWENTY]
    assert stage.world.clock.now() < TWENTY + timedelta(seconds=60)


async def test_a_pause_holds_and_a_step_is_one_poll(stage: Stage) -> None:
    await stage.settle()
    stage.drive.pause()
    stood = stage.world.clock.now()
    await stage.drive.run()
    await asyncio.sleep(0.05)
    assert stage.world.clock.now() == stood == TWENTY
    stage.drive.step()
    stage.drive.step()
    await stage.settle()
    assert stage.flow.items[41:] == ["q41", "q42"]
    assert stage.state() == "paused"
    assert stage.drive.control.at == TWENTY + timedelta(hours=1)


async def test_a_jump_back_begins_anew_and_reads_all_up_to_there(stage: Stage) -> None:
    await stage.settle()
    stage.drive.pause()
    to = START + timedelta(hours=15, minutes=7)
    stage.drive.jump(to)
    assert stage.state() == "reading", "said at once"
    await stage.settle()
    assert stage.flow.items == [f"q{n}" for n in range(31)], "nothing after the asked time, nothing twice"
    assert stage.flow.scored[-1] == stage.drive.control.at == stage.world.clock.now() == to
    assert stage.flow.desk.since == to, "alerts of the reading in are not sent"
    assert stage.state() == "paused"


async def test_a_jump_ahead_goes_on_without_a_gap(stage: Stage) -> None:
    await stage.settle()
    stage.drive.jump(START + timedelta(hours=40))
    await stage.settle()
    assert stage.flow.items == [f"q{n}" for n in range(81)]
    assert stage.flow.scored == sorted(set(stage.flow.scored))
    assert stage.drive.control.at == START + timedelta(hours=40)


async def test_the_last_of_two_jumps_counts(stage: Stage) -> None:
    await stage.settle()
    stage.drive.jump(START + timedelta(hours=2))
    stage.drive.jump(START + timedelta(hours=4))
    await stage.settle()
    assert stage.flow.items == [f"q{n}" for n in range(9)]
    assert stage.drive.control.at == START + timedelta(hours=4)


async def test_a_jump_while_a_jump_is_read_in(stage: Stage) -> None:
    await stage.settle()
    stage.drive.jump(START + timedelta(hours=18))

    def again() -> None:
        stage.empties.pop()
        stage.flow.empty()
        stage.drive.jump(START + timedelta(hours=1))

    stage.empties.append(again)
    await stage.settle()
    assert stage.flow.items == ["q0", "q1", "q2"]


async def test_a_store_that_does_not_empty_is_tried_again(stage: Stage) -> None:
    await stage.settle()

    def refuse() -> None:
        stage.empties.pop()
        raise StoreError("away")

    stage.empties.append(refuse)
    stage.drive.jump(START)
    with pytest.raises(StoreError):
        await stage.drive.run()
    assert stage.state() == "reading"
    await stage.settle()
    assert stage.flow.items == ["q0"]


async def test_the_end_is_an_end_until_somebody_goes_back(stage: Stage) -> None:
    await stage.settle()
    stage.drive.set_speed(1_000_000.0)
    await asyncio.sleep(0.2)
    for _ in range(5):
        await stage.drive.run()
    assert stage.state() == "ended"
    assert stage.flow.items == [f"q{n}" for n in range(96)]
    with pytest.raises(InputError, match="has ended"):
        stage.drive.step()
    stage.drive.jump(TWENTY)
    await stage.settle()
    assert stage.drive.control.at == TWENTY


async def test_a_replay_from_its_first_poll_reads_nothing_in(taped: Path) -> None:
    stage = Stage(taped, None)
    await stage.settle()
    assert stage.state() == "playing"
    assert stage.flow.items in ([], ["q0"])


def test_a_clock_stands_still_at_speed_0() -> None:
    clock = DriverClock(START, 600.0, timedelta(seconds=300))
    clock.run(0.0)
    assert clock.now() == START == clock.now()
    clock.set(minutes(30))
    assert clock.now() == minutes(30)


# ---- the API -----------------------------------------------------------------------------------------------------------


class Web:
    """The API over a stage, for a user of some role."""

    def __init__(self, stage: Stage | None, role: Role = Role.LEADER) -> None:
        self.noted: list[tuple[str, str, Any]] = []
        self.user = User("ana", "Ana", "editor")
        app = FastAPI()
        problems.install(app)
        app.include_router(api_replay.router)
        world = SimpleNamespace(ticks=None) if stage is None else stage.world
        app.state.runtime = SimpleNamespace(
            world=world, mode="live" if stage is None else "replay", drive=stage and stage.drive, role=role,
            store=SimpleNamespace(note_replay=lambda *row: self.noted.append(row)),
        )  # fmt: skip
        app.state.jobs = SimpleNamespace(jobs={})

        @app.middleware("http")
        async def signed_in(request: Any, call_next: Any) -> Any:
            request.state.user = self.user
            return await call_next(request)

        self.app = app

    async def ask(self, method: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://desk.example") as client:
            answer = await client.request(method, "/api/v1/replay", json=body)
        return answer.status_code, answer.json()

    async def post(self, **body: Any) -> tuple[int, dict[str, Any]]:
        return await self.ask("POST", body)

    async def get(self) -> dict[str, Any]:
        return (await self.ask("GET"))[1]


async def test_the_api_moves_the_drive_and_leaves_an_audit_row(stage: Stage) -> None:
    await stage.settle()
    web = Web(stage)
    status, said = await web.post(action="pause")
    assert (status, said["state"], said["at"]) == (200, "paused", "2026-03-03T18:00:00Z")
    status, said = await web.post(action="jump", to="2026-03-03T10:00:00+02:00")
    assert (status, said["state"], said["to"], said["progress"]) == (200, "reading", "2026-03-03T08:00:00Z", 0.0)
    assert (await web.get()) == said
    assert [row[:2] for row in web.noted] == [("ana", "replay")] * 2
    assert web.noted[1][2]["action"] == "jump"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"action": "jump", "to": "2027-01-01T00:00:00Z"}, 400, "the recording runs from"),
        ({"action": "jump"}, 400, "to: say the time"),
        ({"action": "jump", "to": "2026-03-03T10:00:00"}, 422, "to"),
        ({"action": "jump", "to": "9999-12-31T23:59:59-12:00"}, 422, "to: lies outside"),
        ({"action": "speed"}, 400, "speed: say"),
        ({"action": "speed", "speed": -1}, 422, "speed"),
        ({"action": "rewind"}, 422, "action"),
        ({"action": "play", "sped": 3}, 422, "sped"),
    ],
)
async def test_what_the_api_refuses(stage: Stage, body: dict[str, Any], status: int, said: str) -> None:
    await stage.settle()
    web = Web(stage)
    got, problem = await web.post(**body)
    assert got == status
    assert said in problem["detail"]
    assert web.noted == []


async def test_viewers_may_look(stage: Stage) -> None:
    web = Web(stage)
    web.user = User("vic", "Vic", "viewer")
    assert (await web.post(action="pause"))[0] == 403
    assert (await web.get())["can"] == []


async def test_live_and_followers_answer_409(stage: Stage) -> None:
    live, follower = Web(None), Web(stage, Role.FOLLOWER)
    assert (await live.post(action="pause"))[0] == 409
    assert await live.get() == {"mode": "live", "state": "live"}
    assert (await follower.post(action="pause"))[0] == 409
    assert (await follower.get())["state"] == "elsewhere"


async def test_the_words_for_other_pages(stage: Stage) -> None:
    await stage.settle()
    runtime: Any = SimpleNamespace(drive=stage.drive, role=Role.LEADER)
    zone: Any = UTC
    assert api_replay.words_of(runtime, zone) == ""
    stage.drive.pause()
    assert api_replay.words_of(runtime, zone) == "paused at Tue 18:00"
    stage.drive.jump(START + timedelta(hours=1))
    assert api_replay.words_of(runtime, zone) == "reading in up to Mon 23:00"
    runtime.role = Role.FOLLOWER
    assert api_replay.words_of(runtime, zone) == ""
