"""Files: uploaded, then referred to by messages (client-server API, "Content repository")."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from harness.drivers.api import Delivered, Refused, Stored, Unknown
from harness.drivers.matrix.answers import RoomEvent, UploadedAnswer, read
from harness.drivers.matrix.http import CLIENT_V1, MEDIA, Http

NOT_FOUND = 404
SCHEME = "mxc://"
MISSING = ""
"""The text of a message whose file the server does not have: no other message has none."""

M = TypeVar("M", Delivered, Stored)


class Media:
    """The files of one homeserver as one device gives and gets them; what it has fetched it keeps."""

    def __init__(self, http: Http, base: str) -> None:
        self._http = http
        self._base = base
        self._kept: dict[str, str] = {}

    async def upload(self, text: str, token: str) -> str | Refused | Unknown:
        """Store a file and return its address; status 413 where it is larger than the server takes."""
        url = f"{self._base}{MEDIA}/upload"
        answer = read(await self._http.request("POST", url, content=text.encode(), token=token), UploadedAnswer)
        return answer if isinstance(answer, Refused | Unknown) else answer.content_uri

    async def whole(self, event: RoomEvent, message: M, token: str) -> M | Refused | Unknown:
        """Return a message with the file that it refers to as its text; one that refers to none as it is."""
        if event.file is None:
            return message
        if event.file not in self._kept:
            fetched = await self._fetch(event.file.removeprefix(SCHEME), token)
            if isinstance(fetched, Refused | Unknown):
                return replace(message, body=MISSING) if fetched.http_status == NOT_FOUND else fetched
            self._kept[event.file] = fetched.decode(errors="replace")
        return replace(message, body=self._kept[event.file])

    async def _fetch(self, address: str, token: str) -> bytes | Refused | Unknown:
        """Get a file; releases before 1.112 know only the older way."""
        found = await self._http.fetch(f"{self._base}{CLIENT_V1}/media/download/{address}", token)
        if isinstance(found, Refused) and found.error_code == "M_UNRECOGNIZED":
            return await self._http.fetch(f"{self._base}{MEDIA}/download/{address}", token)
        return found
