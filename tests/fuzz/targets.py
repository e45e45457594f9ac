"""What is fuzzed: each parser of something from outside, from bytes to what the product does with them.

A target may raise the product's own errors (:class:`HeatmapError`, :class:`ValueError` where documented) and nothing else.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import polars as pl

from heatmap_app.escape import escape, safe_url
from heatmap_app.pages.state import from_query
from pipelines.alert.message import make_message
from pipelines.clock import SystemClock
from pipelines.errors import HeatmapError, InputError
from pipelines.ingest.clean import (
    clean_context,
    clean_names,
    clean_number,
    clean_text,
    clean_url,
    items_frame,
    read_time,
)
from pipelines.ingest.guard import BodyBrokenError, BodyTooLargeError, Inflater, looks_like, place
from pipelines.ingest.http import Http
from pipelines.ingest.reddit_rows import is_removed, is_whole, item_row, post_of
from pipelines.ingest.state import MemoryState
from pipelines.ingest.tiktok_actors import ACTORS
from pipelines.ingest.tiktok_rows import map_rows
from pipelines.ingest.trades import parse_feed
from pipelines.ingest.trends import MAX_ITEMS, TrendsSource, _check_shape, _items
from pipelines.model import ITEMS
from pipelines.normalize.candidates import candidates
from pipelines.normalize.catalogue import read_catalogue
from pipelines.normalize.names import canonical, display, slugify, split_camel
from pipelines.outbox import Alert, Claim
from pipelines.read.receipts import _receipt_place
from pipelines.recording import POLLS, Archive, DamagedFileError, encode, open_file, read_items
from pipelines.retry_after import retry_after_seconds
from pipelines.score_file import read_mentions
from pipelines.settings import load_settings
from pipelines.vetting import starting_s
from pipelines.view import RECEIPT_ORDERS
from tests.upstreams.apify import hashtags
from tests.upstreams.reddit import listing, post
from tests.upstreams.slack import check, pings
from tests.upstreams.trades import XML, Article, rss
from tests.upstreams.trends import feed_xml, trend

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FOLDER = Path(mkdtemp(prefix="et-fuzz-"))
NUMBERS = itertools.count()
NAMES = (
    "Odalys Brightwater",
    "Saint Ferro",
    "Beyoncé",
    "泰勒絲",
    "שלום",
    "👩‍🚀 tour",
    "#TheLanternKeepers",
    "O'Neil & Sons",
)
ACCEPTED = (HeatmapError, BodyBrokenError, BodyTooLargeError, DamagedFileError)


@dataclass(frozen=True, slots=True)
class Target:
    """``run`` takes one input; ``seeds`` are what it is made from; ``share`` of all inputs it gets; ``aside``: seconds so
    far in which nothing was parsed."""

    name: str
    run: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    share: float
    aside: Callable[[], float] = lambda: 0.0


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):  # the client libraries' own business, before our code sees anything
        return data.decode("utf-8", "replace")


def trades(data: bytes) -> None:
    items_frame(parse_feed(data, XML, "https://trade.example/feed/", "trade.example"), NOW, "trades", drop_old=True)


def trends(data: bytes) -> None:
    elements = _items(data)
    rows = [row for rank, item in enumerate(elements[:MAX_ITEMS], 1) if (row := TRENDS._row(item, rank))]
    _check_shape(elements, rows, had_traffic=True)
    items_frame(rows, NOW, "trends")


def reddit(data: bytes) -> None:
    found = _json(data)
    page = found.get("data") if isinstance(found, dict) else None
    children = page.get("children") if isinstance(page, dict) else None
    posts = [post_of(child) for child in children] if isinstance(children, list) else []
    items_frame([item_row(p) for p in posts if is_whole(p) and not is_removed(p)], NOW, "reddit", drop_old=True)


def tiktok(data: bytes) -> None:
    found = _json(data)
    for adapter in ACTORS.values():
        mapped = map_rows(adapter, found if isinstance(found, list) else [found])
        assert isinstance(mapped.sample, str)
        assert mapped.trouble("hashtag", 100) is None or not mapped.rows or mapped.reports()
        items_frame(mapped.rows, NOW, "tiktok")


def cleaning(data: bytes) -> None:
    value = _json(data)
    for one in value if isinstance(value, list) else [value, data.decode("utf-8", "surrogateescape")]:
        clean_text(one), clean_url(one), clean_number(one), read_time(one), clean_names(one), clean_context(one)


def bodies(data: bytes) -> None:
    looks_like(data)
    inflater = Inflater(random.Random(len(data)).choice(["gzip", "deflate", "identity"]), 200_000)
    for start in range(0, len(data), 4096):
        inflater.feed(data[start : start + 4096])
    assert len(inflater.finish()) <= 200_000


def headers(data: bytes) -> None:
    text = data.decode("latin-1")
    assert 1 <= retry_after_seconds(text, NOW) <= 3600
    place(text), safe_url(text), from_query(text), escape(text)


def names(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    key = canonical(text)
    assert canonical(key) == key
    assert slugify(display(text)).isascii() or slugify(display(text))
    split_camel(text[:2000])


def titles(data: bytes) -> None:
    text = clean_text(data.decode("utf-8", "replace"))
    if text:
        frame = pl.DataFrame([{"source": "reddit", "item_id": "a", "title": text, "poll_at": NOW}], schema=ITEMS)
        candidates(frame)


def messages(data: bytes) -> None:
    text = data.decode("utf-8", "surrogatepass" if b"\xed" in data else "replace") if _valid(data) else str(data)
    payload = {
        "name": text, "slug": text[:80], "mode": "live", "hook": text, "trades_at": None,
        "receipts": [{"source": "reddit", "title": text, "url": text, "at": NOW.isoformat()}] * 3,
    }  # fmt: skip
    alert = Alert(1, "k", 1, NOW, 1.0, 3.0, 2, 0.5, 0.8, "Velocity +3.0σ", payload)
    message = make_message(Claim("k", NOW, 1, (alert,)), "https://heat.example")
    said = {"text": message.text, "blocks": list(message.blocks)}
    assert check(said) == "", check(said)
    assert not pings(said)


def _valid(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def cursors(data: bytes) -> None:
    for order in RECEIPT_ORDERS:
        with contextlib.suppress(InputError):
            _receipt_place(data.decode("latin-1"), order)


def catalogue(data: bytes) -> None:
    read_catalogue(_file("catalogue.csv", data))


def mentions(data: bytes) -> None:
    read_mentions(_file("mentions.csv", data))


def recordings(data: bytes) -> None:
    # a name of its own: a verdict is kept by name, size and time, and the clock of a disk is coarser than this loop
    path = _file(f"part-{next(NUMBERS)}.parquet", data)
    try:
        with contextlib.suppress(InputError):
            read_mentions(path)
        open_file(path, NOW.date())
        read_items(path)
        read_items(path, NOW - timedelta(hours=1), NOW)
        Archive(path).read()
    finally:
        path.unlink()


def _file(name: str, data: bytes) -> Path:
    path = FOLDER / name
    path.write_bytes(data)
    return path


def _settings() -> Any:
    return load_settings(Path("no.env")).trends


TRENDS = TrendsSource(_settings(), Http(SystemClock()), MemoryState())


def _csv(header: str, *rows: str) -> bytes:
    return "\n".join([header, *rows]).encode()


def _parquet() -> bytes:
    rows: list[dict[str, Any]] = [
        {"poll_at": NOW, "source": "reddit", "feed": "all", "item_id": f"t3_{n}", "title": name, "url": "https://r.example/x",
         "published_at": NOW - timedelta(hours=n), "engagement": 1.0 * n, "rank": None, "names": []}
        for n, name in enumerate(NAMES)
    ]  # fmt: skip
    schema = {name: dtype for name, dtype in ITEMS.items() if name != "context"}
    polls = pl.DataFrame([(NOW, "reddit", "ok", None)], schema=POLLS, orient="row")  # fmt: skip
    buffer = io.BytesIO(encode(pl.DataFrame(rows, schema=schema), polls))
    return buffer.getvalue()


_POSTS = [post(f"a{n}", f"{name} walks off set", NOW) for n, name in enumerate(NAMES)]
_TEXTS = tuple(f"“{name}” is in trouble; {name.upper()} (2026) https://x.example/?q={name}".encode() for name in NAMES)
_RSS = rss(
    [Article(f"{name} to star", f"https://trade.example/{n}", NOW, f"g{n}") for n, name in enumerate(NAMES) if n != 7]
)
_ATOM = b"""<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>t</title>
<entry><title type="html">&lt;b&gt;A</title>
<link href="https://t.example/1"/><id>tag:1</id><updated>2026-11-22T10:00:00Z</updated><summary>s</summary></entry></feed>"""
_TIKTOK = json.dumps(hashtags(6)).encode()
_MENTIONS = _csv(
    "entity,source,item_id,at,engagement,rank,list_length,sentiment",
    *(f'"{name}",reddit,t3_{n},2026-11-2{n % 3}T0{n}:00:00Z,{n * 10},,,0.{n}' for n, name in enumerate(NAMES)),
)
_CATALOGUE = _csv(
    "name,kind,domain,aliases,needs_second_sign",
    *(f'"{name}",person,entertainment,"{name}|{name} II",{"yes" if n % 2 else ""}' for n, name in enumerate(NAMES)),
)
_WIKIDATA = _csv(
    "item,itemLabel,itemAltLabel,typeLabel",
    *(f'http://www.wikidata.org/entity/Q{n + 1},"{name}","{name} a, {name} b",human' for n, name in enumerate(NAMES)),
)
_HEADERS = (
    b"120",
    b"Wed, 21 Oct 2026 07:28:00 GMT",
    b"entity=odalys&hour=2026-11-22T10&color=heat",
    b"https://a.example/p?q=1#f",
)

TARGETS = (
    Target("trade feeds", trades, (_RSS, _ATOM, rss([])), 0.03),
    Target("trending feed", trends, (feed_xml([trend(name.replace("&", "and")) for name in NAMES]).encode(),), 0.06),
    Target(
        "reddit listings",
        reddit,
        (json.dumps(listing(_POSTS)).encode(), json.dumps(listing(_POSTS[:1])).encode()),
        0.08,
    ),
    Target(
        "tiktok rows", tiktok, (_TIKTOK, b'[{"error": "x"}]', json.dumps([{"name": n} for n in NAMES]).encode()), 0.06
    ),
    Target("cleaning", cleaning, (*_TEXTS, b'["a", 1, 2.5, null, {"a": [1]}]'), 0.17),
    Target("bodies", bodies, (*_TEXTS, _RSS), 0.15),
    Target("headers and addresses", headers, (*_HEADERS, *_TEXTS), 0.15),
    Target("names", names, (*_TEXTS, *(name.encode() for name in NAMES)), 0.1),
    Target("headlines", titles, _TEXTS, 0.02),
    Target("slack messages", messages, _TEXTS, 0.06),
    Target("cursors", cursors, (b"WzE3LCJyZWRkaXQiLCJ0M19hIl0", b"", b"bnVsbA"), 0.05),
    Target("catalogue files", catalogue, (_CATALOGUE, _WIKIDATA), 0.02),
    Target("mentions files", mentions, (_MENTIONS,), 0.03),
    # a child reads them first: how long it takes to start is the machine's affair
    Target("recordings", recordings, (_parquet(),), 0.02, starting_s),
)
"""Shares follow speed: what is slow to parse gets fewer of the inputs."""
