"""From decoded frames to what they mean, by the paths of the mapping; ``Misfit`` says which field is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from harness.drivers.api import Accepted, Credential, Outgoing, Receipt, ReceiptState
from harness.drivers.mapped.misfit import Misfit
from harness.drivers.mapped.model import (
    AckAnswer,
    MessageModel,
    PageAnswer,
    ReceiptModel,
    Scalar,
    StatesModel,
    TimedModel,
    TokenAnswer,
)
from harness.drivers.mapped.paths import MISSING, FieldPath, shape

_NS = {"server_time_s": 10**9, "server_time_ms": 10**6, "server_time_us": 10**3, "server_time_ns": 1}


@dataclass(slots=True)
class Names:
    """What people are called at the service; filled while accounts are made and people log in."""

    conversation: str
    """Template of the id of two people's conversation, with ``{first}`` and ``{second}``."""
    people: dict[str, str] = field(default_factory=dict)
    """Names of people by their account's."""
    by_id: dict[str, str] = field(default_factory=dict)
    """Names of people by the service's own id."""
    ids: dict[str, Any] = field(default_factory=dict)
    """The service's own ids by people, of the type that it has there."""
    users: dict[str, str] = field(default_factory=dict)
    """Names of accounts by people."""
    opened: dict[tuple[str, ...], str] = field(default_factory=dict)
    """Ids of conversations that the service has made for two people, who are sorted."""

    def learn(self, person: str, user: str, user_id: Any) -> None:
        """Take note of an account."""
        self.people[user], self.users[person] = person, user
        if user_id is not None:
            self.by_id[str(user_id)], self.ids[person] = person, user_id

    def direct(self, one: str, other: str) -> str:
        """Return the id of the conversation of two people."""
        first, second = pair = tuple(sorted((one, other)))
        if pair in self.opened:
            return self.opened[pair]
        return self.conversation.replace("${first}", first).replace("${second}", second)


@dataclass(frozen=True, slots=True)
class PageRead:
    """A page with its messages as facts; ``cursor`` is None where the page has none."""

    items: tuple[dict[str, Any], ...]
    cursor: str | None
    more: bool


def take(rule: str, name: str, path: FieldPath | None, frame: Any) -> Any:
    """Return the value of a field, None where there is none and need not be one; raises ``Misfit``."""
    if path is None:
        return None
    found = path.find(frame)
    if found is not MISSING:
        return found
    if path.optional:
        return None
    raise Misfit(rule, name, path.trouble(frame))


def text(rule: str, name: str, path: FieldPath | None, frame: Any) -> str | None:
    """Return a field as text; numbers are written out."""
    found = take(rule, name, path, frame)
    if found is None or isinstance(found, str):
        return found
    if isinstance(found, int | float) and not isinstance(found, bool):
        return str(found)
    raise _wrong(rule, name, path, "a text or a number", found)


def number(rule: str, name: str, path: FieldPath | None, frame: Any) -> float | None:
    """Return a field as a number, also where it is written as text."""
    found = take(rule, name, path, frame)
    try:
        return None if found is None else float(found)
    except (TypeError, ValueError):
        raise _wrong(rule, name, path, "a number", found) from None


def integer(rule: str, name: str, path: FieldPath | None, frame: Any) -> int | None:
    """Return a field as a whole number; long ones keep all their digits."""
    found = take(rule, name, path, frame)
    try:
        return None if found is None else int(found)
    except (TypeError, ValueError):
        raise _wrong(rule, name, path, "a whole number", found) from None


def accepted(rule: str, answer: AckAnswer, frame: Any, message: Outgoing) -> Accepted:
    """Read an acknowledgement."""
    return Accepted(
        message_id=text(rule, "message_id", answer.message_id, frame) or "",
        conversation_id=text(rule, "conversation_id", answer.conversation_id, frame) or message.conversation_id,
        conversation_seq=integer(rule, "conversation_seq", answer.conversation_seq, frame),
        server_time_ns=_server_time_ns(rule, answer, frame),
        request_id=text(rule, "request_id", answer.request_id, frame),
    )


def message_facts(rule: str, model: MessageModel, frame: Any, names: Names) -> dict[str, Any]:
    """Read a message as the fields that a delivered and a stored one have in common."""
    sender = _person(rule, "sender", model.sender, model.sender_id, frame, names)
    conversation = text(rule, "conversation_id", model.conversation_id, frame)
    if conversation is None:
        recipient = _person(rule, "recipient", model.recipient, model.recipient_id, frame, names)
        conversation = names.direct(sender, recipient)
    return {
        "message_id": text(rule, "message_id", model.message_id, frame) or "",
        "client_message_id": text(rule, "client_message_id", model.client_message_id, frame),
        "conversation_id": conversation,
        "sender": sender,
        "body": text(rule, "body", model.body, frame) or "",
        "conversation_seq": integer(rule, "conversation_seq", model.conversation_seq, frame),
        "server_time_ns": _server_time_ns(rule, model, frame),
    }


def page(rule: str, answer: PageAnswer, message: MessageModel, frame: Any, names: Names) -> PageRead:
    """Read a page of a sync or of the archive."""
    items = listed(rule, "items", answer.items, frame)
    found = [
        message_facts(f"{rule}.message", answer.message or message, item, names)
        for item in items
        if matches(answer.only, item)
    ]
    cursor = text(rule, "cursor", answer.cursor, frame)
    return PageRead(tuple(found), cursor, bool(take(rule, "more", answer.more, frame)))


def listed(rule: str, name: str, path: FieldPath, frame: Any) -> list[Any]:
    """Return a field that must be a list; one that may be missing is an empty one."""
    found = take(rule, name, path, frame)
    if found is None:
        return []
    if not isinstance(found, list):
        raise _wrong(rule, name, path, "a list", found)
    return found


def receipt(rule: str, model: ReceiptModel, frame: Any, names: Names, states: StatesModel) -> Receipt:
    """Read a receipt."""
    return Receipt(
        message_id=text(rule, "message_id", model.message_id, frame) or "",
        state=_state(rule, model.state, frame, states),
        by=_person(rule, "by", model.by, model.by_id, frame, names),
        device=text(rule, "device", model.device, frame),
    )


def credential(rule: str, answer: TokenAnswer, frame: Any) -> Credential:
    """Read what a login or a refresh gives."""
    life_s = number(rule, "expires_in_s", answer.expires_in_s, frame)
    life_ms = number(rule, "expires_in_ms", answer.expires_in_ms, frame)
    return Credential(
        token=text(rule, "token", answer.token, frame) or "",
        refresh_token=text(rule, "refresh_token", answer.refresh_token, frame),
        expires_in_s=life_s if life_ms is None else life_ms / 1000,
        chat=text(rule, "url", answer.url, frame),
    )


def retry_after_ms(rule: str, ms: FieldPath | None, s: FieldPath | None, frame: Any) -> int | None:
    """Return for how long an error asks to wait; what it says in a way that nobody understands is not heeded."""
    try:
        in_ms, in_s = number(rule, "retry_after_ms", ms, frame), number(rule, "retry_after_s", s, frame)
    except Misfit:
        return None
    return round(in_ms) if in_ms is not None else None if in_s is None else round(in_s * 1000)


def matches(when: Mapping[FieldPath, tuple[Scalar, ...]], frame: Any) -> bool:
    """Tell whether each field has one of its values."""
    return all(any(same(path.find(frame), value) for value in values) for path, values in when.items())


def same(found: Any, wanted: Any) -> bool:
    """Tell whether a value is the one that the mapping has written; numbers and their texts are the same."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return isinstance(found, str | int | float) and str(found) == str(wanted)


def _state(rule: str, path: FieldPath, frame: Any, states: StatesModel) -> ReceiptState:
    found = take(rule, "state", path, frame)
    for name in ("delivered", "read"):
        if same(found, getattr(states, name)):
            return name
    raise Misfit(rule, "state", f"`{path.text}` is neither what `states` has for delivered nor for read")


def _person(rule: str, name: str, by_name: FieldPath | None, by_id: FieldPath | None, frame: Any, names: Names) -> str:
    """Return the person that a field names; somebody whom the run does not know keeps the service's word."""
    if by_name is not None:
        user = text(rule, name, by_name, frame) or ""
        return names.people.get(user, user)
    user_id = text(rule, f"{name}_id", by_id, frame) or ""
    return names.by_id.get(user_id, user_id)


def _server_time_ns(rule: str, model: TimedModel, frame: Any) -> int | None:
    for name, unit in _NS.items():
        found = take(rule, name, getattr(model, name), frame)
        if isinstance(found, int) and not isinstance(found, bool):
            return found * unit
        if found is not None:
            return round((number(rule, name, getattr(model, name), frame) or 0) * unit)
    written = text(rule, "server_time_iso", model.server_time_iso, frame)
    if written is None:
        return None
    try:
        return round(datetime.fromisoformat(written).timestamp() * 10**9)
    except ValueError:
        raise _wrong(
            rule, "server_time_iso", model.server_time_iso, "a time as in 2026-01-31T12:00:00Z", written
        ) from None


def _wrong(rule: str, name: str, path: FieldPath | None, expected: str, found: Any) -> Misfit:
    where = path.text if path else name
    return Misfit(rule, name, f"`{where}` must be {expected}: {shape(found)}")
