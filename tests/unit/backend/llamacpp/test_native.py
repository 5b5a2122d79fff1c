"""What a native llama-server is started with."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from rkd.backend.llamacpp.native import NativeEngine
from rkd.capability.purpose import Purpose
from rkd.errors import PreconditionError
from rkd.inference import LoadSpec
from rkd.model import BackendKind

SPINS = {"x86_64": 100, "aarch64": 3000}


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({}, f"- {SPINS[platform.machine()]}"),
        ({"OMP_WAIT_POLICY": "active"}, "active -"),
        ({"GOMP_SPINCOUNT": "7"}, "- 7"),
    ],
)
def test_its_threads_spin_for_microseconds_unless_somebody_has_decided(
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
