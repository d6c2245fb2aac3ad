"""The parameters of a fault, read by what its kind declares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from harness.core.plan import ParamValue
from harness.faults.api import FaultKind, Param
from harness.scenario.diagnostics import did_you_mean
from harness.scenario.mistakes import Mistake
from harness.scenario.units import (
    format_duration,
    format_percent,
    format_rate,
    format_size,
    parse_duration,
    parse_offset,
    parse_percent,
    parse_rate,
    parse_size,
    quoted,
)
from harness.scenario.yaml12 import Path


@dataclass(frozen=True, slots=True)
class Params:
    """Parameters in full, as a plan carries them, and what is wrong with those that were given."""

    values: dict[str, ParamValue]
    mistakes: tuple[Mistake, ...]


def read_params(kind: FaultKind, given: Mapping[str, object], path: Path, other_keys: frozenset[str]) -> Params:
    """Read a fault's further keys; ``other_keys`` are those it may have besides, for a near miss of one of them."""
    values: dict[str, ParamValue] = {
        name: param.default for name, param in kind.params.items() if param.default is not None
    }
    mistakes = [*_unknown(kind, given, path, other_keys), *_missing(kind, given, path)]
    for name, param in kind.params.items():
        if name in given:
            try:
                values[name] = read_param(param, given[name])
            except ValueError as error:
                mistakes.append(Mistake((*path, name), "bad-value", str(error)))
    return Params(values, tuple(mistakes))


def read_param(param: Param, value: object) -> ParamValue:
    """Return one parameter as a plan carries it; raises ``ValueError`` with a sentence."""
    found = _typed(param, value)
    if param.minimum is not None and isinstance(found, int | float) and found < param.minimum:
        raise ValueError(f"{quoted(value)} is too small: at least {shown_param(param, param.minimum)}")
    if param.choices and found not in param.choices:
        suggestion = did_you_mean(str(found), param.choices)
        raise ValueError(f"{quoted(value)} is not one of {', '.join(param.choices)}; {suggestion}")
    return found


def shown_param(param: Param, value: ParamValue) -> str:
    """Return a parameter of a plan as a file would have it."""
    if param.type == "size" and isinstance(value, int | float):
        return format_size(int(value))
    known = _SHOWN.get(param.type)
    return known(value) if known is not None and isinstance(value, int | float) else f"{value}"


_SHOWN: Mapping[str, Callable[[float], str]] = {
    "duration": format_duration,
    "offset": format_duration,
    "rate": format_rate,
    "share": format_percent,
}
_READ: Mapping[str, Callable[[object], float]] = {
    "duration": parse_duration,
    "offset": parse_offset,
    "rate": parse_rate,
    "size": parse_size,
    "share": parse_percent,
}


def _typed(param: Param, value: object) -> ParamValue:
    if (read := _READ.get(param.type)) is not None:
        return read(value)
    if param.type == "integer":
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif isinstance(value, str):
        return value
    raise ValueError(f"{quoted(value)} is not a {'whole number' if param.type == 'integer' else 'text'}")


def _unknown(kind: FaultKind, given: Mapping[str, object], path: Path, other_keys: frozenset[str]) -> Iterator[Mistake]:
    for name in given:
        if name not in kind.params:
            suggestion = did_you_mean(name, other_keys | set(kind.params))
            yield Mistake((*path, name), "unknown-key", f"{kind.kind} has no {quoted(name)}", suggestion, on_key=True)


def _missing(kind: FaultKind, given: Mapping[str, object], path: Path) -> Iterator[Mistake]:
    for name, param in kind.params.items():
        if param.required and name not in given:
            yield Mistake((*path, name), "missing-key", f"{kind.kind} needs '{name}': {param.summary}")
