"""Streams and messages a board would send, ready made."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from rkd.v1 import inference_pb2 as pb
from rkd.v1 import types_pb2 as types


def finished(**fields: object) -> types.Finished:
    """The last event of an answer of three tokens."""
    plain: dict[str, object] = {
        "finish_reason": types.FINISH_REASON_STOP_EOS,
        "backend": types.BACKEND_CPU,
        "usage": types.Usage(prompt_tokens=5, completion_tokens=3),
        "timings": types.Timings(
            first_token=Duration(nanos=12_000_000), decode=Duration(nanos=100_000_000)
        ),
        "seed": 7,
    }
    return types.Finished(**(plain | fields))  # type: ignore[arg-type]


def answer(
    *texts: str, kind: type = pb.GenerateResponse, last: types.Finished | None = None
) -> list[object]:
    """A whole answer: accepted, one delta a text, finished."""
    accepted = types.Accepted(request_id="r1", model="tiny", backend=types.BACKEND_CPU)
    events = [kind(accepted=accepted)]
    events += [kind(delta=types.Delta(text=text)) for text in texts]
    events.append(kind(finished=last or finished()))
    for number, event in enumerate(events):
        event.sequence = number
    return list(events)
