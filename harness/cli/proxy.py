"""``chat-chaos proxy serve``: the embedded Toxiproxy-compatible server by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options as flags

Host = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="IP address of the HTTP API.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, metavar="N", help="Port of the HTTP API; 0: any free.")]
Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="JSON file with proxies to create at the start.")
]


def serve(*, host: Host = "127.0.0.1", port: Port = 8474, seed: flags.SeedNumber = None, config: Config = None) -> int:
    """Serve Toxiproxy's HTTP API by itself.

    All of API 2.12 with its eight toxics, without a binary, until it is interrupted.
    """
    from harness.proxy.server import serve as serve_until_stopped

    serve_until_stopped(host=host, port=port, seed=seed, config=config)
    return 0
