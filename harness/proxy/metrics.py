"""The same Prometheus counters as Toxiproxy's, but live: it counts a connection's bytes only when it ends."""

from __future__ import annotations

from collections.abc import Iterable

from harness.proxy.counters import Totals
from harness.proxy.proxy import Proxy

_FAMILIES = (
    ("toxiproxy_proxy_received_bytes_total", "The total number of bytes received by a proxy.", "received"),
    ("toxiproxy_proxy_sent_bytes_total", "The total number of bytes sent by a proxy.", "sent"),
)


def prometheus(proxies: Iterable[Proxy]) -> str:
    """Return the byte counters of all proxies in Prometheus's text format."""
    totals = [(proxy, proxy.totals()) for proxy in proxies]
    lines = []
    for family, title, kind in _FAMILIES:
        lines += [f"# HELP {family} {title}", f"# TYPE {family} counter"]
        for proxy, counted in totals:
            lines += _samples(family, kind, proxy, counted)
    return "".join(line + "\n" for line in lines)


def _samples(family: str, kind: str, proxy: Proxy, counted: Totals) -> list[str]:
    both = {
        "received": (counted.received_up, counted.received_down),
        "sent": (counted.sent_up, counted.sent_down),
    }[kind]
    return [
        f'{family}{{direction="{direction}",listener="{_quoted(proxy.listen)}",proxy="{_quoted(proxy.name)}",'
        f'upstream="{_quoted(proxy.upstream)}"}} {value}'
        for direction, value in zip(("upstream", "downstream"), both, strict=True)
    ]


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
