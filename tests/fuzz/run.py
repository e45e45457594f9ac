"""One target, many inputs: what broke, what was slow, how much memory it took."""

from __future__ import annotations

import hashlib
import random
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.fuzz.mutate import mutated
from tests.fuzz.targets import ACCEPTED, Target

SLOWEST_S = 2.0
"""Longer than this for at most 60 kB is a finding."""
GROWTH_MB = 300
"""More memory than this above the level after the first thousand inputs is a finding."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that broke a parser, and how."""

    target: str
    data: bytes
    why: str

    def keep(self, folder: Path) -> str:
        """Write the input down; a line that says where and why."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.target.replace(' ', '-')}-{hashlib.sha256(self.data).hexdigest()[:12]}"
        path.write_bytes(self.data)
        return f"{path}: {self.why}"


@dataclass
class Tally:
    """What a target's inputs came to."""

    target: str
    inputs: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    grown_mb: float = 0.0
    findings: list[Finding] = field(default_factory=list)

    @staticmethod
    def head() -> str:
        """The table's head."""
        return f"{'parser':24}{'inputs':>10}{'a second':>10}{'refused':>10}{'slowest':>10}{'grown':>10}{'found':>7}"

    def line(self) -> str:
        """One row of the table."""
        rate = self.inputs / self.seconds if self.seconds else 0.0
        return (
            f"{self.target:24}{self.inputs:>10}{rate:>10.0f}{self.refused:>10}{self.slowest * 1000:>7.0f} ms"
            f"{self.grown_mb:>7.0f} MB{len(self.findings):>7}"
        )


def fuzz(target: Target, inputs: int, seed: int, most_findings: int = 5) -> Tally:
    """Throw ``inputs`` inputs at ``target``; stops early at ``most_findings``."""
    chance = random.Random(f"{seed}|{target.name}")
    tally = Tally(target.name)
    process = psutil.Process()
    level = process.memory_info().rss
    started = time.monotonic()
    for number in range(inputs):
        data = mutated(chance, target.seeds) if number >= len(target.seeds) else target.seeds[number]
        _one(target, data, tally)
        if number == 1000:
            level = process.memory_info().rss
        if len(tally.findings) >= most_findings:
            break
    tally.seconds = time.monotonic() - started
    tally.grown_mb = max(0.0, (process.memory_info().rss - level) / 1e6)
    if tally.grown_mb > GROWTH_MB:
        tally.findings.append(Finding(target.name, b"", f"memory grew by {tally.grown_mb:.0f} MB"))
    return tally


def _one(target: Target, data: bytes, tally: Tally) -> None:
    before, aside = time.perf_counter(), target.aside()
    try:
        target.run(data)
    except ACCEPTED:
        tally.refused += 1
    # a panic of Polars is a BaseException, and finding it is the point
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        where = traceback.extract_tb(error.__traceback__)[-1]
        why = f"{type(error).__name__} in {Path(where.filename).name}:{where.lineno}: {str(error)[:160]}"
        tally.findings.append(Finding(target.name, data, why))
    took = time.perf_counter() - before - (target.aside() - aside)
    tally.inputs += 1
    tally.slowest = max(tally.slowest, took)
    if took > SLOWEST_S:
        tally.findings.append(Finding(target.name, data, f"took {took:.1f} s"))
