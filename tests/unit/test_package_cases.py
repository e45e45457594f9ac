"""Twenty stories and what their packages say. ``package`` holds each to every check; here is what is special about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from pipelines.alert.package_chars import clusters, without_isolates
from pipelines.alert.package_model import Package, Story
from pipelines.view import Receipt
from tests.unit.package_kit import NAME, T, everything, package, receipt, reddit, story

LONG = "The Slow and Complicated Return of Winterbourne Ashgrovehall"  # 60 characters
FAMILY = "👩‍👩‍👧‍👦"


@dataclass(frozen=True)
class Case:
    """A story, the angle it must be told as, and what else must hold."""

    story: Story
    angle: str
    check: Callable[[Package], bool]
    careful: bool = False
    unconfirmed: bool = True


def posts(*titles: str, **changes: Any) -> Story:
    """A story of posts on Reddit, one search and one hashtag."""
    extra = [
        receipt("trends", "odalys brightwater", 90),
        receipt("tiktok", "#odalysbrightwater", 40, published_at=None),
    ]
    return replace(story(*reddit(*titles), *extra), spread_count=3, **changes)


def trade(title: str, **changes: Any) -> Receipt:
    return receipt("trades", title, 125, **changes)


WALK_OFF = posts(
    f"{NAME} walks off set mid-scene",
    f"So {NAME} walked off set and nobody knows why",
    f"{NAME} in the sea scene is great",
)
OBIT = (f"{NAME} dies at 61, family says", f"RIP {NAME}", f"Is it true that {NAME} died?")
SUED = (f"{NAME} sued over an unpaid contract", f"The {NAME} lawsuit, explained", f"{NAME} denies everything")

CASES: dict[str, Case] = {
    "the hook of the screen document": Case(
        WALK_OFF,
        "feud",
        lambda p: (
            p.hook
            == "Posts about a walk-off on set have climbed since 11:20 UTC on Reddit, Trends and TikTok; no trade story yet."
        ),
    ),
    "release": Case(
        posts(
            "The Lantern Keepers trailer just dropped",
            "Official trailer: The Lantern Keepers",
            name="The Lantern Keepers",
            kind="film",
        ),
        "release",
        lambda p: "trailer" in p.angle_words and "stills or artwork" in p.asset_cues[0],
    ),
    "award": Case(
        posts(f"{NAME} wins the award for best actress", f"That acceptance speech by {NAME}"),
        "award",
        lambda p: "what is behind the talk" in p.teases[1],
    ),
    "death, from posts": Case(
        posts(*OBIT),
        "death",
        lambda p: (
            ("“dies”" in p.hook or "“died”" in p.hook or "“rip”" in p.hook)
            and "unconfirmed" in p.push
            and "unconfirmed" in p.social
            and "a post on Reddit says" in p.push
        ),
        careful=True,
    ),
    "death, once the trades have it": Case(
        replace(posts(*OBIT), receipts=(*posts(*OBIT).receipts, trade(f"{NAME}, Star of 'Nocturne', Dies at 61"))),
        "death",
        lambda p: (
            p.push == f"“{NAME}, Star of 'Nocturne', Dies at 61”, Variety reports." and "nconfirmed" not in p.social
        ),
        careful=True,
        unconfirmed=False,
    ),
    "death, denied in the trades": Case(
        replace(
            posts(*OBIT), receipts=(*posts(*OBIT).receipts, trade(f"{NAME} Death Hoax: She Is Alive, Says Manager"))
        ),
        "death",
        lambda p: (
            p.hook.endswith("; unconfirmed, and Variety says “hoax”.")
            and "dies" not in p.push
            and any("doubt" in note for note in p.notes)
        ),
        careful=True,
    ),
    "legal": Case(
        posts(*SUED),
        "legal",
        lambda p: "“sued”" in p.hook or "“lawsuit”" in p.hook,
        careful=True,
    ),
    "feud with an accusation": Case(
        posts(
            f"{NAME} called Saint Ferro a liar on air", f"{NAME} doubles down on Saint Ferro", related=("Saint Ferro",)
        ),
        "feud",
        lambda p: p.booking_brief.related == ("Saint Ferro",) and "Saint Ferro" not in "".join(p.lower_third),
        careful=True,
    ),
    "viral clip": Case(
        posts(f"The clip of {NAME} and the goat", f"{NAME} goat video goes viral"),
        "viral",
        lambda p: "whoever posted it" in p.asset_cues[0],
    ),
    "casting": Case(
        posts(f"{NAME} cast as the lead in Nocturne", f"{NAME} replaces Saint Ferro in Nocturne"),
        "casting",
        lambda p: "Talk of a casting" in everything(p) or "talk of a casting" in everything(p),
    ),
    "music": Case(
        posts(
            "Saint Ferro surprise album at midnight",
            "The new Saint Ferro album is out, tour dates too",
            name="Saint Ferro",
            kind="music",
        ),
        "music",
        lambda p: "an album" in p.hook,
    ),
    "box office": Case(
        posts(
            "Nocturne rules the box office with $34 million", "Nocturne box office thread", name="Nocturne", kind="film"
        ),
        "box_office",
        lambda p: "distributor" in p.booking_brief.angles[1],
    ),
    "relationship": Case(
        posts(
            f"{NAME} and Saint Ferro are engaged",
            f"{NAME} confirms the engagement",
            related=("Saint Ferro", "Nobody Known"),
        ),
        "relationship",
        lambda p: p.booking_brief.related == ("Saint Ferro",) and "Nobody Known" not in everything(p),
    ),
    "unknown": Case(
        posts(f"{NAME} in the harbor scene", f"Which {NAME} interview should I start with?"),
        "unknown",
        lambda p: p.angle_words == () and "“" not in p.push + "".join(p.teases),
    ),
    "a name with quotes": Case(
        posts(
            'Marlo "The Moth" Vance wins an award',
            '"Marlo “The Moth” Vance" and the award',
            name='Marlo "The Moth" Vance',
        ),
        "award",
        lambda p: p.lower_third[0] == 'Marlo "The Moth" Vance' and "‘The Moth’" in p.push,
    ),
    "a name with emoji": Case(
        posts(
            f"{FAMILY} Salt Choir album out",
            f"New album by {FAMILY} Salt Choir",
            name=f"{FAMILY} Salt Choir",
            kind="music",
        ),
        "music",
        lambda p: all("\u200d" not in (piece[0], piece[-1]) for piece in clusters(everything(p))),
    ),
    "a name of 60 characters": Case(
        posts(f"{LONG} trailer is here", f"Watch the {LONG} trailer", name=LONG, kind="film"),
        "release",
        lambda p: p.lower_third[0] == "The Slow and Complicated Return…" and LONG in p.social,
    ),
    "right to left": Case(
        posts("سارة النجم album premiere", "سارة النجم في ألبوم جديد", name="سارة النجم", kind="music"),
        "unknown",
        lambda p: p.lower_third[0] == "سارة النجم" and "\u2068سارة النجم\u2069" in p.push,
    ),
    "Chinese": Case(
        posts("林晚晴新專輯上線", "林晚晴 演唱會 門票", name="林晚晴"),
        "unknown",
        lambda p: p.hook.startswith("Posts about 林晚晴 have climbed since 11:20 UTC"),
    ),
    "one receipt only": Case(
        story(receipt("reddit", f"{NAME} wins an award", 20, feed="movies"), spread_count=1),
        "unknown",
        lambda p: "1 mention on Reddit since 13:40 UTC" in p.booking_brief.angles[2] and len(p.receipts) == 1,
    ),
    "one search only, no time": Case(
        story(receipt("trends", "odalys brightwater", 30, published_at=None), spread_count=1),
        "unknown",
        lambda p: p.hook.startswith(f"Searches for {NAME}") and p.receipts[0].age == "seen 30 min ago",
    ),
    "trades first": Case(
        replace(
            WALK_OFF,
            receipts=(*WALK_OFF.receipts, trade(f"{NAME} Walks Off Set", feed="hollywoodreporter.com")),
            trades_first_at=T - timedelta(minutes=125),
        ),
        "feud",
        lambda p: (
            p.hook.endswith("; THR published at 11:55 UTC.") and p.lower_third[1] == "A walk-off on set, THR reports"
        ),
        unconfirmed=False,
    ),
    "a trade story of yesterday": Case(
        replace(
            WALK_OFF,
            receipts=(
                *WALK_OFF.receipts,
                receipt("trades", f"{NAME} Walks Off Set", 20 * 60, feed="hollywoodreporter.com"),
            ),
            trades_first_at=T - timedelta(hours=20),
        ),
        "feud",
        lambda p: "; THR published on " in p.hook and "published at" not in everything(p),
        unconfirmed=False,
    ),
    "a trade story about something else": Case(
        replace(WALK_OFF, receipts=(*WALK_OFF.receipts, trade(f"{NAME} Signs With New Management"))),
        "feud",
        lambda p: "a trade story is out, but this is unconfirmed" in p.hook,
    ),
    "a trade story nobody kept": Case(
        replace(WALK_OFF, trades_first_at=T - timedelta(days=2)),
        "feud",
        lambda p: "No trade story" not in everything(p) and "no trade story" not in everything(p),
    ),
    "a hostile title": Case(
        posts(
            "<!channel> *x* <https://evil|bank> trailer",
            "{{ config }} <!channel> *x* <https://evil|bank> trailer\u202e",
            name="<!channel> *x* <https://evil|bank>",
            kind="film",
        ),
        "release",
        lambda p: p.receipts[0].title.startswith(("<!channel>", "{{ config }}")) and "\u202e" not in everything(p),
    ),
    "no receipt left": Case(
        story(),
        "unknown",
        lambda p: p.receipts == () and p.hook == f"Mentions of {NAME} have climbed; no trade story yet.",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_story_and_its_package(case: Case) -> None:
    done = package(case.story)
    assert (done.angle, done.careful, done.unconfirmed) == (case.angle, case.careful, case.unconfirmed), done.notes
    assert case.check(done), without_isolates(everything(done))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_package_marks_what_is_unconfirmed(case: Case) -> None:
    done = package(case.story)
    for text in (*done.teases, done.push, done.social, done.lower_third[1]):
        marked = any(mark in text.casefold() for mark in ("unconfirmed", "no trade story"))
        assert marked == done.unconfirmed, text


@pytest.mark.parametrize("case", [case for case in CASES.values() if case.careful], ids=lambda case: case.angle)
def test_care_is_taken(case: Case) -> None:
    """No question, no word of it outside a quotation, and only whole headlines quoted."""
    done = package(case.story)
    titles = {item.title for item in case.story.receipts}
    for text in (*done.teases, done.push, done.social, *done.lower_third):
        outside = "".join(part.split("”")[-1] for part in text.split("“"))
        assert not any(word in outside.lower() for word in ("?", "!", "die", "dead", "death", "sue", "lawsuit", "liar"))
        quoted = [part.split("”")[0] for part in text.split("“")[1:]]
        assert all(quote in titles for quote in quoted), text
