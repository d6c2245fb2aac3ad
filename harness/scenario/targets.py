"""What a fault acts on: the key that names it, whether that exists, and whether it is what the kind acts on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import get_args

from harness.core.stack import StackSpec
from harness.faults.api import FaultKind, Target
from harness.scenario.mistakes import Mistake
from harness.scenario.model import FaultModel
from harness.scenario.params import read_params
from harness.scenario.scene import Scene, unknown
from harness.scenario.yaml12 import Path

TARGETS: tuple[Target, ...] = get_args(Target)
NAMED: frozenset[Target] = frozenset({"link", "person", "device"})
"""Targets that a fault always names; a stack's only provider, or service that clients reach, need not be named."""
_OF_EVERY_FAULT = frozenset({"kind", "start"})


def target_of(kind: FaultKind, fault: FaultModel, stack: StackSpec | None) -> str | None:
    """Return the name of what a fault acts on: as given, or the only one there is."""
    given: str | None = getattr(fault, kind.targets)
    if given is not None or kind.targets in NAMED or stack is None:
        return given
    only = list(stack.providers) if kind.targets == "provider" else sorted(_reached_by_clients(stack))
    return only[0] if len(only) == 1 else None


def given_params(kind: FaultKind, fault: FaultModel) -> dict[str, object]:
    """Return what a fault gives as parameters, also those whose name is a target of other kinds."""
    shared = {key: getattr(fault, key) for key in TARGETS if key in kind.params}
    return {**(fault.model_extra or {}), **{key: value for key, value in shared.items() if value is not None}}


def known_keys(kind: FaultKind) -> frozenset[str]:
    """Return the keys beside the parameters that a fault of a kind may have."""
    return _OF_EVERY_FAULT | {kind.targets} | ({"for"} if kind.duration == "optional" else set())


def check_fault(scene: Scene, fault: FaultModel, path: Path) -> Iterator[Mistake]:
    """Yield everything that is wrong with a fault's kind, target and parameters."""
    kind = scene.vocabulary.kinds.get(fault.kind)
    if kind is None:
        yield unknown("fault kind", fault.kind, (*path, "kind"), scene.vocabulary.kinds)
        for target in TARGETS:
            if (name := getattr(fault, target)) is not None:
                yield from _some(_named(scene, target, name, (*path, target)))
        return
    yield from _target(scene, kind, fault, path)
    if kind.duration == "none" and fault.for_ is not None:
        instead = "restart_after" if "restart_after" in kind.params else ""
        hint = f"did you mean '{instead}'?" if instead else ""
        yield Mistake((*path, "for"), "unknown-key", f"{kind.kind} ends by itself: it has no 'for'", hint, on_key=True)
    given = given_params(kind, fault)
    yield from read_params(kind, given, path, known_keys(kind)).mistakes
    for name, param in kind.params.items():
        value = given.get(name)
        if param.type == "device" and isinstance(value, str):
            yield from _some(scene.device(value, (*path, name)))


def _target(scene: Scene, kind: FaultKind, fault: FaultModel, path: Path) -> Iterator[Mistake]:
    for other in TARGETS:
        if other != kind.targets and other not in kind.params and getattr(fault, other) is not None:
            text = f"{kind.kind} acts on a {kind.targets}, not on a {other}"
            yield Mistake((*path, other), "unknown-key", text, on_key=True)
    name = target_of(kind, fault, scene.stack)
    if name is not None:
        yield from _some(_named(scene, kind.targets, name, (*path, kind.targets)))
    elif kind.targets in NAMED or scene.stack is not None:
        text = f"{kind.kind} acts on a {kind.targets}: '{kind.targets}' is missing"
        hint = _which(kind.targets, scene.stack)
        none_there = (
            scene.stack is not None and kind.targets not in NAMED and not _candidates(kind.targets, scene.stack)
        )
        yield Mistake((*path, kind.targets), "unknown-name" if none_there else "missing-key", text, hint)


def _which(target: Target, stack: StackSpec | None) -> str:
    if stack is None or target in NAMED:
        return ""
    names = ", ".join(_candidates(target, stack))
    return f"known: {names}" if names else f"the stack '{stack.name}' has none"


def _named(scene: Scene, target: Target, name: str, path: Path) -> Mistake | None:
    """Return what is wrong with a mention of a target."""
    if target == "link":
        return scene.link(name, path)
    if target == "person":
        return scene.person(name, path)
    if target == "device":
        return scene.device(name, path)
    if scene.stack is None or name in (known := _candidates(target, scene.stack)):
        return None
    return unknown(target, name, path, known)


def _candidates(target: Target, stack: StackSpec) -> Mapping[str, object]:
    if target == "provider":
        return stack.providers
    return {**stack.services, **dict(_replicas(stack))}


def _replicas(stack: StackSpec) -> Iterator[tuple[str, object]]:
    """Each of several containers of a service: ``chat.1``."""
    for name, service in stack.services.items():
        if service.docker is not None and service.docker.replicas > 1:
            yield from ((f"{name}.{number}", service) for number in range(1, service.docker.replicas + 1))


def _reached_by_clients(stack: StackSpec) -> set[str]:
    return {link.service for link in stack.links.values() if link.source == "client"}


def _some(mistake: Mistake | None) -> tuple[Mistake, ...]:
    return () if mistake is None else (mistake,)
