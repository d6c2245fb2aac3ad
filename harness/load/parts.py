"""Many swarms as one: how a crowd is divided among them, and how their answers add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Answer = dict[str, Any]


def parts(people: int, swarms: int) -> list[int]:
    """Return how many people each swarm plays; pairs stay together, so there are at most as many swarms as pairs."""
    pairs, odd = divmod(people, 2)
    count = max(1, min(swarms, pairs))
    sizes = [2 * len(range(index, pairs, count)) for index in range(count)]
    sizes[0] += odd
    return sizes


def online(number: int, sizes: Sequence[int]) -> list[int]:
    """Return how many people of each swarm are online when ``number`` of all are: pair after pair, from all in turn."""
    pairs, odd = divmod(min(number, sum(sizes)), 2)
    found = [min(2 * len(range(index, pairs, len(sizes))), size) for index, size in enumerate(sizes)]
    if odd:
        turn = pairs % len(sizes)
        found[turn if found[turn] < sizes[turn] else 0] += 1
    return found


def configurations(command: Mapping[str, Any], swarms: int) -> list[Answer]:
    """Divide the command ``configure``; the people whom the scenario names are the first part's."""
    crowd = command["crowd"]
    found: list[Answer] = []
    first = crowd["first"]
    for size in parts(crowd["people"], swarms):
        part = {**crowd, "first": first, "people": size, "rate_per_s": crowd["rate_per_s"] * size / crowd["people"]}
        alone: Answer = {} if not found else {"people": [], "workloads": []}
        found.append({**command, **alone, "crowd": part})
        first += size
    return found


def merged(answers: Sequence[Mapping[str, Any]]) -> Answer:
    """Return several swarms' answers to one command as one: the first that failed, or what they come to together."""
    for answer in answers:
        if not answer["ok"]:
            return dict(answer)
    return {key: _together(key, [answer[key] for answer in answers]) for key in answers[0] if key != "id"}


def _together(key: str, values: Sequence[Any]) -> Any:
    match values[0]:
        case bool():
            return all(values)
        case str():
            return ",".join(values)
        case list():
            return [one for value in values for one in value]
        case _:
            return max(values) if key == "lag_ms" else sum(values)
