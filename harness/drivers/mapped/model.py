"""The shape of a mapping file."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema, model_validator

from harness.drivers.mapped.paths import FieldPath, parse_path
from harness.scenario.fields import Duration, Name, Section

Scalar = str | int | float | bool

_REQUEST = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (\S+)")


def _when(value: object) -> dict[FieldPath, tuple[Scalar, ...]]:
    if not isinstance(value, dict) or not all(_plain(one) or _plains(one) for one in value.values()):
        raise ValueError('expected fields and the values that they must have, as in {type: ack, ref: "${ref}"}')
    wanted = {}
    for path, accepted in value.items():
        wanted[parse_path(path)] = tuple(accepted) if isinstance(accepted, list) else (accepted,)
    return wanted


def _plain(value: object) -> bool:
    return isinstance(value, str | int | float | bool)


def _plains(value: object) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(map(_plain, value))


def _request(text: str) -> str:
    if not _REQUEST.fullmatch(text):
        raise ValueError(f"'{text}' is no request: write it as in POST ${{chat}}/v1/login")
    return text


def _close_codes(value: dict[str, str]) -> dict[str, str]:
    for code in value:
        if not code.isdecimal():
            raise ValueError(f"'{code}' is no close code: write a number in quotes")
    return value


Path = Annotated[
    FieldPath,
    PlainValidator(parse_path),
    WithJsonSchema({"type": "string", "description": "a field path: 'data.items[0].id', '.', 'url?'"}),
]
_PLAIN = {"type": ["string", "number", "boolean"]}
When = Annotated[
    dict[FieldPath, tuple[Scalar, ...]],
    PlainValidator(_when),
    WithJsonSchema(
        {
            "type": "object",
            "description": "fields, and the values of which each must have one",
            "additionalProperties": {"anyOf": [_PLAIN, {"type": "array", "minItems": 1, "items": _PLAIN}]},
        }
    ),
]
HttpRequest = Annotated[
    str, AfterValidator(_request), WithJsonSchema({"type": "string", "pattern": f"^{_REQUEST.pattern}$"})
]
Fields = dict[str, Any]


class AnswerModel(Section):
    """How an answer is recognised, over HTTP besides its status."""

    when: When = Field(default={})


class RegisterAnswer(AnswerModel):
    """The answer to a registration."""

    user_id: Path | None = None


class TokenAnswer(RegisterAnswer):
    """The answer to a login or a refresh."""

    token: Path
    refresh_token: Path | None = None
    expires_in_s: Path | None = None
    expires_in_ms: Path | None = None
    url: Path | None = None


class TimedModel(Section):
    """Something with the service's time, in whatever unit it writes it."""

    server_time_s: Path | None = None
    server_time_ms: Path | None = None
    server_time_us: Path | None = None
    server_time_ns: Path | None = None
    server_time_iso: Path | None = None


class AckAnswer(AnswerModel, TimedModel):
    """The acknowledgement of a send."""

    message_id: Path
    conversation_id: Path | None = None
    conversation_seq: Path | None = None
    request_id: Path | None = None


class MessageModel(TimedModel):
    """A message as the service writes it."""

    message_id: Path
    client_message_id: Path | None = None
    conversation_id: Path | None = None
    sender: Path | None = None
    sender_id: Path | None = None
    recipient: Path | None = None
    recipient_id: Path | None = None
    body: Path
    conversation_seq: Path | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.sender is None) == (self.sender_id is None):
            raise ValueError("give either 'sender' (the name of the account) or 'sender_id' (what 'user_id' is)")
        if self.conversation_id is None and self.recipient is None and self.recipient_id is None:
            raise ValueError("give 'conversation_id', or 'recipient' or 'recipient_id', from which it can be made")
        return self


class PageAnswer(AnswerModel):
    """One page of a sync or of the archive."""

    items: Path
    only: When = Field(default={}, description="which of the items are messages")
    message: MessageModel | None = None
    cursor: Path | None = None
    more: Path | None = None


class GroupAnswer(AnswerModel):
    """The answer to the making of a group."""

    conversation_id: Path


class RequestModel(Section):
    """One request: over HTTP, or as a frame of the live connection."""

    http: HttpRequest | None = None
    headers: Fields = Field(default={})
    query: Fields = Field(default={})
    json_: Any = Field(default=None, alias="json")
    form: Fields | None = None
    frame: Fields | None = None
    answer: AnswerModel | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.http is None) == (self.frame is None):
            raise ValueError("give either 'http' (a request over HTTP) or 'frame' (one over the live connection)")
        if self.json_ is not None and self.form is not None:
            raise ValueError("give either 'json' or 'form'")
        if self.http is None and (self.headers or self.query or self.json_ is not None or self.form is not None):
            raise ValueError("'headers', 'query', 'json' and 'form' belong to 'http'")
        return self


class RegisterModel(RequestModel):
    """Making an account."""

    answer: RegisterAnswer | None = None


class TokenModel(RequestModel):
    """Getting a token."""

    answer: TokenAnswer


class SendModel(RequestModel):
    """Sending a message."""

    answer: AckAnswer


class PageModel(RequestModel):
    """Reading a page."""

    answer: PageAnswer


class CreateModel(RequestModel):
    """Making a group."""

    answer: GroupAnswer


class AccountModel(Section):
    """What people are called at the service."""

    user: str = "${person}"
    password: str = Field(default="${random}", description="random is another word for each person and run")


class PingModel(Section):
    """How a connection is found dead: by WebSocket pings, or by frames of the service's own."""

    every: Duration = 1.0
    within: Duration = 1.5
    frame: Fields | None = None
    pong: When | None = None

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.frame is None) != (self.pong is None):
            raise ValueError("'frame' and 'pong' belong together: what is asked and how its answer is recognised")
        return self


class ConnectModel(Section):
    """The live connection."""

    url: str = Field(description="its address; a login's answer may give another")
    headers: Fields = Field(default={})
    query: Fields = Field(default={})
    encoding: Literal["json", "form"] = "json"
    hello: RequestModel | None = Field(default=None, description="what is asked first on each connection")
    ping: PingModel = Field(default_factory=PingModel)
    closes: Annotated[dict[str, str], AfterValidator(_close_codes)] = Field(
        default={}, description="close codes by which the service refuses a token, and why"
    )


class DeliverModel(Section):
    """A message that the service sends on its own."""

    when: When
    at: Path = Field(
        default_factory=lambda: parse_path("."), description="where in the frame the message, or a list of them, lies"
    )
    message: MessageModel | None = None


class ReceiptModel(Section):
    """Word that somebody got or opened a message."""

    when: When
    message_id: Path
    state: Path
    by: Path | None = None
    by_id: Path | None = None
    device: Path | None = None

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if (self.by is None) == (self.by_id is None):
            raise ValueError("give either 'by' (the name of the account) or 'by_id' (what 'user_id' is)")
        return self


class RejectedModel(Section):
    """A frame by which the service ends a session for its token."""

    when: When
    code: Path | None = None


class ReplyModel(Section):
    """A frame that the service wants answered."""

    when: When
    frame: Fields


class ErrorModel(Section):
    """A frame that refuses a request."""

    when: When
    code: Path
    retry_after_ms: Path | None = None
    retry_after_s: Path | None = None


class ErrorsModel(Section):
    """What errors mean, over HTTP and in frames."""

    code: Path | None = Field(default=None, description="where the body of an HTTP error has its code")
    retry_after_ms: Path | None = None
    retry_after_s: Path | None = None
    refused: list[Annotated[int, Field(ge=400, le=599)]] = Field(
        default=[400, 401, 403, 404, 409, 413, 415, 422, 429],
        description="statuses after which nothing was stored; after others it is unknown",
    )
    codes: dict[str, Annotated[int, Field(ge=400, le=599)]] = Field(
        default={}, description="codes by the HTTP status of the same meaning; others leave the outcome unknown"
    )
    expired: list[str] = Field(default=["token_expired"], description="codes that say that a token's time is over")


class StatesModel(Section):
    """How the service writes the states of a receipt."""

    delivered: Scalar = "delivered"
    read: Scalar = "read"


class GroupsModel(Section):
    """Conversations of several people."""

    create: CreateModel
    join: RequestModel
    leave: RequestModel


class BlocksModel(Section):
    """People who want nothing more of somebody."""

    block: RequestModel
    unblock: RequestModel


class PushModel(Section):
    """Push tokens."""

    register_: RequestModel = Field(alias="register")
    remove: RequestModel


class MappingModel(Section):
    """A chat protocol: what a client asks, how the answers look, and what the service sends on its own."""

    version: Literal[1]
    name: Name
    direct_conversation: str = Field(
        default="d:${first}:${second}", description="the id of two people's conversation; they are sorted by name"
    )
    account: AccountModel = Field(default_factory=AccountModel)
    headers: Fields = Field(default={}, description="of every request over HTTP that shows a token")
    states: StatesModel = Field(default_factory=StatesModel)
    message: MessageModel = Field(description="a message on a page, and where 'deliver' says nothing else")
    register_: RegisterModel | None = Field(default=None, alias="register")
    login: TokenModel | None = None
    refresh: TokenModel | None = None
    open: CreateModel | None = Field(
        default=None, description="making two people's conversation, over HTTP, before the first of them writes"
    )
    connect: ConnectModel
    send: SendModel
    send_http: SendModel | None = None
    sync: PageModel
    archive: PageModel | None = Field(default=None, description="everything that an account can see, over HTTP")
    mark: RequestModel | None = None
    push: PushModel | None = None
    groups: GroupsModel | None = None
    blocks: BlocksModel | None = None
    deliver: DeliverModel
    receipt: ReceiptModel | None = None
    rejected: RejectedModel | None = None
    reply: ReplyModel | None = None
    ignore: list[When] = Field(default=[], description="frames that mean nothing to a chat client")
    error: ErrorModel | None = None
    errors: ErrorsModel = Field(default_factory=ErrorsModel)
