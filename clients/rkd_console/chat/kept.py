"""
Conversations as JSON: what the browser keeps, what is exported, and what is imported again.

One form for all three. What comes in is judged whole before any of it is used: version, types,
lengths, and that each lane is a tree.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError
from rkd_client.errors import InvalidInputError

from rkd_console.chat.conversation import Conversation, Digest, Lane, Short, Turn
from rkd_console.safe import shown

FORMAT: Literal["rkd-chat"] = "rkd-chat"
VERSION: Literal[1] = 1
MAX_DOCUMENT_BYTES = 64 << 20
"""Of a file that is imported, pictures included."""
MAX_CONVERSATIONS = 1_000
MAX_PICTURE_BYTES = 12 << 20
"""The daemon takes no more in one request."""
MAX_TOLD = 10
"""Of what is wrong with a document."""


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """A picture's bytes, as base64."""

    mime_type: Short
    data: Annotated[str, Field(max_length=MAX_PICTURE_BYTES * 4 // 3 + 4)]


@dataclass(frozen=True, slots=True)
class Document:
    """Conversations in a file."""

    format: Literal["rkd-chat"]
    version: Literal[1]
    conversations: Annotated[tuple[Conversation, ...], Field(max_length=MAX_CONVERSATIONS)]
    pictures: Annotated[Mapping[Digest, KeptPicture], Field(max_length=4_096)] = field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True)
class _Begin:
    format: str = ""
    version: int = 0


_DOCUMENT = TypeAdapter(Document)
_BEGIN = TypeAdapter(_Begin)
_CONVERSATION = TypeAdapter(Conversation)
_TURN = TypeAdapter(Turn)


def read(content: bytes) -> Document:
    """
    Return the conversations in *content*, each settled: nothing in them runs any more.

    Raises:
        InvalidInputError: CHAT_FILE_INVALID, and what is wrong where.
    """
    if len(content) > MAX_DOCUMENT_BYTES:
        raise _wrong(f"it has more than {MAX_DOCUMENT_BYTES >> 20} MiB")
    try:
        begin = _BEGIN.validate_json(content)
    except ValidationError as error:
        raise _wrong("it is no JSON object of ours", _told(error)) from error
    if begin.format != FORMAT:
        raise _wrong("it holds no conversations of rkd (`format` is not `rkd-chat`)")
    if begin.version != VERSION:
        said = f"its version is {begin.version}, and this console reads version {VERSION}"
        raise _wrong(said)
    try:
        document = _DOCUMENT.validate_json(content)
    except ValidationError as error:
        raise _wrong("it is not as its version has it", _told(error)) from error
    for at, one in enumerate(document.conversations):
        for lane in one.lanes:
            _judge(lane, at)
    for digest, kept in document.pictures.items():
        bytes_of(digest, kept)
    return document


def bytes_of(digest: str, kept: KeptPicture) -> bytes:
    """
    Return a picture's bytes.

    Raises:
        InvalidInputError: CHAT_FILE_INVALID, they are not those of *digest*.
    """
    try:
        data = base64.b64decode(kept.data, validate=True)
    except (ValueError, binascii.Error) as error:
        raise _wrong(f"picture {digest[:12]} is no base64") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise _wrong(f"picture {digest[:12]} is not what its digest says")
    return data


def written(conversations: Iterable[Conversation]) -> bytes:
    """Return *conversations* as a document; pictures are added by who has them."""
    document = Document(FORMAT, VERSION, tuple(conversations))
    return _DOCUMENT.dump_json(document)


def plain(conversation: Conversation) -> dict[str, object]:
    """Return *conversation* as values of JSON."""
    made: dict[str, object] = _CONVERSATION.dump_python(conversation, mode="json")
    return made


def change(conversation: Conversation, turns: Iterable[Turn], *, quiet: bool) -> dict[str, object]:
    """
    Return what the browser keeps of a change, as values of JSON.

    Args:
        conversation: as it is now; its turns are named in their order.
        turns: those that are new or changed.
        quiet: other tabs need not look: they see it themselves.
    """
    head = replace(conversation, lanes=tuple(replace(one, turns=()) for one in conversation.lanes))
    return {
        "head": _CONVERSATION.dump_python(head, mode="json"),
        "name": shown(conversation.name),
        "order": [[one.id for one in lane.turns] for lane in conversation.lanes],
        "turns": [_TURN.dump_python(one, mode="json") for one in turns],
        "quiet": quiet,
    }


def alone(conversation: str, turn: Turn) -> dict[str, object]:
    """Return what the browser keeps of a turn of a conversation that is not open."""
    return {"of": conversation, "turn": _TURN.dump_python(turn, mode="json")}


def settled(conversation: Conversation, running: Iterable[str] = ()) -> Conversation:
    """Return *conversation* with every answer stopped that still runs and is not *running*."""
    alive = frozenset(running)
    for at, lane in enumerate(conversation.lanes):
        turns = tuple(
            replace(one, state="stopped") if one.state == "running" and one.id not in alive else one
            for one in lane.turns
        )
        conversation = conversation.with_lane(at, replace(lane, turns=turns))
    return conversation


def _judge(lane: Lane, at: int) -> None:
    """Refuse what is no tree: each turn stands behind its parent, so no way leads round."""
    seen: dict[str, str] = {}
    for turn in lane.turns:
        if turn.id in seen:
            raise _wrong(f"conversation {at} has two turns called {turn.id}")
        if turn.parent and turn.parent not in seen:
            raise _wrong(f"conversation {at}: the turn before {turn.id} does not stand before it")
        seen[turn.id] = turn.parent
    for parent, child in lane.chosen.items():
        if seen.get(child) != parent:
            raise _wrong(f"conversation {at} chooses a turn that is not there: {child}")


def _told(error: ValidationError) -> tuple[str, ...]:
    found = error.errors(include_url=False, include_input=False, include_context=False)[:MAX_TOLD]
    return tuple(f"{'.'.join(map(str, one['loc']))}: {one['msg']}"[:200] for one in found)


def _wrong(why: str, violations: tuple[str, ...] = ()) -> InvalidInputError:
    said = f"this is no file of conversations that can be read: {why}"
    return InvalidInputError(
        "CHAT_FILE_INVALID",
        said,
        remedy="import a file that this page exported",
        violations=violations,
    )
