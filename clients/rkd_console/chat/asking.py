"""What a lane asks the daemon: its turns as messages, its settings as options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from rkd_client.errors import InvalidInputError
from rkd_client.options import Options
from rkd_client.v1.types import Media, Message, Part, ToolCall

from rkd_console.chat.conversation import Turn, Wishes
from rkd_console.chat.parameters import asked


def messages(
    path: Iterable[Turn], system: str | None, pictures: Mapping[str, bytes]
) -> list[Message]:
    """
    Return the turns of *path* as the daemon reads them.

    Args:
        path: oldest first; answers that brought nothing are left out.
        system: in the place of the model's; None and "" leave it its own.
        pictures: their bytes by digest.

    Raises:
        InvalidInputError: PICTURE_MISSING, the browser lost one.
    """
    made = [Message(role="system", content=system)] if system else []
    for turn in path:
        if turn.role == "assistant" and not (turn.text or turn.reasoning or turn.calls):
            continue
        made.append(_message(turn, pictures))
    return made


def options(settings: Wishes) -> Options:
    """Return what *settings* ask beside the turns: somebody waits for it at a keyboard."""
    made: dict[str, object] = {**asked(settings.parameters), "priority": "interactive"}
    if settings.stop:
        made["stop"] = settings.stop
    if settings.backend:
        made["backend"] = settings.backend
    if settings.thinking is not None:
        made["thinking"] = settings.thinking
    return cast("Options", made)


def missing(path: Iterable[Turn], held: Iterable[str]) -> list[str]:
    """Return the digests of the pictures in *path* that are not *held*."""
    have = frozenset(held)
    return list(
        dict.fromkeys(
            one.digest for turn in path for one in turn.pictures if one.digest not in have
        )
    )


def _message(turn: Turn, pictures: Mapping[str, bytes]) -> Message:
    parts: tuple[Part, ...] = ()
    if turn.pictures:
        seen = [Part(media=_media(one.digest, one.mime_type, pictures)) for one in turn.pictures]
        parts = (*seen, *([Part(text=turn.told)] if turn.told else []))
    return Message(
        role=turn.role,
        content="" if parts else turn.told,
        reasoning=turn.reasoning,
        tool_calls=tuple(ToolCall(one.id, one.name, one.arguments_json) for one in turn.calls),
        tool_name=turn.tool_name,
        tool_call_id=turn.tool_call_id,
        parts=parts,
    )


def _media(digest: str, mime_type: str, pictures: Mapping[str, bytes]) -> Media:
    data = pictures.get(digest)
    if data is None:
        said = "a picture of this conversation is no longer in this browser"
        remedy = "edit the turn and add the picture again"
        raise InvalidInputError("PICTURE_MISSING", said, remedy=remedy)
    return Media(data=data, mime_type=mime_type)
