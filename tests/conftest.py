"""Fixtures every test may use."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
import structlog

from pipelines.store import Store
from tests.postgres import PREPARED, embedded_server, empty, need_server, ordinary_server
from tests.redis_server import RedisServer, need_redis, redis_server

Backend = Literal["embedded", "server"]

# Out of the box every error logged is drawn with the values of all variables, which takes seconds each; what the product
# makes of it has its own tests.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


def pytest_configure(config: pytest.Config) -> None:
    """One folder a run for the data folder that is copied; the workers inherit its name."""
    if not hasattr(config, "workerinput"):
        folder = Path(tempfile.mkdtemp(prefix="et-"))
        folder.chmod(0o755)
        os.environ[PREPARED] = str(folder)
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


LONGEST = (
    "browser/test_accessibility.py", "contract/test_serve.py", "soak/test_soak.py", "browser/test_screens.py",
    "contract/test_poll_command.py", "contract/test_serve_slack.py", "browser/test_whole_way.py", "browser/test_names.py",
    "browser/test_desk.py", "browser/test_dashboard.py", "crash/test_deliver.py", "contract/test_tuning.py",
    "browser/test_lists.py", "browser/test_faults_browser.py", "contract/test_leader.py", "contract/test_security_canary.py",
    "browser/test_states.py", "contract/test_backtest_live.py", "browser/test_actions.py", "unit/test_tune.py",
    "browser/test_wall.py", "contract/test_faults_database.py", "crash/test_recorder.py", "crash/test_follow_ups.py",
    "browser/test_replay_bar.py", "browser/test_injection.py", "contract/test_faults_import.py", "contract/test_serve_kpis.py",
    "contract/test_hostile_feeds.py", "crash/test_embedded.py", "contract/test_security_start.py", "contract/test_doctor.py",
    "contract/test_reddit.py", "unit/test_backtest.py", "unit/test_score_exact.py", "unit/test_candidates.py",
)  # fmt: skip
"""Files by how long they took in CI, the longest first: 130 to 10 s. One that is missing here only starts later."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first and what needs no database or browser last, else in the order that chance gave: workers take
    whole files, and one that took a long file last would run alone at the end. ``tests/run`` keeps xdist from sorting by
    the number of tests instead."""
    folder = Path(__file__).parent
    names = {item.path: item.path.relative_to(folder).as_posix() for item in items if folder in item.path.parents}

    def late(item: pytest.Item) -> int:
        name = names.get(item.path, "")
        return LONGEST.index(name) if name in LONGEST else len(LONGEST) + name.startswith("unit/")

    items.sort(key=late)


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """A command run in this process points the logs at a stream that closes with it: put them back."""
    configured, config = structlog.is_configured(), structlog.get_config()
    root = logging.getLogger()
    handlers, level, hooks = root.handlers[:], root.level, (sys.excepthook, threading.excepthook)
    yield
    root.handlers[:], (sys.excepthook, threading.excepthook) = handlers, hooks
    root.setLevel(level)
    if configured:
        structlog.configure(**config)
    else:
        structlog.reset_defaults()


@pytest.fixture(scope="session")
def embedded_url() -> Iterator[str]:
    with embedded_server() as url:
        yield url


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    with ordinary_server(need_server()) as url:
        yield url


@pytest.fixture(params=["embedded", pytest.param("server", marks=pytest.mark.server_pg)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database, once embedded and once on a server."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@contextmanager
def emptied(url: str, schema: str) -> Iterator[Store]:
    """A store at the current revision with nothing in it, closed at the end."""
    made = Store.open(url, schema)
    made.upgrade()
    empty(made)
    yield made
    made.close()


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """An empty, upgraded store, once embedded and once on a server."""
    with emptied(database_url, "replay") as made:
        yield made


@pytest.fixture
def embedded_store(embedded_url: str) -> Iterator[Store]:
    """An empty, upgraded store on the embedded server only: for tests that are not about the store."""
    with emptied(embedded_url, "demo") as made:
        yield made


@pytest.fixture(scope="session")
def session_redis() -> Iterator[RedisServer]:
    with redis_server(need_redis()) as server:
        yield server


@pytest.fixture
def redis_running(session_redis: RedisServer) -> RedisServer:
    """A running, empty Redis. A test that kills it leaves it dead; the next one gets it back."""
    if session_redis.process is None:
        session_redis.start()
    with session_redis.client() as client:
        client.config_set("maxmemory", 0)
        client.flushall()
    return session_redis
