"""Whatever receipts say: no failure, every limit kept, every check passed, every sentence traced."""

from __future__ import annotations

import json
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.alert.package import make_package
from pipelines.alert.package_chars import FIRST_ISOLATE, count_words, inside_quotes, without_isolates
from pipelines.alert.package_checks import problems
from pipelines.alert.package_model import Package, Story
from pipelines.view import Receipt
from tests.unit.package_kit import NAME, T, desk

WORDS = st.sampled_from(
    [NAME, "dies", "lawsuit", "sued", "wins", "award", "trailer", "engaged", "clip", "album", "box office", "cast as", "feud",
     "34", "$12 million", "“quoted”", '"', "‘", "<!channel>", "*x*", "<https://evil|bank>", "{{ name }}", "{% if %}", "None",
     "and", "نجمة", "木兰", "👩‍👩‍👧‍👦", "é́́", "…", "!", "?", "first", "R.I.P.", "liar", "\u202e", "Tom", "nan"]
)  # fmt: skip
TEXT = st.one_of(
    st.text(max_size=80), st.lists(WORDS, max_size=12).map(" ".join), st.text("ab c1.,:…“”\"'", max_size=90)
)
TIMES = st.integers(-100, 4000).map(lambda minutes: T - timedelta(minutes=minutes))
RECEIPTS = st.builds(
    Receipt,
    source=st.sampled_from(["reddit", "trends", "tiktok", "trades"]),
    feed=st.one_of(st.sampled_from(["variety.com", "movies", ""]), st.text(max_size=8)),
    item_id=st.integers(0, 50).map(str),
    title=TEXT,
    url=st.one_of(st.none(), st.text(max_size=20), st.just("https://demo.invalid/1")),
    published_at=st.one_of(st.none(), TIMES),
    observed_at=TIMES,
    engagement=st.one_of(st.none(), st.floats()),
    sentiment=st.none(),
    matched=st.one_of(st.just(""), TEXT),
)
STORIES = st.builds(
    Story,
    name=st.one_of(st.just(NAME), TEXT),
    kind=st.sampled_from(["person", "film", "music", "other"]),
    receipts=st.lists(RECEIPTS, max_size=8).map(tuple),
    related=st.lists(TEXT, max_size=3).map(tuple),
    first_seen=st.one_of(st.none(), TIMES),
    now=st.just(T),
    velocity_z=st.floats(),
    spread_count=st.integers(0, 3),
    trades_first_at=st.one_of(st.none(), TIMES),
    confidence=st.floats(0, 1),
)


def limits_hold(done: Package) -> None:
    assert len(done.teases) == len(set(done.teases)) == 3
    assert all(0 < count_words(tease) <= 15 for tease in done.teases)
    assert 0 < len(done.push) <= 110
    assert 0 < len(done.social) <= 240
    assert len(done.lower_third) == 2
    assert all(0 < len(line) <= 32 for line in done.lower_third)
    assert len(done.booking_brief.angles) == 3
    assert len(done.receipts) <= 3


@settings(max_examples=150, deadline=None)
@given(STORIES)
def test_any_story_makes_a_sound_package(story: Story) -> None:
    done = make_package(story, desk())
    limits_hold(done)
    assert problems(done.texts(), story, desk().words, desk().texts.words) == ()
    ids = {f"{receipt.source}:{receipt.item_id}" for receipt in story.receipts}
    assert all(set(sentence.receipts) <= ids for sentence in done.provenance)
    json.dumps(done.to_dict(), allow_nan=False).encode()


@settings(max_examples=60, deadline=None)
@given(STORIES)
def test_every_text_is_made_of_noted_sentences(story: Story) -> None:
    done = make_package(story, desk())
    for field, lines in done.texts().items():
        noted = [sentence.text for sentence in done.provenance if sentence.where == field]
        for line in lines:
            for sentence in sorted(noted, key=len, reverse=True):
                line = line.replace(sentence, "")  # noqa: PLW2901 # what is left is what nobody noted
            assert not line.strip(" " + FIRST_ISOLATE), (field, line)


@settings(max_examples=60, deadline=None)
@given(STORIES)
def test_where_care_is_needed_no_quote_is_shortened(story: Story) -> None:
    done = make_package(story, desk())
    titles = {inside_quotes(receipt.title) for receipt in story.receipts}
    for text in (*done.teases, done.push, done.social) if done.careful else ():
        quotes = [without_isolates(part.split("”")[0]) for part in text.split("“")[1:]]
        assert set(quotes) <= titles, text
