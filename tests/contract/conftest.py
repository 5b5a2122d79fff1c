"""What several members of the contract need."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest


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
