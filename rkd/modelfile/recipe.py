"""
From commands to a `Recipe`, and from a parent and a child to one.

What a child says wins over its parent: parameter by parameter, the stop list, the messages and
the adapters each as a whole; licences add up. UNSET takes back what only the parent said.
"""

from __future__ import annotations

from dataclasses import replace

from rkd.model import Message, Recipe
from rkd.modelfile import gotemplate
from rkd.modelfile.commands import MAX_PROBLEMS, Command, Dialect, Places, Problem, ProblemSeverity
from rkd.modelfile.excerpt import excerpt
from rkd.modelfile.parameters import PARAMETERS, BadValueError, Effect, parse_value
from rkd.modelfile.sampling import MAX_STOPS, Value
from rkd.modelfile.source import repository_of
from rkd.modelfile.suggest import did_you_mean

MAX_MESSAGES = 1_024
"""They stand before every conversation; an engine is given 4096 turns at most (`rkd.bounds`)."""


def build(commands: tuple[Command, ...], dialect: Dialect) -> tuple[Recipe, list[Problem]]:
    """Return what *commands* ask for, and every problem met on the way."""
    parameters, problems = _parameters(commands)
    system = _last(commands, "SYSTEM")
    # rkllama writes SYSTEM="" into every file it makes, meaning none.
    if dialect is Dialect.ENV and system is not None and not system.value:
        system = None
    template = _template(commands, problems)
    turns = [command for command in commands if command.keyword == "MESSAGE"]
    for one in turns[MAX_MESSAGES : MAX_MESSAGES + 1]:
        problems.append(Problem(one.line, one.column, f"more than {MAX_MESSAGES} messages"))
    return (
        Recipe(
            parameters=parameters,
            system=None if system is None else system.value,
            template=template,
            messages=tuple(
                Message(command.name, command.value) for command in turns[:MAX_MESSAGES]
            ),
            adapters=tuple(c.value for c in commands if c.keyword == "ADAPTER"),
            licenses=tuple(c.value for c in commands if c.keyword == "LICENSE"),
            huggingface_path=_huggingface_path(commands, problems),
        ),
        problems,
    )


def derive(parent: Recipe, own: Recipe, unset: tuple[Command, ...]) -> Recipe:
    """Return *parent* changed by *own*; *unset* are the child's UNSET commands."""
    cleared = {command.name for command in unset}
    keys = {command.value for command in unset if command.name == "PARAMETER"}
    keys |= {key for key, _ in own.parameters}
    kept = tuple(pair for pair in parent.parameters if pair[0] not in keys)
    base = replace(
        parent,
        parameters=kept + own.parameters,
        system=None if "SYSTEM" in cleared else parent.system,
        template=None if "TEMPLATE" in cleared else parent.template,
        messages=() if "MESSAGES" in cleared else parent.messages,
        adapters=() if "ADAPTER" in cleared else parent.adapters,
        licenses=() if "LICENSE" in cleared else parent.licenses,
    )
    held = set(base.licenses)
    return replace(
        base,
        system=base.system if own.system is None else own.system,
        template=base.template if own.template is None else own.template,
        messages=own.messages or base.messages,
        adapters=own.adapters or base.adapters,
        licenses=base.licenses + tuple(t for t in own.licenses if t not in held),
        huggingface_path=own.huggingface_path or base.huggingface_path,
    )


def _parameters(
    commands: tuple[Command, ...],
) -> tuple[tuple[tuple[str, Value], ...], list[Problem]]:
    """Type and check every PARAMETER; the last of a repeated one wins, unless they add up."""
    single: dict[str, Value] = {}
    added: dict[str, list[Value]] = {}
    problems: list[Problem] = []
    for command in commands:
        if command.keyword != "PARAMETER":
            continue
        if len(problems) == MAX_PROBLEMS:
            break
        known = PARAMETERS.get(command.name)
        if known is None:
            message = f"unknown parameter '{excerpt(command.name)}'{did_you_mean(command.name)}"
            problems.append(Problem(command.line, command.column, message))
            continue
        if known.effect is Effect.DEPRECATED:
            message = f"parameter {command.name} is deprecated and ignored"
            warning = ProblemSeverity.WARNING
            problems.append(Problem(command.line, command.column, message, warning))
            continue
        try:
            value = parse_value(command.name, command.value)
        except BadValueError as trouble:
            place = command.value_line, command.value_column
            problems.append(Problem(*place, str(trouble)))
            continue
        if known.adds_up and len(added.setdefault(command.name, [])) == MAX_STOPS:
            message = f"more than {MAX_STOPS} of parameter {command.name}"
            problems.append(Problem(command.line, command.column, message))
            break
        if known.adds_up:
            added[command.name].append(value)
        else:
            single.pop(command.name, None)
            single[command.name] = value
    listed = [(name, value) for name, values in added.items() for value in values]
    return (*single.items(), *listed), problems


def _template(commands: tuple[Command, ...], problems: list[Problem]) -> str | None:
    """Return the last TEMPLATE as Jinja, or None."""
    command = _last(commands, "TEMPLATE")
    if command is None:
        return None
    try:
        return gotemplate.to_jinja(command.value)
    except gotemplate.UntranslatableError as trouble:
        place = command.value_line, command.value_column
        inside = ""
        if trouble.at >= 0:
            line, column = Places(command.value).of(trouble.at)
            inside = f" (line {line}, column {column} of the template)"
        problems.append(Problem(*place, f"template error: {trouble}{inside}"))
        return None


def _huggingface_path(commands: tuple[Command, ...], problems: list[Problem]) -> str:
    command = _last(commands, "HUGGINGFACE_PATH")
    if command is None or not command.value.strip():
        return ""
    repository = repository_of(command.value.strip())
    if not repository:
        message = f"'{excerpt(command.value)}' is no `user/repo` of the hub"
        problems.append(Problem(command.value_line, command.value_column, message))
    return repository


def _last(commands: tuple[Command, ...], keyword: str) -> Command | None:
    return next((c for c in reversed(commands) if c.keyword == keyword), None)
