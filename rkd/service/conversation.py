"""From a Generate or Chat request to the run a worker gets: SYSTEM, MESSAGE and template; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from google.protobuf.json_format import MessageToDict

from rkd.inference import Run, Tool
from rkd.model import Message, Part, Recipe, ToolCall
from rkd.outside import QUOTED_CHARACTERS, json_object, quoted
from rkd.service.options import Checker, Options
from rkd.service.parts import PartsReader, PictureLimits, kept, text_of
from rkd.v1 import inference_pb2 as pb
from rkd.v1 import types_pb2 as types

MAX_SCHEMA_ITEMS = 10_000
MAX_TEXT_BYTES = 4 << 20
"""Longest prompt with its history, pictures apart: more than the longest context holds."""
ROLES = frozenset({"system", "user", "assistant", "tool"})
MAX_ARGUMENTS = 32
"""Most further variables of a template."""
RESERVED = frozenset(
    {"messages", "tools", "add_generation_prompt", "bos_token", "eos_token", "enable_thinking"}
    | {"thinking", "reasoning_effort"}
)
"""What a template sees of the request's own fields."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_EFFORT = "reasoning_effort"
_NOT_OPTIONAL = frozenset({_EFFORT, "context_overflow"})
_OF_TEMPLATES = ("thinking", "thinking_budget", _EFFORT, "context_overflow")
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def generate_run(
    request: pb.GenerateRequest,
    recipe: Recipe,
    options: Options,
    limits: PictureLimits | None = None,
) -> Run:
    """
    The run of *request*: raw, or as the one user turn of a conversation.

    Args:
        request: as it came.
        recipe: the model's own.
        options: of the request, checked.
        limits: what its pictures may be.

    Raises:
        InvalidInputError: INVALID_FIELD.
    """
    check = Checker()
    parts = PartsReader(limits or PictureLimits(), check).read(
        request.parts, "parts", pictures=True
    )
    both = bool(request.prompt and request.parts)
    check.need(not both, "parts", "should not be given beside `prompt`")
    check.need(request.prompt or request.parts or request.suffix, "prompt", "should not be empty")
    check.need(parts or not request.parts or both, "parts", "should not be empty")
    if request.raw:
        _check_untemplated(request, "`raw`: no template is used", check)
    if request.HasField("suffix"):
        _check_gap(request, check)
        check.need(not kept(parts), "parts", "should have no pictures with `suffix`")
    _check_length(request, _media_bytes(request.parts), check)
    check.finish()
    prompt = request.prompt or text_of(parts)
    pictured = kept(parts)
    if request.raw:
        return _run(
            options,
            prompt="" if pictured else prompt,
            prompt_parts=pictured,
        )
    if request.HasField("suffix"):
        return _gap_run(request, prompt, options)
    system = request.system if request.HasField("system") else recipe.system or ""
    messages = [*_system(system), *recipe.messages, Message("user", prompt, parts=pictured)]
    return _run(
        options,
        messages=tuple(messages),
        template=request.template if request.HasField("template") else None,
        thinking=options.thinking,
        thinking_budget=options.thinking_budget,
        reasoning_effort=options.reasoning_effort,
        context_overflow=options.context_overflow,
        own_turns=sum(one.role != "system" for one in recipe.messages),
    )


def _run(options: Options, **more: Any) -> Run:
    """A run with what every request may ask, and *more*."""
    return Run(
        sampling=options.sampling,
        lora=options.lora,
        answers=options.answers,
        token_ids=options.return_token_ids,
        structured_tries=options.structured_tries,
        loop_guard=options.loop_guard,
        **more,
    )


def _gap_run(request: pb.GenerateRequest, prompt: str, options: Options) -> Run:
    return _run(
        options,
        prompt=prompt,
        messages=(Message("user", prompt),),
        template=request.template if request.HasField("template") else None,
        suffix=request.suffix,
    )


def _check_untemplated(request: pb.GenerateRequest, why: str, check: Checker) -> None:
    for name in _OF_TEMPLATES:
        asked = request.options
        given = getattr(asked, name) if name in _NOT_OPTIONAL else asked.HasField(name)
        check.need(not given, f"options.{name}", f"has no meaning with {why}")


def _check_gap(request: pb.GenerateRequest, check: Checker) -> None:
    check.need(not request.raw, "suffix", "has no meaning with `raw`")
    check.need(not request.system, "system", "has no meaning with `suffix`")
    if not request.raw:
        _check_untemplated(request, "`suffix`: no turn is answered", check)


def chat_run(
    request: pb.ChatRequest,
    recipe: Recipe,
    options: Options,
    limits: PictureLimits | None = None,
) -> Run:
    """
    The run of *request*: its turns behind the model's own; arguments as of `generate_run`.

    Raises:
        InvalidInputError: INVALID_FIELD.
    """
    check = Checker()
    reader = PartsReader(limits or PictureLimits(), check)
    check.need(request.messages, "messages", "should not be empty")
    for at, message in enumerate(request.messages):
        roles = ", ".join(sorted(ROLES))
        check.need(message.role in ROLES, f"messages[{at}].role", f"should be one of {roles}")
        _check_calls(message, f"messages[{at}]", check)
    _check_end(request, check)
    for at, tool in enumerate(request.tools):
        _check_tool(tool, f"tools[{at}]", check)
    _check_choice(request, check)
    arguments = _template_arguments(request, check)
    parts = [_parts(one, at, reader, check) for at, one in enumerate(request.messages)]
    media_bytes = sum(_media_bytes(one.parts) for one in request.messages)
    _check_length(request, media_bytes, check)
    check.finish()
    offered = () if request.tool_choice == "none" else request.tools
    turns = [_message(one, read) for one, read in zip(request.messages, parts, strict=True)]
    leading = [turns.pop(0)] if turns[0].role == "system" else _system(recipe.system or "")
    return _run(
        options,
        messages=(*leading, *recipe.messages, *turns),
        tools=tuple(Tool(one.name, one.description, one.parameters_json) for one in offered),
        tool_choice=request.tool_choice,
        template=request.template if request.HasField("template") else None,
        thinking=options.thinking,
        thinking_budget=options.thinking_budget,
        reasoning_effort=options.reasoning_effort,
        template_arguments=arguments,
        context_overflow=options.context_overflow,
        own_turns=sum(one.role != "system" for one in recipe.messages),
    )


def _check_end(request: pb.ChatRequest, check: Checker) -> None:
    """Note a conversation nobody answers: it ends with a question, or an answer to go on with."""
    turns = list(request.messages)
    if not turns:
        return
    last = turns.pop() if turns[-1].role == "assistant" else None
    asked = bool(turns) and turns[-1].role not in {"system", "assistant"}
    what = "should end with a turn of user or tool, or with one assistant turn behind it"
    check.need(asked, "messages", what)
    if last is None:
        return
    where = f"messages[{len(turns)}]"
    what = "cannot be in the answer that is to be gone on with: send their results"
    check.need(not last.tool_calls, f"{where}.tool_calls", what)
    thinks = request.options.thinking and last.content
    what = "cannot be true: the answer has begun, behind its reasoning"
    check.need(not thinks, "options.thinking", what)


def _check_choice(request: pb.ChatRequest, check: Checker) -> None:
    choice = request.tool_choice
    if choice in {"", "auto", "none"}:
        return
    names = [tool.name for tool in request.tools]
    check.need(names, "tool_choice", f"{quoted(choice)} needs `tools`")
    known = not names or choice == "required" or choice in names
    check.need(known, "tool_choice", "should be auto, none, required or the name of a tool")


def _check_calls(message: types.Message, where: str, check: Checker) -> None:
    """Note arguments that are no JSON object: no template could write them."""
    for at, call in enumerate(message.tool_calls):
        try:
            _arguments(call.arguments_json)
        except ValueError as error:
            what = f"should have a JSON object as arguments: {str(error)[:QUOTED_CHARACTERS]}"
            check.need(False, f"{where}.tool_calls[{at}]", what)


def _arguments(text: str) -> str:
    """The text of a call's arguments; none at all are an empty object."""
    if text.strip() in {"", "null"}:
        return "{}"
    json_object(text.encode(), most_items=MAX_SCHEMA_ITEMS)
    return text


def _template_arguments(request: pb.ChatRequest, check: Checker) -> str:
    """The further variables of the template as JSON text, whole numbers as such; "" for none."""
    if not request.HasField("template_arguments"):
        return ""
    given = MessageToDict(request.template_arguments)
    check.need(len(given) <= MAX_ARGUMENTS, "template_arguments", f"takes {MAX_ARGUMENTS}")
    for name in list(given)[:MAX_ARGUMENTS]:
        where = f"template_arguments.{name[:QUOTED_CHARACTERS]}"
        fits = _VARIABLE.fullmatch(name) and name not in RESERVED
        check.need(fits, where, "should be a variable's name, and none that rkd sets itself")
    return json.dumps(_whole_numbers(given), ensure_ascii=False) if given else ""


def _whole_numbers(value: object) -> object:
    """*value* with numbers that are whole as such: on this wire all numbers have a fraction."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _whole_numbers(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_whole_numbers(one) for one in value]
    return value


def _system(text: str) -> list[Message]:
    return [Message("system", text)] if text else []


def _parts(
    message: types.Message, at: int, reader: PartsReader, check: Checker
) -> tuple[Part, ...]:
    """Return the parts of turn *at*; what is wrong with them is noted."""
    where = f"messages[{at}].parts"
    is_both = bool(message.content and message.parts)
    check.need(not is_both, where, "should not be given beside `content`")
    return reader.read(message.parts, where, pictures=message.role == "user")


def _message(message: types.Message, parts: tuple[Part, ...]) -> Message:
    return Message(
        role=message.role,
        content=message.content or text_of(parts),
        reasoning=message.reasoning,
        tool_calls=tuple(
            ToolCall(one.id, one.name, _arguments(one.arguments_json)) for one in message.tool_calls
        ),
        tool_name=message.tool_name,
        tool_call_id=message.tool_call_id,
        parts=kept(parts),
    )


def _media_bytes(parts: Iterable[types.Part]) -> int:
    """Return what the pictures of *parts* take on the wire."""
    return sum(part.media.ByteSize() for part in parts if part.HasField("media"))


def _check_length(
    request: pb.GenerateRequest | pb.ChatRequest, media_bytes: int, check: Checker
) -> None:
    text_bytes = request.ByteSize() - media_bytes
    what = f"has {text_bytes} bytes beside its pictures; this call takes {MAX_TEXT_BYTES}"
    check.need(text_bytes <= MAX_TEXT_BYTES, "request", what)


def _check_tool(tool: types.Tool, where: str, check: Checker) -> None:
    fits = _TOOL_NAME.fullmatch(tool.name)
    check.need(fits, f"{where}.name", "should be 1 to 64 of letters, digits, '_', '-'")
    try:
        json_object((tool.parameters_json or "{}").encode(), most_items=MAX_SCHEMA_ITEMS)
    except ValueError as error:
        what = f"should be a JSON object: {str(error)[:QUOTED_CHARACTERS]}"
        check.need(False, f"{where}.parameters_json", what)
