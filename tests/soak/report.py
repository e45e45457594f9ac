"""The figures of a run: as plain data, as a table, and what of them breaks a promise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tests.soak.run import Outcome, slope

LAG_P99_MS = 250.0


def quantiles(lags: Sequence[float]) -> dict[str, float]:
    """p50, p99 and the largest, in ms, and how many samples."""
    ordered = sorted(lags)
    if not ordered:
        return {"samples": 0, "p50": 0.0, "p99": 0.0, "max": 0.0}
    last = len(ordered) - 1
    return {"samples": len(ordered), "p50": ordered[last // 2], "p99": ordered[int(last * 0.99)], "max": ordered[-1]}


def report(seed: int, seconds: float, main: Outcome, quiet: Outcome) -> dict[str, Any]:
    """Everything, JSON-ready."""
    found = {"seed": seed, "asked_s": seconds, "stories": phase(main), "quiet": phase(quiet)}
    return {**found, "broken": broken(found)}


def phase(out: Outcome) -> dict[str, Any]:
    """One phase."""
    grown, kept = slope(out.samples)
    step = max(1, len(out.samples) // 12)
    return {
        "seconds": round(out.seconds), "start_s": round(out.start_s, 1), "before_rounds_s": round(out.before_s, 1),
        "rounds": out.rounds, "virtual_days": round(out.rounds * 600 / 86_400, 2),
        "polls": out.polls, "outcomes": out.outcomes, "baseline": out.baseline, "faults": dict(sorted(out.faults.items())),
        "faults_in_all": out.faults.total(), "kills": out.kills,
        "rows": {"expected": out.rows.expected, "lost": out.rows.lost, "doubled": out.rows.doubled,
                 "half_polls": out.rows.half_polls, "miscounted_hours": out.rows.miscounted_hours,
                 "stored": out.rows.stored, "examples": out.rows.examples[:10]},
        "alerts": {"stories": out.stories, "stored": out.alerts.stored, "delivered": out.alerts.delivered,
                   "lost": out.alerts.lost, "doubled": out.alerts.doubled, "false": out.alerts.false,
                   "examples": out.alerts.examples[:10]},
        "lag_ms": {"usual": quantiles(out.lags), "huge_refused": quantiles(out.huge_lags),
                   "huge_whole": quantiles(out.whole_lags), "whole": out.whole},
        "backlog": {"most": out.buffered, "dropped": out.dropped},
        "memory": {"mb_per_1000_polls": round(grown, 2), "polls": kept[-1][0] - kept[0][0] if kept else 0,
                   "from_mb": round(kept[0][1], 1) if kept else 0.0, "to_mb": round(kept[-1][1], 1) if kept else 0.0,
                   "most_mb": round(max((mb for _, mb in kept), default=0.0), 1),
                   "samples": [(polls, round(mb, 1)) for polls, mb in out.samples[::step]]},
        "recovery": {kind: {"times": len(found), "most": round(max(took for took, _ in found), 2),
                            "late": [round(took, 2) for took, allowed in found if took > allowed + 0.01],
                            "allowed": round(max(allowed for _, allowed in found), 2)}
                     for kind, found in sorted(out.recoveries.intervals.items())},
        "recovery_s": {kind: round(max(found), 1) for kind, found in sorted(out.recoveries.seconds.items())},
        "not_recovered": [one.name for one in out.recoveries.waiting],
    }  # fmt: skip


def table(found: dict[str, Any]) -> str:
    """For people."""
    lines = [f"seed {found['seed']}, {found['asked_s']:.0f} s of rounds asked for"]
    for name in ("stories", "quiet"):
        lines += ["", f"== {name} ==", *_phase_lines(found[name])]
    return "\n".join(lines) + "\n"


def _phase_lines(one: dict[str, Any]) -> Iterator[str]:
    rows, alerts, memory = one["rows"], one["alerts"], one["memory"]
    yield f"rounds {one['rounds']} ({one['virtual_days']} virtual days), polls {one['polls']}, {one['seconds']} s"
    yield f"faults injected {one['faults_in_all']}, kinds {len(one['faults'])}, kills {one['kills']}"
    yield (f"rows expected {rows['expected']}, lost {rows['lost']}, doubled {rows['doubled']}, "
           f"half polls {rows['half_polls']}, hours miscounted {rows['miscounted_hours']}")  # fmt: skip
    yield (f"alerts stored {alerts['stored']} (stories begun {alerts['stories']}), delivered {alerts['delivered']}, "
           f"lost {alerts['lost']}, doubled {alerts['doubled']}, false {alerts['false']}")  # fmt: skip
    for kind in ("usual", "huge_refused", "huge_whole"):
        lag = one["lag_ms"][kind]
        yield f"loop lag ms, {kind}: p50 {lag['p50']} p99 {lag['p99']} max {lag['max']} ({lag['samples']} samples)"
    yield f"backlog at most {one['backlog']['most']} polls, dropped {one['backlog']['dropped']}"
    yield (f"memory {memory['from_mb']} -> {memory['to_mb']} MB over {memory['polls']} polls: "
           f"{memory['mb_per_1000_polls']} MB per 1,000 polls")  # fmt: skip
    yield "recovery, intervals (most / allowed / times):"
    for kind, took in one["recovery"].items():
        yield f"  {kind:28} {took['most']:5} / {took['allowed']:5} / {took['times']}"
    for kind, seconds in one["recovery_s"].items():
        yield f"  {kind:28} {seconds} s at most"
    yield from (f"  {example}" for example in (*rows["examples"], *alerts["examples"]))


def broken(found: dict[str, Any]) -> list[str]:
    """What does not hold."""
    lines = []
    for name in ("stories", "quiet"):
        one = found[name]
        zero = {f"rows {key}": one["rows"][key] for key in ("lost", "doubled", "half_polls", "miscounted_hours")}
        zero |= {f"alerts {key}": one["alerts"][key] for key in ("lost", "doubled", "false")}
        zero["polls dropped"] = one["backlog"]["dropped"]
        lines += [f"{name}: {what} {count}" for what, count in zero.items() if count]
        lines += [f"{name}: {kind} recovered late: {took['late']}" for kind, took in one["recovery"].items()
                  if took["late"]]  # fmt: skip
        lines += [f"{name}: never recovered from {kind}" for kind in one["not_recovered"]]
        lines += [f"{name}: loop lag p99 {lag['p99']} ms ({kind})" for kind, lag in one["lag_ms"].items()
                  if kind != "whole" and lag["p99"] >= LAG_P99_MS]  # fmt: skip
    if found["quiet"]["alerts"]["stored"]:
        lines.append("quiet: an alert without a story")
    if not found["stories"]["alerts"]["stored"]:
        lines.append("stories: no alert at all")
    return lines
