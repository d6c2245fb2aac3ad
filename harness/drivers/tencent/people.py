"""What the app's own server does besides sending: it signs for its users and makes their accounts."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from harness.core.clock import Clock
from harness.core.errors import EnvironmentFault
from harness.drivers.api import Account, Credential, Person, Refused, Unknown
from harness.drivers.tencent.codes import LIMITED
from harness.drivers.tencent.messages import NS_PER_S
from harness.drivers.tencent.rest import Rest, shaped
from harness.drivers.tencent.usersig import Key, make

SIGN_IN = "/app/v1/usersig"
"""Where the simulator stands in for the app's own server (docs/tencent.md)."""
AT_ONCE = 8
TRIES = 10
PAUSE_S = 0.5


class Issued(msgspec.Struct, frozen=True):
    """What an app's server tells a user who has signed in."""

    usersig: str
    expires_in: float


@dataclass(frozen=True, slots=True)
class Signer:
    """Makes UserSigs with the app's secret key."""

    key: Key
    life_s: int
    clock: Clock

    def sign(self, identifier: str) -> Credential:
        """Return a UserSig that is good from now on."""
        sig = make(identifier, self.key, time_s=self.now_s(), expire_s=self.life_s)
        return Credential(sig, expires_in_s=float(self.life_s))

    def now_s(self) -> int:
        """The second since the epoch."""
        return self.clock.wall_ns() // NS_PER_S


async def ask_for_signature(rest: Rest, user: str) -> Credential | Refused | Unknown:
    """Sign in to the app: its server answers with a UserSig."""
    issued = shaped(await rest.post(SIGN_IN, {"user": user}, {}), Issued)
    return issued if isinstance(issued, Refused | Unknown) else Credential(issued.usersig, None, issued.expires_in)


async def register(rest: Rest, usersig: str, people: Sequence[Person]) -> dict[str, Account]:
    """Make an account for each person; raises ``EnvironmentFault`` when the service will not."""
    some = asyncio.Semaphore(AT_ONCE)

    async def one(person: Person) -> Account:
        async with some:
            await _import(rest, usersig, person)
        return Account(person.name, person.name, "")

    accounts = await asyncio.gather(*map(one, people))
    return {account.person: account for account in accounts}


async def _import(rest: Rest, usersig: str, person: Person) -> None:
    """Import an account; one that is there already is no error, and the limit of calls is waited out."""
    body = {"UserID": person.name, "Nick": person.display_name}
    for left in reversed(range(TRIES)):
        answer = await rest.call("im_open_login_svc/account_import", usersig, body)
        if not isinstance(answer, Refused | Unknown):
            return
        if answer.http_status != LIMITED or not left:
            raise _no_account(person, answer)
        await asyncio.sleep(PAUSE_S)


def _no_account(person: Person, why: Refused | Unknown) -> EnvironmentFault:
    hint = {
        "token_expired": "are the clocks of this machine and of the service together?",
        "tencent_70009": "is the secret key the one of this SDKAppID?",
        "tencent_60010": "`administrator` has to be an administrator of the app: see its console",
    }
    return EnvironmentFault(
        f"the service made no account for {person.name}: {why.error_code}",
        hint=hint.get(why.error_code, "the code is explained in Tencent's document 1047/34348"),
    )


class Acquaintances:
    """Who writes to whom: histories are read by pairs, and the service tells of no pair by itself."""

    def __init__(self) -> None:
        self._peers: dict[str, set[str]] = defaultdict(set)

    def add(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Note that these people write to each other."""
        for one, other in pairs:
            self._peers[one].add(other)
            self._peers[other].add(one)

    def of(self, user: str) -> list[str]:
        """Return whom somebody has conversations with, sorted."""
        return sorted(self._peers[user])
