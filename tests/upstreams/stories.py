"""Invented stories that rise and fall by the clock, so that all stand-ins talk about the same things.

For trying the product by hand: which names are hot at a moment is a pure function of that moment.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import datetime

PEOPLE = (
    "Odalys Brightwater", "Tamsin Orrelle", "Jory Valdemarre", "Ines Kallowick", "Saint Ferro", "Mirelle Okonvar",
    "Davit Sorrowgate", "Pell Amarillon", "Ysolde Hartmere", "Cato Brindlefox",
)  # fmt: skip
TITLES = (
    "The Lantern Keepers", "Glass Meridian", "Nine Quiet Rivers", "Hollow Orchard", "Paper Satellites",
    "Midnight at Corran Bay",
)  # fmt: skip
EVENTS = (
    "{who} walks off the set of {what} mid-scene",
    "First trailer for {what} with {who} is here",
    "{who} responds to the backlash over {what}",
    "Why everyone is talking about {who} in {what}",
    "{who} cast as the lead of {what}, and the internet is divided",
    "The ending of {what} explained: {who} says it was improvised",
)
PERIOD_H = 30.0


@dataclass(frozen=True)
class Story:
    """One name and how loud it is now, 0 (silent) to 1."""

    who: str
    what: str
    loudness: float


def stories(now: datetime) -> list[Story]:
    """Every story at ``now``, loudest first. Each peaks once in 30 hours, at its own hour."""
    hours = now.timestamp() / 3600
    found = []
    for index, who in enumerate(PEOPLE):
        phase = (hours + index * PERIOD_H / len(PEOPLE)) % PERIOD_H
        loudness = math.exp(-(((phase - 4.0) / 2.5) ** 2))
        found.append(Story(who, TITLES[index % len(TITLES)], loudness))
    return sorted(found, key=lambda story: -story.loudness)


def headline(story: Story, dice: random.Random) -> str:
    """A sentence about ``story``."""
    return dice.choice(EVENTS).format(who=story.who, what=story.what)
