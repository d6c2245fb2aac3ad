"""Removes what a run made in Docker, by its label: containers, networks, volumes, after saving the last words.

No helper container and no SDK: the watcher does it when the harness has died, the next start does it for those whose
watcher died too, and an orderly end does it the same way. Imported by the watcher: keep the imports light.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from harness.stacks import docker_labels
from harness.stacks.docker_engine import Engine, EngineTrouble, plain

CALL_WITHIN_S = 5.0
REMOVED_WITHIN_S = 10.0
"""One container may wait for all the others: the kernel's packet filter is changed by one at a time."""
PAUSE_S = 0.2
BOTH = {"stdout": "1", "stderr": "1"}


@dataclass(frozen=True, slots=True)
class Thing:
    """A container, network or volume; ``kind`` is its part of the engine's paths.

    ``open_to`` are the networks by which a container could reach others, in the order in which the engine prefers
    them: by the first its ports are published.
    """

    kind: str
    id: str
    labels: Mapping[str, str]
    open_to: tuple[str, ...] = ()


def things(engine: Engine, label: str) -> list[Thing]:
    """Return everything with a label; raises ``EngineTrouble``."""
    containers = engine.listed("/containers/json", label, within_s=CALL_WITHIN_S, query={"all": "1"})
    networks = engine.listed("/networks", label, within_s=CALL_WITHIN_S)
    volumes = engine.listed("/volumes", label, within_s=CALL_WITHIN_S)
    ways_out = {each["Name"]: each["Id"] for each in networks if not each["Internal"]}
    return [
        *(Thing("containers", each["Id"], _labels(each), _open_to(each, ways_out)) for each in containers),
        *(Thing("networks", each["Id"], _labels(each)) for each in networks),
        *(Thing("volumes", each["Name"], _labels(each)) for each in volumes),
    ]


def remove_run(engine: Engine, run: str, *, within_s: float, settle_s: float = 0.0) -> int:
    """Remove everything of a run and return how many things were left when the time was over.

    For ``settle_s`` it looks again even if there is nothing: what a dead harness asked for last may still come.
    Raises ``EngineTrouble`` when the engine does not tell what there is.
    """
    began = time.monotonic()
    while True:
        found = things(engine, f"{docker_labels.RUN}={run}")
        spent = time.monotonic() - began
        if spent > within_s or (not found and spent >= settle_s):
            return len(found)
        if not found:
            time.sleep(PAUSE_S)
        together([_removal(engine, thing) for thing in found if thing.kind == "containers"])
        together([_removal(engine, thing) for thing in found if thing.kind != "containers"])


def sweep(engine: Engine, *, within_s: float) -> list[str]:
    """Remove what dead owners left and return their runs; runs in progress are not touched.

    Raises ``EngineTrouble`` when the engine does not tell what there is.
    """
    end = time.monotonic() + within_s
    dead = list(dict.fromkeys(_orphans(things(engine, docker_labels.RUN))))
    together([_run_removal(engine, run, end) for run in dead])
    return dead


def together(jobs: Sequence[Callable[[], None]]) -> None:
    """Do all at once, each in a thread of its own, and wait for them."""
    threads = [threading.Thread(target=job, name="docker removal") for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _orphans(found: Sequence[Thing]) -> Iterator[str]:
    for thing in found:
        if docker_labels.orphaned(thing.labels):
            yield thing.labels[docker_labels.RUN]


def _run_removal(engine: Engine, run: str, end: float) -> Callable[[], None]:
    def remove() -> None:
        with suppress(EngineTrouble):  # tried again by the next sweep
            remove_run(engine, run, within_s=max(0.0, end - time.monotonic()))

    return remove


def _removal(engine: Engine, thing: Thing) -> Callable[[], None]:
    """What is in use, or is being removed by somebody else, is seen again in the next round."""

    def remove() -> None:
        if thing.kind == "containers":
            save_log(engine, thing)
            _leave(engine, thing)
        with suppress(EngineTrouble):
            engine.call("DELETE", f"/{thing.kind}/{thing.id}", within_s=REMOVED_WITHIN_S, query=_FORCE[thing.kind])

    return remove


_FORCE: Mapping[str, Mapping[str, str]] = {
    "containers": {"force": "1", "v": "1"},
    "networks": {},
    "volumes": {"force": "1"},
}


def save_log(engine: Engine, thing: Thing) -> None:
    """Write all that a container ever wrote to the file of its role among the run's logs; as well as it goes."""
    folder, role = thing.labels.get(docker_labels.LOGS, ""), thing.labels.get(docker_labels.ROLE, "")
    if not role or not os.path.isdir(folder):  # noqa: PTH112 - pathlib would double the watcher's start
        return
    with suppress(EngineTrouble, OSError):
        path = f"/containers/{thing.id}/logs"
        said = plain(engine.stream("GET", path, within_s=CALL_WITHIN_S, query=BOTH))
        target = os.path.join(folder, f"{role}.log")  # noqa: PTH118 - same
        with open(f"{target}.part", "wb") as file:  # noqa: PTH123 - same
            file.writelines(said)
        os.replace(f"{target}.part", target)  # noqa: PTH105 - same


def _leave(engine: Engine, thing: Thing) -> None:
    """Take a container off all open networks but the preferred one.

    The engine would begin with that one, publish all ports anew on the next, and so on, which takes seconds.
    """
    for network in thing.open_to[1:]:
        with suppress(EngineTrouble):
            body = {"Container": thing.id, "Force": True}
            engine.call("POST", f"/networks/{network}/disconnect", within_s=CALL_WITHIN_S, body=body)


def _open_to(container: Mapping[str, Any], ways_out: Mapping[str, str]) -> tuple[str, ...]:
    joined = container.get("NetworkSettings", {}).get("Networks") or {}
    return tuple(ways_out[name] for name in sorted(joined) if name in ways_out)


def _labels(each: Mapping[str, Any]) -> Mapping[str, str]:
    return each.get("Labels") or {}
