"""What one connection and one request may ask of the daemon."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

MAX_REQUEST_BYTES: Final = 16 << 20
"""Longest request message of any call: one piece of an upload."""

TEXT_BYTES: Final = 4 << 20
"""Longest texts to embed together: a million tokens, more than `max_context` can be."""

PICTURES_BYTES: Final = 16 << 20
"""Longest prompt with its history and pictures; of text, the service takes four megabytes."""

CREATE_BYTES: Final = 2 << 20
"""Longest Create: a Modelfile with its licences."""

TOKENS_BYTES: Final = 1 << 20
"""Longest text to tokenize, or ids of tokens: so that what it becomes fits a client's 4 MiB."""

SMALL_BYTES: Final = 64 << 10
"""Longest request of every other call."""

_REQUEST_BYTES: Final = MappingProxyType(
    {
        "/rkd.v1.ModelService/Upload": MAX_REQUEST_BYTES,
        "/rkd.v1.ModelService/Create": CREATE_BYTES,
        "/rkd.v1.InferenceService/Generate": PICTURES_BYTES,
        "/rkd.v1.InferenceService/Chat": PICTURES_BYTES,
        "/rkd.v1.InferenceService/Embed": TEXT_BYTES,
        "/rkd.v1.InferenceService/Rerank": TEXT_BYTES,
        "/rkd.v1.InferenceService/Tokenize": TOKENS_BYTES,
        "/rkd.v1.InferenceService/Detokenize": TOKENS_BYTES,
    }
)

MAX_STREAMS: Final = 1024
"""Calls at once on one connection; more wait in the client. The load is bounded by `max_queue`."""

UNREAD_BYTES: Final = 64 << 10
"""What a client may send of a request before it is read: before its caller is admitted."""

HANDSHAKE_S: Final = 10
"""A connection that has not finished TLS and HTTP/2 settings by then is closed."""

IDLE_S: Final = 15 * 60
"""A connection without a call for this long is closed; clients reconnect by themselves."""

PING_EVERY_S: Final = 60
"""The daemon pings a connection with open calls this often, to find vanished clients."""

PING_ANSWER_S: Final = 20
"""A client that answers no ping for this long is gone: its calls are cancelled."""

CLIENT_PING_MIN_S: Final = 10
"""Clients that ping more often, again and again, are sent away (`too_many_pings`)."""


def request_bytes(method: str) -> int:
    """Return the longest request message *method* (`/package.Service/Method`) takes."""
    return _REQUEST_BYTES.get(method, SMALL_BYTES)


def server_options() -> list[tuple[str, int]]:
    """
    Return the options of the server.

    **Source:** grpc_types.h and channel_arg_names.h of gRPC core 1.85. Without so_reuseport off a
    second daemon would share the port in silence (measured).
    """
    return [
        ("grpc.so_reuseport", 0),
        # a little more, so that we are the ones to refuse
        ("grpc.max_receive_message_length", MAX_REQUEST_BYTES + SMALL_BYTES),
        ("grpc.max_concurrent_streams", MAX_STREAMS),
        # else gRPC widens what a connection may send unread, up to gigabytes (measured)
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", UNREAD_BYTES),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_S * 1000),
        ("grpc.max_connection_idle_ms", IDLE_S * 1000),
        ("grpc.keepalive_time_ms", PING_EVERY_S * 1000),
        ("grpc.keepalive_timeout_ms", PING_ANSWER_S * 1000),
        ("grpc.http2.min_ping_interval_without_data_ms", CLIENT_PING_MIN_S * 1000),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.max_metadata_size", 16 << 10),
    ]
