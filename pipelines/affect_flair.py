"""Flair models behind the protocols of ``affect``: moods by a TextClassifier, names by a SequenceTagger.

Flair and PyTorch are large, so they are an extra and this module imports them only when a model is made. A model file
is a pickle: load only what you trust.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from pipelines.affect import LONGEST
from pipelines.errors import SettingsError
from pipelines.settings import ROOT

BATCH = 64
POSITIVE = ("positive", "pos", "__label__positive")
NEGATIVE = ("negative", "neg", "__label__negative")
"""Labels that are a mood, in any case; every other label is neutral. Numbers are not: whose 0 is it?"""


class FlairSentiment:
    """A Flair TextClassifier as a :class:`pipelines.affect.Sentiment`: the label's sign times its confidence.

    ``model`` is the path of a model file or a name Flair knows (``sentiment``, ``sentiment-fast``); a neutral label is
    0.0. Raises :class:`SettingsError` when Flair is not installed, the model cannot be loaded, or none of its labels is
    a mood.
    """

    def __init__(self, model: str) -> None:
        self._data = _flair("affect.model", "data")
        self._classifier = _load("affect.model", "TextClassifier", model)
        labels = [str(label) for label in self._classifier.label_dictionary.get_items()]
        signs = {label: _sign(label) for label in labels}
        if 1.0 not in signs.values() or -1.0 not in signs.values():
            raise SettingsError(f"affect.model: {model} tells {', '.join(labels)}, not positive from negative")
        self._signs = signs

    def scores(self, texts: Sequence[str]) -> list[float | None]:
        """For each text its mood in [-1, 1]; None where there is no text."""
        sentences = _sentences(self._data, texts)
        self._classifier.predict([some for some in sentences if some is not None], mini_batch_size=BATCH)
        return [None if some is None else self._mood(some) for some in sentences]

    def _mood(self, sentence: Any) -> float:
        label = sentence.get_label(self._classifier.label_type)
        return max(-1.0, min(1.0, self._signs.get(label.value, 0.0) * float(label.score)))


class FlairNames:
    """A Flair SequenceTagger that finds names in texts, for discovery.

    ``model`` as in :class:`FlairSentiment` (``ner``, ``ner-fast``). Raises :class:`SettingsError` likewise.
    """

    def __init__(self, model: str) -> None:
        self._data = _flair("affect.ner_model", "data")
        self._tagger = _load("affect.ner_model", "SequenceTagger", model)

    def names(self, texts: Sequence[str]) -> list[list[str]]:
        """For each text the names in it, in order, each once."""
        sentences = _sentences(self._data, texts)
        self._tagger.predict([some for some in sentences if some is not None], mini_batch_size=BATCH)
        return [[] if some is None else self._spans(some) for some in sentences]

    def _spans(self, sentence: Any) -> list[str]:
        return list(dict.fromkeys(span.text for span in sentence.get_spans(self._tagger.label_type)))


def _sign(label: str) -> float:
    plain = label.strip().lower()
    return 1.0 if plain in POSITIVE else -1.0 if plain in NEGATIVE else 0.0


def _flair(key: str, part: str) -> Any:
    try:
        return importlib.import_module(f"flair.{part}")
    except ImportError as error:
        missing = getattr(error, "name", None) or "flair"
        raise SettingsError(
            f"{key} is set, but {missing} is not installed; install the flair extra (requirements-flair.lock) "
            "or leave the setting empty"
        ) from None


def _load(key: str, kind: str, model: str) -> Any:
    """Load ``model``; a path is taken from the checkout when it is relative."""
    classes = _flair(key, "models")
    path = ROOT / model
    if path.suffix == ".pt" and not path.is_file():
        raise SettingsError(f"{key}: no model file {model}")
    try:
        return getattr(classes, kind).load(str(path) if path.is_file() else model)
    except Exception as error:  # noqa: BLE001 - loading runs pickle, torch and downloads: each has its own errors
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise SettingsError(f"{key}: {model} is not a {kind} that can be loaded ({reason})") from None


def _sentences(data: Any, texts: Sequence[str]) -> list[Any]:
    """A Flair sentence for each text; None where there is nothing to read."""
    made = [data.Sentence(text[:LONGEST]) if text.strip() else None for text in texts]
    return [some if some is not None and len(some) else None for some in made]
