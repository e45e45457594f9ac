"""Heavy parsing runs in a process of its own, which a deadline ends; the event loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import os
import time

import psutil
import pytest

from pipelines.ingest.apart import LARGE, parsed
from pipelines.ingest.trades import parse_feed
from tests.upstreams.trades import XML, Article, rss

FEED = ("https://trade.example/feed/", "trade.example")


def endless(_: bytes) -> None:
    """A parser that never comes back."""
    while True:
        pass


def greedy(_: bytes) -> int:
    """A parser that wants four gigabytes."""
    return len(bytearray(4_000_000_000))


def whose(_: bytes) -> int:
    """The process it runs in."""
    return os.getpid()


async def test_small_inputs_stay_here_and_large_ones_go_apart() -> None:
    assert await parsed(LARGE - 1, 20.0, whose, b"") == os.getpid()
    assert await parsed(LARGE, 20.0, whose, b"") != os.getpid()


async def test_u14_a_parser_that_hangs_is_killed_at_the_deadline() -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        await parsed(LARGE, 1.0, endless, b"")
    assert time.monotonic() - started < 15
    spinning = [
        child for child in psutil.Process().children(recursive=True)
        if child.pid not in before and "resource_tracker" not in " ".join(child.cmdline())
    ]  # fmt: skip
    assert spinning == []


async def test_i2_a_parser_that_wants_all_memory_is_refused() -> None:
    with pytest.raises(MemoryError):
        await parsed(LARGE, 20.0, greedy, b"")


async def test_i1_the_loop_turns_while_a_large_feed_is_read() -> None:
    articles = [Article(f"Headline {n} about somebody", f"https://trade.example/{n}") for n in range(3_000)]
    body = rss(articles)
    assert len(body) > LARGE
    lags: list[float] = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            lags.append(time.perf_counter() - before - 0.005)

    watching = asyncio.create_task(watch())
    rows = await parsed(len(body), 60.0, parse_feed, body, XML, *FEED)
    watching.cancel()
    assert [row["title"] for row in rows] == [article.title for article in articles]
    assert sorted(lags)[int(0.99 * len(lags))] < 0.25
