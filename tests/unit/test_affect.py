"""Moods of texts without the Flair extra; tests/flair has the models."""

from __future__ import annotations

import importlib.util

import pytest

from pipelines.affect import Sentiment, Vader, make_names, make_sentiment
from pipelines.errors import SettingsError
from pipelines.settings_sections import Affect


def affect(model: str = "", ner_model: str = "") -> Affect:
    return Affect(
        controversy_weight=0.25, controversy_floor=10, positive=0.2, negative=-0.2, model=model, ner_model=ner_model
    )


def test_vader_tells_moods_and_keeps_their_order() -> None:
    judge: Sentiment = make_sentiment(affect())

    good, bad, plain = judge.scores(
        ["An amazing, beautiful film", "This is horrible and sad", "The film opens on Friday"]
    )

    assert isinstance(judge, Vader)
    assert good is not None
    assert bad is not None
    assert good >= 0.2
    assert bad <= -0.2
    assert plain == 0.0


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "陳小星新專輯", "Премьера", "2026"])
def test_what_vader_cannot_read_has_no_mood(text: str) -> None:
    assert Vader().scores([text]) == [None]


def test_vader_reads_emoji_in_any_text() -> None:
    (mood,) = Vader().scores(["陳小星 😍"])

    assert mood is not None
    assert mood > 0.2


def test_a_very_long_text_is_read_from_its_beginning() -> None:
    (mood,) = Vader().scores(["wonderful " * 3 + "x" * 10_000 + " horrible" * 50])

    assert mood is not None
    assert mood > 0.2


def test_no_names_without_a_model() -> None:
    assert make_names(affect()) is None


@pytest.mark.skipif(importlib.util.find_spec("flair") is not None, reason="shows what happens without Flair")
def test_a_model_without_the_extra_says_what_to_install() -> None:
    with pytest.raises(
        SettingsError, match=r"affect\.model is set, but flair is not installed; install the flair extra"
    ):
        make_sentiment(affect(model="sentiment"))
    with pytest.raises(SettingsError, match=r"affect\.ner_model is set, but flair"):
        make_names(affect(ner_model="ner"))
