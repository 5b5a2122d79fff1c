"""The CPU engine, tried in a child."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from rkd.telemetry.engine import probe
from rkd.telemetry.finding import Trouble


def with_wheel(folder: Path, code: str) -> dict[str, str]:
    """An environment in which `import xllamacpp` does *code*."""
    (folder / "xllamacpp").mkdir()
    (folder / "xllamacpp/__init__.py").write_text(code)
    return {**os.environ, "PYTHONPATH": str(folder)}


def test_an_engine_that_loads_is_no_trouble(tmp_path: Path) -> None:
    """Whatever else it does."""
    assert probe(with_wheel(tmp_path, "")) is None


def test_the_wheel_of_this_environment_loads() -> None:
    """The real one, really loaded."""
    assert probe(os.environ) is None


def test_a_missing_library_is_told_with_its_package(tmp_path: Path) -> None:
    """What the loader says on a bare Debian 12 becomes what to type."""
    words = "libgomp.so.1: cannot open shared object file: No such file or directory"
    trouble = probe(with_wheel(tmp_path, f"raise ImportError({words!r})"))

    assert trouble == Trouble(
        "llama.cpp cannot start: the library libgomp.so.1 is missing.",
        "Install it: `sudo apt install libgomp1`.",
    )


def test_an_engine_this_processor_cannot_run_is_told(tmp_path: Path) -> None:
    """The child dies of it, the daemon does not."""
    die = "import os, signal; os.kill(os.getpid(), signal.SIGILL)"
    trouble = probe(with_wheel(tmp_path, die))

    assert trouble is not None
    assert "SIGILL" in trouble.message
    assert trouble.remedy


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("exit 0", None),
        ("echo 'libgomp.so.1: cannot open shared object file' >&2; exit 127", "libgomp.so.1"),
        ("exit 3", "ended with 3"),
    ],
)
def test_a_native_server_is_tried_instead(tmp_path: Path, program: str, words: str | None) -> None:
    """It is asked for its version; the wheel is left alone."""
    server = tmp_path / "llama-server"
    server.write_text(f"#!/bin/sh\n{program}\n")
    server.chmod(0o755)
    trouble = probe(with_wheel(tmp_path, "raise ImportError('never')"), server)

    assert (trouble is None) == (words is None)
    assert words is None or words in str(trouble)


def test_a_native_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    """With the path that was configured."""
    trouble = probe(os.environ, tmp_path / "none")

    assert trouble is not None
    assert str(tmp_path / "none") in trouble.message


def test_a_child_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    """The doctor answers all the same."""
    trouble = probe(os.environ, command=(str(tmp_path / "python"),))

    assert trouble is not None
    assert "could not be tried" in trouble.message


def test_words_of_others_are_no_answer() -> None:
    """What is no object of ours on standard output is left aside."""
    trouble = probe(os.environ, command=(sys.executable, "-c", "print([1]); raise SystemExit(1)"))

    assert trouble is not None
    assert "exit code 1" in trouble.message
