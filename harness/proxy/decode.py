"""Request bodies, read as Go's JSON decoder reads them into Toxiproxy's structs.

Keys match in any case, unknown ones are ignored, ``null`` means absent, what follows the first value is ignored, an
integer must be written as one. Every mistake is answered with status 400.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from harness.proxy.api import Stream
from harness.proxy.errors import ApiError, already_exists, bad_body, missing_field
from harness.proxy.toxics import TOXICS, ToxicSpec

_INT64 = range(-(2**63), 2**63)
_FLOAT32_MAX = 3.4028235677973366e38
_STREAMS = ("upstream", "downstream")
_NOT_A_STREAM = "stream was invalid, can be either upstream or downstream"

Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ProxyInput:
    """A proxy as a request describes it; ``toxics`` is our extension, Toxiproxy ignores the field."""

    name: str
    listen: str
    upstream: str
    enabled: bool
    toxics: tuple[ToxicSpec, ...] = ()


def json_value(body: bytes) -> object:
    """Return the first JSON value of a body."""
    text = body.decode("utf-8", "replace").lstrip(" \t\r\n")
    if not text:
        raise bad_body("EOF")
    try:
        value, _end = json.JSONDecoder(parse_constant=_no_constant).raw_decode(text)
    except (ValueError, RecursionError) as problem:
        raise bad_body(f"not valid JSON: {problem}") from None
    return cast("object", value)


def proxy_input(value: object, *, listen: str = "", upstream: str = "", enabled: bool = True) -> ProxyInput:
    """Read a proxy; what is absent is as given here."""
    fields = _fields(value, "a proxy")
    return ProxyInput(
        _text(fields, "name", ""),
        _text(fields, "listen", listen),
        _text(fields, "upstream", upstream),
        _flag(fields, "enabled", default=enabled),
        _toxics(fields.get("toxics")),
    )


def new_proxy(body: bytes) -> ProxyInput:
    """Read the body of a proxy's creation."""
    wanted = proxy_input(json_value(body))
    _require(wanted, "")
    return wanted


def new_proxies(body: bytes) -> list[ProxyInput]:
    """Read the body of /populate; nothing is wrong with any of them."""
    value = json_value(body)
    if value is not None and not isinstance(value, list):
        raise bad_body(f"expected an array of proxies, got {_kind(value)}")
    wanted = [proxy_input({} if entry is None else entry) for entry in value or ()]
    for position, entry in enumerate(wanted, start=1):
        _require(entry, f" at proxy {position}")
    return wanted


def new_toxic(value: object, taken: frozenset[str] = frozenset()) -> ToxicSpec:
    """Read a toxic; checks come in Toxiproxy's order: JSON, stream, type, name, attributes."""
    fields = _fields(value, "a toxic")
    name, type_ = _text(fields, "name", ""), _text(fields, "type", "")
    stream, toxicity = _text(fields, "stream", "downstream"), _toxicity(fields, 1.0)
    given = _fields(fields.get("attributes"), "attributes")
    if stream.lower() not in _STREAMS:
        raise ApiError(400, _NOT_A_STREAM)
    if type_ not in TOXICS:
        raise ApiError(400, "invalid toxic type")
    name = name or f"{type_}_{stream}"
    if name in taken:
        raise already_exists("toxic")
    attributes = _attributes(given, dict.fromkeys(TOXICS[type_].attributes, 0))
    return ToxicSpec(name, type_, cast("Stream", stream.lower()), stream, toxicity, attributes)


def changed_toxic(body: bytes, toxic: ToxicSpec) -> tuple[Mapping[str, int], float]:
    """Read an update: the attributes and toxicity that result; whatever else is given is ignored."""
    fields = _fields(json_value(body), "a toxic")
    return _attributes(_fields(fields.get("attributes"), "attributes"), toxic.attributes), _toxicity(
        fields, toxic.toxicity
    )


def _toxics(value: object) -> tuple[ToxicSpec, ...]:
    if value is not None and not isinstance(value, list):
        raise bad_body(f"expected an array of toxics, got {_kind(value)}")
    made: dict[str, ToxicSpec] = {}
    for entry in value or ():
        toxic = new_toxic(entry, frozenset(made))
        made[toxic.name] = toxic
    return tuple(made.values())


def _require(wanted: ProxyInput, where: str) -> None:
    for field in ("name", "upstream"):
        if not getattr(wanted, field):
            raise missing_field(field + where)


def _fields(value: object, what: str) -> Fields:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_body(f"expected an object for {what}, got {_kind(value)}")
    return {key.lower(): entry for key, entry in value.items() if entry is not None}


def _text(fields: Fields, key: str, default: str) -> str:
    value = fields.get(key, default)
    if not isinstance(value, str):
        raise bad_body(f"field {key} must be a string, got {_kind(value)}")
    # A lone half of a surrogate pair is no character; Go puts the replacement character there too.
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _flag(fields: Fields, key: str, *, default: bool) -> bool:
    value = fields.get(key, default)
    if not isinstance(value, bool):
        raise bad_body(f"field {key} must be true or false, got {_kind(value)}")
    return value


def _toxicity(fields: Fields, default: float) -> float:
    value = fields.get("toxicity", default)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) >= _FLOAT32_MAX:
        raise bad_body(f"field toxicity must be a 32-bit number, got {_kind(value)}")
    return float(value)


def _attributes(given: Fields, defaults: Mapping[str, int]) -> Mapping[str, int]:
    merged = dict(defaults)
    for key, old in defaults.items():
        value = given.get(key, old)
        if isinstance(value, bool) or not isinstance(value, int) or value not in _INT64:
            raise bad_body(f"attribute {key} must be a 64-bit integer, got {_kind(value)}")
        merged[key] = value
    return merged


def _kind(value: object) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "an array"}
    return names.get(type(value), "an object")


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")
