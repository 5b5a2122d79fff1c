"""Requests that no service should see."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rkd.errors import InvalidInputError
from rkd.service.gate import message
from rkd.service.gate.message import read_message
from rkd.v1 import inference_pb2 as pb
from rkd.v1 import models_pb2, pool_pb2
from rkd.v1 import types_pb2 as types

PLENTY = 1 << 30


def refused(raw: bytes, kind: Any, most_bytes: int = PLENTY) -> tuple[str, str]:
    """Return field and description of the violation."""
    with pytest.raises(InvalidInputError) as caught:
        read_message(raw, kind.FromString, most_bytes)
    (violation,) = caught.value.violations
    return violation.field, violation.description


def generate(**options: Any) -> bytes:
    """Return a Generate with *options*, on the wire."""
    return pb.GenerateRequest(options=types.InferenceOptions(**options)).SerializeToString()


def test_a_good_message_is_read() -> None:
    """As it was sent, also where every delicate field is set."""
    sent = pb.GenerateRequest(model="m", prompt="é")
    sent.options.keep_alive.seconds = -1
    sent.options.backend = types.BACKEND_CPU
    sent.options.sampling.temperature = 0.5
    sent.options.lora["x"] = 1.0

    read = read_message(sent.SerializeToString(), pb.GenerateRequest.FromString, PLENTY)

    assert read == sent


def test_text_that_is_no_utf8_is_named_wherever_it_is() -> None:
    """By its path, not as a message that makes no sense."""
    chat = pb.ChatRequest(messages=[types.Message(content="é"), types.Message(content="AB")])
    raw = chat.SerializeToString().replace(b"AB", b"\xed\xa0")

    assert refused(b"\x0a\x02\xff\xfe", pb.GenerateRequest) == ("model", "is no UTF-8 at byte 0")
    assert refused(raw, pb.ChatRequest) == ("messages[1].content", "is no UTF-8 at byte 0")


@pytest.mark.parametrize("raw", [b"\xff", b"\x0a\x7f", b"\x0f", b"\x80" * 40, b"\x12\x03\x0a\x7fa"])
def test_garbage_is_no_message(raw: bytes) -> None:
    """Whatever it is."""
    assert refused(raw, pb.ChatRequest) == ("request", "is no ChatRequest")


def test_a_long_one_is_refused_before_it_is_read() -> None:
    """By its bytes alone, whatever they are."""
    field, description = refused(b"\xff" * 101, pb.ChatRequest, most_bytes=100)

    assert (field, description) == ("request", "has 101 bytes; this call takes 100")


def test_many_items_are_refused_before_they_are_built() -> None:
    """Two bytes a message become eighty in memory; inner ones count as well."""
    flat = b"\x12\x00" * (message.MAX_ITEMS + 1) + b"\xff" * message.COUNTED_FROM_BYTES
    inner = pb.ChatRequest(messages=[types.Message(tool_calls=[types.ToolCall()] * 20_000)])

    for raw in (flat, inner.SerializeToString()):
        assert refused(raw, pb.ChatRequest) == ("request", "has more than 10000 items")


@pytest.mark.parametrize(
    ("seconds", "nanos"), [(2**62, 0), (-(2**62), 0), (1, -1), (-1, 1), (0, 10**9), (10**12, 0)]
)
def test_durations_no_clock_has_are_named(seconds: int, nanos: int) -> None:
    """In every message that has one, at any depth."""
    asked = types.InferenceOptions()
    asked.keep_alive.seconds, asked.keep_alive.nanos = seconds, nanos
    unload = pool_pb2.UnloadRequest()
    unload.grace.seconds, unload.grace.nanos = seconds, nanos
    watch = models_pb2.WatchRequest()
    watch.heartbeat.seconds, watch.heartbeat.nanos = seconds, nanos

    raw = pb.GenerateRequest(options=asked).SerializeToString()
    assert refused(raw, pb.GenerateRequest)[0] == "options.keep_alive"
    assert refused(unload.SerializeToString(), pool_pb2.UnloadRequest)[0] == "grace"
    assert refused(watch.SerializeToString(), models_pb2.WatchRequest)[0] == "heartbeat"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_named(value: float) -> None:
    """Alone, in a list and in a map."""
    sampling = types.SamplingOptions
    bias = sampling(logit_bias=[types.LogitBias(), types.LogitBias(bias=value)])

    def field(**options: Any) -> str:
        return refused(generate(**options), pb.GenerateRequest)[0]

    assert field(sampling=sampling(top_p=value)) == "options.sampling.top_p"
    assert field(sampling=bias) == "options.sampling.logit_bias[1].bias"
    assert field(lora={"x": value}) == "options.lora[x]"


def test_numbers_an_enum_does_not_know_are_named() -> None:
    """Negative ones too."""
    unknown = generate(backend=77), generate(priority=-1)

    assert refused(unknown[0], pb.GenerateRequest) == ("options.backend", "77 is no Backend")
    assert refused(unknown[1], pb.GenerateRequest) == ("options.priority", "-1 is no Priority")


def test_times_out_of_range_are_named() -> None:
    """No request has one today; messages that do are checked all the same."""
    listing = models_pb2.ListResponse(models=[types.ModelSummary()])
    listing.models[0].modified.seconds = 2**60

    assert refused(listing.SerializeToString(), models_pb2.ListResponse)[0] == "models[0].modified"


def test_a_kind_that_holds_itself_is_read() -> None:
    """Arguments of a template are a Struct: values in values, their numbers looked at as any."""
    good = pb.ChatRequest(model="m")
    good.template_arguments.update({"a": {"b": [1, {"c": True}]}})
    kind = pb.ChatRequest
    assert read_message(good.SerializeToString(), kind.FromString, 1 << 20) == good

    good.template_arguments["a"]["b"][0] = float("nan")
    with pytest.raises(InvalidInputError, match="finite"):
        read_message(good.SerializeToString(), kind.FromString, 1 << 20)
