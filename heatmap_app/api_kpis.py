"""``/api/v1/kpis``: the KPIs as data, in the shape the page and ``heatmap kpis --json`` use."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from heatmap_app.kpi_job import present_kpis
from pipelines.alert.kpi_view import KpiView
from pipelines.read.kpis import MAX_DAYS

router = APIRouter()
"""Part of the API's router; see ``heatmap_app.api``."""


@router.get("/kpis", summary="Lead over the trades, usefulness, false alerts")
def kpis(
    request: Request, days: Annotated[int, Query(ge=1, le=MAX_DAYS, description="UTC days, today included")] = 30
) -> KpiView:
    """Each KPI with its number of cases, interval, target and verdict; then each day with its alerts, newest first."""
    return present_kpis(request.app.state.runtime, days)
