"""A call written as its family's models write it, for histories and for calls that are forced."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

BARE_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
"""A name of an argument that needs no quotes in any family's way of writing."""

PLACE_OF_ID, PLACE_OF_COUNT = "{id}", "{count}"


@dataclass(frozen=True, slots=True)
class CallForm:
    """
    One way of writing a call.

    Args:
        before: what stands before the tool's name.
        named: between the name and the arguments; may hold `{id}` and `{count}`.
        behind: what ends the call.
        style: how arguments are written: as one JSON object, each between two tags and a string
            as it is (`raw`), as Python's keywords, or as Gemma's own objects.
        key, value, after: stand before an argument's name, between it and its value, and behind.
        other: in place of *value* where the value is no string; "" for the same.
        between: stands between two arguments.
        quote: before and behind each string, of Gemma's.
        ident: what an id is: nine letters and digits where "", else a pattern of `{name}` and
            `{count}`, the calls of the conversation before it.
    """

    before: str
    named: str
    behind: str = ""
    style: Literal["json", "raw", "python", "gemma"] = "json"
    key: str = ""
    value: str = ""
    after: str = ""
    other: str = ""
    between: str = ""
    quote: str = ""
    ident: str = ""

    def identified(
        self, name: str, *, count: int, fresh: Callable[[], str]
    ) -> tuple[CallForm, str]:
        """
        Give this form for the call of one *name*, and that call's id.

        Args:
            name: of the tool.
            count: how many calls the conversation has had.
            fresh: makes an id.
        """
        ident = self.ident.format(name=name, count=count) if self.ident else fresh()
        named = self.named.replace(PLACE_OF_ID, ident).replace(PLACE_OF_COUNT, str(count))
        return replace(self, named=named), ident

    def opening(self, name: str) -> str:
        """What stands before the arguments of a call of *name*."""
        return self.before + name + self.named

    def write(self, name: str, arguments: Mapping[str, object]) -> str:
        """Write the call of *name*."""
        if self.style == "json":
            inner = json.dumps(arguments, ensure_ascii=False)
        else:
            inner = self.between.join(map(self._argument, arguments, arguments.values()))
        return self.opening(name) + inner + self.behind

    def _argument(self, key: str, value: object) -> str:
        joint = self.value if isinstance(value, str) or not self.other else self.other
        return self.key + key + joint + self._value(value) + self.after

    def _value(self, value: object) -> str:
        if self.style == "gemma":
            return gemma_value(value, self.quote)
        if self.style == "python":
            return _WORDS[value] if value is None or isinstance(value, bool) else _json(value)
        return value if isinstance(value, str) else _json(value)


_WORDS = {None: "None", True: "True", False: "False"}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def gemma_value(value: object, quote: str) -> str:
    """Write *value* with bare keys and every string between two *quote*."""
    if isinstance(value, str):
        return quote + value + quote
    if isinstance(value, dict):
        members = (
            f"{key if BARE_KEY.fullmatch(key) else quote + key + quote}:{gemma_value(one, quote)}"
            for key, one in value.items()
        )
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(gemma_value(one, quote) for one in value) + "]"
    return _json(value)
