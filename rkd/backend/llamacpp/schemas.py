"""The JSON Schemas of a run as one engine keeps them: judged before it is asked for anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from rkd.backend.schema.keywords import Node
from rkd.backend.schema.parameters import parameters_of
from rkd.backend.schema.refusal import FIELD, of_field
from rkd.backend.schema.schema import Refuses, written
from rkd.bounds import MAX_SCHEMA_BYTES
from rkd.errors import RkdError, bad_field
from rkd.inference import Run
from rkd.outside import json_object

KEPT_SCHEMAS = 16
"""Asked for again and again by one client; compiling the largest takes a second."""


def takes_all(_schema: dict[str, Any]) -> str:
    """Refuse no schema: the `Refuses` of an engine that is not there."""
    return ""


class Schemas:
    """
    Writes schemas for one engine, and remembers the last few; safe from any thread.

    Args:
        refuses: its compiler.
        options: words of its own, beside each schema.
    """

    def __init__(self, refuses: Refuses = takes_all, options: Node | None = None) -> None:
        self._refuses = refuses
        self._options = options or {}
        self._remembered = lru_cache(KEPT_SCHEMAS)(self._write)

    def check(self, run: Run) -> None:
        """
        Refuse *run* for a schema it may come to, before a token is made.

        Raises:
            InvalidInputError: INVALID_FIELD, a schema that is none.
            PreconditionError: CAPABILITY_UNSUPPORTED, one the engine cannot hold an answer to.
        """
        for field, text in _asked(run):
            try:
                self.of(text)
            except RkdError as error:
                raise of_field(error, field) from error

    def of(self, text: str) -> dict[str, Any]:
        """
        Return the schema *text* as the engine keeps it; an empty one asks for any object.

        Raises:
            InvalidInputError: as `check`.
            PreconditionError: as `check`.
        """
        return self._remembered(text)

    def _write(self, text: str) -> dict[str, Any]:
        try:
            content = (text or "{}").encode()
            root = json_object(content, most_items=MAX_SCHEMA_BYTES) or {"type": "object"}
        except ValueError as error:
            malformed = isinstance(error, json.JSONDecodeError)
            what = f"{'is no JSON' if malformed else 'should be a JSON object'}: {error}"
            raise bad_field(FIELD, what) from error
        return {**written(root, self._refuses), **self._options}


def _asked(run: Run) -> Iterator[tuple[str, str]]:
    """The schemas an answer may be held to, each with the field it came in."""
    if run.sampling.json_schema is not None:
        yield FIELD, run.sampling.json_schema
    if run.forces_call:
        for at, tool in enumerate(run.tools):
            if run.tool_choice in {"required", tool.name}:
                yield f"tools[{at}].parameters_json", parameters_of(tool)
