"""A status that did not come from rkd's own table, in words: transport, TLS, proxy, old daemon."""

from __future__ import annotations

from rkd_client.errors import (
    BY_STATUS,
    ConnectionBrokenError,
    NotBuiltError,
    RkdError,
    TimedOutError,
    UnavailableError,
)
from rkd_client.grpc_sync import grpc

_TLS_TROUBLES = (
    (
        "CERTIFICATE_VERIFY_FAILED",
        "the certificate of {at} is not trusted",
        "trust the authority that signed it: --ca FILE (on the board, rkctl cert init made ca.crt)",
    ),
    (
        "HOSTNAME",
        "the certificate of {at} is for another name",
        "use a name it was made for, or make it anew: rkctl cert init --host NAME",
    ),
    (
        "WRONG_VERSION_NUMBER",
        "{at} speaks no TLS",
        "leave out https://, --ca, --cert and --key",
    ),
    (
        "CERTIFICATE_REQUIRED",
        "{at} wants a certificate of yours",
        "show one: --cert FILE --key FILE (rkctl cert client makes them on the board)",
    ),
    (
        "SSL_ERROR",
        "no TLS connection to {at} comes about: {message}",
        "check --ca, --cert and --key",
    ),
)
"""What gRPC core 1.85 writes into the message (seen against a daemon of ours), the most telling
first: the sentence and the remedy."""


_BROKEN = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.CANCELLED,
    }
)
"""What a connection that breaks is told as: refused or closed, without trailers, by RST_STREAM
with or without an error code (CANCEL is what proxies send)."""

NO_ANSWER = "the answer ended before it began"
"""Said of a call that ended well and brought nothing, as a proxy that was cut off makes it."""


def explain(code: grpc.StatusCode, message: str, at: str, *, secure: bool) -> RkdError:
    """Say what *code* means when no reason came with it; *at* names the endpoint."""
    if code in _BROKEN and "deserializ" not in message:
        said, remedy = _unavailable(message, at, secure=secure)
        return UnavailableError("UNAVAILABLE", said, remedy=remedy)
    match code:
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            said = f"the daemon at {at} did not answer in time"
            remedy = "is it overloaded? see rkctl status; --timeout SECONDS waits longer"
            return TimedOutError(code.name, said, remedy=remedy)
        case grpc.StatusCode.UNIMPLEMENTED:
            said = f"the daemon at {at} does not know this call"
            remedy = "update rkd there: it is older than this rkctl"
            return NotBuiltError(code.name, said, remedy=remedy)
        case _:
            said = message or f"{at} says {code.name.lower().replace('_', ' ')} and no more"
            return BY_STATUS.get(code.name, RkdError)(code.name, said)


def in_the_middle(error: RkdError) -> RkdError:
    """Return *error* as it ends an answer of which something has come."""
    if error.reason != "UNAVAILABLE":
        return error
    said = f"the answer ended in the middle: {error.message}"
    return ConnectionBrokenError("UNAVAILABLE", said, remedy=error.remedy)


def _unavailable(message: str, at: str, *, secure: bool) -> tuple[str, str]:
    if secure:
        for sign, said, remedy in _TLS_TROUBLES:
            if sign in message.upper():
                return said.format(at=at, message=message), remedy
        if "failed to connect" in message:
            return f"{at} ends every TLS connection", _TLS_TROUBLES[3][2]
    elif "failed to connect" in message and not at.startswith("unix:"):
        # It accepted the probe a moment ago, and closes what is not its language.
        said = f"{at} accepts connections and ends them: it seems to speak TLS"
        return said, f"say so: --endpoint https://{at} --ca FILE"
    if "http2 header with status: 50" in message:
        said = f"the proxy at {at} reaches no board that could answer"
        return said, "look at the boards: rkctl fleet status"
    said = f"the connection to the daemon at {at} broke: {message}"
    return said, "look at it: systemctl status rkd; journalctl -u rkd"
