"""How Anthropic writes things: errors, ends, counts, streams."""

from __future__ import annotations

from typing import Any, Final

from rkd_client.errors import RkdError

from rkd.v1 import types_pb2 as types
from rkd_gateway.calls import compact
from rkd_gateway.problems import sentence, status_of

SSE: Final = "text/event-stream; charset=utf-8"
PING: Final = b'event: ping\ndata: {"type":"ping"}\n\n'
"""What may stand between events while nothing comes."""

ENDS: Final = {
    types.FINISH_REASON_LENGTH: "max_tokens",
    types.FINISH_REASON_CONTEXT_FULL: "model_context_window_exceeded",
    types.FINISH_REASON_STOP_SEQUENCE: "stop_sequence",
    types.FINISH_REASON_TOOL_CALL: "tool_use",
}
"""What Anthropic calls an end; everything else is `end_turn`."""

_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
FIRST_OF_OURS: Final = 500


class AnthropicDialect:
    """Errors are objects in an object; the daemon's reason stands beside the message."""

    def error(self, error: RkdError) -> dict[str, Any]:
        """Return the body that tells *error*."""
        status = status_of(error)
        kind = "api_error" if status >= FIRST_OF_OURS else "invalid_request_error"
        told = {
            "type": _TYPES.get(status, kind),
            "message": sentence(error),
            "code": error.reason,
        }
        return {"type": "error", "error": told}


def event(value: dict[str, Any]) -> bytes:
    """Return one event of a stream, named by its `type`."""
    return f"event: {value['type']}\ndata: ".encode() + compact(value).encode() + b"\n\n"


def failed(error: RkdError) -> bytes:
    """Return the last event of a stream that broke."""
    return event(AnthropicDialect().error(error))


def usage(prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> dict[str, int]:
    """Return the tokens of an answer; those read from a cache are counted apart."""
    return {
        "input_tokens": max(0, prompt_tokens - cached_tokens),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached_tokens,
        "output_tokens": completion_tokens,
    }


def ended(end: types.Finished) -> dict[str, Any]:
    """Return why an answer ended."""
    reason = ENDS.get(end.finish_reason, "end_turn")
    matched = end.matched_stop if reason == "stop_sequence" else None
    return {"stop_reason": reason, "stop_sequence": matched}


def counted(end: types.Finished) -> dict[str, int]:
    """Return the tokens of an answer that has ended."""
    found = end.usage
    return usage(found.prompt_tokens, found.cached_tokens, found.completion_tokens)
