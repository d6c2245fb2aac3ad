"""One mapped protocol: its requests over HTTP, what their answers mean, and what everybody is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from harness.core.clock import Clock
from harness.drivers.api import Credential, Refreshed, Refused, Unknown
from harness.drivers.mapped import reading
from harness.drivers.mapped.file import BASES
from harness.drivers.mapped.http import Answered, Call, ask
from harness.drivers.mapped.misfit import Misfit, Proofs
from harness.drivers.mapped.model import MappingModel, RequestModel, TokenModel
from harness.drivers.mapped.paths import MISSING, FieldPath, shape
from harness.drivers.mapped.rules import Rules, filled
from harness.drivers.mapped.templates import LEFT_OUT, Values, render, render_fields, render_url

BAD_ANSWER = Unknown("bad_answer")
EXPIRED = "token_expired"
_NS_PER_MS = 1_000_000
_WITHOUT_TOKEN = frozenset({"register", "login", "refresh"})

Frame = Any
T = TypeVar("T")


class Protocol:
    """What all devices of a run share of a mapping; ``file`` is its name in messages."""

    def __init__(self, model: MappingModel, file: str, clock: Clock) -> None:
        self.model = model
        self.names = reading.Names(model.direct_conversation)
        self.proofs = Proofs(file)
        self.rules = Rules(model, self.names, self.proofs)
        self._clock = clock

    def now_ms(self) -> int:
        """The wall clock, in milliseconds."""
        return self._clock.wall_ns() // _NS_PER_MS

    async def over_http(self, rule: str, request: RequestModel, values: Values) -> Frame | Refused | Unknown:
        """Ask once and return the decoded answer; raises ``EnvironmentFault`` when the mapping does not fit it."""
        answered = await ask(self._call(rule, request, values))
        if isinstance(answered, Refused | Unknown):
            return answered
        if not answered.ok:
            return self._error(answered, self.model.errors.code)
        if answered.body is None:
            return Unknown("bad_answer", http_status=answered.status)
        return self._recognised(rule, request, values, answered)

    def refused_upgrade(self, answered: Answered) -> Refused | Unknown:
        """Read an HTTP error that came instead of a live connection."""
        return self._error(answered, self.model.errors.code)

    def refusal(self, frame: Frame) -> Refused | Unknown:
        """Read a frame that refuses a request."""
        error = self.model.error
        if error is None:
            return BAD_ANSWER
        try:
            code = reading.text("error", "code", error.code, frame) or "error"
        except Misfit as misfit:
            self.proofs.blame(misfit)
            return BAD_ANSWER
        self.proofs.fitted("error")
        wait_ms = reading.retry_after_ms("error", error.retry_after_ms, error.retry_after_s, frame)
        return self._outcome(code, self.model.errors.codes.get(code), wait_ms, known=code in self.model.errors.codes)

    def understood(
        self, answer: Frame | Refused | Unknown, rule: str, read: Callable[[Frame], T]
    ) -> T | Refused | Unknown:
        """Return what an answer says; one that the mapping has fitted before is a bad answer of the service."""
        if isinstance(answer, Refused | Unknown):
            return answer
        try:
            found = read(answer)
        except Misfit as misfit:
            self.proofs.blame(misfit)
            return BAD_ANSWER
        self.proofs.fitted(rule)
        return found

    async def token(self, rule: str, request: TokenModel, values: Values) -> Credential | Refused | Unknown:
        """Log in, or refresh."""
        answer = await self.over_http(rule, request, values)
        where = f"{rule}.answer"
        person, user, path = str(values["person"]), str(values["user"]), request.answer.user_id

        def read(frame: Frame) -> Credential:
            self.names.learn(person, user, reading.take(where, "user_id", path, frame))
            return reading.credential(where, request.answer, frame)

        return self.understood(answer, where, read)

    async def refresh(self, request: TokenModel, values: Values, before: Credential) -> Refreshed | Refused | Unknown:
        """Exchange the refresh token; where the answer has no new one, the old one stays in use."""
        after = await self.token("refresh", request, values)
        if isinstance(after, Refused | Unknown):
            return after
        return Refreshed(replace(after, refresh_token=after.refresh_token or before.refresh_token, chat=before.chat))

    def _call(self, rule: str, request: RequestModel, values: Values) -> Call:
        method, _, url = (request.http or "").partition(" ")
        headers: Mapping[str, Any] = {} if rule in _WITHOUT_TOKEN else self.model.headers
        body = None if request.json_ is None else render(request.json_, values)
        return Call(
            method,
            render_url(url, values, bases=BASES),
            headers=render_fields({**headers, **request.headers}, values),
            query=render_fields(request.query, values),
            json=None if body is LEFT_OUT else body,
            form=None if request.form is None else render_fields(request.form, values),
        )

    def _recognised(
        self, rule: str, request: RequestModel, values: Values, answered: Answered
    ) -> Frame | Refused | Unknown:
        """Some services answer 200 to everything and tell in the body whether it went well."""
        when = {} if request.answer is None else filled(request.answer.when, values)
        gone = [path for path in when if reading.matches({path: when[path]}, answered.body) is False]
        if not gone:
            return answered.body
        code = self.model.errors.code
        if code is None or code.find(answered.body) is MISSING:
            return self._unlike(f"{rule}.answer", gone[0], answered.body)
        return self._error(answered, code)

    def _unlike(self, rule: str, path: FieldPath, body: Frame) -> Unknown:
        self.proofs.blame(Misfit(rule, "when", f"`{path.text}` is not as `when` says: {shape(body)}"))
        return BAD_ANSWER

    def _error(self, answered: Answered, path: FieldPath | None) -> Refused | Unknown:
        errors = self.model.errors
        found = None if path is None else path.find(answered.body)
        code = str(found) if isinstance(found, str | int) else f"http_{answered.status}"
        wait_ms = reading.retry_after_ms("errors", errors.retry_after_ms, errors.retry_after_s, answered.body)
        status = errors.codes.get(code, answered.status)
        refused = code in errors.codes or answered.status in errors.refused
        return self._outcome(code, status, wait_ms if wait_ms is not None else answered.retry_after_ms, known=refused)

    def _outcome(self, code: str, status: int | None, wait_ms: int | None, *, known: bool) -> Refused | Unknown:
        code = EXPIRED if code in self.model.errors.expired else code
        kind = Refused if known else Unknown
        return kind(code, http_status=status, retry_after_ms=wait_ms)
