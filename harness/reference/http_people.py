"""The HTTP endpoints of groups, blocks, push tokens and messages to devices: whom things are for, how they are told."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from harness.reference.device_mail import DeviceMail
from harness.reference.frames import DeviceDraft, Members, PushToken, Refused
from harness.reference.log import Log
from harness.reference.membership import Membership
from harness.reference.push_store import PushStore
from harness.reference.tokens import Identity, Tokens
from harness.reference.web import answer, bearer, body_of


class PeopleHttp:
    """Groups, blocks and push tokens, each for the caller alone, and the caller's messages to devices."""

    def __init__(self, tokens: Tokens, membership: Membership, push: PushStore, mail: DeviceMail, log: Log) -> None:
        self._tokens = tokens
        self._membership = membership
        self._push = push
        self._mail = mail
        self._log = log

    def routes(self) -> list[Route]:
        """Return the endpoints."""
        return [
            Route("/v1/groups", self._create, methods=["POST"]),
            Route("/v1/groups/{id}/join", self._join, methods=["POST"]),
            Route("/v1/groups/{id}/leave", self._leave, methods=["POST"]),
            Route("/v1/blocks/{user}", self._block, methods=["PUT"]),
            Route("/v1/blocks/{user}", self._unblock, methods=["DELETE"]),
            Route("/v1/push-token", self._register, methods=["PUT"]),
            Route("/v1/push-token", self._unregister, methods=["DELETE"]),
            Route("/v1/device-messages", self._to_device, methods=["POST"]),
        ]

    async def _caller(self, request: Request) -> Identity:
        return await self._tokens.identify(bearer(request.headers))

    async def _create(self, request: Request) -> Response:
        caller = await self._caller(request)
        members = sorted({caller.user, *(await body_of(request, Members)).members})
        group = await self._membership.create(members)
        self._log("group_created", user=caller.user, conversation_id=group, members=len(members))
        return answer({"conversation_id": group, "members": members}, 201)

    async def _join(self, request: Request) -> Response:
        caller, group = await self._caller(request), request.path_params["id"]
        await self._membership.join(caller.user, group)
        self._log("group_joined", user=caller.user, conversation_id=group)
        return answer({"conversation_id": group})

    async def _leave(self, request: Request) -> Response:
        caller, group = await self._caller(request), request.path_params["id"]
        await self._membership.leave(caller.user, group)
        self._log("group_left", user=caller.user, conversation_id=group)
        return answer({"conversation_id": group})

    async def _block(self, request: Request) -> Response:
        caller, blocked = await self._caller(request), request.path_params["user"]
        if blocked == caller.user:
            raise Refused("bad_request", "nobody blocks themselves")
        await self._membership.block(caller.user, blocked)
        self._log("blocked", user=caller.user, blocked=blocked)
        return answer({"user": blocked, "blocked": True})

    async def _unblock(self, request: Request) -> Response:
        caller, blocked = await self._caller(request), request.path_params["user"]
        await self._membership.unblock(caller.user, blocked)
        self._log("unblocked", user=caller.user, blocked=blocked)
        return answer({"user": blocked, "blocked": False})

    async def _register(self, request: Request) -> Response:
        caller = await self._caller(request)
        registered = await self._push.register(caller.user, caller.device, (await body_of(request, PushToken)).token)
        self._log("push_token_registered", user=caller.user, device=caller.device, registered=registered)
        return answer({"registered": registered})

    async def _unregister(self, request: Request) -> Response:
        caller = await self._caller(request)
        await self._push.unregister(caller.user, caller.device)
        self._log("push_token_unregistered", user=caller.user, device=caller.device)
        return answer({"registered": False})

    async def _to_device(self, request: Request) -> Response:
        caller, draft = await self._caller(request), await body_of(request, DeviceDraft)
        fresh = await self._mail.put(caller.user, draft)
        self._log("device_message_stored", sender=caller.user, recipient=draft.to, device=draft.device, fresh=fresh)
        return answer({"id": draft.id}, 201 if fresh else 200)
