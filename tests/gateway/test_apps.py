"""Libraries that people write apps with, unmodified, each in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.conftest import MODELS

HERE = Path(__file__).parent / "apps"
CACHE = Path(__file__).resolve().parents[2] / ".cache"
PYTHON = CACHE / "venv-apps" / "bin" / "python"
NODE = CACHE / "node-apps"
needs_python = pytest.mark.skipif(
    not PYTHON.exists(), reason="langchain-ollama and litellm: ./tests/run gateway installs them"
)
needs_node = pytest.mark.skipif(
    not (NODE / "node_modules" / "ollama").exists(),
    reason="the npm packages ollama and openai: ./tests/run gateway installs them",
)


def run(*command: str | Path) -> Any:
    """Return what an app printed, which is JSON."""
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    environment |= {"LITELLM_LOCAL_MODEL_COST_MAP": "true", "LANGSMITH_TRACING": "false"}
    done = subprocess.run(
        [str(one) for one in command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@needs_python
def test_langchain_ollama(url: str) -> None:
    """Chat whole and streamed, a schema, tools, a prompt continued, vectors."""
    said = run(PYTHON, HERE / "with_langchain.py", url)

    assert said["whole"] == said["pieces"]
    assert (said["reason"], said["counted"]) == ("length", 6)
    assert json.loads(said["shaped"])["a"] == "x"
    assert said["called"] is True
    assert len(said["vectors"]) == 2


@needs_python
def test_litellm_through_both_dialects(url: str) -> None:
    """The same words, counts and end."""
    said = run(PYTHON, HERE / "with_litellm.py", url)

    assert said["ollama"]["whole"] == said["ollama"]["pieces"]
    assert said["ollama"] == said["openai"]
    assert (said["openai"]["counted"], said["openai"]["reason"]) == (6, "length")
    assert said["vectors"] == 2


@needs_node
def test_the_packages_of_npm(url: str, tmp_path: Path) -> None:
    """Node's `ollama` and `openai`, as their pages say."""
    app = tmp_path / "app.mjs"
    shutil.copy(HERE / "with_node.mjs", app)
    (tmp_path / "node_modules").symlink_to(NODE / "node_modules")
    said = run("node", app, url)

    assert said["models"] == MODELS
    assert "completion" in said["capabilities"]
    assert said["ollama"] == said["openai"]
    assert said["response"] == said["openai"]["whole"] == said["openai"]["pieces"]
    assert said["openai"]["counted"] == 6
    assert (said["vectors"], said["missing"]) == (2, 404)
