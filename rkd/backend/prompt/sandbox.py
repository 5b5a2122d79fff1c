"""
A Jinja environment in which a stranger's chat template can neither reach out nor run away.

Templates come with models from anywhere. Jinja's immutable sandbox keeps them from the process;
what it does not do is bound their work, so every loop turn, call, filter, product and
concatenation is counted and measured here, and whatever is compared, hashed or written as text is
weighed first. What remains (a single huge allocation inside one string method) is bounded from
outside: by the worker's limit of memory, and by the daemon, which ends a worker that gives no sign
of life.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from datetime import datetime
from typing import Any, NoReturn, cast

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, LoopControlExtension
from jinja2.parser import Parser
from jinja2.runtime import Context, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

MAX_STEPS = 200_000
"""Loop turns, calls and filters of one rendering; a thousand messages with tools need some 30k."""

MAX_CHARACTERS = 8 * 1024 * 1024
"""Longest text a template may make: sixteen times a context of 128k tokens."""

MAX_ITEMS = 100_000
"""Most values in what is compared, hashed or written, each counted as often as it is reached: a
list of lists that hold the same list twice, sixty levels deep, is compared or written for hours."""

MAX_GROWN = 10_000
"""Most items a template may add to a list of its own; one holds the ids of a history's calls."""

MAX_NUMBER = 1_000_000
"""Largest width or count a filter or string method may be given."""

MAX_BITS = 4096
"""Largest whole number arithmetic may make."""

BOUND_S = 10.0
"""Longest a rendering may take: a thousand times what a long conversation needs on an A76."""

_UNUSED_FILTERS = ("center", "filesizeformat", "format", "pprint", "urlize", "wordwrap", "xmlattr")
"""Amplifiers, and printers of Python objects, that no chat template needs."""

_SHALLOW_FILTERS = ("count", "d", "default", "first", "last", "length")
"""They look at no value inside what they are given; templates ask them in each turn of a loop."""

_COMPARING_TESTS = (
    *("eq", "equalto", "==", "ne", "!=", "lt", "lessthan", "<", "le", "<="),
    *("gt", "greaterthan", ">", "ge", ">=", "in"),
)
_UNUSED_GLOBALS = ("lipsum", "cycler", "joiner")
_WIDE = re.compile(r"\d{5,}|\*|:[^{}:]*\{")
"""A width of five digits, or one taken from the arguments, in a format string."""

_HOLDERS = (list, tuple, dict, Namespace)

_WIDE_WORDS = "it formats with a width no chat template needs"


class TemplateRefusalError(TemplateError):
    """The template itself called `raise_exception`; the message is its author's."""


class TemplateRunawayError(TemplateError):
    """The template did more than any chat template needs."""


def _raise_exception(message: object = "") -> NoReturn:
    raise TemplateRefusalError(str(message))


def _tojson(
    value: object,
    ensure_ascii: bool = False,  # noqa: FBT001, FBT002 - the signature templates are written for
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,  # noqa: FBT001, FBT002 - the same
) -> str:
    """Write JSON as models were trained on it: no HTML escapes, keys in the order given."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
        default=_listed,
    )


def _listed(value: object) -> list[object]:
    """What a filter such as `map` gives one by one, as the list it stands for."""
    if not isinstance(value, Iterator):
        raise TypeError(f"{type(value).__name__} is nothing JSON can hold")
    items = list(itertools.islice(value, MAX_ITEMS + 1))
    check_weight(items)
    return items


def check_grown(items: Sized) -> None:
    """
    Bound a list that is about to grow.

    Raises:
        TemplateRunawayError: it has enough.
    """
    if len(items) >= MAX_GROWN:
        raise TemplateRunawayError(f"a list of its own has more than {MAX_GROWN} items")


class GivenList(list[Any]):
    """A list that is given to a template, which may not change it."""


class Budget:
    """
    What one rendering may still do; made anew for each.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._steps = 0
        self._deadline_s = clock() + BOUND_S

    def step(self) -> None:
        """
        Count one turn, call or filter.

        Raises:
            TemplateRunawayError: the rendering has done enough.
        """
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise TemplateRunawayError(f"it takes more than {MAX_STEPS} steps")
        if self._clock() > self._deadline_s:
            raise TemplateRunawayError(f"it takes longer than {BOUND_S:.0f} s")


def check_length(length: int) -> None:
    """
    Refuse texts and lists of more than MAX_CHARACTERS.

    Raises:
        TemplateRunawayError: *length* is more.
    """
    if length > MAX_CHARACTERS:
        raise TemplateRunawayError(f"it makes something {length} characters long")


def check_weight(value: object) -> None:
    """
    Refuse to compare, hash or write more than MAX_ITEMS values, or MAX_CHARACTERS in them.

    Raises:
        TemplateRunawayError: *value* holds more.
    """
    waiting = [value] if isinstance(value, _HOLDERS) else []
    items = characters = 0
    while waiting:
        inner = _inside(waiting.pop())
        items += len(inner)
        characters += sum(len(one) for one in inner if isinstance(one, str))
        if items > MAX_ITEMS:
            raise TemplateRunawayError(f"it compares or writes more than {MAX_ITEMS} values")
        check_length(characters)
        waiting += [one for one in inner if isinstance(one, _HOLDERS)]


def _inside(holder: object) -> Sequence[Any]:
    if isinstance(holder, Namespace):
        holder = object.__getattribute__(holder, "_Namespace__attrs")
    if isinstance(holder, dict):
        return [*holder, *holder.values()]
    return cast("Sequence[Any]", holder)


def _weighing(function: Callable[..., Any]) -> Callable[..., Any]:
    """*function*, which compares what it is given, after that was weighed."""

    @functools.wraps(function)
    def weighing(*args: Any, **kwargs: Any) -> Any:
        for value in (*args, *kwargs.values()):
            check_weight(value)
        return function(*args, **kwargs)

    return weighing


def _check_counts(values: Iterable[object]) -> None:
    for value in values:
        if isinstance(value, int) and value > MAX_NUMBER:
            raise TemplateRunawayError(f"it asks for {value} of something")


def _check_bits(bits: int) -> None:
    if bits > MAX_BITS:
        raise TemplateRunawayError(f"it makes a number of {bits} bits")


def _check_binop(operator: str, left: object, right: object) -> None:
    match operator, left, right:
        case "+", str() | list() | tuple(), str() | list() | tuple():
            check_length(len(left) + len(right))
        case "*", (str() | list() | tuple() as many), (int() as count):
            check_length(len(many) * count)
        case "*", (int() as count), (str() | list() | tuple() as many):
            check_length(len(many) * count)
        case "*", int(), int():
            _check_bits(left.bit_length() + right.bit_length())
        case "**", int(), int():
            _check_bits(left.bit_length() * right)
        case "%", str(), _ if _WIDE.search(left):
            raise TemplateRunawayError(_WIDE_WORDS)
        case _:
            pass


class GenerationTag(Extension):
    """`{% generation %}` marks what to train on; for inference its body is all there is to it."""

    tags = {"generation"}  # noqa: RUF012 - the attribute Jinja reads

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Replace the tag by its body."""
        next(parser.stream)
        return list(parser.parse_statements(("name:endgeneration",), drop_needle=True))


class ChatEnvironment(ImmutableSandboxedEnvironment):
    """
    The environment chat templates are written for, bounded.

    Set `budget` before each rendering; one rendering at a time.

    Args:
        now: what `strftime_now` shows.
    """

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, now: Callable[[], datetime]) -> None:
        # Unoptimised: constants would be folded at compile time, past these checks.
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,
            extensions=[LoopControlExtension, GenerationTag],
            finalize=_written,
        )
        self.budget = Budget()
        self.filters["tojson"] = _tojson
        for name in _UNUSED_FILTERS:
            self.filters.pop(name, None)
        for name in self.filters.keys() - set(_SHALLOW_FILTERS):
            self.filters[name] = _weighing(cast("Callable[..., Any]", self.filters[name]))
        for name in _COMPARING_TESTS:
            self.tests[name] = _weighing(cast("Callable[..., Any]", self.tests[name]))
        for name, function in self.filters.items():
            self.filters[name] = self._bounded(function)
        self.filters["_weighed"] = self._weighed
        self.filters["_turns"] = self._turns
        self.filters["_concatenated"] = self._concatenated
        self.globals["raise_exception"] = _raise_exception
        self.globals["strftime_now"] = lambda pattern: now().strftime(str(pattern)[:200])
        for name in _UNUSED_GLOBALS:
            self.globals.pop(name, None)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """Parse, and put the counting into the tree."""
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            loop.iter = _filtered(loop.iter, "_turns")
        for one in tree.find_all(nodes.Compare):
            one.expr = _filtered(one.expr, "_weighed")
            for operand in one.ops:
                operand.expr = _filtered(operand.expr, "_weighed")
        for pair in tree.find_all(nodes.Pair):
            pair.key = _filtered(pair.key, "_weighed")
        _measure_concatenations(tree)
        return tree

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow what Jinja's own does, and a template's own lists to grow: each time is a call."""
        grows = type(obj) is list and attr == "append"
        return grows or super().is_safe_attribute(obj, attr, value)

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Count and measure a call; the sandbox decides whether it is allowed."""
        self.budget.step()
        owner = getattr(obj, "__self__", None)
        if isinstance(owner, str):
            _check_counts(args)
        if type(owner) is list:  # that grows: what it holds has been weighed
            check_grown(owner)
            owner = None
        if not isinstance(obj, Macro):  # which only hands them on
            check_weight([owner, *args, *kwargs.values()])
        result = super().call(context, obj, *args, **kwargs)
        if isinstance(result, str):
            check_length(len(result))
        return result

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Measure the pattern of a `str.format` before the sandbox makes it safe."""
        wrapped = super().wrap_str_format(value)
        if wrapped is not None and _WIDE.search(str(value.__self__)):
            raise TemplateRunawayError(_WIDE_WORDS)
        return wrapped

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Measure an operation before it is done."""
        _check_binop(operator, left, right)
        if operator == "%":
            check_weight(right)
        return super().call_binop(context, operator, left, right)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Weigh a key before it is hashed."""
        check_weight(argument)
        return super().getitem(obj, argument)

    def _bounded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """*function*, a filter, counted and measured."""
        # The value itself may be any number; what follows it are widths and counts.
        given = 2 if hasattr(function, "jinja_pass_arg") else 1

        @functools.wraps(function)
        def bounded(*args: Any, **kwargs: Any) -> Any:
            self.budget.step()
            _check_counts((*args[given:], *kwargs.values()))
            result = function(*args, **kwargs)
            if isinstance(result, str):
                check_length(len(result))
            return result

        return bounded

    def _weighed(self, value: Any) -> Any:
        if isinstance(value, list | tuple | dict):
            self.budget.step()
            check_weight(value)
        return value

    def _turns(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            self.budget.step()
            yield item

    def _concatenated(self, parts: Sequence[Any]) -> str:
        self.budget.step()
        check_weight(parts)
        texts = [str(part) for part in parts]
        check_length(sum(map(len, texts)))
        return "".join(texts)


def _written(value: Any) -> Any:
    """*value*, that is about to become text, after it was weighed."""
    check_weight(value)
    return value


def _filtered(node: Any, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _measure_concatenations(node: nodes.Node) -> None:
    """Replace every `a ~ b` under *node* by a filter that measures first."""
    for field, value in list(node.iter_fields()):
        if isinstance(value, nodes.Node):
            setattr(node, field, _measured(value))
        elif isinstance(value, list):
            value[:] = [_measured(item) if isinstance(item, nodes.Node) else item for item in value]


def _measured(node: nodes.Node) -> nodes.Node:
    _measure_concatenations(node)
    if not isinstance(node, nodes.Concat):
        return node
    return _filtered(nodes.List(node.nodes, lineno=node.lineno), "_concatenated")
