"""What a launcher cannot do to a stack, so that a scenario that needs it is skipped with the reason."""

from __future__ import annotations

from harness.core.stack import StackSpec, base_link
from harness.stacks.external_plan import has_way

_CONTROL = "there is no control port: what it commands could not be taken back after a crash"
_EXTERNAL = (
    ("clock.server", "its clock is not the harness's to move"),
    ("rate_limit.", _CONTROL),
    ("token.", _CONTROL),
    ("push.", "its notifications go to a real provider, not to a simulator"),
)


def lacking(launcher: str, spec: StackSpec, *, kind: str, targets: str, target: str) -> str:
    """Return why a launcher has no means for a fault of this kind on this target; empty when it has.

    ``targets`` is what the kind acts on, as in ``harness.faults.api.FaultKind``.
    """
    if launcher != "external":
        return ""
    if targets == "link":
        return "" if has_way(spec, base_link(target)) else f"link {target} does not go through a proxy"
    if targets == "device":
        return ""
    reasons = (reason for prefix, reason in _EXTERNAL if kind.startswith(prefix))
    return f"{kind}: {next(reasons, f'{targets} {target} runs by itself, only links to it can be disturbed')}"
