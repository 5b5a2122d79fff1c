"""A native server is run in a process of ours where it can be, and is itself where it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rkd.worker.hosted import LIBRARY, follow, library_beside

ROOT = Path(__file__).parents[3]
BOUND_S = 120
PROGRAM = f'#!/bin/sh\n# {LIBRARY}\necho "program $GOMP_SPINCOUNT $OMP_WAIT_POLICY $1"\nexit 5\n'
"""What is not linked with the library but names it, as one that is does."""
SERVER = """
#include <stdio.h>
#include <stdlib.h>
int backend(void);
int _Z12llama_serveriPPc(int argc, char **argv) {
    char *spins = getenv("GOMP_SPINCOUNT"), *policy = getenv("OMP_WAIT_POLICY");
    printf("hosted %s %s %s\\n", spins ? spins : "-", policy ? policy : "-", argv[argc - 1]);
    fflush(stdout);
    return argv[argc] ? 1 : 2 + argc + backend();
}
"""
INHERITED = {"GOMP_SPINCOUNT": "7"}


def told(program: Path) -> tuple[int, str]:
    """Run it with one argument; returns its exit code and words."""
    done = subprocess.run(
        [sys.executable, "-m", "rkd.worker.hosted", program, "--model=w"],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], **INHERITED},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=BOUND_S,
    )
    return done.returncode, done.stdout.strip()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that names the library; there is none yet."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "lib").mkdir()
    path = tmp_path / "bin" / "llama-server"
    path.write_text(PROGRAM)
    path.chmod(0o700)
    return path


def built(folder: Path, backend: str, *options: str) -> None:
    """Make the library in *folder*, linked with *backend*, whose name counts."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("a library to load wants a C compiler: apt-get install gcc")
    shared = [compiler, "-shared", "-fPIC", "-o"]
    (folder / "backend.c").write_text("int backend(void) { return 0; }\n")
    (folder / "server.c").write_text(SERVER)
    subprocess.run([*shared, folder / backend, folder / "backend.c"], check=True)
    words = [folder / "server.c", folder / backend, f"-Wl,-rpath,{folder}", *options]
    subprocess.run([*shared, folder / LIBRARY, *words], check=True)


GNUS = ("-Wl,--no-as-needed", "-l:libgomp.so.1")


@pytest.mark.parametrize("folder", ["bin", "lib"])
def test_the_library_is_run_with_the_programs_arguments(program: Path, folder: str) -> None:
    """Its OpenMP spins as it likes and can be made to sleep; its exit code is ours."""
    built(program.parents[1] / folder, "libggml-cpu.so", *GNUS)

    assert told(program) == (4, "hosted 300000 passive --model=w")


@pytest.mark.parametrize(
    ("backend", "options"),
    [("libggml-other.so", GNUS), ("libggml-cpu.so", ())],
    ids=["backends sought beside the program", "no OpenMP of GNU's"],
)
def test_a_library_that_would_not_do_is_left_to_the_program(
    program: Path, backend: str, options: tuple[str, ...]
) -> None:
    """Which waits as its environment says, as if we had never been there."""
    built(program.parent, backend, *options)

    assert told(program) == (5, "program 7  --model=w")


@pytest.mark.parametrize("content", [b"", b"no library", b"\x7fELF"])
def test_what_cannot_be_loaded_is_left_to_the_program(program: Path, content: bytes) -> None:
    """Damaged, or made for another processor."""
    (program.parent / LIBRARY).write_bytes(content)

    assert told(program) == (5, "program 7  --model=w")


def test_a_program_that_cannot_be_run_says_so(program: Path) -> None:
    """In words, not as a defect of ours."""
    program.write_bytes(b"\x7fELF")

    assert told(program)[0] == 1


def test_only_the_library_a_program_is_linked_with_is_taken(program: Path) -> None:
    """One that lies beside a static program is another build's."""
    library = program.parent / LIBRARY
    library.touch()
    linked = library_beside(program)
    program.write_bytes(b"\x7fELF static")

    assert linked == library
    assert library_beside(program) is None
    assert library_beside(program.parent) is None
    assert library_beside(program.parent / "gone") is None


def test_answers_are_watched_from_the_first_to_the_last() -> None:
    """And no longer than whoever tells of them lives."""
    seen: list[str] = []

    @contextmanager
    def watched() -> Iterator[None]:
        seen.append("begins")
        yield
        seen.append("ends")

    reads, writes = os.pipe()
    os.write(writes, b"+-+")
    os.close(writes)
    follow(reads, watched)
    os.close(reads)

    assert seen == ["begins", "ends"] * 2
