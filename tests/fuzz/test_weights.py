"""Whatever the header of a weights file holds, it is described, or refused as what it is."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from rkd.errors import InvalidInputError, Reason
from rkd.model import Format, Model, ModelName, ModelState, WeightsFile
from rkd.service import describing
from rkd.weights import details, gguf, rkllm, shards
from tests.fuzz.frame import Fuzz, Target
from tests.unit.weights.gguf_bytes import LLAMA, build, pair, tensor, text

REASONS = frozenset({Reason.WEIGHTS_INVALID, Reason.ARCHITECTURE_UNSUPPORTED})
GGUF = (
    build(data_bytes=64),
    build({**LLAMA, "split.count": 2, "split.no": 0, "split.tensors.count": 3}, data_bytes=64),
    build({**LLAMA, "llama.attention.head_count": [1, 2], "x": "y" * 300}, ()),
    build({**LLAMA, "general.alignment": 64, "llama.expert_count": 4}, (), version=2),
)
GGUF_WORDS = (
    *(text(key) for key in LLAMA),
    *(pair("split.count", 3), pair("general.type", "adapter"), tensor("a", (32,), 0, 0)),
    *(b"\x00\x00\xc0\x7f", b"\x00\x00\x80\xff", b"\xff" * 8, b"\x00" * 8, b"\x09\x00\x00\x00"),
    *(bytes([kind, 0, 0, 0]) for kind in range(13)),
)
RKLLM = (
    bytes.fromhex("daeeb336") + bytes(64) + b"rkllm-toolkit version: 1.3.1" + bytes(64),
    b"GGUF" + bytes(64),
    b"",
)
NAMES = ("x.rkllm", "Qwen2.5-1.5B-w8a8-rk3588-ctx-16k.rkllm", "\udce9-999b-context_999999.rkllm")


def sendable(told: details.Details) -> None:
    """Put what was told into a message, as List does."""
    weights = (WeightsFile(Path("/x.gguf"), Format.GGUF, 1, 1),)
    model = Model(ModelName("x"), Path("/x"), ModelState.READY, weights, details=told)
    describing.summary(model).SerializeToString()


def read_gguf(data: bytes) -> None:
    """Read, describe, send, judge."""
    header = gguf.parse_header(lambda at, count: data[at : at + count], len(data), "x.gguf")
    sendable(details.describe(header))
    with suppress(OSError):
        shards.read_rest(Path("/nowhere/x-00001-of-00002.gguf"), header)
    details.check(header, "x.gguf")


def test_gguf(fuzz: Fuzz) -> None:
    """Details that fit into a message, or a typed refusal; never much memory."""
    fuzz(
        Target(
            "gguf",
            read_gguf,
            GGUF,
            GGUF_WORDS,
            (InvalidInputError,),
            REASONS,
            memory_bytes=192 << 20,
        )
    )


def read_rkllm(data: bytes) -> None:
    """Look at a file of those first and last bytes, under every name."""
    for name in NAMES:
        facts = rkllm.judge(name, len(data), data[:64], data[-4096:])
        sendable(facts.details)
        "".join((facts.problem, facts.remedy, *facts.warnings, facts.toolkit)).encode()


def test_rkllm(fuzz: Fuzz) -> None:
    """What can be told is told, nothing is raised at all."""
    fuzz(Target("rkllm", read_rkllm, RKLLM, (b"rkllm-toolkit version: ",), allowed=()))
