"""``python -m tests.fuzz [--inputs N] [--seed S] [--target NAME] [--atheris [--seconds N]]``: changed inputs at every parser.

Prints per target: inputs, inputs a second, how many were refused in words, the slowest, and the memory at the end. A crash
or an input slower than the limit is kept in ``var/fuzz`` and ends the run with status 1.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
from pathlib import Path

from tests.fuzz.run import Finding, Tally, fuzz
from tests.fuzz.targets import ACCEPTED, TARGETS, Target

LED_BY = ("pipelines.ingest", "pipelines.normalize", "pipelines.alert", "feedparser", "defusedxml")
"""The packages whose branches lead an --atheris run."""


def main() -> int:
    """Run; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="inputs in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", help="only the target of this name")
    parser.add_argument(
        "--atheris", action="store_true", help="guided by coverage (pip install atheris); needs --target"
    )
    parser.add_argument("--seconds", type=int, default=120, help="how long an --atheris run goes on")
    asked = parser.parse_args()
    chosen = [target for target in TARGETS if asked.target in (None, target.name)]
    if not chosen:
        print("no such target:", ", ".join(target.name for target in TARGETS))
        return 2
    if asked.atheris:
        return _guided(chosen[0], asked.seconds, asked.seed)
    whole = sum(target.share for target in chosen)
    findings: list[Finding] = []
    total = 0
    print(Tally.head())
    for target in chosen:
        tally = fuzz(target, max(1, round(asked.inputs * target.share / whole)), asked.seed)
        total += tally.inputs
        findings += tally.findings
        print(tally.line(), flush=True)
    print(f"{total} inputs, {len(findings)} findings")
    for finding in findings:
        print("  ", finding.keep(Path("var/fuzz")))
    return 1 if findings else 0


def _guided(target: Target, seconds: int, seed: int) -> int:
    """Led by coverage, from the target's own seeds. libFuzzer ends the process; what it kept is in ``var/fuzz``."""
    atheris = importlib.import_module("atheris")  # an optional tool, not a dependency
    kept = Path("var/fuzz")
    corpus = kept / f"corpus-{target.name.replace(' ', '-')}"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(data)

    def one(data: bytes) -> None:
        try:
            target.run(data)
        except ACCEPTED:
            return

    for name, module in tuple(
        sys.modules.items()
    ):  # all there is would be 40,000 functions and take longer than the run
        if name.startswith(LED_BY):
            for function in vars(module).values():
                if inspect.isfunction(function) and function.__module__ == name:
                    atheris.instrument_func(function)
    bounds = ["-max_len=20000", "-timeout=5", "-rss_limit_mb=4096", f"-artifact_prefix={kept}/"]
    atheris.Setup([sys.argv[0], str(corpus), f"-max_total_time={seconds}", f"-seed={seed}", *bounds], one)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
