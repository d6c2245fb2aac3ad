"""Network faults at layer 4: what a cut, slow or deaf line does to one link.

The proxy acknowledges bytes on behalf of the far side, so a black hole swallows whole messages, never single packets,
and a connect to a link that is down is refused at once rather than lost.
"""

from __future__ import annotations

import math

from harness.core.plan import FaultPlan
from harness.faults.api import FaultKind, Param
from harness.faults.line import Down, Flapping
from harness.faults.toxic import ToxicSpec, both_ways, made_of, milliseconds, number

CUT, SLOW, DEAF = "#c0392b", "#e67e22", "#8e44ad"
BYTES_PER_KB = 1000
"""Toxiproxy's bandwidth counts kilobytes of 1000 bytes."""
SMALL_EXCHANGE = 200
"""Bytes that even a short message and its answer take together, WebSocket frames and JSON included."""


def _latency(plan: FaultPlan) -> list[ToxicSpec]:
    # Half the delay each way, so that `latency` is what a round trip gains.
    return both_ways("latency", {name: round(milliseconds(plan, name) / 2) for name in ("latency", "jitter")})


def _bandwidth(plan: FaultPlan) -> list[ToxicSpec]:
    return both_ways("bandwidth", {"rate": max(1, round(number(plan, "per_second") / BYTES_PER_KB))})


def _slicing(plan: FaultPlan) -> list[ToxicSpec]:
    average = round(number(plan, "size"))
    pause_us = round(number(plan, "pause") * 1_000_000)
    # A variation as large as the average crashes the real Toxiproxy.
    return both_ways("slicer", {"average_size": average, "size_variation": average // 2, "delay": pause_us})


def _cut_after(plan: FaultPlan) -> list[ToxicSpec]:
    return [ToxicSpec("limit_data", "upstream", {"bytes": round(number(plan, "bytes"))})]


def _gain(plan: FaultPlan) -> float:
    return max(0.0, number(plan, "latency") - number(plan, "jitter"))


def _carried(plan: FaultPlan) -> float:
    return SMALL_EXCHANGE / number(plan, "per_second")


def _pauses(plan: FaultPlan) -> float:
    largest = number(plan, "size") * 1.5  # the pieces vary by half of the average
    return max(0.0, SMALL_EXCHANGE / largest - 1) * number(plan, "pause")


def _for_ever(_plan: FaultPlan) -> float:
    return math.inf


KINDS = (
    FaultKind(
        kind="network.down",
        summary="the link is cut: open connections end, new ones are refused",
        colour=CUT,
        targets="link",
        make=Down,
    ),
    FaultKind(
        kind="network.flapping",
        summary="the link is cut and comes back, again and again",
        colour=CUT,
        targets="link",
        make=Flapping,
        params={
            "down": Param("duration", "how long it is cut each time", default=0.3, minimum=0.05),
            "up": Param("duration", "how long it works in between", default=0.5, minimum=0.05),
        },
    ),
    FaultKind(
        kind="network.latency",
        summary="a round trip over the link takes longer",
        colour=SLOW,
        targets="link",
        make=made_of(_latency),
        params={
            "latency": Param("duration", "what a round trip gains", required=True, minimum=0.002),
            "jitter": Param("duration", "how far the gain varies, up or down", default=0.0, minimum=0.0),
        },
        slows=_gain,
    ),
    FaultKind(
        kind="network.bandwidth",
        summary="the link carries only so many bytes a second each way",
        colour=SLOW,
        targets="link",
        make=made_of(_bandwidth),
        params={"per_second": Param("size", "bytes a second, in steps of 1000", required=True, minimum=1000)},
        slows=_carried,
    ),
    FaultKind(
        kind="network.slicing",
        summary="what is sent arrives in small pieces with pauses between them",
        colour=SLOW,
        targets="link",
        make=made_of(_slicing),
        params={
            "size": Param("size", "average bytes of a piece", default=16, minimum=2),
            "pause": Param("duration", "between two pieces", default=0.01, minimum=0.0),
        },
        slows=_pauses,
    ),
    FaultKind(
        kind="network.slow_close",
        summary="the end of a connection arrives late at the other side",
        colour=SLOW,
        targets="link",
        make=made_of(lambda plan: both_ways("slow_close", {"delay": milliseconds(plan, "delay")})),
        params={"delay": Param("duration", "how late", required=True, minimum=0.001)},
        felt_counts=("closed",),
    ),
    FaultKind(
        kind="network.downstream_blackhole",
        summary="what the service answers is swallowed: its work is done, the answer is lost",
        colour=DEAF,
        targets="link",
        make=made_of(lambda _: [ToxicSpec("timeout", "downstream", {"timeout": 0})]),
        slows=_for_ever,
    ),
    FaultKind(
        kind="network.upstream_blackhole",
        summary="what the client sends is swallowed: the service never hears of it",
        colour=DEAF,
        targets="link",
        make=made_of(lambda _: [ToxicSpec("timeout", "upstream", {"timeout": 0})]),
        slows=_for_ever,
    ),
    FaultKind(
        kind="network.blackhole",
        summary="everything on the link is swallowed, both ways, and nobody is told",
        colour=DEAF,
        targets="link",
        make=made_of(lambda _: both_ways("timeout", {"timeout": 0})),
        slows=_for_ever,
    ),
    FaultKind(
        kind="network.reset",
        summary="connections that carry anything from the client end with a TCP reset",
        colour=CUT,
        targets="link",
        make=made_of(lambda plan: [ToxicSpec("reset_peer", "upstream", {"timeout": milliseconds(plan, "delay")})]),
        params={"delay": Param("duration", "from the first byte to the reset", default=0.0, minimum=0.0)},
        caveat="the real Toxiproxy resets only connections made after the fault began; those open before end by FIN",
    ),
    FaultKind(
        kind="network.cut_after_bytes",
        summary="each connection ends once it has carried so many bytes from the client, in mid-message if need be",
        colour=CUT,
        targets="link",
        make=made_of(_cut_after),
        params={"bytes": Param("size", "bytes that still pass", required=True, minimum=0)},
    ),
)
