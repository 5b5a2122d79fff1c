"""A smaller environment that still works, with Python alone."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SLIM = Path(__file__).resolve().parents[2] / "packaging" / "install" / "slim.py"


def slim(*folders: Path) -> None:
    """Run it."""
    subprocess.run([sys.executable, str(SLIM), *map(str, folders)], check=True, timeout=60)


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """One with pip, numpy's tests, and a library with a large symbol table."""
    made = tmp_path / "one"
    packages = made / "lib/python3.11/site-packages"
    for name in ("pip/x.py", "pip-1.dist-info/RECORD", "numpy/core/tests/t.py", "numpy/core/c.py"):
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).write_text(name)
    (made / "bin").mkdir()
    for name in ("pip", "pip3.11", "rkd"):
        (made / "bin" / name).write_text("#!")
    return made


def compiled(folder: Path) -> Path:
    """A library of many small functions with symbols and notes for debuggers."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("a library to strip wants a C compiler: apt-get install gcc")
    source = folder / "many.c"
    body = "\n".join(f"int function_number_{n}(void) {{ return {n}; }}" for n in range(3000))
    source.write_text(body)
    library = folder / "many.so"
    subprocess.run([compiler, "-g", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


def test_installers_and_tests_go_and_nothing_else(environment: Path) -> None:
    """The programs of pip as well; what packages import stays."""
    slim(environment)
    left = {str(path.relative_to(environment)) for path in environment.rglob("*") if path.is_file()}

    assert left == {"bin/rkd", "lib/python3.11/site-packages/numpy/core/c.py"}


def test_a_library_loses_what_no_loader_reads(environment: Path) -> None:
    """It is much smaller, loads, and its functions answer."""
    packages = environment / "lib/python3.11/site-packages"
    library = compiled(packages)
    before = library.stat().st_size
    library.chmod(0o755)
    slim(environment)

    assert library.stat().st_size < before * 0.7
    assert library.stat().st_mode & 0o777 == 0o755
    assert ctypes.CDLL(str(library)).function_number_2999() == 2999


def test_what_is_no_library_is_left_alone(environment: Path) -> None:
    """Text with such a name, a cut file, another kind of ELF."""
    packages = environment / "lib/python3.11/site-packages"
    contents = {"a.so": b"text", "b.so": b"\x7fELF", "c.so": b"\x7fELF\x01\x01" + b"x" * 100}
    for name, content in contents.items():
        (packages / name).write_bytes(content)
    slim(environment)

    assert {name: (packages / name).read_bytes() for name in contents} == contents


def test_two_versions_share_what_is_the_same(environment: Path, tmp_path: Path) -> None:
    """One file with two names; what differs, in bytes or in mode, is a file of its own."""
    slim(environment)
    later = tmp_path / "two"
    shutil.copytree(environment, later)
    (later / "bin/rkd").write_text("other")
    extra = "lib/python3.11/site-packages/numpy/core/c.py"
    (environment / "mode").write_text("same")
    (later / "mode").write_text("same")
    (later / "mode").chmod(0o755)
    slim(later, environment)

    assert (environment / extra).samefile(later / extra)
    assert (later / "bin/rkd").read_text() == "other"
    assert (environment / "bin/rkd").read_text() == "#!"
    assert not (environment / "mode").samefile(later / "mode")
