"""
An answer that nothing held while it was made, judged when it is whole.

What a schema cannot be constrained to it can still be judged by, so every word counts here; a
schema that is none is refused before the model is asked.
"""

from __future__ import annotations

import json
import re
from typing import Any

from rkd.backend.schema.conformity import broken
from rkd.backend.schema.keywords import Node
from rkd.backend.schema.parameters import parameters_of
from rkd.backend.schema.refusal import FIELD, of_field
from rkd.backend.schema.schema import written
from rkd.bounds import MAX_SCHEMA_BYTES
from rkd.errors import InvalidInputError, PreconditionError, bad_field
from rkd.grammar.automaton import automaton_of
from rkd.inference import Run, Sampling
from rkd.outside import json_object, quoted

_FENCE = re.compile(r"\A```[a-zA-Z]*\s*\n(.*?)\n?```\Z", re.DOTALL)
"""What models put around JSON that they show to people."""


class Judge:
    """
    What an answer to *run* is held to: its constraint, or a call of one of its tools.

    Raises:
        InvalidInputError: INVALID_FIELD, a schema that is none.
    """

    def __init__(self, run: Run) -> None:
        self._sampling = run.sampling
        self.tools = {
            tool.name: _read(parameters_of(tool), f"tools[{at}].parameters_json")
            for at, tool in enumerate(run.tools)
            if run.forces_call and run.tool_choice in {"required", tool.name}
        }
        """The schema of each tool that may be called, by its name."""
        text = run.sampling.json_schema
        self.schema = None if text is None or self.tools else _read(text, FIELD)
        """What the text is to be, or None."""

    def bare(self, text: str) -> str:
        """Return the part of *text* that counts: what stands in a fence, blanks left aside."""
        stripped = text.strip()
        found = _FENCE.match(stripped)
        return found[1].strip() if found and self.schema is not None else stripped

    def fault_of_text(self, bare: str) -> str:
        """Say why *bare* is not what was asked for; or ""."""
        if self.schema is not None:
            where = broken(self.schema, bare)
            return where and f"it does not keep the JSON schema: {where}"
        sampling: Sampling = self._sampling
        if sampling.regex and not automaton_of(sampling.regex).matches(bare):
            return "it does not match the regular expression"
        if sampling.choices and bare not in sampling.choices:
            return "it is none of the choices"
        return ""

    def fault_of_calls(self, calls: list[tuple[str, str]]) -> str:
        """Say why *calls*, names and arguments, are not what was asked for; or ""."""
        if not calls:
            return "no tool was called"
        for name, arguments in calls:
            schema = self.tools.get(name)
            if schema is None:
                return f"{quoted(name)} was called"
            where = broken(schema, arguments)
            if where:
                return f"the arguments of {name} do not keep their schema: {where}"
        return ""


def _read(text: str, field: str) -> Node:
    """A schema as it can be judged by."""
    from jsonschema import Draft7Validator, Draft202012Validator, SchemaError  # noqa: PLC0415 - for such requests alone
    from jsonschema.validators import validator_for  # noqa: PLC0415

    try:
        root: dict[str, Any] = json_object(
            (text or "{}").encode(), most_items=MAX_SCHEMA_BYTES
        ) or {"type": "object"}
    except ValueError as error:
        raise bad_field(field, f"should be a JSON object: {error}") from error
    today = root
    try:
        today = written(root, lambda _: "")
    except InvalidInputError as error:
        raise of_field(error, field) from error
    except PreconditionError:
        pass  # no grammar keeps it: it is judged as it is
    drafts = [validator_for(root, Draft202012Validator)]
    drafts += [] if "$schema" in root else [Draft7Validator]
    fault: SchemaError | None = None
    for draft in drafts:
        try:
            draft.check_schema(root)
            break
        except SchemaError as error:
            fault = fault or error
    else:
        what = fault.message if fault else ""
        raise bad_field(field, f"is no JSON schema: {quoted(what)}") from fault
    # What was written allows less: only for words of older drafts is that better than the text.
    return root if draft is Draft202012Validator else today


def demand(judge: Judge, run: Run) -> str:
    """Say in words what the answer is to be: nothing else tells a model that nothing holds."""
    sampling = run.sampling
    if judge.tools:
        return f"Answer by calling {' or '.join(judge.tools)}, and nothing else."
    if judge.schema is not None:
        schema = json.dumps(json.loads(sampling.json_schema or "{}"), ensure_ascii=False)
        return f"Answer with JSON that keeps this JSON schema, and nothing else:\n{schema}"
    if sampling.choices:
        return f"Answer with one of these, and nothing else: {json.dumps(list(sampling.choices))}"
    return f"Answer with a text that matches {sampling.regex}, and nothing else."
