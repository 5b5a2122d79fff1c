"""`rkctl chat`: the next turn of a conversation, typed, given or read from a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, TypeVar

import click
from google.protobuf import json_format

from rkctl import asking, flags, naming
from rkctl.chat_repl import Chat
from rkctl.reply import Reply
from rkctl.session import Session
from rkctl.verb import verb
from rkd.v1 import types_pb2 as types

Parsed = TypeVar("Parsed", types.Message, types.Tool)


@verb("chat")
@naming.MODEL
@click.argument("message", nargs=-1)
@click.option("--messages", metavar="FILE", help="JSON list of turns before it; - is stdin.")
@click.option("--tools", metavar="FILE", help="JSON list of functions the model may call.")
@flags.sampling
def chat(
    session: Session,
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
    turns = [_turn(entry) for entry in _entries(messages)]
    offered = tuple(_tool(entry) for entry in _entries(tools))
    if not message and not turns and asking.is_conversation():
        Chat(session, model, asked).hold()
        return
    if message or not turns:
        turns.append(types.Message(role="user", content=asking.prompt_of(message)))
    if asked.raw:
        asking.generate(session, model, "".join(turn.content for turn in turns), asked)
        return
    asking.converse(session, model, turns, asked, reply=Reply(), tools=offered)


def _entries(file: str | None) -> list[dict[str, Any]]:
    if file is None:
        return []
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        entries = json.loads(text)
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{file}: no JSON can be read: {error}") from error
    if not (isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)):
        raise click.UsageError(f"{file}: a JSON list of objects is wanted")
    return entries


def _turn(entry: dict[str, Any]) -> types.Message:
    calls = [_call(call) for call in entry.get("tool_calls") or []]
    plain = {**entry, "tool_calls": calls, "content": entry.get("content") or ""}
    if "name" in plain:
        plain["tool_name"] = plain.pop("name")
    return _parsed(plain, types.Message())


def _call(call: dict[str, Any]) -> dict[str, Any]:
    inner = call.get("function", call)
    arguments = inner.get("arguments_json", inner.get("arguments", {}))
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": call.get("id", ""), "name": inner.get("name", ""), "arguments_json": text}


def _tool(entry: dict[str, Any]) -> types.Tool:
    inner = entry.get("function", entry)
    parameters = inner.get("parameters_json", inner.get("parameters", ""))
    text = parameters if isinstance(parameters, str) else json.dumps(parameters)
    plain = {key: inner.get(key, "") for key in ("name", "description")}
    return _parsed({**plain, "parameters_json": text}, types.Tool())


def _parsed(plain: dict[str, Any], message: Parsed) -> Parsed:
    try:
        json_format.ParseDict(plain, message)
    except json_format.ParseError as error:
        raise click.UsageError(f"{json.dumps(plain)[:80]}: {error}") from error
    return message
