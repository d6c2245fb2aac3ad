"""What the driver makes of options, codes and answers, and how it numbers messages."""

from __future__ import annotations

import pytest

from harness.core.clock import SystemClock
from harness.core.errors import UsageError
from harness.drivers.api import Refused, Unknown
from harness.drivers.tencent.codes import STATUSES, outcome
from harness.drivers.tencent.driver import make
from harness.drivers.tencent.messages import Numbers
from harness.drivers.tencent.rest import answered

OPTIONS = {"sdkappid": "1400000001", "secret_key": "a-secret"}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"sdkapid": "1"}, "takes no option 'sdkapid'"),
        ({"secret_key": ""}, "needs the option 'secret_key'"),
        ({"sdkappid": "mine"}, "sdkappid is 'mine'"),
        ({"live": "sdk"}, "live is 'sdk'"),
        ({"poll": "often"}, "poll is 'often'"),
        ({"sig_life": "0s"}, "sig_life is '0s'"),
        ({"message_life": "8d"}, "message_life is '8d'"),
    ],
)
def test_wrong_options_are_told(changes: dict[str, str], text: str) -> None:
    """By name and value."""
    with pytest.raises(UsageError, match=text):
        make(OPTIONS | changes)


@pytest.mark.parametrize(
    ("code", "status"),
    [(70001, 401), (70052, 401), (60007, 429), (10023, 429), (90012, 404), (80002, 413), (20006, 403), (125000, 403)],
)
def test_a_code_after_which_nothing_was_stored(code: int, status: int) -> None:
    """It amounts to the status by which clients of other protocols know what to do."""
    refused = outcome(code)
    assert isinstance(refused, Refused)
    assert (refused.http_status, refused.retry_after_ms) == (status, None)


@pytest.mark.parametrize("code", [60008, 91000, 20005, 90992, 12345, 130001])
def test_a_code_that_leaves_it_open(code: int) -> None:
    """Internal errors, time-outs, and whatever is not documented."""
    assert code not in STATUSES
    assert outcome(code) == Unknown(f"tencent_{code}", http_status=503)


@pytest.mark.parametrize(
    ("status", "content", "expected"),
    [
        (502, b"", Unknown("http_502", http_status=502)),
        (200, b"<html>", Unknown("bad_answer")),
        (200, b"{}", Unknown("bad_answer")),
        (200, b'{"ActionStatus": "FAIL", "ErrorCode": 0}', Unknown("bad_answer")),
        (200, b'{"ActionStatus": "FAIL", "ErrorCode": 60007}', Refused("tencent_60007", http_status=429)),
    ],
)
def test_the_http_status_alone_says_nothing(status: int, content: bytes, expected: Refused | Unknown) -> None:
    """Success is the answer's own word."""
    assert answered(status, content) == expected


class _Still(SystemClock):
    def wall_ns(self) -> int:
        """Always the same."""
        return 1_795_289_222_500_000_000


def test_numbers_grow_and_stay() -> None:
    """Each message has a greater place than the one before, even in the same millisecond, and keeps it."""
    numbers = Numbers(_Still())
    given = [numbers.of(f"c{number}") for number in range(2000)]
    places = [(one["MsgTimeStamp"], one["MsgSeq"]) for one in given]
    assert places == sorted(set(places))
    assert numbers.of("c7") == given[7]
    assert len({one["MsgRandom"] for one in given}) > 1990
