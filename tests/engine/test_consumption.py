"""What the parts of a run used, from the file of samples to the results."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from harness.engine.consumption import NAME, Sample, consumption, other_work, read_samples, unmeasured
from harness.report.text import describe_resources
from harness.testing.results import judged

S = 1_000_000_000


def sample(part: str, at_s: float, **figures: float | str) -> Sample:
    """A line of the file."""
    known = {"cpu": 0.5, "busiest": 0.5, "memory": 10, "files": 3, "processes": 1} | figures
    side = {"of": "stack" if part == "chat" else "ours"}
    return msgspec.convert({"v": 1, "mono_ns": round(at_s * S), "part": part} | side | known, Sample)


def test_only_the_time_in_which_people_wrote_counts() -> None:
    """Making accounts and reading archives is work, but nobody waits for it; peaks and means are per part."""
    samples = [
        sample("chat", 1.0, cpu=1.9, memory=900),
        sample("chat", 5.0, cpu=0.2, memory=100, files=7),
        sample("chat", 6.0, cpu=0.8, busiest=0.6, memory=300, files=5, processes=2),
        sample("chat", 99.0, cpu=1.9),
        sample("proxy", 5.0, cpu=0.9),
    ]
    chat, proxy = consumption(samples, 2 * S, 10 * S)
    assert (chat.part, chat.of, chat.samples) == ("chat", "stack", 2)
    assert (chat.cpu_mean, chat.cpu_max, chat.busiest_max) == (0.5, 0.8, 0.6)
    assert (chat.memory_max, chat.files_max, chat.processes_max) == (300, 7, 2)
    assert (proxy.part, proxy.of) == ("proxy", "ours")


def test_the_whole_machine_comes_last() -> None:
    """Whoever else works there is nobody's part, however busy."""
    load = sample("machine", 5.0, cpu=1.9, cores=2, of="all")
    *_, last = consumption([load, sample("chat", 5.0), sample("proxy", 5.0)], 0, 10 * S)
    assert (last.part, last.cpu_max, last.cores) == ("machine", 1.9, 2)
    told = describe_resources(judged(resources=consumption([load, sample("chat", 5.0)], 0, 10 * S)))
    assert told[-1] == "machine: 1.90 of 2 cores busy, 0.50 of them with this run; 0 MB in use"


@pytest.mark.parametrize(
    ("busy", "own", "blamed"),
    [(1.95, 0.35, True), (1.95, 1.7, False), (1.2, 0.2, False)],
    ids=["crowded", "own", "idle"],
)
def test_other_work_is_blamed_only_for_a_full_machine(busy: float, own: float, blamed: bool) -> None:
    """Where cores are idle, or the run had them itself, nobody else made it slow."""
    samples = [sample("machine", 5.0, cpu=busy, cores=2, of="all"), sample("chat", 5.0, cpu=own)]
    told = other_work(consumption(samples, 0, 10 * S))
    assert bool(told) is blamed
    assert not blamed or "1.6 of its 2 cores" in told
    services_elsewhere = [samples[0], sample("people", 5.0, cpu=own)]
    assert other_work(consumption(services_elsewhere, 0, 10 * S)) == ""


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    """The sampler may be killed in the middle of a write, and a run without a crowd has no file."""
    assert read_samples(tmp_path) == []
    line = msgspec.json.encode(sample("chat", 1.0)) + b"\n"
    (tmp_path / NAME).write_bytes(line + line + line[:30])
    assert len(read_samples(tmp_path)) == 2


def test_what_cannot_be_measured_is_said() -> None:
    """Services on another machine are unsupported, with the reason; the figures of the harness do not hide it."""
    ours = consumption([sample("proxy", 5.0)], 0, 10 * S)
    assert "only their operator can look" in unmeasured(ours, "external")
    assert "unsupported" in unmeasured(ours, "docker")
    assert unmeasured(consumption([sample("chat", 5.0)], 0, 10 * S), "embedded") == ""
