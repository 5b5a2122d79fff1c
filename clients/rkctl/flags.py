"""Flags several verbs share, and how they become fields of a request."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from rkd.modelfile.sampling import SAMPLING, SamplingParameter, ValueKind

if TYPE_CHECKING:
    from rkd_client.options import Backend, Options, Overflow, Priority

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def length_of_time(text: str) -> float:
    """
    Return the seconds of `30s`, `5m`, `1h30m` or a plain number; negative means for ever.

    Raises:
        click.BadParameter: it is no length of time.
    """
    plain = text.strip().lower()
    try:
        return float(plain)
    except ValueError:
        if plain and not _PART.sub("", plain):
            return sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(plain))
    raise click.BadParameter(f"{text!r} is no length of time; write 30s, 5m, 1h30m or -1")


BACKEND = click.option(
    "--backend",
    type=click.Choice(["auto", "npu", "cpu"]),
    help="Where to run. Default: the model's, else the daemon's.",
)
CONTEXT_TOKENS = click.option(
    "--num-ctx", "context_tokens", type=int, metavar="TOKENS", help="Context of each slot."
)
KEEP_ALIVE = click.option(
    "--keep-alive",
    type=length_of_time,
    metavar="TIME",
    help="How long the model stays: 5m, 0 to leave at once, -1 for ever.",
)

NUMBERS = tuple(row for row in SAMPLING if row.flag)
"""Of these a flag, a name of `/set` and a line of a saved Modelfile is made."""


def _number_option(row: SamplingParameter) -> Callable[[Any], Any]:
    kind = int if row.domain.kind is ValueKind.INT else float
    text = f"{row.help[0].upper()}{row.help[1:]}."
    flag = f"--{row.name.replace('_', '-')}"
    return click.option(flag, row.name, type=kind, metavar="N" if kind is int else "X", help=text)


FLAGS: tuple[Callable[[Any], Any], ...] = (
    click.option("--system", metavar="TEXT", help="System prompt instead of the model's."),
    *map(_number_option, NUMBERS),
    click.option("--stop", multiple=True, metavar="TEXT", help="End before this; repeatable."),
    BACKEND,
    CONTEXT_TOKENS,
    KEEP_ALIVE,
    click.option("--raw", is_flag=True, help="The prompt as it is: no system, no template."),
    click.option("--think/--no-think", default=None, help="Switch reasoning on or off."),
    click.option(
        "--format",
        "shape",
        type=click.Path(),
        metavar="json|FILE",
        help="Answer JSON, of this schema.",
    ),
    click.option(
        "--priority",
        type=click.Choice(["interactive", "normal", "background"]),
        help="Urgency while waiting.",
    ),
    click.option("--verbose", is_flag=True, help="Say on stderr where and how fast it ran."),
    click.option("--effort", metavar="WORD", help="How much to reason: low, medium, high."),
    click.option(
        "--thinking-budget", type=int, metavar="N", help="End the reasoning after N tokens."
    ),
    click.option(
        "--overflow",
        type=click.Choice(["refuse", "trim-oldest"]),
        help="Of a conversation longer than the context: refuse it, or leave out old turns.",
    ),
    click.option("--hide-thinking", is_flag=True, help="Do not show what it thinks."),
    click.option("--no-wordwrap", "unwrapped", is_flag=True, help="Break lines anywhere."),
)


@dataclass(slots=True)
class Asked:
    """
    What `run`, `generate` and `chat` were asked besides the prompt; None where not given.

    *numbers* are of sampling, those given. The chat's `/set` changes it.
    """

    system: str | None = None
    stop: tuple[str, ...] = ()
    backend: Backend | None = None
    context_tokens: int | None = None
    keep_alive: float | None = None
    raw: bool = False
    think: bool | None = None
    shape: str | None = None
    priority: Priority | None = None
    verbose: bool = False
    hide_thinking: bool = False
    effort: str | None = None
    thinking_budget: int | None = None
    overflow: str | None = None
    unwrapped: bool = False
    numbers: dict[str, float] = field(default_factory=dict)

    def options(self) -> Options:
        """Return these wishes as the client library takes them."""
        rest: Options = {
            "stop": self.stop,
            "backend": self.backend,
            "context_tokens": self.context_tokens,
            "keep_alive_s": self.keep_alive,
            "thinking": self.think,
            "thinking_budget": self.thinking_budget,
            "reasoning_effort": self.effort,
            "json_schema": None if self.shape is None else _schema(self.shape),
            "priority": self.priority,
            "context_overflow": _overflow(self.overflow),
        }
        return cast("Options", {**self.numbers, **rest})


def _overflow(flag: str | None) -> Overflow | None:
    return cast("Overflow", flag.replace("-", "_")) if flag else None


def sampling(function: Callable[..., None]) -> Callable[..., None]:
    """Give a verb all flags of `Asked`, joined into one argument `asked`."""

    @functools.wraps(function)
    def joined(*args: Any, **given: Any) -> None:
        numbers = {row.name: given.pop(row.name) for row in NUMBERS}
        given["numbers"] = {name: value for name, value in numbers.items() if value is not None}
        asked = Asked(**{one.name: given.pop(one.name) for one in fields(Asked)})
        function(*args, asked=asked, **given)

    decorated: Callable[..., None] = joined
    for option in reversed(FLAGS):
        decorated = option(decorated)
    return decorated


def _schema(shape: str) -> str:
    if shape == "json":
        return "{}"
    try:
        text = Path(shape).read_text(encoding="utf-8")
        json.loads(text)
    except (OSError, ValueError) as error:
        raise click.UsageError(f"--format {shape}: no JSON schema can be read: {error}") from error
    return text
