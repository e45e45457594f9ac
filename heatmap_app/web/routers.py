"""The explicit table of server-rendered pages: a new one is its module and its line here."""

from __future__ import annotations

from fastapi import APIRouter

from heatmap_app import api_audit, api_replay, api_tuning, metrics
from heatmap_app.web import alerts, kpis, research, sources, tuning, wall

ROUTERS: tuple[APIRouter, ...] = (
    alerts.router,
    kpis.router,
    research.router,
    sources.router,
    tuning.router,
    wall.router,
    api_audit.router,
    api_replay.router,
    api_tuning.router,
    metrics.router,
)
