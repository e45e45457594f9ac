"""The templates of ``assets/package_texts.toml``: read once, checked at once, so that filling one cannot fail."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pipelines.alert.package_model import (
    MAX_ANGLE,
    MAX_CUE,
    MAX_HOOK,
    MAX_LOWER,
    MAX_PUSH,
    MAX_SOCIAL,
    MAX_TEASE,
    MAX_TEASE_WORDS,
)
from pipelines.alert.package_words import tokens
from pipelines.errors import InputError

TEXTS_FILE = "package_texts.toml"
BASES = ("default", "careful")
ALWAYS = frozenset({"short", "status", "mark", "Mark", "subject", "climbed", "rising"})
SOMETIMES = frozenset(
    {"name", "quote", "cut", "told", "Told", "topic", "Topic", "word", "saying", "platforms", "since", "count", "Count",
     "related", "outlet", "climbing", "doubt", "shot"}
)  # fmt: skip
ELASTIC = frozenset({"short", "cut"})


@dataclass(frozen=True, slots=True)
class Limit:
    """How long a text may be, in characters and, where it is spoken, in words."""

    chars: int
    words: int | None = None


_TEASE = Limit(MAX_TEASE, MAX_TEASE_WORDS)
SLOTS: Mapping[str, Limit] = {
    "hook": Limit(MAX_HOOK),
    "brief_hook": Limit(MAX_SOCIAL),
    "angle_1": Limit(MAX_ANGLE),
    "angle_2": Limit(MAX_ANGLE),
    "angle_3": Limit(MAX_ANGLE),
    "tease_1": _TEASE,
    "tease_2": _TEASE,
    "tease_3": _TEASE,
    "push": Limit(MAX_PUSH),
    "social": Limit(MAX_SOCIAL),
    "lower_2": Limit(MAX_LOWER),
    "asset_cues": Limit(MAX_CUE),
}
BOTH_WAYS = frozenset({"hook", "angle_1", "angle_2", "angle_3", "asset_cues"})
"""Slots that read the same whether confirmed or not."""


@dataclass(frozen=True, slots=True)
class Part:
    """One sentence of a variant, and the values it names."""

    template: Template
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to fill a slot."""

    parts: tuple[Part, ...]

    @property
    def names(self) -> frozenset[str]:
        """All values the variant names."""
        return frozenset().union(*(part.names for part in self.parts))


@dataclass(frozen=True, slots=True)
class PackageTexts:
    """All variants, by section and slot, and the words that stand in the templates themselves."""

    sections: Mapping[str, Mapping[str, tuple[Variant, ...]]]
    words: frozenset[str]
    careful_angles: frozenset[str]

    def variants(self, slot: str, angle: str, *, careful: bool, confirmed: bool) -> Iterable[Variant]:
        """The ways to fill ``slot``, in order: the angle's own, then the base's.

        Where care is needed though the angle is not a careful one, its own texts are not used.
        """
        key = f"{slot}_confirmed" if confirmed and slot not in BOTH_WAYS else slot
        base = "careful" if careful else "default"
        for section in (angle, base) if careful == (angle in self.careful_angles) else (base,):
            yield from self.sections.get(section, {}).get(key, ())


def load_package_texts(assets_dir: Path, angles: Mapping[str, bool]) -> PackageTexts:
    """The templates under ``assets_dir``. ``angles``: the angles there are, and whether each is careful.

    Raises :class:`InputError` naming the section and slot that is wrong.
    """
    path = assets_dir / TEXTS_FILE
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: {error}") from error
    env = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)  # plain text
    said: list[str] = []
    sections: dict[str, dict[str, tuple[Variant, ...]]] = {}
    for section, slots in table.items():
        if section not in (*BASES, "unknown", *angles) or not isinstance(slots, dict):
            raise InputError(f"{path}: [{section}] is no angle of the word table")
        sections[section] = {
            slot: _slot(env, f"{path}: [{section}] {slot}", slot, variants, said) for slot, variants in slots.items()
        }
    _check_bases(path, sections)
    words = frozenset(token.key for text in said for token in tokens(text))
    return PackageTexts(sections, words, frozenset(angle for angle, careful in angles.items() if careful))


def _slot(
    env: ImmutableSandboxedEnvironment, where: str, slot: str, variants: Any, said: list[str]
) -> tuple[Variant, ...]:
    bare = slot.removesuffix("_confirmed")
    if bare not in SLOTS or (bare != slot and bare in BOTH_WAYS):
        raise InputError(f"{where}: there is no such slot")
    if not isinstance(variants, list) or not variants:
        raise InputError(f"{where}: must be a list of variants")
    return tuple(_variant(env, where, variant, said) for variant in variants)


def _variant(env: ImmutableSandboxedEnvironment, where: str, texts: Any, said: list[str]) -> Variant:
    parts = []
    for text in texts if isinstance(texts, list) else [texts]:
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{where}: every sentence must be text")
        try:
            tree = env.parse(text)
            names = frozenset(meta.find_undeclared_variables(tree))
            template = env.from_string(text)
        except TemplateError as error:
            raise InputError(f"{where}: {text!r}: {error}") from error
        if not _is_simple(tree):
            raise InputError(f"{where}: {text!r}: only text and {{{{ value }}}} may stand here")
        if unknown := names - ALWAYS - SOMETIMES:
            raise InputError(f"{where}: {text!r} names {', '.join(sorted(unknown))}, which is no value")
        parts.append(Part(template, names))
        said += [str(piece) for _, kind, piece in env.lex(text) if kind == "data"]
    variant = Variant(tuple(parts))
    if sum(len(ELASTIC & part.names) for part in parts) > 1:
        raise InputError(f"{where}: one variant can shorten one value only")
    return variant


def _is_simple(tree: nodes.Template) -> bool:
    """Only text and names of values: such a template cannot fail once the values are there."""
    outputs = all(isinstance(node, nodes.Output) for node in tree.body)
    pieces = [piece for node in tree.find_all(nodes.Output) for piece in node.nodes]
    return outputs and all(isinstance(piece, nodes.TemplateData | nodes.Name) for piece in pieces)


def _check_bases(path: Path, sections: Mapping[str, Mapping[str, tuple[Variant, ...]]]) -> None:
    """Each base must fill every slot whatever is missing."""
    for base in BASES:
        for slot in SLOTS:
            for key in [slot] if slot in BOTH_WAYS else [slot, f"{slot}_confirmed"]:
                variants = sections.get(base, {}).get(key)
                if not variants or variants[-1].names - ALWAYS:
                    raise InputError(
                        f"{path}: [{base}] {key}: the last variant must do with {', '.join(sorted(ALWAYS))}"
                    )
