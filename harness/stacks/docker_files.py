"""Files of a stack file as the archive by which an engine puts them into a container."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import PurePosixPath

_FILE, _FOLDER = 0o644, 0o777
"""Whoever the service runs as may read its files and write beside them; nobody else is in its container."""


def archive_of(files: Mapping[str, str]) -> bytes:
    """Return a tar archive of texts by their relative places, with the folders that they lie in."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for folder in sorted({str(parent) for place in files for parent in PurePosixPath(place).parents} - {"."}):
            tar.addfile(_entry(folder, tarfile.DIRTYPE, _FOLDER))
        for place, text in files.items():
            content = text.encode()
            entry = _entry(place, tarfile.REGTYPE, _FILE)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = kind, mode
    return entry
