"""The Modelfile that is kept with a created model: its FROM names the files beside it; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rkd.library.layout import format_of
from rkd.model import Format, Recipe
from rkd.modelfile.commands import Command, Dialect
from rkd.modelfile.parse import Modelfile
from rkd.modelfile.render import compose, render, render_env

DEFAULT_TEMPERATURE = 1.0
"""What rkllama writes into the Modelfiles it makes, and reads as compulsory."""


def kept(modelfile: Modelfile, files: tuple[str, ...], adapters: Mapping[str, str]) -> str:
    """
    Write *modelfile* as it stands beside its *files*.

    A model with .rkllm weights gets rkllama's form, so that rkllama can serve it too.

    Args:
        modelfile: what was asked for.
        files: weights in the folder, the ones FROM names.
        adapters: names in the folder by what ADAPTER said.
    """
    commands = [
        replace(one, value=f"./{adapters[one.value]}") if one.value in adapters else one
        for one in modelfile.commands
        if one.keyword not in {"FROM", "UNSET"}
    ]
    if any(format_of(name) is Format.RKLLM for name in files):
        sources = [Command("FROM", name) for name in files]
        return render_env(_with_defaults(Modelfile((*sources, *commands), Dialect.ENV)))
    prefix = "" if modelfile.dialect is Dialect.ENV else "./"
    sources = [Command("FROM", prefix + name) for name in files]
    return render(Modelfile((*sources, *commands), modelfile.dialect))


def adopted(file_name: str, repository: str) -> str:
    """Write the Modelfile for a file that lies in its folder already."""
    if format_of(file_name) is Format.GGUF:
        return render(compose(Recipe(huggingface_path=repository), (f"./{file_name}",)))
    recipe = Recipe(
        system="",
        parameters=(("temperature", DEFAULT_TEMPERATURE),),
        huggingface_path=repository,
    )
    return render(compose(recipe, (file_name,), Dialect.ENV))


def _with_defaults(modelfile: Modelfile) -> Modelfile:
    """Add what rkllama does not load a model without."""
    if any(one.keyword == "PARAMETER" and one.name == "temperature" for one in modelfile.commands):
        return modelfile
    default = Command("PARAMETER", str(DEFAULT_TEMPERATURE), "temperature")
    return Modelfile((*modelfile.commands, default), modelfile.dialect)
