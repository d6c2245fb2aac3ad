"""Logs a repeated send with its text."""

from __future__ import annotations

from harness.reference.frames import Draft
from harness.reference.log import Field
from harness.reference.messages import Appended
from harness.reference.parts import Parts
from harness.reference.service import Chat
from harness.reference.sessions import Key


class ShowsWhatCameTwice(Chat):
    """Still has in it what was once needed to find out why clients repeat their sends."""

    def _facts(self, origin: Key, draft: Draft, appended: Appended) -> dict[str, Field]:
        facts = super()._facts(origin, draft, appended)
        return facts if appended.fresh else facts | {"body": draft.body}


PARTS = Parts(chat=ShowsWhatCameTwice)
