"""Text never becomes markup, whatever it holds."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heatmap_app.escape import Html, escape, join, safe_url, tag


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def read(markup: str) -> _Reader:
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    return reader


visible = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cf", "Cn")))


@given(visible)
def test_any_text_reads_back_as_itself_and_makes_no_element(text: str) -> None:
    found = read(tag("p", text, title=text))
    assert found.tags == ["p"]
    assert found.text == text
    assert found.attributes == [("title", text)]


def test_markup_in_text_is_shown_not_run() -> None:
    assert escape("<img src=x onerror=alert(1)>") == "&lt;img src=x onerror=alert(1)&gt;"
    assert tag("b", '"><script>') == "<b>&quot;&gt;&lt;script&gt;</b>"


def test_markup_of_ours_is_not_escaped_twice() -> None:
    assert tag("p", tag("b", "a & b")) == "<p><b>a &amp; b</b></p>"
    assert escape(Html("<b>")) == "<b>"


def test_children_may_be_text_numbers_nothing_or_several() -> None:
    assert join("a", 1, None, ["<", [tag("i", "x")]]) == "a1&lt;<i>x</i>"


def test_attributes_follow_their_names() -> None:
    made = tag("button", class_="row", data_key="a b", hidden=True, disabled=False, title=None, tabindex=-1)
    assert made == '<button class="row" data-key="a b" hidden tabindex="-1"></button>'


@pytest.mark.parametrize("name", ["onclick", "onerror_", "style"])
def test_script_and_style_attributes_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        tag("p", **{name: "alert(1)"})


@pytest.mark.parametrize("name", ["p onclick=x", "a>", "", "1p"])
def test_a_name_that_could_smuggle_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="plain"):
        tag(name)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", " JaVaScRiPt:alert(1)", "java\x00script:alert(1)", "data:text/html,x", "vbscript:x",
        "//evil.example", "https://", "http:/x", "", None, "http://[broken", "file:///etc/passwd", "https:evil.example",
    ],
)  # fmt: skip
def test_only_real_web_addresses_link(url: str | None) -> None:
    assert safe_url(url) is None
    if url:
        with pytest.raises(ValueError, match="http"):
            tag("a", href=url)


def test_web_addresses_link() -> None:
    assert safe_url(" https://example.com/a?b=1&c=2 ") == "https://example.com/a?b=1&c=2"
    assert tag("a", "x", href="https://example.com/?a=1&b=2") == '<a href="https://example.com/?a=1&amp;b=2">x</a>'


def test_invisible_direction_changes_are_dropped() -> None:
    assert escape("Ada \u202egro.live\u202c \u2066x\x00\x1b") == "Ada gro.live x"
