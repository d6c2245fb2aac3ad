"""``chat-chaos schema``: what editors check scenario files against."""

from __future__ import annotations

import typer


def schema() -> int:
    """Print the JSON Schema of scenario files.

    It knows the faults, checks and mutants of this installation. Save it beside the scenarios, and editors complete.
    """
    from harness.scenario.schema import schema_text

    typer.echo(schema_text(), nl=False)
    return 0
