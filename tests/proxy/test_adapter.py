"""The adapter against each server: what it adds to toxiproxy-python, and how it tells what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import pytest
import toxiproxy

from harness.proxy.adapter import ProxyRefused, ProxySpec, ToxiproxyServer, connect
from harness.proxy.api import Counters, LinkProxy, ProxyState, ToxicState
from harness.testing.proxy_servers import RunningServer

Dial = Callable[[str], AbstractContextManager[Any]]
FreeAddress = Callable[[], str]
Result = TypeVar("Result")
UPSTREAM = "127.0.0.1:3306"


def using(server: RunningServer, play: Callable[[ToxiproxyServer], Awaitable[Result]]) -> Result:
    """Run a coroutine function with the adapter to a server."""

    async def connected() -> Result:
        async with await connect(server.url) as adapter:
            return await play(adapter)

    return asyncio.run(connected())


def test_connect_tells_which_server_it_is(toxiproxy_server: RunningServer) -> None:
    """The server's kind, version and address are known for the report."""

    async def play(adapter: ToxiproxyServer) -> None:
        # The image has the same server in it: whoever started it knows that it is in a container.
        assert adapter.info.kind == {"image": "toxiproxy"}.get(toxiproxy_server.kind, toxiproxy_server.kind)
        assert adapter.info.version
        assert adapter.info.url == toxiproxy_server.url

    using(toxiproxy_server, play)


def test_create_gives_a_link(toxiproxy_server: RunningServer, echo: str, dial: Dial) -> None:
    """A created proxy knows the port it listens on, reads back as made, and carries traffic."""

    async def play(adapter: ToxiproxyServer) -> LinkProxy:
        link = await adapter.create("client:alice->chat", echo)
        assert await link.state() == ProxyState("client:alice->chat", link.listen, echo, enabled=True, toxics=())
        with dial(link.listen) as connection:
            assert connection.round_trip(b"x") == b"x"
        return link

    using(toxiproxy_server, play)


def test_proxies_come_and_go(toxiproxy_server: RunningServer) -> None:
    """Proxies are listed, found and deleted by name; deleting one that is not there answers False."""

    async def play(adapter: ToxiproxyServer) -> None:
        made = await adapter.create("one", UPSTREAM)
        off = await adapter.create("two", UPSTREAM, enabled=False)
        assert sorted(await adapter.proxies()) == ["one", "two"]
        assert (await adapter.get("one")).listen == made.listen
        assert (await off.state()).enabled is False
        assert [await adapter.delete("one"), await adapter.delete("one")] == [True, False]
        with pytest.raises(ProxyRefused, match="proxy not found") as refusal:
            await adapter.get("one")
        assert refusal.value.status == 404

    using(toxiproxy_server, play)


def test_enable_reads_back(toxiproxy_server: RunningServer, refuses: Callable[[str], bool]) -> None:
    """A proxy made disabled learns its port when it is enabled, and keeps it over a cut."""

    async def play(adapter: ToxiproxyServer) -> None:
        link = await adapter.create("p", UPSTREAM, enabled=False)
        await link.enable(enabled=True)
        listen = link.listen
        assert not listen.endswith(":0")
        await link.enable(enabled=False)
        assert (await link.state()).enabled is False
        assert refuses(listen)
        await link.enable(enabled=True)
        assert link.listen == listen
        assert not refuses(listen)

    using(toxiproxy_server, play)


def test_toxics_read_back_change_and_go(toxiproxy_server: RunningServer) -> None:
    """A toxic reads back as given, an update keeps what it does not give, removal twice is no error."""

    async def play(adapter: ToxiproxyServer) -> None:
        link = await adapter.create("p", UPSTREAM)
        await link.add_toxic("latency", stream="upstream", attributes={"latency": 50}, name="slow", toxicity=0.5)
        made = ToxicState("slow", "latency", "upstream", 0.5, {"latency": 50, "jitter": 0})
        assert (await link.state()).toxics == (made,)
        await link.update_toxic("slow", attributes={"jitter": 9})
        assert (await link.state()).toxics[0].attributes == {"latency": 50, "jitter": 9}
        await link.update_toxic("slow", toxicity=1.0)
        changed = ToxicState("slow", "latency", "upstream", 1.0, {"latency": 50, "jitter": 9})
        assert (await link.state()).toxics == (changed,)
        await link.remove_toxic("slow")
        await link.remove_toxic("slow")
        assert (await link.state()).toxics == ()

    using(toxiproxy_server, play)


def test_a_link_whose_proxy_is_gone(toxiproxy_server: RunningServer) -> None:
    """Removing a toxic from a proxy that vanished is told, though a missing toxic is not."""

    async def play(adapter: ToxiproxyServer) -> None:
        link = await adapter.create("p", UPSTREAM)
        await adapter.delete("p")
        with pytest.raises(ProxyRefused, match="proxy not found"):
            await link.remove_toxic("slow")
        with pytest.raises(ProxyRefused, match="proxy not found"):
            await link.state()

    using(toxiproxy_server, play)


def test_update_moves_a_proxy(
    toxiproxy_server: RunningServer, echo: str, free_address: FreeAddress, dial: Dial
) -> None:
    """A proxy moves to another port and upstream, and its link knows."""

    async def play(adapter: ToxiproxyServer) -> None:
        link = await adapter.create("p", UPSTREAM)
        listen = free_address()
        await link.update(listen=listen, upstream=echo)
        assert link.listen == listen
        with dial(listen) as connection:
            assert connection.round_trip(b"x") == b"x"

    using(toxiproxy_server, play)


def test_populate_answers_all_each_time(toxiproxy_server: RunningServer, free_address: FreeAddress) -> None:
    """Populate answers all its proxies, also the second time, when they stay as they are."""

    async def play(adapter: ToxiproxyServer) -> None:
        specs = [ProxySpec("one", UPSTREAM, free_address()), ProxySpec("two", UPSTREAM, free_address(), enabled=False)]
        first = await adapter.populate(specs)
        await first[0].add_toxic("noop", stream="upstream", attributes={}, name="kept")
        again = await adapter.populate(specs)
        assert [link.listen for link in again] == [spec.listen for spec in specs]
        assert [toxic.name for toxic in (await again[0].state()).toxics] == ["kept"]
        assert (await again[1].state()).enabled is False

    using(toxiproxy_server, play)


def test_reset_enables_and_cleans(toxiproxy_server: RunningServer) -> None:
    """Reset enables all proxies and removes all toxics."""

    async def play(adapter: ToxiproxyServer) -> None:
        link = await adapter.create("p", UPSTREAM, enabled=False)
        await link.add_toxic("noop", stream="upstream", attributes={}, name="t")
        await adapter.reset()
        state = await link.state()
        assert (state.enabled, state.toxics) == (True, ())

    using(toxiproxy_server, play)


def test_a_busy_port_is_told_in_the_system_s_words(toxiproxy_server: RunningServer, echo: str) -> None:
    """A listen port that is taken names the port and the reason."""

    async def play(adapter: ToxiproxyServer) -> None:
        with pytest.raises(ProxyRefused, match=f"{echo}: bind: address already in use") as refusal:
            await adapter.create("p", UPSTREAM, listen=echo)
        assert refusal.value.status == 500
        with pytest.raises(ProxyRefused, match="address already in use"):
            adapter.native.create(UPSTREAM, "p", listen=echo)

    using(toxiproxy_server, play)


def test_a_name_taken_is_told(toxiproxy_server: RunningServer) -> None:
    """A second proxy or toxic of a name is refused with 409."""

    async def play(adapter: ToxiproxyServer) -> None:
        link = await adapter.create("p", UPSTREAM)
        with pytest.raises(ProxyRefused, match="proxy already exists"):
            await adapter.create("p", UPSTREAM)
        await link.add_toxic("noop", stream="upstream", attributes={}, name="t")
        with pytest.raises(ProxyRefused, match="toxic already exists") as refusal:
            await link.add_toxic("noop", stream="downstream", attributes={}, name="t")
        assert refusal.value.status == 409

    using(toxiproxy_server, play)


@pytest.mark.parametrize(
    ("kind", "attributes", "text"),
    [
        ("nosuch", {}, "invalid toxic type"),
        ("latency", {"latency": "x"}, "bad request body"),
        ("slicer", {}, "average_size is 0 bytes"),
        ("slicer", {"average_size": 10, "size_variation": 10}, "size_variation is 10 bytes"),
        ("slicer", {"average_size": 10, "size_variation": -1}, "size_variation is -1 bytes"),
    ],
)
def test_a_toxic_that_could_never_work_is_the_caller_s_error(
    toxiproxy_server: RunningServer, kind: str, attributes: dict[str, Any], text: str
) -> None:
    """An unknown type, an ill-typed attribute, and a slicer that kills a real server are ValueErrors."""

    async def play(adapter: ToxiproxyServer) -> None:
        link = await adapter.create("p", UPSTREAM)
        with pytest.raises(ValueError, match=text):
            await link.add_toxic(kind, stream="upstream", attributes=attributes, name="t")
        assert (await link.state()).toxics == ()

    using(toxiproxy_server, play)


def test_an_update_cannot_make_a_slicer_deadly(toxiproxy_server: RunningServer) -> None:
    """The guard judges the toxic as it would be after the update, for the link and for the library's object."""

    async def play(adapter: ToxiproxyServer) -> None:
        link = await adapter.create("p", UPSTREAM)
        await link.add_toxic("slicer", stream="upstream", attributes={"average_size": 10}, name="t")
        with pytest.raises(ValueError, match="size_variation is 10 bytes"):
            await link.update_toxic("t", attributes={"size_variation": 10})
        with pytest.raises(ValueError, match="average_size is 0 bytes"):
            await asyncio.to_thread(link.native.update_toxic, "t", attributes={"average_size": 0})
        assert (await link.state()).toxics[0].attributes == {"average_size": 10, "size_variation": 0, "delay": 0}

    using(toxiproxy_server, play)


@pytest.mark.parametrize("toxicity", [-0.1, 1.5])
def test_toxicity_is_a_share(toxiproxy_server: RunningServer, toxicity: float) -> None:
    """Toxiproxy takes any number as toxicity; the adapter takes shares."""

    async def play(adapter: ToxiproxyServer) -> None:
        link = await adapter.create("p", UPSTREAM)
        with pytest.raises(ValueError, match="share from 0 to 1"):
            await link.add_toxic("noop", stream="upstream", attributes={}, name="t", toxicity=toxicity)

    using(toxiproxy_server, play)


def test_live_facts_or_none(toxiproxy_server: RunningServer, echo: str, dial: Dial) -> None:
    """Counters and connections are live at the embedded server; Toxiproxy has none, which is None and no error."""

    async def play(adapter: ToxiproxyServer) -> None:
        link = await adapter.create("p", echo)
        with dial(link.listen) as connection:
            connection.round_trip(b"four")
            counters, open_now = await link.counters(), await link.connections()
            if adapter.info.kind == "toxiproxy":
                assert (counters, open_now, await link.reset_connections()) == (None, None, False)
                return
            assert counters == Counters(1, 0, 0, 0, 4, 4, 0, 0)
            assert open_now is not None
            assert [one.client for one in open_now] == ["{}:{}".format(*connection.socket.getsockname())]
            assert await link.reset_connections(open_now[0].id)
            with pytest.raises(ConnectionResetError):
                connection.receive(1)
            after = await link.counters()
            assert after is not None
            assert (after.closed, after.cut) == (1, 1)

    using(toxiproxy_server, play)


def test_native_objects_are_the_library_s(toxiproxy_server: RunningServer) -> None:
    """People who know toxiproxy-python use its objects, and both views agree."""

    async def play(adapter: ToxiproxyServer) -> None:
        link = await adapter.create("p", UPSTREAM)
        assert isinstance(adapter.native, toxiproxy.Toxiproxy)
        assert isinstance(link.native, toxiproxy.Proxy)
        await link.enable(enabled=False)
        assert link.native.enabled is False
        with link.native.down():
            link.native.add_toxic(type="latency", attributes={"latency": 3})
        link.native.refresh()
        assert link.native.enabled is True
        assert (await link.state()).toxics[0].attributes["latency"] == 3
        assert list(adapter.native.proxies()) == ["p"]

    using(toxiproxy_server, play)


def test_streams_of_any_case_are_read(toxiproxy_server: RunningServer, http_api: Any) -> None:
    """A toxic that somebody else made on ``Upstream`` reads back as an upstream toxic."""

    async def play(adapter: ToxiproxyServer) -> None:
        link = await adapter.create("p", UPSTREAM)
        http_api.post("/proxies/p/toxics", {"type": "noop", "stream": "Upstream", "name": "t"})
        assert (await link.state()).toxics[0].stream == "upstream"

    using(toxiproxy_server, play)
