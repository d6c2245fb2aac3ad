"""Keeps Locust out of the process that runs tests.

``import locust`` lets gevent replace sockets, threads and ssl. In a pytest-xdist worker that loses tests while the
session still exits 0, so a session with chaos tests refuses the import and fails where the damage is done already.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

REASON = (
    "{what} the process that runs the tests: its sockets and threads are others now, and no test of this session can "
    "be trusted.\n  Run Locust as a process of its own: chat-chaos load, or the locust command."
)


class Refusal(ImportError):
    """Locust must not be imported here: start it as a process of its own."""

    __module__ = "builtins"


class Guard:
    """Refuses the import while it is in place (``sys.meta_path``) and finds out when it came too late."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuse ``import locust``; every other module is none of its business."""
        del path, target
        if name == "locust":
            raise Refusal(
                "Locust cannot be imported into a pytest session with chaos tests: gevent would replace sockets and "
                "threads under them.\n  Run it as a process of its own: chat-chaos load, or the locust command."
            )
        return None

    def put(self) -> None:
        """Refuse from now on; harmless when in place."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def remove(self) -> None:
        """Let everything be imported again."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)


def damage() -> str | None:
    """Return what is wrong with this process, None when it is sound."""
    if "locust" in sys.modules:
        return REASON.format(what="Locust was imported into")
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("threading"):
        return REASON.format(what="gevent has patched")
    return None
