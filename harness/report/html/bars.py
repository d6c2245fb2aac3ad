"""The bar of a fault above a drawing: how long it was in place, and what it was."""

from __future__ import annotations

from harness.report.html.markup import Html, el, join

HEIGHT = 14.0
ROW = 19.0
_LETTER = 6.6
_GAP = 6.0


def draw_bar(told: str, left: float, right: float, y: float, width: float) -> Html:
    """Return a bar from ``left`` to ``right`` with its text beside it, where a drawing of that width has room."""
    bar = el("rect", class_="bar", x=left, y=y, width=max(right - left, 3.0), height=HEIGHT, rx=2.0)
    return join([bar, _beside(told, left, right, y + 11, width)])


def _beside(told: str, left: float, right: float, y: float, width: float) -> Html:
    """On the right if it fits there, else on the left, else cut on the side with more room."""
    after, before = width - right - 2 * _GAP, left - 2 * _GAP
    needed = len(told) * _LETTER
    if needed <= after or after >= before > 0:
        return el("text", _cut(told, after), class_="fault", x=right + _GAP, y=y)
    if needed > max(before, after):
        told = _cut(told, before)
    return el("text", told, class_="fault", x=left - _GAP, y=y, text_anchor="end")


def _cut(told: str, room: float) -> str:
    letters = max(int(room / _LETTER), 1)
    return told if len(told) <= letters else f"{told[: letters - 1]}…"
