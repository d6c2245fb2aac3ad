"""What has not the right form: the message, the place and the way out, word for word."""

from __future__ import annotations

from collections.abc import Callable

import pytest

CASES = [
    (
        "version: 1\n",
        "",
        """
bad.chaos.yaml:1:1: error[missing-key]: 'version' is missing
    name: bad-day
    ^
""",
    ),
    (
        "version: 1",
        "version: 2",
        """
bad.chaos.yaml:1:10: error[bad-value]: 2 is not possible here: write 1
    version: 2
             ^
""",
    ),
    (
        "name: bad-day",
        "name: Bad Day",
        """
bad.chaos.yaml:2:7: error[bad-name]: 'Bad Day' is not a name: up to 63 of a-z, 0-9, '-' and '_'
    name: Bad Day
          ^
""",
    ),
    (
        "people:",
        "poeple:",
        """
bad.chaos.yaml:1:1: error[missing-key]: 'people' is missing
    version: 1
    ^
bad.chaos.yaml:4:1: error[unknown-key]: unknown key 'poeple'
    poeple:
    ^
  did you mean 'people'?
""",
    ),
    (
        "rate: 5/s",
        "rate: 5",
        """
bad.chaos.yaml:8:48: error[bad-value]: 5 has no unit: a rate is written like 5/s or 30/m
      - {kind: direct, from: alice, to: bob, rate: 5}
                                                   ^
""",
    ),
    (
        "to: bob",
        "to: alice",
        """
bad.chaos.yaml:8:37: error[bad-value]: 'alice' writes to nobody else
      - {kind: direct, from: alice, to: alice, rate: 5/s}
                                        ^
""",
    ),
    (
        "kind: direct, ",
        "",
        """
bad.chaos.yaml:8:5: error[missing-key]: 'kind' is missing in workload 1
      - {from: alice, to: bob, rate: 5/s}
        ^
""",
    ),
    (
        "phases: {",
        "phases: {brew: 1s, ",
        """
bad.chaos.yaml:9:10: error[unknown-key]: unknown key 'brew' in phases
    phases: {brew: 1s, baseline: 1s, observe: 4s, quiet: 3s}
             ^
  known: baseline, observe, quiet
""",
    ),
    (
        "baseline: 1s",
        "baseline: 0s",
        """
bad.chaos.yaml:9:20: error[bad-value]: '0s' is no time at all
    phases: {baseline: 0s, observe: 4s, quiet: 3s}
                       ^
""",
    ),
    (
        'link: "client:alice->chat"',
        "service: chat",
        """
bad.chaos.yaml:11:3: error[missing-key]: network.down acts on a link: 'link' is missing
      cut: {kind: network.down, service: chat, start: {at: 1s}, for: 1s}
      ^
bad.chaos.yaml:11:29: error[unknown-key]: network.down acts on a link, not on a service
      cut: {kind: network.down, service: chat, start: {at: 1s}, for: 1s}
                                ^
""",
    ),
    (
        "start: {at: 1s}, ",
        "",
        """
bad.chaos.yaml:11:3: error[missing-key]: 'start' is missing in faults.cut
      cut: {kind: network.down, link: "client:alice->chat", for: 1s}
      ^
""",
    ),
    (
        "{at: 1s}",
        "{at: 1s, after: server_accepted}",
        """
bad.chaos.yaml:11:64: error[bad-value]: a start has exactly one of 'at', 'with' and 'after', not 2
      cut: {kind: network.down, link: "client:alice->chat", start: {at: 1s, after: server_accepted}, for: 1s}
                                                                   ^
""",
    ),
    (
        "{at: 1s}",
        "{at: 1s, nth: 3}",
        """
bad.chaos.yaml:11:64: error[bad-value]: 'of' and 'nth' count the events of 'after'; this start has none
      cut: {kind: network.down, link: "client:alice->chat", start: {at: 1s, nth: 3}, for: 1s}
                                                                   ^
""",
    ),
    (
        "{at: 1s}",
        "soon",
        """
bad.chaos.yaml:11:64: error[wrong-type]: expected a mapping, not 'soon'
      cut: {kind: network.down, link: "client:alice->chat", start: soon, for: 1s}
                                                                   ^
""",
    ),
    (
        "  bob: {devices: [phone]}",
        "  bob: {devices: [phone, phone]}",
        """
bad.chaos.yaml:6:8: error[bad-value]: device 'phone' is listed twice
      bob: {devices: [phone, phone]}
           ^
""",
    ),
    (
        "  bob: {devices: [phone]}",
        "  bob:",
        """
bad.chaos.yaml:6:7: error[wrong-type]: expected a mapping, not nothing
      bob:
          ^
""",
    ),
    (
        "faults:",
        "client: outbx\nfaults:",
        """
bad.chaos.yaml:10:9: error[bad-value]: 'outbx' is not possible here: write 'outbox' or 'naive'
    client: outbx
            ^
  did you mean 'outbox'?
""",
    ),
    (
        "for: 1s}",
        "for: 1s, latency: 3s}",
        """
bad.chaos.yaml:11:83: error[unknown-key]: network.down has no 'latency'
      cut: {kind: network.down, link: "client:alice->chat", start: {at: 1s}, for: 1s, latency: 3s}
                                                                                      ^
  known: for, kind, link, start
""",
    ),
    (
        "network.down, ",
        "network.latency, ",
        """
bad.chaos.yaml:11:3: error[missing-key]: network.latency needs 'latency': what a round trip gains
      cut: {kind: network.latency, link: "client:alice->chat", start: {at: 1s}, for: 1s}
      ^
""",
    ),
    (
        "network.down, ",
        "network.latency, latency: 5, ",
        """
bad.chaos.yaml:11:41: error[bad-value]: 5 has no unit: a duration is written like 2s or 250ms
      cut: {kind: network.latency, latency: 5, link: "client:alice->chat", start: {at: 1s}, for: 1s}
                                            ^
""",
    ),
    (
        "network.down, ",
        "network.latency, latency: 1ms, jiter: 1ms, ",
        """
bad.chaos.yaml:11:41: error[bad-value]: '1ms' is too small: at least 2ms
      cut: {kind: network.latency, latency: 1ms, jiter: 1ms, link: "client:alice->chat", start: {at: 1s}, for: 1s}
                                            ^
bad.chaos.yaml:11:46: error[unknown-key]: network.latency has no 'jiter'
      cut: {kind: network.latency, latency: 1ms, jiter: 1ms, link: "client:alice->chat", start: {at: 1s}, for: 1s}
                                                 ^
  did you mean 'jitter'?
""",
    ),
    (
        "for: 1s",
        'for: "${matrix.x}"',
        """
bad.chaos.yaml:11:79: error[placeholder]: nothing is called '${matrix.x}'
      cut: {kind: network.down, link: "client:alice->chat", start: {at: 1s}, for: "${matrix.x}"}
                                                                                  ^
  there are ${matrix.AXIS} and ${env.NAME}
""",
    ),
    (
        "for: 1s",
        'for: "${env.NOPE}"',
        """
bad.chaos.yaml:11:79: error[placeholder]: the environment variable 'NOPE' is not set
      cut: {kind: network.down, link: "client:alice->chat", start: {at: 1s}, for: "${env.NOPE}"}
                                                                                  ^
  set it, or write the value itself
""",
    ),
    (
        "for: 1s",
        'for: "${env"',
        """
bad.chaos.yaml:11:79: error[placeholder]: '${' is never closed by '}'
      cut: {kind: network.down, link: "client:alice->chat", start: {at: 1s}, for: "${env"}
                                                                                  ^
""",
    ),
    (
        "for: 1s",
        "for: ${matrix.x}",
        """
bad.chaos.yaml:11:80: error[syntax]: while parsing a flow mapping, did not find expected ',' or '}'
      cut: {kind: network.down, link: "client:alice->chat", start: {at: 1s}, for: ${matrix.x}}
                                                                                   ^
  put a value with ${...} in quotes: "${matrix.x}"
""",
    ),
    (
        "workload:\n  - {kind: direct, from: alice, to: bob, rate: 5/s}\n",
        "workload: []\n",
        """
bad.chaos.yaml:7:11: error[bad-value]: this must not be empty
    workload: []
              ^
""",
    ),
]


@pytest.mark.parametrize(("old", "new", "said"), CASES, ids=[new or old for old, new, _ in CASES])
def test_what_has_a_wrong_form(
    change: Callable[[str, str], str], complaint: Callable[[str], str], old: str, new: str, said: str
) -> None:
    """A wrong key, type, unit or number is shown where it stands, with the right form."""
    assert f"\n{complaint(change(old, new))}\n" == said
