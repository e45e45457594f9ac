"""What people change by command: merges, splits, names, muting. Every change leaves an audit row and can be undone."""

from __future__ import annotations

from pipelines.naming import NameChange
from pipelines.people import Person
from pipelines.store import name_changes
from pipelines.store.base import Part


class Editing(Part):
    """Changes to entities. An unknown id or a change that makes no sense raises :class:`InputError`."""

    def merge(self, keep: int, gone: int, actor: str) -> None:
        """Let ``gone`` stand under ``keep`` from now on. Its names and mentions stay its own, so it can be undone."""
        self._made(NameChange("merge", keep, gone), actor)

    def unmerge(self, gone: int, actor: str) -> None:
        """Take ``gone`` out of the entity it was merged into, with all its names and mentions."""
        self._made(NameChange("unmerge", gone), actor)

    def split(self, entity_id: int, canonical: str, actor: str, *, slug: str | None = None) -> int:
        """Take the name ``canonical`` away from an entity; the id of the entity that has it now.

        A name that came with a merge takes its whole entity with it (the merge is undone). Any other name becomes a
        new entity with the mentions that matched it. ``slug`` is for the new one, by default the name with hyphens.
        """
        new: int = self._made(NameChange("split", entity_id, canonical=canonical, slug=slug), actor)["new"]
        return new

    def mute(self, entity_id: int, actor: str, *, muted: bool = True) -> None:
        """Leave an entity out of boards, scores and alerts, or (``muted=False``) take it back in."""
        self._made(NameChange("mute" if muted else "unmute", entity_id), actor)

    def add_alias(
        self, entity_id: int, canonical: str, display: str, actor: str, *, needs_second_sign: bool = False
    ) -> None:
        """Let an entity answer to one more name; candidate items that carry it become its mentions."""
        wanted = NameChange("alias", entity_id, canonical=canonical, display=display, second_sign=needs_second_sign)
        self._made(wanted, actor)

    def _made(self, wanted: NameChange, actor: str) -> name_changes.Facts:
        with self._db.writing() as connection:
            return name_changes.make(connection, wanted, Person(actor, actor))
