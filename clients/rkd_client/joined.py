"""What several boards answer, as one answer: rows name their board, counts are added up."""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from rkd_client.errors import NotFoundError, RkdError, TimedOutError, UnavailableError
from rkd_client.reach import Reach

Answered = TypeVar("Answered", bound=Message)

_AWAY: Final = (UnavailableError, TimedOutError)
"""A board that ends a call so is passed over: the others' answers count."""


class Joined(Generic[Answered]):
    """
    One call to each of several boards, in turn, until there is an answer.

    Args:
        reach: ALL asks each; SEEK until one does not say NOT_FOUND.
    """

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._whole: Answered | None = None
        self._unknown: RkdError | None = None
        self.missed: list[tuple[str, RkdError]] = []

    def take(self, board: str, came: Answered | RkdError) -> bool:
        """
        Take what came of *board*; whether that is enough.

        Raises:
            RkdError: what every board would say: a wrong token, a wrong request.
        """
        if isinstance(came, RkdError):
            if isinstance(came, NotFoundError) and self._reach is Reach.SEEK:
                self._unknown = came
            elif isinstance(came, _AWAY):
                self.missed.append((board, came))
            else:
                raise came
            return False
        named(came, board)
        if self._whole is None:
            self._whole = came
        else:
            _add(self._whole, came)
        return self._reach is Reach.SEEK

    def answer(self) -> Answered:
        """
        Return the answer.

        Raises:
            RkdError: there is none: nobody knows the id, or nobody is there.
        """
        if self._whole is not None:
            return self._whole
        raise self._unknown or self.missed[-1][1]


def named(message: Message, board: str) -> None:
    """Write into what *message* lists, or tells of, that it is on *board*."""
    for field, value in message.ListFields():
        inner = field.message_type
        if inner is None or "board" not in inner.fields_by_name:
            continue
        for one in value if field.is_repeated else (value,):
            one.board = board


def _add(whole: Message, more: Message) -> None:
    sums: dict[str, Any] = {
        field.name: getattr(whole, field.name) + value
        for field, value in more.ListFields()
        if not field.is_repeated and field.cpp_type == FieldDescriptor.CPPTYPE_INT32
    }
    whole.MergeFrom(more)
    for name, value in sums.items():
        setattr(whole, name, value)
