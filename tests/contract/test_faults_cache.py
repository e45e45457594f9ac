"""Redis in trouble, rows C1 to C7 of the fault matrix: at most half a second a call, and nothing wrong on the board."""

from __future__ import annotations

import asyncio
import builtins
import json
import pickle
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.cache import Fuse, RedisCache, UnreachableError
from pipelines.ingest import guard_state
from pipelines.ingest.buckets import Buckets
from pipelines.ingest.cached import pack
from pipelines.ingest.fetching import Policy
from pipelines.model import Outcome
from tests.contract.guard_kit import NOW, Rig, Scripted, good
from tests.fault_proxy import FaultProxy, fault_proxy, took
from tests.redis_server import RedisServer

pytestmark = pytest.mark.redis_server
POLICY = Policy(60.0, cache_seconds=30.0)
LIMIT_S = 0.75
"""Half a second, and what a loaded machine may add."""


@pytest.fixture
def proxy(redis_running: RedisServer) -> Iterator[FaultProxy]:
    with fault_proxy(redis_running.port) as running:
        yield running


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def buckets_on(url: str, per_minute: int, fuse: Fuse | None = None, seconds: float = 0.0) -> Buckets:
    return Buckets({"reddit": per_minute}, redis_url=url, fuse=fuse, monotonic=lambda: seconds)


async def test_c1_redis_down_at_start_asks_directly_within_the_limits() -> None:
    url = f"redis://127.0.0.1:{closed_port()}/0"
    cache = RedisCache(url, "t")
    rig = Rig(POLICY, cache=cache)
    source = Scripted()
    assert (await rig.poll(source)).outcome is Outcome.OK
    assert not cache.health.ok
    assert cache.health.line.startswith("Cache off")
    buckets = await buckets_on(url, 3)
    grants = [(await buckets.take("reddit")).ok for _ in range(5)]
    assert grants == [True, True, True, False, False], "our own bucket holds by itself"
    await cache.aclose()
    await buckets.aclose()


async def test_c2_redis_killed_in_the_middle_is_not_the_sources_fault(redis_running: RedisServer) -> None:
    cache = RedisCache(redis_running.url, "t")
    rig = Rig(Policy(60.0, cache_seconds=30.0, failures=1), cache=cache)
    source = Scripted()
    assert (await rig.poll(source)).outcome is Outcome.OK
    assert (await rig.poll(source)).outcome is Outcome.CACHE_HIT
    redis_running.kill()
    for _ in range(3):
        assert (await rig.poll(source)).outcome is Outcome.OK
    assert len(source.calls) == 4
    assert not guard_state.from_json(rig.state.get("guard:trends")).breaker.is_open
    assert not cache.health.ok
    redis_running.start()
    cache.fuse = Fuse()  # ten seconds later
    assert (await rig.poll(source)).outcome is Outcome.OK
    assert (await rig.poll(source)).outcome is Outcome.CACHE_HIT, "back by itself"
    await cache.aclose()


async def test_c3_a_redis_that_hangs_costs_half_a_second_once(proxy: FaultProxy) -> None:
    proxy.fault = "silent"
    cache = RedisCache(f"redis://127.0.0.1:{proxy.port}/0", "t")
    started = time.monotonic()
    assert await cache.get("k") is None
    assert took(started) < LIMIT_S
    started = time.monotonic()
    for _ in range(50):
        await cache.put("k", {"a": 1}, 30)
        assert await cache.get("k") is None
    assert took(started) < 0.2, "left alone after the first failure"
    await cache.aclose()


async def test_c3_an_established_connection_that_goes_silent(proxy: FaultProxy) -> None:
    fuse = Fuse(left_alone_s=0.0)
    cache = RedisCache(f"redis://127.0.0.1:{proxy.port}/0", "t", fuse)
    await cache.put("k", {"a": 1}, 30)
    assert await cache.get("k") == {"a": 1}
    proxy.fault = "silent"
    for _ in range(2):
        started = time.monotonic()
        assert await cache.get("k") is None
        assert took(started) < LIMIT_S
    proxy.fault = "none"
    assert await cache.get("k") == {"a": 1}, "and is used again once it answers"
    buckets = await buckets_on(f"redis://127.0.0.1:{proxy.port}/0", 10, fuse)
    proxy.fault = "silent"
    started = time.monotonic()
    assert (await buckets.take("reddit")).ok
    assert took(started) < LIMIT_S
    await cache.aclose()
    await buckets.aclose()


async def test_c4_a_full_redis_skips_writes_and_counts_them(redis_running: RedisServer) -> None:
    cache = RedisCache(redis_running.url, "t")
    await cache.put("before", {"a": 1}, 30)
    with redis_running.client() as client:
        client.config_set("maxmemory", 1)
    rig = Rig(POLICY, cache=cache)
    source = Scripted()
    assert [(await rig.poll(source)).outcome for _ in range(2)] == [Outcome.OK, Outcome.OK]
    assert cache.health.errors == 2
    assert cache.health.ok, "it answers: what is in it can still be read"
    assert await cache.get("before") == {"a": 1}
    await cache.aclose()


async def test_c5_flushall_is_one_refetch_a_key(redis_running: RedisServer) -> None:
    cache = RedisCache(redis_running.url, "t")
    rig = Rig(POLICY, cache=cache)
    source = Scripted()
    await rig.poll(source)
    with redis_running.client() as client:
        client.flushall()
        client.script_flush()
    results = await asyncio.gather(*(rig.poll(source) for _ in range(20)))
    outcomes = [result.outcome for result in results]
    assert outcomes.count(Outcome.OK) == 1
    assert outcomes.count(Outcome.CACHE_HIT) == 19
    assert len(source.calls) == 2
    await cache.aclose()


async def test_c5_a_flushed_bucket_hands_no_second_quota_to_this_process(redis_running: RedisServer) -> None:
    buckets = await buckets_on(redis_running.url, 4)
    assert [(await buckets.take("reddit")).ok for _ in range(3)] == [True, True, True]
    with redis_running.client() as client:
        client.flushall()
        client.script_flush()
    assert [(await buckets.take("reddit")).ok for _ in range(3)] == [True, False, False]
    await buckets.aclose()


async def test_the_bucket_is_shared_between_processes(redis_running: RedisServer) -> None:
    one, two = await buckets_on(redis_running.url, 4), await buckets_on(redis_running.url, 4)
    grants = [(await side.take("reddit")).ok for _ in range(3) for side in (one, two)]
    assert grants.count(True) == 4
    refused = await one.take("reddit")
    assert 0 < refused.wait_s <= 60
    await one.aclose()
    await two.aclose()


class Attack:
    """Runs when unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (exec, ("import builtins; builtins.PWNED = True",))


TAMPERED = pack(good(NOW))
POISON: dict[str, bytes] = {
    "pickle": pickle.dumps(Attack()),
    "not json": b"\xff\xfe{",
    "a number": b"123",
    "a list": b"[1, 2]",
    "typed": b"bytes:abc",
    "deep": b"[" * 100_000,
    "wrong fields": json.dumps({"version": 1, "rows": "drop table"}).encode(),
    "a script for a link": json.dumps({**TAMPERED, "rows": [{**TAMPERED["rows"][0], "url": "javascript:alert(1)"}]}).encode(),
    "not a number": json.dumps({**TAMPERED, "rows": [{**TAMPERED["rows"][0], "engagement": float("nan")}]}).encode(),
    "another source": json.dumps({**TAMPERED, "source": "reddit"}).encode(),
    "from the future": json.dumps({**TAMPERED, "at": "2099-01-01T00:00:00+00:00"}).encode(),
}  # fmt: skip


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON.keys())
async def test_c6_a_poisoned_value_is_dropped_and_fetched_anew(redis_running: RedisServer, poison: bytes) -> None:
    cache = RedisCache(redis_running.url, "t")
    with redis_running.client() as client:
        client.set("t:trends", poison)
    rig = Rig(POLICY, cache=cache)
    source = Scripted()
    result = await rig.poll(source)
    assert result.outcome is Outcome.OK
    assert len(source.calls) == 1
    assert cache.health.dropped == 1
    assert (await rig.poll(source)).outcome is Outcome.CACHE_HIT, "the good answer took its place"
    assert not hasattr(builtins, "PWNED")
    await cache.aclose()


async def test_c7_an_answer_lost_after_counting_errs_on_the_safe_side(
    redis_running: RedisServer, proxy: FaultProxy
) -> None:
    here = await buckets_on(f"redis://127.0.0.1:{proxy.port}/0", 5, Fuse(left_alone_s=0.0))
    assert (await here.take("reddit")).ok, "connected, script loaded"
    proxy.fault = "cut_answers"
    assert (await here.take("reddit")).ok, "our own bucket grants"
    proxy.fault = "none"
    there = await buckets_on(redis_running.url, 5)
    granted = sum([(await there.take("reddit")).ok for _ in range(5)])
    assert granted == 3, "two were counted, though one answer never came"
    await here.aclose()
    await there.aclose()


async def test_the_fuse_lets_nothing_through_while_it_is_blown() -> None:
    seconds = [0.0]
    fuse = Fuse(limit_s=0.05, left_alone_s=10.0, monotonic=lambda: seconds[0])

    async def fine() -> int:
        return 1

    with pytest.raises(UnreachableError):
        await fuse.run(lambda: asyncio.sleep(5))
    with pytest.raises(UnreachableError):
        await fuse.run(fine)
    seconds[0] = 10.0
    assert await fuse.run(fine) == 1
