"""The items of a request or an answer, as the turns `rkd_client` takes."""

from __future__ import annotations

from typing import Any, Final

from rkd.v1 import types_pb2 as types
from rkd_gateway.fields import Fields, object_of
from rkd_gateway.pictures import content, of_address
from rkd_gateway.problems import bad_field, unsupported

ROLES: Final = {"developer": "system"}
TEXTS: Final = ("input_text", "output_text", "text")
PLAIN: Final = "message"


def items_of(given: object) -> list[Any]:
    """
    Return `input` as a list of items; a text is one message of the user.

    Raises:
        InvalidInputError: INVALID_FIELD, it is neither.
    """
    if isinstance(given, str):
        part = {"type": "input_text", "text": given}
        return [{"type": PLAIN, "role": "user", "content": [part]}]
    if not isinstance(given, list):
        raise bad_field("input", "a text or a list of items")
    return given


def turns(items: list[Any]) -> list[dict[str, Any]]:
    """
    Return the turns that *items* are: thoughts and calls belong to the turn they stand beside.

    Raises:
        RkdError: INVALID_FIELD; CAPABILITY_UNSUPPORTED for items and parts that are no text.
    """
    made = Turns()
    for at, one in enumerate(items):
        fields = object_of(one, f"input[{at}]")
        kind = fields.text("type") or PLAIN
        fields.skip("id", "status")
        match kind:
            case "message":
                made.message(fields)
            case "function_call":
                made.call(fields)
            case "function_call_output":
                made.result(fields)
            case "reasoning":
                made.thoughts(fields)
            case _:
                said = f"items of type {kind[:40]!r} are not built"
                raise unsupported(fields.path("type"), said, "leave it out")
        fields.end()
    return made.turns


class Turns:
    """Turns as they grow, item by item."""

    def __init__(self) -> None:
        self.turns: list[dict[str, Any]] = []
        self._names: dict[str, str] = {}

    def message(self, fields: Fields) -> None:
        """Take a message."""
        role = fields.text("role") or ""
        fields.skip("phase")
        said = content(parts_of(fields.path("content"), fields.take("content")))
        if role == "assistant":
            turn = self._answer()
            if not turn["content"] and not turn["tool_calls"]:
                turn.update(said)
                return
        self.turns.append({"role": ROLES.get(role, role), **said})

    def call(self, fields: Fields) -> None:
        """Take a call of the model."""
        identity, name = fields.text("call_id") or "", fields.text("name") or ""
        arguments = fields.text("arguments") or "{}"
        fields.skip("caller", "namespace", "async")
        self._names[identity] = name
        call = {"id": identity, "name": name, "arguments": arguments}
        self._answer()["tool_calls"].append(call)

    def result(self, fields: Fields) -> None:
        """Take what a call gave."""
        identity = fields.text("call_id") or ""
        said = text_of(fields.path("output"), fields.take("output"))
        turn = {"role": "tool", "content": said, "tool_call_id": identity}
        self.turns.append({**turn, "tool_name": self._names.get(identity, "")})

    def thoughts(self, fields: Fields) -> None:
        """Take what the model thought, as far as it is readable."""
        fields.skip("encrypted_content")
        parts = [*fields.objects("content"), *fields.objects("summary")]
        said = [one.text("text") or "" for one in parts]
        if any(said):
            self._answer(begin=True)["reasoning"] += "\n".join(said)

    def _answer(self, *, begin: bool = False) -> dict[str, Any]:
        """The turn of the assistant that is being told."""
        last = self.turns[-1] if self.turns else {}
        if last.get("role") != "assistant" or (begin and last["content"]):
            last = {"role": "assistant", "content": "", "reasoning": "", "tool_calls": []}
            self.turns.append(last)
        last.setdefault("reasoning", "")
        last.setdefault("tool_calls", [])
        return last


def text_of(path: str, given: object) -> str:
    """
    Return the text of a result.

    Raises:
        RkdError: as `parts_of`; CAPABILITY_UNSUPPORTED also for a picture.
    """
    found = content(parts_of(path, given))
    if "parts" in found:
        raise unsupported(path, "results are text here", "send the picture in a message")
    said: str = found["content"]
    return said


def parts_of(path: str, given: object) -> list[types.Part]:
    """
    Return what a message or a result holds.

    Raises:
        RkdError: INVALID_FIELD; CAPABILITY_UNSUPPORTED for parts that are neither text nor picture.
    """
    if given is None or isinstance(given, str):
        return [types.Part(text=given or "")]
    if not isinstance(given, list):
        raise bad_field(path, "a text or a list of parts")
    return [_part(object_of(one, f"{path}[{at}]")) for at, one in enumerate(given)]


def _part(fields: Fields) -> types.Part:
    kind = fields.text("type")
    if kind == "input_image":
        made = of_address(fields.path("image_url"), fields.take("image_url"))
        fields.skip("detail", "file_id")
    elif kind == "refusal":
        made = types.Part(text=fields.text("refusal") or "")
    elif kind in TEXTS:
        made = types.Part(text=fields.text("text") or "")
    else:
        said = f"parts of type {str(kind)[:40]!r} are not built"
        raise unsupported(fields.path("type"), said, "send text or pictures")
    fields.skip("annotations", "logprobs", "prompt_cache_breakpoint")
    fields.end()
    return made
