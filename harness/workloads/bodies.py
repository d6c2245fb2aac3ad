"""What people write: sentences made from the seed before they are needed."""

from __future__ import annotations

from harness.core.seeds import Seed

COUNT = 200


def sentences(seed: Seed, count: int = COUNT, *, canary: str = "") -> tuple[str, ...]:
    """Return ``count`` sentences that end in the run's ``canary``; equal seeds give equal ones.

    Made ahead because Faker takes up to a tenth of a millisecond for each, which a sender on a timetable must not pay.
    """
    from faker import Faker  # noqa: PLC0415 - takes a third of a second to import

    faker = Faker("en_US")
    faker.seed_instance(seed.number("bodies"))
    return tuple(f"{faker.sentence()} {canary}".rstrip() for _ in range(count))
