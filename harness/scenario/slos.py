"""Bounds on service levels as scenario files write them: a bare value, or one with the samples that it takes."""

from __future__ import annotations

from typing import Any, ClassVar, get_args

from pydantic import ConfigDict, Field, model_validator

from harness.core.plan import SloPlan
from harness.scenario.fields import Count, Duration, Section, Share
from harness.scenario.units import DURATION_PATTERN, PERCENT_PATTERN, format_duration, format_percent

DEFAULT_RECOVER_WITHIN_S = 10.0


def _bare_or_mapping(pattern: str, example: str) -> ConfigDict:
    def extend(schema: dict[str, Any]) -> None:
        mapping = dict(schema)
        schema.clear()
        schema["anyOf"] = [{"type": "string", "pattern": pattern, "examples": [example]}, mapping]

    return ConfigDict(json_schema_extra=extend)


class _Bound(Section):
    """A bare value stands for a mapping with nothing but the bound."""

    side: ClassVar[str] = "max"
    samples: Count | None = Field(default=None, description="with fewer samples nothing is concluded")

    @property
    def bound(self) -> float:
        """The bound itself, in seconds or as a share."""
        found: float = getattr(self, self.side)
        return found

    @model_validator(mode="before")
    @classmethod
    def _from_bare(cls, value: object) -> object:
        return value if isinstance(value, dict) else {cls.side: value}


class LongestModel(_Bound):
    """The longest that something may take."""

    model_config = _bare_or_mapping(DURATION_PATTERN, "2s")

    max: Duration


class LeastModel(_Bound):
    """The least share of what was tried that must succeed."""

    model_config = _bare_or_mapping(PERCENT_PATTERN, "99%")
    side = "min"

    min: Share


class MostModel(_Bound):
    """The greatest share that may go wrong."""

    model_config = _bare_or_mapping(PERCENT_PATTERN, "1%")

    max: Share


class SloModel(Section):
    """Bounds on how well the service copes; one that is absent is not judged."""

    recover_within: Duration = Field(
        default=DEFAULT_RECOVER_WITHIN_S,
        description="from healing until messages flow as before",
        json_schema_extra={"default": format_duration(DEFAULT_RECOVER_WITHIN_S)},
    )
    send_success: LeastModel | None = Field(default=None, description="sends that were accepted in the end")
    acceptance_p50: LongestModel | None = Field(default=None, description="median from send to acknowledgement")
    acceptance_p95: LongestModel | None = Field(default=None, description="95th percentile of the same")
    online_delivery_p50: LongestModel | None = Field(
        default=None, description="median from send to a device that is connected"
    )
    online_delivery_p95: LongestModel | None = Field(default=None, description="95th percentile of the same")
    offline_sync_success: LeastModel | None = Field(
        default=None, description="messages that a device which was away had pulled in the end"
    )
    push_registration: LeastModel | None = Field(default=None, description="push tokens that the service took")
    push_rejection: MostModel | None = Field(default=None, description="pushes that the provider refused")
    duplication: MostModel | None = Field(default=None, description="messages that are there more than once")

    def plans(self) -> tuple[SloPlan, ...]:
        """Return the bounds that are given, beside the time to recover."""
        bounds = [(name, getattr(self, name)) for name in type(self).model_fields]
        return tuple(SloPlan(name, one.bound, one.samples) for name, one in bounds if isinstance(one, _Bound))


def describe(slo: SloPlan) -> str:
    """Return a bound in words, such as ``online_delivery_p95 at most 2s over at least 200 samples``."""
    kind: type[_Bound] = get_args(SloModel.model_fields[slo.id].annotation)[0]
    bound = format_duration(slo.bound) if kind is LongestModel else format_percent(slo.bound)
    enough = f" over at least {slo.samples} samples" if slo.samples else ""
    return f"{slo.id} at {'least' if kind is LeastModel else 'most'} {bound}{enough}"
