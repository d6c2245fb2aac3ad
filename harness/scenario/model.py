"""The shape of a scenario file; descriptions end up in the JSON Schema and so in editors."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from harness.core.plan import Transport
from harness.scenario.fields import AxisValue, Count, Duration, Moment, Name, Rate, Section, Size
from harness.scenario.load import LoadModel
from harness.scenario.slos import SloModel

MAX_CROWD = 1000


class PersonModel(Section):
    """One person, or with ``count`` a crowd of N people called NAME-1 to NAME-N."""

    devices: list[Name] = Field(
        default=["phone"], min_length=1, description="devices of the person, or of each in the crowd"
    )
    count: Annotated[int, Field(ge=1, le=MAX_CROWD)] | None = Field(
        default=None, description="how many people the crowd has"
    )
    push: bool = Field(default=False, description="whether the devices register for notifications")

    @model_validator(mode="after")
    def _different_devices(self) -> Self:
        if twice := sorted({name for name in self.devices if self.devices.count(name) > 1}):
            raise ValueError(f"device '{twice[0]}' is listed twice")
        return self


class DirectModel(Section):
    """One person writes to another at a steady rate, whether or not earlier messages were answered."""

    kind: Literal["direct"]
    from_: str = Field(alias="from", description="who writes")
    to: str = Field(description="who gets the messages")
    rate: Rate = Field(description="messages per second, minute or hour")
    over: Transport = Field(
        default="websocket", description="how each message is sent; 'media': as a file to which the message refers"
    )
    size: Size | None = Field(default=None, description="how long each message is at least")


class MemberModel(Section):
    """Somebody who joins or leaves a group; times count from the start of inject."""

    at: Moment
    person: str


class BlockModel(Section):
    """Somebody who wants no more messages of somebody else; times count from the start of inject."""

    at: Moment
    by: str = Field(description="who blocks")
    of: str = Field(description="who is blocked")


class GroupModel(Section):
    """Several people share a conversation, in which they write in turn by chance."""

    kind: Literal["group"]
    members: list[str] = Field(min_length=1, description="who is in it from the start; a crowd's name stands for all")
    rate: Rate = Field(description="messages of all together per second, minute or hour")
    joins: list[MemberModel] = Field(default=[], description="who comes in later")
    leaves: list[MemberModel] = Field(default=[], description="who goes")
    blocks: list[BlockModel] = Field(default=[], description="who blocks whom, in every conversation")


class OfflineModel(Section):
    """A device leaves and comes back; times count from the start of inject."""

    kind: Literal["offline"]
    device: str = Field(description="PERSON/DEVICE")
    at: Moment = Field(description="when it leaves")
    for_: Duration = Field(alias="for", description="how long it stays away")


class DirectBlockModel(BlockModel):
    """One person blocks another, which holds for what the two write to each other."""

    kind: Literal["block"]


class ToDeviceModel(Section):
    """One person sends messages to each single device of another, in no conversation, as keys are sent."""

    kind: Literal["to_device"]
    from_: str = Field(alias="from", description="who sends, from the first device")
    to: str = Field(description="whose devices get a message each")
    rate: Rate = Field(description="messages to each device per second, minute or hour")


WorkloadModel = Annotated[
    DirectModel | GroupModel | OfflineModel | DirectBlockModel | ToDeviceModel, Field(discriminator="kind")
]


class PhasesModel(Section):
    """Lengths of the timed phases."""

    baseline: Duration = Field(description="undisturbed traffic before the first fault: the measure of normal")
    observe: Duration = Field(description="from the start of inject until everything still wrong is healed")
    quiet: Duration = Field(description="undisturbed time after healing, in which the backlog must drain")


class StartModel(Section):
    """When a fault starts: exactly one of ``at``, ``with`` and ``after``."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["at"]}, {"required": ["with"]}, {"required": ["after"]}]}
    )

    at: Moment | None = Field(default=None, description="time after the start of inject")
    with_: str | None = Field(default=None, alias="with", description="another fault: both start together")
    after: str | None = Field(default=None, description="an event: the fault starts when it is seen for the nth time")
    of: str | None = Field(
        default=None, description="count only events of this person (sender, or owner of the device)"
    )
    nth: Count | None = Field(default=None, description="which occurrence, from 1 (default 1), counted from inject")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = self.model_fields_set & {"at", "with_", "after"}
        if len(given) != 1:
            raise ValueError(f"a start has exactly one of 'at', 'with' and 'after', not {len(given) or 'none'}")
        if self.after is None and (self.of is not None or self.nth is not None):
            raise ValueError("'of' and 'nth' count the events of 'after'; this start has none")
        return self


class FaultModel(Section):
    """One disturbance; further keys are the parameters of its kind."""

    model_config = ConfigDict(extra="allow")

    kind: str
    link: str | None = Field(default=None, description='a link of the stack, in quotes: "client:alice->chat"')
    service: str | None = Field(default=None, description="a service of the stack, or one replica, as in chat.1")
    person: str | None = Field(default=None, description="one of the people")
    device: str | None = Field(default=None, description="PERSON/DEVICE")
    provider: str | None = Field(default=None, description="a provider of the stack, by its name there")
    start: StartModel
    for_: Duration | None = Field(default=None, alias="for", description="how long; without it until heal")


class ExpectFaultModel(Section):
    """What a fault must have touched for the run to count."""

    min_exposed: Count = Field(default=1, description="operations in flight across the fault, at least")
    must_see: list[str] = Field(
        default=[],
        description="events that must be seen while or after the fault holds; 'EVENT via offline': by that way",
    )


class ExpectModel(Section):
    """What must come out of a run."""

    checks: list[str] = Field(
        default=[], description="checks that must have had something to look at; all others run too"
    )
    faults: dict[str, ExpectFaultModel] = Field(default={})
    slo: SloModel = Field(default_factory=SloModel)
    catches: dict[str, str] = Field(default={}, description="mutant: the check by which this scenario must catch it")


class ScenarioModel(Section):
    """A scenario: people who chat, what goes wrong meanwhile, and what must hold nevertheless."""

    version: Literal[1]
    name: Name = Field(description="short name, unique among the scenarios of a run")
    title: str = Field(default="", description="what happened, as a user would say it")
    tags: list[Name] = Field(default=[])
    stack: str = Field(description="name or path of a stack file; --stack overrides it")
    needs: list[str] = Field(default=[], description="capabilities without which the scenario is not run")
    set_: dict[Name, AxisValue] = Field(
        default={}, alias="set", description="parameters of the stack for this scenario; --set overrides them"
    )
    matrix: dict[Name, Annotated[list[AxisValue], Field(min_length=1)]] = Field(
        default={}, description='axes: the scenario runs once for each combination; used as "${matrix.AXIS}"'
    )
    people: dict[Name, PersonModel] = Field(json_schema_extra={"minProperties": 1}, description="who chats")
    client: Literal["outbox", "naive"] = Field(
        default="outbox", description="who retries: a correct outbox, or one with the defects that are listed"
    )
    defects: list[str] = Field(default=[], description="what a naive client does wrong")
    workload: list[WorkloadModel] = Field(json_schema_extra={"minItems": 1}, description="what they do")
    phases: PhasesModel
    faults: dict[Name, FaultModel] = Field(default={})
    expect: ExpectModel = Field(default_factory=ExpectModel)
    load: LoadModel | None = Field(default=None, description="thousands of people instead; for `chat-chaos load` only")
