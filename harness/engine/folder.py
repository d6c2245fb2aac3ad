"""The folder of a run: everything about it in one place, written so that a kill at any moment leaves it readable."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.core.errors import UsageError
from harness.core.findings import Finding
from harness.core.plan import ClientBehaviour, FaultPlan, LoadPlan, SloPlan
from harness.core.results import RunResult
from harness.core.stack import PromiseValue
from harness.stacks import journal

LATEST = "latest"


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """``run.json``: what was going to be run, with all that a later judgement needs."""

    v: int
    run: str
    scenario: str
    params: dict[str, str]
    source: str
    seed: int
    attempt: int
    stack: str
    launcher: str
    proxy: str
    mutant: str | None
    versions: dict[str, str]
    scenario_sha256: str
    promises: dict[str, PromiseValue]
    faults: tuple[FaultPlan, ...]
    required_checks: tuple[str, ...]
    recover_within_s: float
    replay: str
    client: ClientBehaviour = "outbox"
    slos: tuple[SloPlan, ...] = ()
    canary: str = ""
    """The word that every body of the run carries: where a log shows it, a body was logged."""
    proxy_version: str = ""
    """What the server that the run went through says of itself; empty before it runs."""
    proxy_why: str = ""
    """Why it was that one."""
    findings: tuple[Finding, ...] = ()
    """What is known of the server beforehand and concerns this run."""
    simulated: bool = False
    """Whether the stack stands in for a service that is not there."""
    load: LoadPlan | None = None
    """The crowd that was to write; None for a run without one."""
    caveats: tuple[str, ...] = ()
    """What is different there from what the faults mean to do."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths inside one run's folder."""

    path: Path

    @classmethod
    def create(cls, out: Path, run: str) -> RunFolder:
        """Make the folder and let ``latest`` beside it point to it."""
        folder = cls((out / run).absolute())
        try:
            folder.events.mkdir(parents=True)
            folder.logs.mkdir()
        except OSError as problem:
            reason = problem.strerror or str(problem)
            raise UsageError(f"cannot write to {out}: {reason}", hint="choose another folder with --out") from problem
        _point_latest(folder.path)
        return folder

    @property
    def events(self) -> Path:
        """Folder of the event files, one per writer."""
        return self.path / "events"

    @property
    def logs(self) -> Path:
        """Folder of the services' output."""
        return self.path / "logs"

    @property
    def journal(self) -> Path:
        """What has been applied and not yet undone."""
        return self.path / journal.NAME

    def write_facts(self, facts: RunFacts, scenario_text: str) -> None:
        """Write ``run.json`` and ``scenario.yaml``."""
        self._write("run.json", msgspec.json.format(msgspec.json.encode(facts), indent=1))
        self._write("scenario.yaml", scenario_text.encode())

    def note_proxy(self, kind: str, version: str) -> None:
        """Put the server that really runs into ``run.json``."""
        facts = self.read_facts()
        if facts is not None:
            noted = msgspec.structs.replace(facts, proxy=kind, proxy_version=version)
            self._write("run.json", msgspec.json.format(msgspec.json.encode(noted), indent=1))

    def read_facts(self) -> RunFacts | None:
        """Read ``run.json`` back; None when there is none."""
        try:
            return msgspec.json.decode((self.path / "run.json").read_bytes(), type=RunFacts)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as problem:
            raise UsageError(
                f"{self.path}/run.json cannot be read: {problem}",
                hint="judge its events alone: chat-chaos check EVENTS…",
            ) from problem

    def write_results(self, result: RunResult) -> None:
        """Write ``results.json`` and ``faults.json``."""
        self._write("results.json", msgspec.json.format(msgspec.json.encode(result), indent=1))
        self._write("faults.json", msgspec.json.format(msgspec.json.encode(result.faults), indent=1))

    def _write(self, name: str, content: bytes) -> None:
        # A reader never sees half a file: it is renamed into place once whole.
        part = self.path / f".{name}.part"
        part.write_bytes(content + b"\n")
        part.replace(self.path / name)


def _point_latest(path: Path) -> None:
    link = path.parent / LATEST
    part = path.parent / f".{LATEST}.{path.name}"
    # Without symbolic links (or with a real file of that name) `latest` is a convenience that is missing.
    with suppress(OSError):
        part.symlink_to(path.name)
        part.replace(link)
