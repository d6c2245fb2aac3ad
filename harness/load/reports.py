"""What Locust shows and writes: its page, its CSV files, its HTML report."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

import gevent
from locust.env import Environment
from locust.html import get_html_report
from locust.stats import PERCENTILES_TO_REPORT, StatsCSV, StatsCSVFileWriter, stats_history

LOOPBACK = "127.0.0.1"


@dataclass(slots=True)
class Reports:
    """What was asked for; each may be left out."""

    csv: str | None = None
    html: Path | None = None
    web: int | None = None
    _writing: list[gevent.Greenlet] = field(default_factory=list)

    def start(self, environment: Environment) -> None:
        """Begin to write and show; the page is for this machine only."""
        gevent.spawn(stats_history, environment.runner)
        writer = None
        if self.csv is not None:
            writer = StatsCSVFileWriter(environment, PERCENTILES_TO_REPORT, self.csv, full_history=True)
            self._writing.append(gevent.spawn(writer.stats_writer))
        if self.web is not None:
            environment.create_web_ui(LOOPBACK, self.web, stats_csv_writer=writer)

    def finish(self, environment: Environment) -> None:
        """Write what is known only now."""
        gevent.killall(self._writing)
        if self.csv is not None:
            # Locust's own writer is a second behind.
            final = StatsCSV(environment, PERCENTILES_TO_REPORT)
            for part, write in (("stats", final.requests_csv), ("failures", final.failures_csv)):
                with Path(f"{self.csv}_{part}.csv").open("w", newline="") as file:
                    write(csv.writer(file))
        if self.html is not None:
            self.html.write_text(get_html_report(environment, show_download_link=False))  # type: ignore[no-untyped-call]
