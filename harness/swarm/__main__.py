"""``python -m harness.swarm --control-fd N``: the process that plays the people of one run."""

from __future__ import annotations

import argparse
import sys

from harness.swarm.process import main


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m harness.swarm", description=__doc__)
    parser.add_argument("--control-fd", type=int, required=True, help="inherited socket to the engine")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main(_arguments().control_fd))
