"""YAML by the 1.2 core schema, with places, and safe to read whatever comes."""

from __future__ import annotations

import pytest

from harness.scenario.yaml12 import MAX_DEPTH, MAX_NODES, Place, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("No", "No"),
        ("1:30", "1:30"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-7", -7),
        ("1_000", "1_000"),
        ("1e3", 1000.0),
        (".5", 0.5),
        (".inf", float("inf")),
        ("0b11", "0b11"),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("'true'", "true"),
        ('"010"', "010"),
        ("2026-11-22", "2026-11-22"),
        ("5/s", "5/s"),
    ],
)
def test_plain_values_follow_the_core_schema(text: str, value: object) -> None:
    """What YAML 1.1 took for booleans, base 60, octals or dates is text or a plain number in 1.2."""
    data = parse(f"key: {text}\n").data
    assert isinstance(data, dict)
    assert data["key"] == value
    assert type(data["key"]) is type(value)


def test_a_bare_on_stays_a_key() -> None:
    """``on:`` is the text "on", not the key True."""
    assert parse("on: off").data == {"on": "off"}


def test_places_of_keys_and_values() -> None:
    """Every key and value is found again by its path, counted from 1."""
    document = parse("people:\n  bob: {devices: [phone, tablet]}\n")
    assert document.place_of(("people", "bob"), key=True) == Place(2, 3)
    assert document.place_of(("people", "bob")) == Place(2, 8)
    assert document.place_of(("people", "bob", "devices", 1)) == Place(2, 26)


def test_the_place_of_what_is_missing_is_its_parents_key() -> None:
    """A path that leads nowhere ends at the nearest key that is there."""
    document = parse("a: 1\nfaults:\n  cut:\n    kind: x\n")
    assert document.place_of(("faults", "cut", "start", "at")) == Place(3, 3)


def test_all_duplicate_keys_are_told() -> None:
    """The last of two equal keys does not win silently, on any level."""
    document = parse("a: 1\na: 2\nb: {x: 1, x: 2}\n")
    assert [(item.place, item.code) for item in document.problems] == [
        (Place(2, 1), "duplicate-key"),
        (Place(3, 11), "duplicate-key"),
    ]


def test_aliases_share_values_and_point_to_themselves() -> None:
    """An alias stands for its anchor's value; a mistake inside is shown where it is written."""
    document = parse("a: &x {p: 1}\nb: *x\n")
    assert document.data == {"a": {"p": 1}, "b": {"p": 1}}
    assert document.place_of(("b",)) == Place(2, 4)
    assert document.place_of(("b", "p")) == Place(1, 11)


def test_merge_keys_fill_in_what_is_not_given() -> None:
    """``<<`` takes over the keys of other mappings; own keys win, then earlier sources."""
    text = "a: &a {p: 1, q: 1}\nb: &b {q: 2, r: 2}\nc: {<<: [*a, *b], p: 3}\n"
    data = parse(text).data
    assert isinstance(data, dict)
    assert data["c"] == {"p": 3, "q": 1, "r": 2}
    assert parse(text).problems == ()


def _laughs() -> str:
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: !!python/object/apply:os.system [id]", "tag"),
        ("a: !mine 1", "tag"),
        ("a: 1\n---\na: 2", "multiple-documents"),
        ("a: &x [*x]", "alias"),
        ("a: *nowhere", "alias"),
        (_laughs(), "too-many-values"),
        ("[" * 100_000, "too-deep"),
        ("a: " + "{b: " * (MAX_DEPTH + 1), "too-deep"),
        ("a: [" + "1," * MAX_NODES + "]", "too-many-values"),
        ("1: x", "key-not-text"),
        ("? [a]\n: x", "key-not-text"),
        ("a: {<<: 1}", "merge"),
        ("a: b: c", "syntax"),
        ("a:\n\t- b", "syntax"),
        ("a: \x00", "syntax"),
        ("{a: 1", "syntax"),
    ],
)
def test_what_is_refused(text: str, code: str) -> None:
    """Tags, bombs, second documents and broken syntax are problems, never exceptions or long waits."""
    assert [item.code for item in parse(text).problems] == [code]


def test_what_is_never_closed_is_shown_where_it_was_opened() -> None:
    """The end of the file would help nobody."""
    assert parse('a: 1\nb: "x\nc: 2\n').problems[0].place == Place(2, 4)


def test_line_breaks_are_counted_as_yaml_counts_them() -> None:
    """CRLF is one break; the unusual ones of YAML count as well."""
    assert parse("a: 1\r\nb: 2\r\nb: 3\r\n").problems[0].place == Place(3, 1)


def test_an_endless_number_is_no_reason_to_fall_over() -> None:
    """Python refuses to read very long integers; such a text is still a value."""
    assert parse("a: " + "9" * 5000).problems == ()
