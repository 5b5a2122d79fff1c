"""`rkctl bench` beside what was published."""

from __future__ import annotations

import json

import pytest
from google.protobuf.duration_pb2 import Duration

from rkd.v1 import inference_pb2, models_pb2, pool_pb2
from rkd.v1 import system_pb2 as pb
from rkd.v1 import types_pb2 as types
from tests.unit.rkctl import canned
from tests.unit.rkctl.fake_board import FakeBoard, Refusal, Rkctl

FILE = "Qwen2.5-1.5B-Instruct-rk3588-w8a8-opt-0-hybrid-ratio-0.0.rkllm"


@pytest.fixture
def npu(board: FakeBoard) -> FakeBoard:
    """A board whose NPU answers, far from what is published: all tokens come at once."""
    last = canned.finished(
        backend=types.BACKEND_NPU,
        usage=types.Usage(prompt_tokens=20, completion_tokens=2),
        timings=types.Timings(prefill=Duration(nanos=10_000_000)),
    )
    board.answers["InferenceService.Generate"] = canned.answer("a", "b", last=last)
    board.answers["SystemService.GetStatus"] = pb.GetStatusResponse(soc="rk3588", cores=8)
    summary = types.ModelSummary(name="qwen", parameters=1_500_000_000, quantization="w8a8")
    weights = types.WeightsFile(name=FILE, format=types.WEIGHTS_FORMAT_RKLLM)
    board.answers["ModelService.Show"] = models_pb2.ShowResponse(summary=summary, weights=[weights])
    board.answers["PoolService.ListResident"] = pool_pb2.ListResidentResponse()
    return board


def told(rkctl: Rkctl) -> str:
    """The line about what is published."""
    done = rkctl("bench", "qwen", "--runs", "1")
    assert done.exit_code == 0, done.output
    return next(line for line in done.stdout.splitlines() if line.startswith("published"))


@pytest.mark.usefixtures("npu")
def test_the_row_stands_beside_what_was_measured(rkctl: Rkctl) -> None:
    """Model, chip, rate and release, and what part of it was reached."""
    line = told(rkctl)

    assert "Qwen2.5 1.5B w8a8 on rk3588: 16.69 tokens/s with runtime 1.3.0; here " in line
    assert line.endswith("% of it")


@pytest.mark.usefixtures("npu")
def test_json_has_it_all(rkctl: Rkctl) -> None:
    """Row, part and every condition with its state, in the order of the reasons."""
    plain = json.loads(rkctl("bench", "qwen", "--runs", "1", "--json").stdout)

    assert plain["published"]["tokens_per_s"] == 16.69
    assert plain["of_published"] >= 0
    assert plain["conditions"][0]["what"] == "memory at its full clock (DDR)"
    assert {one["state"] for one in plain["conditions"]} == {"holds", "unknown"}
    assert plain["runs"][0]["backend"] == "npu"


def test_a_large_gap_is_followed_by_the_conditions(rkctl: Rkctl, npu: FakeBoard) -> None:
    """No tokens a second at all: one token, no rate."""
    last = canned.finished(
        backend=types.BACKEND_NPU, usage=types.Usage(prompt_tokens=20, completion_tokens=1)
    )
    npu.answers["InferenceService.Generate"] = canned.answer("a", last=last)
    done = rkctl("bench", "qwen", "--runs", "1")

    assert "here 0% of it" in done.stdout
    assert "unknown  memory at its full clock (DDR)" in done.stdout
    assert "holds    converted at optimization level 0" in done.stdout


def test_a_small_gap_needs_no_explanation(rkctl: Rkctl, npu: FakeBoard) -> None:
    """The rate alone."""
    last = canned.finished(
        backend=types.BACKEND_NPU, usage=types.Usage(prompt_tokens=20, completion_tokens=10**6)
    )
    npu.answers["InferenceService.Generate"] = canned.answer("a", "b", last=last)
    done = rkctl("bench", "qwen", "--runs", "1")

    assert "% of it" in done.stdout
    assert "CONDITION" not in done.stdout


def test_on_the_cpu_nothing_is_compared(rkctl: Rkctl, npu: FakeBoard) -> None:
    """The vendor publishes its NPU's rates."""
    npu.answers["InferenceService.Generate"] = canned.answer("a", "b")

    assert "it ran on the CPU" in told(rkctl)


def test_an_unknown_model_says_so(rkctl: Rkctl, npu: FakeBoard) -> None:
    """And what was measured stands all the same."""
    npu.answers["ModelService.Show"] = models_pb2.ShowResponse(
        summary=types.ModelSummary(name="llama", parameters=10**9, quantization="w8a8")
    )

    assert "publishes nothing of this model" in told(rkctl)


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("ModelService.Show", "may not be asked for (ROLE_FORBIDS)"),
        ("SystemService.GetStatus", "may not be asked which chip"),
        ("PoolService.ListResident", "16.69"),
    ],
)
def test_what_may_not_be_asked_costs_that_fact(
    rkctl: Rkctl, npu: FakeBoard, method: str, words: str
) -> None:
    """A token that may infer is enough to measure."""
    npu.answers[method] = Refusal("PERMISSION_DENIED", "ROLE_FORBIDS", "no")

    assert words in told(rkctl)


def test_what_the_npu_has_none_of_is_not_asked(rkctl: Rkctl, npu: FakeBoard) -> None:
    """A seed: greedy answers need none, and the NPU refuses one."""
    told(rkctl)
    (first, *_) = npu.requests("InferenceService.Generate")

    assert isinstance(first, inference_pb2.GenerateRequest)
    assert not first.options.sampling.HasField("seed")
    assert first.options.sampling.temperature == 0
