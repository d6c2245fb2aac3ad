"""The cast and the configuration of a swarm."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.core.plan import DirectWorkload, OfflineWorkload, PersonPlan
from harness.core.seeds import Seed
from harness.drivers.api import Endpoint
from harness.swarm.config import Route, SwarmConfig, from_json, to_json
from harness.swarm.people import make_people

ALICE, BOB = PersonPlan("alice", ("phone", "laptop")), PersonPlan("bob", ("phone",))

ROUTES = {"*": Route("http://c", "http://a", "client->chat"), "alice": Route("x", "y", "client:alice->chat")}


def config() -> SwarmConfig:
    """A configuration with one of everything."""
    return SwarmConfig(
        run="r",
        events=Path("/somewhere/events"),
        key="ab" * 16,
        seed=7,
        people=(ALICE, BOB),
        workloads=(DirectWorkload("alice", "bob", 5.0), OfflineWorkload("bob/phone", 1.0, 2.0)),
        endpoints=ROUTES,
        direct=Endpoint("http://c", "http://a"),
        driver="reference",
        client="naive",
        defects=("ignores_retry_after",),
    )


def test_the_same_seed_makes_the_same_people() -> None:
    """Names, platforms and versions repeat, also when somebody else joins the cast."""
    both = make_people([ALICE, BOB], Seed(7))
    assert make_people([BOB], Seed(7)) == both[1:]
    assert make_people([ALICE, BOB], Seed(8)) != both
    assert [device.id for device in both[0].devices] == ["alice/phone", "alice/laptop"]
    assert both[0].devices[0].platform in {"ios", "android"}


def test_a_configuration_survives_the_control_socket() -> None:
    """What the engine sends as JSON is what the swarm plays."""
    assert from_json(json.loads(json.dumps(to_json(config())))) == config()


def test_devices_take_their_own_way_where_they_have_one() -> None:
    """Only devices and people that a fault names have a link of their own, and the nearest name counts."""
    own = Route("v", "w", "client:alice/laptop->chat")
    some = replace(config(), endpoints=ROUTES | {"alice/laptop": own})
    assert some.route("alice/laptop").link == "client:alice/laptop->chat"
    assert some.route("alice/phone").link == "client:alice->chat"
    assert some.route("bob/phone").link == "client->chat"


def test_a_client_that_is_not_there_is_refused() -> None:
    """A client that nobody knows must not silently be played by another."""
    with pytest.raises(UsageError, match="client 'somebody' is not available"):
        from_json({**to_json(config()), "client": "somebody"})


def test_the_process_starts_light() -> None:
    """What makes a start slow, or patches the process, is not loaded by importing the swarm."""
    script = "import harness.swarm.process, sys, json; print(json.dumps(sorted(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    loaded = set(json.loads(told.stdout))
    assert {"duckdb", "locust", "gevent", "pydantic", "typer", "faker", "rich"} & loaded == set()
