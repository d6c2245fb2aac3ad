"""Messages as they are written and read (ids: XEP-0359, receipts: 0184, markers: 0333, carbons: 0280, delays: 0203).

A stanza's ``id`` names one wire attempt, its origin id the message: what was sent twice can be told apart everywhere,
also in receipts and bounces, which name the stanza.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from harness.core.events import Via
from harness.drivers.api import Delivered, Outgoing, Receipt, ReceiptState, Refused, Stored
from harness.drivers.xmpp.xml import Element

SID = "urn:xmpp:sid:0"
RECEIPTS = "urn:xmpp:receipts"
MARKERS = "urn:xmpp:chat-markers:0"
CARBONS = "urn:xmpp:carbons:2"
FORWARD = "urn:xmpp:forward:0"
DELAY = "urn:xmpp:delay"
ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
STATUSES = {
    "bad-request": 400,
    "jid-malformed": 400,
    "not-authorized": 403,
    "forbidden": 403,
    "not-allowed": 405,
    "not-acceptable": 406,
    "conflict": 409,
    "gone": 410,
}
"""Closest statuses of HTTP to conditions (RFC 6120, 8.3.3) that asking again does not change."""
UNDELIVERED = frozenset({"item_not_found", "recipient_unavailable", "service_unavailable"})
"""What an error says of the recipient, not of the stanza (RFC 6121, 8.5; XEP-0191, 3.4): the server had taken it, and
the sender's archive has it."""
GROUPCHAT = "groupchat"
NOT_FOUND = 404
"""For every other error of a type other than ``wait``, after which the same may be tried again (RFC 6120, 8.3.2)."""
NS_PER_S = 1_000_000_000


def bare(jid: str) -> str:
    """An address without its resource."""
    return jid.partition("/")[0]


def person(jid: str) -> str:
    """The name before the at sign."""
    return jid.partition("@")[0]


def resource(jid: str) -> str:
    """What tells the devices of a person apart."""
    return jid.partition("/")[2]


def conversation(one: str, other: str) -> str:
    """The id of the conversation of two people: the protocol has none, so both sides make the same."""
    return "+".join(sorted((one, other)))


def is_room(conversation_id: str) -> bool:
    """Whether a conversation is a room's; that of two people is no address."""
    return "@" in conversation_id


def stanza_id(message: Outgoing, attempt: int) -> str:
    """The name of one wire attempt; the first has the message's own."""
    return message.client_message_id if attempt == 1 else f"{message.client_message_id}~{attempt}"


def writing(message: Outgoing, name: str, to: str) -> Element:
    """A message to be sent; to one person it asks for a receipt and a marker."""
    kind = GROUPCHAT if message.recipient is None else "chat"
    said = [Element("body", text=message.body), Element("origin-id", SID, {"id": message.client_message_id})]
    asked = [] if kind == GROUPCHAT else [Element("request", RECEIPTS), Element("markable", MARKERS)]
    return Element("message", attrs={"to": to, "type": kind, "id": name}, children=[*said, *asked])


def mark(to: str, message_id: str, state: ReceiptState, name: str) -> Element:
    """Word to the sender that a message came, or was opened."""
    said = Element("received", RECEIPTS) if state == "delivered" else Element("displayed", MARKERS)
    said.attrs["id"] = message_id
    return Element("message", attrs={"to": to, "type": "chat", "id": name}, children=[said])


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads what one person is sent: the account at ``jid`` (bare) on a server called ``domain``.

    A stream that was ``resumed`` brings nothing from the offline store, only what it had missed itself.
    """

    jid: str
    domain: str
    resumed: bool = False

    def delivered(self, stanza: Element) -> Delivered | None:
        """The message in a stanza of the live connection; None where it is something else."""
        copied = self._copied(stanza)
        if copied is not None:
            return delivered(copied, "carbon") if is_message(copied) else None
        if not is_message(stanza):
            return None
        return delivered(stanza, "offline" if self._was_kept(stanza) else "live")

    def receipt(self, stanza: Element) -> Receipt | None:
        """What a stanza says of a message of ours; None where it is something else."""
        states: tuple[tuple[str, str, ReceiptState], ...] = (
            ("received", RECEIPTS, "delivered"),
            ("displayed", MARKERS, "read"),
        )
        for name, ns, state in states:
            said = stanza.child(name, ns)
            if said is not None and stanza.get("type") != "error":
                sender = stanza.get("from")
                return Receipt(said.get("id"), state, person(sender), device(sender))
        return None

    def _copied(self, stanza: Element) -> Element | None:
        """The message in a carbon; nobody but the own account sends any (XEP-0280, "Security Considerations")."""
        for name in ("sent", "received"):
            carbon = stanza.child(name, CARBONS)
            if carbon is not None and stanza.get("from") == self.jid:
                forwarded = carbon.child("forwarded", FORWARD)
                return None if forwarded is None else forwarded.child("message")
        return None

    def _was_kept(self, stanza: Element) -> bool:
        """Whether the server itself had kept it (XEP-0160), which it says by a delay of its own."""
        return not self.resumed and any(delay.get("from") == self.domain for delay in stanza.all("delay", DELAY))


def device(jid: str) -> str | None:
    """The device that an address stands for: resources are devices, ``phone-2`` the second of a phone."""
    name = resource(jid).partition("-")[0]
    return f"{person(jid)}/{name}" if name else None


def is_message(stanza: Element) -> bool:
    """Whether a person wrote it."""
    return stanza.name == "message" and stanza.get("type") != "error" and stanza.child("body") is not None


def facts(stanza: Element) -> dict[str, str]:
    """What a message says of itself."""
    origin = stanza.child("origin-id", SID)
    group = stanza.get("type") == GROUPCHAT
    # In a room people are called by their devices' ids.
    sender = resource(stanza.get("from")).partition("/")[0] if group else person(stanza.get("from"))
    name = stanza.get("id") or ("" if origin is None else origin.get("id"))
    return {
        "message_id": name,
        "client_message_id": name if origin is None else origin.get("id"),
        "conversation_id": bare(stanza.get("from")) if group else conversation(sender, person(stanza.get("to"))),
        "sender": sender,
        "body": stanza.words("body") or "",
    }


def delivered(stanza: Element, via: Via) -> Delivered:
    """A message as it reaches a device."""
    told = facts(stanza)
    return Delivered(
        told["message_id"], told["client_message_id"], told["conversation_id"], told["sender"], told["body"], via=via
    )


def stored(stanza: Element, *, message_id: str, place: int | None, at_ns: int | None) -> Stored:
    """A message of an archive."""
    told = facts(stanza)
    return Stored(
        message_id,
        told["client_message_id"],
        told["conversation_id"],
        told["sender"],
        told["body"],
        conversation_seq=place,
        server_time_ns=at_ns,
    )


def moment_ns(stamp: str) -> int | None:
    """Wall time of a stamp (XEP-0082), where it is one."""
    try:
        return round(datetime.fromisoformat(stamp).timestamp() * NS_PER_S)
    except ValueError:
        return None


def refusal(stanza: Element) -> Refused:
    """Why a stanza came back as an error (RFC 6120, 8.3)."""
    error = stanza.child("error")
    condition = next((child.name for child in error.children if child.ns == ERRORS), "") if error else ""
    code = (condition or "undefined-condition").replace("-", "_")
    if error is not None and error.get("type") == "wait":
        return Refused(code)
    return Refused(code, http_status=STATUSES.get(condition, NOT_FOUND))
