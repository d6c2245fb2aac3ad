"""The other load tools: found, or installed into a cache folder, or told to be absent."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

K6 = "go.k6.io/k6@v1.8.1"
ARTILLERY = "artillery@2.0.34"
INSTALLS_WITHIN_S = 1800.0
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "chat-chaos" / "bench"


def k6() -> str | None:
    """Return the path of k6, built with Go where it is missing; None without Go."""
    built = CACHE / "bin" / "k6"
    if not (shutil.which("k6") or built.exists()) and shutil.which("go"):
        _install("k6", ["go", "install", K6], GOBIN=str(built.parent))
    return shutil.which("k6") or _existing(built)


def artillery() -> str | None:
    """Return the path of artillery, fetched with npm where it is missing; None without npm."""
    # Beside the tool npm would fetch a browser, for engines that are not used here.
    fetched = CACHE / "node_modules" / ".bin" / "artillery"
    if not (shutil.which("artillery") or fetched.exists()) and shutil.which("npm"):
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(CACHE)]
        _install("artillery", ["npm", "install", *options, ARTILLERY])
    return shutil.which("artillery") or _existing(fetched)


def _existing(path: Path) -> str | None:
    return str(path) if path.exists() else None


def _install(name: str, command: list[str], **environment: str) -> None:
    """Install once; what went wrong is told, and the tool is then absent."""
    CACHE.mkdir(parents=True, exist_ok=True)
    print(f"installing {name} into {CACHE}: this takes minutes, once", file=sys.stderr)
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=INSTALLS_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        print(f"{name}: not installed within {INSTALLS_WITHIN_S:.0f} s", file=sys.stderr)
        return
    if done.returncode:
        print(f"{name}: not installed: {done.stderr.strip()[-500:]}", file=sys.stderr)
