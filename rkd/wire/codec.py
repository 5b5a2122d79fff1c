"""
Between the frames of `messages.py` and their bytes: MessagePack, checked against the types.

Whatever bytes a broken peer sends, reading them gives a whole typed frame or `FrameError`.
"""

from __future__ import annotations

from typing import Any, TypeVar, get_args

import msgspec

from rkd.outside import whole
from rkd.wire import frame
from rkd.wire.frame import FrameError
from rkd.wire.messages import FromWorker, ToWorker

_F = TypeVar("_F", ToWorker, FromWorker)

_ENCODER = msgspec.msgpack.Encoder()
_TO_WORKER: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
_FROM_WORKER: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
_DECODERS: dict[type, msgspec.msgpack.Decoder[Any]] = {
    **dict.fromkeys(get_args(ToWorker), _TO_WORKER),
    **dict.fromkeys(get_args(FromWorker), _FROM_WORKER),
}


def pack(message: ToWorker | FromWorker) -> bytes:
    """
    The bytes of *message*, its length before them; half a surrogate pair becomes U+FFFD.

    What leaves is what the other end takes: it is read once here, so that a value out of its
    range costs one request its answer and not a whole worker its life.

    Raises:
        FrameError: it is over the limit, or holds what no frame of its kind can.
    """
    try:
        body = _ENCODER.encode(message)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(message, builtin_types=(bytes,))
        body = _ENCODER.encode(_whole(plain))
    except (OverflowError, TypeError) as error:
        raise FrameError(f"{type(message).__name__}: {error}") from error
    packed = frame.pack(body)
    try:
        _DECODERS[type(message)].decode(body)
    except ValueError as error:
        raise FrameError(f"{type(message).__name__}: {error}") from error
    return packed


def read_to_worker(body: bytes) -> ToWorker:
    """
    The frame that the daemon sent.

    Raises:
        FrameError: it is none.
    """
    return _read(_TO_WORKER, body)


def read_from_worker(body: bytes) -> FromWorker:
    """
    The frame that a worker sent.

    Raises:
        FrameError: it is none.
    """
    return _read(_FROM_WORKER, body)


def _read(decoder: msgspec.msgpack.Decoder[_F], body: bytes) -> _F:
    try:
        return decoder.decode(body)
    # ValueError is malformed, mistyped and no UTF-8; the other, junk nested in unknown fields.
    except (ValueError, RecursionError) as error:
        raise FrameError(f"a frame that this end does not know: {error}") from error


def _whole(value: object) -> object:
    """*value*, of plain types, with whole UTF-8 in every string."""
    match value:
        case str():
            return whole(value)
        case list() | tuple():
            return [_whole(one) for one in value]
        case dict():
            return {_whole(key): _whole(one) for key, one in value.items()}
        case _:
            return value
