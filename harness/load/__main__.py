"""``python -m harness.load --control-fd N``: plays the people of one run by many swarms, conducted by Locust."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.load.starting import start_swarm


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m harness.load", description=__doc__)
    parser.add_argument("--control-fd", type=int, required=True, help="inherited socket to the engine")
    parser.add_argument("--swarms", type=int, default=1, help="processes that play the people")
    parser.add_argument("--csv", help="prefix of Locust's CSV files")
    parser.add_argument("--html", type=Path, help="file of Locust's report")
    parser.add_argument("--web", type=int, help="port of Locust's page")
    return parser.parse_args()


def main() -> None:
    """Conduct until the engine says that it is over."""
    chosen = _arguments()
    del sys.argv[1:]  # Locust's page reads them as if they were Locust's own
    started = [start_swarm() for _ in range(chosen.swarms)]
    from harness.load.conductor import conduct  # noqa: PLC0415 - loads Locust: a second in which the swarms load, too
    from harness.load.reports import Reports  # noqa: PLC0415 - the same

    conduct(chosen.control_fd, started, Reports(chosen.csv, chosen.html, chosen.web))


if __name__ == "__main__":
    main()
