"""
Every problem of a Modelfile at once, with line and column: what `rkctl lint` prints.

Whether the thing a FROM names exists is not judged here.
"""

from __future__ import annotations

from rkd.errors import InvalidInputError
from rkd.modelfile import gotemplate, recipe
from rkd.modelfile.commands import MAX_PROBLEMS, Command, Problem, ProblemSeverity
from rkd.modelfile.env import KEPT_KEYS, KNOWN_KEYS
from rkd.modelfile.excerpt import excerpt
from rkd.modelfile.parameters import PARAMETERS, Effect
from rkd.modelfile.parse import decode, read
from rkd.modelfile.suggest import did_you_mean

_NOT_ACTED_UPON = {
    "DRAFT": "rkd has no speculative decoding yet: DRAFT is kept and ignored",
    "RENDERER": "rkd uses TEMPLATE: RENDERER is kept and ignored",
    "PARSER": "rkd recognises tool calls by itself: PARSER is kept and ignored",
    "REQUIRES": "REQUIRES speaks of Ollama's version: kept and ignored",
}


_REPEATABLE = frozenset({"FROM", "LICENSE", "ADAPTER", "MESSAGE", "UNSET"})


def lint(text: str | bytes) -> tuple[Problem, ...]:
    """Return every error and warning of *text*, ordered by place; empty when all is well."""
    if isinstance(text, bytes):
        try:
            text = decode(text)
        except InvalidInputError as trouble:
            line, column = int(trouble.metadata["line"]), int(trouble.metadata["column"])
            return (Problem(line, column, trouble.violations[0].description),)
    commands, problems, dialect = read(text)
    _, judged = recipe.build(tuple(commands), dialect)
    problems = [*problems, *judged]
    seen: set[tuple[str, str]] = set()
    for command in commands:
        if len(problems) >= MAX_PROBLEMS:
            break
        warning = _warning(command, seen)
        if warning:
            place = command.line, command.column
            problems.append(Problem(*place, warning, ProblemSeverity.WARNING))
    return tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))


def _warning(command: Command, seen: set[tuple[str, str]]) -> str:
    """Say what is odd about *command* without being wrong; *seen* are the ones before it."""
    if command.keyword in _NOT_ACTED_UPON:
        return _NOT_ACTED_UPON[command.keyword]
    if command.keyword == "ENV":
        known = command.name in KEPT_KEYS
        what = "means nothing to rkd" if known else "is unknown"
        hint = "" if known else did_you_mean(command.name, KNOWN_KEYS)
        return f"key {excerpt(command.name)} {what}{hint}: kept as it is"
    parameter = PARAMETERS.get(command.name) if command.keyword == "PARAMETER" else None
    repeatable = command.keyword in _REPEATABLE or (parameter is not None and parameter.adds_up)
    key = command.keyword, command.name
    again = key in seen and not repeatable
    seen.add(key)
    if again:
        said = f"{command.keyword} {excerpt(command.name)}".rstrip()
        return f"{said} was given before: the last one wins"
    if parameter is not None and parameter.effect is Effect.NONE:
        return f"parameter {command.name} has no effect in rkd{parameter.instead}"
    return _of_template(command.value) if command.keyword == "TEMPLATE" else ""


def _of_template(template: str) -> str:
    """Warn about a template without a conversation in it, or of both kinds at once."""
    if "{{" not in template and "{%" not in template:
        return "the template has no place for the conversation: every prompt is this text"
    both = "{%" in template and gotemplate.is_go(template.replace("{%", ""))
    return "the template mixes Jinja and Go: read as Jinja" if both else ""
