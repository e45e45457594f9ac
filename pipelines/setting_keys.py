"""Settings named by dotted keys on the command line: ``gates.min_velocity=2.0`` and the like."""

from __future__ import annotations

import json
from typing import Any

from pipelines.errors import InputError
from pipelines.section import Section
from pipelines.settings import Settings


def known_key(option: str, key: str) -> tuple[str, str]:
    """Section and name of the dotted ``key`` that ``option`` names. Raises :class:`InputError` where it is no setting."""
    section, _, name = key.partition(".")
    info = Settings.model_fields.get(section)
    kind = info.annotation if info else None
    if not (isinstance(kind, type) and issubclass(kind, Section)):
        raise InputError(f"{option} {key}: there is no section {section!r}; see config/*.toml")
    if name not in kind.model_fields:
        raise InputError(f"{option} {key}: {section} has {', '.join(kind.model_fields)}")
    return section, name


def value_of(text: str) -> Any:
    """JSON where it is JSON, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
