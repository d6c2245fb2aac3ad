"""Filling ``${...}`` of a stack file's commands and environments with what is known only at launch."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from harness.core.errors import UsageError

_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")


def placeholders(text: str) -> list[str]:
    """Return the names between ``${`` and ``}``."""
    return _PLACEHOLDER.findall(text)


def fill(text: str, known: Mapping[str, str], *, environment: Mapping[str, str], where: str) -> str:
    """Return the text with each ``${NAME}`` replaced from ``known``, or ``${env.NAME}`` from the environment.

    Raises ``UsageError`` that names the place, the unknown name and the nearest known one.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name in known:
            return known[name]
        if name.startswith("env."):
            return _from_environment(name.removeprefix("env."), environment, where)
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean ${{{near[0]}}}?" if near else f"known: {', '.join(sorted(known))}, env.NAME"
        raise UsageError(f"{where}: ${{{name}}} stands for nothing", hint=hint)

    return _PLACEHOLDER.sub(value, text)


def _from_environment(name: str, environment: Mapping[str, str], where: str) -> str:
    try:
        return environment[name]
    except KeyError:
        raise UsageError(
            f"{where}: the environment variable {name} is not set", hint=f"set it: export {name}=..."
        ) from None
