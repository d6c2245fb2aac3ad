"""Driver for Tencent RTC Chat: an app's server that sends and reads by REST v4, and the devices of its users."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from itertools import count

from harness.core.clock import Clock, SystemClock
from harness.drivers.api import (
    Account,
    Credential,
    Device,
    Endpoint,
    IncompleteRead,
    Person,
    Refused,
    Stored,
    Unknown,
)
from harness.drivers.tencent.codes import REJECTED_WITHOUT_EFFECT
from harness.drivers.tencent.gateway import enter
from harness.drivers.tencent.history import roam
from harness.drivers.tencent.messages import Numbers, conversation
from harness.drivers.tencent.options import Options, read_options
from harness.drivers.tencent.people import Acquaintances, Signer, ask_for_signature, register
from harness.drivers.tencent.polling import OVERLAP_S, Histories, PolledSession
from harness.drivers.tencent.rest import Rest
from harness.drivers.tencent.sending import Sender
from harness.drivers.tencent.session import GatewaySession

NOT_OPENED = Unknown("not_opened")


def make(options: Mapping[str, str]) -> TencentDriver:
    """Return the driver; raises ``UsageError`` for options that it cannot take (docs/tencent.md has them all)."""
    return TencentDriver(read_options(options), SystemClock())


class TencentDriver:
    """Plays the app's server and its users' devices.

    At the simulator (``live: gateway``) every person is an administrator of the app, so that one UserSig opens both the
    REST API and the gateway, and what becomes of it concerns one person only. At the real service (``live: poll``) one
    administrator acts for all.
    """

    kind = "tencent"
    rejected_without_effect = REJECTED_WITHOUT_EFFECT

    def __init__(self, options: Options, clock: Clock) -> None:
        gateway = options.live == "gateway"
        self.capabilities: frozenset[str] = frozenset({"http_send", *(("push", "refresh_token") if gateway else ())})
        self._options = options
        self._signer = Signer(options.key, options.sig_life_s, clock)
        self._numbers = Numbers(clock)
        self._acquaintances = Acquaintances()
        self._histories: dict[str, Histories] = {}
        self._connections = count(1)

    def direct_conversation(self, one: str, other: str) -> str:
        """Return a name for what the protocol knows by both ends only."""
        return conversation(one, other)

    async def introduce(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Note whose histories there are to read; the service needs nothing."""
        self._acquaintances.add(pairs)

    async def provision(self, people: Sequence[Person], at: Endpoint) -> Mapping[str, Account]:
        """Import an account for each person under their own names."""
        rest = self._rest(at.auth, self._options.administrator)
        try:
            return await register(rest, self._signer.sign(self._options.administrator).token, people)
        finally:
            await rest.close()

    async def login(self, account: Account, device: Device, at: Endpoint) -> Credential | Refused | Unknown:  # noqa: ARG002 - a UserSig is an account's
        """Sign in to the app, whose server answers with a UserSig; or sign for the administrator."""
        if self._options.live == "poll":
            return self._signer.sign(self._options.administrator)
        rest = self._rest(at.auth, account.user)
        try:
            return await ask_for_signature(rest, account.user)
        finally:
            await rest.close()

    async def connect(
        self,
        account: Account,
        device: Device,
        at: Endpoint,
        *,
        clock: Clock,  # noqa: ARG002 - the app's server counts its own time
        credential: Credential | None = None,
    ) -> GatewaySession | PolledSession | Refused | Unknown:
        """Log in at the gateway, or begin to poll."""
        shown = credential or await self.login(account, device, at)
        if isinstance(shown, Refused | Unknown):
            return shown
        caller = self._options.administrator if self._options.live == "poll" else account.user
        sender = Sender(
            rest=self._rest(at.chat, caller),
            numbers=self._numbers,
            user=account.user,
            life_s=self._options.message_life_s,
            renew=partial(self.login, account, device, at),
            credential=shown,
        )
        opened: GatewaySession | PolledSession | Refused | Unknown = NOT_OPENED
        try:
            opened = await self._open(sender, device, at, f"{device.id}#{next(self._connections)}")
        finally:
            if isinstance(opened, Refused | Unknown):
                await sender.rest.close()
        return opened

    async def _open(
        self, sender: Sender, device: Device, at: Endpoint, connection: str
    ) -> GatewaySession | PolledSession | Refused | Unknown:
        if self._options.live == "poll":
            return await self._begin_to_poll(sender, device, connection)
        socket = await enter(at.chat, device, sender.user, self._options.key.sdkappid, sender.credential.token)
        if isinstance(socket, Refused | Unknown):
            return socket
        return GatewaySession(socket, sender, connection=connection)

    async def _begin_to_poll(
        self, sender: Sender, device: Device, connection: str
    ) -> PolledSession | Refused | Unknown:
        """Read what is there: everything else is news."""
        histories = self._histories.setdefault(device.id, Histories(partial(self._acquaintances.of, sender.user)))
        known = await histories.read(sender, self._signer.now_s() - OVERLAP_S)
        if isinstance(known, Refused | Unknown):
            return known
        return PolledSession(sender, histories, known, connection=connection, poll_s=self._options.poll_s)

    async def read_all(self, account: Account, at: Endpoint) -> AsyncIterator[Stored]:
        """Read the account's history with each of the people that it was introduced to."""
        rest = self._rest(at.chat, self._options.administrator)
        sig = self._signer.sign(self._options.administrator).token
        try:
            for peer in self._acquaintances.of(account.user):
                history = await roam(rest, sig, account.user, peer)
                if isinstance(history, Refused | Unknown):
                    text = f"the history of {account.user} and {peer} could not be read to its end"
                    raise IncompleteRead(f"{text}: {history.error_code}")
                for number, message in enumerate(history, start=1):
                    yield message.stored(number)
        finally:
            await rest.close()

    def _rest(self, base: str, identifier: str) -> Rest:
        return Rest(base, self._options.key.sdkappid, identifier, self._options.domain)
