"""Sign-in at an OpenID Connect provider, against a stand-in over HTTP: who gets in, and what is not believed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey

from tests.contract.security_kit import Served, cookies_of, settings_with, small
from tests.upstreams.oidc import FakeProvider, secret_key
from tests.upstreams.server import Upstream, html, reset, serving

CLIENT, CLIENT_SECRET = "heatmap", "an-oidc-client-secret-long-enough"


@pytest.fixture(scope="module")
def provider() -> Iterator[tuple[FakeProvider, Upstream]]:
    fake = FakeProvider(CLIENT, CLIENT_SECRET)
    with serving(fake.app) as upstream:
        fake.issuer = upstream.url
        yield fake, upstream


@pytest.fixture
def fake(provider: tuple[FakeProvider, Upstream]) -> FakeProvider:
    provider[0].claims, provider[0].sign_with = {}, None
    provider[1].reset()
    return provider[0]


def oidc_settings(tmp_path: Path, fake: FakeProvider, **more: Any) -> Any:
    given = {
        "method": "oidc", "users": [], "oidc_issuer": fake.issuer, "oidc_client_id": CLIENT,
        "oidc_client_secret": CLIENT_SECRET,
    }  # fmt: skip
    return settings_with(tmp_path, **given | more)


def come_back(site: Served, browser: httpx.Client, next_path: str = "/page") -> httpx.Response:
    """Through the provider and back, as a browser goes; the last answer."""
    away = browser.get(f"/auth/oidc/start?next={next_path}")
    assert away.status_code == 303, away.text
    there = httpx.get(away.headers["location"], follow_redirects=False, trust_env=False)
    back = there.headers["location"].partition("/auth/oidc/callback")[2]
    return browser.get(f"/auth/oidc/callback{back}")


def test_a_member_comes_in_with_the_role_of_the_lists(tmp_path: Path, fake: FakeProvider) -> None:
    settings = oidc_settings(tmp_path, fake, editors=["ana@news.example"], oidc_domains=["news.example"])
    with small(settings) as site:
        browser = site.client()
        assert "Continue to sign-in" in browser.get("/login?next=/page").text
        # the provider sends people back to localhost, where this server's address is nobody else's
        answer = come_back(site, browser)
        assert (answer.status_code, answer.headers["location"]) == (303, "/page")
        assert browser.get("/api/v1/me").json() | {"client": ""} == {
            "id": "oidc:1234", "name": "Ana", "role": "editor", "client": "",
        }  # fmt: skip
        assert CLIENT_SECRET not in answer.text
        assert CLIENT_SECRET not in cookies_of(browser)


@pytest.mark.parametrize(
    ("claims", "lists", "status"),
    [
        ({}, {"oidc_groups": ["Desk"]}, 303),
        ({}, {"oidc_groups": ["others"]}, 403),
        ({}, {"oidc_domains": ["other.example"]}, 403),
        ({"email_verified": False}, {"oidc_domains": ["news.example"]}, 403),
        ({"email": "ana@evil-news.example"}, {"oidc_domains": ["news.example"]}, 403),
        ({}, {"default_role": "none"}, 403),
        ({}, {"default_role": "none", "admins": ["group:desk"]}, 303),
        ({"email_verified": "true"}, {"default_role": "none", "admins": ["ana@news.example"]}, 403),
        ({"nonce": "another"}, {}, 403),
        ({"nonce": None}, {}, 403),
        ({"aud": "another"}, {}, 403),
        ({"iss": "https://evil.example"}, {}, 403),
        ({"exp": 1_000_000}, {}, 403),
        ({"exp": None}, {}, 403),
        ({"sub": None}, {}, 403),
    ],
)
def test_who_is_left_out(
    tmp_path: Path, fake: FakeProvider, claims: dict[str, Any], lists: dict[str, Any], status: int
) -> None:
    fake.claims = claims
    with small(oidc_settings(tmp_path, fake, **lists)) as site:
        browser = site.client()
        assert come_back(site, browser).status_code == status
        assert browser.get("/api/v1/me").status_code == (200 if status == 303 else 401)


def test_signatures_by_other_keys_are_not_believed(tmp_path: Path, fake: FakeProvider) -> None:
    others = [
        ({"alg": "RS256", "kid": "one"}, RSAKey.generate_key(2048)),
        ({"alg": "HS256"}, secret_key(CLIENT_SECRET)),
        ({"alg": "none"}, None),
    ]
    with small(oidc_settings(tmp_path, fake)) as site:
        for fake.sign_with in others:
            browser = site.client()
            assert come_back(site, browser).status_code == 403
            assert browser.get("/api/v1/me").status_code == 401


def test_a_new_key_is_fetched(tmp_path: Path, fake: FakeProvider) -> None:
    with small(oidc_settings(tmp_path, fake)) as site:
        assert come_back(site, site.client()).status_code == 303
        fake.key = RSAKey.generate_key(2048, parameters={"kid": "one"})
        assert come_back(site, site.client()).status_code == 303


def test_an_answer_nobody_asked_for_is_refused(tmp_path: Path, fake: FakeProvider) -> None:
    """Another browser's code, a wrong state, no code: signing somebody in as another is how such an attack begins."""
    with small(oidc_settings(tmp_path, fake)) as site:
        victim, attacker = site.client(), site.client()
        away = attacker.get("/auth/oidc/start")
        there = httpx.get(away.headers["location"], follow_redirects=False, trust_env=False)
        back = "/auth/oidc/callback" + there.headers["location"].partition("/auth/oidc/callback")[2]
        assert victim.get(back).status_code == 400
        assert attacker.get("/auth/oidc/callback?code=code-0&state=other").status_code == 400
        state = back.partition("state=")[2]
        assert attacker.get(f"/auth/oidc/callback?error=access_denied&state={state}").status_code == 403
        assert victim.get("/api/v1/me").status_code == 401


def test_a_provider_in_trouble_is_said_in_words(
    tmp_path: Path, fake: FakeProvider, provider: tuple[FakeProvider, Upstream]
) -> None:
    for answer in (reset(), html(500), html(200), html(302, {"location": "http://169.254.169.254/"})):
        provider[1].plan("openid-configuration", answer)
        with small(oidc_settings(tmp_path, fake)) as site:
            page = site.client().get("/auth/oidc/start")
            assert page.status_code == 502
            assert "provider" in page.text
            assert CLIENT_SECRET not in page.text
