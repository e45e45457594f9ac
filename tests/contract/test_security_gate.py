"""The gate in front of a small application: hosts, origins, foreign pages, roles, cookies, headers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
import structlog.testing

from heatmap_app.auth.headers import NONCE, mark
from heatmap_app.auth.outside import KEPT, Outside
from heatmap_app.auth.place import Place
from heatmap_app.auth.rules import local_path
from heatmap_app.auth.throttle import Throttle
from tests.contract.security_kit import (
    PASSWORD,
    WRITE,
    Served,
    cookies_of,
    said,
    settings_with,
    sign_in_as,
    small,
)

WALL_TOKEN, METRICS_TOKEN = "w" * 24, "m" * 24


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    with small(settings_with(tmp_path, wall_token=WALL_TOKEN, metrics_token=METRICS_TOKEN)) as found:
        yield found


@pytest.fixture
def open_site(tmp_path: Path) -> Iterator[Served]:
    """No sign-in, on loopback."""
    with small(settings_with(tmp_path, method="none")) as found:
        yield found


def session_cookie(answer: httpx.Response) -> str:
    return next(line for line in answer.headers.get_list("set-cookie") if "_session=" in line)


def test_pages_lead_to_the_sign_in_and_programs_get_401(site: Served) -> None:
    stranger = site.client()
    answer = stranger.get("/page?x=1&y=2")
    assert (answer.status_code, answer.headers["location"]) == (302, "/login?next=/page%3Fx%3D1%26y%3D2")
    assert said(stranger.get("/api/v1/me"))["status"] == 401
    assert said(stranger.post("/page"))["status"] == 401
    assert stranger.get("/nothing").status_code == 302
    assert stranger.get("/healthz").json() == {"status": "ok"}


def test_signing_in_goes_where_one_wanted_and_out_is_out(site: Served) -> None:
    browser = site.client()
    page = browser.get("/login?next=/page%3Fx%3D1")
    assert 'name="next" value="/page?x=1"' in page.text
    answer = sign_in_as(browser, "EDITOR", next="/page?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/page?x=1")
    cookie = session_cookie(answer)
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Max-Age=43200" in cookie
    assert browser.get("/api/v1/me").json()["role"] == "editor"
    copied = cookies_of(browser)
    assert browser.get("/logout").status_code == 200
    assert browser.get("/api/v1/me").status_code == 200, "a link alone signs nobody out"
    assert browser.post("/auth/logout", headers={"Origin": site.base}).status_code == 303
    assert browser.get("/api/v1/me").status_code == 401
    assert site.client().get("/api/v1/me", headers={"Cookie": copied}).status_code == 401, "a copied cookie is dead too"


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "\\evil",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: x",
        "",
        "/auth/logout",
        "/a/../../b",
    ],
)
def test_the_way_back_is_a_page_of_ours(target: str) -> None:
    assert local_path(target) == "/"


def test_cookies_that_are_not_ours_are_nobody(site: Served) -> None:
    browser = site.client()
    sign_in_as(browser, "admin")
    name, _, value = cookies_of(browser).partition("=")
    other = value[:-3] + ("aaa" if value[-3:] != "aaa" else "bbb")
    for wrong in (other, value + "x", value[1:], "", "x" * 5000, "a.b.c", value.swapcase()):
        assert site.client().get("/api/v1/me", headers={"Cookie": f"{name}={wrong}"}).status_code == 401


def test_a_sign_in_expires(tmp_path: Path) -> None:
    with small(settings_with(tmp_path, session_hours=1 / 3600)) as site:
        browser = site.client()
        cookie = session_cookie(sign_in_as(browser, "viewer")).partition(";")[0]
        time.sleep(2.1)
        assert browser.get("/api/v1/me", headers={"Cookie": cookie}).status_code == 401


def test_signed_out_stays_out_after_a_restart(tmp_path: Path) -> None:
    settings = settings_with(tmp_path)
    with small(settings) as site:
        browser = site.client()
        sign_in_as(browser, "viewer")
        kept, left = cookies_of(browser), site.client()
        sign_in_as(left, "viewer")
        browser.post("/auth/logout", headers={"Origin": site.base})
        other = cookies_of(left)
    with small(settings) as site:
        assert site.client().get("/api/v1/me", headers={"Cookie": kept}).status_code == 401
        assert site.client().get("/api/v1/me", headers={"Cookie": other}).status_code == 200


def test_g2_g3_a_users_file_counts_at_once_unless_it_is_broken(tmp_path: Path) -> None:
    users = tmp_path / "users"
    hashed = settings_with(tmp_path).auth.users[0].get_secret_value().split(":")[2]
    users.write_text(f"Sam:viewer:{hashed}\n")
    with small(settings_with(tmp_path, users=[])) as site:
        browser = site.client()
        sign_in_as(browser, "sam")
        users.write_text(f"Sam:editor:{hashed}\nAna:viewer:{hashed}\n")
        assert browser.get("/api/v1/me").json()["role"] == "editor"
        users.write_text("broken line\n")
        assert browser.get("/api/v1/me").json()["role"] == "editor", "a broken file changes nothing"
        users.write_text(f"Ana:viewer:{hashed}\n# nobody else\n\n")
        assert browser.get("/api/v1/me").status_code == 401


def test_wrong_passwords_wait_longer_and_longer(site: Served) -> None:
    browser = site.client()
    first = [sign_in_as(browser, "editor", "wrong password").status_code for _ in range(4)]
    assert first == [401, 401, 401, 401]
    refused = sign_in_as(browser, "editor")
    assert refused.status_code == 429, "even the right password waits"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert sign_in_as(browser, "viewer").status_code == 303, "others do not wait"


def test_an_address_waits_too() -> None:
    throttle = Throttle(free=10, cap_s=900)
    for at in range(11):
        assert throttle.wait_s("1.2.3.4", at * 100.0) == 0
        throttle.begin("1.2.3.4", at * 100.0)
    waits = []
    now = 1100.0
    for _ in range(14):
        throttle.begin("1.2.3.4", now)
        waits.append(throttle.wait_s("1.2.3.4", now))
        now += waits[-1]
    assert waits[:4] == [2, 4, 8, 16]
    assert waits[-1] == 900
    assert throttle.wait_s("5.6.7.8", now) == 0
    throttle.forgive("1.2.3.4")
    assert throttle.wait_s("1.2.3.4", now) == 0


def test_a_throttle_forgets_but_never_grows_without_end() -> None:
    throttle = Throttle(free=0, cap_s=8)
    for number in range(12_000):
        throttle.begin(f"name {number}", 0.0)
    assert len(throttle._records) == 10_000


def test_an_unknown_name_takes_as_long_as_a_known_one(site: Served) -> None:
    answers = {
        name: sign_in_as(site.client(), name, "wrong password") for name in ("viewer", "nobody", "x" * 64, "<b>")
    }
    assert {answer.status_code for answer in answers.values()} == {401}
    texts = {name: answer.text.replace(name, "") for name, answer in answers.items() if name != "<b>"}
    assert len(set(texts.values())) == 1
    assert "<b>" not in answers["<b>"].text


CHANGES: tuple[tuple[dict[str, str], bool], ...] = (
    ({**WRITE}, True),
    ({**WRITE, "Origin": "OURS"}, True),
    ({**WRITE, "Sec-Fetch-Site": "same-origin", "Origin": "OURS"}, True),
    ({"Origin": "OURS"}, False),
    ({"Sec-Fetch-Site": "same-origin"}, False),
    ({}, False),
    ({"X-ET-Write": "0"}, False),
    ({**WRITE, "Origin": "http://evil.example"}, False),
    ({**WRITE, "Origin": "null"}, False),
    ({**WRITE, "Origin": "http://127.0.0.1:9"}, False),
    ({**WRITE, "Sec-Fetch-Site": "cross-site"}, False),
    ({**WRITE, "Sec-Fetch-Site": "same-site"}, False),
    ({**WRITE, "Sec-Fetch-Site": "same-site", "Origin": "OURS"}, False),
)


@pytest.mark.parametrize("method", ["password", "none"])
def test_no_foreign_page_changes_anything(tmp_path: Path, method: str) -> None:
    with small(settings_with(tmp_path, method=method)) as site:
        browser = site.client()
        if method == "password":
            sign_in_as(browser, "editor")
        for headers, allowed in CHANGES:
            sent = {name: value.replace("OURS", site.base) for name, value in headers.items()}
            assert (browser.post("/api/v1/change", headers=sent).status_code == 200) is allowed, headers


def test_a_foreign_page_cannot_sign_anybody_in_or_out(site: Served) -> None:
    form = {"name": "viewer", "password": PASSWORD}
    for headers in ({}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        assert site.client().post("/auth/login", data=form, headers=headers).status_code == 403
        assert site.client().post("/auth/logout", headers=headers).status_code == 403


def test_roles_hold_even_where_a_route_forgot(site: Served) -> None:
    viewer, editor = site.client(), site.client()
    sign_in_as(viewer, "viewer")
    sign_in_as(editor, "editor")
    assert viewer.post("/api/v1/change", headers=WRITE).status_code == 403
    assert viewer.post("/api/v1/forgotten", headers=WRITE).status_code == 403
    assert viewer.post("/api/v1/alerts/1/vote", headers=WRITE).status_code == 200
    assert editor.post("/api/v1/forgotten", headers=WRITE).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example:80", "0.0.0.0"])
def test_a_name_rebound_to_us_is_not_answered(open_site: Served, host: str) -> None:
    browser = open_site.client()
    assert browser.get("/api/v1/me", headers={"Host": host}).status_code == 403
    assert browser.get("/page", headers={"Host": host}).status_code == 403
    assert browser.get("/healthz", headers={"Host": host or "x"}).status_code == 200
    assert browser.post("/slack/events", headers={"Host": host or "x"}).status_code == 200
    origin = f"http://{host}"
    assert open_site.websocket("/ws", "", origin, host=host or "x") == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:5006", "[::1]:5006", "127.0.0.1:80"])
def test_this_machines_names_are_answered(open_site: Served, host: str) -> None:
    assert open_site.client().get("/api/v1/me", headers={"Host": host}).json()["id"] == "local"


def test_without_sign_in_the_public_name_answers_slack_only(tmp_path: Path) -> None:
    """Behind a tunnel the loopback address is everybody's: the public name and forwarded requests are refused."""
    with small(settings_with(tmp_path, method="none", public_url="https://heat.example.com")) as site:
        browser = site.client()
        public = {"Host": "heat.example.com"}
        assert "sign-in" in said(browser.get("/page", headers=public))["detail"]
        assert browser.get("/api/v1/me", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 403
        assert browser.get("/api/v1/me", headers={"CF-Connecting-IP": "203.0.113.9"}).status_code == 403
        assert browser.get("/metrics", headers=public).status_code == 403
        assert browser.post("/slack/events", headers=public).status_code == 200
        assert browser.get("/api/v1/me").status_code == 200, "this machine still sees its pages"


def test_a_public_https_address_makes_cookies_secure(tmp_path: Path) -> None:
    with small(settings_with(tmp_path, public_url="https://heat.example.com")) as site:
        browser = site.client()
        headers = {"Host": "heat.example.com", "Origin": "https://heat.example.com"}
        answer = browser.post("/auth/login", data={"name": "viewer", "password": PASSWORD}, headers=headers)
        cookie = SimpleCookie(session_cookie(answer))
        (name,) = cookie
        assert name == "__Host-et_session"
        assert cookie[name]["secure"]
        assert answer.headers["strict-transport-security"].startswith("max-age=")
        assert browser.get("/page", headers={"Host": "HEAT.example.com"}).status_code == 302
        assert browser.get("/page", headers={"Host": "other.example.com"}).status_code == 403


def test_every_answer_carries_the_headers(site: Served) -> None:
    browser = site.client()
    sign_in_as(browser, "viewer")
    paths = ("/page", "/api/v1/me", "/nothing", "/healthz", "/login", "/auth/wall")
    for answer in [*(browser.get(path) for path in paths), site.client().get("/page"), browser.post("/page")]:
        headers = answer.headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "object-src 'none'" in headers["content-security-policy"]
        assert "unsafe-eval" not in headers["content-security-policy"]
        assert "'unsafe-inline'" not in headers["content-security-policy"].partition("style-src")[0]
        assert headers["referrer-policy"] in ("no-referrer", "same-origin")
        assert headers["cache-control"] == "no-store"
        assert "permissions-policy" in headers
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


@pytest.mark.parametrize(
    ("path", "query", "status", "kept"),
    [
        ("/assets/page.js", b"v=2ecd9f4d4803", 200, KEPT),
        ("/static/js/bokeh.min.js", b"v=3.10.2", 200, KEPT),
        ("/assets/page.js", b"", 200, None),
        ("/assets/gone.js", b"v=2ecd9f4d4803", 404, None),
        ("/api/v1/me", b"v=1", 200, b"no-store"),
    ],
)
async def test_only_a_file_of_a_named_version_may_be_kept(
    path: str, query: bytes, status: int, kept: bytes | None
) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    outside = Outside(
        send,
        {"path": path, "query_string": query},
        "localhost",
        Place(80, frozenset(), "", "", https=False, open=False),
        (),
    )
    await outside.send({"type": "http.response.start", "status": status, "headers": []})
    assert dict(sent[0]["headers"]).get(b"cache-control") == kept


def test_an_error_nobody_expected_says_little(site: Served) -> None:
    browser = site.client()
    sign_in_as(browser, "viewer")
    with structlog.testing.capture_logs() as logs:
        broken = browser.get("/broken")
    assert [entry["kind"] for entry in logs if entry["event"] == "request failed"] == ["RuntimeError"]
    assert broken.status_code == 500
    assert "frame-ancestors" in broken.headers["content-security-policy"]
    assert "it broke" not in broken.text


def test_only_bokehs_scripts_get_the_nonce() -> None:
    name = '<script>alert(1)<\\/script><script type=\\"text/javascript\\">'
    data = f'<script type="application/json" id="a">{{"name": "{name}"}}</script>'
    code = '<script type="text/javascript">run()</script><script>more()</script><script src="x.js"></script>'
    marked = mark(data + code)
    assert data in marked
    assert marked.count(f'nonce="{NONCE}"') == 3


def test_the_wall_stays_signed_in_and_sees_nothing_else(site: Served) -> None:
    screen = site.client()
    assert screen.get("/wall").status_code == 302
    assert screen.get("/auth/wall?token=wrong").status_code == 403
    answer = screen.get(f"/auth/wall?token={WALL_TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/wall")
    assert int(SimpleCookie(answer.headers["set-cookie"])["et_wall"]["max-age"]) > 300 * 86_400
    assert screen.get("/wall").status_code == 200
    assert screen.get("/page").status_code == 403
    assert screen.get("/api/v1/me").status_code == 403
    assert screen.post("/api/v1/change", headers=WRITE).status_code == 403
    assert screen.post("/api/v1/alerts/1/vote", headers=WRITE).status_code == 403
    assert site.websocket("/ws", cookies_of(screen), site.base) == 403


def test_another_wall_token_ends_the_old_link(tmp_path: Path) -> None:
    with small(settings_with(tmp_path, wall_token=WALL_TOKEN)) as site:
        screen = site.client()
        screen.get(f"/auth/wall?token={WALL_TOKEN}")
        cookie = cookies_of(screen)
    with small(settings_with(tmp_path, wall_token="v" * 24)) as site:
        assert site.client().get("/wall", headers={"Cookie": cookie}).status_code == 302


def test_no_token_is_never_the_right_token(tmp_path: Path) -> None:
    with small(settings_with(tmp_path)) as site:
        assert site.client().get("/auth/wall?token=").status_code == 403
        elsewhere = {"X-Forwarded-For": "203.0.113.9"}
        assert site.client().get("/metrics", headers=elsewhere | {"Authorization": "Bearer"}).status_code == 401


def test_metrics_are_for_this_machine_a_token_or_a_user(site: Served) -> None:
    elsewhere = {"X-Forwarded-For": "203.0.113.9"}
    assert site.client().get("/metrics").status_code == 200
    assert site.client().get("/metrics", headers=elsewhere).status_code == 401
    assert site.client().get("/metrics", headers=elsewhere | {"Authorization": "Bearer nope"}).status_code == 401
    assert (
        site.client().get("/metrics", headers=elsewhere | {"Authorization": f"Bearer {METRICS_TOKEN}"}).status_code
        == 200
    )
    browser = site.client()
    sign_in_as(browser, "viewer")
    assert browser.get("/metrics", headers=elsewhere).status_code == 200


def test_a_trusted_proxy_says_who_it_is(tmp_path: Path) -> None:
    lists: dict[str, Any] = {"editors": ["ana@example.com", "group:desk"], "admins": ["group:Owners"]}
    with small(settings_with(tmp_path, method="proxy", users=[], **lists)) as site:
        browser = site.client()

        def who(**headers: str) -> tuple[int, str]:
            answer = browser.get(
                "/api/v1/me", headers={name.replace("_", "-"): value for name, value in headers.items()}
            )
            return answer.status_code, answer.json().get("role", "")

        assert who() == (401, "")
        assert who(X_Forwarded_User="sam@example.com") == (200, "viewer")
        assert who(X_Forwarded_User="ANA@example.com") == (200, "editor")
        assert who(X_Forwarded_User="sam@example.com", X_Forwarded_Groups="staff, desk") == (200, "editor")
        assert who(X_Forwarded_User="sam@example.com", X_Forwarded_Groups="owners") == (200, "admin")
        assert who(X_Forwarded_User="") == (401, "")
        assert browser.get("/page").status_code == 401, "there is no sign-in page of ours to go to"
        assert browser.get("/metrics").status_code == 401, "whoever comes through the proxy looks like this machine"
        chain = {"X-Forwarded-User": "sam", "X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
        assert browser.get("/api/v1/me", headers=chain).json()["client"] == "203.0.113.9"


def test_a_stranger_with_a_proxys_header_is_nobody(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, method="proxy", users=[], trusted_proxies=["10.9.8.7", "192.168.0.0/24"])
    with small(settings) as site:
        headers = {"X-Forwarded-User": "admin", "X-Forwarded-For": "10.9.8.7"}
        assert site.client().get("/api/v1/me", headers=headers).status_code == 401


def test_whom_no_list_names_may_be_left_out(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, method="proxy", users=[], default_role="none", editors=["ana"])
    with small(settings) as site:
        assert site.client().get("/api/v1/me", headers={"X-Forwarded-User": "sam"}).status_code == 401
        assert site.client().get("/api/v1/me", headers={"X-Forwarded-User": "ana"}).status_code == 200


@pytest.mark.parametrize("told", [True, False], ids=["told", "in parts"])
def test_a_request_that_would_fill_the_memory_is_refused(site: Served, told: bool) -> None:
    """By anybody, whatever it says about its length; the answer is a problem with the usual headers."""
    browser = site.client()
    sign_in_as(browser, "VIEWER")

    def parts() -> Iterator[bytes]:
        yield from (b'{"a": "', *[b"x" * 50_000] * 200, b'"}')

    body: Any = b"".join(parts()) if told else parts()
    answer = browser.post("/api/v1/alerts/2/vote", content=body, headers=WRITE | {"Content-Type": "application/json"})
    assert (answer.status_code, said(answer)["status"]) == (413, 413)
    assert "content-security-policy" in answer.headers
    small_one = browser.post("/api/v1/alerts/2/vote", json={"a": "x" * 1_000_000}, headers=WRITE)
    assert small_one.json() == {"fields": 1}
