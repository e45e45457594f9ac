"""What every cache promises, on memory and on a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from pipelines.cache import Cache, MemoryCache, RedisCache
from tests.redis_server import RedisServer

Kind = str


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis_server)])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[Cache]:
    made: Cache = MemoryCache()
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_running")
        made = RedisCache(server.url, "et-heatmap:test")
    yield made
    await made.aclose()


async def test_gives_back_what_was_put(cache: Cache) -> None:
    value = {"text": "naïve \u2028 ☃", "numbers": [1, 2.5, None], "deep": {"a": {"b": True}}}
    await cache.put("reddit", value, 30)
    assert await cache.get("reddit") == value
    assert await cache.get("trends") is None
    assert cache.health.ok


async def test_a_value_is_a_copy(cache: Cache) -> None:
    value = {"list": [1]}
    await cache.put("k", value, 30)
    value["list"].append(2)
    first = await cache.get("k")
    assert first == {"list": [1]}
    first["list"].append(3)
    assert await cache.get("k") == {"list": [1]}


async def test_forgets_when_its_time_is_over_and_when_told(cache: Cache) -> None:
    await cache.put("short", {"a": 1}, 0.15)
    await cache.put("none", {"a": 1}, 0)
    await cache.put("dropped", {"a": 1}, 30)
    await cache.drop("dropped")
    await asyncio.sleep(0.25)
    assert [await cache.get(key) for key in ("short", "none", "dropped")] == [None, None, None]
    assert cache.health.dropped == 1


async def test_a_later_value_replaces_the_earlier(cache: Cache) -> None:
    await cache.put("k", {"n": 1}, 30)
    await cache.put("k", {"n": 2}, 30)
    assert await cache.get("k") == {"n": 2}


async def test_a_huge_value_is_not_kept(cache: Cache) -> None:
    await cache.put("big", {"text": "x" * 9_000_000}, 30)
    assert await cache.get("big") is None


async def test_memory_holds_only_so_many() -> None:
    cache = MemoryCache(max_entries=2)
    for number in range(4):
        await cache.put(str(number), {"n": number}, 30)
    assert [await cache.get(str(number)) for number in range(4)] == [None, None, {"n": 2}, {"n": 3}]
