"""Requests of REST v4 (document 1047/34621): one call is one request, and its outcome is a value."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeVar

import httpx2
import msgspec

from harness.drivers.api import Refused, Unknown
from harness.drivers.tencent.codes import outcome

CONNECT_LIMIT_S = 5.0
ANSWER_LIMIT_S = 5.0
BAD_ANSWER = Unknown("bad_answer")

Json = dict[str, Any]
T = TypeVar("T")

_LIMITS = httpx2.Timeout(ANSWER_LIMIT_S, connect=CONNECT_LIMIT_S)
# Loading the system's certificates takes a tenth of a second, and only the real service needs them.
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Rest:
    """Calls as one administrator of an app; connections are kept until ``close``, later ones end with their call.

    With ``domain`` it is HTTPS, for that host, whatever the address.
    """

    def __init__(self, base: str, sdkappid: int, identifier: str, domain: str | None = None) -> None:
        self._base = base if domain is None else base.replace("http:", "https:", 1)
        self._domain = domain
        self._who = {"sdkappid": str(sdkappid), "identifier": identifier, "contenttype": "json"}
        self._client: httpx2.AsyncClient | None = self._new()

    async def call(self, command: str, usersig: str, body: Mapping[str, Any]) -> Json | Refused | Unknown:
        """Call ``openim/sendmsg`` and the like once and return the answer; without a connection nothing was sent."""
        query = {**self._who, "usersig": usersig, "random": str(secrets.randbits(32))}
        return await self.post(f"/v4/{command}", body, query)

    async def post(self, path: str, body: Mapping[str, Any], query: Mapping[str, str]) -> Json | Refused | Unknown:
        """Post JSON and return the answer."""
        client = self._client or self._new()
        try:
            answer = await client.post(f"{self._base}{path}", params=query, json=body, extensions=self._told())
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            return Refused("connect_failed")
        except httpx2.TimeoutException:
            return Unknown("timeout")
        except httpx2.TransportError:
            return Unknown("connection_lost")
        finally:
            if client is not self._client:
                await client.aclose()
        return answered(answer.status_code, answer.content)

    async def close(self) -> None:
        """Let the connections go."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _new(self) -> httpx2.AsyncClient:
        headers = {} if self._domain is None else {"Host": self._domain}
        return httpx2.AsyncClient(trust_env=False, verify=self._certificates(), timeout=_LIMITS, headers=headers)

    def _certificates(self) -> ssl.SSLContext:
        return _NO_CERTIFICATES if self._domain is None else ssl.create_default_context()

    def _told(self) -> Json:
        """Whose certificate is wanted: the address is a proxy's."""
        return {} if self._domain is None else {"sni_hostname": self._domain}


class Answer(msgspec.Struct, frozen=True):
    """What every answer says."""

    status: str = msgspec.field(name="ActionStatus")
    code: int = msgspec.field(name="ErrorCode")


def answered(status: int, content: bytes) -> Json | Refused | Unknown:
    """Read an answer: the HTTP status is 200 unless something on the way there has failed."""
    if status != HTTPStatus.OK:
        return Unknown(f"http_{status}", http_status=status)
    try:
        body = msgspec.json.decode(content, type=Json)
        answer = msgspec.convert(body, Answer)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return BAD_ANSWER
    if answer.code:
        return outcome(answer.code)
    return body if answer.status == "OK" else BAD_ANSWER


def shaped(answer: Json | Refused | Unknown, shape: type[T]) -> T | Refused | Unknown:
    """Read an answer as ``shape``; one that is not as documented leaves open what has happened."""
    if isinstance(answer, Refused | Unknown):
        return answer
    try:
        return msgspec.convert(answer, shape)
    except msgspec.ValidationError:
        return BAD_ANSWER
