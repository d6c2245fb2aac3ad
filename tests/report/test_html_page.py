"""The page of a run, as its folder tells it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from harness.core.errors import UsageError
from harness.core.plan import FaultPlan, Start
from harness.core.verdicts import Verdict
from harness.engine.folder import RunFolder
from harness.engine.judge import judge_folder
from harness.report.html.listener import HtmlReport
from harness.report.html.page import write_report
from harness.testing.histories import HistoryBuilder, at_ns

HOSTILE = '</script></title><img src=x onerror="alert(1)">'
_VOID = {"meta", "br", "img"}


class Outline(HTMLParser):
    """The elements of a page; fails where they do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element, which stays open unless it is void."""
        self.seen.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element that ends at once."""
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost open element."""
        assert self.open.pop() == tag

    @property
    def ids(self) -> list[str]:
        """Every id of the page."""
        return [values["id"] for _, values in self.seen if values.get("id")]  # type: ignore[misc]


def outline(page: str) -> Outline:
    """Parse a page."""
    parser = Outline()
    parser.feed(page)
    assert parser.open == []
    return parser


@pytest.fixture(scope="module")
def page(lost_message: Path) -> str:
    """The page of a run that lost a message."""
    return write_report(lost_message).read_text()


def test_a_lost_message_is_told_and_drawn(page: str) -> None:
    """Verdict, overview, the way of the message with the missing step, ladder, checks, levels, facts and logs."""
    assert outline(page).ids == [
        "replay",
        "messages",
        "check-acked_never_lost",
        "check-acked_never_lost-1",
        "faults",
        "promises",
        "checks",
        "slos",
        "facts",
    ]
    for words in (
        '<span class="badge fail">fail</span>',
        "A bad day",
        "is missing from the complete archive of alice and bob.",
        "never stored",
        "MISSING",
        "process.kill on ",
        "chat-chaos run scenarios/bad-day.chaos.yaml --seed 7",
    ):
        assert words in page


def test_log_lines_around_the_end_are_shown_with_the_ids_marked(page: str) -> None:
    """What the service wrote within two seconds, and nothing from later."""
    assert "<b>ack_sent</b>  message_id=<mark>s-m2</mark>" in page
    assert "shutdown" not in page.partition('class="log"')[2].partition("</pre>")[0]


def test_every_link_leads_somewhere_and_nothing_is_fetched(page: str) -> None:
    """The page works from a mail attachment: no address outside of it."""
    parsed = outline(page)
    links = [values["href"] for _, values in parsed.seen if values.get("href")]
    assert links
    assert {str(link).removeprefix("#") for link in links} <= set(parsed.ids)
    assert not any(values.get("src") for _, values in parsed.seen)


def test_foreign_text_never_becomes_markup(run_folder: Callable[..., Path]) -> None:
    """Ids, people, texts, file names and log lines of a hostile server are shown, not obeyed."""
    builder = HistoryBuilder().online("alice/phone", f"{HOSTILE}/phone")
    builder.send(HOSTILE, 3.0, to=HOSTILE, conversation=HOSTILE)
    builder.final_sync("alice/phone").archive(["alice", HOSTILE], [])
    folder = run_folder(builder, scenario=HOSTILE, replay=HOSTILE, mutant=HOSTILE, versions={HOSTILE: HOSTILE})
    (folder / "scenario.yaml").write_text(f"title: {HOSTILE}\n")
    line = json.dumps({"mono_ns": at_ns(3.0), "event": HOSTILE, "message_id": f"s-{HOSTILE}"})
    (folder / "logs" / "chat.log").write_text(f"{line}\n{HOSTILE}\n")
    page = outline(write_report(folder).read_text())
    assert [tag for tag, _ in page.seen].count("script") == 1
    assert "img" not in {tag for tag, _ in page.seen}
    assert not any(name.startswith("on") for _, values in page.seen for name in values)


def test_a_run_that_held_says_what_it_rests_on(run_folder: Callable[..., Path]) -> None:
    """A pass has an overview and its checks, and no section of broken promises."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone")
    message = builder.send("m", 3.0)
    builder.live(message, "bob/phone", 3.05).final_sync("alice/phone", "bob/phone").archive(["alice", "bob"], [message])
    page = write_report(run_folder(builder)).read_text()
    assert "Every promise held" in page
    assert outline(page).ids == ["replay", "messages", "promises", "checks", "slos", "facts"]


def test_a_run_killed_before_it_recorded_anything_has_a_page(run_folder: Callable[..., Path]) -> None:
    """There is nothing to draw, and the page says so."""
    folder = run_folder(HistoryBuilder())
    for file in (folder / "events").iterdir():
        file.unlink()
    page = write_report(folder).read_text()
    assert "Nothing was recorded." in page
    assert "it ended before anything was recorded" in page


def test_the_results_of_the_run_are_believed(lost_message: Path, tmp_path: Path) -> None:
    """Where there are results the page shows those; service levels come with whatever columns they have."""
    folder = shutil.copytree(lost_message, tmp_path / "run")
    result = judge_folder(folder)
    slo = {"id": "online_delivery_p95", "verdict": "inconclusive", "value_ms": 41.5, "samples": 12}
    RunFolder(folder).write_results(msgspec.structs.replace(result, verdict=Verdict.ERROR, slos=(slo,)))
    page = write_report(folder).read_text()
    assert '<span class="badge error">error</span>' in page
    assert "<code>online_delivery_p95</code>" in page
    assert "<td>41.5</td>" in page


def test_violations_are_gathered_by_cause(run_folder: Callable[..., Path]) -> None:
    """What broke alike is counted once, with one example; a message beside the fault is another cause."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone").fault("crash", 3.0, 4.0)
    for number in range(5):
        builder.send(f"in-{number}", 3.0 + number / 100)
    builder.send("out", 12.0)
    builder.final_sync("alice/phone", "bob/phone").archive(["alice", "bob"], [])
    folder = run_folder(builder, FaultPlan("crash", "network.down", "client->chat", Start(at_s=1), 1.0))
    page = write_report(folder).read_text()
    assert "It broke in 2 ways" in page
    assert "and 4 like it" in page
    assert outline(page).ids.count("check-acked_never_lost-2") == 1


def test_a_message_to_a_device_is_told_with_the_device_that_lacks_it(run_folder: Callable[..., Path]) -> None:
    """The lane of the device is drawn, though nobody ever saw the message there."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone").to_device("k", 3.0, "bob/phone")
    page = write_report(run_folder(builder.final_sync("alice/phone", "bob/phone"))).read_text()
    assert outline(page).ids.count("check-to_device-1") == 1
    assert "bob/phone the device never got it" in page
    assert re.search(r"<text[^>]*>bob/phone</text>", page)


def test_violations_of_a_naive_client_are_gathered_too(run_folder: Callable[..., Path]) -> None:
    """A page that looks at the history again looks with the same eyes as the judge: all seven are counted."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone")
    for number in range(7):
        message = builder.send(f"storm-{number}", 2.0 + number * 3, answers=(None,))
        for attempt in range(2, 15):
            builder.attempt(message, attempt, 2.0 + number * 3 + attempt / 50, None)
    builder.final_sync("alice/phone", "bob/phone").archive(["alice", "bob"], [])
    page = write_report(run_folder(builder, client="naive")).read_text()
    assert "and 6 like it" in page


@pytest.mark.slow
def test_a_long_bad_run_stays_small(run_folder: Callable[..., Path]) -> None:
    """Thousands of lost messages make a page below 500 KB that still counts them all."""
    builder = HistoryBuilder().online("alice/phone", "bob/phone", "bob/laptop")
    for number in range(3000):
        builder.send(f"{number:0>40}", 1.0 + number / 400)
    builder.final_sync("alice/phone", "bob/phone", "bob/laptop").archive(["alice", "bob"], [])
    path = write_report(run_folder(builder))
    assert path.stat().st_size < 500_000
    assert "3000 lost" in path.read_text()


def test_a_folder_of_something_else_is_named(tmp_path: Path) -> None:
    """No page without a run."""
    with pytest.raises(UsageError, match="is no run folder"):
        write_report(tmp_path)


def test_each_judged_run_leaves_its_page(lost_message: Path, tmp_path: Path) -> None:
    """The page is written without a word."""
    folder = shutil.copytree(lost_message, tmp_path / "run", ignore=shutil.ignore_patterns("report.html"))
    warnings: list[str] = []
    HtmlReport(warnings.append)(folder)
    assert (folder / "report.html").is_file()
    assert warnings == []


def test_a_page_that_cannot_be_written_does_not_end_the_session(tmp_path: Path) -> None:
    """The verdict stands; the warning says what went wrong and how to try again."""
    warnings: list[str] = []
    HtmlReport(warnings.append)(tmp_path)
    [warning] = warnings
    assert "is no run folder" in warning
    assert f"chat-chaos report {tmp_path}" in warning
