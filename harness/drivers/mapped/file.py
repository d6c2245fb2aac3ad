"""Reading a mapping file: every mistake at once, each with its place in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.core.errors import UsageError
from harness.drivers.mapped.model import MappingModel, RequestModel
from harness.drivers.mapped.templates import ENV, PLACEHOLDER, parse_placeholder, placeholders
from harness.scenario.diagnostics import BadFile, did_you_mean
from harness.scenario.mistakes import Mistake, dotted, mistakes_of
from harness.scenario.source import read_source

OPTION = "mapping"

BASES = frozenset({"chat", "auth"})
_PERSON = BASES | {"person", "user", "user_id", "device", "device_name", "platform", "client_version"}
_SHOWN = _PERSON | {"token", "refresh_token"}
_LIVE = _SHOWN | {"ref", "now_ms"}
_MESSAGE = _LIVE | {
    "client_message_id",
    "conversation_id",
    "group",
    "recipient",
    "recipient_id",
    "body",
    "client_time_ms",
    "client_time_s",
    "attempt",
}
_CURSOR = _LIVE | {"cursor"}
_GROUP = _LIVE | {"conversation_id", "members", "member_ids"}
_OTHER = _LIVE | {"other", "other_id"}

SCOPES: Mapping[tuple[str, ...], frozenset[str]] = {
    ("direct_conversation",): frozenset({"first", "second"}),
    ("account",): frozenset({"person", "random"}),
    ("headers",): _SHOWN,
    ("register",): _PERSON - {"user_id"} | {"password"},
    ("login",): _PERSON | {"password"},
    ("refresh",): _SHOWN,
    ("open",): _SHOWN | {"members", "member_ids", "recipient", "recipient_id"},
    ("connect",): _LIVE,
    ("send",): _MESSAGE,
    ("send_http",): _MESSAGE,
    ("sync",): _CURSOR,
    ("archive",): _CURSOR - {"ref"},
    ("mark",): _LIVE | {"message_id", "state"},
    ("push",): _LIVE | {"push_token"},
    ("groups", "create"): _GROUP - {"conversation_id"},
    ("groups", "join"): _LIVE | {"conversation_id"},
    ("groups", "leave"): _LIVE | {"conversation_id"},
    ("blocks",): _OTHER,
    ("reply",): _LIVE,
    ("error",): _LIVE,
    ("deliver",): frozenset(),
    ("receipt",): frozenset(),
    ("rejected",): frozenset(),
    ("ignore",): frozenset(),
}
"""Which placeholders there are where."""

BEFORE_CONNECTION = ("register", "login", "refresh", "open", "archive", "send_http")
OWN = frozenset({"ref", "client_message_id", "cursor", "message_id", "now_ms"})
"""Placeholders by which an answer over the live connection can be told from the answers to other requests."""


def settle(options: Mapping[str, str], folder: Path) -> Mapping[str, str]:
    """Check the mapping that a stack file in ``folder`` names, and return the options with its full path.

    Raises ``UsageError`` for options that are not understood, ``BadFile`` when the mapping is wrong.
    """
    path = folder / named(options)
    load_mapping(path)
    return {OPTION: str(path.resolve())}


def named(options: Mapping[str, str]) -> str:
    """Return the file that the options name; raises ``UsageError``."""
    for name in options:
        if name != OPTION:
            raise UsageError(f"driver 'websocket' takes no option {name!r}", hint="it takes 'mapping', a file")
    if OPTION not in options:
        raise UsageError(
            "driver 'websocket' needs a mapping file",
            hint="write driver: {kind: websocket, mapping: my-chat.yaml}; see docs/bring-your-own.md",
        )
    return options[OPTION]


def load_mapping(path: Path) -> MappingModel:
    """Read a mapping file.

    Raises ``BadFile`` with every mistake in it, ``UsageError`` when it cannot be opened.
    """
    source = read_source(path)
    try:
        model = MappingModel.model_validate(source.data)
    except ValidationError as error:
        mistakes = mistakes_of(error, MappingModel, dict(source.data))
        raise BadFile([*source.problems, *source.locate(mistakes)]) from None
    # What a request uses can be told only when each placeholder can be read.
    mistakes = list(_placeholder_mistakes(dict(source.data))) or list(_request_mistakes(model, source.data))
    if problems := [*source.problems, *source.locate(mistakes)]:
        raise BadFile(problems)
    return model


def _placeholder_mistakes(data: Mapping[str, Any]) -> Iterator[Mistake]:
    for top, scope in SCOPES.items():
        part: Any = data
        for step in top:
            part = part.get(step, {}) if isinstance(part, dict) else {}
        for place, inner in placeholders(part, top):
            yield from _placeholder_mistake(place, inner, scope)
        yield from _unclosed(part, top)


def _placeholder_mistake(place: tuple[str | int, ...], inner: str, scope: frozenset[str]) -> Iterator[Mistake]:
    try:
        name = parse_placeholder(inner).name
    except ValueError as error:
        yield Mistake(place, "placeholder", str(error))
        return
    if name not in scope and not name.startswith(ENV):
        suggestion = did_you_mean(name, scope) if scope else "a rule for frames of the service has no placeholders"
        yield Mistake(place, "placeholder", f"nothing is called '${{{inner}}}' in {dotted(place[:1])}", suggestion)


def _unclosed(part: Any, path: tuple[str | int, ...]) -> Iterator[Mistake]:
    if isinstance(part, str) and "${" in PLACEHOLDER.sub("", part):
        yield Mistake(path, "placeholder", "'${' is never closed by '}'")
    elif isinstance(part, dict):
        for key, inner in part.items():
            yield from _unclosed(inner, (*path, key))
    elif isinstance(part, list):
        for index, inner in enumerate(part):
            yield from _unclosed(inner, (*path, index))


def _request_mistakes(model: MappingModel, data: Mapping[str, Any]) -> Iterator[Mistake]:
    for path, request in requests(model):
        if request.frame is not None and path[0] in BEFORE_CONNECTION:
            text = f"'{path[0]}' takes a request over HTTP: it is made without a live connection"
            yield Mistake((*path, "frame"), "bad-value", text, on_key=True)
        elif request.frame is not None:
            yield from _recognition_mistakes(path, request)
    if model.archive is None and model.sync.http is None:
        text = "'archive' is missing: the final reading goes over HTTP, and 'sync' is a frame"
        yield Mistake(("archive",), "missing-key", text)
    if model.login is None and "token" in {parse_placeholder(one).name for _, one in placeholders(dict(data))}:
        yield Mistake(("login",), "missing-key", "'login' is missing: without it there is no ${token}")


def _recognition_mistakes(path: tuple[str, ...], request: RequestModel) -> Iterator[Mistake]:
    """An answer must tell by itself which request it belongs to."""
    if request.answer is None:
        return
    written = [str(value) for values in request.answer.when.values() for value in values]
    used = {parse_placeholder(inner).name for one in written for inner in PLACEHOLDER.findall(one)}
    if not used & OWN and path != ("connect", "hello"):
        text = "this answer could be that of another request: nothing in 'when' is of the request's own"
        yield Mistake((*path, "answer"), "bad-value", text, 'add for example ref: "${ref}"', on_key=True)


def requests(model: MappingModel) -> Iterator[tuple[tuple[str, ...], RequestModel]]:
    """Yield each request that the mapping has, with its place."""
    found: list[tuple[tuple[str, ...], RequestModel | None]] = [
        (("register",), model.register_),
        (("login",), model.login),
        (("refresh",), model.refresh),
        (("open",), model.open),
        (("connect", "hello"), model.connect.hello),
        (("send",), model.send),
        (("send_http",), model.send_http),
        (("sync",), model.sync),
        (("archive",), model.archive),
        (("mark",), model.mark),
    ]
    if model.push is not None:
        found += [(("push", "register"), model.push.register_), (("push", "remove"), model.push.remove)]
    if model.groups is not None:
        found += [(("groups", name), getattr(model.groups, name)) for name in ("create", "join", "leave")]
    if model.blocks is not None:
        found += [(("blocks", name), getattr(model.blocks, name)) for name in ("block", "unblock")]
    yield from ((path, request) for path, request in found if request is not None)
