"""Refusals of Apify that the TikTok source answers in its own way."""

from __future__ import annotations

from pipelines.errors import PausedError, PermanentError


class QuotaError(PausedError):
    """The account has nothing left to spend."""


class NotThereError(PermanentError):
    """Apify knows no such actor, run or dataset."""
