"""The text an editor begins with, and the file that a Modelfile is for. Pure."""

from __future__ import annotations

from typing import Final

from rkd_client.v1.models import ShowResponse

from rkd.errors import InvalidInputError
from rkd.modelfile.commands import Command, Dialect
from rkd.modelfile.parse import Modelfile, parse
from rkd.modelfile.render import render, render_env

_TEMPERATURE: Final = "1.0"
"""What rkllama reads as compulsory."""


def first_text(shown: ShowResponse) -> str:
    """Return the Modelfile as it stands, else one that can be written for the weights there."""
    if shown.modelfile or not shown.weights:
        return shown.modelfile
    file = shown.weights[0]
    if file.format == "gguf":
        return render(Modelfile((Command("FROM", f"./{file.name}"),), Dialect.OLLAMA))
    commands = (
        Command("FROM", file.name),
        Command("HUGGINGFACE_PATH", ""),
        Command("SYSTEM", ""),
        Command("PARAMETER", _TEMPERATURE, "temperature"),
    )
    return render_env(Modelfile(commands, Dialect.ENV))


def file_meant(text: str, shown: ShowResponse) -> str:
    """Return the weights file that FROM in *text* names, else the first; "" where there is none."""
    names = {one.name.casefold(): one.name for one in shown.weights}
    try:
        values = parse(text).values("FROM")
    except InvalidInputError:
        values = ()
    for value in values:
        known = names.get(value.removeprefix("./").casefold())
        if known:
            return known
    return shown.weights[0].name if shown.weights else ""
