"""From the command line to a running program: what is said when it cannot start."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAMS = ("gateway", "console")


def started(called: str, script: str, *words: str, **variables: str) -> tuple[int, str, str]:
    """Run *script*, then the program; return its code and what it said on stdout and stderr."""
    code = f"import sys\n{script}\nfrom rkd_{called}.main import main\nsys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env={"PYTHONPATH": ":".join(sys.path), "HOME": "/nowhere", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("called", PROGRAMS)
def test_help_imports_nothing_that_listens(called: str) -> None:
    """One line, and where to read on."""
    forbid = "for one in ('uvicorn', 'starlette', 'nicegui', 'grpc'): sys.modules[one] = None"
    code, told, wrong = started(called, forbid, "--help")

    assert (code, wrong) == (0, "")
    assert told.startswith(f"rkd-{called}: ")
    assert told.endswith(f"see docs/{called}.md\n")


@pytest.mark.parametrize("called", PROGRAMS)
def test_a_package_that_is_missing_is_told_with_the_extra_that_has_it(called: str) -> None:
    """No traceback, and no start again and again."""
    code, _, told = started(called, "sys.modules['uvicorn'] = None")

    assert code == 78
    assert told == (
        f"rkd-{called} cannot start: the package uvicorn is missing. "
        f"In rkd's checkout: pip install '.[{called}]'\n"
    )


@pytest.mark.parametrize("called", PROGRAMS)
def test_a_setting_that_is_wrong_is_told_by_its_name(called: str) -> None:
    """With its reason; nothing has been listened on."""
    name = f"RKD_{called.upper()}_LISTEN"
    code, _, told = started(called, "", **{name: "nonsense"})

    assert code == 78
    assert told.startswith(f"rkd-{called}: {name}: should be")
