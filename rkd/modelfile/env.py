"""
rkllama's form of a Modelfile: `KEY="value"` lines, as python-dotenv reads them.

Read and written here. rkllama itself reads such a file in three ways (dotenv, a split at `=`, and
regular expressions), so what is written keeps to one line a key, double quotes, escapes. Keys
rkllama does not know are ignored by it: rkd's own (`STOP`, `MESSAGES` …) do not disturb it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from rkd.modelfile.commands import MAX_COMMANDS, MAX_PROBLEMS, ROLES, Command, Places, Problem
from rkd.modelfile.parameters import PARAMETERS
from rkd.modelfile.sampling import SAMPLING

_ASSIGNMENT = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.]*)[ \t]*=[ \t]*")
_BLANKS = re.compile(r"[ \t\r\n\ufeff]*")
_TO_QUOTE = {'"': re.compile(r'[^"\\]*'), "'": re.compile(r"[^'\\]*")}
_BARE = re.compile(r"[^\r\n]*")
_TAIL = re.compile(r"[ \t]*(?:#[^\r\n]*)?(?=[\r\n]|\Z)")
_ESCAPE = re.compile(r"\\([\\'\"abfnrtv])")
_MEANING = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_WRITTEN = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}

_TEXTS = {
    "FROM": "FROM",
    "HUGGINGFACE_PATH": "HUGGINGFACE_PATH",
    "SYSTEM": "SYSTEM",
    "TEMPLATE": "TEMPLATE",
}
_LISTS = {"LICENSE": "LICENSE", "ADAPTER": "ADAPTER"}
_LISTED = {key.upper(): key for key, one in PARAMETERS.items() if one.adds_up}
_KEY_OF = {key: key.upper() for key in PARAMETERS} | {row.key: row.env_key for row in SAMPLING}
_PARAMETER_OF = {written: key for key, written in _KEY_OF.items()}

KNOWN_KEYS = frozenset({*_TEXTS, *_LISTS, *_PARAMETER_OF, "MESSAGES"})
"""Keys rkd acts upon."""

KEPT_KEYS = frozenset(
    {"TOKENIZER", "IMAGE_WIDTH", "IMAGE_HEIGHT", "N_IMAGE_TOKENS"}
    | {"SYSTEM_PROMPT", "PROMPT_PREFIX", "PROMPT_POSTFIX"}
)
"""rkllama's keys without meaning to rkd, kept as they are; an encoder is asked its sizes."""


def looks_like_env(text: str) -> bool:
    """
    Tell by content whether *text* is of the env form.

    One lone `FROM=name` is a slip of the Ollama dialect; with quotes, a weights file's ending or a
    second assignment it is the env form.
    """
    first = _ASSIGNMENT.match(text, _between(text, 0))
    if first is None:
        return False
    key = first.group(1).upper()
    if key != "FROM":
        return key in KNOWN_KEYS | KEPT_KEYS
    rest = _BARE.match(text, first.end())
    value = rest.group().strip() if rest else ""
    if value.startswith(("'", '"')) or value.lower().endswith((".rkllm", ".gguf")):
        return True
    return any(
        (later := _ASSIGNMENT.match(line)) and later.group(1).upper() in KNOWN_KEYS
        for line in re.split(r"[\r\n]+", text[first.end() :])[1:]
    )


def read(text: str) -> tuple[list[Command], list[Problem]]:
    """Cut *text* into commands, reporting each line that is no assignment."""
    commands: list[Command] = []
    problems: list[Problem] = []
    places = Places(text)
    at = _between(text, 0)
    while at < len(text) and len(problems) < MAX_PROBLEMS:
        found = _ASSIGNMENT.match(text, at)
        if found is None:
            problems.append(Problem(*places.of(at), 'expected KEY="value"'))
            at = _between(text, _line_end(text, at))
            continue
        try:
            value, end = _value(text, found.end())
            where = (*places.of(found.start(1)), *places.of(found.end()))
            commands.extend(_commands(found.group(1).upper(), value, where))
        except ValueError as trouble:
            problems.append(Problem(*places.of(found.end()), str(trouble)))
            end = _line_end(text, found.end())
        if len(commands) > MAX_COMMANDS:
            problems.append(Problem(*places.of(at), f"more than {MAX_COMMANDS} commands"))
            break
        at = _between(text, end)
    # An empty FROM names nothing, and takes nothing back of one before it.
    said = [one for one in commands if one.keyword != "FROM" or one.value.strip()]
    return said[:MAX_COMMANDS], problems


def write(commands: tuple[Command, ...]) -> str:
    """
    Write *commands* in the env form; `read` gives them back.

    Keys stand in rkllama's order: FROM and HUGGINGFACE_PATH first. SYSTEM is always there, since
    rkllama's own reader expects it. UNSET has no place in this form and is left out, and so is a
    PARAMETER, unknown anyhow, that starts with a digit.
    """
    values: dict[str, str] = {"FROM": "", "HUGGINGFACE_PATH": "", "SYSTEM": ""}
    lists: dict[str, list[str]] = {}
    for command in commands:
        key = command.keyword
        if key == "PARAMETER" and command.name in _LISTED.values():
            lists.setdefault(command.name.upper(), []).append(command.value)
        elif key == "PARAMETER" and not command.name[:1].isdecimal():
            values[_KEY_OF.get(command.name, command.name.upper())] = command.value
        elif key in _LISTS:
            lists.setdefault(key, []).append(command.value)
        elif key == "MESSAGE":
            turn = json.dumps([command.name, command.value], ensure_ascii=False)
            lists.setdefault("MESSAGES", []).append(turn)
        elif key == "ENV":
            values[command.name] = command.value
        elif key not in {"UNSET", "PARAMETER"}:
            values[key] = command.value
    for key, texts in lists.items():
        values[key] = (
            f"[{', '.join(texts)}]" if key == "MESSAGES" else json.dumps(texts, ensure_ascii=False)
        )
    return "".join(f"{key}={_quoted(value)}\n" for key, value in values.items())


def _commands(key: str, value: str, where: tuple[int, int, int, int]) -> Iterator[Command]:
    """Turn one assignment into the commands it stands for."""
    if key in _TEXTS:
        yield Command(key, value, "", *where)
    elif key in _LISTS:
        for text in _texts(value):
            yield Command(key, text, "", *where)
    elif key == "MESSAGES":
        for role, content in _messages(value):
            yield Command("MESSAGE", content, role, *where)
    elif key in _LISTED:
        for text in _texts(value):
            yield Command("PARAMETER", text, _LISTED[key], *where)
    elif key in _PARAMETER_OF:
        # rkllama takes an empty value for one that was not given.
        if value:
            yield Command("PARAMETER", value, _PARAMETER_OF[key], *where)
    else:
        yield Command("ENV", value, key, *where)


def _texts(value: str) -> list[str]:
    """Read a JSON list of texts, or one plain text."""
    parsed = _json(value)
    if isinstance(parsed, list) and all(isinstance(text, str) for text in parsed):
        return [_whole(text) for text in parsed]
    return [value] if value else []


def _whole(text: str) -> str:
    """Return *text*, which JSON's escapes made, unless they made what no Modelfile may hold."""
    try:
        text.encode()
    except UnicodeEncodeError as trouble:
        raise ValueError("half a character (a lone surrogate) is no text") from trouble
    if "\0" in text:
        raise ValueError("NUL characters are not allowed")
    return text


def _messages(value: str) -> Iterator[tuple[str, str]]:
    parsed = _json(value)
    if not isinstance(parsed, list):
        raise ValueError('MESSAGES must be a JSON list of ["role", "content"]')  # noqa: TRY004 - the one error callers look for
    for turn in parsed:
        match turn:
            case [str(role), str(content)] if role in ROLES:
                yield role, _whole(content)
            case _:
                raise ValueError('each of MESSAGES must be ["role", "content"]')


def _json(value: str) -> object:
    try:
        parsed: object = json.loads(value) if value.startswith("[") else None
    except (ValueError, RecursionError):
        return None
    return parsed


def _value(text: str, at: int) -> tuple[str, int]:
    """Read a quoted or bare value; returns it and the offset behind it."""
    quote = text[at : at + 1]
    if quote in _TO_QUOTE:
        closing = _closing(text, at)
        tail = _TAIL.match(text, closing + 1)
        if tail is None:
            raise ValueError(f"text after the closing {quote}")
        return _ESCAPE.sub(_meaning, text[at + 1 : closing]), tail.end()
    end = _line_end(text, at)
    return _without_comment(text[at:end]).rstrip(" \t"), end


def _closing(text: str, at: int) -> int:
    """Return the offset of the quote that closes the one at *at*; a backslash takes one sign."""
    quote = text[at]
    at += 1
    while True:
        found = _TO_QUOTE[quote].match(text, at)
        at = found.end() if found else at
        if at >= len(text):
            raise ValueError(f"unexpected EOF: {quote} is never closed")
        if text[at] == quote:
            return at
        at += 2


def _without_comment(line: str) -> str:
    """Cut *line* at the first `#` that has a blank before it."""
    at = line.find("#")
    while at >= 0:
        if line[at - 1 : at] in {" ", "\t"}:
            return line[:at]
        at = line.find("#", at + 1)
    return line


def _between(text: str, at: int) -> int:
    """Go past blanks, empty lines and comments, a step for each comment."""
    while True:
        found = _BLANKS.match(text, at)
        at = found.end() if found else at
        if not text.startswith("#", at):
            return at
        at = _line_end(text, at)


def _meaning(escape: re.Match[str]) -> str:
    sign = escape.group(1)
    return _MEANING.get(sign, sign)


def _quoted(value: str) -> str:
    """Quote *value* unless it is a plain number or word, as rkllama writes it."""
    if re.fullmatch(r"[+-]?[0-9][0-9.eE+-]*|True|False", value):
        return value
    return '"' + "".join(_WRITTEN.get(sign, sign) for sign in value) + '"'


def _line_end(text: str, at: int) -> int:
    found = _BARE.match(text, at)
    return found.end() if found else at
