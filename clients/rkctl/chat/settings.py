"""What `/set` changes in a chat: the sampling wishes, by the names of flags and Modelfiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click
from rkd_client import quantity

if TYPE_CHECKING:
    from rkd_client.options import WantedBackend
from rkctl.flags import NUMBERS, Asked, length_of_time
from rkd.modelfile.sampling import ValueKind

_NUMBERS = {name: row for row in NUMBERS for name in (row.name, row.key)}
_SWITCHES: dict[str, tuple[str, bool]] = {
    "think": ("think", True),
    "nothink": ("think", False),
    "verbose": ("verbose", True),
    "quiet": ("verbose", False),
    "raw": ("raw", True),
    "noraw": ("raw", False),
}


def change(asked: Asked, name: str, value: str) -> None:
    """
    Set *name* in *asked*; an empty value goes back to the model's own.

    Raises:
        click.UsageError: no such name, no such value.
    """
    name = name.replace("-", "_")
    if name in _SWITCHES:
        field, state = _SWITCHES[name]
        setattr(asked, field, state)
    elif name in _NUMBERS:
        row = _NUMBERS[name]
        asked.numbers.pop(row.name, None)
        if value:
            kind = int if row.domain.kind is ValueKind.INT else float
            asked.numbers[row.name] = _number(name, value, kind)
    elif name == "num_ctx":
        asked.context_tokens = int(_number(name, value, int)) if value else None
    elif name == "stop":
        asked.stop = tuple(value.split()) if value else ()
    elif name == "system":
        asked.system = value or None
    elif name == "keep_alive":
        asked.keep_alive_s = length_of_time(value) if value else None
    elif name == "backend":
        asked.backend = _backend(value)
    else:
        known = ", ".join(
            sorted([*_NUMBERS, *_SWITCHES, "backend", "keep_alive", "num_ctx", "stop", "system"])
        )
        raise click.UsageError(f"there is no {name!r} to set; there are {known}")


def shown(asked: Asked) -> Iterator[tuple[str, str]]:
    """Yield everything that is set, as name and text."""
    for name, number in asked.numbers.items():
        yield name, str(number)
    if asked.context_tokens is not None:
        yield "num_ctx", str(asked.context_tokens)
    if asked.stop:
        yield "stop", " ".join(asked.stop)
    if asked.system is not None:
        yield "system", asked.system
    if asked.keep_alive_s is not None:
        yield "keep_alive", quantity.seconds(asked.keep_alive_s)
    if asked.backend:
        yield "backend", asked.backend
    for name in ("think", "raw", "verbose"):
        value = getattr(asked, name)
        if value is not None:
            yield name, "on" if value else "off"


def _number(name: str, value: str, kind: Callable[[str], float]) -> float:
    try:
        return kind(value)
    except ValueError as error:
        raise click.UsageError(f"{name} wants a number, not {value!r}") from error


def _backend(value: str) -> WantedBackend | None:
    match value:
        case "":
            return None
        case "auto" | "npu" | "cpu":
            return value
        case _:
            raise click.UsageError("backend is auto, npu or cpu")
