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
        ("logged-out-everywhere", []),
        ("too-many-messages", []),
        (
            "token-expired-while-typing",
            [
                (
                    "token.expire: Synapse cannot be told to let a token expire; "
                    "to have all of them live shortly: --set synapse.token_ttl=3s"
                )
            ],
        ),
        ("one-noisy-neighbour", ["rate_limit.lower: Synapse limits each person, not all of them together"]),
        ("blocked-in-mid-chat", ["stack synapse has no blocks"]),
        (
            "server-clock-jumped",
            ["stack synapse does not promise server_time: monotonic, which server_time judges"],
        ),
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


def test_what_an_old_release_cannot_do_is_named() -> None:
    """Limits of people were not to be changed from outside then."""
    [plan] = load_scenarios([scenarios_folder() / "too-many-messages.chaos.yaml"])
    old = load_stack("synapse", parameters={"version": "1.21.2"})
    assert unsupported(plan, old, launcher="embedded") == [
        "rate_limit.lower: Synapse 1.21.2 has no command for it, releases since 1.33 have"
    ]
