"""From the pool's plain types to the stream's events: nothing lost on the way."""

from __future__ import annotations

from rkd.inference import (
    Chunk,
    EngineTimings,
    FinishReason,
    Loaded,
    Outcome,
    PrefillProgress,
    TemplateWay,
    Usage,
)
from rkd.model import BackendKind
from rkd.pool.ticket import Loading, Queued, Served
from rkd.service import events
from rkd.tokens import Logprob, TokenLogprobs, ToolCallDelta
from rkd.v1 import types_pb2 as pb
from tests.unit.pool.fakes import plan


def test_accepted_says_model_backend_and_template() -> None:
    """And the request's id."""
    assert events.accepted("r", plan(npu=1), TemplateWay.MODEL) == pb.Accepted(
        request_id="r", model="alpha", backend=pb.BACKEND_NPU, template_source="model"
    )


def test_waiting_and_loading() -> None:
    """What is not known is not set."""
    wait = events.queued(Queued(2, 1.5))
    unknown = events.loading(Loading("starting", BackendKind.CPU))
    known = events.loading(Loading("loading", BackendKind.CPU, 0.0, ("b",), "why"))

    assert (wait.position, wait.estimated_wait.ToMilliseconds()) == (2, 1500)
    assert not events.queued(Queued(1)).HasField("estimated_wait")
    assert not unknown.HasField("fraction")
    assert known.HasField("fraction")
    assert (list(known.evicting), known.detail, known.stage) == (["b"], "why", "loading")


def test_a_delta_carries_everything_of_its_chunk() -> None:
    """Token ids only for who asked."""
    chunk = Chunk(
        "t", "r", (ToolCallDelta(1, "i", "n", "a"),), (7,),
        (TokenLogprobs(Logprob(1, "x", -0.5), (Logprob(2, "y", -1.5),)),), 1,
    )  # fmt: skip
    whole = pb.Delta(
        text="t",
        reasoning_text="r",
        tool_calls=[pb.ToolCallDelta(index=1, id="i", name="n", arguments="a")],
        token_ids=[7],
        logprobs=[
            pb.TokenLogprobs(
                chosen=pb.Logprob(token_id=1, text="x", logprob=-0.5),
                alternatives=[pb.Logprob(token_id=2, text="y", logprob=-1.5)],
            )
        ],
    )

    assert events.delta(chunk, with_ids=True) == whole
    assert not events.delta(chunk, with_ids=False).token_ids


def test_prefill() -> None:
    """Each number in its place."""
    assert events.prefill(PrefillProgress(3, 2, 1)) == pb.Prefill(
        total_tokens=3, processed_tokens=2, cached_tokens=1
    )


def test_every_reason_to_end_has_its_name_on_the_wire() -> None:
    """As the contract calls it."""
    for reason in FinishReason:
        ended = events.cut_short(Outcome(reason), plan(), 3, -1)
        name = pb.FinishReason.Name(ended.finish_reason)
        assert name == f"FINISH_REASON_{reason.value}"
        assert ended.usage.completion_tokens == 3
        assert not ended.timings.HasField("first_token")


def test_finished_tells_all() -> None:
    """Usage, times, seed, what the answer was made with, warnings of all three."""
    outcome = Outcome(
        FinishReason.STOP_SEQUENCE, Usage(4, 3, 2, 1), EngineTimings(1.5, 2.5), "END", 9,
        TemplateWay.MODELFILE, ("w",),
    )  # fmt: skip
    loaded = Loaded(64, 1, "fake", warnings=("l",))
    served = Served(outcome=outcome, plan=plan(), loaded=loaded, queue_ms=3.0, load_ms=4.0)
    done = events.finished(served, 0.25)

    assert (done.matched_stop, done.seed, done.runtime) == ("END", 9, "fake")
    assert done.template_source == "modelfile"
    assert done.usage == pb.Usage(
        prompt_tokens=4, cached_tokens=3, completion_tokens=2, reasoning_tokens=1
    )
    spent = done.timings
    found = [spent.queue, spent.load, spent.first_token, spent.prefill, spent.decode]
    assert [one.ToMicroseconds() for one in found] == [3000, 4000, 250_000, 1500, 2500]
    assert list(done.warnings) == ["l", "w"]
