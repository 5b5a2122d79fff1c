"""llama.cpp from the wheel, in this process and in a worker, and as a server of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from rkd.backend.backend import Backend
from rkd.backend.llamacpp.backend import LlamaCppBackend
from rkd.inference import LoadSpec
from rkd.model import BackendKind
from tests.contract.backend_suite import BackendSuite, Subject
from tests.contract.wire_client import WireBackend
from tests.models import tiny


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny GGUF."""
    return tiny.write(tmp_path_factory.mktemp("weights") / "tiny.gguf")


@pytest.fixture(scope="session")
def llama_server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real one named by RKD_TEST_LLAMA_SERVER, else a program that takes its arguments."""
    if named := os.environ.get("RKD_TEST_LLAMA_SERVER"):
        return Path(named)
    program = tmp_path_factory.mktemp("bin") / "llama-server"
    source = Path(__file__).parents[1] / "models/llama_server.py"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {source} "$@"\n')
    program.chmod(0o755)
    return program


@pytest.fixture(params=["direct", "worker", "native", "native worker"])
def subject(
    request: pytest.FixtureRequest, weights: Path, llama_server: Path, tmp_path: Path
) -> Subject:
    """The engine with two slots of 256 tokens."""
    garbage = tmp_path / "garbage.gguf"
    garbage.write_bytes(b"GGUF" + bytes(range(256)) * 16)

    def make() -> Backend:
        if request.param.endswith("worker"):
            return WireBackend(tmp_path)
        return LlamaCppBackend(lambda: None, tmp_path)

    spec = LoadSpec(
        BackendKind.CPU,
        str(weights),
        context_tokens=256,
        slots=2,
        threads=1,
        runtime_library=str(llama_server) if request.param.startswith("native") else "",
    )
    return Subject(make, spec, str(garbage), prompt="Hi")


class TestLlamaCpp(BackendSuite):
    """The contract, kept by llama.cpp."""
