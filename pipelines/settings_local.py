"""The desk's own settings file, ``config/local.toml``: read, changed by key, written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipelines.errors import InputError
from pipelines.settings import CONFIG_DIR, CONFIG_FILES

HEAD = "# This desk's own settings, over the shipped ones. Written by the page /tuning; the environment wins over it.\n"
Table = dict[str, dict[str, Any]]


def read_local(path: Path) -> Table:
    """The tables of ``path``; empty where it is not there. Raises :class:`InputError` where it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name}: cannot be read: {str(error).splitlines()[0]}") from None


def shipped(keys: Iterable[str]) -> dict[str, Any]:
    """What the shipped files say of these dotted keys."""
    found: Table = {}
    for name in CONFIG_FILES:
        found |= read_local(CONFIG_DIR / name)
    return {key: found[key.partition(".")[0]][key.partition(".")[2]] for key in keys}


def change_local(path: Path, changes: Mapping[str, Any]) -> None:
    """Set these dotted keys in ``path``; a value of None takes the key out, and the last one takes the file away.

    Other keys keep their values; comments are not kept. Raises :class:`InputError` where it cannot be written.
    """
    tables = {section: dict(values) for section, values in read_local(path).items()}
    for key, value in changes.items():
        section, _, name = key.partition(".")
        if value is None:
            tables.get(section, {}).pop(name, None)
        else:
            tables.setdefault(section, {})[name] = value
    tables = {section: values for section, values in tables.items() if values}
    try:
        if tables:
            _write(path, HEAD + "".join(_table(section, values) for section, values in tables.items()))
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path.name} cannot be written ({error.strerror or error}); nothing was changed") from None


def _table(section: str, values: Mapping[str, Any]) -> str:
    # a JSON scalar, or a list of them, is TOML as well
    lines = "".join(f"{name} = {json.dumps(value, ensure_ascii=True)}\n" for name, value in values.items())
    return f"\n[{section}]\n{lines}"


def _write(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
