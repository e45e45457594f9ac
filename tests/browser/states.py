"""The states a page must be drawn in, each as a pose of the sample reader.

``python -m tests.browser.serve_sample 5006 state=source-down`` shows one; tests take all of them one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal

from pipelines.view import EntityRef, SourceHealth
from tests.browser.sample_reader import NAMES, SampleReader

Standing = Literal["not_configured", "down"]
LONG = "The Unreasonably Long and Winding Announcement of the Ninth Anniversary Tour of " + "Everybody " * 13
ODD_NAMES = (
    ("燈火守護者與北海第九製圖師", "show"), ("ソルトウォーター・キングス", "show"), ("소금물의 왕들", "show"),
    ("حراس الفانوس", "show"), ("ليلى المنصوري (ممثلة)", "person"), ("שומרי הפנס", "show"), ("Nour نور Haddad", "person"),
    ("ผู้พิทักษ์โคมไฟ", "show"), ("लालटेन के रखवाले", "show"), ("Свечные хранители", "show"), ("Οι φύλακες", "show"),
    ("👩‍🚀🚀 Lift-Off 🏳️‍🌈", "song"), ("Z̸̡̛a̷͝l̶̈́g̵̊o̴͐ Quartet", "music"), ("Ångström Öberg-Łuczak", "person"),
    (LONG[:200], "event"), ("Supercalifragilistic" * 10, "song"), ("1989", "music"), ("&c.", "person"),
    ("O’Neil-D’Arcy, Jr.", "person"), ("A", "music"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pose:
    """How the sample stands; ``sources`` changes the state of some."""

    names: Sequence[Sequence[str]] = NAMES
    mode: str = "demo"
    empty: bool = False
    stale: bool = False
    failing: bool = False
    baseline_hours: int = 168
    sources: Mapping[str, tuple[Standing, str]] = field(default_factory=dict)


STATES: Mapping[str, Pose] = {
    "usual": Pose(),
    "first-minutes": Pose(mode="live", baseline_hours=9),
    "nothing-yet": Pose(mode="live", empty=True, baseline_hours=0),
    "no-credentials": Pose(
        mode="live", baseline_hours=30,
        sources={
            "reddit": ("not_configured", "Reddit: not configured. Set HEATMAP_REDDIT__CLIENT_ID and ..._SECRET."),
            "tiktok": ("not_configured", "TikTok: not configured. Set HEATMAP_TIKTOK__TOKEN to an Apify token."),
        },
    ),
    "source-down": Pose(mode="live", sources={"reddit": ("down", "Reddit: down since 13:40 UTC: it answered 503.")}),
    "stale": Pose(mode="live", stale=True),
    "no-results": Pose(mode="live", empty=True),
    "database-away": Pose(mode="live", failing=True),
    "long-and-foreign-names": Pose(names=ODD_NAMES),
    "no-rows": Pose(names=()),
    "twenty-rows": Pose(names=NAMES[:20]),
    "two-hundred-rows": Pose(names=tuple((f"{name} {number}", kind) for number in range(9) for name, kind in NAMES)[:200]),
}  # fmt: skip


class PosedReader(SampleReader):
    """A sample reader that takes any of :data:`STATES`."""

    def __init__(self, state: str = "usual") -> None:
        super().__init__()
        self.changed: Mapping[str, tuple[Standing, str]] = {}
        self.pose(state)

    def pose(self, state: str) -> None:
        """Stand as in ``state``."""
        pose = STATES[state]
        self.names, self.mode, self.changed = tuple(pose.names), pose.mode, pose.sources
        self.empty, self.stale, self.failing = pose.empty, pose.stale, pose.failing
        self.baseline_hours = pose.baseline_hours

    def search(self, text: str, limit: int) -> Sequence[EntityRef]:
        """As the sample's; a board of nobody finds nobody."""
        return super().search(text, limit) if self.names else ()

    def _sources(self, step: int) -> tuple[SourceHealth, ...]:
        return tuple(self._posed(one) for one in super()._sources(step))

    def _posed(self, one: SourceHealth) -> SourceHealth:
        if one.source not in self.changed:
            return one
        state, line = self.changed[one.source]
        last = None if state == "not_configured" else self.now - timedelta(minutes=52)
        return replace(one, state=state, line=line, last_success=last)
