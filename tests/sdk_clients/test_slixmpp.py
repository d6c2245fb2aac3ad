"""slixmpp in front of a real Prosody: it sends, loses its network, resumes its stream, and is judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.testing.chat_servers import required

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Play = Callable[[Path], tuple[int, dict[str, Any]]]
DOMAIN = "chat.test"


@pytest.fixture(autouse=True)
def _installed() -> None:
    pytest.importorskip("slixmpp", reason="slixmpp is not installed: pip install slixmpp")
    required("prosody")


def test_it_comes_back_from_a_cut_and_loses_nothing(program_stack: Callable[..., Path], play: Play) -> None:
    """What the server had not acknowledged is on the resumed stream once more."""
    code, played = play(program_stack("prosody", "slixmpp_client.py", argument=DOMAIN))
    assert code == 0, played["reasons"]
    [cut] = played["faults"]
    assert (cut["gap"], cut["exposed"] > 0) == (None, True)
    examined = {one["id"]: one["exercised"] for one in played["checks"] if one["verdict"] == "pass"}
    assert examined["client_holds"] > 5
    assert examined["acked_never_lost"] > 5


def test_an_app_around_it_that_forgets_is_caught(program_stack: Callable[..., Path], play: Play) -> None:
    """A library told not to resume drops what was not acknowledged; the app has to write it again."""
    changes = (
        ('"xep_0198": {"window": 1}', '"xep_0198": {"window": 1, "allow_resume": False}'),
        (
            "            self.put(self.leaving)\n        self.next()\n",
            "            self.leaving = None\n        self.next()\n",
        ),
    )
    code, played = play(program_stack("prosody", "slixmpp_client.py", *changes, argument=DOMAIN))
    assert code == 1, played["reasons"]
    assert "client_holds" in {one["id"] for one in played["checks"] if one["verdict"] == "fail"}
