"""Flags several verbs share, and how they become fields of a request."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, cast

import click
from rkd_client.files import named, place_of, read_whole, why_not

from rkctl.verb import FineOption
from rkd.modelfile.sampling import SAMPLING, SamplingParameter, ValueKind
from rkd.outside import json_value

if TYPE_CHECKING:
    from rkd_client.options import Options, WantedBackend, WantedOverflow, WantedPriority

MAX_GIVEN_BYTES = 64 << 20
"""Of a file whose text goes into a request: more fits none."""

MAX_JSON_ITEMS = 1_000_000
"""In a file of turns, of functions or with a schema."""

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
    "keep_alive_s",
    type=length_of_time,
    metavar="TIME",
    help="How long the model stays: 5m, 0 to leave at once, -1 for ever.",
)


def where_to_run(function: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the flags that say where a model runs, and for how long it stays."""
    return BACKEND(CONTEXT_TOKENS(KEEP_ALIVE(function)))


NUMBERS = tuple(row for row in SAMPLING if row.key)
"""Of these a name of `/set` and a line of a saved Modelfile is made."""

_COMMON = frozenset(
    {"temperature", "top_k", "top_p", "min_p", "repeat_penalty", "seed", "max_tokens"}
)
"""What people turn; the rest is named by the help and explained by `rkctl help sampling`."""


def _number_option(row: SamplingParameter) -> Callable[[Any], Any]:
    kind = int if row.domain.kind is ValueKind.INT else float
    text = f"{row.help[0].upper()}{row.help[1:]}."
    flag = f"--{row.name.replace('_', '-')}"
    cls = click.Option if row.name in _COMMON else FineOption
    metavar = "N" if kind is int else "X"
    return click.option(flag, row.name, cls=cls, type=kind, metavar=metavar, help=text)


def _bias(text: str) -> tuple[int, float]:
    """
    Read `ID=BIAS`.

    Raises:
        click.BadParameter: it is none.
    """
    token, _, bias = text.partition("=")
    try:
        return int(token), float(bias)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} should be a token's id, `=` and a number") from error


def _fine(*names: str, help: str, **more: Any) -> Callable[[Any], Any]:  # noqa: A002 - click's word
    return click.option(*names, cls=FineOption, help=help, **more)


SAMPLING_FLAGS: tuple[Callable[[Any], Any], ...] = (
    *map(_number_option, SAMPLING),
    click.option("--stop", multiple=True, metavar="TEXT", help="End before this; repeatable."),
    click.option(
        "--format",
        "shape",
        type=click.Path(),
        metavar="json|FILE",
        help="Answer JSON, of this schema.",
    ),
    click.option(
        "--choice",
        "choices",
        multiple=True,
        metavar="TEXT",
        help="Answer one of these; repeatable.",
    ),
    click.option("--regex", metavar="REGEX", help="Answer what matches this from end to end."),
    _fine(
        "--grammar", type=click.Path(), metavar="FILE", help="Answer what this GBNF grammar makes."
    ),
    _fine("--n", type=int, metavar="N", help="Make so many answers, 1 to 16."),
    _fine(
        "--stop-token",
        "stop_token_ids",
        type=int,
        multiple=True,
        metavar="ID",
        help="End before this token; repeatable.",
    ),
    _fine("--ignore-eos", is_flag=True, default=None, help="Go on where the model would end."),
    _fine(
        "--dry-sequence-breaker",
        "dry_sequence_breakers",
        multiple=True,
        metavar="TEXT",
        help="No repetition goes on over this (DRY); repeatable.",
    ),
    _fine(
        "--logit-bias",
        type=_bias,
        multiple=True,
        metavar="ID=BIAS",
        help="Make a token likelier or rarer, by -100 to 100; repeatable.",
    ),
    _fine("--token-ids", is_flag=True, help="Tell the ids of the tokens; with --json."),
)
"""How an answer is made."""

FLAGS: tuple[Callable[[Any], Any], ...] = (
    click.option("--system", metavar="TEXT", help="System prompt instead of the model's."),
    *SAMPLING_FLAGS,
    BACKEND,
    CONTEXT_TOKENS,
    KEEP_ALIVE,
    click.option("--raw", is_flag=True, help="The prompt as it is: no system, no template."),
    click.option("--think/--no-think", default=None, help="Switch reasoning on or off."),
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
        "--tries",
        type=int,
        metavar="N",
        help="On the NPU: make up to N answers until one keeps what it is held to.",
    ),
    click.option(
        "--loop-guard",
        type=int,
        metavar="N",
        help="On the NPU: end an answer that runs in a circle for N tokens; 0 lets it run.",
    ),
    click.option(
        "--overflow",
        type=click.Choice(["refuse", "trim-oldest"]),
        help="Of a conversation longer than the context: refuse it, or leave out old turns.",
    ),
    click.option(
        "--session", metavar="NAME", help="Keep what is computed of this conversation on disk."
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
    backend: WantedBackend | None = None
    context_tokens: int | None = None
    keep_alive_s: float | None = None
    raw: bool = False
    think: bool | None = None
    shape: str | None = None
    priority: WantedPriority | None = None
    verbose: bool = False
    hide_thinking: bool = False
    effort: str | None = None
    thinking_budget: int | None = None
    tries: int | None = None
    loop_guard: int | None = None
    overflow: str | None = None
    session: str | None = None
    unwrapped: bool = False
    choices: tuple[str, ...] = ()
    regex: str | None = None
    grammar: str | None = None
    n: int | None = None
    stop_token_ids: tuple[int, ...] = ()
    ignore_eos: bool | None = None
    dry_sequence_breakers: tuple[str, ...] = ()
    logit_bias: tuple[tuple[int, float], ...] = ()
    token_ids: bool = False
    numbers: dict[str, float] = field(default_factory=dict)

    def check(self, *, as_json: bool = False, conversation: bool = False) -> None:
        """
        Refuse what cannot go together, and what would not be seen.

        Raises:
            click.UsageError: with what to do.
        """
        held = {"--format": self.shape, "--choice": self.choices or None}
        held |= {"--regex": self.regex, "--grammar": self.grammar}
        given = [flag for flag, value in held.items() if value is not None]
        if len(given) > 1:
            raise click.UsageError(f"{' and '.join(given)}: an answer is held to one of them")
        if not as_json and (self.token_ids or "logprobs" in self.numbers):
            flag = "--token-ids" if self.token_ids else "--logprobs"
            raise click.UsageError(f"{flag} is told with --json alone")
        if conversation and self.n is not None and self.n > 1:
            raise click.UsageError("--n: a conversation goes on from one answer; give a prompt")

    def options(self) -> Options:
        """Return these wishes as the client library takes them."""
        rest: Options = {
            "stop": self.stop,
            "backend": self.backend,
            "context_tokens": self.context_tokens,
            "keep_alive_s": self.keep_alive_s,
            "thinking": self.think,
            "thinking_budget": self.thinking_budget,
            "structured_tries": self.tries,
            "loop_guard": self.loop_guard,
            "reasoning_effort": self.effort,
            "json_schema": None if self.shape is None else _schema(self.shape),
            "choices": self.choices or None,
            "regex": self.regex,
            "grammar": None if self.grammar is None else text_in(self.grammar, "--grammar"),
            "n": self.n,
            "stop_token_ids": self.stop_token_ids,
            "ignore_eos": self.ignore_eos,
            "dry_sequence_breakers": self.dry_sequence_breakers,
            "return_token_ids": self.token_ids or None,
            "priority": self.priority,
            "context_overflow": _overflow(self.overflow),
            "session": self.session,
        }
        biases = [{"token_id": token, "bias": bias} for token, bias in self.logit_bias]
        return cast("Options", {**self.numbers, **rest, "logit_bias": biases or None})


def _overflow(flag: str | None) -> WantedOverflow | None:
    return cast("WantedOverflow", flag.replace("-", "_")) if flag else None


def sampling(function: Callable[..., None]) -> Callable[..., None]:
    """Give a verb all flags of `Asked`, joined into one argument `asked`."""

    @functools.wraps(function)
    def joined(*args: Any, **given: Any) -> None:
        numbers = {row.name: given.pop(row.name) for row in SAMPLING}
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
    text = text_in(shape, "--format")
    try:
        json_value(text.encode(), most_items=MAX_JSON_ITEMS)
    except ValueError as error:
        raise click.UsageError(
            f"--format {named(shape)}: no JSON schema can be read: {error}"
        ) from error
    return text


def text_in(file: str, flag: str) -> str:
    """
    Return the text in *file* of this machine, which *flag* names.

    Raises:
        click.UsageError: there is none, or it is no text or too long.
    """
    try:
        return read_whole(place_of(file), MAX_GIVEN_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        said = f"{flag} {named(file)}: no text can be read: {why_not(error)}"
        raise click.UsageError(said) from error
