"""How names stood at a past instant: today's state with every change since taken back, the newest first. Pure.

Exact for what was merged, split, muted and watched, and for names people gave or took: each such change was kept with what
it found. A domain is exact where an editor set it. What nobody noted cannot be taken back: a domain told from evidence, and
names and domains that came with an import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pipelines.view import NameAction, NameRow, PastChange


@dataclass(frozen=True, slots=True)
class MadeChange:
    """A change of names as it was noted: ``before`` is what its undo needs, ``undone_at`` when that was."""

    id: int
    at: datetime
    action: NameAction
    entity: int
    before: Mapping[str, Any]
    undone_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DomainChange:
    """An editor's word on a domain, and what the domain was before it."""

    id: int
    entity: int
    was: str


@dataclass(frozen=True, slots=True)
class NamesThen:
    """How names stood. ``roots``: for everything merged, what it stood under; ``watched``: the watchlist, as roots.

    The rest is told as the difference from today: ``muted``, ``domains``, names (entity, canonical) that were ``not_yet``
    there, and ``gone`` ones that were, each with its entity. ``unmade``: entities a split has made since.
    """

    roots: Mapping[int, int] = field(default_factory=dict)
    watched: frozenset[int] = frozenset()
    muted: Mapping[int, bool] = field(default_factory=dict)
    domains: Mapping[int, str] = field(default_factory=dict)
    not_yet: frozenset[tuple[int, str]] = frozenset()
    gone: tuple[tuple[int, NameRow], ...] = ()
    unmade: frozenset[int] = frozenset()

    def root(self, entity: int) -> int:
        """What ``entity`` stood under, or itself."""
        return self.roots.get(entity, entity)

    def family(self, entity: int) -> list[int]:
        """``entity`` first, then all that stood under it."""
        return [entity, *sorted(child for child, root in self.roots.items() if root == entity)]

    def names(self, rows: Iterable[tuple[int, NameRow]], ids: Sequence[int]) -> list[NameRow]:
        """The names of the family ``ids`` out of today's ``rows``, each with its entity."""
        kept = [(key, row) for key, row in rows if (key, row.canonical) not in self.not_yet]
        lost = [(key, row) for key, row in self.gone if key in ids]
        own = {ids[0], *self.unmade}
        return [replace(row, source="") if key in own else row for key, row in (*kept, *lost)]

    def told(self, row: dict[str, Any]) -> dict[str, Any]:
        """An entity's row with the domain it had and whether it was muted."""
        key = row["id"]
        domain, muted = self.domains.get(key, row["domain"]), self.muted.get(key, row["muted"])
        return {**row, "domain": domain, "muted": muted}


@dataclass(slots=True)
class _State:
    """What is turned back, one change after the other."""

    parents: dict[int, int]
    watched: set[int]
    muted: dict[int, bool] = field(default_factory=dict)
    names: dict[tuple[int, str], NameRow | None] = field(default_factory=dict)
    unmade: set[int] = field(default_factory=set)

    def put(self, child: int, parent: int | None) -> None:
        if parent is None:
            self.parents.pop(child, None)
        else:
            self.parents[child] = parent

    def name(self, entity: int, canonical: str, display: str | None, *, second: bool = False) -> None:
        """The entity answers to it (``display``), or does not (None)."""
        row = None if display is None else NameRow(canonical, display, 0, second)
        self.names[entity, canonical] = row


def names_then(
    parents: Mapping[int, int], watched: Iterable[int], names: Iterable[tuple[int, str]],
    changes: Iterable[MadeChange], domains: Iterable[DomainChange], instant: datetime,
) -> NamesThen:  # fmt: skip
    """How names stood at ``instant``.

    ``parents`` (child to parent), ``watched`` (entities) and ``names`` (entity, canonical; at least those the changes speak
    of) are today's. ``changes`` and ``domains``: all made or undone after ``instant``, in any order.
    """
    state = _State(dict(parents), set(watched))
    for at, _, change, back in sorted(_steps(changes), key=lambda step: step[:2], reverse=True):
        if at > instant:
            TAKEN[change.action](state, change, back)
    today = set(names)
    roots = {child: _root(child, state.parents) for child in state.parents}
    return NamesThen(
        roots=roots,
        watched=frozenset(roots.get(key, key) for key in state.watched),
        muted=state.muted,
        domains={one.entity: one.was for one in sorted(domains, key=lambda one: one.id, reverse=True)},
        not_yet=frozenset(key for key, row in state.names.items() if row is None and key in today),
        gone=tuple((key[0], row) for key, row in state.names.items() if row is not None and key not in today),
        unmade=frozenset(state.unmade),
    )


def changes_then(changes: Iterable[PastChange], instant: datetime) -> tuple[PastChange, ...]:
    """The changes that had been made, undone only where they were by then."""
    made = (change for change in changes if change.at <= instant)
    return tuple(
        replace(change, undone_at=None, undone_by="") if change.undone_at and change.undone_at > instant else change
        for change in made
    )


def _steps(changes: Iterable[MadeChange]) -> Iterable[tuple[datetime, int, MadeChange, bool]]:
    """Each change as what has to be turned back: its making (True), and its undoing (False)."""
    for change in changes:
        yield change.at, change.id, change, True
        if change.undone_at is not None:
            yield change.undone_at, change.id, change, False


def _merge(state: _State, change: MadeChange, back: bool) -> None:
    state.put(int(change.before["other"]), None if back else change.entity)


def _unmerge(state: _State, change: MadeChange, back: bool) -> None:
    state.put(change.entity, int(change.before["merged_into"]) if back else None)


def _split(state: _State, change: MadeChange, back: bool) -> None:
    """One that took merged names out again, or made an entity: before it, that was a part of the one it came from."""
    before, new = change.before, int(change.before["new"])
    if "merged_into" in before:
        apart = before.get("apart") or {str(new): before["merged_into"]}
        for child, parent in apart.items():
            state.put(int(child), int(parent) if back else None)
        return
    canonical = str(before["canonical"])
    state.put(new, change.entity if back else None)
    (state.unmade.add if back else state.unmade.discard)(new)
    if not back:  # the undo gave the name back to whom it was taken from
        state.name(new, canonical, str(before["name"]))
        for alias in before["aliases"]:
            state.name(int(alias["entity_id"]), canonical, None)
    elif (new, canonical) in state.names and state.names[new, canonical] is not None:
        state.name(new, canonical, None)
        _given(state, before["aliases"])


def _alias(state: _State, change: MadeChange, back: bool) -> None:
    before = change.before
    state.name(change.entity, str(before["canonical"]), None if back else str(before["name"]))


def _unalias(state: _State, change: MadeChange, back: bool) -> None:
    if back:
        _given(state, change.before["aliases"])
        return
    for alias in change.before["aliases"]:
        state.name(int(alias["entity_id"]), str(alias["canonical"]), None)


def _mute(state: _State, change: MadeChange, back: bool) -> None:
    state.muted[change.entity] = bool(change.before["muted"]) if back else change.action == "mute"


def _watch(state: _State, change: MadeChange, back: bool) -> None:
    rows = {int(row["entity_id"]) for row in change.before["rows"]}
    if change.action == "watch":
        (state.watched.discard if back else state.watched.add)(change.entity)
    elif back:
        state.watched |= rows
    else:
        state.watched -= rows


TAKEN: Mapping[NameAction, Callable[[_State, MadeChange, bool], None]] = {
    "merge": _merge, "unmerge": _unmerge, "split": _split, "alias": _alias, "unalias": _unalias, "mute": _mute,
    "unmute": _mute, "watch": _watch, "unwatch": _watch,
}  # fmt: skip
"""How each change is turned back (True), and its undo (False)."""


def _given(state: _State, aliases: Iterable[Mapping[str, Any]]) -> None:
    for row in aliases:
        second = bool(row["needs_second_sign"])
        state.name(int(row["entity_id"]), str(row["canonical"]), str(row["display"]), second=second)


def _root(entity: int, parents: Mapping[int, int]) -> int:
    seen = {entity}
    while entity in parents and parents[entity] not in seen:
        entity = parents[entity]
        seen.add(entity)
    return entity
