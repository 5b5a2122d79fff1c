"""
Write Modelfiles: in the dialect they came in, or in rkllama's; and derive a child from a parent.

`parse(render(x))` has the commands of *x*, every character of every value.
"""

from __future__ import annotations

import json

from rkd.errors import InvalidInputError, Reason
from rkd.model import Recipe
from rkd.modelfile import env, recipe
from rkd.modelfile.commands import Command, Dialect
from rkd.modelfile.parse import Modelfile

_TRIPLE = '"""'


def render(modelfile: Modelfile) -> str:
    """
    Write *modelfile* in its own dialect.

    Raises:
        InvalidInputError: INVALID_MODELFILE, for a value no spelling of the dialect can hold
            (three quotes at the end of a line inside it).
    """
    if modelfile.dialect is Dialect.ENV:
        return env.write(modelfile.commands)
    return "".join(f"{_line(command)}\n" for command in modelfile.commands)


def render_env(modelfile: Modelfile) -> str:
    """Write *modelfile* in rkllama's form, which rkd reads back with every value."""
    return env.write(modelfile.commands)


def compose(made: Recipe, sources: tuple[str, ...], dialect: Dialect = Dialect.OLLAMA) -> Modelfile:
    """Return the Modelfile that asks for *made* from *sources*, where nobody wrote one."""
    commands = [Command("FROM", source) for source in sources]
    if made.huggingface_path or dialect is Dialect.ENV:
        commands.append(Command("HUGGINGFACE_PATH", made.huggingface_path))
    if made.system is not None or dialect is Dialect.ENV:
        commands.append(Command("SYSTEM", made.system or ""))
    if made.template is not None:
        commands.append(Command("TEMPLATE", made.template))
    commands += [Command("PARAMETER", text_of(value), key) for key, value in made.parameters]
    commands += [Command("MESSAGE", turn.content, turn.role) for turn in made.messages]
    commands += [Command("ADAPTER", text) for text in made.adapters]
    commands += [Command("LICENSE", text) for text in made.licenses]
    return Modelfile(tuple(commands), dialect)


def derive(parent: Recipe, child: Modelfile) -> Recipe:
    """
    Return what *child* asks for when its FROM names the model of *parent*.

    Raises:
        InvalidInputError: INVALID_MODELFILE, from the child's own parameters or template.
    """
    unset = tuple(command for command in child.commands if command.keyword == "UNSET")
    return recipe.derive(parent, child.recipe(), unset)


def inherit(parent: Modelfile, child: Modelfile) -> Modelfile:
    """
    Return the Modelfile to keep for *child*, standing alone: the parent's FROM, all else merged.

    Its recipe is `derive(parent.recipe(), child)`; templates stay in the words they were written
    in. Keys of the env form that rkd does not know are kept from both.
    """
    said = _Said(child.commands)
    kept = [command for command in parent.commands if not said.replaces(command)]
    licences = {command.bare for command in kept if command.keyword == "LICENSE"}
    own = [
        command
        for command in child.commands
        if command.keyword not in {"FROM", "UNSET"}
        and not (command.keyword == "LICENSE" and command.bare in licences)
    ]
    return Modelfile((*kept, *own), parent.dialect)


class _Said:
    """What a child's commands take the place of, in the parent it is from."""

    def __init__(self, commands: tuple[Command, ...]) -> None:
        unset = [command for command in commands if command.keyword == "UNSET"]
        self._whole = {"MESSAGE" if one.name == "MESSAGES" else one.name for one in unset}
        self._keys = {("PARAMETER", one.value) for one in unset if one.name == "PARAMETER"}
        self._whole -= {"PARAMETER"}
        for command in commands:
            if command.keyword in {"PARAMETER", "ENV"}:
                self._keys.add((command.keyword, command.name))
            elif command.keyword == "HUGGINGFACE_PATH" and not command.value:
                continue
            elif command.keyword not in {"FROM", "LICENSE", "UNSET"}:
                self._whole.add(command.keyword)

    def replaces(self, old: Command) -> bool:
        """Tell whether the parent's command *old* gives way."""
        return old.keyword in self._whole or (old.keyword, old.name) in self._keys


def _line(command: Command) -> str:
    """Write one command; ENV keys have no Ollama spelling and become a comment."""
    if command.keyword == "ENV":
        return f"# {command.name}={json.dumps(command.value, ensure_ascii=False)}"
    if command.keyword == "UNSET":
        return f"UNSET {command.name} {command.value}".rstrip()
    head = f"{command.keyword} {command.name}".rstrip()
    return f"{head} {_spelled(command.value)}"


def _spelled(value: str) -> str:
    """Write *value* bare where that says the same, else quoted."""
    plain = value and value == value.strip() and not value.startswith('"')
    if plain and not any(sign in value for sign in "\r\n"):
        return value
    if '"' not in value and not any(sign in value for sign in "\r\n"):
        return f'"{value}"'
    if _TRIPLE not in value.rstrip('"'):
        return _TRIPLE + value + _TRIPLE
    raise InvalidInputError(
        Reason.INVALID_MODELFILE,
        'a value with """ in it cannot be written in a Modelfile of this dialect',
        remedy="Take the three quotes out of the text.",
    )


def text_of(value: float | bool | str) -> str:  # noqa: FBT001 - a parameter's value, one type of four
    """Return a parameter's value as a Modelfile says it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
