"""The HTTP API of Toxiproxy 2.12.0 on the wire: status, type, body and text of answers, on each server alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest

Dial = Callable[[str], AbstractContextManager[Any]]
Refuses = Callable[[str], bool]
FreeAddress = Callable[[], str]
UPSTREAM = "127.0.0.1:3306"


def proxy_in(name: str = "p", **more: Any) -> dict[str, Any]:
    """A proxy on a free port."""
    return {"name": name, "upstream": UPSTREAM, "listen": "127.0.0.1:0", **more}


def without_logger(proxy: Mapping[str, Any]) -> dict[str, Any]:
    """A proxy without ``Logger``, an accident of Toxiproxy's that clients ignore and other servers leave out."""
    return {key: value for key, value in proxy.items() if key != "Logger"}


def test_version_is_a_json_object(http_api: Any) -> None:
    """The version comes as JSON with its own type, and a newline."""
    answer = http_api.get("/version")
    assert answer.status == 200
    assert answer.type == "application/json;charset=utf-8"
    assert list(answer.json) == ["version"]
    assert answer.body.endswith(b"\n")


def test_life_of_a_proxy(http_api: Any) -> None:
    """Made with 201 and a resolved listen, read with 200, deleted with 204 and nothing, then gone."""
    made = http_api.post("/proxies", proxy_in())
    assert (made.status, made.type) == (201, "application/json")
    body = without_logger(made.json)
    host, _, port = body.pop("listen").rpartition(":")
    assert (host, int(port) > 0) == ("127.0.0.1", True)
    assert body == {"name": "p", "upstream": UPSTREAM, "enabled": True, "toxics": []}
    one = http_api.get("/proxies/p")
    assert (one.status, one.type, one.json) == (200, "application/json", made.json)
    everything = http_api.get("/proxies")
    assert (everything.status, everything.type, everything.json) == (200, "application/json", {"p": made.json})
    deleted = http_api.delete("/proxies/p")
    assert (deleted.status, deleted.body) == (204, b"")
    assert http_api.get("/proxies").json == {}


def test_answers_carry_a_request_id(http_api: Any) -> None:
    """Every matched route's answer has ``X-Toxiproxy-Request-Id``."""
    for answer in (http_api.get("/version"), http_api.get("/proxies"), http_api.get("/proxies/none")):
        assert answer.headers["x-toxiproxy-request-id"]


def test_host_names_are_resolved(http_api: Any) -> None:
    """``localhost:0`` comes back as address and port once started; a disabled proxy's is echoed."""
    assert http_api.post("/proxies", proxy_in("on", listen="localhost:0")).json["listen"].startswith("127.0.0.1:")
    off = http_api.post("/proxies", proxy_in("off", listen="localhost:0", enabled=False)).json
    assert (off["listen"], off["enabled"]) == ("localhost:0", False)


def test_life_of_a_toxic(http_api: Any) -> None:
    """Made with 200 (not 201), read, listed, changed in part, deleted with 204, then gone."""
    http_api.post("/proxies", proxy_in())
    expected = {
        "attributes": {"latency": 100, "jitter": 5},
        "name": "slow",
        "type": "latency",
        "stream": "upstream",
        "toxicity": 0.5,
    }
    made = http_api.post("/proxies/p/toxics", expected)
    assert (made.status, made.type, made.json) == (200, "application/json", expected)
    assert http_api.get("/proxies/p/toxics").json == [expected]
    assert http_api.get("/proxies/p").json["toxics"] == [expected]
    assert http_api.get("/proxies/p/toxics/slow").json == expected
    gone = http_api.delete("/proxies/p/toxics/slow")
    assert (gone.status, gone.body) == (204, b"")
    assert http_api.get("/proxies/p/toxics").json == []


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_toxic_updates_merge(http_api: Any, method: str) -> None:
    """An update merges attributes, keeps the toxicity it does not give, and ignores name, type and stream."""
    http_api.post("/proxies", proxy_in())
    made = {"name": "t", "type": "latency", "toxicity": 0.5, "attributes": {"latency": 100, "jitter": 5}}
    http_api.post("/proxies/p/toxics", made)
    change = {"name": "x", "type": "noop", "stream": "upstream", "attributes": {"jitter": 7}}
    answer = http_api(method, "/proxies/p/toxics/t", change)
    expected = {**made, "stream": "downstream", "attributes": {"latency": 100, "jitter": 7}}
    assert (answer.status, answer.json) == (200, expected)
    assert http_api(method, "/proxies/p/toxics/t", {"toxicity": 0.25}).json == {**expected, "toxicity": 0.25}


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_proxy_updates(http_api: Any, method: str, free_address: FreeAddress, refuses: Refuses) -> None:
    """An update moves listener and upstream, keeps toxics, and closes and opens the listener."""
    first = http_api.post("/proxies", proxy_in()).json["listen"]
    http_api.post("/proxies/p/toxics", {"type": "noop"})
    listen = free_address()
    moved = http_api(method, "/proxies/p", {"listen": listen, "upstream": "127.0.0.1:1"})
    assert moved.status == 200
    assert (moved.json["listen"], moved.json["upstream"]) == (listen, "127.0.0.1:1")
    assert [toxic["name"] for toxic in moved.json["toxics"]] == ["noop_downstream"]
    assert (refuses(first), refuses(listen)) == (True, False)
    assert http_api(method, "/proxies/p", {"enabled": False}).json["enabled"] is False
    assert refuses(listen)
    assert http_api(method, "/proxies/p", {"enabled": True}).json["listen"] == listen
    assert not refuses(listen)


def test_update_without_change_keeps_connections(http_api: Any, echo: str, dial: Dial) -> None:
    """An update that changes nothing, host names resolved, leaves open connections alone; a new upstream ends them."""
    listen = http_api.post("/proxies", proxy_in(upstream=echo)).json["listen"]
    with dial(listen) as connection:
        assert connection.round_trip(b"1") == b"1"
        port = listen.rpartition(":")[2]
        http_api.post("/proxies/p", {"listen": f"localhost:{port}", "upstream": echo, "enabled": True})
        assert connection.round_trip(b"2") == b"2"
        http_api.post("/proxies/p", {"upstream": UPSTREAM})
        assert connection.ended()


def test_lists_give_upstream_first(http_api: Any) -> None:
    """Toxics are listed upstream chain first, each chain in order of creation."""
    http_api.post("/proxies", proxy_in())
    for name, stream in (("d1", "downstream"), ("u1", "upstream"), ("d2", "downstream"), ("u2", "upstream")):
        http_api.post("/proxies/p/toxics", {"type": "noop", "name": name, "stream": stream})
    assert [toxic["name"] for toxic in http_api.get("/proxies/p/toxics").json] == ["u1", "u2", "d1", "d2"]


def test_loose_input_is_taken(http_api: Any) -> None:
    """A stream of any case is echoed as typed, unknown attributes are dropped, numbers have no range."""
    http_api.post("/proxies", proxy_in())
    given = {"type": "latency", "stream": "UpStream", "toxicity": 7.5, "attributes": {"latency": -5, "colour": 1}}
    answer = http_api.post("/proxies/p/toxics", given)
    assert answer.status == 200
    assert answer.json == {
        "attributes": {"latency": -5, "jitter": 0},
        "name": "latency_UpStream",
        "type": "latency",
        "stream": "UpStream",
        "toxicity": 7.5,
    }


TOXIC = {"type": "noop", "name": "t"}
REFUSED = [
    ("POST", "/proxies", {"upstream": UPSTREAM}, 400, "missing required field: name"),
    ("POST", "/proxies", {"name": "q"}, 400, "missing required field: upstream"),
    ("POST", "/proxies", b"{", 400, "bad request body: "),
    ("POST", "/proxies", {"name": 1, "upstream": UPSTREAM}, 400, "bad request body: "),
    ("POST", "/proxies", proxy_in(), 409, "proxy already exists"),
    ("POST", "/proxies", proxy_in("q", listen="bad"), 500, "listen tcp: address bad: missing port in address"),
    ("PATCH", "/proxies/p", {"listen": "bad"}, 500, "address bad: missing port in address"),
    ("GET", "/proxies/none", None, 404, "proxy not found"),
    ("POST", "/proxies/none", {}, 404, "proxy not found"),
    ("PATCH", "/proxies/none", {}, 404, "proxy not found"),
    ("DELETE", "/proxies/none", None, 404, "proxy not found"),
    ("POST", "/proxies/p", b"no", 400, "bad request body: "),
    ("GET", "/proxies/none/toxics", None, 404, "proxy not found"),
    ("POST", "/proxies/none/toxics", TOXIC, 404, "proxy not found"),
    ("GET", "/proxies/none/toxics/t", None, 404, "proxy not found"),
    ("POST", "/proxies/none/toxics/t", {}, 404, "proxy not found"),
    ("DELETE", "/proxies/none/toxics/t", None, 404, "proxy not found"),
    ("GET", "/proxies/p/toxics/none", None, 404, "toxic not found"),
    ("PATCH", "/proxies/p/toxics/none", {}, 404, "toxic not found"),
    ("DELETE", "/proxies/p/toxics/none", None, 404, "toxic not found"),
    ("POST", "/proxies/p/toxics", TOXIC, 409, "toxic already exists"),
    ("POST", "/proxies/p/toxics", {}, 400, "invalid toxic type"),
    ("POST", "/proxies/p/toxics", {"type": "nosuch"}, 400, "invalid toxic type"),
    (
        "POST",
        "/proxies/p/toxics",
        {"type": "nosuch", "stream": "sideways"},
        400,
        "stream was invalid, can be either upstream or downstream",
    ),
    ("POST", "/proxies/p/toxics", {"type": "nosuch", "name": "t"}, 400, "invalid toxic type"),
    ("POST", "/proxies/p/toxics", {**TOXIC, "attributes": {"latency": "1"}}, 409, "toxic already exists"),
    ("POST", "/proxies/p/toxics", {"type": "latency", "attributes": {"latency": "1"}}, 400, "bad request body: "),
    ("POST", "/proxies/p/toxics", {"type": "latency", "attributes": {"latency": 1.5}}, 400, "bad request body: "),
    ("POST", "/proxies/p/toxics", b"[", 400, "bad request body: "),
]


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(http_api: Any, case: tuple[str, str, Any, int, str]) -> None:
    """Each mistake has its status and text, as JSON that calls itself plain text, and changes nothing."""
    method, path, body, status, text = case
    http_api.post("/proxies", proxy_in())
    http_api.post("/proxies/p/toxics", TOXIC)
    before = http_api.get("/proxies").json
    answer = http_api(method, path, body)
    assert answer.status == status
    assert answer.json["status"] == status
    if text.endswith(" "):
        assert answer.json["error"].startswith(text)
    else:
        assert answer.json["error"] == text
    assert list(answer.json) == ["error", "status"]
    assert answer.body.endswith(b"}\n")
    assert answer.type == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert http_api.get("/proxies").json == before


def test_busy_port(http_api: Any, echo: str) -> None:
    """A listen port that is taken is a 500 with the system's own words, and no proxy is left."""
    answer = http_api.post("/proxies", proxy_in(listen=echo))
    assert answer.status == 500
    assert answer.json == {"error": f"listen tcp {echo}: bind: address already in use", "status": 500}
    assert http_api.get("/proxies").json == {}


def test_unknown_routes_and_methods(http_api: Any) -> None:
    """An unknown route is a plain 404, a wrong method an empty 405."""
    unknown = http_api.get("/nothing")
    assert (unknown.status, unknown.body) == (404, b"404 page not found\n")
    for method, path in (("GET", "/reset"), ("PUT", "/proxies"), ("PUT", "/proxies/p"), ("GET", "/populate")):
        wrong = http_api(method, path)
        assert (method, path, wrong.status, wrong.body) == (method, path, 405, b"")


def test_browsers_are_refused(http_api: Any) -> None:
    """An agent that calls itself Mozilla gets 403: no web page may reach the API."""
    answer = http_api("GET", "/proxies", headers={"User-Agent": "Mozilla/5.0 (X11)"})
    assert answer.status == 403
    assert answer.body == b"User agent not allowed\n"
    assert http_api("GET", "/proxies", headers={"User-Agent": "curl/8 Mozilla/5.0"}).status == 200


def test_reset_ignores_its_body(http_api: Any, refuses: Refuses) -> None:
    """Reset enables all, removes all toxics, whatever it is sent, and answers 204 with nothing."""
    listen = http_api.post("/proxies", proxy_in()).json["listen"]
    http_api.post("/proxies/p/toxics", TOXIC)
    http_api.post("/proxies/p", {"enabled": False})
    answer = http_api.post("/reset", b"not json")
    assert (answer.status, answer.body) == (204, b"")
    proxy = http_api.get("/proxies/p").json
    assert (proxy["enabled"], proxy["toxics"], proxy["listen"]) == (True, [], listen)
    assert not refuses(listen)


def test_populate_makes_all(http_api: Any) -> None:
    """Populate answers 201 with the proxies in the order of the request."""
    answer = http_api.post("/populate", [proxy_in("b"), proxy_in("a", enabled=False)])
    assert (answer.status, answer.type) == (201, "application/json")
    assert [(proxy["name"], proxy["enabled"]) for proxy in answer.json["proxies"]] == [("b", True), ("a", False)]
    assert sorted(http_api.get("/proxies").json) == ["a", "b"]


def test_populate_leaves_what_is_the_same(http_api: Any, free_address: FreeAddress) -> None:
    """A proxy with the same addresses stays as it is: its toxics, and its state whatever the request says."""
    entry = proxy_in(listen=free_address())
    http_api.post("/populate", [entry])
    http_api.post("/proxies/p/toxics", TOXIC)
    port = entry["listen"].rpartition(":")[2]
    answer = http_api.post("/populate", [{**entry, "listen": f"localhost:{port}", "enabled": False}])
    assert answer.status == 201
    proxy = http_api.get("/proxies/p").json
    assert (proxy["enabled"], [toxic["name"] for toxic in proxy["toxics"]]) == (True, ["t"])


def test_populate_replaces_what_differs(http_api: Any, free_address: FreeAddress, refuses: Refuses) -> None:
    """A proxy with another address is stopped and made anew, without toxics."""
    old, new = free_address(), free_address()
    http_api.post("/populate", [proxy_in(listen=old)])
    http_api.post("/proxies/p/toxics", TOXIC)
    assert http_api.post("/populate", [proxy_in(listen=new)]).status == 201
    assert http_api.get("/proxies/p").json["toxics"] == []
    assert (refuses(old), refuses(new)) == (True, False)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{}", "bad request body: "),
        ([proxy_in("a"), {"upstream": UPSTREAM}], "missing required field: name at proxy 2"),
        ([{"name": "a"}], "missing required field: upstream at proxy 1"),
    ],
)
def test_populate_validates_first(http_api: Any, body: Any, text: str) -> None:
    """A bad entry anywhere refuses the whole, as real JSON, and nothing is made."""
    answer = http_api.post("/populate", body)
    assert (answer.status, answer.json["status"], answer.json["proxies"]) == (400, 400, None)
    assert answer.json["error"].startswith(text)
    assert answer.type == "application/json"
    assert http_api.get("/proxies").json == {}


def test_populate_keeps_what_was_made_before_a_failure(http_api: Any, echo: str) -> None:
    """When a listener cannot start, the answer tells the proxies made before it, and they stay."""
    answer = http_api.post("/populate", [proxy_in("a"), proxy_in("b", listen=echo), proxy_in("c")])
    assert answer.status == 500
    assert "address already in use" in answer.json["error"]
    assert [proxy["name"] for proxy in answer.json["proxies"]] == ["a"]
    assert list(http_api.get("/proxies").json) == ["a"]


def test_names_may_need_quoting(http_api: Any) -> None:
    """A link's name is a proxy's name: colons and arrows come through the path percent-encoded."""
    http_api.post("/proxies", proxy_in("client:alice->chat"))
    assert http_api.get("/proxies/client%3Aalice-%3Echat").json["name"] == "client:alice->chat"
    assert http_api.delete("/proxies/client%3Aalice-%3Echat").status == 204


def test_dead_upstream_accepts_and_closes(http_api: Any, free_address: FreeAddress, dial: Dial) -> None:
    """Behind a dead upstream a connect succeeds, and ends at once."""
    listen = http_api.post("/proxies", proxy_in(upstream=free_address())).json["listen"]
    with dial(listen) as connection:
        assert connection.ended()
