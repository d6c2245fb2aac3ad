"""Load: Locust conducts, swarms play. Only ``__main__``, ``work`` and ``chat_user`` load Locust, and pytest never does.

``ChatUser`` and what belongs to it are loaded when they are asked for: they are for locustfiles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.load.chat_user import Chat as Chat
    from harness.load.chat_user import ChatUser as ChatUser
    from harness.load.chat_user import Message as Message
    from harness.load.chat_user import Sent as Sent

_LATE = frozenset({"Chat", "ChatUser", "Message", "Sent"})


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Before anything else that it patches, and where it must not be, it is refused before anything is loaded.
    import locust  # noqa: F401, PLC0415

    from harness.load import chat_user  # noqa: PLC0415 - loads gevent

    return getattr(chat_user, name)
