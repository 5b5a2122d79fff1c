"""`rkctl chat`: the next turn of a conversation, typed, given or read from a file."""

from __future__ import annotations

import sys
from typing import Any

import click
from rkd_client.errors import InvalidInputError
from rkd_client.files import named
from rkd_client.parts import Piece
from rkd_client.turns import tools_of, turns_of

from rkctl import flags, naming
from rkctl.chat import asking
from rkctl.screen.reply import Reply
from rkctl.session import CommandSession
from rkctl.verb import verb
from rkd.outside import json_value


@verb("chat")
@naming.MODEL
@click.argument("message", nargs=-1)
@click.option(
    "--messages",
    type=click.Path(),
    metavar="FILE",
    help="JSON list of turns before it; - is stdin.",
)
@click.option(
    "--tools", type=click.Path(), metavar="FILE", help="JSON list of functions the model may call."
)
@flags.sampling
def chat(
    session: CommandSession,
    model: str,
    message: tuple[str, ...],
    *,
    messages: str | None,
    tools: str | None,
    asked: flags.Asked,
) -> None:
    """
    Answer MESSAGE, or hold a conversation when there is none and this is a terminal.

    Turns are `{"role": "user", "content": "…"}`, functions `{"name": …, "description": …,
    "parameters": {…}}`; OpenAI's form of both is understood. With --raw there is no template and
    so no conversation: the text goes to the model as it is.
    """
    try:
        turns, offered = (
            turns_of(_entries("--messages", messages)),
            tools_of(_entries("--tools", tools)),
        )
    except InvalidInputError as error:
        raise click.UsageError(error.message) from error
    if not message and not turns and asking.is_conversation():
        from rkctl.chat.repl import Chat  # noqa: PLC0415 - only a conversation needs it

        Chat(session, model, asked).hold()
        return
    if message or not turns:
        said = asking.prompt_of(message)
        turns += turns_of([{"role": "user", "content": said}])
    if asked.raw:
        pieces: list[Piece] = [one for turn in turns for one in (turn.parts or [turn.content])]
        plain = "".join(turn.content for turn in turns)
        asked_for = pieces if any(turn.parts for turn in turns) else plain
        asking.generate(session, model, asked_for, asked)
        return
    asking.converse(session, model, turns, asked, reply=Reply(), tools=offered)


def _entries(flag: str, file: str | None) -> list[dict[str, Any]]:
    if file is None:
        return []
    try:
        text = sys.stdin.read() if file == "-" else flags.text_in(file, flag)
        entries = json_value(text.encode(), most_items=flags.MAX_JSON_ITEMS)
    except ValueError as error:
        raise click.UsageError(f"{named(file)}: no JSON can be read: {error}") from error
    if not (isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)):
        raise click.UsageError(f"{named(file)}: a JSON list of objects is wanted")
    return entries
