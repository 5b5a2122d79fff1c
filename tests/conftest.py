"""What every test gets: coroutine tests with a bound; and the options of the fuzz tests."""

from __future__ import annotations

import asyncio
import contextlib
import inspect

import pytest

with contextlib.suppress(ImportError):  # tests/slow also runs where torch is and this is not
    import hypothesis

    # A machine that has other work draws slowly: no fault of what is tested.
    hypothesis.settings.register_profile(
        "rkd", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("rkd")

ASYNC_TEST_BOUND_S = 60.0
"""No coroutine test waits longer than this for anything."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take `--fuzz-seed` and `--fuzz-cases`; they stand here since pytest asks early."""
    group = parser.getgroup("fuzz")
    group.addoption(
        "--fuzz-seed",
        type=int,
        default=1,
        help="which mutants tests/fuzz makes; `./tests/run fuzz` takes another each time",
    )
    group.addoption(
        "--fuzz-cases", type=int, default=300, help="mutants for each target of tests/fuzz"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run coroutine tests on a loop of their own, bounded."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in wanted}
    marker = pyfuncitem.get_closest_marker("timeout")
    bound_s = float(marker.args[0]) if marker and marker.args else ASYNC_TEST_BOUND_S

    async def bounded() -> None:
        async with asyncio.timeout(bound_s):
            await pyfuncitem.obj(**arguments)

    asyncio.run(bounded())
    return True
