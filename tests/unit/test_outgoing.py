"""Which addresses may be connected to, and which of a click's are Slack's."""

from __future__ import annotations

import pytest

from pipelines.alert.addresses import is_slack_url
from pipelines.outgoing import AddressRefusedError, fault_of, is_forbidden, is_private, refuse_peer
from pipelines.settings import load_settings


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("https://rundown.example.com/cards", None),
        ("http://127.0.0.1:8080/x", None),
        ("http://localhost/x", None),
        ("http://[::1]:9/x", None),
        ("http://cards.newsroom.example/x", None),
        ("http://rundown.example.com/cards", "not encrypted"),
        ("http://10.0.0.5/cards", "not encrypted"),
        ("https://10.0.0.5/cards", None),
        ("ftp://example.com/x", "http or https"),
        ("file:///etc/passwd", "http or https"),
        ("gopher://127.0.0.1:6379/_x", "http or https"),
        ("//example.com", "http or https"),
        ("", "http or https"),
        ("https://", "http or https"),
        ("https://[::1", "not a web address"),
        ("https://example.com:99999/", "not a web address"),
        ("https://user:pass@example.com/", "user name"),
        ("https://169.254.169.254/latest/meta-data", "metadata"),
        ("http://169.254.169.254/", "metadata"),
        ("https://[fe80::1]/", "metadata"),
        ("https://[::ffff:169.254.169.254]/", "metadata"),
        ("https://[fd00:ec2::254]/", "metadata"),
        ("https://0.0.0.0/", "metadata"),
        ("https://224.0.0.1/", "metadata"),
    ],
)
def test_written_addresses(url: str, word: str | None) -> None:
    fault = fault_of(url, ["cards.newsroom.example"])
    assert (fault is None) == (word is None), fault
    if fault is not None and word is not None:
        assert word in fault
        assert "pass" not in fault.replace("password", "")


@pytest.mark.parametrize(
    "peer",
    [
        "169.254.169.254",
        "fe80::1%eth0",
        "::ffff:169.254.1.1",
        "100.100.100.200",
        "0.0.0.0",
        "ff02::1",
    ],
)
def test_some_machines_are_never_asked(peer: str) -> None:
    assert is_forbidden(peer)
    with pytest.raises(AddressRefusedError, match="never asked"):
        refuse_peer(peer, private=True)


@pytest.mark.parametrize(
    "peer",
    [
        "127.0.0.1",
        "::1",
        "10.1.2.3",
        "192.168.0.9",
        "172.16.5.5",
        "fd12::1",
        "::ffff:10.0.0.1",
    ],
)
def test_private_machines_only_where_configured(peer: str) -> None:
    assert is_private(peer)
    refuse_peer(peer, private=True)
    with pytest.raises(AddressRefusedError, match="private network"):
        refuse_peer(peer, private=False)


def test_public_machines_may_be_asked() -> None:
    refuse_peer("93.184.216.34", private=False)
    refuse_peer("2606:2800:220:1:248:1893:25c8:1946", private=False)


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://hooks.slack.com/actions/T1/2/x", True),
        ("https://hooks.slack.com:443/actions/T1/2/x", True),
        ("https://slack.com/api/chat.update", True),
        ("http://hooks.slack.com/actions/T1/2/x", False),
        ("https://hooks.slack.com:8443/x", False),
        ("https://hooks.slack.com.evil.example/x", False),
        ("https://evil.example/hooks.slack.com", False),
        ("https://hooks.slack.com@evil.example/", False),
        ("https://evil.example\\@hooks.slack.com/", False),
        ("https://user@hooks.slack.com/", False),
        ("https://evilslack.com/", False),
        ("https://a.slack.com/", False),
        ("http://169.254.169.254/", False),
        ("file:///etc/passwd", False),
        ("https://[::1", False),
        ("https://hooks.slack.com:x/", False),
        ("", False),
    ],
)
def test_only_slack_is_answered(url: str, good: bool) -> None:
    settings = load_settings()
    assert is_slack_url(url, settings) is good
    assert is_slack_url(url, settings.slack) is good


def test_a_stand_in_counts_exactly() -> None:
    slack = load_settings().slack.model_copy(update={"url": "http://127.0.0.1:9999/api/"})
    assert is_slack_url("http://127.0.0.1:9999/actions/x", slack)
    assert not is_slack_url("http://127.0.0.1:9998/actions/x", slack)
    assert not is_slack_url("http://127.0.0.1/actions/x", slack)
    assert not is_slack_url("https://127.0.0.1:9999/actions/x", slack)
    assert is_slack_url("https://hooks.slack.com/actions/x", slack)
