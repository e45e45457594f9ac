"""A short fuzz run of every parser; ``python -m tests.fuzz`` is the long one."""

from __future__ import annotations

import pytest

from tests.fuzz.run import fuzz
from tests.fuzz.targets import TARGETS, Target

INPUTS = 250


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name.replace(" ", "-"))
def test_no_input_breaks_a_parser(target: Target) -> None:
    tally = fuzz(target, INPUTS, seed=7)
    assert [finding.why for finding in tally.findings] == []
    assert tally.inputs == INPUTS
