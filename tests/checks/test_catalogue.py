"""The layout of check files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.checks.catalogue import PromiseNeed, checks, load_check, parse_check
from harness.checks.oracles import TWINS
from harness.core.errors import UsageError
from harness.core.events import EVENT_NAMES
from harness.core.stack import Promises

GOOD = "-- title: T\n-- promise: order = sender\n-- exercised\nselect 1;\n-- violations\nselect 2;\n"


def test_every_check_has_a_twin_and_known_events() -> None:
    """The catalogue of this slice, with headers that hold."""
    of_history = {name for name, check in checks().items() if check.reads == "history"}
    assert of_history == set(TWINS) == set(checks()) - {"no_leaks"}
    for check in checks().values():
        assert set(check.needs) <= EVENT_NAMES
        assert check.title
        assert check.minimum == 1


def test_listing_checks_does_not_load_duckdb() -> None:
    """Showing the catalogue must stay quick."""
    code = "import sys; from harness.checks.catalogue import checks; checks(); sys.exit('duckdb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("promises", "made"),
    [(Promises(), False), (Promises(order="none"), False), (Promises(order="sender"), True)],
)
def test_a_promise_is_made_by_its_values_only(promises: Promises, made: bool) -> None:
    """Undeclared and declared as none alike promise nothing."""
    assert parse_check("c", GOOD).promise.made_by(promises) is made


def test_any_declared_value_makes_a_promise_without_values() -> None:
    """Also a time of which only the presence matters."""
    need = PromiseNeed("deliver_within_s")
    assert need.made_by(Promises(deliver_within_s=1.0))
    assert not need.made_by(Promises())
    assert str(need) == "deliver_within"


def test_a_file_becomes_a_check_named_after_it(tmp_path: Path) -> None:
    """Users drop checks of their own beside a scenario."""
    file = tmp_path / "mine.sql"
    file.write_text(GOOD)
    check = load_check(file)
    assert (check.id, check.exercised, check.violations) == ("mine", "select 1", "select 2")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "lacks title, promise, -- exercised, -- violations"),
        (GOOD.replace("-- violations", "--"), "lacks -- violations"),
        (GOOD.replace("order =", "oder ="), "unknown promise 'oder'"),
        (GOOD.replace("-- title", "-- tittle"), "unknown header 'tittle'"),
        ("-- minimum: 0\n" + GOOD, "minimum '0'"),
        ("-- severity: bad\n" + GOOD, "severity 'bad'"),
    ],
)
def test_a_wrong_layout_is_named(text: str, complaint: str) -> None:
    """One sentence that says what to mend."""
    with pytest.raises(UsageError, match=complaint):
        parse_check("c", text)


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    """No traceback for a wrong path."""
    with pytest.raises(UsageError, match="cannot read the check"):
        load_check(tmp_path / "none.sql")


@pytest.mark.parametrize(
    ("promises", "made"),
    [
        (Promises(receipts=()), False),
        (Promises(receipts=("read",)), False),
        (Promises(receipts=("delivered", "read")), True),
    ],
)
def test_one_of_several_promised_things_is_enough(promises: Promises, made: bool) -> None:
    """What is shown as delivered is judged where receipts of delivery are promised, whatever else is."""
    assert checks()["sent_not_delivered"].promise.made_by(promises) is made
