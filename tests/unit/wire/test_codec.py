"""What crosses the worker wire arrives as it left; what no frame is, is said to be none."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rkd.errors import RkdError
from rkd.inference import (
    Chunk,
    ContextOverflow,
    EngineTimings,
    FinishReason,
    FirstAnswer,
    Loaded,
    LoadSpec,
    Outcome,
    Run,
    Sampling,
    TemplateWay,
    Tool,
    Usage,
)
from rkd.model import BackendKind, Media, Message, ToolCall, VisionEncoder
from rkd.session import SessionFile
from rkd.tokens import Logprob, TokenLogprobs, ToolCallDelta
from rkd.wire import codec, frame
from rkd.wire.frame import FrameError
from rkd.wire.messages import (
    CancelFrame,
    ChunkFrame,
    DoneFrame,
    FailedFrame,
    FromWorker,
    LoadedFrame,
    LoadFrame,
    RunFrame,
    ToWorker,
)
from tests.unit.wire import shapes

Frame = FromWorker | ToWorker
DOWN = get_args(ToWorker)

SAMPLING = Sampling(
    0.1, 2, 0.3, 0.4, 0.5, 0.6, 7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 18, 19, 2.0, 2.1,
    13, 14, ("s",), (5,), True, ("b",), ((1, 0.5),), 3, "g", "{}", "r", ("c",), ("seed",),
)  # fmt: skip
TURN = Message(
    "user", "c", "r", (ToolCall("i", "n", "{}"),), "t", "ti", ("x", Media(b"\xff", 3, 4, "m"))
)
LOGPROB = Logprob(1, "x", -0.5)
WHOLE: tuple[Any, ...] = (
    SAMPLING,
    Run(
        SAMPLING, "p", (TURN,), (Tool("n", "d", "{}"),), "t", "required", True, 1, "e", "{}",
        (("l", 0.1),), (1, 2), SessionFile("k", "n", 1, "/p", "s", 2, "x"),
        (Media(b"\xff", 3, 4, "m"), "x"),
        ContextOverflow.TRIM_OLDEST, 9, 2, "s", True, 3, 4,
    ),
    LoadSpec(
        BackendKind.NPU, "/w", "m", 1, 2, "f16", 3, 4, "t", "/t", "h", "/r", "1.3", 5, 6,
        (("a", "/a", 0.1),), "/l", SAMPLING, True,
        "/p", 7, VisionEncoder("/e", "/v", 7, ("a", "b", "c")), 8, 9, "x", 10, "b", True, 11,
    ),
    Loaded(
        1, 2, "r", TemplateWay.MODEL, ("w",), FirstAnswer.GARBAGE, "d", ("e",),
    ),
    Chunk(
        "t", "r", (ToolCallDelta(1, "i", "n", "a"),), (1,), (TokenLogprobs(LOGPROB, (LOGPROB,)),),
        2, 3,
    ),
    Outcome(
        FinishReason.LENGTH, Usage(1, 2, 3, 4, 5), EngineTimings(0.1, 0.2), "s", 5,
        TemplateWay.MODEL, ("w",), 6, (Outcome(FinishReason.STOP_EOS),), True,
    ),
)  # fmt: skip


def crossed(message: Frame) -> Frame:
    """*message* as the other end reads it."""
    (body,) = frame.FrameBuffer().feed(codec.pack(message))
    return codec.read_to_worker(body) if isinstance(message, DOWN) else codec.read_from_worker(body)


def carried(value: Any) -> Frame:
    """The frame that carries *value*."""
    match value:
        case Run():
            return RunFrame(1, value)
        case LoadSpec():
            return LoadFrame(0, value)
        case Loaded():
            return LoadedFrame(0, value)
        case Chunk():
            return ChunkFrame(1, value)
        case Outcome():
            return DoneFrame(1, value)
        case _:
            return RunFrame(1, Run(value))


def test_the_pictures_of_a_request_cross_whole() -> None:
    """Twelve megabytes in eight pieces, between texts, none changed and none moved."""
    pictures = [Media(bytes([at]) * (12 << 17), at, at) for at in range(1, 9)]
    parts = tuple(part for at, one in enumerate(pictures) for part in (str(at), one))
    sent = RunFrame(1, Run(messages=(Message("user", "", parts=parts),), prompt_parts=parts))

    assert crossed(sent) == sent
    assert sent.run.media == (*pictures, *pictures)
    placed = RunFrame(1, Run(prompt_parts=(Media(b"x", 1, 1, "parts[3]"),)))
    assert crossed(placed).run.media[0].place == "parts[3]"  # type: ignore[union-attr]


def test_every_frame_has_its_shape() -> None:
    """The round trips below leave none out."""
    assert set(shapes.FRAMES) == {*get_args(ToWorker), *get_args(FromWorker)}


@pytest.mark.parametrize("kind", shapes.FRAMES, ids=lambda kind: str(kind.__name__))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_round_trip_changes_nothing(kind: type[Frame], data: st.DataObject) -> None:
    """Packed, cut from the stream and read, a frame equals itself."""
    message = data.draw(shapes.FRAMES[kind])

    assert message == crossed(message)


@pytest.mark.parametrize("value", WHOLE, ids=lambda it: type(it).__name__)
def test_no_field_is_forgotten(value: Any) -> None:
    """A value that sets every field comes back; a new field must be set here to pass."""
    still = [
        name for name, default in defaults_of(value).items() if getattr(value, name) == default
    ]

    assert still == []
    assert carried(value) == crossed(carried(value))


def defaults_of(value: Any) -> dict[str, Any]:
    """The default of each field that has one."""
    return {
        one.name: one.default if one.default is not MISSING else one.default_factory()
        for one in fields(value)
        if one.default is not MISSING or one.default_factory is not MISSING
    }


@given(error=shapes.FAILURES)
def test_an_error_keeps_all_it_says(error: RkdError) -> None:
    """Reason, words, remedy, numbers, when to try again, the bad fields; and its class."""
    told = crossed(FailedFrame.of(3, error))
    assert isinstance(told, FailedFrame)
    back = told.error()

    assert type(back) is type(error)
    assert (back.reason, back.message) == (error.reason, error.message)
    assert (back.remedy, back.metadata) == (error.remedy, error.metadata)
    assert (back.retry_after_s, back.violations) == (error.retry_after_s, error.violations)


def packed(*values: object) -> bytes:
    """An array of *values*, checked against nothing."""
    return msgspec.msgpack.encode(values)


CHUNK = {"text": "a"}
DEEP = b"\x93\xa5chunk\x01\x81\xa1x" + b"\x91" * 100_000 + b"\x01"
NO_FRAMES: dict[str, bytes] = {
    "nothing": b"",
    "cut": packed("chunk", 1, CHUNK)[:-1],
    "more behind it": packed("chunk", 1, CHUNK) + b"\x00",
    "a byte of no meaning": b"\xc1",
    "no array": msgspec.msgpack.encode(CHUNK),
    "unknown frame": packed("nonsense", 1, CHUNK),
    "a frame of the other direction": packed("cancel", 1),
    "tag of another type": packed(7, 1, CHUNK),
    "no id": packed("chunk"),
    "missing field": packed("prefill", 1, {"total_tokens": 1}),
    "missing frame field": packed("chunk", 1),
    "a field too many": packed("chunk", 1, CHUNK, 5),
    "text that is a number": packed("chunk", 1, {"text": 5}),
    "text that is bytes": packed("chunk", 1, {"text": b"a"}),
    "number that is text": packed("chunk", 1, {"tokens": "5"}),
    "number that is true": packed("chunk", 1, {"tokens": True}),
    "number with a fraction": packed("chunk", 1, {"tokens": 1.5}),
    "negative count": packed("chunk", 1, {"tokens": -1}),
    "count of 33 bits": packed("chunk", 1, {"tokens": 1 << 32}),
    "token id of 32 bits": packed("chunk", 1, {"token_ids": [1 << 31]}),
    "negative id": packed("chunk", -1, CHUNK),
    "a reason nobody knows": packed("failed", 1, "NO_SUCH", "", "", {}, None, []),
    "an end nobody knows": packed("done", 1, {"reason": "BORED"}),
    "no UTF-8": b"\x93\xa5chunk\x01\x81\xa4text\xa1\xff",
    "a tag that is no UTF-8": b"\x93\xa5\xff\xff\xff\xff\xff\x01\x80",
    "a list of four thousand million": b"\x93\xa9tokenized\x01\xdd\xff\xff\xff\xff",
    "a map of four thousand million": b"\x93\xa8job_done\x00\xdf\xff\xff\xff\xff",
    "a text of four thousand million": b"\x93\xabdetokenized\x01\xdb\xff\xff\xff\xff",
    "an array deeper than any stack": DEEP,
}


@pytest.mark.parametrize("body", NO_FRAMES.values(), ids=NO_FRAMES)
def test_what_is_no_frame_is_one_error(body: bytes) -> None:
    """Whatever is wrong with the bytes, the reader has one thing to catch."""
    with pytest.raises(FrameError, match="does not know"):
        codec.read_from_worker(body)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damage_gives_a_frame_or_the_one_error(data: st.DataObject) -> None:
    """Bytes changed, cut and put in anywhere never raise anything else."""
    message = data.draw(st.one_of(*shapes.FRAMES.values()))
    body = bytearray(codec.pack(message)[frame.HEADER_BYTES :])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    for read in (codec.read_to_worker, codec.read_from_worker):
        try:
            read(bytes(body))
        except FrameError:
            continue


TORN = st.text("ab\ud800\udfff", max_size=5).filter(lambda text: "\ud800\udfff" not in text)


@given(text=TORN, key=TORN)
def test_text_that_is_no_utf8_is_mended_on_its_way(text: str, key: str) -> None:
    """Half a surrogate pair becomes U+FFFD in whatever field and key; the rest is as it was."""
    back = crossed(FailedFrame(1, shapes.A_REASON, text, "whole", {key: text}, None, ()))

    assert isinstance(back, FailedFrame)
    assert back.remedy == "whole"
    assert back.metadata == {mended(key): mended(text)}
    assert back.message == mended(text)


def mended(text: str) -> str:
    """*text* with U+FFFD for each half of a pair."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


UNSAYABLE: dict[str, Frame] = {
    "an integer of 65 bits": ChunkFrame(1, Chunk(tokens=1 << 64)),
    "a negative count": ChunkFrame(1, Chunk(tokens=-1)),
    "a count of 33 bits": DoneFrame(1, Outcome(FinishReason.LENGTH, Usage(1 << 32))),
    "a token id of 32 bits": ChunkFrame(1, Chunk(token_ids=(1 << 31,))),
    "a count that is text": ChunkFrame(1, Chunk(tokens="1")),  # type: ignore[arg-type] # a defect
    "an id of no plain type": CancelFrame(id=object()),  # type: ignore[arg-type] # a defect
    "a negative context": LoadFrame(0, LoadSpec(BackendKind.CPU, "/w", context_tokens=-1)),
    "metadata that is a number": FailedFrame(1, shapes.A_REASON, "", "", {"n": 1}, None, ()),  # type: ignore[dict-item] # a defect
}


@pytest.mark.parametrize("message", UNSAYABLE.values(), ids=UNSAYABLE)
def test_what_the_other_end_refuses_is_not_packed(message: Frame) -> None:
    """It is an error where it is made, and no broken peer where it is read."""
    with pytest.raises(FrameError, match=type(message).__name__):
        codec.pack(message)
