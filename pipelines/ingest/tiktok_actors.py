"""What each Apify actor for TikTok trends wants as input and calls its columns: one table, one row an actor.

To support another actor, add an :class:`~pipelines.ingest.tiktok_rows.Adapter` to :data:`ACTORS`. Columns are those the
actors' pages and changelogs showed in autumn 2026; an actor may change them with any build, which is why rows nobody
understands are counted, kept, and past a fifth of a run quarantine it.
"""

from __future__ import annotations

from typing import Any

from pipelines.ingest.tiktok_rows import Adapter, Feed, Fields

VIDEO_COUNTRIES = frozenset({"US", "JP", "VN", "TH", "ID"})
"""Where Creative Center still lists videos."""

_POSTS_THEN_VIEWS = ("videoCount", "postCount", "posts", "publishCnt", "viewCount", "videoViews", "views", "vv")


def _clockworks_input(country: str, limit: int) -> dict[str, Any]:
    # sounds and creators left Creative Center in July 2026: asking for them only buys error rows
    videos = country in VIDEO_COUNTRIES
    return {
        "adsCountryCode": country,
        "adsTimeRange": "7",
        "resultsPerPage": limit // 2 if videos else limit,
        "adsScrapeHashtags": True,
        "adsScrapeSounds": False,
        "adsScrapeCreators": False,
        "adsScrapeVideos": videos,
        **({"adsVideosCountryCode": country} if videos else {}),
    }


def _data_xplorer_input(country: str, limit: int) -> dict[str, Any]:
    return {"trendType": "hashtags", "countryCode": country, "hashtagPeriod": "7", "maxItems": limit}


def _automation_lab_input(country: str, limit: int) -> dict[str, Any]:
    return {"trendType": "hashtag", "countryCode": country, "period": 7, "maxResults": limit}


def _automation_center_input(country: str, limit: int) -> dict[str, Any]:
    return {"countryCode": country, "period": 7, "maxItems": limit}


def _doliz_input(country: str, limit: int) -> dict[str, Any]:
    return {"countryCode": country, "timeRange": 7, "page": 1, "limit": min(limit, 20)}


def _period_days_input(country: str, limit: int) -> dict[str, Any]:
    return {"countryCode": country, "periodDays": 7, "maxItems": limit}


_CLOCKWORKS = Adapter(
    build=_clockworks_input,
    lists={
        "hashtag": Fields(name=("name",), engagement=_POSTS_THEN_VIEWS),
        "sound": Fields(name=("name",), author=("author",), engagement=("videoCount",)),
        "creator": Fields(name=("name",), engagement=("followerCount", "likedCount"), id=("uniqueId", "handle")),
        "video": Fields(name=("name",), engagement=("viewCount", "likedCount"), created=("createTime",)),
    },
    # hashtag rows may come without a type
    marks={"videoCount": "hashtag", "rankDiff": "hashtag", "industryName": "hashtag", "isPromoted": "hashtag"},
)

_DATA_XPLORER = Adapter(
    build=_data_xplorer_input,
    lists={
        "hashtag": Fields(
            name=("Hashtag",), engagement=("Posts", "Video Views"), rank=("Rank",), url=("TikTok URL",), id=()
        ),
        "video": Fields(
            name=("Title",),
            engagement=("Views",),
            rank=("Video Rank",),
            url=("Video TikTok URL", "TikTok URL"),
            id=("Video ID",),
            author=("Author",),
            created=("Create Time",),
        ),
    },
    type_keys=(),
    marks={"Hashtag": "hashtag", "Video Rank": "video", "Video ID": "video"},
)

_AUTOMATION_LAB = Adapter(
    build=_automation_lab_input,
    lists={
        "hashtag": Fields(name=("hashtag", "name"), engagement=_POSTS_THEN_VIEWS, url=("hashtagUrl", "url")),
        "sound": Fields(
            name=("name", "soundName"),
            author=("soundAuthor", "author"),
            engagement=("publishedVideoCount", "videoCount"),
            url=("soundUrl", "url", "linkedVideoUrl"),
            id=("soundId",),
        ),
        "creator": Fields(
            name=("name", "nickName"),
            engagement=("followerCount", "followers"),
            url=("profileUrl", "url"),
            id=("uniqueId", "handle", "username"),
        ),
        "video": Fields(
            name=("title", "description", "name"),
            engagement=("viewCount", "views", "playCount"),
            url=("videoUrl", "url"),
            id=("videoId", "id"),
            author=("author", "authorName"),
            created=("createTime",),
        ),
    },
    marks={"soundId": "sound", "soundAuthor": "sound", "videoId": "video", "followerCount": "creator",
           "hashtag": "hashtag", "videoCount": "hashtag", "posts": "hashtag"},
)  # fmt: skip

_TIKTOK_ONE = Adapter(  # the reply of TikTok's own page, passed on as it is
    build=_doliz_input,
    lists={
        "hashtag": Fields(
            name=("hashtagName", "hashtag_name"),
            engagement=("publishCnt", "publish_cnt", "vv", "video_views"),
            rank=("rankIndex", "rank"),
            url=(),
            id=("hashtagID", "hashtag_id"),
        )
    },
    type_keys=(),
    marks={"hashtagName": "hashtag", "hashtag_name": "hashtag"},
)

_W3CRAWLER = Adapter(
    build=_period_days_input,
    lists={
        "hashtag": Fields(
            name=("hashtag",), engagement=("postCount", "videoViews"), url=("hashtagUrl",), id=("hashtagId",)
        )
    },
    type_keys=(),
    marks={"hashtag": "hashtag", "hashtagId": "hashtag"},
)

_COMMON = Adapter(  # the shape most of the smaller actors share
    build=_period_days_input,
    lists={
        "hashtag": Fields(
            name=("hashtag", "hashtagName", "name"),
            engagement=_POSTS_THEN_VIEWS,
            rank=("rank", "position"),
            url=("hashtagUrl", "url", "tiktokUrl"),
        ),
        "video": Fields(
            name=("title", "description", "caption"),
            engagement=("viewCount", "views", "playCount"),
            url=("videoUrl", "url"),
            id=("videoId", "id"),
            author=("author", "authorName"),
            created=("createTime", "createdAt"),
        ),
    },
    marks={"hashtag": "hashtag", "hashtagName": "hashtag", "videoId": "video"},
)

ACTORS: dict[str, Adapter] = {
    "clockworks/tiktok-trends-scraper": _CLOCKWORKS,
    "data_xplorer/tiktok-trends": _DATA_XPLORER,
    "automation-lab/tiktok-trends-scraper": _AUTOMATION_LAB,
    "automation-lab/tiktok-creative-center-scraper": Adapter(
        build=_automation_center_input,
        lists=_AUTOMATION_LAB.lists,
        type_keys=_AUTOMATION_LAB.type_keys,
        marks=_AUTOMATION_LAB.marks,
    ),
    "doliz/tiktok-creative-center-scraper": _TIKTOK_ONE,
    "w3crawler/tiktok-hashtag-trends-scraper": _W3CRAWLER,
    "khadinakbar/tiktok-trending-hashtags-scraper": _COMMON,
    "parsebird/tiktok-trends-scraper": _COMMON,
    "symphonic_mullite/tiktok-creative-center-trends": _COMMON,
}
"""Every actor this product can run, by id. ``PRIMARY`` is the list each of them is asked for first."""

PRIMARY: Feed = "hashtag"


def adapter_for(actor: str) -> Adapter | None:
    """The adapter of ``actor`` (``user/name`` or ``user~name``), or None when it is not in the table."""
    return ACTORS.get(actor.strip().replace("~", "/"))
