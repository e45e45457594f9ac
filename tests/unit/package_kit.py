"""Stories to make packages of; every name and headline here is made up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from pipelines.alert.package import Desk, load_desk, make_package
from pipelines.alert.package_checks import problems
from pipelines.alert.package_model import Package, Story
from pipelines.settings import CONFIG_DIR, ROOT
from pipelines.view import Receipt

T = datetime(2026, 5, 3, 14, 0, tzinfo=UTC)
NAME = "Odalys Brightwater"


@cache
def desk() -> Desk:
    """The word table and templates the product ships."""
    return load_desk(CONFIG_DIR, ROOT / "assets")


def receipt(source: str, title: str, minutes: float = 60, number: int = 0, **changes: Any) -> Receipt:
    """A receipt ``minutes`` old."""
    at = T - timedelta(minutes=minutes)
    feed = {"reddit": "popculturechat", "trends": "US", "tiktok": "hashtag", "trades": "variety.com"}.get(source, "x")
    made = Receipt(source, feed, f"{source}{number}-{minutes:g}", title, "https://demo.invalid/1", at, at, 100.0, None)
    return replace(made, **changes)


def reddit(*titles: str) -> list[Receipt]:
    """Posts, oldest first, the first at 11:20."""
    return [receipt("reddit", title, 160 - 7 * number, number) for number, title in enumerate(titles)]


def story(*receipts: Receipt, **changes: Any) -> Story:
    """An alerting story about :data:`NAME`."""
    plain = Story(NAME, "person", tuple(receipts), (), None, T, 3.7, 2, None, 0.8)
    return replace(plain, **changes)


def package(made: Story) -> Package:
    """The package of ``made``, which must pass every check."""
    done = make_package(made, desk())
    assert problems(done.texts(), made, desk().words, desk().texts.words) == ()
    return done


def everything(done: Package) -> str:
    """All texts of a package as one."""
    return "\n".join(line for lines in done.texts().values() for line in lines)
