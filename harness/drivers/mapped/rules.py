"""What a frame of the live connection is: an answer to somebody, something that the service says, or nothing known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.drivers.api import Delivered, Receipt, TokenRejected
from harness.drivers.mapped.file import requests
from harness.drivers.mapped.misfit import Misfit, Proofs
from harness.drivers.mapped.model import MappingModel, RequestModel, Scalar
from harness.drivers.mapped.paths import MISSING, FieldPath, shape
from harness.drivers.mapped.reading import Names, listed, matches, message_facts, receipt, text
from harness.drivers.mapped.templates import PLACEHOLDER, Values, render

When = Mapping[FieldPath, tuple[Scalar, ...]]
_SHORT = 40


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What an answer to one request looks like; ``error`` is how its refusal does."""

    rule: str
    answer: When
    error: When | None

    def takes(self, frame: Any) -> bool:
        """Tell whether a frame answers the request."""
        return matches(self.answer, frame) or self.refuses(frame)

    def refuses(self, frame: Any) -> bool:
        """Tell whether a frame is the request's refusal."""
        return self.error is not None and matches(self.error, frame)


Pushed = Delivered | Receipt | TokenRejected


class Rules:
    """The rules of one mapping for what comes over a live connection."""

    def __init__(self, model: MappingModel, names: Names, proofs: Proofs) -> None:
        self._model = model
        self._names = names
        self._proofs = proofs
        self._answers = dict(_shapes(model))

    def asked(self, rule: str, request: RequestModel, values: Values) -> Asked | None:
        """Return how to recognise the answer to a request, None when there is none."""
        if request.answer is None:
            return None
        error = self._model.error
        refused = None if error is None else filled(error.when, values)
        return Asked(rule, filled(request.answer.when, values), refused)

    def pushed(self, frame: Any) -> list[Pushed] | None:
        """Return what the service says with a frame of its own, None when it is none; raises ``Misfit``."""
        model = self._model
        if matches(model.deliver.when, frame):
            return self._delivered(frame)
        if model.receipt is not None and matches(model.receipt.when, frame):
            found = receipt("receipt", model.receipt, frame, self._names, model.states)
            self._proofs.fitted("receipt")
            return [found]
        if model.rejected is not None and matches(model.rejected.when, frame):
            return [TokenRejected(text("rejected", "code", model.rejected.code, frame) or "token_rejected")]
        return None

    def reply(self, frame: Any, values: Values) -> Any | None:
        """Return what to answer to a frame that wants an answer."""
        reply = self._model.reply
        return render(reply.frame, values) if reply is not None and matches(reply.when, frame) else None

    def known(self, frame: Any) -> bool:
        """Tell whether a frame that nobody waits for is of a kind that may come: a late answer, or to be ignored."""
        pong = self._model.connect.ping.pong
        kinds = [*self._answers.values(), *self._model.ignore, *([pong] if pong is not None else [])]
        return any(_alike(when, frame) for when in kinds)

    def stranger(self, frame: Any) -> Exception:
        """Return what to raise for a frame that no rule fits."""
        return self._proofs.unknown_frame(shape(frame) + self._told(frame), self._nearest(frame))

    def _delivered(self, frame: Any) -> list[Pushed]:
        deliver = self._model.deliver
        found = deliver.at.find(frame)
        if found is MISSING:
            raise Misfit("deliver", "at", deliver.at.trouble(frame))
        items = listed("deliver", "at", deliver.at, frame) if isinstance(found, list) else [found]
        rule = "deliver.message" if deliver.message else "message"
        messages = [message_facts(rule, deliver.message or self._model.message, item, self._names) for item in items]
        self._proofs.fitted(rule)
        return [Delivered(**facts) for facts in messages]

    def _named(self) -> Iterator[tuple[str, When]]:
        model = self._model
        yield "deliver", model.deliver.when
        if model.receipt is not None:
            yield "receipt", model.receipt.when
        if model.rejected is not None:
            yield "rejected", model.rejected.when
        yield from self._answers.items()

    def _told(self, frame: Any) -> str:
        """Show the values by which rules tell frames apart; of a message they are no part."""
        paths = {path for _, when in self._named() for path, values in when.items() if not any(map(_filled_in, values))}
        seen = {path.text: path.find(frame) for path in paths}
        shown = [f"{name}: {value}" for name, value in sorted(seen.items()) if _showable(value)]
        return f" ({', '.join(shown)})" if shown else ""

    def _nearest(self, frame: Any) -> str:
        for rule, when in self._named():
            gone = [path for path in when if path.find(frame) is MISSING]
            if len(gone) == 1 and (meant := gone[0].near(frame)):
                return f"; `{rule}` wants `{gone[0].text}`: {meant}"
        return ""


def filled(when: When, values: Values) -> When:
    """Return conditions with their placeholders filled in."""
    return {path: tuple(render(one, values) for one in wanted) for path, wanted in when.items()}


def _shapes(model: MappingModel) -> Iterator[tuple[str, When]]:
    for path, request in requests(model):
        if request.frame is not None and request.answer is not None:
            yield ".".join((*path, "answer")), request.answer.when
    if model.error is not None:
        yield "error", model.error.when


def _alike(when: When, frame: Any) -> bool:
    """Tell whether a frame fits conditions whatever the request's own values were."""
    fixed = {path: values for path, values in when.items() if not any(map(_filled_in, values))}
    # The field that tells requests apart may be null in an error which the service cannot attribute.
    return matches(fixed, frame) and (bool(fixed) or not when or all(path.find(frame) is not MISSING for path in when))


def _filled_in(value: Scalar) -> bool:
    return isinstance(value, str) and PLACEHOLDER.search(value) is not None


def _showable(value: Any) -> bool:
    return isinstance(value, str | int | float) and len(str(value)) <= _SHORT
