"""What both halves of the library need to reach a daemon: options, TLS, metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.message import Message

from rkd_client.ask import Ask
from rkd_client.endpoint import Endpoint
from rkd_client.errors import InvalidInputError, UnavailableError
from rkd_client.files import named, place_of, read_whole, why_not
from rkd_client.grpc_sync import grpc
from rkd_client.transport import NO_ANSWER
from rkd_client.where import Where

Answered = TypeVar("Answered", bound=Message)
Given = TypeVar("Given")

BOARD_KEY = "x-rkd-board"
"""Metadata: in an answer, the board that gave it; in a call, the only board it is for."""

MODEL_KEY = "x-rkd-model"
"""Metadata that names the model of a call, for proxies that route by it."""

MAX_MODEL_NAME = 256
"""Letters that go into a header; names have at most 128."""

MAX_PEM_BYTES = 16 << 20
"""Of a file of certificates: those of all the world's authorities are 0.2 MB."""

OPTIONS: tuple[tuple[str, int], ...] = (
    # A board is on the local network: a proxy for the world's web is never the way to it.
    ("grpc.enable_http_proxy", 0),
    # Message sizes are the daemon's to bound; embeddings of 2048 texts pass the 4 MiB default.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A cable pulled out is noticed within 80 s, also while a long answer is awaited.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
    # A daemon that was away is found again at once: a try costs nothing on a local network, and
    # gRPC's own two minutes between them would outlive most outages.
    ("grpc.initial_reconnect_backoff_ms", 100),
    # This is how long one try may take, TLS and all: less fails on a busy board or slow radio.
    ("grpc.min_reconnect_backoff_ms", 3_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


@dataclass(frozen=True, slots=True)
class Caller:
    """
    Who asks, and how long they wait.

    Args:
        token: bearer token, or "".
        timeout_s: bound of every call instead of the call's own; None for that.
        metadata: sent with every call besides.
        board: the only one that is asked, "" for whichever.
    """

    token: str = ""
    timeout_s: float | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    board: str = ""

    def pairs(self, model: str, board: str = "") -> tuple[tuple[str, str], ...]:
        """
        Return the metadata of a call that names *model*, and is for *board*; "" for neither.

        Raises:
            InvalidInputError: TOKEN_INVALID, a token that no header can hold.
        """
        if not self.token.isascii() or not self.token.isprintable():
            said = "the access token holds characters that no token has"
            raise InvalidInputError("TOKEN_INVALID", said, remedy="copy it again, whole")
        bearer = (("authorization", f"Bearer {self.token}"),) if self.token else ()
        # What is longer is no model's name: the daemon says so, if the headers let it be asked.
        model = model.removesuffix(":latest")
        named = ((MODEL_KEY, _escaped(model)),) if 0 < len(model) <= MAX_MODEL_NAME else ()
        only = ((BOARD_KEY, _escaped(board)),) if board else ()
        return (*bearer, *named, *only, *self.metadata)

    def using(
        self,
        token: str | None = None,
        timeout_s: float | None = None,
        metadata: Mapping[str, str] | None = None,
        board: str | None = None,
    ) -> Caller:
        """Return this caller with what is given in its place."""
        return Caller(
            self.token if token is None else token,
            self.timeout_s if timeout_s is None else timeout_s,
            self.metadata if metadata is None else tuple(metadata.items()),
            self.board if board is None else board,
        )


def codecs(ask: Ask[Answered, Any]) -> tuple[Callable[[Any], bytes], Callable[[bytes], Answered]]:
    """Return how the request of *ask* is written and its answer read."""
    return type(ask.request).SerializeToString, ask.answer.FromString


def present(answer: Given | None) -> Given:
    """
    Return *answer*; gRPC hands out None for a call that ended well without a message.

    Raises:
        UnavailableError: it is None.
    """
    if answer is None:
        raise UnavailableError("UNAVAILABLE", NO_ANSWER, remedy="ask again")
    return answer


def _escaped(text: str) -> str:
    """Return *text* as metadata can hold it: what is no printable ASCII as in an address."""
    return "".join(
        chr(byte) if 33 <= byte < 127 else f"%{byte:02X}"  # noqa: PLR2004 - printable ASCII
        for byte in text.encode("utf-8", "surrogateescape")
    )


def is_secure(where: Where, chosen: Endpoint) -> bool:
    """Tell whether *chosen* is spoken to over TLS."""
    return not chosen.path and bool(chosen.tls or where.ca or where.cert)


def credentials(where: Where) -> grpc.ChannelCredentials:
    """
    Return the authority to trust and the certificate to show.

    Raises:
        InvalidInputError: INVALID_FILE, a file that cannot be read.
    """
    return grpc.ssl_channel_credentials(
        _bytes_of(where.ca), _bytes_of(where.key), _bytes_of(where.cert)
    )


def _bytes_of(file: str) -> bytes | None:
    if not file:
        return None
    try:
        return read_whole(place_of(file), MAX_PEM_BYTES)
    except OSError as error:
        said = f"the file {named(file)} cannot be read: {why_not(error)}"
        raise InvalidInputError("INVALID_FILE", said) from error
