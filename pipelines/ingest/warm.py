"""What the first polls of a process need and takes the interpreter for long, done before its event loop turns.

Importing Apify's client takes a second and more, and reading the certificate authorities holds the interpreter all the while:
in a worker thread, that stops the loop as surely as on it.
"""

from __future__ import annotations

import importlib

from pipelines.ingest import http
from pipelines.settings import Settings


def warm(settings: Settings) -> None:
    """Import and read what the sources that are configured will use. Blocking; asks nobody anything."""
    http.prepare()
    if settings.tiktok.token.get_secret_value():
        importlib.import_module("pipelines.ingest.tiktok_client").prepare()
    if settings.trends.explore:
        importlib.import_module("pytrends.request")
