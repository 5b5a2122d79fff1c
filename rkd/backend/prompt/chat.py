"""
Messages into the prompt a model was trained on, by the model's Jinja chat template.

Engines differ in where the template comes from and in how they tokenize the result; that is
theirs. What a template may do is bounded by `sandbox.py`.
"""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from jinja2 import TemplateError, meta

from rkd.backend.prompt.sandbox import (
    Budget,
    ChatEnvironment,
    TemplateRefusalError,
    TemplateRunawayError,
    check_length,
)
from rkd.backend.text.calls.table import THINKS, format_of, opened
from rkd.errors import InvalidInputError, PreconditionError, Reason, Violation
from rkd.inference import Run, Tool
from rkd.model import Message
from rkd.outside import whole

MAX_SOURCE_CHARACTERS = 1024 * 1024
"""Longest template; the longest in use has some 20k."""

_FAULTS = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What compiling or running somebody else's template can raise."""


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
        self._environment = ChatEnvironment(now)
        self._one_at_a_time = threading.Lock()
        try:
            check_length(len(source) * 8)
            names = meta.find_undeclared_variables(self._environment.parse(source))
            self._template = self._environment.from_string(source)
        except _FAULTS as error:
            raise _broken(error) from error
        self.knows_tools = "tools" in names
        """Whether it can show the model which tools there are."""
        self.format = format_of(source)
        """How the model it is for writes tool calls, by what the template shows."""
        self.knows_thinking = not names.isdisjoint({"enable_thinking", "thinking"})
        """Whether thinking can be switched through it."""

    def prompt(self, run: Run) -> str:
        """
        Write the messages of *run*; see `render`.

        Raises:
            PreconditionError, InvalidInputError: as `render`.
        """
        return self.render(run.messages, run.tools, thinking=run.thinking)

    def render(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool] = (),
        *,
        thinking: bool | None = None,
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

        Raises:
            PreconditionError: CAPABILITY_UNSUPPORTED, for tools or thinking the template has no
                place for.
            InvalidInputError: INVALID_FIELD, when the template refuses the messages or fails.
        """
        self._check_abilities(tools, thinking=thinking)
        system = [turn for turn in messages if turn.role == "system" and turn.content.strip()]
        try:
            text = self._rendered(messages, tools, thinking=thinking)
        except TemplateRefusalError as error:
            if not system:
                raise _refused(error) from error
            return self._merged(messages, tools, thinking=thinking)
        if any(turn.content.strip() not in text for turn in system):
            return self._merged(messages, tools, thinking=thinking)
        self._check_silence(text, thinking=thinking)
        return text

    def _merged(
        self, messages: Sequence[Message], tools: Sequence[Tool], *, thinking: bool | None
    ) -> str:
        try:
            text = self._rendered(_without_system(messages), tools, thinking=thinking)
        except TemplateRefusalError as error:
            raise _refused(error) from error
        self._check_silence(text, thinking=thinking)
        return text

    def _rendered(
        self, messages: Sequence[Message], tools: Sequence[Tool], *, thinking: bool | None
    ) -> str:
        names: dict[str, object] = {
            "messages": [_as_template_sees(message) for message in messages],
            "tools": [_as_function(tool) for tool in tools] or None,
            "add_generation_prompt": True,
            **self._tokens,
        }
        if thinking is not None:
            names["enable_thinking"] = names["thinking"] = thinking
        pieces: list[str] = []
        length = 0
        full = False
        with self._one_at_a_time:
            self._environment.budget = Budget()
            try:
                for piece in self._template.generate(names):
                    length += len(piece)
                    check_length(length)
                    pieces.append(piece)
            except TemplateRefusalError:
                raise
            except MemoryError:
                # Raised below: here the traceback still holds all that the template has made.
                full = True
            except _FAULTS as error:
                raise _broken(error) from error
        if full:
            gc.collect()  # Jinja's frames hold each other
            raise _broken(TemplateRunawayError("it makes more than the memory it may have"))
        return whole("".join(pieces))

    def _check_abilities(self, tools: Sequence[Tool], *, thinking: bool | None) -> None:
        if tools and not self.knows_tools:
            raise PreconditionError(
                Reason.CAPABILITY_UNSUPPORTED,
                "this model's chat template has no place for tools",
                remedy="Ask without tools, or use a model made for them.",
                metadata={"capability": "tools"},
            )
        if (
            thinking
            and not self.knows_thinking
            and not any(one.open in self._source for one in THINKS)
        ):
            raise _no_thinking_switch("cannot be asked to think")

    def _check_silence(self, text: str, *, thinking: bool | None) -> None:
        """Refuse `thinking=False` where the template opens the reasoning all the same."""
        if thinking is False and opened(text):
            raise _no_thinking_switch("always thinks")


def _no_thinking_switch(what: str) -> PreconditionError:
    return PreconditionError(
        Reason.CAPABILITY_UNSUPPORTED,
        f"this model {what}: its chat template has no switch for it",
        remedy="Leave `thinking` unset.",
        metadata={"capability": "thinking"},
    )


def _refused(error: TemplateError) -> InvalidInputError:
    what = f"the model's chat template refuses these messages: {error.message or 'no reason given'}"
    return InvalidInputError(
        Reason.INVALID_FIELD,
        what,
        remedy="Change the order or the roles of the messages.",
        violations=(Violation("messages", what),),
    )


def _broken(error: BaseException) -> InvalidInputError:
    line = getattr(error, "lineno", None)
    at = f" (line {line})" if line else ""
    verb = "is stopped" if isinstance(error, TemplateRunawayError) else "fails"
    what = f"the chat template {verb}{at}: {str(error) or type(error).__name__}"
    return InvalidInputError(
        Reason.INVALID_FIELD,
        what,
        remedy="Correct the TEMPLATE of the Modelfile, or the chat template beside the weights.",
        violations=(Violation("template", what),),
    )


def _as_template_sees(message: Message) -> dict[str, object]:
    """*message* as the dictionary templates are written for; empty parts are left out."""
    seen: dict[str, object] = {"role": message.role, "content": message.content}
    if message.reasoning:
        seen["reasoning_content"] = message.reasoning
    if message.tool_name:
        seen["name"] = message.tool_name
    if message.tool_call_id:
        seen["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        seen["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": _json_or_text(call.arguments_json)},
            }
            for call in message.tool_calls
        ]
    return seen


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
