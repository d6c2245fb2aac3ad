"""What a scenario file says of load: a crowd, its rate, and how it comes and goes."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from harness.core.plan import LoadPlan, LoadStep
from harness.scenario.fields import Duration, Moment, Rate, Section, Share

ARRIVALS_PER_S = 100.0
"""How many come online a second where the file does not say: what Locust, too, calls fast."""


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


class LoadModel(Section):
    """Pairs of people who write to each other, in place of the scenario's people and workloads."""

    people: Annotated[int, Field(ge=2, le=1_000_000)] = Field(description="how many people; pairs write to each other")
    rate: Rate = Field(description="messages of all of them together when all are online")
    shape: Annotated[list[StepModel], Field(min_length=1)] | None = Field(
        default=None, description="how they come and go; without it all come, 100 a second, and stay"
    )
    warmup: Moment = Field(default=5.0, description="time after the first ramp before faults are armed")
    max_lag_p99: Duration = Field(
        default=0.05,
        description="a run in which over 1% of the messages leave later than this proves nothing",
    )

    @model_validator(mode="after")
    def _begins_with_a_ramp(self) -> Self:
        if self.shape and (self.shape[0].hold is not None or not self.shape[0].to):
            raise ValueError("the first step of 'shape' must bring people: {to: 100%, over: 20s}")
        return self

    def plan(self) -> LoadPlan:
        """Return the load with every step spelled out."""
        return LoadPlan(self.people, self.rate, tuple(self._steps()), self.warmup, self.max_lag_p99)

    def _steps(self) -> list[LoadStep]:
        if not self.shape:
            return [LoadStep(1.0, self.people / ARRIVALS_PER_S)]
        steps: list[LoadStep] = []
        share = 0.0
        for step in self.shape:
            share = share if step.to is None else step.to
            steps.append(LoadStep(share, step.over or step.hold or 0.0))
        return steps
