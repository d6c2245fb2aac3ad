"""Logging a device in at the simulator's gateway (docs/tencent.md): ours, the SDK's own protocol is not public."""

from __future__ import annotations

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from harness.drivers.api import Device, Refused, Unknown
from harness.drivers.tencent.codes import outcome
from harness.drivers.tencent.rest import BAD_ANSWER, CONNECT_LIMIT_S
from harness.drivers.tencent.session import Frame

PATH = "/sdk/v1/ws"
PING_EVERY_S = 1.0
PING_LIMIT_S = 1.5
"""A device that only receives notices a black hole by nothing else than missing pongs."""
CLOSE_LIMIT_S = 0.5
MAX_FRAME_BYTES = 8 * 1024 * 1024


async def enter(
    base: str, device: Device, user: str, sdkappid: int, usersig: str
) -> ClientConnection | Refused | Unknown:
    """Open the WebSocket and log in: one attempt."""
    socket = await _open(base.replace("http", "ws", 1) + PATH)
    if isinstance(socket, Refused | Unknown):
        return socket
    login = {"type": "login", "ref": "0", "sdkappid": sdkappid, "user": user, "device": device.id, "usersig": usersig}
    entered = False
    try:
        await socket.send(msgspec.json.encode({**login, "platform": device.platform}).decode())
        answer = msgspec.json.decode(await socket.recv(), type=Frame)
        entered = answer.type == "done"
    except ConnectionClosed:
        return Unknown("connection_lost")
    except msgspec.DecodeError:
        return BAD_ANSWER
    finally:
        if not entered:
            socket.transport.abort()
    if entered:
        return socket
    return outcome(answer.code) if answer.code else BAD_ANSWER


async def _open(address: str) -> ClientConnection | Refused | Unknown:
    try:
        return await connect(
            address,
            compression=None,
            open_timeout=CONNECT_LIMIT_S,
            ping_interval=PING_EVERY_S,
            ping_timeout=PING_LIMIT_S,
            close_timeout=CLOSE_LIMIT_S,
            max_size=MAX_FRAME_BYTES,
            proxy=None,
        )
    except (ConnectionRefusedError, TimeoutError):
        return Refused("connect_failed")
    except (OSError, EOFError, InvalidHandshake, InvalidMessage):
        return Unknown("handshake_failed")
