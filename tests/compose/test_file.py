"""A compose project made over for one run: the proxy where the services were, and nothing that runs could share."""

from __future__ import annotations

from typing import Any

import pytest

from harness.core.errors import UsageError
from harness.core.stack import ComposeProject, ComposeService, LinkSpec, Promises, ServiceSpec, StackSpec
from harness.stacks.compose_file import made_over
from harness.stacks.compose_plan import PROXY, ComposePlan, plan_of

CONFIG: dict[str, Any] = {
    "name": "Shop",
    "version": "3.8",
    "services": {
        "web": {
            "build": {"context": "/srv/shop/web"},
            "container_name": "web",
            "environment": {"DB": "postgres://postgres:5432"},
            "ports": ["80:8080", "9000:9000"],
            "networks": {"front": {"aliases": ["www"], "ipv4_address": "172.20.0.9"}, "back": None},
            "restart": "always",
            "labels": ["team=chat"],
        },
        "postgres": {"image": "postgres:16", "volumes": ["data:/var/lib"], "networks": {"back": None}},
        "worker": {"image": "worker", "networks": {"back": None}, "deploy": {"replicas": 2}},
        "nginx": {"image": "nginx", "networks": {"front": None}},
    },
    "networks": {"front": {"name": "shop_front"}, "back": {"name": "shop_back", "internal": True}},
    "volumes": {"data": {"name": "shop_data"}},
    "secrets": {"key": {"file": "/srv/key"}},
}


def stack(*links: str, **services: ComposeService) -> StackSpec:
    """A stack of services of the project."""
    named = services or {"chat": ComposeService("web", 8080), "db": ComposeService("postgres", 5432)}
    ends = [link.split("->") for link in links]
    return StackSpec(
        name="shop",
        source="shop.yaml",
        driver="none",
        driver_options={},
        capabilities=frozenset(),
        promises=Promises(),
        parameters={},
        services={name: ServiceSpec(name, None, None, compose=compose) for name, compose in named.items()},
        links={
            f"{source}->{end}": LinkSpec(f"{source}->{end}", source, end, per_person=source == "client")
            for source, end in ends
        },
        compose=ComposeProject(("compose.yaml",)),
    )


def planned(*links: str, config: dict[str, Any] = CONFIG, people: tuple[str, ...] = ()) -> ComposePlan:
    """The plan of a run."""
    return plan_of(stack(*(links or ("client->chat", "chat->db"))), config, run="R.1", people=frozenset(people))


def project(plan: ComposePlan, config: dict[str, Any] = CONFIG) -> dict[str, Any]:
    """The project of that run."""
    return made_over(config, plan, {"chat-chaos.run": "R.1"}, {"web": 41000})


def test_each_caller_has_a_network_with_the_proxy_alone() -> None:
    """The proxy has the service's name there; who calls it without a link in the stack file is not forgotten."""
    plan = planned(people=("alice",))
    networks = {network.name: network for network in plan.topology.networks}
    assert networks["cc-R.1-link-web-to-postgres"].members == {"chat": None, PROXY: "postgres"}
    assert networks["cc-R.1-link-worker-to-postgres"].members == {
        "compose.worker.1": None,
        "compose.worker.2": None,
        PROXY: "postgres",
    }
    assert all(networks[name].internal for name in networks if "-link-" in name)
    assert networks["cc-R.1-to-postgres"].members == {"db": "postgres.behind-the-proxy", PROXY: None}
    assert sorted(plan.links) == ["chat->db", "client->chat", "client:alice->chat"]
    assert [edge.name for edge in plan.callers] == ["worker->postgres"]
    assert plan.project == "cc-r-1"


def test_a_service_behind_the_proxy_leaves_the_networks_of_the_project() -> None:
    """So nobody can go round; who only people talk to stays, and is published on loopback alone."""
    services = project(planned())["services"]
    assert services["postgres"]["networks"] == {"cc-R.1-to-postgres": {"aliases": ["postgres.behind-the-proxy"]}}
    assert services["web"]["networks"] == {
        "back": {},
        "front": {"aliases": ["www"]},
        "cc-R.1-to-web": {"aliases": ["web.behind-the-proxy"]},
        "cc-R.1-link-web-to-postgres": {},
    }
    assert services["nginx"]["networks"] == {"front": {}}
    assert services["web"]["ports"] == ["127.0.0.1:41000:8080"]
    assert all("ports" not in services[name] for name in ("postgres", "worker", "nginx"))


def test_nothing_is_left_that_two_runs_would_share() -> None:
    """Names, host ports and restarts are gone; networks, volumes and containers are labelled with the run."""
    made = project(planned())
    assert "name" not in made
    assert made["secrets"] == CONFIG["secrets"]
    web = made["services"]["web"]
    assert "container_name" not in web
    assert web["environment"] == CONFIG["services"]["web"]["environment"]
    assert web["restart"] == "no"
    assert web["image"] == "chat-chaos-compose/shop-web"
    assert web["labels"] == {"team": "chat", "chat-chaos.run": "R.1", "chat-chaos.role": "chat"}
    assert made["volumes"] == {"data": {"name": "cc-r-1-data", "labels": {"chat-chaos.run": "R.1"}}}
    assert made["networks"]["back"] == {"internal": True, "labels": {"chat-chaos.run": "R.1"}}
    assert made["networks"]["cc-R.1-to-web"] == {"external": True, "name": "cc-R.1-to-web"}


def test_without_networks_a_service_is_on_the_default_one() -> None:
    """As the older tool prints it: nothing at all."""
    bare = {"name": "x", "services": {"web": {"image": "web"}, "postgres": {"image": "postgres"}}}
    made = project(planned(config=bare), bare)
    assert made["services"]["web"]["networks"].keys() == {"default", "cc-R.1-to-web", "cc-R.1-link-web-to-postgres"}
    assert made["networks"]["default"] == {"labels": {"chat-chaos.run": "R.1"}}


def changed(**services: dict[str, Any]) -> dict[str, Any]:
    """The project with some services changed."""
    return {**CONFIG, "services": {**CONFIG["services"], **services}}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({**CONFIG, "volumes": {"data": {"external": True}}}, "volume data, which is another's"),
        ({**CONFIG, "networks": {"back": {"external": True, "name": "corp"}}}, "network back, which is another's"),
        (changed(side={"network_mode": "host"}), "`network_mode: host` in service side"),
    ],
)
def test_what_runs_would_share_is_refused(config: dict[str, Any], said: str) -> None:
    """A sentence names it."""
    with pytest.raises(UsageError, match="runs side by side would share") as told:
        project(planned(config=config), config)
    assert said in told.value.what


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"services": {"web": {}}}, "the compose project has no service 'postgres' for service db"),
        (changed(postgres={"network_mode": "host"}), "has a `network_mode`"),
        (changed(postgres={"networks": {"far": None}}), "web and postgres of link chat->db share no network"),
        (changed(web={"networks": {"back": None}, "scale": 2}), "people talk to service web"),
    ],
)
def test_where_no_proxy_can_be_put_is_refused(config: dict[str, Any], said: str) -> None:
    """The sentence uses the names of the compose file."""
    with pytest.raises(UsageError) as told:
        planned(config=config)
    assert said in told.value.what


def test_a_stack_without_services_of_the_project_is_refused() -> None:
    """There would be nothing to play."""
    nobody = StackSpec("s", "s", "none", {}, frozenset(), Promises(), {}, {}, {})
    with pytest.raises(UsageError, match="no service of a compose project"):
        plan_of(nobody, CONFIG, run="r", people=frozenset())
