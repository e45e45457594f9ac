"""The help: what HEAT is in three sentences, how to read the map, and the keys. Pure markup."""

from __future__ import annotations

from heatmap_app.escape import Html, join, tag
from pipelines.settings import Settings

KEYS = (
    (("/",), "find a name; ↑ ↓ choose, Enter opens"),
    (("↑", "↓", "PgUp", "PgDn", "Home", "End"), "move through the rows"),
    (("←", "→"), "move through the hours of a row"),
    (("Enter",), "open the row, or its chosen hour"),
    (("Esc",), "close what is open"),
    (("[", "]"), "one poll back or forward (also , and .)"),
    (("Shift", "[ or ]"), "one hour back or forward"),
    (("l",), "back to live"),
    (("?",), "this help"),
)


def sentences(settings: Settings) -> tuple[str, str, str]:
    """HEAT in three sentences, with the weights and gates as they are set."""
    heat, gates, window = settings.heat, settings.gates, settings.velocity.window_hours
    polls = f", {gates.consecutive} polls in a row," if gates.consecutive > 1 else ""
    made = f"{heat.velocity_weight:g} × velocity + {heat.spread_weight:g} × spread + {heat.affect_weight:g} × affect"
    first = f"HEAT says how likely a name is to break now: {made}, fading after its peak to about a third in "
    second = "spread how many of Reddit, Trends and TikTok talk about it, affect how strongly the words feel."
    third = (
        f"A name at velocity {gates.min_velocity:g} or more on {gates.min_spread} platforms{polls} is eligible for an "
    )
    return (
        f"{first}{heat.decay_hours:g} h.",
        f"Velocity is how far the last {window} h stand above the 7 days before, {second}",
        f"{third}alert, and every number here opens down to the links that made it.",
    )


def help_dialog(settings: Settings) -> Html:
    """What stands inside the help's dialog."""
    close = tag("button", "Got it", type="button", class_="do-one", data_act="help-close")
    keys = [
        join(tag("dt", [join(" " if place else None, tag("kbd", key)) for place, key in enumerate(names)]), tag("dd", words))
        for names, words in KEYS
    ]  # fmt: skip
    return join(
        tag("h2", "How to read the heatmap", id="help-title"),
        [tag("p", sentence) for sentence in sentences(settings)],
        tag(
            "p", tag("i", class_="swatch-none"), " Hatched: nobody looked in that hour. It is not the same as quiet.",
            class_="quiet",
        ),
        tag("h3", "Keys"),
        tag("dl", keys, class_="keys"),
        tag("p", close, class_="help-foot"),
    )  # fmt: skip
