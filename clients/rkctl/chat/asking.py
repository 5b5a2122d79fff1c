"""Asking a model: the requests of `run`, `generate` and `chat`, and where the prompt comes from."""

from __future__ import annotations

import select
import sys
from collections.abc import Sequence

import click
from rkd_client.parts import Piece
from rkd_client.verbs import inference as ask

from rkctl.chat.pictures import is_picture, with_pictures
from rkctl.flags import Asked
from rkctl.screen import render
from rkctl.screen.reply import Printer, Reply
from rkctl.session import CommandSession
from rkd.v1 import types_pb2 as types


def generate(
    session: CommandSession,
    model: str,
    prompt: str | list[Piece],
    asked: Asked,
    *,
    suffix: str | None = None,
) -> Reply:
    """Continue *prompt* with *model* and print the answer; Ctrl-C cancels it on the board."""
    asked.check(as_json=session.json)
    request = ask.generate(
        model, prompt, raw=asked.raw, system=asked.system, suffix=suffix, **asked.options()
    )
    reply = Reply()
    printer = Printer(reply, model, asked, as_json=session.json)
    with session.stream(request) as events:
        printer.follow(events)
    return reply


def converse(
    session: CommandSession,
    model: str,
    messages: list[types.Message],
    asked: Asked,
    *,
    reply: Reply,
    tools: Sequence[types.Tool] = (),
) -> None:
    """Answer the last of *messages* into *reply*, printing; a given system prompt goes first."""
    asked.check(as_json=session.json)
    turns = list(messages)
    if asked.system is not None and not (turns and turns[0].role == "system"):
        turns.insert(0, types.Message(role="system", content=asked.system))
    request = ask.chat(model, turns, tools=tools, **asked.options())
    printer = Printer(reply, model, asked, as_json=session.json)
    with session.stream(request) as events:
        printer.follow(events)


def is_conversation() -> bool:
    """Tell whether a person sits at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def waiting_prompt() -> str:
    """
    Return what waits on stdin, "" when nothing does.

    For a verb that needs no prompt: a pipe that somebody holds open and silent must not hold it.
    """
    try:
        ready, _, _ = select.select([sys.stdin], [], [], 0)
    except (OSError, ValueError):  # no file behind it, as in tests, or closed
        ready = [] if sys.stdin.closed else [sys.stdin]
    return sys.stdin.read().strip("\n") if ready else ""


def prompt_of(words: tuple[str, ...]) -> str | list[Piece]:
    """
    Return the prompt: the words, with `-` standing for stdin; without words, stdin.

    Words that name pictures are those, and so is one that is piped in.

    Raises:
        click.UsageError: there is none, or a picture that is named is not there.
    """
    if words and "-" not in words:
        return with_pictures(words)
    if sys.stdin.isatty():
        render.note("reading the prompt; end it with Ctrl-D on a line of its own")
    piped = _piped()
    if isinstance(piped, str):
        piped = piped.strip("\n")
    if words:
        return with_pictures((piped if word == "-" else word for word in words), "\n")
    if isinstance(piped, bytes):
        return [piped]
    if not piped.strip():
        raise click.UsageError("there is no prompt: give one after the model's name or on stdin")
    return piped


def beginning_of(words: tuple[str, ...]) -> str:
    """
    Return what stands before a gap: the words, with `-` standing for stdin; without words, stdin.

    It is taken to its last character, and may be empty.
    """
    asked = words or ("-",)
    piped = sys.stdin.read() if "-" in asked else ""
    return " ".join(piped if word == "-" else word for word in asked)


def _piped() -> str | bytes:
    """Return what stdin holds: a text, or the bytes of a picture."""
    raw = getattr(sys.stdin, "buffer", None)
    if raw is None:
        return sys.stdin.read()
    data: bytes = raw.read()
    if is_picture(data):
        return data
    text = data.decode(sys.stdin.encoding or "utf-8", sys.stdin.errors or "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")
