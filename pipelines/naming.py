"""Changes of names as values: what somebody wants changed, and what was changed and may be put back.

The store keeps and undoes them, the API and the page word them. Times are UTC, the machine's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

NameAction = Literal["merge", "unmerge", "split", "alias", "unalias", "mute", "unmute", "watch", "unwatch"]


@dataclass(frozen=True, slots=True)
class NameChange:
    """What is to change about the entity with the number ``entity``.

    ``other``: the entity that becomes part of it (merge). ``canonical`` and ``display``: the name (split, alias, unalias).
    ``slug``: for the entity a split makes. ``second_sign``: a common word, counted only with a second sign (alias).
    """

    action: NameAction
    entity: int
    other: int = 0
    canonical: str = ""
    display: str = ""
    slug: str | None = None
    second_sign: bool = False


@dataclass(frozen=True, slots=True)
class NameRow:
    """One name an entity answers to. ``receipts``: how many it matched that no other name did first; ``source``: the
    name of the entity it came with, empty for one of its own."""

    canonical: str
    display: str
    receipts: int
    needs_second_sign: bool = False
    source: str = ""


@dataclass(frozen=True, slots=True)
class PastChange:
    """A change that was made: by whom, ``name`` and ``other`` in words, and when it was undone, if it was."""

    id: int
    at: datetime
    action: NameAction
    entity_id: int
    by: str
    name: str = ""
    other: str = ""
    undone_at: datetime | None = None
    undone_by: str = ""
