"""``python -m harness.load --control-fd N``: plays the people of one run by many swarms, conducted by Locust."""

from __future__ import annotations

import argparse
import socket
import sys
from pathlib import Path

from harness.load.starting import start_swarm
from harness.load.wire import Wire


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m harness.load", description=__doc__)
    parser.add_argument("--control-fd", type=int, required=True, help="inherited socket to the engine")
    parser.add_argument("--swarms", type=int, default=1, help="processes that play the people, of each worker")
    parser.add_argument("--csv", help="prefix of Locust's CSV files")
    parser.add_argument("--html", type=Path, help="file of Locust's report")
    parser.add_argument("--web", type=int, help="port of Locust's page")
    parser.add_argument("--processes", type=int, default=0, help="Locust workers to start here")
    parser.add_argument("--expect-workers", type=int, default=0, help="Locust workers that are started elsewhere")
    parser.add_argument("--bind-host", default="127.0.0.1", help="address at which workers join")
    parser.add_argument("--bind-port", type=int, default=0, help="its port; 0: any")
    parser.add_argument("--within", type=float, default=20.0, help="seconds in which all workers join")
    return parser.parse_args()


def main() -> None:
    """Conduct until the engine says that it is over."""
    chosen = _arguments()
    del sys.argv[1:]  # Locust's page reads them as if they were Locust's own
    alone = not chosen.processes and not chosen.expect_workers
    started = [start_swarm() for _ in range(chosen.swarms)] if alone else []
    from harness.load.conducting import conduct, lead  # noqa: PLC0415 - loads Locust, while the swarms load, too
    from harness.load.reports import Reports  # noqa: PLC0415 - the same
    from harness.load.workers import Post  # noqa: PLC0415 - the same

    engine, reports = Wire(socket.socket(fileno=chosen.control_fd)), Reports(chosen.csv, chosen.html, chosen.web)
    if alone:
        conduct(engine, started, reports)
        return
    post = Post(
        chosen.bind_host, chosen.bind_port, chosen.processes, chosen.expect_workers, chosen.swarms, chosen.within
    )
    lead(engine, post, reports)


if __name__ == "__main__":
    main()
