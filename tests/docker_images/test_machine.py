"""What a build is told of the machine."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from harness.stacks.docker_machine import machine_files


def _pip_conf(environment: dict[str, str]) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    parser.read_string(machine_files(environment)["machine/pip.conf"].decode())
    return dict(parser["global"])


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment whose only configuration of pip is the user's."""
    (tmp_path / ".config/pip").mkdir(parents=True)
    return {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "none")}


def test_the_ca_bundle_of_the_environment_goes_along(home: dict[str, str], tmp_path: Path) -> None:
    """Whom this machine trusts, the build trusts: the content is copied and named by its place in the build."""
    bundle = tmp_path / "ca.pem"
    bundle.write_text("certificates")
    environment = {**home, "REQUESTS_CA_BUNDLE": str(bundle)}
    assert machine_files(environment)["machine/ca.crt"] == b"certificates"
    assert _pip_conf(environment)["cert"] == "/build/machine/ca.crt"


def test_the_index_comes_from_pip_s_own_settings(home: dict[str, str]) -> None:
    """A mirror that pip is configured with is used; folders of this machine mean nothing inside and stay out."""
    Path(home["HOME"], ".config/pip/pip.conf").write_text(
        "[global]\nindex-url = https://mirror.example/simple\nfind-links = /opt/wheels\ncert = /opt/ca\n"
        "[install]\ntrusted-host =\n  mirror.example\n  other.example\n"
    )
    told = _pip_conf(home)
    assert told["index-url"] == "https://mirror.example/simple"
    assert told["trusted-host"] == "mirror.example other.example"
    assert "find-links" not in told
    assert told.get("cert") != "/opt/ca"


def test_variables_win_over_files(home: dict[str, str]) -> None:
    """As pip has it."""
    Path(home["HOME"], ".config/pip/pip.conf").write_text("[global]\nindex-url = https://file.example/simple\n")
    environment = {**home, "PIP_INDEX_URL": "https://variable.example/simple"}
    assert _pip_conf(environment)["index-url"] == "https://variable.example/simple"


def test_a_broken_file_of_pip_is_passed_over(home: dict[str, str]) -> None:
    """It is pip's to complain about it."""
    Path(home["HOME"], ".config/pip/pip.conf").write_text("index-url = no section\n")
    assert "index-url" not in _pip_conf(home)
