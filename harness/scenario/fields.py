"""The kinds of values that scenario and stack files are made of, as pydantic types."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, StringConstraints, WithJsonSchema

from harness.scenario.units import (
    DURATION_PATTERN,
    PERCENT_PATTERN,
    RATE_PATTERN,
    SIZE_PATTERN,
    parse_duration,
    parse_percent,
    parse_rate,
    parse_size,
    quoted,
)

NAME_PATTERN = "^[a-z0-9][a-z0-9_-]{0,62}$"


class Section(BaseModel):
    """A mapping of a file in which every unknown key is a mistake and no value is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _longer_than_nothing(value: object) -> float:
    seconds = parse_duration(value)
    if seconds == 0:
        raise ValueError(f"{quoted(value)} is no time at all")
    return seconds


def _more_than_never(value: object) -> float:
    rate = parse_rate(value)
    if rate == 0:
        raise ValueError(f"{quoted(value)} never sends anything")
    return rate


def _plain_value(value: object) -> str | int | float | bool:
    if not isinstance(value, str | int | float | bool):
        raise ValueError(f"{quoted(value) if value is None else 'this'} is neither a text nor a number")  # noqa: TRY004 - pydantic wants a ValueError
    return value


def _duration_or_forever(value: object) -> float:
    if value == "forever":
        return math.inf
    try:
        return _longer_than_nothing(value)
    except ValueError as error:
        raise ValueError(f"{error}, or forever") from None


def _duration_forever_or_none(value: object) -> float:
    return 0.0 if value == "none" else _duration_or_forever(value)


def _or_never(parse: Callable[[object], float]) -> Callable[[object], float | None]:
    def read(value: object) -> float | None:
        if value == "never":
            return None
        try:
            return parse(value)
        except ValueError as error:
            raise ValueError(f"{error}, or never") from None

    return read


def _text(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Moment = Annotated[float, BeforeValidator(parse_duration), _text(DURATION_PATTERN, "0s", "4s")]
Duration = Annotated[float, BeforeValidator(_longer_than_nothing), _text(DURATION_PATTERN, "250ms", "2s")]
Rate = Annotated[float, BeforeValidator(_more_than_never), _text(RATE_PATTERN, "5/s", "30/m")]
Size = Annotated[int, BeforeValidator(parse_size), _text(SIZE_PATTERN, "64KiB", "1MB")]
Share = Annotated[float, BeforeValidator(parse_percent), _text(PERCENT_PATTERN, "99%", "0.5%")]
Window = Annotated[
    float,
    BeforeValidator(_duration_or_forever),
    WithJsonSchema({"anyOf": [{"const": "forever"}, {"type": "string", "pattern": DURATION_PATTERN}]}),
]
WindowOrNone = Annotated[
    float,
    BeforeValidator(_duration_forever_or_none),
    WithJsonSchema({"anyOf": [{"enum": ["forever", "none"]}, {"type": "string", "pattern": DURATION_PATTERN}]}),
]
DurationOrNever = Annotated[
    float | None,
    PlainValidator(_or_never(_longer_than_nothing)),
    WithJsonSchema({"anyOf": [{"const": "never"}, {"type": "string", "pattern": DURATION_PATTERN}]}),
]
ShareOrNever = Annotated[
    float | None,
    PlainValidator(_or_never(parse_percent)),
    WithJsonSchema({"anyOf": [{"const": "never"}, {"type": "string", "pattern": PERCENT_PATTERN}]}),
]
AxisValue = Annotated[
    str | int | float | bool,
    PlainValidator(_plain_value),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
