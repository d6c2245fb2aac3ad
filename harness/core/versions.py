"""Versions of servers, compared by their leading numbers: ``1.163.2`` is later than ``1.80``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest

_CLAUSE = re.compile(r"(?P<how><=|>=|==|<|>)\s*(?P<version>\d[0-9A-Za-z.+~_-]*)")
_LEADING = re.compile(r"\d+(\.\d+)*")


def older(version: str, other: str) -> bool:
    """Tell whether a version comes before another by its leading numbers; ``1.2`` and ``1.2.0`` are the same."""
    return _order(version, other) < 0


@dataclass(frozen=True, slots=True)
class VersionRange:
    """Versions that meet every clause; without any clause, all of them."""

    clauses: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> VersionRange:
        """Read clauses parted by commas, ``>=1.80, <1.164``; raises ``ValueError`` for anything else."""
        found = []
        for part in text.split(","):
            if not (clause := _CLAUSE.fullmatch(part.strip())):
                raise ValueError(f"'{part.strip()}' is no range of versions: write '>=1.80, <1.164' or '==1.163.2'")
            found.append((clause["how"], clause["version"]))
        return cls(tuple(found))

    def __contains__(self, version: str) -> bool:
        """Whether a version meets all clauses; one without a leading number meets none."""
        numbered = _LEADING.match(version) is not None
        return not self.clauses or (numbered and all(_meets(version, how, other) for how, other in self.clauses))

    def __str__(self) -> str:
        return ", ".join(f"{how}{version}" for how, version in self.clauses)


def _meets(version: str, how: str, other: str) -> bool:
    order = _order(version, other)
    return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0, "==": order == 0}[how]


def _order(version: str, other: str) -> int:
    for one, two in zip_longest(_numbers(version), _numbers(other), fillvalue=0):
        if one != two:
            return -1 if one < two else 1
    return 0


def _numbers(version: str) -> list[int]:
    leading = _LEADING.match(version)
    return [int(part) for part in leading[0].split(".")] if leading else []
