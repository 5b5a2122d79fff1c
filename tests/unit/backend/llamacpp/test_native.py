"""What a native llama-server is started with."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from rkd.backend import openmp
from rkd.backend.llamacpp.native import NativeEngine, OpenAnswers
from rkd.capability.purpose import Purpose
from rkd.errors import PreconditionError
from rkd.inference import LoadSpec
from rkd.model import BackendKind

SWITCHED: dict[str, str] = {}
openmp.switch(SWITCHED)
SPINS = {"x86_64": 1000, "aarch64": 30000}


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({}, f"- {SPINS[platform.machine()]}"),
        ({"OMP_WAIT_POLICY": "active"}, "active -"),
        ({"GOMP_SPINCOUNT": "7"}, "- 7"),
        (SWITCHED, f"- {SPINS[platform.machine()]}"),
    ],
)
def test_one_that_cannot_be_hosted_spins_for_microseconds_unless_somebody_has_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: dict[str, str], told: str
) -> None:
    """Nobody could change it while others are in its way: it is a process of its own."""
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    program = tmp_path / "llama-server"
    said = tmp_path / "said"
    program.write_text(
        f'#!/bin/sh\necho "${{OMP_WAIT_POLICY:--}} ${{GOMP_SPINCOUNT:--}}" > {said}\nexit 3\n'
    )
    program.chmod(0o700)
    engine = NativeEngine(program, tmp_path, lambda: None)

    with pytest.raises(PreconditionError, match="ended with code 3"):
        engine.start(LoadSpec(BackendKind.CPU, "/w.gguf", "m"), 1, 16, Purpose())

    assert said.read_text().strip() == told
    assert "PATH" in os.environ


def test_a_program_that_is_none_is_told_before_anything_runs(tmp_path: Path) -> None:
    """Not by the process that would have become it."""
    (tmp_path / "plain").write_text("")
    for name, words in (("gone", "No such file"), ("plain", "Permission denied")):
        engine = NativeEngine(tmp_path / name, tmp_path, lambda: None)
        with pytest.raises(PreconditionError, match=f"cannot be started: {words}"):
            engine.start(LoadSpec(BackendKind.CPU, "/w.gguf", "m"), 1, 16, Purpose())


def test_the_first_answer_and_the_last_are_told() -> None:
    """However many there are between."""
    told: list[bytes] = []
    answering = OpenAnswers(told.append)

    with answering.watched(), answering.watched():
        assert told == [b"+"]
    with answering.watched():
        pass

    assert told == [b"+", b"-", b"+", b"-"]


def test_an_answer_without_an_engine_is_told_to_nobody(tmp_path: Path) -> None:
    """One that has just been closed."""
    engine = NativeEngine(tmp_path / "gone", tmp_path, lambda: None)

    with engine.watched():
        engine.close()
