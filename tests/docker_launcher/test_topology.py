"""Networks, order of start, subnets and names, which need no engine."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.core.stack import LinkSpec
from harness.stacks.docker_engine import plain as plain_output
from harness.stacks.docker_subnets import draw_subnet, routed_here
from harness.stacks.docker_topology import CLIENT, PROXY, plain, topology
from harness.stacks.forms import waves

ROLES = {"chat": ["chat.1", "chat.2"], "db": ["db"], "push": ["push"]}
LINKS = {
    name: LinkSpec(name, *name.partition("->")[::2])
    for name in ("client->chat", "client->auth", "chat->db", "chat->push")
}
LINKS["client->auth"] = LinkSpec("client->auth", "client", "chat")


def test_the_proxy_is_the_only_way_from_service_to_service() -> None:
    """No network has containers of two services, and each has the proxy."""
    service = {role: name for name, roles in ROLES.items() for role in roles}
    for network in topology("r", ROLES, LINKS).networks:
        assert PROXY in network.members
        assert len({service[role] for role in network.members if role != PROXY}) <= 1


def test_a_link_has_an_internal_network_of_its_own() -> None:
    """The sources of a link and the proxy are on it, the proxy under the link's name; people's links need none."""
    found = topology("r", ROLES, LINKS)
    (link,) = (network for network in found.networks if "chat-to-db" in network.name)
    assert link.internal
    assert link.members == {"chat.1": None, "chat.2": None, PROXY: "chat-to-db"}
    assert not [network for network in found.networks if CLIENT in network.name]


def test_ports_are_published_by_a_network_that_is_open() -> None:
    """A container is made on a network that is a way out, the proxy on its own, which comes first by name."""
    found = topology("r", ROLES, LINKS)
    is_internal = {network.name: network.internal for network in found.networks}
    for role in ("chat.1", "chat.2", "db", "push"):
        assert not is_internal[found.of(role)[0][0]]
    networks = [name for name, _ in found.of(PROXY)]
    assert networks[0] == min(name for name in networks if not is_internal[name]) == "cc-r-0-proxy"


def test_services_start_after_what_they_need() -> None:
    """What has no links starts first; services that need each other start together."""
    assert waves(["chat", "db", "push"], LINKS) == [["db", "push"], ["chat"]]
    circle = {name: LinkSpec(name, *name.partition("->")[::2]) for name in ("a->b", "b->a", "c->a")}
    assert waves(["a", "b", "c"], circle) == [["a", "b", "c"]]
    assert waves(["a"], {"a->a": LinkSpec("a->a", "a", "a")}) == [["a"]]


def test_names_are_such_as_docker_takes() -> None:
    """Whatever a run is called, the names of its things have none but plain characters."""
    assert plain("20260101-täst[x=1]/gw0") == "20260101-t_st_x_1__gw0"


@given(st.lists(st.integers(min_value=0, max_value=2**19 - 1), min_size=101, max_size=101))
def test_subnets_keep_clear_of_what_is_routed(draws: list[int]) -> None:
    """A subnet is one of 32 addresses in 10.0.0.0/8 that overlaps no route, unless chance insists."""
    numbers = iter(draws)
    routed = [ipaddress.IPv4Network("10.0.0.0/9")]
    found = draw_subnet(lambda below: next(numbers) % below, routed)
    assert found.prefixlen == 27
    assert found.subnet_of(ipaddress.IPv4Network("10.0.0.0/8"))
    if any(draw >= 2**18 for draw in draws[:100]):
        assert not found.overlaps(routed[0])


def test_the_hosts_routes_are_read(tmp_path: Path) -> None:
    """The kernel's table gives every network but the default route; where there is none, nothing is known."""
    table = tmp_path / "route"
    table.write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
        "eth0\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    )
    assert routed_here(table) == [ipaddress.IPv4Network("10.0.2.0/24")]
    assert routed_here(tmp_path / "none") == []


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(min_value=1, max_value=30))
def test_output_is_read_whatever_its_pieces(said: list[bytes], size: int) -> None:
    """The engine's framing is taken off wherever the pieces of the stream happen to break."""
    stream = b"".join(b"\x01\0\0\0" + len(each).to_bytes(4) + each for each in said)
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert b"".join(plain_output(pieces)) == b"".join(said)
