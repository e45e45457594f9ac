"""A short fuzz run of every parser; ``python -m tests.fuzz`` is the long one."""

from __future__ import annotations

import time

import pytest

from tests.fuzz import run
from tests.fuzz.run import fuzz
from tests.fuzz.targets import TARGETS, Target

INPUTS = 250


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name.replace(" ", "-"))
def test_no_input_breaks_a_parser(target: Target) -> None:
    tally = fuzz(target, INPUTS, seed=7)
    assert [finding.why for finding in tally.findings] == []
    assert tally.inputs == INPUTS


def test_only_the_time_of_parsing_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "SLOWEST_S", 0.05)
    spent: list[float] = []

    def a_child_starts(_data: bytes) -> None:
        began = time.perf_counter()
        time.sleep(0.1)
        spent.append(time.perf_counter() - began)

    assert fuzz(Target("starts", a_child_starts, (b"a",), 1.0, lambda: sum(spent)), 2, seed=1).findings == []
    slow = fuzz(Target("slow", a_child_starts, (b"a",), 1.0), 2, seed=1)
    assert [finding.why[:5] for finding in slow.findings] == ["took ", "took "]
