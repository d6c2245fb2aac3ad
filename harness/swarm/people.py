"""The simulated people: names, devices and versions, all from the seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.core.plan import PersonPlan
from harness.core.seeds import Seed
from harness.drivers.api import Device, Person

if TYPE_CHECKING:
    from faker import Faker

_PLATFORMS = {
    "phone": ("ios", "android"),
    "tablet": ("ipados", "android"),
    "laptop": ("macos", "windows", "linux"),
}
_ANYWHERE = ("web",)


def make_people(plans: Sequence[PersonPlan], seed: Seed) -> list[Person]:
    """Return a person for each plan; equal seeds and names give equal people, whoever else takes part."""
    from faker import Faker  # noqa: PLC0415 - takes a third of a second to import

    faker = Faker("en_US")
    return [_person(plan, seed, faker) for plan in plans]


def _person(plan: PersonPlan, seed: Seed, faker: Faker) -> Person:
    faker.seed_instance(seed.number("person", plan.name))
    rng = seed.rng("devices", plan.name)
    devices = tuple(_device(plan.name, name, rng) for name in plan.devices)
    return Person(plan.name, faker.name(), devices)


def _device(person: str, name: str, rng: random.Random) -> Device:
    platform = rng.choice(_PLATFORMS.get(name, _ANYWHERE))
    version = f"{rng.randint(4, 9)}.{rng.randint(0, 20)}.{rng.randint(0, 9)}"
    return Device(f"{person}/{name}", person, platform, version)
