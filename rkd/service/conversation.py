"""From a Generate or Chat request to the run a worker gets: SYSTEM, MESSAGE and template; pure."""

from __future__ import annotations

import re

from rkd.inference import Run, Tool
from rkd.model import Message, Recipe, ToolCall
from rkd.outside import QUOTED_CHARACTERS, json_object
from rkd.service.options import Checker, Options
from rkd.v1 import inference_pb2 as pb
from rkd.v1 import types_pb2 as types

MAX_SCHEMA_ITEMS = 10_000
ROLES = frozenset({"system", "user", "assistant", "tool"})
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def generate_run(request: pb.GenerateRequest, recipe: Recipe, options: Options) -> Run:
    """
    The run of *request*: raw, or as the one user turn of a conversation.

    Raises:
        InvalidInputError: INVALID_FIELD.
    """
    check = Checker()
    check.need(request.prompt, "prompt", "should not be empty")
    check.finish()
    if request.raw:
        return Run(sampling=options.sampling, prompt=request.prompt, lora=options.lora)
    system = request.system if request.HasField("system") else recipe.system or ""
    messages = [*_system(system), *recipe.messages, Message("user", request.prompt)]
    return Run(
        sampling=options.sampling,
        messages=tuple(messages),
        template=request.template if request.HasField("template") else None,
        thinking=options.thinking,
        lora=options.lora,
    )


def chat_run(request: pb.ChatRequest, recipe: Recipe, options: Options) -> Run:
    """
    The run of *request*: its turns behind the model's own.

    Raises:
        InvalidInputError: INVALID_FIELD.
    """
    check = Checker()
    check.need(request.messages, "messages", "should not be empty")
    for at, message in enumerate(request.messages):
        roles = ", ".join(sorted(ROLES))
        check.need(message.role in ROLES, f"messages[{at}].role", f"should be one of {roles}")
    if request.messages and request.messages[-1].role in {"system", "assistant"}:
        check.need(False, "messages", "should end with a turn of user or tool")
    for at, tool in enumerate(request.tools):
        _check_tool(tool, f"tools[{at}]", check)
    check.finish()
    turns = [_message(one) for one in request.messages]
    leading = [turns.pop(0)] if turns[0].role == "system" else _system(recipe.system or "")
    return Run(
        sampling=options.sampling,
        messages=(*leading, *recipe.messages, *turns),
        tools=tuple(Tool(one.name, one.description, one.parameters_json) for one in request.tools),
        template=request.template if request.HasField("template") else None,
        thinking=options.thinking,
        lora=options.lora,
    )


def _system(text: str) -> list[Message]:
    return [Message("system", text)] if text else []


def _message(message: types.Message) -> Message:
    return Message(
        role=message.role,
        content=message.content,
        reasoning=message.reasoning,
        tool_calls=tuple(
            ToolCall(one.id, one.name, one.arguments_json) for one in message.tool_calls
        ),
        tool_name=message.tool_name,
        tool_call_id=message.tool_call_id,
    )


def _check_tool(tool: types.Tool, where: str, check: Checker) -> None:
    fits = _TOOL_NAME.fullmatch(tool.name)
    check.need(fits, f"{where}.name", "should be 1 to 64 of letters, digits, '_', '-'")
    try:
        json_object((tool.parameters_json or "{}").encode(), most_items=MAX_SCHEMA_ITEMS)
    except ValueError as error:
        what = f"should be a JSON object: {str(error)[:QUOTED_CHARACTERS]}"
        check.need(False, f"{where}.parameters_json", what)
