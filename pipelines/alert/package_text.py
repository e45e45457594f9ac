"""Fills the templates of ``assets/package_texts.toml``: the first variant whose values exist and that keeps its limit.

Limits are kept by construction: a variant either fits, or has one elastic value that is shortened to the room left.
Provenance is too: a sentence rests on the receipts of the values its template names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from pipelines.alert.package_chars import ELLIPSIS, count_words, cut, isolated, without_isolates
from pipelines.alert.package_facts import Value, upper_first
from pipelines.alert.package_model import (
    Sentence,
)
from pipelines.alert.package_receipts import Headline
from pipelines.alert.package_templates import ELASTIC, SLOTS, Limit, PackageTexts, Part, Variant

MIN_CUT = 24
"""A shortened headline of fewer characters is not worth quoting."""

_ISOLATES = 2


class Filler:
    """Fills slots for one story from ``facts`` and ``headlines``; remembers where each sentence came from."""

    def __init__(
        self, texts: PackageTexts, facts: Mapping[str, Value], headlines: Sequence[Headline], angle: str, *,
        careful: bool, confirmed: bool,
    ) -> None:  # fmt: skip
        self._texts, self._facts, self._headlines = texts, facts, headlines
        self._angle, self._careful, self._confirmed = angle, careful, confirmed
        self.sentences: list[Sentence] = []

    def fill(self, slot: str, where: str, avoid: Collection[str] = ()) -> str:
        """The text of ``slot``, not one of ``avoid`` unless nothing else is left; its sentences are noted."""
        spare: list[Sentence] = []
        for variant in self._variants(slot):
            for values in self._offers(variant):
                made = _render(variant, values, SLOTS[slot], where)
                if made and _text(made) not in avoid:
                    return self._note(made)
                spare = made or spare
        return self._note(spare)

    def fill_all(self, slot: str, where: str, each: Mapping[str, Sequence[Value]]) -> tuple[str, ...]:
        """Every variant of ``slot`` that can be filled, once for each of the values in ``each`` that it names."""
        texts: dict[str, list[Sentence]] = {}
        for variant in self._variants(slot):
            turns: Sequence[Mapping[str, Value]] = [{}]
            for name in variant.names & set(each):
                turns = [{name: value} for value in each[name]]
            for turn in turns:
                if made := _render(variant, {**self._facts, **turn}, SLOTS[slot], where):
                    texts.setdefault(_text(made), made)
        return tuple(self._note(made) for made in texts.values())

    def _variants(self, slot: str) -> Iterable[Variant]:
        return self._texts.variants(slot, self._angle, careful=self._careful, confirmed=self._confirmed)

    def _note(self, made: list[Sentence]) -> str:
        self.sentences += made
        return _text(made)

    def _offers(self, variant: Variant) -> Iterable[Mapping[str, Value]]:
        """The values to try: with each headline in turn where the variant quotes one."""
        if not variant.names & {"quote", "cut", "told", "Told"}:
            return [self._facts]
        return [
            {**self._facts, **_quoting(line)} for line in self._headlines if line.quotable or "cut" in variant.names
        ]


def _quoting(line: Headline) -> dict[str, Value]:
    """A headline as values. One that must stay whole is offered as such only."""
    ids = (line.receipt,)
    values = {"told": Value(line.told, ids), "Told": Value(upper_first(line.told), ids)}
    if line.quotable:
        values["quote"] = Value(line.text, ids)
    if not line.whole_only:
        values["cut"] = Value(without_isolates(line.text), ids)
    return values


def _text(sentences: Sequence[Sentence]) -> str:
    return " ".join(sentence.text for sentence in sentences)


def _render(variant: Variant, values: Mapping[str, Value], limit: Limit, where: str) -> list[Sentence]:
    """The variant's sentences; empty where a value is missing or the limit cannot be kept."""
    if variant.names - set(values):
        return []
    plain = {name: values[name].text for name in variant.names}
    for name in variant.names & ELASTIC:
        room = _elastic(variant, plain, name, limit)
        if not room:
            return []
        plain[name] = room
    made = [Sentence(where, part.template.render(plain), _ids(part, values)) for part in variant.parts]
    return made if _fits(_text(made), limit) else []


def _ids(part: Part, values: Mapping[str, Value]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(id_ for name in sorted(part.names) for id_ in values[name].receipts))


def _fits(text: str, limit: Limit) -> bool:
    return len(text) <= limit.chars and (limit.words is None or count_words(text) <= limit.words)


def _elastic(variant: Variant, plain: Mapping[str, str], name: str, limit: Limit) -> str:
    """The value called ``name``, shortened to what the rest of the variant leaves; "" where that is too little."""
    rest = " ".join(part.template.render({**plain, name: ""}) for part in variant.parts)
    whole = plain[name]
    extra = _ISOLATES if isolated(whole) != whole else 0
    words = None if limit.words is None else limit.words - count_words(rest)
    short = cut(whole, limit.chars - len(rest) - extra, words)
    if name == "cut" and short.endswith(ELLIPSIS) and short != whole and len(short) < MIN_CUT:
        return ""
    return isolated(short)
