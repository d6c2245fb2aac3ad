"""Promises and link names."""

from __future__ import annotations

import json
import math

import pytest

from harness.core.stack import Promises, base_link, promises_as_data, promises_from_data


def test_promises_survive_json() -> None:
    """What is declared comes back equal, endless windows included; what is not stays undeclared."""
    promises = Promises(
        durability="process_crash", idempotency_window_s=math.inf, deliver_within_s=3.0, receipts=("read",)
    )
    assert promises_from_data(json.loads(json.dumps(promises_as_data(promises)))) == promises


def test_a_promise_of_a_newer_version_is_left_out() -> None:
    """An unknown name does not break the reading of an old or new run."""
    assert promises_from_data({"order": "sender", "telepathy": "yes"}) == Promises(order="sender")


@pytest.mark.parametrize(
    ("name", "base"),
    [("client:alice->chat", "client->chat"), ("client->chat", "client->chat"), ("chat->db", "chat->db")],
)
def test_a_persons_edge_belongs_to_its_link(name: str, base: str) -> None:
    """The person is not part of the link's name."""
    assert base_link(name) == base
