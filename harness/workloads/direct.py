"""One person writes to another at a steady mean rate, whether or not earlier messages were answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.core.plan import DirectWorkload
from harness.core.seeds import Seed


@dataclass(frozen=True, slots=True)
class Send:
    """One message of the plan, due ``due_s`` seconds after the workload began."""

    due_s: float
    client_message_id: str
    sender: str
    recipient: str
    body: str


def padded(text: str, size: int | None) -> str:
    """Return a text of that many bytes at least."""
    lacking = 0 if size is None else size - len(text.encode())
    return text if lacking <= 0 else f"{text} ".ljust(len(text) + lacking, ".")


def sends(workload: DirectWorkload, *, seed: Seed, index: int, salt: str, sentences: Sequence[str]) -> Iterator[Send]:
    """Yield the messages of a workload without end, each with a body and an id of its own.

    Gaps are exponential, so that sends do not fall into step with faults, ticks or each other. ``index`` is the
    workload's place in the scenario and ``salt`` sets runs apart on a server that remembers ids for ever.
    """
    rng = seed.rng("direct", str(index))
    due_s = 0.0
    number = 0
    while True:
        due_s += rng.expovariate(workload.rate_per_s)
        number += 1
        yield Send(
            due_s=due_s,
            client_message_id=f"{workload.sender}-{index}-{number:05d}-{salt}",
            sender=workload.sender,
            recipient=workload.recipient,
            body=padded(f"{rng.choice(sentences)} ({index}.{number})", workload.size),
        )
