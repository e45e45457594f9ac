"""The mood of a text, in [-1, 1]: VADER by default, Flair's TextClassifier where a model is set.

Flair is an extra (``requirements-flair.lock``) and is imported only when a model is named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Protocol

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from pipelines.settings import Affect

Names = Callable[[Sequence[str]], list[list[str]]]
"""Finds names in texts: for each text the names in it."""


class Sentiment(Protocol):
    """Scores texts."""

    def scores(self, texts: Sequence[str]) -> list[float | None]:
        """For each text its mood in [-1, 1]; None where there is no text."""
        ...


class Vader:
    """VADER's compound score: a lexicon for English in social media. A text without a word it knows is 0.0."""

    @cached_property
    def _analyzer(self) -> SentimentIntensityAnalyzer:
        return SentimentIntensityAnalyzer()

    def scores(self, texts: Sequence[str]) -> list[float | None]:
        """For each text the compound score; None where there is no text."""
        judge = self._analyzer.polarity_scores
        return [float(judge(text)["compound"]) if text.strip() else None for text in texts]


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
