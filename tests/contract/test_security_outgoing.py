"""Where connections lead: looked at when made, for each of the client libraries; settings are refused at start."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

import pytest
import requests
from starlette.responses import RedirectResponse, Response

from pipelines import outgoing
from pipelines.alert.urllib_guard import guard_urllib
from pipelines.errors import PermanentError, SettingsError
from pipelines.ingest.bounded import BoundedSession
from pipelines.ingest.http import Http
from pipelines.settings import load_settings
from tests.upstreams.server import Answer, Upstream, drip, drip_headers, huge, serving


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with serving(Response("<rss/>", media_type="text/xml")) as found:
        yield found


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine stands for a metadata service, as tests cannot own its address."""
    monkeypatch.setattr(outgoing, "is_forbidden", lambda address: address in ("127.0.0.1", "::1"))


async def test_our_own_client_hangs_up(upstream: Upstream, forbidden: None) -> None:
    upstream.reset()
    async with Http() as http:
        with pytest.raises(PermanentError, match="never asked"):
            await http.get("trades", upstream.url + "/feed", max_bytes=1000, deadline_s=5)
    assert upstream.log == [], "not a byte was sent"


async def test_our_own_client_reaches_what_is_configured(upstream: Upstream) -> None:
    async with Http() as http:
        reply = await http.get("trades", upstream.url + "/feed", max_bytes=1000, deadline_s=5)
    assert reply.body == b"<rss/>"


async def test_a_name_that_changes_its_mind_gains_nothing(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirect whose name was public when it was looked at, and is this machine when it is connected to."""

    async def looked_public(*_: object) -> bool:
        return False

    monkeypatch.setattr("pipelines.ingest.http.check_redirect", looked_public)
    upstream.reset()
    upstream.plan("/start", RedirectResponse(upstream.url.replace("127.0.0.1", "localhost") + "/inside"))
    async with Http() as http:
        with pytest.raises(PermanentError, match="private network"):
            await http.get("trades", upstream.url + "/start", max_bytes=1000, deadline_s=5)
    assert upstream.requests("/inside") == []


def test_the_session_under_praw_hangs_up(upstream: Upstream, forbidden: None) -> None:
    upstream.reset()
    with BoundedSession(5, 1000) as session, pytest.raises(requests.exceptions.ConnectionError):
        session.get(upstream.url + "/x")
    assert upstream.log == []


@pytest.fixture
def urllib_guarded() -> Iterator[None]:
    before: Callable[..., object] | None = getattr(urllib.request, "_opener", None)
    guard_urllib()
    yield
    urllib.request.install_opener(before)  # type: ignore[arg-type]  # what stood there, be it nothing


def test_slacks_library_hangs_up(upstream: Upstream, forbidden: None, urllib_guarded: None) -> None:
    upstream.reset()
    with pytest.raises(urllib.error.URLError, match="never asked"):
        urlopen(upstream.url + "/x", timeout=5)  # noqa: S310 - our own stand-in
    assert upstream.log == []


def test_slacks_library_follows_no_redirect(upstream: Upstream, urllib_guarded: None) -> None:
    upstream.reset()
    upstream.plan("/start", RedirectResponse(upstream.url + "/elsewhere"))
    with pytest.raises(urllib.error.HTTPError) as caught:
        urlopen(upstream.url + "/start", b"{}", timeout=5)  # noqa: S310 - our own stand-in
    assert caught.value.code == 307
    caught.value.close()
    assert upstream.requests("/elsewhere") == []
    with urlopen(upstream.url + "/x", timeout=5) as reply:  # noqa: S310 - our own stand-in
        assert reply.status == 200


@pytest.mark.parametrize("answer", [drip(seconds=6), drip_headers(seconds=6)], ids=["body", "headers"])
def test_slacks_library_waits_for_a_drip_only_so_long(
    upstream: Upstream, urllib_guarded: None, answer: Answer
) -> None:  # fmt: skip
    guard_urllib(deadline_s=0.5)
    upstream.reset()
    upstream.plan("/drip", answer)
    began = time.monotonic()
    with pytest.raises(TimeoutError), urlopen(upstream.url + "/drip", timeout=5) as reply:  # noqa: S310 - our own stand-in
        reply.read()
    assert time.monotonic() - began < 4


def test_slacks_library_refuses_a_flood(upstream: Upstream, urllib_guarded: None) -> None:
    upstream.reset()
    upstream.plan("/flood", huge(12))
    with urlopen(upstream.url + "/flood", timeout=5) as reply, pytest.raises(HTTPException, match="refused"):  # noqa: S310 - our own stand-in
        reply.read()


@pytest.mark.parametrize(
    ("key", "variable"),
    [
        ("reddit.url", "REDDIT__URL"), ("trends.url", "TRENDS__URL"), ("tiktok.url", "TIKTOK__URL"),
        ("slack.url", "SLACK__URL"), ("slack.webhook_url", "SLACK__WEBHOOK_URL"),
        ("slack.rundown_url", "SLACK__RUNDOWN_URL"), ("writer.url", "WRITER__URL"), ("auth.oidc_issuer", "AUTH__OIDC_ISSUER"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "http://192.0.2.7/s3cret-part", "https://169.254.169.254/s3cret-part"]
)
def test_every_configured_address_is_judged_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, variable: str, url: str
) -> None:
    monkeypatch.setenv(f"HEATMAP_{variable}", url)
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path / "no.env")
    assert str(caught.value).startswith(key)
    assert f"HEATMAP_{variable}" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_feeds_are_judged_and_http_may_be_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEATMAP_TRADES__FEEDS", '["https://ok.example/feed", "http://plain.example/feed"]')
    with pytest.raises(SettingsError, match=r"trades\.feeds.*HTTP_HOSTS"):
        load_settings(tmp_path / "no.env")
    monkeypatch.setenv("HEATMAP_OUTGOING__HTTP_HOSTS", '["plain.example"]')
    assert len(load_settings(tmp_path / "no.env").trades.feeds) == 2
