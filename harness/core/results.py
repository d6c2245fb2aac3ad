"""The result of a run, as written to ``results.json`` (contracts: one document, version 1)."""

from __future__ import annotations

import msgspec

from harness.core.stack import PromiseValue
from harness.core.verdicts import Verdict, worst

RESULTS_VERSION = 1


class Witness(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One broken promise, pinned to one message: where it was last seen and which step never came."""

    text: str
    client_message_id: str | None = None
    message_id: str | None = None
    conversation_id: str | None = None
    device: str | None = None
    mono_ns: int | None = None
    last_step: str | None = None
    missing_step: str | None = None
    faults: tuple[str, ...] = ()


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """One check over the history; ``verdict`` is None for a check that had nothing to look at (n/a).

    ``undecided`` items met the antecedent but could not be judged; ``not_judged`` means that the stack does not
    promise it; ``note`` says in a sentence why a check has no verdict or could not be run.
    """

    id: str
    verdict: Verdict | None
    required: bool
    exercised: int
    violations: int
    witnesses: tuple[Witness, ...] = ()
    undecided: int = 0
    not_judged: bool = False
    note: str = ""


class PromiseResult(msgspec.Struct, frozen=True, kw_only=True):
    """One promise and what became of it: the worst verdict of the ``checks`` that judged it, None if none could.

    ``promised`` is None for what the stack does not promise, and for ``always``, which every stack owes.
    """

    promise: str
    promised: PromiseValue | None
    verdict: Verdict | None
    checks: tuple[str, ...]


class FaultResult(msgspec.Struct, frozen=True, kw_only=True):
    """How far a fault climbed the ladder and, where it stopped short, at which gap."""

    id: str
    kind: str
    target: str
    rung: str
    gap: str | None
    exposed: int
    started_ns: int | None = None
    ended_ns: int | None = None


class Reason(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Why the verdict is what it is, in a code for machines and a sentence for people."""

    code: str
    text: str
    check: str | None = None
    fault: str | None = None
    verdict: Verdict | None = None
    expected: str | None = None
    """The listed finding that it is."""


class FindingResult(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that was listed for a run beforehand, and whether it showed."""

    id: str
    rate: str
    text: str
    source: str
    seen: bool


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How much a verdict rests on."""

    events: int = 0
    sent: int = 0
    accepted: int = 0
    unknown: int = 0
    """Messages whose sender never learnt what became of them."""
    unanswered: int = 0
    """Messages of which an attempt or more ended without an answer; the next two: what the readings told of them."""
    unanswered_stored: int = 0
    unanswered_absent: int = 0
    torn_lines: int = 0


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a crowd was to write, wrote, and by how many milliseconds it was late, but for just after a heal."""

    people: int
    senders: int
    """Devices that wrote."""
    rate_per_s: float
    sent_per_s: float
    lag_p50_ms: int
    lag_p99_ms: int
    lag_max_ms: int
    lag_limit_ms: int
    """What ``lag_p99_ms`` may be."""


class ResourceResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one part of a run used while people wrote, by one sample a second.

    Processor time is in cores; ``busiest_max`` is that of its busiest process, of which one with a single thread has at
    most 1. Memory is resident bytes, files are open descriptors, both of all its processes together.
    """

    part: str
    of: str
    """``stack`` for services and simulators, ``ours`` for the proxy and the processes that play and judge.

    ``all`` for everything that this machine did, whoever did it.
    """
    samples: int
    cpu_mean: float
    cpu_max: float
    busiest_max: float
    memory_max: int
    files_max: int
    processes_max: int
    cores: int = 0
    """How many the machine has; only with ``all``."""


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """One judged run; ``exit_code`` is what it adds to the command's, after the findings that were listed for it."""

    v: int
    run: str
    scenario: str
    params: dict[str, str]
    seed: int
    stack: str
    launcher: str
    proxy: str
    verdict: Verdict
    exit_code: int
    attempts: int
    reasons: tuple[Reason, ...]
    counts: Counts
    checks: tuple[CheckResult, ...]
    faults: tuple[FaultResult, ...]
    slos: tuple[dict[str, str | int | float], ...]
    promises: dict[str, PromiseValue]
    not_judged: tuple[str, ...]
    replay: str
    mutant: str | None = None
    proxy_version: str = ""
    """What the proxy server says of itself."""
    proxy_why: str = ""
    """Why it was that server and no other."""
    caveats: tuple[str, ...] = ()
    """What that server does otherwise than the scenario's faults mean it."""
    by_promise: tuple[PromiseResult, ...] = ()
    """What the stack promises beside what became of it."""
    findings: tuple[FindingResult, ...] = ()
    """What was listed beforehand for this scenario on this stack."""
    expected: tuple[str, ...] = ()
    """Those of the findings that showed."""
    missed: tuple[str, ...] = ()
    """Those that always show and did not: an unexpected pass."""
    load: LoadResult | None = None
    """How a crowd did; None without one."""
    resources: tuple[ResourceResult, ...] = ()
    """What the parts of a run under load used."""
    unmeasured: str = ""
    """Why nothing is known of what the stack's services used under load."""
    simulated: bool = False
    """Whether the stack is a simulator of somebody's service: the verdict holds for that."""

    @property
    def stack_label(self) -> str:
        """The stack's name, with a word if it only stands in for a service."""
        return f"{self.stack} (simulated)" if self.simulated else self.stack

    @property
    def unlisted(self) -> tuple[Reason, ...]:
        """The reasons that were not listed beforehand."""
        return tuple(reason for reason in self.reasons if reason.expected is None)

    @property
    def counts_as(self) -> Verdict:
        """The verdict over what was not listed beforehand; a finding that stayed away without leave is a failure."""
        if not self.findings:
            return self.verdict
        left = [reason.verdict or Verdict.ERROR for reason in self.unlisted]
        left += [Verdict.FAIL for _ in self.missed]
        return worst(left, empty=Verdict.PASS if self.reasons else self.verdict)
