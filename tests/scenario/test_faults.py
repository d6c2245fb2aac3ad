"""What faults act on, and their parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.core.plan import ScenarioPlan
from harness.core.stack import LinkSpec, ServiceSpec, StackSpec
from harness.scenario.stackfile import load_stack
from harness.scenario.vocabulary import installed

Load = Callable[..., list[ScenarioPlan]]
Change = Callable[[str, str], str]
FAULT = 'network.down, link: "client:alice->chat", start: {at: 1s}, for: 1s'


@pytest.fixture(scope="module")
def stack() -> StackSpec:
    """A stack with two services and two providers."""
    base = load_stack("reference")
    return replace(
        base,
        services={**base.services, "db": ServiceSpec("db", None, None)},
        links={**base.links, "chat->push": LinkSpec("chat->push", "chat", "push")},
        providers={"push": "unipush", "texts": "unipush"},
    )


def _only(load: Load, change: Change, stack: StackSpec, fault: str) -> ScenarioPlan:
    (plan,) = load(change(FAULT, fault), stack=stack)
    return plan


@pytest.mark.parametrize(
    ("fault", "target", "params"),
    [
        ('network.down, link: "client:alice/laptop->chat", start: {at: 1s}', "client:alice/laptop->chat", {}),
        ('network.down, link: "client:bob->auth", start: {at: 1s}', "client:bob->auth", {}),
        ('network.down, link: "chat->push", start: {at: 1s}', "chat->push", {}),
        ("clock.device, device: alice/laptop, offset: +90s, start: {at: 0s}", "alice/laptop", {"offset": 90.0}),
        ("clock.server, service: chat, offset: -1h, start: {at: 0s}", "chat", {"offset": -3600.0}),
        ("token.expire, person: alice, start: {at: 1s}", "alice", {}),
        (
            "rate_limit.lower, service: chat, scope: global, limit: 30/m, start: {at: 1s}",
            "chat",
            {"scope": "global", "limit": 0.5},
        ),
        (
            "push.reject, provider: push, answer: throttled, share: 50%, retry_after: 2s, start: {at: 1s}",
            "push",
            {"answer": "throttled", "share": 0.5, "retry_after": 2.0},
        ),
        (
            "push.reject, provider: texts, answer: hang, device: bob/phone, start: {at: 1s}",
            "texts",
            {"answer": "hang", "share": 1.0, "device": "bob/phone"},
        ),
    ],
)
def test_targets(
    load: Load, change: Change, stack: StackSpec, fault: str, target: str, params: dict[str, object]
) -> None:
    """Each kind takes the key that names what it acts on, and its parameters as plain numbers."""
    found = _only(load, change, stack, fault).faults[0]
    assert (found.target, found.params) == (target, params)


def test_a_devices_own_edge(load: Load, change: Change, stack: StackSpec) -> None:
    """A device that a fault names is told to the launcher by its id."""
    plan = _only(load, change, stack, 'network.down, link: "client:alice/laptop->chat", start: {at: 1s}')
    assert plan.fault_people == {"alice/laptop"}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            'network.down, link: "client:alice/latop->chat", start: {at: 1s}',
            "11:35: error[unknown-name]: no device is called 'alice/latop'\n  did you mean 'alice/laptop'?",
        ),
        (
            'network.down, link: "chat:alice->push", start: {at: 1s}',
            (
                "11:35: error[unknown-name]: the stack has one 'chat->push' for everybody, none for a single person\n"
                "  write 'chat->push'"
            ),
        ),
        (
            "clock.device, device: alice, offset: 1s, start: {at: 1s}",
            "11:37: error[bad-value]: 'alice' is not a device\n  write PERSON/DEVICE, as in 'bob/phone'",
        ),
        (
            "clock.device, device: alice/phone, offset: 90, start: {at: 1s}",
            "11:58: error[bad-value]: 90 has no unit: an offset is written like +1h or -5m",
        ),
        (
            "token.expire, persn: alice, start: {at: 1s}",
            (
                "11:3: error[missing-key]: token.expire acts on a person: 'person' is missing\n"
                "11:29: error[unknown-key]: token.expire has no 'persn'\n  did you mean 'person'?"
            ),
        ),
        (
            "token.expire, person: alicia, start: {at: 1s}",
            "11:37: error[unknown-name]: no person is called 'alicia'\n  did you mean 'alice'?",
        ),
        (
            "token.expire, person: alice, start: {at: 1s}, for: 1s",
            "11:61: error[unknown-key]: token.expire ends by itself: it has no 'for'",
        ),
        (
            "token.expire, device: alice/phone, person: alice, start: {at: 1s}",
            "11:29: error[unknown-key]: token.expire acts on a person, not on a device",
        ),
        (
            "push.reject, provider: psh, answer: hang, start: {at: 1s}",
            "11:38: error[unknown-name]: no provider is called 'psh'\n  did you mean 'push'?",
        ),
        (
            "push.reject, answer: hang, start: {at: 1s}",
            "11:3: error[missing-key]: push.reject acts on a provider: 'provider' is missing\n  known: push, texts",
        ),
        (
            "push.reject, provider: push, device: bob/fone, answer: hang, start: {at: 1s}",
            "11:52: error[unknown-name]: no device is called 'bob/fone'\n  did you mean 'bob/phone'?",
        ),
        (
            "push.reject, provider: push, answer: unregisterd, start: {at: 1s}",
            (
                "11:52: error[bad-value]: 'unregisterd' is not one of unregistered, throttled, server_error, hang, "
                "accepted_never_shown; did you mean 'unregistered'?"
            ),
        ),
        (
            "push.reject, provider: push, answer: hang, share: 0.5, start: {at: 1s}",
            "11:65: error[bad-value]: 0.5 has no unit: a percentage is written like 5% or 100%",
        ),
        (
            "rate_limit.lower, limit: 1/h, start: {at: 1s}, service: chat",
            "11:40: error[bad-value]: '1/h' is too small: at least 36/h",
        ),
        (
            "token.expired, person: alicia, start: {at: 1s}",
            (
                "11:15: error[unknown-name]: no fault kind is called 'token.expired'\n  did you mean 'token.expire'?\n"
                "11:38: error[unknown-name]: no person is called 'alicia'\n  did you mean 'alice'?"
            ),
        ),
    ],
)
def test_what_does_not_fit(
    complaint: Callable[..., str], change: Change, stack: StackSpec, fault: str, said: str
) -> None:
    """A target of the wrong kind, a missing or unknown one and a bad parameter are shown with the way out."""
    assert _brief(complaint(change(FAULT, fault), stack=stack)) == said


def _brief(text: str) -> str:
    """Leave out the file and its lines."""
    lines = [line for line in text.splitlines() if not line.startswith("    ")]
    return "\n".join(line.removeprefix("bad.chaos.yaml:") for line in lines)


def test_a_stacks_only_provider_need_not_be_named(load: Load, change: Change, stack: StackSpec) -> None:
    """Where a stack has one provider, or one service that clients reach, a fault that names none means it."""
    one = replace(stack, providers={"push": "unipush"})
    plan = _only(load, change, one, "push.reject, answer: hang, start: {at: 1s}")
    assert plan.faults[0].target == "push"
    plan = _only(load, change, one, "rate_limit.lower, limit: 1/s, start: {at: 1s}")
    assert plan.faults[0].target == "chat"


def test_a_stack_without_providers(complaint: Callable[..., str], load: Load, change: Change, stack: StackSpec) -> None:
    """A push fault on a stack that pushes nothing is a mistake where no stack pushes, else the plan says so."""
    silent = replace(stack, providers={})
    fault = "push.reject, answer: hang, start: {at: 1s}"
    assert _only(load, change, silent, fault).absent == ("push.reject acts on a provider: 'provider' is missing",)
    text = complaint(change(FAULT, fault).replace("rate: 5/s", "rate: fast"), stack=silent)
    assert "push.reject acts on a provider: 'provider' is missing" in text
    assert text.endswith("the stack 'reference' has none")


def test_faults_bring_their_needs(load: Load, change: Change, stack: StackSpec) -> None:
    """What a kind, a group or a push token cannot do without is needed by the scenario, named there or not."""
    text = change(FAULT, "clock.server, service: chat, offset: 1h, start: {at: 1s}")
    text = text.replace("bob: {devices: [phone]}", "bob: {push: true}")
    text = text.replace("phases:", "  - {kind: group, members: [alice, bob], rate: 1/s}\nphases:")
    (plan,) = load(f"{text}needs: [groups, other]\n", stack=stack)
    assert plan.needs == ("groups", "other", "server_clock", "push")


def test_clients_with_defects(load: Load, scenario: str) -> None:
    """A naive client's defects go to the plan, and a scenario may promise to catch them."""
    words = replace(installed(), defects=("resends_with_new_id",))
    text = scenario + "client: naive\ndefects: [resends_with_new_id]\n"
    (plan,) = load(text + "expect: {catches: {resends_with_new_id: no_duplicates}}\n", vocabulary=words)
    assert (plan.client, plan.defects) == ("naive", ("resends_with_new_id",))
    assert plan.catches == {"resends_with_new_id": "no_duplicates"}


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (
            "client: naive\n",
            (
                "12:9: error[bad-value]: a naive client is a correct one with 'defects'; none is listed\n"
                "  known: resends_with_new_id"
            ),
        ),
        (
            "client: naive\ndefects: [resends_with_newid]\n",
            (
                "13:11: error[unknown-name]: no defect is called 'resends_with_newid'\n"
                "  did you mean 'resends_with_new_id'?"
            ),
        ),
        (
            "defects: [resends_with_new_id]\n",
            "12:10: error[bad-value]: only a naive client has defects\n  write 'client: naive'",
        ),
    ],
)
def test_defects_that_make_no_sense(complaint: Callable[..., str], scenario: str, extra: str, said: str) -> None:
    """A naive client has known defects, a correct one has none."""
    words = replace(installed(), defects=("resends_with_new_id",))
    assert _brief(complaint(scenario + extra, vocabulary=words)) == said
