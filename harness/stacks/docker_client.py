"""Finding a container engine and connecting to it: Docker, rootless Docker, or Podman, which speaks Docker's API.

Asked in this order: ``DOCKER_HOST``, Docker's current context, the system's socket, then the user's own sockets of
rootless Docker and Podman. Whatever ``DOCKER_HOST`` or a context names is taken at its word: no other engine is tried
in its place.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import requests
from docker.client import DockerClient
from docker.context import ContextAPI
from docker.context.config import get_current_context_name
from docker.errors import DockerException
from docker.utils import kwargs_from_env

from harness.core.errors import EnvironmentFault

TIMEOUT_S = 60.0
"""Of one call; what takes longer by nature, as a build does, answers piece by piece."""
PING_WITHIN_S = 10.0
HOW_TO_GET = "install one (`apt-get install docker.io`, then start `dockerd`), or set DOCKER_HOST to where one listens"
ENGINE_TROUBLE: tuple[type[Exception], ...] = (DockerException, requests.RequestException, OSError)
"""What the SDK raises when an engine cannot be reached or refuses."""

_UNIX = "unix://"
_SYSTEM_SOCKETS = ("/var/run/docker.sock", "/run/podman/podman.sock")
_USER_SOCKETS = ("docker.sock", "podman/podman.sock")


def connect(
    environment: Mapping[str, str] | None = None,
    *,
    timeout_s: float = TIMEOUT_S,
    sockets: Sequence[Path] | None = None,
) -> DockerClient:
    """Return a client of an engine that answered; the caller closes it.

    ``sockets`` replaces the usual places that are looked at when the environment names no engine. Raises
    ``EnvironmentFault`` in one sentence, with the way to get an engine, when there is none.
    """
    env = os.environ if environment is None else environment
    named = _named(env)
    if named is not None:
        return _answering(named, timeout_s)
    found = [path for path in (_usual(env) if sockets is None else sockets) if path.is_socket()]
    if not found:
        raise EnvironmentFault("there is no container engine on this machine", hint=HOW_TO_GET)
    return _first(found, timeout_s)


def _named(env: Mapping[str, str]) -> dict[str, object] | None:
    """The engine that the user chose, as arguments of a client; None when the choice is left to us."""
    try:
        chosen = kwargs_from_env(dict(env))
        return chosen if "base_url" in chosen else _of_context(env.get("DOCKER_CONTEXT") or get_current_context_name())
    except ENGINE_TROUBLE as problem:
        raise EnvironmentFault(f"the settings of the container engine are wrong: {problem}", hint=HOW_TO_GET) from None


def _of_context(name: str) -> dict[str, object] | None:
    if name == "default":
        return None
    context = ContextAPI.get_context(name)
    if context is None or not context.Host:
        raise EnvironmentFault(
            f"Docker's context {name!r}, which is to be used, does not exist", hint="`docker context ls` lists them"
        )
    return {"base_url": context.Host, "tls": context.TLSConfig or False}


def _usual(env: Mapping[str, str]) -> Iterator[Path]:
    yield from map(Path, _SYSTEM_SOCKETS)
    runtime = env.get("XDG_RUNTIME_DIR")
    if runtime:
        yield from (Path(runtime, name) for name in _USER_SOCKETS)


def _first(found: Sequence[Path], timeout_s: float) -> DockerClient:
    """The first engine that answers; what the first of them said when none does."""
    refusals = []
    for path in found:
        try:
            return _answering({"base_url": f"{_UNIX}{path}"}, timeout_s)
        except EnvironmentFault as refusal:
            refusals.append(refusal)
    raise refusals[0]


def _answering(settings: Mapping[str, object], timeout_s: float) -> DockerClient:
    where = str(settings["base_url"])
    client = None
    try:
        if where.startswith(_UNIX):
            _try_socket(where.removeprefix(_UNIX))
        # Made with the short time-out, since asking for the version of the API is already a call.
        client = DockerClient(**settings, version="auto", timeout=PING_WITHIN_S)
        client.ping()
    except PermissionError:
        what = f"the container engine at {where} may not be used by this user"
        hint = "join the group that owns the socket (`docker`), or run as its owner"
        raise EnvironmentFault(what, hint=hint) from None
    except ENGINE_TROUBLE as problem:
        if client is not None:
            client.close()
        what = f"the container engine at {where} does not answer: {reason(problem)}"
        raise EnvironmentFault(what, hint=HOW_TO_GET) from None
    client.api.timeout = timeout_s
    return client


def _try_socket(path: str) -> None:
    """Connect once: the SDK never closes a socket that could not be connected, and hides the reason in others."""
    with closing(socket.socket(socket.AF_UNIX)) as trial:
        trial.settimeout(PING_WITHIN_S)
        trial.connect(path)


def reason(problem: Exception) -> str:
    """Return the innermost reason: the SDK wraps urllib3's errors in requests' errors in its own."""
    while (inner := problem.__cause__ or problem.__context__) is not None and isinstance(inner, Exception):
        problem = inner
    return (str(problem) or type(problem).__name__).splitlines()[0]
