"""How OpenAI writes things: errors, ends, counts, streams."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from typing import Any, Final

from rkd_client.errors import RkdError

from rkd.v1 import types_pb2 as types
from rkd_gateway.calls import compact
from rkd_gateway.problems import sentence, status_of

SSE: Final = "text/event-stream; charset=utf-8"
COMMENT: Final = b": waiting\n\n"
DONE: Final = b"data: [DONE]\n\n"

ENDS: Final = {
    types.FINISH_REASON_LENGTH: "length",
    types.FINISH_REASON_CONTEXT_FULL: "length",
    types.FINISH_REASON_TOOL_CALL: "tool_calls",
}
"""What OpenAI calls an end; everything else is `stop`."""

_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
FIRST_OF_OURS: Final = 500


class OpenAIDialect:
    """Errors are objects; the daemon's reason is their code."""

    def error(self, error: RkdError) -> dict[str, Any]:
        """Return the body that tells *error*."""
        status = status_of(error)
        kind = "server_error" if status >= FIRST_OF_OURS else "invalid_request_error"
        told = {
            "message": sentence(error),
            "type": _TYPES.get(status, kind),
            "param": error.metadata.get("field") or error.metadata.get("capability"),
            "code": error.reason,
        }
        return {"error": told}


def event(value: dict[str, Any]) -> bytes:
    """Return one event of a stream."""
    return b"data: " + compact(value).encode() + b"\n\n"


def failed(error: RkdError) -> bytes:
    """Return the last event of a stream that broke."""
    return event(OpenAIDialect().error(error))


def made(kind: str) -> tuple[str, int]:
    """Return an id that begins with *kind*, and the time."""
    return f"{kind}-{secrets.token_hex(12)}", int(time.time())


def usage(counted: types.Usage) -> dict[str, Any]:
    """Return the tokens of an answer."""
    return {
        "prompt_tokens": counted.prompt_tokens,
        "completion_tokens": counted.completion_tokens,
        "total_tokens": counted.prompt_tokens + counted.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": counted.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": counted.reasoning_tokens},
    }


def tokens_of(given: Iterable[types.TokenLogprobs]) -> list[dict[str, Any]]:
    """Return tokens, each with its rivals."""
    return [
        {**token_of(one.chosen), "top_logprobs": [token_of(rival) for rival in one.alternatives]}
        for one in given
    ]


def token_of(token: types.Logprob) -> dict[str, Any]:
    """Return one candidate."""
    return {"token": token.text, "logprob": token.logprob, "bytes": list(token.text.encode())}
