"""The options ``--chaos-*``, each with an environment variable and an ini key, which count in this order."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pytest

if TYPE_CHECKING:
    from harness.engine.options import RunOptions

T = TypeVar("T")

PATTERNS = ("*.chaos.yaml", "*.chaos.yml")
FILES = "chaos_files"
_YES, _NO = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


@dataclass(frozen=True, slots=True)
class Option:
    """One choice; ``name`` is the ini key, from which the flag and the variable are derived."""

    name: str
    ini: Literal["string", "int", "bool", "linelist"]
    metavar: str
    help: str

    @property
    def flag(self) -> str:
        """As on the command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """As in the environment."""
        return f"CHAT_{self.name.upper()}"


OPTIONS = (
    Option("chaos_stack", "string", "NAME|FILE", "stack to test instead of the one that a scenario names"),
    Option("chaos_launcher", "string", "NAME", "how the stack is started"),
    Option("chaos_proxy", "string", "NAME", "which proxy server the links run through"),
    Option("chaos_seed", "int", "N", "source of all chance; a fresh one is drawn and shown"),
    Option("chaos_set", "linelist", "KEY=VALUE", "set a parameter of the stack; repeatable"),
    Option("chaos_out", "string", "DIR", "folder in which each run gets a folder of its own"),
    Option("chaos_mutant", "string", "NAME", "plant this defect in the backend or its client"),
    Option("chaos_keep", "bool", "", "keep the stack's data in the run folder"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What was chosen; None where the engine decides. ``worker`` is the id of this pytest-xdist worker."""

    stack: str | None
    launcher: str | None
    proxy: str | None
    seed: int
    parameters: dict[str, str]
    out: Path | None
    mutant: str | None
    keep: bool
    worker: str

    def run_options(self) -> RunOptions:
        """Return them as the engine takes them."""
        from harness.engine.options import RunOptions  # noqa: PLC0415 - the engine is loaded when something runs

        given: dict[str, Any] = {"launcher": self.launcher, "proxy": self.proxy, "out": self.out}
        return RunOptions(
            seed=self.seed,
            stack=self.stack,
            mutant=self.mutant,
            parameters=self.parameters,
            keep=self.keep,
            worker=self.worker,
            **{name: value for name, value in given.items() if value is not None},
        )


def add_options(parser: pytest.Parser) -> None:
    """Declare flags and ini keys."""
    group = parser.getgroup("chaos", "chat-chaos")
    for option in OPTIONS:
        about = f"{option.help} (ini {option.name}, env {option.variable})"
        if option.ini == "bool":
            group.addoption(option.flag, dest=option.name, action="store_true", default=None, help=about)
        else:
            action = "append" if option.ini == "linelist" else "store"
            group.addoption(
                option.flag, dest=option.name, action=action, default=None, metavar=option.metavar, help=about
            )
        parser.addini(option.name, option.help, type=option.ini, default=None)
    parser.addini(FILES, "names of scenario files, as patterns", type="args", default=list(PATTERNS))


def read_settings(config: pytest.Config, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read all choices; raises ``pytest.UsageError`` for a value that cannot be one."""
    chosen = {option.name: _Choice(option, config, environ) for option in OPTIONS}
    return Settings(
        stack=chosen["chaos_stack"].read(_plain, base=_place_of_file),
        launcher=chosen["chaos_launcher"].read(_plain),
        proxy=chosen["chaos_proxy"].read(_plain),
        seed=_seed(config, chosen["chaos_seed"]),
        parameters=chosen["chaos_set"].pairs(),
        out=chosen["chaos_out"].read(lambda text: Path(text).absolute(), base=_below),
        mutant=chosen["chaos_mutant"].read(_plain),
        keep=bool(chosen["chaos_keep"].read(_flag)),
        worker=getattr(config, "workerinput", {}).get("workerid", ""),
    )


class _Choice:
    """One option where it was given."""

    def __init__(self, option: Option, config: pytest.Config, environ: Mapping[str, str]) -> None:
        self._option = option
        self._config = config
        self._flag = config.getoption(option.name)
        self._variable = environ.get(option.variable) or None
        self._ini = config.getini(option.name)

    def read(self, parse: Callable[[Any], T], *, base: Callable[[Path, Any], Any] | None = None) -> T | None:
        """Return the value that counts; ``base`` resolves what an ini file says against that file's folder."""
        if self._flag is not None:
            return self._parse(parse, self._flag, self._option.flag)
        if self._variable is not None:
            return self._parse(parse, self._variable, self._option.variable)
        if self._ini is None:
            return None
        return self._parse(parse, base(self._folder(), self._ini) if base else self._ini, self._option.name)

    def pairs(self) -> dict[str, str]:
        """Return ``KEY=VALUE`` pairs of all places together; per key, the one that counts."""
        given = {
            self._option.name: self._ini or [],
            self._option.variable: shlex.split(self._variable or ""),
            self._option.flag: self._flag or [],
        }
        return dict(self._parse(_pair, text, where) for where, texts in given.items() for text in texts)

    def _folder(self) -> Path:
        return self._config.inipath.parent if self._config.inipath else self._config.rootpath

    @staticmethod
    def _parse(parse: Callable[[Any], T], value: Any, where: str) -> T:
        try:
            return parse(value)
        except ValueError as problem:
            raise pytest.UsageError(f"{where}: {value!r} {problem}") from None


def _seed(config: pytest.Config, choice: _Choice) -> int:
    """All workers of a session have the seed that its controller chose."""
    handed = getattr(config, "workerinput", {}).get("chaos_seed")
    if handed is not None:
        return int(handed)
    chosen = choice.read(_number)
    if chosen is not None:
        return chosen
    from harness.core.seeds import fresh_seed  # noqa: PLC0415 - sessions without a seed of their own only

    return fresh_seed().value


def _plain(text: str) -> str:
    return text


def _number(value: str | int) -> int:
    if not str(value).isascii() or not str(value).isdigit():
        raise ValueError("is not a whole number from 0")
    return int(value)


def _flag(value: str | bool) -> bool:
    word = str(value).lower()
    if word not in _YES | _NO:
        raise ValueError("is neither yes nor no")
    return word in _YES


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ValueError("is not KEY=VALUE")
    return key, value


def _below(folder: Path, text: str) -> str:
    return str(folder / text)


def _place_of_file(folder: Path, text: str) -> str:
    """A stack's name stays a name; a path in an ini file starts at the file."""
    return _below(folder, text) if "/" in text or text.endswith((".yaml", ".yml")) else text
