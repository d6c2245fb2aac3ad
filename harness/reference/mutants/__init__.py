"""Seeded, realistic defects of the reference backend, each of which some check must catch.

A mutant is one module of this package, named as the mutant, with ``PARTS``: the healthy parts with one of them
replaced. It misbehaves only after its trigger (a crash, a restart, a reconnect) and is healthy without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.reference.parts import Parts


@dataclass(frozen=True, slots=True)
class Mutant:
    """A seeded defect: its name, what is wrong, and how services come to have it and how it shows."""

    name: str
    title: str
    text: str


_ALL = (
    Mutant(
        "ack_before_store",
        "acknowledges a message before it is on disk",
        "Messages are answered at once and committed in the first quiet second, to save fsyncs. An orderly stop "
        "writes everything; a crash loses messages whose senders were told that they are stored.",
    ),
    Mutant(
        "no_dedup_after_restart",
        "forgets at a restart which sends it has stored",
        "Sends are de-duplicated by a cache in memory, without a unique index. A client that repeats a send whose "
        "answer was lost gets a second message when the service was restarted in between.",
    ),
    Mutant(
        "fanout_drops_on_reconnect",
        "takes a reconnected device off the list of live sessions",
        "A broken connection stays listed, so that presence does not flicker, and is cleaned up when its device is "
        "back: by device, not by connection, which takes the new session off the list. Messages then reach the "
        "device only with its next sync.",
    ),
)

MUTANTS: Mapping[str, Mutant] = MappingProxyType({mutant.name: mutant for mutant in _ALL})


def parts_of(name: str) -> Parts:
    """Return the parts of a mutant of ``MUTANTS``, or with an empty name the healthy ones."""
    module = import_module(f"harness.reference.mutants.{name}" if name else "harness.reference.parts")
    parts: Parts = module.PARTS
    return parts
