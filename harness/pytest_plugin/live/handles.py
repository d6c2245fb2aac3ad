"""What the ``chaos_*`` fixtures hand out: plain objects whose calls wait until the thing is done."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import pytest

from harness.core.events import Event
from harness.core.results import CheckResult, RunResult
from harness.core.stack import Promises
from harness.core.verdicts import Verdict
from harness.history.ingest import History, open_history
from harness.proxy.adapter import LinkProxyHandle
from harness.pytest_plugin import allure_report
from harness.pytest_plugin.evidence import Evidence
from harness.pytest_plugin.live.host import Host
from harness.pytest_plugin.live.injection import Injection
from harness.pytest_plugin.live.names import resolved
from harness.pytest_plugin.live.people import named, one_of
from harness.pytest_plugin.live.portal import Portal
from harness.pytest_plugin.live.run import LiveRun
from harness.pytest_plugin.outcomes import exception_for


class StackHandle:
    """A running stack behind its proxies."""

    def __init__(self, host: Host, portal: Portal) -> None:
        self._host = host
        self._portal = portal

    @property
    def name(self) -> str:
        """Name of the stack file."""
        return self._host.stack.spec.name

    @property
    def capabilities(self) -> frozenset[str]:
        """What the stack can do, as its file says."""
        return self._host.stack.spec.capabilities

    @property
    def promises(self) -> Promises:
        """What the stack guarantees."""
        return self._host.stack.spec.promises

    @property
    def logs(self) -> Path:
        """Folder of the services' output."""
        return self._host.stack.logs

    @property
    def links(self) -> tuple[str, ...]:
        """Names of all links that run through a proxy."""
        return tuple(self._host.stack.links())

    def url(self, link: str = "client->chat") -> str:
        """Base address of a link's service through its proxy, ``http://127.0.0.1:PORT``: where faults are felt."""
        return self._host.stack.url(one_of("link", link, self.links))

    def direct_url(self, service: str) -> str:
        """Base address of a service past every proxy, for looking at it while a fault holds."""
        return self._host.stack.direct_url(one_of("service", service, self._host.stack.spec.services))

    def running(self, service: str) -> bool:
        """Whether the service's process runs now."""
        known = one_of("service", service, self._host.stack.spec.services)
        return self._portal.call(self._host.stack.state(known)).running


class Injected:
    """A fault that is in place; as a context manager it ends with the block, and otherwise with the test."""

    def __init__(self, injection: Injection, portal: Portal) -> None:
        self.id = injection.plan.id
        self._injection = injection
        self._portal = portal

    @property
    def rung(self) -> str:
        """How far it has climbed: ``commanded``, ``installed``, ``healed``."""
        return self._injection.rung

    def heal(self) -> None:
        """Undo it now and read back that it is gone."""
        __tracebackhide__ = True
        self._portal.call(self._injection.end())
        self._injection.refuse_unhealed()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        __tracebackhide__ = True
        self._portal.call(self._injection.last() if error is None else self._injection.end())
        if error is None:
            self._injection.refuse_unhealed()


class InjectHandle:
    """``chaos_inject("network.down", link="client:alice->chat", for_="1s")``."""

    def __init__(self, run: LiveRun, portal: Portal) -> None:
        self._run = run
        self._portal = portal
        self._ids = itertools.count(1)

    def __call__(self, kind: str, *, for_: str | None = None, **keys: Any) -> Injected:
        """Apply a fault and read it back; ``keys`` are those of a scenario file: its target and its parameters.

        It lasts for ``for_``, or until the end of the ``with`` block, of ``heal()`` or of the test. A kind that this
        stack cannot play skips the test. Raises ``NotProven`` when it could not be read back as in place.
        """
        __tracebackhide__ = True
        given = {key: named(value) for key, value in keys.items()}
        given |= {"kind": kind, "start": {"at": "0s"}} | ({} if for_ is None else {"for": for_})
        name = f"{kind.rpartition('.')[2].replace('_', '-')}-{next(self._ids)}"
        return Injected(self._portal.call(self._run.inject(name, given)), self._portal)


class HistoryHandle:
    """What has been recorded of this test, and the judgement of it."""

    def __init__(self, run: LiveRun, portal: Portal, item: pytest.Item) -> None:
        self._run = run
        self._portal = portal
        self._item = item

    @property
    def folder(self) -> Path:
        """The run folder: events, logs and, once judged, results."""
        return self._run.folder.path

    def events(self, event: str | None = None, **facts: Any) -> list[Event]:
        """Return the events so far in the order of their time; ``facts`` are keys of an event and their values."""
        given = facts if event is None else {"event": event, **facts}
        for key in given:
            one_of("key of an event", key, Event.__struct_fields__)
        where = " and ".join(f"{key} = ?" for key in given) or "true"
        with self._open("") as history:
            return list(history.events(where, [self._known(value) for value in given.values()]))

    def _known(self, value: Any) -> Any:
        value = named(value)
        return resolved(value, self._run.names) if isinstance(value, str) else value

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Ask the events so far in SQL (DuckDB); the tables are those that checks use."""
        with self._open(sql) as history:
            return history.rows(sql, parameters)

    def check(self, *checks: str) -> tuple[CheckResult, ...]:
        """End the conversation and judge every message; ``checks`` are those that must have had something to look at.

        Faults are undone, messages settle, everybody catches up, and the archive is read. Raises ``BrokenPromise``,
        an ``AssertionError``, with the life of the message when a promise was broken, by whichever check; and
        ``NotProven`` when a fault did not bite or a required check had nothing to look at.
        """
        __tracebackhide__ = True
        evidence = self._judged(checks)
        if evidence.result.verdict is not Verdict.PASS:
            where = f"{self._run.identity.place}: {self._item.name}"
            raise exception_for(evidence.result.verdict)(evidence.story(where))
        return evidence.result.checks

    def result(self, *checks: str) -> RunResult:
        """Judge as ``check`` does, but return whatever came out."""
        __tracebackhide__ = True
        return self._judged(checks).result

    def _judged(self, checks: Sequence[str]) -> Evidence:
        __tracebackhide__ = True
        result = self._portal.call(self._run.judge(checks))
        evidence = Evidence(result, self._run.folder.path, self._run.identity.again)
        evidence.attach_to(self._item)
        if (report := allure_report.of(self._item.config)) is not None:
            report.attach(evidence)
        return evidence

    def _open(self, ask: str) -> History:
        return open_history([self._run.folder.path], ask=ask)


class ProxyHandle:
    """``chaos_proxy("client->chat")`` returns the ``toxiproxy.Proxy`` of a link."""

    def __init__(self, run: LiveRun) -> None:
        self._run = run
        self._given: dict[str, LinkProxyHandle] = {}

    def __call__(self, link: str = "client->chat") -> Any:
        """Return toxiproxy-python's own object, bound to the server of this stack.

        What is done to it is no fault of the run: it is neither recorded nor judged. It is undone after the test.
        """
        name = resolved(link, self._run.names)
        handle = cast("LinkProxyHandle", self._run.stack.link(one_of("link", name, self._run.stack.links())))
        return self._given.setdefault(name, handle).native

    def restore(self) -> None:
        """Enable what was handed out and take its toxics off."""
        for handle in self._given.values():
            handle.native.enable()
            for toxic in handle.native.toxics():
                handle.native.destroy_toxic(toxic)
