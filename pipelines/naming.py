"""Changes of names as values: what somebody wants changed. The store makes and undoes them, the API and the page word them;
what was changed is in ``pipelines.view``.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.view import NameAction


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
