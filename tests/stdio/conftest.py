"""Client programs under test: the example as it is, and with one mistake built in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"

Write = Callable[..., Path]


@pytest.fixture
def program(tmp_path: Path) -> Write:
    """Write the example client with some texts replaced, beside its stack file; returns the stack file."""

    def write(*replacements: tuple[str, str], client: str | None = None) -> Path:
        text = (EXAMPLES / "stdio_client.py").read_text() if client is None else client
        for old, new in replacements:
            assert old in text, f"the example no longer has {old!r}"
            text = text.replace(old, new)
        (tmp_path / "stdio_client.py").write_text(text)
        stack = tmp_path / "stack.yaml"
        stack.write_text((EXAMPLES / "stdio-stack.yaml").read_text())
        return stack

    return write
