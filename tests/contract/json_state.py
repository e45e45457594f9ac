"""Source state as the database will keep it."""

from __future__ import annotations

import json
from typing import Any

from pipelines.ingest.state import MemoryState


class JsonState(MemoryState):
    """Refuses what a jsonb column would refuse: NaN, lone surrogates, NUL, anything that is not JSON."""

    def put(self, key: str, value: dict[str, Any]) -> None:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode("utf-8")
        assert "\\u0000" not in text
        super().put(key, json.loads(text))
