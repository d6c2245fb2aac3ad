"""One seed, many independent streams."""

from __future__ import annotations

from harness.core.seeds import Seed, fresh_seed


def test_equal_names_draw_equally() -> None:
    """The same seed and name give the same draws."""
    assert [Seed(7).rng("people").random() for _ in range(3)] == [Seed(7).rng("people").random() for _ in range(3)]


def test_streams_do_not_share_draws() -> None:
    """Another name, or another seed, is another stream."""
    draws = {
        Seed(7).number("people"),
        Seed(7).number("bodies"),
        Seed(8).number("people"),
        Seed(7).number("people", "x"),
    }
    assert len(draws) == 4


def test_a_fresh_seed_can_be_typed_again() -> None:
    """A seed nobody chose is a short positive number."""
    assert 0 <= fresh_seed().value < 2**31
