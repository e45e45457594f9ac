"""The fetch audit as CSV: the same rows and filters as ``/api/v1/audit``, capped."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from heatmap_app.api import ApiReader, Store, csv_cell

router = APIRouter(prefix="/api/v1")
MOST = 10_000
PAGE = 500
COLUMNS = (
    "at", "source", "outcome", "http_status", "items", "new_items", "rejected", "requests", "bytes", "ms", "kind",
    "request_id", "retry_after_s", "detail",
)  # fmt: skip


@router.get("/audit.csv", summary="Fetches as CSV, newest first", response_class=Response)
def audit_csv(
    reader: Store,
    source: Annotated[str | None, Query(max_length=40)] = None,
    outcome: Annotated[str | None, Query(max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=MOST, description="Rows at most")] = MOST,
) -> Response:
    """One line a fetch, safe to open in a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows(
        [_cell(row, name) for name in COLUMNS] for row in _rows(reader, source or None, outcome or None, limit)
    )
    named = {"Content-Disposition": "attachment; filename=et-heatmap-audit.csv"}
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=named)


def _rows(reader: ApiReader, source: str | None, outcome: str | None, limit: int) -> Iterator[Mapping[str, Any]]:
    cursor: str | None = None
    while limit > 0:
        page = reader.audit(source, outcome, min(PAGE, limit), cursor)
        yield from page["items"]
        limit -= len(page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _cell(row: Mapping[str, Any], name: str) -> object:
    value = row.get(name)
    return csv_cell(value.isoformat() if isinstance(value, datetime) else value)
