"""The grammars of forced calls for one loaded model: asked of its engine, and remembered."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from rkd.backend.llamacpp.call_grammar import Token, call_grammar
from rkd.backend.llamacpp.schemas import Schemas
from rkd.backend.schema.parameters import parameters_of
from rkd.backend.text.calls.table import CallFormat, markers_of
from rkd.inference import Tool

KEPT_GRAMMARS = 32
"""Of as many tools; writing one takes some milliseconds."""


class CallGrammars:
    """
    Writes the grammar of a call in its family's form; safe from any thread.

    Args:
        schemas: writes the schemas of the tools.
        token: tells the id of a marker that is one token of the model's.
        refuses: says why the engine does not take a grammar, or "".
    """

    def __init__(self, schemas: Schemas, token: Token, refuses: Callable[[str], str]) -> None:
        self._schemas = schemas
        self._token = token
        self._refuses = refuses
        self._remembered = lru_cache(KEPT_GRAMMARS)(self._write)

    def of(self, row: CallFormat, tool: Tool) -> str:
        """
        Return the grammar of a call of *tool*; "" where it is held to JSON instead.

        Raises:
            InvalidInputError, PreconditionError: as `Schemas.of`.
        """
        if row.form.style == "json":
            return ""
        return self._remembered(row, parameters_of(tool))

    def _write(self, row: CallFormat, parameters: str) -> str:
        schema = self._schemas.of(parameters)
        ids = {marker: self._token(marker) for marker in markers_of(row, tools=True)}
        # The compiler is asked with a vocabulary of bytes: there every token is its first.
        asked = {marker: at and 0 for marker, at in ids.items()}
        draft = call_grammar(row.form, schema, ids, asked.get)
        if not draft or self._refuses(draft):
            return ""
        return call_grammar(row.form, schema, ids, ids.get)
