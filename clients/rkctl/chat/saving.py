"""A conversation as the Modelfile of a model that goes on with it."""

from __future__ import annotations

from collections.abc import Iterable

from rkctl.chat.pictures import text_of
from rkctl.flags import NUMBERS, Asked
from rkd.modelfile.commands import Command, Dialect
from rkd.modelfile.parse import Modelfile
from rkd.modelfile.render import render
from rkd.v1 import types_pb2 as types


def modelfile_of(model: str, asked: Asked, turns: Iterable[types.Message]) -> str:
    """
    Return the Modelfile of *model* with what was set and said.

    Raises:
        InvalidInputError: INVALID_MODELFILE, for a text no Modelfile can hold.
    """
    commands = [Command("FROM", model)]
    if asked.system is not None:
        commands.append(Command("SYSTEM", asked.system))
    numbers = {row.key: asked.numbers.get(row.name) for row in NUMBERS}
    for key, value in {**numbers, "num_ctx": asked.context_tokens}.items():
        if value is not None:
            commands.append(Command("PARAMETER", str(value), key))
    commands += [Command("PARAMETER", text, "stop") for text in asked.stop]
    said = ((text_of(turn), turn.role) for turn in turns)
    commands += [Command("MESSAGE", text, role) for text, role in said if text]
    return render(Modelfile(tuple(commands), Dialect.OLLAMA))
