"""What a change of names will do, what it did, and what was done, in words. Pure text, nothing escaped."""

from __future__ import annotations

from pipelines.view import EntityView, NameAction, NameRow, PastChange

PAST: dict[NameAction, str] = {
    "merge": "Merged {other} into it", "unmerge": "Taken out of the name it was part of", "split": "Split off {name}",
    "alias": "Added the name {name}", "unalias": "Removed the name {name}", "mute": "Muted", "unmute": "Shown again",
    "watch": "Put on the watchlist", "unwatch": "Taken off the watchlist",
}  # fmt: skip


def counted(number: int, what: str) -> str:
    """``1 receipt``, ``12 receipts``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def past_words(change: PastChange) -> str:
    """What was done."""
    return PAST[change.action].format(name=f"“{change.name}”", other=f"“{change.other}”")


def preview_merge(other: str, into: str, receipts: int) -> str:
    """What merging ``other`` into ``into`` will do."""
    return (
        f"Merges {counted(receipts, 'receipt')} of {other} into {into}. {other} leaves the board and its links lead to "
        f"{into}. Undo takes it back exactly."
    )


def preview_split(row: NameRow, view: EntityView) -> str:
    """What splitting ``row`` off will do."""
    name = view.entity.name
    if row.source:
        theirs = [other for other in view.names if other.source == row.source]
        total = sum(other.receipts for other in theirs)
        return (
            f"Takes {row.source} out of {name} again, with {counted(len(theirs), 'name')} and "
            f"{counted(total, 'receipt')}. Undo puts it back exactly."
        )
    return (
        f"Makes “{row.display}” a name of its own, with the {counted(row.receipts, 'receipt')} it matched. Undo brings "
        "them back, and what comes in until then; alerts it fires until then stay."
    )


def preview_unalias(row: NameRow, view: EntityView) -> str:
    """What removing ``row`` will do."""
    return (
        f"{view.entity.name} no longer answers to “{row.display}”; the {counted(row.receipts, 'receipt')} it matched stop "
        "counting. Undo brings them back; what is posted in between and carries only this name is not looked at again."
    )


def preview_alias(name: str, entity: str, waiting: int, owners: list[str]) -> str:
    """What giving ``entity`` the name ``name`` will do."""
    if entity in owners:
        return f"{entity} answers to “{name}” already."
    shared = f" {', '.join(owners[:3])} answers to it too and keeps its own receipts." if owners else ""
    return f"{entity} also answers to “{name}”. {counted(waiting, 'receipt')} that carry it become its own now.{shared}"


def done_words(action: NameAction, name: str, other: str = "", *, same: bool = False) -> str:
    """What a change came to; ``other`` is the name merged, split off, added or removed."""
    if same:
        return {
            "mute": f"{name} is muted already.", "unmute": f"{name} is shown already.", "watch": f"{name} is watched already.",
            "unwatch": f"{name} is not on the watchlist.", "alias": f"{name} answers to {other} already.",
        }.get(action, "That was done already.")  # fmt: skip
    return {
        "merge": f"{other} is part of {name} now.", "split": f"{other} stands alone now.",
        "unmerge": f"{name} stands alone now.",
        "alias": f"{name} also answers to {other}.", "unalias": f"{name} no longer answers to {other}.",
        "mute": f"{name} is muted.", "unmute": f"{name} is shown again.", "watch": f"{name} is on the desk's watchlist.",
        "unwatch": f"{name} is off the watchlist.",
    }[action]  # fmt: skip
