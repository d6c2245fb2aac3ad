"""One file, many runs: the axes of ``matrix:`` and the one form of substitution, ``${matrix.x}`` and ``${env.X}``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

from harness.scenario.diagnostics import did_you_mean
from harness.scenario.mistakes import Mistake
from harness.scenario.units import quoted
from harness.scenario.yaml12 import Data, Path

MAX_ENTRIES = 256
Scalar = str | int | float | bool
PLACEHOLDER = re.compile(r"\$\{([^{}]*)\}")
_LITERAL = frozenset({"matrix", "name"})
"""Sections in which nothing is substituted."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """The well-formed axes of a file, in its order, and what is wrong with them beyond their shape."""

    axes: dict[str, list[Scalar]]
    mistakes: tuple[Mistake, ...] = ()

    def entries(self) -> Iterator[dict[str, Scalar]]:
        """Yield every combination; the last axis turns fastest."""
        for values in product(*self.axes.values()):
            yield dict(zip(self.axes, values, strict=True))


def read_matrix(data: Mapping[str, Data]) -> Matrix:
    """Take the axes out of a file; what is not a list of scalars is left for the model to complain about."""
    given = data.get("matrix")
    if not isinstance(given, dict):
        return Matrix({})
    axes = {name: _scalars(values) for name, values in given.items() if isinstance(values, list) and _scalars(values)}
    mistakes = [mistake for name, values in axes.items() for mistake in _repeated(name, values)]
    if prod(len(values) for values in axes.values()) > MAX_ENTRIES:
        text = f"{prod(len(values) for values in axes.values())} combinations are more than {MAX_ENTRIES}"
        return Matrix(
            {name: values[:1] for name, values in axes.items()}, (Mistake(("matrix",), "too-many-runs", text),)
        )
    return Matrix(axes, tuple(mistakes))


def shown(value: Scalar) -> str:
    """Return a matrix value as ids and reports show it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Substituted:
    """Data with its placeholders filled in; those at the paths of ``unfilled`` stay as they are."""

    data: dict[str, Data]
    mistakes: tuple[Mistake, ...] = ()
    unfilled: frozenset[Path] = frozenset()


def substitute(data: Mapping[str, Data], entry: Mapping[str, Scalar], env: Mapping[str, str]) -> Substituted:
    """Fill in placeholders; a value that is nothing but one of them takes over the type of the matrix value."""
    known: dict[str, Scalar] = {f"matrix.{axis}": value for axis, value in entry.items()}
    filler = _Filler(known, env, data.get("matrix"))
    filled: dict[str, Data] = {
        name: value if name in _LITERAL else filler.fill(value, (name,)) for name, value in data.items()
    }
    return Substituted(filled, tuple(filler.mistakes), frozenset(filler.unfilled))


class _Filler:
    def __init__(self, known: Mapping[str, Scalar], env: Mapping[str, str], declared: Data) -> None:
        self._known = known
        self._env = env
        self._declared = declared if isinstance(declared, dict) else {}
        self.mistakes: list[Mistake] = []
        self.unfilled: set[Path] = set()

    def fill(self, value: Data, path: Path) -> Data:
        if isinstance(value, dict):
            return {name: self.fill(part, (*path, name)) for name, part in value.items()}
        if isinstance(value, list):
            return [self.fill(part, (*path, index)) for index, part in enumerate(value)]
        return self._fill_text(value, path) if isinstance(value, str) and "${" in value else value

    def _fill_text(self, text: str, path: Path) -> Data:
        if match := PLACEHOLDER.fullmatch(text):
            found = self._lookup(match[1], path)
            return text if found is None else found
        if "${" in PLACEHOLDER.sub("", text):
            self.mistakes.append(Mistake(path, "placeholder", "'${' is never closed by '}'"))
            self.unfilled.add(path)
        return PLACEHOLDER.sub(lambda match: self._part(match, path), text)

    def _part(self, match: re.Match[str], path: Path) -> str:
        found = self._lookup(match[1], path)
        return match[0] if found is None else shown(found)

    def _lookup(self, name: str, path: Path) -> Scalar | None:
        if name in self._known:
            return self._known[name]
        source, _, variable = name.partition(".")
        if source == "env" and variable in self._env:
            return self._env[variable]
        if source != "matrix" or variable not in self._declared:  # a malformed axis has its own mistake
            self.mistakes.append(self._unknown(name, path))
        self.unfilled.add(path)
        return None

    def _unknown(self, name: str, path: Path) -> Mistake:
        if name.startswith("env."):
            text = f"the environment variable {quoted(name.removeprefix('env.'))} is not set"
            return Mistake(path, "placeholder", text, "set it, or write the value itself")
        suggestion = did_you_mean(name, self._known) or "there are ${matrix.AXIS} and ${env.NAME}"
        return Mistake(path, "placeholder", f"nothing is called {quoted('${' + name + '}')}", suggestion)


def _scalars(values: list[Data]) -> list[Scalar]:
    scalars: list[Scalar] = [value for value in values if isinstance(value, str | int | float | bool)]
    return scalars if len(scalars) == len(values) else []


def _repeated(name: str, values: list[Scalar]) -> Iterator[Mistake]:
    texts = [shown(value) for value in values]
    for index, text in enumerate(texts):
        if text in texts[:index]:
            yield Mistake(("matrix", name, index), "duplicate-value", f"{quoted(text)} is already on this axis")
