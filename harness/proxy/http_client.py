"""The HTTP side of the Toxiproxy adapter: one server, one session, a time-out on every call, errors with their text.

Source of the protocol facts: Toxiproxy 2.12.0. Its error bodies are JSON under ``text/plain``, an unknown route is
plain text, and a handler stuck for 25 s answers a small HTML page: so the body is read whatever its type says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import quote, urlsplit

import msgspec
import requests

from harness.proxy.api import ProxyUnavailable

LONGEST_REASON = 200
# Toxiproxy answers 403 to any agent that starts with "Mozilla/": a browser must not reach it through a web page.
USER_AGENT = "chat-chaos"

Json = Mapping[str, object] | Sequence[Mapping[str, object]]


class ProxyRefused(ProxyUnavailable):
    """The proxy server answered and said no: nothing was changed, and ``reason`` is its own word for why."""

    def __init__(self, sentence: str, *, status: int, reason: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.reason = reason


class ProxySilent(ProxyUnavailable):
    """The proxy server took the request and did not answer in time."""


class HttpApi:
    """Blocking calls to one server's HTTP API; safe to use from several threads."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self.url = _checked(url)
        self._timeout_s = timeout_s
        self._session = requests.Session()
        # Neither HTTP_PROXY nor .netrc may come between the harness and its own proxy server.
        self._session.trust_env = False
        self._session.headers["User-Agent"] = USER_AGENT
        # A session shared by threads must not change with an answer.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the server."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def timeout_s(self) -> float:
        """Seconds that a call may wait for the connection, and again for the answer."""
        return self._timeout_s

    def move(self, url: str) -> None:
        """Talk to another server from now on."""
        self.url = _checked(url)

    def call(self, method: str, *path: str, body: Json | None = None) -> bytes:
        """Send one request and return the body of its 2xx answer.

        Raises ``ProxyRefused`` for any other answer, ``ProxyUnavailable`` when there is none.
        """
        route = "/" + "/".join(quote(part, safe="") for part in path)
        try:
            answer = self._session.request(
                method, self.url + route, json=body, timeout=self._timeout_s, allow_redirects=False
            )
        except requests.Timeout as exc:
            raise ProxySilent(f"{self._who(method, route)} got no answer within {self._timeout_s:g} s.") from exc
        except requests.RequestException as exc:
            raise ProxyUnavailable(f"{self._who(method, route)} failed: {_root(exc)}.") from exc
        if answer.ok:
            return answer.content
        reason = _reason(answer.content) or _phrase(answer.status_code)
        sentence = f"{self._who(method, route)} was refused with status {answer.status_code}: {reason}."
        raise ProxyRefused(sentence, status=answer.status_code, reason=reason)

    def close(self) -> None:
        """Close the kept connections."""
        self._session.close()

    def _who(self, method: str, route: str) -> str:
        return f"{method} {route} to the proxy server at {self.url}"


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{url!r} is no address of a proxy server: it looks like http://127.0.0.1:8474")
    return url.rstrip("/")


def _reason(content: bytes) -> str:
    try:
        told = msgspec.json.decode(content)
    except msgspec.DecodeError:
        told = None
    text = told.get("error") if isinstance(told, dict) else None
    return " ".join(str(text or content.decode(errors="replace")).split())[:LONGEST_REASON]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"


def _root(exc: BaseException) -> str:
    """Say the innermost cause: the outer ones repeat it inside the names of the HTTP library's objects."""
    seen = exc
    while (inner := seen.__cause__ or seen.__context__) is not None:
        seen = inner
    return seen.strerror if isinstance(seen, OSError) and seen.strerror else str(seen) or type(seen).__name__
