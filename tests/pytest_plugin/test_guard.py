"""Locust stays out of the process that runs chaos tests; other sessions are left alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[..., Path]
Fake = Callable[..., None]
pytestmark = pytest.mark.slow  # each inner session is a process

HEAVY = {"pydantic", "duckdb", "locust", "gevent", "faker", "docker", "requests", "websockets", "starlette", "rich"}


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_locust_is_refused_beside_a_scenario(
    pytester: pytest.Pytester, scenario: Write, fake: Fake, workers: list[str]
) -> None:
    """The import fails with the reason and the way out, nothing is patched, and no other test is lost."""
    scenario("lift")
    fake()
    pytester.makepyfile(test_load="def test_load():\n    import locust\n" + "def test_other(): pass\n")
    result = pytester.runpytest_subprocess(*workers)
    result.assert_outcomes(passed=2, failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*Refusal: Locust cannot be imported into a pytest session with chaos tests*"])


def test_threads_patched_by_gevent_fail_the_session(pytester: pytest.Pytester, scenario: Write, fake: Fake) -> None:
    """The test that did it fails at its end, and so does every test after it."""
    scenario("z-lift")
    fake()
    pytester.makepyfile(
        test_a="import sys, types\n"
        "def test_patch():\n"
        "    monkey = types.ModuleType('gevent.monkey')\n"
        "    monkey.is_module_patched = lambda name: name == 'threading'\n"
        "    sys.modules['gevent.monkey'] = monkey\n"
    )
    result = pytester.runpytest_subprocess("test_a.py", "z-lift.chaos.yaml")
    result.assert_outcomes(passed=1, errors=2)
    assert not (pytester.path / "played.jsonl").exists()
    result.stdout.fnmatch_lines(["*gevent has patched the process that runs the tests*"])


def test_a_session_that_imported_locust_before_fails(pytester: pytest.Pytester, scenario: Write, fake: Fake) -> None:
    """What conftest or another plugin has loaded cannot be undone: no test of such a process is trusted."""
    scenario("lift")
    fake()
    with (pytester.path / "conftest.py").open("a") as conftest:
        conftest.write("\nimport sys, types\nsys.modules['locust'] = types.ModuleType('locust')\n")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*Locust was imported into the process that runs the tests*"])


def test_other_sessions_may_do_as_they_like(pytester: pytest.Pytester) -> None:
    """Without a chaos test nothing is refused, and nothing of ours but the plugin itself is loaded."""
    pytester.makepyfile(
        "import json, sys\n"
        "def test_it():\n"
        "    sys.modules['locust'] = sys\n"
        "    del sys.modules['locust']\n"
        "    print('LOADED', json.dumps(sorted(sys.modules)))\n"
        "    assert not [one for one in sys.meta_path if 'harness' in type(one).__module__]\n"
    )
    result = pytester.runpytest_subprocess("-s", "-p", "no:locust", "-p", "no:anyio")
    result.assert_outcomes(passed=1)
    [line] = [line for line in result.outlines if "LOADED" in line]
    loaded = set(json.loads(line.partition("LOADED ")[2]))
    assert {name.partition(".")[0] for name in loaded} & HEAVY == set()
    assert not {name for name in loaded if name.startswith(("harness.engine", "harness.scenario", "allure_report"))}


def test_the_plugin_is_light(pytester: pytest.Pytester) -> None:
    """It is imported in every session where chat-chaos is installed, so it loads no library."""
    result = pytester.run(
        sys.executable,
        "-c",
        "import sys, pytest; before = set(sys.modules); import harness.pytest_plugin.plugin; "
        "print(' '.join(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))",
    )
    assert set(result.outlines[-1].split()) & (HEAVY | {"msgspec", "asyncio", "allure"}) == set()
