"""A fresh process that was warmed up imports nothing more when its first polls go out: imports hold the event loop up."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.processes import ROOT
from tests.upstreams import trends
from tests.upstreams.server import serving

FIRST = """
import asyncio, json, sys
from pipelines.ingest.http import Http
from pipelines.ingest.source import build_sources
from pipelines.ingest.state import MemoryState
from pipelines.ingest.warm import warm
from pipelines.clock import SystemClock
from pipelines.settings import load_settings

async def polls(settings):
    async with Http(SystemClock()) as http:
        sources = build_sources(settings, http, MemoryState())
        result = await sources["trends"].fetch(SystemClock().now())
        await sources["tiktok"]._client()
        return result.outcome.value

settings = load_settings(trends={"url": sys.argv[1]}, tiktok={"token": "apify_api_x"})
if sys.argv[2] == "warm":
    warm(settings)
before = set(sys.modules)
outcome = asyncio.run(polls(settings))
print(json.dumps([outcome, sorted(set(sys.modules) - before)]))
"""


def imported_late(url: str, how: str) -> set[str]:
    """The packages that the first polls of a fresh process import."""
    run = subprocess.run([sys.executable, "-c", FIRST, url, how], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    outcome, modules = json.loads(run.stdout)
    assert outcome == "ok"
    return {name.partition(".")[0] for name in modules}


def test_the_first_polls_import_no_client() -> None:
    with serving(trends.FakeTrends([trends.trend("a name")]).app) as upstream:
        assert {"apify_client", "impit"} <= imported_late(upstream.url, "cold")
        assert imported_late(upstream.url, "warm") <= {"encodings", "_strptime", "stringprep"}
