"""``chat-chaos proxy serve``: the embedded Toxiproxy-compatible server by itself."""

from __future__ import annotations

from typing import Annotated

import typer

Host = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address of the HTTP API.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, metavar="N", help="Port of the HTTP API; 0: any free.")]


def serve(*, host: Host = "127.0.0.1", port: Port = 8474, seed: int | None = None) -> int:
    """Serve Toxiproxy's HTTP API by itself.

    All of API 2.12 with its eight toxics, without a binary, until it is interrupted.
    """
    from harness.proxy.server import main

    return main(host, port, seed)
