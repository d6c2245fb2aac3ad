"""noop: nothing."""

from __future__ import annotations

from typing import ClassVar

from harness.proxy.toxics.base import Stage


class Noop(Stage):
    """Pass everything through."""

    __slots__ = ()
    touches_data: ClassVar[bool] = False
