"""What the engine and the faults need of a running stack, whoever launched it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from harness.core.errors import ControlUnavailable
from harness.core.stack import StackSpec
from harness.providers.api import ProviderControl, PushRule
from harness.proxy.api import LinkProxy, ProxyInfo

__all__ = [
    "PROXY",
    "Accountable",
    "ControlUnavailable",
    "Launcher",
    "Limits",
    "Order",
    "Processes",
    "ProviderControl",
    "PushRule",
    "ServiceControl",
    "ServiceState",
    "Stack",
]

PROXY = "proxy"
"""What the proxy server is called among the parts of a stack."""


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What a service's process is right now; ``pid`` and ``started_ns`` (monotonic) change with each start."""

    running: bool
    pid: int | None
    started_ns: int | None
    exit_status: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Rate limits in force, in messages a second; None: unlimited."""

    per_user: float | None
    overall: float | None


class ServiceControl(Protocol):
    """A stack's control port: direct, with its own token, never through a faulted link.

    Every call raises ``ControlUnavailable``.
    """

    async def limits(self) -> Limits:
        """Read the rate limits in force."""
        ...

    async def set_limits(self, limits: Limits) -> None:
        """Change the rate limits while the service runs."""
        ...

    async def valid_tokens(self, person: str) -> int:
        """Count the person's access tokens that are good now."""
        ...

    async def expire_tokens(self, person: str) -> int:
        """Let the person's access tokens expire now; refresh tokens stay good. Returns how many expired."""
        ...

    async def revoke_tokens(self, person: str) -> int:
        """Revoke the person's access and refresh tokens: only a new login helps. Returns how many."""
        ...

    async def wall_ns(self) -> int:
        """The service's own wall clock, nanoseconds since the epoch."""
        ...


class Stack(Protocol):
    """A running stack behind its proxies."""

    spec: StackSpec
    launcher: str
    proxy: ProxyInfo
    logs: Path

    def link(self, name: str) -> LinkProxy:
        """Return the proxy of a link (``client->chat``, ``client:alice->chat``); KeyError when there is none."""
        ...

    def links(self) -> Sequence[str]:
        """Names of all links that have a proxy."""
        ...

    def url(self, link: str) -> str:
        """Base address of a link's service through its proxy: ``http://127.0.0.1:PORT``."""
        ...

    def direct_url(self, service: str) -> str:
        """Base address of a service past every proxy, for control and the oracle only."""
        ...

    async def state(self, service: str) -> ServiceState:
        """The service's process now; of several replicas it tells the first, and ``running`` only if all of them run.

        It tells of provider simulators too. Raises ``EnvironmentFault`` when whoever runs the service does not tell,
        ``KeyError`` for a part that was not started with this stack.
        """
        ...

    async def signal(self, service: str, signal: int) -> None:
        """Send a signal to the service's process."""
        ...

    async def wait_exit(self, service: str, within_s: float) -> bool:
        """Wait for the service's process to end; False when it has not in time."""
        ...

    async def start(self, service: str) -> None:
        """Start a service that is down, on the same data and port; returns once the process runs."""
        ...

    @property
    def control(self) -> ServiceControl | None:
        """The stack's control port, or None for a stack that has none."""
        ...

    def provider(self, name: str) -> ProviderControl:
        """Return the control of a provider simulator; KeyError when the stack has none of that name."""
        ...

    async def set_clock(self, service: str, offset_s: float) -> None:
        """Move a service's wall clock (monotonic untouched); raises ``EnvironmentFault`` when it cannot be moved."""
        ...

    def clock_reason(self, service: str) -> str:
        """Why a service's clock cannot be moved, as a sentence with the way out; empty when it can."""
        ...

    async def healthy(self, service: str, within_s: float) -> bool:
        """Wait until the service answers its health request directly (not through a proxy that a fault may hold)."""
        ...

    def unproxied(self, service: str) -> int | None:
        """Connections to the service now that came neither from its proxies nor from the harness.

        None where the platform cannot tell.
        """
        ...


@runtime_checkable
class Accountable(Protocol):
    """A stack whose processes run on this host, so that everybody can see what they use."""

    async def roots(self) -> Mapping[int, str]:
        """Return the pid of the first process of each service (each replica), provider simulator and the proxy.

        Each has the name of its part; a part that is down, or whose processes this host does not know, is absent.
        Raises ``EnvironmentFault`` when whoever runs them does not tell.
        """
        ...


class Processes(Protocol):
    """The watcher as the harness sees it: the parent of every process of a run, which outlives the harness."""

    async def spawn(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        cwd: Path | None = None,
        pass_fds: Sequence[int] = (),
    ) -> int:
        """Start a program with exactly this environment, output to ``log``; return its pid.

        Raises ``EnvironmentFault`` when the program cannot be started. Each of ``pass_fds`` is inherited under the
        same number that replaces ``{fd0}``, ``{fd1}`` … in ``argv``.
        """
        ...

    async def signal(self, pid: int, signal: int) -> None:
        """Send a signal; a process that is gone is no error."""
        ...

    async def wait_exit(self, pid: int, within_s: float) -> int | None:
        """Return the exit status (negative: the signal), or None when it still runs."""
        ...

    def exit_status(self, pid: int) -> int | None:
        """The exit status if the process has ended, else None."""
        ...

    async def temporary_folder(self, name: str) -> Path:
        """Make a folder that is removed with the run, even after SIGKILL of the harness."""
        ...

    async def clear_docker(self, address: str, run: str) -> None:
        """Have whatever a Docker engine holds under the label of a run removed with it, even after SIGKILL.

        ``address`` is the engine's, ``unix:///path`` or ``tcp://host:port``.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What one launch is asked for.

    Logs go to ``folder/logs``, with ``keep`` the services' data to ``folder/data``. ``people`` get edges of their own,
    ``key`` is the run's for references to secrets, ``clocks`` are services whose wall clock is going to be moved,
    ``seed`` decides the chances of toxics. ``proxy`` is the server that the links run through, by the names of
    ``harness.stacks.proxy_choice`` (never ``auto``), or None for the launcher's own choice. ``about`` is what else is
    known of the run (``scenario``, ``worker``), for those who label what they make.
    """

    spec: StackSpec
    processes: Processes
    run: str
    folder: Path
    key: str
    people: frozenset[str] = frozenset()
    mutant: str | None = None
    clocks: frozenset[str] = frozenset()
    keep: bool = False
    seed: int = 0
    proxy: str | None = None
    about: Mapping[str, str] = field(default_factory=dict)


class Launcher(Protocol):
    """Brings a stack up, and down again whatever happens."""

    name: str

    def launch(self, order: Order) -> AbstractAsyncContextManager[Stack]:
        """Start services and proxies, and stop them at the end.

        Raises ``EnvironmentFault`` with the last log lines of the service that failed.
        """
        ...
