"""
Messages into the prompt a model was trained on, by the model's Jinja chat template.

Engines differ in where the template comes from and in how they tokenize the result; that is
theirs. What a template may do is bounded by `sandbox.py`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from jinja2 import TemplateError

from rkd.backend.prompt.bounded import BoundedTemplate
from rkd.backend.prompt.sandbox import GivenList, TemplateRefusalError, TemplateRunawayError
from rkd.backend.prompt.shape import Turn, TurnShape, shape_of, written
from rkd.backend.text.begun import begun
from rkd.backend.text.calls.table import format_of
from rkd.capability.ability import refusal
from rkd.capability.judges import ALWAYS_THINKS
from rkd.capability.table import require_of_template
from rkd.capability.template import TemplateTraits
from rkd.capability.think import opened
from rkd.errors import InvalidInputError, bad_field
from rkd.inference import Run, Tool
from rkd.model import Message

MOST_NAMES = 20
"""How many variables of a template an error lists."""

_OWN_NAMES = frozenset(
    {"messages", "tools", "add_generation_prompt", "bos_token", "eos_token", "raise_exception"}
    | {"strftime_now", "range", "namespace", "dict"}
)


class ChatTemplate:
    """
    One compiled chat template; may be used from any thread.

    Args:
        source: the Jinja text.
        bos_token, eos_token: what the template sees under these names.
        now: the local time for templates that print the date.

    Raises:
        InvalidInputError: INVALID_FIELD, when the text is no Jinja.
    """

    def __init__(
        self,
        source: str,
        bos_token: str = "",
        eos_token: str = "",
        *,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._source = source
        self._tokens = {"bos_token": bos_token, "eos_token": eos_token}
        self._template = BoundedTemplate(source, now)
        self.traits = TemplateTraits.of(source)
        """What it can be asked for."""
        self.format = format_of(source)
        """How the model it is for writes tool calls, by what the template shows."""

    def prompt(self, run: Run) -> str:
        """
        Write the messages of *run*, and the beginning of its answer; see `render` and `begun`.

        Raises:
            PreconditionError, InvalidInputError: as `render`.
        """
        turn = run.begun
        text = self.render(
            run.messages if turn is None else run.messages[:-1],
            run.tools,
            thinking=run.thinking,
            variables={**self._variables(run), **_gap(run)},
        )
        return text if turn is None else begun(text, turn, self.format, self._source)

    def _variables(self, run: Run) -> dict[str, object]:
        """
        What else the template is to see.

        Raises:
            PreconditionError: CAPABILITY_UNSUPPORTED, an effort the template does not read.
            InvalidInputError: INVALID_FIELD, another variable it does not read.
        """
        given: dict[str, object] = json.loads(run.template_arguments or "{}")
        for name in given:
            if name not in self._template.names:
                known = ", ".join(sorted(self._template.names - _OWN_NAMES)[:MOST_NAMES]) or "none"
                raise bad_field(
                    f"template_arguments.{name}",
                    f"is no variable of this model's chat template; it reads: {known}",
                )
        if not run.reasoning_effort:
            return given
        require_of_template("reasoning_effort", self.traits)
        return {**given, "reasoning_effort": run.reasoning_effort}

    def render(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool] = (),
        *,
        thinking: bool | None = None,
        variables: Mapping[str, object] | None = None,
    ) -> str:
        """
        Write *messages* as a prompt that asks for the assistant's next turn.

        A template that refuses or drops a system turn gets it as the beginning of the user turn
        after it.

        Args:
            messages: the conversation, oldest first.
            tools: functions the model may call.
            thinking: passed as `enable_thinking` and `thinking`, the two names in use; None
                leaves it to the template.
            variables: what else the template is to see.

        Raises:
            PreconditionError: CAPABILITY_UNSUPPORTED, for tools or thinking the template has no
                place for.
            InvalidInputError: INVALID_FIELD, when the template refuses the messages or fails.
        """
        if tools:
            require_of_template("tools", self.traits)
        if thinking:
            require_of_template("thinking", self.traits)
        names = dict(variables or {})
        if thinking is not None:
            names["enable_thinking"] = names["thinking"] = thinking
        system = [turn for turn in messages if turn.role == "system" and turn.content.strip()]
        try:
            text = self._rendered(messages, tools, names)
        except TemplateRefusalError as error:
            if not system:
                raise _refused(error) from error
            return self._merged(messages, tools, names, thinking=thinking)
        if any(turn.content.strip() not in text for turn in system):
            return self._merged(messages, tools, names, thinking=thinking)
        self._check_silence(text, thinking=thinking)
        return text

    def _merged(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        names: Mapping[str, object],
        *,
        thinking: bool | None,
    ) -> str:
        try:
            text = self._rendered(_without_system(messages), tools, names)
        except TemplateRefusalError as error:
            raise _refused(error) from error
        self._check_silence(text, thinking=thinking)
        return text

    @functools.cached_property
    def _shape(self) -> TurnShape:
        """What the template understands; found out when first asked for."""
        runaway = False

        def attempt(turns: list[Turn]) -> str | None:
            nonlocal runaway
            if runaway:
                return None
            try:
                return self._run(turns, (), {})
            except TemplateRefusalError:
                return None
            except InvalidInputError as error:
                # One that takes too long takes it each time.
                runaway = isinstance(error.__cause__, TemplateRunawayError)
                return None

        return shape_of(self._source, attempt)

    def _rendered(
        self, messages: Sequence[Message], tools: Sequence[Tool], names: Mapping[str, object]
    ) -> str:
        return self._run(written(messages, self._shape, self.format), tools, names)

    def _run(self, turns: list[Turn], tools: Sequence[Tool], more: Mapping[str, object]) -> str:
        functions = [_as_function(tool) for tool in tools]
        if functions and self.traits.tools_in_system:
            turns = _with_tools(turns, functions)
        names: dict[str, object] = {
            "messages": GivenList(turns),
            "tools": GivenList(functions) or None,
            "add_generation_prompt": True,
            **self._tokens,
            **more,
        }
        if functions and "xml_tools" in self._template.names:
            names["xml_tools"] = functions
        return self._template.render(names)

    def _check_silence(self, text: str, *, thinking: bool | None) -> None:
        """Refuse `thinking=False` where the template opens the reasoning all the same."""
        if thinking is False and opened(text):
            raise refusal("thinking", ALWAYS_THINKS)


def _gap(run: Run) -> dict[str, object]:
    return {} if run.suffix is None else {"prompt": run.prompt, "suffix": run.suffix}


def _refused(error: TemplateError) -> InvalidInputError:
    what = f"the model's chat template refuses these messages: {error.message or 'no reason given'}"
    remedy = "Change the order or the roles of the messages."
    return bad_field("messages", what, what, remedy=remedy)


def _with_tools(turns: list[Turn], functions: list[dict[str, object]]) -> list[Turn]:
    """*turns* with the tools as text in the system turn, where Phi-4-mini looks for them."""
    text = json.dumps(functions, ensure_ascii=False)
    if turns and turns[0]["role"] == "system":
        return [{**turns[0], "tools": text}, *turns[1:]]
    return [{"role": "system", "content": "", "tools": text}, *turns]


def _as_function(tool: Tool) -> dict[str, object]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": _json_or_text(tool.parameters_json or "{}"),
        },
    }


def _json_or_text(text: str) -> object:
    """Templates index into arguments and schemas, so these go in parsed where they parse."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """Put every system turn at the beginning of the user turn after it."""
    turns: list[Message] = []
    waiting: list[str] = []
    for message in messages:
        if message.role == "system":
            waiting.append(message.content)
        elif message.role == "user" and waiting:
            turns.append(replace(message, content="\n\n".join([*waiting, message.content])))
            waiting = []
        else:
            turns.append(message)
    if waiting:
        turns.append(Message("user", "\n\n".join(waiting)))
    return turns
