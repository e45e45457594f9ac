"""The action package of an alert (PRODUCT 7): booking brief, teases, push, social, lower third, cues, receipts. Pure.

Every text comes from a template in ``assets/package_texts.toml`` and the receipts, so it says what a receipt says, or
what was counted, and nothing else. ``Desk`` holds what is read from files, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines.alert.package_chars import cut
from pipelines.alert.package_facts import facts, has_trades, shots
from pipelines.alert.package_model import MAX_LOWER, BookingBrief, Package, Sentence, Story
from pipelines.alert.package_receipts import headlines, related_names, shown_name, top_receipts
from pipelines.alert.package_story import Told, tell
from pipelines.alert.package_templates import PackageTexts, load_package_texts
from pipelines.alert.package_text import Filler
from pipelines.alert.package_words import PackageWords, load_package_words

MAX_CUES = 6


@dataclass(frozen=True, slots=True)
class Desk:
    """The word table and the templates."""

    words: PackageWords
    texts: PackageTexts


def load_desk(config_dir: Path, assets_dir: Path) -> Desk:
    """Read the word table and the templates. Raises :class:`pipelines.errors.InputError` naming what is wrong."""
    words = load_package_words(config_dir)
    return Desk(words, load_package_texts(assets_dir, {angle.name: angle.careful for angle in words.angles}))


def make_package(story: Story, desk: Desk) -> Package:
    """The action package of ``story``. Never fails on what receipts say; every limit is kept."""
    told = tell(story, desk.words)
    values = facts(story, told, desk.words)
    lines = headlines(story, told, desk.words)
    confirmed = told.confirmed_by is not None
    filler = Filler(desk.texts, values, lines, told.angle, careful=told.careful, confirmed=confirmed)
    hook = filler.fill("hook", "hook")
    angles = tuple(filler.fill(f"angle_{number}", "angles") for number in (1, 2, 3))
    brief_hook = filler.fill("brief_hook", "brief_hook")
    teases: tuple[str, ...] = ()
    for number in (1, 2, 3):
        teases = (*teases, filler.fill(f"tease_{number}", "teases", avoid=teases))
    push, social = filler.fill("push", "push"), filler.fill("social", "social")
    top = top_receipts(story, told, desk.words)
    first = cut(shown_name(story), MAX_LOWER)
    lower = (first, filler.fill("lower_2", "lower_third"))
    cues = filler.fill_all("asset_cues", "asset_cues", {"shot": shots(story, told, desk.words)})[:MAX_CUES]
    sentences = (*filler.sentences, Sentence("lower_third", first, tuple(receipt.id for receipt in top)))
    related = related_names(story)
    return Package(
        angle=told.angle,
        angle_words=told.words,
        booking_brief=BookingBrief(angles, brief_hook, tuple(name for name, _ in related)),
        teases=teases,
        push=push,
        social=social,
        lower_third=lower,
        asset_cues=cues,
        receipts=top,
        unconfirmed=not confirmed,
        careful=told.careful,
        hook=hook,
        provenance=tuple(dict.fromkeys(sentences)),
        notes=(*told.notes, *_notes(story, told, len(related))),
    )


def _notes(story: Story, told: Told, related: int) -> tuple[str, ...]:
    notes = []
    if not story.receipts:
        notes.append("No receipt is left for this story: nothing can be quoted.")
    if told.confirmed_by is None and has_trades(story):
        notes.append("A trade story is out, but no trade headline here says what happened: marked unconfirmed.")
    if told.doubts:
        notes.append("Words of doubt in the receipts: " + ", ".join(f"“{word}”" for word, _ in told.doubts) + ".")
    if related < len(set(story.related)):
        notes.append("Related names that stand in none of these receipts, or beyond the fifth, were left out.")
    return tuple(notes)
