"""What a stack could do but not on this machine."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from harness.core.stack import StackSpec
from harness.stacks import faketime
from harness.stacks.launchers import IN_CONTAINERS

SERVER_CLOCK = "server_clock"


def unavailable(
    spec: StackSpec,
    needs: Collection[str] | None = None,
    *,
    launcher: str = "embedded",
    environment: Mapping[str, str] | None = None,
) -> Mapping[str, str]:
    """Return the capabilities that the stack declares and this machine cannot give, each with the reason and way out.

    Only those among ``needs`` are looked at, or all. In a container it is the image that brings libfaketime along.
    """
    asked = spec.capabilities if needs is None else spec.capabilities & set(needs)
    if SERVER_CLOCK not in asked:
        return {}
    if not any(service.clock == "faketime" for service in spec.services.values()):
        return {SERVER_CLOCK: f"no service of stack {spec.name} has `clock: faketime`"}
    if launcher in IN_CONTAINERS:
        return {}
    why = faketime.reason(os.environ if environment is None else environment)
    return {SERVER_CLOCK: why} if why else {}
