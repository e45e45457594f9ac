"""The board as markup: controls, rows beside the map, hour labels, colour bar. Pure: view and state in, HTML out."""

from __future__ import annotations

from datetime import timedelta

from heatmap_app.columns import HOURLY_UP_TO, columns
from heatmap_app.escape import Html, join, tag
from heatmap_app.pages.state import DOMAINS, ViewState
from heatmap_app.pages.words import PLATFORM_LETTERS, PLATFORM_NAMES, Times, plain, platform, signed
from heatmap_app.plots import COLOURS, SCALES, Colour, legend_gradient
from heatmap_app.themes import Shade
from pipelines.settings import Settings
from pipelines.view import HeatItem, HeatView

FULL_BASELINE_HOURS = 168
COLOUR_WORDS: dict[Colour, str] = {"heat": "HEAT", "velocity": "Velocity", "spread": "Spread", "affect": "Affect"}
DOMAIN_WORDS = {"default": "Entertainment + unclassified", "all": "All domains"}


def controls(state: ViewState, settings: Settings) -> Html:
    """Colour and gates: native inputs, so that keyboard and screen reader work without help."""
    colours = [
        tag(
            "label",
            tag("input", type="radio", name="colour", value=key, checked=key == state.colour, data_on="colour"),
            tag("span", COLOUR_WORDS[key]),
            data_key=key,
        )
        for key in COLOURS
    ]
    gates = settings.gates
    return join(
        tag("fieldset", tag("legend", "Colour by"), tag("div", colours, class_="segments"), class_="colours"),
        _switch("velocity", f"velocity ≥ {gates.min_velocity:g}", state.velocity),
        _switch("spread", f"{gates.min_spread}+ platforms", state.spread),
    )


def _domain_choice(state: ViewState) -> Html:
    chosen = tag("select", [_option(key, state.domain) for key in DOMAINS], data_on="domain", name="domain")
    return tag("label", tag("span", "Domain", class_="unseen"), chosen, class_="select")


def rows(view: HeatView, state: ViewState, times: Times) -> Html:
    """The rows of the board: rank, move, name and kind left of the map, HEAT, velocity and platforms right of it."""
    if not view.items:
        return join(_empty(view, state, times))
    items = [tag("li", _row(item, state), data_key=item.entity.slug) for item in view.items]
    return tag("ol", items, aria_label="Top names by HEAT")


def hours(view: HeatView, times: Times, *, live: bool = True) -> Html:
    """Labels over the map's columns: full hours a fit distance apart, days where columns hold six hours; the last column
    is now, or the poll looked back at; a stale board's is not now either."""
    live = live and not view.stale
    shown = columns(view.hours, times)
    grouped = len(view.hours) > HOURLY_UP_TO
    every = 1 if len(shown) <= 12 else 3 if len(shown) <= 24 else 6
    marks = []
    for place, column in enumerate(shown):
        local = times.local(column.start)
        last, near = place == len(shown) - 1, len(shown) - 1 - place < (3 if grouped else every if every < 6 else 4)
        if last:
            text = "now" if live and not grouped else "today" if live else "then"
        elif near or (grouped and local.hour >= 6) or (not grouped and local.hour % every):
            text = None
        else:
            text = f"{local:%a}" if grouped else f"{local:%H}:00" if every > 1 else f"{local:%H}"
        marks.append(
            tag("span", tag("b", text) if text else None, class_="now" if last else "day" if text and grouped else None)
        )
    return join(marks)


def legend(colour: Colour, view: HeatView, state: ViewState, shade: Shade = "dark") -> Html:
    """The colour bar with its numbers, the mark of the gate, what a hatched cell means, which domains, what is shown."""
    scale = SCALES[colour]
    return join(
        tag("span", scale.label, class_="scale-name"),
        _bar(colour, shade),
        tag("span", tag("i", class_="swatch-none"), "no data", class_="none"),
        _domain_choice(state),
        tag(
            "span",
            tag("span", _about(view, state, brief=True), title=_about(view, state)),
            _show_all(state) if view.hidden else None,
            class_="about",
        ),
    )


def _about(view: HeatView, state: ViewState, *, brief: bool = False) -> str:
    """What rows and columns are, what the filters hide and which hours nobody watched."""
    scored = {point.hour for item in view.items for point in item.history if point.heat is not None}
    looked = scored if view.watched is None else set(view.watched)
    missing = sum(hour not in looked for hour in view.hours)
    parts = []
    if view.hidden:
        parts.append(f"{view.hidden} hidden." if brief else _hidden_words(view.hidden, state))
    if len(view.hours) > HOURLY_UP_TO:
        parts.append("Each cell: the hottest of six hours.")
    if missing and view.items and len(view.hours) > 24:
        parts.append(f"{missing} of {len(view.hours)} h not watched.")
    return " ".join(parts)


def _row(item: HeatItem, state: ViewState) -> Html:
    entity, chosen = item.entity, item.entity.slug == state.entity
    move, move_class = _move(item)
    name = tag("bdi", entity.name, class_="name", title=entity.name)
    letters = [
        tag("abbr", letter, title=PLATFORM_NAMES[key], class_="on")
        if _seen(item, key)
        else tag("span", "·", title=f"not on {PLATFORM_NAMES[key]}", class_="off")
        for key, letter in PLATFORM_LETTERS.items()
    ]
    return tag(
        "button",
        tag("span", item.rank, class_="rank"),
        tag("span", move, class_=f"move {move_class}"),
        tag("span", _star(item), name, tag("span", _gone(item) or entity.kind, class_="kind"), class_="who"),
        tag("span", class_="map-gap"),
        tag("span", plain(item.heat), class_="heat", data_flash=True),
        tag("span", f"{signed(item.velocity_z)}σ", class_="sigma gate" if item.gates.velocity else "sigma"),
        tag("span", letters, class_="letters"),
        tag("span", _standing(item), class_="standing"),
        type="button", class_="row", data_act="open", data_slug=entity.slug, data_name=entity.name,
        data_eligible=item.eligible, aria_current="true" if chosen else None, aria_label=_spoken(item),
    )  # fmt: skip


def _gone(item: HeatItem) -> Html | None:
    """What became of a name of a past board, in place of its kind."""
    return tag("span", f"{item.gone} since", class_="gone") if item.gone else None


def _star(item: HeatItem) -> Html | None:
    return tag("span", "★", class_="watched-mark", title="On the desk's watchlist") if item.watched else None


def _standing(item: HeatItem) -> Html:
    """Where the name stands with alerts and the trades, in words; for the list on a phone."""
    alert = (
        tag("b", "eligible for an alert") if item.eligible else tag("b", "next poll decides") if item.passes else None
    )
    trades, lead = item.trades, item.trades.lead_hours
    ahead = f"{plain(lead, 1)} h ahead" if lead is not None and lead > 0 else None
    words = (
        "no trade story"
        if trades.first_at is None and item.passes
        else ahead or ("trades have it" if trades.first_at else None)
    )
    return join(alert, " · " if alert and words else None, words)


def _spoken(item: HeatItem) -> str:
    alert = ", at both gates for two polls" if item.eligible else ""
    alert += ", watched" if item.watched else ""
    alert += f", {item.gone} since" if item.gone else ""
    return (
        f"{item.rank}, {item.entity.name}, {item.entity.kind}, HEAT {plain(item.heat)}, "
        f"velocity {signed(item.velocity_z)} sigma, {item.spread_count} of 3 platforms{alert}"
    )


def _move(item: HeatItem) -> tuple[str, str]:
    if item.previous_rank is None:
        return ("–", "same") if item.before_thinned else ("NEW", "new")
    climbed = item.previous_rank - item.rank
    if climbed == 0:
        return "·", "same"
    return (f"▲{climbed}", "up") if climbed > 0 else (f"▼{-climbed}", "down")


def _seen(item: HeatItem, source: str) -> bool:
    score = item.platforms.get(source)
    return score is not None and score.mentions > 0


def _switch(name: str, label: str, on: bool) -> Html:
    box = tag("input", type="checkbox", role="switch", name=name, checked=on, data_on="gate")
    return tag("label", box, tag("span", label), class_="switch", data_key=name)


def _option(key: str, chosen: str) -> Html:
    return tag("option", DOMAIN_WORDS.get(key, key.capitalize()), value=key, selected=key == chosen)


def _bar(colour: Colour, shade: Shade) -> Html:
    scale = SCALES[colour]
    colours = legend_gradient(scale, 48, shade)
    wide = 240 / len(colours)
    boxes = [
        tag("rect", x=f"{at * wide:.2f}", y=0, width=f"{wide + 0.3:.2f}", height=10, fill=fill)
        for at, fill in enumerate(colours)
    ]
    texts = [
        tag("text", text, x=f"{_across(value, colour):.1f}", y=24, text_anchor=_anchor(value, colour))
        for value, text in scale.ticks
    ]
    mark = None
    if scale.mark is not None:
        at = f"{_across(scale.mark, colour):.1f}"
        mark = tag("line", x1=at, x2=at, y1=-3, y2=13, class_="mark")
    words = f"{scale.label}: {scale.ticks[0][1]} to {scale.ticks[-1][1]}"
    return tag("svg", boxes, mark, texts, viewbox="0 -4 240 30", width=240, height=30, role="img", aria_label=words)


def _across(value: float, colour: Colour) -> float:
    scale = SCALES[colour]
    return 240 * (value - scale.low) / (scale.high - scale.low)


def _anchor(value: float, colour: Colour) -> str:
    scale = SCALES[colour]
    return "start" if value == scale.low else "end" if value == scale.high else "middle"


def _hidden_words(hidden: int, state: ViewState) -> str:
    names = "1 name is" if hidden == 1 else f"{hidden} names are"
    if state.platforms and not (state.velocity or state.spread):
        return f"{names} hidden: not seen on {' or '.join(platform(name) for name in state.platforms)}, or of another domain."
    return f"{names} hidden."


def _show_all(state: ViewState) -> Html | None:
    if not (state.velocity or state.spread or state.platforms or state.watched or state.domain != "all"):
        return None
    return tag("button", "Show all", type="button", class_="link", data_act="show-all")


def _empty(view: HeatView, state: ViewState, times: Times) -> Html:
    if view.as_of is None and state.at is not None:
        return _notice("No scores are kept from then", "Go forward ( ] ), or back to live ( l ).")
    if view.as_of is None:
        waiting = [platform(source.source) for source in view.sources if source.state == "waiting"]
        text = f"Waiting for the first answer of {', '.join(waiting)}." if waiting else "Waiting for the first poll."
        return _notice("Nothing scored yet", text)
    if view.hidden and state.watched and not (state.velocity or state.spread):
        return _notice(f"No watched name is on the board {_then(state)}.", join(
            "“Watch” in a name's panel puts it on the desk's list. ", _hidden_words(view.hidden, state), " ", _show_all(state)
        ))  # fmt: skip
    if view.hidden and (state.velocity or state.spread):
        gates = "both gates" if state.velocity and state.spread else "this gate"
        return _notice(f"Nothing passes {gates} {_then(state)}.", _hidden(view, state))
    if view.hidden and state.platforms:
        seen = " or ".join(platform(name) for name in state.platforms)
        return _notice(f"Nothing is seen on {seen} {_then(state)}.", _hidden(view, state))
    if view.baseline_hours < FULL_BASELINE_HOURS:
        full = times.local(view.as_of + timedelta(hours=FULL_BASELINE_HOURS - view.baseline_hours))
        return _notice(
            f"No baseline yet: {view.baseline_hours} of {FULL_BASELINE_HOURS} hours watched.",
            f"Velocities are rough until about {full:%A %H:%M}.",
        )
    if view.hidden:
        return _notice(f"Nothing in this domain {_then(state)}.", _hidden(view, state))
    if state.at is not None:
        return _notice("Nothing was being said about any known name then.", "Look at another time.")
    return _notice(
        "Nothing is being said about any known name right now.", "The board fills by itself as soon as something is."
    )


def _then(state: ViewState) -> str:
    return "right now" if state.at is None else "at that time"


def _hidden(view: HeatView, state: ViewState) -> Html:
    return join(_hidden_words(view.hidden, state), " ", _show_all(state))


def _notice(title: str, text: str) -> Html:
    return tag("div", tag("strong", title), tag("p", text), class_="notice", role="status", data_key="notice")
