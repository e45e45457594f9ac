"""The read model over the store: what pages and API ask, answered by ``pipelines.read``. Calls block; use a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from heatmap_app.pages.reader import Filters
from pipelines import read
from pipelines.clock import Clock
from pipelines.errors import StoreError
from pipelines.settings import Settings
from pipelines.store.store import Store
from pipelines.view import EntityRef, EntityView, HeatView, HistoryPoint, ReceiptPage, SourceHealth
