"""The optional writer over HTTP, against a stand-in: what it sends, and that no failure of its can reach an alert."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from heatmap_app.writer_http import HttpWriter, build_writer
from pipelines.alert.package_writer import rewrite
from pipelines.errors import PermanentError, RateLimitedError, ShapeChangedError, SourceError, TransientError
from pipelines.settings import load_settings
from tests.unit.package_kit import NAME, desk, package, reddit, story
from tests.upstreams import server
from tests.upstreams.writer import FakeWriter

KEY = "sk-test-key"
STORY = story(*reddit(f"The clip of {NAME} and the goat", f"{NAME} goat video goes viral"))


@pytest.fixture
def fake() -> FakeWriter:
    return FakeWriter(KEY)


@pytest.fixture
def upstream(fake: FakeWriter) -> Iterator[server.Upstream]:
    with server.serving(fake.app) as running:
        yield running


def writer(upstream: server.Upstream, key: str = KEY, model: str = "small-writer", timeout_s: float = 5) -> HttpWriter:
    return HttpWriter(f"{upstream.url}/v1/", model, key, timeout_s)


def test_a_rewrite_that_passes_is_used(fake: FakeWriter, upstream: server.Upstream) -> None:
    push = f"{NAME}, a goat and a clip, posts on Reddit say; unconfirmed."
    fake.reply = f"```json\n{json.dumps({'push': push})}\n```"
    done = rewrite(package(STORY), STORY, desk(), writer(upstream))
    assert (done.push, done.notes) == (push, ())
    assert upstream.log[0].headers["authorization"] == f"Bearer {KEY}"
    assert NAME in fake.prompts[0]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (server.too_many("7"), RateLimitedError, "asked to wait 7 s"),
        (server.html(503), TransientError, "HTTP 503"),
        (server.html(200), ShapeChangedError, "not a chat completion"),
        (server.raw(b'{"choices": []}'), ShapeChangedError, "not a chat completion"),
        (server.raw(b"[" * 90_000), ShapeChangedError, "not a chat completion"),
        (server.raw(b'{"choices": [{"message": {"content": null}}]}'), ShapeChangedError, "not a chat completion"),
        (server.raw(b"", status=302, location="http://127.0.0.1:1/"), PermanentError, "HTTP 302"),
        (server.huge(5), ShapeChangedError, "refused"),
        (server.gzip_bomb(20), ShapeChangedError, "refused"),
        (server.reset(), TransientError, "cannot be reached"),
        (server.drip(), TransientError, "within 1 s"),
        (server.silence(), TransientError, "within 1 s"),
    ],
    ids=["429", "503", "html", "no choice", "deep", "null", "redirect", "huge", "bomb", "reset", "drip", "silence"],
)
def test_each_failure_is_said_and_the_package_stays(
    upstream: server.Upstream, answer: server.Answer, error: type[SourceError], words: str
) -> None:
    upstream.plan("/chat", answer, repeat=True)
    ask = writer(upstream, timeout_s=1)
    with pytest.raises(error, match=words):
        ask("a prompt")
    before = package(STORY)
    after = rewrite(before, STORY, desk(), ask)
    assert after.texts() == before.texts()
    assert after.notes[-1].startswith("The writer was not used: writer:")


def test_a_wrong_key_and_a_wrong_model_say_what_to_set(upstream: server.Upstream) -> None:
    with pytest.raises(PermanentError, match="HEATMAP_WRITER__KEY") as caught:
        writer(upstream, key="sk-other")("a prompt")
    assert "sk-other" not in str(caught.value)
    with pytest.raises(PermanentError, match="HEATMAP_WRITER__MODEL"):
        writer(upstream, model="large")("a prompt")


@pytest.mark.parametrize("url", ["nowhere", "ftp://127.0.0.1/", "http://127.0.0.1:1/v1"])
def test_an_address_that_cannot_be_asked(url: str) -> None:
    with pytest.raises(SourceError, match="HEATMAP_WRITER__URL"):
        HttpWriter(url, "m", "", 1)("a prompt")


def test_it_is_off_unless_set(tmp_path: Path) -> None:
    assert build_writer(load_settings(tmp_path / "none")) is None
    env = tmp_path / ".env"
    env.write_text("HEATMAP_WRITER__URL=http://127.0.0.1:1/v1\nHEATMAP_WRITER__KEY=secret\n", encoding="utf-8")
    assert build_writer(load_settings(env)) is not None
