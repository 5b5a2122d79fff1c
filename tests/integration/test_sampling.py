"""How answers are made, through the daemon and the client library: several, held to something."""

from __future__ import annotations

import re
from collections.abc import Iterator

import grpc
import pytest
from rkd_client import AsyncClient, Client

from rkd.v1 import inference_pb2 as pb
from rkd.v1 import types_pb2 as types
from tests.integration.daemon_process import DaemonProcess
from tests.integration.npu_daemon import NpuDaemon, add_model, make_board, running
from tests.models import tiny

AUTO, NPU, CPU = types.BACKEND_AUTO, types.BACKEND_NPU, types.BACKEND_CPU
MODELFILE = "FROM ./m.rkllm\nPARAMETER num_ctx 256\nPARAMETER num_predict 3\nPARAMETER min_p 0.1\n"


def several(n: int, **sampling: object) -> pb.GenerateRequest:
    """A request for *n* answers of ten tokens."""
    values = {"temperature": 1.0, "seed": 40, "max_tokens": 10, **sampling}
    options = types.InferenceOptions(sampling=types.SamplingOptions(**values), n=n)
    prompt = "A prompt that is worth to be kept in the cache."
    return pb.GenerateRequest(model="tiny", prompt=prompt, options=options)


def test_several_answers_come_one_after_the_other(daemon: DaemonProcess) -> None:
    """Numbered, in order, each what its seed gives alone; the prompt is read once."""
    with daemon.stubs() as stubs:
        events = list(stubs.inference.Generate(several(3), timeout=60))
        alone = list(stubs.inference.Generate(several(1, seed=41), timeout=60))

    deltas = [one.delta for one in events if one.HasField("delta")]
    texts = ["".join(one.text for one in deltas if one.answer == at) for at in range(3)]
    finished = events[-1].finished
    ends = finished.answers
    assert [one.answer for one in deltas] == sorted(one.answer for one in deltas)
    assert texts[1] == "".join(one.delta.text for one in alone if one.HasField("delta"))
    assert len(set(texts)) == 3
    assert [one.seed for one in ends] == [40, 41, 42]
    assert finished.usage.completion_tokens == sum(one.usage.completion_tokens for one in ends)
    assert finished.usage.prompt_tokens == ends[0].usage.prompt_tokens
    assert all(one.usage.cached_tokens >= one.usage.prompt_tokens - 1 for one in ends[1:])
    assert not alone[-1].finished.answers


def test_a_cancel_ends_all_answers(daemon: DaemonProcess) -> None:
    """By its id, in the middle of one of them; the next request is its own."""
    request = several(16, max_tokens=200)
    request.options.request_id = "several"
    request.options.sampling.logit_bias.add(token_id=2, bias=-100)
    request.options.sampling.logit_bias.add(token_id=4, bias=-100)
    with daemon.stubs() as stubs:
        stream = stubs.inference.Generate(request, timeout=60)
        seen: list[pb.GenerateResponse] = []
        for event in stream:
            seen.append(event)
            if event.delta.answer == 1:
                stubs.inference.Cancel(pb.CancelRequest(request_ids=["several"]))
                break
        seen += stream
        after = list(stubs.inference.Generate(several(1), timeout=60))

    assert seen[-1].finished.finish_reason == types.FINISH_REASON_CANCELLED
    assert max(one.delta.answer for one in seen) < 15
    assert after[-1].finished.finish_reason != types.FINISH_REASON_CANCELLED


def test_a_bad_expression_is_refused_before_anything(daemon: DaemonProcess) -> None:
    """With the place in it, and no event."""
    with daemon.stubs() as stubs, pytest.raises(grpc.RpcError) as caught:
        list(stubs.inference.Generate(several(1, regex="(a")))

    assert "options.sampling.regex at character 1: `(` is not closed" in caught.value.details()


def test_the_library_asks_for_it(daemon: DaemonProcess) -> None:
    """Lists as lists, through the sync half."""
    with Client(str(daemon.socket)) as client:
        answer = client.generate("tiny", "Hi", choices=["yes", "no"], n=2, seed=1)
        pieces = list(answer)
        whole = "".join(one.text for one in client.generate("tiny", "Hi", regex="[0-9]{4}"))

    texts = ["".join(one.text for one in pieces if getattr(one, "answer", 0) == at and
                     hasattr(one, "text")) for at in (0, 1)]  # fmt: skip
    assert set(texts) <= {"yes", "no"}
    assert re.fullmatch("[0-9]{4}", whole)


async def test_the_library_asks_for_it_without_waiting(daemon: DaemonProcess) -> None:
    """And through the other; an answer that has begun is gone on with."""
    async with AsyncClient(str(daemon.socket)) as client:
        turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Well"}]
        answer = client.chat("tiny", turns, choices=[", yes", ", no"], seed=1)
        text = "".join([one.text async for one in answer if hasattr(one, "text")])

    assert text in {", yes", ", no"}


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NpuDaemon]:
    """A daemon with a model for both engines, whose Modelfile asks for what one lacks."""
    folder = tmp_path_factory.mktemp("board")
    add_model(folder, "both", MODELFILE)
    tiny.write(folder / "models" / "both" / "m.gguf")
    with running(folder, ["1.3.0"], sysroot=make_board(folder / "sysroot")) as daemon:
        yield daemon


def asked(board: NpuDaemon, backend: types.Backend.ValueType, **more: object) -> list[object]:
    """The events of a request."""
    n = more.pop("n", 1)
    sampling = types.SamplingOptions(**more)  # type: ignore[arg-type]
    options = types.InferenceOptions(backend=backend, sampling=sampling, n=n)  # type: ignore[arg-type]
    request = pb.GenerateRequest(model="both", prompt="hi", options=options)
    return list(board.inference.Generate(request, timeout=60))


def test_the_models_own_keeps_nobody_from_the_npu(board: NpuDaemon) -> None:
    """The Modelfile's min_p is told to have no effect; the request's own goes where it has one."""
    plain = asked(board, AUTO)[-1].finished  # type: ignore[attr-defined]
    own = asked(board, AUTO, min_p=0.2)[-1].finished  # type: ignore[attr-defined]
    with pytest.raises(grpc.RpcError, match="min_p cannot be used"):
        asked(board, NPU, min_p=0.2)

    assert plain.backend == NPU
    assert any("min_p of the Modelfile has no effect" in one for one in plain.warnings)
    assert own.backend == CPU
    assert "min_p" in own.backend_reason


def test_the_npu_makes_several_answers_too(board: NpuDaemon) -> None:
    """One after the other, without a seed."""
    events = asked(board, NPU, n=2)
    finished = events[-1].finished  # type: ignore[attr-defined]

    assert {one.delta.answer for one in events} == {0, 1}  # type: ignore[attr-defined]
    assert len(finished.answers) == 2
    assert finished.usage.completion_tokens == sum(
        one.usage.completion_tokens for one in finished.answers
    )
    assert finished.backend == NPU
