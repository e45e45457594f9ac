"""What several open pages show is made once: the last results of pure functions, and reads shared by pages that follow."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import is_dataclass
from datetime import datetime, timedelta
from typing import Any

from heatmap_app.escape import Html
from heatmap_app.pages.reader import Filters, Reader
from pipelines.people import Activity
from pipelines.view import EntityRef, EntityView, HeatView, NameLine, ReceiptOrder, ReceiptPage

KEPT = 128
"""How many results are kept: a board's dozen regions for ten different views."""


class _Result:
    """A result to come; whoever needs it first makes it, the others wait. ``held`` keeps what the key names by identity."""

    __slots__ = ("held", "lock", "made", "turn", "value")

    def __init__(self, held: object) -> None:
        self.held, self.lock, self.made, self.value = held, threading.Lock(), False, None
        self.turn = 0


class Once:
    """Calls a function once for equal arguments while its result is among the last ones used. Thread-safe.

    Small values are told apart by equality, everything else (boards, settings) by identity, which costs nothing however
    large it is. A function that raises is asked again.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._results: OrderedDict[Hashable, _Result] = OrderedDict()
        self._guard = threading.Lock()
        self._turn = 0
        self.calls = 0
        """How often a function was really called."""

    def turn(self, version: int) -> None:
        """A new version of the board is out: what nobody has asked for since the one before goes, with its board."""
        with self._guard:
            if version == self._turn:
                return
            for key in [key for key, result in self._results.items() if result.turn < self._turn]:
                del self._results[key]
            self._turn = version

    def __call__[**P, T](self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``function(*args, **kwargs)``, now or as it was. Raises what it raises."""
        key = (_sign(function), *map(_sign, args), *((name, _sign(value)) for name, value in kwargs.items()))
        with self._guard:
            result = self._results.get(key)
            if result is None:
                result = self._results[key] = _Result((function, args, kwargs))
                while len(self._results) > self._kept:
                    self._results.popitem(last=False)
            else:
                self._results.move_to_end(key)
            result.turn = self._turn
        with result.lock:
            if not result.made:
                result.value = function(*args, **kwargs)  # type: ignore[assignment]  # a slot for anything
                result.made = True
                self.calls += 1
            return result.value  # type: ignore[return-value]  # what the function returned


_PLAIN = frozenset({str, Html, int, float, bool, datetime, timedelta, type(None)})
_BY_IDENTITY = (HeatView, EntityView)


def _sign(value: Any) -> Hashable:
    """What tells ``value`` from others in a key."""
    if type(value) not in _PLAIN and (isinstance(value, _BY_IDENTITY) or not is_dataclass(value) or not _hashed(value)):
        return ("id", id(value))
    signed: Hashable = value
    return signed


def _hashed(value: object) -> bool:
    try:
        hash(value)
    except TypeError:  # holds something that cannot be
        return False
    return True


class SharedReader:
    """A :class:`Reader` for pages that follow the board: what one of them has read at this version the others are given.

    For pages that follow only: who has just changed something reads for themselves.
    """

    def __init__(self, reader: Reader, once: Once, version: int) -> None:
        self._reader, self._once, self._version = reader, once, version

    def heat(self, filters: Filters) -> HeatView:
        """See :class:`Reader`; the board shares these itself."""
        return self._reader.heat(filters)

    def polls(self, since: datetime, until: datetime) -> Sequence[datetime]:
        """See :class:`Reader`; the board shares these itself."""
        return self._reader.polls(since, until)

    def entity(self, slug: str, at: datetime | None = None) -> EntityView | None:
        """See :class:`Reader`."""
        return self._once(_entity, self._version, self._reader, slug, at)

    def receipts(
        self, slug: str, source: str | None, hour: datetime | None, limit: int, cursor: str | None,
        at: datetime | None = None, order: ReceiptOrder = "newest",
    ) -> ReceiptPage:  # fmt: skip
        """See :class:`Reader`."""
        return self._once(_receipts, self._version, self._reader, slug, source, hour, limit, cursor, at, order)

    def lines(self, slugs: Sequence[str], hours: int, at: datetime | None = None) -> Sequence[NameLine]:
        """See :class:`Reader`."""
        return self._reader.lines(slugs, hours, at)

    def search(self, text: str, limit: int) -> Sequence[EntityRef]:
        """See :class:`Reader`."""
        return self._reader.search(text, limit)

    def activity(self, alert_id: int) -> Activity | None:
        """See :class:`Reader`."""
        return self._once(_activity, self._version, self._reader, alert_id)

    def set_domain(self, entity_id: int, domain: str, actor: str, was: str | None = None) -> None:
        """See :class:`Reader`."""
        self._reader.set_domain(entity_id, domain, actor, was)


def _entity(_version: int, reader: Reader, slug: str, at: datetime | None) -> EntityView | None:
    return reader.entity(slug, at)


def _receipts(_version: int, reader: Reader, *asked: Any) -> ReceiptPage:
    return reader.receipts(*asked)


def _activity(_version: int, reader: Reader, alert_id: int) -> Activity | None:
    return reader.activity(alert_id)
