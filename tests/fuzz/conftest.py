"""The fixture `fuzz`; every test of this folder bears the mark `fuzz`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import frame

SHORT_CASES = 300
"""Up to so many cases a target, the usual bound on a test's time holds."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what stands here; a long run takes as long as it was asked for."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.fuzz)
            if config.getoption("fuzz_cases") > SHORT_CASES:
                item.add_marker(pytest.mark.timeout(0))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how to have the same mutants again."""
    option = terminalreporter.config.getoption
    again = f"--fuzz-seed {option('fuzz_seed')} --fuzz-cases {option('fuzz_cases')}"
    terminalreporter.write_line(f"fuzz: the same again with {again}")


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> frame.Fuzz:
    """Return what runs a target with the seed and the number of cases asked for."""
    seed = request.config.getoption("fuzz_seed")
    cases = request.config.getoption("fuzz_cases")
    return lambda target: frame.fuzz(target, seed, cases)
