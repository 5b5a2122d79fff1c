"""What is read from an answer, gathered: calls with ids and numbers, text, reasoning, warnings."""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Callable, Mapping, Sequence

from rkd.backend.text.calls.kinds import followed, kinds_of
from rkd.backend.text.calls.tape import NoCallError, Tape
from rkd.inference import Tool
from rkd.outside import quoted
from rkd.tokens import ToolCallDelta

ID_CHARACTERS = string.ascii_letters + string.digits
ID_LENGTH = 9
"""What the templates of the Mistral family accept; all others take any text."""


def new_call_id() -> str:
    """Make an id for a tool call: nine letters and digits, 53 bits drawn."""
    return "".join(secrets.choice(ID_CHARACTERS) for _ in range(ID_LENGTH))


def schemas_of(tools: Sequence[Tool]) -> dict[str, Mapping[str, object]]:
    """The parameters' schema of each tool by its name; {} for one that is no JSON object."""
    schemas: dict[str, Mapping[str, object]] = {}
    for tool in tools:
        try:
            parsed = json.loads(tool.parameters_json or "{}")
        except (ValueError, RecursionError):
            parsed = {}
        schemas[tool.name] = parsed if isinstance(parsed, dict) else {}
    return schemas


class Sink:
    """
    Takes what readers find; emptied by `drain`.

    Args:
        schemas: the tools offered, by name, each with its parameters' schema; None takes any name.
        call_id: makes the id of a call.
    """

    def __init__(
        self,
        schemas: Mapping[str, Mapping[str, object]] | None = None,
        call_id: Callable[[], str] = new_call_id,
    ) -> None:
        self._schemas = schemas
        self._call_id = call_id
        self._calls: list[ToolCallDelta] = []
        self._texts: list[str] = []
        self._reasonings: list[str] = []
        self._arguments: list[str] = []
        self.begun = False
        """A call has come out in part."""
        self.count = 0
        """How many calls have begun to come out."""
        self.whole = 0
        """How many came out whole."""
        self.in_reasoning = False
        self.warnings: list[str] = []

    def check(self, name: str) -> str:
        """
        Return *name* without the blanks around it.

        Raises:
            NoCallError: it is no tool that was offered.
        """
        bare = name.strip()
        if not bare or (self._schemas is not None and bare not in self._schemas):
            if bare:
                self.warn(f"the model called {quoted(bare)}, which is no tool of this request")
            raise NoCallError
        return bare

    def offers(self, name: str) -> bool:
        """Whether *name* is offered for certain."""
        return self._schemas is not None and name in self._schemas

    def kinds(self, name: str, key: str) -> frozenset[str]:
        """Which JSON types parameter *key* of tool *name* may have; none where it is not known."""
        root = (self._schemas or {}).get(name, {})
        properties = followed(root, root).get("properties")
        found = properties.get(key) if isinstance(properties, dict) else None
        return kinds_of(found, root)

    def start(self, name: str, ident: str = "") -> None:
        """Begin a call whose arguments follow in pieces."""
        self._calls.append(ToolCallDelta(self.count, ident or self._call_id(), name))
        self.count += 1
        self.begun = True
        self._arguments.clear()

    def arguments(self, piece: str) -> None:
        """Add a piece of the arguments' JSON text."""
        self._arguments.append(piece)
        last = self._calls[-1] if self._calls else None
        if last is not None and last.index == self.count - 1:
            joined = ToolCallDelta(last.index, last.id, last.name, last.arguments + piece)
            self._calls[-1] = joined
        else:
            self._calls.append(ToolCallDelta(self.count - 1, arguments=piece))

    def end(self, tape: Tape) -> None:
        """
        End the call begun.

        Raises:
            NoCallError: its arguments are no JSON object.
        """
        if not isinstance(_parsed("".join(self._arguments)), dict):
            raise NoCallError
        self._arguments.clear()
        self.begun = False
        self.whole += 1
        tape.mark()

    def call(self, tape: Tape, name: str, arguments: object) -> None:
        """
        Add a whole call.

        Args:
            tape: where it was read.
            name: the tool.
            arguments: its arguments, or their JSON text; None is no arguments.

        Raises:
            NoCallError: *name* is no tool offered, or the arguments are no JSON object.
        """
        name = self.check(name)
        parsed = _parsed(arguments) if isinstance(arguments, str) else arguments
        if parsed is None or parsed == []:
            parsed = {}
        if not isinstance(parsed, dict):
            raise NoCallError
        given = arguments if isinstance(arguments, str) else ""
        if not given.startswith("{"):
            given = json.dumps(parsed, ensure_ascii=False)
        self.start(name)
        self.arguments(given)
        self.end(tape)

    def broken(self, *, cut: bool = False) -> None:
        """Give up the call that has come out in part, if one has, and say so but of one *cut*."""
        if self.begun and not cut:
            self.warn("a tool call of the model broke off: its arguments are no whole JSON object")
        self.begun = False
        self._arguments.clear()

    def text(self, piece: str) -> None:
        """Add text for people."""
        if piece:
            self._texts.append(piece)

    def reasoning(self, piece: str) -> None:
        """Add reasoning."""
        if piece:
            self._reasonings.append(piece)

    def warn(self, warning: str) -> None:
        """Add a warning, once."""
        if warning not in self.warnings:
            self.warnings.append(warning)

    def drain(self) -> tuple[str, str, tuple[ToolCallDelta, ...]]:
        """Give away text, reasoning and calls."""
        found = "".join(self._texts), "".join(self._reasonings), tuple(self._calls)
        self._texts.clear()
        self._reasonings.clear()
        self._calls.clear()
        return found


def _parsed(text: str) -> object:
    try:
        return json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise NoCallError from error
