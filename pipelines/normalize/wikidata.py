"""What a CSV file from Wikidata's query service means: which column is which, and what its words say about kind."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipelines.model import Domain, Kind

_Q_ID = re.compile(r"(?:^|/)(Q\d{1,12})$")
_KIND_COLUMNS = (
    "kind", "type", "instance", "instanceOf", "instance_of", "class", "category", "occupation", "genre",
)  # fmt: skip
_ALIAS_COLUMNS = ("altLabel", "altLabels", "aliases", "alias", "alsoKnownAs")

_KINDS: tuple[tuple[str, Kind], ...] = (
    (r"franchise|film series|fictional universe|trilogy", Kind.FRANCHISE),
    (r"award|prize", Kind.AWARD),
    (r"television|tv |sitcom|series|anime|talk show|web show|soap opera|telenovela|reality show|podcast", Kind.SHOW),
    (r"\bfilms?\b|\bmovie|documentary", Kind.FILM),
    (r"\bsong\b|\bsingle\b", Kind.SONG),
    (r"\bband\b|musical group|musical duo|girl group|boy band|\balbum\b|supergroup|orchestra", Kind.MUSIC),
    (r"festival|ceremony|concert tour|\bevent\b|tournament|election", Kind.EVENT),
    (r"club|\bteam\b", Kind.TEAM),
    (r"company|studio|network|publisher|record label|business|enterprise|service", Kind.COMPANY),
    (r"\bhuman\b|\bperson\b|(?:or|er|ist|ess|ian|man|star)\b|athlete|president|youtube|rapper|model", Kind.PERSON),
)
_POLITICS = r"politic|president|minister|senator|election|party"
_SPORT = r"football|soccer|basketball|baseball|tennis|athlet|olympic|sports?\b|cricket|hockey|boxer|racing|club"
_ENTERTAINMENT = (
    r"film|television|\btv\b|actor|actress|singer|rapper|music|band|song|album|single|sitcom|series|anime|comedian|"
    r"director|screenwriter|presenter|dancer|entertain|franchise|podcast|girl group|celebrity|youtube|tiktok"
)
_DOMAINS = (
    (_POLITICS, Domain.POLITICS),
    (_SPORT, Domain.SPORT),
    (_ENTERTAINMENT, Domain.ENTERTAINMENT),
    (r"company|business|enterprise|entrepreneur|bank", Domain.BUSINESS),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Places of the columns that matter; ``kinds`` and ``aliases`` may be several or none."""

    item: int | None
    label: int
    aliases: tuple[int, ...]
    kinds: tuple[int, ...]


def layout_of(header: list[str]) -> Layout | None:
    """The layout of a Wikidata export with this header, or ``None`` when it is none."""
    labels = [name for name in header if name.endswith("Label") and not name.endswith("AltLabel")]
    main = next((name for name in labels if name.removesuffix("Label") not in (*_KIND_COLUMNS, "alt")), None)
    if main is None or "name" in header:
        return None
    item = main.removesuffix("Label")
    aliases = {f"{item}AltLabel", f"{item}AltLabels", *_ALIAS_COLUMNS}
    kinds = {f"{kind}Label" for kind in _KIND_COLUMNS}
    return Layout(
        item=header.index(item) if item in header else None,
        label=header.index(main),
        aliases=tuple(i for i, name in enumerate(header) if name in aliases),
        kinds=tuple(i for i, name in enumerate(header) if name in kinds or name in _KIND_COLUMNS),
    )


def q_id(value: str) -> str | None:
    """The Q-id at the end of an address, or a bare one; ``None`` for anything else."""
    found = _Q_ID.search(value.strip())
    return found.group(1) if found else None


def split_aliases(value: str) -> list[str]:
    """The names in one field: separated by ``|``, else ``;``, else a comma and a space (the label service's way)."""
    separator = next((mark for mark in ("|", ";", ", ") if mark in value), "|")
    return [part.strip() for part in value.split(separator) if part.strip()]


def kind_of(labels: list[str]) -> tuple[Kind, Domain]:
    """Kind and domain from an item's class and occupation labels; OTHER and UNCLASSIFIED where they say nothing."""
    words = [label.lower() for label in labels if q_id(label) is None]
    kind = next((kind for pattern, kind in _KINDS if any(re.search(pattern, word) for word in words)), Kind.OTHER)
    if any(word in ("human", "person") for word in words):
        kind = Kind.PERSON
    domain = next((d for word in words for pattern, d in _DOMAINS if re.search(pattern, word)), Domain.UNCLASSIFIED)
    return kind, domain
