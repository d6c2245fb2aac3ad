"""The eight toxics of Toxiproxy 2.12, by the name under which its API knows them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from harness.proxy.toxics.bandwidth import Bandwidth
from harness.proxy.toxics.base import Channel, Sink, Stage
from harness.proxy.toxics.latency import Latency
from harness.proxy.toxics.limit_data import LimitData
from harness.proxy.toxics.noop import Noop
from harness.proxy.toxics.reset_peer import ResetPeer
from harness.proxy.toxics.slicer import Slicer
from harness.proxy.toxics.slow_close import SlowClose
from harness.proxy.toxics.spec import ToxicSpec
from harness.proxy.toxics.timeout import Timeout

TOXICS: Mapping[str, type[Stage]] = MappingProxyType(
    {
        "bandwidth": Bandwidth,
        "latency": Latency,
        "limit_data": LimitData,
        "noop": Noop,
        "reset_peer": ResetPeer,
        "slicer": Slicer,
        "slow_close": SlowClose,
        "timeout": Timeout,
    }
)

__all__ = ["TOXICS", "Channel", "Sink", "Stage", "ToxicSpec"]
