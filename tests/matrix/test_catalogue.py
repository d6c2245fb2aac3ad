"""Which scenarios of the catalogue Synapse can play, and why not the others."""

from __future__ import annotations

import pytest

from harness.core.places import scenarios_folder
from harness.engine.session import unsupported
from harness.scenario.loader import load_scenarios
from harness.scenario.stackfile import load_stack


@pytest.mark.parametrize(
    ("scenario", "reasons"),
    [
        ("lost-answer", []),
        ("no-notification-after-reinstall", []),
        ("group-in-the-tunnel", []),
        ("token-expired-while-typing", ["stack synapse has no refresh_token"]),
        ("too-many-messages", ["stack synapse has no rate_limit"]),
        ("server-clock-jumped", ["stack synapse has no server_clock"]),
        (
            "sent-is-not-delivered",
            ["stack synapse does not promise receipts: delivered, which sent_not_delivered judges"],
        ),
    ],
)
def test_what_synapse_cannot_do_is_named(scenario: str, reasons: list[str]) -> None:
    """A capability that it lacks, or a promise that it does not make."""
    [plan, *_] = load_scenarios([scenarios_folder() / f"{scenario}.chaos.yaml"])
    assert unsupported(plan, load_stack("synapse"), launcher="embedded")[: len(reasons) or None] == reasons
