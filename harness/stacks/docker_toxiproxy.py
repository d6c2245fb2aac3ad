"""The real Toxiproxy for an image of our own, where the published image cannot be pulled."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness.core.errors import EnvironmentFault
from harness.stacks.proxy_choice import HOW_TO_GET_TOXIPROXY, find_toxiproxy

PUBLISHED = "ghcr.io/shopify/toxiproxy:2.12.0"
_MODULE = "github.com/Shopify/toxiproxy/v2"
_VERSION = "2.12.0"
_BUILD_WITHIN_S = 600.0


def server_binary() -> bytes:
    """Return the program of this machine (``CHAT_CHAOS_TOXIPROXY``, PATH), else compile one with Go.

    Raises ``EnvironmentFault`` with the way to get one.
    """
    found = find_toxiproxy()
    if found is not None:
        return Path(found).read_bytes()
    go = shutil.which("go")
    if go is None:
        what = f"the image of Toxiproxy could neither be pulled ({PUBLISHED}) nor built: there is no Toxiproxy here"
        raise EnvironmentFault(what, hint=HOW_TO_GET_TOXIPROXY)
    with tempfile.TemporaryDirectory(prefix="chat-chaos-go-") as folder:
        return _compiled(go, Path(folder))


def _compiled(go: str, folder: Path) -> bytes:
    # Without the flag the program says that its version is "git".
    flags = f"-s -w -X {_MODULE}.Version={_VERSION}"
    argv = [go, "install", "-trimpath", f"-ldflags={flags}", f"{_MODULE}/cmd/server@v{_VERSION}"]
    env = {**os.environ, "CGO_ENABLED": "0", "GOBIN": str(folder), "GOOS": "linux"}
    try:
        subprocess.run(argv, env=env, check=True, capture_output=True, text=True, timeout=_BUILD_WITHIN_S)
    except (OSError, subprocess.SubprocessError) as problem:
        said = (getattr(problem, "stderr", None) or str(problem)).strip().splitlines()
        raise EnvironmentFault(
            f"Toxiproxy {_VERSION} could not be compiled: {said[-1] if said else problem}", hint=HOW_TO_GET_TOXIPROXY
        ) from None
    return (folder / "server").read_bytes()
