"""Text that becomes markup."""

from __future__ import annotations

import pytest

from harness.report.html.markup import Html, el, escape, join, number


def test_foreign_text_is_never_markup() -> None:
    """Ids and log lines of a foreign server are shown as they are, in text and in attributes."""
    hostile = '"><script>alert(1)</script>'
    made = el("text", hostile, title=hostile)
    assert "<script>" not in made
    assert made.count("&quot;&gt;&lt;script&gt;") == 2


@pytest.mark.parametrize(
    ("unseen", "shown"), [("a\u202eb", "a\\u{202e}b"), ("a\x00b", "a\\u{0}b"), ("a\ud800b", "a\\u{d800}b")]
)
def test_characters_that_hide_something_are_shown(unseen: str, shown: str) -> None:
    """A change of direction, a zero byte or half a character is seen by its code and can be written to a file."""
    assert escape(unseen) == shown
    assert escape(unseen).encode()


def test_markup_goes_in_unchanged() -> None:
    """Elements nest; only text is escaped."""
    assert el("p", el("b", "a&b"), " c") == "<p><b>a&amp;b</b> c</p>"
    assert join([Html("<i>x</i>"), None, "<"], ", ") == "<i>x</i>, &lt;"


def test_attributes_are_named_as_in_html() -> None:
    """Python's names become HTML's; flags are bare, and what is absent is left out."""
    made = el("line", class_="a", stroke_width=1.04, hidden=True, id=None, open=False)
    assert made == '<line class="a" stroke-width="1" hidden/>'


def test_coordinates_are_short() -> None:
    """A tenth of a pixel is enough."""
    assert (number(12.0), number(12.34)) == ("12", "12.3")
