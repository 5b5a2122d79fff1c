"""What one run gives the engine to read: what its template made of it, and with its pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

from rkd.backend.llamacpp.sight import Seen
from rkd.backend.text.calls.table import HERMES, CallFormat
from rkd.inference import TemplateWay

NO_TEMPLATE = "The model has no chat template: the messages were sent as plain text."


@dataclass(frozen=True, slots=True)
class Written:
    """
    What a template made, marks in place of pictures.

    Args:
        way: which template made it.
        row: how the model writes tool calls.
        chat: reasoning and calls are to be looked for.
        opening: what the model opens its reasoning with itself, where it is to think; or "".
    """

    text: str
    way: TemplateWay = TemplateWay.RAW
    row: CallFormat = HERMES
    warnings: tuple[str, ...] = ()
    chat: bool = False
    opening: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What the engine is to read.

    Args:
        prompt: text with the engine's markers in place of pictures, or token ids.
        way, row, warnings, chat, opening: as of `Written`.
        seen: its pictures.
    """

    prompt: str | list[int]
    way: TemplateWay = TemplateWay.RAW
    row: CallFormat = HERMES
    warnings: tuple[str, ...] = ()
    chat: bool = False
    opening: str = ""
    seen: Seen = field(default_factory=Seen)
