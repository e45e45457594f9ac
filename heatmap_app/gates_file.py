"""Gates that an editor applied in another process: read again from ``config/local.toml`` where that changed."""

from __future__ import annotations

from pathlib import Path

import structlog

from heatmap_app.web.tuning_choice import KEYS, fixed_by_environment, with_values
from pipelines import settings as files
from pipelines.errors import InputError
from pipelines.settings import Settings
from pipelines.settings_local import read_local, shipped

log = structlog.get_logger(__name__)
type Stamp = tuple[int, int, int]


class GatesFile:
    """Looks at the file's stamp; what was there at the start is in the settings already."""

    def __init__(self) -> None:
        self._seen = _stamp(files.LOCAL_FILE)

    def over(self, settings: Settings) -> Settings:
        """``settings`` with the gates the file says now; as they are where it did not change or cannot be used, which is
        logged. What the environment sets stays."""
        seen = _stamp(files.LOCAL_FILE)
        if seen == self._seen:
            return settings
        self._seen = seen
        try:
            return with_values(settings, in_files())
        except (InputError, ValueError) as error:
            log.warning("gates not taken over", file=files.LOCAL_FILE.name, reason=str(error).splitlines()[0])
            return settings


def in_files() -> dict[str, float]:
    """The seven numbers as the shipped files and the local one say, without those the environment sets. Raises
    :class:`InputError`."""
    found, local, fixed = shipped(KEYS), read_local(files.LOCAL_FILE), fixed_by_environment()
    for key in KEYS:
        section, _, name = key.partition(".")
        found[key] = local.get(section, {}).get(name, found[key])
    return {key: value for key, value in found.items() if key not in fixed}


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
