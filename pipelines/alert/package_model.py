"""What goes into an action package and what comes out (PRODUCT 7), as values.

Plain text throughout, cleaned but not escaped: a sink escapes for itself. Texts that carry a right-to-left name or
headline wrap it in the invisible isolates U+2068 and U+2069, so that it does not turn the sentence round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pipelines.view import Receipt

MAX_HOOK, MAX_ANGLE, MAX_CUE = 280, 280, 160
MAX_TEASE_WORDS, MAX_TEASE = 15, 110
MAX_PUSH, MAX_SOCIAL = 110, 240
LOWER_LINES, MAX_LOWER = 2, 32
"""Limits in characters (code points), teases also in words."""


@dataclass(frozen=True, slots=True)
class Story:
    """What is known about a name when it alerts.

    ``kind`` is a word of :class:`pipelines.model.Kind`. ``receipts`` in any order, all about the name. ``related`` are
    names it was mentioned with. Times are aware. ``trades_first_at`` is the first trade item's own time. ``cut_short``:
    there are more receipts than these, so a count of them is only a lower bound.
    """

    name: str
    kind: str
    receipts: tuple[Receipt, ...]
    related: tuple[str, ...]
    first_seen: datetime | None
    now: datetime
    velocity_z: float
    spread_count: int
    trades_first_at: datetime | None
    confidence: float
    cut_short: bool = False


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the package and the receipts it rests on, as ``source:item_id``.

    ``where`` is the field it stands in. A sentence that states nothing beyond the score and the trades status may rest
    on none.
    """

    where: str
    text: str
    receipts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BookingBrief:
    """Three angles, the likely hook, and the names that stand in the same receipts."""

    angles: tuple[str, ...]
    hook: str
    related: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TopReceipt:
    """A receipt as the alert shows it. ``at`` is publication, or first sight where ``published`` is False."""

    id: str
    title: str
    platform: str
    feed: str
    age: str
    at: datetime
    published: bool
    link: str | None


@dataclass(frozen=True, slots=True)
class Package:
    """The action package. ``angle_words`` are the words in the receipts that told ``angle``.

    ``careful``: a death or an accusation is in play and the wording keeps to it. ``notes`` are for the desk: why the
    angle is unknown, why a writer's text was not used.
    """

    angle: str
    angle_words: tuple[str, ...]
    booking_brief: BookingBrief
    teases: tuple[str, ...]
    push: str
    social: str
    lower_third: tuple[str, ...]
    asset_cues: tuple[str, ...]
    receipts: tuple[TopReceipt, ...]
    unconfirmed: bool
    careful: bool
    hook: str
    provenance: tuple[Sentence, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The package as JSON holds it; times RFC 3339."""
        whole = asdict(self)
        for shown, receipt in zip(whole["receipts"], self.receipts, strict=True):
            shown["at"] = receipt.at.isoformat()
        return whole

    def texts(self) -> dict[str, tuple[str, ...]]:
        """Every text by field, as :func:`pipelines.alert.package_checks.problems` takes them."""
        return {
            "hook": (self.hook,),
            "angles": self.booking_brief.angles,
            "brief_hook": (self.booking_brief.hook,),
            "teases": self.teases,
            "push": (self.push,),
            "social": (self.social,),
            "lower_third": self.lower_third,
            "asset_cues": self.asset_cues,
        }


def package_from(stored: Mapping[str, Any]) -> Package:
    """A package out of what :meth:`Package.to_dict` made. Raises ``KeyError`` or ``TypeError`` for anything else."""
    brief = stored["booking_brief"]
    return Package(
        angle=stored["angle"],
        angle_words=tuple(stored["angle_words"]),
        booking_brief=BookingBrief(tuple(brief["angles"]), brief["hook"], tuple(brief["related"])),
        teases=tuple(stored["teases"]),
        push=stored["push"],
        social=stored["social"],
        lower_third=tuple(stored["lower_third"]),
        asset_cues=tuple(stored["asset_cues"]),
        receipts=tuple(TopReceipt(**{**row, "at": datetime.fromisoformat(row["at"])}) for row in stored["receipts"]),
        unconfirmed=stored["unconfirmed"],
        careful=stored["careful"],
        hook=stored["hook"],
        provenance=tuple(Sentence(row["where"], row["text"], tuple(row["receipts"])) for row in stored["provenance"]),
        notes=tuple(stored["notes"]),
    )


Texts = Mapping[str, tuple[str, ...]]


def receipt_id(receipt: Receipt) -> str:
    """What provenance calls a receipt."""
    return f"{receipt.source}:{receipt.item_id}"
