"""The seams at which a seeded defect replaces a part of the healthy service."""

from __future__ import annotations

from dataclasses import dataclass

from harness.reference.database import Database
from harness.reference.device_mail import DeviceMail
from harness.reference.limits import Limiter
from harness.reference.membership import Audience
from harness.reference.messages import Deduplication, Messages
from harness.reference.push import PushWorker
from harness.reference.push_store import PushStore
from harness.reference.service import Chat
from harness.reference.sessions import Sessions
from harness.reference.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Parts:
    """What the service is put together from; the defaults are the healthy ones."""

    database: type[Database] = Database
    deduplication: type[Deduplication] = Deduplication
    sessions: type[Sessions] = Sessions
    tokens: type[Tokens] = Tokens
    limiter: type[Limiter] = Limiter
    audience: type[Audience] = Audience
    messages: type[Messages] = Messages
    chat: type[Chat] = Chat
    push_store: type[PushStore] = PushStore
    push_worker: type[PushWorker] = PushWorker
    device_mail: type[DeviceMail] = DeviceMail


PARTS = Parts()
"""The healthy service."""
