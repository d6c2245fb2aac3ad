"""The histories of other machines, fetched when their people have gone, with the times of this machine."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from harness.core.events import Event
from harness.load.offsets import Offsets

CHUNK = 1 << 20
"""Bytes of a file that are fetched at once, before they are packed."""

Ask = Callable[..., dict[str, Any]]
"""Gives a command to whoever has the files, and returns the answer."""

_decode = msgspec.json.Decoder(Event).decode
_encode = msgspec.json.Encoder().encode


def pieces(folder: Path, command: dict[str, Any]) -> dict[str, Any]:
    """Answer a question for files: their names, or what is in one of them from an offset on."""
    if "file" not in command:
        return {"files": sorted(file.name for file in folder.glob("*.jsonl"))}
    with (folder / Path(command["file"]).name).open("rb") as file:
        file.seek(command["offset"])
        data = file.read(CHUNK)
    return {"packed": zlib.compress(data, 1), "bytes": len(data)}


def fetch(ask: Ask, into: Path, clock: str, offsets: Offsets | None) -> list[str]:
    """Fetch all event files of another machine and return their names.

    With ``offsets`` the times of their events become this machine's, and ``clock`` names the clock they were taken by.
    """
    names: list[str] = ask("files")["files"]
    for name in names:
        with (into / name).open("xb") as file:
            for line in _lines(ask, name):
                file.write(line if offsets is None else _moved(line, clock, offsets))
    return names


def _lines(ask: Ask, name: str) -> Iterator[bytes]:
    rest, offset = b"", 0
    while (answer := ask("files", file=name, offset=offset))["bytes"]:
        offset += answer["bytes"]
        *lines, rest = (rest + zlib.decompress(answer["packed"])).split(b"\n")
        yield from (line + b"\n" for line in lines)
    if rest:
        yield rest


def _moved(line: bytes, clock: str, offsets: Offsets) -> bytes:
    """Return an event at the time of this machine; a line that was cut off by a kill stays what it is."""
    if not line.endswith(b"\n"):
        return line
    fact = _decode(line)
    due_ns = None if fact.intended_ns is None else offsets.here(fact.intended_ns)
    moved = msgspec.structs.replace(fact, mono_ns=offsets.here(fact.mono_ns), intended_ns=due_ns, clock=clock)
    return _encode(moved) + b"\n"
