"""Live connections: what each device is to be sent, and who is reachable right now."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable

from harness.reference.frames import CLOSE_REPLACED, CLOSE_TOKEN_EXPIRED, CLOSE_TOKEN_REVOKED, CLOSE_TOO_SLOW
from harness.reference.tokens import EXPIRED, REVOKED, Identity

OUTBOX_FRAMES = 2048
IN_FLIGHT = 128

Key = tuple[str, str]

CLOSE_CODES = {EXPIRED: CLOSE_TOKEN_EXPIRED, REVOKED: CLOSE_TOKEN_REVOKED}


class Session:
    """One live connection of a device: its queue of frames and the wish to close it."""

    def __init__(self, identity: Identity, opened_ms: int) -> None:
        self.identity = identity
        self.user = identity.user
        self.device = identity.device
        self.key: Key = (identity.user, identity.device)
        self.connection = secrets.token_hex(6)
        self.opened_ms = opened_ms
        self.ended_cleanly = False
        self.closing: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.handed: set[tuple[str, str]] = set()
        """Messages to the device that were handed out on this connection, by sender and id."""
        self.slots = asyncio.Semaphore(IN_FLIGHT)
        self._outbox: asyncio.Queue[tuple[str, Callable[[], None] | None]] = asyncio.Queue(OUTBOX_FRAMES)

    def push(self, text: str, then: Callable[[], None] | None = None) -> None:
        """Queue a frame and call ``then`` once it was written; a client that does not read is closed."""
        if self.closing.done():
            return
        try:
            self._outbox.put_nowait((text, then))
        except asyncio.QueueFull:
            self.close(CLOSE_TOO_SLOW)

    def close(self, code: int) -> None:
        """Ask the connection's own task to close it; frames queued from now on are dropped."""
        if not self.closing.done():
            self.closing.set_result(code)

    async def pump(self, send: Callable[[str], Awaitable[None]]) -> None:
        """Write queued frames in their order until cancelled."""
        while True:
            text, then = await self._outbox.get()
            await send(text)
            if then is not None:
                then()


class Sessions:
    """The one live session of each device."""

    def __init__(self) -> None:
        self._live: dict[str, dict[str, Session]] = {}
        self._elsewhere: dict[Key, str] = {}

    def __len__(self) -> int:
        return sum(map(len, self._live.values()))

    def register(self, session: Session) -> None:
        """Make this the device's session; the one it had is closed."""
        self._elsewhere.pop(session.key, None)
        devices = self._live.setdefault(session.user, {})
        replaced = devices.get(session.device)
        devices[session.device] = session
        if replaced is not None:
            replaced.close(CLOSE_REPLACED)

    def unregister(self, session: Session) -> bool:
        """Forget a session that ended, unless another has taken its device's place; tell whether it was listed."""
        listed = self.at(session.key) is session
        if listed:
            self.forget(session.key)
        return listed

    def opened_elsewhere(self, key: Key, connection: str, opened_ms: int) -> Session | None:
        """Note a device's session at another instance; close, forget and return the older one that it has here."""
        self._elsewhere[key] = connection
        session = self.at(key)
        if session is None or (session.opened_ms, session.connection) > (opened_ms, connection):
            return None
        session.close(CLOSE_REPLACED)
        self.forget(key)
        return session

    def closed_elsewhere(self, key: Key, connection: str) -> None:
        """Forget a session at another instance, and not the one that has taken its device's place."""
        if self._elsewhere.get(key) == connection:
            del self._elsewhere[key]

    def elsewhere(self) -> Collection[Key]:
        """Return the devices that were last heard of at other instances; what was missed is missing."""
        return self._elsewhere.keys()

    def of(self, user: str) -> list[Key]:
        """Return a person's devices that are on the list."""
        return [session.key for session in self._live.get(user, {}).values()]

    def tokens(self) -> list[bytes]:
        """Return the digests of the tokens that sessions were opened with."""
        return [session.identity.token for devices in self._live.values() for session in devices.values()]

    def at(self, key: Key) -> Session | None:
        """Return the session of a device."""
        user, device = key
        return self._live.get(user, {}).get(device)

    def reaches(self, key: Key) -> bool:
        """Tell whether a frame for a device would be sent now."""
        session = self.at(key)
        return session is not None and not session.closing.done()

    def end(self, user: str, tokens: Collection[bytes], how: str) -> None:
        """Close the sessions of tokens that have expired or were revoked."""
        for session in self._live.get(user, {}).values():
            if session.identity.token in tokens:
                session.close(CLOSE_CODES[how])

    def forget(self, key: Key) -> None:
        """Take a device off the list."""
        user, device = key
        devices = self._live.get(user, {})
        devices.pop(device, None)
        if not devices:
            self._live.pop(user, None)

    def fan_out(self, text: str, users: Iterable[str], besides: Key | None = None) -> int:
        """Queue a frame for every live device of ``users`` and return their number."""
        reached = 0
        for user in users:
            for session in self._live.get(user, {}).values():
                if session.key != besides:
                    session.push(text)
                    reached += 1
        return reached
