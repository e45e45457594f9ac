"""Accelerated days of polling under random faults: ``python -m tests.soak [--minutes N | --hours N] [--seed S]``.

Prints a table; ``--json FILE`` writes the same as JSON. Exits with 1 where an invariant does not hold.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from datetime import timedelta
from pathlib import Path

from tests.soak.report import report, table
from tests.soak.run import Phase

QUIET_SHARE = 0.25
HOUR = timedelta(hours=1)


def main() -> int:
    """Run both phases and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=10.0, help="how long the rounds go on (10)")
    length.add_argument("--hours", type=float)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--baseline-days", type=float, default=15.0, help="history read in before the first round (15)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--trace", type=Path, help="append a JSON line a round to this file")
    options = parser.parse_args()
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # answers that break off are what this is about
    os.environ.setdefault("NO_PROXY", "127.0.0.1,localhost")
    seconds = options.hours * 3600 if options.hours else options.minutes * 60
    every = timedelta(minutes=10 if options.baseline_days > 10 else 60)
    days = options.baseline_days
    loud = Phase("live", options.seed, seconds * (1 - QUIET_SHARE), True, days, every, True, options.trace)
    quiet = Phase("replay", options.seed + 1, seconds * QUIET_SHARE, False, min(days, 8.0), HOUR, False, options.trace)
    found = report(options.seed, seconds, loud.run(), quiet.run())
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    sys.stdout.write(table(found))
    for line in found["broken"]:
        sys.stdout.write(f"BROKEN: {line}\n")
    return 1 if found["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
