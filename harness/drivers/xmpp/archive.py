"""Reading a person's archive in the server's order (XEP-0313), page by page (XEP-0059)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from harness.drivers.api import Delivered, Stored
from harness.drivers.xmpp.stanzas import (
    DELAY,
    FORWARD,
    GROUPCHAT,
    delivered,
    facts,
    is_message,
    moment_ns,
    person,
    stored,
)
from harness.drivers.xmpp.xml import Element

MAM = "urn:xmpp:mam:2"
RSM = "http://jabber.org/protocol/rsm"
FORM = "jabber:x:data"


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of an archive, under the archive's own id, as the answer to a query."""

    query: str
    archive_id: str
    stanza: Element
    at_ns: int | None

    @classmethod
    def of(cls, stanza: Element) -> Self | None:
        """The entry that a stanza brings, for which query; None where it is something else."""
        result = stanza.child("result", MAM)
        forwarded = None if result is None else result.child("forwarded", FORWARD)
        message = None if forwarded is None else forwarded.child("message")
        if result is None or forwarded is None or message is None:
            return None
        delay = forwarded.child("delay", DELAY)
        return cls(
            result.get("queryid"), result.get("id"), message, None if delay is None else moment_ns(delay.get("stamp"))
        )

    def delivered(self) -> Delivered | None:
        """As it reaches a device; receipts and markers, which archives keep too, do not."""
        if not is_message(self.stanza):
            return None
        return replace(delivered(self.stanza, "archive"), server_time_ns=self.at_ns)


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of a page: the archive's id of its last entry (empty: there was none), and whether there is more."""

    last: str
    more: bool


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a device has read each archive: its own (None), and those of rooms by their address."""

    places: tuple[tuple[str | None, str], ...] = ()

    @classmethod
    def of(cls, text: str) -> Self:
        """Read what ``str`` made of one: the own archive's entry, then ``ROOM=ENTRY`` for each room."""
        own, *rooms = text.split(" ")
        pairs = (each.partition("=") for each in rooms)
        return cls(((None, own), *((room, entry) for room, _, entry in pairs)))

    def __str__(self) -> str:
        return " ".join(entry if archive is None else f"{archive}={entry}" for archive, entry in self.places)

    def after(self, archive: str | None) -> str:
        """The last entry of an archive that was read, empty for none."""
        return dict(self.places).get(archive, "")

    def moved(self, archive: str | None, last: str) -> Self:
        """The cursor after a page whose last entry this was; an empty page moves nothing."""
        return type(self)(tuple((dict(self.places) | {archive: last}).items())) if last else self


def question(after: str, most: int, query: str) -> Element:
    """Ask for the entries after one (empty: from the first on)."""
    rsm = Element("set", RSM, children=[Element("max", RSM, text=str(most))])
    if after:
        rsm.children.append(Element("after", RSM, text=after))
    return Element("query", MAM, {"queryid": query}, [rsm])


def end_of_page(answer: Element) -> Answer | None:
    """Read the answer to a question; None where it is none."""
    fin = answer.child("fin", MAM)
    if fin is None:
        return None
    rsm = fin.child("set", RSM)
    last = "" if rsm is None else rsm.words("last", RSM) or ""
    return Answer(last, more=fin.get("complete") != "true" and bool(last))


class Places:
    """Gives the messages of one archive their places, in the archive's order.

    Each of two people has an archive of their own, so there is no one order of their conversation. A message's place is
    the one in its recipient's archive; places in that of the one who comes first in the alphabet are even, those in the
    other's odd, so that no two messages share one. A room has one archive and so one order.
    """

    def __init__(self, reader: str) -> None:
        self._reader = reader
        self._count = 0
        self._archived: dict[str, str] = {}

    def stored(self, entries: Sequence[Entry]) -> list[Stored]:
        """The messages among entries; a stanza that the archive has twice is two messages of one name there."""
        return [self._stored(entry) for entry in entries if is_message(entry.stanza)]

    def _stored(self, entry: Entry) -> Stored:
        self._count += 1
        name = facts(entry.stanza)["message_id"]
        first = self._archived.setdefault(name, entry.archive_id)
        return stored(
            entry.stanza,
            message_id=name if first == entry.archive_id else f"{name}+{entry.archive_id}",
            place=self._place(entry.stanza),
            at_ns=entry.at_ns,
        )

    def _place(self, stanza: Element) -> int | None:
        if stanza.get("type") == GROUPCHAT:
            return self._count
        sender, recipient = person(stanza.get("from")), person(stanza.get("to"))
        mine = recipient == self._reader != sender
        return 2 * self._count + (recipient > sender) if mine else None
