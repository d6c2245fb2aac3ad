"""The stack file of Synapse: what `--set` changes in it, and what is said of a mistake in such a file."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

import pytest
import yaml

from harness.core.errors import UsageError
from harness.core.stack import Venv
from harness.drivers.registry import driver
from harness.scenario.diagnostics import BadFile
from harness.scenario.stackfile import find_stack_file, load_stack
from harness.stacks.docker_context import BuildContext
from harness.stacks.docker_plan import plan_of
from harness.stacks.filling import fill
from harness.stacks.venvs import requirements


@pytest.mark.parametrize(
    ("version", "pins"),
    [
        ("1.163.2", 0),
        ("1.162.0", 3),
        ("1.102.0", 3),
        ("1.101.0", 4),
        ("1.79.0", 9),
        ("1.21.2", 15),
    ],
)
def test_old_releases_get_the_libraries_of_their_time(version: str, pins: int) -> None:
    """Each family of releases has its own; the latest needs none."""
    program = load_stack("synapse").services["chat"].embedded
    assert program is not None
    assert program.venv is not None
    assert len(requirements(Venv(program.venv.package, version, program.venv.pins))) == 1 + pins


def test_a_parameter_may_carry_the_stacks_name() -> None:
    """As in ``--set synapse.version=…``; another stack's name is no prefix."""
    assert load_stack("synapse", parameters={"synapse.version": "1.80.0"}).parameters["version"] == "1.80.0"
    with pytest.raises(UsageError, match=r"no parameter 'prosody\.version'"):
        load_stack("synapse", parameters={"prosody.version": "0.12"})


def test_the_configuration_is_what_synapse_reads() -> None:
    """Filled in it is YAML: on loopback only, federation off, limits and the life of tokens as the parameters say."""
    spec = load_stack("synapse", parameters={"rate": "5", "token_ttl": "10s"})
    program = spec.services["chat"].embedded
    assert program is not None
    known = {f"parameters.{name}": value for name, value in spec.parameters.items()}
    known |= {"data": "/data", "host": "127.0.0.1", "port": "8008", "control_token": secrets.token_urlsafe(24)}
    config = yaml.safe_load(fill(program.files["homeserver.yaml"], known, environment={}, where="here"))
    [listener] = config["listeners"]
    assert (listener["port"], listener["bind_addresses"], listener["resources"][0]["names"]) == (
        8008,
        ["127.0.0.1"],
        ["client"],
    )
    assert len(base64.urlsafe_b64decode(config["signing_key"].split()[2] + "=")) == 32
    assert config["federation_domain_whitelist"] == config["trusted_key_servers"] == []
    assert config["rc_message"] == {"per_second": 5, "burst_count": 10000}
    assert config["refreshable_access_token_lifetime"] == "10s"
    assert yaml.safe_load(fill(program.files["log.yaml"], known, environment={}, where="here"))["version"] == 1


def test_the_driver_takes_the_options_of_the_stack() -> None:
    """Once parameters and links are filled in."""
    spec = load_stack("synapse")
    known = {f"parameters.{name}": value for name, value in spec.parameters.items()} | {"link.chat->push": "h:1"}
    options = {name: fill(text, known, environment={}, where="driver") for name, text in spec.driver_options.items()}
    assert driver(spec.driver, options).kind == "matrix"


@pytest.mark.parametrize(
    ("old", "new", "text", "hint"),
    [
        ("${link.chat->push}/_matrix", "${link.chat->posh}/_matrix", "'${link.chat->posh}'", "link.chat->push"),
        ('"${parameters.poll}"', '"${data}"', "nothing is called '${data}'", ""),
        ("${data}/homeserver.pid", "${dato}/homeserver.pid", "nothing is called '${dato}'", "data"),
        ('"${requirements}"', '"${requirement}"', "nothing is called '${requirement}'", "requirements"),
        ("{storage: [postgres]}", "{store: [postgres]}", "no parameter is called 'store'", "storage"),
        (
            "{storage: [postgres]}",
            "{storage: [postgers]}",
            "no value of the parameter is called 'postgers'",
            "postgres",
        ),
        ("homeserver.yaml: |", "../homeserver.yaml: |", "is not a path below the data folder", ""),
    ],
)
def test_mistakes_are_found_before_anything_is_installed(
    tmp_path: Path, old: str, new: str, text: str, hint: str
) -> None:
    """In options of the driver, files and commands alike."""
    shipped = find_stack_file("synapse").read_text()
    assert old in shipped
    mine = tmp_path / "mine.yaml"
    mine.write_text(shipped.replace(old, new, 1))
    with pytest.raises(BadFile) as refused:
        load_stack(str(mine))
    assert any(text in item.text and hint in item.suggestion for item in refused.value.diagnostics)


def test_the_database_is_there_only_where_it_is_chosen() -> None:
    """With its link; what the file says of that link is empty otherwise, and no other storage can be chosen."""
    sqlite, postgres = load_stack("synapse"), load_stack("synapse", parameters={"storage": "postgres"})
    assert ("db" in sqlite.services, "chat->db" in sqlite.links, sqlite.absent) == (False, False, ("chat->db",))
    assert ("db" in postgres.services, "chat->db" in postgres.links, postgres.absent) == (True, True, ())
    with pytest.raises(UsageError, match="parameter 'storage' cannot be 'postgers'") as refused:
        load_stack("synapse", parameters={"storage": "postgers"})
    assert refused.value.hint == "did you mean 'postgres'?"


def test_another_release_is_another_image() -> None:
    """What pip is asked for, pins included, is an argument of the build, and decides the image's name."""
    new, old = (load_stack("synapse", parameters={"version": version}) for version in ("1.163.2", "1.102.0"))
    asked = [plan_of(spec, frozenset(), None).programs["chat"].args["REQUIREMENTS"] for spec in (new, old)]
    assert asked[0] == "matrix-synapse==1.163.2 psycopg2-binary"
    assert asked[1].startswith("matrix-synapse==1.102.0 setuptools<81 Twisted<24.8")
    assert len({BuildContext("synapse", {}, {"REQUIREMENTS": each}).tag for each in asked}) == 2
