"""What does not exist, or never comes: the message, the place and the way out, word for word."""

from __future__ import annotations

from collections.abc import Callable

import pytest

CASES = [
    (
        "stack: reference",
        "stack: referance",
        """
bad.chaos.yaml:3:8: error[unknown-name]: there is no stack 'referance'
    stack: referance
           ^
  did you mean 'reference'? (or give the path of a stack file)
""",
    ),
    (
        "to: bob",
        "to: bop",
        """
bad.chaos.yaml:8:37: error[unknown-name]: no person is called 'bop'
      - {kind: direct, from: alice, to: bop, rate: 5/s}
                                        ^
  did you mean 'bob'?
""",
    ),
    (
        "kind: direct",
        "kind: grip",
        """
bad.chaos.yaml:8:12: error[unknown-name]: unknown kind 'grip'
      - {kind: grip, from: alice, to: bob, rate: 5/s}
               ^
  did you mean 'group'?
""",
    ),
    (
        "network.down",
        "network.dwn",
        """
bad.chaos.yaml:11:15: error[unknown-name]: no fault kind is called 'network.dwn'
      cut: {kind: network.dwn, link: "client:alice->chat", start: {at: 1s}, for: 1s}
                  ^
  did you mean 'network.down'?
""",
    ),
    (
        "client:alice->chat",
        "client:alic->chat",
        """
bad.chaos.yaml:11:35: error[unknown-name]: no person is called 'alic'
      cut: {kind: network.down, link: "client:alic->chat", start: {at: 1s}, for: 1s}
                                      ^
  did you mean 'alice'?
""",
    ),
    (
        "client:alice->chat",
        "client->caht",
        """
bad.chaos.yaml:11:35: error[unknown-name]: no link is called 'client->caht'
      cut: {kind: network.down, link: "client->caht", start: {at: 1s}, for: 1s}
                                      ^
  did you mean 'client->chat'?
""",
    ),
    (
        "client:alice->chat",
        "client:alice->auht",
        """
bad.chaos.yaml:11:35: error[unknown-name]: no link is called 'client:alice->auht'
      cut: {kind: network.down, link: "client:alice->auht", start: {at: 1s}, for: 1s}
                                      ^
  did you mean 'client:alice->auth'?
""",
    ),
    (
        "at: 1s}",
        "at: 9s}",
        """
bad.chaos.yaml:11:69: error[too-late]: the run observes for 4s only: this never starts
      cut: {kind: network.down, link: "client:alice->chat", start: {at: 9s}, for: 1s}
                                                                        ^
  start it earlier or lengthen 'phases.observe'
""",
    ),
    (
        "for: 1s",
        "for: 8s",
        """
bad.chaos.yaml:11:79: error[too-late]: this would end at 9s, after the 4s that the run observes
      cut: {kind: network.down, link: "client:alice->chat", start: {at: 1s}, for: 8s}
                                                                                  ^
  shorten it, or lengthen 'phases.observe'
""",
    ),
    (
        "{at: 1s}",
        "{after: server_acepted, nth: 2}",
        """
bad.chaos.yaml:11:72: error[unknown-name]: no event is called 'server_acepted'
      cut: {kind: network.down, link: "client:alice->chat", start: {after: server_acepted, nth: 2}, for: 1s}
                                                                           ^
  did you mean 'server_accepted'?
""",
    ),
    (
        "{at: 1s}",
        "{after: server_accepted, nth: 50}",
        """
bad.chaos.yaml:11:94: error[too-late]: all together send only about 20 messages while the run observes
      cut: {kind: network.down, link: "client:alice->chat", start: {after: server_accepted, nth: 50}, for: 1s}
                                                                                                 ^
  lower 'nth' or raise a 'rate'
""",
    ),
    (
        "{at: 1s}",
        "{with: cut}",
        """
bad.chaos.yaml:11:71: error[circle]: these faults wait for each other: cut -> cut
      cut: {kind: network.down, link: "client:alice->chat", start: {with: cut}, for: 1s}
                                                                          ^
  give one of them 'at' or 'after'
""",
    ),
    (
        "{at: 1s}",
        "{with: cat}",
        """
bad.chaos.yaml:11:71: error[unknown-name]: no fault is called 'cat'
      cut: {kind: network.down, link: "client:alice->chat", start: {with: cat}, for: 1s}
                                                                          ^
  did you mean 'cut'?
""",
    ),
    (
        "  bob: {devices: [phone]}",
        "  bob: {count: 2}",
        """
bad.chaos.yaml:8:37: error[unknown-name]: 'bob' is a crowd of 2
      - {kind: direct, from: alice, to: bob, rate: 5/s}
                                        ^
  name one of them, such as 'bob-1'
""",
    ),
    (
        'network.down, link: "client:alice->chat"',
        "process.kill, service: chta",
        """
bad.chaos.yaml:11:38: error[unknown-name]: no service is called 'chta'
      cut: {kind: process.kill, service: chta, start: {at: 1s}, for: 1s}
                                         ^
  did you mean 'chat'?
bad.chaos.yaml:11:61: error[unknown-key]: process.kill ends by itself: it has no 'for'
      cut: {kind: process.kill, service: chta, start: {at: 1s}, for: 1s}
                                                                ^
  did you mean 'restart_after'?
""",
    ),
    (
        "faults:\n",
        "matrix: {a: [], b: 1, c: [1, 1], d: [null]}\nfaults:\n",
        """
bad.chaos.yaml:10:13: error[bad-value]: this must not be empty
    matrix: {a: [], b: 1, c: [1, 1], d: [null]}
                ^
bad.chaos.yaml:10:20: error[wrong-type]: expected a list, not 1
    matrix: {a: [], b: 1, c: [1, 1], d: [null]}
                       ^
bad.chaos.yaml:10:30: error[duplicate-value]: '1' is already on this axis
    matrix: {a: [], b: 1, c: [1, 1], d: [null]}
                                 ^
bad.chaos.yaml:10:38: error[bad-value]: nothing is neither a text nor a number
    matrix: {a: [], b: 1, c: [1, 1], d: [null]}
                                         ^
""",
    ),
    (
        "  - {kind: direct, from: alice, to: bob, rate: 5/s}",
        (
            "  - {kind: offline, device: bob, at: 1s, for: 1s}\n"
            "  - {kind: offline, device: bob/pone, at: 9s, for: 1s}\n"
            "  - {kind: offline, device: bob/phone, at: 1s, for: 9s}\n"
            "  - 3"
        ),
        """
bad.chaos.yaml:8:29: error[bad-value]: 'bob' is not a device
      - {kind: offline, device: bob, at: 1s, for: 1s}
                                ^
  write PERSON/DEVICE, as in 'bob/phone'
bad.chaos.yaml:9:29: error[unknown-name]: no device is called 'bob/pone'
      - {kind: offline, device: bob/pone, at: 9s, for: 1s}
                                ^
  did you mean 'bob/phone'?
bad.chaos.yaml:9:43: error[too-late]: the run observes for 4s only: this never starts
      - {kind: offline, device: bob/pone, at: 9s, for: 1s}
                                              ^
  start it earlier or lengthen 'phases.observe'
bad.chaos.yaml:10:53: error[too-late]: this would end at 10s, after the 4s that the run observes
      - {kind: offline, device: bob/phone, at: 1s, for: 9s}
                                                        ^
  shorten it, or lengthen 'phases.observe'
bad.chaos.yaml:11:5: error[wrong-type]: expected a mapping, not 3
      - 3
        ^
""",
    ),
    (
        "people:\n  alice: {devices: [phone, laptop]}\n  bob: {devices: [phone]}",
        "people: {}",
        """
bad.chaos.yaml:4:9: error[bad-value]: this must not be empty
    people: {}
            ^
bad.chaos.yaml:6:26: error[unknown-name]: no person is called 'alice'
      - {kind: direct, from: alice, to: bob, rate: 5/s}
                             ^
bad.chaos.yaml:6:37: error[unknown-name]: no person is called 'bob'
      - {kind: direct, from: alice, to: bob, rate: 5/s}
                                        ^
bad.chaos.yaml:9:35: error[unknown-name]: no person is called 'alice'
      cut: {kind: network.down, link: "client:alice->chat", start: {at: 1s}, for: 1s}
                                      ^
""",
    ),
]


@pytest.mark.parametrize(("old", "new", "said"), CASES, ids=[new or old for old, new, _ in CASES])
def test_what_is_not_there(
    change: Callable[[str, str], str], complaint: Callable[[str], str], old: str, new: str, said: str
) -> None:
    """A name that nobody has is shown where it stands, with the nearest one there is."""
    assert f"\n{complaint(change(old, new))}\n" == said
