"""``heatmap evaluate``: how the velocity methods compare, on marked windows or on bursts laid over a recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heatmap_app.cli_common import JsonOption, bar, parse_time, print_json, say, table
from pipelines.errors import InputError
from pipelines.settings import Settings, load_settings

if TYPE_CHECKING:
    from pipelines.evaluate.background import Background
    from pipelines.evaluate.inject import AtThreshold, MethodOnBursts, Progress, Trial
    from pipelines.evaluate.learn import Learned
    from pipelines.evaluate.roc import Found, MethodOnLabels

DEMO_EPOCH = datetime(2026, 1, 5, tzinfo=UTC)
DEMO_SEED = 7


def evaluate_command(
    labelled: Annotated[
        Path | None, typer.Option(help="A folder of NAME.csv (timestamp,value) with windows.json.")
    ] = None,
    inject: Annotated[Path | None, typer.Option(help="A recording to lay bursts over.")] = None,
    demo_days: Annotated[
        int | None, typer.Option(help="Lay them over so many days of the demo instead.", min=9)
    ] = None,
    since: Annotated[str | None, typer.Option("--from", help="Score from here (default: a week into it).")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Score up to here.")] = None,
    sizes: Annotated[str, typer.Option(help="Mentions of a burst on each platform.")] = "3,6,12,24",
    each: Annotated[int, typer.Option(help="Bursts of each size and shape in each half.", min=1)] = 40,
    seed: Annotated[int, typer.Option(help="The same seed, the same bursts.")] = 1,
    learn: Annotated[str | None, typer.Option(help="Learn this method's parameters on the first half.")] = None,
    false_alarms: Annotated[
        float | None,
        typer.Option(help="Allowed: a series-week (labelled, default 1) or a day (default: what robust gives)."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Recall and delay of every velocity method at equal false alarms; thresholds from the first half, results from the
    second."""
    if [labelled, inject, demo_days].count(None) != 2:
        raise InputError("evaluate: one of --labelled, --inject and --demo-days")
    if learn is not None and labelled is not None:
        raise InputError("--learn: needs a recording (--inject or --demo-days)")
    settings = load_settings()
    if labelled is not None:
        evaluate_labelled_folder(labelled, settings, 1.0 if false_alarms is None else false_alarms, as_json=as_json)
        return
    span = (parse_time(since, "--from") if since else None, parse_time(until, "--to") if until else None)
    wanted = _sizes(sizes)
    background = _background(inject, demo_days, settings, span)
    trial = _trial(background, settings, wanted, each, seed, false_alarms)
    if learn is not None:
        _learn(trial, settings, learn, as_json=as_json)
        return
    _bursts(trial, settings, as_json=as_json)


def evaluate_labelled_folder(
    folder: Path, settings: Settings, false_week: float = 1.0, *, as_json: bool = False
) -> None:
    """Print every method over the labelled series of ``folder``: also what ``heatmap backtest --labelled`` does."""
    from pipelines.evaluate.labelled import read_folder
    from pipelines.evaluate.roc import evaluate_labelled

    sets = read_folder(folder)
    with _shown("methods") as progress:
        results = evaluate_labelled(sets, settings, false_week=false_week, progress=progress)
    if as_json:
        print_json(
            {
                "folder": str(folder), "series": [one.name for one in sets], "false_week": false_week,
                "methods": [result.as_json() for result in results],
            }
        )  # fmt: skip
        return
    say(f"{len(sets)} series, {sum(len(one.windows) for one in sets)} marked windows.")
    say(f"Gate {settings.gates.min_velocity:g}: all of it. Equal: the threshold that gave at most {false_week:g} false")
    say("alarms a series-week on the first half, on the second. Delays are from the middle of the window.")
    table([_labelled_row(result) for result in results], LABELLED_COLUMNS)


LABELLED_COLUMNS = (
    "method", "recall", "delay h", "alerts/wk", "false/wk", "equal at", "recall", "delay h", "alerts/wk", "false/wk", "ROC",
)  # fmt: skip


def _labelled_row(result: MethodOnLabels) -> Sequence[object]:
    second = result.second
    equal = _found(second) if second else ("none", "", "", "")
    at = f"{second.threshold:.2f}" if second else "none"
    return (result.method, *_found(result.configured), at, *equal, f"{result.area:.3f}")


def _found(found: Found) -> tuple[str, str, str, str]:
    late = "" if found.middle_hours is None else f"{found.middle_hours:+.1f}"
    return f"{found.hit}/{found.windows}", late, f"{found.alerts_week:.2f}", f"{found.false_week:.2f}"


def _sizes(text: str) -> tuple[float, ...]:
    try:
        sizes = tuple(float(part) for part in text.split(","))
    except ValueError:
        sizes = ()
    if not sizes or not all(0 < size <= 10_000 for size in sizes):
        raise InputError(f"--sizes: {text!r} is not a list of numbers above 0; write it like 3,6,12")
    return sizes


def _background(
    file: Path | None, demo_days: int | None, settings: Settings, span: tuple[datetime | None, datetime | None]
) -> Background:
    from datetime import timedelta

    from pipelines.backtest import prepare
    from pipelines.evaluate.background import background_of
    from pipelines.replay import Recording
    from pipelines.simulate import DemoWorld

    if file is not None:
        with _shown("reading") as progress:
            prepared = prepare(Recording(file), settings, start=span[0], end=span[1], progress=progress)
        return background_of(prepared, file.name, *span)
    demo, days = DemoWorld(DEMO_SEED, DEMO_EPOCH), demo_days or 0
    with _shown("reading") as progress:
        prepared = prepare(demo, settings, end=DEMO_EPOCH + timedelta(days=days), progress=progress)
    return background_of(prepared, f"demo, {days} days", *span)


def _trial(
    background: Background, settings: Settings, sizes: Sequence[float], each: int, seed: int, allowed: float | None
) -> Trial:
    from pipelines.evaluate.inject import make_trial

    say(
        f"{background.name}: {background.mentions['entity'].n_unique()} names on {', '.join(background.platforms)}, "
        f"{background.start:%Y-%m-%d %H:%M} to {background.end:%Y-%m-%d %H:%M} UTC, second half from "
        f"{background.middle:%Y-%m-%d %H:%M}."
    )
    return make_trial(background, settings, sizes, each=each, seed=seed, alerts_day=allowed)


def _bursts(trial: Trial, settings: Settings, *, as_json: bool) -> None:
    from pipelines.evaluate.inject import evaluate_bursts

    with _shown("methods") as progress:
        results = evaluate_bursts(trial, settings, progress=progress)
    if as_json:
        print_json({**_told(trial), "methods": [result.as_json() for result in results]})
        return
    say(f"Allowed on the first half: {trial.alerts_day:.2f} alerts a day. Everything below is the second half:")
    say(f"at the gate {settings.gates.min_velocity:g}, then at each method's equal threshold, with recall by size.")
    sizes = sorted({burst.size for burst in trial.bursts[1]})
    header = (*BURST_COLUMNS, *(f"of {size:g}" for size in sizes))
    table([_burst_row(result, sizes) for result in results], header)


BURST_COLUMNS = ("method", "alerts/day", "recall", "delay h", "equal at", "alerts/day", "recall", "delay h")


def _burst_row(result: MethodOnBursts, sizes: Sequence[float]) -> Sequence[object]:
    second = result.second
    if second is None:
        return (result.method, *_at(result.configured), "none", "", "", "", *("" for _ in sizes))
    by_size = (f"{second.sizes[size].hit}/{second.sizes[size].n}" for size in sizes)
    return (result.method, *_at(result.configured), f"{second.threshold:.2f}", *_at(second), *by_size)


def _at(found: AtThreshold) -> tuple[str, str, str]:
    every = found.every
    late = "" if every.delay_hours is None else f"{every.delay_hours:.1f}"
    return f"{found.alerts_day:.2f}", f"{every.hit / max(every.n, 1):.1%}", late


def _told(trial: Trial) -> dict[str, Any]:
    of = trial.background
    return {
        "recording": of.name, "platforms": list(of.platforms), "from": of.start, "second_half": of.middle,
        "to": of.end, "names": of.mentions["entity"].n_unique(), "alerts_day_allowed": trial.alerts_day,
        "min_spread": trial.gate.min_spread,
    }  # fmt: skip


def _learn(trial: Trial, settings: Settings, method: str, *, as_json: bool) -> None:
    from pipelines.evaluate.learn import learn

    with _shown(method) as progress:
        results = learn(trial, settings, method, progress)
    if as_json:
        tried = [{"values": one.values, "first_half": one.first and one.first.as_json()} for one in results]
        print_json({**_told(trial), "method": method, "tried": tried})
        return
    say(
        f"First half only, at most {trial.alerts_day:.2f} alerts a day; best first. Set the best in config/scoring.toml."
    )
    table([_learned_row(one) for one in results], ("parameters", "equal at", "alerts/day", "recall", "delay h"))


def _learned_row(one: Learned) -> Sequence[object]:
    named = " ".join(f"{key}={value:g}" for key, value in one.values.items())
    return (named, "none", "", "", "") if one.first is None else (named, f"{one.first.threshold:.2f}", *_at(one.first))


@contextmanager
def _shown(label: str) -> Iterator[Progress]:
    """A progress bar that is told the part done."""
    with bar(100, "%", label) as shown:

        def told(part: float, what: str) -> None:
            shown.set_postfix_str(what, refresh=False)
            shown.update(round(part * 100) - shown.n)

        yield told
