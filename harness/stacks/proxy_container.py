"""A proxy server as a container: which image, which arguments, where its API listens."""

from __future__ import annotations

from dataclasses import dataclass

API_PORT = 8474
"""Toxiproxy's usual port; every container has a network of its own, so it never collides."""


@dataclass(frozen=True, slots=True)
class ProxyContainer:
    """How one kind of server runs in a container.

    ``build`` names the image's folder under ``docker/``. ``entrypoint`` replaces the image's own (None keeps it) and
    ``command`` is what follows it. The API listens on ``host`` and ``api_port`` inside.
    """

    build: str
    entrypoint: tuple[str, ...] | None
    command: tuple[str, ...]
    api_port: int


def toxiproxy_container(*, host: str = "0.0.0.0", port: int = API_PORT) -> ProxyContainer:  # noqa: S104 - its own network
    """Return how the real Toxiproxy runs: its image's entry point is the server, which takes these flags.

    Source: the Dockerfile of Toxiproxy 2.12.0 (``ENTRYPOINT ["/toxiproxy"]``).
    """
    return ProxyContainer("docker/toxiproxy", None, (f"-host={host}", f"-port={port}"), port)


def embedded_container(seed: int, *, host: str = "0.0.0.0", port: int = API_PORT) -> ProxyContainer:  # noqa: S104 - same
    """Return how our own server runs: a program of the reference image, which carries the package."""
    entrypoint = ("python3", "-P", "-m", "harness.proxy.server")
    return ProxyContainer("docker/chat", entrypoint, ("--host", host, "--port", str(port), "--seed", str(seed)), port)
