"""NPU first, else the CPU: never silent, and never when the NPU was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from rkd.v1 import inference_pb2, types_pb2
from tests.integration.npu_daemon import NpuDaemon, add_model, make_board, running
from tests.models import tiny

AUTO, NPU, CPU = types_pb2.BACKEND_AUTO, types_pb2.BACKEND_NPU, types_pb2.BACKEND_CPU
MODELFILE = "FROM ./m.rkllm\nPARAMETER num_ctx 256\nPARAMETER num_predict 3\n"


def with_both(folder: Path) -> None:
    """A model with weights for the NPU and for the CPU."""
    add_model(folder, "both", MODELFILE)
    tiny.write(folder / "models" / "both" / "m.gguf")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NpuDaemon]:
    """A daemon on a board with everything the NPU needs."""
    folder = tmp_path_factory.mktemp("board")
    with_both(folder)
    with running(folder, ["1.3.0"], sysroot=make_board(folder / "sysroot")) as daemon:
        yield daemon


def test_the_npu_comes_first(board: NpuDaemon) -> None:
    """With board, library and weights, auto is the NPU."""
    events = list(board.generate("both", "hi", backend=AUTO))

    assert (events[0].accepted.backend, events[-1].finished.backend) == (NPU, NPU)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("device=none", "failed to open rknpu module"),
        ("target=RK3576", "not made for this board"),
        ("toolkit=9.9.9", "older than the model"),
        ("init_crash=segv", "SIGSEGV"),
        ("init_rc=-1", "did not load"),
    ],
)
def test_what_the_npu_cannot_load_goes_to_the_cpu(
    board: NpuDaemon, settings: str, words: str
) -> None:
    """The fallback is told with its reason; asked for by name the NPU fails instead."""
    board.unload("both")
    board.control.write_text(settings, encoding="utf-8")
    try:
        events = list(board.generate("both", "hi", backend=AUTO))
        board.unload("both")
        with pytest.raises(grpc.RpcError, match=words):
            list(board.generate("both", "hi", backend=NPU))
    finally:
        board.control.write_text("", encoding="utf-8")

    told = [event.loading.detail for event in events if event.loading.stage == "falling-back"]
    assert [words in detail for detail in told] == [True]
    assert events[-1].finished.backend == CPU
    assert words in events[-1].finished.backend_reason


def test_a_schema_goes_to_the_cpu(board: NpuDaemon) -> None:
    """What the NPU cannot keep is kept by the GGUF beside it; the next request is the NPU's."""
    held = list(board.generate("both", "hi", backend=AUTO, json_schema='{"enum": [1]}'))
    plain = list(board.generate("both", "hi", backend=AUTO))
    with pytest.raises(grpc.RpcError, match="json_schema cannot be used"):
        list(board.generate("both", "hi", backend=NPU, json_schema='{"enum": [1]}'))

    assert (held[0].accepted.backend, plain[-1].finished.backend) == (CPU, NPU)
    assert "cannot do json_schema" in held[0].accepted.backend_reason
    assert "cannot do json_schema" in held[-1].finished.backend_reason


def test_no_board(tmp_path: Path) -> None:
    """Where there is no board auto is the CPU from the start, and accepted says why."""
    with_both(tmp_path)
    (tmp_path / "sysroot").mkdir()
    with running(tmp_path, ["1.3.0"], sysroot=tmp_path / "sysroot") as daemon:
        events = list(daemon.generate("both", "hi", backend=AUTO))
        asked = list(daemon.generate("both", "hi", backend=NPU))

    assert events[0].accepted.backend == CPU
    assert "no Rockchip SoC" in events[0].accepted.backend_reason
    assert asked[-1].finished.backend == NPU


def test_no_permission(tmp_path: Path) -> None:
    """A node this user may not open is named, with the CPU going on."""
    with_both(tmp_path)
    root = make_board(tmp_path / "sysroot")
    (root / "dev" / "rknpu").unlink()
    with running(tmp_path, ["1.3.0"], sysroot=root) as daemon:
        events = list(daemon.generate("both", "hi", backend=AUTO))

    assert events[-1].finished.backend == CPU
    assert "/dev/rknpu" in events[0].accepted.backend_reason


def test_memory_of_the_npu(tmp_path: Path) -> None:
    """A model the NPU has no room for makes an idle one leave, and answers."""
    room = {"npu_mb": 60, "npu_total_mb": 100, "ledger": tmp_path / "ledger"}
    for name in ("one", "two"):
        add_model(tmp_path, name, MODELFILE, **room)
    with running(tmp_path, ["1.3.0"], sysroot=make_board(tmp_path / "sysroot")) as daemon:
        answers = [daemon.ask(name, "hi")[0] for name in ("one", "two", "one")]

    assert answers == ["hi", "hi", "hi"]


def test_a_conversation_the_npu_cannot_read_goes_to_the_cpu(board: NpuDaemon) -> None:
    """As do tokens, where only the GGUF has a tokenizer; asked for there, the NPU says why not."""
    turns = [types_pb2.Message(role=role, content="hi") for role in ("user", "assistant", "user")]
    said = inference_pb2.ChatRequest(model="both", messages=turns)
    events = list(board.inference.Chat(said, timeout=30))
    tokens = board.inference.Tokenize(
        inference_pb2.TokenizeRequest(model="both", text="hi"), timeout=30
    )
    said.options.backend = NPU
    with pytest.raises(grpc.RpcError, match="history cannot be used"):
        list(board.inference.Chat(said, timeout=30))

    assert events[0].accepted.backend == CPU
    assert "cannot do history" in events[0].accepted.backend_reason
    assert len(tokens.token_ids) == 2


def test_show_tells_each_backend_and_accepted_the_planned_one(board: NpuDaemon) -> None:
    """The same messages; what they say no to is refused before anything is loaded."""
    board.unload("both")
    npu, cpu = board.show("both").backend_capabilities
    events = list(board.generate("both", "hi", backend=CPU))

    assert (npu.backend, cpu.backend, npu.runtime) == (NPU, CPU, "rkllm 1.3.0")
    assert (npu.available, cpu.available) == (True, True)
    assert (npu.json_schema.supported, cpu.json_schema.supported) == (False, True)
    assert events[0].accepted.capabilities == cpu
    board.unload("both")
    with pytest.raises(grpc.RpcError) as refused:
        list(board.generate("both", "hi", backend=NPU, json_schema='{"enum": [1]}'))
    assert refused.value.details().startswith(
        f"json_schema cannot be used with this model: {npu.json_schema.reason}"
    )
    assert board.residents() == []
