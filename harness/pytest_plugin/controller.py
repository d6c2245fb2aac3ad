"""Speaks for the whole session, parallel or not: a line about all scenarios, and what GitHub Actions shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from harness.pytest_plugin import github


class Controller:
    """Hears of every test; registered where the terminal is, never in a worker."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._told: list[github.Told] = []
        self._seeds: set[int] = set()
        self._diagnostics: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of a scenario that was judged."""
        known = dict(report.user_properties)
        if report.when != "call" or "chaos_verdict" not in known:
            return
        file, line, name = report.location
        reason = "" if known["chaos_counts_as"] == known["chaos_verdict"] == "pass" else str(known["chaos_reason"])
        verdict = _in_full(known)
        told = github.Told(file, (line or 0) + 1, name, verdict, reason, str(known["chaos_folder"]))
        self._told.append(told)
        self._seeds.add(int(str(known["chaos_seed"])))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take note of a bad file."""
        self._diagnostics += getattr(report, "chaos_diagnostics", [])

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Close with how many scenarios came to which verdict, and the seed that repeats them."""
        if self._told:
            tally = Counter(one.verdict for one in self._told)
            counts = ", ".join(f"{tally[verdict]} {verdict}" for verdict in sorted(tally))
            seeds = ", ".join(map(str, sorted(self._seeds)))
            terminalreporter.write_line(f"chat-chaos: {counts} (again: --chaos-seed {seeds})")
        if github.active():
            told = [] if any(map(self._config.pluginmanager.hasplugin, github.OTHERS)) else self._told
            for line in github.workflow_commands(told, self._diagnostics):
                terminalreporter.write_line(line)
            github.write_summary(self._told)


def _in_full(known: Mapping[str, object]) -> str:
    """The verdict, and that it was listed beforehand, or should have been."""
    verdict, counts_as = str(known["chaos_verdict"]), str(known["chaos_counts_as"])
    if counts_as == verdict:
        return verdict
    return f"{verdict} (expected)" if counts_as == "pass" else f"{verdict} (unexpected)"
