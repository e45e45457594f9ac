"""What stops a start: each a line that names the variable, never its value (G1). And the users' command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from heatmap_app.auth.checks import check_auth, notice
from heatmap_app.auth.passwords import check, read_users
from heatmap_app.auth.place import place_of
from pipelines.errors import SettingsError
from tests.contract.security_kit import PASSWORD, settings_with
from tests.processes import heatmap


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"host": "0.0.0.0", "method": "none"}, ("HEATMAP_AUTH__METHOD", "loopback")),
        ({"host": "::", "method": "none"}, ("HEATMAP_AUTH__METHOD",)),
        ({"host": "192.0.2.1", "method": "none"}, ("HEATMAP_AUTH__METHOD",)),
        ({"cookie_secret": ""}, ("HEATMAP_AUTH__COOKIE_SECRET", "32")),
        ({"cookie_secret": "s3cret" * 5}, ("HEATMAP_AUTH__COOKIE_SECRET", "32")),
        ({"users": []}, ("heatmap users add", "HEATMAP_AUTH__USERS")),
        ({"users": ["ana:boss:s3cret"]}, ("HEATMAP_AUTH__USERS", "role")),
        ({"users": ["ana:viewer:s3cret"]}, ("HEATMAP_AUTH__USERS", "argon2")),
        ({"users": ["s3cret"]}, ("HEATMAP_AUTH__USERS",)),
        ({"wall_token": "s3cret"}, ("HEATMAP_AUTH__WALL_TOKEN", "20")),
        ({"metrics_token": "s3cret"}, ("HEATMAP_AUTH__METRICS_TOKEN", "20")),
        ({"method": "proxy", "trusted_proxies": []}, ("HEATMAP_AUTH__TRUSTED_PROXIES",)),
        ({"method": "proxy", "trusted_proxies": ["0.0.0.0/0"]}, ("HEATMAP_AUTH__TRUSTED_PROXIES",)),
        ({"method": "proxy", "trusted_proxies": ["nginx"]}, ("HEATMAP_AUTH__TRUSTED_PROXIES",)),
        ({"method": "oidc"}, ("HEATMAP_AUTH__OIDC_ISSUER",)),
        ({"method": "oidc", "oidc_issuer": "https://a.example"}, ("HEATMAP_AUTH__OIDC_CLIENT_ID",)),
        (
            {"method": "oidc", "oidc_issuer": "https://a.example", "oidc_client_id": "x"},
            ("HEATMAP_AUTH__OIDC_CLIENT_SECRET",),
        ),
        (
            {"method": "oidc", "oidc_issuer": "https://a.example", "oidc_client_id": "x", "oidc_client_secret": "y",
             "host": "0.0.0.0"},
            ("HEATMAP_PUBLIC_URL",),
        ),
    ],
)  # fmt: skip
def test_g1_a_sign_in_that_cannot_work_stops_the_start(
    tmp_path: Path, more: dict[str, Any], words: tuple[str, ...]
) -> None:
    with pytest.raises(SettingsError) as caught:
        check_auth(settings_with(tmp_path, **more))
    text = str(caught.value)
    assert all(word in text for word in words)
    assert "\n" not in text
    assert "s3cret" not in text


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "0.0.0.0"])
def test_a_complete_sign_in_starts_anywhere(tmp_path: Path, host: str) -> None:
    settings = settings_with(tmp_path, host=host)
    check_auth(settings)
    assert place_of(settings, 5006).knows("127.0.0.1:5006")


def test_what_is_said_at_the_start(tmp_path: Path) -> None:
    def said(**more: Any) -> str:
        settings = settings_with(tmp_path, **more)
        return notice(settings, place_of(settings, 5006))

    assert said(method="none") == ""
    assert said(method="none", public_url="http://localhost:5006") == ""
    assert "Slack only" in said(method="none", public_url="https://heat.example.com")
    assert "plain http" in said(host="0.0.0.0")
    assert said(public_url="https://heat.example.com") == ""


def test_g1_serve_says_one_line_and_leaves(tmp_path: Path) -> None:
    done = heatmap("serve", var=tmp_path, settings={"MODE": "demo", "HOST": "0.0.0.0", "AUTH__METHOD": "password",
                                                      "AUTH__COOKIE_SECRET": "s3cret"})  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "HEATMAP_AUTH__COOKIE_SECRET" in done.stderr
    assert "s3cret" not in done.stderr + done.stdout
    assert list(tmp_path.iterdir()) == []


def test_users_are_made_by_command_and_never_show_a_password(tmp_path: Path) -> None:
    import subprocess
    import sys

    from tests.processes import ROOT, environment

    def run(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "heatmap_app", "users", *arguments], env=environment(tmp_path, {}), cwd=ROOT,
            input=typed, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    made = run("add", "Ana", "--role", "editor", typed=PASSWORD + "\n")
    assert made.returncode == 0, made.stderr
    assert PASSWORD not in made.stdout + made.stderr
    file = tmp_path / "users"
    assert file.stat().st_mode & 0o077 == 0
    account = read_users(file)["user:ana"]
    assert account.user.role == "editor"
    assert check(account, PASSWORD)
    assert not check(account, PASSWORD + "x")
    assert not check(None, PASSWORD)
    short = run("add", "Sam", typed="short\n")
    assert short.returncode == 1
    assert "10 to 1000" in short.stderr
    assert run("remove", "ANA").returncode == 0
    assert read_users(file) == {}
