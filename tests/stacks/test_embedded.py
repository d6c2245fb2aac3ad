"""A stack of local processes behind the embedded proxy server."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ChatChaosError, EnvironmentFault, UsageError
from harness.core.stack import EmbeddedService, Health, LinkSpec, Promises, ServiceSpec, StackSpec
from harness.stacks.api import Order, Stack
from harness.stacks.embedded import EmbeddedLauncher
from harness.stacks.health import wait_until_ok
from harness.stacks.watcher_client import Watcher

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("temporary")]

SERVICE = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        with open(os.environ["DB"], "a") as db:
            db.write("x")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_): pass

ThreadingHTTPServer.request_queue_size = 128
server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
print("serving", os.environ.get("SAYS"), flush=True)
server.serve_forever()
"""
ENV = {"PORT": "${port}", "DB": "${data}/db", "SAYS": "${link.client->chat} ${service.chat} v${parameters.version}"}
SLOW_S = 40


def stack_spec(*run: str, within_s: float = SLOW_S, **env: str) -> StackSpec:
    """A stack with one service and two links to it."""
    return StackSpec(
        name="tiny",
        source="tiny.yaml",
        driver="none",
        driver_options={},
        capabilities=frozenset(),
        promises=Promises(),
        parameters={"version": "7"},
        services={
            "chat": ServiceSpec(
                "chat",
                Health("/healthz", "client->chat", within_s),
                EmbeddedService(run or ("${python}", "-c", SERVICE), env={**ENV, **env}),
            )
        },
        links={
            "client->chat": LinkSpec("client->chat", "client", "chat", per_person=True),
            "client->auth": LinkSpec("client->auth", "client", "chat"),
            "chat->db": LinkSpec("chat->db", "chat", "db", launchers=("docker",)),
        },
    )


@asynccontextmanager
async def launched(spec: StackSpec, folder: Path, **options: Any) -> AsyncIterator[Stack]:
    """Bring a stack up under a watcher of its own."""
    chosen: dict[str, Any] = {"people": frozenset({"alice"}), "mutant": None, "key": "00", **options}
    async with (
        Watcher.start(folder / "journal.jsonl", run="test") as watcher,
        EmbeddedLauncher().launch(Order(spec=spec, processes=watcher, run="test", folder=folder, **chosen)) as stack,
    ):
        yield stack


def on_stack(
    spec: StackSpec, folder: Path, script: Callable[[Stack], Coroutine[Any, Any, None]], **options: Any
) -> None:
    """Run a coroutine on a stack."""

    async def run() -> None:
        async with launched(spec, folder, **options) as stack:
            await script(stack)

    asyncio.run(run())


def test_a_stack_comes_up_behind_a_proxy_for_each_edge(tmp_path: Path, temporary: Path) -> None:
    """Links and the named person's own edge lead to the service by different ports; nothing is left afterwards."""

    async def script(stack: Stack) -> None:
        assert stack.links() == ["client->chat", "client:alice->chat", "client->auth"]
        addresses = {stack.url(link) for link in stack.links()} | {stack.direct_url("chat")}
        assert len(addresses) == 4
        for address in addresses:
            assert await wait_until_ok("127.0.0.1", int(address.rpartition(":")[2]), "/", 5) is None
        for link in stack.links():
            state = await stack.link(link).state()
            assert (state.enabled, f"http://{state.upstream}") == (True, stack.direct_url("chat"))
        said = (stack.logs / "chat.log").read_text()
        assert said == f"serving {stack.url('client->chat')[7:]} {stack.direct_url('chat')} v7\n"
        assert (await stack.state("chat")).running

    on_stack(stack_spec(), tmp_path, script)
    assert list(temporary.iterdir()) == []
    assert not (tmp_path / "data").exists()


def test_a_service_starts_after_those_that_it_calls(tmp_path: Path) -> None:
    """Though the stack file names it first: its own start may need them."""
    spec = stack_spec()
    db = replace(spec.services["chat"], name="db", health=Health("/healthz", "", SLOW_S))
    both = replace(
        spec,
        services={**spec.services, "db": db},
        links={**spec.links, "chat->db": LinkSpec("chat->db", "chat", "db")},
    )

    async def script(stack: Stack) -> None:
        started = {name: (await stack.state(name)).started_ns or 0 for name in both.services}
        assert started["db"] < started["chat"]

    on_stack(both, tmp_path, script)


def test_data_is_kept_on_request(tmp_path: Path) -> None:
    """With keep, what the service stored is in the run folder, and nothing else."""

    async def script(stack: Stack) -> None:
        assert await stack.healthy("chat", 5)

    on_stack(stack_spec(), tmp_path, script, keep=True)
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["db"]


def test_a_killed_service_comes_back_on_the_same_data_and_port(tmp_path: Path) -> None:
    """Five kills while clients keep connecting through the proxy; each start is another process."""

    async def churn(port: int) -> None:
        while True:
            await wait_until_ok("127.0.0.1", port, "/", 0)

    async def script(stack: Stack) -> None:
        port = int(stack.url("client->chat").rpartition(":")[2])
        visitors = [asyncio.create_task(churn(port)) for _ in range(4)]
        seen = {(await stack.state("chat")).pid}
        for _ in range(5):
            before = await stack.state("chat")
            await stack.signal("chat", signal.SIGKILL)
            assert await stack.wait_exit("chat", 5)
            assert ((await stack.state("chat")).running, (await stack.state("chat")).exit_status) == (False, -9)
            assert not await stack.healthy("chat", 0)
            await stack.start("chat")
            assert await stack.healthy("chat", SLOW_S)
            after = await stack.state("chat")
            assert after.started_ns is not None
            assert before.started_ns is not None
            assert after.started_ns > before.started_ns
            seen.add(after.pid)
        assert len(seen) == 6
        for visitor in visitors:
            visitor.cancel()
        await asyncio.gather(*visitors, return_exceptions=True)

    on_stack(stack_spec(), tmp_path, script)
    assert (tmp_path / "logs" / "chat.log").read_text().count("serving") == 6


def test_a_connection_round_the_proxies_is_seen(
    tmp_path: Path, stranger: Callable[..., AbstractContextManager[int]]
) -> None:
    """A stranger's direct connection counts; one through a proxy and the harness's own do not."""

    async def script(stack: Stack) -> None:
        direct, proxied = (int(url.rpartition(":")[2]) for url in (stack.direct_url("chat"), stack.url("client->chat")))
        with socket.create_connection(("127.0.0.1", direct)):
            for ports, expected in (([proxied, proxied], 0), ([proxied, direct, direct], 2)):
                with stranger(*ports, ask=True):
                    assert stack.unproxied("chat") == expected
            assert stack.unproxied("chat") == 0

    on_stack(stack_spec(), tmp_path, script)


def environment_of(pid: int | None) -> bytes:
    """What a process was given, by the kernel's books."""
    return Path(f"/proc/{pid}/environ").read_bytes()


def told_by(error: type[ChatChaosError], spec: StackSpec, folder: Path, **options: Any) -> ChatChaosError:
    """The error that a launch ends with."""

    async def script(_: Stack) -> None:
        pytest.fail("the stack must not come up")

    with pytest.raises(error) as told:
        on_stack(spec, folder, script, **options)
    return told.value


def test_a_service_that_dies_at_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    """Its end is noticed at once, not when the time for its health is over."""
    told = told_by(EnvironmentFault, stack_spec("sh", "-c", "echo port 5432 is busy >&2; exit 3"), tmp_path)
    assert told.what.startswith("service chat of stack tiny ended with status 3 before it was healthy")
    assert "port 5432 is busy" in told.what
    assert told.hint


def test_a_service_that_never_answers_is_told_with_its_last_words(tmp_path: Path) -> None:
    """A service that runs but is not healthy in time ends the launch."""
    told = told_by(EnvironmentFault, stack_spec("sh", "-c", "echo waiting; sleep 60", within_s=0.5), tmp_path)
    assert "service chat of stack tiny was not healthy within 0.5 s: GET /healthz through client->chat" in told.what
    assert "waiting" in told.what


def test_a_missing_program_is_told(tmp_path: Path) -> None:
    """The sentence names service, stack and program."""
    told = told_by(EnvironmentFault, stack_spec("no-such-chat-server"), tmp_path)
    assert told.what == "cannot start service chat of stack tiny: there is no program no-such-chat-server"


def test_an_unknown_name_in_the_stack_file_is_told(tmp_path: Path) -> None:
    """A link that no launcher of this kind provides stands for nothing."""
    told = told_by(UsageError, stack_spec(DATABASE="${link.chat->db}"), tmp_path)
    assert told.what == "stack tiny, env.DATABASE of service chat: ${link.chat->db} stands for nothing"


def test_a_health_request_over_a_link_without_a_proxy_is_told(tmp_path: Path) -> None:
    """A link that only another launcher provides cannot carry the health request here."""
    spec = stack_spec()
    docker_only = replace(spec.links["client->chat"], launchers=("docker",))
    told = told_by(UsageError, replace(spec, links={**spec.links, "client->chat": docker_only}), tmp_path)
    assert "the health of service chat goes through client->chat, which has no proxy" in told.what


def test_a_mutant_that_no_service_would_hear_of_is_refused(tmp_path: Path) -> None:
    """A mutant is never silently the healthy service; one that is heard of reaches the environment."""
    assert "has no mutants" in told_by(UsageError, stack_spec(), tmp_path, mutant="no_dedup").what

    async def script(stack: Stack) -> None:
        assert (stack.logs / "chat.log").read_text() == "serving no_dedup\n"

    on_stack(stack_spec(SAYS="${mutant}"), tmp_path, script, mutant="no_dedup")


def test_the_harness_own_secrets_do_not_reach_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what the stack file names is handed on from the environment."""
    monkeypatch.setenv("MY_TOKEN", "hush")

    async def script(stack: Stack) -> None:
        variables = environment_of((await stack.state("chat")).pid)
        assert b"hush" not in variables
        assert b"PATH=" + os.environ["PATH"].encode() in variables

    on_stack(stack_spec(), tmp_path, script)


def test_a_proxy_server_that_does_not_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last words come with the sentence."""
    monkeypatch.setattr("harness.stacks.proxy_server.SERVER", ("sh", "-c", "echo no memory; exit 1"))
    told = told_by(EnvironmentFault, stack_spec(), tmp_path)
    assert told.what == "the proxy server did not start: it ended before it listened"
    assert "no memory" in told.hint
