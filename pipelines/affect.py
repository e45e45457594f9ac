"""The mood of a text, in [-1, 1]: VADER by default, Flair's TextClassifier where a model is set.

Flair is an extra (``requirements-flair.lock``) and is imported only when a model is named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Protocol

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from pipelines.settings_sections import Affect

Names = Callable[[Sequence[str]], list[list[str]]]
"""Finds names in texts: for each text the names in it."""


LONGEST = 1000
"""Characters of a text that are read: a headline says what it feels at its beginning."""


class Sentiment(Protocol):
    """Scores texts."""

    def scores(self, texts: Sequence[str]) -> list[float | None]:
        """For each text its mood in [-1, 1]; None where there is no text."""
        ...


_LATIN = re.compile("[A-Za-z]")


class Vader:
    """VADER's compound score: a lexicon for English in social media, and for emoji.

    A text in Latin letters without a word it knows is neutral, 0.0; one in other letters it cannot read at all, and
    that is not a mood but no answer: None.
    """

    @cached_property
    def _analyzer(self) -> SentimentIntensityAnalyzer:
        return SentimentIntensityAnalyzer()

    def scores(self, texts: Sequence[str]) -> list[float | None]:
        """For each text the compound score; None where there is nothing it can read."""
        return [self._mood(text[:LONGEST]) for text in texts]

    def _mood(self, text: str) -> float | None:
        if not text.strip():
            return None
        compound = float(self._analyzer.polarity_scores(text)["compound"])
        return compound if compound or _LATIN.search(text) else None


def make_sentiment(settings: Affect) -> Sentiment:
    """The model of ``affect.model``, or VADER. Raises :class:`SettingsError` when it cannot be loaded."""
    if not settings.model:
        return Vader()
    from pipelines.affect_flair import FlairSentiment

    return FlairSentiment(settings.model)


def make_names(settings: Affect) -> Names | None:
    """The names finder of ``affect.ner_model``, or None. Raises :class:`SettingsError` when it cannot be loaded."""
    if not settings.ner_model:
        return None
    from pipelines.affect_flair import FlairNames

    return FlairNames(settings.ner_model).names
