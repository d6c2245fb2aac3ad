"""What a scenario file says of load: a crowd, its rate and mix, and how it comes and goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from harness.core.plan import LoadPlan, LoadStep, MixPlan
from harness.scenario.fields import Duration, Moment, Rate, Section, Share
from harness.scenario.units import PERCENT_PATTERN, format_percent, format_rate

ARRIVALS_PER_S = 100.0
"""How many come online a second where the file does not say: what Locust, too, calls fast."""

ShapeName = Literal["ramp", "soak", "spike", "herd", "morning"]

SHAPES: Mapping[ShapeName, Callable[[float], tuple[LoadStep, ...]]] = {
    "ramp": lambda all_s: (LoadStep(1.0, all_s),),
    "soak": lambda all_s: (LoadStep(1.0, all_s), LoadStep(1.0, 8 * 3600.0)),
    "spike": lambda _: (
        LoadStep(0.2, 10.0),
        LoadStep(0.2, 60.0),
        LoadStep(1.0, 1.0),
        LoadStep(1.0, 60.0),
        LoadStep(0.2, 1.0),
        LoadStep(0.2, 30.0),
    ),
    "herd": lambda _: (LoadStep(1.0, 1.0), LoadStep(1.0, 60.0)),
    "morning": lambda _: (LoadStep(0.05, 10.0), LoadStep(0.9, 120.0), LoadStep(0.9, 300.0)),
}
"""Well-known ways to come and go by name, given how long it takes until all are there at the rate of arrivals."""


class StepModel(Section):
    """A ramp to a share of the crowd, or with ``hold`` a time in which nothing changes."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["to", "over"]}, {"required": ["hold"]}]})

    to: Share | None = Field(default=None, description="share of the people who are online at the end of the step")
    over: Duration | None = Field(default=None, description="how long it takes until they are")
    hold: Duration | None = Field(default=None, description="how long the share stays what it is")

    @model_validator(mode="after")
    def _ramp_or_hold(self) -> Self:
        if self.model_fields_set not in ({"to", "over"}, {"hold"}):
            raise ValueError("a step has either 'to' and 'over' or only 'hold'")
        return self


def _bare_share(schema: dict[str, Any]) -> None:
    mapping = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"type": "string", "pattern": PERCENT_PATTERN, "examples": ["20%"]}, mapping]


class _Part(Section):
    """A bare share stands for a mapping with nothing but the share."""

    model_config = ConfigDict(json_schema_extra=_bare_share)

    share: Share = Field(description="share of it all")

    @model_validator(mode="before")
    @classmethod
    def _from_bare(cls, value: object) -> object:
        return value if isinstance(value, dict) else {"share": value}


class GroupsModel(_Part):
    """Messages to groups in which everybody is in one."""

    size: Annotated[int, Field(ge=2, le=1000)] = Field(default=8, description="people in each group")


class HotModel(_Part):
    """Messages to one group of thousands, in which few write."""

    members: Annotated[int, Field(ge=2, le=1_000_000)] | None = Field(
        default=None, description="how many are in it, from the first on; default: everybody"
    )
    writers: Annotated[int, Field(ge=1, le=1000)] = Field(default=1, description="how many of them write")


class AwayModel(_Part):
    """People who leave for a while and come back."""

    for_: Duration = Field(default=10.0, alias="for", description="how long each stays away")


class MixModel(Section):
    """What people do: shares of the messages, and of the people who are away."""

    direct: Share | None = Field(default=None, description="share of the messages to one person; default: what is left")
    group: GroupsModel | None = Field(default=None, description="share of the messages to small groups")
    hot: HotModel | None = Field(default=None, description="share of the messages to one group of thousands")
    away: AwayModel | None = Field(default=None, description="share of the people who are away at any time")

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        others = (self.group.share if self.group else 0.0) + (self.hot.share if self.hot else 0.0)
        total = others + (self.direct or 0.0)
        if total > 1.0 + _ROUNDING or (self.direct is not None and total < 1.0 - _ROUNDING):
            raise ValueError(
                f"'direct', 'group' and 'hot' come to {format_percent(total)} of the messages, not to 100%"
            )
        if self.away and self.away.share > _MOST_AWAY:
            raise ValueError(f"at most {format_percent(_MOST_AWAY)} of the people can be away")
        return self

    def plan(self, people: int) -> MixPlan:
        """Return the mix of a crowd of so many people."""
        group, hot, away = self.group, self.hot, self.away
        return MixPlan(
            group=group.share if group else 0.0,
            group_size=group.size if group else 2,
            hot=hot.share if hot else 0.0,
            hot_members=(hot.members or people) if hot else 0,
            hot_writers=hot.writers if hot else 1,
            away=away.share if away else 0.0,
            away_for_s=away.for_ if away else 1.0,
        )


_PACED = (None, "ramp", "soak")
"""Shapes whose first step takes as long as arrivals do."""
_ROUNDING = 1e-9
_MOST_AWAY = 0.9

Shape = Annotated[
    Annotated[list[StepModel], Field(min_length=1), Tag("steps")] | Annotated[ShapeName, Tag("name")],
    Discriminator(lambda value: "name" if isinstance(value, str) else "steps"),
]


class LoadModel(Section):
    """People who write to each other, in place of the scenario's people and workloads."""

    people: Annotated[int, Field(ge=2, le=1_000_000)] = Field(description="how many people; pairs write to each other")
    rate: Rate = Field(description="messages of all of them together when all are online")
    mix: MixModel | None = Field(default=None, description="what they do; without it each writes to one other")
    arrivals: Rate = Field(
        default=ARRIVALS_PER_S,
        description="people a second who come online, where no step says how fast",
        json_schema_extra={"default": format_rate(ARRIVALS_PER_S)},
    )
    shape: Shape | None = Field(
        default=None, description="how they come and go: a name, or steps; without it all come and stay"
    )
    duration: Duration | None = Field(
        default=None, description="how long they write at least; default: until the shape is over"
    )
    warmup: Moment = Field(default=5.0, description="time after the first ramp before faults are armed")
    max_lag_p99: Duration = Field(
        default=0.05,
        description="a run in which over 1% of the messages leave later than this proves nothing",
    )

    @model_validator(mode="after")
    def _begins_with_a_ramp(self) -> Self:
        if isinstance(self.shape, list) and (self.shape[0].hold is not None or not self.shape[0].to):
            raise ValueError("the first step of 'shape' must bring people: {to: 100%, over: 20s}")
        return self

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        hot = self.mix.hot if self.mix else None
        members = hot.members or self.people if hot else 0
        if hot and members > self.people:
            raise ValueError(f"the hot group has {members} members, and there are {self.people} people")
        if hot and hot.writers > members:
            raise ValueError(f"{hot.writers} write in the hot group, which has {members} members")
        if self.mix and self.mix.group and self.mix.group.size > self.people:
            raise ValueError(f"a group has {self.mix.group.size} people, and there are {self.people}")
        return self

    def plan(self) -> LoadPlan:
        """Return the load with every step spelled out."""
        return LoadPlan(
            self.people,
            self.rate,
            tuple(self._steps()),
            self.warmup,
            self.max_lag_p99,
            mix=self.mix.plan(self.people) if self.mix else MixPlan(),
            duration_s=self.duration or 0.0,
            arrivals_per_s=self.arrivals if self.shape in _PACED else None,
        )

    def _steps(self) -> list[LoadStep]:
        if not isinstance(self.shape, list):
            return list(SHAPES[self.shape or "ramp"](self.people / self.arrivals))
        steps: list[LoadStep] = []
        share = 0.0
        for step in self.shape:
            share = share if step.to is None else step.to
            steps.append(LoadStep(share, step.over or step.hold or 0.0))
        return steps
