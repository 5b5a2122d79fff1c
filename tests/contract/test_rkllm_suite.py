"""RKLLM keeps the backend contract on every interface, in this process and in a worker."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rkd.backend.backend import Backend
from rkd.backend.rkllm.backend import RkllmBackend
from rkd.inference import Run, Sampling
from rkd.model import Message
from tests.contract.backend_suite import BackendSuite, Subject
from tests.contract.npu import spec
from tests.contract.wire_client import WireBackend
from tests.native import standin
from tests.native.tokenizer import write_tokenizer

TEMPLATE = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]"


@pytest.fixture(params=["direct", "worker"])
def way(request: pytest.FixtureRequest) -> str:
    """Whether a process stands between."""
    return str(request.param)


@pytest.fixture(params=standin.VERSIONS)
def subject(request: pytest.FixtureRequest, way: str, tmp_path: Path) -> Subject:
    """The stand-in of one version, with a tokenizer and a template beside the weights."""
    write_tokenizer(tmp_path)
    config = {"chat_template": TEMPLATE}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    garbage = tmp_path / "garbage.rkllm"
    garbage.write_bytes(bytes(range(256)) * 16)

    def make() -> Backend:
        return WireBackend(tmp_path) if way == "worker" else RkllmBackend()

    asked = spec(request.param, tmp_path, piece=3, token_us=300)
    return Subject(
        make,
        replace(asked, tokenizer_folder=str(tmp_path)),
        str(garbage),
        prompt="Say it again.",
        able=frozenset({"tokenize", "embed"}),
    )


class TestRkllm(BackendSuite):
    """The contract, kept by RKLLM."""

    def greedy(self, subject: Subject, max_tokens: int | None = 24, **changes: object) -> Run:
        """As the suite's, without the seed the runtime does not have."""
        sampling = replace(Sampling(temperature=0, max_tokens=max_tokens), **changes)
        return Run(sampling=sampling, messages=(Message("user", subject.prompt),))
