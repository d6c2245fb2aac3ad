"""How mistakes are shown to people, editors and pull requests."""

from __future__ import annotations

import json

from harness.core.errors import UsageError
from harness.scenario.diagnostics import BadFile, Diagnostic, did_you_mean, render_github, render_json, render_text

ONE = Diagnostic("a/b.yaml", 3, 5, "bad-value", "50% is too much", "did you mean '5%'?", "x:  50%")


def test_a_bad_file_is_the_users_to_mend() -> None:
    """The error is of the usage family and its text holds every diagnostic."""
    error = BadFile([ONE, ONE])
    assert isinstance(error, UsageError)
    assert error.exit_code == 2
    assert str(error).count("a/b.yaml:3:5: error[bad-value]: 50% is too much") == 2


def test_the_caret_stands_under_the_column() -> None:
    """Place, code and sentence, then the line with a caret, then the way out."""
    assert render_text([ONE]).splitlines() == [
        "a/b.yaml:3:5: error[bad-value]: 50% is too much",
        "    x:  50%",
        "        ^",
        "  did you mean '5%'?",
    ]


def test_the_caret_copes_with_tabs_and_wide_characters() -> None:
    """A tab stays a tab, a wide character takes two columns, a combining one none."""
    lines = render_text([Diagnostic("f", 1, 5, "c", "t", "", "\t愛e\u0301x")]).splitlines()
    assert lines[1:] == ["    \t愛e\u0301x", "    \t   ^"]


def test_a_long_line_is_cut_around_the_caret() -> None:
    """A file of one long line must not fill the screen."""
    lines = render_text([Diagnostic("f", 1, 5001, "c", "t", "", "a" * 5000 + "b" + "a" * 5000)]).splitlines()
    assert len(lines[1]) < 130
    assert lines[1][lines[2].index("^")] == "b"


def test_control_characters_of_a_file_do_not_reach_the_terminal() -> None:
    """An escape sequence in a broken file is shown as a replacement character."""
    assert "\x1b" not in render_text([Diagnostic("f", 1, 1, "c", "t", "", "a\x1b[31mb")])


def test_json_is_one_document() -> None:
    """Editors get every field under its name."""
    document = json.loads(render_json([ONE]))
    assert document["v"] == 1
    assert document["diagnostics"][0]["column"] == 5
    assert document["diagnostics"][0]["suggestion"] == "did you mean '5%'?"


def test_github_annotations_are_escaped() -> None:
    """Percent signs and line breaks survive the workflow command's own syntax."""
    assert render_github([ONE]) == (
        "::error file=a/b.yaml,line=3,col=5,title=bad-value::50%25 is too much%0Adid you mean '5%25'?"
    )


def test_near_misses_and_short_lists() -> None:
    """The nearest word is offered; without one the known words, unless they are many."""
    assert did_you_mean("Alcie", ["alice", "bob"]) == "did you mean 'alice'?"
    assert did_you_mean("zzz", ["b", "a"]) == "known: a, b"
    assert did_you_mean("zzz", [f"name-{number}" for number in range(50)]) == ""
