"""What goes into the build of an image: the files of its folder, and what chat-chaos adds to its own.

The name of an image's state is a digest of what decides its content, so an image is built anew exactly when its folder
or the code in it has changed. What only helps the build (CA bundle, package index, a binary that is the same for one
version) is left out of the digest.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from docker.utils.build import exclude_paths

from harness.core.errors import UsageError
from harness.core.places import docker_folder, package_folder

_PARTS = ("__init__.py", "core", "history", "proxy", "providers", "reference")
"""What of the package runs in containers."""
_SHIPPED = "docker/"


def _none() -> Mapping[str, bytes]:
    return {}


@dataclass(frozen=True, slots=True)
class BuildContext:
    """The files of a build by their names in it.

    ``helpers`` makes those that do not decide what comes out, asked for only when something is built. ``published`` is
    an image that is as good.
    """

    name: str
    files: Mapping[str, Path]
    helpers: Callable[[], Mapping[str, bytes]] = _none
    published: str | None = None

    @property
    def tag(self) -> str:
        """The name of the image in the state that these files make."""
        return f"chat-chaos/{self.name}:{self.digest()}"

    def digest(self) -> str:
        """Return 12 hex digits that change with names, contents, links and execute bits of the files."""
        total = hashlib.sha256()
        for name, path in sorted(self.files.items()):
            total.update(f"{name}\0{_kind(path)}\0".encode())
            total.update(hashlib.sha256(_content(path)).digest())
        return total.hexdigest()[:12]

    def tar(self, into: IO[bytes]) -> None:
        """Write everything as the archive that an engine takes: nobody's files, of no particular time."""
        with tarfile.open(fileobj=into, mode="w") as archive:
            for name, path in sorted(self.files.items()):
                archive.add(path, name, recursive=False, filter=_anonymous)
            for name, content in sorted(self.helpers().items()):
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), 0o755
                archive.addfile(entry, io.BytesIO(content))


def find_folder(build: str, beside: Path | None = None) -> Path:
    """Return the folder that ``build`` of a stack file names: beside the stack file, else among the shipped ones.

    Raises ``UsageError`` when neither has a Dockerfile.
    """
    near = [] if beside is None else [beside / build]
    shipped = [docker_folder() / build.removeprefix(_SHIPPED)] if build.startswith(_SHIPPED) else []
    found = [folder for folder in [*near, *shipped] if (folder / "Dockerfile").is_file()]
    if not found:
        looked = " nor in ".join(str(folder) for folder in [*near, *shipped]) or build
        hint = "`build` names a folder beside the stack file, or docker/NAME among those of chat-chaos"
        raise UsageError(f"there is no Dockerfile for the image {build!r}: neither in {looked}", hint=hint)
    return found[0].resolve()


def tag_name(folder: str) -> str:
    """Return a folder's name as an image may be called."""
    return re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-") or "image"


def is_shipped(folder: Path, name: str) -> bool:
    """Whether a folder is the one of chat-chaos's own image ``name``."""
    return folder == (docker_folder() / name).resolve()


def files_of(folder: Path) -> dict[str, Path]:
    """Return what a build of a folder sees, by relative name: everything that its ``.dockerignore`` leaves."""
    ignore = folder / ".dockerignore"
    lines = ignore.read_text().splitlines() if ignore.is_file() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    names: set[str] = exclude_paths(str(folder), patterns)
    return {name: folder / name for name in names if (folder / name).is_symlink() or not (folder / name).is_socket()}


def files_of_the_package() -> dict[str, Path]:
    """Return the modules that run in containers, as they lie in a build: ``harness/...``."""
    package = package_folder()
    return {f"harness/{path.relative_to(package)}": path for part in _PARTS for path in _modules(package / part)}


def _modules(part: Path) -> Iterator[Path]:
    if part.is_file():
        yield part
        return
    yield from (path for path in part.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _kind(path: Path) -> str:
    if path.is_symlink():
        return f"link {path.readlink()}"
    if path.is_dir():
        return "folder"
    return "program" if os.access(path, os.X_OK) else "file"


def _content(path: Path) -> bytes:
    return b"" if path.is_symlink() or path.is_dir() else path.read_bytes()


def _anonymous(entry: tarfile.TarInfo) -> Any:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    return entry
