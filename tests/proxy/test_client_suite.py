"""What toxiproxy-python promises, against each server, by the library as it is and by its objects bound to a server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from toxiproxy import Proxy, Toxiproxy
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from harness.proxy.adapter_native import BoundToxiproxy
from harness.proxy.http_client import HttpApi
from harness.testing.proxy_servers import RunningServer

Dial = Callable[[str], AbstractContextManager[Any]]
Refuses = Callable[[str], bool]

ATTRIBUTES = {
    "latency": {"latency": 0, "jitter": 0},
    "bandwidth": {"rate": 0},
    "slow_close": {"delay": 0},
    "timeout": {"timeout": 0},
    "reset_peer": {"timeout": 0},
    "slicer": {"average_size": 64, "size_variation": 0, "delay": 0},
    "limit_data": {"bytes": 0},
    "noop": {},
}


@pytest.fixture(params=["library", "bound"])
def client(
    request: pytest.FixtureRequest, toxiproxy_server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Toxiproxy]:
    """The library's server object: as published, and bound to the server."""
    if request.param == "library":
        monkeypatch.setattr(APIConsumer, "host", toxiproxy_server.host)
        monkeypatch.setattr(APIConsumer, "port", toxiproxy_server.port)
        yield Toxiproxy()
        return
    api = HttpApi(toxiproxy_server.url, timeout_s=5)
    yield BoundToxiproxy(api)
    api.close()


def test_create_answers_the_proxy_as_asked(client: Toxiproxy, free_address: Callable[[], str]) -> None:
    """A proxy made disabled has the name, addresses and state that were asked for."""
    listen = free_address()
    proxy = client.create(upstream="localhost:3306", name="master", enabled=False, listen=listen)
    assert isinstance(proxy, Proxy)
    assert (proxy.name, proxy.upstream, proxy.listen, proxy.enabled) == ("master", "localhost:3306", listen, False)


def test_create_without_listen_takes_a_free_port(client: Toxiproxy, echo: str, dial: Dial) -> None:
    """Without ``listen`` the proxy listens on a free loopback port, told resolved, and carries traffic."""
    proxy = client.create(upstream=echo, name="any")
    assert proxy.enabled is True
    assert proxy.listen.startswith("127.0.0.1:")
    with dial(proxy.listen) as connection:
        assert connection.round_trip(b"hello") == b"hello"


def test_names_are_unique(client: Toxiproxy) -> None:
    """A second proxy of the same name raises ProxyExists."""
    client.create(upstream="localhost:3306", name="master")
    with pytest.raises(ProxyExists):
        client.create(upstream="localhost:3306", name="master")


def test_missing_upstream_is_refused(client: Toxiproxy) -> None:
    """An empty upstream is a bad request, which the library tells as InvalidToxic."""
    with pytest.raises(InvalidToxic, match="missing required field: upstream"):
        client.create(upstream="", name="master")


def test_proxies_are_found_by_name(client: Toxiproxy) -> None:
    """``proxies`` lists all by name; ``get_proxy`` finds one, and None for a stranger."""
    for name in ("one", "two"):
        client.create(upstream="localhost:3306", name=name)
    assert sorted(client.proxies()) == ["one", "two"]
    found = client.get_proxy("one")
    assert isinstance(found, Proxy)
    assert (found.name, found.upstream) == ("one", "localhost:3306")
    assert client.get_proxy("three") is None


def test_destroy_removes_a_proxy(client: Toxiproxy, refuses: Refuses) -> None:
    """A destroyed proxy is no longer listed and no longer listens."""
    proxy = client.create(upstream="localhost:3306", name="master")
    assert client.destroy(proxy) is True
    assert client.proxies() == {}
    assert refuses(proxy.listen)


def test_destroy_takes_proxies_only(client: Toxiproxy) -> None:
    """A name instead of a proxy answers False and changes nothing."""
    client.create(upstream="localhost:3306", name="master")
    assert client.destroy("master") is False
    assert list(client.proxies()) == ["master"]


def test_destroy_all_leaves_none(client: Toxiproxy) -> None:
    """``destroy_all`` removes every proxy."""
    for name in ("one", "two", "three"):
        client.create(upstream="localhost:3306", name=name)
    client.destroy_all()
    assert client.proxies() == {}


def test_disabled_proxy_refuses_and_comes_back_on_its_port(
    client: Toxiproxy, echo: str, dial: Dial, refuses: Refuses
) -> None:
    """Disabling ends open connections and refuses new ones; enabling listens on the same port with the same toxics."""
    proxy = client.create(upstream=echo, name="echo")
    proxy.add_toxic(type="latency", attributes={"latency": 1})
    with dial(proxy.listen) as connection:
        assert connection.round_trip(b"x") == b"x"
        proxy.disable()
        assert connection.ended()
    assert proxy.enabled is False
    assert refuses(proxy.listen)
    listen = proxy.listen
    proxy.enable()
    assert (proxy.enabled, proxy.listen) == (True, listen)
    with dial(listen) as connection:
        assert connection.round_trip(b"x") == b"x"
    assert proxy.get_toxic("latency_downstream").attributes["latency"] == 1


def test_down_lasts_for_its_block(client: Toxiproxy, echo: str, refuses: Refuses) -> None:
    """Inside ``down()`` connects are refused, after it they are not, even when the block raised."""
    proxy = client.create(upstream=echo, name="echo")
    refused = []

    def broken() -> None:
        with proxy.down() as same:
            assert same is proxy
            refused.append(refuses(proxy.listen))
            raise LookupError

    with pytest.raises(LookupError):
        broken()
    assert refused == [True]
    assert not refuses(proxy.listen)
    assert client.get_proxy("echo").enabled is True


def test_toxics_have_defaults(client: Toxiproxy) -> None:
    """A toxic is downstream, certain, and named after type and stream unless told otherwise."""
    proxy = client.create(upstream="localhost:3306", name="master")
    assert proxy.toxics() == {}
    assert proxy.add_toxic(type="latency", attributes={"latency": 123}) is None
    toxic = proxy.get_toxic("latency_downstream")
    assert (toxic.type, toxic.stream, toxic.name, toxic.toxicity) == (
        "latency",
        "downstream",
        "latency_downstream",
        1.0,
    )
    assert toxic.attributes == {"latency": 123, "jitter": 0}


def test_toxics_keep_what_they_are_given(client: Toxiproxy) -> None:
    """Name, stream, toxicity and attributes come back as given; two of a type need two names."""
    proxy = client.create(upstream="localhost:3306", name="master")
    proxy.add_toxic(type="latency", name="first", stream="upstream", toxicity=0.5, attributes={"jitter": 7})
    proxy.add_toxic(type="latency", name="second", stream="upstream")
    assert list(proxy.toxics()) == ["first", "second"]
    first = proxy.get_toxic("first")
    assert (first.stream, first.toxicity, first.attributes) == ("upstream", 0.5, {"latency": 0, "jitter": 7})
    assert proxy.get_toxic("third") is None


@pytest.mark.parametrize("kind", sorted(ATTRIBUTES))
def test_every_toxic_type_tells_all_its_attributes(client: Toxiproxy, kind: str) -> None:
    """Each of the eight types is known and lists every attribute, zeros included."""
    proxy = client.create(upstream="localhost:3306", name="master")
    given = {"average_size": 64} if kind == "slicer" else {}
    proxy.add_toxic(type=kind, attributes=given)
    assert proxy.get_toxic(f"{kind}_downstream").attributes == ATTRIBUTES[kind]


def test_toxic_names_are_unique_over_both_streams(client: Toxiproxy) -> None:
    """A second toxic of the same name raises ProxyExists, on the other stream as well."""
    proxy = client.create(upstream="localhost:3306", name="master")
    proxy.add_toxic(type="noop", name="same")
    with pytest.raises(ProxyExists, match="toxic already exists"):
        proxy.add_toxic(type="latency", name="same", stream="upstream")


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"type": "noisy"}, "invalid toxic type"),
        ({"type": "noop", "stream": "sideways"}, "stream was invalid, can be either upstream or downstream"),
        ({"type": "latency", "attributes": {"latency": "100"}}, "bad request body: "),
    ],
)
def test_wrong_toxics_are_refused(client: Toxiproxy, wrong: dict[str, Any], text: str) -> None:
    """An unknown type or stream, or an attribute of the wrong type, raises InvalidToxic with the server's text."""
    proxy = client.create(upstream="localhost:3306", name="master")
    with pytest.raises(InvalidToxic, match=text):
        proxy.add_toxic(**wrong)
    assert proxy.toxics() == {}


def test_destroy_toxic_removes_it(client: Toxiproxy) -> None:
    """A destroyed toxic is gone; destroying it again raises NotFound."""
    proxy = client.create(upstream="localhost:3306", name="master")
    proxy.add_toxic(type="noop")
    assert proxy.destroy_toxic("noop_downstream") is True
    assert proxy.toxics() == {}
    with pytest.raises(NotFound, match="toxic not found"):
        proxy.destroy_toxic("noop_downstream")


@pytest.mark.parametrize(
    ("method", "arguments"),
    [("toxics", {}), ("enable", {}), ("disable", {}), ("destroy", {}), ("add_toxic", {"type": "noop"})],
)
def test_a_destroyed_proxy_is_not_found(client: Toxiproxy, method: str, arguments: dict[str, str]) -> None:
    """Whatever is asked of a proxy that is gone raises NotFound."""
    proxy = client.create(upstream="localhost:3306", name="master")
    proxy.destroy()
    with pytest.raises(NotFound, match="proxy not found"):
        getattr(proxy, method)(**arguments)


def test_reset_enables_and_cleans(client: Toxiproxy, echo: str, dial: Dial) -> None:
    """``reset`` enables every proxy on its port and removes every toxic."""
    proxy = client.create(upstream=echo, name="echo")
    proxy.add_toxic(type="latency", attributes={"latency": 123})
    proxy.disable()
    assert client.reset() is True
    assert client.get_proxy("echo").enabled is True
    assert proxy.toxics() == {}
    with dial(proxy.listen) as connection:
        assert connection.round_trip(b"x") == b"x"


def test_populate_makes_proxies(client: Toxiproxy, free_address: Callable[[], str], refuses: Refuses) -> None:
    """``populate`` makes each proxy of a list, and each listens."""
    wanted = [{"name": name, "upstream": "localhost:3306", "listen": free_address()} for name in ("one", "two")]
    made = client.populate(wanted)
    assert [(proxy.name, proxy.listen) for proxy in made] == [(one["name"], one["listen"]) for one in wanted]
    assert not any(refuses(proxy.listen) for proxy in made)


def test_populate_replaces_what_differs(client: Toxiproxy, free_address: Callable[[], str], refuses: Refuses) -> None:
    """A proxy of a known name with another ``listen`` moves there."""
    old, new = free_address(), free_address()
    client.populate([{"name": "one", "upstream": "localhost:3306", "listen": old}])
    made = client.populate([{"name": "one", "upstream": "localhost:3306", "listen": new}])
    assert [proxy.listen for proxy in made] == [new]
    assert refuses(old)
    assert not refuses(new)


def test_version_is_the_answer_s_body(client: Toxiproxy) -> None:
    """A running server tells its version as a JSON object."""
    assert client.running() is True
    told = json.loads(client.version())
    assert list(told) == ["version"]
    assert isinstance(told["version"], str)


def test_version_of_a_server_that_is_not_there(
    client: Toxiproxy, toxiproxy_server: RunningServer, free_address: Callable[[], str]
) -> None:
    """Where nothing listens, ``running`` is False and ``version`` None."""
    host, _, port = free_address().rpartition(":")
    client.update_api_consumer(host, int(port))
    assert client.running() is False
    assert client.version() is None
    client.update_api_consumer(toxiproxy_server.host, toxiproxy_server.port)
    assert client.running() is True


def test_latency_delays_what_passes(client: Toxiproxy, echo: str, dial: Dial) -> None:
    """Two latency toxics add up, and removing them ends the delay on an open connection."""
    proxy = client.create(upstream=echo, name="echo")
    proxy.add_toxic(type="latency", attributes={"latency": 60})
    proxy.add_toxic(type="latency", stream="upstream", attributes={"latency": 60})
    with dial(proxy.listen) as connection:
        started = time.monotonic()
        assert connection.round_trip(b"late") == b"late"
        assert time.monotonic() - started >= 0.12
        for name in proxy.toxics():
            proxy.destroy_toxic(name)
        assert connection.round_trip(b"soon") == b"soon"


def test_limit_data_ends_the_connection(client: Toxiproxy, echo: str, dial: Dial) -> None:
    """``limit_data`` lets its number of bytes through and then closes."""
    proxy = client.create(upstream=echo, name="echo")
    proxy.add_toxic(type="limit_data", attributes={"bytes": 10})
    with dial(proxy.listen) as connection:
        connection.send(b"0123456789abcdef")
        assert connection.receive(16) == b"0123456789"
        assert connection.ended()


def test_timeout_swallows_and_its_removal_closes(client: Toxiproxy, echo: str, dial: Dial) -> None:
    """``timeout`` 0 swallows all data until it is removed, which closes the connections."""
    proxy = client.create(upstream=echo, name="echo")
    with dial(proxy.listen) as connection:
        assert connection.round_trip(b"heard") == b"heard"
        proxy.add_toxic(type="timeout", attributes={"timeout": 0})
        connection.send(b"swallowed")
        connection.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.receive(1)
        connection.socket.settimeout(5)
        proxy.destroy_toxic("timeout_downstream")
        assert connection.ended()


def test_slicer_and_bandwidth_alter_nothing(client: Toxiproxy, echo: str, dial: Dial) -> None:
    """Slicing both ways and a narrow band deliver every byte in order, and the band takes its time."""
    proxy = client.create(upstream=echo, name="echo")
    proxy.add_toxic(type="slicer", stream="upstream", attributes={"average_size": 100, "size_variation": 50})
    proxy.add_toxic(type="bandwidth", attributes={"rate": 100})
    payload = bytes(range(256)) * 80
    with dial(proxy.listen) as connection:
        started = time.monotonic()
        assert connection.round_trip(payload) == payload
        assert time.monotonic() - started >= len(payload) / 100_000 * 0.9


def test_reset_peer_resets_new_connections(client: Toxiproxy, echo: str, dial: Dial) -> None:
    """A connection opened under ``reset_peer`` ends with a TCP reset once it carries data."""
    proxy = client.create(upstream=echo, name="echo")
    proxy.add_toxic(type="reset_peer", attributes={"timeout": 0})
    with dial(proxy.listen) as connection:
        connection.send(b"x")
        with pytest.raises(ConnectionResetError):
            connection.receive(1)
