"""Flags several verbs share, and how they become fields of a request."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import click
from google.protobuf.duration_pb2 import Duration

from rkd.v1 import types_pb2 as types

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
    callback=lambda _ctx, _param, value: (
        types.Backend.Value(f"BACKEND_{value.upper()}") if value else types.BACKEND_UNSPECIFIED
    ),
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

SAMPLING: tuple[Callable[[Any], Any], ...] = (
    click.option("--system", metavar="TEXT", help="System prompt instead of the model's."),
    click.option("--temperature", type=float, metavar="T", help="0 takes the best token."),
    click.option("--top-k", type=int, metavar="N", help="Only the N best tokens; 0: all."),
    click.option("--top-p", type=float, metavar="P", help="Only tokens that sum to P."),
    click.option("--min-p", type=float, metavar="P", help="Drop tokens below P of the best."),
    click.option("--repeat-penalty", type=float, metavar="X", help="1 is off."),
    click.option("--max-tokens", type=int, metavar="N", help="Longest answer."),
    click.option("--seed", type=int, metavar="N", help="Equal seeds give equal answers."),
    click.option("--stop", multiple=True, metavar="TEXT", help="End before this; repeatable."),
    BACKEND,
    CONTEXT_TOKENS,
    KEEP_ALIVE,
    click.option("--raw", is_flag=True, help="The prompt as it is: no system, no template."),
    click.option("--think/--no-think", default=None, help="Switch reasoning on or off."),
    click.option("--format", "shape", metavar="json|FILE", help="Answer JSON, of this schema."),
    click.option(
        "--priority",
        type=click.Choice(["interactive", "normal", "background"]),
        help="Urgency while waiting.",
    ),
    click.option("--verbose", is_flag=True, help="Say on stderr where and how fast it ran."),
)


@dataclass(slots=True)
class Asked:
    """
    What `run`, `generate` and `chat` were asked besides the prompt; None where not given.

    The chat's `/set` changes it.
    """

    system: str | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    backend: types.Backend = types.BACKEND_UNSPECIFIED
    context_tokens: int | None = None
    keep_alive: float | None = None
    raw: bool = False
    think: bool | None = None
    shape: str | None = None
    priority: str | None = None
    verbose: bool = False

    def options(self) -> types.InferenceOptions:
        """Return these wishes as the request carries them."""
        options = types.InferenceOptions(backend=self.backend, priority=_priority(self.priority))
        for name in ("temperature", "top_k", "top_p", "min_p", "repeat_penalty", "seed"):
            _set(options.sampling, name, getattr(self, name))
        _set(options.sampling, "max_tokens", self.max_tokens)
        _set(options, "context_tokens", self.context_tokens)
        _set(options, "thinking", self.think)
        options.sampling.stop.extend(self.stop)
        if self.shape is not None:
            options.sampling.json_schema = _schema(self.shape)
        if self.keep_alive is not None:
            options.keep_alive.CopyFrom(duration(self.keep_alive))
        return options


def sampling(function: Callable[..., None]) -> Callable[..., None]:
    """Give a verb all flags of `Asked`, joined into one argument `asked`."""

    @functools.wraps(function)
    def joined(*args: Any, **given: Any) -> None:
        asked = Asked(**{field.name: given.pop(field.name) for field in fields(Asked)})
        function(*args, asked=asked, **given)

    decorated: Callable[..., None] = joined
    for option in reversed(SAMPLING):
        decorated = option(decorated)
    return decorated


def backend_named(word: str) -> types.Backend:
    """
    Return the backend called *word*; "" is unspecified.

    Raises:
        ValueError: there is none of that name.
    """
    value = types.Backend.Value(f"BACKEND_{(word or 'unspecified').upper()}")
    return cast("types.Backend", value)


def duration(value_s: float) -> Duration:
    """Return *value_s* as a message."""
    message = Duration()
    message.FromNanoseconds(round(value_s * 1e9))
    return message


def _set(message: Any, name: str, value: Any) -> None:
    if value is None:
        return
    try:
        setattr(message, name, value)
    except ValueError as error:  # beyond the field's integer type
        raise click.UsageError(f"{name.replace('_', '-')}: {error}") from error


def _priority(name: str | None) -> types.Priority:
    value = types.Priority.Value(f"PRIORITY_{(name or 'unspecified').upper()}")
    return cast("types.Priority", value)


def _schema(shape: str) -> str:
    if shape == "json":
        return "{}"
    try:
        text = Path(shape).read_text(encoding="utf-8")
        json.loads(text)
    except (OSError, ValueError) as error:
        raise click.UsageError(f"--format {shape}: no JSON schema can be read: {error}") from error
    return text
