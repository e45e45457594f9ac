"""Finding the rows a database will not take, so that the others can be stored. Pure but for the rehearsal it is handed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import polars as pl

from pipelines.model import FetchResult

KEY = ("source", "item_id")
MOST_ROWS = 50
"""More bad rows than this in one result are no accident: then nothing is set aside and the error stands."""


def set_aside(results: Sequence[FetchResult], refused: Callable[[FetchResult], bool]) -> list[FetchResult] | None:
    """``results`` without the rows that are refused, which are counted in ``rejected`` and told in ``detail``.

    ``refused`` rehearses a save of one result. None where rows are not what is wrong, or too many are.
    """
    kept = []
    for result in results:
        bad = _bad(result, pl.Series(range(result.items.height), dtype=pl.Int64), refused)
        if bad is None:
            return None
        kept.append(_without(result, bad) if bad else result)
    return kept


def of_items(frame: pl.DataFrame, result: FetchResult) -> pl.DataFrame:
    """The rows of ``frame`` (keyed by source and item_id) that belong to items of ``result``."""
    return frame.join(result.items.select(KEY).unique(), on=KEY, how="semi")


def of_kept(frame: pl.DataFrame, before: FetchResult, after: FetchResult) -> pl.DataFrame:
    """``frame`` without the rows of items that ``before`` had and ``after`` has not."""
    gone = before.items.select(KEY).unique().join(after.items.select(KEY), on=KEY, how="anti")
    return frame.join(gone, on=KEY, how="anti")


def _bad(result: FetchResult, rows: pl.Series, refused: Callable[[FetchResult], bool]) -> list[int] | None:
    """The numbers of the refused rows among ``rows``, by halving."""
    if not refused(replace(result, items=result.items[rows])):
        return []
    if rows.len() <= 1:
        # with no row left the poll itself is refused
        return None if rows.is_empty() or refused(replace(result, items=result.items.clear())) else rows.to_list()
    middle = rows.len() // 2
    found: list[int] = []
    for half in (rows[:middle], rows[middle:]):
        bad = _bad(result, half, refused)
        if bad is None or len(found) + len(bad) > MOST_ROWS:
            return None
        found += bad
    return found


def _without(result: FetchResult, bad: Sequence[int]) -> FetchResult:
    keep = pl.Series(range(result.items.height), dtype=pl.Int64)
    words = f"{len(bad)} {'row' if len(bad) == 1 else 'rows'} set aside: the database would not take them"
    return replace(
        result,
        items=result.items[keep.filter(~keep.is_in(list(bad)))],
        rejected=result.rejected + len(bad),
        detail=f"{result.detail}; {words}" if result.detail else words,
    )
