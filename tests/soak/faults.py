"""The table of faults. Each is dealt from a shuffled deck, so that a run long enough has had every one of them."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg2
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.soak.ground import Ground
from tests.upstreams import reddit, trades, trends
from tests.upstreams.server import Answer, drip, gzip_bomb, html, raw, reset, silence, too_many, truncated

XML, JSON = "application/rss+xml", "application/json"
PATHS = {"reddit": ("/r/",), "trends": ("/trending/rss",), "tiktok": ("/runs", "/items"), "trades": ("/feed/",)}
HEAD = b'<?xml version="1.0"?><rss version="2.0"><channel><title>Trade Paper</title>'
HUGE_MB = 48


@dataclass(frozen=True)
class Fault:
    """``kind`` as reported, ``target`` a source, ``postgres``, ``redis``, ``slack`` or ``process``.

    ``polls``: how many polls of the target (rounds, where it is no source) it lasts. ``during``: it strikes in the middle
    of a round. ``strike`` begins it, ``heal`` ends it.
    """

    kind: str
    target: str
    strike: Callable[[Ground], None]
    heal: Callable[[Ground], None] = lambda _ground: None
    polls: int = 1
    during: bool = False


def deck(chance: random.Random) -> list[Fault]:
    """Every fault once, in random order."""
    kinds = [upstream(kind, source, chance) for source in PATHS for kind in ANSWERS]
    kinds += [upstream("huge", "trades", chance), upstream("gzip bomb", "trends", chance)]
    kinds += [*postgres(chance), *postgres(chance), *redis(chance), *slack(chance)]
    chance.shuffle(kinds)
    return kinds


# ---- upstreams ----


def upstream(kind: str, source: str, chance: random.Random) -> Fault:
    """``source`` answers everything in the way of ``kind`` for one to three polls."""
    path = chance.choice(PATHS[source])
    answer = ANSWERS[kind](source, chance) if kind in ANSWERS else LARGE[kind](source)

    def strike(ground: Ground) -> None:
        ground.upstreams[source].plan(path, answer, repeat=True)

    once = source == "tiktok" or kind in ("429", "huge", "slow drip", "silence")
    polls = 1 if once else chance.randint(1, 3)
    return Fault(kind, source, strike, lambda ground: ground.upstreams[source].reset(), polls)


def kind_of(source: str) -> str:
    """The content type of ``source``."""
    return XML if source in ("trends", "trades") else JSON


def empty(source: str) -> bytes:
    """A valid answer without a single row."""
    if source == "reddit":
        return json.dumps(reddit.listing([])).encode()
    return {"trends": trends.feed_xml([]).encode(), "trades": trades.rss([]), "tiktok": b"[]"}[source]


def bare(source: str) -> bytes:
    """Rows that lack what every row has."""
    if source == "reddit":
        posts: list[dict[str, Any]] = [{"id": f"bare{n}", "name": f"t3_bare{n}"} for n in range(12)]
        return json.dumps(reddit.listing(posts)).encode()
    if source == "tiktok":
        return json.dumps([{"what": n} for n in range(12)]).encode()
    item = b"<item><pubDate>Mon, 01 Jan 2024 00:00:00 GMT</pubDate></item>"
    return HEAD + item * 12 + b"</channel></rss>"


def cut(source: str) -> bytes:
    """The beginning of an answer."""
    return HEAD + b"<item><title>half a" if kind_of(source) == XML else b'{"kind": "Listing", "data": {"children": ['


ANSWERS: dict[str, Callable[[str, random.Random], Answer]] = {
    "429": lambda _source, chance: too_many(chance.choice((None, "60", "900", "-5", "1000000000"))),
    "500": lambda _source, _chance: Response("oops", 500),
    "html page": lambda _source, _chance: html(),
    "truncated": lambda source, _chance: truncated(cut(source), kind_of(source)),
    "reset": lambda _source, _chance: reset(),
    "slow drip": lambda source, _chance: drip(kind_of(source)),
    "silence": lambda _source, _chance: silence(),
    "empty": lambda source, _chance: raw(empty(source), kind_of(source)),
    "missing fields": lambda source, _chance: raw(bare(source), kind_of(source)),
}


def huge_feed(megabytes: int = HUGE_MB, sent: list[int] | None = None) -> Answer:
    """A feed of real entries, ``megabytes`` long, as fast as it is taken; ``sent`` gets what went out, in bytes."""
    entry = b"<item><title>Entry %07d of a very long list</title><link>https://example.com/%07d</link></item>"
    block = b"".join(entry % (n, n) for n in range(10_000))

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", XML.encode())]})
        await send({"type": "http.response.body", "body": HEAD, "more_body": True})
        for _ in range(megabytes * 1_000_000 // len(block) + 1):
            if scope["transport"].is_closing():
                return
            await send({"type": "http.response.body", "body": block, "more_body": True})
            if sent is not None:
                sent.append(len(block))
        await send({"type": "http.response.body", "body": b"</channel></rss>"})

    return answer


LARGE: dict[str, Callable[[str], Answer]] = {
    "huge": lambda _source: huge_feed(),
    "gzip bomb": lambda source: gzip_bomb(100, kind_of(source)),
}


# ---- the database, the cache ----


def postgres(chance: random.Random) -> Iterator[Fault]:
    """Sessions ended, lines cut, answers lost, silence, a server that dies and comes back."""

    def ended(ground: Ground) -> None:
        for _ in range(chance.randint(1, 4)):
            ground.cut_sessions()
            time.sleep(chance.uniform(0.02, 0.2))

    def lines(ground: Ground, fault: Any) -> None:
        ground.postgres_line.fault = fault

    def healed(ground: Ground) -> None:
        ground.postgres_line.fault = "none"

    yield Fault("sessions ended", "postgres", ended, during=True)
    yield Fault("line cut", "postgres", lambda ground: lines(ground, "cut"), healed, chance.randint(1, 3), during=True)
    yield Fault("answers lost", "postgres", lambda ground: lines(ground, "cut_answers"), healed, during=True)
    yield Fault("black hole", "postgres", lambda ground: lines(ground, "silent"), healed, during=True)
    yield Fault("server restarted", "postgres", restart, during=True)


def restart(ground: Ground) -> None:
    """The server dies in the middle of things, and is up again when this returns."""
    ground.postgres.restart()
    deadline = time.monotonic() + 20
    while True:
        try:
            ground.cut_sessions()
        except psycopg2.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def redis(chance: random.Random) -> Iterator[Fault]:
    """Killed and back, hanging, emptied."""

    def kill(ground: Ground) -> None:
        assert ground.redis is not None
        ground.redis.kill()

    def start(ground: Ground) -> None:
        assert ground.redis is not None
        ground.redis.start()

    def hang(ground: Ground, fault: Any) -> None:
        assert ground.redis_line is not None
        ground.redis_line.fault = fault

    def flush(ground: Ground) -> None:
        assert ground.redis is not None
        with ground.redis.client() as client:
            client.flushall()

    rounds = chance.randint(1, 3)
    yield Fault("killed", "redis", kill, start, rounds, during=True)
    yield Fault("hang", "redis", lambda ground: hang(ground, "silent"), lambda ground: hang(ground, "none"), rounds)
    yield Fault("flushed", "redis", flush)


# ---- Slack ----


def slack(chance: random.Random) -> Iterator[Fault]:
    """What can happen to a post. Waits for the next alerts to be struck; nothing to heal."""
    times = chance.randint(1, 2)

    def planned(kind: str, answer: Callable[[Ground], Answer]) -> Fault:
        def strike(ground: Ground) -> None:
            ground.slack_server.reset()
            ground.struck.clear()
            ground.slack_server.plan("chat.postMessage", *(noted(answer(ground), ground) for _ in range(times)))

        return Fault(kind, "slack", strike)

    yield planned("429", lambda _ground: too_many("1"))
    yield planned("500", lambda _ground: Response("oops", 500))
    yield planned("500 after accept", lambda ground: ground.slack.accept_then("500"))
    yield planned("reset after accept", lambda ground: ground.slack.accept_then("reset"))
    yield planned("reset before accept", lambda _ground: reset())


def noted(answer: Answer, ground: Ground) -> Answer:
    """``answer``, whose time is kept."""

    async def given(scope: Scope, receive: Receive, send: Send) -> None:
        ground.struck.append(time.monotonic())
        await answer(scope, receive, send)

    return given


def later(fault: Fault, ground: Ground, seconds: float) -> threading.Thread:
    """Strike after ``seconds``, from a thread."""

    def run() -> None:
        time.sleep(seconds)
        fault.strike(ground)

    thread = threading.Thread(target=run)
    thread.start()
    return thread
