"""The routes of Toxiproxy 2.12's HTTP API and our extensions to it: requests in, responses out.

Extensions: ``toxics`` when a proxy is created or populated, a proxy's ``connections`` (list, reset) and ``counters``,
``/metrics`` without a flag. Toxiproxy's own answers are kept to the letter, the odd content type of errors included.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from http import HTTPStatus

from harness.proxy import decode
from harness.proxy.addresses import BadAddress, parse
from harness.proxy.errors import ApiError
from harness.proxy.http_wire import Request, Response
from harness.proxy.metrics import prometheus
from harness.proxy.proxies import Proxies
from harness.proxy.proxy import Proxy

VERSION = "2.12.0+chat-chaos"

_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_NO_SNIFF = {"X-Content-Type-Options": "nosniff"}

Handler = Callable[[bytes], Response]
Routes = dict[str, Handler]


class Api:
    """Answers requests by commanding the proxies."""

    def __init__(self, proxies: Proxies) -> None:
        self._proxies = proxies

    def answer(self, request: Request) -> Response:
        """Return the answer to a request; it has taken effect by then."""
        routes = self._routes(request.path)
        if routes is None:
            return _text_error(404, "404 page not found")
        handler = routes.get(request.method, routes.get("*"))
        if handler is None:
            return Response(405)
        response = self._guarded(handler, request)
        headers = {**response.headers, "X-Toxiproxy-Request-Id": os.urandom(10).hex()}
        return Response(response.status, response.body, response.content_type, headers)

    def _guarded(self, handler: Handler, request: Request) -> Response:
        if request.headers.get("user-agent", "").startswith("Mozilla/"):
            return _text_error(403, "User agent not allowed")
        try:
            return handler(request.body)
        except ApiError as problem:
            return _text_error(problem.status, json.dumps(problem.wire(), separators=(",", ":")))

    def _routes(self, path: str) -> Routes | None:
        parts = path.split("/")[1:]
        if "" in parts:
            return None
        if parts[0] == "proxies":
            return self._proxy_routes(parts[1:])
        others: dict[str, Routes] = {
            "/version": {"GET": _version},
            "/reset": {"POST": self._reset},
            "/populate": {"POST": self._populate},
            "/metrics": {"*": self._metrics},
        }
        return others.get(path)

    def _proxy_routes(self, parts: list[str]) -> Routes | None:
        match parts:
            case []:
                return {"GET": self._list, "POST": self._create}
            case [name]:
                update = self._on(name, _update)
                return {
                    "GET": self._on(name, lambda proxy, _body: _json(200, proxy.wire())),
                    "POST": update,
                    "PATCH": update,
                    "DELETE": self._do(lambda: self._proxies.remove(name)),
                }
            case [name, "toxics", *rest]:
                return self._toxic_routes(name, rest)
            case [name, "connections", *rest]:
                return self._connection_routes(name, rest)
            case [name, "counters"]:
                return {"GET": self._on(name, lambda proxy, _body: _json(200, proxy.totals().wire()))}
            case _:
                return None

    def _toxic_routes(self, name: str, rest: list[str]) -> Routes | None:
        match rest:
            case []:
                return {
                    "GET": self._on(name, lambda proxy, _body: _json(200, proxy.wire_toxics())),
                    "POST": self._on(name, _add_toxic),
                }
            case [toxic]:
                update = self._on(name, lambda proxy, body: _update_toxic(proxy, toxic, body))
                return {
                    "GET": self._on(name, lambda proxy, _body: _json(200, proxy.toxic(toxic).wire())),
                    "POST": update,
                    "PATCH": update,
                    "DELETE": self._do(lambda: self._proxies.get(name).remove_toxic(toxic)),
                }
            case _:
                return None

    def _connection_routes(self, name: str, rest: list[str]) -> Routes | None:
        match rest:
            case []:
                return {
                    "GET": self._on(name, _connections),
                    "DELETE": self._do(lambda: self._proxies.get(name).cut_all()),
                }
            case [number]:
                return {"DELETE": self._do(lambda: self._proxies.get(name).cut(number))}
            case _:
                return None

    def _on(self, name: str, act: Callable[[Proxy, bytes], Response]) -> Handler:
        return lambda body: act(self._proxies.get(name), body)

    @staticmethod
    def _do(act: Callable[[], None]) -> Handler:
        def handle(_body: bytes) -> Response:
            act()
            return Response(HTTPStatus.NO_CONTENT)

        return handle

    def _list(self, _body: bytes) -> Response:
        return _json(200, {proxy.name: proxy.wire() for proxy in self._proxies.all()})

    def _create(self, body: bytes) -> Response:
        return _json(201, self._proxies.create(decode.new_proxy(body)).wire())

    def _populate(self, body: bytes) -> Response:
        made: list[Proxy] = []
        try:
            # Grown one by one, so that those made before a failure can be shown with it.
            made.extend(self._proxies.create_or_replace(wanted) for wanted in decode.new_proxies(body))
        except ApiError as problem:
            return _json(problem.status, {**problem.wire(), "proxies": _shown(made)})
        return _json(201, {"proxies": _shown(made)})

    def _reset(self, _body: bytes) -> Response:
        for proxy in self._proxies.all():
            proxy.reset()
        return Response(204)

    def _metrics(self, _body: bytes) -> Response:
        content_type = "text/plain; version=0.0.4; charset=utf-8"
        return Response(200, prometheus(self._proxies.all()).encode(), content_type)


def names_to_look_up(request: Request) -> set[str]:
    """Return host names in a request's ``listen`` fields that a name server must be asked for first."""
    names: set[str] = set()
    if request.method in {"POST", "PATCH"} and b"listen" in request.body.lower():
        with contextlib.suppress(ApiError):  # whatever is wrong with the body, its handler says so
            value = decode.json_value(request.body)
            for entry in value if isinstance(value, list) else [value]:
                names |= _listen_name(decode.proxy_input(entry).listen)
    return names


def _listen_name(listen: str) -> set[str]:
    with contextlib.suppress(BadAddress):
        address = parse(listen)
        return {address.host} if address.needs_lookup else set()
    return set()


def _version(_body: bytes) -> Response:
    return Response(200, f'{{"version": "{VERSION}"}}\n'.encode(), "application/json;charset=utf-8")


def _update(proxy: Proxy, body: bytes) -> Response:
    wanted = decode.proxy_input(
        decode.json_value(body), listen=proxy.listen, upstream=proxy.upstream, enabled=proxy.enabled
    )
    proxy.update(wanted.listen, wanted.upstream, enabled=wanted.enabled)
    return _json(200, proxy.wire())


def _add_toxic(proxy: Proxy, body: bytes) -> Response:
    toxic = decode.new_toxic(decode.json_value(body), frozenset(proxy.toxics))
    proxy.add_toxics([toxic])
    return _json(200, toxic.wire())


def _update_toxic(proxy: Proxy, name: str, body: bytes) -> Response:
    toxic = proxy.toxic(name)
    proxy.update_toxic(name, *decode.changed_toxic(body, toxic))
    return _json(200, toxic.wire())


def _connections(proxy: Proxy, _body: bytes) -> Response:
    return _json(200, [connection.wire() for connection in proxy.connections.values()])


def _shown(proxies: list[Proxy]) -> list[dict[str, object]] | None:
    return [proxy.wire() for proxy in proxies] or None  # Go writes an empty list that was never made as null


def _json(status: int, value: object) -> Response:
    return Response(status, json.dumps(value, separators=(",", ":")).encode(), _JSON)


def _text_error(status: int, text: str) -> Response:
    return Response(status, text.encode() + b"\n", _TEXT, _NO_SNIFF)
