"""
Which boards are meant, and one question to all of them at once.

A board that fails, or is not there, hides none of the others: what came of each is kept apart.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message
from rkd_client import contexts
from rkd_client.endpoint import Endpoint
from rkd_client.errors import RkdError
from rkd_client.sync import Client
from rkd_client.where import Flags, Where, resolve

from rkctl.failure import Exit, Failure

Came = TypeVar("Came")

AT_ONCE = 16
"""Boards asked at the same time."""

PATIENCE_S = 10.0
"""For what a board answers from memory; `--timeout` says otherwise."""


@dataclass(frozen=True, slots=True)
class Board:
    """One board: what it is called here, and the way to it."""

    name: str
    where: Where

    @property
    def endpoint(self) -> Endpoint:
        """Where it is."""
        return self.where.endpoints[0]


@dataclass(frozen=True, slots=True)
class Said(Generic[Came]):
    """What came of one board: an answer, or why there is none."""

    board: Board
    answer: Came | None = None
    error: RkdError | None = None


def boards_of(flags: Flags) -> tuple[Board, ...]:
    """
    Return the boards meant: those of `--endpoint` or RKD_ENDPOINT, one context, or every context.

    Raises:
        Failure: NO_BOARDS.
        RkdError: an endpoint that cannot be read, a context that does not exist.
    """
    environment = dict(os.environ)
    store = contexts.load(contexts.file_of(environment))
    named = flags.context or environment.get("RKD_CONTEXT")
    if flags.endpoint or (environment.get("RKD_ENDPOINT") and not flags.context):
        where = resolve(flags, environment, store)
        return tuple(Board(str(one), _only(where, one)) for one in where.endpoints)
    environment.pop("RKD_ENDPOINT", None)
    names = [named] if named else [one.name for one in store.contexts]
    found = []
    for name in names:
        where = resolve(replace(flags, context=name), environment, store)
        many = len(where.endpoints) > 1
        found += [
            Board(f"{name}/{one}" if many else name, _only(where, one)) for one in where.endpoints
        ]
    if not found:
        remedy = "name your boards: rkctl context add NAME --endpoint HOST:PORT"
        raise Failure("no boards are known", "NO_BOARDS", (remedy,), Exit.USAGE)
    return tuple(found)


def _only(where: Where, endpoint: Endpoint) -> Where:
    return replace(where, endpoints=(endpoint,), several=False)


def ask(
    boards: Iterable[Board],
    question: Callable[[Client, Board], Came],
    timeout_s: float | None,
) -> list[Said[Came]]:
    """Ask *question* of every board at once; answers in the boards' order."""

    def one(board: Board) -> Said[Came]:
        try:
            with Client.at(board.where, timeout=timeout_s) as client:
                return Said(board, answer=question(client, board))
        except RkdError as error:
            return Said(board, error=error)

    listed = list(boards)
    with ThreadPoolExecutor(min(AT_ONCE, len(listed) or 1)) as threads:
        return list(threads.map(one, listed))


def plain(said: Said[Message], as_json: Callable[[Message], Any]) -> dict[str, Any]:
    """Return what came of one board as `--json` prints it."""
    told: dict[str, Any] = {"board": said.board.name, "endpoint": str(said.board.endpoint)}
    if said.error is not None:
        error = said.error
        words = {"reason": error.reason, "message": error.message, "remedy": error.remedy}
        return {**told, "error": words}
    return {**told, "answer": None if said.answer is None else as_json(said.answer)}
