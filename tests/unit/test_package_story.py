"""Telling what happened, and the pieces under the package: cutting, clocks, top receipts, provenance, files."""

from __future__ import annotations

import json
import shutil
import unicodedata
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from pipelines.alert.package import load_desk
from pipelines.alert.package_chars import clusters, count_words, cut, inside_quotes, isolated, plain, plain_name
from pipelines.alert.package_clock import age, clock
from pipelines.alert.package_receipts import top_receipts
from pipelines.alert.package_story import tell
from pipelines.errors import InputError
from pipelines.settings import CONFIG_DIR, ROOT
from tests.unit.package_kit import NAME, T, desk, package, receipt, reddit, story

FAMILY = "👩‍👩‍👧‍👦"


def angle(*titles: str, kind: str = "person", name: str = NAME) -> str:
    return tell(story(*reddit(*titles), kind=kind, name=name), desk().words).angle


def test_counts_are_of_receipts_not_of_words() -> None:
    assert angle("award award awards nominated Oscar", "trailer one", "teaser two") == "release"


def test_ties_and_thin_evidence_are_unknown_and_say_why() -> None:
    tied = tell(story(*reddit("a trailer", "a trailer", "an award", "an award")), desk().words)
    assert (tied.angle, tied.notes) == ("unknown", ("What happened is unknown: award and release are told by 2 each.",))
    thin = tell(story(*reddit("a trailer", "the sea", "the sea again")), desk().words)
    assert thin.angle == "unknown"
    assert thin.notes == ("What happened is unknown: only 1 of 3 receipts speaks of release.",)
    assert angle(*["the sea"] * 28, "a trailer", "a trailer") == "unknown"


def test_one_trade_headline_is_enough() -> None:
    assert tell(story(receipt("trades", "A trailer"), *reddit("the sea")), desk().words).angle == "release"


def test_an_obituary_tells_of_a_death_and_not_of_the_prizes_in_it() -> None:
    assert (
        angle("Dies at 90: winner of an Oscar, star of the sequel", "Oscar winner passed away", "Oscar clips")
        == "death"
    )


def test_the_name_itself_tells_nothing() -> None:
    titles = ("Death Trial Album is great", "Watching Death Trial Album")
    told = tell(story(*reddit(*titles), name="Death Trial Album", kind="film"), desk().words)
    assert (told.angle, told.careful) == ("unknown", False)
    by_alias = [receipt("reddit", "the dead boys club", 9, i, matched="The Dead Boys Club") for i in range(2)]
    assert not tell(story(*by_alias), desk().words).careful


def test_the_name_of_another_work_is_no_arrest() -> None:
    titles = (f"{NAME} on the Arrested Harbor movie", f"{NAME} back in Arrested Harbor")
    assert angle(*titles) == "legal"
    told = tell(story(*reddit(*titles), related=("Arrested Harbor",)), desk().words)
    assert (told.angle, told.careful) == ("unknown", False)


def test_hints_alone_tell_nothing_but_grave_ones_ask_for_care() -> None:
    hinted = tell(story(*reddit("a great drama fight", "what a fight")), desk().words)
    assert (hinted.angle, hinted.notes) == ("unknown", ("What happened is unknown: feud is only hinted at.",))
    assert tell(story(*reddit("a shock death", "so dead", "the sea")), desk().words).careful
    assert not tell(story(*reddit("a shock death", "the sea")), desk().words).careful


def test_a_film_does_not_die_but_two_such_posts_ask_for_care() -> None:
    assert angle("Who dies in it", "Everybody died", kind="film") == "unknown"
    assert tell(story(*reddit("Who dies in it", "Everybody died"), kind="film"), desk().words).careful
    assert not tell(story(*reddit("Who dies in it", "the sea"), kind="film"), desk().words).careful
    assert tell(story(*reddit("I died laughing", "the sea")), desk().words).careful


def test_words_are_shown_as_they_stand_in_the_receipts() -> None:
    told = tell(story(*reddit(f"{NAME} R.I.P.", f"R.I.P. {NAME}", f"{NAME} dies")), desk().words)
    assert (told.angle, told.words) == ("death", ("r.i.p", "dies"))
    assert "“r.i.p”" in package(story(*reddit(f"{NAME} R.I.P.", f"R.I.P. {NAME}"))).hook


def test_top_receipts_are_one_per_platform_and_of_the_angle() -> None:
    made = story(
        *reddit(f"{NAME} trailer", f"{NAME} by the sea"),
        receipt("reddit", "Trailer!", 5, engagement=float("nan")),
        receipt("trends", "odalys", published_at=None, url="javascript:alert(1)"),
        receipt("tiktok", "#odalys", url="https://evil|x"),
        receipt("trades", f"{NAME} Trailer", 30),
    )
    top = top_receipts(made, tell(made, desk().words), desk().words)
    assert [(one.platform, one.title) for one in top] == [
        ("Reddit", f"{NAME} trailer"), ("Trends", "odalys"), ("TikTok", "#odalys"),
    ]  # fmt: skip
    assert [one.link for one in top] == ["https://demo.invalid/1", None, None]
    assert (top[1].age, top[1].published) == ("seen 60 min ago", False)
    two = story(*made.receipts[:2], made.receipts[-1])
    assert [one.platform for one in package(two).receipts] == ["Reddit", "Variety", "Reddit"]


def test_every_sentence_says_which_receipts_it_rests_on() -> None:
    made = story(*reddit(f"{NAME} trailer", f"The {NAME} trailer, again"), receipt("trends", "odalys"))
    done = package(made)
    by_text = {sentence.text: sentence.receipts for sentence in done.provenance}
    quoting = next(text for text in by_text if text.startswith("What is said"))
    assert by_text[quoting] == (f"reddit:{made.receipts[0].item_id}",)
    assert set(by_text[done.hook]) == {f"{one.source}:{one.item_id}" for one in made.receipts}
    assert all(sentence.receipts for sentence in done.provenance if sentence.where != "angles")
    again = json.loads(json.dumps(done.to_dict()))
    assert again["booking_brief"]["angles"] == list(done.booking_brief.angles)
    assert again["receipts"][0]["at"].endswith("+00:00")


def test_since_is_the_first_sight_only_where_that_is_recent() -> None:
    recent = story(*reddit(f"{NAME} by the sea"), first_seen=T - timedelta(hours=15))
    assert "since 2 May, 23:00 UTC" in package(recent).hook
    assert "since 11:20 UTC" in package(story(*reddit("the sea"), first_seen=T - timedelta(days=40))).hook
    assert "have appeared since" in package(story(*reddit("the sea"), velocity_z=0.2)).hook
    assert "climbing" not in "".join(package(story(*reddit("the sea"), velocity_z=float("nan"))).teases)


@pytest.mark.parametrize(
    ("text", "room", "expected"),
    [
        ("Odalys Brightwater", 18, "Odalys Brightwater"),
        ("Odalys Brightwater", 17, "Odalys…"),
        ("The War and the Peace", 15, "The War…"),
        ("Supercalifragilistic", 8, "Superca…"),
        (f"ab{FAMILY}{FAMILY}", 12, f"ab{FAMILY}…"),
        (f"ab{FAMILY}{FAMILY}", 7, "ab…"),
        ("Zoe\u0308e", 4, "Zo…"),
        ("🇩🇪🇫🇷🇮🇹", 4, "🇩🇪…"),
        ("👋🏽👋🏽", 3, "👋🏽…"),
        ("林晚晴新專輯上線", 5, "林晚晴新…"),
        ("a", 0, ""),
    ],
)  # fmt: skip
def test_cutting_keeps_words_and_letters_whole(text: str, room: int, expected: str) -> None:
    assert cut(text, room) == expected


def test_cutting_by_words() -> None:
    assert cut("a b c d e f", 100, 4) == "a b c d…"
    assert count_words(cut("x/y/z/" * 20, 300, 5)) <= 5
    assert max(map(len, clusters("👩" + "\u200d👩" * 500))) <= 16


def test_cleaning() -> None:
    assert plain("a\x00b\u202ec\nd\ud800 \u200b e") == "a bc d e"
    assert plain("Z" + "\u0301" * 50).count("\u0301") <= 4
    assert plain(f" {FAMILY} ") == FAMILY
    assert inside_quotes('He said "no", “yes”') == "He said ‘no’, ‘yes’"
    assert plain_name("“Weird” One") == '"Weird" One'
    assert isolated("سارة") == "\u2068سارة\u2069"
    assert unicodedata.is_normalized("NFC", plain("e\u0301"))


def test_clocks() -> None:
    assert clock(T.astimezone(timezone(timedelta(hours=9))), T) == "14:00 UTC"
    assert clock(T - timedelta(days=1), T) == "2 May, 14:00 UTC"
    ages = [age(T - timedelta(minutes=minutes), T) for minutes in (-5, 0.5, 34, 126, 4320)]
    assert ages == ["just now", "just now", "34 min ago", "2.1 h ago", "3 days ago"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{{ subject }} {{ topic }}", "{{ subject }} {{ whom }}", "[default] hook: '{{ whom"),
        ("{{ subject }} {{ topic }}", "{{ subject }} {{ topic", "[default] hook"),
        ("[award]", "[prize]", "[prize] is no angle"),
        ("\npush = [", "\npusch = [", "[default] pusch: there is no such slot"),
        ("{{ short }} {{ rising }}. {{ Mark }}.", "{{ name }} {{ rising }}.", "[default] push: the last variant"),
        ("{{ short }}: still", "{{ short }}{{ cut }}", "one value only"),
        ("push = [", "push = [\n    7,", "push"),
        ("{{ subject }} {{ topic }}", "{{ short.__class__ }}", "only text and {{ value }}"),
        ("{{ subject }} {{ topic }}", "{% for x in range(9) %}{% endfor %}", "only text and {{ value }}"),
        ("[default]", "[default", "package_texts.toml"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_templates_names_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (ROOT / "assets" / "package_texts.toml").read_text(encoding="utf-8")
    changed = text.replace("{{ short }}: {{ mark }}.", "{{ short }}: still {{ mark }}.").replace(old, new, 1)
    (tmp_path / "package_texts.toml").write_text(changed, encoding="utf-8")
    with pytest.raises(InputError, match=r"package_texts\.toml") as caught:
        load_desk(CONFIG_DIR, tmp_path)
    assert message.replace("'{{ whom", "") in str(caught.value)


@pytest.mark.parametrize("new", ["least = two", 'least = 2\n"x" = 1', "[rules]\nleast = 2"])
def test_a_mistake_in_the_words_names_the_file(tmp_path: Path, new: str) -> None:
    shutil.copy(CONFIG_DIR / "package_words.toml", tmp_path)
    path = tmp_path / "package_words.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("least = 2", new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"package_words\.toml"):
        load_desk(tmp_path, ROOT / "assets")
