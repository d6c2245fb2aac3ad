"""Chat servers that a test needs: found, or the test is skipped with the way to get them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Literal

from harness.scenario.stackfile import load_stack
from harness.stacks.venvs import cache_folder
from harness.testing.lacking import lacking

Server = Literal["prosody", "ejabberd", "synapse"]

_HOW_TO_GET = {
    "prosody": "apt-get install prosody prosody-modules lua-dbi-sqlite3",
    "ejabberd": "apt-get install ejabberd erlang-p1-sqlite3",
    "synapse": "chat-chaos run --stack synapse installs it",
}
# ejabberd has no program of its own but a script that brings in its distribution; what runs here is its code.
_EJABBERD = Path("/usr/lib")


def find(server: Server) -> bool:
    """Whether this machine has a server."""
    if server == "prosody":
        return shutil.which("prosody") is not None
    if server == "synapse":
        version = load_stack("synapse").parameters["version"]
        return any(cache_folder(os.environ).glob(f"matrix-synapse-{version}-*/bin/python"))
    return shutil.which("erl") is not None and any(_EJABBERD.glob("*/ejabberd-*/ebin"))


def required(server: Server) -> None:
    """Skip the test where a server is missing, fail it where ``CHAT_CHAOS_REQUIRE`` lists the server."""
    if not find(server):
        lacking(server, f"needs {server}: {_HOW_TO_GET[server]}")
