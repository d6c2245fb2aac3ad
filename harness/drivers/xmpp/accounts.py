"""Accounts, made in band (XEP-0077) past every proxy: a server's own tool works only beside the server's process."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from harness.core.errors import EnvironmentFault
from harness.drivers.api import Account, Person
from harness.drivers.xmpp.stanzas import refusal
from harness.drivers.xmpp.stream import Ended, Stream
from harness.drivers.xmpp.xml import BadStream, Element

REGISTER = "jabber:iq:register"
AT_ONCE = 4
LIMIT_S = 20.0
SETTLED_WITHIN_S = 5.0
_NOT_YET = "not_authorized"
"""How ejabberd refuses accounts in the moment in which it listens and its SQL storage is not there yet."""
_PAUSE_S = 0.1
_HINTS = {
    "conflict": "each run needs a server with fresh data, or people with names of their own",
    "service_unavailable": "allow registration in band (XEP-0077) in the server's configuration",
    "not_allowed": "allow registration in band (XEP-0077) in the server's configuration",
}


async def register(people: Sequence[Person], address: str, domain: str) -> dict[str, Account]:
    """Make an account for each person; raises ``EnvironmentFault`` when the server will not."""
    some = asyncio.Semaphore(AT_ONCE)

    async def one(person: Person) -> Account:
        async with some:
            return await _register(person, address, domain)

    accounts = await asyncio.gather(*map(one, people))
    return {account.person: account for account in accounts}


async def _register(person: Person, address: str, domain: str) -> Account:
    account = Account(person.name, person.name, secrets.token_urlsafe(12))
    loop = asyncio.get_running_loop()
    end = loop.time() + SETTLED_WITHIN_S
    while (why := await _refused(account, address, domain)) is not None:
        if why != _NOT_YET or loop.time() > end:
            raise _no_account(person, why)
        await asyncio.sleep(_PAUSE_S)
    return account


async def _refused(account: Account, address: str, domain: str) -> str | None:
    """Ask for the account once; None when it is there, else why it is not."""
    try:
        async with asyncio.timeout(LIMIT_S):
            answer = await _ask(account, address, domain)
    except (OSError, Ended, BadStream) as problem:
        return str(problem) or "no answer"
    return None if answer.get("type") == "result" else refusal(answer).error_code


async def _ask(account: Account, address: str, domain: str) -> Element:
    stream = await Stream.dial(address, domain)
    try:
        await stream.open()
        form = [Element("username", REGISTER, text=account.user), Element("password", REGISTER, text=account.password)]
        wanted = Element("query", REGISTER, children=form)
        stream.put(Element("iq", attrs={"type": "set", "id": "register", "to": domain}, children=[wanted]))
        return await stream.read()
    finally:
        await stream.close()


def _no_account(person: Person, why: str) -> EnvironmentFault:
    return EnvironmentFault(
        f"the service made no account for {person.name}: {why}", hint=_HINTS.get(why, "its log says more")
    )
