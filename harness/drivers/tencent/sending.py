"""Sending as an app's server does: by REST v4, in the name of its users (document 1047/34919)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from harness.drivers.api import Accepted, Credential, Outgoing, Refreshed, Refused, Unknown
from harness.drivers.tencent.codes import INVALIDATED, outcome
from harness.drivers.tencent.messages import NS_PER_S, Numbers, Sent, content
from harness.drivers.tencent.rest import Json, Rest, shaped

REVOKED = outcome(INVALIDATED)
SYNC_TO_SENDER = 1


@dataclass(slots=True)
class Sender:
    """The app's server as one device's messages need it."""

    rest: Rest
    numbers: Numbers
    user: str
    life_s: int | None
    renew: Callable[[], Awaitable[Credential | Refused | Unknown]]
    credential: Credential
    ended: bool = False
    """Whether the credential was invalidated, after which only a new log-in of the user helps."""

    async def send(self, message: Outgoing) -> Accepted | Refused | Unknown:
        """Send once; the message's numbers are the same every time."""
        body: Json = {
            "SyncOtherMachine": SYNC_TO_SENDER,
            "From_Account": self.user,
            "To_Account": message.recipient,
            **self.numbers.of(message.client_message_id),
            **content(message),
        }
        body |= {} if self.life_s is None else {"MsgLifeTime": self.life_s}
        sent = shaped(await self.rest.call("openim/sendmsg", self.credential.token, body), Sent)
        if isinstance(sent, Refused | Unknown):
            self.note(sent)
            return sent
        return Accepted(sent.key, message.conversation_id, server_time_ns=sent.time_s * NS_PER_S)

    async def refresh(self) -> Refreshed | Refused | Unknown:
        """Get a new UserSig from the app's server."""
        if self.ended:
            return Refused(REVOKED.error_code, http_status=REVOKED.http_status)
        issued = await self.renew()
        if isinstance(issued, Refused | Unknown):
            return issued
        self.credential = issued
        return Refreshed(issued)

    def note(self, failed: Refused | Unknown) -> None:
        """Take note of a credential that was invalidated."""
        self.ended = self.ended or failed.error_code == REVOKED.error_code
