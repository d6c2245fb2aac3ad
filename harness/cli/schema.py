"""``chat-chaos schema``: what editors check files against."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Kind(StrEnum):
    """Files that have a schema."""

    SCENARIO = "scenario"
    MAPPING = "mapping"


Of = Annotated[Kind, typer.Option("--of", help="Which file: a scenario, or a mapping of the driver websocket.")]


def schema(*, of: Of = Kind.SCENARIO) -> int:
    """Print the JSON Schema of scenario files, or of mapping files.

    That of scenarios knows the faults, checks and mutants of this installation. Save it beside the files, and editors
    complete.
    """
    typer.echo(_mapping() if of is Kind.MAPPING else _scenario(), nl=False)
    return 0


def _scenario() -> str:
    from harness.scenario.schema import schema_text

    return schema_text()


def _mapping() -> str:
    from harness.drivers.mapped.model import MappingModel
    from harness.scenario.schema import as_text, document

    return as_text(document("chat-chaos mapping file", MappingModel.model_json_schema()))
