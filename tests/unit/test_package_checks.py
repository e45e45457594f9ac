"""The checks find what they are there for: each bad text is a good one with one thing wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.alert.package_checks import problems
from pipelines.alert.package_model import Story
from tests.unit.package_kit import NAME, desk, package, receipt, reddit, story

CLIP = story(
    *reddit(f"The clip of {NAME} and the goat has 12 million views", f"{NAME} and Saint Ferro in a viral clip"),
    receipt("tiktok", "#odalysbrightwater"),
    related=("Saint Ferro",),
)
SUED = story(*reddit(f"{NAME} sued over an unpaid contract", f"The {NAME} lawsuit, explained"))


def found(field: str, *lines: str, of: Story = CLIP) -> str:
    return " / ".join(problems({field: lines}, of, desk().words, desk().texts.words))


def test_a_good_text_passes() -> None:
    good = f"{NAME} and Saint Ferro: a clip with 12 million views, posts on Reddit say; unconfirmed."
    assert found("push", good) == ""
    assert found("social", f"Brightwater is climbing on Reddit and TikTok. {good}") == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Brightwater and Tom Ellery in a clip; unconfirmed.", "a name in no receipt: Tom"),
        ("Tom and the goat; unconfirmed.", "a name in no receipt: Tom"),
        ("Odalys Ferro and the goat; unconfirmed.", "a name in no receipt: Odalys Ferro"),
        ("See Odalys Ferro and the goat; unconfirmed.", "a name in no receipt: Odalys Ferro"),
        ("See the clip in Лондон; unconfirmed.", "a name in no receipt: Лондон"),
        ("See the clip, 14 million views; unconfirmed.", "a figure in no receipt: 14 million"),
        ("See the clip, $12 million; unconfirmed.", "a figure in no receipt: $12 million"),
        ("See the clip, 12 views; unconfirmed.", "a figure in no receipt: 12"),
        ("See the clip, thousands did; unconfirmed.", "a figure in no receipt: thousands"),
        ("See the clip of {name} and  the goat; unconfirmed.", "doubled"),
        ("See the clip of {name} , unconfirmed.", "doubled"),
        ("See the clip of {name},. unconfirmed", "doubled"),
        ("A clip of {name} and, unconfirmed.", "a loose end: 'and'"),
        ("Unconfirmed: a clip by", "a loose end: 'by'"),
        ("A clip of None, unconfirmed.", "an empty place"),
        ("A clip of {{ name }}, unconfirmed.", "an empty place"),
        ("“” is what a post says; unconfirmed.", "quotes what no receipt says"),
        ("“The goat clip is great”, a post says; unconfirmed.", "quotes what no receipt says"),
        ("“The clip of {name}, a post says; unconfirmed.", "quotation mark"),
        ('"The clip" of {name}; unconfirmed.', "quotation mark"),
        ("A clip of {name}, unconfirmed!", "exclamation"),
        ("A clip of {name}, unconfirmed: https://evil.example", "a link"),
        ("A clip of {name}, unconfirmed. <!channel>", "a link"),
        ("A clip of {name}, unconfirmed. #goat", "a link"),
        ("A clip of {name} is going round.", "does not say that it is unconfirmed"),
        ("{name} was arrested, posts say; unconfirmed.", "speaks of legal, which no receipt does"),
        ("{name} is engaged, posts say; unconfirmed.", "speaks of relationship, which no receipt does"),
        ("{name} is a liar, posts say; unconfirmed.", "accuses"),
        ("", "an empty text"),
        ("A clip, unconfirmed. " + "So it goes. " * 9 + "Yes.", "more than 110"),
    ],
)  # fmt: skip
def test_a_bad_push_is_found_out(text: str, reason: str) -> None:
    problem = found("push", text.replace("{name}", NAME))
    assert reason in problem
    assert bool(reason) == bool(problem)


def test_teases_are_counted() -> None:
    one = f"{NAME} and the clip, unconfirmed."
    assert "1 texts, not 3" in found("teases", one)
    assert "the same text twice" in found("teases", one, one, f"See {one}")
    assert "words, more than 15" in found("teases", one, f"See {one}", "Unconfirmed: " + "so it goes " * 5)
    assert "there is no such field" in found("teaser", one)


def test_the_lower_third_says_that_it_is_unconfirmed() -> None:
    assert "does not say" in found("lower_third", NAME, "In a viral clip")
    assert found("lower_third", NAME, "A viral clip, unconfirmed") == ""
    assert "more than 32" in found("lower_third", NAME, "A viral clip with the goat, unconfirmed")


def test_an_accusation_is_attributed_and_not_a_question() -> None:
    assert "states legal without saying who says so" in found("push", f"{NAME} is sued; unconfirmed.", of=SUED)
    assert found("push", f"{NAME} is sued, a post on Reddit says; unconfirmed.", of=SUED) == ""
    asked = f"Is {NAME} sued, as a post says? Unconfirmed."
    assert "a question where care is needed" in found("push", asked, of=SUED)


def test_figures_worked_out_pass_only_as_worked_out() -> None:
    assert found("push", f"{NAME}: 3 mentions since 11:20 UTC; unconfirmed.") == ""
    assert "a figure in no receipt: 3" in found("push", f"{NAME}: 3 goats; unconfirmed.")
    assert "a figure in no receipt" in found("push", f"{NAME}: since 12:20 UTC; unconfirmed.")


def test_a_name_that_is_a_word_or_has_marks_is_no_problem() -> None:
    for name in ("Nan", "And", "None of Us", "Mother!", "Who?", 'The "Moth"', "3 First Thieves", "D'Arcy & Co.", "(x)"):
        titles = reddit(f"{name} trailer is out", f"the new {name} trailer")
        package(story(*titles, name=name, kind="film"))


def test_every_template_of_the_product_speaks_of_nothing_by_itself() -> None:
    """A template's own words tell no angle but its section's: the receipts have to."""
    quiet = replace(CLIP, receipts=(receipt("reddit", f"{NAME} by the sea"),))
    for section, slots in desk().texts.sections.items():
        for slot, variants in slots.items():
            for variant in variants:
                shown = " ".join(part.template.render(dict.fromkeys(variant.names, NAME)) for part in variant.parts)
                told = found("angles", shown.replace("“", "").replace("”", ""), of=quiet)
                assert "speaks of" not in told.replace(f"speaks of {section.replace('_', ' ')}", ""), (section, slot)
                assert "accuses" not in told
