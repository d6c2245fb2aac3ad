"""The other end of every load side: a WebSocket server that acknowledges sends, in a process of its own.

It speaks as much of ``docs/reference-protocol.md`` as a client needs that sends: a handshake with any token, ``send``
and ``ack``, empty pages, receipts that are taken. It listens on 127.0.0.1, writes its port as its first line, and
answers each line on its stdin with the connections that are open and the sends that were acknowledged so far.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time

import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server


class Request(msgspec.Struct):
    """What is read of a request; the kinds are told apart by ``type``."""

    type: str
    ref: str = ""
    client_message_id: str = ""


class Ack(msgspec.Struct, tag="ack"):
    """As the reference backend acknowledges."""

    ref: str
    message_id: str
    client_message_id: str
    conversation_id: str
    seq: int
    server_time_ms: int


class Ok(msgspec.Struct, tag="ok"):
    """A receipt was taken."""

    ref: str


class Page(msgspec.Struct, tag="page"):
    """Nothing was missed."""

    ref: str
    items: tuple[()] = ()
    cursor: str = "0"
    more: bool = False


decode = msgspec.json.Decoder(Request).decode
encode = msgspec.json.Encoder().encode


class Counts:
    """What the orchestrator asks for."""

    connections = 0
    sends = 0


class Peer(WSListener):
    """One connection."""

    def on_ws_connected(self, transport: WSTransport) -> None:  # noqa: ARG002 - picows' signature
        """Count it."""
        Counts.connections += 1

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - picows' signature
        """Count it no more."""
        Counts.connections -= 1

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Answer a request."""
        if frame.msg_type == WSMsgType.TEXT:
            transport.send(WSMsgType.TEXT, encode(answer(decode(frame.get_payload_as_bytes()))))
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()


def answer(request: Request) -> Ack | Ok | Page:
    """What the reference backend would answer, stored nowhere."""
    if request.type == "sync":
        return Page(request.ref)
    if request.type == "receipt":
        return Ok(request.ref)
    Counts.sends += 1
    number, now_ms = Counts.sends, time.time_ns() // 1_000_000
    return Ack(request.ref, f"m-{number:016x}", request.client_message_id, "d:somebody:who", number, now_ms)


async def serve() -> None:
    """Serve until stdin ends."""
    server = await ws_create_server(accept, "127.0.0.1", 0, backlog=4096, use_aiofastnet=False)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    loop, asked = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
    while await asked.readline():
        sys.stdout.write(f"{Counts.connections} {Counts.sends}\n")
        sys.stdout.flush()


def accept(_: WSUpgradeRequest) -> Peer:
    """Let everybody in."""
    return Peer()


if __name__ == "__main__":
    gc.freeze()
    asyncio.run(serve())
