"""``python -m harness.load.work``: one of Locust's workers, which plays people for a master."""

from __future__ import annotations

import argparse
import sys

from harness.core.errors import ChatChaosError, EnvironmentFault
from harness.load.starting import start_swarm


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m harness.load.work", description=__doc__)
    parser.add_argument("--master-host", required=True, help="where the master listens")
    parser.add_argument("--master-port", type=int, required=True, help="its port")
    parser.add_argument("--swarms", type=int, default=1, help="processes that play the people")
    parser.add_argument("--with-parent", action="store_true", help="end when the standard input does")
    return parser.parse_args()


def main() -> int:
    """Work until the master says that it is over; returns the exit code."""
    chosen = _arguments()
    del sys.argv[1:]  # Locust reads them as if they were its own
    started = [start_swarm() for _ in range(chosen.swarms)]
    from harness.load.worker import work  # noqa: PLC0415 - loads Locust: a second in which the swarms load, too

    try:
        work(started, chosen.master_host, chosen.master_port, with_parent=chosen.with_parent)
    except ConnectionError:
        return _told(
            EnvironmentFault(
                f"there is no master at {chosen.master_host}:{chosen.master_port}",
                hint="start it first: chat-chaos load FILE --master --expect-workers N --master-bind-host ADDRESS",
            )
        )
    except ChatChaosError as problem:
        return _told(problem)
    return 0


def _told(problem: ChatChaosError) -> int:
    sys.stderr.write(f"{problem}\n")
    return problem.exit_code


if __name__ == "__main__":
    sys.exit(main())
