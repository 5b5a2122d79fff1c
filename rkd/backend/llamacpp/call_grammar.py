"""
A forced call held to its family's own way of writing and to its tool's schema, as a grammar; pure.

The grammar is Lark as llguidance reads it, for what stands behind the tool's name. It allows fewer
calls than the schema, never more: arguments come in the schema's order and none that it does not
name. What it cannot say (a schema that is more than properties, a text by an expression that is
anchored in its middle) is no grammar at all, and the call is held to JSON instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from rkd.backend.llamacpp.llguidance import JSON_OPTIONS
from rkd.backend.llamacpp.text_grammar import ANY_TEXT, Terminals, UnsaidError, lark_string
from rkd.backend.schema.keywords import Node
from rkd.backend.text.calls.form import BARE_KEY, CallForm
from rkd.backend.text.calls.kinds import followed, kinds_of

Token = Callable[[str], int | None]
"""The id of a marker that is one token; None for text."""

MAX_RULES = 2000
_AT_ROOT = {"type", "properties", "required", "additionalProperties", "$defs", *JSON_OPTIONS}


def call_grammar(form: CallForm, schema: Node, markers: Iterable[str], token: Token) -> str:
    """
    Write the grammar of the arguments of a call and of what ends it; "" where there is none.

    Args:
        form: how the family writes it; not the one with JSON.
        schema: of the arguments, as `rkd.backend.schema.schema.written` wrote it.
        markers: what may be a token in *form*.
        token: tells which of them are.
    """
    try:
        return _CallWriter(form, schema, markers, token).write()
    except UnsaidError:
        return ""


class _CallWriter:
    """Writes one grammar."""

    def __init__(self, form: CallForm, schema: Node, markers: Iterable[str], token: Token) -> None:
        self._form = form
        self._root = schema
        self._ids = {one: at for one in markers if (at := token(one)) is not None}
        listed = sorted(self._ids, key=len, reverse=True)
        self._split = re.compile("|".join(map(re.escape, listed)) or r"(?!)")
        self._rules: list[str] = []
        self._named: dict[str, str] = {}
        self._terminals = Terminals(schema)

    def write(self) -> str:
        root = followed(self._root, self._root)
        if root.keys() - _AT_ROOT or kinds_of(root, self._root) - {"object"}:
            raise UnsaidError
        start = self._arguments(root)
        body = f"start: {start} {self._spelled(self._form.behind)}"
        return "\n".join(("%llguidance {}", body, *self._rules, *self._terminals.lines, ""))

    def _rule(self, body: str, options: str = "") -> str:
        name = f"r{len(self._rules)}"
        if len(self._rules) >= MAX_RULES:
            raise UnsaidError
        self._rules.append(f"{name}{options}: {body}")
        return name

    def _spelled(self, text: str) -> str:
        """*text* with its markers as tokens."""
        out, at = [], 0
        for found in self._split.finditer(text):
            out += [lark_string(text[at : found.start()])] if found.start() > at else []
            out.append(f"<[{self._ids[found[0]]}]>")
            at = found.end()
        out += [lark_string(text[at:])] if at < len(text) else []
        return " ".join(out) or '""'

    def _arguments(self, root: Node) -> str:
        """The members of *root*, those that are not required or not, in order."""
        properties: dict[str, Any] = root.get("properties", {})
        required = set(root.get("required", ()))
        if required - properties.keys():
            raise UnsaidError
        offered = [key for key, one in properties.items() if one is not False]
        if required - set(offered) or not all(map(BARE_KEY.fullmatch, offered)):
            raise UnsaidError
        between = self._spelled(self._form.between) if self._form.between else '""'
        first = rest = '""'
        for key in reversed(offered):
            one = self._argument(key, properties[key])
            begun = f"{between} {one} {rest}"
            opened = f"{one} {rest}"
            if key not in required:
                begun, opened = f"({begun}) | {rest}", f"({opened}) | {first}"
            rest, first = self._rule(begun), self._rule(opened)
        return first

    def _argument(self, key: str, schema: Any) -> str:
        form = self._form
        kinds = kinds_of(schema, self._root)
        spoken = "string" in kinds
        joint = form.value if spoken or not form.other else form.other
        head = self._spelled(form.key + key + joint)
        if form.style == "gemma":
            return self._rule(f"{head} {self._gemma(schema)} {self._end()}")
        if form.style == "python":
            return self._rule(f"{head} {self._python(schema, kinds)} {self._end()}")
        if spoken:
            strip = bool(form.after) and not joint.endswith("\n") and form.other == ""
            return self._rule(f"{head} {self._raw(schema, strip=strip)}")
        return self._rule(f"{head} {self._json(schema)} {self._end()}")

    def _end(self) -> str:
        return self._spelled(self._form.after) if self._form.after else ""

    def _raw(self, schema: Any, *, strip: bool) -> str:
        """A text as it is, and what ends it: the text ends where that begins."""
        terminal = self._terminals.of(schema)
        if strip and terminal != ANY_TEXT:
            # One newline on each side is the form's: a text that begins with one would lose it.
            terminal = f"({terminal}) & ~/\\n(?s:.*)/ & ~/(?s:.*)\\n/"
        return self._until(terminal, self._form.after)

    def _until(self, terminal: str, after: str) -> str:
        found = self._split.search(after)
        plain = after[: found.start()] if found else after
        # Whoever reads it takes the bare tag for the end, however it is spelled.
        name = self._terminals.named(f"({terminal}) & {_without(after.strip())}")
        if plain:
            text = self._rule(name, f"[suffix={lark_string(plain)}]")
            return f"{text} {self._spelled(after[len(plain) :])}"
        return f"{self._rule(name)} {self._spelled(after)}"

    def _json(self, schema: Any) -> str:
        body = dict(schema) if isinstance(schema, dict) else {}
        if "$defs" in self._root and "$ref" in json.dumps(body):
            body["$defs"] = self._root["$defs"]
        held = json.dumps({**body, **JSON_OPTIONS}, ensure_ascii=False)
        return self._rule(f"%json {held}")

    def _python(self, schema: Any, kinds: frozenset[str]) -> str:
        if kinds == {"null"}:
            return '"None"'
        if kinds == {"boolean"}:
            words = [lark_string(str(one)) for one in self._values(schema, (True, False))]
            return f"({' | '.join(words)})"
        return self._json(schema)

    def _values(self, schema: Any, all_: tuple[object, ...]) -> list[object]:
        node = followed(schema, self._root)
        if node.keys() - {"type", "enum", "const"}:
            raise UnsaidError
        listed = [node["const"]] if "const" in node else node.get("enum", all_)
        found = [one for one in all_ if any(one is other for other in listed)]
        if not found:
            raise UnsaidError
        return found

    # Gemma's own objects

    def _gemma(self, schema: Any) -> str:
        """A value with bare keys and its own quotes; each place of the schema is one rule."""
        place = json.dumps(schema, sort_keys=True)
        if place not in self._named:
            self._named[place] = name = self._rule("")
            at = len(self._rules) - 1
            self._rules[at] = f"{name}: {self._gemma_of(schema)}"
        return self._named[place]

    def _gemma_of(self, schema: Any) -> str:
        node = followed(schema, self._root)
        kinds = kinds_of(node, self._root)
        branches = node.get("anyOf")
        if isinstance(branches, list) and not node.keys() - {"anyOf"}:
            return " | ".join(self._gemma(one) for one in branches)
        if kinds == {"string"}:
            return self._quoted(self._terminals.of(node))
        if kinds == {"object"} and not node.keys() - _AT_ROOT and node.get("properties"):
            return f'"{{" {self._arguments(node)} "}}"'
        if kinds == {"array"} and not node.keys() - {"type", "items", "minItems", "maxItems"}:
            return self._gemma_array(node)
        if kinds and kinds <= {"integer", "number", "boolean", "null"}:
            return self._json(node)
        raise UnsaidError

    def _quoted(self, terminal: str) -> str:
        quote = self._form.quote
        return f"{self._spelled(quote)} {self._until(terminal, quote)}"

    def _gemma_array(self, node: Node) -> str:
        item = self._gemma(node.get("items", True))
        least, most = int(node.get("minItems", 0)), node.get("maxItems")
        if most == 0:
            return '"[" "]"'
        upper = "" if most is None else str(int(most) - 1)
        listed = f'{item} ("," {item}){{{max(least - 1, 0)},{upper}}}'
        return f'"[" {listed} "]"' if least else f'"[" ({listed})? "]"'


def _without(marker: str) -> str:
    escaped = re.escape(marker).replace("/", r"\/")
    return f"~/(?s:.*){escaped}(?s:.*)/"
