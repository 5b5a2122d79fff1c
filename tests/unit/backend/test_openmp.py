"""The library a bare Debian lacks: found in the environment, or asked for by its package."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rkd.backend import openmp
from rkd.errors import Reason

NAME = "librkdtestomp.so.1"


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """A library linked with another one, which lies in no folder of the system's."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("an engine to load wants a C compiler: apt-get install gcc")
    (tmp_path / "lib").mkdir()
    (tmp_path / "omp.c").write_text("int threads(void) { return 4; }\n")
    (tmp_path / "engine.c").write_text("int threads(void); int cores(void) { return threads(); }\n")
    shared = [compiler, "-shared", "-fPIC", "-o"]
    omp = tmp_path / "lib" / NAME
    subprocess.run([*shared, omp, tmp_path / "omp.c", f"-Wl,-soname,{NAME}"], check=True)
    made = tmp_path / "engine.so"
    subprocess.run([*shared, made, tmp_path / "engine.c", omp], check=True)
    return made


def load(engine: Path, prefix: Path) -> subprocess.CompletedProcess[str]:
    """Preload and load in a process of its own, since nothing is ever unloaded."""
    code = (
        "import ctypes, pathlib, sys\n"
        "from rkd.backend import openmp\n"
        f"openmp.preload(pathlib.Path(sys.argv[2]), {NAME!r})\n"
        "print(ctypes.CDLL(sys.argv[1]).cores())\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(engine), str(prefix)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_environments_own_copy_serves_an_engine(engine: Path) -> None:
    """However the process was started: nothing in its environment says where."""
    assert load(engine, engine.parent).stdout == "4\n"


def test_without_a_copy_the_engine_says_what_is_missing(engine: Path, tmp_path: Path) -> None:
    """Preloading is silent; the loader's words name the library."""
    done = load(engine, tmp_path / "empty")

    assert done.returncode == 1
    assert f"{NAME}: cannot open shared object file" in done.stderr


@pytest.mark.parametrize(
    ("library", "package"), [("libgomp.so.1", "libgomp1"), ("libstdc++.so.6", "libstdc++6")]
)
def test_a_missing_library_is_asked_for_by_its_package(library: str, package: str) -> None:
    """A typed refusal that ends in a command to type."""
    words = f"{library}: cannot open shared object file: No such file or directory"
    error = openmp.refusal("llama.cpp", ImportError(words))

    assert error.reason is Reason.LOAD_FAILED
    assert error.message == f"llama.cpp cannot start: the library {library} is missing."
    assert error.remedy == f"Install it: `sudo apt install {package}`."
    assert error.metadata == {"library": library}


def test_other_troubles_are_told_in_the_loaders_words() -> None:
    """A library for another processor, say."""
    error = openmp.refusal("llama.cpp", OSError("x.so: invalid ELF header"))

    assert error.reason is Reason.LOAD_FAILED
    assert "invalid ELF header" in error.message
    assert error.remedy


@pytest.mark.parametrize(
    ("environment", "chosen"),
    [
        ({}, False),
        ({"OMP_WAIT_POLICY": "passive"}, True),
        ({"GOMP_SPINCOUNT": "300000"}, True),
        ({"OMP_NUM_THREADS": "2"}, False),
    ],
)
def test_what_somebody_has_decided_is_told_from_what_we_have(
    environment: dict[str, str], *, chosen: bool
) -> None:
    """A worker switches its own library, and starts engines that inherit what it set for that."""
    ours = dict(environment)
    openmp.switch(ours)

    assert openmp.is_chosen(environment) is chosen
    assert not openmp.is_chosen(ours)
