"""Quantities as people write them in files: a number never stands without its unit.

Every parser takes the value as read from YAML and raises ``ValueError`` with a sentence that shows the right form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBER = r"([0-9]{1,12}(?:\.[0-9]{1,9})?)"
MAX_DURATION_S = 7 * 24 * 3600.0
LONGEST_QUOTE = 60


@dataclass(frozen=True, slots=True)
class _Quantity:
    """One way to write a quantity: the factor of each unit, and how an error explains it."""

    noun: str
    factors: dict[str, float]
    how: str
    examples: str

    @property
    def pattern(self) -> str:
        """Regular expression of a whole value, also for the JSON Schema."""
        return f"^{_NUMBER}({'|'.join(self.factors)})$"

    def read(self, value: object) -> float:
        """Return the value in the base unit."""
        match = re.fullmatch(self.pattern, value) if isinstance(value, str) else None
        if match is None:
            raise ValueError(self._complaint(value))
        factor = self.factors[match[2]]
        # 250ms is 0.25 to the last bit when divided, not when multiplied by 0.001
        return float(match[1]) * factor if factor >= 1 else float(match[1]) / round(1 / factor)

    def _complaint(self, value: object) -> str:
        text = quoted(value)
        if _is_bare_number(value):
            return f"{text} has no unit: {self.noun} is written like {self.examples}"
        return f"{text} is not {self.noun}: write {self.how}, like {self.examples}"


_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = _Quantity("a duration", _SECONDS, "a number and ms, s, m or h", "2s or 250ms")
_OFFSET = _Quantity("an offset", _SECONDS, "a sign, a number and ms, s, m or h", "+1h or -5m")
_RATE = _Quantity("a rate", {"/s": 1.0, "/m": 1 / 60, "/h": 1 / 3600}, "a number and /s, /m or /h", "5/s or 30/m")
_SIZE = _Quantity(
    "a size",
    {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3},
    "a number and B, KiB, MiB, GiB, kB, MB or GB",
    "64KiB or 1MB",
)
_PERCENT = _Quantity("a percentage", {"%": 0.01}, "a number and %", "5% or 100%")

DURATION_PATTERN = _DURATION.pattern
OFFSET_PATTERN = _DURATION.pattern.replace("^", "^[+-]?", 1)
RATE_PATTERN = _RATE.pattern
SIZE_PATTERN = _SIZE.pattern
PERCENT_PATTERN = _PERCENT.pattern


def parse_duration(value: object) -> float:
    """Return seconds of ``250ms``, ``2s``, ``1m``, ``1h``; seven days at most."""
    return _at_most_a_week(_DURATION.read(value), value)


def parse_offset(value: object) -> float:
    """Return seconds of a duration that may carry a sign: ``+1h``, ``-5m``."""
    if isinstance(value, str) and value[:1] in {"+", "-"} and value[1:2].isdigit():
        size = _at_most_a_week(_OFFSET.read(value[1:]), value)
        return -size if value.startswith("-") else size
    return _at_most_a_week(_OFFSET.read(value), value)


def parse_rate(value: object) -> float:
    """Return events per second of ``5/s``, ``30/m``, ``100/h``."""
    return _RATE.read(value)


def parse_size(value: object) -> int:
    """Return bytes of ``512B``, ``64KiB``, ``1MiB`` (powers of 1024) or ``64kB``, ``1MB`` (powers of 1000)."""
    return round(_SIZE.read(value))


def parse_percent(value: object) -> float:
    """Return the share between 0 and 1 of ``5%``; more than ``100%`` is refused."""
    share = _PERCENT.read(value)
    if share > 1:
        raise ValueError(f"{quoted(value)} is more than 100%")
    return share


def format_duration(seconds: float) -> str:
    """Return a short text that ``parse_offset`` reads as the same duration, to the microsecond."""
    if seconds == 0:
        return "0s"
    sign, size = ("-" if seconds < 0 else ""), abs(seconds)
    for unit in ("h", "m", "s"):
        count = size / _SECONDS[unit]
        if count >= 1 and round(count, 9) == round(count, 1):
            return f"{sign}{_plain(count)}{unit}"
    return f"{sign}{_plain(size * 1000)}ms"


def format_rate(per_second: float) -> str:
    """Return a rate as a file would have it, in the unit that needs the fewest digits."""
    texts = [f"{_plain(per_second * seconds)}/{unit}" for unit, seconds in (("s", 1), ("m", 60), ("h", 3600))]
    return min(texts, key=len)


def format_percent(share: float) -> str:
    """Return a share as a file would have it."""
    return f"{_plain(share * 100)}%"


def format_size(count: int) -> str:
    """Return a number of bytes in the largest unit that divides it."""
    units = ("GiB", "MiB", "KiB")
    unit = next((one for one in units if count and count % _SIZE.factors[one] == 0), "B")
    return f"{count // int(_SIZE.factors[unit])}{unit}"


def quoted(value: object) -> str:
    """Return a value as an error message shows it, cut to a readable length."""
    text = f"'{value}'" if isinstance(value, str) else "nothing" if value is None else str(value)
    return text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 3]}..."


def _is_bare_number(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int | float) or (isinstance(value, str) and re.fullmatch(r"[0-9.]+", value) is not None)


def _at_most_a_week(seconds: float, value: object) -> float:
    if seconds > MAX_DURATION_S:
        raise ValueError(f"{quoted(value)} is longer than seven days")
    return seconds


def _plain(number: float) -> str:
    return f"{number:.9f}".rstrip("0").rstrip(".")
