"""Driver ``python``: one of the user's own in a Python file beside the stack file, without a package to install."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from harness.core.errors import UsageError
from harness.drivers.api import Driver

OPTION = "file"
MAKE = "make"


def settle(options: Mapping[str, str], folder: Path) -> Mapping[str, str]:
    """Return the options with the full path of the file; raises ``UsageError`` when there is no such file."""
    if OPTION not in options:
        raise UsageError("driver 'python' needs a file", hint="write driver: {kind: python, file: my_driver.py}")
    file = folder / options[OPTION]
    if not file.is_file():
        raise UsageError(f"there is no driver file {file}", hint="its path starts at the folder of the stack file")
    return {**options, OPTION: str(file.resolve())}


def make(options: Mapping[str, str]) -> Driver:
    """Return what the file's ``make`` makes of the other options.

    Raises ``UsageError`` when the file has no ``make``, or cannot be loaded.
    """
    file = Path(options[OPTION])
    factory = getattr(_module(file), MAKE, None)
    if factory is None:
        raise UsageError(f"{file} has no function {MAKE!r}", hint="def make(options): return MyDriver()")
    made: Driver = factory({name: value for name, value in options.items() if name != OPTION})
    return made


def _module(file: Path) -> ModuleType:
    spec = spec_from_file_location(f"chat_chaos_driver_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{file} is no Python file", hint="a driver is a file NAME.py")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as problem:
        line = traceback.extract_tb(problem.__traceback__)[-1]
        raise UsageError(
            f"{file} cannot be loaded: {type(problem).__name__}: {problem}", hint=f"see {line.filename}:{line.lineno}"
        ) from problem
    return module
