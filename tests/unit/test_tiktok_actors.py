"""The adapter table: every actor's rows become the same items."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ingest.clean import items_frame
from pipelines.ingest.tiktok_actors import ACTORS, adapter_for
from pipelines.ingest.tiktok_rows import Mapped, map_rows
from pipelines.model import Outcome

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def one(actor: str, row: dict[str, Any]) -> Mapped:
    adapter = adapter_for(actor)
    assert adapter is not None
    mapped = map_rows(adapter, [row])
    assert not mapped.unknown
    return mapped.rows[0]


TAG = "https://www.tiktok.com/tag/"
HASHTAGS: dict[str, dict[str, Any]] = {
    "clockworks/tiktok-trends-scraper": {
        "type": "hashtag", "name": "saltwind", "videoCount": 1200, "viewCount": 9_000_000, "rank": 4, "rankDiff": 1,
        "url": TAG + "saltwind",
    },
    "data_xplorer/tiktok-trends": {
        "Rank": 4, "Hashtag": "#saltwind", "Country Code": "US", "Posts": 1200, "Video Views": 9_000_000,
        "Trend Direction": "up", "Industries": "News & Entertainment", "TikTok URL": TAG + "saltwind",
    },
    "automation-lab/tiktok-trends-scraper": {
        "trendType": "hashtag", "hashtag": "saltwind", "rank": 4, "posts": "1.2K", "views": "9M",
        "source": "Creative Center", "rankingScope": "country", "isFormalRanking": True, "url": TAG + "saltwind",
    },
    "automation-lab/tiktok-creative-center-scraper": {
        "hashtag": "#saltwind", "rank": 4, "posts": 1200, "views": 9_000_000, "category": "News",
    },
    "doliz/tiktok-creative-center-scraper": {
        "BaseResp": {"StatusCode": 0}, "pagination": {"hasMore": False},
        "items": [{"hashtagID": "77", "hashtagName": "saltwind", "rankIndex": 4, "publishCnt": 1200, "vv": 9_000_000}],
    },
    "w3crawler/tiktok-hashtag-trends-scraper": {
        "hashtagId": "77", "hashtag": "saltwind", "rank": 4, "countryCode": "US", "periodDays": 7, "postCount": 1200,
        "videoViews": 9_000_000, "hashtagUrl": TAG + "saltwind",
    },
    "khadinakbar/tiktok-trending-hashtags-scraper": {"hashtag": "saltwind", "rank": 4, "posts": 1200, "views": 9e6},
    "parsebird/tiktok-trends-scraper": {"hashtagName": "saltwind", "rank": "4", "postCount": "1,200"},
    "symphonic_mullite/tiktok-creative-center-trends": {
        "type": "hashtag", "name": "saltwind", "rank": 4, "posts": 1200,
    },
}  # fmt: skip


@pytest.mark.parametrize("actor", sorted(ACTORS))
def test_a_hashtag_is_the_same_item_whoever_brings_it(actor: str) -> None:
    assert one(actor, HASHTAGS[actor]) == Mapped(
        item_id="hashtag:saltwind",
        feed="hashtag",
        title="#saltwind",
        names=["saltwind"],
        url=TAG + "saltwind",
        engagement=1200.0,
        rank=4,
        published_at=None,
    )


@pytest.mark.parametrize("actor", sorted(ACTORS))
def test_every_input_names_country_and_size(actor: str) -> None:
    asked = ACTORS[actor].build("US", 40)
    assert "US" in asked.values()
    assert {20, 40} & set(asked.values())
    assert len(str(asked)) < 1000


def test_an_actor_id_may_be_written_as_in_an_address() -> None:
    assert adapter_for("clockworks~tiktok-trends-scraper") is ACTORS["clockworks/tiktok-trends-scraper"]
    assert adapter_for("nobody/nothing") is None


def test_sounds_creators_and_videos_of_clockworks() -> None:
    actor = "clockworks/tiktok-trends-scraper"
    sound = one(actor, {"type": "sound", "name": "Night Ferry", "author": "Juno Halloway", "rank": 2})
    assert (sound["item_id"], sound["title"]) == ("sound:night ferry|juno halloway", "Night Ferry - Juno Halloway")
    assert sound["names"] == ["Night Ferry", "Juno Halloway"]
    clip = one(actor, {"type": "sound", "name": "original sound", "author": "Juno Halloway"})
    assert clip["names"] == ["Juno Halloway"]
    creator = one(actor, {"type": "creator", "name": "Juno", "url": "https://www.tiktok.com/@juno.h?x=1"})
    assert (creator["item_id"], creator["names"]) == ("creator:juno.h", ["Juno"])
    link = "https://www.tiktok.com/@a/video/88?lang=en"
    video = one(actor, {"type": "video", "name": "at the #NightFerry! premiere", "url": link})
    assert (video["item_id"], video["names"]) == ("video:88", ["NightFerry"])


def test_a_video_of_data_xplorer_has_its_time_and_author() -> None:
    created = datetime(2026, 11, 6, 16, 0, tzinfo=UTC)
    row = {"Video Rank": 1, "Title": "clip", "Author": "Orrin Vale", "Video ID": 88, "Views": "2.1M"}
    for written in (
        created.timestamp(),
        created.timestamp() * 1000,
        str(int(created.timestamp())),
        created.isoformat(),
    ):
        video = one("data_xplorer/tiktok-trends", row | {"Create Time": written})
        assert (video["item_id"], video["engagement"], video["names"]) == ("video:88", 2_100_000.0, ["Orrin Vale"])
        assert video["published_at"] == created


def test_a_row_without_a_type_is_known_by_its_columns() -> None:
    row = {"name": "saltwind", "rank": 1, "rankDiff": None, "videoCount": 5}
    assert one("clockworks/tiktok-trends-scraper", row)["item_id"] == "hashtag:saltwind"


def test_zero_posts_mean_unknown_when_views_are_there() -> None:
    row = {"Hashtag": "a", "Rank": 1, "Posts": 0, "Video Views": 7}
    assert one("data_xplorer/tiktok-trends", row)["engagement"] == 7
    assert one("data_xplorer/tiktok-trends", {"Hashtag": "a", "Posts": 0, "Video Views": 0})["engagement"] == 0


def test_an_item_listed_twice_keeps_its_better_place() -> None:
    adapter = ACTORS["data_xplorer/tiktok-trends"]
    mapped = map_rows(adapter, [{"Hashtag": "A", "Rank": 9}, {"Hashtag": "#a", "Rank": 2}, {"Hashtag": "a"}])
    assert [(row["item_id"], row["rank"]) for row in mapped.rows] == [("hashtag:a", 2)]


def test_what_is_not_understood_is_kept_and_shared_out() -> None:
    adapter = ACTORS["data_xplorer/tiktok-trends"]
    rows = [{"Hashtag": f"t{n}", "Rank": n} for n in range(1, 7)]
    mapped = map_rows(adapter, [*rows, {"Hashtag": ""}, {"Hashtag": "#"}, {"Neu": "Form"}, None, {"error": "x"}])
    assert (len(mapped.rows), len(mapped.unknown), len(mapped.errors)) == (6, 4, 1)
    assert mapped.unknown_share == 0.4
    assert '"Hashtag": ""' in mapped.sample
    assert map_rows(adapter, [{"Neu": "half an emoji \ud83d \x00"}]).sample == '{"Neu": "half an emoji ? \\u0000"}'
    assert mapped.trouble("hashtag", 100) is None
    assert [(report.feed, report.outcome) for report in mapped.reports()] == [("hashtag", Outcome.OK)]


@pytest.mark.parametrize(
    ("rows", "asked", "words"),
    [
        ([], 100, "empty"), ([{"error": "x"}], 100, "1 error rows"), ([{"Hashtag": "a"}], 100, "only 1 hashtags"),
        ([{"Hashtag": "a"}], 3, None), ([{"Video ID": 1, "Title": "t"}] * 9, 100, "only 0 hashtags"),
    ],
)  # fmt: skip
def test_what_counts_as_trouble(rows: list[Any], asked: int, words: str | None) -> None:
    trouble = map_rows(ACTORS["data_xplorer/tiktok-trends"], rows).trouble("hashtag", asked)
    assert trouble is None if words is None else words in str(trouble)


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
columns = st.sampled_from(
    [
        "type",
        "name",
        "rank",
        "url",
        "id",
        "author",
        "error",
        "items",
        "videoCount",
        "viewCount",
        "createTime",
        "hashtag",
    ]
)


some_rows = st.lists(st.dictionaries(columns, anything, max_size=8) | anything, max_size=6)


@given(rows=some_rows, actor=st.sampled_from(sorted(ACTORS)))
def test_no_row_whatever_it_holds_breaks_the_mapping(rows: list[Any], actor: str) -> None:
    mapped = map_rows(ACTORS[actor], rows)
    frame, _ = items_frame(mapped.rows, NOW, "tiktok")
    assert frame["item_id"].n_unique() == frame.height
    mapped.sample.encode("utf-8")
