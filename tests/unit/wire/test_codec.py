"""What crosses the worker wire arrives as it left: every field of every type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rkd.errors import RkdError
from rkd.inference import (
    Capabilities,
    Chunk,
    EngineTimings,
    FinishReason,
    Loaded,
    LoadSpec,
    Logprob,
    Outcome,
    Run,
    Sampling,
    TemplateWay,
    TokenLogprobs,
    Tool,
    ToolCallDelta,
    Usage,
)
from rkd.model import BackendKind, Message, ToolCall
from rkd.wire import codec
from tests.unit.wire import shapes

Pair = tuple[st.SearchStrategy[Any], Callable[[Any], Any], Callable[[Any], Any]]
PAIRS: dict[str, Pair] = {
    "sampling": (shapes.SAMPLINGS, codec.pack_sampling, codec.unpack_sampling),
    "run": (shapes.RUNS, codec.pack_run, codec.unpack_run),
    "load": (shapes.LOADS, codec.pack_load, codec.unpack_load),
    "loaded": (shapes.LOADEDS, codec.pack_loaded, codec.unpack_loaded),
    "chunk": (shapes.CHUNKS, codec.pack_chunk, codec.unpack_chunk),
    "outcome": (shapes.OUTCOMES, codec.pack_outcome, codec.unpack_outcome),
}

SAMPLING = Sampling(
    0.1, 2, 0.3, 0.4, 0.5, 0.6, 7, 0.8, 0.9, 1, 1.1, 1.2, 13, 14, ("s",), ((1, 0.5),), 3, "g", "{}"
)
TURN = Message("user", "c", "r", (ToolCall("i", "n", "{}"),), "t", "ti")
LOGPROB = Logprob(1, "x", -0.5)
WHOLE: tuple[Any, ...] = (
    SAMPLING,
    Run(SAMPLING, "p", (TURN,), (Tool("n", "d", "{}"),), "t", True, (("l", 0.1),), (1, 2), "c"),
    LoadSpec(
        BackendKind.NPU, "/w", "m", 1, 2, "f16", 3, 4, "t", "/t", "h", "/r", "1.3", 5, 6, False,
        (("a", "/a", 0.1),), "/l", SAMPLING, True,
    ),
    Loaded(
        Capabilities(True, True, True, True, True, True, True, False, True, True, True, True),
        1, 2, "r", TemplateWay.MODEL, ("w",),
    ),
    Chunk(
        "t", "r", (ToolCallDelta(1, "i", "n", "a"),), (1,), (TokenLogprobs(LOGPROB, (LOGPROB,)),), 2
    ),
    Outcome(
        FinishReason.LENGTH, Usage(1, 2, 3, 4), EngineTimings(0.1, 0.2), "s", 5, TemplateWay.MODEL,
        ("w",),
    ),
)  # fmt: skip
KINDS: dict[type, str] = {
    Sampling: "sampling",
    Run: "run",
    LoadSpec: "load",
    Loaded: "loaded",
    Chunk: "chunk",
    Outcome: "outcome",
}


@pytest.mark.parametrize("kind", PAIRS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_round_trip_changes_nothing(kind: str, data: st.DataObject) -> None:
    """Packed, serialised, parsed and unpacked, a value equals itself."""
    shape, pack, unpack = PAIRS[kind]
    value = data.draw(shape)
    frame = pack(value)

    assert value == unpack(type(frame).FromString(frame.SerializeToString()))


@pytest.mark.parametrize("value", WHOLE, ids=lambda it: type(it).__name__)
def test_no_field_is_forgotten(value: Any) -> None:
    """A value that sets every field comes back; a new field must be set here to pass."""
    _, pack, unpack = PAIRS[KINDS[type(value)]]
    still = [
        name for name, default in defaults_of(value).items() if getattr(value, name) == default
    ]
    frame = pack(value)

    assert still == []
    assert value == unpack(type(frame).FromString(frame.SerializeToString()))


def defaults_of(value: Any) -> dict[str, Any]:
    """The default of each field that has one."""
    return {
        one.name: one.default if one.default is not MISSING else one.default_factory()
        for one in fields(value)
        if one.default is not MISSING or one.default_factory is not MISSING
    }


@given(error=shapes.FAILURES)
def test_an_error_keeps_reason_words_and_numbers(error: RkdError) -> None:
    """And is of the class that owns its reason."""
    frame = codec.pack_failure(error)
    back = codec.unpack_failure(type(frame).FromString(frame.SerializeToString()))

    assert type(back) is type(error)
    assert (back.reason, back.message) == (error.reason, error.message)
    assert (back.remedy, back.metadata) == (error.remedy, error.metadata)
