"""What one connection may ask of the daemon, as options of the gRPC server."""

from __future__ import annotations

from typing import Final

MAX_REQUEST_BYTES: Final = 16 << 20
"""Longest request message: a long prompt with history, or one piece of an upload."""

MAX_STREAMS: Final = 128
"""Calls at once on one connection; more wait in the client."""

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


def server_options() -> list[tuple[str, int]]:
    """
    Return the options of the server.

    **Source:** grpc_types.h and channel_arg_names.h of gRPC core 1.85. Without so_reuseport off a
    second daemon would share the port in silence (measured).
    """
    return [
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
        ("grpc.max_concurrent_streams", MAX_STREAMS),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_S * 1000),
        ("grpc.max_connection_idle_ms", IDLE_S * 1000),
        ("grpc.keepalive_time_ms", PING_EVERY_S * 1000),
        ("grpc.keepalive_timeout_ms", PING_ANSWER_S * 1000),
        ("grpc.http2.min_ping_interval_without_data_ms", CLIENT_PING_MIN_S * 1000),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.max_metadata_size", 16 << 10),
    ]
