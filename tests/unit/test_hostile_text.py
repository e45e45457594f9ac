"""Hostile numbers, texts, names, hashtags and links, a table a class: what is kept, what is a name, what a sink shows."""

from __future__ import annotations

import csv
import io
import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars import selectors

from heatmap_app.api import csv_cell
from heatmap_app.escape import escape, safe_url, tag
from pipelines.alert.blocks import safe_link
from pipelines.alert.message import make_message
from pipelines.errors import InputError, PermanentError
from pipelines.ingest.clean import clean_text, clean_url
from pipelines.ingest.redirects import check_redirect
from pipelines.normalize.catalogue import CATALOGUE, read_catalogue, write_catalogue
from pipelines.normalize.lookalike import looks_like
from pipelines.normalize.names import canonical, clean, display, slugify
from pipelines.outbox import Alert, Claim
from pipelines.score import score
from tests.unit.score_kit import SCORING, T, frame
from tests.unit.score_reference import Row
from tests.upstreams.slack import check, pings

# ---- numbers ----


def test_no_number_from_outside_makes_a_score_that_is_none() -> None:
    odd = [math.nan, math.inf, -math.inf, -1e300, 1e300, 2.0**31, 2.0**63, 0.0, None]
    rows = [
        Row(name, source, f"{name}{source}{at}", T - timedelta(hours=at * 3), engagement=odd[at % 9], sentiment=odd[-at % 9])
        for name in ("Vela", "Orin") for source in ("reddit", "trends") for at in range(40)
    ]  # fmt: skip
    scored = score(frame(rows), None, SCORING, T)
    numbers = scored.entities.select(selectors.float())
    assert numbers.width > 3
    assert all(value is None or math.isfinite(value) for row in numbers.rows() for value in row)
    assert scored.entities["heat"].null_count() == 0


def test_a_baseline_that_never_moves_divides_by_no_zero() -> None:
    rows = [Row("Vela", "trends", f"v{at}", T - timedelta(hours=at), rank=1, list_length=20) for at in range(168)]
    scored = score(frame(rows), None, SCORING, T)
    assert scored.entities["velocity_z"].is_between(-4, 4).all()


# ---- texts, at each sink ----

MARKUP = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "\"><iframe src=//e.example>",
    "</textarea><script>x</script>", "' onmouseover='x", "&lt;b&gt;", "<!--", "]]>", "{{7*7}}", "\u2028<b>",
)  # fmt: skip


@pytest.mark.parametrize("text", MARKUP)
def test_markup_is_inert_in_elements_and_attributes(text: str) -> None:
    shown = tag("p", text, title=text)
    assert shown.count("<") == 2
    assert not set("\"'") & set(escape(text))


@pytest.mark.parametrize(
    "text",
    ["<!channel>", "<!here|x>", "<@U0ANA>", "<#C1>", "<https://evil.example|your bank>", "*x* _y_ `z` ~a~", "&lt;!channel&gt;",
     ":fire:", ">>> quote", "<!subteam^S1>", "mailto:<a@b.example|x>"],
)  # fmt: skip
def test_slack_markup_pings_nobody_and_hides_no_link(text: str) -> None:
    payload = {"name": text, "slug": text, "mode": "live", "hook": text, "trades_at": None,
               "receipts": [{"source": "reddit", "title": text, "url": text, "at": T.isoformat()}]}  # fmt: skip
    alert = Alert(1, "k", 1, T, 1.0, 3.0, 2, 0.5, 0.8, text, payload)
    made = make_message(Claim("k", T, 1, (alert,)), "https://heat.example")
    message: dict[str, Any] = {"text": made.text, "blocks": list(made.blocks)}
    assert check(message) == ""
    assert pings(message) == []
    formatted = [str(part["text"]) for part in parts(message) if part.get("type") == "mrkdwn"]
    assert formatted
    assert not any("<https://evil" in part or "<!" in part or "<@" in part for part in formatted)


def parts(value: Any) -> list[dict[str, Any]]:
    """Every object inside ``value``."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [*([value] if isinstance(value, dict) else []), *(found for one in inner for found in parts(one))]


FORMULAS = ("=cmd|'/C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", '=HYPERLINK("http://e.example","x")')


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_of_a_csv_is_a_formula(tmp_path: Path, text: str) -> None:
    """``csv_cell`` is what heat.csv, audit.csv and a pack's CSV write; the catalogue has its own, which it reads back."""
    out = io.StringIO()
    csv.writer(out).writerow([csv_cell(text), csv_cell(-3.5)])
    ((cell, number),) = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert cell == "'" + text
    assert number == "-3.5"
    file = tmp_path / "catalogue.csv"
    write_catalogue(
        pl.DataFrame([(text, "person", "sport", [text], False, None)], schema=CATALOGUE, orient="row"), file
    )
    with file.open(newline="", encoding="utf-8") as written:
        assert all(not cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in csv.reader(written) for cell in row)


def test_a_ragged_catalogue_keeps_its_good_rows(tmp_path: Path) -> None:
    file = tmp_path / "ragged.csv"
    file.write_bytes(
        b"name,kind\nAda,person\ntoo,many,columns\nfew\nBea,person\n\x00,person\n=cmd,person\n"
        b'"open,person\nnever closed,person\n'
    )
    found = read_catalogue(file)
    assert found.entities["name"].to_list()[:2] == ["Ada", "Bea"]
    assert found.rejected >= 3
    assert any("line 3: has 3 columns" in problem for problem in found.problems)
    file.write_bytes(b"\x00\x01\x02" * 1_000)
    with pytest.raises(InputError):
        read_catalogue(file)


# ---- names ----


@pytest.mark.parametrize(
    "hidden",
    ["\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u202e", "\u2066", "\ufe0f", "\U000e0041", "\u180e", "\u3164"],
    ids=lambda char: f"U+{ord(char):04X}",
)  # fmt: skip
def test_what_nobody_sees_makes_no_other_name(hidden: str) -> None:
    assert canonical(f"Tay{hidden}lor Sw{hidden}ift{hidden}") == "taylor swift"
    assert hidden in "\u200d\ufe0f" or hidden not in clean(f"Tay{hidden}lor")
    assert "\u202e" not in escape(f"Tay{hidden}lor")


@pytest.mark.parametrize(
    ("name", "other"), [("Taylor", "T\u0430ylor"), ("Coco", "\u0421oco"), ("Ariana", "Ar\u0456ana"), ("Apple", "\u0391pple")]
)  # fmt: skip
def test_lookalikes_are_told_and_never_merged(name: str, other: str) -> None:
    assert canonical(name) != canonical(other)
    assert looks_like(name, other)
    assert not looks_like("Beyonce", "Beyonc\u00e9")


def test_500_marks_on_a_letter_are_eight() -> None:
    for text in ("z" + "\u0301" * 500, ("z" + "\u0323\u0301" * 250) * 20):
        kept = clean_text(text, 200) or ""
        assert len(kept) <= 200
        assert "\u0301" * 9 not in kept
        assert len(clean(text)) <= 200
        assert canonical(text).strip("z\u1e93\u017a") == ""


@pytest.mark.parametrize("size", [10_000, 1_000_000])
def test_an_endless_name_is_short(size: int) -> None:
    for name in ("x" * size, "\U0001f3ac" * size, "\u4e2d" * size, "a " * size):
        assert len(clean(name)) <= 200
        assert len(canonical(name)) <= 200
        assert len(slugify(name)) <= 80


@pytest.mark.parametrize("name", ["", " ", "\u200b", "\u3164", "\x00", "...", "\u0301", "\ud800", "\U000e0041"])
def test_a_name_of_nothing_is_no_name(name: str) -> None:
    assert canonical(name) == ""


# ---- hashtags ----


@pytest.mark.parametrize(
    ("tag_", "name", "shown"),
    [
        ("#", "", ""), ("##", "", ""), ("#\U0001f525\U0001f525", "", "\U0001f525\U0001f525"),
        ("#1\ufe0f\u20e3", "1", "1\ufe0f\u20e3"), ("#\U0001f1f9\U0001f1fc", "", "\U0001f1f9\U0001f1fc"),
        ("#שלום", "שלום", "שלום"), ("#نجمة", "نجمة", "نجمة"), ("#泰勒絲", "泰勒絲", "泰勒絲"),
        ("#\U0001f469\u200d\U0001f680Launch", "launch", "\U0001f469\u200d\U0001f680Launch"),
        ("\uff03TaylorSwift", "taylorswift", "Taylor Swift"), ("#a\u202eb", "ab", "ab"),
    ],
    ids=["alone", "two", "emoji", "keycap", "flag", "Hebrew", "Arabic", "Chinese", "joined emoji", "full width", "reversed"],
)  # fmt: skip
def test_hashtags_of_every_kind(tag_: str, name: str, shown: str) -> None:
    assert canonical(tag_) == name
    assert display(tag_) == shown


# ---- links ----

NO_LINKS = (
    "file:///etc/passwd", "data:text/html,<script>x</script>", "javascript:alert(1)", "JAVASCRIPT:x", "vbscript:x",
    "ftp://e.example/", "https://user:pass@bank.example/", "https://bank.example@evil.example/", "//evil.example/",
    "https://", "http:/x", "blob:https://x/y", "java\nscript:alert(1)", "https://[::1",
    "\u202ehttps://x.example", "about:blank", "mailto:a@b.example",
)  # fmt: skip


@pytest.mark.parametrize("url", NO_LINKS)
def test_only_plain_web_addresses_link(url: str) -> None:
    assert clean_url(url) is None, "kept at the edge"
    assert safe_link(url) is None, "linked in Slack"
    shown = safe_url(url)
    assert shown is None or shown == "https://x.example/" or shown == "https://x.example", "linked on a page"


PRIVATE = (
    "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://017700000001/", "http://127.1/", "http://localhost/",
    "http://[::ffff:127.0.0.1]/", "http://[::1]/", "http://169.254.169.254/", "http://2852039166/", "http://0/",
    "http://[fe80::1]/", "http://100.100.100.200/", "http://10.0.0.1/", "file:///etc/passwd", "data:text/xml,<rss/>",
    "http://user:pass@93.184.216.35/",
)  # fmt: skip


@pytest.mark.parametrize("target", PRIVATE)
async def test_no_redirect_leads_from_outside_to_a_private_machine(target: str) -> None:
    public = "http://93.184.216.34/feed/"
    with pytest.raises(PermanentError, match="unsafe redirect refused"):
        await check_redirect("trades", public, public, target)
