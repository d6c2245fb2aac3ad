"""The event record: one fact about one message, device, fault or process.

Every check looks at nothing but these records, so they are append-only, schema-versioned and free of
message bodies and secrets (digests and references stand in for them).
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

SCHEMA_VERSION = 1

Observer = Literal["client", "wire", "service", "provider", "oracle", "engine"]
Outcome = Literal["ok", "fail", "unknown"]
Via = Literal["live", "sync", "archive", "carbon", "offline"]
Phase = Literal["provision", "baseline", "inject", "observe", "heal", "quiet", "final", "oracle", "collect"]

PHASES: tuple[Phase, ...] = (
    "provision",
    "baseline",
    "inject",
    "observe",
    "heal",
    "quiet",
    "final",
    "oracle",
    "collect",
)

Scalar = str | int | float | bool


class Stamp(msgspec.Struct, frozen=True, omit_defaults=True):
    """What every record begins with: who wrote it, as the how-manieth, when, and what it is."""

    v: int
    run: str
    writer: str
    seq: int
    mono_ns: int
    wall_ns: int
    event: str
    observer: Observer


class Event(Stamp, frozen=True, omit_defaults=True, kw_only=True):
    """One record; an absent fact is absent from the JSON, never null.

    ``mono_ns`` is the host's monotonic clock and the only time that checks compare; ``wall_ns`` is for people.
    """

    clock: str | None = None
    phase: Phase | None = None
    op: str | None = None
    attempt: int | None = None
    outcome: Outcome | None = None
    client_message_id: str | None = None
    message_id: str | None = None
    conversation_id: str | None = None
    conversation_seq: int | None = None
    sender: str | None = None
    recipient: str | None = None
    device: str | None = None
    via: Via | None = None
    cursor_from: str | None = None
    cursor_to: str | None = None
    connection: str | None = None
    request_id: str | None = None
    link: str | None = None
    service: str | None = None
    provider: str | None = None
    fault: str | None = None
    intended_ns: int | None = None
    client_time_ns: int | None = None
    server_time_ns: int | None = None
    http_status: int | None = None
    retry_after_ms: int | None = None
    delay_ms: int | None = None
    error_code: str | None = None
    provider_answer: str | None = None
    network: str | None = None
    platform: str | None = None
    client_version: str | None = None
    credential_ref: str | None = None
    push_ref: str | None = None
    body_digest: str | None = None
    detail: dict[str, Scalar] | None = None


EVENT_NAMES = frozenset(
    {
        # a message on its way
        "client_send_started",
        "server_accepted",
        "client_send_failed",
        "client_retry_scheduled",
        "message_persisted",
        "ack_sent",
        "fanout_done",
        "recipient_online_delivered",
        "recipient_synced",
        "delivery_receipt_received",
        "read_receipt_received",
        "message_read",
        "push_sent",
        "push_failed",
        "push_displayed",
        "push_token_registered",
        "push_token_dropped",
        # a device and its credentials
        "connection_opened",
        "connection_resumed",
        "connection_lost",
        "token_issued",
        "token_expired",
        "token_rejected",
        "token_refreshed",
        "rate_limited",
        "person_online",
        "person_offline",
        "sync_completed",
        "sync_gap_filled",
        # a client program of the user's ended, fell silent or wrote what is no line
        "client_broken",
        # a message to one device of somebody, in no conversation: on its way, there, and known to be there
        "to_device_send_started",
        "to_device_accepted",
        "to_device_send_failed",
        "to_device_arrived",
        "to_device_confirmed",
        # who may see a conversation: beginning and end of each change, as its actor saw it
        "membership_changing",
        "membership_changed",
        # the seven moments of a credential in use
        "token_refresh_started",
        "token_refresh_failed",
        # the truth at the end
        "oracle_read",
        "oracle_completed",
        # the ladder of a fault
        "fault_commanded",
        "fault_installed",
        "fault_felt",
        "fault_mattered",
        "fault_healed",
        "fault_recovered",
        # the run and its writers
        "phase_started",
        "recorder_heartbeat",
        "recorder_stall",
        "generator_lag",
        # how far another machine of the people has its clock from this one, and how sure that is
        "clock_measured",
        "writer_closed",
    }
)

SENDING = frozenset({"client_send_started", "to_device_send_started"})
ACCEPTING = frozenset({"server_accepted", "to_device_accepted"})
FAILING = frozenset({"client_send_failed", "to_device_send_failed"})
"""The beginning of an attempt and its two ends, of a message in a conversation or to a single device."""

BY_SEVERAL_WAYS = ("recipient_online_delivered", "recipient_synced")
_VIA = " via "
SIGHTS = EVENT_NAMES | {f"{event}{_VIA}{way}" for event in BY_SEVERAL_WAYS for way in get_args(Via)}
"""What a scenario may demand to be seen: an event, or one that came by a certain way."""


def sight(words: str) -> tuple[str, str | None]:
    """Return the event of a sight, and the way where it names one."""
    event, _, way = words.partition(_VIA)
    return event, way or None
