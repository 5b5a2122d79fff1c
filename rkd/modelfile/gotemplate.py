"""
Turn a chat template of Go's kind into Jinja with the same output; leave Jinja as it is.

Two styles exist. One walks `.Messages`. The older one shows a single turn (`.System`, `.Prompt`,
`.Response`) and is repeated for every turn of the conversation; in the last one everything behind
`.Response` is cut, since the model writes that. All text goes through string literals, so that a
renderer's whitespace settings (`trim_blocks` …) change nothing.

The variables read are those of HuggingFace's templates: `messages`, `tools`, `enable_thinking`;
and `prompt` and `suffix`, what stands before and behind a gap to fill in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rkd.modelfile import gotree
from rkd.modelfile.excerpt import excerpt
from rkd.modelfile.goscan import UntranslatableError, refuse_long
from rkd.modelfile.gotree import (
    Assign,
    Branch,
    Call,
    Expression,
    Literal,
    Loop,
    Node,
    Output,
    Path,
    Text,
)

__all__ = ["UntranslatableError", "is_go", "to_jinja"]

MAX_JINJA_BYTES = 2 * 1024 * 1024
"""A translation is some five times its template; this one would keep a renderer busy."""

_GO_ACTION = re.compile(
    r"\{\{-?\s*(?:\.|\$|/\*|\(|(?:if|else|end|range|with|define|template|block|eq|ne|and|or|not"
    r"|len|index|slice|json|print|currentDate|break|continue)\b)"
)
_PLAIN_PATH = re.compile(r"[a-z0-9_]+(?:\.[A-Za-z0-9_]+)*")
_SHAPES = {
    "eq": "({} == {})",
    "ne": "({} != {})",
    "lt": "({} < {})",
    "le": "({} <= {})",
    "gt": "({} > {})",
    "ge": "({} >= {})",
    "not": "(not {})",
    "len": "({}|length)",
    "json": "({}|tojson)",
    "currentDate": "strftime_now('%Y-%m-%d')",
}
"""Functions that are one piece of Jinja around their arguments."""

_TURNS = (
    "{% set ns = namespace(turns=[], role='', system='', prompt='', response='') %}"
    "{% for m in messages %}{% set text = m.content if m.content is string else '' %}"
    "{% if m.role == 'system' %}"
    "{% if ns.prompt or ns.response %}FLUSH{% endif %}"
    "{% set ns.system = ns.system + GLUE + text if ns.role == m.role else text %}"
    "{% elif m.role == 'user' %}"
    "{% if ns.response %}FLUSH{% endif %}"
    "{% set ns.prompt = ns.prompt + GLUE + text if ns.role == m.role else text %}"
    "{% elif m.role == 'assistant' %}"
    "{% set ns.response = ns.response + GLUE + text if ns.role == m.role else text %}"
    "{% endif %}{% set ns.role = m.role %}{% endfor %}"
)
_FLUSH = (
    "{% set ns.turns = ns.turns + [{'system': ns.system, 'prompt': ns.prompt,"
    " 'response': ns.response, 'open': OPEN}] %}"
)
_CLEAR = "{% set ns.system = '' %}{% set ns.prompt = '' %}{% set ns.response = '' %}"
_SYSTEM = (
    "{% set ns = namespace(system='') %}{% for m in messages %}"
    "{% if m.role == 'system' and m.content is string %}"
    "{% set ns.system = ns.system + (GLUE if ns.system else '') + m.content %}"
    "{% endif %}{% endfor %}"
)

_ROOT_OF_MESSAGES = {
    "System": ("ns.system", "text"),
    "Messages": ("messages", "messages"),
    "Prompt": ("(prompt|default(''))", "text"),
    "Response": ("''", "text"),
}
_ROOT_OF_TURN = {
    "System": ("turn.system", "text"),
    "Prompt": ("turn.prompt", "text"),
    "Response": ("turn.response", "text"),
}
_ROOT = {
    "Suffix": ("(suffix|default(''))", "text"),
    "Tools": ("(tools or [])", "tools"),
    "Think": ("(enable_thinking|default(false))", "value"),
    "ThinkLevel": ("''", "text"),
    "IsThinkSet": ("(enable_thinking is defined)", "value"),
}
_FIELDS = {
    "message": {
        "Role": ("role", "text"),
        "Content": ("content", "text"),
        "Thinking": ("reasoning_content", "text"),
        "ToolCalls": ("tool_calls", "calls"),
        "ToolName": ("name", "text"),
        "ToolCallID": ("tool_call_id", "text"),
        "Images": ("images", "value"),
    },
    "call": {"Function": ("function", "called"), "ID": ("id", "text")},
    "called": {"Name": ("name", "text"), "Arguments": ("arguments", "json")},
    "tool": {"Type": ("type", "text"), "Function": ("function", "function")},
    "function": {
        "Name": ("name", "text"),
        "Description": ("description", "text"),
        "Parameters": ("parameters", "json"),
    },
}
_ITEMS = {"messages": "message", "calls": "call", "tools": "tool"}
_PRINTED_AS_JSON = frozenset({"json", "tool", "function", "call", "called", "calls", "tools"})


def is_go(source: str) -> bool:
    """Tell by content whether *source* is a Go template; Jinja's own marks win."""
    return "{%" not in source and "{#" not in source and bool(_GO_ACTION.search(source))


def to_jinja(source: str) -> str:
    """
    Return *source* as Jinja, in time and length in proportion to its own.

    Raises:
        UntranslatableError: longer than a template may be, or a Go template outside the common
            kind; says which part, and where in the template.
    """
    refuse_long(source)
    if not is_go(source):
        return source
    made = _translated(gotree.parse(source))
    if len(made) > MAX_JINJA_BYTES:
        raise UntranslatableError(f"its Jinja is longer than {MAX_JINJA_BYTES} bytes")
    return made


def _translated(nodes: tuple[Node, ...]) -> str:
    glue = _quoted("\n\n")
    if _uses(nodes, "Messages"):
        return _SYSTEM.replace("GLUE", glue) + _JinjaWriter(_ROOT_OF_MESSAGES).write(nodes)[0]
    if not _uses(nodes, "Response"):
        nodes = (*nodes, Output(Path("", ("Response",))))
    flush = _FLUSH.replace("OPEN", "false") + _CLEAR
    prelude = _TURNS.replace("FLUSH", flush).replace("GLUE", glue)
    prelude += _FLUSH.replace("OPEN", "true")
    body = _JinjaWriter(_ROOT_OF_TURN).write(nodes)[0]
    return f"{prelude}{{% for turn in ns.turns %}}{body}{{% endfor %}}"


def _uses(node: object, name: str) -> bool:
    """Tell whether the root's field *name* occurs anywhere under *node*."""
    if isinstance(node, tuple):
        return any(_uses(part, name) for part in node)
    if isinstance(node, Path):
        return node.fields[:1] == (name,)
    slots = getattr(node, "__slots__", ())
    return any(_uses(getattr(node, slot), name) for slot in slots)


def _quoted(text: str) -> str:
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(escapes.get(sign, sign) for sign in text) + '"'


@dataclass(frozen=True, slots=True)
class _Value:
    """A piece of Jinja and what kind of thing it stands for."""

    jinja: str
    kind: str = "value"


class _JinjaWriter:
    """Writes a tree; keeps what the dot and the variables stand for on the way."""

    def __init__(self, root: dict[str, tuple[str, str]]) -> None:
        self._root = _ROOT | root
        self._dot = [_Value("", "root")]
        self._kinds: dict[str, str] = {}

    def write(self, nodes: tuple[Node, ...]) -> tuple[str, bool]:
        """Return the Jinja of *nodes*, and whether the turn's response was among them."""
        parts: list[str] = []
        cut = False
        for node in nodes:
            try:
                text, is_response = self._node(node)
            except UntranslatableError as trouble:
                if trouble.at >= 0 or isinstance(node, Text):
                    raise
                raise UntranslatableError(str(trouble), node.at) from trouble
            # 1 Behind the response of the open turn stands what the model is to write.
            parts.append("{% if not turn.open %}" + text + "{% endif %}" if cut and text else text)
            cut = cut or is_response
        return "".join(parts), cut

    def _node(self, node: Node) -> tuple[str, bool]:
        match node:
            case Text(text):
                return "{{ " + _quoted(text) + " }}", False
            case Output(expression):
                value = self._value(expression)
                return "{{ " + _printed(value) + " }}", value.jinja == "turn.response"
            case Assign(name, expression):
                return self._assign(name, self._value(expression)), False
            case Branch():
                return self._branch(node)
            case Loop():
                return self._loop(node)

    def _assign(self, name: str, value: _Value) -> str:
        self._kinds[name] = value.kind
        # A namespace attribute can be set from inside a loop; a plain name cannot.
        return f"{{% set ns.v_{name[1:]} = {value.jinja} %}}"

    def _branch(self, node: Branch) -> tuple[str, bool]:
        value = self._value(node.condition)
        bound = ""
        if node.sets_dot:
            if not _PLAIN_PATH.fullmatch(value.jinja):
                # The dot may occur any number of times, inside another `with` too: by name.
                name = f"ns.w{len(self._dot)}"
                bound = f"{{% set {name} = {value.jinja} %}}"
                value = _Value(name, value.kind)
            self._dot.append(value)
        body, cut = self.write(node.body)
        if node.sets_dot:
            self._dot.pop()
        text = f"{bound}{{% if {value.jinja} %}}{body}"
        if node.otherwise:
            otherwise, cut_else = self.write(node.otherwise)
            text += "{% else %}" + otherwise
            cut = cut or cut_else
        return text + "{% endif %}", cut

    def _loop(self, node: Loop) -> tuple[str, bool]:
        value = self._value(node.expression)
        if value.kind not in _ITEMS:
            raise UntranslatableError(f"range over {excerpt(value.jinja) or '.'}")
        name = f"d{len(self._dot)}"
        item = _Value(name, _ITEMS[value.kind])
        text = f"{{% for {name} in {value.jinja} %}}"
        if node.index not in {"", "$_"}:
            text += self._assign(node.index, _Value("loop.index0"))
        if node.item not in {"", "$_"}:
            text += self._assign(node.item, item)
        self._dot.append(item)
        body, cut = self.write(node.body)
        self._dot.pop()
        text += body
        if node.otherwise:
            text += "{% else %}" + self.write(node.otherwise)[0]
        return text + "{% endfor %}", cut

    def _value(self, expression: Expression) -> _Value:
        match expression:
            case Literal(value, is_text):
                return _Value(_quoted(value), "text") if is_text else _Value(value, "constant")
            case Path(root, fields):
                return self._path(root, fields)
            case Call(function, arguments):
                return self._call(function, [self._value(argument) for argument in arguments])

    def _path(self, root: str, fields: tuple[str, ...]) -> _Value:
        value = self._dot[-1]
        if root == "$":
            value = self._dot[0]
        elif root:
            if root not in self._kinds:
                raise UntranslatableError(f"undefined variable {excerpt(root)}")
            value = _Value(f"ns.v_{root[1:]}", self._kinds[root])
        for name in fields:
            known = self._root if value.kind == "root" else _FIELDS.get(value.kind, {})
            if name not in known:
                raise UntranslatableError(f"unknown variable .{excerpt(name)}")
            jinja, kind = known[name]
            value = _Value(jinja if value.kind == "root" else f"{value.jinja}.{jinja}", kind)
        if value.kind == "root":
            raise UntranslatableError("the dot itself has no value here")
        return value

    def _call(self, function: str, arguments: list[_Value]) -> _Value:
        texts = [argument.jinja for argument in arguments]
        if function in _SHAPES and len(texts) == _SHAPES[function].count("{"):
            kind = "text" if function in {"json", "currentDate"} else "value"
            return _Value(_SHAPES[function].format(*texts), kind)
        if function in {"slice", "index"} and arguments and arguments[0].kind == "constant":
            raise UntranslatableError(f"{function} of {texts[0]}")
        match function, texts:
            case "eq", [first, _, *_]:
                # As in Go the first is compared with each, but it is written, and made, once.
                return _Value(f"({first} in [{', '.join(texts[1:])}])")
            case (("and" | "or"), [_, *_]):
                return _Value("(" + f" {function} ".join(texts) + ")")
            case "print", [_]:
                return arguments[0]
            case "slice", [whole, *bounds] if 0 < len(bounds) < 3:  # noqa: PLR2004 - from, to
                end = bounds[1] if len(bounds) > 1 else ""
                return _Value(f"({whole})[{bounds[0]}:{end}]", arguments[0].kind)
            case "index", [whole, position]:
                return _Value(f"({whole})[{position}]", _ITEMS.get(arguments[0].kind, "value"))
            case _:
                raise UntranslatableError(f'function "{excerpt(function)}" not defined')


def _printed(value: _Value) -> str:
    """Write *value* as Go prints it: objects as JSON, nothing for what is missing."""
    if value.kind in _PRINTED_AS_JSON:
        return f"{value.jinja}|tojson"
    if value.kind == "text" and not value.jinja.startswith(('"', "'")):
        return f"{value.jinja} or ''" if "(" not in value.jinja else value.jinja
    return value.jinja
