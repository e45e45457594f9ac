"""The set-up box of ``/sources``: what is set and does not work is not called set up."""

from __future__ import annotations

import pytest

from heatmap_app.setup_facts import Fact, setup_facts
from pipelines.cache import Fuse, RedisCache
from pipelines.errors import SettingsError
from pipelines.settings import load_settings

SECRET = "geheim-of-redis"
URL = f"redis://:{SECRET}@127.0.0.1:1/0"


def named(name: str, facts: tuple[Fact, ...]) -> Fact:
    (found,) = [fact for fact in facts if fact.name == name]
    return found


async def test_c2_a_dead_redis_is_told_where_people_look() -> None:
    settings = load_settings(mode="live", redis_url=URL)
    cache = RedisCache(URL, "test", Fuse())
    assert named("Cache", setup_facts(settings, cache.health)).standing == "ok", "not asked yet"
    assert await cache.get("reddit") is None
    told = named("Cache", setup_facts(settings, cache.health))
    assert (told.standing, told.line) == (
        "wrong", "Cache off: Redis does not answer. Sources are asked directly, within their limits.",
    )  # fmt: skip
    assert SECRET not in repr(told)
    await cache.aclose()


@pytest.mark.parametrize(("feeds", "says"), [(("https://a.example/feed/",), "1 feed,"), ((), "No feed")])
def test_the_number_of_feeds_reads_well(feeds: tuple[str, ...], says: str) -> None:
    assert named("Trades", setup_facts(load_settings(trades={"feeds": feeds}))).line.startswith(says)


def test_google_is_not_asked_more_often_than_its_feed_changes() -> None:
    with pytest.raises(SettingsError, match=r"trends\.url.*at most every 600 s"):
        load_settings(trends={"poll_seconds": 599})
    assert load_settings(trends={"poll_seconds": 10, "url": "http://127.0.0.1:1"}).trends.poll_seconds == 10
