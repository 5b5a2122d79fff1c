"""
What a chat template understands, found out by showing it each thing once.

Templates differ in ways nothing in them declares: some want arguments as a dictionary, some as
text, some show a call only beside no content, some one call a turn, some none at all, some only
typed parts. What a template would drop without a word is written so that it does not.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from rkd.backend.text.calls.sink import ID_CHARACTERS, ID_LENGTH
from rkd.backend.text.calls.table import CallFormat, write_call
from rkd.model import Message, ToolCall

Turn = dict[str, object]
Try = Callable[[list[Turn]], str | None]
"""Renders turns; None where the template refuses them or fails."""

_TEXT, _RESULT = "rkdprobetext", "rkdproberesult"
_NAME, _KEY, _VALUE = "rkdprobecall", "rkdprobekey", "rkdprobevalue"
_ID = "aB3dE6gH9"
_CALL = ToolCall(_ID, _NAME, json.dumps({_KEY: _VALUE}))
_SECOND = ToolCall("bC4eF7hI0", "rkdprobesecond", json.dumps({_KEY: _VALUE}))
_ROLES = ("tool", "ipython", "function", "user")
_THINKING = re.compile(r"""\.thinking\b|\[['"]thinking['"]\]""")
_REASONING = re.compile(r"""\.reasoning\b|\[['"]reasoning['"]\]""")


@dataclass(frozen=True, slots=True)
class TurnShape:
    """
    How turns are written for one template.

    Args:
        parts: content as typed parts.
        arguments: `dict`, `text`, or `none` where calls are dropped: they go into the content.
        empty: content of a turn that only calls: "" or None.
        beside: a call is shown beside content too.
        several: more than one call a turn.
        result_role: of a tool's result.
        thinking, reasoning: the template reads reasoning under this name (too).
    """

    parts: bool = False
    arguments: str = "dict"
    empty: str | None = ""
    beside: bool = True
    several: bool = True
    result_role: str = "tool"
    thinking: bool = False
    reasoning: bool = False


def shape_of(source: str, render: Try) -> TurnShape:
    """
    Find out what a template understands.

    Args:
        source: its text.
        render: shows it turns.
    """
    bare = TurnShape(
        thinking=bool(_THINKING.search(source)), reasoning=bool(_REASONING.search(source))
    )
    if not _shows(render, bare, (Message("user", _TEXT),), _TEXT):
        parted = replace(bare, parts=True)
        if _shows(render, parted, (Message("user", _TEXT),), _TEXT):
            bare = parted
    with_calls = _call_shape(bare, render)
    if with_calls.arguments == "none":
        return _with_results(with_calls, render)
    beside = _shows(render, with_calls, _turns(_TEXT, _CALL), _TEXT, _NAME, _VALUE)
    several = _shows(render, with_calls, _turns("", _CALL, _SECOND), _NAME, _SECOND.name)
    return _with_results(replace(with_calls, beside=beside, several=several), render)


def _call_shape(bare: TurnShape, render: Try) -> TurnShape:
    """How calls are given; as they are where each try fails: then the template says why."""
    dropped = False
    for arguments in ("dict", "text"):
        for empty in ("", None):
            shape = replace(bare, arguments=arguments, empty=empty)
            for results in (True, False):
                text = render(written(_turns("", _CALL, results=results), shape))
                if text and _understood(text):
                    return shape
                dropped = dropped or text is not None
    return replace(bare, arguments="none") if dropped else bare


def _understood(text: str) -> bool:
    """Whether a call stands in *text*, and its arguments as JSON or as the format's own."""
    twice, python = f'\\"{_KEY}', f"'{_KEY}'"
    return all(one in text for one in (_NAME, _KEY, _VALUE)) and not (
        twice in text or python in text
    )


def _with_results(shape: TurnShape, render: Try) -> TurnShape:
    calls = (_CALL,) if shape.arguments != "none" else ()
    for role in _ROLES:
        tried = replace(shape, result_role=role)
        if _shows(render, tried, _turns("" if calls else _TEXT, *calls), _RESULT):
            return tried
    return shape


def _turns(content: str, *calls: ToolCall, results: bool = True) -> tuple[Message, ...]:
    answered = [
        Message("tool", f"{_RESULT}{at or ''}", tool_name=call.name, tool_call_id=call.id)
        for at, call in enumerate(calls or (_CALL,))
    ]
    return (
        Message("user", "q"),
        Message("assistant", content, tool_calls=calls),
        *(answered if results else ()),
    )


def _shows(render: Try, shape: TurnShape, turns: Sequence[Message], *words: str) -> bool:
    text = render(written(turns, shape))
    return text is not None and all(word in text for word in words)


def written(
    messages: Iterable[Message], shape: TurnShape, row: CallFormat | None = None
) -> list[Turn]:
    """
    Write *messages* as the turns a template of *shape* understands.

    Args:
        messages: the conversation.
        shape: what it understands.
        row: how the model writes calls: for those its template would drop, and for ids.
    """
    listed = messages if shape.several else _one_call_a_turn(messages)
    return [_turn(message, shape, row) for message in listed]


def _turn(message: Message, shape: TurnShape, row: CallFormat | None) -> Turn:
    calls = message.tool_calls
    content: str | None = message.content
    if calls and row and (shape.arguments == "none" or (content and not shape.beside)):
        shown = "\n".join(write_call(row, call.name, call.arguments_json) for call in calls)
        content = f"{content}\n{shown}" if content else shown
        calls = ()
    elif calls and not content:
        content = shape.empty
    role = shape.result_role if message.role == "tool" else message.role
    seen: Turn = {"role": role, "content": content}
    if shape.parts and content is not None:
        seen["content"] = [{"type": "text", "text": content}]
    if message.reasoning:
        _add_reasoning(seen, message, shape)
    if message.tool_name:
        seen["name"] = message.tool_name
    if message.tool_call_id:
        seen["tool_call_id"] = _id(message.tool_call_id, row)
    if calls:
        seen["tool_calls"] = [
            {
                "id": _id(call.id, row),
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": _given(call.arguments_json, shape.arguments),
                },
            }
            for call in calls
        ]
    return seen


def _add_reasoning(seen: Turn, message: Message, shape: TurnShape) -> None:
    seen["reasoning_content"] = message.reasoning
    if shape.reasoning:
        seen["reasoning"] = message.reasoning
    if shape.thinking:
        seen["thinking"] = message.reasoning
        if message.tool_calls and message.content:
            # gpt-oss's refuses both beside a call, and makes analysis of either.
            seen["thinking"] = f"{message.reasoning}\n\n{message.content}"
            seen["content"] = ""


def _given(text: str, arguments: str) -> object:
    """A call's arguments as the template wants them: no JSON object is text as it stands."""
    if arguments == "text":
        return text or "{}"
    try:
        return json.loads(text or "{}")
    except (ValueError, RecursionError):
        return text


def _id(ident: str, row: CallFormat | None) -> str:
    """*ident* as the template takes it: Mistral's checks for nine letters and digits."""
    if row is None or row.name != "mistral":
        return ident
    if len(ident) == ID_LENGTH and ident.isascii() and ident.isalnum():
        return ident
    number = int.from_bytes(hashlib.sha256(ident.encode()).digest()[:16])
    digits = ""
    for _ in range(ID_LENGTH):
        number, digit = divmod(number, len(ID_CHARACTERS))
        digits += ID_CHARACTERS[digit]
    return digits


def _one_call_a_turn(messages: Iterable[Message]) -> list[Message]:
    """Split turns with several calls, each followed by its result where that is to be found."""
    listed = list(messages)
    turns: list[Message] = []
    at = 0
    while at < len(listed):
        message = listed[at]
        at += 1
        if len(message.tool_calls) <= 1:
            turns.append(message)
            continue
        results: list[Message] = []
        while at < len(listed) and listed[at].role == "tool":
            results.append(listed[at])
            at += 1
        for number, call in enumerate(message.tool_calls):
            first = number == 0
            turns.append(
                replace(
                    message,
                    content=message.content if first else "",
                    reasoning=message.reasoning if first else "",
                    tool_calls=(call,),
                )
            )
            mine = next((one for one in results if one.tool_call_id == call.id), None)
            mine = mine or (results[0] if results else None)
            if mine is not None:
                results.remove(mine)
                turns.append(mine)
        turns.extend(results)
    return turns
