"""The score opened up, term by term, down to the windows, their mean and deviation (SCORING 2 and 3). Pure markup."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from heatmap_app.escape import Html, join, tag
from heatmap_app.pages.words import Times, listed, plain, platform, signed
from pipelines.alert.words import confidence_words
from pipelines.score_methods import method_named
from pipelines.score_model import Scoring
from pipelines.settings import Settings
from pipelines.view import HeatItem, PlatformScore

CONFIDENCE_WORDS = {
    "evidence": "enough mentions, n/(n+5)",
    "baseline": "baseline windows of 13",
    "health": "sources answering",
    "agreement": "platforms agreeing, of 3",
}


def equation(item: HeatItem, settings: Settings) -> Html:
    """``HEAT 1.97 = (0.5 × 3.74 + 0.3 × 3/3 + 0.2 × 0.41) × 0.875``, each number a way to its explanation."""
    heat = settings.heat
    decay = math.exp(-item.hours_since_peak / heat.decay_hours)
    return tag(
        "p",
        tag("b", f"HEAT {plain(item.heat)}", class_="result"),
        " = ",
        _whole("(", _term(heat.velocity_weight, plain(item.velocity_z), "velocity")),
        " + ",
        _whole(_term(heat.spread_weight, f"{item.spread_count}/3", "spread")),
        " + ",
        _whole(_term(heat.affect_weight, plain(item.affect), "affect"), ")"),
        " ",
        _whole("× ", _number(plain(decay, 3), "freshness")),
        class_="equation",
    )


def why(item: HeatItem, settings: Settings, times: Times) -> Html:
    """One fold per term of the equation, and one for the confidence."""
    decay = math.exp(-item.hours_since_peak / settings.heat.decay_hours)
    window = settings.velocity.window_hours
    seen = [platform(name) for name, score in item.platforms.items() if score.mentions]
    where = f"Seen on {listed(seen) or 'no platform'} in the last {window} h."
    since, peak = plain(item.hours_since_peak, 1), times.near(item.peak_at, item.peak_at)
    return tag(
        "div",
        _velocity(item, settings),
        _fold("spread", "Spread", f"{item.spread_count}/3", where),
        _fold("affect", "Affect", plain(item.affect), *affect_words(item.affect_parts)),
        _fold(
            "freshness", "Freshness", f"× {plain(decay, 3)}",
            f"Its 7-day peak was at {peak}, {since} h before this score: exp(−{since}/{settings.heat.decay_hours:g}).",
        ),
        _fold("confidence", "Confidence", plain(trusted(item)), *_confidence(item)),
        class_="why",
    )  # fmt: skip


def sentence(source: str, score: PlatformScore, settings: Settings) -> str:
    """``Reddit: 24.0 in the last 12 h; usual 6.5 ± 1.7 over 13 windows; +3.1σ.``"""
    windows = f"{score.windows} {'window' if score.windows == 1 else 'windows'}"
    usual = f"usual {plain(score.mu, 1)} ± {plain(score.s, 1)} over {windows}" if score.windows else "no baseline yet"
    rough = " (warming up)" if score.warming_up else ""
    return (
        f"{platform(source)}: {plain(score.x, 1)} in the last {settings.velocity.window_hours} h; {usual}; "
        f"{signed(score.z)}σ{rough}."
    )


def _velocity(item: HeatItem, settings: Settings) -> Html:
    platforms = [_platform(name, score, settings) for name, score in item.platforms.items()]
    return tag(
        "section",
        tag(
            "h3", "Velocity ", tag("b", f"{signed(item.velocity_z, 2)}σ"), tag("small", combined(item, settings)), class_="sum"
        ),
        tag("p", method_words(settings), class_="quiet"),
        platforms or tag("p", "No platform has mentioned it in the last 7 days.", class_="quiet"),
        id="why-velocity", class_="velocity", tabindex="-1",
    )  # fmt: skip


def combined(item: HeatItem, settings: Settings) -> str:
    """How the platforms' velocities became one: ``(3.1 + 2.4) / √2``; empty for one platform."""
    scores = [score.z for score in item.platforms.values()]
    if len(scores) < 2:
        return ""
    if settings.velocity.method == "weighted":
        return weighted_words({name: score.z for name, score in item.platforms.items()}, settings)
    if settings.velocity.combine != "stouffer":
        return f"{settings.velocity.combine} of {len(scores)} platforms"
    total = " + ".join(plain(score, 1) for score in scores).replace("+ −", "− ")
    return f"({total}) / √{len(scores)}"


def weighted_words(scores: Mapping[str, float], settings: Settings) -> str:
    """The sum of ``weighted``: ``(1.2 × 3.1 + 0.8 × 2.4) / √(1.2² + 0.8²)``."""
    weights = {name: f"{getattr(settings.methods, f'weight_{name}'):g}" for name in scores}
    top = " + ".join(
        f"{'−' if z < 0 else ''}{weights[name]} × {plain(abs(z), 1)}" for name, z in scores.items()
    ).replace("+ −", "− ")
    return f"({top}) / √({' + '.join(f'{weight}²' for weight in weights.values())})"


def method_words(settings: Settings) -> str:
    """What the velocity method does, in one sentence."""
    return method_named(settings.velocity.method).sentence


def _platform(name: str, score: PlatformScore, settings: Settings) -> Html:
    return tag(
        "details",
        tag("summary", sentence(name, score, settings)),
        tag("p", z_words(score, settings), class_="math"),
        windows(score, settings),
        data_key=f"platform-{name}",
        class_=f"platform {name}",
    )


def z_words(score: PlatformScore, settings: Settings) -> str:
    """One platform's velocity, worked out in numbers."""
    u = f"{score.noise_unit:g}"
    text = f"{_z_formula(score, settings)} = {signed(score.z, 2)}"
    capped = f", capped at ±{settings.velocity.cap:g}" if abs(score.z) >= settings.velocity.cap else ""
    return (
        f"{text}{capped}. u = {u} is the volume of one ordinary mention. {score.mentions} mentions now, "
        f"{plain(score.baseline_hours, 0)} h of baseline."
    )


def _z_formula(score: PlatformScore, settings: Settings) -> str:
    x, mu, s, u = plain(score.x), plain(score.mu), plain(score.s), f"{score.noise_unit:g}"
    told, noisy = settings.methods, "(x − μ) / √(s² + u·μ + u²)"
    match settings.velocity.method:
        case "plain":
            return f"z = (x − μ) / s = ({x} − {mu}) / {s}"
        case "nb":
            return f"z of the chance of {x} or more, where {mu} ± {s} is expected,"
        case "multi":
            hours = [str(hours) for hours in [*told.multi_hours, settings.velocity.window_hours]]
            return f"z = the largest of {noisy} over {listed(hours)} h, corrected for {told.multi_looks:g} looks,"
        case "ewma":
            numbers = f"({x} − {mu}) / √({s}² + {u}×{mu} + {u}²)"
            return f"μ and s with weights that halve every {told.ewma_half_life_hours:g} h; z = {noisy} = {numbers}"
        case _:
            return f"z = {noisy} = ({x} − {mu}) / √({s}² + {u}×{mu} + {u}²)"


def windows(score: PlatformScore, settings: Settings) -> Html | None:
    """The baseline windows as chips, newest first, each with how long before T it ended."""
    if not score.window_values:
        return None
    ends = Scoring.from_settings(settings).window_ends
    chips = [
        tag(
            "li",
            tag("b", "–" if value is None else plain(value, 1)),
            tag("small", f"−{hours} h"),
            class_="gap" if value is None else None,
            title="dropped: watched for less than half of it" if value is None else None,
        )
        for hours, value in zip(ends, score.window_values, strict=False)
    ]
    return tag("ol", chips, class_="windows", aria_label="Baseline windows, newest first")


def affect_words(parts: dict[str, float]) -> Iterator[str]:
    """What the affect is made of, in a sentence."""
    n = int(parts.get("n_text", 0))
    if n == 0:
        yield "No mention in the window has text to read, so affect is 0."
        return
    yield (
        f"Mean sentiment {signed(parts.get('m', 0.0), 2)} over {n} mentions with text; "
        f"{parts.get('positive', 0.0):.0%} positive, {parts.get('negative', 0.0):.0%} negative; "
        f"controversy bonus {plain(parts.get('bonus', 0.0))}. Affect = min(1, |mean| + bonus)."
    )


def trusted(item: HeatItem) -> float:
    """The confidence people are told first: the calibrated one where there is one."""
    return item.calibrated.confidence if item.calibrated else item.confidence


def _confidence(item: HeatItem) -> Iterator[Html | str]:
    if item.calibrated:
        yield tag("p", f"Confidence {confidence_words(item.confidence, item.calibrated)}.")
    known = [key for key in CONFIDENCE_WORDS if key in item.confidence_parts]
    lines = [join(tag("dt", CONFIDENCE_WORDS[key]), tag("dd", plain(item.confidence_parts[key]))) for key in known]
    begin = "As defined: the geometric mean of:" if item.calibrated else "The geometric mean of:"
    yield join(begin, tag("dl", lines, class_="parts"))


def _fold(key: str, title: str, value: str, *body: str) -> Html:
    return tag(
        "details",
        tag("summary", title, " ", tag("b", value)),
        tag("div", body, class_="fold-body"),
        id=f"why-{key}", data_key=key,
    )  # fmt: skip


def _whole(*parts: Html | str) -> Html:
    """A part of the equation that no line break may divide."""
    return tag("span", *parts, class_="term")


def _term(weight: float, value: str, key: str) -> Html:
    return join(tag("span", f"{weight:g} × ", class_="weight"), _number(value, key))


def _number(text: str, key: str) -> Html:
    return tag(
        "button",
        text,
        type="button",
        class_="number",
        data_act="explain",
        data_target=f"why-{key}",
        title=f"Where {text} comes from",
    )
