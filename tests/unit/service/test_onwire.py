"""Messages that can be sent whatever is put into them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from rkd.hub.fit import FitVerdict
from rkd.inference import Usage
from rkd.model import BackendKind, Format, ModelState
from rkd.operations.operation import OperationKind, OperationState
from rkd.pool.deciding.state import Phase
from rkd.service import onwire
from rkd.telemetry.finding import Severity
from rkd.v1 import hub_pb2, pool_pb2, system_pb2
from rkd.v1 import models_pb2 as pb
from rkd.v1 import types_pb2 as types

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def test_what_fits_is_as_it_was() -> None:
    """No value is touched without need; None stays unset."""
    made = onwire.message(pool_pb2.Resident, model="é", size_bytes=2**40, npu_domain=None)

    assert made == pool_pb2.Resident(model="é", size_bytes=2**40)
    assert not made.HasField("npu_domain")


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (2**31, 2**31 - 1),
        (-(2**70), -(2**31)),
        (1e300, 2**31 - 1),
        (math.inf, 2**31 - 1),
        (math.nan, 0),
        (2.5, 2),
    ],
)
def test_numbers_become_the_nearest_their_field_holds(given: float, sent: int) -> None:
    """Also those that are none."""
    made = onwire.message(types.ModelSummary, context_tokens=given, name="x")

    assert (made.context_tokens, made.name) == (sent, "x")


@pytest.mark.parametrize("text", ["\udce9", "a\ud83d", "\udfff\udce9"])
def test_text_that_is_no_utf8_is_escaped_wherever_it_stands(text: str) -> None:
    """Alone, in a list and in a map, as key and as value."""
    made = onwire.message(
        pb.ShowResponse, system=text, licenses=["fine", text], metadata={text: text}
    )

    assert made.SerializeToString()
    assert made.system.isascii()
    assert made.licenses[0] == "fine"
    assert list(made.metadata.values()) == [made.system]


def test_long_text_is_cut_between_characters() -> None:
    """Each on its own; the others stay whole."""
    made = onwire.message(types.ModelSummary, 100, reason="é" * 5000, name="x" * 60)

    assert made.name == "x" * 60
    assert made.reason == "é" * 50 + "…"


@pytest.mark.parametrize(
    ("seconds", "sent"),
    [(1.5, 1.5), (-0.25, -0.25), (math.inf, 315_576_000_000), (-math.inf, -315_576_000_000)],
)
def test_spans_hold_what_a_duration_holds(seconds: float, sent: float) -> None:
    """And no more; what is no number is none."""
    target = Duration()
    onwire.span(target, seconds)

    assert target.seconds + target.nanos / 1e9 == sent
    onwire.span(target, math.nan)
    assert (target.seconds, target.nanos) == (0, 0)


@pytest.mark.parametrize("seconds", [None, math.inf, math.nan, 1e12, 1e300, -1e12])
def test_moments_no_calendar_has_are_left_out(seconds: float | None) -> None:
    """A keep-alive of thirty thousand years has no date."""
    target = Timestamp()
    onwire.stamp_in(target, seconds, NOW)

    assert target == Timestamp()


def test_moments_of_the_calendar_are_told() -> None:
    """The first and the last, in any zone."""
    target = Timestamp()
    onwire.stamp_in(target, 60, NOW)
    assert target.ToDatetime(UTC) == NOW + timedelta(minutes=1)

    for moment in (
        datetime.min.replace(tzinfo=timezone(timedelta(hours=-14))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))),
    ):
        onwire.stamp(Timestamp(), moment)


def test_every_field_of_every_answer_takes_the_worst() -> None:
    """Whatever type it has."""
    worst: list[Any] = [2**200, -(2**200), math.nan, math.inf]
    for kind in (types.ModelSummary, types.Progress, pool_pb2.Resident, system_pb2.MemoryStatus):
        for field in kind.DESCRIPTOR.fields:
            if field.message_type or field.enum_type or field.is_repeated:
                continue
            for value in ["\ud83d" * 3] if field.type == field.TYPE_STRING else worst:
                onwire.message(kind, **{field.name: value}).SerializeToString()


def test_an_enum_of_ours_becomes_the_value_of_its_name() -> None:
    """One or a list of them; every member has its value."""
    made = onwire.message(types.ModelSummary, state=ModelState.NEEDS_MODELFILE, formats=[*Format])

    assert made.state == types.MODEL_STATE_NEEDS_MODELFILE
    assert list(made.formats) == [types.WEIGHTS_FORMAT_RKLLM, types.WEIGHTS_FORMAT_GGUF]
    for kind, field, ours in (
        (types.ModelSummary, "state", ModelState),
        (types.Operation, "state", OperationState),
        (types.Operation, "kind", OperationKind),
        (pool_pb2.Resident, "state", Phase),
        (pool_pb2.Resident, "backend", BackendKind),
        (system_pb2.Finding, "severity", Severity),
    ):
        for member in ours:
            assert getattr(onwire.message(kind, **{field: member}), field) > 0, member
    for verdict in FitVerdict:
        assert hub_pb2.Verdict.Name(verdict.value).removeprefix("VERDICT_") in {
            verdict.name,
            "UNSPECIFIED",
        }


def test_what_is_called_alike_is_taken_and_nothing_left_out() -> None:
    """A field that the source lacks is a mistake, not an empty field; what is given goes first."""
    usage = Usage(prompt_tokens=3, completion_tokens=4)
    made = onwire.like(types.Usage, usage, completion_tokens=5)

    assert (made.prompt_tokens, made.completion_tokens) == (3, 5)
    with pytest.raises(AttributeError):
        onwire.like(types.Logprob, usage)
