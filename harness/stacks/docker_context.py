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
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from docker.utils.build import exclude_paths

from harness.core.errors import UsageError
from harness.core.places import docker_folder, package_folder

_PARTS = (
    "__init__.py",
    "core",
    "drivers/__init__.py",
    "drivers/tencent/__init__.py",
    "drivers/tencent/usersig.py",
    "drivers/xmpp/__init__.py",
    "drivers/xmpp/xml.py",
    "history",
    "proxy",
    "providers",
    "reference",
    "tencent_simulator",
)
"""What of the package runs in containers; of the drivers, what a simulator there needs: UserSigs, streams of XMPP."""
_SHIPPED = "docker/"


def _none() -> Mapping[str, bytes]:
    return {}


@dataclass(frozen=True, slots=True)
class Piece:
    """A file, folder or link of a build, read once: what is built is what its tag was made from."""

    mode: int
    content: bytes = b""
    link: str = ""
    folder: bool = False

    @classmethod
    def of(cls, path: Path) -> Piece:
        """Read a piece, without its owner and times, which would make each checkout another one."""
        if path.is_symlink():
            return cls(0o777, link=str(path.readlink()))
        if path.is_dir():
            return cls(0o755, folder=True)
        return cls(0o755 if os.access(path, os.X_OK) else 0o644, path.read_bytes())

    def entry(self, name: str) -> tarfile.TarInfo:
        """Return the head of its entry in an archive."""
        entry = tarfile.TarInfo(name)
        entry.mode, entry.size, entry.linkname = self.mode, len(self.content), self.link
        entry.type = tarfile.SYMTYPE if self.link else tarfile.DIRTYPE if self.folder else tarfile.REGTYPE
        return entry


@dataclass(frozen=True, slots=True)
class BuildContext:
    """What an image is built from, by the names in the build.

    ``helpers`` makes the files that do not decide what comes out, asked for only when something is built.
    ``args`` are arguments of the build, ``published`` is an image that is as good.
    """

    name: str
    pieces: Mapping[str, Piece]
    args: Mapping[str, str] = field(default_factory=dict)
    helpers: Callable[[], Mapping[str, bytes]] = _none
    published: str | None = None

    @property
    def tag(self) -> str:
        """The image's name: it changes with names, contents, links, execute bits and arguments."""
        total = hashlib.sha256()
        for name, piece in sorted(self.pieces.items()):
            total.update(f"{name}\0{piece.mode:o}\0{piece.link}\0{piece.folder}\0{len(piece.content)}\0".encode())
            total.update(piece.content)
        for name, value in sorted(self.args.items()):
            total.update(f"{name}\0{value}\0".encode())
        return f"chat-chaos/{self.name}:{total.hexdigest()[:12]}"

    def tar(self, into: IO[bytes]) -> None:
        """Write everything as the archive that an engine takes."""
        helpers = {name: Piece(0o755, content) for name, content in self.helpers().items()}
        with tarfile.open(fileobj=into, mode="w") as archive:
            for name, piece in sorted({**self.pieces, **helpers}.items()):
                archive.addfile(piece.entry(name), io.BytesIO(piece.content))


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


def pieces_of(folder: Path) -> dict[str, Piece]:
    """Return what a build of a folder sees, by relative name: everything that its ``.dockerignore`` leaves."""
    ignore = folder / ".dockerignore"
    lines = ignore.read_text().splitlines() if ignore.is_file() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    names: set[str] = exclude_paths(str(folder), patterns)
    return {name: Piece.of(folder / name) for name in names if not _special(folder / name)}


def pieces_of_the_package() -> dict[str, Piece]:
    """Return the modules that run in containers, as they lie in a build: ``harness/...``."""
    package = package_folder()
    modules = (path for part in _PARTS for path in _modules(package / part))
    return {f"harness/{path.relative_to(package)}": Piece.of(path) for path in modules}


def _special(path: Path) -> bool:
    """Whether it is a socket, pipe or device, which no build can take."""
    return not (path.is_symlink() or path.is_dir() or path.is_file())


def _modules(part: Path) -> Iterator[Path]:
    if part.is_file():
        yield part
        return
    yield from (path for path in part.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
