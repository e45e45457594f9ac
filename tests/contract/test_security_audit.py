"""`.ci/audit`: vulnerabilities and expired exceptions fail, a service out of reach is said and does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from tests.processes import ROOT
from tests.upstreams.server import serving


async def osv(scope: Scope, receive: Receive, send: Send) -> None:
    """Knows one vulnerability, of one package."""
    asked = json.loads(await Request(scope, receive).body())
    fault = {
        "id": "GHSA-test-test-test", "summary": "s", "details": "d",
        "affected": [{"package": {"name": "tqdm", "ecosystem": "PyPI"},
                      "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}]}],
    }  # fmt: skip
    answer: Response = JSONResponse({"vulns": [fault]} if asked["package"]["name"] == "tqdm" else {})
    await answer(scope, receive, send)


def audit(folder: Path, url: str, package: str, ignore: str = "") -> subprocess.CompletedProcess[str]:
    lock, ignored = folder / "some.lock", folder / "ignore.toml"
    lock.write_text(f"{package} --hash=sha256:{'0' * 64}\n")
    ignored.write_text(ignore)
    env = os.environ | {
        "ET_AUDIT_URL": url,
        "ET_AUDIT_LOCKS": str(lock),
        "ET_AUDIT_IGNORE": str(ignored),
        "NO_PROXY": "*",
    }
    return subprocess.run([sys.executable, ".ci/audit"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


def entry(days: int, reason: str = "not reached by us") -> str:
    until = datetime.now(UTC).date() + timedelta(days=days)
    return f'[[ignore]]\nid = "GHSA-test-test-test"\nuntil = {until}\nreason = "{reason}"\n'


def test_a_vulnerability_fails_unless_it_is_excused_with_a_date(tmp_path: Path) -> None:
    with serving(osv) as upstream:
        found = audit(tmp_path, upstream.url, "tqdm==4.0.0")
        assert found.returncode == 1, found.stderr
        assert "tqdm 4.0.0: GHSA-test-test-test (fixed in 99.0)" in found.stderr
        assert audit(tmp_path, upstream.url, "tqdm==4.0.0", entry(30)).returncode == 0
        expired = audit(tmp_path, upstream.url, "rich==15.0.0", entry(-1))
        assert expired.returncode == 1
        assert "was ignored until" in expired.stderr
        assert audit(tmp_path, upstream.url, "rich==15.0.0", entry(1, reason="")).returncode == 1


def test_a_service_out_of_reach_is_said(tmp_path: Path) -> None:
    done = audit(tmp_path, "http://127.0.0.1:1", "tqdm==4.0.0")
    assert done.returncode == 0
    assert "NOT CHECKED" in done.stderr


def test_the_ignore_list_of_the_repository_is_in_date() -> None:
    listed = tomllib.loads((ROOT / ".ci" / "audit-ignore.toml").read_text()).get("ignore", [])
    assert all(entry["until"] >= datetime.now(UTC).date() and entry["reason"] for entry in listed)
