"""What a build of images has to know of this machine to reach a package index: whom it trusts, and where it asks."""

from __future__ import annotations

import configparser
import os
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

FOLDER = "machine"
"""Where a build finds the files, in its context."""
_CA_FILE = "ca.crt"
_CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_INDEX_OPTIONS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout")
"""Options of pip that mean the same inside a build; a path of this machine would not."""


def machine_files(environment: Mapping[str, str] | None = None) -> dict[str, bytes]:
    """Return the files of ``machine/``: ``pip.conf``, and the CA bundle that it names where the machine has one."""
    env = os.environ if environment is None else environment
    options = {**_configured(env), **_of_variables(env)}
    bundle = _bundle(env)
    files = {}
    if bundle is not None:
        files[f"{FOLDER}/{_CA_FILE}"] = bundle.read_bytes()
        options["cert"] = f"/build/{FOLDER}/{_CA_FILE}"
    lines = [f"{name} = {value}" for name, value in sorted(options.items())]
    files[f"{FOLDER}/pip.conf"] = "\n".join(["[global]", *lines, ""]).encode()
    return files


def _bundle(env: Mapping[str, str]) -> Path | None:
    named = [env[name] for name in _CA_VARIABLES if env.get(name)]
    found = [*named, ssl.get_default_verify_paths().cafile or ""]
    return next((Path(path) for path in found if path and Path(path).is_file()), None)


def _of_variables(env: Mapping[str, str]) -> dict[str, str]:
    values = {name: env.get(f"PIP_{name.upper().replace('-', '_')}") for name in _INDEX_OPTIONS}
    return {name: " ".join(value.split()) for name, value in values.items() if value}


def _configured(env: Mapping[str, str]) -> dict[str, str]:
    """What pip's own files say, the later the stronger, as pip reads them."""
    parser = configparser.RawConfigParser()
    for path in _pip_files(env):
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue  # pip would refuse it by itself; a build may still do without
    merged: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            merged |= {name: " ".join(value.split()) for name, value in parser.items(section)}
    return {name: value for name, value in merged.items() if name in _INDEX_OPTIONS}


def _pip_files(env: Mapping[str, str]) -> Iterator[Path]:
    """Where pip looks on Linux; ``PIP_CONFIG_FILE=os.devnull`` switches all of them off."""
    named = env.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    yield from (Path(folder, "pip/pip.conf") for folder in env.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":"))
    yield Path("/etc/pip.conf")
    home = env.get("HOME")
    if home:
        yield Path(home, ".pip/pip.conf")
        yield Path(env.get("XDG_CONFIG_HOME") or Path(home, ".config"), "pip/pip.conf")
    if named:
        yield Path(named)
